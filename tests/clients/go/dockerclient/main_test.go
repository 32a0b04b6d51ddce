// Docker's Go client against an engine: what programs written in Go do with it, through a day. The engine is at DOCKER_HOST;
// TEST_IMAGE is an image with busybox in it, TEST_REGISTRY a registry on loopback.
package dockerclient

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

var (
	docker *client.Client
	image  = os.Getenv("TEST_IMAGE")
)

func TestMain(m *testing.M) {
	var err error
	if docker, err = client.New(client.FromEnv); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// limited gives a context that ends with the test, or after a minute.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func need[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %#v, want %#v", got, want)
	}
}

func holds(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Fatalf("%q is not in %q", part, text)
	}
}

// create makes a container that is removed with its volumes when the test ends.
func create(t *testing.T, config *container.Config, host *container.HostConfig) string {
	t.Helper()
	return createAs(t, client.ContainerCreateOptions{Config: config, HostConfig: host})
}

func createAs(t *testing.T, options client.ContainerCreateOptions) string {
	t.Helper()
	if options.Config.Image == "" {
		options.Config.Image = image
	}
	id := need(docker.ContainerCreate(limited(t), options))(t).ID
	t.Cleanup(func() {
		docker.ContainerRemove(context.Background(), id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	})
	return id
}

func start(t *testing.T, id string) {
	t.Helper()
	need(docker.ContainerStart(limited(t), id, client.ContainerStartOptions{}))(t)
}

// running makes and starts a container with this command.
func running(t *testing.T, command ...string) string {
	t.Helper()
	id := create(t, &container.Config{Cmd: command}, nil)
	start(t, id)
	return id
}

func inspect(t *testing.T, id string) container.InspectResponse {
	t.Helper()
	return need(docker.ContainerInspect(limited(t), id, client.ContainerInspectOptions{}))(t).Container
}

// exitCode waits for the end of a container.
func exitCode(t *testing.T, id string, condition container.WaitCondition) int64 {
	t.Helper()
	return ended(t, docker.ContainerWait(limited(t), id, client.ContainerWaitOptions{Condition: condition}))
}

func ended(t *testing.T, wait client.ContainerWaitResult) int64 {
	t.Helper()
	select {
	case result := <-wait.Result:
		if result.Error != nil {
			t.Fatal(result.Error.Message)
		}
		return result.StatusCode
	case err := <-wait.Error:
		t.Fatal(err)
	}
	return -1
}

// separated reads a multiplexed stream to its end.
func separated(t *testing.T, from io.Reader) (out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	need(stdcopy.StdCopy(&stdout, &stderr, from))(t)
	return stdout.String(), stderr.String()
}

func logs(t *testing.T, id string, options client.ContainerLogsOptions) (out, err string) {
	t.Helper()
	options.ShowStdout, options.ShowStderr = true, true
	stream := need(docker.ContainerLogs(limited(t), id, options))(t)
	defer stream.Close()
	return separated(t, stream)
}

// run executes a command in a container and gives what it printed and how it ended.
func run(t *testing.T, id string, command ...string) (string, int) {
	t.Helper()
	ctx := limited(t)
	made := need(docker.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: command, AttachStdout: true, AttachStderr: true}))(t)
	attached := need(docker.ExecAttach(ctx, made.ID, client.ExecAttachOptions{}))(t)
	defer attached.Close()
	out, err := separated(t, attached.Reader)
	return out + err, need(docker.ExecInspect(ctx, made.ID, client.ExecInspectOptions{}))(t).ExitCode
}

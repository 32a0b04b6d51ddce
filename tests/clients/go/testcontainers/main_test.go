// testcontainers for Go against an engine: what test suites written in Go do with it. The engine is at DOCKER_HOST;
// TEST_IMAGE is an image with busybox in it.
package testcontainers

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	tc "github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
)

const serve = "mkdir -p /www && echo hello > /www/index.html && echo serving && exec httpd -f -p 8080 -h /www"

var image = os.Getenv("TEST_IMAGE")

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

func shell(script string) tc.CustomizeRequestOption {
	return tc.WithCmd("sh", "-c", script)
}

// started runs a container that is terminated when the test ends.
func started(t *testing.T, options ...tc.ContainerCustomizer) *tc.DockerContainer {
	t.Helper()
	container, err := tc.Run(limited(t), image, options...)
	tc.CleanupContainer(t, container, tc.StopTimeout(0))
	return need(container, err)(t)
}

func sleeper(t *testing.T, options ...tc.ContainerCustomizer) *tc.DockerContainer {
	t.Helper()
	return started(t, append([]tc.ContainerCustomizer{tc.WithCmd("sleep", "1000")}, options...)...)
}

// page is what the server of `serve` answers, or why it does not.
func page(t *testing.T, container tc.Container) string {
	t.Helper()
	url := need(container.PortEndpoint(limited(t), "8080/tcp", "http"))(t)
	answer, err := http.Get(url + "/index.html")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	return string(need(io.ReadAll(answer.Body))(t))
}

// run executes a command and gives all that it printed and how it ended.
func run(t *testing.T, container tc.Container, command []string, options ...exec.ProcessOption) (string, int) {
	t.Helper()
	code, out, err := container.Exec(limited(t), command, append(options, exec.Multiplexed())...)
	if err != nil {
		t.Fatal(err)
	}
	return string(need(io.ReadAll(out))(t)), code
}

func output(t *testing.T, container tc.Container, command ...string) string {
	t.Helper()
	out, code := run(t, container, command)
	equal(t, code, 0)
	return strings.TrimSuffix(out, "\n")
}

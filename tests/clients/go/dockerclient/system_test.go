package dockerclient

import (
	"context"
	"fmt"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

func TestVersions(t *testing.T) {
	ctx := limited(t)
	ping := need(docker.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}))(t)
	equal(t, ping.OSType, "linux")
	equal(t, string(ping.SwarmStatus.NodeState), "inactive")
	version := need(docker.ServerVersion(ctx, client.ServerVersionOptions{}))(t)
	equal(t, version.APIVersion, ping.APIVersion)
	equal(t, version.Os, "linux")
	if docker.ClientVersion() > version.APIVersion || docker.ClientVersion() < "1.50" {
		t.Fatal(docker.ClientVersion())
	}
	info := need(docker.Info(ctx, client.InfoOptions{}))(t).Info
	equal(t, info.Architecture, "x86_64")
	if info.NCPU < 1 || info.MemTotal < 1<<20 || info.ServerVersion != version.Version {
		t.Fatalf("%+v", info)
	}
	// One that insists on an older version gets it.
	old := need(client.New(client.FromEnv, client.WithAPIVersion("1.44")))(t)
	defer old.Close()
	need(old.ContainerList(ctx, client.ContainerListOptions{All: true}))(t)
	equal(t, old.ClientVersion(), "1.44")
	_, err := docker.NodeList(ctx, client.NodeListOptions{})
	if !cerrdefs.IsUnavailable(err) {
		t.Fatalf("nodes outside a swarm: %v", err)
	}
}

func TestKindsOfErrors(t *testing.T) {
	ctx := limited(t)
	_, err := docker.ContainerInspect(ctx, "nobody", client.ContainerInspectOptions{})
	if !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	equal(t, err.Error(), "Error response from daemon: No such container: nobody")
	_, err = docker.ContainerCreate(ctx, client.ContainerCreateOptions{Config: &container.Config{Image: "test/none:1"}})
	if !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	holds(t, err.Error(), "No such image: test/none:1")
	createAs(t, client.ContainerCreateOptions{Config: &container.Config{Cmd: []string{"true"}}, Name: "taken"})
	_, err = docker.ContainerCreate(ctx, client.ContainerCreateOptions{Config: &container.Config{Image: image}, Name: "taken"})
	if !cerrdefs.IsConflict(err) {
		t.Fatal(err)
	}
	holds(t, err.Error(), `The container name "/taken" is already in use by container`)
	_, err = docker.ContainerCreate(ctx, client.ContainerCreateOptions{Config: &container.Config{Image: image}, Name: "a b"})
	if !cerrdefs.IsInvalidArgument(err) {
		t.Fatal(err)
	}
	_, err = docker.ContainerStop(ctx, "nobody", client.ContainerStopOptions{})
	if !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
}

func TestEvents(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	before := time.Now()
	filters := make(client.Filters).Add("type", "container").Add("label", "seen=yes")
	stream := docker.Events(ctx, client.EventsListOptions{Filters: filters})
	// What no filter lets through.
	exitCode(t, running(t, "true"), container.WaitConditionNotRunning)
	id := create(t, &container.Config{Cmd: []string{"sh", "-c", "exit 3"}, Labels: map[string]string{"seen": "yes"}}, nil)
	start(t, id)
	exitCode(t, id, container.WaitConditionNotRunning)
	need(docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{}))(t)
	check := func(messages <-chan events.Message, failed <-chan error) {
		t.Helper()
		for _, action := range []string{"create", "start", "die", "destroy"} {
			select {
			case message := <-messages:
				equal(t, string(message.Action), action)
				equal(t, message.Actor.ID, id)
				equal(t, message.Actor.Attributes["image"], image)
				equal(t, message.Scope, "local")
				if action == "die" {
					equal(t, message.Actor.Attributes["exitCode"], "3")
				}
				if time.Unix(0, message.TimeNano).Before(before) {
					t.Fatal(message)
				}
			case err := <-failed:
				t.Fatal(err)
			}
		}
	}
	check(stream.Messages, stream.Err)
	again := docker.Events(ctx, client.EventsListOptions{Filters: filters, Since: fmt.Sprintf("%d.%09d", before.Unix(), before.Nanosecond()),
		Until: fmt.Sprint(time.Now().Unix() + 1)})
	check(again.Messages, again.Err)
}

func TestDiskUsage(t *testing.T) {
	id := running(t, "sh", "-c", "head -c 300000 /dev/zero > /file; exec sleep 1000")
	run(t, id, "sh", "-c", "while [ ! -s /file ]; do sleep 0.05; done")
	usage := need(docker.DiskUsage(limited(t), client.DiskUsageOptions{Containers: true, Images: true, Volumes: true, BuildCache: true, Verbose: true}))(t)
	equal(t, usage.Containers.TotalCount, 1)
	equal(t, usage.Containers.ActiveCount, 1)
	if usage.Containers.Items[0].SizeRw < 300000 || usage.Images.TotalSize <= 0 {
		t.Fatalf("%+v", usage)
	}
}

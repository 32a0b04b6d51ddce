package dockerclient

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// removed takes an image away with the test.
func removed(t *testing.T, names ...string) {
	t.Cleanup(func() {
		for _, name := range names {
			docker.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true})
		}
	})
}

// messages reads JSON messages to their end; the error among them, if there is one, is the last.
func messages(t *testing.T, from io.Reader) []jsonstream.Message {
	t.Helper()
	var all []jsonstream.Message
	for decoder := json.NewDecoder(from); ; {
		var message jsonstream.Message
		if err := decoder.Decode(&message); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, message)
	}
}

func TestBuild(t *testing.T) {
	ctx := limited(t)
	removed(t, "day/app:1")
	value := "me"
	files := map[string]string{"Dockerfile": "FROM " + image + " AS base\nARG WHO\nENV WHO=$WHO\nCOPY page /page\nRUN echo building; echo made > /made\n" +
		"FROM base AS last\nLABEL a=b\nCMD cat /page /made; echo $WHO\n", "page": "hello\n"}
	answer := need(docker.ImageBuild(ctx, packed(t, files), client.ImageBuildOptions{Tags: []string{"day/app:1"}, BuildArgs: map[string]*string{"WHO": &value},
		Labels: map[string]string{"c": "d"}, Target: "last", Remove: true}))(t)
	defer answer.Body.Close()
	var text strings.Builder
	var id struct{ ID string }
	for _, message := range messages(t, answer.Body) {
		if message.Error != nil {
			t.Fatal(message.Error)
		}
		text.WriteString(message.Stream)
		if message.Aux != nil {
			json.Unmarshal(*message.Aux, &id)
		}
	}
	holds(t, text.String(), "building\n")
	holds(t, text.String(), "Successfully tagged day/app:1\n")
	found := need(docker.ImageInspect(ctx, "day/app:1"))(t)
	equal(t, found.ID, id.ID)
	equal(t, found.Config.Labels["a"]+found.Config.Labels["c"], "bd")
	made := create(t, &container.Config{Image: "day/app:1"}, nil)
	start(t, made)
	exitCode(t, made, container.WaitConditionNotRunning)
	out, _ := logs(t, made, client.ContainerLogsOptions{})
	equal(t, out, "hello\nmade\nme\n")
	history := need(docker.ImageHistory(ctx, "day/app:1"))(t).Items
	holds(t, history[0].CreatedBy, "CMD")

	failing := need(docker.ImageBuild(ctx, packed(t, map[string]string{"Dockerfile": "FROM " + image + "\nRUN echo why; exit 7\n"}), client.ImageBuildOptions{}))(t)
	defer failing.Body.Close()
	all := messages(t, failing.Body)
	last := all[len(all)-1].Error
	if last == nil {
		t.Fatal(all)
	}
	equal(t, last.Code, 7)
	holds(t, last.Message, "returned a non-zero code: 7")
}

func TestCommit(t *testing.T) {
	ctx := limited(t)
	removed(t, "day/saved:1")
	id := running(t, "sh", "-c", "echo changed > /file")
	exitCode(t, id, container.WaitConditionNotRunning)
	saved := need(docker.ContainerCommit(ctx, id, client.ContainerCommitOptions{Reference: "day/saved:1", Comment: "why", Author: "who", Changes: []string{"CMD cat /file"}}))(t)
	found := need(docker.ImageInspect(ctx, "day/saved:1"))(t)
	equal(t, found.ID, saved.ID)
	equal(t, found.Comment, "why")
	again := create(t, &container.Config{Image: "day/saved:1"}, nil)
	start(t, again)
	exitCode(t, again, container.WaitConditionNotRunning)
	out, _ := logs(t, again, client.ContainerLogsOptions{})
	equal(t, out, "changed\n")
}

func TestSaveLoadImport(t *testing.T) {
	ctx := limited(t)
	removed(t, "day/kept:1", "day/flat:1")
	need(docker.ImageTag(ctx, client.ImageTagOptions{Source: image, Target: "day/kept:1"}))(t)
	stream := need(docker.ImageSave(ctx, []string{"day/kept:1"}))(t)
	archive := need(io.ReadAll(stream))(t)
	stream.Close()
	gone := need(docker.ImageRemove(ctx, "day/kept:1", client.ImageRemoveOptions{}))(t).Items
	equal(t, gone[0].Untagged, "day/kept:1")
	loaded := need(docker.ImageLoad(ctx, bytes.NewReader(archive)))(t)
	defer loaded.Close()
	holds(t, messages(t, loaded)[0].Stream, "Loaded image: day/kept:1")
	equal(t, need(docker.ImageInspect(ctx, "day/kept:1"))(t).ID, need(docker.ImageInspect(ctx, image))(t).ID)

	id := create(t, &container.Config{Cmd: []string{"true"}}, nil)
	whole := need(docker.ContainerExport(ctx, id, client.ContainerExportOptions{}))(t)
	defer whole.Close()
	imported := need(docker.ImageImport(ctx, client.ImageImportSource{Source: whole, SourceName: "-"}, "day/flat:1",
		client.ImageImportOptions{Message: "flat", Changes: []string{"CMD echo flat"}}))(t)
	defer imported.Close()
	all := messages(t, imported)
	holds(t, all[len(all)-1].Status, "sha256:")
	flat := create(t, &container.Config{Image: "day/flat:1"}, nil)
	start(t, flat)
	equal(t, exitCode(t, flat, container.WaitConditionNotRunning), 0)
}

func TestRegistry(t *testing.T) {
	registry := os.Getenv("TEST_REGISTRY")
	if registry == "" {
		t.Skip("docker-registry is not installed")
	}
	ctx := limited(t)
	name := registry + "/day/pushed:1"
	removed(t, name)
	need(docker.ImageTag(ctx, client.ImageTagOptions{Source: image, Target: name}))(t)
	pushed := need(docker.ImagePush(ctx, name, client.ImagePushOptions{RegistryAuth: "e30="}))(t)
	digest := ""
	for _, message := range messages(t, pushed) {
		if message.Error != nil {
			t.Fatal(message.Error)
		}
		if message.Aux != nil {
			var aux struct{ Digest string }
			json.Unmarshal(*message.Aux, &aux)
			digest = aux.Digest
		}
	}
	pushed.Close()
	equal(t, need(docker.DistributionInspect(ctx, name, client.DistributionInspectOptions{}))(t).Descriptor.Digest.String(), digest)
	need(docker.ImageRemove(ctx, name, client.ImageRemoveOptions{}))(t)
	pull := need(docker.ImagePull(ctx, name, client.ImagePullOptions{}))(t)
	if err := pull.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	found := need(docker.ImageInspect(ctx, name))(t)
	equal(t, slices.Contains(found.RepoDigests, registry+"/day/pushed@"+digest), true)
	_, err := docker.ImagePull(ctx, registry+"/day/none:1", client.ImagePullOptions{})
	if !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	_, err = docker.ImagePull(ctx, "127.0.0.1:1/none:1", client.ImagePullOptions{})
	if !cerrdefs.IsInternal(err) {
		t.Fatal(err)
	}
}

func TestListAndPruneImages(t *testing.T) {
	ctx := limited(t)
	answer := need(docker.ImageBuild(ctx, packed(t, map[string]string{"Dockerfile": "FROM " + image + "\nRUN echo alone > /alone\n"}), client.ImageBuildOptions{}))(t)
	messages(t, answer.Body)
	answer.Body.Close()
	dangling := make(client.Filters).Add("dangling", "true")
	listed := need(docker.ImageList(ctx, client.ImageListOptions{Filters: dangling}))(t).Items
	equal(t, len(listed), 1)
	report := need(docker.ImagePrune(ctx, client.ImagePruneOptions{Filters: dangling}))(t).Report
	if len(report.ImagesDeleted) == 0 {
		t.Fatal(report)
	}
	equal(t, len(need(docker.ImageList(ctx, client.ImageListOptions{Filters: dangling}))(t).Items), 0)
	equal(t, len(need(docker.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", image)}))(t).Items), 1)
	need(docker.BuildCachePrune(ctx, client.BuildCachePruneOptions{All: true}))(t)
}

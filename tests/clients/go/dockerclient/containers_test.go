package dockerclient

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"path"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
)

func TestLife(t *testing.T) {
	ctx := limited(t)
	id := createAs(t, client.ContainerCreateOptions{Name: "life", Config: &container.Config{Cmd: []string{"sh", "-c", "trap 'exit 4' TERM; while :; do sleep 0.05; done"},
		Env: []string{"A=b"}, Labels: map[string]string{"k": "v"}, Hostname: "host", WorkingDir: "/tmp", User: "1000:1000"}})
	equal(t, string(inspect(t, id).State.Status), "created")
	start(t, id)
	// Once more is nothing new.
	start(t, id)
	found := inspect(t, "life")
	equal(t, found.ID, id)
	equal(t, found.Name, "/life")
	equal(t, found.State.Running, true)
	equal(t, found.Config.Hostname, "host")
	if found.State.Pid < 2 {
		t.Fatal(found.State)
	}
	out, code := run(t, id, "sh", "-c", "echo $A $(pwd) $(id -u) $(hostname)")
	equal(t, out, "b /tmp 1000 host\n")
	equal(t, code, 0)
	need(docker.ContainerPause(ctx, id, client.ContainerPauseOptions{}))(t)
	equal(t, string(inspect(t, id).State.Status), "paused")
	need(docker.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{}))(t)
	need(docker.ContainerRename(ctx, id, client.ContainerRenameOptions{NewName: "renamed"}))(t)
	top := need(docker.ContainerTop(ctx, "renamed", client.ContainerTopOptions{}))(t)
	equal(t, top.Titles[len(top.Titles)-1], "CMD")
	listed := need(docker.ContainerList(ctx, client.ContainerListOptions{Filters: make(client.Filters).Add("label", "k=v").Add("status", "running")}))(t).Items
	equal(t, len(listed), 1)
	equal(t, listed[0].Names[0], "/renamed")
	equal(t, string(listed[0].State), "running")
	holds(t, listed[0].Status, "Up ")
	_, err := docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{})
	if !cerrdefs.IsConflict(err) {
		t.Fatal(err)
	}
	seconds := 10
	wait := docker.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	need(docker.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds}))(t)
	equal(t, ended(t, wait), 4)
	ends := inspect(t, id).State
	equal(t, ends.ExitCode, 4)
	equal(t, string(ends.Status), "exited")
	need(docker.ContainerRestart(ctx, id, client.ContainerRestartOptions{Timeout: &seconds}))(t)
	removed := docker.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	need(docker.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"}))(t)
	equal(t, exitCode(t, id, container.WaitConditionNotRunning), 137)
	need(docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{}))(t)
	ended(t, removed)
}

func TestAutoRemoveAndRestart(t *testing.T) {
	ctx := limited(t)
	id := create(t, &container.Config{Cmd: []string{"sh", "-c", "exit 6"}}, &container.HostConfig{AutoRemove: true})
	wait := docker.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	start(t, id)
	equal(t, ended(t, wait), 6)
	if _, err := docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	again := create(t, &container.Config{Cmd: []string{"false"}},
		&container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: 2}})
	start(t, again)
	for state := inspect(t, again); state.State.Running || state.State.Restarting || state.RestartCount < 2; state = inspect(t, again) {
		time.Sleep(20 * time.Millisecond)
	}
	equal(t, inspect(t, again).State.ExitCode, 1)
}

func TestLimits(t *testing.T) {
	ctx := limited(t)
	id := create(t, &container.Config{Cmd: []string{"sleep", "1000"}}, &container.HostConfig{Resources: container.Resources{Memory: 64 << 20, NanoCPUs: 5e8}})
	start(t, id)
	need(docker.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{Resources: &container.Resources{Memory: 96 << 20, MemorySwap: 96 << 20}}))(t)
	found := inspect(t, id).HostConfig
	equal(t, found.Memory, 96<<20)
	equal(t, found.NanoCPUs, 5e8)
	one := need(docker.ContainerStats(ctx, id, client.ContainerStatsOptions{IncludePreviousSample: true}))(t)
	defer one.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(one.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	equal(t, stats.MemoryStats.Limit, 96<<20)
	if stats.PreCPUStats.SystemUsage == 0 || stats.CPUStats.SystemUsage <= stats.PreCPUStats.SystemUsage || stats.CPUStats.OnlineCPUs < 1 ||
		stats.MemoryStats.Usage == 0 || stats.PidsStats.Current < 1 || len(stats.Networks) != 1 {
		t.Fatalf("%+v", stats)
	}
	stream := need(docker.ContainerStats(ctx, id, client.ContainerStatsOptions{Stream: true}))(t)
	defer stream.Body.Close()
	decoder := json.NewDecoder(stream.Body)
	for range 2 {
		if err := decoder.Decode(&stats); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, stats.ID, id)
}

func TestHealth(t *testing.T) {
	id := create(t, &container.Config{Cmd: []string{"sh", "-c", "sleep 0.3; touch /well; exec sleep 1000"},
		Healthcheck: &container.HealthConfig{Test: []string{"CMD-SHELL", "echo looked; test -f /well"}, Interval: 100 * time.Millisecond, Retries: 50}}, nil)
	equal(t, inspect(t, id).State.Health == nil, true)
	start(t, id)
	equal(t, string(inspect(t, id).State.Health.Status), "starting")
	for inspect(t, id).State.Health.Status != container.Healthy {
		time.Sleep(20 * time.Millisecond)
	}
	log := inspect(t, id).State.Health.Log
	equal(t, log[len(log)-1].ExitCode, 0)
	equal(t, log[len(log)-1].Output, "looked\n")
	listed := need(docker.ContainerList(limited(t), client.ContainerListOptions{Filters: make(client.Filters).Add("health", "healthy")}))(t).Items
	equal(t, len(listed), 1)
	holds(t, listed[0].Status, "(healthy)")
}

func packed(t *testing.T, files map[string]string) io.Reader {
	t.Helper()
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for name, text := range files {
		if err := writer.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Uid: 7, Gid: 8}); err != nil {
			t.Fatal(err)
		}
		need(writer.Write([]byte(text)))(t)
	}
	writer.Close()
	return &buffer
}

func unpacked(t *testing.T, from io.Reader) map[string]string {
	t.Helper()
	files := map[string]string{}
	for reader := tar.NewReader(from); ; {
		header, err := reader.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		files[path.Clean(header.Name)] = string(need(io.ReadAll(reader))(t))
	}
}

func TestFiles(t *testing.T) {
	ctx := limited(t)
	id := create(t, &container.Config{Cmd: []string{"sleep", "1000"}}, nil)
	need(docker.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/tmp", Content: packed(t, map[string]string{"given": "text\n"}), CopyUIDGID: true}))(t)
	start(t, id)
	out, _ := run(t, id, "stat", "-c", "%u:%g", "/tmp/given")
	equal(t, out, "7:8\n")
	stat := need(docker.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: "/tmp/given"}))(t).Stat
	equal(t, stat.Name, "given")
	equal(t, stat.Size, 5)
	got := need(docker.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: "/tmp/given"}))(t)
	defer got.Content.Close()
	equal(t, unpacked(t, got.Content)["given"], "text\n")
	if _, err := docker.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: "/no/such"}); !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	changes := need(docker.ContainerDiff(ctx, id, client.ContainerDiffOptions{}))(t).Changes
	seen := map[string]container.ChangeType{}
	for _, change := range changes {
		seen[change.Path] = change.Kind
	}
	equal(t, seen["/tmp/given"], container.ChangeAdd)
	whole := need(docker.ContainerExport(ctx, id, client.ContainerExportOptions{}))(t)
	defer whole.Close()
	equal(t, unpacked(t, whole)["tmp/given"], "text\n")
}

func TestMounts(t *testing.T) {
	ctx := limited(t)
	directory := t.TempDir()
	volume := need(docker.VolumeCreate(ctx, client.VolumeCreateOptions{Name: "kept", Labels: map[string]string{"a": "b"}}))(t).Volume
	equal(t, volume.Driver, "local")
	id := create(t, &container.Config{Cmd: []string{"sleep", "1000"}, Volumes: map[string]struct{}{"/anonymous": {}}},
		&container.HostConfig{Binds: []string{directory + ":/host:ro"}, Mounts: []mount.Mount{
			{Type: mount.TypeVolume, Source: "kept", Target: "/kept"},
			{Type: mount.TypeTmpfs, Target: "/quick", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 1 << 20}}}})
	start(t, id)
	kinds := map[string]mount.Type{}
	for _, m := range inspect(t, id).Mounts {
		kinds[m.Destination] = m.Type
	}
	equal(t, kinds["/host"], mount.TypeBind)
	equal(t, kinds["/kept"], mount.TypeVolume)
	equal(t, kinds["/anonymous"], mount.TypeVolume)
	_, code := run(t, id, "sh", "-c", "echo a > /kept/f && echo b > /quick/f && ! echo c 2>/dev/null > /host/f")
	equal(t, code, 0)
	if _, err := docker.VolumeRemove(ctx, "kept", client.VolumeRemoveOptions{}); !cerrdefs.IsConflict(err) {
		t.Fatal(err)
	}
	equal(t, len(need(docker.VolumeList(ctx, client.VolumeListOptions{}))(t).Items), 2)
	need(docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}))(t)
	equal(t, need(docker.VolumeInspect(ctx, "kept", client.VolumeInspectOptions{}))(t).Volume.Labels["a"], "b")
	pruned := need(docker.VolumePrune(ctx, client.VolumePruneOptions{All: true}))(t).Report
	equal(t, len(pruned.VolumesDeleted), 1)
	equal(t, pruned.VolumesDeleted[0], "kept")
}

func TestPruneContainers(t *testing.T) {
	ctx := limited(t)
	id := running(t, "true")
	exitCode(t, id, container.WaitConditionNotRunning)
	kept := running(t, "sleep", "1000")
	report := need(docker.ContainerPrune(ctx, client.ContainerPruneOptions{}))(t).Report
	equal(t, len(report.ContainersDeleted), 1)
	equal(t, report.ContainersDeleted[0], id)
	equal(t, inspect(t, kept).State.Running, true)
}

package testcontainers

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	tc "github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

func TestLife(t *testing.T) {
	ctx := limited(t)
	c := started(t, shell("trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done"), tc.WithName("life"), tc.WithEnv(map[string]string{"A": "b"}),
		tc.WithLabels(map[string]string{"k": "v"}), tc.WithConfigModifier(func(config *container.Config) {
			config.Hostname, config.WorkingDir, config.User = "host", "/tmp", "1000:1000"
		}), tc.WithHostConfigModifier(func(host *container.HostConfig) { host.Memory = 64 << 20 }), tc.WithWaitStrategy(wait.ForLog("ready")))
	equal(t, output(t, c, "sh", "-c", "echo $A $(pwd) $(id -u) $(hostname)"), "b /tmp 1000 host")
	found := need(c.Inspect(ctx))(t)
	equal(t, found.Name, "/life")
	equal(t, found.Config.Labels["k"], "v")
	equal(t, found.Config.Labels["org.testcontainers"], "true")
	equal(t, found.HostConfig.Memory, 64<<20)
	equal(t, need(c.ContainerIP(ctx))(t), found.NetworkSettings.Networks["bridge"].IPAddress.String())
	limit := 10 * time.Second
	if err := c.Stop(ctx, &limit); err != nil {
		t.Fatal(err)
	}
	equal(t, need(c.State(ctx))(t).ExitCode, 4)
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	equal(t, need(c.State(ctx))(t).Running, true)
	if err := c.Terminate(ctx, tc.StopTimeout(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(ctx); !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
}

func TestExec(t *testing.T) {
	c := sleeper(t)
	code, raw, err := c.Exec(limited(t), []string{"sh", "-c", "echo $A; pwd; id -u; echo e >&2; exit 7"}, exec.WithEnv([]string{"A=b"}), exec.WithWorkingDir("/tmp"),
		exec.WithUser("1000"))
	if err != nil {
		t.Fatal(err)
	}
	var out, problems bytes.Buffer
	need(stdcopy.StdCopy(&out, &problems, raw))(t)
	equal(t, out.String(), "b\n/tmp\n1000\n")
	equal(t, problems.String(), "e\n")
	equal(t, code, 7)
	text, code := run(t, c, []string{"/no/such"})
	equal(t, code, 127)
	if !strings.Contains(text, "/no/such") {
		t.Fatal(text)
	}
}

func TestCopy(t *testing.T) {
	ctx := limited(t)
	directory := t.TempDir()
	if err := os.MkdirAll(filepath.Join(directory, "tree", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "tree", "sub", "file"), []byte("of the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := sleeper(t, tc.WithFiles(tc.ContainerFile{Reader: strings.NewReader("first"), ContainerFilePath: "/tmp/first", FileMode: 0o600},
		tc.ContainerFile{HostFilePath: filepath.Join(directory, "tree", "sub", "file"), ContainerFilePath: "/srv/new/file", FileMode: 0o755}))
	equal(t, output(t, c, "sh", "-c", "cat /tmp/first; stat -c ' %a' /tmp/first"), "first 600")
	equal(t, output(t, c, "cat", "/srv/new/file"), "of the host")
	if err := c.CopyDirToContainer(ctx, filepath.Join(directory, "tree"), "/tmp/tree", 0o755); err != nil {
		t.Fatal(err)
	}
	equal(t, output(t, c, "cat", "/tmp/tree/sub/file"), "of the host")
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	if err := c.CopyToContainer(ctx, large, "/tmp/large", 0o644); err != nil {
		t.Fatal(err)
	}
	back := need(c.CopyFileFromContainer(ctx, "/tmp/large"))(t)
	defer back.Close()
	equal(t, bytes.Equal(need(io.ReadAll(back))(t), large), true)
	if _, err := c.CopyFileFromContainer(ctx, "/no/such"); !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
}

// lines is a consumer that keeps what it is given.
type lines struct {
	mutex sync.Mutex
	kept  map[string]string
}

func (l *lines) Accept(log tc.Log) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.kept[log.LogType] += string(log.Content)
}

func (l *lines) of(kind string) string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.kept[kind]
}

func TestLogs(t *testing.T) {
	consumer := &lines{kept: map[string]string{}}
	c := started(t, shell("for i in 1 2 3; do echo out $i; echo err $i >&2; done; while [ ! -e /go ]; do sleep 0.05; done; echo last; exec sleep 1000"),
		tc.WithLogConsumers(consumer))
	output(t, c, "touch", "/go")
	for end := time.Now().Add(20 * time.Second); consumer.of(tc.StdoutLog) != "out 1\nout 2\nout 3\nlast\n" || consumer.of(tc.StderrLog) != "err 1\nerr 2\nerr 3\n"; {
		if time.Now().After(end) {
			t.Fatalf("%q %q", consumer.of(tc.StdoutLog), consumer.of(tc.StderrLog))
		}
		time.Sleep(10 * time.Millisecond)
	}
	whole := need(c.Logs(limited(t)))(t)
	defer whole.Close()
	text := string(need(io.ReadAll(whole))(t))
	equal(t, len(strings.Split(strings.TrimSpace(text), "\n")), 7)
}

func TestNetworks(t *testing.T) {
	ctx := limited(t)
	one := need(network.New(ctx, network.WithLabels(map[string]string{"a": "b"})))(t)
	tc.CleanupNetwork(t, one)
	inside := need(network.New(ctx, network.WithInternal()))(t)
	tc.CleanupNetwork(t, inside)
	c := started(t, shell(serve), network.WithNetwork([]string{"web", "front"}, one), network.WithNetwork([]string{"hidden"}, inside), tc.WithWaitStrategy(wait.ForLog("serving")))
	for name, link := range map[string]*tc.DockerNetwork{"web": one, "front": one, "hidden": inside} {
		client := sleeper(t, network.WithNetwork(nil, link))
		// httpd says that it serves before it listens.
		equal(t, output(t, client, "sh", "-c", "until wget -qO- http://"+name+":8080/index.html; do :; done 2>/dev/null"), "hello")
	}
	aliases := need(c.NetworkAliases(ctx))(t)
	equal(t, strings.Join(aliases[one.Name], " "), "web front")
	equal(t, strings.Join(aliases[inside.Name], " "), "hidden")
	equal(t, len(need(c.ContainerIPs(ctx))(t)), 2)
	if err := one.Remove(ctx); err == nil {
		t.Fatal("a network that is in use is removed")
	}
}

func TestMounts(t *testing.T) {
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "file"), []byte("of the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	volume := tc.WithMounts(tc.VolumeMount("go-kept", "/kept"))
	first := sleeper(t, volume, tc.WithTmpfs(map[string]string{"/quick": "rw,size=1m"}), tc.WithHostConfigModifier(func(host *container.HostConfig) {
		host.Binds = []string{directory + ":/host:ro"}
	}))
	equal(t, output(t, first, "sh", "-c", "echo kept > /kept/file; cat /host/file; grep -c ' /quick tmpfs ' /proc/mounts"), "of the host1")
	if _, code := run(t, first, []string{"touch", "/host/other"}); code == 0 {
		t.Fatal("a mount that is read-only is written to")
	}
	second := sleeper(t, volume)
	equal(t, output(t, second, "cat", "/kept/file"), "kept")
	if err := first.Terminate(limited(t), tc.StopTimeout(0)); err != nil {
		t.Fatal(err)
	}
	if err := second.Terminate(limited(t), tc.StopTimeout(0), tc.RemoveVolumes("go-kept")); err != nil {
		t.Fatal(err)
	}
	_, err := tc.Run(limited(t), image, tc.WithMounts(tc.ImageMount(image, "bin", "/image")))
	if err == nil || !strings.Contains(err.Error(), `mount type "image" is not supported`) {
		t.Fatal(err)
	}
}

func TestBuild(t *testing.T) {
	directory := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "FROM " + image + "\nARG WHO\nRUN echo $WHO > /who\nCOPY given left* /\nCMD [\"sh\", \"-c\", \"cat /who; exec sleep 1000\"]\n",
		"given": "given", "left": "left out", ".dockerignore": "left\n"} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	who := "me"
	var said bytes.Buffer
	built := need(tc.Run(limited(t), "", tc.WithDockerfile(tc.FromDockerfile{Context: directory, Repo: "go/built", Tag: "1", BuildArgs: map[string]*string{"WHO": &who},
		BuildLogWriter: &said}), tc.WithWaitStrategy(wait.ForLog("me"))))(t)
	tc.CleanupContainer(t, built)
	if !strings.Contains(said.String(), "Successfully tagged go/built:1") {
		t.Fatal(said.String())
	}
	equal(t, output(t, built, "sh", "-c", "cat /given; ls /left 2>/dev/null || echo ' and nothing else'"), "given and nothing else")
	_, err := tc.Run(limited(t), "", tc.WithDockerfile(tc.FromDockerfile{Context: directory, Dockerfile: "other"}))
	if err == nil || !strings.Contains(err.Error(), "other") {
		t.Fatal(err)
	}
}

func TestReuse(t *testing.T) {
	first := sleeper(t, tc.WithReuseByName("reused"))
	second := sleeper(t, tc.WithReuseByName("reused"))
	equal(t, second.GetContainerID(), first.GetContainerID())
	if err := first.Stop(limited(t), nil); err != nil {
		t.Fatal(err)
	}
	third := sleeper(t, tc.WithReuseByName("reused"))
	equal(t, third.GetContainerID(), first.GetContainerID())
	equal(t, need(third.State(limited(t)))(t).Running, true)
}

func TestAnImageThatIsNotThere(t *testing.T) {
	_, err := tc.Run(limited(t), "127.0.0.1:1/no/such:1")
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatal(err)
	}
}

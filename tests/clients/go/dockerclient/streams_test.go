package dockerclient

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

func TestAttach(t *testing.T) {
	ctx := limited(t)
	id := create(t, &container.Config{Cmd: []string{"sh", "-c", "cat; echo problem >&2; exit 2"}, OpenStdin: true, StdinOnce: true, AttachStdin: true,
		AttachStdout: true, AttachStderr: true}, nil)
	attached := need(docker.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true}))(t)
	defer attached.Close()
	kind, _ := attached.MediaType()
	equal(t, kind, "application/vnd.docker.multiplexed-stream")
	wait := docker.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	start(t, id)
	text := strings.Repeat("a line of text that goes there and back\n", 20000)
	go func() {
		io.Copy(attached.Conn, strings.NewReader(text))
		// The other direction stays open.
		attached.CloseWrite()
	}()
	out, err := separated(t, attached.Reader)
	equal(t, len(out), len(text))
	equal(t, out == text, true)
	equal(t, err, "problem\n")
	equal(t, ended(t, wait), 2)
}

func TestAttachToATerminal(t *testing.T) {
	ctx := limited(t)
	id := create(t, &container.Config{Cmd: []string{"sh"}, Tty: true, OpenStdin: true}, &container.HostConfig{ConsoleSize: [2]uint{30, 100}})
	attached := need(docker.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true, DetachKeys: "ctrl-x,q"}))(t)
	defer attached.Close()
	kind, _ := attached.MediaType()
	equal(t, kind, "application/vnd.docker.raw-stream")
	start(t, id)
	shown := bufio.NewReader(attached.Reader)
	until := func(part string) {
		t.Helper()
		var text strings.Builder
		for !strings.Contains(text.String(), part) {
			b, err := shown.ReadByte()
			if err != nil {
				t.Fatalf("%v: %q", err, text.String())
			}
			text.WriteByte(b)
		}
	}
	io.WriteString(attached.Conn, "stty size\n")
	until("\r\n30 100\r\n")
	need(docker.ContainerResize(ctx, id, client.ContainerResizeOptions{Height: 41, Width: 123}))(t)
	io.WriteString(attached.Conn, "stty size\n")
	until("\r\n41 123\r\n")
	io.WriteString(attached.Conn, "\x18q")
	need(io.Copy(io.Discard, shown))(t)
	equal(t, inspect(t, id).State.Running, true)
}

func TestLogs(t *testing.T) {
	ctx := limited(t)
	id := running(t, "sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done; while [ ! -e /go ]; do sleep 0.05; done; echo last")
	followed := need(docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true}))(t)
	defer followed.Close()
	run(t, id, "touch", "/go")
	out, err := separated(t, followed)
	equal(t, out, "out 1\nout 2\nout 3\nlast\n")
	equal(t, err, "err 1\nerr 2\nerr 3\n")
	out, _ = logs(t, id, client.ContainerLogsOptions{Tail: "1"})
	equal(t, out, "last\n")
	out, _ = logs(t, id, client.ContainerLogsOptions{Tail: "1", Timestamps: true})
	stamp, rest, _ := strings.Cut(out, " ")
	equal(t, rest, "last\n")
	at := need(time.Parse(time.RFC3339Nano, stamp))(t)
	out, _ = logs(t, id, client.ContainerLogsOptions{Since: at.Format(time.RFC3339Nano)})
	equal(t, out, "last\n")
	out, _ = logs(t, id, client.ContainerLogsOptions{Until: at.Add(-time.Millisecond).Format(time.RFC3339Nano)})
	equal(t, out, "out 1\nout 2\nout 3\n")
}

// Who stops listening is let go, and the next one is served as before.
func TestLogsThatAreLeft(t *testing.T) {
	id := running(t, "sh", "-c", "while :; do echo more; done")
	for range 20 {
		ctx, cancel := context.WithCancel(limited(t))
		stream := need(docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, Follow: true}))(t)
		need(io.ReadFull(stream, make([]byte, 100)))(t)
		cancel()
		stream.Close()
	}
}

func TestExec(t *testing.T) {
	ctx := limited(t)
	id := running(t, "sleep", "1000")
	made := need(docker.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: []string{"sh", "-c", "cat; echo $WHO $(pwd) $(id -u) >&2; exit 9"}, Env: []string{"WHO=me"},
		WorkingDir: "/tmp", User: "5:6", AttachStdin: true, AttachStdout: true, AttachStderr: true}))(t)
	attached := need(docker.ExecAttach(ctx, made.ID, client.ExecAttachOptions{}))(t)
	io.WriteString(attached.Conn, "given\n")
	attached.CloseWrite()
	out, err := separated(t, attached.Reader)
	attached.Close()
	equal(t, out, "given\n")
	equal(t, err, "me /tmp 5\n")
	found := need(docker.ExecInspect(ctx, made.ID, client.ExecInspectOptions{}))(t)
	equal(t, found.ExitCode, 9)
	equal(t, found.Running, false)
	equal(t, found.ContainerID, id)

	terminal := need(docker.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: []string{"sh", "-c", "stty size; read line; stty size"}, TTY: true, AttachStdin: true,
		AttachStdout: true, ConsoleSize: client.ConsoleSize{Height: 20, Width: 70}}))(t)
	raw := need(docker.ExecAttach(ctx, terminal.ID, client.ExecAttachOptions{TTY: true, ConsoleSize: client.ConsoleSize{Height: 20, Width: 70}}))(t)
	defer raw.Close()
	equal(t, need(raw.Reader.ReadString('\n'))(t), "20 70\r\n")
	need(docker.ExecResize(ctx, terminal.ID, client.ExecResizeOptions{Height: 21, Width: 71}))(t)
	io.WriteString(raw.Conn, "\n")
	holds(t, string(need(io.ReadAll(raw.Reader))(t)), "21 71\r\n")

	detached := need(docker.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: []string{"sh", "-c", "echo done > /tmp/detached"}}))(t)
	need(docker.ExecStart(ctx, detached.ID, client.ExecStartOptions{Detach: true}))(t)
	for need(docker.ExecInspect(ctx, detached.ID, client.ExecInspectOptions{}))(t).Running {
		time.Sleep(10 * time.Millisecond)
	}
	out, _ = run(t, id, "cat", "/tmp/detached")
	equal(t, out, "done\n")
	_, code := run(t, id, "false")
	equal(t, code, 1)
}

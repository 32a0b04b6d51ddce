"""`gantry exec`: more processes in a running container."""
import os
import subprocess
import threading
import time

import pytest

from conftest import IMAGE
from harness.http_unix import Hijacked
from harness.waiting import eventually
from test_run import in_terminal


@pytest.fixture
def box(engine):
    engine.ok("run", "-d", "--name", "box", "-e", "A=1", IMAGE, "sleep", "1000")
    return engine


def test_output_and_exit_code(box):
    done = box("exec", "box", "sh", "-c", "echo out; echo err >&2; exit 9")
    assert (done.code, done.out, done.err) == (9, "out\n", "err\n")


def test_standard_input(box):
    data = "x" * 1_000_000
    assert box.ok("exec", "-i", "box", "wc", "-c", input=data).strip() == "1000000"
    assert box.ok("exec", "box", "wc", "-c", input=data).strip() == "0"


def test_terminal(box):
    code, shown = in_terminal(box, ["exec", "-it", "box", "sh"], b"tty; exit 3\r", until=b"# ")
    assert code == 3 and b"/dev/pts/" in shown


def test_environment_user_and_directory(box):
    out = box.ok("exec", "-e", "B=2", "-u", "app", "-w", "/tmp", "box", "sh", "-c", "echo $A $B $FROM_IMAGE; id -un; pwd")
    assert out == "1 2 yes\napp\n/tmp"


def test_it_shares_the_namespaces_of_the_container(box):
    names = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
    inside = box.ok("exec", "box", "sh", "-c", f"for n in {' '.join(names)}; do readlink /proc/self/ns/$n; done").split()
    assert inside == [os.readlink(f"/proc/{box.init_pid('box')}/ns/{n}") for n in names]


def test_it_is_confined_like_the_container(box):
    first, second = (dict(line.split(":\t", 1) for line in box.ok("exec", "box", "cat", f"/proc/{p}/status").splitlines() if ":\t" in line)
                     for p in ("1", "self"))
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"):
        assert first[key] == second[key], key
    assert box.ok("exec", "box", "sh", "-c", "cat /proc/1/cgroup") == box.ok("exec", "box", "cat", "/proc/self/cgroup")


def test_detached(box):
    assert box.ok("exec", "-d", "box", "sh", "-c", "sleep 0.2; echo done > /tmp/done") == ""
    eventually(lambda: box("exec", "box", "cat", "/tmp/done").out == "done\n")


def test_programs_that_cannot_run(box):
    box.fails("exec", "box", "no-such-program", code=127, match="no-such-program")
    box.fails("exec", "box", "/bin/noexec", code=126, match="noexec")
    box.fails("exec", "-w", "/no/such/dir", "box", "true", match="/no/such/dir")
    box.fails("exec", "-u", "nosuchuser", "box", "true", match="nosuchuser")


def test_only_in_running_containers(engine):
    engine.ok("create", "--name", "c", IMAGE, "true")
    engine.fails("exec", "c", "true", code=1, match="is not running")
    engine.fails("exec", "nobody", "true", code=1, match="No such container: nobody")


def test_refused_while_paused(box):
    box.ok("pause", "box")
    box.fails("exec", "box", "true", code=1, match="paused")
    box.ok("unpause", "box")
    box.ok("exec", "box", "true")


def test_it_ends_with_the_container(box):
    client = box.popen("exec", "box", "sleep", "1000")
    eventually(lambda: "sleep" in box.ok("top", "box") and len(box.ok("top", "box").splitlines()) == 3)
    box.ok("kill", "box")
    assert client.wait(20) == 137


def test_many_at_once(box):
    clients = [box.popen("exec", "box", "sh", "-c", f"echo {n}; exit {n}", text=True) for n in range(30)]
    for n, client in enumerate(clients):
        out, err = client.communicate(timeout=30)
        assert (client.returncode, out) == (n, f"{n}\n"), err


def test_hundreds_one_after_another_leak_nothing(box):
    before = len(box.ok("exec", "box", "sh", "-c", "ls -d /proc/[0-9]*").split())
    for _ in range(100):
        box.ok("exec", "box", "true")
    assert len(box.ok("exec", "box", "sh", "-c", "ls -d /proc/[0-9]*").split()) == before


def test_exec_over_the_api(box):
    made = box.api("POST", "/containers/box/exec", {"Cmd": ["sh", "-c", "cat; echo err >&2; exit 4"], "AttachStdin": True,
                                                    "AttachStdout": True, "AttachStderr": True})
    assert made.status == 201, made
    name = made.json["Id"]
    stream = Hijacked(box.socket, f"/exec/{name}/start", {"Detach": False, "Tty": False})
    assert stream.status == 101 and "multiplexed-stream" in stream.head
    stream.send(b"typed")
    stream.close_write()
    assert stream.frames() == (b"typed", b"err\n")
    stream.close()
    state = eventually(lambda: (s := box.api("GET", f"/exec/{name}/json").json)["Running"] is False and s)
    assert state["ExitCode"] == 4 and state["ContainerID"] == box.inspect("box")["Id"]


def test_a_terminal_may_be_resized_as_soon_as_its_start_is_answered(box):
    for n in range(20):
        name = box.api("POST", "/containers/box/exec", {"Cmd": ["sh", "-c", "read go; stty size"], "AttachStdin": True, "AttachStdout": True,
                                                        "Tty": True}).json["Id"]
        stream = Hijacked(box.socket, f"/exec/{name}/start", {"Detach": False, "Tty": True})
        answer = box.api("POST", f"/exec/{name}/resize?h={30 + n}&w=99")
        assert answer.status == 200, answer
        stream.send(b"go\n")
        assert f"{30 + n} 99".encode() in stream.read_all()
        stream.close()


def test_a_resize_of_what_was_not_started_waits_for_it(box):
    name = box.api("POST", "/containers/box/exec", {"Cmd": ["sh", "-c", "read go; stty size"], "AttachStdin": True, "AttachStdout": True,
                                                    "Tty": True}).json["Id"]
    answers = []
    asking = threading.Thread(target=lambda: answers.append(box.api("POST", f"/exec/{name}/resize?h=33&w=99")))
    asking.start()
    stream = Hijacked(box.socket, f"/exec/{name}/start", {"Detach": False, "Tty": True})
    asking.join(20)
    assert answers[0].status == 200, answers
    stream.send(b"go\n")
    assert b"33 99" in stream.read_all()
    stream.close()


def test_a_client_that_is_killed_leaves_the_engine_well(box):
    for _ in range(5):
        client = box.popen("exec", "-i", "box", "cat", stdin=subprocess.PIPE)
        time.sleep(0.05)
        client.kill()
        client.wait()
        client.stdin.close()
    eventually(lambda: box.ok("exec", "box", "sh", "-c", "cat /proc/[0-9]*/comm").split().count("cat") <= 1)

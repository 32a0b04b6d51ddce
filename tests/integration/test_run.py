"""`gantry run`: exit codes, what the process sees, standard streams, terminals, names."""
import os
import pty
import re
import select
import subprocess
import time

import pytest

from conftest import IMAGE
from harness.waiting import eventually


def test_output_and_exit_code_zero(engine):
    done = engine("run", "--rm", IMAGE, "echo", "hello")
    assert (done.code, done.out, done.err) == (0, "hello\n", "")


def test_the_command_of_the_image_is_the_default(engine):
    assert engine.ok("run", "--rm", "-i", IMAGE, input="echo from-stdin\n") == "from-stdin"


@pytest.mark.parametrize("code", [1, 3, 42, 255])
def test_exit_code_of_the_process(engine, code):
    assert engine("run", "--rm", IMAGE, "sh", "-c", f"exit {code}").code == code


def test_killed_by_a_signal_is_128_and_its_number(engine):
    assert engine("run", "--rm", "--init", IMAGE, "probe", "signal", "9").code == 137
    assert engine("run", "--rm", "--init", IMAGE, "probe", "signal", "15").code == 143


def test_command_not_found_is_127(engine):
    engine.fails("run", "--rm", IMAGE, "no-such-program", code=127, match="no-such-program")


@pytest.mark.parametrize("program", ["/bin/noexec", "/etc"])
def test_command_that_cannot_be_executed_is_126(engine, program):
    engine.fails("run", "--rm", IMAGE, program, code=126, match=re.escape(program))


def test_unknown_image_is_125(engine):
    engine.fails("run", "--rm", "test/none-such:1", "true", code=125, match="test/none-such:1")


def test_bad_flag_is_125(engine):
    engine.fails("run", "--no-such-flag", IMAGE, "true", code=125, match="no-such-flag")


def test_failed_runs_leave_no_container(engine):
    for command in ("no-such-program", "/bin/noexec"):
        engine("run", "--rm", IMAGE, command)
    assert engine.ok("ps", "-aq") == ""


def test_standard_error_is_kept_apart(engine):
    done = engine("run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2")
    assert (done.out, done.err) == ("out\n", "err\n")


def test_environment(engine, scratch):
    env_file = os.path.join(scratch, "env")
    with open(env_file, "w") as f:
        f.write("# a comment\nFROM_FILE=with spaces\n\nTAKEN\n")
    out = engine.ok("run", "--rm", "-e", "A=1", "--env", "B=two words", "-e", "FROM_IMAGE=no", "-e", "TAKEN_TOO",
                    "--env-file", env_file, "-h", "box", IMAGE, "env", env={"TAKEN": "x", "TAKEN_TOO": "y"})
    env = dict(line.split("=", 1) for line in out.splitlines())
    assert env["A"] == "1" and env["B"] == "two words" and env["FROM_IMAGE"] == "no"
    assert env["FROM_FILE"] == "with spaces" and env["TAKEN"] == "x" and env["TAKEN_TOO"] == "y"
    assert env["HOSTNAME"] == "box" and env["HOME"] == "/root" and "/usr/local/sbin" in env["PATH"]
    assert not any(k.startswith("GANTRY") for k in env)


def test_working_directory(engine):
    assert engine.ok("run", "--rm", IMAGE, "pwd") == "/"
    assert engine.ok("run", "--rm", "-w", "/tmp", IMAGE, "pwd") == "/tmp"
    assert engine.ok("run", "--rm", "--workdir", "/made/on/demand", IMAGE, "pwd") == "/made/on/demand"
    engine.fails("run", "--rm", "-w", "relative", IMAGE, "pwd", code=125, match="relative")


@pytest.mark.parametrize("given,expect", [
    ("", "uid=0(root) gid=0(root)"), ("app", "uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)"),
    ("1000", "uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)"), ("1000:2000", "uid=1000(app) gid=2000(extra)"),
    ("nobody:daemon", "uid=65534(nobody) gid=1(daemon)"), ("4242", "uid=4242 gid=0(root)"), ("4242:4343", "uid=4242 gid=4343"),
])
def test_user(engine, given, expect):
    out = engine.ok("run", "--rm", *(["-u", given] if given else []), IMAGE, "id")
    assert out.startswith(expect), out


def test_home_follows_the_user(engine):
    assert engine.ok("run", "--rm", "-u", "app", IMAGE, "sh", "-c", "echo $HOME") == "/home/app"


def test_unknown_user_is_an_error(engine):
    engine.fails("run", "--rm", "-u", "nosuchuser", IMAGE, "id", match="nosuchuser")
    engine.fails("run", "--rm", "-u", "root:nosuchgroup", IMAGE, "id", match="nosuchgroup")


def test_supplementary_groups(engine):
    out = engine.ok("run", "--rm", "-u", "1000", "--group-add", "777", "--group-add", "daemon", IMAGE, "probe", "groups")
    assert {"1000", "777", "1"} <= set(out.split())


def test_entry_point(engine):
    assert engine.ok("run", "--rm", "--entrypoint", "echo", IMAGE, "a", "b") == "a b"
    assert engine.ok("run", "--rm", "--entrypoint", "/bin/pwd", IMAGE) == "/"


def test_host_name_and_hosts_file(engine):
    out = engine.ok("run", "--rm", "--hostname", "box", "--add-host", "other:10.9.8.7", IMAGE, "sh", "-c",
                    "hostname; cat /etc/hostname /etc/hosts").splitlines()
    assert out[0] == "box" and out[1] == "box"
    hosts = [line.split() for line in out[2:] if line and not line.startswith("#")]
    assert ["127.0.0.1", "localhost"] in hosts and ["10.9.8.7", "other"] in hosts
    assert any("box" in names for _, *names in hosts)


def test_host_name_is_the_short_id(engine):
    name = engine.ok("run", "-d", IMAGE, "sleep", "100")
    assert engine.ok("exec", name, "hostname") == name[:12]


def test_standard_input_is_a_pipe(engine):
    data = "line\n" * 20_000
    assert engine.ok("run", "--rm", "-i", IMAGE, "wc", "-c", input=data).strip() == str(len(data))


def test_a_million_lines_pass_through(engine):
    data = "".join(f"{n:09}\n" for n in range(300_000))
    done = engine("run", "--rm", "-i", IMAGE, "cat", input=data)
    assert done.code == 0 and done.out == data


def test_without_i_standard_input_is_empty(engine):
    assert engine.ok("run", "--rm", IMAGE, "wc", "-c", input="ignored") .strip() == "0"


def in_terminal(engine, args, typed=b"", until=None, timeout=20):
    """Runs the client on a terminal of its own; gives (exit code, what it showed)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(engine.environment())
        os.execv(engine.program("gantry"), ["gantry", *args])
    shown, end = b"", time.monotonic() + timeout
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        if typed and (until is None or until in shown):
            os.write(fd, typed)
            typed = b""
    os.close(fd)
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), shown
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise AssertionError(f"the client does not end; shown: {shown!r}")


def test_terminal(engine):
    code, shown = in_terminal(engine, ["run", "--rm", "-it", IMAGE, "sh", "-c", "tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; exit 5"])
    assert code == 5 and b"/dev/pts/0" in shown and b"all\r\n" in shown


def test_typing_into_a_terminal(engine):
    code, shown = in_terminal(engine, ["run", "--rm", "-it", IMAGE, "sh"], b"echo $((6*7)); exit 4\r", until=b"# ")
    assert code == 4 and b"42\r\n" in shown


def test_control_c_reaches_the_process(engine):
    code, shown = in_terminal(engine, ["run", "--rm", "-it", IMAGE, "sh", "-c", "trap 'echo caught; exit 9' INT; echo up; while :; do sleep 0.1; done"],
                              b"\x03", until=b"up")
    assert code == 9 and b"caught" in shown


def test_detach_keys_leave_the_container_running(engine):
    code, _ = in_terminal(engine, ["run", "-it", "--name", "kept", IMAGE, "sh"], b"\x10\x11", until=b"# ")
    assert code == 0 and engine.state("kept")["Running"]


def test_terminal_output_without_a_terminal_at_the_client(engine):
    done = engine("run", "--rm", "-t", IMAGE, "sh", "-c", "[ -t 1 ] && echo yes", text=False)
    assert done.code == 0 and done.out == b"yes\r\n"


def test_terminal_with_piped_input_is_refused(engine):
    engine.fails("run", "--rm", "-it", IMAGE, "true", input="x", match="TTY|terminal")


def test_signals_are_passed_on(engine):
    client = engine.popen("run", "--rm", IMAGE, "trapped", text=True)
    assert client.stdout.readline() == "ready\n"
    client.terminate()
    out, _ = client.communicate(timeout=20)
    assert client.returncode == 7 and "got TERM" in out


def test_detached_prints_the_id(engine):
    out = engine.ok("run", "-d", IMAGE, "sleep", "100")
    assert re.fullmatch(r"[0-9a-f]{64}", out)
    assert engine.ok("ps", "-q", "--no-trunc") == out
    assert engine.ok("ps", "-q") == out[:12]


def test_rm_removes_after_the_end(engine):
    name = engine.ok("run", "-d", "--rm", "--name", "short", IMAGE, "sleep", "0.2")
    eventually(lambda: engine.api("GET", f"/containers/{name}/json").status == 404)
    engine.ok("run", "--rm", "--name", "short", IMAGE, "true")


def test_init_reaps_and_passes_signals(engine):
    engine.ok("run", "-d", "--init", "--name", "i", IMAGE, "sh", "-c", "trap 'exit 6' TERM; while :; do sleep 0.05; done")
    assert engine.ok("exec", "i", "sh", "-c", "cat /proc/1/comm") not in ("sh", "sleep")
    engine.ok("exec", "i", "probe", "orphan", "50")
    eventually(lambda: " Z " not in engine.ok("exec", "i", "sh", "-c", "cat /proc/[0-9]*/stat"))
    engine.ok("stop", "i")
    assert engine.state("i")["ExitCode"] == 6


def test_names(engine):
    engine.ok("create", "--name", "good-name_1.x", IMAGE)
    engine.fails("create", "--name", "good-name_1.x", IMAGE, match="already in use")
    for bad in ("-x", "a/b", "a b", "", ".", "ü", "x" * 300):
        if bad != "":
            engine.fails("create", f"--name={bad}", IMAGE, match="name")
    generated = engine.inspect(engine.ok("create", IMAGE))["Name"]
    assert re.fullmatch(r"/[a-z]+_[a-z]+\d*", generated)


def test_containers_are_found_by_prefix(engine):
    name = engine.ok("create", IMAGE)
    assert engine.inspect(name[:12])["Id"] == name
    assert engine.inspect(name[:5])["Id"] == name


def test_ps_columns(engine):
    engine.ok("run", "-d", "--name", "web", "-p", "127.0.0.1:0:80", IMAGE, "sleep", "100")
    head, row = engine.ok("ps").splitlines()
    assert re.split(r"\s{2,}", head.strip()) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    cells = re.split(r"\s{2,}", row.strip())
    assert re.fullmatch(r"[0-9a-f]{12}", cells[0]) and cells[1] == IMAGE and cells[2] == '"sleep 100"'
    assert re.fullmatch(r"(Less than a second|\d+ seconds?|About a minute) ago", cells[3])
    assert re.fullmatch(r"Up (Less than a second|\d+ seconds?)", cells[4])
    assert re.fullmatch(r"127\.0\.0\.1:\d+->80/tcp", cells[5]) and cells[6] == "web"


def test_ps_shows_running_ones_unless_asked(engine):
    engine("run", "--name", "ended", IMAGE, "sh", "-c", "exit 3")
    assert len(engine.ok("ps").splitlines()) == 1
    row = engine.ok("ps", "-a").splitlines()[1]
    assert "Exited (3)" in row and row.endswith("ended")
    assert engine.ok("ps", "-a", "--format", "{{.Names}} {{.Image}}") == f"ended {IMAGE}"
    assert engine.ok("ps", "-a", "--filter", "status=running", "-q") == ""
    assert engine.ok("ps", "-a", "--filter", "name=end", "--format", "{{.Names}}") == "ended"


def test_labels(engine):
    engine.ok("create", "--name", "l", "-l", "a=1", "--label", "b", IMAGE)
    assert engine.inspect("l")["Config"]["Labels"] == {"a": "1", "b": ""}
    assert engine.ok("ps", "-a", "--filter", "label=a=1", "--format", "{{.Names}}") == "l"
    assert engine.ok("ps", "-aq", "--filter", "label=a=2") == ""


def test_root_is_writable_unless_read_only(engine):
    engine.ok("run", "--rm", IMAGE, "sh", "-c", "echo x > /made && cat /made")
    engine.fails("run", "--rm", "--read-only", IMAGE, "sh", "-c", "echo x > /made", match="read-only")


def test_the_image_is_never_changed(engine):
    engine.ok("run", "--rm", IMAGE, "sh", "-c", "rm -rf /home /data && mkdir /new")
    assert engine.ok("run", "--rm", IMAGE, "sh", "-c", "cat /data/seed; ls -d /new 2>&1; true") .startswith("from the image")


def test_layers_whiteouts(engine):
    assert engine.ok("run", "--rm", IMAGE, "sh", "-c", "ls /opq; ls /gone 2>/dev/null; true") == "new"


def test_cid_file(engine, scratch):
    path = os.path.join(scratch, "cid")
    name = engine.ok("run", "-d", "--cidfile", path, IMAGE, "true")
    with open(path) as f:
        assert f.read() == name
    engine.fails("run", "-d", "--cidfile", path, IMAGE, "true", code=125, match="cid")


def test_stop_signal_and_timeout_are_kept(engine):
    engine.ok("run", "-d", "--name", "s", "--stop-signal", "USR1", "--stop-timeout", "3", IMAGE, "sh", "-c",
              "trap 'exit 11' USR1; while :; do sleep 0.05; done")
    time.sleep(0.1)
    engine.ok("stop", "s")
    assert engine.state("s")["ExitCode"] == 11


def test_many_side_by_side(engine):
    clients = [engine.popen("run", "--rm", IMAGE, "sh", "-c", f"echo {n}", text=True, stderr=subprocess.STDOUT) for n in range(20)]
    assert sorted(int(c.communicate(timeout=60)[0]) for c in clients) == list(range(20))
    assert all(c.returncode == 0 for c in clients)

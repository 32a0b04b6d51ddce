"""kill -9 of every process of ours while containers run, and at every failpoint: nothing a client was told is lost, what it
was not told is wholly there or wholly gone, and nothing is left behind."""
import http.client
import os
import signal
import subprocess
import time

import pytest

from conftest import IMAGE
from harness import census, http_unix
from harness.engine import binaries
from harness.waiting import eventually
from test_networks import SERVE, get, published

COUNT = ("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done")


@pytest.fixture
def engine(fresh):
    return fresh()


def helpers(e, name):
    return [pid for pid, command in census.processes_of(e) if name in (command.split() or [""])[0]]


def monitor_of(e, container):
    """The parent of the container's first process."""
    with open(f"/proc/{e.init_pid(container)}/stat") as f:
        return int(f.read().rsplit(")", 1)[1].split()[1])


def test_containers_go_on_without_the_daemon(engine):
    engine.ok("run", "-d", "--name", "web", "-p", "80", IMAGE, *SERVE)
    engine.ok("run", "-d", "--name", "count", IMAGE, *COUNT)
    engine.ok("run", "-d", "--name", "client", IMAGE, "sleep", "1000")
    port, pid, started = published(engine, "web"), engine.init_pid("count"), engine.state("count")["StartedAt"]
    client = engine.init_pid("client")
    eventually(lambda: get("127.0.0.1", port) == "page\n")
    engine.kill()
    assert get("127.0.0.1", port) == "page\n"
    # Names are resolved while no daemon runs.
    out = subprocess.run(["nsenter", "-t", str(client), "-n", "-m", "-r", "-w", "/bin/probe", "get", "web"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert out.stdout == "page\n", out
    time.sleep(0.3)
    engine.start()
    assert engine.init_pid("count") == pid and engine.state("count")["StartedAt"] == started
    assert sorted(engine.ok("ps", "--format", "{{.Names}}").split()) == ["client", "count", "web"]
    assert get("127.0.0.1", port) == "page\n"
    numbers = list(map(int, engine.ok("logs", "count").split()))
    assert numbers == list(range(1, len(numbers) + 1))
    engine.ok("exec", "client", "probe", "get", "web")
    engine.ok("stop", "-t", "0", "count", "web", "client")
    with pytest.raises(OSError):
        get("127.0.0.1", port, timeout=1)


def test_exit_codes_of_the_time_without_a_daemon(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "sleep 0.5; echo last words; exit 42")
    engine.ok("run", "-d", "--name", "r", "--rm", IMAGE, "sleep", "0.5")
    engine.ok("run", "-d", "--name", "a", "--restart", "always", IMAGE, "sh", "-c", "sleep 0.5; exit 1")
    engine.kill()
    time.sleep(1)
    engine.start()
    state = engine.state("c")  # the first answer after the start is true already
    assert (state["Status"], state["ExitCode"]) == ("exited", 42) and state["FinishedAt"] > state["StartedAt"]
    assert engine.ok("logs", "c") == "last words"
    eventually(lambda: engine.api("GET", "/containers/r/json").status == 404)
    eventually(lambda: engine.inspect("a")["RestartCount"] >= 1)


def test_attached_clients_end_and_the_output_is_kept(engine):
    client = engine.popen("run", "--name", "c", IMAGE, *COUNT, text=True)
    assert client.stdout.readline() == "1\n"
    engine.kill()
    engine.start()
    assert engine.state("c")["Running"]
    client.kill()
    client.communicate()


def test_restarted_many_times(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, *COUNT)
    pid = engine.init_pid("c")
    for _ in range(10):
        engine.restart()
        assert engine.init_pid("c") == pid
    numbers = list(map(int, engine.ok("logs", "c").split()))
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_reader_of_what_the_daemon_left_can_be_killed_too(engine):
    """kill -9 during start itself, again and again, ends in the same state (I10)."""
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    pid = engine.init_pid("c")
    for n in range(10):
        engine.kill()
        engine.start(wait=False)
        time.sleep(0.005 * n)
    engine.kill()
    engine.start()
    assert engine.init_pid("c") == pid


def test_the_launcher_is_killed(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, *COUNT)
    pid = engine.init_pid("c")
    for launcher in helpers(engine, "gantry-launcher"):
        if launcher != monitor_of(engine, "c"):
            os.kill(launcher, signal.SIGKILL)
    eventually(lambda: engine("run", "--rm", IMAGE, "true").code == 0)
    assert engine.init_pid("c") == pid
    engine.ok("exec", "c", "true")
    engine.ok("stop", "-t", "0", "c")
    assert engine.state("c")["ExitCode"] == 137


def test_launcher_and_daemon_are_killed_together(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done")
    time.sleep(0.2)
    for launcher in helpers(engine, "gantry-launcher"):
        if launcher != monitor_of(engine, "c"):
            os.kill(launcher, signal.SIGKILL)
    engine.restart()
    engine.ok("stop", "c")
    assert engine.state("c")["ExitCode"] == 5
    engine.ok("run", "--rm", IMAGE, "true")


def test_a_monitor_is_killed(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, *COUNT)
    engine.ok("run", "-d", "--name", "other", IMAGE, "sleep", "1000")
    pid = engine.init_pid("c")
    os.kill(monitor_of(engine, "c"), signal.SIGKILL)
    state = engine.wait_exited("c")
    assert state["ExitCode"] in (137, 255)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))  # its new parent has read its status
    assert state["Error"]
    assert engine.state("other")["Running"]
    engine.ok("start", "c")
    assert engine.state("c")["Running"]


def test_a_monitor_is_killed_while_no_daemon_runs(engine):
    engine.ok("run", "-d", "--name", "c", "-p", "127.0.0.1:24817:80", IMAGE, *COUNT)
    monitor, pid = monitor_of(engine, "c"), engine.init_pid("c")
    engine.kill()
    os.kill(monitor, signal.SIGKILL)
    engine.start()
    assert engine.wait_exited("c")["ExitCode"] in (137, 255)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    engine.ok("rm", "c")
    engine.ok("run", "--rm", "-p", "127.0.0.1:24817:80", IMAGE, "true")


def test_the_first_process_is_killed_while_no_daemon_runs(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, *COUNT)
    pid = engine.init_pid("c")
    engine.kill()
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    engine.start()
    assert engine.wait_exited("c")["ExitCode"] == 137


def test_a_stopped_daemon_blocks_no_container(engine):
    """SIGSTOP: logs go on being written."""
    engine.ok("run", "-d", "--name", "c", IMAGE, "probe", "flood", "50")
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        time.sleep(1)
    finally:
        os.kill(engine.pid, signal.SIGCONT)
    assert engine.wait_exited("c")["ExitCode"] == 0


def test_term_ends_the_daemon_and_no_container(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    pid = engine.init_pid("c")
    started = time.monotonic()
    assert engine.kill(signal.SIGTERM) == 0
    assert time.monotonic() - started < 5 and os.path.exists(f"/proc/{pid}")
    engine.start()
    assert engine.init_pid("c") == pid


def test_a_stale_socket_is_replaced(engine):
    engine.kill()
    assert os.path.exists(engine.socket)
    engine.start()


def failpoints(program="gantryd"):
    try:
        path = os.path.join(binaries("dev"), program)
        out = subprocess.run([path, "--list-failpoints"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return out.stdout.split() if out.returncode == 0 else []


# Those of the launcher and its monitors are inherited from the daemon's environment.
NAMES = sorted({*failpoints(), *failpoints("gantry-launcher")})


def test_failpoints_are_listed():
    assert "container.start.after_exec" in NAMES and "monitor.before_exit_record" in NAMES and "launcher.after_fork" in NAMES


@pytest.fixture(scope="module")
def dev_engine():
    from conftest import make_engine
    e = make_engine(preset="dev")
    e.ok("run", "--rm", "-v", "warm:/mnt", IMAGE, "true")
    yield e
    problem = e.destroy()
    assert not problem, problem


STEPS = [
    ("volume", ("volume", "create", "fv")), ("network", ("network", "create", "fn")),
    ("run", ("run", "-d", "--name", "f", "-v", "fv:/mnt", "-v", "/anonymous", "--network", "fn", "-p", "127.0.0.1:24818:80", IMAGE, "sleep", "1000")),
    ("publish", ("update", "--publish-add", "127.0.0.1:24819:81", "f")), ("exec", ("exec", "f", "true")), ("stop", ("stop", "-t", "0", "f")), ("rm", ("rm", "-v", "f")),
]


def is_true(e, step):
    """Whether the engine's state is what the success of a step promises."""
    names = e.ok("ps", "-a", "--format", "{{.Names}}").split()
    return {
        "volume": lambda: "fv" in e.ok("volume", "ls", "-q").split(),
        "network": lambda: e.api("GET", "/networks/fn").status == 200,
        "run": lambda: "f" in names and e.state("f")["Running"],
        # One that stands still takes it with its next start.
        "publish": lambda: "81/tcp" in e.inspect("f")["HostConfig"]["PortBindings"] and (not e.state("f")["Running"] or "127.0.0.1:24819" in e.ok("port", "f")),
        "exec": lambda: True,
        # One that was never started, as far as its client knows, is not running either.
        "stop": lambda: not e.state("f")["Running"],
        "rm": lambda: "f" not in names,
    }[step]()


def recovers(e):
    """Waits until the daemon has recovered, or has ended in the middle of it; whether it goes on."""
    end = time.monotonic() + 60
    while e.process.poll() is None:
        assert time.monotonic() < end, e.log_text()[-3000:]
        try:
            # A create waits for the recovery before it looks at anything else.
            answer = http_unix.request(e.socket, "POST", "/containers/create", {})
            # With that failpoint there is no other answer to anything.
            if answer.status == 400 or (answer.status == 500 and '"http.handle"' in answer.message):
                return True
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
    return False


def start_with(e, failpoint):
    """Starts the daemon with a failpoint, which may end it at once: then it is started again without."""
    e.start(env={"GANTRY_FAILPOINT": failpoint}, wait=False)
    if not recovers(e):
        e.start()


@pytest.mark.parametrize("action", ["kill", "error", "enospc"])
@pytest.mark.parametrize("point", NAMES)
def test_failpoint(dev_engine, point, action):
    e = dev_engine
    if e.process.poll() is not None:
        e.start()
    before, volumes = census.standing(e), set(e.ok("volume", "ls", "-q").split())
    e.kill()
    start_with(e, f"{point}={action}")
    for step, command in STEPS:
        done = e(*command, timeout=60)
        assert done.code == 0 or done.err.strip(), (step, done)
        if "closed the connection" in done.err:
            e.process.wait(10)  # a process lets go of its sockets a moment before it has ended
        if e.process.poll() is not None:
            e.start()  # without the failpoint
        # What the client was told is true, also after the restart.
        assert done.code != 0 or is_true(e, step), step
    if e.process.poll() is None:
        e.kill()
    e.start()
    # What is wholly there is removed, what is not is wholly gone: name, port, volume and network are free at once.
    e("rm", "-f", "-v", "f")
    e.ok("run", "-d", "--name", "f", "-p", "127.0.0.1:24818:80", IMAGE, "sleep", "1000")
    e.ok("rm", "-f", "f")
    e("network", "rm", "fn")
    assert e.api("GET", "/networks/fn").status == 404
    e("volume", "rm", "fv")
    volumes = set(e.ok("volume", "ls", "-q").split()) - volumes
    # A driver that failed to remove a container's own volume leaves it to be seen, and to be removed by name.
    assert "fv" not in volumes and (not volumes or action != "kill")
    if volumes:
        e.ok("volume", "rm", *volumes)
    left = census.left_over(e, before)
    assert not left, f"after {point}={action}:\n" + "\n".join(left)


# Those that every recovery passes, and those that it may pass with what it undoes and finishes.
RECOVERY = [n for n in NAMES if n.startswith(("container.recover.", "network.reconcile."))]
ON_ITS_WAY = [n for n in NAMES if n.startswith(("driver.", "network.detach.", "network.ensure.", "container.remove.", "volume.", "store.", "launcher."))]

CUT_OFF = [
    ("start", "container.start.after_exec", ("run", "-d", "--name", "start", IMAGE, "sleep", "1000")),
    ("made", "container.create.before_commit", ("create", "--name", "made", "-v", "rv:/mnt", "-v", "/anonymous", IMAGE)),
    ("removed", "container.remove.after_layer", ("rm", "removed")),
    ("network", "network.create.made", ("network", "create", "rn")),
    ("volume", "volume.create.made", ("volume", "create", "rw")),
]


def test_recovery_has_failpoints():
    assert {"container.recover.after_creates", "container.recover.after_states", "container.recover.after_networks",
            "container.recover.after_volumes", "network.reconcile.begin", "network.reconcile.mended"} <= set(RECOVERY)


def test_a_sweep_that_is_cut_off_is_done_at_the_next_start(dev_engine):
    """The monitor is gone, and the launcher ends whenever it is to clean up after it."""
    e = dev_engine
    if e.process.poll() is not None:
        e.start()
    before = census.standing(e)
    e.ok("run", "-d", "--name", "lost", IMAGE, *COUNT)
    monitor, pid = monitor_of(e, "lost"), e.init_pid("lost")
    e.kill()
    for ended in (monitor, *helpers(e, "gantry-launcher")):
        os.kill(ended, signal.SIGKILL)
    e.start(env={"GANTRY_FAILPOINT": "launcher.before_sweep=kill"})
    assert e.wait_exited("lost")["Error"]
    e.kill()
    for launcher in helpers(e, "gantry-launcher"):
        os.kill(launcher, signal.SIGKILL)
    e.start()
    e.ok("start", "lost")
    e.ok("rm", "-f", "lost")
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    left = census.left_over(e, before)
    assert not left, "\n".join(left)


@pytest.mark.parametrize("point", RECOVERY + ON_ITS_WAY)
def test_recovery_that_is_killed_itself(dev_engine, point):
    """Whatever it was about to undo or to finish: after any number of ends in its middle the result is the same."""
    e = dev_engine
    if e.process.poll() is not None:
        e.start()
    before = census.standing(e)
    e.ok("run", "-d", "--name", "runs", "-p", "127.0.0.1:24819:80", IMAGE, "sleep", "1000")
    e.ok("run", "-d", "--name", "ends", IMAGE, "sh", "-c", "sleep 0.3; exit 3")
    pid = e.init_pid("runs")
    for name, failpoint, command in CUT_OFF:
        e.restart()
        if name == "removed":
            e.ok("create", "--name", "removed", IMAGE)
        e.restart(env={"GANTRY_FAILPOINT": f"{failpoint}=kill"})
        assert e(*command).code != 0
        e.process.wait(10)
        for _ in range(3):
            e.start(env={"GANTRY_FAILPOINT": f"{point}=kill"}, wait=False)
            goes_on = recovers(e)
            assert not goes_on or point not in RECOVERY, f"{point} was not passed"
            if goes_on:
                e.kill()
            else:
                assert e.process.returncode == -signal.SIGKILL, e.log_text()[-3000:]
        e.start()
    assert e.init_pid("runs") == pid
    assert e.state("ends")["ExitCode"] == 3
    assert sorted(e.ok("ps", "-a", "--format", "{{.Names}}").split()) == ["ends", "runs", "start"]
    assert not e.state("start")["Running"]
    assert e.api("GET", "/networks/rn").status == 404
    assert "rw" not in e.ok("volume", "ls", "-q").split()
    e.ok("start", "start")
    e.ok("rm", "-f", "runs", "ends", "start")
    e("volume", "rm", "rv")
    e.ok("run", "--rm", "-p", "127.0.0.1:24819:80", IMAGE, "true")
    left = census.left_over(e, before)
    assert not left, "\n".join(left)

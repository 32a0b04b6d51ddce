"""Create, start, stop, restart, kill, pause, rename, wait, remove; top, stats, inspect, events; restart policies."""
import json
import os
import re
import subprocess
import time

import pytest

from conftest import IMAGE
from harness.waiting import eventually

LOOP = ("sh", "-c", "while :; do sleep 0.05; done")


def test_created_then_started(engine):
    name = engine.ok("create", "--name", "c", IMAGE, "echo", "hi")
    assert engine.state("c")["Status"] == "created"
    assert engine.ok("start", "-a", "c") == "hi"
    state = engine.state("c")
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", 0, 0)
    assert state["StartedAt"] < state["FinishedAt"]
    assert engine.ok("start", name[:10]) == name[:10]


def test_starting_twice_is_no_error(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, *LOOP)
    assert engine.ok("start", "c") == "c"
    assert engine.api("POST", "/containers/c/start").status == 304


def test_stop_sends_term_and_waits(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "trapped")
    eventually(lambda: engine.ok("logs", "c") == "ready")
    assert engine.ok("stop", "c") == "c"
    assert engine.state("c")["ExitCode"] == 7 and engine.ok("logs", "c") == "ready\ngot TERM"


def test_stop_kills_after_the_time_given(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
    eventually(lambda: engine.ok("logs", "c") == "up")
    started = time.monotonic()
    engine.ok("stop", "-t", "1", "c")
    assert 0.9 < time.monotonic() - started < 5 and engine.state("c")["ExitCode"] == 137
    engine.ok("stop", "c")


def test_kill(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, *LOOP)
    assert engine.ok("kill", "c") == "c"
    assert engine.wait_exited("c")["ExitCode"] == 137
    engine.fails("kill", "c", code=1, match="is not running")
    engine.ok("start", "c")
    engine.fails("kill", "-s", "NOSUCH", "c", match="NOSUCH")
    engine.ok("run", "-d", "--name", "t", IMAGE, "trapped")
    eventually(lambda: engine.ok("logs", "t") == "ready")
    engine.ok("kill", "-s", "SIGTERM", "t")
    assert engine.wait_exited("t")["ExitCode"] == 7


def test_restart(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "trapped")
    first = engine.init_pid("c")
    eventually(lambda: engine.ok("logs", "c") == "ready")
    assert engine.ok("restart", "c") == "c"
    assert engine.state("c")["Running"] and engine.init_pid("c") != first
    engine.ok("kill", "c")
    engine.wait_exited("c")
    engine.ok("restart", "c")
    assert engine.state("c")["Running"]


def test_the_file_system_survives_a_restart(engine):
    engine.ok("run", "--name", "c", IMAGE, "sh", "-c", "date >> /kept; wc -l < /kept")
    engine.ok("start", "-a", "c")
    assert engine.ok("start", "-a", "c").strip() == "3"


def test_pause(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done")
    assert engine.ok("pause", "c") == "c"
    state = engine.state("c")
    assert state["Status"] == "paused" and state["Paused"] and state["Running"]
    assert "(Paused)" in engine.ok("ps")
    seen = engine.ok("logs", "-n", "1", "c")
    time.sleep(0.2)
    assert engine.ok("logs", "-n", "1", "c") == seen
    engine.fails("pause", "c", match="already paused")
    engine.ok("unpause", "c")
    eventually(lambda: engine.ok("logs", "-n", "1", "c") != seen)
    engine.fails("unpause", "c", match="is not paused")


def test_a_paused_container_can_be_stopped_and_removed(engine):
    for command in (("stop", "-t", "1"), ("kill",), ("rm", "-f")):
        engine.ok("run", "-d", "--name", "c", IMAGE, *LOOP)
        engine.ok("pause", "c")
        engine.ok(*command, "c")
        engine("rm", "-f", "c")


def test_rename(engine):
    engine.ok("run", "-d", "--name", "old", IMAGE, *LOOP)
    engine.ok("create", "--name", "taken", IMAGE)
    engine.ok("rename", "old", "new")
    assert engine.state("new")["Running"] and engine.api("GET", "/containers/old/json").status == 404
    engine.fails("rename", "new", "taken", match="already in use")
    engine.fails("rename", "new", "b/ad", match="b/ad")
    engine.ok("create", "--name", "old", IMAGE)


def test_wait(engine):
    engine.ok("run", "-d", "--name", "a", IMAGE, "sh", "-c", "sleep 0.3; exit 5")
    assert engine.ok("wait", "a") == "5"
    assert engine.ok("wait", "a") == "5"
    engine.fails("wait", "nobody", match="No such container: nobody")


def test_remove(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, *LOOP)
    engine.fails("rm", "c", code=1, match="running")
    assert engine.ok("rm", "-f", "c") == "c"
    engine.fails("rm", "c", code=1, match="No such container: c")
    engine.ok("create", "--name", "x", IMAGE)
    done = engine("rm", "nobody", "x")
    assert done.code == 1 and done.out == "x\n" and "nobody" in done.err


def test_top(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1234")
    lines = engine.ok("top", "c").splitlines()
    assert lines[0].split()[:2] == ["UID", "PID"] and "sleep 1234" in lines[1]
    assert str(engine.init_pid("c")) in lines[1].split()
    engine.ok("stop", "-t", "0", "c")
    engine.fails("top", "c", match="is not running")


def test_stats(engine):
    engine.ok("run", "-d", "--name", "c", "-m", "64m", IMAGE, *LOOP)
    head, row = engine.ok("stats", "--no-stream", "c", timeout=30).splitlines()[-2:]
    assert re.split(r"\s{2,}", head.strip())[:3] == ["CONTAINER ID", "NAME", "CPU %"]
    assert " c " in row and "64MiB" in row
    answer = engine.api("GET", "/containers/c/stats?stream=false").json
    assert answer["memory_stats"]["limit"] == 64 << 20 and answer["pids_stats"]["current"] >= 1
    assert answer["cpu_stats"]["cpu_usage"]["total_usage"] > 0 and "eth0" in answer["networks"]


def test_inspect(engine):
    name = engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "100")
    document = json.loads(engine.ok("inspect", "c"))
    assert document[0]["Id"] == name and document[0]["Path"] == "sleep" and document[0]["Args"] == ["100"]
    assert engine.ok("inspect", "-f", "{{.State.Status}} {{.Name}}", "c") == "running /c"
    engine.fails("inspect", "nobody", code=1, match="nobody")
    assert json.loads(engine.ok("inspect", "--type", "image", IMAGE))[0]["RepoTags"] == [IMAGE + ":latest"]


def test_diff(engine):
    engine.ok("run", "--name", "c", IMAGE, "sh", "-c", "echo x > /data/new; rm /data/seed; echo y >> /etc/passwd")
    assert set(engine.ok("diff", "c").splitlines()) == {"A /data/new", "C /data", "D /data/seed", "C /etc", "C /etc/passwd"}


def test_port(engine):
    engine.ok("run", "-d", "--name", "c", "-p", "127.0.0.1::80", "-p", "127.0.0.1::53/udp", IMAGE, *LOOP)
    lines = engine.ok("port", "c").splitlines()
    assert sorted(line.split(" -> ")[0] for line in lines) == ["53/udp", "80/tcp"]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", engine.ok("port", "c", "80"))
    engine.fails("port", "c", "81", match="81")


def test_events(engine):
    since = f"{time.time():.9f}"
    engine.ok("run", "--rm", "--name", "c", IMAGE, "true")
    lines = engine.ok("events", "--since", since, "--until", f"{time.time() + 0.5:.9f}", "--filter", "container=c",
                      "--format", "{{.Type}} {{.Action}}").splitlines()
    actions = [line.split()[1] for line in lines if line.startswith("container ")]
    assert [a for a in actions if a in ("create", "start", "die", "destroy")] == ["create", "start", "die", "destroy"]


def test_attach(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "sleep 0.5; echo late; exit 3")
    done = engine("attach", "--no-stdin", "c")
    assert (done.code, done.out) == (3, "late\n")
    engine.fails("attach", "c", code=1, match="stopped|not running")


def test_attach_to_standard_input(engine):
    engine.ok("run", "-d", "-i", "--name", "c", IMAGE, "cat")
    client = engine.popen("attach", "c", stdin=subprocess.PIPE)
    client.stdin.write(b"through\n")
    client.stdin.flush()
    assert client.stdout.readline() == b"through\n"
    client.kill()
    client.communicate()
    assert engine.state("c")["Running"]


@pytest.mark.parametrize("policy,code,restarts", [("no", 1, 0), ("on-failure:2", 1, 2), ("on-failure", 0, 0)])
def test_restart_policies(engine, policy, code, restarts):
    engine.ok("run", "-d", "--name", "c", "--restart", policy, IMAGE, "sh", "-c", f"sleep 0.1; exit {code}")
    eventually(lambda: engine.inspect("c")["RestartCount"] == restarts and engine.state("c")["Status"] == "exited", timeout=20)
    time.sleep(0.5)
    assert engine.inspect("c")["RestartCount"] == restarts and engine.state("c")["ExitCode"] == code


def test_restart_always_until_stopped(engine):
    engine.ok("run", "-d", "--name", "c", "--restart", "always", IMAGE, *LOOP)
    first = engine.init_pid("c")
    os.kill(first, 9)
    eventually(lambda: engine.state("c")["Running"] and engine.init_pid("c") not in (0, first))
    engine.ok("stop", "-t", "0", "c")
    time.sleep(1)
    assert engine.state("c")["Status"] == "exited"


def test_restart_policy_and_rm_exclude_each_other(engine):
    engine.fails("run", "--rm", "--restart", "always", IMAGE, "true", code=125, match="--rm")
    engine.fails("run", "--restart", "sometimes", IMAGE, "true", code=125, match="sometimes")


def test_start_failure_is_recorded(engine):
    engine.fails("run", "--name", "c", IMAGE, "no-such-program", code=127)
    state = engine.state("c")
    assert state["ExitCode"] == 127 and "no-such-program" in state["Error"]
    engine.fails("start", "c", code=1, match="no-such-program")


def test_prompt_removal_of_many(engine):
    names = [engine.ok("run", "-d", IMAGE, *LOOP) for _ in range(10)]
    started = time.monotonic()
    engine.ok("rm", "-f", *names)
    assert time.monotonic() - started < 5

"""`gantry logs`: what a container wrote, whole, in order, followed, cut and dated."""
import json
import re
import time

import pytest

from conftest import IMAGE
from harness.waiting import eventually


def test_output_of_a_detached_container(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "echo out; echo err >&2")
    engine.wait_exited("c")
    done = engine("logs", "c")
    assert (done.code, done.out, done.err) == (0, "out\n", "err\n")


def test_logs_of_an_attached_container_too(engine):
    engine.ok("run", "--name", "c", IMAGE, "echo", "seen")
    assert engine.ok("logs", "c") == "seen"


def test_tail(engine):
    engine.ok("run", "--name", "c", IMAGE, "seq", "1", "1000")
    assert engine.ok("logs", "--tail", "3", "c") == "998\n999\n1000"
    assert engine.ok("logs", "-n", "0", "c") == ""
    assert len(engine.ok("logs", "-n", "all", "c").splitlines()) == 1000
    engine.fails("logs", "--tail", "x", "c")


def test_follow_ends_with_the_container(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "echo one; sleep 0.5; echo two")
    started = time.monotonic()
    assert engine.ok("logs", "-f", "c") == "one\ntwo"
    assert time.monotonic() - started < 10


def test_follow_starts_with_the_tail(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "seq 1 10; sleep 0.5; echo late")
    eventually(lambda: engine.ok("logs", "c").endswith("10"))
    assert engine.ok("logs", "-f", "--tail", "1", "c") == "10\nlate"


def test_timestamps(engine):
    engine.ok("run", "--name", "c", IMAGE, "echo", "x")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z x", engine.ok("logs", "-t", "c"))


def test_since_and_until(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "echo early; sleep 1.5; echo late")
    engine.wait_exited("c")
    stamps = [line.split()[0] for line in engine.ok("logs", "-t", "c").splitlines()]
    assert engine.ok("logs", "--since", stamps[1], "c") == "late"
    assert engine.ok("logs", "--since", "1h", "c") == "early\nlate"
    middle = stamps[0][:-1] + "Z"
    assert "late" not in engine.ok("logs", "--until", middle, "c")


def test_a_line_without_end(engine):
    engine.ok("run", "--name", "c", IMAGE, "printf", "no newline")
    assert engine("logs", "c").out == "no newline"


def test_long_lines_come_back_whole(engine):
    engine.ok("run", "--name", "c", IMAGE, "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo; echo end")
    out = engine.ok("logs", "c").splitlines()
    assert len(out[0]) == 300_000 and out[1] == "end"


@pytest.mark.parametrize("driver", ("json-file", "local"))
def test_binary_output(engine, driver):
    engine.ok("run", "-d", "--name", "c", "--log-driver", driver, IMAGE, "sh", "-c", r"printf '\000\001\377\n'")
    engine.wait_exited("c")
    assert engine("logs", "c", text=False).out == b"\x00\x01\xff\n"


def test_nothing_is_lost_at_speed(engine):
    engine.ok("run", "-d", "--name", "c", "--log-opt", "max-size=200m", IMAGE, "seq", "1", "500000")
    engine.wait_exited("c")
    assert engine("logs", "c").out == "".join(f"{n}\n" for n in range(1, 500_001))


def test_logs_are_rotated(engine):
    engine.ok("run", "--name", "c", "--log-opt", "max-size=100k", "--log-opt", "max-file=2", IMAGE, "sh", "-c",
              "seq 1 100000 >&2; seq 1 100000; echo last")
    done = engine("logs", "c")
    assert done.out.endswith("last\n") and len(done.out) + len(done.err) < 600_000


def test_the_log_is_the_file_that_inspect_names(engine):
    """Programs that gather logs read Docker's lines from there."""
    engine.ok("run", "--name", "c", IMAGE, "sh", "-c", "echo out; echo err >&2")
    with open(engine.inspect("c")["LogPath"]) as f:
        lines = [json.loads(line) for line in f]
    assert sorted((x["log"], x["stream"]) for x in lines) == [("err\n", "stderr"), ("out\n", "stdout")]
    engine.ok("run", "--name", "d", "--log-driver", "local", IMAGE, "echo", "x")
    assert engine.inspect("d")["LogPath"] == "" and engine.inspect("d")["HostConfig"]["LogConfig"]["Type"] == "local"


def test_a_prompt_is_in_the_log_before_its_line_ends(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "printf 'Password: '; sleep 1000")
    eventually(lambda: engine("logs", "c").out == "Password: ")


def test_log_driver_none(engine):
    assert engine.ok("run", "--name", "c", "--log-driver", "none", IMAGE, "echo", "x") == "x"
    engine.fails("logs", "c", match="none|does not support")
    engine.fails("run", "--log-driver", "no-such", IMAGE, "true", code=125, match="no-such")


def test_unknown_container(engine):
    engine.fails("logs", "nobody", code=1, match="No such container: nobody")


def test_log_of_a_restarted_container_goes_on(engine):
    engine.ok("run", "--name", "c", IMAGE, "echo", "again")
    engine.ok("start", "-a", "c")
    assert engine.ok("logs", "c") == "again\nagain"


def test_a_reader_that_goes_away_stops_nothing(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; done")
    for _ in range(3):
        client = engine.popen("logs", "-f", "c")
        client.stdout.read(100)
        client.kill()
        client.wait()
    first = engine.ok("logs", "-n", "1", "c")
    eventually(lambda: engine.ok("logs", "-n", "1", "c") != first)

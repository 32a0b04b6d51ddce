"""`gantry driver ls | inspect | check`, and files that are no drivers or bad ones: refused, with a reason, and no more."""
import json
import os
import shutil
import subprocess

import pytest

from conftest import IMAGE
from harness import census
from harness.engine import REPOSITORY, binaries
from harness.waiting import eventually

BUILT_IN = {"runtime": "native", "layer": "overlayfs", "volume": "local", "network": "bridge"}


def test_ls(engine):
    head, *rows = engine.ok("driver", "ls").splitlines()
    assert "NAME" in head.split() and "KIND" in head.split()
    text = "\n".join(rows)
    for kind, name in BUILT_IN.items():
        assert any(kind in row.split() and name in row.split() for row in rows), text
    assert any("host" in row.split() for row in rows) and any("none" in row.split() for row in rows)


@pytest.mark.parametrize("name", BUILT_IN.values())
def test_inspect(engine, name):
    document = json.loads(engine.ok("driver", "inspect", name))
    text = json.dumps(document)
    assert name in text and ".so" in text


def test_inspect_of_a_driver_that_is_not_there(engine):
    engine.fails("driver", "inspect", "bridgee", code=1, match="bridge")


def driver_file(engine, name):
    return os.path.join(os.path.dirname(engine.bin), "drivers", name)


def test_check_of_good_drivers(engine):
    for kind, name in BUILT_IN.items():
        engine.ok("driver", "check", driver_file(engine, f"{kind}-{name}.so"))


def bad_files(directory, good):
    """Files that must be refused, with what the message must hold."""
    def put(name, data=None, mode=0o755):
        path = os.path.join(directory, name)
        with open(path, "wb") as f:
            f.write(data if data is not None else open(good, "rb").read())
        os.chmod(path, mode)
        return path
    yield put("network-text.so", b"not a library"), "network-text.so"
    yield put("network-cut.so", open(good, "rb").read()[:5000]), "network-cut.so"
    yield put("network-empty.so", b""), "network-empty.so"
    yield put("network-writable.so", mode=0o777), "writable"
    foreign = put("network-foreign.so")
    os.chown(foreign, 12345, 12345)
    yield foreign, "own"
    source = os.path.join(directory, "nosymbol.c")
    with open(source, "w") as f:
        f.write("int nothing;\n")
    plain = os.path.join(directory, "network-nosymbol.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", plain, source], check=True)
    yield plain, "gantry_driver_entry"
    yield os.path.join(directory, "network-missing.so"), "network-missing.so"


def test_check_of_bad_files(engine, scratch):
    for path, reason in bad_files(scratch, driver_file(engine, "network-bridge.so")):
        done = engine("driver", "check", path)
        assert done.code == 1, (path, done)
        assert reason in done.out + done.err and os.path.basename(path) in done.out + done.err, (path, done)
        assert engine.process.poll() is None


def test_fixture_drivers_are_refused_or_contained(engine):
    directory = os.path.join(REPOSITORY, "build/dev")
    found = sorted(os.path.join(d, n) for d, _, names in os.walk(directory) if "fixture" in d for n in names if n.endswith(".so"))
    if not found:
        pytest.skip(f"no fixture drivers below {directory}")
    # The one fixture of the same source that has no fault, and one that is at fault only when it is called.
    sound = ("network-plain.so", "network-misbehaves.so")
    for path in found:
        done = engine("driver", "check", path, timeout=60)
        if "good" not in os.path.basename(path) and os.path.basename(path) not in sound:
            assert done.code == 1 and (done.out + done.err).strip(), (path, done)
        assert engine.process.poll() is None


def test_a_configured_driver_that_is_bad_stops_nothing_else(fresh, scratch):
    drivers = os.path.join(os.path.dirname(binaries()), "drivers")
    private = os.path.join(scratch, "drivers")
    shutil.copytree(drivers, private)
    with open(os.path.join(private, "network-broken.so"), "w") as f:
        f.write("nonsense")
    e = fresh(config={"drivers": {"path": [private], "broken": {}}})
    assert "broken" in e.ok("driver", "ls")
    e.ok("run", "--rm", IMAGE, "true")
    e.fails("network", "create", "-d", "broken", "n", match="broken")


def test_an_unknown_driver_lists_the_known_ones(engine):
    done = engine.fails("network", "create", "-d", "brige", "n", match="bridge")
    assert done.err.strip().count("\n") == 0


def test_every_driver_can_be_hosted(fresh):
    """The same drivers in processes of their own: kill -9 of one costs a call at most."""
    e = fresh(config={"drivers": {"bridge": {"isolation": "process"}, "local": {"isolation": "process"}}})
    e.ok("run", "-d", "--name", "c", "-v", "v:/mnt", IMAGE, "sleep", "1000")

    def hosts():
        return [p for p, command in census.processes_of(e) if "gantry-driver-host" in command]
    assert len(hosts()) == 2
    for pid in hosts():
        os.kill(pid, 9)

    def works():
        done = e("run", "--rm", "-v", "v:/mnt", IMAGE, "true")
        return done.code == 0
    eventually(works, timeout=20)
    assert e.state("c")["Running"]

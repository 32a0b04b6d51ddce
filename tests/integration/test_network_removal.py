"""Removed networks: their names, bridges' names and subnets are free at once, and the kernel is rid of the bridges soon."""
import signal

import pytest

from conftest import IMAGE
from harness import census
from harness.waiting import eventually


@pytest.fixture
def engine(fresh):
    e = fresh()
    e.ok("run", "--rm", IMAGE, "true")  # the default network stays
    return e


def create(engine, name="n1"):
    engine.ok("network", "create", "--subnet", "10.213.77.0/24", "--opt", "com.docker.network.bridge.name=gt-own", name)


def bridges(engine):
    """The test's own, and those that are put away."""
    return [name for name in census.links_of(engine.name) if name == "gt-own" or name.startswith("gr-")]


def test_names_and_subnets_are_free_at_once(engine):
    for _ in range(10):
        create(engine)
        assert bridges(engine) == ["gt-own"]
        assert engine.ok("run", "--rm", "--network", "n1", IMAGE, "ip", "-o", "-4", "address", "show", "dev", "eth0").split()[3] == "10.213.77.2/24"
        engine.ok("network", "rm", "n1")
        assert "gt-own" not in census.links()
    eventually(lambda: bridges(engine) == [], timeout=10)


def test_many(engine):
    eventually(lambda: not [name for name in census.links_of(engine.name) if name.startswith("gv-")], what="the container's end")
    before = census.links_of(engine.name)
    for n in range(30):
        engine.api("POST", "/networks/create", {"Name": f"many{n}"})
    for n in range(30):
        assert engine.api("DELETE", f"/networks/many{n}").status == 204
    assert engine.ok("network", "ls", "-q", "--filter", "type=custom") == ""
    eventually(lambda: census.links_of(engine.name) == before, timeout=20)


@pytest.mark.parametrize("place", ["network.remove.begin", "network.remove.unmade"])
def test_killed_while_one_is_removed(fresh, place):
    engine = fresh(preset="dev")
    create(engine)
    assert bridges(engine) == ["gt-own"]
    engine.kill()
    engine.start(env={"GANTRY_FAILPOINT": f"{place}=kill"})
    engine.fails("network", "rm", "n1")
    engine.process.wait(20)
    engine.start()
    # Nobody was told that it is gone: it is there, and wholly.
    assert engine.ok("run", "--rm", "--network", "n1", IMAGE, "true") == ""
    assert bridges(engine) == ["gt-own"]
    engine.ok("network", "rm", "n1")
    eventually(lambda: bridges(engine) == [], timeout=10)


def test_killed_afterwards(engine):
    create(engine)
    engine.ok("network", "rm", "n1")
    engine.kill()
    assert len(bridges(engine)) == 1
    engine.start()
    eventually(lambda: bridges(engine) == [], timeout=10)
    create(engine)
    assert bridges(engine) == ["gt-own"]


@pytest.mark.parametrize("end", ["stop", "shutdown"])
def test_an_engine_that_ends_leaves_none(engine, end):
    create(engine)
    engine.ok("network", "rm", "n1")
    if end == "stop":
        engine.kill(signal.SIGTERM)
    else:
        engine.ok("system", "shutdown", "--containers")
        engine.process.wait(20)
    assert bridges(engine) == []
    engine.start()

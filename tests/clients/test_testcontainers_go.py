"""testcontainers for Go: what test suites written in Go do with it (go/testcontainers), and its reaper."""
import time

import pytest

import go_tests
import reaper
from conftest import IMAGE
from harness.waiting import eventually

MODULE = go_tests.Module("testcontainers")
REAPED = "TestLeftToTheReaper"
# A host that is itself in a container would be looked for elsewhere.
SETTINGS = {"TEST_IMAGE": IMAGE, "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    MODULE.compile(tmp_path_factory.mktemp("go"))


@pytest.mark.parametrize("name", [name for name in MODULE.names() if name != REAPED])
def test_testcontainers(name, compiled, engine, tmp_path):
    MODULE.run(name, engine.environment(**SETTINGS, HOME=str(tmp_path), TESTCONTAINERS_RYUK_DISABLED="true"))
    assert reaper.nothing_is_left(engine)


def test_what_is_left_is_reaped(compiled, engine, tmp_path):
    reaper.load(engine, tmp_path)
    since = time.time()
    MODULE.run(REAPED, engine.environment(**SETTINGS, HOME=str(tmp_path), REAPER="1", RYUK_RECONNECTION_TIMEOUT="100ms"))
    eventually(lambda: reaper.nothing_is_left(engine), timeout=30, interval=0.1, what="the reaper has removed what was left")
    happened = reaper.events(engine, since)
    assert {image for action, image in happened if action == "destroy"} == {reaper.TAG, IMAGE}, happened
    engine.ok("rmi", reaper.TAG)

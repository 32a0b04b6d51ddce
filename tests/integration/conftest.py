"""Fixtures of the integration tests. Each file gets an engine of its own and leaves the host as it found it."""
import os
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import archives, census  # noqa: E402
from harness.engine import Engine, clean_up_dirty_runs  # noqa: E402
from harness.waiting import eventually  # noqa: E402

IMAGE = "test/busybox"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: builds images from the network or takes more than ten seconds")


def pytest_runtest_logreport(report):
    """Skips are counted and shown by scripts/test: they go to the file that GANTRY_SKIPS names."""
    path = os.environ.get("GANTRY_SKIPS")
    if path and report.skipped and report.when in ("setup", "call"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        with open(path, "a") as f:
            f.write(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}\n")


@pytest.fixture(scope="session", autouse=True)
def _clean_host():
    if os.geteuid() != 0:
        pytest.skip("needs root: makes namespaces, mounts and control groups")
    clean_up_dirty_runs()
    strict = os.environ.get("GANTRY_CENSUS") == "strict"
    before = census.host() if strict else {}
    yield
    if strict:
        eventually(lambda: not census.difference(before, census.host()), timeout=10, interval=0.2,
                   what="the host is as it was before")


def make_engine(preset=None, config=None, image=True, start=True):
    engine = Engine(preset, config)
    try:
        if start:
            engine.start()
            if image:
                engine.load(archives.make_busybox_image(IMAGE + ":latest"))
    except BaseException:
        print(engine.log_text()[-4000:])
        engine.destroy()
        raise
    return engine


@pytest.fixture(scope="module")
def shared_engine():
    """The file's engine, with the test image loaded."""
    engine = make_engine()
    engine("run", "--rm", IMAGE, "true")  # the default network is made with its first container, and stays
    yield engine
    problem = engine.destroy()
    assert not problem, problem


@pytest.fixture
def engine(shared_engine, request):
    """The file's engine; after each test it has no container and the kernel nothing that was not there before."""
    e = shared_engine
    if e.process.poll() is not None:
        e.start()
    before = settled(e)
    mark = len(e.log_text())
    yield e
    if getattr(request.node, "failed", False):
        print("--- gantryd.log ---\n" + e.log_text()[mark:][-4000:])
    e.remove_all()
    for network in e.api("GET", "/networks").json:
        if network["Name"] not in ("bridge", "host", "none"):
            e.ok("network", "rm", network["Name"])
    for name in e.ok("volume", "ls", "-q").split():
        e.ok("volume", "rm", "-f", name)
    try:
        eventually(lambda: not census.difference(before, settled(e)), timeout=10, interval=0.1)
    except AssertionError:
        pytest.fail("left behind:\n  " + "\n  ".join(census.difference(before, settled(e))))


@pytest.fixture
def store(engine):
    """The engine; afterwards it has the test image alone."""
    yield engine
    engine.remove_all()
    for image in engine.ok("images", "-aq", "--no-trunc").split():
        if image != engine.api("GET", f"/images/{IMAGE}/json").json["Id"]:
            engine("rmi", "-f", image)


def settled(e):
    """The engine's census without what it may keep at its liking: files of its store, spare groups, namespaces
    and monitors."""
    now = census.own(e)
    return {"mounts": now["mounts"], "links": now["links"], "tables": now["tables"],
            "processes": [p for p in now["processes"] if not census.is_spare(p[0])],
            "files": [f for f in now["files"] if "/containers/" in f or "/volumes/" in f]}


@pytest.fixture
def fresh(request):
    """Makes engines that belong to one test alone: fresh(preset="dev", config={...})."""
    made = []

    def make(*args, **more):
        made.append(make_engine(*args, **more))
        return made[-1]

    yield make
    problems = ""
    for e in made:
        if getattr(request.node, "failed", False):
            print("--- gantryd.log ---\n" + e.log_text()[-4000:])
        problems += e.destroy()
    assert not problems, problems


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call" and outcome.get_result().failed:
        item.failed = True


@pytest.fixture
def scratch():
    """A directory of the host that is gone after the test."""
    with tempfile.TemporaryDirectory(prefix="gantry-scratch-") as d:
        os.chmod(d, 0o755)
        yield d

"""`gantry image bootstrap`: a base image from the distribution's packages, over the real network."""
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared_engine():
    from conftest import IMAGE, make_engine
    e = make_engine()
    e("run", "--rm", IMAGE, "true")  # the default network is made with its first container, and stays
    yield e
    problem = e.destroy()
    assert not problem, problem


def test_bootstrap_with_python(engine):
    out = engine.ok("image", "bootstrap", "debian/python:bookworm", "--suite", "bookworm", "--include", "python3", timeout=600)
    assert out
    assert engine.ok("run", "--rm", "debian/python:bookworm", "python3", "-c", "print(6*7)") == "42"
    assert engine.ok("run", "--rm", "debian/python:bookworm", "sh", "-c", ". /etc/os-release; echo $ID $VERSION_CODENAME") == "debian bookworm"
    rows = engine.ok("images", "debian/python").splitlines()
    assert len(rows) == 2 and "bookworm" in rows[1]
    engine.ok("run", "--rm", "debian/python:bookworm", "apt-get", "--version")
    engine.ok("rmi", "debian/python:bookworm")


def test_failure_is_told_and_leaves_nothing(engine):
    before = engine.ok("images", "-aq")
    engine.fails("image", "bootstrap", "x:1", "--suite", "nosuchsuite", timeout=300)
    engine.fails("image", "bootstrap", "x:1", "--suite", "bookworm", "--include", "no-such-package-at-all", match="no-such-package-at-all", timeout=300)
    engine.fails("image", "bootstrap", "x:1", "--suite", "../x", timeout=60)
    engine.fails("image", "bootstrap", "BAD NAME", "--suite", "bookworm", timeout=60)
    assert engine.ok("images", "-aq") == before

"""The layer driver that needs nothing of the kernel: the same images and containers on whole directories."""
import os

import pytest

from conftest import IMAGE, make_engine
from harness import archives
from harness.archives import Tar, config_of, oci_archive


@pytest.fixture(scope="module")
def copying():
    engine = make_engine(config={"default": {"layer": "copy"}})
    yield engine
    problem = engine.destroy()
    assert not problem, problem


def layers_of(engine):
    root = os.path.join(engine.root, "drivers/copy")
    return {part: sorted(os.listdir(os.path.join(root, part))) for part in ("active", "committed")}


def test_a_container_runs_and_its_changes_are_its_own(copying):
    e = copying
    before = layers_of(e)
    assert e.ok("run", "--name", "one", IMAGE, "sh", "-c", "echo mine > /etc/mine; rm /etc/group; chmod 600 /etc/passwd; cat /opq/new") == "new"
    mounts = e.api("GET", "/containers/one/json").json
    assert mounts["State"]["ExitCode"] == 0
    assert e.ok("run", "--rm", IMAGE, "sh", "-c", "test ! -e /etc/mine && test ! -e /gone && test ! -e /opq/old && stat -c %a /etc/group /etc/passwd").split() == ["644", "644"]
    changes = {(c["Path"], c["Kind"]) for c in e.api("GET", "/containers/one/changes").json}
    assert {("/etc", 0), ("/etc/mine", 1), ("/etc/group", 2), ("/etc/passwd", 0)} <= changes
    assert not any(path.startswith(("/bin", "/data", "/opq", "/home")) for path, _ in changes), changes
    e.ok("rm", "one")
    assert layers_of(e) == before


def test_layers_over_layers(copying):
    e = copying
    lower = Tar().dir("etc", mode=0o750).add("etc/kept", b"lower\n").add("etc/gone", b"x").add("old/file", b"x").bytes()
    upper = Tar().add("etc/.wh.gone").add("etc/new", b"upper\n").add("old/.wh..wh..opq").add("old/own", b"own\n").bytes()
    layers = archives.busybox_layers() + [lower, upper]
    e.load(oci_archive(layers, "test/stack:1", config_of(layers, Cmd=["sh"]), "gzip"))
    shown = e.ok("run", "--rm", "test/stack:1", "sh", "-c", "stat -c %a /etc; cat /etc/kept /etc/new /old/own; ls /old; test -e /etc/gone || echo gone")
    assert shown.split() == ["750", "lower", "upper", "own", "own", "gone"]
    e.ok("rmi", "test/stack:1")


def test_it_is_all_there_after_a_kill(copying):
    e = copying
    e.ok("run", "-d", "--name", "long", IMAGE, "sh", "-c", "echo before > /data/note; sleep 1000")
    e.kill()
    e.start()
    assert e.ok("exec", "long", "cat", "/data/note") == "before"
    e.ok("exec", "long", "sh", "-c", "echo after > /data/note")
    assert ("/data/note", 1) in {(c["Path"], c["Kind"]) for c in e.api("GET", "/containers/long/changes").json}
    e.ok("rm", "-f", "long")


def test_driver_check_names_it(copying):
    found = copying.ok("driver", "ls")
    assert "copy" in found and "overlayfs" in found

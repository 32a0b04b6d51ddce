"""A full disk, for real: the data root on a small file system. What needs room fails with a clear error and leaves
nothing half made; stop, rm, ps and logs work; all goes on when there is room again (R21)."""
import os
import subprocess
import time

import pytest

from conftest import IMAGE
from harness import archives, census
from harness.engine import Engine
from harness.waiting import eventually


@pytest.fixture(params=["tmpfs", "ext4"])
def engine(request):
    e = Engine()
    os.makedirs(e.root)
    image = os.path.join(e.base, "disk.img")
    if request.param == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=711", "none", e.root], check=True)
    else:
        with open(image, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, e.root], check=True)
    problem = ""
    try:
        e.start()
        e.load(archives.make_busybox_image(IMAGE + ":latest"))
        e.ok("run", "--rm", IMAGE, "true")
        yield e
    finally:
        problem = e.shutdown()
        subprocess.run(["umount", "-l", e.root])
        problem += e.destroy()
    assert not problem, problem


def fill(e):
    """Not a block is left."""
    with open(os.path.join(e.root, "ballast"), "ab", buffering=0) as f:
        for size in (1 << 20, 4096, 1):
            while True:
                try:
                    if f.write(b"x" * size) != size:
                        break
                except OSError:
                    break


def free(e):
    os.unlink(os.path.join(e.root, "ballast"))


def things(e):
    return {
        "containers": sorted(x["Id"] for x in e.api("GET", "/containers/json?all=1").json),
        "images": sorted(x["Id"] for x in e.api("GET", "/images/json").json),
        "volumes": sorted(x["Name"] for x in e.api("GET", "/volumes").json["Volumes"]),
        "networks": sorted(x["Name"] for x in e.api("GET", "/networks").json),
        "mounts": census.mounts_below(e.run_dir), "links": census.links_of(e.name),
    }


def test_what_needs_room_fails_and_what_gives_room_works(engine):
    e = engine
    e.ok("run", "-d", "--name", "a", "-p", "127.0.0.1:24831:80", IMAGE, "sh", "-c", "echo before; while :; do sleep 0.05; done")
    e.ok("run", "-d", "--name", "b", IMAGE, "sleep", "1000")
    e.ok("run", "-d", "--name", "w", IMAGE, "sh", "-c", "while :; do echo some text for the log; sleep 0.01; done")
    e.ok("create", "--name", "idle", IMAGE)
    eventually(lambda: e.ok("logs", "a") == "before")
    fill(e)
    before = things(e)
    for n in range(5):
        done = e("run", "-d", "--name", f"x{n}", "-v", f"y{n}:/mnt", IMAGE, "sleep", "1000")
        assert done.code != 0 or e.state(f"x{n}")["Running"], done
        if done.code != 0:
            assert "space" in done.err.lower() or "full" in done.err.lower(), done
        e("rm", "-f", "-v", f"x{n}")
        e("volume", "rm", "-f", f"y{n}")
    assert things(e) == before
    done = e("load", input=archives.make_busybox_image("test/other:latest"), text=False)
    if done.code != 0:
        assert b"space" in done.err.lower() or b"full" in done.err.lower(), done
        assert things(e)["images"] == before["images"]
    # Nothing that runs is touched, and what only reads or gives back works.
    assert e.state("a")["Running"] and e.state("b")["Running"]
    assert sorted(e.ok("ps", "--format", "{{.Names}}").split()) == ["a", "b", "w"]
    assert e.ok("logs", "a") == "before"
    fill(e)
    e.ok("stop", "-t", "0", "a")
    assert e.state("a")["Status"] == "exited"
    fill(e)
    e.ok("kill", "b")
    assert e.wait_exited("b")["ExitCode"] == 137
    fill(e)
    e.ok("rm", "a")
    fill(e)
    e.ok("rm", "-f", "w")
    assert sorted(e.ok("ps", "-a", "--format", "{{.Names}}").split()) == ["b", "idle"]
    free(e)
    e.ok("run", "-d", "--name", "a", "-p", "127.0.0.1:24831:80", IMAGE, "sleep", "1000")
    e.ok("start", "idle")
    e.ok("rm", "-f", "a", "b", "idle")
    e.restart()
    assert e.ok("ps", "-aq") == ""


def test_many_removals_on_a_full_disk(engine):
    e = engine
    for n in range(60):
        e.ok("create", "--name", f"c{n}", IMAGE)
    for n in range(60):
        fill(e)
        e.ok("rm", f"c{n}")
    free(e)
    assert e.ok("ps", "-aq") == ""


def test_killed_and_started_on_a_full_disk(engine):
    e = engine
    e.ok("run", "-d", "--name", "a", IMAGE, "sleep", "1000")
    e.ok("run", "-d", "--name", "ends", IMAGE, "sh", "-c", "sleep 1; exit 7")
    fill(e)
    e.kill()
    fill(e)
    time.sleep(1.2)
    e.start()
    assert e.state("a")["Running"]
    state = e.wait_exited("ends")
    assert state["ExitCode"] == 7
    e.ok("stop", "-t", "0", "a")
    e.ok("rm", "a", "ends")
    e.kill()
    free(e)
    e.start()
    assert e.ok("ps", "-aq") == ""
    e.ok("run", "--rm", IMAGE, "true")

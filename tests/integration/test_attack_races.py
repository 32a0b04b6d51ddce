"""Whoever changes a container's files while the engine works in them leads it nowhere: each step is held at a failpoint, what it was
about to use is exchanged for a link to the host, and it goes on (S38, S40). And trees as deep as the kernel allows."""
import http.client
import io
import os
import subprocess
import tarfile
import threading

import pytest

from conftest import IMAGE
from harness import archives, canary
from harness.archives import Tar, config_of, docker_archive
from harness.waiting import eventually

SECRET = b"untouched file"  # what the canary's files begin with


@pytest.fixture
def bait(scratch):
    return canary.make(scratch)


def failpoints(engine):
    return subprocess.run([engine.program("gantryd"), "--list-failpoints"], stdout=subprocess.PIPE, text=True).stdout.split()


class Held:
    """An engine whose next call that comes to `point` waits there until released."""

    def __init__(self, engine, point, scratch):
        self.engine, self.gate = engine, os.path.join(scratch, "gate")
        if point not in failpoints(engine):
            pytest.skip("needs a build with failpoints")
        engine.restart(env={"GANTRY_FAILPOINT": f"{point}=pause:{self.gate}"})

    def run(self, call, meanwhile):
        """Begins call() in a thread; once it has come to the point, meanwhile(); then lets it go and gives its result."""
        result = []
        thread = threading.Thread(target=lambda: result.append(call()))
        thread.start()
        eventually(lambda: os.path.exists(self.gate + ".reached"), what="the call has come to the failpoint")
        meanwhile()
        with open(self.gate, "w"):
            pass
        thread.join(60)
        assert result, "the call has not ended"
        os.unlink(self.gate)
        os.unlink(self.gate + ".reached")
        return result[0]


def mounts():
    with open("/proc/self/mountinfo") as f:
        return f.read()


def exchange(engine, name, path, bait):
    """In the container: what is at `path` goes away, and a link to the host stands there. Works in a paused one, too."""
    top = f"/proc/{engine.init_pid(name)}/root"
    if os.path.lexists(top + path):
        os.rename(top + path, top + path + ".gone")
    os.symlink(bait, top + path)


READ = ["container.root.before_open", "container.copy.before_pack"]
WRITE = ["container.root.before_open", "container.copy.before_unpack", "archive.unpack.before_open"]


@pytest.mark.parametrize("state", ["running", "paused"])
@pytest.mark.parametrize("point", READ)
def test_reading_while_the_way_is_exchanged(fresh, bait, scratch, point, state):
    engine = fresh()
    held = Held(engine, point, scratch)
    before, at_host = canary.state(bait), mounts()
    engine.ok("run", "-d", "--name", "c", "-v", "vol:/w/deep", IMAGE, "sh", "-c",
              "mkdir -p /w/dir /d; echo inside > /w/dir/file; echo inside > /d/file; echo inside > /w/deep/file; echo ready; sleep 300")
    eventually(lambda: "ready" in engine.ok("logs", "c"))
    if state == "paused":
        engine.ok("pause", "c")
    for path in ("/w/dir", "/d"):
        answer = held.run(lambda p=path: engine.api("GET", f"/containers/c/archive?path={p}/file"), lambda p=path: exchange(engine, "c", p, bait))
        assert SECRET not in answer.body
        if point == "container.copy.before_pack":
            # It had been found already: what is sent is that very file.
            [member] = tarfile.open(fileobj=io.BytesIO(answer.body)).getmembers()
            assert answer.status == 200 and member.size == len("inside\n")
        else:
            assert answer.status == 404
    answer = held.run(lambda: engine.api("GET", "/containers/c/archive?path=/w"), lambda: exchange(engine, "c", "/w/dir2", bait))
    assert answer.status == 200 and SECRET not in answer.body
    assert canary.state(bait) == before and mounts() == at_host
    engine.ok("rm", "-f", "-v", "c")


@pytest.mark.parametrize("state", ["running", "paused"])
@pytest.mark.parametrize("point", WRITE)
def test_writing_while_the_way_is_exchanged(fresh, bait, scratch, point, state):
    engine = fresh()
    held = Held(engine, point, scratch)
    before = canary.state(bait)
    engine.ok("run", "-d", "--name", "c", "-v", "vol:/w/deep", IMAGE, "sh", "-c", "mkdir -p /w/dir /w/deep/dir; echo ready; sleep 300")
    eventually(lambda: "ready" in engine.ok("logs", "c"))
    if state == "paused":
        engine.ok("pause", "c")
    tar = Tar().add("dir/new", b"written").dir("dir/below", 0o777).add("file", b"overwritten").bytes()
    for path in ("/w", "/w/deep"):
        answer = held.run(lambda p=path: engine.api("PUT", f"/containers/c/archive?path={p}", body=tar, headers={"Content-Type": "application/x-tar"}),
                          lambda p=path: exchange(engine, "c", p + "/dir", bait))
        # Where the link leads there is nothing, seen from inside.
        assert answer.status == 404 and f"{path}/dir" in answer.message, answer
        assert canary.state(bait) == before
        assert not os.path.exists(f"{bait}/new")
    engine.ok("rm", "-f", "-v", "c")


def test_a_stopped_container_whose_volume_is_changed_meanwhile(fresh, bait, scratch):
    """CVE-2026-42306: while its mounts are put together, another container exchanges a mount point in a volume."""
    engine = fresh()
    os.mkdir(f"{scratch}/inner")
    held = Held(engine, "container.root.before_mount", scratch)
    before, at_host = canary.state(bait), mounts()
    engine.ok("run", "-d", "--name", "other", "-v", "vol:/w", IMAGE, "sh", "-c", "mkdir -p /w/sub; echo ready; sleep 300")
    eventually(lambda: "ready" in engine.ok("logs", "other"))
    engine.ok("create", "--name", "c", "-v", "vol:/w", "-v", f"{scratch}/inner:/w/sub", IMAGE, "true")
    for method, body in (("GET", None), ("PUT", Tar().add("file", b"overwritten").bytes())):
        answer = held.run(lambda m=method, b=body: engine.api(m, "/containers/c/archive?path=/w/sub", body=b),
                          lambda: exchange(engine, "other", "/w/sub", bait))
        assert answer.status < 600 and SECRET not in answer.body
        assert canary.state(bait) == before and mounts() == at_host
        engine.ok("exec", "other", "sh", "-c", "rm -f /w/sub; rm -rf /w/sub.gone; mkdir -p /w/sub")
    engine.ok("rm", "-f", "-v", "c", "other")


def test_export_and_commit_follow_no_link(engine, bait):
    before = canary.state(bait)
    engine.ok("run", "-d", "--name", "c", "-v", "vol:/v", IMAGE, "sh", "-c", f"""
        mkdir -p /a /v/a; ln -s {bait} /l; ln -s {bait}/file /f; ln -s {bait} /v/l; echo ready
        while :; do mv -T /a /t; ln -s {bait} /a; sleep 0; rm /a; mv -T /t /a; done""")
    eventually(lambda: "ready" in engine.ok("logs", "c"))
    for _ in range(20):
        whole = engine.ok("export", "c", text=False)
        assert SECRET not in whole
        names = tarfile.open(fileobj=io.BytesIO(whole)).getnames()
        assert not [n for n in names if n.startswith(("l/", "f/", "v/"))]
    engine.ok("commit", "c", "test/links:1")
    assert SECRET not in engine.ok("save", "test/links:1", text=False)
    engine.ok("rmi", "test/links:1")
    assert canary.state(bait) == before


DEEP = """import os
top = os.getcwd()
for n in range({depth}):
    os.mkdir("d"); os.chdir("d")
open("f", "w").close()
"""


@pytest.mark.parametrize("depth", [600, 1030, 4000])
def test_trees_deeper_than_any_path(engine, depth):
    """Whoever fills a container decides how deep; what the engine cannot take it refuses, and goes on."""
    engine.ok("run", "-d", "--name", "c", "-v", "vol:/v", IMAGE, "sh", "-c", f"""
        for top in /deep /v; do mkdir -p $top; cd $top; n=0; while [ $n -lt {depth} ]; do mkdir d; cd d; n=$((n+1)); done; echo x > f; done
        echo ready; sleep 300""")
    eventually(lambda: "ready" in engine.ok("logs", "c"), timeout=60)
    pid = engine.pid
    for url in ("/containers/c/archive?path=/deep", "/containers/c/archive?path=/v", "/containers/c/export"):
        if depth == 600:
            assert engine.api("GET", url).status == 200
        else:  # an archive that broke off has no end
            with pytest.raises(http.client.IncompleteRead):
                engine.api("GET", url)
    assert engine.api("GET", "/containers/c/changes").status == 500
    engine.fails("commit", "c", "test/deep:1", code=1, match="deep/d/d")
    # A file in place of the tree, and what is there goes.
    engine.api("PUT", "/containers/c/archive?path=/&noOverwriteDirNonDir=0", body=Tar().add("deep", b"a file now").bytes())
    engine.api("GET", "/system/df")
    engine.api("GET", "/containers/json?size=1&all=1")
    assert engine.process.poll() is None and engine.pid == pid
    engine.ok("rm", "-f", "-v", "c")
    engine.ok("volume", "rm", "-f", "vol")
    engine("rmi", "-f", "test/deep:1")
    assert engine.process.poll() is None and engine.pid == pid


def test_an_image_as_deep_as_it_may_be(engine):
    """It is copied into a volume and into builds, and comes out again."""
    layers = archives.busybox_layers() + [Tar().add("/".join(["deep"] + ["d"] * 510), b"the bottom\n").bytes()]
    engine.load(docker_archive(layers, ["test/deep:1"], config_of(layers, Env=["PATH=/bin"], Volumes={"/deep": {}}, Cmd=["sleep", "300"])))
    pid = engine.pid
    engine.ok("run", "-d", "--name", "c", "test/deep:1")
    path = "/deep/" + "/".join(["d"] * 510)
    assert engine.ok("exec", "c", "cat", path) == "the bottom"
    assert engine.api("GET", "/containers/c/archive?path=/deep").status == 200
    from harness.build_session import build
    for line in ("COPY --from=test/deep:1 /deep /copied", "COPY --link --from=test/deep:1 / /all", "RUN --mount=type=bind,from=test/deep:1,source=/deep,target=/m true"):
        built = build(engine, f"FROM {IMAGE}\n{line}\n", entries_of=list, context="/x")
        assert built.end["type"] == "done" and engine.process.poll() is None
    assert engine.pid == pid
    engine.ok("rm", "-f", "-v", "c")
    engine.api("POST", "/build/prune?all=1")
    for image in engine.api("GET", "/images/json").json:
        if f"{IMAGE}:latest" not in image["RepoTags"]:
            engine.ok("rmi", "-f", image["Id"])

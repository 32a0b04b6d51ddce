"""The corpus of hostile archives by the ways that test_attacks.py has not: a pull, ADD, a build's context, COPY and mounts from such
an image, cp both ways, an engine that answers a client with it, and attacks that are spread over several layers (S31 to S34, S39)."""
import os
import subprocess

import pytest

from conftest import IMAGE
from harness import archives, attack_tars, canary, fake_daemon
from harness.archives import Tar, config_of, docker_archive
from harness.attack_tars import CONFINED, REFUSED
from harness.build_session import build, classic
from harness.fake_engine import FakeEngine
from harness.registries import RegistryImage, Stub, pull
from test_attacks import LIST, TAG, blobs
from test_images import store  # noqa: F401  (the fixture: files are as before)


@pytest.fixture
def bait(scratch):
    return canary.make(scratch)


class Corpus:
    """Goes through the attacks and gathers what was wrong, so that one run tells of all."""

    def __init__(self, engine, bait, verdicts=None):
        self.engine, self.bait, self.problems = engine, bait, []
        self.verdicts = verdicts or {}
        self.before, self.pid = canary.state(bait), engine.pid

    def run(self, one):
        """one(name, tar): the error's text, "" where it was taken."""
        known = set()
        for name, verdict, tar in attack_tars.attacks(self.bait):
            known.add(name)
            verdict = self.verdicts.get(name, verdict)
            try:
                error = one(name, tar)
            except AssertionError as e:
                self.problems.append(f"{name}: {e}")
                continue
            finally:
                self.look(name)
            if error and any(c < " " or c == "\x7f" for c in error):
                self.problems.append(f"{name}: not one clear line: {error!r}")
            if bool(error) != (verdict == REFUSED):
                self.problems.append(f"{name}: {'refused: ' + error if error else 'taken'}, but it should be {verdict}")
        assert not set(self.verdicts) - known, "verdicts on attacks that are none"
        self.end()

    def look(self, name):
        if canary.state(self.bait) != self.before:
            self.problems.append(f"{name}: the canary has changed")
            self.before = canary.state(self.bait)
        if self.engine.process.poll() is not None:
            pytest.fail(f"{name}: gantryd has ended")

    def end(self):
        assert not self.problems, "\n".join(self.problems)
        assert self.engine.pid == self.pid
        for path in ("/pwned", "/tmp/pwned"):
            assert not os.path.lexists(path)


def remove(engine, *tags):
    for tag in tags:
        engine("rmi", "-f", tag)
    for image in engine.api("GET", "/images/json").json:
        if f"{IMAGE}:latest" not in image["RepoTags"]:
            engine.ok("rmi", "-f", image["Id"])


def test_pull(store, bait):  # noqa: F811
    corpus, stub = Corpus(store, bait), Stub()
    images = store.api("GET", "/images/json").json
    try:
        def one(name, tar):
            image = RegistryImage(archives.busybox_layers() + [tar], Env=["PATH=/bin"], Cmd=["true"])
            tag = stub.add(image)
            error = pull(store, tag)[1]
            if error:
                assert store.api("GET", "/images/json").json == images, "refused, and there all the same"
                assert not [n for n in blobs(store) if n.startswith("unpack-")]
            else:
                store.ok("rmi", "-f", tag)
            return error
        corpus.run(one)
    finally:
        stub.close()
    # What was proven by its digest may wait for the next try; what could not be unpacked is no use to anyone.
    partial = os.path.join(store.root, "images/partial")
    for name in os.listdir(partial):
        os.unlink(os.path.join(partial, name))


# Where a link leads nowhere, none of these makes directories in its place: what should go below it is refused.
BELOW = dict.fromkeys(("through a link", "through a relative link", "through two links", "directory becomes a link", "dangling link out", "magic link", "magic descriptor", "whiteout through a link",
                       "whiteout through links of the layer", "opaque through a link"), REFUSED)
# There a directory that holds something stays, and a link takes none in its place. What has a whiteout's name can be in no layer.
CONTEXT = {**BELOW, **dict.fromkeys(("hard link over a directory", "link becomes a directory", "directory entry over a link", "same name, many kinds", "opaque root", "whiteout of what the layer has", "leftovers of aufs"), REFUSED)}
# What is no archive to libarchive is added as the file that it is; RUN needs a place for /etc/resolv.conf.
ADDED = {**CONTEXT, **dict.fromkeys(("attributes of 1 MB", "size of 8 EiB", "negative size by PAX", "bad checksum", "PAX record of a lying length", "extended header of 64 MB", "sparse map is endless"), CONFINED), "special places become links": REFUSED}
# A context has no devices.
SENT = {**CONTEXT, "device nodes and FIFOs": REFUSED}


def test_add(store, bait, scratch):  # noqa: F811
    context = os.path.join(scratch, "context")
    os.mkdir(context)

    def one(name, tar):
        with open(f"{context}/evil.tar", "wb") as f:
            f.write(tar)
        seen = []
        for _ in range(2):
            built = build(store, f"FROM {IMAGE}\nADD evil.tar /\nRUN ls -lan / > /dev/null\n", context, no_cache=True)
            if built.end["type"] == "error":
                return built.error
            seen.append(store.ok("run", "--rm", "--name", "evil", built.id, "sh", "-c", "PATH=/bin; " + LIST.replace("%Y ", "")))
            store.ok("rmi", "-f", built.id)
        assert seen[0] == seen[1], "two runs differ"
        return ""
    try:
        Corpus(store, bait, ADDED).run(one)
    finally:
        assert store.api("POST", "/build/prune?all=1").status == 200


def test_classic_context(store, bait):  # noqa: F811
    dockerfile = Tar().add("Dockerfile", f"FROM {IMAGE}\nCOPY . /context/\n".encode()).bytes()

    def one(name, tar):
        done = classic(store, attack_tars.joined(dockerfile, tar))
        if not done.error:
            store.ok("rmi", "-f", done.id)
        return done.error or ""
    try:
        Corpus(store, bait, SENT).run(one)
        left = os.path.join(store.root, "build/sources/tmp")
        assert os.listdir(left) == []
    finally:
        assert store.api("POST", "/build/prune?all=1").status == 200


# cp knows no whiteouts: those are files with odd names.
NAMES = dict.fromkeys(("whiteout of nothing", "whiteout of a dot", "whiteout of two dots", "whiteout of two dots below", "whiteout as a directory"), CONFINED)
INTO = {**BELOW, **NAMES, "absolute link as in /var/run": REFUSED, "whiteout with NUL": CONFINED, "sparse pieces overlap": REFUSED}


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_cp_into(store, bait, running):  # noqa: F811
    corpus = Corpus(store, bait, INTO)

    def one(name, tar):
        store.ok("create", "--name", "c", "-v", "vol:/w/deep", IMAGE, "sleep", "300")
        try:
            if running:
                store.ok("start", "c")
            errors = []
            for path in ("/tmp", "/w/deep"):
                answer = store.api("PUT", f"/containers/c/archive?path={path}", body=tar, headers={"Content-Type": "application/x-tar"})
                corpus.look(name)
                errors.append("" if answer.status == 200 else answer.message)
            assert bool(errors[0]) == bool(errors[1]), errors
            return errors[0]
        finally:
            store.ok("rm", "-f", "-v", "c")
            store("volume", "rm", "-f", "vol")
    corpus.run(one)


# A client follows no link in what it fills, its own or the archive's: what is only confined in a container is refused here.
OVER = {**BELOW, **NAMES, **dict.fromkeys(("two hops of dots", "absolute link as in /var/run", "hard link over a directory", "link becomes a directory", "directory entry over a link", "same name, many kinds", "sparse pieces overlap"), REFUSED)}
BY_CP = {**OVER, "device nodes and FIFOs": REFUSED, "whiteout with NUL": CONFINED}
# Owners, attributes and devices are not kept, so that they may be anything.
BY_BUILD = {**OVER, "name has NUL by PAX": REFUSED, "global PAX path": REFUSED, **dict.fromkeys(("path 1,500 deep", "owner out of range", "attributes of 1 MB", "device 0:0", "content of a directory"), CONFINED)}


def test_an_engine_that_answers_cp(store, bait, scratch):  # noqa: F811
    number = iter(range(10_000))

    def one(name, tar):
        out = os.path.join(scratch, f"out{next(number)}")
        os.mkdir(out)
        with fake_daemon.serve(tar, {"name": "/", "size": 0, "mode": 1 << 31 | 0o755, "mtime": "2024-01-01T00:00:00Z", "linkTarget": ""}) as socket:
            done = subprocess.run([store.program("gantry"), "cp", "-a", "c:/", out], capture_output=True, text=True, errors="replace",
                                  env=store.environment(GANTRY_HOST="unix://" + socket), timeout=60)
        assert done.returncode in (0, 1), done
        assert not os.path.lexists(f"{scratch}/pwned")
        subprocess.run(["rm", "-rf", out], check=True)
        return done.stderr.strip() if done.returncode else ""
    Corpus(store, bait, BY_CP).run(one)


def test_an_engine_that_answers_a_build(store, bait, scratch):  # noqa: F811
    number, fake = iter(range(10_000)), FakeEngine()
    context = os.path.join(scratch, "context")
    os.mkdir(context)
    with open(f"{context}/Dockerfile", "w") as f:
        f.write("FROM scratch\n")

    def one(name, tar):
        said = []

        def script(session):
            try:
                session.output(0, tar)
            except RuntimeError as e:
                said.append(str(e))
                return session.error("the output failed")
            session.done()
        fake.script, fake.problem = script, None
        out = os.path.join(scratch, f"out{next(number)}")
        done = fake("build", "-o", out, context, timeout=60)
        assert done.code == (1 if said else 0) and sorted(os.listdir(scratch)) == sorted(["canary", "context", os.path.basename(out)]), done
        # Deeper than shutil.rmtree goes.
        subprocess.run(["rm", "-rf", out], check=True)
        return said[0] if said else ""
    try:
        Corpus(store, bait, BY_BUILD).run(one)
    finally:
        fake.close()


# Each layer is unpacked by itself, and none may find in the one below it a way out.
def spread(bait):
    link = Tar().link("l", bait).link("up", "../" * 12 + bait.lstrip("/")).link("one", "two").link("two", bait).dir("d").add("d/f", b"1").add("f", b"1")
    tops = {
        "through a link of the layer below": Tar().add("l/pwned", b"x"),
        "through a relative link": Tar().add("up/pwned", b"x"),
        "through two links": Tar().add("one/pwned", b"x"),
        "over the target": Tar().add("l/file", b"overwritten"),
        "attributes of the target": Tar().dir("l/dir", 0o777, uid=4242),
        "hard link to what is below a link": Tar().hardlink("h", "l/file"),
        "whiteout below a link": Tar().add("l/.wh.file").add("l/dir/.wh..wh..opq"),
        "opaque directory in place of a link": Tar().dir("l").add("l/.wh..wh..opq"),
        "a directory becomes a link": Tar().link("d", bait),
        "a file becomes a link": Tar().link("f", f"{bait}/file"),
        "a link becomes a directory": Tar().dir("l", 0o777).add("l/file", b"mine"),
        "a link in a directory that is a link": Tar().link("l/new", "/etc"),
        "a device where a link is": Tar().add("l/fifo", kind=b"6"),
    }
    third = Tar().add("d/pwned", b"x").add("f", b"overwritten").add("l/third", b"x").bytes()
    for name, top in tops.items():
        yield name, [link_layer(link), top.bytes(), third]


def link_layer(tar, made={}):  # noqa: B006
    """The bytes of a Tar that is used several times."""
    return made.setdefault(id(tar), (tar, tar.bytes()))[1]


@pytest.mark.parametrize("driver", ["overlayfs", "copy"])
def test_attacks_over_several_layers(fresh, bait, driver):
    engine = fresh(config={"default": {"layer": driver}})
    before, problems = canary.state(bait), []
    for name, layers in spread(bait):
        seen = []
        for _ in range(2):
            whole = archives.busybox_layers() + layers
            done = engine("load", input=docker_archive(whole, [TAG], config_of(whole, Env=["PATH=/bin"], Cmd=["sh"])), text=False)
            if done.code != 0:
                # Said by the status of the answer, or within it where progress has been shown before.
                seen.append(done.err.replace(b"Error response from daemon: ", b"").removeprefix(b"gantry: "))
                continue
            seen.append(engine.ok("run", "--rm", "--name", "evil", TAG, "sh", "-c", LIST))
            engine.ok("rmi", TAG)
        if seen[0] != seen[1]:
            problems.append(f"{name}: two runs differ: {sorted(set(str(seen[0]).splitlines()) ^ set(str(seen[1]).splitlines()))[:6]}")
        if canary.state(bait) != before:
            problems.append(f"{name}: the canary has changed")
            before = canary.state(bait)
    assert not problems, "\n".join(problems)

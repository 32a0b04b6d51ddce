"""The corpus of hostile archives by a pull, and attacks that are spread over several layers (S31 to S34)."""
import os

import pytest

from conftest import IMAGE
from harness import archives, attack_tars, canary
from harness.archives import Tar, config_of, docker_archive
from harness.attack_tars import REFUSED
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
                seen.append(done.err)
                continue
            seen.append(engine.ok("run", "--rm", "--name", "evil", TAG, "sh", "-c", LIST))
            engine.ok("rmi", TAG)
        if seen[0] != seen[1]:
            problems.append(f"{name}: two runs differ: {sorted(set(str(seen[0]).splitlines()) ^ set(str(seen[1]).splitlines()))[:6]}")
        if canary.state(bait) != before:
            problems.append(f"{name}: the canary has changed")
            before = canary.state(bait)
    assert not problems, "\n".join(problems)

"""Streams that unpack to more than they should, or that end too early, in every compression: stopped within bounds, the disk given
back, and others not held up (S35 to S37)."""
import bz2
import gzip
import lzma
import os
import threading
import time

import pytest

from conftest import IMAGE
from harness import archives, attack_tars, bombs
from harness.archives import Tar, config_of, digest, docker_archive
from harness.attack_archives import descriptor, dumps, layout
from harness.memory import peak, reset_peak
from harness.waiting import eventually
from test_images import store  # noqa: F401  (the fixture: files are as before)

TOTAL = 10 * bombs.GIB
MEMORY = 256 << 20
# A file of 10 GiB, of which the content is all zeros.
HEAD = attack_tars.raw_header(b"zeros", size=0)[:124] + b"\x80" + TOTAL.to_bytes(11, "big") + attack_tars.raw_header(b"zeros")[136:]
HEAD = HEAD[:148] + b"%06o\0 " % sum(HEAD[:148] + b" " * 8 + HEAD[156:]) + HEAD[156:]
FORMS = {
    "gzip members": lambda: bombs.gzip_members(HEAD, TOTAL), "gzip stream": lambda: bombs.gzip_stream(HEAD, TOTAL), "gzip nested": lambda: bombs.gzip_nested(HEAD, TOTAL),
    "zstd": lambda: bombs.zstd(HEAD, TOTAL), "zstd window of 2 GiB": lambda: bombs.zstd(HEAD, TOTAL, 31), "xz dictionary of 4 GiB": lambda: bombs.xz(HEAD, TOTAL),
}


def space(path):
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def oci_with(layer, kind):
    config = config_of([Tar().add("x", b"1").bytes()])
    manifest = dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": descriptor(config, "config"),
                      "layers": [{"mediaType": f"application/vnd.oci.image.layer.v1.tar+{kind}", "digest": "sha256:" + digest(layer), "size": len(layer)}]})
    return layout({"schemaVersion": 2, "manifests": [descriptor(manifest, "manifest", annotations={"org.opencontainers.image.ref.name": "test/bomb:1"})]},
                  layer, config, manifest)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("carrier", ["archive", "layer", "import"])
def test_bombs(store, form, carrier):  # noqa: F811
    bomb = FORMS[form]()
    assert len(bomb) < 12 << 20
    before, files = space(store.root), store.files()
    reset_peak(store.pid)
    started = time.monotonic()
    done = []

    def set_off():
        if carrier == "import":
            done.append(store("import", "-", "test/bomb:1", input=bomb, text=False, timeout=300))
        else:
            done.append(store("load", input=bomb if carrier == "archive" else oci_with(bomb, form.split()[0]), text=False, timeout=300))
    thread = threading.Thread(target=set_off)
    thread.start()
    # Others go on meanwhile.
    other = config_of([Tar().add("other", b"1").bytes()])
    assert store("load", input=docker_archive([Tar().add("other", b"1").bytes()], ["test/other:1"], other), text=False, timeout=60).code == 0
    store.ok("run", "--rm", IMAGE, "true")
    thread.join()
    store.ok("rmi", "test/other:1")
    assert done[0].code == 1 and done[0].err.strip().count(b"\n") == 0 and done[0].err.strip(), done
    assert peak(store.pid) < MEMORY, f"{peak(store.pid) >> 20} MiB"
    assert store.ok("images", "-q", "test/bomb") == ""
    eventually(lambda: store.files() == files, timeout=20, interval=0.2)
    eventually(lambda: space(store.root) > before - (200 << 20), timeout=20, interval=0.2, what="the disk is given back")
    assert time.monotonic() - started < 240


PACK = {"plain": lambda x: x, "gzip": lambda x: gzip.compress(x, 1), "zstd": archives.zstd, "xz": lzma.compress, "bzip2": bz2.compress}


@pytest.mark.parametrize("form", PACK)
def test_cut_anywhere(store, form):  # noqa: F811
    """At every 4 kB, and around the ends: an error, soon, and the next one works (S37)."""
    layers = [Tar().add("etc/random", os.urandom(120_000)).bytes()]
    whole = PACK[form](docker_archive(layers, ["test/cut:1"], config_of(layers)))
    files = store.files()
    ends = sorted({*range(0, len(whole) - 1024, 4096), *range(min(64, len(whole))), *range(len(whole) - 12, len(whole))})
    for end in ends:
        started = time.monotonic()
        answer = store.api("POST", "/images/load", body=whole[:end], headers={"Content-Type": "application/x-tar"}, timeout=20)
        # A plain tar is whole without the zeros behind its last block, however many its writer has put there.
        if form == "plain" and end >= -(-len(whole.rstrip(b"\0")) // 512) * 512:
            continue
        assert b'"error"' in answer.body or answer.status >= 400, (form, end, len(whole), answer)
        assert time.monotonic() - started < 15, (form, end)
    if form != "plain":
        for garbage in (b"x" * 100, b"\0" * 10 + b"x", whole[:20]):
            answer = store.api("POST", "/images/load", body=whole + garbage, timeout=20)
            assert b'"error"' in answer.body or answer.status >= 400, (form, garbage, answer)
    assert store.files() == files or form == "plain"
    store.load(whole)
    assert store.ok("images", "-q", "test/cut") != ""


def headers(count, entry):
    """A stream of `count` entries, made fast: entry(n) gives (name, kind, link)."""
    blocks = []
    for n in range(count):
        name, kind, link = entry(n)
        blocks.append(attack_tars.raw_header(name, kind, link=link))
    return b"".join(blocks) + b"\0" * 1024


SHAPES = {
    "whiteouts": lambda n: (b"d%d/.wh.f%d" % (n % 7, n), b"0", b""), "opaque whiteouts": lambda n: (b"d/.wh..wh..opq" if n % 2 else b"d/f%d" % n, b"0", b""),
    "empty files": lambda n: (b"d/f%d" % n, b"0", b""), "hard links": lambda n: (b"d/f%d" % n, b"1" if n else b"0", b"d/f0" if n else b""),
    "links": lambda n: (b"d/f%d" % n, b"2", b"d/f%d" % (n + 1)), "the same file": lambda n: (b"d/f", b"0", b""), "the same directory": lambda n: (b"d/", b"5", b""),
    "directories": lambda n: (b"d/f%d/" % n, b"5", b""), "deep directories": lambda n: (b"/".join([b"d%d" % (n // 40)] + [b"x"] * (n % 40)) + b"/", b"5", b""),
    "through a link": lambda n: (b"l", b"2", b"d") if n == 0 else (b"l/f%d" % n, b"0", b""), "back and forth": lambda n: (b"a/f%d" % n if n % 2 else b"b/f%d" % n, b"0", b""),
}


def worked(pid):
    """Seconds of processor time that a process has used outside of the kernel, whose share depends on what else the disk does."""
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rsplit(")", 1)[1].split()[11]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cost_of_many_entries_is_linear(store, shape):  # noqa: F811
    """Twice as many take about twice the processor's time (S36); the bound is wide because others use the machine."""
    def seconds(count):
        tar = headers(count, SHAPES[shape])
        begin = worked(store.pid)
        done = store("import", "-", "test/many:1", input=tar, text=False, timeout=300)
        took = worked(store.pid) - begin
        assert done.code == 0, done
        store.ok("rmi", "test/many:1", timeout=300)
        return took
    seconds(1000)
    reset_peak(store.pid)
    # Fewer than the links that a file can have on ext4.
    half, whole = seconds(20_000), seconds(40_000)
    assert whole < 3.2 * half + 0.5, (half, whole)
    assert peak(store.pid) < MEMORY


def test_more_links_than_a_file_can_have(store):  # noqa: F811
    done = store("import", "-", "test/many:1", input=headers(100_000, SHAPES["hard links"]), text=False, timeout=300)
    if done.code == 0:  # a file system without that limit
        store.ok("rmi", "test/many:1", timeout=120)
    else:
        assert b"link" in done.err and done.err.strip().count(b"\n") == 0, done
    assert store.ok("images", "-q", "test/many") == ""


def test_a_layer_that_is_never_used_up_can_be_given_up(store):  # noqa: F811
    """The client goes away while much is unpacked: the work ends soon, and its disk is given back."""
    files, before = store.files(), space(store.root)
    client = store.popen("import", "-", "test/endless:1", stdin=-1)
    client.stdin.write(HEAD)
    block = os.urandom(1 << 20)
    for _ in range(64):
        client.stdin.write(block)
    client.kill()
    client.wait()
    eventually(lambda: store.files() == files, timeout=20, interval=0.2)
    eventually(lambda: space(store.root) > before - (32 << 20), timeout=20, interval=0.2)
    assert store.ok("images", "-q", "test/endless") == ""

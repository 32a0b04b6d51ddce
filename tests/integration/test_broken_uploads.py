"""A connection that drops at any byte of an archive, a daemon that is killed there, a disk that is full there: nothing is left
behind, nothing is lost, and the next attempt succeeds."""
import gzip
import os
import random
import socket
import subprocess
import time

import pytest

from conftest import IMAGE
from harness import archives, census
from harness.archives import Tar, config_of, docker_archive, oci_archive
from harness.engine import Engine
from harness.waiting import eventually

STEPS = 24  # cuts of each archive, besides those around its parts


def image(seed):
    """Layers of several sizes, the same for the same seed."""
    noise = random.Random(seed)
    return [Tar().dir("d").add(f"d/{seed}-{n}", noise.randbytes(size)).bytes() for n, size in enumerate((10, 5_000, 300_000))]


def uploads():
    """name -> (request, body, tag)"""
    layers = image(1)
    yield "docker archive", "/images/load", docker_archive(layers, ["test/cut:docker"], config_of(layers)), "test/cut:docker"
    layers = image(2)
    yield "OCI layout", "/images/load", oci_archive(layers, "test/cut:oci", config_of(layers), "gzip"), "test/cut:oci"
    layers = image(3)
    yield "packed", "/images/load", gzip.compress(docker_archive(layers, ["test/cut:gzip"], config_of(layers)), 1), "test/cut:gzip"
    yield "tree", "/images/create?fromSrc=-&repo=test/cut&tag=tree", image(4)[2], "test/cut:tree"


UPLOADS = {name: rest for name, *rest in uploads()}


def cuts(body, seed=7):
    """Where to break off: at the ends, around blocks, and anywhere."""
    noise = random.Random(seed)
    at = {0, 1, 511, 512, 513, 1024, len(body) - 1025, len(body) - 1024, len(body) - 513, len(body) - 1}
    at |= {noise.randrange(len(body)) for _ in range(STEPS)}
    return sorted(x for x in at if 0 <= x < len(body))


def send(engine, url, body, end, chunked):
    """The request and the first `end` bytes of its body."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(30)
    s.connect(engine.socket)
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    s.sendall(b"POST %s HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\n%s\r\n\r\n" % (url.encode(), length))
    try:
        if not chunked:
            s.sendall(body[:end])
        for start in range(0, end if chunked else 0, 10_000):
            piece = body[start:min(end, start + 10_000)]
            s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused already
    return s


def standing(engine):
    found = census.standing(engine)
    # What an engine keeps once it has begun to load: directories for blobs.
    return {**found, "files": [f for f in found["files"] if not os.path.isdir(f)]}


def images(engine):
    return sorted((x["Id"], x["RepoTags"]) for x in engine.api("GET", "/images/json?all=1").json)


@pytest.mark.parametrize("how", ["close", "reset", "half close"])
@pytest.mark.parametrize("upload", UPLOADS)
def test_a_connection_that_drops(engine, upload, how):
    url, body, tag = UPLOADS[upload]
    before, had, pid = standing(engine), images(engine), engine.pid
    for n, end in enumerate(cuts(body)):
        s = send(engine, url, body, end, chunked=n % 2 == 0)
        if how == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how == "half close":
            # The answer, if there is one, says that it failed.
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            # One that had begun with progress is broken off before its last chunk.
            begun = answer.startswith(b"HTTP/1.1 200 ") and b"Transfer-Encoding: chunked" in answer
            assert not answer or b'"error"' in answer or b" 40" in answer.split(b"\r\n")[0] or \
                begun and not answer.endswith(b"\r\n0\r\n\r\n"), (end, answer)
        s.close()
    eventually(lambda: not census.difference(before, standing(engine)), timeout=30, interval=0.2)
    assert images(engine) == had and engine.pid == pid and engine.process.poll() is None
    answer = engine.api("POST", url, body=body)
    assert answer.status == 200 and b'"error"' not in answer.body, answer
    engine.ok("rmi", tag)
    assert not census.left_over(engine, census.standing(engine))
    assert images(engine) == had


@pytest.mark.parametrize("upload", UPLOADS)
def test_a_daemon_that_is_killed(fresh, upload):
    """In the middle of the stream, and while the last of it is worked on: afterwards the image is there whole, or not at all."""
    engine = fresh()
    url, body, tag = UPLOADS[upload]
    before, had = standing(engine), images(engine)
    for end in cuts(body)[::4] + [len(body)]:
        s = send(engine, url, body, end, chunked=False)
        time.sleep(random.Random(end).random() * 0.03)
        engine.kill()
        s.close()
        engine.start()
        if images(engine) != had:
            assert end == len(body), "an image came of a part of its archive"
            engine.ok("rmi", tag)
        eventually(lambda: not census.difference(before, standing(engine)), timeout=30, interval=0.2)
    engine.ok("run", "--rm", IMAGE, "true")
    answer = engine.api("POST", url, body=body)
    assert b'"error"' not in answer.body, answer
    engine.ok("rmi", tag)


def test_a_client_that_stops_sending(engine):
    """It is waited for no longer than for any body; others are served meanwhile."""
    url, body, tag = UPLOADS["docker archive"]
    before = standing(engine)
    stalled = [send(engine, url, body, len(body) // 2, chunked=False) for _ in range(8)]
    assert engine.api("POST", url, body=body).status == 200
    engine.ok("run", "--rm", IMAGE, "true")
    for s in stalled:
        s.close()
    engine.ok("rmi", tag)
    eventually(lambda: not census.difference(before, standing(engine)), timeout=30, interval=0.2)


def test_a_disk_that_fills_up_anywhere():
    """With ever less room, load and import fail with a clear error or succeed; a failure takes no room and leaves no image."""
    e = Engine()
    os.makedirs(e.root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=711", "none", e.root], check=True)
    ballast = os.path.join(e.root, "ballast")
    problem = ""
    try:
        e.start()
        e.load(archives.make_busybox_image(IMAGE + ":latest"))
        had, before, succeeded, failed = images(e), standing(e), 0, 0
        for upload, (url, body, tag) in UPLOADS.items():
            for room in [*range(0, 1_400_000, 100_000), 4_000_000]:
                found = os.statvfs(e.root)
                with open(ballast, "wb") as f:
                    os.posix_fallocate(f.fileno(), 0, max(1, found.f_bavail * found.f_frsize - room))
                answer = e.api("POST", url, body=body)
                os.unlink(ballast)
                if answer.status == 200 and b'"error"' not in answer.body:
                    succeeded += 1
                    e.ok("rmi", tag)
                else:
                    failed += 1
                    assert b"space" in answer.body.lower() or b"full" in answer.body.lower(), (upload, room, answer)
                assert images(e) == had, (upload, room)
                assert not census.difference({**before, "files": []}, {**standing(e), "files": []}), (upload, room)
                eventually(lambda: standing(e)["files"] == before["files"], timeout=10, interval=0.1, what=(upload, room))
        assert failed >= 8 and succeeded >= 8, (failed, succeeded)
        e.ok("run", "--rm", IMAGE, "true")
    finally:
        problem = e.shutdown()
        subprocess.run(["umount", "-l", e.root])
        problem += e.destroy()
    assert not problem, problem

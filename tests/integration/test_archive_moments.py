"""Archives in and out in the moments round a container's create, start, end and restart, by several clients at once."""
import concurrent.futures
import io
import os
import tarfile

from conftest import IMAGE
from harness import archives

ROUNDS = int(os.environ.get("GANTRY_ARCHIVE_ROUNDS", "3"))  # of each of four clients


def put(engine, name, text):
    answer = engine.api("PUT", f"/containers/{name}/archive?path=/tmp", archives.Tar().add("file", text).bytes())
    assert answer.status == 200 and not answer.body, answer


def get(engine, name):
    answer = engine.api("GET", f"/containers/{name}/archive?path=/tmp/file")
    assert answer.status == 200 and answer.headers["content-type"] == "application/x-tar", answer
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        member, = tar.getmembers()
        assert member.name == "file"
        return tar.extractfile(member).read()


def call(engine, name, what, status=204):
    answer = engine.api("POST", f"/containers/{name}/{what}")
    assert answer.status == status, (what, answer)


def life(engine, name):
    made = engine.api("POST", f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": ["sleep", "1000"]})
    assert made.status == 201, made
    for n, what in enumerate(("", "start", "pause", "unpause", "restart?t=0", "kill", "start", "stop?t=0")):
        if what:
            call(engine, name, what)
        put(engine, name, text := f"{name} {n}".encode())
        assert get(engine, name) == text
        assert engine.api("HEAD", f"/containers/{name}/archive?path=/tmp/file").status == 200
    assert engine.api("DELETE", f"/containers/{name}?force=1").status == 204


def test_archives_at_any_moment(engine):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(lambda c=c: [life(engine, f"c{c}-{n}") for n in range(ROUNDS)]) for c in range(4)]:
            done.result()


def whole_day(engine, name):
    """What goes in comes out by every way: by changes, in an image that is saved, removed and loaded, and in the container's own archive."""
    assert engine.api("POST", f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": ["sleep", "1000"]}).status == 201
    call(engine, name, "start")
    put(engine, name, name.encode())
    changes = engine.api("GET", f"/containers/{name}/changes").json
    assert {"Path": "/tmp/file", "Kind": 1} in changes, changes
    made = engine.api("POST", f"/commit?container={name}&repo=test/{name}&tag=1&comment=why")
    assert made.status == 201, made
    assert engine.api("GET", f"/images/test/{name}:1/history").json[0]["Comment"] == "why"
    saved = engine.api("GET", f"/images/test/{name}:1/get")
    assert saved.status == 200
    assert engine.api("DELETE", f"/images/test/{name}:1").status == 200
    # In pieces, as programs send what they make on the way.
    loaded = engine.api("POST", "/images/load", iter([saved.body[at:at + 65536] for at in range(0, len(saved.body), 65536)]))
    assert loaded.status == 200 and f"Loaded image: test/{name}:1".encode() in loaded.body, loaded
    assert engine.api("GET", f"/images/test/{name}:1/json").json["Id"] == made.json["Id"]
    assert engine.api("DELETE", f"/images/test/{name}:1").status == 200
    exported = engine.api("GET", f"/containers/{name}/export")
    with tarfile.open(fileobj=io.BytesIO(exported.body)) as tar:
        assert tar.extractfile("tmp/file").read() == name.encode()
    assert engine.api("DELETE", f"/containers/{name}?force=1").status == 204


def test_what_goes_in_comes_out_by_every_way(store):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(lambda c=c: [whole_day(store, f"d{c}-{n}") for n in range(ROUNDS)]) for c in range(4)]:
            done.result()


def test_a_program_that_ends_at_once_gives_its_file(engine):
    """Its root comes and goes while the archive is read."""
    for n in range(4 * ROUNDS):
        name = f"short{n}"
        assert engine.api("POST", f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": ["true"]}).status == 201
        put(engine, name, b"before\n")
        call(engine, name, "start")
        assert get(engine, name) == b"before\n"
        put(engine, name, b"after\n")
        assert get(engine, name) == b"after\n"
        assert engine.api("DELETE", f"/containers/{name}?force=1").status == 204

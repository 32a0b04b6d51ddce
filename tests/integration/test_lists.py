"""Lists and what is found in them: order, names that fit several, and options that there are not."""
import socket
import time

import pytest

from conftest import IMAGE
from harness import archives


def networks(engine, body):
    return engine.api("POST", "/networks/create", body)


def test_the_newest_is_the_first(store):
    """Of containers and images; volumes and networks come by name or as they were made, each time alike."""
    for n in (2, 1, 3):
        assert store.api("POST", f"/containers/create?name=c{n}", {"Image": IMAGE}).status == 201
        assert store.api("POST", "/volumes/create", {"Name": f"v{n}"}).status == 201
        made = store.api("POST", f"/images/create?fromSrc=-&repo=test/order&tag={n}", archives.Tar().add("f", str(n).encode()).bytes())
        assert made.status == 200
        time.sleep(1.1 if n != 3 else 0)  # the API tells whole seconds of an image
    containers = store.api("GET", "/containers/json?all=1").json
    assert [c["Names"][0] for c in containers] == ["/c3", "/c1", "/c2"]
    images = store.api("GET", "/images/json").json
    assert [i["RepoTags"][0] for i in images if "test/order" in i["RepoTags"][0]] == ["test/order:3", "test/order:1", "test/order:2"]
    assert [i["Created"] for i in images] == sorted((i["Created"] for i in images), reverse=True)
    for url, key in (("/volumes", "Volumes"), ("/networks", None)):
        lists = [store.api("GET", url).json for _ in range(3)]
        names = [[one["Name"] for one in (each[key] if key else each)] for each in lists]
        assert names[0] == names[1] == names[2]


def test_what_fits_several_is_refused(store):
    """Seventeen of a kind: two of them begin alike. A name comes before the beginning of an id."""
    for n in range(17):
        assert store.api("POST", "/images/create?fromSrc=-", archives.Tar().add("f", f"several {n}".encode()).bytes()).status == 200
        assert networks(store, {"Name": f"several{n}", "Internal": True}).status == 201
    images = [i["Id"].removeprefix("sha256:") for i in store.api("GET", "/images/json").json]
    ids = [n["Id"] for n in store.api("GET", "/networks").json]
    for given, url in ((images, "/images/{}/json"), (ids, "/networks/{}")):
        shared = next(c for c in "0123456789abcdef" if sum(i.startswith(c) for i in given) > 1)
        answer = store.api("GET", url.format(shared))
        assert answer.status == 400 and shared in answer.message and ("ambiguous" in answer.message or "multiple" in answer.message), answer
        one = given[0]
        length = next(n for n in range(1, 65) if sum(i.startswith(one[:n]) for i in given) == 1)
        found = store.api("GET", url.format(one[:length]))
        assert found.status == 200 and found.json["Id"].removeprefix("sha256:") == one
        assert store.api("GET", url.format(one + "0")).status == 404
    named = networks(store, {"Name": ids[0][:12], "Internal": True}).json["Id"]
    assert store.api("GET", f"/networks/{ids[0][:12]}").json["Id"] == named


@pytest.mark.parametrize("host,words,status", [
    ({"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}, "DeviceRequests", 501),
    ({"Mounts": [{"Type": "npipe", "Source": "x", "Target": "/mnt"}]}, "npipe", 501),
    ({"Isolation": "hyperv"}, "solation", 400),
], ids=["devices", "pipe", "isolation"])
def test_options_that_are_not_supported_are_named(engine, host, words, status):
    answer = engine.api("POST", "/containers/create", {"Image": IMAGE, "HostConfig": host})
    assert answer.status == status and words in answer.message and "\n" not in answer.message, answer
    assert engine.ok("ps", "-aq") == ""


def test_who_asks_and_leaves_keeps_nobody_waiting(engine):
    """What nobody waits for any more is not done: here, readings of statistics that take a second each."""
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    for _ in range(8000):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(engine.socket)
            s.sendall(b"GET /containers/c/stats?stream=0 HTTP/1.1\r\nHost: docker\r\n\r\n")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(engine.socket)  # waits for a place in the queue
        s.settimeout(15)
        s.sendall(b"GET /containers/c/stats?stream=0 HTTP/1.1\r\nHost: docker\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200 "), "the one who stays has an answer, not the last place in a line of thousands"

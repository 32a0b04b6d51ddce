"""POST /images/create?fromSrc=URL: content and changes, and servers that fail, hang up, never end, or lead elsewhere."""
import contextlib
import io
import json
import os
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from harness import archives
from harness.waiting import eventually

TREE = archives.Tar().dir("etc").add("etc/name", b"imported\n").bytes()


@contextlib.contextmanager
def server(serve):
    """A server on loopback; `serve(handler)` answers. Gives its address and the requests it has seen."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, dict(self.headers)))
            with contextlib.suppress(ConnectionError):
                serve(self)

        def log_message(self, *_):
            pass
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{http.server_port}", seen
    finally:
        http.shutdown()
        http.server_close()


def answer(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in {"Content-Length": len(body), **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
        handler.send_header(name, str(value))
    handler.end_headers()
    handler.wfile.write(body)


def create(engine, url, query=""):
    return engine.api("POST", f"/images/create?fromSrc={quote(url, safe='')}&{query}")


def messages(got):
    assert got.status == 200, got
    return [json.loads(line) for line in got.body.splitlines()]


def failure(engine, url):
    """Why it failed; of a failure nothing is left, neither an image nor a file."""
    got = create(engine, url, "repo=test/none")
    text = got.message if got.status != 200 else next(m["error"] for m in messages(got) if "error" in m)
    assert engine.api("GET", "/images/test/none:latest/json").status == 404
    assert left(engine) == []
    return text


def left(engine):
    where = engine.root + "/build/sources/tmp"
    return os.listdir(where) if os.path.isdir(where) else []


@pytest.mark.parametrize("pack", [lambda data: data, lambda data: __import__("gzip").compress(data)], ids=["tar", "gzip"])
def test_content_changes_and_what_is_told(store, pack):
    with server(lambda h: answer(h, 200, pack(TREE))) as (host, seen):
        told = messages(create(store, f"http://somebody:secret@{host}/tree.tar?x=1", "repo=test/url&tag=1&changes=ENV+A%3Db&changes=CMD+run"))
        assert seen[0][0] == "/tree.tar?x=1"
    number = told[-1]["status"]
    assert {"status": f"Downloading from http://{host}/tree.tar?x=1"} in told and "secret" not in json.dumps(told)
    image = store.api("GET", "/images/test/url:1/json").json
    assert image["Id"] == number and image["Comment"] == f"Imported from http://{host}/tree.tar?x=1"
    assert image["Config"]["Env"] == ["A=b"] and image["Config"]["Cmd"] == ["/bin/sh", "-c", "run"]
    made = store.api("POST", "/containers/create?name=c", {"Image": "test/url:1"})
    assert made.status == 201, made
    with tarfile.open(fileobj=io.BytesIO(store.api("GET", "/containers/c/export").body)) as tar:
        assert tar.extractfile("etc/name").read() == b"imported\n"
    assert left(store) == []


def test_the_client_imports_by_address(store):
    with server(lambda h: answer(h, 200, TREE)) as (host, _):
        number = store.ok("import", "--change", "LABEL a=b", "--message", "said", f"http://{host}/tree.tar", "test/cli:2").splitlines()[-1]
    image = store.api("GET", "/images/test/cli:2/json").json
    assert image["Id"] == number and image["Config"]["Labels"] == {"a": "b"} and image["Comment"] == "said"


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_fails(store, status):
    with server(lambda h: answer(h, status, b"no")) as (host, _):
        assert str(status) in failure(store, f"http://{host}/x")


def test_a_server_that_is_not_there(store):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % s.getsockname()[1]
    assert address in failure(store, f"http://{address}/x")


def test_a_server_that_hangs_up_in_the_middle(store):
    def half(h):
        h.send_response(200)
        h.send_header("Content-Length", str(len(TREE)))
        h.end_headers()
        h.wfile.write(TREE[:1000])
    with server(half) as (host, _):
        assert "transfer closed" in failure(store, f"http://{host}/x")


def test_what_is_no_archive(store):
    with server(lambda h: answer(h, 200, b"<html>" + b"x" * 5000)) as (host, _):
        assert failure(store, f"http://{host}/x")


def test_one_that_says_how_much_too_large_it_is(store):
    with server(lambda h: answer(h, 200, b"", Content_Length=9 << 30)) as (host, _):
        assert f"larger than {8 << 30} bytes" in failure(store, f"http://{host}/x")


def test_one_that_has_no_end_is_left_with_its_client(store):
    gone = threading.Event()

    def endless(h):
        h.send_response(200)
        h.end_headers()
        try:
            while True:
                h.wfile.write(b"\0" * 65536)
        except ConnectionError:
            gone.set()
    with server(endless) as (host, _), socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(store.socket)
        s.sendall(f"POST /images/create?fromSrc={quote(f'http://{host}/x', safe='')} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n".encode())
        got = b""
        while got.count(b'"Downloading"') < 2:
            piece = s.recv(4096)
            assert piece, got
            got += piece
        assert left(store), "it goes to a file"
        s.close()
        assert gone.wait(30), "the engine hangs up on a server whose image nobody waits for"
    eventually(lambda: left(store) == [], what="the file is gone")
    assert store.api("GET", "/_ping").status == 200


def test_redirects_lead_to_no_other_protocol_and_no_end(store):
    with server(lambda h: answer(h, 302, Location="file:///etc/passwd")) as (host, _):
        assert "file" in failure(store, f"http://{host}/x").lower()
    with server(lambda h: answer(h, 302, Location=h.path + "x")) as (host, seen):
        assert "redirects" in failure(store, f"http://{host}/x")
        assert len(seen) == 11
    with server(lambda h: answer(h, 302, Location="http://169.254.169.254/x")) as (host, _):
        assert "link-local" in failure(store, f"http://{host}/x")


@pytest.mark.parametrize("source", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd"])
def test_sources_of_another_kind(store, source):
    assert "only http and https" in failure(store, source)

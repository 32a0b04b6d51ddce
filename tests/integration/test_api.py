"""The wire: versions, errors, statuses, and requests that no client of ours would send."""
import json
import os
import socket
import struct
import time

import pytest

from conftest import IMAGE
from harness import http_unix
from harness.http_unix import Hijacked, raw
from harness.waiting import eventually


def test_ping(engine):
    answer = engine.api("GET", "/_ping")
    assert (answer.status, answer.body) == (200, b"OK") and answer.headers["api-version"]
    assert engine.api("HEAD", "/_ping").status == 200


def test_versions_in_the_path(engine):
    newest = engine.api("GET", "/version").json["ApiVersion"]
    for version in ("1.44", newest):
        assert engine.api("GET", f"/v{version}/containers/json").status == 200
    for bad in ("/v1.9999/containers/json", "/v0.1/containers/json"):
        assert engine.api("GET", bad).status == 400


@pytest.mark.parametrize("method,url,status", [
    ("GET", "/no/such/page", 404), ("GET", "/containers/nobody/json", 404), ("POST", "/containers/nobody/start", 404),
    ("DELETE", "/containers/nobody", 404), ("DELETE", "/images/nobody", 404), ("GET", "/networks/nobody", 404),
    ("GET", "/volumes/nobody", 404), ("POST", "/exec/nobody/start", 404), ("GET", "/containers/json?filters=%7B", 400),
    ("GET", "/containers/json?limit=x", 400), ("POST", "/containers/nobody/wait?condition=sometimes", 400),
])
def test_statuses(engine, method, url, status):
    answer = engine.api(method, url, {} if method == "POST" else None)
    assert answer.status == status, answer
    assert isinstance(answer.message, str) and answer.message


@pytest.mark.parametrize("method,url", [("GET", "/no/such/page"), ("GET", "/v1.44/no/such/page"), ("POST", "/info"), ("PATCH", "/containers/json"),
                                        ("GET", "/containers/create"), ("PUT", "/images/a/b/json"), ("DELETE", "/volumes"), ("GET", "/grpc")])
def test_what_is_no_page(engine, method, url):
    """Also a path that is known under another method, as Docker answers."""
    answer = engine.api(method, url, {} if method in ("POST", "PATCH", "PUT") else None)
    assert (answer.status, answer.json) == (404, {"message": "page not found"})
    assert answer.headers["content-type"] == "application/json" and answer.headers["api-version"]


def create(engine, body, name="c"):
    return engine.api("POST", f"/containers/create?name={name}", body)


def test_create_start_wait_remove(engine):
    made = create(engine, {"Image": IMAGE, "Cmd": ["sh", "-c", "exit 4"], "UnknownFieldOfTheFuture": 1})
    assert made.status == 201 and made.json["Warnings"] == []
    assert create(engine, {"Image": IMAGE}).status == 409
    assert engine.api("POST", "/containers/c/start").status == 204
    assert engine.api("POST", "/containers/c/wait").json["StatusCode"] == 4
    assert engine.api("POST", "/containers/c/stop").status == 304
    assert engine.api("DELETE", "/containers/c").status == 204


def test_bodies_that_make_no_sense(engine):
    deep = b'{"Image": "test/busybox", "Labels": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"Image": 5}', b'{"Image": "test/busybox", "Cmd": {}}',
                 b'{"Image": "test/busybox", "Env": [1]}', b'{"Image": "test/busybox", "HostConfig": []}',
                 b'{"Image": "test/busybox", "HostConfig": {"Memory": "x"}}', b'{"Image": "test/busybox", "HostConfig": {"Memory": 1e400}}',
                 b'{"Image": "test/busybox", "HostConfig": {"PortBindings": {"80": "x"}}}',
                 b'{"Image": "test/busybox", "HostConfig": {"Binds": [1]}}', deep, b'{"Image": ""}', b"{}"):
        answer = engine.api("POST", "/containers/create", body, headers={"Content-Type": "application/json"})
        assert answer.status in (400, 404), (body[:80], answer)
    assert engine.ok("ps", "-aq") == ""


def test_limits_of_what_is_read(engine):
    big = json.dumps({"Image": IMAGE, "Labels": {"x": "y" * (8 << 20)}}).encode()
    try:
        status = engine.api("POST", "/containers/create", big, headers={"Content-Type": "application/json"}).status
    except (BrokenPipeError, ConnectionResetError):
        status = 413
    assert status == 413
    for request in (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100_000 + b"\r\n",
                    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\n"):
        answer = raw(engine.socket, request)
        assert answer == b"" or answer.split()[1] in (b"400", b"413", b"414", b"431"), answer[:100]
    assert engine.api("GET", "/_ping").status == 200


@pytest.mark.parametrize("request_bytes", [
    b"\r\n\r\n", b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET /_ping HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"GET /_ping HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /containers/%00/json HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /containers/a%2fb/json HTTP/1.1\r\nHost: x\r\n\r\n",
], ids=range(12))
def test_requests_that_are_no_http(engine, request_bytes):
    answer = raw(engine.socket, request_bytes, timeout=2)
    assert answer == b"" or answer.split()[1][:1] == b"4" or answer.split()[1] == b"505", answer[:200]
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert engine.api("GET", "/_ping").status == 200


def test_a_browser_gets_nothing(engine):
    for header in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = engine.api("POST", "/containers/create", {"Image": IMAGE}, headers=header)
        assert answer.status in (400, 403), answer


def test_connections_that_say_nothing_do_not_stop_others(engine):
    silent = []
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.connect(engine.socket)
        s.sendall(b"GET /_ping HTT")
        silent.append(s)
    started = time.monotonic()
    assert engine.api("GET", "/_ping").status == 200
    engine.ok("run", "--rm", IMAGE, "true")
    assert time.monotonic() - started < 3
    for s in silent:
        s.close()


def test_keep_alive_and_pipelining(engine):
    one = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw(engine.socket, one * 3 + last).count(b"200 OK") == 4


def test_attach_both_ways(engine):
    create(engine, {"Image": IMAGE, "Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True, "AttachStdin": True})
    stream = Hijacked(engine.socket, "/containers/c/attach?stream=1&stdin=1&stdout=1&stderr=1")
    engine.api("POST", "/containers/c/start")
    stream.send(b"over the wire")
    stream.close_write()
    assert stream.frames() == (b"over the wire", b"")
    stream.close()
    assert engine.wait_exited("c")["ExitCode"] == 0


def test_attach_with_a_terminal_is_raw(engine):
    create(engine, {"Image": IMAGE, "Cmd": ["echo", "raw"], "Tty": True})
    stream = Hijacked(engine.socket, "/containers/c/attach?stream=1&stdout=1&stderr=1")
    engine.api("POST", "/containers/c/start")
    assert stream.read_all() == b"raw\r\n"
    stream.close()


def test_logs_of_the_api_are_framed(engine):
    engine.ok("run", "--name", "c", IMAGE, "sh", "-c", "echo out; echo err >&2")
    body = engine.api("GET", "/containers/c/logs?stdout=1&stderr=1").body
    seen = {}
    while body:
        kind, length = struct.unpack(">BxxxI", body[:8])
        seen[kind] = seen.get(kind, b"") + body[8:8 + length]
        body = body[8 + length:]
    assert seen == {1: b"out\n", 2: b"err\n"}
    assert engine.api("GET", "/containers/c/logs").status == 400


def test_resize(engine):
    engine.ok("run", "-dt", "--name", "c", IMAGE, "sh")
    assert engine.api("POST", "/containers/c/resize?h=40&w=123").status == 200
    assert eventually(lambda: engine.ok("exec", "c", "sh", "-c", "stty size < /proc/1/fd/0") == "40 123")


def test_list_of_containers(engine):
    engine.ok("run", "-d", "--name", "c", "-p", "127.0.0.1::80", "-l", "k=v", IMAGE, "sleep", "100")
    entry = engine.api("GET", "/containers/json").json[0]
    assert entry["Names"] == ["/c"] and entry["State"] == "running" and entry["Labels"] == {"k": "v"}
    assert entry["Ports"][0]["PrivatePort"] == 80 and entry["Ports"][0]["Type"] == "tcp" and entry["ImageID"].startswith("sha256:")


def test_socket_is_private(engine):
    mode = os.stat(engine.socket).st_mode
    assert mode & 0o777 == 0o660


def test_a_second_engine_on_the_same_directory_is_refused(engine):
    import subprocess
    done = subprocess.run(engine.daemon_command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, text=True)
    assert done.returncode != 0 and done.stdout.strip()
    assert http_unix.request(engine.socket, "GET", "/_ping").status == 200


def test_many_clients_at_once(engine):
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: engine.api("GET", "/containers/json?all=1").status, range(500)))
    assert set(answers) == {200}

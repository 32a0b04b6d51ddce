"""Attach over a websocket, with the log first, and without a stream; limits that change while a container runs."""
import base64
import hashlib
import json
import os
import socket
import struct
import time

import pytest

from conftest import IMAGE
from harness import http_unix
from harness.http_unix import Hijacked
from harness.waiting import eventually


class WebSocket:
    """A client of RFC 6455, byte by byte."""

    def __init__(self, path, url, headers=""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {url} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{headers}"
                            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.socket.recv(1)
            assert piece, head
            head += piece
        self.head = head.decode()
        self.status = int(head.split()[1])
        if self.status == 101:
            expected = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
            assert f"Sec-WebSocket-Accept: {expected}\r\n" in self.head and "Api-Version: " in self.head

    def send(self, data, opcode=2):
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.socket.sendall(bytes([0x80 | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            assert piece, data
            data += piece
        return data

    def frame(self):
        first, length = self.exactly(2)
        if length == 126:
            length, = struct.unpack(">H", self.exactly(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.exactly(8))
        return first & 15, self.exactly(length)

    def read_until(self, end):
        """What comes in data frames until `end` is among it; their kinds."""
        data, kinds = b"", set()
        while end not in data:
            kind, piece = self.frame()
            assert kind in (0, 1, 2), (kind, piece, data)
            data += piece
            kinds.add(kind)
        return data, kinds

    def close(self):
        self.socket.close()


def create(engine, *command, **body):
    made = engine.api("POST", "/containers/create?name=c", {"Image": IMAGE, "Cmd": list(command), **body})
    assert made.status == 201, made


def start(engine):
    assert engine.api("POST", "/containers/c/start").status == 204


@pytest.mark.parametrize("terminal", [False, True])
def test_websocket_both_ways(engine, terminal):
    create(engine, "sh", "-c", "echo ready; read line; echo got $line; exit 3", OpenStdin=True, Tty=terminal)
    ws = WebSocket(engine.socket, "/containers/c/attach/ws?stream=1&stdin=1&stdout=1&stderr=1")
    start(engine)
    assert ws.read_until(b"ready")[1] == {2}
    ws.send(b"typed\n")
    ws.read_until(b"got typed")
    while (frame := ws.frame())[0] != 8:
        assert frame[0] in (0, 2)
    assert frame[1][:2] == struct.pack(">H", 1000)
    ws.close()
    assert engine.wait_exited("c")["ExitCode"] == 3


def test_websocket_with_the_log_first_and_in_text(engine):
    create(engine, "sh", "-c", "echo early; echo error >&2; read line; echo late", OpenStdin=True)
    start(engine)
    eventually(lambda: engine.ok("logs", "c") == "early")
    ws = WebSocket(engine.socket, "/v1.27/containers/c/attach/ws?stream=1&logs=1&stdin=1&stdout=1")
    assert ws.read_until(b"early\n") == (b"early\n", {1})
    ws.send(b"x\n")
    assert ws.read_until(b"late\n")[0] == b"late\n"
    ws.close()


def test_websocket_that_goes_leaves_the_container(engine):
    create(engine, "sh", "-c", "while :; do echo on; sleep 0.05; done")
    start(engine)
    threads = len(os.listdir(f"/proc/{engine.pid}/task"))
    sockets = [WebSocket(engine.socket, "/containers/c/attach/ws?stream=1&stdout=1") for _ in range(20)]
    for ws in sockets:
        ws.read_until(b"on")
        ws.close()
    eventually(lambda: len(os.listdir(f"/proc/{engine.pid}/task")) <= threads + 2, what="the pumps have ended")
    assert engine.state("c")["Running"]


def test_websocket_is_no_browsers(engine):
    create(engine, "sleep", "1000")
    start(engine)
    refused = WebSocket(engine.socket, "/containers/c/attach/ws?stream=1", "Origin: http://evil.example\r\n")
    assert refused.status in (400, 403)
    assert engine.api("GET", "/containers/c/attach/ws?stream=1").status == 400


def test_the_engine_ends_with_a_websocket_open(fresh):
    e = fresh()
    create(e, "sleep", "1000")
    start(e)
    ws = WebSocket(e.socket, "/containers/c/attach/ws?stream=1&stdout=1")
    assert e.kill(15) == 0
    e.start()
    assert e.state("c")["Running"]
    ws.close()


def test_the_log_and_then_what_comes(engine):
    create(engine, "sh", "-c", "echo one; echo two >&2; read line; echo three", OpenStdin=True)
    start(engine)
    eventually(lambda: engine.ok("logs", "c") == "one")
    stream = Hijacked(engine.socket, "/containers/c/attach?logs=1&stream=1&stdin=1&stdout=1&stderr=1")
    stream.send(b"go\n")
    assert stream.frames() == (b"one\nthree\n", b"two\n")
    only = Hijacked(engine.socket, "/containers/c/attach?logs=1&stderr=1")
    assert only.status == 101 and only.frames() == (b"", b"two\n")
    nothing = Hijacked(engine.socket, "/containers/c/attach?stdout=1")
    assert nothing.frames() == (b"", b"")


def test_limits_change_while_it_runs(fresh):
    engine = fresh()
    create(engine, "sleep", "1000", HostConfig={"Memory": 64 << 20})
    start(engine)
    changed = {"Memory": 96 << 20, "MemorySwap": 192 << 20, "CpuShares": 512, "PidsLimit": 33, "RestartPolicy": {"Name": "always"}}
    assert engine.api("POST", "/containers/c/update", changed).json == {"Warnings": []}
    host = engine.inspect("c")["HostConfig"]
    assert {k: host[k] for k in changed if k != "RestartPolicy"} == {k: v for k, v in changed.items() if k != "RestartPolicy"}
    assert engine.api("GET", "/containers/c/stats?stream=0&one-shot=1").json["memory_stats"]["limit"] == 96 << 20
    assert engine.api("GET", "/containers/c/stats?stream=0&one-shot=1").json["pids_stats"]["limit"] == 33
    for body, status in (({"Memory": 1}, 400), ({"Memory": 300 << 20}, 409), ({"CpuPeriod": 5}, 400), ({"CpusetCpus": "9999"}, 400),
                         ({"RestartPolicy": {"Name": "sometimes"}}, 400), ({"PidsLimit": "many"}, 400)):
        answer = engine.api("POST", "/containers/c/update", body)
        assert answer.status == status, (body, answer)
    assert engine.inspect("c")["HostConfig"]["Memory"] == 96 << 20
    engine.restart()
    assert engine.inspect("c")["HostConfig"]["PidsLimit"] == 33


def test_events_as_a_json_sequence(engine):
    create(engine, "true")
    answer = http_unix.request(engine.socket, "GET", f"/events?since={int(time.time()) - 60}&until={int(time.time()) + 1}",
                               headers={"Accept": "application/json-seq"})
    assert answer.headers["content-type"] == "application/json-seq"
    records = answer.body.split(b"\x1e")
    assert records[0] == b"" and json.loads(records[-1])["Type"]


def test_one_that_restarts_all_the_time_is_removed_by_force(engine):
    """Also in the moment at which its policy starts it again."""
    for n in range(20):
        engine.ok("run", "-d", "--name", "again", "--restart", "always", IMAGE, "sh", "-c", f"sleep 0.0{n % 10}; exit 1")
        eventually(lambda: engine.inspect("again")["RestartCount"] >= 1, interval=0.001)
        answer = engine.api("DELETE", "/containers/again?force=1&v=1")
        assert answer.status == 204, (n, answer)

"""Connections of BuildKit's clients: who has them, what becomes of them, and what is left. What a client builds over them is in
tests/clients/test_buildx.py."""
import os
import signal
import socket
import struct

import pytest

from harness.buildkit import helpers
from harness.waiting import eventually

H2C = "Connection: Upgrade\r\nUpgrade: h2c\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # and empty SETTINGS
SETTINGS = 4


@pytest.fixture(autouse=True)
def _built(shared_engine):
    if not os.access(shared_engine.program("gantry-buildkit"), os.X_OK):
        pytest.skip("gantry-buildkit is not built: gRPC is not here")


def ask(engine, path, *headers):
    """A connection on which this was asked for, and the head of the answer."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(engine.socket)
    s.sendall(f"POST {path} HTTP/1.1\r\nHost: docker\r\n{''.join(headers)}Content-Length: 0\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = s.recv(1)
        if not piece:
            break
        head += piece
    return s, head.decode()


def session(name):
    return f"X-Docker-Expose-Session-Uuid: {name}\r\n"


def exactly(s, size):
    data = b""
    while len(data) < size:
        piece = s.recv(size - len(data))
        assert piece, "the connection has ended"
        data += piece
    return data


def frame(s):
    """The type and the content of a frame of HTTP/2."""
    head = exactly(s, 9)
    return head[3], exactly(s, struct.unpack(">I", b"\0" + head[:3])[0])


def end_of(s):
    """Reads until the other side ends the connection."""
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass


def speak(engine):
    """A connection for gRPC over which both sides have spoken."""
    s, head = ask(engine, "/grpc", H2C)
    assert head.startswith("HTTP/1.1 101 ") and "Upgrade: h2c\r\n" in head, head
    s.sendall(PREFACE)
    assert frame(s)[0] == SETTINGS
    return s


@pytest.mark.parametrize("headers", ["", "Connection: Upgrade\r\nUpgrade: tcp\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n"],
                         ids=["none", "tcp", "websocket"])
@pytest.mark.parametrize("path", ["/grpc", "/session", "/v1.44/grpc"])
def test_it_is_asked_for_by_its_name(engine, path, headers):
    s, head = ask(engine, path, headers, session("one"))
    s.close()
    assert head.startswith("HTTP/1.1 400 ") and not helpers(engine), head


@pytest.mark.parametrize("name", ["", session("x" * 129)], ids=["none", "long"])
def test_a_session_has_an_id(engine, name):
    s, head = ask(engine, "/session", H2C, name)
    s.close()
    assert head.startswith("HTTP/1.1 400 ") and not helpers(engine), head


def test_a_helper_without_rights_has_the_connections(engine):
    s = speak(engine)
    pid, = helpers(engine)
    with open(f"/proc/{pid}/status") as f:
        told = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    assert told["Uid"].split() == told["Gid"].split() == ["65534"] * 4 and not told["Groups"].strip()
    assert told["CapEff"] == told["CapPrm"] == told["CapBnd"] == "0" * 16 and told["NoNewPrivs"] == "1"
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
    others = [ask(engine, "/grpc", H2C) for _ in range(20)]
    assert all(head.startswith("HTTP/1.1 101 ") for _, head in others) and helpers(engine) == [pid]
    for connection, _ in [(s, ""), *others]:
        connection.close()
    eventually(lambda: not helpers(engine), timeout=20, what="the helper ends when nobody needs it")


def test_a_helper_that_is_killed_is_replaced(engine):
    s = speak(engine)
    pid, = helpers(engine)
    os.kill(pid, signal.SIGKILL)
    end_of(s)
    s.close()
    s = speak(engine)
    assert helpers(engine) and helpers(engine) != [pid]
    s.close()
    eventually(lambda: not helpers(engine), timeout=20)


def test_a_client_that_stays_and_says_nothing_keeps_no_helper(engine):
    s = speak(engine)
    eventually(lambda: not helpers(engine), timeout=20)
    end_of(s)
    s.close()
    speak(engine).close()
    eventually(lambda: not helpers(engine), timeout=20)


def test_a_helper_that_hangs_does_not_hold_up_its_engine(fresh):
    engine = fresh(image=False)
    s = speak(engine)
    pid, = helpers(engine)
    os.kill(pid, signal.SIGSTOP)
    engine.kill(signal.SIGTERM)
    s.close()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), timeout=10)
    engine.start()


def test_what_is_no_http2_ends_its_connection_alone(engine):
    good = speak(engine)
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, PREFACE + b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 20000):
        bad, _ = ask(engine, "/grpc", H2C)
        bad.sendall(data)
        end_of(bad)
        bad.close()
        bad, _ = ask(engine, "/session", H2C, session(f"bad{len(data)}"))
        bad.sendall(data)
        end_of(bad)
        bad.close()
    good.sendall(b"\0\0\x08\6\0\0\0\0\0" + b"12345678")  # PING
    while True:
        kind, content = frame(good)
        if kind == 6:
            assert content == b"12345678"
            break
    good.close()
    assert engine.process.poll() is None
    eventually(lambda: not helpers(engine), timeout=20)


def test_a_session_is_served_and_forgotten(engine):
    s, head = ask(engine, "/session", H2C, session("mine"))
    assert head.startswith("HTTP/1.1 101 ")
    # There the roles are the other way round: the engine's side begins.
    assert exactly(s, 24) == PREFACE[:24]
    twice, _ = ask(engine, "/session", H2C, session("mine"))
    end_of(twice)
    twice.close()
    s.close()
    eventually(lambda: not helpers(engine), timeout=20)


def test_the_helper_ends_with_its_engine(fresh):
    engine = fresh(image=False)
    s = speak(engine)
    pid, = helpers(engine)
    engine.kill()
    end_of(s)
    s.close()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), timeout=10)
    engine.start()
    s = speak(engine)
    pid, = helpers(engine)
    engine.kill(signal.SIGTERM)
    s.close()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), timeout=10)
    engine.start()

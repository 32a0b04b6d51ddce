"""A small HTTP client over a unix socket, without any library that could smooth over mistakes of the server."""
import http.client
import json
import socket
import struct


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["message"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def request(path, method, url, body=None, headers=None, timeout=60):
    """Sends one request and reads the whole answer. A dict or list as body is sent as JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    connection = _Connection(path, timeout)
    try:
        connection.request(method, url, body=body, headers=headers)
        answer = connection.getresponse()
        return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def raw(path, data, timeout=10, limit=1 << 20):
    """Sends bytes as they are and gives what comes back until the server closes or is silent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        s.connect(path)
        got = b""
        try:
            s.sendall(data)
            while len(got) < limit:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except (socket.timeout, BrokenPipeError, ConnectionResetError):
            pass
        return got


class Hijacked:
    """A connection taken over by attach or exec start: raw bytes, or frames of 8-byte headers without a terminal."""

    def __init__(self, path, url, body=None, timeout=30, method="POST"):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        data = json.dumps(body or {}).encode()
        self.sock.sendall(
            f"{method} {url} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nConnection: Upgrade\r\n"
            f"Upgrade: tcp\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.sock.recv(4096)
            if not piece:
                raise EOFError(f"connection closed during the answer: {head!r}")
            head += piece
        head, self.rest = head.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        self.head = head.decode("latin-1")

    def send(self, data):
        self.sock.sendall(data)

    def close_write(self):
        self.sock.shutdown(socket.SHUT_WR)

    def read_all(self):
        data = self.rest
        while True:
            piece = self.sock.recv(65536)
            if not piece:
                return data
            data += piece

    def read_until(self, words):
        """All that has come since the head, once these bytes are in it. It is read again by what follows."""
        while words not in self.rest:
            piece = self.sock.recv(65536)
            assert piece, self.rest
            self.rest += piece
        return self.rest

    def frames(self):
        """(stdout, stderr) of a stream without a terminal, read to its end."""
        data, out = self.read_all(), {0: b"", 1: b"", 2: b""}
        while data:
            kind, length = struct.unpack(">BxxxI", data[:8])
            out[kind] += data[8:8 + length]
            data = data[8 + length:]
        return out[1], out[2]

    def close(self):
        self.sock.close()

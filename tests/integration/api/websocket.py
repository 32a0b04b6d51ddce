"""A websocket of a container's attach: the client's half of RFC 6455, as far as it is needed."""
import os
import socket
import struct

from .world import WEBSOCKET


class WebSocket:
    def __init__(self, path, url, timeout=30):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        lines = "".join(f"{k}: {v}\r\n" for k, v in WEBSOCKET.items())
        self.sock.sendall(f"GET {url} HTTP/1.1\r\nHost: docker\r\n{lines}\r\n".encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self._more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        assert head.split()[1] == b"101", head

    def _more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise EOFError
        self.data += piece

    def _exactly(self, size):
        while len(self.data) < size:
            self._more()
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def send(self, data):
        mask = os.urandom(4)
        assert len(data) < 126
        self.sock.sendall(bytes([0x82, 0x80 | len(data)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def read_all(self):
        """What comes until the server's close."""
        text = b""
        while True:
            try:
                first, length = self._exactly(2)
            except (EOFError, ConnectionResetError):
                return text
            if length == 126:
                length, = struct.unpack(">H", self._exactly(2))
            elif length == 127:
                length, = struct.unpack(">Q", self._exactly(8))
            piece = self._exactly(length)
            if first & 15 == 8:
                return text
            if first & 15 < 3:
                text += piece

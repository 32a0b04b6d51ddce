"""An engine that is none: answers what a test tells it to, and serves the build session (core/build/PROTOCOL.md)."""
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

from .engine import Result, binaries


class Session:
    """The engine's half of one build session, on the connection's own thread."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""
        self.next_id = 0
        self.build = None

    def _exactly(self, size):
        while len(self.buffer) < size:
            piece = self.connection.recv(65536)
            if not piece:
                raise EOFError
            self.buffer += piece
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def receive(self):
        header, body = struct.unpack(">II", self._exactly(8))
        assert header <= 1 << 20 and body <= 1 << 20, (header, body)
        return json.loads(self._exactly(header)), self._exactly(body)

    def send(self, header, body=b""):
        text = json.dumps(header).encode()
        self.connection.sendall(struct.pack(">II", len(text), len(body)) + text + body)

    # --- what an engine asks ---
    def ask(self, kind, **fields):
        self.next_id += 1
        self.send({"type": kind, "id": self.next_id, **fields})
        return self.next_id

    def answers(self, number):
        """Frames of one request until its end; a failure is raised."""
        while True:
            header, body = self.receive()
            assert header["id"] == number, header
            if header["type"] == "failed":
                raise RuntimeError(header["message"])
            if header["type"] == "end":
                return
            yield header, body
            if header["type"] in ("value", "auth"):
                return

    def walk(self, context="context", paths=(), exclude=()):
        number = self.ask("walk", context=context, paths=list(paths), exclude=list(exclude))
        return [e for header, _ in self.answers(number) for e in header["entries"]]

    def fetch(self, *paths, context="context"):
        number = self.ask("fetch", context=context, paths=list(paths))
        files, ended = {}, set()
        for header, body in self.answers(number):
            assert header["path"] not in ended
            files[header["path"]] = files.get(header["path"], b"") + body
            if header.get("eof"):
                ended.add(header["path"])
        assert ended == set(paths)
        return files

    def secret(self, name):
        return next(self.answers(self.ask("secret", secret=name)))[1]

    def auth(self, registry):
        return next(self.answers(self.ask("auth", registry=registry)))[0]

    def output(self, index, archive, piece=100000):
        number = self.ask("output", output=index)
        pieces = [archive[i:i + piece] for i in range(0, len(archive), piece)] or [b""]
        for i, data in enumerate(pieces):
            self.send({"type": "output-data", "id": number, **({"eof": True} if i == len(pieces) - 1 else {})}, data)
        for _ in self.answers(number):
            raise AssertionError("an output is answered with its end alone")

    # --- what it tells ---
    def step(self, number, state, name=None, **more):
        self.send({"type": "step", "step": number, "state": state, **({"name": name} if name else {}), **more})

    def log(self, number, text, stream=1):
        self.send({"type": "log", "step": number, "stream": stream}, text if isinstance(text, bytes) else text.encode())

    def done(self, **result):
        self.send({"type": "done", "result": {"id": "sha256:" + "1" * 64, "digest": "sha256:" + "2" * 64, "tags": [], **result}})

    def error(self, message, **more):
        self.send({"type": "error", "message": message, **more})

    def closed(self):
        """Waits until the client has gone."""
        try:
            while True:
                self.receive()
        except (EOFError, ConnectionResetError):
            return True


class FakeEngine:
    """`on(method, path, answer)`: answer is (status, JSON or bytes) or a function of the request that gives it."""

    def __init__(self, script=None):
        self.base = tempfile.mkdtemp(prefix="gantry-fake-")
        self.socket = os.path.join(self.base, "s")
        self.bin = binaries()
        self.script, self.problem, self.session = script, None, None
        self.routes, self.requests = [], []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.socket)
        self.listener.listen(16)
        self.threads, self.connections = [], []
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def on(self, method, path, answer):
        self.routes.insert(0, (method, path, answer))

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection):
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    data += piece
                head, data = data.split(b"\r\n\r\n", 1)
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
                size = int(headers.get("content-length", 0))
                while len(data) < size:
                    data += connection.recv(65536)
                request = {"method": method, "target": target, "headers": headers, "body": data[:size]}
                data = data[size:]
                self.requests.append(request)
                if headers.get("upgrade") == "gantry-build/1" and self.script:
                    connection.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: gantry-build/1\r\n\r\n")
                    return self._session(connection)
                self._answer(connection, request)
        except OSError:
            pass
        finally:
            connection.close()

    def _session(self, connection):
        session = self.session = Session(connection)
        try:
            session.build, _ = session.receive()
            assert session.build["type"] == "build"
            self.script(session)
        except BaseException as e:  # noqa: B902: told to the test, which looks at it
            self.problem = e
        finally:
            connection.close()

    def _answer(self, connection, request):
        for method, path, answer in self.routes:
            if request["method"] == method and request["target"].split("?")[0] == path:
                status, body = answer(request) if callable(answer) else answer
                break
        else:
            status, body = 404, {"message": "page not found"}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    def environment(self, **more):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("DOCKER_", "GANTRY_", "BUILDKIT_", "SOURCE_DATE", "SSH_"))}
        return {**env, "GANTRY_HOST": "unix://" + self.socket, "HOME": self.base, **more}

    def program(self, *args):
        return [os.path.join(self.bin, "gantry"), *map(str, args)]

    def __call__(self, *args, input=None, cwd=None, timeout=30, env=None, text=True):
        """Runs `gantry ARGS`; what went wrong in the script is the test's error."""
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run(self.program(*args), **given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
                              timeout=timeout, env=self.environment(**(env or {})), text=text, errors="replace" if text else None)
        for thread in self.threads:
            thread.join(10)
        if self.problem:
            raise AssertionError(f"the script failed: {self.problem!r}; the client: {done.returncode} {done.stderr}") from self.problem
        return Result(args, done.returncode, done.stdout, done.stderr)

    def close(self):
        # The thread ends before the descriptor goes, whose number the next listener may get.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join(10)
        self.listener.close()
        for connection in self.connections:
            connection.close()
        shutil.rmtree(self.base, ignore_errors=True)

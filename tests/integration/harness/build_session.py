"""A build session's client (core/build/PROTOCOL.md), byte by byte, and Docker's classic build."""
import hashlib
import io
import json
import os
import socket
import stat
import struct
import tarfile
import threading
import urllib.parse

from harness import http_unix


class Built:
    def __init__(self):
        self.steps, self.logs, self.warnings = {}, {}, []
        self.names, self.walks, self.fetched, self.outputs = {}, 0, [], {}
        self.end = None

    @property
    def id(self):
        assert self.end["type"] == "done", self.end
        return self.end["result"]["id"]

    @property
    def error(self):
        assert self.end["type"] == "error", self.end
        return self.end["message"]

    def state(self, name):
        """How the step whose name holds `name` ended."""
        found = [s for n, s in self.steps.items() if name in self.names.get(n, "")]
        assert found, (name, self.names)
        return found[-1][-1]

    def cached(self):
        return [self.names[n] for n, s in self.steps.items() if s[-1] == "cached"]

    def log(self):
        return b"".join(self.logs[n] for n in sorted(self.logs)).decode(errors="replace")


class Session:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(120)
        self.socket.connect(path)
        self.socket.sendall(b"POST /gantry/build HTTP/1.1\r\nHost: gantry\r\nConnection: Upgrade\r\n"
                            b"Upgrade: gantry-build/1\r\nContent-Length: 0\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.socket.recv(1)
            assert piece, head
            head += piece
        assert b" 101 " in head.split(b"\r\n")[0], head
        assert b"Upgrade: gantry-build/1" in head, head

    def send(self, header, body=b""):
        text = json.dumps(header).encode()
        try:
            self.socket.sendall(struct.pack(">II", len(text), len(body)) + text + body)
        except BrokenPipeError:
            pass  # why it closed is there to be read

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def receive(self):
        header, body = struct.unpack(">II", self.exactly(8))
        return json.loads(self.exactly(header)), self.exactly(body)

    def close(self):
        self.socket.close()


def entries(root, exclude=()):
    found = []
    for directory, names, files in os.walk(root):
        for name in sorted(names + files):
            path = os.path.join(directory, name)
            info = os.lstat(path)
            relative = os.path.relpath(path, root)
            if relative in exclude:
                continue
            found.append({"path": relative, "mode": info.st_mode, "size": info.st_size if stat.S_ISREG(info.st_mode) else 0,
                          "mtime_ns": info.st_mtime_ns, "link": os.readlink(path) if stat.S_ISLNK(info.st_mode) else ""})
    # Parents before children, by name within each directory.
    return sorted(found, key=lambda e: e["path"].split("/"))


def build(engine, dockerfile, context=None, secrets=None, agents=None, on_frame=None, entries_of=None, key=None, **more):
    """Builds over a session and gives all that was told. context: a directory; secrets: id -> bytes; agents: id -> socket path."""
    session = Session(engine.socket)
    built = Built()
    where = {"kind": "local", "key": key or hashlib.sha256((context or "").encode()).hexdigest()}
    session.send({"type": "build", "dockerfile": dockerfile, "dockerfile_name": "Dockerfile", "ignore_lines": [],
                  "context": where, "contexts": {}, "tags": [], "args": {}, "labels": {}, "target": "", "platforms": [],
                  "secrets": list(secrets or {}), "ssh": list(agents or {}), **more})
    sockets = {}

    def pump(number, s):
        while True:
            try:
                data = s.recv(4096)
            except OSError:
                return
            if not data:
                return
            session.send({"type": "ssh-data", "id": number}, data)

    try:
        while built.end is None:
            header, body = session.receive()
            kind = header["type"]
            if on_frame:
                on_frame(session, header, body)
            if kind == "step":
                built.names[header["step"]] = header.get("name", "")
                built.steps.setdefault(header["step"], []).append(header["state"])
            elif kind == "log":
                built.logs[header["step"]] = built.logs.get(header["step"], b"") + body
            elif kind == "warning":
                built.warnings.append(header)
            elif kind in ("done", "error"):
                built.end = header
            elif kind == "walk":
                built.walks += 1
                for entry in entries_of() if entries_of else entries(context):
                    session.send({"type": "entries", "id": header["id"], "entries": [entry]})
                session.send({"type": "end", "id": header["id"]})
            elif kind == "fetch":
                for path in header["paths"]:
                    built.fetched.append(path)
                    with open(os.path.join(context, path), "rb") as f:
                        data = f.read()
                    for at in range(0, len(data) or 1, 1 << 20):
                        last = at + (1 << 20) >= len(data)
                        session.send({"type": "data", "id": header["id"], "path": path, **({"eof": True} if last else {})}, data[at:at + (1 << 20)])
                session.send({"type": "end", "id": header["id"]})
            elif kind == "secret":
                if more.get("any_secret") and header["secret"] not in secrets:
                    session.send({"type": "value", "id": header["id"], "absent": True})
                else:
                    session.send({"type": "value", "id": header["id"]}, secrets[header["secret"]])
            elif kind == "ssh" and more.get("any_agent") and header["agent"] not in agents:
                session.send({"type": "ssh-absent", "id": header["id"]})
            elif kind == "ssh":
                if "ssh" in more and header["agent"] not in more["ssh"]:
                    session.send({"type": "ssh-open", "id": header["id"]})
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                s.connect(agents[header["agent"]])
                sockets[header["id"]] = s
                threading.Thread(target=pump, args=(header["id"], s), daemon=True).start()
            elif kind == "ssh-data":
                sockets[header["id"]].sendall(body)
            elif kind == "ssh-end":
                sockets[header["id"]].close()
            elif kind == "output":
                built.outputs[header["id"]] = b""
            elif kind == "output-data":
                built.outputs[header["id"]] += body
                if header.get("eof"):
                    session.send({"type": "end", "id": header["id"]})
            elif kind != "progress":
                raise AssertionError(header)
    finally:
        session.close()
        for s in sockets.values():
            s.close()
    return built


def context_tar(files):
    """files: name -> text, bytes, or ("link", target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = 1_700_000_000
            if isinstance(content, tuple):
                info.type, info.linkname = tarfile.SYMTYPE, content[1]
                tar.addfile(info)
                continue
            data = content.encode() if isinstance(content, str) else content
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Classic:
    def __init__(self, answer):
        self.status, self.raw = answer.status, answer.body
        self.messages = [json.loads(line) for line in answer.body.splitlines() if line.strip()]
        self.text = "".join(m.get("stream", "") for m in self.messages)
        errors = [m["error"] for m in self.messages if "error" in m] + [m["message"] for m in self.messages if "message" in m]
        self.error = errors[0] if errors else None
        ids = [m["aux"]["ID"] for m in self.messages if "aux" in m]
        self.id = ids[0] if ids else None


def classic(engine, files, **query):
    """POST /build. Lists and dicts in the query are sent as JSON, but for `t`."""
    pairs = []
    for name, value in query.items():
        if name == "t" and isinstance(value, list):
            pairs += [("t", v) for v in value]
        else:
            pairs.append((name, json.dumps(value) if isinstance(value, (dict, list)) else str(value)))
    body = files if isinstance(files, bytes) else context_tar(files)
    return Classic(http_unix.request(engine.socket, "POST", "/v1.47/build?" + urllib.parse.urlencode(pairs), body,
                                     {"Content-Type": "application/x-tar"}, timeout=120))

"""Registries on loopback: the real docker-registry, and a stub that answers as a test says."""
import base64
import gzip
import hashlib
import json
import os
import random
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import archives
from .waiting import eventually

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def free_port(address="127.0.0.1"):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def make_certificates(directory, *names):
    """ca.crt, server.crt and server.key for these names and addresses."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    alternatives = ",".join(("IP:" if n[0].isdigit() else "DNS:") + n for n in names)
    with open(os.path.join(directory, "ext"), "w") as f:
        f.write(f"subjectAltName={alternatives}\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test ca", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=registry")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.crt",
            "-days", "2", "-extfile", "ext")
    return directory


def auth_header(user, password, **more):
    data = json.dumps({"username": user, "password": password, **more}).encode()
    return {"X-Registry-Auth": base64.urlsafe_b64encode(data).decode()}


class DockerRegistry:
    """docker-registry of the distribution. `users`: {name: password}; `certificates`: a directory (make_certificates)."""

    def __init__(self, directory, users=None, certificates=None):
        self.directory, self.port, self.process = directory, free_port(), None
        self.host = f"127.0.0.1:{self.port}"
        self.store = os.path.join(directory, "store")
        config = {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": False}},
                  "storage": {"filesystem": {"rootdirectory": self.store}, "delete": {"enabled": True}},
                  "http": {"addr": self.host, "secret": "test"}}
        self.scheme, self.context = "http", None
        if certificates:
            self.scheme = "https"
            config["http"]["tls"] = {"certificate": os.path.join(certificates, "server.crt"),
                                     "key": os.path.join(certificates, "server.key")}
            self.context = ssl.create_default_context(cafile=os.path.join(certificates, "ca.crt"))
        if users:
            path = os.path.join(directory, "htpasswd")
            for n, (user, password) in enumerate(users.items()):
                subprocess.run(["htpasswd", "-bB", *(["-c"] if n == 0 else []), path, user, password], check=True,
                               stderr=subprocess.DEVNULL)
            config["auth"] = {"htpasswd": {"realm": "test", "path": path}}
        self.config = os.path.join(directory, "config.yml")
        with open(self.config, "w") as f:
            json.dump(config, f)  # JSON is YAML
        self.log_file = os.path.join(directory, "registry.log")

    def start(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None, what="the registry listens")
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def requests(self):
        """"METHOD /path" of the access log so far."""
        with open(self.log_file) as f:
            return [line.split('"')[1].rsplit(" ", 1)[0] for line in f if '" HTTP/' in line or 'HTTP/1.1"' in line]

    def get(self, path, accept=None, user=None):
        request = urllib.request.Request(f"{self.scheme}://{self.host}{path}", headers={"Accept": accept} if accept else {})
        if user:
            request.add_header("Authorization", "Basic " + base64.b64encode(":".join(user).encode()).decode())
        with urllib.request.urlopen(request, context=self.context) as answer:
            return answer.headers, answer.read()


class RegistryImage:
    """An image as a registry holds it: layers as plain tars, packed with gzip (level 0: as they are, which is quick)."""

    def __init__(self, layers, media_type=OCI_MANIFEST, architecture="amd64", level=1, **config):
        docker = media_type == DOCKER_MANIFEST
        document = json.loads(archives.config_of(layers, **config))
        document["architecture"] = architecture
        self.config = json.dumps(document).encode()
        self.id = sha256(self.config)
        self.packed = [gzip.compress(x, level, mtime=0) for x in layers]
        self.media_type = media_type
        layer_type = "application/vnd.docker.image.rootfs.diff.tar.gzip" if docker else "application/vnd.oci.image.layer.v1.tar+gzip"
        config_type = "application/vnd.docker.container.image.v1+json" if docker else "application/vnd.oci.image.config.v1+json"
        self.document = {
            "schemaVersion": 2, "mediaType": media_type,
            "config": {"mediaType": config_type, "digest": self.id, "size": len(self.config)},
            "layers": [{"mediaType": layer_type, "digest": sha256(x), "size": len(x)} for x in self.packed]}

    @property
    def manifest(self):
        return json.dumps(self.document).encode()

    @property
    def digest(self):
        return sha256(self.manifest)

    def blobs(self):
        return {self.id: self.config, **{sha256(x): x for x in self.packed}}


def noise(size, seed=0):
    """Bytes that do not compress, always the same."""
    return random.Random(seed).randbytes(size)


class Stub:
    """A registry that serves what it is given; `before(handler)` may answer in its place by returning True."""

    def __init__(self, address="127.0.0.1", certificates=None, port=0):
        self.blobs, self.manifests, self.seen, self.before = {}, {}, [], None
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except (ConnectionError, ssl.SSLError, TimeoutError):
                    self.close_connection = True

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                return True

            def blob(self, data):
                """With Range, as a good registry does."""
                wanted = self.headers.get("Range")
                if not wanted:
                    return self.answer(200, data, Content_Type="application/octet-stream")
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                return self.answer(206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(length) if length else b""
                stub.seen.append((self.command, self.path, dict(self.headers)))
                if stub.before and stub.before(self):
                    return
                parts = self.path.split("?")[0].split("/")
                if self.path == "/v2/":
                    return self.answer(200, b"{}")
                if len(parts) > 4 and parts[-2] == "manifests":
                    found = stub.manifests.get(("/".join(parts[2:-2]), parts[-1]))
                    if found:
                        return self.answer(200, found[1], Content_Type=found[0], Docker_Content_Digest=sha256(found[1]))
                if len(parts) > 4 and parts[-2] == "blobs" and parts[-1] in stub.blobs:
                    return self.blob(stub.blobs[parts[-1]])
                self.answer(404, b'{"errors":[{"code":"NOT_FOUND","message":"not found"}]}')

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        self.server = ThreadingHTTPServer((address, port), Handler)
        self.server.daemon_threads = True
        self.scheme = "http"
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(certificates, "server.crt"), os.path.join(certificates, "server.key"))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"
        self.port = self.server.server_address[1]
        self.host = f"{address}:{self.port}"
        self.url = f"{self.scheme}://{self.host}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def add(self, image, repository="test/app", tag="1"):
        self.blobs.update(image.blobs())
        for name in (tag, image.digest):
            self.manifests[(repository, name)] = (image.media_type, image.manifest)
        return f"{self.host}/{repository}:{tag}"

    def paths(self, method="GET", part=""):
        return [path for m, path, _ in self.seen if m == method and part in path]

    def headers_seen(self, name):
        return [value for _, _, headers in self.seen for key, value in headers.items() if key.lower() == name.lower()]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Breaker:
    """A port in front of a registry that resets the connection once so many bytes have gone up, each time in `breaks`."""

    def __init__(self, port, breaks):
        self.target, self.breaks, self.sent = port, list(breaks), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._copy, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client, False), daemon=True).start()

    def _copy(self, source, target, up):
        try:
            while data := source.recv(65536):
                if up:
                    self.sent += len(data)
                    if self.breaks and self.sent >= self.breaks[0]:
                        self.breaks.pop(0)
                        break
                target.sendall(data)
        except OSError:
            pass
        for s in (source, target):
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.shutdown(socket.SHUT_RDWR)
                s.close()
            except OSError:
                pass

    def close(self):
        self.listener.close()


def pull(engine, reference, headers=None, timeout=60, **query):
    """POST /images/create: (messages, error), error "" for none."""
    name, _, tag = reference.partition("@") if "@" in reference else reference.rpartition(":")
    url = f"/images/create?fromImage={name}&tag={tag}" + "".join(f"&{k}={v}" for k, v in query.items())
    return _stream(engine.api("POST", url, headers=headers, timeout=timeout))


def push(engine, reference, headers=None, timeout=60):
    name, _, tag = reference.rpartition(":")
    return _stream(engine.api("POST", f"/images/{name}/push?tag={tag}", headers={"X-Registry-Auth": "", **(headers or {})}, timeout=timeout))


class Pulling:
    """A pull whose messages are looked at as they come, and whose client may go away."""

    def __init__(self, engine, reference):
        repository, _, tag = reference.rpartition(":")
        self.text = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(engine.socket)
        self.socket.sendall(f"POST /images/create?fromImage={repository}&tag={tag} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n"
                            "Connection: close\r\n\r\n".encode())

    def until(self, words):
        """Reads on until these words have come; to the end for None. Gives all that has come."""
        self.socket.settimeout(60)
        while words is None or words not in self.text:
            piece = self.socket.recv(65536)
            if not piece:
                assert words is None, self.text
                break
            self.text += piece
        return self.text

    def begun(self):
        """Waits until each of its layers has its place in a download."""
        self.until(b"Pulling fs layer")
        return self

    def error(self):
        """Waits for the end: "" for none."""
        found = [m for m in self.until(None).splitlines() if m.startswith(b"{") and b'"error"' in m]
        return json.loads(found[0])["error"] if found else ""

    def leave(self, engine):
        """Closes the connection, and waits until the engine has closed its side."""
        before = connections(engine)
        self.socket.close()
        eventually(lambda: connections(engine) < before, what="the engine has noticed that the client is gone")


def connections(engine):
    """How many clients the engine has at its socket."""
    with open("/proc/net/unix") as f:
        return sum(1 for line in f if line.rstrip().endswith(engine.socket) and line.split()[5] == "03")


def _stream(answer):
    if answer.status != 200:
        return [], answer.message
    messages = [json.loads(line) for line in answer.body.decode().splitlines() if line]
    return messages, next((m["error"] for m in messages if "error" in m), "")


def skopeo(*args):
    if not shutil.which("skopeo"):
        raise FileNotFoundError("skopeo")
    return subprocess.run(["skopeo", *args], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout

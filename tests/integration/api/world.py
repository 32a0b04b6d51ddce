"""What the cases ask about: containers in each state, networks, volumes and images of an engine, and a registry beside it."""
import base64
import itertools
import socket
from urllib.parse import quote

from conftest import IMAGE
from harness import archives, http_unix, plugins
from harness.registries import RegistryImage, Stub

UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
H2C = {"Connection": "Upgrade", "Upgrade": "h2c"}
WEBSOCKET = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


class World:
    def __init__(self, engine):
        self.engine, self.numbers = engine, itertools.count()
        self.registry = Stub()
        self.registry.before, self.registry.closed, self.registry.extra = self._registry_extra, set(), {}
        self.image = RegistryImage([archives.Tar().add("file", b"content\n").bytes()], Cmd=["true"])
        self.registry.add(self.image, "test/app", "1")
        self.run("running", "sleep", "1000")
        self.run("paused", "sleep", "1000")
        self.post("/containers/paused/pause")
        self.create("created")
        self.run("exited", "true")
        engine.wait_exited("exited")
        self.create("writable_off", HostConfig={"ReadonlyRootfs": True})
        self.post("/volumes/create", {"Name": "used"})
        self.create("user", HostConfig={"Binds": ["used:/mnt"]})
        self.post("/networks/create", {"Name": "net"})

    def close(self):
        self.registry.close()

    # --- requests ---
    def request(self, method, url, body=None, headers=None):
        return http_unix.request(self.engine.socket, method, url, body, headers=headers, timeout=30)

    def get(self, url, **more):
        return self.request("GET", url, **more)

    def head(self, url):
        return self.request("HEAD", url)

    def post(self, url, body=None, **more):
        return self.request("POST", url, body, **more)

    def put(self, url, body=None, **more):
        return self.request("PUT", url, body, **more)

    def delete(self, url):
        return self.request("DELETE", url)

    def first(self, method, url, body=b"", headers=None):
        """The head of an answer that may go on for ever, or is an upgrade."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.engine.socket)
            lines = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
            s.sendall(f"{method} {url} HTTP/1.1\r\nHost: docker\r\n{lines}Content-Length: {len(body)}\r\n"
                      "Content-Type: application/json\r\n\r\n".encode() + body)
            got = b""
            while b"\r\n\r\n" not in got:
                piece = s.recv(4096)
                assert piece, got
                got += piece
        head, rest = got.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        return http_unix.Response(int(lines[0].split()[1]), {k.lower(): v for k, _, v in (x.partition(": ") for x in lines[1:])}, rest)

    # --- objects ---
    def name(self, kind="x"):
        # No prefix of an id or of another name: both find containers.
        return f"{kind}_{next(self.numbers):04}"

    def create(self, name=None, *command, **body):
        name = name or self.name("c")
        answer = self.post(f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": list(command) or ["true"], **body})
        assert answer.status == 201, answer
        return name

    def run(self, name=None, *command, **body):
        name = self.create(name, *(command or ("sleep", "1000")), **body)
        answer = self.post(f"/containers/{name}/start")
        assert answer.status == 204, answer
        return name

    def exec(self, container="running", *command, **body):
        answer = self.post(f"/containers/{container}/exec", {"Cmd": list(command) or ["true"], "AttachStdout": True, **body})
        assert answer.status == 201, answer
        return answer.json["Id"]

    def network(self, **body):
        name = self.name("n")
        answer = self.post("/networks/create", {"Name": name, **body})
        assert answer.status == 201, answer
        return name

    def volume(self):
        name = self.name("v")
        assert self.post("/volumes/create", {"Name": name}).status == 201
        return name

    def tag(self):
        name = self.name("test/t")
        assert self.post(f"/images/{IMAGE}/tag?repo={name}&tag=1").status == 201
        return name + ":1"

    def pulled(self):
        answer = self.post(f"/images/create?fromImage={self.registry.host}/test/app&tag=1")
        assert answer.status == 200 and b'"error"' not in answer.body, answer
        return f"{self.registry.host}/test/app:1"

    def plugin(self, enabled=False, document=None, **more):
        name = self.name("p")
        plugins.create(self.engine, name, document, **more)
        if enabled:
            assert self.post(f"/plugins/{name}/enable").status == 200
        return name

    def plugin_remote(self, repository="test/plugin", **more):
        """A plugin in the registry, without privileges unless `more` asks for some."""
        return self.registry.add(plugins.RegistryPlugin(**more), repository, self.name("t"))

    def _registry_extra(self, handler):
        """Search, what is written, and a password that is wrong."""
        if handler.path.startswith("/v1/search"):
            return handler.answer(200, b'{"num_results": 1, "results": [{"name": "found", "description": "", "star_count": 1}]}')
        if handler.path in self.registry.extra:
            return handler.answer(200, self.registry.extra[handler.path])
        if handler.command == "PUT" and "/manifests/" in handler.path:
            return handler.answer(201)
        # Whoever asks who they are talking to is asked who they are; "secret" is nobody's.
        wanted = "Basic " + base64.b64encode(b"user:right").decode()
        stranger = handler.headers.get("Authorization") != wanted
        closed = "secret" in handler.path or (stranger and (handler.path == "/v2/" or any(c in handler.path for c in self.registry.closed)))
        return closed and handler.answer(401, b"{}", WWW_Authenticate='Basic realm="test"')


def tar():
    return archives.Tar().add("one", b"1\n").bytes()


def filters(text):
    return "filters=" + quote(text)

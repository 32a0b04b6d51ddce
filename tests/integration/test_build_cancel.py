"""POST /build/cancel: a build under way ends, says so, and leaves no container, mount or control group."""
import json
import os
import shutil
import socket
import subprocess
import threading

import pytest

from conftest import IMAGE, settled
from harness import census, http_unix
from harness.build_session import context_tar
from harness.waiting import eventually

ENDLESS = f"FROM {IMAGE}\nRUN echo begun && sleep 1000\n"


class Build:
    """POST /build whose answer is read as it comes."""

    def __init__(self, engine, number, dockerfile=ENDLESS):
        body = context_tar({"Dockerfile": dockerfile.encode()})
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(engine.socket)
        self.sock.sendall(f"POST /v1.47/build?buildid={number}&nocache=1 HTTP/1.0\r\nHost: docker\r\nContent-Type: application/x-tar\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.data = b""

    def until(self, words):
        while words not in self.data:
            piece = self.sock.recv(65536)
            assert piece, self.data
            self.data += piece

    def messages(self):
        """All of it, once the answer has ended."""
        while piece := self.sock.recv(65536):
            self.data += piece
        self.sock.close()
        return [json.loads(line) for line in self.data.splitlines() if line.startswith(b"{")]


def cancel(engine, number):
    return engine.api("POST", f"/build/cancel?id={number}")


def steps(engine):
    """The processes and control groups of steps."""
    return [p for p in census.processes_of(engine) if "sleep 1000" in p[1]], [g for g in census.cgroups_of(engine.name) for n in tasks(engine) if n in g]


def tasks(engine):
    return os.listdir(engine.run_dir + "/tasks") if os.path.isdir(engine.run_dir + "/tasks") else []


def test_a_build_under_way(engine):
    before = settled(engine)
    build = Build(engine, "one")
    build.until(b"begun\\n")
    # The shell becomes the sleep just now, and has no name for that moment.
    processes, groups = eventually(lambda: all(found := steps(engine)) and found, what="its process runs in a group of its own")
    assert cancel(engine, "one").status == 200
    told = build.messages()
    assert told[-1]["error"] == "the build was canceled" and told[-1]["errorDetail"]["message"] == told[-1]["error"], told[-3:]
    assert not any("aux" in m or "Successfully" in m.get("stream", "") for m in told)
    eventually(lambda: steps(engine)[0] == [] == tasks(engine) and not any(os.path.isdir(g) for g in groups), timeout=20, what="the step is gone")
    eventually(lambda: not census.difference(before, settled(engine)), timeout=20, what="its mounts and network are gone")
    assert [i["RepoTags"] for i in engine.api("GET", "/images/json").json] == [[f"{IMAGE}:latest"]]
    again = cancel(engine, "one")
    assert again.status == 404 and 'no build with id "one"' in again.message


def test_the_one_that_is_named_and_no_other(engine):
    builds = {number: Build(engine, number, f"FROM {IMAGE}\nRUN echo begun {number} && sleep 1000\n") for number in ("a", "b")}
    for number, build in builds.items():
        build.until(f"begun {number}\\n".encode())  # the step's output: its text is told before it runs
    twice = Build(engine, "a").messages()
    assert 'a build with id "a" is under way' in json.dumps(twice).replace('\\"', '"')
    assert cancel(engine, "a").status == 200
    assert "error" in builds["a"].messages()[-1]
    eventually(lambda: steps(engine)[0], what="the other one goes on")
    assert cancel(engine, "b").status == 200
    assert "error" in builds["b"].messages()[-1]
    eventually(lambda: not steps(engine)[0], what="both are gone")


def test_what_there_is_not(engine):
    for query, status, words in (("", 400, "build ID not provided"), ("?id=", 400, "build ID not provided"), ("?id=none", 404, 'no build with id "none"')):
        answer = engine.api("POST", "/build/cancel" + query)
        assert answer.status == status and words in answer.message, answer


class Named:
    """A socket beside the engine's that gives the builds of a client an id, as the client's own do that ask for one."""

    def __init__(self, engine, path):
        self.engine, self.listener = engine, socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.engine.socket)
            threading.Thread(target=self.copy, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, False), daemon=True).start()

    @staticmethod
    def copy(source, target, rename):
        try:
            while piece := source.recv(65536):
                if rename and piece.startswith(b"POST ") and b"/build?" in piece:
                    piece = piece.replace(b"/build?", b"/build?buildid=docker&", 1)
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.mark.skipif(not shutil.which("docker"), reason="there is no docker client on this machine")
def test_dockers_client_ends_with_an_error(engine, scratch):
    with open(f"{scratch}/Dockerfile", "w") as f:
        f.write(ENDLESS.replace("begun", "client begun"))
    named = Named(engine, f"{scratch}/named.sock")
    process = subprocess.Popen(["docker", "-H", f"unix://{scratch}/named.sock", "build", "--no-cache", scratch], text=True,
                               env={**os.environ, "DOCKER_BUILDKIT": "0", "HOME": scratch}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        assert any(line.strip() == "client begun" for line in process.stdout), "it ended, or did not begin within a minute"
        assert http_unix.request(engine.socket, "POST", "/build/cancel?id=docker").status == 200
        out, err = process.communicate(timeout=30)
        assert process.returncode != 0 and "the build was canceled" in err, (process.returncode, out, err)
    finally:
        timer.cancel()
        process.kill()
        named.listener.close()

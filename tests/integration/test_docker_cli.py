"""The docker CLI itself, unchanged, against the engine."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import IMAGE
from harness import archives
from harness.engine import Result

DOCKER = next((p for p in ("/usr/local/bin/docker", shutil.which("docker") or "") if p and os.access(p, os.X_OK)), None)
pytestmark = pytest.mark.skipif(DOCKER is None, reason="there is no docker client on this machine")


@pytest.fixture
def docker(engine):
    def run(*args, input=None, timeout=60):
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run([DOCKER, *args], **given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                              env=engine.environment(HOME="/nonexistent"), text=not isinstance(input, bytes))
        return Result(args, done.returncode, done.stdout, done.stderr)

    def ok(*args, **more):
        done = run(*args, **more)
        assert done.code == 0, done
        return done.out.strip()
    run.ok = ok
    return run


def test_version_and_info(docker):
    assert "Server" in docker.ok("version")
    assert "Containers: 0" in docker.ok("info")


def test_run(docker):
    assert docker.ok("run", "--rm", IMAGE, "echo", "hello") == "hello"
    done = docker("run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")
    assert docker("run", "--rm", IMAGE, "no-such-program").code == 127
    assert docker("run", "--rm", IMAGE, "/etc").code == 126
    assert docker("run", "--rm", "test/none:1", "true").code == 125
    assert docker.ok("run", "--rm", "-i", IMAGE, "cat", input="typed") == "typed"


def test_the_tutorials_container(docker):
    name = docker.ok("run", "-d", "-p", "4001:80", "--name", "web", IMAGE, "sleep", "1000")
    assert re.fullmatch(r"[0-9a-f]{64}", name)
    head, row = docker.ok("ps").splitlines()
    assert head.split()[:2] == ["CONTAINER", "ID"] and "0.0.0.0:4001->80/tcp" in row and row.endswith("web")
    assert docker.ok("exec", "web", "hostname") == name[:12]
    assert docker.ok("exec", "-i", "web", "cat", input="in") == "in"
    assert docker.ok("inspect", "-f", "{{.State.Status}}", "web") == "running"
    assert "sleep 1000" in docker.ok("top", "web")
    assert docker.ok("port", "web").startswith("80/tcp -> 0.0.0.0:4001")
    docker.ok("pause", "web")
    docker.ok("unpause", "web")
    docker.ok("rename", "web", "web2")
    assert "web2" in docker.ok("stats", "--no-stream", "web2", timeout=30)
    docker.ok("stop", "-t", "0", "web2")
    assert docker.ok("wait", "web2") == "137"
    docker.ok("rm", "web2")


def test_logs(docker):
    docker.ok("run", "-d", "--name", "c", IMAGE, "seq", "3")
    docker.ok("wait", "c")
    assert docker.ok("logs", "c") == "1\n2\n3"
    assert docker.ok("logs", "--tail", "1", "c") == "3"
    assert docker.ok("logs", "-f", "c") == "1\n2\n3"


def test_networks_and_volumes(docker):
    docker.ok("network", "create", "n")
    docker.ok("run", "-d", "--name", "a", "--network", "n", IMAGE, "sleep", "1000")
    assert docker.ok("run", "--rm", "--network", "n", IMAGE, "probe", "resolve", "a")
    assert "bridge" in docker.ok("network", "ls")
    docker.ok("network", "connect", "bridge", "a")
    docker.ok("network", "disconnect", "bridge", "a")
    docker.ok("volume", "create", "data")
    docker.ok("run", "--rm", "-v", "data:/mnt", IMAGE, "sh", "-c", "echo x > /mnt/f")
    assert docker.ok("run", "--rm", "-v", "data:/mnt", IMAGE, "cat", "/mnt/f") == "x"
    assert "data" in docker.ok("volume", "ls", "-q").split()
    docker.ok("rm", "-f", "a")
    docker.ok("network", "rm", "n")
    docker.ok("volume", "rm", "data")


def test_images(docker):
    done = docker("load", input=archives.make_busybox_image("test/again:1"))
    assert done.code == 0 and b"Loaded image: test/again:1" in done.out
    assert "test/again" in docker.ok("images")
    docker.ok("tag", "test/again:1", "test/again:2")
    docker.ok("rmi", "test/again:1", "test/again:2")


def test_events(docker):
    docker.ok("run", "--rm", IMAGE, "true")
    assert "container start" in docker.ok("events", "--since", "1m", "--until", "0s")


def test_attach_and_kill(docker):
    docker.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "sleep 0.5; echo late; exit 4")
    done = docker("attach", "--no-stdin", "c")
    assert (done.code, done.out) == (4, "late\n")


def test_diff(docker):
    docker.ok("run", "--name", "c", IMAGE, "touch", "/new")
    assert "A /new" in docker.ok("diff", "c").splitlines()

"""A developer's day with the docker CLI, unchanged: build, run, look, change, clean up. With the one that is installed, with
that of the distribution where this is another, and with the current one (go/docker)."""
import io
import json
import os
import re
import select
import shutil
import subprocess
import tarfile
import time

import pytest

from conftest import IMAGE
from installed import installed
from interactive import Terminal

INSTALLED, DISTRIBUTION = shutil.which("docker"), "/usr/bin/docker"
COMMANDS = {"installed": lambda: INSTALLED or pytest.skip("docker CLI: not installed on this machine"),
            "current": lambda: os.path.join(installed("go/docker"), "docker")}
if INSTALLED and os.path.exists(DISTRIBUTION) and not os.path.samefile(INSTALLED, DISTRIBUTION):
    COMMANDS["distribution"] = lambda: DISTRIBUTION


@pytest.fixture(params=sorted(COMMANDS))
def docker(engine, tmp_path, request):
    environment = engine.environment(HOME=str(tmp_path), DOCKER_BUILDKIT="0")
    command = COMMANDS[request.param]()

    def run(*args, input=None, timeout=60, code=0, text=True):
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run([command, *args], **given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, env=environment,
                              text=text)
        assert done.returncode == code, (args, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        run.errors = done.stderr
        return done.stdout.strip() if text else done.stdout

    def start(*args, **more):
        return subprocess.Popen([command, *args], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, **more)

    def terminal(*args):
        return Terminal([command, *args], environment)
    run.start, run.terminal = start, terminal
    run.version = int(re.search(r"version (\d+)\.", run("--version"))[1])
    yield run
    ids = run("ps", "-aq").split()
    if ids:
        run("rm", "-fv", *ids)
    for kind in ("network", "volume"):
        run(kind, "prune", "-f", *(["-a"] if kind == "volume" and run.version >= 23 else []))


def test_build_and_run(docker, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "index.html").write_text("hello from the build\n")
    (tmp_path / "app" / "Dockerfile").write_text(
        f"FROM {IMAGE}\nARG WHO=nobody\nENV WHO=$WHO\nWORKDIR /srv\nCOPY index.html .\nRUN echo built > made\nEXPOSE 8080\n"
        'HEALTHCHECK --interval=1s CMD test -f /srv/made\nCMD ["cat", "index.html"]\n')
    out = docker("build", "-t", "day/app:1", "--build-arg", "WHO=me", str(tmp_path / "app"), timeout=120)
    assert "Successfully tagged day/app:1" in out
    assert docker("run", "--rm", "day/app:1") == "hello from the build"
    assert docker("run", "--rm", "day/app:1", "sh", "-c", "echo $WHO; cat made; pwd") == "me\nbuilt\n/srv"
    assert "Using cache" in docker("build", "-t", "day/app:2", "--build-arg", "WHO=me", str(tmp_path / "app"), timeout=120)
    assert "COPY" in docker("history", "--no-trunc", "day/app:1")
    assert json.loads(docker("image", "inspect", "day/app:1"))[0]["Config"]["ExposedPorts"] == {"8080/tcp": {}}
    if docker.version >= 28:
        assert json.loads(docker("image", "inspect", "--platform", "linux/amd64", "day/app:1"))[0]["Architecture"] == "amd64"
        docker("image", "inspect", "--platform", "linux/s390x", "day/app:1", code=1)
        assert "day/app:1" in docker("images", "--tree")
    assert "day/app:2" in docker("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    docker("rmi", "day/app:1", "day/app:2")


def test_logs_follow(docker):
    docker("run", "-d", "--name", "talker", IMAGE, "sh", "-c", "i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); sleep 0.2; done")
    follow = docker.start("logs", "-f", "talker")
    assert follow.communicate(timeout=20)[0] == "".join(f"line {n}\n" for n in range(5))
    assert docker("logs", "--tail", "2", "talker") == "line 3\nline 4"
    assert re.match(r"\d{4}-\d\d-\d\dT", docker("logs", "-t", "talker"))


def test_a_shell_in_a_terminal(docker):
    docker("run", "-d", "--name", "box", IMAGE, "sleep", "1000")
    shell = docker.terminal("exec", "-it", "box", "sh")
    shell.until(r"# ")
    shell.type("stty size; echo in=$((40+2))\n")
    shell.until(r"in=42")
    shell.type("exit 5\n")
    assert shell.end() == 5
    run = docker.terminal("run", "-it", "--rm", "--name", "tty", IMAGE, "sh")
    run.until(r"# ")
    run.type("tty\n")
    run.until(r"/dev/(pts/0|console)")
    run.type("exit\n")
    assert run.end() == 0


def test_detach_and_attach(docker):
    run = docker.terminal("run", "-it", "--name", "left", IMAGE, "sh")
    run.until(r"# ")
    run.type("\x10\x11")
    run.end()
    assert docker("inspect", "-f", "{{.State.Running}}", "left") == "true"
    again = docker.terminal("attach", "--detach-keys", "ctrl-x,x", "left")
    again.type("echo back=$((1+1))\n")
    again.until(r"back=2")
    again.type("\x18x")
    again.end()
    assert docker("inspect", "-f", "{{.State.Running}}", "left") == "true"


def test_copy_both_ways(docker, tmp_path):
    docker("create", "--name", "c", IMAGE, "true")
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f").write_text("content")
    docker("cp", str(tmp_path / "d"), "c:/tmp/")
    docker("cp", "c:/tmp/d/e/f", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "content"
    data = docker("cp", "c:/tmp/d", "-", text=False)
    assert "d/e/f" in tarfile.open(fileobj=io.BytesIO(data)).getnames()
    docker("cp", "c:/no/such/file", str(tmp_path / "x"), code=1)
    assert ("Could not find the file" if docker.version >= 23 else "No such container:path") in docker.errors


def test_commit_export_import_save_load(docker, tmp_path):
    docker("run", "--name", "c", IMAGE, "sh", "-c", "echo changed > /file")
    assert "A /file" in docker("diff", "c").splitlines()
    docker("commit", "-m", "a change", "-c", "CMD cat /file", "c", "day/committed")
    assert docker("run", "--rm", "day/committed") == "changed"
    docker("export", "-o", str(tmp_path / "flat.tar"), "c")
    docker("import", "-c", "CMD [\"cat\", \"/file\"]", str(tmp_path / "flat.tar"), "day/flat:1")
    assert docker("run", "--rm", "day/flat:1") == "changed"
    docker("save", "-o", str(tmp_path / "saved.tar"), "day/committed")
    docker("rmi", "day/committed", "day/flat:1")
    assert "Loaded image: day/committed:latest" in docker("load", "-i", str(tmp_path / "saved.tar"))
    assert docker("run", "--rm", "day/committed") == "changed"
    docker("rmi", "day/committed")


def test_networks_and_names(docker):
    docker("network", "create", "--label", "day=1", "--subnet", "10.88.7.0/24", "back")
    docker("run", "-d", "--name", "db", "--network", "back", "--network-alias", "database", IMAGE, "sleep", "1000")
    for name in ("db", "database"):
        assert docker("run", "--rm", "--network", "back", IMAGE, "probe", "resolve", name) == "10.88.7.2"
    docker("run", "-d", "--name", "web", IMAGE, "sleep", "1000")
    docker("network", "connect", "--alias", "front", "--ip", "10.88.7.77", "back", "web")
    assert docker("exec", "db", "probe", "resolve", "front") == "10.88.7.77"
    docker("network", "disconnect", "back", "web")
    assert docker("network", "ls", "-q", "--filter", "label=day=1") == docker("network", "inspect", "-f", "{{.ID}}", "back")[:12]
    docker("network", "rm", "back", code=1)
    assert "has active endpoints" in docker.errors


def test_volumes(docker, tmp_path):
    docker("volume", "create", "--label", "day=1", "data")
    docker("run", "--rm", "-v", "data:/mnt", IMAGE, "sh", "-c", "echo kept > /mnt/f")
    assert docker("run", "--rm", "--mount", "type=volume,src=data,dst=/mnt,readonly", IMAGE, "cat", "/mnt/f") == "kept"
    (tmp_path / "host").write_text("of the host")
    assert docker("run", "--rm", "-v", f"{tmp_path}/host:/f:ro", IMAGE, "cat", "/f") == "of the host"
    assert docker("volume", "ls", "-q", "--filter", "label=day=1") == "data"
    docker("volume", "rm", "data")
    docker("volume", "inspect", "data", code=1)
    assert "no such volume" in docker.errors.lower()


def test_health_restart_and_limits(docker):
    docker("run", "-d", "--name", "sound", "--health-cmd", "true", "--health-interval", "1s", "--restart", "on-failure:3", IMAGE, "sleep", "1000")
    end = time.monotonic() + 20
    while docker("inspect", "-f", "{{.State.Health.Status}}", "sound") != "healthy":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert "(healthy)" in docker("ps", "--filter", "health=healthy")
    docker("update", "--memory", "64m", "--memory-swap", "128m", "--cpus", "0.5", "--pids-limit", "77", "--restart", "always", "sound")
    limits = json.loads(docker("inspect", "-f", "{{json .HostConfig}}", "sound"))
    assert (limits["Memory"], limits["NanoCpus"], limits["PidsLimit"], limits["RestartPolicy"]["Name"]) == (64 << 20, 500_000_000, 77, "always")
    assert docker("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "sound").split()[2] == "64MiB"
    docker("update", "--memory", "1m", "sound", code=1)
    assert "Minimum memory limit allowed is 6MB" in docker.errors
    docker("run", "-d", "--name", "again", "--restart", "always", IMAGE, "sh", "-c", "sleep 0.1; exit 1")
    while int(docker("inspect", "-f", "{{.RestartCount}}", "again")) < 2:
        assert time.monotonic() < end + 20
        time.sleep(0.1)


def test_events_stats_and_prune(docker):
    since = str(time.time() - 1)
    events = docker.start("events", "--since", since, "--filter", "container=seen", "--format", "{{.Type}} {{.Action}}")
    docker("run", "--name", "seen", "--label", "day=1", IMAGE, "true")
    docker("rm", "seen")
    told = ""
    while "container destroy\n" not in told:
        assert select.select([events.stdout], [], [], 20)[0], told
        told += os.read(events.stdout.fileno(), 4096).decode()
    events.terminate()
    events.communicate()
    assert [x for x in told.splitlines() if x.startswith("container")] == [f"container {x}" for x in ("create", "attach", "start", "die", "destroy")]
    docker("run", "-d", "--name", "busy", IMAGE, "sh", "-c", "while :; do :; done")
    name, cpu, memory, net = docker("stats", "--no-stream", "--format", "{{.Name}};{{.CPUPerc}};{{.MemUsage}};{{.NetIO}}", "busy").split(";")
    assert name == "busy" and float(cpu[:-1]) > 10 and memory.endswith("GiB") and "B /" in net
    docker("create", "--name", "old", IMAGE, "true")
    assert "Total reclaimed space" in docker("container", "prune", "-f")
    docker("inspect", "old", code=1)
    assert "Images" in docker("system", "df") and "VOLUME NAME" in docker("system", "df", "-v")
    assert "Total reclaimed space" in docker("system", "prune", "-f", "--volumes")


def test_what_is_looked_at(docker):
    docker("run", "-d", "--name", "web", "-p", "127.0.0.1::80", IMAGE, "sleep", "1000")
    assert re.fullmatch(r"80/tcp -> 127\.0\.0\.1:\d+", docker("port", "web"))
    assert "sleep 1000" in docker("top", "web", "-o", "pid,args")
    assert docker("inspect", "-s", "-f", "{{.SizeRootFs}}", "web").isdigit()
    docker("rename", "web", "front")
    docker("pause", "front")
    assert "(Paused)" in docker("ps")
    docker("unpause", "front")
    docker("restart", "-t", "0", "front")
    docker("kill", "-s", "TERM", "front")
    docker("stop", "-t", "0", "front")
    assert docker("wait", "front") in ("137", "143")
    assert "Storage Driver" in docker("info") and "API version" in docker("version")
    docker("node", "ls", code=1)
    assert "not a swarm manager" in docker.errors
    assert docker("plugin", "ls", "-q") == ""

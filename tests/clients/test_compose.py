"""A developer's day with the current docker compose: a page in front of a service that keeps rows in a volume."""
import json
import os
import re
import shutil
import urllib.request

import pytest

import composing
from conftest import IMAGE
from harness.registries import DockerRegistry
from harness.waiting import eventually
from interactive import Terminal

problem = composing.why_not(composing.V5)
if problem:
    pytest.skip(problem, allow_module_level=True)

FILE = """\
services:
  web:
    build:
      context: ./web
      args: {GREETING: hello}
      labels: {part: web}
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
    environment:
      DATABASE: database
    env_file: [web.env]
    networks: [front, back]
    ports:
      - "127.0.0.1:24873:8080"
    restart: unless-stopped
    stop_grace_period: 1s
    configs:
      - source: motd
        target: /etc/motd
    secrets: [key]
  migrate:
    image: IMAGE
    command: ["sh", "-c", "echo migrating; echo migrated > /data/schema"]
    volumes: ["rows:/data"]
    network_mode: none
  db:
    image: IMAGE
    init: true
    command: ["sh", "-c", "touch /data/rows; echo database ready; while :; do nc -l -p 5432 < /data/rows; done"]
    healthcheck:
      test: ["CMD", "test", "-f", "/data/rows"]
      interval: 500ms
      retries: 20
    networks:
      back:
        aliases: [database]
    volumes:
      - rows:/data
    mem_limit: 64m
    ulimits: {nofile: 512}
    sysctls: {net.core.somaxconn: 64}
    stop_grace_period: 1s
  worker:
    image: IMAGE
    command: ["sh", "-c", "echo worker $$(hostname) is here; exec sleep 1000"]
    networks: [back]
    init: true
  tools:
    image: IMAGE
    profiles: [tools]
    command: ["sleep", "1000"]
    init: true
    networks: [back]
    tmpfs: [/scratch]
configs:
  motd:
    file: ./motd
secrets:
  key:
    file: ./key
networks:
  front:
  back:
    internal: true
    ipam:
      config: [{subnet: 10.237.41.0/24}]
volumes:
  rows:
    labels: {keep: "yes"}
"""
DOCKERFILE = """\
FROM IMAGE
ARG GREETING
WORKDIR /www
RUN mkdir cgi-bin && echo $GREETING > greeting
COPY rows cgi-bin/rows
EXPOSE 8080
CMD ["sh", "-c", "echo serving; exec httpd -f -p 8080 -h /www"]
"""
CGI = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
cat /www/greeting
nc $DATABASE 5432 < /dev/null
"""


@pytest.fixture
def compose(engine, tmp_path):
    directory = tmp_path / "shop"
    (directory / "web").mkdir(parents=True)
    for name, text in (("compose.yaml", FILE), ("web/Dockerfile", DOCKERFILE), ("web/rows", CGI), ("motd", "welcome\n"), ("key", "secret\n"),
                       ("web.env", "COLOUR=green\n")):
        (directory / name).write_text(text.replace("IMAGE", IMAGE))
    (directory / "web" / "rows").chmod(0o755)
    c = composing.Compose(composing.V5, engine, directory, tmp_path)
    yield c
    c("--profile", "*", "down", "-v", "-t", "0", "--rmi", "local", "--remove-orphans")
    nothing_is_left(engine)


def nothing_is_left(engine):
    assert engine.api("GET", "/containers/json?all=1").json == []
    assert {n["Name"] for n in engine.api("GET", "/networks").json} <= {"bridge", "host", "none"}
    assert engine.api("GET", "/volumes").json["Volumes"] == []


def page():
    with urllib.request.urlopen("http://127.0.0.1:24873/cgi-bin/rows", timeout=5) as answer:
        return answer.read().decode()


def shows(text):
    eventually(lambda: page() == text, timeout=30, interval=0.1, what=text)


def states(compose, *args):
    return {c["Name"]: c["State"] for c in compose.json("ps", "--format", "json", *args)}


def test_up_waits_for_what_it_depends_on(compose, engine):
    out = compose("up", "-d", "--build")
    assert "Successfully tagged shop-web" in out and re.search(r"Container shop-db-1 +Healthy", out), out
    assert re.search(r"Container shop-migrate-1 +Exited", out), out
    shows("hello\n")
    rows = {c["Name"]: c for c in compose.json("ps", "-a", "--format", "json")}
    assert rows["shop-db-1"]["Health"] == "healthy" and rows["shop-db-1"]["State"] == "running"
    assert rows["shop-migrate-1"]["State"] == "exited" and rows["shop-migrate-1"]["ExitCode"] == 0
    assert rows["shop-web-1"]["Publishers"] == [{"URL": "127.0.0.1", "TargetPort": 8080, "PublishedPort": 24873, "Protocol": "tcp"}]
    assert "127.0.0.1:24873->8080/tcp" in compose("ps") and "(healthy)" in compose("ps")
    assert compose("exec", "-T", "web", "cat", "/etc/motd", "/run/secrets/key") == "welcome\nsecret\n"
    assert compose("exec", "-T", "web", "sh", "-c", "echo $COLOUR") == "green\n"
    assert compose("exec", "-T", "db", "sh", "-c", "ulimit -n; cat /proc/sys/net/core/somaxconn /data/schema") == "512\n64\nmigrated\n"
    assert engine.inspect("shop-db-1")["HostConfig"]["Memory"] == 64 << 20
    # What is as it shall be stays as it is; what has changed is made anew.
    before = engine.inspect("shop-web-1")["Id"]
    assert re.search(r"Container shop-web-1 +Running", compose("up", "-d"))
    assert engine.inspect("shop-web-1")["Id"] == before
    with open(os.path.join(compose.directory, "web.env"), "w") as f:
        f.write("COLOUR=blue\n")
    assert re.search(r"Container shop-web-1 +Recreated?", compose("up", "-d"))
    assert compose("exec", "-T", "web", "sh", "-c", "echo $COLOUR") == "blue\n" and engine.inspect("shop-web-1")["Id"] != before
    compose("exec", "-T", "db", "sh", "-c", "echo one >> /data/rows")
    shows("hello\none\n")
    compose("down", "-t", "0")
    assert [v["Name"] for v in engine.api("GET", "/volumes").json["Volumes"]] == ["shop_rows"]
    compose("up", "-d", "--wait")
    shows("hello\none\n")


def test_looking_at_it(compose, engine):
    compose("up", "-d")
    assert "database ready" in compose("logs", "db")
    text = compose("logs", "--no-color")
    for service, line in (("db", "database ready"), ("web", "serving"), ("migrate", "migrating")):
        assert re.search("^" + compose.prefix(service) + line + "$", text, re.M), text
    assert compose("logs", "--no-log-prefix", "--tail", "1", "web") == "serving\n"
    assert re.search(r"web-1 +\| \d{4}-\d\d-\d\dT[\d:.]+Z serving", compose("logs", "--no-color", "-t", "web"))
    top = compose("top", "web")
    assert re.search(r"^web +1 +root .* httpd -f -p 8080 -h /www$", top, re.M), top
    assert compose("port", "web", "8080") == "127.0.0.1:24873\n"
    assert compose("images", "-q").split()
    assert {i["ContainerName"]: i["Repository"] for i in json.loads(compose.output("images", "--format", "json"))}["shop-web-1"] == "shop-web"
    assert [(p["Name"], p["Status"]) for p in json.loads(compose.output("ls", "-a", "--format", "json"))] == [("shop", "exited(1), running(3)")]
    assert [v["Name"] for v in compose.json("volumes", "--format", "json")] == ["shop_rows"]
    stats = {s["Name"]: s for s in compose.json("stats", "--no-stream", "--format", "json")}
    assert re.match(r"[\d.]+%", stats["shop-db-1"]["CPUPerc"]) and stats["shop-db-1"]["MemUsage"].endswith("/ 64MiB"), stats
    assert compose("config", "--services").split() == ["db", "migrate", "web", "worker"]
    assert "subnet: 10.237.41.0/24" in compose("config")
    assert json.loads(compose.output("config", "--format", "json"))["services"]["db"]["networks"]["back"]["aliases"] == ["database"]


def test_following_logs_and_events(compose):
    compose("up", "-d", "db", "worker")
    follow = composing.Shown(compose.start("logs", "-f", "--no-color", "--no-log-prefix", "worker"))
    follow.until(" is here")
    events = composing.Shown(compose.start("events", "--json"))

    # Compose asks for events after it has listed what there is, so it may miss what happens in between: but nothing later.
    def comes_and_goes():
        compose("up", "-d", "--scale", "worker=1", "--no-recreate")
        compose("up", "-d", "--scale", "worker=3", "--no-recreate")
        told = [json.loads(line) for line in events.text.splitlines()]
        return len(set(re.findall(r"worker \w+ is here", follow.text))) >= 3 and "worker" in {e["service"] for e in told if e["action"] == "start"}
    eventually(comes_and_goes, timeout=60, interval=0)
    for p in (follow, events):
        p.process.terminate()
        p.process.wait(20)
    # Each has a log and a name of its own.
    assert sorted(states(compose, "worker")) == ["shop-worker-1", "shop-worker-2", "shop-worker-3"]
    compose("up", "-d", "--scale", "worker=1", "--no-recreate")
    assert list(states(compose, "worker")) == ["shop-worker-1"]
    compose("scale", "worker=2")
    assert len(states(compose, "worker")) == 2


def test_commands_in_services(compose, engine, tmp_path):
    compose("up", "-d", "db")
    assert compose("exec", "-T", "db", "sh", "-c", "cat; exit 7", code=7, input="from outside\n") == "from outside\n"
    assert compose("exec", "-T", "-e", "WHO=me", "-w", "/tmp", "-u", "1000:1000", "db", "sh", "-c", "echo $WHO $(pwd) $(id -u)") == "me /tmp 1000\n"
    shell = Terminal([*compose.command, "exec", "db", "sh"], compose.environment, compose.directory)
    shell.until(r"# ")
    shell.type("tty; echo in=$((40+2))\n")
    assert "/dev/pts/" in shell.until(r"in=42")
    shell.type("exit 5\n")
    assert shell.end() == 5
    assert compose("run", "--rm", "-T", "--no-deps", "worker", "sh", "-c", "echo once; exit 3", code=3).strip().endswith("\nonce")
    run = Terminal([*compose.command, "run", "--rm", "-e", "A=b", "worker", "sh"], compose.environment, compose.directory)
    run.until(r"# ")
    run.type("echo $A at=$(hostname | wc -c)\n")
    run.until(r"b at=13")
    run.type("exit 4\n")
    assert run.end() == 4
    assert not [c for c in engine.api("GET", "/containers/json?all=1").json if "-run-" in c["Names"][0]]
    # Both ways, through the API of archives.
    (tmp_path / "rows").write_text("copied\n")
    compose("cp", str(tmp_path / "rows"), "db:/data/copied")
    compose("cp", "db:/data/copied", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "copied\n"


def test_starting_stopping_and_killing(compose, engine):
    compose("create")
    assert set(states(compose, "-a").values()) == {"created"}
    compose("start", "db")
    first = engine.state("shop-db-1")["StartedAt"]
    compose("restart", "-t", "1", "db")
    assert engine.state("shop-db-1")["StartedAt"] > first
    compose("pause", "db")
    assert states(compose)["shop-db-1"] == "paused"
    compose("unpause", "db")
    compose("stop", "-t", "1", "db")
    assert states(compose, "-a")["shop-db-1"] == "exited"
    compose("start", "db", "worker")
    compose("kill", "-s", "KILL", "worker")
    eventually(lambda: engine.state("shop-worker-1")["ExitCode"] == 137, what="the worker is gone")
    assert compose("wait", "worker", code=137)
    compose("rm", "-f", "worker")
    assert "shop-worker-1" not in states(compose, "-a")
    compose("commit", "db", "shop/saved:1")
    compose("export", "-o", os.path.join(compose.directory, "db.tar"), "db")
    assert os.path.getsize(os.path.join(compose.directory, "db.tar")) > 100_000
    engine.ok("rmi", "shop/saved:1")


def test_profiles_and_networks(compose, engine):
    compose("up", "-d", "db")
    assert list(states(compose)) == ["shop-db-1"]
    compose("--profile", "tools", "up", "-d", "tools")
    assert sorted(states(compose)) == ["shop-db-1", "shop-tools-1"]
    for name in ("db", "database", "shop-db-1"):
        assert "10.237.41." in compose("exec", "-T", "tools", "nslookup", name).split("Name:")[-1], name
    assert "tmpfs" in compose("exec", "-T", "tools", "grep", " /scratch ", "/proc/mounts")
    networks = {n["Name"]: n for n in engine.api("GET", "/networks").json}
    assert networks["shop_back"]["Internal"] and networks["shop_back"]["Labels"]["com.docker.compose.network"] == "back"
    assert "shop_front" not in networks
    compose("--profile", "tools", "stop", "-t", "0", "tools")


def test_up_in_the_foreground(compose):
    up = compose.start("up", "--no-color", "--abort-on-container-failure")
    shows("hello\n")
    up.send_signal(2)
    out = up.communicate(timeout=60)[0]
    for service, line in (("db", "database ready"), ("web", "serving"), ("migrate", "migrating"), ("worker", r"worker \w+ is here")):
        assert re.search("^" + compose.prefix(service) + line + "$", out, re.M), out
    assert re.search(r"migrate-1 exited with code 0", out) and "Gracefully" in out, out
    assert not states(compose)


def test_one_that_fails_ends_all(compose):
    with open(os.path.join(compose.directory, "compose.yaml"), "w") as f:
        f.write(f"services:\n  job: {{image: {IMAGE}, command: [sh, -c, 'echo job; exit 9']}}\n"
                f"  other: {{image: {IMAGE}, init: true, command: [sleep, '1000']}}\n")
    out = compose("up", "--exit-code-from", "job", code=9)
    assert "job-1 exited with code 9" in out, out


@pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is not installed")
def test_push_and_pull(compose, engine, tmp_path):
    registry = DockerRegistry(str(tmp_path)).start()
    try:
        with open(os.path.join(compose.directory, "compose.yaml"), "w") as f:
            f.write(f"services:\n  web:\n    build: ./web\n    image: {registry.host}/shop/web:1\n")
        compose("build")
        compose("push")
        assert b'"1"' in registry.get("/v2/shop/web/tags/list")[1]
        engine.ok("rmi", f"{registry.host}/shop/web:1")
        assert "Pulled" in compose("pull")
        compose("up", "-d", "--no-build", "--pull", "always")
        assert states(compose) == {"shop-web-1": "running"}
        missing = f"services:\n  web:\n    image: {registry.host}/shop/none:1\n"
        with open(os.path.join(compose.directory, "other.yaml"), "w") as f:
            f.write(missing)
        assert "not found" in compose("-f", "other.yaml", "pull", code=1)
        compose("down", "-t", "0", "--rmi", "all")
        assert not [i for i in engine.api("GET", "/images/json").json if "shop/web" in str(i["RepoTags"])]
    finally:
        registry.stop()


def test_what_cannot_be_is_told(compose):
    path = os.path.join(compose.directory, "compose.yaml")
    for text, words in ((f"services:\n  a: {{image: {IMAGE}, command: [/no/such]}}\n", "/no/such"),
                        (f"services:\n  a: {{image: {IMAGE}, networks: [n]}}\nnetworks: {{n: {{external: true}}}}\n", "declared as external, but could not be found"),
                        (f"services:\n  a: {{image: {IMAGE}, volumes: ['rows:/v']}}\nvolumes: {{rows: {{external: true}}}}\n", 'external volume "rows" not found')):
        with open(path, "w") as f:
            f.write(text)
        assert words in compose("up", "-d", code=1)

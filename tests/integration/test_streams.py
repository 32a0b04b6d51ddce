"""Streams of the API, byte by byte: logs with details and over a restart, connections taken over without an upgrade, detach keys, statistics,
and what goes on is told of in lines of JSON."""
import json
import os
import socket
import time
import urllib.parse

import pytest

from conftest import IMAGE
from harness import archives
from harness.http_unix import Hijacked
from harness.registries import RegistryImage, Stub
from harness.waiting import eventually


def create(engine, *command, name="c", **body):
    made = engine.api("POST", f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": list(command), **body})
    assert made.status == 201, made


def start(engine, name="c"):
    assert engine.api("POST", f"/containers/{name}/start").status == 204


def frames(body):
    """[(1 or 2, bytes)]"""
    found = []
    while body:
        size = int.from_bytes(body[4:8], "big")
        assert body[0] in (1, 2) and body[1:4] == b"\0\0\0" and len(body) >= 8 + size, body[:40]
        found.append((body[0], body[8:8 + size]))
        body = body[8 + size:]
    return found


class Plain(Hijacked):
    """A connection that is taken over without being asked for an upgrade, as old clients do."""

    def __init__(self, path, url, body=None):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(path)
        data = json.dumps(body or {}).encode()
        self.sock.sendall(f"POST {url} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.sock.recv(4096)
            assert piece, head
            head += piece
        head, self.rest = head.split(b"\r\n\r\n", 1)
        self.head, self.status = head.decode(), int(head.split()[1])


# ---- connections that are taken over

@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("way", [Hijacked, Plain], ids=["101", "200"])
def test_attach_is_taken_over(engine, way, terminal):
    create(engine, "sh", "-c", "read line; echo got $line; echo bad >&2", OpenStdin=True, StdinOnce=True, AttachStdin=True, Tty=terminal)
    stream = way(engine.socket, "/containers/c/attach?stream=1&stdin=1&stdout=1&stderr=1")
    kind = "raw" if terminal else "multiplexed"
    if way is Hijacked:
        assert stream.head.startswith("HTTP/1.1 101 UPGRADED\r\n") and "Upgrade: tcp" in stream.head and "Connection: Upgrade" in stream.head
    else:
        assert stream.head.startswith("HTTP/1.1 200 OK\r\n") and "Upgrade" not in stream.head and "ontent-Length" not in stream.head and "hunked" not in stream.head
    assert f"Content-Type: application/vnd.docker.{kind}-stream" in stream.head
    start(engine)
    stream.send(b"typed\n")
    if terminal:
        assert stream.read_all() == b"typed\r\ngot typed\r\nbad\r\n"
    else:
        stream.close_write()
        assert stream.frames() == (b"got typed\n", b"bad\n")
    stream.close()


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("way", [Hijacked, Plain], ids=["101", "200"])
def test_exec_is_taken_over(engine, way, terminal):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    number = engine.api("POST", "/containers/c/exec", {"Cmd": ["sh", "-c", "read line; echo got $line"], "AttachStdin": True, "AttachStdout": True,
                                                      "AttachStderr": True, "Tty": terminal}).json["Id"]
    stream = way(engine.socket, f"/exec/{number}/start", {"Tty": terminal})
    assert stream.status == (101 if way is Hijacked else 200)
    stream.send(b"typed\n")
    assert stream.read_all() == b"typed\r\ngot typed\r\n" if terminal else stream.frames() == (b"got typed\n", b"")
    stream.close()


def test_half_closed(engine):
    """The client's end of input is the process's, and what that writes afterwards still comes: by attach and by exec."""
    program = ["sh", "-c", "cat; sleep 0.2; echo after"]
    create(engine, *program, OpenStdin=True, StdinOnce=True, AttachStdin=True)
    stream = Hijacked(engine.socket, "/containers/c/attach?stream=1&stdin=1&stdout=1")
    start(engine)
    stream.send(b"before\n")
    stream.close_write()
    assert stream.frames() == (b"before\nafter\n", b"")
    engine.ok("run", "-d", "--name", "box", IMAGE, "sleep", "1000")
    number = engine.api("POST", "/containers/box/exec", {"Cmd": program, "AttachStdin": True, "AttachStdout": True}).json["Id"]
    stream = Hijacked(engine.socket, f"/exec/{number}/start", {})
    stream.send(b"before\n")
    stream.close_write()
    assert stream.frames() == (b"before\nafter\n", b"")


@pytest.mark.parametrize("keys,typed", [("", b"\x10\x11"), ("ctrl-a,x", b"\x01x"), ("a", b"a")], ids=["default", "custom", "letter"])
def test_detach_keys(engine, keys, typed):
    """Of attach, and of an exec; the process goes on, and keys that are no detach keys are its own."""
    create(engine, "cat", Tty=True, OpenStdin=True)
    start(engine)
    stream = Hijacked(engine.socket, f"/containers/c/attach?stream=1&stdin=1&stdout=1&detachKeys={keys}")
    stream.send(b"bc\n")
    stream.read_until(b"bc\r\nbc\r\n")
    stream.send(typed)
    stream.read_all()
    assert engine.state("c")["Running"]
    number = engine.api("POST", "/containers/c/exec", {"Cmd": ["cat"], "AttachStdin": True, "AttachStdout": True, "Tty": True, "DetachKeys": keys}).json["Id"]
    stream = Hijacked(engine.socket, f"/exec/{number}/start", {"Tty": True})
    stream.send(b"bc\n")
    stream.read_until(b"bc\r\nbc\r\n")
    stream.send(typed)
    stream.read_all()
    assert engine.api("GET", f"/exec/{number}/json").json["Running"]


# ---- logs

def test_logs_of_a_terminal_are_raw(engine):
    create(engine, "sh", "-c", "echo out; echo err >&2", Tty=True)
    start(engine)
    engine.wait_exited("c")
    answer = engine.api("GET", "/containers/c/logs?stdout=1&stderr=1")
    assert answer.body == b"out\r\nerr\r\n" and answer.headers["content-type"] == "application/vnd.docker.raw-stream"


def test_logs_with_details(engine):
    """What the options "labels" and "env" of the log name stands in the file, and before each line where it is asked for."""
    create(engine, "sh", "-c", "echo one; echo two >&2", Labels={"who": "me & you", "other": "x"}, Env=["STAGE=a b", "NO=1"],
           HostConfig={"LogConfig": {"Type": "json-file", "Config": {"labels": "who,none", "env": "STAGE"}}})
    start(engine)
    engine.wait_exited("c")
    with open(engine.inspect("c")["LogPath"]) as f:
        assert [json.loads(line)["attrs"] for line in f] == [{"STAGE": "a b", "who": "me & you"}] * 2
    prefix = b"STAGE=a+b,who=me+%26+you "
    assert sorted(frames(engine.api("GET", "/containers/c/logs?stdout=1&stderr=1&details=1").body)) == [(1, prefix + b"one\n"), (2, prefix + b"two\n")]
    assert frames(engine.api("GET", "/containers/c/logs?stdout=1").body) == [(1, b"one\n")]
    stamped = frames(engine.api("GET", "/containers/c/logs?stdout=1&details=1&timestamps=1").body)[0][1]
    assert stamped.split(b" ", 1)[1] == prefix + b"one\n" and stamped.startswith(b"20")
    assert engine("logs", "--details", "c").out == prefix.decode() + "one\n"
    create(engine, "echo", "x", name="plain")
    start(engine, "plain")
    engine.wait_exited("plain")
    assert frames(engine.api("GET", "/containers/plain/logs?stdout=1&details=1").body) == [(1, b" x\n")]
    big = engine.api("POST", "/containers/create", {"Image": IMAGE, "Labels": {"big": "x" * 70000}, "HostConfig": {
        "LogConfig": {"Type": "json-file", "Config": {"labels": "big"}}}})
    assert big.status == 400 and "allowed are 65536" in big.message, big


def test_logs_with_details_by_expressions_and_a_tag(engine):
    """Which labels and variables each line tells of may be said by expressions; a tag says whose line it is."""
    options = {"labels-regex": "^com[.]", "env-regex": "^ST.GE$", "tag": "{{.Name}}/{{.ID}} of {{.ImageName}}"}
    create(engine, "echo", "one", Labels={"com.who": "me", "com.what": "x", "org.other": "x"}, Env=["STAGE=a", "STAGES=b", "NO=1"],
           HostConfig={"LogConfig": {"Type": "json-file", "Config": options}})
    start(engine)
    engine.wait_exited("c")
    told = engine.inspect("c")
    tag = f"c/{told['Id'][:12]} of {IMAGE}"
    with open(told["LogPath"]) as f:
        assert [json.loads(line)["attrs"] for line in f] == [{"STAGE": "a", "com.what": "x", "com.who": "me", "tag": tag}]
    assert told["HostConfig"]["LogConfig"]["Config"] == options
    assert engine("logs", "--details", "c").out == f"STAGE=a,com.what=x,com.who=me,tag={urllib.parse.quote(tag, safe='').replace('%20', '+')} one\n"
    assert engine.ok("run", "--rm", "--log-opt", "tag={{.FullID}}", "--log-opt", "env-regex=.", IMAGE, "echo", "x") == "x"
    for driver, option, value, words in (("json-file", "labels-regex", "(", "invalid log option labels-regex"), ("json-file", "env-regex", "(?=x)", "invalid log option env-regex"),
                                         ("json-file", "tag", "{{.Nmae}}", "{{.Name}}"), ("local", "tag", "x", "there are: max-file, max-size"),
                                         ("local", "env-regex", "x", "there are: max-file, max-size")):
        answer = engine.api("POST", "/containers/create", {"Image": IMAGE, "HostConfig": {"LogConfig": {"Type": driver, "Config": {option: value}}}})
        assert answer.status == 400 and words in answer.message and "\n" not in answer.message, answer


def test_logs_followed_over_a_restart(engine):
    """As Docker's, they end when the container does, whole; who follows from the event of the start on misses nothing and sees nothing twice."""
    create(engine, "sh", "-c", "n=$(cat /n 2>/dev/null || echo 0); echo $((n + 1)) > /n; trap 'echo end-$n; exit 0' TERM; echo run-$n; while :; do sleep 0.02; done")
    start(engine)
    first = Hijacked(engine.socket, "/containers/c/logs?stdout=1&follow=1", method="GET")
    first.read_until(b"run-0\n")
    assert engine.api("POST", "/containers/c/restart").status == 204
    assert b"run-0\n" in (whole := first.read_until(b"\n0\r\n\r\n")) and b"end-0\n" in whole and b"run-1" not in whole
    wanted = urllib.parse.quote(json.dumps({"container": [engine.inspect("c")["Id"]], "event": ["start"]}))
    started = [json.loads(e) for e in engine.api("GET", f"/events?since=1&until={time.time() + 0.001:.9f}&filters={wanted}").body.splitlines()]
    assert len(started) == 2
    since = f"{started[1]['timeNano'] // 10**9}.{started[1]['timeNano'] % 10**9:09}"
    second = Hijacked(engine.socket, f"/containers/c/logs?stdout=1&follow=1&since={since}", method="GET")
    assert b"run-1\n" in (seen := second.read_until(b"run-1\n")) and b"run-0" not in seen
    assert engine.api("POST", "/containers/c/stop").status == 204
    assert b"end-1\n" in second.read_until(b"\n0\r\n\r\n")
    assert engine("logs", "c").out == "run-0\nend-0\nrun-1\nend-1\n"


def test_logs_followed_while_a_policy_restarts_it(engine):
    """Each run ends the stream, as it ends Docker's: clients follow again from the next start on, and must not see a line twice."""
    create(engine, "sh", "-c", "n=$(cat /n 2>/dev/null || echo 0); echo $((n + 1)) > /n; echo run-$n; while [ ! -e /go ]; do sleep 0.02; done; exit 1",
           HostConfig={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}})
    start(engine)
    stream = Hijacked(engine.socket, "/containers/c/logs?stdout=1&follow=1", method="GET")
    stream.read_until(b"run-0\n")
    assert engine.api("PUT", "/containers/c/archive?path=/", archives.Tar().add("go").bytes()).status == 200
    assert b"run-1" not in stream.read_until(b"0\r\n\r\n")
    eventually(lambda: engine.state("c")["Status"] == "exited" and engine.inspect("c")["RestartCount"] == 3)
    assert engine("logs", "-f", "c").out == "run-0\nrun-1\nrun-2\nrun-3\n"


# ---- statistics

def test_what_a_client_reckons_with(engine):
    """CPU %, memory, network and block I/O, as the docker client makes them of two readings."""
    create(engine, "sh", "-c", "while :; do :; done", HostConfig={"Memory": 64 << 20})
    start(engine)
    stream = Hijacked(engine.socket, "/containers/c/stats", method="GET")
    data = stream.rest
    while data.count(b'"precpu_stats"') < 3:
        data += stream.sock.recv(65536)
    stream.close()
    readings = [json.loads(line) for line in data.split(b"\r\n") if line.startswith(b"{") and line.endswith(b"}\n")]
    for one in (readings[1], engine.api("GET", "/containers/c/stats?stream=0").json):
        before, now = one["precpu_stats"], one["cpu_stats"]
        used, system = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"], now["system_cpu_usage"] - before["system_cpu_usage"]
        assert 0 < used and 0 < system and 0 < used / system * now["online_cpus"] <= now["online_cpus"] * 1.1, one
        assert one["preread"] < one["read"]
        memory = one["memory_stats"]
        assert 0 < memory["usage"] - memory["stats"]["inactive_file"] < memory["limit"] == 64 << 20
        assert {"rx_bytes", "tx_bytes", "rx_packets", "tx_dropped"} <= set(one["networks"]["eth0"])
        assert isinstance(one["blkio_stats"]["io_service_bytes_recursive"], list) and one["pids_stats"]["current"] >= 1
    once = engine.api("GET", "/containers/c/stats?stream=0&one-shot=1").json
    assert once["precpu_stats"]["cpu_usage"]["total_usage"] == 0 and once["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert readings[0]["name"] == "/c" and readings[0]["id"] == engine.inspect("c")["Id"]


def disk_of(path):
    number = os.stat(path).st_dev
    try:
        with open(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/uevent") as f:
            return next(("/dev/" + line.split("=")[1].strip() for line in f if line.startswith("DEVNAME=")), None)
    except FileNotFoundError:
        return None


def test_what_was_written_to_the_disk_and_what_came_by_the_network_is_counted(engine, scratch):
    disk = disk_of(scratch)
    if not disk:
        pytest.skip(f"{scratch} lies on no disk")
    create(engine, "sh", "-c", "dd if=/dev/zero of=/data/x bs=1M count=4 conv=fsync; sleep 1000",
           # Kernels with control groups of version 1 count the input and output of what has a limit alone.
           HostConfig={"Binds": [f"{scratch}:/data"], "BlkioDeviceWriteBps": [{"Path": disk, "Rate": 1 << 40}]})
    start(engine)

    def figures():
        return engine.api("GET", "/containers/c/stats?stream=0&one-shot=1").json
    written = eventually(lambda: [e for e in figures()["blkio_stats"]["io_service_bytes_recursive"] or [] if e["op"].lower() == "write" and e["value"] >= 4 << 20])
    assert (written[0]["major"], written[0]["minor"]) != (0, 0)
    before = figures()["networks"]["eth0"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(5):
            s.sendto(b"x" * 1000, (engine.address("c"), 9))
    eventually(lambda: figures()["networks"]["eth0"]["rx_packets"] >= before["rx_packets"] + 5)
    assert figures()["networks"]["eth0"]["rx_bytes"] >= before["rx_bytes"] + 5000


# ---- progress

def lines(answer):
    assert answer.status == 200 and answer.headers["content-type"] == "application/json", answer
    text = answer.body.decode()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_progress_is_a_line_of_json_for_each_thing(store):
    registry = Stub()
    try:
        registry.add(RegistryImage([archives.Tar().add("file", b"x" * 100000).bytes()], Cmd=["true"]), "test/app", "1")
        pulled = lines(store.api("POST", f"/images/create?fromImage={registry.host}/test/app&tag=1"))
        assert pulled[0] == {"status": "Pulling from test/app", "id": "1"} and any(m.get("status") == "Pull complete" for m in pulled)
        assert pulled[-1]["status"] == f"Status: Downloaded newer image for {registry.host}/test/app:1"
        assert any(m["status"].startswith("Digest: sha256:") for m in pulled)
        again = lines(store.api("POST", f"/images/create?fromImage={registry.host}/test/app&tag=1"))
        assert again[-1]["status"] == f"Status: Image is up to date for {registry.host}/test/app:1"
        gone = store.api("POST", f"/images/{registry.host}/test/app/push?tag=none", headers={"X-Registry-Auth": "e30="})
        assert gone.status == 404 or "error" in json.loads(gone.body.splitlines()[-1])
    finally:
        registry.close()
    loaded = lines(store.api("POST", "/images/load", archives.make_busybox_image("test/loaded:1")))
    assert loaded[-1] == {"stream": "Loaded image: test/loaded:1\n"} and all("stream" in m or "status" in m for m in loaded)
    built = lines(store.api("POST", "/build", archives.Tar().add("Dockerfile", f"FROM {IMAGE}\nENV a=1\n".encode()).bytes(),
                            headers={"Content-Type": "application/x-tar"}))
    assert built[0] == {"stream": f"Step 1/2 : FROM {IMAGE}"} and set(built[-1]) == {"stream"} and any("aux" in m for m in built)

"""What each query parameter of the containers' operations does: PARAMETERS[operation][parameter], a function of a World that asserts."""
import fcntl
import io
import json
import os
import struct
import tarfile
import termios
import time

from conftest import IMAGE
from harness import archives
from harness.http_unix import Hijacked
from harness.waiting import eventually

from .world import filters
from .websocket import WebSocket

CHAT = ("sh", "-c", "echo to-out; echo to-err >&2; sleep 1000")


def names(answer):
    assert answer.status == 200, answer
    return {n[1:] for c in answer.json for n in c["Names"]}


def refused(answer, status, words):
    assert answer.status == status and words in answer.message, answer


def exit_code(w, name):
    return w.engine.wait_exited(name, timeout=30)["ExitCode"]


# --- GET /containers/json ---
def list_all(w):
    assert "exited" not in names(w.get("/containers/json")) and "exited" in names(w.get("/containers/json?all=1"))
    for false in ("", "0", "no", "false", "none", "False"):
        assert "exited" not in names(w.get("/containers/json?all=" + false)), false
    assert "exited" in names(w.get("/containers/json?all=anything"))


def list_limit(w):
    newest = w.create()
    assert names(w.get("/containers/json?limit=1")) == {newest}, "the newest, running or not"
    assert "exited" not in names(w.get("/containers/json?limit=-1")), "as docker-py says that there is no limit"
    for bad in ("x", "1.5", "99999999999"):
        refused(w.get("/containers/json?limit=" + bad), 400, "limit")


def list_size(w):
    assert all("SizeRw" not in c for c in w.get("/containers/json").json)
    assert all(isinstance(c["SizeRw"], int) and c["SizeRootFs"] > 0 for c in w.get("/containers/json?size=1").json)


def list_filters(w):
    one = w.create(Labels={"only": "this"}, ExposedPorts={"80/tcp": {}, "53/udp": {}}, Healthcheck={"Test": ["CMD", "true"]})
    w.run("bound", HostConfig={"PortBindings": {"81/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}, "Binds": ["used:/vol"]})
    port = w.get("/containers/bound/json").json["NetworkSettings"]["Ports"]["81/tcp"][0]["HostPort"]
    number = w.get(f"/containers/{one}/json").json["Id"]

    def listed(**given):
        return names(w.get("/containers/json?all=1&" + filters(json.dumps({k.replace("_not", "!").replace("_", "-"): [v] for k, v in given.items()}))))
    everyone = names(w.get("/containers/json?all=1"))
    assert listed(label="only=this") == listed(label="only") == listed(id=number[:20]) == listed(name=f"^/{one}$") == {one}
    assert listed(label="only=that") == set() and listed(label_not="only") == everyone - {one}
    assert listed(expose="80") == listed(expose="53/udp") == listed(expose="70-80/tcp") == {one} and listed(expose="53") == set()
    assert listed(publish=port) == {"bound"} and listed(publish=f"{port}/udp") == set()
    assert listed(status="paused") == {"paused"} and listed(network="net") == set() and "running" in listed(network="bridge")
    assert listed(volume="used") == {"user", "bound"} and listed(volume="/vol") == {"bound"}
    assert listed(ancestor=IMAGE) == everyone and listed(ancestor="test/none") == set()
    assert "exited" in listed(exited="0") and listed(exited="77") == set()
    assert one in listed(health="none") and listed(health="healthy") == set()
    assert listed(since=one) == {"bound"} and one not in listed(before=one) and "running" in listed(before=one)
    assert listed(is_task="true") == set() and listed(is_task="false") == everyone and listed(isolation="default") == everyone
    for key, value in {"status": "sleeping", "exited": "x", "health": "well", "is-task": "maybe", "publish": "x", "expose": "80/ipx",
                       "nonsense": "x"}.items():
        refused(w.get("/containers/json?" + filters(json.dumps({key: [value]}))), 400, f"invalid filter '{key}")
    refused(w.get("/containers/json?" + filters('{"before":["no-such"]}')), 404, "No such container: no-such")
    w.delete("/containers/bound?force=1")


# --- create, inspect, top ---
def create_name(w):
    name = w.name()
    assert w.post(f"/containers/create?name={name}", {"Image": IMAGE}).status == 201
    assert w.get(f"/containers/{name}/json").json["Name"] == "/" + name
    refused(w.post("/containers/create?name=a+b", {"Image": IMAGE}), 400, "Invalid container name (a b)")


def create_platform(w):
    for good in ("linux/amd64", "linux", "amd64", "linux/x86_64"):
        assert w.post("/containers/create?platform=" + good, {"Image": IMAGE}).status == 201, good
    refused(w.post("/containers/create?platform=linux/arm64", {"Image": IMAGE}), 404, "does not provide the specified platform (linux/arm64)")
    refused(w.post("/containers/create?platform=a/b/c/d", {"Image": IMAGE}), 400, "a/b/c/d")
    refused(w.post("/containers/create?platform=linux/arm64", {"Image": "test/none:1"}), 404, "No such image: test/none:1")


def inspect_size(w):
    assert "SizeRw" not in w.get("/containers/exited/json").json
    assert w.get("/containers/exited/json?size=1").json["SizeRootFs"] > 0


def top_ps_args(w):
    assert "UID" in w.get("/containers/running/top").json["Titles"]
    assert w.get("/containers/running/top?ps_args=-o+pid,comm").json["Titles"] == ["PID", "COMMAND"]
    refused(w.get("/containers/running/top?ps_args=--no-such-option"), 400, "ps")


# --- logs ---
def frames(body):
    seen = {}
    while body:
        kind, length = struct.unpack(">BxxxI", body[:8])
        seen[kind] = seen.get(kind, b"") + body[8:8 + length]
        body = body[8 + length:]
    return seen


def logs(w, name, query):
    answer = w.get(f"/containers/{name}/logs?{query}")
    assert answer.status == 200, answer
    return frames(answer.body)


def put_go(w, name):
    """Makes /go without a process in the container, which the container's end would take along."""
    assert w.put(f"/containers/{name}/archive?path=/", archives.Tar().add("go").bytes()).status == 200


def talker(w):
    """One line before, one after a moment that it gives."""
    if w.engine.api("GET", "/containers/talker/json").status == 404:
        w.create("talker", "sh", "-c", "echo early; echo bad >&2; while [ ! -e /go ]; do sleep 0.02; done; echo late")
        w.post("/containers/talker/start")
        eventually(lambda: b"early" in logs(w, "talker", "stdout=1").get(1, b""))
        w.moment = time.time()
        put_go(w, "talker")
        w.engine.wait_exited("talker")
    return "talker"


def logs_stdout(w):
    assert logs(w, talker(w), "stdout=1") == {1: b"early\nlate\n"}


def logs_stderr(w):
    assert logs(w, talker(w), "stderr=1") == {2: b"bad\n"}
    refused(w.get("/containers/talker/logs"), 400, "Bad parameters: you must choose at least one stream")


def logs_since(w):
    assert logs(w, talker(w), f"stdout=1&since={w.moment:.6f}") == {1: b"late\n"}
    refused(w.get("/containers/talker/logs?stdout=1&since=yesterday"), 400, "yesterday")


def logs_until(w):
    assert logs(w, talker(w), f"stdout=1&until={w.moment:.6f}") == {1: b"early\n"}
    refused(w.get("/containers/talker/logs?stdout=1&until=x"), 400, '"x"')


def logs_timestamps(w):
    line = logs(w, talker(w), "stdout=1&timestamps=1")[1].split(b"\n")[0]
    stamp, text = line.split(b" ")
    assert text == b"early" and time.strptime(stamp[:19].decode(), "%Y-%m-%dT%H:%M:%S") and stamp.endswith(b"Z"), line


def logs_tail(w):
    assert logs(w, talker(w), "stdout=1&tail=1") == {1: b"late\n"} and logs(w, "talker", "stdout=1&tail=0") == {}
    assert logs(w, "talker", "stdout=1&tail=all") == logs(w, "talker", "stdout=1&tail=-1") == {1: b"early\nlate\n"}
    refused(w.get("/containers/talker/logs?stdout=1&tail=x"), 400, "tail")


def logs_follow(w):
    name = w.run(None, "sh", "-c", "echo one; while [ ! -e /go ]; do sleep 0.02; done; echo two")
    eventually(lambda: logs(w, name, "stdout=1") == {1: b"one\n"})
    stream = Hijacked(w.engine.socket, f"/containers/{name}/logs?stdout=1&follow=1", method="GET")
    put_go(w, name)
    assert b"two\n" in stream.read_until(b"\r\n0\r\n\r\n"), "it goes on until the end"
    stream.close()


# --- stats, resize, start ---
def stats_stream(w):
    assert len(w.get("/containers/running/stats?stream=false").body.splitlines()) == 1
    stream = Hijacked(w.engine.socket, "/containers/running/stats", method="GET")
    data = stream.rest
    while data.count(b'"cpu_stats"') < 2:
        data += stream.sock.recv(65536)
    stream.close()


def stats_one_shot(w):
    one = w.get("/containers/running/stats?stream=0&one-shot=1").json
    assert one["preread"].startswith("0001-") and one["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    two = w.get("/containers/running/stats?stream=0").json
    assert not two["preread"].startswith("0001-") and two["precpu_stats"]["cpu_usage"]["total_usage"] > 0
    refused(w.get("/containers/running/stats?one-shot=1"), 400, "cannot have stream=true and one-shot=true")


def resize(w):
    if w.get("/containers/terminal/json").status == 404:
        w.run("terminal", "sh", Tty=True, OpenStdin=True)
    assert w.post("/containers/terminal/resize?h=41&w=123").status == 200
    assert eventually(lambda: w.engine.ok("exec", "terminal", "sh", "-c", "stty size < /proc/1/fd/0") == "41 123")
    for bad in ("h=x&w=1", "h=1", "w=1", "h=-1&w=1", "h=1&w=65536"):
        refused(w.post("/containers/terminal/resize?" + bad), 400, "size of a terminal")


def start_detach_keys(w):
    refused(w.post("/containers/created/start?detachKeys=ctrl-!"), 400, "Unknown character: 'ctrl-!'")
    assert w.post(f"/containers/{w.create()}/start?detachKeys=ctrl-p,ctrl-q").status == 204


# --- stop, restart, kill ---
def ends_late(w):
    """On TERM it ends with 5, after a second."""
    name = w.run(None, "sh", "-c", "trap 'sleep 1; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    eventually(lambda: logs(w, name, "stdout=1") == {1: b"ready\n"})
    return name


def trapped(w):
    name = w.run(None, "trapped")
    eventually(lambda: logs(w, name, "stdout=1") == {1: b"ready\n"})
    return name


def stop_t(w):
    name = ends_late(w)
    assert w.post(f"/containers/{name}/stop?t=0").status == 204 and exit_code(w, name) == 137
    name = ends_late(w)
    assert w.post(f"/containers/{name}/stop?t=30").status == 204 and exit_code(w, name) == 5
    refused(w.post(f"/containers/{name}/stop?t=soon"), 400, '"soon"')


def stop_signal(w):
    name = trapped(w)
    assert w.post(f"/containers/{name}/stop?signal=KILL").status == 204 and exit_code(w, name) == 137
    name = trapped(w)
    assert w.post(f"/containers/{name}/stop?signal=15").status == 204 and exit_code(w, name) == 7
    refused(w.post("/containers/running/stop?signal=NOSUCH"), 400, "nvalid signal: NOSUCH")


def deaths(w, name):
    since = f"since=1&until={time.time() + 0.001:.6f}&" + filters(json.dumps({"container": [name], "event": ["die"]}))
    return [json.loads(line)["Actor"]["Attributes"]["exitCode"] for line in w.get("/events?" + since).body.splitlines()]


def restart_t(w):
    for t, code in (("0", "137"), ("30", "5")):
        name = ends_late(w)
        assert w.post(f"/containers/{name}/restart?t={t}").status == 204
        assert eventually(lambda: deaths(w, name)) == [code]
        w.delete(f"/containers/{name}?force=1")
    refused(w.post("/containers/running/restart?t=soon"), 400, '"soon"')


def restart_signal(w):
    name = trapped(w)
    assert w.post(f"/containers/{name}/restart?signal=KILL").status == 204
    assert eventually(lambda: deaths(w, name)) == ["137"]
    w.delete(f"/containers/{name}?force=1")
    refused(w.post("/containers/running/restart?signal=NOSUCH"), 400, "nvalid signal: NOSUCH")


def kill_signal(w):
    name = trapped(w)
    assert w.post(f"/containers/{name}/kill?signal=SIGTERM").status == 204 and exit_code(w, name) == 7
    refused(w.post("/containers/running/kill?signal=NOSUCH"), 400, "nvalid signal: NOSUCH")


def rename(w):
    name, other = w.create(), w.name()
    assert w.post(f"/containers/{name}/rename?name={other}").status == 204
    assert w.get(f"/containers/{other}/json").status == 200 and w.get(f"/containers/{name}/json").status == 404
    refused(w.post(f"/containers/{other}/rename"), 400, "")
    refused(w.post(f"/containers/{other}/rename?name=a+b"), 400, "Invalid container name (a b)")


# --- attach ---
def attached(w, query, name="running", **body):
    return Hijacked(w.engine.socket, f"/containers/{name}/attach?{query}")


def attach_logs(w):
    name = w.run(None, *CHAT)
    eventually(lambda: logs(w, name, "stderr=1") == {2: b"to-err\n"})
    stream = attached(w, "logs=1&stdout=1&stderr=1", name)
    assert stream.frames() == (b"to-out\n", b"to-err\n"), "without stream it ends there"
    stream.close()


def attach_stream(w):
    name = w.create(None, "echo", "live")
    with_it, without = attached(w, "stream=1&stdout=1", name), attached(w, "stdout=1", name)
    assert without.read_all() == b""
    w.post(f"/containers/{name}/start")
    assert with_it.frames() == (b"live\n", b"")


def attach_outputs(wanted):
    def check(w):
        name = w.create(None, "sh", "-c", "echo to-out; echo to-err >&2")
        stream = attached(w, f"stream=1&{wanted}=1", name)
        w.post(f"/containers/{name}/start")
        assert stream.frames() == ((b"to-out\n", b"") if wanted == "stdout" else (b"", b"to-err\n"))
    return check


def attach_stdin(w):
    for given, seen in (("stdin=1&", b"hello"), ("", b"")):
        name = w.create(None, "cat", OpenStdin=True, StdinOnce=True, AttachStdin=True)
        stream = attached(w, f"stream=1&{given}stdout=1", name)
        w.post(f"/containers/{name}/start")
        stream.send(b"hello")
        if given:
            stream.close_write()
            assert stream.frames() == (seen, b"")
        else:
            w.post(f"/containers/{name}/kill")
            assert stream.frames() == (b"", b""), "what it sends goes nowhere"


def attach_detach_keys(w):
    name = w.run(None, "cat", Tty=True, OpenStdin=True)
    stream = attached(w, "stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,x", name)
    stream.send(b"\x01x")
    stream.read_all()
    assert w.get(f"/containers/{name}/json").json["State"]["Running"]
    refused(w.post(f"/containers/{name}/attach?stream=1&detachKeys=ctrl-!"), 400, "Unknown character: 'ctrl-!'")


# --- attach over a websocket ---
def ws(w, query, name):
    return WebSocket(w.engine.socket, f"/containers/{name}/attach/ws?{query}")


def ws_logs(w):
    name = w.run(None, *CHAT)
    eventually(lambda: logs(w, name, "stderr=1") == {2: b"to-err\n"})
    assert sorted(ws(w, "logs=1&stdout=1&stderr=1", name).read_all().split()) == [b"to-err", b"to-out"]


def ws_stream(w):
    name = w.create(None, "echo", "live")
    with_it = ws(w, "stream=1&stdout=1", name)
    assert ws(w, "stdout=1", name).read_all() == b""
    w.post(f"/containers/{name}/start")
    assert with_it.read_all() == b"live\n"


def ws_outputs(wanted):
    def check(w):
        name = w.create(None, "sh", "-c", "echo to-out; echo to-err >&2")
        stream = ws(w, f"stream=1&{wanted}=1", name)
        w.post(f"/containers/{name}/start")
        assert stream.read_all() == (b"to-out\n" if wanted == "stdout" else b"to-err\n")
    return check


def ws_stdin(w):
    name = w.create(None, "head", "-c", "5", OpenStdin=True)
    stream = ws(w, "stream=1&stdin=1&stdout=1", name)
    w.post(f"/containers/{name}/start")
    stream.send(b"hello")
    assert stream.read_all() == b"hello"


def ws_detach_keys(w):
    name = w.run(None, "cat", Tty=True, OpenStdin=True)
    stream = ws(w, "stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,x", name)
    stream.send(b"\x01x")
    stream.read_all()
    assert w.get(f"/containers/{name}/json").json["State"]["Running"]


# --- wait, delete, archive ---
def wait_condition(w):
    assert w.post("/containers/exited/wait").json["StatusCode"] == 0
    name = w.create()
    stream = Hijacked(w.engine.socket, f"/containers/{name}/wait?condition=next-exit")
    removed = Hijacked(w.engine.socket, f"/containers/{name}/wait?condition=removed")
    w.post(f"/containers/{name}/start")
    assert b'"StatusCode":0' in stream.read_until(b"}")
    w.engine.wait_exited(name)
    assert b"StatusCode" not in removed.rest
    w.delete(f"/containers/{name}")
    assert b'"StatusCode":0' in removed.read_until(b"}")
    refused(w.post("/containers/exited/wait?condition=x"), 400, "invalid condition: \"x\"")


def volumes_of(w, name):
    return [m["Name"] for m in w.get(f"/containers/{name}/json").json["Mounts"]]


def delete_v(w):
    for given, status in (("?v=1", 404), ("", 200)):
        name = w.create(Volumes={"/anonymous": {}})
        volume, = volumes_of(w, name)
        assert w.delete(f"/containers/{name}{given}").status == 204
        assert w.get(f"/volumes/{volume}").status == status


def delete_force(w):
    name = w.run()
    refused(w.delete(f"/containers/{name}?force=0"), 409, "running")
    assert w.delete(f"/containers/{name}?force=1").status == 204


def delete_link(w):
    name = w.create(HostConfig={"Links": ["running:alias"]})
    refused(w.delete(f"/containers/{name}?link=1"), 400, "cannot remove the default link name of the container")
    assert w.get(f"/containers/{name}/json").json["HostConfig"]["Links"] == [f"/running:/{name}/alias"]
    assert w.delete(f"/containers/{name}/alias?link=1").status == 204
    assert w.get(f"/containers/{name}/json").json["HostConfig"]["Links"] is None


def archive_path(method):
    def check(w):
        answer = w.request(method, "/containers/running/archive?path=/etc/passwd")
        assert answer.status == 200 and answer.headers["x-docker-container-path-stat"]
        if method == "GET":
            assert tarfile.open(fileobj=io.BytesIO(answer.body)).getnames() == ["passwd"]
        assert w.request(method, "/containers/running/archive").status == 400
        assert w.request(method, "/containers/running/archive?path=/no/such").status == 404
    return check


def put_path(w):
    assert w.put("/containers/running/archive?path=/tmp", archives.Tar().add("put", b"there\n").bytes()).status == 200
    assert w.engine.ok("exec", "running", "cat", "/tmp/put") == "there"
    refused(w.put("/containers/running/archive", archives.Tar().bytes()), 400, "path cannot be empty")


def put_keep_kinds(w):
    w.engine.ok("exec", "running", "mkdir", "-p", "/tmp/kind")
    data = archives.Tar().add("kind", b"a file\n").bytes()
    answer = w.put("/containers/running/archive?path=/tmp&noOverwriteDirNonDir=true", data)
    assert answer.status == 400 and "kind" in answer.message, answer
    assert w.put("/containers/running/archive?path=/tmp&noOverwriteDirNonDir=false", data).status == 200
    assert w.engine.ok("exec", "running", "cat", "/tmp/kind") == "a file"


def put_owner(w):
    name = w.run(User="app")
    data = archives.Tar().add("owned", uid=7, gid=7).bytes()
    for given, owner in (("copyUIDGID=true", "1000:1000"), ("", "7:7")):
        assert w.put(f"/containers/{name}/archive?path=/tmp&{given}", data).status == 200
        assert w.engine.ok("exec", name, "stat", "-c", "%u:%g", "/tmp/owned") == owner


def prune_filters(w):
    keep, go = w.create(Labels={"prune": "no"}), w.create(Labels={"prune": "yes"})
    gone = w.post("/containers/prune?" + filters('{"label":["prune=yes"]}')).json["ContainersDeleted"]
    states = [w.get(f"/containers/{name}/json") for name in (go, keep)]
    assert len(gone) == 1 and [one.status for one in states] == [404, 200], (gone, keep, go, states)
    assert w.post("/containers/prune?" + filters('{"until":["2000-01-01"],"label":["prune"]}')).json["ContainersDeleted"] == []
    refused(w.post("/containers/prune?" + filters('{"until":["x"]}')), 400, '"x"')
    refused(w.post("/containers/prune?" + filters('{"nonsense":["x"]}')), 400, "invalid filter 'nonsense'")


def exec_resize(w):
    number = w.exec("running", "sleep", "1000", Tty=True)
    assert w.post(f"/exec/{number}/start", {"Detach": True, "Tty": True}).status == 200
    assert w.post(f"/exec/{number}/resize?h=42&w=124").status == 200
    pid = w.get(f"/exec/{number}/json").json["Pid"]

    def size():
        path = f"/proc/{pid}/root" + os.readlink(f"/proc/{pid}/fd/0")
        terminal = os.open(path, os.O_RDONLY | os.O_NOCTTY)
        try:
            return struct.unpack("HHHH", fcntl.ioctl(terminal, termios.TIOCGWINSZ, b"\0" * 8))[:2]
        finally:
            os.close(terminal)
    assert eventually(lambda: size() == (42, 124))
    for bad in ("h=x&w=1", "h=1", "w=1", "h=-1&w=1", "h=1&w=65536"):
        refused(w.post(f"/exec/{number}/resize?{bad}"), 400, "size of a terminal")


PARAMETERS = {
    "GET /containers/json": {"query:all": list_all, "query:limit": list_limit, "query:size": list_size, "query:filters": list_filters},
    "POST /containers/create": {"query:name": create_name, "query:platform": create_platform},
    "GET /containers/{id}/json": {"query:size": inspect_size},
    "GET /containers/{id}/top": {"query:ps_args": top_ps_args},
    "GET /containers/{id}/logs": {
        "query:follow": logs_follow, "query:stdout": logs_stdout, "query:stderr": logs_stderr, "query:since": logs_since,
        "query:until": logs_until, "query:timestamps": logs_timestamps, "query:tail": logs_tail},
    "GET /containers/{id}/stats": {"query:stream": stats_stream, "query:one-shot": stats_one_shot},
    "POST /containers/{id}/resize": {"query:h": resize, "query:w": resize},
    "POST /containers/{id}/start": {"query:detachKeys": start_detach_keys},
    "POST /containers/{id}/stop": {"query:signal": stop_signal, "query:t": stop_t},
    "POST /containers/{id}/restart": {"query:signal": restart_signal, "query:t": restart_t},
    "POST /containers/{id}/kill": {"query:signal": kill_signal},
    "POST /containers/{id}/rename": {"query:name": rename},
    "POST /containers/{id}/attach": {
        "query:detachKeys": attach_detach_keys, "query:logs": attach_logs, "query:stream": attach_stream,
        "query:stdin": attach_stdin, "query:stdout": attach_outputs("stdout"), "query:stderr": attach_outputs("stderr")},
    "GET /containers/{id}/attach/ws": {
        "query:detachKeys": ws_detach_keys, "query:logs": ws_logs, "query:stream": ws_stream, "query:stdin": ws_stdin,
        "query:stdout": ws_outputs("stdout"), "query:stderr": ws_outputs("stderr")},
    "POST /containers/{id}/wait": {"query:condition": wait_condition},
    "DELETE /containers/{id}": {"query:v": delete_v, "query:force": delete_force,
                                "query:link": delete_link},
    "HEAD /containers/{id}/archive": {"query:path": archive_path("HEAD")},
    "GET /containers/{id}/archive": {"query:path": archive_path("GET")},
    "PUT /containers/{id}/archive": {"query:path": put_path, "query:noOverwriteDirNonDir": put_keep_kinds, "query:copyUIDGID": put_owner},
    "POST /containers/prune": {"query:filters": prune_filters},
    "POST /exec/{id}/resize": {"query:h": exec_resize, "query:w": exec_resize},
}

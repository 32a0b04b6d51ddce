"""Attacks on the API: files, peers, limits, grammar, browsers, paths, identifiers, and what the engine is to its host (A01 to A20 but
for those that take many connections: test_attack_api_load.py)."""
import json
import os
import re
import socket
import subprocess

import pytest

from conftest import IMAGE
from harness import http_unix
from harness.http_unix import Hijacked, raw
from harness.waiting import eventually
from test_api_walk import OPERATIONS, failpoints

JSON = {"Content-Type": "application/json"}


def status_of(answer):
    """Of raw bytes: the status, 0 for a connection that was closed without an answer."""
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def send(engine, text, timeout=5):
    return raw(engine.socket, text if isinstance(text, bytes) else text.encode("latin-1"), timeout=timeout)


def get(path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: docker", "Connection: close", *headers, "", ""])


def process(pid, key):
    with open(f"/proc/{pid}/status") as f:
        return next(line.split(":", 1)[1].split() for line in f if line.startswith(key + ":"))


# --- A01, A02: the socket ---
def connects(path, user):
    code = f"import os, socket; os.setgroups([]); os.setgid({user}); os.setuid({user}); socket.socket(socket.AF_UNIX).connect({path!r})"
    return subprocess.run(["/usr/bin/python3", "-c", code], stderr=subprocess.DEVNULL).returncode == 0


def test_a01_the_socket_is_the_owners_and_the_groups_alone(engine):
    seen = os.stat(engine.socket)
    assert (seen.st_uid, seen.st_mode & 0o7777) == (0, 0o660)
    assert connects(engine.socket, 0) and not connects(engine.socket, 65534)


def test_a02_a_container_reaches_the_engine_only_where_it_is_given_the_socket_as_root(engine):
    engine.ok("run", "-d", "--name", "inside", "-v", f"{engine.socket}:/engine.sock", IMAGE, "sleep", "1000")
    assert engine.ok("exec", "inside", "probe", "connect", "/engine.sock") == "ok"
    assert engine("exec", "-u", "65534:65534", "inside", "probe", "connect", "/engine.sock").out.strip() == "errno 13"
    assert engine("run", "--rm", IMAGE, "test", "-e", engine.socket).code == 1


# --- A03, A04: what is not there is not pretended ---
@pytest.mark.parametrize("key,value", [("authorization-plugins", ["x"]), ("hosts", ["tcp://0.0.0.0:2375"]), ("tls", True), ("api-cors-header", "*")])
def test_a03_a04_settings_that_would_open_or_guard_a_way_are_refused(engine, scratch, key, value):
    file = os.path.join(scratch, "gantry.json")
    with open(file, "w") as f:
        json.dump({"name": engine.name, key: value}, f)
    done = subprocess.run([engine.program("gantryd"), "--config", file, "--validate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and key in done.stderr, done


def test_a04_the_engine_listens_on_its_unix_socket_alone(engine):
    mine = set()
    for fd in os.listdir(f"/proc/{engine.pid}/fd"):
        try:
            mine.add(os.readlink(f"/proc/{engine.pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/{engine.pid}/net/{table}") as f:
            inodes = {f"socket:[{line.split()[9]}]" for line in list(f)[1:]}
        assert not inodes & mine, table
    bad = subprocess.run([engine.program("gantryd"), "--socket", "tcp://127.0.0.1:2375"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert bad.returncode == 1 and "--socket" in bad.stderr and "absolute path" in bad.stderr


# --- A06: sizes, each at its limit and one more ---
def test_a06_the_request_line(engine):
    room = 8192 - len("GET /_ping?x= HTTP/1.1")
    assert status_of(send(engine, get("/_ping?x=" + "y" * room))) == 200
    assert status_of(send(engine, get("/_ping?x=" + "y" * (room + 1)))) == 414


def test_a06_header_lines(engine):
    lines = [f"X-{n}: y" for n in range(62)]
    assert status_of(send(engine, get("/_ping", *lines))) == 200
    assert status_of(send(engine, get("/_ping", *lines, "X-More: y"))) == 431


def test_a06_the_header(engine):
    room = (32 << 10) - len(get("/_ping", "X-Long: "))
    assert status_of(send(engine, get("/_ping", "X-Long: " + "y" * room))) == 200
    assert status_of(send(engine, get("/_ping", "X-Long: " + "y" * (room + 64)))) == 431


def body_of(size):
    start = b'{"Image": "test/none:1", "Labels": {"x": "'
    return start + b"y" * (size - len(start) - 3) + b'"}}'


@pytest.mark.parametrize("chunked", [False, True])
def test_a06_a_body_of_json(engine, chunked):
    for size, status in ((4 << 20, 404), ((4 << 20) + 1, 413)):
        body = body_of(size)
        assert len(body) == size
        head = "POST /containers/create HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\n"
        if chunked:
            data = (head + f"Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n").encode() + body + b"\r\n0\r\n\r\n"
        else:
            data = (head + f"Content-Length: {size}\r\n\r\n").encode() + body
        assert status_of(send(engine, data, timeout=20)) == status


@pytest.mark.parametrize("url", ["/containers/{}/json", "/images/{}/json", "/networks/{}", "/volumes/{}", "/exec/{}/json", "/distribution/{}/json"])
def test_a06_names_that_are_too_long(engine, url):
    answer = engine.api("GET", url.format("n" * 5000))
    assert answer.status in (400, 404) and answer.message


# --- A07: JSON ---
@pytest.mark.parametrize("body", [
    b"[" * 1_000_000, b'{"a":' * 800_000, b'{"Image": "x", "Labels": ' + b'{"a":' * 65 + b"1" + b"}" * 66, b'{"Image": "x", "Image": "y"}',
    b'{"Image": "x", "HostConfig": {"Privileged": false, "Privileged": true}}', b'{"Image": NaN}', b'{"Image": "x", "HostConfig": {"Memory": 1e400}}',
    b'{"Image": "x", "HostConfig": {"Memory": 9223372036854775808}}', b'{"Image": "x", "HostConfig": {"Memory": 1.5}}', b'{"Image": "\xff"}',
    b'{"Image": "\\ud800"}', b'\xef\xbb\xbf{"Image": 5}', b'{"Image": "x"} trailing', b'{"Image": "x\x00"}', b"{'Image': 'x'}", b'{"Image": "x",}',
    b"[" + b"1," * 1_000_001 + b"1]"], ids=range(17))
def test_a07_json_that_is_none_or_too_much(engine, body):
    answer = engine.api("POST", "/containers/create", body, headers=JSON)
    assert answer.status == 400 and answer.message and "\n" not in answer.message, answer
    assert engine.api("GET", "/_ping").status == 200


def test_a07_whole_numbers_are_kept_whole(engine):
    for number in ((1 << 53) - 1, (1 << 53) + 1):
        name = f"n{number}"
        made = engine.api("POST", f"/containers/create?name={name}", {"Image": IMAGE, "Labels": {"n": str(number)}, "HostConfig": {"Memory": 0, "CpuShares": 2},
                                                                      "Healthcheck": {"Test": ["CMD", "true"], "Interval": number}})
        assert made.status == 201, made
        assert engine.inspect(name)["Config"]["Healthcheck"]["Interval"] == number


# --- A08: the grammar ---
@pytest.mark.parametrize("text", [
    "POST /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /info HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /info HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: +0\r\n\r\n", "GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 0x0\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", "GET /_ping HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nHost: d\r\nA: b\r\n folded\r\n\r\n", "GET /_ping HTTP/1.1\nHost: d\n\n", "GET /_ping HTTP/1.1\r\nHost: d\rA: b\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nHost : d\r\n\r\n", "GET /_ping HTTP/1.1\r\nHost: d\r\nHost: e\r\n\r\n", "GET /_ping HTTP/1.1\r\n\r\n",
    "GET http://elsewhere/_ping HTTP/1.1\r\nHost: d\r\n\r\n", "CONNECT d:1 HTTP/1.1\r\nHost: d\r\n\r\n", "get /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nHost: d\r\nExpect: 200-perhaps\r\n\r\n", "GET  /_ping HTTP/1.1\r\nHost: d\r\n\r\n", "GET /_ping HTTP/2.0\r\nHost: d\r\n\r\n",
    "GET /_ping\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /_ping HTTP/1.1\r\nHost: d\r\nA\x00: b\r\n\r\n", "GET /_ping HTTP/1.1\r\nHost: d\r\n: b\r\n\r\n",
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5;x\nab\r\n0\r\n\r\n",
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
], ids=range(24))
def test_a08_requests_that_two_readers_would_take_differently(engine, text):
    answer = send(engine, text, timeout=2)
    assert status_of(answer) in (400, 404, 417, 501, 505) and answer.count(b"HTTP/1.1 ") == 1, answer[:300]
    assert engine.api("GET", "/_ping").status == 200


def test_a08_what_follows_a_takeover_is_the_containers(engine):
    engine.api("POST", "/containers/create?name=c", {"Image": IMAGE, "Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True, "AttachStdin": True})
    second = b"GET /info HTTP/1.1\r\nHost: docker\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(engine.socket)
        s.sendall(b"POST /containers/c/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n" + second)
        head = s.recv(4096)
        assert b" 101 " in head
        engine.api("POST", "/containers/c/start")
        s.shutdown(socket.SHUT_WR)
        rest = head.split(b"\r\n\r\n", 1)[1]
        while piece := s.recv(4096):
            rest += piece
    assert rest[8:] == second and b"200 OK" not in rest


# --- A09: browsers ---
@pytest.mark.parametrize("header,status", [
    ("Host: evil.example", 403), ("Host: 169.254.169.254", 403), ("Host: docker.evil.example:80", 403), ("Host: localhost", 200), ("Host: docker", 200),
    ("Host: 127.0.0.1:2375", 200), ("Host: [::1]", 200), ("Host: %2Frun%2Fgantry.sock", 200), ("Host: ", 200)])
def test_a09_the_host_that_a_client_names(engine, header, status):
    assert status_of(send(engine, f"GET /_ping HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n")) == status


@pytest.mark.parametrize("header", ["Origin: http://localhost", "Origin: null", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"])
def test_a09_what_browsers_say_of_themselves(engine, header):
    for method in ("GET", "POST", "OPTIONS"):
        answer = send(engine, f"{method} /containers/json HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 0\r\n{header}\r\n\r\n")
        assert status_of(answer) == 403 and b"access-control" not in answer.lower(), answer


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"])
def test_a09_json_says_that_it_is(engine, kind):
    answer = engine.api("POST", "/containers/create", json.dumps({"Image": IMAGE}).encode(), headers={"Content-Type": kind})
    assert answer.status == 400 and "Content-Type" in answer.message
    assert engine.ok("ps", "-aq") == ""


# --- A10: paths ---
HOSTILE = ["..", "..%2f..%2fetc", "%2e%2e", "%00", "a%00", "a%5cb", "a%2fb", "%", "%zz", "%c0%ae%c0%ae", "-v", "a%0d%0aX:y", "%7f", "a;b", "~root", "*"]


@pytest.mark.parametrize("operation", [o for o, swarm, _, _ in OPERATIONS if not swarm and "{" in o])
def test_a10_ids_and_names_that_are_paths(engine, operation):
    method, path = operation.split()
    before = sorted(os.listdir(engine.root))
    for hostile in HOSTILE:
        if path.startswith("/distribution") and hostile == "a%2fb":
            continue  # a name like any other, which a registry would be asked for
        url = re.sub(r"\{[a-z]+\}", lambda _: hostile, path)
        lines = [f"{method} {url} HTTP/1.1", "Host: docker", "Connection: close", "Content-Type: application/json", "Content-Length: 2", "", "{}"]
        status = status_of(send(engine, "\r\n".join(lines)))
        fine = set()
        if path.startswith("/distribution"):
            fine.add(503)  # some are names of repositories, which no registry is there to be asked about
        if path == "/volumes/{name}" and method == "DELETE":
            fine.add(204)  # only asked for with force
        assert status in {400, 403, 404, 409} | fine, (operation, hostile, status)
    assert sorted(os.listdir(engine.root)) == before and engine.process.poll() is None


@pytest.mark.parametrize("path", ["/v1.44/../info", "/v01.44/info", "/v1.044/info", "/v1/info", "/v1.44.1/info", "//info", "/info/", "/v1.44", "/./info", "/INFO"])
def test_a10_versions_and_paths_are_strict(engine, path):
    assert status_of(send(engine, get(path))) in (400, 404), path


# --- A12: streams ---
def test_a12_what_a_container_writes_stays_in_its_frames(engine):
    forged = "\\002\\000\\000\\000\\000\\000\\000\\005evil!"
    engine.ok("run", "--name", "c", IMAGE, "printf", forged)
    body = engine.api("GET", "/containers/c/logs?stdout=1&stderr=1").body
    assert body[:4] == b"\x01\0\0\0" and int.from_bytes(body[4:8], "big") == len(body) - 8 and body[8:] == b"\x02\0\0\0\0\0\0\x05evil!"


def test_a12_a_client_that_resets_its_connection(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "while :; do echo line; done")
    for _ in range(20):
        stream = Hijacked(engine.socket, "/containers/c/attach?stream=1&stdout=1")
        stream.sock.recv(1000)
        stream.close()
    assert engine.state("c")["Running"]


# --- A13: what is told ---
def test_a13_no_secret_and_no_second_line_in_the_log(engine):
    mark = len(engine.log_text())
    secret = "c2VjcmV0LXBhc3N3b3Jk"
    engine.api("POST", "/images/create?fromImage=127.0.0.1:1/x&tag=1", headers={"X-Registry-Auth": secret})
    engine.api("POST", "/auth", {"username": "u", "password": "secret-password", "serveraddress": "127.0.0.1:1"})
    engine.api("GET", "/containers/a%0Aforged%20line%1b[31m/json")
    engine.api("POST", "/containers/create?name=x%0Aforged", {"Image": "x\nforged\x1b[31m"})
    text = engine.log_text()[mark:]
    assert secret not in text and "secret-password" not in text and "\nforged" not in text and "\x1b" not in text


@pytest.mark.parametrize("method,url,body", [("GET", "/containers/no%0Asuch%1b/json", None), ("POST", "/containers/create", {"Image": "no\nsuch\x1b:1"}),
                                             ("GET", "/containers/json?filters=%7B%22a%0A%22:[]%7D", None)])
def test_a13_an_error_is_one_line_of_json(engine, method, url, body):
    answer = engine.api(method, url, body)
    assert answer.status in (400, 404) and list(answer.json) == ["message"] and engine.root not in answer.message
    assert b"\x1b" not in answer.body and answer.body.count(b"\n") == 1


# --- A14: what the engine is to its host ---
def test_a14_privileges(engine):
    assert process(engine.pid, "Umask") == ["0077"]
    assert os.stat(f"/proc/{engine.pid}/mem").st_uid == 0
    with open(f"/proc/{engine.pid}/oom_score_adj") as f:
        assert int(f.read()) <= 0
    # Not dumpable: its memory and descriptors are root's to see, and no core is written.
    assert subprocess.run(["/usr/bin/python3", "-c", f"import os; os.setgid(65534); os.setuid(65534); os.listdir('/proc/{engine.pid}/fd')"],
                          stderr=subprocess.DEVNULL).returncode != 0
    assert int(process(engine.pid, "Threads")[0]) < 64


# --- A15, A16 ---
@pytest.mark.parametrize("path", ["/debug/pprof/", "/debug/vars", "/debug/pprof/heap", "/metrics", "/v1.48/debug/pprof/", "/debug/requests"])
def test_a15_nothing_to_debug_with(engine, path):
    answer = engine.api("GET", path)
    assert answer.status == 404 and answer.message == "page not found"


def test_a16_a_bad_configuration_changes_nothing(fresh):
    engine = fresh(image=False)
    for text in ("", "{", "[]", '{"no-such-key": 1}', '{"stop_timeout": "x"}', '{"stop_timeout": -1}', "\x00", '{"log_level": "x"}', "{" * 10000):
        mark = len(engine.log_text())
        with open(engine.config_file, "w") as f:
            f.write(text)
        engine.process.send_signal(1)
        eventually(lambda: len(engine.log_text()) > mark or text == "", what=f"{text[:20]!r} is told of")
        assert engine.api("GET", "/_ping").status == 200
    assert engine.process.poll() is None
    engine.write_config()


# --- A17: identifiers ---
def test_a17_ids_and_what_they_are_looked_up_by(engine):
    ids = [engine.api("POST", f"/containers/create?name=n{n}", {"Image": IMAGE}).json["Id"] for n in range(40)]
    assert len(set(ids)) == 40 and all(re.fullmatch("[0-9a-f]{64}", i) for i in ids)
    shared = next(c for c in "0123456789abcdef" if sum(i.startswith(c) for i in ids) > 1)
    answer = engine.api("GET", f"/containers/{shared}/json")
    assert answer.status == 400 and "multiple IDs found with provided prefix: " + shared in answer.message
    assert engine.api("POST", f"/containers/create?name={ids[0][:12]}", {"Image": IMAGE}).status == 201
    assert engine.inspect(ids[0][:12])["Id"] != ids[0], "a name is meant before the beginning of an id"
    assert engine.inspect(ids[0])["Id"] == ids[0]
    assert engine.api("GET", f"/containers/{ids[1]}0/json").status == 404 and engine.api("GET", f"/containers/{ids[1].upper()}/json").status == 404


# --- A18: nobody waits for a slow start ---
def test_a18_lists_and_inspections_go_on_during_a_start_that_hangs(fresh, scratch):
    engine = fresh()
    if "container.start.before_launch" not in failpoints(engine):
        pytest.skip("needs failpoints: GANTRY_BIN=build/dev/bin")
    gate = os.path.join(scratch, "gate")
    engine.kill()
    engine.start(env={"GANTRY_FAILPOINT": f"container.start.before_launch=pause:{gate}"})
    engine.ok("create", "--name", "slow", IMAGE, "true")
    starting = engine.popen("start", "slow")
    eventually(lambda: os.path.exists(gate + ".reached"))
    for _ in range(20):
        for url in ("/containers/json?all=1", "/containers/slow/json", "/info", "/images/json", "/networks", "/volumes", "/events?until=1&since=1"):
            assert http_unix.request(engine.socket, "GET", url, timeout=5).status == 200
    assert starting.poll() is None
    open(gate, "w").close()
    assert starting.wait(20) == 0


# --- A19, A20: who may start one ---
def test_a19_only_root_starts_an_engine(engine, scratch):
    os.chmod(scratch, 0o777)
    code = f"import os; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv({engine.program('gantryd')!r}, ['gantryd', '--root', '{scratch}/r', '--run', '{scratch}/u'])"
    done = subprocess.run(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
    if "Permission denied" in done.stderr and "gantryd:" not in done.stderr:
        pytest.skip("the build directory is not readable by another user")
    assert done.returncode == 1 and "gantryd must run as root" in done.stderr, done
    assert os.listdir(scratch) == []


def test_a20_a_second_engine_and_a_socket_left_behind(fresh):
    engine = fresh(image=False)
    second = subprocess.run(engine.daemon_command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    assert second.returncode == 1 and "another gantryd" in second.stdout, second
    engine.kill()
    assert os.path.exists(engine.socket), "killed, it leaves its socket"
    engine.start()
    assert engine.api("GET", "/_ping").status == 200
    engine.kill()
    os.unlink(engine.socket)
    with open(engine.socket, "w") as f:
        f.write("not a socket")
    third = subprocess.run(engine.daemon_command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    assert third.returncode == 1 and open(engine.socket).read() == "not a socket", third
    os.unlink(engine.socket)
    engine.start()

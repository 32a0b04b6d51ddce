"""Attacks on the API by numbers: half-open connections, calls whose clients leave, bursts of events, clients that do not read (A05,
A11, A12). Whatever they cost, the engine has its threads, descriptors and memory back."""
import concurrent.futures
import json
import resource
import socket
import struct
import threading
import time

import pytest

from conftest import IMAGE
from harness import crowd, http_unix
from harness.crowd import exchange, side_by_side
from harness.http_unix import Hijacked
from harness.process import descriptors, resident, threads
from harness.waiting import eventually

HALF_OPEN, ABORTED, BURST = 2000, 10_000, 10_000
SPARE_BYTES = 24 << 20  # what an allocator may keep of a burst, and what is kept on purpose (the newest execs)


@pytest.fixture(autouse=True, scope="module")
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(engine):
    return crowd.connect(engine.socket)


class Footprint:
    """What the engine had when it was looked at; back(): it has no more again."""

    def __init__(self, engine):
        self.engine = engine
        # Idle workers go after ten seconds; what there is after that is what it needs.
        eventually(lambda: threads(engine.pid) < 16, timeout=30, interval=0.2, what="the workers have gone")
        # The next container's network and process are made ready behind the answer to the last one's start.
        seen = []
        eventually(lambda: seen.append(descriptors(engine.pid)) or len(seen) > 5 and len(set(seen[-5:])) == 1, interval=0.2, what="it stands still")
        self.threads, self.descriptors, self.resident = threads(engine.pid), descriptors(engine.pid), resident(engine.pid)

    def back(self):
        pid = self.engine.pid
        eventually(lambda: threads(pid) <= self.threads, timeout=60, interval=0.2, what=f"{self.threads} threads, not {threads(pid)}")
        eventually(lambda: descriptors(pid) <= self.descriptors, timeout=60, interval=0.2, what=f"{self.descriptors} descriptors")
        eventually(lambda: resident(pid) <= self.resident + SPARE_BYTES, timeout=60, interval=0.5,
                   what=f"{self.resident >> 20} MiB, and not much more")


def test_half_open_connections(engine):
    before = Footprint(engine)
    half = []
    for n in range(HALF_OPEN):
        s = connect(engine)
        # Nothing, the beginning of a head, and a body that does not come.
        s.sendall((b"", b"GET /_ping HTTP/1.1\r\nHost: d", b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")[n % 3])
        half.append(s)
    eventually(lambda: descriptors(engine.pid) >= before.descriptors + HALF_OPEN, what="all are accepted")
    assert resident(engine.pid) < before.resident + (80 << 20), "some 40 KiB each at most"
    for _ in range(50):
        assert engine.api("GET", "/_ping", timeout=5).status == 200
        assert engine.api("GET", "/containers/json", timeout=5).status == 200
    # A byte now and then does not keep one open.
    closed = [0]

    def drip(numbers):
        for n in numbers:
            s = half[n]
            try:
                while s.send(b"x"):
                    time.sleep(0.25)
            except OSError:
                closed[0] += 1
    dripping = [n for n in range(HALF_OPEN) if n % 3 == 1][:8]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(drip, [n]) for n in dripping]:
            future.result()
    assert closed[0] == len(dripping)
    eventually(lambda: descriptors(engine.pid) <= before.descriptors, timeout=60, interval=0.2, what="all are closed by the engine itself")
    for s in half:
        s.close()
    before.back()


def test_more_connections_than_there_may_be(engine):
    before = Footprint(engine)
    open_ones = [connect(engine) for _ in range(4096)]
    with connect(engine) as refused:
        assert b" 503 " in refused.recv(1000)
    for s in open_ones:
        s.close()
    eventually(lambda: engine.api("GET", "/_ping").status == 200)
    before.back()


def request_and_leave(engine, url, method="POST", body=b"", read=False):
    s = connect(engine)
    s.sendall(f"{method} {url} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n"
              f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    if read:
        s.recv(100)
    s.close()


def test_aborted_attach_calls(engine):
    engine.ok("run", "-di", "--name", "c", IMAGE, "cat")
    monitor = int(process_parent(engine.init_pid("c")))
    before, there = Footprint(engine), descriptors(monitor)
    side_by_side(lambda numbers: [request_and_leave(engine, "/containers/c/attach?stream=1&stdout=1&stderr=1" + "&stdin=1" * (n % 2), read=n % 4 == 0)
                                  for n in numbers], ABORTED)
    assert engine.state("c")["Running"]
    before.back()
    eventually(lambda: descriptors(monitor) <= there, timeout=60, interval=0.2, what="the monitor has let its clients go")
    stream = Hijacked(engine.socket, "/containers/c/attach?stream=1&stdin=1&stdout=1")
    stream.send(b"still here\n")
    assert b"still here" in stream.read_until(b"here\n")
    stream.close()


def process_parent(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(line.split()[1] for line in f if line.startswith("PPid:"))


def test_aborted_logs_calls(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "seq 1 20000; sleep 1000")
    eventually(lambda: b"20000\n" in engine.api("GET", "/containers/c/logs?stdout=1&tail=1").body)
    before = Footprint(engine)
    side_by_side(lambda numbers: [request_and_leave(engine, f"/containers/c/logs?stdout=1&follow={n % 2}&tail={('0', '5', '2000')[n % 3]}", "GET", read=n % 4 == 0)
                                  for n in numbers], ABORTED)
    before.back()
    assert engine.api("GET", "/containers/c/logs?stdout=1&tail=1").body.endswith(b"20000\n")


def test_aborted_exec_calls(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    body = {"Cmd": ["true"], "AttachStdout": True}
    started = json.dumps({}).encode()

    def some(numbers):
        with connect(engine) as s:
            for n in numbers:
                status, answer = exchange(s, "POST", "/containers/c/exec", body)
                assert status == 201
                # Some are started, by a client that leaves before it has an answer; most are left alone.
                if n % 20 == 0:
                    request_and_leave(engine, f"/exec/{json.loads(answer)['Id']}/start", body=started)
    side_by_side(some, 2000)  # so many are kept
    before = Footprint(engine)
    side_by_side(some, ABORTED)
    before.back()
    eventually(lambda: engine.inspect("c")["ExecIDs"] is None, timeout=60, what="every exec has ended")
    assert engine.ok("exec", "c", "echo", "still here") == "still here"


def test_an_exec_is_known_until_a_thousand_more_were_made(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    with connect(engine) as s:
        ids = [json.loads(exchange(s, "POST", "/containers/c/exec", {"Cmd": ["sh", "-c", "exit 3"]})[1])["Id"] for _ in range(2)]
        assert exchange(s, "POST", f"/exec/{ids[0]}/start", {"Detach": True})[0] == 200
        eventually(lambda: engine.api("GET", f"/exec/{ids[0]}/json").json["ExitCode"] == 3)
        for _ in range(999):
            exchange(s, "POST", "/containers/c/exec", {"Cmd": ["true"]})
        assert [engine.api("GET", f"/exec/{i}/json").status for i in ids] == [200, 200]
        for _ in range(2000):
            exchange(s, "POST", "/containers/c/exec", {"Cmd": ["true"]})
        assert [engine.api("GET", f"/exec/{i}/json").status for i in ids] == [404, 404]


class Listener:
    """Reads events as they come, on a thread of its own."""

    def __init__(self, engine, query):
        self.sock = connect(engine)
        self.sock.sendall(f"GET /events?{query} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
        self.data, self.seen, self.head = b"", 0, b""
        while b"\r\n\r\n" not in self.head:
            self.head += self.sock.recv(4096)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def run(self):
        try:
            while piece := self.sock.recv(1 << 20):
                self.data += piece
        except OSError:
            pass

    def numbers(self):
        """Of the burst's events, in the order in which they came."""
        return [int(e.rsplit(b" ", 1)[1]) for e in found(self.data)]

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        if self.thread.ident:
            self.thread.join(10)
        self.sock.close()


def found(data):
    """The actions of the burst: "exec_create: burst NUMBER"."""
    marker, at = b'"Action":"exec_create: burst ', 0
    while (at := data.find(marker, at)) >= 0:
        end = data.index(b'"', at + len(marker))
        yield data[at:end]
        at = end


FILTER = "filters=%7B%22type%22%3A%5B%22container%22%5D%7D"


def test_a_burst_of_events_is_whole_for_who_listens_and_for_who_asks_later(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    since = time.time()
    live = [Listener(engine, query).start() for query in ("", FILTER, f"since={since:.6f}")]
    late = Listener(engine, FILTER)  # reads nothing until all has happened

    def burst(numbers):
        with connect(engine) as s:
            for n in numbers:
                assert exchange(s, "POST", "/containers/c/exec", {"Cmd": ["burst", str(n)]})[0] == 201
    before = resident(engine.pid)
    side_by_side(burst, BURST)
    whole = list(range(BURST))
    for listener in live:
        eventually(lambda: len(listener.numbers()) >= BURST, timeout=60, interval=0.2)
        assert sorted(listener.numbers()) == whole and b'"gap"' not in listener.data
        listener.close()
    assert resident(engine.pid) < before + (64 << 20)
    late.start()
    eventually(lambda: len(late.numbers()) >= BURST, timeout=60, interval=0.2)
    assert sorted(late.numbers()) == whole and b'"gap"' not in late.data
    late.close()
    until = time.time() + 0.001
    for query in (f"since={since:.6f}&until={until:.6f}", f"since={since:.6f}&until={until:.6f}&{FILTER}"):
        replay = [int(e.rsplit(b" ", 1)[1]) for e in found(engine.api("GET", "/events?" + query).body)]
        assert sorted(replay) == whole, len(replay)
        assert replay == live[0].numbers(), "in the same order as it was told live"


def test_listeners_that_do_not_read_cost_no_memory(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    deaf = [Listener(engine, query) for query in ["", "since=1"] * 20]
    before = resident(engine.pid)

    def burst(numbers):
        with connect(engine) as s:
            for n in numbers:
                assert exchange(s, "POST", "/containers/c/exec", {"Cmd": ["burst", str(n)]})[0] == 201
    side_by_side(burst, 5000)
    assert engine.api("GET", "/_ping").status == 200
    assert resident(engine.pid) < before + (64 << 20), "40 times what waits for one in the store would be more"
    for listener in deaf:
        listener.close()
    eventually(lambda: engine.api("GET", "/info").json["NEventsListener"] == 0)


def test_a_reader_of_logs_that_does_not_read_costs_no_memory(engine):
    engine.ok("run", "-d", "--name", "c", "--log-opt", "max-size=100m", IMAGE, "sh", "-c", "while :; do head -c 1000000 /dev/zero | tr '\\0' x; echo; done")
    eventually(lambda: len(engine.api("GET", "/containers/c/logs?stdout=1&tail=3").body) > 1_000_000)
    before = resident(engine.pid)
    deaf = []
    for _ in range(20):
        s = connect(engine)
        s.sendall(b"GET /containers/c/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: docker\r\n\r\n")
        deaf.append(s)
    for s in deaf:
        assert s.recv(12)
    answers = [engine.api("GET", "/_ping", timeout=5).status for _ in range(100)]
    assert set(answers) == {200} and resident(engine.pid) < before + (96 << 20)
    for s in deaf:
        s.close()
    assert engine.state("c")["Running"]


def test_clients_that_ask_for_much_do_not_keep_others_waiting(engine):
    """Followed logs, waits and statistics of many clients leave room for the rest."""
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    before = Footprint(engine)
    long = []
    for n in range(300):
        s = connect(engine)
        method, url = (("GET", "/containers/c/logs?stdout=1&follow=1"), ("POST", "/containers/c/wait"), ("GET", "/containers/c/stats"))[n % 3]
        s.sendall(f"{method} {url} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n".encode())
        long.append(s)
    for s in long:
        assert s.recv(12) == b"HTTP/1.1 200"
    for _ in range(50):
        assert http_unix.request(engine.socket, "GET", "/containers/json", timeout=5).status == 200
    engine.ok("run", "--rm", IMAGE, "true", timeout=20)
    for s in long:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    before.back()

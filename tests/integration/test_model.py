"""kill -9 of the daemon, again and again, while eight clients create, start, stop and remove: what they were told is true
afterwards, and nothing else is left (H2)."""
import os
import random
import threading
import time

import pytest

from conftest import IMAGE
from harness import census, http_unix

SECONDS = float(os.environ.get("GANTRY_MODEL_SECONDS", "25"))


class Client(threading.Thread):
    """Knows of each of its containers what it was told: "absent", "created", "running", "stopped"; after an operation that
    had no answer, or an error, both the state before and the one after it may be true."""

    def __init__(self, e, number, until):
        super().__init__()
        self.e, self.number, self.until = e, number, until
        self.random = random.Random(number)
        self.may = {f"m{number}-{i}": {"absent"} for i in range(3)}
        self.done, self.problems = 0, []

    def call(self, method, url, body=None):
        try:
            return http_unix.request(self.e.socket, method, url, body, timeout=60).status
        except OSError:
            return None
        except Exception:  # the answer was cut off
            return None

    def step(self, name):
        may = self.may[name]
        operation = self.random.choice(["create", "start", "start", "stop", "remove"])
        if operation == "create":
            status = self.call("POST", f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": ["sleep", "1000"]})
            told, wrong, after = (201,), {201: {"created", "running", "stopped"}, 409: {"absent"}}, {"created"}
        elif operation == "start":
            status = self.call("POST", f"/containers/{name}/start")
            told, wrong, after = (204, 304), {204: {"absent", "running"}, 304: {"absent", "created", "stopped"}, 404: {"created", "running", "stopped"}}, {"running"}
        elif operation == "stop":
            status = self.call("POST", f"/containers/{name}/stop?t=0")
            told, wrong, after = (204, 304), {204: {"absent", "created", "stopped"}, 304: {"absent", "running"}, 404: {"created", "running", "stopped"}}, {"stopped"}
            if status == 304:
                after = may - {"running"}
        else:
            status = self.call("DELETE", f"/containers/{name}?force=1")
            told, wrong, after = (204,), {204: {"absent"}, 404: {"created", "running", "stopped"}}, {"absent"}
        if status is None or status >= 500:
            # Not told: it may have been done, or not. A start that was undone leaves what was there before.
            if may != {"absent"} or operation == "create":
                # A removal by force stops first.
                if operation == "remove" and "running" in may:
                    after = after | {"stopped"}
                self.may[name] = may | (after if may - {"absent"} or operation == "create" else set())
            time.sleep(0.02)
            return
        self.done += 1
        # Every state that it may have had contradicts the answer: the model is broken.
        if status in wrong and may <= wrong[status]:
            self.problems.append(f"{name}: {operation} gave {status} although it was {may}")
        if status in told:
            self.may[name] = set(after) or {"created", "stopped"}
        elif status == 404:
            self.may[name] = {"absent"}
        elif status == 409 and operation == "create":
            self.may[name] = may - {"absent"}

    def run(self):
        while time.monotonic() < self.until:
            self.step(self.random.choice(sorted(self.may)))


@pytest.mark.slow
def test_eight_clients_and_a_daemon_that_is_killed(fresh):
    e = fresh()
    e.ok("run", "--rm", IMAGE, "true")
    before = census.standing(e)
    until = time.monotonic() + SECONDS
    clients = [Client(e, n, until) for n in range(8)]
    for c in clients:
        c.start()
    chance, kills = random.Random(1), 0
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.1, 2.5))
        e.kill()
        kills += 1
        e.start(wait=False)
    for c in clients:
        c.join(90)
    assert not any(c.is_alive() for c in clients), "a client hangs"
    e.wait_ready()
    found = {x["Names"][0][1:]: x for x in e.api("GET", "/containers/json?all=1").json}
    problems = [p for c in clients for p in c.problems]
    for c in clients:
        for name, may in c.may.items():
            state = "absent" if name not in found else {"running": "running", "created": "created"}.get(found[name]["State"], "stopped")
            if state not in may:
                problems.append(f"{name} is {state}, but was told to be one of {sorted(may)}")
    assert not problems, "\n".join(problems)
    assert kills >= 3 and sum(c.done for c in clients) > 50, (kills, [c.done for c in clients])
    # Those that run do so really, each with an address of its own, and all can be removed.
    addresses = [e.address(n) for n, x in found.items() if x["State"] == "running"]
    assert len(addresses) == len(set(addresses))
    for n, x in found.items():
        if x["State"] == "running":
            os.kill(e.init_pid(n), 0)
    e.remove_all()
    left = census.left_over(e, before)
    assert not left, "\n".join(left)

"""Docker's description of the Engine API, walked: every operation is there, and every status code that it documents is given
for the request that asks for it. operations.txt is made of the description by list_operations.py."""
import os
import socket

import pytest

from api.cases import CASES, IMPOSSIBLE
from api.world import World
from conftest import make_engine
from harness import http_unix
from harness.waiting import eventually

NOT_A_MANAGER = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'
SWARM_WORDS = {"POST /swarm/leave": "This node is not part of a swarm", "POST /swarm/init": "swarm mode is not supported",
               "POST /swarm/join": "swarm mode is not supported"}


def read_operations():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "api", "operations.txt")) as f:
        for line in f:
            method, path, swarm, statuses, parameters = line.split()
            yield f"{method} {path}", swarm == "swarm", [int(s) for s in statuses.split(",")], parameters.split(",")


OPERATIONS = list(read_operations())
OWN = [(operation, statuses) for operation, swarm, statuses, _ in OPERATIONS if not swarm]
WALK = [(operation, status) for operation, statuses in OWN for status in statuses if status in CASES.get(operation, {})]


@pytest.fixture(scope="module")
def world():
    engine = make_engine()
    w = World(engine)
    yield w
    w.close()
    problem = engine.destroy()
    assert not problem, problem


def check_shape(answer, operation):
    if answer.status >= 400 and not operation.startswith("HEAD"):
        assert answer.headers["content-type"].startswith("application/json"), answer
        assert list(answer.json) == ["message"] and isinstance(answer.message, str) and answer.message, answer
    if answer.status in (204, 304):
        assert not answer.body, answer
    for header in ("api-version", "ostype", "docker-experimental", "server"):
        assert answer.headers.get(header), (header, answer.headers)


@pytest.mark.parametrize("operation,status", WALK, ids=[f"{o}-{s}" for o, s in WALK])
def test_documented_status(world, operation, status):
    answer = CASES[operation][status](world)
    assert answer.status == status, answer
    check_shape(answer, operation)


@pytest.mark.parametrize("operation", [operation for operation, swarm, _, _ in OPERATIONS if swarm])
def test_outside_a_swarm(world, operation):
    method, path = operation.split()
    answer = world.request(method, path.replace("{id}", "x"), {} if method == "POST" else None)
    assert answer.status == 503, answer
    assert answer.message == SWARM_WORDS.get(operation, NOT_A_MANAGER)


def test_every_documented_status_has_a_case(capsys):
    wanted = {(operation, status) for operation, statuses in OWN for status in statuses if status != 500}
    known = {(operation, status) for operation, cases in CASES.items() for status in cases}
    assert known <= wanted, f"not documented: {sorted(known - wanted)}"
    without = sorted(wanted - known - set(IMPOSSIBLE))
    with capsys.disabled():
        print(f"\n{len(OWN)} operations and {len(wanted)} answers of the API besides 500: {len(known)} with a case, "
              f"{len(IMPOSSIBLE)} that cannot be, {len(without)} without")
    assert not without


def a_url(operation):
    method, path = operation.split()
    return method, path.replace("{id}", "running").replace("{name}", "x")


def test_a_fault_of_the_engine_is_500():
    """Every operation, by a failpoint where requests are handed to their handlers."""
    engine = make_engine(image=False)
    try:
        if "http.handle" not in failpoints(engine):
            pytest.skip("needs failpoints: GANTRY_BIN=build/dev/bin")
        engine.kill()
        engine.start(env={"GANTRY_FAILPOINT": "http.handle=error"}, wait=False)
        eventually(lambda: listens(engine.socket), what="gantryd listens")
        for operation, statuses in OWN:
            if 500 not in statuses:
                continue
            method, url = a_url(operation)
            answer = http_unix.request(engine.socket, method, url, {} if method == "POST" else None)
            assert answer.status == 500, (operation, answer)
            check_shape(answer, operation)
        engine.kill()
        engine.start()
    finally:
        problem = engine.destroy()
    assert not problem, problem


def failpoints(engine):
    import subprocess
    out = subprocess.run([engine.program("gantryd"), "--list-failpoints"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return out.stdout.split()


def listens(path):
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
        return True
    except OSError:
        return False

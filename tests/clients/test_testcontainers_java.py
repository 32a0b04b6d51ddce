"""testcontainers for Java, with docker-java below it: what test suites written in Java do (java/Testcontainers.java), and its
reaper."""
import os
import re
import subprocess
import time

import pytest

import reaper
from conftest import IMAGE
from harness.waiting import eventually
from installed import HERE, installed

PROGRAM = os.path.join(HERE, "java", "Testcontainers.java")
with open(PROGRAM) as f:
    CHECKS = [name for name in re.findall(r'^ +Map\.entry\("(\w+)"', f.read(), re.M)]
# A host that is itself in a container would be looked for elsewhere; the image for the start-up check is in a registry that is not reached.
SETTINGS = {"IMAGE": IMAGE, "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1", "TESTCONTAINERS_CHECKS_DISABLE": "true"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The class path: the program's classes, and the jars."""
    jars, classes = os.path.join(installed("java"), "jars", "*"), tmp_path_factory.mktemp("classes")
    done = subprocess.run(["javac", "-d", str(classes), "-cp", jars, PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:]
    return f"{classes}:{jars}"


def run(name, path, engine, home, **more):
    done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", f"-Duser.home={home}", "-cp", path, "Testcontainers", name], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, env=engine.environment(**SETTINGS, **more))
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("name", CHECKS)
def test_testcontainers(name, path, engine, tmp_path):
    run(name, path, engine, tmp_path, TESTCONTAINERS_RYUK_DISABLED="true")
    assert reaper.nothing_is_left(engine)


def test_what_is_left_is_reaped(path, engine, tmp_path):
    reaper.load(engine, tmp_path)
    since = time.time()
    run("left", path, engine, tmp_path)
    eventually(lambda: reaper.nothing_is_left(engine), timeout=60, interval=0.1, what="the reaper has removed what was left")
    happened = reaper.events(engine, since)
    assert {image for action, image in happened if action == "destroy"} == {reaper.TAG, IMAGE + ":latest"}, happened
    engine.ok("rmi", reaper.TAG)

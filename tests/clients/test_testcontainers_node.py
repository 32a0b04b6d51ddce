"""testcontainers of the npm registry: what test suites written in JavaScript do (node/testcontainers.js)."""
import os
import re
import subprocess

import pytest

from conftest import IMAGE
from installed import HERE, installed

PROGRAM = os.path.join(HERE, "node", "testcontainers.js")
with open(PROGRAM) as f:
    CHECKS = re.findall(r"^  async (\w+)\(\) \{", f.read(), re.M)
# The reaper's image is in a registry that is not reached; a host that is itself in a container would be looked for elsewhere.
SETTINGS = {"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1"}


@pytest.fixture(scope="module")
def place():
    return installed("node")


@pytest.mark.parametrize("name", CHECKS)
def test_testcontainers(name, place, engine):
    more = {"IMAGE": IMAGE, "NODE_PATH": os.path.join(place, "node_modules"), **SETTINGS}
    done = subprocess.run(["node", PROGRAM, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, env=engine.environment(**more))
    assert done.returncode == 0, done.stdout[-4000:]
    assert engine.api("GET", "/containers/json?all=1").json == []

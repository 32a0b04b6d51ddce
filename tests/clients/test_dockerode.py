"""dockerode of the npm registry: what programs written in JavaScript do with an engine in a day (node/dockerode.js)."""
import os
import re
import subprocess

import pytest

from conftest import IMAGE
from harness.registries import DockerRegistry
from installed import HERE, installed

PROGRAM = os.path.join(HERE, "node", "dockerode.js")
with open(PROGRAM) as f:
    CHECKS = re.findall(r"^  async (\w+)\(\) \{", f.read(), re.M)


@pytest.fixture(scope="module")
def place():
    return installed("node")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    r = DockerRegistry(str(tmp_path_factory.mktemp("registry"))).start()
    yield r
    r.stop()


@pytest.mark.parametrize("name", CHECKS)
def test_dockerode(name, place, engine, registry):
    more = {"IMAGE": IMAGE, "REGISTRY": registry.host, "NODE_PATH": os.path.join(place, "node_modules")}
    done = subprocess.run(["node", PROGRAM, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, env=engine.environment(**more))
    assert done.returncode == 0, done.stdout[-4000:]

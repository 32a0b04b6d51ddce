"""The reaper of testcontainers, a container that removes what a test run has left: an image with a program of our own in it
(go/ryuk), for the real one is in a registry that is not reached. It asks the engine through the socket that is mounted into it."""
import json
import os
import shutil
import subprocess
import time

import pytest

from conftest import HERE
from harness import archives

TAG = "testcontainers/ryuk:0.14.0"  # what testcontainers for Go 0.45.0 and for Java 2.0.5 ask for


def load(engine, directory):
    """Makes the image TAG in the engine; what is built is in `directory`. Skips where Go is not installed."""
    if not shutil.which("go"):
        pytest.skip("the reaper's image: go is not installed")
    program = os.path.join(str(directory), "ryuk")
    done = subprocess.run(["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "."], cwd=os.path.join(HERE, "go", "ryuk"), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, env={**os.environ, "CGO_ENABLED": "0"})
    assert done.returncode == 0, done.stdout
    with open(program, "rb") as f:
        layer = archives.Tar().add("ryuk", f.read(), mode=0o755).bytes()
    layers = [*archives.busybox_layers(), layer]
    engine.load(archives.docker_archive(layers, [TAG], archives.config_of(layers, Entrypoint=["/ryuk"], ExposedPorts={"8080/tcp": {}})))


def events(engine, since):
    """What happened to containers since then, in order: (action, image)."""
    text = engine.api("GET", f"/events?since={since}&until={time.time() + 1:.9f}&filters=" + '{"type":["container"]}').body
    return [(e["Action"], e["Actor"]["Attributes"]["image"]) for e in map(json.loads, text.splitlines())]


def nothing_is_left(engine):
    """Neither containers, nor networks or volumes of clients."""
    return engine.api("GET", "/containers/json?all=1").json == [] and engine.api("GET", "/volumes").json["Volumes"] == [] \
        and {n["Name"] for n in engine.api("GET", "/networks").json} <= {"bridge", "host", "none"}

"""`scripts/quickstart` on a used machine, twice, and what it leaves: nothing."""
import os
import subprocess

import pytest

from harness import census
from harness.engine import REPOSITORY, binaries

pytestmark = pytest.mark.slow


def test_quickstart_leaves_nothing():
    if os.path.realpath(binaries()) != os.path.realpath(os.path.join(REPOSITORY, "build/release/bin")):
        pytest.skip("build/release is not what is tested")
    before = {"links": census.links(), "tables": census.tables()}
    done = subprocess.run([os.path.join(REPOSITORY, "scripts/quickstart"), "--port", "24900"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=900, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-4000:]
    # On loopback, from another container, and on the host's own address where it has one.
    assert done.stdout.count('\n[{"id":1,"username":"user1",') >= 2
    assert "CONTAINER ID" in done.stdout and "->80/tcp" in done.stdout
    for directory in ("/var/lib/gantry-quickstart", "/run/gantry-quickstart"):
        assert not os.path.exists(directory)
    assert not census.processes_under("quickstart", "/run/gantry-quickstart") and not census.cgroups_of("quickstart")
    assert not census.difference(before, {"links": census.links(), "tables": census.tables()})

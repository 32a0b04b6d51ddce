"""A commit that is killed, fails or finds the disk full at each of its failpoints leaves nothing and can be asked for again."""
import os

import pytest

from conftest import IMAGE
from harness.waiting import eventually

FAILPOINTS = ["container.commit.paused", "image.layer.prepared", "image.layer.applied", "image.layer.committed", "image.blob.written",
              "image.commit.before_record"]


def files(e):
    below = ((os.path.relpath(d, e.root), names) for d, _, names in os.walk(e.root))
    return sorted(os.path.join(d, n) for d, names in below for n in names
                  if d != "." and not d.startswith(("drivers/overlayfs/trash", "drivers/overlayfs/spare", "removed", "containers")))


@pytest.mark.parametrize("point", FAILPOINTS)
@pytest.mark.parametrize("action", ["kill", "error", "enospc"])
def test_a_commit_cut_off_leaves_nothing(fresh, point, action):
    e = fresh(preset="dev")
    e.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "echo x > /new; sleep 300")
    eventually(lambda: e("exec", "c", "test", "-e", "/new").code == 0)
    images, before = e.ok("images", "-aq"), files(e)
    e.restart(env={"GANTRY_FAILPOINT": f"{point}={action}"})
    eventually(lambda: e.state("c")["Status"] == "running")
    assert e("commit", "c", "test/cut:1").code != 0
    if action == "kill":
        assert e.process.wait(20) == -9
    else:
        assert e.kill() == -9
    e.start()
    # It is not left paused.
    eventually(lambda: e.state("c")["Status"] == "running")
    assert e.ok("images", "-aq") == images
    eventually(lambda: files(e) == before, timeout=10, interval=0.2)
    e.ok("commit", "c", "test/cut:1")
    assert e.ok("run", "--rm", "test/cut:1", "cat", "/new") == "x"

"""Limits: what was asked for is in the control group files, and holds."""
import glob
import os

import pytest

from conftest import IMAGE
from harness.waiting import eventually


def group(engine, name, controller):
    """The directory of the container's control group for a v1 controller, or of the v2 group."""
    with open(f"/proc/{engine.init_pid(name)}/cgroup") as f:
        for line in f:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                return f"/sys/fs/cgroup/{controllers}{path}"
            if controllers == "" and os.path.exists(f"/sys/fs/cgroup{path}/{controller}.stat"):
                return f"/sys/fs/cgroup{path}"
    pytest.skip(f"this kernel has no controller \"{controller}\"")


def value(directory, v1, v2):
    for name in (v1, v2):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            with open(path) as f:
                return f.read().strip()
    raise AssertionError(f"neither {v1} nor {v2} in {directory}: {os.listdir(directory)}")


def run(engine, *flags):
    engine.ok("run", "-d", "--name", "c", *flags, IMAGE, "sleep", "1000")


def test_memory(engine):
    run(engine, "-m", "32m", "--memory-reservation", "16m")
    directory = group(engine, "c", "memory")
    assert value(directory, "memory.limit_in_bytes", "memory.max") == str(32 << 20)
    assert value(directory, "memory.soft_limit_in_bytes", "memory.low") == str(16 << 20)


def test_out_of_memory_is_told(engine):
    done = engine("run", "--name", "c", "-m", "32m", IMAGE, "probe", "grow", "256")
    state = engine.state("c")
    assert done.code == 137 and state["OOMKilled"] is True and state["ExitCode"] == 137


def test_processor(engine):
    run(engine, "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0")
    directory = group(engine, "c", "cpu")
    quota = value(directory, "cpu.cfs_quota_us", "cpu.max").split()[0]
    assert quota == "50000"
    assert engine.ok("exec", "c", "sh", "-c", "grep Cpus_allowed_list /proc/self/status").split()[1] == "0"


def test_processes(engine):
    assert int(engine.ok("run", "--rm", "--pids-limit", "20", IMAGE, "sh", "-c", "probe forks 100 > /n 2>/dev/null; cat /n")) < 20
    run(engine)
    assert value(group(engine, "c", "pids"), "pids.max", "pids.max") == "4096"


def test_a_fork_bomb_leaves_the_engine_well(engine):
    run(engine, "--pids-limit", "100")
    engine("exec", "-d", "c", "sh", "-c", "f() { f | f & }; f")
    for _ in range(20):
        assert engine.ok("ps", "-q", timeout=5)
    engine.ok("rm", "-f", "c", timeout=20)


def test_open_files(engine):
    assert engine.ok("run", "--rm", "--ulimit", "nofile=100:200", IMAGE, "sh", "-c", "ulimit -Sn; ulimit -Hn") == "100\n200"
    assert engine.ok("run", "--rm", "--ulimit", "core=0", IMAGE, "sh", "-c", "ulimit -Hc") == "0"
    engine.fails("run", "--rm", "--ulimit", "nosuch=1", IMAGE, "true", code=125, match="nosuch")
    engine.fails("run", "--rm", "--ulimit", "nofile=200:100", IMAGE, "true", code=125, match="nofile")


def test_more_than_the_machine_allows_is_clamped(engine):
    engine.ok("run", "--rm", "--ulimit", "nofile=1048576:1048576", IMAGE, "true")


def test_out_of_memory_score(engine):
    run(engine, "--oom-score-adj", "500")
    assert engine.ok("exec", "c", "cat", "/proc/1/oom_score_adj") == "500"


def test_kernel_settings(engine):
    out = engine.ok("run", "--rm", "--sysctl", "net.ipv4.ip_forward=0", "--sysctl", "kernel.msgmax=4096", IMAGE,
                    "cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax")
    assert out == "0\n4096"
    for bad in ("kernel.panic=1", "vm.swappiness=1", "net.ipv4.ip_forward=1\n2", "../../x=1", "kernel/shmmax%=1"):
        engine.fails("run", "--rm", "--sysctl", bad, IMAGE, "true", code=125)


@pytest.mark.parametrize("bad", [("-m", "1k"), ("-m", "x"), ("-m", "-5m"), ("--cpus", "0.000001"), ("--cpus", "x"), ("--cpus", "10000"),
                                 ("--pids-limit", "x"), ("--cpuset-cpus", "9999"), ("--shm-size", "x"), ("--oom-score-adj", "5000")])
def test_nonsense_is_refused(engine, bad):
    engine.fails("run", "--rm", *bad, IMAGE, "true", code=125)


def test_groups_are_gone_with_the_container(engine):
    run(engine)
    name = engine.inspect("c")["Id"]
    directory = group(engine, "c", "memory")
    assert glob.glob(directory)
    engine.ok("rm", "-f", "c")
    eventually(lambda: not [d for root in glob.glob("/sys/fs/cgroup/*") for d, _, _ in os.walk(root) if name in d])


def test_a_parent_outside_the_engine_is_refused(engine):
    for bad in ("../..", "/../../x"):
        engine.fails("run", "--rm", "--cgroup-parent", bad, IMAGE, "true", code=125)

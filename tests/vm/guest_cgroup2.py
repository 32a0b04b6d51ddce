"""Runs in the guest: limits, devices, pause, statistics and exit by memory on cgroup v2 alone."""
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

from harness import census  # noqa: E402
from harness.engine import Engine  # noqa: E402
from harness.waiting import eventually  # noqa: E402

IMAGE = "test/busybox"


def group(e, name):
    with open(f"/proc/{e.init_pid(name)}/cgroup") as f:
        lines = f.read().splitlines()
    assert len(lines) == 1 and lines[0].startswith("0::/"), lines
    return "/sys/fs/cgroup" + lines[0][3:]


def read(directory, name):
    with open(os.path.join(directory, name)) as f:
        return f.read().strip()


def limits(e):
    e.ok("run", "-d", "--name", "c", "-m", "32m", "--memory-reservation", "16m", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0",
         "--pids-limit", "50", IMAGE, "sleep", "1000")
    d = group(e, "c")
    assert read(d, "memory.max") == str(32 << 20) and read(d, "memory.low") == str(16 << 20)
    assert read(d, "cpu.max") == "50000 100000" and read(d, "cpuset.cpus") == "0" and read(d, "pids.max") == "50"
    assert 1 < int(read(d, "cpu.weight")) < 100


def defaults(e):
    e.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    d = group(e, "c")
    assert read(d, "pids.max") == "4096" and read(d, "memory.max") == "max"
    name = e.inspect("c")["Id"]
    e.ok("rm", "-f", "c")
    eventually(lambda: not [x for x, _, _ in os.walk("/sys/fs/cgroup") if name in x])


def killed_by_memory(e):
    done = e("run", "--name", "c", "-m", "32m", "--memory-swap", "32m", IMAGE, "probe", "grow", "256", timeout=120)
    assert done.code == 137 and e.state("c")["OOMKilled"] is True, (done, e.state("c"))


def devices(e):
    """The device rules are a BPF program here."""
    flags = ("run", "--rm", "--cap-add", "MKNOD", IMAGE, "probe")
    assert e.ok(*flags, "char", "1", "3") == "ok"
    for question in (("char", "1", "1"), ("block", "254", "0"), ("char", "10", "229")):
        assert e.ok(*flags, *question) == "errno 1", question


def pause(e):
    e.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done")
    e.ok("pause", "c")
    assert "frozen 1" in read(group(e, "c"), "cgroup.events")
    seen = e.ok("logs", "-n", "1", "c")
    time.sleep(1)
    assert e.ok("logs", "-n", "1", "c") == seen
    e.ok("unpause", "c")
    eventually(lambda: e.ok("logs", "-n", "1", "c") != seen, timeout=30)


def statistics(e):
    e.ok("run", "-d", "--name", "c", "-m", "64m", IMAGE, "sh", "-c", "while :; do :; done")
    eventually(lambda: e.api("GET", "/containers/c/stats?stream=false").json["cpu_stats"]["cpu_usage"]["total_usage"] > 0, timeout=30)
    answer = e.api("GET", "/containers/c/stats?stream=false").json
    assert answer["memory_stats"]["limit"] == 64 << 20 and answer["pids_stats"]["current"] >= 1
    e.ok("exec", "c", "true")


def inside(e):
    out = e.ok("run", "--rm", IMAGE, "sh", "-c", "cat /proc/self/cgroup; grep ' /sys/fs/cgroup ' /proc/mounts; mkdir /sys/fs/cgroup/x 2>&1; true").splitlines()
    assert out[0] == "0::/" and out[1].split()[2] == "cgroup2" and out[1].split()[3].startswith("ro") and "ead-only" in out[2], out


def network(e):
    e.ok("run", "-d", "--name", "web", "-p", "4000:80", IMAGE, "sh", "-c", "mkdir /www; echo page > /www/index.html; exec httpd -f -p 80 -h /www")
    eventually(lambda: e.ok("run", "--rm", IMAGE, "probe", "get", "web", timeout=120) == "page", timeout=120)


def main():
    e = Engine()
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    failed = 0
    try:
        e.start(wait=False)
        e.wait_ready(120)
        e.load(image)
        for check in (limits, defaults, killed_by_memory, devices, pause, statistics, inside, network):
            try:
                check(e)
                print(f"ok {check.__name__}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {check.__name__}\n{traceback.format_exc(limit=-3)}", flush=True)
            e.remove_all()
        problem = e.shutdown()
        left = {k: v for k, v in census.own(e).items() if v and k != "files"}
        if problem or left:
            failed += 1
            print(f"not ok shutdown\n{problem}{left}", flush=True)
        else:
            print("ok shutdown", flush=True)
    finally:
        if failed:
            print(e.log_text()[-3000:], flush=True)
    sys.exit(1 if failed else 0)


main()

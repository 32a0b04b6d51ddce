"""What the workload may and may not do: the rows of the catalogue of attacks that can be tried from outside and inside."""
import hashlib
import os
import stat

import pytest

from conftest import IMAGE
from harness import archives
from harness.archives import Tar, config_of, docker_archive
from harness.waiting import eventually

# CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP
DEFAULT_CAPABILITIES = sum(1 << n for n in (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31))


def status(engine, *flags, command=("cat", "/proc/self/status")):
    out = engine.ok("run", "--rm", *flags, IMAGE, *command)
    return dict(line.split(":\t", 1) for line in out.splitlines() if ":\t" in line)


def probe(engine, *question, flags=()):
    return engine.ok("run", "--rm", *flags, IMAGE, "probe", *question)


def test_default_capabilities(engine):
    s = status(engine)
    assert int(s["CapBnd"], 16) == int(s["CapEff"], 16) == int(s["CapPrm"], 16) == DEFAULT_CAPABILITIES
    assert int(s["CapInh"], 16) == int(s["CapAmb"], 16) == 0


def test_capabilities_added_and_dropped(engine):
    assert int(status(engine, "--cap-drop", "ALL")["CapBnd"], 16) == 0
    assert int(status(engine, "--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "CAP_KILL")["CapEff"], 16) == 1 | 1 << 5
    assert int(status(engine, "--cap-add", "NET_ADMIN")["CapEff"], 16) == DEFAULT_CAPABILITIES | 1 << 12
    assert int(status(engine, "--cap-add", "SYS_ADMIN", "--cap-drop", "CHOWN")["CapEff"], 16) == (DEFAULT_CAPABILITIES | 1 << 21) & ~1
    engine.fails("run", "--rm", "--cap-add", "NO_SUCH", IMAGE, "true", code=125, match="NO_SUCH")


def test_no_capabilities_for_other_users(engine):
    for flags in (("-u", "1000"), ("-u", "1000", "--cap-add", "NET_ADMIN")):
        s = status(engine, *flags)
        assert int(s["CapEff"], 16) == int(s["CapPrm"], 16) == int(s["CapInh"], 16) == 0


def test_no_new_privileges_for_other_users(engine):
    assert status(engine, "-u", "1000")["NoNewPrivs"] == "1"
    assert status(engine)["NoNewPrivs"] == "0"
    assert status(engine, "--security-opt", "no-new-privileges")["NoNewPrivs"] == "1"


def test_seccomp_is_on(engine):
    s = status(engine)
    assert s["Seccomp"] == "2"
    assert status(engine, "--security-opt", "seccomp=unconfined")["Seccomp"] == "0"
    engine.fails("run", "--rm", "--security-opt", "seccomp=/no/such/file", IMAGE, "true", code=125, match="/no/such/file")
    engine.fails("run", "--rm", "--security-opt", "nonsense=1", IMAGE, "true", code=125, match="nonsense")


def test_system_calls_that_are_denied(engine):
    assert probe(engine, "socket", "38", "5", "0") == "errno 1"      # AF_ALG (S20)
    assert probe(engine, "socket", "40", "1", "0") == "errno 1"      # AF_VSOCK
    assert probe(engine, "socket", "2", "1", "0") == "ok"
    assert probe(engine, "mount") == "errno 1"
    assert probe(engine, "clone-user") == "errno 1"
    assert probe(engine, "syscall", "435") == "errno 38"             # clone3: callers fall back to clone
    assert probe(engine, "syscall", "1000") == "errno 38"            # unknown: as on an old kernel
    for number in (175, 246, 321, 298, 323, 425, 167, 169, 248, 304):  # modules, kexec, bpf, perf, userfaultfd, io_uring, swap, reboot, keys, open by handle
        assert probe(engine, "syscall", str(number)) in ("errno 1", "errno 38"), number


def test_a_profile_of_ones_own(engine, scratch):
    path = os.path.join(scratch, "profile.json")
    with open(path, "w") as f:
        f.write('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]}')
    done = engine("run", "--rm", "--security-opt", f"seccomp={path}", IMAGE, "mkdir", "/x")
    assert done.code != 0 and "ssign" in done.err  # EADDRNOTAVAIL
    with open(path, "w") as f:
        f.write("{")
    engine.fails("run", "--rm", "--security-opt", f"seccomp={path}", IMAGE, "true", code=125)


MASKED = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
          "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/bpf",
          "/sys/kernel/security", "/sys/kernel/debug", "/sys/kernel/tracing"]


def test_masked_paths_show_nothing(engine):
    script = ";".join(f'if [ -d {p} ]; then echo "{p} $(ls -A {p} | wc -l)"; elif [ -e {p} ]; then echo "{p} $(head -c1 {p} | wc -c)"; fi' for p in MASKED)
    for line in engine.ok("run", "--rm", IMAGE, "sh", "-c", script).splitlines():
        assert line.endswith(" 0"), line


@pytest.mark.parametrize("path", ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/power", "/sys/kernel"])
def test_read_only_paths(engine, path):
    out = engine.ok("run", "--rm", IMAGE, "sh", "-c", f"[ -e {path} ] || exit 0; if [ -d {path} ]; then mkdir {path}/x; else echo x > {path}; fi 2>&1 || true")
    assert out == "" or "ead-only" in out or "ermission" in out or "not permitted" in out or "No such file" in out  # procfs knows no mkdir, out


def test_devices(engine):
    out = engine.ok("run", "--rm", IMAGE, "ls", "/dev").split()
    assert {"null", "zero", "full", "random", "urandom", "tty", "pts", "shm", "mqueue", "fd", "stdin", "stdout", "stderr", "ptmx"} <= set(out)
    assert not [d for d in out if d.startswith(("sd", "vd", "mem", "kmsg", "fuse", "loop", "kvm"))]
    assert engine.ok("run", "--rm", "-t", IMAGE, "sh", "-c", "[ -c /dev/console ] && echo yes").strip() == "yes"


def test_device_nodes_of_ones_own_open_nothing(engine):
    flags = ("--cap-add", "MKNOD")
    assert probe(engine, "char", "1", "3", flags=flags) == "ok"
    for question in (("char", "1", "1"), ("block", "254", "0"), ("block", "8", "0"), ("char", "10", "229"), ("char", "10", "237")):
        assert probe(engine, *question, flags=flags) == "errno 1", question
    assert probe(engine, "char", "1", "3") == "errno 1"  # no CAP_MKNOD by default


def test_a_device_that_was_asked_for(engine):
    out = engine.ok("run", "--rm", "--device", "/dev/full:/dev/mine:r", IMAGE, "sh", "-c", "head -c4 /dev/mine | wc -c; echo x > /dev/mine 2>/dev/null || echo refused")
    assert out == "4\nrefused"
    engine.fails("run", "--rm", "--device", "/dev/no-such", IMAGE, "true", code=125, match="/dev/no-such")


def test_only_standard_descriptors(engine):
    for flags in ((), ("--init",), ("-i",), ("-t",)):
        lines = probe(engine, "fds", flags=flags).replace("\r", "").splitlines()
        assert [line.split()[0] for line in lines] == ["0", "1", "2"], (flags, lines)
        for line in lines:
            assert "/root/" not in line and engine.base not in line
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    assert [line.split()[0] for line in engine.ok("exec", "c", "probe", "fds").splitlines()] == ["0", "1", "2"]


def test_descriptors_of_init_seen_from_the_host(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    pid = engine.init_pid("c")
    eventually(lambda: os.readlink(f"/proc/{pid}/exe").endswith("busybox"))
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]


@pytest.mark.parametrize("directory", ["/proc/self/fd/%d" % n for n in (3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20)])
def test_working_directory_by_descriptor(engine, directory):
    done = engine("run", "--rm", "-w", directory, IMAGE, "sh", "-c", "pwd; ls ../../../../")
    assert engine.base not in done.out and "owner.json" not in done.out, done
    if done.code == 0:
        assert "home" in done.out, done


def test_the_engines_own_programs_cannot_be_written(engine):
    """Nor be started in a container (S01)."""
    def sums():
        return {n: hashlib.sha256(open(os.path.join(engine.bin, n), "rb").read()).hexdigest() for n in os.listdir(engine.bin)
                if n.startswith("gantry")}
    before = sums()
    layers = archives.busybox_layers() + [Tar().link("self", "/proc/self/exe").bytes()]
    engine.load(docker_archive(layers, ["test/self:1"], config_of(layers, Cmd=["/self"], Env=["PATH=/bin"])))
    for program in ("/proc/self/exe", "/self", "/proc/1/exe"):
        done = engine("run", "--rm", "--entrypoint", program, "test/self:1", "--help", timeout=20)
        assert done.code == 126 and "leads out of the container" in done.err, (program, done)
    engine.ok("run", "-d", "--name", "c", "--cap-add", "SYS_PTRACE", IMAGE, "sh", "-c",
              "while :; do for p in /proc/[0-9]*/exe; do case $(readlink $p) in /bin/busybox|/bin/probe|'') ;; *) echo \"$(readlink $p) $(probe open-write $p)\";; esac; done; done 2>/dev/null")
    for _ in range(50):
        engine.ok("exec", "c", "true")
    assert engine("exec", "c", "/proc/self/exe").code == 126
    assert not [line for line in engine.ok("logs", "c").splitlines() if line.endswith(" ok")]
    assert sums() == before
    engine.ok("rm", "-f", "c")
    engine.ok("rmi", "test/self:1")


def test_namespaces_are_private(engine):
    out = engine.ok("run", "--rm", IMAGE, "sh", "-c", "for n in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done").split()
    host = [os.readlink(f"/proc/self/ns/{n}") for n in ("mnt", "pid", "net", "ipc", "uts", "cgroup")]
    assert not set(out) & set(host)


def test_control_groups_are_read_only(engine):
    out = engine.ok("run", "--rm", IMAGE, "sh", "-c", "grep cgroup /proc/mounts; for f in $(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs 2>/dev/null | head -20); do probe open-write $f; done")
    assert "ok" not in out.splitlines()
    for line in out.splitlines():
        if " /sys/fs/cgroup" in line:
            assert line.split()[3].startswith("ro"), line
    assert engine.name not in engine.ok("run", "--rm", IMAGE, "cat", "/proc/self/cgroup")


@pytest.mark.parametrize("user", ["2147483648", "4294967295", "4294967296", "-1", ":", "0x1", "+1", "1:4294967296", "99999999999999999999", "١"])
def test_user_numbers_out_of_range(engine, user):
    done = engine("run", "--rm", f"--user={user}", IMAGE, "id", "-u")
    assert done.code == 125 or done.code != 0 or done.out.strip() not in ("0", "4294967295"), done


def test_a_user_name_of_digits_is_a_number(engine):
    """The image's passwd maps the name "1234" to 0 (S14)."""
    assert engine.ok("run", "--rm", "-u", "1234", IMAGE, "id", "-u") == "1234"


def test_hostile_root_file_systems(engine):
    """Links in place of the directories and files that the engine mounts on (S05, S07, S08)."""
    hostile = {
        "dev": Tar().add(".wh.dev").link("dev", "/etc"),
        "proc": Tar().add(".wh.proc").link("proc", "/etc"),
        "sys": Tar().add(".wh.sys").link("sys", "/etc"),
        "null": Tar().link("dev/null", "/proc/sys/kernel/core_pattern"),
        "console": Tar().link("dev/console", "/etc/shadow"),
        "resolv": Tar().link("etc/resolv.conf", "/../../../../etc/hostname-of-host"),
        "hosts": Tar().add(".wh.etc").link("etc", "/../../../../tmp"),
        "target": Tar().link("mnt", "/../../../../tmp"),
    }
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read()
    before = sorted(os.listdir("/etc")), sorted(os.listdir("/dev"))
    for name, tar in hostile.items():
        layers = archives.busybox_layers() + [tar.bytes()]
        engine.load(docker_archive(layers, [f"test/{name}:evil"], config_of(layers, Env=["PATH=/bin"])))
        done = engine("run", "--rm", "-t", "-v", "v:/mnt/deeper", f"test/{name}:evil", "sh", "-c", "echo pwned > /dev/null; true")
        assert done.code in (0, 125, 126, 127), (name, done)
        engine.ok("rmi", "-f", f"test/{name}:evil")
    with open("/proc/sys/kernel/core_pattern") as f:
        assert f.read() == pattern
    assert (sorted(os.listdir("/etc")), sorted(os.listdir("/dev"))) == before and not os.path.exists("/tmp/deeper")


def test_volumes_over_proc_are_refused(engine):
    for target in ("/proc", "/proc/self/attr", "/proc/sys"):
        engine.fails("run", "--rm", "-v", f"v:{target}", IMAGE, "true", match="proc")


def test_processes_of_the_host_are_not_seen(engine):
    out = engine.ok("run", "--rm", IMAGE, "sh", "-c", "echo /proc/[0-9]*")
    assert len(out.split()) <= 3


def test_typing_into_the_callers_terminal(engine):
    done = engine("run", "--rm", "-t", IMAGE, "probe", "tiocsti")
    assert "errno" in done.out or done.code == 0  # its own terminal, never the caller's
    assert engine.ok("run", "--rm", "-t", IMAGE, "tty").strip() == "/dev/pts/0"


def test_keyring_is_the_containers_own(engine):
    assert "errno" in probe(engine, "syscall", "250", "0", "-3")  # keyctl
    assert engine.ok("run", "--rm", IMAGE, "sh", "-c", "cat /proc/keys | wc -c") == "0"


def test_permissions_of_directories_and_sockets(engine):
    engine.ok("run", "-d", "--name", "c", "-v", "v:/mnt", IMAGE, "sleep", "1000")
    mode = os.stat(engine.socket)
    assert stat.S_ISSOCK(mode.st_mode) and mode.st_mode & 0o007 == 0
    assert os.stat(engine.root).st_mode & 0o066 == 0 and os.stat(engine.run_dir).st_mode & 0o066 == 0
    for top in (engine.root, engine.run_dir):
        for directory, _, names in os.walk(top):
            for n in names:
                path = os.path.join(directory, n)
                m = os.lstat(path).st_mode
                if stat.S_ISSOCK(m):
                    assert m & 0o007 == 0, path
                if n.endswith(".log"):
                    assert m & 0o007 == 0, path
    script = f"import os,sys; os.setgid(65534); os.setuid(65534); sys.exit(os.access({engine.root!r} + '/..', os.R_OK) and bool(os.access({engine.root!r}, os.R_OK)))"
    import subprocess
    assert subprocess.run(["/usr/bin/python3", "-c", script]).returncode == 0


def test_no_abstract_sockets(engine):
    """A container on the host's network sees none of ours (S25)."""
    out = engine.ok("run", "--rm", "--network", "host", IMAGE, "cat", "/proc/net/unix")
    assert not [line for line in out.splitlines() if "@" in line and "gantry" in line]


def test_trojans_in_the_image_are_never_run_by_the_engine(engine, scratch):
    """top, stats, diff and logs work on a container whose programs would leave a mark if the engine ran them (S24)."""
    trojan = b"#!/bin/sh\ntouch /trojan-ran\n"
    tar = Tar()
    for name in ("ps", "tar", "xz", "unpigz", "gzip", "zstd", "nsenter", "iptables", "nft", "mount"):
        tar.add(f"usr/bin/{name}", trojan, 0o755)
    layers = archives.busybox_layers() + [tar.bytes()]
    engine.load(docker_archive(layers, ["test/trojan:1"], config_of(layers, Env=["PATH=/usr/bin:/bin", "LD_PRELOAD=/x.so"])))
    engine.ok("run", "-d", "--name", "c", "test/trojan:1", "sleep", "1000")
    engine.ok("top", "c")
    engine.ok("stats", "--no-stream", "c", timeout=30)
    engine.ok("diff", "c")
    engine.ok("exec", "c", "true")
    assert engine.ok("exec", "c", "sh", "-c", "ls /trojan-ran 2>/dev/null; true") == "" and not os.path.exists("/trojan-ran")
    engine.ok("rm", "-f", "c")
    engine.ok("rmi", "test/trojan:1")


def test_privileged(engine):
    s = status(engine, "--privileged")
    assert int(s["CapEff"], 16) & 1 << 21 and s["Seccomp"] == "0"
    assert "ro" not in engine.ok("run", "--rm", "--privileged", IMAGE, "sh", "-c", "grep ' /sys ' /proc/mounts").split()[3].split(",")


def test_environment_of_the_engine_stays_outside(fresh):
    e = fresh(start=False)
    e.start(env={"SECRET_OF_THE_DAEMON": "hidden", "LD_PRELOAD": ""})
    e.load(archives.make_busybox_image(IMAGE + ":latest"))
    assert "SECRET_OF_THE_DAEMON" not in e.ok("run", "--rm", IMAGE, "env")
    e.ok("run", "-d", "--name", "c", IMAGE, "sleep", "100")
    with open(f"/proc/{e.init_pid('c')}/environ", "rb") as f:
        assert b"hidden" not in f.read()

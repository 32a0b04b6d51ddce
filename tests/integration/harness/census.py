"""Counting what an engine has in the kernel and on disk, so that a test can say: as it was before."""
import glob
import json
import os
import re
import subprocess
import time


def start_time(pid):
    """The start time of a process in clock ticks since boot; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return int(f.read().rsplit(")", 1)[1].split()[19])
    except (OSError, IndexError):
        return None


def _read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def _pids():
    return [int(d) for d in os.listdir("/proc") if d.isdigit()]


def mounts():
    """Mount points of the host with their types."""
    found = []
    for line in _read("/proc/self/mountinfo").decode(errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        found.append((left.split()[4].encode().decode("unicode_escape"), right.split()[0]))
    return sorted(found)


def mounts_below(base):
    return [m for m, _ in sorted(mounts(), reverse=True) if m == base or m.startswith(base + "/")]


def links():
    """Network interfaces of the host's own namespace."""
    out = subprocess.run(["ip", "-j", "link", "show"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return sorted(x["ifname"] for x in json.loads(out or "[]"))


def links_of(name):
    """Interfaces that carry the engine's name in their own name or alias, and those on a bridge that does."""
    out = subprocess.run(["ip", "-j", "-d", "link", "show"], stdout=subprocess.PIPE, check=True, text=True).stdout
    every = json.loads(out or "[]")
    marked = {x["ifname"] for x in every if any(name in text for text in (x["ifname"], x.get("ifalias", ""), *x.get("altnames", [])))}
    return sorted(x["ifname"] for x in every if x["ifname"] in marked or x.get("master") in marked)


def tables():
    out = subprocess.run(["nft", "-j", "list", "tables"], stdout=subprocess.PIPE, text=True).stdout
    items = json.loads(out or "{}").get("nftables", [])
    return sorted((x["table"]["family"], x["table"]["name"]) for x in items if "table" in x)


def tables_of(name):
    """The engine's tables: its name, whole, is a part of theirs."""
    return [(f, t) for f, t in tables() if name in re.split(r"[^A-Za-z0-9-]", t)]


def cgroup_roots():
    roots = []
    for point, kind in mounts():
        if kind in ("cgroup", "cgroup2") and point.startswith("/sys/fs/cgroup"):
            roots.append(point)
    return roots


def cgroups():
    """Every control group of every hierarchy."""
    found = []
    for root in cgroup_roots():
        found += [d for d, _, _ in os.walk(root)]
    return sorted(set(found))


def cgroups_of(name):
    """Groups whose path has the engine's name, deepest first."""
    return sorted((d for d in cgroups() if re.search(rf"(^|[/._-]){re.escape(name)}([/._-]|$)", d)), reverse=True)


def processes_under(name, base):
    """Processes that belong to an engine: by their command line, by open files below its directory, by cgroup."""
    me, found = os.getpid(), []
    marks = [base.encode() + b"/", base.encode() + b"\0"]
    for pid in _pids():
        if pid == me:
            continue
        command = _read(f"/proc/{pid}/cmdline")
        groups = _read(f"/proc/{pid}/cgroup").decode(errors="replace")
        if re.search(rf"[:/]{re.escape(name)}(/|$)", groups, re.MULTILINE):
            found.append(pid)
        elif command.split(b"\0")[0].rsplit(b"/", 1)[-1].startswith(b"gantry") and any(m in command + b"\0" for m in marks):
            found.append(pid)
        elif b"gantry" in _read(f"/proc/{pid}/comm") and _opens_below(pid, base):
            found.append(pid)
    return found


def _opens_below(pid, base):
    """Whether a process has its directory, a file or a named socket below `base`."""
    sockets = set()
    for line in _read("/proc/net/unix").decode(errors="replace").splitlines():
        words = line.split()
        if len(words) > 7 and words[7].startswith(base + "/"):
            sockets.add(f"socket:[{words[6]}]")
    for link in [f"/proc/{pid}/cwd", *glob.glob(f"/proc/{pid}/fd/*")]:
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith(base + "/") or target in sockets:
            return True
    return False


def processes_of(engine):
    return [(p, _read(f"/proc/{p}/cmdline").replace(b"\0", b" ").decode(errors="replace")[:100])
            for p in processes_under(engine.name, engine.base)]


def network_namespaces(engine):
    """Distinct network namespaces that the engine's processes are in or hold open, without the host's."""
    mine = os.stat("/proc/self/ns/net").st_ino
    found = set()
    for pid in processes_under(engine.name, engine.base):
        for path in [f"/proc/{pid}/ns/net", *glob.glob(f"/proc/{pid}/fd/*")]:
            try:
                target = os.readlink(path)
            except OSError:
                continue
            if target.startswith("net:["):
                found.add(int(target[5:-1]))
    return sorted(found - {mine})


def files_below(directory):
    found = []
    for d, subdirs, names in os.walk(directory):
        found += [os.path.join(d, n) for n in subdirs + names]
    return sorted(found)


def own(engine):
    """What the host has of one engine."""
    return {
        "mounts": mounts_below(engine.base),
        "links": links_of(engine.name),
        "tables": tables_of(engine.name),
        "cgroups": cgroups_of(engine.name),
        "processes": processes_of(engine),
        "files": files_below(engine.base),
    }


SPARE_NAMESPACES = 8  # network namespaces that a daemon makes ahead


def program(pid):
    """The name of a process's program, as its command line has it."""
    return os.path.basename(_read(f"/proc/{pid}/cmdline").split(b"\0")[0].decode(errors="replace").strip())


def is_spare(pid):
    """A monitor that the launcher has ahead; until it has its own title, it has the launcher's."""
    name = program(pid)
    if name != "gantry-launcher":
        return name == "gantry-spare"
    status = _read(f"/proc/{pid}/stat").rsplit(b")", 1)[-1].split()
    return len(status) > 1 and program(int(status[1])) == "gantry-launcher"


def namespaces_held(engine):
    """Network namespaces beyond those that the daemon has made ahead, by the programs that are in them or hold them open."""
    mine = os.stat("/proc/self/ns/net").st_ino
    holders = {}
    for pid in processes_under(engine.name, engine.base):
        for path in [f"/proc/{pid}/ns/net", *glob.glob(f"/proc/{pid}/fd/*")]:
            try:
                target = os.readlink(path)
            except OSError:
                continue
            if target.startswith("net:[") and int(target[5:-1]) != mine:
                holders.setdefault(int(target[5:-1]), set()).add(program(pid))
    spare = [n for n, programs in holders.items() if programs == {"gantryd"}]
    return sorted(" ".join(sorted(programs)) for n, programs in holders.items() if n not in spare[:SPARE_NAMESPACES])


def standing(engine):
    """What an engine has while it has no container and no operation runs: the same at any such moment. Left out is what it
    may keep at its liking: spare namespaces, a spare monitor, spare layers, layers and directories on their way to be
    deleted, the log and the store."""
    now = own(engine)
    liking = re.compile(rf"{re.escape(engine.root)}/(state\.db(-wal|-shm|\.\w+)?$|drivers/overlayfs/(spare|trash)/|removed/)")
    return {
        "mounts": now["mounts"],
        "links": now["links"],
        "tables": now["tables"],
        "cgroups": now["cgroups"],
        "namespaces": namespaces_held(engine),
        "processes": sorted(program(pid) for pid, _ in now["processes"] if not is_spare(pid)),
        "files": [f for f in now["files"] if not liking.match(f)],
    }


def left_over(engine, before, timeout=20):
    """Waits until the engine has what it had, standing(); gives the differences that stay, none: []."""
    end = time.monotonic() + timeout
    while True:
        left = difference(before, standing(engine))
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


def descriptors(pid):
    """Open descriptors of a process, by what they are."""
    found = []
    for fd in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            found.append(re.sub(r"\[\d+\]", "[]", os.readlink(fd)))
        except OSError:
            pass
    return sorted(found)


def host():
    """What the whole host has; only of use where nothing else runs (GANTRY_CENSUS=strict)."""
    return {"mounts": mounts(), "links": links(), "tables": tables(), "cgroups": cgroups()}


def difference(before, after):
    """Readable lines of what is more or less, for each kind of thing."""
    lines = []
    for kind in before:
        a, b = list(map(str, before[kind])), list(map(str, after.get(kind, [])))
        if kind == "links":
            # The host's end of a container that had ended before the first count: the kernel takes it away a moment later.
            a = [x for x in a if x in b or not x.startswith("gv-")]
        lines += [f"{kind}: new {x}" for x in sorted(set(b) - set(a))] + [f"{kind}: gone {x}" for x in sorted(set(a) - set(b))]
        if not set(a) ^ set(b) and len(a) != len(b):
            lines.append(f"{kind}: {len(a)} before, {len(b)} now")
    return lines

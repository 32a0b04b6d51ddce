"""cp: the rules of where things go, running, paused and stopped containers, volumes below the path, and hostile trees."""
import base64
import io
import json
import os
import subprocess
import tarfile
import threading

import pytest

from conftest import IMAGE
from harness import fake_daemon
from harness.waiting import eventually


def tar_of(*members):
    """members: (name, content or None for a directory, or ("link", target))."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, what, *more in members:
            info = tarfile.TarInfo(name)
            if what is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(what, tuple):
                info.type = tarfile.SYMTYPE if what[0] == "link" else tarfile.LNKTYPE
                info.linkname = what[1]
            else:
                info.size, info.mode = len(what), 0o644
            for key, value in (more[0] if more else {}).items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(what) if isinstance(what, bytes) else None)
    return out.getvalue()


def stat_of(reply):
    return json.loads(base64.b64decode(reply.headers["X-Docker-Container-Path-Stat".lower()]))


@pytest.fixture(params=["running", "paused", "created", "exited"])
def container(engine, request):
    command = ["sh", "-c", "mkdir -p /d/sub; echo hi > /d/f; ln -s f /d/link; ln -s /d /absolute; sleep 300"]
    if request.param == "created":
        engine.ok("create", "--name", "c", "-v", "vol:/data", IMAGE, "sleep", "300")
        engine.ok("cp", "-", "c:/", input=tar_of(("d", None), ("d/sub", None), ("d/f", b"hi\n"), ("d/link", ("link", "f")),
                                                ("absolute", ("link", "/d"))), text=False)
        return engine
    if request.param == "exited":
        command[2] = command[2].replace("sleep 300", "true")
        engine.ok("run", "--name", "c", "-v", "vol:/data", IMAGE, *command)
        return engine
    engine.ok("run", "-d", "--name", "c", "-v", "vol:/data", IMAGE, *command)
    eventually(lambda: engine("exec", "c", "test", "-L", "/absolute").code == 0)
    if request.param == "paused":
        engine.ok("pause", "c")
    return engine


def test_out_of_every_state(container, scratch):
    e = container
    e.ok("cp", "c:/d/f", scratch)
    assert open(f"{scratch}/f").read() == "hi\n"
    e.ok("cp", "c:/d/f", f"{scratch}/renamed")
    assert open(f"{scratch}/renamed").read() == "hi\n"
    e.ok("cp", "c:/d", scratch)
    assert sorted(os.listdir(f"{scratch}/d")) == ["f", "link", "sub"] and os.readlink(f"{scratch}/d/link") == "f"
    e.ok("cp", "c:/d", f"{scratch}/new")
    assert sorted(os.listdir(f"{scratch}/new")) == ["f", "link", "sub"]
    e.ok("cp", "c:/d/.", f"{scratch}/new/sub")
    assert sorted(os.listdir(f"{scratch}/new/sub")) == ["f", "link", "sub"]
    e.ok("cp", "c:/d/link", f"{scratch}/l")
    assert os.readlink(f"{scratch}/l") == "f"
    e.ok("cp", "-L", "c:/d/link", f"{scratch}/followed")
    assert open(f"{scratch}/followed").read() == "hi\n" and not os.path.islink(f"{scratch}/followed")
    e.ok("cp", "-L", "c:/absolute", f"{scratch}/tree")
    assert sorted(os.listdir(f"{scratch}/tree")) == ["f", "link", "sub"]
    names = tarfile.open(fileobj=io.BytesIO(e.ok("cp", "c:/d", "-", text=False))).getnames()
    assert names == ["d", "d/f", "d/link", "d/sub"]


def test_into_every_state(container, scratch):
    e = container
    os.makedirs(f"{scratch}/tree/below")
    for name in ("one", "tree/two", "tree/below/three"):
        with open(f"{scratch}/{name}", "w") as f:
            f.write(name)
    e.ok("cp", f"{scratch}/one", "c:/d")
    e.ok("cp", f"{scratch}/one", "c:/d/renamed")
    e.ok("cp", f"{scratch}/tree", "c:/d")
    e.ok("cp", f"{scratch}/tree", "c:/d/new")
    e.ok("cp", f"{scratch}/tree/.", "c:/d/sub")
    e.ok("cp", f"{scratch}/one", "c:/data/in-volume")
    e.ok("cp", f"{scratch}/one", "c:/absolute/through-link")
    e.ok("cp", f"{scratch}/tree", "c:/absolute")
    got = tarfile.open(fileobj=io.BytesIO(e.ok("cp", "c:/d", "-", text=False)))
    assert got.getnames() == ["d", "d/f", "d/link", "d/new", "d/new/below", "d/new/below/three", "d/new/two", "d/one", "d/renamed",
                              "d/sub", "d/sub/below", "d/sub/below/three", "d/sub/two", "d/through-link", "d/tree",
                              "d/tree/below", "d/tree/below/three", "d/tree/two"]
    assert got.extractfile("d/renamed").read() == b"one"
    assert open(f"{e.root}/volumes/vol/_data/in-volume").read() == "one" if os.path.exists(f"{e.root}/volumes/vol") else True
    assert e.ok("run", "--rm", "-v", "vol:/v", IMAGE, "cat", "/v/in-volume") == "one"


def test_what_is_refused(container, scratch):
    e = container
    open(f"{scratch}/file", "w").close()
    os.mkdir(f"{scratch}/dir")
    e.fails("cp", "c:/nothing", scratch, code=1, match="could not find the file /nothing in container c")
    e.fails("cp", f"{scratch}/nothing", "c:/", code=1, match="no such file")
    e.fails("cp", f"{scratch}/dir", "c:/d/f", code=1, match="cannot copy directory")
    e.fails("cp", f"{scratch}/file", "c:/d/none/", code=1, match="no such directory")
    e.fails("cp", f"{scratch}/file", "c:/none/deeper", code=1, match="could not find the file /none")
    e.fails("cp", "c:/d", f"{scratch}/file", code=1, match="cannot copy directory")
    e.fails("cp", "c:/d/f", f"{scratch}/none/deeper", code=1, match="does not exist")
    e.fails("cp", "c:/d/f", "c:/d/g", code=1, match="between containers")
    e.fails("cp", "./a", "./b", code=1, match="at least one container")
    e.fails("cp", "none:/d/f", scratch, code=1, match="no such container|could not find")
    os.mkdir(f"{scratch}/f")
    e.fails("cp", f"{scratch}/f", "c:/d", code=1, match="cannot overwrite non-directory")
    e.fails("cp", f"{scratch}/file", "c:/d/f/", code=1)
    assert e.api("PUT", "/containers/c/archive?path=/d/f", body=b"").status == 400
    assert e.api("GET", "/containers/c/archive?path=").status == 400
    assert e.api("GET", "/containers/c/archive?path=/proc/1").status in (404, 501)


def test_the_stat_header(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c",
              "mkdir /d; echo 12345 > /d/f; chmod 4750 /d/f; ln -s /d/f /l; ln -s ../x/y /d/dangling; sleep 300")
    eventually(lambda: engine("exec", "c", "test", "-L", "/d/dangling").code == 0)
    stat = stat_of(engine.api("HEAD", "/containers/c/archive?path=/d/f"))
    assert (stat["name"], stat["size"], stat["mode"], stat["linkTarget"]) == ("f", 6, 0o750 | 1 << 23, "")
    stat = stat_of(engine.api("HEAD", "/containers/c/archive?path=/l"))
    assert stat["mode"] & 1 << 27 and stat["linkTarget"] == "/d/f"
    assert stat_of(engine.api("HEAD", "/containers/c/archive?path=/d/dangling"))["linkTarget"] == "/x/y"
    assert stat_of(engine.api("HEAD", "/containers/c/archive?path=/"))["name"] == "/"
    assert stat_of(engine.api("GET", "/containers/c/archive?path=/d/"))["mode"] & 1 << 31


def test_owners_modes_and_times(engine, scratch):
    path = f"{scratch}/f"
    with open(path, "w") as f:
        f.write("x")
    os.chown(path, 1234, 4321)
    os.chmod(path, 0o640)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    engine.ok("create", "--name", "c", "--user", "65534:65533", IMAGE, "stat", "-c", "%u:%g %a %Y", "/f", "/g")
    engine.ok("cp", path, "c:/f")
    engine.ok("cp", "-a", path, "c:/g")
    assert engine.ok("start", "-a", "c").splitlines() == ["1234:4321 640 1000000000", "65534:65533 640 1000000000"]
    engine.ok("cp", "c:/f", f"{scratch}/mine")
    engine.ok("cp", "-a", "c:/f", f"{scratch}/theirs")
    mine, theirs = os.stat(f"{scratch}/mine"), os.stat(f"{scratch}/theirs")
    assert (mine.st_uid, mine.st_gid, mine.st_mode & 0o7777, int(mine.st_mtime)) == (0, 0, 0o640, 1_000_000_000)
    assert (theirs.st_uid, theirs.st_gid) == (1234, 4321)


def test_read_only_roots_and_mounts(engine, scratch):
    open(f"{scratch}/f", "w").close()
    os.mkdir(f"{scratch}/bind")
    for name, start in (("stopped", False), ("running", True)):
        engine.ok("create", "--name", name, "--read-only", "-v", "rw:/rw", "-v", f"{scratch}/bind:/ro:ro", IMAGE, "sleep", "300")
        if start:
            engine.ok("start", name)
        engine.fails("cp", f"{scratch}/f", f"{name}:/f", code=1, match="container rootfs is marked read-only")
        engine.fails("cp", f"{scratch}/f", f"{name}:/ro/f", code=1, match="marked read-only")
        engine.ok("cp", f"{scratch}/f", f"{name}:/rw/f-{name}")
    assert os.listdir(f"{scratch}/bind") == []
    assert engine.ok("exec", "running", "ls", "/rw").split() == ["f-running", "f-stopped"]


def test_mounts_of_a_stopped_container_are_the_containers_and_the_hosts_stay_as_they_are(engine, scratch):
    with open(f"{scratch}/host", "w") as f:
        f.write("host")
    engine.ok("create", "--name", "c", "-v", f"{scratch}:/m/bind", "-v", f"{scratch}/host:/m/file", IMAGE, "true")
    before = open("/proc/self/mountinfo").read()
    names = tarfile.open(fileobj=io.BytesIO(engine.ok("cp", "c:/m", "-", text=False))).getnames()
    assert names == ["m", "m/bind", "m/bind/host", "m/file"]
    open(f"{scratch}/new", "w").close()
    engine.ok("cp", f"{scratch}/new", "c:/m/bind/came")
    assert os.path.exists(f"{scratch}/came")
    assert open("/proc/self/mountinfo").read() == before
    namespaces = {os.readlink(f"/proc/{engine.pid}/task/{t}/ns/mnt") for t in os.listdir(f"/proc/{engine.pid}/task")}
    assert len(namespaces) == 1
    held = [os.readlink(f"/proc/{engine.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{engine.pid}/fd")]
    assert not [x for x in held if x.startswith("mnt:")]


def test_mounts_within_mounts_of_a_container_that_never_ran(engine, scratch):
    with open(f"{scratch}/f", "w") as f:
        f.write("inner")
    engine.ok("create", "--name", "c", "-v", "vol:/not/there", "-v", f"{scratch}:/not/there/deep/er", "-v",
              f"{scratch}/f:/not/there/file", IMAGE, "cat", "/not/there/deep/er/f", "/not/there/file")
    names = tarfile.open(fileobj=io.BytesIO(engine.ok("cp", "c:/not", "-", text=False))).getnames()
    assert names == ["not", "not/there", "not/there/deep", "not/there/deep/er", "not/there/deep/er/f", "not/there/file"]
    assert engine.ok("start", "-a", "c") == "innerinner"


@pytest.mark.parametrize("link", ["{host}", "../../../../../../..{host}", "/proc/1/root{host}"])
def test_a_mount_point_that_a_volume_leads_elsewhere(engine, canary, link):
    """CVE-2026-42306: another container has put a link where a mount is to be made."""
    host, state = canary
    os.mkdir(f"{host}/inner")
    before = state()
    engine.ok("run", "--rm", "-v", "vol:/w", IMAGE, "ln", "-s", link.replace("{host}", host), "/w/sub")
    mounts = open("/proc/self/mountinfo").read()
    engine.ok("create", "--name", "c", "-v", "vol:/w", "-v", f"{host}/inner:/w/sub", IMAGE, "true")
    engine("cp", f"{host}/canary", "c:/w/sub/copied")
    engine("cp", "c:/w/sub", "-", text=False)
    assert open("/proc/self/mountinfo").read() == mounts
    os.path.exists(f"{host}/inner/copied") and os.unlink(f"{host}/inner/copied")
    assert state() == before


ATTACKS = {
    "dotdot": [("../escaped", b"x")],
    "inner dotdot": [("a/../../escaped", b"x")],
    "absolute": [("/escaped-abs", b"x")],
    "link out": [("l", ("link", "{host}")), ("l/escaped", b"x")],
    "link up": [("l", ("link", "../../../../../../../{host}")), ("l/escaped", b"x")],
    "two hops": [("a", ("link", "/")), ("b", ("link", "a/{host}")), ("b/escaped", b"x")],
    "hard link out": [("h", ("hard", "{host}/canary")), ("h", b"overwritten")],
    "hard link up": [("h", ("hard", "../../../../../../{host}/canary")), ("h", b"overwritten")],
    "link then hard link": [("l", ("link", "{host}/canary")), ("h", ("hard", "l")), ("h", b"x")],
    "attributes through a link": [("l", ("link", "{host}/canary"), {"mode": 0o777, "uid": 7, "mtime": 1})],
    "directory becomes link": [("d", None), ("d", ("link", "{host}")), ("d/escaped", b"x")],
    "long name": [("n" * 300, b"x")],
}


def members_of(attack, host):
    def fill(x):
        return x.replace("{host}", host.lstrip("/") if "../" in x or "a/" in x else host)
    return [(fill(name), (what[0], fill(what[1])) if isinstance(what, tuple) else what, *more) for name, what, *more in ATTACKS[attack]]


@pytest.fixture
def canary(scratch):
    path = f"{scratch}/canary"
    with open(path, "w") as f:
        f.write("untouched")
    os.chmod(path, 0o600)
    os.utime(path, (1_500_000_000, 1_500_000_000))

    def state():
        info = os.stat(path)
        return (sorted(os.listdir(scratch)), open(path).read(), info.st_mode, info.st_uid, info.st_nlink, info.st_mtime)
    return scratch, state


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_hostile_archives_stay_in_the_container(engine, canary, attack, running):
    host, state = canary
    before = state()
    engine.ok("create", "--name", "c", IMAGE, "sleep", "300")
    if running:
        engine.ok("start", "c")
    for path in ("/", "/tmp"):
        for flag in ("true", "false"):
            reply = engine.api("PUT", f"/containers/c/archive?path={path}&noOverwriteDirNonDir={flag}",
                               body=tar_of(*members_of(attack, host)), headers={"Content-Type": "application/x-tar"})
            assert reply.status in (200, 400, 404, 500), reply
            assert state() == before
    assert not os.path.exists("/escaped") and not os.path.exists("/escaped-abs")


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_answers_stay_below_the_destination(engine, canary, attack):
    """The client's side: a daemon that answers with such archives."""
    host, state = canary
    os.mkdir(f"{host}/dst")
    before = state()
    members = members_of(attack, host)
    for prefix in ("d/", ""):
        archive = tar_of(("d", None), *[(prefix + name, *more) for name, *more in members])
        with fake_daemon.serve(archive, {"name": "d", "size": 0, "mode": 1 << 31 | 0o755, "mtime": "2024-01-01T00:00:00Z", "linkTarget": ""}) as socket:
            done = subprocess.run([engine.program("gantry"), "cp", "-a", "c:/d", f"{host}/dst"], capture_output=True, text=True,
                                  env=engine.environment(GANTRY_HOST="unix://" + socket), timeout=30)
            assert len(done.stderr.strip().splitlines()) <= 1, done.stderr
        assert state() == before, done
    assert not os.path.exists("/escaped") and not os.path.exists("/escaped-abs")


def test_members_that_nobody_asked_for_are_refused(engine, scratch):
    os.mkdir(f"{scratch}/dst")
    with fake_daemon.serve(tar_of(("f", b"1"), (".bashrc", b"evil")),
                           {"name": "f", "size": 1, "mode": 0o644, "mtime": "2024-01-01T00:00:00Z", "linkTarget": ""}) as socket:
        done = subprocess.run([engine.program("gantry"), "cp", "c:/f", f"{scratch}/dst"], capture_output=True, text=True,
                              env=engine.environment(GANTRY_HOST="unix://" + socket), timeout=30)
    assert done.returncode == 1 and ".bashrc" in done.stderr
    assert os.listdir(f"{scratch}/dst") == ["f"]


@pytest.mark.slow
def test_swapping_a_directory_for_a_link_never_leads_out(engine, canary):
    """CVE-2018-15664: the container exchanges a directory and a link to the host while copies run both ways."""
    host, state = canary
    before = state()
    engine.ok("run", "-d", "--name", "c", "-v", "vol:/w", IMAGE, "sh", "-c",
              f"mkdir -p /w/a /w/real; echo inside > /w/real/canary; cd /w; ln -s {host} evil; "
              "while :; do mv -T a t 2>/dev/null; ln -sfn " + host + " a; rm -rf a; mkdir -p a; echo inside > a/canary; done")
    eventually(lambda: engine("exec", "c", "test", "-L", "/w/evil").code == 0)
    payload = tar_of(("escaped", b"x"))
    stop = threading.Event()
    seen = []

    def put():
        while not stop.is_set():
            engine.api("PUT", "/containers/c/archive?path=/w/a", body=payload, headers={"Content-Type": "application/x-tar"})

    thread = threading.Thread(target=put)
    thread.start()
    try:
        for _ in range(150):
            reply = engine.api("GET", "/containers/c/archive?path=/w/a/canary")
            if reply.status == 200:
                seen.append(reply.body)
    finally:
        stop.set()
        thread.join()
    assert state() == before
    assert not [x for x in seen if b"untouched" in x]


def test_docker_cp(engine, scratch):
    """Docker's own client, against this engine."""
    docker = lambda *a, **k: subprocess.run(["docker", *a], env=engine.environment(), capture_output=True, timeout=60, **k)
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "300")
    os.makedirs(f"{scratch}/tree/below")
    with open(f"{scratch}/tree/below/f", "w") as f:
        f.write("x")
    assert docker("cp", f"{scratch}/tree", "c:/opt").returncode == 0
    done = docker("cp", "c:/opt", f"{scratch}/back")
    assert done.returncode == 0, done
    assert open(f"{scratch}/back/below/f").read() == "x"
    assert docker("cp", "c:/none", scratch).returncode == 1
    done = docker("cp", "-", "c:/opt", input=tar_of(("in", b"1")))
    assert done.returncode == 0 and engine.ok("exec", "c", "cat", "/opt/in") == "1", done
    assert tarfile.open(fileobj=io.BytesIO(docker("cp", "c:/opt", "-").stdout)).getnames()[0] == "opt"

"""Hostile Dockerfiles, contexts, repositories, servers and clients of builds (S57, S59 to S62, S64 to S68)."""
import base64
import contextlib
import http.server
import json
import os
import socket
import stat
import subprocess
import tempfile
import threading
import time

import pytest

from conftest import IMAGE
from harness import archives, canary
from harness.archives import Tar, config_of, docker_archive
from harness.build_session import Session, build, classic
from harness.registries import free_port
from harness.waiting import eventually
from test_build import config, engine, layers, run, scratch_left  # noqa: F401  (engine: the file's, with an empty cache afterwards)


@pytest.fixture
def bait(scratch):
    return canary.make(scratch)


def nothing_of(engine, words):
    """No file of the engine's holds these words, and its log does not."""
    found = subprocess.run(["grep", "-rlF", "--binary-files=text", words, engine.root, engine.run_dir], stdout=subprocess.PIPE, text=True).stdout
    assert found == "", found
    assert words not in engine.log_text()


# ---- mounts (S59 to S61)

def test_a_shared_cache_leads_nowhere(engine, bait):  # noqa: F811
    """One build leaves links to the host in a cache that others mount, and mount things in."""
    before = canary.state(bait)
    cache = "--mount=type=cache,id=a,target=/c"
    build(engine, f"FROM {IMAGE}\nRUN {cache} ln -s {bait} /c/sub; ln -s {bait}/file /c/file; ln -s ../../../../../..{bait} /c/up\n", entries_of=list, context="/x")
    for sub in ("sub", "up", "sub/dir"):
        for mount in ("type=tmpfs", "type=cache,id=b", f"type=bind,from={IMAGE},source=/etc,rw"):
            built = build(engine, f"FROM {IMAGE}\nRUN {cache} --mount={mount},target=/c/{sub} touch /c/{sub}/pwned; chmod 777 /c/{sub}\n", entries_of=list, context="/x")
            assert built.end["type"] in ("done", "error")
            assert canary.state(bait) == before, (sub, mount)
    built = build(engine, f"FROM {IMAGE}\nRUN {cache} --mount=type=secret,id=s,target=/c/file cat /c/file\n", entries_of=list, context="/x", secrets={"s": b"of the build"})
    assert "untouched" not in built.log() and canary.state(bait) == before
    assert not scratch_left(engine)


def test_a_shared_cache_that_is_changed_meanwhile(engine, bait):  # noqa: F811
    """CVE-2024-23651: one build exchanges a directory and a link to the host while another mounts on it."""
    before = canary.state(bait)
    cache = "--mount=type=cache,id=a,target=/c"
    begun, stop = threading.Event(), threading.Event()

    def seen(session, header, body):
        if header["type"] == "log" and b"ready" in body:
            begun.set()
        if stop.is_set():
            session.close()
            raise EOFError

    def swap():
        with contextlib.suppress(EOFError, OSError):
            build(engine, f"FROM {IMAGE}\nRUN {cache} mkdir /c/a; ln -s {bait} /c/l; echo ready; while :; do mv -T /c/a /c/t; mv -T /c/l /c/a; mv -T /c/a /c/l; "
                  "mv -T /c/t /c/a; echo again; done\n", entries_of=list, context="/x", on_frame=seen)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        assert begun.wait(30)
        for n in range(12):
            built = build(engine, f"FROM {IMAGE}\nRUN {cache} --mount=type=tmpfs,target=/c/a touch /c/a/pwned{n}; ls /c/a/\n", entries_of=list, context="/x")
            assert "untouched" not in built.log() and "setuid" not in built.log(), "the host's directory is seen"
            assert canary.state(bait) == before
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def test_sources_and_targets_through_links_of_an_image(engine, bait):  # noqa: F811
    """CVE-2024-1753, CVE-2025-9566: an image whose directories are links to the host's."""
    before = canary.state(bait)
    evil = archives.busybox_layers() + [Tar().link("rootdir", "/").link("l", bait).link("f", f"{bait}/file").link("up", "../" * 12 + bait[1:]).link("proc-root", "/proc/1/root" + bait)
                                        .bytes()]
    engine.load(docker_archive(evil, ["test/evil:1"], config_of(evil, Env=["PATH=/bin"])))
    for source in ("/rootdir", "/rootdir" + bait, "/l", "/l/dir", "/f", "/up", "/proc-root", "/../../.." + bait):
        for options in ("", ",rw"):
            built = build(engine, f"FROM {IMAGE}\nRUN --mount=type=bind,from=test/evil:1,source={source},target=/m{options} cat /m /m/file /m{bait}/file; touch /m/pwned /m{bait}/pwned; true\n",
                          entries_of=list, context="/x")
            assert "untouched" not in built.log() and canary.state(bait) == before, source
        copied = build(engine, f"FROM {IMAGE}\nCOPY --from=test/evil:1 {source} /copied\nRUN cat /copied /copied/file; true\n", entries_of=list, context="/x")
        assert "untouched" not in copied.log() and canary.state(bait) == before, source
    for target in ("/l", "/l/new", "/up/new", "/f", "/rootdir" + bait, "/proc-root/x"):
        for mount in ("type=tmpfs", "type=cache,id=t", "type=secret,id=s", f"type=bind,from={IMAGE},source=/etc/passwd"):
            build(engine, f"FROM test/evil:1\nRUN --mount={mount},target={target} echo x > {target}; echo x > {target}/pwned; true\n", entries_of=list, context="/x", secrets={"s": b"secret"})
            assert canary.state(bait) == before, (target, mount)
    for line in (f"WORKDIR /l/new\nRUN touch pwned", "WORKDIR /l\nRUN touch pwned", "WORKDIR /../../../../tmp", "COPY --from=test/evil:1 /etc/passwd /l/", "COPY --from=test/evil:1 /etc/passwd /f",
                 "ADD --chown=7:7 --chmod=777 x.tar /l", "COPY --from=test/evil:1 /f /f"):
        build(engine, f"FROM test/evil:1\n{line}\n", entries_of=list, context="/x")
        assert canary.state(bait) == before, line
    assert not os.path.exists("/tmp/pwned")


def test_no_mount_asks_for_propagation(engine):  # noqa: F811
    for option in ("bind-propagation=shared", "bind-propagation=rshared", "propagation=shared", "rshared", "shared", "o=bind", "z", "relabel=shared"):
        built = build(engine, f"FROM {IMAGE}\nRUN --mount=type=bind,from={IMAGE},source=/etc,target=/m,{option} true\n", entries_of=list, context="/x")
        assert "Dockerfile:2" in built.error and option.split("=")[0] in built.error


# ---- what a step may (S57, S62)

LOUD = {"gantry.entitlements": "security.insecure", "com.docker.build.security": "insecure", "io.buildkit.security": "insecure", "org.mobyproject.buildkit.worker.network": "host",
        "privileged": "true", "run.oci.systemd.force_cgroup_v1": "/x", "io.podman.annotations.privileged": "TRUE", "moby.buildkit.frontend.caps": "x"}


def test_nothing_that_an_image_or_a_client_says_gives_a_step_more(engine):  # noqa: F811
    see = "cat /proc/self/status | grep -E '^(Cap|Sec|NoNew)'; cat /proc/self/uid_map; ls /dev | sort; grep -c . /proc/self/mountinfo; ls /sys/class/net"
    plain = build(engine, f"FROM {IMAGE}\nRUN {see}\n", entries_of=list, context="/x").log()
    assert "CapEff" in plain
    loud = archives.busybox_layers()
    engine.load(docker_archive(loud, ["test/loud:1"], config_of(loud, Env=["PATH=/bin", "BUILDKIT_SANDBOX_HOSTNAME=x", "BUILDKIT_SECURITY=insecure"], Labels=LOUD, Privileged=True, SecurityOpt=["seccomp=unconfined"])))
    labels = " ".join(f'{k}="{v}"' for k, v in LOUD.items())
    assert build(engine, f"FROM test/loud:1\nLABEL {labels}\nRUN {see}\n", entries_of=list, context="/x", labels=LOUD, annotations=LOUD,
                 outputs=[{"type": "oci", "dest": "x"}]).log() == plain
    assert build(engine, f"FROM {IMAGE}\nARG BUILDKIT_SECURITY=insecure\nARG BUILDKIT_CONTEXT_KEEP_GIT_DIR=1\nRUN {see}\n", entries_of=list, context="/x",
                 args={"BUILDKIT_SECURITY": "insecure", "BUILDKIT_SANDBOX_HOSTNAME": "x"}).log() == plain
    for line, wrong in (("RUN --security=insecure true", "not allowed"), ("RUN --network=host true", "not allowed"), ("RUN --security=unconfined true", "security"), ("RUN --security= true", "security"),
                        ("RUN --network=container:x true", "network"), ("RUN --privileged true", "privileged"), ("RUN --device=/dev/sda true", "device"), ("RUN --cap-add=ALL true", "cap-add")):
        built = build(engine, f"FROM {IMAGE}\n{line}\n", entries_of=list, context="/x")
        assert wrong in built.error, (line, built.error)
    for more in ({"allow": ["security.insecure"]}, {"allow": ["network.host"]}, {"allow": ["everything"]}, {"allow": [""]}, {"network": "host"}, {"network": "container:x"}, {"cgroup_parent": "../../.."}):
        built = build(engine, f"FROM {IMAGE}\nRUN true\n", entries_of=list, context="/x", no_cache=True, **more)
        assert built.end["type"] == "error", more
    for query in ({"networkmode": "host"}, {"networkmode": "container:x"}, {"securityopt": ["seccomp=unconfined"]}, {"cgroupparent": "../../.."}, {"isolation": "none"},
                  {"ulimits": [{"Name": "nofile", "Soft": -2, "Hard": 2 ** 63}]}, {"extrahosts": ["a:10.0.0.1\n10.0.0.2 b"]}, {"extrahosts": ["a\nb:10.0.0.1"]}, {"extrahosts": ["a:x"]}, {"extrahosts": ["a"]}):
        done = classic(engine, {"Dockerfile": f"FROM {IMAGE}\nRUN true\n"}, nocache=1, **query)
        assert done.error and "\n" not in done.error, query
    assert not scratch_left(engine)


# ---- names (S64, S66)

NAME, PLACE, TWICE, KIND = "has no name that a file can have", "lies in no directory that the client told of before it", "is there twice", "is neither a file, a directory nor a link"
FILE, DIRECTORY, LINK = 0o100644, 0o040755, 0o120777


@pytest.mark.parametrize("paths,why", [
    ([("l", LINK, "/etc"), ("l/passwd", FILE)], PLACE), ([("l", LINK, ".."), ("l/x", FILE)], PLACE), ([("l", LINK, "."), ("l/l", LINK, "/etc")], PLACE), ([("d", DIRECTORY), ("d/l", LINK, "/"), ("d/l/x", DIRECTORY)], PLACE),
    ([("f", FILE), ("f/x", FILE)], PLACE), ([("d/x", FILE), ("d", DIRECTORY)], PLACE), ([("d", DIRECTORY), ("d/none/x", FILE)], PLACE), ([("none/x", FILE)], PLACE),
    ([("f", FILE), ("f", FILE)], TWICE), ([("d", DIRECTORY), ("d/x", FILE), ("d", LINK, "/etc")], TWICE), ([("l", LINK, "/etc"), ("l", DIRECTORY), ("l/passwd", FILE)], TWICE),
    ([("..", DIRECTORY)], NAME), ([("../x", FILE)], NAME), ([("d", DIRECTORY), ("d/..", DIRECTORY)], NAME), ([("d", DIRECTORY), ("d/../../x", FILE)], NAME), ([(".", DIRECTORY)], NAME), ([("./x", FILE)], NAME),
    ([("/", DIRECTORY)], NAME), ([("/etc/passwd", FILE)], NAME), ([("d/", DIRECTORY)], NAME), ([("d", DIRECTORY), ("d//x", FILE)], NAME), ([("", FILE)], NAME), ([("n" * 256, FILE)], NAME),
    ([("a\0b", FILE)], "has a NUL in its name"), ([("l", LINK, "a\0b")], "has a NUL in its name"), ([("l", LINK, "")], "is a link without a target"), ([("l", LINK, "x" * 5000)], "is a link without a target"),
    ([("n", 0o020600)], KIND), ([("n", 0o060600)], KIND), ([("n", 0o010600)], KIND), ([("n", 0o140600)], KIND), ([("n", 0o644)], KIND)])
def test_a_list_of_entries_that_is_no_tree(engine, bait, paths, why):  # noqa: F811
    """CVE-2026-33747: what a client says its context holds is judged before a file is asked for."""
    before = canary.state(bait)
    # The first is good, so that there is a file that could be fetched.
    told = [{"path": "0", "mode": FILE, "size": 1, "mtime_ns": 1}] + [{"path": p, "mode": mode, "size": 1, "mtime_ns": 1, "link": link[0] if link else ""} for p, mode, *link in paths]
    built = build(engine, f"FROM {IMAGE}\nCOPY . /x\n", bait, entries_of=lambda: told, key="no tree")
    assert any(f"the context's entry {json.dumps(path[:200])} {why}" in built.error for path, *_ in paths), built.error
    assert "\n" not in built.error and built.fetched == []
    assert canary.state(bait) == before and not scratch_left(engine)


def test_entries_that_are_none(engine, scratch):  # noqa: F811
    good = {"path": "x", "mode": FILE, "size": 1, "mtime_ns": 1}
    for bad in ({}, {"path": 1, "mode": FILE}, {"path": "x"}, {**good, "mode": "file"}, {**good, "size": "much"}, {**good, "link": 3}, {**good, "mode": -1}, {**good, "mode": 1 << 40}, {**good, "mode": 1e300}, {**good, "size": 1e300},
                {**good, "mtime_ns": 0.5}, "x", None, [good]):
        built = build(engine, f"FROM {IMAGE}\nCOPY . /x\n", scratch, entries_of=lambda b=bad: [b], key="none")
        assert "the client sent an entry that is no entry" in built.error and built.fetched == [], bad
    for bad, why in (({**good, "size": -1}, "has a negative size"), ({**good, "size": 1 << 60}, "bytes")):
        built = build(engine, f"FROM {IMAGE}\nCOPY . /x\n", scratch, entries_of=lambda b=bad: [b], key="none")
        assert why in built.error and built.fetched == [], bad


def test_an_ignore_file_is_read_in_the_context_alone(engine, bait):  # noqa: F811
    """A context that comes as a tar: its .dockerignore and Dockerfile are links to the host's."""
    with open(f"{bait}/ignore", "w") as f:
        f.write("secret\n")
    dockerfile = f"FROM {IMAGE}\nCOPY . /context\nRUN ls /context\n"
    for target in (f"{bait}/ignore", "../" * 12 + bait[1:] + "/ignore", "/proc/self/root" + bait + "/ignore"):
        done = classic(engine, {"Dockerfile": dockerfile, ".dockerignore": ("link", target), "secret": "x"}, nocache=1)
        assert not done.error and "secret" in done.text.split("RUN ls")[1], "the host's patterns were taken"
    done = classic(engine, {"Dockerfile": dockerfile, "real": "secret\n", ".dockerignore": ("link", "real"), "secret": "x"}, nocache=1)
    assert not done.error and "\nsecret" not in done.text.split("RUN ls")[1]
    with open(f"{bait}/Dockerfile", "w") as f:
        f.write(f"FROM {IMAGE}\n")
    for name in (f"{bait}/Dockerfile", "../" * 12 + bait[1:] + "/Dockerfile", "link", "link/../../x"):
        assert "Dockerfile" in classic(engine, {"link": ("link", f"{bait}/Dockerfile")}, dockerfile=name).error


def test_files_of_builds_are_the_engines_alone(engine, scratch):  # noqa: F811
    seen = []

    def look(session, header, body):
        if header["type"] == "log" and b"ready" in body and not seen:
            for top in (engine.root + "/build", engine.run_dir):
                for directory, names, files in os.walk(top):
                    depth = os.path.relpath(directory, top).count("/")
                    if depth <= 2:
                        seen.append((directory, stat.S_IMODE(os.stat(directory).st_mode)))
    with open(f"{scratch}/f", "w") as f:
        f.write("x")
    built = build(engine, f"FROM {IMAGE}\nCOPY f /f\nRUN --mount=type=secret,id=s --mount=type=cache,target=/c --mount=type=bind,target=/ctx,rw echo ready; sleep 1\n", scratch,
                  secrets={"s": b"x"}, on_frame=look)
    assert built.end["type"] == "done" and seen
    modes = dict(seen)
    assert modes[engine.root + "/build"] & 0o077 == 0 or os.stat(engine.root).st_mode & 0o066 == 0
    for path, mode in seen:
        closed = any(stat.S_IMODE(os.stat(p).st_mode) & 0o007 == 0 for p in parents(path, engine.base) if os.path.isdir(p))
        assert mode & 0o007 == 0 or closed, f"{path} {mode:o} can be reached by anyone"


def parents(path, base):
    while path.startswith(base) and path != base:
        path = os.path.dirname(path)
        yield path


# ---- git (S65)

GIT = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}


class Repositories:
    """`git daemon` on loopback over repositories that tests make."""

    def __init__(self):
        self.base, self.port = tempfile.mkdtemp(prefix="gantry-git-"), free_port()
        self.process = subprocess.Popen(["git", "daemon", "--reuseaddr", "--export-all", f"--base-path={self.base}", "--listen=127.0.0.1", f"--port={self.port}", self.base],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=GIT, start_new_session=True)
        eventually(lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None, what="git daemon listens")

    def git(self, name, *args):
        return subprocess.run(["git", "-C", os.path.join(self.base, name), *args], check=True, env=GIT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout

    def make(self, name, files):
        """files: name -> text or ("link", target). Gives its URL."""
        top = os.path.join(self.base, name)
        os.makedirs(top)
        self.git(name, "init", "-q", "-b", "main")
        for path, content in files.items():
            os.makedirs(os.path.dirname(os.path.join(top, path)), exist_ok=True)
            if isinstance(content, tuple):
                os.symlink(content[1], os.path.join(top, path))
            else:
                with open(os.path.join(top, path), "w") as f:
                    f.write(content)
        self.git(name, "add", "-A")
        self.git(name, "commit", "-qm", "x")
        return f"git://127.0.0.1:{self.port}/{name}"

    def close(self):
        os.killpg(self.process.pid, 15)
        self.process.wait()
        subprocess.run(["rm", "-rf", self.base])


@pytest.fixture(scope="module")
def repositories():
    r = Repositories()
    yield r
    r.close()


def from_git(engine, url):  # noqa: F811
    return remote(engine, {"kind": "git", "url": url})


def remote(engine, context):  # noqa: F811
    """A build whose context the engine fetches itself: the last message, and what it logged."""
    s = Session(engine.socket)
    s.send({"type": "build", "dockerfile_name": "Dockerfile", "context": context, "no_cache": True})
    log = b""
    while True:
        header, body = s.receive()
        log += body if header["type"] == "log" else b""
        if header["type"] in ("done", "error"):
            s.close()
            return header, log.decode()


def test_a_repository_leads_nowhere(engine, repositories, bait):  # noqa: F811
    before = canary.state(bait)
    good = f"FROM {IMAGE}\nCOPY . /c\nRUN ls /c /c/*; cat /c/l /c/f; true\n"
    url = repositories.make("links", {"Dockerfile": good, "sub/Dockerfile": good, "l": ("link", bait), "f": ("link", f"{bait}/file"), "dir": ("link", bait), "up": ("link", "../" * 12 + bait[1:])})
    end, log = from_git(engine, url)
    assert end["type"] == "done" and "untouched" not in log, (end, log)
    end, _ = from_git(engine, url + "#main:sub")
    assert end["type"] == "done", end
    for ref in ("#main:dir", "#main:up"):
        end, log = from_git(engine, url + ref)
        assert end["type"] == "error" and "untouched" not in json.dumps(end) + log, (ref, end)
    for directory in ("../..", "..", "sub/../..", "sub/..", "/../sub", "dir/../.."):
        end, log = from_git(engine, url + "#main:" + directory)
        assert end["type"] == "error" and f'{json.dumps(directory)} is no directory within the repository' in end["message"] and log == "", (directory, end)
    assert canary.state(bait) == before
    assert os.listdir(engine.root + "/build/sources/tmp") == []


@pytest.mark.parametrize("target", ["{bait}/Dockerfile", "{up}/Dockerfile", "/proc/self/root{bait}/Dockerfile", "/proc/1/root{bait}/Dockerfile", "none", "Dockerfile", ".", "/dev/zero", "real"])
def test_the_dockerfile_of_a_repository_is_a_link(engine, repositories, bait, target):  # noqa: F811
    """It leads where it leads in the repository, and nowhere else; its .dockerignore likewise."""
    for name in ("Dockerfile", "ignore"):
        with open(f"{bait}/{name}", "w") as f:
            f.write(f"FROM {IMAGE}\nRUN echo taken from the host\n" if name == "Dockerfile" else "kept\n")
    before = canary.state(bait)
    link = target.format(bait=bait, up="../" * 12 + bait[1:])
    name = "dockerfile-" + target.strip("/").replace("/", "-").translate({ord(c): None for c in "{}"})
    url = repositories.make(name, {"Dockerfile": ("link", link), "real": f"FROM {IMAGE}\nCOPY . /c\nRUN echo of the repository; ls /c\n", "kept": "x", ".dockerignore": ("link", link.replace("Dockerfile", "ignore"))})
    end, log = from_git(engine, url)
    assert "taken from the host" not in log and "untouched" not in json.dumps(end) + log
    if target == "real":
        assert end["type"] == "done" and "of the repository" in log and "kept" in log, (end, log)
    else:
        assert end["type"] == "error" and "\n" not in end["message"] and log == "", (end, log)
    assert canary.state(bait) == before
    assert os.listdir(engine.root + "/build/sources/tmp") == []


def test_a_repository_runs_nothing(fresh, repositories, scratch):
    engine = fresh()  # noqa: F811
    mark = f"{scratch}/ran"
    url = repositories.make("attributes", {"Dockerfile": f"FROM {IMAGE}\nCOPY . /c\n", ".gitattributes": "* filter=evil diff=evil merge=evil\n",
                                           ".gitconfig": f"[filter \"evil\"]\n\tsmudge = touch {mark}\n[core]\n\tfsmonitor = touch {mark}\n", "hooks/post-checkout": f"#!/bin/sh\ntouch {mark}\n"})
    end, _ = from_git(engine, url)
    assert end["type"] == "done", end
    # What this user's and this machine's configuration say is not asked.
    home = tempfile.mkdtemp(dir=scratch)
    with open(f"{home}/.gitconfig", "w") as f:
        f.write(f"[core]\n\thooksPath = {home}/hooks\n\tsshCommand = touch {mark}\n[filter \"evil\"]\n\tsmudge = touch {mark}\n")
    os.makedirs(f"{home}/hooks")
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        with open(f"{home}/hooks/{hook}", "w") as f:
            f.write(f"#!/bin/sh\ntouch {mark}\n")
        os.chmod(f"{home}/hooks/{hook}", 0o755)
    engine.restart(env={"HOME": home, "GIT_SSH_COMMAND": f"touch {mark}", "GIT_EXTERNAL_DIFF": f"touch {mark}", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": f"{home}/hooks",
                        "XDG_CONFIG_HOME": home, "GIT_TEMPLATE_DIR": home})
    end, _ = from_git(engine, url)
    assert end["type"] == "done", end
    assert not os.path.exists(mark)
    modules = repositories.make("modules", {"Dockerfile": f"FROM {IMAGE}\n", ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::touch ' + mark + "\n"})
    # Of a submodule that no commit has nothing is fetched.
    end, _ = from_git(engine, modules)
    assert end["type"] == "done" and not os.path.exists(mark), end
    repositories.git("modules", "update-index", "--add", "--cacheinfo", "160000," + repositories.git("modules", "rev-parse", "HEAD").strip() + ",x")
    repositories.git("modules", "commit", "-qm", "the submodule")
    end, _ = from_git(engine, modules)
    assert end["type"] == "error" and "submodules" in end["message"] and not os.path.exists(mark), end


@pytest.mark.parametrize("url", [
    "git://127.0.0.1:{port}/links#--upload-pack=touch", "git://127.0.0.1:{port}/links#-x", "git://127.0.0.1:{port}/links#a..b",
    "git://127.0.0.1:{port}/links --upload-pack=x", "file://{base}/links", "{base}/links", "{base}/links.git", "ext::sh -c touch% {mark}", "git+ssh://x/y", "fd::17", "ssh://-oProxyCommand=touch/x", "git@-oProxyCommand=x:a/b",
    "-u./x:a/b", "git@host:--upload-pack=x", "http://[fe80::1]/x.git", "http://169.254.169.254/x.git", "git://169.254.169.254/x", "https://169.254.169.254/x.git#main", "http://0.0.0.0/x.git", "http://user:s3cr3t@169.254.169.254/x.git"])
def test_urls_that_git_must_not_see(engine, repositories, scratch, url):  # noqa: F811
    mark = f"{scratch}/ran"
    end, _ = from_git(engine, url.format(port=repositories.port, base=repositories.base, mark=mark))
    assert end["type"] == "error" and not os.path.exists(mark), end
    assert "\n" not in end["message"] and "s3cr3t" not in end["message"] and "failed with status" not in end["message"], end["message"]
    nothing_of(engine, "s3cr3t")


# ---- secrets (S67)

def test_what_is_secret_is_kept_nowhere(fresh, repositories, scratch):
    """The daemon's environment, passwords in URLs, credentials and proxies are neither in images nor in the cache, the log, events or messages."""
    words = {n: f"canary-{n}-27182818" for n in ("env", "url", "git", "login", "proxy", "secret")}
    repositories.make("secret", {"Dockerfile": f"FROM {IMAGE}\n"})
    e = fresh(start=False)
    e.start(env={"CANARY": words["env"], "AWS_SECRET_ACCESS_KEY": words["env"]})
    e.load(archives.make_busybox_image(IMAGE + ":latest"))
    asked, proxy = [], f"http://user:{words['proxy']}@proxy.invalid:1"
    with serve(lambda h: asked.append(dict(h.headers)) or h.reply(200, b"content")) as server:
        text = f"FROM {IMAGE}\nADD http://user:{words['url']}@{server.host}/f /f\nRUN --mount=type=secret,id=s,env=S env | grep -c . ; test ${{#http_proxy}} = {len(proxy)}\n"
        built = build(e, text, entries_of=list, context="/x", args={"http_proxy": proxy}, secrets={"s": words["secret"].encode()}, tags=["test/secret:1"])
        assert built.end["type"] == "done", (built.end, built.log())
    assert asked and "Authorization" in asked[0]
    end, log = from_git(e, f"git://user:{words['git']}@127.0.0.1:{repositories.port}/secret")
    told = json.dumps(built.__dict__, default=lambda x: x.decode(errors="replace")) + json.dumps(end) + log
    end, log = from_git(e, f"http://user:{words['git']}@127.0.0.1:9/secret.git")
    told += json.dumps(end) + log
    end = build(e, f"FROM {IMAGE}\nADD https://user:{words['url']}@127.0.0.1:9/x /x\n", entries_of=list, context="/x").error
    told += end
    told += json.dumps(e.api("POST", "/auth", {"username": "u", "password": words["login"], "serveraddress": "127.0.0.1:9"}).json)
    header = base64.urlsafe_b64encode(json.dumps({"username": "u", "password": words["login"]}).encode()).decode()
    told += e.api("POST", "/images/create?fromImage=127.0.0.1:9/x/y&tag=1", headers={"X-Registry-Auth": header}).body.decode()
    told += e.api("GET", f"/events?since=0&until={int(time.time()) + 1}").body.decode()
    told += json.dumps(e.api("GET", "/images/test/secret:1/json").json) + json.dumps(e.api("GET", "/images/test/secret:1/history").json) + json.dumps(e.api("GET", "/v1.52/system/df").json)
    saved = e.ok("save", "test/secret:1", text=False)
    for name, word in words.items():
        assert word not in told and word.encode() not in saved, name
        nothing_of(e, word)


# ---- fetching (S68)

class Server:
    def __init__(self, handle, address="127.0.0.1"):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.server.seen.append((self.path, dict(self.headers)))
                with contextlib.suppress(OSError):
                    handle(self)

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return True

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads, self.server.seen = True, []
        self.seen, self.port, self.host = self.server.seen, self.server.server_port, f"{address}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def serve(handle, address="127.0.0.1"):
    server = Server(handle, address)
    try:
        yield server
    finally:
        server.close()


def add(engine, url, flags=""):  # noqa: F811
    return build(engine, f"FROM {IMAGE}\nADD {flags} {url} /x/\nRUN ls /x\n", entries_of=list, context="/x", no_cache=True)


def test_no_url_leads_to_this_machine_by_a_detour(engine):  # noqa: F811
    """A server elsewhere, and a name whose address is loopback, lead to nothing here; what the user names himself is fetched."""
    engine.ok("run", "--rm", IMAGE, "true")  # the bridge, whose address is one that is not loopback
    gateway = engine.api("GET", "/networks/bridge").json["IPAM"]["Config"][0]["Gateway"]
    with serve(lambda h: h.reply(200, b"inside")) as inside, \
            serve(lambda h: h.reply(302, Location=h.path[1:] if h.path != "/loop" else "/loop"), gateway) as outside:
        assert add(engine, f"http://{inside.host}/f").end["type"] == "done"
        assert add(engine, f"http://localhost:{inside.port}/f").end["type"] == "done"
        inside.seen.clear()
        for target in (f"http://{inside.host}/f", f"http://localhost:{inside.port}/f", f"http://127.1:{inside.port}/f", f"http://[::ffff:127.0.0.1]:{inside.port}/f", f"http://0.0.0.0:{inside.port}/f",
                       "http://169.254.169.254/latest", "http://[fe80::1]/x", "http://[::ffff:169.254.169.254]/x", "file:///etc/passwd", "gopher://127.0.0.1/x", "unix:///run/x", "ftp://127.0.0.1/x"):
            built = add(engine, f"http://{outside.host}/{target}")
            assert built.end["type"] == "error" and "\n" not in built.error, (target, built.end)
        for url in (f"http://0.0.0.0:{inside.port}/f", "http://169.254.169.254/x", "http://2852039166/x", "http://0xa9fea9fe/x", "http://[::]/x"):
            assert "it leads to" in add(engine, url).error, url
        assert add(engine, f"http://{outside.host}/loop").end["type"] == "error" and len([p for p, _ in outside.seen if p == "/loop"]) <= 11
        assert inside.seen == []
        end, _ = remote(engine, {"kind": "http", "url": f"http://{outside.host}/http://{inside.host}/context.tar"})
        assert end["type"] == "error" and inside.seen == []
    assert not scratch_left(engine)


def test_what_is_fetched_is_bounded_whole_and_as_it_was(engine):  # noqa: F811
    tar = Tar().add("../pwned", b"x").add("member", b"x").bytes()

    def answer(h):
        if h.path == "/huge":
            return h.reply(200, b"x", Content_Length=str(10 << 30))
        if h.path == "/cut":
            return h.reply(200, b"half", Content_Length="1000")
        if h.path == "/error":
            return h.reply(500, b"x" * 100_000)
        return h.reply(200, tar)
    with serve(answer) as server:
        assert "larger than" in add(engine, f"http://{server.host}/huge").error
        for path in ("cut", "error"):
            assert add(engine, f"http://{server.host}/{path}").end["type"] == "error"
        # An archive stays one unless it is said otherwise; then it is as hostile as any.
        plain = add(engine, f"http://{server.host}/a.tar")
        assert plain.end["type"] == "done" and "a.tar" in plain.log() and "member" not in plain.log()
        assert "cannot be the name of an entry" in add(engine, f"http://{server.host}/a.tar", "--unpack").error
        for wrong in ("sha256:" + "0" * 64, "sha256:" + "0" * 63, "md5:x", "../x", "sha256:" + "A" * 64):
            assert add(engine, f"http://{server.host}/a.tar", f"--checksum={wrong}").end["type"] == "error", wrong
        for name in ("..", ".", "%2e%2e", "a%2fb", ""):
            assert add(engine, f"http://{server.host}/{name}").end["type"] == "error", name
    assert not os.path.exists(engine.root + "/build/sources/pwned")
    assert os.listdir(engine.root + "/build/sources/tmp") == []
    assert not scratch_left(engine)


def test_no_credentials_go_with_what_is_fetched(fresh, scratch):
    home = tempfile.mkdtemp(dir=scratch)
    e = fresh(start=False)
    with serve(lambda h: h.reply(200, b"x")) as other, serve(lambda h: h.reply(302, Location=f"http://{other.host}/there", Set_Cookie="a=b")) as first:
        with open(f"{home}/.netrc", "w") as f:
            f.write("default login me password s3cret\n")
        os.chmod(f"{home}/.netrc", 0o600)
        e.start(env={"HOME": home})
        e.load(archives.make_busybox_image(IMAGE + ":latest"))
        assert add(e, f"http://user:password@{first.host}/f").end["type"] == "done"
        assert "Authorization" in first.seen[0][1] and other.seen
        assert all(not {"authorization", "cookie", "proxy-authorization"} & {k.lower() for k in headers} for _, headers in other.seen), other.seen
        other.seen.clear()
        assert add(e, f"http://{other.host}/g").end["type"] == "done"
        assert "Authorization" not in other.seen[0][1] and "s3cret" not in str(other.seen)

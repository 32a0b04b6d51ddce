"""`gantry build` against an engine that says what the test tells it to: the client's half of the build session."""
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tarfile
import tempfile
import threading
import time

import pytest

from harness.fake_engine import FakeEngine
from harness.terminal import Terminal
from harness.waiting import eventually


@pytest.fixture
def fake():
    engine = FakeEngine()
    yield engine
    engine.close()


@pytest.fixture
def context(scratch):
    """A context with a Dockerfile; made(files) adds to it."""
    def made(**files):
        for name, content in {"Dockerfile": "FROM scratch\nCOPY . /\n", **files}.items():
            path = os.path.join(scratch, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(content if isinstance(content, bytes) else content.encode())
        return scratch
    return made


def run(fake, script, *args, **more):
    fake.script, fake.problem = script, None
    return fake("build", *args, **more)


SPECIAL = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)


def tar(*entries):
    """An archive of (name, content or tarfile type, attributes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=more_format(entries)) as archive:
        for name, content, *attributes in entries:
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = 0o644, 1700000000
            if content in SPECIAL:
                info.type, content = content, None
            else:
                info.size = len(content)
            for key, value in (attributes[0] if attributes else {}).items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content) if content is not None else None)
    return out.getvalue()


def more_format(entries):
    return tarfile.GNU_FORMAT if len(entries) % 2 else tarfile.PAX_FORMAT


def paths(entries):
    return [e["path"] for e in entries]


# --- what is sent ---

def test_the_first_message_says_all_that_was_asked_for(fake, context):
    seen = {}

    def script(s):
        seen.update(s.build)
        s.done(tags=["a:latest"])
    for name in "ab":
        fake.on("POST", f"/images/{name}/push", (200, b'{"status":"Pushed"}\n'))
    where = context(**{".dockerignore": "# no\nnode_modules/\n!node_modules/keep\n"})
    done = run(fake, script, "-t", "a", "-t", "b:2", "--build-arg", "A=1", "--build-arg", "HERE", "--build-arg", "GONE", "--label", "l=v",
               "--target", "web", "--platform", "linux/amd64,linux/arm64", "--no-cache-filter", "one,two", "--pull", "--network", "none",
               "--add-host", "db:10.0.0.1", "--shm-size", "64m", "--ulimit", "nofile=10:20", "--allow", "network.host",
               "--annotation", "k=v", "--cgroup-parent", "/x", "--cache-from", "reg/c:1", "--cache-to", "type=inline",
               "-o", "type=image,push=true", "--build-context", "base=docker-image://alpine:3", where,
               env={"HERE": "yes", "SOURCE_DATE_EPOCH": "42"})
    assert done.code == 0 and done.out == "", done
    assert seen["dockerfile"] == "FROM scratch\nCOPY . /\n" and seen["dockerfile_name"] == "Dockerfile"
    assert seen["ignore_lines"] == ["node_modules", "!node_modules/keep"]
    assert seen["tags"] == ["a", "b:2"] and seen["args"] == {"A": "1", "HERE": "yes"} and seen["labels"] == {"l": "v"}
    assert seen["target"] == "web" and seen["platforms"] == ["linux/amd64", "linux/arm64"] and seen["pull"] is True
    assert seen["no_cache"] is False and seen["no_cache_filter"] == ["one", "two"] and seen["network"] == "none"
    assert seen["add_hosts"] == ["db:10.0.0.1"] and seen["shm_size"] == 64 << 20
    assert seen["ulimits"] == [{"Name": "nofile", "Soft": 10, "Hard": 20}] and seen["allow"] == ["network.host"]
    assert seen["annotations"] == {"k": "v"} and seen["cgroup_parent"] == "/x" and seen["source_date_epoch"] == 42
    assert seen["cache_from"] == [{"type": "registry", "ref": "reg/c:1"}] and seen["cache_to"] == [{"type": "inline"}]
    assert [r["target"] for r in fake.requests] == ["/gantry/build", "/images/a/push?tag=latest", "/images/b/push?tag=2"]
    assert seen["outputs"] == [{"type": "image"}] and seen["check"] is False and seen["metadata"] is False
    assert seen["contexts"] == {"base": {"kind": "image", "reference": "alpine:3"}}
    assert seen["context"]["kind"] == "local" and re.fullmatch("[0-9a-f]{32}", seen["context"]["key"])


def test_the_key_names_the_directory(fake, context, scratch):
    keys = []

    def script(s):
        keys.append(s.build["context"]["key"])
        s.done()
    where = context(**{"sub/Dockerfile": "FROM scratch\n"})
    os.symlink(where, os.path.join(where, "again"))
    for place in (where, os.path.join(where, "again"), os.path.join(where, "sub")):
        assert run(fake, script, place).code == 0
    assert run(fake, script, ".", cwd=where).code == 0
    assert keys[0] == keys[1] == keys[3] != keys[2]


@pytest.mark.parametrize("url,kind", [("https://example.test/a.git#main:dir", "git"), ("git@example.test:a/b", "git"),
                                      ("https://example.test/ctx.tar.gz", "http")])
def test_urls_are_the_engines(fake, url, kind):
    seen = {}

    def script(s):
        seen.update(s.build)
        s.done()
    assert run(fake, script, "-f", "sub/Containerfile", url).code == 0
    assert seen["context"] == {"kind": kind, "url": url} and "dockerfile" not in seen
    assert seen["dockerfile_name"] == "sub/Containerfile"


def test_dockerfiles_are_found_where_users_have_them(fake, context):
    seen = []

    def script(s):
        seen.append((s.build["dockerfile"], s.build["dockerfile_name"], s.build["ignore_lines"]))
        s.done()
    where = context(**{"deploy/web.Dockerfile": "FROM web\n", "deploy/web.Dockerfile.dockerignore": "w\n", ".dockerignore": "all\n"})
    assert run(fake, script, "-f", "deploy/web.Dockerfile", ".", cwd=where).code == 0
    assert run(fake, script, "-f", "-", where, input="FROM stdin\n").code == 0
    os.rename(os.path.join(where, "Dockerfile"), os.path.join(where, "Containerfile"))
    assert run(fake, script, where).code == 0
    assert seen == [("FROM web\n", "deploy/web.Dockerfile", ["w"]), ("FROM stdin\n", "Dockerfile", ["all"]),
                    ("FROM scratch\nCOPY . /\n", "Containerfile", ["all"])]
    os.remove(os.path.join(where, "Containerfile"))
    done = fake("build", where)
    assert done.code == 1 and done.err.count("\n") == 1 and '"Dockerfile" not found (nor "Containerfile")' in done.err


@pytest.mark.parametrize("name", ["Dockerfile", "Containerfile", ".dockerignore", "Dockerfile.dockerignore"])
def test_no_file_of_the_context_is_read_through_a_link_out_of_it(fake, context, name):
    fake.script = lambda s: s.done()
    where = context(inside="FROM scratch\n")
    if name == "Containerfile":
        os.remove(os.path.join(where, "Dockerfile"))
    path = os.path.join(where, name)
    if os.path.exists(path):
        os.remove(path)
    for target in ("/etc/passwd", "../../../../etc/passwd"):
        os.symlink(target, path)
        done = fake("build", where)
        assert done.code == 1 and "leads out" in done.err and done.err.count("\n") == 1, done
        assert "root" not in done.err
        os.remove(path)
    os.symlink("inside", path)
    assert fake("build", where).code == 0
    assert fake.session.build["dockerfile"].startswith("FROM scratch")


# --- the context ---

def test_walks_show_what_is_there_and_never_follow(fake, context):
    got = {}

    def script(s):
        got["all"] = s.walk()
        got["some"] = s.walk(paths=["src/*.c", "lib"], exclude=["**/*.o"])
        got["kept"] = s.walk(exclude=["node_modules", "!node_modules/keep/**"])
        got["link"] = s.walk(paths=["current/a"])
        s.done()
    where = context(**{"src/a.c": "a", "src/b.h": "b", "lib/x.o": "x", "lib/deep/y": "y", "node_modules/big/z": "z",
                       "node_modules/keep/k": "k", "v1/a": "1", "a b": ""})
    os.symlink("v1", os.path.join(where, "current"))
    os.symlink("/etc", os.path.join(where, "out"))
    os.chmod(os.path.join(where, "src/a.c"), 0o750)
    os.utime(os.path.join(where, "src/a.c"), ns=(1, 1700000000123456789))
    assert run(fake, script, where).code == 0
    assert paths(got["all"]) == ["Dockerfile", "a b", "current", "lib", "lib/deep", "lib/deep/y", "lib/x.o", "node_modules",
                                 "node_modules/big", "node_modules/big/z", "node_modules/keep", "node_modules/keep/k", "out", "src",
                                 "src/a.c", "src/b.h", "v1", "v1/a"]
    by_path = {e["path"]: e for e in got["all"]}
    assert by_path["src/a.c"]["mode"] == stat.S_IFREG | 0o750 and by_path["src/a.c"]["size"] == 1
    assert by_path["src/a.c"]["mtime_ns"] == 1700000000123456789
    assert by_path["out"]["link"] == "/etc" and stat.S_ISLNK(by_path["out"]["mode"]) and stat.S_ISDIR(by_path["src"]["mode"])
    assert paths(got["some"]) == ["lib", "lib/deep", "lib/deep/y", "src", "src/a.c"]
    assert paths(got["kept"]) == [p for p in paths(got["all"]) if not p.startswith("node_modules/big")]
    assert paths(got["link"]) == ["current", "v1", "v1/a"]


def test_what_is_ignored_is_not_walked(fake, context):
    """A directory that cannot be read does not matter where it is left out."""
    where = context()
    os.makedirs(os.path.join(where, "node_modules"))
    deep = os.path.join(where, "node_modules")
    for _ in range(60):  # deeper than a path may be long
        os.mkdir(os.path.join(deep, "d" * 200)) if len(deep) < 3800 else None
        deep = os.path.join(deep, "d" * 200) if len(deep) < 3800 else deep
    fd = os.open(deep, os.O_DIRECTORY)
    for _ in range(3):
        os.mkdir("e" * 200, dir_fd=fd)
        inner = os.open("e" * 200, os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    problems = []

    def script(s):
        assert paths(s.walk(exclude=["node_modules"])) == ["Dockerfile"]
        try:
            s.walk()
        except RuntimeError as e:
            problems.append(str(e))
        s.done()
    try:
        assert run(fake, script, where).code == 0
        assert len(problems) == 1 and "File name too long" in problems[0]
    finally:
        subprocess.run(["rm", "-rf", os.path.join(where, "node_modules")], check=True)


def test_large_trees_and_files_come_in_order_and_whole(fake, context):
    where = context()
    big = os.urandom(5 << 20)
    with open(os.path.join(where, "big"), "wb") as f:
        f.write(big)
    os.mkdir(os.path.join(where, "many"))
    for i in range(5000):
        open(os.path.join(where, "many", f"{i:05}-{'n' * 60}"), "w").close()
    got = {}

    def script(s):
        # Both at once: answers may be interleaved, and the client waits for neither side.
        one, two = s.ask("walk", context="context", paths=[], exclude=[]), s.ask("fetch", context="context", paths=["big", "Dockerfile"])
        entries, files, open_requests = [], {}, {one, two}
        while open_requests:
            header, body = s.receive()
            if header["type"] == "end":
                open_requests.remove(header["id"])
            elif header["id"] == one:
                entries += header["entries"]
            else:
                files[header["path"]] = files.get(header["path"], b"") + body
        got.update(entries=entries, files=files)
        s.done()
    assert run(fake, script, where).code == 0
    assert paths(got["entries"]) == ["Dockerfile", "big", "many"] + [f"many/{i:05}-{'n' * 60}" for i in range(5000)]
    assert hashlib.sha256(got["files"]["big"]).digest() == hashlib.sha256(big).digest()
    assert got["files"]["Dockerfile"] == b"FROM scratch\nCOPY . /\n"


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "out/passwd", "out", "a/../../secret", "up/secret", "dir", "fifo", "gone",
                                  "", "a\0b"])
def test_fetches_never_leave_the_context(fake, context, path):
    where = context(**{"ctx/Dockerfile": "FROM scratch\n", "secret": "canary", "ctx/dir/x": "x"})
    ctx = os.path.join(where, "ctx")
    os.symlink("/etc", os.path.join(ctx, "out"))
    os.symlink("..", os.path.join(ctx, "up"))
    os.mkfifo(os.path.join(ctx, "fifo"))
    problems = []

    def script(s):
        try:
            s.fetch(path)
        except RuntimeError as e:
            problems.append(str(e))
        assert s.fetch("Dockerfile") == {"Dockerfile": b"FROM scratch\n"}  # the session goes on
        s.done()
    assert run(fake, script, ctx).code == 0
    assert len(problems) == 1 and "canary" not in problems[0]


def test_named_contexts_are_walked_by_their_names(fake, context):
    where = context(**{"other/f": "other"})

    def script(s):
        assert s.build["contexts"]["lib"]["kind"] == "local" and s.build["contexts"]["lib"]["key"] != s.build["context"]["key"]
        assert paths(s.walk(context="lib")) == ["f"] and s.fetch("f", context="lib") == {"f": b"other"}
        with pytest.raises(RuntimeError, match="no context"):
            s.walk(context="nope")
        s.done()
    assert run(fake, script, "--build-context", f"lib={where}/other", where).code == 0


@pytest.mark.parametrize("compress", [lambda b: b, gzip.compress], ids=["tar", "gzip"])
def test_an_archive_on_standard_input_is_the_context(fake, compress):
    archive = compress(tar(("Dockerfile", b"FROM scratch\n"), ("a/b", b"inside"), ("ln", tarfile.SYMTYPE, {"linkname": "a"}),
                           ("exe", b"x", {"mode": 0o4755})))

    def script(s):
        assert s.build["dockerfile"] == "FROM scratch\n" and s.build["context"]["kind"] == "local"
        entries = {e["path"]: e for e in s.walk()}
        assert list(entries) == ["Dockerfile", "a", "a/b", "exe", "ln"] and entries["ln"]["link"] == "a"
        assert entries["exe"]["mode"] == stat.S_IFREG | 0o4755
        assert s.fetch("a/b") == {"a/b": b"inside"}
        s.done()
    before = set(os.listdir("/tmp"))
    done = run(fake, script, "-", input=archive, text=False)
    assert done.code == 0, done
    assert not [n for n in set(os.listdir("/tmp")) - before if n.startswith("gantry-build-")]


def test_a_dockerfile_on_standard_input_has_an_empty_context(fake):
    def script(s):
        assert s.build["dockerfile"] == "FROM scratch\n" and s.walk() == []
        s.done()
    assert run(fake, script, "-", input="FROM scratch\n").code == 0


@pytest.mark.parametrize("data,match", [(b"", "empty"), (b"\x00\x01\x02" * 300, "neither a Dockerfile nor an archive"),
                                        (tar(("../x", b"evil")), "leads out"), (tar(("a", b"x" * 9000))[:3000], "middle of an entry"),
                                        (gzip.compress(b"x" * 5000, mtime=0)[:-10], "gzip|not a tar"), (tar(("b", b"one")), "not found")])
def test_bad_standard_input_is_one_line(fake, data, match):
    fake.script = lambda s: s.done()
    done = fake("build", "-", input=data, text=False)
    assert done.code == 1 and re.search(match, done.err.decode()), done
    assert len(done.err.decode().splitlines()) == 1 and done.err.startswith(b"gantry: ") and fake.session is None


# --- secrets, credentials, agents ---

def test_secrets_come_from_files_and_variables(fake, context, scratch):
    where = context(key="from a file")

    def script(s):
        assert s.build["secrets"] == ["a", "b", "C"]
        assert s.secret("a") == b"from a file" and s.secret("b") == b"from env" and s.secret("C") == b"by its name"
        with pytest.raises(RuntimeError, match='"d" was not given'):
            s.secret("d")
        s.done()
    done = run(fake, script, "--secret", f"id=a,src={where}/key", "--secret", "id=b,env=B", "--secret", "id=C", where,
               env={"B": "from env", "C": "by its name"})
    assert done.code == 0 and "from" not in done.err.replace("FROM", ""), done


def test_credentials_are_answered_for_the_registry_that_is_asked_for(fake, context):
    os.mkdir(os.path.join(fake.base, ".docker"))
    with open(os.path.join(fake.base, ".docker/config.json"), "w") as f:
        json.dump({"auths": {"reg:5000": {"auth": "bWU6cGFzczp3b3Jk"}}}, f)

    def script(s):
        assert s.auth("reg:5000") == {"type": "auth", "id": 1, "username": "me", "password": "pass:word", "identitytoken": ""}
        assert s.auth("other:5000") == {"type": "auth", "id": 2, "username": "", "password": "", "identitytoken": ""}
        s.done()
    assert run(fake, script, context()).code == 0


def test_an_agent_is_connected_both_ways(fake, context, scratch):
    path = os.path.join(scratch, "agent")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(4)

    def agent():
        connection, _ = listener.accept()
        while data := connection.recv(1000):
            connection.sendall(b"<" + data + b">")
            if data == b"bye":
                break
        connection.close()
    thread = threading.Thread(target=agent)
    thread.start()

    def script(s):
        assert s.build["ssh"] == ["default", "other"]
        number = s.ask("ssh", agent="other")
        for word in (b"hello", b"bye"):
            s.send({"type": "ssh-data", "id": number}, word)
            assert s.receive() == ({"type": "ssh-data", "id": number}, b"<" + word + b">")
        assert s.receive()[0] == {"type": "ssh-end", "id": number}
        with pytest.raises(RuntimeError, match="was not given"):
            next(s.answers(s.ask("ssh", agent="third")))
        s.done()
    done = run(fake, script, "--ssh", "default", "--ssh", f"other={path}", context(), env={"SSH_AUTH_SOCK": path})
    thread.join(5)
    listener.close()
    assert done.code == 0, done


# --- outputs ---

def output(fake, context, archive, *args, **more):
    problems = []

    def script(s):
        try:
            s.output(0, archive)
        except RuntimeError as e:
            problems.append(str(e))
            return s.error("the output failed: " + str(e))
        s.done()
    return run(fake, script, *args, context(), **more), problems


def test_a_directory_is_filled(fake, context, scratch):
    out = os.path.join(scratch, "result/here")
    archive = tar(("./", tarfile.DIRTYPE, {"mode": 0o700}), ("a", tarfile.DIRTYPE, {"mode": 0o555}), ("a/f", b"content", {"mode": 0o4755}),
                  ("a/l", tarfile.SYMTYPE, {"linkname": "/etc/passwd"}), ("h", tarfile.LNKTYPE, {"linkname": "a/f"}),
                  ("n" * 150 + "/" + "m" * 150, b"long"), ("dev", tarfile.CHRTYPE), ("fifo", tarfile.FIFOTYPE), ("a/f", b"again"))
    done, problems = output(fake, context, archive, "-o", out)
    assert done.code == 0 and not problems, done
    assert open(f"{out}/a/f").read() == "again" and open(f"{out}/h").read() == "content"
    assert os.stat(f"{out}/h").st_mode & 0o7777 == 0o755 and os.stat(f"{out}/a").st_mode & 0o7777 == 0o555
    assert os.readlink(f"{out}/a/l") == "/etc/passwd" and int(os.stat(f"{out}/a/f").st_mtime) == 1700000000
    assert os.path.isfile(f"{out}/{'n' * 150}/{'m' * 150}")
    assert not os.path.lexists(f"{out}/dev") and "2 devices, FIFOs" in done.err
    assert sorted(os.listdir(out)) == ["a", "h", "n" * 150]


@pytest.mark.parametrize("entries", [
    [("../evil", b"x")], [("a/../../evil", b"x")], [("/../evil", b"x")],
    [("l", tarfile.SYMTYPE, {"linkname": ".."}), ("l/evil", b"x")],
    [("l", tarfile.SYMTYPE, {"linkname": "/tmp"}), ("l/evil", b"x")],
    [("l", tarfile.SYMTYPE, {"linkname": ".."}), ("l/evil", tarfile.DIRTYPE)],
    [("h", tarfile.LNKTYPE, {"linkname": "../canary"}), ("h", b"x")],
    [("l", tarfile.SYMTYPE, {"linkname": ".."}), ("h", tarfile.LNKTYPE, {"linkname": "l/canary"})],
    [("", b"x")], [(".", tarfile.SYMTYPE, {"linkname": "/"})],
    [("there/evil", b"x")],
], ids=lambda e: "+".join(str(x[0]) or "empty" for x in e))
def test_a_hostile_engine_writes_nothing_outside(fake, context, scratch, entries):
    out = os.path.join(scratch, "out")
    os.mkdir(out)
    os.symlink("..", os.path.join(out, "there"))
    with open(os.path.join(scratch, "canary"), "w") as f:
        f.write("canary")
    before = set(os.listdir("/tmp"))
    done, problems = output(fake, context, tar(*entries), "-o", out)
    assert done.code == 1 and len(problems) == 1, (done, problems)
    assert re.search("leads (out|through)|replace its directory|NUL", problems[0]), problems
    assert sorted(os.listdir(scratch)) == ["Dockerfile", "canary", "out"] and open(f"{scratch}/canary").read() == "canary"
    assert os.stat(f"{scratch}/canary").st_nlink == 1 and not os.path.exists("/tmp/evil")
    assert not [n for n in set(os.listdir("/tmp")) - before if n.startswith(".gantry")]
    assert not [n for n in os.listdir(out) if n.startswith(".gantry")]


def test_a_link_that_is_replaced_is_not_written_through(fake, context, scratch):
    out = os.path.join(scratch, "out")
    os.mkdir(out)
    with open(os.path.join(scratch, "canary"), "w") as f:
        f.write("canary")
    os.symlink("../canary", os.path.join(out, "f"))
    done, _ = output(fake, context, tar(("f", b"new")), "-o", out)
    assert done.code == 0 and open(f"{scratch}/canary").read() == "canary" and open(f"{out}/f").read() == "new"


def test_archives_go_to_files_and_standard_output(fake, context, scratch):
    data = os.urandom(300000)
    path = os.path.join(scratch, "image.tar")
    done, _ = output(fake, context, data, "-o", f"type=oci,dest={path}")
    assert done.code == 0 and open(path, "rb").read() == data
    assert fake.session.build["outputs"] == [{"type": "oci", "dest": path}]
    done, _ = output(fake, context, data, "-o", "-", "--progress", "plain", text=False)
    assert done.code == 0 and done.out == data


def test_a_file_that_does_not_come_whole_is_not_there(fake, context, scratch):
    path = os.path.join(scratch, "image.tar")

    def script(s):
        number = s.ask("output", output=0)
        s.send({"type": "output-data", "id": number}, b"half")
        s.error("the engine gave up")
    assert run(fake, script, "-o", f"type=tar,dest={path}", context()).code == 1
    assert [n for n in os.listdir(scratch) if n.startswith("image")] == []


@pytest.mark.parametrize("index", [1, 7, -1, "x"])
def test_outputs_that_were_not_asked_for_are_refused(fake, context, scratch, index):
    def script(s):
        with pytest.raises(RuntimeError, match="no such output"):
            s.output(index, b"")
        s.done()
    assert run(fake, script, "-o", f"{scratch}/out", "-o", "type=image", context()).code == 0


def test_results_are_written_to_files(fake, context, scratch):
    iid, metadata = os.path.join(scratch, "iid"), os.path.join(scratch, "meta.json")
    done = run(fake, lambda s: s.done(tags=["a:1", "b:2"]), "--iidfile", iid, "--metadata-file", metadata, "-q", context())
    assert done.code == 0 and done.out == "sha256:" + "1" * 64 + "\n" and done.err == ""
    assert open(iid).read() == "sha256:" + "1" * 64
    assert json.load(open(metadata)) == {"containerimage.config.digest": "sha256:" + "1" * 64, "image.name": "a:1,b:2",
                                         "containerimage.digest": "sha256:" + "2" * 64}
    assert run(fake, lambda s: s.error("no"), "--iidfile", iid, context()).code == 1
    assert not os.path.exists(iid)


# --- what is shown ---

def two_steps(s):
    s.step(5, "started", "[1/2] FROM debian")
    s.step(5, "cached", ms=0)
    s.step(9, "started", "[2/2] RUN make")
    s.log(9, "compiling\nwarning: \x1b[31mred\x1b[0m \x1b]0;title\x07x\n")
    s.log(9, "no end")
    s.step(9, "done", ms=1234)
    s.done(tags=["a:1"])


def test_plain_progress(fake, context):
    done = run(fake, two_steps, "--progress", "plain", context())
    assert done.out == ""
    assert re.sub(r"\d\.\d{3} ", "T ", done.err) == (
        "#1 [1/2] FROM debian\n#1 CACHED\n\n#2 [2/2] RUN make\n#2 T compiling\n#2 T warning: red x\n#2 T no end\n#2 DONE 1.2s\n"
        "Successfully built 111111111111\nSuccessfully tagged a:1\n")


def test_steps_side_by_side_take_turns(fake, context):
    def script(s):
        s.step(1, "started", "one")
        s.step(2, "started", "two")
        s.log(1, "a\n")
        s.log(2, "b\n")
        s.step(1, "done", ms=100)
        s.log(2, "c\n")
        s.step(2, "done", ms=200)
        s.done()
    done = run(fake, script, context())
    assert re.sub(r"\d\.\d{3} ", "", done.err) == ("#1 one\n#1 a\n#1 DONE 0.1s\n\n#2 two\n#2 b\n#2 c\n#2 DONE 0.2s\n"
                                                       "Successfully built 111111111111\n")


def test_rawjson_is_a_line_for_each_event(fake, context):
    done = run(fake, two_steps, context(), env={"BUILDKIT_PROGRESS": "rawjson"})
    events = [json.loads(line) for line in done.err.splitlines()]
    assert [e["type"] for e in events] == ["step", "step", "step", "log", "log", "step", "done"]
    assert events[3]["data"].startswith("compiling\n") and all(e["time"].endswith("Z") for e in events)
    assert "\x1b" not in done.err


def test_an_error_shows_its_lines_and_the_last_output(fake, context):
    def script(s):
        s.step(1, "started", "[2/2] RUN false")
        s.log(1, "".join(f"line {i}\n" for i in range(40)))
        s.step(1, "error", ms=200, error="exit code: 7")
        s.error('process "/bin/sh -c false" did not complete successfully: exit code: 7', first=3, last=3, step=1, code=7)
    where = context(Dockerfile="FROM scratch\n\nRUN false\nRUN \x1b[2Jafter\n")
    done = run(fake, script, where)
    assert done.code == 1
    tail = done.err[done.err.index("------\n"):]
    assert tail == ("------\n > [2/2] RUN false:\n" + "".join(f"line {i}\n" for i in range(28, 40)) + "------\n"
                    "Dockerfile:3\n--------------------\n   1 |     FROM scratch\n   2 |     \n   3 | >>> RUN false\n     |     ^\n"
                    "   4 |     RUN after\n--------------------\n"
                    'gantry: process "/bin/sh -c false" did not complete successfully: exit code: 7\n')
    quiet = run(fake, script, "-q", where)
    assert quiet.code == 1 and quiet.err == tail


def test_usage_errors_have_their_code(fake, context):
    done = run(fake, lambda s: s.error('target stage "x" could not be found', usage=True), context())
    assert done.code == 125 and done.err == 'gantry: target stage "x" could not be found\n'


def test_mistakes_in_the_dockerfile_are_none_of_usage(fake, context):
    done = run(fake, lambda s: s.error('unknown instruction "FORM"', usage=True, first=1, last=1), context())
    assert done.code == 1 and done.err.startswith("Dockerfile:1\n") and done.err.endswith('gantry: unknown instruction "FORM"\n')


def test_what_is_not_built_is_not_pushed(fake, context):
    done = run(fake, lambda s: s.error("no"), "--push", "-t", "a", context())
    assert done.code == 1 and [r["target"] for r in fake.requests] == ["/gantry/build"]
    fake.on("POST", "/images/a/push", (200, b'{"errorDetail":{"message":"denied"},"error":"denied"}\n'))
    done = run(fake, lambda s: s.done(), "--push", "-t", "a", context())
    assert done.code == 1 and done.err.endswith("gantry: denied\n")


def test_warnings_stand_at_the_end(fake, context):
    def script(s):
        s.send({"type": "warning", "rule": "JSONArgsRecommended", "message": "use JSON", "first": 2, "last": 2})
        two_steps(s)
    done = run(fake, script, context())
    assert done.code == 0
    assert done.err.endswith("\n 1 warning found:\n\nWARNING: JSONArgsRecommended: use JSON\nDockerfile:2\n--------------------\n"
                             "   1 |     FROM scratch\n   2 | >>> COPY . /\n     |     ^\n--------------------\n")
    check = run(fake, script, "--check", context())
    assert check.code == 1 and check.out.startswith("Check complete, 1 warning has been found!\n\nWARNING: JSONArgs")
    clean = run(fake, lambda s: s.done(), "--call", "check", context())
    assert clean.code == 0 and clean.out == "Check complete, no warnings found.\n"


def on_terminal(fake, script, *args, rows=24, columns=80, wait=True):
    fake.script, fake.problem = script, None
    terminal = Terminal(rows, columns)
    process = subprocess.Popen(fake.program("build", *args), stdin=subprocess.DEVNULL, stdout=terminal.slave,
                               stderr=terminal.slave, env=fake.environment(NO_COLOR="1"), start_new_session=True)
    terminal.begin()
    if wait:
        process.wait(20)
        return process.returncode, terminal.end().decode()
    return process, terminal


class Screen:
    """What a terminal would show: cursor up, erase, carriage return, line feed."""

    def __init__(self, text, columns):
        self.rows, self.row, self.column = [""], 0, 0
        for part in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|[^\x1b]|\x1b", text):
            if part.startswith("\x1b["):
                number = int(re.sub(r"\D", "", part) or 1)
                if part.endswith("A"):
                    self.row -= number
                elif part.endswith("K"):
                    self.rows[self.row] = ""
                elif part.endswith("J"):
                    self.rows = self.rows[:self.row] + [""]
                else:
                    assert part in ("\x1b[?25l", "\x1b[?25h"), repr(part)
            elif part == "\n":
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append("")
            elif part == "\r":
                self.column = 0
            else:
                assert part >= " ", repr(part)
                self.rows[self.row] = self.rows[self.row][:self.column] + part + self.rows[self.row][self.column + 1:]
                self.column += 1
                assert self.column <= columns, self.rows[self.row]


def test_terminal_progress(fake, context):
    def script(s):
        s.step(1, "started", "[1/3] FROM debian")
        s.step(1, "cached", ms=0)
        s.step(2, "started", "[2/3] RUN " + "long " * 40)
        for i in range(30):
            s.log(2, f"output {i} \x1b[2J\x1b[Hevil\n")
        s.send({"type": "progress", "step": 2, "what": "layer ab", "current": 1500000, "total": 3000000})
        time.sleep(0.4)
        s.step(2, "done", ms=400)
        s.step(3, "started", "exporting")
        s.step(3, "done", ms=0)
        s.done()
    code, text = on_terminal(fake, script, context(), columns=60)
    assert code == 0 and fake.problem is None
    assert " => => # output 29 evil" in text and " => => # output 23 " not in text.split("output 29")[-1]
    assert "layer ab 1.5MB / 3MB" in text
    rows = [row.rstrip() for row in Screen(text, 60).rows]
    assert re.fullmatch(r"\[\+\] Building 0\.\ds \(3/3\) FINISHED", rows[0])
    assert rows[1].startswith(" => CACHED [1/3] FROM debian") and rows[1].endswith(" 0.0s") and len(rows[1]) == 59
    assert rows[2].startswith(" => [2/3] RUN long long") and "… " in rows[2] and rows[2].endswith(" 0.4s") and len(rows[2]) == 59
    assert rows[3].startswith(" => exporting") and rows[4:] == ["Successfully built 111111111111", ""]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_a_small_terminal_is_never_overflowed(fake, context):
    def script(s):
        for i in range(40):
            s.step(i, "started", f"step {i}")
            s.log(i, "x\n" * 10)
            if i % 3:
                s.step(i, "done", ms=1)
        time.sleep(0.3)
        s.done()
    code, text = on_terminal(fake, script, context(), rows=8, columns=30)
    assert code == 0
    assert max(int(n) for n in re.findall(r"\x1b\[(\d+)A", text)) < 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_build(fake, context, number):
    gone = threading.Event()

    def script(s):
        s.step(1, "started", "[1/1] RUN sleep")
        if s.closed():
            gone.set()
    process, terminal = on_terminal(fake, script, context(), wait=False)
    eventually(lambda: b"RUN sleep" in b"".join(terminal.shown), timeout=10)
    process.send_signal(number)
    assert process.wait(5) == 128 + number and gone.wait(5)
    text = terminal.end().decode()
    assert "CANCELED [1/1] RUN sleep" in text and text.endswith("gantry: the build was cancelled\r\n")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_push_can_be_interrupted(fake, context):
    begun = threading.Event()

    def hang(request):
        begun.set()
        time.sleep(3)
        return 200, {}
    fake.on("POST", "/images/a/push", hang)
    process, terminal = on_terminal(fake, lambda s: s.done(), "--push", "-t", "a", context(), wait=False)
    assert begun.wait(10)
    process.send_signal(signal.SIGINT)
    assert process.wait(2) == -signal.SIGINT
    terminal.end()


# --- a broken engine ---

@pytest.mark.parametrize("script,match", [
    (lambda s: s.connection.sendall(b"\xff" * 64), "larger than the session allows"),
    (lambda s: s.connection.sendall(b"\0\0\0\2\0\0\0\0[]"), "without a type"),
    (lambda s: s.send({"type": "step", "state": "started"}), "without its number"),
    (lambda s: s.send({"type": "step", "step": 1, "state": "flying"}), "unknown state"),
    (lambda s: s.send({"type": "walk"}), "without an id"),
    (lambda s: None, "lost the connection"),
])
def test_what_is_no_session_is_said_in_one_line(fake, context, script, match):
    done = run(fake, script, "-q", context())
    assert done.code == 1 and re.search(match, done.err) and done.err.count("\n") == 1, done


def test_an_engine_without_builds(fake, context):
    fake.on("POST", "/gantry/build", (501, {"message": "build is not supported yet"}))
    done = fake("build", context())
    assert done.code == 1 and done.err == "gantry: Error response from daemon: build is not supported yet\n" or \
        done.err == "Error response from daemon: build is not supported yet\n"


# --- mistakes ---

@pytest.mark.parametrize("arguments,code,match", [
    ([], 1, "requires 1 argument"),
    (["a", "b"], 1, "requires 1 argument"),
    (["/no/such/directory"], 1, '"/no/such/directory" not found'),
    (["/etc/passwd"], 1, "not a directory"),
    (["--tga", "x", "."], 125, r"unknown flag: --tga \(did you mean --tag\?\)"),
    (["--progress", "fancy", "."], 1, "want auto, plain, tty, quiet, rawjson"),
    (["--progress", "tty", "."], 1, "not a terminal"),
    (["--network", "bridge0", "."], 1, "want default, none, host"),
    (["--allow", "network.hots", "."], 1, 'did you mean "network.host"'),
    (["-o", "type=lcoal,dest=x", "."], 1, r'type "lcoal" is unknown.*did you mean "local"'),
    (["-o", "type=local", "."], 1, '"dest" is required'),
    (["-o", "type=local,dest=-", "."], 1, "standard output"),
    (["-o", "type=image,dest=x", "."], 1, "does not go with"),
    (["-o", "-", "-o", "type=oci", "."], 1, "only one --output"),
    (["-o", "type=tar,type=oci", "."], 1, "given twice"),
    (["--push", "."], 1, "needs a name"),
    (["-o", "type=registry", "."], 1, "needs a name"),
    (["-t", "x", "-o", "type=image,push=perhaps", "."], 1, "want true or false"),
    (["--push", "--load", "-t", "x", "."], 1, "exclude each other"),
    (["--secret", "src=x", "."], 1, '"id" is required'),
    (["--secret", "id=x,src=/no/such", "."], 1, "/no/such"),
    (["--secret", "id=x,env=NOT_SET", "."], 1, "NOT_SET"),
    (["--secret", "id=x,file=y", "."], 1, 'unknown key "file"'),
    (["--ssh", "default", "."], 1, "SSH_AUTH_SOCK is not set"),
    (["--ssh", "key=/etc/passwd", "."], 1, "neither the socket of an agent nor a private key"),
    (["--cache-to", "type=gha", "."], 1, "not supported"),
    (["--cache-from", "type=local", "."], 1, '"src" is required'),
    (["--build-context", "x", "."], 1, "want NAME=PATH"),
    (["--build-context", "x=oci-layout://y", "."], 1, "not supported"),
    (["--build-context", "context=/tmp", "."], 1, "name is taken"),
    (["--add-host", "nonsense", "."], 1, "add-host"),
    (["--ulimit", "x=1", "."], 1, "ulimit"),
    (["--annotation", "index:a=b", "."], 1, "not supported"),
    (["--provenance", "."], 125, "only \"false\""),
    (["--call", "outline", "."], 1, "want build, check"),
    (["-f", "-", "-"], 1, "both the context and the Dockerfile"),
    (["-f", "nope", "."], 1, '"nope" not found'),
    (["--shm-size", "big", "."], 125, "invalid size"),
])
def test_mistakes_are_one_line(fake, context, arguments, code, match):
    fake.script = lambda s: s.done()
    done = fake("build", *arguments, cwd=context())
    assert done.code == code and re.search(match, done.err), done
    assert done.err.count("\n") == 1 and done.err.startswith("gantry: ") and done.out == "" and fake.session is None, done


@pytest.mark.parametrize("arguments, env, seconds", [
    (["--build-arg", "SOURCE_DATE_EPOCH=7"], {}, 7), (["--build-arg", "SOURCE_DATE_EPOCH=7"], {"SOURCE_DATE_EPOCH": "42"}, 7),
    (["--build-arg", "SOURCE_DATE_EPOCH"], {"SOURCE_DATE_EPOCH": "42"}, 42), ([], {"SOURCE_DATE_EPOCH": ""}, None),
    (["--build-arg", "SOURCE_DATE_EPOCH="], {"SOURCE_DATE_EPOCH": "42"}, None)])
def test_the_date_is_the_arguments_or_the_environments(fake, context, arguments, env, seconds):
    seen = {}

    def script(s):
        seen.update(s.build)
        s.done()
    done = run(fake, script, *arguments, context(), env=env)
    assert done.code == 0 and seen.get("source_date_epoch") == seconds, seen


def test_keys_in_files_are_in_an_agent_as_long_as_the_build(fake, context, scratch):
    if not (shutil.which("ssh-agent") and shutil.which("ssh-keygen")):
        pytest.skip("OpenSSH's client is needed")
    for name in ("one", "two"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"key {name}", "-f", f"{scratch}/{name}"], check=True)
    sockets = []

    def agents():
        return {p for p in os.listdir(tempfile.gettempdir()) if os.path.exists(f"{tempfile.gettempdir()}/{p}/agent.sock")}
    before = agents()

    def script(s):
        number = s.ask("ssh", agent="default")
        s.send({"type": "ssh-data", "id": number}, b"\0\0\0\1\x0b")  # which keys there are
        answer = b""
        while b"key two" not in answer:
            header, body = s.receive()
            assert header["type"] == "ssh-data", header
            answer += body
        assert answer[4] == 12 and b"key one" in answer
        sockets.extend(agents() - before)
        s.send({"type": "ssh-end", "id": number})
        s.done()
    done = run(fake, script, "--ssh", f"default={scratch}/one,{scratch}/two", context())
    assert done.code == 0, done
    assert sockets and not agents() & set(sockets)


def test_a_key_with_a_passphrase_needs_someone_to_ask(fake, context, scratch):
    if not (shutil.which("ssh-agent") and shutil.which("ssh-keygen")):
        pytest.skip("OpenSSH's client is needed")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", f"{scratch}/locked"], check=True)
    fake.script = lambda s: s.done()
    done = fake("build", "--ssh", f"default={scratch}/locked", context())
    assert done.code == 1 and "ssh-add could not add the key" in done.err.splitlines()[-1], done


def test_a_date_that_is_none(fake, context):
    done = fake("build", context(), env={"SOURCE_DATE_EPOCH": "yesterday"})
    assert done.code == 1 and 'SOURCE_DATE_EPOCH "yesterday"' in done.err

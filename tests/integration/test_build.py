"""Builds: Docker's classic route and the session of `gantry build`; the cache, what steps can reach, and what is left."""
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import IMAGE
from harness.build_session import Session, build, classic, entries
from harness.waiting import eventually


@pytest.fixture
def engine(engine):
    """The file's engine; afterwards it has no image but the test image, and an empty cache."""
    yield engine
    keep = engine.api("GET", f"/images/{IMAGE}/json").json["Id"]
    for image in engine.api("GET", "/images/json").json:
        if image["Id"] != keep:
            engine.ok("rmi", "-f", image["Id"])
    assert engine.api("POST", "/build/prune?all=1").status == 200


def run(engine, image, *command):
    return engine.ok("run", "--rm", image, *command)


def config(engine, image):
    return engine.api("GET", f"/images/{image}/json").json


def layers(engine, image):
    return config(engine, image)["RootFS"]["Layers"]


def scratch_left(engine):
    """What steps that have ended left in the engine's own directories."""
    left = []
    for below in (engine.root + "/build/scratch", engine.root + "/build/sources/tmp", engine.run_dir + "/build", engine.run_dir + "/tasks"):
        if os.path.isdir(below):
            left += [os.path.join(below, n) for n in os.listdir(below)]
    active = engine.root + "/drivers/overlayfs/active"
    left += [n for n in os.listdir(active)] if os.path.isdir(active) else []
    return left


# ---- the classic route

def test_classic(engine):
    files = {"Dockerfile": f"FROM {IMAGE}\nWORKDIR /srv\nCOPY hello.txt .\nRUN cat hello.txt > copied && echo shown\n"
                           'ENV A=1\nLABEL l=v\nEXPOSE 80\nCMD ["cat", "copied"]\n', "hello.txt": "hello\n"}
    done = classic(engine, files, t="test/built:1")
    assert done.status == 200 and not done.error, done.raw
    assert "Step 1/" in done.text and "shown" in done.text and "Successfully tagged test/built:1" in done.text
    assert run(engine, "test/built:1") == "hello"
    c = config(engine, "test/built:1")
    assert c["Id"] == done.id
    assert c["Config"]["WorkingDir"] == "/srv" and c["Config"]["Labels"]["l"] == "v"
    assert "A=1" in c["Config"]["Env"] and "80/tcp" in c["Config"]["ExposedPorts"]
    base = layers(engine, IMAGE)
    assert layers(engine, "test/built:1")[:len(base)] == base
    history = engine.api("GET", "/images/test/built:1/history").json
    assert any("RUN" in h["CreatedBy"] for h in history) and any("EXPOSE" in h["CreatedBy"] for h in history)
    again = classic(engine, files, t="test/built:2")
    assert again.text.count(" ---> Using cache\n") == 3, again.text
    assert layers(engine, "test/built:2") == layers(engine, "test/built:1")
    assert not scratch_left(engine)


def test_classic_parameters(engine):
    files = {"d/File": f"ARG V=none\nFROM {IMAGE} AS one\nARG V\nRUN echo $V > /v\nFROM one AS two\nRUN touch /two\n"}
    done = classic(engine, files, dockerfile="d/File", buildargs={"V": "given"}, labels={"x": "y"}, target="one", t=["a:1", "b:1"])
    assert not done.error, done.raw
    assert run(engine, "a:1", "cat", "/v") == "given"
    assert engine("run", "--rm", "b:1", "ls", "/two").code != 0
    assert config(engine, "a:1")["Config"]["Labels"]["x"] == "y"
    quiet = classic(engine, files, dockerfile="d/File", q=1, buildargs={"V": "given"})
    assert [m for m in quiet.messages if "stream" in m] == [{"stream": quiet.id + "\n"}]


def test_classic_in_dockers_words(engine):
    """Clients find their way by these lines. Of what lies between two instructions no image is kept, so that it has no id to be told."""
    files = {"Dockerfile": f"# note\nARG BASE={IMAGE}\nFROM   $BASE AS one\nENV A=1\nRUN echo \\\n  spoken\n"
                           "FROM scratch AS aside\nCOPY Dockerfile /\n"
                           "FROM one\nCOPY Dockerfile /there\nCMD [\"x\"]\nFROM scratch AS later\n"}
    base = config(engine, IMAGE)["Id"][7:19]

    def lines(**query):
        done = classic(engine, files, target="2", **query)
        assert not done.error, done.raw
        return done, done.text.splitlines()
    done, said = lines(t="test/words", labels={"k": "v", "a": "b"}, nocache=1)
    runs = [line.split()[-1] for line in said if "Running in" in line]
    assert len(runs) == 1 and len(runs[0]) == 12 and set(runs[0]) <= set("0123456789abcdef"), done.text
    assert said == [f"Step 1/11 : ARG BASE={IMAGE}", "Step 2/11 : FROM   $BASE AS one", f" ---> {base}", "Step 3/11 : ENV A=1",
                    "Step 4/11 : RUN echo   spoken", f" ---> Running in {runs[0]}", "spoken",
                    f" ---> Removed intermediate container {runs[0]}", "Step 7/11 : FROM one", "Step 8/11 : COPY Dockerfile /there",
                    'Step 9/11 : CMD ["x"]', "Step 10/11 : LABEL a=b", "Step 11/11 : LABEL k=v", f" ---> {done.id[7:19]}",
                    f"Successfully built {done.id[7:19]}", "Successfully tagged test/words:latest"], done.text
    assert done.messages[0] == {"stream": f"Step 1/11 : ARG BASE={IMAGE}"} and done.messages[1] == {"stream": "\n"}
    again, said = lines()
    assert said[4:6] == ["Step 4/9 : RUN echo   spoken", " ---> Using cache"] and said[7:9] == ["Step 8/9 : COPY Dockerfile /there", " ---> Using cache"]
    assert config(engine, again.id)["Id"] == again.id


def test_classic_tells_of_what_fails_and_of_triggers(engine):
    failing = {"Dockerfile": f"FROM {IMAGE}\nRUN echo before && false\nENV A=1\n"}
    for query, gone in (({}, 0), ({"forcerm": 1}, 1)):
        done = classic(engine, failing, **query)
        assert done.error == "The command '/bin/sh -c echo before && false' returned a non-zero code: 1", done.raw
        assert "\nbefore\n" in done.text and "Step 3/3" not in done.text and done.text.count("Removed intermediate container") == gone
    assert classic(engine, {"Dockerfile": f"FROM {IMAGE}\nONBUILD RUN echo triggered\nONBUILD ENV B=2\n"}, t="test/triggers").id
    done = classic(engine, {"Dockerfile": "FROM test/triggers\nENV C=3\n"}, nocache=1)
    said = done.text.splitlines()
    assert said[:2] == ["Step 1/2 : FROM test/triggers", "# Executing 2 build triggers"] and said[3] == "triggered", done.text
    assert said[5:7] == ["Step 2/2 : ENV C=3", f" ---> {done.id[7:19]}"], done.text
    scratch = classic(engine, {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    assert scratch.text.startswith("Step 1/2 : FROM scratch\n ---> \nStep 2/2 : COPY Dockerfile /\n"), scratch.text


def test_what_is_said_before_its_turn_waits_for_it(engine):
    """Stages are built side by side, and told of one after another."""
    files = {"Dockerfile": f"FROM {IMAGE} AS slow\nRUN sleep 1; echo slow > /s; echo first\n"
                           f"FROM {IMAGE}\nRUN echo second\nCOPY --from=slow /s /s\n"}
    done = classic(engine, files, nocache=1)
    said = [line for line in done.text.splitlines() if line.startswith("Step") or line in ("first", "second")]
    assert said == ["Step 1/5 : FROM " + IMAGE + " AS slow", "Step 2/5 : RUN sleep 1; echo slow > /s; echo first", "first", "Step 3/5 : FROM " + IMAGE,
                    "Step 4/5 : RUN echo second", "second", "Step 5/5 : COPY --from=slow /s /s"], done.text


@pytest.mark.parametrize("query, status, text", [
    ({"version": 2}, 501, "BuildKit"), ({"version": 3}, 400, "version"), ({"memory": 1000}, 501, "memory"),
    ({"squash": 1}, 501, "squash"), ({"networkmode": "container:x"}, 501, "networkmode"), ({"networkmode": "host"}, 403, "network.host"),
    ({"buildargs": "{"}, 400, "buildargs"), ({"buildargs": [1]}, 400, "buildargs"), ({"labels": {"a": 1}}, 400, "labels"),
    ({"cachefrom": "x"}, 400, "cachefrom"), ({"cachefrom": ["UPPER"]}, 400, "lowercase"), ({"platform": "windows/amd64"}, 501, "linux"), ({"platform": "x"}, 400, "platform"),
    ({"dockerfile": "none"}, 400, "Cannot locate specified Dockerfile: none"), ({"dockerfile": "../../../etc/passwd"}, 400, "Dockerfile"),
    ({"shmsize": "many"}, 400, "shmsize"), ({"t": "UPPER"}, 400, "lowercase"), ({"target": "none"}, 404, "none")])
def test_classic_refuses(engine, query, status, text):
    done = classic(engine, {"Dockerfile": f"FROM {IMAGE}\n"}, **query)
    assert text in (done.error or ""), done.raw
    assert done.status == status, done.raw


def test_classic_bad_contexts(engine):
    assert "build context" in classic(engine, b"no tar at all" * 100).error
    assert classic(engine, b"").error
    assert "FORM" in classic(engine, {"Dockerfile": "FORM x\n"}).error
    done = classic(engine, {"Dockerfile": f"FROM {IMAGE}\nRUN echo before; exit 7\n"})
    assert "The command '/bin/sh -c echo before; exit 7' returned a non-zero code: 7" in done.error and "before" in done.text
    assert classic(engine, {"Dockerfile": "FROM none/such:1\n"}).error
    link = classic(engine, {"Dockerfile": f"FROM {IMAGE}\nCOPY secret /s\n", "secret": ("link", "/etc/shadow")})
    assert "not found" in link.error
    link = classic(engine, {"Dockerfile": ("link", "/etc/passwd")})
    assert "Cannot locate" in link.error
    assert not scratch_left(engine)


# ---- steps

def test_steps_have_what_containers_have(engine):
    built = build(engine, f"""FROM {IMAGE}
RUN id -u > /id; ls /proc/self/ns | wc -l; cat /etc/hosts; hostname; grep CapEff /proc/self/status; grep Seccomp: /proc/self/status
USER app
RUN id -un && touch /tmp/x
""", context="/nonexistent", entries_of=list)
    assert built.end["type"] == "done", built.end
    assert "localhost" in built.log() and "app" in built.log()
    plain = run(engine, IMAGE, "grep", "-e", "CapEff", "-e", "Seccomp:", "/proc/self/status").splitlines()
    assert len(plain) == 2 and all(line in built.log() for line in plain), (plain, built.log())
    # Neither files of the engine nor places of mounts are in the layer.
    assert engine.api("GET", f"/images/{built.id}/json").status == 200
    tar = build(engine, f"FROM {IMAGE} AS b\nRUN touch /made\nFROM scratch\nCOPY --from=b /bin /bin\nRUN [\"/bin/busybox\", \"touch\", \"/x\"]\n",
                context="/nonexistent", entries_of=list, outputs=[{"type": "tar", "dest": "x"}])
    assert tar.end["type"] == "done", tar.end
    names = tarfile.open(fileobj=io.BytesIO(list(tar.outputs.values())[0])).getnames()
    assert "x" in names and "bin/busybox" in names
    assert not {"proc", "sys", "dev", "etc", "etc/hosts", "etc/resolv.conf"} & set(names), names
    assert not scratch_left(engine)


def test_networks(engine):
    built = build(engine, f"FROM {IMAGE}\nRUN ip addr show eth0\nRUN --network=none ! ip addr show eth0\n", entries_of=list, context="/x")
    assert built.end["type"] == "done", (built.end, built.log())
    for text in ("RUN --network=host true", "RUN --security=insecure true"):
        assert "not allowed" in build(engine, f"FROM {IMAGE}\n{text}\n", entries_of=list, context="/x").error
    assert "not allowed" in build(engine, f"FROM {IMAGE}\nRUN --network=host true\n", entries_of=list, context="/x",
                                  allow=["network.host"]).error
    assert "unknown entitlement" in build(engine, f"FROM {IMAGE}\n", entries_of=list, context="/x", allow=["everything"]).error


def test_entitlements_need_both(fresh):
    e = fresh(config={"build": {"entitlements": ["network.host"]}})
    assert "not allowed" in build(e, f"FROM {IMAGE}\nRUN --network=host true\n", entries_of=list, context="/x").error
    built = build(e, f"FROM {IMAGE}\nRUN --network=host ip link show lo\n", entries_of=list, context="/x", allow=["network.host"])
    assert built.end["type"] == "done", built.end
    assert "not allowed" in build(e, f"FROM {IMAGE}\nRUN --security=insecure true\n", entries_of=list, context="/x",
                                  allow=["security.insecure"]).error


def test_a_failing_step_is_named(engine):
    built = build(engine, f"FROM {IMAGE}\nRUN true\nRUN echo last words >&2; exit 42\n", entries_of=list, context="/x")
    assert "exit code: 42" in built.error and built.end["code"] == 42 and built.end["first"] == 3
    assert "last words" in built.log()
    missing = build(engine, f'FROM {IMAGE}\nRUN ["/no/such"]\n', entries_of=list, context="/x")
    assert "/no/such" in missing.error
    assert not scratch_left(engine)


def test_independent_stages_run_side_by_side(engine):
    text = f"FROM {IMAGE} AS a\nRUN sleep 2; touch /a\nFROM {IMAGE} AS b\nRUN sleep 2; touch /b\nFROM {IMAGE}\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    begun = time.monotonic()
    assert build(engine, text, entries_of=list, context="/x").end["type"] == "done"
    assert time.monotonic() - begun < 3.8


def test_the_same_step_of_two_builds_runs_once(engine):
    text = f"FROM {IMAGE}\nRUN sleep 1; cat /proc/sys/kernel/random/uuid > /u\n"
    results = []
    threads = [threading.Thread(target=lambda: results.append(build(engine, text, entries_of=list, context="/x"))) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({tuple(layers(engine, r.id)) for r in results}) == 1


# ---- the cache

def test_cache_by_content(engine, scratch):
    for name, text in (("a", "1"), ("b", "2")):
        with open(f"{scratch}/{name}", "w") as f:
            f.write(text)
    text = f"FROM {IMAGE}\nCOPY a /\nRUN cat /a > /c\n"
    first = build(engine, text, scratch)
    assert first.state("RUN") == "done"
    assert first.fetched == ["a", "b"] or first.fetched == ["a"]
    os.utime(f"{scratch}/a", (1, 1))  # times are no content
    second = build(engine, text, scratch)
    assert second.state("COPY") == "cached" and second.state("RUN") == "cached"
    assert layers(engine, second.id) == layers(engine, first.id)
    with open(f"{scratch}/b", "w") as f:
        f.write("other")
    assert build(engine, text, scratch).state("COPY") == "cached"
    with open(f"{scratch}/a", "w") as f:
        f.write("changed")
    third = build(engine, text, scratch)
    assert third.state("COPY") == "done" and third.state("RUN") == "done"
    assert run(engine, third.id, "cat", "/c") == "changed"
    assert build(engine, text, scratch, no_cache=True).state("RUN") == "done"
    os.chmod(f"{scratch}/a", 0o600)
    assert build(engine, text, scratch).state("COPY") == "done"


def test_only_what_changed_is_sent(engine, scratch):
    os.makedirs(f"{scratch}/d")
    for i in range(20):
        with open(f"{scratch}/d/{i}", "w") as f:
            f.write(str(i))
    text = f"FROM {IMAGE}\nCOPY d /d\n"
    assert len(build(engine, text, scratch).fetched) == 20
    assert build(engine, text, scratch).fetched == []
    with open(f"{scratch}/d/7", "w") as f:
        f.write("seven")
    os.unlink(f"{scratch}/d/8")
    built = build(engine, text, scratch)
    assert built.fetched == ["d/7"]
    assert run(engine, built.id, "sh", "-c", "cat /d/7; ls /d | wc -l") == "seven19"


def test_a_cached_build_of_ten_steps_is_quick(engine, scratch):
    with open(f"{scratch}/a", "w") as f:
        f.write("1")
    text = f"FROM {IMAGE}\nCOPY a /a\n" + "".join(f"RUN echo {i} > /{i}\n" for i in range(9))
    build(engine, text, scratch)
    times = []
    for _ in range(7):
        begun = time.monotonic()
        built = build(engine, text, scratch)
        times.append(time.monotonic() - begun)
        assert len(built.cached()) >= 10
    print("cached builds, ms:", [round(t * 1000, 1) for t in times])
    assert sorted(times)[1] < 0.1  # of this client, which is no fast one


def test_the_cache_survives_and_goes(fresh, scratch):
    e = fresh()
    text = f"FROM {IMAGE}\nRUN echo 1 > /a\nRUN echo 2 > /b\n"
    first = build(e, text, entries_of=list, context="/x")
    e.restart()
    second = build(e, text, entries_of=list, context="/x")
    assert second.state("RUN echo 2") == "cached"
    # Layers of the cache outlive their image, and the collection of garbage.
    for image in {first.id, second.id}:
        e.ok("rmi", "-f", image)
    assert build(e, text, entries_of=list, context="/x").state("RUN echo 2") == "cached"
    for image in e.api("GET", "/images/json").json:
        if not (image["RepoTags"] or [""])[0].startswith(IMAGE):
            e.ok("rmi", "-f", image["Id"])
    assert e.api("POST", "/build/prune?filters=" + json.dumps({"until": ["1h"]}).replace(" ", "")).json["CachesDeleted"] == []
    gone = e.api("POST", "/build/prune?all=1").json
    assert len(gone["CachesDeleted"]) == 2 and gone["SpaceReclaimed"] > 0, gone
    assert build(e, text, entries_of=list, context="/x").state("RUN echo 2") == "done"


@pytest.mark.parametrize("query, status", [("filters={", 400), ('filters={"colour":["x"]}', 400), ('filters={"type":["x"]}', 400),
                                           ("keep-storage=x", 400), ('filters={"inuse":["1"]}', 501)])
def test_prune_refuses(engine, query, status):
    assert engine.api("POST", "/build/prune?" + query).status == status


def test_limits_of_the_cache(fresh):
    e = fresh(config={"build": {"cache": {"max_size": "1m"}}})
    for i in range(4):
        build(e, f"FROM {IMAGE}\nRUN dd if=/dev/urandom of=/f bs=1024 count=600; echo {i}\n", entries_of=list, context="/x")
    left = e.api("POST", "/build/prune?all=1").json["CachesDeleted"]
    assert len(left) == 1, left


# ---- mounts

def test_mounts(engine, scratch):
    os.makedirs(f"{scratch}/sub")
    with open(f"{scratch}/sub/f", "w") as f:
        f.write("context")
    built = build(engine, f"""FROM {IMAGE} AS other
RUN mkdir -p /deep/er && echo stage > /deep/er/f
FROM {IMAGE}
RUN --mount=type=bind,source=sub,target=/ctx cat /ctx/f && ! touch /ctx/g
RUN --mount=type=bind,source=sub,target=/ctx,rw touch /ctx/g && ls /ctx/g
RUN --mount=type=bind,from=other,source=/deep/er,target=/st cat /st/f && ! touch /st/g
RUN --mount=type=bind,from=other,source=/deep,target=/st,rw echo x > /st/er/f && cat /st/er/f
RUN --mount=type=tmpfs,target=/t,size=1m touch /t/f && mount | grep ' /t '
RUN --mount=type=cache,target=/c,id=x echo kept > /c/f
RUN --mount=type=cache,target=/elsewhere,id=x cat /elsewhere/f
RUN ls /ctx /st /t /c || true
""", scratch)
    assert built.end["type"] == "done", (built.end, built.log())
    assert "context" in built.log() and "stage" in built.log() and "kept" in built.log()
    assert not os.path.exists(f"{scratch}/sub/g")
    assert built.log().count("No such file") >= 4  # the places of the mounts are not in the layers
    assert not scratch_left(engine)


def test_a_client_may_be_asked_for_what_it_did_not_name(engine, scratch):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(f"{scratch}/agent")
    server.listen()
    any_of = {"any_secret": True, "any_agent": True}
    text = f"""FROM {IMAGE}
RUN --mount=type=secret,id=s --mount=type=secret,id=other test "$(cat /run/secrets/*)" = here
RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"
RUN --mount=type=ssh,id=other test -z "$SSH_AUTH_SOCK"
"""
    try:
        built = build(engine, text, scratch, secrets={"s": b"here"}, agents={"default": f"{scratch}/agent"}, ssh=[], **any_of)
        assert built.end["type"] == "done", (built.end, built.log())
        for mount in ("secret,id=other", "ssh,id=other"):
            bad = build(engine, f"FROM {IMAGE}\nRUN --mount=type={mount},required true\n", scratch, secrets={}, agents={}, **any_of)
            assert "other" in bad.error, bad.end
    finally:
        server.close()


def test_secrets_are_nowhere(engine, scratch):
    canary = b"canary-3141592653589793"
    digest = hashlib.sha256(canary).hexdigest()
    text = f"""FROM {IMAGE}
RUN --mount=type=secret,id=s sha256sum /run/secrets/s | grep {digest}
RUN --mount=type=secret,id=s,target=/elsewhere,mode=0440,uid=1000 stat -c %a:%u /elsewhere
RUN --mount=type=secret,id=s,env=S printf %s "$S" | sha256sum | grep {digest}
RUN --mount=type=secret,id=absent true
RUN ls /run/secrets /elsewhere || true
"""
    built = build(engine, text, scratch, secrets={"s": canary})
    assert built.end["type"] == "done", (built.end, built.log())
    assert "440:1000" in built.log()
    required = build(engine, f"FROM {IMAGE}\nRUN --mount=type=secret,id=absent,required true\n", scratch)
    assert "absent" in required.error
    found = subprocess.run(["grep", "-rl", "--binary-files=text", canary.decode(), engine.root, engine.run_dir],
                           stdout=subprocess.PIPE, text=True).stdout
    assert found == "", found
    assert canary.decode() not in engine.log_text()
    assert canary.decode() not in json.dumps(engine.api("GET", f"/images/{built.id}/history").json)
    assert build(engine, text, scratch, secrets={"s": b"another"}).state("target=/elsewhere") == "cached"


def test_ssh(engine, scratch):
    path = f"{scratch}/agent"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    server.listen()

    def serve():
        while True:
            try:
                s, _ = server.accept()
            except OSError:
                return
            data = s.recv(100)
            if data:
                s.sendall(b"answer to " + data)
            s.close()
    threading.Thread(target=serve, daemon=True).start()
    try:
        built = build(engine, f"""FROM {IMAGE}
RUN --mount=type=ssh echo question | nc local:$SSH_AUTH_SOCK || ls -l $SSH_AUTH_SOCK
""", scratch, agents={"default": path})
        assert built.end["type"] == "done", (built.end, built.log())
        assert "answer to question" in built.log() or "srw" in built.log(), built.log()
        assert "SSH agent" in build(engine, f"FROM {IMAGE}\nRUN --mount=type=ssh,required true\n", scratch).error
    finally:
        server.close()
    assert not scratch_left(engine)


# ---- attacks

def test_mount_sources_stay_inside(engine, scratch):
    """Links in a stage lead nowhere but into it."""
    canary = f"{scratch}/canary"
    with open(canary, "w") as f:
        f.write("safe")
    os.symlink("/", f"{scratch}/rootdir")
    up = "../" * 10
    text = f"""FROM {IMAGE} AS x
RUN ln -s / /rootdir; ln -s {up}{scratch[1:]} /up
FROM {IMAGE}
RUN --mount=type=bind,from=x,source=/rootdir,target=/m,rw echo bad > /m{canary} || true
RUN --mount=type=bind,from=x,source=/up,target=/m,rw echo bad > /m/canary || true
"""
    build(engine, text, scratch)
    for source in ("rootdir", "../../../..", "/"):
        build(engine, f"FROM {IMAGE}\nRUN --mount=type=bind,source={source},target=/m,rw sh -c 'echo bad > /m{canary}' || true\n", scratch)
    for ident in ("../../../..", "/etc", scratch):
        build(engine, f"FROM {IMAGE}\nRUN --mount=type=cache,id={ident},target=/m touch /m/canary-file /m/canary || true\n", scratch)
    with open(canary) as f:
        assert f.read() == "safe"
    assert not os.path.exists("/etc/canary-file")
    assert not scratch_left(engine)


def test_stubs_replaced_by_links_do_no_harm(engine, scratch):
    """What was made for a mount is taken away by what it is, not by its name."""
    os.makedirs(f"{scratch}/empty")
    open(f"{scratch}/file", "w").close()
    text = f"""FROM {IMAGE}
RUN --mount=type=tmpfs,target=/a/stub umount /a/stub 2>/dev/null; mv /a /moved 2>/dev/null; ln -s {scratch} /a; true
RUN --mount=type=cache,target=/b/c true; ln -s {scratch}/empty /d
"""
    built = build(engine, text, entries_of=list, context="/x")
    assert built.end["type"] == "done", built.end
    assert os.path.isdir(f"{scratch}/empty") and os.path.exists(f"{scratch}/file")


def test_copies_stay_inside(engine, scratch):
    with open(f"{scratch}/f", "w") as f:
        f.write("content")
    os.symlink("/etc/passwd", f"{scratch}/l")
    canary = f"{scratch}/canary"
    with open(canary, "w") as f:
        f.write("safe")
    text = f"""FROM {IMAGE}
RUN ln -s {'../' * 12}{scratch[1:]} /out; ln -s {canary} /outfile; mkdir -p {scratch}
COPY f /out/canary
COPY f /outfile
COPY f /../../../..{canary}
"""
    built = build(engine, text, scratch)
    assert built.end["type"] == "done", built.end
    with open(canary) as f:
        assert f.read() == "safe"
    assert "not found" in build(engine, f"FROM {IMAGE}\nCOPY l /x\n", scratch, entries_of=lambda: [e for e in entries(scratch) if e["path"] == "l"]).error
    passwd = build(engine, f"FROM {IMAGE}\nCOPY ../../../../etc/hostname /x\n", scratch)
    assert passwd.end["type"] == "error"


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\x00b", "", ".", "x" * 300])
def test_hostile_names_of_a_client(engine, scratch, path):
    bad = [{"path": path, "mode": 0o100644, "size": 1, "mtime_ns": 1}]
    built = build(engine, f"FROM {IMAGE}\nCOPY . /x\n", scratch, entries_of=lambda: bad, key="hostile")
    assert "entry" in built.error


def test_hostile_frames(engine):
    import struct
    for frame in (struct.pack(">II", 1 << 21, 0), struct.pack(">II", 2, 0) + b"{}", struct.pack(">II", 3, 0) + b"abc"):
        s = Session(engine.socket)
        s.socket.sendall(frame)
        header, _ = s.receive()
        assert header["type"] == "error"
        s.close()
    for first in ({"type": "walk"}, {"type": "build", "tags": "x"}, {"type": "build", "args": {"a": 1}}, {"type": "build", "outputs": [1]},
                  {"type": "build", "dockerfile": f"FROM {IMAGE}\n", "outputs": [{"type": "magic"}]},
                  {"type": "build", "dockerfile": f"FROM {IMAGE}\n", "cache_to": [{"type": "registry"}]},
                  {"type": "build", "dockerfile": "", "network": "everything"}, {"type": "build", "platforms": ["linux/amd64", "linux/arm64"]}):
        s = Session(engine.socket)
        s.send(first)
        while (header := s.receive()[0])["type"] not in ("error", "done"):
            pass
        assert header["type"] == "error", first
        s.close()
    assert engine.api("POST", "/gantry/build").status == 400


def test_add_refuses_addresses_of_the_machine(engine):
    for url in ("http://169.254.169.254/latest/meta-data", "http://[fe80::1]/x"):
        assert "link-local" in build(engine, f"FROM {IMAGE}\nADD {url} /x\n", entries_of=list, context="/x").error


def test_add_from_http(engine):
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        asked = []

        def do_GET(self):
            Handler.asked.append((self.path, self.headers.get("If-None-Match")))
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "http://169.254.169.254/x")
                self.end_headers()
            elif self.path == "/file":
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()
            elif self.headers.get("If-None-Match") == '"1"':
                self.send_response(304)
                self.end_headers()
            else:
                self.send_response(200)
                self.send_header("ETag", '"1"')
                self.send_header("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"hello")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        built = build(engine, f"FROM {IMAGE}\nADD {base}/name.txt /dir/\nRUN stat -c %a:%Y /dir/name.txt; cat /dir/name.txt\n",
                      entries_of=list, context="/x")
        assert built.end["type"] == "done", built.end
        assert "600:1700000000" in built.log() and "hello" in built.log()
        again = build(engine, f"FROM {IMAGE}\nADD {base}/name.txt /dir/\n", entries_of=list, context="/x")
        assert again.state("ADD") == "cached" and Handler.asked[-1][1] == '"1"'
        wrong = "sha256:" + "0" * 64
        assert "digest" in build(engine, f"FROM {IMAGE}\nADD --checksum={wrong} {base}/c /x\n", entries_of=list, context="/x").error
        assert "link-local" in build(engine, f"FROM {IMAGE}\nADD {base}/away /x\n", entries_of=list, context="/x").error
        assert build(engine, f"FROM {IMAGE}\nADD {base}/file /x\n", entries_of=list, context="/x").end["type"] == "error"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("url", ["file:///etc", "ext::sh -c id", "--upload-pack=x", "https://h/r.git#--upload-pack=x", "https://h/r.git#-x"])
def test_git_takes_no_options(engine, url):
    s = Session(engine.socket)
    s.send({"type": "build", "dockerfile_name": "Dockerfile", "context": {"kind": "git", "url": url}})
    while (header := s.receive()[0])["type"] not in ("error", "done"):
        pass
    assert header["type"] == "error" and ("git repository" in header["message"] or "branch" in header["message"]), header
    s.close()


# ---- outputs

class GitServer(ThreadingHTTPServer):
    """git's own HTTP backend below /, behind a password where there is one ("Basic .." or "Bearer .."), and files beside it."""

    def __init__(self, root, authorization=None):
        self.root, self.authorization, self.seen = root, authorization, []
        super().__init__(("127.0.0.1", 0), GitHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def repository(self, name, files, submodules=None):
        """A bare repository of these files; submodules: path -> url."""
        work = f"{self.root}/work-{name}"
        git = ["git", "-C", work, "-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always"]
        os.makedirs(work)
        subprocess.run([*git, "init", "-q"], check=True)
        for path, text in files.items():
            os.makedirs(os.path.dirname(f"{work}/{path}"), exist_ok=True)
            with open(f"{work}/{path}", "w") as f:
                f.write(text)
        for path, (source, url) in (submodules or {}).items():
            subprocess.run([*git, "submodule", "--quiet", "add", f"{self.root}/{source}", path], check=True)
            subprocess.run([*git, "config", "-f", ".gitmodules", f"submodule.{path}.url", url], check=True)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
        subprocess.run(["git", "clone", "-q", "--bare", work, f"{self.root}/{name}.git"], check=True)
        return f"{self.url}/{name}.git"


class GitHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        if self.server.authorization and self.headers.get("Authorization") != self.server.authorization:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        if self.path == "/plain":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"plain\n")
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        done = subprocess.run(["git", "http-backend"], input=body, stdout=subprocess.PIPE, env={
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.server.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")})
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def git_server(scratch):
    if not shutil.which("git"):
        pytest.skip("git is needed")
    servers = []

    def start(authorization=None):
        os.makedirs(f"{scratch}/git", exist_ok=True)
        servers.append(GitServer(f"{scratch}/git", authorization))
        return servers[-1]
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_git_submodules_come_too(engine, git_server):
    """Those of submodules as well, by relative and absolute URLs; nothing of git's own is left in the tree."""
    server = git_server()
    server.repository("inner", {"i": "inner\n"})
    server.repository("middle", {"m": "middle\n"}, {"deep/inner": ("inner.git", "../inner.git")})
    url = server.repository("outer", {"Dockerfile": f"FROM {IMAGE}\nCOPY . /c\n", "o": "outer\n"},
                            {"sub": ("middle.git", f"{server.url}/middle.git")})
    built = build(engine, f"FROM {IMAGE}\nADD {url} /c\n", entries_of=list, context="/x")
    assert run(engine, built.id, "cat", "/c/o", "/c/sub/m", "/c/sub/deep/inner/i") == "outer\nmiddle\ninner"
    assert run(engine, built.id, "find", "/c", "-name", ".git") == ""
    remote = engine("build", "-q", url, timeout=120)
    assert remote.code == 0 and run(engine, remote.out.strip(), "cat", "/c/sub/deep/inner/i") == "inner", remote


def test_submodules_have_the_rules_of_repositories(engine, git_server, scratch):
    server = git_server()
    server.repository("inner", {"i": "inner\n"})
    for number, bad in enumerate((f"file://{scratch}/git/inner.git", f"{scratch}/git/inner.git", f"ext::sh -c touch% {scratch}/ran")):
        url = server.repository(f"outer{number}", {"o": "x"}, {"sub": ("inner.git", bad)})
        failed = build(engine, f"FROM {IMAGE}\nADD {url} /c\n", entries_of=list, context="/x")
        assert "submodules" in failed.error and "\n" not in failed.error
    assert not os.path.exists(f"{scratch}/ran") and not scratch_left(engine)


def test_a_submodule_leads_nowhere_that_its_repository_may_not(engine, git_server):
    """Nor does one of a submodule, whatever the way to it."""
    server = git_server()
    server.repository("inner", {"i": "inner\n"})
    link_local = "http://169.254.169.254/latest/meta-data"
    server.repository("middle", {"m": "middle\n"}, {"inner": ("inner.git", link_local)})
    for number, (source, bad) in enumerate((("inner.git", link_local), ("inner.git", "ssh://git@169.254.169.254/x"),
                                            ("middle.git", f"{server.url}/middle.git"))):
        url = server.repository(f"outer{number}", {"o": "x"}, {"sub": (source, bad)})
        failed = build(engine, f"FROM {IMAGE}\nADD {url} /c\n", entries_of=list, context="/x")
        assert "submodules" in failed.error and "169.254.169.254" in failed.error and "\n" not in failed.error
    assert not scratch_left(engine)


def test_a_repository_twice_among_the_submodules(engine, git_server):
    server = git_server()
    server.repository("inner", {"i": "inner\n"})
    server.repository("middle", {"m": "middle\n"}, {"inner": ("inner.git", f"{server.url}/inner.git")})
    url = server.repository("outer", {"o": "x"}, {"inner": ("inner.git", f"{server.url}/inner.git"),
                                                  "middle": ("middle.git", f"{server.url}/middle.git")})
    built = build(engine, f"FROM {IMAGE}\nADD {url} /c\n", entries_of=list, context="/x")
    assert run(engine, built.id, "cat", "/c/inner/i", "/c/middle/m", "/c/middle/inner/i") == "inner\nmiddle\ninner"


@pytest.mark.parametrize("secret, value, sent", [
    ("GIT_AUTH_TOKEN", b"t0ken\n", "Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4="), ("GIT_AUTH_HEADER", b"Bearer abc", "Bearer abc"),
    ("GIT_AUTH_TOKEN.HOST", b"t0ken", "Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=")])
def test_git_shows_the_secret_to_its_server_alone(engine, git_server, secret, value, sent):
    server, other = git_server(sent), git_server()
    other.repository("elsewhere", {"e": "else\n"})
    server.repository("inner", {"i": "inner\n"})
    url = server.repository("outer", {"o": "outer\n"}, {"sub": ("inner.git", "../inner.git"),
                                                        "else": ("elsewhere.git", f"{other.url}/elsewhere.git")})
    text = f"FROM {IMAGE}\nADD {url} /c\n"
    assert "could not read Username" in build(engine, text, entries_of=list, context="/x").error
    name = secret.replace("HOST", f"127.0.0.1:{server.server_port}")
    built = build(engine, text, entries_of=list, context="/x", secrets={name: value})
    assert run(engine, built.id, "cat", "/c/o", "/c/sub/i", "/c/else/e") == "outer\ninner\nelse"
    assert other.seen and not [s for s in other.seen if s[1]]


def test_downloads_show_the_secret_of_their_host(engine, git_server):
    server = git_server("Bearer t0ken")
    host = f"127.0.0.1:{server.server_port}"
    text = f"FROM {IMAGE}\nADD {server.url}/plain /p\n"
    assert "401" in build(engine, text, entries_of=list, context="/x", secrets={"HTTP_AUTH_TOKEN_other": b"t0ken"}).error
    for name, value in ((f"HTTP_AUTH_TOKEN_{host}", b"t0ken\n"), (f"HTTP_AUTH_HEADER_{host}", b"Bearer t0ken")):
        built = build(engine, text, entries_of=list, context="/x", secrets={name: value}, no_cache=True)
        assert run(engine, built.id, "cat", "/p") == "plain"
    bad = build(engine, text, entries_of=list, context="/x", secrets={f"HTTP_AUTH_TOKEN_{host}": b"a\r\nX: y"})
    assert "one line" in bad.error


def test_a_date_as_an_argument_is_the_date(fresh):
    """--build-arg SOURCE_DATE_EPOCH, and what is in the way of it."""
    text = f"FROM {IMAGE}\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > /e\n"
    e = fresh()
    built = build(e, text, entries_of=list, context="/x", args={"SOURCE_DATE_EPOCH": "1600000000"})
    assert config(e, built.id)["Created"].startswith("2020-09-13T12:26:40")
    assert build(e, text, entries_of=list, context="/x", source_date_epoch=1_600_000_000).id == built.id
    assert "SOURCE_DATE_EPOCH" in build(e, text, entries_of=list, context="/x", args={"SOURCE_DATE_EPOCH": "soon"}).error
    assert build(e, text, entries_of=list, context="/x", args={"SOURCE_DATE_EPOCH": ""}).id != built.id


def test_outputs(engine, scratch):
    with open(f"{scratch}/f", "w") as f:
        f.write("content")
    text = f"FROM {IMAGE}\nCOPY f /new/f\n"
    for kind in ("oci", "docker"):
        built = build(engine, text, scratch, tags=["test/out:1"], outputs=[{"type": kind, "dest": "x.tar"}])
        assert built.end["type"] == "done", built.end
        archive = list(built.outputs.values())[0]
        assert engine("run", "--rm", "test/out:1", "true").code != 0
        assert "test/out:1" in engine.load(archive)
        assert run(engine, "test/out:1", "cat", "/new/f") == "content"
        assert config(engine, "test/out:1")["Id"] == built.id
        engine.ok("rmi", "test/out:1")
    built = build(engine, "FROM scratch\nCOPY f /d/\n", scratch, outputs=[{"type": "local", "dest": "d"}])
    tar = tarfile.open(fileobj=io.BytesIO(list(built.outputs.values())[0]))
    assert tar.getnames() == ["d", "d/f"] and tar.extractfile("d/f").read() == b"content"
    assert "push" in build(engine, text, scratch, tags=["x:1"], outputs=[{"type": "image", "push": "true"}]).error


def test_reproducible(fresh, scratch):
    """Under SOURCE_DATE_EPOCH two engines make the same image, whenever they do."""
    with open(f"{scratch}/f", "w") as f:
        f.write("content")
    text = f"FROM {IMAGE}\nWORKDIR /w\nCOPY f /d/\nRUN echo 1 > /made; mkdir -p /a/b\n"
    ids = set()
    for i in range(2):
        os.utime(f"{scratch}/f", (2_000_000_000 + i, 2_000_000_000 + i))
        e = fresh()
        built = build(e, text, scratch, source_date_epoch=1_600_000_000)
        assert built.end["type"] == "done", built.end
        assert config(e, built.id)["Created"].startswith("2020-09-13T12:26:40")
        assert run(e, built.id, "stat", "-c", "%Y", "/d/f", "/made", "/a/b").split() == ["1600000000"] * 3
        ids.add(built.id)
        time.sleep(1.1)
    assert len(ids) == 1, ids


def test_copy_link_stands_on_no_base(engine, scratch):
    with open(f"{scratch}/f", "w") as f:
        f.write("content")
    text = "FROM {}\n{}COPY --link f /l/f\n"
    first = build(engine, text.format(IMAGE, ""), scratch)
    second = build(engine, text.format(IMAGE, "RUN touch /other\n"), scratch)
    assert second.end["type"] == "done", second.end
    assert layers(engine, first.id)[-1] == layers(engine, second.id)[-1]
    assert run(engine, second.id, "sh", "-c", "cat /l/f; ls /other") == "content/other"


def test_inline_cache(fresh, scratch):
    """What one engine built, another takes over from the image."""
    text = f"FROM {IMAGE}\nRUN echo 1 > /a\nRUN echo 2 > /b\n"
    one, two = fresh(), fresh()
    plain = build(one, text, entries_of=list, context="/x")
    built = build(one, text, entries_of=list, context="/x", tags=["test/cached:1"], cache_to=[{"type": "inline"}],
                  outputs=[{"type": "image"}, {"type": "oci", "dest": "x"}])
    assert built.end["type"] == "done", built.end
    assert built.id != plain.id
    two.load(list(built.outputs.values())[0])
    taken = build(two, text, entries_of=list, context="/x", cache_from=[{"type": "registry", "ref": "test/cached:1"}])
    assert taken.state("RUN echo 1") == "cached" and taken.state("RUN echo 2") == "cached", taken.steps
    for wrong in ({"type": "local"}, {"type": "gha"}, {"type": "registry"}):
        assert "cache-from" in build(two, text, entries_of=list, context="/x", cache_from=[wrong]).error


def test_the_client_builds(engine, scratch):
    with open(f"{scratch}/Dockerfile", "w") as f:
        f.write(f"FROM {IMAGE}\nARG V\nCOPY . /c\nRUN --mount=type=secret,id=s ls /c; echo $V > /v; wc -c < /run/secrets/s > /s\n")
    with open(f"{scratch}/.dockerignore", "w") as f:
        f.write("*.log\n")
    for name in ("a.txt", "b.log", "secret"):
        with open(f"{scratch}/{name}", "w") as f:
            f.write(name)
    done = engine("build", "-t", "test/cli:1", "--build-arg", "V=given", "--secret", f"id=s,src={scratch}/secret", "--iidfile",
                  f"{scratch}/../iid-{os.getpid()}", scratch, timeout=120)
    assert done.code == 0, done
    assert run(engine, "test/cli:1", "cat", "/v", "/s") == "given\n6"
    assert "b.log" not in run(engine, "test/cli:1", "ls", "/c")
    with open(f"{scratch}/../iid-{os.getpid()}") as f:
        assert f.read() == config(engine, "test/cli:1")["Id"]
    os.unlink(f"{scratch}/../iid-{os.getpid()}")
    out = f"{scratch}/out"
    assert engine("build", "-o", out, "--secret", f"id=s,src={scratch}/secret", scratch, timeout=120).code == 0
    assert os.path.exists(f"{out}/c/a.txt") and os.path.exists(f"{out}/bin/busybox")
    with open(f"{scratch}/Bad", "w") as f:
        f.write(f"FROM {IMAGE}\nRUN exit 9\n")
    bad = engine("build", "-f", f"{scratch}/Bad", scratch, timeout=120)
    assert bad.code != 0 and "exit code: 9" in bad.err, bad


def test_docker_builds(engine, scratch):
    if not shutil.which("docker"):
        pytest.skip("needs Docker's client")
    with open(f"{scratch}/Dockerfile", "w") as f:
        f.write(f"FROM {IMAGE}\nCOPY a /\nRUN cat /a > /b\n")
    with open(f"{scratch}/a", "w") as f:
        f.write("content")
    done = subprocess.run(["docker", "build", "-t", "test/docker:1", scratch], env=engine.environment(DOCKER_BUILDKIT="0"), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "Successfully tagged test/docker:1" in done.stdout
    assert run(engine, "test/docker:1", "cat", "/b") == "content"


def test_usage_tells_of_the_cache(engine, scratch):
    build(engine, f"FROM {IMAGE}\nRUN --mount=type=cache,target=/c,id=x echo 1 > /c/f; echo 2 > /f\n", entries_of=list, context="/x")
    usage = engine.api("GET", "/v1.52/system/df").json["BuildCache"]
    assert {"regular", "exec.cachemount"} <= {entry["Type"] for entry in usage}, usage
    gone = engine.api("POST", "/build/prune?filters=" + json.dumps({"type": ["exec.cachemount"]}).replace(" ", "")).json
    assert len(gone["CachesDeleted"]) == 1
    assert {"regular"} == {e["Type"] for e in engine.api("GET", "/v1.52/system/df").json["BuildCache"]} - {"source.local"}


# ---- the end before its time

def test_a_client_that_goes_cancels(engine, scratch):
    def go(session, header, body):
        if header["type"] == "step" and "sleep" in header.get("name", "") and header["state"] == "started":
            time.sleep(0.5)
            session.close()
            raise EOFError
    with pytest.raises(EOFError):
        build(engine, f"FROM {IMAGE}\nRUN sleep 1000\n", scratch, on_frame=go)
    eventually(lambda: not scratch_left(engine), timeout=10, what="the step is gone")
    assert "sleep 1000" not in subprocess.run(["ps", "axww"], stdout=subprocess.PIPE, text=True).stdout


def test_an_engine_that_ends_waits_for_no_build(fresh):
    e = fresh()
    begun = threading.Event()
    ends = []

    def go(session, header, body):
        if header["type"] == "step" and "sleep" in header.get("name", ""):
            begun.set()

    def client():
        try:
            ends.append(build(e, f"FROM {IMAGE}\nRUN sleep 1000\n", entries_of=list, context="/x", on_frame=go).end["type"])
        except (EOFError, OSError):
            ends.append("gone")
    thread = threading.Thread(target=client)
    thread.start()
    assert begun.wait(30)
    time.sleep(0.5)
    e.process.terminate()
    assert e.process.wait(timeout=15) == 0
    thread.join()
    assert ends in (["gone"], ["error"])
    e.start()
    eventually(lambda: not scratch_left(e), timeout=20, what="nothing of the build is left")


@pytest.mark.parametrize("point", ["build.exec.prepared", "task.before_start", "task.after_start", "build.exec.ended",
                                   "build.layer.before_commit", "build.layer.after_commit", "build.cache.before_record",
                                   "build.files.copied", "build.context.changing", "image.add.before_record"])
def test_killed_anywhere_leaves_nothing(fresh, scratch, point):
    if os.environ.get("GANTRY_BIN", "").find("dev") < 0:
        pytest.skip("needs failpoints: GANTRY_BIN=build/dev/bin")
    with open(f"{scratch}/f", "w") as f:
        f.write("content")
    e = fresh()
    text = f"FROM {IMAGE}\nCOPY f /f\nRUN --mount=type=secret,id=s sleep 0.2; echo made > /m\n"
    e.kill()
    e.process.wait()
    e.start(env={"GANTRY_FAILPOINT": point + "=kill"})
    with pytest.raises((EOFError, ConnectionError, BrokenPipeError)):
        build(e, text, scratch, secrets={"s": b"canary-killed"})
    e.process.wait(timeout=20)
    e.start()
    eventually(lambda: not scratch_left(e), timeout=20, what="everything of the killed build is gone")
    assert subprocess.run(["grep", "-rl", "canary-killed", e.root, e.run_dir], stdout=subprocess.PIPE).stdout == b""
    built = build(e, text, scratch, secrets={"s": b"x"})
    assert built.end["type"] == "done", built.end
    assert run(e, built.id, "cat", "/m", "/f") == "made\ncontent"


def test_a_full_disk_is_told(fresh, scratch):
    if os.environ.get("GANTRY_BIN", "").find("dev") < 0:
        pytest.skip("needs failpoints: GANTRY_BIN=build/dev/bin")
    e = fresh()
    e.kill()
    e.process.wait()
    e.start(env={"GANTRY_FAILPOINT": "build.layer.before_commit=enospc"})
    built = build(e, f"FROM {IMAGE}\nRUN true\n", entries_of=list, context="/x")
    assert "space" in built.error.lower(), built.error
    assert not scratch_left(e)

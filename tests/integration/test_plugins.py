"""Managed plugins: made from a directory or a registry, set, enabled, asked what they implement, brought back when they or the
engine end, and removed with nothing left."""
import json
import os
import signal
import subprocess
import tarfile
import time
from urllib.parse import quote

import pytest

from harness import archives, census, http_unix, plugins
from harness.registries import DockerRegistry, RegistryImage, Stub
from harness.waiting import eventually

DOCKER = "/usr/local/bin/docker"


def warm(e):
    """What an engine makes with the first process that it runs, and keeps."""
    plugins.create(e, "warm")
    assert e.api("POST", "/plugins/warm/enable").status == 200
    plugins.remove_all(e)


@pytest.fixture(scope="module")
def plugin_engine():
    from conftest import make_engine
    e = make_engine(image=False)
    warm(e)
    yield e
    problem = e.destroy()
    assert not problem, problem


@pytest.fixture
def engine(plugin_engine, request):
    """The file's engine; after each test it has no plugin, and of none anything."""
    e = plugin_engine
    if e.process.poll() is not None:
        e.start()
    before = census.standing(e)
    mark = len(e.log_text())
    yield e
    if getattr(request.node, "failed", False):
        print("--- gantryd.log ---\n" + e.log_text()[mark:][-4000:])
    if e.process.poll() is not None:
        e.start()
    plugins.remove_all(e)
    left = census.left_over(e, before)
    assert not left, "\n".join(left)


@pytest.fixture
def registry(scratch):
    one = DockerRegistry(scratch).start()
    yield one
    one.stop()


def api(e, method, url, body=None, **more):
    return e.api(method, url, body, timeout=60, **more)


def directory(tmp, document=None, **more):
    """What `plugin create` takes."""
    os.makedirs(tmp / "rootfs/mnt/volumes")
    (tmp / "config.json").write_text(json.dumps(document or plugins.config(**more)))
    (tmp / "rootfs/plugin").write_bytes(plugins.program())
    (tmp / "rootfs/plugin").chmod(0o755)
    return str(tmp)


def events(e):
    """(action, name, id) of all events of plugins."""
    found = api(e, "GET", f"/events?since=1&until={time.time():.9f}&filters=" + quote('{"type":["plugin"]}'))
    return [(x["Action"], x["Actor"]["Attributes"]["name"], x["Actor"]["ID"]) for x in map(json.loads, found.body.splitlines())]


def test_the_life_of_a_plugin(engine, tmp_path):
    assert engine.ok("plugin", "create", "test/life", directory(tmp_path)) == "test/life"
    plugin = plugins.inspect(engine, "test/life")
    number = plugin["Id"]
    assert plugin["Name"] == plugin["PluginReference"] == "test/life:latest" and not plugin["Enabled"]
    head, row = engine.ok("plugin", "ls").splitlines()
    assert head.split() == ["ID", "NAME", "DESCRIPTION", "ENABLED"]
    assert row.split()[:2] == [number[:12], "test/life:latest"] and row.endswith("false")
    engine.ok("plugin", "set", "test/life", "DEBUG=1")
    assert engine.ok("plugin", "enable", "test/life") == "test/life"
    pid = plugins.first(number)
    with open(f"/proc/{pid}/environ") as f:
        assert "DEBUG=1" in f.read().split("\0")
    with open(f"/proc/{pid}/cgroup") as f:
        assert f"{engine.name}/{number}" in f.read()
    for kind in ("net", "pid", "ipc", "mnt", "uts", "cgroup"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    assert os.path.exists(f"{engine.run_dir}/plugins/{number}/sockets/p.sock")
    assert json.loads(engine.ok("plugin", "inspect", "test/life"))[0]["Enabled"]
    assert engine.ok("plugin", "ls", "-q", "--filter", "enabled=true", "--no-trunc") == number
    assert engine.ok("plugin", "ls", "-q", "--filter", "enabled=false") == ""
    assert engine.ok("plugin", "ls", "-q", "--filter", "capability=volumedriver", "--no-trunc") == number
    assert engine.ok("plugin", "ls", "-q", "--filter", "capability=authz") == ""
    engine.fails("plugin", "enable", "test/life", match="is already enabled")
    engine.fails("plugin", "set", "test/life", "DEBUG=2", match="cannot set on an active plugin")
    engine.fails("plugin", "rm", "test/life", match="is enabled")
    assert os.path.exists(f"/proc/{pid}")
    assert engine.ok("plugin", "disable", "test/life") == "test/life"
    assert not plugins.processes(number) and not os.path.exists(f"{engine.run_dir}/plugins/{number}")
    engine.fails("plugin", "disable", "test/life", match="is already disabled")
    assert engine.ok("plugin", "rm", number[:10]) == number[:10]
    assert not os.path.exists(f"{engine.root}/plugins/{number}")
    engine.fails("plugin", "inspect", "test/life", match="not found")
    assert [e[:2] for e in events(engine) if e[2] == number] == [
        (action, "test/life:latest") for action in ("create", "enable", "disable", "remove")]


def test_what_it_asks_for_is_what_it_has(engine, scratch):
    state = os.path.join(scratch, "state")
    os.mkdir(state)
    number = plugins.create(engine, "rich", plugins.config(
        "mount", workdir="/tmp", user={"uid": 0, "gid": 8}, pidHost=True, ipcHost=True, propagatedMount="/mnt/volumes", network={"type": "host"},
        linux={"capabilities": ["CAP_SYS_ADMIN"], "devices": [{"name": "zero", "path": "/dev/fuse" if os.path.exists("/dev/fuse") else "/dev/zero"}]},
        mounts=[{"name": "state", "settable": ["source"], "destination": "/state", "type": "bind", "options": ["rbind", "ro", "nosuid"]},
                {"name": "run", "destination": "/scratch", "type": "tmpfs", "options": ["size=1m"]}],
        args={"name": "args", "settable": ["value"], "value": ["first"]}))
    engine.fails("plugin", "enable", "rich", match='mount "state" has no source')
    engine.ok("plugin", "set", "rich", f"state.source={state}", "args=one two")
    engine.ok("plugin", "enable", "rich")
    pid = plugins.first(number)
    for kind in ("net", "pid", "ipc"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
    with open(f"/proc/{pid}/cmdline") as f:
        assert f.read().split("\0")[:-1] == ["/plugin", "mount", "one", "two"]
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) >> 21 & 1 and status["Gid"].split() == ["8"] * 4
    assert os.readlink(f"/proc/{pid}/cwd") == "/tmp"
    mounted = {line.split()[4]: line.split()[5] for line in open(f"/proc/{pid}/mountinfo")}
    assert {"ro", "nosuid"} <= set(mounted["/state"].split(",")) and "/scratch" in mounted and "/run/docker/plugins" in mounted
    # What it mounts comes out where the host sees it, and goes with it.
    out = f"{engine.root}/plugins/{number}/propagated/one"
    assert out in census.mounts_below(engine.root)
    engine.ok("plugin", "disable", "rich")
    assert not census.mounts_below(f"{engine.root}/plugins")


def test_a_user_and_no_capabilities_by_itself(engine):
    number = plugins.create(engine, "plain", plugins.config(user={"uid": 1234, "gid": 1235}))
    engine.ok("plugin", "enable", "plain")
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{plugins.first(number)}/status").read().splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["1234"] * 4 and status["Gid"].split() == ["1235"] * 4 and int(status["CapEff"], 16) == 0
    assert status["Seccomp"] == "2"


@pytest.mark.parametrize("way,words", [
    ("silent", "no answer to POST /Plugin.Activate after 1 seconds"), ("deaf", 'there is no socket "p.sock" after 1 seconds'),
    ("huge", "more than 64 KiB"), ("nonsense", "no JSON object"), ("link", '"p.sock" is not a socket'), ("end", "it ended with code 3 before it answered")])
def test_one_that_does_not_answer_is_not_enabled(engine, way, words):
    number = plugins.create(engine, "bad", way=way)
    answer = api(engine, "POST", "/plugins/bad/enable?timeout=1")
    assert answer.status == 500 and answer.message.startswith('plugin "bad:latest": ') and words in answer.message, answer
    assert not plugins.inspect(engine, "bad")["Enabled"] and not plugins.processes(number)
    assert not os.path.exists(f"{engine.run_dir}/plugins/{number}")


def test_it_implements_what_it_says(engine):
    plugins.create(engine, "other", plugins.config(interface={"types": ["docker.volumedriver/1.0", "docker.authz/1.0"], "socket": "p.sock"}))
    answer = api(engine, "POST", "/plugins/other/enable")
    assert answer.status == 500 and 'does not implement "docker.authz/1.0"' in answer.message and '"VolumeDriver"' in answer.message, answer


@pytest.mark.parametrize("document,words", [
    ({"entrypoint": ["/plugin"]}, "Interface.Socket"), (plugins.config(interface={"socket": "../../x"}), "Interface.Socket"),
    (plugins.config(network={"type": "bridge"}), "not supported"), (plugins.config(mounts=[{"name": "a", "destination": "x", "type": "bind"}]), "Mounts[0].Destination"),
    (plugins.config(linux={"capabilities": ["CAP_ALMIGHTY"]}), "CAP_ALMIGHTY"), ({}, "Entrypoint")])
def test_a_bad_configuration_is_refused(engine, document, words):
    answer = api(engine, "POST", "/plugins/create?name=bad", plugins.archive(document))
    assert answer.status == (501 if words == "not supported" else 400) and words in answer.message and "\n" not in answer.message, answer
    assert api(engine, "GET", "/plugins").json == [] and not os.listdir(f"{engine.root}/plugins")


def test_a_hostile_archive_is_refused(engine, scratch):
    good = json.dumps(plugins.config()).encode()
    outside = os.path.join(scratch, "config.json")
    with open(outside, "wb") as f:
        f.write(good)
    for tar in (archives.Tar().link("config.json", outside).dir("rootfs"),
                archives.Tar().add("config.json", good).link("rootfs", scratch),
                archives.Tar().add("config.json", good).dir("rootfs").link("rootfs/out", scratch).add("rootfs/out/made", b"x"),
                archives.Tar().add("config.json", good).dir("rootfs").add("rootfs/../../../made", b"x"),
                archives.Tar().add("config.json", good).dir("rootfs").hardlink("rootfs/made", "../../../../../../../../../etc/passwd"),
                archives.Tar().add("config.json", b" " * (2 << 20)).dir("rootfs"),
                archives.Tar().add("config.json", kind=b"6").dir("rootfs"),
                archives.Tar().dir("rootfs")):
        answer = api(engine, "POST", "/plugins/create?name=bad", tar.bytes())
        assert answer.status == 400, answer
    for junk in (b"", b"nonsense", b"\x1f\x8b nonsense"):
        assert api(engine, "POST", "/plugins/create?name=bad", junk).status == 400
    assert os.listdir(scratch) == ["config.json"] and not os.listdir(f"{engine.root}/plugins")
    assert api(engine, "POST", "/plugins/create", plugins.archive()).status == 400
    assert api(engine, "POST", "/plugins/create?name=UPPER", plugins.archive()).status == 400
    plugins.create(engine, "twice")
    assert api(engine, "POST", "/plugins/create?name=twice", plugins.archive()).status == 409


def test_an_archive_is_bounded(engine):
    good = json.dumps(plugins.config()).encode()
    tar = archives.Tar().add("config.json", good).dir("rootfs")
    info = tarfile.TarInfo("rootfs/huge")
    info.size = 17 << 30
    tar.tar.addfile(info)  # its head alone, which says enough
    answer = api(engine, "POST", "/plugins/create?name=huge", tar.buffer.getvalue())
    assert answer.status == 500 and "more than 17179869184 bytes" in answer.message, answer
    assert not os.listdir(f"{engine.root}/plugins")


def test_it_is_brought_back_when_it_ends(engine):
    number = plugins.create(engine, "back")
    engine.ok("plugin", "enable", "back")
    pid = plugins.first(number)
    os.kill(pid, signal.SIGKILL)
    again = eventually(lambda: (found := [p for p in plugins.processes(number) if p != pid]) and found[0], what="it is started again")
    assert again != pid and plugins.inspect(engine, "back")["Enabled"]
    eventually(lambda: os.path.exists(f"{engine.run_dir}/plugins/{number}/sockets/p.sock"))
    engine.ok("plugin", "disable", "back")
    assert not plugins.processes(number)


def test_it_goes_on_without_the_daemon(engine):
    number = plugins.create(engine, "on")
    plugins.create(engine, "off")
    engine.ok("plugin", "enable", "on")
    pid = plugins.first(number)
    engine.kill()
    assert plugins.first(number) == pid
    engine.start()
    assert plugins.inspect(engine, "on")["Enabled"] and plugins.first(number) == pid
    # One that ended meanwhile runs again.
    engine.kill()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    engine.start()
    eventually(lambda: plugins.processes(number), what="it is started again")
    assert not plugins.inspect(engine, "off")["Enabled"]
    engine.ok("plugin", "disable", "on")


def test_shutdown_stops_it_and_the_next_engine_starts_it(engine):
    number = plugins.create(engine, "on")
    engine.ok("plugin", "enable", "on")
    assert not engine.shutdown()
    assert not plugins.processes(number) and not os.path.exists(f"{engine.run_dir}/plugins")
    engine.start()
    eventually(lambda: plugins.processes(number), what="it runs again")
    assert plugins.inspect(engine, "on")["Enabled"]


def test_force_gives_no_time(engine):
    number = plugins.create(engine, "stubborn", way="stubborn")
    engine.ok("plugin", "enable", "stubborn")
    pid = plugins.first(number)
    engine.ok("plugin", "disable", "-f", "stubborn", timeout=8)
    assert not os.path.exists(f"/proc/{pid}")
    engine.ok("plugin", "enable", "stubborn")
    engine.ok("plugin", "rm", "-f", "stubborn", timeout=8)
    assert not plugins.processes(number) and not os.path.exists(f"{engine.root}/plugins/{number}")


def test_push_privileges_pull_and_upgrade(engine, registry):
    name = f"{registry.host}/test/plugin:1"
    document = plugins.config(network={"type": "host"}, linux={"capabilities": ["CAP_SYS_ADMIN"]})
    number = plugins.create(engine, name, document)
    assert "digest: sha256:" in engine.ok("plugin", "push", name)
    plugins.create(engine, f"{registry.host}/test/plugin:2", {**document, "env": [
        {"name": "DEBUG", "settable": ["value"], "value": "0"}, {"name": "NEW", "value": "1"}]})
    engine.ok("plugin", "push", f"{registry.host}/test/plugin:2")
    manifest = json.loads(registry.get("/v2/test/plugin/manifests/1", "application/vnd.docker.distribution.manifest.v2+json")[1])
    assert manifest["config"]["mediaType"] == "application/vnd.docker.plugin.v1+json"
    plugins.remove_all(engine)

    needed = api(engine, "GET", f"/plugins/privileges?remote={name}").json
    assert [(p["Name"], p["Value"]) for p in needed] == [("network", ["host"]), ("capabilities", ["CAP_SYS_ADMIN"])]
    for granted in ([], needed[:1], needed + [{"Name": "mount", "Value": ["/"]}]):
        answer = api(engine, "POST", f"/plugins/pull?remote={name}", granted)
        assert answer.status == 403 and "incorrect privileges" in answer.message, answer
    assert api(engine, "POST", f"/plugins/pull?remote={name}", [5]).status == 400
    done = engine("plugin", "install", name, input="n\n")
    assert done.code == 1 and " - network: [host]\n - capabilities: [CAP_SYS_ADMIN]\nDo you grant" in done.out and "permission denied" in done.err, done
    assert api(engine, "GET", "/plugins").json == [] and not os.listdir(f"{engine.root}/plugins")

    done = engine("plugin", "install", "--alias", "mine", name, "DEBUG=7", input="y\n")
    assert done.code == 0 and "Installed plugin " + name in done.out, done
    plugin = plugins.inspect(engine, "mine")
    assert plugin["Enabled"] and plugin["Name"] == "mine:latest" and plugin["PluginReference"] == name and plugin["Settings"]["Env"] == ["DEBUG=7"]
    assert plugin["Id"] != number and plugin["Config"]["rootfs"]["diff_ids"]
    assert ("pull", "mine:latest", plugin["Id"]) in events(engine)
    assert api(engine, "POST", f"/plugins/pull?remote={name}&name=mine", needed).status == 409

    engine.fails("plugin", "upgrade", "mine", f"{registry.host}/test/plugin:2", match="must be disabled")
    assert api(engine, "POST", f"/plugins/mine/upgrade?remote={name}", needed).status == 409
    engine.ok("plugin", "disable", "mine")
    engine.ok("plugin", "upgrade", "--grant-all-permissions", "mine", f"{registry.host}/test/plugin:2")
    after = plugins.inspect(engine, "mine")
    assert after["Id"] == plugin["Id"] and after["PluginReference"].endswith(":2") and after["Settings"]["Env"] == ["DEBUG=7", "NEW=1"]
    assert len(os.listdir(f"{engine.root}/plugins/{after['Id']}/rootfs")) == 1 and len(os.listdir(f"{engine.root}/plugins/{after['Id']}/blobs")) == 2
    engine.ok("plugin", "enable", "mine")
    engine.fails("plugin", "install", "--grant-all-permissions", "--disable", f"{registry.host}/test/none:1", match="not found")
    engine.ok("plugin", "install", "--grant-all-permissions", "--disable", name)
    assert not plugins.inspect(engine, name)["Enabled"]
    engine.fails("plugin", "install", "--grant-all-permissions", "--alias", "gone", name, "NOTHING=1", match="not found in the plugin configuration")
    assert api(engine, "GET", "/plugins/gone/json").status == 404


def test_what_a_registry_has_that_is_no_plugin(engine):
    stub = Stub()
    try:
        image = RegistryImage([archives.Tar().add("a", b"b").bytes()])
        where = stub.add(image, "test/image", "1")
        answer = api(engine, "GET", f"/plugins/privileges?remote={where}")
        assert answer.status == 400 and "is an image and not a plugin" in answer.message, answer
        wrong = stub.add(plugins.RegistryPlugin(diff_ids=["sha256:" + 64 * "a"]), "test/plugin", "wrong")
        answer = api(engine, "POST", f"/plugins/pull?remote={wrong}", [])
        assert b"as its configuration says" in answer.body, answer
        less = stub.add(plugins.RegistryPlugin(diff_ids=[]), "test/plugin", "less")
        answer = api(engine, "POST", f"/plugins/pull?remote={less}", [])
        assert answer.status == 400 and "its manifest has 1 layers" in answer.message, answer
        bad = stub.add(plugins.RegistryPlugin({"entrypoint": []}), "test/plugin", "bad")
        answer = api(engine, "GET", f"/plugins/privileges?remote={bad}")
        assert answer.status == 400 and "Entrypoint" in answer.message, answer
        assert not os.listdir(f"{engine.root}/plugins")
        # The very layer, as its author packed it.
        good = stub.add(plugins.RegistryPlugin(), "test/plugin", "good")
        answer = api(engine, "POST", f"/plugins/pull?remote={good}", [])
        assert answer.status == 200 and b'"error"' not in answer.body, answer
        engine.ok("plugin", "enable", f"{stub.host}/test/plugin:good")
    finally:
        stub.close()


@pytest.mark.skipif(not os.access(DOCKER, os.X_OK), reason="there is no docker client on this machine")
def test_the_docker_cli(engine, registry, tmp_path):
    def docker(*args, code=0, input=None):
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run([DOCKER, *args], **given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                              env=engine.environment(DOCKER_CONFIG=str(tmp_path / "none")))
        assert done.returncode == code, done
        return (done.stdout + done.stderr).rstrip("\n")
    name = f"{registry.host}/test/cli:1"
    (tmp_path / "plugin").mkdir()
    data = directory(tmp_path / "plugin", plugins.config(network={"type": "host"}))
    assert docker("plugin", "create", name, data) == name
    docker("plugin", "create", "--compress", "packed", data)
    assert docker("plugin", "ls", "--format", "{{.Name}} {{.Enabled}} {{.Description}}").splitlines() == [
        f"{name} false a plugin of the tests", "packed:latest false a plugin of the tests"]
    assert docker("plugin", "inspect", "-f", "{{.Config.Interface.Socket}}", name) == "p.sock"
    docker("plugin", "set", name, "DEBUG=3")
    assert docker("plugin", "enable", name) == name
    assert docker("plugin", "ls", "-q", "--no-trunc", "--filter", "enabled=true") == plugins.inspect(engine, name)["Id"]
    assert "is enabled" in docker("plugin", "rm", name, code=1)
    assert docker("plugin", "disable", name) == name
    assert "digest: sha256:" in docker("plugin", "push", name)
    assert docker("plugin", "rm", name, "packed").splitlines() == [name, "packed"]
    said = docker("plugin", "install", "--alias", "cli", name, "DEBUG=9", input="y\n")
    assert "network: [host]" in said and f"Installed plugin {name}" in said, said
    plugin = plugins.inspect(engine, "cli")
    assert plugin["Enabled"] and plugin["Settings"]["Env"] == ["DEBUG=9"]
    docker("plugin", "disable", "-f", "cli")
    assert f"Upgraded plugin cli:latest to {name}" in docker("plugin", "upgrade", "--grant-all-permissions", "cli", name)
    docker("plugin", "install", "--grant-all-permissions", "--disable", name)
    assert not plugins.inspect(engine, name)["Enabled"]
    docker("plugin", "enable", "cli")
    docker("plugin", "rm", "-f", "cli", name)
    assert docker("plugin", "ls", "-q") == ""


# --- kill -9 at every step ---

def failpoints(e):
    out = subprocess.run([e.program("gantryd"), "--list-failpoints"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [n for n in out.stdout.split() if n.startswith("plugin.")]


STEPS = [("create", lambda e: api(e, "POST", "/plugins/create?name=f", plugins.archive())), ("set", lambda e: api(e, "POST", "/plugins/f/set", ["DEBUG=1"])),
         ("enable", lambda e: api(e, "POST", "/plugins/f/enable")), ("disable", lambda e: api(e, "POST", "/plugins/f/disable")),
         ("remove", lambda e: api(e, "DELETE", "/plugins/f"))]


def is_true(e, step):
    found = api(e, "GET", "/plugins/f/json")
    if step == "remove":
        return found.status == 404
    return found.status == 200 and {"create": True, "set": found.json["Settings"]["Env"] == ["DEBUG=1"], "enable": found.json["Enabled"],
                                    "disable": not found.json["Enabled"]}[step]


@pytest.mark.parametrize("action", ["kill", "error", "enospc"])
def test_failpoints(fresh, action):
    """What a client was told is true after the restart; what it was not told is wholly there or wholly gone."""
    e = fresh(preset="dev", image=False)
    points = failpoints(e)
    assert points
    warm(e)
    before = census.standing(e)
    for point in points:
        if point.startswith("plugin.recover.") and action == "kill":
            continue  # below
        e.restart(env={"GANTRY_FAILPOINT": f"{point}={action}"})
        for step, command in STEPS:
            try:
                done = command(e).status < 300
            except (OSError, http_unix.http.client.HTTPException):
                done = False
            if not done:
                try:
                    e.process.wait(0.2)
                except subprocess.TimeoutExpired:
                    pass
            if e.process.poll() is not None:
                e.start()
            assert not done or is_true(e, step), (point, step)
        e.restart()
        found = api(e, "GET", "/plugins").json
        if found:
            number = found[0]["Id"]
            if found[0]["Enabled"]:
                eventually(lambda: plugins.processes(number), what=f"it runs after {point}")
            else:
                assert not plugins.processes(number), point
                assert api(e, "POST", "/plugins/f/enable").status == 200, point
            assert api(e, "DELETE", "/plugins/f?force=1").status == 200, point
        left = census.left_over(e, before)
        assert not left, f"after {point}={action}:\n" + "\n".join(left)


def test_a_recovery_that_is_killed_itself(fresh):
    e = fresh(preset="dev", image=False)
    warm(e)
    before = census.standing(e)
    plugins.create(e, "runs")
    number = plugins.create(e, "cut")
    assert api(e, "POST", "/plugins/runs/enable").status == 200
    pid = plugins.first(plugins.inspect(e, "runs")["Id"])
    e.restart(env={"GANTRY_FAILPOINT": "plugin.start.runs=kill"})
    with pytest.raises((OSError, http_unix.http.client.HTTPException)):
        api(e, "POST", "/plugins/cut/enable")
    e.process.wait(10)
    for point in ("plugin.recover.one", "plugin.recover.swept"):
        e.start(env={"GANTRY_FAILPOINT": f"{point}=kill"}, wait=False)
        assert e.process.wait(20) == -signal.SIGKILL
    e.start()
    assert plugins.first(plugins.inspect(e, "runs")["Id"]) == pid
    eventually(lambda: not plugins.processes(number), what="the unfinished start is undone")
    assert not plugins.inspect(e, "cut")["Enabled"]
    plugins.remove_all(e)
    left = census.left_over(e, before)
    assert not left, "\n".join(left)


def test_an_upgrade_that_is_cut_off(fresh, registry):
    e = fresh(preset="dev", image=False)
    for tag in ("1", "2"):
        name = f"{registry.host}/test/up:{tag}"
        plugins.create(e, name, plugins.config(env=[{"name": "VERSION", "value": tag}]))
        assert b'"error"' not in api(e, "POST", f"/plugins/{name}/push").body
        assert api(e, "DELETE", f"/plugins/{name}").status == 200
    one, two = f"{registry.host}/test/up:1", f"{registry.host}/test/up:2"
    assert b'"error"' not in api(e, "POST", f"/plugins/pull?remote={one}&name=up", []).body
    number = plugins.inspect(e, "up")["Id"]
    for point, version in (("plugin.pull.unpacked", "1"), ("plugin.upgrade.unpacked", "1"), ("plugin.before_record", "1"), ("plugin.recorded", "2")):
        e.restart(env={"GANTRY_FAILPOINT": f"{point}=kill"})
        with pytest.raises((OSError, http_unix.http.client.HTTPException)):
            answer = api(e, "POST", f"/plugins/up/upgrade?remote={two}", [])
            assert not answer.body.endswith(b"\n") or b"Upgraded" not in answer.body
            raise OSError("cut off")
        e.process.wait(10)
        e.start()
        plugin = plugins.inspect(e, "up")
        assert plugin["Settings"]["Env"] == [f"VERSION={version}"] and plugin["Id"] == number, point
        eventually(lambda: len(os.listdir(f"{e.root}/plugins/{number}/rootfs")) == 1, what="the other tree is gone")
        assert api(e, "POST", "/plugins/up/enable").status == 200
        assert api(e, "POST", "/plugins/up/disable").status == 200
    # A pull that is cut off leaves nothing.
    e.restart(env={"GANTRY_FAILPOINT": "plugin.pull.unpacked=kill"})
    with pytest.raises((OSError, http_unix.http.client.HTTPException)):
        api(e, "POST", f"/plugins/pull?remote={one}&name=new", [])
        raise OSError("cut off")
    e.process.wait(10)
    e.start()
    eventually(lambda: os.listdir(f"{e.root}/plugins") == [number], what="what was pulled in vain is gone")

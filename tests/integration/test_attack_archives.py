"""Hostile image archives: manifests with two meanings, digests that are none, documents of any shape (S46 to S50, S55); what an
image's config may ask for and what stays text (S41, S56, S57)."""
import json
import os
import time

import pytest

from conftest import IMAGE
from harness import archives, attack_archives, canary
from harness.archives import Tar, config_of, docker_archive
from harness.memory import peak, reset_peak
from test_attacks import blobs
from test_images import store  # noqa: F401  (the fixture: files are as before)

TAG = attack_archives.TAG


def test_refused_whole(store):  # noqa: F811
    files, pid, images, problems = blobs(store), store.pid, set(store.ok("images", "-aq").split()), []
    reset_peak(pid)
    for name, archive in attack_archives.refused():
        started = time.monotonic()
        done = store("load", input=archive, text=False)
        text = done.err.decode(errors="replace").strip()
        if done.code != 1 or not text or any(c < " " for c in text) or len(text) > 1000:
            problems.append(f"{name}: {done.code} {text[:300]!r}")
        for image in set(store.ok("images", "-aq").split()) - images:
            problems.append(f"{name}: an image came of it")
            store("rmi", "-f", image)
        if time.monotonic() - started > 20:  # a second or two, where nothing else runs
            problems.append(f"{name}: it took {time.monotonic() - started:.1f} s")
        if store.process.poll() is not None:
            pytest.fail(f"{name}: gantryd has ended")
    assert not problems, "\n".join(problems)
    assert store.pid == pid and blobs(store) == files
    assert peak(pid) < 256 << 20


def test_odd_and_taken(store):  # noqa: F811
    """All that the API says of such images can be said, and by a client that prints it."""
    problems = []
    for name, archive in attack_archives.taken():
        done = store("load", input=archive, text=False)
        if done.code != 0:
            problems.append(f"{name}: refused: {done.err}")
            continue
        [image] = [x["Id"] for x in store.api("GET", "/images/json").json if IMAGE + ":latest" not in x["RepoTags"]]
        for url in (f"/images/{image}/json", f"/images/{image}/history"):
            answer = store.api("GET", url)
            if answer.status != 200 or not answer.json:
                problems.append(f"{name}: {url}: {answer}")
        for command in (("images",), ("image", "inspect", image), ("images", "--format", "{{json .}}")):
            done = store(*command)
            if done.code != 0 or "\x1b" in done.out or "\u202e" in done.out:
                problems.append(f"{name}: {done}")
        store.ok("rmi", "-f", image)
    assert not problems, "\n".join(problems)


def test_odd_images_are_the_same_after_a_restart(fresh):
    engine = fresh()
    for _, archive in attack_archives.taken():
        engine.load(archive)

    def said():
        images = sorted(engine.api("GET", "/images/json").json, key=lambda x: x["Id"])
        return [images, [engine.api("GET", f"/images/{x['Id']}/{what}").json for x in images for what in ("json", "history")]]
    before = said()
    engine.restart()
    assert said() == before and len(before[0]) > 10


def test_nothing_of_an_archive_that_fails_late_is_tagged(store):  # noqa: F811
    """Two images, of which the second has a damaged layer."""
    good, bad = attack_archives.LAYER, Tar().add("x", b"1").bytes()
    tar = Tar().add("good.tar", good).add("bad.tar", bad[:-1] + b"\1")
    items = []
    for n, layer in enumerate((good, bad)):
        tar.add(f"{n}.json", config_of([layer]))
        items.append({"Config": f"{n}.json", "RepoTags": [f"test/evil:{n}"], "Layers": ["good.tar" if n == 0 else "bad.tar"]})
    files = blobs(store)
    store.fails("load", input=tar.add("manifest.json", json.dumps(items).encode()).bytes(), text=False, code=1)
    assert store.ok("images", "-q", "test/evil") == "" and blobs(store) == files


def test_a_tag_that_moves_is_told_of(store):  # noqa: F811
    """The image that had it stays, without a name, and whoever loads is told (S56)."""
    first, second = config_of([attack_archives.LAYER], Cmd=["1"]), config_of([attack_archives.LAYER], Cmd=["2"])
    store.load(attack_archives.docker(config=first))
    before = store.api("GET", f"/images/{TAG}/json").json["Id"]
    out = store.load(attack_archives.docker(config=second))
    assert f"The image {TAG} already exists" in out and before in out
    assert store.api("GET", f"/images/{TAG}/json").json["Id"] != before
    assert store.api("GET", f"/images/{before}/json").json["RepoTags"] == []
    events = store.api("GET", "/events?since=0&until=" + str(int(time.time()) + 1) + '&filters={"type":["image"]}').body.decode()
    assert events.count('"load"') >= 2


# What the engine itself reads by such names, what others' engines do, and values that are more than text elsewhere.
RESERVED = {
    "gantry.init": "1", "gantry.runtime": "native", "io.gantry.network": "host", "io.containerd.image.name": "other/name:1", "org.opencontainers.image.ref.name": "other/name:1",
    "containerd.io/restart.logpath": "binary:///bin/sh?-c=touch%20/pwned", "containerd.io/restart.status": "running", "containerd.io/restart.loguri": "binary:///bin/touch",
    "io.kubernetes.cri.sandbox-id": "x", "run.oci.handler": "wasm", "run.oci.hooks.stderr": "/etc/x", "org.systemd.property.ExecStartPost": "['/bin/touch', '/pwned']",
    "cdi.k8s.io/vendor": "vendor.com/net=nic0", "com.docker.engine.privileged": "true", "io.podman.annotations.privileged": "TRUE", "io.podman.annotations.seccomp": "unconfined",
    "io.containers.autoupdate": "registry", "RUN": "docker run --privileged IMAGE", "trusted.overlay.opaque": "y", "lowerdir": "/", "cgroup-parent": "../../..", "logger": "file:///etc/x",
}


def test_labels_are_inert_text(store, scratch):  # noqa: F811
    """No label, annotation or unknown member of an image decides anything (S57)."""
    bait = canary.make(scratch)
    before = canary.state(bait)
    layers = archives.busybox_layers()
    settings = {"Env": ["PATH=/bin"], "Cmd": ["sleep", "1000"]}
    asks = {"HostConfig": {"Privileged": True, "Binds": [f"{bait}:/mnt"], "NetworkMode": "host", "RestartPolicy": {"Name": "always"}, "CgroupParent": "/x", "Annotations": RESERVED},
            "Annotations": RESERVED, "Privileged": True, "Runtime": "other", "NetworkMode": "host", "Binds": [f"{bait}:/mnt"], "SecurityOpt": ["seccomp=unconfined"],
            "CapAdd": ["ALL"], "AttachStdin": True, "OpenStdin": True, "Tty": True, "Hostname": "taken", "MacAddress": "02:42:ac:11:00:02", "NetworkDisabled": True}
    plain = config_of(layers, **settings)
    loud = json.loads(config_of(layers, Labels=RESERVED, **asks, **settings))
    loud.update(asks)
    store.load(docker_archive(layers, ["test/plain:1"], plain))
    store.load(docker_archive(layers, ["test/loud:1"], json.dumps(loud).encode()))
    seen = {}
    for name in ("plain", "loud"):
        store.ok("run", "-d", "--name", name, f"test/{name}:1")
        about = store.inspect(name)
        seen[name] = {"HostConfig": about["HostConfig"], "Mounts": about["Mounts"], "networks": sorted(about["NetworkSettings"]["Networks"]),
                      **{k: about["Config"].get(k) for k in ("Tty", "OpenStdin", "AttachStdin", "Volumes", "User", "Entrypoint")},
                      "first": store.ok("exec", name, "sh", "-c", "cat /proc/1/cmdline | tr '\\0' ' '; grep -E 'Cap|Seccomp|NoNew' /proc/1/status")}
        assert about["Config"]["Hostname"] == about["Id"][:12]
        spec = [os.path.join(d, "config.json") for d, _, names in os.walk(store.run_dir) if about["Id"] in d and "config.json" in names]
        assert spec, "the container's specification is not where it was"
        with open(spec[0]) as f:
            assert json.load(f).get("annotations", {}) == {}
    assert seen["plain"] == seen["loud"]
    assert store.inspect("loud")["Config"]["Labels"] == RESERVED
    assert store.api("GET", "/images/test/loud:1/json").json["Config"]["Labels"] == RESERVED
    assert store.ok("images", "-q", "other/name") == ""
    assert canary.state(bait) == before and not os.path.exists("/pwned")
    store.ok("rm", "-f", "plain", "loud")


# The exit code of a run, and what its line says. 127: something of the image's own that is not there, in its tree.
NO_FILE, MOUNT = "o such file or directory", "invalid mount path"


@pytest.mark.parametrize("setting, code, says", [
    ({"Volumes": {"../../../../../etc": {}}}, 125, "mount path must be absolute"), ({"Volumes": {"relative": {}}}, 125, "mount path must be absolute"),
    ({"Volumes": {"/../../../etc": {}}}, 0, ""), ({"Volumes": {"/a,b:c=d\\e": {}}}, 0, ""), ({"Volumes": {"/": {}}}, 125, "destination can't be '/'"),
    ({"Volumes": {"/proc": {}}}, 125, MOUNT), ({"Volumes": {"/sys/fs": {}}}, 125, MOUNT), ({"Volumes": {"/" + "v/" * 3000: {}}}, 125, "a path of 6000 bytes"),
    ({"Volumes": {"/l": {}}}, 127, NO_FILE), ({"Volumes": {"/l/dir": {}}}, 127, NO_FILE), ({"Volumes": {"/fifo": {}}}, 125, "Not a directory"),
    ({"WorkingDir": "/l/dir"}, 127, NO_FILE), ({"WorkingDir": "../../../.."}, 125, "needs to be an absolute path"), ({"WorkingDir": "/proc/self/fd/5"}, 127, NO_FILE),
    ({"WorkingDir": "/fifo"}, 125, "Not a directory"), ({"User": "../../etc"}, 125, "unable to find user"), ({"User": "root\n"}, 125, "unable to find user"),
    ({"User": "0:99999999999"}, 125, "uids and gids must be in range"), ({"StopSignal": "SIGEVIL"}, 125, "invalid signal"), ({"StopSignal": "999"}, 125, "invalid signal"),
    ({"Env": ["=x", "A", "B=\n", "LD_PRELOAD=/l/file", "PATH=/l:/bin"]}, 125, "invalid environment variable: =x"), ({"Cmd": ["/l/file"]}, 127, NO_FILE),
    ({"Cmd": []}, 125, "no command specified"), ({"Cmd": [""]}, 125, "no command specified"), ({"Entrypoint": ["/l/setuid"]}, 127, NO_FILE),
    ({"Healthcheck": {"Test": [5]}}, 125, "Healthcheck"), ({"Healthcheck": {"Test": ["CMD", "/l/file"], "Interval": -1}}, 125, "Interval in Healthcheck"),
    ({"ExposedPorts": {"99999999/tcp": {}}}, 125, "invalid port specification"), ({"ExposedPorts": {"80/../../x": {}}}, 125, "invalid port specification"),
    ({"Shell": ["/l/file"]}, 0, ""),
], ids=lambda s: json.dumps(s)[:50])
def test_settings_of_a_hostile_image(store, scratch, setting, code, says):  # noqa: F811
    """Confined to the container, or refused in a clear line when a container is made (S41)."""
    bait = canary.make(scratch)
    before = canary.state(bait)
    layers = archives.busybox_layers() + [Tar().link("l", bait).add("fifo", kind=b"6").bytes()]
    store.load(docker_archive(layers, [TAG], config_of(layers, **{"Env": ["PATH=/bin"], "Cmd": ["true"], **setting})))
    done = store("run", "--rm", TAG, timeout=20)
    text = done.err.strip()
    assert done.code == code and says in text and bool(text) == bool(code), done
    assert all(c >= " " or c == "\n" for c in text), done
    assert store("run", "--rm", IMAGE, "true").code == 0
    assert canary.state(bait) == before

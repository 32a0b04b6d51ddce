"""system df, prune of every kind with its filters, last-used stamps and the images' policy of the configuration."""
import json
import os
import subprocess
import time

import pytest

from conftest import IMAGE
from harness import archives
from harness.archives import Tar, config_of, digest, docker_archive
from harness.waiting import eventually


def load(engine, tag, text=b"x", **config):
    """An image of busybox and one layer of its own; gives its id."""
    layers = archives.busybox_layers() + [Tar().add("own", text).bytes()]
    document = config_of(layers, **config)
    engine.load(docker_archive(layers, [tag] if tag else [], document))
    return "sha256:" + digest(document)


def prune(engine, kind, **filters):
    given = json.dumps({k: v if isinstance(v, list) else [v] for k, v in filters.items()})
    return engine.api("POST", f"/{kind}/prune?filters=" + given.replace('"', "%22").replace(" ", ""))


def ids(engine):
    return set(engine.ok("images", "-aq", "--no-trunc").split())


def test_df_counts_each_layer_once_and_says_what_is_shared(store):
    base = store.api("GET", f"/images/{IMAGE}/json").json
    one = load(store, "test/one:1", b"1" * 5000)
    load(store, "test/two:1", b"2" * 7000)
    store.ok("run", "--name", "stopped", "test/one:1", "sh", "-c", "head -c 3000 /dev/zero > /z")
    store.ok("run", "-d", "--name", "up", "-v", "vol:/v", "test/one:1", "sh", "-c", "head -c 4000 /dev/zero > /v/z; sleep 300")
    store.ok("volume", "create", "idle")
    usage = store.api("GET", "/v1.52/system/df").json
    images = {i["RepoTags"][0]: i for i in usage["Images"]}
    assert images["test/one:1"]["SharedSize"] == images["test/two:1"]["SharedSize"] == base["Size"]
    assert images["test/one:1"]["Size"] - images["test/one:1"]["SharedSize"] >= 5000
    assert usage["LayersSize"] == base["Size"] + sum(images[f"test/{n}:1"]["Size"] - base["Size"] for n in ("one", "two"))
    assert (images["test/one:1"]["Containers"], images["test/two:1"]["Containers"]) == (2, 0)
    containers = {c["Names"][0]: c for c in usage["Containers"]}
    assert containers["/stopped"]["SizeRw"] >= 3000 and containers["/stopped"]["SizeRootFs"] > base["Size"]
    eventually(lambda: {v["Name"]: v["UsageData"] for v in store.api("GET", "/v1.52/system/df?type=volume").json["Volumes"]} ==
               {"vol": {"Size": 4000, "RefCount": 1}, "idle": {"Size": 0, "RefCount": 0}})
    assert usage["BuildCache"] == []
    assert set(store.api("GET", "/v1.52/system/df?type=image").json) == {"Images", "ImageUsage", "LayersSize"}
    assert store.api("GET", "/v1.52/system/df?type=nothing").status == 400
    rows = [line.split("  ")[0] for line in store.ok("system", "df").splitlines()]
    assert rows == ["TYPE", "Images", "Containers", "Local Volumes", "Build Cache"]
    assert [json.loads(x)["Active"] for x in store.ok("system", "df", "--format", "json").splitlines()] == ["1", "1", "1", "0"]
    text = store.ok("system", "df", "-v")
    for part in ("Images space usage", "test/one", "Containers space usage", "stopped", "Local Volumes space usage", "idle", "Build cache usage: 0B"):
        assert part in text
    # Docker's client sees the same.
    done = subprocess.run(["docker", "system", "df"], env=store.environment(), capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"], done
    assert [line.split()[-5:] for line in done.stdout.splitlines()[1:4]] == [line.split()[-5:] for line in store.ok("system", "df").splitlines()[1:4]]
    done = subprocess.run(["docker", "system", "df", "-v"], env=store.environment(), capture_output=True, text=True)
    assert done.returncode == 0 and "test/one" in done.stdout and "idle" in done.stdout, done
    shared = store.api("GET", "/images/json?shared-size=1").json
    assert {i["Id"]: i["SharedSize"] for i in shared}[one] == base["Size"]
    assert "virtual" in store.ok("ps", "-as")


def test_image_prune_takes_dangling_ones_then_all_unused(store):
    dangling = load(store, None, b"d")
    unused = load(store, "test/unused:1", b"u")
    used = load(store, "test/used:1", b"s")
    store.ok("tag", "test/unused:1", "test/unused:2")
    store.ok("create", "--name", "c", "test/used:1", "true")
    out = store.ok("image", "prune", "-f")
    assert f"deleted: {dangling}" in out and "Total reclaimed space:" in out
    assert {unused, used} < ids(store) and dangling not in ids(store)
    assert store.ok("image", "prune", "-f") == "Total reclaimed space: 0B"
    done = subprocess.run(["docker", "image", "prune", "-a", "-f"], env=store.environment(), capture_output=True, text=True)
    assert done.returncode == 0 and "untagged: test/unused:2" in done.stdout and f"deleted: {unused}" in done.stdout, done
    assert used in ids(store)
    # The test image is unused as well, so it went: back with it.
    store.load(archives.make_busybox_image(IMAGE + ":latest"))


def test_image_prune_filters(store):
    labelled = load(store, "test/labelled:1", b"1", Labels={"keep": "yes"})
    plain = load(store, "test/plain:1", b"2")
    assert prune(store, "images", dangling="false", label="keep=no").json["ImagesDeleted"] == []
    assert prune(store, "images", dangling="false", until="2000-01-01T00:00:00Z").json["ImagesDeleted"] == []
    assert prune(store, "images", dangling="false", **{"unused-for": "1h"}).json["ImagesDeleted"] == []
    time.sleep(1.1)
    store.ok("run", "--rm", "test/labelled:1", "true")
    store.ok("run", "--rm", IMAGE, "true")
    gone = prune(store, "images", dangling="false", **{"unused-for": "1s"}).json["ImagesDeleted"]
    assert gone == [{"Untagged": "test/plain:1"}, {"Deleted": plain}]
    assert prune(store, "images", dangling="false", label="keep=yes", **{"label!": "keep"}).json["ImagesDeleted"] == []
    gone = prune(store, "images", dangling="false", label="keep").json
    assert {"Deleted": labelled} in gone["ImagesDeleted"] and gone["SpaceReclaimed"] > 0
    for bad in ({"nothing": "1"}, {"dangling": "perhaps"}, {"until": "yesterday"}, {"unused-for": "-1h"}, {"unused-for": "x"}):
        assert prune(store, "images", **bad).status == 400
    events = store.ok("events", "--since", "1m", "--until", store.api("GET", "/info").json["SystemTime"], "--filter", "event=prune",
                      "--filter", "type=image", "--format", "{{.Actor.Attributes.reason}}").splitlines()
    assert events and set(events) == {"prune"}


def test_container_prune(store):
    store.ok("run", "-d", "--name", "up", IMAGE, "sleep", "300")
    store.ok("run", "--name", "done", IMAGE, "sh", "-c", "head -c 5000 /dev/zero > /z")
    store.ok("create", "--name", "kept", "--label", "keep", IMAGE, "true")
    store.ok("create", "--name", "new", IMAGE, "true")
    done = store.api("GET", "/containers/done/json").json["Id"]
    assert prune(store, "containers", until="2000-01-01T00:00:00Z").json["ContainersDeleted"] == []
    answer = prune(store, "containers", **{"label!": "keep"}).json
    assert done in answer["ContainersDeleted"] and len(answer["ContainersDeleted"]) == 2 and answer["SpaceReclaimed"] >= 5000
    assert sorted(store.ok("ps", "-a", "--format", "{{.Names}}").split()) == ["kept", "up"]
    assert prune(store, "containers", dangling="true").status == 400
    run = subprocess.run(["docker", "container", "prune", "-f"], env=store.environment(), capture_output=True, text=True)
    assert run.returncode == 0 and "Deleted Containers" in run.stdout, run
    assert store.ok("ps", "-a", "--format", "{{.Names}}") == "up"


def test_volume_and_network_prune(store):
    store.ok("volume", "create", "named")
    store.ok("create", "--name", "c", "-v", "used:/u", "-v", "/anonymous", "--network", "none", IMAGE, "true")
    store.ok("network", "create", "idle")
    store.ok("network", "create", "--label", "keep", "labelled")
    store.ok("network", "create", "wanted")
    store.ok("create", "--name", "n", "--network", "wanted", IMAGE, "true")
    assert prune(store, "volumes").json["VolumesDeleted"] == []
    anonymous = next(m["Name"] for m in store.inspect("c")["Mounts"] if m["Destination"] == "/anonymous")
    store.ok("rm", "c")
    assert prune(store, "volumes").json["VolumesDeleted"] == [anonymous]
    assert sorted(prune(store, "volumes", all="true").json["VolumesDeleted"]) == ["named", "used"]
    assert prune(store, "networks", **{"label!": "keep"}).json["NetworksDeleted"] == ["idle"]
    assert prune(store, "networks").json["NetworksDeleted"] == ["labelled"]
    assert store.ok("network", "ls", "--format", "{{.Name}}", "--filter", "name=wanted") == "wanted"


def test_system_prune(store):
    dangling = load(store, None, b"d")
    store.ok("run", "--name", "done", IMAGE, "true")
    store.ok("network", "create", "idle")
    store.ok("volume", "create", "named")
    assert store("system", "prune", input="n\n").code == 0
    assert store.ok("ps", "-aq") != ""
    out = store.ok("system", "prune", "-f")
    assert "Deleted Containers" in out and "Deleted Networks" in out and f"deleted: {dangling}" in out
    assert store.ok("ps", "-aq") == "" and store.ok("volume", "ls", "-q") == "named"
    store.fails("system", "prune", "-f", "--volumes", "--filter", "until=1h", code=1, match="not supported")


def test_images_in_use_are_told_apart(store):
    image = load(store, "test/used:1", b"u")
    store.ok("run", "-d", "--name", "c", "test/used:1", "sleep", "300")
    short = store.api("GET", "/containers/c/json").json["Id"][:12]
    store.fails("rmi", "test/used:1", code=1, match=rf"must force\) - container {short}|must force\) - running container {short}")
    store.fails("rmi", "-f", image, code=1, match=rf"cannot be forced\) - image is being used by running container {short}")
    store.ok("kill", "c")
    eventually(lambda: store.state("c")["Status"] == "exited")
    store.fails("rmi", image, code=1, match=rf"must be forced\) - image is being used by.* container {short}")
    assert f"Deleted: {image}" in store.ok("rmi", "-f", image)
    store.ok("rm", "c")


def test_a_digest_is_a_name_of_its_own(store):
    layers = archives.busybox_layers()
    store.load(archives.oci_archive(layers, "test/digest:1", config_of(layers, Cmd=["x"])))
    image = store.api("GET", "/images/test/digest:1/json").json
    reference, = image["RepoDigests"]
    assert store.ok("rmi", reference) == f"Untagged: {reference}"
    assert store.api("GET", "/images/test/digest:1/json").json["RepoDigests"] == []
    store.fails("rmi", reference, code=1, match="No such image")
    assert f"Deleted: {image['Id']}" in store.ok("rmi", "test/digest:1")


def test_what_was_used_last_survives_a_restart(fresh):
    e = fresh()
    load(e, "test/old:1", b"1")
    time.sleep(1.2)
    e.ok("run", "--rm", IMAGE, "true")
    e.restart()
    gone = prune(e, "images", dangling="false", **{"unused-for": "1s"}).json["ImagesDeleted"]
    # The other was used later, but how long ago that is depends on the restart: it may have gone as well.
    assert {"Untagged": "test/old:1"} in gone


def test_the_policy_removes_what_is_old_and_keeps_what_it_is_told_to(fresh):
    e = fresh(config={"images": {"gc": {"max_age": "2s", "interval": "1s", "keep": ["test/keep*"]}}})
    used = load(e, "test/used:1", b"1")
    kept = load(e, "test/keep:1", b"2")
    old = load(e, "test/old:1", b"3")
    e.ok("create", "--name", "c", "test/used:1", "true")
    eventually(lambda: old not in ids(e), timeout=20)
    eventually(lambda: ids(e) == {used, kept}, timeout=20)
    time.sleep(2)
    assert ids(e) == {used, kept}
    events = e.ok("events", "--since", "5m", "--until", e.api("GET", "/info").json["SystemTime"], "--filter", "event=prune",
                  "--format", "{{.Actor.Attributes.reason}}").splitlines()
    assert events and set(events) == {"gc"}
    e.ok("rm", "c")


def test_the_policy_by_size_takes_the_longest_unused_first(fresh):
    e = fresh()
    first = load(e, "test/first:1", os.urandom(2_000_000))
    second = load(e, "test/second:1", os.urandom(2_000_000))
    time.sleep(0.01)
    e.ok("run", "--rm", "test/first:1", "true")
    e.ok("create", "--name", "c", IMAGE, "true")
    size = e.api("GET", "/v1.52/system/df?type=image").json["LayersSize"]
    e.kill()
    e.config["images"] = {"gc": {"max_size": size - 1_000_000, "interval": "1s"}}
    e.write_config()
    e.start()
    eventually(lambda: second not in ids(e), timeout=20)
    time.sleep(2)
    assert first in ids(e)


@pytest.mark.parametrize("gc, words", [({"max_age": "x"}, "duration"), ({"max_size": 0}, "size"), ({"keep": [""]}, "pattern"),
                                       ({"maxage": "1h"}, "did you mean \"max_age\"")])
def test_a_bad_policy_is_told(fresh, gc, words):
    e = fresh(start=False)
    e.config["images"] = {"gc": gc}
    e.write_config()
    done = subprocess.run([*e.daemon_command(), "--validate"], capture_output=True, text=True)
    assert done.returncode != 0 and words in done.stdout + done.stderr, done


@pytest.mark.parametrize("point", ["image.remove.before_erase", "image.prune.one_removed", "container.prune.one_removed"])
def test_a_prune_cut_off_is_finished_by_the_next(fresh, point):
    e = fresh(preset="dev")
    first, second = load(e, None, b"1"), load(e, None, b"2")
    e.ok("run", "--name", "a", IMAGE, "true")
    e.ok("run", "--name", "b", IMAGE, "true")
    e.restart(env={"GANTRY_FAILPOINT": f"{point}=kill"})
    kind = "container" if point.startswith("container") else "image"
    assert e(kind, "prune", "-f").code != 0
    assert e.process.wait(20) == -9
    e.start()
    e.ok(kind, "prune", "-f")
    if kind == "image":
        assert not {first, second} & ids(e)
        needed = {digest(x) for x in archives.busybox_layers()}
        eventually(lambda: len([n for _, _, names in os.walk(e.root + "/images/blobs") for n in names]) == len(needed) + 1,
                   timeout=10, interval=0.2)
    else:
        assert e.ok("ps", "-aq") == ""

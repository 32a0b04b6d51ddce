"""Images: load of every form, import, tag, rmi; hostile archives leave nothing, inside or outside the engine."""
import gzip
import json
import os
import subprocess
import tarfile

import pytest

from conftest import IMAGE
from harness import archives
from harness.waiting import eventually
from harness.archives import Tar, config_of, digest, docker_archive, oci_archive


@pytest.fixture
def store(engine):
    """The engine; afterwards it has no images besides the test image, and not a file more than before."""
    def files():
        # Not what is deleted or made ahead when there is time: trash, spare layers, removed containers; and not the store's own files.
        below = ((os.path.relpath(d, engine.root), names) for d, _, names in os.walk(engine.root))
        return sorted(os.path.join(engine.root, d, n) for d, names in below for n in names
                      if d != "." and not d.startswith(("drivers/overlayfs/trash", "drivers/overlayfs/spare", "removed")))
    before = files()
    engine.files = files
    yield engine
    for tag in engine.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        if not tag.startswith(IMAGE) and "<none>" not in tag:
            engine.ok("rmi", "-f", tag)
    for name in engine.ok("images", "-aq", "--no-trunc").split():
        if name != engine.api("GET", f"/images/{IMAGE}/json").json["Id"]:
            engine.ok("rmi", "-f", name)
    eventually(lambda: files() == before, timeout=10, interval=0.2, what="files of removed images are gone")


def layer():
    return Tar().dir("etc").add("etc/hello", b"hello\n").bytes()


def small(tag="test/small:1", layers=None):
    layers = layers or archives.busybox_layers() + [layer()]
    return layers, tag, config_of(layers, Cmd=["cat", "/etc/hello"])


@pytest.mark.parametrize("pack", [lambda x: x, lambda x: gzip.compress(x, 1), archives.zstd], ids=["plain", "gzip", "zstd"])
def test_docker_archive(store, pack):
    layers, tag, config = small()
    assert f"Loaded image: {tag}" in store.load(pack(docker_archive(layers, [tag], config)))
    assert store.ok("run", "--rm", tag) == "hello"


@pytest.mark.parametrize("compress", [None, "gzip", "zstd"])
def test_oci_layout(store, compress):
    layers, tag, config = small("test/oci:1")
    store.load(oci_archive(layers, tag, config, compress))
    assert store.ok("run", "--rm", tag) == "hello"


def test_from_a_file(store, scratch):
    layers, tag, config = small()
    path = os.path.join(scratch, "image.tar")
    with open(path, "wb") as f:
        f.write(docker_archive(layers, [tag], config))
    assert tag in store.ok("load", "-i", path)
    store.fails("load", "-i", path + ".none", match="no such file")


def test_loading_again_changes_nothing(store):
    layers, tag, config = small()
    archive = docker_archive(layers, [tag], config)
    store.load(archive)
    before = store.files()
    store.load(archive)
    assert store.files() == before


def test_images_and_inspect(store):
    layers, tag, config = small()
    store.load(docker_archive(layers, [tag, "test/small:2"], config))
    head, *rows = store.ok("images").splitlines()
    assert head.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert sum(row.startswith("test/small") for row in rows) == 2
    image = json.loads(store.ok("image", "inspect", tag))[0]
    assert image["Id"] == "sha256:" + digest(config) and image["RootFS"]["Layers"] == ["sha256:" + digest(x) for x in layers]
    assert store.ok("images", "-q", "test/small").split() == [digest(config)[:12]] * 2 or \
        store.ok("images", "-q", "test/small").split() == [digest(config)[:12]]


def test_tag_and_untag(store):
    layers, tag, config = small()
    store.load(docker_archive(layers, [tag], config))
    store.ok("tag", tag, "other/name:x")
    assert store.ok("run", "--rm", "other/name:x") == "hello"
    assert "Untagged: test/small:1" in store.ok("rmi", tag)
    store.fails("run", "--rm", tag, code=125)
    assert "Deleted: sha256:" + digest(config) in store.ok("rmi", "other/name:x")
    store.fails("rmi", "other/name:x", code=1, match="No such image")
    for bad in ("UPPER", "a b", "x:y:z", "", "a/../b", "-x"):
        store.fails("tag", "--", IMAGE, bad)


def test_an_image_in_use_stays(store):
    layers, tag, config = small()
    store.load(docker_archive(layers, [tag], config))
    store.ok("create", "--name", "c", tag)
    store.fails("rmi", tag, code=1, match="in use|using")
    store.ok("rmi", "-f", tag)
    assert store.ok("start", "-a", "c") == "hello"
    store.ok("rm", "c")


def test_files_of_a_removed_image_go_with_its_last_container(store):
    layers, tag, config = small()
    before = store.files()
    store.load(docker_archive(layers, [tag], config))
    image = "sha256:" + digest(config)
    store.ok("create", "--name", "c", tag)
    assert "Deleted: " + image in store.ok("rmi", "-f", image)
    assert store.files() != before
    assert store.ok("start", "-a", "c") == "hello"
    store.ok("rm", "c")
    eventually(lambda: store.files() == before, interval=0.1)


def test_files_are_gone_when_rmi_answers(store):
    layers, tag, config = small()
    blobs = [f for f in store.files() if "/blobs/" in f]
    store.load(docker_archive(layers, [tag], config))
    store.ok("rmi", tag)
    assert [f for f in store.files() if "/blobs/" in f] == blobs


def test_diff_shows_what_the_container_did_and_nothing_of_the_engine(engine):
    engine.ok("run", "--name", "c", IMAGE, "sh", "-c", "echo x > /new; rm /data/seed; mkdir /d; echo y > /d/f")
    assert engine.ok("diff", "c").splitlines() == ["A /d", "A /d/f", "C /data", "D /data/seed", "A /new"]
    engine.ok("run", "--name", "e", IMAGE, "sh", "-c", "echo x >> /etc/passwd")
    assert engine.ok("diff", "e").splitlines() == ["C /etc", "C /etc/passwd"]


def test_import(store, scratch):
    tree = archives.busybox_layers()[0]
    name = store("import", "-c", 'CMD ["cat", "/data/seed"]', "-c", "ENV X=y", "-m", "from a tree", "-", "test/imported:1", input=tree, text=False)
    assert name.code == 0 and name.out.startswith(b"sha256:")
    assert store.ok("run", "--rm", "test/imported:1") == "from the image"
    assert store.ok("run", "--rm", "test/imported:1", "sh", "-c", "echo $X") == "y"
    path = os.path.join(scratch, "tree.tar.gz")
    with open(path, "wb") as f:
        f.write(gzip.compress(tree, 1))
    store.ok("import", path, "test/imported:2")
    store.ok("run", "--rm", "test/imported:2", "true")
    store.fails("import", "-c", "NOSUCH x", path, "test/imported:3", match="NOSUCH")


def broken_archives():
    """Every archive must be refused. Name and bytes."""
    layers, tag, config = [layer()], "test/evil:1", config_of([layer()], Cmd=["true"])
    good = docker_archive(layers, [tag], config)
    yield "empty", b""
    yield "garbage", os.urandom(4096)
    yield "cut", good[:len(good) // 2]
    yield "gzip cut", gzip.compress(good)[:200]
    yield "gzip damaged", gzip.compress(good)[:-8] + b"\0" * 8
    yield "zstd cut", archives.zstd(good)[:100]
    yield "no manifest", Tar().add("x", b"y").bytes()
    yield "manifest is no JSON", Tar().add("manifest.json", b"{").bytes()
    yield "manifest is deep", Tar().add("manifest.json", b"[" * 100_000).bytes()
    yield "manifest of wrong types", Tar().add("manifest.json", b'[{"Config": 1, "RepoTags": {}, "Layers": "x"}]').bytes()
    yield "layer is missing", Tar().add("manifest.json", json.dumps([{"Config": "c.json", "RepoTags": [tag], "Layers": ["l.tar"]}]).encode()).add("c.json", config).bytes()
    yield "layer is another", docker_archive([Tar().add("x", b"other").bytes()], [tag], config)
    yield "config is another", docker_archive(layers, [tag], b'{"rootfs": {"type": "layers", "diff_ids": []}}')
    yield "config of wrong types", docker_archive(layers, [tag], b'{"config": [], "rootfs": {"diff_ids": 3}}')
    yield "config outside", Tar().add("manifest.json", json.dumps([{"Config": "../../../etc/passwd", "RepoTags": [tag], "Layers": []}]).encode()).bytes()
    yield "config by link", Tar().link("c.json", "/etc/passwd").add("manifest.json", json.dumps([{"Config": "c.json", "RepoTags": [tag], "Layers": []}]).encode()).bytes()
    yield "bad tag", docker_archive(layers, ["../evil:1"], config)
    yield "blob with wrong digest", oci_archive(layers, tag, config, None, break_digest=True)
    yield "index is a loop of nothing", Tar().add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}').add("index.json", b'{"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:x", "size": -1}]}').bytes()


@pytest.mark.parametrize("name,archive", broken_archives(), ids=lambda x: x if isinstance(x, str) else "")
def test_broken_archives_are_refused_whole(store, name, archive):
    before = store.files()
    done = store("load", input=archive, text=False)
    assert done.code == 1, (name, done)
    assert done.err.strip() and done.err.strip().count(b"\n") == 0, done.err
    assert store.files() == before
    assert store.ok("images", "-q", "test/evil") == ""


def hostile_layers(canary):
    """Layers that try to write to `canary`, a directory of the host. Refused or confined, never followed."""
    up = "../" * 12 + canary.lstrip("/")
    yield "dots", Tar().add(f"{up}/pwned", b"x")
    yield "absolute", Tar().add(f"{canary}/pwned", b"x")
    yield "dots inside", Tar().dir("a").add(f"a/../../../..{canary}/pwned", b"x")
    yield "through a link", Tar().link("l", canary).add("l/pwned", b"x")
    yield "through a relative link", Tar().link("l", up).add("l/pwned", b"x")
    yield "through two links", Tar().link("a", "b").link("b", canary).add("a/pwned", b"x")
    yield "hard link out", Tar().hardlink("h", f"{canary}/file").add("h", b"overwritten")
    yield "hard link by dots", Tar().hardlink("h", f"{up}/file").add("h", b"overwritten")
    yield "hard link through a link", Tar().link("l", canary).hardlink("h", "l/file").add("h", b"overwritten")
    yield "directory becomes a link", Tar().dir("d").link("d", canary).add("d/pwned", b"x")
    yield "mode through a link", Tar().link("l", f"{canary}/file").add("l", kind=tarfile.SYMTYPE, link=f"{canary}/file", mode=0o777)
    yield "whiteout out", Tar().add(f"{up}/.wh.file")
    yield "whiteout through a link", Tar().link("l", canary).add("l/.wh.file")
    yield "opaque through a link", Tar().link("l", canary).add("l/.wh..wh..opq")
    yield "whiteout of dots", Tar().add("x/.wh...").add(".wh..")
    yield "long names by PAX", Tar().add("short", b"x", pax={"path": f"{up}/pwned"})
    yield "linkpath by PAX", Tar().add("h", kind=tarfile.LNKTYPE, link="x", pax={"linkpath": f"{canary}/file"})
    yield "very long name", Tar().add("/".join(["d" * 200] * 40) + "/x", b"x")


@pytest.mark.parametrize("number", range(18))
def test_hostile_layers_touch_nothing_outside(store, scratch, number):
    canary = os.path.join(scratch, "canary")
    os.mkdir(canary)
    with open(os.path.join(canary, "file"), "w") as f:
        f.write("untouched")
    os.chmod(os.path.join(canary, "file"), 0o640)
    name, tar = list(hostile_layers(canary))[number]
    base = archives.busybox_layers()
    layers = base + [tar.bytes()]
    done = store("load", input=docker_archive(layers, ["test/evil:1"], config_of(layers, Cmd=["true"])), text=False)
    assert done.code in (0, 1), (name, done)
    if done.code == 0:
        store("run", "--rm", "test/evil:1", "true")
    assert sorted(os.listdir(canary)) == ["file"], name
    with open(os.path.join(canary, "file")) as f:
        assert f.read() == "untouched", name
    state = os.stat(os.path.join(canary, "file"))
    assert (state.st_mode & 0o7777, state.st_nlink) == (0o640, 1), name


def test_device_nodes_in_layers_open_nothing(store):
    layers = archives.busybox_layers() + [Tar().dir("dev").add("dev/sda", kind=tarfile.BLKTYPE, device=(254, 0), mode=0o666)
                                          .add("mem", kind=tarfile.CHRTYPE, device=(1, 1), mode=0o666).bytes()]
    done = store("load", input=docker_archive(layers, ["test/nodes:1"], config_of(layers, Cmd=["true"])), text=False)
    if done.code == 0:
        assert store("run", "--rm", "test/nodes:1", "head", "-c1", "/mem").code != 0
        assert store("run", "--rm", "test/nodes:1", "head", "-c1", "/dev/sda").code != 0


def test_a_bomb_is_stopped_or_counted(store):
    """A layer of a hundred million zeros in a kilobyte is data like any other; it must not take the engine's memory."""
    rss_before = resident(store.pid)
    layers = [Tar().add("zeros", b"\0" * 100_000_000).bytes()]
    store.load(gzip.compress(docker_archive(layers, ["test/zeros:1"], config_of(layers)), 1))
    assert resident(store.pid) - rss_before < 64 << 20


def resident(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * 4096


def test_a_client_that_goes_away_while_loading_leaves_nothing(store):
    layers, tag, config = small()
    archive = docker_archive(layers, [tag], config)
    before = store.files()
    client = store.popen("load", stdin=subprocess.PIPE)
    client.stdin.write(archive[:len(archive) // 2])
    client.stdin.flush()
    client.kill()
    client.wait()
    client.stdin.close()
    eventually(lambda: store.files() == before)
    store.load(archive)


def test_settings_of_the_image(store):
    store.load(archives.make_busybox_image("test/set:1", User="app", WorkingDir="/tmp", Entrypoint=["sh", "-c"], Cmd=["id -un; pwd; echo $X"],
                                           Env=["PATH=/bin", "X=1"], Labels={"l": "image"}, StopSignal="SIGINT", ExposedPorts={"80/tcp": {}}))
    assert store.ok("run", "--rm", "test/set:1") == "app\n/tmp\n1"
    store.ok("create", "--name", "c", "test/set:1")
    config = store.inspect("c")["Config"]
    assert config["Labels"] == {"l": "image"} and config["StopSignal"] == "SIGINT" and "80/tcp" in config["ExposedPorts"]
    store.ok("rm", "c")


def test_images_as_a_tree(store):
    layers, tag, config = small("test/tree:1")
    store.load(docker_archive(layers, [tag], config))
    store.ok("tag", "test/tree:1", "test/tree:2")
    image = store.api("GET", "/images/test/tree:1/json").json
    short = image["Id"].removeprefix("sha256:")[:12]
    rows = [line.split() for line in store.ok("images", "--tree", "test/tree").splitlines()]
    assert rows[0] == ["IMAGE", "ID", "DISK", "USAGE", "IN", "USE"]
    assert [r[0] for r in rows[1:3]] == ["test/tree:1", "test/tree:2"] and rows[1][1] == short and "U" not in rows[1]
    assert rows[3][:3] == ["└─", f"{image['Os']}/{image['Architecture']}", short]
    store.ok("create", "--name", "user", "test/tree:1", "x")
    assert store.ok("images", "--tree", "test/tree").splitlines()[1].split()[-1] == "U"
    store.ok("rm", "user")
    store.fails("images", "--tree", "-q", code=1, match="--tree shows a table of its own: not together with --quiet")


def test_an_image_is_asked_for_by_its_platform(store):
    layers, tag, config = small("test/platform:1")
    store.load(docker_archive(layers, [tag], config))
    image = store.api("GET", "/images/test/platform:1/json").json
    own = f"{image['Os']}/{image['Architecture']}"
    assert json.loads(store.ok("image", "inspect", "--platform", own, "test/platform:1"))[0]["Id"] == image["Id"]
    assert store.ok("history", "-q", "--platform", own, "test/platform:1")
    for command in (["image", "inspect"], ["history"], ["rmi"]):
        store.fails(*command, "--platform", "linux/s390x", "test/platform:1", code=1, match="does not provide the specified platform")
    assert f"Deleted: {image['Id']}" in store.ok("rmi", "--platform", own, "test/platform:1")

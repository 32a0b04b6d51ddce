"""save, export and history: what goes out is what came in, and other tools read it."""
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from conftest import IMAGE
from harness import archives
from harness.archives import Tar, config_of, digest, docker_archive, oci_archive


DEFAULT = "docker" ".io"  # the registry of names without one


def opened(data):
    return tarfile.open(fileobj=io.BytesIO(data))


def member(data, name):
    return opened(data).extractfile(name).read()


def saved(engine, *names):
    return engine.ok("save", *names, text=False)


def image(tag="test/saved:1", text=b"hello\n", compress=None):
    layers = archives.busybox_layers() + [Tar().dir("etc").add("etc/hello", text).bytes()]
    config = config_of(layers, Cmd=["cat", "/etc/hello"])
    return layers, config, oci_archive(layers, tag, config, compress)


def need(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def test_the_archive_is_a_layout_and_a_docker_archive(store):
    layers, config, archive = image()
    store.load(archive)
    data = saved(store, "test/saved:1")
    names = opened(data).getnames()
    blobs = [n for n in names if n.startswith("blobs/sha256/")]
    assert names == ["blobs", "blobs/sha256", *blobs, "index.json", "manifest.json", "oci-layout", "repositories"]
    assert blobs == sorted(blobs)
    for name in blobs:
        assert hashlib.sha256(member(data, name)).hexdigest() == name.rsplit("/", 1)[1]
    entry, = json.loads(member(data, "manifest.json"))
    assert entry["RepoTags"] == ["test/saved:1"] and member(data, entry["Config"]) == config
    assert [member(data, x) for x in entry["Layers"]] == layers
    descriptor, = json.loads(member(data, "index.json"))["manifests"]
    assert descriptor["annotations"] == {"io.containerd.image.name": f"{DEFAULT}/test/saved:1",
                                         "org.opencontainers.image.ref.name": "1"}
    assert json.loads(member(data, "oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads(member(data, "repositories")) == {"test/saved": {"1": digest(layers[-1])}}
    assert {m.mtime for m in opened(data)} == {0} and {(m.uid, m.gid) for m in opened(data)} == {(0, 0)}
    assert saved(store, "test/saved:1") == data


@pytest.mark.parametrize("compress", [None, "gzip", "zstd"])
def test_a_round_trip_changes_no_digest(store, compress):
    layers, config, archive = image(compress=compress)
    store.load(archive)
    given = {n: member(archive, n) for n in opened(archive).getnames() if n.startswith("blobs/sha256/")}
    data = saved(store, "test/saved:1")
    assert {n: member(data, n) for n in opened(data).getnames() if n.startswith("blobs/sha256/")} == given
    before = store.api("GET", "/images/test/saved:1/json").json
    store.ok("rmi", "test/saved:1")
    store.load(data)
    after = store.api("GET", "/images/test/saved:1/json").json
    assert {**before, "Metadata": 0} == {**after, "Metadata": 0}
    assert saved(store, "test/saved:1") == data
    assert store.ok("run", "--rm", "test/saved:1") == "hello"


@pytest.mark.parametrize("pack", [lambda x: x, lambda x: gzip.compress(x, 1), archives.zstd], ids=["plain", "gzip", "zstd"])
def test_layers_of_a_docker_archive_keep_their_bytes(store, pack):
    layers, config, _ = image()
    packed = [pack(x) for x in layers]
    store.load(docker_archive(packed, ["test/saved:1"], config))
    data = saved(store, "test/saved:1")
    entry, = json.loads(member(data, "manifest.json"))
    assert [member(data, x) for x in entry["Layers"]] == packed
    store.ok("rmi", "test/saved:1")
    store.load(data)
    assert saved(store, "test/saved:1") == data


def test_several_images_and_names(store):
    one, two = image("test/saved:1"), image("test/saved:2", b"two\n")
    store.load(one[2])
    store.load(two[2])
    store.ok("tag", "test/saved:1", "other:x")
    store.ok("tag", "test/saved:1", "localhost:5000/reg/name:y")
    data = saved(store, "test/saved:1", "other:x", "test/saved:2", "localhost:5000/reg/name:y")
    entries = {e["Config"].rsplit("/", 1)[1]: sorted(e["RepoTags"]) for e in json.loads(member(data, "manifest.json"))}
    assert entries == {digest(one[1]): ["localhost:5000/reg/name:y", "other:x", "test/saved:1"], digest(two[1]): ["test/saved:2"]}
    names = {d["annotations"]["io.containerd.image.name"] for d in json.loads(member(data, "index.json"))["manifests"]}
    assert names == {f"{DEFAULT}/test/saved:1", f"{DEFAULT}/test/saved:2", f"{DEFAULT}/library/other:x", "localhost:5000/reg/name:y"}
    assert len(opened(data).getnames()) == len(set(opened(data).getnames()))
    # A bare name is all its tags, an id none.
    assert sorted(t for e in json.loads(member(saved(store, "test/saved"), "manifest.json")) for t in e["RepoTags"]) == ["test/saved:1", "test/saved:2"]
    assert json.loads(member(saved(store, digest(one[1])), "manifest.json"))[0]["RepoTags"] is None
    store.ok("rmi", "-f", digest(one[1]), digest(two[1]))
    out = store.load(data)
    assert {line for line in out.splitlines()} == {f"Loaded image: {t}" for t in
                                                   ("test/saved:1", "test/saved:2", "other:x", "localhost:5000/reg/name:y")}


def test_digests_go_with_the_last_name_of_their_repository(store):
    """As in Docker: what is left of an image tells of no repository that it has no name in."""
    archive = image()[2]
    store.load(archive)
    digest, = store.api("GET", "/images/test/saved:1/json").json["RepoDigests"]
    assert digest.startswith("test/saved@sha256:")
    store.ok("tag", "test/saved:1", "test/saved:2")
    store.ok("tag", "test/saved:1", "other/name:1")
    assert store.api("DELETE", "/images/test/saved:1").json == [{"Untagged": "test/saved:1"}]
    assert store.api("GET", "/images/other/name:1/json").json["RepoDigests"] == [digest]
    assert store.api("DELETE", "/images/test/saved:2").json == [{"Untagged": "test/saved:2"}, {"Untagged": digest}]
    left = store.api("GET", "/images/other/name:1/json").json
    assert (left["RepoTags"], left["RepoDigests"]) == (["other/name:1"], []) and store.api("GET", f"/images/{digest}/json").status == 404
    assert store.api("DELETE", "/images/other/name:1").json == [{"Untagged": "other/name:1"}, {"Deleted": left["Id"]}]


def test_files_terminals_and_what_is_refused(store, scratch):
    layers, config, archive = image()
    store.load(archive)
    store.ok("save", "-o", f"{scratch}/x.tar", "test/saved:1")
    assert open(f"{scratch}/x.tar", "rb").read() == saved(store, "test/saved:1")
    store.fails("save", "-o", f"{scratch}/none/x.tar", "test/saved:1", code=1, match="no such file")
    store.fails("save", "-o", scratch, "test/saved:1", code=1, match="is a directory")
    store.fails("save", "-o", f"{scratch}/y.tar", "none:1", code=1, match="No such image: none:1")
    store.fails("save", "--platform", "linux/s390x", "-o", f"{scratch}/y.tar", "test/saved:1", code=1, match="specified platform")
    store.fails("save", "--platform", "linux/amd 64", "-o", f"{scratch}/y.tar", "test/saved:1", code=1, match="invalid platform")
    store.ok("save", "--platform", "linux/amd64", "-o", f"{scratch}/z.tar", "test/saved:1")
    assert sorted(os.listdir(scratch)) == ["x.tar", "z.tar"]
    import pty
    master, slave = pty.openpty()
    process = store.popen("save", "test/saved:1", stdout=slave)
    assert process.wait(20) == 1 and b"terminal" in process.stderr.read()
    os.close(master), os.close(slave)
    assert store.api("GET", "/images/get").status == 400


def test_a_layer_that_is_kept_unpacked_alone_is_written_anew(store):
    layers, config, archive = image()
    store.load(archive)
    store.ok("run", "--name", "c", "test/saved:1", "sh", "-c", "echo new > /new; rm /etc/hello; mkdir -p /x/y; ln -s y /x/l")
    store.ok("commit", "c", "test/committed:1")
    data = saved(store, "test/committed:1")
    entry, = json.loads(member(data, "manifest.json"))
    diff_ids = json.loads(member(data, entry["Config"]))["rootfs"]["diff_ids"]
    assert ["sha256:" + hashlib.sha256(member(data, x)).hexdigest() for x in entry["Layers"]] == diff_ids
    assert opened(member(data, entry["Layers"][-1])).getnames() == ["etc", "etc/.wh.hello", "new", "x", "x/l", "x/y"]
    store.ok("rm", "c")
    store.ok("rmi", "test/committed:1", "test/saved:1")
    store.load(data)
    assert store.ok("run", "--rm", "test/committed:1", "ls", "/new", "/x") == "/new\n\n/x:\nl\ny"
    store.fails("run", "--rm", "test/committed:1", "cat", "/etc/hello", match="No such file")


def test_a_damaged_blob_is_not_sent_as_a_good_one(store, scratch):
    layers, config, archive = image()
    store.load(archive)
    hex_digest = digest(layers[-1])
    path = f"{store.root}/images/blobs/sha256/{hex_digest[:2]}/{hex_digest}"
    with open(path, "r+b") as f:
        f.seek(600)
        f.write(b"X")
    store.fails("save", "-o", f"{scratch}/x.tar", "test/saved:1", code=1)
    assert os.listdir(scratch) == []


# --- other tools ---

def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.fixture
def archive_file(store, scratch):
    layers, config, archive = image(compress="gzip")
    store.load(archive)
    store.ok("save", "-o", f"{scratch}/x.tar", "test/saved:1")
    return layers, config, archive, f"{scratch}/x.tar"


def test_skopeo_reads_it_and_what_it_writes_comes_back(store, archive_file, scratch):
    need("skopeo")
    layers, config, archive, path = archive_file
    manifest = json.loads(member(archive, "index.json"))["manifests"][0]["digest"]
    for source in (f"docker-archive:{path}:{DEFAULT}/test/saved:1", f"oci-archive:{path}:1"):
        told = json.loads(run("skopeo", "inspect", source))
        assert told["Os"] == "linux"
        assert run("skopeo", "inspect", "--config", "--raw", source).encode() == config
    assert json.loads(run("skopeo", "inspect", f"oci-archive:{path}:1"))["Digest"] == manifest
    for form in ("docker-archive", "oci-archive"):
        back = f"{scratch}/back-{form}.tar"
        run("skopeo", "copy", f"oci-archive:{path}:1", f"{form}:{back}:{DEFAULT}/test/back:{form}")
        store.ok("load", "-i", back)
        assert store.api("GET", f"/images/test/back:{form}/json").json["Id"] == "sha256:" + digest(config)
    run("skopeo", "copy", f"oci-archive:{path}:1", f"oci:{scratch}/layout:1")
    index = json.load(open(f"{scratch}/layout/index.json"))
    assert index["manifests"][0]["digest"] == manifest
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in sorted(os.listdir(f"{scratch}/layout")):
            tar.add(f"{scratch}/layout/{name}", name)
    store.ok("rmi", "-f", digest(config))
    assert "sha256:" + digest(config) in store.load(data.getvalue())


def test_umoci_reads_it(archive_file, scratch):
    need("umoci")
    layers, config, archive, path = archive_file
    os.mkdir(f"{scratch}/layout")
    with tarfile.open(path) as tar:
        tar.extractall(f"{scratch}/layout")
    assert run("umoci", "ls", "--layout", f"{scratch}/layout").split() == ["1"]
    run("umoci", "unpack", "--image", f"{scratch}/layout:1", f"{scratch}/bundle")
    assert open(f"{scratch}/bundle/rootfs/etc/hello").read() == "hello\n"


def test_podman_loads_it_and_what_it_saves_comes_back(store, archive_file, scratch):
    need("podman")
    layers, config, archive, path = archive_file
    podman = ["podman", "--root", f"{scratch}/podman", "--runroot", f"{scratch}/podman-run", "--storage-driver", "vfs"]
    assert "test/saved:1" in run(*podman, "load", "-i", path)
    assert run(*podman, "image", "inspect", "--format", "{{.Id}}", f"{DEFAULT}/test/saved:1").strip() == digest(config)
    for form in ("docker-archive", "oci-archive"):
        back = f"{scratch}/{form}.tar"
        run(*podman, "save", "--format", form, "-o", back, f"{DEFAULT}/test/saved:1")
        store.ok("rmi", "-f", digest(config))
        store.ok("load", "-i", back)
        assert store.api("GET", "/images/test/saved:1/json").json["Id"] == "sha256:" + digest(config)


def test_docker_save_load_and_history(store, archive_file, scratch):
    layers, config, archive, path = archive_file
    env = store.environment()
    run("docker", "save", "-o", f"{scratch}/docker.tar", "test/saved:1", env=env)
    assert open(f"{scratch}/docker.tar", "rb").read() == open(path, "rb").read()
    run("docker", "rmi", "test/saved:1", env=env)
    assert "Loaded image: test/saved:1" in run("docker", "load", "-i", f"{scratch}/docker.tar", env=env)
    assert run("docker", "history", "-q", "--no-trunc", "test/saved:1", env=env).split()[0] == "sha256:" + digest(config)
    columns = "{{.ID}}|{{.Size}}|{{.Comment}}|{{.CreatedBy}}"
    assert run("docker", "history", "--no-trunc", "--format", columns, "test/saved:1", env=env) == \
        store.ok("history", "--no-trunc", "--format", columns, "test/saved:1") + "\n"
    shown = run("docker", "images", "--digests", "test/saved", env=env)
    assert "sha256:" in shown


def test_a_v1_archive_is_told_to_be_one(store):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in (("repositories", b'{"x":{"1":"abc"}}'), ("abc/json", b"{}"), ("abc/layer.tar", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    done = store("load", input=out.getvalue(), text=False)
    assert done.code == 1 and b"Docker before 1.10" in done.err


# --- export ---

@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_export(engine, scratch, running):
    with open(f"{scratch}/host", "w") as f:
        f.write("host")
    engine.ok("run", "-d", "--name", "c", "-v", f"{scratch}:/m", "-v", "vol:/data", IMAGE, "sh", "-c",
              "echo new > /new; ln -s /new /link; ln /new /hard; rm /etc/passwd; echo secret > /data/in; sleep 300")
    from harness.waiting import eventually
    eventually(lambda: engine("exec", "c", "test", "-e", "/data/in").code == 0)
    if not running:
        engine.ok("kill", "c")
    data = engine.ok("export", "c", text=False)
    tar = opened(data)
    names = tar.getnames()
    assert names == sorted(names, key=lambda n: n.split("/")) and "etc/passwd" not in names
    assert tar.extractfile("new").read() == b"new\n" or tar.getmember("new").islnk()
    assert tar.getmember("link").linkname == "/new"
    assert tar.getmember("hard").linkname == "new" or tar.getmember("new").linkname == "hard"
    assert "m" in names and "m/host" not in names and "data/in" not in names and "proc/1" not in names
    assert not [n for n in names if n.startswith("/") or ".." in n.split("/")]
    engine.ok("export", "-o", f"{scratch}/x.tar", "c")
    assert open(f"{scratch}/x.tar", "rb").read() == data
    done = subprocess.run(["docker", "export", "c"], env=engine.environment(), capture_output=True, timeout=60)
    assert done.stdout == data
    engine.ok("import", f"{scratch}/x.tar", "test/exported:1")
    assert engine.ok("run", "--rm", "test/exported:1", "cat", "/hard") == "new"
    engine.ok("rmi", "test/exported:1")
    engine.fails("export", "none", code=1, match="No such container")

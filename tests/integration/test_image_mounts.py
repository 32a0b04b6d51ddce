"""Mounts of type image: what an image has, read-only, within a container of another one."""
import json
import os
import re

import pytest

from conftest import IMAGE, make_engine
from harness import archives
from harness.archives import Tar

DATA = "test/data:1"


def data_layers():
    """Two layers: the upper one hides a file and a directory of the lower one."""
    lower = Tar().dir("dir").add("dir/file", b"content\n", mode=0o640, uid=1000).dir("dir/sub").add("dir/sub/deep", b"deep\n").add("gone", b"x").dir("old")
    lower.add("old/hidden", b"x").add("plain", b"plain\n")
    lower.link("up", "../../../../etc").link("absolute", "/dir").link("out", "/../../../../proc/self/root/etc").link("loop", "loop").link("passwd", "/etc/passwd")
    upper = Tar().add(".wh.gone").add("old/.wh..wh..opq").add("new", b"new\n").add("suid", b"x", mode=0o4755)
    return [lower.bytes(), upper.bytes()]


def load(engine, tag, layers):
    engine.load(archives.docker_archive(layers, [tag], archives.config_of(layers, Cmd=["x"])))


@pytest.fixture
def data(engine):
    load(engine, DATA, data_layers())
    yield DATA
    engine.remove_all()
    for image in engine.api("GET", "/images/json").json:
        if f"{IMAGE}:latest" not in image["RepoTags"]:
            engine.ok("rmi", "-f", image["Id"])


@pytest.fixture
def own():
    """An engine that a test may restart, with the image."""
    engine = make_engine()
    load(engine, DATA, data_layers())
    yield engine
    problem = engine.destroy()
    assert not problem, problem


def layer_keys(engine):
    """Layers of containers and views that the driver has."""
    return len(os.listdir(f"{engine.root}/drivers/overlayfs/active"))


def mount_line(engine, name, path):
    with open(f"/proc/{engine.init_pid(name)}/mountinfo") as f:
        return next(line.split() for line in f if line.split()[4] == path)


def host_mounts():
    """Overlays that the host sees: others may come and go on it."""
    with open("/proc/1/mountinfo") as f:
        return sorted(line for line in f if " - overlay " in line)


def create(engine, mount, **host):
    return engine.api("POST", "/containers/create", {"Image": IMAGE, "Cmd": ["sleep", "1000"], "HostConfig": {"Mounts": [{"Type": "image", "Target": "/x", **mount}], **host}})


# --- what is seen ---
def test_the_files_of_the_image_are_seen_as_its_layers_have_them(engine, data):
    engine.ok("run", "-d", "--name", "c", "--mount", f"type=image,source={data},target=/x", IMAGE, "sleep", "1000")
    assert sorted(engine.ok("exec", "c", "ls", "/x").split()) == ["absolute", "dir", "loop", "new", "old", "out", "passwd", "plain", "suid", "up"]
    assert engine.ok("exec", "c", "ls", "-A", "/x/old") == ""
    assert engine.ok("exec", "c", "cat", "/x/dir/file", "/x/new", "/x/dir/sub/deep") == "content\nnew\ndeep"
    assert engine.ok("exec", "c", "stat", "-c", "%u %a", "/x/dir/file").strip() == "1000 640"
    # Read-only in the kernel, and no devices of an image.
    line = mount_line(engine, "c", "/x")
    assert {"ro", "nodev"} <= set(line[5].split(",")) and line[line.index("-") + 1] == "overlay"
    engine.fails("exec", "c", "touch", "/x/new", match="Read-only file system")
    engine.fails("exec", "c", "mount", "-o", "remount,rw", "/x")
    engine.fails("exec", "c", "rm", "/x/dir/file", match="Read-only file system")


def test_the_host_sees_no_mount(engine, data):
    here = host_mounts()
    engine.ok("run", "-d", "--name", "c", "--mount", f"type=image,source={data},target=/x,image-subpath=dir", IMAGE, "sleep", "1000")
    assert host_mounts() == here
    engine.ok("rm", "-f", "c")
    assert host_mounts() == here


@pytest.mark.parametrize("path,there", [("dir", ["file", "sub"]), ("dir/sub", ["deep"]), ("./dir//sub/", ["deep"]), ("dir/../dir/sub", ["deep"]), ("absolute/sub", ["deep"]),
                                        ("old", [])])
def test_a_part_of_the_image(engine, data, path, there):
    engine.ok("run", "-d", "--name", "c", "--mount", f"type=image,source={data},target=/x,image-subpath={path}", IMAGE, "sleep", "1000")
    assert sorted(engine.ok("exec", "c", "ls", "/x").split()) == there
    line = mount_line(engine, "c", "/x")
    assert {"ro", "nodev"} <= set(line[5].split(",")) and line[3].strip("/") in ("dir", "dir/sub", "old")
    # What lies beside it cannot be come by.
    assert engine.ok("exec", "c", "ls", "/x/../").split() == engine.ok("exec", "c", "ls", "/").split()
    engine.fails("exec", "c", "touch", "/x/y", match="Read-only file system")


def test_a_file_of_the_image(engine, data):
    engine.ok("run", "-d", "--name", "c", "--mount", f"type=image,source={data},target=/etc/one,image-subpath=dir/file", IMAGE, "sleep", "1000")
    assert engine.ok("exec", "c", "cat", "/etc/one") == "content"
    engine.fails("exec", "c", "sh", "-c", "echo x > /etc/one", match="Read-only file system")


@pytest.mark.parametrize("layers", [1, 2], ids=["one-layer", "two-layers"])
@pytest.mark.parametrize("subpath", ["", ",image-subpath=dir"], ids=["whole", "part"])
def test_images_of_one_layer_and_of_several(engine, data, layers, subpath):
    load(engine, "test/few:1", data_layers()[:layers])
    engine.ok("run", "-d", "--name", "c", "--mount", f"type=image,source=test/few:1,target=/x{subpath}", IMAGE, "sleep", "1000")
    assert engine.ok("exec", "c", "cat", "/x/file" if subpath else "/x/dir/file") == "content"
    engine.fails("exec", "c", "touch", "/x/y", match="Read-only file system")
    assert {"ro", "nodev"} <= set(mount_line(engine, "c", "/x")[5].split(","))


def test_several_and_the_containers_own_image(engine, data):
    out = engine.ok("run", "--rm", "--mount", f"type=image,source={data},target=/a", "--mount", f"type=image,src={data},dst=/b,image-subpath=dir",
                    "--mount", f"type=image,source={IMAGE},target=/own", IMAGE, "sh", "-c", "cat /a/new /b/file; ls /own/bin/busybox; cmp /bin/busybox /own/bin/busybox && echo same")
    assert out.split() == ["new", "content", "/own/bin/busybox", "same"]


def test_copied_from_it_and_exported_with_it(engine, data, tmp_path):
    engine.ok("create", "--name", "c", "--mount", f"type=image,source={data},target=/x,image-subpath=dir", IMAGE, "sleep", "1000")
    for _ in range(2):
        engine.ok("cp", "c:/x/sub/deep", str(tmp_path))
        assert (tmp_path / "deep").read_text() == "deep\n"
        engine.fails("cp", str(tmp_path / "deep"), "c:/x/more", match="read-only")
        engine.ok("start", "c")
    assert "/x/" not in engine.ok("diff", "c")


def test_volumes_from_has_it_too(engine, data):
    engine.ok("create", "--name", "c", "--mount", f"type=image,source={data},target=/x", IMAGE, "true")
    engine.ok("run", "-d", "--name", "d", "--volumes-from", "c", IMAGE, "sleep", "1000")
    engine.ok("rm", "c")
    assert engine.ok("exec", "d", "cat", "/x/new") == "new"
    engine.fails("run", "--volumes-from", "d:rw", IMAGE, match="/x is a mount of an image")


# --- what is told ---
def test_it_is_told_of(engine, data):
    engine.ok("create", "--name", "c", "--mount", f"type=image,source={data},target=/x,image-subpath=dir/sub", IMAGE, "true")
    told = engine.inspect("c")
    number = engine.api("GET", f"/images/{data}/json").json["Id"]
    assert told["Mounts"] == [{"Type": "image", "Name": data, "Source": number, "Destination": "/x", "Mode": "", "RW": False, "Propagation": ""}]
    assert told["HostConfig"]["Mounts"] == [{"Type": "image", "Source": data, "Target": "/x", "ImageOptions": {"Subpath": "dir/sub"}}]
    assert engine.api("GET", "/containers/json?all=1").json[0]["Mounts"] == told["Mounts"]


# --- how long it is in use ---
def test_the_image_is_in_use_as_long_as_the_container_is_there(own):
    own.ok("create", "--name", "c", "--mount", f"type=image,source={DATA},target=/x", IMAGE, "sleep", "1000")
    short = own.inspect("c")["Id"][:12]
    own.fails("rmi", DATA, match=f"container {short} is using its referenced image")
    own.ok("image", "prune", "-a", "-f")
    assert own.api("GET", f"/images/{DATA}/json").status == 200
    own.ok("start", "c")
    number = own.api("GET", f"/images/{DATA}/json").json["Id"]
    own.fails("rmi", "-f", number, match="cannot be forced")
    # Its name may be taken off; what the container has stays, over a restart of the engine and its own.
    own.ok("rmi", "-f", DATA)
    own.restart()
    own.ok("image", "prune", "-f")
    assert own.ok("exec", "c", "cat", "/x/new") == "new"
    own.ok("restart", "-t", "0", "c")
    assert own.ok("exec", "c", "cat", "/x/new") == "new"
    own.ok("rm", "-f", "c")
    own.ok("image", "prune", "-f")
    assert own.api("GET", f"/images/{number}/json").status == 404


def test_a_name_that_goes_to_another_image_changes_nothing(engine, data):
    engine.ok("create", "--name", "c", "--mount", f"type=image,source={data},target=/x", IMAGE, "cat", "/x/new")
    load(engine, data, [Tar().add("new", b"another\n").bytes()])
    assert engine.ok("start", "-a", "c") == "new"
    assert engine.ok("run", "--rm", "--mount", f"type=image,source={data},target=/x", IMAGE, "cat", "/x/new") == "another"


def test_nothing_is_left_behind(engine, data):
    before = layer_keys(engine)
    engine.ok("run", "--name", "c", "--mount", f"type=image,source={data},target=/x", "--mount", f"type=image,source={data},target=/y", IMAGE, "true")
    engine.ok("rm", "c")
    engine.ok("run", "--rm", "--mount", f"type=image,source={data},target=/x", IMAGE, "true")
    assert layer_keys(engine) == before


@pytest.mark.parametrize("point", ["container.create.after_view", "container.create.before_commit", "container.remove.after_layer"])
def test_a_crash_leaves_nothing(fresh, point):
    own = fresh(preset="dev")
    load(own, DATA, data_layers())
    before = layer_keys(own)
    own.restart(env={"GANTRY_FAILPOINT": f"{point}=kill"})
    answer = None
    try:
        answer = create(own, {"Source": DATA})
        if point.startswith("container.remove"):
            own.api("DELETE", f"/containers/{answer.json['Id']}")
    except (OSError, ValueError, AttributeError):
        pass
    own.process.wait(20)
    own.restart()
    assert own.ok("ps", "-aq") == ""
    assert layer_keys(own) == before
    own.ok("rmi", DATA)


# --- what is refused ---
@pytest.mark.parametrize("mount,words", [
    ({"Source": ""}, "field Source must not be empty"), ({"Source": "test/none:1"}, "No such image: test/none:1"), ({"Source": "BAD"}, "repository name must be lowercase"),
    ({"Source": DATA, "ImageOptions": {"Subpath": "../x"}}, "subpath must be a relative path within the image"),
    ({"Source": DATA, "ImageOptions": {"Subpath": "/dir"}}, "subpath must be a relative path within the image"),
    ({"Source": DATA, "ImageOptions": {"Subpath": "dir/../../x"}}, "subpath must be a relative path within the image"),
    ({"Source": DATA, "ImageOptions": {"Subpath": 5}}, ""), ({"Source": DATA, "BindOptions": {"Propagation": "shared"}}, "field BindOptions must not be specified"),
    ({"Source": DATA, "VolumeOptions": {"NoCopy": True}}, "field VolumeOptions must not be specified"), ({"Source": DATA, "Target": "/proc/x"}, "is inside"),
    ({"Source": DATA, "Target": "relative"}, "must be absolute")],
    ids=["empty", "none", "name", "climbs", "absolute", "climbs-later", "number", "bind", "volume", "proc", "relative"])
def test_what_cannot_be_is_refused_in_one_line(engine, data, mount, words):
    answer = create(engine, mount)
    assert answer.status == 400 and words in answer.message and "\n" not in answer.message, answer
    assert engine.ok("ps", "-aq") == ""


def test_an_image_without_files_is_refused(engine, data):
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    engine.load(archives.docker_archive([], ["test/empty:1"], config))
    answer = create(engine, {"Source": "test/empty:1"})
    assert answer.status == 400 and "has no files to mount" in answer.message, answer


# What a hostile image's links say is its own: nothing outside of it is ever meant.
@pytest.mark.parametrize("path,words", [("none", "No such file or directory"), ("up", "No such file or directory"), ("out", "No such file or directory"),
                                        ("loop", "Too many levels of symbolic links"), ("passwd", "No such file or directory"), ("plain/x", "Not a directory")])
def test_a_part_that_is_not_there_is_told_of_at_the_start(engine, data, path, words):
    done = engine("run", "--rm", "--mount", f"type=image,source={data},target=/x,image-subpath={path}", IMAGE, "ls", "/x")
    assert done.code != 0 and re.search(f'subpath of image "{re.escape(data)}".*{words}', done.err) and "root" not in done.out, done
    assert engine.ok("ps", "-aq") == ""


def test_the_ways_of_the_client(engine, data):
    engine.fails("run", "--mount", f"type=image,target=/x", IMAGE, match="ource")
    engine.fails("run", "--mount", f"type=bind,source=/tmp,target=/x,image-subpath=dir", IMAGE, match="image-subpath|image-\\*")
    assert engine.ok("run", "--rm", "--mount", f"type=image,source={data},target=/x,readonly", IMAGE, "cat", "/x/new") == "new"
    # A mount's image that is not here is not the container's: that one is not pulled.
    done = engine("run", "--mount", "type=image,source=test/none:1,target=/x", IMAGE)
    assert done.code == 125 and "No such image: test/none:1" in done.err and "Pulling" not in done.err, done

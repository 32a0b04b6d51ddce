"""Volumes and mounts: named, anonymous, bind, tmpfs; read-only; copied up from the image; who uses what."""
import json
import os

import pytest

from conftest import IMAGE
from harness import archives


def test_a_named_volume_outlives_its_containers(engine):
    engine.ok("run", "--rm", "-v", "v:/mnt", IMAGE, "sh", "-c", "echo kept > /mnt/f")
    assert engine.ok("run", "--rm", "--mount", "type=volume,source=v,target=/mnt", IMAGE, "cat", "/mnt/f") == "kept"


def test_create_ls_inspect_rm(engine):
    assert engine.ok("volume", "create", "--label", "a=b", "v") == "v"
    assert engine.ok("volume", "create", "v") == "v"
    assert engine.ok("volume", "ls").splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    volume = json.loads(engine.ok("volume", "inspect", "v"))[0]
    assert volume["Name"] == "v" and volume["Labels"] == {"a": "b"} and os.path.isdir(volume["Mountpoint"])
    assert engine.ok("volume", "rm", "v") == "v"
    assert not os.path.exists(volume["Mountpoint"])
    engine.fails("volume", "rm", "v", match="v")
    engine.fails("volume", "inspect", "v", match="v")


@pytest.mark.parametrize("name", ["a/b", "../x", "-x", "ä", "x" * 300])
def test_bad_volume_names(engine, name):
    engine.fails("volume", "create", f"--name={name}" if name.startswith("-") else name)
    assert engine.ok("volume", "ls", "-q") == ""


def test_bad_options_and_drivers(engine):
    engine.fails("volume", "create", "-o", "no-such=1", "v", match="no-such")
    engine.fails("volume", "create", "-d", "no-such", "v", match="no-such")
    engine.fails("run", "--rm", "--mount", "type=volume,source=v,target=/x,volume-driver=no-such", IMAGE, "true", match="no-such")
    assert engine.ok("volume", "ls", "-q") == ""


def test_a_used_volume_stays(engine):
    engine.ok("create", "--name", "c", "-v", "v:/mnt", IMAGE)
    engine.fails("volume", "rm", "v", match="in use")
    engine.ok("rm", "c")
    engine.ok("volume", "rm", "v")


def test_anonymous_volumes(engine):
    engine.ok("run", "--name", "c", "-v", "/mnt", IMAGE, "sh", "-c", "echo x > /mnt/f")
    names = engine.ok("volume", "ls", "-q").split()
    assert len(names) == 1 and len(names[0]) == 64
    engine.ok("rm", "c")
    assert engine.ok("volume", "ls", "-q").split() == names
    engine.ok("run", "--name", "d", "-v", "/mnt", IMAGE, "true")
    engine.ok("rm", "-v", "d")
    engine.ok("run", "--rm", "-v", "/mnt", IMAGE, "true")
    assert engine.ok("volume", "ls", "-q").split() == names


def test_content_of_the_image_is_copied_up(engine):
    out = engine.ok("run", "--rm", "-v", "v:/data", IMAGE, "sh", "-c", "cat /data/seed; stat -c '%a %u' /data/seed; echo new > /data/seed")
    assert out == "from the image\n640 1000"
    assert engine.ok("run", "--rm", "-v", "v:/data", IMAGE, "cat", "/data/seed") == "new"
    assert engine.ok("run", "--rm", "-v", "w:/data:nocopy", IMAGE, "ls", "/data") == ""


def test_volumes_of_the_image(engine):
    engine.load(archives.make_busybox_image("test/volumes:latest", Volumes={"/data": {}}))
    assert engine.ok("run", "--rm", "test/volumes", "sh", "-c", "grep -c ' /data ' /proc/mounts; cat /data/seed") == "1\nfrom the image"
    assert engine.ok("volume", "ls", "-q") == ""
    engine.ok("rmi", "test/volumes")


def test_bind_mount(engine, scratch):
    with open(os.path.join(scratch, "f"), "w") as f:
        f.write("host\n")
    out = engine.ok("run", "--rm", "-v", f"{scratch}:/mnt", IMAGE, "sh", "-c", "cat /mnt/f; echo back > /mnt/g")
    assert out == "host"
    with open(os.path.join(scratch, "g")) as f:
        assert f.read() == "back\n"


def test_bind_mount_of_a_file(engine, scratch):
    path = os.path.join(scratch, "f")
    with open(path, "w") as f:
        f.write("host\n")
    assert engine.ok("run", "--rm", "-v", f"{path}:/etc/made/by/us:ro", IMAGE, "cat", "/etc/made/by/us") == "host"


def test_read_only_mounts(engine, scratch):
    os.mkdir(os.path.join(scratch, "d"))
    for mount in (("-v", f"{scratch}:/mnt:ro"), ("--mount", f"type=bind,src={scratch},dst=/mnt,readonly"), ("-v", "v:/mnt:ro")):
        engine.fails("run", "--rm", *mount, IMAGE, "sh", "-c", "echo x > /mnt/x", code=1, match="read-only")


def test_missing_sources(engine, scratch):
    path = os.path.join(scratch, "missing")
    engine.ok("run", "--rm", "-v", f"{path}:/mnt", IMAGE, "true")
    assert os.path.isdir(path)
    other = os.path.join(scratch, "other")
    engine.fails("run", "--rm", "--mount", f"type=bind,src={other},dst=/mnt", IMAGE, "true", code=125, match="other")
    assert not os.path.exists(other)


def test_tmpfs(engine):
    out = engine.ok("run", "--rm", "--tmpfs", "/t:size=1m,mode=700", "--mount", "type=tmpfs,dst=/u,tmpfs-size=2m", IMAGE,
                    "sh", "-c", "stat -c %a /t; df -k /t /u | awk 'NR>1{print $2}'; grep ' /t ' /proc/mounts")
    lines = out.splitlines()
    assert lines[:3] == ["700", "1024", "2048"] and "nosuid" in lines[3] and "nodev" in lines[3]


def test_shared_memory_size(engine):
    assert engine.ok("run", "--rm", IMAGE, "sh", "-c", "df -k /dev/shm | awk 'NR>1{print $2}'") == "65536"
    assert engine.ok("run", "--rm", "--shm-size", "8m", IMAGE, "sh", "-c", "df -k /dev/shm | awk 'NR>1{print $2}'") == "8192"


def test_volumes_from_another_container(engine):
    engine.ok("run", "--name", "a", "-v", "v:/mnt", IMAGE, "sh", "-c", "echo shared > /mnt/f")
    assert engine.ok("run", "--rm", "--volumes-from", "a", IMAGE, "cat", "/mnt/f") == "shared"
    engine.fails("run", "--rm", "--volumes-from", "a:ro", IMAGE, "sh", "-c", "echo x > /mnt/f", match="read-only")
    engine.fails("run", "--rm", "--volumes-from", "nobody", IMAGE, "true", match="nobody")


@pytest.mark.parametrize("bad", ["relative/path:/x:bogus", ":/x", "/x:relative", "v:/", "/a:/b:/c:/d", "v:/x:rw,ro"])
def test_bad_mounts(engine, bad):
    engine.fails("run", "--rm", "-v", bad, IMAGE, "true", code=125)


@pytest.mark.parametrize("bad", ["type=nosuch,dst=/x", "type=bind,dst=/x", "type=volume", "type=tmpfs,dst=/x,nosuch=1", "nonsense",
                                 "type=bind,src=relative,dst=/x"])
def test_bad_mount_options(engine, bad):
    engine.fails("run", "--rm", "--mount", bad, IMAGE, "true", code=125)


def test_mounts_inside_each_other(engine, scratch):
    out = engine.ok("run", "--rm", "-v", "v:/m/inner", "-v", f"{scratch}:/m", IMAGE, "sh", "-c", "echo x > /m/inner/f; ls /m")
    assert out == "inner" and os.listdir(os.path.join(scratch, "inner")) == []


def test_inspect_shows_mounts(engine, scratch):
    engine.ok("create", "--name", "c", "-v", "v:/a", "-v", f"{scratch}:/b:ro", IMAGE)
    mounts = {m["Destination"]: m for m in engine.inspect("c")["Mounts"]}
    assert (mounts["/a"]["Type"], mounts["/a"]["Name"], mounts["/a"]["RW"]) == ("volume", "v", True)
    assert (mounts["/b"]["Type"], mounts["/b"]["Source"], mounts["/b"]["RW"]) == ("bind", scratch, False)

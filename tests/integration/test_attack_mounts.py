"""Where volumes, temporary file systems and the engine's own files go in a container whose image or volume has links there, and
what names and options cannot do (S40 to S42, S44, S45, S56)."""
import io
import json
import os
import subprocess
import tarfile
import time

import pytest

from conftest import IMAGE
from harness import archives, canary
from harness.archives import Tar, config_of, docker_archive
from harness.build_session import build
from test_images import store  # noqa: F401  (the fixture: files are as before)

TAG = "test/evil:1"


@pytest.fixture
def bait(scratch):
    return canary.make(scratch)


def load(engine, tar, tag=TAG, **settings):
    layers = archives.busybox_layers() + [tar.bytes()]
    engine.load(docker_archive(layers, [tag], config_of(layers, **{"Env": ["PATH=/bin"], "Cmd": ["true"], **settings})))


def test_copy_up_takes_nothing_of_the_host(store, bait):  # noqa: F811
    """CVE-2022-23648: an image's volumes are links to the host, at the place itself or on the way."""
    before = canary.state(bait)
    load(store, Tar().link("l", bait).link("up", "../" * 12 + bait[1:]).dir("real").link("real/below", bait).link("proc-root", "/proc/1/root" + bait))
    for place in ("/l", "/l/dir", "/up", "/real", "/real/below", "/proc-root", "/../../.." + bait):
        done = store("run", "--rm", "-v", f"vol:{place}", TAG, "sh", "-c", f"cat {place}/* {place}/*/*; echo x > {place}/pwned; true")
        assert "untouched" not in done.out, (place, done)
        assert canary.state(bait) == before, place
        volume = store.api("GET", "/volumes/vol")
        if volume.status == 200:
            for directory, _, names in os.walk(volume.json["Mountpoint"]):
                for name in names:
                    path = os.path.join(directory, name)
                    assert os.path.islink(path) or b"untouched" not in open(path, "rb").read()
            store.ok("volume", "rm", "vol")


def test_a_volume_that_is_not_empty_stays_as_it_is(store, bait):  # noqa: F811
    """CVE-2020-1726: nothing is copied up into it, nor through the links in it."""
    before = canary.state(bait)
    load(store, Tar().add("data/seed", b"from the second image").add("data/l/file", b"through a link").add("data/d/f", b"x"))
    store.ok("run", "--rm", "-v", "vol:/data", IMAGE, "sh", "-c", f"rm -rf /data/*; ln -s {bait} /data/l; echo mine > /data/seed")
    store.ok("run", "--rm", "-v", "vol:/data", TAG, "true")
    assert store.ok("run", "--rm", "-v", "vol:/data", IMAGE, "sh", "-c", "cat /data/seed; ls -A /data").split() == ["mine", "l", "seed"]
    # A hidden file, a link and an empty directory are something, too.
    for thing in ("touch /data/.hidden", "ln -s nowhere /data/l", "mkdir /data/d"):
        store.ok("run", "--rm", "-v", "vol:/data", IMAGE, "sh", "-c", f"rm -rf /data/* /data/.hidden; {thing}")
        names = store.ok("run", "--rm", "-v", "vol:/data", TAG, "ls", "-A", "/data").split()
        assert len(names) == 1, (thing, names)
    store.ok("volume", "rm", "vol")
    assert canary.state(bait) == before


FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/hostname")
NOWHERE, LOOP = (127, 'mount on "/etc/resolv.conf": open "/etc/resolv.conf" in the container: No such file or directory'), (125, "in the container: Too many levels of symbolic links")
# What is said where the container does not start: a link leads nowhere in it, or what is there can have no file mounted on it.
DOES_NOT_START = {"link to the host": NOWHERE, "link that climbs": NOWHERE, "dangling link": NOWHERE, "link to proc": LOOP, "link to the root by proc": LOOP, "link to a host's file by proc": LOOP,
                  "link to itself": LOOP, "directory": (126, "one is a directory and the other is not"), "etc is a link to the host": (127, 'open "/etc" in the container: No such file or directory'),
                  "etc is a file": (125, 'open "/etc/passwd": Not a directory')}


@pytest.mark.parametrize("what", ["link to the host", "link that climbs", "dangling link", "link to proc", "link to the root by proc", "link to a host's file by proc", "link to itself", "FIFO", "directory", "device",
                                  "etc is a link to the root", "etc is a link to the host", "etc is a file"])
def test_files_of_the_engines_own_in_a_hostile_image(store, bait, what):  # noqa: F811
    """What the engine puts at /etc/hosts, /etc/resolv.conf and /etc/hostname stays in the container, or it does not start (S41)."""
    before = canary.state(bait)
    host = {f: open(f, "rb").read() for f in FILES if os.path.exists(f)}
    tar = Tar()
    if what.startswith("etc is"):
        tar.add(".wh.etc")
        tar.add("etc", b"a file") if what.endswith("a file") else tar.link("etc", "/" if what.endswith("root") else bait)
    else:
        targets = {"link to the host": f"{bait}/file", "link that climbs": "../" * 12 + bait[1:] + "/file", "dangling link": f"{bait}/new", "link to proc": "/proc/self/fd/0", "link to the root by proc": "/proc/1/root",
                   "link to a host's file by proc": f"/proc/1/root{bait}/file"}
        for name in FILES:
            if what in targets:
                tar.link(name[1:], targets[what])
            elif what == "link to itself":
                tar.link(name[1:], os.path.basename(name))
            elif what == "directory":
                tar.dir(name[1:])
            else:
                tar.add(name[1:], kind=tarfile.FIFOTYPE if what == "FIFO" else tarfile.CHRTYPE, device=(1, 3))
    load(store, tar)
    done = store("run", "--rm", "--name", "c", "--hostname", "given", TAG, "sh", "-c", "for f in /etc/hosts /etc/resolv.conf /etc/hostname; do [ -f $f ] && cat $f; echo x >> $f; done; true", timeout=30)
    assert "untouched" not in done.out + done.err
    if what in DOES_NOT_START:
        code, why = DOES_NOT_START[what]
        assert done.code == code and done.err.strip().count("\n") == 0 and why in done.err, done
    else:
        assert done.code == 0 and "given" in done.out, done
    assert store.api("GET", "/containers/c/json").status == 404
    assert canary.state(bait) == before
    assert host == {f: open(f, "rb").read() for f in host}
    assert store("run", "--rm", IMAGE, "true").code == 0


def test_mounts_on_links_of_the_image(store, bait, scratch):  # noqa: F811
    """CVE-2025-9566: tmpfs, bind and volume targets that are links, climb, or lie below links (S42)."""
    os.mkdir(f"{scratch}/own")
    before = canary.state(bait)
    load(store, Tar().link("l", bait).link("f", f"{bait}/file").link("up", "../" * 12 + bait[1:]).link("fd", "/proc/self/fd"))
    for target in ("/l", "/l/new", "/l/dir", "/f", "/up/new", "/../../.." + bait, "/fd/3", "/l/../../x"):
        for mount in (["--tmpfs", target], ["--mount", f"type=tmpfs,target={target}"], ["-v", f"{scratch}/own:{target}"], ["-v", f"vol:{target}"], ["-v", f"{scratch}/own/file:{target}"]):
            done = store("run", "--rm", *mount, TAG, "sh", "-c", f"touch {target}/pwned; chmod 777 {target}; true", timeout=30)
            assert canary.state(bait) == before, (target, mount, done)
            store("volume", "rm", "-f", "vol")
    assert not os.path.exists("/pwned") and not os.path.exists("/x")


@pytest.mark.parametrize("subpath", ["l", "l/dir", "l/file", "up", "../..", "a/../../..", "a/..", "a/l", "proc", "f", "fifo", "none", "a/none", "\0", "x" * 5000, "/a", "a", "file"])
def test_a_part_of_a_volume_is_within_it(store, bait, subpath):  # noqa: F811
    """CVE-2021-25741, CVE-2017-1002101: links in the volume on the way to its part (S44)."""
    before = canary.state(bait)
    store.ok("run", "--rm", "-v", "vol:/v", IMAGE, "sh", "-c", f"mkdir -p /v/a; echo own > /v/a/file; echo own > /v/file; ln -s {bait} /v/l; ln -s {'../' * 12}{bait[1:]} /v/up; ln -s {bait} /v/a/l; "
             f"ln -s /proc/self/root{bait} /v/proc; ln -s {bait}/file /v/f; mkfifo /v/fifo")
    body = {"Image": IMAGE, "Cmd": ["sh", "-c", "ls -p /m; [ -f /m ] && cat /m; [ -f /m/file ] && cat /m/file; [ -d /m ] && echo x > /m/pwned; true"],
            "HostConfig": {"Mounts": [{"Type": "volume", "Source": "vol", "Target": "/m", "VolumeOptions": {"Subpath": subpath}}]}}
    made = store.api("POST", "/containers/create?name=c", body)
    assert made.status in (201, 400), made
    if made.status == 201:
        started = store.api("POST", "/containers/c/start")
        if started.status == 204:
            store.wait_exited("c")
            out = store.ok("logs", "c")
            assert "untouched" not in out and "setuid" not in out, out
            assert ("own" in out) == (subpath != "fifo"), out
        else:
            impossible = subpath in ("proc", "\0") or len(subpath) > 4096
            assert started.status == (400 if impossible else 404) and "\n" not in started.message and "subpath of volume" in started.message, started
        # What is in the volume, and a link that leads nowhere in it.
        assert (started.status == 204) == (subpath in ("a", "a/..", "file", "fifo")), started
    assert (made.status == 400) == (subpath in ("/a", "../..", "a/../../..")), made
    assert canary.state(bait) == before
    store("rm", "-f", "c")
    store.ok("volume", "rm", "vol")


@pytest.mark.parametrize("options, status", [
    ({"type": "none", "o": "bind", "device": "relative"}, 400), ({"type": "overlay", "o": "lowerdir=/,upperdir=/tmp,workdir=/tmp", "device": "overlay"}, 501),
    ({"type": "tmpfs", "o": "size=1m,lowerdir=/", "device": "x"}, 501), ({"type": "tmpfs", "o": "size=1m\nro", "device": "x"}, 201),
    ({"type": "ext4", "device": "/dev/sda"}, 501), ({"type": "proc", "device": "proc"}, 501), ({"type": "none", "o": "bind,upperdir=/", "device": "/etc"}, 501),
    ({"o": "exec"}, 501), ({"type": "tmpfs", "o": "mode=0777:uid=0", "device": "x"}, 201), ({"type": "none", "o": "move", "device": "/"}, 501),
    ({"type": "none", "o": "rshared,bind", "device": "/"}, 501), ({"device": "/etc"}, 501), ({"type": "../x"}, 501)])
def test_options_of_volumes_smuggle_nothing(store, options, status):  # noqa: F811
    """Each is refused in one line (S45): when the volume is made, or, where only the file system knows the value, when it is mounted."""
    assert store.api("POST", "/volumes/create", {"Name": "vol", "DriverOpts": options}).status == status
    if status == 201:
        used = store.fails("run", "--rm", "-v", "vol:/m", IMAGE, "true", code=125, match="Bad value for")
        assert used.err.strip().count("\n") == 0, used
    store("volume", "rm", "-f", "vol")
    assert store.ok("volume", "ls", "-q") == ""


ODD = {"separators of overlay": "lowerdir=a:b,upperdir=c,workdir=d", "blanks, quotes and percent": "a b  =%n'\"#$;|*?", "escapes": "a\\b\\,c\\:d\\\\e\\134", "a blank at the end": "a ", "not ASCII": "\u00e9\u4e2d\U0001f600",
       "a word of mount tables": "a\\040b - tmpfs rw", "an option": "--root=x", "braces": "${HOME}`id`"}


@pytest.mark.parametrize("driver", ["overlayfs", "copy"])
@pytest.mark.parametrize("odd", ODD)
def test_a_data_root_with_the_separators_of_mounts(fresh, odd, driver):
    """Overlay's options and mount tables have separators and escapes of their own; a data root may be named by them (S45)."""
    engine = fresh(start=False, config={"default": {"layer": driver}})
    # Where escapes are taken away from the name, it is this one's that is found.
    decoy = os.path.join(engine.base, ODD[odd].replace("\\", ""))
    engine.root = os.path.join(engine.base, ODD[odd])
    engine.start()
    engine.load(archives.make_busybox_image(IMAGE + ":latest"))
    engine.ok("run", "--name", "c", "-v", "vol:/v", "-v", "vol2:/w", IMAGE, "sh", "-c", "echo x > /new; echo y > /v/f; grep -c ' / ' /proc/mounts")
    assert engine.ok("logs", "c") == "1"
    assert sorted(engine.ok("diff", "c").splitlines()) == ["A /new", "A /v", "A /w"]
    assert engine.api("GET", "/volumes/vol").json["Mountpoint"].startswith(engine.root + "/") and engine.api("GET", "/info").json["DockerRootDir"] == engine.root
    engine.ok("cp", "c:/new", os.path.join(engine.base, "out"))
    engine.ok("commit", "c", "test/odd:1")
    assert engine.ok("run", "--rm", "-v", "vol:/v", "test/odd:1", "cat", "/new", "/v/f") == "x\ny"
    built = build(engine, f"FROM {IMAGE}\nRUN --mount=type=cache,target=/c echo built > /b; echo x > /c/x\nRUN cat /b\n", entries_of=list, context="/x")
    assert "built" in built.log(), built.end
    engine.restart()
    engine.ok("start", "-a", "c")
    engine.ok("rm", "-f", "-v", "c")
    assert decoy == engine.root or not os.path.exists(decoy)


@pytest.mark.parametrize("option", ["--root", "--run", "--socket"])
@pytest.mark.parametrize("path,why", [
    ("{base}/a\nb", "a path without control characters is needed"), ("{base}/a\tb", "a path without control characters is needed"), ("{base}/\x1b[2J", "a path without control characters is needed"),
    ("{base}/\x7f", "a path without control characters is needed"), (b"{base}/a\xffb", "a path in UTF-8 is needed"), ("a/b", "an absolute path is needed"), ("../a", "an absolute path is needed")])
def test_a_directory_of_the_engine_that_cannot_be(fresh, option, path, why):
    """Refused before anything is made, in one line (S45)."""
    engine = fresh(start=False)
    path = path.replace(b"{base}", engine.base.encode()) if isinstance(path, bytes) else path.replace("{base}", engine.base).encode()
    command = [w.encode() for w in engine.daemon_command()]
    command[command.index(option.encode()) + 1] = path
    there = sorted(os.listdir(engine.base.encode()))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=10, cwd=engine.base)
    assert done.returncode == 1 and done.stdout == b"", done
    text = done.stderr.decode()
    assert text.startswith(f"gantryd: {option} ") and text.endswith(f": {why}\n") and text.count("\n") == 1 and text[:-1].isprintable(), text
    assert sorted(os.listdir(engine.base.encode())) == there


def test_many_layers(store):  # noqa: F811
    """As many as an image may have; the mount's options have no room that they could overflow (S45)."""
    base = archives.busybox_layers()
    layers = base + [Tar().add(f"layers/{n}", b"%d\n" % n).bytes() for n in range(125)]
    store.load(docker_archive(layers, ["test/many:1"], config_of(layers, Env=["PATH=/bin"])))
    assert store.ok("run", "--rm", "test/many:1", "sh", "-c", "cat /layers/* | wc -l") == "125"


def test_an_import_that_takes_a_tag_is_told_of(store):  # noqa: F811
    """The image that had it stays, without a name (S56)."""
    tar = Tar().add("first", b"1").bytes()
    store.ok("import", "-", TAG, input=tar, text=False)
    first = store.api("GET", f"/images/{TAG}/json").json["Id"]
    store.ok("import", "-", TAG, input=Tar().add("second", b"2").bytes(), text=False)
    assert store.api("GET", f"/images/{TAG}/json").json["Id"] != first
    assert store.api("GET", f"/images/{first}/json").json["RepoTags"] == []
    events = store.api("GET", "/events?since=0&until=" + str(int(time.time()) + 1) + '&filters={"type":["image"]}').body.decode()
    assert events.count('"import"') >= 2
    # A name in the archive gives no other image's tag away: what is imported has the name that the user gave.
    layout = io.BytesIO(store.ok("save", TAG, text=False))
    names = json.loads(tarfile.open(fileobj=layout).extractfile("manifest.json").read())[0]["RepoTags"]
    assert names == [TAG]

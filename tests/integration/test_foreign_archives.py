"""Archives that other tools make: skopeo's docker-archive and oci-archive, umoci's OCI layout, tarred."""
import os
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(not (shutil.which("umoci") and shutil.which("skopeo") and shutil.which("busybox")),
                                reason="umoci, skopeo and busybox are needed to make the archives")


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """name -> path of an archive of one and the same image of two layers."""
    top = tmp_path_factory.mktemp("archives")

    def do(*args):
        subprocess.run(args, cwd=top, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.makedirs(top / "root/bin")
    os.makedirs(top / "root/etc")
    shutil.copy(shutil.which("busybox"), top / "root/bin/busybox")
    os.symlink("busybox", top / "root/bin/cat")
    (top / "root/etc/hello").write_text("hello\n")
    (top / "more").write_text("more\n")
    do("umoci", "init", "--layout", "layout")
    do("umoci", "new", "--image", "layout:first")
    do("umoci", "insert", "--image", "layout:first", "root", "/")
    do("umoci", "insert", "--image", "layout:first", "more", "/etc/more")
    do("umoci", "config", "--image", "layout:first", *(f"--config.cmd={word}" for word in ("/bin/cat", "/etc/hello", "/etc/more")))
    for form, more in (("docker-archive", ()), ("oci-archive", ()), ("oci-archive", ("--dest-compress", "--dest-compress-format", "zstd"))):
        name = form + ("-zstd" if more else "")
        do("skopeo", "copy", "--insecure-policy", *more, "oci:layout:first", f"{form}:{name}.tar:test/{name}:1")
    do("tar", "-C", "layout", "-cf", "layout.tar", ".")
    return top


@pytest.mark.parametrize("name", ["docker-archive", "oci-archive", "oci-archive-zstd", "layout"])
def test_load_and_run(engine, archives, name):
    out = engine.ok("load", "-i", archives / f"{name}.tar")
    loaded = re.search(r"Loaded image(?: ID)?: (\S+)", out).group(1)
    if name != "layout":
        assert loaded == f"test/{name}:1"
    assert engine.ok("run", "--rm", loaded) == "hello\nmore"
    engine.ok("rmi", "-f", loaded)

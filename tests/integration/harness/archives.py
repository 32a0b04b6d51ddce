"""Image archives made on the spot: a small busybox image, and any archive byte by byte."""
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))


class Tar:
    """Builds a tar in memory, entry by entry, also such entries as no tar program would write."""

    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, data=b"", mode=0o644, uid=0, gid=0, kind=tarfile.REGTYPE, link="", pax=None, device=(0, 0)):
        info = tarfile.TarInfo(name)
        info.mode, info.uid, info.gid, info.type, info.linkname, info.mtime = mode, uid, gid, kind, link, 1_700_000_000
        info.devmajor, info.devminor = device
        info.pax_headers = pax or {}
        if kind == tarfile.REGTYPE:
            info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
        return self

    def dir(self, name, mode=0o755, **more):
        return self.add(name, mode=mode, kind=tarfile.DIRTYPE, **more)

    def link(self, name, target, **more):
        return self.add(name, mode=0o777, kind=tarfile.SYMTYPE, link=target, **more)

    def hardlink(self, name, target, **more):
        return self.add(name, kind=tarfile.LNKTYPE, link=target, **more)

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def config_of(layers, **config):
    """An image configuration for uncompressed layers."""
    return json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2023-11-14T22:13:20Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(x) for x in layers]},
        "history": [{"created": "2023-11-14T22:13:20Z", "created_by": f"layer {n}"} for n, _ in enumerate(layers)],
    }).encode()


def docker_archive(layers, tags, config):
    """`config` as bytes (config_of) or a function of the layers."""
    tar = Tar()
    names = []
    for n, layer in enumerate(layers):
        names.append(f"{digest(layer)}{n}/layer.tar")
        tar.add(names[-1], layer)
    name = digest(config) + ".json"
    tar.add(name, config)
    tar.add("manifest.json", json.dumps([{"Config": name, "RepoTags": tags, "Layers": names}]).encode())
    return tar.bytes()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def oci_archive(layers, tag, config, compress=None, break_digest=False):
    """An OCI layout as a tar. compress: None, "gzip" or "zstd", for the layers."""
    suffix, pack = {None: ("", lambda x: x), "gzip": ("+gzip", lambda x: gzip.compress(x, 1)),
                    "zstd": ("+zstd", zstd)}[compress]
    blobs = []

    def blob(data, media_type, **more):
        blobs.append((digest(data), data))
        return {"mediaType": media_type, "digest": "sha256:" + digest(data), "size": len(data), **more}

    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(pack(x), "application/vnd.oci.image.layer.v1.tar" + suffix) for x in layers],
    }
    top = blob(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json",
               annotations={"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag})
    tar = Tar()
    tar.add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    tar.add("index.json", json.dumps({"schemaVersion": 2, "manifests": [top]}).encode())
    for name, data in blobs:
        if break_digest and data is blobs[1][1]:
            data = data[:-1] + bytes([data[-1] ^ 1])
        tar.add("blobs/sha256/" + name, data)
    return tar.bytes()


PASSWD = ("root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\n"
          "app:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n1234:x:0:0:digits:/:/bin/sh\n")
GROUP = "root:x:0:\ndaemon:x:1:\nextra:x:2000:app\napp:x:1000:\nnogroup:x:65534:\n"

_probe = None


def probe():
    """The static helper program of the tests (probe.c), compiled once."""
    global _probe
    if _probe is None:
        out = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"gantry-probe-{os.getpid()}")
        subprocess.run(["gcc", "-O1", "-static", "-o", out, os.path.join(HERE, "probe.c")], check=True)
        with open(out, "rb") as f:
            _probe = f.read()
        os.unlink(out)
    return _probe


def busybox_layers():
    busybox = shutil.which("busybox") or "/bin/busybox"
    applets = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    lower = Tar()
    for d in ("bin", "etc", "root", "home", "usr", "usr/bin", "var", "opq", "data", "proc", "sys", "dev"):
        lower.dir(d)
    lower.dir("tmp", 0o1777).dir("home/app", uid=1000, gid=1000)
    with open(busybox, "rb") as f:
        lower.add("bin/busybox", f.read(), 0o755)
    for applet in applets:
        if applet != "busybox":
            lower.link(f"bin/{applet}", "busybox")
    lower.add("etc/passwd", PASSWD.encode()).add("etc/group", GROUP.encode())
    lower.add("gone", b"removed by the second layer\n").add("opq/old", b"hidden by the second layer\n")
    lower.add("data/seed", b"from the image\n", uid=1000, gid=1000, mode=0o640)
    upper = Tar()
    upper.add(".wh.gone").add("opq/.wh..wh..opq").add("opq/new", b"new\n")
    upper.add("bin/probe", probe(), 0o755).add("bin/noexec", b"not a program\n", 0o644)
    upper.add("bin/badformat", b"\x00\x01\x02garbage", 0o755)
    upper.add("bin/trapped", b"#!/bin/sh\ntrap 'echo got TERM; exit 7' TERM\necho ready\nwhile :; do sleep 0.05; done\n", 0o755)
    return [lower.bytes(), upper.bytes()]


_busybox = {}


def make_busybox_image(tag="test/busybox:latest", **config):
    """A docker-archive of the tests' own image."""
    key = (tag, json.dumps(config, sort_keys=True))
    if key not in _busybox:
        if "layers" not in _busybox:
            _busybox["layers"] = busybox_layers()
        layers = _busybox["layers"]
        settings = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "FROM_IMAGE=yes"],
                    "Cmd": ["sh"], **config}
        _busybox[key] = docker_archive(layers, [tag], config_of(layers, **settings))
    return _busybox[key]

"""The image that loading is measured with: 680 MB in 20,000 files and four gzip layers, the same bytes on every machine."""
import hashlib
import io
import json
import os
import random
import tarfile
import zlib

TAG = "bench/big:latest"
FILES, TOTAL, LAYERS = 20_000, 680_000_000, 4
STAMP = 1_700_000_000
VERSION = 2  # of what is made; another number, another file in the cache

WORDS = 4096
POOL = 8 << 20


def text_pool(rng):
    """Prose-like: gzip makes about a third of it."""
    words = ["".join(rng.choices("etaoinshrdlucmfwypvbgkjqxz", k=rng.randint(2, 10))) for _ in range(WORDS)]
    weights = [1 / (n + 1) for n in range(WORDS)]
    pieces, size = [], 0
    while size < POOL:
        line = " ".join(rng.choices(words, weights, k=12)) + "\n"
        pieces.append(line)
        size += len(line)
    return "".join(pieces).encode()[:POOL]


def binary_pool(rng):
    """As machine code: half of it noise, half of it a few byte values."""
    pieces, size = [], 0
    while size < POOL:
        piece = rng.randbytes(rng.randint(4, 24)) + bytes(rng.choices(b"\x00\x00\x00\x48\x89\x8b\xff\xe8\x0f", k=rng.randint(4, 40)))
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:POOL]


def sizes(rng):
    """As in a real root file system: most files are small, most bytes are in large ones."""
    drawn = [min(int(rng.lognormvariate(8.2, 2.1)), 24_000_000) for _ in range(FILES)]
    scale = TOTAL / sum(drawn)
    return [int(size * scale) for size in drawn]


def content(rng, pools, size):
    pool = pools[rng.random() < 0.6]
    pieces = []
    while size > 0:
        begin, length = rng.randrange(POOL - 65536), min(size, rng.randint(2000, 65536))
        pieces.append(pool[begin:begin + length])
        size -= length
    return b"".join(pieces)


class Gzip:
    """A file that takes a tar and keeps it compressed, with both digests."""

    def __init__(self, path):
        self.file, self.plain, self.packed, self.size, self.packed_size = open(path, "wb"), hashlib.sha256(), hashlib.sha256(), 0, 0
        self.zip = zlib.compressobj(6, zlib.DEFLATED, 31)

    def _put(self, data):
        self.packed.update(data)
        self.packed_size += len(data)
        self.file.write(data)

    def write(self, data):
        self.plain.update(data)
        self.size += len(data)
        self._put(self.zip.compress(data))
        return len(data)

    def tell(self):
        return self.size

    def close(self):
        self._put(self.zip.flush())
        self.file.close()


def make_layer(path, number, rng, pools, all_sizes):
    out = Gzip(path)
    tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)

    def add(name, kind=tarfile.REGTYPE, mode=0o644, data=b"", link=""):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, len(data), link, STAMP
        tar.addfile(info, io.BytesIO(data) if data else None)

    top = f"usr/share/part{number}"
    for directory in ("usr", "usr/share", top):
        add(directory, tarfile.DIRTYPE, 0o755)
    for n, size in enumerate(all_sizes):
        if n % 16 == 0:
            directory = f"{top}/package-{n // 160:03}/module{n // 16:04}"
            if n % 160 == 0:
                add(directory.rsplit("/", 1)[0], tarfile.DIRTYPE, 0o755)
            add(directory, tarfile.DIRTYPE, 0o755)
        add(f"{directory}/file-{n:05}.dat", mode=0o755 if n % 20 == 0 else 0o644, data=content(rng, pools, size))
        if n % 25 == 0:
            add(f"{directory}/link-{n:05}", tarfile.SYMTYPE, 0o777, link=f"file-{n:05}.dat")
    tar.close()
    out.close()
    return out


def make(path):
    """Writes the archive as `docker save` lays it out: the blobs first, what tells of them last."""
    rng = random.Random(680)
    pools = (text_pool(rng), binary_pool(rng))
    drawn = sizes(rng)
    layers = []
    for n in range(LAYERS):
        part = f"{path}.layer{n}"
        layers.append((part, make_layer(part, n, rng, pools, drawn[n * FILES // LAYERS:(n + 1) * FILES // LAYERS])))
    config = json.dumps({"architecture": "amd64", "os": "linux", "created": "2023-11-14T22:13:20Z", "config": {"Cmd": ["/bin/true"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + one.plain.hexdigest() for _, one in layers]}}).encode()
    descriptors = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + one.packed.hexdigest(), "size": one.packed_size}
                   for _, one in layers]

    def digest(data):
        return hashlib.sha256(data).hexdigest()

    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + digest(config), "size": len(config)},
                           "layers": descriptors}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + digest(manifest), "size": len(manifest),
        "annotations": {"io.containerd.image.name": TAG, "org.opencontainers.image.ref.name": "latest"}}]}).encode()
    table = json.dumps([{"Config": "blobs/sha256/" + digest(config), "RepoTags": [TAG],
                         "Layers": ["blobs/sha256/" + one.packed.hexdigest() for _, one in layers]}]).encode()
    with tarfile.open(path + ".part", "w", format=tarfile.PAX_FORMAT) as tar:
        def add(name, size, source):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = size, STAMP
            tar.addfile(info, source)
        for part, one in layers:
            with open(part, "rb") as f:
                add("blobs/sha256/" + one.packed.hexdigest(), one.packed_size, f)
            os.rename(part, part + ".tar.gz")
        for name, data in (("blobs/sha256/" + digest(config), config), ("blobs/sha256/" + digest(manifest), manifest), ("index.json", index),
                           ("manifest.json", table), ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')):
            add(name, len(data), io.BytesIO(data))
    os.rename(path + ".part", path)


class BigImage:
    """archive: the file to load. layers: its four layers as .tar.gz files, lowest first. plain_bytes: of the tars together."""

    tag = TAG

    def __init__(self, directory="/tmp/gantry-bench-images"):
        os.makedirs(directory, exist_ok=True)
        self.archive = os.path.join(directory, f"big-{VERSION}.tar")
        if not os.path.exists(self.archive):
            print(f"making {self.archive}, once", flush=True)
            make(self.archive)
        self.layers = [f"{self.archive}.layer{n}.tar.gz" for n in range(LAYERS)]

    @staticmethod
    def reference(registry):
        return f"{registry}/{TAG}"

    @staticmethod
    def repository_and_tag():
        return TAG.split(":")


if __name__ == "__main__":
    print(BigImage().archive)

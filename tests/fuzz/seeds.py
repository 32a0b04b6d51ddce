"""seeds.py: writes the seeds of tests/fuzz/corpus that are not plain text (tar streams and compressed ones) anew; the same
bytes each time."""
import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(target, name, data):
    os.makedirs(os.path.join(CORPUS, target), exist_ok=True)
    with open(os.path.join(CORPUS, target, name), "wb") as f:
        f.write(data)


def tar(*entries, form=tarfile.PAX_FORMAT):
    """(name, kind, link or content, pax), without the padding that tarfile puts behind the end."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as t:
        for name, kind, what, pax in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mtime, info.pax_headers = kind, 1_700_000_000, pax
            if kind == tarfile.REGTYPE:
                info.size = len(what)
                t.addfile(info, io.BytesIO(what))
            else:
                info.linkname = what
                t.addfile(info)
        end = t.offset
    return out.getvalue()[:end + 1024]


def layers():
    file, directory, link, hard = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
    yield "tree", tar(("etc", directory, "", {}), ("etc/hello", file, b"hello\n", {}), ("run", link, "/var/run", {}), ("h", hard, "etc/hello", {}))
    yield "whiteouts", tar(("etc/.wh.passwd", file, b"", {}), ("var/.wh..wh..opq", file, b"", {}))
    yield "pax", tar(("x", file, b"y", {"path": "../canary", "SCHILY.xattr.user.a": "b", "mtime": "1.5"}))
    yield "gnu", tar(("n" * 120, file, b"y", {}), ("l", link, "t" * 120, {}), form=tarfile.GNU_FORMAT)
    yield "ustar", tar(("d" * 90 + "/" + "n" * 90, file, b"y", {}), form=tarfile.USTAR_FORMAT)
    yield "sparse", tar(("s", file, b"1\n0\n1\n".ljust(512, b"\0") + b"x", {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": "4096"}))
    yield "device", tar(("null", tarfile.CHRTYPE, "", {}), ("fifo", tarfile.FIFOTYPE, "", {}))
    yield "unpadded", tar(("f", file, b"x" * 700, {}))[:512 + 700]


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c", "-19", "--no-check"], input=data, stdout=subprocess.PIPE, check=True).stdout


def main():
    for name, data in layers():
        write("layer_bytes", name, data)
    config = b'{"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    manifest = b'[{"Config":"c.json","RepoTags":["a:1"],"Layers":[]}]'
    file = tarfile.REGTYPE
    write("image_archive", "docker", tar(("c.json", file, config, {}), ("manifest.json", file, manifest, {})))
    write("image_archive", "linked", tar(("x", tarfile.DIRTYPE, "", {}), ("c.json", tarfile.SYMTYPE, "x/c", {}), ("x/c", file, config, {}),
                                         ("manifest.json", file, manifest, {})))
    write("image_archive", "oci", tar(("oci-layout", file, b'{"imageLayoutVersion":"1.0.0"}', {}),
                                      ("index.json", file, b'{"schemaVersion":2,"manifests":[]}', {})))
    text = b"some text, some text\n" * 20
    for name, data in (("gzip", gzip.compress(text, 9, mtime=0)), ("zstd", zstd(text)), ("xz", lzma.compress(text)), ("bzip2", bz2.compress(text)),
                       ("plain", text[:40]), ("gzip_members", gzip.compress(text, 9, mtime=0) + gzip.compress(b"x", mtime=0) + b"\0\0"),
                       ("zstd_frames", b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstd(text) + zstd(b"x")),
                       ("gzip_zeros", gzip.compress(b"\0" * 300_000, 9, mtime=0)), ("xz_zeros", lzma.compress(b"\0" * 300_000))):
        # The first byte chooses the sizes of the pieces.
        write("compressed", name, b"\x0e" + data)
        write("compressed", name + "_pieces", b"\x01" + data)


main()

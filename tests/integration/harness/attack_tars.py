"""Layers that attack whoever unpacks them (SECURITY-CATALOGUE S31 to S34, S36, S41, S45), as tar streams. Each is built anew for
a canary: the absolute path of a directory of the host that must stay as it is, with a file "file" and a directory "dir" in it."""
import io
import tarfile

from .archives import Tar

REFUSED = "refused"    # an error, and nothing is left
CONFINED = "confined"  # an image, and all of it inside


def raw_header(name, kind=b"0", size=0, link=b"", mode=0o644, magic=b"ustar\x0000", prefix=b"", device=(0, 0)):
    """One header block with any bytes in it; the checksum is right."""
    def octal(value, width):
        return b"%0*o\0" % (width - 1, value)
    head = (name[:100].ljust(100, b"\0") + octal(mode, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(1_700_000_000, 12) + b" " * 8
            + kind + link[:100].ljust(100, b"\0") + magic + b"root".ljust(32, b"\0") + b"root".ljust(32, b"\0") + octal(device[0], 8)
            + octal(device[1], 8) + prefix.ljust(155, b"\0")).ljust(512, b"\0")
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def raw(*blocks):
    """Headers and contents, each padded to a block, and the end."""
    return b"".join(b + b"\0" * (-len(b) % 512) for b in blocks) + b"\0" * 1024


def pax(records, kind=b"x"):
    """An extended header of (key, value) bytes, to stand before its entry."""
    body = b""
    for key, value in records:
        length = len(key) + len(value) + 3
        while len(b"%d" % length) + len(key) + len(value) + 3 != length:
            length = len(b"%d" % length) + len(key) + len(value) + 3
        body += b"%d %s=%s\n" % (length, key, value)
    return raw_header(b"pax", kind, len(body)) + body + b"\0" * (-len(body) % 512)


def sparse(name, real_size, pieces, data=b""):
    """A file in GNU's sparse format 1.0: pieces are (offset, length)."""
    numbers = b"%d\n" % len(pieces) + b"".join(b"%d\n%d\n" % piece for piece in pieces)
    content = numbers + b"\0" * (-len(numbers) % 512) + data
    head = pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name), (b"GNU.sparse.realsize", b"%d" % real_size)])
    return head + raw_header(b"GNUSparseFile.0/" + name[:80], b"0", len(content)) + content


def names(canary):
    up = "../" * 12 + canary.lstrip("/")
    yield "name climbs", REFUSED, Tar().add(f"{up}/pwned", b"x")
    yield "name climbs one", REFUSED, Tar().add("../pwned", b"x")
    yield "name climbs inside", REFUSED, Tar().dir("a").add(f"a/../../../..{canary}/pwned", b"x")
    yield "name climbs and returns", REFUSED, Tar().dir("a").add("a/../b", b"x")
    yield "name is absolute", CONFINED, Tar().add(f"{canary}/pwned", b"x")
    yield "name has many slashes", CONFINED, Tar().add(f"//{canary}//pwned", b"x")
    yield "name is empty", REFUSED, raw(raw_header(b""))
    yield "name is a dot", REFUSED, raw(raw_header(b"."))
    yield "name is a slash", CONFINED, raw(raw_header(b"/"))
    yield "name is two dots", REFUSED, Tar().dir("..")
    yield "name has NUL by PAX", CONFINED, raw(pax([(b"path", b"a\0/../../../pwned")]) + raw_header(b"x", size=1), b"y")
    yield "name of 64 kB", REFUSED, raw(pax([(b"path", b"n" * 65536)]) + raw_header(b"x"))
    yield "component of 256 bytes", REFUSED, Tar().add("n" * 256, b"x")
    yield "path 1,500 deep", REFUSED, Tar().add("/".join(["d"] * 1500), b"x")
    yield "path 100,000 deep", REFUSED, raw(pax([(b"path", b"d/" * 100_000 + b"f")]) + raw_header(b"x"))
    yield "name of Windows", CONFINED, Tar().add("C:\\..\\..\\pwned", b"x")
    yield "file with trailing slash", CONFINED, raw(raw_header(b"d/"))
    yield "name in prefix climbs", REFUSED, raw(raw_header(b"pwned", prefix=b"../.."))
    yield "PAX path overrides", REFUSED, Tar().add("good", b"x", pax={"path": f"{up}/pwned"})
    yield "PAX path twice", REFUSED, raw(pax([(b"path", b"good"), (b"path", b"../pwned")]) + raw_header(b"x", size=1), b"y")
    yield "global PAX path", CONFINED, raw(pax([(b"path", b"../pwned")], b"g") + raw_header(b"x", size=1), b"y")
    yield "GNU long name climbs", REFUSED, raw(raw_header(b"././@LongLink", b"L", 9, magic=b"ustar  \0"), b"../pwned\0", raw_header(b"x", magic=b"ustar  \0"))
    yield "control characters and escapes", CONFINED, Tar().add("a\n\x1b[2J\r\x7f", b"x").link("l\t", "\x1b]0;pwned\x07")
    yield "prefix of a sibling", REFUSED, Tar().add("../fs-evil/pwned", b"x")


def links(canary):
    up = "../" * 12 + canary.lstrip("/")
    yield "through a link", CONFINED, Tar().link("l", canary).add("l/pwned", b"x")
    yield "through a relative link", CONFINED, Tar().link("l", up).add("l/pwned", b"x")
    yield "through two links", CONFINED, Tar().link("a", "b").link("b", canary).add("a/pwned", b"x")
    yield "two hops of dots", CONFINED, Tar().link("a", ".").link("a/b", "..").add("a/b/pwned", b"x")
    yield "link in place of the file", CONFINED, Tar().link("l", f"{canary}/file").add("l", b"overwritten")
    yield "link by hard link, then written", CONFINED, Tar().link("l", f"{canary}/file").hardlink("h", "l").add("h", b"overwritten")
    yield "hard link out", REFUSED, Tar().hardlink("h", f"{canary}/file").add("h", b"overwritten")
    yield "hard link climbs", REFUSED, Tar().hardlink("h", f"{up}/file")
    yield "hard link through a link", REFUSED, Tar().link("l", canary).hardlink("h", "l/file")
    yield "hard link to a directory", REFUSED, Tar().dir("d").hardlink("h", "d")
    yield "hard link to the root", REFUSED, Tar().hardlink("h", "/")
    yield "hard link to nothing", REFUSED, Tar().hardlink("h", "nothing")
    yield "hard link to itself", CONFINED, Tar().add("f", b"x").hardlink("f", "f")
    yield "hard link over a directory", CONFINED, Tar().dir("d").add("d/x", b"1").add("f", b"2").hardlink("d", "f")
    yield "PAX linkpath overrides", REFUSED, Tar().add("x", b"1").add("h", kind=tarfile.LNKTYPE, link="x", pax={"linkpath": f"{canary}/file"})
    yield "directory becomes a link", CONFINED, Tar().dir("d").add("d/f", b"1").link("d", canary).add("d/pwned", b"x")
    yield "link becomes a directory", CONFINED, Tar().link("d", canary).dir("d", 0o777).add("d/inside", b"x")
    yield "loop of links", REFUSED, Tar().link("a", "b").link("b", "a").add("a/pwned", b"x")
    yield "link to itself", REFUSED, Tar().link("a", "a").add("a/pwned", b"x")
    yield "dangling link out", CONFINED, Tar().link("l", f"{canary}/new").add("l/pwned", b"x")
    yield "magic link", CONFINED, Tar().link("l", "/proc/self/root").add(f"l{canary}/pwned", b"x")
    yield "magic descriptor", CONFINED, Tar().link("l", "/proc/self/fd/3").add("l/pwned", b"x")
    yield "root becomes a link", REFUSED, Tar().link(".", canary)
    yield "root becomes a link by slash", REFUSED, Tar().link("/", canary).add("pwned", b"x")
    yield "root becomes a link by ./", REFUSED, Tar().link("./", canary)
    yield "target of 5,000 bytes", REFUSED, Tar().link("l", "x/" * 2500)
    yield "target is empty", REFUSED, raw(raw_header(b"l", b"2"))
    yield "chain of 60 links", REFUSED, chain(60, canary)
    yield "same name, many kinds", CONFINED, Tar().add("x", b"1").link("x", canary).dir("x").add("x/y", b"2").add("x", kind=tarfile.FIFOTYPE).add("x", b"3")
    yield "absolute link as in /var/run", CONFINED, Tar().dir("run").link("var/run", "/run").add("var/run/x", b"legitimate\n")


def chain(length, canary):
    tar = Tar()
    for n in range(length):
        tar.link(f"l{n}", f"l{n + 1}" if n + 1 < length else canary)
    return tar.add("l0/pwned", b"x")


def attributes(canary):
    """On links, and such as only the engine may set (S32, S34)."""
    yield "mode of a link", CONFINED, Tar().add("l", kind=tarfile.SYMTYPE, link=f"{canary}/file", mode=0o7777, uid=4242, gid=4242)
    yield "directory entry over a link", CONFINED, Tar().link("l", f"{canary}/dir").dir("l", 0o777, uid=4242)
    yield "attributes of a link", CONFINED, Tar().add("l", kind=tarfile.SYMTYPE, link=f"{canary}/file", pax={"SCHILY.xattr.user.evil": "1"})
    yield "overlay marks", CONFINED, Tar().dir("d", pax={"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.trusted.overlay.opaque": "y",
                                                        "SCHILY.xattr.user.overlay.opaque": "y"}).add("d/m", b"x", pax={"SCHILY.xattr.trusted.overlay.metacopy": ""})
    yield "overlay marks by libarchive's key", CONFINED, Tar().dir("d", pax={"LIBARCHIVE.xattr.trusted.overlay.opaque": "eQ=="})
    yield "labels of the host's modules", CONFINED, Tar().add("f", b"x", pax={"SCHILY.xattr.security.selinux": "system_u:object_r:shadow_t:s0", "SCHILY.xattr.security.ima": "x",
                                                                             "SCHILY.acl.access": "user::rwx,user:4242:rwx,group::r-x,mask::rwx,other::r-x", "RHT.security.selinux": "x"})
    yield "file flags", CONFINED, Tar().add("f", b"x", pax={"SCHILY.fflags": "immutable,append"}).add("f", b"y")
    yield "owner out of range", REFUSED, Tar().add("f", b"x", pax={"uid": "99999999999"})
    yield "times out of range", CONFINED, Tar().add("f", b"x", pax={"mtime": "-1.5"}).add("g", b"x", pax={"mtime": "253402300800.1"})
    yield "attributes of 1 MB", REFUSED, Tar().add("f", b"x", pax={"SCHILY.xattr.user.a": "x" * 1_000_000})
    yield "directory without permissions", CONFINED, Tar().dir("d", 0).add("d/f", b"x").dir("d", 0)


def whiteouts(canary):
    up = "../" * 12 + canary.lstrip("/")
    yield "whiteout climbs", REFUSED, Tar().add(f"{up}/.wh.file")
    yield "whiteout of nothing", REFUSED, Tar().add(".wh.")
    yield "whiteout of a dot", REFUSED, Tar().add(".wh..")
    yield "whiteout of two dots", REFUSED, Tar().add(".wh...")
    yield "whiteout of two dots below", REFUSED, Tar().dir("d").add("d/.wh...")
    yield "whiteout as a directory", REFUSED, Tar().add(".wh.d/x", b"x")
    yield "whiteout with a path", REFUSED, Tar().add(".wh.x/../../pwned", b"x")
    yield "whiteout through a link", CONFINED, Tar().link("l", canary).add("l/.wh.file")
    yield "whiteout through links of the layer", CONFINED, Tar().link("a", "b").link("b", canary).add("a/.wh.dir").add("a/dir/.wh..wh..opq")
    yield "opaque through a link", CONFINED, Tar().link("l", canary).add("l/.wh..wh..opq")
    yield "opaque climbs", REFUSED, Tar().add("../.wh..wh..opq")
    yield "opaque root", CONFINED, Tar().add(".wh..wh..opq").dir("keep")
    yield "whiteout of what the layer has", CONFINED, Tar().add("f", b"x").add(".wh.f")
    yield "device 0:0", REFUSED, Tar().add("etc/passwd", kind=tarfile.CHRTYPE, device=(0, 0))
    yield "whiteout with NUL", REFUSED, raw(pax([(b"path", b".wh.\0x")]) + raw_header(b"x"))
    yield "whiteout by hard link", REFUSED, Tar().add(".wh.etc").hardlink("h", "etc")
    yield "leftovers of aufs", CONFINED, Tar().add(".wh..wh.plnk/1.2", b"x").dir(".wh..wh.orph").add(".wh..wh.aufs")


def shapes(canary):
    """Streams that are no good archives, and sizes that are no sizes."""
    yield "size larger than the rest", REFUSED, raw(raw_header(b"f", size=1 << 20), b"x")
    yield "size of 8 EiB", REFUSED, raw(raw_header(b"f")[:124] + b"\x80\0\0\0\x7f" + b"\xff" * 7 + raw_header(b"f")[136:])
    yield "negative size by PAX", REFUSED, raw(pax([(b"size", b"-1")]) + raw_header(b"f", size=1), b"x")
    yield "sparse file of 8 EiB", REFUSED, raw(sparse(b"s", 2 ** 63 - 1, [(2 ** 63 - 2, 1)], b"x"))
    yield "sparse pieces overlap", CONFINED, raw(sparse(b"s", 1000, [(500, 10), (0, 10)], b"x" * 20))
    yield "sparse name climbs", REFUSED, raw(sparse(b"../pwned", 1, [(0, 1)], b"x"))
    yield "sparse map is endless", REFUSED, raw(sparse(b"s", 1, [(0, 0)] * 2_000_000))
    yield "extended header of 64 MB", REFUSED, raw(raw_header(b"pax", b"x", 64 << 20), b"x" * (64 << 20), raw_header(b"f"))
    yield "bad checksum", REFUSED, b"x" * 512 + raw(raw_header(b"f"))
    yield "PAX record of a lying length", REFUSED, raw(raw_header(b"pax", b"x", 12), b"99999 path=y", raw_header(b"f"))
    yield "unknown type", CONFINED, raw(raw_header(b"f", b"Z", 1), b"x")
    yield "content of a directory", REFUSED, raw(raw_header(b"d/", b"5", 5), b"hello", raw_header(b"after", size=1), b"x")
    yield "cut within a header", REFUSED, raw_header(b"f", size=3) + b"abc".ljust(512, b"\0") + raw_header(b"g")[:300]
    yield "device nodes and FIFOs", CONFINED, (Tar().add("sda", kind=tarfile.BLKTYPE, device=(254, 0), mode=0o666).add("mem", kind=tarfile.CHRTYPE, device=(1, 1), mode=0o666)
                                              .add("fifo", kind=tarfile.FIFOTYPE).add("fifo", b"written over"))
    yield "special places become links", CONFINED, (Tar().link("etc/hosts", f"{canary}/file").link("etc/resolv.conf", "/proc/self/fd/3").link("etc/hostname", "/../../../etc/hostname")
                                                   .link("etc/mtab", f"{canary}/new"))
    yield "names with overlay's separators", CONFINED, Tar().add("a:b,c=d\\e", b"x").dir("lowerdir=:upperdir=,x").add("lowerdir=:upperdir=,x/y", b"x")


def attacks(canary):
    """(name, verdict, tar stream)"""
    for group in (names, links, attributes, whiteouts, shapes):
        for name, verdict, tar in group(canary):
            yield name, verdict, tar if isinstance(tar, bytes) else tar.bytes()


def joined(first, second):
    """One tar of the entries of two."""
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        end = max(m.offset_data + (m.size + 511) // 512 * 512 for m in tar.getmembers())
    return first[:end] + second

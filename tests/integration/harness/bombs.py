"""Small streams that unpack to very much (SECURITY-CATALOGUE S35), built without unpacking them: in each format one frame or block
of a few bytes stands thousands of times."""
import gzip
import lzma
import struct
import zlib

GIB = 1 << 30


def gzip_members(head, total, piece=64 << 20):
    """`head`, then zeros, in as many gzip members as it takes."""
    return gzip.compress(head, 9, mtime=0) + gzip.compress(b"\0" * piece, 9, mtime=0) * (total // piece)


def gzip_stream(head, total, piece=64 << 20):
    """The same as one member; its checksum is never reached."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = squeeze.compress(head) + squeeze.flush(zlib.Z_FULL_FLUSH)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush nothing refers to what stands before: the piece can be repeated.
    zeros = squeeze.compress(b"\0" * piece) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + start + zeros * (total // piece) + b"\x03\0" + b"\0" * 8


def gzip_nested(head, total):
    """A gzip stream in a gzip stream; only the outer one is the layer's."""
    return gzip.compress(gzip_members(head, total), 9, mtime=0)


def zstd(head, total, window_log=17):
    """One frame with the window that is asked for: `head` as it is, then blocks of one repeated byte."""
    def block(kind, size, data, last=False):
        return struct.pack("<I", last | kind << 1 | size << 3)[:3] + data
    size = 128 << 10
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3]) + block(0, len(head), head)
    return frame + block(1, size, b"\0") * (total // size) + block(1, size, b"\0", last=True)


def xz(head, total, dictionary=40):
    """One block whose header asks for a dictionary of 4 GiB (40: the largest); every chunk repeats the one before, and none resets it."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 4 << 20, "preset": 1}]
    size = 2 << 20
    chunk = lzma.compress(b"\0" * size, format=lzma.FORMAT_RAW, filters=filters)
    assert chunk[0] == 0xE0 | (size - 1) >> 16 and chunk[-1] == 0, "one chunk of LZMA2"
    again = bytes([chunk[0] & 0x1F | 0xC0]) + chunk[1:-1]
    start = b"\x01" + struct.pack(">H", len(head) - 1) + head
    flags = b"\0\0"  # no check of the content
    header = b"\xfd7zXZ\0" + flags + struct.pack("<I", zlib.crc32(flags))
    block = bytes([2, 0, 0x21, 1, dictionary, 0, 0, 0])
    return header + block + struct.pack("<I", zlib.crc32(block)) + start + again * (total // size) + b"\0"

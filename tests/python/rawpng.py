"""Writes PNG files of any kind from samples: what Pillow can't write is the point of it."""

import struct
import zlib

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Adam7: first row, first column, row step, column step (PNG specification, section 8.2).
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def gama(value):
    return chunk(b"gAMA", struct.pack(">I", value))


def pack(row, bits):
    """Bytes of one row of samples."""
    if bits == 16:
        return row.astype(">u2").tobytes()
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    bit = (row.reshape(-1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(bit.astype(np.uint8).ravel()).tobytes()


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filtered(kind, row, above, step):
    """One row under filter kind (section 9.2); step: bytes to the pixel on the left."""
    out = bytearray([kind])
    for i, x in enumerate(row):
        a = row[i - step] if i >= step else 0
        b = above[i]
        c = above[i - step] if i >= step else 0
        out.append((x - [0, a, b, (a + b) // 2, paeth(a, b, c)][kind]) & 255)
    return bytes(out)


def image_data(samples, bits):
    step = max(1, samples.shape[2] * bits // 8)
    above, out = None, b""
    for y, pixels in enumerate(samples):
        row = pack(pixels.ravel(), bits)
        out += filtered(y % 5, row, above or bytes(len(row)), step)
        above = row
    return out


def write(samples, colour, bits, interlaced=False, chunks=b"", end=True):
    """samples: (height, width, channels) of integers; chunks: between IHDR and IDAT."""
    samples = np.asarray(samples)
    height, width, channels = samples.shape
    assert channels == CHANNELS[colour]
    parts = [samples]
    if interlaced:
        parts = [samples[y::dy, x::dx] for y, x, dy, dx in PASSES]
    data = b"".join(image_data(part, bits) for part in parts if part.size > 0)
    packed = zlib.compress(data)
    middle = len(packed) // 2
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    return (
        SIGNATURE + chunk(b"IHDR", header) + chunks
        + chunk(b"IDAT", packed[:middle]) + chunk(b"IDAT", packed[middle:])
        + (chunk(b"IEND") if end else b"")
    )

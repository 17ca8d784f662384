"""The fast way of PNG against libpng's: what it takes, libpng takes too and gives the same pixels; and it takes
the common kinds."""

import ctypes
import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import rawpng
from built import ROOT, library
from rawpng import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, chunk, gama

LIBRARY = ctypes.CDLL(str(library("libkprep_inside.so", "KPREP_INSIDE")))
KERAS, PILLOW, OPENCV = 0, 1, 2
OK, ASK_LIBPNG = 0, -1
GUARD = 64
EIGHT_BITS = (GREY, GREY_ALPHA, RGB, RGBA)
CHUNKS = {GREY: b"", GREY_ALPHA: b"", RGB: b"", RGBA: b"",
          PALETTE: chunk(b"PLTE", bytes(range(90)) * 3)}


def call(data, fast, like, grey, dst):
    needed = ctypes.c_int64(-1)
    status = LIBRARY.kprep_test_png(
        data, ctypes.c_int64(len(data)), int(fast), like, int(grey),
        ctypes.c_void_p(dst.ctypes.data + GUARD), ctypes.c_int64(dst.nbytes - 2 * GUARD),
        ctypes.byref(needed))
    return status, needed.value


DST = np.empty(40_100_000, np.uint8)


def pixels(data, fast, like=KERAS, grey=False, most=400_000):
    """The status, and the bytes of the pixels, with guards around them."""
    size = most + 2 * GUARD
    dst = DST[:size]
    dst[:] = 0xA5
    status, needed = call(data, fast, like, grey, dst)
    if status != OK:
        return status, None
    found = dst[GUARD:GUARD + needed]
    assert (dst[:GUARD] == 0xA5).all() and (dst[GUARD + needed:] == 0xA5).all()
    return status, found.tobytes()


def compare(data, like=KERAS, grey=False, **how):
    """Was it taken?"""
    fast, found = pixels(data, True, like, grey, **how)
    status, expected = pixels(data, False, like, grey, **how)
    if fast == OK:
        assert status == OK
        assert found == expected
    else:
        assert fast in (ASK_LIBPNG, status)
    return fast == OK


def split(stream, sizes):
    """IDAT chunks of these sizes, the last one with the rest."""
    out, at = b"", 0
    for size in sizes:
        out += chunk(b"IDAT", stream[at:at + size])
        at += size
    return out + chunk(b"IDAT", stream[at:])


def png(samples, colour, stream=None, level=6, sizes=(), before=None, after=b"", end=chunk(b"IEND"),
        ihdr=()):
    """An 8-bit PNG of parts that can each be replaced."""
    samples = np.asarray(samples)
    height, width = samples.shape[:2]
    if stream is None:
        stream = zlib.compress(rawpng.image_data(samples, 8), level)
    fields = dict(width=width, height=height, bits=8, colour=colour, method=0, filter=0, interlace=0)
    fields.update(ihdr)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *fields.values()))
    before = CHUNKS[colour] if before is None else before
    return rawpng.SIGNATURE + head + before + split(stream, sizes) + after + end


def photo(seed, height, width, colour):
    rng = np.random.default_rng(seed)
    channels = rawpng.CHANNELS[colour]
    y, x = np.mgrid[:height, :width]
    smooth = (y * 3 + x * 2)[..., None] * np.arange(1, channels + 1)
    kind = seed % 3
    if kind == 0:
        smooth = smooth + rng.integers(0, 9, (height, width, channels))
    if kind == 1:
        smooth = rng.integers(0, 256, (height, width, channels))
    return smooth % 256


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures").rglob("*.[pP][nN][gG]")), ids=lambda p: p.name)
def test_fixtures(path):
    if path.name == "huge.png":
        pytest.skip("larger than the test's limits")
    for like, grey in itertools.product((KERAS, PILLOW, OPENCV), (False, True)):
        compare(path.read_bytes(), like, grey)


@pytest.mark.parametrize("colour", (*EIGHT_BITS, PALETTE))
def test_every_width_and_filter(colour):
    for width in range(1, 71):
        for height in (1, 2, 11):
            data = png(photo(width * 7 + height, height, width, colour), colour)
            assert compare(data), (width, height)


@pytest.mark.parametrize("colour", (*EIGHT_BITS, PALETTE))
def test_every_pair_of_filters(colour):
    step = rawpng.CHANNELS[colour]
    for first, second in itertools.product(range(6), range(6)):
        samples = photo(first * 6 + second, 3, 13, colour)
        rows = [rawpng.pack(row.ravel(), 8) for row in samples]
        stored = b"".join(
            rawpng.filtered(kind, row, above, step) if kind < 5 else bytes([5]) + row
            for kind, row, above in zip((first, second, first), rows, (bytes(len(rows[0])), *rows)))
        taken = compare(png(samples, colour, zlib.compress(stored)))
        assert taken == (first < 5 and second < 5)


@pytest.mark.parametrize("colour", (*EIGHT_BITS, PALETTE))
def test_levels_and_windows(colour):
    samples = photo(3, 40, 31, colour)
    rows = rawpng.image_data(samples, 8)
    for level, window, strategy in itertools.product(range(10), range(9, 16), range(5)):
        packer = zlib.compressobj(level, zlib.DEFLATED, window, 8, strategy)
        stream = packer.compress(rows) + packer.flush()
        taken = compare(png(samples, colour, stream))
        assert taken == (len(rows) <= 1 << window or window == 15)


def test_chunks_of_image_data():
    samples = photo(0, 9, 20, RGB)
    length = len(zlib.compress(rawpng.image_data(samples, 8)))
    for sizes in ([0], [0, 0, 5], [1] * (length - 1), [2, 0, 3, 0], [length], [length, 0, 0], [length - 1],
                  [length - 4], range(20)):
        assert compare(png(samples, RGB, sizes=sizes)), sizes


def test_grey_of_each_kind():
    taken = set()
    for colour, like in itertools.product((*EIGHT_BITS, PALETTE), (KERAS, PILLOW, OPENCV)):
        for space in (b"", chunk(b"sRGB", b"\0"), gama(100000)):
            data = png(photo(2, 7, 9, colour), colour, before=space + CHUNKS[colour])
            if compare(data, like, grey=True):
                taken.add((colour, like, space != b""))
            assert compare(data, like)
    everyone = {(colour, like, False) for colour in (GREY, GREY_ALPHA) for like in range(3)}
    assert taken == everyone | {(RGB, PILLOW, False)}


def test_ancillary_chunks():
    """None that libpng passes over matters, before or behind the data, with any content and CRC."""
    samples = photo(4, 5, 6, RGB)
    known = (b"bKGD cHRM eXIf gAMA hIST iCCP iTXt oFFs pCAL pHYs sBIT sCAL sPLT sTER sRGB tEXt tIME zTXt "
             b"acTL fcTL fdAT iDOT vpAg caNv").split()
    for kind in known:
        for content in (b"", b"\0", b"some text\0more", bytes(300)):
            extra = chunk(kind, content)
            for bad in (extra, extra[:-1] + bytes([extra[-1] ^ 1])):
                assert compare(png(samples, RGB, before=bad)), kind
                assert compare(png(samples, RGB, after=bad)), kind
                assert compare(png(samples, RGB, before=bad, after=bad + extra))
                compare(png(samples, RGB, before=bad), OPENCV, True)
                compare(png(samples, RGB, before=bad), PILLOW, True)
                compare(png(samples, GREY, before=bad, stream=zlib.compress(bytes(35))), KERAS, True)


def test_odd_chunks():
    """Left to libpng, whatever it makes of them."""
    samples = photo(5, 6, 7, RGB)
    index = photo(5, 6, 7, PALETTE)
    stream = zlib.compress(rawpng.image_data(samples, 8))
    head = png(samples, RGB)[8:33]
    odd = [chunk(b"tRNS", bytes(6)), chunk(b"tRNS"), chunk(b"PLTE", bytes(9)), chunk(b"PLTE"), chunk(b"IEND", b"x"),
           chunk(b"CgBI", bytes(4)), chunk(b"ABCD"), chunk(b"abcd"), chunk(b"ab1d"), chunk(b"\0\0\0\0"),
           head, chunk(b"IDAT", stream), struct.pack(">I", 1 << 31) + b"tEXt",
           struct.pack(">I", 8000001) + b"tEXt" + bytes(8000005), b"\0\0\0"]
    for bad in odd:
        assert not compare(png(samples, RGB, before=bad)), bad[:8]
        assert not compare(png(samples, RGB, after=bad)), bad[:8]
    for end in (b"", chunk(b"IEND", b"x"), chunk(b"IEND")[:-1], chunk(b"IEND")[:-1] + b"?", chunk(b"tEXt")):
        assert not compare(png(samples, RGB, end=end))
    assert compare(png(samples, RGB, end=chunk(b"tEXt") + chunk(b"IEND") + b"bytes behind"))
    assert compare(png(samples, RGB, end=chunk(b"IEND") + chunk(b"IDAT", stream)))
    assert not compare(png(samples, RGB, after=chunk(b"tEXt") + chunk(b"IDAT", stream[-2:])))
    for before in (b"", chunk(b"PLTE"), chunk(b"PLTE", bytes(4)), chunk(b"PLTE", bytes(771)),
                   chunk(b"PLTE", bytes(9)) * 2, chunk(b"PLTE", bytes(9))[:-1] + b"?",
                   chunk(b"PLTE", bytes(9)) + chunk(b"tRNS", b"\0")):
        assert not compare(png(index, PALETTE, before=before)), before[:8]
    for entries in (1, 2, 100, 255, 256):  # indices behind the last one
        colours = np.random.default_rng(entries).integers(0, 256, 3 * entries, dtype=np.uint8).tobytes()
        assert compare(png(index, PALETTE, before=chunk(b"PLTE", colours)))


def test_headers():
    samples = photo(5, 6, 7, RGB)
    for field, values in dict(width=(0, 6, 8, 1 << 31, 7 << 20), height=(0, 5, 7, 1 << 31, 6 << 20),
                              bits=(0, 4, 16), colour=(0, 1, 3, 4, 5, 6, 7), method=(1,), filter=(1, 64),
                              interlace=(1, 2)).items():
        for value in values:
            assert not compare(png(samples, RGB, ihdr={field: value})), (field, value)


def test_streams():
    samples = photo(6, 8, 9, RGB)
    rows = rawpng.image_data(samples, 8)
    good = zlib.compress(rows)
    assert compare(png(samples, RGB, good))
    wrong_sum = good[:-1] + bytes([good[-1] ^ 1])
    packer = zlib.compressobj()
    flushed = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)
    dictionary = zlib.compressobj(zdict=b"abc")
    named = dictionary.compress(rows) + dictionary.flush()
    for bad in (wrong_sum, good + b"x", good + good, good[:-1], good[:-4], good[:-5], good[:-7], b"", b"x",
                zlib.compress(rows[:-1]), zlib.compress(rows[:-40]), zlib.compress(rows + b"\0"),
                zlib.compress(rows + rows), zlib.compress(b""), flushed, named, b"\x78\x9c", rows,
                b"\x88\x1c" + good[2:], b"\x79\x9b" + good[2:], b"\x78\x9d" + good[2:]):
        for sizes in ([], [1], [len(bad) - 4], [len(bad) - 1], [1, 0, 0, 3]):
            if sizes and sizes[0] < 0:
                continue
            assert not compare(png(samples, RGB, bad, sizes=sizes))


def test_distances_beyond_the_window():
    """zlib refuses them by the window that the stream's head tells; libdeflate looks at no window."""
    samples = np.tile(photo(1, 20, 40, RGB), (2, 1, 1))
    stream = zlib.compress(b"".join(b"\0" + rawpng.pack(row.ravel(), 8) for row in samples), 9)
    head = next(bytes([0x18, flags]) for flags in range(256) if (0x1800 + flags) % 31 == 0 and not flags & 32)
    assert compare(png(samples, RGB, stream))
    lying = png(samples, RGB, head + stream[2:])
    assert not compare(lying)
    assert pixels(lying, False)[0] != OK


def test_large_chunks_of_image_data():
    """libpng has a bound: 8,000,000 bytes, or what the image can need. What it makes of more is for it to say."""
    samples = photo(1, 3, 4, RGB)
    stream = zlib.compress(rawpng.image_data(samples, 8))
    empty = b"\0\0\0\xff\xff"  # a stored block of 0 bytes
    for blocks, taken in ((1000, True), (1_590_000, True), (1_600_001, False)):
        data = png(samples, RGB, stream[:2] + empty * blocks + stream[2:])
        assert compare(data) == taken
    rows = np.random.default_rng(0).integers(0, 256, (1700, 1 + 1600 * 3), dtype=np.uint8)
    rows[:, 0] %= 5
    large = zlib.compress(rows.tobytes(), 0)
    assert len(large) > 8_000_000
    assert compare(png(np.zeros((1700, 1600, 3), np.uint8), RGB, large), most=9_000_000)


def test_very_large_images_are_left_to_libpng():
    """Row by row, they take no memory besides the pixels."""
    for height, taken in ((3300, True), (3400, False)):
        samples = np.zeros((height, 3300, 3), np.uint8)
        stream = zlib.compress(bytes(height * (1 + 3 * 3300)), 1)
        assert compare(png(samples, RGB, stream), most=40_000_000) == taken


@pytest.mark.parametrize("colour", (*EIGHT_BITS, PALETTE))
def test_cut_at_every_byte(colour):
    data = png(photo(1, 5, 6, colour), colour, sizes=[10, 0, 7], after=chunk(b"tEXt", b"a\0b"))
    for size in range(len(data)):
        assert not compare(data[:size])


@pytest.mark.parametrize("colour", (*EIGHT_BITS, PALETTE))
def test_every_byte_changed(colour):
    data = png(photo(3, 5, 6, colour), colour, sizes=[10, 0, 7], before=CHUNKS[colour] + gama(45455))
    for at in range(len(data)):
        for change in (1, 0x20, 0x80, 0xff):
            compare(data[:at] + bytes([data[at] ^ change]) + data[at + 1:])


def test_random_damage_behind_right_checksums():
    """The stream's bytes at random, with a right CRC and, where zlib can tell it, a right Adler-32."""
    rng = np.random.default_rng(9)
    taken = 0
    for round_ in range(4000):
        colour = EIGHT_BITS[round_ % 4]
        samples = photo(round_, *rng.integers(1, 30, 2), colour)
        stream = bytearray(zlib.compress(rawpng.image_data(samples, 8), int(rng.integers(0, 10))))
        for _ in range(rng.integers(0, 3)):
            stream[int(rng.integers(0, len(stream)))] ^= 1 << int(rng.integers(0, 8))
        unpack = zlib.decompressobj(-15)
        try:
            out = unpack.decompress(bytes(stream[2:]))
            if unpack.eof and rng.integers(0, 4) > 0:
                stream = stream[:len(stream) - len(unpack.unused_data)]
                stream += struct.pack(">I", zlib.adler32(out))
        except zlib.error:
            pass
        sizes = rng.integers(0, 40, int(rng.integers(0, 5))).tolist()
        taken += compare(png(samples, colour, bytes(stream), sizes=sizes))
    assert taken > 1000


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_as_pillow_writes_them(mode):
    rng = np.random.default_rng(7)
    for round_ in range(60):
        height, width = rng.integers(1, 90, 2)
        image = Image.fromarray(photo(round_, height, width, RGB).astype(np.uint8)).convert(mode)
        out = io.BytesIO()
        image.save(out, "PNG", compress_level=round_ % 10, optimize=round_ % 7 == 0, dpi=(72, 72))
        bits = out.getvalue()[24]
        assert compare(out.getvalue()) == (bits == 8)


def test_as_opencv_writes_them():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(8)
    for round_ in range(120):
        height, width = rng.integers(1, 90, 2)
        colour = (GREY, RGB, RGBA)[round_ % 3]
        image = photo(round_, height, width, colour).astype(np.uint8)
        good, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, round_ % 10,
                                                  cv2.IMWRITE_PNG_STRATEGY, round_ // 10 % 5])
        assert good and compare(data.tobytes())

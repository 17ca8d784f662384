"""Decoded pixels, bit for bit those of TensorFlow and Pillow."""

import ctypes
import io
import os
import warnings

import numpy as np
import pytest
from PIL import Image

import rawpng
from rawpng import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, chunk, gama

from built import ROOT, library

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")

FIXTURES = ROOT / "fixtures" / "images"
KERAS, PILLOW, OPENCV = 0, 1, 2
OK, TRUNCATED, CORRUPT, UNSUPPORTED_FORMAT = 0, 42, 43, 41
DTYPES = {1: np.uint8, 3: np.uint16}


def load_library():
    return ctypes.CDLL(str(library("libkprep_inside.so", "KPREP_INSIDE")))


LIBRARY = load_library()


def decode(data, like, grey=False, narrow=True):
    """Status and array (or message)."""
    dst = np.full(1 << 20, 0x5A, np.uint8)
    shape, dtype = (ctypes.c_int64 * 3)(), ctypes.c_int()
    message = ctypes.create_string_buffer(256)
    status = LIBRARY.kprep_test_decode(
        data, ctypes.c_int64(len(data)), like, int(grey), int(narrow),
        dst.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(dst.nbytes), shape,
        ctypes.byref(dtype), message)
    if status != OK:
        return status, message.value.decode()
    size = int(np.prod(shape)) * np.dtype(DTYPES[dtype.value]).itemsize
    assert (dst[size:] == 0x5A).all()
    return OK, dst[:size].view(DTYPES[dtype.value]).reshape(tuple(shape))


def check(data, expected, like, **how):
    status, found = decode(data, like, **how)
    assert status == OK, found
    if expected.ndim == 2:
        expected = expected[..., None]
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def tf_png(data, channels, dtype=tf.uint8):
    """channels as kprep counts them: TensorFlow can give grey + alpha only within RGBA."""
    if channels == 2:
        return tf.io.decode_png(data, 4, dtype).numpy()[..., [0, 3]]
    return tf.io.decode_png(data, channels, dtype).numpy()


def tf_accepts(data):
    try:
        tf.io.decode_image(data, expand_animations=False)
    except tf.errors.InvalidArgumentError:
        return False
    return True


def pillow(data, mode):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of alpha in palettes
        return np.asarray(Image.open(io.BytesIO(data)).convert(mode))


# PNG

KINDS = [(GREY, b) for b in (1, 2, 4, 8, 16)] + [(PALETTE, b) for b in (1, 2, 4, 8)] + [
    (colour, b) for colour in (RGB, GREY_ALPHA, RGBA) for b in (8, 16)]
SIZES = [(1, 1), (5, 3), (13, 9), (4, 33)]
SPACES = {"plain": b"", "srgb": chunk(b"sRGB", b"\0"), "gamma_2.2": gama(45455), "linear": gama(100000),
          "gamma_1.8": gama(55556), "sbit": None}
OUT_CHANNELS = {GREY: 1, PALETTE: 3, RGB: 3, GREY_ALPHA: 2, RGBA: 4}


def make_png(colour, bits, size, interlaced=False, key=False, space="plain", seed=0):
    rng = np.random.default_rng([seed, colour, bits, size[0], size[1]])
    channels = rawpng.CHANNELS[colour]
    samples = rng.integers(0, 1 << bits, (*size, channels))
    if colour == RGB:
        samples[:, ::3] = samples[:, ::3, :1]  # some pixels without colour
    chunks = SPACES[space]
    if chunks is None:
        chunks = chunk(b"sBIT", bytes([min(bits, 5)] * (3 if colour == PALETTE else channels)))
    if colour == PALETTE:
        entries = max(2, (1 << bits) * 3 // 4)  # indices above are out of range, and are black
        chunks += chunk(b"PLTE", rng.integers(0, 256, 3 * entries, dtype=np.uint8).tobytes())
        if key:
            chunks += chunk(b"tRNS", rng.integers(0, 256, (entries + 1) // 2, dtype=np.uint8).tobytes())
    elif key:
        chunks += chunk(b"tRNS", samples[0, 0].astype(">u2").tobytes())
    return rawpng.write(samples, colour, bits, interlaced, chunks)


def out_channels(colour, key):
    return OUT_CHANNELS[colour] + (1 if key else 0)


def has_key(colour):
    return (False, True) if colour in (GREY, RGB, PALETTE) else (False,)


CASES = [(c, b, s, i, k) for c, b in KINDS for s in SIZES for i in (False, True) for k in has_key(c)]


@pytest.mark.parametrize("colour,bits,size,interlaced,key", CASES)
def test_png_keras(colour, bits, size, interlaced, key):
    data = make_png(colour, bits, size, interlaced, key)
    channels = out_channels(colour, key)
    for like in (KERAS, OPENCV):
        check(data, tf_png(data, channels), like)
        check(data, tf_png(data, 1), like, grey=True)
    if bits == 16:
        check(data, tf_png(data, channels, tf.uint16), KERAS, narrow=False)
        check(data, tf_png(data, 1, tf.uint16), KERAS, grey=True, narrow=False)


@pytest.mark.parametrize("colour,bits,size,interlaced,key", CASES)
def test_png_pillow(colour, bits, size, interlaced, key):
    data = make_png(colour, bits, size, interlaced, key)
    check(data, pillow(data, "L"), PILLOW, grey=True)
    channels = out_channels(colour, key)
    expected = pillow(data, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])
    if key and (bits in (2, 4) and colour == GREY or bits == 16):
        # Pillow compares the key with samples that it has scaled or cut; here alpha is what the
        # PNG specification and TensorFlow say.
        expected = np.concatenate([expected[..., :-1], tf_png(data, channels)[..., -1:]], axis=-1)
    check(data, expected, PILLOW)


@pytest.mark.parametrize("space", [name for name in SPACES if name != "plain"])
@pytest.mark.parametrize("colour,bits", KINDS)
def test_png_colour_space(colour, bits, space):
    """libpng's grey is computed in linear light where the file tells its gamma."""
    data = make_png(colour, bits, (11, 17), space=space)
    channels = out_channels(colour, False)
    check(data, tf_png(data, channels), KERAS)
    check(data, tf_png(data, 1), KERAS, grey=True)
    check(data, pillow(data, "L"), PILLOW, grey=True)
    if bits == 16:
        check(data, tf_png(data, 1, tf.uint16), KERAS, grey=True, narrow=False)


def test_png_with_icc_profile():
    """Profiles are not applied; libpng may take the gamma of one that it knows as sRGB."""
    from PIL import ImageCms
    pixels = np.random.default_rng(3).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels).save(out, "PNG", icc_profile=profile)
    check(out.getvalue(), tf_png(out.getvalue(), 1), KERAS, grey=True)
    check(out.getvalue(), pixels, KERAS)


def test_png_16_bit_pillow_without_narrowing():
    """Pillow has no 16-bit colour; its weights for grey are used on all 16 bits."""
    data = make_png(RGB, 16, (7, 6))
    samples = tf_png(data, 3, tf.uint16).astype(np.uint64)
    grey = (samples @ np.array([19595, 38470, 7471], np.uint64) + 32768) >> 16
    check(data, grey.astype(np.uint16), PILLOW, grey=True, narrow=False)
    check(data, samples.astype(np.uint16), PILLOW, narrow=False)
    data = make_png(GREY, 16, (7, 6))
    check(data, pillow(data, "I;16").astype(np.uint16), PILLOW, narrow=False)


# JPEG

def make_jpeg(mode="RGB", size=(37, 50), **options):
    rng = np.random.default_rng(size[0])
    y, x = np.mgrid[: size[0], : size[1]]
    bands = [y * 5, x * 4, (x + y) * 2, 255 - x * 3]
    count = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    pixels = np.stack(bands[:count], -1) + rng.integers(0, 60, (*size, count))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if count == 1 else pixels, mode)
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


JPEGS = {
    f"{name}_{sampling}_q{quality}_{width}": make_jpeg(
        size=(width - 7, width), quality=quality, subsampling=number, progressive=name == "progressive")
    for name in ("baseline", "progressive")
    for number, sampling in enumerate(("444", "422", "420"))
    for quality in (30, 75, 98)
    for width in (8, 17, 64)
}
JPEGS["grey"] = make_jpeg("L")
JPEGS["grey_progressive"] = make_jpeg("L", progressive=True)
JPEGS["restart"] = make_jpeg(restart_marker_blocks=3)
JPEGS["rgb"] = (FIXTURES / "rgb_adobe0.jpg").read_bytes()
JPEGS["trailing_bytes"] = make_jpeg() + b"hello"

CMYKS = {
    "adobe": make_jpeg("CMYK", quality=85),
    "no_adobe": (FIXTURES / "cmyk_noadobe.jpg").read_bytes(),
    "ycck": (FIXTURES / "ycck_adobe2.jpg").read_bytes(),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg(name):
    data = JPEGS[name]
    check(data, tf.io.decode_image(data, expand_animations=False).numpy(), KERAS)
    check(data, tf.io.decode_jpeg(data, 1).numpy(), KERAS, grey=True)
    mode = "L" if name.startswith("grey") else "RGB"
    check(data, pillow(data, mode), PILLOW)
    check(data, pillow(data, "L"), PILLOW, grey=True)
    # OpenCV decodes as TensorFlow does when told to be accurate.
    check(data, tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE").numpy(), OPENCV)
    check(data, tf.io.decode_jpeg(data, 1, dct_method="INTEGER_ACCURATE").numpy(), OPENCV, grey=True)


@pytest.mark.parametrize("name", CMYKS)
def test_cmyk(name):
    data = CMYKS[name]
    check(data, tf.io.decode_image(data, expand_animations=False).numpy(), KERAS)
    check(data, pillow(data, "RGB"), PILLOW)
    check(data, pillow(data, "L"), PILLOW, grey=True)
    # imgcodecs/src/utils.cpp of OpenCV, on the values as stored; Pillow gives them inverted.
    stored = 255 - pillow(data, "CMYK").astype(np.int64)
    black = stored[..., 3:]
    rgb = black - ((255 - stored[..., :3]) * black >> 8)
    check(data, rgb.astype(np.uint8), OPENCV)
    grey = (rgb @ np.array([4899, 9617, 1868]) + (1 << 13)) >> 14
    check(data, grey.astype(np.uint8), OPENCV, grey=True)


def test_grey_of_cmyk_is_refused_as_by_tensorflow():
    for data in CMYKS.values():
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.io.decode_jpeg(data, 1)
        status, message = decode(data, KERAS, grey=True)
        assert status == UNSUPPORTED_FORMAT and "TensorFlow" in message


# Damage: whether TensorFlow takes the file decides.

def damaged():
    png = make_png(RGB, 8, (9, 7))
    idat = png.index(b"IDAT")
    jpeg = make_jpeg(restart_marker_blocks=4)
    end = jpeg.rindex(b"\xff\xd9")
    scan = jpeg.index(b"\xff\xda")
    wrong = bytearray(png)
    wrong[idat + 8] ^= 1
    samples = np.zeros((3, 3, 3), int)
    short = rawpng.SIGNATURE + rawpng.write(samples, RGB, 8)[8:33] + chunk(b"IDAT", b"") + chunk(b"IEND")
    return {
        "png_whole": (png, OK),
        "png_trailing": (png + b"xyz", OK),
        "png_no_iend": (png[:-12], TRUNCATED),
        "png_iend_without_crc": (png[:-4], TRUNCATED),
        "png_cut_in_idat": (png[: idat + 20], TRUNCATED),
        "png_idat_crc": (bytes(wrong), CORRUPT),
        "png_too_few_pixels": (short, CORRUPT),
        "png_no_palette": (rawpng.write(samples[..., :1], PALETTE, 8), CORRUPT),
        "png_text_crc": (png[:33] + chunk(b"tEXt", b"a\0b")[:-1] + b"?" + png[33:], OK),
        "jpeg_no_eoi": (jpeg[:end], TRUNCATED),
        "jpeg_half": (jpeg[: len(jpeg) // 2], TRUNCATED),
        "jpeg_head": (jpeg[:scan], TRUNCATED),
        "jpeg_bytes_before_scan": (jpeg[:scan] + b"abc" + jpeg[scan:], OK),
        "jpeg_bytes_before_eoi": (jpeg[:end] + b"\0abc" + jpeg[end:], OK),
        "jpeg_fill_bytes": (jpeg[:end] + b"\xff\xff" + jpeg[end:], OK),
        "jpeg_trailing": (jpeg + b"xyz", OK),
    }


@pytest.mark.parametrize("name", damaged())
def test_damaged(name):
    data, expected = damaged()[name]
    assert tf_accepts(data) == (expected == OK)
    status, found = decode(data, KERAS)
    assert status == expected, found
    if expected == OK:
        np.testing.assert_array_equal(found, tf.io.decode_image(data, expand_animations=False))


def test_jpeg_with_made_up_pixels():
    """TensorFlow fills in what a damaged scan lacks, with a line in the log; here it is an error."""
    data = make_jpeg(restart_marker_blocks=4)
    second = data.index(b"\xff\xd1")
    for broken in (data[: len(data) * 2 // 3] + b"\xff\xd9", data[:second] + data[second + 2 :]):
        assert tf_accepts(broken)
        assert decode(broken, KERAS)[0] == CORRUPT

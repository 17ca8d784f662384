"""Kernels against NumPy, TensorFlow and Pillow, bit for bit where nothing else is said."""
import ctypes
import os
import warnings

import numpy as np
import pytest

from built import library

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
          "float16", "float32", "float64"]
NUMBERS = DTYPES[1:]
CAST, RESCALE, NORMALIZE, CLIP = range(4)
COPY, RESIZE, GREY_KERAS, GREY_PILLOW, REDUCE = range(5)
LENGTHS = [0, 1, 7, 8, 1023, 1024, 1025, 4099]
GUARD = 64


def load():
    lib = ctypes.CDLL(str(library("libkprep_inside.so", "KPREP_INSIDE")))
    lib.inside_copy.restype = None
    lib.inside_moments.restype = None
    return lib


LIB = load()
I64 = ctypes.c_int64


def tf_module():
    return pytest.importorskip("tensorflow")


def code(dtype):
    return DTYPES.index(np.dtype(dtype).name)


def longs(values):
    return (I64 * max(1, len(values)))(*values)


class Guarded:
    """An output array with guard bytes around it."""

    def __init__(self, shape, dtype):
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        self.raw = np.full(size + 2 * GUARD, 0xA5, np.uint8)
        self.array = self.raw[GUARD:GUARD + size].view(dtype).reshape(shape)

    @property
    def pointer(self):
        return ctypes.c_void_p(self.raw.ctypes.data + GUARD)

    def check(self):
        assert (self.raw[:GUARD] == 0xA5).all() and (self.raw[-GUARD:] == 0xA5).all()
        return self.array


def where(array):
    """Start of the buffer and offset of the first element, so that the offset is used too."""
    return ctypes.c_void_p(array.ctypes.data - 24), I64(24)


def same(a, b):
    """Equal bits, but any NaN is like any other."""
    assert a.dtype == b.dtype and a.shape == b.shape
    if a.dtype.kind == "f":
        nan = np.isnan(a)
        assert (nan == np.isnan(b)).all()
        a, b = np.where(nan, 0, a), np.where(nan, 0, b)
        assert (np.signbit(a) == np.signbit(b)).all()
    assert (a == b).all(), (a[a != b][:5], b[a != b][:5])


def point(kind, x, out, overflow=0, a=0.0, b=0.0, mean=None, std=None, operand=None, index=0):
    y = Guarded(x.shape, out)
    bad = I64(-1)
    doubles = [None if v is None else np.ascontiguousarray(v, np.float64) for v in (mean, std)]
    ok = LIB.inside_point(
        kind, code(x.dtype), code(out), overflow, ctypes.c_double(a), ctypes.c_double(b),
        *[None if v is None else ctypes.c_void_p(v.ctypes.data) for v in doubles],
        None if operand is None else longs(operand), ctypes.c_void_p(x.ctypes.data), y.pointer,
        I64(x.size), I64(index), ctypes.byref(bad))
    return bool(ok), y.check(), bad.value


def run(block, x, mid, out_shape, numbers=(), out=None):
    """One pass over x, whatever its strides; its result, or the text of its error."""
    out = out or mid
    y = Guarded(out_shape, out)
    text = ctypes.create_string_buffer(2048)
    src, offset = where(x)
    status = LIB.inside_pass(block, code(x.dtype), code(mid), code(out), src, offset, x.ndim,
                             longs(x.shape), longs(x.strides), longs(numbers), I64(y.array.size),
                             y.pointer, text, 2048)
    return text.value.decode() if status else y.check()


def interesting(dtype, n, rng):
    """Random values with all the special ones in front."""
    dtype = np.dtype(dtype)
    if dtype == bool:
        return rng.integers(0, 2, n).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        x = rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
        edges = [info.min, info.max, 0, 1, info.max - 1, info.min + 1]
        edges += [v for k in (7, 8, 11, 15, 16, 24, 31, 32, 53, 63) for v in (2**k - 1, 2**k, 2**k + 1)]
        edges = [v for v in edges if info.min <= v <= info.max]
    else:
        bits = rng.integers(0, 2**(8 * dtype.itemsize), n, dtype=f"u{dtype.itemsize}")
        x = bits.view(dtype).copy()
        x[::3] = ((rng.random(len(x[::3])) - 0.5) * 600).astype(dtype)
        powers = [2.0**k for k in (7, 8, 15, 16, 31, 32, 63, 64)]
        edges = [0.0, -0.0, np.nan, np.inf, -np.inf, 0.5, -0.5, -0.999, 65503, 65519.99, 65520,
                 2.0**-24, 2.0**-25, 2.0**-25 * 1.0000001, 2.0**-14, 1 + 2.0**-11, 1 + 2.0**-11 + 2.0**-40]
        edges += [s * (p + d) for s in (1, -1) for p in powers for d in (-1, -0.5, 0, 0.5, 1)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            edges = list(np.array(edges).astype(dtype))
            edges += [np.nextafter(e, dtype.type(s)) for e in edges for s in (-np.inf, np.inf)]
    edges = np.array(edges, dtype)[:n]
    x[:len(edges)] = edges
    return x


def held(x, out):
    """Which values the integer type out holds after truncation, by exact arithmetic."""
    info = np.iinfo(out)
    return np.array([np.isfinite(v) and info.min <= int(v) <= info.max for v in x.tolist()], bool)


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_cast(source, target):
    rng = np.random.default_rng(7)
    for n in LENGTHS:
        x = interesting(source, n, rng)
        ints = np.dtype(target).kind in "iu"
        fits = held(x, target) if ints and np.dtype(source).kind != "b" else np.ones(n, bool)
        ok, _, bad = point(CAST, x, target)
        assert ok == fits.all()
        if not ok:
            assert bad == np.flatnonzero(~fits)[0]
        with np.errstate(all="ignore"):
            good = x[fits]
            ok, y, _ = point(CAST, good, target)
            assert ok
            same(y, good.astype(target))


@pytest.mark.parametrize("source", NUMBERS)
@pytest.mark.parametrize("target", NUMBERS[:8])
def test_overflow(source, target):
    x = interesting(source, 4099, np.random.default_rng(8))
    info = np.iinfo(target)
    size = 8 * np.dtype(target).itemsize

    def clip(v):
        if v != v:
            return 0
        return info.max if v >= info.max else info.min if v <= info.min else int(v)

    def wrap(v):
        if not np.isfinite(v):
            return 0
        v = int(v) % 2**size
        return v - 2**size if v > info.max else v

    for overflow, rule in ((1, clip), (2, wrap)):
        ok, y, _ = point(CAST, x, target, overflow)
        assert ok
        same(y, np.array([rule(v) for v in x.tolist()], target))


def test_half_exhaustive():
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    same(point(CAST, x, "float32")[1], x.astype(np.float32))
    # Every tie between neighbours, and the values next to it, in both wider types.
    finite = np.sort(x[np.isfinite(x)].astype(np.float64))
    ties = (finite[1:] + finite[:-1]) / 2
    for dtype in (np.float32, np.float64):
        t = ties.astype(dtype)
        t = np.concatenate([t, np.nextafter(t, dtype(np.inf)), np.nextafter(t, dtype(-np.inf))])
        same(point(CAST, t, "float16")[1], t.astype(np.float16))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rescale(dtype):
    rng = np.random.default_rng(9)
    for n in LENGTHS:
        x = (rng.random(n) * 255).astype(dtype)
        for a, b in ((1 / 255, 0.0), (1 / 127.5, -1.0), (0.1, 1e-3)):
            same(point(RESCALE, x, dtype, a=a, b=b)[1], x * dtype(a) + dtype(b))


def test_rescale_is_keras():
    tf_module()
    keras = pytest.importorskip("keras")
    x = np.arange(256, dtype=np.float32)
    for a, b in ((1 / 255, 0.0), (1 / 127.5, -1.0)):
        want = np.asarray(keras.layers.Rescaling(a, b)(x))
        same(point(RESCALE, x, np.float32, a=a, b=b)[1], want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count,inner", [(1, 1), (3, 1), (912, 1), (3, 700), (5, 3), (2000, 1),
                                         (700, 2), (2, 5000)])
def test_normalize(dtype, count, inner):
    rng = np.random.default_rng(10)
    for n, index in ((0, 0), (1, 5), (4099, 0), (4099, 1234567), (1024, count * inner - 1)):
        x = (rng.random(n) * 255).astype(dtype)
        mean, std = rng.random(2 * count + 9) * 100, rng.random(2 * count + 9) + 0.01
        for first, step in ((0, 1), (3, 2), (count + 1, -1), (2, 0)):
            at = first + step * ((index + np.arange(n)) // inner % count)
            want = (x - mean[at].astype(dtype)) / std[at].astype(dtype)
            got = point(NORMALIZE, x, dtype, mean=mean, std=std,
                        operand=[first, step, count, inner], index=index)
            same(got[1], want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_clip(dtype):
    x = interesting(dtype, 4099, np.random.default_rng(11))
    t = np.dtype(dtype).type
    if dtype == "bool":
        bounds = [(0, 1), (1, 1), (0, 0)]
    elif np.dtype(dtype).kind == "f":
        bounds = [(0.0, 1.0), (-0.1, 0.1), (-np.inf, 5), (3, 2), (np.nan, 1), (-0.0, 0.0), (0.0, -0.0)]
    else:
        bounds = [(0, 100), (3, 3), (9, 5), (np.iinfo(dtype).min, 7)]
    for lo, hi in bounds:
        same(point(CLIP, x, dtype, a=float(lo), b=float(hi))[1], np.clip(x, t(lo), t(hi)))


def strided_views(rng, dtype):
    """Views of many kinds, all with expected values from NumPy."""
    def data(*shape):
        return interesting(dtype, int(np.prod(shape)), rng).reshape(shape)

    yield data(3, 4, 5)
    yield data(33, 8, 9).transpose(1, 2, 0)
    yield data(9, 8, 33).transpose(2, 0, 1)
    yield data(70, 50).T
    yield data(130, 3).T
    yield data(3, 1300).T
    yield data(20, 30, 3)[3:17, ::-1]
    yield data(20, 30, 3)[::-2, 5:, ::-1]
    yield np.broadcast_to(data(40, 20, 1), (40, 20, 3))
    yield np.broadcast_to(data(1, 20, 1), (17, 20, 1))
    yield data(4, 1, 5)[:, :, 2]
    yield data(7)[2, ...]
    yield data(5, 0, 3)
    yield data(6, 5, 4, 3, 2).transpose(4, 2, 0, 3, 1)
    yield data(2, 3, 40, 50)[:, ::-1].transpose(3, 0, 2, 1)
    yield data(*[2] * 12).transpose(*range(11, -1, -1))
    yield np.broadcast_to(data(2, 1, 3), (2, 0, 3))
    yield data(300, 300).T[::3, ::2]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_copy_view(dtype):
    for x in strided_views(np.random.default_rng(12), dtype):
        y = Guarded(x.shape, dtype)
        src, offset = where(x)
        LIB.inside_copy(src, offset, x.ndim, longs(x.shape), longs(x.strides), y.pointer,
                        x.dtype.itemsize)
        assert y.check().tobytes() == x.tobytes()


@pytest.mark.parametrize("source,target", [("uint8", "float32"), ("float32", "float64"),
                                           ("uint16", "float16"), ("int32", "int32")])
def test_copy_pass(source, target):
    rng = np.random.default_rng(13)
    large = interesting(source, 400 * 400, rng)
    views = list(strided_views(rng, source)) + [
        large.reshape(400, 400).T, large.reshape(2, 80000).T, large.reshape(80000, 2).T,
        large.reshape(4, 40000)[::-1].T[::-1], large.reshape(4, 200, 200).transpose(1, 2, 0),
        np.broadcast_to(large[:80000, None], (80000, 3)), large.reshape(10, 400, 40).transpose(2, 1, 0)]
    for x in views:
        with np.errstate(all="ignore"):
            same(run(COPY, x, source, x.shape, out=target), np.ascontiguousarray(x).astype(target).reshape(x.shape))


@pytest.mark.parametrize("shift", range(1, 8))
def test_misaligned(shift):
    raw = np.random.default_rng(14).integers(0, 255, 8 * 3000 + 8, dtype=np.uint8)
    x = np.frombuffer(raw.data, "<f8", 3000, shift)
    for view in (x, x.reshape(30, 100).T):
        with np.errstate(all="ignore"):
            same(run(COPY, view, "float64", view.shape, out="float32"), view.astype(np.float32))
    image = np.frombuffer(raw.data, "<u2", 1200, shift).reshape(20, 20, 3)
    got = run(RESIZE, image, "float32", (9, 33, 3), (9, 33, 1))
    same(got, run(RESIZE, image.copy(), "float32", (9, 33, 3), (9, 33, 1)))


def test_value_range_error():
    x = np.array([1, 2, 300.5, 4], np.float32)
    text = run(COPY, x, "float32", x.shape, out="uint8")
    assert "error[value-range]" in text and "300.5" in text and "0 to 255" in text
    x = np.arange(100000, dtype=np.float64)[::-1] - 1
    assert "-1\n" in run(COPY, x, "float64", x.shape, out="uint32")


SIZES = [((7, 9), (5, 12)), ((7, 9), (14, 18)), ((64, 48), (7, 5)), ((1, 1), (3, 4)), ((5, 6), (1, 1)),
         ((13, 17), (13, 17)), ((13, 17), (13, 8)), ((13, 17), (5, 17)), ((2, 3), (11, 7)),
         ((100, 3), (33, 64)), ((31, 200), (32, 9)), ((240, 320), (224, 224))]


def image(dtype, shape, rng):
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * 300 - 20).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def tf_resize(x, size, method):
    """TensorFlow's answer; it has no kernels for bool, uint32 and uint64."""
    tf = tf_module()
    if x.dtype in (np.bool_, np.uint32, np.uint64):
        if method == "nearest":
            wide = x.astype(np.int64) if x.dtype != np.uint64 else x.view(np.int64)
            y = tf.image.resize(wide, size, method=method).numpy()
            return y.view(np.uint64) if x.dtype == np.uint64 else y.astype(x.dtype)
        x = x.astype(np.float32)
    return tf.image.resize(x, size, method=method).numpy()


def check_resize(x, size):
    shape = (*size, x.shape[2])
    contiguous = np.ascontiguousarray(x)
    same(run(RESIZE, x, "float32", shape, (*size, 1)), tf_resize(contiguous, size, "bilinear"))
    same(run(RESIZE, x, x.dtype.name, shape, (*size, 0)), tf_resize(contiguous, size, "nearest"))


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 129, 912])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_resize_channels(dtype, channels):
    rng = np.random.default_rng(15)
    for (h, w), size in SIZES:
        if h * w * channels > 3e6:
            continue
        check_resize(image(dtype, (h, w, channels), rng), size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_resize_dtypes(dtype):
    rng = np.random.default_rng(16)
    for (h, w), size in SIZES:
        x = image("uint8", (h, w, 3), rng) > 99 if dtype == "bool" else image(dtype, (h, w, 3), rng)
        check_resize(x, size)


def test_resize_rgb_widths():
    """Several values of an RGB row are made at a time, the last ones one by one."""
    rng = np.random.default_rng(27)
    for width in range(1, 60):
        x = image("uint8", (2, width, 3), rng)
        for out in (1, 2, 5, 6, 7, 10, 11, 16, 17, 29, 45, 64, 101):
            same(run(RESIZE, x, "float32", (2, out, 3), (2, out, 1)), tf_resize(x, (2, out), "bilinear"))


def test_resize_views():
    rng = np.random.default_rng(17)
    x = image("uint8", (50, 40, 6), rng)
    for view in (x[::-1], x[:, ::-1], x[..., ::-1], x[5:30, 3:33, 1:4], x.transpose(2, 0, 1),
                 x.transpose(1, 0, 2), np.broadcast_to(x[..., :1], (50, 40, 3)), x[::2, ::3, ::2]):
        for size in ((20, 21), (90, 7), (17, 100)):
            check_resize(view, size)


def test_resize_special_values():
    x = np.array([[[0.0], [np.inf], [-0.0]], [[np.nan], [1], [-np.inf]]], np.float32)
    for size in ((2, 3), (4, 6), (1, 2), (2, 6), (3, 3)):
        check_resize(x, size)


def test_resize_with_cast():
    x = image("uint8", (30, 20, 3), np.random.default_rng(18))
    want = tf_resize(x, (11, 12), "bilinear").astype(np.uint8)
    same(run(RESIZE, x, "float32", want.shape, (11, 12, 1), out="uint8"), want)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_grey_keras(dtype):
    tf = tf_module()
    rng = np.random.default_rng(19)
    for h, w in ((1, 2), (1, 3), (3, 5), (17, 31), (100, 100), (333, 517)):
        x = image(dtype, (h, w, 3), rng)
        if np.dtype(dtype).kind in "iu":
            x[0, 0] = np.iinfo(dtype).max
        for view in (x, x[::-1, :, ::-1], np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0)):
            want = tf.image.rgb_to_grayscale(np.ascontiguousarray(view)).numpy()
            same(run(GREY_KERAS, view, dtype, (h, w, 1)), want)


def test_grey_keras_of_one_pixel():
    # TensorFlow takes another way for a matrix of one row, with fused roundings where the CPU has them.
    tf = tf_module()
    for x in image("float32", (200, 1, 1, 3), np.random.default_rng(19)):
        want = tf.image.rgb_to_grayscale(x).numpy()
        np.testing.assert_array_max_ulp(run(GREY_KERAS, x, "float32", (1, 1, 1)), want, 2)


def test_grey_pillow():
    pil = pytest.importorskip("PIL.Image")
    x = image("uint8", (400, 500, 3), np.random.default_rng(20))
    want = np.asarray(pil.fromarray(x).convert("L"))[..., None]
    same(run(GREY_PILLOW, x, "uint8", want.shape), want)
    assert "error[dtype]" in run(GREY_PILLOW, x.astype(np.uint16), "uint16", want.shape)


MEAN, SUM, MIN, MAX = range(4)


def reduce(x, axes, op, mid):
    """axes: which of x are reduced."""
    kept = [a for a in range(x.ndim) if a not in axes]
    view = x.transpose(*kept, *axes)
    return run(REDUCE, view, mid, tuple(x.shape[a] for a in kept), (op, len(axes)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape,axes", [((32, 31, 3), (0, 1)), ((32, 31, 3), (2,)), ((5, 6, 912), (0, 1)),
                                        ((30, 40, 3), (0, 1, 2)), ((7, 2000), (1,)), ((2000, 7), (1,)),
                                        ((2000, 7), (0,)), ((4, 5, 6, 7), (1, 3)), ((5000,), (0,)),
                                        ((1, 1), (0,)), ((3, 4), ())])
def test_reduce(dtype, shape, axes):
    rng = np.random.default_rng(21)
    x = image("uint8", shape, rng) > 99 if dtype == "bool" else image(dtype, shape, rng)
    for view in (x, x[::-1]):
        for op, numpy_op in ((MIN, np.min), (MAX, np.max)):
            same(reduce(view, axes, op, dtype), np.asarray(numpy_op(view, axis=axes)))
        real = np.dtype(dtype).kind == "f"
        mid = "float64" if dtype == "float64" else "float32"
        exact = view.astype(np.longdouble)
        got = reduce(view, axes, MEAN, mid)
        np.testing.assert_allclose(got, exact.mean(axis=axes), rtol=1e-6, atol=1e-6)
        with np.errstate(over="ignore"):
            want = np.asarray(np.sum(view, axis=axes))
        if real:
            np.testing.assert_allclose(reduce(view, axes, SUM, mid), exact.sum(axis=axes), rtol=1e-6)
        else:
            same(reduce(view, axes, SUM, want.dtype.name), want)


def test_reduce_special_values():
    x = np.array([[1, np.nan, 3], [np.inf, 2, 5], [-np.inf, np.inf, 0]], np.float32)
    for axes in ((0,), (1,), (0, 1)):
        same(reduce(x, axes, MIN, "float32"), np.asarray(np.min(x, axis=axes)))
        same(reduce(x, axes, MAX, "float32"), np.asarray(np.max(x, axis=axes)))
        with np.errstate(invalid="ignore"):
            same(reduce(x, axes, MEAN, "float32"), np.asarray(np.mean(x, axis=axes)))
    empty = np.empty((2, 0), np.float32)
    assert np.isnan(reduce(empty, (1,), MEAN, "float32")).all()
    same(reduce(empty, (1,), SUM, "float32"), np.zeros(2, np.float32))
    assert "error[axis-size]" in reduce(empty, (1,), MAX, "float32")


def moments(x, parts):
    out = np.zeros(7)
    LIB.inside_moments(ctypes.c_void_p(x.ctypes.data), I64(x.size), code(x.dtype),
                       longs([*parts, 0]), ctypes.c_void_p(out.ctypes.data))
    return out


def slow_moments(x):
    """The documented order of additions, one at a time."""
    lanes = lambda v: [sum_in_order(v[i::32]) for i in range(32)]

    def sum_in_order(v):
        total = np.float64(0)
        for one in v:
            total = total + one
        return total

    def tree(l):
        while len(l) > 1:
            l = [a + b for a, b in zip(l[:len(l) // 2], l[len(l) // 2:])]
        return l[0]

    count, mean, m2 = 0, np.float64(0), np.float64(0)
    for at in range(0, len(x), 4096):
        block = x[at:at + 4096].astype(np.float64)
        block = block[np.isfinite(block)]
        if len(block) == 0:
            continue
        n = len(block)
        away = block - block[0]  # one pass: from the first value, not from the mean
        total, squares = tree(lanes(away)), tree(lanes(away * away))
        m = block[0] + total / n
        s = max(squares - total * (total / n), np.float64(0))
        if count == 0:
            count, mean, m2 = n, m, s
        else:
            delta, total = m - mean, np.float64(count + n)
            mean = mean + delta * (n / total)
            m2 = m2 + (s + delta * delta * (np.float64(count) * n / total))
            count += n
    return count, mean, m2


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments(dtype):
    rng = np.random.default_rng(22)
    for n in (1, 5, 8, 1000, 4096, 4097, 20011):
        x = rng.integers(0, 2, n).astype(bool) if dtype == "bool" else image(dtype, (n,), rng)
        if np.dtype(dtype).kind == "f" and n > 100:
            x[[3, 50, 99]] = np.nan, np.inf, -np.inf
        got = moments(x, [n])
        good = x[np.isfinite(x)].astype(np.float64)
        assert tuple(got[:3]) == (good.size, np.isnan(x).sum(), np.isinf(x).sum())
        assert (got[3], got[4]) == (good.min(), good.max())
        np.testing.assert_allclose(got[5], good.mean(), rtol=1e-12)
        np.testing.assert_allclose(got[6], ((good - good.mean())**2).sum(), rtol=1e-10)
        assert (got[0], got[5], got[6]) == slow_moments(x)
        if n > 1000:
            parted = moments(x, [17, 900, n - 917])
            assert tuple(parted[:5]) == tuple(got[:5])
            np.testing.assert_allclose(parted[5:], got[5:], rtol=1e-10)


def test_moments_of_nothing():
    got = moments(np.array([np.nan, np.inf], np.float32), [2])
    assert list(got) == [0, 1, 1, np.inf, -np.inf, 0, 0]

"""Stages, alone and in random pipelines, against NumPy, TensorFlow and Pillow."""
import ctypes
import glob
import os
import warnings

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
          "float16", "float32", "float64"]
NUMBERS = DTYPES[1:]
KERAS, PILLOW, OPENCV = range(3)
GREY, GREY_ALPHA, RGB, RGBA = range(1, 5)
VALUE_RANGE = 26
F32, F64 = np.float32, np.float64


class Sample(ctypes.Structure):
    """inside_sample of inside_stages.c."""

    _fields_ = [
        ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32), ("colour", ctypes.c_int32),
        ("decoded", ctypes.c_int32), ("shape", ctypes.c_int64 * 64),
        ("strides", ctypes.c_int64 * 64), ("axes", ctypes.c_char * 72), ("lo", ctypes.c_double),
        ("hi", ctypes.c_double), ("data", ctypes.c_void_p),
    ]


def load():
    path = os.environ.get("KPREP_INSIDE")
    if path is None:
        found = glob.glob(os.path.join(ROOT, "build", "*", "lib", "libkprep_inside.so"))
        if not found:
            pytest.skip("libkprep_inside.so is not built", allow_module_level=True)
        path = max(found, key=os.path.getmtime)
    return ctypes.CDLL(path)


LIB = load()


class StageError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Result:
    """The values, and what the description says of them."""

    def __init__(self, array, sample, passes):
        self.array = array
        self.axes = sample.axes.decode()
        self.lo, self.hi, self.colour = sample.lo, sample.hi, sample.colour
        self.passes = passes


def run(pipeline, array, axes="", like=KERAS, colour=0, room=1 << 22):
    sample = Sample(DTYPES.index(array.dtype.name), array.ndim, colour, 0)
    sample.shape[:array.ndim] = array.shape
    sample.strides[:array.ndim] = array.strides
    sample.axes = axes.encode()
    sample.data = array.ctypes.data
    out = np.full(room, 0xA5, np.uint8)
    passes = ctypes.c_int32()
    message = ctypes.create_string_buffer(800)
    status = LIB.inside_stages(pipeline.encode(), like, ctypes.byref(sample),
                               ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(room - 64),
                               ctypes.byref(passes), message, len(message))
    if status != 0:
        raise StageError(status, message.value.decode())
    dtype = np.dtype(DTYPES[sample.dtype])
    shape = tuple(sample.shape[:sample.rank])
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    assert (out[size:] == 0xA5).all(), "written beyond the end"
    return Result(out[:size].view(dtype).reshape(shape), sample, passes.value)


def same(result, expected):
    array = result.array
    assert array.dtype == expected.dtype and array.shape == expected.shape
    np.testing.assert_array_equal(array, expected)
    if array.size and array.dtype.kind != "b":
        finite = array[np.isfinite(array)].astype(F64)
        assert (finite >= result.lo).all() and (finite <= result.hi).all()


def numbers(rng, shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 100).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def strided(rng, shape, dtype):
    """An array whose memory is not in C order, or runs backwards, or has gaps."""
    array = numbers(rng, tuple(2 * n for n in shape), dtype)
    order = rng.permutation(len(shape))
    array = np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))
    for axis in range(len(shape)):
        step = int(rng.choice([1, 2, -1, -2]))
        array = np.flip(array, axis) if step < 0 else array
        array = array[(slice(None),) * axis + (slice(None, None, abs(step)),)]
        array = array[(slice(None),) * axis + (slice(0, shape[axis]),)]
    assert array.shape == tuple(shape)
    return array


LAYOUTS = [
    ("expand_dims -1", lambda x: np.expand_dims(x, -1)),
    ("expand_dims 1", lambda x: np.expand_dims(x, 1)),
    ("transpose 2 0 1", lambda x: x.transpose(2, 0, 1)),
    ("transpose", np.transpose),
    ("moveaxis 0 -1", lambda x: np.moveaxis(x, 0, -1)),
    ("moveaxis [0, 1] [2, 0]", lambda x: np.moveaxis(x, [0, 1], [2, 0])),
    ("moveaxis 2,0 0,1", lambda x: np.moveaxis(x, [2, 0], [0, 1])),
    ("reshape 4 -1", lambda x: x.reshape(4, -1)),
    ("reshape 2 3 -1 5", lambda x: x.reshape(2, 3, -1, 5)),
    ("flatten", np.ravel),
    ("flip 0 | flip w", lambda x: x[::-1, ::-1]),
    ("flip c", lambda x: np.flip(x, 2)),
    ("select 0 0,2", lambda x: x[[0, 2]]),
    ("select h -1,-2,-3", lambda x: x[[-1, -2, -3]]),
    ("select w 0,1,3,1", lambda x: x[:, [0, 1, 3, 1]]),
    ("select c 4,-5,2,2", lambda x: x[:, :, [4, -5, 2, 2]]),
    ("select h 3,0,0", lambda x: x[[3, 0, 0]]),
    ("select h 1,1,1,1,1", lambda x: x[[1] * 5]),
    ("crop 1 2 2 3", lambda x: x[1:3, 2:5]),
    ("center_crop 3 3", lambda x: x[0:3, 1:4]),
    ("center_crop 1 5", lambda x: x[1:2, 0:5]),
    ("rearrange 'h w c -> c w h'", lambda x: x.transpose(2, 1, 0)),
    ("rearrange 'h (a b) c -> h a (b c)' a=2", lambda x: x.reshape(4, 2, -1)),
    ("rearrange 'h (a b) c -> (b h) (c a)' b=3",
     lambda x: x.reshape(4, 2, 3, 5).transpose(2, 0, 3, 1).reshape(12, 10)),
    ("rearrange '(g h) w c -> 1 g h (w c) 1' h=2",
     lambda x: x.reshape(1, 2, 2, 30, 1)),
    ("rearrange 'h w c -> (c h w)'", lambda x: x.transpose(2, 0, 1).ravel()),
    ("rearrange 'h w c -> h w c'", lambda x: x),
    ("expand_dims 0 | squeeze", lambda x: x),
]


@pytest.mark.parametrize("pipeline,reference", LAYOUTS, ids=[p for p, _ in LAYOUTS])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_layout(pipeline, reference, dtype):
    rng = np.random.default_rng(1)
    for array in (numbers(rng, (4, 6, 5), dtype), strided(rng, (4, 6, 5), dtype)):
        same(run(pipeline, array), np.ascontiguousarray(reference(array)))


def test_empty_and_scalars():
    empty = np.zeros((0, 4, 3), F32)
    for pipeline, shape in (("flatten", (0,)), ("transpose", (3, 4, 0)), ("flip 0", (0, 4, 3)),
                            ("select c 0,2,1", (0, 4, 3)), ("rescale 2", (0, 4, 3)),
                            ("reduce w max", (0, 3)), ("grayscale", (0, 4, 1))):
        assert run(pipeline, empty).array.shape == shape
    scalar = np.array(7, np.uint8)
    same(run("rescale 2 1", scalar), np.array(15, F32))
    same(run("expand_dims 0", scalar), np.array([7], np.uint8))
    same(run("reduce 0,1 sum", scalar.reshape(1, 1)), np.array(7, np.uint64))


def test_views_cost_nothing():
    array = numbers(np.random.default_rng(2), (8, 9, 3), np.uint8)
    result = run("transpose 2 0 1 | flip 0 | crop 1 1 5 6 | cast float32 | rescale 1/255 | "
                 "normalize 1,2,3 4,5,6 | expand_dims 0", array, "hwc")
    assert result.passes == 1
    expected = array.transpose(2, 0, 1)[::-1][:, 1:6, 1:7].astype(F32)
    expected = expected * F32(1 / 255) + F32(0)
    expected = (expected - np.array([1, 2, 3], F32)[:, None, None])
    expected = expected / np.array([4, 5, 6], F32)[:, None, None]
    same(result, expected[None])


@pytest.mark.parametrize("dtype", NUMBERS)
def test_arithmetic(dtype):
    rng = np.random.default_rng(3)
    real = F64 if dtype == "float64" else F32
    for array in (numbers(rng, (7, 50, 3), dtype), strided(rng, (7, 50, 3), dtype)):
        with np.errstate(over="ignore"):
            x = array.astype(real)
            same(run("rescale 1/127.5 -1", array), x * real(1 / 127.5) + real(-1))
            mean, std = np.array([.485, .456, .406], real), np.array([.229, .224, .225], real)
            same(run("normalize 0.485,0.456,0.406 0.229,0.224,0.225", array), (x - mean) / std)
            same(run("normalize 0.5 0.25", array), (x - real(.5)) / real(.25))
            same(run("normalize 0.5,1,2 3 | transpose 2 0 1", array),
                 ((x - np.array([.5, 1, 2], real)) / real(3)).transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", NUMBERS)
def test_clip(dtype):
    array = numbers(np.random.default_rng(4), (9, 31), dtype)
    same(run("clip 3 100", array), np.clip(array, 3, 100))
    same(run("clip -.inf 50", array), np.minimum(array, array.dtype.type(50)))
    same(run("clip 7 .inf", array), np.maximum(array, array.dtype.type(7)))
    if array.dtype.kind == "f":
        same(run("clip 0.1 0.9", array), np.clip(array, 0.1, 0.9))


def test_cast():
    reals = np.array([-1.9, -0.5, 0, 1.5, 254.9, 255.9], F32)
    same(run("cast int16", reals), reals.astype(np.int16))
    same(run("cast uint8", reals[1:]), reals[1:].astype(np.uint8))
    with pytest.raises(StageError) as caught:
        run("cast uint8", reals)
    assert caught.value.status == VALUE_RANGE
    with pytest.raises(StageError):
        run("cast uint8", np.array([np.nan], F32))
    wild = np.array([-300.7, -1.5, np.nan, np.inf, 256.5, 300.7], F64)
    same(run("cast uint8 clip", wild), np.array([0, 0, 0, 255, 255, 255], np.uint8))
    wide = np.array([-1, 0, 255, 256, 70000], np.int64)
    same(run("cast uint8 wrap", wide), wide.astype(np.uint8))
    same(run("cast float16", wide[:4]), wide[:4].astype(np.float16))
    same(run("cast bool", wide), wide.astype(bool))


@pytest.mark.parametrize("dtype", DTYPES)
def test_reduce(dtype):
    rng = np.random.default_rng(5)
    for array in (numbers(rng, (5, 7, 3), dtype), strided(rng, (5, 7, 3), dtype)):
        for names, axis in (("h,w", (0, 1)), ("c", 2), ("0", 0), ("h,w,c", (0, 1, 2)),
                            ("-1,0", (0, 2))):
            same(run(f"reduce {names} min", array), np.asarray(array.min(axis)))
            same(run(f"reduce {names} max", array), np.asarray(array.max(axis)))
            total, mean = run(f"reduce {names} sum", array), run(f"reduce {names}", array)
            if array.dtype.kind != "f":
                same(total, np.asarray(array.sum(axis)))
            else:
                assert total.array.dtype == array.dtype
                np.testing.assert_allclose(total.array, array.astype(F64).sum(axis), rtol=1e-3,
                                           atol=1e-1)
            assert mean.array.dtype == (F64 if dtype == "float64" else F32)
            np.testing.assert_allclose(mean.array, array.astype(F64).mean(axis), rtol=1e-6,
                                       atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float16", "float32",
                                   "float64"])
@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_resize(dtype, method):
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(6)
    for shape in ((13, 9, 3), (5, 21, 1), (4, 4, 17)):
        array = strided(rng, shape, dtype)
        for height, width in ((7, 5), (13, 9), (20, 33)):
            expected = tf.image.resize(np.ascontiguousarray(array), (height, width), method)
            expected = expected.numpy()
            text = f"resize {height} {width} {method}"
            same(run(text, array), expected)
            same(run(text, array[:, :, 0]), np.ascontiguousarray(expected[:, :, 0]))
            channels_first = array.transpose(2, 0, 1)
            same(run(text, channels_first, "chw"),
                 np.ascontiguousarray(expected.transpose(2, 0, 1)))
    movie = strided(rng, (3, 6, 5, 2), dtype)
    expected = tf.image.resize(np.ascontiguousarray(movie), (4, 9), method).numpy()
    same(run(f"resize 4 9 {method}", movie, "thwc"), expected)
    same(run(f"transpose 3 0 1 2 | resize 4 9 {method} | flip t", movie, "thwc"),
         np.ascontiguousarray(expected.transpose(3, 0, 1, 2)[:, ::-1]))


def test_grayscale_keras():
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(7)
    for dtype in ("uint8", "uint16", "float32"):
        array = strided(rng, (11, 12, 3), dtype)
        expected = tf.image.rgb_to_grayscale(np.ascontiguousarray(array)).numpy()
        same(run("grayscale", array), expected)
        same(run("transpose 2 0 1 | grayscale", array), expected.transpose(2, 0, 1))
        alpha = numbers(rng, (11, 12, 4), dtype)
        expected = tf.image.rgb_to_grayscale(np.ascontiguousarray(alpha[..., :3])).numpy()
        same(run("grayscale", alpha, colour=RGBA), expected)
        same(run("grayscale", alpha[..., :2], colour=GREY_ALPHA), alpha[..., :1])
        same(run("grayscale", alpha[..., 1:2], colour=GREY), alpha[..., 1:2])


def test_grayscale_pillow():
    image = pytest.importorskip("PIL.Image")
    array = numbers(np.random.default_rng(8), (64, 64, 3), np.uint8)
    expected = np.asarray(image.fromarray(array).convert("L"))[..., None]
    same(run("grayscale", array, like=PILLOW), expected)


def test_rgb():
    array = numbers(np.random.default_rng(9), (5, 6, 4), np.uint8)
    same(run("rgb", array, colour=RGBA), array[..., :3])
    same(run("rgb", array[..., :3], colour=RGB), array[..., :3])
    same(run("rgb", array[..., :2], colour=GREY_ALPHA), np.repeat(array[..., :1], 3, 2))
    same(run("rgb | normalize 1,2,3 2", array[..., :1]),
         (np.repeat(array[..., :1], 3, 2).astype(F32) - np.array([1, 2, 3], F32)) / F32(2))


class Reference:
    """A sample as NumPy has it, and random stages that are valid for it."""

    def __init__(self, rng, array):
        self.rng, self.array = rng, array
        self.real = array.dtype

    def pick(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def axis(self):
        """An axis, as a user may write it, and its number."""
        number = self.pick(0, self.array.ndim - 1)
        return (number - self.array.ndim if self.pick(0, 1) else number), number

    def expand_dims(self):
        place = self.pick(-self.array.ndim - 1, self.array.ndim)
        self.array = np.expand_dims(self.array, place)
        return f"expand_dims {place}"

    def squeeze(self):
        self.array = self.array.squeeze()
        return "squeeze"

    def transpose(self):
        order = self.rng.permutation(self.array.ndim)
        self.array = self.array.transpose(order)
        return "transpose [" + ", ".join(map(str, order)) + "]"

    def moveaxis(self):
        (source, _), (place, _) = self.axis(), self.axis()
        self.array = np.moveaxis(self.array, source, place)
        return f"moveaxis {source} {place}"

    def flip(self):
        name, number = self.axis()
        self.array = np.flip(self.array, number)
        return f"flip {name}"

    def select(self):
        name, number = self.axis()
        size = self.array.shape[number]
        places = [self.pick(-size, size - 1) for _ in range(self.pick(1, size + 1))]
        self.array = np.take(self.array, places, number)
        return f"select {name} " + ",".join(map(str, places))

    def reshape(self):
        size, shape = self.array.size, []
        for factor in (2, 3, 4, 5):
            if size % factor == 0 and self.pick(0, 1):
                shape.append(factor)
                size //= factor
        shape.append(-1)
        self.array = self.array.reshape(shape)
        return "reshape " + " ".join(map(str, shape))

    def rearrange(self):
        """Splits an axis in two, permutes, merges two neighbours."""
        names = [f"x{i}" for i in range(self.array.ndim)]
        left, shape, flat = list(names), list(self.array.shape), list(names)
        _, number = self.axis()
        size, length = shape[number], 1
        for factor in (2, 3, 5):
            if size % factor == 0:
                length = factor
        left[number] = "(a b)"
        flat[number:number + 1] = ["a", "b"]
        shape[number:number + 1] = [length, size // length]
        order = [int(i) for i in self.rng.permutation(len(flat))]
        array = self.array.reshape(shape).transpose(order)
        right = [flat[i] for i in order]
        merge = self.pick(0, len(right) - 2)
        right[merge:merge + 2] = [f"({right[merge]} {right[merge + 1]})"]
        shape = list(array.shape)
        shape[merge:merge + 2] = [shape[merge] * shape[merge + 1]]
        self.array = array.reshape(shape)
        return f"rearrange '{' '.join(left)} -> {' '.join(right)}' a={length}"

    def to_real(self):
        dtype = F64 if self.array.dtype == F64 else F32
        self.array = self.array.astype(dtype)
        return dtype

    def rescale(self):
        scale, offset = self.pick(-8, 8) / 16, self.pick(-3, 3) / 8
        real = self.to_real()
        self.array = self.array * real(scale) + real(offset)
        return f"rescale {scale} {offset}"

    def normalize(self):
        mean, std = self.pick(-9, 9) / 8, self.pick(1, 9) / 7
        real = self.to_real()
        self.array = (self.array - real(mean)) / real(std)
        return f"normalize {mean} {std!r}"

    def clip(self):
        low, high = self.pick(0, 20), self.pick(20, 100)
        self.array = np.clip(self.array, low, high)
        return f"clip {low} {high}"

    def cast(self):
        dtype = str(self.rng.choice(["float32", "float64"]))
        self.array = self.array.astype(dtype)
        return f"cast {dtype}"

    def reduce(self):
        name, number = self.axis()
        op = str(self.rng.choice(["min", "max"]))
        self.array = getattr(self.array, op)(number)
        return f"reduce {name} {op}"


STAGES = ["expand_dims", "squeeze", "transpose", "moveaxis", "flip", "select", "reshape",
          "rearrange", "rescale", "normalize", "clip", "cast", "reduce"]


@pytest.mark.parametrize("seed", range(400))
def test_random_pipeline(seed):
    rng = np.random.default_rng([10, seed])
    shape = tuple(int(n) for n in rng.integers(1, 13, rng.integers(1, 5)))
    dtype = str(rng.choice(["uint8", "int8", "uint16", "int16", "float32", "float64"]))
    array = strided(rng, shape, dtype) if seed % 2 else numbers(rng, shape, dtype)
    reference, stages = Reference(rng, array), []
    for _ in range(int(rng.integers(1, 13))):
        name = str(rng.choice(STAGES))
        rank, size = reference.array.ndim, reference.array.size
        if rank == 0 or (rank > 5 and name == "expand_dims") or (size > 9999 and name == "select"):
            continue
        if reference.array.dtype == np.int8 and name == "clip":
            continue
        if name == "reduce" and rank < 3:
            continue
        stages.append(getattr(reference, name)())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(run(" | ".join(stages), array, "_" * len(shape)), np.asarray(reference.array))


def test_longest_pipelines():
    """64 stages, each of which needs passes of its own: at most two each and one more."""
    array = numbers(np.random.default_rng(12), (4, 6, 8), np.uint8)
    costly = ["rearrange '(a b) (c d) (e f) -> (e c) (f a) (d b)' a=2 c=2 e=2",
              "resize 3 5 nearest", "select c 0,3,1 | transpose 2 0 1",
              "rearrange 'a b c -> (b c) a 1' | rearrange '(a b) c 1 -> c b a' a=2",
              "transpose 2 0 1 | reduce 0 max | expand_dims 0 | resize 4 7 nearest"]
    for seed in range(60):
        rng = np.random.default_rng([13, seed])
        stages, axes = [], str(rng.choice(["hwc", "chw", "cwh"]))
        while len(stages) < 64:
            more = str(rng.choice(costly)).split(" | ")
            try:
                run(" | ".join(stages + more), array, axes)
                stages += more
            except StageError:
                stages.append("transpose 2 0 1")
        assert run(" | ".join(stages[:64]), array, axes).passes <= 129


@pytest.mark.parametrize("seed", range(120))
def test_random_channels(seed):
    """Per-channel numbers through layout changes: the channel axis is named, and moves."""
    rng = np.random.default_rng([11, seed])
    channels = int(rng.integers(2, 7))
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), channels)
    array = strided(rng, shape, "uint8")
    means = rng.integers(0, 200, channels).tolist()
    stds = rng.integers(1, 9, channels).tolist()
    order = rng.permutation(3)
    steps = [f"transpose {order[0]} {order[1]} {order[2]}"]
    expected, c = array.transpose(order), int(np.argsort(order)[2])
    if rng.integers(2):
        steps.append("flip c")
        expected = np.flip(expected, c)
    if rng.integers(2):
        steps.append("expand_dims 0")
        expected, c = expected[None], c + 1
    side = [1] * expected.ndim
    side[c] = channels
    steps.append("normalize " + ",".join(map(str, means)) + " " + ",".join(map(str, stds)))
    expected = expected.astype(F32) - np.array(means, F32).reshape(side)
    expected = expected / np.array(stds, F32).reshape(side)
    tail = int(rng.integers(5))
    if tail == 0:
        steps.append("flatten")
        expected = expected.ravel()
    elif tail == 1:
        steps.append("flip c | transpose")
        expected = np.flip(expected, c).T
    elif tail == 2:
        steps.append("select c 0,1,0 | rescale 2")
        expected = np.take(expected, [0, 1, 0], c) * F32(2) + F32(0)
    elif tail == 3:
        steps.append("moveaxis c 0 | reshape -1")
        expected = np.moveaxis(expected, c, 0).reshape(-1)
    else:
        steps.append("reduce c max")
        expected = expected.max(c)
    same(run(" | ".join(steps), array, "hwc"), np.ascontiguousarray(expected))

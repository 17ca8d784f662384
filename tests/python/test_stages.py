"""Stages, alone and in random pipelines, against NumPy, TensorFlow, Pillow and einops."""
import warnings

import numpy as np
import pytest

from stages_lib import (DTYPES, F32, F64, GREY, GREY_ALPHA, NUMBERS, OPENCV, PILLOW, RGB, RGBA,
                        VALUE_RANGE, StageError, numbers, run, same, strided)

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


ELLIPSES = [("... c -> c ...", {}), ("h ... -> h (...)", {}), ("... -> (...)", {}),
            ("... (g c) -> g ... c", {"g": 2}), ("h ... c -> (h c) ... 1", {}), ("...->...", {}),
            ("h w ... -> w (... h)", {}), ("a ... b -> (b ... a)", {}),
            ("(a b) ... -> b 1 (... a)", {"a": 2})]


@pytest.mark.parametrize("pattern,lengths", ELLIPSES, ids=[p for p, _ in ELLIPSES])
@pytest.mark.parametrize("shape", [(4, 6), (4, 5, 6), (2, 3, 2, 4), (2, 3, 2, 2, 4)])
def test_ellipsis(pattern, lengths, shape):
    einops = pytest.importorskip("einops")
    array = strided(np.random.default_rng(14), shape, "uint16")
    words = "".join(f" {name}={size}" for name, size in lengths.items())
    same(run(f"rearrange '{pattern}'{words}", array),
         np.ascontiguousarray(einops.rearrange(array, pattern, **lengths)))


def test_ellipsis_of_no_axes():
    einops = pytest.importorskip("einops")
    array = numbers(np.random.default_rng(15), (4, 6), "float32")
    for pattern in ("h w ... -> w h ...", "h ... w -> h (...) w", "... h w -> (h ... w)"):
        same(run(f"rearrange '{pattern}'", array),
             np.ascontiguousarray(einops.rearrange(array, pattern)))
    same(run("rearrange '... -> 1 ...'", np.array(3, np.int8)), np.array([3], np.int8))


def test_ellipsis_of_most_axes():
    array = numbers(np.random.default_rng(16), (2, 3) + (1,) * 62, "uint8")
    same(run("rearrange 'x ... y -> y ... x'", array), np.swapaxes(array, 0, 63))
    same(run("rearrange '... -> (...)'", array), array.ravel())
    for pattern in ("... -> 1 ...", "(a b) ... -> a b ..."):
        with pytest.raises(StageError, match="needs fewer axes"):
            run(f"rearrange '{pattern}' {'a=1' if 'a' in pattern else ''}", array)


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


def test_bgr():
    array = numbers(np.random.default_rng(9), (5, 6, 4), np.uint8)
    same(run("bgr", array, colour=RGBA), array[..., 2::-1])
    same(run("bgr", array[..., :3], colour=RGB), array[..., 2::-1])
    same(run("bgr", array[..., :2], colour=GREY_ALPHA), np.repeat(array[..., :1], 3, 2))
    same(run("bgr | normalize 1,2,3 2", array[..., 2:3], colour=GREY),
         (np.repeat(array[..., 2:3], 3, 2).astype(F32) - np.array([1, 2, 3], F32)) / F32(2))
    same(run("bgr | transpose 2 0 1", array[..., :3]), array[..., 2::-1].transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pad(mode, dtype):
    """Also by more than the axis is long, which NumPy mirrors over and over."""
    rng = np.random.default_rng(16)
    for shape in ((4, 5, 3), (1, 2, 1), (7, 1, 600)):
        for array in (numbers(rng, shape, dtype), strided(rng, shape, dtype)):
            for top, bottom, left, right in ((1, 2, 3, 0), (0, 0, 0, 1), (11, 0, 9, 17)):
                value, words = {}, f"mode={mode}"
                if mode == "constant":
                    value = {"constant_values": 1 if dtype == "bool" else 7}
                    words += " value=" + str(value["constant_values"])
                width = ((top, bottom), (left, right), (0, 0))
                expected = np.pad(array, width, mode, **value)
                same(run(f"pad {top} {bottom} {left} {right} {words}", array), expected)
                same(run(f"transpose 2 1 0 | pad {top} {bottom} {left} {right} {words}", array),
                     expected.transpose(2, 1, 0))
                width = ((top, left), (0, 0), (top, left))
                expected = np.pad(array, width, mode, **value)
                same(run(f"pad axis=h,-1 before={top} after={left} {words}", array), expected)


def test_pad_between():
    """Beside points, of nothing, and of empty axes."""
    array = numbers(np.random.default_rng(17), (6, 5, 3), np.uint8)
    expected = np.pad(array.astype(F32) * F32(2) + F32(0), ((1, 1), (2, 2), (0, 0)),
                      constant_values=F32(0.1))
    result = run("rescale 2 | pad 1 1 2 2 value=0.1 | clip 0 99", array)
    same(result, np.clip(expected, 0, 99))
    assert result.passes == 2
    same(run("pad", array), array)
    empty = np.zeros((0, 5, 3), np.int16)
    same(run("pad 1 2 value=-4", empty), np.full((3, 5, 3), -4, np.int16))
    same(run("pad left=1 mode=edge", empty), np.zeros((0, 6, 3), np.int16))
    for dtype, value in (("int64", -2**63), ("uint64", 2**53), ("int8", -128), ("float16", -.1)):
        same(run(f"pad 1 value={value}", np.ones((2, 2), dtype)),
             np.pad(np.ones((2, 2), dtype), ((1, 0), (0, 0)), constant_values=value))


def test_rotate90():
    array = strided(np.random.default_rng(18), (4, 5, 3), np.int16)
    for k in (-7, -2, -1, 0, 1, 2, 3, 4, 9, 2**60 + 1):
        same(run(f"rotate90 {k}", array), np.rot90(array, k))
        same(run(f"rotate90 {k}", array, "cwh"), np.rot90(array, k, (2, 1)))
    assert run("rotate90 | rescale 2", array).passes == 1
    same(run("rotate90 | rotate90 -1", array), array)


def test_alpha_drop():
    array = numbers(np.random.default_rng(19), (5, 6, 4), np.uint16)
    same(run("alpha", array, colour=RGBA), array[..., :3])
    same(run("alpha drop | flip w", array[..., :2], colour=GREY_ALPHA), array[:, ::-1, :1])
    same(run("alpha", array.transpose(2, 0, 1), "chw", colour=RGBA),
         array[..., :3].transpose(2, 0, 1))


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (13, 128, 201)])
def test_alpha_blend_pillow(background):
    """Every pair of colour and alpha, by both of Pillow's ways to lay an image on another."""
    image = pytest.importorskip("PIL.Image")
    array = np.empty((256, 256, 4), np.uint8)
    array[..., :3] = np.arange(256)[:, None, None]
    array[..., 3] = np.arange(256)
    array[..., 1] ^= 170
    picture = image.fromarray(array)
    under = image.new("RGB", picture.size, background)
    under.paste(picture, mask=picture.getchannel("A"))
    expected = np.asarray(under)
    under = image.new("RGBA", picture.size, background + (255,))
    other = np.asarray(image.alpha_composite(under, picture))[..., :3]
    np.testing.assert_array_equal(expected, other)
    words = ",".join(map(str, background))
    same(run(f"alpha blend {words}", array, colour=RGBA), expected)
    same(run(f"transpose 2 0 1 | alpha mode=blend background={words}", array, colour=RGBA),
         expected.transpose(2, 0, 1))
    if background == (255, 255, 255):
        same(run("alpha blend", array, colour=RGBA), expected)
    under = image.new("L", picture.size, background[2])
    under.paste(picture.getchannel("B"), mask=picture.getchannel("A"))
    same(run(f"alpha blend {background[2]}", array[..., 2:], colour=GREY_ALPHA),
         np.asarray(under)[..., None])


@pytest.mark.parametrize("dtype", ["uint16", "float16", "float32", "float64"])
def test_alpha_blend_formula(dtype):
    rng = np.random.default_rng(20)
    array = numbers(rng, (700, 3, 4), "uint16" if dtype == "uint16" else "uint8")
    array[:2, :, 3] = [[0], [np.iinfo(array.dtype).max]]
    under = [9, 255, 30]
    exact = array.astype(object)  # Python's integers
    white = int(np.iinfo(array.dtype).max)
    x, a = exact[..., :3], exact[..., 3:]
    if dtype == "uint16":
        expected = ((x * a + np.array(under, object) * (white - a)) * 2 + white) // (2 * white)
        same(run("alpha blend 9,255,30", array, colour=RGBA), expected.astype(dtype))
        return
    x, share = x.astype(F64), a.astype(F64) / white
    expected = (x * share + np.array(under, F64) * (1 - share)).astype(dtype)
    result = run(f"cast {dtype} | alpha blend 9,255,30", array, colour=RGBA, full=True)
    same(result, expected)


@pytest.mark.parametrize("dtype", ["bool", *[d for d in NUMBERS if "int" in d]])
def test_one_hot(dtype):
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(21)
    depth = 2 if dtype == "bool" else 11
    for shape in ((), (1,), (7,), (7, 1), (30, 40), (5, 6, 1), (2, 3, 4)):
        array = np.asarray(rng.integers(0, depth, shape)).astype(dtype)
        expected = keras.utils.to_categorical(array[None], depth)[0].astype(F32)
        same(run(f"one_hot {depth}", array), expected)
        same(run(f"one_hot {depth} | rescale 3", array), expected * F32(3) + F32(0))
    assert run("one_hot 4", np.zeros((0, 3), np.int8).astype(dtype)).array.shape == (0, 3, 4)


def test_one_hot_range():
    for dtype, value, depth in (("uint8", 3, 3), ("int8", -1, 255), ("int64", -2**63, 9),
                                ("uint64", 2**64 - 1, 9), ("bool", 1, 1), ("int32", 7000, 700)):
        array = np.zeros((600, 2), dtype)
        array[599, 1] = value
        with pytest.raises(StageError) as caught:
            run(f"one_hot {depth}", array)
        assert caught.value.status == VALUE_RANGE
        assert f"depth of {depth}" in str(caught.value)


def test_grayscale_opencv():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(22)
    for dtype in ("uint8", "uint16"):
        array = numbers(rng, (64, 67, 3), dtype)
        array[0] = np.iinfo(dtype).max
        expected = cv2.cvtColor(array, cv2.COLOR_RGB2GRAY)[..., None]
        same(run("grayscale", array, like=OPENCV), expected)
        same(run("transpose 2 0 1 | grayscale", array, like=OPENCV), expected.transpose(2, 0, 1))


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

    def pad(self):
        name, number = self.axis()
        size = self.array.shape[number]
        before, after = self.pick(0, 2 * size), self.pick(0, 3)
        mode = str(self.rng.choice(["constant", "edge", "reflect", "symmetric"]))
        width = [(0, 0)] * self.array.ndim
        width[number] = (before, after)
        self.array = np.pad(self.array, width, mode)
        return f"pad axis={name} before={before} after={after} mode={mode}"

    def one_hot(self):
        if self.array.dtype.kind == "f" or self.array.size > 5000:
            return self.flip()
        depth = self.pick(1, 7)
        index = np.clip(self.array, 0, depth - 1).astype(int)
        if index.shape[-1] == 1:
            index = index[..., 0]
        self.array = np.eye(depth, dtype=F32)[index]
        return f"clip 0 {depth - 1} | one_hot {depth}"

    def ellipsis(self):
        right = [["...", "x"], ["x", "..."], ["x", "(...)"], ["(x", "...)"], ["(...", "x)"]]
        chosen = right[self.pick(0, 4)]
        last, array = self.pick(0, 1), self.array
        if last:
            array = np.moveaxis(array, -1, 0)  # x is the first axis from here on
        size, others = array.shape[0], array.shape[1:]
        if chosen == ["x", "(...)"]:
            array = array.reshape(size, -1)
        elif chosen == ["(x", "...)"]:
            array = array.reshape(-1)
        elif chosen[1].startswith("x"):
            array = np.moveaxis(array, 0, -1)
            array = array.reshape(-1) if chosen[1] == "x)" else array.reshape(*others, size)
        self.array = array
        return f"rearrange '{'... x' if last else 'x ...'} -> {' '.join(chosen)}'"

    def sides(self):
        """Of an image, whose first axes are h and w, as of all methods from here on."""
        width = [(self.pick(0, 4), self.pick(0, 4)) for _ in range(2)]
        mode = str(self.rng.choice(["constant", "edge", "reflect", "symmetric"]))
        self.array = np.pad(self.array, width + [(0, 0)] * (self.array.ndim - 2), mode)
        return f"pad {width[0][0]} {width[0][1]} {width[1][0]} {width[1][1]} {mode}"

    def rotate90(self):
        k = self.pick(-5, 5)
        self.array = np.rot90(self.array, k)
        return f"rotate90 {k}"

    def crop(self):
        (height, width), place = self.array.shape[:2], []
        for size in (height, width):
            first = self.pick(0, size - 1)
            place += [first, self.pick(1, size - first)]
        top, height, left, width = place
        self.array = self.array[top:top + height, left:left + width]
        return f"crop {top} {left} {height} {width}"

    def center_crop(self):
        height, width = (self.pick(1, size) for size in self.array.shape[:2])
        top, left = ((a - b) // 2 for a, b in zip(self.array.shape, (height, width)))
        self.array = self.array[top:top + height, left:left + width]
        return f"center_crop {height} {width}"

    def bgr(self):
        name = str(self.rng.choice(["rgb", "bgr"]))
        if self.array.ndim < 3 or self.array.shape[2] not in (1, 3):
            return self.rotate90()
        if self.array.shape[2] == 1:
            self.array = np.repeat(self.array, 3, 2)
        elif name == "bgr":
            self.array = self.array[..., ::-1]
        return name

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
          "rearrange", "rescale", "normalize", "clip", "cast", "reduce", "pad", "one_hot",
          "ellipsis"]
IMAGE_STAGES = ["sides", "rotate90", "crop", "center_crop", "bgr"]


@pytest.mark.parametrize("seed", range(3000))
def test_random_pipeline(seed):
    """Up to six stages, some of them up to twelve; a failure names its seed and the pipeline."""
    rng = np.random.default_rng([10, seed])
    shape = tuple(int(n) for n in rng.integers(1, 13, rng.integers(1, 5)))
    if len(shape) == 3 and rng.integers(2):
        shape = shape[:2] + (int(rng.choice([1, 3])),)
    dtype = str(rng.choice(["uint8", "int8", "uint16", "int16", "float32", "float64"]))
    array = strided(rng, shape, dtype) if seed % 2 else numbers(rng, shape, dtype)
    reference, stages, axes = Reference(rng, array), [], "_" * len(shape)
    left = int(rng.integers(1, 13 if seed % 4 == 0 else 7))
    if len(shape) in (2, 3) and rng.integers(2):
        axes = "hwc"[:len(shape)]
        for _ in range(int(rng.integers(1, min(left, 3) + 1))):
            stages.append(getattr(reference, str(rng.choice(IMAGE_STAGES)))())
            left -= 1
    for _ in range(left):
        name = str(rng.choice(STAGES))
        rank, size = reference.array.ndim, reference.array.size
        if rank == 0 or (rank > 5 and name in ("expand_dims", "one_hot")):
            continue
        if size > 9999 and name in ("select", "pad"):
            continue
        if reference.array.dtype == np.int8 and name == "clip":
            continue
        if name == "reduce" and rank < 3:
            continue
        stages.append(getattr(reference, name)())
    text = " | ".join(stages)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = np.asarray(reference.array)
            same(run(text, array, axes, room=4096 + 2 * expected.nbytes), expected)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {shape} {dtype}: {text}") from error


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

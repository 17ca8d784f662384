"""Every stage for every number of channels and every dtype it admits, each against NumPy or what the
stage follows. The images are small: the sizes are those around which loops over channels are cut."""
import os
import re

import numpy as np
import pytest

from stages_lib import (DTYPES, F32, F64, KERAS, NUMBERS, OPENCV, PILLOW, RGBA, ROOT, numbers, run,
                        same)

CHANNELS = [1, 3, 4, 5, 128, 129, 512, 513, 912, 4096]
HEIGHT, WIDTH = 3, 4
INTEGERS = [d for d in NUMBERS if "int" in d]
TENSORFLOW = ["uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64"]
GRID = []


def case(text, reference, dtypes=DTYPES, channels=CHANNELS, **how):
    GRID.append((text, reference, dtypes, channels, how))


def real(x):
    return x.astype(F64 if x.dtype == F64 else F32)


def means(c):
    return [(7 * i % 50) / 4 for i in range(c)]


def stds(c):
    return [1 + (3 * i % 17) / 8 for i in range(c)]


def resized(x, *size):
    tf = pytest.importorskip("tensorflow")
    return tf.image.resize(x, size[:2], size[2]).numpy()


def grey(x):
    tf = pytest.importorskip("tensorflow")
    return tf.image.rgb_to_grayscale(x).numpy()


def grey_pillow(x):
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.fromarray(x).convert("L"))[..., None]


def grey_opencv(x):
    cv2 = pytest.importorskip("cv2")
    return cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None]


def rearranged(x, pattern):
    return pytest.importorskip("einops").rearrange(x, pattern)


def blended(x):
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(x)
    under = image.new("RGB", picture.size, (9, 0, 255))
    under.paste(picture, mask=picture.getchannel("A"))
    return np.asarray(under)


def one_hot(x):
    keras = pytest.importorskip("keras")
    return keras.utils.to_categorical(x[None], 3)[0].astype(F32)


def few(x):
    """Labels 0 to 2."""
    return (x % 3).astype(x.dtype) if x.dtype != bool else x


case("expand_dims 0", lambda x: x[None])
case("expand_dims 0 | squeeze 0", lambda x: x)
case("transpose 2 0 1", lambda x: x.transpose(2, 0, 1))
case("reshape -1 6", lambda x: x.reshape(-1, 6))
case("flatten", np.ravel)
case("moveaxis c 0", lambda x: np.moveaxis(x, 2, 0))
case("rearrange '... c -> c ...'", lambda x: rearranged(x, "... c -> c ..."))
case("rearrange 'h w c -> w (c h) 1'", lambda x: rearranged(x, "h w c -> w (c h) 1"))
case("select c {half},-1,0", lambda x: x[..., [x.shape[2] // 2, -1, 0]])
case("select w 3,0,1", lambda x: x[:, [3, 0, 1]])
case("crop 1 1 2 3", lambda x: x[1:, 1:])
case("center_crop 1 2", lambda x: x[1:2, 1:3])
for mode in ("constant", "edge", "reflect", "symmetric"):
    case(f"pad 1 0 2 9 {mode}", lambda x, m=mode: np.pad(x, ((1, 0), (2, 9), (0, 0)), m))
    case(f"pad axis=c before=2 after=1 mode={mode}",
         lambda x, m=mode: np.pad(x, ((0, 0), (0, 0), (2, 1)), m))
case("flip c", lambda x: x[..., ::-1])
case("flip h", lambda x: x[::-1])
case("rotate90 1", np.rot90)
case("rotate90 -1", lambda x: np.rot90(x, -1))
case("resize 5 3", lambda x: resized(x, 5, 3, "bilinear"), TENSORFLOW)
case("resize 2 7 nearest", lambda x: resized(x, 2, 7, "nearest"), TENSORFLOW)
case("grayscale", lambda x: x, channels=[1])
case("grayscale", grey, ["uint8", "uint16", "float32"], [3])
case("grayscale", grey_pillow, ["uint8"], [3], like=PILLOW)
case("grayscale", grey_opencv, ["uint8", "uint16"], [3], like=OPENCV)
case("rgb", lambda x: np.repeat(x, 3, 2), channels=[1])
case("rgb", lambda x: x, channels=[3])
case("rgb", lambda x: x[..., :3], channels=[4], colour=RGBA)
case("bgr", lambda x: np.repeat(x, 3, 2), channels=[1])
case("bgr", lambda x: x[..., ::-1], channels=[3])
case("bgr", lambda x: x[..., 2::-1], channels=[4], colour=RGBA)
case("alpha", lambda x: x[..., :3], channels=[4], colour=RGBA)
case("alpha blend 9,0,255", blended, ["uint8"], [4], colour=RGBA)
for target in ("float32", "float64", "bool"):
    case(f"cast {target}", lambda x, t=target: x.astype(t))
for target in INTEGERS:
    case(f"cast {target} wrap", lambda x, t=target: x.astype(t), ["bool", *INTEGERS])
case("rescale 1/127.5 -1",
     lambda x: real(x) * real(x).dtype.type(1 / 127.5) + real(x).dtype.type(-1), NUMBERS)
case("normalize {means} {stds}",
     lambda x: (real(x) - np.array(means(x.shape[2]), real(x).dtype))
     / np.array(stds(x.shape[2]), real(x).dtype), NUMBERS)
case("clip 3 100", lambda x: np.clip(x, 3, 100), NUMBERS)
for op in ("min", "max"):
    case(f"reduce h,w {op}", lambda x, o=op: getattr(x, o)((0, 1)))
    case(f"reduce c {op}", lambda x, o=op: getattr(x, o)(2))
case("reduce h,w sum", lambda x: x.sum((0, 1)), ["bool", *INTEGERS])
case("reduce c sum", lambda x: x.sum(2), ["bool", *INTEGERS])
case("reduce h,w mean", lambda x: x.mean((0, 1), dtype=F64), NUMBERS, close=True)
case("reduce c mean", lambda x: x.mean(2, dtype=F64), NUMBERS, close=True)
case("one_hot 3", one_hot, ["bool", *INTEGERS], change=few)


@pytest.mark.parametrize("text,reference,dtypes,channels,how", GRID,
                         ids=[f"{g[0]}-{g[4].get('like', KERAS)}" for g in GRID])
def test_grid(text, reference, dtypes, channels, how):
    how = dict(how)
    change, close = how.pop("change", lambda x: x), how.pop("close", False)
    for c in channels:
        words = text.format(half=c // 2, means=",".join(map(str, means(c))),
                            stds=",".join(map(str, stds(c))))
        for dtype in dtypes:
            x = change(numbers(np.random.default_rng([30, c]), (HEIGHT, WIDTH, c), dtype))
            with np.errstate(all="ignore"):
                expected = np.ascontiguousarray(reference(x))
            room = 4096 + 2 * expected.nbytes
            try:
                if close:
                    array = run(words, x, "hwc", room=room, **how).array
                    largest = float(np.abs(x.astype(F64)).max()) + 1
                    np.testing.assert_allclose(array, expected, rtol=1e-6, atol=1e-7 * largest)
                else:
                    same(run(words, x, "hwc", room=room, **how), expected)
            except Exception as error:
                raise AssertionError(f"{text}: c = {c}, {dtype}: {error}") from error


def test_the_grid_is_complete():
    with open(os.path.join(ROOT, "src", "stage", "stage.c"), encoding="utf-8") as source:
        stages = set(re.findall(r"&kprep_stage_(\w+)", source.read()))
    assert stages == {word.split()[0] for text, *_ in GRID for word in text.split(" | ")}

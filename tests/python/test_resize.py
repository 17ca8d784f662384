"""resize against TensorFlow, Keras, Pillow and OpenCV: no value differs, but where that is said."""
import numpy as np
import pytest
from PIL import Image

from stages_lib import (GREY_ALPHA, KERAS, OPENCV, PILLOW, RGB, RGBA, StageError, numbers, run, same,
                         strided)

TF_METHODS = ["nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian",
              "mitchellcubic"]
PILLOW_METHODS = {"nearest": Image.Resampling.NEAREST, "area": Image.Resampling.BOX,
                  "bilinear": Image.Resampling.BILINEAR, "hamming": Image.Resampling.HAMMING,
                  "bicubic": Image.Resampling.BICUBIC, "lanczos3": Image.Resampling.LANCZOS}
CV_METHODS = {"nearest": "INTER_NEAREST", "bilinear": "INTER_LINEAR", "area": "INTER_AREA",
              "bicubic": "INTER_CUBIC", "lanczos4": "INTER_LANCZOS4"}
# Down, up, mixed, by whole numbers, odd, one axis only, one pixel, much.
SIZES = [((7, 9), (5, 12)), ((7, 9), (14, 18)), ((64, 48), (7, 5)), ((1, 1), (3, 4)), ((5, 6), (1, 1)),
         ((13, 17), (13, 8)), ((13, 17), (5, 17)), ((13, 17), (13, 17)), ((2, 3), (11, 7)),
         ((100, 3), (33, 64)), ((31, 200), (32, 9)), ((64, 60), (32, 30)), ((62, 62), (31, 31)),
         ((60, 60), (20, 20)), ((40, 60), (20, 20)), ((40, 30), (37, 15)), ((1, 50), (3, 20)),
         ((50, 1), (20, 3)), ((120, 160), (97, 101))]
# Sizes for which Pillow 13 shrinks rows first, and their neighbours for which it does not.
ORDERS = [((300, 150), (100, 100)), ((100, 50), (99, 100)), ((200, 120), (100, 70)),
          ((201, 120), (100, 70)), ((640, 300), (224, 224)), ((640, 480), (224, 224))]
MANY = [1, 2, 3, 4, 5, 129, 912]


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def keras(tf):
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def cv2():
    """OpenCV's own code: Intel's IPP, which it would use for some types, has roundings of its own."""
    module = pytest.importorskip("cv2")
    if hasattr(module, "ipp"):
        module.ipp.setUseIPP(False)
    return module


def rng():
    return np.random.default_rng(20)


def resize(array, size, rest="", like=KERAS, axes="hwc", colour=0):
    return run(f"resize {size[0]} {size[1]} {rest}", array, axes, like, colour, room=1 << 24)


def equal(result, expected):
    assert result.array.dtype == expected.dtype and result.array.shape == expected.shape
    np.testing.assert_array_equal(result.array, expected)


def few(cases, channels):
    return [case for case in cases if np.prod(case[0]) * channels < 6e5 > np.prod(case[1]) * channels]


# TensorFlow.

@pytest.mark.parametrize("antialias", ["false", "true"])
@pytest.mark.parametrize("method", TF_METHODS)
def test_tf(tf, method, antialias):
    random = rng()
    for dtype in ("uint8", "float32"):
        for channels in MANY:
            for source, size in few(SIZES, channels):
                array = numbers(random, (*source, channels), dtype)
                expected = tf.image.resize(array, size, method, antialias=antialias == "true").numpy()
                equal(resize(array, size, f"{method} antialias={antialias}"), expected)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int16", "int32", "int64", "float16", "float64"])
@pytest.mark.parametrize("method", TF_METHODS)
def test_tf_dtypes(tf, method, dtype):
    for source, size in SIZES[:8]:
        array = strided(rng(), (*source, 3), dtype)
        for antialias in (False, True):
            expected = tf.image.resize(np.ascontiguousarray(array), size, method, antialias=antialias)
            equal(resize(array, size, f"{method} {'true' if antialias else 'false'}"),
                  expected.numpy())


@pytest.mark.parametrize("method", TF_METHODS[1:])
def test_tf_layouts(tf, method):
    array = strided(rng(), (5, 12, 9, 3), "uint8")
    expected = tf.image.resize(np.ascontiguousarray(array), (7, 20), method).numpy()
    equal(resize(array, (7, 20), method, axes="thwc"), expected)
    channels_first = array.transpose(0, 3, 1, 2)
    equal(resize(channels_first, (7, 20), method, axes="tchw"), expected.transpose(0, 3, 1, 2))
    plane = array[0, :, :, 0]
    equal(resize(plane, (7, 20), method, axes="hw"), expected[0, :, :, 0])


def test_tf_infinities(tf):
    array = np.array([[[0.0], [np.inf], [-0.0]], [[np.nan], [1], [-np.inf]]], np.float32)
    for method in TF_METHODS:
        for size in ((4, 6), (1, 2), (2, 3)):
            expected = tf.image.resize(array, size, method).numpy()
            np.testing.assert_array_equal(resize(array, size, method).array, expected)


def test_sizes_in_turn(tf):
    """Tables are kept from sample to sample: others must not be taken for them."""
    array = numbers(rng(), (30, 40, 3), "uint8")
    text = "resize 20 21 bicubic | resize 31 32 bicubic | resize 20 21 bicubic true | resize 20 22 area"
    expected = tf.image.resize(array, (20, 21), "bicubic")
    expected = tf.image.resize(expected, (31, 32), "bicubic")
    expected = tf.image.resize(expected, (20, 21), "bicubic", antialias=True)
    equal(run(text, array, "hwc"), tf.image.resize(expected, (20, 22), "area").numpy())


# Keras' proportions.

PROPORTIONS = [((3, 7), (6, 6)), ((7, 3), (6, 6)), ((48, 64), (24, 20)), ((64, 48), (24, 20)),
               ((50, 50), (20, 33)), ((31, 77), (40, 40)), ((9, 100), (64, 5)), ((5, 5), (10, 10)),
               ((10, 5), (33, 17)), ((99, 51), (7, 13)), ((37, 41), (37, 41))]
KERAS_METHODS = TF_METHODS[:6]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder with a picture of each size."""
    made = []
    for i, (source, size) in enumerate(PROPORTIONS):
        folder = tmp_path_factory.mktemp(f"size-{i}")
        (folder / "one").mkdir()
        picture = numbers(rng(), (*source, 3), "uint8")
        Image.fromarray(picture).save(folder / "one" / "picture.png")
        made.append((folder, picture, size))
    return made


def from_directory(keras, folder, size, method, **keys):
    data = keras.utils.image_dataset_from_directory(
        str(folder), image_size=size, batch_size=None, shuffle=False, labels=None,
        interpolation=method, verbose=False, **keys)
    return next(iter(data)).numpy()


@pytest.mark.parametrize("method", TF_METHODS)
def test_keras_data_set(keras, folders, method):
    for folder, picture, size in folders:
        equal(resize(picture, size, method), from_directory(keras, folder, size, method))


@pytest.mark.parametrize("method", KERAS_METHODS)
def test_keras_data_set_crops(keras, folders, method):
    for folder, picture, size in folders:
        expected = from_directory(keras, folder, size, method, crop_to_aspect_ratio=True)
        got = resize(picture, size, f"{method} crop_to_aspect_ratio=true").array
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("method", TF_METHODS)
def test_keras_data_set_pads(keras, folders, method):
    for folder, picture, size in folders:
        if picture.shape[:2] == (9, 100):
            with pytest.raises(StageError, match="proportions that leave a pixel"):
                resize(picture, size, f"{method} pad_to_aspect_ratio=true")
            continue  # Keras stops there as well
        expected = from_directory(keras, folder, size, method, pad_to_aspect_ratio=True)
        for word in ("dataset", "true"):
            equal(resize(picture, size, f"{method} pad_to_aspect_ratio={word}"), expected)
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    got = resize(planes, size, f"{method} pad_to_aspect_ratio=true", axes="chw")
    equal(got, expected.transpose(2, 0, 1))


@pytest.mark.parametrize("fill", [0, 17, -2.5])
@pytest.mark.parametrize("method", KERAS_METHODS)
def test_keras_layer(keras, method, fill):
    for source, size in PROPORTIONS:
        array = numbers(rng(), (*source, 3), "uint8")
        for rest, keys in (("crop_to_aspect_ratio=true", {"crop_to_aspect_ratio": True}),
                           (f"pad_to_aspect_ratio=layer fill_value={fill}",
                            {"pad_to_aspect_ratio": True, "fill_value": float(fill)}),
                           (f"pad_to_aspect_ratio=layer fill_value={fill} antialias=true",
                            {"pad_to_aspect_ratio": True, "fill_value": float(fill),
                             "antialias": True})):
            image = array.astype(np.float32)
            expected = np.asarray(keras.layers.Resizing(*size, method, **keys)(image))
            if method != "nearest":
                equal(resize(array, size, f"{method} {rest}"), expected)
            equal(resize(image, size, f"{method} {rest}"), expected)


def test_keras_layer_of_integers():
    """Nearest keeps the dtype, which has to hold the border."""
    array = np.arange(21, dtype=np.uint8).reshape(3, 7, 1)
    got = resize(array, (6, 6), "nearest pad_to_aspect_ratio=layer fill_value=200").array
    assert got.dtype == np.uint8 and (got[0] == 200).all()
    with pytest.raises(StageError, match="fill_value of dtype uint8, not 300"):
        resize(array, (6, 6), "nearest pad_to_aspect_ratio=layer fill_value=300")


# Pillow.

@pytest.mark.parametrize("method,dtype", [
    *((m, d) for m in PILLOW_METHODS for d in ("uint8", "uint16", "int32", "float32")),
    ("nearest", "bool")])  # for mode 1 Pillow takes nearest, whatever is asked for
def test_pillow(method, dtype):
    random = rng()
    for source, size in SIZES + ORDERS:
        array = numbers(random, source, dtype)
        if dtype == "int32":
            array //= 4  # sums beyond int32 are not defined
        expected = np.asarray(Image.fromarray(array).resize(size[::-1], PILLOW_METHODS[method]))
        equal(resize(array, size, method, PILLOW, "hw"), expected)


@pytest.mark.parametrize("channels", [1, 3, 5, 129, 912])
@pytest.mark.parametrize("method", PILLOW_METHODS)
def test_pillow_channels(method, channels):
    """Each channel is an image of mode L."""
    for source, size in few(SIZES, channels)[::3] + few(ORDERS, channels)[:2]:
        array = strided(rng(), (*source, channels), "uint8")
        planes = [Image.fromarray(np.ascontiguousarray(array[..., c])) for c in range(channels)]
        expected = [np.asarray(p.resize(size[::-1], PILLOW_METHODS[method])) for p in planes]
        equal(resize(array, size, method, PILLOW), np.stack(expected, -1))


@pytest.mark.parametrize("colour,channels", [(GREY_ALPHA, 2), (RGB, 3), (RGBA, 4)])
@pytest.mark.parametrize("method", PILLOW_METHODS)
def test_pillow_colours(method, colour, channels):
    random = rng()
    for source, size in SIZES + ORDERS:
        array = numbers(random, (*source, channels), "uint8")
        array[::3, ::2, -1] = random.integers(0, 2) * 255
        expected = np.asarray(Image.fromarray(array).resize(size[::-1], PILLOW_METHODS[method]))
        equal(resize(array, size, method, PILLOW, colour=colour), expected)
        planes = np.ascontiguousarray(array.transpose(2, 0, 1))
        equal(resize(planes, size, method, PILLOW, "chw", colour), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("method", PILLOW_METHODS)
def test_pillow_crops_as_load_img(keras, tmp_path, method):
    name = {"area": "box", "lanczos3": "lanczos"}.get(method, method)
    for i, (source, size) in enumerate(PROPORTIONS + ORDERS):
        array = numbers(rng(), (*source, 3), "uint8")
        path = tmp_path / f"{i}.png"
        Image.fromarray(array).save(path)
        image = keras.utils.load_img(path, target_size=size, interpolation=name,
                                     keep_aspect_ratio=True)
        equal(resize(array, size, f"{method} crop_to_aspect_ratio=true", PILLOW), np.asarray(image))


# OpenCV.

def cv_resize(cv2, array, size, method):
    """cv2.resize; what it has no code for, in planes."""
    flag = getattr(cv2, CV_METHODS[method])
    channels = array.shape[2]
    try:
        if channels > 128:
            raise cv2.error
        return cv2.resize(array, size[::-1], interpolation=flag).reshape(*size, channels)
    except cv2.error:
        planes = [np.ascontiguousarray(array[..., c]) for c in range(channels)]
        return np.stack([cv2.resize(p, size[::-1], interpolation=flag) for p in planes], -1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("method", CV_METHODS)
def test_opencv(cv2, method, dtype):
    random = rng()
    for channels in MANY if dtype == "uint8" else (1, 2, 3, 4, 5, 129):
        for source, size in few(SIZES, channels):
            array = numbers(random, (*source, channels), dtype)
            equal(resize(array, size, method, OPENCV), cv_resize(cv2, array, size, method))


def test_opencv_with_ipp(cv2):
    """As it comes: for 8 bits IPP has no part in these, so that nothing has to be switched off."""
    cv2.ipp.setUseIPP(True)
    try:
        for method in ("nearest", "bilinear", "area", "lanczos4"):
            for source, size in SIZES:
                array = numbers(rng(), (*source, 3), "uint8")
                expected = cv2.resize(array, size[::-1], interpolation=getattr(cv2, CV_METHODS[method]))
                equal(resize(array, size, method, OPENCV), expected)
    finally:
        cv2.ipp.setUseIPP(False)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "float16"])
def test_opencv_nearest_of_all(cv2, dtype):
    for source, size in SIZES:
        array = numbers(rng(), (*source, 3), dtype)
        equal(resize(array, size, "nearest", OPENCV), cv_resize(cv2, array, size, "nearest"))


@pytest.mark.parametrize("method", CV_METHODS)
def test_opencv_layouts(cv2, method):
    array = strided(rng(), (5, 12, 10, 3), "uint8")
    for size in ((7, 21), (6, 5), (5, 3)):
        frames = [cv_resize(cv2, np.ascontiguousarray(x), size, method) for x in array]
        equal(resize(array, size, method, OPENCV, "thwc"), np.stack(frames))
        channels_first = array.transpose(0, 3, 1, 2)
        equal(resize(channels_first, size, method, OPENCV, "tchw"),
              np.stack(frames).transpose(0, 3, 1, 2))


# All.

@pytest.mark.parametrize("like,methods", [(KERAS, TF_METHODS), (PILLOW, PILLOW_METHODS),
                                          (OPENCV, CV_METHODS)], ids=["keras", "pillow", "opencv"])
def test_4096_channels(like, methods):
    """Against the same values in fewer channels, which the tests above compare."""
    array = numbers(rng(), (6, 7, 4096), "uint8")
    for method in methods:
        whole = resize(array, (4, 9), method, like).array
        for c in (0, 127, 128, 2048, 4095):
            part = resize(array[..., c:c + 1], (4, 9), method, like).array
            np.testing.assert_array_equal(whole[..., c:c + 1], part)


def test_constant_images_stay():
    """Weights add up to 1; but for rounding, bounds of values hold."""
    array = np.full((9, 7, 3), 255, np.uint8)
    for like, methods in ((KERAS, TF_METHODS), (PILLOW, PILLOW_METHODS), (OPENCV, CV_METHODS)):
        for method in methods:
            for size in ((4, 3), (20, 11)):
                got = resize(array, size, method, like).array
                np.testing.assert_allclose(got, 255, rtol=1e-6)


@pytest.mark.parametrize("text,like,message", [
    ("3 3 gaussian", PILLOW, "method gaussian is none of Pillow's: under like: pillow it is nearest, "
                             "bilinear, bicubic, area, lanczos3 or hamming"),
    ("3 3 lanczos3", OPENCV, "method lanczos3 is none of OpenCV's: under like: opencv it is nearest, "
                             "bilinear, bicubic, area or lanczos4"),
    ("3 3 hamming", KERAS, "method hamming is none of TensorFlow's: under like: keras it is nearest"),
    ("3 3 antialias=false", PILLOW, "Pillow always antialiases"),
    ("3 3 antialias=true", OPENCV, "OpenCV never antialiases"),
    ("3 3 pad_to_aspect_ratio=true", PILLOW, "pad_to_aspect_ratio is Keras' alone"),
    ("3 3 crop_to_aspect_ratio=true", OPENCV, "crop_to_aspect_ratio is none of OpenCV's"),
    ("3 3 crop_to_aspect_ratio=true pad_to_aspect_ratio=true", KERAS, "exclude each other"),
    ("3 3 gaussian crop_to_aspect_ratio=true", KERAS, "Keras crops, and its layer pads, with nearest"),
    ("3 3 fill_value=1", KERAS, "fill_value belongs to pad_to_aspect_ratio: layer"),
    ("3 3 pad_to_aspect_ratio=yes", KERAS, "false, true, dataset or layer"),
])
def test_errors(text, like, message):
    with pytest.raises(StageError) as caught:
        run(f"resize {text}", np.zeros((4, 5, 3), np.uint8), "hwc", like)
    assert message in str(caught.value)


@pytest.mark.parametrize("like,dtype,takes", [
    (PILLOW, "float64", "uint8, uint16, int32 or float32"), (PILLOW, "int16", "uint8, uint16"),
    (OPENCV, "int32", "uint8, uint16, int16, float32 or float64"), (KERAS, "bool", "numbers")])
def test_dtypes_that_there_are_not(like, dtype, takes):
    with pytest.raises(StageError, match=f"needs {takes}.*, not {dtype}"):
        run("resize 3 3", np.zeros((4, 5, 3), dtype), "hwc", like)


def test_proportions_that_leave_no_pixel():
    array = np.zeros((1, 100, 3), np.uint8)
    with pytest.raises(StageError, match="proportions that leave a pixel"):
        run("resize 10 10 pad_to_aspect_ratio=true", array, "hwc")
    same(run("resize 10 10 nearest pad_to_aspect_ratio=layer", array, "hwc"),
         np.zeros((10, 10, 3), np.uint8))

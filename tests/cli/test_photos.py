"""Image values are those of the named peer, bit for bit."""

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import make
from support import PHOTOS, equal, manifest, rows, samples

FILES = sorted(p for p in PHOTOS.rglob("*") if p.is_file())


def spec(height, width, channels, dtype):
    return {"shape": [None, height, width, channels], "axes": "nhwc", "dtype": dtype}


def prepare(kprep, job, folder, colour, size, method, out, **keys):
    height, width = size
    dtype = "uint8" if method == "nearest" else "float32"
    resize = {"height": height, "width": width}
    if method != "bilinear":
        resize["method"] = method
    path = job(
        input={"path": str(folder), "order": "keras"},
        labels="folder",
        pipeline=["rgb" if colour == "rgb" else "grayscale", {"resize": resize}],
        spec=spec(height, width, 3 if colour == "rgb" else 1, dtype),
        output={"path": str(out), "batch": 5}, **keys)
    kprep("run", path, rc=0)
    return rows(out)


# Down, up, mixed (tall and wide sources shrink on one axis and grow on the other), odd, and one pixel.
SIZES = [(32, 24), (337, 401), (100, 300), (61, 67), (1, 1)]


@pytest.mark.tf
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize("colour", ["rgb", "grayscale"])
def test_equals_image_dataset_from_directory(kprep, job, keras_folder, tmp_path, colour, method, size):
    out = tmp_path / "out"
    actual = prepare(kprep, job, PHOTOS, colour, size, method, out)
    x, y, classes = keras_folder(PHOTOS, size, colour, method)
    equal(actual, x)
    equal(rows(out, "y"), y.astype(np.int32))
    assert manifest(out)["classes"] == classes


@pytest.mark.tf
def test_order_is_that_of_keras(kprep, job, keras, tmp_path):
    """Files in the order of Keras' own walk: hidden ones and nested folders, byte order, and classes
    in which there is nothing."""
    folder = tmp_path / "set"
    names = ["b/10.png", "b/2.png", "b/1.png", "b/A.PNG", "b/a.png", "a/x.png", "a/.hidden.png",
             "a/.inside/z.png", "a/s/deep/w.png", "a/s/y.png", "a/s-x/v.png", "C/one.png"]
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), 20 * i, np.uint8)).save(path, "PNG")
    (folder / "empty").mkdir()
    (folder / ".git").mkdir()

    out = tmp_path / "out"
    kprep("run", job(input={"path": str(folder), "order": "keras"}, labels="folder",
                     spec=spec(4, 4, 3, "uint8"), output={"path": str(out)}), rc=0)
    data = keras.utils.image_dataset_from_directory(
        str(folder), image_size=(4, 4), shuffle=False, batch_size=None, verbose=False)
    assert manifest(out)["classes"] == data.class_names == ["C", "a", "b", "empty"]
    expected = [str(p)[len(str(folder)) + 1:] for p in data.file_paths]
    assert [row["source"] for row in samples(out)] == expected
    equal(rows(out, "y"), np.array([int(y) for _, y in data], np.int32))


def odd_kinds(folder, colour):
    """Images as they come in the wild, beyond what the committed ones hold."""
    pixels = make.picture(40, 52, 5)
    (folder / "k").mkdir(parents=True)

    def save(name, image, **options):
        image.save(folder / "k" / name, **options)

    image = Image.fromarray(pixels)
    palette = image.quantize(8)
    save("palette-transparent.png", palette, transparency=3)
    save("palette-2.png", image.quantize(2))
    save("rgb-key.png", image, transparency=tuple(int(v) for v in pixels[0, 0]))
    save("grey-key.png", image.convert("L"), transparency=int(pixels[0, 0, 0]))
    gamma = PngInfo()
    gamma.add(b"gAMA", (45455).to_bytes(4, "big"))
    save("gamma.png", image, pnginfo=gamma)
    srgb = PngInfo()
    srgb.add(b"sRGB", b"\0")
    save("srgb.png", image, pnginfo=srgb)
    linear = PngInfo()
    linear.add(b"gAMA", (100000).to_bytes(4, "big"))
    save("linear.png", image, pnginfo=linear)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            save(f"{subsampling.replace(':', '')}-{progressive}.jpg", image, quality=77,
                 subsampling=subsampling, progressive=progressive)
    save("odd-size.jpg", image.crop((0, 0, 51, 37)), quality=50)
    turned = Image.Exif()
    turned[0x0112] = 6
    save("exif.jpg", image, exif=turned)
    (folder / "k/jpeg-named.png").write_bytes((folder / "k/odd-size.jpg").read_bytes())
    (folder / "k/png-named.jpeg").write_bytes((folder / "k/srgb.png").read_bytes())
    if colour == "rgb":
        save("cmyk.jpg", image.convert("CMYK"), quality=90)
        # JPEG whose three components are RGB: TensorFlow has its own grey for it.
        save("keep-rgb.jpg", image, quality=90, keep_rgb=True)
    return folder


@pytest.mark.tf
@pytest.mark.parametrize("size", [(40, 52), (23, 80)], ids=["same", "resized"])
@pytest.mark.parametrize("colour", ["rgb", "grayscale"])
def test_odd_kinds_equal_keras(kprep, job, keras_folder, tmp_path, colour, size):
    folder = odd_kinds(tmp_path / "kinds", colour)
    actual = prepare(kprep, job, folder, colour, size, "bilinear", tmp_path / "out")
    x, _, _ = keras_folder(folder, size, colour, "bilinear")
    names = [row["source"] for row in samples(tmp_path / "out")]
    wrong = {name: float(abs(a - b).max()) for name, a, b in zip(names, actual, x) if (a != b).any()}
    assert not wrong
    equal(actual, x)


def decode_one(kprep, job, path, stage, like, out):
    channels = 3 if stage == "rgb" else 1
    kprep("run", job(input=str(path), like=like, pipeline=[stage],
                     spec=spec(None, None, channels, "uint8"), output={"path": str(out)}), rc=0)
    return rows(out)[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_decode_equals_pillow(kprep, job, tmp_path, path):
    image = Image.open(path)
    equal(decode_one(kprep, job, path, "rgb", "pillow", tmp_path / "rgb"),
          np.asarray(image.convert("RGB")))
    equal(decode_one(kprep, job, path, "grayscale", "pillow", tmp_path / "grey"),
          np.asarray(image.convert("L"))[..., np.newaxis])


@pytest.mark.parametrize("name", ["palette-transparent.png", "rgb-key.png", "gamma.png", "cmyk.jpg",
                                  "keep-rgb.jpg", "420-True.jpg", "exif.jpg"])
def test_odd_kinds_equal_pillow(kprep, job, tmp_path, name):
    path = odd_kinds(tmp_path / "kinds", "rgb") / "k" / name
    equal(decode_one(kprep, job, path, "rgb", "pillow", tmp_path / "out"),
          np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("mode, channels", [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4), ("1", 1)])
def test_an_image_has_the_channels_it_has(kprep, job, tmp_path, mode, channels):
    path = tmp_path / "image.png"
    image = Image.fromarray(make.picture(9, 12, 3)).convert(mode)
    image.save(path)
    out = tmp_path / "out"
    kprep("run", job(input=str(path), spec=spec(9, 12, channels, "uint8"),
                     output={"path": str(out)}), rc=0)
    expected = np.asarray(image.convert("L") if mode == "1" else image)
    equal(rows(out)[0], expected.reshape(9, 12, channels))
    wrong = kprep("check", path, "--spec", job("spec.json", **spec(9, 12, 5, "uint8")), "--json", rc=1)
    assert wrong.problem("channel-count")["axis"] == "c"


def test_sixteen_bit_png_is_kept(kprep, job, tmp_path):
    pixels = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16) * 331
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    out = tmp_path / "out"
    kprep("run", job(input=str(tmp_path / "deep.png"), spec=spec(12, 16, 1, "uint16"),
                     output={"path": str(out)}), rc=0)
    equal(rows(out)[0, ..., 0], pixels)


@pytest.mark.tf
def test_depth_8_narrows_as_tensorflow_does(kprep, job, tf, tmp_path):
    pixels = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16) * 331
    path = tmp_path / "deep.png"
    Image.fromarray(pixels).save(path)
    out = tmp_path / "out"
    kprep("run", job(input={"path": str(path), "depth": 8}, spec=spec(12, 16, 1, "uint8"),
                     output={"path": str(out)}), rc=0)
    equal(rows(out)[0], tf.io.decode_png(path.read_bytes(), channels=1).numpy())
    equal(rows(out)[0, ..., 0], (pixels >> 8).astype(np.uint8))


@pytest.mark.tf
def test_grayscale_of_an_array_is_tf_image(kprep, job, arrays, tf, tmp_path):
    rng = np.random.default_rng(3)
    for name, array in [("bytes", rng.integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)),
                        ("floats", rng.random((6, 16, 16, 3), dtype=np.float32))]:
        path = arrays(f"{name}.npy", array)
        out = tmp_path / name
        kprep("run", job(input=str(path), pipeline=["grayscale"],
                         spec=spec(16, 16, 1, str(array.dtype)), output={"path": str(out)}), rc=0)
        equal(rows(out), tf.image.rgb_to_grayscale(array).numpy())


@pytest.mark.tf
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_resize_of_arrays_is_tf_image(kprep, job, arrays, tf, tmp_path, method, dtype):
    """Any number of channels, each by itself."""
    rng = np.random.default_rng(4)
    array = (rng.random((3, 19, 23, 37)) * 250).astype(dtype)
    out = tmp_path / "out"
    expected = tf.image.resize(array, (31, 9), method=method).numpy()
    kprep("run", job(input=str(arrays("a.npy", array)),
                     pipeline=[{"resize": {"height": 31, "width": 9, "method": method}}],
                     spec=spec(31, 9, 37, str(expected.dtype)), output={"path": str(out)}), rc=0)
    equal(rows(out), expected)


def test_alpha_is_blended_as_pillow_does(kprep, job, tmp_path):
    rng = np.random.default_rng(40)
    picture = Image.fromarray(rng.integers(0, 256, (21, 34, 4), np.uint8))
    picture.save(tmp_path / "a.png")
    under = Image.new("RGB", picture.size, (0, 90, 255))
    under.paste(picture, mask=picture.getchannel("A"))
    expected = np.pad(np.rot90(np.asarray(under)), ((1, 0), (2, 3), (0, 0)), "reflect")
    path = job(input={"path": "a.png"},
               pipeline=[{"alpha": {"mode": "blend", "background": [0, 90, 255]}}, "rotate90",
                         {"pad": {"top": 1, "left": 2, "right": 3, "mode": "reflect"}}, "bgr"],
               spec={"shape": [None, *expected.shape], "dtype": "uint8"}, output={"path": "out"})
    kprep("run", path, rc=0)
    equal(rows(tmp_path / "out"), np.ascontiguousarray(expected[None, ..., ::-1]))


@pytest.mark.parametrize("mode", ["RGB", "LA", "RGBA", "I;16"])
@pytest.mark.parametrize("method, name", [("bilinear", "BILINEAR"), ("lanczos3", "LANCZOS")])
def test_resize_of_images_is_pillow(kprep, job, tmp_path, method, name, mode):
    """Colours are weighted by alpha, and 16 bits stay."""
    image = Image.fromarray(make.picture(90, 31, 3))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(make.picture(90, 31, 4)).convert("L"))
    path = tmp_path / "image.png"
    image.save(path)
    out = tmp_path / "out"
    expected = np.asarray(image.resize((20, 24), Image.Resampling[name])).reshape(24, 20, -1)
    kprep("run", job(input=str(path), like="pillow",
                     pipeline=[{"resize": {"height": 24, "width": 20, "method": method}}],
                     spec=spec(24, 20, expected.shape[2], str(expected.dtype)),
                     output={"path": str(out)}), rc=0)
    equal(rows(out)[0], expected)


@pytest.mark.tf
@pytest.mark.parametrize("keys, words", [
    ({}, {"method": "area"}), ({}, {"method": "lanczos5"}),
    ({"crop_to_aspect_ratio": True}, {"crop_to_aspect_ratio": True}),
    ({"pad_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True})], ids=str)
def test_resize_is_that_of_data_sets(kprep, job, keras, tmp_path, keys, words):
    out = tmp_path / "out"
    data = keras.utils.image_dataset_from_directory(
        str(PHOTOS), image_size=(24, 20), shuffle=False, batch_size=None, verbose=False, labels=None,
        interpolation=words.get("method", "bilinear"), **keys)
    kprep("run", job(input={"path": str(PHOTOS), "order": "keras"},
                     pipeline=["rgb", {"resize": {"height": 24, "width": 20, **words}}],
                     spec=spec(24, 20, 3, "float32"), output={"path": str(out)}), rc=0)
    equal(rows(out), np.stack([np.asarray(x) for x in data]))

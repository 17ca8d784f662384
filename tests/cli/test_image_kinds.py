"""Kinds of image that people get wrong: their values, and what is said of them before decoding."""

import numpy as np
import pytest
from PIL import Image, ImageOps

import make
from support import FIXTURES, equal, rows

IMAGES = FIXTURES / "images"
ORIENTATIONS = range(1, 9)
HEIGHT, WIDTH = 24, 40


def spec(height, width, channels, dtype="uint8"):
    return {"shape": [None, height, width, channels], "axes": "nhwc", "dtype": dtype}


@pytest.fixture
def take(kprep, job, tmp_path):
    """The rows that a job on one input gives; sizes are free."""

    def run(source, channels, dtype="uint8", **keys):
        out = tmp_path / f"out-{len(list(tmp_path.glob('out-*')))}"
        kprep("run", job(input=source, spec=spec(None, None, channels, dtype),
                         output={"path": str(out)}, **keys), rc=0)
        return rows(out)[0]

    return run


def save(path, image, orientation=1, **options):
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def picture(seed=1):
    return Image.fromarray(make.picture(HEIGHT, WIDTH, seed))


def deep(shape=(HEIGHT, WIDTH)):
    return np.random.default_rng(5).integers(0, 65536, shape).astype(np.uint16)


class TestValues:
    @pytest.fixture
    def kinds(self, tmp_path):
        rgba = picture().convert("RGBA")
        rgba.putalpha(picture(2).convert("L"))
        folder = tmp_path / "kinds"
        save(folder / "grey-alpha.png", rgba.convert("LA"))
        palette = picture().quantize(13)
        save(folder / "palette.png", palette)
        # One transparency for each colour of the palette.
        save(folder / "palette-alpha.png", palette, transparency=bytes(range(0, 247, 19)))
        save(folder / "cmyk.jpg", picture().convert("CMYK"), quality=88)
        return folder

    @pytest.mark.tf
    @pytest.mark.parametrize("name, channels, pipeline", [
        ("grey-alpha.png", 2, []), ("grey-alpha.png", 3, ["rgb"]), ("palette.png", 3, []),
        ("palette-alpha.png", 4, []), ("palette-alpha.png", 3, ["rgb"]), ("cmyk.jpg", 3, [])])
    def test_are_those_of_tensorflow(self, take, kinds, tf, name, channels, pipeline):
        expected = tf.io.decode_image((kinds / name).read_bytes(), channels=3 if pipeline else 0)
        equal(take(str(kinds / name), channels, pipeline=pipeline),
              expected.numpy().reshape(HEIGHT, WIDTH, channels))

    @pytest.mark.tf
    @pytest.mark.parametrize("name", ["cmyk_noadobe.jpg", "ycck_adobe2.jpg"])
    @pytest.mark.parametrize("like", ["keras", "pillow"])
    def test_cmyk_with_and_without_the_adobe_marker(self, take, tf, name, like):
        """The two disagree about files without it: by how much ink is, and how much is not."""
        path = IMAGES / name
        peers = {"keras": tf.io.decode_image(path.read_bytes(), channels=3).numpy(),
                 "pillow": np.asarray(Image.open(path).convert("RGB"))}
        equal(take(str(path), 3, like=like), peers[like])

    @pytest.mark.parametrize("name, mode", [
        ("grey-alpha.png", "LA"), ("palette.png", "RGB"), ("palette-alpha.png", "RGBA"),
        ("cmyk.jpg", "RGB")])
    def test_are_those_of_pillow(self, take, kinds, name, mode):
        expected = np.asarray(Image.open(kinds / name).convert(mode))
        equal(take(str(kinds / name), len(mode), like="pillow"), expected)

    @pytest.mark.tf
    def test_sixteen_bits(self, take, tmp_path, tf):
        pixels = deep()
        path = save(tmp_path / "deep.png", Image.fromarray(pixels))
        data = path.read_bytes()
        expected = tf.io.decode_png(data, dtype=tf.uint16).numpy()
        equal(expected[..., 0], pixels)
        equal(take(str(path), 1, "uint16"), expected)
        equal(take(str(path), 1, "uint16", like="pillow")[..., 0], np.asarray(Image.open(path)))
        equal(take({"path": str(path), "depth": 8}, 1), tf.io.decode_png(data).numpy())


class TestOrientation:
    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    def test_apply_is_exif_transpose_and_ignore_is_not(self, take, tmp_path, suffix, orientation):
        path = save(tmp_path / f"turned.{suffix}", picture(), orientation)
        image = Image.open(path)
        upright, stored = np.asarray(ImageOps.exif_transpose(image)), np.asarray(image)
        assert upright.shape[0] == (WIDTH if orientation > 4 else HEIGHT)
        equal(take({"path": str(path), "exif": "apply"}, 3, like="pillow"), upright)
        equal(take(str(path), 3, like="pillow"), stored)

    @pytest.mark.tf
    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    def test_like_keras_ignores_it(self, take, tmp_path, tf, suffix):
        path = save(tmp_path / f"turned.{suffix}", picture(), 6)
        equal(take(str(path), 3), tf.io.decode_image(path.read_bytes()).numpy())

    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    def test_like_opencv_applies_it(self, take, tmp_path, suffix, orientation):
        cv2 = pytest.importorskip("cv2")
        path = save(tmp_path / f"turned.{suffix}", picture(), orientation)
        read = {"apply": cv2.IMREAD_COLOR, "ignore": cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION}
        upright, stored = (cv2.imread(str(path), flag)[..., ::-1] for flag in read.values())
        equal(take(str(path), 3, like="opencv"), upright)
        equal(take({"path": str(path), "exif": "ignore"}, 3, like="opencv"), stored)


    def test_a_picture_on_its_side_is_proposed_to_be_turned(self, kprep, job, tmp_path):
        upright = Image.fromarray(np.rot90(np.asarray(picture()), -1))
        save(tmp_path / "in/0.png", picture(), 6)
        save(tmp_path / "in/1.png", upright)
        wanted = spec(upright.height, upright.width, 3)
        problem = kprep("check", job(input="in", spec=wanted), "--json", rc=1).problems[0]
        assert problem["help"].startswith("exif: apply") and problem["file"].endswith("0.png")
        kprep("check", job(input="in", spec=wanted), "--exif", "apply", rc=0)


class TestMix:
    @pytest.fixture
    def mixed(self, tmp_path):
        """5 RGB (two of them JPEG), 2 grey, a palette of 4 bits, grey + alpha, CMYK; 3 turned, 2 on
        their side."""
        folder = tmp_path / "mixed"
        save(folder / "a.png", picture())
        save(folder / "b.png", picture(), 3)
        save(folder / "c.png", picture(), 6)
        save(folder / "d.jpg", picture(), 8)
        save(folder / "e.jpg", picture())
        save(folder / "f.png", picture().convert("L"))
        save(folder / "g.jpg", picture().convert("L"))
        save(folder / "h.png", picture().quantize(13))
        save(folder / "i.png", picture().convert("LA"))
        save(folder / "j.jpg", picture().convert("CMYK"))
        return folder

    EXPECTED = {"files": 10, "bits": {"8": 10}, "oriented": 3, "turned": 2,
                "modes": {"RGB": 5, "grey": 2, "palette": 1, "grey + alpha": 1, "CMYK": 1}}
    PIPELINE = "rgb | center_crop 8 8 | cast float32"

    def check(self, kprep, job, folder, *options, command="check", **keys):
        return kprep(command, folder, "--spec", job("spec.json", **spec(8, 8, 3, "float32")),
                     "--pipeline", self.PIPELINE, *options, **keys)

    @pytest.mark.parametrize("options, exif, said", [
        ([], "ignore", "ignored; height and width would swap in 2"),
        (["--exif", "apply"], "apply", "applied; height and width swap in 2"),
        (["--like", "opencv"], "apply", "applied; height and width swap in 2"),
        (["--like", "opencv", "--exif", "ignore"], "ignore", "ignored; height and width would swap")])
    def test_check_names_it(self, kprep, job, mixed, options, exif, said):
        out = self.check(kprep, job, mixed, *options, rc=0).out
        assert "5 RGB, 2 grey, " in out and "1 CMYK" in out and "8 bits" not in out
        assert f"3 of 10 have an orientation other than 1: {said}" in out
        summary = self.check(kprep, job, mixed, *options, "--json", rc=0).json["summary"]
        assert summary["images"] == {**self.EXPECTED, "exif": exif}

    def test_run_names_it(self, kprep, job, mixed):
        out = self.check(kprep, job, mixed, "--output", "out", command="run", rc=0).out
        assert "5 RGB, 2 grey, " in out and "3 of 10 have" in out
        summary = self.check(kprep, job, mixed, "--output", "out2", "--json", command="run",
                             rc=0).json["summary"]
        assert summary["images"] == {**self.EXPECTED, "exif": "ignore"}

    def test_nothing_is_decoded_for_it(self, kprep, job, mixed):
        """Files cut in their pixels: only what decodes them can tell."""
        for path in mixed.iterdir():
            data = path.read_bytes()
            path.write_bytes(data[:-len(data) // 5])
        summary = self.check(kprep, job, mixed, "--json", rc=0).json["summary"]
        assert summary["images"] == {**self.EXPECTED, "exif": "ignore"}
        self.check(kprep, job, mixed, "--output", "out", command="run", rc=3)

    def test_there_is_nothing_to_say_of_one_kind(self, kprep, job, tmp_path, arrays):
        save(tmp_path / "same/a.jpg", picture())
        save(tmp_path / "same/b.png", picture(), 1)
        for command, output in (("check", []), ("run", ["--output", "out"])):
            out = self.check(kprep, job, tmp_path / "same", *output, command=command, rc=0).out
            assert "RGB, " not in out and "orientation" not in out
        path = arrays("x.npy", np.zeros((3, 8, 8, 3), np.float32))
        document = kprep("check", path, "--spec", job("s.json", **spec(8, 8, 3, "float32")), "--json", rc=0)
        assert "images" not in document.json["summary"]

    def test_8_and_16_bits_are_a_dtype_problem(self, kprep, job, tmp_path):
        for i in range(3):
            save(tmp_path / f"deep/{i}.png", picture(i).convert("L"))
        for i in range(2):
            save(tmp_path / f"deep/{i}d.png", Image.fromarray(deep()))
        path = job("spec.json", **spec(HEIGHT, WIDTH, 1, "float32"))
        answer = kprep("check", "deep", "--spec", path, "--json", rc=1)
        assert answer.ids == ["dtype"]
        assert "3 8-bit and 2 16-bit" in answer.problem("dtype")["message"]
        assert answer.json["summary"]["images"]["bits"] == {"8": 3, "16": 2}
        assert "images   3 of 8 bits, 2 of 16 bits\n" in kprep("check", "deep", "--spec", path, rc=1).out
        kprep("check", "deep", "--spec", path, "--depth", "8", rc=0)


def used(values):
    """Significant, lowest and highest of the bits set in any magnitude, by Python's integers."""
    bits = 0
    for value in values.ravel().tolist():
        bits |= abs(value)
    if bits == 0:
        return 0, None, None
    low, high = (bits & -bits).bit_length() - 1, bits.bit_length() - 1
    return high - low + 1, low, high


class TestInspect:
    KEYS = ("significant_bits", "lowest_bit", "highest_bit")

    def bits(self, kprep, path):
        entry, = kprep("inspect", path, "--json", rc=0).json["files"]
        return tuple(entry.get(key, "none") for key in self.KEYS)

    @pytest.mark.parametrize("shift", [0, 4])
    @pytest.mark.parametrize("kind", ["png", "npy", "big-endian"])
    def test_twelve_bits_of_sixteen(self, kprep, arrays, tmp_path, kind, shift):
        pixels = (deep() >> 4) << shift
        if kind == "png":
            path = save(tmp_path / "x.png", Image.fromarray(pixels))
        else:
            path = arrays("x.npy", pixels.astype(">u2" if kind == "big-endian" else "<u2"))
        assert self.bits(kprep, path) == used(pixels) == (12, shift, 11 + shift)
        out = kprep("inspect", path, rc=0).out
        assert "uint16" in out and f", 12 significant bits ({shift} to {11 + shift})\n" in out

    @pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"])
    def test_every_integer(self, kprep, arrays, dtype):
        limits, rng = np.iinfo(dtype), np.random.default_rng(7)
        some = rng.integers(limits.min, limits.max, 300, dtype, endpoint=True)
        for i, values in enumerate([some, some // 16 * 2, np.array([limits.max], dtype),
                                    np.array([limits.min], dtype), np.zeros(9, dtype),
                                    np.full(5, -6 if limits.min else 6).astype(dtype)]):
            assert self.bits(kprep, arrays(f"{i}.npy", values)) == used(values)

    def test_only_where_it_means_something(self, kprep, arrays, tmp_path):
        for name, array in [("f", np.ones(3)), ("b", np.ones(3, bool)), ("e", np.zeros((0, 2), np.uint16))]:
            assert self.bits(kprep, arrays(f"{name}.npy", array)) == ("none",) * 3
        assert "significant" not in kprep("inspect", save(tmp_path / "a.png", picture()), rc=0).out

    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    def test_mode_and_orientation(self, kprep, tmp_path, suffix, orientation):
        path = save(tmp_path / f"x.{suffix}", picture().convert("L"), orientation)
        entry, = kprep("inspect", path, "--json", rc=0).json["files"]
        assert (entry["mode"], entry["orientation"]) == ("grey", orientation)
        assert entry["shape"] == [HEIGHT, WIDTH, 1]
        out = kprep("inspect", path, rc=0).out
        assert (f"EXIF orientation {orientation}" in out) == (orientation > 1)

    def test_one_line_about_many_files(self, kprep, arrays, tmp_path):
        save(tmp_path / "set/a.png", picture())
        save(tmp_path / "set/b.png", picture(), 6)
        save(tmp_path / "set/c.png", Image.fromarray(deep()))
        arrays("set/d.npy", np.zeros(3, np.float32))
        (tmp_path / "set/e.png").write_bytes((tmp_path / "set/a.png").read_bytes()[:20])
        answer = kprep("inspect", "set", rc=3)
        assert answer.out.splitlines()[-1] == (
            "5 files: 2 png RGB, 8 bits; 1 png grey, 16 bits; 1 npy float32; "
            "1 with EXIF orientation; 1 unreadable")
        assert kprep("inspect", "set", "--json", rc=3).json["summary"] == {
            "files": 5, "oriented": 1, "unreadable": 1,
            "kinds": {"png RGB, 8 bits": 2, "png grey, 16 bits": 1, "npy float32": 1}}
        assert "files" not in kprep("inspect", "set/a.png", rc=0).out

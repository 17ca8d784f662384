"""What an input can be, how its files become samples, and in which order."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

import make
from support import equal, manifest, npy_of_version, rows, samples

pytestmark = pytest.mark.pipeline


def spec(*shape, dtype="float32", **keys):
    return {"shape": [None, *shape], "dtype": dtype, **keys}


@pytest.fixture
def take(kprep, job, tmp_path):
    """take(input, spec, ...) runs a job and gives the rows it wrote."""

    def run(source, spec, rc=0, out="out", **keys):
        result = kprep("run", job(input=source, spec=spec, output={"path": out, "batch": 3}, **keys), rc=rc)
        if rc != 0:
            return result
        return rows(tmp_path / out)

    return run


def numbered(arrays, names, shape=(3,)):
    """Files whose values are their place in the list."""
    for i, name in enumerate(names):
        arrays(name, np.full((1, *shape), i, np.float32))


class TestPaths:
    NAMES = ["set/f1.npy", "set/f2.npy", "set/f10.npy", "set/sub/f3.npy"]

    def test_file(self, take, arrays):
        array = np.arange(12, dtype=np.float32).reshape(4, 3)
        equal(take(str(arrays("one.npy", array)), spec(3)), array)

    def test_folder_is_recursive_and_skips_the_rest(self, take, arrays, tmp_path):
        numbered(arrays, self.NAMES)
        (tmp_path / "set/notes.md").write_text("not data")
        (tmp_path / "set/.hidden.npy").write_bytes(b"junk")
        shutil.copy(tmp_path / "set/f1.npy", tmp_path / "set/UPPER.NPY")
        taken = take("set/", spec(3))
        assert sorted(taken[:, 0]) == [0, 0, 1, 2, 3]

    def test_glob(self, take, arrays):
        numbered(arrays, self.NAMES)
        assert take("set/f1*.npy", spec(3))[:, 0].tolist() == [0, 2]

    def test_literal_name_wins_over_a_glob(self, take, arrays):
        numbered(arrays, ["set/a[1].npy", "set/a1.npy"])
        assert take("set/a[1].npy", spec(3))[:, 0].tolist() == [0]

    def test_list_of_paths(self, take, arrays):
        numbered(arrays, self.NAMES)
        assert take({"path": ["set/sub/f3.npy", "set/f1.npy"]}, spec(3))[:, 0].tolist() == [3, 0]

    def test_list_file(self, take, arrays, tmp_path):
        numbered(arrays, self.NAMES)
        (tmp_path / "list.txt").write_text("set/f10.npy\nset/f1.npy\nset/f2.npy\n")
        assert take({"path": "list.txt", "order": "list"}, spec(3))[:, 0].tolist() == [2, 0, 1]

    def test_files_from(self, kprep, job, arrays, tmp_path):
        numbered(arrays, self.NAMES)
        (tmp_path / "list").write_text("set/f10.npy\nset/f1.npy\n")
        (tmp_path / "list0").write_bytes(b"set/f10.npy\0set/f1.npy\0")
        arguments = ("--spec", job("spec.json", **spec(3)), "--order", "list")
        for out, option, stdin in (("a", ("--files-from", "list"), None),
                                   ("b", ("--files-from", "-"), "set/f10.npy\nset/f1.npy\n"),
                                   ("c", ("--files0-from", "list0"), None)):
            kprep("run", *option, *arguments, "--output", out, stdin=stdin, rc=0)
            assert rows(tmp_path / out)[:, 0].tolist() == [2, 0]

    def test_several_paths_on_the_command_line(self, kprep, job, arrays, tmp_path):
        numbered(arrays, self.NAMES)
        kprep("run", *[tmp_path / n for n in reversed(self.NAMES[:3])], "--spec",
              job("spec.json", **spec(3)), "--output", "out", rc=0)
        assert rows(tmp_path / "out")[:, 0].tolist() == [0, 1, 2]

    def test_path_that_looks_like_an_option(self, kprep, job, arrays, tmp_path):
        numbered(arrays, ["--json.npy"])
        kprep("run", "--spec", job("spec.json", **spec(3)), "--output", "out", "--", "--json.npy", rc=0)
        assert len(rows(tmp_path / "out")) == 1


class TestOrder:
    NAMES = ["f10.npy", "f2.npy", "f1.npy", "F3.npy", "a/f1.npy", "f02.npy"]

    def sources(self, kprep, job, arrays, tmp_path, order):
        numbered(arrays, [f"set/{n}" for n in self.NAMES])
        source = {"path": "set/", "order": order} if order else "set/"
        kprep("run", job(input=source, spec=spec(3), output={"path": "out"}), rc=0)
        return [r["source"] for r in samples(tmp_path / "out")]

    @pytest.mark.parametrize("order", [None, "natural"])
    def test_natural(self, kprep, job, arrays, tmp_path, order):
        taken = self.sources(kprep, job, arrays, tmp_path, order)
        assert sorted(taken) == sorted(self.NAMES)
        assert taken.index("f1.npy") < taken.index("f2.npy") < taken.index("f10.npy")
        assert taken.index("f02.npy") < taken.index("f10.npy")

    def test_bytes(self, kprep, job, arrays, tmp_path):
        taken = self.sources(kprep, job, arrays, tmp_path, "bytes")
        assert taken == sorted(self.NAMES)

    def test_rows_follow_the_order(self, take, arrays):
        numbered(arrays, [f"set/f{i}.npy" for i in (0, 1, 2, 9, 10, 11, 100)])
        assert take("set/", spec(3))[:, 0].tolist() == list(range(7))


class TestSamples:
    def test_row_and_file(self, take, arrays):
        array = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
        path = str(arrays("a.npy", array))
        equal(take({"path": path, "samples": "row"}, spec(2, 3), out="row"), array)
        equal(take({"path": path, "samples": "file"}, spec(4, 2, 3), out="file"), array[np.newaxis])

    def test_auto_takes_the_reading_that_fits_and_says_so(self, take, arrays, tmp_path):
        array = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
        path = str(arrays("a.npy", array))
        equal(take(path, spec(2, 3), out="row"), array)
        equal(take(path, spec(4, 2, 3), out="file"), array[np.newaxis])
        for reading in ("row", "file"):
            assert f'"{reading}"' in str(manifest(tmp_path / reading)["job"]).replace("'", '"')

    def test_files_of_different_length(self, take, arrays):
        parts = [np.arange(n * 3, dtype=np.float32).reshape(n, 3) + 100 * n for n in (4, 1, 7)]
        for i, part in enumerate(parts):
            arrays(f"set/{i}.npy", part)
        equal(take("set/", spec(3)), np.concatenate(parts))

    def test_a_file_without_rows(self, take, arrays):
        arrays("set/0.npy", np.zeros((0, 3), np.float32))
        arrays("set/1.npy", np.ones((2, 3), np.float32))
        equal(take({"path": "set/", "samples": "row"}, spec(3)), np.ones((2, 3), np.float32))

    def test_scalars(self, take, arrays):
        array = np.arange(5, dtype=np.float32)
        equal(take({"path": str(arrays("a.npy", array)), "samples": "row"}, {"shape": [None]}), array)

    @pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
    def test_npy_versions(self, take, tmp_path, version):
        array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        (tmp_path / "a.npy").write_bytes(npy_of_version(array, version))
        equal(take("a.npy", spec(3, 4)), array)

    @pytest.mark.parametrize("shape", [(5, 4, 3), (1, 4, 3), (7, 4, 3)])
    def test_fortran_order_rows(self, take, arrays, shape):
        array = np.asfortranarray(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
        equal(take(str(arrays("a.npy", array)), spec(4, 3)), np.ascontiguousarray(array))

    def test_python_2_shapes(self, take, tmp_path):
        text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n"
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text
                                         + array.tobytes())
        equal(take("a.npy", spec(3)), array)

    def test_trailing_bytes_are_no_matter(self, take, arrays):
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        path = arrays("a.npy", array)
        with open(path, "ab") as file:
            file.write(b"more")
        equal(take(str(path), spec(3)), array)


class TestJoin:
    def planes(self, arrays, count=12, shape=(5, 4, 6)):
        rng = np.random.default_rng(8)
        planes = rng.random((count, *shape), dtype=np.float32)
        for i, plane in enumerate(planes):
            arrays(f"set/f{i}.npy", plane)
        return planes

    def test_lower_rank_is_stacked_in_natural_order(self, take, arrays):
        planes = self.planes(arrays)
        equal(take({"path": "set/", "join": "channels"}, spec(4, 6, 12)),
              np.ascontiguousarray(np.moveaxis(planes, 0, -1)))

    def test_order_decides_the_channels(self, take, arrays):
        planes = self.planes(arrays)
        order = sorted(range(12), key=lambda i: f"f{i}.npy")
        equal(take({"path": "set/", "join": "channels", "order": "bytes"}, spec(4, 6, 12)),
              np.ascontiguousarray(np.moveaxis(planes[order], 0, -1)))

    def test_order_is_printed_and_recorded(self, kprep, job, arrays, tmp_path):
        self.planes(arrays)
        answer = kprep("run", job(input={"path": "set/", "join": "channels"}, spec=spec(4, 6, 12),
                                  output={"path": "out"}), rc=0)
        assert "f0.npy" in answer.text
        assert "f11.npy" in (tmp_path / "out/manifest.json").read_text()

    def test_equal_rank_is_concatenated(self, take, arrays):
        rng = np.random.default_rng(9)
        parts = [rng.random((5, 4, 6, c), dtype=np.float32) for c in (1, 3, 2)]
        for i, part in enumerate(parts):
            arrays(f"set/{i}.npy", part)
        equal(take({"path": "set/", "join": "channels"}, spec(4, 6, 6)), np.concatenate(parts, axis=-1))

    def test_whole_files_as_planes_of_one_sample(self, take, arrays):
        rng = np.random.default_rng(10)
        planes = rng.random((7, 4, 6), dtype=np.float32)
        for i, plane in enumerate(planes):
            arrays(f"set/{i}.npy", plane)
        equal(take({"path": "set/", "join": "channels", "samples": "file"}, spec(4, 6, 7)),
              np.ascontiguousarray(np.moveaxis(planes, 0, -1))[np.newaxis])

    def test_many_dtypes_and_orders_together(self, take, arrays):
        rng = np.random.default_rng(11)
        values = rng.integers(0, 100, (4, 5, 8, 9))
        for i, (dtype, order) in enumerate([("<f4", "C"), (">f4", "C"), ("<f4", "F"), (">f4", "F")]):
            arrays(f"set/{i}.npy", np.array(values[i], dtype=dtype, order=order))
        equal(take({"path": "set/", "join": "channels"}, spec(8, 9, 4)),
              np.ascontiguousarray(np.moveaxis(values, 0, -1)).astype(np.float32))

    def test_row_counts_must_agree(self, kprep, job, arrays, tmp_path):
        self.planes(arrays, 4)
        arrays("set/f2.npy", np.zeros((4, 4, 6), np.float32))
        path = job(input={"path": "set/", "join": "channels"}, spec=spec(4, 6, 4), output={"path": "out"})
        for command in ("run", "check"):
            answer = kprep(command, path, "--json")
            assert answer.rc == 1
            assert "f2.npy" in answer.out

    def test_another_count_of_files_is_channel_count(self, kprep, job, arrays):
        self.planes(arrays, 11)
        answer = kprep("check", job(input={"path": "set/", "join": "channels"}, spec=spec(4, 6, 12),
                                    output={"path": "out"}), "--json", rc=1)
        assert answer.ids == ["channel-count"]
        assert "11" in answer.problem("channel-count")["found"]

    def test_tiles(self, take, arrays):
        """Sizes around those in which a transpose works."""
        for count, shape in ((1, (2, 3, 3)), (17, (3, 7, 9)), (64, (2, 8, 8)), (65, (1, 16, 17))):
            rng = np.random.default_rng(count)
            planes = rng.random((count, *shape), dtype=np.float32)
            for i, plane in enumerate(planes):
                arrays(f"s{count}/f{i}.npy", plane)
            equal(take({"path": f"s{count}/", "join": "channels"}, spec(*shape[1:], count),
                       out=f"out{count}"), np.ascontiguousarray(np.moveaxis(planes, 0, -1)))


class TestAxes:
    def test_named_axes_are_those_of_the_array(self, take, arrays):
        array = np.random.default_rng(12).random((3, 5, 6, 7), dtype=np.float32)
        path = str(arrays("a.npy", array))
        equal(take({"path": path, "axes": "chw"}, spec(6, 7, 5), pipeline=[{"moveaxis": ["c", -1]}]),
              np.ascontiguousarray(np.moveaxis(array, 1, -1)))

    def test_wrong_number_of_names(self, kprep, job, arrays):
        path = arrays("a.npy", np.zeros((3, 5, 6, 7), np.float32))
        answer = kprep("check", path, "--axes", "hw", "--samples", "row", "--spec",
                       job("spec.json", **spec(5, 6, 7)), "--json")
        assert answer.rc in (1, 2)

    def test_assumed_axes_are_marked(self, kprep, job, arrays):
        path = arrays("a.npy", np.zeros((3, 5, 6, 4), np.float32))
        answer = kprep("check", path, "--spec", job("spec.json", **spec(5, 6, 7, axes="nhwc")), rc=1)
        assert "assumed" in answer.out


class TestStages:
    """A stage of each kind against NumPy, through the command."""

    A = np.random.default_rng(13).random((6, 5, 7, 3), dtype=np.float32)
    MEAN = np.array([0.485, 0.456, 0.406], np.float32)
    STD = np.array([0.229, 0.224, 0.225], np.float32)
    CASES = {
        "expand_dims 0": A[:, None], "expand_dims -1 | squeeze -1": A,
        "transpose 2,0,1": A.transpose(0, 3, 1, 2), "transpose [c,h,w]": A.transpose(0, 3, 1, 2),
        "moveaxis c 0": np.moveaxis(A, -1, 1), "moveaxis from=-1 to=0": np.moveaxis(A, -1, 1),
        "reshape 35,3": A.reshape(6, 35, 3), "reshape -1,5": A.reshape(6, -1, 5),
        "flatten": A.reshape(6, -1),
        "rearrange 'h w c -> c h w'": A.transpose(0, 3, 1, 2),
        "rearrange \"h w c -> (h w) c\"": A.reshape(6, 35, 3),
        "rearrange 'h w c -> w 1 (c h)'": A.transpose(0, 2, 3, 1).reshape(6, 7, 1, 15),
        "select c 2,0": A[..., [2, 0]], "select -1 [1]": A[..., [1]],
        "crop 1 2 3 4": A[:, 1:4, 2:6], "crop top=0 left=1 height=5 width=6": A[:, :, 1:],
        "center_crop 3 5": A[:, 1:4, 1:6],
        "flip w": A[:, :, ::-1], "flip h | flip c": A[:, ::-1, :, ::-1],
        "clip 0.25 0.75": A.clip(np.float32(0.25), np.float32(0.75)),
        "rescale 1/255": A * np.float32(1 / 255), "rescale 2 -1": A * np.float32(2) + np.float32(-1),
        "rescale scale=2 offset=0.1": A * np.float32(2) + np.float32(0.1),
        "normalize 0.485,0.456,0.406 0.229,0.224,0.225": (A - MEAN) / STD,
        "cast float64": A.astype(np.float64), "cast float16": A.astype(np.float16),
    }

    @pytest.mark.parametrize("pipeline", CASES)
    def test_equals_numpy(self, kprep, job, arrays, tmp_path, pipeline):
        expected = np.ascontiguousarray(self.CASES[pipeline])
        kprep("run", arrays("a.npy", self.A), "--samples", "row", "--pipeline", pipeline, "--spec",
              job("spec.json", **spec(*expected.shape[1:], dtype=str(expected.dtype))),
              "--output", "out", rc=0)
        equal(rows(tmp_path / "out"), expected)

    @pytest.mark.parametrize("op", ["mean", "max", "min", "sum"])
    def test_reduce(self, kprep, job, arrays, tmp_path, op):
        kprep("run", arrays("a.npy", self.A), "--samples", "row", "--pipeline", f"reduce h,w {op}",
              "--spec", job("spec.json", **spec(3)), "--output", "out", rc=0)
        expected = getattr(self.A.astype(np.float64), op)(axis=(1, 2))
        np.testing.assert_allclose(rows(tmp_path / "out"), expected, rtol=1e-6)

    @pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
    @pytest.mark.tf
    def test_normalize_modes_are_keras(self, kprep, job, arrays, keras, tmp_path, mode):
        modules = {"tf": keras.applications.mobilenet, "torch": keras.applications.densenet,
                   "caffe": keras.applications.vgg16}
        array = np.arange(2 * 16 * 16 * 3, dtype=np.uint32).reshape(2, 16, 16, 3) % 256
        array = array.astype(np.float32)
        expected = modules[mode].preprocess_input(array.copy())
        kprep("run", arrays("a.npy", array), "--pipeline", f"normalize mode={mode}", "--spec",
              job("spec.json", **spec(16, 16, 3)), "--output", "out", rc=0)
        equal(rows(tmp_path / "out"), np.ascontiguousarray(expected))


class TestImages:
    @pytest.fixture
    def turned(self, tmp_path):
        image = Image.fromarray(make.picture(24, 40, 6))
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            image.save(tmp_path / f"o{orientation}.jpg", quality=90, exif=exif)
        return tmp_path

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_is_ignored_unless_asked(self, take, turned, orientation):
        path = turned / f"o{orientation}.jpg"
        anything = spec(None, None, 3, dtype="uint8")
        image = Image.open(path)
        equal(take(str(path), anything, like="pillow", out="as-stored")[0], np.asarray(image))
        equal(take({"path": str(path), "exif": "apply"}, anything, like="pillow", out="upright")[0],
              np.asarray(ImageOps.exif_transpose(image)))

    def test_depth_keep_and_8(self, take, tmp_path):
        pixels = (np.arange(20 * 10, dtype=np.uint16) * 327).reshape(20, 10)
        Image.fromarray(pixels).save(tmp_path / "deep.png")
        equal(take("deep.png", spec(20, 10, 1, dtype="uint16"), out="keep")[0, ..., 0], pixels)
        equal(take({"path": "deep.png", "depth": 8}, spec(20, 10, 1, dtype="uint8"), out="narrow")[0, ..., 0],
              (pixels >> 8).astype(np.uint8))


def test_files_of_one_name_in_several_folders_stay_apart(kprep, job, arrays, tmp_path):
    for folder in ("a", "b"):
        arrays(f"two/{folder}/x.npy", np.zeros((2, 3, 3), np.float32))
    kprep("run", "two/a", "two/b", "--spec", job("s.json", shape=[None, 3, 3]), "--output", "out", rc=0)
    assert [s["source"] for s in samples(tmp_path / "out")] == ["a/x.npy"] * 2 + ["b/x.npy"] * 2

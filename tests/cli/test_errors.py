"""Bad input and bad requests: each has its ID and its exit code, and says where."""

import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import make
from support import IMAGES, MODELS, PHOTOS, npy_bytes, npy_file, rows, tree

ANY_IMAGE = {"shape": [None, None, None, None], "dtype": "uint8"}
ANY_ROWS = {"shape": [None, None], "dtype": "float32"}


@pytest.fixture
def refused(kprep, job, tmp_path):
    """Writes bytes as an input file, runs a job on it, and gives the first problem. `check` must say
    the same, and no file may be left under a final name."""

    def run(name, data, wanted, rc=3, spec=ANY_IMAGE, headers_tell=True, **keys):
        path = tmp_path / name
        path.write_bytes(data)
        out = tmp_path / "out"
        file = job(input=str(path), spec=spec, output={"path": str(out)}, **keys)
        answer = kprep("run", file, "--json", rc=rc)
        wanted = [wanted] if isinstance(wanted, str) else wanted
        assert answer.ids[0] in wanted, answer
        problem = answer.problems[0]
        assert problem["file"].endswith(name)
        assert not list(out.rglob("*.npy")) and not (out / "manifest.json").exists()
        if headers_tell:
            assert kprep("check", file, "--json", rc=rc).ids[0] in wanted
        plain = kprep("run", file, rc=rc)
        assert f"\nkprep: error[{answer.ids[0]}]: " in "\n" + plain.err, plain
        return problem

    return run


class TestArrays:
    def test_empty(self, refused):
        refused("a.npy", b"", "truncated")

    @pytest.mark.parametrize("keep", [3, 8, 60, 128, 200])
    def test_truncated(self, refused, keep):
        whole = npy_bytes(np.arange(60, dtype=np.float32).reshape(20, 3))
        # Of three bytes nobody can say what they were going to be.
        wanted = "truncated" if keep > 6 else ["truncated", "unsupported-format"]
        refused("a.npy", whole[:keep], wanted, spec=ANY_ROWS)

    def test_one_byte_short(self, refused):
        whole = npy_bytes(np.arange(60, dtype=np.float32).reshape(20, 3))
        problem = refused("a.npy", whole[:-1], "truncated", spec=ANY_ROWS)
        assert "240" in problem["expected"] + problem["message"]

    def test_header_that_lies_about_the_shape(self, refused):
        lie = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 3), }\n"
        refused("a.npy", npy_file(lie, bytes(240)), "truncated", spec=ANY_ROWS)

    def test_header_longer_than_the_file(self, refused):
        refused("a.npy", b"\x93NUMPY\x01\x00\xff\xff{'descr'", ["truncated", "too-large"], spec=ANY_ROWS)

    @pytest.mark.parametrize("shape", ["(4611686018427387904, 4)", "(4294967296, 4294967296)",
                                       "(4294967296, 4294967296, 0)", "(99999999999999999999, 3)"])
    def test_shape_that_overflows(self, refused, shape):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n"
        refused("a.npy", npy_file(header, bytes(64)), ["too-large", "corrupt"], spec=ANY_ROWS)

    def test_pickled_objects(self, refused):
        refused("a.npy", npy_bytes(np.array([{}, None], dtype=object)), "pickled-object", spec=ANY_ROWS)

    @pytest.mark.parametrize("array", [
        np.zeros(3, [("a", "<f4"), ("b", "<i2")]), np.array(["text"]), np.array([b"bytes"]),
        np.zeros(3, "M8[ns]"), np.zeros(3, "m8[s]"), np.zeros(3, np.complex64),
        np.zeros(3, np.longdouble), np.zeros(3, "V4")],
        ids=["structured", "unicode", "bytes", "date", "delta", "complex", "long-double", "void"])
    def test_unsupported_dtypes(self, refused, array):
        refused("a.npy", npy_bytes(array), "unsupported-dtype", spec=ANY_ROWS)

    @pytest.mark.parametrize("header", [
        "", "[]", "{}", "nonsense", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (02, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<i3', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': 5, 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}\0"])
    def test_what_numpy_refuses_is_refused(self, kprep, tmp_path, header):
        path = tmp_path / "a.npy"
        path.write_bytes(npy_file(header + "\n", bytes(24)))
        with pytest.raises(Exception):
            np.load(path)
        answer = kprep("inspect", path, "--json", rc=3)
        assert set(answer.ids) <= {"corrupt", "unsupported-dtype", "truncated"}

    def test_unknown_versions(self, kprep, tmp_path):
        path = tmp_path / "a.npy"
        for version in ((1, 1), (4, 0), (0, 0)):
            data = bytearray(npy_bytes(np.zeros((2, 3), np.float32)))
            data[6:8] = bytes(version)
            path.write_bytes(bytes(data))
            assert set(kprep("inspect", path, "--json", rc=3).ids) <= {"corrupt", "unsupported-format"}


class TestImages:
    @pytest.fixture
    def jpeg(self):
        return (PHOTOS / "cat/img1.jpg").read_bytes()

    @pytest.fixture
    def png(self):
        return (PHOTOS / "cat/small.png").read_bytes()

    def test_empty(self, refused):
        refused("a.png", b"", "truncated")

    def test_not_an_image(self, refused):
        refused("a.png", b"this is a text, whatever its name says\n" * 9, "unsupported-format")

    def test_wrong_extension_is_no_matter(self, kprep, job, tmp_path, jpeg, png):
        """The kind is told by the first bytes."""
        for name, data in (("jpeg.png", jpeg), ("png.jpg", png)):
            (tmp_path / name).write_bytes(data)
            out = tmp_path / f"out-{name}"
            kprep("run", job(input=str(tmp_path / name), spec=ANY_IMAGE, output={"path": str(out)}), rc=0)
            assert len(rows(out)) == 1

    @pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
    def test_truncated_jpeg(self, refused, jpeg, part):
        refused("a.jpg", jpeg[:int(len(jpeg) * part)], ["truncated", "corrupt"], headers_tell=False)

    def test_jpeg_without_its_end_marker(self, refused, jpeg):
        refused("a.jpg", jpeg[:-2], "truncated", headers_tell=False)

    @pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
    def test_truncated_png(self, refused, png, part):
        refused("a.png", png[:int(len(png) * part)], ["truncated", "corrupt"], headers_tell=False)

    def test_png_with_a_wrong_checksum(self, refused, png):
        data = bytearray(png)
        at = data.index(b"IDAT")
        length = struct.unpack(">I", data[at - 4:at])[0]
        data[at + 4 + length] ^= 0xFF
        refused("a.png", bytes(data), "corrupt", headers_tell=False)

    def test_png_that_claims_to_be_huge(self, refused, png):
        data = bytearray(png)
        at = data.index(b"IHDR")
        data[at + 4:at + 12] = struct.pack(">II", 60000, 60000)
        data[at + 17:at + 21] = struct.pack(">I", zlib.crc32(data[at:at + 17]))
        refused("a.png", bytes(data), "too-large")

    def test_limit_of_pixels(self, refused, png):
        refused("a.png", png, "too-large", limits={"pixels": 1000})

    def test_no_message_of_the_libraries(self, kprep, job, tmp_path, jpeg):
        """Every line on standard error is kprep's own."""
        path = tmp_path / "a.jpg"
        path.write_bytes(jpeg[:len(jpeg) // 2])
        answer = kprep("run", job(input=str(path), spec=ANY_IMAGE,
                                  output={"path": str(tmp_path / "out")}), rc=3)
        assert all(line.startswith(("kprep:", " ")) for line in answer.err.splitlines() if line), answer


class TestInputs:
    def test_missing(self, kprep, job, tmp_path):
        answer = kprep("run", job(input="nowhere/", spec=ANY_IMAGE, output={"path": "out"}), "--json", rc=3)
        assert answer.ids == ["not-found"]
        assert "nowhere" in answer.problems[0]["file"] + answer.problems[0]["message"]

    def test_folder_with_nothing_in_it(self, kprep, job, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty/notes.md").write_text("not data")
        answer = kprep("check", "empty", "--spec", job("spec.json", **ANY_IMAGE), "--json", rc=3)
        assert answer.ids == ["not-found"]

    def test_folder_that_may_not_be_read(self, as_other_user, public_tmp):
        closed = public_tmp / "closed"
        closed.mkdir()
        np.save(closed / "a.npy", np.zeros((2, 3), np.float32))
        closed.chmod(0)
        spec = public_tmp / "spec.yaml"
        spec.write_text("shape: [null, 3]\ndtype: float32\n")
        answer = as_other_user("check", closed, "--spec", spec, "--json", rc=3)
        assert answer.ids[0] in ("unreadable", "not-found")
        assert "ermission" in answer.out

    def test_folder_inside_that_may_not_be_read(self, as_other_user, public_tmp):
        """Half a data set is not taken for a whole one."""
        (public_tmp / "set/closed").mkdir(parents=True)
        for path in ("set/a.npy", "set/closed/b.npy"):
            np.save(public_tmp / path, np.zeros((2, 3), np.float32))
        (public_tmp / "set/closed").chmod(0)
        (public_tmp / "spec.yaml").write_text("shape: [null, 3]\ndtype: float32\n")
        as_other_user("check", public_tmp / "set", "--spec", public_tmp / "spec.yaml", rc=3)

    def test_file_that_may_not_be_read(self, as_other_user, public_tmp):
        path = public_tmp / "a.npy"
        np.save(path, np.zeros((2, 3), np.float32))
        path.chmod(0)
        (public_tmp / "spec.yaml").write_text("shape: [null, 3]\ndtype: float32\n")
        answer = as_other_user("check", path, "--spec", public_tmp / "spec.yaml", "--json", rc=3)
        assert answer.ids == ["unreadable"]


class TestJobFile:
    def write(self, tmp_path, text):
        path = tmp_path / "job.yaml"
        path.write_text(text)
        return path

    @pytest.mark.parametrize("text, line, column, near", [
        ("input: a.npy\npipelin: []\nspec: s.yaml\noutput: {path: out}\n", 2, 1, "pipeline"),
        ("input: a.npy\nspec: s.yaml\noutput:\n  path: out\n  bach: 3\n", 5, 3, "batch"),
        ("input:\n  pth: a.npy\nspec: s.yaml\noutput: {path: out}\n", 2, 3, "path"),
        ("input: a.npy\npipeline:\n  - resiz: [3, 3]\nspec: s.yaml\noutput: {path: out}\n", 3, 5, "resize"),
        ("input: a.npy\npipeline:\n  - flaten\nspec: s.yaml\noutput: {path: out}\n", 3, 5, "flatten"),
        ("input: a.npy\npipeline:\n  - resize: {height: 3, widht: 3}\nspec: s.yaml\noutput: {path: out}\n",
         3, 25, "width"),
        ("input: a.npy\npipeline: rescale 2 | flaten\nspec: s.yaml\noutput: {path: out}\n", 2, 23, "flatten"),
        ("input: a.npy\npipeline: 'flaten'\nspec: s.yaml\noutput: {path: out}\n", 2, 12, "flatten"),
    ], ids=["key", "output-key", "input-key", "stage", "bare-stage", "option", "string", "quoted"])
    def test_unknown_names_get_the_nearest(self, kprep, tmp_path, text, line, column, near):
        path = self.write(tmp_path, text)
        answer = kprep("run", path, "--json", rc=2)
        problem = answer.problem("unknown-key")
        assert (problem["line"], problem["column"]) == (line, column)
        assert near in problem["help"] + problem["message"] + problem.get("expected", "")
        plain = kprep("run", path, rc=2)
        assert f"job.yaml:{line}:{column}" in plain.err
        assert near in plain.err

    @pytest.mark.parametrize("text, line", [
        ("input: a.npy\nspec: s.yaml\noutput: {path: out, batch: many}\n", 3),
        ("input: a.npy\nspec: s.yaml\noutput: {path: out, batch: 0}\n", 3),
        ("input: a.npy\npipeline:\n  - resize: [0, 3]\nspec: s.yaml\noutput: {path: out}\n", 3),
        ("input: a.npy\npipeline:\n  - cast: float33\nspec: s.yaml\noutput: {path: out}\n", 3),
        ("input: {path: a.npy, order: sideways}\nspec: s.yaml\noutput: {path: out}\n", 1),
        ("input: a.npy\nlike: matlab\nspec: s.yaml\noutput: {path: out}\n", 2),
    ])
    def test_bad_values(self, kprep, tmp_path, text, line):
        answer = kprep("run", self.write(tmp_path, text), "--json", rc=2)
        problem = answer.problem("bad-option")
        assert problem["line"] == line and problem["column"] > 0

    @pytest.mark.parametrize("text", ["input: [unclosed\n", "input: a\ninput: b\n", "- a\n- b\n", "", "\t\n"])
    def test_not_a_job(self, kprep, tmp_path, text):
        kprep("run", self.write(tmp_path, text), "--json", rc=2).json

    def test_missing_job(self, kprep):
        assert kprep("run", "nowhere.yaml", "--json", rc=2).problems

    def test_unset_variable(self, kprep, tmp_path):
        path = self.write(tmp_path, "input: ${KPREP_NO_SUCH_NAME}/a\nspec: s.yaml\noutput: {path: out}\n")
        answer = kprep("run", path, "--json", rc=2)
        assert "KPREP_NO_SUCH_NAME" in answer.out

    def test_set_variable(self, kprep, tmp_path):
        path = self.write(tmp_path, "input: ${PLACE}/images.npy\npipeline: [{expand_dims: -1}]\n"
                                    f"spec: {MODELS / 'conv-32-32-1.keras'}\noutput: {{path: out}}\n")
        kprep("check", path, env={"PLACE": str(IMAGES.parent)}, rc=0)

    def test_stage_that_can_not_be(self, kprep, tmp_path):
        """An axis that the sample has not: found before anything is read, with its place."""
        path = self.write(tmp_path, f"input: {IMAGES}\npipeline:\n  - expand_dims: -1\n"
                                    f"  - squeeze: 7\nspec: {MODELS / 'conv-32-32-1.keras'}\n"
                                    "output: {path: out}\n")
        answer = kprep("run", path, "--json")
        assert answer.rc in (1, 2)
        assert any("squeeze" in str(p.get("stage", "")) + p["message"] for p in answer.problems)


class TestSpecFile:
    def test_missing(self, kprep):
        answer = kprep("check", IMAGES, "--spec", "nowhere.keras", "--json", rc=2)
        assert answer.ids == ["not-found"]

    def test_unknown_key(self, kprep, tmp_path):
        path = tmp_path / "spec.yaml"
        path.write_text("shape: [null, 32, 32]\ndtyp: uint8\n")
        problem = kprep("check", IMAGES, "--spec", path, "--json", rc=2).problem("unknown-key")
        assert (problem["line"], problem["column"]) == (2, 1)
        assert "dtype" in problem["help"] + problem["message"] + problem.get("expected", "")

    @pytest.mark.parametrize("text", ["shape: 5\n", "shape: [null, -3]\n", "shape: [null, 3]\ndtype: float33\n",
                                      "shape: [null, 3]\naxes: nhwc\n", "shape: [null, 3]\nrange: [1, 0]\n",
                                      "shape: [null, three]\n", "dtype: float32\n"])
    def test_bad_values(self, kprep, tmp_path, text):
        path = tmp_path / "spec.yaml"
        path.write_text(text)
        kprep("check", IMAGES, "--spec", path, "--json", rc=2).json

    def test_cut_off_model(self, kprep, tmp_path):
        path = tmp_path / "model.keras"
        path.write_bytes((MODELS / "conv-32-32-1.keras").read_bytes()[:600])
        kprep("check", IMAGES, "--spec", path, "--json", rc=2).json

    def test_no_spec_at_all(self, kprep):
        kprep("check", IMAGES, "--json", rc=2).json


class TestCommandLine:
    @pytest.mark.parametrize("arguments, near", [
        (["chek", "a.npy"], "check"), (["rnu"], "run"), (["inspekt", "a.npy"], "inspect"),
        (["run", "job.yaml", "--shufle", "3"], "--shuffle"), (["check", "a.npy", "--spek", "x"], "--spec"),
        (["stages", "resiz"], "resize")])
    def test_mistyped_names(self, kprep, arguments, near):
        plain = kprep(*arguments, rc=2)
        assert near in plain.err
        answer = kprep(*arguments, "--json", rc=2)
        assert answer.ids == ["unknown-key"]

    @pytest.mark.parametrize("arguments", [
        ["run", "--batch"], ["run", IMAGES, "--spec", MODELS / "dense-912.yaml"],
        ["check", IMAGES, "--spec", MODELS / "dense-912.yaml", "--threads", "some"],
        ["check", IMAGES, "--spec", MODELS / "dense-912.yaml", "--samples", "sometimes"],
        ["check", IMAGES, "--spec", MODELS / "dense-912.yaml", "--pipeline", "resize 3 |"],
        ["check", IMAGES, "--spec", MODELS / "dense-912.yaml", "--pipeline", "resize 'x"]])
    def test_bad_use(self, kprep, arguments):
        assert kprep(*arguments, "--json", rc=2).problems

    def test_pipeline_mistakes_are_placed(self, kprep):
        answer = kprep("check", IMAGES, "--spec", MODELS / "conv-32-32-1.keras", "--pipeline",
                       "expand_dims -1 | rescal 1/255", rc=2)
        assert "rescale" in answer.err and "--pipeline" in answer.err


class TestOutput:
    @pytest.fixture
    def path(self, job, tmp_path):
        def write(out="out", scale="1/255", name="job.yaml"):
            return job(name, input=str(IMAGES), pipeline=[{"expand_dims": -1}, {"rescale": {"scale": scale}}],
                       spec=str(MODELS / "conv-32-32-1.keras"), output={"path": str(out), "batch": 32})
        return write

    def test_under_a_file(self, kprep, path, tmp_path):
        (tmp_path / "file").write_text("in the way")
        answer = kprep("run", path("file/out"), "--json", rc=4)
        assert answer.problems
        assert (tmp_path / "file").read_text() == "in the way"

    def test_folder_that_may_not_be_written(self, as_other_user, public_tmp):
        closed = public_tmp / "closed"
        closed.mkdir()
        closed.chmod(0o555)
        np.save(public_tmp / "a.npy", np.zeros((2, 3), np.float32))
        (public_tmp / "spec.yaml").write_text("shape: [null, 3]\ndtype: float32\n")
        answer = as_other_user("run", public_tmp / "a.npy", "--spec", public_tmp / "spec.yaml",
                               "--output", closed / "out", "--json", rc=4)
        assert "ermission" in answer.out
        assert not list(closed.iterdir())

    def test_foreign_folder_is_left_alone(self, kprep, path, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "thesis.tex").write_text("years of work")
        (out / "x-00000.npy").write_text("someone else's")
        before = tree(out)
        for extra in ((), ("--force",)):
            answer = kprep("run", path(), *extra, "--json")
            assert answer.rc in (2, 4), answer
            assert tree(out) == before

    def test_another_job_in_the_folder(self, kprep, path, tmp_path):
        out = tmp_path / "out"
        kprep("run", path(), rc=0)
        before = tree(out)
        answer = kprep("run", path(scale="1/127", name="other.yaml"), "--json", rc=2)
        assert answer.ids == ["plan-changed"]
        assert tree(out) == before

        (out / "mine.txt").write_text("not kprep's")
        kprep("run", tmp_path / "other.yaml", "--force", rc=0)
        assert (out / "mine.txt").read_text() == "not kprep's"
        first = np.load(out / "x-00000.npy")
        assert np.array_equal(first[..., 0], np.load(IMAGES)[:32].astype(np.float32) * np.float32(1 / 127))
        kprep("verify", out, rc=0)


def test_messages_never_show_the_data(kprep, job, arrays, tmp_path):
    array = np.full((4, 8, 8, 3), 77123.5, np.float32)
    array[2, 1, 1, 1] = np.inf
    out = tmp_path / "out"
    answer = kprep("run", job(input=str(arrays("a.npy", array)), spec={"shape": [None, 8, 8, 3]},
                              output={"path": str(out)}), rc=1)
    assert "77123" not in answer.text
    assert len(answer.text.splitlines()) <= 20


def test_help_in_the_text_form(kprep):
    """First line, then indented fields."""
    answer = kprep("check", IMAGES, "--spec", "nowhere.yaml", rc=2)
    lines = answer.err.rstrip("\n").split("\n")
    assert re.match(r"kprep: error\[not-found\]: \S", lines[0])
    assert all(line.startswith("  ") for line in lines[1:])


def test_large_photo_is_fine(kprep, job, tmp_path):
    """Many pixels under the limit are no error."""
    Image.fromarray(make.picture(600, 800, 1)).save(tmp_path / "big.jpg", quality=80)
    kprep("run", job(input=str(tmp_path / "big.jpg"), spec=ANY_IMAGE,
                     output={"path": str(tmp_path / "out")}), rc=0)
    assert rows(tmp_path / "out").shape == (1, 600, 800, 3)

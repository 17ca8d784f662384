"""The command itself: help, its smaller commands, and answers for programs."""

import json
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

import make
from support import IMAGES, MODELS, PHOTOS, equal, rows

COMMANDS = ["run", "check", "plan", "spec", "inspect", "verify", "report", "stages"]
STAGES = ["expand_dims", "squeeze", "transpose", "moveaxis", "reshape", "flatten", "rearrange", "select",
          "crop", "center_crop", "pad", "flip", "rotate90", "resize", "grayscale", "rgb", "bgr", "alpha",
          "cast", "rescale", "normalize", "clip", "reduce", "one_hot"]


class TestHelp:
    def test_of_the_program(self, kprep):
        answer = kprep("--help", rc=0)
        assert answer.err == ""
        for name in COMMANDS:
            assert name in answer.out

    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_a_command(self, kprep, command):
        answer = kprep(command, "--help", rc=0)
        assert command in answer.out and "--json" in answer.out

    def test_without_arguments(self, kprep):
        answer = kprep(rc=2)
        assert "--help" in answer.text

    def test_version(self, kprep):
        assert re.match(r"kprep \d+\.\d+\.\d+", kprep("--version", rc=0).out)


class TestStages:
    def test_all_are_listed(self, kprep):
        out = kprep("stages", rc=0).out
        for name in STAGES:
            assert re.search(rf"\b{name}\b", out)

    @pytest.mark.parametrize("name", STAGES)
    def test_each_has_its_page(self, kprep, name):
        assert name in kprep("stages", name, rc=0).out
        assert kprep("stages", name, "--json", rc=0).json["ok"] is True

    def test_options_types_and_defaults(self, kprep):
        out = kprep("stages", "resize", rc=0).out
        for word in ("height", "width", "method", "bilinear", "nearest"):
            assert word in out


class TestInspect:
    def test_array(self, kprep):
        out = kprep("inspect", IMAGES, rc=0).out
        array = np.load(IMAGES)
        assert "(100, 32, 32)" in out and "uint8" in out
        assert str(array.min()) in out and str(array.max()) in out

    def test_counts_what_is_not_finite(self, kprep, arrays):
        array = np.zeros((40, 5), np.float32)
        array[3, :3] = np.nan
        array[9, 4] = np.inf
        assert "3" in kprep("inspect", arrays("a.npy", array), rc=0).out

    def test_image(self, kprep):
        out = kprep("inspect", PHOTOS / "cat/img1.jpg", rc=0).out.lower()
        assert "jpeg" in out and "240" in out and "320" in out and "uint8" in out

    def test_several_and_json(self, kprep):
        document = kprep("inspect", IMAGES, PHOTOS / "dog/alpha.png", "--json", rc=0).json
        assert "images.npy" in json.dumps(document) and "alpha.png" in json.dumps(document)


class TestSpec:
    @pytest.mark.parametrize("model", sorted(MODELS.glob("*.keras")), ids=lambda p: p.stem)
    def test_of_a_model_is_a_spec(self, kprep, tmp_path, model):
        answer = kprep("spec", model, rc=0)
        assert "float32" in answer.out
        (tmp_path / "spec.yaml").write_text(answer.out)
        again = kprep("spec", tmp_path / "spec.yaml", rc=0)
        assert again.out.strip()
        for number in re.findall(r"\d+", model.stem)[:3]:
            assert number in answer.out

    @pytest.mark.tf
    @pytest.mark.parametrize("kind", ["sequential", "functional"])
    def test_of_what_keras_saves_today(self, kprep, job, arrays, keras, tmp_path, kind):
        layers = keras.layers
        if kind == "sequential":
            model = keras.Sequential([keras.Input((17, 19, 2)), layers.Conv2D(1, 3)])
        else:
            entry = keras.Input((17, 19, 2), name="image", dtype="float32")
            model = keras.Model(entry, layers.Flatten()(layers.Conv2D(1, 3)(entry)))
        model.save(tmp_path / "m.keras")
        data = arrays("a.npy", np.zeros((4, 17, 19, 2), np.float32))
        kprep("check", data, "--spec", tmp_path / "m.keras", rc=0)
        wrong = arrays("b.npy", np.zeros((4, 17, 19, 3), np.float32))
        assert kprep("check", wrong, "--spec", tmp_path / "m.keras", "--json", rc=1).ids == ["channel-count"]
        model.predict(np.load(data), verbose=0)

    def test_kinds_are_told_by_content(self, kprep, tmp_path):
        (tmp_path / "model.yaml").write_bytes((MODELS / "conv-32-32-1.keras").read_bytes())
        (tmp_path / "spec.keras").write_text((MODELS / "conv-32-32-1.yaml").read_text())
        for name in ("model.yaml", "spec.keras"):
            kprep("check", IMAGES, "--pipeline", "expand_dims -1", "--spec", tmp_path / name, rc=0)

    def test_json_spec(self, kprep, tmp_path):
        (tmp_path / "s.json").write_text('{"inputs": {"x": {"shape": [null, 32, 32], "dtype": "uint8"}}}')
        kprep("check", IMAGES, "--spec", tmp_path / "s.json", rc=0)


class TestPlan:
    """The shortest pipeline that makes the data fit, as a job file that runs."""

    RNG = np.random.default_rng(14)
    CASES = {
        "nothing": ((6, 8, 9, 3), [8, 9, 3], "float32", lambda a: a, None),
        "axis-of-one": ((6, 8, 9), [8, 9, 1], "float32", lambda a: a[..., None], "expand_dims"),
        "axis-too-many": ((6, 8, 9, 1), [8, 9], "float32", lambda a: a[..., 0], "squeeze"),
        "one-moved-axis": ((6, 3, 8, 9), [8, 9, 3], "float32", lambda a: np.moveaxis(a, 1, -1), None),
        "flatten": ((6, 4, 5, 3), [60], "float32", lambda a: a.reshape(6, -1), "flatten"),
        "cast": ((6, 4), [4], "uint8", lambda a: a.astype(np.uint8), "cast"),
    }

    @pytest.mark.parametrize("case", CASES)
    def test_of_arrays(self, kprep, job, arrays, tmp_path, case):
        shape, wanted, dtype, repair, stage = self.CASES[case]
        array = (self.RNG.random(shape) * 200).astype(np.float32)
        path = arrays("a.npy", array)
        spec = job("spec.json", shape=[None, *wanted], dtype=dtype)
        answer = kprep("plan", path, "--spec", spec, rc=0)
        if stage:
            assert stage in answer.out
        (tmp_path / "planned.yaml").write_text(answer.out)
        kprep("run", tmp_path / "planned.yaml", "--output", tmp_path / "out", rc=0)
        equal(rows(tmp_path / "out"), np.ascontiguousarray(repair(array)))

    @pytest.mark.parametrize("mode, channels, stage", [("L", 3, "rgb"), ("RGB", 1, "grayscale"),
                                                       ("RGBA", 3, "alpha"), ("LA", 1, "alpha"),
                                                       ("LA", 3, "rgb"), ("RGBA", 1, "grayscale")])
    def test_of_images(self, kprep, job, tmp_path, mode, channels, stage):
        Image.fromarray(make.picture(20, 30, 1)).convert(mode).save(tmp_path / "a.png")
        spec = job("spec.json", shape=[None, 20, 30, channels], dtype="uint8")
        answer = kprep("plan", "a.png", "--spec", spec, rc=0)
        assert stage in answer.out.partition("pipeline:")[2].partition("spec:")[0]
        (tmp_path / "planned.yaml").write_text(answer.out)
        kprep("run", "planned.yaml", "--output", "out", rc=0)
        assert rows(tmp_path / "out").shape == (1, 20, 30, channels)

    def test_of_images_some_with_alpha(self, kprep, job, tmp_path):
        for name, mode in (("a.png", "RGBA"), ("b.png", "RGB")):
            Image.fromarray(make.picture(20, 30, 1)).convert(mode).save(tmp_path / name)
        spec = job("spec.json", shape=[None, 10, 30, 3])
        answer = kprep("plan", "a.png", "b.png", "--spec", spec, rc=0)
        stages = answer.out.partition("pipeline:")[2].partition("spec:")[0]
        assert "rgb" in stages and "alpha" not in stages

    def test_no_pipeline_makes_channels_that_are_not_there(self, kprep):
        answer = kprep("plan", IMAGES, "--spec", MODELS / "conv-32-32-912.keras", "--json", rc=1)
        assert answer.ids == ["missing-axis"]

    def test_json(self, kprep):
        assert kprep("plan", IMAGES, "--spec", MODELS / "conv-32-32-1.keras", "--json", rc=0).json["ok"]


class TestJson:
    """Always exactly one document on standard output, whatever happens."""

    @pytest.mark.parametrize("arguments", [
        [], ["nonsense"], ["run"], ["check"], ["run", "nowhere.yaml"], ["check", "nowhere.npy"],
        ["check", "nowhere.npy", "--spec", "nowhere.yaml"], ["verify"], ["verify", "nowhere"], ["inspect"],
        ["inspect", "nowhere"], ["stages", "nothing"], ["spec"], ["spec", "nowhere"], ["plan"],
        ["--wrong"], ["run", "--wrong", "a"], ["check", "--threads", "0", "a.npy"]],
        ids=lambda a: " ".join(a) or "nothing")
    def test_on_failure(self, kprep, arguments):
        answer = kprep(*arguments, "--json")
        assert answer.rc in (1, 2, 3)
        assert answer.json["ok"] is False and answer.problems

    @pytest.mark.parametrize("arguments", [
        ["stages"], ["stages", "resize"], ["inspect", str(IMAGES)],
        ["spec", str(MODELS / "photos-224.keras")],
        ["check", str(IMAGES), "--spec", str(MODELS / "conv-32-32-1.keras"), "--pipeline", "expand_dims -1"]],
        ids=lambda a: a[0] + str(len(a)))
    def test_on_success(self, kprep, arguments):
        document = kprep(*arguments, "--json", rc=0).json
        assert document["ok"] is True and document["problems"] == []

    def test_order_of_options_is_no_matter(self, kprep):
        a = kprep("--json", "check", IMAGES, "--spec", MODELS / "conv-32-32-912.keras", rc=1)
        b = kprep("check", "--spec", MODELS / "conv-32-32-912.keras", "--json", IMAGES, rc=1)
        assert a.json == b.json

    def test_names_that_are_not_utf_8(self, kprep, job, tmp_path):
        path = str(tmp_path).encode() + b"/bad-\xff.npy"
        with open(path, "wb") as file:
            np.save(file, np.zeros((2, 3), np.float32))
        answer = kprep("check", tmp_path, "--spec", job("spec.json", shape=[None, 4]), "--json", rc=1)
        assert answer.problems


def test_standard_output_that_can_not_be_written(binary):
    """A full disk under `kprep plan > job.yaml` is an error, not silence."""
    with open("/dev/full", "w") as full:
        process = subprocess.run([binary, "stages"], stdout=full, stderr=subprocess.PIPE)
    assert process.returncode != 0 and process.stderr


def test_what_was_found_and_could_not_be_written(binary, kprep, arrays, tmp_path):
    """1 says that the answer tells of problems; there is no answer here."""
    arrays("a.npy", np.zeros((2, 4), np.float32))
    (tmp_path / "spec.yaml").write_text("shape: [null, 5]\n")
    arguments = ["check", tmp_path / "a.npy", "--spec", tmp_path / "spec.yaml"]
    kprep(*arguments, rc=1)
    with open("/dev/full", "w") as full:
        assert subprocess.run([binary, *arguments], stdout=full, stderr=subprocess.PIPE).returncode == 4


@pytest.mark.parametrize("arguments", [["--json", "--version"], ["run", "--version", "--json"],
                                       ["--quiet", "--json", "--version"]])
def test_version_as_json(kprep, arguments):
    assert kprep(*arguments, rc=0).json["version"] in kprep("--version", rc=0).out


def test_quiet_before_the_command(kprep, arrays, tmp_path):
    arrays("a.npy", np.zeros((2, 4), np.float32))
    (tmp_path / "spec.yaml").write_text("shape: [null, 4]\n")
    assert kprep("--quiet", "check", "a.npy", "--spec", "spec.yaml", rc=0, cwd=tmp_path).text == ""

"""Specs and layers of Keras models: what `kprep spec` prints is what Keras itself says of the model."""

import json

import numpy as np
import pytest

from support import FIXTURES, PHOTOS

MODELS = FIXTURES / "models"
EXPECTED = {file: model["inputs"]
            for file, model in json.loads((MODELS / "EXPECTED.json").read_text()).items()}


@pytest.mark.parametrize("file", [f for f, inputs in EXPECTED.items() if inputs])
def test_inputs(kprep, file):
    found = kprep("spec", MODELS / file, "--json", rc=0).json["inputs"]
    # What a subclassed model does not say, a spec has to: the name of its one input and the dtype.
    assert [(x["name"], x["shape"], x["dtype"]) for x in found] == \
        [(x["name"] or "x", x["shape"], x["dtype"] or "float32") for x in EXPECTED[file]]


@pytest.mark.parametrize("file", [f for f, inputs in EXPECTED.items() if not inputs])
def test_models_without_inputs(kprep, file):
    answer = kprep("spec", MODELS / file, "--json", rc=2)
    problem = answer.problems[0]
    if ".weights." in file:
        assert "weights only" in problem["message"]
    else:
        assert problem["message"] == "the model does not declare its input"
    assert "spec file" in problem["help"]


# What the first layers say of the values: read off the code in fixtures/make_models_keras.py.
RANGES = {
    "fun_uint8_resizing_rescaling.keras": ([0, 255], "divides by 127.5 and subtracts 1"),
    "fun_nested_inline_scaling.keras": ([0, 255], "divide by 127.5 and subtract 1"),
    "fun_inline_preprocess_tf.keras": ([0, 255], "divide by 127.5 and subtract 1"),
    "fun_inline_preprocess_caffe.keras": ([0, 255], "subtracts the means 103.939, 116.779, 123.68"),
    "k2_fun_rescaling.h5": ([0, 255], "layer 'rescaling' divides by 255"),
    "k2_fun_inline_scaling.h5": ([0, 255], "divide by 127.5 and subtract 1"),
    "seq_normalization_const.keras": ([0, 1], "subtracts the means 0.485, 0.456, 0.406"),
    "seq_normalization_adapted.keras": (None, None),  # its numbers are among the weights
    "seq_input.keras": (None, None),
}


@pytest.mark.parametrize("file", RANGES)
def test_range_of_the_head(kprep, file, tmp_path):
    bounds, why = RANGES[file]
    found = kprep("spec", MODELS / file, "--json", rc=0).json["inputs"][0]
    assert found.get("range") == bounds
    if bounds is None:
        return
    assert found["range_known"] == "inferred"
    assert why in found["range_why"]
    text = kprep("spec", MODELS / file, rc=0).out
    assert "# range: " in text
    # Read back, it is no promise about every single value.
    (tmp_path / "spec.yaml").write_text(text)
    assert "range" not in kprep("spec", tmp_path / "spec.yaml", "--json", rc=0).json["inputs"][0]


class TestScaling:
    """Data that was scaled for a model that scales, and the contrary."""

    MODEL = MODELS / "fun_nested_inline_scaling.keras"
    RESIZE = "rgb | resize 8 6"

    def test_unscaled_images_fit(self, kprep):
        kprep("check", PHOTOS, "--spec", self.MODEL, "--pipeline", self.RESIZE, rc=0)
        kprep("check", PHOTOS, "--spec", self.MODEL, "--pipeline", self.RESIZE + " method=bicubic",
              rc=0)

    @pytest.mark.parametrize("stage, name", [
        ("rescale 1/255", "rescale"), ("rescale 1/127.5 -1", "rescale"),
        ("normalize mode=torch", "normalize")])
    def test_scaled_images_do_not(self, kprep, tmp_path, stage, name):
        pipeline = f"{self.RESIZE} | {stage}"
        answer = kprep("check", PHOTOS, "--spec", self.MODEL, "--pipeline", pipeline, "--json", rc=1)
        problem = answer.problem("value-range")
        assert "divide by 127.5 and subtract 1 itself" in problem["message"]
        assert problem["stage"] == name
        assert problem["help"] == f"leave out the {name} stage"
        assert problem["count"] == answer.json["summary"]["files"]
        kprep("run", PHOTOS, "--spec", self.MODEL, "--pipeline", pipeline, "--output",
              tmp_path / "out", rc=1)
        kprep("plan", PHOTOS, "--spec", self.MODEL, "--pipeline", pipeline, rc=1)

    def save(self, folder, array):
        np.save(folder / "x.npy", array)
        return folder / "x.npy"

    def test_scaled_floats(self, kprep, tmp_path):
        data = self.save(tmp_path, np.random.RandomState(0).rand(9, 8, 6, 3).astype("f4"))
        problem = kprep("check", data, "--spec", self.MODEL, "--json", rc=1).problem("value-range")
        assert problem["sampled"] is True
        assert "the data is already in 0..1" in problem["message"]
        # A run sees all values at its end only.
        answer = kprep("run", data, "--spec", self.MODEL, "--output", tmp_path / "out", rc=0)
        assert "the data is already in 0..1" in answer.err

    def test_unscaled_floats(self, kprep, tmp_path):
        values = np.random.RandomState(0).uniform(-3, 259, (9, 8, 6, 3)).astype("f4")
        data = self.save(tmp_path, values)  # as bicubic overshoots
        kprep("check", data, "--spec", self.MODEL, rc=0)
        answer = kprep("run", data, "--spec", self.MODEL, "--output", tmp_path / "out", rc=0)
        assert "warning" not in answer.err

    def test_too_large_values(self, kprep, tmp_path):
        values = np.random.RandomState(0).randint(0, 65536, (9, 8, 6, 3)).astype("u2")
        data = self.save(tmp_path, values)
        problem = kprep("check", data, "--spec", self.MODEL, "--json", rc=1).problem("value-range")
        assert problem["sampled"] is True and "the data goes from" in problem["message"]
        assert "0 to 255" in problem["help"]

    def test_deep_images(self, kprep, tmp_path):
        import cv2
        cv2.imwrite(str(tmp_path / "deep.png"), np.full((8, 6, 3), 60000, "u2"))
        answer = kprep("check", tmp_path / "deep.png", "--spec", self.MODEL, "--json", rc=1)
        assert "rescale 1/257" in answer.problem("value-range")["help"]

    def test_bytes_for_a_declared_unit_range(self, kprep, tmp_path):
        data = self.save(tmp_path, np.full((4, 5), 200, "u1"))
        (tmp_path / "spec.yaml").write_text("shape: [null, 5]\nrange: [0, 1]\n")
        problem = kprep("check", data, "--spec", tmp_path / "spec.yaml", "--json", rc=1)
        assert problem.problem("value-range")["sampled"] is True

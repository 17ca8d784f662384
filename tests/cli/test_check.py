"""kprep check: would it fit? Every misfit, in words, with the repair, and never the data."""

import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from support import FIXTURES, IMAGES, MODELS, PHOTOS


def spec(shape, dtype="float32", **keys):
    return {"shape": shape, "dtype": dtype, **keys}


class TestMissingAxis:
    """(100, 32, 32) for a model on (32, 32, 912): Keras alone prints a wall of numbers."""

    @pytest.fixture
    def data(self, arrays):
        rng = np.random.default_rng(1)
        return arrays("X.npy", (7000 + rng.random((100, 32, 32))).astype(np.float32))

    @pytest.fixture
    def answer(self, kprep, data):
        return kprep("check", data, "--spec", MODELS / "conv-32-32-912.keras", rc=1)

    def test_says_which_axis_of_what_size(self, answer):
        assert "missing-axis" in answer.out
        assert "912" in answer.out
        assert re.search(r"\bc\b", answer.out)
        assert "(100, 32, 32)" in answer.out
        assert "(None, 32, 32, 912)" in answer.out

    def test_fits_on_half_a_screen(self, answer):
        assert 0 < len(answer.out.strip().splitlines()) <= 12
        assert answer.err == ""

    def test_shows_no_value(self, answer):
        assert not re.search(r"700[01]\.\d", answer.text)

    def test_says_what_would_and_what_would_not_mend_it(self, answer):
        text = answer.out.lower()
        # Only more data gives 912 channels: files joined on the channel axis. An axis of size 1 does not.
        assert "join" in text or "channels" in text
        assert "expand_dims" in text or "reshape" in text
        assert re.search(r"\bnot\b|n't|no stage|cannot", text)

    def test_json(self, kprep, data):
        answer = kprep("check", data, "--spec", MODELS / "conv-32-32-912.keras", "--json", rc=1)
        assert answer.ids == ["missing-axis"]
        problem = answer.problem("missing-axis")
        assert problem["axis"] == "c"
        assert "912" in problem["expected"] + problem["message"]
        assert problem["help"]
        assert not re.search(r"700[01]\.\d", answer.out)

    @pytest.mark.tf
    def test_keras_refuses_it_too(self, data, keras):
        model = keras.saving.load_model(MODELS / "conv-32-32-912.keras")
        with pytest.raises(ValueError):
            model.predict(np.load(data), verbose=0)


def test_that_which_fits(kprep):
    answer = kprep("check", IMAGES, "--spec", MODELS / "conv-32-32-1.keras",
                   "--pipeline", "expand_dims -1", rc=0)
    assert answer.out.strip()
    document = kprep("check", IMAGES, "--spec", MODELS / "conv-32-32-1.keras", "--pipeline",
                     "expand_dims -1 | rescale 1/255", "--json", rc=0).json
    assert document["ok"] is True and document["problems"] == []


def test_a_missing_axis_of_size_one_is_repaired_by_expand_dims(kprep):
    """What Keras would take silently is said here, with its repair."""
    answer = kprep("check", IMAGES, "--spec", MODELS / "conv-32-32-1.keras", "--json", rc=1)
    assert answer.ids == ["missing-axis"]
    assert "expand_dims" in answer.out


def test_every_problem_at_once(kprep, job, arrays):
    data = arrays("wrong.npy", np.zeros((10, 30, 32, 4), np.int64))
    answer = kprep("check", data, "--spec", job("spec.json", **spec([None, 32, 32, 3], axes="nhwc")),
                   "--json", rc=1)
    assert sorted(answer.ids) == ["axis-size", "channel-count", "dtype"]
    assert answer.problem("axis-size")["axis"] == "h"
    assert answer.problem("channel-count")["axis"] == "c"
    assert "int64" in answer.problem("dtype")["found"]
    assert "cast" in answer.problem("dtype")["help"]


def test_extra_axis(kprep, job, arrays):
    data = arrays("extra.npy", np.zeros((10, 2, 32, 32, 3), np.float32))
    answer = kprep("check", data, "--samples", "row", "--spec",
                   job("spec.json", **spec([None, 32, 32, 3])), "--json", rc=1)
    assert answer.ids == ["extra-axis"]


def test_channels_first_is_axis_order_alone(kprep, arrays):
    data = arrays("chw.npy", np.zeros((4, 912, 32, 32), np.float32))
    answer = kprep("check", data, "--spec", MODELS / "conv-32-32-912.keras", "--json", rc=1)
    assert answer.ids == ["axis-order"]
    assert re.search(r"moveaxis|transpose|rearrange", answer.problem("axis-order")["help"] + answer.out)


def test_each_kind_is_counted_and_its_first_file_named(kprep, job, arrays, tmp_path):
    for i in range(3):
        arrays(f"set/c{i}.npy", np.zeros((5, 32, 32, 4), np.float32))
    for i in range(2):
        arrays(f"set/w{i}.npy", np.zeros((5, 32, 30, 3), np.float32))
    arrays("set/good.npy", np.zeros((5, 32, 32, 3), np.float32))
    answer = kprep("check", tmp_path / "set", "--spec",
                   job("spec.json", **spec([None, 32, 32, 3], axes="nhwc")), "--json", rc=1)
    assert sorted(answer.ids) == ["axis-size", "channel-count"]
    channels, width = answer.problem("channel-count"), answer.problem("axis-size")
    assert channels["count"] == 3 and channels["file"].endswith("c0.npy")
    assert width["count"] == 2 and width["file"].endswith("w0.npy") and width["axis"] == "w"
    assert "(5, 32, 32, 4)" in answer.out and "(5, 32, 30, 3)" in answer.out


def test_every_file_is_looked_at(kprep, job, arrays, tmp_path):
    """The last of many is the odd one."""
    for i in range(40):
        arrays(f"set/f{i}.npy", np.zeros((2, 8, 8, 3 if i < 39 else 1), np.float32))
    answer = kprep("check", tmp_path / "set", "--spec", job("spec.json", **spec([None, 8, 8, 3])),
                   "--json", rc=1)
    assert answer.problem("channel-count")["file"].endswith("f39.npy")


class TestAmbiguousSamples:
    """(4, 8, 8) flattened is one sample of 256 or four of 64, and the spec takes any size."""

    @pytest.fixture
    def arguments(self, job, arrays):
        return (arrays("a.npy", np.zeros((4, 8, 8), np.float32)), "--pipeline", "flatten",
                "--spec", job("spec.json", **spec([None, None])))

    def test_is_not_guessed(self, kprep, arguments):
        answer = kprep("check", *arguments, "--json", rc=1)
        assert answer.ids == ["ambiguous-samples"]
        help_text = answer.problem("ambiguous-samples")["help"]
        assert "row" in help_text and "file" in help_text

    @pytest.mark.parametrize("reading", ["row", "file"])
    def test_is_settled_by_the_option(self, kprep, arguments, reading):
        kprep("check", *arguments, "--samples", reading, rc=0)


class TestDtype:
    @pytest.mark.parametrize("source, target, fits", [
        ("float64", "float32", True), ("float32", "float64", True), ("float32", "float16", True),
        ("uint8", "float32", True), ("int16", "float32", True), ("bool", "uint8", True),
        ("uint8", "int16", True), ("int32", "float32", False), ("int64", "float32", False),
        ("float32", "uint8", False), ("uint16", "uint8", False), ("int8", "uint8", False),
        ("int32", "float64", True), ("uint16", "float16", False)])
    def test_goes_by_itself_where_nothing_is_lost(self, kprep, job, arrays, source, target, fits):
        floats = np.dtype(source).kind == np.dtype(target).kind == "f"
        assert fits == (floats or np.can_cast(source, target))
        answer = kprep("check", arrays("a.npy", np.zeros((3, 4), source)), "--spec",
                       job("spec.json", **spec([None, 4], target)), "--json", rc=0 if fits else 1)
        assert answer.ids == ([] if fits else ["dtype"])

    def test_a_cast_stage_settles_it(self, kprep, job, arrays):
        kprep("check", arrays("a.npy", np.zeros((3, 4), np.int64)), "--pipeline", "cast float32",
              "--spec", job("spec.json", **spec([None, 4])), rc=0)

    def test_sixteen_bit_image_into_eight(self, kprep, job, tmp_path):
        Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
        answer = kprep("check", tmp_path / "deep.png", "--spec",
                       job("spec.json", **spec([None, 8, 8, 1], "uint8")), "--json", rc=1)
        assert answer.ids == ["dtype"]

    def test_mixed_depths_are_counted(self, kprep, job, tmp_path):
        folder = tmp_path / "mixed"
        folder.mkdir()
        for i in range(5):
            dtype = np.uint16 if i < 2 else np.uint8
            Image.fromarray(np.zeros((8, 8), dtype)).save(folder / f"{i}.png")
        answer = kprep("check", folder, "--spec",
                       job("spec.json", **spec([None, 8, 8, 1], "float32")), "--json", rc=1)
        assert "dtype" in answer.ids
        problem = answer.problem("dtype")
        text = " ".join(str(problem.get(k, "")) for k in ("message", "expected", "found", "help"))
        assert "2" in text and "3" in text


def test_photos_need_to_be_asked_about_colour(kprep):
    """Grey, RGB and RGBA files among each other: nothing is repeated or dropped unasked."""
    answer = kprep("check", PHOTOS, "--pipeline", "resize 224 224", "--spec",
                   MODELS / "photos-224.keras", "--json", rc=1)
    assert set(answer.ids) == {"channel-count"}
    assert "rgb" in answer.out
    kprep("check", PHOTOS, "--pipeline", "rgb | resize 224 224", "--spec",
          MODELS / "photos-224.keras", rc=0)


class TestSampledValues:
    def test_nan_is_found_and_marked_sampled(self, kprep, job, arrays):
        array = np.zeros((50, 4), np.float32)
        array[0, 1] = np.nan
        answer = kprep("check", arrays("a.npy", array), "--sample", 50, "--spec",
                       job("spec.json", **spec([None, 4])), "--json", rc=1)
        assert "non-finite" in answer.ids
        assert "sampled" in answer.out

    def test_range(self, kprep, job, arrays):
        array = np.full((50, 4), 2.5, np.float32)
        answer = kprep("check", arrays("a.npy", array), "--spec",
                       job("spec.json", **spec([None, 4], range=[0, 1])), "--json", rc=1)
        assert "value-range" in answer.ids


def test_nothing_is_written(kprep, job, tmp_path):
    out = tmp_path / "out"
    path = job(input=str(IMAGES), pipeline=[{"expand_dims": -1}],
               spec=str(MODELS / "conv-32-32-1.keras"), output={"path": str(out)})
    kprep("check", path, rc=0)
    assert not out.exists()


def test_unreadable_beats_misfit(kprep, job, arrays, tmp_path):
    arrays("set/wrong.npy", np.zeros((2, 8, 8, 1), np.float32))
    (tmp_path / "set/zero.npy").write_bytes(b"")
    answer = kprep("check", tmp_path / "set", "--spec", job("spec.json", **spec([None, 8, 8, 3])),
                   "--json", rc=3)
    assert {"truncated", "channel-count"} <= set(answer.ids)


def test_verdict_goes_to_stdout_and_no_colour_when_asked(kprep):
    arguments = ("check", IMAGES, "--spec", MODELS / "conv-32-32-912.keras")
    for extra, env in ((("--color", "never"), {}), ((), {"NO_COLOR": "1", "TERM": "xterm"}), ((), {})):
        answer = kprep(*arguments, *extra, env=env, rc=1)
        assert "\x1b" not in answer.text
        assert answer.out


def test_a_file_that_can_not_be_joined_is_the_one_that_is_shown(kprep, job, arrays):
    for name, shape in [("a", (3, 4, 4)), ("b", (3, 4, 4)), ("c", (3, 5, 4)), ("d", (3, 5, 4))]:
        arrays(f"{name}.npy", np.zeros(shape, np.float32))
    result = kprep("check", job(input={"path": ["a.npy", "b.npy", "c.npy", "d.npy"], "join": "channels"},
                                spec={"shape": [None, 4, 4, 4]}), "--json", rc=1)
    problem = result.problem("axis-size")
    assert problem["file"].endswith("c.npy") and problem["count"] == 2
    assert "stored as (3, 5, 4)" in problem["found"]
    assert "data" not in result.json["summary"]


class TestTrueWords:
    """No help is given that would not run, and none where there is nothing to mend."""

    def test_an_empty_picture_is_not_resized(self, kprep, tmp_path):
        np.save(tmp_path / "x.npy", np.zeros((4, 0, 6, 3), np.float32))
        (tmp_path / "spec.yaml").write_text("shape: [null, 8, 6, 3]\n")
        answer = kprep("check", tmp_path / "x.npy", "--spec", tmp_path / "spec.yaml", rc=1)
        assert "resize" not in answer.out

    def test_reshape_is_no_matter_of_a_dtype(self, kprep, tmp_path):
        np.save(tmp_path / "x.npy", np.zeros((5, 8, 6, 3), np.int64))
        (tmp_path / "spec.yaml").write_text("shape: [null, 8, 6, 3]\n")
        answer = kprep("check", tmp_path / "x.npy", "--spec", tmp_path / "spec.yaml", rc=1)
        assert "no help" not in answer.out and "cast float32" in answer.out

    def test_names_with_control_bytes(self, kprep, tmp_path):
        name = "a\nkprep: error[corrupt]: forged\x1b[31m'.npy"
        np.save(tmp_path / name, np.zeros((5, 8), np.float32))
        (tmp_path / "spec.yaml").write_text("shape: [null, 9, 9]\n")
        answer = kprep("check", tmp_path / name, "--spec", tmp_path / "spec.yaml", rc=1)
        assert "\x1b" not in answer.out + answer.err
        assert "\nkprep: error[corrupt]" not in answer.out + answer.err
        data = kprep("check", tmp_path / name, "--spec", tmp_path / "spec.yaml", "--json", rc=1).json
        command = data["explanation"]["command"]
        assert "$'" in command
        words = subprocess.run(["bash", "-c", f"kprep() {{ printf '%s\\0' \"$@\"; }}; {command}"],
                               capture_output=True, check=True).stdout.split(b"\0")
        assert str(tmp_path / name).encode() in words

    def test_channels_first(self, kprep, tmp_path):
        """Keras' convolutions refuse another number of channels, wherever these are."""
        model = FIXTURES / "models" / "seq_channels_first.keras"
        shape = kprep("spec", model, "--json", rc=0).json["inputs"][0]["shape"][1:]
        for axis, accepted in (0, False), (1, True), (2, True):
            wrong = list(shape)
            wrong[axis] += 1
            np.save(tmp_path / "x.npy", np.zeros((5, *wrong), np.float32))
            answer = kprep("check", tmp_path / "x.npy", "--spec", model, rc=1)
            assert ("global pooling" in answer.out) == accepted

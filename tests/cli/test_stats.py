"""kprep stats against NumPy in float64."""

import numpy as np
import pytest

from support import PHOTOS, rows


def expect(answer, data, axis, digits=1e-11):
    """Channel statistics of an array; the channel axis is given."""
    planes = np.moveaxis(data.astype(np.float64), axis, 0).reshape(data.shape[axis], -1)
    assert len(answer["channels"]) == len(planes)
    for found, plane in zip(answer["channels"], planes):
        finite = plane[np.isfinite(plane)]
        assert found["count"] == finite.size
        assert found["nan"] == np.isnan(plane).sum() and found["inf"] == np.isinf(plane).sum()
        assert found["min"] == finite.min() and found["max"] == finite.max()
        assert found["mean"] == pytest.approx(finite.mean(), rel=1e-12, abs=1e-12)
        assert found["std"] == pytest.approx(finite.std(), rel=digits, abs=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int64", "float16", "float32", "float64"])
def test_rows_of_arrays(kprep, arrays, dtype):
    data = (np.random.default_rng(1).normal(size=(37, 9, 7, 5)) * 50 + 90).astype(dtype)
    expect(kprep("stats", arrays("a.npy", data), "--json", rc=0).json, data, 3)


def test_large_offset_keeps_its_digits(kprep, arrays):
    data = 1e8 + np.random.default_rng(2).normal(size=(50, 16, 16, 3))
    # A block's mean near 1e8 is rounded to 1.5e-8: that much of std is lost, and no more.
    expect(kprep("stats", arrays("a.npy", data), "--json", rc=0).json, data, 3, digits=1e-9)


def test_channels_first_by_name(kprep, arrays):
    data = np.random.default_rng(3).random((20, 4, 6, 5), np.float32)
    expect(kprep("stats", arrays("a.npy", data), "--axes", "chw", "--json", rc=0).json, data, 1)


def test_without_channels_there_is_one(kprep, arrays):
    data = np.random.default_rng(4).random((20, 6, 5), np.float32)
    expect(kprep("stats", arrays("a.npy", data), "--json", rc=0).json, data[..., None], 3)


def test_nan_and_infinity_are_counted_and_left_out(kprep, arrays):
    data = np.random.default_rng(5).random((20, 6, 5, 2), np.float32)
    data[3, 1, 1, 0] = np.nan
    data[4, 2, :2, 1] = np.inf
    expect(kprep("stats", arrays("a.npy", data), "--json", rc=0).json, data, 3)


def test_joined_features(kprep, arrays, tmp_path):
    data = np.random.default_rng(6).random((10, 8, 8, 40), np.float32)
    for i in range(40):
        arrays(f"f/{i}.npy", np.ascontiguousarray(data[..., i]))
    expect(kprep("stats", tmp_path / "f", "--join", "channels", "--json", rc=0).json, data, 3)


@pytest.mark.parametrize("first", [0, 1])
def test_joined_planes_and_stacks_of_planes(kprep, arrays, job, first):
    """Whichever comes first, the one of fewer axes is a plane."""
    rng = np.random.default_rng(9)
    parts = [rng.random((10, 6, 5, 4), np.float32), rng.random((10, 6, 5), np.float32)]
    files = [str(arrays("stack.npy", parts[0])), str(arrays("plane.npy", parts[1]))]
    data = [parts[0], parts[1][..., None]]
    if first == 1:
        files, data = files[::-1], data[::-1]
    path = job(input=[{"path": f, "samples": "row"} for f in files])
    expect(kprep("stats", path, "--json", rc=0).json, np.concatenate(data, -1), 3)


def test_axes_say_that_joined_arrays_have_channels(kprep, arrays, job):
    rng = np.random.default_rng(10)
    parts = [rng.random((10, 6, 5, 2), np.float32) for _ in range(2)]
    files = [str(arrays(f"{i}.npy", part)) for i, part in enumerate(parts)]
    path = job(input={"path": files, "join": "channels", "samples": "row", "axes": "hwc"})
    expect(kprep("stats", path, "--json", rc=0).json, np.concatenate(parts, -1), 3)


def test_images_of_all_sizes(kprep):
    from PIL import Image
    files = sorted(PHOTOS.rglob("*.*"))
    pixels = np.concatenate([np.asarray(Image.open(f).convert("RGB")).reshape(-1, 3) for f in files])
    answer = kprep("stats", PHOTOS, "--like", "pillow", "--pipeline", "rgb", "--json", rc=0).json
    expect(answer, pixels, 1)


def test_after_the_pipeline(kprep, arrays, job):
    data = np.random.default_rng(7).integers(0, 256, (30, 8, 8, 3), np.uint8)
    path = job(input=str(arrays("a.npy", data)), pipeline=[{"rescale": "1/255"}],
               spec={"shape": [None, 8, 8, 3]})
    answer = kprep("stats", path, "--json", rc=0).json
    expect(answer, data.astype(np.float32) * np.float32(1 / 255), 3)


def test_same_digits_at_any_number_of_threads(kprep, arrays):
    data = np.random.default_rng(8).normal(size=(333, 11, 7, 3)).astype(np.float32)
    path = arrays("a.npy", data)
    answers = {kprep("stats", path, "--threads", n, rc=0).out for n in (1, 2, 8)}
    assert len(answers) == 1


def test_output_pasted_into_normalize(kprep, arrays, tmp_path):
    data = (np.random.default_rng(9).random((40, 8, 8, 3)) * [1, 10, 100]).astype(np.float32)
    line = kprep("stats", arrays("a.npy", data), rc=0).out.splitlines()[-1]
    (tmp_path / "job.yaml").write_text(
        f"input: a.npy\npipeline:\n  {line}\nspec: {{shape: [null, 8, 8, 3]}}\noutput: out\n")
    kprep("run", "job.yaml", rc=0)
    x = rows(tmp_path / "out").astype(np.float64).reshape(-1, 3)
    assert np.allclose(x.mean(0), 0, atol=1e-6) and np.allclose(x.std(0), 1, atol=1e-5)


def test_files_with_other_channels(kprep, arrays, tmp_path):
    arrays("s/a.npy", np.zeros((2, 4, 4, 3)))
    arrays("s/b.npy", np.zeros((2, 4, 4, 1)))
    answer = kprep("stats", tmp_path / "s", "--json", rc=1)
    assert answer.ids == ["channel-count"] and answer.problems[0]["file"].endswith("b.npy")


def test_the_first_line_says_what_was_measured(kprep, arrays):
    arrays("x.npy", np.zeros((4, 3, 2), np.float32))
    first = kprep("stats", "x.npy", "--samples", "row", rc=0).out.splitlines()[0]
    assert first == "1 file, 4 samples, the first (3, 2) float32, axes h w"


def test_nothing_to_measure(kprep, arrays):
    answer = kprep("stats", arrays("a.npy", np.zeros((0, 4, 4, 3), np.float32)), "--json", rc=0).json
    assert [c["count"] for c in answer["channels"]] == [0, 0, 0]

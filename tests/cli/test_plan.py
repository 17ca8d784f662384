"""What `kprep plan` prints is a job that runs as it stands, and means what its command line meant."""

import numpy as np
import pytest
from PIL import Image

from support import rows


@pytest.fixture
def spec(tmp_path):
    def write(shape, folder=tmp_path):
        path = folder / "spec.yaml"
        path.write_text(f"shape: {shape}\ndtype: float32\n")
        return path

    return write


def test_of_a_job_file_in_another_folder(kprep, tmp_path):
    sub = tmp_path / "sub"
    sub.mkdir()
    array = np.random.default_rng(1).random((6, 4, 4), dtype=np.float32)
    np.save(sub / "a.npy", array)
    (sub / "spec.yaml").write_text("shape: [null, 4, 4, 1]\ndtype: float32\n")
    (sub / "job.yaml").write_text("input: a.npy\nspec: spec.yaml\noutput: out\n")
    (tmp_path / "plan.yaml").write_text(kprep("plan", "sub/job.yaml", rc=0, cwd=tmp_path).out)
    kprep("run", "plan.yaml", rc=0, cwd=tmp_path)
    np.testing.assert_array_equal(rows(sub / "out"), array[..., np.newaxis])


def test_channels_stand_in_the_order_of_the_command_line_s_option(kprep, tmp_path, spec):
    for i in range(12):
        np.save(tmp_path / f"f{i}.npy", np.full((5, 4, 4), i, np.float32))
    files = sorted(path.name for path in tmp_path.glob("*.npy"))  # as a shell gives them: f1 f10 f11 f2
    text = kprep("plan", *files, "--spec", spec("[null, 4, 4, 12]").name, rc=0, cwd=tmp_path).out
    (tmp_path / "plan.yaml").write_text(text)
    kprep("run", "plan.yaml", rc=0, cwd=tmp_path)
    np.testing.assert_array_equal(rows(tmp_path / "out")[0, 0, 0], np.arange(12))


@pytest.mark.parametrize("sizes, modes", [(((8, 8), (8, 9)), ("L", "L")),
                                          (((8, 8), (8, 8)), ("L", "I;16"))])
def test_what_no_stage_mends_is_no_plan(kprep, tmp_path, spec, sizes, modes):
    (tmp_path / "images").mkdir()
    for name, size, mode in zip("ab", sizes, modes):
        Image.new(mode, size).save(tmp_path / f"images/{name}.png")
    result = kprep("plan", tmp_path / "images", "--spec", spec("[null, null, null, 1]"), "--json", rc=1)
    assert result.ids == [{"LL": "axis-size", "LI;16": "dtype"}["".join(modes)]]
    assert "job" not in result.json


def test_ambiguous_samples_are_not_settled_by_it(kprep, tmp_path, spec):
    np.save(tmp_path / "a.npy", np.zeros((4, 4), np.float32))
    result = kprep("plan", tmp_path / "a.npy", "--spec", spec("[null, null]"), "--pipeline", "flatten",
                   "--json", rc=1)
    assert result.ids == ["ambiguous-samples"]


def test_the_reading_that_was_chosen_is_written_down(kprep, tmp_path, spec):
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 4), np.float32))
    result = kprep("plan", tmp_path / "a.npy", "--spec", spec("[null, 4, 4, 1]"), rc=0)
    assert "samples: row" in result.out

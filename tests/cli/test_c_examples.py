"""The C programs of examples/, and what they give beside NumPy and beside what the command writes."""

import io
import json
import os
import subprocess

import numpy as np
import pytest
from PIL import Image

from support import IMAGES, MODELS, PHOTOS, ROOT, rows


@pytest.fixture
def program(binary):
    def call(name, *args, rc=0):
        path = binary.parent / name
        if not path.exists():
            pytest.skip(f"no {name} beside {binary}")
        done = subprocess.run([path, *map(str, args)], capture_output=True, text=True, check=False,
                              env={**os.environ, "LD_LIBRARY_PATH": str(binary.parents[1] / "lib")})
        assert done.returncode == rc, done.stdout + done.stderr
        return done.stdout if rc in (0, 1) else done.stderr
    return call


def test_check_file(program, kprep):
    assert "pipeline that fits: expand_dims -1" in program("check_file", IMAGES,
                                                           MODELS / "conv-32-32-1.keras", rc=1)
    said = program("check_file", IMAGES, MODELS / "conv-32-32-1.keras", "expand_dims -1 | rescale 1/255")
    assert said == kprep("check", IMAGES, "--spec", MODELS / "conv-32-32-1.keras", "--pipeline",
                         "expand_dims -1 | rescale 1/255").out
    program("check_file", "none.npy", MODELS / "conv-32-32-1.keras", rc=3)
    program("check_file", IMAGES, "none.keras", rc=2)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">i2", "|u1", ">f8"])
def test_npy_io(program, tmp_path, order, dtype):
    array = np.asarray(np.arange(7 * 3 * 5).reshape(7, 3, 5), dtype, order=order)
    np.save(tmp_path / "in.npy", array)
    said = program("npy_io", tmp_path / "in.npy", 2, 4, tmp_path / "out.npy")
    assert said == f"(7, 3, 5) {array.dtype.newbyteorder('=')}\n"
    expected = io.BytesIO()
    np.save(expected, np.ascontiguousarray(array[2:6].astype(array.dtype.newbyteorder("<"))))
    assert (tmp_path / "out.npy").read_bytes() == expected.getvalue()
    program("npy_io", tmp_path / "in.npy", 5, 4, tmp_path / "x", rc=2)


@pytest.fixture
def gamma_job(tmp_path):
    def write(pipeline="[expand_dims: -1, rescale: 1/255, gamma]"):
        path = tmp_path / "job.yaml"
        path.write_text(f"input: '{IMAGES}'\npipeline: {pipeline}\n"
                        "spec: {shape: [null, 32, 32, 1], range: [0, 1]}\noutput: {batch: 40}\n")
        return path
    return write


def test_custom_stage(program, gamma_job, kprep, tmp_path):
    images = np.load(IMAGES).astype(np.float32)[..., None] * np.float32(1 / 255)
    expected = np.power(images, np.float32(2))
    out = program("custom_stage", gamma_job(), 2)
    means = [float(line.split()[-1]) for line in out.splitlines()]
    assert means == pytest.approx([expected[i:i + 40].mean() for i in (0, 40, 80)], abs=2e-6)
    program("custom_stage", gamma_job(), 2, tmp_path / "out")
    assert np.allclose(rows(tmp_path / "out"), expected, atol=1e-7)
    job = json.loads((tmp_path / "out/manifest.json").read_text())["job"]
    assert job["pipeline"][-1] == {"gamma": {"version": "2"}}
    assert kprep("verify", tmp_path / "out").rc == 0
    # Another version is another plan; between other stages it is one pass among others.
    assert "plan-changed" in program("custom_stage", gamma_job(), 3, tmp_path / "out", rc=2)
    program("custom_stage", gamma_job("[rescale: 1/255, gamma, expand_dims: -1, flip: h]"), 2,
            tmp_path / "other")
    assert np.allclose(rows(tmp_path / "other"), expected[:, ::-1], atol=1e-7)


def test_custom_stage_refuses(program, gamma_job, kprep):
    said = program("custom_stage", gamma_job("[expand_dims: -1, gamma]"), 2, rc=2)
    assert "gamma needs float32 values of 0 to 1" in said and "stage:    2, gamma" in said
    said = program("custom_stage", gamma_job("[expand_dims: -1, rescale: 1/255, gamma: 3]"), 2, rc=2)
    assert "another version of stage gamma" in said and "version 3" in said
    answer = kprep("check", gamma_job(), "--json") # the command does not know it
    assert answer.rc == 2 and answer.problems[0]["id"] == "unknown-key"


def test_serve_one(program, kprep, tmp_path):
    """Each photo by itself is, bit for bit, the row that it is in the written batches."""
    kprep("run", ROOT / "examples/photos.yaml", "--output", tmp_path / "out")
    written = rows(tmp_path / "out")
    with open(tmp_path / "out/samples.csv", encoding="utf-8") as file:
        sources = [line.split(",")[2] for line in file.read().splitlines()[1:]]
    assert len(sources) == 18
    for i, source in enumerate(sources):
        said = program("serve_one", ROOT / "examples/photos.yaml", PHOTOS / source, tmp_path / "one.npy")
        assert said == "(1, 224, 224, 3) float32\n"
        assert (np.load(tmp_path / "one.npy")[0] == written[i]).all(), source


def test_serve_one_refuses(program, tmp_path):
    job = tmp_path / "job.yaml"
    job.write_text("input: x/\nspec: {shape: [null, 8, 8, 3]}\n")
    Image.new("RGB", (8, 9)).save(tmp_path / "a.png")
    program("serve_one", job, tmp_path / "a.png", tmp_path / "out.npy", rc=1)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    assert "truncated" in program("serve_one", job, tmp_path / "b.png", tmp_path / "out.npy", rc=3)
    (tmp_path / "c.png").write_bytes(b"GIF89a, so it is none")
    assert "unsupported-format" in program("serve_one", job, tmp_path / "c.png", tmp_path / "x", rc=3)
    np.save(tmp_path / "d.npy", np.zeros((8, 8, 3), np.float32))
    program("serve_one", job, tmp_path / "d.npy", tmp_path / "out.npy")
    np.save(tmp_path / "e.npy", np.full((8, 8, 3), np.nan, np.float32))
    program("serve_one", job, tmp_path / "e.npy", tmp_path / "out.npy", rc=1)
    job.write_text("input: {path: x/, join: channels}\nspec: {shape: [null, 8, 8, 3]}\n")
    assert "not served" in program("serve_one", job, tmp_path / "a.png", tmp_path / "out.npy", rc=2)

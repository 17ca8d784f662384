"""Written data sets and pipelines: what a batch is, and how long its memory lives."""

import gc
import io
import json
import pickle
import shutil
import threading
from pathlib import Path

import kprep
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from support import PHOTO_JOB, pointer


@pytest.fixture
def pipeline():
    return kprep.Pipeline("examples/photos.yaml", **PHOTO_JOB)


def ramp(rows=40, batch=4, **options):
    array = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    return array, kprep.Pipeline(array, {"shape": [None, 3]}, batch=batch, **options)


# ---- written data sets

@pytest.mark.tf
def test_open(written, photos):
    x, y = photos
    assert len(written) == 3 and written.samples == 18 and written.classes == ["cat", "dog", "owl"]
    assert written.spec["x"]["shape"] == [None, 64, 64, 3]
    assert [batch.rows for batch in written] == [8, 8, 2]
    assert (np.concatenate([b.x for b in written]) == x).all()
    assert (np.concatenate([b.y for b in written]) == y).all()
    for i in range(3):
        own = np.load(written.folder / f"x-0000{i}.npy")
        assert (written[i].x == own).all() and written[i].x.dtype == own.dtype
        assert not written[i].x.flags.writeable
        with pytest.raises(ValueError):
            written[i].x[0] = 0
    assert (written[-1].x == written[2].x).all()
    with pytest.raises(IndexError):
        written[3]


def test_slices_and_pickles(written):
    some = written[1:]
    assert isinstance(some, kprep.DataSet) and len(some) == 2 and some.samples == 10
    copy = pickle.loads(pickle.dumps(some))
    assert [b.number for b in copy] == [1, 2] and (copy[0].x == written[1].x).all()


def test_a_view_is_mapped_and_lives_as_long_as_it_is_used(written):
    data = kprep.open(written.folder)
    first = data[0].x
    assert pointer(first) == pointer(data[0].x) # mapped once
    maps = lambda: Path("/proc/self/maps").read_text().count(str(written.folder / "x-00000.npy"))
    before, values = maps(), first[3].copy()
    part = first[3]
    capsule = data[0].exports["x"].__dlpack__(max_version=(1, 0))
    del first, data
    gc.collect()
    assert (part == values).all()
    del part
    assert maps() == before
    del capsule
    assert maps() == before - 1


def test_hash_is_compared_when_a_batch_is_first_indexed(written, tmp_path):
    shutil.copytree(written.folder, tmp_path / "out")
    path = tmp_path / "out/x-00001.npy"
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    path.write_bytes(data)
    broken = kprep.open(tmp_path / "out")
    assert (broken[0].x == written[0].x).all()
    with pytest.raises(kprep.IntegrityError) as caught:
        broken[1]
    assert caught.value.problems[0].id == "hash-mismatch"
    assert caught.value.problems[0].file == str(path)
    path.write_bytes(data[:-10])
    with pytest.raises(kprep.IntegrityError, match="bytes"):
        kprep.open(tmp_path / "out")[1]
    path.unlink()
    with pytest.raises(kprep.IntegrityError):
        kprep.open(tmp_path / "out")[1]


def test_folders_that_are_none(tmp_path):
    with pytest.raises(kprep.InputError, match="no such folder"):
        kprep.open(tmp_path / "none")
    with pytest.raises(kprep.InputError, match="manifest.json is missing"):
        kprep.open(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(kprep.InputError, match="corrupt"):
        kprep.open(tmp_path)


def test_splits(tmp_path):
    array = np.arange(30, dtype=np.float32).reshape(10, 3)
    data = kprep.run(array, {"shape": [None, 3]}, output=tmp_path / "out", batch=4,
                     split={"train": 0.7, "validation": 0.3})
    assert data.splits == ["train", "validation"] and data.samples == 10
    assert data["train"].samples == 7 and data["validation"].samples == 3
    assert (np.concatenate([b.x for b in data["validation"]]) == array[7:]).all()
    with pytest.raises(KeyError, match="train, validation"):
        data["test"]


def test_several_inputs_written(tmp_path):
    data = kprep.run("examples/two-inputs.yaml", output=tmp_path / "out")
    x, y = data[0]
    assert set(x) == {"photo", "table"} and x["photo"].shape == (8, 64, 64, 3) and y.shape == (8,)
    memory = kprep.Pipeline("examples/two-inputs.yaml")
    for a, b in zip(data, memory):
        assert all((a.x[name] == b.x[name]).all() for name in x) and (a.y == b.y).all()


# ---- pipelines

def test_pipeline_and_file_hold_the_same(written, pipeline):
    for epoch in range(3):
        for i, (x, y) in enumerate(pipeline):
            assert (x == written[i].x).all() and (y == written[i].y).all()
        assert i == 2
    for i in (2, 0, 1, -1):
        assert (pipeline[i].x == written[i].x).all()
    with pytest.raises(IndexError):
        pipeline[3]


def test_views_are_zero_copy(pipeline):
    batch = pipeline[0]
    for name, array in (("x", batch.x), ("y", batch.y)):
        own = batch.exports[name]
        assert pointer(np.asarray(own)) == pointer(array)
        assert pointer(np.from_dlpack(own)) == pointer(array)
        assert pointer(np.frombuffer(memoryview(own).cast("B"), np.uint8)) == pointer(array)
        assert not array.flags.writeable and not np.from_dlpack(own).flags.writeable
        assert own.shape == array.shape and own.dtype == str(array.dtype)
        assert own.__dlpack_device__() == (1, 0)
        assert pointer(array) % 64 == 0


def test_dlpack_in_both_forms(pipeline):
    own = pipeline[0].exports["x"]
    assert '"dltensor"' in repr(own.__dlpack__())
    assert '"dltensor"' in repr(own.__dlpack__(max_version=(0, 8)))
    assert '"dltensor_versioned"' in repr(own.__dlpack__(max_version=(1, 0)))
    with pytest.raises(BufferError):
        own.__dlpack__(copy=True)
    with pytest.raises(BufferError):
        own.__dlpack__(stream=1)
    with pytest.raises(BufferError):
        own.__dlpack__(dl_device=(2, 0))
    with pytest.raises(TypeError, match="read-write"):
        io.BytesIO(bytes(4)).readinto(own) # asks for a buffer to write to


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32",
                                   "uint64", "int64", "float16", "float32", "float64"])
def test_all_dtypes(dtype):
    array = np.arange(24).reshape(6, 4).astype(dtype)
    batch = kprep.Pipeline(array, {"shape": [None, 4], "dtype": dtype}, samples="row")[0]
    assert batch.x.dtype == array.dtype and (batch.x == array).all()
    assert (np.from_dlpack(batch.exports["x"]) == array).all()


def test_a_buffer_is_used_again_when_its_last_view_is_gone():
    array, pipeline = ramp(rows=400)
    places = set()
    for x, _ in pipeline:
        places.add(pointer(x))
    assert len(places) <= 4 # three buffers, and at most one left to the loop's last batch


@pytest.mark.parametrize("hold", ["batches", "arrays", "rows", "capsules"])
def test_held_views_keep_their_values(hold):
    array, pipeline = ramp()
    held = []
    for i, batch in enumerate(pipeline):
        held.append({"batches": lambda: batch, "arrays": lambda: batch.x, "rows": lambda: batch.x[1:],
                     "capsules": lambda: np.from_dlpack(batch.exports["x"])}[hold]())
    del batch
    pipeline.close()
    del pipeline
    gc.collect()
    np.zeros((1000, 1000)).sum() # other use of memory
    for i, one in enumerate(held):
        expected = array[4 * i:4 * i + 4]
        if hold == "batches":
            assert (one.x == expected).all()
        else:
            assert (one == (expected[1:] if hold == "rows" else expected)).all()


def test_the_pipeline_goes_before_its_batches():
    array, pipeline = ramp()
    walk = iter(pipeline)
    held = [next(walk) for _ in range(3)]
    del walk, pipeline
    gc.collect()
    for i, batch in enumerate(held):
        assert (batch.x == array[4 * i:4 * i + 4]).all()


def test_closed_and_overtaken():
    array, pipeline = ramp()
    one, two = iter(pipeline), None
    next(one)
    two = iter(pipeline)
    assert (next(two).x == array[:4]).all()
    with pytest.raises(RuntimeError, match="another iteration"):
        next(one)
    pipeline.close()
    pipeline.close()
    with pytest.raises(ValueError, match="closed"):
        pipeline[0]
    with kprep.Pipeline(array, {"shape": [None, 3]}) as inner:
        assert len(inner) == 1


def test_threads_take_batches_by_number():
    array, pipeline = ramp(rows=200)
    wrong = []

    def work(first):
        for i in range(first, 50, 4):
            if not (pipeline[i].x == array[4 * i:4 * i + 4]).all():
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for i, batch in enumerate(pipeline): # at the same time
        assert (batch.x == array[4 * i:4 * i + 4]).all()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_epochs_in_other_orders():
    array, pipeline = ramp(rows=30, reshuffle=True, shuffle=0)
    for epoch in range(3):
        order = np.random.Generator(np.random.Philox(key=[epoch, 0])).permutation(30)
        assert (np.concatenate([x for x, _ in pipeline]) == array[order]).all()


def test_failures_come_in_order():
    array = np.ones((40, 3), np.float32)
    array[21, 1] = np.nan
    pipeline = kprep.Pipeline(array, {"shape": [None, 3]}, batch=4)
    good = []
    with pytest.raises(kprep.SpecError) as caught:
        for batch in pipeline:
            good.append(batch.number)
    assert good == [0, 1, 2, 3, 4] and caught.value.problems[0].sample == 21
    with pytest.raises(kprep.SpecError):
        pipeline[5]
    assert pipeline[6].rows == 4
    skipping = kprep.Pipeline(array, {"shape": [None, 3]}, batch=4, on_error="skip")
    assert [len(b) for b in skipping] == [4] * 5 + [3] + [4] * 4
    assert skipping[5].rows == 3


def test_pickled_pipelines(pipeline):
    copy = pickle.loads(pickle.dumps(pipeline))
    assert (copy[1].x == pipeline[1].x).all()
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(ramp()[1])


# ---- how they look

def test_reprs(written, pipeline):
    assert "x  (n=18, h=64, w=64, c=3) float32" in repr(written)
    assert "18 samples in 3 batches" in repr(pipeline) and "axes h w c" in repr(pipeline)
    assert repr(written[2]) == "<kprep.Batch 2: x (2, 64, 64, 3) float32, y (2,) int32>"
    assert repr(pipeline[2].exports["y"]) == "<kprep.Array (2,) int32>"


def test_html(written, pipeline):
    import base64
    import re

    text = written._repr_html_()
    assert "<td>(n=18, h=64, w=64, c=3)</td>" in text and "cat, dog, owl" in text
    png = base64.b64decode(re.search(r"base64,([^\"]+)\"", text)[1])
    image = np.asarray(Image.open(io.BytesIO(png)))
    assert image.shape == (64, 8 * 66, 3)
    low, high = written.arrays["x"]["min"], written.arrays["x"]["max"]
    expected = np.round((written[0].x[0].astype(np.float64) - low) / (high - low) * 255)
    assert (image[:, :64] == expected).all()
    assert "<table>" in pipeline._repr_html_()


def test_html_escapes(tmp_path):
    data = kprep.run(np.zeros((2, 3), np.float32), {"shape": [None, 3]}, output=tmp_path / "<b>")
    assert "<b>:" not in data._repr_html_() and "&lt;b&gt;" in data._repr_html_()


def test_manifest_is_as_written(written):
    assert written.manifest == json.loads((written.folder / "manifest.json").read_text())
    assert (ROOT / "pyproject.toml").exists()

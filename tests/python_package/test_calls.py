"""The commands as functions: answers, exceptions, data in memory."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import kprep
import numpy as np
import pytest
from conftest import PACKAGE, ROOT

MODEL = "examples/models/conv-32-32-1.keras"
BIG_MODEL = "examples/models/conv-32-32-912.keras"
IMAGES = "fixtures/arrays/images.npy"


def command(*args):
    return subprocess.run([PACKAGE / "bin/kprep", *map(str, args)], capture_output=True, text=True,
                          cwd=ROOT, check=False)


def test_the_command_is_in_the_package():
    assert command("--version").stdout == f"kprep {kprep.__version__}\n"


def test_check_that_fits():
    answer = kprep.check(IMAGES, MODEL, pipeline="expand_dims -1 | rescale 1/255")
    said = command("check", IMAGES, "--spec", MODEL, "--pipeline", "expand_dims -1 | rescale 1/255")
    assert answer.text == said.stdout
    assert answer.summary["samples"] == 100
    assert repr(answer) == said.stdout.rstrip()


@pytest.mark.parametrize("arguments", [
    (IMAGES, BIG_MODEL, {}),
    (IMAGES, MODEL, {"pipeline": "expand_dims 0"}),
    ("fixtures/photos", "examples/models/photos-224.keras", {}),
])
def test_the_text_is_the_commands(arguments):
    data, model, options = arguments
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    said = command("check", data, "--spec", model, *words)
    with pytest.raises(kprep.SpecError) as caught:
        kprep.check(data, model, **options)
    # The command also says which command to run next.
    assert str(caught.value) + "\n" == "".join(
        line for line in said.stdout.splitlines(True) if not line.startswith("  run      "))
    told = json.loads(command("check", data, "--spec", model, *words, "--json").stdout)["problems"]
    assert [problem.as_dict() for problem in caught.value.problems] == told


def test_exceptions_by_whose_fault_it_is(tmp_path):
    with pytest.raises(kprep.InputError, match=r"error\[not-found\]"):
        kprep.check("none.npy", {"shape": [None, 3]})
    with pytest.raises(OSError):
        kprep.check("none.npy", {"shape": [None, 3]})
    with pytest.raises(kprep.JobError, match="did you mean 'resize'"):
        kprep.check(IMAGES, MODEL, pipeline="resiz 3 3")
    with pytest.raises(ValueError):
        kprep.check(IMAGES, MODEL, like="kerass")
    with pytest.raises(TypeError, match="there is no option 'pipelin'"):
        kprep.check(IMAGES, MODEL, pipelin="")
    with pytest.raises(TypeError, match="must be a path"):
        kprep.check(3.5, MODEL)
    (tmp_path / "file").write_text("")
    with pytest.raises(kprep.OutputError):
        kprep.run(IMAGES, {"shape": [None, 32, 32], "dtype": "uint8"}, output=tmp_path / "file/out")


def test_an_error_travels():
    with pytest.raises(kprep.SpecError) as caught:
        kprep.check(IMAGES, BIG_MODEL)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value) and copy.problems == caught.value.problems
    assert caught.value.problems[0].axis == "c" and caught.value.problems[0].count == 1


class Interface:
    """An array by __array_interface__ alone."""

    def __init__(self, array):
        self.kept = array
        self.__array_interface__ = array.__array_interface__


class Capsule:
    """An array by DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("wrap", [
    lambda a: a, Interface, Capsule, memoryview, np.asfortranarray, lambda a: a[::-1][::-1],
    lambda a: np.repeat(a, 2, axis=0)[::2], lambda a: a.astype(a.dtype.newbyteorder(">")),
], ids=["array", "interface", "dlpack", "buffer", "fortran", "view", "strided", "big-endian"])
@pytest.mark.parametrize("dtype", ["float32", "uint16", "float64"])
def test_arrays_in_memory(wrap, dtype):
    array = np.arange(5 * 4 * 3).reshape(5, 4, 3).astype(dtype)
    job = kprep.Pipeline(wrap(array), {"shape": [None, 3, 4], "dtype": dtype}, samples="row",
                         pipeline="transpose [1, 0]", batch=2)
    assert (np.concatenate([x for x, _ in job]) == array.transpose(0, 2, 1)).all()


def test_an_array_that_does_not_fit():
    with pytest.raises(kprep.SpecError) as caught:
        kprep.check(np.load(IMAGES), BIG_MODEL)
    told = subprocess.run([PACKAGE / "bin/kprep", "check", IMAGES, "--spec", BIG_MODEL],
                          capture_output=True, text=True, cwd=ROOT, check=False).stdout
    assert str(caught.value) == "".join(
        line for line in told.splitlines(True)
        if not line.startswith("  run ")).replace(IMAGES, "array").rstrip("\n")
    with pytest.raises(kprep.SpecError, match="non-finite"):
        kprep.check(np.full((20, 3), np.nan, np.float32), {"shape": [None, 3]})


@pytest.mark.parametrize("array, id", [
    (np.array([None, 1]), "pickled-object"), (np.zeros(3, complex), "unsupported-dtype"),
    (np.array(["a"]), "unsupported-dtype"), (np.zeros(3, "datetime64[s]"), "unsupported-dtype"),
    (np.zeros(3, [("a", "f4")]), "unsupported-dtype"),
])
def test_arrays_that_are_not_read(array, id):
    with pytest.raises(kprep.Error) as caught:
        kprep.check(array, {"shape": [None, 3]})
    assert caught.value.problems[0].id == id
    assert "kprep-" not in str(caught.value) # nothing of our temporary files


def test_inspect_array_and_file():
    array = np.load(IMAGES)
    of_array, of_file = kprep.inspect(array)[0], kprep.inspect(IMAGES)[0]
    assert {**of_file, "path": "array"} == of_array
    assert (of_array["min"], of_array["max"]) == (array.min(), array.max())
    assert of_array["shape"] == array.shape
    assert len(kprep.inspect("fixtures/photos")) == 18
    with pytest.raises(kprep.InputError):
        kprep.inspect("README.md")


def test_plan_is_a_job_that_runs(tmp_path):
    array = np.load(IMAGES)
    job = kprep.plan(IMAGES, MODEL)
    assert job == command("plan", IMAGES, "--spec", MODEL).stdout
    (tmp_path / "job.yaml").write_text(job.replace("fixtures", f"{ROOT}/fixtures")
                                       .replace("examples", f"{ROOT}/examples"))
    data = kprep.run(tmp_path / "job.yaml")
    assert data.folder.resolve() == (tmp_path / "out").resolve() or data.folder.exists()
    assert (data[0].x == array[:64, :, :, None]).all()
    assert "expand_dims" in kprep.plan(array, MODEL)
    assert "copy" in kprep.dry_run(IMAGES, {"shape": [None, 32, 32], "dtype": "uint8"}, output="out")


def test_run_of_an_array_knows_it_again(tmp_path):
    spec, first = {"shape": [None, 3]}, np.random.default_rng(1).random((10, 3), np.float32)
    data = kprep.run(first, spec, output=tmp_path / "out", batch=4)
    assert (np.concatenate([b.x for b in data]) == first).all()
    again = kprep.run(first, spec, output=tmp_path / "out", batch=4)
    assert again.manifest == data.manifest
    with pytest.raises(kprep.JobError) as caught: # the same shape, other values
        kprep.run(first + 1, spec, output=tmp_path / "out", batch=4)
    assert caught.value.problems[0].id == "plan-changed"
    other = kprep.run(first + 1, spec, output=tmp_path / "out", batch=4, force=True)
    assert (other[0].x == first[:4] + 1).all()


def test_labels_and_several_inputs_in_memory():
    rng = np.random.default_rng(2)
    a, b, y = rng.random((9, 4, 4, 3), np.float32), rng.random((9, 5), np.float32), np.arange(9)
    spec = {"inputs": {"a": {"shape": [None, 3, 4, 4]}, "b": {"shape": [None, 5]}}}
    data = kprep.Pipeline({"a": a, "b": b}, spec, pipeline={"a": "moveaxis -1 0"}, labels=y, batch=4,
                          set={"arrays.a.input.samples": "row", "arrays.b.input.samples": "row"})
    assert [len(batch) for batch in data] == [4, 4, 1]
    x, labels = data[1]
    assert (x["a"] == a[4:8].transpose(0, 3, 1, 2)).all() and (x["b"] == b[4:8]).all()
    assert (labels == y[4:8]).all()


def test_a_keras_model_as_spec():
    import keras

    model = keras.Sequential([keras.layers.Input((32, 32, 912)), keras.layers.Flatten()])
    with pytest.raises(kprep.SpecError, match="912, is missing"):
        kprep.check(IMAGES, model)
    assert kprep.check(np.zeros((2, 32, 32, 912), np.float32), model).summary["samples"] == 2


def test_shards_and_verify(tmp_path):
    job = {"output": tmp_path / "out", "batch": 10, "pipeline": "rescale 1/255"}
    spec = {"shape": [None, 32, 32]}
    for part in (1, 0):
        summary = kprep.run(IMAGES, spec, shard=(part, 2), **job)
        assert summary["batches"] == 10
    data = kprep.merge(tmp_path / "out")
    assert len(data) == 10 and kprep.verify(tmp_path / "out")["rows"] == 100
    with open(tmp_path / "out/x-00003.npy", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    with pytest.raises(kprep.Error, match="hash-mismatch"):
        kprep.verify(tmp_path / "out")


def test_progress_and_its_exceptions(tmp_path):
    seen = []
    kprep.run(np.zeros((4000, 64, 64), np.float32), {"shape": [None, 64, 64]}, output=tmp_path / "a",
              threads=1, progress=lambda done, of: seen.append((done, of)))
    assert seen == sorted(seen) and all(of == 4000 for _, of in seen)

    def stop(done, of):
        raise LookupError("enough")

    big = np.zeros((40000, 64, 64), np.uint8)
    with pytest.raises(LookupError, match="enough"):
        kprep.run(big, {"shape": [None, 64, 64]}, output=tmp_path / "b", threads=1, progress=stop)


def test_interrupted_by_a_signal(tmp_path):
    program = f"""
import sys; sys.path.insert(0, {str(PACKAGE)!r})
import kprep, numpy as np
array = np.zeros((200000, 64, 64), np.uint8)
print("begin", flush=True)
kprep.run(array, {{"shape": [None, 64, 64]}}, output={str(tmp_path / 'out')!r}, threads=1,
          pipeline="resize 64 64 bicubic antialias=true")
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begin\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0 and "KeyboardInterrupt" in err


def test_the_gil_is_released():
    """While one thread waits for a batch, others run."""
    array = np.random.default_rng(3).random((64, 200, 200, 3), np.float32)
    pipeline = kprep.Pipeline(array, {"shape": [None, 220, 220, 3]}, samples="row",
                              pipeline="resize 220 220 bicubic", batch=64, threads=1)
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.monotonic()
    pipeline[0]
    end = time.monotonic()
    done.set()
    thread.join()
    assert len([t for t in ticks if begin < t < end]) > 3


def test_names_are_documented():
    for name in kprep.__all__:
        assert getattr(kprep, name).__doc__, name

"""kprep explain: error texts of other programs, as they are.

The keras_, tf_, np_ and ort_ texts were written by Keras 3.15, TensorFlow 2.21, NumPy 2.4 and ONNX Runtime
1.32; the others are as those programs' sources have them. golden/ holds the whole answer to each; the table says what
must be in it whatever its form.
"""

import os
import random
import re
import time

import numpy as np
import pytest

from support import ROOT

MESSAGES = sorted((ROOT / "tests/cli/messages").glob("*.txt"))
GOLDEN = ROOT / "tests/cli/golden"

# Against a model: expected and found (of a sample, as the message has them), the axis at fault, its sizes,
# and the pipeline ("": none).
COMPARED = {
    "keras_fit_missing": ("(32, 32, 912)", "(32, 32)", "c", None, 912, ""),
    "keras_call_missing": ("(32, 32, 912)", "(32, 32)", "c", None, 912, ""),
    "keras_functional": ("(32, 32, 3)", "(5, 32, 32, 3)", "t", 5, None, ""),
    "keras_functional_size": ("(32, 32, 3)", "(48, 20, 3)", "h", 48, 32, "resize 32 32"),
    "keras_axis": ("(32, 32, 3)", "(32, 32, 1)", "c", 1, 3, "rgb"),
    "keras_dense_axis": ("(3600,)", "(1296,)", "f", 1296, 3600, ""),
    "keras_lazy_ndim": ("(None, None, None)", "(32, 32)", "c", None, None, "expand_dims -1"),
    "keras_lstm": ("(10, 8)", "(80,)", "w", None, 8, ""),
    "keras1_rank": ("(None, None, None)", "(32, 32)", "c", None, None, "expand_dims -1"),
    "keras1_shape": ("(32, 32, 912)", "(912, 32, 32)", "c", 912, 912, "moveaxis 0 -1"),
    "keras2_input": ("(28, 28)", "(14, 56)", "h", 14, 28, ""),
    "np_broadcast_into": ("(32, 32)", "(32, 32, 3)", "c", 3, None, ""),
    "ort_order": (None, None, "c", 912, 912, "moveaxis -1 0"),
    "ort_channels": (None, None, "c", 3, 912, ""),
    "ort_sizes": (None, None, "w", 20, 32, ""),
    "tf_matmul": ("(912,)", "(1024,)", "f", 1024, 912, ""),
    "torch_mat": ("(912,)", "(1024,)", "f", 1024, 912, ""),
    "torch_old_size_mismatch": ("(912,)", "(1024,)", "f", 1024, 912, ""),
    "torch_conv_order": ("(912, None, None)", "(32, 32, 912)", "c", 912, 912, "moveaxis -1 0"),
    "torch_conv_channels": ("(3, None, None)", "(1, 224, 224)", "c", 1, 3, ""),
    "traceback": ("(32, 32, 912)", "(912, 32, 32)", "c", 912, 912, "moveaxis 0 -1"),
}
# Of another kind: what stands there for expected and found, and a word of what it means.
TOLD = {
    "keras_cardinality": ("10", "9", "labels"),
    "keras_labels": ("(None, 10)", "(None, 1)", "labels"),
    "keras_sparse": ("(None, 10)", "(None, 10)", "labels"),
    "keras2_shapes": ("(None, 1)", "(None, 10)", "labels"),
    "keras_multi": ("['image', 'meta']", "1", "several inputs"),
    "keras_negative": (None, "(8, 2, 2, 4)", "too small"),
    "keras_object": (None, None, "several shapes"),
    "np_axes": (None, None, "axes"),
    "np_broadcast": ("(32,32,3)", "(32,32,4)", "last one"),
    "np_concat": ("2", "3", "numbers of axes"),
    "np_inhomogeneous": (None, "(2, 3)", "several shapes"),
    "np_reshape": ("(32,32,912)", "1024", "number of values"),
    "np_stack": (None, None, "several shapes"),
    "ort_batch": ("1", "8", "batches of exactly 1"),
    "ort_conv": ("912", "32", "n c h w"),
    "ort_dtype": ("(tensor(float))", "(tensor(double))", "type"),
    "ort_rank": ("4", "3", "number of axes"),
    "tf_batch": ("[32,32,3]", "[48,32,3]", "several shapes"),
    "tf_from_tensor_slices": ("10", "9", "numbers of rows"),
    "tf_incompat": ("[32,10]", "[32,4]", "labels"),
    "tf_logits": ("(32, 10)", "(320,)", "labels"),
    "tf_logits_old": ("[32,10]", "[320]", "labels"),
    "tf_negative": ("3", "1", "too small"),
    "tf_reshape": ("933888", "1024", "number of values"),
    "tf_unknown_rank": (None, None, "without a shape"),
    "torch_add": ("(912)", "(32)", "axis"),
    "torch_checkpoint": ("[10, 1024]", "[10, 912]", "another model"),
    "torch_conv_rank": (None, "[32, 32]", "channels"),
    "torch_dtype": ("Float", "Double", "type"),
    "torch_kernel": ("(3 x 3)", "(1 x 30)", "too small"),
    "torch_stack": ("[3, 32, 32]", "[3, 48, 32]", "several shapes"),
    "torch_target": ("[64, 1]", "[64]", "labels"),
    "torch_view": ("[-1, 912]", "1024", "number of values"),
}


def test_each_message_is_in_a_table():
    assert {p.stem for p in MESSAGES} == set(COMPARED) | set(TOLD)
    assert {p.stem for p in GOLDEN.glob("*.txt")} >= {f"explain-{p.stem}" for p in MESSAGES}


def test_one_sample_without_its_axis(kprep, keras):
    """A single picture given to a model: what Keras says of it is no missing width."""
    x = keras.Input((32, 24, 3))
    model = keras.Model(x, keras.layers.Conv2D(2, 3)(x))
    picture = np.zeros((32, 24, 3), np.float32)
    model.compile("sgd", "mse")
    again = keras.Sequential([keras.Input((32, 24, 3)), keras.layers.Conv2D(2, 3)])
    for call in model, again.predict, lambda a: model.predict(a, verbose=0), lambda a: model.fit(a, a, verbose=0):
        with pytest.raises(Exception) as problem:
            call(picture)
        answer = kprep("explain", "--json", stdin=str(problem.value), rc=0).json
        assert "one sample without the sample axis" in answer["message"]["means"]
        assert answer["message"]["command"] == "kprep check X.npy --samples file --spec MODEL"
        assert "explanation" not in answer


def compared(kprep, expected, found):
    text = f"Expected shape {expected}, but input has incompatible shape {found}"
    return kprep("explain", "--json", stdin=text, rc=0).json


def test_sizes_that_are_not_said_are_not_made_up(kprep):
    answer = compared(kprep, "(None, 32, 3)", "(None, None, 32, 3)")
    assert answer["message"]["found"] == "(None, 32, 3)"
    assert answer["explanation"]["repairs"] == []  # whether squeeze helps is not known
    assert "of size" not in answer["message"]["means"]
    answer = compared(kprep, "(None, 24, 24, 3)", "(None, None, None, 1)")
    assert [r["pipeline"] for r in answer["explanation"]["repairs"]] == ["rgb"]
    assert [a.get("id") for a in answer["explanation"]["axes"]] == [None, None, "channel-count"]


def test_a_sample_that_fits_has_no_help_that_is_none(kprep):
    answer = compared(kprep, "(5, 8, 3)", "(4, 8, 3)")
    assert answer["explanation"]["no_help"] == [] and "--layers" in answer["message"]["command"]


@pytest.mark.parametrize("path", MESSAGES, ids=lambda p: p.stem)
def test_golden(kprep, path):
    """UPDATE_GOLDEN=1 writes them anew; look at the difference before you keep it."""
    answer = kprep("explain", path, rc=0)
    golden = GOLDEN / f"explain-{path.stem}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(answer.out)
    assert answer.out == golden.read_text()
    assert kprep("explain", stdin=path.read_text(), rc=0).out == answer.out
    assert len(answer.out.splitlines()) <= 16


@pytest.mark.parametrize("name", COMPARED)
def test_compared(kprep, name):
    expected, found, axis, data, model, pipeline = COMPARED[name]
    document = kprep("explain", ROOT / f"tests/cli/messages/{name}.txt", "--json", rc=0).json
    message, explanation = document["message"], document["explanation"]
    assert (message.get("expected"), message.get("found")) == (expected, found)
    row = next(a for a in explanation["axes"] if a["axis"] == axis)
    assert (row.get("data"), row.get("model")) == (data, model)
    assert row["id"]
    assert [r["pipeline"] for r in explanation["repairs"]][:1] == ([pipeline] if pipeline else [])
    assert message["command"].startswith("kprep ")
    assert pipeline in message["command"] or explanation["ambiguous"]


@pytest.mark.parametrize("name", TOLD)
def test_told(kprep, name):
    expected, found, means = TOLD[name]
    document = kprep("explain", ROOT / f"tests/cli/messages/{name}.txt", "--json", rc=0).json
    message = document["message"]
    assert (message.get("expected"), message.get("found")) == (expected, found)
    assert means in message["means"] and message["help"]
    assert "explanation" not in document
    assert message.get("command", "kprep ").startswith("kprep ")


def transposed(pipeline, array):
    stage, source, target = pipeline.split()
    assert stage == "moveaxis"
    return np.moveaxis(array, int(source), int(target))


@pytest.mark.parametrize("name", [n for n, row in COMPARED.items() if row[5].startswith("moveaxis")])
def test_moves_give_what_the_message_expects(name):
    """NumPy does what the repair says."""
    expected, found, *_, pipeline = COMPARED[name]
    sizes = [int(n) if n != "None" else None for n in re.findall(r"\d+|None", expected or "912, None, None")]
    shape = [int(n) for n in re.findall(r"\d+", found or "32, 32, 912")]
    result = transposed(pipeline, np.zeros(shape)).shape
    assert all(want in (None, have) for want, have in zip(sizes, result, strict=True))


@pytest.mark.parametrize("text", ["", "hello\n", "Traceback (most recent call last):\nKeyError: 'x'\n",
                                  "Expected shape (", "index: 1 Got: 2", "\0\0\x1b[", "Shapes (None,"])
def test_nothing_known(kprep, text):
    answer = kprep("explain", "--json", stdin=text, rc=1)
    assert answer.ids == ["not-found"]
    assert "traceback" in answer.problem("not-found")["help"]


def test_no_such_file(kprep, tmp_path):
    assert kprep("explain", tmp_path / "none.txt", "--json", rc=3).ids == ["not-found"]


def test_the_last_message_counts(kprep):
    first = "ValueError: all input arrays must have the same shape\n"
    last = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x1024 and 912x10)\n"
    assert kprep("explain", stdin=first + last).out.startswith("PyTorch")
    assert kprep("explain", stdin=last + first).out.startswith("NumPy")


def test_a_long_log_is_read_to_its_end(kprep, tmp_path):
    log = tmp_path / "log.txt"
    message = "ValueError: Input 0 of layer \"s\" is incompatible with the layer: " \
              "expected shape=(None, 28, 28), found shape=(None, 14, 56)\n"
    with open(log, "w") as file:
        for i in range(40000):
            file.write(f"step {i} expected axis index: {i} Shapes ((((((( [[[[ Got: " + "x" * 900 + "\n")
        file.write(message)
    start = time.monotonic()
    assert "(14, 56)" in kprep("explain", log, rc=0).out
    assert time.monotonic() - start < 10


def test_any_bytes(kprep, tmp_path):
    """Cut and spoilt messages are explained or not, and nothing else."""
    rng = random.Random(5)
    texts = [p.read_bytes() for p in MESSAGES]
    for i in range(150):
        text = bytearray(rng.choice(texts))
        for _ in range(rng.randrange(1, 8)):
            at = rng.randrange(len(text))
            text[at:at + rng.randrange(3)] = rng.randbytes(rng.randrange(4)) or b"99999999999999999999"
        path = tmp_path / "spoilt.txt"
        path.write_bytes(text[:rng.randrange(1, len(text) + 1)])
        assert kprep("explain", path, "--json").rc in (0, 1)


def test_huge_numbers(kprep):
    for size in ("9223372036854775807", "99999999999999999999999", "0"):
        text = f"expected shape=(None, {size}, {size}, 3), found shape=(None, {size}, 4)"
        kprep("explain", "--json",
              stdin=f"Input 0 is incompatible with the layer: {text}")

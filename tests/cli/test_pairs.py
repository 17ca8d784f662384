"""(data, model) pairs: what `check` finds, the repair it proposes, and that the repair is one: `kprep run`
with it writes batches that the real Keras model takes.

The expected IDs and pipelines are what a person who knows NumPy would say of the two shapes. Models are
Functional: Keras compares every size with them.
"""

import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from support import ROOT, rows

pytestmark = pytest.mark.tf

# name: shape of a sample, kind of the first layer, dtype of the input.
MODELS = {
    "c1": ((32, 32, 1), "conv2d", "float32"),
    "c3": ((32, 32, 3), "conv2d", "float32"),
    "c912": ((32, 32, 912), "conv2d", "float32"),
    "any1": ((None, None, 1), "conv2d", "float32"),
    "any3": ((None, None, 3), "conv2d", "float32"),
    "wide": ((48, 64, 3), "conv2d", "float32"),
    "first3": ((3, 32, 32), "first", "float32"),
    "bytes": ((32, 32, 3), "conv2d", "uint8"),
    "f1": ((1,), "dense", "float32"),
    "f10": ((10,), "dense", "float32"),
    "f912": ((912,), "dense", "float32"),
    "f1024": ((1024,), "dense", "float32"),
    "f3072": ((3072,), "dense", "float32"),
    "words": ((7,), "embedding", "int32"),
    "hw": ((28, 28), "flatten", "float32"),
    "steps": ((10, 8), "conv1d", "float32"),
    "video": ((5, 32, 32, 3), "conv3d", "float32"),
    "narrow": ((3, 32, 3), "conv2d", "float32"),
}


def build(keras, shape, kind, dtype):
    layers = keras.layers
    x = keras.Input(shape, dtype=dtype)
    y = layers.Rescaling(1 / 255)(x) if dtype == "uint8" else x
    if kind == "first":
        y = layers.Conv2D(2, 1, data_format="channels_first")(y)
    elif kind.startswith("conv"):
        y = getattr(layers, kind.replace("conv", "Conv").replace("d", "D"))(2, 1)(y)
    elif kind == "embedding":
        y = layers.Embedding(5, 2)(y)
    y = layers.Dense(1)(layers.Flatten()(y) if None not in shape else layers.GlobalAveragePooling2D()(y))
    return keras.Model(x, y)


@pytest.fixture(scope="module")
def model(keras, tmp_path_factory):
    """model(name): the model, and its file."""
    folder, made = tmp_path_factory.mktemp("models"), {}

    def get(name):
        if name not in made:
            made[name] = build(keras, *MODELS[name])
            made[name].save(folder / f"{name}.keras")
        return made[name], folder / f"{name}.keras"

    return get


class Array:
    def __init__(self, *shape, dtype="float32"):
        self.shape, self.dtype = shape, dtype

    def write(self, folder):
        count = int(np.prod(self.shape))
        np.save(folder / "x.npy", (np.arange(count) % 5).reshape(self.shape).astype(self.dtype))
        return folder / "x.npy"


class Files:
    """f0.npy ... of one channel each."""

    def __init__(self, numbers, shape=(2, 32, 32)):
        self.numbers, self.shape = numbers, shape

    def write(self, folder):
        (folder / "features").mkdir()
        for i in self.numbers:
            np.save(folder / f"features/f{i}.npy", np.full(self.shape, i, np.float32))
        return folder / "features"


class Pictures:
    """Pillow modes and (height, width)."""

    def __init__(self, *kinds):
        self.kinds = kinds

    def write(self, folder):
        (folder / "photos").mkdir()
        rng = np.random.default_rng(3)
        for i, (mode, height, width) in enumerate(self.kinds):
            shape = (height, width) + ((len(mode),) if mode in ("LA", "RGB", "RGBA") else ())
            deep = mode == "I;16"
            values = rng.integers(0, 200, shape, np.uint16 if deep else np.uint8)
            Image.fromarray(values).save(folder / f"photos/p{i}.png")
        return folder / "photos"


A, F, P = Array, Files, Pictures
GREY, RGB, RGBA, LA = ("L", 32, 32), ("RGB", 32, 32), ("RGBA", 32, 32), ("LA", 32, 32)
MISSING, EXTRA, ORDER = ["missing-axis"], ["extra-axis"], ["axis-order"]
CHANNELS, SIZE, DTYPE = ["channel-count"], ["axis-size"], ["dtype"]
NONE, FITS, JOIN = None, "", "join: channels"

# model, data, IDs, repair; beyond that what lacks, or keys of a spec file in place of the model file.
PAIRS = [
    ("c1", A(4, 32, 32, 1), [], FITS),
    ("c1", A(4, 32, 32), MISSING, "expand_dims -1"),
    ("c1", A(32, 32), MISSING, "expand_dims -1"),
    ("c1", A(4, 1, 32, 32), ORDER, "moveaxis 0 -1"),
    ("c1", A(4, 32, 1, 32), ORDER, "moveaxis 1 -1"),
    ("c1", A(4, 32, 32, 1, 1), EXTRA, "squeeze 2"),
    ("c1", A(4, 1, 32, 32, 1), EXTRA, "squeeze 0"),
    ("c1", A(4, 32, 32, 3), CHANNELS, NONE),
    ("c1", P(RGB), CHANNELS, "grayscale"),
    ("c1", P(RGBA), CHANNELS, "grayscale"),
    ("c1", P(LA), CHANNELS, "alpha drop"),
    ("c1", P(GREY, RGB), CHANNELS, "grayscale"),
    ("c1", P(GREY, ("RGB", 40, 20)), ["axis-size", "axis-size", "channel-count"], "grayscale | resize 32 32"),
    ("c1", P(("I;16", 32, 32)), [], FITS),
    ("c3", A(4, 32, 32, 3), [], FITS),
    ("c3", A(32, 32, 3), [], FITS),
    ("c3", A(4, 32, 32, 3, dtype="float64"), [], FITS),
    ("c3", A(4, 32, 32, 3, dtype="uint8"), [], FITS),
    ("c3", A(4, 32, 32, 3, dtype="int64"), DTYPE, "cast float32"),
    ("c3", A(4, 3, 32, 32), ORDER, "moveaxis 0 -1"),
    ("c3", A(4, 3, 32, 32, dtype="int64"), ORDER, "moveaxis 0 -1 | cast float32"),
    ("c3", A(4, 32, 3, 32), ORDER, "moveaxis 1 -1"),
    ("c3", A(4, 32, 32), MISSING, NONE, "2 of 3 along axis c"),
    ("c3", A(4, 32, 32, 1), CHANNELS, NONE, "2 of 3 along axis c"),
    ("c3", A(4, 32, 32, 4), CHANNELS, NONE),
    ("c3", A(4, 32, 32, 3, 1), EXTRA, "squeeze -1"),
    ("c3", A(4, 30, 32, 3), SIZE, NONE),
    ("c3", A(4, 48, 20, 3), SIZE * 2, NONE),
    ("c3", A(4, 3072), MISSING * 2, NONE),
    ("c3", P(RGB), [], FITS),
    ("c3", P(GREY), CHANNELS, "rgb"),
    ("c3", P(RGBA), CHANNELS, "alpha drop"),
    ("c3", P(GREY, RGB, RGBA, LA), CHANNELS, "rgb"),
    ("c3", P(("RGB", 48, 20)), SIZE * 2, "resize 32 32"),
    ("c3", P(("RGB", 48, 20), ("L", 20, 48), RGBA), ["axis-size", "axis-size", "channel-count"],
     "rgb | resize 32 32"),
    ("wide", P(("RGB", 64, 48)), ORDER, "resize 48 64"),
    ("wide", A(4, 64, 48, 3), ORDER, "moveaxis 0 1"),
    ("any3", P(("RGB", 20, 50)), [], FITS),
    ("any3", P(("L", 20, 50)), CHANNELS, "rgb"),
    ("any3", P(("RGB", 20, 50), ("RGB", 20, 40)), SIZE, NONE),
    ("any1", A(4, 20, 30, 1), [], FITS),
    ("any1", A(4, 20, 30), MISSING, "expand_dims -1"),
    ("c912", A(2, 32, 32, 912), [], FITS),
    ("c912", A(100, 32, 32), MISSING, NONE, "911 of 912 along axis c"),
    ("c912", A(2, 912, 32, 32), ORDER, "moveaxis 0 -1"),
    ("c912", A(2, 32, 912, 32), ORDER, "moveaxis 1 -1"),
    ("c912", A(2, 32, 32, 911), CHANNELS, NONE, "1 of 912 along axis c"),
    ("c912", F(range(912)), MISSING, JOIN),
    ("c912", F(range(911)), MISSING, NONE, "1 of 912 along axis c: f911.npy"),
    ("c912", F([i for i in range(1, 913) if i not in (7, 8, 9, 500)]), MISSING, NONE,
     "4 of 912 along axis c: f7.npy to f9.npy, f500.npy"),
    ("c912", F(range(1, 912)), MISSING, NONE, "1 of 912 along axis c: f912.npy"),
    ("c912", F(range(3, 912)), MISSING, NONE, "3 of 912 along axis c: f0.npy to f2.npy"),
    ("first3", A(4, 3, 32, 32), [], FITS),
    ("first3", A(4, 32, 32, 3), ORDER, "moveaxis -1 0"),
    ("first3", P(RGB), ORDER, "moveaxis c 0"),
    ("first3", P(GREY), ORDER, "rgb | moveaxis c 0"),
    ("first3", P(("RGB", 40, 50)), ORDER, "resize 32 32 | moveaxis c 0"),
    ("bytes", P(RGB), [], FITS),
    ("bytes", A(4, 32, 32, 3), DTYPE, "cast uint8"),
    ("bytes", A(4, 32, 32, 3, dtype="uint16"), DTYPE, "cast uint8"),
    ("f10", A(4, 10), [], FITS),
    ("f10", A(4, 10, 1), EXTRA, "squeeze -1"),
    ("f10", A(4, 1, 10), EXTRA, "squeeze 0"),
    ("f10", A(4, 2, 5), EXTRA, "flatten"),
    ("f10", A(4, 9), SIZE, NONE, "1 of 10 along axis f"),
    ("f10", A(4, 11), SIZE, NONE),
    ("f1", A(4, 1), [], FITS),
    ("f912", A(4, 912, 1, 1), EXTRA * 2, "flatten"),
    ("f1024", A(4, 32, 32), EXTRA, "flatten"),
    ("f1024", A(4, 32, 32, 1), EXTRA * 2, "flatten"),
    ("f1024", P(GREY), EXTRA * 2, "flatten"),
    ("f1024", P(RGB), EXTRA * 2, "grayscale | flatten"),
    ("f3072", P(RGB), EXTRA * 2, "flatten"),
    ("f3072", P(("RGB", 40, 50)), EXTRA * 2, NONE),
    ("words", A(4, 7, dtype="int32"), [], FITS),
    ("words", A(4, 7, dtype="int64"), DTYPE, "cast int32"),
    ("words", A(4, 7), DTYPE, "cast int32"),
    ("hw", A(4, 28, 28), [], FITS),
    ("hw", A(4, 28, 28, 1), EXTRA, "squeeze -1"),
    ("hw", A(4, 784), MISSING, NONE),
    ("hw", A(4, 14, 56), SIZE * 2, NONE),
    ("hw", P(("L", 28, 28)), EXTRA, "squeeze c"),
    ("hw", P(("RGB", 28, 28)), EXTRA, "grayscale | squeeze c"),
    ("steps", A(4, 8, 10), ORDER, "moveaxis 0 -1"),
    ("steps", A(4, 80), MISSING, NONE),
    ("steps", A(4, 10, 8, 1), EXTRA, "squeeze -1"),
    ("video", A(2, 5, 32, 32, 3), [], FITS),
    ("video", A(2, 3, 5, 32, 32), ORDER, "moveaxis 0 -1"),
    ("video", A(2, 32, 32, 3), MISSING, NONE),
    ("c3", P(RGB), ["value-range"], "rescale 1/255", None, {"range": [0, 1]}),
    ("c3", P(RGB), ["value-range"], "rescale 1/127.5 -1", None, {"range": [-1, 1]}),
    ("c3", P(GREY), ["channel-count", "value-range"], "rgb | rescale 1/255", None, {"range": [0, 1]}),
]


def name(pair):
    data = pair[1]
    text = getattr(data, "shape", None) if isinstance(data, Array) else (
        "-".join(f"{m}{h}x{w}" for m, h, w in data.kinds) if isinstance(data, Pictures) else
        f"{len(data.numbers)}files")
    dtype = getattr(data, "dtype", "float32")
    return re.sub(r"[ ,()]+", "x", f"{pair[0]}-{text}").strip("x") + (f"-{dtype}" if dtype != "float32" else "")


def test_there_are_enough():
    assert len(PAIRS) >= 60


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_pair(kprep, model, tmp_path, pair):
    net, path = model(pair[0])
    ids, repair = pair[2], pair[3]
    lacks = pair[4] if len(pair) > 4 else None
    if len(pair) > 5:
        shape, _, dtype = MODELS[pair[0]]
        path = tmp_path / "spec.json"
        path.write_text(json.dumps({"shape": [None, *shape], "axes": "nhwc", "dtype": dtype, **pair[5]}))
    data = pair[1].write(tmp_path)
    answer = kprep("check", data, "--spec", path, "--json", rc=1 if ids else 0)
    assert sorted(answer.ids) == sorted(ids)
    explanation = answer.json.get("explanation", {})
    assert bool(explanation) == bool(ids)
    if lacks is not None:
        assert explanation["lacks"] == lacks
    planned = kprep("plan", data, "--spec", path, rc=1 if repair is NONE else 0)
    if repair is NONE:
        assert explanation["repairs"] == [] and "join" not in explanation
        assert explanation["command"].startswith("kprep ")
        return
    extra = ["--join", "channels"] if repair == JOIN else ["--pipeline", repair] if repair else []
    if repair == JOIN:
        assert explanation["repairs"] == [] and explanation["join"] == "channels"
    elif repair != FITS:
        assert explanation["repairs"][0]["pipeline"] == repair
        assert not explanation["ambiguous"]
    if repair != FITS:
        assert (" ".join(extra) if repair == JOIN else repair) in explanation["command"]
    kprep("run", data, "--spec", path, *extra, "--output", "out", rc=0)
    x = rows(tmp_path / "out")
    # What `plan` printed is the same job.
    (tmp_path / "job.yaml").write_text(planned.out)
    kprep("run", "job.yaml", "--output", "planned", rc=0)
    assert np.array_equal(rows(tmp_path / "planned"), x)
    accepts(net, x)


def test_two_repairs_that_give_different_values(kprep, model, tmp_path):
    """Which of two axes of size 3 are the channels, nothing says: both are shown, none is picked."""
    net, path = model("narrow")
    data = Array(4, 3, 3, 32).write(tmp_path)
    answer = kprep("check", data, "--spec", path, "--json", rc=1)
    assert answer.ids == ORDER
    explanation = answer.json["explanation"]
    assert explanation["ambiguous"]
    pipelines = {r["pipeline"] for r in explanation["repairs"]}
    assert pipelines == {"moveaxis 0 -1", "moveaxis 1 -1"}
    assert "CHOICE" in explanation["command"]
    assert "ambiguous-repair" in kprep("plan", data, "--spec", path, "--json", rc=1).ids
    made = set()
    for pipeline in pipelines:
        kprep("run", data, "--spec", path, "--pipeline", pipeline, "--output", pipeline, rc=0)
        accepts(net, rows(tmp_path / pipeline))
        made.add(rows(tmp_path / pipeline).tobytes())
    assert len(made) == 2


@pytest.mark.parametrize("shape", [(8, 30, 40, 32, 32), (1, 8, 14, 56), (8, 28, 28, 1), (8, 28)])
def test_what_keras_takes_silently(kprep, keras, tmp_path, arrays, shape):
    """`beware` stands exactly where a Sequential model of Keras runs on data that does not fit."""
    layers = keras.layers
    net = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), layers.Dense(1)])
    net.save(tmp_path / "net.keras")
    sample = shape[1:] if shape[0] == 8 else shape[2:]
    array = np.zeros((8, *sample), np.float32)
    try:
        net(array)
        silent = True
    except (ValueError, keras.src.backend.tensorflow.core.tf.errors.InvalidArgumentError):
        silent = False
    answer = kprep("check", arrays("x.npy", array), "--samples", "row", "--spec",
                   tmp_path / "net.keras", "--json", rc=1)
    assert ("beware" in answer.json["explanation"]) == silent


def test_stages_are_blamed(kprep, model, tmp_path):
    """(32, 32, 3), flattened for a convolution: the axes were lost on the way, not in the data."""
    _, path = model("c3")
    data = Array(4, 40, 40, 3).write(tmp_path)
    answer = kprep("check", data, "--spec", path, "--pipeline", "resize 32 32 | flatten", "--json", rc=1)
    explanation = answer.json["explanation"]
    assert [s["shape"] for s in explanation["stages"]] == ["(40, 40, 3)", "(32, 32, 3)", "(3072,)"]
    lost = [a for a in explanation["axes"] if a.get("id") == "missing-axis"]
    assert lost and all(a["stage"] == 1 and "flatten" in a["wrong"] for a in lost)
    text = kprep("check", data, "--spec", path, "--pipeline", "resize 32 32 | flatten", rc=1).out
    assert "lost at stage 2, flatten" in text
    assert "read (40, 40, 3) | resize (32, 32, 3) | flatten (3072,)" in text
    answer = kprep("check", data, "--spec", path, "--pipeline", "moveaxis 2 0 | resize 32 32", "--json", rc=1)
    stages = answer.json.get("explanation", {}).get("stages", [])
    assert all(s["stage"] in ("read", "moveaxis", "resize") for s in stages)


def test_images_name_the_stage_that_adds_an_axis(kprep, model, tmp_path):
    _, path = model("c3")
    data = Pictures(RGB).write(tmp_path)
    answer = kprep("check", data, "--spec", path, "--pipeline", "expand_dims 0", "--json", rc=1)
    extra = [a for a in answer.json["explanation"]["axes"] if a.get("id") == "extra-axis"]
    assert [a["stage"] for a in extra] == [0]
    assert "came in at stage 1, expand_dims" in extra[0]["wrong"]


def test_missing_files_are_named_by_plan(kprep, model, tmp_path):
    _, path = model("c912")
    data = Files([i for i in range(912) if i != 17]).write(tmp_path)
    answer = kprep("plan", data, "--spec", path, "--json", rc=1)
    assert "f17.npy" in answer.problem("missing-axis")["help"]
    answer = kprep("check", data, "--join", "channels", "--spec", path, "--json", rc=1)
    assert answer.json["explanation"]["lacks"] == "1 of 912 along axis c: f17.npy"


def test_golden_explanations(kprep, tmp_path):
    """The text of `check`, whole. UPDATE_GOLDEN=1 writes it anew."""
    models = ROOT / "examples/models"
    cases = {
        "missing": (Array(100, 32, 32), "conv-32-32-912", ()),
        "missing-one": (Array(100, 32, 32), "conv-32-32-1", ()),
        "order": (Array(4, 912, 32, 32), "conv-32-32-912", ()),
        "size": (Array(4, 30, 32, 1), "conv-32-32-1", ()),
        "extra": (Array(4, 32, 32, 3, 1), "photos-224", ("--pipeline", "squeeze -1")),
        "stage": (Array(4, 32, 32, 3), "photos-224", ("--pipeline", "resize 224 224 | flatten")),
        "files": (Files(range(911)), "conv-32-32-912", ()),
        "photos": (Pictures(GREY, RGBA, ("RGB", 48, 20)), "photos-224", ()),
        "flat": (Array(4, 30, 31), "dense-912", ()),
    }
    for case, (data, file, options) in cases.items():
        folder = tmp_path / case
        folder.mkdir()
        data = data.write(folder).relative_to(folder)
        shutil.copy(models / f"{file}.keras", folder / "model.keras")
        answer = kprep("check", data, "--spec", "model.keras", *options, cwd=folder, rc=1)
        golden = ROOT / f"tests/cli/golden/check-{case}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            golden.write_text(answer.out)
        assert answer.out == golden.read_text(), case
        assert re.search(r"^  axis \w +data +\w+   model +\w+   \w+", answer.out, re.M), case
        assert answer.out.count("\n  run      kprep ") == 1, case
        assert "expected:" in answer.out and "found:" in answer.out


def accepts(net, x):
    """Keras compares all sizes of a Functional model; without data where TensorFlow has no kernel for
    channels first."""
    import keras

    wanted = net.inputs[0]
    assert x.dtype == wanted.dtype
    assert all(a in (None, b) for a, b in zip(wanted.shape, x.shape, strict=True))
    if any(getattr(layer, "data_format", None) == "channels_first" for layer in net.layers):
        assert net(keras.KerasTensor(x.shape, x.dtype)).shape == (len(x), 1)
    else:
        assert net(x).shape == (len(x), 1)

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


# Heads that scale, and some that only look so: a sum in front of a logarithm, a factor of attention.
HEADS = {
    "effnet": ((8, 6, 3), lambda x, k: k.layers.Rescaling(1 / 128, -1)(x), [0, 255]),
    "centred": ((8, 6, 3), lambda x, k: x - 127.5, [0, 255]),
    "from around 0": ((8, 6, 3), lambda x, k: (x + 1) * 127.5, [-1, 1]),
    "to bytes": ((8, 6, 3), lambda x, k: x * 255, [0, 1]),
    "flat": ((784,), lambda x, k: x / 255, [0, 255]),
    "twice": ((8, 6, 3), lambda x, k: x / 255 / 255, [0, 255]),
    "log of pixels": ((8, 6, 3), lambda x, k: k.ops.log(x + 1), None),
    "log of a table": ((10,), lambda x, k: k.ops.log(x + 1), None),
    "table": ((10,), lambda x, k: x - 0.5, None),
    "quarter": ((8, 6, 3), lambda x, k: x * 0.25, None),
    "sixteenth": ((8, 6, 3), lambda x, k: x / 16, None),
    "behind": ((8, 6, 3), lambda x, k: rescaled(k, x), None),
}


def rescaled(keras, x):
    return keras.layers.Rescaling(1 / 255)(keras.layers.BatchNormalization()(x))


@pytest.mark.parametrize("name", HEADS)
def test_range_of_other_heads(kprep, tmp_path, keras, name):
    shape, head, bounds = HEADS[name]
    x = keras.Input(shape)
    model = keras.Model(x, keras.layers.Dense(2)(head(x, keras)))
    (tmp_path / "model.json").write_text(model.to_json())
    found = kprep("spec", tmp_path / "model.json", "--json", rc=0).json["inputs"][0]
    assert found.get("range") == bounds


def test_axes_behind_a_lambda_are_not_told(kprep, tmp_path, keras):
    """It may move them, as here; so may a function of TensorFlow in a model of Keras 2."""
    x = keras.Input((3, 8, 6))
    moved = keras.layers.Lambda(lambda t: keras.ops.transpose(t, (0, 2, 3, 1)),
                                output_shape=(8, 6, 3))(x)
    model = json.loads(keras.Model(x, keras.layers.Conv2D(2, 3)(moved)).to_json())
    for name in "Lambda", "TFOpLambda":
        layer = model["config"]["layers"][1]
        layer["class_name"] = name
        if name == "TFOpLambda":
            layer["config"] = {"name": layer["config"]["name"], "function": "compat.v1.transpose"}
        (tmp_path / "model.json").write_text(json.dumps(model))
        found = kprep("spec", tmp_path / "model.json", "--json", rc=0).json["inputs"][0]
        assert found["axes_known"] == "assumed"


def test_control_bytes_of_classes(kprep, tmp_path):
    root = {"class_name": "Sequential", "config": {"layers": [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 3]}},
        {"class_name": "a\n\x1b[31m", "config": {"name": "b\n\x1b[31m"}}]}}
    (tmp_path / "model.json").write_text(json.dumps(root))
    answer = kprep("spec", tmp_path / "model.json", "--layers", rc=0)
    assert "\x1b" not in answer.out and len(answer.out.splitlines()) == 3


def test_a_batch_size_is_no_demand(kprep, tmp_path, keras):
    """Keras takes other numbers of samples than the model was built with, but for layers with state."""
    data = tmp_path / "x.npy"
    np.save(data, np.zeros((7, 8, 6, 3), np.float32))
    answer = kprep("check", data, "--spec", MODELS / "subclass_built.keras", rc=0)
    assert "batches" not in answer.err
    np.save(data, np.zeros((7, 6, 3), np.float32))
    for stateful in False, True:
        x = keras.Input((6, 3), batch_size=5)
        model = keras.Model(x, keras.layers.LSTM(2, stateful=stateful)(x))
        (tmp_path / "model.json").write_text(model.to_json())
        answer = kprep("check", data, "--spec", tmp_path / "model.json", rc=0)
        assert ("batches of exactly 5 rows" in answer.err) == stateful
        if stateful:
            with pytest.raises(ValueError):
                model(np.load(data))
        else:
            model(np.load(data))


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


# ---- layers ----


def tables(folder):
    return [(folder / file, table)
            for file, table in json.loads((folder / "LAYERS.json").read_text()).items()]


def outputs(layers):
    """Paths and output shapes of a layer table, as fixtures/make_models_keras.py writes them."""
    table, path = {}, []
    for layer in layers:
        path[layer["depth"]:] = [layer["name"]]
        table["/".join(path)] = layer["outputs"]
    return table


def check_table(kprep, model, expected, unknown=()):
    found = outputs(kprep("spec", model, "--layers", "--json", rc=0).json["layers"])
    for name, shapes in expected.items():
        if name not in found and "/" not in name and name.startswith("input_layer"):
            continue  # of a Sequential model whose file has none
        assert found[name] == ([None] if name in unknown else shapes), (model.name, name)


@pytest.mark.parametrize("model, expected", tables(MODELS) + tables(FIXTURES / "layers"),
                         ids=lambda x: x.name if hasattr(x, "name") else "")
def test_shapes_of_all_layers(kprep, model, expected):
    check_table(kprep, model, expected, {"doubling"})


# A model, the shape of an array, and what is said of it: the layer at which it fails and the problem.
DATA = [
    ("layers/dense_on_3d.json", (8, 28, 28), None, None),
    ("layers/dense_on_3d.json", (8, 28, 32), "dense", "axis-size"),
    ("layers/dense_on_3d.json", (8, 14, 28), "out", "axis-size"),
    ("layers/perceptron.json", (8, 14, 28), "dense", "axis-size"),
    ("layers/perceptron.json", (8, 14, 56), "input_layer", "axis-size"),
    ("layers/perceptron.json", (8, 784), "input_layer", "missing-axis"),
    ("layers/convolutions.json", (8, 32, 20, 1), "conv2d", "channel-count"),
    ("layers/convolutions.json", (8, 32, 20), "conv2d", "missing-axis"),
    ("layers/convolutions.json", (8, 3, 3, 3), "conv2d_1", "axis-size"),
    ("layers/first_channels.json", (8, 17, 12, 3), "conv2d", "channel-count"),
    ("layers/first_channels.json", (8, 3, 30, 31), "input_layer", "axis-size"),
    ("layers/merging.json", (8, 9, 9, 4), "input_layer", "axis-size"),
    ("layers/rearranging.json", (8, 4, 6, 4), "reshape", "axis-size"),
    ("layers/recurrent.json", (8, 20), "input_layer", "axis-size"),
    ("layers/sequences.json", (8, 40, 5), "conv1d", "channel-count"),
    ("layers/sequences.json", (8, 2, 6), "max_pooling1d", "axis-size"),
    ("models/seq_input.keras", (8, 48, 20, 3), "input_layer", "axis-size"),
    ("models/fun_single.h5", (4, 8, 6), None, None),
    ("models/fun_single.h5", (4, 8, 6, 1, 1), None, None),
]


def go_through(kprep, tmp_path, model, shape):
    np.save(tmp_path / "x.npy", np.zeros(shape, "f4"))
    return kprep("spec", FIXTURES / model, "--data", tmp_path / "x.npy", "--json")


@pytest.mark.parametrize("model, shape, layer, problem", DATA)
def test_where_data_fails(kprep, tmp_path, model, shape, layer, problem):
    answer = go_through(kprep, tmp_path, model, shape)
    failed = [x["name"] for x in answer.json["layers"] if x["failed"]]
    assert (failed, answer.ids) == (([layer], [problem]) if layer else ([], [])), answer
    assert answer.rc == (1 if layer else 0)
    if layer:
        assert f"'{layer}'" in answer.problems[0]["message"]
    text = kprep("spec", FIXTURES / model, "--data", tmp_path / "x.npy", rc=answer.rc).out
    assert text.count("<-- fails here") == len(failed)


@pytest.mark.parametrize("model, shape", sorted({(m, s) for m, s, _, _ in DATA}))
def test_keras_agrees(kprep, tmp_path, model, shape):
    """Keras refuses what is said to fail, and accepts silently what is said to be accepted so."""
    keras = pytest.importorskip("keras")
    path = FIXTURES / model
    loaded = keras.models.model_from_json(path.read_text()) if path.suffix == ".json" else \
        keras.models.load_model(path, compile=False)
    answer = go_through(kprep, tmp_path, model, shape)
    silent = "silently" in answer.json.get("note", "")
    try:
        loaded(np.zeros(shape, "f4"))
    except Exception:
        assert answer.rc == 1 and not silent, answer
    else:
        assert answer.rc == 0 or silent, answer


def test_layers_that_are_not_described(kprep):
    problem = kprep("spec", MODELS / "subclass_built.keras", "--layers", "--json", rc=2).problems[0]
    assert "in its code only" in problem["found"]
    assert kprep("spec", MODELS / "seq_lazy_unbuilt.keras", "--layers", "--json",
                 rc=0).json["layers"][0]["outputs"] == [None]
    several = kprep("spec", MODELS / "fun_multi_list.keras", "--data", FIXTURES / "arrays",
                    "--json", rc=2)
    assert "3 inputs" in several.problems[0]["message"]


def functional(layers, inputs, outputs, name="f"):
    return {"class_name": "Functional", "name": name, "config": {
        "name": name, "layers": layers, "input_layers": inputs, "output_layers": outputs}}


def layer(name, *nodes, cls="Dense", **config):
    calls = [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": [n, 0, 0]}}
                       for n in node]} for node in nodes]
    return {"class_name": cls, "name": name, "config": {"name": name, **config},
            "inbound_nodes": calls}


def source(name="x", shape=(None, 8, 6, 3)):
    return layer(name, cls="InputLayer", batch_shape=list(shape))


def wrapped(depth):
    """Each model calls the one inside it four times."""
    inner = functional([source("i"), layer("a", ["i"], cls="ReLU")], ["i", 0, 0], ["a", 0, 0])
    for k in range(depth):
        calls = [["i"], ["m"], ["m"], ["m"]]
        inner = {**inner, "name": "m", "inbound_nodes": layer("m", *calls)["inbound_nodes"]}
        for node, call in enumerate(inner["inbound_nodes"][1:]):
            call["args"][0]["config"]["keras_history"] = ["m", node, 0]
        inner = functional([source("i"), inner], ["i", 0, 0], ["m", 3, 0])
    return inner


HOSTILE = {
    "circle": functional([source(), layer("a", ["b"], units=2), layer("b", ["a"], units=2)],
                         ["x", 0, 0], ["b", 0, 0]),
    "itself": functional([source(), layer("a", ["a"], units=2)], ["x", 0, 0], ["a", 0, 0]),
    "nobody": functional([source(), layer("a", ["gone"], units=2)], ["x", 0, 0], ["gone", 0, 0]),
    "same name": functional([source(), layer("x", ["x"], units=2)], ["x", 0, 0], ["x", 0, 0]),
    "huge": functional(
        [source(), layer("a", ["x"], units=1e300),
         layer("b", ["x"], cls="Conv2D", kernel_size=[1e18, -5], filters=-3, strides=0),
         layer("c", ["x"], cls="Reshape", target_shape=[-1, -1, 0]),
         layer("d", ["x"], cls="UpSampling2D", size=[1e9, 1e9]),
         layer("e", ["d"], cls="Flatten"), layer("f", ["e"], cls="RepeatVector", n=2 ** 30),
         layer("g", ["x"], cls="ZeroPadding2D", padding=[[1e400 - 1e400, 1], 7]),
         layer("h", ["x"], cls="Permute", dims=[9, -9, 1e300]),
         layer("i", ["x"], cls="Concatenate", axis=77), layer("j", ["x"], cls="GetItem"),
         layer("k", ["x"], cls="Bidirectional", layer={"class_name": "Bidirectional"}),
         layer("l", ["x"], cls="BatchNormalization", axis=[1e9, -4, 3])], ["x", 0, 0], ["f", 0, 0]),
    "below every size": functional([source(), layer("a", ["x"], cls="Reshape", target_shape=[-1, -2, 0])],
                                   ["x", 0, 0], ["a", 0, 0]),
    "backwards": functional(
        [source()] + [layer(f"l{k}", [f"l{k - 1}" if k else "x"], cls="ReLU")
                      for k in reversed(range(2000))], ["x", 0, 0], ["l1999", 0, 0]),
    "many inputs": functional([source(), layer("a", ["x"] * 5000, cls="Add")], ["x", 0, 0],
                              ["a", 0, 0]),
    "not layers": functional([5, None, [], {"class_name": "Dense"}], ["x", 0, 0], 7),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_absurd_graphs_are_bounded(kprep, tmp_path, name):
    (tmp_path / "model.json").write_text(json.dumps(HOSTILE[name]))
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 6, 3), "f4"))
    for more in [], ["--data", tmp_path / "x.npy"]:
        answer = kprep("spec", tmp_path / "model.json", "--layers", *more, timeout=20)
        assert answer.rc in (0, 1, 2)
        assert "-2" not in answer.out


def test_models_that_call_models_are_bounded(kprep, tmp_path):
    (tmp_path / "model.json").write_text(json.dumps(wrapped(4)))
    layers = kprep("spec", tmp_path / "model.json", "--layers", "--json", rc=0).json["layers"]
    assert layers[-1]["outputs"] == [[None, 8, 6, 3]]
    (tmp_path / "model.json").write_text(json.dumps(wrapped(25)))
    answer = kprep("spec", tmp_path / "model.json", "--layers", "--json", rc=2, timeout=20)
    assert answer.ids == ["too-large"]

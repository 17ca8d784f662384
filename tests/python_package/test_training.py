"""Real models train from each adapter, with the losses that NumPy-fed training has."""

import os
import subprocess
import sys

import kprep
import numpy as np
import pytest
from conftest import PACKAGE
from support import PHOTO_JOB, pointer

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()
    return tensorflow


@pytest.fixture(params=["written", "pipeline"])
def data(request, written):
    return written if request.param == "written" else kprep.Pipeline("examples/photos.yaml", **PHOTO_JOB)


def make_model():
    import keras

    keras.utils.set_random_seed(7)
    model = keras.Sequential([
        keras.layers.Input((64, 64, 3)),
        keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, activation="softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def reference(tf, photos):
    """Losses of two epochs of training from NumPy arrays that Keras' own loader made."""
    x, y = photos
    return make_model().fit(x, y, batch_size=8, shuffle=False, epochs=2, verbose=0).history


def grain_pairs(data):
    import grain

    return grain.MapDataset.source(data.grain()).to_iter_dataset()


ADAPTERS = {
    "keras": lambda data: data.keras(),
    "keras workers": lambda data: data.keras(workers=2),
    "tf.data": lambda data: data.tf_data(),
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_fit(tf, data, adapter, reference):
    history = make_model().fit(ADAPTERS[adapter](data), shuffle=False, epochs=2, verbose=0).history
    assert history == reference


def losses(batches):
    """One epoch of single steps: Keras' running mean of the loss after each."""
    model = make_model()
    return [float(model.train_on_batch(x, y)[0]) for x, y in batches]


LOOPS = {
    "itself": iter,
    "grain": grain_pairs,
    "tf.data": lambda data: ((x.numpy(), y.numpy()) for x, y in data.tf_data()),
    "dlpack": lambda data: ((np.from_dlpack(b.exports["x"]), np.from_dlpack(b.exports["y"]))
                            for b in data),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_own_loops(tf, data, loop, photos):
    x, y = photos
    expected = losses((x[i:i + 8], y[i:i + 8]) for i in range(0, 18, 8))
    assert losses(LOOPS[loop](data)) == expected and len(expected) == 3


def test_tensorflow_reads_in_place(tf, data):
    batch = data[0]
    tensor = tf.experimental.dlpack.from_dlpack(batch.exports["x"].__dlpack__())
    assert pointer(np.asarray(memoryview(tensor))) == pointer(batch.x)
    values = batch.x.copy()
    del batch, data
    assert (tensor.numpy() == values).all()


def test_cardinality(tf, data):
    assert int(data.tf_data().cardinality()) == 3
    assert data.tf_data().element_spec[0].shape.as_list() == [None, 64, 64, 3]


def test_jax_reads_in_place(data):
    jax = pytest.importorskip("jax")
    batch = data[0]
    array = jax.dlpack.from_dlpack(batch.exports["x"])
    assert array.shape == (8, 64, 64, 3)
    assert array.unsafe_buffer_pointer() == pointer(batch.x)
    values = batch.x.copy()
    del batch, data
    assert (np.asarray(array) == values).all()


def test_keras_on_jax(written):
    pytest.importorskip("jax")
    program = f"""
import sys; sys.path.insert(0, {str(PACKAGE)!r})
import keras, kprep, numpy as np
data = kprep.open({str(written.folder)!r})
x, y = (np.concatenate(part) for part in zip(*data))
def losses(*args, **options):
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.layers.Input((64, 64, 3)), keras.layers.GlobalAveragePooling2D(),
                              keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model.fit(*args, shuffle=False, verbose=0, epochs=2, **options).history["loss"]
assert keras.backend.backend() == "jax"
print(losses(data.keras()) == losses(x, y, batch_size=8))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False,
                          env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"})
    assert done.stdout == "True\n", done.stderr[-2000:]


def test_several_inputs(tf):
    import keras

    data = kprep.Pipeline("examples/two-inputs.yaml")
    model = keras.saving.load_model("examples/models/two-inputs.keras")
    model.compile("sgd", "sparse_categorical_crossentropy")
    by_keras = model.evaluate(data.keras(), verbose=0)
    assert by_keras == pytest.approx(model.evaluate(data.tf_data(), verbose=0), rel=1e-6)


@pytest.mark.parametrize("iterable", [False, True])
def test_torch(data, iterable, photos):
    torch = pytest.importorskip("torch")
    x, y = photos
    loader = torch.utils.data.DataLoader(data.torch(iterable=iterable), batch_size=None)
    pairs = list(loader)
    assert (torch.cat([a for a, _ in pairs]).numpy() == x).all()
    assert (torch.cat([b for _, b in pairs]).numpy() == y).all()
    batch = data[0]
    assert torch.from_dlpack(batch.exports["x"]).data_ptr() == pointer(batch.x)

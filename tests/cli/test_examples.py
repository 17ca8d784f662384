"""Every job of examples/ run as it stands, and what it wrote fed to a real Keras model."""

import shutil

import numpy as np
import pytest
from PIL import Image

import make
from support import FIXTURES, MODELS, ROOT, batches, equal, manifest, npy_bytes, rows, samples


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A copy of the tree's examples and fixtures: their paths are relative, so the jobs run there."""
    place = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "examples", place / "examples")
    for name in ("photos", "arrays", "tables"):
        shutil.copytree(FIXTURES / name, place / "fixtures" / name)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def stacks(workplace):
    folder = workplace / "build/data/stacks"
    make.make_stacks(folder)
    return folder


@pytest.fixture
def run_example(kprep, workplace):
    def run(name):
        kprep("run", workplace / "examples" / f"{name}.yaml", rc=0)
        out = workplace / "build/out" / name
        kprep("verify", out, rc=0)
        return out

    return run


def fed(keras, model, written, expected):
    """The model takes each batch and says of it what it says of NumPy's own array."""
    first = 0
    for path in written:
        x = np.load(path)
        ours = model.predict(x, verbose=0)
        theirs = model.predict(expected[first:first + len(x)], verbose=0)
        assert np.array_equal(ours, theirs)
        assert np.isfinite(ours).all()
        first += len(x)
    assert first == len(expected)


def load_model(keras, workplace, name):
    return keras.saving.load_model(workplace / "examples/models" / f"{name}.keras")


@pytest.mark.tf
def test_missing_channel(run_example, workplace, keras):
    out = run_example("missing-channel")
    images = np.load(workplace / "fixtures/arrays/images.npy")
    assert images.shape == (100, 32, 32)
    expected = (images.astype(np.float32) * np.float32(1 / 255))[..., np.newaxis]
    equal(rows(out), expected)
    assert [len(np.load(p)) for p in batches(out)] == [32, 32, 32, 4]
    fed(keras, load_model(keras, workplace, "conv-32-32-1"), batches(out), expected)


@pytest.mark.tf
@pytest.mark.big
def test_features_912(run_example, workplace, keras):
    features = workplace / "build/data/features"
    make.make_features(features)
    out = run_example("features-912")

    planes = [np.load(features / f"f{i}.npy", mmap_mode="r") for i in range(912)]
    model = load_model(keras, workplace, "conv-32-32-912")
    first = 0
    for path in batches(out):
        x = np.load(path)
        expected = np.stack([plane[first:first + len(x)] for plane in planes], axis=-1)
        equal(x, expected)
        assert path.read_bytes() == npy_bytes(expected)
        if first == 0:
            fed(keras, model, [path], expected)
        first += len(x)
    assert first == 100
    shutil.rmtree(features)
    shutil.rmtree(out)


@pytest.mark.tf
@pytest.mark.big
def test_hyperspectral(run_example, workplace, keras):
    bands = workplace / "build/data/bands"
    make.make_bands(bands)
    out = run_example("hyperspectral")
    table = np.load(bands / "table.npy")
    planes = np.stack([np.stack([np.asarray(Image.open(bands / f"samples/{i}/band{k}.png"))
                                 for k in range(900)], axis=-1) for i in range(len(table))])
    assert planes.dtype == table.dtype == np.uint16 and planes.shape == (5, 32, 32, 900)
    spread = np.broadcast_to(table[:, np.newaxis, np.newaxis, :], (5, 32, 32, 12))
    expected = np.concatenate([planes, spread], axis=-1).astype(np.float32) * np.float32(1 / 65535)
    equal(rows(out), expected)
    assert [row["source"] for row in samples(out)] == [f"samples/{i}" for i in range(5)]
    fed(keras, load_model(keras, workplace, "conv-32-32-912"), batches(out), expected)
    shutil.rmtree(bands)


@pytest.mark.tf
def test_two_inputs(run_example, workplace, keras, keras_folder):
    out = run_example("two-inputs")
    photos, labels, _ = keras_folder(workplace / "fixtures/photos", (64, 64))
    table = np.load(workplace / "fixtures/tables/photos.npy")
    order = np.random.Generator(np.random.Philox(key=[1, 0])).permutation(len(photos))
    equal(rows(out, "photo"), (photos * np.float32(1 / 255))[order])
    equal(rows(out, "table"), table[order])
    equal(rows(out, "y"), labels[order])
    model = load_model(keras, workplace, "two-inputs")
    batch = {name: np.load(out / f"{name}-00000.npy") for name in ("photo", "table")}
    assert model.predict(batch, verbose=0).shape == (8, 3)


@pytest.mark.tf
@pytest.mark.big
def test_channels_first(run_example, workplace, stacks, keras):
    out = run_example("channels-first")
    expected = np.load(stacks / "channels-first.npy").transpose(0, 2, 3, 1)
    assert expected.shape == (8, 32, 32, 912)
    equal(rows(out), expected)
    fed(keras, load_model(keras, workplace, "conv-32-32-912"), batches(out), expected)


@pytest.mark.tf
@pytest.mark.big
def test_dense(run_example, workplace, stacks, keras):
    out = run_example("dense")
    expected = np.load(stacks / "channels-last.npy").reshape(8, -1)
    assert expected.shape == (8, 933888)
    equal(rows(out), expected)
    model = keras.Sequential([keras.Input((933888,)), keras.layers.Dense(1)])
    fed(keras, model, batches(out), expected)


@pytest.mark.tf
@pytest.mark.big
def test_pooled(run_example, workplace, stacks, keras):
    out = run_example("pooled")
    stacked = np.load(stacks / "channels-last.npy")
    actual = rows(out)
    assert actual.dtype == np.float32 and actual.shape == (8, 912)
    np.testing.assert_allclose(actual, stacked.mean(axis=(1, 2), dtype=np.float64), rtol=1e-6, atol=0)
    pool = keras.layers.GlobalAveragePooling2D()
    np.testing.assert_allclose(actual, pool(stacked).numpy(), rtol=1e-5, atol=0)
    model = load_model(keras, workplace, "dense-912")
    assert model.predict(actual, verbose=0).shape == (8, 1)
    assert [p.name for p in batches(out)] == ["x.npy"]


@pytest.mark.tf
def test_photos(run_example, workplace, keras, keras_folder):
    out = run_example("photos")
    x, y, classes = keras_folder(workplace / "fixtures/photos", (224, 224))
    expected = x * np.float32(1 / 255)
    equal(rows(out), expected)
    equal(rows(out, "y"), y.astype(np.int32))
    assert manifest(out)["classes"] == classes == ["cat", "dog", "owl"]
    assert len(samples(out)) == len(x) == len(make.PHOTOS)
    fed(keras, load_model(keras, workplace, "photos-224"), batches(out), expected)


@pytest.mark.parametrize("name", ["missing-channel", "photos"])
def test_examples_on_committed_data_fit(kprep, workplace, name):
    """The same answers without TensorFlow, so that the sanitizers see them too."""
    path = workplace / "examples" / f"{name}.yaml"
    kprep("check", path, rc=0)
    out = workplace / "plain" / name
    kprep("run", path, "--output", out, rc=0)
    kprep("verify", out, rc=0)
    assert len(rows(out)) == {"missing-channel": 100, "photos": len(make.PHOTOS)}[name]


def test_every_example_is_tested():
    jobs = {path.stem for path in (ROOT / "examples").glob("*.yaml")}
    tested = {name[5:].replace("_", "-") for name in globals() if name.startswith("test_")}
    assert jobs <= tested
    assert all(f"({job}.yaml)" in (ROOT / "examples/README.md").read_text() for job in jobs)


def test_spec_files_agree_with_the_models(kprep):
    """The .yaml beside a .keras says what the model declares."""
    for spec in sorted(MODELS.glob("*.yaml")):
        model = spec.with_suffix(".keras")
        if model.exists():
            shape = spec.read_text().split("shape:")[1].split("\n")[0].strip()
            shown = kprep("spec", model, rc=0).out
            assert shape.strip("[]").replace("null, ", "") in shown, shown

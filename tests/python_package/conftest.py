"""The Python package as pip built it: $KPREP_PYTHON, or build/python."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(os.environ.get("KPREP_PYTHON", ROOT / "build/python")).resolve()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(PACKAGE), str(Path(__file__).parent)]


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The photos of the examples at 64 by 64, written by kprep."""
    import kprep
    from support import PHOTO_JOB

    return kprep.run("examples/photos.yaml", output=str(tmp_path_factory.mktemp("photos") / "out"),
                     **PHOTO_JOB)


@pytest.fixture(scope="session")
def photos():
    """The same samples by Keras: x, y."""
    import keras
    import numpy as np

    data = keras.utils.image_dataset_from_directory(ROOT / "fixtures/photos", image_size=(64, 64),
                                                    shuffle=False, batch_size=8, verbose=False)
    pairs = [(x.numpy() * np.float32(1 / 255), y.numpy()) for x, y in data]
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])

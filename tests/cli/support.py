"""Plain helpers of the end-to-end tests."""

import csv
import io
import json
import sys
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
PHOTOS = FIXTURES / "photos"
IMAGES = FIXTURES / "arrays/images.npy"
MODELS = ROOT / "examples/models"

sys.path.insert(0, str(FIXTURES))


def batches(folder, name="x"):
    """The batch files of an array, in order."""
    return sorted(folder.glob(f"{name}-*.npy")) or sorted(folder.glob(f"{name}.npy"))


def rows(folder, name="x"):
    """All rows of an array that was written in batches."""
    files = batches(folder, name)
    assert files, f"no {name} in {sorted(p.name for p in folder.iterdir())}"
    return np.concatenate([np.load(path) for path in files])


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def samples(folder):
    """samples.csv as a list of dictionaries."""
    with open(folder / "samples.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def npy_bytes(array):
    """The bytes that numpy.save writes."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_file(header, data=b"", version=(1, 0)):
    """An .npy file with any text as its header."""
    text = header.encode("latin-1")
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + bytes(version) + size + text + data


def npy_of_version(array, version):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def tree(folder):
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file()}


def equal(actual, expected):
    """Bit for bit: dtype, shape, bytes."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if actual.tobytes() != np.ascontiguousarray(expected).tobytes():
        different = actual != expected
        where = tuple(int(i) for i in np.argwhere(different)[0]) if different.any() else "sign or NaN"
        raise AssertionError(f"{int(different.sum())} of {actual.size} values differ, first at {where}")

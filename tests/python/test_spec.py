"""Specs of models against Keras: models made here and now by the installed Keras, whose own
`model.inputs` are the expected ones."""

import ctypes
import importlib.util
import json
import re
import subprocess
import sys

import pytest

import kprep_lib

MAKER = kprep_lib.ROOT / "fixtures" / "make_models_keras.py"
COMMITTED = kprep_lib.ROOT / "fixtures" / "models"


def read_spec(lib, path):
    """The inputs as kprep prints them, or None and the problem's ID."""
    spec, error = ctypes.c_void_p(), kprep_lib.Error()
    lib.kprep_spec_format.restype = ctypes.c_size_t
    if lib.kprep_spec_load(str(path).encode(), ctypes.byref(spec), ctypes.byref(error)) != 0:
        return None, lib.kprep_status_id(error.code).decode()
    text = ctypes.create_string_buffer(1 << 16)
    length = lib.kprep_spec_format(spec, text, ctypes.c_size_t(len(text)))
    assert length < len(text)
    lib.kprep_spec_free(ctypes.byref(spec))
    return parse(text.value.decode()), None


def parse(text):
    """Names, shapes and dtypes of what kprep_spec_format writes."""
    assert text.startswith("inputs:\n")
    pattern = r"^  (\S+):\n    shape: (\[.*\])\n(?:    (?:# )?axes: .*\n)?    dtype: (\w+)(?: .*)?\n"
    return [{"name": name, "shape": json.loads(shape), "dtype": dtype}
            for name, shape, dtype in re.findall(pattern, text, re.MULTILINE)]


def check_folder(lib, folder):
    models = json.loads((folder / "EXPECTED.json").read_text())
    assert len(models) >= 33
    for file, model in models.items():
        inputs, problem = read_spec(lib, folder / file)
        if model["inputs"] is None:
            assert problem == ("unsupported-format" if ".weights." in file else "bad-option"), file
            continue
        expected = [{"name": x["name"] or "x", "shape": x["shape"], "dtype": x["dtype"] or "float32"}
                    for x in model["inputs"]]
        assert inputs == expected, file


def test_models_of_the_fixtures(libkprep):
    check_folder(libkprep, COMMITTED)


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="Keras is not installed")
def test_models_of_the_installed_keras(libkprep, tmp_path):
    made = subprocess.run([sys.executable, str(MAKER), str(tmp_path)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    check_folder(libkprep, tmp_path)

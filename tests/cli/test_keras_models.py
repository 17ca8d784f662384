"""Specs and layers of Keras models: what `kprep spec` prints is what Keras itself says of the model."""

import json

import numpy as np
import pytest

from support import FIXTURES

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

"""`kprep spec` of ONNX, SavedModel, TFLite, Hugging Face and timm files: what their own libraries say
(fixtures/make_models_exchange.py), and never more."""

import json
import os
import re
import resource
import subprocess

import numpy as np
import pytest
from PIL import Image

from support import FIXTURES, PHOTOS, rows

EXCHANGE = FIXTURES / "exchange"
EXPECTED = json.loads((EXCHANGE / "EXPECTED.json").read_text())


def of_pixels(normalize, level):
    """What the spec says becomes of a pixel, for each of its numbers."""
    return [(level * normalize["scale"] - m) / s
            for m, s in zip(normalize["mean"], normalize["std"])]


def compare(found, expected):
    assert found["shape"] == expected["shape"]
    assert found["dtype"] == expected["dtype"]
    assert found["name"] == expected["name"]
    if "axes" in expected:
        assert found["axes"] == expected["axes"]
    assert found.get("range") == expected.get("range")
    if "quantization" in expected:
        scale, zero = expected["quantization"]
        assert f"{scale:.9g} * (q - {zero})" in found["note"]
    if "black" in expected:
        for level, values in ((0, expected["black"]), (255, expected["white"])):
            ours = of_pixels(found["normalize"], level)
            ours = ours * len(values) if len(ours) == 1 else ours
            np.testing.assert_allclose(ours, values, rtol=1e-5, atol=1e-5)
        assert found["normalize"].get("method") == expected["method"]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_is_what_its_library_says(kprep, tmp_path, name):
    answer = kprep("spec", EXCHANGE / name, "--json")
    if "problem" in EXPECTED[name]:
        assert answer.rc == 2 and answer.ids == [EXPECTED[name]["problem"]]
        problem = answer.problems[0]
        assert problem["expected"] and problem["found"]
        return
    assert answer.rc == 0, answer
    found = sorted(answer.json["inputs"], key=lambda x: x["name"])
    expected = sorted(EXPECTED[name]["inputs"], key=lambda x: x["name"])
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        compare(one, other)
        if "shortest_edge" in other:
            assert one["normalize"]["shortest_edge"] == other["shortest_edge"]
    # Read back as a spec it is the same, but for what only the model can say.
    (tmp_path / "spec.yaml").write_text(kprep("spec", EXCHANGE / name, rc=0).out)
    again = kprep("spec", tmp_path / "spec.yaml", "--json", rc=0).json["inputs"]
    for one, other in zip(again, answer.json["inputs"]):
        for key in ("name", "shape", "axes", "dtype", "range", "normalize"):
            assert one.get(key) == other.get(key)


# Files made elsewhere, with what the libraries said there: codes of NumPy, symbolic sizes by name.
SAMPLES = json.loads((EXCHANGE / "samples/EXPECTED.json").read_text())


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_of_other_makers(kprep, name):
    answer = kprep("spec", EXCHANGE / "samples" / name, "--json")
    sample = SAMPLES[name]
    if any(not x["shape"] for x in sample["inputs"]):  # of unknown rank, a scalar, no tensor
        assert answer.rc == 2 and answer.ids == ["bad-option"]
        return
    names = {index: key for key, index in sample.get("signature_map", [])}
    assert answer.rc == 0, answer
    for i, (found, x) in enumerate(zip(answer.json["inputs"], sample["inputs"], strict=True)):
        sizes = x.get("shape_signature", x["shape"])
        assert found["name"] == names.get(i, x["name"])
        assert found["dtype"] == np.dtype(x["dtype"]).name
        assert found["shape"] == [d if isinstance(d, int) and d > 0 else None for d in sizes]


def test_a_saved_model_is_its_file_too(kprep):
    folder = EXCHANGE / "savedmodel_two"
    assert kprep("spec", folder, rc=0).out == kprep("spec", folder / "saved_model.pb", rc=0).out


def test_signatures_are_listed(kprep):
    problem = kprep("spec", EXCHANGE / "savedmodel_choice", "--json", rc=2).problems[0]
    assert "rows" in problem["found"] and "any" in problem["found"]


def test_a_folder_without_a_model(kprep, tmp_path):
    answer = kprep("spec", tmp_path, "--json", rc=2)
    assert answer.ids == ["unsupported-format"]


def test_the_config_beside_the_processor_is_told_apart(kprep, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "vit", "image_size": 224}')
    problem = kprep("spec", tmp_path / "config.json", "--json", rc=2).problem("unsupported-format")
    assert "preprocessor_config.json" in problem["help"]


def test_json_that_is_a_spec_stays_one(kprep, tmp_path):
    (tmp_path / "spec.json").write_text('{"inputs": {"a": {"shape": [null, 3]}}}')
    assert kprep("spec", tmp_path / "spec.json", "--json", rc=0).json["inputs"][0]["name"] == "a"


class TestWeights:
    def test_weights_are_never_read(self, binary, tmp_path):
        """2 GB of weights, which are a hole in the file here."""
        def varint(n):
            out = b""
            while n > 127:
                out, n = out + bytes([n & 127 | 128]), n >> 7
            return out + bytes([n])

        small = (EXCHANGE / "onnx_plain.onnx").read_bytes()
        each, count = 100_000_000, 20
        tail = b""  # a model's graph merges with the one behind it only in theory: one graph here
        at = small.index(b"\x3a")  # field 7, the graph
        head, rest = small[:at], small[at + 1:]
        size, used = 0, 0
        while True:
            size |= (rest[used] & 127) << 7 * used
            used += 1
            if rest[used - 1] < 128:
                break
        graph, behind = rest[used:used + size], rest[used + size:]
        raw = b"\x4a" + varint(each)
        tensor = b"\x2a" + varint(len(raw) + each) + raw
        path = tmp_path / "large.onnx"
        with open(path, "wb") as file:
            file.write(head + b"\x3a" + varint(count * (len(tensor) + each) + len(graph)))
            for _ in range(count):
                file.write(tensor)
                file.seek(each, os.SEEK_CUR)
            file.write(graph + behind + tail)
        assert path.stat().st_size > 2_000_000_000
        if (cache := binary.parents[1] / "CMakeCache.txt").exists() and \
                re.search(r"^KPREP_SANITIZE:\w+=.+$", cache.read_text(), re.M):
            few = {}  # a sanitizer's shadow takes terabytes of address space
        else:  # neither read nor mapped: the address space has no room for it
            few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (200 << 20,) * 2)}
        process = subprocess.run([str(binary), "spec", str(path)], capture_output=True, text=True,
                                 check=True, **few)
        assert "shape: [null, 3, 8, 6]" in process.stdout


class TestPixels:
    def test_plan_gives_what_the_processor_makes(self, kprep, tmp_path):
        """Of images that need no resizing the numbers are the processor's own."""
        folder = tmp_path / "images"
        folder.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "a.png")
        for name in ("hf_vit", "hf_dinov2", "timm_resnet50"):
            job = tmp_path / "job.yaml"
            job.write_text(kprep("plan", folder, "--spec", EXCHANGE / name, rc=0).out)
            kprep("run", job, "--set", f"output.path={tmp_path / name}", rc=0)
            cfg = json.loads(next((EXCHANGE / name).glob("*.json")).read_text())
            cfg = cfg.get("pretrained_cfg", cfg)
            mean = np.array(cfg.get("image_mean", cfg.get("mean")))
            std = np.array(cfg.get("image_std", cfg.get("std")))
            expected = ((pixels / 255 - mean) / std).transpose(2, 0, 1)
            np.testing.assert_allclose(rows(tmp_path / name)[0], expected, atol=1e-6)

    @pytest.mark.parametrize("name", ["onnx_plain", "onnx_channels_last", "onnx_scaled"])
    def test_onnx_runtime_takes_what_was_planned(self, kprep, tmp_path, name):
        onnxruntime = pytest.importorskip("onnxruntime")
        job, path = tmp_path / "job.yaml", EXCHANGE / f"{name}.onnx"
        job.write_text(kprep("plan", PHOTOS, "--spec", path, "--pipeline", "rgb | resize 8 6 nearest",
                             rc=0).out)
        kprep("run", job, "--set", f"output.path={tmp_path / 'out'}", rc=0)
        batch = rows(tmp_path / "out")
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        assert len(session.run(None, {"x": batch})[0]) == len(batch)

    def test_the_stages_are_those_of_the_file(self, kprep):
        out = kprep("plan", PHOTOS, "--like", "pillow", "--spec", EXCHANGE / "hf_dinov2", rc=0).out
        stages = [line.strip("- \"") for line in out.split("pipeline:\n")[1].splitlines()
                  if line.startswith("  - ")]
        assert stages == ["rgb", "resize 256 256 method=bicubic crop_to_aspect_ratio=true",
                          "center_crop 224 224", "rescale 1/255",
                          "normalize 0.485,0.456,0.406 0.229,0.224,0.225", "moveaxis c 0"]

    def test_pixels_as_they_are_do_not_fit(self, kprep):
        answer = kprep("check", PHOTOS, "--spec", EXCHANGE / "hf_vit", "--pipeline",
                       "rgb | resize 224 224 | transpose 2,0,1", "--json", rc=1)
        assert answer.ids == ["value-range"]
        assert "rescale 1/255 | normalize 0.5,0.5,0.5 0.5,0.5,0.5" in answer.problems[0]["help"]

    def test_rescaled_only_does_not_fit(self, kprep):
        answer = kprep("check", PHOTOS, "--spec", EXCHANGE / "hf_vit", "--pipeline",
                       "rgb | resize 224 224 | rescale 1/255 | transpose 2,0,1", "--json", rc=1)
        assert answer.ids == ["value-range"]
        assert "`normalize " in answer.problems[0]["help"]

    def test_in_a_spec_file(self, kprep, tmp_path):
        text = "shape: [null, 8, 8, 3]\nnormalize: {scale: 1/255, mean: 0.5, std: [1, 2, 4]}\n"
        (tmp_path / "spec.yaml").write_text(text)
        found = kprep("spec", tmp_path / "spec.yaml", "--json", rc=0).json["inputs"][0]["normalize"]
        assert found["mean"] == [0.5, 0.5, 0.5] and found["std"] == [1, 2, 4]

    @pytest.mark.parametrize("value, words", [
        ("{scal: 1}", "scale"), ("{scale: 0}", "above 0"), ("{std: [1, 0]}", "above 0"),
        ("{mean: [1, 2], std: [1, 2, 3]}", "as many"), ("{method: bilinera}", "bilinear"),
        ("[1]", "map"), ("{mean: x}", "finite"), ("{shortest_edge: 0}", "integer")])
    def test_mistakes_are_named(self, kprep, tmp_path, value, words):
        (tmp_path / "s.yaml").write_text(f"shape: [null, 3]\nnormalize: {value}\n")
        problem = kprep("spec", tmp_path / "s.yaml", "--json", rc=2).problems[0]
        assert problem["id"] in ("bad-option", "unknown-key")
        assert problem["line"] == 2
        assert words in problem.get("help", "") + problem["expected"]

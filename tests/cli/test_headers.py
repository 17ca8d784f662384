"""Headers of many files: read by several threads, told in the order of the files."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def mixed(tmp_path):
    """1500 images of many sizes, some of them damaged, and arrays among them."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for i in range(1500):
        path = folder / f"i{i}.png"
        if i % 301 == 300:
            path.write_bytes(b"" if i % 2 else b"\x89PNG\r\n\x1a\nbroken")
        elif i % 97 == 96:
            np.save(folder / f"i{i}.npy", np.zeros((4, 4, 3), np.uint8))
        else:
            Image.new("RGB", (3 + i % 5, 4 + i % 3)).save(path)
    return folder


def test_the_answer_is_the_same_at_any_number_of_threads(kprep, mixed):
    spec = mixed.parent / "spec.yaml"
    spec.write_text("shape: [null, 4, 4, 3]\n")
    arguments = ("check", mixed, "--spec", spec, "--samples", "file", "--json")
    one = kprep(*arguments, "--threads", 1)
    for threads in (2, 3, 16):
        assert kprep(*arguments, "--threads", threads).out == one.out
    bad = [i for i in range(1500) if i % 301 == 300]
    assert one.json["summary"]["unreadable"] == len(bad)
    assert one.json["summary"]["files"] == 1500
    first = [p for p in one.problems if p["id"] in ("truncated", "corrupt")][0]
    assert first["file"].endswith(f"i{bad[0]}.png")


def test_progress_counts_files(kprep, mixed):
    spec = mixed.parent / "spec.yaml"
    spec.write_text("shape: [null, 4, 4, 3]\n")
    answer = kprep("check", mixed, "--spec", spec, "--progress", "json")
    lines = [json.loads(line) for line in answer.err.splitlines()]
    assert lines and all(set(line) == {"phase", "unit", "done", "total", "seconds", "rate", "eta_s"} for line in lines)
    assert [line["done"] for line in lines] == sorted({line["done"] for line in lines})
    assert lines[-1]["done"] == lines[-1]["total"] == 1500 and lines[-1]["eta_s"] == 0
    assert "headers" in kprep("check", mixed, "--spec", spec, "--progress", "always").err
    assert kprep("check", mixed, "--spec", spec).err == ""

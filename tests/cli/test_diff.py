"""kprep diff of two written data sets, against NumPy."""

import csv
import json
import os
import shutil

import numpy as np
import pytest

from support import manifest

SPEC = "shape: [null, 6, 5, 3]\ndtype: float32\n"


@pytest.fixture
def data(tmp_path):
    """data(name, arrays) writes arrays as files of a folder."""

    def write(name, arrays):
        for file, array in arrays.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, array)
        return tmp_path / name

    return write


@pytest.fixture
def made(kprep, tmp_path):
    """made(folder, output, *options) runs a job."""

    def run(folder, output, *options, spec=SPEC):
        (tmp_path / f"{output}.yaml").write_text(spec)
        kprep("run", folder, "--spec", tmp_path / f"{output}.yaml", "--output", tmp_path / output,
              "--batch", 4, *options, rc=0)
        return tmp_path / output

    return run


def images(count, seed=0, dtype=np.float32):
    values = np.random.default_rng(seed).random((count, 6, 5, 3))
    return {f"{i:02}.npy": values[i].astype(dtype) for i in range(count)}


def diff(kprep, a, b, rc):
    return kprep("diff", a, b, "--json", rc=rc).json


def test_equal(kprep, data, made):
    a, b = made(data("d", images(10)), "a"), made(data("d", images(10)), "b", "--threads", 1)
    answer = diff(kprep, a, b, 0)
    assert answer["equal"] is True and answer["keys"] == []
    assert answer["counts"] == {"same": 10, "added": 0, "removed": 0, "changed": 0, "moved": 0}
    assert kprep("diff", a, b, rc=0).out == "equal: 10 samples\n"
    assert kprep("diff", a, b, "--quiet", rc=0).text == ""


def test_another_folder_is_no_difference(kprep, data, made):
    answer = diff(kprep, made(data("d", images(3)), "a"), made(data("e", images(3)), "b"), 0)
    assert [(k["key"], k["matters"]) for k in answer["keys"]] == [("job.input.path.0", False)]


def test_added_removed_changed(kprep, data, made):
    before, after = images(11), images(11)
    del after["03.npy"], after["10.npy"]
    after["99.npy"] = images(1, 5)["00.npy"]
    after["05.npy"][1, 2] += np.float32([0.25, -3, 1e-6])
    after["00.npy"][0, 0, 0] += 7
    answer = diff(kprep, made(data("d", before), "a"), made(data("e", after), "b"), 1)
    assert answer["equal"] is False
    assert [s["source"] for s in answer["added"]] == ["99.npy"]
    assert [s["source"] for s in answer["removed"]] == ["03.npy", "10.npy"]
    assert [s["source"] for s in answer["changed"]] == ["00.npy", "05.npy"]
    for sample in answer["changed"]:
        x, y = before[sample["source"]].astype(float), after[sample["source"]].astype(float)
        assert sample["values"] == (x != y).sum() and sample["max_abs"] == np.abs(x - y).max()
        assert sample["array"] == "x"
    total = sum((before[n] != after[n]).sum() for n in before.keys() & after.keys())
    assert answer["arrays"]["x"]["values"] == total
    assert answer["arrays"]["x"]["changed"] == 2
    assert answer["arrays"]["x"]["max_abs"] == max(s["max_abs"] for s in answer["changed"])
    assert [s["source"] for s in answer["moved"]] == [f"{i:02}.npy" for i in range(4, 10)]
    assert answer["moved"][0] == {"source": "04.npy", "a": "batch 1 row 0", "b": "batch 0 row 3"}
    assert "plan" in [k["key"] for k in answer["keys"]]


def test_order_alone(kprep, data, made):
    """By the names in samples.csv, not by place: a permutation moves and changes nothing."""
    folder = data("d", images(30))
    answer = diff(kprep, made(folder, "a"), made(folder, "b", "--shuffle", 3), 1)
    order = np.random.Generator(np.random.Philox(key=[3, 0])).permutation(30)
    stay = int((order == np.arange(30)).sum())
    assert answer["counts"] == {"same": stay, "added": 0, "removed": 0, "changed": 0, "moved": 30 - stay}
    assert {k["key"]: (k.get("a"), k["b"]) for k in answer["keys"] if k["key"] != "plan"} == \
        {"job.output.shuffle": (None, '{"seed": 3}')}


def test_splits(kprep, data, made):
    folder = data("d", images(10))
    answer = diff(kprep, made(folder, "a", "--split", "train=0.8,validation=0.2"),
                  made(folder, "b", "--split", "train=0.7,validation=0.3"), 1)
    assert [s["source"] for s in answer["moved"]] == ["07.npy", "08.npy", "09.npy"]
    assert answer["moved"][0] == {"source": "07.npy", "a": "train/ batch 1 row 3", "b": "validation/ batch 0 row 0"}
    keys = {k["key"]: (k["a"], k["b"]) for k in answer["keys"]}
    assert float(keys["job.output.split.train"][0]) == 0.8 and float(keys["job.output.split.train"][1]) == 0.7


def test_rows_of_one_file(kprep, data, made):
    x = np.random.default_rng(1).random((20, 6, 5, 3)).astype(np.float32)
    y = x.copy()
    y[[3, 17], 0, 0, 0] = [np.nan, -1]
    answer = diff(kprep, made(data("d", {"x.npy": x}), "a"), made(data("e", {"x.npy": y}), "b",
                  spec=SPEC + "finite: false\n"), 1)
    assert [(s["source"], s["index"]) for s in answer["changed"]] == [("x.npy", 3), ("x.npy", 17)]
    assert answer["arrays"]["x"]["nan"] == 1 and answer["arrays"]["x"]["values"] == 2
    assert answer["arrays"]["x"]["max_abs"] == float(x[17, 0, 0, 0]) + 1


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float64"])
def test_values_of_all_kinds(kprep, data, made, dtype):
    spec = SPEC.replace("float32", dtype)
    rng = np.random.default_rng(2)
    before = {f"{i}.npy": (rng.random((6, 5, 3)) * 200).astype(dtype) for i in range(4)}
    after = {n: (a + (rng.random(a.shape) < 0.1) * 5).astype(dtype) for n, a in before.items()}
    answer = diff(kprep, made(data("d", before), "a", spec=spec), made(data("e", after), "b", spec=spec), 1)
    x, y = (np.stack([d[f"{i}.npy"] for i in range(4)]).astype(np.float64) for d in (before, after))
    assert answer["arrays"]["x"]["values"] == (x != y).sum()
    assert answer["arrays"]["x"]["max_abs"] == np.abs(x - y).max()


def test_large_integers_that_are_one_double(kprep, data, made):
    spec = SPEC.replace("float32", "int64")
    a = np.full((6, 5, 3), 2**60, np.int64)
    b = a.copy()
    b[0, 0, 0] += 1
    answer = diff(kprep, made(data("d", {"x.npy": a}), "a", spec=spec),
                  made(data("e", {"x.npy": b}), "b", spec=spec), 1)
    assert answer["arrays"]["x"]["values"] == 1


def test_another_dtype_is_compared_by_value(kprep, data, made):
    folder = data("d", images(5))
    answer = diff(kprep, made(folder, "a"), made(folder, "b", spec=SPEC.replace("32", "64")), 1)
    assert answer["counts"]["same"] == 5
    assert answer["arrays"]["x"]["a"] == "(6, 5, 3) float32" and answer["arrays"]["x"]["b"] == "(6, 5, 3) float64"
    assert ("spec.dtype", '"float32"', '"float64"') in [(k["key"], k.get("a"), k["b"]) for k in answer["keys"]]


def test_another_shape_is_not_compared(kprep, data, made):
    folder = data("d", images(5))
    answer = diff(kprep, made(folder, "a"), made(folder, "b", "--pipeline", "crop 0 0 5 5",
                  spec=SPEC.replace("6", "5")), 1)
    assert answer["arrays"]["x"]["compared"] is False and answer["counts"]["changed"] == 0
    assert "job.pipeline" in [k["key"] for k in answer["keys"]]


def test_classes_and_labels(kprep, data, made):
    before = {f"cat/{n}": a for n, a in images(3).items()} | {f"dog/{n}": a for n, a in images(3, 1).items()}
    after = before | {f"bee/{n}": a for n, a in images(1, 2).items()}
    answer = diff(kprep, made(data("d", before), "a", "--labels", "folder"),
                  made(data("e", after), "b", "--labels", "folder"), 1)
    assert ("classes", '["cat", "dog"]', '["bee", "cat", "dog"]') in \
        [(k["key"], k["a"], k["b"]) for k in answer["keys"]]
    assert answer["arrays"]["y"]["changed"] == 6 and answer["arrays"]["y"]["max_abs"] == 1
    assert answer["arrays"]["x"]["changed"] == 0


def test_files_of_one_hash_are_not_read(kprep, data, made):
    """The manifest says so; kprep verify is what reads them."""
    a = made(data("d", images(8)), "a")
    b = made(data("d", images(8)), "b")
    (b / "x-00000.npy").write_bytes(b"")
    assert diff(kprep, a, b, 0)["counts"]["same"] == 8


def test_version_and_plan(kprep, data, made):
    a, b = made(data("d", images(3)), "a"), made(data("d", images(3)), "b")
    changed = manifest(b) | {"kprep": "0.0.9", "plan": "0" * 32}
    (b / "manifest.json").write_text(json.dumps(changed))
    answer = diff(kprep, a, b, 1)
    assert {k["key"] for k in answer["keys"]} == {"kprep", "plan"} and answer["counts"]["same"] == 3
    assert "kprep: " in kprep("diff", a, b, rc=1).out


@pytest.mark.parametrize("damage", ["manifest", "json", "table", "batch", "folder", "outside"])
def test_what_is_no_data_set(kprep, data, made, tmp_path, damage):
    a, b = made(data("d", images(9)), "a"), made(data("e", images(9, 1)), "b")
    if damage == "manifest":
        (b / "manifest.json").unlink()
    elif damage == "json":
        (b / "manifest.json").write_text('{"files": 3}')
    elif damage == "table":
        (b / "samples.csv").write_text("batch,row,source,index,label\n0,x,00.npy,,\n")
    elif damage == "batch":
        (b / "x-00001.npy").write_bytes((b / "x-00001.npy").read_bytes()[:200])
    elif damage == "folder":
        shutil.rmtree(b)
    else:
        text = (b / "manifest.json").read_text().replace('"x-00001.npy"', '"../a/x-00001.npy"')
        (b / "manifest.json").write_text(text)
    answer = kprep("diff", a, b, "--json", rc=3)
    assert len(answer.problems) == 1 and answer.json["ok"] is False


def test_hostile_tables(kprep, data, made):
    a, b = made(data("d", images(3)), "a"), made(data("d", images(3)), "b")
    with open(b / "samples.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["batch", "row", "source", "index", "label"])
        table.writerow([0, 2**62, "00.npy", "", ""])
        table.writerow([2**62, 0, "01.npy", "", ""])
    kprep("diff", a, b, rc=3)
    (b / "samples.csv").write_text("batch,row,source,index,label\n0,0,\"" + "x" * 2_000_000)
    kprep("diff", a, b, rc=3)


def test_control_characters_of_a_manifest_are_not_printed(kprep, data, made):
    a, b = made(data("d", images(3)), "a"), made(data("d", images(3)), "b")
    text = json.loads((b / "manifest.json").read_text())
    text["arrays"]["x"]["dtype"] = "\x1b]0;x\x07"
    (b / "manifest.json").write_text(json.dumps(text))
    answer = kprep("diff", a, b, rc=1)
    assert "?]0;x?" in answer.out and "\x1b" not in answer.out + answer.err


def test_a_table_that_is_no_file_is_not_waited_for(kprep, data, made):
    a, b = made(data("d", images(3)), "a"), made(data("d", images(3)), "b")
    (b / "samples.csv").unlink()
    os.mkfifo(b / "samples.csv")
    assert kprep("diff", a, b, "--json", rc=3, timeout=20).ids == ["unreadable"]


def test_usage(kprep, tmp_path):
    kprep("diff", tmp_path, rc=2)
    kprep("diff", tmp_path, tmp_path, tmp_path, rc=2)


def edit_manifest(folder, change):
    path = folder / "manifest.json"
    root = json.loads(path.read_text())
    change(root)
    path.write_text(json.dumps(root))


def test_damage_is_told_of_the_right_side(kprep, data, made):
    a, b = made(data("d", images(10)), "a"), made(data("d", images(10)), "b")
    edit_manifest(b, lambda root: root["files"].pop())
    for pair in ((a, b), (b, a)):
        error = kprep("diff", *pair, "--json", rc=3).json["problems"][0]
        assert error["id"] == "corrupt" and error["file"] == str(b)
    c = made(data("d", images(10)), "c")
    np.save(c / "x-00001.npy", np.zeros((4, 5, 6, 3), "f4"))
    edit_manifest(c, lambda root: root["files"][1].update(xxh128="0" * 32))
    error = kprep("diff", a, c, "--json", rc=3).json["problems"][0]
    assert error["id"] == "corrupt" and "shape" in error["message"] and "x-00001.npy" in error["found"]


@pytest.mark.parametrize("given", [0, 1, 3])
def test_two_folders_are_wanted(kprep, given):
    said = kprep("diff", *["out"] * given, "--json", rc=2).json["problems"][0]
    assert (said["id"], said["found"]) == ("bad-option", "1 argument" if given == 1 else f"{given} arguments")

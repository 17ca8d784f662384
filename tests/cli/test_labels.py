"""Labels from folders, arrays and tables; splits that keep class shares. Judges: NumPy and Python."""

import csv

import numpy as np
import pytest

from support import manifest, rows, samples

PIXELS = {"shape": [None, 2, 2]}


@pytest.fixture
def tree(tmp_path):
    """12 arrays of one sample in three class folders, of 6, 4 and 2 files."""
    names = []
    for name, count in (("ant", 6), ("bee", 4), ("cow", 2)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(count):
            np.save(tmp_path / "set" / name / f"{i}.npy", np.full((2, 2), len(names), np.float32))
            names.append(f"{name}/{i}.npy")
    return names


def run(kprep, job, rc=0, output=None, **keys):
    return kprep("run", job(input={"path": "set", "samples": "file"}, spec=PIXELS,
                            output={"path": "out", "batch": 5, **(output or {})}, **keys),
                 "--json", rc=rc)


def table(path, records, header=("file", "label")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(records)


def by_folder(names):
    return [sorted({n.split("/")[0] for n in names}).index(n.split("/")[0]) for n in names]


def test_one_hot_of_folders(kprep, job, tree, tmp_path):
    run(kprep, job, labels={"path": "folder", "encode": "one_hot"})
    y = rows(tmp_path / "out", "y")
    assert y.dtype == np.float32
    assert np.array_equal(y, np.eye(3, dtype=np.float32)[by_folder(tree)])
    assert manifest(tmp_path / "out")["classes"] == ["ant", "bee", "cow"]


def test_binary_needs_two_classes(kprep, job, tree, tmp_path):
    answer = run(kprep, job, labels={"path": "folder", "encode": "binary"}, rc=2)
    assert answer.problem("bad-option")["found"] == "3" and "one_hot" in answer.problem("bad-option")["help"]
    for path in (tmp_path / "set/cow").iterdir():
        path.unlink()
    (tmp_path / "set/cow").rmdir()
    run(kprep, job, labels={"path": "folder", "encode": "binary"})
    y = rows(tmp_path / "out", "y")
    assert y.dtype == np.float32 and np.array_equal(y, np.array([[0]] * 6 + [[1]] * 4))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", "bool"])
def test_whole_numbers_of_an_array_become_int32(kprep, job, tree, tmp_path, dtype):
    labels = (np.arange(12) % 2).astype(dtype)
    np.save(tmp_path / "y.npy", labels)
    run(kprep, job, labels={"path": "y.npy"})
    y = rows(tmp_path / "out", "y")
    assert y.dtype == np.int32 and np.array_equal(y, labels.astype(np.int32))
    assert [int(s["label"]) for s in samples(tmp_path / "out")] == labels.astype(int).tolist()


def test_array_of_targets_stays_as_it_is(kprep, job, tree, tmp_path):
    targets = np.random.default_rng(3).normal(size=(12, 4))
    np.save(tmp_path / "y.npy", targets)
    run(kprep, job, labels={"path": "y.npy"}, output={"shuffle": {"seed": 5}})
    order = np.random.Generator(np.random.Philox(key=[5, 0])).permutation(12)
    y = rows(tmp_path / "out", "y")
    assert y.dtype == np.float64 and np.array_equal(y, targets[order])


def test_array_of_another_length(kprep, job, tree, tmp_path):
    np.save(tmp_path / "y.npy", np.zeros(11, np.int32))
    problem = run(kprep, job, labels={"path": "y.npy"}, rc=1).problem("axis-size")
    assert "12" in problem["expected"] and "11" in problem["found"]


def test_array_too_large_for_int32(kprep, job, tree, tmp_path):
    np.save(tmp_path / "y.npy", np.full(12, 2**40))
    assert run(kprep, job, labels={"path": "y.npy"}, rc=1).ids == ["value-range"]


def test_table_of_names(kprep, job, tree, tmp_path):
    """Keys match names, then last parts, then stems; fields are quoted as csv.writer does."""
    table(tmp_path / "l.csv", [(n, f'the "{n[0]}", so') for n in reversed(tree)])
    run(kprep, job, labels={"csv": "l.csv"})
    assert rows(tmp_path / "out", "y").tolist() == by_folder(tree)
    assert manifest(tmp_path / "out")["classes"] == ['the "a", so', 'the "b", so', 'the "c", so']


def test_table_of_numbers_by_option(kprep, job, tree, tmp_path):
    table(tmp_path / "l.csv", [(i, n, 7 * i - 3) for i, n in enumerate(tree)], ("id", "name", "y"))
    kprep("run", "set", "--samples", "file", "--spec", job("s.json", **PIXELS), "--output", "out",
          "--labels", "l.csv:name:y", rc=0)
    assert rows(tmp_path / "out", "y").tolist() == [7 * i - 3 for i in range(12)]
    assert manifest(tmp_path / "out")["classes"] is None


def test_table_that_lacks_files(kprep, job, tree, tmp_path):
    table(tmp_path / "l.csv", [(n, 1) for n in tree[2:]])
    problem = run(kprep, job, labels={"csv": "l.csv"}, rc=3).problem("not-found")
    assert problem["count"] == 2 and "ant/0.npy" in problem["message"]


def test_table_that_lacks_the_column(kprep, job, tree, tmp_path):
    table(tmp_path / "l.csv", [(n, 1) for n in tree], ("file", "lable"))
    problem = run(kprep, job, labels={"csv": "l.csv"}, rc=2).problem("bad-option")
    assert problem["expected"] == "label" and "lable" in problem["found"]


def test_table_with_two_labels_for_a_file(kprep, job, tree, tmp_path):
    table(tmp_path / "l.csv", [(n, 1) for n in tree] + [(tree[0], 2)])
    assert tree[0] in run(kprep, job, labels={"csv": "l.csv"}, rc=2).problems[0]["message"]


@pytest.mark.parametrize("text", ['file,label\n"a,1\n', "", "file\n", "file,label\na\n"])
def test_broken_tables(kprep, job, tree, tmp_path, text):
    (tmp_path / "l.csv").write_text(text)
    assert run(kprep, job, labels={"csv": "l.csv"}, rc=3 if not text else 2).problems


def test_other_labels_are_another_plan(kprep, job, tree, tmp_path):
    table(tmp_path / "l.csv", [(n, n[0]) for n in tree])
    run(kprep, job, labels={"csv": "l.csv"})
    table(tmp_path / "l.csv", [(n, {"a": "z"}.get(n[0], n[0])) for n in tree])
    assert run(kprep, job, labels={"csv": "l.csv"}, rc=2).ids == ["plan-changed"]


@pytest.mark.parametrize("shuffle", [None, {"seed": 1}])
def test_stratified_splits_keep_class_shares(kprep, job, tree, tmp_path, shuffle):
    output = {"split": {"train": 0.5, "validation": 0.5}, "stratify": True}
    if shuffle:
        output["shuffle"] = shuffle
    run(kprep, job, labels="folder", output=output)
    seen = []
    for part in ("train", "validation"):
        y = rows(tmp_path / "out" / part, "y")
        assert np.bincount(y).tolist() == [3, 2, 1]
        seen += rows(tmp_path / "out" / part)[:, 0, 0].astype(int).tolist()
    assert sorted(seen) == list(range(12))
    order = (np.random.Generator(np.random.Philox(key=[1, 0])).permutation(12) if shuffle
             else np.arange(12)).tolist()
    for part in (seen[:6], seen[6:]):  # the order within a split is the order there was
        assert [order.index(s) for s in part] == sorted(order.index(s) for s in part)


def test_stratify_needs_classes(kprep, job, tree):
    assert run(kprep, job, output={"split": {"a": 0.5, "b": 0.5}, "stratify": True}, rc=2).problems

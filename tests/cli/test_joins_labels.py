"""Labels of samples that are put together from several files. Judges: NumPy and Python."""

import csv
import shutil

import numpy as np
import pytest

from support import equal, manifest, rows, samples, tree
from test_joins_bad import save

SPEC = {"shape": [None, 6, 5, 2], "dtype": "uint8"}
CLASSES = ["ant", "bee", "cow"]
FOLDERS = {"path": "set", "join": "channels", "by": "folder"}


def plane(i, k):
    return np.full((6, 5), 10 * i + k, np.uint8)


def table(path, records, header=("file", "label")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *records])


@pytest.fixture
def nested(tmp_path):
    """Samples s0 to s10 as folders, in a folder for each class; cow/s9 before cow/s10."""
    kinds = [CLASSES[min(i // 4, 2)] for i in range(11)]
    for i, kind in enumerate(kinds):
        for k in range(2):
            save(tmp_path / f"set/{kind}/s{i}/{k}.png", plane(i, k))
    (tmp_path / "set/dodo").mkdir()  # a class without samples
    return kinds


@pytest.fixture
def flat(tmp_path):
    for i in range(11):
        for k in range(2):
            save(tmp_path / f"set/s{i}/{k}.png", plane(i, k))


@pytest.fixture
def pairs(tmp_path):
    """Two sources in the same order; only the first has the classes, the second has folders of its own."""
    kinds = [CLASSES[min(i // 4, 2)] for i in range(11)]
    for i, kind in enumerate(kinds):
        save(tmp_path / f"one/{kind}/f{i}.png", plane(i, 0))
        save(tmp_path / f"two/{'yz'[i // 6]}/f{i}.png", plane(i, 1))
    return kinds


def run(kprep, job, source, labels, rc=0, output=None, **keys):
    return kprep("run", job(input=source, spec=SPEC, labels=labels,
                            output={"path": "out", "batch": 4, **(output or {})}, **keys), "--json", rc=rc)


def expect(out, numbers, classes):
    assert rows(out, "y").tolist() == numbers and rows(out, "y").dtype == np.int32
    equal(rows(out), np.stack([np.dstack([plane(i, 0), plane(i, 1)]) for i in range(11)]))
    assert manifest(out)["classes"] == classes
    assert [int(r["label"]) for r in samples(out)] == numbers


class TestFolders:
    def test_the_first_folder_is_the_class(self, kprep, job, nested, tmp_path):
        run(kprep, job, FOLDERS, "folder")
        names = ["ant", "bee", "cow", "dodo"]
        expect(tmp_path / "out", [names.index(k) for k in nested], names)
        assert [r["source"] for r in samples(tmp_path / "out")] == [f"{k}/s{i}" for i, k in enumerate(nested)]

    def test_each_may_be_its_own_class(self, kprep, job, flat, tmp_path):
        run(kprep, job, FOLDERS, "folder")
        names = sorted(f"s{i}" for i in range(11))  # by code point: s10 before s2
        expect(tmp_path / "out", [names.index(f"s{i}") for i in range(11)], names)

    @pytest.mark.parametrize("key", ["{k}/s{i}", "s{i}"])
    def test_a_table_by_path_or_name(self, kprep, job, nested, tmp_path, key):
        table(tmp_path / "l.csv", [(key.format(i=i, k=k), 7 - i) for i, k in enumerate(nested)][::-1])
        run(kprep, job, FOLDERS, {"csv": "l.csv"})
        expect(tmp_path / "out", [7 - i for i in range(11)], None)

    def test_a_table_of_names(self, kprep, job, flat, tmp_path):
        table(tmp_path / "l.csv", [(i, f"s{i}", "odd" if i % 2 else "even") for i in range(11)], ("n", "id", "what"))
        run(kprep, job, FOLDERS, "l.csv:id:what")
        expect(tmp_path / "out", [i % 2 for i in range(11)], ["even", "odd"])

    def test_a_name_is_taken_whole(self, kprep, job, flat, tmp_path):
        """A folder's name has no ending: s3.5 is not s3."""
        shutil.move(tmp_path / "set/s4", tmp_path / "set/s3.5")
        table(tmp_path / "l.csv", [(f"s{i}", 1) for i in range(11)])
        problem = run(kprep, job, FOLDERS, {"csv": "l.csv"}, rc=3).problem("not-found")
        assert "1 of 11 folders" in problem["message"] and "s3.5" in problem["message"]

    def test_one_hot_and_stratified_splits(self, kprep, job, nested, tmp_path):
        run(kprep, job, FOLDERS, {"path": "folder", "encode": "one_hot"},
            output={"split": {"train": 0.5, "rest": 0.5}, "stratify": True, "shuffle": {"seed": 2}})
        counts = {part: rows(tmp_path / "out" / part, "y").sum(axis=0).tolist() for part in ("train", "rest")}
        assert counts["train"] == [2, 2, 2, 0] and counts["rest"] == [2, 2, 1, 0]
        for part in counts:
            first = rows(tmp_path / "out" / part)[:, 0, 0, 0] // 10
            assert [nested[i] for i in first] == [CLASSES[k] for k in rows(tmp_path / "out" / part, "y").argmax(1)]

    def test_folders_in_an_archive(self, kprep, job, nested, tmp_path):
        shutil.rmtree(tmp_path / "set/dodo")
        shutil.make_archive(tmp_path / "packed", "zip", tmp_path / "set")
        run(kprep, job, {**FOLDERS, "path": "packed.zip"}, "folder")
        expect(tmp_path / "out", [CLASSES.index(k) for k in nested], CLASSES)

    @pytest.mark.parametrize("labels", ["folder", {"csv": "l.csv"}])
    def test_rejected_ones_and_retry(self, kprep, job, nested, tmp_path, labels):
        table(tmp_path / "l.csv", [(f"s{i}", i * i) for i in range(11)])
        shutil.copytree(tmp_path / "set", tmp_path / "kept")
        run(kprep, job, FOLDERS, labels, output={"path": "good"})
        (tmp_path / "set/ant/s1/0.png").unlink()
        (tmp_path / "set/cow/s8/1.png").write_bytes(b"")
        run(kprep, job, FOLDERS, labels, on_error="skip")
        wanted = rows(tmp_path / "good", "y")[[0, 2, 3, 4, 5, 6, 7, 9, 10]]
        equal(rows(tmp_path / "out", "y"), wanted)
        shutil.rmtree(tmp_path / "set")
        shutil.move(tmp_path / "kept", tmp_path / "set")
        kprep("run", job(input=FOLDERS, spec=SPEC, labels=labels, on_error="skip",
                         output={"path": "out", "batch": 4}), "--retry", rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "good")


class TestSources:
    def test_the_first_says_the_class(self, kprep, job, pairs, tmp_path):
        run(kprep, job, ["one", "two"], "folder")
        expect(tmp_path / "out", [CLASSES.index(k) for k in pairs], CLASSES)

    def test_so_it_does_by_stem(self, kprep, job, pairs, tmp_path):
        run(kprep, job, ["one", {"path": "two", "match": "stem", "order": "bytes"}], "folder")
        expect(tmp_path / "out", [CLASSES.index(k) for k in pairs], CLASSES)

    @pytest.mark.parametrize("key", ["one/{k}/f{i}.png", "f{i}.png", "f{i}"])
    def test_tables(self, kprep, job, pairs, tmp_path, key):
        table(tmp_path / "l.csv", [(key.format(i=i, k=k), i % 3) for i, k in enumerate(pairs)])
        run(kprep, job, ["one", {"path": "two", "match": "stem"}], {"csv": "l.csv", "encode": "one_hot"})
        equal(rows(tmp_path / "out", "y"), np.eye(3, dtype=np.float32)[[i % 3 for i in range(11)]])

    def test_rows_have_their_file_s_label(self, kprep, job, tmp_path):
        a = np.arange(5 * 30, dtype=np.uint8).reshape(5, 6, 5)
        save(tmp_path / "a/x/0.npy", a[:3])
        save(tmp_path / "a/y/1.npy", a[3:])
        save(tmp_path / "b.npy", a + 1)
        run(kprep, job, [{"path": "a", "samples": "row"}, {"path": "b.npy", "samples": "row"}], "folder")
        assert rows(tmp_path / "out", "y").tolist() == [0, 0, 0, 1, 1]
        equal(rows(tmp_path / "out"), np.stack([a, a + 1], axis=-1))

    def test_folders_first(self, kprep, job, nested, tmp_path):
        for i in range(11):
            save(tmp_path / f"more/f{i}.npy", plane(i, 7))
        kprep("run", job(input=[FOLDERS, {"path": "more", "samples": "file"}], labels="folder", output="out",
                         spec={"shape": [None, 6, 5, 3], "dtype": "uint8"}), rc=0)
        names = ["ant", "bee", "cow", "dodo"]
        assert rows(tmp_path / "out", "y").tolist() == [names.index(k) for k in nested]

    def test_a_part_of_all_says_none(self, kprep, job, pairs, tmp_path):
        save(tmp_path / "all/a.npy", np.zeros((11, 6, 5), np.uint8))
        source = {"path": "all", "join": "channels", "samples": "row"}
        assert "as an array" in run(kprep, job, [source, "one"], "folder", rc=2).problems[0]["help"]
        run(kprep, job, ["one", source], "folder")
        assert rows(tmp_path / "out", "y").tolist() == [CLASSES.index(k) for k in pairs]
        np.save(tmp_path / "y.npy", np.arange(11))
        run(kprep, job, [source, "one"], "y.npy", output={"path": "again"})
        assert rows(tmp_path / "again", "y").tolist() == list(range(11))

    def test_order_keras_takes_classes_of_the_first_alone(self, kprep, job, pairs, tmp_path):
        save(tmp_path / "one/loose.png", plane(0, 0))
        run(kprep, job, [{"path": "one", "order": "keras"}, {"path": "two", "match": "stem"}], "folder")
        order = [i for k in CLASSES for i in sorted((i for i in range(11) if pairs[i] == k), key=str)]
        assert (rows(tmp_path / "out")[:, 0, 0, 0] // 10).tolist() == order
        assert rows(tmp_path / "out", "y").tolist() == [CLASSES.index(pairs[i]) for i in order]

"""on_error, max_bad and --retry: bad files and samples are left out and named, the others are as they would
be without them."""

import csv
import io
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import xxhash
from PIL import Image

from support import equal, manifest, npy_bytes, samples, tree

pytestmark = pytest.mark.pipeline

SIZE = (6, 5)  # h, w
SPEC = {"shape": [None, *SIZE, 3]}
POLICIES = ["skip", "quarantine"]


def image(i, size=SIZE):
    return np.random.default_rng(i).integers(0, 256, (*size, 3)).astype(np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def good_folder(folder, n=20):
    """n images in two classes, in the order of their numbers."""
    for i in range(n):
        save(folder / ("a" if i < n // 2 else "b") / f"{i:02}.png", image(i))
    return folder


def path_of(folder, i, n=20):
    return folder / ("a" if i < n // 2 else "b") / f"{i:02}.png"


def spoil(folder):
    """Makes some bad; returns {number: id}."""
    data = path_of(folder, 3).read_bytes()
    path_of(folder, 3).write_bytes(data[: len(data) // 2])           # its header is fine
    path_of(folder, 4).write_bytes(b"")
    path_of(folder, 5).write_bytes(b"no image at all")
    save(path_of(folder, 9), image(9, (6, 7)))
    deep = np.arange(30, dtype=np.uint16).reshape(SIZE)
    Image.fromarray(deep).save(path_of(folder, 12))
    return {3: "truncated", 4: "truncated", 5: "unsupported-format", 9: "axis-size",
            12: "channel-count"}


@pytest.mark.parametrize("name", ["files.txt", "files.csv"])
def test_a_list_that_names_a_missing_file(kprep, job, tmp_path, name):
    good_folder(tmp_path / "in")
    names = [f"in/{'a' if i < 10 else 'b'}/{i:02}.png" for i in range(20)]
    names.insert(4, "in/a/gone.png")
    (tmp_path / name).write_text("\n".join((["file"] if name.endswith("csv") else []) + names))
    keys = dict(input={"path": name, "order": "list"}, spec=SPEC, output={"path": "out"})
    assert kprep("run", job(**keys), "--json", rc=3).ids == ["not-found"]
    kprep("run", job(**keys, on_error="skip"), rc=0)
    equal(np.load(tmp_path / "out/x-00000.npy"),
          np.stack([image(i) for i in range(20)]).astype(np.float32))
    assert [(r["source"], r["id"]) for r in rejected(tmp_path / "out")] == [("in/a/gone.png", "not-found")]


def rejected(folder):
    with open(folder / "rejected.csv", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["source", "index", "id", "message"]
        return list(reader)


@pytest.mark.parametrize("threads", [1, 4])
def test_in_memory_one_of_two_arrays(kprep, job, arrays, memory, threads):
    """A sample that is bad in the second array is taken out of the first, of which it was read back already."""
    x = np.arange(20 * 3, dtype=np.float32).reshape(20, 3)
    z = x[:, :2] + 100
    z[[6, 7, 18]] = np.nan
    arrays("x.npy", x)
    arrays("z.npy", z)
    spec = {"inputs": {"x": {"shape": [None, 3]}, "z": {"shape": [None, 2]}}}
    kprep("run", job(arrays={"x": {"input": "x.npy"}, "z": {"input": "z.npy"}}, spec=spec, on_error="skip",
                     output={"path": str(memory / "out"), "batch": 4}), "--threads", threads, rc=0)
    kept = np.delete(np.arange(20), [6, 7, 18])
    for name, wanted in (("x", x), ("z", z)):
        equal(np.concatenate([np.load(p) for p in sorted((memory / "out").glob(f"{name}-*.npy"))]), wanted[kept])
    kprep("verify", memory / "out", rc=0)


@pytest.mark.parametrize("files", [4, 12, 40])
def test_many_bad_rows_where_threads_share_few_batches(kprep, job, arrays, memory, files):
    x = np.arange(1200 * 3, dtype=np.float32).reshape(1200, 3)
    x[::5] = np.nan
    arrays("x.npy", x)
    kprep("run", job(input="x.npy", spec={"shape": [None, 3]}, on_error="skip", limits={"files": files},
                     output={"path": str(memory / "out"), "batch": 2}), "--threads", 8, rc=0)
    kept = np.delete(x, np.s_[::5], axis=0)
    equal(np.concatenate([np.load(p) for p in sorted((memory / "out").glob("x-*.npy"))]), kept)
    assert manifest(memory / "out")["counts"] == {"samples": 1200, "written": 960, "rejected": 240}


def expect_batches(out, order, bad, batch, labels=None):
    """Every batch file against NumPy; batches of which nothing is left are not there."""
    number = -(-len(order) // batch)
    there = {p.name for p in out.glob("*.npy")}
    for b in range(number):
        kept = [i for i in order[b * batch:(b + 1) * batch] if i not in bad]
        if kept:
            wanted = np.stack([image(i) for i in kept]).astype(np.float32)
            assert (out / f"x-{b:05}.npy").read_bytes() == npy_bytes(wanted)
            there.remove(f"x-{b:05}.npy")
        if kept and labels:
            wanted = np.array([labels(i) for i in kept], np.int32)
            assert (out / f"y-{b:05}.npy").read_bytes() == npy_bytes(wanted)
            there.remove(f"y-{b:05}.npy")
    assert not there


@pytest.fixture
def image_job(job):
    def write(name="job.yaml", policy="skip", out="out", batch=4, output=None, **keys):
        return job(name, input="in", spec=SPEC, labels="folder", on_error=policy,
                   output={"path": out, "batch": batch, **(output or {})}, **keys)

    return write


@pytest.fixture
def memory():
    """A folder in memory, where batch files are read back as they are written."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm here")
    with tempfile.TemporaryDirectory(prefix="kprep-test-", dir="/dev/shm") as folder:
        yield Path(folder)


class TestImages:
    @pytest.mark.parametrize("threads", [1, 4])
    @pytest.mark.parametrize("batch", [1, 4, 64])
    def test_in_memory(self, kprep, image_job, tmp_path, memory, batch, threads):
        bad = spoil(good_folder(tmp_path / "in"))
        out = memory / "out"
        kprep("run", image_job(out=str(out), batch=batch), "--threads", threads, rc=0)
        expect_batches(out, range(20), bad, batch, labels=lambda i: i // 10)
        for file in manifest(out)["files"]:
            assert file["xxh128"] == xxhash.xxh3_128_hexdigest((out / file["path"]).read_bytes())

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("batch", [1, 3, 4, 64])
    def test_bad_ones_are_left_out(self, kprep, image_job, tmp_path, policy, batch):
        bad = spoil(good_folder(tmp_path / "in"))
        result = kprep("run", image_job(policy=policy, batch=batch), rc=0)
        assert "5 of 20 samples were rejected" in result.err
        out = tmp_path / "out"
        expect_batches(out, list(range(20)), bad, batch, lambda i: i // 10)
        assert [(r["source"], r["index"], r["id"]) for r in rejected(out)] == [
            (str(path_of(tmp_path / "in", i).relative_to(tmp_path / "in")), "", bad[i])
            for i in sorted(bad)]
        assert all(r["message"] and str(tmp_path) not in r["message"] for r in rejected(out))
        assert manifest(out)["counts"] == {"samples": 20, "written": 15, "rejected": 5}
        assert sum(f["rows"] for f in manifest(out)["files"] if f["array"] == "x") == 15
        kprep("verify", out, rc=0)

    def test_samples_are_those_that_stay(self, kprep, image_job, tmp_path):
        bad = spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(), rc=0)
        table = samples(tmp_path / "out")
        assert [r["source"][2:4] for r in table] == [f"{i:02}" for i in range(20) if i not in bad]
        for record in table:
            x = np.load(tmp_path / f"out/x-{int(record['batch']):05}.npy")[int(record["row"])]
            equal(x, image(int(record["source"][2:4])).astype(np.float32))

    def test_quarantine_holds_copies(self, kprep, image_job, tmp_path):
        bad = spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(policy="quarantine"), rc=0)
        wanted = {str(path_of(tmp_path / "in", i).relative_to(tmp_path / "in")):
                  path_of(tmp_path / "in", i).read_bytes() for i in bad}
        assert tree(tmp_path / "out/quarantine") == wanted
        (tmp_path / "out/quarantine/a/03.png").write_bytes(b"other")
        assert "truncated" in kprep("verify", "out", "--json", rc=1).ids

    def test_skip_copies_nothing(self, kprep, image_job, tmp_path):
        spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(), rc=0)
        assert {p.name.split("-")[0] for p in (tmp_path / "out").iterdir()} == {
            "x", "y", "samples.csv", "rejected.csv", "manifest.json"}

    def test_without_bad_ones_nothing_differs(self, kprep, image_job, tmp_path):
        good_folder(tmp_path / "in")
        for policy in ["fail", *POLICIES]:
            kprep("run", image_job(policy=policy, out=policy), rc=0)
        assert tree(tmp_path / "fail") == tree(tmp_path / "skip") == tree(tmp_path / "quarantine")

    def test_fail_stops(self, kprep, image_job, tmp_path):
        spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(policy="fail"), rc=3)
        assert not (tmp_path / "out/manifest.json").exists()

    def test_check_reports_all_the_same(self, kprep, image_job, tmp_path):
        spoil(good_folder(tmp_path / "in"))
        ids = {p: sorted(kprep("check", image_job(policy=p), "--json", rc=3).ids)
               for p in ["fail", "skip"]}
        assert ids["fail"] == ids["skip"]
        assert {"truncated", "unsupported-format", "axis-size"} <= set(ids["skip"])

    def test_dry_run_shows_the_passes(self, kprep, image_job, tmp_path):
        spoil(good_folder(tmp_path / "in"))
        out = kprep("run", image_job(), "--max-bad", "12.5%", "--dry-run", rc=0).out
        assert "on_error: skip" in out and "max_bad: 12.5%" in out

    @pytest.mark.parametrize("shuffle", [None, 5])
    @pytest.mark.parametrize("split", [None, {"train": 0.7, "rest": 0.3}])
    def test_any_number_of_threads(self, kprep, image_job, tmp_path, shuffle, split):
        spoil(good_folder(tmp_path / "in"))
        output = {k: v for k, v in [("shuffle", {"seed": shuffle} if shuffle else None),
                                    ("split", split)] if v}
        for threads in [1, 8]:
            kprep("run", image_job(policy="quarantine", out=f"out{threads}", batch=3, output=output),
                  "--threads", threads, rc=0)
        assert tree(tmp_path / "out1") == tree(tmp_path / "out8")
        order = list(range(20))
        if shuffle:
            order = list(np.random.Generator(np.random.Philox(key=[shuffle, 0])).permutation(20))
        bad = {3, 4, 5, 9, 12}
        if split:
            expect_batches(tmp_path / "out1/train", order[:14], bad, 3, lambda i: i // 10)
            expect_batches(tmp_path / "out1/rest", order[14:], bad, 3, lambda i: i // 10)
        else:
            expect_batches(tmp_path / "out1", order, bad, 3, lambda i: i // 10)
        kprep("verify", "out1", rc=0)

    def test_deep_images_are_the_rejected_ones(self, kprep, job, tmp_path):
        for i in range(6):
            grey = image(i)[..., 0]
            save(tmp_path / f"in/{i}.png", grey if i in (1, 4) else grey.astype(np.uint16) * 257)
        path = job(input="in", spec={"shape": [None, *SIZE, 1], "dtype": "uint16"}, on_error="skip",
                   pipeline=["cast uint16"], output="out")
        kprep("run", path, rc=0)
        assert [r["source"] for r in rejected(tmp_path / "out")] == ["0.png", "2.png", "3.png", "5.png"]
        assert {r["id"] for r in rejected(tmp_path / "out")} == {"dtype"}
        equal(np.load(tmp_path / "out/x-00000.npy"),
              np.stack([image(i)[..., :1] for i in (1, 4)]).astype(np.uint16))

    def test_the_size_of_most_stays(self, kprep, job, tmp_path):
        for i, size in enumerate([(4, 4), SIZE, SIZE, (7, 7), SIZE]):
            save(tmp_path / f"in/{i}.png", image(i, size))
        kprep("run", job(input="in", spec={"shape": [None, None, None, 3]}, on_error="skip",
                         output="out"), rc=0)
        assert [r["source"] for r in rejected(tmp_path / "out")] == ["0.png", "3.png"]
        equal(np.load(tmp_path / "out/x-00000.npy"),
              np.stack([image(i) for i in (1, 2, 4)]).astype(np.float32))

    def test_nothing_that_fits_stops(self, kprep, image_job, tmp_path):
        for i in range(3):
            save(tmp_path / f"in/a/{i}.png", image(i, (9, 9)))
        kprep("run", image_job(), rc=1)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("values, rc", [("5", 0), ("4", 3), ("0", 3), ("25%", 0), ("24.9%", 3)])
    def test_max_bad(self, kprep, image_job, tmp_path, values, rc):
        spoil(good_folder(tmp_path / "in"))
        for threads in [1, 8]:
            result = kprep("run", image_job(out=f"out{threads}"), "--max-bad", values, "--threads",
                           threads, "--json", rc=rc)
            assert (tmp_path / f"out{threads}/manifest.json").exists() == (rc == 0)
            assert result.ids == (["too-many-bad"] if rc else [])

    @pytest.mark.parametrize("value", ["-1", "x", "101%", "%", "1.5"])
    def test_max_bad_is_checked(self, kprep, image_job, tmp_path, value):
        good_folder(tmp_path / "in", 2)
        assert kprep("run", image_job(), f"--max-bad={value}", "--json", rc=2).ids == ["bad-option"]

    def test_force_removes_it_all(self, kprep, image_job, tmp_path):
        spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(policy="quarantine"), rc=0)
        shutil.rmtree(tmp_path / "in")
        good_folder(tmp_path / "in", 3)
        kprep("run", image_job(policy="fail"), rc=2)
        kprep("run", image_job(policy="fail"), "--force", rc=0)
        kprep("run", image_job(policy="fail", out="fresh"), rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
        assert not (tmp_path / "out/quarantine").exists()

    def test_names_stay_inside(self, kprep, job, tmp_path):
        save(tmp_path / "in/good.png", image(0))
        (tmp_path / "other").mkdir()
        (tmp_path / "other/bad.png").write_bytes(b"bad")
        (tmp_path / "in/a..b.png").write_bytes(b"worse")
        (tmp_path / "list.txt").write_text("in/good.png\nin/a..b.png\nin/../other/bad.png\n")
        kprep("run", "--files-from", "list.txt", "--spec",
              job("spec.json", **SPEC), "--on-error", "quarantine", "--output", "out", rc=0)
        assert sorted(tree(tmp_path / "out/quarantine").values()) == [b"bad", b"worse"]
        assert all(".." not in name for name in tree(tmp_path / "out"))
        kprep("verify", "out", rc=0)


class TestArrays:
    def make(self, arrays, job, policy="skip", batch=4, **keys):
        x = np.arange(11 * 6, dtype=np.float32).reshape(11, 3, 2) / 100
        x[2, 1, 1] = np.nan
        x[7] = 7
        arrays("in/0.npy", x)
        arrays("in/1.npy", x[:3, :2])          # another shape
        arrays("in/2.npy", x[8:])
        return x, job(input={"path": "in", "samples": "row"}, on_error=policy,
                      spec={"shape": [None, 3, 2], "range": [0, 1]},
                      output={"path": "out", "batch": batch}, **keys)

    @pytest.mark.parametrize("policy", POLICIES)
    def test_rows_are_named_and_not_copied(self, kprep, arrays, job, tmp_path, policy):
        x, path = self.make(arrays, job, policy)
        kprep("run", path, rc=0)
        out = tmp_path / "out"
        assert [(r["source"], r["index"], r["id"]) for r in rejected(out)] == [
            ("0.npy", "2", "non-finite"), ("0.npy", "7", "value-range"),
            *(("1.npy", str(i), "axis-size") for i in range(3))]
        assert [len(np.load(p)) for p in sorted(out.glob("x-*.npy"))] == [3, 3, 3, 2, 1]
        equal(np.concatenate([np.load(p) for p in sorted(out.glob("x-*.npy"))]),
              np.concatenate([x[[0, 1, 3, 4, 5, 6, 8, 9, 10]], x[8:]]))
        assert manifest(out)["counts"] == {"samples": 17, "written": 12, "rejected": 5}
        stats = manifest(out)["arrays"]["x"]
        kept = np.concatenate([x[[0, 1, 3, 4, 5, 6, 8, 9, 10]], x[8:]]).astype(np.float64)
        assert stats["min"] == kept.min() and stats["max"] == kept.max()
        assert stats["mean"] == pytest.approx(kept.mean(), rel=1e-12)
        assert stats["shape"] == [12, 3, 2]
        assert not (out / "quarantine").exists()
        kprep("verify", out, rc=0)

    def test_empty_batches_have_no_number(self, kprep, arrays, job, tmp_path):
        x = np.zeros((9, 4), np.float32)
        x[3:6] = np.inf
        arrays("x.npy", x)
        kprep("run", job(input={"path": "x.npy", "samples": "row"}, spec={"shape": [None, 4]},
                         on_error="skip", output={"path": "out", "batch": 3}), rc=0)
        assert sorted(p.name for p in (tmp_path / "out").glob("x-*")) == ["x-00000.npy", "x-00002.npy"]
        assert {r["batch"] for r in samples(tmp_path / "out")} == {"0", "2"}

    def test_a_shorter_header_moves_the_rows(self, kprep, arrays, job, tmp_path):
        """NumPy pads for growth, yet a count of fewer digits must give numpy.save's very bytes."""
        x = np.arange(1000 * 3, dtype=np.float32).reshape(1000, 3)
        x[::2] = np.nan
        x[5:] = np.nan
        arrays("x.npy", x)
        kprep("run", job(input={"path": "x.npy", "samples": "row"}, spec={"shape": [None, 3]},
                         on_error="skip", output={"path": "out", "batch": "all"}), rc=0)
        assert (tmp_path / "out/x.npy").read_bytes() == npy_bytes(x[[1, 3]])

    def test_all_bad(self, kprep, arrays, job, tmp_path):
        arrays("x.npy", np.full((5, 3), np.nan, np.float32))
        kprep("run", job(input={"path": "x.npy", "samples": "row"}, spec={"shape": [None, 3]},
                         on_error="skip", output="out"), rc=0)
        assert manifest(tmp_path / "out")["counts"] == {"samples": 5, "written": 0, "rejected": 5}
        kprep("verify", "out", rc=0)

    def test_casts_that_do_not_go(self, kprep, arrays, job, tmp_path):
        x = np.arange(8, dtype=np.int64).reshape(4, 2)
        x[1, 1] = 300
        arrays("x.npy", x)
        kprep("run", job(input={"path": "x.npy", "samples": "row"}, pipeline=["cast uint8"],
                         spec={"shape": [None, 2], "dtype": "uint8"}, on_error="skip", output="out"),
              rc=0)
        equal(np.load(tmp_path / "out/x-00000.npy"), x[[0, 2, 3]].astype(np.uint8))

    def test_both_readings_stay_ambiguous(self, kprep, arrays, job, tmp_path):
        arrays("in/0.npy", np.zeros((4, 4, 4), np.float32))
        arrays("in/1.npy", np.zeros((4, 4, 4), np.float32))
        (tmp_path / "in/2.npy").write_bytes(b"")
        path = job(input="in", spec={"shape": [None, None]}, on_error="skip", pipeline=["flatten"],
                   output="out")
        assert "ambiguous-samples" in kprep("run", path, "--json", rc=3).ids

    def test_the_reading_is_that_of_most_files(self, kprep, arrays, job, tmp_path):
        for i in range(3):
            arrays(f"in/{i}.npy", np.full((4, 6), i, np.float32))
        arrays("in/0.npy", np.zeros((3, 4, 6), np.float32))  # rows would fit, of the first file alone
        kprep("run", job(input="in", spec={"shape": [None, 4, 6]}, on_error="skip", output="out"), rc=0)
        assert [r["source"] for r in rejected(tmp_path / "out")] == ["0.npy"]
        equal(np.load(tmp_path / "out/x-00000.npy"),
              np.stack([np.full((4, 6), i, np.float32) for i in (1, 2)]))

    def test_joined_rows(self, kprep, arrays, job, tmp_path):
        x = np.arange(2 * 6 * 4, dtype=np.float32).reshape(2, 6, 4)
        x[1, 4, 0] = np.nan
        for i in range(2):
            arrays(f"in/{i}.npy", x[i])
        kprep("run", job(input={"path": "in", "join": "channels", "samples": "row"},
                         spec={"shape": [None, 4, 2]}, on_error="quarantine",
                         output={"path": "out", "batch": "all"}), rc=0)
        assert [(r["source"], r["index"]) for r in rejected(tmp_path / "out")] == [(".", "4")]
        equal(np.load(tmp_path / "out/x.npy"), np.delete(np.moveaxis(x, 0, -1), 4, axis=0))


class TestResume:
    def test_after_a_kill(self, binary, kprep, arrays, job, tmp_path):
        x = np.random.default_rng(1).random((4000, 40, 40)).astype(np.float32)
        bad = np.random.default_rng(2).random(4000) < 0.05
        x[bad, 0, 0] = np.nan
        arrays("x.npy", x)

        def write(out):
            return job(f"{out}.yaml", input={"path": "x.npy", "samples": "row"},
                       spec={"shape": [None, 40, 40]}, on_error="skip",
                       output={"path": out, "batch": 20})

        kprep("run", write("whole"), rc=0)
        process = subprocess.Popen([str(binary), "run", str(write("out")), "--threads", "2"],
                                   cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while len(list((tmp_path / "out").glob("x-*.npy"))) < 10 and time.monotonic() < until:
            if process.poll() is not None:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kprep("run", write("out"), rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "whole")
        assert manifest(tmp_path / "out")["counts"]["rejected"] == int(bad.sum())

    def test_after_too_many(self, kprep, image_job, tmp_path):
        spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(), "--max-bad", 2, "--threads", 1, rc=3)
        kprep("run", image_job(), rc=0)
        kprep("run", image_job(out="whole"), rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "whole")


class TestRetry:
    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("output", [{}, {"shuffle": {"seed": 3}},
                                        {"shuffle": {"seed": 3}, "split": {"train": 0.5, "rest": 0.5}}])
    def test_ends_as_if_good_at_once(self, kprep, image_job, tmp_path, policy, output):
        good_folder(tmp_path / "in")
        kprep("run", image_job(out="good", output=output, policy="fail"), rc=0)
        spoil(tmp_path / "in")
        path = image_job(policy=policy, output=output)
        kprep("run", path, rc=0)
        kept = {p: p.stat().st_ino for p in (tmp_path / "out").rglob("x-*.npy")
                if len(np.load(p)) == 4}
        good_folder(tmp_path / "in")
        kprep("run", path, "--retry", rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "good")
        assert not (tmp_path / "out/quarantine").exists()
        for p, inode in kept.items():
            assert p.stat().st_ino == inode, "a batch without rejects was written again"

    def test_rows_of_arrays(self, kprep, arrays, job, tmp_path):
        x = np.random.default_rng(0).random((30, 5)).astype(np.float32)
        y = x.copy()
        y[[3, 17]] = np.nan
        path = job(input={"path": "x.npy", "samples": "row"}, spec={"shape": [None, 5]},
                   on_error="skip", output={"path": "out", "batch": 4})
        arrays("x.npy", y)
        kprep("run", path, rc=0)
        arrays("x.npy", x)
        kprep("run", path, "--retry", rc=0)
        kprep("run", path, "--output", "good", rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "good")

    def test_another_number_of_rows(self, kprep, arrays, job, tmp_path):
        for i in range(3):
            path = arrays(f"in/{i}.npy", np.full((7, 5), i, np.float32))
        data = (tmp_path / "in/1.npy").read_bytes()
        (tmp_path / "in/1.npy").write_bytes(data[:100])
        path = job(input={"path": "in", "samples": "row"}, spec={"shape": [None, 5]},
                   on_error="quarantine", output={"path": "out", "batch": 4})
        kprep("run", path, rc=0)
        assert manifest(tmp_path / "out")["counts"] == {"samples": 15, "written": 14, "rejected": 1}
        (tmp_path / "in/1.npy").write_bytes(data)
        kprep("run", path, "--retry", rc=0)
        kprep("run", path, "--output", "good", rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "good")

    def test_some_stay_bad(self, kprep, image_job, tmp_path):
        good = good_folder(tmp_path / "good-in")
        spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(policy="quarantine"), rc=0)
        shutil.copy(path_of(good, 3), path_of(tmp_path / "in", 3))
        kprep("run", image_job(policy="quarantine"), "--retry", rc=0)
        kprep("run", image_job(policy="quarantine", out="again"), rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "again")
        assert manifest(tmp_path / "out")["counts"]["rejected"] == 4

    def test_goes_on_after_a_stop(self, kprep, image_job, tmp_path):
        good_folder(tmp_path / "in")
        kprep("run", image_job(out="good"), rc=0)
        spoil(tmp_path / "in")
        kprep("run", image_job(), rc=0)
        save(path_of(tmp_path / "in", 3), image(3))
        kprep("run", image_job(), "--retry", "--max-bad", 3, "--threads", 1, rc=3)
        assert not (tmp_path / "out/manifest.json").exists()
        kprep("run", image_job(), rc=0)
        kprep("run", image_job(out="again"), rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "again")

    def test_nothing_to_do(self, kprep, image_job, tmp_path):
        good_folder(tmp_path / "in")
        kprep("run", image_job(), rc=0)
        before = tree(tmp_path / "out")
        assert "nothing to do" in kprep("run", image_job(), "--retry", rc=0).out
        assert tree(tmp_path / "out") == before

    def test_other_changes_are_refused(self, kprep, image_job, tmp_path):
        spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(), rc=0)
        before = tree(tmp_path / "out")
        with open(path_of(tmp_path / "in", 0), "ab") as file:
            file.write(b"more")
        assert kprep("run", image_job(), "--retry", "--json", rc=2).ids == ["plan-changed"]
        assert tree(tmp_path / "out") == before

    def test_another_job_is_refused_with_the_difference(self, kprep, image_job, tmp_path):
        spoil(good_folder(tmp_path / "in"))
        kprep("run", image_job(), rc=0)
        problem, = kprep("run", image_job(), "--set", "like=pillow", "--retry", "--json", rc=2).problems
        assert problem["id"] == "plan-changed"
        assert "job.like" in problem["expected"] and "pillow" in problem["found"]

    def test_a_damaged_batch_is_made_again(self, kprep, image_job, tmp_path):
        good_folder(tmp_path / "in")
        kprep("run", image_job(out="good"), rc=0)
        spoil(tmp_path / "in")
        kprep("run", image_job(), rc=0)
        batch = tmp_path / "out/x-00004.npy"
        data = bytearray(batch.read_bytes())
        data[-1] ^= 1
        batch.write_bytes(data)
        good_folder(tmp_path / "in")
        kprep("run", image_job(), "--retry", rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "good")


class TestMemory:
    @pytest.fixture
    def loader(self, binary):
        path = binary.parent / "loader"
        if not path.exists():
            pytest.skip("the examples are not built")
        return path

    def load(self, loader, path, tmp_path):
        return subprocess.run([loader, path], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    def test_batches_are_shorter_or_not_there(self, loader, job, arrays, tmp_path):
        x = np.arange(12 * 2, dtype=np.float32).reshape(12, 2)
        x[[1, 4, 5, 6, 7]] = np.nan
        arrays("x.npy", x)
        arrays("y.npy", np.arange(12, dtype=np.int32))
        path = job(input={"path": "x.npy", "samples": "row"}, spec={"shape": [None, 2]},
                   labels="y.npy", on_error="skip", output={"batch": 4})
        result = self.load(loader, path, tmp_path)
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines() == [
            "batch 0: (3, 2) float32, 0 to 7, labels 0 2 3",
            "batch 2: (4, 2) float32, 16 to 23, labels 8 9 10 11"]

    def test_max_bad(self, loader, job, arrays, tmp_path):
        x = np.arange(40 * 2, dtype=np.float32).reshape(40, 2)
        x[[1, 30]] = np.nan
        arrays("x.npy", x)
        path = job(input={"path": "x.npy", "samples": "row"}, spec={"shape": [None, 2]},
                   on_error="skip", max_bad=1, output={"batch": 4})
        result = self.load(loader, path, tmp_path)
        assert "too-many-bad" in result.stderr
        assert len(result.stdout.splitlines()) == 7


def test_members_of_archives_are_copied_aside(kprep, job, tmp_path):
    import zipfile
    picture = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(picture, "PNG")
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", picture.getvalue())
        archive.writestr("c/b.png", picture.getvalue()[:40])
    kprep("run", "z.zip", "--spec", job("s.json", shape=[None, 8, 8, 3]), "--on-error", "quarantine",
          "--output", "out", rc=0)
    copy = tmp_path / "out/quarantine/z.zip/c/b.png"
    assert copy.read_bytes() == picture.getvalue()[:40]
    kprep("verify", "out", rc=0)

"""kprep run and verify: what is written, where, and that nothing but the job decides it."""

import json
import os
import resource
import shutil

import numpy as np
import pytest
import xxhash

from support import IMAGES, MODELS, PHOTOS, batches, equal, manifest, npy_bytes, rows, samples, tree

pytestmark = pytest.mark.pipeline

SPEC = {"shape": [None, 32, 32, 1], "dtype": "float32"}
PIPELINE = [{"expand_dims": -1}, {"rescale": {"scale": "1/255"}}]


def expected():
    return np.load(IMAGES)[..., np.newaxis].astype(np.float32) * np.float32(1 / 255)


@pytest.fixture
def image_job(job):
    def write(name="job.yaml", batch=32, out="out", **keys):
        output = {"path": out, "batch": batch, **keys.pop("output", {})}
        return job(name, input=str(IMAGES), pipeline=PIPELINE, spec=SPEC, output=output, **keys)

    return write


@pytest.fixture
def photo_job(job):
    def write(name="job.yaml", **output):
        return job(name, input=str(PHOTOS), labels="folder", pipeline=["rgb", {"resize": [40, 50]}],
                   spec={"shape": [None, 40, 50, 3]}, output={"path": "out", "batch": 4, **output})

    return write


class TestBatches:
    def test_last_one_is_short(self, kprep, image_job, tmp_path):
        kprep("run", image_job(), rc=0)
        out = tmp_path / "out"
        assert [p.name for p in batches(out)] == [f"x-{i:05}.npy" for i in range(4)]
        assert [len(np.load(p)) for p in batches(out)] == [32, 32, 32, 4]
        equal(rows(out), expected())

    def test_default_size_is_64(self, kprep, job, tmp_path):
        kprep("run", job(input=str(IMAGES), pipeline=PIPELINE, spec=SPEC, output="out"), rc=0)
        assert [len(np.load(p)) for p in batches(tmp_path / "out")] == [64, 36]

    def test_all_in_one(self, kprep, image_job, tmp_path):
        kprep("run", image_job(batch="all"), rc=0)
        assert [p.name for p in batches(tmp_path / "out")] == ["x.npy"]
        equal(rows(tmp_path / "out"), expected())

    def test_one_row_each(self, kprep, image_job, tmp_path):
        kprep("run", image_job(batch=1), rc=0)
        assert len(batches(tmp_path / "out")) == 100
        equal(rows(tmp_path / "out"), expected())

    def test_are_what_numpy_save_writes(self, kprep, photo_job, tmp_path):
        kprep("run", photo_job(), rc=0)
        files = sorted((tmp_path / "out").glob("*.npy"))
        assert len(files) == 2 * 5
        for path in files:
            assert path.read_bytes() == npy_bytes(np.load(path))

    def test_nothing_else_is_left(self, kprep, photo_job, tmp_path):
        kprep("run", photo_job(), rc=0)
        names = {p.name for p in (tmp_path / "out").rglob("*")}
        assert names == {"manifest.json", "samples.csv", *(f"{a}-{i:05}.npy" for a in "xy" for i in range(5))}

    @pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32",
                                       "uint64", "int64", "float16", "float32", "float64"])
    def test_every_dtype_stays_what_it_is(self, kprep, job, arrays, tmp_path, dtype):
        rng = np.random.default_rng(2)
        array = rng.integers(0, 2 if dtype == "bool" else 120, (11, 3, 5)).astype(dtype)
        for name, stored in (("c", array), ("f", np.asfortranarray(array)),
                             ("swapped", array.astype(array.dtype.newbyteorder(">")))):
            path = arrays(f"{name}.npy", stored)
            kprep("run", path, "--spec", job("spec.json", shape=[None, 3, 5], dtype=dtype), "--output",
                  tmp_path / name, "--batch", 4, rc=0)
            equal(rows(tmp_path / name), array)

    def test_numbers_survive_every_conversion_that_goes_by_itself(self, kprep, job, arrays, tmp_path):
        """To the spec's dtype as NumPy converts, edges and specials included."""
        tiny = np.finfo(np.float64).tiny
        doubles = [[0.1, -0.0, 1e-40, 65519.99, 65520.0, 2.0**-25, tiny, -1 / 3]]
        cases = [("float64", "float32", doubles), ("float32", "float16", doubles),
                 ("float16", "float64", doubles),
                 ("int16", "float32", [[-32768, 32767, 0, 1, -1, 255, 256, 7]]),
                 ("uint32", "float64", [[2**32 - 1, 0, 1, 2, 3, 4, 5, 6]])]
        for source, target, values in cases:
            name = f"{source}-{target}"
            with np.errstate(all="ignore"):
                array = np.array(values).astype(source)
                wanted = array.astype(target)
            kprep("run", arrays(f"{name}.npy", array), "--spec",
                  job("spec.json", shape=[None, 8], dtype=target, finite=False),
                  "--output", tmp_path / name, rc=0)
            equal(rows(tmp_path / name), wanted)


class TestSameBytes:
    """The bytes depend on the job, the input and the build alone."""

    def runs(self, kprep, path, out, variants):
        trees = []
        for variant in variants:
            kprep("run", path, *variant, rc=0)
            trees.append(tree(out))
            shutil.rmtree(out)
        return trees

    def test_at_any_thread_count(self, kprep, photo_job, tmp_path):
        variants = [("--threads", n) for n in (1, 2, 8, 1)]
        first, *others = self.runs(kprep, photo_job(shuffle={"seed": 5}), tmp_path / "out", variants)
        assert "manifest.json" in first and "samples.csv" in first
        assert all(other == first for other in others)

    def test_of_arrays_too(self, kprep, image_job, tmp_path):
        variants = [("--threads", n) for n in (1, 3, 8)]
        first, *others = self.runs(kprep, image_job(batch=7), tmp_path / "out", variants)
        assert all(other == first for other in others)

    def test_again_on_a_finished_job_changes_nothing(self, kprep, image_job, tmp_path):
        path = image_job()
        kprep("run", path, rc=0)
        out = tmp_path / "out"
        before = tree(out)
        times = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
        kprep("run", path, rc=0)
        assert tree(out) == before
        assert {p.name: p.stat().st_mtime_ns for p in batches(out)} == {
            name: time for name, time in times.items() if name.startswith("x")}


class TestOrder:
    def test_shuffle_is_numpys_philox(self, kprep, image_job, tmp_path):
        kprep("run", image_job(output={"shuffle": {"seed": 7}}), rc=0)
        order = np.random.Generator(np.random.Philox(key=[7, 0])).permutation(100)
        equal(rows(tmp_path / "out"), expected()[order])
        assert [int(row["index"]) for row in samples(tmp_path / "out")] == order.tolist()

    def test_option_says_the_same(self, kprep, image_job, tmp_path):
        kprep("run", image_job(), "--shuffle", 7, "--batch", 10, rc=0)
        order = np.random.Generator(np.random.Philox(key=[7, 0])).permutation(100)
        equal(rows(tmp_path / "out"), expected()[order])
        assert len(batches(tmp_path / "out")) == 10

    def test_split(self, kprep, image_job, tmp_path):
        split = {"train": 0.7, "validation": 0.2, "test": 0.1}
        kprep("run", image_job(output={"split": split}), rc=0)
        out = tmp_path / "out"
        whole = expected()
        equal(rows(out / "train"), whole[:70])
        equal(rows(out / "validation"), whole[70:90])
        equal(rows(out / "test"), whole[90:])
        assert [p.relative_to(out).as_posix() for p in out.rglob("manifest.json")] == ["manifest.json"]
        assert {f["path"] for f in manifest(out)["files"]} >= {
            "train/x-00000.npy", "train/x-00002.npy", "validation/x-00000.npy", "test/x-00000.npy"}
        kprep("verify", out, rc=0)

    def test_split_rounds_down_and_the_first_takes_the_rest(self, kprep, photo_job, tmp_path):
        kprep("run", photo_job(split={"train": 0.8, "validation": 0.2}, shuffle={"seed": 3}), rc=0)
        out = tmp_path / "out"
        assert len(rows(out / "train")) == 15 and len(rows(out / "validation")) == 3
        assert len(rows(out / "train", "y")) == 15

    def test_split_of_sorted_classes_warns(self, kprep, photo_job):
        answer = kprep("run", photo_job(split={"train": 0.5, "validation": 0.5}), rc=0)
        assert "shuffle" in answer.err


class TestManifest:
    @pytest.fixture
    def out(self, kprep, photo_job, tmp_path):
        kprep("run", photo_job(), rc=0)
        return tmp_path / "out"

    def test_fields(self, out):
        data = manifest(out)
        assert {"kprep", "plan", "job", "spec", "classes", "arrays", "files", "counts"} <= set(data)
        assert data["counts"] == {"samples": 18, "written": 18, "rejected": 0}
        assert data["classes"] == ["cat", "dog", "owl"]

    def test_files(self, out):
        files = manifest(out)["files"]
        assert {f["path"] for f in files} == {p.name for p in out.glob("*.npy")}
        for file in files:
            path = out / file["path"]
            array = np.load(path)
            assert set(file) >= {"path", "array", "first", "rows", "bytes", "xxh128"}
            assert file["array"] == path.name[0]
            assert file["first"] == 4 * int(path.stem[2:])
            assert file["rows"] == len(array)
            assert file["bytes"] == path.stat().st_size
            assert file["xxh128"] == xxhash.xxh3_128_hexdigest(path.read_bytes())

    def test_arrays(self, out):
        x = rows(out).astype(np.float64)
        said = manifest(out)["arrays"]["x"]
        assert said["dtype"] == "float32"
        assert said["shape"][-3:] == [40, 50, 3] and len(said["shape"]) == 4
        assert said["axes"] == "nhwc"
        # Per channel or in all: both are the statistics of what was written.
        axes = (0, 1, 2) if np.ndim(said["mean"]) == 1 else None
        np.testing.assert_allclose(said["min"], x.min(axis=axes), rtol=1e-12)
        np.testing.assert_allclose(said["max"], x.max(axis=axes), rtol=1e-12)
        np.testing.assert_allclose(said["mean"], x.mean(axis=axes), rtol=1e-9)
        np.testing.assert_allclose(said["std"], x.std(axis=axes), rtol=1e-9)
        assert manifest(out)["arrays"]["y"]["dtype"] == "int32"

    def test_samples_csv(self, out):
        lines = (out / "samples.csv").read_text().splitlines()
        assert lines[0] == "batch,row,source,index,label"
        table = samples(out)
        assert len(table) == 18
        assert [(int(r["batch"]), int(r["row"])) for r in table] == [(i // 4, i % 4) for i in range(18)]
        assert {r["index"] for r in table} == {""}
        assert {r["source"] for r in table} == {
            p.relative_to(PHOTOS).as_posix() for p in PHOTOS.rglob("*") if p.is_file()}
        classes = ["cat", "dog", "owl"]
        labels = [classes.index(r["source"].split("/")[0]) for r in table]
        equal(rows(out, "y"), np.array(labels, np.int32))
        assert [r["label"] for r in table] in ([str(v) for v in labels], [classes[v] for v in labels])

    def test_samples_csv_of_rows(self, kprep, image_job, tmp_path):
        kprep("run", image_job(), rc=0)
        table = samples(tmp_path / "out")
        assert [int(r["index"]) for r in table] == list(range(100))
        assert {r["source"] for r in table} == {"images.npy"}

    def test_names_with_commas_and_quotes(self, kprep, job, arrays, tmp_path):
        names = ['a,b.npy', 'say "x".npy', "ümlaut.npy", "two words.npy"]
        for name in names:
            arrays(f"set/{name}", np.zeros((1, 3), np.float32))
        kprep("run", tmp_path / "set", "--spec", job("spec.json", shape=[None, 3]), "--output", "out", rc=0)
        assert sorted(r["source"] for r in samples(tmp_path / "out")) == sorted(names)


class TestVerify:
    @pytest.fixture
    def out(self, kprep, image_job, tmp_path):
        kprep("run", image_job(), rc=0)
        return tmp_path / "out"

    def test_whole(self, kprep, out):
        kprep("verify", out, rc=0)
        assert kprep("verify", out, "--json", rc=0).json["ok"] is True

    @pytest.mark.parametrize("at", [140, -1])
    def test_flipped_byte(self, kprep, out, at):
        path = out / "x-00001.npy"
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
        answer = kprep("verify", out, "--json", rc=1)
        assert answer.problem("hash-mismatch")["file"].endswith("x-00001.npy")

    def test_missing_file(self, kprep, out):
        (out / "x-00002.npy").unlink()
        answer = kprep("verify", out, "--json", rc=1)
        assert any(p["file"].endswith("x-00002.npy") for p in answer.problems)

    def test_short_file(self, kprep, out):
        path = out / "x-00003.npy"
        path.write_bytes(path.read_bytes()[:-4])
        answer = kprep("verify", out, "--json", rc=1)
        assert any(p["file"].endswith("x-00003.npy") for p in answer.problems)

    def test_all_differences_are_named(self, kprep, out):
        (out / "x-00000.npy").unlink()
        (out / "x-00003.npy").write_bytes(b"")
        files = {p["file"][-11:] for p in kprep("verify", out, "--json", rc=1).problems}
        assert {"x-00000.npy", "x-00003.npy"} <= files

    def test_not_a_data_set(self, kprep, tmp_path):
        (tmp_path / "plain").mkdir()
        assert kprep("verify", tmp_path / "plain", "--json").rc in (1, 3)


class TestValues:
    """Checked one by one, all of them, while they are written."""

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, kprep, job, arrays, tmp_path, bad):
        array = np.zeros((100, 8, 8, 3), np.float32)
        array[37, 7, 7, 2] = bad
        answer = kprep("run", job(input=str(arrays("a.npy", array)), spec={"shape": [None, 8, 8, 3]},
                                  output={"path": "out", "batch": 16}), "--json", rc=1)
        problem = answer.problem("non-finite")
        assert problem["sample"] == 37
        assert problem["file"].endswith("a.npy")
        assert not (tmp_path / "out/manifest.json").exists()
        assert not (tmp_path / "out/x-00002.npy").exists()

    @pytest.mark.parametrize("bad", [1.0001, -0.0001, 300])
    def test_out_of_range(self, kprep, job, arrays, tmp_path, bad):
        array = np.full((20, 5), 0.5, np.float32)
        array[11, 4] = bad
        answer = kprep("run", job(input=str(arrays("a.npy", array)),
                                  spec={"shape": [None, 5], "range": [0, 1]},
                                  output={"path": "out"}), "--json", rc=1)
        assert answer.problem("value-range")["sample"] == 11

    def test_ends_of_the_range_are_in_it(self, kprep, job, arrays, tmp_path):
        array = np.array([[0, 1, 0.5], [1, 0, 1]], np.float32)
        kprep("run", job(input=str(arrays("a.npy", array)), spec={"shape": [None, 3], "range": [0, 1]},
                         output={"path": "out"}), rc=0)
        equal(rows(tmp_path / "out"), array)

    def test_the_first_in_input_order_is_named(self, kprep, job, arrays):
        """Whichever thread is faster."""
        array = np.zeros((400, 64), np.float32)
        array[[90, 91, 200, 399], 5] = np.nan
        path = job(input=str(arrays("a.npy", array)), spec={"shape": [None, 64]},
                   output={"path": "out", "batch": 8})
        for threads in (1, 4, 8):
            answer = kprep("run", path, "--threads", threads, "--json", rc=1)
            assert answer.problem("non-finite")["sample"] == 90

    @pytest.mark.parametrize("bad", [np.nan, 256, -1, 1e30])
    def test_cast_stops_at_what_the_target_can_not_hold(self, kprep, job, arrays, bad):
        array = np.full((9, 4), 3.7, np.float32)
        array[5, 0] = bad
        answer = kprep("run", job(input=str(arrays("a.npy", array)), pipeline=[{"cast": "uint8"}],
                                  spec={"shape": [None, 4], "dtype": "uint8"},
                                  output={"path": "out"}), "--json", rc=1)
        assert answer.problem("value-range")["sample"] == 5

    def test_cast_truncates_as_numpy(self, kprep, job, arrays, tmp_path):
        array = np.array([[0.0, 0.99, 1.5, 254.6], [255.0, 2.5, 3.5, 7.999]], np.float32)
        kprep("run", job(input=str(arrays("a.npy", array)), pipeline=[{"cast": "uint8"}],
                         spec={"shape": [None, 4], "dtype": "uint8"}, output={"path": "out"}), rc=0)
        equal(rows(tmp_path / "out"), array.astype(np.uint8))


class TestFiles:
    """The limit of open files never stops a job."""

    def stack(self, kprep, job, arrays, tmp_path, count, **popen):
        rng = np.random.default_rng(6)
        planes = rng.random((count, 3, 4, 4), dtype=np.float32)
        for i in range(count):
            arrays(f"set/f{i}.npy", planes[i])
        kprep("run", job(input={"path": "set/", "join": "channels"}, output={"path": "out", "batch": 2},
                         spec={"shape": [None, 4, 4, count]}), rc=0, **popen)
        equal(rows(tmp_path / "out"), np.ascontiguousarray(np.moveaxis(planes, 0, -1)))

    def test_soft_limit(self, kprep, job, arrays, tmp_path):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.stack(kprep, job, arrays, tmp_path, 300,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)))

    def test_hard_limit(self, kprep, job, arrays, tmp_path):
        self.stack(kprep, job, arrays, tmp_path, 300, command=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"])

    def test_4096_files(self, kprep, job, arrays, tmp_path):
        self.stack(kprep, job, arrays, tmp_path, 4096)


class TestDryRun:
    def test_writes_nothing_and_shows_the_passes(self, kprep, photo_job, tmp_path):
        answer = kprep("run", photo_job(), "--dry-run", rc=0)
        assert [p.name for p in tmp_path.iterdir()] == ["job.yaml"]
        assert "resize" in answer.out and "decode" in answer.out
        assert kprep("run", tmp_path / "job.yaml", "--dry-run", "--json", rc=0).json["ok"] is True

    def test_refuses_what_a_run_refuses(self, kprep, job):
        path = job(input=str(IMAGES), spec={"shape": [None, 32, 32, 3]}, output={"path": "out"})
        assert kprep("run", path, "--dry-run", rc=1).text


class TestMessages:
    def test_a_run_is_summed_up(self, kprep, photo_job):
        answer = kprep("run", photo_job(), rc=0)
        assert "18" in answer.text
        assert len(answer.out.splitlines()) <= 24
        assert "\x1b" not in answer.text and "\r" not in answer.text

    def test_quiet(self, kprep, photo_job, tmp_path):
        answer = kprep("run", photo_job(), "--quiet", rc=0)
        assert answer.err == ""
        assert (tmp_path / "out/manifest.json").exists()

    def test_json(self, kprep, photo_job):
        assert kprep("run", photo_job(), "--json", rc=0).json["ok"] is True

    def test_progress_as_json_lines(self, kprep, image_job, tmp_path):
        answer = kprep("run", image_job(batch=1), "--progress", "json", rc=0)
        lines = [json.loads(line) for line in answer.err.splitlines() if line.startswith("{")]
        assert all(set(line) == {"phase", "unit", "done", "total", "resumed", "bytes_done", "bytes", "seconds",
                                 "rate", "eta_s"} for line in lines)
        assert [line["done"] for line in lines] == sorted(line["done"] for line in lines)
        last, total = lines[-1], manifest(tmp_path / "out")["counts"]["written"]
        assert last["done"] == last["total"] == total and last["eta_s"] == 0 and last["phase"] == "run"

    def test_progress_of_a_resumed_run(self, kprep, image_job, tmp_path):
        """What was there already is done, and no part of the rate."""
        file = image_job(batch=1)
        kprep("run", file, "--shard", "0/2", rc=0)
        answer = kprep("run", file, "--progress", "json", rc=0)
        lines = [json.loads(line) for line in answer.err.splitlines() if line.startswith("{")]
        total = manifest(tmp_path / "out")["counts"]["written"]
        assert {line["resumed"] for line in lines} == {total // 2}
        assert lines[0]["done"] >= total // 2 and lines[-1]["done"] == total
        for line in lines:
            assert line["rate"] * line["seconds"] <= (total - total // 2) * 2 or line["seconds"] < 0.05

    def test_progress_bar_when_asked(self, kprep, image_job):
        answer = kprep("run", image_job(), "--progress", "always", rc=0)
        assert "100" in answer.err


def test_command_line_does_what_a_job_does(kprep, image_job, tmp_path):
    kprep("run", image_job(), rc=0)
    kprep("run", IMAGES, "--spec", MODELS / "conv-32-32-1.yaml", "--pipeline",
          "expand_dims -1 | rescale 1/255", "--batch", 32, "--output", tmp_path / "out2", rc=0)
    one, other = batches(tmp_path / "out"), batches(tmp_path / "out2")
    assert len(one) == 4
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in other]


def test_set_overrides_a_key(kprep, image_job, tmp_path):
    kprep("run", image_job(), "--set", "output.batch=50", rc=0)
    assert [len(np.load(p)) for p in batches(tmp_path / "out")] == [50, 50]


def test_paths_are_relative_to_the_job_file(kprep, tmp_path):
    place = tmp_path / "deep/place"
    place.mkdir(parents=True)
    np.save(place / "a.npy", np.zeros((3, 4), np.float32))
    (place / "job.yaml").write_text("input: a.npy\nspec: {shape: [null, 4]}\noutput: {path: out}\n")
    kprep("run", place / "job.yaml", cwd="/", rc=0)
    assert (place / "out/manifest.json").exists()


def test_files_larger_than_the_memory_limit(kprep, tmp_path):
    """A sparse file of 8 GiB, of which a few rows are asked for: it is never read whole."""
    path = tmp_path / "huge.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (2 * 1024 * 1024, 32, 32)).flush()
    assert kprep("check", path, "--spec", MODELS / "conv-32-32-1.yaml", "--pipeline", "expand_dims -1",
                 "--json", rc=0).json["ok"]


def test_output_set_on_the_command_line_is_relative_to_where_it_runs(kprep, arrays, tmp_path):
    """--set output=DIR as --output DIR, though the job file's own paths go from its folder."""
    sub = tmp_path / "sub"
    sub.mkdir()
    np.save(sub / "a.npy", np.zeros((2, 4), np.float32))
    (sub / "job.yaml").write_text("input: a.npy\nspec: {shape: [null, 4]}\noutput: out\n")
    kprep("run", "sub/job.yaml", "--set", "output=here", rc=0, cwd=tmp_path)
    assert (tmp_path / "here/manifest.json").exists()


def test_a_batch_larger_than_the_data_takes_no_memory(kprep, image_job, tmp_path):
    kprep("run", image_job(batch=4 * 10**18), rc=0)
    equal(rows(tmp_path / "out"), expected())


class TestMemoryLimit:
    def test_lowers_the_number_of_threads(self, kprep, image_job):
        dry = kprep("run", image_job(limits={"memory": "300kB"}), "--threads", 8, "--dry-run", "--json", rc=0)
        assert dry.json["summary"]["memory_bytes"] <= 300_000

    def test_is_an_error_where_one_thread_does_not_fit(self, kprep, image_job):
        assert kprep("run", image_job(limits={"memory": 1000}), "--json", rc=3).ids == ["too-large"]


def test_class_names_that_are_not_utf_8_keep_their_numbers(kprep, job, tmp_path):
    for name in [b"a", b"\xff\xfe", b"b"]:
        folder = os.path.join(os.fsencode(tmp_path), b"data", name)
        os.makedirs(folder)
        with open(os.path.join(folder, b"0.npy"), "wb") as file:
            np.save(file, np.zeros(4, np.float32))
    kprep("run", job(input="data", labels="folder", spec={"shape": [None, 4]}, output="out"), rc=0)
    assert manifest(tmp_path / "out")["classes"] == ["a", "b", "??"]


class TestInputThatChangesBetweenRuns:
    """A run that stopped half-way has batches of the old input: they are not mixed with the new."""

    @pytest.fixture
    def begun(self, kprep, job, arrays, tmp_path):
        arrays("data/0.npy", np.zeros(4, np.float32))
        arrays("data/1.npy", np.full(4, np.nan, np.float32))
        path = job(input={"path": "data", "samples": "file"}, spec={"shape": [None, 4]},
                   output={"path": "out", "batch": 1})
        kprep("run", path, "--threads", 1, rc=1)
        assert (tmp_path / "out/x-00000.npy").exists()
        arrays("data/1.npy", np.ones(4, np.float32))
        return path

    def test_is_refused(self, kprep, begun):
        assert kprep("run", begun, "--json", rc=2).ids == ["plan-changed"]

    @pytest.mark.parametrize("change,then,now", [
        ({"output": {"path": "out", "batch": 2}}, "job.output.batch 1", "job.output.batch 2"),
        ({"pipeline": [{"rescale": 2}]}, "job.pipeline []", '"scale":2'),
        ({"spec": {"shape": [None, None]}}, "spec.", "spec."),
    ])
    @pytest.mark.parametrize("complete", [False, True])
    def test_tells_the_difference(self, kprep, begun, job, change, then, now, complete):
        base = {"input": {"path": "data", "samples": "file"}, "spec": {"shape": [None, 4]},
                "output": {"path": "out", "batch": 1}}
        if complete:
            kprep("run", job(**base), "--force", rc=0)
        problem, = kprep("run", job(**{**base, **change}), "--json", rc=2).problems
        assert problem["id"] == "plan-changed"
        assert then in problem["expected"] and now in problem["found"]

    def refused(self, kprep, begun):
        problem, = kprep("run", begun, "--json", rc=2).problems
        assert problem["id"] == "plan-changed"
        return problem["expected"], problem["found"]

    @pytest.fixture
    def unchanged(self, begun, tmp_path):
        """1.npy, too, seems to be as it was."""
        for record in (tmp_path / "out/.kprep/inputs").read_text().split("\0"):
            if record:
                _, time, name = record.split(" ", 2)
                os.utime(tmp_path / "data" / name, ns=(int(time), int(time)))

    @pytest.mark.parametrize("name", ["2.npy", "0.5.npy"])
    def test_names_a_file_that_is_new(self, kprep, begun, unchanged, arrays, name):
        arrays(f"data/{name}", np.ones(4, np.float32))
        expected, found = self.refused(kprep, begun)
        assert "the files there were" in expected and found == f"{name} is new"

    @pytest.mark.parametrize("name", ["0.npy", "1.npy"])
    def test_names_a_file_that_is_gone(self, kprep, begun, tmp_path, name):
        os.remove(tmp_path / "data" / name)
        assert self.refused(kprep, begun)[1] == f"{name} is gone"

    def test_names_a_file_of_another_time(self, kprep, begun, tmp_path):
        for path in sorted((tmp_path / "data").iterdir()):
            os.utime(path, ns=(1, 86400 * 10**9 + 5))
        expected, found = self.refused(kprep, begun)
        assert expected.startswith("0.npy of 144 bytes, changed 20")
        assert found == "144 bytes, changed 1970-01-02 00:00:00.000000005 UTC"

    def test_names_a_file_of_another_size(self, kprep, begun, tmp_path):
        path = tmp_path / "data/1.npy"
        path.write_bytes(path.read_bytes() + b"\0" * 16)
        expected, found = self.refused(kprep, begun)
        assert expected.startswith("1.npy of 144 bytes") and found.startswith("160 bytes")

    def test_names_the_array_of_the_file(self, kprep, job, arrays, tmp_path):
        for name in "ab":
            arrays(f"{name}/0.npy", np.zeros(4, np.float32))
            arrays(f"{name}/1.npy", np.full(4, np.nan, np.float32))
        entry = {"shape": [None, 4], "dtype": "float32"}
        path = job(arrays={name: {"input": {"path": name, "samples": "file"}} for name in "ab"},
                   spec={"inputs": {"a": entry, "b": entry}}, output={"path": "out", "batch": 1})
        kprep("run", path, "--threads", 1, rc=1)
        os.utime(tmp_path / "b/1.npy", (1, 1))
        problem, = kprep("run", path, "--json", rc=2).problems
        assert problem["expected"].startswith("1.npy of") and problem["array"] == "b"

    def test_a_name_is_one_line(self, kprep, begun, unchanged, arrays):
        arrays("data/2\nkprep: error[no-memory]: x.npy", np.ones(4, np.float32))
        assert self.refused(kprep, begun)[1] == "2?kprep: error[no-memory]: x.npy is new"

    @pytest.mark.parametrize("damage", [b"", b"x", b"1 2 \0", b"1 2\0\0", b"\0" * 9, b"9" * 200000, b"1 1 0.npy\0"])
    def test_what_was_kept_may_be_damaged(self, kprep, begun, arrays, tmp_path, damage):
        (tmp_path / "out/.kprep/inputs").write_bytes(damage)
        arrays("data/2.npy", np.ones(4, np.float32))
        assert kprep("run", begun, "--json", rc=2).ids == ["plan-changed"]

    def test_what_was_kept_is_no_file(self, kprep, begun, arrays, tmp_path):
        os.remove(tmp_path / "out/.kprep/inputs")
        os.mkfifo(tmp_path / "out/.kprep/inputs")
        arrays("data/2.npy", np.ones(4, np.float32))
        assert kprep("run", begun, "--json", rc=2).ids == ["plan-changed"]

    def test_half_a_list_says_nothing_of_what_lacks(self, kprep, begun, tmp_path):
        kept = tmp_path / "out/.kprep/inputs"
        kept.write_bytes(kept.read_bytes().split(b"\0")[0] + b"\0")
        os.utime(tmp_path / "data/1.npy", (1, 1))
        problem, = kprep("run", begun, "--json", rc=2).problems
        assert problem["id"] == "plan-changed" and "found" not in problem

    def test_is_done_anew_with_force(self, kprep, begun, arrays, tmp_path):
        arrays("data/0.npy", np.full(4, 2, np.float32))
        kprep("run", begun, "--force", rc=0)
        equal(rows(tmp_path / "out"), np.repeat(np.float32([[2], [1]]), 4, axis=1))
        assert not (tmp_path / "out/.kprep").exists()


def test_a_finished_job_with_a_file_missing_is_done_again(kprep, image_job, tmp_path):
    path = image_job()
    kprep("run", path, rc=0)
    before = tree(tmp_path / "out")
    (tmp_path / "out/x-00001.npy").unlink()
    kprep("run", path, rc=0)
    assert tree(tmp_path / "out") == before


def test_a_split_can_not_take_the_manifest_s_name(kprep, image_job):
    answer = kprep("run", image_job(output={"split": {"manifest.json": 1}}), "--json", rc=2)
    assert answer.ids == ["bad-option"]


class TestJoinThatRanksDoNotDecide:
    @pytest.fixture
    def joined(self, job, arrays):
        def write(**keys):
            for i in range(3):
                arrays(f"data/{i}.npy", np.arange(32, dtype=np.float32).reshape(2, 4, 4) + 100 * i)
            return job(input={"path": "data", "join": "channels", **keys}, pipeline=["flatten"],
                       spec={"shape": [None, 48], "dtype": "float32"}, output="out")

        return write

    def test_is_not_guessed(self, kprep, joined):
        assert kprep("check", joined(), "--json", rc=1).ids == ["ambiguous-samples"]

    @pytest.mark.parametrize("axes, join", [("hwc", np.stack), ("hc", np.concatenate)])
    def test_is_settled_by_axes(self, kprep, joined, tmp_path, axes, join):
        kprep("run", joined(axes=axes), rc=0)
        parts = [np.load(tmp_path / f"data/{i}.npy") for i in range(3)]
        equal(rows(tmp_path / "out"), join(parts, axis=-1).reshape(2, 48))


def test_a_label_that_one_hot_has_no_place_for(kprep, arrays, job, tmp_path):
    path = arrays("y.npy", np.array([[0], [3], [1], [5]], np.int16))
    spec = job("spec.json", shape=[None, 6])
    kprep("run", path, "--samples", "row", "--spec", spec, "--pipeline", "one_hot 6", "--output",
          "out", rc=0)
    equal(rows(tmp_path / "out"), np.eye(6, dtype=np.float32)[[0, 3, 1, 5]])
    spec = job("spec.json", shape=[None, 5])
    answer = kprep("run", path, "--samples", "row", "--spec", spec, "--pipeline", "one_hot 5",
                   "--output", "small", "--json", rc=1)
    problem = answer.problem("value-range")
    assert (problem["sample"], problem["stage"], problem["found"]) == (3, "one_hot", "5")

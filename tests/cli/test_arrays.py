"""arrays: a model with several inputs. Each has its own files and pipeline; all share samples and order."""

import csv
import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from support import FIXTURES, equal, manifest, rows, samples, tree

pytestmark = pytest.mark.pipeline

N = 23
MODEL = FIXTURES / "models/fun_multi_dict.keras"  # image (8, 6, 3), meta (4,) int32, aux with 5 rows
SPEC = {"inputs": {"image": {"shape": [None, 8, 6, 3], "dtype": "float32"},
                   "meta": {"shape": [None, 4], "dtype": "int32"},
                   "depth:0": {"shape": [None, 8, 6, 1], "dtype": "float32"}}}
LIMITED = {"shape": [None, 4], "dtype": "int32", "range": [0, 8 * N]}


def image(i):
    return np.random.default_rng(i).integers(0, 256, (8, 6, 3)).astype(np.uint8)


META = np.arange(N * 4, dtype=np.int32).reshape(N, 4)
DEPTH = np.random.default_rng(5).normal(size=(N, 8, 6)).astype(np.float32)
IMAGES = np.stack([image(i) for i in range(N)])


@pytest.fixture
def data(tmp_path):
    for i in range(N):
        path = tmp_path / "photos" / ("a" if i < 9 else "b") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image(i)).save(path)
    np.save(tmp_path / "meta.npy", META)
    np.save(tmp_path / "depth.npy", DEPTH)
    return tmp_path


def arrays(**changes):
    entries = {"depth:0": {"input": {"path": "depth.npy", "samples": "row"},
                           "pipeline": ["expand_dims -1"]},
               "image": {"input": "photos/", "pipeline": [{"rescale": {"scale": "1/255"}}]},
               "meta": {"input": {"path": "meta.npy"}}}
    return {**entries, **changes}


def scaled(images=IMAGES):
    return images.astype(np.float32) * np.float32(1 / 255)


class TestRun:
    def test_each_input_has_its_files(self, kprep, job, data):
        path = job(arrays=arrays(), spec=SPEC, labels="folder", output={"path": "out", "batch": 5})
        kprep("run", path, rc=0)
        out = data / "out"
        equal(rows(out, "image"), scaled())
        equal(rows(out, "meta"), META)
        equal(rows(out, "depth_0"), DEPTH[..., None])
        equal(rows(out, "y"), np.array([0] * 9 + [1] * (N - 9), np.int32))
        assert len(list(out.glob("*-*.npy"))) == 4 * 5
        kprep("verify", out, rc=0)

    def test_manifest_names_all(self, kprep, job, data):
        kprep("run", job(arrays=arrays(), spec=SPEC, output={"path": "out", "batch": 10}), rc=0)
        m = manifest(data / "out")
        assert {k: v["shape"] for k, v in m["arrays"].items()} == {
            "image": [N, 8, 6, 3], "meta": [N, 4], "depth:0": [N, 8, 6, 1]}
        assert m["arrays"]["meta"]["mean"] == META.mean() and m["arrays"]["meta"]["min"] == 0
        assert [f["path"] for f in m["files"][:3]] == ["image-00000.npy", "meta-00000.npy",
                                                       "depth_0-00000.npy"]
        assert [f["array"] for f in m["files"][:3]] == ["image", "meta", "depth:0"]
        assert set(m["spec"]["inputs"]) == set(SPEC["inputs"])
        assert m["counts"] == {"samples": N, "written": N, "rejected": 0}
        assert m["job"]["arrays"]["meta"]["input"]["samples"] == "row"

    def test_shuffle_and_split_are_shared(self, kprep, job, data):
        kprep("run", job(arrays=arrays(), spec=SPEC, labels="folder",
                         output={"path": "out", "batch": 4, "shuffle": {"seed": 3},
                                 "split": {"train": 0.7, "validation": 0.3}}), rc=0)
        order = np.random.Generator(np.random.Philox(key=[3, 0])).permutation(N)
        cut = N - int(N * 0.3)
        for part, chosen in (("train", order[:cut]), ("validation", order[cut:])):
            equal(rows(data / "out" / part, "image"), scaled(IMAGES[chosen]))
            equal(rows(data / "out" / part, "meta"), META[chosen])
            equal(rows(data / "out" / part, "depth_0"), DEPTH[chosen][..., None])
            sources = [row["source"] for row in samples(data / "out" / part)]
            assert sources == [f"{'a' if i < 9 else 'b'}/{i}.png" for i in chosen]

    @pytest.mark.parametrize("threads", [1, 3, 8])
    def test_the_same_bytes_at_any_number_of_threads(self, kprep, job, data, threads):
        path = job(arrays=arrays(), spec=SPEC, output={"path": "out", "batch": 3})
        kprep("run", path, "--threads", "2", rc=0)
        first = tree(data / "out")
        shutil.rmtree(data / "out")
        kprep("run", path, "--threads", threads, rc=0)
        assert tree(data / "out") == first

    def test_order_in_the_job_does_not_matter(self, kprep, job, data):
        kprep("run", job(arrays=arrays(), spec=SPEC, output={"path": "out"}), rc=0)
        turned = dict(reversed(arrays().items()))
        kprep("run", job("b.yaml", arrays=turned, spec=SPEC, output={"path": "out2"}), rc=0)
        for name in ("image", "meta", "depth_0"):
            equal(rows(data / "out2", name), rows(data / "out", name))

    def test_of_a_keras_model(self, kprep, job, data, tmp_path, keras):
        np.save(tmp_path / "aux.npy", np.ones((N, 2), np.float32))
        np.save(tmp_path / "meta.npy", META % 2)  # what an embedding of few words takes
        entries = arrays(aux={"input": "aux.npy"})
        del entries["depth:0"]
        path = job(arrays=entries, spec=str(MODEL), output={"path": "out", "batch": 5})
        # Its aux is (5, 2), and Keras takes other batches without a word.
        assert "warning" not in kprep("check", path, "--set", "output.batch=4", rc=0).err
        assert "warning" not in kprep("run", path, rc=0).err
        batch = {name: np.load(data / f"out/{name}-00001.npy") for name in ("image", "meta", "aux")}
        model = keras.models.load_model(MODEL)
        assert {t.name for t in model.inputs} == set(batch)
        model.predict_on_batch(batch)
        model.predict_on_batch({name: array[:4] for name, array in batch.items()})

    def test_a_declared_batch(self, kprep, job, data):
        spec = {"shape": [5, *META.shape[1:]], "dtype": "int32"}
        path = job(input="meta.npy", spec=spec, output={"path": "out", "batch": 4})
        assert "batches of exactly 5 rows" in kprep("check", path, rc=0).err

    def test_batch_all(self, kprep, job, data):
        kprep("run", job(arrays=arrays(), spec=SPEC, output={"path": "out", "batch": "all"}), rc=0)
        assert {p.name for p in (data / "out").iterdir()} == {
            "image.npy", "meta.npy", "depth_0.npy", "samples.csv", "manifest.json"}

    @pytest.mark.parametrize("name", ["../meta", "a..b", "meta.", "..", "/meta", "-m", "me\nta", "\u00fc"])
    @pytest.mark.parametrize("batch", [10, "all"])
    def test_any_name_makes_files_that_are_found_again(self, kprep, job, data, name, batch):
        spec = {"inputs": {name: SPEC["inputs"]["meta"], "other": SPEC["inputs"]["meta"]}}
        entries = {key: {"input": "meta.npy"} for key in spec["inputs"]}
        out = {"path": "out", "batch": batch}
        kprep("run", job(arrays=entries, spec=spec, output=out), rc=0)
        kprep("verify", data / "out", rc=0)
        listed = manifest(data / "out")["files"]
        for key in spec["inputs"]:
            paths = [data / "out" / f["path"] for f in listed if f["array"] == key]
            assert all(p.parent == data / "out" for p in paths)
            equal(np.concatenate([np.load(p) for p in paths]), META)
        kprep("run", job(arrays=entries, spec=spec, output={**out, "shuffle": 1}), "--force", rc=0)
        left = {p.name for p in (data / "out").iterdir()}
        assert left == {f["path"] for f in listed} | {"manifest.json", "samples.csv"}

    def test_parts_of_two_splits_never_share_a_name(self, kprep, job, data):
        """Split a of array b-c, and split a-b of array c, are written at once."""
        many = np.random.default_rng(1).integers(0, 99, (60, 20000)).astype(np.int32)
        np.save(data / "many.npy", many)
        np.save(data / "more.npy", many + 100)
        spec = {"inputs": {name: {"shape": [None, 20000], "dtype": "int32"} for name in ("b-c", "c")}}
        kprep("run", job(arrays={"b-c": {"input": "many.npy"}, "c": {"input": "more.npy"}}, spec=spec,
                         output={"path": "out", "batch": 30, "split": {"a": 0.5, "a-b": 0.5}}),
              "--threads", 4, rc=0)
        for part, chosen in (("a", many[:30]), ("a-b", many[30:])):
            equal(rows(data / "out" / part, "b-c"), chosen)
            equal(rows(data / "out" / part, "c"), chosen + 100)

    @pytest.mark.parametrize("threads", [1, 8])
    def test_many_arrays_under_a_small_limit_of_open_files(self, binary, job, data, threads):
        names = [f"in{i}" for i in range(30)]
        for i, name in enumerate(names):
            np.save(data / f"{name}.npy", META + i)
        path = job(arrays={name: {"input": f"{name}.npy"} for name in names}, output={"path": "out", "batch": 2},
                   spec={"inputs": {name: SPEC["inputs"]["meta"] for name in names}})
        subprocess.run(["bash", "-c", 'ulimit -n 200; exec "$@"', "-", binary, "run", path,
                        "--threads", str(threads)], check=True, cwd=data)
        for i, name in enumerate(names):
            equal(rows(data / "out", name), META + i)

    def test_one_input_is_called_x(self, kprep, job, data):
        entries = {"picture": {"input": "photos/", "pipeline": ["rescale 1/255"]}}
        spec = {"inputs": {"picture": {"shape": [None, 8, 6, 3]}}}
        kprep("run", job(arrays=entries, spec=spec, output={"path": "out"}), rc=0)
        equal(rows(data / "out"), scaled())


class TestResume:
    def test_missing_file_of_one_array(self, kprep, job, data):
        path = job(arrays=arrays(), spec=SPEC, output={"path": "out", "batch": 5})
        kprep("run", path, rc=0)
        first = tree(data / "out")
        (data / "out/meta-00002.npy").unlink()
        kprep("verify", data / "out", rc=1)
        kprep("run", path, rc=0)
        assert tree(data / "out") == first

    def test_another_pipeline_is_another_job(self, kprep, job, data):
        kprep("run", job(arrays=arrays(), spec=SPEC, output={"path": "out"}), rc=0)
        other = arrays(image={"input": "photos/", "pipeline": ["rescale 1/127.5 -1"]})
        result = kprep("run", job(arrays=other, spec=SPEC, output={"path": "out"}), "--json", rc=2)
        assert result.ids == ["plan-changed"]


class TestErrors:
    def test_numbers_of_samples_differ(self, kprep, job, data):
        np.save(data / "meta.npy", META[:-1])
        problem = kprep("run", job(arrays=arrays(), spec=SPEC, output={"path": "out"}), "--json",
                        rc=1).problem("axis-size")
        assert problem["axis"] == "n" and problem["array"] == "meta"
        assert str(N) in problem["expected"] and str(N - 1) in problem["found"]

    def test_every_misfit_is_told_with_its_array(self, kprep, job, data):
        entries = arrays(image={"input": "photos/", "pipeline": ["resize 8 7"]})
        entries["depth:0"] = {"input": "depth.npy"}
        result = kprep("check", job(arrays=entries, spec=SPEC), "--json", rc=1)
        assert {(p["id"], p["array"]) for p in result.problems} == {
            ("axis-size", "image"), ("missing-axis", "depth:0")}
        text = kprep("check", job(arrays=entries, spec=SPEC), rc=1).text
        assert "array:    image" in text and "array:    depth:0" in text

    def test_unknown_input(self, kprep, job, data):
        entries = arrays()
        entries["imag"] = entries.pop("image")
        problem = kprep("check", job(arrays=entries, spec=SPEC), "--json", rc=2).problems[0]
        assert problem["id"] == "bad-option" and "image" in problem["help"]
        assert problem["line"] > 1

    def test_missing_input(self, kprep, job, data):
        entries = arrays()
        del entries["meta"]
        problem = kprep("check", job(arrays=entries, spec=SPEC), "--json", rc=2).problems[0]
        assert problem["id"] == "bad-option" and "meta" in problem["message"]

    def test_one_array_for_several_inputs(self, kprep, data):
        problem = kprep("check", "photos", "--spec", MODEL, "--json", rc=2).problems[0]
        assert "image, meta, aux" in problem["expected"] and "arrays" in problem["help"]

    @pytest.mark.parametrize("more", [{"input": "photos/"}, {"pipeline": ["flatten"]}])
    def test_nothing_beside_it(self, kprep, job, data, more):
        result = kprep("check", job(arrays=arrays(), spec=SPEC, **more), "--json", rc=2)
        assert result.ids == ["bad-option"]

    @pytest.mark.parametrize("entry", ["photos/", {"pipeline": []}, {"input": "photos/", "lables": 1}])
    def test_entries_are_read_strictly(self, kprep, job, data, entry):
        result = kprep("check", job(arrays={"image": entry}, spec=SPEC), "--json", rc=2)
        assert result.ids[0] in ("bad-option", "unknown-key")
        assert result.problems[0]["line"] > 1

    def test_names_that_come_to_one_file(self, kprep, job, data):
        one = {"shape": [None, 4], "dtype": "int32"}
        spec = {"inputs": {"a:0": one, "a/0": one}}
        entries = {"a:0": {"input": "meta.npy"}, "a/0": {"input": "meta.npy"}}
        problem = kprep("check", job(arrays=entries, spec=spec), "--json", rc=2).problems[0]
        assert "a_0-00000.npy" in problem["message"]

    def test_an_input_y_beside_labels(self, kprep, job, data):
        spec = {"inputs": {"y": LIMITED, "z": LIMITED}}
        entries = {"y": {"input": "meta.npy"}, "z": {"input": "meta.npy"}}
        kprep("run", job(arrays=entries, spec=spec, output={"path": "out"}), rc=0)
        equal(rows(data / "out", "y"), META)
        kprep("verify", data / "out", rc=0)
        np.save(data / "l.npy", np.arange(N))
        result = kprep("check", job(arrays=entries, spec=spec, labels="l.npy"), "--json", rc=2)
        assert result.ids == ["bad-option"]


class TestRejects:
    """A sample that is bad in one array is left out of all."""

    SPEC = {"inputs": {"image": SPEC["inputs"]["image"], "meta": LIMITED}}

    def spoil(self, data):
        path = data / "photos/a/4.png"
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        meta = META.copy()
        meta[11, 2] = -1
        meta[4, 0] = -1  # bad in both: rejected once, for the first of the spec
        np.save(data / "meta.npy", meta)
        return whole

    def entries(self):
        return {"image": arrays()["image"], "meta": arrays()["meta"]}

    def job(self, job, policy, **more):
        return job(arrays=self.entries(), spec=self.SPEC, on_error=policy,
                   output={"path": "out", "batch": 5}, **more)

    @pytest.mark.parametrize("policy", ["skip", "quarantine"])
    def test_left_out_of_all(self, kprep, job, data, policy):
        self.spoil(data)
        kprep("run", self.job(job, policy), rc=0)
        keep = [i for i in range(N) if i not in (4, 11)]
        equal(rows(data / "out", "image"), scaled(IMAGES[keep]))
        equal(rows(data / "out", "meta"), META[keep])
        with open(data / "out/rejected.csv", newline="") as file:
            found = [(r["source"], r["index"], r["id"]) for r in csv.DictReader(file)]
        assert found == [("a/4.png", "", "truncated"), ("meta.npy", "11", "value-range")]
        assert manifest(data / "out")["counts"] == {"samples": N, "written": N - 2, "rejected": 2}
        assert (data / "out/quarantine/image/a/4.png").exists() == (policy == "quarantine")
        kprep("verify", data / "out", rc=0)

    def test_retry_ends_as_if_all_had_been_good(self, kprep, job, data):
        kprep("run", self.job(job, "fail"), rc=0)
        good = tree(data / "out")
        shutil.rmtree(data / "out")
        whole = self.spoil(data)
        kprep("run", self.job(job, "skip"), rc=0)
        (data / "photos/a/4.png").write_bytes(whole)
        np.save(data / "meta.npy", META)
        kprep("run", self.job(job, "skip"), "--retry", rc=0)
        assert tree(data / "out") == good

    @pytest.mark.parametrize("threads", [1, 4])
    def test_the_first_bad_sample_is_reported(self, kprep, job, data, threads):
        """In the order of the samples, whichever array it is in."""
        meta = META.copy()
        meta[2, 2] = -1
        np.save(data / "meta.npy", meta)
        path = data / "photos/a/4.png"
        path.write_bytes(path.read_bytes()[:-40])
        problem = kprep("run", self.job(job, "fail"), "--json", "--threads", threads,
                        rc=1).problems[0]
        assert problem["sample"] == 2 and problem["array"] == "meta"
        assert problem["file"].endswith("meta.npy")


class TestOtherCommands:
    def test_check_shows_each(self, kprep, job, data):
        path = job(arrays=arrays(), spec=SPEC)
        text = kprep("check", path, rc=0).out
        for name in SPEC["inputs"]:
            assert f"array    {name}" in text
        summary = kprep("check", path, "--json", rc=0).json["summary"]
        assert list(summary["arrays"]) == list(SPEC["inputs"])
        assert "(None, 4)" in summary["arrays"]["meta"]["wanted"]

    def test_check_samples_every_array(self, kprep, job, data):
        depth = DEPTH.copy()
        depth[:] = np.nan
        np.save(data / "depth.npy", depth)
        problem = kprep("check", job(arrays=arrays(), spec=SPEC), "--json", rc=1).problems[0]
        assert problem["id"] == "non-finite" and problem["array"] == "depth:0"
        assert problem["sampled"]

    def test_plan_mends_each(self, kprep, job, data):
        entries = arrays(image={"input": "photos/"})
        entries["depth:0"] = {"input": {"path": "depth.npy"}}
        text = kprep("plan", job(arrays=entries, spec=SPEC), rc=0).out
        (data / "planned.yaml").write_text(text)
        kprep("run", "planned.yaml", "--output", "out", rc=0)
        equal(rows(data / "out", "depth_0"), DEPTH[..., None])
        equal(rows(data / "out", "image"), IMAGES.astype(np.float32))
        assert "depth:0: " in text

    def test_dry_run(self, kprep, job, data):
        result = kprep("run", job(arrays=arrays(), spec=SPEC, output={"path": "out"}), "--dry-run",
                       rc=0)
        assert result.out.count("# array ") == 3
        assert not (data / "out").exists()
        size = N * (8 * 6 * 3 * 4 + 4 * 4 + 8 * 6 * 4)
        summary = kprep("run", job(arrays=arrays(), spec=SPEC, output={"path": "out"}), "--dry-run",
                        "--json", rc=0).json["summary"]
        assert summary["output_bytes"] == size

    def test_stats(self, kprep, job, data):
        path = job(arrays=arrays(), spec=SPEC)
        document = kprep("stats", path, "--json", rc=0).json
        assert set(document["arrays"]) == set(SPEC["inputs"])
        depth = document["arrays"]["depth:0"]["channels"]
        assert len(depth) == 1
        np.testing.assert_allclose(depth[0]["mean"], DEPTH.astype(np.float64).mean(), rtol=1e-12)
        photos = document["arrays"]["image"]["channels"]
        np.testing.assert_allclose([c["std"] for c in photos],
                                   scaled().astype(np.float64).std(axis=(0, 1, 2)), rtol=1e-12)
        assert "array image" in kprep("stats", path, rc=0).out

    def test_stats_name_the_array_that_is_bad(self, kprep, job, data):
        path = data / "photos/a/4.png"
        whole = path.read_bytes()
        for content in (b"", whole[:-40]):  # seen in the headers, and only when it is read
            path.write_bytes(content)
            problem = kprep("stats", job(arrays=arrays(), spec=SPEC), "--json", rc=3).problems[0]
            assert problem["array"] == "image" and problem["file"].endswith("4.png")

    def test_set_a_key_of_one(self, kprep, job, data, tmp_path):
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        np.save(folder / "meta.npy", META + 1)
        path = job(arrays=arrays(), spec=SPEC, output={"path": "out"})
        kprep("run", path, "--set", "arrays.meta.input.path=elsewhere/meta.npy", rc=0)
        equal(rows(data / "out", "meta"), META + 1)

    @pytest.mark.parametrize("key", ["path=meta.npy", "samples=row"])
    def test_set_a_key_of_a_list_of_sources(self, kprep, job, data, key):
        entries = arrays(meta={"input": ["meta.npy"]})
        problem = kprep("check", job(arrays=entries, spec=SPEC), "--set", f"arrays.meta.input.{key}",
                        "--json", rc=2).problems[0]
        assert "arrays.meta.input is a list of sources" in problem["message"]

    def test_the_manifest_is_valid_json_with_the_job(self, kprep, job, data):
        kprep("run", job(arrays=arrays(), spec=SPEC, output={"path": "out"}), rc=0)
        text = (data / "out/manifest.json").read_text()
        assert list(json.loads(text)["job"]["arrays"]) == list(arrays())

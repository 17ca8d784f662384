"""`kprep report`: its numbers are NumPy's, names are text, the page is small and always the same."""

import html
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from support import FIXTURES, PHOTOS, ROOT, manifest, rows, samples, tree

HOSTILE = '"><script>alert(1)<!-- &amp; \'x.png'
BINS = 64


def photo_job(job, **keys):
    base = {"input": {"path": str(PHOTOS), "order": "keras"}, "labels": "folder",
            "pipeline": ["rgb", {"resize": [32, 32]}, {"rescale": {"scale": 1 / 255}}],
            "spec": {"shape": [None, 32, 32, 3], "axes": "nhwc", "dtype": "float32", "range": [0, 1]},
            "output": {"path": "out", "batch": 4}}
    return job(**{**base, **keys})


@pytest.fixture
def page(kprep, tmp_path):
    """page(arguments) makes a report and gives its text."""

    def make(*args, **how):
        kprep("report", *args, "--output", tmp_path / "page.html", rc=0, **how)
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    return make


def numbers(text):
    return json.loads(re.search(r'<script type="application/json" id="numbers">(.*?)</script>', text,
                                re.S).group(1))


def judge(found, values):
    """What the page says of values against NumPy; values may hold NaN and infinities."""
    values = np.asarray(values).astype(np.float64).ravel()
    finite = values[np.isfinite(values)]
    assert found["count"] == finite.size
    assert found["nan"] == np.isnan(values).sum()
    assert found["inf"] == np.isinf(values).sum()
    assert found["min"] == finite.min() and found["max"] == finite.max()
    np.testing.assert_allclose(found["mean"], finite.mean(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["std"], finite.std(), rtol=1e-10, atol=1e-12)
    if "histogram" in found:
        assert found["histogram"] == np.histogram(finite, bins=BINS)[0].tolist()


@pytest.mark.pipeline
class TestNumbers:
    def test_photos(self, kprep, job, page, tmp_path):
        kprep("run", photo_job(job), rc=0)
        text = page("out")
        found = numbers(text)
        x = rows(tmp_path / "out")
        judge(found["arrays"]["x"], x)
        assert len(found["arrays"]["x"]["channels"]) == 3
        for c in range(3):
            assert "histogram" in found["arrays"]["x"]["channels"][c]
            judge(found["arrays"]["x"]["channels"][c], x[..., c])
        y = rows(tmp_path / "out", "y")
        assert found["splits"][""]["labels"] == [list(map(int, pair)) for pair in
                                                 zip(*np.unique(y, return_counts=True))]
        assert found["samples"] == found["looked"] == len(x)

    @pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int32", "int64", "float16",
                                       "float32", "float64"])
    def test_dtypes(self, kprep, arrays, page, tmp_path, dtype):
        generator = np.random.Generator(np.random.Philox(7))
        x = (generator.normal(size=(57, 6, 5, 4)) * 40).astype(dtype)
        arrays("x.npy", x)
        (tmp_path / "s.yaml").write_text(f"shape: [null, 6, 5, 4]\naxes: nhwc\ndtype: {dtype}\n")
        kprep("run", "x.npy", "--samples", "row", "--spec", "s.yaml", "--output", "out", "--batch", "10", rc=0)
        found = numbers(page("out"))["arrays"]["x"]
        judge(found, x)
        for c in range(4):
            judge(found["channels"][c], x[..., c])

    def test_values_that_are_not_finite_and_one_value_alone(self, kprep, arrays, page, tmp_path):
        x = np.zeros((9, 4), np.float32)
        x[:, 0] = 3.25
        x[:, 1] = np.arange(9)
        x[2:5, 2] = [np.nan, np.inf, -np.inf]
        x[:, 3] = np.nan
        arrays("x.npy", x)
        (tmp_path / "s.yaml").write_text("shape: [null, 4]\naxes: nf\ndtype: float32\nfinite: false\n")
        kprep("run", "x.npy", "--samples", "row", "--spec", "s.yaml", "--output", "out", rc=0)
        text = page("out")
        found = numbers(text)["arrays"]["x"]["channels"]
        for c in range(3):
            judge(found[c], x[:, c])
        assert found[3]["count"] == 0 and found[3]["nan"] == 9 and found[3]["mean"] is None
        assert "No finite values" in text
        assert not re.search(r"[ =\">](nan|inf)[ \"<,]", text[:text.index('id="numbers"')])

    def test_many_channels_in_any_place(self, kprep, arrays, page, tmp_path):
        x = np.random.Generator(np.random.Philox(3)).random((11, 37, 3, 4)).astype(np.float32)
        arrays("x.npy", x)
        (tmp_path / "s.yaml").write_text("shape: [null, 37, 3, 4]\naxes: nchw\ndtype: float32\n")
        kprep("run", "x.npy", "--samples", "row", "--axes", "chw", "--spec", "s.yaml", "--output", "out", rc=0)
        text = page("out")
        found = numbers(text)["arrays"]["x"]
        judge(found, x)
        assert len(found["channels"]) == 37
        for c in range(37):
            judge(found["channels"][c], x[:, c])
        assert "37 planes of" in text and "mean image of" in text

    def test_of_some_rows(self, kprep, job, page, tmp_path):
        kprep("run", photo_job(job), rc=0)
        text = page("out", "--sample", "7")
        x = rows(tmp_path / "out")
        judge(numbers(text)["arrays"]["x"], x[[i * len(x) // 7 for i in range(7)]])
        assert "7 of 18 samples" in html.unescape(text) and "not checked" in text

    def test_splits(self, kprep, job, page, tmp_path):
        kprep("run", photo_job(job, output={"path": "out", "batch": 4, "shuffle": {"seed": 3},
                                            "split": {"train": 0.7, "validation": 0.3}}), rc=0)
        found = numbers(page("out"))
        for split in ("train", "validation"):
            y = rows(tmp_path / "out" / split, "y")
            assert found["splits"][split]["rows"] == len(y)
            assert found["splits"][split]["labels"] == [[c, int((y == c).sum())] for c in range(3)]

    @pytest.mark.parametrize("encode", ["int", "one_hot", "binary"])
    def test_encodings(self, kprep, job, page, tmp_path, encode):
        if encode == "binary":
            for name in ("cat", "dog"):
                shutil.copytree(PHOTOS / name, tmp_path / "two" / name)
        where = str(tmp_path / "two") if encode == "binary" else str(PHOTOS)
        kprep("run", photo_job(job, input={"path": where}, labels={"path": "folder", "encode": encode}), rc=0)
        counts = dict(numbers(page("out"))["splits"][""]["labels"])
        assert counts == {c: 6 for c in range(2 if encode == "binary" else 3)}

    def test_numbers_as_labels_are_values(self, kprep, arrays, job, page):
        arrays("x.npy", np.zeros((20, 3), np.float32))
        y = np.random.Generator(np.random.Philox(1)).normal(size=20)
        arrays("y.npy", y)
        kprep("run", job(input={"path": "x.npy", "samples": "row"}, labels={"path": "y.npy"},
                         spec={"shape": [None, 3], "dtype": "float32"}, output="out"), rc=0)
        found = numbers(page("out"))
        assert found["splits"][""]["labels"] == []
        judge(found["arrays"]["y"], y)


class TestPage:
    def test_same_bytes_twice_anywhere_and_with_any_threads(self, kprep, job, page, tmp_path):
        kprep("run", photo_job(job), rc=0)
        first = page("out")
        assert page("out", "--threads", "5") == page("out", "--threads", "1") == first
        shutil.move(tmp_path / "out", tmp_path / "elsewhere")
        assert page(tmp_path / "elsewhere") == first
        assert str(tmp_path) not in first

    def test_names_are_text(self, kprep, job, page, tmp_path):
        folder = tmp_path / "in" / "<b>&\"'"
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8), (i * 80, 0, 0)).save(folder / f"{i}{HOSTILE.replace('/', '_')}")
        shutil.copy(next(iter(folder.iterdir())), str(folder / "d").encode() + b"\xff\xc3.png")
        shutil.copy(next(iter(folder.iterdir())), folder / "e\u202egnp.png")
        (folder / "z<img src=x onerror=alert(2)>.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        kprep("run", photo_job(job, input="in", on_error="skip"), rc=0)
        text = page("out")
        assert "<script>alert" not in text and "<img src=x" not in text and "<b>&" not in text
        assert html.escape(HOSTILE).replace("&#x27;", "&#39;") in text
        assert "\u202e" not in text and "\ufffd" in text
        assert text.count("<script") == 2
        assert "z&lt;img src=x onerror=alert(2)&gt;.png" in text

    def test_rejected_are_named_with_reasons(self, kprep, job, page, tmp_path):
        shutil.copytree(PHOTOS, tmp_path / "in")
        for i in range(130):
            (tmp_path / "in/cat" / f"bad{i:03}.png").write_bytes(b"\x89PNG\r\n\x1a\n" if i % 2 else b"GIF89a..")
        kprep("run", photo_job(job, input="in", on_error="skip"), rc=0)
        text = page("out")
        assert numbers(text)["rejected"] == 130 == manifest(tmp_path / "out")["counts"]["rejected"]
        assert "The first 100" in text and text.count("cat/bad") >= 100
        for name, count in (("unsupported-format", 65), ("truncated", 65)):
            assert f'<th scope="row">{name}</th><td>{count}</td>' in text

    def test_pictures_show_the_pixels(self, kprep, page, tmp_path):
        """What normalize did is undone: the picture of a colour has that colour."""
        (tmp_path / "in").mkdir()
        colours = [(255, 0, 0), (0, 255, 0), (10, 20, 250), (128, 64, 32)]
        for i, colour in enumerate(colours):
            Image.new("RGB", (8, 8), colour).save(tmp_path / f"in/{i}.png")
        (tmp_path / "s.yaml").write_text("shape: [null, 8, 8, 3]\naxes: nhwc\ndtype: float32\n")
        for how in ("normalize mode=caffe", "normalize mode=torch", "normalize mode=tf", "rescale 1/255",
                    "bgr | rescale 1/127.5 -1", "rescale 1/255 | normalize 0.5,0.4,0.3 0.2,0.3,0.4"):
            kprep("run", "in", "--spec", "s.yaml", "--pipeline", how, "--output", "out", "--force", rc=0)
            assert [pixel(data) for data in pictures(page("out"))] == colours, how

    def test_size_is_bounded(self, kprep, arrays, job, page, tmp_path):
        """Noise, long names, many classes, many rejected rows: nothing makes the page large."""
        generator = np.random.Generator(np.random.Philox(9))
        arrays("x.npy", generator.integers(0, 256, (1500, 128, 128, 3), np.uint8))
        arrays("z.npy", generator.normal(size=(1500, 2048)).astype(np.float32))
        arrays("y.npy", np.arange(1500) % 997)
        kprep("run", job(arrays={"image": {"input": {"path": "x.npy", "samples": "row"}},
                                 "noise": {"input": {"path": "z.npy", "samples": "row"}}},
                         labels={"path": "y.npy"},
                         spec={"inputs": {"image": {"shape": [None, 128, 128, 3], "axes": "nhwc", "dtype": "uint8"},
                                          "noise": {"shape": [None, 2048], "axes": "nf", "dtype": "float32"}}},
                         output={"path": "out", "batch": 1}), rc=0)
        text = page("out")
        assert len(text.encode()) < 5_000_000
        assert len(pictures(text)) == 36
        judge(numbers(text)["arrays"]["noise"], rows(tmp_path / "out", "noise"))

    def test_model_file_beside_the_spec(self, kprep, page):
        out = "made"
        kprep("run", ROOT / "examples/missing-channel.yaml", "--output", out, rc=0)
        text = page(out, "--spec", ROOT / "examples/models/conv-32-32-1.keras")
        assert "<bdi>conv-32-32-1.keras</bdi>" in text and "(None, 32, 32, 1)" in text

    def test_way_of_the_data(self, kprep, job, page, tmp_path):
        kprep("run", photo_job(job), rc=0)
        text = page("out")
        for shape in ("(32, 32, 3)", "(18, 32, 32, 3)", "(None, 32, 32, 3)"):
            assert shape in text
        stages = re.findall(r'<tr><td>(\d+)</td><th scope="row">(\w+)</th>', text)
        assert stages == [("0", "read"), ("1", "rgb"), ("2", "resize"), ("3", "rescale")]
        found = manifest(tmp_path / "out")
        assert sum(kind["files"] for kind in found["inputs"]["x"]["kinds"]) == 18
        first = found["steps"]["x"][0]
        with Image.open(PHOTOS / samples(tmp_path / "out")[0]["source"]) as image:
            assert first["shape"][:2] == [image.height, image.width]

    def test_data_set_of_an_older_version(self, kprep, job, page, tmp_path):
        kprep("run", photo_job(job), rc=0)
        old = manifest(tmp_path / "out")
        del old["inputs"], old["steps"]
        (tmp_path / "out/manifest.json").write_text(json.dumps(old))
        assert "did not record" in page("out")


def pictures(text):
    import base64

    return [base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', text)]


def pixel(data):
    import io

    return Image.open(io.BytesIO(data)).convert("RGB").getpixel((3, 3))


class TestJob:
    def test_before_it_runs(self, kprep, job, page, tmp_path):
        """The numbers are those of the rows that the run then writes."""
        path = photo_job(job)
        text = page(path, "--sample", "6")
        assert not (tmp_path / "out").exists()
        assert "A job before it runs" in text and "nothing was written" in text
        kprep("run", path, rc=0)
        x = rows(tmp_path / "out")
        judge(numbers(text)["arrays"]["x"], x[[i * 3 for i in range(6)]])
        assert numbers(text)["splits"][""]["labels"] == [[0, 6], [1, 6], [2, 6]]
        assert manifest(tmp_path / "out")["plan"] in text

    def test_two_inputs(self, kprep, page):
        text = page(ROOT / "examples/two-inputs.yaml")
        found = numbers(text)["arrays"]
        assert set(found) == {"photo", "table", "y"}
        judge(found["table"], np.load(FIXTURES / "tables/photos.npy"))

    def test_what_does_not_fit_is_told(self, kprep):
        answer = kprep("report", PHOTOS, "--spec", ROOT / "examples/models/photos-224.keras", rc=1)
        assert "axis-size" in answer.err and "resize 224 224" in answer.err

    def test_bad_files(self, kprep, job, page, tmp_path):
        shutil.copytree(PHOTOS, tmp_path / "in")
        (tmp_path / "in/cat/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        assert kprep("report", photo_job(job, input="in"), rc=3)
        text = page(photo_job(job, input="in", on_error="skip"))
        assert numbers(text)["rejected"] == 1 and "cat/bad.png" in text

    def test_all_rejected(self, kprep, arrays, job, page):
        arrays("x.npy", np.full((4, 3), np.nan, np.float32))
        path = job(input={"path": "x.npy", "samples": "row"}, on_error="skip",
                   spec={"shape": [None, 3], "dtype": "float32"}, output="out")
        assert "There are none" in page(path)
        kprep("run", path, rc=0)
        assert "There are none" in page("out")


class TestAnswers:
    def test_default_place_and_json(self, kprep, job, tmp_path):
        kprep("run", photo_job(job), rc=0)
        answer = kprep("report", "out", "--json", rc=0).json
        assert answer["output"] == "report.html" and answer["samples"] == answer["looked"] == 18
        assert (tmp_path / "report.html").stat().st_size == answer["bytes"]
        before = tree(tmp_path / "out")
        assert kprep("report", "out", "--output", "-", rc=0).out == (tmp_path / "report.html").read_text()
        assert tree(tmp_path / "out") == before

    def test_broken_data_sets(self, kprep, job, tmp_path):
        kprep("run", photo_job(job), rc=0)
        assert kprep("report", "nowhere", "--json", rc=3).ids == ["not-found"]
        (tmp_path / "empty").mkdir()
        assert kprep("report", "empty", "--json", rc=1).ids == ["not-found"]
        for name, change, ids in (
                ("x-00001.npy", lambda b: b[:-5] + b"\0\0\0\0" + b[-1:], {"hash-mismatch"}),
                ("x-00002.npy", lambda b: b[:200], {"truncated"}),
                ("manifest.json", lambda b: b[:99], {"corrupt"})):
            shutil.copytree(tmp_path / "out", tmp_path / "copy")
            path = tmp_path / "copy" / name
            path.write_bytes(change(path.read_bytes()))
            assert set(kprep("report", "copy", "--json", rc=1).ids) == ids
            shutil.rmtree(tmp_path / "copy")
        (tmp_path / "out/x-00003.npy").unlink()
        assert kprep("report", "out", "--json", rc=1).ids == ["not-found"]
        assert kprep("report", "out", "--sample", "2", "--json", rc=1).ids == ["corrupt"]
        assert not (tmp_path / "report.html").exists()

    def test_usage(self, kprep, job, tmp_path):
        kprep("run", photo_job(job), rc=0)
        assert kprep("report", "out", "--like", "keras", "--json", rc=2).ids == ["bad-option"]
        assert kprep("report", "out", "--sample", "0", "--json", rc=2).ids == ["bad-option"]
        assert kprep("report", "out", "--output", "-", "--json", rc=2).ids == ["bad-option"]
        assert kprep("report", "out", "--output", "no/such/page.html", "--json", rc=4).ids == ["unwritable"]
        assert "did you mean" in kprep("reprot", "out", rc=2).err

    def test_only_pages_are_replaced(self, kprep, job, tmp_path):
        file = photo_job(job)
        kprep("run", file, rc=0)
        before = tree(tmp_path)
        for name in (file, "out/manifest.json", "out/x-00000.npy", "out/samples.csv"):
            answer = kprep("report", "out", "--output", name, "--json", rc=4)
            assert answer.ids == ["unwritable"] and "--output" in answer.problems[0]["help"]
            kprep("report", file, "--output", name, rc=4)
        assert tree(tmp_path) == before
        (tmp_path / "page").touch()
        (tmp_path / "page.html.part").write_text("another's")
        for name in ("page", "page", "page.html", "page.html", "/dev/null"):
            kprep("report", "out", "--output", name, rc=0)
        assert (tmp_path / "page").read_bytes() == (tmp_path / "page.html").read_bytes()
        assert (tmp_path / "page.html.part").read_text() == "another's"

    def test_what_is_no_data_set_is_said(self, kprep, job, tmp_path):
        (tmp_path / "file").write_text("text")
        assert "no folder" in kprep("report", "file", rc=1).err
        kprep("run", photo_job(job), rc=0)
        (tmp_path / "out/manifest.json").unlink()
        assert "no manifest.json" in kprep("report", "out", rc=1).err
        (tmp_path / "out/manifest.json").mkdir()
        assert "no manifest.json" not in kprep("report", "out", rc=1).err

    def test_a_link_stays_one(self, kprep, job, tmp_path):
        kprep("run", photo_job(job), rc=0)
        (tmp_path / "there.html").write_text("old")
        (tmp_path / "link.html").symlink_to("there.html")
        kprep("report", "out", "--output", "link.html", rc=0)
        assert (tmp_path / "link.html").is_symlink()
        assert (tmp_path / "there.html").read_text().startswith("<!DOCTYPE html>")

    @pytest.mark.parametrize("change", [
        lambda m: m.pop("arrays"), lambda m: m["arrays"]["x"].update(shape=[18, -3, 32, 3]),
        lambda m: m["arrays"]["x"].update(shape=[1 << 40, 1 << 40, 32, 3]),
        lambda m: m["arrays"]["x"].update(axes="n" * 70), lambda m: m["arrays"]["x"].update(dtype="object"),
        lambda m: m["files"][0].update(rows=10**18), lambda m: m["files"][0].update(path="../x.npy"),
        lambda m: m["files"].pop(), lambda m: m.update(arrays=[1]), lambda m: m["files"].insert(0, 3)])
    def test_hostile_manifest(self, kprep, job, tmp_path, change):
        kprep("run", photo_job(job), rc=0)
        found = manifest(tmp_path / "out")
        change(found)
        (tmp_path / "out/manifest.json").write_text(json.dumps(found))
        for more in ([], ["--sample", "3"]):
            answer = kprep("report", "out", "--json", *more)
            assert answer.rc == 1 and answer.problems

    @pytest.mark.parametrize("rows", [-1, 2**63 - 1])
    def test_numbers_of_rows_that_are_none(self, kprep, job, tmp_path, rows):
        kprep("run", photo_job(job), rc=0)
        found = manifest(tmp_path / "out")
        del found["arrays"]["x"]["shape"]
        for file in found["files"]:
            file["rows"] = rows
        (tmp_path / "out/manifest.json").write_text(json.dumps(found))
        answer = kprep("verify", "out", "--json", rc=1)
        assert any("number of rows" in p["message"] for p in answer.problems)
        kprep("report", "out", rc=1)

    @pytest.mark.parametrize("key", ["job", "spec", "classes", "inputs", "steps", "counts", "tables", "plan", "kprep"])
    @pytest.mark.parametrize("value", [None, 7, "x", [], {}, [[{}]], {"x": 1}, {"x": {"kinds": [3]}}, {"inputs": 3}])
    def test_odd_manifest(self, kprep, job, tmp_path, key, value):
        """Parts that no check depends on may be anything: the page says less."""
        out = tmp_path / "out"
        if not out.exists():
            kprep("run", photo_job(job, output={"path": "out", "batch": "all"}), rc=0)
        found = manifest(out)
        found[key] = value
        (out / "manifest.json").write_text(json.dumps(found))
        assert kprep("report", "out", "--sample", "2", "--json").rc in (0, 1)

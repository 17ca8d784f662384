"""Bad files among those that are parts of a sample: the samples they belong to are rejected and named, the
others are as they would be without them."""

import shutil

import numpy as np
import pytest
from PIL import Image

from support import equal, manifest, rows, samples, tree
from test_on_error import rejected

SPEC = {"shape": [None, 6, 5, 3], "dtype": "uint8"}


def plane(i, k, size=(6, 5)):
    return np.random.default_rng(100 * i + k).integers(0, 256, size, dtype=np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def expected(bad=(), n=11):
    return np.stack([np.dstack([plane(i, k) for k in range(3)]) for i in range(n) if i not in bad])


class Folders:
    """Each sample is a folder: two PNG planes and an NPY plane."""

    input = {"path": "set", "join": "channels", "by": "folder"}
    bad = {0: "unsupported-format", 2: "truncated", 4: "truncated", 5: "axis-size", 7: "channel-count",
           8: "channel-count", 9: "dtype"}

    def make(self, root):
        for i in range(11):
            for k, name in enumerate(["p2.png", "p10.png", "q.npy"]):
                save(root / f"set/s{i}/{name}", plane(i, k))

    def spoil(self, root):
        (root / "set/s0/p2.png").write_bytes(b"this is no picture")
        (root / "set/s2/p10.png").write_bytes(b"")
        cut(root / "set/s4/q.npy")
        save(root / "set/s5/p2.png", plane(0, 0, (6, 6)))
        (root / "set/s7/p10.png").unlink()
        save(root / "set/s8/p3.png", plane(0, 0))
        save(root / "set/s9/q.npy", plane(9, 2).astype(np.uint16))

    def mend(self, root):
        shutil.rmtree(root / "set")
        self.make(root)

    def source(self, i):
        return f"s{i}"

    def copies(self, root):
        return {str(p.relative_to(root / "set")): p.read_bytes()
                for i in self.bad for p in (root / f"set/s{i}").iterdir()}


class Sources(Folders):
    """Pictures beside planes: the second source's files are bad as well."""

    input = ["one", {"path": "two", "samples": "file"}]
    bad = {0: "truncated", 3: "truncated", 4: "unsupported-format", 6: "axis-size", 9: "channel-count",
           10: "truncated"}

    def make(self, root):
        for i in range(11):
            save(root / f"one/{i}.npy", np.dstack([plane(i, 0), plane(i, 1)]))
            save(root / f"two/{i}.png", plane(i, 2))

    def spoil(self, root):
        (root / "one/0.npy").write_bytes(b"")
        cut(root / "two/3.png")  # its header is fine
        (root / "two/4.png").write_bytes(b"this is no picture")
        save(root / "two/6.png", plane(6, 2, (5, 5)))
        save(root / "one/9.npy", plane(9, 0))
        cut(root / "one/10.npy")

    def mend(self, root):
        shutil.rmtree(root / "one")
        shutil.rmtree(root / "two")
        self.make(root)

    def source(self, i):
        return f"one/{i}.npy"

    def copies(self, root):
        return {name: (root / name).read_bytes() for i in self.bad
                for name in (f"one/{i}.npy", f"two/{i}.png")}


class Stems(Sources):
    """The same, paired by name where the orders differ."""

    input = ["one", {"path": "two", "samples": "file", "match": "stem", "order": "bytes"}]


@pytest.fixture(params=[Folders, Sources, Stems])
def case(request):
    return request.param()


@pytest.fixture
def write(case, job):
    def make(out="out", policy="skip", batch=4, output=None, **keys):
        return job(f"{out}.json", input=case.input, spec=SPEC, on_error=policy,
                   output={"path": out, "batch": batch, **(output or {})}, **keys)

    return make


@pytest.mark.parametrize("policy", ["skip", "quarantine"])
@pytest.mark.parametrize("batch", [1, 4, "all"])
def test_their_samples_are_left_out(kprep, case, write, tmp_path, policy, batch):
    case.make(tmp_path)
    case.spoil(tmp_path)
    result = kprep("run", write(policy=policy, batch=batch), "--threads", 1, rc=0)
    assert f"{len(case.bad)} of 11 samples were rejected" in result.err
    out = tmp_path / "out"
    equal(rows(out), expected(case.bad))
    table = rejected(out)
    assert [(r["source"], r["index"], r["id"]) for r in table] == [
        (case.source(i), "", case.bad[i]) for i in sorted(case.bad)]
    assert all(r["message"] and str(tmp_path) not in r["message"] for r in table)
    assert [r["source"] for r in samples(out)] == [case.source(i) for i in range(11) if i not in case.bad]
    assert manifest(out)["counts"] == {"samples": 11, "written": 11 - len(case.bad), "rejected": len(case.bad)}
    assert sum(c["count"] for c in manifest(out)["arrays"]["x"]["channels"]) == 3
    kprep("verify", out, rc=0)
    copies = tree(out / "quarantine") if policy == "quarantine" else {}
    assert copies == (case.copies(tmp_path) if policy == "quarantine" else {})
    kprep("run", write("more", policy=policy, batch=batch), "--threads", 8, rc=0)
    assert tree(out) == tree(tmp_path / "more")


def test_the_message_names_the_file(kprep, case, write, tmp_path):
    case.make(tmp_path)
    case.spoil(tmp_path)
    kprep("run", write(), rc=0)
    for record in rejected(tmp_path / "out"):
        named = [p for p in tmp_path.rglob("*.[pn][np][gy]") if p.name in record["message"]]
        assert named, record


@pytest.mark.parametrize("output", [{}, {"shuffle": {"seed": 3}, "split": {"train": 0.5, "rest": 0.5}}])
@pytest.mark.parametrize("batch", [1, 3])
def test_retry_ends_as_if_good_at_once(kprep, case, write, tmp_path, output, batch):
    case.make(tmp_path)
    kprep("run", write("good", policy="fail", output=output, batch=batch), rc=0)
    case.spoil(tmp_path)
    path = write(output=output, policy="quarantine", batch=batch)
    kprep("run", path, rc=0)
    kept = {p: p.stat().st_ino for p in (tmp_path / "out").rglob("x-*.npy") if len(np.load(p)) == batch}
    assert kept or batch > 1
    assert "nothing to do" in kprep("run", path, rc=0).out
    case.mend(tmp_path)
    kprep("run", path, "--retry", rc=0)
    assert tree(tmp_path / "out") == tree(tmp_path / "good")
    assert all(p.stat().st_ino == inode for p, inode in kept.items())


def test_retry_of_another_job_is_refused(kprep, case, write, tmp_path):
    case.make(tmp_path)
    case.spoil(tmp_path)
    kprep("run", write(), rc=0)
    other = tmp_path / ("set/s1/p2.png" if case.source(1) == "s1" else "two/1.png")
    with open(other, "ab") as file:
        file.write(b"more")
    assert kprep("run", write(), "--retry", "--json", rc=2).ids == ["plan-changed"]


def test_fail_stops_and_check_names_them(kprep, case, write, tmp_path):
    case.make(tmp_path)
    case.spoil(tmp_path)
    kprep("run", write(policy="fail"), rc=3)
    assert not (tmp_path / "out").exists()
    for policy in ("fail", "skip"):
        found = kprep("check", write(policy=policy), "--json", rc=3).ids
        assert len(found) == 3 and {"truncated", "unsupported-format"} <= set(found)


def test_max_bad(kprep, case, write, tmp_path):
    case.make(tmp_path)
    case.spoil(tmp_path)
    n = len(case.bad)
    assert kprep("run", write(), "--max-bad", n - 1, "--json", rc=3).ids == ["too-many-bad"]
    kprep("run", write("other"), "--max-bad", n, rc=0)


def test_nothing_that_fits_stops(kprep, case, write, tmp_path):
    case.make(tmp_path)
    path = tmp_path / "bad.json"
    path.write_text(write().read_text().replace("6,\n", "7,\n", 1))
    assert "axis-size" in kprep("run", path, "--json", rc=1).ids


def test_good_ones_alone_differ_in_nothing(kprep, case, write, tmp_path):
    case.make(tmp_path)
    for policy in ("fail", "skip", "quarantine"):
        kprep("run", write(policy, policy=policy), rc=0)
    assert tree(tmp_path / "fail") == tree(tmp_path / "skip") == tree(tmp_path / "quarantine")


def test_what_most_samples_have_stays(kprep, job, tmp_path):
    """Where the spec takes any size, and where the first folders are the odd ones."""
    for i, (size, count) in enumerate([((4, 4), 3), ((6, 5), 2), ((6, 5), 3), ((6, 5), 3), ((6, 5), 2), ((6, 5), 3)]):
        for k in range(count):
            save(tmp_path / f"set/s{i}/{k}.png", plane(i, k, size))
    kprep("run", job(input=Folders.input, spec={"shape": [None, None, None, None], "dtype": "uint8"},
                     on_error="skip", output="out"), rc=0)
    equal(rows(tmp_path / "out"), expected(n=6)[[2, 3, 5]])
    assert [r["source"] for r in rejected(tmp_path / "out")] == ["s0", "s1", "s4"]
    channels = manifest(tmp_path / "out")["arrays"]["x"]["channels"]
    assert [c["source"] for c in channels] == ["s2/0.png", "s2/1.png", "s2/2.png"]


def test_the_spec_decides_before_the_number(kprep, job, tmp_path):
    for i in range(5):
        for k in range(2 if i < 3 else 3):
            save(tmp_path / f"set/s{i}/{k}.png", plane(i, k))
    kprep("run", job(input=Folders.input, spec=SPEC, on_error="skip", output="out"), rc=0)
    equal(rows(tmp_path / "out"), expected(n=5)[3:])


def test_rows_of_a_source(kprep, job, tmp_path):
    """Rows are rejected by what is in them or in the picture beside them, and files of another shape whole."""
    x = np.random.default_rng(0).random((7, 6, 5)).astype(np.float32)
    x[1, 0, 0] = np.nan
    save(tmp_path / "a/0.npy", x[:3])
    save(tmp_path / "a/1.npy", np.zeros((2, 6, 6), np.float32))
    save(tmp_path / "a/2.npy", x[3:])
    y = np.random.default_rng(1).random((9, 6, 5)).astype(np.float32)
    save(tmp_path / "b.npy", y)
    path = job(input=[{"path": "a", "samples": "row"}, "b.npy"], spec={"shape": [None, 6, 5, 2]},
               on_error="skip", output={"path": "out", "batch": 4})
    kprep("run", path, rc=0)
    assert [(r["source"], r["index"], r["id"]) for r in rejected(tmp_path / "out")] == [
        ("a/0.npy", "1", "non-finite"), ("a/1.npy", "0", "axis-size"), ("a/1.npy", "1", "axis-size")]
    equal(rows(tmp_path / "out"), np.stack([x[[0, 2, 3, 4, 5, 6]], y[[0, 2, 5, 6, 7, 8]]], axis=-1))
    for name, array in (("a/0.npy", np.nan_to_num(x[:3])), ("a/1.npy", x[:2])):
        save(tmp_path / name, array)
    kprep("run", path, "--retry", rc=0)
    kprep("run", path, "--output", "good", rc=0)
    assert tree(tmp_path / "out") == tree(tmp_path / "good")


@pytest.mark.parametrize("source", [{"path": "set", "join": "channels"},
                                    ["one.npy", {"path": "set", "join": "channels"}],
                                    ["one.npy", {"path": "rows", "samples": "row"}]])
def test_what_spoils_all_stays_an_error(kprep, job, tmp_path, source):
    """A file with a part of all samples, or with rows that can't be counted."""
    for k in range(3):
        save(tmp_path / f"set/{k}.npy", np.zeros((4, 6, 5), np.float32))
    save(tmp_path / "one.npy", np.zeros((4, 6, 5), np.float32))
    save(tmp_path / "rows/0.npy", np.zeros((2, 6, 5), np.float32))
    save(tmp_path / "rows/1.npy", np.zeros((2, 6, 5), np.float32))
    channels = 2 if "rows" in str(source) else 3 + isinstance(source, list)
    path = job(input=source, spec={"shape": [None, 6, 5, channels]}, on_error="skip", output="out")
    kprep("run", path, "--output", "fine", rc=0)
    cut(tmp_path / "set/1.npy")
    cut(tmp_path / "rows/1.npy")
    problem = kprep("run", path, "--json", rc=3).problem("truncated")
    assert problem["file"].endswith("1.npy")
    assert not (tmp_path / "out").exists()


def test_features_of_all_samples_beside_bad_pictures(kprep, job, tmp_path):
    case = Sources()
    case.make(tmp_path)
    case.spoil(tmp_path)
    features = [np.random.default_rng(k).integers(0, 256, (11, 6, 5), dtype=np.uint8) for k in range(2)]
    for k, array in enumerate(features):
        save(tmp_path / f"features/{k}.npy", array)
    kprep("run", job(input=[{"path": "features", "join": "channels", "samples": "row"}, *case.input],
                     spec={"shape": [None, 6, 5, 5], "dtype": "uint8"}, on_error="quarantine", output="out"), rc=0)
    good = [i for i in range(11) if i not in case.bad]
    equal(rows(tmp_path / "out"),
          np.concatenate([np.stack(features, axis=-1)[good], expected(case.bad)], axis=-1))
    assert [(r["source"], r["index"]) for r in rejected(tmp_path / "out")] == [
        (".", str(i)) for i in sorted(case.bad)]
    assert tree(tmp_path / "out/quarantine") == case.copies(tmp_path)

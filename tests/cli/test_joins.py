"""Samples put together from several files: folders that are samples, and lists of sources. Expected values
are NumPy's, of arrays that NumPy and Pillow read."""

import shutil

import numpy as np
import pytest
from PIL import Image

from support import equal, manifest, rows, samples, tree


def spec(*shape, dtype="uint16"):
    return {"shape": [None, *shape], "dtype": dtype}


@pytest.fixture
def save(tmp_path):
    """save(name, array): a PNG or NPY file by its ending."""

    def write(name, array):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, array)
        else:
            Image.fromarray(array).save(path)
        return array

    return write


@pytest.fixture
def take(kprep, job, tmp_path):
    """take(input, spec): what kprep run writes of it, the same by one thread and by eight."""

    def run(source, wanted, **keys):
        path = job(input=source, spec=wanted, output={"path": "out", "batch": 4}, **keys)
        for threads in (1, 8):
            shutil.rmtree(tmp_path / f"out{threads}", ignore_errors=True)
            kprep("run", path, "--output", f"out{threads}", "--threads", threads, rc=0)
            kprep("verify", f"out{threads}", rc=0)
        one, eight = tree(tmp_path / "out1"), tree(tmp_path / "out8")
        assert one == eight
        return rows(tmp_path / "out1")

    return run


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def plane(rng, height=5, width=7):
    return rng.integers(0, 65536, (height, width), dtype=np.uint16)


class TestFolders:
    def make(self, save, rng, count=11, folder="set"):
        """Per folder: two PNG planes, an NPY plane, an NPY stack of two; the files' natural order."""
        out = []
        for i in range(count):
            parts = [save(f"{folder}/s{i}/p2.png", plane(rng)), save(f"{folder}/s{i}/p10.png", plane(rng)),
                     save(f"{folder}/s{i}/q1.npy", plane(rng)),
                     save(f"{folder}/s{i}/q2.npy", rng.integers(0, 65536, (5, 7, 2), dtype=np.uint16))]
            out.append(np.dstack(parts))
        return np.stack(out)

    def test_each_is_a_sample_of_png_and_npy_planes(self, take, save, rng, tmp_path):
        expected = self.make(save, rng)
        equal(take({"path": "set", "join": "channels", "by": "folder"}, spec(5, 7, 5)), expected)
        table = samples(tmp_path / "out1")
        assert [row["source"] for row in table] == [f"s{i}" for i in range(11)]
        assert {row["index"] for row in table} == {""}
        channels = manifest(tmp_path / "out1")["arrays"]["x"]["channels"]
        assert [(c["source"], c["first"], c["count"]) for c in channels] == [
            ("s0/p2.png", 0, 1), ("s0/p10.png", 1, 1), ("s0/q1.npy", 2, 1), ("s0/q2.npy", 3, 2)]

    def test_by_option_and_order_bytes(self, kprep, save, rng, tmp_path):
        expected = self.make(save, rng, 12)
        (tmp_path / "spec.yaml").write_text("shape: [null, 5, 7, 5]\ndtype: uint16\n")
        kprep("run", "set", "--spec", "spec.yaml", "--by", "folder", "--join", "channels", "--order", "bytes",
              "--output", "out", rc=0)
        order = sorted(range(12), key=lambda i: f"s{i}")
        equal(rows(tmp_path / "out"), expected[order][..., [1, 0, 2, 3, 4]])

    def test_go_through_stages_and_shuffle(self, take, save, rng, kprep, job, tmp_path):
        expected = self.make(save, rng)
        result = take({"path": "set", "join": "channels", "by": "folder"}, spec(5, 7, 5, dtype="float32"),
                      pipeline=[{"rescale": "1/65535"}])
        equal(result, expected.astype(np.float32) * np.float32(1 / 65535))
        path = job(input={"path": "set", "join": "channels", "by": "folder"}, spec=spec(5, 7, 5),
                   output={"path": "mixed", "shuffle": {"seed": 7}})
        kprep("run", path, rc=0)
        order = np.random.Generator(np.random.Philox(key=[7, 0])).permutation(11)
        equal(rows(tmp_path / "mixed"), expected[order])

    def test_names_that_differ_in_zeros_stay_apart(self, take, save, rng):
        made = {f: [save(f"set/{f}/{n}.png", plane(rng)) for n in "ab"] for f in ("f1", "f01", "f2")}
        equal(take({"path": "set", "join": "channels", "by": "folder"}, spec(5, 7, 2)),
              np.stack([np.dstack(made[f]) for f in ("f1", "f01", "f2")]))

    def test_colour_images_add_their_channels_upright(self, take, save, rng, tmp_path):
        made = []
        for i in range(3):
            colour = rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)
            grey = save(f"set/{i}/b.png", rng.integers(0, 256, (4, 6), dtype=np.uint8))
            (tmp_path / f"set/{i}").mkdir(exist_ok=True)
            exif = Image.Exif()
            exif[0x0112] = 6
            Image.fromarray(colour).save(tmp_path / f"set/{i}/a.png", exif=exif)
            made.append(np.dstack([np.rot90(colour, -1), grey]))
        equal(take({"path": "set", "join": "channels", "by": "folder", "exif": "apply"},
                   spec(4, 6, 4, dtype="uint8")), np.stack(made))

    def test_another_number_of_planes_is_named(self, kprep, job, save, rng, tmp_path):
        self.make(save, rng, 8)
        (tmp_path / "set/s3/p2.png").unlink()
        (tmp_path / "set/s6/p2.png").unlink()
        path = job(input={"path": "set", "join": "channels", "by": "folder"}, spec=spec(5, 7, 5),
                   output={"path": "out"})
        problem = kprep("check", path, "--json", rc=1).problem("channel-count")
        assert "s3" in problem["message"] and problem["count"] == 2 and problem["axis"] == "c"
        assert problem["expected"].startswith("c = 5") and problem["found"].startswith("c = 4")
        assert problem["file"].endswith("set/s3")
        kprep("run", path, rc=1)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("other, wanted", [
        (np.zeros((5, 8), np.uint16), "axis-size"), (np.zeros((5, 7), np.float32), "dtype"),
        (np.zeros((5, 7), np.uint8), "dtype"), (np.zeros(7, np.uint16), "missing-axis")])
    def test_parts_that_differ_are_a_problem(self, kprep, job, save, rng, other, wanted):
        save("set/a/1.png", plane(rng))
        save("set/a/2.npy", other)
        problem = kprep("check", job(input={"path": "set", "join": "channels", "by": "folder"},
                                     spec=spec(5, 7, 2)), "--json", rc=1).problem(wanted)
        assert "a/2.npy" in problem["message"] and "a/1.png" in problem["message"]
        if wanted == "dtype":
            assert "uint16" in problem["expected"] and str(other.dtype) in problem["found"]
            assert "cast" in problem["help"]

    def test_mixed_depths_need_depth_8(self, kprep, job, take, save, rng):
        deep = save("set/a/1.png", plane(rng))
        flat = save("set/a/2.png", rng.integers(0, 256, (5, 7), dtype=np.uint8))
        source = {"path": "set", "join": "channels", "by": "folder"}
        problem = kprep("check", job(input=source, spec=spec(5, 7, 2, dtype="uint8")), "--json",
                        rc=1).problem("dtype")
        assert "depth: 8" in problem["help"]
        equal(take({**source, "depth": 8}, spec(5, 7, 2, dtype="uint8"), like="opencv"),
              np.dstack([(deep >> 8).astype(np.uint8), flat])[None])

    @pytest.mark.parametrize("extra, words", [("set/loose.png", "1 files lie beside"),
                                              ("set/s0/in/x.png", "1 in folders of such folders")])
    def test_loose_and_nested_files_are_refused(self, kprep, job, save, rng, extra, words):
        self.make(save, rng, 2)
        save(extra, plane(rng))
        answer = kprep("check", job(input={"path": "set", "join": "channels", "by": "folder"},
                                    spec=spec(5, 7, 5)), rc=2)
        assert words in answer.err

    def test_need_join_channels(self, kprep, job, save, rng):
        self.make(save, rng, 2)
        assert "join: channels" in kprep("check", job(input={"path": "set", "by": "folder"}, spec=spec(5, 7, 5)),
                                         rc=2).err

    def test_a_broken_plane_is_named(self, kprep, job, save, rng, tmp_path):
        self.make(save, rng, 6)
        broken = tmp_path / "set/s4/p10.png"
        broken.write_bytes(broken.read_bytes()[:-30])
        answer = kprep("run", job(input={"path": "set", "join": "channels", "by": "folder"}, spec=spec(5, 7, 5),
                                  output={"path": "out"}), "--json", rc=3)
        assert answer.problems[0]["file"].endswith("set/s4/p10.png")
        assert answer.problems[0]["sample"] == 4

    def test_stats(self, kprep, save, rng):
        expected = self.make(save, rng).astype(np.float64)
        result = kprep("stats", "set", "--join", "channels", "--by", "folder", "--json", rc=0).json
        np.testing.assert_allclose([c["mean"] for c in result["channels"]], expected.mean(axis=(0, 1, 2)),
                                   rtol=1e-9)


class TestSources:
    def test_colour_depth_and_features_by_position(self, take, save, rng, tmp_path):
        colour = np.stack([save(f"rgb/{i}.png", rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
                           for i in range(11)])
        depth = save("depth.npy", rng.integers(0, 256, (11, 5, 7), dtype=np.uint8))
        planes = [save(f"features/f{i}.npy", rng.integers(0, 256, (11, 5, 7), dtype=np.uint8))
                  for i in range(12)]
        result = take(["rgb", {"path": "depth.npy"}, {"path": "features", "join": "channels"}],
                      spec(5, 7, 16, dtype="uint8"))
        equal(result, np.concatenate([colour, depth[..., None], np.stack(planes, axis=-1)], axis=-1))
        assert [row["source"] for row in samples(tmp_path / "out1")] == [f"rgb/{i}.png" for i in range(11)]
        channels = manifest(tmp_path / "out1")["arrays"]["x"]["channels"]
        assert sum(c["count"] for c in channels) == 16 and channels[-1]["source"] == "features/f11.npy"

    def test_rows_of_several_files_follow_one_another(self, take, save, rng, tmp_path):
        a = [save(f"a/{i}.npy", rng.random((n, 4, 6), dtype=np.float32)) for i, n in enumerate((3, 1, 7))]
        b = save("b.npy", np.asfortranarray(rng.random((11, 4, 6, 2), dtype=np.float32)))
        equal(take(["a", "b.npy"], spec(4, 6, 3, dtype="float32")),
              np.concatenate([np.concatenate(a)[..., None], b], axis=-1))
        assert [(r["source"], r["index"]) for r in samples(tmp_path / "out1")][2:5] == [
            ("a/0.npy", "2"), ("a/1.npy", "0"), ("a/2.npy", "0")]

    def test_each_source_is_decoded_as_it_says(self, take, save, rng):
        colour = [save(f"rgb/{i}.png", rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)) for i in range(3)]
        deep = [save(f"deep/{i}.png", plane(rng)) for i in range(3)]
        equal(take(["rgb", {"path": "deep", "depth": 8}], spec(5, 7, 4, dtype="uint8"), like="opencv"),
              np.stack([np.dstack([c, (d >> 8).astype(np.uint8)]) for c, d in zip(colour, deep)]))

    def test_folders_beside_a_table_spread(self, take, save, rng):
        folders = TestFolders().make(save, rng)
        table = save("table.npy", rng.integers(0, 65536, (11, 9), dtype=np.uint16))
        expected = np.concatenate(
            [folders, np.broadcast_to(table[:, None, None, :], (11, 5, 7, 9))], axis=-1)
        source = {"path": "set", "join": "channels", "by": "folder"}
        spread = {"path": "table.npy", "broadcast": True}
        equal(take([source, spread], spec(5, 7, 14)), expected)
        equal(take([spread, source], spec(5, 7, 14)), np.roll(expected, 9, axis=-1))

    def test_the_sample_that_breaks_is_named_where_rows_are_read_together(self, kprep, job, save, rng, tmp_path):
        for i in range(11):
            save(f"rgb/{i}.png", rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        for i in range(3):
            save(f"features/f{i}.npy", rng.integers(0, 256, (11, 5, 7), dtype=np.uint8))
        broken = tmp_path / "rgb/7.png"
        broken.write_bytes(broken.read_bytes()[:-30])
        path = job(input=[{"path": "features", "join": "channels"}, "rgb"], output={"path": "out"},
                   spec=spec(5, 7, 6, dtype="uint8"))
        problem = kprep("run", path, "--json", rc=3).problems[0]
        assert problem["file"].endswith("rgb/7.png") and problem["sample"] == 7

    def test_nothing_is_spread_unasked(self, kprep, job, save, rng):
        TestFolders().make(save, rng)
        save("table.npy", np.zeros((11, 9), np.uint16))
        problem = kprep("check", job(input=[{"path": "set", "join": "channels", "by": "folder"}, "table.npy"],
                                     spec=spec(5, 7, 14)), "--json", rc=1).problem("missing-axis")
        assert "broadcast: true" in problem["help"]

    def test_one_source_may_spread_as_well(self, take, save, rng):
        planes = save("set/a.npy", rng.random((6, 3, 4), dtype=np.float32))
        table = save("set/b.npy", rng.random((6, 2), dtype=np.float32))
        equal(take({"path": "set", "join": "channels", "broadcast": True, "samples": "row"},
                   spec(3, 4, 3, dtype="float32")),
              np.concatenate([planes[..., None], np.broadcast_to(table[:, None, None], (6, 3, 4, 2))], axis=-1))

    def test_other_counts_are_a_problem(self, kprep, job, save, rng):
        save("a.npy", np.zeros((4, 5, 6), np.float32))
        save("b.npy", np.zeros((3, 5, 6), np.float32))
        problem = kprep("check", job(input=[{"path": "a.npy", "samples": "row"}, {"path": "b.npy", "samples": "row"}],
                                     spec=spec(5, 6, 2)), "--json", rc=1).problem("axis-size")
        assert problem["axis"] == "n" and "4 samples" in problem["expected"] and "3" in problem["found"]

    @pytest.mark.parametrize("where", [0, 1])
    def test_stems_pair_files_and_folders(self, take, save, rng, where):
        names = ["b", "a.x", "c10", "c9"]
        colour = {n: save(f"rgb/{n}.png", rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)) for n in names}
        depth = {n: save(f"depth/{i}/{n}.npy", rng.integers(0, 256, (5, 7), dtype=np.uint8))
                 for i, n in enumerate(names)}
        sources = [{"path": "rgb", "order": "bytes"}, {"path": "depth", "samples": "file"}]
        sources[where]["match"] = "stem"
        equal(take(sources, spec(5, 7, 4, dtype="uint8")),
              np.stack([np.dstack([colour[n], depth[n]]) for n in sorted(names)]))
        folders = {n: np.dstack([save(f"set/{n}/{k}.png", rng.integers(0, 256, (5, 7), dtype=np.uint8))
                                 for k in range(2)]) for n in ("c9", "b", "a.x", "c10")}
        equal(take([{"path": "rgb", "match": "stem"},
                    {"path": "set", "join": "channels", "by": "folder", "order": "bytes"}],
                   spec(5, 7, 5, dtype="uint8")),
              np.stack([np.dstack([colour[n], folders[n]]) for n in ("a.x", "b", "c9", "c10")]))

    def test_what_has_no_partner_is_listed(self, kprep, job, save, rng):
        image = np.zeros((5, 7), np.uint8)
        for i in range(10):
            save(f"a/{i}.png", image)
        for i in range(3, 11):
            save(f"b/{i}.png", image)
        problem = kprep("check", job(input=["a", {"path": "b", "match": "stem"}],
                                     spec=spec(5, 7, 2, dtype="uint8")), "--json", rc=3).problem("not-found")
        assert problem["count"] == 4 and "4 samples" in problem["message"]
        for words in ("0 (in a)", "1 (in a)", "2 (in a)", "10 (in b)"):
            assert words in problem["found"]

    @pytest.mark.parametrize("sources, words", [
        (["a", {"path": "rows.npy", "match": "stem", "samples": "row"}], "holds rows"),
        (["a", {"path": "twice", "match": "stem"}], "are called 1")])
    def test_stems_that_can_not_pair_are_refused(self, kprep, job, save, sources, words):
        image = np.zeros((5, 7), np.uint8)
        save("rows.npy", np.zeros((2, 5, 7), np.uint8))
        for name in ("a/1.png", "a/2.png", "twice/x/1.png", "twice/y/1.png"):
            save(name, image)
        answer = kprep("check", job(input=sources, spec=spec(5, 7, 2, dtype="uint8")), "--json")
        assert answer.rc == 2 and words in answer.problems[0]["message"]

    @pytest.mark.parametrize("source, words", [
        ([], "input"), ([{"order": "bytes"}], "path"), ([[1]], "a source of input"),
        ([{"path": "a", "axes": "hwh"}], "lower-case"), ({"path": "a", "match": "stem"}, "a list"),
        ({"path": "a", "broadcast": True}, "joined"),
        ([{"path": "a", "by": "folder"}], "join: channels"),
        ({"path": "a", "by": "folder", "join": "channels", "samples": "row"}, "leave one of them out"), ([{"path": "a", "broadcst": True}], "broadcast")])
    def test_senseless_sources_are_refused(self, kprep, job, source, words):
        assert words in kprep("check", job(input=source, spec=spec(5, 7, 2)), rc=2).err

    def test_options_hold_for_sources_that_do_not_say_otherwise(self, kprep, job, save, rng, tmp_path):
        deep = [save(f"deep/f{i}.png", plane(rng)) for i in (2, 10)]
        kept = [save(f"more/f{i}.png", plane(rng)) for i in (2, 10)]
        order = {"a": [0, 1], "b": [1, 0]}  # of f2 and f10: natural, and by bytes
        path = job(input=["deep", {"path": "more", "order": "natural"}], spec=spec(5, 7, 2, dtype="uint8"),
                   like="opencv", output={"path": "out"})
        kprep("run", path, "--order", "list", "--order", "bytes", "--set", "input.depth=8", rc=0)
        narrow = [[(x >> 8).astype(np.uint8) for x in part] for part in (deep, kept)]
        equal(rows(tmp_path / "out"), np.stack([np.dstack([narrow[0][i], narrow[1][j]])
                                                for i, j in zip(order["b"], order["a"])]))
        shown = kprep("run", path, "--order", "bytes", "--depth", 8, "--output", "o", "--dry-run", rc=0).out
        assert shown.count("depth: 8") == 2 and shown.count("order: bytes") == 1

    def test_samples_row_is_not_for_folders(self, kprep, job, save, rng, tmp_path):
        folders = TestFolders().make(save, rng)
        table = save("t.npy", rng.integers(0, 65536, (11, 5, 7), dtype=np.uint16))
        path = job(input=[{"path": "set", "join": "channels", "by": "folder"}, "t.npy"], spec=spec(5, 7, 6),
                   output={"path": "out"})
        kprep("run", path, "--samples", "row", rc=0)
        equal(rows(tmp_path / "out"), np.concatenate([folders, table[..., None]], axis=-1))

    def test_options_of_sources_are_checked(self, kprep, job, save):
        save("a.npy", np.zeros((2, 5, 7), np.uint16))
        path = job(input=["a.npy", "a.npy"], spec=spec(5, 7, 2))
        kprep("check", path, "--samples", "row", rc=0)
        assert "input.axes" in kprep("check", path, "--axes", "hh", rc=2).err
        assert "samples" in kprep("check", path, "--samples", "rows", rc=2).err
        assert "list of sources" in kprep("check", path, "--set", "input.path=b", rc=2).err
        assert "keys are" in kprep("check", path, "--set", "input.nonsense=b", rc=2).err

    def test_axes_join_by_name(self, take, save, rng, tmp_path):
        """Channels first, exchanged axes, planes and pictures: each beside the first source's order."""
        a = save("a.npy", rng.integers(0, 256, (4, 5, 7, 3), dtype=np.uint8))
        b = save("b.npy", rng.integers(0, 256, (4, 2, 7, 5), dtype=np.uint8))
        c = save("c.npy", rng.integers(0, 256, (4, 7, 5), dtype=np.uint8))
        images = np.stack([save(f"d/{i}.png", rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)) for i in range(4)])
        sources = ["a.npy", {"path": "b.npy", "axes": "cwh", "samples": "row"}, {"path": "c.npy", "axes": "whc"}, "d"]
        wanted = np.concatenate([a, b.transpose(0, 3, 2, 1), c.transpose(0, 2, 1)[..., None], images], axis=-1)
        equal(take(sources, spec(5, 7, 9, dtype="uint8")), wanted)
        turned = [{"path": "c.npy", "axes": "wh"}, "d", {"path": "a.npy", "axes": "hwc"}]
        equal(take(turned, spec(7, 5, 7, dtype="uint8")),
              np.concatenate([c[..., None], images.transpose(0, 2, 1, 3), a.transpose(0, 2, 1, 3)], axis=-1))
        assert manifest(tmp_path / "out1")["job"]["input"][2]["axes"] == "hwc"

    def test_axes_of_joined_files_and_of_folders(self, take, save, rng):
        stack = [save(f"f/{i}.npy", rng.integers(0, 256, (3, 6, 4, 2), dtype=np.uint8)) for i in range(2)]
        folders = [np.dstack([save(f"s/{i}/{k}.npy", rng.integers(0, 256, (6, 4), dtype=np.uint8)).T
                              for k in range(3)]) for i in range(3)]
        table = save("t.npy", rng.integers(0, 256, (3, 2), dtype=np.uint8))
        sources = [{"path": "t.npy", "broadcast": True},
                   {"path": "f", "join": "channels", "axes": "whc", "samples": "row"},
                   {"path": "s", "join": "channels", "by": "folder", "axes": "wh"}]
        expected = np.concatenate([np.broadcast_to(table[:, None, None], (3, 6, 4, 2)), *stack,
                                   np.stack(folders).transpose(0, 2, 1, 3)], axis=-1)
        equal(take(sources, spec(6, 4, 9, dtype="uint8")), expected)
        assert expected.shape == (3, 6, 4, 9)

    def test_axes_of_the_command_line_name_all(self, kprep, job, save, rng, tmp_path):
        a, b = (save(f"{n}.npy", rng.integers(0, 256, (4, 2, 5, 7), dtype=np.uint8)) for n in "ab")
        path = job(input=["a.npy", {"path": "b.npy", "axes": "cwh"}], spec=spec(5, 7, 4, dtype="uint8"),
                   output={"path": "out"})
        problem = kprep("check", path, "--axes", "chw", "--json", rc=1).problem("axis-size")
        assert "b.npy" in problem["message"]
        b = save("b.npy", b.transpose(0, 1, 3, 2))
        kprep("run", path, "--axes", "chw", rc=0)
        equal(rows(tmp_path / "out"), np.concatenate([a.transpose(0, 2, 3, 1), b.transpose(0, 3, 2, 1)], axis=-1))

    def test_axes_that_do_not_go_together(self, kprep, job, save):
        save("a.npy", np.zeros((4, 5, 7), np.uint16))
        answer = kprep("check", job(input=[{"path": "a.npy", "axes": "hw"}, {"path": "a.npy", "axes": "xyc"}],
                                    spec=spec(5, 7, 2)), rc=2)
        assert "name other axes" in answer.err
        problem = kprep("check", job(input=["a.npy", {"path": "a.npy", "axes": "thwc", "samples": "row"}],
                                     spec=spec(5, 7, 2)), "--json", rc=1).problem("missing-axis")
        assert "axes thw, with or without c" in problem["expected"]

    def test_a_plan_runs_as_it_is_printed(self, kprep, job, save, rng, tmp_path):
        expected = [save("a.npy", rng.random((4, 5, 6), dtype=np.float32)),
                    save("b.npy", rng.random((4, 5, 6), dtype=np.float32))]
        text = kprep("plan", job(input=["a.npy", "b.npy"], spec=spec(2, 5, 6, dtype="float32"),
                                 pipeline=["moveaxis 2 0"]), rc=0).out
        (tmp_path / "planned.yaml").write_text(text)
        kprep("run", "planned.yaml", "--output", "out", rc=0)
        equal(rows(tmp_path / "out"), np.stack(expected, axis=1))

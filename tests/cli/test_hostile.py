"""Hostile and odd surroundings: what a run leaves behind when it is stopped, names of any bytes,
closed descriptors, limits, and mutated files. $KPREP_BIN may be a sanitized program."""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image

from support import npy_bytes, tree

LOCKS = {".kprep/lock", ".kprep/claim"}  # left by a run that was killed

ANY_IMAGE = {"shape": [None, None, None, None], "dtype": "uint8"}
ANY_ROWS = {"shape": [None, None], "dtype": "float32"}


@pytest.fixture
def stopped(kprep, job, arrays, tmp_path):
    """A folder in which a run with a split was stopped by a NaN at the start of the second part."""
    rows = np.zeros((40, 3), np.float32)
    rows[20, 1] = np.nan
    out = tmp_path / "out"
    file = job("first.json", input={"path": str(arrays("rows.npy", rows)), "samples": "row"},
               spec=ANY_ROWS, output={"path": str(out), "batch": 4,
                                      "split": {"train": 0.5, "validation": 0.5}})
    assert kprep("run", file, "--json", "--threads", "1", rc=1).ids == ["non-finite"]
    return out


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)).save(path)
    return path


class TestLeftovers:
    def test_force_leaves_nothing_of_a_run_that_was_stopped(self, kprep, job, picture, stopped):
        other = job(input=str(picture), spec=ANY_IMAGE, output={"path": str(stopped)})
        assert kprep("run", other, "--json", rc=2).ids == ["plan-changed"]
        kprep("run", other, "--force", rc=0)
        assert sorted(p.name for p in stopped.iterdir()) == ["manifest.json", "samples.csv",
                                                             "x-00000.npy"]

    def test_force_leaves_files_of_others(self, kprep, job, picture, stopped):
        (stopped / "validation/notes.txt").write_text("mine")
        (stopped / "x-00007.npy").write_text("mine too")
        other = job(input=str(picture), spec=ANY_IMAGE, output={"path": str(stopped)})
        kprep("run", other, "--force", rc=0)
        assert (stopped / "validation/notes.txt").read_text() == "mine"
        assert (stopped / "x-00007.npy").read_text() == "mine too"

    def test_every_file_is_named_by_the_journal(self, stopped):
        """Also one that a kill left between its rename and the next line."""
        lines = [json.loads(line) for line in (stopped / ".kprep/journal").read_text().split("\n")
                 if line]
        named = {file[0] for line in lines for file in line.get("files", [])}
        files = {str(p.relative_to(stopped)) for p in stopped.rglob("*.npy")}
        assert files and files <= named
        assert {line.get("table") for line in lines} >= {"train/samples.csv",
                                                         "validation/samples.csv"}

    def test_a_folder_with_a_damaged_journal_is_left_as_it_is(self, kprep, job, picture, stopped):
        (stopped / ".kprep/journal").write_text("damaged\n")
        before = tree(stopped)
        other = job(input=str(picture), spec=ANY_IMAGE, output={"path": str(stopped)})
        for force in ([], ["--force"]):
            assert kprep("run", other, "--json", *force, rc=2).ids == ["plan-changed"]
        after = tree(stopped)
        assert {k: v for k, v in before.items() if k not in LOCKS} == \
               {k: v for k, v in after.items() if k not in LOCKS}

    @pytest.mark.parametrize("rejects", [
        [[1, 26, "bad", 1]], [[1, 26, "bad", 7]], [[1, 26, "bad", -1]],  # an array that is none
        [[10 ** 9, 26, "bad", 0]], [[-10 ** 9, 26, "bad", 0]], [[4, 26, "bad", 0]],  # rows
        [[1, 26, "bad", 0]] * 2, [[2, 26, "bad", 0], [1, 26, "bad", 0]], []])
    def test_a_journal_that_can_not_be_right_is_not_believed(self, kprep, job, arrays, tmp_path, rejects):
        rows = np.zeros((12, 3), np.float32)
        rows[9, 1] = np.nan
        file = job(input={"path": str(arrays("rows.npy", rows)), "samples": "row"}, spec=ANY_ROWS,
                   labels=str(arrays("labels.npy", np.arange(12, dtype=np.int32))), on_error="skip",
                   output={"path": "out", "batch": 4, "shuffle": {"seed": 1}})
        kprep("run", file, rc=0)
        out = tmp_path / "out"
        before = tree(out)
        manifest = json.loads((out / "manifest.json").read_text())
        files = [[f["path"], f["bytes"], f["xxh128"], [9, 0, 0, 0.0, 0.0, 0.0, 0.0]]
                 for f in manifest["files"] if f["path"].endswith("-00000.npy")]
        lines = [{"kprep": "0", "plan": manifest["plan"]},
                 {"batch": 0, "rows": 3, "rejects": rejects, "files": files}]
        (out / "manifest.json").unlink()
        (out / ".kprep").mkdir()
        (out / ".kprep/journal").write_text("".join(json.dumps(line) + "\n" for line in lines))
        kprep("run", file, rc=0)
        assert tree(out) == before

    def test_what_a_kill_behind_the_manifest_leaves_is_cleared(self, kprep, job, picture, tmp_path):
        file = job(input=str(picture), spec=ANY_IMAGE, output={"path": "out"})
        kprep("run", file, rc=0)
        before = tree(tmp_path / "out")
        plan = json.loads((tmp_path / "out/manifest.json").read_text())["plan"]
        (tmp_path / "out/.kprep").mkdir()
        (tmp_path / "out/.kprep/journal").write_text(json.dumps({"kprep": "0", "plan": plan}) + "\n")
        kprep("run", file, rc=0)
        assert tree(tmp_path / "out") == before and not (tmp_path / "out/.kprep").exists()

    @pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
    def test_killed_and_resumed(self, kprep, binary, job, arrays, tmp_path, sent):
        path = arrays("rows.npy", np.random.default_rng(1).random((3000, 64)).astype(np.float32))
        keys = {"input": {"path": str(path), "samples": "row"}, "spec": ANY_ROWS}
        output = {"batch": 8, "shuffle": {"seed": 3}, "split": {"a": 0.7, "b": 0.3}}
        whole = job("whole.json", **keys, output={"path": str(tmp_path / "whole"), **output})
        kprep("run", whole, "--threads", "1", rc=0)
        out = tmp_path / "cut"
        cut = job("cut.json", **keys, output={"path": str(out), **output})
        pause = random.Random(5)
        for threads in (1, 3, 2, 5):
            run = subprocess.Popen([binary, "run", cut, "--threads", str(threads)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                run.wait(pause.uniform(0.01, 0.1))
            except subprocess.TimeoutExpired:
                run.send_signal(sent)
            # A signal may come before the program is there to catch it.
            assert run.wait(60) in (0, -sent, 130)
        kprep("run", cut, rc=0)
        assert tree(out) == tree(tmp_path / "whole")


class TestNames:
    def test_classes_of_any_bytes(self, kprep, job, picture, tmp_path):
        """A list of classes with one missing would give the later ones wrong numbers."""
        photos = os.fsencode(tmp_path / "photos")
        for name in (b"a", b"b\xff", b"c\nd", b"-z"):
            os.makedirs(os.path.join(photos, name))
            with open(os.path.join(photos, name, b"x\xfe.png"), "wb") as file:
                file.write(picture.read_bytes())
        out = tmp_path / "out"
        kprep("run", job(input="photos", labels="folder", spec=ANY_IMAGE, output={"path": "out"}), rc=0)
        classes = json.loads((out / "manifest.json").read_text())["classes"]
        assert classes == ["-z", "a", "b?", "c\nd"]
        assert b"b\xff/x\xfe.png" in (out / "samples.csv").read_bytes()
        assert np.load(out / "y-00000.npy").tolist() == [0, 1, 2, 3]
        kprep("verify", out, rc=0)

    def test_channels_of_any_bytes(self, kprep, job, tmp_path):
        os.mkdir(tmp_path / "planes")
        for i, name in enumerate((b"a.npy", b"b\xff.npy", b"c.npy")):
            with open(os.path.join(os.fsencode(tmp_path), b"planes", name), "wb") as file:
                file.write(npy_bytes(np.full((2, 3, 4), i, np.float32)))
        spec = {"shape": [None, 3, 4, 3], "dtype": "float32"}
        kprep("run", job(input={"path": "planes", "join": "channels"}, spec=spec,
                         output={"path": "out"}), rc=0)
        manifest = json.loads((tmp_path / "out/manifest.json").read_text())
        assert [c["source"] for c in manifest["arrays"]["x"]["channels"]] == ["a.npy", "b?.npy", "c.npy"]

    @pytest.mark.parametrize("name", ["manifest.json", "a..b", "../a", "a/b", ".kprep", "a" * 64])
    def test_names_of_a_split(self, kprep, job, arrays, tmp_path, name):
        rows = arrays("rows.npy", np.zeros((4, 3), np.float32))
        file = job(input=str(rows), spec=ANY_ROWS,
                   output={"path": "out", "split": {name: 0.5, "z": 0.5}})
        assert kprep("run", file, "--json", rc=2).ids == ["bad-option"]
        assert not (tmp_path / "out").exists()

    def test_a_misfit_of_joined_files_tells_its_own_shape(self, kprep, arrays, job):
        arrays("planes/1.npy", np.zeros((2, 6, 6), np.float32))
        arrays("planes/2.npy", np.zeros((2, 5, 6), np.uint8))
        spec = {"shape": [None, 6, 6, 2], "dtype": "float32"}
        problem = kprep("check", job(input={"path": "planes", "join": "channels"}, spec=spec), "--json",
                        rc=1).problems[0]
        assert problem["file"].endswith("2.npy")
        assert "stored as (2, 5, 6) uint8" in problem["found"]


class TestSurroundings:
    def test_a_closed_descriptor_is_not_taken_by_a_file(self, binary, arrays, job, tmp_path):
        """The program's own files must not get number 2: messages would be written into them."""
        rows = arrays("rows.npy", np.zeros((40, 3), np.float32))
        file = job(input={"path": str(rows), "samples": "row"}, spec=ANY_ROWS,
                   output={"path": "out", "batch": 1})
        command = ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", binary, "run", file,
                   "--progress", "json"]
        if shutil.which("strace"):
            command = ["strace", "-f", "-y", "-o", "trace", "-e", "trace=write", *command]
        done = subprocess.run(command, cwd=tmp_path,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        assert done.returncode == 4  # its answer could not be written
        trace = tmp_path / "trace"
        if trace.exists():
            text = trace.read_text()
            assert "write(" in text and not re.search(rf"write\([012]<{tmp_path}", text)

    def test_limit_of_file_size(self, kprep, arrays, job, tmp_path):
        rows = arrays("rows.npy", np.zeros((4000, 64), np.float32))
        file = job(input=str(rows), spec=ANY_ROWS, output={"path": "out"})
        answer = kprep("run", file, "--json", rc=4, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (10000, 10000)))
        assert answer.ids == ["unwritable"]
        kprep("run", file, rc=0)
        kprep("verify", tmp_path / "out", rc=0)


def mutate(data, pick):
    """A few bytes changed, cut, repeated or replaced by numbers that overflow."""
    data = bytearray(data)
    words = [b"9223372036854775807", b"-1", b"1e400", b".nan", b"null", b"[", b"}", b"\xff", b"\0", b"\n"]
    for _ in range(pick.choice((1, 1, 2, 4))):
        at = pick.randrange(len(data) + 1)
        kind = pick.randrange(4)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << pick.randrange(8)
        elif kind == 1:
            del data[at:at + pick.choice((1, 4, 1000))]
        elif kind == 2:
            data[at:at] = data[:at][-pick.choice((1, 8, 64)):]
        else:
            data[at:at] = pick.choice(words)
    return bytes(data)


class TestMutations:
    """Whatever is in a file, there is one answer in JSON, an exit code of the table, and no crash."""

    ROUNDS = 25

    def answer(self, kprep, *args):
        result = kprep(*args, "--json", timeout=20)
        assert result.rc in (0, 1, 2, 3), result
        assert bool(result.problems) == (result.rc != 0), result
        assert len(result.text) < 20000, "a wall of text"
        return result

    @pytest.mark.parametrize("kind", ["array", "picture", "job", "manifest", "journal"])
    def test_mutated(self, kprep, job, arrays, picture, tmp_path, kind):
        pick = random.Random(kind)
        rows = arrays("rows.npy", np.zeros((20, 3), np.float32))
        good = job(input={"path": str(rows), "samples": "row"}, spec=ANY_ROWS,
                   pipeline=[{"clip": [0, 1]}, {"rescale": {"scale": "1/255"}}],
                   output={"path": "out", "batch": 4, "shuffle": {"seed": 2}})
        kprep("run", good, rc=0)
        journal = tmp_path / "cut/.kprep/journal"
        if kind == "journal":
            bad = np.zeros((20, 3), np.float32)
            bad[-1] = np.nan
            cut = job("cut.json", input={"path": str(arrays("bad.npy", bad)), "samples": "row"},
                      spec=ANY_ROWS, output={"path": "cut", "batch": 2})
            kprep("run", cut, "--threads", "1", rc=1)
        path = {"array": rows, "picture": picture, "job": good, "journal": journal,
                "manifest": tmp_path / "out/manifest.json"}[kind]
        original = path.read_bytes()
        for _ in range(self.ROUNDS):
            path.write_bytes(mutate(original, pick))
            if kind == "manifest":
                self.answer(kprep, "verify", "out")
            elif kind == "journal":
                before = path.read_bytes()
                if self.answer(kprep, "run", cut).rc == 2:  # not known as kprep's: left as it is
                    assert path.read_bytes() == before
            elif kind == "job":
                self.answer(kprep, "check", path)
            else:
                self.answer(kprep, "inspect", path)


def test_a_manifest_of_very_many_files_ends_in_a_thousand_problems(kprep, tmp_path):
    entry = {"path": "x-00000.npy", "array": "x", "first": 0, "rows": 1, "bytes": 1, "xxh128": "0" * 32}
    (tmp_path / "out").mkdir()
    (tmp_path / "out/manifest.json").write_text(json.dumps({"kprep": "0", "files": [entry] * 5000}))
    answer = kprep("verify", tmp_path / "out", "--json", rc=1)
    assert len(answer.problems) == 1000 and set(answer.ids) == {"not-found"}

"""--shard and merge: parts of a job, written by processes that know nothing of one another."""

import fcntl
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from support import ROOT, equal, manifest, rows, tree

pytestmark = pytest.mark.pipeline

N = 103
X = np.random.default_rng(1).normal(size=(N, 6, 5)).astype(np.float32)
SPEC = {"shape": [None, 6, 5]}


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "PMI_")):
            monkeypatch.delenv(name)


@pytest.fixture
def whole(kprep, job, tmp_path):
    """The job, and the bytes that one process writes."""
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", np.arange(N))

    def make(**output):
        keys = dict(input={"path": "x.npy", "samples": "row"}, spec=SPEC, labels="y.npy")
        kprep("run", job("one.yaml", **keys, output={"path": "one", "batch": 10, **output}), rc=0)
        path = job("parts.yaml", **keys, output={"path": "out", "batch": 10, **output})
        return path, tree(tmp_path / "one")

    return make


class TestParts:
    @pytest.mark.parametrize("shards", [1, 2, 3, 11, 40])
    def test_the_same_bytes_as_one_process(self, kprep, whole, tmp_path, shards):
        path, expected = whole(shuffle={"seed": 5})
        order = np.random.default_rng(shards).permutation(shards)
        for i in order:
            kprep("run", path, "--shard", f"{i}/{shards}", "--threads", 1 + i % 3, rc=0)
            assert not (tmp_path / "out/manifest.json").exists()
        kprep("merge", "out", rc=0)
        assert tree(tmp_path / "out") == expected
        kprep("verify", "out", rc=0)

    def test_with_splits(self, kprep, whole, tmp_path):
        path, expected = whole(split={"train": 0.7, "validation": 0.3})
        for i in range(3):
            kprep("run", path, "--shard", f"{i}/3", rc=0)
        kprep("merge", "out", rc=0)
        assert tree(tmp_path / "out") == expected

    def test_at_the_same_time(self, binary, kprep, whole, tmp_path):
        path, expected = whole()
        running = [subprocess.Popen([binary, "run", path, "--shard", f"{i}/6", "--quiet"], cwd=tmp_path)
                   for i in range(6)]
        assert [p.wait(timeout=60) for p in running] == [0] * 6
        kprep("merge", "out", rc=0)
        assert tree(tmp_path / "out") == expected

    def test_merge_from_anywhere(self, kprep, whole, tmp_path):
        path, expected = whole()
        for i in range(2):
            kprep("run", path, "--shard", f"{i}/2", rc=0)
        shutil.move(tmp_path / "out", tmp_path / "moved")
        (tmp_path / "else").mkdir()
        kprep("merge", tmp_path / "moved", rc=0, cwd=tmp_path / "else")
        assert tree(tmp_path / "moved") == expected

    def test_a_run_alone_completes_what_shards_began(self, kprep, whole, tmp_path):
        path, expected = whole()
        kprep("run", path, "--shard", "1/3", rc=0)
        before = (tmp_path / "out/x-00005.npy").stat().st_mtime_ns
        kprep("run", path, rc=0)
        assert tree(tmp_path / "out") == expected
        assert (tmp_path / "out/x-00005.npy").stat().st_mtime_ns == before

    def test_a_shard_again(self, kprep, whole, tmp_path):
        path, expected = whole()
        kprep("run", path, "--shard", "0/2", rc=0)
        stamp = (tmp_path / "out/x-00000.npy").stat().st_mtime_ns
        kprep("run", path, "--shard", "0/2", rc=0)
        assert (tmp_path / "out/x-00000.npy").stat().st_mtime_ns == stamp
        kprep("run", path, "--shard", "1/2", rc=0)
        kprep("merge", "out", rc=0)
        assert tree(tmp_path / "out") == expected

    def test_another_number_later(self, kprep, whole, tmp_path):
        path, expected = whole()
        kprep("run", path, "--shard", "0/2", rc=0)
        for i in range(3):
            kprep("run", path, "--shard", f"{i}/3", rc=0)
        kprep("merge", "out", rc=0)
        assert tree(tmp_path / "out") == expected

    def test_summary_is_of_the_part(self, kprep, whole):
        path, _ = whole()
        result = kprep("run", path, "--shard", "1/2", rc=0)
        assert "wrote 43 samples in 5 batches" in result.out  # of eleven, six are the first part's
        assert "kprep merge" in result.err

    def test_rejects(self, kprep, job, tmp_path):
        x = X.copy()
        x[[3, 50, 51, 90]] = np.nan
        np.save(tmp_path / "x.npy", x)
        keys = dict(input={"path": "x.npy", "samples": "row"}, spec=SPEC, on_error="skip")
        kprep("run", job("one.yaml", **keys, output={"path": "one", "batch": 10}), rc=0)
        path = job("parts.yaml", **keys, output={"path": "out", "batch": 10})
        for i in range(3):
            kprep("run", path, "--shard", f"{i}/3", rc=0)
        assert "4 of 103 samples were rejected" in kprep("merge", "out", rc=0).err
        assert tree(tmp_path / "out") == tree(tmp_path / "one")
        equal(rows(tmp_path / "out"), X[[i for i in range(N) if i not in (3, 50, 51, 90)]])

    def test_max_bad_counts_all_parts(self, kprep, job, tmp_path):
        x = X.copy()
        x[[3, 90]] = np.nan
        np.save(tmp_path / "x.npy", x)
        path = job(input={"path": "x.npy", "samples": "row"}, spec=SPEC, on_error="skip", max_bad=1,
                   output={"path": "out", "batch": 10})
        codes = [kprep("run", path, "--shard", f"{i}/2").rc for i in range(2)]
        assert codes[0] == 0
        if codes[1] == 0:
            assert kprep("merge", "out", "--json", rc=3).ids == ["too-many-bad"]
        assert not (tmp_path / "out/manifest.json").exists()


class TestMerge:
    def test_missing_parts(self, kprep, whole, tmp_path):
        path, _ = whole()
        kprep("run", path, "--shard", "0/2", rc=0)
        problem = kprep("merge", "out", "--json", rc=1).problem("not-found")
        assert "5 of 11 batches are missing, the first is 6" in problem["message"]
        assert not (tmp_path / "out/manifest.json").exists()

    def test_a_file_that_is_gone_or_short(self, kprep, whole, tmp_path):
        path, expected = whole()
        for i in range(2):
            kprep("run", path, "--shard", f"{i}/2", rc=0)
        (tmp_path / "out/x-00003.npy").unlink()
        os.truncate(tmp_path / "out/y-00008.npy", 100)
        assert "2 of 11" in kprep("merge", "out", "--json", rc=1).problems[0]["message"]
        for i in range(2):
            kprep("run", path, "--shard", f"{i}/2", rc=0)
        kprep("merge", "out", rc=0)
        assert tree(tmp_path / "out") == expected

    def test_input_changed_meanwhile(self, kprep, whole, tmp_path):
        path, _ = whole()
        for i in range(2):
            kprep("run", path, "--shard", f"{i}/2", rc=0)
        np.save(tmp_path / "x.npy", X[:-1])
        np.save(tmp_path / "y.npy", np.arange(N - 1))
        assert kprep("merge", "out", "--json", rc=2).ids == ["plan-changed"]

    def test_nothing_to_merge(self, kprep, whole, tmp_path):
        whole()
        assert "already" in kprep("merge", "one", "--json", rc=3).problems[0]["message"]
        (tmp_path / "empty").mkdir()
        assert "no parts" in kprep("merge", "empty", "--json", rc=3).problems[0]["message"]
        assert kprep("merge", "nowhere", "--json", rc=3).ids == ["not-found"]
        assert list((tmp_path / "empty").iterdir()) == []

    def test_twice(self, kprep, whole):
        path, _ = whole()
        kprep("run", path, "--shard", "0/1", rc=0)
        kprep("merge", "out", rc=0)
        assert "already" in kprep("merge", "out", "--json", rc=3).problems[0]["message"]
        assert "complete already" in kprep("run", path, "--shard", "0/1", rc=0).out


class TestLocks:
    def hold(self, folder, name):
        (folder / ".kprep").mkdir(parents=True, exist_ok=True)
        file = open(folder / ".kprep" / name, "w")
        fcntl.flock(file, fcntl.LOCK_SH)
        return file

    def test_the_same_shard_twice(self, kprep, whole, tmp_path):
        path, _ = whole()
        with self.hold(tmp_path / "out", "lock-0-of-2"):
            assert kprep("run", path, "--shard", "0/2", "--json", rc=4).ids == ["locked"]
            kprep("run", path, "--shard", "1/2", rc=0)
        kprep("run", path, "--shard", "0/2", rc=0)

    def test_another_number_of_shards(self, kprep, whole, tmp_path):
        path, _ = whole()
        with self.hold(tmp_path / "out", "lock-of-3"):
            assert kprep("run", path, "--shard", "0/2", "--json", rc=4).ids == ["locked"]

    @pytest.mark.parametrize("command", ["run", "merge"])
    def test_a_run_alone_beside_shards(self, kprep, whole, tmp_path, command):
        path, _ = whole()
        kprep("run", path, "--shard", "0/2", rc=0)
        with self.hold(tmp_path / "out", "lock"):
            target = "out" if command == "merge" else path
            assert kprep(command, target, "--json", rc=4).ids == ["locked"]
            kprep("run", path, "--shard", "1/2", rc=0)
        kprep("merge", "out", rc=0)

    def test_force_does_not_pull_the_floor_from_others(self, kprep, whole, job, tmp_path):
        path, _ = whole()
        kprep("run", path, "--shard", "0/2", rc=0)
        other = job("other.yaml", input={"path": "x.npy", "samples": "row"}, spec=SPEC,
                    output={"path": "out", "batch": 7})
        assert kprep("run", other, "--shard", "0/2", "--json", rc=2).ids == ["plan-changed"]
        with self.hold(tmp_path / "out", "lock"):
            assert kprep("run", other, "--shard", "0/2", "--force", "--json", rc=4).ids == ["locked"]
        for i in range(2):
            kprep("run", other, "--shard", f"{i}/2", "--force", rc=0)
        kprep("merge", "out", rc=0)
        equal(rows(tmp_path / "out"), X)
        assert manifest(tmp_path / "out")["counts"]["written"] == N


class TestKilled:
    def test_a_killed_shard_goes_on(self, binary, kprep, job, tmp_path):
        x = np.random.default_rng(2).normal(size=(4000, 64, 64)).astype(np.float32)
        np.save(tmp_path / "x.npy", x)
        keys = dict(input={"path": "x.npy", "samples": "row"}, spec={"shape": [None, 64, 64]})
        kprep("run", job("one.yaml", **keys, output={"path": "one", "batch": 8}), rc=0)
        path = job("parts.yaml", **keys, output={"path": "out", "batch": 8})
        for delay in (0.01, 0.05, 0.1, 0.2):
            for i in range(2):
                process = subprocess.Popen([binary, "run", path, "--shard", f"{i}/2", "--quiet"],
                                           cwd=tmp_path)
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
                process.wait()
        for i in range(2):
            kprep("run", path, "--shard", f"{i}/2", rc=0)
        kprep("merge", "out", rc=0)
        assert tree(tmp_path / "out") == tree(tmp_path / "one")


class TestUsage:
    @pytest.mark.parametrize("value", ["2/2", "-1/2", "1", "1/0", "a/b", "0/2/3", "0x1/2", " 0/2", "",
                                       "0/99999999"])
    def test_bad_values(self, kprep, whole, value):
        path, _ = whole()
        assert kprep("run", path, "--shard", value, "--json", rc=2).ids == ["bad-option"]

    def test_not_with_one_batch(self, kprep, whole, tmp_path):
        path, _ = whole(batch="all")
        assert kprep("run", path, "--shard", "0/2", "--json", rc=2).ids == ["bad-option"]
        assert not (tmp_path / "out").exists()

    def test_not_with_retry(self, kprep, whole):
        path, _ = whole()
        assert kprep("run", path, "--shard", "0/2", "--retry", "--json", rc=2).ids == ["bad-option"]


class TestSchedulers:
    ENVIRONMENTS = [
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "3"}, "Slurm: part 1 of 3"),
        ({"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "3"},
         "Slurm: part 2 of 4"),
        ({"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "4",
          "SLURM_ARRAY_TASK_STEP": "4", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"},
         "Slurm: part 2 of 6"),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4", "SLURM_PROCID": "0",
          "SLURM_NTASKS": "1"}, "Open MPI: part 2 of 4"),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, "MPI: part 0 of 2"),
    ]

    @pytest.mark.parametrize("environment,text", ENVIRONMENTS)
    def test_auto(self, kprep, whole, environment, text):
        path, _ = whole()
        result = kprep("run", path, "--shard", "auto", rc=0, env=environment)
        assert text in result.err

    @pytest.mark.parametrize("environment,text", ENVIRONMENTS)
    def test_without_it_a_run_only_says_so(self, kprep, whole, tmp_path, environment, text):
        path, expected = whole()
        result = kprep("run", path, rc=0, env=environment)
        assert "--shard auto" in result.err
        assert tree(tmp_path / "out") == expected

    def test_one_task_is_no_news(self, kprep, whole):
        path, _ = whole()
        environment = {"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
        assert "shard" not in kprep("run", path, rc=0, env=environment).err

    @pytest.mark.parametrize("environment", [{}, {"SLURM_PROCID": "1"}, {"PMI_RANK": "3", "PMI_SIZE": "2"},
                                             {"SLURM_PROCID": "x", "SLURM_NTASKS": "4"}])
    def test_auto_needs_a_scheduler(self, kprep, whole, environment):
        path, _ = whole()
        result = kprep("run", path, "--shard", "auto", "--json", rc=2, env=environment)
        assert result.ids == ["bad-option"]


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no mpirun")
def test_the_example_for_mpi(binary, kprep, whole, tmp_path):
    """Under a real mpirun, of more tasks than batches."""
    path, expected = whole()
    env = {**os.environ, "KPREP": str(binary), "OMPI_ALLOW_RUN_AS_ROOT": "1",
           "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    subprocess.run(["sh", ROOT / "examples/cluster/mpi.sh", "13", path, "out"], cwd=tmp_path, env=env,
                   check=True, capture_output=True, timeout=120)
    assert tree(tmp_path / "out") == expected


def test_the_examples_for_slurm(binary, kprep, whole, tmp_path):
    """srun and the array's environment played: each task gets its variables, no more."""
    path, expected = whole()
    srun = tmp_path / "bin/srun"
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\nfor i in 0 1 2; do SLURM_PROCID=$i SLURM_NTASKS=3 "$@" || exit; done\n')
    srun.chmod(0o755)
    env = {**os.environ, "KPREP": str(binary), "PATH": f"{srun.parent}:{os.environ['PATH']}"}
    subprocess.run(["sh", ROOT / "examples/cluster/slurm-tasks.sh", path, "out"], cwd=tmp_path, env=env,
                   check=True, capture_output=True, timeout=120)
    assert tree(tmp_path / "out") == expected
    shutil.rmtree(tmp_path / "out")
    for i in range(4):
        array = {"SLURM_ARRAY_TASK_ID": str(i), "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0"}
        subprocess.run(["sh", ROOT / "examples/cluster/slurm-array.sh", path], cwd=tmp_path,
                       env={**env, **array}, check=True, capture_output=True, timeout=120)
    kprep("merge", "out", rc=0)
    assert tree(tmp_path / "out") == expected

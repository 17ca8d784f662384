"""What changes under a run, or is not to be had: files, folders, space, descriptors, memory, time.

"stop" halts a run at a call of its own, so that what is done to it happens at one known place.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from harness import Work, tree
from works import write

ROWS = 40


@pytest.fixture
def rows(room, request):
    folder = room / request.node.name.replace("/", "-")
    folder.mkdir()
    np.save(folder / "rows.npy", np.random.default_rng(1).random((ROWS, 300)).astype(np.float32))
    np.save(folder / "labels.npy", np.arange(ROWS))
    job = write(folder / "job.json", input={"path": "rows.npy", "samples": "row"},
                labels="labels.npy", spec={"shape": [None, 300], "dtype": "float32"},
                output={"batch": 4})
    return Work("rows", folder, [["run", job, "--output", "{out}", "--threads", "1"]])


@pytest.fixture
def images(room, request):
    folder = room / request.node.name
    folder.mkdir()
    for i in range(6):
        np.save(folder / f"{i}.npy", np.full((3, 4), i, np.float32))
    job = write(folder / "job.json", input={"path": "?.npy", "samples": "file"},
                spec={"shape": [None, 3, 4], "dtype": "float32"}, output={"batch": 2})
    return Work("files", folder, [["run", job, "--output", "{out}", "--threads", "1"]])


@pytest.fixture
def halted(bench):
    """halted(work, fault) begins a run that stops itself; what it gives is called to go on."""
    started = []

    def start(work, fault):
        out = work.folder / "out"
        args = [str(a).replace("{out}", str(out)) for a in work.steps[0]]
        env = {**os.environ, "LD_PRELOAD": str(bench.shim), "KPREP_FAULT": fault}
        run = subprocess.Popen([str(bench.binary), *args], cwd=work.folder, env=env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
        started.append(run)
        _, status = os.waitpid(run.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "the run did not come to that call"

        def go_on(*signals):
            for number in signals:
                run.send_signal(number)
            run.send_signal(signal.SIGCONT)
            _, err = run.communicate(timeout=60)
            return run.returncode, err

        return go_on

    yield start
    for run in started:
        if run.poll() is None:
            run.kill()
            run.wait()


def run(bench, work, *extra, **popen):
    bench.tally["surroundings"] = bench.tally.get("surroundings", 0) + 1
    return bench.run(work, work.steps[0], work.folder / "out", extra=extra, **popen)


def ends(result, rc, wanted):
    code, err = result if isinstance(result, tuple) else (result.rc, result.err)
    assert code == rc and f"error[{wanted}]" in err, (code, err)
    assert err.count("kprep: error[") == 1, err


def finish(bench, work):
    """The same command again; the data set is what an undisturbed run writes."""
    assert run(bench, work).rc == 0
    whole = work.folder / "whole"
    assert bench.run(work, work.steps[0], whole).rc == 0
    assert tree(work.folder / "out") == tree(whole)


# ---- a job that is gone on with ----

BEGUN = "rename:9:stop"  # some batches are done


@pytest.fixture
def begun(rows, halted):
    halted(rows, BEGUN)(signal.SIGKILL)
    return rows


def test_a_changed_time_of_input(bench, begun):
    os.utime(begun.folder / "rows.npy", (1, 1))
    result = run(bench, begun)
    ends(result, 2, "plan-changed")
    assert "rows.npy of" in result.err and "changed 1970-01-01 00:00:01" in result.err


def test_a_changed_size_of_input(bench, begun):
    np.save(begun.folder / "rows.npy", np.zeros((ROWS + 4, 300), np.float32))
    np.save(begun.folder / "labels.npy", np.arange(ROWS + 4))
    ends(run(bench, begun), 2, "plan-changed")


def test_changed_labels(bench, begun):
    np.save(begun.folder / "labels.npy", np.arange(ROWS)[::-1])
    result = run(bench, begun)
    ends(result, 2, "plan-changed")
    assert "labels.npy of" in result.err


@pytest.mark.parametrize("change", [{"output": {"batch": 5}}, {"like": "pillow"},
                                    {"spec": {"shape": [None, 300], "dtype": "float64"}}])
def test_a_changed_job(bench, begun, change):
    job = begun.folder / "job.json"
    job.write_text(json.dumps({**json.loads(job.read_text()), **change}))
    ends(run(bench, begun), 2, "plan-changed")


def test_a_changed_list_of_input(bench, images, halted):
    halted(images, "rename:2:stop")(signal.SIGKILL)
    np.save(images.folder / "7.npy", np.zeros((3, 4), np.float32))
    ends(run(bench, images), 2, "plan-changed")


@pytest.mark.parametrize("name", ["rows.npy", "labels.npy"])
def test_paranoid_sees_bytes(bench, rows, halted, name):
    rows.steps[0] += ["--paranoid"]
    halted(rows, BEGUN)(signal.SIGKILL)
    path = rows.folder / name
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        old = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([old[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    ends(run(bench, rows), 2, "plan-changed")
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(old)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    finish(bench, rows)


def test_paranoid_behind_a_run_without(bench, begun):
    ends(run(bench, begun, "--paranoid"), 2, "plan-changed")
    assert run(bench, begun, "--paranoid", "--force").rc == 0


# ---- signals and locks ----

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(bench, rows, halted, number):
    go_on = halted(rows, "rename:3:stop")
    begin = time.monotonic()
    code, err = go_on(number)
    assert time.monotonic() - begin < 2
    assert code == 130 and "error[interrupted]" in err, (code, err)
    assert not (rows.folder / "out/manifest.json").exists()
    finish(bench, rows)


def test_interrupted_twice(bench, rows, halted):
    go_on = halted(rows, BEGUN)
    code, _ = go_on(signal.SIGINT, signal.SIGTERM)
    assert code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    finish(bench, rows)


def test_two_runs(bench, rows, halted):
    go_on = halted(rows, BEGUN)
    ends(run(bench, rows), 4, "locked")
    assert go_on()[0] == 0
    finish(bench, rows)


# ---- the disk ----

@pytest.fixture
def small_disk(rows):
    if os.geteuid() != 0:
        pytest.skip("only root mounts")
    path = rows.folder / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "none", path],
                      capture_output=True).returncode != 0:
        pytest.skip("no tmpfs to be mounted here")
    rows.steps[0][rows.steps[0].index("{out}")] = str(path / "out")
    yield path
    subprocess.run(["umount", "-l", path], check=False)


def test_a_full_disk(bench, rows, small_disk):
    ends(run(bench, rows), 4, "no-space")
    names = [p.name for p in (small_disk / "out").glob("*.npy")]
    assert "manifest.json" not in names
    for name in names:
        np.load(small_disk / "out" / name)
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    assert run(bench, rows).rc == 0
    assert bench.run(rows, ["run", "job.json", "--output", "{out}"], rows.folder / "whole").rc == 0
    assert tree(small_disk / "out") == tree(rows.folder / "whole")


def test_a_disk_that_can_not_be_written(bench, rows, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    ends(run(bench, rows), 4, "unwritable")


def test_a_limit_of_file_size(bench, rows):
    ends(run(bench, rows, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))),
         4, "unwritable")
    finish(bench, rows)


def test_the_output_folder_goes(bench, rows, halted):
    go_on = halted(rows, BEGUN)
    shutil.rmtree(rows.folder / "out")
    ends(go_on(), 4, "unwritable")
    finish(bench, rows)


# ---- input that changes while it is read ----

def test_a_file_that_shrinks(bench, rows, halted):
    go_on = halted(rows, BEGUN)
    before = (rows.folder / "rows.npy").read_bytes()
    os.truncate(rows.folder / "rows.npy", 5000)
    ends(go_on(), 3, "truncated")
    (rows.folder / "rows.npy").write_bytes(before)
    ends(run(bench, rows), 2, "plan-changed")  # its time is another
    assert run(bench, rows, "--force").rc == 0
    finish(bench, rows)


def test_labels_that_shrink(bench, rows, halted):
    go_on = halted(rows, BEGUN)
    os.truncate(rows.folder / "labels.npy", 200)
    ends(go_on(), 3, "truncated")


def test_a_file_that_is_replaced(bench, images, halted):
    go_on = halted(images, "rename:1:stop")
    np.save(images.folder / "new", np.zeros((3, 4), np.float32))
    os.replace(images.folder / "new.npy", images.folder / "5.npy")
    ends(go_on(), 3, "corrupt")


def test_a_file_that_goes(bench, images, halted):
    go_on = halted(images, "rename:1:stop")
    os.rename(images.folder / "5.npy", images.folder / "gone")
    ends(go_on(), 3, "not-found")
    os.rename(images.folder / "gone", images.folder / "5.npy")
    finish(bench, images)


def test_a_file_that_goes_before_its_header_is_read(bench, images, halted):
    go_on = halted(images, "open:3:stop")
    os.unlink(images.folder / "5.npy")
    ends(go_on(), 3, "not-found")


# ---- limits ----

@pytest.mark.parametrize("most", range(4, 14))
def test_few_descriptors(bench, rows, most):
    outcome = run(bench, rows,
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
    assert outcome.rc in (0, 1, 3, 4, 127), outcome  # 127: not even the libraries could be loaded
    if outcome.rc in (1, 127):
        assert "error while loading shared libraries" in outcome.err
    elif outcome.rc != 0:
        assert len(outcome.ids) == 1 and "open files" in outcome.err, outcome
    finish(bench, rows)


@pytest.mark.parametrize("megabytes", [48, 56, 64, 72, 80, 96, 128])
def test_little_memory(bench, rows, megabytes):
    limit = megabytes << 20
    outcome = run(bench, rows, "--threads", "4",
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    if "error while loading shared libraries" not in outcome.err:
        assert outcome.rc in (0, 3), outcome
        assert outcome.rc == 0 or [i for i, _ in outcome.ids] == ["no-memory"], outcome
    finish(bench, rows)


# ---- rows that are read together ----

def test_large_rows_are_tried_alone(bench, room):
    """One read that fails, of several rows: each is read again by itself, and none is rejected."""
    folder = room / "large-rows"
    folder.mkdir()
    np.save(folder / "rows.npy", np.random.default_rng(2).random((12, 75000)).astype(np.float32))
    job = write(folder / "job.json", input={"path": "rows.npy", "samples": "row"}, on_error="skip",
                spec={"shape": [None, 75000], "dtype": "float32"}, output={"batch": 6})
    work = Work("large-rows", folder, [["run", job, "--output", "{out}", "--threads", "1"]])
    reads, withstood = bench.learn(work)[0]["read"], 0
    for n in range(1, reads + 1):
        out = bench.fresh(work)
        outcome = bench.run(work, work.steps[0], out, fault=f"read:{n}:EIO")
        bench.clean(outcome)
        if outcome.rc == 0:
            bench.whole(work, out, outcome)
            withstood += 1
        bench.drop(out)
    assert withstood >= 4  # the reads of three rows each; headers and what is read back must not fail

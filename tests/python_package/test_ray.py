"""Jobs on a local Ray cluster of several worker processes, one of which is killed."""

import os
import signal
import threading
import time
from pathlib import Path

import kprep
import numpy as np
import pytest
from conftest import PACKAGE, ROOT
from support import PHOTO_JOB

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
             object_store_memory=200 * 2**20)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def test_dataset(cluster, photos):
    import kprep.ray

    data = kprep.ray.dataset("examples/photos.yaml", **PHOTO_JOB)
    blocks = list(data.iter_batches(batch_size=None, batch_format="numpy"))
    assert [len(block["y"]) for block in blocks] == [8, 8, 2]
    assert [set(block["batch"]) for block in blocks] == [{0}, {1}, {2}]
    assert (np.concatenate([block["x"] for block in blocks]) == photos[0]).all()
    assert (np.concatenate([block["y"] for block in blocks]) == photos[1]).all()


def test_what_does_not_fit_is_refused_here(cluster):
    import kprep.ray

    with pytest.raises(kprep.SpecError, match="912, is missing"):
        kprep.ray.dataset("fixtures/arrays/images.npy", "examples/models/conv-32-32-912.keras")
    with pytest.raises(kprep.SpecError):
        kprep.ray.write("fixtures/arrays/images.npy", "examples/models/conv-32-32-912.keras", output="x")
    with pytest.raises(TypeError, match="workers read files"):
        kprep.ray.dataset(np.zeros((3, 3)), {"shape": [None, 3]})
    assert not (ROOT / "x").exists()


def worker_processes():
    """Processes of this cluster that write a part just now."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_write_part"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_write_with_a_worker_killed(cluster, tmp_path):
    import kprep.ray

    rng = np.random.default_rng(5)
    np.save(tmp_path / "in.npy", rng.integers(0, 256, (3000, 64, 64, 3), np.uint8))
    job = {"pipeline": "resize 96 96 bicubic antialias=true", "samples": "row", "batch": 50,
           "shuffle": 3}
    spec = {"shape": [None, 96, 96, 3], "dtype": "float32"}
    kprep.run(tmp_path / "in.npy", spec, output=tmp_path / "alone", **job)
    killed, done = [], threading.Event()

    def kill_one():
        while not done.is_set() and not killed:
            some = list((tmp_path / "out").rglob("x-*.npy")) if (tmp_path / "out").exists() else []
            for pid in worker_processes() if len(some) > 2 else []:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                break
            time.sleep(0.002)

    thread = threading.Thread(target=kill_one)
    thread.start()
    try:
        data = kprep.ray.write(tmp_path / "in.npy", spec, output=tmp_path / "out", parts=3, **job)
    finally:
        done.set()
        thread.join()
    assert killed, "no worker was seen at work"
    assert files(tmp_path / "out") == files(tmp_path / "alone")
    assert data.samples == 3000 and kprep.verify(tmp_path / "out")["rows"] == 3000

"""The jobs that are disturbed: small, and together of every kind that a run has."""

import io
import json
import subprocess
import tarfile
import zipfile

import numpy as np
from PIL import Image

from harness import Work

RNG = np.random.default_rng(7)


def write(path, **keys):
    path.write_text(json.dumps(keys))
    return path.name


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def photos(folder, size=(9, 7), count=3):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.{'jpg' if i == 0 else 'png'}")


def make_images(folder):
    photos(folder / "photos")
    job = write(folder / "job.json", input="photos", labels="folder",
                pipeline=[{"resize": [4, 4]}, {"rescale": "1/255"}], spec="spec.json",
                output={"batch": 2, "shuffle": {"seed": 3},
                        "split": {"train": 0.7, "validation": 0.3}})
    write(folder / "spec.json", inputs={"x": {"shape": [None, 4, 4, 3], "dtype": "float32"}})
    return [["run", job, "--output", "{out}"]]


def make_rows(folder):
    np.save(folder / "rows.npy", RNG.random((11, 5)).astype(np.float32))
    np.save(folder / "labels.npy", np.arange(11, dtype=np.int64))
    job = write(folder / "job.json", input={"path": "rows.npy", "samples": "row"},
                labels="labels.npy", spec={"shape": [None, 5], "dtype": "float32"},
                output={"batch": 3, "shuffle": {"seed": 1}})
    return [["run", job, "--output", "{out}"]]


def make_joined(folder):
    (folder / "planes").mkdir()
    for i in range(3):
        np.save(folder / f"planes/{i}.npy", RNG.random((6, 4, 4)).astype(np.float32))
    job = write(folder / "job.json", input={"path": "planes", "join": "channels"},
                spec={"shape": [None, 4, 4, 3], "dtype": "float32"}, output={"batch": 2})
    return [["run", job, "--output", "{out}"]]


def make_two(folder):
    np.save(folder / "a.npy", RNG.random((5, 3)).astype(np.float32))
    np.save(folder / "b.npy", RNG.random((5, 2, 2)).astype(np.float32))
    job = write(folder / "job.json",
                arrays={"a": {"input": {"path": "a.npy", "samples": "row"}},
                        "b": {"input": {"path": "b.npy", "samples": "row"},
                              "pipeline": ["flatten"]}},
                spec={"inputs": {"a": {"shape": [None, 3]}, "b": {"shape": [None, 4]}}},
                output={"batch": 2, "shuffle": {"seed": 2}})
    return [["run", job, "--output", "{out}"]]


def make_quarantine(folder):
    photos(folder / "photos")
    (folder / "photos/cat/1.png").write_bytes(b"\x89PNG\r\n\x1a\nno image")
    pixels = RNG.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photos/dog/9.png")
    job = write(folder / "job.json", input="photos", labels="folder", on_error="quarantine",
                spec={"shape": [None, 9, 7, 3], "dtype": "uint8"}, output={"batch": 2})
    return [["run", job, "--output", "{out}"]]


def make_zip(folder):
    with zipfile.ZipFile(folder / "data.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(4):
            file.writestr(f"{i}.npy", npy(RNG.random((3, 4)).astype(np.float32)))
    job = write(folder / "job.json", input={"path": "data.zip", "samples": "row"},
                spec={"shape": [None, 4], "dtype": "float32"}, output={"batch": 5})
    return [["run", job, "--output", "{out}"]]


def make_tar(folder):
    plain = folder / "data.tar"
    with tarfile.open(plain, "w") as file:
        for i in range(4):
            data = npy(RNG.random((3, 4)).astype(np.float32))
            info = tarfile.TarInfo(f"{i}.npy")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    path = plain
    try:
        subprocess.run(["zstd", "-q", "--rm", plain], check=True, capture_output=True)
        path = folder / "data.tar.zst"
    except (OSError, subprocess.CalledProcessError):
        pass
    job = write(folder / "job.json", input={"path": path.name, "samples": "file"},
                spec={"shape": [None, 3, 4], "dtype": "float32"}, output={"batch": 2})
    return [["run", job, "--output", "{out}"]]


def make_shards(folder):
    [[*run]] = make_rows(folder)
    return [[*run, "--shard", "0/2"], [*run, "--shard", "1/2"], ["merge", "{out}"]]


MAKERS = {"images": make_images, "rows": make_rows, "joined": make_joined, "two": make_two,
          "quarantine": make_quarantine, "zip": make_zip, "tar": make_tar, "shards": make_shards}


def make(bench, folder, name):
    folder.mkdir(parents=True)
    if name == "retry":
        return make_retry(bench, folder)
    return Work(name, folder, MAKERS[name](folder), rejects=name == "quarantine")


def make_retry(bench, folder):
    """A run that rejected two of seven files; one of them was mended since."""
    steps = make_quarantine(folder)
    begun = folder / "begun"
    outcome = bench.run(Work("retry", folder, steps), steps[0], begun)
    assert outcome.rc == 0, outcome
    (folder / "photos/cat/1.png").unlink()
    Image.fromarray(RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(folder / "photos/cat/1.png")
    return Work("retry", folder, [[*steps[0], "--retry"]], begun=begun,
                rejects=True)

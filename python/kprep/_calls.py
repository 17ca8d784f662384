"""The commands as functions."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kprep import _kprep, dataset
from kprep._jobs import Job, is_array
from kprep.errors import fail


@dataclass(frozen=True)
class Check:
    """Data that fits. `text` is what `kprep check` prints."""

    text: str
    summary: dict[str, Any]

    def __repr__(self) -> str:
        return self.text.rstrip()

    __str__ = __repr__


def check(data: Any, model: Any = None, *, sample: int = 16, threads: int = 0, **options: Any) -> Check:
    """Would the data fit the model? Only headers are read, and `sample` rows of float arrays.

    data: a job file, a path, a list of paths, an array in memory (NumPy, or anything with a buffer,
    `__array_interface__` or DLPack), or for a model with several inputs a dict of these.
    model: a model or spec file, a Keras model, or a spec as a dict; a job file names its own.
    options: those of the command, with underscores: pipeline, like, samples, axes, labels ...; and
    `set`, a dict of keys of the job.

    Raises SpecError if it does not fit, with the explanation in its text.
    """
    with Job(data, model, **options) as job:
        problems, answer = _kprep.check(job.native, threads, sample if sample > 0 else -1)
        if answer is None:
            fail(problems, job.hide)
        if problems:
            notes = "".join(note["text"] for note in answer["explanations"])
            fail(problems, job.hide, answer["verdict"] + notes)
        return Check(answer["verdict"].replace(job.hide, "") if job.hide else answer["verdict"],
                     answer["summary"])


def plan(data: Any, model: Any = None, *, threads: int = 0, **options: Any) -> str:
    """The shortest pipeline that makes the data fit, as a job file in YAML. Arguments as check()."""
    with Job(data, model, **options) as job:
        return job.take(_kprep.plan(job.native, threads, False))


def dry_run(data: Any, model: Any = None, *, threads: int = 0, **options: Any) -> str:
    """What run() would do, as text: the resolved job, its passes, sizes and memory."""
    with Job(data, model, **options) as job:
        return job.take(_kprep.plan(job.native, threads, True))


def inspect(data: Any, **options: Any) -> list[dict[str, Any]]:
    """What each file holds: format, dtype, shape, range of values, image facts. Arrays in memory too."""
    if is_array(data):
        return [_inspect_array(data)]
    with Job(data, **options) as job:
        return job.take(_kprep.inspect(job.native))


def _inspect_array(data: Any) -> dict[str, Any]:
    import numpy as np

    fd = os.memfd_create("kprep")
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            np.save(file, np.asarray(data), allow_pickle=False)
        path = f"/proc/self/fd/{fd}"
        with Job(path) as job:
            problems, found = _kprep.inspect(job.native)
            if problems:
                fail([{**one, "text": one["text"].replace(path, "array"), "file": "array"}
                      for one in problems])
            return {**found[0], "path": "array"}
    finally:
        os.close(fd)


def spec(model: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """What a model file declares of its inputs."""
    problems, inputs = _kprep.spec(model)
    if problems:
        fail(problems)
    return inputs


def run(data: Any, model: Any = None, *, threads: int = 0, force: bool = False, retry: bool = False,
        shard: tuple[int, int] | None = None, progress: Callable[[int, int], None] | None = None,
        **options: Any) -> dataset.DataSet | dict[str, Any]:
    """Runs a job to its output folder, and opens what it wrote. Running it again goes on.

    shard: (I, N), the I-th of N parts; then the answer is a summary, and merge() completes the data set.
    progress: called with samples done and samples in all, about 10 times a second.
    Other arguments as check(), and output, batch, shuffle, split, on_error, max_bad.
    """
    part, parts = shard if shard is not None else (0, 0)
    with Job(data, model, stamp=True, **options) as job:
        summary = job.take(_kprep.run(job.native, threads, progress, force, retry, part, parts))
        return summary if parts else dataset.open(job.native.output())


def merge(folder: str | os.PathLike[str], *, threads: int = 0) -> dataset.DataSet:
    """Completes a data set that was written in shards, and opens it."""
    problems, _ = _kprep.merge(folder, threads)
    if problems:
        fail(problems)
    return dataset.open(folder)


def verify(folder: str | os.PathLike[str], *, threads: int = 0) -> dict[str, int]:
    """Is a written data set what was written? Counts of what was looked at; else an exception."""
    problems, seen = _kprep.verify(folder, threads)
    if problems:
        fail(problems)
    return seen

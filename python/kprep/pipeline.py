"""Batches straight from memory; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kprep import _kprep, show
from kprep._jobs import Job, is_array
from kprep.batches import Batch, Batches


class Pipeline(Batches):
    """A job whose batches come from memory: `for x, y in kprep.Pipeline("job.yaml"): ...`.

    Iterating makes batches ahead, by all threads; pipeline[i] makes one batch, by the thread that asks, so
    that several may ask at once. Each iteration is an epoch: headers are not read again.

    A batch's buffer is used again once the batch and all arrays made of it are gone. Any number may be held:
    a buffer that is still in use when the pipeline needs it is left to the batch, and the pipeline takes
    another, so memory grows by what is held and no further.

    Arguments as kprep.check(), with batch, shuffle, split and on_error. reshuffle: each epoch has the order
    of another seed, that of the job and the epoch's number added to it.
    """

    made_in_order = True

    def __init__(self, data: Any, model: Any = None, *, threads: int = 0, reshuffle: bool = False,
                 **options: Any) -> None:
        self._arguments = (data, model, {"threads": threads, "reshuffle": reshuffle, **options})
        self._job = Job(data, model, **options)
        self._native = self._job.take(_kprep.Pipeline.open(self._job.native, threads))
        described = self._native.describe()
        self.summary: dict[str, Any] = described["summary"]
        self.names: list[str] = described["names"]
        self.classes: list[str] = described["classes"]
        self.reshuffle = reshuffle
        self.epoch = 0
        self._begun = 0
        self._fresh = True

    @property
    def samples(self) -> int:
        return self.summary["samples"]

    def __len__(self) -> int:
        return self.summary["batches"]

    def __getitem__(self, number: int) -> Batch:
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"there is no batch {number}; there are {len(self)}")
        return self._batch(self._job.take(self._native.get(number)))

    def __iter__(self) -> Iterator[Batch]:
        if not self._fresh:
            self._rewind()
        self._fresh = False
        self._begun += 1
        return self._walk(self._begun)

    def _walk(self, turn: int) -> Iterator[Batch]:
        while True:
            if turn != self._begun:
                raise RuntimeError("another iteration of this pipeline has begun")
            native = self._job.take(self._native.next())
            if native is None:
                break
            yield self._batch(native)
            del native
        self.end_epoch()

    def end_epoch(self) -> None:
        self.epoch += 1
        if self.reshuffle:
            self._rewind()

    def _rewind(self) -> None:
        seed = self.epoch if self.reshuffle else -1
        self._job.take(self._native.rewind(seed))
        self._fresh = True

    def _batch(self, native: Any) -> Batch:
        exports = dict(zip(self.names, native.arrays))
        arrays = {name: np.asarray(array) for name, array in exports.items()}
        labels = native.labels
        if labels is not None:
            exports["y"] = labels
        return Batch(native.number, arrays, None if labels is None else np.asarray(labels), exports)

    def close(self) -> None:
        """Stops the workers. Arrays that are held stay as they are."""
        self._native.close()
        self._job.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    def __reduce__(self):
        data, model, options = self._arguments
        if is_array(data):
            raise TypeError("a pipeline of an array in memory can't be pickled; save the array to a file")
        return _restore, (data, model, options)

    def __repr__(self) -> str:
        return show.text(self)

    def _repr_html_(self) -> str:
        return show.html(self)


def _restore(data: Any, model: Any, options: dict[str, Any]) -> Pipeline:
    return Pipeline(data, model, **options)

"""Jobs on a Ray cluster: batches as a Ray dataset, and data sets written by many machines.

The folder of the input, and that of the output, must be the same path on every machine, as on a shared file
system. The job is planned here first: what does not fit is refused before a task is sent. A worker process
reads the headers once, however many batches it makes.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import ray

from kprep import _calls
from kprep._jobs import is_array
from kprep.dataset import DataSet
from kprep.pipeline import Pipeline


def _absolute(data: Any) -> Any:
    """Paths as other processes know them."""
    if is_array(data):
        raise TypeError("workers read files: save the array to one")
    if isinstance(data, (str, os.PathLike)):
        return os.path.abspath(data)
    if isinstance(data, dict):
        return {name: _absolute(one) for name, one in data.items()}
    return [_absolute(one) for one in data]


def _arguments(data: Any, model: Any, options: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    if isinstance(model, (str, os.PathLike)):
        model = os.path.abspath(model)
    if isinstance(options.get("output"), (str, os.PathLike)):
        options = {**options, "output": os.path.abspath(options["output"])}
    return _absolute(data), model, options


class _Maker:
    """What a worker process keeps: the job, opened. Makes the batches whose numbers it is given."""

    def __init__(self, data: Any, model: Any, options: dict[str, Any]) -> None:
        self.pipeline = Pipeline(data, model, **options)

    def __call__(self, numbers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        batch = self.pipeline[int(numbers["id"][0])]
        columns = dict(batch.arrays)
        if batch.y is not None:
            columns["y"] = batch.y
        columns["batch"] = np.full(batch.rows, batch.number)
        return columns


def dataset(data: Any, model: Any = None, *, workers: int = 2, **options: Any) -> ray.data.Dataset:
    """A job's batches as a Ray dataset: a block each, decoded on `workers` processes. Columns are the model's
    inputs (x where there is one), y where there are labels, and batch, the batch's number;
    `iter_batches(batch_size=None)` gives them back batch by batch. Arguments as kprep.Pipeline().
    """
    data, model, options = _arguments(data, model, options)
    with Pipeline(data, model, **options) as planned:
        count = len(planned)
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    return ray.data.range(count, override_num_blocks=max(count, 1)).map_batches(
        _Maker, batch_size=1, fn_constructor_args=(data, model, {"threads": 1, **options}),
        compute=ray.data.ActorPoolStrategy(size=workers))


def _write_part(data: Any, model: Any, options: dict[str, Any], part: int, parts: int) -> dict[str, Any]:
    return _calls.run(data, model, shard=(part, parts), **options)


def write(data: Any, model: Any = None, *, parts: int | None = None, cpus: int = 1, retries: int = 5,
          **options: Any) -> DataSet:
    """Writes a job's data set by `parts` tasks (default: the cluster's CPUs) of `cpus` threads each, and opens
    it. The bytes are those of kprep.run(). A task whose worker dies is begun again by Ray, up to `retries`
    times, and goes on where it was. Arguments as kprep.run().
    """
    data, model, options = _arguments(data, model, options)
    parts = parts or max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus)
    with _calls.Job(data, model, **options) as job:
        folder = os.path.abspath(job.native.output())
    with Pipeline(data, model, **options) as planned: # what does not fit is refused here
        parts = max(1, min(parts, len(planned)))
    task = ray.remote(num_cpus=cpus, max_retries=retries)(_write_part)
    ray.get([task.remote(data, model, {"threads": cpus, **options}, i, parts) for i in range(parts)])
    return _calls.merge(folder)

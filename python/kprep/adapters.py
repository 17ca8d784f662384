"""Batches for the frameworks that train: each is imported only where its adapter is asked for."""

from __future__ import annotations

from typing import Any

from kprep.batches import Batch, Batches


def keras_dataset(batches: Batches, **options: Any) -> Any:
    import keras

    class KerasBatches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, number: int) -> Any:
            return batches[number].pair

        def on_epoch_end(self) -> None:
            batches.end_epoch()

    return KerasBatches(**options)


def tf_dataset(batches: Batches) -> Any:
    import tensorflow as tf

    def flat(batch: Batch) -> list[Any]:
        return [*batch.arrays.values(), *([] if batch.y is None else [batch.y])]

    first = batches[0]
    specs = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in flat(first)]

    def pair(*parts: Any) -> Any:
        x = parts[0] if len(first.arrays) == 1 else dict(zip(first.arrays, parts))
        return x if first.y is None else (x, parts[-1])

    def by_number(number: Any) -> Any:
        types = [spec.dtype for spec in specs]
        parts = tf.numpy_function(lambda n: flat(batches[int(n)]), [number], types)
        return pair(*(tf.ensure_shape(part, spec.shape) for part, spec in zip(parts, specs)))

    if not batches.made_in_order:
        return tf.data.Dataset.range(len(batches)).map(by_number).prefetch(tf.data.AUTOTUNE)
    # Nothing is fetched ahead of an epoch that its reader may end early: the pipeline's own threads are ahead.
    data = tf.data.Dataset.from_generator(lambda: (tuple(flat(batch)) for batch in batches),
                                          output_signature=tuple(specs)).map(pair)
    return data.apply(tf.data.experimental.assert_cardinality(len(batches)))


def torch_dataset(batches: Batches, iterable: bool) -> Any:
    import torch
    from torch.utils import data

    def pair(batch: Batch) -> Any:
        arrays = {name: torch.from_dlpack(batch.exports[name]) for name in batch.arrays}
        x = next(iter(arrays.values())) if len(arrays) == 1 else arrays
        return x if batch.y is None else (x, torch.from_dlpack(batch.exports["y"]))

    class MapBatches(data.Dataset):
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, number: int) -> Any:
            return pair(batches[number])

    class OrderedBatches(data.IterableDataset):
        def __iter__(self) -> Any:
            worker = data.get_worker_info()
            if worker is None:
                return (pair(batch) for batch in batches)
            return (pair(batches[i]) for i in range(worker.id, len(batches), worker.num_workers))

    return OrderedBatches() if iterable else MapBatches()


class Source:
    """Random access for Grain: len() and [i]."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Any:
        return self.batches[int(number)].pair

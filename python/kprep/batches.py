"""What a written data set and a pipeline have in common: batches by number, and ways to feed them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from kprep._kprep import Array


class Batch:
    """Some samples. `x` is an array, or for a model with several inputs a dict of arrays; `y` the labels
    or None. All are read-only views: nothing is copied. `x, y = batch` works, too.

    `exports` holds the same arrays for DLPack: `jax.dlpack.from_dlpack(batch.exports["x"])`.
    TensorFlow takes the capsule: `tf.experimental.dlpack.from_dlpack(batch.exports["x"].__dlpack__())`.
    """

    __slots__ = ("number", "arrays", "y", "exports")

    def __init__(self, number: int, arrays: dict[str, np.ndarray], y: np.ndarray | None,
                 exports: dict[str, Array]) -> None:
        self.number = number
        self.arrays = arrays
        self.y = y
        self.exports = exports

    @property
    def x(self) -> np.ndarray | dict[str, np.ndarray]:
        return next(iter(self.arrays.values())) if len(self.arrays) == 1 else self.arrays

    @property
    def rows(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def pair(self) -> Any:
        """(x, y) as fit() takes it, or x alone without labels."""
        return self.x if self.y is None else (self.x, self.y)

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[Any]:
        return iter((self.x, self.y))

    def __repr__(self) -> str:
        parts = [f"{name} {array.shape} {array.dtype}" for name, array in self.arrays.items()]
        if self.y is not None:
            parts.append(f"y {self.y.shape} {self.y.dtype}")
        return f"<kprep.Batch {self.number}: {', '.join(parts)}>"


class Batches(ABC):
    """Batches by number, and in order."""

    made_in_order = False  # are batches that are iterated over made ahead, and an epoch each time?

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, number: int) -> Batch: ...

    def __iter__(self) -> Iterator[Batch]:
        return (self[i] for i in range(len(self)))

    def end_epoch(self) -> None:
        """Called by adapters when an epoch is over."""

    def keras(self, **options: Any) -> Any:
        """A keras.utils.PyDataset of whole batches; options: workers, max_queue_size."""
        from kprep import adapters

        return adapters.keras_dataset(self, **options)

    def tf_data(self) -> Any:
        """A tf.data.Dataset of whole batches."""
        from kprep import adapters

        return adapters.tf_dataset(self)

    def torch(self, *, iterable: bool = False) -> Any:
        """A torch.utils.data.Dataset of whole batches, by number or in order: DataLoader(it, batch_size=None)."""
        from kprep import adapters

        return adapters.torch_dataset(self, iterable)

    def grain(self) -> Any:
        """A random-access source of whole batches for grain.MapDataset.source()."""
        from kprep import adapters

        return adapters.Source(self)

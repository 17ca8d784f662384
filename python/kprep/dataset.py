"""A written data set: mapped files, checked when they are first used."""

from __future__ import annotations

import json
import mmap
import os
import weakref
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kprep import _kprep, show
from kprep._kprep import Array
from kprep.batches import Batch, Batches
from kprep.errors import InputError, IntegrityError, Problem


class _Entry(NamedTuple):
    number: int
    files: dict[str, dict[str, Any]]


class _Map(mmap.mmap):
    """A mapped file, known as long as a view of it is there."""


class _Store:
    """The folder: its manifest, which files were checked, which are mapped just now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = self._read_manifest()
        self.checked: set[str] = set()
        self.mapped: weakref.WeakValueDictionary[str, _Map] = weakref.WeakValueDictionary()

    def _read_manifest(self) -> dict[str, Any]:
        path = self.folder / "manifest.json"
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            what = ("there is no such folder" if not self.folder.is_dir() else
                    "the folder holds no complete data set: manifest.json is missing")
            raise InputError([_problem("not-found", what, self.folder, 3,
                                       "run the job again: it goes on where it was")]) from None
        except (ValueError, OSError) as e:
            raise InputError([_problem("corrupt", f"manifest.json can't be read: {e}", path, 3)]) from None

    def array(self, entry: dict[str, Any]) -> Array:
        name = entry["path"]
        mapped = self.mapped.get(name)
        if mapped is None:
            mapped = self.mapped[name] = self._map(entry)
        return self._view(mapped, entry)

    def _map(self, entry: dict[str, Any]) -> _Map:
        path = self.folder / entry["path"]
        try:
            with path.open("rb") as file:
                # Who writes to a view in spite of all writes to a copy, not to the file.
                data = _Map(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as e:
            raise IntegrityError([_problem("not-found", f"a file of the data set can't be read: {e}",
                                           path)]) from None
        if entry["path"] not in self.checked:
            self._check(entry, path, data)
        return data

    def _view(self, data: _Map, entry: dict[str, Any]) -> Array:
        try:
            problems, array = _kprep.map(data)
        except ValueError:
            problems = True
        if problems:
            raise IntegrityError([_problem("corrupt", "the file is no NPY array that kprep wrote",
                                           self.folder / entry["path"])])
        return array

    def _check(self, entry: dict[str, Any], path: Path, data: mmap.mmap) -> None:
        found = _kprep.hash(data) if len(data) == entry["bytes"] else f"{len(data)} bytes"
        expected = entry["xxh128"] if len(data) == entry["bytes"] else f"{entry['bytes']} bytes"
        if found != expected:
            raise IntegrityError([_problem(
                "hash-mismatch", "the file is not what was written", path,
                help="kprep verify names all such files; remove them and run the job again",
                expected=expected, found=found)])
        self.checked.add(entry["path"])


def _problem(id: str, message: str, file: Path, exit: int = 1, help: str | None = None,
             **more: str) -> Problem:
    lines = [f"kprep: error[{id}]: {message}", f"  file:     {file}"]
    lines += [f"  {name + ':':<9} {value}" for name, value in more.items()]
    lines += [f"  help:     {help}"] if help else []
    return Problem(id, message, file=str(file), help=help, exit=exit, text="\n".join(lines), **more)


class DataSet(Batches):
    """Batches of a written data set; kprep.open() makes one.

    data[3] is a batch, data[2:5] a data set of some, data["train"] one of its splits.
    """

    def __init__(self, store: _Store, entries: list[_Entry], split: str | None = None) -> None:
        self._store = store
        self._entries = entries
        self.split = split

    @property
    def folder(self) -> Path:
        return self._store.folder

    @property
    def manifest(self) -> dict[str, Any]:
        return self._store.manifest

    @property
    def spec(self) -> dict[str, Any]:
        """What the model declares, input by input."""
        return self.manifest["spec"].get("inputs", {"x": self.manifest["spec"]})

    @property
    def classes(self) -> list[str]:
        return self.manifest.get("classes") or []

    @property
    def arrays(self) -> dict[str, dict[str, Any]]:
        """Shape, dtype, axes and statistics by array."""
        return self.manifest["arrays"]

    @property
    def samples(self) -> int:
        """Rows in these batches."""
        return sum(next(iter(e.files.values()))["rows"] for e in self._entries)

    @property
    def splits(self) -> list[str]:
        return list(dict.fromkeys(_split_of(f["path"]) for f in self.manifest["files"]
                                  if _split_of(f["path"])))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return open(self.folder, split=key)
        if isinstance(key, slice):
            return DataSet(self._store, self._entries[key], self.split)
        entry = self._entries[key]
        exports = {name: self._store.array(file) for name, file in entry.files.items()}
        arrays = {name: np.asarray(array) for name, array in exports.items()}
        y = arrays.pop("y", None) if "y" not in self._inputs() else None
        return Batch(entry.number, arrays, y, exports)

    def _inputs(self) -> set[str]:
        spec = self.manifest["spec"]
        return set(spec["inputs"]) if len(spec.get("inputs", {})) > 1 else {"x"}

    def __reduce__(self):
        return _restore, (str(self.folder), self.split, [e.number for e in self._entries])

    def __repr__(self) -> str:
        return show.text(self)

    def _repr_html_(self) -> str:
        return show.html(self)


def _split_of(path: str) -> str:
    return os.path.dirname(path)


def _restore(folder: str, split: str | None, numbers: list[int]) -> DataSet:
    whole = open(folder, split=split)
    wanted = set(numbers)
    return DataSet(whole._store, [e for e in whole._entries if e.number in wanted], split)


def open(folder: str | os.PathLike[str], *, split: str | None = None) -> DataSet:
    """Opens a data set that kprep wrote. Batches are read-only views of mapped files; the hash of a
    file is compared when its batch is first indexed (IntegrityError).

    split: one part alone; without it, all parts one after the other.
    """
    store = _Store(Path(folder))
    groups: dict[tuple[str, int], dict[str, Any]] = {}
    for file in store.manifest["files"]:
        part = _split_of(file["path"])
        if file.get("array") is not None and split in (None, part):
            groups.setdefault((part, file["first"]), {})[file["array"]] = file
    if split is not None and not groups:
        parts = DataSet(store, []).splits
        raise KeyError(f"there is no split {split!r}; there are {', '.join(parts) or 'none'}")
    return DataSet(store, [_Entry(i, files) for i, files in enumerate(groups.values())], split)

"""Jobs from arguments: paths, arrays in memory, a model, and the options of the command by name."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from kprep import _kprep
from kprep.errors import fail

# The options of the command, and the keys of the job that they set.
KEYS = {
    "pipeline": "pipeline", "like": "like", "samples": "input.samples", "join": "input.join",
    "by": "input.by", "order": "input.order", "axes": "input.axes", "depth": "input.depth",
    "exif": "input.exif", "labels": "labels", "output": "output.path", "batch": "output.batch",
    "shuffle": "output.shuffle", "split": "output.split", "on_error": "on_error",
    "max_bad": "max_bad", "limits": "limits",
}
NATIVE = "?bhilqBHILQefd"


def is_array(data: Any) -> bool:
    """Is this data in memory, and not a path?"""
    if isinstance(data, (str, bytes, os.PathLike, list, tuple, dict)):
        return False
    return any(hasattr(data, name) for name in ("__array_interface__", "__dlpack__", "__array__")) \
        or _has_buffer(data)


def _has_buffer(data: Any) -> bool:
    try:
        memoryview(data)
    except TypeError:
        return False
    return True


def as_array(data: Any) -> np.ndarray:
    """A NumPy array of what is given, without a copy where the library can read it as it is."""
    if not isinstance(data, np.ndarray) and hasattr(data, "__dlpack__") \
            and not hasattr(data, "__array_interface__"):
        data = np.from_dlpack(data)
    array = np.asarray(data)
    if array.dtype.char in NATIVE and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.c_contiguous or array.flags.f_contiguous else array.copy(order="C")


class Job:
    """A native job, and the temporary files that it reads."""

    def __init__(self, data: Any, model: Any = None, *, stamp: bool = False, **options: Any) -> None:
        self.native = _kprep.Job()
        self.folder: str | None = None
        self.stamp = stamp
        try:
            self._take_data(data)
            self._take_model(model)
            for name, value in options.items():
                self._set(name, value)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Removes the temporary files."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    __del__ = close

    @property
    def hide(self) -> str:
        """What messages are not to show: our own folder."""
        return self.folder + os.sep if self.folder else ""

    def take(self, answer: tuple[list[dict], Any]) -> Any:
        """The answer of a native call, or the exception that it stands for."""
        problems, value = answer
        if problems:
            fail(problems, self.hide)
        return value

    def _temporary(self, name: str) -> str:
        if self.folder is None:
            self.folder = tempfile.mkdtemp(prefix="kprep-")
        return os.path.join(self.folder, name)

    def _take_data(self, data: Any) -> None:
        if isinstance(data, (str, os.PathLike)):
            path = os.fspath(data)
            if path.lower().endswith((".yaml", ".yml", ".json")):
                self.take(self.native.load(path))
            else:
                self.take(self.native.add_path(path))
        elif isinstance(data, dict):
            arrays = {name: {"input": self._named(name, one)} for name, one in data.items()}
            self.take(self.native.set("arrays", json.dumps(arrays), "data", False))
        elif isinstance(data, (list, tuple)):
            for path in data:
                self.take(self.native.add_path(path))
        elif is_array(data):
            self._add_array("array", data, named=False)
        else:
            raise TypeError(f"data must be a path, a list of paths or an array, not {type(data).__name__}")

    def _named(self, name: str, data: Any) -> dict[str, str]:
        if not is_array(data):
            return {"path": os.path.abspath(data)}
        return {"path": self._add_array(f"array-{len(name)}-{name}".replace("/", "_"), data, named=True)}

    def _add_array(self, name: str, data: Any, *, named: bool) -> str:
        """Gives the job an array. One of a dtype that is not read becomes a file of only a header, so that
        the message is the one for such a file."""
        array = as_array(data)
        if array.dtype.char not in NATIVE:
            path = self._temporary(name + ".npy")
            with open(path, "wb") as file:
                np.lib.format.write_array_header_1_0(
                    file, np.lib.format.header_data_from_array_1_0(array))
            if not named:
                self.take(self.native.add_path(path))
            return path
        if self.stamp: # a plan knows its input by name and size: another array is another job
            name += "-" + _kprep.hash(array.T if array.flags.f_contiguous else array)
        self.take(self.native.add_array(name, array, named))
        return name

    def _take_model(self, model: Any) -> None:
        if model is None:
            return
        if isinstance(model, (str, os.PathLike)):
            self.take(self.native.set("spec", os.fspath(model), "model", True))
        elif hasattr(model, "to_json") and hasattr(model, "inputs"): # a Keras model
            path = self._temporary("model.json")
            Path(path).write_text(model.to_json(), encoding="utf-8")
            self.take(self.native.set("spec", path, "model", True))
        else:
            self.take(self.native.set("spec", json.dumps(model), "model", False))

    def _set(self, name: str, value: Any) -> None:
        if value is None:
            return
        if name == "set":
            for key, one in value.items():
                self._set_key(key, one, "set")
            return
        if name not in KEYS:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(KEYS)} and set")
        if name == "labels" and is_array(value):
            path = self._temporary("labels.npy")
            np.save(path, np.asarray(value), allow_pickle=False)
            value = path
        self._set_key(KEYS[name], value, name)

    def _set_key(self, key: str, value: Any, origin: str) -> None:
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if key == "pipeline" and isinstance(value, dict): # for each of several inputs
            for array, stages in value.items():
                self._set_key(f"arrays.{array}.pipeline", stages, origin)
        elif isinstance(value, str):
            self.take(self.native.set(key, value, origin, True))
        elif key == "output.shuffle" and isinstance(value, int):
            self.take(self.native.set(key, json.dumps({"seed": value}), origin, False))
        else:
            self.take(self.native.set(key, json.dumps(value), origin, False))

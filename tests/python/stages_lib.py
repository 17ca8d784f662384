"""Runs pipelines of stages on arrays, by ctypes, without files."""
import ctypes
import os

import numpy as np
import pytest

from built import ROOT, library

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
          "float16", "float32", "float64"]
NUMBERS = DTYPES[1:]
KERAS, PILLOW, OPENCV = range(3)
GREY, GREY_ALPHA, RGB, RGBA = range(1, 5)
VALUE_RANGE = 26
F32, F64 = np.float32, np.float64


class Sample(ctypes.Structure):
    """inside_sample of inside_stages.c."""

    _fields_ = [
        ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32), ("colour", ctypes.c_int32),
        ("decoded", ctypes.c_int32), ("shape", ctypes.c_int64 * 64),
        ("strides", ctypes.c_int64 * 64), ("axes", ctypes.c_char * 72), ("lo", ctypes.c_double),
        ("hi", ctypes.c_double), ("data", ctypes.c_void_p), ("full", ctypes.c_int32),
    ]


def load():
    return ctypes.CDLL(str(library("libkprep_inside.so", "KPREP_INSIDE")))


LIB = load()


class StageError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Result:
    """The values, and what the description says of them."""

    def __init__(self, array, sample, passes):
        self.array = array
        self.axes = sample.axes.decode()
        self.lo, self.hi, self.colour = sample.lo, sample.hi, sample.colour
        self.passes = passes


def run(pipeline, array, axes="", like=KERAS, colour=0, full=False, room=1 << 22):
    sample = Sample(DTYPES.index(array.dtype.name), array.ndim, colour, 0)
    sample.shape[:array.ndim] = array.shape
    sample.strides[:array.ndim] = array.strides
    sample.axes = axes.encode()
    sample.data = array.ctypes.data
    sample.full = full
    out = np.full(room, 0xA5, np.uint8)
    passes = ctypes.c_int32()
    message = ctypes.create_string_buffer(800)
    status = LIB.inside_stages(pipeline.encode(), like, ctypes.byref(sample),
                               ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(room - 64),
                               ctypes.byref(passes), message, len(message))
    if status != 0:
        raise StageError(status, message.value.decode())
    dtype = np.dtype(DTYPES[sample.dtype])
    shape = tuple(sample.shape[:sample.rank])
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    assert (out[size:] == 0xA5).all(), "written beyond the end"
    return Result(out[:size].view(dtype).reshape(shape), sample, passes.value)


def same(result, expected):
    array = result.array
    assert array.dtype == expected.dtype and array.shape == expected.shape
    np.testing.assert_array_equal(array, expected)
    if array.size and array.dtype.kind != "b":
        finite = array[np.isfinite(array)].astype(F64)
        assert (finite >= result.lo).all() and (finite <= result.hi).all()


def numbers(rng, shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 100).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def strided(rng, shape, dtype):
    """An array whose memory is not in C order, or runs backwards, or has gaps."""
    array = numbers(rng, tuple(2 * n for n in shape), dtype)
    order = rng.permutation(len(shape))
    array = np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))
    for axis in range(len(shape)):
        step = int(rng.choice([1, 2, -1, -2]))
        array = np.flip(array, axis) if step < 0 else array
        array = array[(slice(None),) * axis + (slice(None, None, abs(step)),)]
        array = array[(slice(None),) * axis + (slice(0, shape[axis]),)]
    assert array.shape == tuple(shape)
    return array

"""The shared library for tests by ctypes: $KPREP_LIB, else the newest of build/*/lib/libkprep.so.

Libraries built with a sanitizer load only into a Python started with its runtime in LD_PRELOAD, so
they are taken by $KPREP_LIB alone.
"""

import ctypes
import os

from built import ROOT, library

MAX_RANK = 64
DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
          "float16", "float32", "float64"]


class Error(ctypes.Structure):
    """kprep_error of <kprep/error.h>."""

    _fields_ = [
        ("code", ctypes.c_int), ("side", ctypes.c_int), ("sys_errno", ctypes.c_int32),
        ("line", ctypes.c_int32), ("column", ctypes.c_int32), ("stage_index", ctypes.c_int32),
        ("sample", ctypes.c_int64), ("count", ctypes.c_int64), ("axis", ctypes.c_char),
        ("sampled", ctypes.c_bool), ("stage", ctypes.c_char * 32), ("array", ctypes.c_char * 64),
        ("config", ctypes.c_char * 512),
        ("file", ctypes.c_char * 512), ("message", ctypes.c_char * 768),
        ("expected", ctypes.c_char * 256), ("found", ctypes.c_char * 256),
        ("help", ctypes.c_char * 768),
    ]


class Array(ctypes.Structure):
    """kprep_array of <kprep/array.h>."""

    _fields_ = [
        ("data", ctypes.c_void_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int32),
        ("shape", ctypes.c_int64 * MAX_RANK), ("strides", ctypes.c_int64 * MAX_RANK),
    ]

    @classmethod
    def of(cls, array):
        """A view of a NumPy array in native byte order; the array must outlive it."""
        view = cls(array.ctypes.data, DTYPES.index(array.dtype.name), array.ndim)
        view.shape[:array.ndim] = array.shape
        view.strides[:array.ndim] = array.strides
        return view


class NpyHeader(ctypes.Structure):
    """kprep_npy_header of <kprep/npy.h>."""

    _fields_ = [
        ("dtype", ctypes.c_int), ("swapped", ctypes.c_bool), ("fortran_order", ctypes.c_bool),
        ("version", ctypes.c_uint8), ("rank", ctypes.c_int32), ("shape", ctypes.c_int64 * MAX_RANK),
        ("data_offset", ctypes.c_int64), ("data_bytes", ctypes.c_int64),
    ]


def load():
    lib = ctypes.CDLL(str(library("libkprep.so", "KPREP_LIB")))
    error, c_int, c_void_p = ctypes.POINTER(Error), ctypes.c_int, ctypes.c_void_p
    int64, size = ctypes.c_int64, ctypes.c_size_t
    lib.kprep_status_id.restype = ctypes.c_char_p
    lib.kprep_npy_parse.argtypes = [c_void_p, size, int64, ctypes.POINTER(NpyHeader), error]
    lib.kprep_npy_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(c_void_p), error]
    lib.kprep_npy_reader_header.argtypes = [c_void_p]
    lib.kprep_npy_reader_header.restype = ctypes.POINTER(NpyHeader)
    lib.kprep_npy_read_rows.argtypes = [c_void_p, int64, int64, c_void_p, size, error]
    lib.kprep_npy_close.argtypes = [ctypes.POINTER(c_void_p)]
    lib.kprep_npy_close.restype = None
    lib.kprep_npy_header_write.argtypes = [c_int, ctypes.POINTER(int64), ctypes.c_int32, c_void_p,
                                           size]
    lib.kprep_npy_header_write.restype = size
    lib.kprep_npy_save.argtypes = [ctypes.c_char_p, ctypes.POINTER(Array), error]
    return lib

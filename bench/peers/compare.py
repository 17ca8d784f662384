"""Do two results hold the same values? Exit 1 and say where not.

usage: compare.py A B [--mean-error E] [--cast DTYPE]

A and B are .npy files, folders of x-00000.npy ..., or raw values (.raw) of float32,
which have the shape of the other one.
With --cast, B's values are made that dtype by
numpy.ndarray.astype first. Without --mean-error they must be equal bit for bit. Prints what was found as JSON.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np


def parts(path):
    if path.is_dir():
        return [np.load(part, mmap_mode="r") for part in sorted(path.glob("x-*.npy"))]
    if path.suffix == ".raw":
        return [np.memmap(path, np.float32, "r")]
    return [np.load(path, mmap_mode="r")]


def shape(arrays):
    return (sum(len(a) for a in arrays), *arrays[0].shape[1:])


def runs(arrays, dtype, size=1 << 22):
    """All values, in runs of the same size whatever the parts are."""
    rest = np.empty(0, dtype)
    for array in arrays:
        flat = array.reshape(-1)
        for first in range(0, flat.size, size):
            rest = np.concatenate([rest, flat[first:first + size].astype(dtype, copy=False)])
            while rest.size >= size:
                yield rest[:size]
                rest = rest[size:]
    if rest.size:
        yield rest


def differences(a, b, dtype):
    """(values that differ in any bit, sum of absolute differences, values)."""
    unequal, error, count = 0, 0.0, 0
    for x, y in zip(runs(a, dtype), runs(b, dtype), strict=True):
        bits = np.dtype(f"u{x.itemsize}")
        wrong = int(np.count_nonzero(x.view(bits) != y.view(bits)))
        if wrong:
            unequal += wrong
            error += float(np.abs(x.astype(np.float64) - y).sum())
        count += x.size
    return unequal, error, count


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--mean-error", type=float)
    parser.add_argument("--cast")
    args = parser.parse_args()
    a, b = parts(args.a), parts(args.b)
    if ".raw" not in (args.a.suffix, args.b.suffix) and shape(a) != shape(b):
        sys.exit(f"compare: {shape(a)} is not {shape(b)}")
    dtype = np.dtype(args.cast or b[0].dtype)
    if a[0].dtype != dtype:
        sys.exit(f"compare: {a[0].dtype} is not {dtype}")
    unequal, error, count = differences(a, b, dtype)
    mean = error / count
    print(json.dumps({"values": count, "unequal": unequal, "mean_error": mean}))
    if args.mean_error is None and unequal:
        sys.exit(f"compare: {unequal} of {count} values differ, by {mean:.3g} in the mean")
    if args.mean_error is not None and mean > args.mean_error:
        sys.exit(f"compare: the values differ by {mean:.3g} in the mean, over {args.mean_error}")


main()

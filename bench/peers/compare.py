"""Do two results hold the same values? Exit 1 and say where not.

usage: compare.py A B [--mean-error E] [--dtype float32]

A and B are .npy files, folders of x-00000.npy ..., or raw values (.raw), which take the shape of the other one.
Without --mean-error they must be equal bit for bit. Prints what was found as JSON.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np


def parts(path, dtype):
    if path.is_dir():
        return [np.load(part, mmap_mode="r") for part in sorted(path.glob("x-*.npy"))]
    if path.suffix == ".raw":
        return [np.memmap(path, dtype, "r")]
    return [np.load(path, mmap_mode="r")]


def shape(arrays):
    return (sum(len(a) for a in arrays), *arrays[0].shape[1:])


def runs(arrays, size=1 << 22):
    """All values, in runs of the same size whatever the parts are."""
    rest = np.empty(0, arrays[0].dtype)
    for array in arrays:
        flat = array.reshape(-1)
        for first in range(0, flat.size, size):
            rest = np.concatenate([rest, flat[first:first + size]])
            while rest.size >= size:
                yield rest[:size]
                rest = rest[size:]
    if rest.size:
        yield rest


def differences(a, b):
    """(values that differ in any bit, sum of absolute differences, values)."""
    unequal, error, count = 0, 0.0, 0
    for x, y in zip(runs(a), runs(b), strict=True):
        bits = np.dtype(f"u{x.itemsize}")
        unequal += int(np.count_nonzero(x.view(bits) != y.view(bits)))
        error += float(np.abs(x.astype(np.float64) - y).sum())
        count += x.size
    return unequal, error, count


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--mean-error", type=float)
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()
    a, b = parts(args.a, args.dtype), parts(args.b, args.dtype)
    if ".raw" not in (args.a.suffix, args.b.suffix) and shape(a) != shape(b):
        sys.exit(f"compare: {shape(a)} is not {shape(b)}")
    if a[0].dtype != b[0].dtype:
        sys.exit(f"compare: {a[0].dtype} is not {b[0].dtype}")
    unequal, error, count = differences(a, b)
    mean = error / count
    print(json.dumps({"values": count, "unequal": unequal, "mean_error": mean}))
    if args.mean_error is None and unequal:
        sys.exit(f"compare: {unequal} of {count} values differ, by {mean:.3g} in the mean")
    if args.mean_error is not None and mean > args.mean_error:
        sys.exit(f"compare: the values differ by {mean:.3g} in the mean, over {args.mean_error}")


main()

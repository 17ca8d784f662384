"""NumPy's ways with arrays.

stack FOLDER --out FILE   np.stack of the files' arrays, then np.save; --load counts np.load too
copyto FOLDER             np.copyto of an array as large as all files together
nchw FILE --out FILE      uint8 NHWC to float32 NCHW / 255 by two memory maps, 64 rows at a time
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

BATCH = 64
SCALE = np.float32(1 / 255)


def numbered(folder):
    return sorted(folder.glob("*.npy"), key=lambda path: int(path.stem[1:]))


def stack(args):
    start = time.perf_counter()
    planes = [np.load(path) for path in numbered(args.input)]
    if not args.load:
        start = time.perf_counter()
    np.save(args.out, np.stack(planes, axis=-1))
    return time.perf_counter() - start


def copyto(args):
    planes = [np.load(path) for path in numbered(args.input)]
    source = np.stack(planes)
    target = np.empty_like(source)
    np.copyto(target, source)  # its pages are there now
    start = time.perf_counter()
    np.copyto(target, source)
    return time.perf_counter() - start


def nchw(args):
    start = time.perf_counter()
    source = np.load(args.input, mmap_mode="r")
    n, h, w, c = source.shape
    target = np.lib.format.open_memmap(args.out, "w+", np.float32, (n, c, h, w))
    for first in range(0, n, BATCH):
        rows = source[first:first + BATCH].transpose(0, 3, 1, 2)
        np.multiply(rows, SCALE, out=target[first:first + BATCH], dtype=np.float32)
    target.flush()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("stack", "copyto", "nchw"))
    parser.add_argument("input", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--load", action="store_true")
    args = parser.parse_args()
    work = {"stack": stack, "copyto": copyto, "nchw": nchw}[args.what]
    print(json.dumps({"seconds": work(args)}))


main()

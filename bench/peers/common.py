"""What the peers share: their arguments, batches of files, the clock and where the result goes."""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SIDE = 224
BATCH = 64
SCALE = np.float32(1 / 255)


def image_arguments(about):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("list", type=Path, help="a text file with a path on each line")
    parser.add_argument("--out", type=Path, help="folder for x-00000.npy ...; without it, into memory")
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    args.paths = args.list.read_text().split("\n")[:-1]
    return args


def keep(array, number, out):
    """Into memory nothing is kept: the next step of training would have the array now."""
    if out is not None:
        np.save(out / f"x-{number:05d}.npy", array)


def finish(number, x, work, out):
    for _ in work:  # raises what a thread raised
        pass
    keep(x, number, out)


def run_pool(prepare, paths, out, pool):
    """prepare(path, row) for all images; while a batch is saved the pool makes the next one."""
    ahead = None
    for first in range(0, len(paths), BATCH):
        names = paths[first:first + BATCH]
        x = np.empty((len(names), SIDE, SIDE, 3), np.float32)
        work = pool.map(prepare, names, x)
        if ahead is not None:
            finish(*ahead, out)
        ahead = first // BATCH, x, work
    finish(*ahead, out)


def pool_main(about, prepare):
    args = image_arguments(about)
    with ThreadPoolExecutor(args.threads) as pool:
        run_pool(prepare, args.paths[:8], None, pool)
        timed(run_pool, prepare, args.paths, args.out, pool)


def timed(work, *arguments):
    """Runs the work and prints its seconds as the last line: the steady state, without imports."""
    if "--out" in sys.argv:
        Path(sys.argv[sys.argv.index("--out") + 1]).mkdir()
    start = time.perf_counter()
    work(*arguments)
    print(json.dumps({"seconds": time.perf_counter() - start}))

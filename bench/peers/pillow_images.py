"""Pillow in a pool of threads: decode, resize with its antialiased bilinear filter, scale, numpy.save."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from common import SCALE, SIDE, batches, image_arguments, keep, timed


def prepare(path, row):
    with Image.open(path) as image:
        image = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    np.multiply(np.asarray(image), SCALE, out=row, dtype=np.float32)


def run(paths, out, pool):
    for number, names in batches(paths):
        x = np.empty((len(names), SIDE, SIDE, 3), np.float32)
        list(pool.map(prepare, names, x))
        keep(x, number, out)


def main():
    args = image_arguments(__doc__)
    with ThreadPoolExecutor(args.threads) as pool:
        run(args.paths[:8], None, pool)
        timed(run, args.paths, args.out, pool)


main()

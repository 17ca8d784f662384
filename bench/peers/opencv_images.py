"""OpenCV in a pool of threads: decode, resize as uint8, scale into the batch, numpy.save."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from common import SCALE, SIDE, batches, image_arguments, keep, timed


def prepare(path, row):
    image = cv2.imread(path, cv2.IMREAD_COLOR_RGB)
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    np.multiply(image, SCALE, out=row, dtype=np.float32)


def run(paths, out, pool):
    for number, names in batches(paths):
        x = np.empty((len(names), SIDE, SIDE, 3), np.float32)
        list(pool.map(prepare, names, x))
        keep(x, number, out)


def main():
    args = image_arguments(__doc__)
    cv2.setNumThreads(1)  # the pool has the threads
    with ThreadPoolExecutor(args.threads) as pool:
        run(args.paths[:8], None, pool)
        timed(run, args.paths, args.out, pool)


main()

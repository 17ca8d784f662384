"""OpenCV in a pool of threads: decode, resize as uint8, scale into the batch, numpy.save."""

import cv2
import numpy as np

from common import SCALE, SIDE, pool_main


def prepare(path, row):
    image = cv2.imread(path, cv2.IMREAD_COLOR_RGB)
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    np.multiply(image, SCALE, out=row, dtype=np.float32)


cv2.setNumThreads(1)  # the pool has the threads
pool_main(__doc__, prepare)

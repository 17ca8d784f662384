"""Pillow in a pool of threads: decode, resize with its antialiased bilinear filter, scale, numpy.save."""

import numpy as np
from PIL import Image

from common import SCALE, SIDE, pool_main


def prepare(path, row):
    with Image.open(path) as image:
        image = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    np.multiply(np.asarray(image), SCALE, out=row, dtype=np.float32)


pool_main(__doc__, prepare)

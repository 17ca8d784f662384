"""DALI on the CPU: its decoder, its bilinear resize, its normalisation, numpy.save."""

import numpy as np
from nvidia.dali import fn, pipeline_def, types

from common import BATCH, SIDE, image_arguments, keep, timed


@pipeline_def
def images(paths):
    files, _ = fn.readers.file(files=paths, pad_last_batch=False)
    decoded = fn.decoders.image(files, device="cpu", output_type=types.RGB)
    resized = fn.resize(decoded, size=(SIDE, SIDE), interp_type=types.INTERP_LINEAR, antialias=False)
    return fn.crop_mirror_normalize(resized, mean=[0.0], std=[255.0], dtype=types.FLOAT, output_layout="HWC")


def build(paths, threads):
    pipeline = images(paths, batch_size=BATCH, num_threads=threads, device_id=None, prefetch_queue_depth=2)
    pipeline.build()
    return pipeline


def run(pipeline, count, out):
    for first in range(0, count, BATCH):
        (x,) = pipeline.run()
        # The reader begins anew to fill the last batch.
        keep(np.asarray(x.as_array())[:count - first], first // BATCH, out)


def main():
    args = image_arguments(__doc__)
    run(build(args.paths[:8], args.threads), 8, None)
    timed(run, build(args.paths, args.threads), len(args.paths), args.out)


main()

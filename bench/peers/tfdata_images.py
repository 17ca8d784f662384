"""tf.data with parallel map, batch and prefetch, as keras.utils.image_dataset_from_directory builds it."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf

from common import BATCH, SCALE, SIDE, image_arguments, keep, timed


def prepare(path):
    image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return tf.image.resize(image, (SIDE, SIDE)) * SCALE


def dataset(paths, threads):
    data = tf.data.Dataset.from_tensor_slices(np.array(paths, "S"))
    data = data.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    return data.with_options(options).prefetch(tf.data.AUTOTUNE)


def run(data, out):
    for number, x in enumerate(data):
        keep(x.numpy(), number, out)


def main():
    args = image_arguments(__doc__)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    run(dataset(args.paths[:8], args.threads), None)
    timed(run, dataset(args.paths, args.threads), args.out)


main()

"""An epoch of a small Keras model, fed by one of several loaders.

keras_batches.py train LOADER SOURCE       the seconds of the second epoch, from fit() on
keras_batches.py check LOADER=SOURCE...    as JSON: the losses of each loader with one seed, and how many batches of
                                           the loader kprep are views of their mapped files

    kprep      kprep.open(FOLDER).tf_data()
    pydataset  kprep.open(FOLDER).keras()
    tfdata     tf.data, np.load of the same files by several threads, prefetch
    numpy      a keras.utils.PyDataset with np.load of the same files
    pictures   kprep.Pipeline(JOB).keras(): nothing is written
    decode     tf.data, decoding of the same pictures (FOLDER/CLASS/*.jpg) by several threads, prefetch
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import kprep
import numpy as np
import tensorflow as tf

from common import BATCH, SCALE

SHAPE = (64, 64, 3)
CLASSES = 10
EPOCHS_CHECKED = 2


def batch_files(folder):
    return [(str(x), str(x.with_name(x.name.replace("x-", "y-")))) for x in sorted(folder.glob("x-*.npy"))]


def written(source, threads):
    return kprep.open(source).tf_data()


def written_pydataset(source, threads):
    return kprep.open(source).keras()


class NumpyBatches(keras.utils.PyDataset):
    def __init__(self, files):
        super().__init__()
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, number):
        x, y = self.files[number]
        return np.load(x), np.load(y)


def numpy_batches(source, threads):
    return NumpyBatches(batch_files(source))


def load_pair(x, y):
    return np.load(x.decode()), np.load(y.decode())


def load_tensors(files):
    x, y = tf.numpy_function(load_pair, (files[0], files[1]), (tf.float32, tf.int32), stateful=False)
    return tf.ensure_shape(x, (None, *SHAPE)), tf.ensure_shape(y, (None,))


def tfdata_batches(source, threads):
    files = tf.data.Dataset.from_tensor_slices(batch_files(source))
    return files.map(load_tensors, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def pictures(source, threads):
    return kprep.Pipeline(source).keras(workers=threads)


def decode(path, label):
    image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return tf.ensure_shape(tf.cast(image, tf.float32) * SCALE, SHAPE), label


def tfdata_pictures(source, threads):
    names = sorted(folder.name for folder in source.iterdir())
    paths = sorted(source.glob("*/*.jpg"))
    labels = np.array([names.index(path.parent.name) for path in paths], np.int32)
    data = tf.data.Dataset.from_tensor_slices(([str(path) for path in paths], labels))
    return data.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)


LOADERS = {"kprep": written, "pydataset": written_pydataset, "tfdata": tfdata_batches, "numpy": numpy_batches,
           "pictures": pictures, "decode": tfdata_pictures}


def small_model():
    """So little to compute that loading counts."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.GlobalAveragePooling2D(),
                              keras.layers.Dense(CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=False, steps_per_execution=1)
    return model


def fit(model, data, epochs=1):
    return model.fit(data, epochs=epochs, shuffle=False, verbose=0).history["loss"]


def train(loader, source, threads):
    data, model = LOADERS[loader](source, threads), small_model()
    fit(model, data)
    start = time.perf_counter()
    fit(model, data)
    print(json.dumps({"seconds": time.perf_counter() - start}))


def mapped_file(address):
    """The file that the system has mapped at an address."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        first, last = (int(end, 16) for end in fields[0].split("-"))
        if first <= address < last:
            return Path(fields[5]) if len(fields) > 5 else None
    return None


def is_view(x, path):
    """Do an array's bytes lie where the system has mapped the batch's file, and nowhere else?"""
    first = x.__array_interface__["data"][0]
    return x.flags.c_contiguous and all(mapped_file(end) == path for end in (first, first + x.nbytes - 1))


def views(folder):
    data = written_pydataset(folder, 1)
    files = [Path(x).resolve() for x, _ in batch_files(folder)]
    return sum(is_view(np.asarray(data[i][0]), file) for i, file in enumerate(files))


def check(pairs, threads):
    tf.config.experimental.enable_op_determinism()
    losses, mapped = {}, None
    for loader, source in pairs:
        losses[loader] = fit(small_model(), LOADERS[loader](source, threads), EPOCHS_CHECKED)
        if loader == "pydataset":
            mapped = views(source)
    print(json.dumps({"losses": losses, "mapped": mapped}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, required=True)
    tasks = parser.add_subparsers(dest="task", required=True)
    one = tasks.add_parser("train")
    one.add_argument("loader", choices=LOADERS)
    one.add_argument("source", type=Path)
    tasks.add_parser("check").add_argument("pairs", nargs="+", metavar="LOADER=SOURCE")
    args = parser.parse_args()
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    if args.task == "train":
        train(args.loader, args.source, args.threads)
    else:
        named = (pair.split("=", 1) for pair in args.pairs)
        check([(loader, Path(source)) for loader, source in named], args.threads)


main()

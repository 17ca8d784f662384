"""Makes the bench's data, the same for the same seed and sizes.

photos FOLDER --count N       photos of about 500 x 375: jpeg/00000.jpg (quality 90) and png/00000.png
copies FOLDER --count N       the JPEG photos of --source again and again, as files of their own
planes FOLDER --count N       --channels files f0.npy ... of (N, 32, 32) float32
thumbnails FOLDER --count N   JPEG images of 32 x 32
classes FOLDER --count N      JPEG images of 64 x 64 in ten class folders: c0/000000.jpg ...
pictures FILE --count N       uint8 (N, 128, 128, 3)
doubles FILE --bytes B        float64 (rows, 1024, 16), a block of values again and again
"""

import argparse
import functools
import importlib.util
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = ((500, 375), (500, 375), (375, 500), (500, 333), (480, 360))
SOURCES = ("astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "motorcycle_right.png",
           "hubble_deep_field.jpg", "retina.jpg", "ihc.png")

CLASSES = 10


@functools.cache
def sources():
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    return [Image.open(folder / name).convert("RGB") for name in SOURCES]


def photo(images, rng):
    """A part of a sample photo, mirrored, in another light, with some noise of the sensor."""
    width, height = SIZES[rng.integers(len(SIZES))]
    image = images[rng.integers(len(images))]
    zoom = rng.uniform(0.7, 1.0) * min(image.width / width, image.height / height)
    w, h = width * zoom, height * zoom
    left, top = rng.uniform(0, image.width - w), rng.uniform(0, image.height - h)
    part = image.resize((width, height), Image.Resampling.BICUBIC, (left, top, left + w, top + h))
    values = np.asarray(part, np.float32)
    if rng.random() < 0.5:
        values = values[:, ::-1]
    values = values * rng.uniform(0.8, 1.1, 3) + rng.normal(0, 1.5, values.shape)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def save_photo(task):
    path, i, png, seed = task
    image = photo(sources(), np.random.default_rng([seed, i]))
    image.save(path / f"jpeg/{i:05d}.jpg", quality=90)
    if png:
        image.save(path / f"png/{i:05d}.png")


def make_photos(args, rng):
    for name in ("jpeg", "png"):
        (args.path / name).mkdir(parents=True)
    tasks = [(args.path, i, i < args.png, args.seed) for i in range(args.count)]
    with multiprocessing.Pool() as pool:
        pool.map(save_photo, tasks, chunksize=8)


def make_copies(args, rng):
    args.path.mkdir(parents=True)
    files = sorted(args.source.iterdir())
    for i in range(args.count):
        shutil.copyfile(files[i % len(files)], args.path / f"{i:06d}.jpg")


def make_planes(args, rng):
    args.path.mkdir(parents=True)
    for i in range(args.channels):
        np.save(args.path / f"f{i}.npy", rng.random((args.count, 32, 32), np.float32))


def save_small(paths, side, rng):
    """A sample photo for each path, each in another light."""
    images = [np.asarray(source.resize((side, side)), np.float32) for source in sources()]
    for i, path in enumerate(paths):
        values = images[i % len(images)] * rng.uniform(0.5, 1.0)
        Image.fromarray(values.astype(np.uint8)).save(path, quality=90)


def make_thumbnails(args, rng):
    args.path.mkdir(parents=True)
    save_small([args.path / f"{i:06d}.jpg" for i in range(args.count)], 32, rng)


def make_classes(args, rng):
    for c in range(CLASSES):
        (args.path / f"c{c}").mkdir(parents=True)
    save_small([args.path / f"c{i % CLASSES}/{i:06d}.jpg" for i in range(args.count)], 64, rng)


def make_pictures(args, rng):
    np.save(args.path, rng.integers(0, 256, (args.count, 128, 128, 3), np.uint8))


def make_doubles(args, rng):
    block = rng.random((256, 1024, 16))
    count = max(1, args.bytes // block.nbytes)
    with open(args.path, "wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (256 * count, 1024, 16)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(count):
            file.write(block.data)


MAKERS = {"photos": make_photos, "copies": make_copies, "planes": make_planes,
          "thumbnails": make_thumbnails, "classes": make_classes, "pictures": make_pictures, "doubles": make_doubles}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=MAKERS)
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--png", type=int, default=0, help="how many of the photos as PNG too")
    parser.add_argument("--channels", type=int, default=912)
    parser.add_argument("--bytes", type=int, default=0)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    MAKERS[args.what](args, np.random.default_rng(args.seed))


main()

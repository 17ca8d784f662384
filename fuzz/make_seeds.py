#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets whose input is no text: small files of each kind, by NumPy, Pillow
and the standard library, and texts for the targets of jobs. Files are named by their content, so that
running it again adds nothing.

usage: fuzz/make_seeds.py   (with the packages of tests/requirements.txt)
"""

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CORPUS = Path(__file__).parent / "corpus"


def keep(target, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)


def npy(array, version=None):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), version=version)
    return buffer.getvalue()


def npy_seeds():
    ramp = np.arange(24).reshape(2, 3, 4)
    for dtype in ("u1", "i1", "<u2", ">i2", "<i4", ">u4", "<i8", ">u8", "<f2", "<f4", ">f8", "?"):
        yield npy(ramp.astype(dtype))
    yield npy(np.asfortranarray(ramp.astype(np.float32)))
    yield npy(np.asfortranarray(np.arange(10, dtype=">u2").reshape(5, 2)))
    yield npy(np.float32(3))
    yield npy(np.zeros((0, 3), np.uint8))
    yield npy(np.zeros((3, 0), np.uint8))
    yield npy(np.zeros((1,) * 20, np.uint8))
    yield npy(ramp.astype(np.uint8), (2, 0))
    yield npy(ramp.astype(np.uint8), (3, 0))
    yield npy(np.array(["a"]))
    yield npy(np.zeros(2, [("a", "i4")]))


def pixels(channels, size=8):
    shape = (size, size) if channels == 1 else (size, size, channels)
    return (np.arange(np.prod(shape)) * 7 % 256).astype(np.uint8).reshape(shape)


def jpeg_seeds():
    def jpeg(image, **options):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=30, **options)
        return buffer.getvalue()

    grey, colour = Image.fromarray(pixels(1)), Image.fromarray(pixels(3))
    exif = Image.Exif()
    exif[0x0112] = 6
    yield jpeg(grey)
    yield jpeg(grey, progressive=True)
    for sampling in (0, 1, 2):
        yield jpeg(Image.fromarray(pixels(3, 17)), subsampling=sampling)
    yield jpeg(colour, progressive=True, optimize=True)
    yield jpeg(colour, exif=exif.tobytes())
    yield jpeg(colour, restart_marker_blocks=1)
    yield jpeg(colour, keep_rgb=True)
    yield jpeg(Image.fromarray(pixels(4), "CMYK"))


def png(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def zip_of(members, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def zip64(data, name=b"x.npy"):
    """A directory as of an archive beyond 4 GiB."""
    crc, most = zlib.crc32(data), 2**32 - 1
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 33, crc, most, most, len(name), 20) + name
    local += struct.pack("<2H2Q", 1, 16, len(data), len(data)) + data
    extra = struct.pack("<2H3Q", 1, 24, len(data), len(data), 0)
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 0x32D, 45, 0, 0, 0, 33, crc, most, most, len(name), len(extra),
                        0, 0, 0, 0, most) + name + extra
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entry), len(local))
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(local) + len(entry), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, most, most, 0)
    return local + entry + end64 + locator + end


def zip_seeds():
    array, image = npy(np.arange(6, dtype=np.float32).reshape(2, 3)), png(Image.fromarray(pixels(3, 4)))
    members = [("a.npy", array), ("k/b.png", image), ("notes.md", b"no"), (".h.npy", b"no")]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield zip_of(members, method)
    yield zip_of([("../a.npy", array), ("/b.npy", array)])
    yield zip64(array)

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

        tell = seek

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.npy"), array, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("b.npy"), array)
    yield pipe.getvalue()
    link = zipfile.ZipInfo("l.npy")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, b"/etc/passwd")
        archive.writestr(zipfile.ZipInfo("a.npy"), array)
    yield buffer.getvalue()


def tar_of(members, form):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data)
            info.linkname = "a.npy" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue().rstrip(b"\0") + bytes(1024)


def tar_seeds():
    array = npy(np.arange(6, dtype=np.uint8))
    plain = [("a.npy", tarfile.REGTYPE, array), ("k/b.npy", tarfile.REGTYPE, array)]
    odd = [("l.npy", tarfile.SYMTYPE, b""), ("h.npy", tarfile.LNKTYPE, b""), ("p.npy", tarfile.FIFOTYPE, b""),
           ("../o.npy", tarfile.REGTYPE, array)]
    long_name = [("n" * 150 + ".npy", tarfile.REGTYPE, array)]
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for first in (b"\0", b"\1", b"\2"):
            yield first + tar_of(plain, form)
        yield b"\1" + tar_of(odd + plain, form)
        if form != tarfile.USTAR_FORMAT:
            yield b"\1" + tar_of(long_name, form)
    yield b"\0" + gzip.compress(tar_of(plain, tarfile.PAX_FORMAT), mtime=0)


def table_seeds():
    yield b"\0a.npy\nb.npy\n# none\n\nsub/c.npy\n"
    yield b"\0sub\r\na.npy\r\n"
    yield b"\1label,file\ncat,a.npy\r\ndog,\"b.npy\"\n"
    yield b"\1path\nsub/c.npy\n"
    yield b"\2file,label\na.npy,cat\nb.npy,dog\nsub/c.npy,\"c,at\"\n"
    yield b"\2file,label\na.npy,1\nb.npy,2\nsub/c.npy,30\n"
    yield b"\2label,file\n\"a\"\"b\",a.npy\n\"two\nlines\",b.npy\nx,sub/c.npy\n"


def plan_seeds():
    def recipe(dtype, shape, files=2, batch=3, like=0, seed=5, image=False, fortran=False, by_row=False, flags=0):
        sizes = [s - 1 for s in shape] + [0] * (4 - len(shape))
        return bytes([dtype, len(shape) - 1 | image << 6 | fortran << 5 | by_row << 4, sizes[0] | sizes[3] << 4,
                      sizes[1], sizes[2], files - 1 | batch - 1 << 2 | flags, like, seed])

    rgb, hwc = recipe(1, (5, 6, 3), image=True), recipe(10, (4, 5, 6, 3), by_row=True)
    for text in ("resize 4 4 | rescale 1/255", "rgb | resize 7 5 method=area | cast uint8 overflow=clip",
                 "grayscale | flip w", "center_crop 3 3 | normalize mode=torch", "transpose [2, 0, 1]",
                 "rearrange 'h w c -> c (h w)'", "pad 1 2 3 4 value=0", "alpha mode=drop"):
        yield rgb + text.encode()
    for text in ("", "flatten", "reduce h,w mean", "select c [0, 2]", "moveaxis -1 0", "clip 0 1 | rescale 2 1",
                 "normalize [1, 2, 3] [4, 5, 6]", "reshape [3, -1]", "expand_dims 0 | squeeze 0", "rotate90 1"):
        yield hwc + text.encode()
    for like in (0, 1, 2):
        yield recipe(1, (8, 7, 3), image=True, like=like, flags=0x10) + b"resize 3 9 method=bicubic"
    for dtype in range(12):
        yield recipe(dtype, (3, 4), by_row=True, flags=0x20) + b""
    yield recipe(4, (3,), by_row=True) + b"one_hot 5"
    yield recipe(10, (3, 2), fortran=True, by_row=True, flags=0x80) + b"clip min=0"
    yield recipe(10, (4, 3, 5)) + b"\0{shape: [null, 3, 5, 4], dtype: float32, axes: nhwc}"
    yield recipe(10, (4, 3)) + b"\0{shape: [null, 4, 3, 1], dtype: float32}"
    yield rgb + b"\0{shape: [null, 3, 8, 8], dtype: float32, range: [0, 1]}"
    yield rgb + b"\0{shape: [null, 8, 8, 1], dtype: float32}"


def job_seeds():
    for path in sorted((CORPUS.parent.parent / "examples").glob("*.yaml")):
        yield path.read_bytes()
    yield b"{input: {path: [a, b], order: list, samples: row, axes: hwc}, labels: {csv: l.csv, key: f, column: c}}"
    yield b"input: [{path: a, axes: hw}, {path: b, match: stem}]\nlimits: {pixels: 100, memory: 1GiB}\n"
    yield b"arrays: {a: {input: x, pipeline: flatten}, b: {input: {path: y}}}\nspec: {inputs: {a: {shape: [null, 3]}}}\n"
    yield (b"input: x\noutput: {path: o, batch: all, shuffle: {seed: 7}, split: {train: 0.8, validation: 0.2}}\n"
           b"on_error: quarantine\nmax_bad: 0.1%\nlike: pillow\npipeline:\n  - resize: [2, 2]\n  - normalize: {mode: tf}\n")


def main():
    for target, seeds in (("npy", npy_seeds), ("jpeg", jpeg_seeds), ("zip", zip_seeds), ("tar", tar_seeds),
                          ("table", table_seeds), ("plan", plan_seeds), ("job", job_seeds)):
        for data in seeds():
            keep(target, data)
    for size, mode in ((3, "1"), (3, "P"), (4, "LA"), (4, "RGBA"), (5, "I;16")):
        image = Image.fromarray(pixels(3, size)).convert("RGB") if mode != "I;16" else \
            Image.fromarray(np.arange(size * size, dtype=np.uint16).reshape(size, size) * 2000)
        keep("png", png(image if mode == "I;16" else image.convert(mode)))


if __name__ == "__main__":
    main()

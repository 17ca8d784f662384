#!/usr/bin/env python3
"""A long run over small samples: memory and descriptors must not grow with their number.

usage: tests/soak/soak.py [SAMPLES]

SAMPLES (default: $SOAK_SAMPLES, or 1000000) is the number of rows of one NPY array; a tenth as many PNG files
of 8 x 8 lie in folders of a thousand. A quarter of each and all of it are made into batches while /proc is read
fifty times a second. What is kept of each file is its path and some 100 bytes; beyond that the run of all must
not take more memory than that of a quarter, and no more files may be open than limits.files says. Then each
sample must be there once, in order. Prints figures and exits 1 where they are not as they should be. $KPREP_BIN is the program; data lies in
$SOAK_DIR (default: /dev/shm, if it is there).
"""

import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BIN = os.environ.get("KPREP_BIN", str(ROOT / "build/release/bin/kprep"))
MIB = 1 << 20
SLACK = 4 * MIB  # by which the peak of two runs may differ: when pages are given back
PER_FILE = 400  # bytes kept of each file: its path, its place, and the tables they grow in
FILES = 64  # open at once


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(number):
    """8 x 8, RGB: the number in the first pixels, so that a sample that is lost or doubled is seen."""
    row = b"\0" + struct.pack(">I", number)[1:] + bytes(21)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(row + (b"\0" + bytes(24)) * 7, 1)) + chunk(b"IEND", b""))


def make_rows(folder, count):
    path = folder / "rows.npy"
    array = np.lib.format.open_memmap(path, "w+", np.float32, (count, 16))
    array[:] = np.arange(count, dtype=np.float32)[:, None]
    array.flush()
    return path


def row_number(x):
    return x[:, 0].astype(np.int64)


def make_files(folder, count):
    folder = folder / "files"
    for number in range(count):
        if number % 1000 == 0:
            (part := folder / f"{number // 1000:05d}").mkdir(parents=True)
        (part / f"{number % 1000:03d}.png").write_bytes(png(number))
    return folder


def image_number(x):
    return (x[:, 0, 0].astype(np.int64) * [65536, 256, 1]).sum(axis=1)


def descriptors(pid):
    """How many are open; 0 when the process has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def peak(pid):
    """Most bytes that were resident so far; 0 when the process has ended. Not getrusage(): that begins with
    the parent's."""
    try:
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        return 0


def watch(name, samples, files, arguments):
    """Runs kprep; its peak of memory, and the most descriptors."""
    begin, fds, memory = time.monotonic(), [0], [0]
    with subprocess.Popen([BIN, *arguments, "--quiet", "--threads", "2", "--set", f"limits.files={FILES}"]) as run:
        while run.poll() is None:
            fds.append(descriptors(run.pid))
            memory.append(peak(run.pid))
            time.sleep(0.02)
    if run.returncode != 0:
        sys.exit(f"soak: kprep ended with {run.returncode}")
    seconds = time.monotonic() - begin
    print(f"{name:6} {samples:9d} samples {files:8d} files {seconds:7.1f} s {samples / seconds:9.0f}/s  memory "
          f"{max(memory) / MIB:6.1f} MiB  descriptors {max(fds)}", flush=True)
    return max(memory), max(fds)


def judge(name, allowed, few, many):
    """Of two runs, one has four times the samples."""
    grown = many[0] - few[0]
    good = grown <= allowed + SLACK and max(few[1], many[1]) <= FILES + 16
    print(f"{name:6} grows by {grown / MIB:.1f} MiB from a quarter to all; allowed {(allowed + SLACK) / MIB:.1f}: "
          f"{'good' if good else 'BAD'}", flush=True)
    return good


def check_rows(out, samples, number):
    """Each sample once, in order."""
    at = 0
    for path in sorted(out.glob("x-*.npy")):
        got = number(np.load(path))
        if not np.array_equal(got, np.arange(at, at + len(got))):
            sys.exit(f"soak: {path.name} does not hold the samples from {at} on")
        at += len(got)
    if at != samples:
        sys.exit(f"soak: {at} samples of {samples}")


def main(arguments):
    if set(arguments) & {"-h", "--help"}:
        print(__doc__.strip())
        return 0
    samples = int(arguments[0] if arguments else os.environ.get("SOAK_SAMPLES", 1_000_000))
    place = os.environ.get("SOAK_DIR", "/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    good = True
    for name, make, spec, number, count, per_sample in (
            ("rows", make_rows, "{shape: [null, 16], dtype: float32}", row_number, samples, 0),
            ("files", make_files, "{shape: [null, 8, 8, 3], dtype: uint8}", image_number, samples // 10, PER_FILE)):
        peaks = []
        for part in (count // 4, count):
            with tempfile.TemporaryDirectory(prefix="kprep-soak-", dir=place) as folder:
                folder = Path(folder)
                source = make(folder, part)
                (folder / "spec.yaml").write_text(spec)
                peaks.append(watch(name, part, part if per_sample else 1,
                                   ["run", source, "--samples", "row" if not per_sample else "file", "--spec",
                                    folder / "spec.yaml", "--batch", "512", "--output", folder / "out"]))
                check_rows(folder / "out", part, number)
        good &= judge(name, per_sample * (count - count // 4), *peaks)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

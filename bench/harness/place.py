"""Where the bench works: its build, its Python environment, its folders."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
BUILD = ROOT / "build/release"
RESULTS = ROOT / "build/bench"
MODULES = ("libjpeg", "libpng")


def run(command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


def output(command, **options):
    return run(command, capture_output=True, text=True, **options).stdout


def compile_program(name):
    """A C program of bench/native, against the libraries and kprep's shared one."""
    program = RESULTS / name
    flags = output(["pkg-config", "--cflags", "--libs", *MODULES]).split()
    run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O3", "-Wall", "-Wextra", "-I", ROOT / "include",
         BENCH / "native" / f"{name}.c", "-o", program, *flags, "-pthread", f"-L{BUILD / 'lib'}", "-lkprep",
         f"-Wl,-rpath,{BUILD / 'lib'}"])
    return program


def build():
    run([ROOT / "scripts/bootstrap", "--bench"])
    run([ROOT / "scripts/build", "release"], stdout=subprocess.DEVNULL)
    RESULTS.mkdir(parents=True, exist_ok=True)
    return {name: compile_program(name) for name in ("decode", "loader", "move")}


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "kprep"


def venv_folder(requirements):
    if os.environ.get("KPREP_BENCH_VENV"):
        return Path(os.environ["KPREP_BENCH_VENV"])
    key = hashlib.sha256((requirements + sys.version).encode()).hexdigest()[:10]
    return cache_folder() / f"bench-venv-{key}"


def make_venv():
    """The interpreter of the bench's own environment, and what could not be installed.

    The marker is written last: an environment without it was cut off, and is made anew.
    """
    if not (3, 11) <= sys.version_info < (3, 14):
        sys.exit("bench/run: the peers need Python 3.11, 3.12 or 3.13")
    needed, dali = BENCH / "requirements.txt", BENCH / "requirements-dali.txt"
    requirements = needed.read_text() + dali.read_text()
    folder = venv_folder(requirements)
    python, marker = folder / "bin/python", folder / ".kprep-bench.json"
    if not marker.exists():
        print(f"== Python packages into {folder}", flush=True)
        venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        run([*pip, "-r", needed])
        done = subprocess.run([*map(str, pip), "-r", str(dali)], capture_output=True, text=True)
        marker.write_text(json.dumps({"dali": done.returncode == 0}))
    return python, json.loads(marker.read_text())


@functools.cache
def build_package(python):
    """The folder of the Python package, built once in a run of the bench."""
    folder = RESULTS / "python"
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--upgrade",
         "--no-build-isolation", "--no-deps", "--target", folder, f"-Cbuild-dir={RESULTS / 'wheel'}", ROOT])
    return folder


def free_bytes(folder):
    return shutil.disk_usage(folder).free


def available_memory():
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def fast_folder(needed):
    """A folder in memory if there is room, so that the disk is not what is measured; else None."""
    shm = Path("/dev/shm")
    fits = os.access(shm, os.W_OK) and free_bytes(shm) > needed and available_memory() > 2 * needed
    return shm if fits else None


def require_space(folder, needed, option):
    if free_bytes(folder) < needed:
        sys.exit(f"bench/run: {needed / 1e9:.1f} GB are needed in {folder}, {free_bytes(folder) / 1e9:.1f} GB are "
                 f"free ({option}, --quick)")

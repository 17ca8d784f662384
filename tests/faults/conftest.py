"""The command under test, the library that is preloaded into it, and the counts at the end."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import works as jobs
from harness import Bench

ROOT = Path(__file__).resolve().parents[2]
benches = []


@pytest.fixture(scope="session")
def binary():
    path = Path(os.environ.get("KPREP_BIN", ROOT / "build/release/bin/kprep"))
    if not path.exists():
        pytest.exit(f"no such program: {path} (scripts/build makes it)", returncode=2)
    return path.resolve()


@pytest.fixture(scope="session")
def room():
    """In memory where that is possible: each of some thousand runs syncs its files."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="kprep-faults-", dir=where))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def bench(binary, room):
    shim = binary.parents[1] / "lib/libkprep_faults.so"
    if not shim.exists():
        pytest.exit(f"no such library: {shim} (scripts/build makes it)", returncode=2)
    benches.append(Bench(binary, shim, room))
    return benches[-1]


@pytest.fixture(scope="session")
def works(bench, room):
    """works(name): a job, and how many calls of each class each of its steps makes."""
    made = {}

    def get(name):
        if name not in made:
            work = jobs.make(bench, room / "works" / name, name)
            made[name] = work, bench.learn(work)
        return made[name]

    return get


def pytest_terminal_summary(terminalreporter):
    for bench in benches:
        terminalreporter.write_line(", ".join(f"{k}: {v}" for k, v in bench.tally.items()))

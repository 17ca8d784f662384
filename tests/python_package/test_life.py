"""The life of buffers: nothing is lost, nothing is used after it is gone.

Under the address sanitizer (LD_PRELOAD, see scripts/test) uses after the end stop the program, and the leaks
that the sanitizer reports are searched for ours. Without it, memory is seen not to grow.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import kprep
from conftest import PACKAGE

SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")


def run(rounds, **env):
    return subprocess.run([sys.executable, Path(__file__).with_name("life.py"), PACKAGE, str(rounds)],
                          capture_output=True, text=True, check=False, env={**os.environ, **env})


def test_buffers_are_freed():
    done = run(5 if SANITIZED else 1000)
    assert done.returncode == 0, done.stderr[-4000:]
    if not SANITIZED: # a buffer that each round lost would be 16 MB in all; the rest is malloc's
        assert int(done.stdout.split()[1]) < 12_000_000


def test_no_leaks_under_the_sanitizer():
    if not SANITIZED:
        return
    done = run(2, ASAN_OPTIONS="detect_leaks=1:exitcode=0:fast_unwind_on_malloc=0")
    assert "grown" in done.stdout, done.stderr[-4000:]
    leaks = done.stderr.split("\n\n")
    ours = [leak for leak in leaks if re.search(r"_kprep\.abi3|python/native/| kprep_", leak)]
    assert not ours, "\n\n".join(ours[:5])[-6000:]


def test_arrays_are_not_made_by_hand():
    for kind in (kprep.Array, kprep._kprep.Batch):
        try:
            kind()
        except TypeError:
            continue
        raise AssertionError(kind)

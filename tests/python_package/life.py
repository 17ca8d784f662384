"""Every way in which a buffer lives and dies, over and over: run by test_life.py, with a sanitizer or without.

    python life.py PACKAGE ROUNDS
"""

import gc
import sys
import threading

sys.path.insert(0, sys.argv[1])

import kprep
import numpy as np

array = np.arange(64 * 1000, dtype=np.float32).reshape(64, 1000)
SPEC = {"shape": [None, 1000]}


def one_round():
    pipeline = kprep.Pipeline(array, SPEC, batch=4, labels=np.arange(64), threads=2)
    held = list(pipeline)                                     # all batches at once
    kept = [batch.x[1] for batch in pipeline]                 # only a view of each
    loose = [b.exports["x"].__dlpack__() for b in held]       # capsules that nobody takes
    loose += [b.exports["y"].__dlpack__(max_version=(1, 0)) for b in held]
    taken = [np.from_dlpack(b.exports["x"]) for b in held]    # and some that are taken
    views = [memoryview(b.exports["x"]) for b in held]
    walk = iter(pipeline)                                     # an iteration that is broken off
    next(walk)
    other = pipeline[7].x
    threads = [threading.Thread(target=lambda i=i: pipeline[i].x.sum()) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del held, walk
    pipeline.close()
    del pipeline
    gc.collect()
    for i, part in enumerate(kept):
        assert part[0] == 1000 * (4 * i + 1)
    for i, whole in enumerate(taken):
        assert whole[3, 999] == 1000 * (4 * i + 3) + 999
        assert views[i][0, 0] == 4000 * i
    assert other[0, 0] == 28000
    try:
        kprep.check(array, {"shape": [None, 999]})
    except kprep.SpecError as e:
        assert e.problems
    try:
        list(kprep.Pipeline(np.full((8, 2), np.nan, np.float32), {"shape": [None, 2]}, batch=2))
    except kprep.SpecError:
        pass
    return loose[0]


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


for _ in range(5):
    one_round()
gc.collect()
before = resident()
for _ in range(int(sys.argv[2])):
    one_round()
gc.collect()
print("grown", resident() - before)

"""Every call that can fail does, one after the other."""

import pytest

from harness import IO, spread
from works import MAKERS, make

WORKS = [*MAKERS, "retry"]
ACTIONS = {"look": ("EIO",), "open": ("EIO", "EMFILE", "EINTR"), "read": ("EIO", "EINTR", "short"),
           "write": ("EIO", "ENOSPC", "ENOSPC+", "EINTR", "short"), "sync": ("EIO", "ENOSPC", "EINTR"),
           "rename": ("EIO", "ENOSPC"), "mkdir": ("EIO", "ENOSPC"), "thread": ("EAGAIN",)}


@pytest.fixture(scope="module")
def works(bench, room):
    made = {}

    def get(name):
        if name not in made:
            work = make(bench, room / "works" / name, name)
            made[name] = work, bench.learn(work)
        return made[name]

    return get


@pytest.mark.parametrize("name", WORKS)
def test_calls_of_the_system(bench, works, name):
    work, counts = works(name)
    cases = [(work, at, call, n, action)
             for at, count in enumerate(counts) for call in IO for action in ACTIONS[call]
             for n in range(1, count[call] + 1)]
    bench.all(bench.inject, cases)

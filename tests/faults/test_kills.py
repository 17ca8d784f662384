"""Killed at any point of a run, some times in a row, and gone on with by another number of threads."""

import random

import pytest

from harness import spread
from works import MAKERS

WORKS = [*MAKERS, "retry"]
POINTS = 30  # of each job; the sum of all is checked in the end


@pytest.mark.parametrize("name", WORKS)
def test_killed_at_a_call(bench, works, name):
    """Before a call, in the middle of a write, and behind it."""
    work, counts = works(name)
    pick = random.Random(name)
    cases = []
    for at, count in enumerate(counts):
        for n in spread(count["any"], POINTS):
            how = pick.choice(("kill", "torn", "done"))
            cases.append((work, at, [f"any:{n}:{how}"], [1], pick.randint(1, 4)))
    bench.all(bench.kill, cases)


@pytest.mark.parametrize("name", WORKS)
def test_killed_again_and_again(bench, works, name):
    """With threads that race: a kill point is another one each time."""
    work, counts = works(name)
    pick = random.Random(name)
    cases = []
    for at, count in enumerate(counts):
        for _ in range(4):
            points = [pick.randint(1, count["any"]) for _ in range(4)]
            cases.append((work, at, [f"any:{n}:{pick.choice(('kill', 'torn', 'done'))}" for n in points],
                          [pick.randint(1, 4) for _ in points], pick.randint(1, 4)))
    bench.all(bench.kill, cases)


def test_there_were_enough(bench, request):
    if len(request.session.items) >= 2 * len(WORKS):
        assert bench.tally["kill points"] >= 200

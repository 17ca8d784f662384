"""Every call that can fail does, one after the other."""

import json
import os

import pytest

from harness import IO, ROOT, spread
from works import MAKERS

WORKS = [*MAKERS, "retry"]
KERAS = ROOT / "examples/models/two-inputs.keras"
ACTIONS = {"look": ("EIO",), "open": ("EIO", "EMFILE", "EINTR"), "read": ("EIO", "EINTR", "short"),
           "write": ("EIO", "ENOSPC", "ENOSPC+", "EINTR", "short"), "sync": ("EIO", "ENOSPC", "EINTR"),
           "rename": ("EIO", "ENOSPC"), "mkdir": ("EIO", "ENOSPC"), "thread": ("EAGAIN",)}


ALL = os.environ.get("KPREP_FAULTS") == "all"  # every call of every job: some minutes


def some(count, most):
    return range(1, count + 1) if ALL else spread(count, most)


@pytest.mark.parametrize("name", WORKS)
def test_calls_of_the_system(bench, works, name):
    """Each call of one job, and of the others evenly chosen ones: the first and the last among them."""
    work, counts = works(name)
    most = 10 ** 6 if name == "quarantine" else 7
    cases = [(work, at, call, n, action)
             for at, count in enumerate(counts) for call in IO for action in ACTIONS[call]
             for n in some(count[call], most)]
    bench.all(bench.inject, cases)


@pytest.mark.parametrize("name", WORKS)
def test_memory(bench, works, name):
    """Each allocation of one job in turn, of the others evenly chosen ones; and all behind one."""
    work, counts = works(name)
    most = {"ENOMEM": 10 ** 6 if name == "joined" else 40, "ENOMEM+": 40}
    cases = [(work, at, "alloc", n, action) for at, count in enumerate(counts)
             for action in most for n in some(count["alloc"], most[action])]
    bench.all(bench.inject, cases)


@pytest.fixture(scope="module")
def data_set(bench, works, room):
    """An output folder, and a job whose data do not fit."""
    work, _ = works("images")
    out = room / "whole"
    assert bench.run(work, work.steps[0], out).rc == 0
    return work, out


COMMANDS = [("check", "job.json"), ("check", "job.json", "--json"), ("plan", "photos", "--spec", "spec.json"),
            ("spec", str(KERAS)), ("spec", str(KERAS), "--layers"), ("spec", "spec.json", "--json"),
            ("inspect", "photos"), ("inspect", "photos", "--json"), ("stats", "job.json"),
            ("verify", "{out}"), ("verify", "{out}", "--json"),
            ("run", "job.json", "--dry-run"), ("stages", "--json"), ("help",)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_memory_of_commands(bench, data_set, command):
    """Exit 3 and one word about it; or the answer that there is with memory, and its exit code."""
    work, out = data_set
    one_thread = [*command, *(() if command[0] in ("stages", "help", "spec") else ("--threads", "1"))]
    known = bench.run(work, one_thread, out, report=True)

    def one(work, n, action):
        bench.tally["injected faults"] += 1
        outcome = bench.run(work, one_thread, out, fault=f"alloc:{n}:{action}")
        assert outcome.rc >= 0 and "Sanitizer" not in outcome.err, outcome
        if "--json" in command:
            assert outcome.out, outcome
            document = json.loads(outcome.out)
            assert document["exit"] == outcome.rc, outcome
        if (outcome.rc, outcome.out, outcome.err) == (known.rc, known.out, known.err):
            return
        if "--json" in command:
            assert outcome.rc == 3 and "no-memory" in [p["id"] for p in document["problems"]], outcome
        else:
            assert outcome.rc == 3 and "no-memory" in [i for i, _ in outcome.ids], outcome

    count = known.counts["alloc"]
    most = 60 if command[0] != "check" else 250
    bench.all(one, [(work, n, action) for action in ("ENOMEM", "ENOMEM+") for n in some(count, most)])

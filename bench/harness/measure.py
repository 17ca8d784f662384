"""Runs contenders in turn and takes their time and memory."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Contender:
    """A program that does the job, whole or from its first sample on."""

    name: str
    command: list
    output: Path | None = None  # removed before each run, last at the end of the row
    own_clock: bool = False  # it prints its steady state's seconds as JSON, in its last line
    bare: bool = False  # nothing around it: for times of a millisecond
    repeat: int = 1  # runs per round, of which the median counts
    at_least: float | None = None  # the target: peer's time / kprep's time
    within_ms: float | None = None  # the target: kprep's time - peer's time
    cwd: Path | None = None
    samples: list = field(default_factory=list)


@dataclass
class Sample:
    seconds: float
    cpu: float
    peak_kib: int


@dataclass
class Row:
    """One job: kprep, its peers, and what says that they did the same."""

    key: str
    job: str
    amount: float
    unit: str
    ours: Contender
    peers: list
    check: object  # called once, after the first round; returns what it found, in words
    notes: list = field(default_factory=list)
    checked: str = ""


def remove(path):
    if path is None:
        return
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def execute(words, cwd):
    start = time.perf_counter()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", cwd=cwd)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"bench/run: exit {done.returncode}: {' '.join(words)}\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


def run_once(contender):
    remove(contender.output)
    words = [str(word) for word in contender.command]
    if contender.bare:
        seconds, _ = execute(words, contender.cwd)
        return Sample(seconds, 0.0, 0)
    with tempfile.NamedTemporaryFile("r") as report:
        seconds, text = execute(["/usr/bin/time", "-f", "%U %S %M", "-o", report.name, *words], contender.cwd)
        user, system, peak = report.read().split()[-3:]
    if contender.own_clock:
        seconds = json.loads(text.splitlines()[-1])["seconds"]
    return Sample(seconds, float(user) + float(system), int(peak))


def run_round(contender):
    samples = [run_once(contender) for _ in range(contender.repeat)]
    contender.samples.append(sorted(samples, key=lambda sample: sample.seconds)[len(samples) // 2])


def run_row(row, rounds):
    """kprep and every peer in turn, so that what the machine does else hits all of them."""
    contenders = [row.ours, *row.peers]
    for turn in range(rounds):
        for contender in contenders:
            run_round(contender)
        if turn == 0:
            row.checked = row.check()
    for contender in contenders:
        remove(contender.output)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(contender):
    seconds = [sample.seconds for sample in contender.samples]
    facts = {"name": contender.name, "command": [str(word) for word in contender.command],
             "clock": "steady state" if contender.own_clock else "whole process", "seconds": spread(seconds),
             "all_seconds": seconds}
    if not contender.bare:
        facts["cpu_seconds"] = statistics.median(sample.cpu for sample in contender.samples)
        facts["peak_mib"] = max(sample.peak_kib for sample in contender.samples) / 1024
    return facts


def against(row, peer):
    """The peer's figures beside kprep's, round by round."""
    pairs = [(theirs.seconds, ours.seconds) for theirs, ours in zip(peer.samples, row.ours.samples, strict=True)]
    facts = summary(peer)
    facts["ratio"] = spread([theirs / ours for theirs, ours in pairs])
    facts["difference_ms"] = spread([1000 * (ours - theirs) for theirs, ours in pairs])
    facts["at_least"], facts["within_ms"] = peer.at_least, peer.within_ms
    if peer.at_least is not None:
        facts["met"] = facts["ratio"]["median"] >= peer.at_least
    elif peer.within_ms is not None:
        facts["met"] = facts["difference_ms"]["median"] <= peer.within_ms
    else:
        facts["met"] = None
    return facts


def result(row):
    return {"row": row.key, "job": row.job, "amount": row.amount, "unit": row.unit, "checked": row.checked,
            "notes": row.notes, "kprep": summary(row.ours), "peers": [against(row, peer) for peer in row.peers]}

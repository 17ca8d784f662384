"""Runs the command with a fault, and judges what it came to.

A `Work` is a small job whose result is known: the tree of files that an undisturbed run leaves. After a
fault there is one clean message and the right exit code, nothing under a final name that differs from that
tree, and the same command without the fault ends in exactly that tree.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

ERROR = re.compile(r"^kprep: error\[([a-z-]+)\]: (.*)$", re.MULTILINE)
IO = ("look", "open", "read", "write", "sync", "rename", "mkdir", "thread")
ROOT = Path(__file__).resolve().parents[2]
LIBARCHIVE = "Fatal Internal Error in libarchive"
LEFT_BY_RUNS = ".kprep"


def tree(folder):
    """Every file below a folder with its bytes; what runs keep for themselves left out."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith(LEFT_BY_RUNS):
            found[name] = path.read_bytes()
    return found


@dataclass
class Outcome:
    args: list
    rc: int
    out: str
    err: str
    hits: list = field(default_factory=list)  # (class, number, path)
    counts: dict = field(default_factory=dict)

    @property
    def ids(self):
        return ERROR.findall(self.err)

    def __repr__(self):
        return (f"$ kprep {' '.join(self.args)}\nexit {self.rc}, hit {self.hits}\n"
                f"--- stdout\n{self.out[-2000:]}\n--- stderr\n{self.err[-4000:]}")


@dataclass
class Work:
    """A job in a folder. steps are commands in which {out} is the output folder; the last ends it."""

    name: str
    folder: Path
    steps: list
    begun: Path = None  # what the output folder holds before the first step
    old: dict = field(default_factory=dict)
    expected: dict = None
    answer: str = None
    live: list = None  # blocks that each step leaves allocated in the end: libraries' own
    rejects: bool = False  # a file that can't be read is rejected, and the run goes on


class Bench:
    def __init__(self, binary, shim, room):
        self.binary, self.shim, self.room = binary, shim, room
        self.workers = min(4, os.cpu_count() or 1)
        self.tally = {"kill points": 0, "injected faults": 0, "resumed runs": 0}

    def run(self, work, step, out, fault=None, report=False, extra=(), command=(), **popen):
        args = [str(a).replace("{out}", str(out)) for a in (*step, *extra)]
        env = {**os.environ, "TERM": "dumb", **popen.pop("env", {})}
        path = None
        if fault is not None or report:
            env["LD_PRELOAD"] = str(self.shim)
            handle, path = tempfile.mkstemp(dir=self.room)
            os.close(handle)
            env["KPREP_FAULT_REPORT"] = path
            if fault is not None:
                env["KPREP_FAULT"] = fault
        process = subprocess.run([*command, str(self.binary), *args], cwd=work.folder, env=env,
                                 stdin=subprocess.DEVNULL, capture_output=True, timeout=120, **popen)
        outcome = Outcome(args, process.returncode, process.stdout.decode(errors="replace"),
                          process.stderr.decode(errors="replace"))
        if path is not None:
            for line in Path(path).read_text(errors="replace").splitlines():
                kind, name, number, *rest = line.split(" ", 3)
                if kind == "hit":
                    outcome.hits.append((name, int(number), rest[0] if rest else ""))
                else:
                    outcome.counts[name] = int(number)
            os.unlink(path)
        return outcome

    def fresh(self, work):
        out = Path(tempfile.mkdtemp(dir=self.room, prefix=work.name)) / "out"
        if work.begun is not None:
            shutil.copytree(work.begun, out)
        return out

    def drop(self, out):
        shutil.rmtree(out.parent, ignore_errors=True)

    def learn(self, work):
        """The undisturbed result, and how many calls of each class each step makes with one thread."""
        out = self.fresh(work)
        work.old = tree(out)
        counts = []
        for step in work.steps:
            outcome = self.run(work, step, out, report=True, extra=self.threads(step, 1))
            assert outcome.rc == 0, outcome
            counts.append(outcome.counts)
            work.answer = outcome.out.replace(str(out), "")
        work.expected = tree(out)
        work.live = [count["live"] for count in counts]
        if out.exists():
            assert not (out / LEFT_BY_RUNS).exists(), "something is left after success"
        self.drop(out)
        return counts

    @staticmethod
    def threads(step, n):
        return ("--threads", str(n)) if step[0] in ("run", "check", "stats") else ()

    # ---- judgement ----

    def nothing_half(self, work, out, outcome):
        there = tree(out) if out.exists() else {}
        for name, data in there.items():
            assert data == work.expected.get(name) or data == work.old.get(name), \
                f"{name} is neither whole nor the old one\n{outcome}"
        if "manifest.json" in there and there["manifest.json"] == work.expected.get("manifest.json"):
            assert there == work.expected, f"a manifest before all is there\n{outcome}"

    def clean(self, outcome):
        assert outcome.rc >= 0, f"killed by a signal\n{outcome}"
        assert "Sanitizer" not in outcome.err and "runtime error" not in outcome.err, outcome
        if outcome.rc == 0:
            assert not outcome.ids, outcome
        else:
            assert len(outcome.ids) == 1 and outcome.ids[0][1].strip(), outcome

    def whole(self, work, out, outcome):
        assert tree(out) == work.expected, f"differs: {self.difference(work, out)}\n{outcome}"

    @staticmethod
    def difference(work, out):
        there = tree(out)
        return sorted(k for k in {*there, *work.expected} if there.get(k) != work.expected.get(k))

    def resume(self, work, out, threads=1, outcome=None):
        """The steps again, without a fault."""
        self.tally["resumed runs"] += 1
        for step in work.steps:
            if step[0] == "merge" and (out / "manifest.json").exists():
                continue  # it was complete already, and there is nothing to merge
            again = self.run(work, step, out, extra=self.threads(step, threads))
            assert again.rc == 0, f"{outcome}\nand then\n{again}"
        self.whole(work, out, f"{outcome}\nand then\n{again}")
        assert not (out / LEFT_BY_RUNS).exists(), f"left over\n{outcome}\nand then\n{again}"

    def codes(self, work, out, outcome, name, action):
        """The exit codes and IDs that a fault may end in; {} if it has to be got over."""
        path = outcome.hits[0][2] if outcome.hits else ""
        if action in ("EINTR", "short") and name not in ("rename", "mkdir"):
            return {}
        if name == "alloc" or action == "ENOMEM":
            return {3: {"no-memory"}}
        if name == "thread":
            return {3: {"no-memory"}}
        ours = path.startswith(str(out)) or name in ("write", "sync", "rename", "mkdir")
        if ours:
            return {4: {"no-space"} if action == "ENOSPC" else {"unwritable"}}
        codes = {3: {"unreadable"}}
        if path.endswith((".json", ".yaml")):  # job and spec
            codes[2] = {"unreadable"}
        return codes

    def inject(self, work, at, name, n, action):
        """One fault in step `at`; then everything again without."""
        self.tally["injected faults"] += 1
        out = self.fresh(work)
        try:
            for step in work.steps[:at]:
                assert self.run(work, step, out, extra=self.threads(step, 1)).rc == 0
            step = work.steps[at]
            outcome = self.run(work, step, out, fault=f"{name}:{n}:{action}",
                               extra=self.threads(step, 1))
            self.judge(work, out, outcome, at, name, action.rstrip("+"))
            live = outcome.counts.get("live", 0)
            # libfyaml forgets an event that it lacks memory for.
            own = not (outcome.hits and "libfyaml" in outcome.hits[0][2])
            assert live <= work.live[at] or not own, f"{live} blocks leaked, not {work.live[at]}\n{outcome}"
        finally:
            self.drop(out)

    def judge(self, work, out, outcome, at, name, action):
        if name == "alloc" and LIBARCHIVE in outcome.err:
            # The library ended the process. What was done is gone on with, as after a kill.
            self.nothing_half(work, out, outcome)
            self.resume(work, out, 2, outcome)
            return
        self.clean(outcome)
        if work.rejects and outcome.rc == 0 and action == "EIO" and name in ("look", "open", "read"):
            if tree(out) != work.expected:  # the file is among the rejected: a retry mends that
                retry = [w for w in work.steps[0] if w != "--retry"] + ["--retry"]
                self.resume(replace(work, steps=[retry]), out, 1, outcome)
            return
        self.nothing_half(work, out, outcome)
        allowed = self.codes(work, out, outcome, name, action)
        if outcome.rc != 0:
            assert outcome.rc in allowed and outcome.ids[0][0] in allowed[outcome.rc], \
                f"expected {allowed or 'no failure'}\n{outcome}"
        elif at == len(work.steps) - 1:
            self.whole(work, out, outcome)
            assert outcome.out.replace(str(out), "").split(" in ")[0] == \
                work.answer.split(" in ")[0], outcome
        self.resume(work, out, 2, outcome)

    def kill(self, work, at, faults, threads, last):
        """Killed at each of the faults in turn, with other numbers of threads, then resumed."""
        out = self.fresh(work)
        try:
            for step in work.steps[:at]:
                assert self.run(work, step, out, extra=self.threads(step, 1)).rc == 0
            for fault, n in zip(faults, threads):
                if work.steps[at][0] == "merge" and (out / "manifest.json").exists():
                    break  # killed behind its work
                outcome = self.run(work, work.steps[at], out, fault=fault,
                                   extra=self.threads(work.steps[at], n))
                if outcome.rc == -signal.SIGKILL:
                    self.tally["kill points"] += 1
                else:
                    assert outcome.rc == 0, outcome
                self.nothing_half(work, out, outcome)
            self.resume(work, out, last, outcome)
        finally:
            self.drop(out)

    def all(self, function, cases):
        """Every case, some at a time; all failures are told, not only the first."""
        failures = []

        def one(case):
            try:
                function(*case)
            except AssertionError as failure:
                failures.append(f"{case[1:]}: {failure}")

        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(one, cases))
        assert not failures, (f"{len(failures)} of {len(cases)} failed\n" +
                              "\n----\n".join(failures[:12]))


def spread(count, most):
    """Numbers from 1 to count: all of them, or evenly chosen ones, both ends among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})

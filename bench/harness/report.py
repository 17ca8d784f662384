"""The table: on the terminal, as JSON, and as docs/performance.md."""

import json
import os
import platform
from pathlib import Path

from .place import MODULES, ROOT, output

PAGE = ROOT / "docs/performance.md"
PEAK_LIMIT_MIB = 200
PACKAGES = ("numpy", "pillow", "opencv-python-headless", "tensorflow-cpu", "keras", "nvidia-dali-cuda130")
NOTE = "Written by bench/run --write-docs from its last results; run it anew instead of changing them here."


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def versions(bench):
    listed = json.loads(output([bench.python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]))
    found = {"kprep": output([bench.kprep, "--version"]).split()[-1],
             "python": output([bench.python, "-V"]).split()[-1]}
    found |= {name: entry["version"] for entry in listed if (name := entry["name"].replace("_", "-")) in PACKAGES}
    found |= {name: output(["pkg-config", "--modversion", name]).strip() for name in MODULES}
    return found


def machine(bench):
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": cpu_model(), "cores": len(os.sched_getaffinity(0)), "threads": bench.threads,
            "memory_gib": round(pages / 2**30), "system": f"{platform.system()} {platform.release().split('-')[0]}",
            "data": "in memory (tmpfs)" if bench.fast.is_relative_to("/dev/shm") else "on disk",
            "load": os.getloadavg()[0], "versions": versions(bench)}


def rate(row, seconds):
    value = row["amount"] / seconds["median"]
    if row["unit"] == "run":
        return f"{1000 * seconds['median']:.1f} ms"
    return f"{value:,.0f} {row['unit']}/s" if value >= 100 else f"{value:.2f} {row['unit']}/s"


def compared(peer):
    """(figure, its range, target) of a peer."""
    if peer["within_ms"] is not None:
        gap = peer["difference_ms"]
        return f"{gap['median']:+.1f} ms", f"{gap['min']:+.1f} to {gap['max']:+.1f}", f"within {peer['within_ms']} ms"
    ratio = peer["ratio"]
    target = "" if peer["at_least"] is None else f"{peer['at_least']}x"
    return f"{ratio['median']:.2f}x", f"{ratio['min']:.2f} to {ratio['max']:.2f}", target


def verdict(met):
    return {True: "met", False: "not met", None: ""}[met]


def peak(facts):
    return f"{facts['peak_mib']:,.0f}" if "peak_mib" in facts else ""


HEAD = ("job", "kprep", "MiB", "against", "peer", "MiB", "ratio", "min to max", "at least", "")


def lines(row):
    """The cells of a row: one line for each peer."""
    for number, peer in enumerate(row["peers"]):
        ours = (row["job"], rate(row, row["kprep"]["seconds"]), peak(row["kprep"])) if number == 0 else ("", "", "")
        yield (*ours, peer["name"], rate(row, peer["seconds"]), peak(peer), *compared(peer), verdict(peer["met"]))


def markdown(rows):
    table = [HEAD, ("---",) * len(HEAD), *(line for row in rows for line in lines(row))]
    return "\n".join("| " + " | ".join(line) + " |" for line in table) + "\n"


def show(row):
    """A row on the terminal, as soon as it is there."""
    ours = row["kprep"]
    print(f"\n{row['job']}\n  {ours['name']:42} {rate(row, ours['seconds']):>16}  {peak(ours):>6} MiB")
    for peer in row["peers"]:
        figure, span, target = compared(peer)
        print(f"  {peer['name']:42} {rate(row, peer['seconds']):>16}  {peak(peer):>6} MiB  {figure} ({span})"
              f"  {target and f'target {target}: '}{verdict(peer['met'])}")
    print(f"  values: {row['checked']}")
    for note in row["notes"]:
        print(f"  note: {note}")


def totals(rows):
    targets = [peer["met"] for row in rows for peer in row["peers"] if peer["met"] is not None]
    # A contender with a clock of its own is a framework's process, too: its memory says nothing of kprep's.
    peaks = [row["kprep"]["peak_mib"] for row in rows
             if "peak_mib" in row["kprep"] and row["kprep"]["clock"] == "whole process"]
    text = f"{sum(targets)} of {len(targets)} targets met"
    if peaks:
        state = "met" if max(peaks) < PEAK_LIMIT_MIB else "not met"
        text += f"; largest peak of kprep {max(peaks):,.0f} MiB (target: under {PEAK_LIMIT_MIB}: {state})"
    return text


ABOUT = """\
How fast kprep is beside what one would take instead: whole processes of kprep, from start to the last file synced
and read back, against the *steady state* of each peer, without its start and imports. Where batches go into a Keras
model, the time of all is that of an epoch after one of warm-up. Ratios are the peer's time by kprep's: above 1 kprep
is faster. All contenders of a row run in turn, round by round; a ratio is of one round, and the table has the median,
the smallest and the largest. A peer that wins stays in the table. MiB is the largest resident set that GNU time
reports, mapped pages included.
"""

COMMANDS = """\
- `bench/run`: the table, in about ten minutes on two cores
- `bench/run --quick`: the same with less data, in about four minutes
- `bench/run --curves`: the curves below
- `bench/run --write-docs`: this page, from the last results

The data is made anew each time, from a seed: photos are parts of scikit-image's sample photos, mirrored, in another
light and with noise, about 500 x 375, as JPEG of quality 90 and as PNG.
"""


def facts_text(facts, settings):
    named = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB; {facts['system']}; data and output "
            f"{facts['data']}; {facts['threads']} threads, {settings['rounds']} rounds, {settings['sizes']} sizes, "
            f"seed {settings['seed']}.\n{named}.\n")


def page(table, curves):
    parts = [f"<!-- {NOTE} -->\n# Performance\n", ABOUT, COMMANDS]
    if table:
        parts += ["## Against peers\n", facts_text(table["machine"], table), markdown(table["rows"]),
                  totals(table["rows"]) + ".\n", "What was compared:\n",
                  "".join(f"- {row['job']}: {'; '.join([row['checked'], *row['notes']])}\n"
                          for row in table["rows"])]
    if curves:
        parts += ["## Curves\n", facts_text(curves["machine"], curves),
                  "\n\n".join(f"![{chart['title']}]({chart['file']})" for chart in curves["charts"]) + "\n",
                  curves["growth"]["text"] + "\n"]
    return "\n".join(part for part in parts if part)

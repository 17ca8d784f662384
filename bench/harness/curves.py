"""How time and memory grow with samples, threads and channels."""

import os
import shutil
import sys

from .chart import draw
from .measure import run_once, spread
from .place import RESULTS
from .rows import image_job

SAMPLES = (1_000, 3_000, 10_000, 30_000, 100_000)
CHANNELS = (1, 4, 16, 64, 256, 1024, 4096)
BYTES_PER_SAMPLE = 64  # beside its path


def measured(bench, job, threads=None):
    """Seconds and peak MiB of some runs."""
    contender = bench.ours(job, threads)
    samples = [run_once(contender) for _ in range(bench.sizes.rounds)]
    shutil.rmtree(contender.output)
    return {"seconds": spread([sample.seconds for sample in samples]),
            "peak_mib": spread([sample.peak_kib / 1024 for sample in samples])}


def samples_job(bench, files, count):
    listed = bench.fast / f"first-{count}.txt"
    listed.write_text("".join(f"{file}\n" for file in files[:count]))
    return bench.job(f"samples-{count}", {"input": {"path": str(listed), "order": "list"},
                                          "spec": {"shape": [None, 32, 32, 3], "dtype": "uint8"},
                                          "output": {"batch": 256}})


def samples_curve(bench, quick):
    counts = [n for n in SAMPLES if n <= 10_000] if quick else SAMPLES
    folder = bench.data("thumbnails", bench.fast / "thumbnails", "--count", max(counts))
    files = sorted(folder.iterdir())
    points = [(n, measured(bench, samples_job(bench, files, n))) for n in counts]
    path_bytes = len(os.fsencode(files[0])) + 1
    shutil.rmtree(folder)
    return points, path_bytes


def threads_curve(bench):
    job, _ = image_job(bench, "jpeg")
    most = len(os.sched_getaffinity(0))
    counts = sorted({n for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128) if n < most} | {most})
    return [(n, measured(bench, job, n)) for n in counts]


def channels_curve(bench, quick):
    """The same bytes at each point: fewer samples of more channels."""
    planes = (16 if quick else 64) * 1024
    points = []
    for channels in CHANNELS:
        count = planes // channels
        folder = bench.data("planes", bench.fast / f"c{channels}", "--count", count, "--channels", channels)
        job = bench.job(f"channels-{channels}", {
            "input": {"path": str(folder), "join": "channels"},
            "spec": {"shape": [None, 32, 32, channels], "dtype": "float32"},
            "output": {"batch": max(1, min(count, 16384 // channels))}})
        facts = measured(bench, job)
        facts["bytes"] = planes * 4096
        points.append((channels, facts))
        shutil.rmtree(folder)
    return points


def rates(points, amount):
    """amount(x, facts) by seconds; the shortest time is the highest rate."""
    for x, facts in points:
        seconds, done = facts["seconds"], amount(x, facts)
        yield x, {"median": done / seconds["median"], "min": done / seconds["max"], "max": done / seconds["min"]}


def column(points, name):
    return [(x, facts[name]) for x, facts in points]


def growth(points, path_bytes):
    """Memory that ten times the samples take more."""
    (few, first), (many, last) = points[-3] if len(points) > 2 else points[0], points[-1]
    grown = (last["peak_mib"]["median"] - first["peak_mib"]["median"]) * 2**20 / (many - few)
    allowed = BYTES_PER_SAMPLE + path_bytes
    state = "met" if grown <= allowed else "not met"
    return {"bytes_per_sample": grown, "allowed": allowed, "met": grown <= allowed,
            "text": f"From {few:,} to {many:,} samples the peak grows by {grown:.0f} bytes a sample, of which the path "
                    f"is {path_bytes} (target: at most {BYTES_PER_SAMPLE} and the path: {state})."}


def save_chart(name, title, x_name, y_name, series):
    file = f"performance-{name}.svg"
    (RESULTS / file).write_text(draw(title, x_name, y_name, series))
    return {"file": file, "title": title}


def charts(bench, samples, threads, channels):
    photos = bench.sizes.photos
    return [
        save_chart("samples-time", "Time for each sample (JPEG of 32 x 32), by samples", "samples", "microseconds",
                   {"kprep": [(n, {name: 1e6 * value / n for name, value in facts["seconds"].items()})
                              for n, facts in samples]}),
        save_chart("samples-memory", "Peak memory by samples", "samples", "MiB",
                   {"kprep": column(samples, "peak_mib")}),
        save_chart("threads", "Photos to (224, 224, 3), by threads", "threads", "images per second",
                   {"kprep": list(rates(threads, lambda x, facts: photos))}),
        save_chart("channels", "Stacking (N, 32, 32) files as channels", "channels", "MB per second",
                   {"kprep": list(rates(channels, lambda x, facts: facts["bytes"] / 1e6))}),
        save_chart("channels-memory", "Peak memory by channels", "channels", "MiB",
                   {"kprep": column(channels, "peak_mib")}),
    ]


def show(name, points):
    print(f"\n{name}")
    for x, facts in points:
        seconds, peak = facts["seconds"], facts["peak_mib"]
        print(f"  {x:>8,}  {seconds['median']:8.3f} s ({seconds['min']:.3f} to {seconds['max']:.3f})"
              f"  {peak['median']:8.1f} MiB")
    sys.stdout.flush()


def measure(bench, quick):
    samples, path_bytes = samples_curve(bench, quick)
    show("samples", samples)
    threads = threads_curve(bench)
    show("threads", threads)
    channels = channels_curve(bench, quick)
    show("channels", channels)
    grown = growth(samples, path_bytes)
    print(f"\n{grown['text']}")
    return {"samples": samples, "threads_curve": threads, "channels": channels, "growth": grown,
            "charts": charts(bench, samples, threads, channels)}

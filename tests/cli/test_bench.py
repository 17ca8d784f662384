"""The bench's own tools: what says that two results are equal, and what draws and tabulates them."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from support import ROOT

sys.path.insert(0, str(ROOT / "bench"))
from harness import chart, curves, measure, report  # noqa: E402


def compare(*arguments):
    return subprocess.run([sys.executable, ROOT / "bench/peers/compare.py", *map(str, arguments)],
                          capture_output=True, text=True)


@pytest.fixture
def batches(tmp_path):
    """A folder of two batches and the array that they are."""
    whole = np.random.default_rng(1).random((7, 3, 2), np.float32)
    folder = tmp_path / "batches"
    folder.mkdir()
    np.save(folder / "x-00000.npy", whole[:4])
    np.save(folder / "x-00001.npy", whole[4:])
    return folder, whole


class TestCompare:
    def test_batches_are_the_array(self, batches, tmp_path):
        folder, whole = batches
        np.save(tmp_path / "whole.npy", whole)
        assert compare(folder, tmp_path / "whole.npy").returncode == 0

    def test_raw_values(self, batches, tmp_path):
        folder, whole = batches
        whole.tofile(tmp_path / "whole.raw")
        assert compare(folder, tmp_path / "whole.raw").returncode == 0
        whole[:-1].tofile(tmp_path / "whole.raw")
        assert compare(folder, tmp_path / "whole.raw").returncode == 1

    def test_one_bit(self, batches, tmp_path):
        folder, whole = batches
        whole.view(np.uint32)[6, 2, 1] ^= 1
        np.save(tmp_path / "other.npy", whole)
        done = compare(folder, tmp_path / "other.npy")
        assert done.returncode == 1 and "1 of 42 values differ" in done.stderr
        assert compare(folder, tmp_path / "other.npy", "--mean-error", "0.001").returncode == 0

    def test_shape_and_dtype(self, batches, tmp_path):
        folder, whole = batches
        np.save(tmp_path / "other.npy", whole[:, ::-1].transpose(0, 2, 1))
        assert "is not (7, 2, 3)" in compare(folder, tmp_path / "other.npy").stderr
        np.save(tmp_path / "other.npy", whole.astype(np.float64))
        assert "is not float64" in compare(folder, tmp_path / "other.npy").stderr
        assert compare(folder, tmp_path / "other.npy", "--cast", "float32").returncode == 0


def contender(name, seconds, **options):
    samples = [measure.Sample(value, value, 2048) for value in seconds]
    return measure.Contender(name, ["true"], samples=samples, **options)


def table_row(ours, theirs, **target):
    return measure.result(measure.Row("key", "a job", 10, "images", contender("kprep run", ours),
                                      [contender("peer", theirs, **target)], None))


class TestRatios:
    def test_of_each_round(self):
        """The median of ratios, not the ratio of medians."""
        peer = table_row([1, 2, 4], [3, 2, 8], at_least=2)["peers"][0]
        assert peer["ratio"] == {"median": 2, "min": 1, "max": 3} and peer["met"]

    def test_a_peer_that_wins_is_not_met(self):
        row = table_row([2, 2, 2], [1, 1, 5], at_least=1)
        assert row["peers"][0]["met"] is False
        assert report.totals([row]) == "0 of 1 targets met; largest peak of kprep 2 MiB (target: under 200: met)"
        assert "| peer | 10.00 images/s | 2 | 0.50x | 0.50 to 2.50 | 1x | not met |" in report.markdown([row])

    def test_milliseconds(self):
        peer = table_row([0.005, 0.006, 0.004], [0.001, 0.001, 0.001], within_ms=3)["peers"][0]
        assert peer["difference_ms"]["median"] == pytest.approx(4) and peer["met"] is False

    def test_memory_of_a_framework_is_not_kpreps(self):
        keras = measure.result(measure.Row("key", "a job", 10, "batches", contender("in Keras", [1], own_clock=True),
                                           [contender("peer", [1])], None))
        keras["kprep"]["peak_mib"] = 600
        assert "peak" not in report.totals([keras])
        assert "largest peak of kprep 2 MiB" in report.totals([keras, table_row([1], [1])])

    def test_without_target(self):
        assert table_row([1], [2])["peers"][0]["met"] is None


class TestChart:
    @pytest.mark.parametrize("xs", [(1,), (1, 2), (1, 4, 16, 4096)])
    def test_is_xml_and_in_the_frame(self, xs):
        points = [(x, {"median": 7.0 * x, "min": 6.0 * x, "max": 9.0 * x}) for x in xs]
        root = ElementTree.fromstring(chart.draw("a < b", "x", "y", {"kprep": points}))
        circles = root.findall("{http://www.w3.org/2000/svg}circle")
        assert len(circles) == len(xs)
        assert all(0 < float(c.get("cx")) < chart.WIDTH and 0 < float(c.get("cy")) < chart.HEIGHT for c in circles)

    @pytest.mark.parametrize("top", [0.003, 0.9, 1, 7, 99, 100, 101, 12345])
    def test_ticks_reach_the_top(self, top):
        ticks = chart.ticks_linear(top)
        assert ticks[0] == 0 and ticks[-1] >= top * 0.999 and len(ticks) <= 8


def test_growth_is_by_sample():
    points = [(n, {"peak_mib": {"median": 10 + n * 100 / 2**20}}) for n in (1000, 10_000, 100_000)]
    grown = curves.growth(points, 40)
    assert grown["bytes_per_sample"] == pytest.approx(100) and grown["met"]
    assert not curves.growth(points, 30)["met"]

"""The page of `kprep report` in a real Chromium: on a desktop, a phone, in the dark and in print, with and
without its script."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import axe_playwright_python
import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from support import PHOTOS, ROOT, rows

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
SIZES = {"desktop": (1280, 900), "phone": (390, 844), "small": (320, 640)}


def find_chromium():
    for name in (os.environ.get("KPREP_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if name and shutil.which(name):
            return shutil.which(name)
    pytest.fail("no chromium: scripts/bootstrap installs it")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(binary, tmp_path_factory):
    """Pages about data of each kind, by name."""
    place = tmp_path_factory.mktemp("pages")

    def kprep(*args):
        subprocess.run([str(binary), *map(str, args), "--quiet"], cwd=place, check=True, timeout=300)

    def job(name, **keys):
        (place / f"{name}.json").write_text(json.dumps({**keys, "output": {
            "path": f"{name}-out", "batch": 8, **keys.get("output", {})}}))
        kprep("run", f"{name}.json")
        kprep("report", f"{name}-out", "--output", f"{name}.html")

    for name in ("photos", "two-inputs"):
        kprep("run", ROOT / f"examples/{name}.yaml", "--output", name)
        kprep("report", name, "--output", f"{name}.html")
    kprep("report", ROOT / "examples/photos.yaml", "--sample", "5", "--output", "before.html")
    generator = np.random.Generator(np.random.Philox(5))
    np.save(place / "planes.npy", generator.random((20, 12, 12, 256)).astype(np.float32))
    job("planes", input={"path": "planes.npy", "samples": "row"},
        spec={"shape": [None, 12, 12, 256], "axes": "nhwc", "dtype": "float32", "range": [0, 1]})
    for split in ("cat", "d<o>g"):
        shutil.copytree(PHOTOS / "cat", place / "bad" / split)
        for i in range(12):
            (place / "bad" / split / f"{i}<img src=x onerror=alert(1)>{'long' * 20}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    job("bad", input="bad", labels="folder", on_error="skip",
        pipeline=["rgb", {"resize": [40, 60]}, {"normalize": {"mode": "torch"}}],
        spec={"shape": [None, 40, 60, 3], "axes": "nhwc", "dtype": "float32", "range": [-3, 3]},
        output={"shuffle": {"seed": 1}, "split": {"train": 0.7, "validation": 0.3}})
    return place


NAMES = ["photos", "two-inputs", "before", "planes", "bad"]


class Seen:
    """A page that is open, and what it did."""

    def __init__(self, browser, path, size, **how):
        self.said, self.asked = [], []
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **how)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.url = path.as_uri()
        self.page.goto(self.url)

    def quiet(self):
        assert self.said == []
        assert [url for url in self.asked if url != self.url and not url.startswith("data:")] == []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def open_all(page):
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size, scheme", [("desktop", "light"), ("phone", "dark"), ("small", "light")])
def test_reads_well(browser, pages, name, size, scheme):
    with Seen(browser, pages / f"{name}.html", SIZES[size], color_scheme=scheme) as seen:
        open_all(seen.page)
        width, room = seen.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= room, "wider than the screen"
        assert seen.page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        seen.quiet()
        if size == "small":
            return
        seen.page.evaluate(AXE.read_text())
        found = seen.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        assert [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found] == []
        seen.quiet()


@pytest.mark.parametrize("name", NAMES)
def test_prints(browser, pages, name):
    with Seen(browser, pages / f"{name}.html", SIZES["desktop"], color_scheme="dark") as seen:
        seen.page.emulate_media(media="print")
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert seen.page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
        seen.page.set_viewport_size({"width": 680, "height": 1000})  # A4 less its margins
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        pdf = seen.page.pdf(format="A4")
        assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") >= 1
        seen.quiet()


@pytest.mark.parametrize("name", NAMES)
def test_reads_without_script(browser, pages, name):
    with Seen(browser, pages / f"{name}.html", SIZES["phone"], java_script_enabled=False) as seen:
        text = seen.page.inner_text("main")
        for heading in ("Samples", "Values", "Way of the data", "Hashes and versions"):
            assert heading in text
        assert seen.page.locator("button").count() == 0
        seen.quiet()


def test_numbers_that_are_shown(browser, pages):
    """What a reader sees in the table is NumPy's, to six digits."""
    x = rows(pages / "photos").astype(np.float64)
    with Seen(browser, pages / "photos.html", SIZES["desktop"]) as seen:
        table = seen.page.locator("#values table tbody tr")
        for row, values in zip(range(4), [x, x[..., 0], x[..., 1], x[..., 2]]):
            cells = table.nth(row).locator("td").all_inner_texts()
            assert [float(c.replace("\u2212", "-")) for c in cells[:4]] == [
                float(f"{v:.6g}") for v in (values.min(), values.max(), values.mean(), values.std())]
            assert cells[4:] == ["0", "0"]
        labels = seen.page.locator("#values svg[role=img]").evaluate_all("l => l.map(e => e.ariaLabel)")
        assert len(labels) == 3 and f"mean {x[..., 0].mean():.6g}" in labels[0]


def test_bars_are_the_histogram(browser, pages):
    """The drawing itself: heights of its bars against numpy.histogram."""
    x = rows(pages / "photos").astype(np.float64)[..., 0]
    with Seen(browser, pages / "photos.html", SIZES["desktop"]) as seen:
        path = seen.page.locator("#values .histogram .bars").first.get_attribute("d")
    height = [float(y) for y in re.findall(r"V([\d.]+)H", path)]
    counts = np.histogram(x, bins=64)[0]
    np.testing.assert_allclose((112 - np.array(height)) / 90, counts / counts.max(), atol=1e-4)


def test_sorts_and_enlarges(browser, pages):
    with Seen(browser, pages / "bad.html", SIZES["desktop"]) as seen:
        table = seen.page.locator("#classes table").first
        button = table.get_by_role("button", name="samples")
        button.focus()
        seen.page.keyboard.press("Enter")
        first = [int(c) for c in table.locator("tbody td:nth-child(2)").all_inner_texts()]
        assert first == sorted(first)
        assert table.locator("th[aria-sort=ascending]").inner_text() == "samples"
        button.click()
        again = [int(c) for c in table.locator("tbody td:nth-child(2)").all_inner_texts()]
        assert again == sorted(first, reverse=True)
        picture = seen.page.locator("#samples button").first
        before = picture.locator("img").bounding_box()["width"]
        picture.click()
        assert picture.get_attribute("aria-expanded") == "true"
        assert picture.locator("img").bounding_box()["width"] > before
        seen.quiet()


def test_hostile_names_are_text(browser, pages):
    with Seen(browser, pages / "bad.html", SIZES["desktop"]) as seen:
        assert seen.page.locator("img:not([src^='data:image/png'])").count() == 0
        assert "<img src=x" in seen.page.inner_text("#rejected")
        assert "d<o>g" in seen.page.inner_text("#classes")
        seen.quiet()


def test_the_script_is_the_one_allowed(pages):
    text = (pages / "photos.html").read_text()
    script = re.findall(r"<script>(.*?)</script>", text, re.S)[0]
    right = "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src '{right}'" in text, f"page_style.c: kprep_page_script_hash must be {right}"
    for name in NAMES:
        assert "http://" not in (pages / f"{name}.html").read_text()

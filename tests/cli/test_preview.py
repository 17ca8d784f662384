"""The pictures that kprep inspect draws, read back from what it writes, against Pillow and NumPy."""

import base64
import io
import os
import pty
import re
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageOps

CELL = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+)m(?:\x1b\[48;2;(\d+);(\d+);(\d+)m)?▀")


def blocks(text):
    """The pixels of a picture in half blocks."""
    rows = []
    for line in text.splitlines():
        cells = CELL.findall(line)
        if not cells:
            continue
        rows.append([[int(v) for v in cell[:3]] for cell in cells])
        if cells[0][3] != "":
            rows.append([[int(v) for v in cell[3:]] for cell in cells])
    return np.array(rows, np.uint8)


def kitty(text):
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    keys = dict(pair.split("=") for pair in parts[0][0].split(","))
    assert keys["a"] == "T" and keys["f"] == "24" and all(len(data) <= 4096 for _, data in parts)
    assert [p[0][-3:] for p in parts] == ["m=1"] * (len(parts) - 1) + ["m=0"]
    data = base64.b64decode("".join(data for _, data in parts))
    return np.frombuffer(data, np.uint8).reshape(int(keys["v"]), int(keys["s"]), 3)


def sixel(text):
    """A decoder for what is written here: no repeats, colors in percent."""
    body = re.search(r"\x1bPq(.*?)\x1b\\", text, re.S)[1]
    width, height = map(int, re.match(r'"1;1;(\d+);(\d+)', body).groups())
    out, colors, x, y, current = np.zeros((height, width, 3)), {}, 0, 0, None
    for token in re.findall(r"#\d+;2;\d+;\d+;\d+|#\d+|[?-~]|[$-]", body.split(str(height), 1)[1]):
        if ";" in token:
            number, _, *rgb = map(int, token[1:].split(";"))
            colors[number] = rgb
        elif token[0] == "#":
            current = colors[int(token[1:])]
        elif token == "$":
            x = 0
        elif token == "-":
            x, y = 0, y + 6
        else:
            for i in range(6):
                if ord(token) - 63 >> i & 1:
                    out[y + i, x] = current
            x += 1
    return out * 2.55


def photo(height, width, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("height, width", [(8, 8), (7, 5), (1, 1), (40, 64)])
def test_small_images_are_shown_as_they_are(kprep, tmp_path, height, width):
    Image.fromarray(photo(height, width)).save(tmp_path / "a.png")
    text = kprep("inspect", "a.png", "--preview", "blocks", rc=0).out
    np.testing.assert_array_equal(blocks(text), photo(height, width))
    np.testing.assert_array_equal(kitty(kprep("inspect", "a.png", "--preview", "kitty", rc=0).out),
                                  photo(height, width))
    found = sixel(kprep("inspect", "a.png", "--preview", "sixel", rc=0).out)
    assert np.abs(found - photo(height, width)).max() <= 26  # six levels of each color


def test_large_images_are_means(kprep, tmp_path):
    Image.fromarray(photo(160, 256)).save(tmp_path / "a.png")
    expected = np.asarray(Image.fromarray(photo(160, 256)).resize((64, 40), Image.Resampling.BOX))
    found = blocks(kprep("inspect", "a.png", "--preview", "blocks", rc=0).out)
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright(kprep, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo(6, 9)).save(tmp_path / "a.png", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(blocks(kprep("inspect", "a.png", "--preview", "blocks", rc=0).out), expected)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape, first", [((6, 9), lambda a: a), ((6, 9, 1), lambda a: a[..., 0]),
                                          ((6, 9, 5), lambda a: a[..., 0]), ((6, 9, 3), lambda a: a),
                                          ((4, 6, 9, 3), lambda a: a[0]), ((9, 6, 6), lambda a: a[0])])
def test_arrays(kprep, tmp_path, shape, first, order):
    array = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))
    lo, hi = float(array.min()), float(array.max())
    expected = (first(array).astype(np.float64) - lo) / (hi - lo) * 255
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    found = blocks(kprep("inspect", "a.npy", "--preview", "blocks", rc=0).out)
    assert np.abs(found - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("array", [np.zeros(5), np.zeros((0, 4)), np.full((3, 4), np.nan), np.float32(3),
                                   np.full((3, 4), np.inf), np.ones((3, 4), bool)])
def test_odd_arrays(kprep, tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    kprep("inspect", "a.npy", "--preview", "always", rc=0)


def test_histogram(kprep, tmp_path):
    array = np.random.default_rng(4).normal(size=(500, 40))
    np.save(tmp_path / "a.npy", array)
    line = [l for l in kprep("inspect", "a.npy", "--preview", "blocks", rc=0).out.splitlines() if "▕" in l]
    bars = line[0][line[0].index("▕") + 1:line[0].index("▏")]
    counts = np.histogram(array, bins=48)[0]
    expected = ["" if n == 0 else 1 if n / counts.max() * 8 <= 1 else int(n / counts.max() * 8 + 0.5) for n in counts]
    assert [" ▁▂▃▄▅▆▇█".index(bar) or "" for bar in bars] == expected


def test_nothing_unless_asked_or_on_a_terminal(kprep, tmp_path):
    Image.fromarray(photo(8, 8)).save(tmp_path / "a.png")
    plain = kprep("inspect", "a.png", rc=0).out
    assert "▀" not in plain and "▕" not in plain
    assert kprep("inspect", "a.png", "--preview", "never", rc=0).out == plain
    assert kprep("inspect", "a.png", "--json", "--preview", "always", rc=0).out == \
        kprep("inspect", "a.png", "--json", rc=0).out
    kprep("inspect", "a.png", "--preview", "sometimes", rc=2)


def test_without_colors(kprep, tmp_path):
    Image.fromarray(photo(8, 8)).save(tmp_path / "a.png")
    text = kprep("inspect", "a.png", "--preview", "always", env={"NO_COLOR": "1"}, rc=0).out
    assert "\x1b" not in text and "▕" in text


def on_terminal(binary, folder, *args, **env):
    """What a terminal gets; it answers nothing."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([binary, "inspect", *args], cwd=folder, stdin=subprocess.DEVNULL, stdout=follower,
                               stderr=follower, env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **env})
    os.close(follower)
    out = io.BytesIO()
    try:
        while part := os.read(leader, 65536):
            out.write(part)
    except OSError:
        pass
    os.close(leader)
    assert process.wait() == 0
    return out.getvalue().decode()


def test_on_a_terminal(binary, tmp_path):
    for name in "ab":
        Image.fromarray(photo(8, 8)).save(tmp_path / f"{name}.png")
    assert "▀" in on_terminal(binary, tmp_path, "a.png", TERM="xterm-256color")
    assert "▀" not in on_terminal(binary, tmp_path, "a.png", "b.png", TERM="xterm-256color")
    assert "▀" not in on_terminal(binary, tmp_path, "a.png", TERM="dumb")
    assert "▀" not in on_terminal(binary, tmp_path, "a.png", TERM="xterm", LANG="C")
    assert "\x1b" not in on_terminal(binary, tmp_path, "a.png", TERM="xterm", NO_COLOR="1")
    assert "\x1b_G" in on_terminal(binary, tmp_path, "a.png", TERM="xterm-kitty")

"""Data sets and pipelines as people see them: shapes by name, a table, a few pictures."""

from __future__ import annotations

import base64
import html as escape
import struct
import zlib
from typing import Any

import numpy as np

MOST, EDGE = 16, 64 # pictures, and the pixels of their longer edge


def _named(shape: Any, axes: str) -> str:
    """(n=18, h=224, w=224, c=3)"""
    parts = [f"{axis}={size}" if axis != "_" else str(size) for axis, size in zip(axes, shape)]
    return f"({', '.join(parts)})" if len(parts) == len(shape) else str(tuple(shape))


def _arrays(data: Any) -> list[tuple[str, str, str, str]]:
    """Name, shape, dtype, values: from the manifest, or from what the plan says."""
    if hasattr(data, "manifest"):
        rows = []
        for name, a in data.arrays.items():
            shape = [data.samples if i == 0 else size for i, size in enumerate(a["shape"])]
            axes = a.get("axes") or "n"
            values = "" if a["min"] is None else f"{a['min']:.6g} to {a['max']:.6g}, mean {a['mean']:.6g}"
            rows.append((name, _named(shape, axes), a["dtype"], values))
        return rows
    return [(name, a.get("result", ""), "", "for " + a.get("wanted", ""))
            for name, a in data.summary["arrays"].items()]


def text(data: Any) -> str:
    where = f" {data.folder}" if hasattr(data, "folder") else ""
    lines = [f"<kprep.{type(data).__name__}{where}: {data.samples} samples in {len(data)} batches"]
    for name, shape, dtype, values in _arrays(data):
        lines.append(f"  {name}  {shape} {dtype}{', ' if values and dtype else ' '}{values}".rstrip())
    if data.classes:
        lines.append(f"  classes  {', '.join(data.classes[:10])}{' …' if len(data.classes) > 10 else ''}")
    if getattr(data, "splits", []):
        lines.append(f"  splits  {', '.join(data.splits)}")
    return "\n".join(lines) + ">"


def html(data: Any) -> str:
    head = escape.escape(text(data).splitlines()[0].strip("<>"))
    rows = "".join("<tr>" + "".join(f"<td>{escape.escape(cell)}</td>" for cell in row) + "</tr>"
                   for row in _arrays(data))
    more = ""
    if data.classes:
        more += f"<p>classes: {escape.escape(', '.join(data.classes[:20]))}</p>"
    return (f"<div><b>{head}</b><table><tr><th>array</th><th>shape</th><th>dtype</th><th>values</th></tr>"
            f"{rows}</table>{more}{_sheet(data)}</div>")


def _sheet(data: Any) -> str:
    """The first samples as pictures, where they are some."""
    if not hasattr(data, "manifest") or len(data) == 0:
        return ""
    for name, a in data.arrays.items():
        axes = a.get("axes") or ""
        channels = a["shape"][axes.index("c")] if "c" in axes else 1
        if {"h", "w"} <= set(axes) and len(axes) - ("c" in axes) == 3 and channels in (1, 3):
            batch = data[0]
            images = (batch.arrays | {"y": batch.y})[name][:MOST]
            order = [axes.index(k) for k in "nhwc" if k in axes]
            png = write_png(contact_sheet(images.transpose(order), a["min"], a["max"]))
            return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    return ""


def contact_sheet(images: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """Images (n, h, w[, c]) side by side as uint8 (h, w, 3), every k-th pixel, low black and high white."""
    images = images[..., None] if images.ndim == 3 else images
    step = max(1, -(-max(images.shape[1:3]) // EDGE))
    small = images[:, ::step, ::step].astype(np.float64)
    span = (high or 0) - (low or 0)
    small = np.nan_to_num((small - (low or 0)) / (span if span > 0 else 1)).clip(0, 1) * 255
    small = np.broadcast_to(small.round().astype(np.uint8), (*small.shape[:3], 3))
    return np.concatenate([np.pad(one, ((0, 0), (0, 2), (0, 0)), constant_values=255) for one in small], 1)


def write_png(pixels: np.ndarray) -> bytes:
    """uint8 (h, w, 3) as a PNG."""
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], 1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)) + chunk(b"IEND", b""))

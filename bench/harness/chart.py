"""A line chart on logarithmic x as SVG: a few hundred bytes of text, which is all that the curves need."""

import math
from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 34, 44, 52
COLORS = ("#1f5fa8", "#c8501e", "#3d8b4a")


def plain(value):
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def ticks_linear(top):
    """Round numbers from 0 to the top or just above it."""
    step = 10 ** math.floor(math.log10(top))
    step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5) if top / (step * part) <= 6)
    return [step * i for i in range(math.ceil(top / step) + 1)]


class Axes:
    def __init__(self, xs, top):
        self.low, self.high = math.log(min(xs)), math.log(max(max(xs), min(xs) * 2))
        self.ticks = ticks_linear(top)

    def x(self, value):
        share = (math.log(value) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.ticks[-1] * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(words)}</text>'


def grid(axes, xs):
    for value in axes.ticks:
        y = axes.y(value)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield text(LEFT - 8, y + 4, plain(value), "end")
    for value in xs:
        yield f'<path d="M{axes.x(value):.1f} {HEIGHT - BOTTOM}v5" stroke="#444"/>'
        yield text(axes.x(value), HEIGHT - BOTTOM + 18, plain(value))


def line(axes, points, color):
    """Medians joined, and a bar from the smallest to the largest value at each."""
    path = "L".join(f"{axes.x(x):.1f} {axes.y(y['median']):.1f}" for x, y in points)
    yield f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>'
    for x, y in points:
        yield f'<circle cx="{axes.x(x):.1f}" cy="{axes.y(y["median"]):.1f}" r="3.5" fill="{color}"/>'
        yield f'<path d="M{axes.x(x):.1f} {axes.y(y["min"]):.1f}V{axes.y(y["max"]):.1f}" stroke="{color}"/>'


def draw(title, x_name, y_name, series):
    """series: {name: [(x, {"median", "min", "max"}), ...]}, x above 0."""
    xs = sorted({x for points in series.values() for x, _ in points})
    axes = Axes(xs, max(y["max"] for points in series.values() for _, y in points) or 1)
    parts = [text(WIDTH / 2, 22, title, extra='font-size="15" font-weight="bold"'),
             text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_name),
             text(16, (TOP + HEIGHT - BOTTOM) / 2, y_name,
                  extra=f'transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) / 2})"'), *grid(axes, xs)]
    for number, (name, points) in enumerate(series.items()):
        color = COLORS[number % len(COLORS)]
        parts += line(axes, points, color)
        if len(series) > 1:
            parts.append(text(LEFT + 10, TOP + 6 + 16 * number, name, "start", f'fill="{color}"'))
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'font-family="sans-serif" font-size="12" fill="#222">\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n')

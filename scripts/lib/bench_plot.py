"""Draws cost over size as SVG: a panel per scenario, both axes logarithmic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

PANELS = {"idle": "Nothing to do", "first": "First run"}
SERIES = {"ours": "tickstock-cache", "sql": "SQL script", "tuned": "tuned SQL", "floor": "COPY alone"}

WIDTH, HEIGHT = 920, 400
PLOT_WIDTH, PLOT_HEIGHT = 280, 270
LEFT, TOP, GAP = 64, 44, 180

# Colors that work on white and on black, and for readers who can't tell red from green; the rest follows the reader's
# scheme.
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a; }
  .title { font-size: 14px; font-weight: 600; fill: #24292f; }
  .label { font-weight: 600; }
  .grid { stroke: #d0d7de; stroke-width: 0.6; }
  .guide { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 3 4; }
  .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
  .line.ours { stroke: #0969da; } .line.sql { stroke: #d4720b; }
  .line.tuned { stroke: #7d5a3c; } .line.floor { stroke: #8250df; }
  .point.ours, .label.ours { fill: #0969da; } .point.sql, .label.sql { fill: #d4720b; }
  .point.tuned, .label.tuned { fill: #7d5a3c; } .point.floor, .label.floor { fill: #8250df; }
  @media (prefers-color-scheme: dark) {
    text { fill: #8d96a0; }
    .title { fill: #e6edf3; }
    .grid { stroke: #30363d; }
    .guide { stroke: #6e7681; }
    .line.ours { stroke: #58a6ff; } .line.sql { stroke: #f0883e; }
    .line.tuned { stroke: #d8c3a5; } .line.floor { stroke: #bc8cff; }
    .point.ours, .label.ours { fill: #58a6ff; } .point.sql, .label.sql { fill: #f0883e; }
    .point.tuned, .label.tuned { fill: #d8c3a5; } .point.floor, .label.floor { fill: #bc8cff; }
  }
"""


@dataclass(frozen=True)
class LogScale:
    """Maps numbers between two bounds to a line, giving each factor of ten the same length."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Returns the position of a number."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Returns the powers of ten within the bounds."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        return [10.0 ** power for power in range(first, last + 1)]


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """Returns the powers of ten around numbers, or the middle between two if that is close enough."""
    low = math.floor(2 * math.log10(min(values) * 0.95)) / 2
    high = math.ceil(2 * math.log10(max(values) * 1.05)) / 2
    return 10.0 ** low, 10.0 ** high


def count_label(value: float) -> str:
    """Formats a number of symbols and members for an axis."""
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


def time_label(value: float) -> str:
    """Formats a time for an axis."""
    return f"{value:g} s" if value >= 1 else f"{value * 1000:g} ms"


def points(measured: dict[str, Any], scenario: str) -> dict[str, list[tuple[float, float]]]:
    """Returns each contestant's median times over symbols plus members."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SERIES}
    for result in measured["results"]:
        if scenario in result["scenarios"]:
            for name, line in found.items():
                seconds = result["scenarios"][scenario]["contestants"][name]["seconds"]
                line.append((result["symbols"] + result["members"], median(seconds)))
    return {name: sorted(line) for name, line in found.items()}


def spread(places: dict[str, float], apart: float) -> dict[str, float]:
    """Moves labels until neighbors are this far apart, keeping their order and staying near their places."""
    names = sorted(places, key=lambda name: places[name])
    moved = [places[name] for name in names]
    for _ in range(100):
        for i in range(len(moved) - 1):
            lacking = apart - (moved[i + 1] - moved[i])
            if lacking > 0:
                moved[i] -= lacking / 2
                moved[i + 1] += lacking / 2
    return dict(zip(names, moved))


def axes(x: LogScale, y: LogScale) -> list[str]:
    """Returns the grid and its labels."""
    lines = []
    for value in x.ticks():
        at = x.at(value)
        lines.append(f'<line class="grid" x1="{at:.1f}" y1="{y.begin}" x2="{at:.1f}" y2="{y.end}"/>')
        lines.append(f'<text x="{at:.1f}" y="{y.begin + 18}" text-anchor="middle">{count_label(value)}</text>')
    for value in y.ticks():
        at = y.at(value)
        lines.append(f'<line class="grid" x1="{x.begin}" y1="{at:.1f}" x2="{x.end}" y2="{at:.1f}"/>')
        lines.append(f'<text x="{x.begin - 8}" y="{at + 4:.1f}" text-anchor="end">{time_label(value)}</text>')
    return lines


def guide(x: LogScale, y: LogScale, through: tuple[float, float]) -> list[str]:
    """Returns a line of slope 1 through a point: twice the size, twice the time."""
    size, seconds = through
    begin, end = max(x.low, size * y.low / seconds), min(x.high, size * y.high / seconds)
    (x1, y1), (x2, y2) = ((x.at(at), y.at(seconds * at / size)) for at in (begin, end))
    return [f'<line class="guide" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>']


def panel(title: str, lines: dict[str, list[tuple[float, float]]], x: LogScale, y: LogScale) -> list[str]:
    """Returns one panel: its grid, a line and a label for each contestant, and the guide through our last point."""
    drawn = [f'<text class="title" x="{x.begin}" y="{y.end - 16}">{title}</text>', *axes(x, y)]
    drawn += guide(x, y, lines["ours"][-1])
    for name, line in lines.items():
        path = " ".join(f"{x.at(size):.1f},{y.at(seconds):.1f}" for size, seconds in line)
        drawn.append(f'<polyline class="line {name}" points="{path}"/>')
        drawn += [f'<circle class="point {name}" cx="{x.at(size):.1f}" cy="{y.at(seconds):.1f}" r="2.6"/>'
                  for size, seconds in line]
    places = spread({name: y.at(line[-1][1]) for name, line in lines.items()}, 15)
    right = max(x.at(line[-1][0]) for line in lines.values())
    drawn += [f'<text class="label {name}" x="{right + 9:.1f}" y="{at + 4:.1f}">{SERIES[name]}</text>'
              for name, at in places.items()]
    return drawn


def plot(measured: dict[str, Any]) -> str:
    """Returns the drawing of a document written by --json."""
    panels = {scenario: points(measured, scenario) for scenario in PANELS}
    every = [point for lines in panels.values() for line in lines.values() for point in line]
    if len({size for size, _ in every}) < 2:
        raise ValueError("a plot needs at least two sizes")
    low, high = bounds([size for size, _ in every])
    fast, slow = bounds([seconds for _, seconds in every])
    y = LogScale(fast, slow, TOP + PLOT_HEIGHT, TOP)
    drawn = []
    for number, (scenario, lines) in enumerate(panels.items()):
        begin = LEFT + number * (PLOT_WIDTH + GAP)
        drawn += panel(PANELS[scenario], lines, LogScale(low, high, begin, begin + PLOT_WIDTH), y)
    machine = measured["machine"]
    title = "Wall time over symbols plus members. Dashed: twice the size, twice the time."
    about = (f"{machine['cores']} cores of {machine['cpu']}, PostgreSQL {machine['postgresql']}, "
             f"Redis {machine['redis']}; medians of {measured['pairs']} runs.")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        f"<style>{STYLE}</style>", *drawn,
        f'<text x="{LEFT}" y="{HEIGHT - 36}">{title}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 16}">{escape(about)}</text>', "</svg>", ""])

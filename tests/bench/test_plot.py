"""The layout of the plot."""

import sys
import unittest
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from bench_plot import LogScale, bounds, points, plot, spread  # noqa: E402

MACHINE = {"cores": "2", "cpu": "Intel <R> & Co.", "postgresql": "15.18", "redis": "7.0.15"}
FACTORS = {"ours": 1e-6, "sql": 3e-6, "tuned": 2.9e-6, "floor": 9e-7}


def measured(*sizes: int) -> dict[str, Any]:
    """Returns times that grow with the size; every contestant has its own."""
    def scenario(size: int) -> dict[str, Any]:
        return {"contestants": {name: {"seconds": [size * factor, 9e9, size * factor / 2]}
                                for name, factor in FACTORS.items()}}
    return {"machine": MACHINE, "pairs": 3, "results": [
        {"symbols": size, "members": size, "scenarios": {"first": scenario(size), "idle": scenario(size)}}
        for size in sizes]}


class Scale(unittest.TestCase):
    """LogScale and bounds"""

    def test_makes_each_factor_of_ten_as_long(self) -> None:
        scale = LogScale(1e3, 1e6, 100, 400)
        self.assertEqual([round(scale.at(value), 6) for value in (1e3, 1e4, 1e5, 1e6)], [100, 200, 300, 400])

    def test_may_point_upward(self) -> None:
        scale = LogScale(0.01, 1, 300, 100)
        self.assertAlmostEqual(scale.at(0.1), 200)

    def test_has_the_powers_of_ten_within(self) -> None:
        self.assertEqual(LogScale(10 ** 2.5, 1e5, 0, 1).ticks(), [1e3, 1e4, 1e5])

    def test_holds_all_that_is_drawn(self) -> None:
        low, high = bounds([1_030, 250_000])
        self.assertTrue(100 < low < 1_030 and 250_000 < high <= 1e6, (low, high))


class Labels(unittest.TestCase):
    """spread"""

    def test_keeps_labels_apart_and_in_order(self) -> None:
        moved = spread({"b": 101, "a": 100, "c": 300}, 15)
        self.assertEqual(list(moved), ["a", "b", "c"])
        self.assertGreaterEqual(moved["b"] - moved["a"], 14.9)
        self.assertEqual(moved["c"], 300)

    def test_keeps_many_in_one_place_apart(self) -> None:
        moved = list(spread({"a": 100, "b": 101, "c": 100, "d": 102}, 15).values())
        for above, below in zip(moved, moved[1:]):
            self.assertGreaterEqual(below - above, 14.9)


class Plot(unittest.TestCase):
    """points and plot"""

    def test_is_of_medians_over_symbols_and_members(self) -> None:
        self.assertEqual(points(measured(2000, 1000), "idle")["ours"], [(2000, 1e-3), (4000, 2e-3)])

    def test_is_svg_with_a_line_for_each_contestant_and_panel(self) -> None:
        drawn = ElementTree.fromstring(plot(measured(1000, 10_000, 100_000)))
        lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
        self.assertEqual(len(lines), 8)
        for line in lines:
            # Twice the size, twice the time: with two equal scales, a straight line.
            (x1, y1), (x2, y2), (x3, y3) = (map(float, point.split(",")) for point in line.attrib["points"].split())
            self.assertAlmostEqual((y2 - y1) / (x2 - x1), (y3 - y2) / (x3 - x2), places=2)

    def test_has_a_label_for_each_line_that_none_covers(self) -> None:
        drawn = ElementTree.fromstring(plot(measured(1000, 10_000)))
        labels = [text for text in drawn.findall("{http://www.w3.org/2000/svg}text")
                  if text.get("class", "").startswith("label")]
        self.assertEqual([text.text for text in labels[:4]],
                         ["SQL script", "tuned SQL", "tickstock-cache", "COPY alone"])
        heights = [float(text.attrib["y"]) for text in labels[:4]]
        for above, below in zip(heights, heights[1:]):
            self.assertGreaterEqual(below - above, 14.8)

    def test_needs_two_sizes(self) -> None:
        with self.assertRaises(ValueError):
            plot(measured(1000))


if __name__ == "__main__":
    unittest.main()

"""Ratios, sizes, and the limits of tables."""

import argparse
import io
import sys
import unittest
from contextlib import redirect_stderr
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from bench import parse  # noqa: E402
from bench_callgrind import Instructions  # noqa: E402
from bench_contest import Measured, Result, Scenario  # noqa: E402
from bench_duels import Duel  # noqa: E402
from bench_market import Size  # noqa: E402
from bench_report import document, ratio, ratios, smoke_text, text  # noqa: E402
from bench_run import Costs  # noqa: E402

ABOUT = {"cpu": "A Processor Of Some Kind", "cores": "2", "memory": "24 GB", "postgresql": "15.18", "redis": "7.0.15",
         "settings": "fsync = on, full_page_writes = on, shared_buffers = 1GB"}


DUEL = Duel("100 declared universes over 100,000 symbols, nothing to do", ("without", "with them"),
            ([0.1, 0.2, 0.1], [0.12, 0.24, 0.13]), (20_480, 30_720))


def scenario(ours: float, sql: float, tuned: float, floor: float) -> Scenario:
    """Returns a scenario of three pairs; the machine was busy during the second one."""
    return Scenario(3, {name: Measured([value, 10 * value, value], [5_000_000_000], Costs(200_000, 12_345, 678))
                        for name, value in (("ours", ours), ("sql", sql), ("tuned", tuned), ("floor", floor))})


def result(symbols: int) -> Result:
    """Returns a market with measurements of all scenarios."""
    return Result(symbols, 10_000, 10 * symbols, "2026-08-20", False, [0.01],
                  {"first": scenario(0.2, 300.0, 100.0, 0.1), "idle": scenario(0.05, 0.1, 0.075, 0.1),
                   "night": scenario(9, 9, 9, 9)})


class Ratios(unittest.TestCase):
    """ratio and ratios"""

    def test_are_medians_of_pairs_and_not_ratios_of_medians(self) -> None:
        self.assertEqual(ratio([1, 20, 3], [1, 10, 1]), 2)

    def test_need_both_halves_of_each_pair(self) -> None:
        with self.assertRaises(ValueError):
            ratio([1, 2], [1])

    def test_say_faster_than_each_script_and_slower_than_the_floor(self) -> None:
        found = ratios(scenario(2, 6, 5, 1))
        self.assertEqual(found, {"sql_over_ours": 3, "tuned_over_ours": 2.5, "ours_over_floor": 2})


class Report(unittest.TestCase):
    """text, smoke_text and document"""

    def test_fits_100_columns(self) -> None:
        lines = text(ABOUT, 7, [result(1_000_000)], [Instructions(1_000_000, 12_000_000, 10**9, 10**9)],
                     [DUEL])
        self.assertLessEqual(max(map(len, lines.splitlines())), 100, lines)

    def test_has_both_scripts_beside_each_other(self) -> None:
        lines = text(ABOUT, 7, [result(10_000)], [], []).splitlines()
        wall = next(line for line in lines if "first run" in line)
        self.assertIn("200 ms 300.0 s 100.0 s  100 ms  1500×      500×   2.00", wall)

    def test_compares_a_first_run_with_the_old_job(self) -> None:
        self.assertIn("100,000 symbols: 9.7 s, our first run 200 ms, 48×", text(ABOUT, 7, [result(100_000)], [], []))

    def test_says_what_is_beyond_the_bounds(self) -> None:
        lines = smoke_text([result(10_000)], []).splitlines()
        self.assertIn("nothing to do: 2.0× as fast as SQL, 1.5× as tuned SQL, 0.50 of the floor: within", lines[1])
        for slow in (scenario(9, 1, 9, 9), scenario(9, 9, 1, 9), scenario(9, 9, 9, 1)):
            beyond = result(10_000)
            beyond.scenarios = {"idle": slow}
            self.assertIn("beyond", smoke_text([beyond], []))

    def test_says_what_one_costs_beside_the_other(self) -> None:
        self.assertIn("100 declared universes over 100,000 symbols, nothing to do: 100 ms without, 130 ms with them, "
                      "1.20×; 20 and 30 MB", smoke_text([], [DUEL]))

    def test_compares_two_builds_where_another_was_given(self) -> None:
        compared = result(10_000)
        for one in compared.scenarios.values():
            one.contestants["theirs"] = Measured([value / 1.1 for value in one.contestants["ours"].seconds], [],
                                                 Costs(100_000, 1, 1))
        lines = text(ABOUT, 7, [compared], [], []).splitlines()
        self.assertIn("1.100    2.000", next(line for line in reversed(lines) if "nothing to do" in line))
        self.assertNotIn("the other", "\n".join(text(ABOUT, 7, [result(10_000)], [], [])))

    def test_puts_ratios_into_the_document(self) -> None:
        written = document(ABOUT, 7, [result(10_000)], [], [])
        self.assertEqual(written["results"][0]["scenarios"]["first"]["ratios"]["tuned_over_ours"], 500)


class CommandLine(unittest.TestCase):
    """parse"""

    def parse(self, *arguments: str) -> argparse.Namespace:
        return parse(list(arguments))

    def test_has_sizes_with_entries_of_their_own(self) -> None:
        self.assertEqual(self.parse("--sizes", "13000,100000,1000000x10000").sizes,
                         [Size(13_000, 30), Size(100_000, 40), Size(1_000_000, 10_000)])

    def test_measures_less_for_smoke_and_plot(self) -> None:
        self.assertEqual((len(self.parse().sizes), self.parse().pairs), (5, 7))
        self.assertEqual((len(self.parse("--smoke").sizes), self.parse("--smoke").pairs), (1, 3))
        self.assertEqual((len(self.parse("--plot").sizes), self.parse("--plot").pairs), (7, 3))

    def test_ends_with_64_where_it_is_unusable(self) -> None:
        for arguments in (["--wrong"], ["--sizes", "1000,"], ["--sizes", "many"], ["--sizes", "10"], ["--pairs", "0"],
                          ["--smoke", "--sizes", "small"], ["--from", "x"], ["word"], ["--sizes", "13000x9"]):
            with self.subTest(arguments), redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as ended:
                parse(arguments)
            self.assertEqual(ended.exception.code, 64, arguments)


if __name__ == "__main__":
    unittest.main()

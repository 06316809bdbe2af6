"""The alert rules on what real runs leave: quiet on ordinary nights, and each fires on the night made for it."""

import json
import os
import subprocess
import sys
import unittest
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from support import (FIRST_DAY, NOWHERE, PROGRAM, ROOT, SCRIPTS, SECOND_DAY, Scene, new_folder,  # noqa: E402
                     servers)

RULES = ROOT / "scripts" / "integration" / "alerts.yml"
MARKET_DAYS = Path(os.environ.get("TICKSTOCK_MARKET_DAYS", ROOT / ".." / "shared" / "market" / "days"))

# Prometheus forgets a sample after five minutes, so the rules are evaluated only when there is one.
MINUTES = 10
SAMPLES_OF_A_DAY = 24 * 60 // MINUTES
HOURS = 60 // MINUTES

SUCCESS = (0, 2, 3, 6)

FEED = """
    CREATE TABLE IF NOT EXISTS feed (symbol text, company_name text, market_cap numeric, sector text, industry text,
      listing_date date, is_active boolean, delisted_date date, shares_outstanding bigint, close numeric,
      volume bigint);
    TRUNCATE feed"""

LOAD = """
    TRUNCATE symbols;
    INSERT INTO symbols (symbol, company_name, market_cap, sector, listing_date, is_active, delisted_date)
      SELECT symbol, company_name, market_cap, sector, listing_date, is_active, delisted_date FROM feed;
    INSERT INTO ohlcv_daily (symbol, date, close, volume)
      SELECT symbol, '{day}', close, volume FROM feed WHERE close IS NOT NULL"""


class Nights:
    """The metrics of consecutive nights, each left unchanged until the next night."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._file = new_folder() / "tickstock-cache.prom"
        self._samples: dict[str, list[str]] = {}
        self._length = 0
        self._success = 0

    def pass_night(self, as_of: str, samples: int = SAMPLES_OF_A_DAY, **more: str) -> int:
        """Runs the program, and returns its exit status."""
        done = subprocess.run(
            [PROGRAM, "sync", "-q", "--as-of", as_of, "--metrics-file", str(self._file)], check=False,
            env={**self._scene.environment, **more}, stdin=subprocess.DEVNULL, capture_output=True)
        # All nights pass within a minute, so use the times that they stand for.
        now = self._length * MINUTES * 60
        if done.returncode in SUCCESS:
            self._success = now
        for name, value in self._metrics():
            if name.startswith("tickstock_cache_last_attempt_timestamp"):
                value = str(now)
            elif name.startswith("tickstock_cache_last_success_timestamp"):
                value = str(self._success)
            series = self._samples.setdefault(name, [f"_x{self._length}"] if self._length else [])
            series.append(f"{value}+0x{samples - 1}")
        self._length += samples
        return done.returncode

    def _metrics(self) -> Iterator[tuple[str, str]]:
        for line in self._file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                yield name, value

    def check(self, test: unittest.TestCase, expression: str, expected: Mapping[str, int]) -> None:
        """Checks the value of an expression at the end."""
        rules = new_folder() / "test.yml"
        # JSON is YAML.
        rules.write_text(json.dumps({
            "rule_files": [str(RULES)], "evaluation_interval": f"{MINUTES}m",
            "tests": [{
                "interval": f"{MINUTES}m",
                "input_series": [{"series": name, "values": " ".join(values)}
                                 for name, values in self._samples.items()],
                "promql_expr_test": [{
                    "expr": expression, "eval_time": f"{(self._length - 1) * MINUTES}m",
                    "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()]}]}]}),
            encoding="utf-8")
        done = subprocess.run(["promtool", "test", "rules", str(rules)], check=False, capture_output=True, text=True)
        test.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def check_firing(self, test: unittest.TestCase, *alerts: str) -> None:
        """Checks which alerts fire at the end."""
        self.check(test, 'group by (alertname) (ALERTS{alertstate="firing"})',
                   {f'{{alertname="TickstockCache{alert}"}}': 1 for alert in alerts})


class NightsMadeForARule(unittest.TestCase):
    def pass_nights(self, change: Optional[Callable[[Scene], None]] = None, as_of: str = SECOND_DAY,
                    expected: int = 0, hours: int = 20, **more: str) -> Nights:
        """Runs an ordinary night, and one in which something is different."""
        scene = Scene()
        nights = Nights(scene)
        self.assertEqual(nights.pass_night(FIRST_DAY), 0)
        scene.next_day()
        scene.query(f"INSERT INTO ohlcv_daily (symbol, date, close) SELECT symbol, '{SECOND_DAY}', 1 FROM symbols "
                    "ON CONFLICT DO NOTHING")
        if change is not None:
            change(scene)
        self.assertEqual(nights.pass_night(as_of, hours * HOURS, **more), expected)
        return nights

    def test_an_ordinary_night_and_a_first_one(self) -> None:
        self.pass_nights().check_firing(self)
        scene = Scene(servers().database("first_alert").create())
        scene.database.script(SCRIPTS / "sample-market.sql", {"symbols": 1000, "as_of": FIRST_DAY})
        scene.run("init")
        nights = Nights(scene)
        self.assertEqual(nights.pass_night(FIRST_DAY), 0)
        nights.check_firing(self)

    def test_no_success(self) -> None:
        self.pass_nights(hours=25).check_firing(self)
        self.pass_nights(hours=28).check_firing(self, "NoSuccess")

    def test_never_a_success(self) -> None:
        nights = Nights(Scene())
        self.assertEqual(nights.pass_night(FIRST_DAY, 28 * HOURS, DATABASE_URL=NOWHERE), 5)
        nights.check_firing(self, "NeverSucceeded", "Failed")

    def test_refused_and_no_symbol(self) -> None:
        self.pass_nights(Scene.break_market, expected=4, hours=1).check_firing(self, "Refused", "NoSymbols")

    def test_failed(self) -> None:
        self.pass_nights(lambda scene: scene.query("ALTER TABLE symbols RENAME COLUMN sector TO branch") and None,
                         expected=1, hours=1).check_firing(self, "Failed")

    def test_events_pending(self) -> None:
        self.pass_nights(expected=6, hours=2, REDIS_URL="redis://127.0.0.1:1/0").check_firing(self, "EventsPending")

    def test_unusual_churn(self) -> None:
        def swap_hundred(scene: Scene) -> None:
            scene.query("""
                WITH ranked AS (SELECT symbol, market_cap, row_number() OVER (ORDER BY market_cap DESC) AS rank
                                  FROM symbols WHERE is_active AND market_cap > 0)
                UPDATE symbols SET market_cap = other.market_cap FROM ranked, ranked AS other
                 WHERE symbols.symbol = ranked.symbol AND ranked.rank BETWEEN 401 AND 600
                   AND other.rank = ranked.rank + CASE WHEN ranked.rank <= 500 THEN 100 ELSE -100 END""")

        self.pass_nights(swap_hundred, hours=1).check_firing(self, "UnusualChurn")

    def test_old_prices(self) -> None:
        self.pass_nights(as_of="2026-08-26", hours=1).check_firing(self, "OldPrices")

    def test_there_is_a_night_for_each_rule(self) -> None:
        rules = RULES.read_text(encoding="utf-8").split("- alert: TickstockCache")[1:]
        text = Path(__file__).read_text(encoding="utf-8")
        for rule in rules:
            self.assertIn(f'"{rule.splitlines()[0]}"', text)


class RealNights(unittest.TestCase):
    def test_a_real_market_gives_one_alarm_a_month_at_most(self) -> None:
        files = {path.name[:10]: path for path in MARKET_DAYS.glob("*.csv.gz")}
        if not files:
            self.skipTest("there is no folder of market days (TICKSTOCK_MARKET_DAYS)")
        scene = Scene(servers().database("real_alerts").create())
        scene.database.script(SCRIPTS / "sample-market.sql", {"symbols": 10, "as_of": FIRST_DAY})
        scene.query("TRUNCATE symbols, ohlcv_daily")
        scene.run("init", "-q")
        nights = Nights(scene)
        day, last = date.fromisoformat(min(files)), date.fromisoformat(max(files))
        count = 0
        # The timer also runs at the weekend.
        while day <= last:
            if day.isoformat() in files:
                load(scene, files[day.isoformat()])
            self.assertEqual(nights.pass_night(day.isoformat()), 0, day)
            day += timedelta(days=1)
            count += 1
        self.assertGreaterEqual(len(files), 2)
        months = -(-count // 30)
        nights.check(self, f'sum_over_time(group(ALERTS{{alertstate="firing"}})[{count}d:1h]) > {24 * months}', {})


def load(scene: Scene, file: Path) -> None:
    """Puts the market of a day into the tables."""
    scene.query(FEED)
    with subprocess.Popen(["zcat", str(file)], stdout=subprocess.PIPE) as feed:
        assert feed.stdout is not None
        scene.database.psql("-c", r"\copy feed FROM STDIN (FORMAT csv, HEADER true)", stdin=feed.stdout)
    scene.query(LOAD.format(day=file.name[:10]))


if __name__ == "__main__":
    unittest.main()

"""The Grafana dashboard on what real runs leave: it shows every metric, and each of its queries has a result."""

import json
import re
import subprocess
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from support import FIRST_DAY, PROGRAM, ROOT, SECOND_DAY, Scene, new_folder  # noqa: E402

FILE = ROOT / "scripts" / "integration" / "grafana-dashboard.json"

# What Prometheus itself adds to scraped metrics.
TARGET = {"instance": "a", "job": "node"}

# Metrics that deliberately have no panel.
NOT_SHOWN: frozenset[str] = frozenset()

METRIC = re.compile(r"(tickstock_cache_[a-z_]+)(?:\{([^}]*)\})?")
# Grafana's own pattern, which does not allow parentheses within those of a macro.
MACRO = re.compile(r"\$(__[a-zA-Z]+)\(([^)]*)\)")

THIRD_DAY = "2026-08-24"

CONFIGURATION = "[stability]\nnights = 2\n"


class Nights:
    """An ordinary night, one without Redis on which a member waits, and one that a guard refuses."""

    def __init__(self) -> None:
        self.scene = Scene()
        folder = new_folder()
        self._metrics = folder / "tickstock-cache.prom"
        self._configuration = folder / "config.toml"
        self._configuration.write_text(CONFIGURATION, encoding="utf-8")
        self.scene.next_day()
        self.sync(SECOND_DAY, 0)
        self.scene.query("""
            UPDATE symbols SET delisted_date = '2026-08-22' WHERE symbol IN
              (SELECT jsonb_array_elements_text(content->'symbols') FROM cache_entries WHERE universe = 'large_cap' LIMIT 3);
            UPDATE symbols SET market_cap = market_cap / 10 WHERE symbol =
              (SELECT content->'symbols'->>50 FROM cache_entries WHERE universe = 'mid_cap')""")
        self.sync(THIRD_DAY, 6, REDIS_URL="redis://127.0.0.1:1/0")
        self.metrics = self._metrics.read_text(encoding="utf-8")
        self.scene.break_market()
        self.sync(THIRD_DAY, 4)

    def sync(self, as_of: str, expected: int, **more: str) -> None:
        """Runs the program, which must exit with a status."""
        done = subprocess.run(
            [PROGRAM, "sync", "-q", "--as-of", as_of, "--config", str(self._configuration),
             "--metrics-file", str(self._metrics)],
            check=False, env={**self.scene.environment, **more}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True)
        assert done.returncode == expected, done.stderr

    def samples(self) -> dict[str, float]:
        """Returns the value of each series, with the labels that a scrape adds."""
        samples = {}
        for line in self.metrics.splitlines():
            if line.startswith("#"):
                continue
            series, _, value = line.rpartition(" ")
            name, _, labels = series.partition("{")
            added = [f'{label}="{value}"' for label, value in TARGET.items()]
            samples[f"{name}{{{','.join([*filter(None, [labels.rstrip('}')]), *added])}}}"] = float(value)
        return samples

    def labels(self) -> dict[str, set[str]]:
        """Returns the labels of each metric."""
        labels: dict[str, set[str]] = {}
        for series in self.samples():
            name, _, rest = series.partition("{")
            labels.setdefault(name, set()).update(re.findall(r'(\w+)="', rest))
        return labels


def macro(name: str, words: list[str]) -> str:
    """Returns what Grafana replaces a macro by, for the last two days."""
    begin, end = "(now() - interval '1 day')", "(now() + interval '1 day')"
    if name == "__timeFilter":
        return f"{words[0]} BETWEEN {begin} AND {end}"
    if name == "__timeFrom":
        return begin
    if name == "__timeTo":
        return end
    if name == "__timeGroupAlias":
        assert words[1:] == ["'1d'"], words
        return f'floor(extract(epoch FROM {words[0]}) / 86400) * 86400 AS "time"'
    raise AssertionError(f"Grafana's PostgreSQL has no macro {name}, or this test does not know it")


def filled_in(text: str, variables: dict[str, str]) -> str:
    """Returns a query as Grafana sends it."""
    text = MACRO.sub(lambda found: macro(found[1], [word.strip() for word in found[2].split(",")]), text)
    text = re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda found: variables[found[1] or found[2]], text)
    assert "$" not in text, text
    return text


class Dashboard(unittest.TestCase):
    board: dict[str, Any]
    nights: Nights
    variables: dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.board = json.loads(FILE.read_text(encoding="utf-8"))
        cls.nights = Nights()
        cls.variables = {"instance": TARGET["instance"],
                         "entries": cls.nights.scene.query(cls.variable("entries")["query"])}

    @classmethod
    def variable(cls, name: str) -> dict[str, Any]:
        return next(each for each in cls.board["templating"]["list"] if each["name"] == name)

    def panels(self) -> Iterator[dict[str, Any]]:
        for panel in self.board["panels"]:
            if panel["type"] != "row":
                yield panel

    def targets(self, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the title and the target of each query in a language: expr or rawSql."""
        for panel in self.panels():
            for target in panel["targets"]:
                if key in target:
                    yield panel["title"], target
        for annotation in self.board["annotations"]["list"]:
            if key in annotation.get("target", {}):
                yield annotation["name"], annotation["target"]

    def test_grafana_can_import_it_anywhere(self) -> None:
        self.assertIsNone(self.board["id"])
        self.assertRegex(self.board["uid"], "^[a-zA-Z0-9_-]{1,40}$")
        self.assertTrue(self.board["title"])
        self.assertGreaterEqual(self.board["schemaVersion"], 39)
        self.assertNotRegex(FILE.read_text(encoding="utf-8"), "https?://|localhost")
        sources = {each["name"]: each["query"] for each in self.board["templating"]["list"]
                   if each["type"] == "datasource"}
        self.assertEqual(sources, {"prometheus": "prometheus", "postgres": "grafana-postgresql-datasource"})

        def named(value: Any) -> Iterator[dict[str, str]]:
            if isinstance(value, dict):
                if isinstance(value.get("datasource"), dict):
                    yield value["datasource"]
                value = list(value.values())
            if isinstance(value, list):
                for each in value:
                    yield from named(each)

        for source in named(self.board):
            if source["type"] != "grafana":
                self.assertEqual(sources[source["uid"].strip("${}")], source["type"])

    def test_each_panel_has_a_place_of_its_own(self) -> None:
        panels = self.board["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        self.assertEqual(len({panel["title"] for panel in panels}), len(panels))
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
        for panel in self.panels():
            self.assertTrue(panel["description"], panel["title"])
            self.assertTrue(panel["targets"], panel["title"])
            self.assertEqual(len({target["refId"] for target in panel["targets"]}), len(panel["targets"]))
            for target in panel["targets"]:
                self.assertEqual(len({"expr", "rawSql"} & target.keys()), 1, panel["title"])

    def test_it_shows_every_metric_that_a_run_writes(self) -> None:
        families = re.search(r"families\{(.*?)\}\};", (ROOT / "cli" / "monitoring.cpp").read_text(encoding="utf-8"), re.S)
        assert families is not None
        written = {f"tickstock_cache_{name}" for name in re.findall(r'\{"([a-z_]+)",', families[1])}
        self.assertEqual(written, self.nights.labels().keys(), "the runs of this test leave all metrics")
        shown = {name for _, target in self.targets("expr") for name, _ in METRIC.findall(target["expr"])}
        self.assertEqual(shown | NOT_SHOWN, written)
        self.assertFalse(shown & NOT_SHOWN)

    def test_it_names_labels_that_the_metrics_have(self) -> None:
        known = self.nights.labels()
        for title, target in self.targets("expr"):
            common = set.intersection(*(known[name] for name, _ in METRIC.findall(target["expr"])))
            for name, matchers in METRIC.findall(target["expr"]):
                self.assertLessEqual(set(re.findall(r"(\w+)\s*[=!]", matchers)), known[name], title)
            self.assertLessEqual(set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"])), common, title)
        hosts = re.fullmatch(r"label_values\((\w+), (\w+)\)", self.variable("instance")["query"]["query"])
        assert hosts is not None
        self.assertIn(hosts[2], known[hosts[1]])

    def test_each_expression_has_a_result(self) -> None:
        cases = [{"expr": f"group({filled_in(target['expr'], self.variables)})", "eval_time": "0m",
                  "exp_samples": [{"labels": "{}", "value": 1}]} for _, target in self.targets("expr")]
        self.assertGreater(len(cases), 10)
        tests = new_folder() / "test.yml"
        # JSON is YAML.
        tests.write_text(json.dumps({"tests": [{
            "interval": "1m",
            "input_series": [{"series": series, "values": repr(value)}
                             for series, value in self.nights.samples().items()],
            "promql_expr_test": cases}]}), encoding="utf-8")
        done = subprocess.run(["promtool", "test", "rules", str(tests)], check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_statement_has_rows(self) -> None:
        count = 0
        for title, target in self.targets("rawSql"):
            count += 1
            sql = filled_in(target["rawSql"], self.variables)
            with self.subTest(title):
                rows = json.loads(self.nights.scene.query(f"SELECT coalesce(json_agg(q), '[]') FROM ({sql}) AS q"))
                self.assertTrue(rows)
                if target["format"] == "time_series":
                    self.assertIn("time", rows[0])
                    times = [row["time"] for row in rows]
                    self.assertEqual(times, sorted(times))
                    for row in rows:
                        numbers = [key for key, value in row.items() if isinstance(value, (int, float))]
                        self.assertGreaterEqual(len(set(numbers) - {"time"}), 1, row)
        self.assertGreater(count, 10)

    def test_members_over_time_are_those_of_the_time(self) -> None:
        sql = next(target["rawSql"] for title, target in self.targets("rawSql") if title == "Members by universe")
        told = self.nights.scene.query(f"""
            SELECT json_agg(q ORDER BY q.time) FROM ({filled_in(sql, self.variables)}) AS q
             WHERE q.metric = 'large_cap'""")
        expected = []
        for day in (FIRST_DAY, SECOND_DAY, THIRD_DAY):
            members = self.nights.scene.run("members", "large_cap", "--as-of", day, "--format", "json")
            expected.append(len(json.loads(members)["members"]))
        self.assertEqual([row["members"] for row in json.loads(told)], expected)
        self.assertGreater(len(set(expected)), 1, "these nights show nothing")

    def test_it_has_a_word_for_each_status(self) -> None:
        statuses = {"129", "130", "143"} | set(re.findall(
            r"\n  status_(?!signal)\w+ = (\d+)", (ROOT / "cli" / "exit_status.hpp").read_text(encoding="utf-8")))
        panel = next(panel for panel in self.panels() if panel["title"] == "Exit status")
        self.assertEqual(panel["fieldConfig"]["defaults"]["mappings"][0]["options"].keys(), statuses)
        catalog = (ROOT / "lib" / "tables" / "catalog.cpp").read_text(encoding="utf-8")
        check = re.search(r"status IN \((.*?)\)\)", catalog, re.S)
        assert check is not None
        panel = next(panel for panel in self.panels() if panel["title"] == "Runs")
        mappings = next(each["value"] for override in panel["fieldConfig"]["overrides"]
                        if override["matcher"]["options"] == "status"
                        for each in override["properties"] if each["id"] == "mappings")
        self.assertEqual(mappings[0]["options"].keys(), set(re.findall("'(\\w+)'", check[1])))


if __name__ == "__main__":
    unittest.main()

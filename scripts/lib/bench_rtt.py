"""The cost of distance: program and SQL script through a delaying proxy, as if the database were on another machine."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import parse_qs, urlsplit

from bench_market import Market
from bench_proxy import Proxy
from bench_run import Command, wall_time
from bench_servers import LIB, Database, Servers, say


@dataclass
class Distance:
    """One scenario at one distance: seconds of each run, and round trips of the last, including the login."""

    rtt_ms: float
    scenario: str
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"ours": [], "sql": []})
    round_trips: dict[str, int] = field(default_factory=dict)


class Distances:
    """Measures a run with nothing to do and a typical night, at any distance."""

    def __init__(self, servers: Servers, program: str, script: Path) -> None:
        self._servers = servers
        self._program = program
        self._script = script
        self._databases = {"ours": servers.database("far_ours"), "sql": servers.database("far_sql")}

    def measure(self, market: Market, pairs: int, rtts: list[float]) -> list[Distance]:
        """Returns the results for each distance."""
        settled = self._servers.database("far").copy_of(market.base)
        wall_time(self._command("ours", settled.url, settled, market.as_of), self._servers.scratch)
        settled.settle()
        night = self._servers.database("far_night").copy_of(settled)
        night.script(LIB / "bench-night.sql")
        night.settle()
        found = []
        for rtt in rtts:
            for scenario, template, day in (("nothing to do", settled, market.as_of),
                                            ("typical night", night, market.next_day)):
                say(f"{market.size.symbols:,} symbols, {rtt:g} ms away: {scenario}")
                found.append(self._race(Distance(rtt, scenario), template, day, pairs))
        for database in (settled, night, *self._databases.values()):
            database.drop()
        return found

    def _race(self, distance: Distance, template: Database, day: str, pairs: int) -> Distance:
        address = parse_qs(urlsplit(template.url).query)["host"][0]
        with Proxy(f"{address}/.s.PGSQL.5432", distance.rtt_ms) as proxy:
            for _ in range(pairs):
                for name, database in self._databases.items():
                    database.copy_of(template).ready()
                    user = urlsplit(database.url).username
                    url = f"postgresql://{user}@127.0.0.1:{proxy.port}/{database.name}?sslmode=disable"
                    before = proxy.round_trips
                    distance.seconds[name].append(
                        wall_time(self._command(name, url, database, day), self._servers.scratch))
                    distance.round_trips[name] = proxy.round_trips - before
        return distance

    def _command(self, name: str, url: str, database: Database, day: str) -> Command:
        environment = {**database.environment, "DATABASE_URL": url}
        if name == "ours":
            return Command((self._program, "sync", "-q", "--triggered-by", "cron", "--as-of", day), environment)
        return Command((self._servers.program("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-v", f"as_of={day}",
                        "-f", str(self._script), url), environment)


def table(distances: list[Distance]) -> str:
    """Returns the table for the performance page."""
    lines = ["                            round trips         seconds",
             "distance  scenario         program  SQL     program     SQL   ratio"]
    for each in distances:
        ours, sql = median(each.seconds["ours"]), median(each.seconds["sql"])
        lines.append(f"{each.rtt_ms:5g} ms  {each.scenario:<15} {each.round_trips['ours']:8} {each.round_trips['sql']:4}"
                     f"{ours:12.3f}{sql:8.3f}{ours / sql:8.2f}")
    return "\n".join(lines)

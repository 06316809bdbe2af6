"""The contest: program, SQL scripts and the floor do the same night's work, alternating, on copies of one database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Optional

from bench_market import Market
from bench_run import Command, Costs, costs, wall_time
from bench_servers import LIB, BenchError, Database, Servers, say


@dataclass
class Measured:
    """The measurements of one contestant in one scenario, one number per run."""

    seconds: list[float] = field(default_factory=list)
    wal_bytes: list[int] = field(default_factory=list)
    costs: Optional[Costs] = None


@dataclass
class Scenario:
    """The contestants in one scenario; the n-th runs of all of them form a pair."""

    changed: int
    contestants: dict[str, Measured]


@dataclass
class Result:
    """The measurements of one market."""

    symbols: int
    entries: int
    members: int
    as_of: str
    real: bool
    psql_seconds: list[float]
    scenarios: dict[str, Scenario]


@dataclass
class Contestant:
    """A command, its database, and what prepares that for a run."""

    command: Command
    database: Database
    prepare: Callable[[], None]
    measured: Measured = field(default_factory=Measured)


class Contest:
    """Measures markets."""

    def __init__(self, servers: Servers, program: str, script: Path, against: Optional[Path] = None) -> None:
        self._servers = servers
        self._program = program
        self._against = str(against.resolve()) if against else None
        self._ours = servers.database("ours")
        self._theirs = servers.database("theirs")
        self._scripts = {"sql": (script, servers.database("by_sql")),
                         "tuned": (LIB / "bench-sync-tuned.sql", servers.database("by_tuned_sql"))}
        self._floor = servers.database("floor")

    def measure(self, market: Market, pairs: int, with_night: bool) -> Result:
        """Measures a first run, a run with nothing to do and, if requested, a typical night."""
        def announce(scenario: str) -> None:
            say(f"{market.size.symbols:,} symbols, {market.size.entries:,} entries: {scenario}")

        bare = self._command(self._servers.program("psql"), "-Xq", market.base.url, "-c", "", database=market.base)
        psql_seconds = [wall_time(bare, self._servers.scratch) for _ in range(3 * pairs)]
        announce("first run")
        scenarios = {"first": self._with_changes(market.base, market.as_of, pairs)}
        written = [self._ours, *(database for _, database in self._scripts.values())]
        if self._against:
            written.append(self._theirs)
        for database in written:
            database.settle()
        announce("nothing to do")
        scenarios["idle"] = self._without_changes(market.as_of, pairs)
        symbols, entries, members = (int(self._ours.query(sql)) for sql in (
            "SELECT count(*) FROM symbols", "SELECT count(*) FROM cache_entries",
            "SELECT sum(jsonb_array_length(content->'symbols')) FROM cache_entries"))
        if with_night:
            announce("typical night")
            night = self._servers.database("night").copy_of(self._ours)
            night.script(LIB / "bench-night.sql")
            night.settle()
            scenarios["night"] = self._with_changes(night, market.next_day, pairs)
            night.drop()
        for database in (*written, self._floor):
            database.drop()
        return Result(symbols, entries, members, market.as_of, market.real, psql_seconds, scenarios)

    def _with_changes(self, template: Database, as_of: str, pairs: int) -> Scenario:
        """Gives each run that changes something a fresh copy of the same database. The first runs of the program and of
        the scripts must have equal results; these tell the floor which rows change."""
        changed = self._servers.scratch / "changed"
        contestants = {
            "ours": Contestant(self._sync(as_of), self._ours, partial(fresh, self._ours, template)),
            **self._other_build(as_of, partial(fresh, self._theirs, template)),
            **{name: Contestant(self._sql(name, as_of), database, partial(fresh, database, template))
               for name, (_, database) in self._scripts.items()},
            "floor": Contestant(self._copy(self._floor, changed), self._floor, self._empty_floor),
        }
        before = f"xmin::text::bigint >= {template.query('SELECT pg_current_xact_id()')}"
        self._cost(contestants["ours"])
        ours = memberships(self._ours)
        if self._against:
            self._cost(contestants["theirs"])
            expect_same(ours, memberships(self._theirs), "the other build")
        for name, (_, database) in self._scripts.items():
            self._cost(contestants[name])
            expect_same(ours, memberships(database), name)
        count = self._changed_since(self._ours, before)
        with open(changed, "wb") as file:
            self._ours.psql("-c", f"COPY (SELECT * FROM cache_entries WHERE {before}) TO STDOUT (FORMAT binary)",
                            stdout=file)
        self._floor.copy_of(template)
        self._cost(contestants["floor"])
        return self._race(contestants, pairs, count)

    def _without_changes(self, as_of: str, pairs: int) -> Scenario:
        """Runs again after a completed run. Not a single entry may be written."""
        contestants = {
            "ours": Contestant(self._sync(as_of), self._ours, self._ours.ready),
            **self._other_build(as_of, self._theirs.ready),
            **{name: Contestant(self._sql(name, as_of), database, database.ready)
               for name, (_, database) in self._scripts.items()},
            "floor": Contestant(self._copy(self._ours), self._ours, self._ours.ready),
        }
        before = f"xmin::text::bigint >= {self._ours.query('SELECT pg_current_xact_id()')}"
        for contestant in contestants.values():
            self._cost(contestant)
        scenario = self._race(contestants, pairs, 0)
        for database in (self._ours, *(database for _, database in self._scripts.values())):
            scenario.changed += self._changed_since(database, before)
        if scenario.changed:
            raise BenchError(f"where there was nothing to do, entries were written {scenario.changed} times")
        return scenario

    def _race(self, contestants: dict[str, Contestant], pairs: int, changed: int) -> Scenario:
        for _ in range(pairs):
            for contestant in contestants.values():
                contestant.prepare()
                position = contestant.database.wal_position()
                contestant.measured.seconds.append(wall_time(contestant.command, self._servers.scratch))
                contestant.measured.wal_bytes.append(contestant.database.wal_position() - position)
        return Scenario(changed, {name: contestant.measured for name, contestant in contestants.items()})

    def _cost(self, contestant: Contestant) -> None:
        contestant.prepare()
        contestant.measured.costs = costs(contestant.command, self._servers.program("strace"),
                                          self._servers.program("time"), self._servers.scratch)

    def _empty_floor(self) -> None:
        self._floor.query("TRUNCATE changed")
        self._floor.ready()

    @staticmethod
    def _changed_since(database: Database, before: str) -> int:
        return int(database.query(f"SELECT count(*) FROM cache_entries WHERE {before}"))

    def _sync(self, as_of: str) -> Command:
        """Returns the command as cron would run it: with journal, outbox and events."""
        return self._command(self._program, "sync", "-q", "--triggered-by", "cron", "--as-of", as_of,
                             database=self._ours)

    def _other_build(self, as_of: str, prepare: Callable[[], None]) -> dict[str, Contestant]:
        """Returns the program of --against, if given, for the same work."""
        if not self._against:
            return {}
        command = self._command(self._against, *self._sync(as_of).arguments[1:], database=self._theirs)
        return {"theirs": Contestant(command, self._theirs, prepare)}

    def _sql(self, name: str, as_of: str) -> Command:
        script, database = self._scripts[name]
        return self._command(self._servers.program("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-v", f"as_of={as_of}",
                             "-f", str(script), database.url, database=database)

    def _copy(self, database: Database, changed: Optional[Path] = None) -> Command:
        options = ["-v", "changed=1"] if changed else []
        return self._command(self._servers.program("psql"), "-Xq", *options, "-f", str(LIB / "bench-floor.sql"),
                             database.url, database=database, stdin=changed)

    @staticmethod
    def _command(*arguments: str, database: Database, stdin: Optional[Path] = None) -> Command:
        return Command(arguments, database.environment, str(stdin or "/dev/null"))


def fresh(database: Database, template: Database) -> None:
    """Replaces a database by a new copy of another one, ready for a run."""
    database.copy_of(template).ready()


def memberships(database: Database) -> list[str]:
    """Returns a line per universe with its members in order."""
    return database.script(LIB / "bench-memberships.sql").splitlines()


def expect_same(ours: list[str], theirs: list[str], name: str) -> None:
    """Ends the benchmark unless both have the same universes with the same members in the same order."""
    for mine, its in zip(ours, theirs):
        if mine != its:
            raise BenchError(f"the program and {name} come to different memberships: {mine} and {its}")
    if len(ours) != len(theirs):
        raise BenchError(f"the program left {len(ours)} entries, {name} {len(theirs)}")

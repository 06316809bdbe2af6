"""The results of a benchmark, as JSON and as tables of at most 100 columns."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import median
from textwrap import wrap
from typing import Any

from bench_callgrind import Instructions
from bench_contest import Measured, Result, Scenario
from bench_duels import Duel
from bench_journal import Growth
from bench_servers import Servers, memory_kb, settings

SCENARIOS = {"first": "first run", "idle": "nothing to do", "night": "typical night"}

WHO = ("ours", "sql", "tuned", "floor")
WRITERS = WHO[:3]

TABLE_WIDTH = 100

# How long the Python job that this program replaces took for its night, by number of symbols.
OLD_JOB = {10_000: 0.42, 100_000: 9.7}

# Bounds of the smoke version, wide enough for a machine that is busy with something else.
SMOKE_TIMES_SQL = 0.5
SMOKE_TIMES_FLOOR = 6.0


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Returns the median of the ratios of each pair of runs. Whatever slows both runs of a pair down does not affect
    it.
    """
    return median(n / d for n, d in zip(numerators, denominators, strict=True))


def ratios(scenario: Scenario) -> dict[str, float]:
    """Returns how many times faster than each script the program is, and how many times as long as the floor it takes.
    """
    ours, sql, tuned, floor = (scenario.contestants[name].seconds for name in WHO)
    return {"sql_over_ours": ratio(sql, ours), "tuned_over_ours": ratio(tuned, ours),
            "ours_over_floor": ratio(ours, floor)}


def machine(servers: Servers) -> dict[str, str]:
    """Returns the facts about the machine that the numbers depend on."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_kb() / 1024 / 1024:.0f} GB",
        "postgresql": servers.version("postgres"),
        "redis": servers.version("redis-server"),
        "settings": ", ".join(f"{name} = {value}" for name, value in settings().items()),
    }


def document(about: dict[str, str], pairs: int, results: list[Result], counted: list[Instructions],
             duels: list[Duel], growths: Sequence[Growth] = ()) -> dict[str, Any]:
    """Returns all measurements, ready to be written as JSON."""
    measured = []
    for result in results:
        entry = asdict(result)
        for name, scenario in result.scenarios.items():
            entry["scenarios"][name]["ratios"] = ratios(scenario)
        measured.append(entry)
    return {"schema_version": 1, "machine": about, "pairs": pairs, "results": measured,
            "plan_instructions": [asdict(instructions) for instructions in counted],
            "duels": [asdict(one) for one in duels], "journal": [asdict(one) for one in growths]}


def seconds(value: float) -> str:
    """Formats a time with about three digits."""
    if value < 1:
        return f"{value * 1000:.{1 if value < 0.1 else 0}f} ms"
    return f"{value:.{2 if value < 10 else 1}f} s"


def times(value: float) -> str:
    """Formats how many times faster something is."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}×"


def size(value: float) -> str:
    """Formats a number of bytes."""
    return f"{value / 1e6:.1f} MB" if value >= 1e5 else f"{value / 1e3:.1f} kB"


def scenarios(results: list[Result], with_members: bool = False) -> Iterator[tuple[str, Scenario]]:
    """Returns each scenario with the head of its line; the first line of a market shows the size."""
    for result in results:
        market = f"{result.symbols:>10,} {result.entries:>7,}" + (f" {result.members:>10,}" if with_members else "")
        for name, scenario in result.scenarios.items():
            yield f"{market}  {SCENARIOS[name]:<13}", scenario
            market = " " * len(market)


def wall_table(results: list[Result]) -> list[str]:
    """Returns the table of times."""
    lines = ["                                                              tuned            vs.  vs. tuned    vs.",
             "   symbols entries    members                   ours     SQL     SQL   floor   SQL        SQL  floor"]
    for head, scenario in scenarios(results, with_members=True):
        took = "".join(f"{seconds(median(scenario.contestants[who].seconds)):>8}" for who in WHO)
        found = ratios(scenario)
        lines.append(f"{head}{took}{times(found['sql_over_ours']):>7}"
                     f"{times(found['tuned_over_ours']):>10}{found['ours_over_floor']:>7.2f}")
    return lines


def cost_table(results: list[Result]) -> list[str]:
    """Returns the table of what a client takes besides time."""
    lines = ["                                     memory             round trips           system calls",
             "   symbols entries                 ours    SQL  tuned   ours  SQL tuned    ours    SQL  tuned"]
    for head, scenario in scenarios(results):
        memory, trips, calls = zip(*(numbers(scenario.contestants[who]) for who in WRITERS))
        lines.append(f"{head}{''.join(f'{value:>7}' for value in memory)} "
                     f"{''.join(f'{value:>6}' for value in trips)} {''.join(f'{value:>7}' for value in calls)}")
    return lines


def numbers(measured: Measured) -> tuple[str, str, str]:
    """Returns one contestant's memory, round trips and system calls as text."""
    assert measured.costs is not None
    return (f"{measured.costs.memory_kb / 1024:.0f} MB", f"{measured.costs.round_trips:,}",
            f"{measured.costs.system_calls:,}")


def wal_table(results: list[Result]) -> list[str]:
    """Returns the table of bytes written to PostgreSQL's log."""
    lines = ["   symbols entries                      ours         SQL   tuned SQL       floor"]
    for head, scenario in scenarios(results):
        written = "".join(f"{size(median(scenario.contestants[who].wal_bytes)):>12}" for who in WHO)
        lines.append(f"{head}{written}")
    return lines


def instructions_table(counted: list[Instructions]) -> list[str]:
    """Returns the table of instruction counts, with as many digits as are reproducible."""
    lines = ["   symbols    members               first run           nothing to do"]
    for one in counted:
        things = one.symbols + one.members
        lines.append(f"{one.symbols:>10,} {one.members:>10,} {one.first / 1e6:>10.2f} M {one.first / things:>6.1f} each"
                     f" {one.idle / 1e6:>10.2f} M {one.idle / things:>6.1f} each")
    return lines


def against_table(results: list[Result]) -> list[str]:
    """Returns how this build compares with another one; empty if there is none."""
    lines = ["   symbols entries                  this build   the other   ratio   memory"]
    for head, scenario in scenarios(results):
        theirs = scenario.contestants.get("theirs")
        if theirs is None:
            return []
        ours = scenario.contestants["ours"]
        assert ours.costs is not None and theirs.costs is not None
        lines.append(f"{head}{seconds(median(ours.seconds)):>15}{seconds(median(theirs.seconds)):>12}"
                     f"{ratio(ours.seconds, theirs.seconds):>8.3f}{ours.costs.memory_kb / theirs.costs.memory_kb:>9.3f}")
    return lines


def duel_line(one: Duel) -> str:
    """Returns what one command costs compared with the other."""
    first, second = one.seconds
    return (f"{one.what}: {seconds(median(first))} {one.names[0]}, {seconds(median(second))} {one.names[1]}, "
            f"{ratio(second, first):.2f}×; {one.memory_kb[0] / 1024:.0f} and {one.memory_kb[1] / 1024:.0f} MB")


def growth_line(one: Growth) -> str:
    """Returns what a night adds to the journal."""
    return (f"{one.symbols:,} symbols, {one.entries:,} entries: a typical night adds {size(one.bytes_a_night)} to the "
            f"journal; images of what stood before are {size(one.image_bytes)} of it, names {size(one.name_bytes)}.")


def old_job(results: list[Result]) -> list[str]:
    """Returns how a first run, which writes everything, compares with the job that the program replaces."""
    found = []
    for result in results:
        given = OLD_JOB.get(result.symbols)
        if given is not None and not result.real:
            ours = median(result.scenarios["first"].contestants["ours"].seconds)
            found.append(f"{result.symbols:,} symbols: {given} s, our first run {seconds(ours)}, {given / ours:.0f}×")
    return found


def text(about: dict[str, str], pairs: int, results: list[Result], counted: list[Instructions],
         duels: list[Duel], growths: Sequence[Growth] = ()) -> str:
    """Returns the whole report."""
    bare = median(value for result in results for value in result.psql_seconds)
    lines = [
        *wrap(f"{about['cores']} cores of {about['cpu']}, {about['memory']}; PostgreSQL {about['postgresql']}, Redis "
              f"{about['redis']}. PostgreSQL is as durable as in production, and makes no checkpoint and no vacuum "
              f"while something is measured: {about['settings']}.", TABLE_WIDTH),
        "",
        *wrap(f"Wall time, medians of {pairs} pairs. SQL is the script a database administrator writes, tuned SQL the "
              "fastest that was found. vs. SQL: how many times faster; vs. floor: ours ÷ floor.", TABLE_WIDTH),
        "",
        *wall_table(results),
        "",
        *(f"{result.symbols:,} symbols: the real day {result.as_of}." for result in results if result.real),
        f"psql's start and login, which SQL and floor contain: {seconds(bare)}.",
        "",
        "Peak memory of the client, its round trips to PostgreSQL and system calls.",
        "",
        *cost_table(results),
        "",
        "What PostgreSQL writes to its log (WAL) for one run.",
        "",
        *wal_table(results),
    ]
    if counted:
        lines += ["", *wrap("Instructions of the pure part, ranking and planning, and for each symbol and member; they "
                            "repeat to about 1 in 10,000:", TABLE_WIDTH), "",
                  *instructions_table(counted)]
    for one in duels:
        lines += ["", *wrap(duel_line(one), TABLE_WIDTH)]
    for grown in growths:
        lines += ["", *wrap(growth_line(grown), TABLE_WIDTH)]
    if found := against_table(results):
        lines += ["", "This build and the one of --against, alternating.", "", *found]
    if found := old_job(results):
        lines += ["", "The Python job that this replaces (given figures, from another machine):",
                  *(f"  {line}" for line in found)]
    return "\n".join(lines)


def smoke_text(results: list[Result], duels: list[Duel], growths: Sequence[Growth] = ()) -> str:
    """Returns the ratios, each with whether it is within generous bounds."""
    lines = []
    for result in results:
        for name, scenario in result.scenarios.items():
            found = ratios(scenario)
            slowest = min(found["sql_over_ours"], found["tuned_over_ours"])
            within = slowest >= SMOKE_TIMES_SQL and found["ours_over_floor"] <= SMOKE_TIMES_FLOOR
            lines.append(
                f"{result.symbols:,} symbols, {SCENARIOS[name]}: {found['sql_over_ours']:.1f}× as fast as SQL, "
                f"{found['tuned_over_ours']:.1f}× as tuned SQL, {found['ours_over_floor']:.2f} of the floor: "
                f"{'within' if within else 'beyond'} the bounds ({SMOKE_TIMES_SQL}, {SMOKE_TIMES_FLOOR})")
    lines += [duel_line(one) for one in duels] + [growth_line(one) for one in growths]
    return "\n".join(lines)

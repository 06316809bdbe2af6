"""The cost of one thing compared with another, as two alternating commands: declared universes, stability, a stream,
and a replay.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench_market import Market
from bench_run import Command, costs, wall_time
from bench_servers import LIB, Database, Servers, say

UNIVERSES = 100
FAMILIES = """
[[universe]]
name = "sector_{sector}"
each = "sector"
type = "sector"

[[universe]]
name = "top_10_{sector}"
each = "sector"
type = "sector_leader"
first = 10
"""
THEME = """
[[universe]]
name = "declared_{number}"
match = {{ industry = ["{industry}"] }}
cap_from = {cap}
"""
STABILITY = "[stability]\nband = 10\nnights = 2\nbuffer = 10\n"
REPLAYED_SYMBOLS = 12_000
EVENTS = 10_000
STREAM = '[events]\nstream = "bench:events"\n'
PENDING = """
TRUNCATE cache_sync_outbox RESTART IDENTITY;
INSERT INTO cache_sync_outbox (event_id, run_id, channel, event, message, created_at)
SELECT gen_random_uuid(), 'bench', 'tickstock:cache:ipo_assignment', 'ipo_assigned',
       rpad('{{"event":"ipo_assigned","payload":{{"symbol":"S' || i || '"}}', 350) || '}}', now()
  FROM generate_series(1, {events}) i
"""


@dataclass
class Duel:
    """Seconds of each run of a pair, and the peak memory of each in KB."""

    what: str
    names: tuple[str, str]
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    memory_kb: tuple[int, int] = (0, 0)


def fight(servers: Servers, duel: Duel, pairs: int, commands: tuple[Command, Command],
          prepare: tuple[Callable[[], object], Callable[[], object]]) -> Duel:
    """Alternates two commands, each after what prepares its database."""
    for _ in range(pairs):
        for command, ready, seconds in zip(commands, prepare, duel.seconds):
            ready()
            seconds.append(wall_time(command, servers.scratch))
    peaks = []
    for command, ready in zip(commands, prepare):
        ready()
        peaks.append(costs(command, servers.program("strace"), servers.program("time"),
                           Path(servers.scratch)).memory_kb)
    duel.memory_kb = (peaks[0], peaks[1])
    return duel


def config(servers: Servers, name: str, text: str) -> str:
    """Writes a configuration file."""
    path = servers.scratch / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def declarations(database: Database, universes: int = UNIVERSES) -> str:
    """Returns the sectors, their leaders, and as many themes by industry and market cap as make a hundred."""
    sectors = int(database.query("SELECT count(DISTINCT sector) FROM symbols WHERE is_active AND sector <> ''"))
    industries = database.query("SELECT DISTINCT industry FROM symbols WHERE is_active AND industry <> '' "
                                "ORDER BY 1").splitlines()
    themes = (THEME.format(number=number, industry=industries[number % len(industries)],
                           cap=10 ** (5 + number // len(industries)))
              for number in range(universes - 2 * sectors))
    return FAMILIES + "".join(themes)


def sync(program: str, database: Database, as_of: str, *options: str) -> Command:
    """Returns a run as cron would start it."""
    return Command((program, "sync", "-q", "--as-of", as_of, *options), database.environment)


def declared(servers: Servers, program: str, market: Market, pairs: int) -> Duel:
    """Measures a run with nothing to do, with a hundred declared universes and without."""
    say(f"{market.size.symbols:,} symbols: declared universes")
    file = config(servers, "declared", declarations(market.base))
    plain, other = servers.database("plain"), servers.database("declared")
    commands = (sync(program, plain, market.as_of), sync(program, other, market.as_of, "--config", file))
    for database, command in zip((plain, other), commands):
        database.copy_of(market.base)
        wall_time(command, servers.scratch)
        database.settle()
    duel = Duel(f"{UNIVERSES} declared universes over {market.size.symbols:,} symbols, nothing to do",
                ("without", "with them"))
    fight(servers, duel, pairs, commands, (plain.ready, other.ready))
    plain.drop()
    other.drop()
    return duel


def stable(servers: Servers, program: str, market: Market, pairs: int) -> Duel:
    """Measures a typical night, with stability and without, each on copies of what its own first run left."""
    say(f"{market.size.symbols:,} symbols: stability")
    options = {"plain": (), "stable": ("--config", config(servers, "stable", STABILITY))}
    nights, commands, prepare = [], [], []
    for name, more in options.items():
        night = servers.database(f"{name}_night").copy_of(market.base)
        wall_time(sync(program, night, market.as_of, *more), servers.scratch)
        night.script(LIB / "bench-night.sql")
        night.settle()
        database = servers.database(name)
        nights += [night, database]
        commands.append(sync(program, database, market.next_day, *more))
        prepare.append(partial(ready_copy, database, night))
    duel = Duel(f"stability over {market.size.symbols:,} symbols, a typical night", ("without", "with it"))
    fight(servers, duel, pairs, (commands[0], commands[1]), (prepare[0], prepare[1]))
    for database in nights:
        database.drop()
    return duel


def streamed(servers: Servers, program: str, market: Market, pairs: int) -> Duel:
    """Measures a delivery of many events, with a stream and without."""
    say(f"{EVENTS:,} events: a stream")
    database = servers.database("events").copy_of(market.base)
    wall_time(sync(program, database, market.as_of), servers.scratch)

    def make_pending() -> None:
        servers.redis("DEL", "bench:events")
        database.query(PENDING.format(events=EVENTS))
        database.ready()

    deliver = (program, "deliver", "-q")
    stream = config(servers, "stream", STREAM)
    duel = fight(servers, Duel(f"delivery of {EVENTS:,} events", ("without", "with a stream")), pairs,
                 (Command(deliver, database.environment), Command((*deliver, "--config", stream), database.environment)),
                 (make_pending, make_pending))
    database.drop()
    return duel


def ready_copy(database: Database, template: Database) -> None:
    """Replaces a database by a new copy of another one, ready for a run."""
    database.copy_of(template).ready()


def replays(servers: Servers, program: str, market: Market, pairs: int, days: int) -> list[Duel]:
    """Measures a replay of this many days of prices beside a COPY of the same rows, and with a hundred more universes.
    """
    database = servers.database("replay").copy_of(market.base)
    rows = int(database.script(LIB / "bench-prices.sql", {"symbols": REPLAYED_SYMBOLS, "days": days}))
    database.settle()
    first, last = database.query("SELECT min(date) || ' ' || max(date) FROM ohlcv_daily").split()
    what = f"replay of {rows:,} prices, {days} days"
    say(what)

    def replay(*options: str) -> Command:
        return Command((program, "replay", "-q", "--from", first, "--to", last, *options), database.environment)

    copy = Command((servers.program("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-c",
                    "COPY (SELECT symbol, date, close FROM ohlcv_daily ORDER BY date) TO STDOUT", database.url),
                   database.environment)
    stability = config(servers, "replay", STABILITY)
    declared_too = config(servers, "replay_declared", STABILITY + declarations(market.base))
    ready = (database.ready, database.ready)
    duels = [fight(servers, Duel(f"{what}, with stability", ("COPY by psql", "replay")), pairs,
                   (copy, replay("--config", stability)), ready),
             fight(servers, Duel(f"{what}, {UNIVERSES} declared universes", ("without", "with them")), pairs,
                   (replay("--config", stability), replay("--config", declared_too)), ready)]
    database.drop()
    return duels

"""The cost of the journal: the time of a query to five years of it, and its bytes per night."""

from dataclasses import dataclass
from functools import partial

from bench_duels import Duel, config, declarations, fight, sync
from bench_market import GENERATED_DAY, Market
from bench_run import Command, wall_time
from bench_servers import LIB, SCRIPTS, BenchError, Database, Servers, say

SYMBOLS = 13_370
UNIVERSES = 60
OWNED = 10
REAL_NIGHTS = 10
"""How many nights to run; what they leave in the journal is repeated until there are enough."""
JOURNAL = ("cache_sync_runs", "cache_sync_changes", "cache_sync_states", "cache_sync_waiting")


@dataclass(frozen=True)
class Growth:
    """What a typical night adds to the journal."""

    symbols: int
    entries: int
    bytes_a_night: int
    image_bytes: int
    name_bytes: int


def growth(servers: Servers, program: str, market: Market, nights: int = 3) -> Growth:
    """Runs some typical nights, and compares the tables before and after."""
    say(f"{market.size.symbols:,} symbols: the journal's bytes a night")
    database = servers.database("journal").copy_of(market.base)
    wall_time(sync(program, database, market.as_of), servers.scratch)
    database.settle()
    before = journal_bytes(database)
    first = int(database.query("SELECT max(id) FROM cache_sync_changes"))
    for _ in range(nights):
        database.script(LIB / "bench-night.sql")
        wall_time(sync(program, database, market.next_day), servers.scratch)
    database.settle()
    images, names = (int(value) // nights for value in database.query(
        "SELECT sum(pg_column_size(content_before)), sum(pg_column_size(added) + pg_column_size(removed) + "
        f"pg_column_size(moved) + pg_column_size(places)) FROM cache_sync_changes WHERE id > {first}").split("|"))
    grown = Growth(market.size.symbols, market.size.entries, (journal_bytes(database) - before) // nights, images,
                   names)
    database.drop()
    return grown


def journal_bytes(database: Database) -> int:
    """Returns the size of the journal's tables with their indexes."""
    tables = ", ".join(f"'{name}'" for name in JOURNAL)
    return int(database.query(f"SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(ARRAY[{tables}]) name"))


def questions(servers: Servers, program: str, pairs: int, nights: int) -> list[Duel]:
    """Queries a journal of this many nights, and the status of the last run on an empty one for comparison."""
    say(f"{nights:,} nights in the journal")
    empty = servers.database("no_years").create()
    empty.script(SCRIPTS / "sample-market.sql", {"symbols": SYMBOLS, "as_of": GENERATED_DAY})
    wall_time(Command((program, "init", "-q"), empty.environment), servers.scratch)
    full = servers.database("years").copy_of(empty)
    wall_time(sync(program, empty, GENERATED_DAY), servers.scratch)
    options = ("--config", config(servers, "sixty", "[guards]\nmax_removed_percent = 100\n" +
                                  declarations(full, UNIVERSES - OWNED)))
    for night in range(REAL_NIGHTS):
        day = full.query(f"SELECT date '{GENERATED_DAY}' + {night}")
        if night > 0:
            full.script(SCRIPTS / "sample-day.sql", {"as_of": day})
        wall_time(sync(program, full, day, *options), servers.scratch)
    full.script(LIB / "bench-years.sql", {"times": nights // REAL_NIGHTS - 1, "nights": REAL_NIGHTS})
    for database in (empty, full):
        database.query("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        database.settle()
    found = int(full.query("SELECT count(*) FROM cache_sync_runs"))
    if found != nights:
        raise BenchError(f"the journal has {found} nights and not {nights}")
    symbol = full.query("SELECT content -> 'symbols' ->> 200 FROM cache_entries WHERE universe = 'top_500'")
    size = journal_bytes(full) / 1e6
    status = Command((program, "status"), empty.environment)
    asked = {f"members of a day {nights // 2:,} nights ago":
             ("members", "top_500", "--as-of", full.query(f"SELECT date '{GENERATED_DAY}' + {nights // 2}")),
             f"why a symbol is in each of {UNIVERSES} universes": ("explain", symbol, *options)}
    what = f"{nights:,} nights of {SYMBOLS:,} symbols in {UNIVERSES} universes, {size:.0f} MB"
    duels = [fight(servers, Duel(f"{what}: {name}", ("status of an empty one", words[0])), pairs,
                   (status, Command((program, *words), full.environment)), (partial(warm, empty), partial(warm, full)))
             for name, words in asked.items()]
    empty.drop()
    full.drop()
    return duels


def warm(database: Database) -> None:
    """Loads the tables into PostgreSQL's memory."""
    tables = ", ".join(f"'{name}'" for name in (*JOURNAL, "symbols", "cache_entries"))
    database.query(f"SELECT sum(pg_prewarm(oid::regclass)) FROM pg_class WHERE relname IN ({tables})")

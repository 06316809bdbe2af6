"""What declared universes cost: a run that finds nothing to do, with a hundred of them and without, alternating."""

from dataclasses import dataclass, field
from pathlib import Path

from bench_market import Market
from bench_run import Command, costs, wall_time
from bench_servers import Database, Servers, say

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


@dataclass
class Declared:
    """Seconds of each run of a pair, and the peak memory of one."""

    symbols: int
    universes: int
    without: list[float] = field(default_factory=list)
    declared: list[float] = field(default_factory=list)
    memory_kb: tuple[int, int] = (0, 0)


def configuration(database: Database) -> str:
    """Returns the sectors, their leaders, and as many themes by industry and market cap as make a hundred."""
    sectors = int(database.query("SELECT count(DISTINCT sector) FROM symbols WHERE is_active AND sector <> ''"))
    industries = database.query("SELECT DISTINCT industry FROM symbols WHERE is_active AND industry <> '' "
                                "ORDER BY 1").splitlines()
    themes = (THEME.format(number=number, industry=industries[number % len(industries)],
                           cap=10 ** (5 + number // len(industries)))
              for number in range(UNIVERSES - 2 * sectors))
    return FAMILIES + "".join(themes)


def measure(servers: Servers, program: str, market: Market, pairs: int) -> Declared:
    """Measures a market of which no run was made yet."""
    say(f"{market.size.symbols:,} symbols: declared universes")
    config = servers.scratch / "declared.toml"
    config.write_text(configuration(market.base), encoding="utf-8")
    plain, declared = servers.database("plain"), servers.database("declared")

    def sync(database: Database, *options: str) -> Command:
        return Command((program, "sync", "-q", "--as-of", market.as_of, *options), database.environment)

    commands = {plain: sync(plain), declared: sync(declared, "--config", str(config))}
    found = Declared(market.size.symbols, UNIVERSES)
    for database, command in commands.items():
        database.copy_of(market.base)
        wall_time(command, servers.scratch)
        database.settle()
    for _ in range(pairs):
        for database, seconds in ((plain, found.without), (declared, found.declared)):
            database.ready()
            seconds.append(wall_time(commands[database], servers.scratch))
    found.memory_kb = (peak(servers, commands[plain]), peak(servers, commands[declared]))
    plain.drop()
    declared.drop()
    return found


def peak(servers: Servers, command: Command) -> int:
    """Returns the most memory that a command has, in KB."""
    return costs(command, servers.program("strace"), servers.program("time"), Path(servers.scratch)).memory_kb

"""Counts the instructions of the pure part of a run, which unlike times repeat: to one in ten thousand.

The remaining variation depends on how the rows arrived, which the allocator's free lists remember.
"""

import subprocess
from dataclasses import dataclass

from bench_market import Market
from bench_servers import BenchError, Database, Servers, say

# From the rows to the plan, without what reads, writes or waits.
PURE = ("tickstock::Market::rank()", "tickstock::make_plan(*")


@dataclass
class Instructions:
    """Instructions of the pure part for one market."""

    symbols: int
    members: int
    first: int
    idle: int


def count(servers: Servers, program: str, market: Market) -> Instructions:
    """Counts the instructions of ranking and planning, before a first run and when there is nothing to do."""
    say(f"{market.size.symbols:,} symbols: counting instructions")
    database = servers.database("counted").copy_of(market.base)
    first = run(servers, program, database, market.as_of)
    subprocess.run([program, "sync", "-q", "--no-events", "--as-of", market.as_of], env=database.environment,
                   stdin=subprocess.DEVNULL, check=True)
    idle = run(servers, program, database, market.as_of)
    symbols, members = (int(database.query(sql)) for sql in (
        "SELECT count(*) FROM symbols", "SELECT sum(jsonb_array_length(content->'symbols')) FROM cache_entries"))
    database.drop()
    return Instructions(symbols, members, first, idle)


def run(servers: Servers, program: str, database: Database, as_of: str) -> int:
    """Returns the instructions of one dry run."""
    out = servers.scratch / "callgrind"
    command = [servers.program("valgrind"), "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
               *(f"--toggle-collect={function}" for function in PURE), program, "dry-run", "-q", "--as-of", as_of]
    done = subprocess.run(command, env=database.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, check=False, text=True, errors="replace")
    if done.returncode != 0:
        raise BenchError(f"valgrind ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    text = out.read_text(encoding="utf-8", errors="replace")
    missing = [function for function in PURE if function.rstrip("*") not in text]
    if missing:
        raise BenchError(f"valgrind has not met {', '.join(missing)}; is {program} stripped?")
    return total_of(text)


def total_of(text: str) -> int:
    """Returns the total of a file written by callgrind."""
    for line in text.splitlines():
        if line.startswith("totals:"):
            return int(line.split()[1])
    raise BenchError("what callgrind has written has no totals")

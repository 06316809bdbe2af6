"""The markets to measure: generated ones of any size, and a real day."""

import subprocess
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Optional

from bench_servers import LIB, SCRIPTS, BenchError, Database, Servers

OWNED = 10
GENERATED_DAY = "2026-08-20"
REAL_SYMBOLS = 13000
"""The size of a real market: if real days are given, one of them replaces a generated market of this size."""


@dataclass(frozen=True)
class Size:
    """The size of a market: rows of `symbols`, and entries after the first run."""

    symbols: int
    entries: int

    @property
    def theme_members(self) -> Optional[int]:
        """Returns the number of members per theme: 1,000 if there are thousands of themes, otherwise as in the sample
        market.
        """
        return 1000 if self.entries > 1000 else None

    @staticmethod
    def parse(text: str) -> "Size":
        """Parses SYMBOLS or SYMBOLSxENTRIES."""
        symbols, _, entries = text.partition("x")
        if not symbols.isdecimal() or (entries and not entries.isdecimal()):
            raise ValueError(f"{text}: a size is SYMBOLS or SYMBOLSxENTRIES")
        size = Size(int(symbols), int(entries or (30 if int(symbols) < 100_000 else 40)))
        if size.symbols < 1000 or size.symbols > 12_000_000 or not 30 <= size.entries <= 100_000:
            raise ValueError(f"{text}: from 1,000 to 12,000,000 symbols and from 30 to 100,000 entries")
        return size


@dataclass(frozen=True)
class Market:
    """A database to copy, and the day it is at."""

    base: Database
    size: Size
    as_of: str
    real: bool

    @property
    def next_day(self) -> str:
        """Returns the following day."""
        return (date.fromisoformat(self.as_of) + timedelta(days=1)).isoformat()


def last_real_day(folder: Optional[str]) -> Optional[Path]:
    """Returns the newest of the files YYYY-MM-DD.csv.gz in a folder; None without a folder."""
    if not folder:
        return None
    days = sorted(Path(folder).glob("[0-9]*-[0-9]*-[0-9]*.csv.gz"))
    if not days:
        raise BenchError(f"there are no files YYYY-MM-DD.csv.gz in {folder}")
    return days[-1]


class Markets:
    """Creates the markets, and keeps the symbols for the next size that has the same number."""

    def __init__(self, servers: Servers, program: str, days: Optional[str]) -> None:
        self._servers = servers
        self._program = program
        self._real_day = last_real_day(days)
        self._made: Optional[tuple[int, Database]] = None

    def make(self, size: Size) -> Market:
        """Creates the market of a size, ready to be copied."""
        real = self._real_day if size.symbols == REAL_SYMBOLS else None
        as_of = real.name[:10] if real else GENERATED_DAY
        base = self._servers.database("base").copy_of(self._symbols(size, real))
        subprocess.run([self._program, "init", "-q"], env=base.environment, stdin=subprocess.DEVNULL, check=True,
                       stdout=subprocess.DEVNULL)
        sectors = int(base.query(
            "SELECT count(DISTINCT sector) FROM symbols "
            f"WHERE sector IS NOT NULL AND (delisted_date IS NULL OR delisted_date > date '{as_of}' - 180)"))
        themes = max(0, size.entries - OWNED - sectors)
        base.script(SCRIPTS / "sample-universes.sql", {"themes": 0 if size.theme_members else themes, "as_of": as_of})
        if size.theme_members:
            base.script(LIB / "bench-themes.sql", {"themes": themes, "members": size.theme_members, "as_of": as_of})
        base.script(LIB / "bench-base.sql")
        base.settle()
        return Market(base, size, as_of, real is not None)

    def _symbols(self, size: Size, real: Optional[Path]) -> Database:
        if self._made is not None and self._made[0] == size.symbols:
            return self._made[1]
        market = self._servers.database("market").create()
        if real:
            with subprocess.Popen(["zcat", str(real)], stdout=subprocess.PIPE) as csv:
                assert csv.stdout is not None
                market.script(LIB / "bench-day.sql", stdin=csv.stdout)
        else:
            market.script(SCRIPTS / "sample-market.sql",
                          {"symbols": size.symbols, "as_of": GENERATED_DAY, "recent": 0.005})
        self._made = (size.symbols, market)
        return market

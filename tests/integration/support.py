"""Shared by the tests of the integration code: private servers, a market after its first night, stand-ins."""

import atexit
import functools
import itertools
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TICKSTOCK_CACHE_PROGRAM", str(ROOT / "build" / "tickstock-cache"))
SCRIPTS = ROOT / "scripts"
MODULES = SCRIPTS / "integration"

sys.path[:0] = [str(MODULES), str(SCRIPTS / "lib")]

from bench_servers import Database, Servers  # noqa: E402

# Days of the sample market. They may be in the future, which only gives a warning.
FIRST_DAY, SECOND_DAY = "2026-08-20", "2026-08-21"

NOWHERE = "postgresql://127.0.0.1:1/none"

LOCK_KEY = "(1953063787::bigint << 32) | 'cache_entries'::regclass::oid::bigint"

# A line for each request would drown the output of a test.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

_numbers = itertools.count(1)


@functools.cache
def servers() -> Servers:
    """Returns the servers of this process, started on first use."""
    started = Servers({})
    started.__enter__()
    atexit.register(started.stop)
    return started


def wait_until(what: str, condition: Callable[[], bool]) -> None:
    """Waits for a condition, and fails if it does not become true."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)


@functools.cache
def _first_night() -> Database:
    """Returns a sample market after its first night, to be copied."""
    market = servers().database("first_night").create()
    market.script(SCRIPTS / "sample-market.sql", {"symbols": 1000, "as_of": FIRST_DAY})
    scene = Scene(market)
    scene.run("init")
    market.script(SCRIPTS / "sample-universes.sql", {"themes": 2, "as_of": FIRST_DAY})
    digest = json.loads(scene.run("dry-run", "--as-of", FIRST_DAY, "--format", "json"))["plan_digest"]
    scene.run("sync", "--as-of", FIRST_DAY, "--run-id", "first-night", "--approve-plan", digest)
    return market


class Scene:
    """A database, and the environment in which the program finds it and Redis."""

    def __init__(self, database: Optional[Database] = None) -> None:
        if database is None:
            template = _first_night()
            database = servers().database(f"scene_{next(_numbers)}")
            servers().database("postgres").query(f"CREATE DATABASE {database.name} TEMPLATE {template.name}")
        self.database = database
        self.environment: dict[str, str] = {
            **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")},
            "PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8",
            "DATABASE_URL": database.url, "REDIS_URL": servers().environment["REDIS_URL"]}

    def query(self, sql: str) -> str:
        """Returns the result of a query as text."""
        return self.database.query(sql)

    def run(self, *words: str) -> str:
        """Runs the program, which must succeed, and returns what it prints."""
        done = subprocess.run([PROGRAM, *words], env=self.environment, stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def next_day(self) -> None:
        """Moves the market to its second day."""
        self.database.script(SCRIPTS / "sample-day.sql", {"as_of": SECOND_DAY})

    def break_market(self) -> None:
        """Makes every run get refused."""
        self.query("UPDATE symbols SET market_cap = 0")

    def delist_first_of(self, universe: str) -> None:
        """Gives a run something to write: a symbol is delisted."""
        self.query("UPDATE symbols SET delisted_date = '2026-01-01' WHERE symbol = "
                   f"(SELECT content->'symbols'->>0 FROM cache_entries WHERE universe = '{universe}')")

    def break_universe(self, universe: str) -> None:
        """Makes every write of one universe fail, and changes the market so that it must be written."""
        self.query(f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN RAISE EXCEPTION 'the desk of % is closed', NEW.universe USING ERRCODE = '22000'; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON cache_entries
              FOR EACH ROW WHEN (NEW.universe = '{universe}') EXECUTE FUNCTION refuse()""")
        self.delist_first_of(universe)

    def hold_lock(self) -> "Session":
        """Holds the run lock until the session is closed."""
        return Session(self.database, f"SELECT pg_advisory_xact_lock({LOCK_KEY})")

    def hold_entries(self) -> "Session":
        """Lets a run get as far as writing the entries, and no further, until the session is closed."""
        return Session(self.database, "LOCK TABLE cache_entries IN SHARE ROW EXCLUSIVE MODE")


class Session:
    """A transaction of psql that has run one statement, and is rolled back at the end."""

    def __init__(self, database: Database, sql: str) -> None:
        self._psql = subprocess.Popen([servers().program("psql"), "-XAtq", database.url], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, env=database.environment, text=True)
        assert self._psql.stdin is not None and self._psql.stdout is not None
        self._psql.stdin.write(f"BEGIN;\n{sql};\n\\echo done\n")
        self._psql.stdin.flush()
        while self._psql.stdout.readline() not in ("done\n", ""):
            pass

    def close(self) -> None:
        """Ends the transaction."""
        self._psql.communicate("ROLLBACK;\n")

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self._psql.poll() is None:
            self.close()


@functools.cache
def _scratch() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="tickstock-cache-test.")


def new_folder() -> Path:
    """Returns an empty folder that is removed with this process."""
    return Path(tempfile.mkdtemp(dir=_scratch().name))


def stub(script: str) -> str:
    """Returns the path of a stand-in for the program, for behavior that the real one can't be made to show."""
    path = new_folder() / "stub"
    path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def man_examples(page: str) -> list[str]:
    """Returns the literal blocks of a manual page, without mdoc's escapes."""
    text = (ROOT / "man" / f"{page}.in").read_text(encoding="utf-8")
    blocks = []
    for block in text.split(".Bd -literal")[1:]:
        lines = block.split("\n.Ed")[0].split("\n")[1:]
        blocks.append("\n".join(line.removeprefix("\\&").replace("\\e", "\\") for line in lines) + "\n")
    return blocks


def man_lines(page: str) -> list[str]:
    """Returns the single lines that a manual page shows as commands."""
    text = (ROOT / "man" / f"{page}.in").read_text(encoding="utf-8")
    return [line.removeprefix(".Dl ") for line in text.splitlines() if line.startswith(".Dl ")]


def document(text: str) -> Mapping[str, Any]:
    """Returns a JSON document that must be an object."""
    value = json.loads(text)
    assert isinstance(value, dict)
    return value

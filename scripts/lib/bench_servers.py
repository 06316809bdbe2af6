"""The servers of a benchmark, and what to ask PostgreSQL besides the measurements."""

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Optional, Union

LIB = Path(__file__).resolve().parent
SCRIPTS = LIB.parent

# Starts the servers, prints their environment, and stops them once nobody holds the other end of its standard input,
# which this process lets go however it ends, even when killed.
KEEPER = """
source "$1/services.sh"
services_settings=$2
services_start || exit
mkdir "$services_dir/scratch"
env -0 SCRATCH="$services_dir/scratch"
exec >&-
read -r _ || true
"""

# As durable as in production: fsync, synchronous_commit and full_page_writes have PostgreSQL's defaults. Checkpoints
# and vacuum, which would disturb some measurements and not others, are run in between.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}


class BenchError(Exception):
    """Ends the benchmark, with one line for whoever runs it."""


BEGUN = time.monotonic()


def say(text: str) -> None:
    """Shows what is being done, and how long it has taken so far."""
    print(f"bench: {time.monotonic() - BEGUN:4.0f} s: {text}", file=sys.stderr, flush=True)


def memory_kb() -> int:
    """Returns the machine's memory in KB."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))


def settings() -> dict[str, str]:
    """Returns PostgreSQL's settings for this machine."""
    chosen = dict(SETTINGS)
    if memory_kb() < 8 * 1024 * 1024:
        chosen["shared_buffers"] = f"{memory_kb() // 8 // 1024}MB"
    return chosen


class Servers:
    """A private PostgreSQL and Redis, gone when this process ends; with settings for a benchmark, or others."""

    def __init__(self, postgres_settings: Optional[Mapping[str, str]] = None) -> None:
        self._settings = settings() if postgres_settings is None else postgres_settings
        self.environment: dict[str, str] = {}
        self.scratch = Path()
        self._keeper: Optional[subprocess.Popen[bytes]] = None

    def __enter__(self) -> "Servers":
        lines = "".join(f"{name} = {value}\n" for name, value in self._settings.items())
        # In its own session, so that a Ctrl-C reaches only this process, which then stops the servers in order.
        self._keeper = subprocess.Popen(
            ["bash", "-c", KEEPER, "bash", str(LIB), lines],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        try:
            assert self._keeper.stdout is not None
            told = self._keeper.stdout.read().decode()
            self.environment = dict(line.split("=", 1) for line in told.split("\0") if line)
            if "SCRATCH" not in self.environment:
                raise BenchError("the servers did not start")
            self.scratch = Path(self.environment.pop("SCRATCH"))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops the servers and waits until their files are gone."""
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper = None

    def program(self, name: str) -> str:
        """Returns the path of a program. PostgreSQL's own psql takes precedence over the distribution's wrapper."""
        path = shutil.which(name, path=self.environment["PATH"])
        if path is None:
            raise BenchError(f"there is no {name} here; run scripts/setup --bench")
        return path

    def database(self, name: str) -> "Database":
        """Returns the database of that name, which need not exist yet."""
        return Database(self, name)

    def redis(self, *words: str) -> None:
        """Runs a command of Redis."""
        subprocess.run([self.program("redis-cli"), "-u", self.environment["REDIS_URL"], *words],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)

    def version(self, name: str) -> str:
        """Returns the version of `postgres` or `redis-server`."""
        said = subprocess.run([self.program(name), "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout
        words = said.replace("v=", "").split()
        return words[2]


class Database:
    """One database of the throwaway PostgreSQL."""

    def __init__(self, servers: Servers, name: str) -> None:
        self._servers = servers
        self.name = name
        server = servers.environment["DATABASE_URL"]
        self.url = server.replace("/tickstock?", f"/{name}?")
        self.environment = {**servers.environment, "DATABASE_URL": self.url}

    def psql(self, *options: str, stdin: Union[int, IO[bytes]] = subprocess.DEVNULL,
             stdout: Union[int, IO[bytes]] = subprocess.PIPE) -> str:
        """Runs psql and returns what it prints."""
        done = subprocess.run([self._servers.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", *options, self.url],
                              stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=self.environment, check=False)
        if done.returncode != 0:
            raise BenchError(f"{self.name}: {' '.join(options)}: {done.stderr.decode().strip()}")
        return (done.stdout or b"").decode().strip()

    def query(self, sql: str) -> str:
        """Returns the result of a query as text."""
        return self.psql("-c", sql)

    def script(self, path: Path, variables: Optional[Mapping[str, object]] = None,
               stdin: Union[int, IO[bytes]] = subprocess.DEVNULL) -> str:
        """Runs a file of SQL with psql variables, and returns what it prints."""
        options = [word for name, value in (variables or {}).items() for word in ("-v", f"{name}={value}")]
        return self.psql(*options, "-f", str(path), stdin=stdin)

    def copy_of(self, template: "Database") -> "Database":
        """Replaces this database by a new copy of another one. The server makes a checkpoint before and after."""
        self.drop()
        self._maintenance().query(f"CREATE DATABASE {self.name} TEMPLATE {template.name} STRATEGY file_copy")
        return self

    def create(self) -> "Database":
        """Replaces this database by an empty one."""
        self.drop()
        self._maintenance().query(f"CREATE DATABASE {self.name}")
        return self

    def drop(self) -> None:
        """Drops the database if it exists."""
        self._maintenance().psql("-c", "SET client_min_messages = warning",
                                 "-c", f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def settle(self) -> None:
        """Does what autovacuum would have done since the last night."""
        self.query("VACUUM (ANALYZE)")

    def ready(self) -> None:
        """Loads the tables into PostgreSQL's memory, and leaves nothing to be written."""
        self.query("SELECT warm()")
        self.query("CHECKPOINT")

    def wal_position(self) -> int:
        """Returns how many bytes of WAL the server has written."""
        return int(self.query("SELECT pg_current_wal_lsn() - '0/0'"))

    def _maintenance(self) -> "Database":
        return Database(self._servers, "postgres")

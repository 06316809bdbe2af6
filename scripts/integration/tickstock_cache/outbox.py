"""The outbox of tickstock-cache in PostgreSQL, as a log with a cursor. Needs psycopg2."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Protocol, TypeVar

CONNECT_SECONDS, ANSWER_SECONDS = 10, 30

Result = TypeVar("Result")


@dataclass(frozen=True)
class Row:
    """A stored event."""

    id: int
    event_id: str
    channel: str
    message: str


@dataclass(frozen=True)
class Bounds:
    """The first and the last id in the outbox; None if it is empty."""

    first: Optional[int]
    last: Optional[int]

    def went_back(self, cursor: int) -> bool:
        """Returns whether this is not the outbox, or not the state of it, that the cursor came from."""
        return self.last is not None and self.last < cursor

    def lacks(self, cursor: int) -> bool:
        """Returns whether events after the cursor may have been deleted. Ids have gaps, so this is a guess."""
        return self.went_back(cursor) or (self.first is not None and self.first > cursor + 1)


class Source(Protocol):
    """Where to read stored events."""

    def read(self, after: int, limit: int) -> list[Row]: ...
    def bounds(self) -> Bounds: ...
    def close(self) -> None: ...


class Outbox:
    """Reads cache_sync_outbox; `table` may be qualified. Not thread-safe."""

    def __init__(self, url: str, table: str = "cache_sync_outbox") -> None:
        self._database = Database(url)
        self._table = table

    def read(self, after: int, limit: int) -> list[Row]:
        """Returns the events after the cursor, oldest first."""
        def ask(session: Any) -> list[Row]:
            session.execute("SELECT id, event_id::text, channel, message FROM " + quoted(self._table) +
                            " WHERE id > %s ORDER BY id LIMIT %s", (after, limit))
            return [Row(*row) for row in session.fetchall()]
        return self._database.transaction(ask)

    def bounds(self) -> Bounds:
        """Returns the first and the last id."""
        def ask(session: Any) -> Bounds:
            session.execute("SELECT min(id), max(id) FROM " + quoted(self._table))
            return Bounds(*session.fetchone())
        return self._database.transaction(ask)

    def close(self) -> None:
        """Closes the connection; the next call opens another one."""
        self._database.close()


class Database:
    """One connection to PostgreSQL, opened when it is needed, and reopened after it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None

    def transaction(self, work: Callable[[Any], Result]) -> Result:
        """Runs `work` with a cursor, in one transaction. Any exception rolls it back."""
        connection = self._connect()
        try:
            with connection, connection.cursor() as session:
                session.execute("SET LOCAL statement_timeout = %s", (ANSWER_SECONDS * 1000,))
                return work(session)
        except Exception:
            if connection.closed:
                self.close()
            raise

    def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> Any:
        import psycopg2

        if self._connection is None:
            try:
                self._connection = psycopg2.connect(
                    self._url, connect_timeout=CONNECT_SECONDS, keepalives_idle=ANSWER_SECONDS, keepalives_interval=5,
                    keepalives_count=3, tcp_user_timeout=ANSWER_SECONDS * 1000,
                    fallback_application_name="tickstock_cache")
            except psycopg2.Error as error:
                # The message about an unreadable address may contain parts of a password.
                raise ConnectionError(said_without_password(str(error), self._url)) from None
        return self._connection


class Cursor(Protocol):
    """Stores the id of the last event that was used: None before the first."""

    def load(self) -> Any: ...
    def save(self, last: int) -> Any: ...


@dataclass(frozen=True)
class Callbacks:
    """A cursor that the application stores, preferably in the same transaction as the writes of its callbacks."""

    load: Callable[[], Any]
    save: Callable[[int], Any]


class FileCursor:
    """A cursor in a file, which is replaced atomically."""

    def __init__(self, path: "os.PathLike[str] | str") -> None:
        self._path = Path(path)

    def load(self) -> Optional[int]:
        """Returns the cursor. Raises ValueError if the file contains something else."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def save(self, last: int) -> None:
        """Writes the cursor to disk."""
        new = self._path.with_name(self._path.name + ".new")
        with open(new, "w", encoding="ascii") as file:
            file.write(f"{last}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)


class MemoryCursor:
    """A cursor that is lost with the process, for those who read everything at the start anyway."""

    def load(self) -> Optional[int]:
        """Returns None: nothing was stored."""
        return None

    def save(self, last: int) -> None:
        """Stores nothing: the subscriber itself remembers it."""


def quoted(table: str) -> str:
    """Returns the name of a table, which may be qualified, as quoted SQL."""
    return ".".join('"' + part.replace('"', '""').replace("%", "%%") + '"' for part in table.split("."))


def said_without_password(text: str, url: str) -> str:
    """Returns the text, unless it contains a part of the URL's password."""
    userinfo = url.partition("://")[2].rpartition("@")[0]
    secrets = re.split(r"[@:/?#\[\]]", userinfo.partition(":")[2]) + re.findall(r"password\s*=\s*'?([^\s&']+)", url)
    return "PostgreSQL can't be reached" if any(part and part in text for part in secrets) else text.strip()


def safe_text(error: Exception) -> str:
    """Returns the first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]

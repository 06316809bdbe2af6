"""The outbox of tickstock-cache in PostgreSQL, as a log with a cursor. Needs psycopg2."""

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Protocol, TypeVar

CONNECT_SECONDS, ANSWER_SECONDS = 10, 30
# How much later to give up on a server that doesn't keep its own time limit.
MARGIN_SECONDS = 5

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
            session.execute("SELECT min(id), max(id) FROM " + quoted(self._table) + " WHERE id > %s", (0,))
            return Bounds(*session.fetchone())
        return self._database.transaction(ask)

    def close(self) -> None:
        """Closes the connection, whatever another thread waits for; the next call opens another one."""
        self._database.close()


class Database:
    """One connection to PostgreSQL, opened when it is needed, and reopened after it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._busy = False

    def transaction(self, work: Callable[[Any], Result]) -> Result:
        """Runs `work` with a cursor, in one transaction. Any exception rolls it back."""
        connection = self._connect()
        # A server that hangs keeps no statement_timeout, while its kernel answers what TCP asks.
        limit = threading.Timer(ANSWER_SECONDS + MARGIN_SECONDS, _cut, (connection,))
        limit.daemon = True
        limit.start()
        self._busy = True
        try:
            with connection, connection.cursor() as session:
                session.execute("SET LOCAL statement_timeout = %s", (ANSWER_SECONDS * 1000,))
                return work(session)
        except Exception:
            if connection.closed:
                self.close()
            raise
        finally:
            self._busy = False
            limit.cancel()

    def close(self) -> None:
        """Closes the connection, whatever another thread waits for."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._busy:
                _cut(connection)
            connection.close()

    def _connect(self) -> Any:
        import psycopg2

        if self._connection is None:
            try:
                self._connection = psycopg2.connect(
                    self._url, connect_timeout=CONNECT_SECONDS, keepalives_idle=ANSWER_SECONDS, keepalives_interval=5,
                    keepalives_count=3, tcp_user_timeout=ANSWER_SECONDS * 1000,
                    fallback_application_name="tickstock_cache")
            except psycopg2.ProgrammingError:
                # The message contains parts of the URL, and so of a password.
                raise ConnectionError("the URL of PostgreSQL can't be read; write postgresql://host:5432/database"
                                      ) from None
            except psycopg2.Error as error:
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


def _cut(connection: Any) -> None:
    """Ends every wait for a server, in whatever thread."""
    import psycopg2

    with contextlib.suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def quoted(table: str) -> str:
    """Returns the name of a table, which may be qualified, as quoted SQL for a statement with parameters."""
    return ".".join('"' + part.replace('"', '""').replace("%", "%%") + '"' for part in table.split("."))


def said_without_password(text: str, url: str) -> str:
    """Returns the text, unless it contains a part of the URL's password."""
    userinfo = url.partition("://")[2].rpartition("@")[0]
    secrets = re.split(r"[@:/?#,\[\]]", userinfo.partition(":")[2]) + re.findall(r"password\s*=\s*'?([^\s&']+)", url)
    return "PostgreSQL can't be reached" if any(part and part in text for part in secrets) else text.strip()


def safe_text(error: Exception) -> str:
    """Returns the first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]

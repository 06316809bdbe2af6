"""Copies the universes into the tables from which the public application reads them. Needs psycopg2 and redis.

Each row of cache_entries becomes a group of definition_groups, of the type UNIVERSE in the environment DEFAULT, and its
symbols become the group_memberships, in one transaction per universe. What is already equal is not written.

A group belongs to this mirror if its metadata says so, which is the case for groups that the mirror has created. Any
other group is left alone, even if it has the name of a universe. A group whose entry was deleted is deleted too, unless
there are no entries at all: then this is probably the wrong table.

    mirror = Mirror(os.environ["DATABASE_URL"])
    CursorSubscriber(os.environ["DATABASE_URL"], mirror.write_one, mirror.write_all, cursor=MemoryCursor()).run()

As a program it does just that: python3 -m tickstock_cache.mirror (DATABASE_URL, and REDIS_URL to be woken up by).
"""

import argparse
import json
import logging
import os
import sys
from typing import Any, Optional

from .outbox import Database, quoted, safe_text
from .subscriber import CursorSubscriber, Event, MemoryCursor, Outbox

log = logging.getLogger("tickstock_cache")

SOURCE = "tickstock-cache"
GROUP_TYPE, ENVIRONMENT = "UNIVERSE", "DEFAULT"


class Mirror:
    """Keeps the groups equal to the universes. Its methods are callbacks for a subscriber, for one thread at a time."""

    def __init__(self, url: str, entries: str = "cache_entries", groups: str = "definition_groups",
                 memberships: str = "group_memberships", environment: str = ENVIRONMENT) -> None:
        self._database = Database(url)
        self._entries, self._groups, self._memberships = quoted(entries), quoted(groups), quoted(memberships)
        self._key = (GROUP_TYPE, environment)
        self.unwritten: list[str] = []

    def write_one(self, universe: str, _: Optional[Event] = None) -> bool:
        """Writes one universe. Returns whether its group had to change."""
        return self._database.transaction(lambda session: self._write(session, universe))

    def write_all(self, _: str = "") -> list[str]:
        """Writes all universes, and returns those whose group had to change.

        A universe that does not fit into the tables is logged and in `unwritten`, and the others are written.
        """
        import psycopg2

        changed = []
        self.unwritten = []
        for universe in self._database.transaction(self._names):
            try:
                if self.write_one(universe):
                    changed.append(universe)
            except (psycopg2.DataError, psycopg2.IntegrityError) as error:
                log.error("the universe %s can't be mirrored: %s", universe, str(error).strip())
                self.unwritten.append(universe)
        return changed

    def close(self) -> None:
        """Closes the connection; the next call opens another one."""
        self._database.close()

    def _names(self, session: Any) -> list[str]:
        """Returns the universes, and then the mirror's groups that no longer have one."""
        session.execute(f"SELECT universe FROM {self._entries} ORDER BY universe LIMIT %s", (None,))
        universes = [row[0] for row in session.fetchall()]
        if not universes:
            log.warning("there are no universes; their groups are left alone")
            return []
        session.execute(f"SELECT name FROM {self._groups} WHERE (type, environment) = (%s, %s) "
                        "AND metadata->>'source' = %s ORDER BY name", (*self._key, SOURCE))
        known = set(universes)
        return universes + [row[0] for row in session.fetchall() if row[0] not in known]

    def _write(self, session: Any, universe: str) -> bool:
        # Another mirror waits here, and then sees what this one has written.
        session.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                        ("\n".join((SOURCE, *self._key, universe)),))
        session.execute(f"SELECT content->'symbols' FROM {self._entries} WHERE universe = %s", (universe,))
        entry = session.fetchone()
        session.execute(f"SELECT id, metadata->>'source' FROM {self._groups} "
                        "WHERE name = %s AND (type, environment) = (%s, %s)", (universe, *self._key))
        group = session.fetchone()
        if group is not None and group[1] != SOURCE:
            log.warning("the group %s was made by somebody else and is left alone", universe)
            return False
        if entry is None:
            return group is not None and self._delete(session, group[0])
        if not isinstance(entry[0], list) or not all(isinstance(each, str) for each in entry[0]):
            log.warning("the content of the universe %s can't be read, and its group is left alone", universe)
            return False
        symbols = list(dict.fromkeys(entry[0]))
        metadata = json.dumps({"source": SOURCE, "total_symbols": len(symbols)})
        if group is None:
            session.execute(f"INSERT INTO {self._groups} (name, type, environment, description, metadata) "
                            "VALUES (%s, %s, %s, %s, %s) RETURNING id",
                            (universe, *self._key, f"Universe {universe} of {SOURCE}", metadata))
            self._add(session, session.fetchone()[0], symbols)
            return True
        session.execute(f"SELECT symbol FROM {self._memberships} WHERE group_id = %s", (group[0],))
        members = {row[0] for row in session.fetchall()}
        if members == set(symbols):
            return False
        session.execute(f"DELETE FROM {self._memberships} WHERE group_id = %s AND symbol <> ALL (%s::text[])",
                        (group[0], symbols))
        self._add(session, group[0], [symbol for symbol in symbols if symbol not in members])
        session.execute(f"UPDATE {self._groups} SET metadata = %s, updated_at = CURRENT_TIMESTAMP WHERE id = %s",
                        (metadata, group[0]))
        return True

    def _add(self, session: Any, group: int, symbols: list[str]) -> None:
        session.execute(f"INSERT INTO {self._memberships} (group_id, symbol) SELECT %s, unnest(%s::text[])",
                        (group, symbols))

    def _delete(self, session: Any, group: int) -> bool:
        session.execute(f"SELECT EXISTS (SELECT FROM {self._entries} LIMIT %s)", (1,))
        if not session.fetchone()[0]:
            return False
        session.execute(f"DELETE FROM {self._memberships} WHERE group_id = %s", (group,))
        session.execute(f"DELETE FROM {self._groups} WHERE id = %s", (group,))
        return True


def main() -> int:
    """Mirrors all universes, and then each one that changes, until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python3 -m tickstock_cache.mirror", description=main.__doc__)
    parser.add_argument("--entries", default="cache_entries", help="the table of the universes")
    parser.add_argument("--outbox", default="cache_sync_outbox", help="the table of the events")
    parser.add_argument("--once", action="store_true", help="mirror all universes, and end")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    url = os.environ.get("DATABASE_URL")
    if not url:
        print("DATABASE_URL is not set", file=sys.stderr)
        return 64
    mirror = Mirror(url, options.entries)

    def write_one(universe: str, event: Event) -> None:
        if mirror.write_one(universe, event):
            log.info("mirrored %s", universe)

    def write_all(reason: str) -> None:
        log.info("mirrored %s: %s", " ".join(mirror.write_all(reason)) or "nothing new", reason)

    if options.once:
        try:
            write_all("asked for")
        except Exception as error:
            log.error("%s", safe_text(error))
            return 1
        return 1 if mirror.unwritten else 0
    try:
        subscriber = CursorSubscriber(Outbox(url, options.outbox), write_one, write_all, cursor=MemoryCursor(),
                                      redis=os.environ.get("REDIS_URL"))
    except ValueError as error:
        print(f"REDIS_URL is not usable: {error}", file=sys.stderr)
        return 64
    subscriber.stop_on_sigterm()
    subscriber.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

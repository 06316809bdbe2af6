"""What a consumer of a group on the stream decides."""

import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Optional, TypeVar, Union

import redis

from .core import (BATCH, UNUSABLE, WAIT_SECONDS, Backoff, OnEvent, OnRefresh, OnUniverse, Subscriber, UnusableEvent,
                   log)
from .outbox import Outbox, Source, safe_text
from .ports import Port, text_of

STREAM = "tickstock:cache:events"
TRIMMED = "a pending entry was trimmed"
# Small, so that nobody claims an entry that is only waiting for its turn.
STREAM_BATCH = 10

Result = TypeVar("Result")
Id = tuple[int, int]
NO_ID: Id = (0, 0)


@dataclass(frozen=True)
class StreamState:
    """The state of a stream in Redis: its first and last id, and whether entries were ever removed."""

    first: Optional[Id]
    last: Id
    removed: bool

    def passed(self, covered: Id) -> bool:
        """Returns whether entries after `covered` may be gone. Ids come from the outbox and have gaps, so this is a
        guess.
        """
        if self.first is None:
            return self.removed and covered < self.last
        return self.removed and covered[0] + 1 < self.first[0]


@dataclass
class Attempt:
    """When to retry an entry that failed."""

    backoff: Backoff
    due: float


class Stream(Subscriber):
    """One consumer of a group on the stream.

    An entry is acknowledged once its callbacks have succeeded. Until then it is pending, and retried after pauses while
    others proceed. What another consumer has left pending for `claim_after` seconds is claimed. What is missing because
    the stream was trimmed, or Redis lost it, comes from the outbox if `outbox` is given, and otherwise leads to
    `on_refresh`.
    """

    def __init__(self, port: Port, on_universe: OnUniverse, on_refresh: OnRefresh, on_event: Optional[OnEvent], *,
                 group: str, consumer: str, stream: str, start: str, claim_after: float,
                 outbox: Union[str, Source, None]) -> None:
        super().__init__(port, on_universe, on_refresh, on_event)
        self._stream = stream
        self._group = group
        self._consumer = consumer
        self._start = start
        self._claim_after = claim_after
        self._claim_due = 0.0
        self._outbox = Outbox(outbox) if isinstance(outbox, str) else outbox
        self._server = ""
        self._connection = ""
        self._joined = False
        # As of the last look: the entry up to which nothing can be missing, since the group has read it or a gap was
        # closed, and the entry up to which everything has also been used.
        self._covered = NO_ID
        self._settled = NO_ID
        # The last entry that arrived here.
        self._last = NO_ID
        self._failed: dict[Id, Attempt] = {}

    async def _listen(self) -> None:
        # Stands in for the server if it may not be asked: then each lost connection is a gap.
        self._connection = f"since {time.monotonic()}"
        await self._join()
        # What was pending before is older than any gap. What comes after one is used only once it is closed.
        await self._read_own(self._covered)
        has_read_all = False
        while not self._stopped:
            try:
                if await self._look():
                    if not has_read_all or self._is_due():
                        await self._read_own()
                        has_read_all = True
                    await self._claim()
                    await self._read_new()
            except redis.ResponseError as error:
                if not str(error).startswith(("NOGROUP", "UNBLOCKED", "no such key")):
                    raise
                await self._join()
            self._backoff.reset()

    async def _join(self) -> None:
        """Creates the group if it does not exist. If it once did, the stream or the group was deleted."""
        server, delivered = await self._server_id(), await self._delivered()
        if delivered is not None:
            if not self._joined:
                self._server = server
                self._last = self._covered = self._settled = delivered
            self._joined = True
            return
        # First close the gap, then create the group: if this is killed in between, there is no group yet, and the next
        # consumer finds the same gap.
        state = await self._state()
        last = NO_ID if state is None else state.last
        if self._joined:
            start = _id_text(self._last if last >= self._last else NO_ID)
            closed = await self._close_gap("the stream or its group was deleted", self._used())
        elif self._start == "$":
            start = _id_text(last)
            closed = await self._refresh_for_sure("the group is new")
        else:
            start = self._start
            closed = state is None or not state.removed or await self._refresh_for_sure("the group is new")
        if not closed:
            return
        try:
            await self._port.command("xgroup_create", self._stream, self._group, start, mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        self._joined = True
        # Whatever a restart has lost before is part of the gap that was closed.
        self._server = server
        self._failed.clear()
        self._last = self._settled = _id(start)
        self._covered = max(self._settled, NO_ID if state is None or state.first is None else _before(state.first))

    async def _look(self) -> bool:
        """Closes a gap, if there is one, before reading what comes after it. Returns whether there was none."""
        state, delivered = await self._state(), await self._delivered()
        if state is None or delivered is None:
            await self._join()
            return False
        pending = await self._port.command("xpending", self._stream, self._group)
        # A client may have reconnected by itself. Asked last, the server is that of all these answers.
        server = await self._server_id()
        next_id = (state.last[0] + 1, 0) if state.first is None else state.first
        if server != self._server:
            # After a restart or a failover, it may lack entries that the old one had.
            if await self._close_gap("Redis was restarted, or is another one", self._used()):
                self._server = server
                self._last = self._covered = min(self._covered, state.last)
            return False
        if state.last < self._covered:
            if await self._close_gap("the stream went back", self._used()):
                self._last = self._covered = state.last
            return False
        if state.passed(self._covered):
            if await self._close_gap("the stream was trimmed before it was read", self._covered, next_id):
                self._covered = _before(next_id)
            return False
        # As it was before the next read: entries may be trimmed between the two.
        self._last = self._covered = max(self._covered, delivered)
        self._settled = _before(_id(pending["min"])) if pending["pending"] else self._covered
        return not self._stopped

    def _used(self) -> Id:
        """Returns the id up to which everything has been used, also since the last look."""
        if self._settled < self._covered:
            return self._settled
        return min([self._last, *(_before(entry) for entry in self._failed)])

    async def _close_gap(self, reason: str, after: Id, before: Optional[Id] = None) -> bool:
        """Uses the outbox's events between two entries; without an outbox, has everything read again. Returns whether
        that succeeded before stop().
        """
        log.warning("%s", reason)
        outcome = None
        if self._outbox is not None and (after != NO_ID or self._start != "$"):
            outcome = await self._with_outbox(self._catch_up(self._outbox, after[0], before[0] if before else None))
        return outcome if outcome is not None else await self._refresh_for_sure(reason)

    async def _catch_up(self, outbox: Source, after: int, before: Optional[int]) -> Optional[bool]:
        """Returns whether it finished before stop(), or None if the outbox lacks the events too."""
        while not self._stopped:
            rows = await self._port.query(outbox.read, after, BATCH)
            bounds = await self._port.query(outbox.bounds)
            if bounds.last is None or bounds.lacks(after) or (before is not None and bounds.last < before - 1):
                return None
            for row in rows:
                if before is not None and row.id >= before:
                    return True
                if not await self._use_for_sure(row):
                    return False
                after = row.id
            if not rows:
                return True
        return False

    async def _recover(self, entry: Id) -> bool:
        """Uses the outbox's event of a pending entry that was trimmed, or else has everything read again. Returns
        whether that succeeded before stop().
        """
        log.warning("%s", TRIMMED)
        row = None
        if self._outbox is not None:
            rows = await self._with_outbox(self._port.query(self._outbox.read, entry[0] - 1, 1))
            row = rows[0] if rows and rows[0].id == entry[0] else None
        return await (self._refresh_for_sure(TRIMMED) if row is None else self._use_for_sure(row))

    async def _with_outbox(self, work: Coroutine[Any, Any, Result]) -> Optional[Result]:
        """Returns what `work` returns, or None if PostgreSQL fails. Keeps no connection until the next gap, since it
        may be dead by then.
        """
        assert self._outbox is not None
        try:
            return await work
        except Exception as error:
            log.warning("%s; the outbox can't be read", safe_text(error))
            return None
        finally:
            await self._port.query(self._outbox.close)

    def _is_due(self) -> bool:
        return any(attempt.due <= time.monotonic() for attempt in self._failed.values())

    async def _read_own(self, last: Optional[Id] = None) -> None:
        """Retries what is pending for this consumer, oldest first: all of it, or up to `last`."""
        after, own = NO_ID, set()
        while not self._stopped:
            reply = await self._port.command("xreadgroup", self._group, self._consumer,
                                             {self._stream: _id_text(after)}, count=STREAM_BATCH)
            entries = _entries(reply)
            if not entries:
                # What is no longer pending here was claimed by another consumer, or acknowledged.
                self._failed = {entry: attempt for entry, attempt in self._failed.items() if entry in own}
                return
            for entry, fields in entries:
                if last is not None and entry > last:
                    return
                own.add(entry)
                await self._try(entry, fields)
            after = entries[-1][0]

    async def _claim(self) -> None:
        """Takes over what another consumer has left pending.

        What was trimmed stays pending until its gap is closed. XAUTOCLAIM would forget it at once, and so would XCLAIM,
        which therefore gets only what is still there.
        """
        if time.monotonic() < self._claim_due:
            return
        idle = int(self._claim_after * 1000)
        after = "-"
        while not self._stopped:
            pending = await self._port.command("xpending_range", self._stream, self._group, min=after, max="+",
                                               count=STREAM_BATCH, idle=idle)
            for entry in [_id(each["message_id"]) for each in pending]:
                if self._stopped:
                    return
                claimed = []
                if await self._stands(entry):
                    # Nothing if another consumer was faster.
                    claimed = _pairs(await self._port.command("xclaim", self._stream, self._group, self._consumer, idle,
                                                              [_id_text(entry)]))
                if claimed:
                    await self._try(*claimed[0])
                elif not await self._stands(entry):
                    await self._try(entry, {})
                after = "(" + _id_text(entry)
            if len(pending) < STREAM_BATCH:
                break
        self._claim_due = time.monotonic() + self._claim_after / 2

    async def _stands(self, entry: Id) -> bool:
        """Returns whether an entry is still in the stream."""
        return bool(await self._port.command("xrange", self._stream, _id_text(entry), _id_text(entry)))

    async def _read_new(self) -> None:
        reply = await self._port.command("xreadgroup", self._group, self._consumer, {self._stream: ">"},
                                         count=STREAM_BATCH, block=int(WAIT_SECONDS * 1000))
        entries = _entries(reply)
        if not entries:
            return
        state = await self._state()
        if state is None or state.passed(self._covered) or await self._server_id() != self._server:
            # There is a gap since the last look. Going back lets every consumer find it, even if this one ends here.
            position = min(self._covered, _before(entries[0][0]))
            await self._port.command("xgroup_setid", self._stream, self._group, _id_text(position))
            return
        for entry, fields in entries:
            self._last = max(self._last, entry)
            await self._try(entry, fields)

    async def _try(self, entry: Id, fields: dict[str, str]) -> None:
        """Uses an entry and acknowledges it, or postpones it. After stop() it stays pending."""
        attempt = self._failed.get(entry)
        if self._stopped or (attempt is not None and attempt.due > time.monotonic()):
            return
        try:
            if not fields:
                if not await self._recover(entry):
                    return
            else:
                await self._use(fields.get("channel", ""), fields.get("message", ""))
        except UnusableEvent as error:
            log.error("entry %s could not be used: %s", _id_text(entry), error)
            if not await self._refresh_for_sure(UNUSABLE):
                return
        except Exception:  # A failing callback must not end the listening.
            log.exception("entry %s could not be used", _id_text(entry))
            attempt = self._failed.setdefault(entry, Attempt(Backoff(), 0.0))
            attempt.due = time.monotonic() + attempt.backoff.pause()
            return
        self._failed.pop(entry, None)
        await self._port.command("xack", self._stream, self._group, _id_text(entry))

    async def _server_id(self) -> str:
        """Returns what a restart and a failover change."""
        try:
            return str((await self._port.command("info", "server")).get("run_id"))
        except redis.exceptions.NoPermissionError:
            return self._connection

    async def _state(self) -> Optional[StreamState]:
        try:
            said = await self._port.command("xinfo_stream", self._stream)
        except redis.ResponseError as error:
            if "no such key" in str(error):
                return None
            raise
        first = said.get("first-entry")
        # Before version 7, Redis does not count what was removed.
        removed = "entries-added" not in said or said["entries-added"] > said["length"]
        return StreamState(_id(first[0]) if first else None, _id(said["last-generated-id"]), removed)

    async def _delivered(self) -> Optional[Id]:
        """Returns the id up to which the group has read; None if there is no group."""
        try:
            groups = await self._port.command("xinfo_groups", self._stream)
        except redis.ResponseError as error:
            if "no such key" in str(error):
                return None
            raise
        found = (group for group in groups if text_of(group["name"]) == self._group)
        return next((_id(group["last-delivered-id"]) for group in found), None)


def _id(text: Any) -> Id:
    first, _, second = text_of(text).partition("-")
    return int(first), int(second or 0)


def _id_text(entry: Id) -> str:
    return f"{entry[0]}-{entry[1]}"


def _before(entry: Id) -> Id:
    """Returns an id before all that have the number of this one."""
    return (entry[0] - 1, 0)


def _entries(reply: Any) -> list[tuple[Id, dict[str, str]]]:
    """Returns the entries of the only stream that XREADGROUP was asked for."""
    streams = list(reply.items()) if isinstance(reply, dict) else reply or []
    entries: list[tuple[Id, dict[str, str]]] = []
    for _, found in streams:
        # RESP3 has one more level of lists.
        entries += _pairs(found[0] if found and isinstance(found[0], list) else found)
    return entries


def _pairs(found: Any) -> list[tuple[Id, dict[str, str]]]:
    """Returns entries with their fields, which are empty for an entry that is no longer in the stream."""
    return [(_id(entry), {text_of(name): text_of(value) for name, value in (fields or {}).items()})
            for entry, fields in found if entry is not None]

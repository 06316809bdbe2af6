"""What a subscriber to the outbox decides."""

import time
from typing import Optional, Union

import redis

from .core import (ANSWER_SECONDS, BATCH, CHANNELS, CONNECTION_ERRORS, WAIT_SECONDS, Backoff, OnEvent, OnRefresh,
                   OnUniverse, Subscriber, log, said)
from .outbox import Cursor, Outbox, Source, safe_text
from .ports import Port


class OutboxCursor(Subscriber):
    """Follows the outbox, in order, from where it last was; Redis only wakes it up.

    The cursor is stored after each event. An event whose callbacks fail is retried after pauses; after five attempts,
    everything is read again instead.
    """

    def __init__(self, port: Port, on_universe: OnUniverse, on_refresh: OnRefresh, on_event: Optional[OnEvent], *,
                 outbox: Union[str, Source], cursor: Cursor, wakes: bool, start: Optional[int], poll: float) -> None:
        super().__init__(port, on_universe, on_refresh, on_event)
        self._wakes = wakes
        self._subscribed = False
        # When the last ping was sent, if nothing has arrived since.
        self._asked: Optional[float] = None
        self._redis_due = 0.0
        self._redis_backoff = Backoff()
        self._outbox = Outbox(outbox) if isinstance(outbox, str) else outbox
        self._cursor = cursor
        self._start = start
        self._poll = poll
        self._id: Optional[int] = None

    async def follow(self) -> None:
        """Follows until stop() is called, and continues whenever PostgreSQL is available."""
        try:
            while not self._stopped:
                try:
                    await self._advance()
                    self._backoff.reset()
                except Exception as error:
                    pause = self._backoff.pause()
                    log.warning("%s; trying again in %.1f seconds", safe_text(error), pause)
                    await self._wait(pause)
                else:
                    await self._wait_for_more()
        finally:
            await self._unsubscribe()
            await self._port.query(self._outbox.close)

    async def _begin(self) -> Optional[int]:
        stored = await self._port.call(self._cursor.load)
        if stored is not None:
            return int(stored)
        if self._start is not None:
            return self._start
        # What commits after this is read as an event; what committed before is part of reading everything.
        last = (await self._port.query(self._outbox.bounds)).last or 0
        if not await self._refresh_for_sure("the cursor is new"):
            return None
        await self._port.call(self._cursor.save, last)
        return int(last)

    async def _advance(self) -> None:
        """Uses everything after the cursor."""
        if self._id is None:
            self._id = await self._begin()
        while not self._stopped and self._id is not None:
            rows = await self._port.query(self._outbox.read, self._id, BATCH)
            bounds = await self._port.query(self._outbox.bounds)
            if bounds.went_back(self._id):
                if not await self._refresh_for_sure("the outbox went back"):
                    return
                await self._move(bounds.last or 0)
                continue
            if rows and bounds.lacks(self._id):
                if not await self._refresh_for_sure("the outbox no longer has what comes next"):
                    return
            for row in rows:
                if not await self._use_for_sure(row):
                    return
                await self._move(row.id)
            if not rows:
                return

    async def _move(self, to: int) -> None:
        await self._port.call(self._cursor.save, to)
        self._id = to

    async def _wait_for_more(self) -> None:
        """Waits until something is published, and `poll` seconds at most."""
        due = time.monotonic() + self._poll
        may_ask = True
        while not self._stopped and time.monotonic() < due:
            if not self._wakes or time.monotonic() < self._redis_due:
                await self._wait(min(WAIT_SECONDS, due - time.monotonic()))
                continue
            try:
                if not self._subscribed:
                    await self._port.connect()
                    await self._port.subscribe(CHANNELS)
                    self._subscribed = True
                elif may_ask and self._asked is None:
                    await self._port.ping()
                    self._asked = time.monotonic()
                elif self._asked is not None and time.monotonic() - self._asked > ANSWER_SECONDS:
                    raise redis.ConnectionError("Redis is silent")
                may_ask = False
                message = await self._port.message(min(WAIT_SECONDS, due - time.monotonic()))
                if message is None:
                    continue
                self._asked = None
                # A confirmation counts too: something may have been published before the subscription was active.
                if message.kind != "pong":
                    while message is not None and not self._stopped:
                        message = await self._port.message(0)
                    self._redis_backoff.reset()
                    return
            except CONNECTION_ERRORS as error:
                pause = self._redis_backoff.pause()
                log.warning("%s; polling, and trying Redis again in %.1f seconds", said(error), pause)
                await self._unsubscribe()
                self._redis_due = time.monotonic() + pause

    async def _unsubscribe(self) -> None:
        self._subscribed, self._asked = False, None
        await self._port.close()

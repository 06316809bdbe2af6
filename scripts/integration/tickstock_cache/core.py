"""What the subscribers decide: which callback an event leads to, what counts as a gap, what to retry and when.

Neither this module nor `stream` and `cursor` wait by themselves, or know whether they run in a thread or on an event
loop: that is up to `ports`.
"""

import json
import logging
import random
import signal
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Optional

import redis

from .outbox import Row
from .ports import Port

log = logging.getLogger("tickstock_cache")

UNIVERSE_UPDATED = "tickstock:universe:updated"
SYNC_COMPLETE = "tickstock:cache:sync_complete"
CHANNELS = ("tickstock:cache:sync_triggered", UNIVERSE_UPDATED, "tickstock:cache:ipo_assignment",
            "tickstock:cache:delisting_cleanup", SYNC_COMPLETE, "tickstock:processing:status", "tickstock:monitoring",
            "tickstock:errors")

# After this much silence the server gets a ping. If it leaves that unanswered for as long, it is gone.
PING_SECONDS, ANSWER_SECONDS = 10.0, 20.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
# How long one wait may last, and so how long it may take to notice stop().
WAIT_SECONDS = 0.5
BATCH = 100
# How often to try an event of the outbox before reading everything again instead.
ATTEMPTS = 5

# More than can arrive twice: what one run announces, and what was pending before it.
REMEMBERED_EVENTS = 100_000
REMEMBERED_RUNS = 1_000

UNUSABLE = "an event could not be used"

# A client that decodes raises UnicodeError for what is not UTF-8, in the middle of an answer.
CONNECTION_ERRORS = (redis.RedisError, OSError, UnicodeError)

Event = dict[str, Any]
# With the subscribers of `aio`, callbacks may be coroutines.
OnUniverse = Callable[[str, Event], Any]
OnRefresh = Callable[[str], Any]
OnEvent = Callable[[str, Event], Any]


class UnusableEvent(Exception):
    """The event lacks something that every event of its kind has."""


class Backoff:
    """Pauses that double, each with a random part, so that many subscribers do not come back at the same moment."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def pause(self) -> float:
        """Returns the next pause."""
        pause, self._next = self._next, min(2 * self._next, LONGEST_PAUSE)
        return pause * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Starts again with the shortest pause."""
        self._next = FIRST_PAUSE


class Subscriber:
    """Calls back about changes.

    `on_universe` gets the name of a changed universe and its event, `on_refresh` a reason to read all universes,
    `on_event` each event with its channel. An event that was already used is recognized if it comes again.
    """

    # Whether each event of a run must arrive here, so that a missing one was lost.
    HEARS_ALL = False

    def __init__(self, port: Port, on_universe: OnUniverse, on_refresh: OnRefresh, on_event: Optional[OnEvent]) -> None:
        self._port = port
        self._on_universe = on_universe
        self._on_refresh = on_refresh
        self._on_event = on_event
        self._stopped = False
        self._backoff = Backoff()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._named: OrderedDict[str, set[str]] = OrderedDict()

    def stop(self) -> None:
        """Makes run() return soon, or when PostgreSQL has answered, which takes 35 seconds at most.

        May be called from any thread and from a signal handler.
        """
        self._stopped = True

    def stop_on_sigterm(self) -> None:
        """Stops at SIGTERM and SIGINT. Call it in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    async def follow(self) -> None:
        """Listens until stop() is called, and reconnects whenever the connection is lost."""
        while not self._stopped:
            try:
                await self._port.connect()
                await self._listen()
            except CONNECTION_ERRORS as error:
                pause = self._backoff.pause()
                log.warning("%s; trying again in %.1f seconds", said(error), pause)
                await self._wait(pause)
            finally:
                await self._port.close()

    async def _listen(self) -> None:
        raise NotImplementedError

    async def _wait(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        while not self._stopped and time.monotonic() < due:
            await self._port.sleep(min(0.1, seconds))

    async def _use(self, channel: str, text: Any) -> None:
        """Calls back about one event, unless it was already used. Raises whatever a callback raises, and UnusableEvent.
        """
        event = _event(text)
        if event is None:
            log.warning("what came on %s is no event", channel)
            return
        if event["event_id"] in self._seen:
            return
        if self._on_event is not None:
            await self._port.call(self._on_event, channel, event)
        if channel == UNIVERSE_UPDATED:
            await self._universe_updated(event)
        elif channel == SYNC_COMPLETE:
            await self._sync_complete(event)
        _remember(self._seen, event["event_id"], None, REMEMBERED_EVENTS)

    async def _universe_updated(self, event: Event) -> None:
        try:
            universe, run_id = str(event["payload"]["universe"]), str(event["payload"]["run_id"])
        except KeyError as error:
            raise UnusableEvent(f"it lacks {error}") from error
        if run_id not in self._named:
            _remember(self._named, run_id, set(), REMEMBERED_RUNS)
        self._named[run_id].add(universe)
        await self._port.call(self._on_universe, universe, event)

    async def _sync_complete(self, event: Event) -> None:
        try:
            payload = event["payload"]
            run_id, omitted = str(payload["run_id"]), int(payload["universe_events_omitted"])
            updated = list(payload["universes_updated"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UnusableEvent(f"it lacks {error}") from error
        named = self._named.pop(run_id, set())
        if omitted > 0 or (self.HEARS_ALL and not named.issuperset(updated)):
            await self._refresh(f"run {run_id} changed universes that no event has named")

    async def _refresh(self, reason: str) -> None:
        await self._port.call(self._on_refresh, reason)

    async def _refresh_for_sure(self, reason: str) -> bool:
        """Retries reading everything until it succeeds. Returns whether it did before stop()."""
        backoff = Backoff()
        while not self._stopped:
            try:
                await self._refresh(reason)
                return True
            except Exception:  # The caches belong to the application: a failure there must not end the listening.
                log.exception("the caches could not be read again")
            await self._wait(backoff.pause())
        return False

    async def _use_for_sure(self, row: Row) -> bool:
        """Uses an event of the outbox, if necessary by reading everything again. Returns whether it did before stop().
        """
        backoff = Backoff()
        for _ in range(ATTEMPTS):
            if self._stopped:
                return False
            try:
                await self._use(row.channel, row.message)
                return True
            except UnusableEvent as error:
                log.error("event %s could not be used: %s", row.event_id, error)
                break
            except Exception:  # As above.
                log.exception("event %s could not be used", row.event_id)
            await self._wait(backoff.pause())
        return await self._refresh_for_sure(UNUSABLE)


class PubSub(Subscriber):
    """Receives what is published while it is connected, and has everything read again after every gap."""

    HEARS_ALL = True

    def __init__(self, port: Port, on_universe: OnUniverse, on_refresh: OnRefresh, on_event: Optional[OnEvent]) -> None:
        super().__init__(port, on_universe, on_refresh, on_event)
        self._gap: Optional[str] = None
        self._gap_due = 0.0

    async def _listen(self) -> None:
        await self._port.subscribe(CHANNELS)
        confirmed = 0
        last_word = time.monotonic()
        asked: Optional[float] = None
        while not self._stopped:
            message = await self._port.message(WAIT_SECONDS)
            now = time.monotonic()
            if message is not None:
                last_word, asked = now, None
                if message.kind == "subscribe":
                    confirmed += 1
                    if confirmed % len(CHANNELS) == 0:
                        self._backoff.reset()
                        self._must_refresh("the subscription is new")
                elif message.kind == "message":
                    await self._take(message.channel, message.text)
            elif asked is None and now - last_word > PING_SECONDS:
                await self._port.ping()
                asked = now
            elif asked is not None and now - asked > ANSWER_SECONDS:
                raise redis.ConnectionError("Redis is silent")
            await self._close_gap()

    async def _take(self, channel: str, text: Any) -> None:
        try:
            await self._use(channel, text)
        except Exception:  # As above.
            log.exception("an event on %s could not be used", channel)
            self._must_refresh(UNUSABLE, FIRST_PAUSE)

    async def _refresh(self, reason: str) -> None:
        self._must_refresh(reason)

    def _must_refresh(self, reason: str, pause: float = 0.0) -> None:
        self._gap = reason
        self._gap_due = time.monotonic() + pause

    async def _close_gap(self) -> None:
        if self._gap is None or time.monotonic() < self._gap_due:
            return
        reason, self._gap = self._gap, None
        try:
            await super()._refresh(reason)
        except Exception:  # As above.
            log.exception("the caches could not be read again")
            self._must_refresh(reason, LONGEST_PAUSE / 10)


def said(error: Exception) -> str:
    """Returns the message of an error of Redis, with what TLS has to say if redis-py leaves it out."""
    reason = error.__cause__ or error.__context__
    is_left_out = isinstance(reason, ssl.SSLError) and str(reason) not in str(error)
    return f"{error} ({reason})" if is_left_out else str(error)


def _event(text: Any) -> Optional[Event]:
    """Returns the event, if it has what every event has."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event_id"), str):
        return None
    return event if isinstance(event.get("payload"), dict) else None


def _remember(memory: "OrderedDict[str, Any]", key: str, value: Any, most: int) -> None:
    memory[key] = value
    if len(memory) > most:
        memory.popitem(last=False)

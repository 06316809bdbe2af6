"""Keeps an application's caches of universes in step with tickstock-cache, over Redis.

    subscriber = CacheSyncSubscriber(os.environ["REDIS_URL"], on_universe=reload_one, on_refresh=reload_all)
    subscriber.stop_on_sigterm()
    subscriber.run()

An event is a hint to read a row of cache_entries again, not the data. Redis keeps nothing for a subscriber that is
away, so after every gap all caches are to be read anew: `on_refresh` is called once the subscription stands, at the
start as after a connection was lost, and when a run tells of universes that no event has named.

As a program it prints a line for each event and for what it would read again: cache_sync_subscriber.py (REDIS_URL).
"""

import json
import logging
import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Optional

import redis

log = logging.getLogger("cache_sync_subscriber")

UNIVERSE_UPDATED = "tickstock:universe:updated"
SYNC_COMPLETE = "tickstock:cache:sync_complete"
CHANNELS = ("tickstock:cache:sync_triggered", UNIVERSE_UPDATED, "tickstock:cache:ipo_assignment",
            "tickstock:cache:delisting_cleanup", SYNC_COMPLETE, "tickstock:processing:status", "tickstock:monitoring",
            "tickstock:errors")

# After so long a silence the server gets a ping, and when it leaves that unanswered for so long, it is gone.
PING_SECONDS, ANSWER_SECONDS = 10.0, 20.0
SOCKET_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

# More than what can arrive twice: what one run announces, and what was pending before it.
REMEMBERED_EVENTS = 100_000
REMEMBERED_RUNS = 1_000

Event = dict[str, Any]


class CacheSyncSubscriber:
    """Calls back, in the thread of run(), for what has to be read again.

    `on_universe` gets the name of a changed universe and its event, `on_refresh` a reason to read all of them,
    `on_event` each event once, with its channel. Where a callback fails, all is read again after a pause.
    """

    def __init__(self, url: str, on_universe: Callable[[str, Event], None], on_refresh: Callable[[str], None],
                 on_event: Optional[Callable[[str, Event], None]] = None) -> None:
        self._url = url
        self._on_universe = on_universe
        self._on_refresh = on_refresh
        self._on_event = on_event
        self._stopped = False
        self._pause = FIRST_PAUSE
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._named: OrderedDict[str, set[str]] = OrderedDict()
        self._gap: Optional[str] = None
        self._gap_due = 0.0

    def stop(self) -> None:
        """Lets run() return soon. May be called from any thread and from a signal handler."""
        self._stopped = True

    def stop_on_sigterm(self) -> None:
        """Stops at SIGTERM and SIGINT. To be called in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def run(self) -> None:
        """Listens until stop() is called, and connects again whenever the connection is lost."""
        while not self._stopped:
            try:
                self._listen()
            except redis.RedisError as error:
                log.warning("%s; trying again in %.1f seconds", error, self._pause)
                self._wait(self._pause)
                self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _wait(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        while not self._stopped and time.monotonic() < due:
            time.sleep(0.1)

    def _listen(self) -> None:
        client = redis.Redis.from_url(self._url, socket_timeout=SOCKET_SECONDS)
        with client.pubsub() as pubsub:
            pubsub.subscribe(*CHANNELS)
            confirmed = 0
            last_word = time.monotonic()
            asked: Optional[float] = None
            while not self._stopped:
                message = pubsub.get_message(timeout=0.5)
                now = time.monotonic()
                if message is not None:
                    last_word, asked = now, None
                    if message["type"] == "subscribe":
                        confirmed += 1
                        if confirmed % len(CHANNELS) == 0:
                            self._pause = FIRST_PAUSE
                            self._must_refresh("the subscription is new")
                    elif message["type"] == "message":
                        self._take(message["channel"].decode(), message["data"])
                elif asked is None and now - last_word > PING_SECONDS:
                    pubsub.ping()
                    asked = now
                elif asked is not None and now - asked > ANSWER_SECONDS:
                    raise redis.ConnectionError("Redis is silent")
                self._close_gap()

    def _take(self, channel: str, text: bytes) -> None:
        event = _event(text)
        if event is None:
            log.warning("what came on %s is no event", channel)
            return
        if event["event_id"] in self._seen:
            return
        _remember(self._seen, event["event_id"], None, REMEMBERED_EVENTS)
        try:
            if self._on_event is not None:
                self._on_event(channel, event)
            if channel == UNIVERSE_UPDATED:
                self._universe_updated(event)
            elif channel == SYNC_COMPLETE:
                self._sync_complete(event)
        except Exception:  # The caches are the application's; whatever fails there must not end the listening.
            log.exception("event %s could not be used", event["event_id"])
            self._must_refresh("an event could not be used", FIRST_PAUSE)

    def _universe_updated(self, event: Event) -> None:
        payload = event["payload"]
        if payload["run_id"] not in self._named:
            _remember(self._named, payload["run_id"], set(), REMEMBERED_RUNS)
        self._named[payload["run_id"]].add(payload["universe"])
        self._on_universe(payload["universe"], event)

    def _sync_complete(self, event: Event) -> None:
        payload = event["payload"]
        named = self._named.pop(payload["run_id"], set())
        unnamed = [name for name in payload["universes_updated"] if name not in named]
        if payload["universe_events_omitted"] > 0 or unnamed:
            self._must_refresh(f"run {payload['run_id']} changed universes that no event has named")

    def _must_refresh(self, reason: str, pause: float = 0.0) -> None:
        self._gap = reason
        self._gap_due = time.monotonic() + pause

    def _close_gap(self) -> None:
        if self._gap is None or time.monotonic() < self._gap_due:
            return
        reason, self._gap = self._gap, None
        try:
            self._on_refresh(reason)
        except Exception:  # As above.
            log.exception("the caches could not be read again")
            self._must_refresh(reason, LONGEST_PAUSE / 10)


def _event(text: bytes) -> Optional[Event]:
    """Returns the event, if it has what every event has."""
    try:
        event = json.loads(text)
    except ValueError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event_id"), str):
        return None
    return event if isinstance(event.get("payload"), dict) else None


def _remember(memory: "OrderedDict[str, Any]", key: str, value: Any, most: int) -> None:
    memory[key] = value
    if len(memory) > most:
        memory.popitem(last=False)


def main() -> int:
    """Prints what arrives until it is told to stop."""
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    logging.basicConfig(format="%(message)s")

    def say(*words: object) -> None:
        print(*words, flush=True)

    def say_event(channel: str, event: Event) -> None:
        payload = event["payload"]
        about = payload.get("symbol") or payload.get("universe") or payload.get("current_step") or payload.get("status")
        say(channel, event.get("event"), payload.get("run_id"), about or "-")

    subscriber = CacheSyncSubscriber(
        url, on_universe=lambda name, _: say("read again:", name), on_refresh=lambda why: say("read all again:", why),
        on_event=say_event)
    subscriber.stop_on_sigterm()
    subscriber.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

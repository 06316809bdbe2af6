"""Keeps an application in step with tickstock-cache. Needs redis; the outbox needs psycopg2.

    subscriber = CacheSyncSubscriber(os.environ["REDIS_URL"], on_universe=reload_one, on_refresh=reload_all)
    subscriber.stop_on_sigterm()
    subscriber.run()

An event is a hint to read a row of cache_entries again, not the data. Three subscribers take the same callbacks:

CacheSyncSubscriber, over Pub/Sub, is for caches in memory: Redis keeps nothing for a subscriber that is away, so
everything is read again after every gap. StreamSubscriber, a consumer of a group on the stream, is for work that must
not be missed, or is shared. CursorSubscriber, over the outbox in PostgreSQL, is for what must be complete and in order,
even without Redis.

Those in `aio` are the same on asyncio. As a program it prints a line for each event and for what it would read again:
python3 -m tickstock_cache.subscriber (REDIS_URL).
"""

import logging
import os
import sys
from typing import Optional, Union

from .core import CHANNELS, Event, OnEvent, OnRefresh, OnUniverse, PubSub, Subscriber
from .cursor import OutboxCursor
from .outbox import Bounds, Callbacks, Cursor, FileCursor, MemoryCursor, Outbox, Row, Source
from .ports import Redis, SyncPort, run_to_end
from .stream import STREAM, Stream

__all__ = ["CHANNELS", "STREAM", "Bounds", "CacheSyncSubscriber", "Callbacks", "Cursor", "CursorSubscriber", "Event",
           "FileCursor", "MemoryCursor", "Outbox", "PubSubSubscriber", "Redis", "Row", "Source", "StreamSubscriber"]


class _Blocking(Subscriber):
    def run(self) -> None:
        """Follows in this thread until stop() is called."""
        run_to_end(self.follow())


class CacheSyncSubscriber(_Blocking, PubSub):
    """Receives what is published while it is connected, and has everything read again after every gap.

    `redis` is a URL, also of Sentinels (redis+sentinel://host:port,host:port/master/db), or a function that returns a
    redis-py client. If a callback fails, everything is read again after a pause.
    """

    def __init__(self, redis: Redis, on_universe: OnUniverse, on_refresh: OnRefresh,
                 on_event: Optional[OnEvent] = None) -> None:
        super().__init__(SyncPort(redis), on_universe, on_refresh, on_event)


PubSubSubscriber = CacheSyncSubscriber


class StreamSubscriber(_Blocking, Stream):
    """One consumer of a group on the stream.

    An entry is acknowledged once its callbacks have succeeded. Until then it is pending, and retried after pauses while
    others proceed. What another consumer has left pending for `claim_after` seconds is claimed, so callbacks for ten
    entries must not take longer. A new group starts at `start`: "$" for new entries only, after reading everything
    once, or "0" for all entries of the stream. What is missing because the stream was trimmed, or Redis lost it, comes
    from the outbox if `outbox` is given, as a PostgreSQL URL or a Source, and otherwise leads to `on_refresh`.
    """

    def __init__(self, redis: Redis, on_universe: OnUniverse, on_refresh: OnRefresh,
                 on_event: Optional[OnEvent] = None, *, group: str, consumer: str, stream: str = STREAM,
                 start: str = "$", claim_after: float = 60.0, outbox: Union[str, Source, None] = None) -> None:
        super().__init__(SyncPort(redis), on_universe, on_refresh, on_event, group=group, consumer=consumer,
                         stream=stream, start=start, claim_after=claim_after, outbox=outbox)


class CursorSubscriber(_Blocking, OutboxCursor):
    """Follows the outbox, in order, from where `cursor` was; `redis` only wakes it up before `poll` seconds are over.

    `outbox` is a PostgreSQL URL or a Source. The cursor is stored after each event. If none is stored, it starts with
    new events, after reading everything once, or after the id `start`. An event whose callbacks fail is retried after
    pauses; after five attempts, everything is read again instead.
    """

    def __init__(self, outbox: Union[str, Source], on_universe: OnUniverse, on_refresh: OnRefresh,
                 on_event: Optional[OnEvent] = None, *, cursor: Cursor, redis: Optional[Redis] = None,
                 start: Optional[int] = None, poll: float = 10.0) -> None:
        super().__init__(SyncPort(redis), on_universe, on_refresh, on_event, outbox=outbox, cursor=cursor,
                         wakes=redis is not None, start=start, poll=poll)


def main() -> int:
    """Prints what arrives until it is told to stop."""
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    logging.basicConfig(format="%(message)s")

    def say(*words: object) -> None:
        try:
            print(*words, flush=True)
        except BrokenPipeError:
            # Nobody reads any more. What is buffered must not be tried again at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            subscriber.stop()

    def say_event(channel: str, event: Event) -> None:
        payload = event["payload"]
        about = payload.get("symbol") or payload.get("universe") or payload.get("current_step") or payload.get("status")
        say(channel, event.get("event"), payload.get("run_id"), about or "-")

    try:
        subscriber = CacheSyncSubscriber(
            url, on_universe=lambda name, _: say("read again:", name),
            on_refresh=lambda why: say("read all again:", why), on_event=say_event)
    except ValueError as error:
        print(f"REDIS_URL is not usable: {error}", file=sys.stderr)
        return 64
    subscriber.stop_on_sigterm()
    subscriber.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

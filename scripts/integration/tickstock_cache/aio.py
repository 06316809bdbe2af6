"""The subscribers of `subscriber` on asyncio: the same arguments, callbacks that may be coroutines, and `await run()`.

Clients come from redis.asyncio, also those returned by a function. Cancelling the task of run() ends it at once.
"""

from typing import Optional, Union

from .core import OnEvent, OnRefresh, OnUniverse, PubSub, Subscriber
from .cursor import OutboxCursor
from .outbox import Cursor, Source
from .ports import AsyncPort, Redis
from .stream import STREAM, Stream

__all__ = ["AsyncCacheSyncSubscriber", "AsyncCursorSubscriber", "AsyncPubSubSubscriber", "AsyncStreamSubscriber"]


class _OnLoop(Subscriber):
    async def run(self) -> None:
        """Follows until stop() is called."""
        await self.follow()


class AsyncCacheSyncSubscriber(_OnLoop, PubSub):
    """See subscriber.CacheSyncSubscriber."""

    def __init__(self, redis: Redis, on_universe: OnUniverse, on_refresh: OnRefresh,
                 on_event: Optional[OnEvent] = None) -> None:
        super().__init__(AsyncPort(redis), on_universe, on_refresh, on_event)


AsyncPubSubSubscriber = AsyncCacheSyncSubscriber


class AsyncStreamSubscriber(_OnLoop, Stream):
    """See subscriber.StreamSubscriber."""

    def __init__(self, redis: Redis, on_universe: OnUniverse, on_refresh: OnRefresh,
                 on_event: Optional[OnEvent] = None, *, group: str, consumer: str, stream: str = STREAM,
                 start: str = "$", claim_after: float = 60.0, outbox: Union[str, Source, None] = None) -> None:
        super().__init__(AsyncPort(redis), on_universe, on_refresh, on_event, group=group, consumer=consumer,
                         stream=stream, start=start, claim_after=claim_after, outbox=outbox)


class AsyncCursorSubscriber(_OnLoop, OutboxCursor):
    """See subscriber.CursorSubscriber."""

    def __init__(self, outbox: Union[str, Source], on_universe: OnUniverse, on_refresh: OnRefresh,
                 on_event: Optional[OnEvent] = None, *, cursor: Cursor, redis: Optional[Redis] = None,
                 start: Optional[int] = None, poll: float = 10.0) -> None:
        super().__init__(AsyncPort(redis), on_universe, on_refresh, on_event, outbox=outbox, cursor=cursor,
                         wakes=redis is not None, start=start, poll=poll)

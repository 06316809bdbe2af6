"""How the subscribers reach Redis, threads and the application: once blocking, once on asyncio.

`core` decides what to do, in coroutines. Those of SyncPort never suspend, so run_to_end() can run them in the calling
thread without an event loop.
"""

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Optional, Protocol, TypeVar, Union
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.backoff
import redis.retry
import redis.sentinel

SOCKET_SECONDS = 5.0
SENTINEL_PORT = 26379
# The parameters of a URL of Sentinels.
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

Result = TypeVar("Result")
# A URL, or a function that returns a new client.
Redis = Union[str, Callable[[], Any]]


@dataclass(frozen=True)
class Message:
    """What arrived on a subscription: a message of a channel, or a confirmation."""

    kind: str
    channel: str
    text: Any


class Port(Protocol):
    """What a subscriber needs. Errors of Redis are raised as redis.RedisError."""

    async def connect(self) -> None: ...
    async def close(self) -> None: ...
    async def command(self, name: str, *arguments: Any, **named: Any) -> Any: ...
    async def subscribe(self, channels: tuple[str, ...]) -> None: ...
    async def message(self, seconds: float) -> Optional[Message]: ...
    async def ping(self) -> None: ...
    async def sleep(self, seconds: float) -> None: ...
    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any: ...
    async def query(self, function: Callable[..., Any], *arguments: Any) -> Any: ...


class SyncPort:
    """Blocks the thread."""

    def __init__(self, address: Optional[Redis]) -> None:
        self._make: Any = factory(address, redis, redis.sentinel) if isinstance(address, str) else address
        self._client: Any = None
        self._pubsub: Any = None

    async def connect(self) -> None:
        self._client = self._make()

    async def close(self) -> None:
        pubsub, client, self._pubsub, self._client = self._pubsub, self._client, None, None
        with contextlib.suppress(redis.RedisError, OSError):
            if pubsub is not None:
                pubsub.close()
            if client is not None:
                client.close()
                for pool in _pools(client):
                    pool.disconnect()

    async def command(self, name: str, *arguments: Any, **named: Any) -> Any:
        return getattr(self._client, name)(*arguments, **named)

    async def subscribe(self, channels: tuple[str, ...]) -> None:
        self._pubsub = self._client.pubsub()
        self._pubsub.subscribe(*channels)

    async def message(self, seconds: float) -> Optional[Message]:
        return _message(self._pubsub.get_message(timeout=seconds))

    async def ping(self) -> None:
        self._pubsub.ping()

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls the application."""
        result = function(*arguments)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError("a coroutine is a callback for the subscribers of tickstock_cache.aio only")
        return result

    async def query(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls something that waits for PostgreSQL."""
        return function(*arguments)


class AsyncPort:
    """Waits on the event loop. Callbacks may be coroutines; what waits for PostgreSQL does so in a thread."""

    def __init__(self, address: Optional[Redis]) -> None:
        self._make: Any = address
        if isinstance(address, str):
            self._make = factory(address, redis.asyncio, redis.asyncio.sentinel)
        self._client: Any = None
        self._pubsub: Any = None

    async def connect(self) -> None:
        self._client = self._make()

    async def close(self) -> None:
        pubsub, client, self._pubsub, self._client = self._pubsub, self._client, None, None
        # Later versions of redis-py warn about close().
        with contextlib.suppress(redis.RedisError, OSError):
            if pubsub is not None:
                await getattr(pubsub, "aclose", pubsub.close)()
            if client is not None:
                await getattr(client, "aclose", client.close)()
                for pool in _pools(client):
                    await pool.disconnect()

    async def command(self, name: str, *arguments: Any, **named: Any) -> Any:
        return await getattr(self._client, name)(*arguments, **named)

    async def subscribe(self, channels: tuple[str, ...]) -> None:
        self._pubsub = self._client.pubsub()
        await self._pubsub.subscribe(*channels)

    async def message(self, seconds: float) -> Optional[Message]:
        return _message(await self._pubsub.get_message(timeout=seconds))

    async def ping(self) -> None:
        await self._pubsub.ping()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        result = function(*arguments)
        return await result if inspect.isawaitable(result) else result

    async def query(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.to_thread(function, *arguments)


def _pools(client: Any) -> list[Any]:
    """Returns the connection pools of a client, including those for the Sentinels that it asks."""
    pool = client.connection_pool
    watchers = getattr(getattr(pool, "sentinel_manager", None), "sentinels", [])
    return [pool, *(watcher.connection_pool for watcher in watchers)]


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise RuntimeError("a coroutine of SyncPort has suspended")


def factory(url: str, module: Any, sentinel: Any) -> Callable[[], Any]:
    """Returns a function that creates a redis-py client for a URL, also redis+sentinel://host:port,host:port/master/db.

    No client repeats a command by itself: that would hide that Redis was away. Over TLS the certificate must be that of
    the host. Raises ValueError, without the URL.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in ("redis+sentinel", "rediss+sentinel"):
            return _sentinel_factory(url, parts.scheme.startswith("rediss"), module, sentinel)
        pool = module.ConnectionPool.from_url(url)
        if parts.scheme != "unix" and "@" in parts.path:
            raise ValueError("a part of a password would pass for a host")
        # An unknown parameter is only noticed here.
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError):
        raise ValueError("the URL of Redis can't be read; write redis://host:6379/0") from None
    # Who wants no certificate has nothing to compare the host with.
    verifies = parse_qs(parts.query).get("ssl_cert_reqs") != ["none"]
    encrypted = {"ssl_check_hostname": verifies} if parts.scheme == "rediss" else {}
    return lambda: module.Redis.from_url(url, socket_timeout=SOCKET_SECONDS, retry=no_retry(module), **encrypted)


def no_retry(module: Any) -> Any:
    """Returns redis-py's setting for no retries."""
    return module.retry.Retry(redis.backoff.NoBackoff(), 0)


def _sentinel_factory(url: str, encrypted: bool, module: Any, sentinel: Any) -> Callable[[], Any]:
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    master, _, database = parts.path.lstrip("/").partition("/")
    addresses = [_host_and_port(host) for host in hosts.split(",")]
    if not master or "@" in parts.path:
        raise ValueError("no master")
    options: dict[str, Any] = {"socket_timeout": SOCKET_SECONDS}
    if encrypted:
        options.update(ssl=True, ssl_cert_reqs="required", ssl_check_hostname=True)
    parameters = parse_qs(parts.query, keep_blank_values=True)
    for name in parameters:
        if not encrypted or name not in TLS_FILES:
            raise ValueError("an unknown parameter")
        options[name] = parameters[name][0]
    more: dict[str, Any] = {"db": int(database or 0), "username": unquote(user) or None,
                            "password": unquote(password) or None}

    def make() -> Any:
        watchers = sentinel.Sentinel(addresses, sentinel_kwargs=dict(options), **options)
        return watchers.master_for(unquote(master), retry=no_retry(module), **more)

    return make


def _host_and_port(text: str) -> tuple[str, int]:
    parts = urlsplit("//" + text)
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or SENTINEL_PORT


def _message(said: Any) -> Optional[Message]:
    if said is None:
        return None
    return Message(said["type"], text_of(said["channel"] or b""), said["data"])


def text_of(value: Any) -> str:
    """Returns text for what redis-py gives as bytes, or as text if the client decodes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

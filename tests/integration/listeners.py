"""Shared by the tests of the subscribers: running subscribers, in a thread or on a loop, and events for them."""

import asyncio
import json
import logging
import socket
import subprocess
import threading
import time
import unittest
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import redis
from support import Scene, new_folder, servers, wait_until

from tickstock_cache import aio, core, subscriber

UPDATED, COMPLETED = "tickstock:universe:updated", "tickstock:cache:sync_complete"


def event_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def updated(universe: str, run_id: str = "night") -> tuple[str, str]:
    """Returns channel and text of an event."""
    return UPDATED, json.dumps({"event": "universe_updated", "event_id": event_id(f"{run_id} {universe}"),
                                "payload": {"run_id": run_id, "universe": universe, "action": "updated"}})


def completed(universes: list[str], omitted: int = 0, run_id: str = "night") -> tuple[str, str]:
    return COMPLETED, json.dumps({"event": "cache_sync_completed", "event_id": event_id(f"{run_id} completed"),
                                  "payload": {"run_id": run_id, "universes_updated": universes,
                                              "universe_events_omitted": omitted}})


class Listener:
    """Callbacks that record their calls. `refuse` makes those for a universe fail this many times."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.failed: list[str] = []
        self.refuse: dict[str, int] = {}
        self.hold: Optional[threading.Event] = None
        self._subscriber: Any = None
        self._thread: Optional[threading.Thread] = None

    def on_universe(self, universe: str, _: subscriber.Event) -> None:
        if self.hold is not None:
            self.hold.wait(30)
        if self.refuse.get(universe, 0) > 0:
            self.refuse[universe] -= 1
            self.failed.append(universe)
            raise OSError("the database is away")
        self.said.append(universe)

    def on_refresh(self, reason: str) -> None:
        if self.refuse.get("*", 0) > 0:
            self.refuse["*"] -= 1
            self.failed.append("*")
            raise OSError("the database is away")
        self.said.append("* " + reason)

    def start(self, work: Any) -> "Listener":
        """Runs a subscriber of this process."""
        self._subscriber = work
        run: Callable[[], Any] = work.run
        if asyncio.iscoroutinefunction(work.run):
            run = lambda: asyncio.run(work.run())  # noqa: E731
        self._thread = threading.Thread(target=run)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread is not None:
            self._subscriber.stop()
            self._thread.join(30)
            assert not self._thread.is_alive()

    @property
    def universes(self) -> list[str]:
        return [word for word in self.said if not word.startswith("*")]

    @property
    def refreshes(self) -> list[str]:
        return [word[2:] for word in self.said if word.startswith("*")]

    def wait_for(self, *words: str) -> None:
        """Waits until exactly these calls were made, in this order."""
        wait_until(f"{words}, and not {self.said}", lambda: self.said[:len(words)] == list(words))
        assert self.said == list(words), self.said


class FollowingTest(unittest.TestCase):
    """A test that runs subscribers: blocking ones, or with `on_loop` those of asyncio."""

    on_loop = False

    def setUp(self) -> None:
        self.redis_url = servers().environment["REDIS_URL"]
        self.redis = redis.Redis.from_url(self.redis_url)
        self.addCleanup(self.redis.close)
        self.stream = f"test:{uuid.uuid4()}"
        self.enterContext(mock.patch.object(core, "FIRST_PAUSE", 0.05))
        self.enterContext(mock.patch.object(core, "LONGEST_PAUSE", 0.5))
        # Keeps the log out of the output of the tests.
        self.enterContext(mock.patch.object(core.log, "handlers", [logging.NullHandler()]))
        self.enterContext(mock.patch.object(core.log, "propagate", False))

    def listen(self, work: Callable[[Listener], Any]) -> Listener:
        listener = Listener()
        self.addCleanup(listener.stop)
        return listener.start(work(listener))

    def stream_subscriber(self, listener: Listener, consumer: str = "one", url: Optional[Any] = None,
                          **more: Any) -> Any:
        kind = aio.AsyncStreamSubscriber if self.on_loop else subscriber.StreamSubscriber
        return kind(url or self.redis_url, listener.on_universe, listener.on_refresh, group="group", consumer=consumer,
                    stream=self.stream, **more)

    def follow_stream(self, consumer: str = "one", refuse: Optional[dict[str, int]] = None,
                      hold: Optional[threading.Event] = None, **more: Any) -> Listener:
        listener = Listener()
        listener.refuse = refuse or {}
        listener.hold = hold
        self.addCleanup(listener.stop)
        return listener.start(self.stream_subscriber(listener, consumer, **more))

    def add(self, number: int, event: tuple[str, str], client: Any = None) -> None:
        """Does what the program does with a stored event."""
        (client or self.redis).xadd(self.stream, {"event_id": json.loads(event[1])["event_id"], "channel": event[0],
                                                  "message": event[1]}, id=f"{number}-0")
        (client or self.redis).publish(*event)

    def add_names(self, names: str, first: int = 1) -> None:
        for number, name in enumerate(names.split(), first):
            self.add(number, updated(name))

    def wait_for_group(self, client: Any = None) -> None:
        def there() -> bool:
            try:
                return bool((client or self.redis).xinfo_groups(self.stream))
            except redis.RedisError:
                return False
        wait_until("the group", there)

    def pending(self, client: Any = None) -> int:
        return int((client or self.redis).xpending(self.stream, "group")["pending"])

    def wait_for_acknowledged(self, client: Any = None) -> None:
        wait_until("no entry to be pending", lambda: self.pending(client) == 0)


def store(scene: Scene, *events: tuple[str, str]) -> list[int]:
    """Writes events into the outbox, as the program does, and returns their ids."""
    values = ", ".join(f"('{json.loads(text)['event_id']}', '{json.loads(text)['payload']['run_id']}', '{channel}', "
                       f"'{json.loads(text)['event']}', '{text}', now())" for channel, text in events)
    return [int(line) for line in scene.query(
        "INSERT INTO cache_sync_outbox (event_id, run_id, channel, event, message, created_at) "
        f"VALUES {values} RETURNING id").split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Certificate:
    """A certificate of a test for these names, which vouches for itself."""

    def __init__(self, names: str) -> None:
        folder = Path(new_folder())
        self.file, self.key = folder / "server.crt", folder / "server.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=server",
                        "-addext", f"subjectAltName={names}", "-keyout", str(self.key), "-out", str(self.file)],
                       check=True, capture_output=True)

    def options(self, port: int, asks_clients: str = "no") -> list[str]:
        """Returns the options with which a Redis uses it at another port."""
        return ["--tls-port", str(port), "--tls-cert-file", str(self.file), "--tls-key-file", str(self.key),
                "--tls-ca-cert-file", str(self.file), "--tls-auth-clients", asks_clients]


class OwnRedis:
    """A Redis of a test, which can be stopped and restarted; or with `sentinel` one that watches another."""

    def __init__(self, test: unittest.TestCase, *options: str, config: str = "", sentinel: bool = False) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port)
        folder = new_folder()
        self._config: list[str] = []
        if config:
            path = Path(folder) / "c.conf"
            path.write_text(config, encoding="utf-8")
            self._config = [str(path)]
        self._options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder),
                         *(["--sentinel"] if sentinel else ["--save", ""]), *options]
        self._process: Optional[subprocess.Popen[bytes]] = None
        test.addCleanup(self.client.close)
        test.addCleanup(self.stop)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(["redis-server", *self._config, *self._options], stdout=subprocess.DEVNULL)
        wait_until("Redis", self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            time.sleep(0.05)
            return False

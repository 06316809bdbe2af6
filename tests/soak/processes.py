"""Processes that end with this one, and a Redis setup of several of them: a primary, two replicas and three Sentinels.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import redis

MASTER = "desk"
NODES = 3
SENTINELS = 3
# How long an answer of the primary may be missing before the Sentinels act, in milliseconds: forever, unless a failover
# is wanted. Otherwise a busy machine would cause failovers.
PATIENT, ACTING = 86_400_000, 1000
LIMIT_SECONDS = 60.0


class Violation(Exception):
    """Something is not as it should be; the message is one line."""


def wait_until(what: str, condition: Callable[[], bool], seconds: float = LIMIT_SECONDS) -> None:
    """Waits for a condition, and fails if it does not become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Violation(f"waited {seconds:.0f} seconds in vain for {what}")
        time.sleep(0.02)


class Child:
    """A process in its own session, so that a Ctrl-C reaches only us. The kernel kills it when we are killed."""

    def __init__(self, words: Sequence[str], log: Path, environment: Optional[Mapping[str, str]] = None) -> None:
        self._words = words
        with open(log, "ab") as said:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                env=environment, start_new_session=True)

    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float = LIMIT_SECONDS) -> int:
        """Returns its status as a shell shows it."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Violation(f"{' '.join(self._words)} did not end within {seconds:.0f} seconds") from None
        return status if status >= 0 else 128 - status

    def kill(self) -> None:
        """Kills it and its children, and waits for its end."""
        if self.running():
            os.killpg(self._process.pid, signal.SIGKILL)
        self.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A Redis, or a Sentinel, that can be killed and restarted."""

    def __init__(self, folder: Path, settings: str, sentinel: bool = False) -> None:
        folder.mkdir()
        self._folder = folder
        self._words = ["--sentinel"] if sentinel else []
        self._child: Optional[Child] = None
        # Another process may take the port between finding and using it.
        for _ in range(5):
            self.port = free_port()
            # They write their own settings into the file, and read them again.
            (folder / "redis.conf").write_text(
                f'bind 127.0.0.1\nport {self.port}\ndir {folder}\nsave ""\n' + settings, encoding="ascii")
            if self._try_start():
                return
        raise Violation(f"Redis does not start: {self.log()}")

    def start(self, *options: str) -> None:
        """Restarts it."""
        if not self.running() and not self._try_start(*options):
            raise Violation(f"Redis does not start: {self.log()}")

    def kill(self) -> None:
        """Kills it, if it runs."""
        if self._child is not None:
            self._child.kill()

    def running(self) -> bool:
        return self._child is not None and self._child.running()

    def ask(self, *words: Any) -> Any:
        """Returns the answer to a command, on a new connection. Raises redis.RedisError."""
        with redis.Redis(port=self.port, socket_timeout=5.0, decode_responses=True) as client:
            return client.execute_command(*words)

    def log(self) -> str:
        """Returns the end of its output."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]

    def _try_start(self, *options: str) -> bool:
        child = Child(["redis-server", str(self._folder / "redis.conf"), *self._words, *options], self._folder / "log")
        self._child = child

        def settled() -> bool:
            try:
                return not child.running() or bool(self.ask("PING"))
            except redis.RedisError:
                return False
        wait_until("Redis to answer", settled)
        return child.running()


class WatchedRedis:
    """A primary and two replicas that keep a log on disk, and the Sentinels that watch them."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[Server] = []
        self.sentinels: list[Server] = []
        self._folder = folder

    def start(self) -> None:
        """Starts all of them. Even on failure, those that have started can be killed."""
        durable = "appendonly yes\nrepl-diskless-sync-delay 0\n"
        for number in range(NODES):
            replica = f"replicaof 127.0.0.1 {self.nodes[0].port}\n" if self.nodes else ""
            self.nodes.append(Server(self._folder / f"node-{number}", durable + replica))
        watch = (f"sentinel monitor {MASTER} 127.0.0.1 {self.nodes[0].port} 2\n"
                 f"sentinel down-after-milliseconds {MASTER} {PATIENT}\n"
                 f"sentinel failover-timeout {MASTER} 3000\n")
        for number in range(SENTINELS):
            self.sentinels.append(Server(self._folder / f"sentinel-{number}", watch, sentinel=True))
        self.settle()

    def kill(self) -> None:
        """Ends all of them."""
        for server in (*self.sentinels, *self.nodes):
            server.kill()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{MASTER}/0"

    def primary(self) -> Server:
        """Returns the node that all running Sentinels name."""
        found: list[Server] = []

        def agreed() -> bool:
            ports = self._named()
            found[:] = [node for node in self.nodes if ports == {node.port}]
            return bool(found)
        wait_until("the Sentinels to agree on a primary", agreed)
        return found[0]

    def settle(self) -> None:
        """Waits until each replica has caught up, and each running Sentinel could promote one."""
        wait_until("the replicas to be in sync", self._in_sync)

    def restart_primary(self) -> None:
        """Kills the primary and restarts it, before any Sentinel acts."""
        primary = self.primary()
        primary.kill()
        primary.start()

    def fail_over(self) -> None:
        """Kills the primary, makes the Sentinels name another one, and restarts the old one as its replica."""
        old = self.primary()
        old.kill()
        self._set_patience(ACTING)

        def promoted() -> bool:
            ports = self._named()
            return len(ports) == 1 and old.port not in ports and self._role(ports) == "master"
        wait_until("another primary", promoted)
        self._set_patience(PATIENT)
        old.start("--replicaof", f"127.0.0.1 {self.primary().port}")

    def _running_sentinels(self) -> list[Server]:
        return [sentinel for sentinel in self.sentinels if sentinel.running()]

    def _set_patience(self, milliseconds: int) -> None:
        for sentinel in self._running_sentinels():
            sentinel.ask("SENTINEL", "SET", MASTER, "down-after-milliseconds", milliseconds)

    def _named(self) -> set[int]:
        return {int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])
                for sentinel in self._running_sentinels()}

    def _role(self, ports: set[int]) -> str:
        node = next(node for node in self.nodes if node.port in ports)
        try:
            return str(node.ask("ROLE")[0])
        except redis.RedisError:  # It is dead, or a Sentinel cut the question off as it promoted the node.
            return "unknown"

    def _in_sync(self) -> bool:
        ports = self._named()
        primary = next((node for node in self.nodes if ports == {node.port}), None)
        if primary is None or not primary.running():
            return False
        try:
            role = primary.ask("ROLE")
            replicas = [node for node in self.nodes if node is not primary and node.running()]
            return (role[0] == "master" and len(role[2]) == len(replicas) and
                    all(node.ask("ROLE")[1:4] == ["127.0.0.1", primary.port, "connected"] for node in replicas) and
                    all(self._is_ready(sentinel) for sentinel in self._running_sentinels()))
        except redis.RedisError:
            return False

    def _is_ready(self, sentinel: Server) -> bool:
        replicas = sentinel.ask("SENTINEL", "REPLICAS", MASTER)
        others = sentinel.ask("SENTINEL", "SENTINELS", MASTER)
        flags = [_facts(each)["flags"] for each in replicas]
        able = [each for each in others if _facts(each)["flags"] == "sentinel"]
        return flags == ["slave"] * (NODES - 1) and len(able) >= len(self._running_sentinels()) - 1


def _facts(said: Any) -> dict[str, str]:
    """Returns names and values, which redis-py has paired for some commands and not for others."""
    return said if isinstance(said, dict) else dict(zip(said[::2], said[1::2]))

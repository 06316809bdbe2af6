"""The subscriber: what it reads again, duplicates, gaps, reconnecting, its end."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import redis
from support import MODULES, SECOND_DAY, Scene, new_folder, servers, wait_until

from tickstock_cache import core
from tickstock_cache.aio import AsyncCacheSyncSubscriber
from tickstock_cache.subscriber import CHANNELS, CacheSyncSubscriber, Event

NEW, UNNAMED = "the subscription is new", "changed universes that no event has named"


class Listener:
    """A subscriber that runs in a thread, and the calls it has made so far."""

    def __init__(self, url: Optional[str] = None, on_universe: Optional[Callable[[str, Event], None]] = None,
                 on_refresh: Optional[Callable[[str], None]] = None, on_loop: bool = False) -> None:
        self.said: list[str] = []
        self.events: list[tuple[str, Event]] = []
        # Without types: the two differ in run().
        kind: Any = AsyncCacheSyncSubscriber if on_loop else CacheSyncSubscriber
        self.subscriber = kind(
            url or servers().environment["REDIS_URL"], on_universe or (lambda name, _: self.said.append(name)),
            on_refresh or self.said.append, lambda channel, event: self.events.append((channel, event)))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        end = self.subscriber.run()
        if end is not None:
            asyncio.run(end)

    def stop(self) -> None:
        self.subscriber.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def wait_for(self, count: int) -> None:
        wait_until(f"{count} calls, and not only {self.said}", lambda: len(self.said) >= count)


def event(name: str, event_id: str, **payload: Any) -> str:
    return json.dumps({"event": name, "event_id": event_id, "timestamp": "2026-08-21T20:00:00.000Z",
                       "source": "daily_cache_sync_job", "version": "1.0", "payload": {"run_id": "night", **payload}})


def updated(universe: str, run_id: str = "night") -> tuple[str, str]:
    return "tickstock:universe:updated", event("universe_updated", f"{run_id} {universe}", run_id=run_id,
                                               universe=universe, action="updated")


def completed(universes: list[str], omitted: int = 0, run_id: str = "night",
              status: str = "completed") -> tuple[str, str]:
    return "tickstock:cache:sync_complete", event(
        "cache_sync_completed", f"{run_id} completed", run_id=run_id, job_id=run_id, status=status,
        universes_updated=universes, universe_events_omitted=omitted)


class SubscriberTest(unittest.TestCase):
    on_loop = False

    def setUp(self) -> None:
        self.redis = redis.Redis.from_url(servers().environment["REDIS_URL"])
        self.addCleanup(self.redis.close)

    def listen(self, **arguments: Any) -> Listener:
        """Returns a listener whose subscription is active."""
        listener = Listener(**arguments, on_loop=self.on_loop)
        self.addCleanup(listener.stop)
        wait_until("the subscription", lambda: self.subscriptions() == 1)
        return listener

    def subscriptions(self) -> int:
        return int(self.redis.pubsub_numsub(CHANNELS[-1])[0][1])

    def publish(self, *messages: tuple[str, str]) -> None:
        for channel, text in messages:
            self.redis.publish(channel, text)


class Caches(SubscriberTest):
    """What is read again, and when."""

    def test_a_changed_universe_is_read_again_once(self) -> None:
        listener = self.listen()
        self.publish(updated("top_100"), updated("mega_cap"), updated("top_100"), completed(["top_100", "mega_cap"]),
                     completed(["top_100", "mega_cap"]), updated("last", "next"))
        listener.wait_for(4)
        self.assertEqual(listener.said, [NEW, "top_100", "mega_cap", "last"])
        self.assertEqual([channel for channel, _ in listener.events],
                         ["tickstock:universe:updated"] * 2 + ["tickstock:cache:sync_complete",
                                                               "tickstock:universe:updated"])

    def test_a_universe_is_read_again_for_each_run_that_changed_it(self) -> None:
        listener = self.listen()
        self.publish(updated("top_100"), updated("top_100", "next"))
        listener.wait_for(3)
        self.assertEqual(listener.said, [NEW, "top_100", "top_100"])

    def test_universes_that_were_left_out_are_a_gap(self) -> None:
        listener = self.listen()
        self.publish(updated("top_100"), completed(["top_100", "mega_cap"], omitted=1))
        listener.wait_for(3)
        self.assertEqual(listener.said[:2], [NEW, "top_100"])
        self.assertIn(UNNAMED, listener.said[2])

    def test_a_universe_that_no_event_has_named_is_a_gap(self) -> None:
        listener = self.listen()
        self.publish(updated("top_100"), updated("mega_cap", "other"), completed(["top_100", "mega_cap"]))
        listener.wait_for(4)
        self.assertIn(f"run night {UNNAMED}", listener.said[3])

    def test_late_events_of_an_earlier_run_are_no_gap(self) -> None:
        listener = self.listen()
        # Pending events come first; and a run that changed nothing, or failed, leaves nothing to read.
        self.publish(updated("top_100", "old"), updated("mega_cap", "old"),
                     completed(["top_100", "mega_cap"], run_id="old"), completed([], run_id="quiet"),
                     completed([], run_id="bad", status="failed"),
                     updated("top_100"), completed(["top_100"]), updated("last", "next"))
        listener.wait_for(5)
        self.assertEqual(listener.said, [NEW, "top_100", "mega_cap", "top_100", "last"])

    def test_what_is_no_event_does_no_harm(self) -> None:
        listener = self.listen()
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            for text in ("", "7", "{", "[]", "{}", '{"event_id": 7, "payload": {}}', '{"event_id": "x", "payload": []}',
                         "\udcff\udcfe"):
                self.redis.publish("tickstock:errors", text.encode(errors="surrogateescape"))
            self.publish(updated("top_100"))
            listener.wait_for(2)
        self.assertEqual(len(logged.output), 8)
        # An event without a required field may have been about anything.
        with self.assertLogs("tickstock_cache", "ERROR"):
            self.redis.publish("tickstock:cache:sync_complete", event("cache_sync_completed", "short"))
            listener.wait_for(3)
        self.assertEqual(listener.said, [NEW, "top_100", "an event could not be used"])

    def test_a_lost_connection_is_a_gap(self) -> None:
        listener = self.listen()
        with self.assertLogs("tickstock_cache", "WARNING"):
            self.redis.client_kill_filter(_type="pubsub")
            listener.wait_for(2)
        self.publish(updated("top_100"))
        listener.wait_for(3)
        self.assertEqual(listener.said, [NEW, NEW, "top_100"])

    def test_a_callback_that_fails_leads_to_reading_all(self) -> None:
        said: list[str] = []

        def fail(universe: str, _: Event) -> None:
            raise OSError("the database is away")

        def fail_once(reason: str) -> None:
            said.append(reason)
            if len(said) == 2:
                raise OSError("the database is away")

        self.listen(on_universe=fail, on_refresh=fail_once)
        with self.assertLogs("tickstock_cache", "ERROR") as logged:
            self.publish(updated("top_100"))
            wait_until("a second attempt", lambda: len(said) == 3)
        self.assertEqual(said[1:], ["an event could not be used"] * 2)
        self.assertEqual(len(logged.records), 2)

    def test_a_redis_that_comes_late_and_one_that_falls_silent(self) -> None:
        socket = str(new_folder() / "socket")
        self.be_impatient()
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            listener = Listener(f"unix://{socket}", on_loop=self.on_loop)
            self.addCleanup(listener.stop)
            wait_until("an attempt", lambda: re.search(f"{re.escape(socket)}.*trying again", "".join(logged.output)))
            late = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket, "--save", ""],
                                    stdout=subprocess.DEVNULL)
            self.addCleanup(late.wait)
            self.addCleanup(late.kill)
            listener.wait_for(1)
            # It answers pings, so the silence between events doesn't count.
            with redis.Redis(unix_socket_path=socket) as client:
                self.wait_for_pings(client)
            self.assertEqual(listener.said, [NEW])
            late.send_signal(signal.SIGSTOP)
            wait_until("the silence to be noticed", lambda: "Redis is silent" in "".join(logged.output))
            late.send_signal(signal.SIGCONT)
            listener.wait_for(2)
            listener.stop()
        self.assertEqual(set(listener.said), {NEW})

    def test_reading_all_may_take_its_time(self) -> None:
        said: list[str] = []

        def read_slowly(reason: str) -> None:
            said.append(reason)
            time.sleep(2 * core.ANSWER_SECONDS)

        self.be_impatient()
        self.redis.config_resetstat()
        self.listen(on_refresh=read_slowly)
        self.wait_for_pings(self.redis)
        self.assertEqual(said, [NEW])

    def be_impatient(self) -> None:
        for name, seconds in (("PING_SECONDS", 0.2), ("ANSWER_SECONDS", 2.0)):
            self.enterContext(mock.patch.object(core, name, seconds))

    def wait_for_pings(self, client: "redis.Redis[bytes]") -> None:
        wait_until("some pings", lambda: client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"] >= 5)


class CachesOnLoop(Caches):
    on_loop = True

    def test_callbacks_may_be_coroutines(self) -> None:
        said: list[str] = []

        async def read_one(name: str, _: Event) -> None:
            await asyncio.sleep(0)
            said.append(name)

        async def read_all(reason: str) -> None:
            await asyncio.sleep(0)
            said.append(reason)

        self.listen(on_universe=read_one, on_refresh=read_all)
        self.publish(updated("top_100"))
        wait_until("both", lambda: said == [NEW, "top_100"])

    def test_cancelling_its_task_ends_it(self) -> None:
        async def cancel() -> None:
            new = asyncio.Event()
            subscriber = AsyncCacheSyncSubscriber(servers().environment["REDIS_URL"], lambda *_: None,
                                                  lambda _: new.set())
            task = asyncio.ensure_future(subscriber.run())
            await asyncio.wait_for(new.wait(), 30)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())
        wait_until("its connection to be closed", lambda: self.subscriptions() == 0)


class Coroutines(SubscriberTest):
    def test_they_are_refused_where_nothing_waits_for_them(self) -> None:
        async def read(_: str) -> None:
            pass

        with self.assertLogs("tickstock_cache", "ERROR") as logged:
            self.listen(on_refresh=read)
            wait_until("the error", lambda: "a coroutine is a callback for" in "".join(logged.output))


class OfARun(SubscriberTest):
    """The same with what the program publishes."""

    def hear_a_night(self) -> tuple[Scene, Listener]:
        scene = Scene()
        scene.next_day()
        listener = self.listen()
        scene.run("sync", "--as-of", SECOND_DAY, "--run-id", "night")
        wait_until("the end of the night", lambda: any(
            channel == "tickstock:processing:status" for channel, _ in listener.events))
        return scene, listener

    def test_a_night_is_followed(self) -> None:
        scene, listener = self.hear_a_night()
        changed = scene.query("SELECT string_agg(universe, ' ' ORDER BY id) FROM cache_sync_changes "
                              "WHERE run_id = 'night'").split()
        self.assertEqual(listener.said, [NEW, *changed])

    def test_universes_beyond_the_announced_ones_are_not_missed(self) -> None:
        scene = Scene()
        scene.next_day()
        listener = self.listen()
        scene.run("sync", "--as-of", SECOND_DAY, "--run-id", "short", "--max-universe-events", "1")
        listener.wait_for(3)
        wait_until("the gap", lambda: f"run short {UNNAMED}" in listener.said)

    def test_events_that_are_sent_again_are_read_once(self) -> None:
        scene, listener = self.hear_a_night()
        before = list(listener.said)
        scene.query("UPDATE cache_sync_outbox SET published_at = NULL WHERE run_id = 'night'")
        scene.run("deliver")
        self.publish(updated("last", "next"))
        listener.wait_for(len(before) + 1)
        self.assertEqual(listener.said, [*before, "last"])


class ByHand(SubscriberTest):
    def test_the_program_prints_a_line_for_each_event_and_ends_at_sigterm(self) -> None:
        for words in (["-m", "tickstock_cache.subscriber"], [str(MODULES / "cache_sync_subscriber.py")]):
            with self.subTest(words=words):
                self.check_program(words)

    def check_program(self, words: list[str]) -> None:
        program = subprocess.Popen(
            [sys.executable, "-B", *words], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(MODULES), "REDIS_URL": servers().environment["REDIS_URL"]})
        with program:
            self.addCleanup(program.kill)
            assert program.stdout is not None
            self.assertEqual(program.stdout.readline(), f"read all again: {NEW}\n")
            self.publish(updated("top_100"), completed(["top_100"]))
            self.assertEqual([program.stdout.readline() for _ in range(3)],
                             ["tickstock:universe:updated universe_updated night top_100\n", "read again: top_100\n",
                              "tickstock:cache:sync_complete cache_sync_completed night completed\n"])
            program.send_signal(signal.SIGTERM)
            self.assertEqual(program.wait(20), 0)

    def test_the_program_ends_if_nobody_reads(self) -> None:
        program = subprocess.Popen(
            [sys.executable, "-B", "-m", "tickstock_cache.subscriber"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "PYTHONPATH": str(MODULES), "REDIS_URL": servers().environment["REDIS_URL"]})
        with program:
            self.addCleanup(program.kill)
            assert program.stdout is not None and program.stderr is not None
            self.assertEqual(program.stdout.readline(), f"read all again: {NEW}\n")
            program.stdout.close()
            self.publish(updated("top_100"))
            self.assertEqual(program.wait(20), 0)
            self.assertEqual(program.stderr.read(), "")

    def test_an_unusable_address_is_said(self) -> None:
        done = subprocess.run(
            [sys.executable, "-B", "-m", "tickstock_cache.subscriber"], stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(MODULES), "REDIS_URL": "redis://job:s3cr3t@host:port"})
        self.assertEqual((done.stderr, done.returncode),
                         ("REDIS_URL is not usable: the URL of Redis can't be read; write redis://host:6379/0\n", 64))


class Channels(unittest.TestCase):
    def test_they_are_those_of_the_program(self) -> None:
        header = Path(__file__).resolve().parents[2] / "lib" / "events" / "messages.hpp"
        for channel in CHANNELS:
            self.assertIn(f'"{channel}"', header.read_text(encoding="utf-8"))
        self.assertEqual(header.read_text(encoding="utf-8").count('"tickstock:'), len(CHANNELS))


if __name__ == "__main__":
    unittest.main()

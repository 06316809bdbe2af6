"""The subscriber to the outbox: where it starts, what wakes it up, what fails, a log that was pruned or restored."""

import asyncio
import os
import signal
import threading
import unittest
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import redis
import redis.asyncio
from listeners import FollowingTest, Listener, OwnRedis, completed, store, updated
from support import Scene, Session, new_folder, wait_until

from tickstock_cache import aio, core, cursor, outbox, subscriber
from tickstock_cache.subscriber import Callbacks, FileCursor, MemoryCursor

NEW = "* the cursor is new"
LATER = 3600.0


class CursorTest(FollowingTest):
    def setUp(self) -> None:
        super().setUp()
        self.scene = Scene()

    def follow(self, listener: Optional[Listener] = None, cursor: Any = None, poll: float = 0.05,
               **more: Any) -> Listener:
        listener = listener or Listener()
        self.addCleanup(listener.stop)
        kind = aio.AsyncCursorSubscriber if self.on_loop else subscriber.CursorSubscriber
        return listener.start(kind(self.scene.database.url, listener.on_universe, listener.on_refresh,
                                   cursor=cursor or MemoryCursor(), poll=poll, **more))

    def store(self, names: str) -> list[int]:
        return store(self.scene, *(updated(name) for name in names.split()))


class Following(CursorTest):
    def test_it_begins_now_after_reading_all(self) -> None:
        listener = self.follow()
        listener.wait_for(NEW)
        self.store("a b")
        listener.wait_for(NEW, "a", "b")

    def test_it_may_begin_at_an_id(self) -> None:
        first, second, _ = self.store("a b c")
        self.follow(start=second - 1).wait_for("b", "c")

    def test_a_message_wakes_it_up(self) -> None:
        listener = self.follow(poll=LATER, redis=self.redis_url)
        channel = updated("x")[0]
        wait_until("the subscription", lambda: self.redis.pubsub_numsub(channel)[0][1] >= 1)
        self.store("a")
        self.redis.publish(*updated("a"))
        listener.wait_for(NEW, "a")
        self.store("b")
        self.redis.publish(channel, "whatever")
        listener.wait_for(NEW, "a", "b")

    def test_it_goes_on_where_it_was(self) -> None:
        path = new_folder() / "cursor"
        first = self.follow(cursor=FileCursor(path))
        first.wait_for(NEW)
        [a] = self.store("a")
        first.wait_for(NEW, "a")
        wait_until("the cursor", lambda: path.read_text() == f"{a}\n")
        first.stop()
        self.store("b")
        self.follow(cursor=FileCursor(path)).wait_for("b")

    def test_the_cursor_may_be_the_applications(self) -> None:
        kept: list[int] = []

        def save(last: int) -> None:
            if len(kept) == 1 and not refused:
                refused.append(last)
                raise OSError("the disk is full")
            kept.append(last)

        refused: list[int] = []
        ids = self.store("a b c")
        listener = self.follow(cursor=Callbacks(lambda: kept[-1] if kept else ids[0] - 1, save))
        listener.wait_for("a", "b", "c")
        wait_until("the cursor", lambda: kept == ids)
        self.assertEqual(refused, [ids[1]])

    def test_more_than_one_reading_has(self) -> None:
        names = [f"u{number}" for number in range(250)]
        [first, *_] = self.store(" ".join(names))
        self.follow(start=first - 1).wait_for(*names)

    def test_a_short_list_is_read_as_a_whole(self) -> None:
        [first, *_] = store(self.scene, updated("a"), completed(["a", "b"], omitted=1), updated("c"))
        self.follow(start=first - 1).wait_for(
            "a", "* run night changed universes that no event has named", "c")


class FollowingOnLoop(Following):
    on_loop = True


class Failures(CursorTest):
    def test_what_fails_is_tried_again_in_order(self) -> None:
        [first, *_] = self.store("a b")
        listener = Listener()
        listener.refuse = {"a": core.ATTEMPTS - 1}
        self.follow(listener, start=first - 1).wait_for("a", "b")
        self.assertEqual(listener.failed, ["a"] * (core.ATTEMPTS - 1))

    def test_what_keeps_failing_leads_to_reading_all(self) -> None:
        [first, *_] = self.store("a b")
        listener = Listener()
        listener.refuse = {"a": 1_000_000, "*": 2}
        self.follow(listener, start=first - 1).wait_for("* an event could not be used", "b")
        self.assertEqual(listener.failed, ["a"] * core.ATTEMPTS + ["*"] * 2)

    def test_a_first_reading_that_fails_is_repeated(self) -> None:
        listener = Listener()
        listener.refuse = {"*": 2}
        self.follow(listener).wait_for(NEW)

    def test_what_stop_finds_unused_is_used_by_the_next(self) -> None:
        cursor = FileCursor(new_folder() / "cursor")
        [first, *_] = self.store("a b")
        cursor.save(first - 1)
        listener = Listener()
        listener.hold = threading.Event()
        self.follow(listener, cursor=cursor)
        listener._subscriber.stop()
        listener.hold.set()
        listener.stop()
        self.assertIn(listener.said, ([], ["a"]))
        other = self.follow(cursor=cursor)
        wait_until("both", lambda: listener.said + other.said == ["a", "b"])

    def test_postgresql_is_lost_and_comes_back(self) -> None:
        listener = self.follow()
        listener.wait_for(NEW)
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            self.scene.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                             "WHERE application_name = 'tickstock_cache' AND datname = current_database()")
            wait_until("the loss to be noticed", lambda: "trying again" in " ".join(logged.output))
        self.store("a")
        listener.wait_for(NEW, "a")

    def test_redis_is_lost_and_comes_back(self) -> None:
        server = OwnRedis(self)
        listener = self.follow(redis=server.url, poll=0.1)
        channel = updated("x")[0]
        wait_until("the subscription", lambda: server.client.pubsub_numsub(channel)[0][1] == 1)
        server.kill()
        self.store("a")
        listener.wait_for(NEW, "a")
        server.start()
        wait_until("the subscription", lambda: server.client.pubsub_numsub(channel)[0][1] == 1)
        self.store("b")
        listener.wait_for(NEW, "a", "b")

    def test_a_postgresql_that_hangs_is_given_up(self) -> None:
        for name in ("ANSWER_SECONDS", "MARGIN_SECONDS"):
            self.enterContext(mock.patch.object(outbox, name, 1))
        listener = self.follow()
        listener.wait_for(NEW)
        backend = int(self.scene.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'tickstock_cache' "
                                       "AND datname = current_database()"))
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            os.kill(backend, signal.SIGSTOP)
            try:
                wait_until("the silence to be noticed", lambda: "trying again" in " ".join(logged.output))
            finally:
                os.kill(backend, signal.SIGCONT)
        self.store("a")
        listener.wait_for(NEW, "a")

    def test_a_redis_that_falls_silent_is_replaced(self) -> None:
        self.enterContext(mock.patch.object(cursor, "ANSWER_SECONDS", 1.0))
        server = OwnRedis(self)
        listener = self.follow(redis=server.url, poll=0.1)
        channel = updated("x")[0]
        wait_until("the subscription", lambda: server.client.pubsub_numsub(channel)[0][1] == 1)
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            server.send_signal(signal.SIGSTOP)
            wait_until("the silence to be noticed", lambda: "Redis is silent" in " ".join(logged.output))
            self.store("a")
            listener.wait_for(NEW, "a")
            server.send_signal(signal.SIGCONT)
            wait_until("the subscription", lambda: server.client.pubsub_numsub(channel)[0][1] == 1)
        self.store("b")
        listener.wait_for(NEW, "a", "b")

    def test_a_client_that_decodes_outlives_what_is_not_utf_8(self) -> None:
        make = (redis.asyncio.Redis if self.on_loop else redis.Redis).from_url
        listener = self.follow(redis=lambda: make(self.redis_url, decode_responses=True), poll=LATER)
        channel = updated("x")[0]
        listener.wait_for(NEW)
        wait_until("the subscription", lambda: self.redis.pubsub_numsub(channel)[0][1] >= 1)
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            self.redis.publish(channel, b"\xff\xfe")
            wait_until("it to be noticed", lambda: "trying Redis again" in " ".join(logged.output))
        # A new subscription wakes it up.
        self.store("a")
        listener.wait_for(NEW, "a")

    def test_what_was_pruned_leads_to_reading_all(self) -> None:
        first, _, third = self.store("a b c")
        self.scene.query(f"DELETE FROM cache_sync_outbox WHERE id < {third}")
        self.follow(start=first).wait_for("* the outbox no longer has what comes next", "c")

    def test_a_database_that_was_restored_leads_to_reading_all(self) -> None:
        [first] = self.store("a")
        listener = self.follow(start=first + 1000)
        listener.wait_for("* the outbox went back")
        self.store("b")
        listener.wait_for("* the outbox went back", "b")

    def test_a_password_is_not_logged(self) -> None:
        for url in ("postgresql://job:s3cr3t@127.0.0.1:1/none", "postgresql://job:s3cr3t@h:port/none",
                    "postgresql://job:s3cr@t3t@127.0.0.1:1/x", "host=127.0.0.1 port=1 password=s3cr3t",
                    "postgresql://job:s3cr3t@[::1/none", "postgresql:/job:s3cr3t@127.0.0.1/x", "job:s3cr3t@h/x",
                    "password=ab s3cr3t", "postgresql://job:12,s3cr3t/@h"):
            self.scene.database.url = url
            with self.subTest(url=url), self.assertLogs("tickstock_cache", "WARNING") as logged:
                listener = self.follow(start=0)
                wait_until("an attempt", lambda: logged.output)
                listener.stop()
            self.assertNotRegex(" ".join(logged.output), "s3cr|t3t")


class FailuresOnLoop(Failures):
    on_loop = True

    def test_cancelling_its_task_ends_it_in_the_middle_of_a_question(self) -> None:
        [first] = self.store("a")

        async def cancel() -> str:
            used = asyncio.Event()
            follower = aio.AsyncCursorSubscriber(self.scene.database.url, lambda *_: used.set(), lambda _: None,
                                                 cursor=MemoryCursor(), poll=0.05, start=first - 1)
            task = asyncio.ensure_future(follower.run())
            await asyncio.wait_for(used.wait(), 30)
            with Session(self.scene.database, "LOCK TABLE cache_sync_outbox"):
                while self.scene.query("SELECT count(*) FROM pg_locks WHERE NOT granted") == "0":
                    await asyncio.sleep(0.05)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                return self.scene.query("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' "
                                        "AND granted AND relation = 'cache_sync_outbox'::regclass")

        # The lock is still there, so it did not wait for an answer.
        self.assertEqual(asyncio.run(cancel()), "1")


class Files(unittest.TestCase):
    def test_a_file_is_replaced_as_a_whole(self) -> None:
        path = new_folder() / "cursor"
        cursor = FileCursor(str(path))
        self.assertIsNone(cursor.load())
        cursor.save(7)
        cursor.save(8)
        self.assertEqual(cursor.load(), 8)
        self.assertEqual([file.name for file in Path(path.parent).iterdir()], ["cursor"])
        path.write_text("x")
        with self.assertRaises(ValueError):
            cursor.load()

    def test_names_of_tables(self) -> None:
        self.assertEqual(outbox.quoted('a.b"c'), '"a"."b""c"')
        scene = Scene()
        scene.query('CREATE TABLE "a%b" AS SELECT * FROM cache_sync_outbox LIMIT 2')
        odd = outbox.Outbox(scene.database.url, "a%b")
        self.addCleanup(odd.close)
        ids = [row.id for row in odd.read(0, 10)]
        self.assertEqual(len(ids), 2)
        self.assertEqual(odd.bounds(), outbox.Bounds(ids[0], ids[1]))


if __name__ == "__main__":
    unittest.main()

"""The subscriber to the stream: its group, pending entries, failures, trimming, a Redis that comes back."""

import threading
import time
import unittest
from typing import Any

import redis
import redis.asyncio.sentinel
import redis.sentinel
from listeners import (COMPLETED, UPDATED, Certificate, FollowingTest, Listener, OwnRedis, completed, free_port, store,
                       updated)
from support import Scene, wait_until

from tickstock_cache import aio, ports, subscriber

NEW = "* the group is new"
TRIMMED = "* the stream was trimmed before it was read"
DELETED = "* the stream or its group was deleted"
GONE = "* a pending entry was trimmed"
RESTARTED = "* Redis was restarted, or is another one"


class StopsAfterOne(Listener):
    def on_universe(self, universe: str, event: subscriber.Event) -> None:
        super().on_universe(universe, event)
        self._subscriber.stop()


class Holding(Listener):
    """Waits in each callback for one universe until it is released."""

    def __init__(self, universe: str) -> None:
        super().__init__()
        self.inside, self.release = threading.Event(), threading.Event()
        self._universe = universe

    def on_universe(self, universe: str, event: subscriber.Event) -> None:
        if universe == self._universe and self.refuse.get(universe, 0) == 0:
            self.inside.set()
            self.release.wait(30)
        super().on_universe(universe, event)

    def stop(self) -> None:
        self.release.set()
        super().stop()


class Group(FollowingTest):
    def test_a_new_one_begins_now_after_reading_all(self) -> None:
        self.add_names("old")
        listener = self.follow_stream()
        self.wait_for_group()
        self.add_names("a b", first=2)
        listener.wait_for(NEW, "a", "b")
        self.wait_for_acknowledged()

    def test_a_new_one_may_begin_at_the_first(self) -> None:
        self.add_names("a b")
        self.follow_stream(start="0").wait_for("a", "b")
        self.wait_for_acknowledged()

    def test_a_stream_that_is_not_there_is_made(self) -> None:
        listener = self.follow_stream(start="0")
        self.wait_for_group()
        self.add_names("a")
        listener.wait_for("a")

    def test_no_group_is_made_before_all_was_read(self) -> None:
        listener = self.follow_stream(refuse={"*": 1_000_000})
        wait_until("an attempt", lambda: len(listener.failed) > 1)
        self.assertEqual(self.redis.exists(self.stream), 0)

    def test_an_event_that_comes_twice_is_used_once_and_a_short_list_is_read_as_a_whole(self) -> None:
        listener = self.follow_stream(start="0")
        self.add(1, updated("a"))
        self.add(2, updated("a"))
        # Other consumers may have had the others, so only entries that nobody received are read.
        self.add(3, completed(["a", "b"]))
        self.add(4, completed(["a"], omitted=1, run_id="short"))
        listener.wait_for("a", "* run short changed universes that no event has named")
        self.wait_for_acknowledged()

    def test_what_is_no_event_does_no_harm(self) -> None:
        listener = self.follow_stream(start="0")
        self.redis.xadd(self.stream, {"x": "y"}, id="1-0")
        self.redis.xadd(self.stream, {"channel": "tickstock:universe:updated",
                                      "message": '{"event_id": "x", "payload": {}}'}, id="2-0")
        listener.wait_for("* an event could not be used")
        self.redis.xadd(self.stream, {"channel": COMPLETED, "message": completed([], run_id="x")[1].replace(
            '"universe_events_omitted": 0', '"universe_events_omitted": 1e999')}, id="3-0")
        self.add_names("a", first=4)
        listener.wait_for("* an event could not be used", "* an event could not be used", "a")
        self.wait_for_acknowledged()


class GroupOnLoop(Group):
    on_loop = True


class Pending(FollowingTest):
    def test_after_a_restart_what_is_pending_comes_first(self) -> None:
        first = self.follow_stream(start="0", refuse={"a": 1_000_000})
        self.add_names("a b")
        first.wait_for("b")
        wait_until("a failure", lambda: "a" in first.failed)
        first.stop()
        self.assertEqual(self.pending(), 1)
        self.add_names("c", first=3)
        self.follow_stream().wait_for("a", "c")
        self.wait_for_acknowledged()

    def test_what_fails_is_tried_again_while_others_go_on(self) -> None:
        listener = self.follow_stream(start="0", refuse={"a": 3})
        self.add_names("a b")
        listener.wait_for("b", "a")
        self.assertEqual(listener.failed, ["a"] * 3)
        self.wait_for_acknowledged()

    def test_what_stop_finds_unused_stays_pending(self) -> None:
        self.add_names("a b")
        listener = Holding("a")
        self.addCleanup(listener.stop)
        listener.start(self.stream_subscriber(listener, start="0"))
        listener.inside.wait(30)
        self.assertEqual(self.pending(), 2)
        listener._subscriber.stop()
        listener.stop()
        self.assertEqual((listener.said, self.pending()), (["a"], 1))
        self.follow_stream().wait_for("b")

    def test_a_dead_colleague_is_taken_over_from(self) -> None:
        self.add_names("a b")
        self.redis.xgroup_create(self.stream, "group", "0")
        self.redis.xreadgroup("group", "dead", {self.stream: ">"}, count=1)
        listener = self.follow_stream(claim_after=0.2)
        wait_until("both", lambda: sorted(listener.said) == ["a", "b"])
        self.wait_for_acknowledged()

    def test_nobody_is_taken_over_from_too_early(self) -> None:
        self.add_names("a b")
        self.redis.xgroup_create(self.stream, "group", "0")
        self.redis.xreadgroup("group", "slow", {self.stream: ">"}, count=1)
        listener = self.follow_stream(claim_after=3600)
        self.add_names("c", first=3)
        listener.wait_for("b", "c")

    def test_two_share_the_work(self) -> None:
        hold = threading.Event()
        both = [self.follow_stream(consumer, start="0", hold=hold) for consumer in ("one", "two")]
        self.wait_for_group()
        names = [f"u{number}" for number in range(40)]
        self.add_names(" ".join(names))
        # Each has taken a part and works on its first entry.
        wait_until("two consumers", lambda: len(self.redis.xpending(self.stream, "group")["consumers"]) == 2)
        hold.set()
        wait_until("all", lambda: len(both[0].said + both[1].said) >= 40)
        self.assertEqual(sorted(both[0].said + both[1].said), sorted(names))
        self.assertTrue(both[0].said and both[1].said)
        self.wait_for_acknowledged()

    def test_one_that_fails_is_retried_however_long_another_takes(self) -> None:
        class Slow(Listener):
            def on_universe(self, universe: str, event: subscriber.Event) -> None:
                if universe == "b":
                    time.sleep(1)
                super().on_universe(universe, event)

        self.add_names("a b")
        listener = Slow()
        listener.refuse = {"a": 3, "b": 1}
        self.addCleanup(listener.stop)
        listener.start(self.stream_subscriber(listener, start="0", claim_after=3600.0))
        wait_until("both", lambda: sorted(listener.said) == ["a", "b"])
        self.wait_for_acknowledged()


class PendingOnLoop(Pending):
    on_loop = True


class Gaps(FollowingTest):
    def leave(self, scene: Any = None) -> None:
        """Makes a group read `a` and go away, and adds `b c d`."""
        names = [updated(name) for name in "abcd"]
        self.ids = store(scene, *names) if scene else [1, 2, 3, 4]
        self.read_first(self.ids[0], names[0])
        for number, event in zip(self.ids[1:], names[1:]):
            self.add(number, event)

    def read_first(self, number: int, event: tuple[str, str]) -> None:
        """Makes a group read `a` and go away."""
        self.add(number, event)
        listener = self.follow_stream(start="0")
        listener.wait_for("a")
        self.wait_for_acknowledged()
        listener.stop()

    def test_what_was_trimmed_leads_to_reading_all(self) -> None:
        self.leave()
        self.redis.xtrim(self.stream, maxlen=1, approximate=False)
        self.follow_stream().wait_for(TRIMMED, "d")

    def test_what_was_trimmed_comes_from_the_outbox(self) -> None:
        scene = Scene()
        self.leave(scene)
        self.redis.xtrim(self.stream, maxlen=1, approximate=False)
        self.follow_stream(outbox=scene.database.url).wait_for("b", "c", "d")

    def test_all_was_trimmed(self) -> None:
        self.leave()
        self.redis.xtrim(self.stream, maxlen=0, approximate=False)
        listener = self.follow_stream()
        listener.wait_for(TRIMMED)
        self.add_names("e", first=5)
        listener.wait_for(TRIMMED, "e")

    def test_trimming_what_was_read_is_no_gap(self) -> None:
        self.leave()
        self.redis.xtrim(self.stream, minid=self.ids[0], approximate=False)
        self.follow_stream().wait_for("b", "c", "d")

    def test_what_the_outbox_lacks_too_leads_to_reading_all(self) -> None:
        scene = Scene()
        self.leave(scene)
        self.redis.xtrim(self.stream, maxlen=1, approximate=False)
        scene.query(f"DELETE FROM cache_sync_outbox WHERE id < {self.ids[2]}")
        self.follow_stream(outbox=scene.database.url).wait_for(TRIMMED, "d")

    def test_an_outbox_that_is_away_leads_to_reading_all(self) -> None:
        self.leave()
        self.redis.xtrim(self.stream, maxlen=1, approximate=False)
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            self.follow_stream(outbox="postgresql://job:s3cr3t@127.0.0.1:1/none").wait_for(TRIMMED, "d")
        self.assertIn("the outbox can't be read", " ".join(logged.output))
        self.assertNotIn("s3cr3t", " ".join(logged.output))

    def test_nothing_behind_a_gap_is_read_before_it_is_closed(self) -> None:
        self.leave()
        self.redis.xtrim(self.stream, maxlen=1, approximate=False)
        first = self.follow_stream(refuse={"*": 1_000_000})
        wait_until("an attempt", lambda: len(first.failed) > 1)
        first.stop()
        # The next consumer finds the same gap.
        self.follow_stream().wait_for(TRIMMED, "d")

    def test_a_pending_entry_that_was_trimmed(self) -> None:
        for trimmed_by, more in (("one", {}), ("dead", {"claim_after": 0.1})):
            with self.subTest(consumer=trimmed_by):
                self.redis.delete(self.stream)
                self.add_names("a b")
                self.redis.xgroup_create(self.stream, "group", "0")
                self.redis.xreadgroup("group", trimmed_by, {self.stream: ">"}, count=1)
                self.redis.xdel(self.stream, "1-0")
                listener = self.follow_stream(**more)
                wait_until("both", lambda: sorted(listener.said) == [GONE, "b"])
                self.wait_for_acknowledged()
                listener.stop()

    def test_a_pending_entry_that_was_trimmed_comes_from_the_outbox(self) -> None:
        scene = Scene()
        [number] = store(scene, updated("a"))
        self.add(number, updated("a"))
        self.redis.xgroup_create(self.stream, "group", "0")
        self.redis.xreadgroup("group", "one", {self.stream: ">"})
        self.redis.xdel(self.stream, f"{number}-0")
        self.follow_stream(outbox=scene.database.url).wait_for("a")
        self.wait_for_acknowledged()

    def test_what_a_dead_colleague_left_and_was_trimmed_outlives_a_stop(self) -> None:
        scene = Scene()
        names = [updated(name) for name in "abc"]
        for number, event in zip(store(scene, *names), names):
            self.add(number, event)
        self.redis.xgroup_create(self.stream, "group", "0")
        self.redis.xreadgroup("group", "dead", {self.stream: ">"})
        self.redis.xtrim(self.stream, maxlen=0, approximate=False)
        more = {"claim_after": 0.1, "outbox": scene.database.url}
        first = StopsAfterOne()
        first.start(self.stream_subscriber(first, **more))
        wait_until("the first of them", lambda: first.said == ["a"])
        first.stop()
        self.assertEqual((first.said, self.pending()), (["a"], 2))
        second = self.follow_stream(**more)
        second.wait_for("b", "c")
        self.wait_for_acknowledged()

    def test_a_stream_that_is_deleted(self) -> None:
        listener = self.follow_stream(start="0")
        self.wait_for_group()
        self.add_names("a b")
        listener.wait_for("a", "b")
        self.redis.delete(self.stream)
        listener.wait_for("a", "b", DELETED)
        self.wait_for_group()
        # A restored database counts from the beginning.
        self.add_names("c")
        listener.wait_for("a", "b", DELETED, "c")

    def test_a_group_that_is_deleted_goes_on_where_it_was(self) -> None:
        scene = Scene()
        ids = store(scene, *(updated(name) for name in "abc"))
        listener = self.follow_stream(start="0", outbox=scene.database.url)
        self.wait_for_group()
        self.add(ids[0], updated("a"))
        listener.wait_for("a")
        self.redis.xgroup_destroy(self.stream, "group")
        listener.wait_for("a", "b", "c")
        self.wait_for_group()
        # These are the same, and known.
        self.add(ids[1], updated("b"))
        self.add(ids[2], updated("c"))
        self.add(ids[2] + 1, updated("d"))
        listener.wait_for("a", "b", "c", "d")

    def test_trimming_while_a_gap_is_closed_is_another_gap(self) -> None:
        scene, names = Scene(), [updated(name) for name in "abcdefg"]
        ids = store(scene, *names)
        self.read_first(ids[0], names[0])
        for number, event in zip(ids[1:5], names[1:5]):
            self.add(number, event)
        self.redis.xtrim(self.stream, minid=f"{ids[3]}-0", approximate=False)
        second = Holding("b")
        self.addCleanup(second.stop)
        second.start(self.stream_subscriber(second, outbox=scene.database.url))
        second.inside.wait(30)
        for number, event in zip(ids[5:], names[5:]):
            self.add(number, event)
        self.redis.xtrim(self.stream, minid=f"{ids[5]}-0", approximate=False)
        second.release.set()
        second.wait_for(*"bcdefg")

    def test_all_that_was_trimmed_comes_from_the_outbox(self) -> None:
        scene = Scene()
        self.leave(scene)
        self.redis.xtrim(self.stream, maxlen=0, approximate=False)
        listener = self.follow_stream(outbox=scene.database.url)
        listener.wait_for("b", "c", "d")
        [number] = store(scene, updated("e"))
        self.add(number, updated("e"))
        listener.wait_for("b", "c", "d", "e")

    def test_trimming_during_a_retry_is_noticed_before_what_comes_next_is_used(self) -> None:
        scene, names = Scene(), [updated(name) for name in "abcdef"]
        ids = store(scene, *names)
        first = Holding("a")
        first.refuse = {"a": 1}
        self.addCleanup(first.stop)
        first.start(self.stream_subscriber(first, start="0", outbox=scene.database.url))
        self.wait_for_group()
        self.add(ids[0], names[0])
        first.inside.wait(30)
        for number, event in zip(ids[1:5], names[1:5]):
            self.add(number, event)
        self.redis.xtrim(self.stream, minid=f"{ids[3]}-0", approximate=False)
        first.release.set()
        first.wait_for(*"abcde")

    def test_an_outbox_that_is_empty_or_behind_fills_no_gap(self) -> None:
        for deleted in ("true", "id > {}"):
            with self.subTest(deleted=deleted):
                self.redis.delete(self.stream)
                scene = Scene()
                self.leave(scene)
                self.redis.xtrim(self.stream, maxlen=1, approximate=False)
                scene.query("DELETE FROM cache_sync_outbox WHERE " + deleted.format(self.ids[0]))
                listener = self.follow_stream(outbox=scene.database.url)
                listener.wait_for(TRIMMED, "d")
                listener.stop()

    def test_a_pending_entry_that_the_outbox_lacks_too_leads_to_reading_all(self) -> None:
        scene = Scene()
        numbers = store(scene, updated("before"), updated("a"), updated("b"))
        self.add(numbers[1], updated("a"))
        self.redis.xgroup_create(self.stream, "group", "0")
        self.redis.xreadgroup("group", "one", {self.stream: ">"})
        self.redis.xdel(self.stream, f"{numbers[1]}-0")
        scene.query(f"DELETE FROM cache_sync_outbox WHERE id = {numbers[1]}")
        listener = self.follow_stream(outbox=scene.database.url)
        listener.wait_for(GONE)
        self.add(numbers[2], updated("b"))
        listener.wait_for(GONE, "b")

    def test_what_a_dead_colleague_left_outlives_the_stream(self) -> None:
        scene, names = Scene(), [updated(name) for name in "abc"]
        for number, event in zip(store(scene, *names), names):
            self.add(number, event)
        self.redis.xgroup_create(self.stream, "group", "0")
        self.redis.xreadgroup("group", "dead", {self.stream: ">"}, count=2)
        listener = self.follow_stream(outbox=scene.database.url)
        listener.wait_for("c")
        wait_until("only those to be pending", lambda: self.pending() == 2)
        self.redis.delete(self.stream)
        wait_until("all", lambda: sorted(listener.universes[-3:]) == ["a", "b", "c"])

    def test_the_outbox_is_asked_anew_for_each_gap(self) -> None:
        scene = Scene()
        sessions = ("FROM pg_stat_activity WHERE application_name = 'tickstock_cache' "
                    "AND datname = current_database()")
        [number] = store(scene, updated("a"))
        listener = self.follow_stream(start="0", outbox=scene.database.url)
        self.wait_for_group()
        self.add(number, updated("a"))
        listener.wait_for("a")
        self.wait_for_acknowledged()
        for name in "bc":
            store(scene, updated(name))
            self.redis.xgroup_destroy(self.stream, "group")
            wait_until(name, lambda: listener.said[-1] == name)
            self.wait_for_group()
            self.assertEqual(scene.query("SELECT count(*) " + sessions), "0")
        self.assertEqual(listener.refreshes, [])


class GapsOnLoop(Gaps):
    on_loop = True


class Restarts(FollowingTest):
    def follow_own(self, server: OwnRedis) -> Any:
        listener = self.follow_stream(url=server.url, start="0")
        self.wait_for_group(server.client)
        self.add(1, updated("a"), server.client)
        listener.wait_for("a")
        return listener

    def test_with_a_log_nothing_is_lost(self) -> None:
        server = OwnRedis(self, "--appendonly", "yes", "--appendfsync", "always")
        listener = self.follow_own(server)
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            server.kill()
            wait_until("the loss to be noticed", lambda: "trying again" in " ".join(logged.output))
            server.start()
            self.add(2, updated("b"), server.client)
            # It is unknown whether the log had everything.
            listener.wait_for("a", RESTARTED, "b")
        self.wait_for_acknowledged(server.client)

    def test_who_may_not_ask_for_the_server_takes_each_lost_connection_for_a_gap(self) -> None:
        server = OwnRedis(self)
        server.client.acl_setuser("limited", enabled=True, nopass=True, keys=["*"], channels=["*"],
                                  categories=["+@all"], commands=["-info"])
        server.url = server.url.replace("//", "//limited:x@")
        listener = self.follow_own(server)
        with self.assertLogs("tickstock_cache", "WARNING"):
            def lost() -> bool:
                server.client.client_kill_filter(_type="normal", skipme=True)
                return RESTARTED in listener.said
            wait_until("reading all", lost)
        self.add(2, updated("b"), server.client)
        wait_until("b", lambda: listener.universes == ["a", "b"])

    def test_without_one_all_is_read_again(self) -> None:
        server = OwnRedis(self)
        listener = self.follow_own(server)
        server.kill()
        server.start()
        wait_until("reading all", lambda: DELETED in listener.said)
        self.wait_for_group(server.client)
        self.add(1, updated("b"), server.client)
        wait_until("b", lambda: listener.universes == ["a", "b"])

    def test_a_lost_connection_alone_is_no_gap(self) -> None:
        listener = self.follow_stream(start="0")
        self.wait_for_group()
        self.add_names("a")
        listener.wait_for("a")
        self.redis.client_kill_filter(_type="normal", skipme=True)
        self.add_names("b", first=2)
        listener.wait_for("a", "b")

    def test_a_restart_during_a_callback_is_noticed(self) -> None:
        server = OwnRedis(self, "--appendonly", "yes", "--appendfsync", "always")
        hold = threading.Event()
        listener = self.follow_stream(url=server.url, start="0", hold=hold)
        self.wait_for_group(server.client)
        self.add(1, updated("a"), server.client)
        wait_until("the callback", lambda: self.pending(server.client) == 1)
        server.kill()
        server.start()
        hold.set()
        wait_until("reading all", lambda: RESTARTED in listener.said)
        self.wait_for_acknowledged(server.client)
        self.assertEqual(listener.universes, ["a"])

    def test_a_restart_before_anything_was_read_is_closed_from_the_outbox(self) -> None:
        for colleague in (True, False):
            with self.subTest(colleague=colleague):
                self.restart_at_the_second_look(colleague)

    def restart_at_the_second_look(self, colleague: bool) -> None:
        """Restarts Redis after a new consumer, of a new group or not, has asked which server it is."""
        scene = Scene()
        ids = store(scene, updated("a"), updated("b"))
        server = OwnRedis(self, "--appendonly", "yes", "--appendfsync", "always")
        self.add(ids[0], updated("a"), server.client)
        if colleague:
            server.client.xgroup_create(self.stream, "group", "0")
            server.client.xreadgroup("group", "two", {self.stream: ">"}, noack=True)
        make = (ports.factory(server.url, redis.asyncio, redis.asyncio.sentinel) if self.on_loop else
                ports.factory(server.url, redis, redis.sentinel))
        looks: list[str] = []

        def client_that_kills() -> Any:
            client = make()
            look = client.xinfo_stream

            def looked(stream: str) -> Any:
                looks.append(stream)
                if len(looks) == 2:
                    server.kill()
                return look(stream)
            client.xinfo_stream = looked
            return client

        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            listener = self.follow_stream(url=client_that_kills, start="0", outbox=scene.database.url)
            wait_until("the loss to be noticed", lambda: "trying again" in " ".join(logged.output))
            server.start()
            # "b" is not in the stream, as if the restart had lost it.
            listener.wait_for(*scene.query(
                "SELECT message::jsonb -> 'payload' ->> 'universe' FROM cache_sync_outbox "
                f"WHERE channel = '{UPDATED}' AND id > {ids[0] if colleague else 0} ORDER BY id").split())

    def test_a_restart_during_a_retry_is_noticed_before_what_comes_next_is_used(self) -> None:
        scene, names = Scene(), [updated(name) for name in "abc"]
        ids = store(scene, *names)
        server = OwnRedis(self, "--appendonly", "yes", "--appendfsync", "always")
        listener = Holding("a")
        listener.refuse = {"a": 1}
        self.addCleanup(listener.stop)
        listener.start(self.stream_subscriber(listener, url=server.url, start="0", outbox=scene.database.url))
        self.wait_for_group(server.client)
        self.add(ids[0], names[0], server.client)
        listener.inside.wait(30)
        server.kill()
        server.start()
        # "b" is not in the stream, as if the restart had lost it.
        self.add(ids[2], names[2], server.client)
        listener.release.set()
        wait_until("all", lambda: "c" in listener.said)
        self.assertEqual([name for name in listener.said if name in "abc"], ["a", "b", "c"])
        self.assertEqual(listener.refreshes, [])


class RestartsOnLoop(Restarts):
    on_loop = True


def is_primary(client: Any) -> bool:
    """Returns whether a server is a primary; a Sentinel disconnects the clients of the node that it promotes."""
    try:
        return bool(client.info("replication")["role"] == "master")
    except redis.ConnectionError:
        return False


class Sentinels(FollowingTest):
    """A failover, with a URL of Sentinels."""

    def test_a_failover(self) -> None:
        first = OwnRedis(self, "--appendonly", "no")
        second = OwnRedis(self, "--replicaof", "127.0.0.1", str(first.port))
        sentinel = OwnRedis(self, sentinel=True, config=(
            f"sentinel monitor tick 127.0.0.1 {first.port} 1\nsentinel down-after-milliseconds tick 300\n"
            "sentinel failover-timeout tick 2000\n"))
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/tick/0"
        listener = self.follow_stream(url=url, start="0")
        kind: Any = aio.AsyncPubSubSubscriber if self.on_loop else subscriber.PubSubSubscriber
        hearing = self.listen(lambda it: kind(url, it.on_universe, it.on_refresh))
        hearing.wait_for("* the subscription is new")
        self.wait_for_group(first.client)
        self.add(1, updated("a"), first.client)
        listener.wait_for("a")
        self.wait_for_acknowledged(first.client)
        first.client.wait(1, 10_000)
        wait_until("the Sentinel to know the replica", lambda: sentinel.client.execute_command(
            "SENTINEL", "REPLICAS", "tick"))
        with self.assertLogs("tickstock_cache", "WARNING"):
            first.kill()
            wait_until("the failover", lambda: is_primary(second.client))
            wait_until("another subscription", lambda: hearing.refreshes == ["the subscription is new"] * 2)
            self.add(2, updated("b"), second.client)
            listener.wait_for("a", RESTARTED, "b")
            wait_until("b", lambda: hearing.universes == ["a", "b"])
        self.wait_for_acknowledged(second.client)


class SentinelsOnLoop(Sentinels):
    on_loop = True


class Encrypted(FollowingTest):
    """A server is used only if it proves that it is the one of the URL."""

    number = 0

    def expect(self, server: OwnRedis, url: str, said: str = "") -> None:
        """Checks that an entry arrives; or if something is said, that nothing does."""
        self.number += 1
        self.add(self.number, updated("a"), server.client)
        if not said:
            listener = self.follow_stream(url=url, start="0")
            listener.wait_for("a")
        else:
            with self.assertLogs("tickstock_cache", "WARNING") as logged:
                listener = self.follow_stream(url=url, start="0")
                wait_until(said, lambda: said in str(logged.output))
            self.assertEqual(listener.said, [])
        listener.stop()

    def test_the_host_must_be_that_of_the_certificate(self) -> None:
        port, certificate = free_port(), Certificate("DNS:localhost")
        server = OwnRedis(self, *certificate.options(port))
        local, numeric = f"rediss://localhost:{port}/0", f"rediss://127.0.0.1:{port}/0"
        self.expect(server, f"{local}?ssl_ca_certs={certificate.file}")
        self.expect(server, f"{numeric}?ssl_ca_certs={certificate.file}", "certificate")
        self.expect(server, f"{local}?ssl_ca_certs={Certificate('DNS:localhost').file}", "certificate")
        self.expect(server, f"{numeric}?ssl_cert_reqs=optional&ssl_ca_certs={certificate.file}", "certificate")
        self.expect(server, f"{numeric}?ssl_cert_reqs=none")

    def test_sentinels_and_the_primary_prove_it_too(self) -> None:
        watch, elsewhere = Certificate("DNS:localhost,IP:127.0.0.1"), Certificate("DNS:localhost")
        own = f"ssl_certfile={watch.file}&ssl_keyfile={watch.key}"

        def watched(certificate: Certificate) -> tuple[OwnRedis, str]:
            port, watching = free_port(), free_port()
            server = OwnRedis(self, *certificate.options(port))
            OwnRedis(self, *watch.options(watching, "yes"), sentinel=True,
                     config=f"sentinel monitor tick 127.0.0.1 {port} 1\n")
            return server, f"rediss+sentinel://localhost:{watching}/tick?ssl_ca_certs="

        server, url = watched(watch)
        self.expect(server, f"{url}{watch.file}&{own}")
        self.expect(server, f"{url}{watch.file}", "master")
        self.expect(server, f"{url}{elsewhere.file}&{own}", "master")
        server, url = watched(elsewhere)
        both = elsewhere.file.with_name("both.crt")
        both.write_bytes(elsewhere.file.read_bytes() + watch.file.read_bytes())
        self.expect(server, f"{url}{both}&{own}", "certificate")


class EncryptedOnLoop(Encrypted):
    on_loop = True


class Addresses(FollowingTest):
    def test_one_that_cannot_be_read_is_not_told(self) -> None:
        for url in ("redis://job:s3c/r3t@[::1", "redis://job:s3c/r3t@h:port/0", "http://job:s3cr3t@h/",
                    "redis+sentinel://job:s3cr3t@/m", "redis+sentinel://job:s3cr3t@h:1x/m", "redis+sentinel://s@h",
                    "redis://s3cr3t/x@h", "redis+sentinel://h/s3cr3t@x", "redis://h/0?protocoll=3",
                    "redis+sentinel://h/m?db=1", "redis+sentinel://h/m?ssl_ca_certs=c", "rediss+sentinel://h/m?ssl=1",
                    "redis+sentinel://h/m?db="):
            with self.subTest(url=url), self.assertRaises(ValueError) as raised:
                self.follow_stream(url=url)
            self.assertEqual(str(raised.exception), "the URL of Redis can't be read; write redis://host:6379/0")
            self.assertIsNone(raised.exception.__cause__)

    def test_a_password_is_not_logged(self) -> None:
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            listener = self.follow_stream(url="redis://job:s3cr3t@127.0.0.1:1/0")
            wait_until("an attempt", lambda: logged.output)
            listener.stop()
            other = self.follow_stream(url="redis+sentinel://job:s3cr3t@127.0.0.1:1/m")
            wait_until("another", lambda: "Sentinel" in str(logged.output) or "master" in str(logged.output))
            other.stop()
        self.assertNotIn("s3cr3t", " ".join(logged.output))

    def test_a_function_may_make_the_client(self) -> None:
        make = (redis.asyncio.Redis if self.on_loop else redis.Redis).from_url
        self.add_names("a")
        listener = self.follow_stream(url=lambda: make(self.redis_url, decode_responses=True), start="0")
        listener.wait_for("a")


class AddressesOnLoop(Addresses):
    on_loop = True


if __name__ == "__main__":
    unittest.main()

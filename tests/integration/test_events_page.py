"""tickstock-cache-events(7) describes every field of every event, and no others: its type, and whether it can be null.
"""

import json
import re
import subprocess
import unittest
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import redis
from support import PROGRAM, ROOT, SECOND_DAY, Scene, wait_until

from tickstock_cache.subscriber import CHANNELS

TASKS = ("market_cap_recalculation", "ipo_assignment", "delisted_cleanup", "undo")

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass
class Kind:
    """What the page says about one kind of event: its channel, the type of each field, an example."""

    channel: str
    fields: dict[str, str] = field(default_factory=dict)
    example: str = ""


def read_page() -> dict[str, Kind]:
    """Returns what the page says about each kind, including what all of them have."""
    text = (ROOT / "man" / "tickstock-cache-events.7.in").read_text(encoding="utf-8").replace("\\\n", "")
    kinds: dict[str, Kind] = {"": Kind("")}
    now, literal = kinds[""], False
    # The rest is about the events as a whole, and about what stores them.
    for line in text.partition("\n.Sh ORDER\n")[0].split("\n"):
        if heading := re.fullmatch(r"\.Ss (\w+) on (\S+)", line):
            now = kinds.setdefault(heading[1], Kind(heading[2]))
        elif item := re.fullmatch(r'\.It Va (\S+) Pq "?([^"]*)"?', line):
            assert item[1] not in now.fields, line
            now.fields[item[1]] = item[2]
        elif line in (".Bd -literal", ".Ed"):
            literal = line != ".Ed"
        elif literal:
            now.example += line + "\n"
    common = kinds.pop("").fields
    for kind in kinds.values():
        assert not common.keys() & kind.fields.keys()
        kind.fields.update(common)
    return kinds


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Returns every field that is not an object, with its path. The name of a task is one of several."""
    for name, member in value.items():
        inner = f"{path}{'TASK' if path.endswith('task_results.') and name in TASKS else name}"
        if isinstance(member, dict):
            yield from leaves(member, inner + ".")
        else:
            yield inner, member


def fits(value: Any, kind: str) -> bool:
    """Returns whether a non-null value has a type of the page."""
    text = isinstance(value, str)
    if kind.startswith("one of "):
        return text and value in kind.removeprefix("one of ").split(", ")
    return {
        "string": lambda: text and value != "",
        "strings": lambda: isinstance(value, list) and all(isinstance(each, str) for each in value),
        "UUID": lambda: text and UUID.fullmatch(value) is not None,
        "time": lambda: text and TIME.fullmatch(value) is not None,
        "day": lambda: text and DAY.fullmatch(value) is not None,
        "whole number": lambda: isinstance(value, int) and not isinstance(value, bool),
        "number": lambda: isinstance(value, (int, float)) and not isinstance(value, bool),
        "true or false": lambda: isinstance(value, bool),
    }[kind]()


def real_events() -> list[tuple[str, Any]]:
    """Returns the events of runs that together publish every kind, each with its channel."""
    scene = Scene()
    scene.next_day()
    scene.query("UPDATE symbols SET company_name = NULL, sector = NULL WHERE symbol = "
                f"(SELECT min(symbol) FROM symbols WHERE listing_date = '{SECOND_DAY}')")
    events: list[tuple[str, Any]] = []
    with redis.Redis.from_url(scene.environment["REDIS_URL"]) as client, client.pubsub() as pubsub:
        pubsub.subscribe(*CHANNELS)

        def receive(until: str) -> bool:
            while (message := pubsub.get_message(timeout=0.1)) is not None:
                if message["type"] == "message":
                    events.append((message["channel"].decode(), json.loads(message["data"])))
            return any(event["event"] == "cache_sync_completed" and event["payload"]["run_id"] == until
                       for _, event in events)

        def run(command: str, run_id: str, status: int) -> None:
            words = command.split() if command.startswith("undo ") else [command, "--as-of", SECOND_DAY]
            done = subprocess.run([PROGRAM, *words, "--run-id", run_id], check=False, env=scene.environment,
                                  capture_output=True)
            assert done.returncode == status, done.stderr
            wait_until("the end of " + run_id, lambda: receive(run_id))

        run("sync", "night", 0)
        run("market-cap", "caps", 0)
        run("undo night", "back", 0)
        scene.break_universe("top_500")
        run("sync", "odd", 3)
        scene.break_market()
        run("sync", "bad", 4)
        wait_until("the last event", lambda: receive("bad") and events[-1][1]["event"] == "phase_completed")
    return events


class Page(unittest.TestCase):
    kinds: dict[str, Kind]
    events: list[tuple[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.kinds = read_page()
        cls.events = real_events()

    def check_event(self, channel: str, event: Any) -> None:
        kind = self.kinds[event["event"]]
        self.assertEqual(channel, kind.channel)
        found = list(leaves(event))
        self.assertEqual({path for path, _ in found}, set(kind.fields), event["event"])
        for path, value in found:
            can_be = kind.fields[path].removesuffix(" or null")
            if value is None:
                self.assertNotEqual(can_be, kind.fields[path], f"{event['event']} {path} is null")
            else:
                self.assertTrue(fits(value, can_be), f"{event['event']} {path} is {value!r}")

    def test_every_kind_of_event_was_published_and_is_on_the_page(self) -> None:
        published = {(channel, event["event"]) for channel, event in self.events}
        self.assertEqual(published, {(kind.channel, name) for name, kind in self.kinds.items()})
        self.assertEqual({channel for channel, _ in published}, set(CHANNELS))

    def test_each_event_has_the_fields_of_the_page_and_no_others(self) -> None:
        self.assertGreater(len(self.events), 40)
        for channel, event in self.events:
            self.check_event(channel, event)

    def test_what_can_be_null_was_null_and_was_not(self) -> None:
        expected = {(name, path) for name, kind in self.kinds.items() for path, what in kind.fields.items()
                    if what.endswith(" or null")}
        self.assertEqual(len(expected), 4)
        for is_null in (True, False):
            seen = {(event["event"], path) for _, event in self.events for path, value in leaves(event)
                    if (value is None) == is_null}
            self.assertEqual(expected - seen, set())

    def test_the_examples_are_such_events(self) -> None:
        for name, kind in self.kinds.items():
            with self.subTest(event=name):
                event = json.loads(kind.example)
                self.assertEqual(event["event"], name)
                self.check_event(kind.channel, event)

    def test_what_is_sent_again_and_what_is_the_same_twice_over(self) -> None:
        ids = [event["event_id"] for _, event in self.events]
        self.assertEqual(len(ids), len(set(ids)))
        for _, event in self.events:
            payload = event["payload"]
            self.assertEqual(payload.get("job_id", payload["run_id"]), payload["run_id"])
            self.assertEqual(event.get("error_id", event["event_id"]), event["event_id"])
            self.assertEqual(payload.get("error_message"), payload.get("message"))


if __name__ == "__main__":
    unittest.main()

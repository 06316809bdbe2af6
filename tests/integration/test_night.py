"""The examples of tickstock-cache-integration(7) in use: all three over one night, and the other symbols table."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import unittest
from datetime import date
from typing import Any
from unittest import mock
from urllib.request import urlopen

import redis
from endpoints import KEY, Client, serve
from flask import Flask
from support import (FIRST_DAY, MODULES, PROGRAM, ROOT, SCRIPTS, SECOND_DAY, Scene, man_examples, man_lines, new_folder,
                     servers, wait_until)
from test_mirror import TABLES

from tickstock_cache.subscriber import STREAM, CacheSyncSubscriber

PAGE = "tickstock-cache-integration.7"
SUBSCRIBER, GROUP, CURSOR, PHASE, APPLICATION, TRIGGER, CONTAINER, SETTINGS, VIEW = man_examples(PAGE)
FOLLOW_BY_HAND, MIRROR_BY_HAND = man_lines(PAGE)


def run_example(text: str) -> dict[str, Any]:
    """Returns what an example defines."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(text, "example", "exec"), names)
    return names


class Night(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene(servers().database("night").create())
        self.scene.database.script(SCRIPTS / "sample-market.sql", {"symbols": 1000, "as_of": FIRST_DAY})
        self.scene.run("init")
        self.scene.database.script(SCRIPTS / "sample-universes.sql", {"themes": 3, "as_of": FIRST_DAY})
        self.enterContext(mock.patch.dict(os.environ, {**self.scene.environment, "TICKSTOCKPL_API_KEY": KEY}))
        self.enterContext(mock.patch.object(tempfile, "tempdir", str(new_folder())))

    def fetch(self, sql: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Does what the application's own client of PostgreSQL does."""
        literals = tuple("'" + value.replace("'", "''") + "'" for value in values)
        rows = self.scene.query(f"SELECT coalesce(json_agg(r), '[]') FROM ({sql % literals}) r")
        return [tuple(row.values()) for row in json.loads(rows)]

    def follow(self) -> tuple[Any, list[str]]:
        """Runs the subscriber of the example. Returns its universes, and what it has read again."""
        example = run_example(SUBSCRIBER)
        read: list[str] = []
        universes_of_example: Any = example["Universes"]

        class Recorded(universes_of_example):
            def read_one(self, universe: str, event: Any) -> None:
                super().read_one(universe, event)
                read.append(universe)

            def read_all(self, reason: str) -> None:
                super().read_all(reason)
                read.append("*")

        example["Universes"] = Recorded
        universes, subscriber = example["follow"](self.fetch)
        thread = threading.Thread(target=subscriber.run)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(subscriber.stop)
        wait_until("the subscription", lambda: read == ["*"])
        return universes, read

    def follow_with(self, text: str, function: str, *more: Any) -> list[str]:
        """Runs the subscriber of another example, and returns its calls."""
        said: list[str] = []
        subscriber = run_example(text)[function](lambda universe, _: said.append(universe), lambda _: said.append("*"),
                                                 *more)
        thread = threading.Thread(target=subscriber.run)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(subscriber.stop)
        wait_until("the first reading", lambda: said == ["*"])
        return said

    def serve(self) -> Client:
        return serve(self, run_example(APPLICATION)["app"])

    def stored(self) -> dict[str, list[str]]:
        return {row[0]: row[1] for row in self.fetch("SELECT universe, content->'symbols' FROM cache_entries", ())}

    def changed_by(self, run_id: str) -> list[str]:
        return self.scene.query(f"SELECT string_agg(universe, ' ' ORDER BY id) FROM cache_sync_changes "
                                f"WHERE run_id = '{run_id}'").split()

    def test_a_night_of_coordinator_application_and_administrator(self) -> None:
        cache_sync = run_example(PHASE)["cache_sync"]
        universes, read = self.follow()
        client = self.serve()

        # The first night is read and approved by hand.
        plan = json.loads(self.scene.run("dry-run", "--as-of", FIRST_DAY, "--format", "json"))
        self.scene.run("sync", "--as-of", FIRST_DAY, "--run-id", "first", "--approve-plan", plan["plan_digest"])
        # More universes than a task announces one by one lead to reading all of them.
        wait_until("the first night to be seen", lambda: universes.symbols == self.stored())
        self.assertEqual(set(self.changed_by("first")) - set(read[1:]) != set(), read.count("*") == 2)

        # The second night is run by the coordinator.
        self.scene.next_day()
        del read[:]
        told: list[str] = []
        self.assertTrue(cache_sync(date.fromisoformat(SECOND_DAY), told.append))
        self.assertEqual(told[:2], ["step 1 of 5: Reading symbols and universes",
                                    "step 2 of 5: Market cap recalculation"])
        changed = self.changed_by(f"daily-{SECOND_DAY}")
        self.assertGreater(len(changed), 9)
        wait_until("the second night to be seen", lambda: read == changed)
        self.assertEqual(universes.symbols, self.stored())

        # Called again, the coordinator gets the same answer, and nothing runs.
        told_before = told[5]
        self.assertTrue(cache_sync(date.fromisoformat(SECOND_DAY), told.append))
        self.assertEqual(told[6].split()[0], told_before.split()[0])

        # The administrator sees the same.
        job = client.status(f"daily-{SECOND_DAY}")
        self.assertEqual((job["status"], job["sync_status"], job["triggered_by"]),
                         ("completed", "completed", "daily_processing"))
        self.assertEqual(told[5].split()[0], self.scene.query(
            f"SELECT total_changes FROM cache_sync_runs WHERE run_id = '{job['run_id']}'"))
        history = client.ask("/history")[1]
        self.assertEqual([job["run_id"] for job in history["jobs"]], [f"daily-{SECOND_DAY}", "first"])
        stats = client.ask("/stats")[1]
        self.assertEqual({entry["universe"]: entry["symbol_count"] for entry in stats["universes"]},
                         {name: len(symbols) for name, symbols in universes.symbols.items()})
        counts = stats["job_statistics"]
        self.assertEqual((counts["total_jobs_7d"], counts["successful_jobs_7d"]), (2, 2))

        # Broken data: the night stops, with or without force, and the application continues with what it has.
        self.scene.break_market()
        del read[:]
        self.assertFalse(cache_sync(date.fromisoformat("2026-08-22"), told.append))
        self.assertIn("no symbol is eligible", told[-1])
        answer = client.trigger(mode="full", force=True)
        self.assertEqual(answer[0], 202)
        self.assertEqual(client.wait_for_end(answer[1]["job_id"])["sync_status"], "refused")
        self.assertEqual(client.ask("/stats")[1]["job_statistics"]["failed_jobs_7d"], 2)
        self.assertEqual(read, [])
        self.assertEqual(universes.symbols, self.stored())


    def test_the_examples_of_the_outbox_and_the_stream(self) -> None:
        plan = json.loads(self.scene.run("dry-run", "--as-of", FIRST_DAY, "--format", "json"))
        self.scene.run("sync", "--as-of", FIRST_DAY, "--run-id", "first", "--approve-plan", plan["plan_digest"])
        path = new_folder() / "cursor"
        recorded = self.follow_with(CURSOR, "record", path)
        client = redis.Redis.from_url(self.scene.environment["REDIS_URL"])
        self.addCleanup(client.close)
        self.addCleanup(client.delete, STREAM)
        rebuilt = self.follow_with(GROUP, "work_on")
        wait_until("the group", lambda: client.exists(STREAM))

        self.scene.next_day()
        self.scene.run("sync", "--as-of", SECOND_DAY, "--run-id", "second")
        stored = json.loads(self.scene.query(
            "SELECT json_agg(json_build_array(id, event_id, channel, message) ORDER BY id) FROM cache_sync_outbox "
            "WHERE run_id = 'second'"))
        # What the program does when it writes a stream.
        for number, event_id, channel, message in stored:
            client.xadd(STREAM, {"event_id": event_id, "channel": channel, "message": message}, id=f"{number}-0")
        changed = self.changed_by("second")
        wait_until("the outbox to be read", lambda: recorded == ["*", *changed])
        wait_until("the stream to be read", lambda: rebuilt == ["*", *changed])
        wait_until("the cursor", lambda: path.read_text() == f"{stored[-1][0]}\n")

    def test_the_shell_examples(self) -> None:
        plan = json.loads(self.scene.run("dry-run", "--as-of", FIRST_DAY, "--format", "json"))
        self.scene.run("sync", "--as-of", FIRST_DAY, "--run-id", "first", "--approve-plan", plan["plan_digest"])
        following = subprocess.Popen(
            ["sh", "-e", "-c", self.with_own_servers(FOLLOW_BY_HAND, "exec ")], cwd=MODULES, stdout=subprocess.PIPE,
            text=True)
        self.addCleanup(following.communicate)
        self.addCleanup(following.kill)
        self.assertIn("read all again", next_line(following))

        client = self.serve()
        folder = new_folder()
        key_file = folder / "key.txt"
        key_file.write_text(f"X-API-Key: {KEY}\n", encoding="utf-8")
        key_file.chmod(0o600)
        script = TRIGGER.replace("http://127.0.0.1:8080", client.base.partition("/api/")[0])
        done = subprocess.run(["sh", "-e", "-c", script], cwd=folder, stdout=subprocess.PIPE, check=True)
        answer = json.loads(done.stdout)
        self.assertIs(answer["success"], True, answer)
        self.assertEqual(answer["mode"], json.loads(TRIGGER.split("'")[1])["mode"])
        job = client.wait_for_end(answer["job_id"])
        self.assertEqual((job["mode"], job["triggered_by"]), (answer["mode"], "api:force"))
        wait_until("the end of the run", lambda: f"cache_sync_completed {answer['run_id']}" in next_line(following))

    def test_the_commands_for_a_container(self) -> None:
        """Makes a stand-in for Podman check what it would build from, and run the program as it is."""
        folder = new_folder()
        (folder / "podman").write_text("""#!/bin/sh
            case $1 in
              build) [ "$2" = -f ] && [ -f "$3" ] && [ -f "$6/CMakeLists.txt" ] && echo "built $5" ;;
              run) while [ "$1" != tickstock-cache ]; do shift; done; exec "$@" ;;
            esac
            """, encoding="utf-8")
        (folder / "podman").chmod(0o755)
        script = CONTAINER.replace("--metrics-file /metrics", f"--metrics-file {folder}")
        done = subprocess.run(["sh", "-e", "-c", script], cwd=ROOT, check=False, capture_output=True, text=True,
                              env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("built tickstock-cache\n"), done.stdout)
        self.assertEqual(self.scene.query("SELECT triggered_by FROM cache_sync_runs"), "cron")
        self.assertTrue((folder / "tickstock-cache.prom").exists())

    def with_own_servers(self, script: str, before: str) -> str:
        """Returns a shell line that queries the servers of the test, on Debian's Python."""
        command = script.replace("redis://127.0.0.1:6379/0", "'" + self.scene.environment["REDIS_URL"] + "'")
        variable, _, program = command.partition(" ")
        return f"{variable} {before}{program.replace('python3', shlex.quote(sys.executable) + ' -B', 1)}"


def next_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


class ComingFromTheOldJob(unittest.TestCase):
    """Checks that the page lists the differences, and that they are real."""

    def setUp(self) -> None:
        self.scene = Scene(servers().database(f"old_job_{self._testMethodName[-8:]}").create())
        self.scene.database.script(SCRIPTS / "sample-market.sql", {"symbols": 10, "as_of": FIRST_DAY})
        self.scene.query("""
            TRUNCATE symbols;
            INSERT INTO symbols (symbol, market_cap, is_active, listing_date, delisted_date) VALUES
              ('TWIN', 5e9, true, '2001-01-01', NULL), ('EVEN', 5e9, true, '2001-01-01', NULL),
              ('NONE', 'NaN', true, '2001-01-01', NULL), ('LATE', 4e9, true, '2001-01-01', '2026-12-31'),
              ('GONE', 3e9, true, '2001-01-01', '2026-08-01'), ('FRESH', 1e9, true, '2026-08-10', NULL)""")
        self.scene.run("init")
        self.scene.query("""
            INSERT INTO cache_entries (universe, cache_type, content) VALUES
              ('theme_a', 'theme', '{"symbols": ["GONE", "LATE"], "count": 2}'),
              ('theme_b', 'theme', '{"symbols": ["GONE"], "count": 1}'),
              ('spring_ipos', 'ipo', '{"symbols": ["FRESH"], "count": 1}')""")

    def members(self, universe: str) -> list[str]:
        return list(json.loads(self.scene.query(
            f"SELECT content->'symbols' FROM cache_entries WHERE universe = '{universe}'")))

    def test_the_lists(self) -> None:
        printed = json.loads(self.scene.run("sync", "--as-of", FIRST_DAY, "--format", "json"))
        self.assertEqual(self.members("top_100"), ["EVEN", "TWIN", "LATE", "FRESH"])
        self.assertEqual(self.members("theme_a"), ["LATE"])
        self.assertEqual(self.members("recent_ipos"), ["FRESH"])
        self.assertEqual(self.members("spring_ipos"), ["FRESH"])
        self.assertIn("not a finite number", " ".join(printed["warnings"]))
        self.check_page("delisted_date lies after", "equal market cap", "of NaN", "entry of type ipo")

    def test_the_events(self) -> None:
        said: dict[str, Any] = {}
        self.scene.run("sync", "--as-of", FIRST_DAY, "--run-id", "night")
        for text in self.scene.query("SELECT message FROM cache_sync_outbox ORDER BY id").splitlines():
            event = json.loads(text)
            said[event["payload"].get("universe", event["event"])] = event["payload"]
        self.assertEqual(said["theme_a"]["metadata"]["removed"], 1)
        self.assertNotIn("removed_count", said["theme_a"]["metadata"])
        self.assertEqual(said["delisting_cleanup"]["removed_count"], 2)
        self.check_page("removed_count is a field of delisting_cleanup")

    def test_the_answers(self) -> None:
        self.scene.run("sync", "--as-of", FIRST_DAY, "--run-id", "night")
        environment = {**self.scene.environment, "TICKSTOCKPL_API_KEY": KEY}
        with mock.patch.dict(os.environ, environment):
            client = serve(self, run_example(APPLICATION)["app"])
        for path in ("/status/night", "/history", "/stats"):
            status, answer = client.ask(path)
            self.assertEqual((status, "success" in answer), (200, False))
        self.assertIs(client.ask("/status/nobody")[1]["success"], False)
        self.check_page("have no such field, and errors have success false")

    def check_page(self, *words: str) -> None:
        text = (ROOT / "man" / f"{PAGE}.in").read_text(encoding="utf-8")
        section = text.split(".Sh COMING FROM THE OLD JOB")[1].split(".Sh ")[0].replace("\n", " ")
        for word in words:
            self.assertIn(word, section)


class PublicApplication(unittest.TestCase):
    """An application whose subscriber posts events to itself, and is stopped after every request."""

    def run_application(self, stopped_by_requests: bool) -> list[str]:
        """Returns which of three events reach it."""
        app = Flask("application")
        taken: list[str] = []
        subscribed = threading.Event()
        client = serve(self, app)

        @app.post("/store")
        def store() -> str:
            return "stored"

        def forward(_: str, event: Any) -> None:
            taken.append(event["event_id"])
            with urlopen(client.base.partition("/api/")[0] + "/store", b"{}", timeout=20):
                pass

        subscriber = CacheSyncSubscriber(servers().environment["REDIS_URL"], lambda *_: None,
                                         lambda _: subscribed.set(), forward)
        if stopped_by_requests:
            app.teardown_appcontext(lambda _: subscriber.stop())
        thread = threading.Thread(target=subscriber.run)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(subscriber.stop)
        self.assertTrue(subscribed.wait(30))
        with redis.Redis.from_url(servers().environment["REDIS_URL"]) as publisher:
            for number in "123":
                publisher.publish("tickstock:cache:sync_triggered",
                                  json.dumps({"event": "x", "event_id": number, "payload": {}}))
                if stopped_by_requests:
                    thread.join(2)
        wait_until("an event", lambda: len(taken) == (1 if stopped_by_requests else 3))
        return taken

    def test_its_subscriber_ends_with_the_first_event(self) -> None:
        self.assertEqual(self.run_application(stopped_by_requests=True), ["1"])
        self.assertEqual(self.run_application(stopped_by_requests=False), ["1", "2", "3"])
        text = (ROOT / "man" / f"{PAGE}.in").read_text(encoding="utf-8")
        self.assertIn(".It Its subscriber ends with our first event\n", text)
        self.assertIn("its bar jumps to 100 % at phase 2.5, and to 0", text)


class OtherTables(unittest.TestCase):
    """The application with another symbols table, and another table named cache_entries."""

    TABLES = """
        CREATE TABLE symbols (symbol varchar(20) PRIMARY KEY, name varchar(200), market_cap bigint, sector varchar(100),
          industry varchar(100), list_date date, active boolean, weighted_shares_outstanding bigint, type varchar(10));
        CREATE TABLE cache_entries (id serial PRIMARY KEY, type text NOT NULL, name text NOT NULL, key text NOT NULL,
          value jsonb NOT NULL, environment text NOT NULL, UNIQUE (type, name, key, environment));
        INSERT INTO cache_entries (type, name, key, value, environment) VALUES ('ui', 'menu', 'x', '{}', 'DEFAULT');
        INSERT INTO symbols VALUES
          ('BIG', 'Big Corp', 300000000000, 'Technology', 'Software', '1990-01-02', true, 1000, 'CS'),
          ('NEW', 'New Corp', 400000000, NULL, NULL, '2026-08-10', true, 1000, 'CS'),
          ('OUT', 'Out Corp', 500000000, NULL, NULL, '1990-01-02', false, 1000, 'CS'),
          ('FUND', 'A Fund', 900000000000, NULL, NULL, '2026-08-11', true, 1000, 'ETF')"""

    def setUp(self) -> None:
        self.scene = Scene(servers().database("other_tables").create())
        self.scene.query(self.TABLES)
        config = new_folder() / "c.toml"
        config.write_text(SETTINGS, encoding="utf-8")
        self.configured = ("--config", str(config))

    def error_of(self, *words: str) -> str:
        done = subprocess.run([PROGRAM, *words], env=self.scene.environment, check=False, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_its_own_table_is_left_alone(self) -> None:
        self.assertRegex(self.error_of("init"), "cache_entries.*universe")
        self.scene.query(VIEW)
        config = new_folder() / "c.toml"
        settings = "".join(line for line in SETTINGS.splitlines(True) if "entries" not in line)
        config.write_text(settings, encoding="utf-8")
        self.assertRegex(self.error_of("sync", "--config", str(config)), "cache_entries.*universe")
        self.assertEqual(self.scene.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "2")

    def test_the_view_and_another_name_serve_it(self) -> None:
        self.scene.query(VIEW)
        self.scene.run("init", *self.configured)
        self.scene.query("INSERT INTO tickstock_universes (universe, cache_type, content) VALUES "
                         "('theme_x', 'theme', '{\"symbols\": [\"OUT\", \"BIG\"], \"count\": 2}'); "
                         "CREATE ROLE other_job LOGIN")
        grants = self.scene.run("init", "--print-grants", "other_job", *self.configured)
        self.scene.query(grants)
        self.scene.environment["DATABASE_URL"] = self.scene.database.url.replace("tickstock@", "other_job@")
        day = ("--as-of", FIRST_DAY)
        self.scene.run("sync", *day, *self.configured)
        members = json.loads(self.scene.query(
            "SELECT json_object_agg(universe, content->'symbols') FROM tickstock_universes"))
        self.assertEqual(members["mega_cap"], ["BIG"])
        self.assertEqual(members["top_100"], ["BIG", "NEW"])
        self.assertEqual(members["recent_ipos"], ["NEW"])
        self.assertEqual(members["theme_x"], ["BIG"])
        self.mirror(members)
        again = json.loads(self.scene.run("dry-run", *day, *self.configured, "--format", "json"))
        self.assertEqual(again["changes"], 0)
        self.assertEqual(self.scene.query("SELECT type, name FROM cache_entries"), "ui|menu")

    def mirror(self, members: dict[str, list[str]]) -> None:
        """Runs the mirror as the page does, until the application sees the universes."""
        self.scene.query(TABLES)
        url = self.scene.database.url
        command = MIRROR_BY_HAND.replace("postgresql:///tickstock", shlex.quote(url), 1)
        variable, _, program = command.partition(" ")
        words = program.replace("python3", shlex.quote(sys.executable) + " -B", 1)
        following = subprocess.Popen(["sh", "-e", "-c", f"{variable} exec {words}"], cwd=MODULES,
                                     stderr=subprocess.PIPE, text=True)
        self.addCleanup(following.communicate)
        self.addCleanup(following.kill)
        wait_until("the mirror", lambda: self.groups() == {name: sorted(symbols) for name, symbols in members.items()})

    def groups(self) -> dict[str, list[str]]:
        """Returns what the application reads."""
        return dict(json.loads(self.scene.query("""
            SELECT coalesce(json_object_agg(name, symbols), '{}') FROM (
              SELECT g.name, coalesce(json_agg(symbol ORDER BY symbol) FILTER (WHERE symbol IS NOT NULL), '[]') symbols
                FROM definition_groups g LEFT JOIN group_memberships m ON m.group_id = g.id
               WHERE g.type = 'UNIVERSE' AND g.environment = 'DEFAULT' AND g.name <> 'sp500' GROUP BY g.name) r""")))


if __name__ == "__main__":
    unittest.main()

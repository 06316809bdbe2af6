"""The mirror: groups that equal the universes, and groups of others that stay unchanged."""

import json
import os
import signal
import subprocess
import sys
import threading
import unittest


from support import MODULES, SECOND_DAY, Scene, Session, wait_until

from tickstock_cache.mirror import Mirror

# The columns and constraints of the public application's tables, with the type UNIVERSE that its loader writes.
TABLES = """
    CREATE TABLE definition_groups (
      id serial PRIMARY KEY, name varchar(100) NOT NULL,
      type varchar(50) NOT NULL CHECK (type IN ('ETF', 'THEME', 'SECTOR', 'SEGMENT', 'CUSTOM', 'UNIVERSE')),
      description text, metadata jsonb, liquidity_filter jsonb,
      environment varchar(10) NOT NULL CHECK (environment IN ('DEFAULT', 'TEST', 'UAT', 'PROD')),
      created_at timestamp DEFAULT CURRENT_TIMESTAMP, updated_at timestamp DEFAULT CURRENT_TIMESTAMP,
      last_update timestamp DEFAULT CURRENT_TIMESTAMP, CONSTRAINT unique_group UNIQUE (name, type, environment));
    CREATE TABLE group_memberships (
      id serial PRIMARY KEY, group_id integer NOT NULL REFERENCES definition_groups (id) ON DELETE CASCADE,
      symbol varchar(50) NOT NULL, weight numeric(5,4), metadata jsonb, added_at timestamp DEFAULT CURRENT_TIMESTAMP,
      updated_at timestamp DEFAULT CURRENT_TIMESTAMP, CONSTRAINT unique_membership UNIQUE (group_id, symbol));
    INSERT INTO definition_groups (name, type, environment, metadata) VALUES
      ('sp500', 'UNIVERSE', 'DEFAULT', '{"data_source": "sp500.csv"}'), ('SPY', 'ETF', 'DEFAULT', NULL);
    INSERT INTO group_memberships (group_id, symbol) SELECT id, 'OLD' FROM definition_groups"""

# Which write of a row was the last, and by whom: changes with every write.
VERSIONS = ("SELECT json_agg(r ORDER BY r) FROM (SELECT 'g', id, xmin::text, ctid::text FROM definition_groups "
            "UNION ALL SELECT 'm', id, xmin::text, ctid::text FROM group_memberships) r")


class MirrorTest(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.scene.query(TABLES)
        self.mirror = Mirror(self.scene.database.url)
        self.addCleanup(self.mirror.close)

    def groups(self) -> dict[str, list[str]]:
        """Returns the mirror's groups with their members."""
        return dict(json.loads(self.scene.query("""
            SELECT coalesce(json_object_agg(name, symbols), '{}') FROM (
              SELECT g.name, coalesce(json_agg(symbol ORDER BY symbol COLLATE "C") FILTER (WHERE symbol IS NOT NULL),
                                      '[]') symbols
                FROM definition_groups g LEFT JOIN group_memberships m ON m.group_id = g.id
               WHERE g.type = 'UNIVERSE' AND g.environment = 'DEFAULT' AND g.name <> 'sp500' GROUP BY g.name) r""")))

    def universes(self) -> dict[str, list[str]]:
        stored = json.loads(self.scene.query("SELECT json_object_agg(universe, content->'symbols') FROM cache_entries"))
        return {name: sorted(set(symbols)) for name, symbols in stored.items()}

    def set(self, universe: str, *symbols: str) -> None:
        content = json.dumps({"symbols": symbols, "count": len(symbols)})
        self.scene.query("INSERT INTO cache_entries (universe, cache_type, content) VALUES "
                         f"('{universe}', 'theme', '{content}') "
                         "ON CONFLICT (universe) DO UPDATE SET content = EXCLUDED.content")

    def start(self, *words: str, **more: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, **self.scene.environment, "PYTHONPATH": str(MODULES), **more}
        process = subprocess.Popen([sys.executable, "-B", "-m", "tickstock_cache.mirror", *words], env=environment,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process


class Writing(MirrorTest):
    def test_all_universes_are_written_and_then_nothing_more(self) -> None:
        changed = self.mirror.write_all()
        self.assertEqual(changed, sorted(self.universes()))
        self.assertEqual(self.groups(), self.universes())
        before = self.scene.query(VERSIONS)
        self.assertEqual(self.mirror.write_all(), [])
        self.assertFalse(self.mirror.write_one("top_100"))
        self.assertEqual(self.scene.query(VERSIONS), before)

    def test_only_what_changed_is_written(self) -> None:
        self.set("theme_x", "A", "B", "C")
        self.mirror.write_all()
        kept = self.scene.query("SELECT id FROM group_memberships WHERE symbol = 'B'")
        self.set("theme_x", "D", "B", "B")
        self.assertEqual(self.mirror.write_all(), ["theme_x"])
        self.assertEqual(self.groups()["theme_x"], ["B", "D"])
        self.assertEqual(self.scene.query("SELECT id FROM group_memberships WHERE symbol = 'B'"), kept)
        self.assertEqual(self.scene.query("SELECT metadata->>'total_symbols' FROM definition_groups "
                                          "WHERE name = 'theme_x'"), "2")

    def test_an_empty_universe_is_an_empty_group(self) -> None:
        self.set("theme_x")
        self.assertTrue(self.mirror.write_one("theme_x"))
        self.assertEqual(self.groups(), {"theme_x": []})
        self.assertFalse(self.mirror.write_one("theme_x"))

    def test_groups_of_others_are_left_alone(self) -> None:
        self.set("sp500", "NEW")
        self.set("SPY", "NEW")
        with self.assertLogs("tickstock_cache", "WARNING") as logged:
            self.mirror.write_all()
        self.assertEqual([record.getMessage() for record in logged.records],
                         ["the group sp500 was made by somebody else and is left alone"])
        self.assertEqual(self.scene.query("SELECT count(*) FROM group_memberships WHERE symbol = 'OLD'"), "2")
        # Another type with the same name is another group.
        self.assertEqual(self.groups()["SPY"], ["NEW"])

    def test_the_group_of_an_entry_that_was_deleted_is_deleted(self) -> None:
        for name in ("theme_x", "theme_y"):
            self.set(name, "A")
        self.mirror.write_all()
        self.scene.query("DELETE FROM cache_entries WHERE universe IN ('theme_x', 'theme_y')")
        self.assertTrue(self.mirror.write_one("theme_x"))
        self.assertEqual(self.mirror.write_all(), ["theme_y"])
        self.assertEqual(self.groups(), self.universes())

    def test_a_table_without_entries_deletes_nothing(self) -> None:
        self.mirror.write_all()
        before = self.groups()
        self.scene.query("TRUNCATE cache_entries")
        with self.assertLogs("tickstock_cache", "WARNING"):
            self.assertEqual(self.mirror.write_all(), [])
        self.assertFalse(self.mirror.write_one("top_100"))
        self.assertEqual(self.groups(), before)

    def test_one_that_does_not_fit_does_not_stop_the_others(self) -> None:
        self.set("theme_x", "S" * 51)
        self.set("n" * 60, "A")
        self.scene.query("ALTER TABLE cache_entries ALTER universe TYPE text")
        self.set("n" * 101, "A")
        self.scene.query("ALTER TABLE definition_groups ADD CHECK (name <> 'mega_cap')")
        with self.assertLogs("tickstock_cache", "ERROR") as logged:
            self.mirror.write_all()
        self.assertEqual(len(logged.output), 3)
        universes = self.universes()
        self.assertEqual(self.groups(), {name: universes[name] for name in universes
                                         if name not in ("theme_x", "n" * 101, "mega_cap")})

    def test_an_entry_that_cannot_be_read_is_left_alone_and_does_not_stop_the_others(self) -> None:
        self.set("a_broken", "A")
        self.mirror.write_all()
        self.set("theme_x", "B")
        for content in ('{"symbols": 5}', '{"symbols": "AAPL"}', '{"symbols": {"x": 1}}', '{"symbols": [null, "A"]}',
                        '{"symbols": [["A"]]}', "[]", "{}"):
            self.scene.query(f"UPDATE cache_entries SET content = '{content}' WHERE universe = 'a_broken'")
            with self.assertLogs("tickstock_cache", "WARNING") as logged:
                self.mirror.write_all()
            self.assertIn("the universe a_broken can't be read", logged.output[0])
            self.assertEqual(self.groups()["a_broken"], ["A"])
        self.assertEqual(self.groups()["theme_x"], ["B"])

    def test_other_names_of_tables(self) -> None:
        self.scene.query("ALTER TABLE cache_entries RENAME TO tickstock_universes; CREATE SCHEMA app; "
                         "ALTER TABLE definition_groups SET SCHEMA app")
        other = Mirror(self.scene.database.url, "public.tickstock_universes", "app.definition_groups")
        self.addCleanup(other.close)
        self.assertIn("top_100", other.write_all())


class AtOnce(MirrorTest):
    def test_two_mirrors(self) -> None:
        other = Mirror(self.scene.database.url)
        self.addCleanup(other.close)
        failures: list[BaseException] = []

        def work(one: Mirror) -> None:
            try:
                for number in range(20):
                    self.set("theme_x", *(f"S{number}{letter}" for letter in "ABC"))
                    one.write_all()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(one,)) for one in (self.mirror, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        self.mirror.write_all()
        self.assertEqual(self.groups(), self.universes())

    def test_killed_in_the_middle_leaves_what_was(self) -> None:
        self.set("theme_x", "A", "B")
        self.mirror.write_all()
        self.set("theme_x", "C", "D")
        # It has deleted A and B, and waits for the row that it adds.
        with Session(self.scene.database, "INSERT INTO group_memberships (group_id, symbol) "
                     "SELECT id, 'D' FROM definition_groups WHERE name = 'theme_x'"):
            process = self.start("--once")
            wait_until("the mirror to wait", lambda: self.scene.query(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tickstock_cache' "
                "AND wait_event_type = 'Lock' AND query LIKE 'INSERT%' AND datname = current_database()") == "1")
            process.send_signal(signal.SIGKILL)
            process.wait(20)
            self.assertEqual(self.groups()["theme_x"], ["A", "B"])
        self.mirror.write_all()
        self.assertEqual(self.groups()["theme_x"], ["C", "D"])


class ByHand(MirrorTest):
    def line(self, process: "subprocess.Popen[str]") -> str:
        assert process.stderr is not None
        return process.stderr.readline()

    def test_it_follows_a_night(self) -> None:
        process = self.start()
        self.assertRegex(self.line(process), "mirrored .*top_100.*: the cursor is new")
        self.assertEqual(self.groups(), self.universes())
        self.scene.next_day()
        self.scene.run("sync", "--as-of", SECOND_DAY, "--run-id", "night")
        wait_until("the night", lambda: self.groups() == self.universes())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)

    def test_once(self) -> None:
        process = self.start("--once")
        self.assertEqual(process.wait(30), 0)
        self.assertEqual(self.groups(), self.universes())

    def test_once_with_a_universe_that_does_not_fit(self) -> None:
        self.scene.query("ALTER TABLE definition_groups ALTER name TYPE varchar(11)")
        process = self.start("--once")
        self.assertIn("can't be mirrored", process.communicate(timeout=30)[1])
        self.assertEqual(process.returncode, 1)
        fitting = {name: symbols for name, symbols in self.universes().items() if len(name) <= 11}
        self.assertEqual(self.groups(), fitting)

    def test_what_is_missing_is_said(self) -> None:
        process = self.start("--once", DATABASE_URL="postgresql://job:s3cr3t@127.0.0.1:1/none")
        said = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 1)
        self.assertIn("127.0.0.1", said)
        self.assertNotIn("s3cr3t", said)
        process = self.start(DATABASE_URL="")
        self.assertEqual((process.communicate(timeout=30)[1], process.returncode), ("DATABASE_URL is not set\n", 64))
        process = self.start(REDIS_URL="redis://job:s3cr3t@host:port")
        self.assertEqual((process.communicate(timeout=30)[1], process.returncode),
                         ("REDIS_URL is not usable: the URL of Redis can't be read; write redis://host:6379/0\n", 64))

    def test_a_role_with_the_rights_that_the_manual_names(self) -> None:
        self.scene.query("CREATE ROLE mirror_role LOGIN; "
                         "GRANT SELECT ON cache_entries, cache_sync_outbox TO mirror_role; "
                         "GRANT SELECT, INSERT, UPDATE, DELETE ON definition_groups, group_memberships TO mirror_role; "
                         "GRANT USAGE ON SEQUENCE definition_groups_id_seq, group_memberships_id_seq TO mirror_role")
        self.addCleanup(self.scene.query, "DROP OWNED BY mirror_role; DROP ROLE mirror_role")
        process = self.start("--once", DATABASE_URL=self.scene.database.url.replace("tickstock@", "mirror_role@"))
        self.assertEqual(process.wait(30), 0)
        self.assertEqual(self.groups(), self.universes())


if __name__ == "__main__":
    unittest.main()

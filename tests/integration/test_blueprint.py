"""The blueprint over real HTTP: what it answers and what it starts."""

import os
import shlex
import subprocess
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

from endpoints import KEY, Client, EndpointsTest, serve
from flask import Flask, request
from support import NOWHERE, PROGRAM, Scene, document, new_folder, stub, wait_until

from tickstock_cache import blueprint as module
from tickstock_cache.blueprint import cache_sync_blueprint, job_id_of, run_id_of
from tickstock_cache.subscriber import CacheSyncSubscriber

JOB_FIELDS = {"run_id", "job_id", "mode", "status", "sync_status", "created_at", "start_time", "end_time",
              "duration_seconds", "triggered_by", "error_details", "progress"}


class Names(unittest.TestCase):
    def test_each_name_of_a_run_tells_the_other(self) -> None:
        run_id = "manual-cache-sync-1a2b3c4d"
        job_id = job_id_of(run_id)
        self.assertRegex(job_id, "^1a2b3c4d-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
        self.assertEqual(run_id_of(job_id), run_id)
        self.assertEqual(run_id_of(run_id), run_id)
        self.assertNotEqual(job_id_of("manual-cache-sync-1a2b3c4e")[8:], job_id[8:])
        # A job id that was never issued names no run.
        forged = job_id[:-1] + ("0" if job_id[-1] != "0" else "1")
        self.assertEqual(run_id_of(forged), forged)
        self.assertEqual((job_id_of("night-7"), run_id_of("night-7")), ("night-7", "night-7"))


class Refusals(EndpointsTest):
    def test_without_a_key_it_can_not_be_registered(self) -> None:
        environments: list[dict[str, str]] = [{}, {"TICKSTOCKPL_API_KEY": ""}]
        for environment in environments:
            with self.assertRaisesRegex(RuntimeError, "TICKSTOCKPL_API_KEY is not set"):
                Flask("test").register_blueprint(cache_sync_blueprint(environment=environment))

    def test_every_endpoint_wants_the_key(self) -> None:
        scene = Scene()
        client = self.serve(scene)
        for key in (None, "", "wrong", KEY + "x", KEY[:-1], "ÿé"):
            for path, body in (("/trigger", b"{}"), ("/status/first-night", None), ("/history", None),
                               ("/stats", None)):
                with self.subTest(key=key, path=path):
                    self.check_error(client.ask(path, body, key), 401, "unauthorized", "X-API-Key")
        self.assertEqual(scene.query("SELECT count(*) FROM cache_sync_runs"), "1")

    def test_a_key_of_any_letters_is_compared_by_its_bytes(self) -> None:
        client = self.serve(Scene(), TICKSTOCKPL_API_KEY="schlüssel")
        self.assertEqual(client.ask("/stats", key="schlüssel".encode().decode("latin-1"))[0], 200)
        self.assertEqual(client.ask("/stats", key="schlüssel")[0], 401)

    def test_what_can_not_be_asked_for(self) -> None:
        scene = Scene()
        client = self.serve(scene)
        for mode in ("sync", "", 7, ["full"], {}, False, None):
            with self.subTest(mode=mode):
                self.check_error(client.trigger(mode=mode), 400, "bad_mode", "full, market_cap, ipos, themes, delisted")
        for force in ("yes", 1, None):
            with self.subTest(force=force):
                self.check_error(client.trigger(force=force), 400, "bad_request", "force")
        for query in ("limit=0", "limit=1001", "limit=-1", "limit=", "limit=1.5", "limit=ten", "limit=%D9%A1"):
            with self.subTest(query=query):
                self.check_error(client.ask("/history?" + query), 400, "bad_request", "limit must be a whole number")
        for query in ("offset=-1", "offset=1000001", "offset=0x1"):
            with self.subTest(query=query):
                self.check_error(client.ask("/history?" + query), 400, "bad_request", "offset must be a whole number")
        self.assertEqual(scene.query("SELECT count(*) FROM cache_sync_runs"), "1")

    def test_a_run_that_nobody_knows(self) -> None:
        client = self.serve(Scene())
        # The beginning of another run's id is not an id.
        for name in ("nobody", "first", "manual-cache-sync-00000000", job_id_of("manual-cache-sync-00000000"), "-h",
                     "--help", "%2e%2e", "a%20b", "x" * 200, "%C3%A9"):
            with self.subTest(name=name):
                self.check_error(client.ask("/status/" + name), 404, "unknown_run", "there is no run")

    def test_a_run_whose_id_begins_like_an_option(self) -> None:
        scene = Scene()
        scene.run("ipo", "--run-id=--help", "-q")
        status, document = self.serve(scene).ask("/status/--help")
        self.assertEqual((status, document["run_id"]), (200, "--help"))

    def test_a_program_that_is_missing(self) -> None:
        client = self.serve(Scene(), program="/nonexistent/tickstock-cache")
        for path, body in (("/trigger", b"{}"), ("/status/x", None), ("/history", None), ("/stats", None)):
            with self.subTest(path=path):
                self.check_error(client.ask(path, body), 500, "program_missing", "/nonexistent/tickstock-cache")

    def test_a_database_that_is_away(self) -> None:
        client = self.serve(Scene(), DATABASE_URL=NOWHERE)
        answer = client.trigger()
        self.check_error(answer, 503, "database_unavailable", "127.0.0.1:1")
        for path in ("/status/x", "/history", "/stats"):
            with self.subTest(path=path):
                self.check_error(client.ask(path), 503, "database_unavailable", "127.0.0.1:1")
        # A triggered run is known nevertheless.
        for name in (answer[1]["run_id"], answer[1]["job_id"]):
            job = client.status(name)
            self.assertEqual((job["status"], job["sync_status"], job["run_id"]),
                             ("failed", "failed", answer[1]["run_id"]))
            self.assertIn("127.0.0.1:1", job["error_details"])

    def test_a_database_that_does_not_answer(self) -> None:
        scene = Scene()
        self.be_patient(1)
        silent = stub("exec sleep 30")
        self.check_error(self.serve(scene, program=silent).ask("/stats"), 503, "database_unavailable", "in time")

    def test_settings_that_can_not_be_used(self) -> None:
        client = self.serve(Scene(), TICKSTOCK_CACHE_CONFIG="/nonexistent")
        answer = client.trigger()
        self.check_error(answer, 500, "program_failed", "/nonexistent")
        self.assertIn("/nonexistent", client.status(answer[1]["run_id"])["error_details"])
        self.check_error(client.ask("/history"), 500, "program_failed", "/nonexistent")
        self.check_error(client.ask("/status/x"), 500, "program_failed", "/nonexistent")

    def test_a_directory_that_others_may_enter(self) -> None:
        folder = new_folder()
        folder.chmod(0o755)
        self.check_error(self.serve(Scene(), directory=folder).trigger(), 500, "no_directory", "nobody else may enter")


class BodyOfATrigger(EndpointsTest):
    """Whatever content type the client claims, the body is read completely or rejected, and never taken for an empty
    one."""

    TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain",
             "application/octet-stream", "nonsense", "")

    def setUp(self) -> None:
        super().setUp()
        self.scene = Scene()
        self.client = self.serve(self.scene)

    def curl(self, *words: str, path: str = "/trigger", stdin: bytes = b"") -> tuple[int, dict[str, Any]]:
        """Sends a request with curl, which must get a JSON object. Returns its status and the object."""
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "30", "-H", f"X-API-Key: {KEY}", "-w", "\n%{http_code} %{content_type}",
             *words, self.client.base + path], input=stdin, stdout=subprocess.PIPE, check=True)
        body, _, end = done.stdout.decode().rpartition("\n")
        status, content_type = end.split(" ", 1)
        self.assertEqual(content_type, "application/json", body)
        return int(status), dict(document(body))

    def check_nothing_started(self) -> None:
        self.assertEqual(self.scene.query("SELECT count(*) FROM cache_sync_runs"), "1")

    def test_it_is_read_whatever_its_content_type(self) -> None:
        for content_type in self.TYPES:
            with self.subTest(content_type=content_type):
                status, answer = self.curl("-H", f"Content-Type:{content_type}", "-d",
                                           '{"mode": "ipos", "force": true}')
                self.assertEqual((status, answer.get("mode")), (202, "ipos"), answer)
                job = self.client.wait_for_end(answer["run_id"])
                self.assertEqual((job["mode"], job["triggered_by"]), ("ipos", "api:force"))

    def test_an_empty_one_is_a_full_run(self) -> None:
        for words in (["-X", "POST"], ["-d", ""], ["-d", "{}"]):
            with self.subTest(words=words):
                status, answer = self.curl(*words)
                self.assertEqual((status, answer.get("mode")), (202, "full"), answer)
                self.client.wait_for_end(answer["run_id"])

    def test_what_is_not_a_json_object_starts_nothing(self) -> None:
        for content_type in self.TYPES:
            for body in ("mode=ipos", "{", "[]", "7", "null", '"full"', " ", "\xff", "[" * 60_000, '{"a":' * 10_000,
                         "1" * 10_000, '{"mode": "ipos"} {}'):
                with self.subTest(content_type=content_type, body=body[:20]):
                    self.check_error(self.curl("-H", f"Content-Type:{content_type}", "--data-binary", "@-",
                                               stdin=body.encode("latin-1")), 400, "bad_request", "JSON object")
        self.check_error(self.curl("-F", "mode=ipos"), 400, "bad_request", "JSON object")
        self.check_nothing_started()

    def test_an_unknown_field_starts_nothing(self) -> None:
        for fields in ('{"dry_run": true}', '{"mod": "ipos"}', '{"mode": "ipos", "Force": true}', '{"": 1}'):
            with self.subTest(fields=fields):
                self.check_error(self.curl("-d", fields), 400, "bad_request", "unknown field")
        for query in ("?mode=ipos", "?dry_run=1", "?mode"):
            with self.subTest(query=query):
                self.check_error(self.curl("-d", "", path="/trigger" + query), 400, "bad_request", "query string")
        self.check_nothing_started()

    def test_a_large_one_starts_nothing(self) -> None:
        largest = b'{"mode": "none"' + b" " * (64 * 1024 - 16) + b"}"
        self.check_error(self.curl("--data-binary", "@-", stdin=largest), 400, "bad_mode", "mode must be")
        for size in (64 * 1024 + 1, 3_000_000):
            with self.subTest(size=size):
                # The answer may come, and the connection end, while curl is still sending.
                self.check_error(self.curl("--retry", "9", "--retry-all-errors", "--data-binary", "@-",
                                           stdin=b"{}".ljust(size)), 413, "too_large", "65536")
        self.check_nothing_started()

    def test_one_of_unknown_or_wrong_length_starts_nothing(self) -> None:
        self.check_error(self.curl("-H", "Transfer-Encoding: chunked", "-d", '{"mode": "ipos"}'), 411,
                         "length_required", "Content-Length")
        for length in ("x", "-1", "+1", "1.5", "²"):
            with self.subTest(length=length):
                self.check_error(self.curl("-X", "POST", "-H", f"Content-Length: {length}"), 400, "bad_request",
                                 "Content-Length")
        self.check_error(self.curl("-X", "POST", "-H", "Content-Length: " + "9" * 5000), 413, "too_large", "65536")
        self.check_nothing_started()

    def test_one_that_the_application_has_read_as_a_form_starts_nothing(self) -> None:
        app = Flask("test")
        app.before_request(lambda: None if request.form else None)
        app.register_blueprint(cache_sync_blueprint(PROGRAM, {**self.scene.environment, "TICKSTOCKPL_API_KEY": KEY},
                                                    new_folder()))
        self.client = serve(self, app)
        self.check_error(self.curl("-d", '{"mode": "ipos"}'), 400, "bad_request", "Content-Type: application/json")
        self.check_nothing_started()
        status, answer = self.curl("-H", "Content-Type: application/json", "-d", '{"mode": "ipos"}')
        self.assertEqual((status, answer.get("mode")), (202, "ipos"), answer)
        self.client.wait_for_end(answer["run_id"])


class WrongPaths(EndpointsTest):
    """404 and 405 under the prefix are JSON objects too, and elsewhere they remain the application's."""

    def serve_beside_pages(self) -> Client:
        app = Flask("test")
        app.register_blueprint(cache_sync_blueprint(
            PROGRAM, {"TICKSTOCKPL_API_KEY": KEY, "PATH": os.environ["PATH"]}, new_folder()))
        app.register_error_handler(404, lambda _: ("the page of the application", 404))
        return serve(self, app)

    def test_there_is_nothing(self) -> None:
        client = self.serve_beside_pages()
        for path in ("", "/", "/triger", "/trigger/", "/status", "/status/", "/status/a/b", "/%ff"):
            for body in (None, b"{}"):
                with self.subTest(path=path, body=body):
                    self.check_error(client.ask(path, body), 404, "not_found", "not found")
                    self.check_error(client.ask(path, body, key="wrong"), 401, "unauthorized", "X-API-Key")

    def test_another_method_is_asked_for(self) -> None:
        client = self.serve_beside_pages()
        for path, body in (("/trigger", None), ("/history", b"{}"), ("/stats", b""), ("/status/x", b"{}")):
            with self.subTest(path=path):
                self.check_error(client.ask(path, body), 405, "method_not_allowed", "not allowed")
        done = subprocess.run(["curl", "-sSi", "-X", "DELETE", "-H", f"X-API-Key: {KEY}", client.base + "/trigger"],
                              stdout=subprocess.PIPE, text=True, check=True)
        self.assertRegex(done.stdout, "(?m)^HTTP/1.[01] 405 ")
        self.assertRegex(done.stdout, "(?m)^Allow: OPTIONS, POST\r?$")

    def test_elsewhere_the_application_answers(self) -> None:
        client = self.serve_beside_pages()
        for url in (client.base + "x", client.base.removesuffix("/cache-sync")):
            done = subprocess.run(["curl", "-sS", url], stdout=subprocess.PIPE, text=True, check=True)
            self.assertEqual(done.stdout, "the page of the application")

    def test_a_failure_of_the_blueprint_itself(self) -> None:
        client = self.serve(Scene(), program=stub("echo '{}'"))
        with self.assertLogs("test", "ERROR"):
            self.check_error(client.ask("/history"), 500, "internal_server_error", "internal error")


class Runs(EndpointsTest):
    def test_a_run_from_its_trigger_to_its_record(self) -> None:
        scene = Scene()
        client = self.serve(scene)
        scene.delist_first_of("top_100")
        status, answer = client.trigger(mode="full", force=True)
        self.assertEqual(status, 202)
        self.assertEqual(set(answer), {"success", "run_id", "job_id", "mode", "message"})
        self.assertIs(answer["success"], True)
        self.assertEqual(answer["mode"], "full")
        self.assertRegex(answer["run_id"], "^manual-cache-sync-[0-9a-f]{8}$")
        self.assertEqual(answer["job_id"][:8], answer["run_id"][-8:])
        job = client.wait_for_end(answer["job_id"])
        self.assertEqual(set(job), JOB_FIELDS)
        self.assertEqual(job, client.status(answer["run_id"]))
        self.assertEqual((job["run_id"], job["job_id"], job["mode"], job["status"], job["sync_status"]),
                         (answer["run_id"], answer["job_id"], "full", "completed", "completed"))
        self.assertEqual(job["triggered_by"], "api:force")
        self.assertIsNone(job["error_details"])
        self.assertIsNone(job["progress"])
        self.assertLessEqual(job["created_at"], job["start_time"])
        self.assertLessEqual(job["start_time"], job["end_time"])
        self.assertGreater(job["duration_seconds"], 0)

    def test_each_mode_is_its_command(self) -> None:
        scene = Scene()
        client = self.serve(scene)
        for mode in ("market_cap", "ipos", "themes", "delisted", "full", None):
            status, answer = client.trigger(mode=mode) if mode else client.ask("/trigger", b"")
            self.assertEqual(status, 202, answer)
            self.assertEqual(answer["mode"], mode or "full")
            self.assertEqual(client.wait_for_end(answer["run_id"])["mode"], mode or "full")
        self.assertEqual(scene.query("SELECT DISTINCT triggered_by FROM cache_sync_runs WHERE run_id <> 'first-night'"),
                         "api")

    def test_force_is_shown_and_switches_no_guard_off(self) -> None:
        scene = Scene()
        scene.break_market()
        client = self.serve(scene)
        events: list[dict[str, Any]] = []
        subscriber = CacheSyncSubscriber(scene.environment["REDIS_URL"], lambda *_: None, lambda _: subscribed.set(),
                                         lambda _, event: events.append(event))
        subscribed = threading.Event()
        thread = threading.Thread(target=subscriber.run)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(subscriber.stop)
        self.assertTrue(subscribed.wait(30))
        status, answer = client.trigger(force=True)
        self.assertEqual(status, 202)
        wait_until("the last event", lambda: bool(events) and events[-1]["event"] == "phase_completed")
        triggered = next(event["payload"] for event in events if event["event"] == "cache_sync_triggered")
        self.assertEqual((triggered["run_id"], triggered["triggered_by"], triggered["force"]),
                         (answer["run_id"], "api:force", False))
        job = client.wait_for_end(answer["run_id"])
        self.assertEqual((job["status"], job["sync_status"]), ("failed", "refused"))
        self.assertIn("no symbol is eligible", job["error_details"])

    def test_while_another_run_works_there_is_none(self) -> None:
        scene = Scene()
        client = self.serve(scene)
        with scene.hold_lock():
            self.check_error(client.trigger(), 409, "already_running", "another run holds the lock")
        with scene.hold_entries():
            scene.delist_first_of("top_100")
            first = client.trigger()
            self.assertEqual(first[0], 202)
            self.check_error(client.trigger(mode="ipos"), 409, "already_running", first[1]["run_id"])
            # The same is true for another web server with another directory.
            self.check_error(self.serve(scene).trigger(), 409, "already_running", first[1]["run_id"])
            wait_until("its step to be seen", lambda: client.status(first[1]["run_id"])["progress"] is not None)
            job = client.status(first[1]["job_id"])
            self.assertEqual((job["status"], job["end_time"]), ("running", None))
            self.assertEqual(job["progress"]["total_steps"], 5)
        self.assertEqual(client.wait_for_end(first[1]["run_id"])["status"], "completed")

    def test_without_own_tables_a_foreign_run_is_noticed_and_the_end_is_known(self) -> None:
        scene = Scene()
        scene.query(
            "DROP TABLE cache_sync_changes, cache_sync_outbox, cache_sync_runs, cache_sync_states, cache_sync_waiting"
        )
        client = self.serve(scene)
        with scene.hold_lock():
            self.check_error(client.trigger(), 409, "already_running", "another run holds the lock")
        answer = client.trigger(mode="market_cap")[1]
        job = client.wait_for_end(answer["job_id"])
        self.assertEqual((job["status"], job["sync_status"], job["mode"]), ("completed", "completed", "market_cap"))
        self.assertIsNotNone(job["end_time"])
        self.check_error(client.ask("/history"), 500, "program_failed", "tickstock-cache init")
        self.check_error(client.ask("/status/nobody"), 500, "program_failed", "tickstock-cache init")

    def test_a_run_that_is_just_starting_is_running(self) -> None:
        scene = Scene()
        folder = new_folder()
        # It begins once it may, and is then the real one.
        slow = stub(f"case $* in *--run-id*) while [ ! -e {folder}/go ]; do sleep 0.05; done;; esac\n"
                    f"exec {shlex.quote(PROGRAM)} \"$@\"")
        client = self.serve(scene, program=slow)
        with mock.patch.object(module, "TRIGGER_PATIENCE", 0.3):
            status, answer = client.trigger()
        self.assertEqual(status, 202)
        job = client.status(answer["run_id"])
        self.assertEqual((job["status"], job["sync_status"], job["start_time"], job["error_details"]),
                         ("running", "running", None, None))
        self.assertEqual((job["mode"], job["triggered_by"]), ("full", "api"))
        (folder / "go").touch()
        self.assertEqual(client.wait_for_end(answer["run_id"])["status"], "completed")

    def test_a_run_that_was_killed_before_its_record_is_failed(self) -> None:
        dying = stub(f"case $* in *--run-id*) kill -KILL $$;; *) exec {shlex.quote(PROGRAM)} \"$@\";; esac")
        client = self.serve(Scene(), program=dying)
        status, answer = client.trigger()
        self.assertEqual(status, 202)
        job = client.wait_for_end(answer["run_id"])
        self.assertEqual((job["status"], job["sync_status"]), ("failed", "failed"))
        self.assertIn("without recording a result", job["error_details"])

    def test_what_is_old_is_forgotten(self) -> None:
        folder = new_folder()
        client = self.serve(Scene(), directory=folder, DATABASE_URL=NOWHERE)
        old = client.trigger()[1]["run_id"]
        for path in folder.iterdir():
            os.utime(path, (0, 0))
        new = client.trigger()[1]["run_id"]
        self.assertEqual({path.stem for path in folder.iterdir()}, {new})
        self.check_error(client.ask("/status/" + old), 503, "database_unavailable", "127.0.0.1:1")

    def test_triggers_at_once_while_old_files_are_deleted(self) -> None:
        folder = new_folder()
        client = self.serve(Scene(), directory=folder, program=stub("exit 5"))
        for number in range(3000):
            old = folder / f"manual-cache-sync-{number:08x}.log"
            old.touch()
            os.utime(old, (0, 0))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.trigger(), range(16)))
        self.assertEqual([(status, answer["error"]) for status, answer in answers],
                         [(503, "database_unavailable")] * 16)
        self.assertEqual({path.stem for path in folder.iterdir()}, {answer["run_id"] for _, answer in answers})


class Questions(EndpointsTest):
    def test_history_is_that_of_the_program(self) -> None:
        scene = Scene()
        client = self.serve(scene)
        scene.run("ipo", "--run-id", "cron-1", "--triggered-by", "cron", "--as-of", "2026-08-20")
        scene.break_market()
        refused = client.wait_for_end(client.trigger()[1]["run_id"])
        status, answer = client.ask("/history")
        self.assertEqual(status, 200)
        self.assertEqual((answer["total"], answer["limit"], answer["offset"]), (3, 20, 0))
        for job in answer["jobs"]:
            self.assertEqual(set(job), JOB_FIELDS | {"has_errors"})
        self.assertEqual([(job["run_id"], job["job_id"], job["status"], job["has_errors"]) for job in answer["jobs"]],
                         [(refused["run_id"], refused["job_id"], "failed", True),
                          ("cron-1", "cron-1", "completed", False), ("first-night", "first-night", "completed", False)])
        self.assertEqual({**refused, "has_errors": True}, answer["jobs"][0])
        self.assertEqual(answer["jobs"][1]["created_at"], answer["jobs"][1]["start_time"])
        page = client.ask("/history?limit=1&offset=1")[1]
        self.assertEqual(([job["run_id"] for job in page["jobs"]], page["total"], page["limit"], page["offset"]),
                         (["cron-1"], 3, 1, 1))
        self.assertEqual(client.ask("/history?offset=9")[1]["jobs"], [])

    def test_stats_are_the_universes_and_the_last_seven_days(self) -> None:
        scene = Scene()
        client = self.serve(scene)
        scene.query("UPDATE cache_sync_runs SET started_at = now() - interval '8 days'")
        answer = client.ask("/stats")[1]
        self.assertEqual(answer["job_statistics"], {"total_jobs_7d": 0, "successful_jobs_7d": 0, "failed_jobs_7d": 0,
                                                    "avg_duration_seconds": None})
        good = client.wait_for_end(client.trigger(mode="ipos")[1]["run_id"])
        scene.break_market()
        client.wait_for_end(client.trigger()[1]["run_id"])
        scene.query("INSERT INTO cache_entries (universe, cache_type, content) VALUES ('odd', 'other', '7')")
        status, answer = client.ask("/stats")
        self.assertEqual(status, 200)
        self.assertEqual(set(answer), {"universes", "job_statistics"})
        self.assertEqual(answer["job_statistics"], {"total_jobs_7d": 2, "successful_jobs_7d": 1, "failed_jobs_7d": 1,
                                                    "avg_duration_seconds": good["duration_seconds"]})
        listed = {entry["universe"]: entry for entry in answer["universes"]}
        self.assertEqual(len(listed), int(scene.query("SELECT count(*) FROM cache_entries")))
        self.assertEqual(set(listed["odd"]), {"universe", "type", "symbol_count", "last_updated"})
        self.assertEqual((listed["odd"]["type"], listed["odd"]["symbol_count"]), ("other", None))
        self.assertEqual((listed["top_100"]["type"], listed["top_100"]["symbol_count"]), ("market_leader", 100))


if __name__ == "__main__":
    unittest.main()

"""The phase cache_sync of the daily processing: every exit status, progress, time limit, cancelling, secrets."""

import asyncio
import inspect
import json
import os
import resource
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any

from support import FIRST_DAY, NOWHERE, PROGRAM, SECOND_DAY, Scene, new_folder, stub, wait_until

from tickstock_cache.phase import CacheSyncFailed, CacheSyncResult, run_cache_sync, run_cache_sync_async
from tickstock_cache.program import ProgramMissing

DAY = date.fromisoformat(SECOND_DAY)
STEPS = ["Reading symbols and universes", "Market cap recalculation", "IPO assignment", "Delisted cleanup",
         "Publishing events"]


def run(scene: Scene, **arguments: Any) -> CacheSyncResult:
    return run_cache_sync(**{"program": PROGRAM, "environment": {**scene.environment, **arguments.pop("more", {})},
                             "as_of": DAY, **arguments})


def run_stub(script: str, **arguments: Any) -> CacheSyncResult:
    return run_cache_sync(program=stub(script), environment=dict(os.environ), **arguments)


class PhaseTest(unittest.TestCase):
    def failure(self, scene: Scene, **arguments: Any) -> CacheSyncResult:
        """Returns the result of a phase that must fail."""
        with self.assertRaises(CacheSyncFailed) as caught:
            run(scene, **arguments)
        result = caught.exception.result
        self.assertFalse(result.success)
        self.assertEqual(result.status, "failed")
        self.assertIn(result.error, str(caught.exception))
        return result


class Committed(PhaseTest):
    def test_a_night_is_done_with_its_steps_and_changes(self) -> None:
        scene = Scene()
        scene.next_day()
        seen: list[tuple[int, int, str]] = []
        result = run(scene, run_id="night", on_progress=lambda *step: seen.append(step))
        self.assertEqual(seen, [(number, 5, name) for number, name in enumerate(STEPS, 1)])
        self.assertEqual((result.success, result.status, result.exit_status, result.sync_status, result.run_id),
                         (True, "completed", 0, "completed", "night"))
        self.assertIsNone(result.error)
        self.assertIsNone(result.warning)
        record = scene.query("SELECT total_changes, duration_seconds > 0, triggered_by, mode FROM cache_sync_runs "
                             "WHERE run_id = 'night'")
        self.assertEqual(record, f"{result.changes}|t|daily_processing|full")
        self.assertGreater(result.changes, 5)
        self.assertGreater(result.duration_seconds, 0)
        # Quiet the next time, under its own name.
        again = run(scene)
        self.assertEqual(again.changes, 0)
        self.assertRegex(again.run_id, "^daily-cache-sync-[0-9a-f]{8}$")

    def test_the_steps_are_followed_whatever_a_configuration_says_of_log_and_result(self) -> None:
        config = new_folder() / "c.toml"
        config.write_text('[log]\nlevel = "quiet"\nformat = "text"\n[output]\nformat = "text"\n', encoding="utf-8")
        seen: list[int] = []
        result = run(Scene(), more={"TICKSTOCK_CACHE_CONFIG": str(config)},
                     on_progress=lambda step, total, name: seen.append(step))
        self.assertEqual((seen, result.status), ([1, 2, 3, 4, 5], "completed"))

    def test_status_2_is_completed(self) -> None:
        scene = Scene()
        scene.next_day()
        result = run(scene, options=["--detailed-exitcode"])
        self.assertEqual((result.exit_status, result.success, result.error), (2, True, None))

    def test_a_task_that_fails_alone_is_told_and_completed(self) -> None:
        scene = Scene()
        scene.break_universe("top_500")
        result = run(scene)
        self.assertEqual((result.exit_status, result.success, result.sync_status),
                         (3, True, "completed_with_errors"))
        self.assertIn("the desk of top_500 is closed", str(result.error))

    def test_events_that_are_not_delivered_are_a_warning(self) -> None:
        result = run(Scene(), more={"REDIS_URL": "redis://127.0.0.1:1/0"})
        self.assertEqual((result.exit_status, result.success, result.error), (6, True, None))
        self.assertIn("tickstock-cache deliver", str(result.warning))

    def test_no_file_is_needed_for_the_document(self) -> None:
        scene = Scene()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        # The program inherits it, as it would a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            result = run(scene)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.assertEqual((result.exit_status, result.sync_status), (0, "completed"))


class Failed(PhaseTest):
    def test_a_refused_run_is_raised_or_left_to_the_day_before(self) -> None:
        scene = Scene()
        before = scene.query("SELECT count(*), max(updated_at) FROM cache_entries")
        scene.break_market()
        result = self.failure(scene)
        self.assertEqual((result.exit_status, result.sync_status), (4, "refused"))
        self.assertIn("no symbol is eligible", str(result.error))
        standing = run(scene, on_refused="continue")
        self.assertEqual((standing.exit_status, standing.success, standing.status), (4, False, "failed"))
        self.assertIn("no symbol is eligible", str(standing.error))
        self.assertIn("stand", str(standing.warning))
        self.assertEqual(scene.query("SELECT count(*), max(updated_at) FROM cache_entries"), before)

    def test_what_the_program_ends_with_is_raised(self) -> None:
        scene = Scene()
        config = new_folder() / "c.toml"
        config.write_text('[tables]\nsymbols = "none"\n', encoding="utf-8")
        failures: list[tuple[int, str, dict[str, Any]]] = [
            (1, "symbols", {"more": {"TICKSTOCK_CACHE_CONFIG": str(config)}}),
            (5, "127.0.0.1:1", {"more": {"DATABASE_URL": NOWHERE}}),
            (7, "approve", {"options": ["--approve-plan", "0" * 64]}),
            (64, "has a record already", {"run_id": "first-night"}),
            (64, "--as-of", {"as_of": "2026-08-32"}),
            (64, "--run-id", {"run_id": "a b"}),
            (78, "/nonexistent", {"more": {"TICKSTOCK_CACHE_CONFIG": "/nonexistent"}}),
        ]
        for status, words, arguments in failures:
            with self.subTest(status=status):
                result = self.failure(scene, **arguments)
                self.assertEqual(result.exit_status, status)
                self.assertIn(words, str(result.error))
        self.assertEqual(scene.query("SELECT count(*) FROM cache_sync_runs WHERE status = 'completed'"), "1")

    def test_another_run_that_holds_the_lock_is_raised(self) -> None:
        scene = Scene()
        with scene.hold_lock() as holder:
            result = self.failure(scene)
            self.assertEqual(result.exit_status, 11)
            self.assertIn("another run holds the lock", str(result.error))
            # With patience it would have finished.
            releasing = threading.Timer(0.3, holder.close)
            releasing.start()
            self.assertTrue(run(scene, options=["--lock-wait", "20"]).success)
            releasing.join()

    def test_statuses_without_a_document_are_raised(self) -> None:
        for status in (1, 7, 8, 9, 64, 74, 99, 127):
            with self.subTest(status=status), self.assertRaises(CacheSyncFailed) as caught:
                run_stub(f"exit {status}")
            result = caught.exception.result
            self.assertEqual((result.exit_status, result.changes, result.sync_status), (status, 0, None))
            self.assertIn(f"status {status}", str(result.error))

    def test_on_refused_lets_nothing_else_pass(self) -> None:
        for status in (1, 5, 7, 8, 11, 99):
            with self.subTest(status=status), self.assertRaises(CacheSyncFailed):
                run_stub(f"exit {status}", on_refused="continue")

    def test_a_kill_is_raised(self) -> None:
        with self.assertRaises(CacheSyncFailed) as caught:
            run_stub("kill -KILL $$")
        self.assertEqual(caught.exception.result.exit_status, 137)
        self.assertIn("signal 9", str(caught.exception.result.error))

    def test_a_missing_program_is_an_error_of_its_own(self) -> None:
        with self.assertRaisesRegex(ProgramMissing, "there is no program tickstock-cache here"):
            run_cache_sync(environment={"PATH": "/nonexistent"})
        broken = new_folder() / "broken"
        broken.write_text("neither a script nor a program", encoding="utf-8")
        broken.chmod(0o755)
        with self.assertRaisesRegex(ProgramMissing, "can't be run"):
            run_cache_sync(program=str(broken), environment=dict(os.environ))


class CalledAgain(PhaseTest):
    """The coordinator calls again for the same night."""

    def test_a_call_that_waited_for_the_same_night_returns_its_record(self) -> None:
        for begun, holds in (("0", Scene.hold_lock), ("1", Scene.hold_entries)):
            with self.subTest(holds=holds.__name__):
                scene = Scene()
                scene.next_day()
                results: list[CacheSyncResult] = []

                def call(scene: Scene = scene, results: list[CacheSyncResult] = results) -> None:
                    results.append(run(scene, run_id="shared-night", options=["--lock-wait", "60"]))

                calls = [threading.Thread(target=call), threading.Thread(target=call)]
                with holds(scene):
                    for number, thread in enumerate(calls, 1):
                        thread.start()
                        wait_until("it to wait", lambda: scene.query(
                            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                            "AND application_name LIKE 'tickstock-cache shared-night%'") == str(number)
                            and scene.query("SELECT count(*) FROM cache_sync_runs WHERE status = 'running'") == begun)
                for thread in calls:
                    thread.join()
                self.assertEqual(sorted(result.recorded for result in results), [False, True])
                self.assertEqual({result.run_id for result in results}, {"shared-night"})

    def setUp(self) -> None:
        self.scene = Scene()
        self.scene.next_day()

    def records(self) -> list[str]:
        return self.scene.query("SELECT run_id || ' ' || status FROM cache_sync_runs WHERE run_id <> 'first-night' "
                                "ORDER BY started_at").splitlines()

    def test_a_night_that_committed_gives_its_recorded_result(self) -> None:
        first = run(self.scene, run_id="daily-2026-08-21")
        self.assertFalse(first.recorded)
        again = run(self.scene, run_id="daily-2026-08-21", on_progress=lambda *_: self.fail("a step"))
        self.assertTrue(again.recorded)
        self.assertGreater(again.changes, 0)
        for name in ("success", "run_id", "changes", "error", "warning", "exit_status", "sync_status", "plan_digest",
                     "guards", "task_results", "retryable"):
            with self.subTest(name=name):
                self.assertEqual(getattr(again, name), getattr(first, name))
        self.assertEqual(again.duration_seconds, float(self.scene.query(
            "SELECT duration_seconds FROM cache_sync_runs WHERE run_id = 'daily-2026-08-21'")))
        self.assertEqual(self.records(), ["daily-2026-08-21 completed"])

    def test_a_night_that_has_a_record_is_asked_about_and_not_run(self) -> None:
        # Given the id again, the program would announce that the phase failed.
        calls = Path(new_folder()) / "calls"
        counted = stub(f'echo "$1" >>"{calls}"; exec "{PROGRAM}" "$@"')
        for _ in range(2):
            self.assertTrue(run(self.scene, run_id="once", program=counted).success)
        self.assertEqual(calls.read_text().split(), ["status", "sync", "status"])

    def test_a_night_that_committed_with_errors_or_without_delivery(self) -> None:
        undelivered = run(self.scene, run_id="away", more={"REDIS_URL": "redis://127.0.0.1:1/0"})
        self.assertEqual((undelivered.exit_status, undelivered.recorded), (6, False))
        again = run(self.scene, run_id="away")
        self.assertEqual((again.exit_status, again.recorded, again.success, again.error), (6, True, True, None))
        self.assertIn("tickstock-cache deliver", str(again.warning))
        self.scene.run("deliver", "-q")
        delivered = run(self.scene, run_id="away")
        self.assertEqual((delivered.exit_status, delivered.recorded, delivered.warning), (0, True, None))
        self.scene.break_universe("top_500")
        self.assertEqual(run(self.scene, run_id="broken").exit_status, 3)
        partial = run(self.scene, run_id="broken")
        self.assertEqual((partial.exit_status, partial.recorded, partial.success, partial.sync_status),
                         (3, True, True, "completed_with_errors"))
        self.assertIn("the desk of top_500 is closed", str(partial.error))
        self.assertEqual(partial.task_results["market_cap_recalculation"]["status"], "failed")

    def test_a_refused_night_is_tried_again_once_the_data_is_fixed(self) -> None:
        self.scene.query("CREATE TABLE caps AS SELECT symbol, market_cap FROM symbols")
        self.scene.break_market()
        refused = self.failure(self.scene, run_id="daily-2026-08-21")
        self.assertEqual((refused.exit_status, refused.run_id), (4, "daily-2026-08-21"))
        again = run(self.scene, run_id="daily-2026-08-21", on_refused="continue")
        self.assertEqual((again.exit_status, again.run_id), (4, "daily-2026-08-21.2"))
        self.scene.query("UPDATE symbols SET market_cap = caps.market_cap FROM caps WHERE caps.symbol = symbols.symbol")
        steps: list[int] = []
        done = run(self.scene, run_id="daily-2026-08-21", on_progress=lambda step, total, name: steps.append(step))
        self.assertEqual((done.exit_status, done.run_id, done.recorded), (0, "daily-2026-08-21.3", False))
        self.assertEqual(steps, [1, 2, 3, 4, 5])
        recorded = run(self.scene, run_id="daily-2026-08-21")
        self.assertEqual((recorded.run_id, recorded.recorded, recorded.changes), (done.run_id, True, done.changes))
        self.assertEqual(self.records(), ["daily-2026-08-21 refused", "daily-2026-08-21.2 refused",
                                          "daily-2026-08-21.3 completed"])

    def test_an_interrupted_night_is_tried_again(self) -> None:
        with self.scene.hold_entries():
            self.assertEqual(self.failure(self.scene, run_id="night", time_limit=5).exit_status, 143)
        self.assertEqual(run(self.scene, run_id="night").run_id, "night.2")

    def test_a_night_that_runs_elsewhere_is_not_run_twice(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            with self.scene.hold_entries():
                first = pool.submit(run, self.scene, run_id="night")
                wait_until("the run to write", lambda: self.scene.query(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tickstock-cache night%' "
                    "AND wait_event_type = 'Lock'") == "1")
                second = self.failure(self.scene, run_id="night")
            self.assertEqual((second.exit_status, second.retryable), (11, True))
            self.assertTrue(first.result().success)
        self.assertTrue(run(self.scene, run_id="night").recorded)
        self.assertEqual(self.records(), ["night completed"])

    def test_an_id_of_another_day_or_mode_is_not_taken_for_this_night(self) -> None:
        self.assertEqual(run(self.scene, run_id="nightly").exit_status, 0)
        for as_of in (date(2026, 8, 22), None):
            with self.subTest(as_of=as_of):
                self.assertEqual(self.failure(self.scene, run_id="nightly", as_of=as_of).exit_status, 64)
        self.scene.run("ipo", "--as-of", SECOND_DAY, "--run-id", "listings", "-q")
        self.assertEqual(self.failure(self.scene, run_id="listings").exit_status, 64)

    def test_without_a_day_it_is_today_that_counts(self) -> None:
        approve = ["--approve-plan", json.loads(self.scene.run("dry-run", "--format", "json"))["plan_digest"]]
        first = run(self.scene, run_id="today", as_of=None, options=approve)
        self.assertEqual((first.exit_status, first.recorded), (0, False))
        self.assertTrue(run(self.scene, run_id="today", as_of=None).recorded)

    def test_the_options_that_say_where_the_records_are_count(self) -> None:
        folder = new_folder()
        url = folder / "url"
        url.write_text(self.scene.environment["DATABASE_URL"], encoding="utf-8")
        url.chmod(0o600)
        for options in (["--lock-wait", "1", "--database-url-file", str(url)],
                        [f"--database-url-file={url}", "--full"]):
            with self.subTest(options=options):
                again = [run(self.scene, run_id="night", options=options, more={"DATABASE_URL": NOWHERE})
                         for _ in range(2)]
                self.assertTrue(again[1].recorded)

    def test_a_run_is_not_taken_for_another_whose_id_begins_so(self) -> None:
        for run_id, recorded in (("first-night", True), ("first", False)):
            with self.subTest(run_id=run_id):
                result = run(self.scene, run_id=run_id, as_of=FIRST_DAY)
                self.assertEqual((result.run_id, result.recorded), (run_id, recorded))

    def test_an_id_may_begin_like_an_option(self) -> None:
        for run_id in ("-x", "--help", "--"):
            with self.subTest(run_id=run_id):
                again = [run(self.scene, run_id=run_id) for _ in range(2)]
                self.assertEqual([(each.run_id, each.recorded) for each in again], [(run_id, False), (run_id, True)])

    def test_without_own_tables_every_call_runs(self) -> None:
        self.scene.query(
            "DROP TABLE cache_sync_changes, cache_sync_outbox, cache_sync_runs, cache_sync_states, cache_sync_waiting"
        )
        results = [run(self.scene, run_id="night") for _ in range(2)]
        self.assertEqual([result.recorded for result in results], [False, False])
        self.assertEqual(results[1].changes, 0)


class Result(PhaseTest):
    """What a coordinator gets besides success and error."""

    def test_warnings_digest_guards_and_tasks(self) -> None:
        scene = Scene()
        scene.next_day()
        scene.query("UPDATE symbols SET market_cap = 'NaN' WHERE symbol = (SELECT min(symbol) FROM symbols)")
        planned = json.loads(scene.run("dry-run", "--as-of", SECOND_DAY, "--format", "json"))
        result = run(scene)
        self.assertEqual(result.plan_digest, planned["plan_digest"])
        self.assertEqual(list(result.guards), planned["guards"])
        self.assertIn("not a finite number", result.warnings[0])
        self.assertEqual(list(result.warnings), planned["warnings"])
        self.assertEqual(set(result.task_results), {"market_cap_recalculation", "ipo_assignment", "delisted_cleanup"})
        for name, task in result.task_results.items():
            self.assertEqual(task, {"status": "success", "changes": planned["task_results"][name]["changes_count"],
                                    "error": None})
        scene.break_market()
        refused = self.failure(scene)
        self.assertEqual([guard["name"] for guard in refused.guards if guard["refused"]][0], "no_eligible_symbols")

    def test_what_is_worth_calling_again(self) -> None:
        for status in (0, 2, 3, 6):
            self.assertFalse(run_stub(f"exit {status}").retryable)
        for status in (1, 4, 5, 7, 8, 11, 64, 74, 78, 99):
            with self.subTest(status=status), self.assertRaises(CacheSyncFailed) as caught:
                run_stub(f"exit {status}")
            self.assertIs(caught.exception.result.retryable, status in (5, 11))

    def test_a_day_is_a_date_or_a_text(self) -> None:
        scene = Scene()
        for number, day in enumerate((DAY, SECOND_DAY, datetime(2026, 8, 21, 20, 30))):
            with self.subTest(day=day):
                run(scene, run_id=f"night-{number}", as_of=day)
                self.assertEqual(scene.query(f"SELECT as_of FROM cache_sync_runs WHERE run_id = 'night-{number}'"),
                                 SECOND_DAY)

    def test_the_function_for_asyncio_has_the_same_signature(self) -> None:
        self.assertEqual(inspect.signature(run_cache_sync_async), inspect.signature(run_cache_sync))


class Ended(PhaseTest):
    """What ends a run from outside: it rolls back, and no process is left behind."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.scene.next_day()
        self.before = self.scene.query("SELECT sum(hashtext(xmin || content::text)) FROM cache_entries")

    def check_rolled_back(self, result: CacheSyncResult) -> None:
        self.assertEqual((result.exit_status, result.sync_status), (143, "interrupted"))
        self.assertEqual(self.scene.query("SELECT sum(hashtext(xmin || content::text)) FROM cache_entries"),
                         self.before)
        self.assertEqual(self.status_of(result.run_id), "interrupted")

    def status_of(self, run_id: str) -> str:
        return self.scene.query(f"SELECT status FROM cache_sync_runs WHERE run_id = '{run_id}'")

    def wait_for_writing(self, run_id: str) -> None:
        wait_until("the run to write", lambda: self.scene.query(
            f"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tickstock-cache {run_id}%' "
            "AND wait_event_type = 'Lock'") == "1")

    def test_the_time_limit(self) -> None:
        with self.scene.hold_entries():
            self.check_rolled_back(self.failure(self.scene, time_limit=5))

    def test_cancelling_from_another_thread(self) -> None:
        cancel = threading.Event()

        def cancel_it() -> None:
            self.wait_for_writing("held")
            cancel.set()

        with self.scene.hold_entries():
            thread = threading.Thread(target=cancel_it)
            thread.start()
            self.check_rolled_back(self.failure(self.scene, run_id="held", cancel=cancel))
            thread.join()

    def test_cancelling_while_a_record_is_read(self) -> None:
        folder = new_folder()
        script = (f"[ $1 = status ] || exit 143; trap 'touch {folder}/ended; kill $!; exit 143' TERM; "
                  f"touch {folder}/begun; sleep 600 >/dev/null 2>&1 & wait $!")
        cancel = threading.Event()
        waiting = threading.Thread(target=lambda: (wait_until("it", (folder / "begun").exists), cancel.set()))
        waiting.start()
        with self.assertRaises(CacheSyncFailed):
            run_stub(script, run_id="night", cancel=cancel, time_limit=10)
        waiting.join()
        self.assertTrue((folder / "ended").exists())

    def test_cancelling_a_task_of_asyncio(self) -> None:
        async def cancelled() -> None:
            task = asyncio.ensure_future(run_cache_sync_async(
                program=PROGRAM, environment=self.scene.environment, as_of=DAY, run_id="async"))
            await asyncio.to_thread(self.wait_for_writing, "async")
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        with self.scene.hold_entries():
            asyncio.run(cancelled())
            self.assertEqual(self.status_of("async"), "interrupted")

    def test_asyncio(self) -> None:
        steps: list[int] = []
        result = asyncio.run(run_cache_sync_async(
            program=PROGRAM, environment=self.scene.environment, as_of=DAY,
            on_progress=lambda step, total, name: steps.append(step)))
        self.assertTrue(result.success)
        self.assertEqual(steps, [1, 2, 3, 4, 5])

    def test_a_callback_that_fails_ends_the_run(self) -> None:
        class Broken(Exception):
            pass

        def fail(step: int, total: int, name: str) -> None:
            if step == 2:
                raise Broken

        with self.scene.hold_entries(), self.assertRaises(Broken):
            run(self.scene, run_id="broken", on_progress=fail)
        self.assertEqual(self.status_of("broken"), "interrupted")


class Secrets(PhaseTest):
    def test_no_secret_is_an_argument_or_told(self) -> None:
        scene = Scene()
        secret = "s3cr3t-of-the-job"
        scene.environment["DATABASE_URL"] = scene.database.url.replace("tickstock@", f"tickstock:{secret}@")
        scene.environment["REDIS_URL"] = f"redis://job:{secret}@127.0.0.1:1/0"
        seen: list[str] = []
        cancel = threading.Event()

        def look() -> None:
            wait_until("the run to write", lambda: scene.query(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tickstock-cache hidden%' "
                "AND wait_event_type = 'Lock'") == "1")
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    try:
                        seen.append((folder / "cmdline").read_bytes().decode(errors="replace"))
                    except OSError:
                        pass
            cancel.set()

        scene.next_day()
        with scene.hold_entries():
            thread = threading.Thread(target=look)
            thread.start()
            result = self.failure(scene, run_id="hidden", cancel=cancel)
            thread.join()
        self.assertTrue(any("hidden" in line for line in seen))
        self.assertFalse(any(secret in line for line in seen))
        self.assertNotIn(secret, repr(result))
        undelivered = run(scene)
        self.assertEqual(undelivered.exit_status, 6)
        self.assertNotIn(secret, repr(undelivered))
        self.assertNotIn(secret, repr(self.failure(scene, more={
            "DATABASE_URL": f"postgresql://job:{secret}@127.0.0.1:1/none"})))


if __name__ == "__main__":
    unittest.main()

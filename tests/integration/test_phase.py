"""The phase cache_sync of the daily processing: every exit status, progress, time limit, cancelling, secrets."""

import asyncio
import os
import threading
import unittest
from datetime import date
from pathlib import Path
from typing import Any

from support import NOWHERE, PROGRAM, SECOND_DAY, Scene, new_folder, stub, wait_until

from cache_sync_phase import CacheSyncFailed, CacheSyncResult, run_cache_sync, run_cache_sync_async
from cache_sync_program import ProgramMissing

DAY = date.fromisoformat(SECOND_DAY)
STEPS = ["Reading symbols and universes", "Market cap recalculation", "IPO assignment", "Delisted cleanup",
         "Publishing events"]


def run(scene: Scene, **arguments: Any) -> CacheSyncResult:
    return run_cache_sync(program=PROGRAM, environment={**scene.environment, **arguments.pop("more", {})}, as_of=DAY,
                          **arguments)


def run_stub(script: str, **arguments: Any) -> CacheSyncResult:
    return run_cache_sync(program=stub(script), environment=dict(os.environ), **arguments)


class PhaseTest(unittest.TestCase):
    def failure(self, scene: Scene, **arguments: Any) -> CacheSyncResult:
        """Returns what a phase says that has to fail."""
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
        # Quiet the next time, under a name of its own.
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
            # With patience it would have been done.
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


class Ended(PhaseTest):
    """What ends a run from outside: it rolls back, and nobody is left behind."""

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
            self.check_rolled_back(self.failure(self.scene, time_limit=0.7))

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

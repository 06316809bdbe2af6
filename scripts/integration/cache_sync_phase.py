"""Phase 2.5 of the daily processing, `cache_sync`: after the import of the prices, before indicators and patterns.

    from cache_sync_phase import CacheSyncFailed, run_cache_sync

    try:
        result = run_cache_sync(on_progress=lambda step, total, name: ...)
    except CacheSyncFailed as failure:
        ...  # failure.result says why; indicators would be computed over the universes of an earlier day

Where the universes are committed, even if a task failed alone or events could not be delivered, the phase is completed.
Everything else is raised. The program itself publishes `phase_completed`, so the coordinator must not publish it again.
"""

import asyncio
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from os import environ
from typing import Any, Literal, Optional

from cache_sync_program import (COMMITTED, DOCUMENT_AND_STEPS, PROGRAM, REFUSED, UNDELIVERED, ProgramMissing,
                                exit_status, failure_of, find_program, read_document, read_step)

PHASE = "cache_sync"

# A little more than the program gives itself (--timeout), which is the limit that should be met first.
TIME_LIMIT = 960.0

# From the signal on the program takes two seconds, and a minute where it has to find out what became of its COMMIT.
LAST_WORDS = 90.0

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CacheSyncResult:
    """How the phase went. `changes` counts as the program does: 0 exactly where no universe was written."""

    success: bool
    run_id: str
    duration_seconds: float
    changes: int
    error: Optional[str]
    warning: Optional[str]
    exit_status: int
    sync_status: Optional[str]

    @property
    def status(self) -> str:
        """`completed` or `failed`, as the phase's events have it."""
        return "completed" if self.success else "failed"


class CacheSyncFailed(Exception):
    """The universes are not those of this day, or nobody knows whether they are. `result` holds all that is known."""

    def __init__(self, result: CacheSyncResult) -> None:
        super().__init__(f"phase {PHASE} failed with status {result.exit_status}: {result.error}")
        self.result = result


def run_cache_sync(*, run_id: Optional[str] = None, as_of: Optional[date] = None,
                   triggered_by: str = "daily_processing", on_progress: Optional[OnProgress] = None,
                   on_refused: Literal["raise", "continue"] = "raise", time_limit: float = TIME_LIMIT,
                   cancel: Optional[threading.Event] = None, options: Sequence[str] = (), program: str = PROGRAM,
                   environment: Mapping[str, str] = environ) -> CacheSyncResult:
    """Runs the phase and returns how it went.

    `on_progress` is called in this thread with step, number of steps and name. With `on_refused="continue"` a run that
    a guard refuses is returned, not raised: the universes of the day before stand. At `time_limit` seconds, and when
    `cancel` is set, the program gets SIGTERM, upon which it rolls back; what it says then is the result. The same comes
    before an exception of `on_progress` is passed on. `options` are more of the program's own, such as --lock-wait.

    Raises CacheSyncFailed, and ProgramMissing where there is no program.
    """
    run_id = run_id or "daily-cache-sync-" + secrets.token_hex(4)
    command = [find_program(program, environment), "sync", *DOCUMENT_AND_STEPS, "--run-id", run_id,
               "--triggered-by", triggered_by, *options]
    if as_of is not None:
        command += ["--as-of", as_of.isoformat()]
    begun = time.monotonic()
    status, document = _run(command, dict(environment), on_progress, begun + time_limit, cancel or threading.Event())
    result = _result(run_id, status, document, time.monotonic() - begun)
    if result.success or (status == REFUSED and on_refused == "continue"):
        return result
    raise CacheSyncFailed(result)


async def run_cache_sync_async(**arguments: Any) -> CacheSyncResult:
    """Does the same without blocking the loop. Cancelling the task sends SIGTERM, and ends when the program has."""
    cancel: threading.Event = arguments.setdefault("cancel", threading.Event())
    work = asyncio.ensure_future(asyncio.to_thread(run_cache_sync, **arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        cancel.set()
        await asyncio.wait([work])
        # Who cancels does not want to know, but asyncio wants somebody to.
        work.exception()
        raise


def _run(command: Sequence[str], environment: dict[str, str], on_progress: Optional[OnProgress], deadline: float,
         cancel: threading.Event) -> tuple[int, dict[str, Any]]:
    # A document can be larger than a pipe holds, and the log is read first.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
                                       env=environment)
        except OSError as error:
            raise ProgramMissing(f"{command[0]} can't be run: {error.strerror}") from error
        given_up = threading.Event()
        watch = threading.Thread(target=_watch, args=(process, deadline, cancel, given_up), daemon=True)
        watch.start()
        with process:
            try:
                assert process.stderr is not None
                for line in process.stderr:
                    step = read_step(line)
                    if step is not None and on_progress is not None:
                        on_progress(step.number, step.total, step.name)
                process.wait()
            finally:
                # Whatever ends the waiting, nobody is left behind who still writes.
                given_up.set()
                watch.join()
        output.seek(0)
        return exit_status(process.returncode), read_document(output.read())


def _watch(process: "subprocess.Popen[bytes]", deadline: float, cancel: threading.Event,
           given_up: threading.Event) -> None:
    while process.poll() is None:
        if given_up.wait(0.05) or cancel.is_set() or time.monotonic() >= deadline:
            process.terminate()
            try:
                process.wait(LAST_WORDS)
            except subprocess.TimeoutExpired:
                process.kill()
            return


def _result(run_id: str, status: int, document: Mapping[str, Any], seconds: float) -> CacheSyncResult:
    error = None if status in (0, 2) else failure_of(document, status)
    warning = None
    if status == UNDELIVERED:
        error, warning = None, error
    elif status == REFUSED:
        warning = "the universes stand as the last completed run has left them"
    return CacheSyncResult(
        success=status in COMMITTED, run_id=run_id, duration_seconds=document.get("duration_seconds", seconds),
        changes=document.get("changes", 0), error=error, warning=warning, exit_status=status,
        sync_status=document.get("sync_status"))

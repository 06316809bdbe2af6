"""Phase 2.5 of the daily processing, `cache_sync`: after the import of the prices, before indicators and patterns.

    from tickstock_cache.phase import CacheSyncFailed, run_cache_sync

    try:
        result = run_cache_sync(run_id=f"daily-{day}", as_of=day)
    except CacheSyncFailed as failure:
        ...  # failure.result says why; indicators would be computed over the universes of an earlier day

The phase is completed if the universes are committed, even if a task failed on its own or events could not be
delivered. Anything else is raised. Calling it again for the same day is safe: a night that committed does not run
again. The program itself publishes `phase_completed`, so the coordinator must not publish it again.
"""

import asyncio
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from os import environ
from typing import Any, Literal, Optional, Union

from .program import (COMMITTED, DOCUMENT_AND_STEPS, DONE, LOCKED, PROGRAM, REFUSED, UNAVAILABLE, UNDELIVERED,
                      USAGE, WITH_ERRORS, ProgramMissing, exit_status, failure_of, find_program, read_document,
                      read_step)

PHASE = "cache_sync"

# A little more than the program's own limit (--timeout), which should be reached first.
TIME_LIMIT = 960.0

# After the signal the program takes two seconds, or a minute if it has to find out whether its COMMIT succeeded.
LAST_WORDS = 90.0

# After these nothing was changed, and the same call may succeed later.
RETRYABLE = frozenset({UNAVAILABLE, LOCKED})

# The options of a run that are also needed to read its record.
CONNECTION_OPTIONS = ("--config", "--database-url", "--database-url-file")

RECORDED_STATUS = {"completed": DONE, "completed_with_errors": WITH_ERRORS}

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CacheSyncResult:
    """The result of the phase. `changes` counts as the program does: it is 0 if and only if no universe was written."""

    success: bool
    run_id: str
    duration_seconds: float
    changes: int
    error: Optional[str]
    warning: Optional[str]
    exit_status: int
    sync_status: Optional[str]
    # Warnings of the run; a record keeps none.
    warnings: Sequence[str] = ()
    plan_digest: Optional[str] = None
    # Each with name, universe, value, limit, setting, refused.
    guards: Sequence[Mapping[str, Any]] = ()
    # For each task: status, changes (a number), error.
    task_results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Whether an earlier call did the work, and this comes from its record.
    recorded: bool = False

    @property
    def retryable(self) -> bool:
        """Returns whether calling again, with nothing fixed, may succeed: PostgreSQL was away, or another run held the
        lock.
        """
        return self.exit_status in RETRYABLE

    @property
    def status(self) -> str:
        """Returns `completed` or `failed`, as in the phase's events."""
        return "completed" if self.success else "failed"


class CacheSyncFailed(Exception):
    """The universes are not those of this day, or it is unknown whether they are. `result` holds all that is known."""

    def __init__(self, result: CacheSyncResult) -> None:
        super().__init__(f"phase {PHASE} failed with status {result.exit_status}: {result.error}")
        self.result = result


def run_cache_sync(*, run_id: Optional[str] = None, as_of: Union[date, str, None] = None,
                   triggered_by: str = "daily_processing", on_progress: Optional[OnProgress] = None,
                   on_refused: Literal["raise", "continue"] = "raise", time_limit: float = TIME_LIMIT,
                   cancel: Optional[threading.Event] = None, options: Sequence[str] = (), program: str = PROGRAM,
                   environment: Mapping[str, str] = environ) -> CacheSyncResult:
    """Runs the phase and returns its result.

    If a run with this id has already committed for this day, nothing runs, and its recorded result is returned. If it
    has a record but did not commit, the next attempt gets an id derived from it: RUN_ID.2, RUN_ID.3 and so on.

    `as_of` is a day, or its text as YYYY-MM-DD. `on_progress` is called in this thread with step, number of steps and
    name. With `on_refused="continue"`, a run that a guard refuses is returned, not raised: the universes of the
    previous day remain. After `time_limit` seconds, or when `cancel` is set, the program gets SIGTERM, which makes it
    roll back; its report is the result. It also gets SIGTERM before an exception of `on_progress` is passed on.
    `options` are further options of the program, such as --lock-wait.

    Raises CacheSyncFailed, and ProgramMissing if there is no program.
    """
    first_id = run_id or "daily-cache-sync-" + secrets.token_hex(4)
    path = find_program(program, environment)
    # A value after the sign is no option, whatever it begins with.
    command = ["sync", *DOCUMENT_AND_STEPS, f"--triggered-by={triggered_by}", *options]
    if as_of is not None:
        command.append(f"--as-of={_day_text(as_of)}")
    deadline = time.monotonic() + time_limit
    cancelled = cancel or threading.Event()

    def call(words: Sequence[str], report: Optional[OnProgress] = None) -> tuple[int, dict[str, Any]]:
        return _call([path, *words], dict(environment), report, deadline, cancelled)

    def record_of(run_id: str) -> Optional[dict[str, Any]]:
        """Returns the record of a run; nothing if it has none, or if the program does not answer."""
        status, record = call(["status", "--format", "json", *_connection_options(options), "--", run_id])
        # The program also accepts the beginning of an id, which could be that of another run.
        return record if status == DONE and record["run_id"] == run_id else None

    attempt = 1
    while True:
        attempt_id = first_id if attempt == 1 else f"{first_id}.{attempt}"
        begun = time.monotonic()
        # Given an id that has a record, the program would announce that the phase failed.
        record = record_of(attempt_id) if run_id else None
        if record is not None and record["sync_status"] in RECORDED_STATUS:
            # An id that is the same every night must not pass for a night that is already done.
            day = as_of if as_of is not None else call([*command, "--dry-run"])[1].get("as_of")
            if record["mode"] == "full" and day is not None and record["as_of"] == _day_text(day):
                return _recorded_result(record)
        elif record is not None and record["sync_status"] != "running":
            attempt += 1
            continue
        status, document = call([*command, f"--run-id={attempt_id}"], on_progress)
        if status != USAGE or not run_id or (record is not None and record["sync_status"] != "running"):
            break
        # While this call waited for the lock, another one with the id may have ended.
        record = record_of(attempt_id)
        if record is None or record["sync_status"] == "running":
            break
    result = _result(attempt_id, status, document, time.monotonic() - begun)
    if result.success or (status == REFUSED and on_refused == "continue"):
        return result
    raise CacheSyncFailed(result)


async def run_cache_sync_async(*, run_id: Optional[str] = None, as_of: Union[date, str, None] = None,
                               triggered_by: str = "daily_processing", on_progress: Optional[OnProgress] = None,
                               on_refused: Literal["raise", "continue"] = "raise", time_limit: float = TIME_LIMIT,
                               cancel: Optional[threading.Event] = None, options: Sequence[str] = (),
                               program: str = PROGRAM, environment: Mapping[str, str] = environ) -> CacheSyncResult:
    """Does the same without blocking the loop; `on_progress` is called in another thread.

    Cancelling the task sends SIGTERM, and returns once the program has ended.
    """
    cancel = cancel or threading.Event()
    work = asyncio.ensure_future(asyncio.to_thread(
        run_cache_sync, run_id=run_id, as_of=as_of, triggered_by=triggered_by, on_progress=on_progress,
        on_refused=on_refused, time_limit=time_limit, cancel=cancel, options=options, program=program,
        environment=environment))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        cancel.set()
        await asyncio.wait([work])
        # The caller who cancels ignores the result, but asyncio wants it retrieved.
        work.exception()
        raise


def _day_text(day: Union[date, str]) -> str:
    if isinstance(day, datetime):
        day = day.date()
    return day if isinstance(day, str) else day.isoformat()


def _connection_options(options: Sequence[str]) -> list[str]:
    """Returns the options that tell where the records are."""
    found: list[str] = []
    for index, word in enumerate(options):
        name, sign, _ = word.partition("=")
        if name in CONNECTION_OPTIONS:
            found += options[index:index + (1 if sign else 2)]
    return found


def _call(command: Sequence[str], environment: dict[str, str], on_progress: Optional[OnProgress], deadline: float,
          cancel: threading.Event) -> tuple[int, dict[str, Any]]:
    """Runs the program to its end. Returns its exit status and its document."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment)
    except OSError as error:
        raise ProgramMissing(f"{command[0]} can't be run: {error.strerror}") from error
    given_up = threading.Event()
    watch = threading.Thread(target=_watch, args=(process, deadline, cancel, given_up), daemon=True)
    watch.start()
    # A document can be larger than a pipe's buffer, and the log is read at the same time.
    with ThreadPoolExecutor(1) as reader, process:
        assert process.stdout is not None and process.stderr is not None
        document = reader.submit(process.stdout.read)
        try:
            for line in process.stderr:
                step = read_step(line)
                if step is not None and on_progress is not None:
                    on_progress(step.number, step.total, step.name)
            process.wait()
        finally:
            # However the wait ends, don't leave a process behind that still writes.
            given_up.set()
            watch.join()
        return exit_status(process.returncode), read_document(document.result())


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
    tasks = {name: {"status": task["status"], "changes": task["changes_count"], "error": task["error"]}
             for name, task in document.get("task_results", {}).items()}
    return CacheSyncResult(
        success=status in COMMITTED, run_id=run_id, duration_seconds=document.get("duration_seconds", seconds),
        changes=document.get("changes", 0), error=error, warning=warning, exit_status=status,
        sync_status=document.get("sync_status"), warnings=tuple(document.get("warnings", ())),
        plan_digest=document.get("plan_digest"), guards=tuple(document.get("guards", ())), task_results=tasks)


def _recorded_result(record: Mapping[str, Any]) -> CacheSyncResult:
    """Returns the result of a committed run from its record."""
    status = RECORDED_STATUS[record["sync_status"]]
    pending = record["events"]["pending"]
    warning = None
    if pending > 0:
        warning = f"pending events of this run: {pending}; run '{PROGRAM} deliver'"
        status = status or UNDELIVERED
    return CacheSyncResult(
        success=True, run_id=record["run_id"], duration_seconds=record["duration_seconds"],
        changes=record["total_changes"], error=record["error"], warning=warning, exit_status=status,
        sync_status=record["sync_status"], plan_digest=record["plan_digest"], guards=tuple(record["guards"]),
        task_results=record["task_results"], recorded=True)

"""Phase 2.5 of the daily processing, `cache_sync`: after the import of the prices, before indicators and patterns.

    from tickstock_cache.phase import CacheSyncFailed, run_cache_sync

    try:
        result = run_cache_sync(run_id=f"daily-{day}", as_of=day)
    except CacheSyncFailed as failure:
        ...  # failure.result says why; indicators would be computed over the universes of an earlier day

Where the universes are committed, even if a task failed on its own or events could not be delivered, the phase is
completed. Everything else is raised. Calling it again for the same day is safe: a night that committed does not run
again. The program itself publishes `phase_completed`, so the coordinator must not publish it again.
"""

import asyncio
import itertools
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from os import environ
from typing import Any, Literal, Optional, Union

from .program import (COMMITTED, DOCUMENT_AND_STEPS, DONE, LOCKED, PROGRAM, REFUSED, UNAVAILABLE, UNDELIVERED, USAGE,
                      WITH_ERRORS, ProgramMissing, ask, exit_status, failure_of, find_program, read_document, read_step)

PHASE = "cache_sync"

# A little more than the program gives itself (--timeout), which is the limit that should be met first.
TIME_LIMIT = 960.0

# From the signal on the program takes two seconds, and a minute where it has to find out what became of its COMMIT.
LAST_WORDS = 90.0

# With these nothing was changed, and the same call may well succeed later.
RETRYABLE = frozenset({UNAVAILABLE, LOCKED})

# What a question about a record needs of the options of a run.
CONNECTION_OPTIONS = ("--config", "--database-url", "--database-url-file")

RECORDED_STATUS = {"completed": DONE, "completed_with_errors": WITH_ERRORS}

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
    # What the run warned of; a record keeps no warnings.
    warnings: Sequence[str] = ()
    plan_digest: Optional[str] = None
    # Each with name, universe, value, limit, setting, refused.
    guards: Sequence[Mapping[str, Any]] = ()
    # Of each task: status, changes (a number), error.
    task_results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Whether an earlier call did the work, and this is what its record says.
    recorded: bool = False

    @property
    def retryable(self) -> bool:
        """Whether calling again, with nothing fixed, may succeed: PostgreSQL was away, or another run held the lock."""
        return self.exit_status in RETRYABLE

    @property
    def status(self) -> str:
        """`completed` or `failed`, as the phase's events have it."""
        return "completed" if self.success else "failed"


class CacheSyncFailed(Exception):
    """The universes are not those of this day, or nobody knows whether they are. `result` holds all that is known."""

    def __init__(self, result: CacheSyncResult) -> None:
        super().__init__(f"phase {PHASE} failed with status {result.exit_status}: {result.error}")
        self.result = result


def run_cache_sync(*, run_id: Optional[str] = None, as_of: Union[date, str, None] = None,
                   triggered_by: str = "daily_processing", on_progress: Optional[OnProgress] = None,
                   on_refused: Literal["raise", "continue"] = "raise", time_limit: float = TIME_LIMIT,
                   cancel: Optional[threading.Event] = None, options: Sequence[str] = (), program: str = PROGRAM,
                   environment: Mapping[str, str] = environ) -> CacheSyncResult:
    """Runs the phase and returns how it went.

    Where a run of this id has committed for this day already, nothing runs, and its recorded result is returned. Where
    it has a record but did not commit, the attempt is named after it: RUN_ID.2, RUN_ID.3 and so on.

    `as_of` is a day, or its text as YYYY-MM-DD. `on_progress` is called in this thread with step, number of steps and
    name. With `on_refused="continue"` a run that a guard refuses is returned, not raised: the universes of the day
    before stand. At `time_limit` seconds, and when `cancel` is set, the program gets SIGTERM, upon which it rolls back;
    what it says then is the result. The same comes before an exception of `on_progress` is passed on. `options` are
    more of the program's own, such as --lock-wait.

    Raises CacheSyncFailed, and ProgramMissing where there is no program.
    """
    first_id = run_id or "daily-cache-sync-" + secrets.token_hex(4)
    command = [find_program(program, environment), "sync", *DOCUMENT_AND_STEPS, "--triggered-by", triggered_by,
               *options]
    if as_of is not None:
        command += ["--as-of", _day_text(as_of)]
    deadline = time.monotonic() + time_limit
    cancelled = cancel or threading.Event()

    def run(*more: str, report: Optional[OnProgress] = None) -> tuple[int, dict[str, Any]]:
        return _run([*command, *more], dict(environment), report, deadline, cancelled)

    for attempt in itertools.count(1):
        attempt_id = first_id if attempt == 1 else f"{first_id}.{attempt}"
        begun = time.monotonic()
        status, document = run("--run-id", attempt_id, report=on_progress)
        record = _record(attempt_id, program, environment, options, deadline) if status == USAGE else None
        if record is None:
            break
        if record["sync_status"] in RECORDED_STATUS:
            # An id that is the same every night must not pass for a night that was done.
            day = as_of if as_of is not None else run("--dry-run")[1].get("as_of")
            if record["mode"] == "full" and day is not None and record["as_of"] == _day_text(day):
                return _recorded_result(record)
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

    Cancelling the task sends SIGTERM, and ends when the program has.
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
        # Who cancels does not want to know, but asyncio wants somebody to.
        work.exception()
        raise


def _day_text(day: Union[date, str]) -> str:
    if isinstance(day, datetime):
        day = day.date()
    return day if isinstance(day, str) else day.isoformat()


def _record(run_id: str, program: str, environment: Mapping[str, str], options: Sequence[str],
            deadline: float) -> Optional[dict[str, Any]]:
    """Returns the record of a run; nothing where it has none, or where the program does not say."""
    try:
        status, record = ask(program, environment, ["status", run_id, *_connection_options(options)],
                             max(deadline - time.monotonic(), 1.0))
    except subprocess.TimeoutExpired:
        return None
    # The program takes the beginning of an id, too, which would be that of another run.
    return record if status == DONE and record["run_id"] == run_id else None


def _connection_options(options: Sequence[str]) -> list[str]:
    """Returns the options that say where the records are."""
    found: list[str] = []
    for index, word in enumerate(options):
        name, sign, _ = word.partition("=")
        if name in CONNECTION_OPTIONS:
            found += options[index:index + (1 if sign else 2)]
    return found


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
    tasks = {name: {"status": task["status"], "changes": task["changes_count"], "error": task["error"]}
             for name, task in document.get("task_results", {}).items()}
    return CacheSyncResult(
        success=status in COMMITTED, run_id=run_id, duration_seconds=document.get("duration_seconds", seconds),
        changes=document.get("changes", 0), error=error, warning=warning, exit_status=status,
        sync_status=document.get("sync_status"), warnings=tuple(document.get("warnings", ())),
        plan_digest=document.get("plan_digest"), guards=tuple(document.get("guards", ())), task_results=tasks)


def _recorded_result(record: Mapping[str, Any]) -> CacheSyncResult:
    """Returns the result of a run that committed, from its record."""
    status = RECORDED_STATUS[record["sync_status"]]
    pending = record["events"]["pending"]
    warning = None
    if pending > 0:
        warning = f"{pending} events of this run are pending; run '{PROGRAM} deliver'"
        status = status or UNDELIVERED
    return CacheSyncResult(
        success=True, run_id=record["run_id"], duration_seconds=record["duration_seconds"],
        changes=record["total_changes"], error=record["error"], warning=warning, exit_status=status,
        sync_status=record["sync_status"], plan_digest=record["plan_digest"], guards=tuple(record["guards"]),
        task_results=record["task_results"], recorded=True)

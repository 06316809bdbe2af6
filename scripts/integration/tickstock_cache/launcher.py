"""Starts runs of tickstock-cache in the background, and knows their state even if they left no record.

A run writes to files in a private directory instead of pipes of the process that started it. So it outlives that
process, and every worker process of a web server can find out what happened to it. Whether it still runs is shown by a
lock on its log, which it inherits, and which the kernel releases when it ends.
"""

import contextlib
import fcntl
import json
import os
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

from .program import (COMMANDS, DOCUMENT_AND_STEPS, ProgramMissing, exit_status, find_program, read_document,
                      read_step)

# By then there is a record, or nobody asks any more.
KEPT_SECONDS = 86_400

# The run holds the lock before its second step, whether or not the program has tables of its own.
STEP_WITH_LOCK = 2


@dataclass(frozen=True)
class Request:
    """What was requested, and when."""

    run_id: str
    mode: str
    triggered_by: str
    created_at: str


@dataclass(frozen=True)
class Launch:
    """A run that was started here. `document` is its result; empty while it runs, or if it was killed."""

    request: Request
    running: bool
    document: Mapping[str, Any]


class Launcher:
    """Starts the program, and remembers its runs for a day in `directory`, which only this user may enter."""

    def __init__(self, program: str, environment: Mapping[str, str], directory: Optional[Path] = None) -> None:
        self._program = program
        self._environment = dict(environment)
        self._directory = directory or Path(tempfile.gettempdir(), f"tickstock-cache-sync-{os.getuid()}")

    def start(self, run_id: str, mode: str, triggered_by: str, patience: float) -> Optional[int]:
        """Starts a run and waits until it is sure to have the lock, has ended, or time is up.

        Returns its exit status if it has ended. Raises ProgramMissing, and OSError if the directory is unusable.
        """
        program = find_program(self._program, self._environment)
        self._prepare_directory()
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        request = Request(run_id, mode, triggered_by, now)
        self._path(run_id, "request").write_text(json.dumps(asdict(request)), encoding="utf-8")
        log = self._path(run_id, "log")
        with open(log, "wb") as errors, open(self._path(run_id, "result"), "wb") as output:
            fcntl.flock(errors, fcntl.LOCK_EX)
            try:
                # In its own session, so that signals for the web server's group don't reach the run.
                process = subprocess.Popen(
                    [program, COMMANDS[mode], *DOCUMENT_AND_STEPS, f"--run-id={run_id}",
                     f"--triggered-by={triggered_by}"],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=self._environment,
                    start_new_session=True)
            except OSError as error:
                raise ProgramMissing(f"{program} can't be run: {error.strerror}") from error
        # Somebody has to wait for it, or it becomes a zombie.
        ended = threading.Thread(target=process.wait, daemon=True)
        ended.start()
        deadline = time.monotonic() + patience
        while ended.is_alive() and time.monotonic() < deadline and not _has_lock(log):
            ended.join(0.02)
        return None if process.returncode is None else exit_status(process.returncode)

    def find(self, run_id: str) -> Optional[Launch]:
        """Returns what is known here about a run. The id must be one that start() was called with, or safe as a file
        name.
        """
        try:
            request = Request(**json.loads(self._path(run_id, "request").read_text(encoding="utf-8")))
            # In this order: a run that has ended has written everything it will.
            running = _is_locked(self._path(run_id, "log"))
            document = read_document(self._path(run_id, "result").read_bytes())
        except (OSError, ValueError, TypeError):
            return None
        return Launch(request, running, document)

    def _path(self, run_id: str, what: str) -> Path:
        return self._directory / f"{run_id}.{what}"

    def _prepare_directory(self) -> None:
        """Creates the directory, or checks that it is ours alone, and deletes old files."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        found = self._directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{self._directory} must be a directory of this user that nobody else may enter")
        oldest = time.time() - KEPT_SECONDS
        for path in self._directory.glob("manual-cache-sync-*.*"):
            # Another worker may be deleting the same files.
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_mtime < oldest and path.is_file():
                    path.unlink()


def _has_lock(log: Path) -> bool:
    steps = (read_step(line) for line in log.read_bytes().splitlines())
    return any(step is not None and step.number >= STEP_WITH_LOCK for step in steps)


def _is_locked(log: Path) -> bool:
    with open(log, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

"""Starts runs of tickstock-cache in the background, and knows of each how it stands even where it left no record.

A run writes into files of a private directory, not into pipes of the process that started it. So it outlives that
process, and every worker process of a web server finds out what became of it. Whether it still works is told by a lock
on its log, which it inherits, and which the kernel takes away with its last breath.
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

# After so long there is a record, or nobody asks any more.
KEPT_SECONDS = 86_400

# The lock is taken before the second step, whether the program has tables of its own or not.
STEP_WITH_LOCK = 2


@dataclass(frozen=True)
class Request:
    """What was asked for, and when."""

    run_id: str
    mode: str
    triggered_by: str
    created_at: str


@dataclass(frozen=True)
class Launch:
    """A run that was started here. `document` is what it came to; empty while it works, or where it was killed."""

    request: Request
    running: bool
    document: Mapping[str, Any]


class Launcher:
    """Starts the program and remembers its runs for a day in `directory`, which only this user may enter."""

    def __init__(self, program: str, environment: Mapping[str, str], directory: Optional[Path] = None) -> None:
        self._program = program
        self._environment = dict(environment)
        self._directory = directory or Path(tempfile.gettempdir(), f"tickstock-cache-sync-{os.getuid()}")

    def start(self, run_id: str, mode: str, triggered_by: str, patience: float) -> Optional[int]:
        """Starts a run and waits until it surely has the lock, has ended, or the time is over.

        Returns its exit status where it has ended. Raises ProgramMissing, and OSError where the directory is unfit.
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
                # A session of its own: signals for the web server's group are not for the run.
                process = subprocess.Popen(
                    [program, COMMANDS[mode], *DOCUMENT_AND_STEPS, "--run-id", run_id, "--triggered-by",
                     triggered_by],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=self._environment,
                    start_new_session=True)
            except OSError as error:
                raise ProgramMissing(f"{program} can't be run: {error.strerror}") from error
        # Somebody has to wait for it, or it stays as a zombie.
        ended = threading.Thread(target=process.wait, daemon=True)
        ended.start()
        deadline = time.monotonic() + patience
        while ended.is_alive() and time.monotonic() < deadline and not _has_lock(log):
            ended.join(0.02)
        return None if process.returncode is None else exit_status(process.returncode)

    def find(self, run_id: str) -> Optional[Launch]:
        """Returns what is known here of a run. The id must be one that start() was called with, or safe as a name."""
        try:
            request = Request(**json.loads(self._path(run_id, "request").read_text(encoding="utf-8")))
            # In this order: what has ended has written all that it will.
            running = _is_locked(self._path(run_id, "log"))
            document = read_document(self._path(run_id, "result").read_bytes())
        except (OSError, ValueError, TypeError):
            return None
        return Launch(request, running, document)

    def _path(self, run_id: str, what: str) -> Path:
        return self._directory / f"{run_id}.{what}"

    def _prepare_directory(self) -> None:
        """Makes the directory, or looks whether it is ours alone, and deletes what is old."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        found = self._directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{self._directory} must be a directory of this user that nobody else may enter")
        oldest = time.time() - KEPT_SECONDS
        for path in self._directory.iterdir():
            # Another worker may be deleting the same files.
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_mtime < oldest:
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

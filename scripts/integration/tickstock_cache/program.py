"""What calling tickstock-cache means, for both the phase of the daily processing and the blueprint.

No address is ever an argument, where everyone on the machine could read it: DATABASE_URL, REDIS_URL and the others come
from the environment.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

PROGRAM = "tickstock-cache"

# The exit statuses with which the entries are committed.
DONE, CHANGED, WITH_ERRORS, UNDELIVERED = 0, 2, 3, 6
COMMITTED = frozenset({DONE, CHANGED, WITH_ERRORS, UNDELIVERED})
FAILED, REFUSED, UNAVAILABLE, NOT_APPROVED, UNKNOWN_OUTCOME, LOCKED, USAGE = 1, 4, 5, 7, 8, 11, 64

COMMANDS = {"full": "sync", "market_cap": "market-cap", "ipos": "ipo", "themes": "themes", "delisted": "delisted"}

# Verbose, since a configuration file may ask for less than the steps.
DOCUMENT_AND_STEPS = ("--format", "json", "--log-format", "json", "--verbose")

STEP = re.compile(r"step \d+/\d+: (.*)", re.DOTALL)


class ProgramMissing(Exception):
    """There is no program of that name, or it may not be executed."""


@dataclass(frozen=True)
class Step:
    """The beginning of step `number` of `total`."""

    number: int
    total: int
    name: str


def find_program(program: str, environment: Mapping[str, str]) -> str:
    """Returns the path of the program, looked up as a shell would."""
    path = shutil.which(program, path=environment.get("PATH"))
    if path is None:
        raise ProgramMissing(f"there is no program {program} here; install tickstock-cache, or say where it is")
    return path


def ask(program: str, environment: Mapping[str, str], words: Sequence[str],
        seconds: float) -> tuple[int, dict[str, Any]]:
    """Runs a read-only command, the first of the words. Returns its exit status and its document.

    Raises ProgramMissing, and subprocess.TimeoutExpired if there is no answer in time.
    """
    try:
        done = subprocess.run(
            [find_program(program, environment), words[0], "--format", "json", *words[1:]], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(environment), timeout=seconds, check=False)
    except OSError as error:
        raise ProgramMissing(f"{program} can't be run: {error.strerror}") from error
    return exit_status(done.returncode), read_document(done.stdout)


def read_step(line: bytes) -> Optional[Step]:
    """Returns the step that a line of the program's JSON log announces, if it does."""
    entry = _object(line)
    number, total, message = entry.get("step"), entry.get("total_steps"), entry.get("message")
    if not isinstance(number, int) or not isinstance(total, int) or not isinstance(message, str):
        return None
    named = STEP.fullmatch(message)
    return Step(number, total, named[1] if named else message)


def read_document(output: bytes) -> dict[str, Any]:
    """Returns the document that the program prints with --format json; empty if it printed none."""
    return _object(output)


def exit_status(returncode: int) -> int:
    """Returns the exit status as a shell shows it: 128 + N if signal N ended the program."""
    return 128 - returncode if returncode < 0 else returncode


def failure_of(document: Mapping[str, Any], status: int) -> str:
    """Returns what went wrong: in the program's words, or else by its exit status."""
    errors = document.get("errors")
    if isinstance(errors, list) and errors:
        return "; ".join(str(error) for error in errors)
    if status > 128:
        return f"{PROGRAM} was ended by signal {status - 128}"
    return f"{PROGRAM} ended with status {status}"


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

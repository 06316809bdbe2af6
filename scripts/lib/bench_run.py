"""Runs a command and measures it: wall time alone, or memory, system calls and round trips."""

import os
import re
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench_servers import BenchError


@dataclass(frozen=True)
class Command:
    """What to run: standard input comes from a file, standard output is discarded."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    stdin: str = os.devnull


@dataclass(frozen=True)
class Costs:
    """What a run takes besides time."""

    memory_kb: int
    system_calls: int
    round_trips: int


def wall_time(command: Command, scratch: Path) -> float:
    """Runs a command and returns the seconds from its start to its end."""
    said = scratch / "stderr"
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, command.stdin, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(said), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    begin = time.perf_counter()
    pid = os.posix_spawn(command.arguments[0], command.arguments, command.environment, file_actions=actions)
    try:
        _, status, _ = os.wait4(pid, 0)
    except BaseException:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        raise
    seconds = time.perf_counter() - begin
    expect_success(command, os.waitstatus_to_exitcode(status), said)
    return seconds


def costs(command: Command, strace: str, gnu_time: str, scratch: Path) -> Costs:
    """Runs a command under strace, with time(1) in between.

    A process starts with the peak memory of its parent, which would be Python's; that of time is small.
    """
    calls, memory, said = scratch / "strace", scratch / "memory", scratch / "stderr"
    watched = [strace, "-f", "-s", "0", "-o", str(calls), gnu_time, "-q", "-f", "%M", "-o", str(memory),
               *command.arguments]
    with open(command.stdin, "rb") as stdin, open(said, "wb") as stderr:
        done = subprocess.run(watched, stdin=stdin, stdout=subprocess.DEVNULL, stderr=stderr,
                              env=command.environment, check=False)
    expect_success(command, done.returncode, said)
    with open(calls, encoding="utf-8", errors="replace") as lines:
        system_calls, round_trips = count_calls(lines)
    return Costs(int(memory.read_text().split()[-1]), system_calls, round_trips)


def expect_success(command: Command, status: int, said: Path) -> None:
    """Ends the benchmark unless a command has succeeded."""
    if status != 0:
        text = said.read_text(errors="replace").strip()
        raise BenchError(f"{' '.join(command.arguments)} ended with {status}: {text}")


CALL = re.compile(r"^(?P<pid>\d+) +(?:<\.\.\. )?(?P<name>\w+)(?P<resumed> resumed>|\()(?P<rest>.*)$")
SENDS = {"sendto", "sendmsg", "write", "writev"}
RECEIVES = {"recvfrom", "recvmsg", "read", "readv"}


def count_calls(lines: Iterable[str]) -> tuple[int, int]:
    """Returns a program's system calls and its round trips to PostgreSQL, from the log of `strace -f`.

    A round trip is something received over a connection to PostgreSQL after something was sent over it. What counts is
    how often the program switched from sending to receiving, not the number of pieces. The first process in the log is
    time, which started the program and does not count.
    """
    first = ""
    calls = 0
    trips = 0
    begun: dict[tuple[str, str], str] = {}
    waiting: dict[str, bool] = {}
    for line in lines:
        call = CALL.match(line)
        if call is None:
            continue
        pid, name, rest = call["pid"], call["name"], call["rest"]
        first = first or pid
        if pid == first:
            continue
        if call["resumed"] == "(":
            calls += 1
            if rest.endswith("<unfinished ...>"):
                begun[pid, name] = rest
                continue
        else:
            rest = begun.pop((pid, name), "") + rest
        descriptor = re.match(r"\d+", rest)
        if descriptor is None:
            continue
        trips += follow(waiting, name, descriptor[0], rest)
    return calls, trips


def follow(waiting: dict[str, bool], name: str, descriptor: str, rest: str) -> int:
    """Follows one call on a descriptor; `waiting` has those that are connections to PostgreSQL. Returns 1 if the call
    receives the first part of an answer."""
    if name == "connect" and ".s.PGSQL." in rest:
        waiting[descriptor] = False
    elif name == "close":
        waiting.pop(descriptor, None)
    elif descriptor in waiting and name in SENDS:
        waiting[descriptor] = True
    elif waiting.get(descriptor) and name in RECEIVES and re.search(r"\) += [1-9]", rest):
        waiting[descriptor] = False
        return 1
    return 0

"""Nights in a row with a stream behind Sentinels, random kills, and consumers whose work is counted.

scripts/soak-consumers runs it.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Optional

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCRIPTS = ROOT / "scripts"
PROGRAM = os.environ.get("TICKSTOCK_CACHE_PROGRAM", str(ROOT / "build" / "tickstock-cache"))

sys.path[:0] = [str(SCRIPTS / "lib"), str(SCRIPTS / "integration")]

import psycopg2  # noqa: E402
import redis  # noqa: E402
from bench_servers import Servers  # noqa: E402
from consumer import GROUP  # noqa: E402
from processes import Child, Violation, WatchedRedis, wait_until  # noqa: E402

STREAM = "tickstock:cache:events"
FIRST_DAY = "2020-01-02"
SYMBOLS = 1000
NIGHTS_BETWEEN_CHECKS = 25
RUN_SECONDS, CATCH_UP_SECONDS = 90.0, 120.0
KILLED = 128 + signal.SIGKILL

QUIET, KILL, KILL_AT_CALL = "none", "SIGKILL", "SIGKILL at a call"
RESTART, FAILOVER, SENTINEL = "Redis restarted", "failover", "Sentinel killed"
ONE, BOTH, CURSOR = "one of the group", "both of the group", "the cursor"
# Drawn like cards, so that each dozen of nights has each of them.
FAULTS = [QUIET] * 3 + [KILL] * 2 + [KILL_AT_CALL] * 2 + [RESTART] * 2 + [FAILOVER] * 2 + [SENTINEL]
CONSUMER_KILLS = [QUIET] * 6 + [ONE] * 2 + [BOTH] * 2 + [CURSOR] * 2
CALLS = ("sendto", "recvfrom", "poll")

UNCONFIRMED = "no replica of Redis"


def chosen_options(words: Sequence[str]) -> argparse.Namespace:
    """Parses the command line; exits with 64 if it is invalid."""
    def positive(text: str) -> int:
        number = int(text)
        if number <= 0:
            raise ValueError
        return number

    class Parser(argparse.ArgumentParser):
        def error(self, _: str) -> NoReturn:
            print("usage: soak-consumers [--nights N] [--minutes M] [--seed S]", file=sys.stderr)
            sys.exit(64)

    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--nights", type=positive, default=500)
    parser.add_argument("--minutes", type=positive)
    parser.add_argument("--seed", type=positive, default=1)
    return parser.parse_args(words)


@dataclass
class Event:
    """A row of the outbox, or an entry of the stream."""

    id: str
    event_id: str
    channel: str
    message: str


@dataclass
class Tally:
    """What to print at the end."""

    nights: int = 0
    runs: int = 0
    statuses: dict[str, collections.Counter[int]] = field(
        default_factory=lambda: {fault: collections.Counter() for fault in dict.fromkeys(FAULTS)})
    faults: collections.Counter[str] = field(default_factory=collections.Counter)
    consumer_kills: collections.Counter[str] = field(default_factory=collections.Counter)
    unconfirmed: int = 0
    events: int = 0
    group_twice: int = 0
    cursor_twice: int = 0
    by_group: collections.Counter[str] = field(default_factory=collections.Counter)

    def print(self, seconds: float, seed: int, violation: Optional[str]) -> None:
        def line(name: str, value: object, more: str = "") -> None:
            print(f"{name:<24} {value!s:>8}{more}")
        line("nights", self.nights)
        line("runs", self.runs)
        for fault, statuses in self.statuses.items():
            if self.faults[fault] > 0:
                said = "".join(f"  {status}: {times}" for status, times in sorted(statuses.items()))
                line("  " + fault, self.faults[fault], f" {said}")
        line("consumers killed", sum(self.consumer_kills.values()))
        for kind in (ONE, BOTH, CURSOR):
            line("  " + kind, self.consumer_kills[kind])
        line("events", self.events)
        line("twice by the group", self.group_twice)
        line("twice by the cursor", self.cursor_twice)
        line("unconfirmed by replicas", self.unconfirmed)
        # Each of these would have ended the soak.
        for name in ("lost", "out of order", "not in the outbox"):
            line(name, "0" if violation is None else "?")
        print(f"{'duration':<24} {seconds:>8.1f} s, {seconds / max(self.nights, 1):.3f} s a night, seed {seed}")
        if violation is not None:
            print(f"violation: {violation}")


class Deck:
    """Cards that are drawn in random order, and then reshuffled."""

    def __init__(self, cards: Sequence[str], chance: random.Random) -> None:
        self._cards = list(cards)
        self._chance = chance
        self._left: list[str] = []

    def draw(self) -> str:
        if not self._left:
            self._left = self._chance.sample(self._cards, len(self._cards))
        return self._left.pop()


class Consumer:
    """A consumer's process, which is killed and restarted, and the file of what it has processed."""

    def __init__(self, kind: str, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self._words = [sys.executable, "-B", str(HERE / "consumer.py"), kind, name]
        self._file = folder / name
        self._log = folder / f"{name}.log"
        self._environment = {**environment, "FOLDER": str(folder)}
        self._child: Optional[Child] = None
        # The night in which to restart it.
        self.due = 0

    def start(self) -> None:
        self._child = Child(self._words, self._log, self._environment)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def away(self) -> bool:
        return self._child is None

    def check(self) -> None:
        """Fails if it has ended by itself, or was told to read everything again although it has an outbox."""
        if self._child is not None and not self._child.running():
            raise Violation(f"the consumer {self.name} has ended with {self._child.wait()}:\n{self.log()}")
        for line in self._lines():
            if line.startswith("!"):
                raise Violation(f"the consumer {self.name} has read all instead of events: {line[2:]}\n{self.log()}")

    def processed(self) -> list[str]:
        """Returns the ids of events, as often as it has processed them."""
        return [line for line in self._lines() if not line.startswith("!")]

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def _lines(self) -> list[str]:
        return self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []


class Soak:
    """The servers, the program and the consumers, and their faults."""

    def __init__(self, servers: Servers, watched: WatchedRedis, folder: Path, seed: int, tally: Tally) -> None:
        self.tally = tally
        self._watched = watched
        self._chance = random.Random(seed)
        self._faults = Deck(FAULTS, self._chance)
        self._consumer_kills = Deck(CONSUMER_KILLS, self._chance)
        self._seed = f"soak-{seed}"
        self._folder = folder
        self._database = servers.database("tickstock")
        config = folder / "config.toml"
        config.write_text(f'[events]\nstream = "{STREAM}"\nstream_max_length = 1000000\n', encoding="ascii")
        self._environment = {
            **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")},
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TICKSTOCK_CACHE_CONFIG":
            str(config), "DATABASE_URL": self._database.url, "REDIS_URL": watched.url}
        self._group = [Consumer("group", name, folder, self._environment) for name in ("one", "two")]
        self._cursor = Consumer("cursor", "cursor", folder, self._environment)
        self._sentinel_due: dict[int, int] = {}
        self._usual_seconds = 0.1
        self._attempts = 0
        self._program: Optional[Child] = None
        self._day = FIRST_DAY
        self._can_trace = shutil.which("strace") is not None and subprocess.run(
            ["strace", "-qq", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0

    @property
    def _consumers(self) -> list[Consumer]:
        return [*self._group, self._cursor]

    def begin(self) -> None:
        """Creates the market before its first night, and starts the consumers."""
        variables = {"as_of": FIRST_DAY, "seed": self._seed}
        self._database.script(SCRIPTS / "sample-market.sql", {**variables, "symbols": SYMBOLS})
        self._require_success("init")
        self._database.script(SCRIPTS / "sample-universes.sql", {**variables, "themes": 6})
        for consumer in self._consumers:
            consumer.start()

    def end(self) -> None:
        """Kills everything that runs."""
        for consumer in self._consumers:
            consumer.kill()
        if self._program is not None:
            self._program.kill()

    def spend(self, night: int) -> None:
        """Runs one night."""
        if night > 1:
            self._day = self._database.query(f"SELECT date '{FIRST_DAY}' + {night - 1}")
            self._database.script(SCRIPTS / "sample-day.sql", {"as_of": self._day, "seed": self._seed})
        fault, consumer_kill = self._faults.draw(), self._consumer_kills.draw()
        if night == 1:
            # Ids used up by a killed run are missing. Before the first event is stored, that looks the same as deleted
            # events, so the cursor would rightly read everything again.
            fault = QUIET
        if fault == KILL_AT_CALL and not self._can_trace:
            fault = KILL
        if fault == FAILOVER:
            # After a restart, Sentinels that have not found the replicas again can't elect one.
            self._watched.settle()
        status = self._run_through(night, fault, consumer_kill)
        self.tally.nights += 1
        self.tally.faults[fault] += 1
        self.tally.statuses[fault][status] += 1
        self._bring_back(night)
        if status != 0:
            allowed = {QUIET: (), SENTINEL: (), KILL: (KILLED,), KILL_AT_CALL: (KILLED,)}.get(fault, (6, KILLED))
            if status not in allowed:
                raise Violation(f"the run of '{fault}' ended with {status}: {self._said()}")
            status = self._finish(self._start_run("--lock-wait", "20"))
            if status != 0:
                raise Violation(f"the run after '{fault}' ended with {status}: {self._said()}")
        for consumer in self._consumers:
            consumer.check()

    def check(self) -> None:
        """Waits until all have caught up, and compares the stream and what was processed with the outbox."""
        self._bring_back(None)
        self._watched.settle()
        outbox = self._read_outbox()
        self.tally.events = len(outbox)
        self._compare_stream(outbox)
        self._require_success("dry-run", "--as-of", self._day, "--detailed-exitcode")
        wanted = [event.event_id for event in outbox]

        def caught_up() -> bool:
            for consumer in self._consumers:
                consumer.check()
            return not set(wanted).difference(self._by_group()) and not set(wanted).difference(
                self._cursor.processed()) and self._acknowledged()
        try:
            wait_until("the consumers to have all", caught_up, CATCH_UP_SECONDS)
        except Violation:
            self._say_what_is_missing(outbox)
            raise
        by_group, by_cursor = self._by_group(), self._cursor.processed()
        for event_id in {*by_group, *by_cursor}.difference(wanted):
            raise Violation(f"event {event_id} was processed and is not in the outbox")
        if list(dict.fromkeys(by_cursor)) != wanted:
            raise Violation("the cursor has not processed the events in the order of the outbox")
        self.tally.group_twice = len(by_group) - len(wanted)
        self.tally.cursor_twice = len(by_cursor) - len(wanted)

    def _run_through(self, night: int, fault: str, consumer_kill: str) -> int:
        """Starts a run and applies the drawn faults at random moments of it. Returns the status of the run."""
        deeds: list[tuple[float, Callable[[], None]]] = []
        prefix: list[str] = []
        if fault == KILL_AT_CALL:
            call = self._chance.choice(CALLS)
            prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                      f"inject={call}:signal=KILL:when={self._chance.randint(1, 70)}"]
        kills_program = fault == KILL or (fault in (RESTART, FAILOVER) and self._chance.random() < 0.3)
        moment = self._moment()
        if fault == RESTART:
            deeds.append((moment, self._watched.restart_primary))
        if fault == FAILOVER:
            deeds.append((moment, self._watched.fail_over))
        if fault == SENTINEL:
            deeds.append((moment, lambda: self._kill_sentinel(night)))
        # With another fault right before it: the shorter the pause, the less can have been replicated.
        moment = moment * self._chance.random() if fault in (RESTART, FAILOVER) else self._moment()
        victims = {ONE: [self._chance.choice(self._group)], BOTH: self._group, CURSOR: [self._cursor]}
        if consumer_kill != QUIET:
            due = night + self._chance.randint(0, 2)
            deeds.append((2 * self._moment(), lambda: self._kill_consumers(victims[consumer_kill], due)))
            self.tally.consumer_kills[consumer_kill] += 1
        begun = time.monotonic()
        program = self._start_run(prefix=prefix)
        if kills_program:
            deeds.append((moment, program.kill))
        for due_seconds, deed in sorted(deeds, key=lambda each: each[0]):
            time.sleep(max(0.0, begun + due_seconds - time.monotonic()))
            deed()
        status = self._finish(program)
        if fault == QUIET and consumer_kill == QUIET:
            self._usual_seconds = time.monotonic() - begun
        return status

    def _moment(self) -> float:
        return self._chance.uniform(0, 1.25 * self._usual_seconds)

    def _kill_consumers(self, victims: Sequence[Consumer], due: int) -> None:
        for consumer in victims:
            consumer.kill()
            consumer.due = due

    def _kill_sentinel(self, night: int) -> None:
        if not self._sentinel_due:
            number = self._chance.randrange(len(self._watched.sentinels))
            self._watched.sentinels[number].kill()
            self._sentinel_due[number] = night + self._chance.randint(0, 2)

    def _bring_back(self, night: Optional[int]) -> None:
        """Restarts what has been down for long enough; without a night, everything."""
        for consumer in self._consumers:
            if consumer.away() and (night is None or consumer.due <= night):
                consumer.start()
        for number, due in list(self._sentinel_due.items()):
            if night is None or due <= night:
                self._watched.sentinels[number].start()
                del self._sentinel_due[number]

    def _start_run(self, *options: str, prefix: Sequence[str] = ()) -> Child:
        self._attempts += 1
        self.tally.runs += 1
        (self._folder / "run.log").unlink(missing_ok=True)
        environment = dict(self._environment)
        if prefix:
            # The leak detector is a tracer, and there can't be two.
            environment["ASAN_OPTIONS"] = "exitcode=99:detect_leaks=0"
        self._program = Child(
            [*prefix, PROGRAM, "sync", "--as-of", self._day, "--run-id", f"run-{self._attempts}",
             "--max-universe-events", "0", *options], self._folder / "run.log", environment)
        return self._program

    def _finish(self, program: Child) -> int:
        status = program.wait(RUN_SECONDS)
        self.tally.unconfirmed += UNCONFIRMED in self._said()
        return status

    def _said(self) -> str:
        return (self._folder / "run.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def _require_success(self, *words: str) -> None:
        done = subprocess.run([PROGRAM, *words], env=self._environment, stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=RUN_SECONDS)
        if done.returncode != 0:
            raise Violation(f"'{' '.join(words)}' ended with {done.returncode}: {done.stdout}{done.stderr}")

    def _by_group(self) -> list[str]:
        return [event_id for consumer in self._group for event_id in consumer.processed()]

    def _acknowledged(self) -> bool:
        try:
            return bool(self._watched.primary().ask("XPENDING", STREAM, GROUP)["pending"] == 0)
        except redis.RedisError:
            return False

    def _read_outbox(self) -> list[Event]:
        connection = psycopg2.connect(self._database.url)
        try:
            with connection, connection.cursor() as session:
                session.execute("SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL")
                [(pending,)] = session.fetchall()
                if pending > 0:
                    raise Violation(f"{pending} events were not published, though the last run ended with 0")
                session.execute(
                    "SELECT id || '-0', event_id::text, channel, message FROM cache_sync_outbox ORDER BY id")
                return [Event(*row) for row in session.fetchall()]
        finally:
            connection.close()

    def _compare_stream(self, outbox: Sequence[Event]) -> None:
        entries = [Event(entry, fields.pop("event_id", ""), fields.pop("channel", ""), fields.pop("message", ""))
                   for entry, fields in self._read_stream()]
        if entries == outbox:
            return
        stored, added = {event.event_id for event in outbox}, collections.Counter(each.event_id for each in entries)
        lost = [f"{event.id} ({json.loads(event.message)['payload']['run_id']})" for event in outbox
                if added[event.event_id] == 0]
        if lost:
            raise Violation(f"{len(lost)} events are not in the stream: {', '.join(lost[:20])}")
        for entry in entries:
            if entry.event_id not in stored:
                raise Violation(f"the stream has {entry.id}, which is not in the outbox")
            if added[entry.event_id] > 1:
                raise Violation(f"the stream has event {entry.event_id} {added[entry.event_id]} times")
        for event, entry in zip(outbox, entries):
            if event != entry:
                raise Violation(f"the stream has {entry}, and the outbox {event}")

    def _read_stream(self) -> Iterator[tuple[str, dict[str, str]]]:
        for entry, fields in self._watched.primary().ask("XRANGE", STREAM, "-", "+"):
            if set(fields) != {"event_id", "channel", "message"}:
                raise Violation(f"entry {entry} of the stream has the fields {sorted(fields)}")
            yield entry, fields

    def _say_what_is_missing(self, outbox: Sequence[Event]) -> None:
        for name, processed in (("group", self._by_group()), ("cursor", self._cursor.processed())):
            missing = [event.id for event in outbox if event.event_id not in set(processed)]
            print(f"missing from the {name}: {len(missing)}: {', '.join(missing[:20])}", file=sys.stderr)
        for consumer in self._consumers:
            print(f"{consumer.name}:\n{consumer.log()}", file=sys.stderr)


def soak(options: argparse.Namespace, tally: Tally) -> Optional[str]:
    """Runs the nights. Returns what is wrong, or nothing."""
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tickstock-cache-soak.")))
        servers = stack.enter_context(Servers({}))
        watched = WatchedRedis(folder)
        stack.callback(watched.kill)
        night = 0
        try:
            watched.start()
            nights = Soak(servers, watched, folder, options.seed, tally)
            stack.callback(nights.end)
            nights.begin()
            for night in range(1, options.nights + 1):
                if options.minutes is not None and time.monotonic() - begun >= 60 * options.minutes:
                    break
                nights.spend(night)
                if night % NIGHTS_BETWEEN_CHECKS == 0:
                    nights.check()
            nights.check()
        except Violation as violation:
            return f"night {night}, seed {options.seed}: {violation}"
    return None


def main() -> int:
    options = chosen_options(sys.argv[1:])

    def stop(number: int, _: Any) -> NoReturn:
        # A second signal must not leave anything half removed.
        for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    begun = time.monotonic()
    tally = Tally()
    violation = soak(options, tally)
    tally.print(time.monotonic() - begun, options.seed, violation)
    return 0 if violation is None else 1


if __name__ == "__main__":
    sys.exit(main())

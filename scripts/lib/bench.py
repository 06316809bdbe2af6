"""Measures the built program; scripts/bench runs this."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

from bench_callgrind import Instructions, count
from bench_contest import Contest, Result
from bench_duels import Duel, declared, replays, stable, streamed
from bench_journal import Growth, growth, questions
from bench_market import REAL_SYMBOLS, Markets, Size
from bench_plot import plot
from bench_rtt import Distance, Distances, table
from bench_report import document, machine, smoke_text, text
from bench_servers import LIB, SCRIPTS, BenchError, Servers, say

SIZES = {
    "small": "10000,13000,100000",
    "all": "10000,13000,100000,1000000,1000000x10000",
}
WITH_DECLARED = (10_000, 100_000)
"""The numbers of symbols at which to measure declared universes: the smallest, as a smoke test, and a large one."""
WITH_STABILITY = (10_000, REAL_SYMBOLS, 1_000_000)
WITH_REPLAY = 10_000
REPLAYED_DAYS = 700
JOURNALLED_NIGHTS = 1250

COUNTED = (Size(10_000, 30), Size(100_000, 40))
PLOTTED = "1000x40,3000x40,10000x40,30000x40,100000x40,300000x40,1000000x40"
DEFAULT_PLOT = SCRIPTS.parent / "man" / "cost-over-size.svg"
PROGRAM = SCRIPTS.parent / "build" / "tickstock-cache"


class Parser(argparse.ArgumentParser):
    """Exits with 64 on an unusable command line, as the program itself does."""

    def error(self, message: str) -> NoReturn:
        print(f"bench: {message}; see scripts/bench --help", file=sys.stderr)
        sys.exit(64)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parses the command line. The help is that of scripts/bench."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--sizes")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--days", default=os.environ.get("TICKSTOCK_MARKET_DAYS"))
    parser.add_argument("--sql", type=Path, default=LIB / "bench-sync.sql")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--rtt")
    parser.add_argument("--plot", type=Path, nargs="?", const=DEFAULT_PLOT)
    parser.add_argument("--from", dest="source", type=Path)
    options = parser.parse_args(arguments)
    if options.smoke and (options.plot or options.sizes or options.pairs):
        parser.error("--smoke goes with neither --sizes, --pairs nor --plot")
    if options.rtt and (options.smoke or options.plot or options.against):
        parser.error("--rtt goes with neither --smoke, --plot nor --against")
    try:
        options.rtt = [float(each) for each in options.rtt.split(",")] if options.rtt else []
    except ValueError:
        parser.error("--rtt is a list of milliseconds, such as 10,40")
    if options.source and not options.plot:
        parser.error("--from goes with --plot")
    if options.pairs is not None and not 1 <= options.pairs <= 1000:
        parser.error("--pairs is a number from 1 to 1000")
    if options.against and not os.access(options.against, os.X_OK):
        parser.error(f"--against {options.against}: there is no such program")
    for written in (options.json, options.plot):
        if written and not written.parent.is_dir():
            parser.error(f"{written}: there is no such folder")
    chosen = options.sizes or ("10000" if options.smoke else "13000" if options.rtt else PLOTTED if options.plot else "all")
    try:
        options.sizes = [Size.parse(size) for size in SIZES.get(chosen, chosen).split(",")]
    except ValueError as error:
        parser.error(f"--sizes {error}")
    options.pairs = options.pairs or (3 if options.smoke or options.plot else 7)
    return options


def prepare() -> None:
    """Installs what is missing and builds the program."""
    say("building, where anything has changed")
    for command in (["setup", "--bench"], ["build"]):
        done = subprocess.run([str(SCRIPTS / command[0]), *command[1:]], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            sys.stderr.buffer.write(done.stdout)
            raise BenchError(f"scripts/{' '.join(command)} failed")


Measured = tuple[dict[str, str], list[Result], list[Instructions], list[Duel], list[Growth]]


def measure(options: argparse.Namespace) -> Measured:
    """Measures all sizes. A plot needs neither the typical night nor instructions, and smoke should be quick."""
    program = str(PROGRAM)
    results, counted, duels, growths = [], [], [], []
    with Servers() as servers:
        markets = Markets(servers, program, options.days)
        contest = Contest(servers, program, options.sql, options.against)
        for size in options.sizes:
            say(f"{size.symbols:,} symbols, {size.entries:,} entries: making the market")
            market = markets.make(size)
            results.append(contest.measure(market, options.pairs, with_night=not options.plot))
            if size.symbols in WITH_DECLARED and not options.plot:
                duels.append(declared(servers, program, market, options.pairs))
            if size.symbols in WITH_STABILITY and not options.plot:
                duels.append(stable(servers, program, market, options.pairs))
                growths.append(growth(servers, program, market))
            if size.symbols == WITH_REPLAY and not options.plot:
                duels.append(streamed(servers, program, market, options.pairs))
                duels += replays(servers, program, market, options.pairs, 60 if options.smoke else REPLAYED_DAYS)
                duels += questions(servers, program, options.pairs, 60 if options.smoke else JOURNALLED_NIGHTS)
            if size in COUNTED and not (options.plot or options.smoke):
                counted.append(count(servers, program, market))
        return machine(servers), results, counted, duels, growths


def measure_distances(options: argparse.Namespace) -> list[Distance]:
    """Measures the cost of distance to the database."""
    with Servers() as servers:
        markets = Markets(servers, str(PROGRAM), options.days)
        distances = Distances(servers, str(PROGRAM), options.sql)
        return [each for size in options.sizes
                for each in distances.measure(markets.make(size), options.pairs, options.rtt)]


def run(options: argparse.Namespace) -> None:
    """Measures, or reads earlier measurements, and prints or draws the results."""
    if options.rtt:
        prepare()
        print(table(measure_distances(options)))
        return
    if options.source:
        measured = json.loads(options.source.read_text(encoding="utf-8"))
    else:
        prepare()
        about, results, counted, duels, growths = measure(options)
        measured = document(about, options.pairs, results, counted, duels, growths)
        print(smoke_text(results, duels, growths) if options.smoke
              else text(about, options.pairs, results, counted, duels, growths))
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(plot(measured), encoding="utf-8")


def end(number: int, _: Any) -> NoReturn:
    """Turns a signal into an exception, so that the servers are stopped."""
    sys.exit(128 + number)


def main() -> None:
    """Runs what the command line requests."""
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    options = parse(sys.argv[1:])
    try:
        run(options)
    except (BenchError, OSError, ValueError, KeyError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

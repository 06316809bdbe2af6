"""The evaluation of a strace log and a callgrind file, and the time a process takes."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from bench_callgrind import total_of  # noqa: E402
from bench_run import Command, count_calls, wall_time  # noqa: E402
from bench_servers import BenchError  # noqa: E402

SOCKET = '{sa_family=AF_UNIX, sun_path="/tmp/x/.s.PGSQL.5432"}'
LOG = f"""\
10 execve("/usr/bin/time", [""...], 0x1 /* 3 vars */) = 0
10 vfork() = 11
11 execve("/usr/bin/psql", [""...], 0x1 /* 3 vars */) = 0
11 read(3, ""..., 832) = 832
11 socket(AF_UNIX, SOCK_STREAM, 0) = 3
11 connect(3, {SOCKET}, 110) = 0
11 sendto(3, ""..., 84, MSG_NOSIGNAL, NULL, 0) = 84
11 recvfrom(3, 0x5, 16384, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
11 poll([{{fd=3, events=POLLIN}}], 1, -1) = 1 ([{{fd=3, revents=POLLIN}}])
11 recvfrom(3, ""..., 16384, 0, NULL, NULL) = 400
11 recvfrom(3, ""..., 16384, 0, NULL, NULL) = 100
11 write(1, ""..., 10) = 10
11 sendto(3, ""..., 20, MSG_NOSIGNAL, NULL, 0) = 20
11 sendto(3, ""..., 20, MSG_NOSIGNAL, NULL, 0) = 20
11 recvfrom(3,  <unfinished ...>
12 read(3, <unfinished ...>
11 <... recvfrom resumed>""..., 16384, 0, NULL, NULL) = 7
12 <... read resumed>0x1, 8) = -1 EAGAIN (Resource temporarily unavailable)
11 --- SIGCHLD {{si_signo=SIGCHLD}} ---
11 sendto(3, ""..., 5, MSG_NOSIGNAL, NULL, 0) = 5
11 close(3) = 0
11 connect(3, {{sa_family=AF_INET, sin_port=htons(6379), sin_addr=inet_addr("127.0.0.1")}}, 16) = 0
11 sendto(3, ""..., 14, MSG_NOSIGNAL, NULL, 0) = 14
11 recvfrom(3, ""..., 16384, 0, NULL, NULL) = 14
11 exit_group(0) = ?
11 +++ exited with 0 +++
10 wait4(11, [{{WIFEXITED(s) && WEXITSTATUS(s) == 0}}], 0, NULL) = 11
"""


class Calls(unittest.TestCase):
    """count_calls"""

    def test_counts_the_program_alone_and_each_turn_to_listening_once(self) -> None:
        self.assertEqual(count_calls(LOG.splitlines()), (20, 2))

    def test_finds_no_round_trips_without_a_connection(self) -> None:
        without = [line for line in LOG.splitlines() if "PGSQL" not in line]
        self.assertEqual(count_calls(without), (19, 0))


class Callgrind(unittest.TestCase):
    """total_of"""

    def test_reads_the_total(self) -> None:
        self.assertEqual(total_of("events: Ir\nfn=(1) main\n1 5\n\ntotals: 21269740\n"), 21269740)

    def test_does_not_take_a_broken_file_for_nothing(self) -> None:
        with self.assertRaises(BenchError):
            total_of("events: Ir\n")


class WallTime(unittest.TestCase):
    """wall_time"""

    def run_shell(self, text: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            return wall_time(Command(("/bin/sh", "-c", text), {}), Path(folder))

    def test_lasts_as_long_as_the_process(self) -> None:
        self.assertGreaterEqual(self.run_shell("/bin/sleep 0.05"), 0.05)

    def test_ends_with_what_a_failure_said(self) -> None:
        with self.assertRaisesRegex(BenchError, "ended with 3: no luck"):
            self.run_shell("echo no luck >&2; exit 3")


if __name__ == "__main__":
    unittest.main()

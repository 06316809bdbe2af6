"""The runs started by the blueprint, as processes: what they get, what stays behind, and what is kept secret."""

import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from endpoints import KEY, Client, EndpointsTest
from support import MODULES, PROGRAM, Scene, new_folder, stub, wait_until

# A web server in its own process, which prints its port.
SERVER = """
import sys
from pathlib import Path
from flask import Flask
from werkzeug.serving import make_server
sys.path.insert(0, sys.argv[1])
from tickstock_cache.blueprint import cache_sync_blueprint
app = Flask("server")
app.register_blueprint(cache_sync_blueprint(program=sys.argv[2], directory=Path(sys.argv[3])))
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Children(EndpointsTest):
    def test_the_run_gets_no_socket_no_key_and_leaves_no_zombie(self) -> None:
        folder = new_folder()
        looking = stub(f"ls -l /proc/$$/fd > {folder}/files; env > {folder}/environment; exit 5")
        client = self.serve(Scene(), program=looking)
        self.assertEqual(client.trigger()[0], 503)
        files = (folder / "files").read_text()
        self.assertNotIn("socket:", files)
        self.assertNotIn("pipe:", files)
        environment = (folder / "environment").read_text()
        self.assertIn("DATABASE_URL=", environment)
        self.assertNotIn(KEY, environment)
        self.assertNotIn("TICKSTOCKPL_API_KEY", environment)
        wait_until("the child to be waited for", lambda: not zombies())

    def test_only_old_files_of_runs_are_deleted(self) -> None:
        folder = new_folder()
        folder.chmod(0o700)
        names = ["old.log", "manual-cache-sync-1.log", "manual-cache-sync-1.request", "manual-cache-sync-1.result"]
        for name in names:
            (folder / name).write_text("x")
            os.utime(folder / name, (1, 1))
        folders = ["log", "manual-cache-sync-2.log"]
        for name in folders:
            (folder / name).mkdir()
            os.utime(folder / name, (1, 1))
        self.assertIn(self.serve(Scene(), directory=folder).trigger()[0], (200, 202))
        self.assertEqual([name for name in names + folders if (folder / name).exists()], ["old.log", *folders])

    def test_a_run_outlives_its_web_server_and_the_next_one_knows_it(self) -> None:
        scene = Scene()
        scene.delist_first_of("top_100")
        folder = new_folder()
        server = subprocess.Popen(
            [sys.executable, "-B", "-c", SERVER, str(MODULES), PROGRAM, str(folder)], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL, env={**scene.environment, "TICKSTOCKPL_API_KEY": KEY}, start_new_session=True)
        with server:
            assert server.stdout is not None
            with scene.hold_entries():
                status, answer = Client(int(server.stdout.readline())).trigger()
                self.assertEqual(status, 202, answer)
                # The whole group, as a terminal or a supervisor would.
                os.killpg(server.pid, signal.SIGINT)
                server.wait()
                client = self.serve(scene, directory=folder)
                self.assertEqual(client.status(answer["job_id"])["status"], "running")
            job = client.wait_for_end(answer["job_id"])
        self.assertEqual((job["status"], job["sync_status"]), ("completed", "completed"))

    def test_no_secret_is_an_argument_or_told(self) -> None:
        secret = "s3cr3t-of-the-job"
        scene = Scene()
        scene.delist_first_of("top_100")
        url = scene.environment["DATABASE_URL"].replace("tickstock@", f"tickstock:{secret}@")
        client = self.serve(scene, DATABASE_URL=url, REDIS_URL=f"redis://job:{secret}@127.0.0.1:1/0")
        with scene.hold_entries():
            answer = client.trigger()
            self.assertEqual(answer[0], 202)
            arguments = [arguments_of(folder) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
        self.assertTrue(any(answer[1]["run_id"] in line for line in arguments))
        self.assertFalse(any(secret in line or KEY in line for line in arguments))
        told = [answer, client.wait_for_end(answer[1]["run_id"]), client.ask("/history"), client.ask("/stats")]
        away = self.serve(scene, DATABASE_URL=f"postgresql://job:{secret}@127.0.0.1:1/none")
        broken = self.serve(scene, DATABASE_URL=f"postgresql://job:{secret}@[::1/none")
        for other in (away, broken):
            told += [other.trigger(), other.ask("/stats"), other.ask("/history"), other.ask("/stats", key=None)]
        self.assertNotIn(secret, repr(told))
        self.assertNotIn(KEY, repr(told))


def zombies() -> list[str]:
    """Returns the children of this process that nobody has waited for."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and fields[1] == str(os.getpid()):
                found.append(folder.name)
    return found


def arguments_of(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    unittest.main()

"""The package as such: its names, the old ones, its version, and how pip installs it."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from support import MODULES, ROOT, new_folder

import tickstock_cache

OLD_NAMES = ("blueprint", "launcher", "phase", "program", "subscriber")


def run_python(*words: str, path: Path = MODULES) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-B", *words], env={**os.environ, "PYTHONPATH": str(path)}, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")


class Names(unittest.TestCase):
    def test_the_old_ones_warn_and_are_the_same_modules(self) -> None:
        for name in OLD_NAMES:
            with self.subTest(name=name):
                sys.modules.pop(f"cache_sync_{name}", None)
                words = f"cache_sync_{name} is now tickstock_cache.{name};"
                with self.assertWarnsRegex(DeprecationWarning, words) as it:
                    old = importlib.import_module(f"cache_sync_{name}")
                self.assertIs(old, importlib.import_module(f"tickstock_cache.{name}"))
                del sys.modules[f"cache_sync_{name}"]
                self.assertNotIn("integration/cache_sync", it.filename)

    def test_what_was_imported_from_the_old_ones_is_there(self) -> None:
        done = run_python(
            "-W", "ignore", "-c", "from cache_sync_phase import CacheSyncFailed, CacheSyncResult, run_cache_sync\n"
            "from cache_sync_phase import run_cache_sync_async\n"
            "from cache_sync_blueprint import cache_sync_blueprint, job_id_of, run_id_of\n"
            "from cache_sync_subscriber import CHANNELS, CacheSyncSubscriber, Event, main\n"
            "from cache_sync_launcher import Launch, Launcher, Request\n"
            "from cache_sync_program import ProgramMissing, ask, find_program\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_each_module_needs_only_its_own(self) -> None:
        for name, foreign in (("phase", "redis flask psycopg2"), ("launcher", "redis flask psycopg2"),
                              ("blueprint", "redis psycopg2"), ("subscriber", "flask psycopg2"),
                              ("aio", "flask psycopg2"), ("mirror", "flask psycopg2")):
            with self.subTest(name=name):
                blocked = "".join(f"sys.modules[{word!r}] = None\n" for word in foreign.split())
                done = run_python("-W", "error", "-c", f"import sys\n{blocked}import tickstock_cache.{name}")
                self.assertEqual((done.returncode, done.stderr), (0, ""))


class Version(unittest.TestCase):
    def test_it_is_that_of_the_program(self) -> None:
        project = re.search(r"project\(tickstock-cache\s+VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
        assert project is not None
        self.assertEqual(tickstock_cache.__version__, project[1])


@unittest.skipUnless(all(map(importlib.util.find_spec, ("pip", "setuptools", "wheel"))), "no pip, setuptools or wheel")
class Pip(unittest.TestCase):
    def test_it_installs_a_checkout(self) -> None:
        checkout, target = new_folder() / "integration", new_folder()
        # pip leaves a folder of its own next to the sources.
        shutil.copytree(MODULES, checkout, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-compile",
             "--no-index", "--target", str(target), str(checkout)], check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout)
        installed = sorted(path.name for path in (target / "tickstock_cache").iterdir() if path.name != "__pycache__")
        self.assertEqual(installed, sorted(path.name for path in (MODULES / "tickstock_cache").iterdir()
                                           if path.name != "__pycache__"))
        done = run_python("-c", "import importlib.metadata, tickstock_cache.mirror as it\n"
                          "print(it.__file__, importlib.metadata.version('tickstock-cache'))", path=target)
        self.assertEqual(done.stdout.split(), [str(target / "tickstock_cache" / "mirror.py"),
                                               tickstock_cache.__version__], done.stderr)


if __name__ == "__main__":
    unittest.main()

"""The endpoints of the blueprint over real HTTP, for the tests that use them."""

import json
import threading
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Optional
from unittest import mock

from flask import Flask
from support import PROGRAM, Scene, document, new_folder, wait_until
from werkzeug.serving import make_server

from tickstock_cache import blueprint as module
from tickstock_cache.blueprint import cache_sync_blueprint

KEY = "a-key-of-the-api"


class Client:
    """A client for the endpoints of a web server."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}/api/processing/cache-sync"

    def ask(self, path: str, body: Optional[bytes] = None, key: Optional[str] = KEY) -> tuple[int, dict[str, Any]]:
        """Sends a POST if there is a body, otherwise a GET. Returns status and document of the answer."""
        request = urllib.request.Request(self.base + path, data=body, headers={"Content-Type": "application/json"})
        if key is not None:
            request.add_header("X-API-Key", key)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, dict(document(answer.read().decode()))
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(document(error.read().decode()))

    def trigger(self, **fields: Any) -> tuple[int, dict[str, Any]]:
        return self.ask("/trigger", json.dumps(fields).encode())

    def status(self, name: str) -> dict[str, Any]:
        """Returns the status of a run that must be known."""
        status, answer = self.ask("/status/" + name)
        assert status == 200, answer
        return answer

    def wait_for_end(self, name: str) -> dict[str, Any]:
        wait_until("the run to end", lambda: self.status(name)["status"] != "running")
        return self.status(name)


def serve(test: unittest.TestCase, app: Flask) -> Client:
    """Starts a web server in this process for the duration of the test, and returns a client for it."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    test.addCleanup(server.server_close)
    test.addCleanup(thread.join)
    test.addCleanup(server.shutdown)
    return Client(server.server_port)


class EndpointsTest(unittest.TestCase):
    """Serves the blueprint in this process."""

    def setUp(self) -> None:
        # Allows enough time for a run to begin and an answer to arrive even on a busy machine.
        self.be_patient(20)

    def be_patient(self, seconds: int) -> None:
        for name in ("TRIGGER_PATIENCE", "QUESTION_SECONDS"):
            self.enterContext(mock.patch.object(module, name, seconds))

    def serve(self, scene: Scene, program: str = PROGRAM, directory: Optional[Path] = None, **more: str) -> Client:
        """Starts a web server in this process and returns a client for it."""
        app = Flask("test")
        environment = {**scene.environment, "TICKSTOCKPL_API_KEY": KEY, **more}
        app.register_blueprint(cache_sync_blueprint(program, environment, directory or new_folder()))
        return serve(self, app)

    def check_error(self, answer: tuple[int, dict[str, Any]], status: int, word: str, part: str) -> None:
        self.assertEqual(answer[0], status, answer[1])
        self.assertIs(answer[1]["success"], False)
        self.assertEqual(answer[1]["error"], word)
        self.assertIn(part, answer[1]["message"])

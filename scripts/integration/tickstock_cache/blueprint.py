"""Flask blueprint `cache_sync`: starts runs of tickstock-cache over HTTP, and shows runs and universes.

    from tickstock_cache.blueprint import cache_sync_blueprint

    app.register_blueprint(cache_sync_blueprint())

Every request needs the key from TICKSTOCKPL_API_KEY in the header X-API-Key; without that variable the blueprint can't
be registered. Everything else that the program needs comes from the environment too. Every answer under the prefix is a
JSON object; an error has `success` false, a word in `error` and a sentence in `message`.

A run has two names: `run_id`, which the program and its events use, and `job_id`, which begins with the eight digits
that distinguish runs, for pages that show only the beginning. Each is computed from the other.
"""

import hmac
import json
import re
import secrets
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from os import environ
from pathlib import Path
from typing import Any, Optional

from flask import Blueprint, Response, jsonify, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from .launcher import Launch, Launcher
from .program import (CHANGED, COMMANDS, DONE, FAILED, LOCKED, PROGRAM, UNAVAILABLE, USAGE, ProgramMissing, ask,
                      failure_of)

URL_PREFIX = "/api/processing/cache-sync"
KEY_VARIABLE = "TICKSTOCKPL_API_KEY"

# Answering a trigger may take two seconds, and a question one.
TRIGGER_PATIENCE = 1.5
QUESTION_SECONDS = 1

RUN_ID = re.compile(r"manual-cache-sync-([0-9a-f]{8})")
JOB_ID = re.compile(r"([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WORD = re.compile(r"[A-Za-z0-9._:-]{1,64}")
NUMBER = re.compile(r"[0-9]{1,7}")
LARGEST_PAGE = 1_000
LARGEST_OFFSET = 1_000_000
LARGEST_BODY = 64 * 1024

# Exit statuses of a run that did not begin because something here is wrong.
NOT_BEGUN = frozenset({FAILED, USAGE, 78})

JOB_FIELDS = ("run_id", "job_id", "mode", "status", "sync_status", "created_at", "start_time", "end_time",
              "duration_seconds", "triggered_by", "error_details", "progress")


class ApiError(Exception):
    """An error answer."""

    def __init__(self, status: int, error: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.document = {"success": False, "error": error, "message": message, **more}


def job_id_of(run_id: str) -> str:
    """Returns the other name of a run; a run with an id of another form has only one."""
    digits = RUN_ID.fullmatch(run_id)
    return digits[1] + str(uuid.uuid5(uuid.NAMESPACE_URL, "tickstock-cache:" + run_id))[8:] if digits else run_id


def run_id_of(name: str) -> str:
    """Returns the id of the run with this name, which is either its run id or its job id."""
    digits = JOB_ID.fullmatch(name)
    run_id = f"manual-cache-sync-{digits[1]}" if digits else name
    return run_id if job_id_of(run_id) == name else name


def cache_sync_blueprint(program: str = PROGRAM, environment: Mapping[str, str] = environ,
                         directory: Optional[Path] = None) -> Blueprint:
    """Returns the blueprint. `directory` holds the output of runs that were started here, for a day."""
    blueprint = Blueprint("cache_sync", __name__, url_prefix=URL_PREFIX)
    environment = dict(environment)
    key = environment.pop(KEY_VARIABLE, "").encode()
    runs = Runs(program, environment, directory)
    prefixes: list[str] = []

    @blueprint.record
    def require_key(state: BlueprintSetupState) -> None:
        if not key:
            raise RuntimeError(f"{KEY_VARIABLE} is not set: whoever reaches this server could start runs")
        prefixes.append((state.url_prefix or "").rstrip("/"))

    @blueprint.before_request
    def authorize() -> None:
        # WSGI passes the bytes of a header as Latin-1 characters.
        if not hmac.compare_digest(request.headers.get("X-API-Key", "").encode("latin-1", "replace"), key):
            raise ApiError(401, "unauthorized", "the header X-API-Key is missing or wrong")

    # No route matches these requests, so Flask does not attribute them to the blueprint.
    @blueprint.before_app_request
    def answer_unrouted() -> Optional[Response]:
        error = request.routing_exception
        if not isinstance(error, HTTPException) or error.code not in (404, 405) or not is_below(request.path, prefixes):
            return None
        try:
            authorize()
        except ApiError as refusal:
            return answer_error(refusal)
        return answer_http_error(error)

    @blueprint.errorhandler(ApiError)
    def answer_error(error: ApiError) -> Response:
        response = jsonify(error.document)
        response.status_code = error.status
        return response

    @blueprint.errorhandler(HTTPException)
    def answer_http_error(error: HTTPException) -> Response:
        response = answer_error(ApiError(error.code or 500, error.name.lower().replace(" ", "_"),
                                         error.description or error.name))
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    @blueprint.post("/trigger")
    def trigger() -> tuple[Response, int]:
        mode, force = read_trigger()
        return jsonify(runs.trigger(mode, force)), 202

    @blueprint.get("/status/<name>")
    def status(name: str) -> Response:
        return jsonify(runs.status(run_id_of(name)))

    @blueprint.get("/history")
    def history() -> Response:
        return jsonify(runs.history(read_number("limit", 20, 1, LARGEST_PAGE),
                                    read_number("offset", 0, 0, LARGEST_OFFSET)))

    @blueprint.get("/stats")
    def stats() -> Response:
        return jsonify(runs.stats())

    return blueprint


def is_below(path: str, prefixes: Iterable[str]) -> bool:
    """Returns whether a path is one of the prefixes, or below one."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def read_trigger() -> tuple[str, bool]:
    """Returns mode and `force` from the request's body. Rejects anything it does not understand, so that nothing is
    started.
    """
    if request.args:
        raise ApiError(400, "bad_request", "mode and force belong in the body, not in the query string")
    fields = read_fields()
    unknown_fields = sorted(fields.keys() - {"mode", "force"})
    if unknown_fields:
        raise ApiError(400, "bad_request", f"unknown field {unknown_fields[0][:64]!r}; the fields are mode and force")
    mode = fields.get("mode", "full")
    if not isinstance(mode, str) or mode not in COMMANDS:
        raise ApiError(400, "bad_mode", f"mode must be one of {', '.join(COMMANDS)}")
    force = fields.get("force", False)
    if not isinstance(force, bool):
        raise ApiError(400, "bad_request", "force must be true or false")
    return mode, force


def read_fields() -> dict[str, Any]:
    """Returns the JSON object in the body, whatever content type the client gave it; empty for an empty body."""
    body = read_body()
    if not body:
        return {}
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ApiError(400, "bad_request", "the body must be a JSON object, or empty")
    return fields


def read_body() -> bytes:
    """Returns the body. Rejects one that can't be read completely: it must not pass for an empty one."""
    if "Transfer-Encoding" in request.headers:
        raise ApiError(411, "length_required", "send the body with a Content-Length")
    length = request.headers.get("Content-Length") or "0"
    if not (length.isascii() and length.isdecimal()):
        raise ApiError(400, "bad_request", "Content-Length must be a whole number")
    if len(length) > 20 or int(length) > LARGEST_BODY:
        raise ApiError(413, "too_large", f"the body may have {LARGEST_BODY} bytes at most")
    body = request.get_data()
    if len(body) != int(length):
        raise ApiError(400, "bad_request", "the body could not be read; send it with Content-Type: application/json")
    return body


def read_number(name: str, default: int, lowest: int, highest: int) -> int:
    """Returns a number from the query string."""
    text = request.args.get(name)
    if text is None:
        return default
    if not NUMBER.fullmatch(text) or not lowest <= int(text) <= highest:
        raise ApiError(400, "bad_request", f"{name} must be a whole number from {lowest} to {highest}")
    return int(text)


class Runs:
    """What the program does and reports, in the shapes of the API."""

    def __init__(self, program: str, environment: Mapping[str, str], directory: Optional[Path]) -> None:
        self._program = program
        self._environment = dict(environment)
        self._launcher = Launcher(program, environment, directory)

    def trigger(self, mode: str, force: bool) -> dict[str, Any]:
        """Starts a run, and returns once it runs or has ended."""
        run_id = "manual-cache-sync-" + secrets.token_hex(4)
        names = {"run_id": run_id, "job_id": job_id_of(run_id)}
        # No request may switch a guard off, so force only shows up in the name of who asked.
        triggered_by = "api:force" if force else "api"
        try:
            status = self._launcher.start(run_id, mode, triggered_by, TRIGGER_PATIENCE)
        except ProgramMissing as error:
            raise ApiError(500, "program_missing", str(error)) from error
        except OSError as error:
            raise ApiError(500, "no_directory", f"a run can't be started: {error}") from error
        launch = self._launcher.find(run_id)
        why = failure_of(launch.document if launch else {}, status or 0)
        if status == LOCKED:
            raise ApiError(409, "already_running", why)
        if status == UNAVAILABLE:
            raise ApiError(503, "database_unavailable", why, **names)
        if status in NOT_BEGUN:
            raise ApiError(500, "program_failed", why, **names)
        return {"success": True, **names, "mode": mode, "message": f"cache sync {run_id} was started ({mode})"}

    def status(self, run_id: str) -> dict[str, Any]:
        """Returns the state of a run from its record or, if it has none, from what is known here."""
        launch = self._launcher.find(run_id) if RUN_ID.fullmatch(run_id) else None
        if not WORD.fullmatch(run_id):
            raise unknown(run_id)
        status, document = self._ask("status", "--", run_id)
        if status == DONE and document["run_id"] != run_id:
            # The program also accepts the beginning of an id.
            status = FAILED
        if status == DONE:
            return job(document, launch)
        if launch is not None and (status == FAILED or not launch.running):
            return job_without_record(launch)
        # There is no record, or there are no records at all: only then does listing them fail as well.
        if status == FAILED and self._ask("history", "--limit", "1")[0] == DONE:
            raise unknown(run_id)
        raise failed_question(status, document)

    def history(self, limit: int, offset: int) -> dict[str, Any]:
        """Returns a page of the runs, latest first."""
        document = self._answer("history", "--limit", str(limit), "--offset", str(offset))
        jobs = [{**job(run, self._launcher.find(run["run_id"]) if RUN_ID.fullmatch(run["run_id"]) else None),
                 "has_errors": run["error"] is not None} for run in document["runs"]]
        return {"jobs": jobs, "total": document["total"], "limit": limit, "offset": offset}

    def stats(self) -> dict[str, Any]:
        """Returns the universes, and how the runs of the last seven days ended."""
        universes = self._answer("universes")["universes"]
        week = self._answer("history", "--days", "7", "--limit", "1")
        counts = week["statistics"]
        return {"universes": universes, "job_statistics": {
            "total_jobs_7d": week["total"], "successful_jobs_7d": counts["completed"],
            "failed_jobs_7d": counts["failed"], "avg_duration_seconds": counts["average_duration_seconds"]}}

    def _answer(self, *words: str) -> dict[str, Any]:
        status, document = self._ask(*words)
        if status != DONE:
            raise failed_question(status, document)
        return document

    def _ask(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Runs a read-only command. Returns its exit status and its document."""
        try:
            return ask(self._program, self._environment,
                       [words[0], "--timeout", str(QUESTION_SECONDS), *words[1:]], 2 * QUESTION_SECONDS)
        except ProgramMissing as error:
            raise ApiError(500, "program_missing", str(error)) from error
        except subprocess.TimeoutExpired as error:
            raise ApiError(503, "database_unavailable", f"{self._program} did not answer in time") from error


def job(run: Mapping[str, Any], launch: Optional[Launch]) -> dict[str, Any]:
    """Returns the record of a run in the shape of the API."""
    shape = {**run, "job_id": job_id_of(run["run_id"]), "error_details": run["error"],
             "created_at": launch.request.created_at if launch else run["start_time"]}
    return {field: shape[field] for field in JOB_FIELDS}


def job_without_record(launch: Launch) -> dict[str, Any]:
    """Returns the same for a run without a record: it has none yet, it ended before, or there are no records."""
    said = launch.document
    shape = dict.fromkeys(JOB_FIELDS)
    shape.update(
        run_id=launch.request.run_id, job_id=job_id_of(launch.request.run_id), mode=launch.request.mode,
        triggered_by=launch.request.triggered_by, created_at=launch.request.created_at,
        status="running" if launch.running else said.get("status", "failed"),
        sync_status="running" if launch.running else said.get("sync_status", "failed"))
    if not launch.running:
        ended = said.get("exit_code")
        shape.update(start_time=said.get("sync_start"), end_time=said.get("sync_end"),
                     duration_seconds=said.get("duration_seconds"))
        if ended is None:
            shape["error_details"] = f"{PROGRAM} ended without recording a result"
        elif ended not in (DONE, CHANGED):
            shape["error_details"] = failure_of(said, ended)
    return shape


def unknown(run_id: str) -> ApiError:
    """Returns the answer for an unknown run."""
    return ApiError(404, "unknown_run", f"there is no run {run_id[:64]}")


def failed_question(status: int, document: Mapping[str, Any]) -> ApiError:
    """Returns the answer if the program could not tell."""
    why = failure_of(document, status)
    if status == UNAVAILABLE:
        return ApiError(503, "database_unavailable", why)
    return ApiError(500, "program_failed", why)

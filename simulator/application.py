"""The Flask application that all parties are registered on, and its answer to everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Blueprint

__all__ = ["make_application"]


def make_application(blueprints: Iterable[Blueprint]) -> Flask:
    """Answers with a WSGI application of these parties."""
    application = Flask("simulator", static_folder=None)
    application.url_map.merge_slashes = False
    for blueprint in blueprints:
        application.register_blueprint(blueprint)
    application.register_error_handler(HTTPException, _refused)
    return application


def _refused(error: HTTPException) -> Response:
    response = jsonify(
        error=f"{error.code} {error.name}",
        hint="SolarUser is at /solaruser/api/v1/sec/instr, the Capacity Provider at "
        "/oscp/cp/2.0, and what happened at /_sim/journal",
    )
    response.status_code = error.code or 500
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response

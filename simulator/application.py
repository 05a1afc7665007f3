"""The Flask application that all parties are registered on, and its answer to everything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from simulator.desk import Desks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from flask import Blueprint

    from simulator.desk import Desk

__all__ = ["make_application"]


def make_application(
    desks: Iterable[Desk],
    blueprints: Iterable[Blueprint],
    asked: Callable[[], AbstractContextManager[None]],
) -> Flask:
    """Answers with a WSGI application of parties, and of what is no party.

    Args:
        desks: The parties.
        blueprints: What answers beside them.
        asked: Entered while a party answers.
    """
    application = Flask("simulator", static_folder=None)
    application.url_map.merge_slashes = False
    for blueprint in blueprints:
        application.register_blueprint(blueprint)
    application.register_error_handler(HTTPException, _refused)
    application.wsgi_app = Desks(desks, application.wsgi_app, _refused, asked)  # type: ignore[method-assign] # Flask's own way to put something before it
    return application


def _refused(error: HTTPException) -> Response:
    told = {
        "error": f"{error.code} {error.name}",
        "hint": "SolarUser is at /solaruser/api/v1/sec/instr, the Capacity Provider at "
        "/oscp/cp/2.0, the Flexibility Provider at /oscp/fp/2.0, and what happened at "
        "/_sim/journal",
    }
    response = Response(json.dumps(told) + "\n", error.code or 500, mimetype="application/json")
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response

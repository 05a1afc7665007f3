"""Parties at their own desks: what is for one of them goes there straight.

A party looks at a request itself, from the first byte to the journal, as the service that it plays
does; a web framework's routing before it would only hide what came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from flask import Request, Response
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Desk", "Desks"]


class Desk(Protocol):
    """A party that answers what is sent to its paths."""

    def is_for(self, path: str) -> bool:
        """Tells whether a decoded path is one of its own."""
        ...

    def answer(self, request: Request) -> Response:
        """Answers a request."""
        ...


class Desks:
    """A WSGI application that brings each request to its desk, and all others to another one.

    Args:
        desks: The first that a path is for answers.
        otherwise: Answers the rest.
        refused: Makes the answer to a request that is not sent as HTTP says.
        asked: Entered while a desk answers.
    """

    def __init__(
        self,
        desks: Iterable[Desk],
        otherwise: WSGIApplication,
        refused: Callable[[HTTPException], Response],
        asked: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._desks = tuple(desks)
        self._otherwise = otherwise
        self._refused = refused
        self._asked = asked

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        response = self.answer(environ)
        if response is None:
            return self._otherwise(environ, start_response)
        chunks: Iterable[bytes] = response(environ, start_response)
        return chunks

    def answer(self, environ: dict[str, Any]) -> Response | None:
        """Answers with the response of the desk that a request is for; None where there is none."""
        # WSGI has a decoded path in the encoding of its bytes.
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        # As the request itself has it: however many slashes it begins with.
        path = f"/{path.lstrip('/')}"
        desk = next((each for each in self._desks if each.is_for(path)), None)
        if desk is None:
            return None
        with self._asked():
            try:
                return desk.answer(Request(environ))
            except HTTPException as error:
                return self._refused(error)

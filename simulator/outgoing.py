"""Requests from one party to another: through WSGI in this process, else over the network."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import unquote, urlsplit

import requests
from werkzeug.test import run_wsgi_app

from simulator.desk import Desks
from simulator.wire import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from _typeshed.wsgi import WSGIApplication

__all__ = ["IN_PROCESS_URL", "Answering", "Outgoing", "Reply", "Unanswered"]

# A name that no resolver knows (RFC 2606): what is sent there cannot leave this process.
IN_PROCESS_URL: Final = "http://simulator.invalid"

_ANSWERING: Final = "oscp.answering"

Failure = Literal["refused", "connect_timeout", "read_timeout", "other"]
Headers: TypeAlias = "Iterable[tuple[str, str]]"


@dataclass(slots=True)
class Answering:
    """How long a party in this process takes to answer, as it says itself.

    Nobody really waits: whoever asked goes on that much later by the simulator's clock.

    Attributes:
        after: Seconds; infinite for one that never answers.
    """

    after: float = 0.0

    @staticmethod
    def of(environ: Mapping[str, Any]) -> Answering | None:
        """Answers with where to say it, or None for a request that came over the network."""
        found: Answering | None = environ.get(_ANSWERING)
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """What another party answered.

    Attributes:
        status: Of HTTP.
        reason: The phrase beside it.
        headers: Names and values, in order.
        body: As it came, with any compression undone.
        after: Seconds by the simulator's clock until it comes; 0 for what came over the network.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    after: float = 0.0

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


class Unanswered(Exception):
    """Raised for a request to which no answer came; its text says why, as Java does.

    Attributes:
        failure: The kind of trouble.
        after: Seconds by the simulator's clock until that is known.
    """

    def __init__(self, failure: Failure, cause: str, after: float = 0.0) -> None:
        super().__init__(cause)
        self.failure = failure
        self.after = after


class Outgoing:
    """Sends requests; whether the other party is simulated or real shows in its URL alone.

    Args:
        application: Who answers below `IN_PROCESS_URL`; may be set later.
    """

    def __init__(self, application: WSGIApplication | None = None) -> None:
        self.application = application
        self._session = requests.Session()
        # A proxy that the environment names is not for parties that live on this machine.
        self._session.trust_env = False
        # As with SolarNetwork's client, a cookie is not sent back (OSCP dossier §5.10).
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def post(
        self,
        url: str,
        headers: Headers,
        body: bytes,
        *,
        timeout: tuple[float, float],
        method: str = "POST",
    ) -> Reply:
        """Sends a request, once.

        Args:
            url: Where to.
            headers: Names and values in order; one that comes twice is sent twice, or joined.
            body: As it stands.
            timeout: Seconds to connect, and seconds without a byte of the answer.
            method: Of HTTP.

        Raises:
            Unanswered: No answer came.
        """
        if self.application is not None and url.startswith(f"{IN_PROCESS_URL}/"):
            return _ask(self.application, method, url, headers, body, timeout[1])
        try:
            response = self._session.request(
                method, url, data=body, headers=_joined(headers), timeout=timeout
            )
        except (requests.RequestException, ValueError) as error:
            raise _unanswered(error) from error
        return Reply(
            response.status_code,
            response.reason or "",
            tuple(response.headers.items()),
            response.content,
        )

    def close(self) -> None:
        """Lets go of the connections."""
        self._session.close()


def _ask(  # noqa: PLR0917 - the parts of a request
    application: WSGIApplication,
    method: str,
    url: str,
    headers: Headers,
    body: bytes,
    patience: float,
) -> Reply:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    answering = Answering()
    environ = environment(
        method,
        target,
        [("Host", parts.netloc), *headers, ("Content-Length", str(len(body)))],
        path=unquote(parts.path),
        SERVER_NAME=parts.hostname or "",
        SERVER_PORT="80",
        REMOTE_ADDR="127.0.0.1",
        wsgi_version=(1, 0),
        wsgi_url_scheme=parts.scheme,
        wsgi_input=io.BytesIO(body),
        wsgi_errors=sys.stderr,
        wsgi_multithread=True,
        wsgi_multiprocess=False,
        wsgi_run_once=False,
    )
    environ[_ANSWERING] = answering
    status, got, chunks = _answered(application, environ)
    if answering.after > patience:
        raise Unanswered("read_timeout", "Read timed out", patience)
    number, _, reason = status.partition(" ")
    return Reply(int(number), reason, tuple(got), b"".join(chunks), answering.after)


def _answered(
    application: WSGIApplication, environ: dict[str, Any]
) -> tuple[str, Iterable[tuple[str, str]], Iterable[bytes]]:
    """Answers with status line, headers and body; a desk is asked without any WSGI between."""
    desks = getattr(application, "wsgi_app", application)
    response = desks.answer(environ) if isinstance(desks, Desks) else None
    if response is None:
        chunks, status, headers = run_wsgi_app(application, environ, buffered=True)
        return status, headers.items(), chunks
    return response.status, response.headers.items(), [response.get_data()]


def _joined(headers: Headers) -> dict[str, str]:
    """Answers with headers as the library takes them; joining says the same (RFC 9110 §5.3)."""
    joined: dict[str, str] = {}
    for name, value in headers:
        there = next((each for each in joined if each.lower() == name.lower()), None)
        joined[there or name] = f"{joined[there]}, {value}" if there else value
    return joined


def _unanswered(error: Exception) -> Unanswered:
    if isinstance(error, requests.ReadTimeout):
        return Unanswered("read_timeout", "Read timed out")
    if isinstance(error, requests.ConnectTimeout):
        return Unanswered("connect_timeout", "Connect timed out")
    if "refused" in str(error):
        return Unanswered("refused", "Connection refused")
    return Unanswered("other", type(error).__name__)

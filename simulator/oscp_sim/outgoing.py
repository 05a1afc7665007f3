"""Requests from one party to another: a call where the other is played here, else HTTP."""

from __future__ import annotations

import io
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    URLSchemeUnknown,
)

from oscp_schemas.show import printable
from oscp_sim.faults.answers import answered
from oscp_sim.faults.strikes import Faults
from oscp_sim.faults.wire import Spoilt, seconds_of, through_urllib3, whole_but_late
from oscp_sim.http import Errand, Request, Response
from oscp_sim.journal import Journal

if TYPE_CHECKING:
    from oscp_sim.world.model import ExternalSystem

#: A name that no resolver knows (RFC 2606): what is sent there cannot leave this process.
IN_PROCESS_URL: Final = "http://simulator.invalid"

# The most redirects that are followed, and the bytes of the longest body that is read, in pieces.
_REDIRECTS: Final = 30
_LONGEST_BODY: Final = 1_048_576
_PIECE: Final = 65_536

# What a header can hold: one line, without a blank at its beginning.
_VALUE: Final = re.compile(r"(?:\S[^\r\n]*)?")
_HERE: Final = "127.0.0.1"

Failure = Literal["refused", "connect_timeout", "read_timeout", "other"]
Handler: TypeAlias = Callable[[Request], Response]


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


class Unintercepted:
    """A pool of connections that leads where it says, whatever `Simulator.intercept` answers."""


class _PlainPool(Unintercepted, urllib3.HTTPConnectionPool):
    pass


class _SecurePool(Unintercepted, urllib3.HTTPSConnectionPool):
    pass


class Outgoing:
    """Sends requests; whether the other party is simulated or real shows in its URL alone.

    Args:
        handle: Answers what is sent below `IN_PROCESS_URL`; may be set later.
        faults: What goes wrong on the way to a party that is real.
        is_here: Returns whether a URL leads to this simulator's own port, which has the faults of
            the parties that are played here.
        secured: Returns the system whose TLS holds for a URL, if any has its own.

    Attributes:
        keep: Called before anything leaves, an answer or a request: it may confirm what is to be
            kept.
    """

    keep: Callable[[], object] | None = None

    def __init__(
        self,
        handle: Handler | None = None,
        faults: Faults | None = None,
        is_here: Callable[[str], bool] = lambda _: False,
        secured: Callable[[str], ExternalSystem | None] = lambda _: None,
    ) -> None:
        self.handle = handle
        self._faults = faults
        self._is_here = is_here
        self._secured = secured
        self._pool = _pool()
        # Of systems with TLS of their own, by the files that it is in.
        self._secured_pools: dict[tuple[object, object], urllib3.PoolManager] = {}

    def trust(self, certificate: str) -> None:
        """Trust what an authority vouches for, too, as a simulator that is served by TLS does.

        Args:
            certificate: Of the authority, as PEM.
        """
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=certificate)
        self._pool = _pool(ssl_context=context)

    def send(
        self, request: Request, *, timeout: tuple[float, float], follow: bool = True
    ) -> Response:
        """Send a request, once, and return the answer.

        Args:
            request: Its target is a URL; a header that is there twice is sent twice, and
                `Transfer-Encoding: chunked` makes it so.
            timeout: Seconds to connect, and seconds without a byte of the answer.
            follow: Whether redirects are followed.

        Raises:
            Unanswered: No answer came.
        """
        if not all(_VALUE.fullmatch(value) for _, value in request.headers):
            raise Unanswered("other", "InvalidHeader")
        if self.handle is not None and request.target.startswith(f"{IN_PROCESS_URL}/"):
            answer = self.handle(_received(request))
            if isinstance(answer, Spoilt):
                return in_process(answer, request, timeout[1])
            if answer.after > timeout[1]:
                raise Unanswered("read_timeout", "Read timed out", timeout[1])
            return answer
        if self._faults is not None and isinstance(request, Errand):
            return self._through_faults(self._faults, request, timeout, follow=follow)
        return self._sent(request, timeout, follow=follow)

    def _through_faults(
        self, faults: Faults, request: Errand, timeout: tuple[float, float], *, follow: bool
    ) -> Response:
        """Send a request to a real party on a way that may be broken."""
        if self._is_here(request.target):
            return self._sent(request, timeout, follow=follow)
        answer = answered(
            faults,
            request.to,
            request,
            lambda sent: self._sent(sent, timeout, follow=follow),
            is_real=True,
        )
        if isinstance(answer, Spoilt):
            return in_process(answer, request, timeout[1])
        if answer.after > timeout[1]:
            raise Unanswered("read_timeout", "Read timed out", timeout[1])
        return answer

    def _sent(self, request: Request, timeout: tuple[float, float], *, follow: bool) -> Response:
        try:
            if urlsplit(request.target).scheme not in _PORTS:
                raise Unanswered("other", _unusable(request.target))
            if self.keep is not None:
                self.keep()
            response = self._pool_for(request.target).request(
                request.method,
                request.target,
                body=request.body or None,
                headers=urllib3.HTTPHeaderDict(request.headers),
                timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
                preload_content=False,
                redirect=follow,
            )
            return _read(response, timeout[1])
        except (HTTPError, ValueError) as error:
            raise _unanswered(error, request.target) from error

    def _pool_for(self, url: str) -> urllib3.PoolManager:
        system = self._secured(url) if url[:8].lower() == "https://" else None
        if system is None:
            return self._pool
        shown, authority = system.client_certificate, system.certificate_authority
        if (shown, authority) not in self._secured_pools:
            files = {
                "cert_file": shown and str(shown.certificate),
                "key_file": shown and str(shown.key),
                "ca_certs": authority and str(authority),
            }
            self._secured_pools[shown, authority] = _pool(**files)
        return self._secured_pools[shown, authority]

    def close(self) -> None:
        """Let go of the connections."""
        for each in (self._pool, *self._secured_pools.values()):
            each.clear()


def _pool(**tls: Any) -> urllib3.PoolManager:  # noqa: ANN401 - urllib3's own words
    """Return what opens connections.

    No proxy that the environment names, no cookies, nothing tried again; redirects followed.
    """
    retries = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=_REDIRECTS)
    pool = urllib3.PoolManager(num_pools=20, maxsize=4, retries=retries, **tls)
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return pool


def _received(request: Request) -> Request:
    """Return a request as the party that its URL leads to receives it."""
    url = urlsplit(request.target)
    body = request.body or b""
    headers = [(name.lower(), value) for name, value in request.headers]
    if body and not any(name == "transfer-encoding" for name, _ in headers):
        headers.append(("content-length", str(len(body))))
    received = Request(
        request.method,
        url.path + (f"?{url.query}" if url.query else ""),
        (("host", url.netloc), *headers),
        body,
        client=_HERE,
        exchange_id=request.exchange_id,
    )
    if isinstance(request, Errand):
        return Errand.of(received, request.to, request.instruction_id)
    return received


def in_process(answer: Spoilt, request: Request, patience: float) -> Response:
    """Return what comes of an answer from this process that goes wrong on its way.

    Args:
        answer: How it goes wrong.
        request: Its target is a URL.
        patience: Seconds that the sender waits without a byte.

    Raises:
        Unanswered: Nothing comes.
    """
    seconds = seconds_of(answer, patience)
    try:
        got = through_urllib3(answer, request.method, request.target, patience)
        return replace(_read(got, patience), after=seconds)
    except HTTPError as error:
        unanswered = _unanswered(error, request.target)
        unanswered.after = seconds
        raise unanswered from error


def _read(response: urllib3.BaseHTTPResponse, patience: float) -> Response:
    """Return a response, with as much of its body as comes in time; one that breaks off is none.

    The status alone decides (as measured, oscp20.md §7.3), so a body that is long, never ends or
    breaks off must hold up nobody.
    """
    deadline = time.monotonic() + patience
    body = bytearray()
    try:
        while len(body) < _LONGEST_BODY and time.monotonic() < deadline:
            piece = response.read1(_PIECE)
            if not piece:
                break
            body += piece
        else:
            response.close()
    except (HTTPError, OSError):
        body.clear()
    finally:
        response.release_conn()
    headers = tuple(response.headers.items())
    return Response(response.status, headers, bytes(body), response.reason or "")


_PORTS: Final = {"http": 80, "https": 443}


def _unanswered(error: Exception, url: str) -> Unanswered:
    """Return why no answer came, in the words of the service's HTTP client (oscp20.md §7.3)."""
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(cause, ReadTimeoutError):
        return Unanswered("read_timeout", "Read timed out")
    if isinstance(cause, LocationParseError | ValueError | URLSchemeUnknown):
        return Unanswered("other", _unusable(url))
    parts = urlsplit(url)
    if isinstance(cause, NameResolutionError):
        return Unanswered("other", f"{parts.hostname}: Name or service not known")
    place = f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 80)}"
    if isinstance(cause.__cause__, ConnectionRefusedError):
        why = f"Connect to {parts.scheme}://{place} failed: Connection refused"
        return Unanswered("refused", why)
    # A connection that fails at once counts as one of these to the library.
    if isinstance(cause, ConnectTimeoutError) and not isinstance(cause, NewConnectionError):
        why = f"Connect to {parts.scheme}://{place} failed: Connect timed out"
        return Unanswered("connect_timeout", why)
    return Unanswered("other", _broken(cause, place))


def _unusable(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    if separator and scheme.lower() not in _PORTS:
        return f"{scheme} protocol is not supported"
    return "Target host is not specified"


def _broken(cause: BaseException, place: str) -> str:
    """Return what broke a connection; all but the first two are (inferred)."""
    if of_tls := _of_tls(str(cause)):
        return of_tls
    inner = cause.args[1] if len(cause.args) > 1 else None
    if isinstance(inner, RemoteDisconnected):
        return f"{place} failed to respond"
    if isinstance(inner, ConnectionResetError):
        return "Connection reset"
    if isinstance(inner, BrokenPipeError):
        return "Broken pipe"
    return "Connection broken" if isinstance(cause, ProtocolError) else type(cause).__name__


_ALERT: Final = re.compile(r"\[SSL: \w+?_ALERT_(\w+)\]")


_CUT_OFF: Final = "EOF occurred in violation of protocol"


def _of_tls(text: str) -> str | None:
    if "WRONG_VERSION_NUMBER" in text:
        return "Unsupported or unrecognized SSL message"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            "PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException:"
            " unable to find valid certification path to requested target"
        )
    # What a system says, or does, that wants a client certificate, or another one.
    if alert := _ALERT.search(text):
        return f"Received fatal alert: {alert[1].lower()}"
    return "Remote host terminated the handshake" if _CUT_OFF in text else None


# A refusal of these says beside its status what the journal says of it, within a process.
_EXPLAINED: Final = frozenset({401, 403})
_LONGEST_PHRASE: Final = 400


def explaining(handle: Handler, journal: Journal) -> Handler:
    """Return a handler whose 401 and 403 say why beside their status, and where there is more.

    The service says neither, so no answer that leaves this process does: it is for the text of an
    error in a test, which shows the phrase beside the status. The journal has taken out secrets.
    """

    def explained(request: Request) -> Response:
        if request.exchange_id is None:
            request = replace(request, exchange_id=journal.new_exchange_id())
        response = handle(request)
        if response.status not in _EXPLAINED:
            return response
        told = (e for e in reversed(journal.entries()) if e.exchange_id == request.exchange_id)
        entry = next(told, None)
        if entry is None:
            return response
        why = f"; why: {entry.detail['why']}" if "why" in entry.detail else ""
        text = printable(f"{response.phrase}{why}"[:_LONGEST_PHRASE])
        text = f"{text}; see simulator.journal, entry {entry.number}"
        return replace(response, reason=text.encode("ascii", "backslashreplace").decode())

    return explained


class SimulatorAdapter(BaseAdapter):
    """Lets a `requests` session reach a simulator in this process, without a socket.

    Mount it on a base URL: `session.mount(IN_PROCESS_URL, SimulatorAdapter(simulator.handle))`.

    Args:
        handle: Answers every request that comes this way.
        let_pass: Called with the seconds for which a late answer, or one that never comes, is
            waited for; nobody waits where not given.
    """

    def __init__(self, handle: Handler, let_pass: Callable[[float], object] | None = None) -> None:
        super().__init__()
        self._handle = handle
        self._let_pass = let_pass

    def send(  # noqa: PLR0917 - the signature is requests'
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: ARG002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Return the simulator's answer; there is nothing to verify.

        Raises:
            RequestException: The answer goes wrong on its way, as a fault of the rehearsal says.
        """
        answer = self._handle(_prepared(request))
        if answer.after or isinstance(answer, Spoilt):
            patience = timeout[1] if isinstance(timeout, tuple) else timeout
            return self._late(request, answer, patience)
        return self._response(request, answer)

    def _late(
        self, request: requests.PreparedRequest, answer: Response, patience: float | None
    ) -> requests.Response:
        """Return an answer that is late, or goes wrong, as `requests` would have it."""
        spoilt = answer if isinstance(answer, Spoilt) else whole_but_late(answer)
        if self._let_pass is not None:
            self._let_pass(seconds_of(spoilt, patience))
        try:
            raw = through_urllib3(spoilt, request.method or "GET", request.url or "", patience)
        except ReadTimeoutError as error:
            raise requests.ReadTimeout(error, request=request) from error
        except HTTPError as error:
            raise requests.ConnectionError(error, request=request) from error
        response = self._response(request, answer)
        response.status_code, response.reason = raw.status, raw.reason or ""
        response.headers = CaseInsensitiveDict(raw.headers)
        response.raw = raw
        return response

    def _response(self, request: requests.PreparedRequest, answer: Response) -> requests.Response:
        response = requests.Response()
        response.request = request
        response.url = request.url or ""
        response.status_code = answer.status
        response.reason = answer.phrase
        response.headers = CaseInsensitiveDict(answer.headers)
        # Undoes a compression, as for any response that comes over the network.
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(answer.body), response.headers, preload_content=False
        )
        return response

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _prepared(request: requests.PreparedRequest) -> Request:
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    headers = [(name.lower(), _text(value)) for name, value in request.headers.items()]
    if "host" not in dict(headers):
        headers.insert(0, ("host", urlsplit(request.url or "").netloc))
    return Request(request.method or "GET", request.path_url, tuple(headers), body, client=_HERE)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value

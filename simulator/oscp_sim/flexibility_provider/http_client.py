"""Call others as the Flexibility Provider's HTTP client does: Apache HttpClient with its defaults.

As measured (oscp20.md §2.4, §5.10 and §7.3): bodies are chunked; 429 and 503 are asked once more,
with the same request; a redirect is followed, and 301, 302 and 303 make a bare GET of it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from typing import Final, TypeAlias
from urllib.parse import urljoin, urlsplit

from oscp_sim.clock import Schedule
from oscp_sim.dataclass_values import changed
from oscp_sim.http import Headers, Request, Response
from oscp_sim.outgoing import IN_PROCESS_URL, Unanswered
from oscp_sim.shared import Shared

#: Yields seconds to wait by the simulator's clock, then returns an answer, or None where nothing
#: was to be sent.
Sending: TypeAlias = Generator[float, None, Response | None]
#: Told of each request that was sent, its answer if any came, and what there is to say about it.
Recorder: TypeAlias = Callable[[Request, Response | None, str | None], object]

#: What the service's framework adds in front of a message's own headers.
ACCEPT: Final = (
    "Accept",
    "application/json, application/cbor, application/yaml, application/*+json",
)
# What the client adds to every request. The version of Java is (inferred).
_ENCODINGS: Final = "gzip, deflate, lz4-framed, lz4-block, bzip2, pack200, deflate64, x-gzip"
_ALWAYS: Final = (
    ("Accept-Encoding", _ENCODINGS),
    ("User-Agent", "Apache-HttpClient/5.6.1 (Java/21)"),
)
_CHUNKED: Final = ("Transfer-Encoding", "chunked")

_ASKED_AGAIN: Final = frozenset({429, 503})
_TO_A_GET: Final = frozenset({301, 302, 303})
_REPEATED: Final = frozenset({307, 308})
# The most redirects that are followed (inferred).
_REDIRECTS: Final = 50


def go_on(schedule: Schedule, steps: Iterator[float]) -> None:
    """Do the first step, and each further one after the seconds by the clock that it yields."""
    seconds = next(steps, None)
    if seconds is not None:
        # In a queue of its own: another step may take long.
        schedule.after(seconds, partial(go_on, schedule, steps), queue=id(steps))


class Connections:
    """The connections that are in use: four to a host and port, and 15 s in the line for one.

    As measured (oscp20.md §5.10): who has none by then fails, and nothing was sent.
    """

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self._lock = threading.Lock()
        # Of each place, until when a connection is in use; the end of time where it is not known.
        self._used: dict[str, list[datetime]] = {}

    def use(self, place: str) -> None:
        """Use a connection, until it is said for how long."""
        with self._lock:
            self._used.setdefault(place, []).append(_NOT_KNOWN)

    def use_for(self, place: str, seconds: float) -> None:
        """Use that connection for so many seconds from now."""
        with self._lock:
            self._used[place].remove(_NOT_KNOWN)
            until = self.shared.clock.now() + timedelta(seconds=seconds)
            self._used[place].append(until)

    def forget(self) -> None:
        """Let go of those that only wait for an answer, which nobody wants any more."""
        with self._lock:
            for place, used in self._used.items():
                self._used[place] = [until for until in used if until == _NOT_KNOWN]

    def line(self, place: str) -> Iterator[float]:
        """Yield seconds to wait until there is one.

        Raises:
            Unanswered: There is none for too long.
        """
        left = _IN_THE_LINE
        while free := self._free_in(place):
            if left <= 0:
                raise Unanswered("other", _NO_CONNECTION)
            seconds = min(free, left)
            left -= seconds
            yield seconds

    def _free_in(self, place: str) -> float:
        now = self.shared.clock.now()
        with self._lock:
            used = [until for until in self._used.get(place, ()) if until > now]
            self._used[place] = used
        if len(used) < _CONNECTIONS:
            return 0.0
        first = min(used)
        return _LOOK_AGAIN if first == _NOT_KNOWN else (first - now).total_seconds()


_CONNECTIONS, _IN_THE_LINE, _LOOK_AGAIN = 4, 15.0, 0.1
_NO_CONNECTION: Final = "Timeout deadline: 15000 MILLISECONDS, actual: 15001 MILLISECONDS"
_NOT_KNOWN: Final = datetime.max.replace(tzinfo=UTC)


def _place(request: Request) -> str:
    """Return where a request goes; each system that is played here is a host of its own."""
    place = "//".join(_authority(request.target))
    if not request.target.startswith(f"{IN_PROCESS_URL}/"):
        return place
    return place + next((value for name, value in request.headers if name == "Authorization"), "")


def exchange(
    connections: Connections,
    request: Request,
    timeout: tuple[float, float],
    record: Recorder,
) -> Generator[float, None, Response]:
    """Send a request, follow where it leads, and return the last answer when it has come.

    Raises:
        Unanswered: No answer came, or the redirects go round in a circle.
    """
    seen: set[str] = set()
    why: str | None = None
    while True:
        answer = yield from _patiently(connections, request, timeout, record, why)
        target = _target(request, answer)
        if target is None:
            return answer
        if target in seen:
            raise Unanswered("other", f"Circular redirect to '{target}'")
        if len(seen) == _REDIRECTS:
            raise Unanswered("other", f"Maximum redirects ({_REDIRECTS}) exceeded")
        seen.add(target)
        why = f"the answer was {answer.status}, so the request goes to where it leads"
        if answer.status in _TO_A_GET and request.method != "GET":
            why += ", as a GET without body, token and ids: what was to be said is lost"
            request = Request("GET", target)
        else:
            request = changed(request, target=target)


def _added(request: Request) -> Headers:
    return (_CHUNKED, *_ALWAYS) if request.body else _ALWAYS


def _patiently(
    connections: Connections,
    request: Request,
    timeout: tuple[float, float],
    record: Recorder,
    why: str | None,
) -> Generator[float, None, Response]:
    """Send a request, once more where the other party asks to wait, and return the answer.

    That it is not sent again where the wait is longer than the time-out is (inferred).
    """
    answer = yield from _once(connections, request, timeout, record, why)
    if answer.status in _ASKED_AGAIN:
        seconds = _wait(answer, connections.shared.clock.now())
        if seconds <= timeout[1]:
            yield seconds
            why = f"the same request once more, {seconds:g} s after the answer {answer.status}"
            answer = yield from _once(connections, request, timeout, record, why)
    return answer


def _once(
    connections: Connections,
    request: Request,
    timeout: tuple[float, float],
    record: Recorder,
    why: str | None,
) -> Generator[float, None, Response]:
    place, after = _place(request), 0.0
    yield from connections.line(place)
    request = changed(
        request,
        headers=(*request.headers, *_added(request)),
        exchange_id=connections.shared.journal.new_exchange_id(),
    )
    answer: Response | None = None
    failure: Unanswered | None = None
    connections.use(place)
    try:
        answer = connections.shared.outgoing.send(request, timeout=timeout, follow=False)
        after = answer.after
    except Unanswered as error:
        failure, after = error, error.after
    finally:
        connections.use_for(place, after)
        record(request, answer, why)
    if after:
        yield after
    if answer is None:
        raise failure or Unanswered("other", "no answer")
    return answer


def _wait(answer: Response, now: datetime) -> float:
    """Return the seconds that `Retry-After` asks for, as a number or a date; else one."""
    asked, seconds = (answer.header("Retry-After") or "").strip(), 0.0
    if re.fullmatch("[0-9]{1,9}", asked):
        seconds = float(asked)
    elif asked:
        try:
            seconds = (parsedate_to_datetime(asked) - now).total_seconds()
        except (ValueError, TypeError):
            seconds = 0.0
    return seconds if seconds > 0 else 1.0


def _target(request: Request, answer: Response) -> str | None:
    """Return the URL to which an answer leads, or None.

    That a request with a token is not repeated to another host, and the redirect is the answer
    then, is (inferred).
    """
    location = answer.header("Location")
    if location is None or answer.status not in _TO_A_GET | _REPEATED:
        return None
    target = urljoin(request.target, location)
    shows_token = any(name.lower() == "authorization" for name, _ in request.headers)
    is_repeated = answer.status in _REPEATED and shows_token
    if is_repeated and _authority(target) != _authority(request.target):
        return None
    return target


def _authority(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


# Characters that no URL holds, as its Java class sees it; a query may hold brackets, a path not.
_ILLEGAL: Final = re.compile(r'[\x00-\x20"<>\\^`{|}\x7f]')
_ILLEGAL_IN_PATH: Final = re.compile(r'[\x00-\x20"<>\\^`{|}\x7f\[\]]')
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_PARTS: Final = re.compile(
    r"(?:([^:/?#]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)
_NAMES: Final = ("scheme name", "authority", "path", "query", "fragment")


@lru_cache(maxsize=256)  # a system is called at the same few all the time
def invalid_url(url: str) -> str | None:
    """Return why a URL cannot be one, in the words of `java.net.URI`, or None (oscp20.md §7.3).

    Only `Illegal character in path` is measured; the other texts are (inferred).
    """
    found = _PARTS.fullmatch(url)
    for number, name in enumerate(_NAMES, start=1):
        part = found and found[number]
        if not found or part is None:
            continue
        start = found.start(number)
        illegal = (_ILLEGAL_IN_PATH if name == "path" else _ILLEGAL).search(part)
        if illegal:
            at = start if name == "authority" else start + illegal.start()
            return f"Illegal character in {name} at index {at}: {url}"
        escape = _BAD_ESCAPE.search(part)
        if escape:
            return f"Malformed escape pair at index {start + escape.start()}: {url}"
    try:
        urlsplit(url)
    except ValueError:
        return f"Malformed IPv6 address at index {url.index('//') + 3}: {url}"
    return None

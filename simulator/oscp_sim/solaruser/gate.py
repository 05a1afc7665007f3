"""The checks of every request that need no token: its form, its origin, and how often it may come.

As observed in SolarNetwork (solaruser.md §5.7, §7.1 and §7.4).
"""

from __future__ import annotations

import codecs
import re
import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from oscp_sim.clock import Clock
from oscp_sim.http import VARY_BY_ORIGIN, Request, Response, letting_in, rejection
from oscp_sim.solaruser.call import ApiRefused, NoRoute, media_type_of, too_large
from oscp_sim.world import RateLimit


def check_request(request: Request) -> None:
    """Refuse, with 400, a method or an address that looks like an attack."""
    why = rejection(request)
    if why is not None:
        raise ApiRefused(400, why)


def check_content(request: Request) -> None:
    """Refuse a malformed Content-Type, and a multipart body over the limit or without its parts."""
    content_type = request.fields.get("content-type")
    problem = None if content_type is None else content_type_problem(content_type)
    if problem:
        raise ApiRefused(403, problem)
    if content_type and media_type_of(request).startswith("multipart/"):
        if "boundary=" not in content_type.lower():
            raise NoRoute(HTTPStatus.BAD_REQUEST)
        if request.body is None:
            raise too_large()


def check_parameter_names(names: Iterable[str]) -> None:
    """Refuse a parameter name with a control character or one that Unicode does not know."""
    for name in names:
        if any(unicodedata.category(character) in {"Cc", "Cn"} for character in name):
            raise ApiRefused(
                400, f'The request was rejected because the parameter name "{name}" is not allowed.'
            )


# The Content-Type by the rules of Spring's parser (solaruser.md §5.7; the texts are inferred).

_NO_TOKEN_CHARACTER: Final = re.compile(r"[^!#$%&'*+\-.0-9A-Z^_`a-z{|}~]")
_PARAMETER: Final = re.compile(r';((?:[^;"]|"(?:[^"\\]|\\.)*"?)*)', re.DOTALL)
_CHARSET_NAME: Final = re.compile(r"[0-9A-Za-z][-+.:_0-9A-Za-z]*")


@lru_cache(maxsize=64)  # a client sends the same one each time
def content_type_problem(text: str) -> str | None:
    """Return what is wrong with the value of a Content-Type header, or None."""
    full, _, parameters = text.partition(";")
    problem = _type_problem(full.strip()) or _parameter_problem(";" + parameters)
    return problem and f'Invalid mime type "{text}": {problem}'


def _type_problem(full: str) -> str | None:
    if not full:
        return "'mimeType' must not be empty"
    kind, slash, subtype = ("*/*" if full == "*" else full).partition("/")
    if not slash:
        return "does not contain '/'"
    if not subtype:
        return "does not contain subtype after '/'"
    if kind == "*" and subtype != "*":
        return "wildcard type is legal only in '*/*' (all mime types)"
    if not kind:
        return "'type' must not be empty"
    return _token_problem(kind) or _token_problem(subtype)


def _parameter_problem(text: str) -> str | None:
    for match in _PARAMETER.finditer(text):
        name, equals, value = (part.strip() for part in match[1].partition("="))
        if equals:
            if not name:
                return "'attribute' must not be empty"
            problem = _token_problem(name) or _value_problem(name, value)
            if problem:
                return problem
    return None


def _value_problem(name: str, value: str) -> str | None:
    if not value:
        return "'value' must not be empty"
    quoted = len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]
    if name.lower() == "charset":
        return _charset_problem(value[1:-1] if quoted else value)
    return None if quoted else _token_problem(value)


def _charset_problem(name: str) -> str | None:
    if not _CHARSET_NAME.fullmatch(name):
        return name
    try:
        codecs.lookup(name)
    except LookupError:
        return f"unsupported charset '{name}'"
    return None


def _token_problem(text: str) -> str | None:
    wrong = _NO_TOKEN_CHARACTER.search(text)
    return wrong and f"Invalid token character '{wrong[0]}' in token \"{text}\""


# What a page of another origin may use; the list of methods is inferred (solaruser.md §7.4).

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
HEADERS: Final = ("Authorization", "Content-MD5", "Content-Type", "Digest", "X-SN-Date")


def with_cors_headers(request: Request, response: Response) -> Response:
    """Return a response that the origin of a request, if it has one, may read."""
    varying = response.having((*VARY_BY_ORIGIN, *response.headers))
    granted = letting_in(request, response)
    return varying.setting(dict(granted)) if granted else varying


def permissive_headers() -> list[tuple[str, str]]:
    """Return the headers of a refused authentication, whatever its origin (measured)."""
    return [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Headers", ", ".join(HEADERS)),
        ("Access-Control-Allow-Methods", ", ".join(METHODS)),
    ]


# How many requests a token, or an address without one, may make (solaruser.md §7.4).

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS: Final = 1_000_000_000
_PER_MILLISECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request may pass.

    Attributes:
        remaining: How many may follow at once; None where this one may not pass.
        retry_after: When one may pass again, in milliseconds since 1970; None where this one may.
    """

    remaining: int | None
    retry_after: int | None

    def header(self) -> tuple[str, str]:
        """Return the header that the service sets."""
        if self.retry_after is not None:
            return ("X-SN-Rate-Limit-Retry-After", str(self.retry_after))
        return ("X-SN-Rate-Limit-Remaining", str(self.remaining))


class RateLimiter:
    """The token buckets of all keys; they fill evenly, by the simulator's clock (inferred).

    Of more than `most` buckets, those that are full again are dropped.
    """

    def __init__(self, clock: Clock, *, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        # By key: when its bucket is full again, in nanoseconds since 1970.
        self._full_at: dict[str, int] = {}

    def take(self, limit: RateLimit, key: str) -> Allowance:
        """Take one request out of a bucket, if there is one in it."""
        now = (self._clock.now() - _EPOCH) // timedelta(microseconds=1) * 1000
        each = max(1, round(_NANOSECONDS / limit.refill_per_second))
        with self._lock:
            full_at = max(now, self._full_at.get(key, now)) + each
            # A bucket that has room for one more missing request is not empty.
            missing = full_at - now
            if missing > limit.capacity * each:
                wait = full_at - limit.capacity * each
                return Allowance(None, -(-wait // _PER_MILLISECOND))
            if len(self._full_at) >= self._most:
                self._full_at = {name: at for name, at in self._full_at.items() if at > now}
            self._full_at[key] = full_at
        return Allowance((limit.capacity * each - missing) // each, None)

    def __len__(self) -> int:
        return len(self._full_at)

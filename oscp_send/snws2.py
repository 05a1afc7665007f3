"""SNWS2, the scheme by which requests to SolarNetwork's API are signed.

The pure functions restate the scheme for both sides; `SNWS2Auth` signs what `requests` sends
(solaruser.md §5).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, date, datetime
from email.utils import format_datetime
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from oscp_send.settings import Secret
from oscp_send.times import utc_now

SCHEME: Final = "SNWS2"
_FORM: Final = "application/x-www-form-urlencoded"
_FORM_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SPACES: Final = re.compile(" {2,}")
_NOT_BASIC: Final = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# What Java trims: everything up to the space, and nothing beyond ASCII.
_BLANKS: Final = "".join(map(chr, range(0x21)))
_ALWAYS_SIGNED: Final = frozenset({"host", "content-type", "content-md5", "digest"})


def signing_key(secret: str, day: date) -> bytes:
    """Derive the key that signs the requests of a UTC day.

    The service tries the key of the request's day and those of the six days before.
    """
    first = _hmac((SCHEME + secret).encode(), f"{day:%Y%m%d}")
    return _hmac(first, "snws2_request")


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return decoded query and form parameters as they are signed.

    Keys are ordered by the UTF-16 code units of their decoded form; the values of one key keep
    their order. A character outside the Basic Multilingual Plane becomes `%3F%3F`, because the
    service encodes one UTF-16 code unit at a time.

    Args:
        pairs: Decoded keys and values in request order, those of the query before those of a form.
    """
    ordered = sorted(pairs, key=lambda pair: _units(pair[0]))
    return "&".join(f"{_encoded(key)}={_encoded(value)}" for key, value in ordered)


def canonical_request(  # noqa: PLR0917 - the parts in the order in which they are signed
    method: str,
    path: str,
    query: str,
    headers: Iterable[tuple[str, str]],
    signed: Iterable[str],
    body_sha256_hex: str,
) -> str:
    """Return a request as it is signed.

    Args:
        method: The HTTP method.
        path: The path as it is sent, undecoded, from the context path on, without the query.
        query: As `canonical_query` writes it; may be empty.
        headers: Lower-case names and values in request order. Of a repeated header the first
            value counts; a signed header that is missing has an empty value.
        signed: The names from `SignedHeaders`, in any order, each counted once. `date` is ignored
            beside `x-sn-date`.
        body_sha256_hex: The SHA-256 of the body as lower-case hexadecimal; that of no bytes for a
            form, whose fields are signed as parameters.
    """
    names = sorted(set(signed))
    if "x-sn-date" in names:
        names = [name for name in names if name != "date"]
    values: dict[str, str] = {}
    for name, value in headers:
        values.setdefault(name, value)
    lines = [f"{name}:{_SPACES.sub(' ', values.get(name, '').strip(_BLANKS))}" for name in names]
    return "\n".join([method.upper(), path, query, *lines, ";".join(names), body_sha256_hex])


def string_to_sign(when: datetime, canonical: str) -> str:
    """Return the text that is signed for a request's date and its canonical form.

    Args:
        when: The request's date as an aware datetime; whole seconds count.
        canonical: As `canonical_request` writes it.
    """
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"{SCHEME}-HMAC-SHA256\n{when.astimezone(UTC):%Y%m%dT%H%M%SZ}\n{digest}"


def signature(key: bytes, text: str) -> str:
    """Sign a text; return 64 lower-case hexadecimal digits."""
    return _hmac(key, text).hex()


def format_date(when: datetime) -> str:
    """Return an aware datetime as an HTTP date: `Tue, 25 Apr 2017 14:30:00 GMT`."""
    return format_datetime(when.astimezone(UTC), usegmt=True)


class Signer:
    """Signs requests with a SolarNetwork security token, whatever library sends them.

    Each library has a class of its own, which says what is set and signed.
    """

    def __init__(
        self, token: str, secret: str | Secret, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.token = token
        self._secret = Secret(secret)
        self._clock = clock or utc_now
        self._lock = Lock()
        self._key: tuple[date, bytes] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(token={self.token!r}, secret={self._secret!r})"

    def sign_headers(
        self, method: str, url: str, headers: MutableMapping[str, Any], body: bytes
    ) -> None:
        """Set the headers that sign a request.

        Raises:
            ValueError: A form has a digest header, which the service would not find to fit.
        """
        when = self._clock().astimezone(UTC)
        parts = urlsplit(url)
        headers.setdefault("Host", host(url))
        headers["X-SN-Date"] = format_date(when)
        pairs = _pairs(parts.query)
        if _is_form(method, headers):
            pairs += _pairs(body.decode())
            body = b""
        hashed = hashlib.sha256(body)
        if body:
            headers["Digest"] = f"sha-256={b64encode(hashed.digest()).decode()}"
        names = [(name.lower(), _text(value)) for name, value in self._items(headers)]
        signed = sorted({name for name, _ in names if _must_be_signed(name)})
        canonical = canonical_request(
            method,
            # The path of an address without one is sent as a slash.
            parts.path or "/",
            canonical_query(pairs),
            names,
            signed,
            hashed.hexdigest(),
        )
        made = signature(self._key_of(when.date()), string_to_sign(when, canonical))
        headers["Authorization"] = (
            f"{SCHEME} Credential={self.token},SignedHeaders={';'.join(signed)},Signature={made}"
        )

    def _items(self, headers: Any) -> Iterable[tuple[str, str | bytes]]:  # noqa: ANN401 - a library's own
        """Return the headers in the order in which they are sent."""
        items: Iterable[tuple[str, str | bytes]] = headers.items()
        return items

    def _key_of(self, day: date) -> bytes:
        with self._lock:
            if self._key is None or self._key[0] != day:
                self._key = day, signing_key(self._secret.reveal(), day)
            return self._key[1]


class SNWS2Auth(Signer, AuthBase):
    """Signs what `requests` sends with a SolarNetwork security token.

    Sets `X-SN-Date`, `Host`, `Authorization`, and `Digest` for a body that is not a form. The
    fields of a form are signed as query parameters, with the hash of an empty body, and without
    `Digest`. May be shared between threads.

    For https on its default port, `Host: name:443` is sent and signed, port included: the service
    appends the port to a host without one when it runs behind a proxy that ends TLS, and does not
    when it runs alone; with the port given, both accept it.

    Args:
        token: The token's id.
        secret: The token's secret; it is never shown.
        clock: Returns the aware time to sign with; the system's unless given. The service allows
            15 minutes of difference.
    """

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign a prepared request in place.

        Raises:
            TypeError: The body is a stream, which cannot be hashed before it is sent.
            ValueError: A form has a digest header, which the service would not find to fit.
        """
        body = _body_of(request)
        self.sign_headers(request.method or "", request.url or "", request.headers, body)
        return request


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _units(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def _encoded(text: str) -> str:
    return quote(_SURROGATE.sub("?", _NOT_BASIC.sub("??", text)), safe="-_.~")


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _must_be_signed(name: str) -> bool:
    return name in _ALWAYS_SIGNED or name.startswith("x-sn-")


def host(url: str) -> str:
    """Return the value of the header Host that is sent and signed for an address."""
    parts = urlsplit(url)
    name, port = parts.hostname or "", parts.port
    bracketed = f"[{name}]" if ":" in name else name
    if parts.scheme == "http" and port in {None, 80}:
        return bracketed
    return f"{bracketed}:{port or 443}"


def _body_of(request: PreparedRequest) -> bytes:
    body = request.body
    if isinstance(body, str):
        # As urllib3 would; from now on, the bytes that are signed are the bytes that are sent.
        body = request.body = body.encode()
    if body is None:
        return b""
    if not isinstance(body, bytes):
        raise TypeError("SNWS2 signs the whole body: give text or bytes, not a stream")
    return body


def _is_form(method: str, headers: Mapping[str, Any]) -> bool:
    kind = _text(headers.get("Content-Type", "")).partition(";")[0].strip().lower()
    if kind != _FORM or method not in _FORM_METHODS:
        return False
    for name in ("Digest", "Content-MD5"):
        if name in headers:
            raise ValueError(
                f"a form must not have the header {name}: SolarUser has read the fields before it "
                "verifies what is left of the body, and refuses"
            )
    return True

"""Verify the SNWS2 signature of a request as SolarUser does, from the protocol alone.

It shares no code with what signs here (`oscp_send.snws2`) and with the simulator, so that the three
can disagree. Each step cites docs/protocol/solaruser.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl

_EMPTY: Final = b""
_FORM: Final = "application/x-www-form-urlencoded"
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
)
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")
_KEY_DAYS: Final = 7
#: Characters of a line that is shown whole.
_LONGEST: Final = 300
_DATES: Final = ("x-sn-date", "date")
#: To be signed where the request has them, as any `x-sn-` header is (§5.1).
_TO_BE_SIGNED: Final = ("content-type", "content-md5", "digest")
_DIGESTS: Final = ("md5", "sha", "sha-256", "sha-512")


class NotVerified(Exception):
    """The signature does not verify; its text says why."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature verifies.

    Attributes:
        token: The id of the token.
        names: The headers that are signed, in order.
        canonical: The canonical request that was signed.
    """

    token: str
    names: tuple[str, ...]
    canonical: str


def verify_signature(
    method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, secret: str
) -> Signed:
    """Return what is signed by a request, once its signature has been verified.

    Neither its age nor the rights of its token are looked at.

    Args:
        method: As `POST`.
        target: The path, as sent, and the query.
        headers: Names and values; of one that is there twice the first value counts.
        body: The bytes.
        secret: The secret of the token.

    Raises:
        NotVerified: It is not signed, not whole, or not by this secret.
    """
    fields: dict[str, str] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), value)
    components = _components(fields)
    names = _signed_names(components, fields)
    is_form = method == "POST" and fields.get("content-type", "").lower().startswith(_FORM)
    # The container has consumed the body of a form (§5.5).
    hashed = _EMPTY if is_form else body
    _check_digest(fields, hashed)
    path, _, query = target.partition("?")
    values = (f"{name}:{_value(name, fields)}" for name in names)
    lines = (
        method.upper(),
        path,
        _canonical_query(query, body if is_form else _EMPTY),
        *values,
        ";".join(names),
        hashlib.sha256(hashed).hexdigest(),
    )
    canonical = "\n".join(lines)
    if not _is_signed(canonical, _date(fields), components["Signature"], secret):
        raise NotVerified(
            "the signature is not that of the request as it was sent, whose canonical form is\n"
            + "\n".join(f"    {_shown(line)}" for line in lines)
        )
    return Signed(components["Credential"], names, canonical)


def _shown(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ... ({len(line)} characters)"


def _components(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return Credential, SignedHeaders and Signature (§5.1)."""
    scheme, blank, rest = fields.get("authorization", "").partition(" ")
    if scheme != "SNWS2" or not blank:
        raise NotVerified("the request has no Authorization of the scheme SNWS2")
    found = dict(_split(each) for each in rest.split(","))
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not found.get(name):
            raise NotVerified(f"its Authorization has no {name}")
    if not _SIGNATURE.fullmatch(found["Signature"]):
        raise NotVerified("its Signature is not 64 hexadecimal digits in lower case")
    return found


def _split(component: str) -> tuple[str, str]:
    name, _, value = component.partition("=")
    return name, value


def _signed_names(components: Mapping[str, str], fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the signed headers, sorted; those that must be there are (§5.1)."""
    names = tuple(sorted(set(components["SignedHeaders"].split(";"))))
    if "host" not in names:
        raise NotVerified("the header host is not signed")
    if not any(name in names for name in _DATES):
        raise NotVerified("neither the header date nor x-sn-date is signed")
    if all(name in names for name in _DATES):
        # With both signed, only the first counts (§5.2).
        names = tuple(name for name in names if name != "date")
    for name in fields:
        if (name in _TO_BE_SIGNED or name.startswith("x-sn-")) and name not in names:
            raise NotVerified(f"the request has the header {name}, which is not signed")
    return names


def _value(name: str, fields: Mapping[str, str]) -> str:
    """Return a header's value as it is signed (§5.3)."""
    value = " ".join(fields.get(name, "").split())
    if name != "host" or ":" in value:
        return value
    port = fields.get("x-forwarded-port")
    if port is None:
        return f"{value}:443" if fields.get("x-forwarded-proto", "").lower() == "https" else value
    return value if port == "80" else f"{value}:{port}"


def _date(fields: Mapping[str, str]) -> datetime:
    """Return the date of a request (§5.2)."""
    text = next((fields[name] for name in _DATES if name in fields), "")
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotVerified(f"its date {text!r} cannot be read") from None


def _canonical_query(query: str, form: bytes) -> str:
    """Return all parameters, sorted by key; of one key in their order (§5.4)."""
    pairs = [pair for part in (query, form.decode("latin-1")) for pair in _pairs(part)]
    pairs.sort(key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass"))
    return "&".join(f"{_escaped(key)}={_escaped(value)}" for key, value in pairs)


def _pairs(text: str) -> Sequence[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, errors="replace")


def _escaped(text: str) -> str:
    """Return a text percent-encoded by UTF-16 unit: half a pair is a question mark (§5.4)."""
    halves = "".join("??" if ord(each) > 0xFFFF else each for each in text)  # noqa: PLR2004 - the BMP
    octets = halves.encode("utf-8", "replace")
    return "".join(chr(each) if each in _UNRESERVED else f"%{each:02X}" for each in octets)


def _check_digest(fields: Mapping[str, str], body: bytes) -> None:
    """Refuse a digest that is not that of the body (§5.5)."""
    for name, algorithm, given in _digests(fields):
        digest = hashlib.new({"sha": "sha1"}.get(algorithm, algorithm.replace("-", "")), body)
        plain = given.strip('"')
        is_hexadecimal = len(plain) == 2 * digest.digest_size
        came = _of_hexadecimal(plain) if is_hexadecimal else _of_base64(plain)
        if came != digest.digest():
            raise NotVerified(f"its header {name} is not the {algorithm} digest of its body")


def _digests(fields: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the one digest that counts, if there is one: its header, algorithm and value."""
    for each in fields.get("digest", "").split(","):
        algorithm, equals, value = each.partition("=")
        if equals and algorithm.lower() in _DIGESTS:
            yield "digest", algorithm.lower(), value
            return
    if "digest" not in fields and fields.get("content-md5"):
        yield "content-md5", "md5", fields["content-md5"]


def _of_hexadecimal(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _of_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_signed(canonical: str, date: datetime, signature: str, secret: str) -> bool:
    """Return whether a signature is that of a canonical request, by a key of 7 days (§5.6)."""
    hashed = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    to_sign = f"SNWS2-HMAC-SHA256\n{date:%Y%m%dT%H%M%SZ}\n{hashed}"
    for age in range(_KEY_DAYS):
        day = f"{date - timedelta(days=age):%Y%m%d}"
        key = _hmac(_hmac(f"SNWS2{secret}".encode(), day), "snws2_request")
        if hmac.compare_digest(_hmac(key, to_sign).hex(), signature):
            return True
    return False


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()

"""The step `request` of what was asked from outside and no other step does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from oscp_send.messages import wire_text
from oscp_send.values import OscpSendError
from oscp_sim.addresses import (
    CAPACITY_OPTIMIZER_PATH,
    CAPACITY_PROVIDER_PATH,
    ELMO_PATH,
    FLEXIBILITY_PROVIDER_PATH,
)
from oscp_sim.entry import Entry
from oscp_sim.http import LONGEST_BODY, Request

_SYSTEMS: Final = frozenset({"capacity_provider", "capacity_optimizer"})
_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "solaruser": ("",),
    "flexibility_provider": (FLEXIBILITY_PROVIDER_PATH,),
    "capacity_provider": (CAPACITY_PROVIDER_PATH, ELMO_PATH),
    "capacity_optimizer": (CAPACITY_OPTIMIZER_PATH, ELMO_PATH),
}
# What a client sends of itself, or to get the answer, and what the step sends anyway.
_OF_THE_CLIENT: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"}
)
_OF_A_SIGNATURE: Final = frozenset({"authorization", "content-md5", "date", "digest", "x-sn-date"})
_NAMES: Final = {
    "x-correlation-id": "X-Correlation-ID",
    "x-request-id": "X-Request-ID",
    "x-sn-date": "X-SN-Date",
}
_JSON: Final = "application/json"
_BLANKS: Final = re.compile(r'("(?:[^"\\]|\\.)*+")|\s+')
_DATE_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)Z", re.ASCII)
_CLOSE: Final = timedelta(milliseconds=1)
# What is later is planned, and was said by somebody.
_LONGEST_SESSION: Final = timedelta(hours=1)
#: Stands in a journal for a secret.
REDACTED: Final = "[redacted]"
#: Stands for a secret that is not kept.
A_SECRET: Final = "secret-that-is-not-kept"  # noqa: S105 - it is none
_NO_TOKEN: Final = "token-that-is-not-known"  # noqa: S105 - it is none
_CREDENTIAL: Final = re.compile(r"SNWS2.(?:.*,)?\s*Credential=([^,]*)")
_SIGNATURE: Final = re.compile(r"Signature=[^,]*")
# Why SolarUser refuses a signature that it has not compared yet: none that is right is so refused.
_NOT_COMPARED: Final = re.compile(
    r"Invalid (?:Credential|Signature|SignedHeaders|HTTP|Digest|Authorization)|Missing or invalid"
    r"|must be included in SignedHeaders|digest value mismatch|Unable to verify"
)
_OTHER_VERSION: Final = re.compile(r"not (HTTP/\d\.\d)")
_OTHER_HOST: Final = "addressed to another host"
_OTHER_SIGNATURE: Final = "another signature is expected"
_TOO_OLD: Final = "Date skew too large"


def requested(entry: Entry) -> Request:
    """Return the request of an exchange."""
    assert entry.request is not None, "every exchange has one"  # noqa: S101
    return entry.request


def request_of(entry: Entry, tokens: Mapping[str, Any], shared: bool) -> dict[str, Any]:
    """Return the fields of a step that sends the same request.

    Args:
        entry: Of who received it.
        tokens: The tokens that sign requests to SolarUser, by id; the first is a good one.
        shared: Whether several users have a system of its id.
    """
    request = requested(entry)
    fields = _addressed(entry, request, shared=shared)
    shown = _shown(entry, request, tokens)
    headers = _headers(entry, request, shown)
    content = _content(request, headers, to_the_letter="Authorization" in headers)
    default = "POST" if content else "GET"
    method = {} if request.method == default else {"method": request.method}
    version = _version(request, str(entry.detail.get("why", "")))
    return {
        **{key: each for key, each in fields.items() if key != "path"},
        **method,
        **({} if version is None else {"version": version}),
        "path": fields["path"].replace(REDACTED, A_SECRET),
        **shown,
        **({"headers": headers} if headers else {}),
        **content,
    }


def _addressed(entry: Entry, request: Request, *, shared: bool) -> dict[str, Any]:
    """Return whom it was for, and the path below that one's base URL."""
    who, party = entry.detail.get("id"), entry.party
    if _OTHER_HOST in str(entry.detail.get("why", "")):
        return {"path": f"http://elsewhere.invalid{request.target}"}
    of_system = party in _SYSTEMS
    for base in _PATHS[party]:
        rest = request.target.removeprefix(base)
        if request.target.startswith(base) and rest and (who is not None or not of_system):
            to = f"{party}:{who}" if of_system else party
            user = {"user": entry.detail["user"]} if shared else {}
            return {"to": to, **user, "path": rest}
    return {"path": request.target}


def _version(request: Request, why: str) -> str | None:
    """Return the version of HTTP where it was another than usual, as far as that shows."""
    found = _OTHER_VERSION.search(why)
    if found is not None:
        return found[1]
    # One without a Host is read in that version alone.
    is_old = "host" not in request.fields and not ("Host" in why or "no HTTP" in why)
    return "HTTP/1.0" if is_old else None


def _shown(entry: Entry, request: Request, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return by what it was signed, or whose token it showed."""
    given, who = request.fields.get("authorization"), entry.detail.get("id")
    if given is None or _is_before_all(entry):
        return {}
    if entry.party == "solaruser":
        return _signed(entry, given, tokens)
    party = entry.party if entry.party in _SYSTEMS else entry.peer
    is_known = who is not None and party in _SYSTEMS
    return {"token_of": f"{party}:{who}"} if is_known else {}


def _signed(entry: Entry, given: str, tokens: Mapping[str, Any]) -> dict[str, Any]:
    named = _CREDENTIAL.match(given)
    answer = entry.response.text if entry.response else ""
    if named is None and entry.status is not None and entry.status < 300:  # noqa: PLR2004 - of HTTP
        # By another scheme, which shows no token: any good one does the same.
        return {"sign": next(iter(tokens), "")}
    if named is None or named[1] not in tokens or _NOT_COMPARED.search(answer):
        return {}
    if str(entry.detail.get("why", "")).startswith(_OTHER_SIGNATURE):
        return {"sign": {"token": named[1], "secret": A_SECRET}}
    return {"sign": named[1]}


def _is_before_all(entry: Entry) -> bool:
    """Return whether a request was refused by the container, which looks at no token."""
    answer = entry.response.text if entry.response else ""
    return entry.status in {400, 417, 501, 505} and answer.startswith("<!doctype html>")


def _headers(entry: Entry, request: Request, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that are not sent anyway, each with its value or values."""
    found: dict[str, list[str]] = {}
    for name, value in request.headers:
        found.setdefault(name.lower(), []).append(value)
    dropped = set(_OF_THE_CLIENT)
    if shown or "authorization" not in found:
        dropped |= _OF_A_SIGNATURE
        answer = entry.response.text if entry.response else ""
        if _TOO_OLD in answer:
            dropped -= {"date", "x-sn-date"}
    if _is_before_all(entry):
        dropped -= _of_framing(found, str(entry.detail.get("why", "")))
    if request.body is None or "not read)" in request.text[-10:]:
        found["content-length"] = [str(LONGEST_BODY + 1)]
        dropped.discard("content-length")
    if found.get("accept") == ["*/*"]:
        dropped.add("accept")
    headers: dict[str, Any] = {}
    if "host" not in found:
        headers["Host"] = None
    for name, values in found.items():
        if name not in dropped:
            safe = [_without_secrets(each) for each in values]
            headers[_written_name(name)] = safe[0] if len(safe) == 1 else safe
    return headers


def _of_framing(found: Mapping[str, list[str]], why: str) -> set[str]:
    """Return which headers are wrong where the container says why it does not read a request."""
    kept = {"host"} if "Host" in why or len(found.get("host", ())) > 1 else set()
    kept |= {"content-length"} if "Content-Length" in why else set()
    return kept | ({"transfer-encoding"} if "chunk" in why or "Transfer-" in why else set())


def _without_secrets(value: str) -> str:
    if value.startswith("SNWS2"):
        length = 64 if "[redacted]" in value else 1
        return _SIGNATURE.sub(f"Signature={'0' * length}", value)
    return value.replace(REDACTED, _NO_TOKEN)


def _written_name(name: str) -> str:
    return _NAMES.get(name) or "-".join(part.capitalize() for part in name.split("-"))


def _content(request: Request, headers: dict[str, Any], *, to_the_letter: bool) -> dict[str, Any]:
    """Return the body: as a JSON value where that says the same, else as text."""
    text = request.text.replace(REDACTED, A_SECRET)
    if "Content-Length" in headers and request.text.endswith("not read)"):
        return {}
    if headers.get("Transfer-Encoding") is not None and not text:
        # What came was not kept, as it was not read.
        return {"text": "these are no chunks\r\n"}
    if not text:
        return {}
    value = None if to_the_letter else value_of(text)
    if value is None or headers.get("Content-Type") is None:
        return {"text": text}
    if headers["Content-Type"] == _JSON:
        del headers["Content-Type"]
    return {"message": value}


def in_common(recorded: object, played: object, since: datetime) -> tuple[bool, Any]:
    """Return whether two answers have something in common that lasts, and what.

    Args:
        recorded: A JSON value.
        played: The same, when it was played.
        since: When the session began: times from then on are other ones each time, and so are
            secrets.
    """
    if isinstance(recorded, Mapping) and isinstance(played, Mapping):
        both = [key for key in recorded if key in played]
        pairs = ((key, in_common(recorded[key], played[key], since)) for key in both)
        return True, {key: each for key, (is_same, each) in pairs if is_same}
    if isinstance(recorded, list) and isinstance(played, list):
        items = [in_common(*pair, since) for pair in zip(recorded, played, strict=False)]
        is_same = len(recorded) == len(played) and all(same for same, _ in items)
        return is_same, [each for _, each in items]
    is_same = type(recorded) is type(played) and recorded == played
    return is_same and not (isinstance(recorded, str) and _passes(recorded, since)), recorded


def _passes(text: str, since: datetime) -> bool:
    """Return whether a text is a secret, or a time since some time, to the millisecond."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return REDACTED in text
    try:
        when = datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00")
    except ValueError:
        return False
    return since - _CLOSE <= when <= since + _LONGEST_SESSION


def value_of(text: str) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return the JSON value of a text, or None where that would be written in another way.

    Blanks do not matter; how a number is written, or a repeated name, does.
    """
    try:
        value = json.loads(text)
        same = wire_text(value) == _BLANKS.sub(lambda found: found[1] or "", text)
    except (ValueError, RecursionError, OscpSendError):
        return None
    return value if same else None

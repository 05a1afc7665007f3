"""The replies of SolarUser: what they hold, in which form they are written, and the refusals.

As observed in SolarNetwork (solaruser.md §1.6, §1.7 and §7). What is not said there is inferred.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from xml.etree import ElementTree as ET

import cbor2
import orjson

from oscp_send.solarnetwork.dates import timestamp
from oscp_sim.http import Request, Response, respond
from oscp_sim.instructions import Instruction
from oscp_sim.solaruser.call import ApiRefused, Call, NoRoute

_JSON: Final = "application/json"
_CBOR: Final = "application/cbor"
_CSV: Final = "text/csv"
_XML: Final = "text/xml"
# In the order in which each is tried for an entry of `Accept`: the framework negotiates one value,
# the service's own code a list, for which it prefers CBOR.
_FOR_ONE: Final = (_JSON, _CBOR, _CSV, _XML)
_FOR_LISTS: Final = (_CBOR, _JSON, _CSV)
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def single(
    call: Call,
    data: object | None = None,
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Return a success and its data, as the framework negotiates: JSON for any type.

    Call it last: what a request asks for is done even where its reply cannot be written, which
    raises `NoRoute`.
    """
    given = [value for name, value in call.request.headers if name == "accept"]
    try:
        ranges = accepted(", ".join(given))
    except ValueError:
        raise NoRoute(HTTPStatus.NOT_ACCEPTABLE) from None
    media_type = _first(sorted(ranges, key=lambda each: each.rank), _FOR_ONE)
    if ranges and media_type is None:
        raise NoRoute(HTTPStatus.NOT_ACCEPTABLE)
    return _serialized(media_type or _JSON, data, status).adding(headers)


def stream(call: Call, rows: Sequence[Mapping[str, Any]]) -> Response:
    """Return a success with a list, left out where it is empty: CBOR for any type.

    The entries of `Accept` count in their own order, whatever their quality; without the header the
    reply is JSON. Where the service can write none of them, the request is refused.
    """
    try:
        ranges = accepted(call.request.header("accept"))
    except ValueError as error:
        raise ApiRefused(422, f"Illegal argument: {error}") from None
    media_type = _first(ranges, _FOR_LISTS)
    if ranges and media_type is None:
        named = ", ".join(each.text for each in ranges)
        raise ApiRefused(422, f"Illegal argument: No supported media type within [{named}]")
    return _serialized(media_type or _JSON, list(rows) or None, 200)


def _first(ranges: Iterable[_MediaRange], offered: Sequence[str]) -> str | None:
    for each in ranges:
        for media_type in offered:
            if each.includes(media_type):
                return media_type
    return None


def _serialized(media_type: str, data: object | None, status: int) -> Response:
    content = {"success": True} if data is None else {"success": True, "data": data}
    if media_type == _JSON:
        return json_response(content, status)
    if media_type == _CBOR:
        body = _cbor(content)
    elif media_type == _CSV:
        body = csv_text(_rows(content, data))
    else:
        body = xml_text(content)
    return respond(status, body, media_type, [("Vary", "Accept")])


def instruction_object(row: Instruction) -> dict[str, Any]:
    """Return an instruction as the API shows it, keys in its order, empty ones left out."""
    shown: dict[str, Any] = {
        "id": row.id,
        "created": timestamp(row.created),
        "nodeId": row.node_id,
        "topic": row.topic,
        "instructionDate": timestamp(row.instruction_date),
        "state": row.state,
        "statusDate": timestamp(row.status_date),
    }
    if row.expiration_date is not None:
        shown["expirationDate"] = timestamp(row.expiration_date)
    if row.pieces:
        shown["parameters"] = [{"name": name, "value": value} for name, value in row.stored_pieces]
    if row.result:
        shown["resultParameters"] = dict(row.result)
    return shown


def failure(
    status: int,
    message: str | None,
    *,
    code: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Return a refusal, in the service's own words."""
    content: dict[str, Any] = {"success": False}
    if code:
        content["code"] = code
    if message is not None:
        content["message"] = message
    if errors:
        content["errors"] = list(errors)
    return json_response(content, status).adding(headers)


def container_error(
    request: Request, status: HTTPStatus, headers: Mapping[str, str], *, at: datetime
) -> Response:
    """Return what a client sees when the container, not the API, refuses: §7.3, as measured."""
    if _prefers_html(request.header("accept") or ""):
        text = f"<!doctype html><title>{status.value}</title><p>{status.phrase}</p>\n"
        response = respond(status.value, text.encode(), "text/html; charset=utf-8")
    else:
        content = {
            "timestamp": timestamp(at.replace(microsecond=at.microsecond // 1000 * 1000)),
            "status": status.value,
            "error": status.phrase,
            "path": request.path,
            "success": False,
        }
        response = json_response(content, status.value)
    return response.setting(headers)


def _prefers_html(accept: str) -> bool:
    """Return whether the first of the accepted types is HTML, as it is in a browser."""
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "text/html"


def json_response(content: object, status: int = 200) -> Response:
    """Return JSON as the service writes it: compact UTF-8, no charset in the type."""
    return respond(status, _written(content), _JSON, [("Vary", "Accept")])


def _written(content: object) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:
        # Half a surrogate pair, quoted from a request: Java's encoder writes a question mark.
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return _LONE_SURROGATE.sub("?", text).encode()


def _cbor(content: Mapping[str, Any]) -> bytes:
    try:
        return cbor2.dumps(content)
    except UnicodeEncodeError:
        # Half a surrogate pair, which becomes a question mark in JSON.
        return cbor2.dumps(json.loads(json_response(content).body))


# The `Accept` header, as SolarUser's framework reads it (inferred).

_ENTRY: Final = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUALITY: Final = re.compile(r"0?\.\d{1,20}|[01]\.?|1\.0{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _MediaRange:
    """One of the media types that a client accepts; `text` is as the framework writes it."""

    type: str
    subtype: str
    quality: float
    text: str

    def includes(self, media_type: str) -> bool:
        """Return whether a media type without parameters is one of these."""
        kind, _, subtype = media_type.partition("/")
        # `application/*+json` includes `application/json`, too.
        same = self.subtype in {"*", subtype, f"*+{subtype}"}
        return self.type == "*" or (self.type == kind and same)

    @property
    def rank(self) -> tuple[float, bool, bool]:
        """The sort key: the best quality first, then the most particular."""
        return -self.quality, self.type == "*", "*" in self.subtype


def accepted(header: str | None) -> list[_MediaRange]:
    """Return what a client accepts, in its own order; nothing where it does not say.

    Raises:
        ValueError: The header cannot be read; the message is the framework's.
    """
    entries = _ENTRY.findall(header or "")
    return [_range(entry.strip()) for entry in entries if entry.strip()]


def _range(text: str) -> _MediaRange:
    name, *parameters = (part.strip() for part in text.split(";"))
    if name == "*":
        name = "*/*"
    kind, slash, subtype = name.lower().partition("/")
    if not slash or not subtype:
        raise ValueError(f"Invalid mime type \"{text}\": does not contain '/'")
    if kind == "*" != subtype:
        raise ValueError(f"Invalid mime type \"{text}\": wildcard type is legal only in '*/*'")
    if not _TOKEN.fullmatch(kind) or not _TOKEN.fullmatch(subtype):
        raise ValueError(f'Invalid mime type "{text}": Invalid token character')
    pairs = [part.partition("=")[::2] for part in parameters if part]
    quality = next((value.strip('"') for key, value in pairs if key.lower() == "q"), "1")
    if not _QUALITY.fullmatch(quality):
        raise ValueError(f'Invalid mime type "{text}": Invalid quality value "{quality}"')
    written = ";".join([f"{kind}/{subtype}", *(f"{key}={value}" for key, value in pairs)])
    return _MediaRange(kind, subtype, float(quality), written)


# CSV. That the service writes it is known, its columns are not: here they are the keys in the order
# of their first appearance, and a list or an object is written into its cell as JSON (inferred).


def csv_text(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Return a line of names and a line for each row; nothing without rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return b""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return written.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _rows(content: Mapping[str, Any], data: object) -> list[Mapping[str, Any]]:
    """Return the lines of a table: the data, or the whole content where there are none."""
    if data is None:
        return [content]
    items = data if isinstance(data, list | tuple) else [data]
    return [item if isinstance(item, dict) else {"data": item} for item in items]


# XML. That the service writes it is known, its elements are not: here each key is an element, each
# item of a list an `item`, and a key that is not an XML name an `entry` with that name (inferred).

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
# What XML 1.0 cannot write.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(content: Mapping[str, object]) -> bytes:
    """Return a document whose root is `result`; what XML cannot write becomes `?`."""
    root = ET.Element("result")
    _fill(root, content)
    written: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _fill(element: ET.Element, value: object) -> None:
    if isinstance(value, Mapping):
        for name, member in value.items():
            _fill(_child(element, str(name)), member)
    elif isinstance(value, list | tuple):
        for item in value:
            _fill(ET.SubElement(element, "item"), item)
    elif isinstance(value, bool):
        element.text = str(value).lower()
    elif value is not None:
        element.text = _UNWRITABLE.sub("?", str(value))


def _child(parent: ET.Element, name: str) -> ET.Element:
    if _NAME.fullmatch(name):
        return ET.SubElement(parent, name)
    return ET.SubElement(parent, "entry", {"name": _UNWRITABLE.sub("?", name)})


# Compression, as the service's container does it (solaruser.md §1.6). Which kinds of reply it
# compresses is inferred; CBOR is not among them.

_SHORTEST: Final = 2048
_KINDS: Final = frozenset({"application/json", "text/csv", "text/html", "text/plain", "text/xml"})
_LEVEL: Final = 6


def compressed(request: Request, response: Response) -> Response:
    """Return a reply compressed, if it is long enough and the client accepts gzip."""
    media_type = (response.header("content-type") or "").partition(";")[0]
    is_compressed = response.header("content-encoding") is not None
    if media_type not in _KINDS or is_compressed or len(response.body) < _SHORTEST:
        return response
    response = response.adding([("Vary", "Accept-Encoding")])
    if not _accepts_gzip(request.header("accept-encoding") or ""):
        return response
    # Without a time in it, the same reply is the same bytes.
    body = gzip.compress(response.body, _LEVEL, mtime=0)
    response = response.setting({"Content-Length": str(len(body))})
    return replace(response.adding([("Content-Encoding", "gzip")]), body=body)


def _accepts_gzip(accepted: str) -> bool:
    for entry in accepted.split(","):
        coding, *parameters = (part.strip().lower() for part in entry.split(";"))
        if coding == "gzip":
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() == "q" and float(value) <= 0
    except ValueError:
        return False

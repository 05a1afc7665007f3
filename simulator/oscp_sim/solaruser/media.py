"""The media types of SolarUser's replies: which one a client asks for, and how each is written.

As measured in SolarNetwork (solaruser.md §1.6 and §1.7). What is not said there is inferred.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1
from types import MappingProxyType
from typing import Any, Final
from xml.sax.saxutils import escape
from zlib import crc32

import cbor2
import orjson

from oscp_send.instruction import join_parameters

JSON: Final = "application/json"
CBOR: Final = "application/cbor"
_CSV: Final = "text/csv"
# In the order in which each is tried for an entry of `Accept`: the framework negotiates one value,
# the service's own code a list, for which it prefers CBOR.
_FOR_ONE: Final = (
    JSON,
    "application/*+json",
    f"{_CSV};charset=UTF-8",
    "application/xml",
    "text/xml",
    CBOR,
    "application/yaml",
)
_FOR_LISTS: Final = (CBOR, JSON, _CSV)
#: The header `Accept` of a 406.
WRITABLE: Final = ", ".join(_FOR_ONE)


# The `Accept` header, as SolarUser's framework reads it.

_ENTRY: Final = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUALITY: Final = re.compile(r"0?\.\d{1,20}|[01]\.?|1\.0{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _MediaRange:
    """One of the media types that a client accepts; `text` is as the framework writes it."""

    type: str
    subtype: str
    parameters: tuple[str, ...]
    quality: float
    text: str

    def match(self, offered: str) -> str | None:
        """Return the more particular of this and a media type that it includes, or None."""
        name, _, parameters = offered.partition(";")
        kind, _, subtype = name.partition("/")
        if self.type not in {"*", kind}:
            return None
        if self.subtype in {"*", f"*+{subtype}"}:
            return offered
        # `application/*+json` is written under any name that ends so.
        if self.subtype == subtype or (subtype[:2] == "*+" and self.subtype.endswith(subtype[1:])):
            own = ";".join([f"{self.type}/{self.subtype}", *self.parameters])
            return offered if parameters and not self.parameters else own
        return None

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


@lru_cache(maxsize=64)  # a client sends the same one each time
def type_of_one(header: str | None) -> str | None:
    """Return the media type of a reply with one value; None where none is accepted.

    Raises:
        ValueError: The header cannot be read.
    """
    ranges = accepted(header)
    return _first(sorted(ranges, key=lambda each: each.rank), _FOR_ONE) if ranges else JSON


def type_of_list(header: str | None) -> str | None:
    """Return the media type of a list: the entries count in their own order, not by quality.

    Raises:
        ValueError: The header cannot be read.
    """
    ranges = accepted(header)
    found = _first(ranges, _FOR_LISTS) if ranges else JSON
    return found and found.partition(";")[0]


def _first(ranges: Iterable[_MediaRange], offered: Sequence[str]) -> str | None:
    found = (each.match(media_type) for each in ranges for media_type in offered)
    return next((each for each in found if each and "*" not in each), None)


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
    own = tuple(f"{key}={value}" for key, value in pairs if key.lower() != "q")
    return _MediaRange(kind, subtype, own, float(quality), written)


# The writers. Each takes what JSON shows.

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def written(
    content: Mapping[str, Any], media_type: str, *, is_list: bool = False, kind: str = ""
) -> bytes:
    """Return a content in a media type; half a surrogate pair is escaped in JSON, else a `?`.

    `kind` is the class of data that does not tell by itself what it is: of a configuration.
    """
    plain = media_type.partition(";")[0]
    if plain.endswith("json"):
        return json_text(content)
    content = json.loads(json_text(content, half="?"))
    if plain == CBOR:
        return _cbor(content, is_open=not is_list)
    if plain == _CSV:
        return _csv(_rows(content, kind), may_grow=is_list)
    return _xml(content, kind) if plain.endswith("xml") else _yaml(content)


def _escaped(half: re.Match[str]) -> str:
    return f"\\u{ord(half[0]):04X}"


def json_text(content: object, half: str | Callable[[re.Match[str]], str] = _escaped) -> bytes:
    """Return compact JSON in UTF-8; half a surrogate pair, quoted from a request, as `half`."""
    try:
        return orjson.dumps(content)
    except TypeError:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return _LONE_SURROGATE.sub(half, text).encode()


# What has a writer of its own, which tells the size; all else has its end marked.
_SIZED: Final = frozenset({"topic", "eventId"})
_MAP_WITHIN: Final = "resultParameters"


def _cbor(value: object, *, is_open: bool) -> bytes:
    if isinstance(value, list):
        return _head(len(value)) + b"".join(_cbor(each, is_open=is_open) for each in value)
    if not isinstance(value, dict):
        return cbor2.dumps(value)
    is_open = is_open and _SIZED.isdisjoint(value)
    pairs = (
        cbor2.dumps(name) + _cbor(each, is_open=is_open or name == _MAP_WITHIN)
        for name, each in value.items()
    )
    body = b"".join(pairs)
    if is_open:
        return b"\xbf" + body + b"\xff"
    first, *more = _head(len(value))
    return bytes([first + 0x20, *more]) + body


def _head(length: int) -> bytes:
    """Return how an array of a length begins."""
    return cbor2.dumps([None] * length)[: -length or None]


_FRACTION: Final = re.compile(r"\.(\d+)Z$")


def _instant(text: object) -> str:
    """Return a timestamp as Java writes one: with no, three or six fraction digits."""
    found = _FRACTION.search(str(text))
    digits = found[1].ljust(-(-len(found[1]) // 3) * 3, "0") if found else ""
    bare = str(text).replace(" ", "T", 1)
    return _FRACTION.sub(f".{digits}Z", bare)


def _is_time(name: str) -> bool:
    return name in {"created", "modified", "timestamp"} or name.endswith("Date")


@dataclass(frozen=True, slots=True)
class _Bean:
    """An object as Java has it: the properties of a row, and in XML the objects within it.

    `objects` are the properties that are objects: a row has them as Java prints them.
    """

    name: str
    properties: Mapping[str, object]
    within: str = ""
    objects: frozenset[str] = frozenset()

    def xml(self) -> str:
        """Return its element, with the properties that are no objects as attributes."""
        shown = {name: each for name, each in self.properties.items() if name not in self.objects}
        return _element(self.name, shown, self.within)


def _bean(item: Mapping[str, Any], kind: str) -> _Bean:
    shown = {name: _instant(value) if _is_time(name) else value for name, value in item.items()}
    if "topic" in item:
        return _instruction(shown)
    if "eventId" in item:
        return _event(shown)
    return _configured(shown, kind)


def _instruction(item: Mapping[str, Any]) -> _Bean:
    pairs = [(each["name"], each["value"]) for each in item.get("parameters", ())]
    texts = ", ".join(f"InstructionParameter{{{name}={value}}}" for name, value in pairs)
    outside = {name: item[name] for name in ("created", "id", "nodeId") if name in item}
    text = f"id=null, topic={item['topic']}, state={item['state']}, parameters=[{texts}]"
    inside = {name: value for name, value in item.items() if name not in outside}
    result = inside.pop("resultParameters", None)
    inside.pop("parameters", None)
    within = ""
    if pairs:
        each = (_element("InstructionParameter", {"name": n, "value": v}) for n, v in pairs)
        within = f"<parameters>{''.join(each)}</parameters>"
        within += _entries("params", join_parameters(pairs))
    if result:
        inside["resultParametersJson"] = json_text(result).decode()
        within += _entries("resultParameters", result)
    return _Bean(
        "NodeInstruction",
        {**outside, "instruction": f"Instruction{{{text}}}"},
        _element("Instruction", inside, within),
        frozenset({"instruction"}),
    )


def _event(item: Mapping[str, Any]) -> _Bean:
    key = f"UserUuidPK{{userId={item['userId']}, uuid={item['eventId']}}}"
    # An array of Java's has no text but its address.
    tags = f"[Ljava.lang.String;@{crc32(key.encode()):x}"
    shown = {**item, "id": key, "tags": tags}
    if "data" in item:
        shown["data"] = json.dumps(item["data"], ensure_ascii=False)
    return _Bean("UserEvent", shown)


_DOMAIN: Final = "net.solarnetwork.central.oscp.domain"
_DATUM: Final[Mapping[str, str]] = MappingProxyType(
    {
        "energy": "AssetEnergyDatumConfiguration",
        "instantaneous": "AssetInstantaneousDatumConfiguration",
    }
)


def _configured(item: Mapping[str, Any], kind: str) -> _Bean:
    """Return what is configured: measured of systems and groups, of the rest inferred."""
    user, entity = item["userId"], item.get("configId", item.get("groupId"))
    if entity is None:
        return _Bean(kind, {**item, "id": user})
    key = f"UserLongCompositePK{{userId={user}, entityId={entity}}}"
    digest = sha1(f"u={user};i={entity}".encode(), usedforsecurity=False).hexdigest()
    ids = {"userId": user, "entityId": entity, "id": digest}
    # Each object as Java prints it, and in XML.
    objects = {"id": (key, _element("UserLongCompositePK", ids))}
    if "settings" in item:
        role = kind.removesuffix("Configuration")
        text = f"AuthRoleInfo[id={key}, role={role}]"
        objects["authRole"] = (text, _element("AuthRoleInfo", {"role": role}, objects["id"][1]))
    for name in ("energy", "instantaneous", "serviceProps", "settings"):
        if name in item:
            objects[name] = _configured_object(name, item[name])
    shown = {**item, **{name: text for name, (text, _) in objects.items()}}
    if "configId" in item:
        shown["entityId"] = entity
    within = "".join(objects[name][1] for name in sorted(objects))
    return _Bean(kind, shown, within, frozenset(objects))


def _configured_object(name: str, value: Mapping[str, Any]) -> tuple[str, str]:
    if name == "serviceProps":
        return _java(value), _entries(name, value)
    within = "".join(
        f"<{key}>{''.join(_entry(key, part) for part in each)}</{key}>"
        for key, each in value.items()
        if isinstance(each, list)
    )
    if name == "settings":
        pairs = (f"{key}={_java(value.get(key))}" for key in _OF_SETTINGS)
        text = f"SystemSettings[{', '.join(pairs)}]"
        return text, _element("SystemSettings", value, within)
    # One without a text of its own has its address.
    text = f"{_DOMAIN}.{_DATUM[name]}@{crc32(_java(value).encode()):x}"
    return text, _element(_DATUM[name], value, within)


_OF_SETTINGS: Final = ("heartbeatSeconds", "measurementStyles")


def _java(value: object) -> str:
    """Return a value as Java prints it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}={_java(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_java, value))}]"
    return "null" if value is None else _text(value)


def _rows(content: Mapping[str, Any], kind: str) -> list[Mapping[str, object]]:
    """Return the lines of a table: the data, or what a reply says without any."""
    if "timestamp" in content:
        when = datetime.fromisoformat(content["timestamp"]).astimezone(UTC)
        return [{**content, "timestamp": f"{when:%a %b %d %H:%M:%S} UTC {when:%Y}"}]
    data = content.get("data")
    if data is None:
        return [dict(sorted(content.items()))]
    items = data if isinstance(data, list) else [data]
    beans = [_bean(item, kind) for item in items if isinstance(item, dict)]
    return [dict(sorted(each.properties.items())) for each in beans]


def _csv(rows: list[Mapping[str, object]], *, may_grow: bool) -> bytes:
    """Return the names of the first row, then all rows.

    What only later ones have comes last in a list, and is left out elsewhere (read in the code).
    """
    known = rows if may_grow else rows[:1]
    names = list(dict.fromkeys(name for row in known for name in row))
    out = io.StringIO()
    writer = csv.writer(out)
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        most = max((at for at, name in enumerate(names) if name in row), default=-1)
        writer.writerow([_text(row.get(name)) for name in names[: max(most + 1, len(rows[0]))]])
    return out.getvalue().encode()


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# What XML 1.0 cannot write.
_UNWRITABLE: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_QUOTED: Final = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def _xml(content: Mapping[str, Any], kind: str) -> bytes:
    if "timestamp" in content:
        text = _entries("LinkedHashMap", content)
    else:
        data = content.get("data")
        items = data if isinstance(data, list) else [data]
        within = "".join(_bean(item, kind).xml() for item in items if isinstance(item, dict))
        if isinstance(data, list):
            within = f"<data>{within}</data>"
        errors = "".join(_element("ErrorDetail", each) for each in content.get("errors", ()))
        within += f"<errors>{errors}</errors>" if errors else ""
        text = _element("Result", content, within)
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()


def _element(name: str, properties: Mapping[str, object], within: str = "") -> str:
    plain = {
        key: value
        for key, value in sorted(properties.items())
        if value is not None and not isinstance(value, dict | list)
    }
    attributes = "".join(f' {key}="{_quoted(value)}"' for key, value in plain.items())
    return f"<{name}{attributes}>{within}</{name}>"


def _entries(name: str, pairs: Mapping[str, object]) -> str:
    entries = (
        f'<entry key="{_quoted(key)}">{_entry(key, value)}</entry>' for key, value in pairs.items()
    )
    return f"<{name}>{''.join(entries)}</{name}>"


def _entry(key: str, value: object) -> str:
    if isinstance(value, dict | list):
        # What is done with a map within a map is not known: it is left out (inferred).
        return "".join(_entry(key, each) for each in value) if isinstance(value, list) else ""
    if isinstance(value, bool):
        return "<Boolean></Boolean>"
    if key == "timestamp":
        return _date(datetime.fromisoformat(str(value)))
    kind = "String" if isinstance(value, str) else "Integer" if isinstance(value, int) else "Double"
    return _element("value", {"type": kind, "value": _text(value)})


def _date(when: datetime) -> str:
    """Return an instant as the properties of Java's old `Date`."""
    properties = {
        "date": when.day,
        "day": when.isoweekday() % 7,
        "hours": when.hour,
        "minutes": when.minute,
        "month": when.month - 1,
        "seconds": when.second,
        "time": round(when.timestamp() * 1000),
        "timezoneOffset": 0,
        "year": when.year - 1900,
    }
    return _element("Date", properties)


def _quoted(value: object) -> str:
    return escape(_UNWRITABLE.sub("?", _text(value)), _QUOTED)


def _yaml(content: Mapping[str, Any]) -> bytes:
    if "timestamp" not in content:
        names = ("success", "code", "message", "errors", "data")
        content = {name: content.get(name) for name in names}
    return "\n".join(["---", *_yaml_lines(content), ""]).encode()


def _yaml_lines(value: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, each in value.items():
        if isinstance(each, dict) and each:
            lines += [f"{name}:", *(f"  {line}" for line in _yaml_lines(each))]
        elif isinstance(each, list) and each:
            lines += [f"{name}:", *(line for item in each for line in _yaml_item(item))]
        else:
            shown = _instant(each) if _is_time(name) and each else each
            lines.append(f"{name}: {json.dumps(shown, ensure_ascii=False)}")
    return lines


def _yaml_item(item: object) -> list[str]:
    lines = _yaml_lines(item) if isinstance(item, dict) else [json.dumps(item, ensure_ascii=False)]
    return [f"{'  ' if at else '- '}{line}" for at, line in enumerate(lines)]

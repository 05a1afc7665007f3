"""The ways to break a message: a table, each with its rule, its places and what SolarUser says.

The texts are SolarUser's own (solaruser.md §3.3), written here a second time on purpose: what is
expected of a message that was broken is not asked of the code that judges it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

from oscp_schemas.catalogue import document, document_name
from oscp_send.testing.strategies import Sample, in_zone

Stage = Literal["action", "json", "document", "schema", "decode", "size"]
Steps = tuple[str | int, ...]
JsonObject = dict[str, Any]


class Place(NamedTuple):
    """A value that OSCP knows, where it is, and its schema."""

    steps: Steps
    schema: Mapping[str, Any]
    value: Any


class Damage(NamedTuple):
    """What one way did to a message.

    Attributes:
        message: What it made of the message, or the text that it made of it.
        steps: Where it shows.
        stage: The check of SolarUser's that refuses it; None if none does.
        error: The text of that check; of a schema's without the place.
        action: The action to send it as; None for the sample's own.
        also: The rules that are broken with it, unavoidably.
        now: When it is sent, where that is the mistake.
    """

    message: object
    steps: Steps = ()
    stage: Stage | None = None
    error: str = ""
    action: str | None = None
    also: tuple[str, ...] = ()
    now: datetime | None = None


class Way(NamedTuple):
    """A way to break a message: its rule, in which places it can, and what it does in one."""

    rule: str
    what: str
    places: Callable[[Sample], Sequence[Any]]
    does: Callable[[Sample, Any], Damage]


def json_text(value: object) -> str:
    """Return a value as compact ASCII JSON; half a surrogate pair is an escape."""
    return json.dumps(value, separators=(",", ":"))


# Where a message can be changed, and a message with one change.


def _places(sample: Sample) -> Iterator[Place]:
    """Yield every value of a message that OSCP knows, the message first."""
    waiting = [Place((), _schema(document_name(sample.action)), sample.message)]
    while waiting:
        place = waiting.pop()
        yield place
        steps, schema, value = place
        if isinstance(value, list):
            found = [Place((*steps, at), schema["items"], each) for at, each in enumerate(value)]
            waiting += reversed(found)
        elif isinstance(value, dict):
            known = schema["properties"]
            found = [
                Place((*steps, name), known[name], value[name]) for name in known if name in value
            ]
            waiting += reversed(found)


@cache
def _schema(name: str) -> Mapping[str, Any]:
    """Return a schema document with each `$ref` replaced by the document that it names."""
    return _resolved(document(name))


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        return _schema(schema["$ref"])
    whole = dict(schema)
    if "properties" in whole:
        whole["properties"] = {key: _resolved(each) for key, each in whole["properties"].items()}
    if "items" in whole:
        whole["items"] = _resolved(whole["items"])
    return whole


def _at(container: Any, steps: Steps) -> Any:  # noqa: ANN401 - JSON of any kind
    for step in steps:
        container = container[step]
    return container


def _with(container: Any, steps: Steps, value: object) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return a message with another value in one place; what is not on the way is shared."""
    if not steps:
        return value
    first, rest = steps[0], steps[1:]
    copy = container.copy()
    copy[first] = _with(container[first], rest, value) if rest else value
    return copy


def _without(container: Any, steps: Steps) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return a message that lacks what is in one place."""
    parent = _at(container, steps[:-1]).copy()
    del parent[steps[-1]]
    return _with(container, steps[:-1], parent)


def _inserted(container: Any, steps: Steps, item: object) -> Any:  # noqa: ANN401 - JSON
    """Return a message with one more item in a list, before what is at that place."""
    items = _at(container, steps[:-1]).copy()
    items.insert(steps[-1], item)
    return _with(container, steps[:-1], items)


# What a schema refuses.


def _refused(sample: Sample, steps: Steps, value: object, error: str) -> Damage:
    return Damage(_with(sample.message, steps, value), steps, "schema", error)


def _keyword(keyword: str, sample: Sample) -> list[Place]:
    return [place for place in _places(sample) if keyword in place.schema]


def _required(sample: Sample) -> list[tuple[Place, str]]:
    return [
        (place, name) for place in _keyword("required", sample) for name in place.schema["required"]
    ]


def _left_out(sample: Sample, found: tuple[Place, str]) -> Damage:
    place, name = found
    message = _without(sample.message, (*place.steps, name))
    return Damage(message, place.steps, "schema", f"required property '{name}' not found")


_ONE_OF_EACH_TYPE: Final[tuple[tuple[object, str], ...]] = (
    *(("7", "string"), (7, "integer"), (0.5, "number"), (True, "boolean"), (None, "null")),
    *(([], "array"), ({}, "object")),
)


def _typed(sample: Sample) -> list[tuple[Place, object, str]]:
    """Return values of other types; those of an enumeration would break two rules."""
    return [
        (place, value, name)
        for place in _places(sample)
        if place.steps and "enum" not in place.schema
        for value, name in _ONE_OF_EACH_TYPE
        if name != place.schema["type"] and (place.schema["type"], name) != ("number", "integer")
    ]


def _of_another_type(sample: Sample, found: tuple[Place, object, str]) -> Damage:
    place, value, name = found
    return _refused(sample, place.steps, value, f"{name} found, {place.schema['type']} expected")


def _enumerated(sample: Sample) -> list[tuple[Place, str]]:
    return [
        (place, word)
        for place in _keyword("enum", sample)
        for word in (str(place.value).lower(), f"{place.value}S", "")
        if word not in place.schema["enum"]
    ]


def _another_word(sample: Sample, found: tuple[Place, str]) -> Damage:
    place, word = found
    words = ", ".join(f'"{each}"' for each in place.schema["enum"])
    error = f"does not have a value in the enumeration [{words}]"
    return _refused(sample, place.steps, word, error)


_NO_TIMES: Final = ("tomorrow", "2031-02-30T00:00:00Z", "2031-13-01T00:00:00Z", "1929916800", "")
_NO_TIME: Final = "does not match the date-time pattern must be a valid RFC 3339 date-time"


def _wrong_times(sample: Sample) -> list[tuple[Place, str]]:
    return [(place, text) for place in _keyword("format", sample) for text in _NO_TIMES]


def _not_a_time(sample: Sample, found: tuple[Place, str]) -> Damage:
    place, text = found
    return _refused(sample, place.steps, text, _NO_TIME)


def _emptied(sample: Sample, place: Place) -> Damage:
    return _refused(sample, place.steps, [], "must have at least 1 items but found 0")


def _negative(sample: Sample, place: Place) -> Damage:
    # Of the size of the others: one that is far smaller or larger is another mistake.
    value = place.value or max(each.value for each in _keyword("minimum", sample)) or 1
    return _refused(sample, place.steps, -value, "must have a minimum value of 0")


def _lists_of_words(sample: Sample) -> list[Place]:
    return [place for place in _keyword("uniqueItems", sample) if place.value]


def _repeated(sample: Sample, place: Place) -> Damage:
    doubled = [*place.value, place.value[0]]
    return _refused(sample, place.steps, doubled, "must have only unique items in the array")


# What is not JSON, or not an object.


def _whole(sample: Sample) -> list[Sample]:
    return [sample]


def _unless_empty(sample: Sample) -> list[Sample]:
    return [sample] if sample.message else []


def _not_json(change: Callable[[str], str], error: str, sample: Sample, _: object) -> Damage:
    return Damage(change(sample.text), (), "json", error)


def _no_object(change: Callable[[str], str], sample: Sample, _: object) -> Damage:
    said = "OSCP msg parameter must be a JSON object."
    error = f"Invalid JSON for [{sample.action}] OSCP action: {said}"
    return Damage(change(sample.text), (), "document", error)


def _nothing(sample: Sample, _: object) -> Damage:
    error = f"Missing [msg] parameter for OSCP 2.0 action [{sample.action}]"
    return Damage("", (), "document", error)


def _null(_: Sample, __: object) -> Damage:
    error = 'Cannot invoke "tools.jackson.databind.JsonNode.isObject()" because "node" is null'
    return Damage("null", (), "document", error)


_NAME_EXPECTED: Final = "was expecting double-quote to start property name"
_NOT_JSON: Final = (
    ("is cut before its end", lambda text: text[:-1], "Unexpected end-of-input"),
    (
        "is there twice",
        lambda text: f"{text} {text}",
        "Trailing token (`JsonToken.START_OBJECT`) found after value",
    ),
    (
        "has a comment behind it",
        lambda text: f"{text} // as agreed",
        "Unexpected character ('/' (code 47)): maybe a (non-standard) comment?",
    ),
)
_NOT_JSON_UNLESS_EMPTY: Final = (
    (
        "has a comma before its end",
        lambda text: f"{text[:-1]},}}",
        f"Unexpected character ('}}' (code 125)): {_NAME_EXPECTED}",
    ),
    (
        "has names in single quotes",
        lambda text: text.replace('"', "'"),
        f"Unexpected character (''' (code 39)): {_NAME_EXPECTED}",
    ),
)


# What an instruction cannot carry, or SolarNetwork does not deliver.

_INSTRUCTIONS: Final = frozenset(
    {
        *("AdjustGroupCapacityForecast", "GroupCapacityComplianceError", "Handshake"),
        *("UpdateAssetMeasurement", "UpdateGroupCapacityForecast", "UpdateGroupMeasurements"),
    }
)


def _misspelt(sample: Sample) -> list[str]:
    action = sample.action
    return [action.lower(), f"{action}s", action[:-1]] if action in _INSTRUCTIONS else []


def _as_another(sample: Sample, action: str) -> Damage:
    return Damage(sample.message, (), "action", action=action)


def _of_action(action: str, sample: Sample) -> list[Sample]:
    return [sample] if sample.action == action else []


def _as_update(sample: Sample, _: object) -> Damage:
    return Damage(sample.message, action="UpdateGroupCapacityForecast")


def _per_asset(sample: Sample, _: object) -> Damage:
    listed = [
        {"asset_id": f"asset-{at}", "asset_category": "CONSUMPTION", "energy_measurement": each}
        for at, each in enumerate(sample.message["measurements"])
    ]
    return Damage({**sample.message, "measurements": listed}, action="UpdateAssetMeasurement")


def _has_blocks(sample: Sample) -> list[Sample]:
    return [sample] if "forecasted_blocks" in sample.message else []


TOO_LARGE: Final = "java.lang.IllegalArgumentException: Maximum message size 8192 exceeded: "
_MANY: Final = 200


def _too_many(sample: Sample, _: object) -> Damage:
    """Repeat the last block until there are too many for the queue, as 74 usual ones are (§3.4)."""
    listed = list(sample.message["forecasted_blocks"])
    last = listed[-1]
    length = _moment(last["end_time"]) - _moment(last["start_time"])
    while len(listed) < _MANY:
        start = listed[-1]["end_time"]
        listed.append({**last, "start_time": start, "end_time": _later(start, length)})
    return Damage({**sample.message, "forecasted_blocks": listed}, (), "size", TOO_LARGE)


# What passes the schema, and is lost or cannot be read.

_MARK: Final = "\ue000 here \ue001"


def _objects(sample: Sample) -> list[Place]:
    return [place for place in _places(sample) if isinstance(place.value, dict)]


def _names(sample: Sample) -> list[tuple[Place, str]]:
    return [(place, name) for place in _objects(sample) for name in place.value]


def _given_twice(sample: Sample, found: tuple[Place, str]) -> Damage:
    place, name = found
    message = _with(sample.message, place.steps, {_MARK: None, **place.value})
    again = f"{json_text(name)}:{json_text(place.value[name])}"
    text = json_text(message).replace(f"{json_text(_MARK)}:null", again)
    return Damage(text, (*place.steps, name))


def _texts(sample: Sample) -> list[Place]:
    """Return texts; a group must be that of the instruction."""
    texts = [place for place in _places(sample) if place.schema["type"] == "string"]
    free = [place for place in texts if not {"enum", "format"} & place.schema.keys()]
    return [place for place in free if place.steps != ("group_id",)]


def _half_a_pair(sample: Sample, place: Place) -> Damage:
    return Damage(_with(sample.message, place.steps, f"{place.value}\ud83d"), place.steps)


def _asks_for_nothing(_: Sample, __: object) -> Damage:
    return Damage({})


def _commented(sample: Sample, place: Place) -> Damage:
    name = next(each for each in ("comment", "remark", "note") if each not in place.value)
    steps = (*place.steps, name)
    return Damage(_with(sample.message, steps, "by hand"), steps)


def _amounts(sample: Sample) -> list[Place]:
    """Return numbers; the interval of heartbeats has a limit of its own."""
    numbers = [place for place in _places(sample) if place.schema["type"] == "number"]
    return [place for place in numbers if place.steps[-1] != "heartbeat_interval"]


def _too_large_a_number(sample: Sample, place: Place) -> Damage:
    marked = json_text(_with(sample.message, place.steps, _MARK))
    error = "Cannot deserialize value of type `java.lang.Double`"
    return Damage(marked.replace(json_text(_MARK), "1e309"), place.steps, "decode", error)


def _undecodable(change: Callable[[str], str], sample: Sample, place: Place) -> Damage:
    text = change(place.value)
    error = f'Cannot deserialize value of type `java.time.Instant` from String "{text}": Failed to'
    return Damage(_with(sample.message, place.steps, text), place.steps, "decode", error)


def _with_microseconds(text: str) -> str:
    """Return the same time with six fraction digits, as Python's isoformat() writes them."""
    written = _moment(text).isoformat(timespec="microseconds")
    return written[:-6] + "Z" if text.endswith("Z") else written


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _later(text: str, by: timedelta) -> str:
    moment = _moment(text)
    return in_zone(moment + by, moment.tzinfo or UTC, has_fraction="." in text)


# What no schema says of blocks: oscp20.md §3.13.


def _list_of(sample: Sample) -> list[JsonObject]:
    listed: list[JsonObject] = sample.message.get("forecasted_blocks", [])
    return listed


def _each_block(sample: Sample) -> list[int]:
    return list(range(len(_list_of(sample))))


def _block(at: int, *steps: str | int) -> Steps:
    return ("forecasted_blocks", at, *steps)


def _changed_block(sample: Sample, at: int, change: JsonObject, *place: str | int) -> Damage:
    message = _with(sample.message, _block(at), {**_list_of(sample)[at], **change})
    return Damage(message, _block(at, *place))


def _without_length(sample: Sample, at: int) -> Damage:
    return _changed_block(sample, at, {"end_time": _list_of(sample)[at]["start_time"]}, "end_time")


def _backwards(sample: Sample, at: int) -> Damage:
    block = _list_of(sample)[at]
    change = {"start_time": block["end_time"], "end_time": block["start_time"]}
    return _changed_block(sample, at, change, "end_time")


def _listed_twice(sample: Sample, at: int) -> Damage:
    message = _inserted(sample.message, _block(at + 1), _list_of(sample)[at])
    return Damage(message, _block(at + 1))


def _of_one_kind(sample: Sample) -> list[list[int]]:
    """Return where the blocks of each phase and unit are."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for at, block in enumerate(_list_of(sample)):
        kinds.setdefault((block["phase"], block["unit"]), []).append(at)
    return list(kinds.values())


def _between_others(sample: Sample) -> list[tuple[int, int]]:
    """Return blocks that have others before and after, each with the one after."""
    rows = _of_one_kind(sample)
    return [pair for row in rows for pair in pairwise(row[1:])]


def _with_a_gap(sample: Sample, found: tuple[int, int]) -> Damage:
    at, after = found
    return Damage(_without(sample.message, _block(at)), _block(after - 1, "start_time"))


def _before_a_later_one(sample: Sample) -> list[int]:
    starts = [each["start_time"] for each in _list_of(sample)]
    return [at for at in range(len(starts) - 1) if starts[at] != starts[at + 1]]


def _swapped(sample: Sample, at: int) -> Damage:
    first, second = _list_of(sample)[at : at + 2]
    message = _with(_with(sample.message, _block(at), second), _block(at + 1), first)
    return Damage(message, _block(at + 1, "start_time"))


def _without_offset(sample: Sample, place: Place) -> Damage:
    text = place.value.removesuffix("Z") if place.value.endswith("Z") else place.value[:-6]
    return _refused(sample, place.steps, text, _NO_TIME)._replace(also=("format",))


def _first_of(phase: str | None, units: Sequence[str], sample: Sample) -> list[int]:
    """Return the first block, if it has one of the units, and the phase if that is given.

    The first alone: another leaves a gap where it was.
    """
    first = _list_of(sample)[:1]
    return [0 for each in first if each["unit"] in units and phase in {None, each["phase"]}]


def _in_ampere(sample: Sample, at: int) -> Damage:
    return _changed_block(sample, at, {"unit": "A"}, "phase")


def _of_all_phases(sample: Sample, at: int) -> Damage:
    return _changed_block(sample, at, {"phase": "ALL"}, "phase")


def _totals(sample: Sample) -> list[int]:
    listed = enumerate(_list_of(sample))
    return [at for at, each in listed if each["unit"] != "A" and each["phase"] == "ALL"]


def _more_in_a_phase(sample: Sample, at: int) -> Damage:
    block = _list_of(sample)[at]
    one = {**block, "phase": "ONE", "capacity": 2 * block["capacity"] + 1}
    return Damage(_inserted(sample.message, _block(at + 1), one), _block(at, "capacity"))


def _singles(sample: Sample) -> list[int]:
    return [
        at
        for at, each in enumerate(_list_of(sample))
        if each["unit"] != "A" and each["phase"] in {"ONE", "TWO", "THREE"} and each["capacity"]
    ]


def _less_in_all(sample: Sample, at: int) -> Damage:
    total = {**_list_of(sample)[at], "phase": "ALL", "capacity": 0}
    return Damage(_inserted(sample.message, _block(at + 1), total), _block(at + 1, "capacity"))


def _of_power_alone(sample: Sample) -> list[int]:
    is_energy = any(each["unit"] in {"WH", "KWH"} for each in _list_of(sample))
    return [] if is_energy else _first_of(None, ("W", "KW"), sample)


def _as_energy(sample: Sample, at: int) -> Damage:
    return _changed_block(sample, at, {"unit": f"{_list_of(sample)[at]['unit']}H"}, "unit")


_FEWEST_ALIKE: Final = 4


def _within_a_row(sample: Sample) -> list[int]:
    """Return blocks that are neither first nor last of four or more."""
    rows = _of_one_kind(sample)
    return [at for row in rows if len(row) >= _FEWEST_ALIKE for at in row[1:-1]]


def _shortened(sample: Sample, at: int) -> Damage:
    block = _list_of(sample)[at]
    half = (_moment(block["end_time"]) - _moment(block["start_time"])) / 2
    change = {"end_time": _later(block["start_time"], half)}
    return _changed_block(sample, at, change, "end_time")._replace(also=("S3",))


def _last_ones(sample: Sample) -> list[int]:
    return [row[-1] for row in _of_one_kind(sample)]


def _prolonged(sample: Sample, at: int) -> Damage:
    end = _later(_list_of(sample)[at]["end_time"], timedelta(days=3))
    return _changed_block(sample, at, {"end_time": end}, "end_time")


def _comparable(sample: Sample) -> list[tuple[int, float]]:
    """Return blocks between two others that are not zero, each with the larger of the two."""
    found: list[tuple[int, float]] = []
    for row in _of_one_kind(sample):
        known = [(at, _list_of(sample)[at]["capacity"]) for at in row]
        some = [each for each in known if each[1]]
        neighbours = zip(some, some[1:], some[2:], strict=False)
        found += [(at, max(before, after)) for (_, before), (at, _), (_, after) in neighbours]
    return found


def _a_thousandfold(sample: Sample, found: tuple[int, float]) -> Damage:
    at, neighbour = found
    return _changed_block(sample, at, {"capacity": neighbour * 1000}, "capacity")


def _forecast(sample: Sample) -> list[Sample]:
    return [sample] if "type" in sample.message else []


def _too_late(sample: Sample, _: object) -> Damage:
    end = max(_moment(each["end_time"]) for each in _list_of(sample)).astimezone(UTC)
    return Damage(sample.message, _block(0, "end_time"), now=end + timedelta(days=1))


# What no schema says of the other messages.


def _intervals(sample: Sample) -> list[float]:
    return [0, -60, 1.5, 40000] if sample.action in {"Handshake", "HandshakeAcknowledge"} else []


def _of_no_use(sample: Sample, interval: float) -> Damage:
    steps = ("required_behaviour", "heartbeat_interval")
    behaviour = sample.message.get(steps[0], {"measurement_configuration": []})
    changed = {**behaviour, "heartbeat_interval": interval}
    return Damage({**sample.message, "required_behaviour": changed}, steps)


def _offline_before(sample: Sample, _: object) -> Damage:
    steps = ("offline_mode_at",)
    return Damage(_with(sample.message, steps, "2001-01-01T00:00:00Z"), steps)


def _counters(sample: Sample) -> list[Steps]:
    """Return where the readings of counters are."""
    listed = enumerate(sample.message.get("measurements", ()))
    if sample.action == "UpdateGroupMeasurements":
        return [("measurements", at) for at, _ in listed]
    name = "energy_measurement"
    return [("measurements", at, name) for at, each in listed if name in each]


def _counts_from_later(sample: Sample, where: Steps) -> Damage:
    steps = (*where, "initial_measure_time")
    return Damage(_with(sample.message, steps, "2095-01-01T00:00:00Z"), steps)


def _able_to_fall(sample: Sample) -> list[Steps]:
    """Return the last reading of a group's counter, or that of each asset, unless it is zero."""
    found = _counters(sample)
    found = found[-1:] if sample.action == "UpdateGroupMeasurements" else found
    readings = [(where, _at(sample.message, where)) for where in found]
    return [where for where, each in readings if each["value"] > 0 and each["direction"] != "NET"]


def _fallen(sample: Sample, where: Steps) -> Damage:
    """Add the same reading an hour later, of a counter that shows half as much."""
    reading = _at(sample.message, where)
    time = _later(reading["measure_time"], timedelta(hours=1))
    less = {**reading, "value": reading["value"] / 2, "measure_time": time}
    listed = sample.message["measurements"]
    entry = _with(_at(sample.message, where[:2]), where[2:], less)
    message = {**sample.message, "measurements": [*listed, entry]}
    return Damage(message, ("measurements", len(listed), *where[2:], "value"))


#: Every way, the plainest first: a failure shrinks towards it.
WAYS: Final[tuple[Way, ...]] = (
    Way("required", "lacks a property", _required, _left_out),
    Way("type", "has a value of another JSON type", _typed, _of_another_type),
    Way("enum", "has a word that is not one of those listed", _enumerated, _another_word),
    Way("format", "has a text for a time", _wrong_times, _not_a_time),
    Way("minItems", "has an empty list", partial(_keyword, "minItems"), _emptied),
    Way("minimum", "has a negative capacity", partial(_keyword, "minimum"), _negative),
    Way("uniqueItems", "has the same word twice", _lists_of_words, _repeated),
    *(
        Way("json", what, _whole, partial(_not_json, does, error))
        for what, does, error in _NOT_JSON
    ),
    *(
        Way("json", what, _unless_empty, partial(_not_json, does, error))
        for what, does, error in _NOT_JSON_UNLESS_EMPTY
    ),
    Way("document", "is JSON in a JSON string", _whole, partial(_no_object, json_text)),
    Way("document", "is in a list", _whole, partial(_no_object, "[{}]".format)),
    Way("document", "is blank", _whole, partial(_no_object, lambda _: " ")),
    Way("document", "is empty", _whole, _nothing),
    Way("document", "is null", _whole, _null),
    Way("action", "is sent as an action that is misspelt", _misspelt, _as_another),
    Way("duplicate-key", "has a property twice", _names, _given_twice),
    Way("surrogate", "has half a surrogate pair in a text", _texts, _half_a_pair),
    Way("unknown-property", "has a property of its own", _objects, _commented),
    Way("empty-handshake", "asks for nothing", partial(_of_action, "Handshake"), _asks_for_nothing),
    Way("number", "has a number beyond a double", _amounts, _too_large_a_number),
    Way(
        *("date_times", "has a time in microseconds", partial(_keyword, "format")),
        partial(_undecodable, _with_microseconds),
    ),
    Way(
        *("date_times", "has a time in lower case", partial(_keyword, "format")),
        partial(_undecodable, str.lower),
    ),
    Way(
        *("group_forecasts", "is sent as UpdateGroupCapacityForecast"),
        partial(_of_action, "AdjustGroupCapacityForecast"),
        _as_update,
    ),
    Way(
        *("schema-lookup", "is sent as UpdateAssetMeasurement"),
        partial(_of_action, "UpdateGroupMeasurements"),
        _per_asset,
    ),
    Way("mqtt_limit", "has too many blocks", _has_blocks, _too_many),
    Way("S1", "has a block without length", _each_block, _without_length),
    Way("S1", "has a block that ends before it starts", _each_block, _backwards),
    Way("S2", "has a block twice", _each_block, _listed_twice),
    Way("S3", "lacks a block between others", _between_others, _with_a_gap),
    Way("S3", "has two blocks in the wrong order", _before_a_later_one, _swapped),
    Way("S4", "has a time without its offset", partial(_keyword, "format"), _without_offset),
    Way("S5", "has a current of all phases", partial(_first_of, None, ("A",)), _of_all_phases),
    Way(
        *("S5", "has amperes for a power of all phases"),
        partial(_first_of, "ALL", ("W", "KW", "WH", "KWH")),
        _in_ampere,
    ),
    Way("S6", "has more in one phase than in all", _totals, _more_in_a_phase),
    Way("S6", "has less in all phases than in one", _singles, _less_in_all),
    Way("S7", "has an energy for a power", _of_power_alone, _as_energy),
    Way("S11", "has an interval that cannot be kept", _intervals, _of_no_use),
    Way("S12", "is offline already", partial(_of_action, "Heartbeat"), _offline_before),
    Way("S13", "counts from after the reading", _counters, _counts_from_later),
    Way("S14", "has a counter that falls", _able_to_fall, _fallen),
    Way("block-length", "has a block of half the length", _within_a_row, _shortened),
    Way("long-block", "has a last block of three days more", _last_ones, _prolonged),
    Way("capacity-scale", "has a capacity a thousandfold", _comparable, _a_thousandfold),
    Way("past-blocks", "is sent after its last block", _forecast, _too_late),
)

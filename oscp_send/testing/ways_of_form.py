"""How to break the form of a message: a table, each with its rule, places and SolarUser's text.

The texts are SolarUser's own (solaruser.md §3.3), written here a second time on purpose: what is
expected of a message that was broken is not asked of the code that judges it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
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


def value_at(container: Any, steps: Steps) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return what is in one place."""
    for step in steps:
        container = container[step]
    return container


def changed(container: Any, steps: Steps, value: object) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return a message with another value in one place; what is not on the way is shared."""
    if not steps:
        return value
    first, rest = steps[0], steps[1:]
    copy = container.copy()
    copy[first] = changed(container[first], rest, value) if rest else value
    return copy


def without(container: Any, steps: Steps) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return a message that lacks what is in one place."""
    parent = value_at(container, steps[:-1]).copy()
    del parent[steps[-1]]
    return changed(container, steps[:-1], parent)


def inserted(container: Any, steps: Steps, item: object) -> Any:  # noqa: ANN401 - JSON
    """Return a message with one more item in a list, before what is at that place."""
    items = value_at(container, steps[:-1]).copy()
    items.insert(steps[-1], item)
    return changed(container, steps[:-1], items)


# What a schema refuses.


def refused(sample: Sample, steps: Steps, value: object, error: str) -> Damage:
    """Put a value in a place, which the schema refuses with a text."""
    return Damage(changed(sample.message, steps, value), steps, "schema", error)


def places_with(keyword: str, sample: Sample) -> list[Place]:
    """Return the places whose schema has a keyword."""
    return [place for place in _places(sample) if keyword in place.schema]


def _required(sample: Sample) -> list[tuple[Place, str]]:
    return [
        (place, name)
        for place in places_with("required", sample)
        for name in place.schema["required"]
    ]


def _left_out(sample: Sample, found: tuple[Place, str]) -> Damage:
    place, name = found
    message = without(sample.message, (*place.steps, name))
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
    return refused(sample, place.steps, value, f"{name} found, {place.schema['type']} expected")


def _enumerated(sample: Sample) -> list[tuple[Place, str]]:
    return [
        (place, word)
        for place in places_with("enum", sample)
        for word in (str(place.value).lower(), f"{place.value}S", "")
        if word not in place.schema["enum"]
    ]


def _another_word(sample: Sample, found: tuple[Place, str]) -> Damage:
    place, word = found
    words = ", ".join(f'"{each}"' for each in place.schema["enum"])
    error = f"does not have a value in the enumeration [{words}]"
    return refused(sample, place.steps, word, error)


_NO_TIMES: Final = ("tomorrow", "2031-02-30T00:00:00Z", "2031-13-01T00:00:00Z", "1929916800", "")
NO_TIME: Final = "does not match the date-time pattern must be a valid RFC 3339 date-time"


def _wrong_times(sample: Sample) -> list[tuple[Place, str]]:
    return [(place, text) for place in places_with("format", sample) for text in _NO_TIMES]


def _not_a_time(sample: Sample, found: tuple[Place, str]) -> Damage:
    place, text = found
    return refused(sample, place.steps, text, NO_TIME)


def _emptied(sample: Sample, place: Place) -> Damage:
    return refused(sample, place.steps, [], "must have at least 1 items but found 0")


def _negative(sample: Sample, place: Place) -> Damage:
    # Of the size of the others: one that is far smaller or larger is another mistake.
    value = place.value or max(each.value for each in places_with("minimum", sample)) or 1
    return refused(sample, place.steps, -value, "must have a minimum value of 0")


def _lists_of_words(sample: Sample) -> list[Place]:
    return [place for place in places_with("uniqueItems", sample) if place.value]


def _repeated(sample: Sample, place: Place) -> Damage:
    doubled = [*place.value, place.value[0]]
    return refused(sample, place.steps, doubled, "must have only unique items in the array")


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


def of_action(action: str, sample: Sample) -> list[Sample]:
    """Return the sample, if it is of an action."""
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
    length = time_of(last["end_time"]) - time_of(last["start_time"])
    while len(listed) < _MANY:
        start = listed[-1]["end_time"]
        listed.append({**last, "start_time": start, "end_time": later(start, length)})
    return Damage({**sample.message, "forecasted_blocks": listed}, (), "size", TOO_LARGE)


# What passes the schema, and is lost or cannot be read.

_MARK: Final = "\ue000 here \ue001"


def _objects(sample: Sample) -> list[Place]:
    return [place for place in _places(sample) if isinstance(place.value, dict)]


def _names(sample: Sample) -> list[tuple[Place, str]]:
    return [(place, name) for place in _objects(sample) for name in place.value]


def _given_twice(sample: Sample, found: tuple[Place, str]) -> Damage:
    place, name = found
    message = changed(sample.message, place.steps, {_MARK: None, **place.value})
    again = f"{json_text(name)}:{json_text(place.value[name])}"
    text = json_text(message).replace(f"{json_text(_MARK)}:null", again)
    return Damage(text, (*place.steps, name))


def _texts(sample: Sample) -> list[Place]:
    """Return texts; a group must be that of the instruction."""
    texts = [place for place in _places(sample) if place.schema["type"] == "string"]
    free = [place for place in texts if not {"enum", "format"} & place.schema.keys()]
    return [place for place in free if place.steps != ("group_id",)]


def _half_a_pair(sample: Sample, place: Place) -> Damage:
    return Damage(changed(sample.message, place.steps, f"{place.value}\ud83d"), place.steps)


def _asks_for_nothing(_: Sample, __: object) -> Damage:
    return Damage({})


def _commented(sample: Sample, place: Place) -> Damage:
    name = next(each for each in ("comment", "remark", "note") if each not in place.value)
    steps = (*place.steps, name)
    return Damage(changed(sample.message, steps, "by hand"), steps)


def _amounts(sample: Sample) -> list[Place]:
    """Return numbers; the interval of heartbeats has a limit of its own."""
    numbers = [place for place in _places(sample) if place.schema["type"] == "number"]
    return [place for place in numbers if place.steps[-1] != "heartbeat_interval"]


def _too_large_a_number(sample: Sample, place: Place) -> Damage:
    marked = json_text(changed(sample.message, place.steps, _MARK))
    error = "Cannot deserialize value of type `java.lang.Double`"
    return Damage(marked.replace(json_text(_MARK), "1e309"), place.steps, "decode", error)


def _undecodable(change: Callable[[str], str], sample: Sample, place: Place) -> Damage:
    text = change(place.value)
    error = f'Cannot deserialize value of type `java.time.Instant` from String "{text}": Failed to'
    return Damage(changed(sample.message, place.steps, text), place.steps, "decode", error)


def _with_microseconds(text: str) -> str:
    """Return the same time with six fraction digits, as Python's isoformat() writes them."""
    written = time_of(text).isoformat(timespec="microseconds")
    return written[:-6] + "Z" if text.endswith("Z") else written


def time_of(text: str) -> datetime:
    """Return the time that a text of a sound message names."""
    return datetime.fromisoformat(text)


def later(text: str, by: timedelta) -> str:
    """Return a later time, written alike."""
    moment = time_of(text)
    return in_zone(moment + by, moment.tzinfo or UTC, has_fraction="." in text)


#: The plainest first: a failure shrinks towards it.
WAYS_OF_FORM: Final[tuple[Way, ...]] = (
    Way("required", "lacks a property", _required, _left_out),
    Way("type", "has a value of another JSON type", _typed, _of_another_type),
    Way("enum", "has a word that is not one of those listed", _enumerated, _another_word),
    Way("format", "has a text for a time", _wrong_times, _not_a_time),
    Way("minItems", "has an empty list", partial(places_with, "minItems"), _emptied),
    Way("minimum", "has a negative capacity", partial(places_with, "minimum"), _negative),
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
    Way("empty-handshake", "asks for nothing", partial(of_action, "Handshake"), _asks_for_nothing),
    Way("number", "has a number beyond a double", _amounts, _too_large_a_number),
    Way(
        *("date_times", "has a time in microseconds", partial(places_with, "format")),
        partial(_undecodable, _with_microseconds),
    ),
    Way(
        *("date_times", "has a time in lower case", partial(places_with, "format")),
        partial(_undecodable, str.lower),
    ),
    Way(
        *("group_forecasts", "is sent as UpdateGroupCapacityForecast"),
        partial(of_action, "AdjustGroupCapacityForecast"),
        _as_update,
    ),
    Way(
        *("schema-lookup", "is sent as UpdateAssetMeasurement"),
        partial(of_action, "UpdateGroupMeasurements"),
        _per_asset,
    ),
    Way("mqtt_limit", "has too many blocks", _has_blocks, _too_many),
)

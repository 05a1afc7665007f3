"""Strategies for OSCP 2.0 messages, what they are made of, and what travels beside them.

What is drawn is *sound* unless asked otherwise: valid by its schema, and nothing about its meaning
is wrong or odd (`oscp_send.check` has no error and no warning that the message can help). With
`sound=False` it is whatever the schema allows: properties that OSCP does not know, blocks that
overlap, numbers near the end of their range, any text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, partial
from itertools import accumulate, product
from operator import itemgetter
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from oscp_schemas import ACTIONS, UnknownAction
from oscp_schemas.catalogue import document, document_name
from oscp_send.times import cut_to_milliseconds

Strings = st.SearchStrategy[str]
Objects = st.SearchStrategy[dict[str, Any]]

PHASES: Final = ("ALL", "ONE", "TWO", "THREE", "UNKNOWN")
UNITS: Final = ("KW", "W", "A", "KWH", "WH")
ENERGY_UNITS: Final = ("KWH", "WH")
FORECAST_TYPES: Final = (
    *("CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION", "FALLBACK_GENERATION", "OPTIMUM"),
)
_DIRECTIONS: Final = ("NET", "IMPORT", "EXPORT")
_ENERGY_TYPES: Final = ("TOTAL", "FLEXIBLE", "NONFLEXIBLE")
_CATEGORIES: Final = ("CHARGING", "CONSUMPTION", "GENERATION", "STORAGE")
_CONFIGURATIONS: Final = ("CONTINUOUS", "INTERMITTENT")

#: What times shrink to.
FIRST_MOMENT: Final = datetime(2031, 3, 1, tzinfo=UTC)
_LATER: Final = datetime(2091, 1, 1, tzinfo=UTC)
_QUARTER: Final = timedelta(minutes=15)
_MINUTE: Final = timedelta(minutes=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LONGEST_INTERVAL: Final = 32767
_PART: Final = 256
_A_PAIR: Final = "\U0001f50b"


class Sample(NamedTuple):
    """A message, and the action that names it."""

    action: str
    message: dict[str, Any]

    @property
    def text(self) -> str:
        """The message as compact ASCII JSON."""
        return json.dumps(self.message, separators=(",", ":"))

    @property
    def group_id(self) -> str | None:
        """The Capacity Group that the message is about; None where it names none."""
        group: str | None = self.message.get("group_id")
        return group


def actions() -> Strings:
    """Return the names of the nine messages."""
    return st.sampled_from(ACTIONS)


def messages(
    action: str | None = None, group_ids: Strings | None = None, *, sound: bool = True
) -> st.SearchStrategy[Sample]:
    """Return messages, each with its action.

    Args:
        action: The OSCP message name; any of the nine when left out.
        group_ids: What to draw `group_id` from; short identifiers when left out.
        sound: Without it, a message may have whatever its schema allows.

    Raises:
        UnknownAction: The action is none of `oscp_schemas.ACTIONS`.
        TypeError: The group ids are not a strategy.
    """
    check_strategy("group_ids", group_ids)
    if action is None:
        return st.one_of([messages(each, group_ids, sound=sound) for each in ACTIONS])
    if action not in ACTIONS:
        raise UnknownAction(action)
    if sound:
        contents = _contents(action, _groups() if group_ids is None else group_ids)
    else:
        groups = texts() if group_ids is None else group_ids
        known = _object(document(document_name(action)), group_id=groups)
        contents = st.builds(_with_extras, known, _extras())
    return contents.map(partial(Sample, action))


def check_strategy(what: str, given: object) -> None:
    """Refuse an argument that is neither left out nor a strategy.

    Raises:
        TypeError: It is something else; the message says how a strategy is made of it.
    """
    if given is None or isinstance(given, st.SearchStrategy):
        return
    name = getattr(given, "__name__", None)
    strategy = f"{name}()" if name and callable(given) else f"st.just({given!r})"
    raise TypeError(f"{what} is a strategy, such as {strategy}, not {given!r}")


def group_ids() -> Strings:
    """Return identifiers of Capacity Groups: short, not blank, mostly of ASCII."""
    return _groups()


def texts() -> Strings:
    """Return any text without lone surrogates, also outside the Basic Multilingual Plane."""
    return st.text(max_size=40)


def correlation_ids() -> Strings:
    """Return correlation ids: such as people write, UUIDs, and long ones.

    Each can be the value of an HTTP header as it is. The long ones have about as many characters as
    SolarUser stores in one part, or more (solaruser.md §2.1).
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    written = st.text(f"0123456789{letters}{letters.upper()}-_.:=~", min_size=1, max_size=12)
    lengths = st.integers(_PART - 2, 2 * _PART + 2)
    return st.one_of(written, st.uuids().map(str), lengths.map(lambda length: "0" * length))


def texts_near_part_boundaries(most_parts: int = 3) -> Strings:
    """Return texts that end near a boundary of SolarUser's parts, or have a character across one.

    A part has 256 UTF-16 code units. The length is at most two units from a multiple of that; a
    character of two units may begin on the last unit of a part, which cuts it (solaruser.md §2.1).

    Args:
        most_parts: Of how many boundaries a text may come near the last one.
    """
    return _texts_near(st.integers(1, most_parts))


# Of a composite strategy hypothesis shows the text, of one with `builds` how it was made.
@st.composite
def _texts_near(draw: st.DrawFn, parts: st.SearchStrategy[int]) -> str:
    return _near_a_boundary(
        draw(parts),
        draw(st.integers(-2, 2)),
        draw(st.sampled_from(("0", "\u00e9", "\u20ac", _A_PAIR))),
        draw(st.booleans()),
    )


def _near_a_boundary(parts: int, beyond: int, filler: str, is_cut: bool) -> str:
    """Return a text of `parts` times 256 units and some, with a pair across the boundaries, or not.

    A pair is one character of Python's, and two units.
    """
    length = parts * _PART + beyond
    if filler == _A_PAIR:
        head = "0" if is_cut else ""
        pairs, rest = divmod(length - len(head), 2)
        return head + _A_PAIR * pairs + "0" * rest
    cuts = 0
    if is_cut:
        cuts = parts if beyond > 0 else parts - 1
    whole = filler * (_PART - 1) + (_A_PAIR + filler * (_PART - 2)) * cuts + filler * 3
    return whole[: length - cuts]


def numbers(least: float | None = None) -> st.SearchStrategy[float | int]:
    """Return numbers that a double can hold."""
    finite = st.floats(min_value=least, allow_nan=False, allow_infinity=False)
    return st.one_of(st.integers(-(10**6) if least is None else int(least), 10**6), finite)


def date_times() -> Strings:
    """Return times that every reader takes: with an offset, and none or three fraction digits."""
    whole = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds of aware times
    return _date_times(whole.map(cut_to_milliseconds))


@st.composite
def _date_times(draw: st.DrawFn, moments: st.SearchStrategy[datetime]) -> str:
    return written(draw(moments), draw(_OFFSETS), draw(st.booleans()))


def json_values() -> st.SearchStrategy[Any]:
    """Return any value that JSON can hold exactly."""
    leaves = st.none() | st.booleans() | st.integers() | texts()
    return st.recursive(
        leaves | st.floats(allow_nan=False, allow_infinity=False),
        lambda children: st.lists(children) | st.dictionaries(texts(), children),
        max_leaves=20,
    )


def blocks(*, sound: bool = True) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return lists of one to four forecasted blocks.

    They follow one another, and have one length, phase and unit.

    Args:
        sound: Without it, each is of its own kind and anywhere; all end after they start.
    """
    return _ROWS if sound else st.lists(_any_block(), min_size=1, max_size=4)


def run_of_blocks(
    start: datetime,
    step: timedelta,
    capacities: Sequence[float],
    zone: tzinfo,
    *,
    unit: str,
    phases: Sequence[str],
    has_fraction: bool = False,
) -> list[dict[str, Any]]:
    """Return blocks that follow one another, one for each phase of each interval."""
    intervals = len(capacities) // len(phases)
    times = [
        in_zone(start + index * step, zone, has_fraction=has_fraction)
        for index in range(intervals + 1)
    ]
    return [
        {
            "capacity": capacities[index * len(phases) + place],
            "phase": phase,
            "unit": unit,
            "start_time": times[index],
            "end_time": times[index + 1],
        }
        for index in range(intervals)
        for place, phase in enumerate(phases)
    ]


def energy_measurements(*, sound: bool = True) -> Objects:
    """Return readings of a counter of energy, with or without their optional properties."""
    return _READINGS.map(itemgetter(0)) if sound else _any("energy-measurement.json")


def asset_measurements(*, sound: bool = True) -> Objects:
    """Return what was measured at an asset: a counter, a momentary value, both, or neither."""
    return _assets(_groups()) if sound else _any("asset-measurement.json")


def required_behaviours(*, sound: bool = True) -> Objects:
    """Return required behaviours, with an interval between heartbeats in seconds, or without."""
    if not sound:
        return _any("required-behaviour.json")
    configurations = st.sampled_from(_CONFIGURATIONS)
    return st.fixed_dictionaries(
        {"measurement_configuration": st.lists(configurations, unique=True)},
        optional={"heartbeat_interval": st.integers(1, _LONGEST_INTERVAL)},
    )


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """Draw aware times from 2019 to 2088: mostly quarter hours, and some down to milliseconds."""
    return FIRST_MOMENT + draw(_QUARTERS) * _QUARTER + draw(_FINE) * _MILLISECOND


def written(moment: datetime, offset: int, has_fraction: bool) -> str:
    """Return a time as text, in the local time that is so many minutes ahead of UTC."""
    return in_zone(moment, timezone(timedelta(minutes=offset)), has_fraction=has_fraction)


def in_zone(moment: datetime, zone: tzinfo, *, has_fraction: bool = False) -> str:
    """Return a time as text, in the time of a zone; with milliseconds where it has some."""
    detail = "milliseconds" if has_fraction or moment.microsecond else "seconds"
    text = moment.astimezone(zone).isoformat(timespec=detail)
    return text[:-6] + "Z" if text.endswith("+00:00") else text


@cache
def _groups() -> Strings:
    plain = st.text("0123456789abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=9)
    letters = st.characters(codec="utf-8", categories=("L", "N", "P", "S"))
    return st.one_of(st.just("depot-7"), plain, st.text(letters, min_size=1, max_size=6))


# A draw costs more than what is made of it, so each is of several things at once.
_QUARTERS: Final = st.integers(-400_000, 2_000_000)
_FINE: Final = st.sampled_from((0, 0, 0, 0, 1, 1_000, 300_000, 450_123, 899_999))
_OFFSETS: Final = st.sampled_from((0, 60, 120, 480, 345, -210, -720, 840))
#: Minutes from one block or reading to the next.
_STEPS: Final = st.sampled_from((60, 15, 30, 5, 1, 240, 1440))
# Amperes are those of one phase.
_KINDS: Final = st.sampled_from(
    [(unit, phase) for unit in UNITS for phase in PHASES if (unit, phase) != ("A", "ALL")]
)
_HUNDREDTHS: Final = st.binary(min_size=1, max_size=4)
_AMOUNTS: Final = st.integers(-(10**6), 10**6)
_SCALES: Final = st.sampled_from((1, 10, 0.1, 0.001, 1000, 1.37))
_COUNTERS: Final = st.sampled_from(
    list(product(ENERGY_UNITS, PHASES, _DIRECTIONS, (None, *_ENERGY_TYPES)))
)


@st.composite
def _rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    start, step, scale = draw(moments()), draw(_STEPS) * _MINUTE, draw(_SCALES)
    unit, phase = draw(_KINDS)
    # Of one scale: neighbours that differ a thousandfold are a mistake.
    capacities = [round(each % 101 * scale, 6) if each % 101 else 0 for each in draw(_HUNDREDTHS)]
    zone = timezone(timedelta(minutes=draw(_OFFSETS)))
    return run_of_blocks(start, step, capacities, zone, unit=unit, phases=(phase,))


_ROWS: Final = _rows()


@st.composite
def _readings(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw readings of one counter, which never falls."""
    moment, step, offset = draw(moments()), draw(_STEPS) * _MINUTE, draw(_OFFSETS)
    unit, phase, direction, kind = draw(_COUNTERS)
    counter = {"unit": unit, "phase": phase, "direction": direction}
    more = {"energy_type": kind} if kind else {}
    if draw(st.booleans()):
        more["initial_measure_time"] = written(moment, offset, False)
    first, scale = draw(_AMOUNTS), draw(_SCALES)
    if direction != "NET":
        first = abs(first)
    values = [round(each * scale, 3) for each in accumulate((first, *draw(_HUNDREDTHS)))][1:]
    times = [written(moment + at * step, offset, False) for at in range(1, len(values) + 1)]
    return [
        {"value": value, **counter, "measure_time": time, **more}
        for value, time in zip(values, times, strict=True)
    ]


_READINGS: Final = _readings()


@st.composite
def _assets(draw: st.DrawFn, ids: Strings) -> dict[str, Any]:
    category, has_energy, has_more = draw(_MEASURED)
    asset: dict[str, Any] = {"asset_id": draw(ids), "asset_category": category}
    if has_energy:
        asset["energy_measurement"] = draw(_READINGS)[0]
    if has_more:
        unit, phase = draw(_KINDS)
        asset["instantaneous_measurement"] = {
            "value": draw(_AMOUNTS),
            "phase": phase,
            "unit": unit,
            "measure_time": written(draw(moments()), draw(_OFFSETS), False),
        }
    return asset


_MEASURED: Final = st.sampled_from(list(product(_CATEGORIES, (False, True), (False, True))))


def _contents(action: str, groups: Strings) -> Objects:
    optional: dict[str, st.SearchStrategy[Any]] = {}
    match action:
        case "AdjustGroupCapacityForecast" | "UpdateGroupCapacityForecast":
            types = st.sampled_from(FORECAST_TYPES)
            needed = {"group_id": groups, "type": types, "forecasted_blocks": blocks()}
        case "UpdateGroupMeasurements":
            needed = {"group_id": groups, "measurements": _READINGS}
        case "UpdateAssetMeasurement":
            assets = st.lists(_assets(_groups()), min_size=1, max_size=3).map(_of_different_assets)
            needed = {"group_id": groups, "measurements": assets}
        case "GroupCapacityComplianceError":
            needed, optional = {"message": texts()}, {"forecasted_blocks": blocks()}
        case "Heartbeat":
            needed = {"offline_mode_at": _far_times()}
        case "Register":
            return _registers()
        case _:
            asked = required_behaviours().map(_asked)
            # A handshake that asks for nothing is refused by a Flexibility Provider's endpoint.
            return asked if action == "Handshake" else st.just({}) | asked
    return st.fixed_dictionaries(needed, optional=optional)


def _asked(behaviour: dict[str, Any]) -> dict[str, Any]:
    return {"required_behaviour": behaviour}


def _of_different_assets(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({each["asset_id"]: each for each in listed}.values())


def _far_times() -> Strings:
    """Return times at which a sender that is alive today is not offline yet."""
    ahead = st.integers(0, 70_000).map(lambda hours: _LATER + hours * 4 * _QUARTER)
    return st.builds(written, ahead, _OFFSETS, st.booleans())


def _registers() -> Objects:
    urls = st.sampled_from(("https://grid.example/oscp/cp", "http://127.0.0.1:8080/oscp"))
    versions = st.sampled_from((("2.0",), ("1.0", "2.0"), ("2.0", "3.0")))
    tokens = st.text("0123456789abcdefghijklmnopqrstuvwxyz-_.", min_size=1, max_size=20)
    return st.builds(_registration, tokens, urls, versions)


def _registration(token: str, url: str, versions: tuple[str, ...]) -> dict[str, Any]:
    listed = [{"version": each, "base_url": f"{url}/{each}"} for each in versions]
    return {"token": token, "version_url": listed}


@st.composite
def _any_block(draw: st.DrawFn) -> dict[str, Any]:
    start = datetime.fromisoformat(draw(date_times()))
    end = start + timedelta(minutes=draw(st.integers(1, 24 * 60)))
    return {
        "capacity": draw(numbers(least=0)),
        "phase": draw(st.sampled_from(PHASES)),
        "unit": draw(st.sampled_from(UNITS)),
        "start_time": written(start, draw(_OFFSETS), draw(st.booleans())),
        "end_time": written(end, draw(_OFFSETS), draw(st.booleans())),
    }


def _any(name: str) -> st.SearchStrategy[Any]:
    """Return whatever a document of the schema allows, but for blocks, which end after they start.

    A list has at most four items.
    """
    return _any_block() if name == "forecasted-block.json" else _any_of(document(name))


def _any_of(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _any(schema["$ref"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            return _object(schema)
        case "array":
            items, least = _any_of(schema["items"]), schema.get("minItems", 0)
            is_set = schema.get("uniqueItems", False)
            return st.lists(items, min_size=least, max_size=4, unique=is_set)
        case "number":
            return numbers(schema.get("minimum"))
    return date_times() if "format" in schema else texts()


def _object(schema: Mapping[str, Any], **drawn: Strings) -> Objects:
    """Return objects of a schema, of which some members are drawn from what is given."""
    members = {
        name: drawn[name] if name in drawn else _any_of(each)
        for name, each in schema["properties"].items()
    }
    needed = {name: members.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(needed, optional=members)


def _extras() -> Objects:
    names = st.sampled_from(("comment", "x-origin", "a/b", "m~n", ""))
    return st.just({}) | st.dictionaries(names, json_values(), max_size=2)


def _with_extras(message: dict[str, Any], extras: dict[str, Any]) -> dict[str, Any]:
    return {**extras, **message}

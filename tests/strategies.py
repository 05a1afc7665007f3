"""Hypothesis strategies: valid messages of every action, and messages with something broken."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from oscp_schemas import ACTIONS

Message = dict[str, Any]

PHASES = ("UNKNOWN", "ONE", "TWO", "THREE", "ALL")
UNITS = ("A", "W", "KW", "WH", "KWH")

_MISTAKES: tuple[object, ...] = (
    *(None, True, False, 0, -1, -0.5, 1e-7, 7, "", "7", "kW", "consumption", "2031-03-01"),
    *("2031-03-01 00:00:00Z", "2031-03-01T00:00:00.1234567890Z", "2016-12-31T23:59:60Z"),
    *([], [None], ["A", "A"], {}, {"a": 1}, [[[[]]]], 10**30, -(10**30)),
)


def examples(usual: int) -> int:
    """How many examples to try of a property that needs more or fewer than others.

    So many where the others have 30, and in proportion where they have more or fewer.
    """
    return max(1, usual * settings().max_examples // 30)


def actions() -> st.SearchStrategy[str]:
    """The names of the nine messages."""
    return st.sampled_from(ACTIONS)


def numbers(least: float | None = None) -> st.SearchStrategy[float | int]:
    """Numbers that a double can hold."""
    finite = st.floats(min_value=least, allow_nan=False, allow_infinity=False)
    return st.one_of(finite, st.integers(-(10**6) if least is None else int(least), 10**6))


def date_times() -> st.SearchStrategy[str]:
    """Times as texts that every reader takes: an offset, and none or three fraction digits."""
    return st.builds(_written, _moments(), _offsets(), st.booleans())


def texts() -> st.SearchStrategy[str]:
    """Any text without lone surrogates, also outside the basic multilingual plane."""
    return st.text(max_size=40)


@st.composite
def blocks(draw: st.DrawFn) -> Message:
    """Forecasted blocks that end after they start."""
    start = draw(_moments())
    end = start + timedelta(minutes=draw(st.integers(1, 24 * 60)))
    offset = draw(_offsets())
    return {
        "capacity": draw(numbers(least=0)),
        "phase": draw(st.sampled_from(PHASES)),
        "unit": draw(st.sampled_from(UNITS)),
        "start_time": _written(start, offset, draw(st.booleans())),
        "end_time": _written(end, offset, draw(st.booleans())),
    }


def energy_measurements() -> st.SearchStrategy[Message]:
    """Energy measurements, with or without their optional properties."""
    return st.fixed_dictionaries(
        {
            "value": numbers(),
            "phase": st.sampled_from(PHASES),
            "unit": st.sampled_from(("WH", "KWH")),
            "direction": st.sampled_from(("NET", "IMPORT", "EXPORT")),
            "measure_time": date_times(),
        },
        optional={
            "energy_type": st.sampled_from(("FLEXIBLE", "NONFLEXIBLE", "TOTAL")),
            "initial_measure_time": date_times(),
        },
    )


def asset_measurements() -> st.SearchStrategy[Message]:
    """Asset measurements with either kind of value, both, or neither."""
    instantaneous = st.fixed_dictionaries(
        {
            "value": numbers(),
            "phase": st.sampled_from(PHASES),
            "unit": st.sampled_from(UNITS),
            "measure_time": date_times(),
        }
    )
    return st.fixed_dictionaries(
        {
            "asset_id": texts(),
            "asset_category": st.sampled_from(("CHARGING", "CONSUMPTION", "GENERATION", "STORAGE")),
        },
        optional={
            "energy_measurement": energy_measurements(),
            "instantaneous_measurement": instantaneous,
        },
    )


def required_behaviours() -> st.SearchStrategy[Message]:
    """Required behaviours, with a heartbeat interval of a second or more, or without."""
    configurations = st.sampled_from(("CONTINUOUS", "INTERMITTENT"))
    return st.fixed_dictionaries(
        {"measurement_configuration": st.lists(configurations, unique=True)},
        optional={"heartbeat_interval": numbers(least=1)},
    )


def messages(
    action: str, group_ids: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[Message]:
    """Valid messages of one action, some with properties that the schema does not know.

    Args:
        action: The OSCP message name.
        group_ids: What to draw `group_id` from; any text when left out.
    """
    groups = texts() if group_ids is None else group_ids
    return st.builds(_with_extras, _messages(action, groups), _extras())


def any_messages() -> st.SearchStrategy[tuple[str, Message]]:
    """Pairs of an action and a valid message of it."""
    return actions().flatmap(lambda action: st.tuples(st.just(action), messages(action)))


@st.composite
def broken(draw: st.DrawFn, message: Message) -> Message:
    """A message in which one place, at any depth, is dropped, replaced, renamed or repeated.

    Most are refused by the schema; some, such as one without an optional property, are still valid.
    """
    copy = deepcopy(message)
    places = list(_places(copy))
    if not places:
        return {draw(texts()): draw(st.sampled_from(_MISTAKES))}
    container, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(("drop", "replace", "rename", "repeat"))):
        case "drop":
            del container[key]
        case "rename" if isinstance(container, dict):
            container[str(key).upper() + "_"] = container.pop(key)
        case "repeat" if isinstance(container[key], list):
            container[key] = container[key] * 2
        case _:
            container[key] = deepcopy(draw(st.sampled_from(_MISTAKES)))
    return copy


def json_values() -> st.SearchStrategy[Any]:
    """Any value that JSON can hold exactly."""
    leaves = st.none() | st.booleans() | st.integers() | texts()
    return st.recursive(
        leaves | st.floats(allow_nan=False, allow_infinity=False),
        lambda children: st.lists(children) | st.dictionaries(texts(), children),
        max_leaves=20,
    )


def _messages(action: str, groups: st.SearchStrategy[str]) -> st.SearchStrategy[Message]:
    forecasts = _forecasts(groups)
    handshakes = st.fixed_dictionaries({}, optional={"required_behaviour": required_behaviours()})
    errors = st.fixed_dictionaries(
        {"message": texts()}, optional={"forecasted_blocks": _some(blocks())}
    )
    urls = st.fixed_dictionaries({"version": texts(), "base_url": texts()})
    return {
        "AdjustGroupCapacityForecast": forecasts,
        "GroupCapacityComplianceError": errors,
        "Handshake": handshakes,
        "HandshakeAcknowledge": handshakes,
        "Heartbeat": st.fixed_dictionaries({"offline_mode_at": date_times()}),
        "Register": st.fixed_dictionaries({"token": texts(), "version_url": _some(urls)}),
        "UpdateAssetMeasurement": _measured(groups, asset_measurements()),
        "UpdateGroupCapacityForecast": forecasts,
        "UpdateGroupMeasurements": _measured(groups, energy_measurements()),
    }[action]


def _measured(
    groups: st.SearchStrategy[str], entries: st.SearchStrategy[Message]
) -> st.SearchStrategy[Message]:
    return st.fixed_dictionaries({"group_id": groups, "measurements": _some(entries)})


def _forecasts(groups: st.SearchStrategy[str]) -> st.SearchStrategy[Message]:
    kinds = ("CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION", "FALLBACK_GENERATION", "OPTIMUM")
    return st.fixed_dictionaries(
        {
            "group_id": groups,
            "type": st.sampled_from(kinds),
            "forecasted_blocks": _some(blocks()),
        }
    )


def _some(items: st.SearchStrategy[Message]) -> st.SearchStrategy[list[Message]]:
    return st.lists(items, min_size=1, max_size=4)


def _extras() -> st.SearchStrategy[Message]:
    names = st.sampled_from(("comment", "x-origin", "a/b", "m~n", ""))
    return st.just({}) | st.dictionaries(names, json_values(), max_size=2)


def _with_extras(message: Message, extras: Message) -> Message:
    return {**extras, **message}


def _moments() -> st.SearchStrategy[datetime]:
    whole = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds of aware times
    return whole.map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))


def _offsets() -> st.SearchStrategy[int]:
    return st.sampled_from((0, 60, 120, 480, 345, -210, -720, 840))


def _written(moment: datetime, offset: int, has_fraction: bool) -> str:
    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    text = local.isoformat(timespec="milliseconds" if has_fraction else "seconds")
    return text.replace("+00:00", "Z")


def _places(value: object) -> list[tuple[Any, Any]]:
    """Answers with each container and key that lead to a value inside."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict):
            found += [(container, key) for key in container]
            waiting += container.values()
        elif isinstance(container, list):
            found += [(container, index) for index in range(len(container))]
            waiting += container
    return found

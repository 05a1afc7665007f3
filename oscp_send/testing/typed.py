"""Messages as Python makes them: of the sender's own classes, from any value that these take."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from oscp_send.messages import MESSAGES, Message
from oscp_send.values import Limits, Structure

_ANY_YEAR: Final = (datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - the bounds of aware times
# What a double can hold and no other number is equal to.
_WHOLE: Final = 2**53
_MOST_ITEMS: Final = 4
_FREE: Final = Limits()


def typed_messages(action: str | None = None) -> st.SearchStrategy[Message]:
    """Return messages of the classes of `oscp_send`, such as `AdjustGroupCapacityForecast`.

    They hold whatever can be made: times of any zone, to the microsecond, in any order; any text.

    Args:
        action: The OSCP message name; any of those that an instruction carries when left out.

    Raises:
        ValueError: An instruction cannot carry that message.
    """
    if action is not None and action not in MESSAGES:
        raise ValueError(f"{action!r} has no class; there are {', '.join(MESSAGES)}")
    kinds = MESSAGES.values() if action is None else [MESSAGES[action]]
    return st.one_of([_structures(kind) for kind in kinds])


def _structures(kind: type[Structure]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{each.name: _values(hints[each.name]) for each in fields(kind)})


def _values(hint: Any, limits: Limits = _FREE) -> st.SearchStrategy[Any]:  # noqa: ANN401 - a type hint
    """Return what a field of a structure may be given, by its type hint."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _values(arguments[0], arguments[1])
    if origin in {Union, UnionType}:
        (kept,) = (each for each in arguments if each is not NoneType)
        return st.none() | _values(kept, limits)
    if origin is tuple:
        items, least = _values(arguments[0]), limits.least_items
        return st.lists(items, min_size=least, max_size=_MOST_ITEMS, unique=limits.unique)
    if issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    if issubclass(hint, Structure):
        return _structures(hint)
    plain = {str: st.text(), float: _numbers(limits.minimum), datetime: _moments()}
    return plain[hint]


def _moments() -> st.SearchStrategy[datetime]:
    west = timezone(timedelta(hours=-11))
    zones = (UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), west)
    return st.datetimes(*_ANY_YEAR, timezones=st.sampled_from(zones))


def _numbers(least: float | None) -> st.SearchStrategy[float]:
    whole = st.integers(-_WHOLE if least is None else int(least), _WHOLE)
    return whole | st.floats(least, allow_nan=False, allow_infinity=False)

"""The forecast that a Capacity Provider is told to send, made of what a person would rather write.

A raw message, a table, a start with a list of capacities, or one of the purposes of ELMO's test bed
(OSCP dossier §3.7, §3.8 and §4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oscp_send.errors import InvalidValue
from oscp_send.fields import instant_of_text
from oscp_send.forecast import forecasted_blocks
from oscp_send.messages import Message, UpdateGroupCapacityForecast
from oscp_send.wire import write
from simulator.capacity_provider.elmo import EMERGENCY, PURPOSES, day_ahead, emergency
from simulator.capacity_provider.forecast_csv import read_blocks
from simulator.capacity_provider.profile import Profile, written
from simulator.capacity_provider.profiles import profile_of
from simulator.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oscp_send.data_types import ForecastedBlock

__all__ = ["FORMS", "forecast_message"]

_DESCRIBING: Final = frozenset({"group", "type", "unit", "phase"})

#: The fields that say what to send, each with those that may go with it.
FORMS: Final[Mapping[str, frozenset[str]]] = {
    "capacities": _DESCRIBING | {"start", "step"},
    "csv": _DESCRIBING | {"step"},
    "message": frozenset(),
    "purpose": frozenset({"group", "capacity"}),
}

_STEP: Final = timedelta(minutes=15)
# A column of its own makes a step superfluous, so a table has none unless it is given.
_DEFAULTS: Final = {"type": "CONSUMPTION", "unit": "KW", "phase": "ALL"}


def forecast_message(
    fields: Mapping[str, Any],
    *,
    groups: Sequence[str],
    profile: Profile | str,
    now: datetime,
) -> dict[str, Any]:
    """Answers with the JSON values of an UpdateGroupCapacityForecast.

    Args:
        fields: What to send; None counts as left out. One of

            - `capacities`: a list, with `start` (a datetime or RFC 3339 text; the next midnight
              where the profile is, unless given) and `step` (a timedelta or a text as `15m`, which
              it is unless given);
            - `csv`: a table as text, or the path of a file, see `read_blocks`; with `step` where it
              has no end times;
            - `message`: the message itself, taken as it is, valid or not;
            - `purpose` with `capacity` in kilowatt: one of ELMO's.

            With the first two go `type` (CONSUMPTION), `unit` (KW) and `phase` (ALL); with all but
            the third `group`, the only one of the provider unless given.
        groups: The identifiers of the provider's Capacity Groups.
        profile: Whose ways it has: how it writes times, and which units.
        now: Its time.

    Raises:
        ValueError: A field is unknown, unusable, or does not go with another.
    """
    ways = profile_of(profile)
    given = {name: value for name, value in fields.items() if value is not None}
    form = _form(given)
    if form == "message":
        return _raw(given["message"])
    group = _group(given, groups)
    if form == "purpose":
        return _assigned(given, group, ways, now)
    described = {**_DEFAULTS, **{name: given[name] for name in _DEFAULTS if name in given}}
    blocks = (
        _of_table(given, described)
        if form == "csv"
        else _of_capacities(given, described, ways, now)
    )
    return _checked(UpdateGroupCapacityForecast(group, described["type"], blocks), ways)


def _form(given: Mapping[str, Any]) -> str:
    known = set(FORMS).union(*FORMS.values())
    for name in given:
        if name not in known:
            close = get_close_matches(str(name), sorted(known), n=1)
            meant = f'did you mean "{close[0]}"?' if close else f"known are {_listed(known)}"
            raise InvalidValue(f"/{name}", "is no field of a forecast", meant)
    forms = [name for name in FORMS if name in given]
    if not forms:
        what = "/capacity" if "capacity" in given else ""
        raise InvalidValue(
            what,
            "nothing says what to send",
            "give capacities, csv, message, or a purpose with its capacity",
        )
    if len(forms) > 1:
        raise InvalidValue(
            f"/{forms[1]}", f"cannot go with {forms[0]}", "each says what to send: give one"
        )
    for name in given:
        if name not in {*forms, *FORMS[forms[0]]}:
            also = _listed(FORMS[forms[0]])
            said = f", only {also} do" if also else ": nothing else does"
            raise InvalidValue(f"/{name}", f"does not go with {forms[0]}{said}")
    return forms[0]


def _raw(value: object) -> dict[str, Any]:
    if isinstance(value, Message):
        return value.to_dict()
    if not isinstance(value, Mapping):
        raise InvalidValue("/message", f"an object is expected, not {type(value).__name__}")
    try:
        copy: dict[str, Any] = json.loads(json.dumps(value))
    except TypeError:
        # A datetime or a typed part of a message, which is written as it would be sent.
        copy = json.loads(write(value))
    except (ValueError, RecursionError):
        raise InvalidValue("/message", "the value is nested too deep, or holds itself") from None
    return copy


def _group(given: Mapping[str, Any], groups: Sequence[str]) -> str:
    if "group" in given:
        group: str = given["group"]
        return group
    if len(groups) != 1:
        known = f"it has {', '.join(groups)}" if groups else "it has none in this world"
        raise InvalidValue(
            "/group",
            f"the Capacity Provider has not exactly one Capacity Group: {known}",
            "name it",
        )
    return groups[0]


def _assigned(
    given: Mapping[str, Any], group: str, profile: Profile, now: datetime
) -> dict[str, Any]:
    purpose = given["purpose"]
    if not profile.has_timetable:
        raise InvalidValue(
            "/purpose",
            f'the profile "{profile.name}" has no purposes',
            "give capacities, or the Capacity Provider the profile elmo",
        )
    if purpose not in PURPOSES:
        close = get_close_matches(str(purpose), PURPOSES, n=1)
        meant = f'did you mean "{close[0]}"?' if close else ""
        raise InvalidValue("/purpose", f"{purpose!r} is not one of {', '.join(PURPOSES)}", meant)
    if "capacity" not in given:
        raise InvalidValue("/capacity", "is missing", f"give the KW for {purpose}")
    capacity = given["capacity"]
    try:
        if purpose == EMERGENCY:
            return emergency(group, capacity, now)
        return day_ahead(group, capacity, now)
    except InvalidValue as error:
        raise InvalidValue("/capacity", error.problem, error.remedy) from None


def _of_capacities(
    given: Mapping[str, Any], described: Mapping[str, Any], profile: Profile, now: datetime
) -> tuple[ForecastedBlock, ...]:
    start = given.get("start", profile.next_midnight(now))
    if isinstance(start, str):
        start = instant_of_text("start", start)
    return forecasted_blocks(
        start,
        _step(given) or _STEP,
        given["capacities"],
        unit=described["unit"],
        phase=described["phase"],
    )


def _of_table(
    given: Mapping[str, Any], described: Mapping[str, Any]
) -> tuple[ForecastedBlock, ...]:
    source = given["csv"]
    if not isinstance(source, str | Path):
        raise InvalidValue("/csv", f"text or a path is expected, not {type(source).__name__}")
    return read_blocks(source, step=_step(given), unit=described["unit"], phase=described["phase"])


def _step(given: Mapping[str, Any]) -> timedelta | None:
    step = given.get("step")
    if step is None or isinstance(step, timedelta):
        return step
    if not isinstance(step, str):
        raise InvalidValue("/step", f"{step!r} is no duration", "write it as 15m")
    try:
        return parse_duration(step)
    except ValueError as error:
        raise InvalidValue("/step", str(error)) from None


def _checked(message: UpdateGroupCapacityForecast, profile: Profile) -> dict[str, Any]:
    for index, block in enumerate(message.forecasted_blocks):
        if block.unit not in profile.units:
            raise InvalidValue(
                f"/forecasted_blocks/{index}/unit",
                f'"{block.unit}" is no unit of the profile "{profile.name}", '
                f"only {_listed(profile.units)}",
                "send it as a message if it is meant",
            )
    return written(message, profile)


def _listed(names: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names))

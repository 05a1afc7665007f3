"""A message with forecasted blocks, built from shorthand.

Shorthand is a raw message, a table, a start with a list of capacities, or one of the purposes of
ELMO's test bed (oscp20.md §3.7, §3.8 and §4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from oscp_schemas.show import nearest
from oscp_send.messages import (
    ForecastedBlock,
    Message,
    UpdateGroupCapacityForecast,
    forecasted_blocks,
)
from oscp_send.values import InvalidValue, instant_of_text, write
from oscp_sim.clock import parse_duration
from oscp_sim.system.elmo import EMERGENCY, PURPOSES, day_ahead, emergency
from oscp_sim.system.profile import Profile
from oscp_sim.system.table import Writing, read_blocks

_DESCRIBING: Final = frozenset({"group", "type", "unit", "phase"})
_WRITTEN: Final = frozenset({"columns", "date_format", "decimal_comma", "time_zone"})

#: The fields that say what to send, each with the fields that may go with it.
FORMS: Final[Mapping[str, frozenset[str]]] = {
    "capacities": _DESCRIBING | {"start", "step"},
    "csv": _DESCRIBING | _WRITTEN | {"step"},
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
    profile: Profile,
    now: datetime,
    kind: str = "Capacity Provider",
) -> dict[str, Any]:
    """Return the JSON values of a message with forecasted blocks.

    Args:
        fields: What to send; a field that is None counts as left out. One of

            - `capacities`: a list, with `start` (a datetime or RFC 3339 text; the next midnight
              where the profile is, unless given) and `step` (a timedelta or a text as `15m`, which
              it is unless given);
            - `csv`: a table as text, the path of a file (CSV or XLSX), or a `TableFile`: its first
              row names the columns, `start_time`, `end_time` and `capacity`, or `start` and
              `capacity` with a `step`; `phase` and `unit` are optional. How it is written say
              `time_zone`, `date_format`, `decimal_comma` and `columns`, as `Writing` has them;
            - `message`: the message itself, sent as it is, valid or not;
            - `purpose` with `capacity` in kilowatt: one of ELMO's.

            With the first two go `type` (CONSUMPTION), `unit` (KW) and `phase` (ALL); with all but
            the third `group`, the only one of the system unless given.
        groups: The identifiers of the system's Capacity Groups.
        profile: How the system writes times, and which units it uses.
        now: The time.
        kind: What the system is, for a person.

    Raises:
        ValueError: A field is unknown, unusable, or does not go with another.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    form = _form(given)
    if form == "message":
        return _raw(given["message"])
    group = _group(given, groups, kind)
    if form == "purpose":
        return _assigned(given, group, profile, now)
    described = {**_DEFAULTS, **{name: given[name] for name in _DEFAULTS if name in given}}
    blocks = (
        _of_table(given, described)
        if form == "csv"
        else _of_capacities(given, described, profile, now)
    )
    return _checked(UpdateGroupCapacityForecast(group, described["type"], blocks), profile)


def _form(given: Mapping[str, Any]) -> str:
    known = set(FORMS).union(*FORMS.values())
    for name in given:
        if name not in known:
            near = nearest(name, sorted(known))
            meant = f'did you mean "{near}"?' if near else f"known are {_listed(known)}"
            raise InvalidValue(f"/{name}", "is not a field of a forecast", meant)
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


def _group(given: Mapping[str, Any], groups: Sequence[str], kind: str) -> str:
    if "group" in given:
        group: str = given["group"]
        return group
    if len(groups) != 1:
        known = f"it has {', '.join(groups)}" if groups else "it has none in this world"
        problem = f"the {kind} has not exactly one Capacity Group: {known}"
        raise InvalidValue("/group", problem, "name it")
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
        near = nearest(purpose, PURPOSES)
        meant = f'did you mean "{near}"?' if near else ""
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
    return read_blocks(
        given["csv"],
        Writing.of({name: given[name] for name in _WRITTEN & given.keys()}),
        step=_step(given),
        unit=described["unit"],
        phase=described["phase"],
    )


def _step(given: Mapping[str, Any]) -> timedelta | None:
    step = given.get("step")
    if step is None or isinstance(step, timedelta):
        return step
    if not isinstance(step, str):
        raise InvalidValue("/step", f"{step!r} is not a duration", "write it as 15m")
    try:
        return parse_duration(step)
    except ValueError as error:
        raise InvalidValue("/step", str(error)) from None


def _checked(message: UpdateGroupCapacityForecast, profile: Profile) -> dict[str, Any]:
    for index, block in enumerate(message.forecasted_blocks):
        if block.unit not in profile.units:
            raise InvalidValue(
                f"/forecasted_blocks/{index}/unit",
                f'the profile "{profile.name}" has no unit "{block.unit}", '
                f"only {_listed(profile.units)}",
                "send it as a message if it is meant",
            )
    return profile.write_forecast(message)


def _listed(names: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names))

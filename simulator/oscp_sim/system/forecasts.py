"""A message with forecasted blocks, built from shorthand.

Shorthand is a raw message, a table, a start with a list of capacities, or one of the purposes of
ELMO's test bed (oscp20.md §3.7, §3.8 and §4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from oscp_schemas.show import nearest
from oscp_send.messages import (
    ForecastedBlock,
    Message,
    UpdateGroupCapacityForecast,
    forecasted_blocks,
)
from oscp_send.times import has_no_offset, read_instant
from oscp_send.values import InvalidValue, instant_of_text, write
from oscp_sim.clock import parse_duration
from oscp_sim.system.elmo import EMERGENCY, PURPOSES, day_ahead, emergency
from oscp_sim.system.profile import Profile
from oscp_sim.yaml_source import SourceError, SourceProblem

_DESCRIBING: Final = frozenset({"group", "type", "unit", "phase"})

#: The fields that say what to send, each with the fields that may go with it.
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
    profile: Profile,
    now: datetime,
) -> dict[str, Any]:
    """Return the JSON values of a message with forecasted blocks.

    Args:
        fields: What to send; a field that is None counts as left out. One of

            - `capacities`: a list, with `start` (a datetime or RFC 3339 text; the next midnight
              where the profile is, unless given) and `step` (a timedelta or a text as `15m`, which
              it is unless given);
            - `csv`: a table as text, or the path of a file: its first row names the columns,
              `start_time`, `end_time` and `capacity`, or `start` and `capacity` with a `step`;
              `phase` and `unit` are optional;
            - `message`: the message itself, sent as it is, valid or not;
            - `purpose` with `capacity` in kilowatt: one of ELMO's.

            With the first two go `type` (CONSUMPTION), `unit` (KW) and `phase` (ALL); with all but
            the third `group`, the only one of the system unless given.
        groups: The identifiers of the system's Capacity Groups.
        profile: How the system writes times, and which units it uses.
        now: The time.

    Raises:
        ValueError: A field is unknown, unusable, or does not go with another.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    form = _form(given)
    if form == "message":
        return _raw(given["message"])
    group = _group(given, groups)
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
    source = given["csv"]
    if not isinstance(source, str | Path):
        raise InvalidValue("/csv", f"text or a path is expected, not {type(source).__name__}")
    return _read_blocks(source, step=_step(given), unit=described["unit"], phase=described["phase"])


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


_COLUMNS: Final = ("start_time", "end_time", "capacity", "phase", "unit")
_ALIASES: Final = {"start": "start_time", "end": "end_time"}
_DELIMITERS: Final = ",;\t"
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_MOST_TOLD: Final = 10


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Mapping[str, _Cell]


class _Wrong(Exception):
    """Raised for a cell that cannot be used, or, where the column is 1, for a row."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column


def _read_blocks(
    source: str | Path, *, step: timedelta | None, unit: str, phase: str
) -> tuple[ForecastedBlock, ...]:
    """Return the blocks that the rows of a table describe, in their order.

    Cells are separated by commas, semicolons or tabs; empty rows are ignored.

    Args:
        source: The text of the table, or the path of a file with it. A text of one line is a path.
        step: The length of a block, for a table without `end_time`.
        unit: Of the rows that do not name one.
        phase: Of the rows that do not name one.

    Raises:
        SourceError: Something is wrong in it; each problem has its `file:line:column`.
    """
    name, text = _opened(source)
    rows = _rows(name, text)
    columns = _header(name, next(rows, None), step)
    blocks: list[tuple[int, ForecastedBlock]] = []
    problems: list[SourceProblem] = []
    for line, cells in rows:
        try:
            row = _row(line, cells, columns)
            blocks.append((line, _block(row, step, unit, phase)))
        except _Wrong as error:
            problems.append(SourceProblem(name, str(error), line, error.column))
    if not blocks and not problems:
        problems.append(SourceProblem(name, "there is no row below the first: add one per block"))
    problems = problems or list(_overlaps(name, blocks))
    if problems:
        raise SourceError(problems[:_MOST_TOLD])
    return tuple(block for _, block in blocks)


def _opened(source: str | Path) -> tuple[str, str]:
    """Return the name and the text of a table."""
    if isinstance(source, str) and ("\n" in source or "\r" in source):
        return "csv", source
    path = Path(source)
    try:
        data = path.read_bytes()
        return str(source), data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n")
        message = "not UTF-8: save the table as UTF-8"
        problem = SourceProblem(str(source), message, before.count(b"\n") + 1, column)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = SourceProblem(str(source), f"cannot be read: {reason}")
    raise SourceError([problem])


def _rows(name: str, text: str) -> Iterator[tuple[int, list[_Cell]]]:
    """Yield the rows that are not empty, each with its line."""
    delimiter = ""
    for line, row in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), 1):
        if not row.strip():
            continue
        delimiter = delimiter or next((each for each in _DELIMITERS if each in row), ",")
        try:
            yield line, list(_cells(row, delimiter))
        except _Wrong as error:
            raise SourceError([SourceProblem(name, str(error), line, error.column)]) from None


def _cells(row: str, delimiter: str) -> Iterator[_Cell]:
    """Yield the cells of a line with their columns, which the standard library does not know."""
    cell = re.compile(rf' *"((?:[^"]|"")*)" *|([^"{delimiter}]*)')
    end = -1
    while end < len(row):
        start = end + 1
        # The second half of the pattern matches anything, also nothing.
        found: re.Match[str] = cell.match(row, start)  # type: ignore[assignment]
        end = found.end()
        if end < len(row) and row[end] != delimiter:
            raise _Wrong(end + 1, "a quote does not belong here: a cell is one line")
        quoted, plain = found.groups()
        yield _Cell((plain if quoted is None else quoted.replace('""', '"')).strip(), start + 1)


def _header(
    name: str, first: tuple[int, list[_Cell]] | None, step: timedelta | None
) -> tuple[str, ...]:
    if first is None:
        raise SourceError([SourceProblem(name, f"is empty: name the columns {_expected()} first")])
    line, cells = first
    columns: list[str] = []
    for cell in cells:
        spelt = cell.text.casefold()
        column = _ALIASES.get(spelt, spelt)
        problem = (
            _no_column(cell.text)
            if column not in _COLUMNS
            else f'duplicate column "{cell.text}"'
            if column in columns
            else ""
        )
        if problem:
            raise SourceError([SourceProblem(name, problem, line, cell.column)])
        columns.append(column)
    problem = _incomplete(columns, step)
    if problem:
        raise SourceError([SourceProblem(name, problem, line, 1)])
    return tuple(columns)


def _no_column(text: str) -> str:
    near = nearest(text.casefold(), [*_COLUMNS, *_ALIASES])
    meant = f'did you mean "{near}"?' if near else f"write {_expected()}"
    return f'"{text}" is not a column: {meant}'


def _incomplete(columns: list[str], step: timedelta | None) -> str:
    for needed in ("start_time", "capacity"):
        if needed not in columns:
            return f'the column "{needed}" is missing: write {_expected()}'
    if "end_time" not in columns and step is None:
        return 'the column "end_time" is missing: add it, or give a step'
    if "end_time" in columns and step is not None:
        return "the table has end_time and a step is given: leave one of the two out"
    return ""


def _expected() -> str:
    return "start_time,end_time,capacity[,phase,unit], or start,capacity with a step"


def _row(line: int, cells: list[_Cell], columns: tuple[str, ...]) -> _Row:
    if len(cells) != len(columns):
        at = cells[len(columns)].column if len(cells) > len(columns) else 1
        listed = ", ".join(columns)
        decimal = ' (a decimal comma is written as ".")' if len(cells) > len(columns) else ""
        raise _Wrong(at, f"{len(cells)} cells, {len(columns)} expected: {listed}{decimal}")
    return _Row(line, dict(zip(columns, cells, strict=True)))


def _block(row: _Row, step: timedelta | None, unit: str, phase: str) -> ForecastedBlock:
    start = _instant(row.cells["start_time"])
    end = _instant(row.cells["end_time"]) if step is None else _after(row, start, step)
    if end <= start:
        raise _Wrong(row.cells["end_time"].column, "the block does not end after it starts")
    try:
        return ForecastedBlock(
            _number(row.cells["capacity"]),
            _text(row, "unit") or unit,
            _text(row, "phase") or phase,
            start,
            end,
        )
    except InvalidValue as error:
        cell = row.cells.get(error.pointer.lstrip("/"), _Cell("", 1))
        remedy = f": {error.remedy}" if error.remedy else ""
        raise _Wrong(cell.column, f"{error.problem}{remedy}") from None


def _after(row: _Row, start: datetime, step: timedelta) -> datetime:
    try:
        return start + step
    except OverflowError:
        raise _Wrong(row.cells["start_time"].column, "the block ends after year 9999") from None


def _text(row: _Row, column: str) -> str:
    cell = row.cells.get(column)
    return cell.text if cell is not None else ""


def _instant(cell: _Cell) -> datetime:
    instant = read_instant(cell.text)
    if instant is not None:
        return instant
    if has_no_offset(cell.text):
        raise _Wrong(
            cell.column, f'"{cell.text}" has no offset: write it as 2026-03-01T18:00:00+01:00'
        )
    raise _Wrong(cell.column, f'"{cell.text}" is not a date-time: write it as 2026-03-01T18:00:00Z')


def _number(cell: _Cell) -> float:
    # Python would take underscores, and digits of any script.
    plain = cell.text.isascii() and "_" not in cell.text
    for read in (int, float):
        try:
            if plain:
                return read(cell.text)
        except ValueError:
            continue
    raise _Wrong(cell.column, f'"{cell.text}" is not a number: write it as 42 or 35.5')


def _overlaps(name: str, blocks: Iterable[tuple[int, ForecastedBlock]]) -> Iterator[SourceProblem]:
    ordered = sorted(blocks, key=lambda each: (each[1].phase, each[1].unit, each[1].start_time))
    for (above, before), (line, block) in pairwise(ordered):
        alike = (before.phase, before.unit) == (block.phase, block.unit)
        if alike and block.start_time < before.end_time:
            message = f"overlaps the block of line {above}: end one where the other starts"
            yield SourceProblem(name, message, line, 1)

"""Forecasted blocks from a CSV table, with the place of whatever is wrong in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oscp_send.data_types import ForecastedBlock
from oscp_send.errors import InvalidValue
from oscp_send.instants import has_no_offset, read_instant
from simulator.yaml_source import SourceError, SourceProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta

__all__ = ["read_blocks"]

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
    """A cell, or a row where the column is 1, that cannot be used."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column


def read_blocks(
    source: str | Path, *, step: timedelta | None, unit: str, phase: str
) -> tuple[ForecastedBlock, ...]:
    """Answers with the blocks that the rows of a table describe, in their order.

    The first row names the columns: `start_time`, `end_time` and `capacity`, or `start` and
    `capacity` with a step; `phase` and `unit` may be there as well. Cells stand between commas,
    semicolons or tabs; empty rows are passed over.

    Args:
        source: The text of the table, or the path of a file with it. A text of one line is a path.
        step: The length of a block, for a table without `end_time`.
        unit: Of the rows that say none.
        phase: Of the rows that say none.

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
    """Answers with the name and the text of a table."""
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
    """Yields the rows that are not empty, each with its line."""
    delimiter = ""
    for line, written in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), 1):
        if not written.strip():
            continue
        delimiter = delimiter or next((each for each in _DELIMITERS if each in written), ",")
        try:
            yield line, list(_cells(written, delimiter))
        except _Wrong as error:
            raise SourceError([SourceProblem(name, str(error), line, error.column)]) from None


def _cells(written: str, delimiter: str) -> Iterator[_Cell]:
    """Yields the cells of a line with their columns, which the standard library does not tell."""
    cell = re.compile(rf' *"((?:[^"]|"")*)" *|([^"{delimiter}]*)')
    end = -1
    while end < len(written):
        start = end + 1
        # The second half of the pattern matches anything, also nothing.
        found: re.Match[str] = cell.match(written, start)  # type: ignore[assignment]
        end = found.end()
        if end < len(written) and written[end] != delimiter:
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
            else f'"{cell.text}" is there twice'
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
    close = get_close_matches(text.casefold(), [*_COLUMNS, *_ALIASES], n=1)
    meant = f'did you mean "{close[0]}"?' if close else f"write {_expected()}"
    return f'"{text}" is no column: {meant}'


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
    raise _Wrong(cell.column, f'"{cell.text}" is no date-time: write it as 2026-03-01T18:00:00Z')


def _number(cell: _Cell) -> float:
    # Python would take underscores, and digits of any script.
    plain = cell.text.isascii() and "_" not in cell.text
    for read in (int, float):
        try:
            if plain:
                return read(cell.text)
        except ValueError:
            continue
    raise _Wrong(cell.column, f'"{cell.text}" is no number: write it as 42 or 35.5')


def _overlaps(name: str, blocks: Iterable[tuple[int, ForecastedBlock]]) -> Iterator[SourceProblem]:
    ordered = sorted(blocks, key=lambda each: (each[1].phase, each[1].unit, each[1].start_time))
    for (above, before), (line, block) in pairwise(ordered):
        alike = (before.phase, before.unit) == (block.phase, block.unit)
        if alike and block.start_time < before.end_time:
            message = f"overlaps the block of line {above}: end one where the other starts"
            yield SourceProblem(name, message, line, 1)

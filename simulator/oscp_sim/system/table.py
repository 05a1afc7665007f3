"""Forecasted blocks, read from a table as a spreadsheet has it: CSV in its many forms, or XLSX."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from zipfile import ZipFile

from oscp_schemas.show import nearest
from oscp_send.messages import ForecastedBlock
from oscp_send.times import has_no_offset, read_instant
from oscp_send.values import InvalidValue
from oscp_sim.yaml_source import SourceError, SourceProblem

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_COLUMNS: Final = ("start_time", "end_time", "capacity", "phase", "unit")
_ALIASES: Final = {"start": "start_time", "end": "end_time"}
_DELIMITERS: Final = ",;\t"
#: What Excel may write, and reads, in a first line of its own.
_SEPARATOR: Final = re.compile(r"sep=(.)", re.IGNORECASE)
#: How every XLSX file begins: it is a ZIP archive.
_ARCHIVE: Final = b"PK\x03\x04"
_DECIMAL_COMMA: Final = re.compile(r"-?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)(?:,[0-9]+)?", re.ASCII)
_MOST_TOLD: Final = 10
#: Of a workbook, whose small file may unfold to gigabytes: bytes of all its parts, and cells of a
#: sheet, with each row counted, too. A year of five minutes has a third of either.
_LONGEST_UNPACKED: Final = 100_000_000
_MOST_CELLS: Final = 2_000_000
_TOO_LARGE: Final = "it is far too large"


class TableFile(NamedTuple):
    """A table with the name of the file it was in, for messages."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Writing:
    """How a table is written, where that is not as in OSCP.

    Attributes:
        time_zone: Where times are from that have no offset. Of the hour that comes twice when
            clocks go back, a time is the first one, unless the block above ends later.
        date_format: Of all times, as of `datetime.strptime`: `%d.%m.%Y %H:%M`.
        has_decimal_comma: Whether 35,5 is half as much as 71, and 1.000 is a thousand.
        columns: What columns are called, by what they are: `{"capacity": "Vermogen (kW)"}`. Then
            others are not looked at.
    """

    time_zone: ZoneInfo | None = None
    date_format: str | None = None
    has_decimal_comma: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Read it from `time_zone`, `date_format`, `decimal_comma` and `columns`.

        Raises:
            InvalidValue: One of them is unusable.
        """
        comma = fields.get("decimal_comma", False)
        if not isinstance(comma, bool):
            raise InvalidValue("/decimal_comma", f"{comma!r} is not true or false")
        form = fields.get("date_format")
        return cls(
            _zone(fields.get("time_zone")),
            None if form is None else _date_format(form),
            comma,
            _names(fields.get("columns", {})),
        )


def _zone(name: object) -> ZoneInfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few tables need it

    try:
        return ZoneInfo(name if isinstance(name, str) else "")
    # Of a name that is a folder of the time zones, or no path at all.
    except (OSError, ValueError, KeyError):
        raise InvalidValue(
            "/time_zone", f"{name!r} is not a time zone", "write it as Europe/Amsterdam"
        ) from None


def _date_format(form: object) -> str:
    remedy = "write it as %d.%m.%Y %H:%M"
    if not isinstance(form, str) or "%" not in form:
        raise InvalidValue("/date_format", f"{form!r} is not a format of dates", remedy)
    told = datetime(2031, 12, 30, 23, 45, tzinfo=UTC)
    try:
        sample = told.strftime(form)
        # All days of the two years are alike, and Python warns of dates without a year.
        has_year = sample != told.replace(year=2042).strftime(form)
        read = datetime.strptime(sample, form) if has_year else None  # noqa: DTZ007 - as written
    # What stands in it twice makes no expression.
    except (ValueError, re.error) as error:
        raise InvalidValue("/date_format", str(error), remedy) from None
    if read is None or read.replace(tzinfo=UTC) != told:
        raise InvalidValue(
            "/date_format", f'"{form}" does not tell all times of all years apart', remedy
        )
    return form


def _names(columns: object) -> Mapping[str, str]:
    if not isinstance(columns, Mapping):
        raise InvalidValue("/columns", f"an object is expected, not {type(columns).__name__}")
    names: dict[str, str] = {}
    for key, name in columns.items():
        column = _ALIASES.get(key, key)
        if column not in _COLUMNS:
            raise InvalidValue("/columns", f'"{key}" is not what a column can be', _expected())
        if not isinstance(name, str) or not name.strip():
            raise InvalidValue(f"/columns/{key}", f"{name!r} is not the name of a column")
        names[column] = name.strip()
    return names


class _Cell(NamedTuple):
    """A cell: its text, the column where it begins, and what a spreadsheet has in it."""

    text: str
    column: int
    value: object = None


_Line = tuple[int, list[_Cell]]


class _Defaults(NamedTuple):
    """What rows have that do not say it: how long they are, the unit, the phase."""

    step: timedelta | None
    unit: str
    phase: str


_Row = Mapping[str, _Cell]


class _Wrong(Exception):
    """Raised for a cell that cannot be used, or, where the column is 1, for a row."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column


def read_blocks(
    source: str | Path | TableFile,
    writing: Writing = Writing(),
    *,
    step: timedelta | None,
    unit: str,
    phase: str,
) -> tuple[ForecastedBlock, ...]:
    """Return the blocks that the rows of a table describe, in their order.

    Cells are separated by commas, semicolons or tabs; empty rows are ignored. Of a workbook, the
    sheet that it opens with is read.

    Args:
        source: The text of the table, the path of a file with it, or its content. A text of one
            line is a path.
        writing: How times and numbers are written, and what columns are called.
        step: The length of a block, for a table without `end_time`.
        unit: Of the rows that do not name one.
        phase: Of the rows that do not name one.

    Raises:
        InvalidValue: The source is none.
        SourceError: Something is wrong in it; each problem has its `file:row:column`.
    """
    name, rows = _opened(source)
    try:
        blocks, problems = _read(name, rows, writing, _Defaults(step, unit, phase))
    except SourceError as error:
        blocks, problems = [], list(error.problems)
    if not blocks and not problems:
        problems.append(SourceProblem(name, "there is no row below the first: add one per block"))
    problems = problems or list(islice(_overlaps(name, blocks), _MOST_TOLD))
    if problems:
        raise SourceError(problems)
    return tuple(block for _, block in blocks)


def _read(
    name: str, rows: Iterator[_Line], writing: Writing, defaults: _Defaults
) -> tuple[list[tuple[int, ForecastedBlock]], list[SourceProblem]]:
    columns = _header(name, next(rows, None), writing, defaults.step)
    blocks: list[tuple[int, ForecastedBlock]] = []
    problems: list[SourceProblem] = []
    # When the last block of each phase and unit ended.
    ends: dict[tuple[str, str], datetime] = {}
    for line, cells in rows:
        try:
            row = _row(cells, columns)
            kind = _text(row, "phase") or defaults.phase, _text(row, "unit") or defaults.unit
            block = _block(row, writing, defaults.step, kind, ends.get(kind))
            ends[kind] = block.end_time
            blocks.append((line, block))
        except _Wrong as error:
            problems.append(SourceProblem(name, str(error), line, error.column))
            if len(problems) == _MOST_TOLD:
                break
    return blocks, problems


def _refusal(
    name: str, why: str, line: int | None = None, column: int | None = None
) -> SourceError:
    return SourceError([SourceProblem(name, why, line, column)])


# Files, rows and cells.


def _opened(source: str | Path | TableFile) -> tuple[str, Iterator[_Line]]:
    """Return the name of a table, and its rows that are not empty, each with its line."""
    if isinstance(source, str) and ("\n" in source or "\r" in source):
        return "csv", _lines("csv", source)
    if isinstance(source, TableFile):
        name, data = source
    elif isinstance(source, str | Path):
        name, data = str(source), _content(source)
    else:
        raise InvalidValue("/csv", f"text or a path is expected, not {type(source).__name__}")
    if data.startswith(_ARCHIVE):
        return name, _sheet(name, data)
    if name.lower().endswith((".xlsx", ".xls")) and b"\0" in data:
        raise _refusal(name, "is not a workbook that can be read here: save it as XLSX, or as CSV")
    return name, _lines(name, _decoded(name, data))


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refusal(str(path), f"cannot be read: {reason}") from None


def _decoded(name: str, data: bytes) -> str:
    """Return the text of a file; with a byte-order mark it may be UTF-16, as "Unicode Text" is."""
    is_wide = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if is_wide else "utf-8")
    except UnicodeDecodeError as error:
        if is_wide:
            why = "not UTF-16, though it begins so: save it as UTF-8"
            raise _refusal(name, why) from None
        before = data[: error.start]
        at = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise _refusal(name, "not UTF-8: save the table as UTF-8", *at) from None


def _lines(name: str, text: str) -> Iterator[_Line]:
    delimiter = ""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        if line == 1 and (given := _SEPARATOR.fullmatch(row)):
            delimiter = given[1]
            continue
        delimiter = delimiter or max(_DELIMITERS, key=row.count)
        try:
            yield line, list(_cells(row, delimiter))
        except _Wrong as error:
            raise _refusal(name, str(error), line, error.column) from None


def _cells(row: str, delimiter: str) -> Iterator[_Cell]:
    """Yield the cells of a line with their columns, which the standard library does not know."""
    cell = re.compile(rf' *"((?:[^"]++|"")*+)" *|([^"{re.escape(delimiter)}]*)')
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


def _sheet(name: str, data: bytes) -> Iterator[_Line]:
    try:
        from openpyxl import load_workbook  # noqa: PLC0415 - an extra
    except ImportError:
        install = "a workbook needs one package more: pip install 'oscp-rehearsal[xlsx]'"
        raise _refusal(name, f"{install}, or save it as CSV") from None
    try:
        _check_size(data)
        sheet = load_workbook(BytesIO(data), read_only=True, data_only=True).active
        rows: Iterable[tuple[object, ...]] = ()
        if sheet is not None:
            # They may be said to reach to the last cell that there can be.
            sheet.reset_dimensions()
            rows = sheet.iter_rows(values_only=True)
        yield from _lines_of_sheet(rows)
    # Of a damaged archive, openpyxl raises whatever its parts do.
    except Exception as error:  # noqa: BLE001
        why = f"is not a workbook that can be read ({error}): save it anew"
        raise _refusal(name, why) from None


def _check_size(data: bytes) -> None:
    with ZipFile(BytesIO(data)) as parts:
        if sum(part.file_size for part in parts.infolist()) > _LONGEST_UNPACKED:
            raise ValueError(_TOO_LARGE)


def _lines_of_sheet(rows: Iterable[tuple[object, ...]]) -> Iterator[_Line]:
    left = _MOST_CELLS
    for line, row in enumerate(rows, 1):
        left -= 1 + len(row)
        if left < 0:
            raise ValueError(_TOO_LARGE)
        if row.count(None) == len(row):
            continue
        cells = [_Cell(_shown(value), at, value) for at, value in enumerate(row, 1)]
        while cells and not cells[-1].text:
            cells.pop()
        if cells:
            yield line, cells


def _shown(value: object) -> str:
    return "" if value is None else str(value).strip()


# Columns.


def _header(
    name: str, first: _Line | None, writing: Writing, step: timedelta | None
) -> tuple[str | None, ...]:
    """Return what each column is, None where it is not looked at."""
    if first is None:
        raise _refusal(name, f"is empty: name the columns {_expected()} first")
    line, cells = first
    columns: list[str | None] = []
    for cell in cells:
        column = _column(cell.text, writing)
        problem = ""
        if column is None and not writing.columns:
            problem = _no_column(cell.text)
        elif column is not None and column in columns:
            problem = f'duplicate column "{cell.text}"'
        if problem:
            raise _refusal(name, problem, line, cell.column)
        columns.append(column)
    problem = _incomplete(columns, writing, [cell.text for cell in cells], step)
    if problem:
        raise _refusal(name, problem, line, 1)
    return tuple(columns)


def _column(text: str, writing: Writing) -> str | None:
    spelt = text.casefold()
    for column, name in writing.columns.items():
        if spelt == name.casefold():
            return column
    column = _ALIASES.get(spelt, spelt)
    return column if column in _COLUMNS and column not in writing.columns else None


def _no_column(text: str) -> str:
    near = nearest(text.casefold(), [*_COLUMNS, *_ALIASES])
    meant = f'did you mean "{near}"?' if near else f"write {_expected()}"
    return f'"{text}" is not a column: {meant}; or give columns, which names those that count'


def _incomplete(
    columns: list[str | None], writing: Writing, names: list[str], step: timedelta | None
) -> str:
    for column, name in writing.columns.items():
        if column not in columns:
            near = nearest(name, names)
            meant = f'did you mean "{near}"?' if near else f"there is {', '.join(names)}"
            return f'there is no column "{name}": {meant}'
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


# Rows.


def _row(cells: list[_Cell], columns: tuple[str | None, ...]) -> _Row:
    cells = [*cells, *_unwritten(cells, len(columns))]
    if len(cells) != len(columns):
        at = cells[len(columns)].column if len(cells) > len(columns) else 1
        listed = ", ".join(each or "another" for each in columns)
        decimal = ' (a decimal comma is written as ".")' if len(cells) > len(columns) else ""
        raise _Wrong(at, f"{len(cells)} cells, {len(columns)} expected: {listed}{decimal}")
    named = zip(columns, cells, strict=True)
    return {column: cell for column, cell in named if column is not None}


def _unwritten(cells: list[_Cell], wanted: int) -> Iterator[_Cell]:
    """Yield the last cells of a row of a sheet, which are not there where they are empty."""
    if any(cell.value is not None for cell in cells):
        yield from (_Cell("", at) for at in range(len(cells) + 1, wanted + 1))


def _block(
    row: _Row,
    writing: Writing,
    step: timedelta | None,
    kind: tuple[str, str],
    after: datetime | None,
) -> ForecastedBlock:
    start = _instant(row["start_time"], writing, after)
    if step is None:
        end = _instant(row["end_time"], writing, _after(row, start, _INSTANT))
    else:
        end = _after(row, start, step)
    if end <= start:
        raise _Wrong(row["end_time"].column, "the block does not end after it starts")
    phase, unit = kind
    try:
        capacity = _number(row["capacity"], writing)
        return ForecastedBlock(capacity, unit, phase, start, end)
    except InvalidValue as error:
        cell = row.get(error.pointer.lstrip("/"), _Cell("", 1))
        remedy = f": {error.remedy}" if error.remedy else ""
        raise _Wrong(cell.column, f"{error.problem}{remedy}") from None


_INSTANT: Final = timedelta(microseconds=1)


def _after(row: _Row, start: datetime, step: timedelta) -> datetime:
    try:
        return start + step
    except OverflowError:
        raise _Wrong(row["start_time"].column, "the block ends after year 9999") from None


def _text(row: _Row, column: str) -> str:
    cell = row.get(column)
    return cell.text if cell is not None else ""


def _instant(cell: _Cell, writing: Writing, after: datetime | None) -> datetime:
    """Return the instant in a cell; of two that it may be, the first not before another."""
    try:
        return _in_zone(_date_time(cell, writing), cell, writing, after)
    except OverflowError:
        why = f'"{cell.text}" is out of range in UTC: give a year 1 to 9999'
        raise _Wrong(cell.column, why) from None


def _in_zone(read: datetime, cell: _Cell, writing: Writing, after: datetime | None) -> datetime:
    if read.tzinfo is not None:
        return read
    if writing.time_zone is None:
        remedy = "write it as 2026-03-01T18:00:00+01:00, or give time_zone"
        raise _Wrong(cell.column, f'"{cell.text}" has no offset: {remedy}')
    first, second = (
        read.replace(tzinfo=writing.time_zone, fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    if first.astimezone(writing.time_zone).replace(tzinfo=None) != read:
        why = f'"{cell.text}" does not exist in {writing.time_zone}: clocks go forward over it'
        raise _Wrong(cell.column, why)
    return second if after is not None and first < after <= second else first


def _date_time(cell: _Cell, writing: Writing) -> datetime:
    if isinstance(cell.value, datetime):
        # A spreadsheet counts days, and 16:15 may be a little less.
        return (cell.value + timedelta(milliseconds=500)).replace(microsecond=0)
    if writing.date_format is not None:
        try:
            return datetime.strptime(cell.text, writing.date_format)  # noqa: DTZ007 - as it is
        except ValueError:
            why = f'"{cell.text}" is not written as date_format says, {writing.date_format}'
            raise _Wrong(cell.column, why) from None
    instant = read_instant(cell.text)
    if instant is not None:
        return instant
    if has_no_offset(cell.text):
        with suppress(ValueError):
            return datetime.fromisoformat(cell.text)
    remedy = "write it as 2026-03-01T18:00:00Z, or give date_format"
    raise _Wrong(cell.column, f'"{cell.text}" is not a date-time: {remedy}')


def _number(cell: _Cell, writing: Writing) -> float:
    if isinstance(cell.value, int | float) and not isinstance(cell.value, bool):
        return cell.value
    if writing.has_decimal_comma:
        if not _DECIMAL_COMMA.fullmatch(cell.text):
            raise _Wrong(cell.column, f'"{cell.text}" is not a number: write it as 42 or 35,5')
        text = cell.text.replace(".", "").replace(",", ".")
    else:
        # Python would take underscores, and digits of any script.
        text = cell.text if cell.text.isascii() and "_" not in cell.text else ""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    also = ", or give decimal_comma" if _DECIMAL_COMMA.fullmatch(cell.text) else ""
    raise _Wrong(cell.column, f'"{cell.text}" is not a number: write it as 42 or 35.5{also}')


def _overlaps(name: str, blocks: Iterable[tuple[int, ForecastedBlock]]) -> Iterator[SourceProblem]:
    ordered = sorted(blocks, key=lambda each: (each[1].phase, each[1].unit, each[1].start_time))
    for (above, before), (line, block) in pairwise(ordered):
        alike = (before.phase, before.unit) == (block.phase, block.unit)
        if alike and block.start_time < before.end_time:
            message = f"overlaps the block of line {above}: end one where the other starts"
            yield SourceProblem(name, message, line, 1)

"""Tables as spreadsheets write them, to a forecast: in Python, over HTTP, and by the command."""

from __future__ import annotations

import json
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile
from zoneinfo import ZoneInfo

import openpyxl
import pytest
import requests
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim import Simulator
from oscp_sim.cli.main import main
from oscp_sim.clock import FrozenClock
from oscp_sim.system.forecasts import forecast_message
from oscp_sim.system.profile import PROFILES
from oscp_sim.system.table import TableFile
from tests.oscp_sim.rig import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DUTCH = (
    "Begin;Eind;Vermogen (kW);Opmerking\r\n"
    "04-05-2026 18:00;04-05-2026 18:30;50;avond\r\n"
    "04-05-2026 18:30;04-05-2026 19:00;1.035,5;\r\n"
)
WRITTEN: dict[str, Any] = {
    "time_zone": "Europe/Amsterdam",
    "date_format": "%d-%m-%Y %H:%M",
    "decimal_comma": True,
    "columns": {"start_time": "begin", "end_time": "Eind", "capacity": "Vermogen (kW)"},
}
BLOCKS = [
    ("2026-05-04T16:00:00Z", "2026-05-04T16:30:00Z", 50),
    ("2026-05-04T16:30:00Z", "2026-05-04T17:00:00Z", 1035.5),
]


def blocks(table: object, **fields: Any) -> list[tuple[str, str, float]]:  # noqa: ANN401 - of a table
    body = forecast_message(
        {"csv": table, **fields},
        groups=("depot-7",),
        profile=PROFILES["specification"],
        now=NOW,
    )
    return [
        (each["start_time"], each["end_time"], each["capacity"])
        for each in body["forecasted_blocks"]
    ]


def refused(table: object, **fields: Any) -> str:  # noqa: ANN401 - as above
    with pytest.raises(ValueError, match=": ") as caught:
        blocks(table, **fields)
    return str(caught.value)


def workbook(*rows: Iterable[object]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    written = BytesIO()
    book.save(written)
    return written.getvalue()


FILES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "as saved in the Netherlands": (DUTCH.encode(), WRITTEN),
    "with a byte-order mark": (b"\xef\xbb\xbf" + DUTCH.encode(), WRITTEN),
    "as Unicode text": (DUTCH.replace(";", "\t").encode("utf-16"), WRITTEN),
    "with a line that says what separates": (
        b"sep=|\r\n" + DUTCH.replace(";", "|").encode(),
        WRITTEN,
    ),
    "without offsets": (
        b"start,end,capacity\n2026-05-04 18:00,2026-05-04T18:30:00,50\n"
        b"2026-05-04 18:30,2026-05-04 19:00,1035.5\n",
        {"time_zone": "Europe/Amsterdam"},
    ),
    "a format with offsets": (
        b"start,capacity\n04.05.2026 18:00 +0200,50\n04.05.2026 18:30 +0200,1035.5\n",
        {"date_format": "%d.%m.%Y %H:%M %z", "step": "30m"},
    ),
    "a workbook": (
        workbook(
            ("start", "capacity", "phase"),
            (datetime(2026, 5, 4, 18), 50, "ALL"),  # noqa: DTZ001 - as a spreadsheet has them
            (None, None, None),
            (datetime(2026, 5, 4, 18, 29, 59, 999_600), 1035.5, None),  # noqa: DTZ001 - as above
        ),
        {"time_zone": "Europe/Amsterdam", "step": "30m"},
    ),
    "a workbook of texts": (
        workbook(*(line.split(";") for line in DUTCH.splitlines())),
        WRITTEN,
    ),
}


@pytest.mark.parametrize(("data", "fields"), FILES.values(), ids=FILES)
def test_a_file(data: bytes, fields: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_bytes(data)
    assert blocks(path, **fields) == blocks(TableFile("plan", data), **fields) == BLOCKS


@pytest.mark.parametrize(
    ("day", "count"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-06-01", 96)]
)
@pytest.mark.parametrize("has_end", [True, False])
def test_days_on_which_clocks_change(day: str, count: int, has_end: bool) -> None:
    """Each local time is written as a wall clock shows it, so that an hour comes twice or not."""
    begin = datetime.fromisoformat(day).replace(tzinfo=AMSTERDAM).astimezone(UTC)
    times = [begin + timedelta(minutes=15 * n) for n in range(count + 1)]
    walls = [f"{each.astimezone(AMSTERDAM):%Y-%m-%d %H:%M}" for each in times]
    assert walls[-1].endswith(" 00:00")
    rows = [
        f"{start},{end},{n}" if has_end else f"{start},{n}"
        for n, (start, end) in enumerate(pairwise(walls))
    ]
    head = "start,end,capacity" if has_end else "start,capacity"
    found = blocks(
        "\n".join([head, *rows]),
        time_zone="Europe/Amsterdam",
        step=None if has_end else "15m",
    )
    assert [start for start, _, _ in found] == [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in times[:-1]]
    assert [end for _, end, _ in found] == [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in times[1:]]


HEAD = "start;end;capacity\n"
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a time that is skipped": (
        "start;capacity\n2026-03-29 02:30;1\n",
        {"time_zone": "Europe/Amsterdam", "step": "15m"},
        'csv:2:1: "2026-03-29 02:30" does not exist in Europe/Amsterdam: clocks go forward over it',
    ),
    "no time zone": (
        f"{HEAD}04-05-2026 18:00;04-05-2026 19:00;1\n",
        {"date_format": "%d-%m-%Y %H:%M"},
        'csv:2:1: "04-05-2026 18:00" has no offset: write it as 2026-03-01T18:00:00+01:00, or give '
        "time_zone",
    ),
    "another date format": (
        f"{HEAD}2026-05-04 18:00;2026-05-04 19:00;1\n",
        {"date_format": "%d-%m-%Y %H:%M", "time_zone": "Europe/Amsterdam"},
        'csv:2:1: "2026-05-04 18:00" is not written as date_format says, %d-%m-%Y %H:%M',
    ),
    "a date of another country": (
        f"{HEAD}04.05.2026 18:00;04.05.2026 19:00;1\n",
        {"time_zone": "Europe/Amsterdam"},
        'csv:2:1: "04.05.2026 18:00" is not a date-time: write it as 2026-03-01T18:00:00Z, or give '
        "date_format",
    ),
    "a decimal comma that nobody told of": (
        f"{HEAD}2026-05-04T18:00:00Z;2026-05-04T19:00:00Z;35,5\n",
        {},
        'csv:2:43: "35,5" is not a number: write it as 42 or 35.5, or give decimal_comma',
    ),
    "a decimal point in a table with commas": (
        f"{HEAD}2026-05-04T18:00:00Z;2026-05-04T19:00:00Z;35.5\n",
        {"decimal_comma": True},
        'csv:2:43: "35.5" is not a number: write it as 42 or 35,5',
    ),
    "a column that is not there": (
        f"{HEAD}",
        {"columns": {"capacity": "capacty"}},
        'csv:1:1: there is no column "capacty": did you mean "capacity"?',
    ),
    "what no column is": (
        HEAD,
        {"columns": {"power": "kW"}},
        'columns: "power" is not what a column can be: start_time,end_time,capacity',
    ),
    "a column without a name": (
        HEAD,
        {"columns": {"capacity": " "}},
        "is not the name of a column",
    ),
    "a time zone": (
        HEAD,
        {"time_zone": "Amsterdam"},
        "time_zone: 'Amsterdam' is not a time zone: write it as Europe/Amsterdam",
    ),
    "a folder of time zones": (HEAD, {"time_zone": "Europe"}, "'Europe' is not a time zone"),
    "a way out": (HEAD, {"time_zone": "../../etc/passwd"}, "is not a time zone"),
    "a format as a spreadsheet has it": (
        HEAD,
        {"date_format": "DD-MM-YYYY hh:mm"},
        "'DD-MM-YYYY hh:mm' is not a format of dates: write it as %d.%m.%Y %H:%M",
    ),
    "a format without a year": (
        HEAD,
        {"date_format": "%d.%m. %H:%M"},
        '"%d.%m. %H:%M" does not tell all times of all years apart',
    ),
    "a format that is none": (HEAD, {"date_format": "%Q"}, "date_format: "),
    "neither true nor false": (HEAD, {"decimal_comma": "yes"}, "'yes' is not true or false"),
}


@pytest.mark.parametrize(("table", "fields", "expected"), WRONG.values(), ids=WRONG)
def test_a_mistake_says_what_to_do(table: str, fields: dict[str, Any], expected: str) -> None:
    assert expected in refused(table, **fields)


def test_mistakes_in_a_workbook_have_their_row_and_column() -> None:
    book = workbook(
        ("start", "end", "capacity"),
        ("2026-05-04T18:00:00Z", "2026-05-04T19:00:00Z", "lots"),
        ("2026-05-04T19:00:00Z", "2026-05-04T18:00:00Z", 1),
        ("2026-05-04T19:00:00Z",),
    )
    assert refused(TableFile("plan.xlsx", book)).splitlines() == [
        'plan.xlsx:2:3: "lots" is not a number: write it as 42 or 35.5',
        "plan.xlsx:3:2: the block does not end after it starts",
        'plan.xlsx:4:2: "" is not a date-time: write it as 2026-03-01T18:00:00Z, or give '
        "date_format",
    ]


@pytest.mark.parametrize(
    ("table", "fields", "expected"),
    [
        (
            "start,capacity\n9999-12-31T23:59:59,1\n",
            {"step": "15m", "time_zone": "America/New_York"},
            '2:1: "9999-12-31T23:59:59" is out of range in UTC: give a year 1 to 9999',
        ),
        (
            "start,capacity\n0001-01-01T00:00:00,1\n",
            {"step": "15m", "time_zone": "Europe/Amsterdam"},
            '2:1: "0001-01-01T00:00:00" is out of range in UTC: give a year 1 to 9999',
        ),
        (
            "start,end,capacity\n" + "9999-12-31T23:59:59.999999Z," * 2 + "1\n",
            {},
            "2:1: the block ends after year 9999",
        ),
    ],
)
def test_at_the_ends_of_time(table: str, fields: dict[str, Any], expected: str) -> None:
    assert expected in refused(table, **fields)


def test_a_format_that_says_something_twice() -> None:
    with pytest.raises(ValueError, match="redefinition of group name"):
        blocks("start,capacity\n1,2\n", date_format="%d.%m.%Y %H:%M %Y", step="15m")


# What is large is made by its test: each process collects this file.
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: "start,capacity\n" + "x\n" * 1_000_000, "1 cells, 2 expected"),
        (lambda: 'start,capacity\n"' + "a" * 4_000_000 + '"\n', "1 cells, 2 expected"),
    ],
    ids=["rows that are none", "one long cell"],
)
def test_a_large_mistake_takes_no_long_time_and_little_memory(
    make: Callable[[], str], expected: str
) -> None:
    table = make()
    tracemalloc.start()
    began = time.process_time()
    try:
        assert expected in refused(table, step="15m")
        assert time.process_time() - began < 4.0
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()


def workbook_with(old: bytes, new: bytes) -> TableFile:
    """Return a workbook whose sheet has something else in the place of a part of its XML."""
    written = BytesIO(workbook(["start", "capacity"], ["2026-05-04T16:00:00Z", 1]))
    content = BytesIO()
    with ZipFile(written) as book, ZipFile(content, "w", ZIP_DEFLATED) as changed:
        for name in book.namelist():
            part = book.read(name)
            changed.writestr(name, part.replace(old, new) if "sheet1" in name else part)
    return TableFile("plan.xlsx", content.getvalue())


def test_a_sheet_that_reaches_to_the_last_cell() -> None:
    """As a spreadsheet says of one in which whole columns are coloured."""
    table = workbook_with(b'ref="A1:B2"', b'ref="A1:XFD1048576"')
    began = time.process_time()
    assert [value for _, _, value in blocks(table, step="15m")] == [1]
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: b'<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>',
        lambda: b"".join(b'<row r="%d"><c r="XFD%d"/></row>' % (at, at) for at in range(3, 2000)),
        lambda: b"<row>" + b" " * 100_000_000 + b"</row>",
    ],
    ids=["rows", "columns", "bytes"],
)
def test_a_small_workbook_that_unfolds_to_a_large_one(make: Callable[[], bytes]) -> None:
    table = workbook_with(b"</sheetData>", make() + b"</sheetData>")
    assert len(table.data) < 200_000
    began = time.process_time()
    assert "it is far too large" in refused(table, step="15m")
    assert time.process_time() - began < 5.0


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_a_mistake(data: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"\xff\xfe"):
        assert refused(TableFile("plan", start + data)).startswith("plan")


def arrived(simulator: Simulator) -> list[tuple[str, str, float]]:
    [entry] = simulator.journal.entries(
        party="flexibility_provider", action="UpdateGroupCapacityForecast", sent=False
    )
    assert entry.request is not None
    assert entry.request.body is not None
    return [
        (each["start_time"], each["end_time"], each["capacity"])
        for each in json.loads(entry.request.body)["forecasted_blocks"]
    ]


def path_of(simulator: Simulator) -> str:
    return f"{simulator.url}/_sim/providers/3/forecast"


def test_a_table_is_the_body(simulator: Simulator) -> None:
    answer = requests.post(
        path_of(simulator),
        params={
            "time_zone": "Europe/Amsterdam",
            "date_format": "%d-%m-%Y %H:%M",
            "decimal_comma": "true",
            "user": "42",
            "type": "GENERATION",
            "columns": ["start_time=Begin", "end_time=Eind", "capacity=Vermogen (kW)"],
        },
        data=DUTCH.encode(),
        headers={"Content-Type": "text/csv; charset=utf-8"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["status"]) == (200, 204)
    assert arrived(simulator) == BLOCKS


def test_a_table_is_a_file_of_a_form(simulator: Simulator) -> None:
    book = workbook(*(line.split(";") for line in DUTCH.splitlines()))
    answer = requests.post(
        path_of(simulator),
        data={**WRITTEN, "decimal_comma": "true", "columns": COLUMNS},
        files={"file": ("plan.xlsx", book)},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["status"]) == (200, 204)
    assert arrived(simulator) == BLOCKS


COLUMNS = ["start_time=Begin", "end_time=Eind", "capacity=Vermogen (kW)"]
CSV = {"Content-Type": "text/csv"}
BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "a cell": (
        {"files": {"file": ("plan.csv", b"start,end,capacity\nx,y,1\n")}},
        400,
        'plan.csv:2:1: "x" is not a date-time',
    ),
    "two files": ({"files": [("a", b"a"), ("b", b"b")]}, 400, "one file is expected in the form"),
    "a field that is none": (
        {"data": b"start,end,capacity\n", "headers": CSV, "params": {"grp": "foo-group"}},
        400,
        'unknown field "grp"; did you mean "group"?',
    ),
    "the table twice": (
        {"data": b"start,end,capacity\n", "headers": CSV, "params": {"csv": "x"}},
        400,
        "csv: the table is sent already: leave it out",
    ),
    "neither true nor false": (
        {"data": b"start,end,capacity\n", "headers": CSV, "params": {"decimal_comma": "yes"}},
        400,
        "decimal_comma: ",
    ),
}


@pytest.mark.parametrize(("sent", "status", "expected"), BAD.values(), ids=BAD)
def test_a_request_that_makes_no_sense(
    simulator: Simulator, sent: dict[str, Any], status: int, expected: str
) -> None:
    answer = requests.post(path_of(simulator), timeout=10, **sent)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(expected)


def test_what_is_not_a_forecast_is_not_read_from_a_table(simulator: Simulator) -> None:
    address = f"{simulator.url}/_sim/providers/3/heartbeat"
    answer = requests.post(address, data=b"a", headers=CSV, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (
        415,
        "heartbeat is not read from a table: send JSON",
    )


# The command.


def forecast(simulator: Simulator, *arguments: str, given: bytes | None = None) -> Result:
    command = ["forecast", "3", *arguments, "--url", simulator.url]
    return CliRunner().invoke(main, command, input=given)


def test_the_command_sends_a_file(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(DUTCH)
    options = ["--time-zone", "Europe/Amsterdam", "--date-format", "%d-%m-%Y %H:%M"]
    options += [word for each in COLUMNS for word in ("--column", each)]
    done = forecast(simulator, str(path), *options, "--decimal-comma", "--user", "42")
    assert done.output.startswith("Capacity Provider 3 sent UpdateGroupCapacityForecast: 204 ")
    assert done.exit_code == 0
    assert arrived(simulator) == BLOCKS


def test_the_command_names_file_row_and_column(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text("start,end,capacity\n2026-05-04T18:00:00Z,2026-05-04T19:00:00Z,lots\n")
    done = forecast(simulator, str(path))
    assert done.exit_code == 2
    assert done.stderr.startswith(
        'oscp-sim forecast: plan.csv:2:43: "lots" is not a number: write it as 42 or 35.5'
    )


def test_the_command_reads_its_input_and_says_what_was_refused(simulator: Simulator) -> None:
    table = b"start,capacity\n2026-05-04T18:00:00Z,1\n"
    simulator.faults.add(where="flexibility_provider", fault="status", status=503, times=1)
    done = forecast(simulator, "-", "--step", "15m", given=table)
    assert (done.exit_code, " 503 " in done.output) == (1, True)
    assert forecast(simulator, "-", "--step", "15m", given=table).exit_code == 0


@pytest.mark.parametrize("name", ["plan.xls", "plan.XLSX"])
@pytest.mark.parametrize("data", [b"\xd0\xcf\x11\xe0\x00\x00", b"\xff\xfe\x00\x01"])
def test_what_is_called_a_workbook_and_is_none(name: str, data: bytes) -> None:
    said = "is not a workbook that can be read here: save it as XLSX, or as CSV"
    assert refused(TableFile(name, data)) == f"{name}: {said}"


def test_the_command_without_a_simulator() -> None:
    command = ["forecast", "3", "-", "--url", "http://127.0.0.1:1"]
    done = CliRunner().invoke(main, command, input=b"a")
    assert done.exit_code == 3
    assert "there is no simulator at http://127.0.0.1:1" in done.stderr
    assert done.stderr.endswith("; start one with oscp-sim serve, or say where it is with --url\n")
    assert "Traceback" not in done.output


def test_the_command_shows_the_control_token(tmp_path: Path) -> None:
    table = b"start,capacity\n2026-05-04T18:00:00Z,1\n"
    with Simulator(clock=FrozenClock(NOW), control_token="let-me") as simulator:
        assert forecast(simulator, "-", "--step", "1h", given=table).exit_code == 2
        options = ["--step", "1h", "--control-token", "let-me"]
        assert forecast(simulator, "-", *options, given=table).exit_code == 0

"""Cases C1 to C61: an adjustment whose fields are special."""

from __future__ import annotations

from tests.cases.case import Case, case
from tests.cases.payloads import DROP, END, START, block, capacity, forecast, one_block

MIDDLE = "2031-03-01T00:10:00Z"

VALUES: tuple[Case, ...] = (
    case(
        "C1 A", "y y Q 204 invalid", "zero-length block (end == start)", one_block(end_time=START)
    ),
    case(
        "C2 A",
        "y y Q 204 invalid",
        "block ends before it starts",
        one_block(start_time=END, end_time=START),
    ),
    case(
        "C3 A",
        "y y Q 204 invalid",
        "two overlapping blocks, same phase and unit",
        forecast(
            forecasted_blocks=[
                block(),
                block(start_time=MIDDLE, end_time="2031-03-01T00:25:00Z"),
            ]
        ),
    ),
    case(
        "C4 A",
        "y y Q 204 invalid",
        "same block twice",
        forecast(forecasted_blocks=[block(), block()]),
    ),
    case(
        "C5 A",
        "y y Q 204 unclear",
        "mixed units for the same interval",
        forecast(forecasted_blocks=[block(), block(unit="A", phase="ONE")]),
    ),
    case(
        "C6 A",
        "y y Q 204 unclear",
        "ampere with phase ALL (ampere is per phase)",
        one_block(unit="A"),
    ),
    case(
        "C7 A",
        "y y Q 204 unclear",
        "block wholly in the past",
        one_block(start_time="2021-03-01T00:00:00Z", end_time="2021-03-01T00:15:00Z"),
    ),
    case("C8 A", "y y Q 204 unclear", "empty group_id string", forecast(group_id="")),
    case(
        "C9 A",
        "y y D-size 204 unclear",
        "group_id of 100000 characters",
        forecast(group_id="g" * 100000),
    ),
    case(
        "C10 A",
        "y y Q 204 unclear",
        "group_id with a lone high surrogate escape",
        forecast(group_id="foo-\ud83d"),
    ),
    case(
        "C11 A",
        "y y Q 500 unclear",
        "group_id with an escaped NUL",
        forecast(group_id="foo\0group"),
    ),
    case(
        "C12 A",
        "y y Q 204 unclear",
        "group_id with escaped tab and newline",
        forecast(group_id="foo\tgroup\n"),
    ),
    case("C13 A", "n n D-schema 422 invalid", "group_id missing", forecast(group_id=DROP)),
    case("C14 A", "n n D-schema 422 invalid", "group_id null", forecast(group_id=None)),
    case("C15 A", "n n D-schema 204 invalid", "group_id integer", forecast(group_id=7)),
    case("C16 A", "n n D-schema 204 invalid", "group_id boolean", forecast(group_id=True)),
    case("C17 A", "n n D-schema 422 invalid", "type missing", forecast(type=DROP)),
    case("C18 A", "n n D-schema 422 invalid", "type null", forecast(type=None)),
    *(
        case(
            f"C{number} A",
            "n n D-schema 422 invalid",
            f"type bad enum value '{value}'",
            forecast(type=value),
        )
        for number, value in enumerate(
            (
                "consumption",
                "Consumption",
                "CONSUMPTION ",
                "FALLBACK-CONSUMPTION",
                "FallbackConsumption",
                "OPTIMAL",
                "",
                "c",
            ),
            start=19,
        )
    ),
    case("C27 A", "n n D-schema 422 invalid", "type integer (enum ordinal)", forecast(type=0)),
    case(
        "C28 A",
        "n n D-schema 422 invalid",
        "forecasted_blocks missing",
        forecast(forecasted_blocks=DROP),
    ),
    case(
        "C29 A",
        "n n D-schema 422 invalid",
        "forecasted_blocks null",
        forecast(forecasted_blocks=None),
    ),
    case(
        "C30 A",
        "n n D-schema 422 invalid",
        "forecasted_blocks empty",
        forecast(forecasted_blocks=[]),
    ),
    case(
        "C31 A",
        "n n D-schema 422 invalid",
        "forecasted_blocks an object, not an array",
        forecast(forecasted_blocks=block()),
    ),
    case(
        "C32 A",
        "n n D-schema 204 invalid",
        "forecasted_blocks holds null",
        forecast(forecasted_blocks=[None]),
    ),
    case(
        "C33 A",
        "n n D-schema 422 invalid",
        "forecasted_blocks holds an empty object",
        forecast(forecasted_blocks=[{}]),
    ),
    case(
        "C34 A",
        "n n D-schema 204 invalid",
        "only the 41st block is bad (negative)",
        forecast(
            forecasted_blocks=[
                block(
                    capacity=-1 if hour == 40 else 10,
                    start_time=f"2031-03-{1 + hour // 24:02}T{hour % 24:02}:00:00Z",
                    end_time=f"2031-03-{1 + hour // 24:02}T{hour % 24:02}:59:00Z",
                )
                for hour in range(48)
            ]
        ),
    ),
    case("C35 A", "n n D-schema 422 invalid", "block lacks capacity", one_block(capacity=DROP)),
    case("C36 A", "n n D-schema 422 invalid", "block lacks phase", one_block(phase=DROP)),
    case("C37 A", "n n D-schema 422 invalid", "block lacks unit", one_block(unit=DROP)),
    case("C38 A", "n n D-schema 422 invalid", "block unit null", one_block(unit=None)),
    case("C39 A", "n n D-schema 422 invalid", "block lacks start_time", one_block(start_time=DROP)),
    case("C40 A", "n n D-schema 422 invalid", "block start_time null", one_block(start_time=None)),
    case("C41 A", "n n D-schema 422 invalid", "block lacks end_time", one_block(end_time=DROP)),
    case("C42 A", "n n D-schema 422 invalid", "phase bad enum 'all'", one_block(phase="all")),
    case("C43 A", "n n D-schema 422 invalid", "phase bad enum 'L1'", one_block(phase="L1")),
    case("C44 A", "n n D-schema 422 invalid", "phase bad enum ''", one_block(phase="")),
    *(
        case(
            f"C{number} A",
            "n n D-schema 422 invalid",
            f"forecast unit bad enum '{unit}'",
            one_block(unit=unit),
        )
        for number, unit in enumerate(("kW", "kWh", "V", "EUR", "EUR/KWH"), start=45)
    ),
    case("C50 A", "n n D-schema 204 invalid", "negative capacity", capacity("-10.5")),
    case("C51 A", "n n D-schema 204 invalid", "tiny negative capacity", capacity("-5e-324")),
    case(
        "C52 A",
        "n n D-schema 204 invalid",
        "negative that underflows a double to zero",
        capacity("-1e-400"),
    ),
    case("C53 A", "n n D-schema 422 invalid", "hugely negative capacity", capacity("-1e400")),
    case("C54 A", "y y D-decode 422 unclear", "far over the double maximum", capacity("1e400")),
    case(
        "C55 A",
        "n y D-json 422 unclear",
        "integer of 1100 digits (over the Jackson 1000 limit)",
        capacity("1" * 1100),
        python=True,
    ),
    case("C56 A", "n n D-schema 422 invalid", "boolean as capacity", capacity("true")),
    case("C57 A", "n n D-schema 204 invalid", "numeric string as capacity", capacity('"10.5"')),
    case("C58 A", "n n D-schema 422 invalid", "empty string as capacity", capacity('""')),
    case("C59 A", "n n D-json 422 invalid", "NaN literal (not JSON)", capacity("NaN")),
    case("C60 A", "n n D-json 422 invalid", "leading zero (not JSON)", capacity("010")),
    case("C61 A", "n n D-schema 422 invalid", "NaN as string", capacity('"NaN"')),
)

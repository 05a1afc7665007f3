"""Cases C62 to C104: an adjustment whose times, or whose whole text, are special."""

from __future__ import annotations

from tests.cases.case import Case, case
from tests.cases.payloads import DROP, block, changed, forecast, forecast_value, one_block, text

VALID = forecast()
DEEP = '{"a":' * 600 + "1" + "}" * 600


def starting(identifier: str, verdicts: str, what: str, start_time: str, **marks: bool) -> Case:
    """Answers with the case of an adjustment whose one block starts at such a text."""
    return case(
        f"{identifier} A",
        verdicts,
        f"start_time: {what}",
        one_block(start_time=start_time),
        **marks,
    )


TIMES: tuple[Case, ...] = (
    starting(
        "C62",
        "y y D-decode 422 valid",
        "6 fraction digits (Python isoformat)",
        "2031-03-01T00:00:00.123456+00:00",
    ),
    starting(
        "C63",
        "n y D-schema 422 unclear",
        "10 fraction digits",
        "2031-03-01T00:00:00.1234567890Z",
        python=True,
    ),
    starting("C64", "y y D-decode 422 unclear", "lower-case z", "2031-03-01T00:00:00z"),
    starting(
        "C65", "y y D-decode 422 unclear", "space separator", "2031-03-01 00:00:00Z", python=False
    ),
    starting("C66", "n y D-schema 422 invalid", "no offset", "2031-03-01T00:00:00"),
    starting(
        "C67",
        "n y D-schema 422 invalid",
        "pyoscp style: space and no offset",
        "2031-03-01 00:00:00",
    ),
    starting("C68", "n y D-schema 422 invalid", "date only", "2031-03-01"),
    starting("C69", "n y D-schema 422 invalid", "offset without colon", "2031-03-01T00:00:00+0000"),
    starting(
        "C70",
        "n y D-schema 204 unclear",
        "-00:00 unknown local offset",
        "2031-03-01T00:00:00-00:00",
        python=True,
    ),
    starting("C71", "n y D-schema 204 invalid", "hour 24", "2031-02-28T24:00:00Z"),
    starting(
        "C72",
        "n y D-schema 422 invalid",
        "second 60 on a day without a leap second",
        "2031-02-28T23:59:60Z",
    ),
    starting(
        "C73",
        "y y D-decode 422 unclear",
        "real leap second 2016-12-31",
        "2016-12-31T23:59:60Z",
        python=False,
    ),
    starting("C74", "n y D-schema 204 invalid", "30 February", "2031-02-30T00:00:00Z"),
    starting("C75", "n y D-schema 204 invalid", "leading space", " 2031-03-01T00:00:00Z"),
    starting("C76", "y y Q 204 invalid", "trailing space", "2031-03-01T00:00:00Z ", python=False),
    starting(
        "C77",
        "y y Q 204 invalid",
        "trailing newline (Python $ regex trap)",
        "2031-03-01T00:00:00Z\n",
    ),
    starting("C78", "n y D-schema 422 invalid", "empty string", ""),
    starting("C79", "n y D-schema 422 invalid", "epoch seconds as a string", "1930089600"),
    starting("C80", "n y D-schema 422 invalid", "word", "midnight"),
    starting(
        "C81",
        "n y D-schema 422 invalid",
        "Arabic-Indic digit in the year",
        "203\N{ARABIC-INDIC DIGIT ONE}-03-01T00:00:00Z",
    ),
    case(
        "C82 A",
        "n n D-schema 204 invalid",
        "start_time as epoch seconds number",
        one_block(start_time=1930089600),
    ),
    case(
        "C83 A",
        "n n D-schema 204 invalid",
        "start_time as epoch millis number",
        one_block(start_time=1930089600000),
    ),
)

TEXTS: tuple[Case, ...] = (
    *TIMES,
    case("C84 A", "n n D-document 422 invalid", "empty string", '""'),
    case("C85 A", "n n D-document 422 invalid", "JSON null", "null"),
    case("C86 A", "n n D-document 422 invalid", "JSON array", f"[{VALID}]"),
    case("C87 A", "n n D-schema 422 invalid", "empty object", "{}"),
    case("C88 A", "n n D-json 422 invalid", "last brace cut off", VALID[:-1]),
    case("C89 A", "n n D-json 422 invalid", "trailing garbage", f"{VALID} and more"),
    case("C90 A", "n n D-json 204 invalid", "leading byte-order mark", f"\ufeff{VALID}"),
    case("C91 A", "n n D-json 422 invalid", "single quotes", VALID.replace('"', "'")),
    case("C92 A", "n n D-json 422 invalid", "trailing comma in object", f"{VALID[:-1]},}}"),
    case("C93 A", "n n D-json 422 invalid", "block comment", f"/* tomorrow */{VALID}"),
    case(
        "C94 A",
        "n n D-json 422 invalid",
        "raw newline inside a string",
        VALID.replace("foo-group", "foo-\ngroup"),
    ),
    case(
        "C95 A",
        "n n D-json 422 invalid",
        r"bad escape \x41",
        VALID.replace("foo-group", r"foo-\x41group"),
    ),
    case(
        "C96 A",
        "n n D-document 422 invalid",
        "message double encoded as a JSON string",
        text(VALID),
    ),
    case(
        "C97 A",
        "n n D-schema 422 invalid",
        "message nested one level too deep",
        text({"msg": forecast_value()}),
    ),
    case(
        "C98 A",
        "y y Q 204 unclear",
        "duplicate key group_id (last one wins, valid)",
        VALID.replace("{", '{"group_id":7,', 1),
    ),
    case(
        "C99 A",
        "n n D-schema 204 invalid",
        "duplicate key group_id, last one is a number",
        f'{VALID[:-1]},"group_id":7}}',
    ),
    case(
        "C100 A",
        "n n D-schema 204 invalid",
        "duplicate key capacity, last one is negative",
        VALID.replace("10.5", '10.5,"capacity":-10.5'),
    ),
    case(
        "C101 A",
        "n n D-schema 422 invalid",
        "camelCase keys",
        text({"groupId": "foo-group", "type": "CONSUMPTION", "forecastedBlocks": [block()]}),
    ),
    case(
        "C102 A",
        "n n D-schema 422 invalid",
        "capitalised keys",
        text({"Group_id": "foo-group", "Type": "CONSUMPTION", "Forecasted_blocks": [block()]}),
    ),
    case(
        "C103 A",
        "n n D-schema 422 invalid",
        "camelCase times in the block",
        one_block(
            start_time=DROP,
            end_time=DROP,
            startTime=block()["start_time"],
            endTime=block()["end_time"],
        ),
    ),
    case(
        "C104 A",
        "n y D-json 422 unclear",
        "extra property nested 600 deep (over the Jackson 3 limit of 500)",
        text(changed(forecast_value(), {"extra": 0})).replace('"extra":0', f'"extra":{DEEP}'),
        python=True,
    ),
)

"""What is read as a date-time: the table of docs/protocol/oscp20.md §9.1, and what it lacks."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker

import oscp_schemas
from oscp_schemas.date_time import itu_reads, rfc3339_reads
from oscp_send.testing import date_times
from tests.oscp_schemas import oracles

# Text, then whether it is read by SolarNetwork, by Python's rfc3339-validator, and by RFC 3339.
ROWS = {
    "plain": ("2031-03-01T00:00:00Z", True, True, True),
    "offset": ("2031-03-01T00:00:00+08:00", True, True, True),
    "blank in place of T": ("2031-03-01 00:00:00Z", True, False, False),
    "lower-case t": ("2031-03-01t00:00:00Z", True, True, True),
    "lower-case z": ("2031-03-01T00:00:00z", True, True, True),
    "1 fraction digit": ("2031-03-01T00:00:00.1Z", True, True, True),
    "2 fraction digits": ("2031-03-01T00:00:00.12Z", True, True, True),
    "3 fraction digits": ("2031-03-01T00:00:00.123Z", True, True, True),
    "6 fraction digits": ("2031-03-01T00:00:00.123456Z", True, True, True),
    "9 fraction digits": ("2031-03-01T00:00:00.123456789Z", True, True, True),
    "10 fraction digits": ("2031-03-01T00:00:00.1234567890Z", False, True, True),
    "20 fraction digits": ("2031-03-01T00:00:00.12345678901234567890+01:00", False, True, True),
    "no fraction digit": ("2031-03-01T00:00:00.Z", False, False, False),
    "-00:00": ("2031-03-01T00:00:00-00:00", False, True, True),
    "+00:00": ("2031-03-01T00:00:00+00:00", True, True, True),
    "+18:00": ("2031-03-01T00:00:00+18:00", True, True, True),
    "+18:01": ("2031-03-01T00:00:00+18:01", False, True, True),
    "-18:01": ("2031-03-01T00:00:00-18:01", False, True, True),
    "+24:00": ("2031-03-01T00:00:00+24:00", False, False, False),
    "+01:60": ("2031-03-01T00:00:00+01:60", False, False, False),
    "leap second": ("2016-12-31T23:59:60Z", True, False, True),
    "leap second with fraction": ("2016-12-31T23:59:60.5Z", True, False, True),
    "leap second, western offset": ("2016-12-31T15:59:60-08:00", True, False, True),
    "leap second, eastern offset": ("2017-01-01T08:59:60+09:00", True, False, True),
    "second 60 on another day": ("2031-03-01T23:59:60Z", False, False, True),
    "second 60 in June of a year that had one in December": (
        *("2016-06-30T23:59:60Z", False, False),
        True,
    ),
    "second 60 at noon of a leap second's day": ("2016-12-31T12:00:60Z", False, False, False),
    "second 61": ("2016-12-31T23:59:61Z", False, False, False),
    "year 0000": ("0000-01-01T00:00:00Z", True, False, True),
    "29 February 0000": ("0000-02-29T00:00:00Z", True, False, True),
    "year 9999": ("9999-12-31T23:59:59-12:00", True, True, True),
    "text after Z": ("2031-03-01T00:00:00Z[UTC]", True, False, False),
    "text after the offset": ("2031-03-01T00:00:00+01:00[Europe/Berlin]", True, False, False),
    "trailing blank": ("2031-03-01T00:00:00Z ", True, False, False),
    "trailing newline": ("2031-03-01T00:00:00Z\n", True, True, False),
    "leading blank": (" 2031-03-01T00:00:00Z", False, False, False),
    "30 February": ("2031-02-30T00:00:00Z", False, False, False),
    "29 February": ("2032-02-29T00:00:00Z", True, True, True),
    "29 February of another year": ("2031-02-29T00:00:00Z", False, False, False),
    "31 April": ("2031-04-31T00:00:00Z", False, False, False),
    "day 0": ("2031-03-00T00:00:00Z", False, False, False),
    "month 0": ("2031-00-01T00:00:00Z", False, False, False),
    "month 13": ("2031-13-01T00:00:00Z", False, False, False),
    "hour 24": ("2031-03-01T24:00:00Z", False, False, False),
    "minute 60": ("2031-03-01T00:60:00Z", False, False, False),
    "no offset": ("2031-03-01T00:00:00", False, False, False),
    "no seconds": ("2031-03-01T00:00Z", False, False, False),
    "date only": ("2031-03-01", False, False, False),
    "+0000": ("2031-03-01T00:00:00+0000", False, False, False),
    "Arabic-Indic digit": ("203\u0661-03-01T00:00:00Z", False, False, False),
    "five-digit year": ("12031-03-01T00:00:00Z", False, False, False),
    "signed year": ("+2031-03-01T00:00:00Z", False, False, False),
    "empty": ("", False, False, False),
    "word": ("midnight", False, False, False),
    "lone surrogate": ("\ud83d", False, False, False),
    "lone surrogate after it": ("2031-03-01T00:00:00Z\ud83d", True, False, False),
}

by_row = pytest.mark.parametrize(
    ("text", "observed", "python", "documented"), ROWS.values(), ids=ROWS.keys()
)


def is_taken(text: str, fidelity: oscp_schemas.Fidelity) -> bool:
    """Return the verdict of a judgement, after checking that jsonschema agrees."""
    message = {"offline_mode_at": text}
    violations = oscp_schemas.judge("Heartbeat", message, fidelity=fidelity)
    assert oracles.violations(oracles.validator("Heartbeat", fidelity), message) == violations
    assert [violation.rule for violation in violations] in ([], ["format"])
    return violations == []


@by_row
def test_observed(text: str, observed: bool, python: bool, documented: bool) -> None:
    assert itu_reads(text) == observed
    assert is_taken(text, "observed") == observed


@by_row
def test_documented(text: str, observed: bool, python: bool, documented: bool) -> None:
    assert rfc3339_reads(text) == documented
    assert is_taken(text, "documented") == documented


@by_row
def test_what_the_table_says_of_python(
    text: str, observed: bool, python: bool, documented: bool
) -> None:
    assert FormatChecker().conforms(text, "date-time") == python


def test_the_refusal_of_a_time_says_what_one_looks_like() -> None:
    (violation,) = oscp_schemas.judge("Heartbeat", {"offline_mode_at": "tomorrow"})
    assert violation == oscp_schemas.Violation(
        pointer="/offline_mode_at",
        rule="format",
        message='"tomorrow" is not an RFC 3339 date-time such as 2031-03-01T00:15:00Z',
        expected="date-time",
        got="tomorrow",
    )


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-18 * 60, 18 * 60))
def test_whatever_python_writes_with_an_offset_is_read(moment: datetime, minutes: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert is_taken(local.isoformat(), "documented")
    assert is_taken(local.isoformat(), "observed")


@given(date_times())
def test_what_other_tests_use_as_times_is_read(text: str) -> None:
    assert is_taken(text, "documented")
    assert is_taken(text, "observed")


@given(st.text())
def test_no_arbitrary_text_is_read(text: str) -> None:
    assert not is_taken(text, "documented")
    assert not is_taken(text, "observed")


@given(date_times(), st.data())
def test_one_changed_character_is_judged_by_the_grammar(text: str, data: st.DataObject) -> None:
    """Held against RFC 3339 as Python's own validator reads it, where the two can agree."""
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.sampled_from("0123456789-:.+TtZz ")) + text[at + 1 :]
    if ":60" not in changed and not changed.startswith("0000"):
        plain = Draft7Validator({"format": "date-time"}, format_checker=FormatChecker())
        assert is_taken(changed, "documented") == plain.is_valid(changed)


def test_times_are_asserted_whatever_else_is_installed() -> None:
    """Without rfc3339-validator, plain jsonschema takes any text as a date-time."""
    program = """
import sys
sys.modules["rfc3339_validator"] = None
from jsonschema import Draft7Validator, FormatChecker
assert Draft7Validator({"format": "date-time"}, format_checker=FormatChecker()).is_valid("never")
import oscp_schemas
for fidelity in ("documented", "observed"):
    violations = oscp_schemas.judge("Heartbeat", '{"offline_mode_at":"never"}', fidelity=fidelity)
    assert [each.rule for each in violations] == ["format"], violations
    assert not oscp_schemas.judge("Heartbeat", {"offline_mode_at": "2031-03-01T00:00:00Z"})
"""
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own program

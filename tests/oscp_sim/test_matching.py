import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oscp_sim.matching import (
    TextPattern,
    match,
    match_headers,
    match_json,
    match_text,
    printable,
    render,
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)
instants = st.datetimes(timezones=st.just(UTC))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def leaves(value: object, above: str = "") -> list[str]:
    members: Any = None
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    if members is None:
        return [above]
    found = []
    for key, member in members:
        found += leaves(member, f"{above}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found


def put(value: object, pointer: str, new: object) -> object:
    if not pointer:
        return new
    value = copy.deepcopy(value)
    *path, last = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    inner: Any = value
    for token in path:
        inner = inner[int(token)] if isinstance(inner, list) else inner[token]
    inner[int(last) if isinstance(inner, list) else last] = new
    return value


@given(values)
def test_anything_matches_itself(value: object) -> None:
    assert match(value, copy.deepcopy(value)) == (True, ())


@given(values, st.data())
def test_a_changed_leaf_never_matches_and_is_named(value: object, data: st.DataObject) -> None:
    places = leaves(value)
    assume(places)
    pointer = data.draw(st.sampled_from(places))
    changed = put(value, pointer, {"not": "a leaf"})
    matched, differences = match(value, changed)
    assert not matched
    assert [difference.pointer for difference in differences] == [pointer]
    assert pointer in str(differences[0])
    assert match(changed, value)[0] is False


@given(st.dictionaries(st.text(max_size=4), values), st.dictionaries(st.text(max_size=4), values))
def test_a_mapping_may_hold_more_and_never_less(
    wanted: dict[str, Any], more: dict[str, Any]
) -> None:
    assert match(wanted, {**more, **wanted})[0]
    for key in wanted:
        less = {name: value for name, value in wanted.items() if name != key}
        matched, (difference,) = match(wanted, less)
        assert (matched, difference.got) == (False, "nothing")


@given(st.lists(values, min_size=1, max_size=5))
def test_a_list_must_have_its_length(items: list[object]) -> None:
    matched, (difference,) = match(items, items[:-1])
    assert not matched
    assert str(difference) == f"expected a list of {len(items)}, got a list of {len(items) - 1}"
    assert not match(items[:-1], items)[0]


@given(instants, offsets, st.sampled_from(["T", "t"]))
def test_date_times_compare_as_instants(when: datetime, offset: timezone, letter: str) -> None:
    assume(datetime(2, 1, 1, tzinfo=UTC) < when < datetime(9998, 1, 1, tzinfo=UTC))
    elsewhere = when.astimezone(offset).isoformat().replace("T", letter)
    assert match(when.isoformat(), elsewhere)[0]
    assert match(when, elsewhere)[0]
    later = (when + timedelta(microseconds=1)).astimezone(offset).isoformat()
    assert not match(when.isoformat(), later)[0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000Z", True),
        ("2026-03-01T00:00:00Z", "2026-03-01T13:00:00+13:00", True),
        ("2026-03-01T00:00:00.1234567891Z", "2026-03-01T00:00:00.12345678910z", True),
        ("2026-03-01T00:00:00.1234567891Z", "2026-03-01T00:00:00.1234567892Z", False),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.0+14:00", True),
        ("2026-03-01T00:00:00Z", "2026-03-01 00:00:00Z", False),
        ("2026-03-01T00:00:00", "2026-03-01T00:00:00.0", False),
        ("2026-02-30T00:00:00Z", "2026-02-30T00:00:00.0Z", False),
        ("2026-03-01T00:00:00." + "1" * 9999 + "Z", "2026-03-01T00:00:00Z", False),
        (42, 42.0, True),
        (0.1, 0.1000001, False),
        (1, True, False),
        (0, False, False),
        (True, True, True),
        (None, False, False),
        (None, 0, False),
        ("1", 1, False),
        ([], {}, False),
        ([], "", False),
    ],
)
def test_what_is_the_same(one: object, other: object, same: bool) -> None:
    assert match(one, other)[0] is same
    assert match(other, one)[0] is same


def test_every_difference_is_reported() -> None:
    expected = {"a": 1, "b": [1, {"c/d": 2}], "e": 5}
    _, differences = match(expected, {"a": 2, "b": [1, {"c/d": 3}]})
    assert list(map(str, differences)) == [
        "/a: expected 1, got 2",
        "/b/1/c~1d: expected 2, got 3",
        "/e: expected 5, got nothing",
    ]


def test_of_long_texts_the_part_that_differs_is_shown() -> None:
    one = "x" * 5000
    _, (difference,) = match(one + "here" + one, one + "there" + one)
    assert "xxhere" in difference.expected
    assert "xxthere" in difference.got
    assert "from character 4981" in difference.got
    _, (shorter,) = match(one, one[:-1])
    assert shorter.expected != shorter.got


@given(values)
def test_json_text_matches_the_value_that_it_writes(value: object) -> None:
    assume(not isinstance(value, str))
    assert match_json(value, json.dumps(value))[0]


@pytest.mark.parametrize("text", ["", "{", "nope", "[" * 100_000])
def test_what_is_not_json_says_so(text: str) -> None:
    matched, (difference,) = match_json({"a": 1}, text)
    assert not matched
    assert difference.got.endswith("which is not JSON")
    assert len(difference.got) < 200


def test_an_expected_text_is_the_body_itself() -> None:
    assert match_json('{"a":1}', '{"a":1}')[0]
    assert not match_json('{"a":1}', '{"a": 1}')[0]


class TestHeaders:
    got = (("X-Request-ID", "u4"), ("accept", "a"), ("Accept", "b"))

    @pytest.mark.parametrize(
        "expected",
        [
            {},
            {"x-request-id": "u4"},
            {"X-REQUEST-ID": "u4", "ACCEPT": "b"},
            {"Accept": "a"},
            {"X-Correlation-ID": None},
        ],
    )
    def test_names_have_no_case(self, expected: dict[str, str | None]) -> None:
        assert match_headers(expected, self.got) == (True, ())

    @pytest.mark.parametrize(
        ("expected", "words"),
        [
            ({"X-Request-ID": "U4"}, '/X-Request-ID: expected "U4", got "u4"'),
            ({"X-Correlation-ID": "r1"}, '/X-Correlation-ID: expected "r1", got nothing'),
            ({"x-request-id": None}, '/x-request-id: expected nothing, got "u4"'),
            ({"Accept": "c"}, '/Accept: expected "c", got "a", "b"'),
        ],
    )
    def test_a_difference_names_the_header(
        self, expected: dict[str, str | None], words: str
    ) -> None:
        matched, (difference,) = match_headers(expected, self.got)
        assert (matched, str(difference)) == (False, words)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (TextPattern("is", "Unknown"), "Unknown", "Unknown group"),
        (TextPattern("starts_with", "Unknown"), "Unknown group", "An Unknown group"),
        (TextPattern("matches", r"\[\w+\]$"), "Unsupported [X]", "Unsupported X"),
    ],
)
def test_text_patterns(pattern: TextPattern, good: str, bad: str) -> None:
    assert match_text(pattern, good) == (True, ())
    assert match({"reason": pattern}, {"reason": good}) == (True, ())
    for got in (bad, None):
        matched, (difference,) = match_text(pattern, got)
        assert not matched
        assert difference.expected == str(pattern)
        assert match({"reason": pattern}, {"reason": got})[1][0].pointer == "/reason"
    assert not match(pattern, 5)[0]


@given(st.text() | values)
def test_rendered_values_stay_on_one_short_line(value: object) -> None:
    assert render(value).isprintable()
    assert len(render({"text": value, "more": "y" * 1000})) < 2000


def test_escapes_cannot_move_a_cursor() -> None:
    assert printable("a\x1b[2J\nb\u202eé\ud800") == "a\\x1b[2J\\nb\\u202eé\\ud800"

"""Reading JSON: as strict as the service, with a reason and a place for everything refused."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import oscp_schemas
from oscp_send.testing import Sample, json_values, messages

REFUSED = {
    # The text, the kind, the place (line, column), what is at fault, and what was expected.
    "NaN": ('{"a":NaN}', "unrecognized-token", (1, 6), "NaN", "value"),
    "Infinity": ("[Infinity]", "unrecognized-token", (1, 2), "Infinity", "value"),
    "-Infinity": ("[-Infinity]", "unrecognized-token", (1, 2), "-Infinity", "value"),
    "Python literal": ("[True]", "unrecognized-token", (1, 2), "True", "value"),
    "word": ("not json", "unrecognized-token", (1, 1), "not", "value"),
    "word cut short": ("[tru]", "unrecognized-token", (1, 2), "tru", "value"),
    "word too long": ("[nullable]", "unrecognized-token", (1, 2), "nullable", "value"),
    "line comment": ("// c\n{}", "unexpected-character", (1, 1), "/", "value"),
    "block comment": ("{/* c */}", "unexpected-character", (1, 2), "/", "property name"),
    "single quotes": ("{'a':1}", "unexpected-character", (1, 2), "'", "property name"),
    "unquoted name": ("{a:1}", "unexpected-character", (1, 2), "a", "property name"),
    "comma last in object": ('{"a":1,}', "unexpected-character", (1, 8), "}", "property name"),
    "comma last in array": ("[1,]", "unexpected-character", (1, 4), "]", "value"),
    "comma first": ("[,1]", "unexpected-character", (1, 2), ",", "value"),
    "no colon": ('{"a" 1}', "unexpected-character", (1, 6), "1", "colon"),
    "no comma in object": (
        '{"a":1\n "b":2}',
        *("unexpected-character", (2, 2), '"', "comma or end of object"),
    ),
    "no comma in array": ("[1 2]", "unexpected-character", (1, 4), "2", "comma or end of array"),
    "wrong bracket": ('{"a":1]', "unexpected-character", (1, 7), "]", "comma or end of object"),
    "no value": ('{"a":}', "unexpected-character", (1, 6), "}", "value"),
    "leading plus": ("[+1]", "bad-number", (1, 2), "+1", "no plus sign"),
    "leading zero": ('{"a":010}', "bad-number", (1, 6), "010", "no leading zero"),
    "negative leading zero": ("[-01]", "bad-number", (1, 3), "-01", "no leading zero"),
    "point first": ("[.5]", "bad-number", (1, 2), ".5", "digit after sign"),
    "point last": ("[1.]", "bad-number", (1, 4), "1.", "digit after point"),
    "minus alone": ("[-]", "bad-number", (1, 3), "-", "digit after sign"),
    "exponent alone": ("[1e]", "bad-number", (1, 4), "1e", "digit in exponent"),
    "two points": ("[1.5.2]", "bad-number", (1, 5), "1.5.2", "end of number"),
    "hexadecimal": ("[0x1F]", "bad-number", (1, 3), "0x1F", "end of number"),
    "underscore": ("[1_000]", "bad-number", (1, 3), "1_000", "end of number"),
    "number at the end": ("-", "bad-number", (1, 2), "-", "digit after sign"),
    "trailing text": ("{} and more", "trailing-content", (1, 4), "and", "end of text"),
    "trailing brace": ("{}}", "trailing-content", (1, 3), "}", "end of text"),
    "two values": ("1\n2", "trailing-content", (2, 1), "2", "end of text"),
    "raw newline": ('["a\nb"]', "control-character", (1, 4), "\n", "string"),
    "raw NUL": ('"\0"', "control-character", (1, 2), "\0", "string"),
    "raw tab in a name": ('{"a\tb":1}', "control-character", (1, 4), "\t", "string"),
    r"escape \x41": (r'"\x41"', "bad-escape", (1, 3), r"\x", "escape"),
    r"escape \u12g4": (r'"\u12g4"', "bad-escape", (1, 6), r"\u12", "escape"),
    "escape in a name": (r'{"\q":1}', "bad-escape", (1, 4), r"\q", "escape"),
    "brace cut off": ('{"a":1', "end-of-input", (1, 7), None, "comma or end of object"),
    "bracket cut off": ("[1", "end-of-input", (1, 3), None, "comma or end of array"),
    "cut in a string": ('["ab', "end-of-input", (1, 5), None, "string"),
    "cut in a name": ('{"ab', "end-of-input", (1, 5), None, "string"),
    "cut in an escape": ('"ab\\', "end-of-input", (1, 5), None, "escape"),
    "cut in a unicode escape": ('"\\u12', "end-of-input", (1, 6), None, "escape"),
    "cut before a value": ('{"a":', "end-of-input", (1, 6), None, "value"),
    "cut before a name": ("{", "end-of-input", (1, 2), None, "property name"),
    "cut before a colon": ('{"a"', "end-of-input", (1, 5), None, "colon"),
    "empty": ("", "empty", (1, 1), None, None),
    "blank": (" \n\t", "empty", (1, 1), None, None),
    "byte-order mark": ("\ufeff{}", "byte-order-mark", (1, 1), "\ufeff", None),
    "no-break space": ("\u00a0{}", "unexpected-character", (1, 1), "\u00a0", "value"),
}


@pytest.mark.parametrize(
    ("text", "kind", "place", "at_fault", "context"), REFUSED.values(), ids=REFUSED.keys()
)
def test_refused(
    text: str, kind: str, place: tuple[int, int], at_fault: str | None, context: str | None
) -> None:
    with pytest.raises(oscp_schemas.JsonError) as raised:
        oscp_schemas.read(text)
    error = raised.value
    assert (error.kind, (error.line, error.column)) == (kind, place)
    assert (error.token or error.character, error.context) == (at_fault, context)
    assert error.character in (None, text[error.offset : error.offset + 1])
    assert str(error) == f"line {error.line}, column {error.column}: {error.reason}"
    with pytest.raises(oscp_schemas.JsonError) as raised:
        oscp_schemas.read(text.encode())
    assert vars(raised.value) == vars(error)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"a":1,}', "a comma must not come last"),
        ("[1,]", "a comma must not come last"),
        ("{'a':1}", "double quotes only"),
        ("[1] // one", "JSON has no comments"),
        ("[NaN]", "JSON has no NaN"),
        ("[None]", "write null"),
        ("[kW]", "a text needs double quotes"),
        ("\ufeff{}", "without one"),
        ('"a\nb"', "write it as an escape"),
    ],
)
def test_a_reason_says_what_to_do(text: str, hint: str) -> None:
    with pytest.raises(oscp_schemas.JsonError, match=hint):
        oscp_schemas.read(text)


@pytest.mark.parametrize(
    ("data", "column", "byte"),
    [(b'"\xff"', 2, "FF"), (b'"caf\xc3\xa9 \xe9"', 7, "E9"), (b'{"a":"\xed\xa0\xbd"}', 7, "ED")],
)
def test_bytes_that_are_not_utf_8(data: bytes, column: int, byte: str) -> None:
    with pytest.raises(oscp_schemas.JsonError, match=f"found the byte 0x{byte}") as raised:
        oscp_schemas.read(data)
    assert (raised.value.kind, raised.value.column) == ("not-utf8", column)


def test_columns_count_characters_not_bytes_or_code_units() -> None:
    with pytest.raises(oscp_schemas.JsonError) as raised:
        oscp_schemas.read('["\U0001f50c\u00e9",x]'.encode())
    assert raised.value.column == 7


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1,"a":2}', {"a": 2}),
        (r'"\ud83d"', "\ud83d"),
        ('"\ud83d"', "\ud83d"),
        (r'"\ud83d\udd0c"', "\U0001f50c"),
        (r'"\u0000\"\\\/\b\f\n\r\t"', '\0"\\/\b\f\n\r\t'),
        (" \t\r\n[ ] ", []),
        ("-0", 0),
        ("1E+2", 100.0),
        ('"\x7f\u2028"', "\x7f\u2028"),
        ("1e400", Decimal("1e400")),
        ("-1e-400", Decimal("-1e-400")),
        ("0e-400", 0.0),
        ("9" * 5000, Decimal("9" * 5000)),
        # As far beyond a double as a Decimal goes.
        ("1E99999999999999999999", Decimal("1e999999")),
        ("-1e+99999999999999999999", Decimal("-1e999999")),
        ("-1E-99999999999999999999", Decimal("-1e-999999")),
        ("18446744073709551616", 2**64),
    ],
    ids=lambda each: ascii(each)[:24],
)
def test_taken(text: str, value: object) -> None:
    document = oscp_schemas.read(text)
    assert document.value == value
    assert type(document.value) is type(value)
    assert document.text == text


@pytest.mark.parametrize("depth", [501, 600])
def test_depth_is_no_matter_of_json(depth: int) -> None:
    assert oscp_schemas.read("[" * depth + "]" * depth).depth == depth


def too_deep() -> int:
    """A depth, not far beyond the first, that this Python cannot follow."""
    depth = 1_000
    with suppress(RecursionError):
        while json.loads("[" * depth + "]" * depth):
            depth *= 2
    return 2 * depth


def test_depth_that_python_cannot_follow() -> None:
    depth = too_deep()
    with pytest.raises(oscp_schemas.JsonError, match="nested too deeply") as raised:
        oscp_schemas.read('{"a":\n' * depth + "1" + "}" * depth)
    assert (raised.value.kind, raised.value.line) == ("too-deep", depth)
    with pytest.raises(oscp_schemas.JsonError) as raised:
        oscp_schemas.read("[" * depth + "[],\n[]" + "]" * depth)
    assert (raised.value.kind, raised.value.offset) == ("too-deep", depth)
    with pytest.raises(oscp_schemas.JsonError) as raised:
        oscp_schemas.read("[" * depth)
    assert raised.value.kind == "end-of-input"


@given(json_values(), st.sampled_from([None, 2]), st.booleans())
def test_reads_what_python_writes(value: object, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    assert oscp_schemas.read(text).value == value
    assert oscp_schemas.read(text.encode()).value == value


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def is_json(text: str) -> bool:
    try:
        json.JSONDecoder(parse_constant=refuse_constant).decode(text)
    except ValueError:
        return False
    return True


@given(
    st.lists(
        st.sampled_from(
            [
                *('"', "{", "}", "[", "]", ":", ",", " ", "\n", "\\", "a", '"a"', '"a":', "1", "0"),
                *("-", ".", "e", "E", "+", "true", "null", "NaN", "\\u", "d83d", "\x1f", "\u00e9"),
            ]
        ),
        max_size=12,
    ).map("".join)
)
@example('{"a":1,"a":[{}]}')
@example('"\\ud83d"')
def test_the_scan_takes_exactly_what_python_takes(text: str) -> None:
    """Two parsers read a text: Python's for the value, our own for the places and the reasons."""
    try:
        document = oscp_schemas.read(text)
    except oscp_schemas.JsonError:
        assert not is_json(text)
    else:
        assert is_json(text)
        document.locate("")  # by the scan, which raises a JsonError for what it does not take


@given(messages(sound=False), st.data())
def test_a_cut_message_is_refused_where_it_was_cut(sample: Sample, data: st.DataObject) -> None:
    text = json.dumps(sample.message)
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(oscp_schemas.JsonError) as raised:
        oscp_schemas.read(text[:cut])
    assert raised.value.offset <= cut
    # What was not cut within a word or a number ends at the very end.
    if raised.value.kind == "end-of-input":
        assert raised.value.offset == cut
    else:
        assert raised.value.kind in ("bad-number", "unrecognized-token")

"""What SolarUser's parser says of a text that it does not read (solaruser.md §3.3)."""

from __future__ import annotations

import pytest

from oscp_send.judgement import check
from oscp_send.solarnetwork.json_reading import SOURCE
from oscp_send.solarnetwork.request_body import BodyRefused, read_body

ADJUST = "AdjustGroupCapacityForecast"
# Of bytes, and of characters where that is another. As recorded, and said by the library itself.
AT = "(start marker at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
NUMBER = "in numeric value:"
QUOTE = ": was expecting closing quote for a string value"
NAN = "enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
SAID: dict[str, tuple[str, str, str | None]] = {
    "cut-in-object": (
        '{"a":1',
        f"Unexpected end-of-input: expected close marker for Object {AT}; byte offset: #UNKNOWN])",
        None,
    ),
    "cut-behind-colon": ('{"a":', "Unexpected end-of-input within/between Object entries", None),
    "cut-behind-comma": ('{"a":[1,', "Unexpected end-of-input within/between Array entries", None),
    "cut-string": (
        '{"a":"x',
        "Unexpected end-of-input in VALUE_STRING",
        f"Unexpected end-of-input{QUOTE}",
    ),
    "cut-name": ('{"a', "Unexpected end-of-input in property name", None),
    "cut-escape": ('"\\u00', "Unexpected end-of-input in character escape sequence", None),
    "cut-number": (
        '{"a":[1,-',
        "Unexpected end-of-input in VALUE_NUMBER_INT",
        "Unexpected end-of-inputNo digit following sign",
    ),
    "closed-too-often": ("{}}", "Unexpected close marker '}': no open Object to close", None),
    "closed-otherwise": (
        '{"a":[1}',
        "Unexpected close marker '}': expected ']' (for Array starting at [Source: REDACTED "
        "(`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); byte offset: #UNKNOWN])",
        None,
    ),
    "word-behind": ("{} x", f"Unrecognized token 'x': was expecting {VALUES}", None),
    "comment": (
        "{/*c*/}",
        "Unexpected character ('/' (code 47)): maybe a (non-standard) comment? (not recognized as "
        "one since Feature 'ALLOW_COMMENTS' not enabled for parser)",
        None,
    ),
    "no-value": (
        '{"a":}',
        "Unexpected character ('}' (code 125)): expected a value",
        f"Unexpected character ('}}' (code 125)): expected a valid value {VALUES}",
    ),
    "colon": (
        '{"a" 1}',
        "Unexpected character ('1' (code 49)): was expecting a colon to separate property name "
        "and value",
        None,
    ),
    "point": (
        '{"a":1.}',
        f"Unexpected character ('}}' (code 125)) {NUMBER} Decimal point not followed by a digit",
        None,
    ),
    "exponent": (
        '{"a":[1e]',
        f"Unexpected character (']' (code 93)) {NUMBER} Exponent indicator not followed by a digit",
        None,
    ),
    "plus": (
        '{"a":[+1]',
        f"Unexpected character ('+' (code 43)) {NUMBER} JSON spec does not allow numbers to have "
        "plus signs: enable `JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow",
        None,
    ),
    "minus": (
        '{"a":[-]',
        f"Unexpected character (']' (code 93)) {NUMBER} expected digit (0-9) to follow minus sign, "
        "for valid numeric value",
        None,
    ),
    "hexadecimal": (
        '{"a":0x1}',
        "Unexpected character ('x' (code 120)): was expecting comma to separate Object entries",
        None,
    ),
    "zeroes": ('{"a":[01]', "Invalid numeric value: Leading zeroes not allowed", None),
    "infinity": ('{"a":[-Infinity]', f"Non-standard token '-Infinity': {NAN}", None),
    "control-between": (
        "\x1f{}",
        "Illegal character ((CTRL-CHAR, code 31)): only regular white space (\\r, \\n, \\t) is "
        "allowed between tokens",
        None,
    ),
    "control-in-name": (
        '{"a\n":1}',
        "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to "
        "be included in name",
        None,
    ),
    "letter": (
        '{"a":[é]',
        "Invalid UTF-8 start byte 0xa9",
        f"Unrecognized token 'é': was expecting {VALUES}",
    ),
    "escape": ('"\\q"', "Unrecognized character escape 'q' (code 113)", None),
    "hex-digit": (
        '"\\u00q"',
        "Unexpected character ('q' (code 113)): expected a hex-digit for character escape sequence",
        None,
    ),
}


@pytest.mark.parametrize(("text", "of_bytes", "of_text"), SAID.values(), ids=SAID)
def test_what_the_parser_says(text: str, of_bytes: str, of_text: str | None) -> None:
    with pytest.raises(BodyRefused) as refused:
        read_body(text.encode())
    assert refused.value.message == f"Malformed JSON: {of_bytes}"
    assert check(ADJUST, text, "observed").error == (of_text or of_bytes) + SOURCE


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("[" * 501, "Document nesting depth (501) exceeds the maximum allowed (500, from "),
        ("[" * 501 + "]" * 501, "Document nesting depth (501) exceeds the maximum allowed (500, "),
        ('["]\\"]",' * 501 + "1" + "]" * 501, "Document nesting depth (501) exceeds the maximum "),
        (f"[{'9' * 1001}]", "Number value length (1001) exceeds the maximum allowed (1000, from "),
        (
            f"[1.{'9' * 1000}]",
            "Number value length (1001) exceeds the maximum allowed (1000, from ",
        ),
        (f'{{"{"n" * 60000}":1}}', "Name length (60000) exceeds the maximum allowed (50000, from "),
    ],
    ids=["depth", "closed", "behind brackets", "number", "fraction", "name"],
)
def test_a_limit_has_no_place(text: str, limit: str) -> None:
    said = check(ADJUST, text, "observed").error
    assert said is not None
    assert said.startswith(limit)
    assert SOURCE not in said


@pytest.mark.parametrize("before", [0, 1, 999, 1000, 1001, 1500, 2001, 2002])
def test_a_long_number_is_found_wherever_it_is(before: int) -> None:
    for digits, is_over in ((1000, False), (1001, True)):
        text = f"{' ' * before}[{'9' * digits}]"
        said = check(ADJUST, text, "observed").error
        assert said is not None
        assert said.startswith("Number value length (1001)") == is_over


@pytest.mark.parametrize("other", ["", "x", r"\"", r"\\", r"\"\""])
def test_a_long_name_is_found_beside_other_strings(other: str) -> None:
    text = f'{{"a":"{other}","b":[{"[]," * 10_000}0],"{"n" * 50_001}":1}}'
    said = check(ADJUST, text, "observed").error
    assert said is not None
    assert said.startswith("Name length (50001)")


def test_many_brackets_beside_one_another_are_within_the_limit() -> None:
    for name in ('"a"', r'"[[[\"[[["'):
        said = check(ADJUST, "[" + f"{{{name}:[]}}," * 600 + "1]", "observed").error
        assert said is not None
        assert "nesting" not in said


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be"])
def test_a_body_is_read_in_any_encoding_of_unicode(encoding: str) -> None:
    assert read_body('{"topic":"é😀"}'.encode(encoding), "utf-8").topic == "é😀"
    assert read_body('{"topic":"é"}'.encode("latin-1"), "ISO-8859-1").topic == "é"

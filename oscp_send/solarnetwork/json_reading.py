"""How SolarNetwork's JSON parser, Jackson 3, reads a text, refuses it, and writes a value.

Its texts were measured, at the services and with the library itself (solaruser.md §3.3 and §7.1).
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from oscp_schemas import Document, JsonError, read
from oscp_schemas.json_faults import STRING_START

MAXIMUM_DEPTH: Final = 500
MAXIMUM_NUMBER_LENGTH: Final = 1000
#: What the parser appends to most of its texts: the place, without the source.
SOURCE: Final = (
    "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); "
    "byte offset: #UNKNOWN]"
)
#: The class that a text is read into which may hold anything.
JSON_NODE: Final = "tools.jackson.databind.JsonNode"


def read_json(text: str | bytes) -> Document | JsonError:
    """Return the document that a JSON text holds, or the mistake in a text that is not JSON."""
    try:
        return read(text)
    except JsonError as error:
        return error


def decoded(body: bytes, charset: str | None = None) -> str | bytes:
    """Return a body without its byte-order mark, and as a text where it is not UTF-8.

    The charset of a Content-Type counts only where it is none of Unicode's (measured).
    """
    if charset is not None and _UNICODE.fullmatch(charset) is None:
        with contextlib.suppress(LookupError):  # Python's own, such as hex, are no charsets
            return body.decode(charset, "replace")
    body, encoding = body.removeprefix(codecs.BOM_UTF8), _encoding(body[:4])
    return body.decode(encoding, "replace").removeprefix("\ufeff") if encoding else body


def _encoding(start: bytes) -> str | None:
    """Return what a body is in, by its byte-order mark or zero bytes; None for UTF-8."""
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    zeros = [index for index, byte in enumerate(start) if not byte]
    if marked or len(start) == 1 or not {0, 1}.intersection(zeros):
        return marked
    bits = 32 if len(zeros) > 2 else 16  # noqa: PLR2004 - the others are zero bytes
    return f"utf-{bits}-{'be' if zeros[0] == 0 else 'le'}"


_UNICODE: Final = re.compile("utf-?(?:8|16|32).*|us-ascii", re.IGNORECASE)
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


_WHOLE: Final = re.compile(r"[+-]?\d+")
_LARGEST_LONG: Final = 2**63 - 1
_SMALLEST_PLAIN: Final = 1e-3
_LARGEST_PLAIN: Final = 1e7


def parse_long(text: str) -> int:
    """Return the 64-bit whole number that `Long.parseLong` reads.

    A sign and leading zeros are read, blanks and fractions are not (as observed in SolarNetwork,
    queue hook check 5).

    Raises:
        ValueError: The text is not such a number; the message is Java's.
    """
    # Digits of any script count, but for those that Java holds as two characters (measured).
    if _WHOLE.fullmatch(text) is None or max(text) > _LARGEST_UNIT:
        raise ValueError(f'For input string: "{text}"')
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > len(str(_LARGEST_LONG)):
        raise ValueError(f'For input string: "{text}"')
    value = int(digits or "0") * (-1 if text.startswith("-") else 1)
    if not -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        raise ValueError(f'For input string: "{text}"')
    return value


def double_text(value: float) -> str:
    """Return the text of a finite double as Java writes it: `10.0`, `1.0E7`, `1.0E-4`.

    As observed in SolarNetwork: every number of a forwarded message is written like this.
    """
    if _is_plain(value):
        return repr(value)
    digits, exponent = _shortest_digits(abs(value))
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _is_plain(value: float) -> bool:
    """Return whether Java writes a double as Python does, without an exponent."""
    return not value or _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN


def _shortest_digits(value: float) -> tuple[str, int]:
    """Return the fewest digits that name a double, and its power of ten."""
    mantissa, _, power = f"{value:.1e}".partition("e")
    if float(f"{mantissa}e{power}") == value:
        # Java writes at least two digits, and takes the two that are nearest to the value.
        return mantissa.replace(".", "").rstrip("0"), int(power)
    parts = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, parts.digits))
    return digits.rstrip("0"), int(parts.exponent) + len(digits) - 1


# What the parser says of a text that it does not read.


@dataclass(frozen=True, slots=True)
class Mistake:
    """What the parser says of a text.

    Attributes:
        text: Its text, without the place.
        is_limit: Whether something is only too large or too deep; then it appends no place.
    """

    text: str
    is_limit: bool = False

    def without_word(self) -> str:
        """Return the text without the word that it may quote, which may be a secret."""
        return "Unrecognized token" if self.text.startswith("Unrecognized token") else self.text

    @property
    def placed(self) -> str:
        """The text with the place that the parser appends."""
        return self.text if self.is_limit else self.text + SOURCE


class Unread(ValueError):
    """Raised where the parser stops; `str` is its text."""


class _OverLimit(Unread):
    pass


class JsonToken(NamedTuple):
    """One token, by the parser's name for its kind, with its text where it has one."""

    kind: str
    text: str | None = None


def tokens(source: str | bytes) -> Iterator[JsonToken]:
    """Yield what the parser meets on its way through a text, and what follows the value.

    Raises:
        Unread: It meets a mistake, or the limit of something.
    """
    # The parser takes a byte for a character where nothing but ASCII belongs.
    text = source.decode("latin-1") if isinstance(source, bytes) else _units(source)
    try:
        yield from _Walk(text, is_bytes=isinstance(source, bytes)).tokens()
    except UnicodeDecodeError as error:
        raise _broken(error) from None


def trailing(kind: str, type_name: str) -> str:
    """Return the parser's text for a token behind the value that is read as a class."""
    return (
        f"Trailing token (`JsonToken.{kind}`) found after value (bound as `{type_name}`): not "
        "allowed as per `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`"
    )


def mistake(
    parsed: Document | JsonError, source: str | bytes, type_name: str = JSON_NODE
) -> Mistake | None:
    """Return what the parser says of a text that it does not read; None for one that it does.

    As measured with Jackson 3.1.4 (solaruser.md §7.1), which has one parser for UTF-8 and one for
    characters: they do not say all things alike.

    Args:
        parsed: What `read_json` found in it.
        source: Bytes for a body in UTF-8, a text for anything else; without a byte-order mark.
        type_name: The Java class that is to be read.
    """
    # The walk is slow, so a sound text that cannot be beyond the limits is spared.
    if isinstance(parsed, Document) and not _may_be_too_large(parsed.text):
        return None
    depth = 0
    try:
        for number, (kind, _) in enumerate(tokens(source)):
            if number and not depth:
                return Mistake(trailing(kind, type_name))
            depth += kind.startswith("START") - kind.startswith("END")
    except Unread as stopped:
        return Mistake(str(stopped), isinstance(stopped, _OverLimit))
    return Mistake("Invalid UTF-8") if isinstance(parsed, JsonError) else None


def _may_be_too_large(text: str) -> bool:
    is_nested = text.count("{") + text.count("[") > MAXIMUM_DEPTH and _depth(text) > MAXIMUM_DEPTH
    # Of a number that is too long, each hundredth character is one of a number.
    if is_nested or (_LONG_SAMPLE.search(text[::100]) and _LONG_NUMBER.search(text)):
        return True
    # In a name, four bytes or two UTF-16 units may be one character.
    longest = _LONGEST_NAME // 4
    return len(text) > longest and any(len(each) > longest for each in _strings(text))


def _strings(text: str) -> list[str]:
    """Return at least the strings of a sound text; where none has an escape, nothing else."""
    return text.split('"') if "\\" in text else text.split('"')[1::2]


def _depth(text: str) -> int:
    """Return how many brackets of a sound text are open within one another at the most."""
    outside = _WHOLE_STRING.sub("", text) if "\\" in text else "".join(text.split('"')[::2])
    return max(accumulate(map(_STEPS.__getitem__, _BRACKET.findall(outside))), default=0)


def too_deep(depth: int) -> str:
    """Return the parser's text for a nesting beyond its limit."""
    return (
        f"Document nesting depth ({depth}) exceeds the maximum allowed ({MAXIMUM_DEPTH}, "
        "from `StreamReadConstraints.getMaxNestingDepth()`)"
    )


def too_long_a_number(length: int) -> str:
    """Return the parser's text for a number with more characters than its limit."""
    return (
        f"Number value length ({length}) exceeds the maximum allowed ({MAXIMUM_NUMBER_LENGTH}, "
        "from `StreamReadConstraints.getMaxNumberLength()`)"
    )


_LONGEST_NAME: Final = 50_000
_WHOLE_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET: Final = re.compile(r"[\[\]{}]")
_STEPS: Final = MappingProxyType({"{": 1, "[": 1, "}": -1, "]": -1})
_LONG_NUMBER: Final = re.compile(rf"[-+.0-9eE]{{{MAXIMUM_NUMBER_LENGTH + 1}}}")
_LONG_SAMPLE: Final = re.compile(rf"[-+.0-9eE]{{{MAXIMUM_NUMBER_LENGTH // 100}}}")
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(STRING_START)
_ESCAPE: Final = re.compile(r"\\(?:u[0-9A-Fa-f]{0,4})?")
_DIGITS: Final = re.compile("[0-9]*")
_WORDS: Final = re.compile("true|false|null|NaN|[-+]INF|[-+]?Infinity")
_LATIN, _LONGEST_WORD = 0xFF, 256
_IN_NUMBER: Final = " in numeric value"
_NO_NUMBER: Final = "Unexpected end-of-input in a Number value"
_NO_QUOTE: Final = ": was expecting closing quote for a string value"
_VALUES: Final = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_NO_VALUE: Final = f"expected a valid value {_VALUES}"
_PLACE: Final = SOURCE.strip().removeprefix("at ")
_PLUS: Final = (
    "JSON spec does not allow numbers to have plus signs: enable "
    "`JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow"
)
_MINUS: Final = "expected digit (0-9) to follow minus sign, for valid numeric value"
_COMMENT: Final = (
    "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not "
    "enabled for parser)"
)


class _Walk:
    """The parser's way through a text; each method stops where the parser does."""

    def __init__(self, text: str, *, is_bytes: bool) -> None:
        self._text = text
        self._is_bytes = is_bytes
        self._at = 0
        self._open: list[str] = []
        self._last = "null"

    def tokens(self) -> Iterator[JsonToken]:
        if not self._next():
            raise Unread("No content to map due to end-of-input")
        yield from self._token()
        while self._open:
            yield from self._token()
        while self._next():
            if self._here == '"':  # is not read to its end
                yield JsonToken("VALUE_STRING")
                return
            yield from self._token()

    @property
    def _here(self) -> str:
        """The character at this place; empty at the end."""
        return self._text[self._at : self._at + 1]

    @property
    def _what(self) -> str:
        """What is open, as the parser names it."""
        return "Object" if self._open[-1] == "{" else "Array"

    def _token(self) -> Iterator[JsonToken]:
        """Read what comes next: the end of something, or a value, perhaps with its name."""
        if not self._next():
            raise Unread(
                f"Unexpected end-of-input: expected close marker for {self._what} "
                f"(start marker at {_PLACE})"
            )
        if self._here in "]}":
            self._last = self._closed()
            yield JsonToken(self._last)
            return
        if self._open and not self._last.startswith("START"):
            self._require(",", f"was expecting comma to separate {self._what} entries")
        if self._open and self._open[-1] == "{":
            yield JsonToken("PROPERTY_NAME", self._name())
        start = self._at
        self._last = self._value()
        yield JsonToken(self._last, self._scalar(start))

    def _next(self) -> str:
        """Go past blanks, and return the character behind them."""
        blanks = _BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks else self._at
        here = self._here
        if here and here < " ":
            raise Unread(
                f"Illegal character ({_described(here)}): only regular white space "
                r"(\r, \n, \t) is allowed between tokens"
            )
        if here == "/":
            raise _unexpected(here, _COMMENT)
        return here

    def _require(self, character: str, why: str) -> None:
        """Go past a character that belongs here, and to what comes behind it."""
        if self._here != character:
            raise _unexpected(self._here, why)
        self._at += 1
        self._within()

    def _within(self) -> None:
        if not self._next():
            raise Unread(f"Unexpected end-of-input within/between {self._what} entries")

    def _closed(self) -> str:
        marker = self._here
        what, opening = ("Object", "{") if marker == "}" else ("Array", "[")
        if not self._open:
            raise Unread(f"Unexpected close marker '{marker}': no open {what} to close")
        if self._open[-1] != opening:
            expected = "}" if self._what == "Object" else "]"
            raise Unread(
                f"Unexpected close marker '{marker}': expected '{expected}' "
                f"(for {self._what} starting at {_PLACE})"
            )
        self._open.pop()
        self._at += 1
        return f"END_{what.upper()}"

    def _name(self) -> str:
        if self._here != '"':
            why = "was expecting double-quote to start property name"
            raise _unexpected(self._decoded(), why)
        written = self._string("name")
        if len(written) > _LONGEST_NAME:
            name: str = json.loads(written)
            if len(name) > _LONGEST_NAME:
                raise _OverLimit(
                    f"Name length ({len(name)}) exceeds the maximum allowed ({_LONGEST_NAME}, "
                    "from `StreamReadConstraints.getMaxNameLength()`)"
                )
        self._last = "PROPERTY_NAME"
        self._within()
        self._require(":", "was expecting a colon to separate property name and value")
        return self._content(written)

    def _value(self) -> str:
        here = self._here
        if here == '"':
            self._string("string value")
            return "VALUE_STRING"
        if here in "{[":
            self._open.append(here)
            if len(self._open) > MAXIMUM_DEPTH:
                raise _OverLimit(too_deep(len(self._open)))
            self._at += 1
            return f"START_{self._what.upper()}"
        return self._number() if here in "-0123456789" else self._word()

    def _scalar(self, start: int) -> str | None:
        """Return the text of a string or number."""
        written = self._text[start : self._at]
        if self._last == "VALUE_STRING":
            return self._content(written)
        return written if self._last.startswith("VALUE_NUMBER") else None

    # Strings.

    def _content(self, written: str) -> str:
        """Return the text that a string holds."""
        if self._is_bytes and not written.isascii():
            written = written.encode("latin-1").decode()
        text: str = json.loads(written) if "\\" in written else written[1:-1]
        if self._is_bytes or text.isascii():
            return text
        # Characters again of what `_units` took apart.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

    def _string(self, where: str) -> str:
        """Read a string, or the name of a property; return it as it is written."""
        start = self._at
        match = _STRING.match(self._text, start)
        self._at = match.end() if match else start
        here = self._here
        # Names are decoded when they are whole.
        if here == '"' or where != "name":
            self._check_utf8(start, where)
        if here == "\\":
            raise self._bad_escape()
        if here != '"':
            if here:
                raise Unread(
                    f"Illegal unquoted character ({_described(here)}): "
                    f"has to be escaped using backslash to be included in {where}"
                )
            raise self._unclosed(where, is_empty=self._at == start + 1)
        self._at += 1
        return self._text[start : self._at]

    def _check_utf8(self, start: int, where: str) -> None:
        if not self._is_bytes or self._text[start : self._at].isascii():
            return
        try:
            behind = where != "name"
            self._text[start : self._at + behind].encode("latin-1").decode()
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                raise self._unclosed(where, is_empty=False) from None
            raise

    def _unclosed(self, where: str, *, is_empty: bool) -> Unread:
        if where != "name":
            value = " in VALUE_STRING" if self._is_bytes else _NO_QUOTE
            return Unread(f"Unexpected end-of-input{value}")
        at_once = self._is_bytes and is_empty
        name = """: was expecting closing '"' for name""" if at_once else " in property name"
        return Unread(f"Unexpected end-of-input{name}")

    def _bad_escape(self) -> Unread:
        match = _ESCAPE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        if not self._here:
            return Unread("Unexpected end-of-input in character escape sequence")
        if match and len(match[0]) > 1:
            return _unexpected(self._here, "expected a hex-digit for character escape sequence")
        return Unread(f"Unrecognized character escape {_described(self._decoded())}")

    def _decoded(self) -> str:
        """Return the character here; of a byte, the one that it begins."""
        rest = self._text[self._at : self._at + 4]
        return next(_characters(rest)) if self._is_bytes else rest[0]

    # Numbers, and words.

    def _number(self) -> str:
        kind = "INT"
        if self._here == "-":
            self._at += 1
            self._check_sign()
        length = self._digits()
        if length > 1 and self._text[self._at - length] == "0":
            raise Unread("Invalid numeric value: Leading zeroes not allowed")
        if self._here == ".":
            kind, fraction = "FLOAT", self._fraction()
            length += fraction
        if self._here and self._here in "eE":
            kind, exponent = "FLOAT", self._exponent()
            length += exponent
        if not self._open and self._here.strip(" \t\r\n"):
            raise _unexpected(self._here, "Expected space separating root-level values")
        if length > MAXIMUM_NUMBER_LENGTH:
            raise _OverLimit(too_long_a_number(length))
        return f"VALUE_NUMBER_{kind}"

    def _fraction(self) -> int:
        self._at += 1
        # At the end of the text the parser still holds the point.
        return self._required(self._here or ".", "Decimal point not followed by a digit")

    def _exponent(self) -> int:
        self._at += 1
        if self._here and self._here in "+-":
            self._at += 1
        if not self._here:
            raise self._cut("expected a digit for number exponent")
        return self._required(self._here, "Exponent indicator not followed by a digit")

    def _required(self, here: str, why: str) -> int:
        """Return how many digits there are; there must be one."""
        length = self._digits()
        if not length:
            raise _unexpected(here, why, _IN_NUMBER)
        return length

    def _digits(self) -> int:
        match = _DIGITS.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return len(match[0]) if match else 0

    def _cut(self, why: str) -> Unread:
        return Unread(f"Unexpected end-of-input{f' in {self._last}' if self._is_bytes else why}")

    def _check_sign(self) -> None:
        """Refuse what is no digit behind a minus, and anything behind a plus."""
        sign, here = self._text[self._at - 1], self._here
        if not here:
            raise self._cut("No digit following sign") if sign == "-" else Unread(_NO_NUMBER)
        if sign == "-" and here in "0123456789":
            return
        if here == "I":
            self._at += 1
            here = self._here
            if not here:
                raise Unread(_NO_NUMBER)
            if here in "Nn":
                raise self._no_word(self._at - 2)
        wrong = ("+", _PLUS) if sign == "+" else (here, _MINUS)
        raise _unexpected(*wrong, _IN_NUMBER)

    def _word(self) -> str:
        here, known = self._here, self._known(self._at)
        if known and here in "tfn":
            self._at += len(known)
            return f"VALUE_{known.upper()}"
        if here == "+":
            self._at += 1
            self._check_sign()
        if _is_of_word(here, first=True):
            raise self._no_word(self._at)
        is_list = bool(self._open) and self._open[-1] == "["
        bare = f",}}{']' if is_list else ''}" if self._is_bytes else "}" if is_list else ""
        raise _unexpected(here, "expected a value" if here in bare else _NO_VALUE)

    def _known(self, start: int) -> str | None:
        """Return the word here that the parser knows, if no longer one begins with it."""
        match = _WORDS.match(self._text, start)
        behind = self._text[match.end() : match.end() + 1] if match else ""
        if self._is_bytes and not behind.isascii():
            # It takes the byte for the next one, too (measured).
            kind = "middle" if "\xc0" <= behind < "\xf8" else "start"
            raise Unread(f"Invalid UTF-8 {kind} byte 0x{ord(behind):x}")
        is_end = behind < "0" or not _is_of_word(behind)
        return match[0] if match and is_end else None

    def _no_word(self, start: int) -> Unread:
        """Return the text for a word that is no value, with its sign if it has one."""
        if known := self._known(start):
            return Unread(
                f"Non-standard token '{known}': enable "
                "`JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
            )
        word, rest = self._text[start], self._text[start + 1 : start + 4 * _LONGEST_WORD]
        for each in _characters(rest) if self._is_bytes else rest:
            if not _is_of_word(each):
                break
            word += each
            if len(word) >= _LONGEST_WORD:
                word += "..."
                break
        return Unread(f"Unrecognized token '{word}': was expecting {_VALUES}")


def _units(text: str) -> str:
    """Return a text with each pair of surrogates as two characters, as Java has them."""
    if text.isascii() or max(text) <= _LARGEST_UNIT:
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(map(chr, struct.unpack(f"<{len(units) // 2}H", units)))


_LARGEST_UNIT: Final = "\uffff"


def _characters(rest: str) -> Iterator[str]:
    """Yield the characters of UTF-8, given with one character a byte, to the first mistake.

    Raises:
        UnicodeDecodeError: There it is.
    """
    data = rest.encode("latin-1")
    for each in data.decode("utf-8", "surrogateescape"):
        if "\udc80" <= each <= "\udcff":
            data.decode()  # raises
        yield each if each <= _LARGEST_UNIT else chr(ord(each) & 0xFFFF)


def _broken(error: UnicodeDecodeError) -> Unread:
    if error.reason == "unexpected end of data":
        return Unread("Unexpected end-of-input in VALUE_STRING")
    is_start = error.reason == "invalid start byte"
    byte = error.object[error.start if is_start else error.end]
    return Unread(f"Invalid UTF-8 {'start' if is_start else 'middle'} byte 0x{byte:x}")


def _unexpected(character: str, why: str, where: str = "") -> Unread:
    return Unread(f"Unexpected character ({_described(character)}){where}: {why}")


def _described(character: str) -> str:
    code = ord(character)
    if unicodedata.category(character) == "Cc":
        return f"(CTRL-CHAR, code {code})"
    return f"'{character}' (code {code}{f' / 0x{code:x}' if code > _LATIN else ''})"


def _is_of_word(character: str, *, first: bool = False) -> bool:
    """Return whether a character may be in an identifier of Java, or be the first of one."""
    category = unicodedata.category(character)
    if category in _OF_WORDS:
        return True
    blank = "\t" <= character <= "\r" or "\x1c" <= character <= "\x1f"
    return not first and (category in {"Cf", "Mc", "Mn", "Nd"} or (category == "Cc" and not blank))


_OF_WORDS: Final = frozenset({"Ll", "Lm", "Lo", "Lt", "Lu", "Nl", "Pc", "Sc"})


@lru_cache(maxsize=8192)  # each time of a forecast is written several times on its way
def time_text(instant: datetime) -> str:
    """Return a time as SolarNetwork writes it: UTC, three fraction digits, `Z`."""
    whole_and_milliseconds, _, _ = instant.isoformat(timespec="milliseconds").partition("+")
    return f"{whole_and_milliseconds}Z"


def write(value: object) -> bytes:
    """Return a decoded value as the Flexibility Provider puts it on the wire.

    Compact UTF-8; numbers as doubles, times by `time_text`, no slash escaped (as measured,
    oscp20.md §3.3 and §5.10). Half a surrogate pair becomes `?`, as with the JDK's UTF-8 encoder
    (inferred).
    """
    import orjson  # noqa: PLC0415 - slow, and a sender needs none

    if _is_usual(value):
        # There is nothing that orjson writes in another way than Java; half a pair it refuses.
        with contextlib.suppress(orjson.JSONEncodeError):
            times = orjson.OPT_PASSTHROUGH_DATETIME
            return orjson.dumps(value, default=time_text, option=times)
    return _written(value).encode("utf-8", "replace")


def _is_usual(value: object) -> bool:
    """Return whether a value is made of texts, times, and doubles that have no exponent."""
    waiting: list[Any] = [value]
    for each in waiting:  # it grows on the way
        kind = type(each)
        if kind is str or kind is datetime:
            continue
        if kind is dict:
            waiting += each.values()
        elif kind is list:
            waiting += each
        elif kind is not float or not _is_plain(each):
            return False
    return True


def _written(value: object) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, datetime):
        return f'"{time_text(value)}"'
    if isinstance(value, Mapping):
        members = (f"{_written(str(name))}:{_written(each)}" for name, each in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    return double_text(value) if isinstance(value, float) else json.dumps(value)

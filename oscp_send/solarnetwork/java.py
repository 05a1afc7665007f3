"""How Java reads a whole number from text and writes a double."""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["double_text", "parse_long"]

_LONG = re.compile(r"[+-]?\d+")
_LARGEST_LONG = 2**63 - 1
_SMALLEST_PLAIN = 1e-3
_LARGEST_PLAIN = 1e7


def parse_long(text: str) -> int:
    """Answers with the 64-bit whole number that `Long.parseLong` reads.

    A sign and leading zeros are read, blanks and fractions are not (as observed in SolarNetwork,
    queue hook check 5).

    Raises:
        ValueError: The text is no such number; the message is Java's.
    """
    if _LONG.fullmatch(text) is None:
        raise ValueError(f'For input string: "{text}"')
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > len(str(_LARGEST_LONG)):
        raise ValueError(f'For input string: "{text}"')
    value = int(digits or "0") * (-1 if text.startswith("-") else 1)
    if not -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        raise ValueError(f'For input string: "{text}"')
    return value


def double_text(value: float) -> str:
    """Answers with the text of a finite double as Java writes it: `10.0`, `1.0E7`, `1.0E-4`.

    As observed in SolarNetwork: every number of a forwarded message is written in this way.
    """
    if value == 0 or _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN:
        # Between these two Python writes a double as Java does.
        return repr(value)
    digits, exponent = _shortest_digits(abs(value))
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _shortest_digits(value: float) -> tuple[str, int]:
    """Answers with the fewest digits that name a double, and its power of ten."""
    mantissa, _, power = f"{value:.1e}".partition("e")
    if float(f"{mantissa}e{power}") == value:
        # Of two digits Java writes those nearest to the value, where Python writes one.
        return mantissa.replace(".", "").rstrip("0"), int(power)
    parts = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, parts.digits))
    return digits.rstrip("0"), int(parts.exponent) + len(digits) - 1

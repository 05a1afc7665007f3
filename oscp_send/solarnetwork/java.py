"""How Java reads a whole number from text and writes a double."""

from __future__ import annotations

import re

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
    value = int(text)
    if not -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        raise ValueError(f'For input string: "{text}"')
    return value


def double_text(value: float) -> str:
    """Answers with the text of a finite double as Java writes it: `10.0`, `1.0E7`, `1.0E-4`.

    As observed in SolarNetwork: every number of a forwarded message is written in this way.
    """
    digits, exponent, sign = _shortest_digits(value)
    if value == 0 or _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN:
        return sign + _plain(digits, exponent)
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _shortest_digits(value: float) -> tuple[str, int, str]:
    written = repr(value)
    mantissa, _, power = f"{value:.1e}".partition("e")
    if float(f"{mantissa}e{power}") != value:
        # More than two digits are needed: Python and Java agree on the shortest that are enough.
        precision = len(re.sub(r"e.*|[-.]", "", written).strip("0")) - 1
        mantissa, _, power = f"{value:.{precision}e}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-").replace(".", "")
    return digits.rstrip("0") or "0", int(power), sign


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return f"{whole}.{digits[exponent + 1 :] or '0'}"

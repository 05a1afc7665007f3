"""JSON numbers as they are written, also those that no double can hold."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

__all__ = ["is_beyond_double", "read_fraction", "read_integer"]


def read_integer(text: str) -> int | Decimal:
    """Answers with a number that is written without fraction and exponent."""
    try:
        return int(text)
    except ValueError:  # more digits than Python converts, 4300 unless set otherwise
        return _exact(text)


def read_fraction(text: str) -> float | Decimal:
    """Answers with a number that is written with a fraction or an exponent.

    One that a double would turn into infinity or into zero is kept as a Decimal, so that `1e400` is
    still a number and `-1e-400` is still less than zero (OSCP dossier §3.3, cases C52 to C54).
    """
    return _exact(text) if is_beyond_double(text) else float(text)


def is_beyond_double(text: str) -> bool:
    """Tells whether a double would turn a JSON number into infinity, or wrongly into zero."""
    value = float(text)
    return math.isinf(value) or (value == 0 and _is_not_zero(text))


def _is_not_zero(text: str) -> bool:
    mantissa, _, _ = text.lower().partition("e")
    return mantissa.strip("-0.") != ""


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent of 19 digits and more: any number as far beyond a double judges the same.
        mantissa, _, exponent = text.lower().partition("e")
        sign = "-" if mantissa.startswith("-") else ""
        return Decimal(f"{sign}1e{'-' if exponent.startswith('-') else ''}999999")

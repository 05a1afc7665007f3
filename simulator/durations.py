"""Read durations as people write them in files."""

import re
from datetime import timedelta

__all__ = ["parse_duration"]

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SHORT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_ISO = re.compile(
    r"P(?:([0-9]+)D)?(?:T(?=.)(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?\Z"
)


def parse_duration(text: str) -> timedelta:
    """Read a duration as `15m`, `2s`, `500ms`, `1h30m`, or as in ISO 8601 from days down: `PT15M`.

    Raises:
        ValueError: It is none, or not above zero; the message says what to write.
    """
    if text.startswith("P"):
        found = _ISO.match(text)
        parts = list(zip(found.groups(), ("d", "h", "m", "s"), strict=True)) if found else []
    else:
        parts = [] if _SHORT.sub("", text) else _SHORT.findall(text)
    try:
        duration = timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts if n))
    except OverflowError:
        duration = timedelta()
    if not duration:
        message = f'"{text}" is no duration above zero: write it as 15m, 2s, 500ms, 1h30m or PT15M'
        raise ValueError(message)
    return duration

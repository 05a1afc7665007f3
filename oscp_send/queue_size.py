"""Whether a message fits into SolarNetwork's queue, and how to split one that does not.

As measured: what SolarUser hands over is CBOR of at most 8,192 bytes (solaruser.md §3.4), and the
node's own copy, which has the same limit, is too large earlier (§2.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding, Severity
from oscp_send.hints import FEWER_BLOCKS
from oscp_send.instruction import split_parameters
from oscp_send.messages import AdjustGroupCapacityForecast, wire_text
from oscp_send.solarnetwork.decoding import decode
from oscp_send.values import InvalidValue

#: The bytes that a message for the queue may have by default; production may allow more.
MQTT_LIMIT: Final = 8192

_DOUBLE: Final = 9
_TIME: Final = 2 + len("2031-03-01T16:00:00.000Z")
_OPEN_AND_CLOSE: Final = 2
# Below, the length of a text is in its first byte.
_SHORT: Final = 24
# Longer texts are written in chunks of so many UTF-16 code units (inferred from what was measured).
_CHUNK: Final = 3996
_UTF16: Final = "utf-16-le"
# How large the numbers are that a sender does not know: from below 24 to 32 bits.
_LEAST_ID, _MOST_ID = 0, 2**32 - 1
_IDS: Final = ("coId", "id", "nodeId", "userId")
_UNKNOWN_GROUP: Final = ("", "x" * 32)
# Estimated, for each piece of the node's copy: what is around its name and value, so that of the
# measured blocks 60 are the first too many.
_PIECE: Final = 43


@dataclass(frozen=True, slots=True)
class Size:
    """How many bytes a message has in the queue.

    They are the same number once every id in it is known.

    Attributes:
        node_copy: About how many the node's own copy has.
    """

    least: int
    most: int
    node_copy: int = 0

    def __str__(self) -> str:
        """Return a text for people."""
        if self.least == self.most:
            return f"{self.least:,} bytes"
        return f"{self.least:,} to {self.most:,} bytes (by the ids)"


def too_large(limit: int, size: int) -> str:
    """Return the text of the service's exception."""
    return f"java.lang.IllegalArgumentException: Maximum message size {limit} exceeded: {size}"


def queue_size(
    action: str,
    message: Mapping[str, Any],
    pieces: Iterable[tuple[str, str]] = (),
    *,
    cg_identifier: str | None = None,
    **ids: int | None,
) -> Size:
    """Return the size of a message in the queue.

    Args:
        action: The OSCP message name.
        message: The message as SolarNetwork keeps it.
        pieces: The parameters as they are stored, for the node's copy.
        cg_identifier: The Capacity Group's identifier; that in the message unless given.
        **ids: `coId`, `id`, `nodeId` and `userId`; one that is not given is not known.
    """
    group = message.get("group_id") if cg_identifier is None else cg_identifier
    groups = _UNKNOWN_GROUP if group is None else (group, group)
    body = cbor_size(message)
    least, most = (
        body
        + cbor_size(
            {
                **{key: unknown if ids.get(key) is None else ids[key] for key in _IDS},
                "msg": "",
                "action": action,
                "cgIdentifier": name,
            }
        )
        - cbor_size("")
        for name, unknown in zip(groups, (_LEAST_ID, _MOST_ID), strict=True)
    )
    texts = [name + value for name, value in pieces]
    node_copy = _PIECE * len(texts) + _utf8("".join(texts))
    return Size(least, most, node_copy)


def cbor_size(value: object) -> int:
    """Return how many bytes SolarNetwork's CBOR of a value has, as measured.

    Maps have no length, lists have one; a float is a double, a time a text of milliseconds.
    """
    size = 0
    waiting: list[Any] = [value]
    # A day has a thousand values: no call for any that is usual.
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind is str:
            is_short = len(each) < _SHORT and each.isascii()
            size += 1 + len(each) if is_short else _text_size(each)
        elif kind is dict:
            size += _around(tuple(each))
            waiting += each.values()
        elif kind in _FIXED:
            size += _FIXED[kind]
        elif kind is list:
            size += _head(len(each))
            waiting += each
        else:
            size += _head(each if each >= 0 else -1 - each)
    return size


_FIXED: Final = MappingProxyType({float: _DOUBLE, datetime: _TIME, bool: 1, type(None): 1})


@lru_cache(maxsize=256)  # all blocks of a forecast have the same names
def _around(names: tuple[str, ...]) -> int:
    """Return the bytes of a map but for its values."""
    return _OPEN_AND_CLOSE + sum(map(_text_size, names))


def _text_size(text: str) -> int:
    sizes = list(_chunks(text))
    whole = sum(_head(size) + size for size in sizes)
    return whole if len(sizes) == 1 else _OPEN_AND_CLOSE + whole


def _chunks(text: str) -> Iterator[int]:
    """Yield the bytes of each chunk of a text; none ends within a character."""
    if len(text) <= _CHUNK // 2:
        yield _utf8(text)
        return
    units, at = text.encode(_UTF16, "surrogatepass"), 0
    while at < len(units):
        end = at + 2 * _CHUNK
        if end < len(units) and units[end - 1] & 0xFC == 0xD8:  # noqa: PLR2004 - a high surrogate
            end -= 2
        yield _utf8(units[at:end].decode(_UTF16, "surrogatepass"))
        at = end


def _head(number: int) -> int:
    """Return the bytes of a number, or of a length."""
    steps = ((24, 1), (2**8, 2), (2**16, 3), (2**32, 5))
    return next((size for end, size in steps if number < end), 9)


def _utf8(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def judge_size(size: Size, limit: int, behaviour: Behaviour, message: object) -> Iterator[Finding]:
    """Yield what comes of a message that is too large for the queue, or for the node's copy."""
    follows = behaviour.follows_service("mqtt_limit")
    has_blocks = isinstance(message, Mapping) and "forecasted_blocks" in message
    remedy = FEWER_BLOCKS if has_blocks else "shorten the message"
    severity: Severity
    if size.least > limit:
        severity = "error" if follows else "warning"
        what = f"is {size} in the queue, over {limit:,}: the running SolarUser answers HTTP 422"
    elif size.most > limit:
        severity = "warning"
        what = f"is {size} in the queue: the running SolarUser answers HTTP 422 over {limit:,}"
    elif size.node_copy > limit:
        severity = "warning" if follows else "info"
        what = (
            f"the node's own copy has about {size.node_copy:,} bytes, over {limit:,}: the message "
            "sometimes becomes Queued by itself, and is not delivered then"
        )
    else:
        return
    yield Finding("transport", "mqtt_limit", severity, "", what, remedy, "observed")


def split_to_fit(
    message: AdjustGroupCapacityForecast, *, mqtt_limit: int = MQTT_LIMIT
) -> tuple[AdjustGroupCapacityForecast, ...]:
    """Split a message into as few as fit into SolarNetwork's queue, of about as many blocks each.

    The blocks stay in order. One message that fits is returned as it is.

    Args:
        message: The whole.
        mqtt_limit: The bytes that each may have in the queue, and about that in the node's copy.

    Raises:
        InvalidValue: Not even one block fits.
    """
    blocks = message.forecasted_blocks
    for count in range(1, len(blocks) + 1):
        bounds = [len(blocks) * part // count for part in range(count + 1)]
        parts = (
            AdjustGroupCapacityForecast(message.group_id, message.type, blocks[begin:end])
            for begin, end in pairwise(bounds)
        )
        fitting = tuple(_while_fitting(parts, mqtt_limit))
        if len(fitting) == count:
            return fitting if count > 1 else (message,)
    what = f"not even one block fits into {mqtt_limit} bytes"
    raise InvalidValue("/forecasted_blocks", what, "give a higher mqtt_limit")


# Room for the other parameters of an instruction.
_OTHERS: Final = tuple((name, "x" * 36) for name in ("action", "coId", "cgId", "correlationId"))


def _while_fitting(
    messages: Iterable[AdjustGroupCapacityForecast], limit: int
) -> Iterator[AdjustGroupCapacityForecast]:
    for message in messages:
        pieces = split_parameters([*_OTHERS, ("msg", wire_text(message))])
        decoded = decode(message.action, message.to_dict(), Behaviour())
        size = queue_size(message.action, decoded, pieces)
        if max(size.most, size.node_copy) > limit:
            return
        yield message

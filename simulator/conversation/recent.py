"""A mapping that forgets what it was given longest ago."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Recent"]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """Holds the values that were put there last, so that a year of messages fits into memory.

    Args:
        limit: How many it holds.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[_Key, _Value] = OrderedDict()

    def __contains__(self, key: _Key) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: _Key) -> _Value | None:
        """Answers with a value, or None where it is unknown or forgotten."""
        return self._kept.get(key)

    def put(self, key: _Key, value: _Value) -> None:
        """Holds a value, and forgets the oldest where there are too many."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def items(self) -> Iterator[tuple[_Key, _Value]]:
        """Yields all that is held, the oldest first."""
        yield from self._kept.items()

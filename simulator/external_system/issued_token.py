"""The tokens that an external system has given out, for others to show to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["IssuedToken"]


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, and how long it is good.

    Attributes:
        value: Never part of the repr.
        until: When it expires; never where not given.
    """

    value: str = field(repr=False)
    until: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Tells whether it has not expired."""
        return self.until is None or now < self.until

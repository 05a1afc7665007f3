"""What a node measures, as a world file lists it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

__all__ = ["DatumStream", "Repeat"]

Repeat = Literal["nothing", "values", "increments"]


@dataclass(frozen=True, slots=True)
class DatumStream:
    """Values of properties at regular instants, of one node and source.

    Attributes:
        node_id: The node.
        source_id: The source.
        start: When the first values were measured.
        step: How long after each other they were.
        values: Those of each property, in order, at least one.
        repeat: What comes after the last: `nothing`, the `values` again, or their `increments`
            again, as of a meter that goes on.
    """

    node_id: int
    source_id: str
    start: datetime
    step: timedelta
    values: Mapping[str, tuple[float, ...]] = field(hash=False)
    repeat: Repeat = "nothing"

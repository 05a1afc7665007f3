"""Where the public guide and the running service differ, and which of the two to follow.

This table is the single place that knows the differences (SolarUser dossier §12). Everything that
behaves in two ways asks a `Behaviour`; nothing else compares fidelities by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from schemas import Fidelity

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DIFFERENCES", "Behaviour", "Difference", "Fidelity"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One point in which the guide says one thing and the service does another.

    Attributes:
        name: What `Behaviour.follows_service` and a setting call it.
        documented: What the public guide or the OSCP 2.0 specification promises.
        observed: What SolarNetwork's code does.
    """

    name: str
    documented: str
    observed: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "asset_measurements",
        "UpdateAssetMeasurement is sent like the other messages",
        "UpdateAssetMeasurement is always Declined: its schema file is looked up under a name "
        "that does not exist",
    ),
    Difference(
        "container_errors",
        "an unknown path, a wrong method or content type is answered with 404, 405 or 415",
        "anything but a GET sees 403 with an empty body instead",
    ),
    Difference(
        "correlation_id",
        "correlationId reaches the Capacity Provider as X-Correlation-ID",
        "correlationId is stored and echoed, and never leaves SolarUser",
    ),
    Difference(
        "date_times",
        "every RFC 3339 date-time is read",
        "the schema reads more than RFC 3339 in places, then the decoder refuses all but an "
        "upper-case T, Z or +hh:mm, and no or exactly three fraction digits",
    ),
    Difference(
        "group_forecasts",
        "UpdateGroupCapacityForecast is sent like the other messages",
        "UpdateGroupCapacityForecast is queued, then Declined on delivery",
    ),
    Difference(
        "malformed_message",
        "a msg that is not JSON is declined with 'Invalid JSON for [action] OSCP action: ...'",
        "the JSON parser's own text comes without that prefix",
    ),
    Difference(
        "stale_date",
        "a request date more than 15 minutes off is answered with 401",
        "it is answered with 403",
    ),
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Which side of every difference to follow: a fidelity, and single points set otherwise.

    Raises:
        ValueError: The fidelity or the name of a difference is unknown.
    """

    fidelity: Fidelity = "documented"
    settings: Mapping[str, Fidelity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [difference.name for difference in DIFFERENCES]
        for name, value in self.settings.items():
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"
                raise ValueError(f"{name!r} is not a difference in fidelity{hint}")
            _known_fidelity(value)
        _known_fidelity(self.fidelity)
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    @classmethod
    def of(cls, fidelity: Fidelity | Behaviour) -> Behaviour:
        """Answers with a behaviour, whether it is given one or only the name of a fidelity."""
        return fidelity if isinstance(fidelity, Behaviour) else cls(fidelity)

    def follows_service(self, name: str) -> bool:
        """Tells whether the running service, not the guide, is followed in this difference."""
        return self.side(name) == "observed"

    def side(self, name: str) -> Fidelity:
        """Answers with the side that is followed in one difference."""
        return self.settings.get(name, self.fidelity)


def _known_fidelity(value: str) -> None:
    if value not in get_args(Fidelity):
        raise ValueError(f"fidelity is 'documented' or 'observed', not {value!r}")

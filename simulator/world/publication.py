"""Whether and where SolarNetwork publishes what OSCP messages tell it."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Publication"]


@dataclass(frozen=True, slots=True)
class Publication:
    """The settings of a user, or of one Capacity Group (SolarUser dossier §8.4).

    They decide what the journal notes as published, and the header X-SN-Source-ID; the simulator
    has no datum streams to write to.

    Attributes:
        node_id: The node whose datum streams receive the values.
        publish_to_solar_in: Whether they are stored.
        publish_to_solar_flux: Whether they are sent to subscribers.
        source_id_template: How the streams are named; the service's default where not given.
        created: When they were first made; when the simulator began where not given.
        modified: When they last changed; as `created` where not given.
    """

    node_id: int
    publish_to_solar_in: bool = True
    publish_to_solar_flux: bool = True
    source_id_template: str | None = None
    created: datetime | None = None
    modified: datetime | None = None

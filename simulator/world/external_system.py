"""The two kinds of system that talk OSCP to SolarNetwork: Capacity Provider and Optimizer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, Literal

from simulator.world.provider_behaviour import Profile, ProviderBehaviour

__all__ = [
    "OAUTH_CLIENT_SECRET",
    "SIMULATED",
    "CapacityOptimizer",
    "CapacityProvider",
    "ExternalSystem",
    "MeasurementStyle",
    "RegistrationStatus",
    "Simulated",
    "SystemSettings",
]

RegistrationStatus = Literal["Pending", "Registered", "Failed"]
MeasurementStyle = Literal["Continuous", "Intermittent"]

# The one service property that no reply shows (SolarUser dossier §8.1): kept apart from the others.
OAUTH_CLIENT_SECRET: Final = "oauth-client-secret"  # noqa: S105 - a name, no secret


class Simulated(Enum):
    """The type of `SIMULATED`, the base URL of a system that the simulator plays."""

    SIMULATED = "simulated"


SIMULATED: Final = Simulated.SIMULATED


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """What a handshake has agreed with a system.

    Attributes:
        heartbeat_seconds: How often it is to be sent a heartbeat; never where not given.
        measurement_styles: Which measurements it wants.
    """

    heartbeat_seconds: int | None = None
    measurement_styles: tuple[MeasurementStyle, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSystem:
    """What a Capacity Provider and a Capacity Optimizer have in common (SolarUser dossier §8.1).

    Attributes:
        registration_status: How far its registration has come; instructions do not look at it.
        flexibility_provider_id: Of the token with which it calls the Flexibility Provider; made
            from `id` where not given.
        flexibility_provider_token: That token; made when a simulator begins where not given; never
            part of the repr.
        settings: From its handshake.
        heartbeat_date: When it was last sent a heartbeat.
        offline_date: When it is to be taken for offline.
        service_props: JSON values by name, without `oauth-client-secret`; never part of the repr,
            because a header in it may be a credential.
        oauth_client_secret: Shown to `oauth-token-url` to get an access token; never part of the
            repr.
        created: When it was configured; when the simulator began where not given.
        modified: When its configuration last changed; as `created` where not given.
    """

    registration_status: RegistrationStatus = "Registered"
    flexibility_provider_id: int | None = None
    flexibility_provider_token: str | None = field(default=None, repr=False)
    settings: SystemSettings | None = None
    heartbeat_date: datetime | None = None
    offline_date: datetime | None = None
    service_props: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    oauth_client_secret: str | None = field(default=None, repr=False)
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class CapacityProvider(ExternalSystem):
    """A Capacity Provider as its user has configured it.

    Attributes:
        id: The configId, of one user.
        name: For people.
        token: What the Flexibility Provider shows to it; never part of the repr. None before it has
            registered: then the Flexibility Provider shows none (OSCP dossier §2.2).
        base_url: Where it listens; None or blank: nowhere, so nothing is sent and the instruction
            is Completed (as observed in SolarNetwork); `SIMULATED`: the simulator plays it.
        oscp_version: Delivery works with `2.0` only (as observed in SolarNetwork).
        enabled: Otherwise it is unknown to the services.
        profile: Whose ways the simulated Capacity Provider has.
        behaviour: What it does of its own accord.
    """

    id: int
    name: str
    token: str | None = field(repr=False)
    base_url: str | Simulated | None = SIMULATED
    oscp_version: str | None = "2.0"
    enabled: bool = True
    profile: Profile = "specification"
    behaviour: ProviderBehaviour = field(default_factory=ProviderBehaviour)


@dataclass(frozen=True, slots=True)
class CapacityOptimizer(ExternalSystem):
    """A Capacity Optimizer as its user has configured it.

    Attributes:
        id: The configId, which an instruction names as `coId`.
        name: For people.
        enabled: Otherwise it is unknown to the services.
        base_url: Where it listens; None or blank: nowhere, which instructions do not mind;
            `SIMULATED`: the simulator plays it.
        oscp_version: What it speaks.
        token: What the Flexibility Provider shows to it; never part of the repr. None before it has
            registered: then the Flexibility Provider shows none.
        heartbeat_every: How often the simulated Capacity Optimizer sends heartbeats.
    """

    id: int
    name: str
    enabled: bool = True
    base_url: str | Simulated | None = SIMULATED
    oscp_version: str | None = "2.0"
    token: str | None = field(default=None, repr=False)
    heartbeat_every: timedelta | None = None

"""Whose ways a simulated Capacity Provider has: the specification's, SolarNetwork's or ELMO's.

One column of the dossier's table of differences each (OSCP dossier §4), as far as a Capacity
Provider can show them, with the statuses that are suggested for it (§2.4 and §9.3).
"""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from simulator.addresses import CAPACITY_PROVIDER_PATH, ELMO_PATH
from simulator.capacity_provider.profile import NO_CONTENT, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ACTIONS_OF_PATHS", "PROFILES", "Profile", "profile_of"]

#: The path of every message, and what it is called.
ACTIONS_OF_PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/register": "Register",
        "/handshake": "Handshake",
        "/handshake_acknowledge": "HandshakeAcknowledge",
        "/heartbeat": "Heartbeat",
        "/update_group_capacity_forecast": "UpdateGroupCapacityForecast",
        "/adjust_group_capacity_forecast": "AdjustGroupCapacityForecast",
        "/group_capacity_compliance_error": "GroupCapacityComplianceError",
        "/update_group_measurements": "UpdateGroupMeasurements",
        "/update_asset_measurements": "UpdateAssetMeasurement",
    }
)


def profile_of(profile: Profile | str) -> Profile:
    """Answers with the profile of a name, or with the profile itself.

    Raises:
        ValueError: There is none of that name.
    """
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ValueError(f'there is no profile "{profile}", only {", ".join(PROFILES)}')
    return PROFILES[profile]


_EVERY_ACTION: Final = frozenset(ACTIONS_OF_PATHS.values())
_EVERY_UNIT: Final = frozenset({"A", "W", "KW", "WH", "KWH"})

# X2 may be accepted or refused, and X10 refused with 404, by `statuses`; a case that is not named
# is accepted.
_STATUSES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "X1": 401,  # no Authorization
        "X2": 403,  # another spelling of the scheme
        "X3": 403,  # a blank too many
        "X4": 403,  # a Bearer token that nobody issued
        "X5": 403,  # the token of another role, or of nobody
        "X6": 403,  # a token of before
        "X7": 400,  # no X-Request-ID
        "X13": 405,
        "X14": 415,
        "X17": 415,  # a compressed body
        "X18": 413,
        "X19": 404,  # an unknown group
        "json": 400,
        "schema": 400,
        "path": 404,
        "versions": 501,
    }
)

_SPECIFICATION: Final = Profile(
    name="specification",
    base_path=CAPACITY_PROVIDER_PATH,
    # More than a Capacity Provider of the specification has: SolarNetwork's instructions and its
    # measurement job send these as well, and its own simulator has a handshake (§1.2).
    endpoints=ACTIONS_OF_PATHS,
    register_methods=("POST", "PUT", "DELETE"),
    statuses=_STATUSES,
    refusal_shape="message",
    strict=frozenset(),
    request_id_needed=_EVERY_ACTION,
    correlation_needed=frozenset(),
    behaviour_needed=False,
    configuration_needed=frozenset(),
    no_measurements=True,
    accepts=range(200, 300),
    correlates_register=True,
    registers_back_after=timedelta(seconds=1),
    handshake_after=None,
    old_token_ends_at_once=False,
    reassembles=True,
    units=_EVERY_UNIT,
    zone=UTC,
    times="shortest",
    has_timetable=False,
)

_SOLARNETWORK: Final = Profile(
    name="solarnetwork",
    base_path=CAPACITY_PROVIDER_PATH,
    endpoints=ACTIONS_OF_PATHS,
    register_methods=("POST",),
    # Those of its Flexibility Provider (§2.5); a double slash is stopped by the firewall of its
    # framework, and a compressed body is no JSON to it (inferred).
    statuses=MappingProxyType(
        {**_STATUSES, "X1": 403, "X17": 422, "X19": 403, "X20": 400, "json": 422, "schema": 422}
    ),
    refusal_shape="envelope",
    strict=frozenset(),
    request_id_needed=frozenset(
        {
            "Handshake",
            "HandshakeAcknowledge",
            "UpdateGroupCapacityForecast",
            "AdjustGroupCapacityForecast",
        }
    ),
    correlation_needed=frozenset(),
    behaviour_needed=True,
    # Its own acknowledge has none, which it must be able to take (§4, §11.8).
    configuration_needed=frozenset({"Handshake"}),
    no_measurements=False,
    accepts=range(400),
    correlates_register=False,
    registers_back_after=timedelta(seconds=1),
    handshake_after=None,
    old_token_ends_at_once=True,
    reassembles=False,
    units=_EVERY_UNIT,
    zone=UTC,
    times="milliseconds",
    has_timetable=False,
)

_ELMO: Final = Profile(
    name="elmo",
    base_path=ELMO_PATH,
    # Those of a Capacity Provider in the specification, without the heartbeat that it does not use
    # (inferred: that there is no such path).
    endpoints=MappingProxyType(
        {
            path: ACTIONS_OF_PATHS[path]
            for path in (
                "/register",
                "/handshake_acknowledge",
                "/adjust_group_capacity_forecast",
                "/group_capacity_compliance_error",
                "/update_group_measurements",
            )
        }
    ),
    register_methods=("POST", "PUT", "DELETE"),
    statuses=MappingProxyType({**_STATUSES, "X19": 400}),
    refusal_shape="message",
    strict=frozenset({"X9"}),
    request_id_needed=_EVERY_ACTION,
    correlation_needed=frozenset({"HandshakeAcknowledge", "GroupCapacityComplianceError"}),
    behaviour_needed=False,
    configuration_needed=frozenset(),
    no_measurements=True,
    accepts=range(NO_CONTENT, NO_CONTENT + 1),
    correlates_register=True,
    registers_back_after=timedelta(),
    handshake_after=timedelta(seconds=5),
    old_token_ends_at_once=False,
    reassembles=False,
    units=frozenset({"KW"}),
    zone=timezone(timedelta(hours=8), "Asia/Taipei"),
    times="milliseconds",
    has_timetable=True,
)

#: The profiles, by the names that a world file calls them.
PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {each.name: each for each in (_SPECIFICATION, _SOLARNETWORK, _ELMO)}
)

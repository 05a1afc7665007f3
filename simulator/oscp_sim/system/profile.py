"""How a simulated system behaves: its paths, what it refuses, and what its answers look like.

A profile is one column of the table of dialects (oscp20.md §4), as far as a system can show it,
with the statuses that are suggested for it (§2.4 and §9.3). To add one, give it a name in
`oscp_sim.world.model.Profile` and in `world.schema.json`, and a value in `PROFILES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cached_property
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Literal

from oscp_send.messages import UpdateGroupCapacityForecast
from oscp_sim.http import Headers, Response, respond
from oscp_sim.world import AnySystem, CapacityProvider, ProviderBehaviour
from oscp_sim.world import Profile as ProfileName

#: The messages of OSCP 2.0, each with its path below the receiver's base URL (oscp20.md §1.2). The
#: action of asset measurements is singular, its path is plural.
PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Register": "/register",
        "Handshake": "/handshake",
        "HandshakeAcknowledge": "/handshake_acknowledge",
        "Heartbeat": "/heartbeat",
        "UpdateGroupCapacityForecast": "/update_group_capacity_forecast",
        "AdjustGroupCapacityForecast": "/adjust_group_capacity_forecast",
        "GroupCapacityComplianceError": "/group_capacity_compliance_error",
        "UpdateGroupMeasurements": "/update_group_measurements",
        "UpdateAssetMeasurement": "/update_asset_measurements",
    }
)
#: The same table by path.
ACTIONS: Final[Mapping[str, str]] = MappingProxyType({path: name for name, path in PATHS.items()})

_NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})

_NO_CONTENT: Final = 204
_BAD_REQUEST: Final = 400
_FAILURE: Final = 400
_MILLISECOND: Final = 1000

# Accepted with a finding unless they are made refusals; the other X cases are refused anyway, or
# there is nothing wrong with them (oscp20.md §9.3).
_FINDINGS: Final = frozenset({"X8", "X9", "X10", "X11", "X12", "X20", "X21"})

# A case that is not listed is accepted. X2 may be accepted and X10 refused by a world's `statuses`.
_STATUSES: Final[Mapping[str, int]] = {
    "X1": 401,  # no Authorization
    "X2": 403,  # another spelling of the scheme
    "X3": 403,  # a blank too many
    "X4": 403,  # a Bearer token that nobody issued
    "X5": 403,  # the token of another role, or of nobody
    "X6": 403,  # a token that has been replaced
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
    "adjustment": 409,
}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How a system behaves; the defaults are the specification's Capacity Provider.

    A *case* is one of the X cases of oscp20.md §9.3, a rule of §3.13 such as `S15`, or `json`,
    `schema`, `path`, `versions` (no version in common), `adjustment` (refused on purpose), and of
    oscp-sim-cp `token` and `argument`.

    Attributes:
        name: What a world file calls it.
        behaviour: What the world says of this one system. Where it sends no heartbeats by itself,
            it sends them as often as the other side asks.
        endpoints: The paths that it serves, each with its action.
        elsewhere: Those that are not below its base URL.
        register_methods: The methods of `/register`; every other message is a POST.
        statuses: The HTTP status of each case; one that is not listed is accepted.
        strict: The cases and rules of which a finding is a refusal; None: all of them.
        refusal_shape: What the body of a refusal looks like: `{"message"}`, or as SolarNetwork's
            Flexibility Provider or its oscp-sim-cp has it, which reads messages its own way, too.
        request_id_needed: The actions that need an X-Request-ID.
        correlation_needed: The actions that need an X-Correlation-ID, whatever it names.
        behaviour_needed: Whether a Handshake without `required_behaviour` is refused.
        configuration_needed: The actions in which `measurement_configuration` is required.
        no_measurements: Whether an empty list of measurements is accepted.
        accepts: The statuses that mean success when it sends something.
        correlates_register: Whether an answering Register carries X-Correlation-ID.
        registers_back_after: How long after an opening Register it sends its own.
        keeps_token_alone: Whether it takes the token alone from a Register, and answers none.
        handshake_after: How long after its answering Register it sends a Handshake; None: it sends
            one only on command.
        old_token_ends_at_once: Whether a new token ends the old one before the registration has
            succeeded.
        reassembles: Whether segments are put together; else each counts as a whole message.
        units: The units of its forecasts.
        zone: Where its midnights are, and in which it writes times.
        times: How it writes the seconds of a time.
        has_timetable: Whether it assigns capacities by the clock, where its behaviour says which.
        beats_as_it_asked: Whether it sends them as often as it has asked the other side, and on the
            minute.
        announces: How many intervals ahead a heartbeat says when it is offline.
        echoes_handshake: Whether it acknowledges a Handshake with what that asks, and no
            X-Correlation-ID.
        pauses: Seconds before each further try of what it sends by itself.
    """

    name: ProfileName = "specification"
    behaviour: ProviderBehaviour = field(default_factory=ProviderBehaviour)
    # More than a Capacity Provider of the specification has: SolarNetwork's instructions and its
    # measurement job send these as well, and its own simulator has a handshake (oscp20.md §1.2).
    endpoints: Mapping[str, str] = field(default_factory=lambda: ACTIONS)
    register_methods: tuple[str, ...] = ("POST", "PUT", "DELETE")
    statuses: Mapping[str, int] = field(default_factory=lambda: _STATUSES)
    strict: frozenset[str] | None = frozenset()
    elsewhere: Mapping[str, str] = field(default_factory=lambda: _NOWHERE)
    refusal_shape: Literal["message", "envelope", "oscp-sim-cp"] = "message"
    request_id_needed: frozenset[str] = frozenset(PATHS)
    correlation_needed: frozenset[str] = frozenset()
    behaviour_needed: bool = False
    configuration_needed: frozenset[str] = frozenset()
    no_measurements: bool = True
    accepts: range = range(200, 300)
    correlates_register: bool = True
    registers_back_after: timedelta = timedelta(seconds=1)
    keeps_token_alone: bool = False
    handshake_after: timedelta | None = None
    old_token_ends_at_once: bool = False
    reassembles: bool = True
    units: frozenset[str] = frozenset({"A", "W", "KW", "WH", "KWH"})
    zone: tzinfo = UTC
    times: Literal["shortest", "milliseconds"] = "shortest"
    has_timetable: bool = False
    beats_as_it_asked: bool = False
    announces: int = 2
    echoes_handshake: bool = False
    # SolarNetwork's (oscp20.md §5.3).
    pauses: tuple[float, ...] = (5.0, 10.0)

    @property
    def acts(self) -> bool:
        """Whether it sends anything by itself from the start."""
        return self.behaviour.heartbeat_every is not None or self.behaviour.timetable is not None

    @property
    def uses_heartbeats(self) -> bool:
        """Whether it takes heartbeats; if not, it asks for none and sends none on request."""
        return PATHS["Heartbeat"] in self.endpoints

    def status(self, case: str) -> int:
        """Return the HTTP status of a case; below 400, the message is accepted.

        A status that is given for the case comes before strictness.
        """
        if case in self.statuses:
            return self.statuses[case]
        return _BAD_REQUEST if self._is_strict_about(case) else _NO_CONTENT

    def refuses(self, case: str) -> bool:
        """Return whether a message is refused for a case."""
        return self.status(case) >= _FAILURE

    @cached_property
    def may_refuse_a_meaning(self) -> bool:
        """Whether it may refuse a message for a rule of its meaning."""
        named = (*(self.strict or ()), *self.statuses)
        return self.strict is None or any(each.startswith("S") for each in named)

    def _is_strict_about(self, case: str) -> bool:
        if case.startswith("X") and case not in _FINDINGS:
            return False
        return self.strict is None or case in self.strict

    def refusal(
        self, case: str, message: str, *, keyword: str = "", allowed: tuple[str, ...] = ("POST",)
    ) -> Response:
        """Return the answer that refuses a message, for a program by its case, and for a person.

        The keyword is the first violation's, where the schema refuses a body; `allowed` are the
        right methods, where that is wrong (X13).
        """
        status = self.status(case)
        headers: Headers = (("Allow", ", ".join(allowed)),) if case == "X13" else ()
        if self.refusal_shape == "message":
            return _with_body(status, headers, {"message": message})
        if case == "versions":
            return respond(status, headers=(*headers, ("X-Error-Message", message)))
        if case in _BODILESS:
            return respond(status, headers=headers)
        if case in _BY_CONTAINER:
            return _with_body(status, headers, _container_error(status))
        return _with_body(status, headers, _envelope(case, message, keyword))

    def write_time(self, instant: datetime) -> str:
        """Return an instant as this profile's messages write it."""
        short = self.times == "shortest" and instant.microsecond < _MILLISECOND
        try:
            local = instant.astimezone(self.zone)
        except OverflowError:
            # The last hours of the year 9999, elsewhere in the year 10000.
            local = instant.astimezone(UTC)
        return local.isoformat(timespec="seconds" if short else "milliseconds").replace(
            "+00:00", "Z"
        )

    def write_forecast(self, message: UpdateGroupCapacityForecast) -> dict[str, Any]:
        """Return the JSON values of a forecast, its times as this profile writes them."""
        body = message.to_dict()
        for block, values in zip(message.forecasted_blocks, body["forecasted_blocks"], strict=True):
            values["start_time"] = self.write_time(block.start_time)
            values["end_time"] = self.write_time(block.end_time)
        return body

    def next_midnight(self, now: datetime) -> datetime:
        """Return the first midnight after an instant, in this profile's zone."""
        local = now.astimezone(self.zone)
        return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def with_behaviour(self, behaviour: ProviderBehaviour) -> Profile:
        """Return this profile with what a world says that one Capacity Provider does otherwise."""
        both = {*(self.strict or ()), *(behaviour.strict or ())}
        statuses = {**self.statuses, "adjustment": behaviour.refusal, **behaviour.statuses}
        return replace(
            self,
            behaviour=behaviour,
            statuses=MappingProxyType(statuses),
            strict=None if behaviour.strict is None else frozenset(both),
        )


def _below(*actions: str) -> Mapping[str, str]:
    """Return the usual paths of some messages, each with its action."""
    return MappingProxyType({PATHS[action]: action for action in actions})


_CENTRAL: Final = (
    "AdjustGroupCapacityForecast",
    "GroupCapacityComplianceError",
    "UpdateGroupMeasurements",
)

_SPECIFICATION: Final = Profile()

# The manners of SolarNetwork's Flexibility Provider, in a Capacity Provider: no program of
# SolarNetwork's is like that. The Capacity Provider that it has is `oscp-sim-cp`.
_SOLARNETWORK: Final = Profile(
    name="solarnetwork",
    register_methods=("POST",),
    # Those of its Flexibility Provider (oscp20.md §2.5). A double slash is stopped by the firewall
    # of its framework, and to it a compressed body is not JSON (inferred).
    statuses=MappingProxyType(
        {**_STATUSES, "X1": 403, "X17": 422, "X19": 403, "X20": 400, "json": 422, "schema": 422}
    ),
    refusal_shape="envelope",
    request_id_needed=frozenset(
        {
            "Handshake",
            "HandshakeAcknowledge",
            "UpdateGroupCapacityForecast",
            "AdjustGroupCapacityForecast",
        }
    ),
    behaviour_needed=True,
    # Its own acknowledge has none, which it must be able to accept (oscp20.md §4, §11.8).
    configuration_needed=frozenset({"Handshake"}),
    no_measurements=False,
    accepts=range(400),
    correlates_register=False,
    old_token_ends_at_once=True,
    reassembles=False,
    times="milliseconds",
)

_ELMO: Final = Profile(
    name="elmo",
    # Those of a Capacity Provider in the specification, without the heartbeat that it does not use
    # (inferred: that there is no such path).
    endpoints=_below("Register", "HandshakeAcknowledge", *_CENTRAL),
    statuses=MappingProxyType({**_STATUSES, "X19": 400}),
    strict=frozenset({"X9"}),
    correlation_needed=frozenset({"HandshakeAcknowledge", "GroupCapacityComplianceError"}),
    accepts=range(_NO_CONTENT, _NO_CONTENT + 1),
    registers_back_after=timedelta(),
    handshake_after=timedelta(seconds=5),
    reassembles=False,
    units=frozenset({"KW"}),
    zone=timezone(timedelta(hours=8), "Asia/Taipei"),
    times="milliseconds",
    has_timetable=True,
)

# Its answers are as measured, what it does by itself is as read (oscp20.md §6).
_OSCP_SIM_CP: Final = Profile(
    name="oscp-sim-cp",
    endpoints=_below("Register", "Handshake", "HandshakeAcknowledge", "Heartbeat", *_CENTRAL),
    # Those below `/alt` are for trying out the service property `url-paths`.
    elsewhere=MappingProxyType(
        {
            "/alt/oscp-heartbeat": "Heartbeat",
            "/alt/oscp-update-group-measurements": "UpdateGroupMeasurements",
            "/alt/oscp-update-asset-measurements": "UpdateAssetMeasurement",
            "/oscp/co/2.0/update_asset_measurements": "UpdateAssetMeasurement",
        }
    ),
    register_methods=("POST",),
    # X1 to X6 are `token` after the body is read; two messages need none.
    statuses=MappingProxyType(
        {
            **_STATUSES,
            **dict.fromkeys(("X1", "X2", "X3", "X4", "X5", "X6", "X17", "X19"), _NO_CONTENT),
            **dict.fromkeys(("json", "schema", "token"), 500),
            "X20": 404,
            "argument": 422,
        }
    ),
    refusal_shape="oscp-sim-cp",
    request_id_needed=frozenset(),
    accepts=range(400),
    correlates_register=False,
    keeps_token_alone=True,
    reassembles=False,
    times="milliseconds",
    beats_as_it_asked=True,
    announces=1,
    echoes_handshake=True,
    pauses=(),
)

#: The profiles of Capacity Providers, by the names that a world file calls them.
PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {each.name: each for each in (_SPECIFICATION, _SOLARNETWORK, _OSCP_SIM_CP, _ELMO)}
)

# What a Capacity Optimizer of the specification is sent (oscp20.md §1.2), and the group
# measurements that SolarNetwork's job sends to one as well (§5.7).
_OF_OPTIMIZER: Final = (
    "Register",
    "Handshake",
    "HandshakeAcknowledge",
    "Heartbeat",
    "UpdateGroupCapacityForecast",
    "UpdateAssetMeasurement",
    "UpdateGroupMeasurements",
)
#: The profile of every Capacity Optimizer: the specification's.
OPTIMIZER: Final = Profile(
    endpoints=_below(*_OF_OPTIMIZER),
    request_id_needed=frozenset(_OF_OPTIMIZER),
    reassembles=False,
)


def profile_of(system: AnySystem) -> Profile:
    """Return how a system of the world behaves."""
    if isinstance(system, CapacityProvider):
        return PROFILES[system.profile].with_behaviour(system.behaviour)
    behaviour = ProviderBehaviour(heartbeat_every=system.heartbeat_every)
    return replace(OPTIMIZER, behaviour=behaviour)


def are_alike(one: AnySystem, other: AnySystem) -> bool:
    """Return whether two systems behave alike for certain, as one does before and after a change.

    Most changes are of the date of a heartbeat.
    """
    if isinstance(one, CapacityProvider) and isinstance(other, CapacityProvider):
        return one.behaviour is other.behaviour and one.profile == other.profile
    return one is other


# SolarNetwork answers these from its security filters, without a body that can be relied on.
_BODILESS: Final = frozenset({"X1", "X2", "X3", "X4", "X5", "X6"})
# And these from its container rather than its own code (inferred for the body).
_BY_CONTAINER: Final = frozenset({"X7", "X13", "X14", "X20", "path"})
# The code and the beginning of the text for a JSON Schema keyword (oscp20.md §2.5).
_CODES: Final[Mapping[str, tuple[str, str]]] = {
    "required": ("VAL.00004", ""),
    "minItems": ("VAL.00004", ""),
    "type": ("VAL.00005", "Malformed JSON: "),
    "json": ("VAL.00005", "Malformed JSON: "),
    "format": ("VAL.00006", "Malformed date string: "),
}
_OTHER_CODE: Final = ("VAL.00007", "Malformed request: ")


def _envelope(case: str, message: str, keyword: str) -> dict[str, object]:
    if case == "X19":
        return {"success": False, "message": "ACCESS_DENIED"}
    if case not in {"schema", "json", "X17"}:
        return {"success": False, "message": message}
    code, begins = _CODES.get(keyword if case == "schema" else "json", _OTHER_CODE)
    return {"success": False, "code": code, "message": f"{begins}{message}"}


def _container_error(status: int) -> dict[str, object]:
    known = {each.value: each.phrase for each in HTTPStatus}
    return {"success": False, "status": status, "error": known.get(status, str(status))}


def _with_body(status: int, headers: Headers, value: Mapping[str, object]) -> Response:
    body = json.dumps(value).encode()
    return respond(status, body, headers=(*headers, ("Content-Type", "application/json")))

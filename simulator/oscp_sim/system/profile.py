"""What the body of a refusal says: OSCP's one `message`, or SolarNetwork's envelope."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from oscp_sim.addresses import CAPACITY_PROVIDER_PATH, ELMO_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import tzinfo

    from oscp_send.findings import Finding
    from oscp_send.messages import UpdateGroupCapacityForecast
    from oscp_sim.world.model import Profile as ProfileName
    from oscp_sim.world.model import ProviderBehaviour

__all__ = [
    "ACTIONS_OF_PATHS",
    "NO_CONTENT",
    "PATHS",
    "PROFILES",
    "Answer",
    "Manners",
    "PlainManners",
    "Profile",
    "ProviderManners",
    "Refusal",
    "alternative_paths",
    "profile_of",
    "refusal",
    "written",
]


# § The messages of OSCP 2.0, and the path of each below its receiver's base URL.

# The action of asset measurements is singular, its path is plural (oscp20.md §1.2).
PATHS: Mapping[str, str] = MappingProxyType(
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
# The same message under the key that `url-paths` has for it (oscp20.md §5.9).
_PLURAL = "UpdateAssetMeasurements"


def alternative_paths(service_props: Mapping[str, object] | None) -> Mapping[str, str]:
    """Answers with the action of each path that the service property `url-paths` names.

    Args:
        service_props: Of the system; where it names none, there are none.
    """
    configured = (service_props or {}).get("url-paths")
    if not isinstance(configured, Mapping):
        return {}
    return {
        path: "UpdateAssetMeasurement" if action == _PLURAL else action
        for action, path in configured.items()
        if isinstance(path, str)
    }


# § What differs between the external systems that the simulator plays.


class Answer(Protocol):
    """An answer with its headers, ready to be sent."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Those that belong to it."""
        ...

    @property
    def body(self) -> bytes:
        """Empty where there is none."""
        ...


class Manners(Protocol):
    """The ways of one system: what it serves, what it minds, and how it says so.

    A case is one of the dossier's (`X1` to `X21`), a rule (`S15`), or `json`, `schema`, `path`,
    `versions` or `adjustment`.
    """

    @property
    def endpoints(self) -> Mapping[str, str]:
        """The paths that it serves, each with its action."""
        ...

    @property
    def register_methods(self) -> tuple[str, ...]:
        """The methods of `/register`; every other message is a POST."""
        ...

    @property
    def request_id_needed(self) -> AbstractSet[str]:
        """The actions that need an X-Request-ID."""
        ...

    @property
    def correlation_needed(self) -> AbstractSet[str]:
        """The actions that need an X-Correlation-ID, whatever it names."""
        ...

    @property
    def configuration_needed(self) -> AbstractSet[str]:
        """The actions in which `measurement_configuration` is required."""
        ...

    @property
    def behaviour_needed(self) -> bool:
        """Whether a Handshake without `required_behaviour` is refused."""
        ...

    @property
    def no_measurements(self) -> bool:
        """Whether a list of no measurements is accepted."""
        ...

    @property
    def reassembles(self) -> bool:
        """Whether segments are put together."""
        ...

    @property
    def correlates_register(self) -> bool:
        """Whether an answering Register names the Register that it answers."""
        ...

    @property
    def registers_back_after(self) -> timedelta:
        """How long after an opening Register it sends its own."""
        ...

    @property
    def handshake_after(self) -> timedelta | None:
        """How long after its answering Register it sends a Handshake; None: when told to."""
        ...

    @property
    def old_token_ends_at_once(self) -> bool:
        """Whether a new token ends the old one before the registration has succeeded."""
        ...

    @property
    def accepts(self) -> range:
        """The statuses that it takes for success when it sends something."""
        ...

    @property
    def token_valid_for(self) -> timedelta | None:
        """How long a token that it gives is good; None: for ever."""
        ...

    @property
    def longest_body(self) -> int:
        """The bytes of the longest message that it takes."""
        ...

    @property
    def delay(self) -> timedelta:
        """How long every answer takes."""
        ...

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant as it stands in its messages."""
        ...

    def status(self, case: str) -> int:
        """Answers with the HTTP status of a case; below 400, the message is accepted."""
        ...

    def minds(self, finding: Finding, case: str) -> bool:
        """Tells whether a finding, which is of that case or rule, is to be a refusal."""
        ...

    def refusal(self, case: str, message: str, keyword: str = "") -> Answer:
        """Answers with how it refuses.

        Args:
            case: What is wrong, for a program.
            message: The same, for a person.
            keyword: Of a body that the schema refuses: the first violation's keyword.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


# As suggested for a mock (oscp20.md §2.4 and §9.3).
_STATUSES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "X1": 401,
        "X2": 403,
        "X3": 403,
        "X4": 403,
        "X5": 403,
        "X6": 403,
        "X7": 400,
        "X13": 405,
        "X14": 415,
        "X17": 415,
        "X18": 413,
        "X19": 404,
        "json": 400,
        "schema": 400,
        "path": 404,
        "versions": 501,
    }
)


@dataclass(frozen=True, slots=True)
class PlainManners:
    """Those of the specification, for a system that has no others.

    Attributes:
        endpoints: The paths that it serves, each with its action.
        request_id_needed: The actions that need an X-Request-ID.
    """

    endpoints: Mapping[str, str]
    request_id_needed: frozenset[str]
    register_methods: tuple[str, ...] = ("POST", "PUT", "DELETE")
    correlation_needed: frozenset[str] = frozenset()
    configuration_needed: frozenset[str] = frozenset()
    behaviour_needed: bool = False
    no_measurements: bool = True
    reassembles: bool = True
    correlates_register: bool = True
    registers_back_after: timedelta = timedelta(seconds=1)
    handshake_after: timedelta | None = None
    old_token_ends_at_once: bool = False
    longest_body: int = 20_971_520
    delay: timedelta = timedelta()
    accepts: range = range(200, 300)
    token_valid_for: timedelta | None = None

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant in UTC, with three digits after the second or none."""
        spec = "milliseconds" if instant.microsecond else "seconds"
        return instant.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")

    def status(self, case: str) -> int:
        """Answers with the HTTP status of a case; one that is not named is accepted."""
        return _STATUSES.get(case, 204)

    def minds(self, finding: Finding, case: str) -> bool:  # noqa: ARG002 - theirs
        """Tells that none is."""
        return False

    def refusal(self, case: str, message: str, keyword: str = "") -> Answer:  # noqa: ARG002 - theirs
        """Answers with `{"message"}`."""
        headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
        if case == "X13":
            headers = (("Allow", "POST"), *headers)
        return _Refusal(self.status(case), headers, json.dumps({"message": message}).encode())


# § What a profile of a Capacity Provider says, and how it is asked.

RefusalShape = Literal["message", "envelope"]
TimeShape = Literal["shortest", "milliseconds"]

NO_CONTENT: Final = 204

_BAD_REQUEST: Final = 400
_FAILURE: Final = 400
_MILLISECOND: Final = 1000

# Accepted with a remark unless they are refused on purpose; the other cases are refused anyway, or
# are nothing to refuse (oscp20.md §9.3).
_REMARKS: Final = frozenset({"X8", "X9", "X10", "X11", "X12", "X20", "X21"})


@dataclass(frozen=True, slots=True)
class Profile:
    """The ways of a Capacity Provider.

    Attributes:
        name: What a world file calls it.
        base_path: Below which it is played; announced in Register, and by convention this one.
        endpoints: The paths that it serves, each with its action.
        register_methods: The methods of `/register`; every other message is a POST.
        statuses: The HTTP status of each case: the dossier's X cases, and `json`, `schema`, `path`
            and `versions` (no version in common).
        refusal_shape: What the body of a refusal looks like: `{"message"}` or SolarNetwork's own.
        strict: The cases and rules that it refuses of its own accord.
        request_id_needed: The actions that need an X-Request-ID.
        correlation_needed: The actions that need an X-Correlation-ID, whatever it names.
        behaviour_needed: Whether a Handshake without `required_behaviour` is refused.
        configuration_needed: The actions in which `measurement_configuration` is required.
        no_measurements: Whether a list of no measurements is accepted.
        accepts: The statuses that it takes for success when it sends something.
        correlates_register: Whether an answering Register carries X-Correlation-ID.
        registers_back_after: How long after an opening Register it sends its own.
        handshake_after: How long after its answering Register it sends a Handshake; None: it does
            when told to.
        old_token_ends_at_once: Whether re-registering ends the old token before it succeeded.
        reassembles: Whether segments are put together; else each is taken for a whole message.
        units: The units of its forecasts.
        zone: Where its midnights are, and in which it writes times.
        times: How it writes the seconds of a time.
        has_timetable: Whether it assigns capacities by the clock.
    """

    name: ProfileName
    base_path: str
    endpoints: Mapping[str, str]
    register_methods: tuple[str, ...]
    statuses: Mapping[str, int]
    refusal_shape: RefusalShape
    strict: frozenset[str]
    request_id_needed: frozenset[str]
    correlation_needed: frozenset[str]
    behaviour_needed: bool
    configuration_needed: frozenset[str]
    no_measurements: bool
    accepts: range
    correlates_register: bool
    registers_back_after: timedelta
    handshake_after: timedelta | None
    old_token_ends_at_once: bool
    reassembles: bool
    units: frozenset[str]
    zone: tzinfo
    times: TimeShape
    has_timetable: bool

    def status(self, case: str, behaviour: ProviderBehaviour) -> int:
        """Answers with the HTTP status of a case: `X1` to `X21`, `S1` to `S19`, or a named one.

        What the world says of the single case comes first, then strictness, then the profile. A
        status below 400 means that the message is accepted.
        """
        if case in behaviour.statuses:
            return behaviour.statuses[case]
        usual = self.statuses.get(case, NO_CONTENT)
        if usual < _FAILURE and self.refuses(case, behaviour):
            return _BAD_REQUEST
        return usual

    def refuses(self, rule: str, behaviour: ProviderBehaviour) -> bool:
        """Tells whether a finding of a rule (`S15`) or case (`X9`) is to be a refusal."""
        if rule.startswith("X") and rule not in _REMARKS:
            return False
        return rule in self.strict or behaviour.refuses(rule)

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant as it stands in this provider's messages."""
        short = self.times == "shortest" and instant.microsecond < _MILLISECOND
        try:
            local = instant.astimezone(self.zone)
        except OverflowError:
            # The last hours of the year 9999, elsewhere in the year 10000.
            local = instant.astimezone(UTC)
        return local.isoformat(timespec="seconds" if short else "milliseconds").replace(
            "+00:00", "Z"
        )

    def next_midnight(self, now: datetime) -> datetime:
        """Answers with the first midnight after an instant, where this provider is."""
        local = now.astimezone(self.zone)
        return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def written(message: UpdateGroupCapacityForecast, profile: Profile) -> dict[str, Any]:
    """Answers with the JSON values of a forecast, its times written as the profile does."""
    body = message.to_dict()
    for block, values in zip(message.forecasted_blocks, body["forecasted_blocks"], strict=True):
        values["start_time"] = profile.write_time(block.start_time)
        values["end_time"] = profile.write_time(block.end_time)
    return body


# § Whose ways a simulated Capacity Provider has: the specification's, SolarNetwork's or ELMO's.
#
# One column of the dossier's table of differences each (oscp20.md §4), as far as a Capacity
# Provider can show them, with the statuses that are suggested for it (§2.4 and §9.3).

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
_PROFILE_STATUSES: Final[Mapping[str, int]] = MappingProxyType(
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
    statuses=_PROFILE_STATUSES,
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
        {
            **_PROFILE_STATUSES,
            "X1": 403,
            "X17": 422,
            "X19": 403,
            "X20": 400,
            "json": 422,
            "schema": 422,
        }
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
    statuses=MappingProxyType({**_PROFILE_STATUSES, "X19": 400}),
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


# § The ways of one Capacity Provider: its profile, and what its world says of it besides.


class ProviderManners:
    """Those of a Capacity Provider.

    Args:
        profile: Whose ways it has.
        behaviour: What it does otherwise.
    """

    def __init__(self, profile: Profile, behaviour: ProviderBehaviour) -> None:
        self.profile = profile
        self.behaviour = behaviour
        self.longest_body: int = behaviour.longest_body
        self.delay: timedelta = behaviour.delay
        self.token_valid_for: timedelta | None = behaviour.token_valid_for
        self.endpoints: Mapping[str, str] = profile.endpoints
        self.register_methods: tuple[str, ...] = profile.register_methods
        self.request_id_needed: frozenset[str] = profile.request_id_needed
        self.correlation_needed: frozenset[str] = profile.correlation_needed
        self.configuration_needed: frozenset[str] = profile.configuration_needed
        self.behaviour_needed: bool = profile.behaviour_needed
        self.no_measurements: bool = profile.no_measurements
        self.reassembles: bool = profile.reassembles
        self.correlates_register: bool = profile.correlates_register
        self.registers_back_after: timedelta = profile.registers_back_after
        self.handshake_after: timedelta | None = profile.handshake_after
        self.old_token_ends_at_once: bool = profile.old_token_ends_at_once
        self.accepts: range = profile.accepts

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant as it stands in its messages."""
        return self.profile.write_time(instant)

    def status(self, case: str) -> int:
        """Answers with the HTTP status of a case; below 400, the message is accepted."""
        return self.profile.status(case, self.behaviour)

    def minds(self, finding: Finding, case: str) -> bool:
        """Tells whether a finding is to be a refusal.

        Where all are to be, a mere piece of information is not: it says what is right, too.
        """
        if finding.severity == "info" and self.behaviour.strict is None:
            return False
        return self.status(case) >= 400  # noqa: PLR2004 - of HTTP

    def refusal(self, case: str, message: str, keyword: str = "") -> Answer:
        """Answers with how it refuses."""
        return refusal(self.profile, case, message, self.behaviour, keyword=keyword)


_JSON: Final = ("Content-Type", "application/json")
_ERROR_HEADER: Final = "X-Error-Message"

# SolarNetwork answers these from its security filters, without a body that can be relied on.
_BODILESS: Final = frozenset({"X1", "X2", "X3", "X4", "X5", "X6"})
# By its container rather than its own code (inferred for the body).
_OF_THE_CONTAINER: Final = frozenset({"X7", "X13", "X14", "X20", "path"})
# The code and the beginning of the text for a JSON Schema keyword (oscp20.md §2.5).
_CODES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "required": ("VAL.00004", ""),
        "minItems": ("VAL.00004", ""),
        "type": ("VAL.00005", "Malformed JSON: "),
        "json": ("VAL.00005", "Malformed JSON: "),
        "format": ("VAL.00006", "Malformed date string: "),
    }
)
_OTHER_CODE: Final = ("VAL.00007", "Malformed request: ")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal, ready to be sent.

    Attributes:
        status: The HTTP status.
        headers: Those that belong to it.
        body: Empty where there is none.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refusal(
    profile: Profile,
    case: str,
    message: str,
    behaviour: ProviderBehaviour,
    *,
    keyword: str = "",
    allowed: Sequence[str] = ("POST",),
    status: int | None = None,
) -> Refusal:
    """Answers with how a profile refuses.

    Args:
        profile: Whose ways are followed.
        case: An X case of the dossier, a rule, or a named case; see `Profile.statuses`.
        message: What is wrong, for a person.
        behaviour: May give the case another status.
        keyword: Of a body that the schema refuses: the first violation's keyword.
        allowed: Where the method is wrong (X13): the right ones.
        status: Where it is none of the profile's: that of a refused adjustment.
    """
    status = profile.status(case, behaviour) if status is None else status
    headers = (("Allow", ", ".join(allowed)),) if case == "X13" else ()
    if profile.refusal_shape == "message":
        return _with_body(status, headers, {"message": message})
    if case == "versions":
        return Refusal(status, (*headers, (_ERROR_HEADER, message)), b"")
    if case in _BODILESS:
        return Refusal(status, headers, b"")
    if case in _OF_THE_CONTAINER:
        return _with_body(status, headers, _container_error(status))
    return _with_body(status, headers, _envelope(case, message, keyword))


def _envelope(case: str, message: str, keyword: str) -> dict[str, object]:
    if case == "X19":
        return {"success": False, "message": "ACCESS_DENIED"}
    if case == "schema":
        code, begins = _CODES.get(keyword, _OTHER_CODE)
        return {"success": False, "code": code, "message": f"{begins}{message}"}
    if case in {"json", "X17"}:
        code, begins = _CODES["json"]
        return {"success": False, "code": code, "message": f"{begins}{message}"}
    return {"success": False, "message": message}


def _container_error(status: int) -> dict[str, object]:
    known = {each.value: each.phrase for each in HTTPStatus}
    return {"success": False, "status": status, "error": known.get(status, str(status))}


def _with_body(
    status: int, headers: tuple[tuple[str, str], ...], value: Mapping[str, object]
) -> Refusal:
    return Refusal(status, (*headers, _JSON), json.dumps(value).encode())

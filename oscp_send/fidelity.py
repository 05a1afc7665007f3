"""Where the public guide and the running service differ, and which of the two to follow.

This table is the single place that knows the differences (solaruser.md §12 and §13).
Everything that behaves in two ways asks a `Behaviour`; nothing else compares fidelities by name.

Left out are the lines of §12 that allow only one behaviour: what the guide's own text settles (up
to six fraction digits; a node id as number or text; who may set `Declined`), what only a comment or
a log text claims (at most 2000 rows; 204 as the only success), a typing error (`Exoprt`), texts
that are the same in both (`group_identifier`), and the shape of lists, which the guide does not
describe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import get_args

from oscp_schemas import Fidelity
from oscp_schemas.show import nearest


@dataclass(frozen=True, slots=True)
class Difference:
    """One point in which documentation says one thing and the service does another.

    Attributes:
        name: The name of the difference, for `Behaviour.follows_service` and for settings.
        documented: What the public guide or the OSCP 2.0 specification promises or, where both are
            silent, another text of SolarNetwork's.
        observed: What SolarNetwork's running services do.
        default: The side that is followed unless the difference is set by its own name; None for
            the side of the fidelity. Given where the guide is silent, so that both fidelities
            follow the service.
        words: Other words for the documented and the observed side in a setting.
    """

    name: str
    documented: str
    observed: str
    default: Fidelity | None = None
    words: tuple[str, str] | None = None

    def read(self, value: str) -> Fidelity:
        """Return the side that a setting names.

        Raises:
            ValueError: It names neither side; the message says which words do.
        """
        if value == "documented" or (self.words and value == self.words[0]):
            return "documented"
        if value == "observed" or (self.words and value == self.words[1]):
            return "observed"
        known = [*get_args(Fidelity), *(self.words or ())]
        raise ValueError(
            f"{self.name} is {' or '.join(map(repr, known))}, not {value!r}{_near(value, known)}"
        )


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "asset_measurements",
        "UpdateAssetMeasurement is sent like the other messages",
        "UpdateAssetMeasurement is always Declined: its schema file is looked up under a name "
        "that does not exist",
    ),
    Difference(
        "authentication_errors",
        'a failed authentication is 401 with "code":"401" (so say the service\'s own unit tests; '
        "the guide says nothing)",
        "it is 401 where there is no Authorization header or the token has expired, else 403; "
        "without a code",
        default="observed",
    ),
    Difference(
        "cbor_lists",
        "a list of instructions or events in CBOR can be read",
        "it is broken off before its first entry, also where Accept allows any type",
        words=("whole", "broken"),
    ),
    Difference(
        "correlation_id",
        "correlationId reaches the Capacity Provider as X-Correlation-ID",
        "correlationId is stored and echoed, and never leaves SolarUser",
        words=("forwarded", "dropped"),
    ),
    Difference(
        "created_location",
        "the Location of what the configuration API has created leads to it (the guide is silent)",
        "it begins with /solaruser/u/sec/oscp, where nothing answers a token",
    ),
    Difference(
        "created_version",
        "a Capacity Provider or Optimizer keeps the oscpVersion with which it was created",
        "only PUT stores oscpVersion: what POST created has none, so deliveries to it fail until "
        "then",
    ),
    Difference(
        "date_times",
        "every RFC 3339 date-time is read",
        "the schema reads more than RFC 3339 in places, then the decoder refuses all but an "
        "upper-case T, Z or +hh:mm, and no or exactly three fraction digits",
    ),
    Difference(
        "disabled_assets",
        "an asset that is disabled, or whose Capacity Group is, is not measured (the guide is "
        "silent)",
        "it is measured all the same, and its measurements are sent",
    ),
    Difference(
        "energy_fields",
        "the energy of an asset without a type or a direction is sent, the direction as NET (the "
        "guide is silent)",
        "it is silently dropped, so that a list of measurements may be empty",
    ),
    Difference(
        "exec_waiting",
        "exec answers as soon as every result is known (the guide says nothing of a pace)",
        "exec looks after about a second, then ever less often; where one node's result comes "
        "before another's it waits to the limit; 4 of 27 replies on a time-out lack the wrapper",
    ),
    Difference(
        "foreign_nodes",
        "the configuration API takes only nodes that the token may use (the guide is silent)",
        "assets and settings may name any node, even an unknown one",
    ),
    Difference(
        "group_forecasts",
        "UpdateGroupCapacityForecast is sent like the other messages",
        "UpdateGroupCapacityForecast is queued, then Declined on delivery",
    ),
    Difference(
        "host_names",
        "the simulator may have any name, as a container may be called oscp_sim",
        "a Host with an underscore is refused with 400",
    ),
    Difference(
        "host_port",
        "the Host header is verified as it was sent (the guide says nothing of proxies)",
        "a Host without a port is verified with that of X-Forwarded-Port, unless it is 80, or "
        "with 443 where X-Forwarded-Proto is https",
        default="observed",
    ),
    Difference(
        "malformed_message",
        "a msg that is not JSON is declined with 'Invalid JSON for [action] OSCP action: ...'",
        "the JSON parser's own text comes without that prefix",
    ),
    Difference(
        "masked_errors",
        "a refusal is told as JSON where its request accepts no type that could hold it",
        "it is masked then: by SolarUser as a 500, by the Flexibility Provider as a 400, without a "
        "text; an Accept that cannot be read gets an empty body",
    ),
    Difference(
        "measurement_runs",
        "a Capacity Group that cannot be measured, or whose measurements cannot be sent, holds up "
        "no other (the guide is silent)",
        "it ends the run of the job, so that no group behind it is served; an asset with "
        "instantaneous properties cannot be measured every 1 or 20 minutes, not even in a message "
        "of the group",
    ),
    Difference(
        "mqtt_limit",
        "a message of any size is queued (the guide says nothing of a limit)",
        "one of more than 8,192 bytes in the queue (74 blocks) is refused with 422; one whose copy "
        "for the node has more sometimes becomes Queued by itself",
    ),
    Difference(
        "other_paths",
        "an address that no party serves is answered with 404 and a hint where the parties are",
        "it is answered by the Flexibility Provider's host, with 403 wherever that has no page; "
        "the hint is in the journal",
    ),
    Difference(
        "parameter_splitting",
        "msg is split into parts of 256 characters (the guide says nothing of other parameters, "
        "which stay whole here)",
        "every parameter is split into parts of 256 UTF-16 code units",
        default="observed",
    ),
    Difference(
        "piece_order",
        "the parts of a parameter come back in the order in which they were sent",
        "their order is the database's own: in one of 300 replies another part comes first",
    ),
    Difference(
        "register_events",
        "the user event of the Flexibility Provider's Register does not show the new token (the "
        "guide is silent)",
        "it shows the new token in clear",
    ),
    Difference(
        "search_filters",
        "a searchFilter of user events that cannot be read is refused, and any other finds what it "
        "says (the guide is silent)",
        "one that cannot be read is passed over, so that all events come; one for any value, or "
        "for how a text ends, finds nothing, and a negation no event without data",
    ),
    Difference(
        "stale_date",
        "a request date 15 minutes off or more is answered with 401",
        "it is answered with 403",
    ),
    Difference(
        "stale_queuing",
        "an instruction is Queuing until it is claimed (the guide says nothing of a time limit)",
        "one that nobody has claimed 30 s after its instructionDate becomes Queued, and is never "
        "delivered",
        default="observed",
    ),
    Difference(
        "update_by_filter",
        "updateState by a filter changes whatever the filter fits, and refuses others' nodes and "
        "instructions (the guide says nothing of either)",
        "state filters, too, so that nothing changes without states; others' nodes and "
        "instructions are passed over",
    ),
    Difference(
        "url_paths",
        "the service property url-paths of a Capacity Provider changes the paths of "
        "AdjustGroupCapacityForecast and GroupCapacityComplianceError",
        "it is not applied to instructions",
    ),
)
_BY_NAME: Mapping[str, Difference] = MappingProxyType({each.name: each for each in DIFFERENCES})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Which side of every difference to follow: a fidelity, and settings for single differences.

    Attributes:
        fidelity: The side of every difference without a setting.
        settings: The side of a difference by its name; one of its `words` is accepted too.

    Raises:
        ValueError: The fidelity, the name of a difference or its side is unknown.
    """

    fidelity: Fidelity = "documented"
    settings: Mapping[str, str] = field(default_factory=dict)
    _sides: Mapping[str, Fidelity] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.fidelity not in get_args(Fidelity):
            near = _near(str(self.fidelity), get_args(Fidelity))
            raise ValueError(f"fidelity is 'documented' or 'observed', not {self.fidelity!r}{near}")
        settings = {name: _difference(name).read(side) for name, side in self.settings.items()}
        sides = {each.name: each.default or self.fidelity for each in DIFFERENCES} | settings
        object.__setattr__(self, "settings", MappingProxyType(settings))
        object.__setattr__(self, "_sides", MappingProxyType(sides))

    @classmethod
    def of(cls, fidelity: Fidelity | Behaviour) -> Behaviour:
        """Return a behaviour, given one or the name of a fidelity."""
        return fidelity if isinstance(fidelity, Behaviour) else _plain(fidelity)

    @property
    def sides(self) -> Mapping[str, Fidelity]:
        """The side that is followed in every difference, by its name."""
        return self._sides

    def follows_service(self, name: str) -> bool:
        """Return whether the running service, not the guide, is followed in this difference."""
        return self.side(name) == "observed"

    def side(self, name: str) -> Fidelity:
        """Return the side that is followed in one difference."""
        return self._sides[name]

    def under(self, fidelity: Fidelity | None) -> Behaviour:
        """Return the same settings with another fidelity; unchanged if that is None."""
        return self if fidelity is None else Behaviour(fidelity, self.settings)

    def __reduce__(self) -> tuple[object, ...]:
        """Let it be sent to another process, which a view of a mapping cannot be."""
        return Behaviour, (self.fidelity, dict(self.settings))

    def __str__(self) -> str:
        """Return a text for people: `observed (correlation_id=documented)`."""
        settings = ", ".join(f"{name}={side}" for name, side in sorted(self.settings.items()))
        return f"{self.fidelity} ({settings})" if settings else self.fidelity


@cache
def _plain(fidelity: Fidelity) -> Behaviour:
    return Behaviour(fidelity)


def _difference(name: str) -> Difference:
    if name not in _BY_NAME:
        hint = _near(name, _BY_NAME) or f"; known: {', '.join(_BY_NAME)}"
        raise ValueError(f"{name!r} is not a difference in fidelity{hint}")
    return _BY_NAME[name]


def _near(text: str, known: Iterable[str]) -> str:
    near = nearest(text, known)
    return f"; did you mean {near!r}?" if near else ""

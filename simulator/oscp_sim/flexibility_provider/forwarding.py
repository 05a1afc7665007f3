"""Pass forecasts on, and publish what they and heartbeats say.

As observed in SolarNetwork (oscp20.md §5.5 and §5.6, solaruser.md §8.4): the sender of a forecast
is answered first, the X-Request-ID stays the same, an X-Correlation-ID is not passed on, and the
body is rebuilt. The simulator has no datum streams to write to: what would be published is a note
in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from oscp_send.solarnetwork.dates import timestamp
from oscp_sim.flexibility_provider.call import Caller, IncomingCall, ServiceRefused
from oscp_sim.flexibility_provider.delivery import Events, System, queue_of
from oscp_sim.flexibility_provider.http_client import Sending
from oscp_sim.flexibility_provider.outbox import check_registered
from oscp_sim.flexibility_provider.provider import FlexibilityProvider, Later
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityGroup, Publication, User

_SOURCE_ID: Final = "X-SN-Source-ID"


def forward(provider: FlexibilityProvider, call: IncomingCall) -> Later:
    """Take a Capacity Provider's forecast for its group's Optimizer, or an adjustment back.

    It returns what is left to do after the answer: to pass it on. A caller without a group of
    that identifier is refused.
    """
    caller, identifier = call.caller, call.message["group_id"]
    # Whether it is enabled is not checked (§5.6).
    groups = caller.user.groups_of(caller.system)
    group = next((each for each in groups if each.identifier == identifier), None)
    if group is None:
        why = f'{caller.system.name} has no group "{identifier}"'
        raise ServiceRefused(403, "ACCESS_DENIED", why=why)
    forecast = _ForwardedForecast(
        provider,
        call.action,
        caller.user.id,
        caller.system.name,
        group,
        _rebuilt(call.message),
        call.request_id or "",
    )
    return forecast.start


def _rebuilt(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a forecast as it goes on: -0.0 is 0.0 (measured)."""
    blocks = message["forecasted_blocks"]
    rebuilt = [each and {**each, "capacity": each["capacity"] + 0.0} for each in blocks]
    return {**message, "forecasted_blocks": rebuilt}


@dataclass(slots=True)
class _ForwardedForecast:
    """A forecast on its way; each attempt to deliver it looks at the present world.

    Attributes:
        sender: The name of the system that sent it.
        group: The group, as it was when the forecast came.
        message: The forecast, decoded; a block may be None.
        request_id: The X-Request-ID with which it came, and with which it goes on.
    """

    provider: FlexibilityProvider
    action: str
    user_id: int
    sender: str
    group: CapacityGroup
    message: Mapping[str, Any]
    request_id: str

    def start(self) -> None:
        """Pass it on soon, with up to three tries."""
        recipient = self._recipient(self.provider.shared.world.user(self.user_id))
        if recipient is None:
            self._note(f"there is nobody to pass on what {self.sender} sent")
            return
        queue = queue_of(self.provider.shared, self.user_id, recipient)
        events = Events(self.provider.shared, self.user_id, recipient, self.action)
        self.provider.retries.run(self.action, self._attempt, queue=queue, events=events)

    def _attempt(self) -> Sending:
        shared, outbox = self.provider.shared, self.provider.outbox
        user = shared.world.user(self.user_id)
        system = self._recipient(user)
        if user is None or system is None:
            self._note(f"there is nobody left to pass on what {self.sender} sent")
            return None
        check_registered(user.id, system, self.action)
        self._check_blocks()
        settings, source_id = self._publication(user)
        more = () if source_id is None else ((_SOURCE_ID, source_id),)
        delivery = outbox.delivery(system, self.action, self.message, self.request_id, more=more)
        answer = None
        if delivery is None:
            self._note(f"{system.name} has no base URL: nothing is sent")
        else:
            answer = yield from outbox.send(user.id, system, delivery)
        # With what failed, its data are rolled back (measured).
        if settings is not None and source_id is not None:
            for datum in self._data(settings.node_id, source_id):
                _note_datum(shared, user, settings, self.action, datum)
        return answer

    @property
    def _is_update(self) -> bool:
        return self.action == "UpdateGroupCapacityForecast"

    def _recipient(self, user: User | None) -> System | None:
        if user is None:
            return None
        if self._is_update:
            return user.optimizer(self.group.capacity_optimizer)
        return user.provider(self.group.capacity_provider)

    def _check_blocks(self) -> None:
        """Fail where a block is null: only now, when the sender has its 204 (§5.1)."""
        for index, block in enumerate(self.message["forecasted_blocks"]):
            if not isinstance(block, Mapping):
                raise ValueError(f"/forecasted_blocks/{index} is null")  # noqa: TRY004 - of a message

    def _publication(self, user: User) -> tuple[Publication | None, str | None]:
        """Return how, and under which name, an update is published; an adjustment never is."""
        # The group's settings may have changed since the message came.
        groups = (each for each in user.capacity_groups if each.id == self.group.id)
        group = next(groups, self.group)
        settings = _settings_of(user, group) if self._is_update else None
        if settings is None:
            return None, None
        parties = {"cp": str(group.capacity_provider), "co": str(group.capacity_optimizer)}
        source_id = _source_id(settings, group, "cp", self.action, parties)
        # That a template of the user's is followed by the type's letter as well is (inferred).
        return settings, f"{source_id}/{_TYPES.get(self.message['type'], '')}"

    def _data(self, node_id: int, source_id: str) -> Iterator[dict[str, Any]]:
        """Yield a datum for each instant at which a block starts."""
        for start, samples in _samples(self.message["forecasted_blocks"]).items():
            amounts, units = samples
            yield {
                "nodeId": node_id,
                "sourceId": source_id,
                "created": timestamp(start),
                "i": amounts,
                # A Capacity Optimizer can refer to the forecast by its X-Request-ID.
                "s": {**units, "forecastIdentifier": self.request_id},
            }

    def _note(self, why: str) -> None:
        self.provider.shared.journal.append(
            "flexibility_provider", "note", action=self.action, detail={"why": why}
        )


_TEMPLATE: Final = "/oscp/{role}/{action}/{cp}/{co}/{cgIdentifier}"
# Each type of forecast has its own datum stream.
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CONSUMPTION": "c",
        "GENERATION": "g",
        "FALLBACK_CONSUMPTION": "C",
        "FALLBACK_GENERATION": "G",
        "OPTIMUM": "o",
    }
)
_SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {"ONE": "_a", "TWO": "_b", "THREE": "_c", "UNKNOWN": "_u", "ALL": ""}
)
# SolarNetwork's own names, in which it holds what it has read (inferred for the datum).
_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {"A": "A", "W": "W", "KW": "kW", "WH": "Wh", "KWH": "kWh"}
)


def publish_heartbeat(shared: Shared, caller: Caller, offline_at: datetime) -> None:
    """Publish a heartbeat as a datum of each of the sender's groups whose settings say so.

    All are of one time, in milliseconds, and their names leave out the other party (measured).
    """
    role = "cp" if caller.role == "capacity_provider" else "co"
    now = shared.clock.now()
    for group in caller.user.groups_of(caller.system):
        settings = _settings_of(caller.user, group)
        if settings is None:
            continue
        parties = {role: str(caller.system.id)}
        datum = {
            "nodeId": settings.node_id,
            "sourceId": _source_id(settings, group, role, "Heartbeat", parties),
            "created": timestamp(now.replace(microsecond=now.microsecond // 1000 * 1000)),
            "s": {"expires": timestamp(offline_at)},
        }
        _note_datum(shared, caller.user, settings, "Heartbeat", datum)


def _settings_of(user: User, group: CapacityGroup) -> Publication | None:
    """Return the settings by which a group's messages are published, or None.

    The group's own settings replace its user's; with both ways turned off, nothing is published
    (inferred).
    """
    settings = group.settings or user.settings
    if settings is None or not (settings.publish_to_solar_in or settings.publish_to_solar_flux):
        return None
    return settings


def _source_id(
    settings: Publication, group: CapacityGroup, role: str, action: str, parties: Mapping[str, str]
) -> str:
    """Return the name of a group's datum stream for one action of one role.

    What is not known drops out, and so does the empty part of the path that it leaves.
    """
    values = {"role": role, "action": action, "cgIdentifier": group.identifier}
    name = settings.source_id_template or _TEMPLATE
    for variable, value in {"cp": "", "co": "", **values, **parties}.items():
        name = name.replace(f"{{{variable}}}", value)
    return re.sub("/+", "/", name).removesuffix("/")


def _samples(
    blocks: Iterable[Mapping[str, Any]],
) -> dict[datetime, tuple[dict[str, Any], dict[str, str]]]:
    """Return the amounts and the units at each instant; of two of one name, the later counts.

    The duration is that of the first block that starts then (measured), in whole seconds.
    """
    found: dict[datetime, tuple[dict[str, Any], dict[str, str]]] = {}
    for block in blocks:
        start: datetime = block["start_time"].astimezone(UTC)
        duration = (block["end_time"] - block["start_time"]).total_seconds()
        amounts, units = found.setdefault(start, ({"duration": int(duration)}, {}))
        suffix = _SUFFIXES[block["phase"]]
        amounts[f"amount{suffix}"] = block["capacity"]
        units[f"unit{suffix}"] = _UNITS[block["unit"]]
    return found


def _note_datum(
    shared: Shared, user: User, settings: Publication, action: str, datum: Mapping[str, Any]
) -> None:
    shared.journal.append(
        "flexibility_provider",
        "note",
        action=action,
        detail={
            "why": "what the message says is published as a datum",
            "user": user.id,
            "datum": datum,
            "solarin": settings.publish_to_solar_in,
            "solarflux": settings.publish_to_solar_flux,
        },
    )

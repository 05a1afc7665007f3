"""Take what a system says about itself: Register, Handshake, HandshakeAcknowledge and Heartbeat.

As observed in SolarNetwork (oscp20.md §3.4 to §3.6, §5.3 to §5.5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from oscp_sim.access_tokens import new_token
from oscp_sim.addresses import FLEXIBILITY_PROVIDER_PATH, path_of
from oscp_sim.flexibility_provider.call import (
    Caller,
    IncomingCall,
    RequestRefused,
    ServiceRefused,
    database_refused,
)
from oscp_sim.flexibility_provider.delivery import (
    ConfigurationProblem,
    Events,
    System,
    party_of,
    queue_of,
    row_of,
)
from oscp_sim.flexibility_provider.forwarding import publish_heartbeat
from oscp_sim.flexibility_provider.http_client import Sending
from oscp_sim.flexibility_provider.outbox import OSCP_VERSION, check_registered
from oscp_sim.flexibility_provider.provider import OWED, FlexibilityProvider, Later
from oscp_sim.shared import Shared
from oscp_sim.world import SIMULATED, SystemSettings, User
from oscp_sim.world.model import MeasurementStyle

# The database's columns, in characters (§3.4).
_LONGEST_TOKEN, _LONGEST_URL = 64, 256
_NO_VERSION: Final = "URL version '2.0' required but not provided."


def register(provider: FlexibilityProvider, call: IncomingCall) -> Later:
    """Store where a system is and its token, and replace the token that it has here.

    It returns what is left to do after the 204: the Flexibility Provider's own Register. Until that
    has brought the new token, the system has no good one.

    Raises:
        RequestRefused: The system offers no OSCP 2.0, or the database cannot store what it says.
    """
    found = None
    for each in call.message["version_url"]:
        if each is None:
            raise ServiceRefused(500, "Internal error", why="the service fails at a null there")
        if each["version"] == OSCP_VERSION:
            found = each
            break
    if found is None:
        raise RequestRefused(501, _NO_VERSION, {"X-Error-Message": _NO_VERSION})
    token, base_url = call.message["token"], found["base_url"]
    _check_columns(token, base_url)
    own_token = _own_token(provider)
    for secret in (own_token, token):
        provider.shared.journal.conceal(secret)
    _store(provider, call.caller, token, base_url, own_token)
    provider.note_replaced(call.caller.user.id, call.caller.system)
    _events(provider, call.caller, "Register").registered(base_url)
    return _OwnRegister(provider, call.caller, own_token).start


def _own_token(provider: FlexibilityProvider) -> str:
    """Return a token that no system has: after a restart, chance begins anew."""
    given = {each.flexibility_provider_token for _, each in provider.shared.world.systems}
    while (token := new_token(provider.random)) in given:
        pass
    return token


def recall(
    provider: FlexibilityProvider, remembered: Mapping[tuple[int, str, int], Mapping[str, Any]]
) -> None:
    """Send what was still to be sent before a restart: a system without it is locked out."""
    for user, system in provider.shared.world.systems:
        owed = remembered.get((user.id, party_of(system) + OWED, system.id))
        if owed is not None:
            with provider.shared.world_lock:
                provider.owe(user.id, system, owed["token"])
            _OwnRegister(provider, Caller(user, system, ""), owed["token"]).start()


def _events(provider: FlexibilityProvider, caller: Caller, action: str) -> Events:
    return Events(provider.shared, caller.user.id, caller.system, action)


def _check_columns(token: str, base_url: str) -> None:
    if len(token) > _LONGEST_TOKEN:
        raise database_refused(f"a token has at most {_LONGEST_TOKEN} characters")
    if len(base_url) > _LONGEST_URL:
        raise database_refused(f"a base URL has at most {_LONGEST_URL} characters")
    if "\0" in token + base_url:
        raise database_refused("a text there holds no NUL")


def _store(
    provider: FlexibilityProvider, caller: Caller, token: str, base_url: str, own_token: str
) -> None:
    shared = provider.shared
    leads_here = shared.addresses.leads_here(base_url, path_of(caller.system))
    with shared.world_lock:
        user = shared.world.user(caller.user.id)
        system = shared.world.current(caller.user.id, caller.system)
        if user is None or system is None:
            why = "its configuration is gone"
            raise ServiceRefused(403, "REGISTRATION_NOT_CONFIRMED", why=why)
        if not leads_here:
            _check_unique(user, caller, base_url)
        changed: Any = replace(
            system,
            base_url=SIMULATED if leads_here else base_url,
            oscp_version=OSCP_VERSION,
            registration_status="Pending",
            # An empty one cannot be shown (inferred).
            token=token or None,
            flexibility_provider_token=own_token,
        )
        provider.owe(user.id, system, own_token)
        shared.replace_world(shared.world.with_system(user.id, changed))


def _check_unique(user: User, caller: Caller, base_url: str) -> None:
    """Refuse a URL that another system of the same user and kind has.

    Those that the simulator plays necessarily share one.
    """
    for each in user.systems:
        is_other = isinstance(each, type(caller.system)) and not caller.is_it(each)
        if is_other and each.base_url == base_url:
            raise database_refused(f"{each.name}, {each.id}, has the same base URL")


@dataclass(frozen=True, slots=True)
class _OwnRegister:
    """The Flexibility Provider's own Register, in answer to a system's."""

    provider: FlexibilityProvider
    caller: Caller
    token: str

    def start(self) -> None:
        self.provider.retries.run(
            "Register",
            self._attempt,
            queue=queue_of(self.provider.shared, self.caller.user.id, self.caller.system),
            events=_events(self.provider, self.caller, "Register"),
            on_success=self._succeed,
            on_failure=self._fail,
        )

    def _attempt(self) -> Sending:
        system, outbox = self._system(), self.provider.outbox
        addresses = self.provider.shared.addresses
        to = addresses.of_system(system) or ""
        here = addresses.announced(FLEXIBILITY_PROVIDER_PATH, to=to)
        version = {"version": OSCP_VERSION, "base_url": here}
        content = {"token": self.token, "version_url": [version]}
        delivery = outbox.delivery(system, "Register", content)
        if delivery is None:
            # Nothing to send counts as success (measured).
            return None
        return (yield from self._holding(outbox.send(self.caller.user.id, system, delivery)))

    def _holding(self, steps: Sending) -> Sending:
        """Hold the system's row while a request is under way."""
        row = row_of(self.caller.user.id, self.caller.system)
        while True:
            with self.provider.rows.held(row):
                try:
                    seconds = next(steps)
                except StopIteration:
                    return None
            yield seconds

    def _system(self) -> System:
        system = self.provider.shared.world.current(self.caller.user.id, self.caller.system)
        if system is None:
            raise ConfigurationProblem(f"{self.caller.system.name} does not exist any more")
        if system.flexibility_provider_token != self.token:
            raise ConfigurationProblem(
                f"{system.name} has another token meanwhile: this one is not worth telling"
            )
        return system

    def _succeed(self) -> None:
        self._end()
        # A system that has registered again meanwhile waits for its second Register (inferred).
        if self._is_latest():
            self.provider.shared.change_system(
                self.caller.user.id, self.caller.system, registration_status="Registered"
            )

    def _fail(self, _why: str) -> None:
        self._end()
        if not self._is_latest():
            return
        why = (
            f"{self.caller.system.name} is locked out: the token with which it registered is dead "
            "since then, and the new one could not be told to it. Its status stays Pending; as in "
            "SolarNetwork, somebody has to make a new token in SolarUser "
            f"(configuration of this {self.caller.role.replace('_', ' ')})."
        )
        self.provider.shared.journal.append(
            "flexibility_provider", "note", action="Register", detail={"why": why}
        )

    def _end(self) -> None:
        self.provider.has_brought(self.caller.user.id, self.caller.system, self.token)

    def _is_latest(self) -> bool:
        return self.provider.shared.world.caller(self.token) is not None


_STYLES: Final[Mapping[str, MeasurementStyle]] = MappingProxyType(
    {"CONTINUOUS": "Continuous", "INTERMITTENT": "Intermittent"}
)
# A 32-bit integer, where Java stops, and the bits that the database's column keeps of it.
_LARGEST_INTEGER, _KEPT = 2**31 - 1, 16
# Always this, although the service's own schema refuses it (§4).
_ACKNOWLEDGEMENT: Final[Mapping[str, Any]] = MappingProxyType({"required_behaviour": {}})


def handshake(provider: FlexibilityProvider, call: IncomingCall) -> Later:
    """Store what a system asks for in a Handshake, and return how to acknowledge it after the 204.

    Raises:
        ServiceRefused: It asks for nothing.
    """
    behaviour = call.message.get("required_behaviour")
    if behaviour is None:
        raise ServiceRefused(422, "Illegal argument: The settings argument must not be null.")
    _store_settings(provider.shared, call.caller, behaviour)
    attempt = partial(_acknowledge, provider, call.caller, call.request_id)
    queue = queue_of(provider.shared, call.caller.user.id, call.caller.system)
    action = "HandshakeAcknowledge"
    events = _events(provider, call.caller, action)
    return partial(provider.retries.run, action, attempt, queue=queue, events=events)


def _acknowledge(
    provider: FlexibilityProvider, caller: Caller, handshake_id: str | None
) -> Sending:
    system = provider.shared.world.current(caller.user.id, caller.system)
    if system is None:
        raise ConfigurationProblem(f"{caller.system.name} does not exist any more")
    check_registered(caller.user.id, system, "HandshakeAcknowledge")
    delivery = provider.outbox.delivery(
        system, "HandshakeAcknowledge", _ACKNOWLEDGEMENT, correlation_id=handshake_id
    )
    if delivery is None:
        raise ConfigurationProblem(f"{system.name} has no base URL to acknowledge to")
    return (yield from provider.outbox.send(caller.user.id, system, delivery))


def acknowledged(provider: FlexibilityProvider, call: IncomingCall) -> None:
    """Overwrite what a system asked for by what its HandshakeAcknowledge asks for, if anything.

    Whether it was sent a Handshake at all is not checked (§9.3, X11).
    """
    behaviour = call.message.get("required_behaviour")
    if behaviour is not None:
        _store_settings(provider.shared, call.caller, behaviour)


def _store_settings(shared: Shared, caller: Caller, behaviour: Mapping[str, Any]) -> None:
    interval = behaviour.get("heartbeat_interval")
    seconds = None if interval is None else _stored(interval)
    # Each once, in the order in which they are asked for.
    asked = dict.fromkeys(behaviour["measurement_configuration"])
    settings = SystemSettings(seconds, tuple(_STYLES[each] for each in asked))
    shared.change_system(caller.user.id, caller.system, settings=settings)


def _stored(interval: float) -> int:
    """Return what is kept of an interval: 0.5 s is 0, 32768 is -32768, and 65596 is 60."""
    if math.isnan(interval):
        return 0
    whole = max(-_LARGEST_INTEGER - 1.0, min(interval, float(_LARGEST_INTEGER)))
    half = 1 << _KEPT - 1
    return (int(whole) + half) % (1 << _KEPT) - half


def heartbeat(provider: FlexibilityProvider, call: IncomingCall) -> None:
    """Store the instant from which a system counts as offline, plausible or not."""
    caller, offline_at = call.caller, call.message["offline_mode_at"]
    provider.shared.change_system(caller.user.id, caller.system, offline_date=offline_at)
    publish_heartbeat(provider.shared, caller, offline_at)

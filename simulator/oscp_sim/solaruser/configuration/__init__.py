"""The OSCP configuration API, where an integrator looks up what instructions name.

The handlers of solaruser.md §8, and how they show what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from oscp_send.findings import Finding
from oscp_send.solarnetwork.dates import timestamp
from oscp_sim.addresses import path_of
from oscp_sim.http import Response, base_url
from oscp_sim.shared import Shared
from oscp_sim.solaruser.call import CONTEXT_PATH, ApiRefused, Call, charset_of
from oscp_sim.solaruser.configuration.fields import (
    ASSET,
    GROUP,
    PUBLICATION,
    SYSTEM,
    Input,
    check_columns,
    read_values,
    show,
)
from oscp_sim.solaruser.configuration.store import (
    BASE,
    GROUPS,
    Configuration,
    EntityKind,
    flexibility_provider_id,
    settings_input,
)
from oscp_sim.solaruser.parameters import path_long
from oscp_sim.solaruser.policy import owner_of_node
from oscp_sim.solaruser.replies import single
from oscp_sim.world import (
    SIMULATED,
    AnySystem,
    Asset,
    CapacityGroup,
    Publication,
    SystemSettings,
)
from oscp_sim.world.model import OAUTH_CLIENT_SECRET

__all__ = ["Configuration", "Entities", "Settings"]

_LONGEST_NAME: Final = 64
# The order in which a system is shown, and that in which a group or an asset begins: what comes
# after is in alphabetical order (where the dates of a system stand is inferred).
_OF_SYSTEM: Final = (
    *("enabled", "name", "token", "baseUrl", "oscpVersion", "heartbeatDate", "offlineDate"),
    *("flexibilityProviderId", "registrationStatus", "settings", "serviceProps"),
)
_FIRST: Final = ("name", "enabled", "serviceProps")
# The classes of settings in the service.
_OF_A_USER: Final = "UserSettings"
_OF_A_GROUP: Final = "CapacityGroupSettings"

# What is said wherever the fidelities part, whichever is followed.
_CREATED_LOCATION: Final = Finding(
    "transport",
    "created_location",
    "info",
    "",
    "the running SolarUser's Location begins with /solaruser/u/sec/oscp, where nothing answers a "
    "token",
    "take the configId of the reply instead",
    "observed",
)
_CREATED_VERSION: Final = Finding(
    "transport",
    "created_version",
    "warning",
    "/oscpVersion",
    "the running SolarUser does not keep the oscpVersion of a POST, and declines what is to be "
    "delivered to a system without one",
    "give it by a PUT after the POST",
    "observed",
)
_FOREIGN_NODE: Final = Finding(
    "transport",
    "foreign_nodes",
    "warning",
    "/nodeId",
    "this token may not use that node, and the running SolarUser takes any, even an unknown one",
    "give a node of the user's own",
    "observed",
)


class Entities:
    """The handlers for one kind of what users configure."""

    def __init__(self, shared: Shared, store: Configuration, kind: EntityKind[Any]) -> None:
        self.kind = kind
        self._shared = shared
        self._store = store

    def list_all(self, call: Call) -> Response:
        """List all that the user has."""
        entities = self.kind.of(self._store.user(call.actor.user.id))
        return self._reply(call, [self._show(call, each) for each in entities])

    def list_assets(self, call: Call) -> Response:
        """List the assets of a group: none for a group that does not exist (inferred)."""
        group_id = path_long(call, GROUPS.variable)
        user = self._store.user(call.actor.user.id)
        assets = (each for each in user.assets if each.capacity_group == group_id)
        return self._reply(call, [self._show(call, each) for each in assets])

    def view(self, call: Call) -> Response:
        """Show one."""
        entity = self._store.find(call.actor.user.id, self.kind, self._id(call))
        return self._reply(call, self._show(call, entity))

    def create(self, call: Call) -> Response:
        """Add one; a system's token is shown this once."""
        values = _read(self._shared, call, self.kind.input("create"))
        if values.get("oscp_version") is not None:
            call.findings = (*call.findings, _CREATED_VERSION)
            if self._shared.behaviour.follows_service("created_version"):
                values["oscp_version"] = None
        call.findings = (*call.findings, _CREATED_LOCATION)
        created = self._store.create(call.actor.user.id, self.kind, values)
        token = {}
        if self.kind.fields is SYSTEM:
            token = {"token": created.flexibility_provider_token}
            # In whatever form the reply is written, the journal does not keep it.
            self._shared.journal.conceal(created.flexibility_provider_token)
        location = f"{self._base()}/{self.kind.plural}/{created.id}"
        shown = self._show(call, created, token)
        return self._reply(call, shown, HTTPStatus.CREATED, [("Location", location)])

    def update(self, call: Call) -> Response:
        """Replace what a request may give of one."""
        entity_id, user_id = self._id(call), call.actor.user.id
        values = _read(self._shared, call, self.kind.input("update"))
        if self.kind.fields is SYSTEM:
            system = self._store.find(user_id, self.kind, entity_id)
            if system.base_url is SIMULATED and values["base_url"] == _base_url(call, system):
                # A client that sends back what it was shown changes nothing.
                values["base_url"] = SIMULATED
        updated = self._store.update(user_id, self.kind, entity_id, values)
        return self._reply(call, self._show(call, updated))

    def delete(self, call: Call) -> Response:
        """Delete one, which need not exist."""
        self._store.delete(call.actor.user.id, self.kind, self._id(call))
        return single(call)

    def _reply(
        self,
        call: Call,
        data: object,
        status: int = HTTPStatus.OK,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        return single(call, data, status=status, headers=headers, kind=self.kind.type_name)

    def _id(self, call: Call) -> int:
        return path_long(call, self.kind.variable)

    def _base(self) -> str:
        leads_elsewhere = self._shared.behaviour.follows_service("created_location")
        return f"{CONTEXT_PATH}/u/sec/oscp" if leads_elsewhere else CONTEXT_PATH + BASE

    def _show(
        self,
        call: Call,
        entity: AnySystem | CapacityGroup | Asset,
        token: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {"userId": call.actor.user.id, "configId": entity.id}
        dates = _dates(entity, self._store.began)
        if isinstance(entity, AnySystem):
            # When it was changed is never shown.
            return shown | {"created": dates["created"]} | _show_system(call, entity, token or {})
        more = _show_group(entity) if isinstance(entity, CapacityGroup) else show(ASSET, entity)
        return shown | dates | _in_order(more)


class Settings:
    """The handlers for the settings of a user, and for those of a Capacity Group in the path."""

    def __init__(self, shared: Shared, store: Configuration) -> None:
        self._shared = shared
        self._store = store

    def list_all(self, call: Call) -> Response:
        """List the settings of all of the user's groups that have any."""
        groups = self._store.user(call.actor.user.id).capacity_groups
        shown = [self._show(call, each.settings, each.id) for each in groups if each.settings]
        return single(call, shown, kind=_OF_A_GROUP)

    def view(self, call: Call) -> Response:
        """Show them; without settings the reply has no data."""
        group_id = _group_id(call)
        settings = self._store.publication(call.actor.user.id, group_id)
        return self._reply(call, settings, group_id)

    def update(self, call: Call) -> Response:
        """Set them."""
        group_id = _group_id(call)
        wanted = settings_input(of_group=group_id is not None)
        values = _read(self._shared, call, wanted)
        check_columns(PUBLICATION, values)
        return self._reply(
            call, self._store.publish(call.actor.user.id, group_id, values), group_id
        )

    def delete(self, call: Call) -> Response:
        """Delete them, if there are any."""
        self._store.unpublish(call.actor.user.id, _group_id(call))
        return single(call)

    def _reply(self, call: Call, settings: Publication | None, group_id: int | None) -> Response:
        shown = None if settings is None else self._show(call, settings, group_id)
        return single(call, shown, kind=_OF_A_USER if group_id is None else _OF_A_GROUP)

    def _show(self, call: Call, settings: Publication, group_id: int | None) -> dict[str, Any]:
        shown: dict[str, Any] = {} if group_id is None else {"groupId": group_id}
        dates = _dates(settings, self._store.began)
        shown |= {"userId": call.actor.user.id, "created": dates["created"]}
        return shown | show(PUBLICATION, settings) | {"modified": dates["modified"]}


def _group_id(call: Call) -> int | None:
    return path_long(call, GROUPS.variable) if GROUPS.variable in call.variables else None


# Reading what a request gives.


def _read(shared: Shared, call: Call, wanted: Input) -> dict[str, Any]:
    """Return what a body gives, as the world keeps it.

    Validation comes first, then what the program asks for, and last, where it is asked at all,
    whether the sender may use the node.
    """
    values, fields = read_values(wanted, call.request.body, charset_of(call.request)), wanted.fields
    if isinstance(secret := (values.get("service_props") or {}).get(OAUTH_CLIENT_SECRET), str):
        shared.journal.conceal(secret)
    _set_secret_apart(values, keep=fields is SYSTEM)
    if fields is SYSTEM and values["registration_status"] is None:
        raise ApiRefused(422, "Illegal argument: The registrationStatus argument must not be null.")
    if "node_id" in values:
        try:
            owner_of_node(shared.world, call.actor, values["node_id"])
        except ApiRefused:
            call.findings = (*call.findings, _FOREIGN_NODE)
            if not shared.behaviour.follows_service("foreign_nodes"):
                raise
    return values


def _set_secret_apart(values: dict[str, Any], *, keep: bool) -> None:
    """Take the client secret out of the service properties: it is never shown (solaruser.md §8.1).

    A request without one leaves the stored secret as it is: it has a store of its own, and a client
    that changes what it was shown cannot give it (inferred). Only a text counts as a secret, and
    only that of an external system is kept: nothing else uses it.
    """
    given = values.get("service_props") or {}
    if OAUTH_CLIENT_SECRET not in given:
        return
    secret = given[OAUTH_CLIENT_SECRET]
    values["service_props"] = {
        name: each for name, each in given.items() if name != OAUTH_CLIENT_SECRET
    }
    if keep and isinstance(secret, str) and secret:
        values["oauth_client_secret"] = secret


# Showing what is stored.


def _show_system(call: Call, system: AnySystem, token: dict[str, Any]) -> dict[str, Any]:
    known = show((each for each in SYSTEM if each.name != "baseUrl"), system)
    url = _base_url(call, system)
    known |= token | ({} if url is None else {"baseUrl": url})
    known["flexibilityProviderId"] = flexibility_provider_id(system)
    known["settings"] = _show_handshake(system.settings)
    known |= _timestamps(heartbeatDate=system.heartbeat_date, offlineDate=system.offline_date)
    return {name: known[name] for name in _OF_SYSTEM if name in known}


def _base_url(call: Call, system: AnySystem) -> str | None:
    """Return the base URL of a system; that of a simulated one is where the client has come to."""
    if system.base_url is not SIMULATED:
        return system.base_url
    return f"{base_url(call.request)}{path_of(system)}"


def _show_handshake(settings: SystemSettings | None) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if settings is None:
        return shown
    if settings.heartbeat_seconds is not None:
        shown["heartbeatSeconds"] = settings.heartbeat_seconds
    return shown | {"measurementStyles": list(settings.measurement_styles)}


def _show_group(group: CapacityGroup) -> dict[str, Any]:
    # A world's file need not name a group, but every group has a name here.
    name = {"name": group.name or group.identifier[:_LONGEST_NAME]}
    dates = _timestamps(
        capacityProviderMeasurementDate=group.capacity_provider_measurement_date,
        capacityOptimizerMeasurementDate=group.capacity_optimizer_measurement_date,
    )
    return name | show(GROUP, group) | dates


def _in_order(shown: dict[str, Any]) -> dict[str, Any]:
    first = {name: shown[name] for name in _FIRST if name in shown}
    return first | {name: shown[name] for name in sorted(shown) if name not in first}


def _dates(
    item: AnySystem | CapacityGroup | Asset | Publication,
    began: datetime,
) -> dict[str, str]:
    created = item.created or began
    return _timestamps(created=created, modified=item.modified or created)


def _timestamps(**dates: datetime | None) -> dict[str, str]:
    return {name: timestamp(date) for name, date in dates.items() if date is not None}

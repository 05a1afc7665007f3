"""The Capacity Provider's endpoints (OSCP 2.0, base path by convention; OSCP dossier §1.2)."""

from __future__ import annotations

import json
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, request

from simulator.addresses import CAPACITY_PROVIDER_PATH
from simulator.capacity_provider.reception import Outcome, receive
from simulator.exchange import body_within, record_exchange
from simulator.wire import WireRequest
from simulator.world import Simulated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.rooms import Rooms
    from simulator.world import CapacityProvider, World

__all__ = ["BASE_PATH", "capacity_provider"]

BASE_PATH = CAPACITY_PROVIDER_PATH

# The last two have no place at a Capacity Provider of the specification; they are here because the
# public guide promises that every message of a Capacity Optimizer is delivered.
_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "/adjust_group_capacity_forecast": "AdjustGroupCapacityForecast",
        "/group_capacity_compliance_error": "GroupCapacityComplianceError",
        "/handshake": "Handshake",
        "/update_group_measurements": "UpdateGroupMeasurements",
        "/update_asset_measurements": "UpdateAssetMeasurement",
        "/update_group_capacity_forecast": "UpdateGroupCapacityForecast",
    }
)
_MAXIMUM_BODY = 20_971_520
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")


def capacity_provider(rooms: Rooms) -> Blueprint:
    """Answers with the simulated Capacity Provider as a blueprint.

    It plays every provider of the world that has no base URL of its own, or whose base URL leads
    here, telling them apart by the token that they are called with. One that the configuration
    API made has not registered, so there is no token that it could demand: it is called without.
    """
    blueprint = Blueprint("capacity_provider", __name__, url_prefix=BASE_PATH)
    reception = _Reception(rooms)
    for path, action in _ACTIONS.items():
        blueprint.post(path, endpoint=action, provide_automatic_options=False)(
            partial(reception.receive, action)
        )
    blueprint.route(
        "/<path:name>", methods=_METHODS, endpoint="unknown", provide_automatic_options=False
    )(reception.unknown)
    blueprint.before_request(reception.read)
    blueprint.after_request(reception.record)
    return blueprint


class _Reception:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._groups: tuple[World, str, Mapping[str | None, frozenset[str]]] | None = None

    def read(self) -> None:
        g.wire, g.body = WireRequest.of(request.environ), body_within(request, _MAXIMUM_BODY)
        g.action, g.outcome = None, Outcome(0)

    def receive(self, action: str) -> Response:
        g.action = action
        return _answer(
            receive(action, g.wire, g.body, self._groups_of_token(), self._rooms.clock.now())
        )

    def unknown(self, name: str) -> Response:
        if f"/{name}" in _ACTIONS:
            response = _answer(Outcome(405, f"{request.method} is not allowed, only POST"))
            response.headers["Allow"] = "POST"
            return response
        return _answer(Outcome(404, f'there is no message "{name}" at a Capacity Provider'))

    def record(self, response: Response) -> Response:
        outcome: Outcome = g.outcome
        record_exchange(
            self._rooms.journal,
            "capacity_provider",
            g.wire,
            g.body,
            response,
            action=g.action,
            peer="flexibility_provider",
            findings=[finding.to_dict() for finding in outcome.findings],
        )
        return response

    def _groups_of_token(self) -> Mapping[str | None, frozenset[str]]:
        world, host = self._rooms.world, g.wire.header("host") or ""
        if self._groups is None or self._groups[0] is not world or self._groups[1] != host:
            self._groups = world, host, _groups_of_token(world, host)
        return self._groups[2]


def _groups_of_token(world: World, host: str) -> Mapping[str | None, frozenset[str]]:
    groups: dict[str | None, frozenset[str]] = {}
    for user in world.users:
        for provider in user.capacity_providers:
            if not _is_played(provider, host):
                continue
            own = {
                group.identifier
                for group in user.capacity_groups
                if group.capacity_provider == provider.id
            }
            groups[provider.token] = groups.get(provider.token, frozenset()) | own
    return groups


def _is_played(provider: CapacityProvider, host: str) -> bool:
    if isinstance(provider.base_url, Simulated):
        return True
    try:
        url = urlsplit(provider.base_url or "")
        port = {"http": ":80", "https": ":443"}[url.scheme]
    except (KeyError, ValueError):
        return False
    # A client leaves the port out of `Host` where it is the scheme's own.
    here = host.lower().removesuffix(port)
    there = url.netloc.rpartition("@")[2].lower().removesuffix(port)
    return there == here and url.path == BASE_PATH


def _answer(outcome: Outcome) -> Response:
    g.outcome = outcome
    if not outcome.message:
        response = Response(status=outcome.status)
        del response.headers["Content-Type"]
        return response
    return Response(
        json.dumps({"message": outcome.message}), outcome.status, mimetype="application/json"
    )

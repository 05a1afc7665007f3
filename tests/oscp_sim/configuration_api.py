"""What the tests of the OSCP configuration API have in common: two users, and one call."""

from __future__ import annotations

from typing import Any, Unpack

from oscp_sim import Simulator
from tests.oscp_sim.rig import SECRET, TOKEN, Answer, Signing, ask, encoded, signed_headers
from tests.oscp_sim.worlds import group

BASE = "/solaruser/api/v1/sec/user/oscp"
START = "2026-01-02 03:04:05.123456Z"
ANOTHER: Signing = {"token": "another-token", "secret": "another-secret"}
RESTRICTED: Signing = {"token": "restricted-token", "secret": "restricted-secret"}
SECRETS = ("hush-3", "hush-8", "hush-client-secret")

#: Node 2 is the second user's; the first has 1, 11 and 12, of which one token may use 11 only.
WORLD: dict[str, Any] = {
    "users": [
        {
            "id": 42,
            "tokens": [
                {"id": TOKEN, "secret": SECRET},
                {
                    "id": "restricted-token",
                    "secret": "restricted-secret",
                    "policy": {"node_ids": [11]},
                },
            ],
            "nodes": [1, 11, 12],
            "capacity_providers": [
                {"id": 3, "name": "Grid", "token": "hush-3"},
                {
                    "id": 4,
                    "name": "Other",
                    "token": "hush-8",
                    "base_url": "https://grid.example/oscp/cp/2.0",
                    "oscp_version": "1.0",
                    "enabled": False,
                    "registration_status": "Pending",
                    "flexibility_provider_id": 77,
                    "settings": {"heartbeat_seconds": 60, "measurement_styles": ["Continuous"]},
                    "heartbeat_date": "2026-01-01T13:00:00+13:00",
                    "offline_date": "2026-01-01T00:02:00.5Z",
                    "service_props": {
                        "group-combined-asset-id": "all",
                        "oauth-client-secret": "hush-client-secret",
                    },
                    "created": "2025-12-01T00:00:00Z",
                    "modified": "2025-12-02T00:00:00Z",
                },
            ],
            "capacity_optimizers": [{"id": 7, "name": "My optimizer", "base_url": None}],
            "capacity_groups": [group(19, "depot-a", optimizer=7, name="Depot A")],
        },
        {
            "id": 43,
            "tokens": [{"id": "another-token", "secret": "another-secret"}],
            "nodes": [2],
            "capacity_providers": [{"id": 5, "name": "Grid", "token": "hush-3"}],
            "capacity_optimizers": [{"id": 9, "name": "Theirs"}],
            "capacity_groups": [
                group(30, "depot-a", provider=5, optimizer=9, settings={"node_id": 2})
            ],
            "assets": [
                {
                    "id": 60,
                    "name": "Theirs",
                    "capacity_group": 30,
                    "identifier": "charger",
                    "audience": "CapacityProvider",
                    "node_id": 2,
                    "source_id": "ev",
                    "category": "Charging",
                    "phase": "All",
                }
            ],
            "settings": {"node_id": 2},
        },
    ]
}

SYSTEM: dict[str, Any] = {"name": "New", "registrationStatus": "Pending"}
GROUP: dict[str, Any] = {
    "name": "Depot B",
    "enabled": True,
    "identifier": "depot-b",
    "capacityProviderId": 3,
    "capacityOptimizerId": 7,
    "capacityProviderMeasurementPeriod": "FifteenMinute",
    "capacityOptimizerMeasurementPeriod": "Hour",
}
ENERGY: dict[str, Any] = {
    "propertyNames": ["wattHours", "more"],
    "unit": "kWh",
    "multiplier": 0.001,
    "statisticType": "Difference",
    "type": "Total",
    "direction": "Import",
}
INSTANTANEOUS: dict[str, Any] = {
    "propertyNames": ["watts"],
    "unit": "kW",
    "statisticType": "Maximum",
}
ASSET: dict[str, Any] = {
    "name": "Charger",
    "capacityGroupId": 19,
    "identifier": "charger-1",
    "audience": "CapacityOptimizer",
    "nodeId": 12,
    "sourceId": "ev/1",
    "category": "Charging",
    "phase": "All",
    "instantaneous": INSTANTANEOUS,
    "energy": ENERGY,
}
PUBLICATION: dict[str, Any] = {"nodeId": 12}
#: A request that creates one of each, by its path.
CREATABLE = {
    "/capacity-providers": SYSTEM,
    "/capacity-optimizers": SYSTEM,
    "/capacity-groups": GROUP,
    "/assets": ASSET,
}


def call(
    simulator: Simulator,
    method: str,
    path: str,
    body: object = None,
    **signing: Unpack[Signing],
) -> Answer:
    """One signed request below the API's base."""
    data = b"" if body is None else encoded(body)
    headers = signed_headers(method, BASE + path, data, **signing)
    return ask(simulator, method, BASE + path, headers, data)


def created(
    simulator: Simulator, path: str, body: object, **signing: Unpack[Signing]
) -> dict[str, Any]:
    """What was created, as the reply shows it."""
    answer = call(simulator, "POST", path, body, **signing)
    assert answer.status == 201, answer.body
    assert answer.json["success"] is True
    data: dict[str, Any] = answer.json["data"]
    assert answer.header("Location") == f"{BASE}{path}/{data['configId']}"
    return data


def shown(simulator: Simulator, path: str, **signing: Unpack[Signing]) -> Any:  # noqa: ANN401
    """The data of a GET."""
    answer = call(simulator, "GET", path, **signing)
    assert answer.status == 200, answer.body
    assert answer.json.keys() <= {"success", "data"}
    return answer.json.get("data")


def refused(answer: Answer) -> tuple[int, str | None, str]:
    """Status, code and message of a refusal."""
    assert answer.json["success"] is False
    assert answer.json.keys() <= {"success", "code", "message", "errors"}
    return answer.status, answer.json.get("code"), answer.json["message"]


DUPLICATE = (422, "DAO.00101", "An attempt to save a duplicate key has been denied.")
NO_REFERENCE = (
    422,
    "DAO.00105",
    "Attempted to save a reference to a non-existent entity (foreign key violation).",
)
UNSTORABLE = (
    422,
    "DAO.00103",
    "An invalid query parameter was used, or a required parameter was missing.",
)
UNKNOWN = (403, None, "UNKNOWN_OBJECT")
DENIED = (403, None, "ACCESS_DENIED")

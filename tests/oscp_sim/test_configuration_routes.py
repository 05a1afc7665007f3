"""The routes of the OSCP configuration API: the rows of solaruser.md §8's table, and §8.5."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, get_args

import cbor2
import pytest

from oscp_schemas import Fidelity
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.configuration_api import (
    ANOTHER,
    ASSET,
    BASE,
    CREATABLE,
    GROUP,
    PUBLICATION,
    START,
    SYSTEM,
    UNKNOWN,
    WORLD,
    call,
    created,
    refused,
    shown,
)
from tests.oscp_sim.instruction_api import routes
from tests.oscp_sim.rig import FORM, shared_of

LATER = "2026-01-02 03:04:06.123456Z"
#: The rows of the table: method, path, body, status, whether there are data in the reply.
ROWS: dict[str, tuple[str, str, Any, int, bool]] = {
    "settings GET": ("GET", "/settings", None, 200, True),
    "settings PUT": ("PUT", "/settings", PUBLICATION, 200, True),
    "settings DELETE": ("DELETE", "/settings", None, 200, False),
    "capacity-providers GET": ("GET", "/capacity-providers", None, 200, True),
    "capacity-providers POST": ("POST", "/capacity-providers", SYSTEM, 201, True),
    "capacity-provider GET": ("GET", "/capacity-providers/3", None, 200, True),
    "capacity-provider PUT": ("PUT", "/capacity-providers/3", SYSTEM, 200, True),
    "capacity-provider DELETE": ("DELETE", "/capacity-providers/4", None, 200, False),
    "capacity-optimizers GET": ("GET", "/capacity-optimizers", None, 200, True),
    "capacity-optimizers POST": ("POST", "/capacity-optimizers", SYSTEM, 201, True),
    "capacity-optimizer GET": ("GET", "/capacity-optimizers/7", None, 200, True),
    "capacity-optimizer PUT": ("PUT", "/capacity-optimizers/7", SYSTEM, 200, True),
    "capacity-optimizer DELETE": ("DELETE", "/capacity-optimizers/8", None, 200, False),
    "capacity-groups GET": ("GET", "/capacity-groups", None, 200, True),
    "capacity-groups POST": ("POST", "/capacity-groups", GROUP, 201, True),
    "capacity-group GET": ("GET", "/capacity-groups/19", None, 200, True),
    "capacity-group PUT": ("PUT", "/capacity-groups/19", GROUP, 200, True),
    "capacity-group DELETE": ("DELETE", "/capacity-groups/19", None, 200, False),
    "capacity-groups settings GET": ("GET", "/capacity-groups/settings", None, 200, True),
    "capacity-group settings GET": ("GET", "/capacity-groups/19/settings", None, 200, True),
    "capacity-group settings PUT": ("PUT", "/capacity-groups/19/settings", PUBLICATION, 200, True),
    "capacity-group settings DELETE": ("DELETE", "/capacity-groups/19/settings", None, 200, False),
    "capacity-group assets GET": ("GET", "/capacity-groups/19/assets", None, 200, True),
    "assets POST": ("POST", "/assets", {**ASSET, "identifier": "new"}, 201, True),
    "asset GET": ("GET", "/assets/61", None, 200, True),
    "asset PUT": ("PUT", "/assets/61", ASSET, 200, True),
    "asset DELETE": ("DELETE", "/assets/61", None, 200, False),
}


@pytest.fixture
def simulator(clock: FrozenClock) -> Iterator[Simulator]:
    """Two users, and of the first one more than the world's file holds."""
    with Simulator(WORLD, clock=clock) as simulator:
        yield simulator


def furnish(simulator: Simulator, row: str) -> None:
    """Makes what a row of the table is about, where the world does not have it."""
    if row.startswith("capacity-optimizer DELETE"):
        assert created(simulator, "/capacity-optimizers", SYSTEM)["configId"] == 10
    if row.startswith(("asset ", "capacity-group assets")):
        assert created(simulator, "/assets", ASSET)["configId"] == 61
    if row.startswith("settings"):
        assert call(simulator, "PUT", "/settings", PUBLICATION).status == 200
    if row.startswith(("capacity-group settings", "capacity-groups settings")):
        path = "/capacity-groups/19/settings"
        assert call(simulator, "PUT", path, PUBLICATION).status == 200


@pytest.mark.parametrize("row", ROWS)
class TestRows:
    def test_it_is_answered(self, simulator: Simulator, row: str) -> None:
        method, path, body, status, has_data = ROWS[row]
        furnish(simulator, row)
        answer = call(simulator, method, path, body)
        assert answer.status == status, answer.body
        assert answer.header("Content-Type") == "application/json"
        assert answer.json.keys() == {"success", "data"} if has_data else {"success"}
        assert answer.json["success"] is True
        location = answer.header("Location")
        wanted = f"{BASE}{path}/{answer.json['data']['configId']}" if status == 201 else None
        assert location == wanted

    def test_it_needs_role_oscp(self, clock: FrozenClock, row: str) -> None:
        method, path, body, _, _ = ROWS[row]
        world = copy.deepcopy(WORLD)
        world["users"][0]["roles"] = ["ROLE_EVENT"]
        simulator = Simulator(world, clock=clock)
        answer = call(simulator, method, path, body)
        assert answer.refusal == (403, "Access Denied")
        assert shared_of(simulator).world is simulator.world

    def test_its_reply_takes_other_forms(self, simulator: Simulator, row: str) -> None:
        method, path, body, status, has_data = ROWS[row]
        furnish(simulator, row)
        answer = call(simulator, method, path, body, more=[("Accept", "application/cbor")])
        assert (answer.status, answer.header("Content-Type")) == (status, "application/cbor")
        assert ("data" in cbor2.loads(answer.body)) == has_data

    def test_it_is_described(self, simulator: Simulator, row: str) -> None:
        method, path, body, status, has_data = ROWS[row]
        fitting = [
            route
            for route in routes(simulator, "oscp-").values()
            if route.method == method and _same_path(route.path, BASE + path)
        ]
        (route,) = fitting
        docs = route.docs
        assert (route.consumes == "json") == (docs.request_schema is not None) == (body is not None)
        assert {status, 422} <= docs.statuses.keys()
        assert docs.response_schema is not None
        assert ("data" in docs.response_schema["properties"]) == has_data
        assert [each.where for each in docs.parameters] == ["path"] * route.path.count("<")


def _same_path(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.removeprefix("/solaruser").split("/")
    return len(parts) == len(given) and all(
        part == each or (part.startswith("<") and each.isdecimal())
        for part, each in zip(parts, given, strict=True)
    )


def test_each_route_is_a_row(simulator: Simulator) -> None:
    assert len(routes(simulator, "oscp-")) == len(ROWS)


class TestLists:
    def test_the_optimizers_as_in_the_example(self, simulator: Simulator) -> None:
        assert shown(simulator, "/capacity-optimizers") == [
            {
                "userId": 42,
                "configId": 7,
                "created": START,
                "enabled": True,
                "name": "My optimizer",
                "oscpVersion": "2.0",
                "flexibilityProviderId": 14,
                "registrationStatus": "Registered",
                "settings": {},
            }
        ]

    def test_all_that_is_known_of_a_provider(self, simulator: Simulator) -> None:
        first, second = shown(simulator, "/capacity-providers")
        assert first["baseUrl"] == "http://solaruser.test/oscp/cp/2.0"
        assert second == {
            "userId": 42,
            "configId": 4,
            "created": "2025-12-01 00:00:00Z",
            "enabled": False,
            "name": "Other",
            "baseUrl": "https://grid.example/oscp/cp/2.0",
            "oscpVersion": "1.0",
            "flexibilityProviderId": 77,
            "registrationStatus": "Pending",
            "settings": {"heartbeatSeconds": 60, "measurementStyles": ["Continuous"]},
            "heartbeatDate": "2026-01-01 00:00:00Z",
            "offlineDate": "2026-01-01 00:02:00.5Z",
            "serviceProps": {"group-combined-asset-id": "all"},
        }

    def test_a_group_that_the_file_does_not_name(self, simulator: Simulator) -> None:
        (group,) = shown(simulator, "/capacity-groups", **ANOTHER)
        assert (group["name"], group["identifier"]) == ("depot-a", "depot-a")

    @pytest.mark.parametrize(
        "path",
        [
            "/capacity-groups/settings",
            "/capacity-groups/19/assets",
            "/capacity-groups/999/assets",
            "/capacity-groups/30/assets",
        ],
    )
    def test_an_empty_one_is_there(self, simulator: Simulator, path: str) -> None:
        assert call(simulator, "GET", path).json == {"success": True, "data": []}

    def test_nothing_of_a_kind(self, clock: FrozenClock) -> None:
        users = {"users": [{"id": 1, "tokens": WORLD["users"][0]["tokens"]}]}
        for path in ("/capacity-providers", "/capacity-optimizers", "/capacity-groups"):
            answer = call(Simulator(users, clock=clock), "GET", path)
            assert answer.json == {"success": True, "data": []}

    def test_the_settings_of_all_groups(self, simulator: Simulator) -> None:
        call(simulator, "PUT", "/capacity-groups/19/settings", PUBLICATION)
        assert shown(simulator, "/capacity-groups/settings") == [
            shown(simulator, "/capacity-groups/19/settings")
        ]

    def test_the_assets_of_one_group(self, simulator: Simulator) -> None:
        other = created(simulator, "/capacity-groups", GROUP)["configId"]
        first = created(simulator, "/assets", ASSET)
        second = created(simulator, "/assets", {**ASSET, "capacityGroupId": other})
        assert shown(simulator, "/capacity-groups/19/assets") == [first]
        assert shown(simulator, f"/capacity-groups/{other}/assets") == [second]

    def test_accept_decides_as_for_one(self, simulator: Simulator) -> None:
        answer = call(simulator, "GET", "/capacity-groups", more=[("Accept", "*/*")])
        assert answer.header("Content-Type") == "application/json"


class TestUnknown:
    @pytest.mark.parametrize("path", CREATABLE)
    @pytest.mark.parametrize("method", ["GET", "PUT"])
    @pytest.mark.parametrize("entity_id", ["999", "0", "-1", "9223372036854775807"])
    def test_an_entity(self, simulator: Simulator, method: str, path: str, entity_id: str) -> None:
        body = CREATABLE[path] if method == "PUT" else None
        assert refused(call(simulator, method, f"{path}/{entity_id}", body)) == UNKNOWN

    @pytest.mark.parametrize("path", ["/settings", "/capacity-groups/{}/settings"])
    @pytest.mark.parametrize("group", [19, 999, 30])
    def test_settings(self, simulator: Simulator, path: str, group: int) -> None:
        answer = call(simulator, "GET", path.format(group))
        assert (answer.status, answer.json) == (200, {"success": True})

    @pytest.mark.parametrize(
        "path", [*(f"{path}/999" for path in CREATABLE), "/settings", "/capacity-groups/9/settings"]
    )
    def test_deleting_it_is_a_success(self, simulator: Simulator, path: str) -> None:
        before = simulator.world
        answer = call(simulator, "DELETE", path)
        assert (answer.status, answer.json) == (200, {"success": True})
        assert simulator.world == before

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    @pytest.mark.parametrize("path", [*CREATABLE, "/capacity-groups/{}/settings"])
    @pytest.mark.parametrize("text", ["abc", "1.0", "9223372036854775808", "%20"])
    def test_an_id_that_is_none(
        self, simulator: Simulator, method: str, path: str, text: str
    ) -> None:
        one = path.format(text) if "{}" in path else f"{path}/{text}"
        body = CREATABLE.get(path, PUBLICATION) if method == "PUT" else None
        status, code, message = refused(call(simulator, method, one, body))
        assert (status, code) == (422, None)
        assert message.startswith("Illegal argument: Method parameter '")

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/assets"),
            ("POST", "/settings"),
            ("PATCH", "/capacity-groups/19"),
            ("GET", "/capacity-groups/19/"),
            ("GET", ""),
            ("GET", "/capacity-things"),
        ],
    )
    def test_a_route(self, simulator: Simulator, method: str, path: str) -> None:
        assert call(simulator, method, path, {}).status in {404, 405}

    @pytest.mark.parametrize("path", CREATABLE)
    def test_a_form(self, simulator: Simulator, path: str) -> None:
        assert call(simulator, "POST", path, b"name=a", content_type=FORM).status == 415


class TestUpdates:
    @pytest.mark.parametrize("path", CREATABLE)
    def test_dates_and_ids(self, simulator: Simulator, clock: FrozenClock, path: str) -> None:
        body = {**CREATABLE[path], "name": "Before"}
        before = created(simulator, path, body)
        assert (before["created"], before["userId"]) == (START, 42)
        clock.advance(1)
        answer = call(simulator, "PUT", f"{path}/{before['configId']}", CREATABLE[path])
        before.pop("token", None)
        later = {"modified": LATER} if "modified" in before else {}
        assert answer.data == before | later | {"name": CREATABLE[path]["name"]}
        assert shown(simulator, f"{path}/{before['configId']}") == answer.data

    @pytest.mark.parametrize("path", ["/settings", "/capacity-groups/19/settings"])
    def test_settings(self, simulator: Simulator, clock: FrozenClock, path: str) -> None:
        call(simulator, "PUT", path, {"nodeId": 1, "sourceIdTemplate": "/a"})
        clock.advance(1)
        answer = call(simulator, "PUT", path, {"nodeId": 12})
        group = {} if path == "/settings" else {"groupId": 19}
        assert answer.data == {
            "userId": 42,
            **group,
            "created": START,
            "modified": LATER,
            "publishToSolarIn": True,
            "publishToSolarFlux": True,
            "nodeId": 12,
        }
        assert call(simulator, "DELETE", path).json == {"success": True}
        assert shown(simulator, path) is None

    def test_what_no_request_gives_stays(self, simulator: Simulator) -> None:
        before = shown(simulator, "/capacity-providers/4")
        answer = call(simulator, "PUT", "/capacity-providers/4", SYSTEM)
        kept = ("created", "flexibilityProviderId", "settings", "heartbeatDate", "offlineDate")
        assert {name: answer.data[name] for name in kept} == {name: before[name] for name in kept}

    def test_what_a_request_may_give_and_does_not_goes(self, simulator: Simulator) -> None:
        answer = call(simulator, "PUT", "/capacity-providers/4", SYSTEM)
        assert not {"baseUrl", "oscpVersion", "serviceProps"} & answer.data.keys()
        assert answer.data["enabled"] is False

    def test_a_group_keeps_its_settings(self, simulator: Simulator) -> None:
        call(simulator, "PUT", "/capacity-groups/19/settings", PUBLICATION)
        call(simulator, "PUT", "/capacity-groups/19", GROUP)
        assert shown(simulator, "/capacity-groups/19/settings")["nodeId"] == 12

    def test_what_was_shown_may_come_back(self, simulator: Simulator) -> None:
        before, world = shown(simulator, "/capacity-providers/3"), simulator.world
        answer = call(simulator, "PUT", "/capacity-providers/3", before)
        assert answer.data == before
        assert simulator.world.summary() == world.summary() | {
            "users": [
                _dated(world.summary()["users"][0], simulator),
                world.summary()["users"][1],
            ]
        }


def _dated(user: dict[str, Any], simulator: Simulator) -> dict[str, Any]:
    provider = {**user["capacity_providers"][0], "modified": "2026-01-02T03:04:05.123456Z"}
    return user | {"capacity_providers": [provider, *user["capacity_providers"][1:]]}


class TestIds:
    @pytest.mark.parametrize(
        ("path", "first"),
        [
            ("/capacity-providers", 6),
            ("/capacity-optimizers", 10),
            ("/capacity-groups", 31),
            ("/assets", 61),
        ],
    )
    def test_they_go_on_from_the_largest_in_the_world(
        self, simulator: Simulator, path: str, first: int
    ) -> None:
        body, key = CREATABLE[path], "identifier"
        found = [created(simulator, path, {**body, key: f"n{n}"})["configId"] for n in range(3)]
        assert found == [first, first + 1, first + 2]

    @pytest.mark.parametrize("path", CREATABLE)
    def test_none_is_given_twice(self, simulator: Simulator, path: str) -> None:
        first = created(simulator, path, CREATABLE[path])["configId"]
        assert call(simulator, "DELETE", f"{path}/{first}").status == 200
        assert created(simulator, path, CREATABLE[path])["configId"] == first + 1

    def test_nor_one_that_the_file_gave(self, simulator: Simulator) -> None:
        assert call(simulator, "DELETE", "/assets/60", **ANOTHER).status == 200
        assert created(simulator, "/assets", ASSET)["configId"] == 61

    def test_flexibility_provider_ids_differ(self, simulator: Simulator) -> None:
        created(simulator, "/capacity-providers", SYSTEM)
        created(simulator, "/capacity-optimizers", SYSTEM)
        found = [
            each["flexibilityProviderId"]
            for path in ("/capacity-providers", "/capacity-optimizers")
            for each in shown(simulator, path)
        ]
        assert found == [5, 77, 78, 14, 79]


class TestOneUserAndAnother:
    def test_each_sees_their_own(self, simulator: Simulator) -> None:
        for path, mine, theirs in (
            ("/capacity-providers", [3, 4], [5]),
            ("/capacity-optimizers", [7], [9]),
            ("/capacity-groups", [19], [30]),
        ):
            assert [each["configId"] for each in shown(simulator, path)] == mine
            found = shown(simulator, path, **ANOTHER)
            assert [(each["configId"], each["userId"]) for each in found] == [(theirs[0], 43)]

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    @pytest.mark.parametrize(
        "path",
        [
            "/capacity-providers/5",
            "/capacity-optimizers/9",
            "/capacity-groups/30",
            "/assets/60",
            "/capacity-groups/30/settings",
        ],
    )
    def test_nobody_else_s_is_changed(self, simulator: Simulator, method: str, path: str) -> None:
        before = simulator.world.user(43)
        body = CREATABLE.get(path.rpartition("/")[0], PUBLICATION) if method == "PUT" else None
        answer = call(simulator, method, path, body)
        assert b"Theirs" not in answer.body
        assert simulator.world.user(43) is before

    def test_the_host_of_the_request_is_shown(self, simulator: Simulator) -> None:
        found = shown(simulator, "/capacity-providers/3", host="127.0.0.1:8920")
        assert found["baseUrl"] == "http://127.0.0.1:8920/oscp/cp/2.0"
        proxied = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "80")]
        found = shown(simulator, "/capacity-providers/3", host="oscp.example", more=proxied)
        assert found["baseUrl"] == "https://oscp.example/oscp/cp/2.0"


PK = '<UserLongCompositePK entityId="{1}" id="{2}" userId="{0}"></UserLongCompositePK>'
OF_19 = PK.format(42, 19, "50e207b4c1d075622af3bb79b808e9fa05528070")
OF_3 = PK.format(42, 3, "edd288aadad00eef768160e721d79dfc5d3a8a8f")


class TestOtherForms:
    """As measured of systems and groups, and as the same code writes the rest (§1.6)."""

    def test_csv_has_objects_as_java_prints_them(self, simulator: Simulator) -> None:
        answer = call(simulator, "GET", "/capacity-providers", more=[("Accept", "text/csv")])
        # What only later rows have is left out.
        assert answer.body.decode().splitlines() == [
            "authRole,baseUrl,configId,created,enabled,entityId,flexibilityProviderId,id,name,"
            "oscpVersion,registrationStatus,settings,userId",
            '"AuthRoleInfo[id=UserLongCompositePK{userId=42, entityId=3}, role=CapacityProvider]",'
            f"http://solaruser.test/oscp/cp/2.0,3,{START.replace(' ', 'T')},true,3,5,"
            '"UserLongCompositePK{userId=42, entityId=3}",Grid,2.0,Registered,'
            '"SystemSettings[heartbeatSeconds=null, measurementStyles=null]",42',
            '"AuthRoleInfo[id=UserLongCompositePK{userId=42, entityId=4}, role=CapacityProvider]",'
            "https://grid.example/oscp/cp/2.0,4,2025-12-01T00:00:00Z,false,4,77,"
            '"UserLongCompositePK{userId=42, entityId=4}",Other,1.0,Pending,'
            '"SystemSettings[heartbeatSeconds=60, measurementStyles=[Continuous]]",42',
        ]

    @pytest.mark.parametrize(
        ("path", "part"),
        [
            ("/capacity-groups/19", f' name="Depot A" userId="42">{OF_19}</CapacityGroupConfi'),
            ("/capacity-providers/3", f'<AuthRoleInfo role="CapacityProvider">{OF_3}</AuthRoleIn'),
            ("/capacity-providers/3", f"</AuthRoleInfo>{OF_3}<SystemSettings></SystemSettings></C"),
            ("/capacity-optimizers/7", '<AuthRoleInfo role="CapacityOptimizer">'),
            ("/assets/61", '<AssetEnergyDatumConfiguration direction="Import" multiplier="0.001" '),
            ("/capacity-groups/19/settings", f'userId="42">{OF_19}</CapacityGroupSettings>'),
            ("/settings", 'id="42" '),
        ],
    )
    def test_xml_has_objects_as_elements(self, simulator: Simulator, path: str, part: str) -> None:
        created(simulator, "/assets", ASSET)
        for settings in ("/settings", "/capacity-groups/19/settings"):
            assert call(simulator, "PUT", settings, PUBLICATION).status == 200
        answer = call(simulator, "GET", path, more=[("Accept", "text/xml")])
        assert part in answer.body.decode()

    def test_cbor_marks_where_objects_end(self, simulator: Simulator) -> None:
        more = [("Accept", "application/cbor")]
        answer = call(simulator, "GET", "/capacity-providers", more=more)
        assert answer.body.startswith(b"\xbfgsuccess\xf5ddata\x82\xbffuserId")
        assert b"hsettings\xbf\xff\xff\xbffuserId" in answer.body
        answer = call(simulator, "POST", "/capacity-providers", {}, more=more)
        assert b"ferrors\x82\xbfhlocationdname" in answer.body


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/capacity-providers", 405, "POST, GET"),
        ("PATCH", "/capacity-providers/3", 405, "GET, PUT, DELETE"),
        ("OPTIONS", "/capacity-providers", 200, "POST,GET,HEAD,OPTIONS"),
        ("PUT", "/capacity-optimizers", 405, "GET, POST"),
        ("PATCH", "/capacity-optimizers/7", 405, "GET, DELETE, PUT"),
        ("OPTIONS", "/capacity-optimizers", 200, "GET,HEAD,POST,OPTIONS"),
        ("POST", "/capacity-groups/19/settings", 405, "GET, PUT, DELETE"),
    ],
)
def test_allow_names_methods_in_the_service_s_order(
    simulator: Simulator, method: str, path: str, status: int, allow: str
) -> None:
    answer = call(simulator, method, path, {} if method != "OPTIONS" else None)
    assert (answer.status, answer.header("Allow")) == (status, allow)


OWN, OTHERS = {"nodeId": 12}, {"nodeId": 999}
OF_2_0 = {**SYSTEM, "oscpVersion": "2.0"}


@pytest.mark.parametrize("fidelity", get_args(Fidelity))
@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (("POST", "/capacity-groups", GROUP), ["created_location"]),
        (("POST", "/capacity-providers", SYSTEM), ["created_location"]),
        (("POST", "/capacity-providers", OF_2_0), ["created_version", "created_location"]),
        (("PUT", "/capacity-providers/3", OF_2_0), []),
        (("PUT", "/settings", OWN), []),
        (("PUT", "/settings", OTHERS), ["foreign_nodes"]),
        (("POST", "/assets", {**ASSET, **OTHERS}), ["foreign_nodes", "created_location"]),
    ],
)
def test_where_the_fidelities_part_a_finding_says_so(
    clock: FrozenClock,
    fidelity: Fidelity,
    request_: tuple[str, str, dict[str, Any]],
    found: list[str],
) -> None:
    with Simulator(WORLD, clock=clock, fidelity=fidelity) as simulator:
        answer = call(simulator, *request_)
        (entry,) = simulator.journal.entries(party="solaruser")
    # Nothing is created where a node is refused.
    wanted = found[:1] if answer.status == 403 else found
    assert [each["rule"] for each in entry.findings] == wanted
    assert all(each["message"] and each["hint"] for each in entry.findings)

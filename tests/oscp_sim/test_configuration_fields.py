"""The fields of the OSCP configuration API: the rows of solaruser.md §8.1 to §8.4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.configuration_api import (
    ASSET,
    CREATABLE,
    DENIED,
    ENERGY,
    GROUP,
    INSTANTANEOUS,
    PUBLICATION,
    START,
    SYSTEM,
    UNKNOWN,
    UNSTORABLE,
    WORLD,
    call,
    created,
    refused,
    shown,
)

PATHS = {
    "8.1 provider": "/capacity-providers",
    "8.1 optimizer": "/capacity-optimizers",
    "8.2 group": "/capacity-groups",
    "8.3 asset": "/assets",
    "8.4 settings": "/settings",
    "8.4 group settings": "/capacity-groups/19/settings",
}
BODIES = {**CREATABLE, "/settings": PUBLICATION, "/capacity-groups/19/settings": PUBLICATION}
SYSTEMS = ("8.1 provider", "8.1 optimizer")
PERIODS = (
    *("Minute", "FiveMinute", "TenMinute", "FifteenMinute", "TwentyMinute", "ThirtyMinute"),
    "Hour",
)
LEFT_OUT: Any = object()


@pytest.fixture
def simulator(clock: FrozenClock) -> Iterator[Simulator]:
    with Simulator(WORLD, clock=clock) as simulator:
        yield simulator


def put_or_post(simulator: Simulator, table: str, **fields: Any) -> Any:  # noqa: ANN401
    """Sends a good body with some fields changed, and those that are `LEFT_OUT` left out."""
    path = PATHS[table]
    body = {**BODIES[path], **fields}
    body = {name: value for name, value in body.items() if value is not LEFT_OUT}
    return call(simulator, "POST" if path in CREATABLE else "PUT", path, body)


#: What a request may give, and what the reply shows of it. Each is one row of a table.
TAKEN: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {}


def taken(row: str, tables: tuple[str, ...], gives: Any, shows: Any = None) -> None:  # noqa: ANN401
    field = row.partition(" ")[0]
    for table in tables:
        shown_as = gives if shows is None else shows
        TAKEN[f"{table} {row}"] = table, {field: gives}, {field: shown_as}


GROUPS, ASSETS = ("8.2 group",), ("8.3 asset",)
SETTINGS = ("8.4 settings", "8.4 group settings")
ENTITIES = (*SYSTEMS, *GROUPS, *ASSETS)
taken("enabled given", ENTITIES, True)
taken("enabled left out", ENTITIES, LEFT_OUT, shows=False)
taken("name of 1", ENTITIES, "n")
taken("name of 64", ENTITIES, "n" * 64)
taken("name of 32 pairs", ENTITIES, "\N{GRINNING FACE}" * 32)
taken("name from a number", ENTITIES, 5, shows="5")
taken("baseUrl given", SYSTEMS, "https://x.example/oscp")
taken("baseUrl of 256", SYSTEMS, "http://x/".ljust(256, "y"))
taken("baseUrl left out", SYSTEMS, LEFT_OUT, shows=LEFT_OUT)
taken("baseUrl null", SYSTEMS, None, shows=LEFT_OUT)
taken("baseUrl blank", SYSTEMS, " ", shows="")
taken("baseUrl with blanks", SYSTEMS, " http://x/z ", shows="http://x/z")
taken("oscpVersion given", SYSTEMS, "2.0")
taken("oscpVersion of 8", SYSTEMS, "12345678")
taken("oscpVersion left out", SYSTEMS, LEFT_OUT, shows=LEFT_OUT)
for status in ("Pending", "Registered", "Failed"):
    taken(f"registrationStatus {status}", SYSTEMS, status)
    taken(f"registrationStatus {status[0].lower()}", SYSTEMS, status[0].lower(), shows=status)
    taken(f"registrationStatus {status.upper()}", SYSTEMS, status.upper(), shows=status)
PROPS = {
    "oauth-token-url": "https://auth.example/token",
    "oauth-client-id": "me",
    "group-asset-measurement": True,
    "http-headers": {"X-Extra": "1"},
    "url-paths": {"Heartbeat": "/hb"},
    "group-combined-asset-id": "all",
}
taken("serviceProps all keys", ENTITIES, PROPS)
taken("serviceProps any key", ENTITIES, {"bb": None, "a": [1]}, shows={"a": [1]})
taken("serviceProps empty", ENTITIES, {})
taken("serviceProps left out", ENTITIES, LEFT_OUT, shows=LEFT_OUT)
taken("serviceProps secret", SYSTEMS, {**PROPS, "oauth-client-secret": "hush"}, shows=PROPS)
taken("identifier of 1", (*GROUPS, *ASSETS), "i")
taken("identifier of 128", GROUPS, "i" * 128)
taken("identifier of 64", ASSETS, "\N{GRINNING FACE}" * 64)
taken("identifier other case", GROUPS, "Depot-A")
taken("capacityProviderId", GROUPS, 4)
taken("capacityProviderId as a text", GROUPS, "4", shows=4)
taken("capacityOptimizerId", GROUPS, 7)
for period in PERIODS:
    taken(f"capacityProviderMeasurementPeriod {period}", GROUPS, period)
    taken(f"capacityOptimizerMeasurementPeriod {period}", GROUPS, period)
taken("capacityGroupId", ASSETS, 19)
for audience in ("CapacityProvider", "CapacityOptimizer"):
    taken(f"audience {audience}", ASSETS, audience)
taken("nodeId", (*ASSETS, *SETTINGS), 11)
taken("nodeId as a text", (*ASSETS, *SETTINGS), "11", shows=11)
taken("sourceId of 64", ASSETS, "s" * 64)
for category in ("Charging", "Consumption", "Generation", "Storage"):
    taken(f"category {category}", ASSETS, category)
for phase in ("Unknown", "A", "B", "C", "All"):
    taken(f"phase {phase}", ASSETS, phase)
for name, block in (("instantaneous", INSTANTANEOUS), ("energy", ENERGY)):
    taken(f"{name} left out", ASSETS, LEFT_OUT, shows=LEFT_OUT)
    for unit in ("A", "W", "kW", "Wh", "kWh"):
        taken(f"{name} unit {unit}", ASSETS, {**block, "unit": unit})
    for statistic in (*("Average", "Count", "Minimum", "Maximum", "Start", "End", "Difference"),):
        taken(f"{name} statisticType {statistic}", ASSETS, {**block, "statisticType": statistic})
    for multiplier in (1, 0.001, -2.5):
        taken(f"{name} multiplier {multiplier}", ASSETS, {**block, "multiplier": multiplier})
for kind in ("Flexible", "NonFlexible", "Total"):
    taken(f"energy type {kind}", ASSETS, {**ENERGY, "type": kind})
for direction in ("Net", "Import", "Export"):
    taken(f"energy direction {direction}", ASSETS, {**ENERGY, "direction": direction})
taken("energy alone", ASSETS, {**ENERGY, "unknown": 1}, shows=ENERGY)
taken("audience given", ASSETS, "CapacityProvider")
taken("category lower", ASSETS, "charging", shows="Charging")
taken("capacityProviderMeasurementPeriod lower", GROUPS, "hour", shows="Hour")
for name in ("publishToSolarIn", "publishToSolarFlux"):
    taken(f"{name} given", SETTINGS, False)
    taken(f"{name} left out", SETTINGS, LEFT_OUT, shows=True)
taken("sourceIdTemplate given", SETTINGS, "/oscp/{role}")
taken("sourceIdTemplate left out", SETTINGS, LEFT_OUT, shows=LEFT_OUT)


@pytest.mark.parametrize("row", TAKEN)
def test_what_a_request_gives_is_shown(simulator: Simulator, row: str) -> None:
    table, gives, shows = TAKEN[row]
    answer = put_or_post(simulator, table, **gives)
    assert answer.status == (201 if PATHS[table] in CREATABLE else 200), answer.body
    data = answer.json["data"]
    for name, value in shows.items():
        assert data.get(name, LEFT_OUT) == value
    entity = f"/{data['configId']}" if "configId" in data else ""
    data.pop("token", None)
    assert shown(simulator, PATHS[table] + entity) == data


#: What the service gives itself: a request cannot.
OWN = {
    "8.1 provider": ["userId", "configId", "created", "token"],
    "8.1 optimizer": ["userId", "configId", "created", "token"],
    "8.2 group": ["userId", "configId", "created", "modified"],
    "8.3 asset": ["userId", "configId", "created", "modified"],
    "8.4 settings": ["userId", "created", "modified"],
    "8.4 group settings": ["userId", "groupId", "created", "modified"],
}
NOT_GIVEN = {
    "8.1 provider": ["flexibilityProviderId", "settings", "heartbeatDate", "offlineDate"],
    "8.1 optimizer": ["flexibilityProviderId", "settings", "heartbeatDate", "offlineDate"],
    "8.2 group": ["capacityProviderMeasurementDate", "capacityOptimizerMeasurementDate"],
    "8.3 asset": [],
    "8.4 settings": ["groupId"],
    "8.4 group settings": [],
}


@pytest.mark.parametrize("table", PATHS)
def test_what_only_the_service_gives(simulator: Simulator, table: str) -> None:
    claimed = dict.fromkeys(OWN[table] + NOT_GIVEN[table], "9")
    answer = put_or_post(simulator, table, **claimed)
    data = answer.json["data"]
    assert OWN[table] == [name for name in OWN[table] if name in data]
    assert (data["userId"], data["created"]) == (42, START)
    assert data.get("modified", START) == START
    assert all(data.get(name) not in {"9", 9} for name in OWN[table] if name in data)
    assert all(data.get(name) not in ("9", 9) for name in NOT_GIVEN[table])
    assert data.get("settings", {}) == {}


REQUIRED = {
    "8.1 provider": {"name": "NotBlank"},
    "8.1 optimizer": {"name": "NotBlank"},
    "8.2 group": {
        "name": "NotBlank",
        "identifier": "NotBlank",
        "capacityProviderId": "NotNull",
        "capacityOptimizerId": "NotNull",
        "capacityProviderMeasurementPeriod": "NotNull",
        "capacityOptimizerMeasurementPeriod": "NotNull",
    },
    "8.3 asset": {
        "name": "NotBlank",
        "capacityGroupId": "NotNull",
        "identifier": "NotBlank",
        "audience": "NotNull",
        "nodeId": "NotNull",
        "sourceId": "NotBlank",
        "category": "NotNull",
        "phase": "NotNull",
    },
    "8.4 settings": {"nodeId": "NotNull"},
    "8.4 group settings": {"nodeId": "NotNull"},
}
MISSING = [(table, field) for table, fields in REQUIRED.items() for field in fields]


@pytest.mark.parametrize(("table", "field"), MISSING, ids=map(" ".join, MISSING))
@pytest.mark.parametrize("value", [LEFT_OUT, None], ids=["left-out", "null"])
def test_what_must_be_there(simulator: Simulator, table: str, field: str, value: object) -> None:
    before = simulator.world
    answer = put_or_post(simulator, table, **{field: value})
    code = REQUIRED[table][field]
    assert refused(answer)[:2] == (422, "VAL.00004")
    told = [(error["location"], error["code"]) for error in answer.json["errors"]]
    assert told == [(field, each) for each in dict.fromkeys([code, "NotNull"])]
    assert answer.json["message"] == " ".join(each["message"] for each in answer.json["errors"])
    assert simulator.world is before


@pytest.mark.parametrize("table", PATHS)
def test_everything_that_is_missing_is_named(simulator: Simulator, table: str) -> None:
    path = PATHS[table]
    answer = call(simulator, "POST" if path in CREATABLE else "PUT", path, {})
    told = {(error["location"], error["code"]) for error in answer.json["errors"]}
    assert told >= REQUIRED[table].items()
    assert {field for field, _ in told} == REQUIRED[table].keys()


LIMITS = {
    **{f"{table} name": (table, "name", 64) for table in ENTITIES},
    "8.2 group identifier": ("8.2 group", "identifier", 128),
    "8.3 asset sourceId": ("8.3 asset", "sourceId", 64),
}


@pytest.mark.parametrize("row", LIMITS)
def test_what_is_too_long(simulator: Simulator, row: str) -> None:
    table, field, most = LIMITS[row]
    answer = put_or_post(simulator, table, **{field: "x" * (most + 1)})
    assert refused(answer)[:2] == (422, "VAL.00004")
    (error,) = answer.json["errors"]
    assert (error["location"], error["code"]) == (field, "Size")
    assert error["rejectedValue"] == "x" * (most + 1)
    assert str(most) in error["message"]


def test_a_pair_counts_as_two(simulator: Simulator) -> None:
    answer = put_or_post(simulator, "8.2 group", name="\N{GRINNING FACE}" * 33)
    assert [error["code"] for error in answer.json["errors"]] == ["Size"]


@pytest.mark.parametrize(
    ("table", "field"),
    [
        *((table, "name") for table in ENTITIES),
        ("8.2 group", "identifier"),
        ("8.3 asset", "identifier"),
        ("8.3 asset", "sourceId"),
    ],
)
@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_what_is_blank(simulator: Simulator, table: str, field: str, text: str) -> None:
    answer = put_or_post(simulator, table, **{field: text})
    (error,) = answer.json["errors"]
    message = error.pop("message")
    assert error == {"location": field, "code": "NotBlank", "rejectedValue": text}
    assert message.endswith((" must not be empty.", "must not be blank"))


@pytest.mark.parametrize("block", ["instantaneous", "energy"])
@pytest.mark.parametrize("field", ["propertyNames", "unit", "statisticType"])
def test_what_must_be_in_a_block(simulator: Simulator, block: str, field: str) -> None:
    inside = {name: value for name, value in ASSET[block].items() if name != field}
    answer = put_or_post(simulator, "8.3 asset", **{block: inside})
    error = answer.json["errors"][0]
    assert error["location"] == f"{block}.{field}"
    assert error["code"] == ("NotEmpty" if field == "propertyNames" else "NotNull")


@pytest.mark.parametrize("block", ["instantaneous", "energy"])
def test_no_properties_in_a_block(simulator: Simulator, block: str) -> None:
    inside = {**ASSET[block], "propertyNames": []}
    (error,) = put_or_post(simulator, "8.3 asset", **{block: inside}).json["errors"]
    assert (error["location"], error["code"]) == (f"{block}.propertyNames", "NotEmpty")


@pytest.mark.parametrize(
    ("table", "field", "most"),
    [
        ("8.3 asset", "identifier", 64),
        ("8.1 provider", "baseUrl", 256),
        ("8.4 settings", "sourceIdTemplate", 255),
    ],
)
def test_the_database_knows_the_limit(
    simulator: Simulator, table: str, field: str, most: int
) -> None:
    assert refused(put_or_post(simulator, table, **{field: "i" * (most + 1)})) == UNSTORABLE


@pytest.mark.parametrize("table", SYSTEMS)
@pytest.mark.parametrize("value", [LEFT_OUT, None], ids=["left-out", "null"])
def test_registration_status_is_missed_later(
    simulator: Simulator, table: str, value: object
) -> None:
    status, code, message = refused(put_or_post(simulator, table, registrationStatus=value))
    assert (status, code) == (422, None)
    assert message.startswith("Illegal argument: ")
    both = put_or_post(simulator, table, registrationStatus=value, name=LEFT_OUT)
    assert {error["location"] for error in both.json["errors"]} == {"name"}


CHOICES = {
    **{f"{table} registrationStatus": (table, "registrationStatus") for table in SYSTEMS},
    "8.2 group capacityProviderMeasurementPeriod": (
        "8.2 group",
        "capacityProviderMeasurementPeriod",
    ),
    "8.3 asset audience": ("8.3 asset", "audience"),
    "8.3 asset category": ("8.3 asset", "category"),
    "8.3 asset phase": ("8.3 asset", "phase"),
}


@pytest.mark.parametrize("row", CHOICES)
@pytest.mark.parametrize("value", ["", "x", "pending ", "Two", 1, True, [], {}, ["Pending"]])
def test_a_name_that_is_none_of_them(simulator: Simulator, row: str, value: object) -> None:
    table, field = CHOICES[row]
    status, code, message = refused(put_or_post(simulator, table, **{field: value}))
    assert (status, code) == (422, None)
    assert message.startswith(("Malformed JSON: ", "Malformed request: JSON parse error: "))


WRONG_TYPES = {
    "name as a list": ("8.2 group", "name", []),
    "name as an object": ("8.2 group", "name", {}),
    "enabled as a word": ("8.2 group", "enabled", "yes"),
    "enabled as a fraction": ("8.2 group", "enabled", 0.5),
    "serviceProps as a list": ("8.1 provider", "serviceProps", []),
    "serviceProps as a text": ("8.1 provider", "serviceProps", "hush"),
    "capacityProviderId as a word": ("8.2 group", "capacityProviderId", "three"),
    "capacityProviderId as a boolean": ("8.2 group", "capacityProviderId", True),
    "capacityProviderId beyond a long": ("8.2 group", "capacityProviderId", 2**63),
    "capacityProviderId as a large text": ("8.2 group", "capacityProviderId", str(2**63)),
    "energy as a list": ("8.3 asset", "energy", []),
    "energy properties as a text": ("8.3 asset", "energy", {**ENERGY, "propertyNames": "a"}),
    "energy multiplier as a word": ("8.3 asset", "energy", {**ENERGY, "multiplier": "much"}),
    "energy multiplier no number": ("8.3 asset", "energy", {**ENERGY, "multiplier": "1_0"}),
    "energy multiplier infinite": ("8.3 asset", "energy", {**ENERGY, "multiplier": "1e999"}),
    "nodeId as a list": ("8.4 settings", "nodeId", [1]),
}


@pytest.mark.parametrize("row", WRONG_TYPES)
def test_a_value_of_the_wrong_type(simulator: Simulator, row: str) -> None:
    table, field, value = WRONG_TYPES[row]
    status, code, message = refused(put_or_post(simulator, table, **{field: value}))
    assert (status, code) == (422, None)
    assert message.startswith(("Malformed JSON: Cannot ", "Malformed JSON: Numeric value ("))
    assert "hush" not in message


COERCED = {
    "enabled true": ("enabled", "true", True),
    "enabled False": ("enabled", "False", False),
    "enabled 1": ("enabled", 1, True),
    "enabled 0": ("enabled", 0, False),
    "id with a fraction": ("capacityProviderId", 3.9, 3),
    "id as a text": ("capacityProviderId", " +3 ", 3),
    "name from true": ("name", True, "true"),
    "name from a fraction": ("name", 1.5, "1.5"),
}


@pytest.mark.parametrize("row", COERCED)
def test_a_value_that_is_taken_for_another(simulator: Simulator, row: str) -> None:
    """Inferred, as the service's other classes take them (oscp20.md §5.1)."""
    field, value, wanted = COERCED[row]
    assert created(simulator, "/capacity-groups", {**GROUP, field: value})[field] == wanted


class TestNodes:
    """The node of an asset, and of settings, is one that the token may see."""

    WHERE = ("8.3 asset", *SETTINGS)

    @pytest.mark.parametrize("table", WHERE)
    def test_unknown(self, simulator: Simulator, table: str) -> None:
        assert refused(put_or_post(simulator, table, nodeId=99)) == UNKNOWN

    @pytest.mark.parametrize("table", WHERE)
    def test_another_user_s(self, simulator: Simulator, table: str) -> None:
        assert refused(put_or_post(simulator, table, nodeId=2)) == DENIED

    @pytest.mark.parametrize("table", WHERE)
    def test_not_one_of_the_token_s(self, simulator: Simulator, table: str) -> None:
        path = PATHS[table]
        method = "POST" if path in CREATABLE else "PUT"
        for node, status in ((12, 403), (11, 201 if method == "POST" else 200)):
            body = {**BODIES[path], "nodeId": node}
            signing = {"token": "restricted-token", "secret": "restricted-secret"}
            assert call(simulator, method, path, body, **signing).status == status  # type: ignore[arg-type]

    def test_it_comes_after_validation_and_before_references(self, simulator: Simulator) -> None:
        answer = put_or_post(simulator, "8.3 asset", nodeId=99, name="")
        assert answer.json["code"] == "VAL.00004"
        answer = put_or_post(simulator, "8.3 asset", nodeId=99, capacityGroupId=99)
        assert refused(answer) == UNKNOWN


#: Table, field, value, and the whole text of the refusal.
TEXTS = {
    "null": ("8.2 group", "enabled", None, "JSON: Cannot map `null` into type `boolean` (set "),
    "blank": ("8.2 group", "enabled", "", "JSON: Cannot coerce `null` to `boolean` value "),
    "letter": (
        *("8.1 provider", "registrationStatus", "R"),
        "request: JSON parse error: Cannot construct instance of "
        "`net.solarnetwork.central.oscp.domain.RegistrationStatus`, problem: Invalid "
        "RegistrationStatus value [R]",
    ),
    "URL": (
        *("8.1 provider", "baseUrl", "http://a b"),
        "request: JSON parse error: Cannot deserialize value of type `java.net.URI` from String "
        '"http://a b": not a valid textual representation, problem: Illegal character in authority '
        "at index 8: http://a b",
    ),
}


@pytest.mark.parametrize("row", TEXTS)
def test_what_the_service_says(simulator: Simulator, row: str) -> None:
    table, field, value, text = TEXTS[row]
    answer = put_or_post(simulator, table, **{field: value})
    assert answer.status == 422
    assert answer.json["message"].startswith(f"Malformed {text}")


def test_where_observed_parts(clock: FrozenClock) -> None:
    simulator = Simulator(WORLD, clock=clock, fidelity="observed")
    answer = put_or_post(simulator, "8.1 provider", oscpVersion="2.0")
    one = f"/capacity-providers/{answer.json['data']['configId']}"
    assert answer.header("Location") == f"/solaruser/u/sec/oscp{one}"
    assert "oscpVersion" not in answer.json["data"]
    put = call(simulator, "PUT", one, {**SYSTEM, "oscpVersion": "2.0"})
    assert put.data["oscpVersion"] == "2.0"
    for node in (2, 99):
        assert put_or_post(simulator, "8.4 settings", nodeId=node).status == 200


def test_the_tables_here_name_every_field(simulator: Simulator) -> None:
    """A field that is read but stands in no row would not be tested."""
    for table, path in PATHS.items():
        given = {name for row, gives, _ in TAKEN.values() if row == table for name in gives}
        answer = put_or_post(simulator, table)
        data = answer.json["data"]
        assert set(data) - set(OWN[table]) - {"flexibilityProviderId", "settings"} <= given, path
    assert SYSTEM.keys() <= {"name", "registrationStatus"}

"""The judgement of a request body, held against the simulated service's answer to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oscp_send.request_judgement import check_request
from oscp_send.snws2 import SNWS2Auth
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.simulator import Simulator
from tests.cases.payloads import asset_measurements, compliance, forecast, handshake, one_block
from tests.effort import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Session

    from oscp_schemas.date_time import Fidelity

ADD = f"{IN_PROCESS_URL}/solaruser/api/v1/sec/instr/add/OSCP_v20"
# What depends on who exists, which a judgement does not know.
OF_THE_WORLD = {
    "Unknown capacity optimizer",
    "Unknown group identifier",
    "Unknown capacity provider",
}
MESSAGES = (
    *[("AdjustGroupCapacityForecast", forecast())] * 3,
    ("AdjustGroupCapacityForecast", forecast(group_id="bar-group")),
    ("AdjustGroupCapacityForecast", one_block(unit="kW")),
    ("AdjustGroupCapacityForecast", one_block(start_time="2031-03-01 00:00:00Z")),
    ("AdjustGroupCapacityForecast", "{'group_id'}"),
    ("GroupCapacityComplianceError", compliance()),
    ("Handshake", handshake()),
    ("UpdateAssetMeasurement", asset_measurements()),
    ("Heartbeat", "{}"),
)

Object = list[tuple[str, Any]]

scalars = st.sampled_from(
    (
        *(None, True, False, 1, 0, 1.5, -3, 10**30, "", " ", "1", "x", "foo-group", "null", "[]"),
        *("Handshake", "GroupCapacityComplianceError", "UpdateAssetMeasurement"),
        *(
            handshake(),
            compliance(),
            one_block(unit="kW"),
            one_block(start_time="2031-03-01 00:00:00Z"),
        ),
        *("2026-01-02 03:04:05Z", 1767323045000),
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("name", "value", "action", "x")), inner, max_size=3)
    ),
    max_leaves=4,
)
names = st.sampled_from(("action", "coId", "cgIdentifier", "msg", "correlationId", "coid", "x"))


@st.composite
def parameters(draw: st.DrawFn) -> Object:
    """Mostly right parameters: some replaced, left out, repeated or added."""
    action, message = draw(st.sampled_from(MESSAGES))
    members: Object = [("coId", "1"), ("cgIdentifier", "foo-group")]
    members += [("action", action), ("msg", message)]
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2, 3)))):
        match draw(st.sampled_from(("replace", "drop", "add"))):
            case "replace" if members:
                place = draw(st.integers(0, len(members) - 1))
                members[place] = (members[place][0], draw(scalars | values))
            case "drop" if members:
                members.pop(draw(st.integers(0, len(members) - 1)))
            case _:
                members.append((draw(names), draw(scalars | values)))
    return members


def elements(members: Object) -> list[Any]:
    return [{"name": name, "value": value} for name, value in members]


def without(element: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in element.items() if name != key}


listed = st.lists(
    parameters().flatmap(lambda members: st.sampled_from(elements(members) or [None]))
    | st.builds(without, parameters().map(lambda m: (elements(m) or [{}])[0]), names)
    | values,
    max_size=6,
)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Mostly right request bodies as JSON text, whose keys may be repeated."""
    given_parameters = draw(
        st.one_of(
            *[parameters().map(_written)] * 6,
            parameters().map(lambda members: json.dumps(elements(members))),
            listed.map(json.dumps),
            values.map(json.dumps),
        )
    )
    nodes = (*[1, "1"] * 6, None, 1.9, "x", [1], {})
    keys = ("params", "params", "parameters")
    members = [
        ("nodeId", json.dumps(draw(st.sampled_from(nodes)))),
        (draw(st.sampled_from(keys)), given_parameters),
    ]
    extra = ("topic", "comment", "expirationDate", "id", "state", "resultParameters", "params")
    for _ in range(draw(st.sampled_from((0, 0, 0, 0, 1, 2)))):
        place = draw(st.integers(0, len(members)))
        members.insert(place, (draw(st.sampled_from(extra)), json.dumps(draw(values))))
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in members) + "}"


def _written(members: Object) -> str:
    return "{" + ",".join(f"{json.dumps(n)}:{json.dumps(v)}" for n, v in members) + "}"


@pytest.fixture(scope="module", params=["documented", "observed"])
def service(request: pytest.FixtureRequest) -> Iterator[tuple[Fidelity, Session]]:
    with Simulator(fidelity=request.param) as simulator, simulator.session() as session:
        session.auth = SNWS2Auth("rehearsal-token-0001", "rehearsal-secret")
        yield request.param, session


def assert_agreement(service: tuple[Fidelity, Session], data: bytes) -> None:
    fidelity, session = service
    judgement = check_request(data, fidelity)
    refusals = [each for each in judgement.of_severity("error") if each.layer != "meaning"]
    assert judgement.accepted == (refusals == [])
    response = session.post(ADD, data=data, headers={"Content-Type": "application/json"})
    reply = response.json()
    assert response.status_code in {200, judgement.status, 403}
    if response.status_code == 422:
        assert (judgement.stage, judgement.error) == ("request", reply["message"])
    elif response.status_code == 200:
        error = reply["data"].get("resultParameters", {}).get("error")
        assert judgement.status == 200
        if error not in OF_THE_WORLD:
            assert judgement.error == error


@given(body=bodies())
@settings(max_examples=examples(100))
def test_on_bodies_that_are_mostly_right(service: tuple[Fidelity, Session], body: str) -> None:
    assert_agreement(service, body.encode())


@given(data=st.binary(min_size=1) | values.map(json.dumps).map(str.encode))
def test_on_any_bytes(service: tuple[Fidelity, Session], data: bytes) -> None:
    assert_agreement(service, data)

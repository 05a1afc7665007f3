"""What the OSCP configuration API refuses to store or to read (solaruser.md §7.2 and §8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.configuration_api import (
    ANOTHER,
    ASSET,
    CREATABLE,
    DUPLICATE,
    GROUP,
    NO_REFERENCE,
    PUBLICATION,
    SYSTEM,
    UNSTORABLE,
    WORLD,
    call,
    created,
    refused,
    shown,
)
from tests.oscp_sim.rig import get

URL = "https://one.example/oscp"
THEIRS = {"capacityProviderId": 5, "capacityOptimizerId": 9, "capacityGroupId": 30}


@pytest.fixture
def simulator(clock: FrozenClock) -> Iterator[Simulator]:
    with Simulator(WORLD, clock=clock) as simulator:
        yield simulator


class TestDuplicates:
    @pytest.mark.parametrize("path", ["/capacity-providers", "/capacity-optimizers"])
    def test_base_url(self, simulator: Simulator, path: str) -> None:
        created(simulator, path, {**SYSTEM, "baseUrl": URL})
        before = simulator.world
        assert refused(call(simulator, "POST", path, {**SYSTEM, "baseUrl": URL})) == DUPLICATE
        assert simulator.world is before
        other = created(simulator, path, {**SYSTEM, "baseUrl": f"{URL}/"})["configId"]
        again = call(simulator, "PUT", f"{path}/{other}", {**SYSTEM, "baseUrl": URL})
        assert refused(again) == DUPLICATE

    def test_base_url_of_the_other_kind(self, simulator: Simulator) -> None:
        for path in ("/capacity-providers", "/capacity-optimizers"):
            created(simulator, path, {**SYSTEM, "baseUrl": URL})

    @pytest.mark.parametrize("path", ["/capacity-providers", "/capacity-optimizers"])
    def test_having_none_is_no_duplicate(self, simulator: Simulator, path: str) -> None:
        for blank in ({}, {}, {"baseUrl": None}):
            created(simulator, path, {**SYSTEM, **blank})

    def test_nor_is_being_simulated(self, simulator: Simulator) -> None:
        url = shown(simulator, "/capacity-providers/3")["baseUrl"]
        created(simulator, "/capacity-providers", {**SYSTEM, "baseUrl": url})

    def test_identifier_of_a_group(self, simulator: Simulator) -> None:
        body = {**GROUP, "identifier": "depot-a", "capacityProviderId": 4}
        assert refused(call(simulator, "POST", "/capacity-groups", body)) == DUPLICATE
        group = created(simulator, "/capacity-groups", GROUP)["configId"]
        assert refused(call(simulator, "PUT", f"/capacity-groups/{group}", body)) == DUPLICATE

    def test_identifier_in_another_case_or_of_another_user(self, simulator: Simulator) -> None:
        created(simulator, "/capacity-groups", {**GROUP, "identifier": "Depot-A"})
        body = {**GROUP, "capacityProviderId": 5, "capacityOptimizerId": 9}
        created(simulator, "/capacity-groups", body, **ANOTHER)
        created(simulator, "/capacity-groups", GROUP)

    def test_identifier_of_an_asset(self, simulator: Simulator) -> None:
        created(simulator, "/assets", ASSET)
        assert refused(call(simulator, "POST", "/assets", ASSET)) == DUPLICATE
        group = created(simulator, "/capacity-groups", GROUP)["configId"]
        there = created(simulator, "/assets", {**ASSET, "capacityGroupId": group})["configId"]
        assert refused(call(simulator, "PUT", f"/assets/{there}", ASSET)) == DUPLICATE

    @pytest.mark.parametrize("path", CREATABLE)
    def test_an_update_is_no_duplicate_of_itself(self, simulator: Simulator, path: str) -> None:
        body = {**CREATABLE[path], **({"baseUrl": URL} if CREATABLE[path] is SYSTEM else {})}
        entity = created(simulator, path, body)["configId"]
        assert call(simulator, "PUT", f"{path}/{entity}", body).status == 200


class TestReferences:
    WRONG = (
        ("/capacity-groups", "capacityProviderId"),
        ("/capacity-groups", "capacityOptimizerId"),
        ("/assets", "capacityGroupId"),
    )

    @pytest.mark.parametrize(("path", "field"), WRONG)
    @pytest.mark.parametrize("value", [999, 0, -1, None])
    def test_unknown(self, simulator: Simulator, path: str, field: str, value: int | None) -> None:
        before = simulator.world
        # None stands for one that another user has.
        body = {**CREATABLE[path], field: THEIRS[field] if value is None else value}
        assert refused(call(simulator, "POST", path, body)) == NO_REFERENCE
        assert simulator.world is before
        entity = created(simulator, path, CREATABLE[path])["configId"]
        assert refused(call(simulator, "PUT", f"{path}/{entity}", body)) == NO_REFERENCE

    @pytest.mark.parametrize("group", [999, 30])
    def test_settings_of_a_group_that_is_unknown(self, simulator: Simulator, group: int) -> None:
        path = f"/capacity-groups/{group}/settings"
        assert refused(call(simulator, "PUT", path, PUBLICATION)) == NO_REFERENCE

    @pytest.mark.parametrize("path", ["/capacity-providers/3", "/capacity-optimizers/7"])
    def test_what_refers_to_it_goes_too(self, simulator: Simulator, path: str) -> None:
        asset = created(simulator, "/assets", ASSET)["configId"]
        assert call(simulator, "DELETE", path).status == 200
        for gone in (path, "/capacity-groups/19", f"/assets/{asset}"):
            assert call(simulator, "GET", gone).status == 403

    def test_a_group_takes_its_settings_along(self, simulator: Simulator) -> None:
        call(simulator, "PUT", "/capacity-groups/19/settings", PUBLICATION)
        assert call(simulator, "DELETE", "/capacity-groups/19").status == 200
        assert shown(simulator, "/capacity-groups/settings") == []

    def test_which_problem_comes_first(self, simulator: Simulator) -> None:
        body = {**GROUP, "identifier": "depot-a", "capacityProviderId": 999}
        assert refused(call(simulator, "POST", "/capacity-groups", body)) == DUPLICATE
        path = "/capacity-groups/999"
        assert call(simulator, "PUT", path, body).json["message"] == "UNKNOWN_OBJECT"
        assert call(simulator, "PUT", path, {}).json["code"] == "VAL.00004"


MALFORMED = {
    "nothing": b"",
    "blanks": b" \n",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"hush"',
    "a number": b"1",
    "a word": b"hush",
    "a word in UTF-16": '{"oauth-client-secret":hush}'.encode("utf-16"),
    "a word inside": b'{"serviceProps":{"oauth-client-secret":hush}}',
    "an open text": b'{"serviceProps":{"oauth-client-secret":"hush',
    "an open object": b'{"name":"hush"',
    "a comma too many": b'{"name":"hush",}',
    "single quotes": b"{'name':'hush'}",
    "two values": b'{"name":"hush"}{}',
    "a number like hush": b'{"name":0hush}',
    "NaN": b'{"serviceProps":{"a":NaN}}',
    "latin 1": b'{"name":"hush\xe9"}',
    "a control character": b'{"name":"hush\x01"}',
    "a bad escape": b'{"name":"hush\\x"}',
    "too deep": b'{"serviceProps":' + b'{"a":' * 1200 + b"1" + b"}" * 1200 + b"}",
    "deeper than can be shown": b'{"serviceProps":' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}",
    "a number too long": b'{"serviceProps":{"a":' + b"1" * 1001 + b"}}",
    "a number far too long": b'{"serviceProps":{"a":' + b"1" * 5000 + b"}}",
    "nothing but a long number": b"1" * 5000,
    "nothing but a number beyond a double": b"1e400",
    "a number beyond a double": b'{"serviceProps":{"a":1e400}}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_object(simulator: Simulator, body: bytes) -> None:
    before = simulator.world
    for method, path in (
        ("POST", "/capacity-providers"),
        ("PUT", "/capacity-providers/3"),
        ("PUT", "/settings"),
    ):
        answer = call(simulator, method, path, body)
        # A body that is not there has no Content-Type either.
        if not body:
            assert answer.status in {415, 422}
            continue
        status, code, message = refused(answer)
        assert (status, code) == (422, None)
        assert message.startswith(("Malformed JSON: ", "Malformed request: "))
        assert "hush" not in message or b"oauth-client-secret" not in body
    assert simulator.world is before


def test_an_empty_body(simulator: Simulator) -> None:
    more = [("Content-Type", "application/json")]
    answer = call(simulator, "POST", "/capacity-providers", None, more=more)
    assert refused(answer)[0] == 422
    assert answer.json["message"].startswith("Malformed request: Required request body is missing")


class TestWhatIsTaken:
    @pytest.mark.parametrize("path", CREATABLE)
    def test_unknown_properties_are_ignored(self, simulator: Simulator, path: str) -> None:
        body = {"nonsense": {"deep": [1]}, **CREATABLE[path], "more": None}
        assert "nonsense" not in created(simulator, path, body)

    def test_of_equal_properties_the_last_counts(self, simulator: Simulator) -> None:
        body = b'{"name":"a","registrationStatus":"p","name":"b"}'
        assert created(simulator, "/capacity-providers", body)["name"] == "b"

    def test_a_byte_order_mark(self, simulator: Simulator) -> None:
        body = b"\xef\xbb\xbf" + json.dumps(SYSTEM).encode()
        assert created(simulator, "/capacity-providers", body)["name"] == "New"

    def test_half_a_character_is_stored_as_a_question_mark(self, simulator: Simulator) -> None:
        props = r'{"k\ud800":["\udfff"]}'
        body = rf'{{"name":"a\ud83d","registrationStatus":"p","serviceProps":{props}}}'
        data = created(simulator, "/capacity-providers", body)
        assert (data["name"], data["serviceProps"]) == ("a?", {"k?": ["?"]})

    def test_numbers_stay_as_they_are(self, simulator: Simulator) -> None:
        props = {"a": 2**70, "b": -(10**200), "c": 0.1, "d": 1e300, "e": -0.0}
        body = {**SYSTEM, "serviceProps": props}
        assert created(simulator, "/capacity-providers", body)["serviceProps"] == props

    @pytest.mark.parametrize("accept", ["application/json", "application/cbor"])
    def test_the_deepest_that_is_taken_is_shown_in_every_form(
        self, simulator: Simulator, accept: str
    ) -> None:
        deep: Any = "bottom"
        for _ in range(98):
            deep = [deep]
        body = {**SYSTEM, "serviceProps": {"deep": deep}}
        answer = call(simulator, "POST", "/capacity-providers", body, more=[("Accept", accept)])
        assert (answer.status, answer.header("Content-Type")) == (201, accept)
        assert b"bottom" in answer.body


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        *((path, {"name": "a\0"}) for path in CREATABLE),
        ("/capacity-providers", {"oscpVersion": "\0"}),
        ("/capacity-providers", {"serviceProps": {"a": ["\0"]}}),
        ("/capacity-providers", {"serviceProps": {"\0": 1}}),
        ("/capacity-groups", {"identifier": "\0"}),
        ("/assets", {"energy": {**ASSET["energy"], "propertyNames": ["\0"]}}),
    ],
)
def test_the_database_takes_no_nul(simulator: Simulator, path: str, fields: dict[str, Any]) -> None:
    assert refused(call(simulator, "POST", path, {**CREATABLE[path], **fields})) == UNSTORABLE


def test_the_journal_says_more(simulator: Simulator) -> None:
    call(simulator, "GET", "/capacity-providers/999")
    call(simulator, "POST", "/capacity-providers", b'{"name":\n  hush}')
    told = [entry.detail["why"] for entry in simulator.journal.entries(party="solaruser")]
    assert told == [
        "user 42 has no Capacity Provider 999",
        "not JSON at line 2, column 3",
    ]


def test_what_cannot_be_shown_is_done(simulator: Simulator) -> None:
    accept = [("Accept", "image/png")]
    answer = call(simulator, "POST", "/capacity-groups", GROUP, more=accept)
    assert answer.status == 406
    assert [each["configId"] for each in shown(simulator, "/capacity-groups")] == [19, 31]


def test_other_routes_are_none_of_its_business(simulator: Simulator) -> None:
    assert get(simulator, "/solaruser/api/v1/sec/user/oscpx/settings").status == 404

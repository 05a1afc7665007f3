"""What the OSCP configuration API changes the whole simulator sees at once, apart from secrets.

solaruser.md §3.1, §4.1, §4.2 and §8; oscp20.md §2.2, §5.3 and §5.9.
"""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterator
from typing import Any

import cbor2
import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.entry import Entry
from oscp_sim.outgoing import IN_PROCESS_URL
from tests.oscp_sim.configuration_api import (
    ANOTHER,
    GROUP,
    SECRETS,
    SYSTEM,
    WORLD,
    call,
    created,
    shown,
)
from tests.oscp_sim.rig import (
    Provider,
    ask,
    delivered,
    get,
    instruction,
    post,
    settled,
    shared_of,
)

READY = {"name": "New", "registrationStatus": "Pending", "enabled": True, "oscpVersion": "2.0"}
OWN_URL = f"{IN_PROCESS_URL}/oscp/cp/2.0"
FORECAST = (
    '{"group_id":"depot-b","type":"CONSUMPTION","forecasted_blocks":[{"capacity":1,"phase":"ALL",'
    '"unit":"KW","start_time":"2026-05-04T16:30:00Z","end_time":"2026-05-04T17:00:00Z"}]}'
)


@pytest.fixture
def simulator(clock: FrozenClock) -> Iterator[Simulator]:
    with Simulator(WORLD, clock=clock) as simulator:
        yield simulator


def sent(simulator: Simulator, co_id: int = 7, group: str = "depot-a", **more: str) -> Any:  # noqa: ANN401
    """State, and what result there is, of an instruction once it has settled."""
    answer = post(simulator, instruction(1, coId=str(co_id), cgIdentifier=group, **more))
    settled(simulator)
    found = get(simulator, f"/solaruser/api/v1/sec/instr/view?id={answer.data['id']}").data
    return found["state"], found.get("resultParameters", {}).get("error")


def a_group(simulator: Simulator, **fields: Any) -> str:  # noqa: ANN401
    """A new group of a new optimizer and a new provider with these fields: its identifier."""
    provider = created(simulator, "/capacity-providers", {**READY, **fields})["configId"]
    body = {**GROUP, "capacityProviderId": provider}
    identifier: str = created(simulator, "/capacity-groups", body)["identifier"]
    return identifier


class TestInstructions:
    def test_a_new_group_of_a_new_optimizer(self, simulator: Simulator) -> None:
        optimizer = created(simulator, "/capacity-optimizers", READY)["configId"]
        assert sent(simulator, optimizer, "depot-b") == ("Declined", "Unknown group identifier")
        created(simulator, "/capacity-groups", {**GROUP, "capacityOptimizerId": optimizer})
        assert sent(simulator, optimizer, "depot-b") == ("Completed", None)
        (entry,) = delivered(simulator)
        assert entry.request is not None
        assert entry.request.target == "/oscp/cp/2.0/handshake"

    def test_what_is_created_is_not_enabled(self, simulator: Simulator) -> None:
        optimizer = created(simulator, "/capacity-optimizers", SYSTEM)["configId"]
        assert sent(simulator, optimizer) == ("Declined", "Unknown capacity optimizer")
        body = {name: value for name, value in GROUP.items() if name != "enabled"}
        created(simulator, "/capacity-groups", body)
        assert sent(simulator, 7, "depot-b") == ("Declined", "Unknown group identifier")

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/capacity-optimizers/7", "Unknown capacity optimizer"),
            ("/capacity-groups/19", "Unknown group identifier"),
            ("/capacity-providers/3", "Unknown capacity provider"),
        ],
    )
    def test_what_is_disabled_is_unknown(
        self, simulator: Simulator, path: str, reason: str
    ) -> None:
        before = shown(simulator, path)
        assert sent(simulator) == ("Completed", None)
        call(simulator, "PUT", path, {**before, "enabled": False})
        assert sent(simulator) == ("Declined", reason)
        call(simulator, "PUT", path, before)
        assert sent(simulator) == ("Completed", None)

    def test_what_is_deleted_is_unknown(self, simulator: Simulator) -> None:
        call(simulator, "DELETE", "/capacity-groups/19")
        assert sent(simulator) == ("Declined", "Unknown group identifier")
        call(simulator, "DELETE", "/capacity-optimizers/7")
        assert sent(simulator) == ("Declined", "Unknown capacity optimizer")

    def test_a_group_that_is_renamed(self, simulator: Simulator) -> None:
        call(simulator, "PUT", "/capacity-groups/19", GROUP)
        assert sent(simulator, 7, "depot-a") == ("Declined", "Unknown group identifier")
        assert sent(simulator, 7, "depot-b") == ("Completed", None)

    def test_another_user_s_optimizer_and_group(self, simulator: Simulator) -> None:
        body = {**GROUP, "capacityProviderId": 5, "capacityOptimizerId": 9}
        created(simulator, "/capacity-groups", body, **ANOTHER)
        assert sent(simulator, 9, "depot-b") == ("Declined", "Unknown capacity optimizer")


class TestDelivery:
    def test_without_a_base_url_nothing_is_sent(self, simulator: Simulator) -> None:
        assert sent(simulator, 7, a_group(simulator)) == ("Completed", None)
        assert delivered(simulator) == []

    def test_its_version_does_not_matter_then(self, simulator: Simulator) -> None:
        assert sent(simulator, 7, a_group(simulator, oscpVersion=None)) == ("Completed", None)

    @pytest.mark.parametrize(("version", "told"), [(None, "null"), ("1.0", "1.0")])
    def test_a_wrong_version(self, simulator: Simulator, version: str | None, told: str) -> None:
        group = a_group(simulator, baseUrl="http://127.0.0.1:9", oscpVersion=version)
        state, error = sent(simulator, 7, group)
        assert state == "Declined"
        assert error.endswith(f"because the OSCP version {told} is not supported.")

    @pytest.mark.parametrize("status", ["Pending", "Failed", "Registered"])
    def test_its_registration_does_not_matter(self, simulator: Simulator, status: str) -> None:
        group = a_group(simulator, baseUrl=OWN_URL, registrationStatus=status)
        assert sent(simulator, 7, group) == ("Completed", None)

    def test_this_simulator_s_own_url(self, simulator: Simulator) -> None:
        group = a_group(simulator, baseUrl=OWN_URL)
        forecast = {"action": "AdjustGroupCapacityForecast", "msg": FORECAST}
        assert sent(simulator, 7, group, **forecast) == ("Completed", None)
        (entry,) = delivered(simulator)
        assert _status(entry) == 204
        assert "authorization" not in _headers(entry)

    def test_its_url_on_the_network(self, simulator: Simulator) -> None:
        group = a_group(simulator, baseUrl=f"{simulator.url}/oscp/cp/2.0")
        assert sent(simulator, 7, group) == ("Completed", None)
        (entry,) = delivered(simulator)
        assert _status(entry) == 204

    def test_a_simulated_provider_that_is_given_its_url(self, simulator: Simulator) -> None:
        before = shown(simulator, "/capacity-providers/3")
        body = {**before, "baseUrl": f"{simulator.url}/oscp/cp/2.0"}
        assert call(simulator, "PUT", "/capacity-providers/3", body).status == 200
        assert sent(simulator) == ("Completed", None)

    def test_a_group_of_another_provider_is_unknown_to_it(self, simulator: Simulator) -> None:
        created(simulator, "/capacity-providers", {**READY, "baseUrl": OWN_URL})
        body = FORECAST.replace("depot-b", "depot-a").encode()
        headers = [
            ("Host", "simulator.invalid"),
            ("Content-Type", "application/json"),
            ("X-Request-ID", "1"),
        ]
        path = "/oscp/cp/2.0/adjust_group_capacity_forecast"
        assert ask(simulator, "POST", path, headers, body).status == 404

    @pytest.mark.parametrize(
        "url",
        [
            f"{OWN_URL}/",
            "http://other.invalid/oscp/cp/2.0",
            "http://simulator.invalid:81/oscp/cp/2.0",
            "http://simulator.invalid/oscp/cp/2.1",
            "ftp://simulator.invalid/oscp/cp/2.0",
            "http://[",
            "simulator.invalid/oscp/cp/2.0",
        ],
    )
    def test_a_system_played_elsewhere_is_unknown_here(
        self, simulator: Simulator, url: str
    ) -> None:
        created(simulator, "/capacity-providers", {**READY, "baseUrl": url})
        headers = [("Host", "simulator.invalid"), ("Content-Type", "application/json")]
        answer = ask(simulator, "POST", "/oscp/cp/2.0/handshake", headers, b"{}")
        assert answer.status == 401

    @pytest.mark.parametrize("port", ["", ":80"])
    @pytest.mark.parametrize("host", ["simulator.invalid", "SIMULATOR.invalid:80"])
    def test_a_port_that_goes_without_saying(
        self, simulator: Simulator, port: str, host: str
    ) -> None:
        url = f"http://Simulator.invalid{port}/oscp/cp/2.0"
        created(simulator, "/capacity-providers", {**READY, "baseUrl": url})
        headers = [("Host", host), ("Content-Type", "application/json"), ("X-Request-ID", "1")]
        assert ask(simulator, "POST", "/oscp/cp/2.0/handshake", headers, b"{}").status == 204

    def test_somebody_else_s_url(self, simulator: Simulator) -> None:
        with Provider() as provider:
            group = a_group(simulator, baseUrl=provider.url)
            assert sent(simulator, 7, group) == ("Completed", None)
        ((target, headers, body),) = provider.asked
        assert (target, body) == ("/cp/handshake", b"{}")
        assert "authorization" not in {name.lower() for name, _ in headers}

    def test_headers_of_its_own(self, simulator: Simulator) -> None:
        props = {
            "http-headers": {"X-Extra": "yes", "x-request-id": "mine", "X-Number": 1},
            "url-paths": {"Handshake": "/nowhere"},
        }
        with Provider() as provider:
            group = a_group(simulator, baseUrl=provider.url, serviceProps=props)
            assert sent(simulator, 7, group) == ("Completed", None)
        ((target, headers, _),) = provider.asked
        found = {name.lower(): value for name, value in headers}
        assert target == "/cp/handshake"
        assert found["x-extra"] == "yes"
        # Added, not put in place of one that is there (oscp20.md §5.9).
        ids = [value for name, value in headers if name.lower() == "x-request-id"]
        assert (len(ids), ids[-1]) == (2, "mine")
        assert "x-number" not in found

    @pytest.mark.parametrize("headers", [None, [], "X-Extra", 7, {"X-Extra": None}])
    def test_headers_that_are_none(self, simulator: Simulator, headers: object) -> None:
        group = a_group(simulator, baseUrl=OWN_URL, serviceProps={"http-headers": headers})
        assert sent(simulator, 7, group) == ("Completed", None)

    @pytest.mark.parametrize("value", ["a\r\nb: c", "\N{GRINNING FACE}", " "])
    def test_headers_that_cannot_be_sent(self, simulator: Simulator, value: str) -> None:
        props = {"http-headers": {"X-Extra": value}}
        group = a_group(simulator, baseUrl=OWN_URL, serviceProps=props)
        state, _ = sent(simulator, 7, group)
        assert state in {"Completed", "Declined"}

    @pytest.mark.parametrize("url", ["nowhere", "http://[", "x://y"])
    def test_a_base_url_that_leads_nowhere(self, simulator: Simulator, url: str) -> None:
        state, error = sent(simulator, 7, a_group(simulator, baseUrl=url))
        assert state == "Declined"
        assert error


def _status(entry: Entry) -> int:
    assert entry.response is not None
    return entry.response.status


def _headers(entry: Entry) -> dict[str, str]:
    assert entry.request is not None
    return {name.lower(): value for name, value in entry.request.headers}


class TestToken:
    @pytest.mark.parametrize("path", ["/capacity-providers", "/capacity-optimizers"])
    def test_it_is_base64_of_48_bytes(self, simulator: Simulator, path: str) -> None:
        token = created(simulator, path, SYSTEM)["token"]
        assert len(token) == 64
        assert len(base64.b64decode(token, validate=True)) == 48

    def test_the_same_seed_gives_the_same(self, clock: FrozenClock) -> None:
        def tokens(seed: int) -> list[str]:
            simulator = Simulator(WORLD, clock=clock, seed=seed)
            paths = ["/capacity-providers", "/capacity-optimizers"] * 2
            return [created(simulator, path, SYSTEM)["token"] for path in paths]

        assert tokens(1) == tokens(1)
        assert len(set(tokens(1)) | set(tokens(2))) == 8

    @pytest.mark.parametrize("path", ["/capacity-providers", "/capacity-optimizers"])
    def test_no_other_reply_has_it(self, simulator: Simulator, path: str) -> None:
        data = created(simulator, path, SYSTEM)
        one = f"{path}/{data['configId']}"
        replies = [
            call(simulator, "GET", path),
            call(simulator, "GET", one),
            call(simulator, "PUT", one, SYSTEM),
            ask(simulator, "GET", "/_sim/world", [("Host", "localhost")]),
            ask(simulator, "GET", "/_sim/journal", [("Host", "localhost")]),
        ]
        assert all(answer.status == 200 for answer in replies)
        assert all(data["token"].encode() not in answer.body for answer in replies)

    @pytest.mark.parametrize(
        "accept", ["application/json", "application/cbor", "text/csv", "text/xml"]
    )
    def test_the_journal_does_not_keep_it(self, simulator: Simulator, accept: str) -> None:
        more = [("Accept", accept)]
        answer = call(simulator, "POST", "/capacity-providers", SYSTEM, more=more)
        provider = simulator.world.users[0].capacity_providers[-1]
        token = provider.flexibility_provider_token
        assert token is not None
        assert token.encode() in answer.body
        assert token not in _all_of(simulator)
        mark = simulator.journal.last
        # Nor does it when it comes back, wherever that is.
        call(simulator, "GET", f"/capacity-providers?token={token}")
        call(simulator, "POST", "/capacity-groups", {**GROUP, "name": token})
        call(simulator, "POST", "/capacity-groups", token.encode())
        told = [entry.to_dict() for entry in simulator.journal.entries(since=mark)]
        assert len(told) == 3
        assert token not in repr(told)

    def test_the_reply_has_all_else_in_the_journal(self, simulator: Simulator) -> None:
        data = created(simulator, "/capacity-providers", SYSTEM)
        (entry,) = simulator.journal.entries(party="solaruser")
        assert entry.response is not None
        body = entry.response.text
        assert f'"configId":{data["configId"]}' in body
        assert '"token":"[redacted]"' in body

    def test_cbor_holds_it(self, simulator: Simulator) -> None:
        more = [("Accept", "application/cbor")]
        answer = call(simulator, "POST", "/capacity-providers", SYSTEM, more=more)
        assert len(cbor2.loads(answer.body)["data"]["token"]) == 64


def _all_of(simulator: Simulator) -> str:
    entries = [entry.to_dict() for entry in simulator.journal.entries()]
    shared = shared_of(simulator)
    return f"{entries!r} {simulator.world!r} {simulator.world.summary()!r} {shared!r}"


class TestSecrets:
    BODIES: tuple[Any, ...] = (
        {**SYSTEM, "serviceProps": {"oauth-client-secret": "hush-hush"}},
        {**SYSTEM, "serviceProps": {"oauth-client-secret": ["hush-hush"]}},
        {**SYSTEM, "serviceProps": {"oauth-client-secret": {"a": "hush-hush"}}},
        {"serviceProps": {"oauth-client-secret": "hush-hush"}},
        {**SYSTEM, "token": "hush-hush"},
        {**SYSTEM, "serviceProps": {"http-headers": {"Authorization": "Basic hush-hush"}}},
        {**SYSTEM, "baseUrl": "https://me:hush-hush@x.example/"},
        {**SYSTEM, "baseUrl": "https://me:hush-hush@x.example/".ljust(300, "x")},
        b'{"serviceProps":{"oauth-client-secret":"hush-hush',
        b'{"serviceProps":{"oauth-client-secret":hush-hush}}',
        b'{"serviceProps":{"oauth-client-secret": "a\\"hush-hush"}}',
        rb'{"serviceProps":{"\u006Fauth-client\u002dsecret" : "hush-hush"},"name":"a",'
        rb'"registrationStatus":"p"}',
        b"oauth-client-secret=hush-hush",
    )

    @pytest.mark.parametrize("body", BODIES)
    @pytest.mark.parametrize(
        "accept", ["application/json", "application/cbor", "text/csv", "text/xml"]
    )
    def test_nothing_keeps_them(
        self,
        simulator: Simulator,
        body: Any,  # noqa: ANN401
        accept: str,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level(logging.DEBUG)
        for method, path in (("POST", "/capacity-providers"), ("PUT", "/capacity-providers/4")):
            answer = call(simulator, method, path, body, more=[("Accept", accept)])
            if not _is_shown_by_the_service(body):
                assert b"hush-hush" not in answer.body
        call(simulator, "GET", "/capacity-providers", more=[("Accept", accept)])
        told = [entry.to_dict() for entry in simulator.journal.entries()]
        assert len(told) == 3
        assert "hush-hush" not in repr(told)
        assert "hush-hush" not in caplog.text
        assert "hush-hush" not in "".join(capfd.readouterr())
        shared = shared_of(simulator)
        assert "Basic hush" not in repr(shared.world)

    def test_nor_those_of_the_world_s_file(self, simulator: Simulator) -> None:
        for path in ("/capacity-providers", "/capacity-optimizers", "/capacity-groups"):
            answer = call(simulator, "GET", path)
            for secret in SECRETS:
                assert secret.encode() not in answer.body
        for secret in SECRETS:
            assert secret not in _all_of(simulator)

    def test_a_client_secret_is_not_even_kept(self, simulator: Simulator) -> None:
        body = {**SYSTEM, "serviceProps": {"oauth-client-secret": "hush", "oauth-client-id": "me"}}
        data = created(simulator, "/capacity-providers", body)
        assert data["serviceProps"] == {"oauth-client-id": "me"}
        (provider,) = (each for each in simulator.world.users[0].capacity_providers if each.id == 6)
        assert provider.service_props == {"oauth-client-id": "me"}

    def test_headers_that_are_credentials_are_delivered_and_not_shown(
        self, simulator: Simulator
    ) -> None:
        props = {"http-headers": {"Authorization": "Basic hush-hush"}}
        with Provider() as provider:
            group = a_group(simulator, baseUrl=provider.url, serviceProps=props)
            assert sent(simulator, 7, group) == ("Completed", None)
        ((_, headers, _),) = provider.asked
        assert dict(headers)["Authorization"] == "Basic hush-hush"
        assert "hush-hush" not in _all_of(simulator)


def _is_shown_by_the_service(body: object) -> bool:
    """Whether the owner sees it again: everything but the client secret."""
    text = repr(body)
    return "Basic" in text or ("https://me:" in text and "xxx" not in text)


def test_a_reset_brings_the_first_world_back(simulator: Simulator) -> None:
    first = simulator.world
    call(simulator, "DELETE", "/capacity-groups/19")
    created(simulator, "/capacity-optimizers", SYSTEM)
    assert simulator.world != first
    assert ask(simulator, "POST", "/_sim/reset", [("Host", "localhost")]).status == 200
    assert simulator.world == first
    # As those of instructions, ids go on.
    assert created(simulator, "/capacity-optimizers", SYSTEM)["configId"] == 11


def test_two_simulators_share_nothing(clock: FrozenClock) -> None:
    one, other = (Simulator(WORLD, clock=clock) for _ in range(2))
    created(one, "/capacity-groups", GROUP)
    assert [each["configId"] for each in shown(other, "/capacity-groups")] == [19]


def test_who_holds_a_world_keeps_it(simulator: Simulator) -> None:
    before = simulator.world
    groups = before.users[0].capacity_groups
    created(simulator, "/capacity-groups", GROUP)
    assert before.users[0].capacity_groups is groups
    assert simulator.world.users[1] is before.users[1]


def test_many_at_once_lose_nothing(simulator: Simulator) -> None:
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for count in range(10):
                identifier = f"{number}-{count}"
                made = created(simulator, "/capacity-groups", {**GROUP, "identifier": identifier})
                created(simulator, "/capacity-optimizers", SYSTEM)
                if count % 2:
                    path = f"/capacity-groups/{made['configId']}"
                    assert call(simulator, "DELETE", path).status == 200
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    groups = shown(simulator, "/capacity-groups")
    wanted = {f"{number}-{count}" for number in range(6) for count in range(0, 10, 2)}
    assert {each["identifier"] for each in groups} == wanted | {"depot-a"}
    assert len({each["configId"] for each in groups}) == len(groups)
    optimizers = shown(simulator, "/capacity-optimizers")
    assert len({each["configId"] for each in optimizers}) == 61
    assert len({each["flexibilityProviderId"] for each in optimizers}) == 61

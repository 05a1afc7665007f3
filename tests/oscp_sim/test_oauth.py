"""Calling systems that want OAuth: oscp20.md §5.9."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Response
from oscp_sim.outgoing import Unanswered
from oscp_sim.user_events import UserEvent
from tests.oscp_sim.configuration_api import BASE as CONFIGURATION
from tests.oscp_sim.peers import (
    CO_URL,
    CP_URL,
    NO_CONTENT,
    SILENT,
    START,
    Answer,
    Peers,
    Sent,
    group,
    optimizer,
    peers,
    provider,
    world,
)
from tests.oscp_sim.rig import VIEW, ask, get, instruction, post, settled, shared_of, signed_headers
from tests.oscp_sim.test_forwarding import pass_on

TOKEN_URL = "http://auth.test/token"
HUSH = "hush-client-secret"
PROPS = {
    "oauth-token-url": TOKEN_URL,
    "oauth-client-id": "me",
    "oauth-client-secret": HUSH,
}


def granting(
    token: str = "access-1",  # noqa: S107 - of a rehearsal
    kind: str = "Bearer",
    status: int = 200,
    **more: object,
) -> Callable[[Sent], Answer | None]:
    """Whoever grants tokens, and takes messages."""
    body = json.dumps({"access_token": token, "token_type": kind, "expires_in": 300, **more})
    reply = Response(status, reason="OK" if status == 200 else "Bad Request", body=body.encode())
    return lambda sent: reply if sent.url == TOKEN_URL else None


def wanting(**props: object) -> dict[str, Any]:
    return world(
        [provider(service_props={**PROPS, **props})], [optimizer(service_props={**PROPS, **props})]
    )


def messages(there: Peers) -> list[Sent]:
    return [each for each in there.sent if each.url != TOKEN_URL]


def demands(there: Peers) -> list[Sent]:
    return [each for each in there.sent if each.url == TOKEN_URL]


def events(there: Peers) -> list[UserEvent]:
    after = there.clock.now() + timedelta(days=1)
    return shared_of(there.simulator).events.find(42, START, after)


def queue(there: Peers, **parameters: str) -> tuple[str, str | None]:
    """State and reason in which an instruction ends."""
    body = instruction(cgIdentifier="depot-7", **parameters)
    queued = post(there.simulator, body, when=there.clock.now()).data
    settled(there.simulator)
    ended = get(there.simulator, f"{VIEW}?id={queued['id']}", when=there.clock.now()).data
    return ended["state"], ended.get("resultParameters", {}).get("error")


# --- every message -----------------------------------------------------------------------------


def test_an_instruction_is_shown_a_bearer_token() -> None:
    with peers(wanting()) as there:
        there.decide = granting()
        assert queue(there) == ("Completed", None)
    (message,) = messages(there)
    assert message.url == f"{CP_URL}/3/handshake"
    assert message.pairs[0] == ("Authorization", "Bearer access-1")
    assert [name for name, _ in message.pairs].count("Authorization") == 1


def test_a_forecast_that_is_passed_on_is_shown_one() -> None:
    with peers(wanting()) as there:
        there.decide = granting()
        pass_on(there, "update")
        pass_on(there, "adjust")
        there.clock.advance(2)
    assert {each.url.rpartition("/")[0] for each in messages(there)} == {
        f"{CO_URL}/1",
        f"{CP_URL}/3",
    }
    assert {each.headers["Authorization"] for each in messages(there)} == {"Bearer access-1"}
    # One for each system, though the client is the same.
    assert len(demands(there)) == 2


def test_a_heartbeat_is_shown_one() -> None:
    of = wanting()
    for system in (*of["users"][0]["capacity_providers"], *of["users"][0]["capacity_optimizers"]):
        system["settings"] = {"heartbeat_seconds": 50}
    with peers(of) as there:
        there.decide = granting()
        there.clock.advance(60)
    assert [each.headers["Authorization"] for each in messages(there)] == ["Bearer access-1"] * 2


def test_one_that_has_told_no_token_is_shown_one_all_the_same() -> None:
    with peers(wanting()) as there:
        there.decide = granting()
        (system,) = there.simulator.world.users[0].capacity_providers
        shared_of(there.simulator).change_system(42, system, token=None)
        queue(there)
    assert messages(there)[0].headers["Authorization"] == "Bearer access-1"


def test_configured_headers_come_besides() -> None:
    headers = {"Authorization": "Mine", "X-Api-Key": "k"}
    with peers(wanting(**{"http-headers": headers})) as there:
        there.decide = granting()
        queue(there)
    (message,), (demand,) = messages(there), demands(there)
    assert message.pairs[0] == ("Authorization", "Bearer access-1")
    for sent in (message, demand):
        assert sent.pairs[-2:] == tuple(headers.items())


# --- the demand --------------------------------------------------------------------------------


def test_what_is_demanded() -> None:
    with peers(wanting()) as there:
        there.decide = granting()
        queue(there)
    (sent,) = demands(there)
    pair = base64.b64encode(f"me:{HUSH}".encode()).decode()
    assert sent.pairs == (
        ("Authorization", f"Basic {pair}"),
        ("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"),
        ("Accept", "application/json"),
    )
    assert sent.body == b"grant_type=client_credentials"


def test_2_3_1_client_and_secret_are_encoded() -> None:
    props = {"oauth-client-id": "a:b", "oauth-client-secret": "c d+é"}
    with peers(wanting(**props)) as there:
        there.decide = granting()
        queue(there)
    encoded = demands(there)[0].headers["Authorization"].partition(" ")[2]
    assert base64.b64decode(encoded) == b"a%3Ab:c+d%2B%C3%A9"


@pytest.mark.parametrize(
    ("missing", "demanded"),
    [
        ("oauth-token-url", False),
        ("oauth-client-id", False),
        # Not asked for: the first two decide. Without a secret, an empty one is shown.
        ("oauth-client-secret", True),
    ],
)
def test_when_it_is_active(missing: str, *, demanded: bool) -> None:
    props = {name: each for name, each in PROPS.items() if name != missing}
    with peers(world([provider(service_props=props)])) as there:
        there.decide = granting()
        queue(there)
    assert bool(demands(there)) == demanded
    shown = messages(there)[0].headers["Authorization"]
    assert shown == ("Bearer access-1" if demanded else "Token cp-token-3")


# --- how long ----------------------------------------------------------------------------------


def test_a_token_is_kept_until_it_expires() -> None:
    with peers(wanting()) as there:
        there.decide = granting()
        queue(there)
        there.clock.advance(299.999)
        queue(there)
        assert len(demands(there)) == 1
        there.decide = granting("access-2")
        there.clock.advance(0.001)
        queue(there)
        assert len(demands(there)) == 2
    assert [each.headers["Authorization"] for each in messages(there)] == [
        *("Bearer access-1", "Bearer access-1", "Bearer access-2")
    ]


@pytest.mark.parametrize("expires_in", [None, 0, -1, "soon", "", True, [], float("nan")])
def test_one_that_does_not_say_how_long_is_not_kept(expires_in: object) -> None:
    with peers(wanting()) as there:
        there.decide = granting(expires_in=expires_in)
        queue(there)
        queue(there)
        assert len(demands(there)) == 2


@pytest.mark.parametrize("expires_in", [1e300, "90000"])
def test_one_that_is_good_for_long_is_kept(expires_in: object) -> None:
    with peers(wanting()) as there:
        there.decide = granting(expires_in=expires_in)
        queue(there)
        there.clock.advance(86_400)
        queue(there)
        assert len(demands(there)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"oauth_client_secret": "another"},
        {"service_props": {**PROPS, "oauth-client-id": "you"}},
        {"service_props": {**PROPS, "oauth-token-url": TOKEN_URL + "s"}},
    ],
)
def test_another_client_gets_another_token(change: dict[str, Any]) -> None:
    with peers(wanting()) as there:
        grants = granting()(Sent(there.clock.now(), TOKEN_URL, (), b""))
        there.decide = lambda sent: grants if "auth.test" in sent.url else None
        queue(there)
        (system,) = there.simulator.world.users[0].capacity_providers
        shared_of(there.simulator).change_system(42, system, **change)
        queue(there)
        assert len(there.to("http://auth.test")) == 2


def test_starting_afresh_forgets_the_tokens() -> None:
    with peers(wanting()) as there:
        there.decide = granting()
        queue(there)
        there.party.plan()
        queue(there)
        assert len(demands(there)) == 2


# --- failures ----------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Answer, str]] = {
    "refused": (
        Response(
            401, reason="Unauthorized", body=b'{"error":"invalid_client","error_description":"x"}'
        ),
        "401 Unauthorized invalid_client",
    ),
    "refused without a word": (Response(400, reason="Bad Request"), "400 Bad Request"),
    "an error that is no code": (
        Response(400, reason="Bad Request", body=b'{"error":"Basic bWU6aHVzaA=="}'),
        "400 Bad Request",
    ),
    "broken": (
        Response(503, reason="Service Unavailable", body=b"<html>"),
        "503 Service Unavailable",
    ),
    "no content": (Response(204, reason="No Content"), "204 No Content"),
    "no JSON": (Response(200, reason="OK", body=b"\xff"), "its answer has no access_token"),
    "no object": (Response(200, reason="OK", body=b"[]"), "its answer has no access_token"),
    "deep": (Response(200, reason="OK", body=b"[" * 100_000), "its answer has no access_token"),
    "no token": (Response(200, reason="OK", body=b"{}"), "its answer has no access_token"),
    "an empty token": (
        Response(200, reason="OK", body=b'{"access_token":"","token_type":"Bearer"}'),
        "its answer has no access_token",
    ),
    "a number": (
        Response(200, reason="OK", body=b'{"access_token":7,"token_type":"Bearer"}'),
        "its answer has no access_token",
    ),
    "another kind": (
        Response(200, reason="OK", body=b'{"access_token":"a","token_type":"mac"}'),
        "the token_type of its answer is not Bearer",
    ),
    "no kind": (
        Response(200, reason="OK", body=b'{"access_token":"a"}'),
        "the token_type of its answer is not Bearer",
    ),
    "silent": (SILENT, "Read timed out"),
    "not there": (Unanswered("refused", "Connection refused"), "Connection refused"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_without_a_token_the_message_fails(case: str) -> None:
    answer, why = FAILURES[case]
    with peers(wanting()) as there:
        there.decide = lambda sent: answer if sent.url == TOKEN_URL else None
        body = instruction(cgIdentifier="depot-7")
        post(there.simulator, body, when=there.clock.now())
        there.clock.advance(20)
        settled(there.simulator)
        ended = get(there.simulator, f"{VIEW}?id=1", when=there.clock.now()).data
        text = f"OAuth error: no access token from {TOKEN_URL}: {why}"
        assert (ended["state"], ended["resultParameters"]) == ("Declined", {"error": text})
        assert messages(there) == []
        (told,) = [each for each in events(there) if "http" in each.tags]
        assert told.message == text
        assert "error" in told.tags


def test_silence_is_known_after_twenty_seconds() -> None:
    with peers(wanting()) as there:
        there.decide = lambda sent: SILENT if sent.url == TOKEN_URL else None
        post(there.simulator, instruction(cgIdentifier="depot-7"), when=there.clock.now())
        there.clock.advance(19)
        state = f"{VIEW}?id=1"
        assert get(there.simulator, state, when=there.clock.now()).data["state"] == "Executing"
        there.clock.advance(1)
        assert get(there.simulator, state, when=there.clock.now()).data["state"] == "Declined"


def test_a_forecast_is_tried_again() -> None:
    with peers(wanting()) as there:
        there.answers = [Response(502, reason="Bad Gateway")]
        there.decide = granting()
        pass_on(there, "update")
        there.clock.advance(10)
        assert (len(demands(there)), len(messages(there))) == (2, 1)


def test_a_heartbeat_waits_for_the_next_minute() -> None:
    of = world([provider(service_props=PROPS, settings={"heartbeat_seconds": 50})])
    with peers(of) as there:
        there.answers = [Response(502, reason="Bad Gateway")]
        there.decide = granting()
        there.clock.advance(60)
        assert messages(there) == []
        assert "OAuth error" in there.notes[0]
        there.clock.advance(60)
        assert len(messages(there)) == 1


# --- the simulator's own tokens ----------------------------------------------------------------


@pytest.mark.parametrize("expected", ["me", "another"])
def test_the_simulators_own_token_endpoint_will_do(expected: str) -> None:
    """Nothing is stubbed: the URL of the token is within the process, like the systems."""
    own = {**PROPS, "oauth-token-url": "http://simulator.invalid/oauth/token"}
    system = {
        "id": 3,
        "name": "Grid",
        "token": "cp-token-3",
        "service_props": own,
        "settings": {"heartbeat_seconds": 50},
        "behaviour": {"token_valid_for": "150s"},
    }
    with Simulator(world([system]), clock=FrozenClock(START)) as simulator:
        if expected == "another":
            shared = shared_of(simulator)
            props = {**own, "oauth-client-id": expected}
            (there,) = simulator.world.users[0].capacity_providers
            shared.change_system(42, there, service_props=props)
        simulator.clock.advance(timedelta(minutes=6))
        beats = simulator.journal.entries(party="flexibility_provider", action="Heartbeat")
        assert [each.response and each.response.status for each in beats] == [204] * 6
        for entry in beats:
            assert entry.request is not None
            assert ("Authorization", "Bearer [redacted]") in entry.request.headers
        demanded = simulator.journal.entries(party="capacity_provider", kind="exchange")
        granted = [
            each.detail["why"]
            for each in demanded
            if each.request and each.request.target == "/oauth/token"
        ]
        assert granted == [f"an access token is granted to {expected}"] * 2


# --- secrets -----------------------------------------------------------------------------------


def everything(there: Peers) -> str:
    shared = shared_of(there.simulator)
    return " ".join(
        (
            json.dumps([entry.to_dict() for entry in there.simulator.journal.entries()]),
            repr([(each.message, each.data) for each in events(there)]),
            repr(shared.world),
            json.dumps(shared.world.summary()),
            repr(there.party.outbox.oauth),
        )
    )


def test_neither_secret_nor_token_is_told_anywhere() -> None:
    token = "access-token-that-nobody-may-see"

    def quoting(sent: Sent) -> Answer | None:
        if sent.url == TOKEN_URL:
            return granting(token)(sent)
        return Response(
            400, reason="Bad Request", body=f"you said {sent.headers['Authorization']}".encode()
        )

    with peers(wanting()) as there:
        there.decide = quoting
        state, reason = queue(there)
        assert (state, reason) == (
            "Declined",
            f'400 Bad Request on POST request for "{CP_URL}/3/handshake": '
            '"you said Bearer [redacted]"',
        )
        told = everything(there)
    pair = base64.b64encode(f"me:{HUSH}".encode()).decode()
    for secret in (HUSH, pair, token):
        assert secret not in told


def test_a_password_in_the_tokens_url_is_not_told() -> None:
    url = "http://me:hush-hush@auth.test/token"
    with peers(wanting(**{"oauth-token-url": url})) as there:
        there.decide = lambda sent: Response(500, reason="") if "auth" in sent.url else NO_CONTENT
        _, reason = queue(there)
        assert "hush-hush" not in str(reason)
        assert "hush-hush" not in everything(there).replace(repr(url), "")


def test_a_password_in_the_url_of_a_system_is_not_told() -> None:
    with peers(world([provider()])) as there:
        system = there.simulator.world.users[0].capacity_providers[0]
        url = "http://me:hush-hush@cp.test"
        shared_of(there.simulator).change_system(42, system, base_url=url)
        there.decide = lambda _: Response(500, reason="")
        _, reason = queue(there)
    assert 'POST request for "http://[redacted]@cp.test/handshake"' in str(reason)


# --- the configuration API ---------------------------------------------------------------------


def configure(there: Peers, method: str, path: str, props: object) -> dict[str, Any]:
    body = json.dumps(
        {"name": "New", "enabled": True, "registrationStatus": "Registered", "serviceProps": props}
    ).encode()
    target = f"{CONFIGURATION}{path}"
    headers = signed_headers(method, target, body, when=there.clock.now())
    answer = ask(there.simulator, method, target, headers, body)
    assert answer.status in {200, 201}
    assert HUSH.encode() not in answer.body
    found: dict[str, Any] = answer.json["data"]
    return found


@pytest.mark.parametrize("kind", ["capacity-providers", "capacity-optimizers"])
def test_the_configuration_api_keeps_the_secret_and_shows_it_never(kind: str) -> None:
    shown = {name: each for name, each in PROPS.items() if name != "oauth-client-secret"}
    with peers(world(groups=[group()])) as there:
        made = configure(there, "POST", f"/{kind}", PROPS)
        assert made["serviceProps"] == shown

        def secret() -> str | None:
            user = there.simulator.world.users[0]
            find = user.provider if kind == "capacity-providers" else user.optimizer
            system = find(made["configId"])
            assert system is not None
            assert "oauth-client-secret" not in (system.service_props or {})
            return system.oauth_client_secret

        assert secret() == HUSH
        path = f"/{kind}/{made['configId']}"
        # Whoever gives back what was shown leaves the secret as it is.
        assert configure(there, "PUT", path, shown)["serviceProps"] == shown
        assert secret() == HUSH
        configure(there, "PUT", path, None)
        assert secret() == HUSH
        configure(there, "PUT", path, {**PROPS, "oauth-client-secret": "another"})
        assert secret() == "another"
        for nothing in (None, "", 7, ["x"], {"a": 1}):
            configure(there, "PUT", path, {**PROPS, "oauth-client-secret": nothing})
            assert secret() == "another"
        assert HUSH not in everything(there)


def test_nothing_but_a_system_keeps_one() -> None:
    with peers(world()) as there:
        target = f"{CONFIGURATION}/capacity-groups/19"
        body = json.dumps(
            {
                "name": "Group",
                "identifier": "depot-7",
                "capacityProviderId": 3,
                "capacityOptimizerId": 1,
                "capacityProviderMeasurementPeriod": "Hour",
                "capacityOptimizerMeasurementPeriod": "Hour",
                "serviceProps": PROPS,
            }
        ).encode()
        headers = signed_headers("PUT", target, body, when=there.clock.now())
        answer = ask(there.simulator, "PUT", target, headers, body)
        assert answer.status == 200
        (of,) = there.simulator.world.users[0].capacity_groups
        assert HUSH not in repr(of.service_props)


def test_a_changed_secret_is_used_from_the_next_message() -> None:
    with peers(wanting()) as there:
        there.decide = granting()
        queue(there)
        configure(there, "PUT", "/capacity-providers/3", {**PROPS, "oauth-client-secret": "new"})
        (system,) = there.simulator.world.users[0].capacity_providers
        url, version = f"{CP_URL}/3", "2.0"
        shared = shared_of(there.simulator)
        shared.change_system(42, system, base_url=url, oscp_version=version)
        queue(there)
    pairs = [each.headers["Authorization"].partition(" ")[2] for each in demands(there)]
    assert [base64.b64decode(pair) for pair in pairs] == [f"me:{HUSH}".encode(), b"me:new"]


@pytest.mark.parametrize("shown", ["client secret", "pair", "configured"])
def test_what_the_answer_to_a_demand_quotes_is_not_told(shown: str) -> None:
    pair = base64.b64encode(f"me:{HUSH}".encode()).decode()
    quoted = {"client secret": HUSH, "pair": pair, "configured": "key-of-mine"}[shown]
    with peers(wanting(**{"http-headers": {"X-Key": "key-of-mine"}})) as there:
        shared = shared_of(there.simulator)
        shared.change_system(
            42, there.simulator.world.users[0].capacity_providers[0], oauth_client_secret=HUSH
        )
        refusal = Response(401, reason="Unauthorized", body=f"what is {quoted}?".encode())
        there.decide = lambda sent: refusal if sent.url == TOKEN_URL else NO_CONTENT
        queue(there)
        bodies = [e.response.text for e in there.simulator.journal.entries() if e.response]
    assert "what is [redacted]?" in bodies


@pytest.mark.parametrize(
    ("token", "quoted", "told"),
    [
        ("cp-token", "Token cp-token; no cp-tokens", "Token [redacted]; no cp-tokens"),
        ("short", "Token short; no shorter", "Token [redacted]; no shorter"),
        ("a/b+c/d+", r"a\/b+c\/d+ and a%2Fb%2Bc%2Fd%2B", "[redacted] and [redacted]"),
        (
            "cp-token",
            "key key-of-mine, e, Basic hush-of-mine",
            "key [redacted], e, Basic [redacted]",
        ),
        ("cp-token", "application/json key-of-min", "application/json key-of-min"),
    ],
)
def test_no_answer_that_quotes_its_request_tells_a_credential(
    token: str, quoted: str, told: str
) -> None:
    headers = {"X-Key": "key-of-mine", "X-Short": "e", "authorization": "Basic hush-of-mine"}
    of = world([provider(token=token, service_props={"http-headers": headers})])
    with peers(of) as there:
        there.decide = lambda _: Response(400, reason=f"Bad {quoted}", body=quoted.encode())
        reason = f'400 Bad {told} on POST request for "{CP_URL}/3/handshake": "{told}"'
        assert queue(there) == ("Declined", reason)
        entries = there.simulator.journal.entries()
        messages = [each.message for each in events(there)]
    bodies = [each.response.text for each in entries if each.response and each.sent]
    assert bodies == [told]
    assert [each.reason for each in entries if each.reason] == [reason]
    assert not any(quoted in each for each in messages)


def test_a_note_of_what_failed_quotes_no_credential() -> None:
    headers = {"X-Key": "key-of-mine"}
    of = world(
        [
            provider(
                token="token-of-mine",
                service_props={"http-headers": headers},
                settings={"heartbeat_seconds": 50},
            )
        ]
    )
    with peers(of) as there:
        there.decide = lambda _: Response(400, reason="", body=b"Token token-of-mine, key-of-mine")
        there.clock.advance(60)
        told = there.notes[0]
    assert "Token [redacted], [redacted]" in told

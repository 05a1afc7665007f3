"""Where access tokens are issued: RFC 6749 §2.3.1, §4.4 and §5."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

import jwt
import pytest

from oscp_sim import Simulator
from oscp_sim.access_tokens import AccessTokens
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request
from oscp_sim.token_endpoint import TOKEN_PATH
from oscp_sim.world import load_world
from tests.oscp_sim.fp_callers import ADJUST, HANDSHAKE, HEARTBEAT, REGISTER, UPDATE, say, why
from tests.oscp_sim.peers import START, optimizer, provider, world
from tests.oscp_sim.rig import FORM, Answer, ask, ask_over_network, shared_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_sim.world import World

ID, HUSH = "me:and+you é", "hush hush+%/é"
GRANT = "grant_type=client_credentials"


def wanting(client_id: str = ID, secret: str | None = HUSH) -> dict[str, Any]:
    """Service properties of a system that wants OAuth."""
    props = {
        "oauth-token-url": f"http://simulator.invalid{TOKEN_PATH}",
        "oauth-client-id": client_id,
    }
    return {"service_props": props | ({} if secret is None else {"oauth-client-secret": secret})}


WORLD = world(
    [provider(3, **wanting()), provider(4, **wanting("slow"), behaviour={"token_valid_for": "5m"})],
    [optimizer(1, **wanting("co", "other-hush")), optimizer(2, **wanting("none", None))],
)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


@pytest.fixture
def simulator(clock: FrozenClock) -> Iterator[Simulator]:
    with Simulator(WORLD, clock=clock) as simulator:
        yield simulator


def basic(client_id: str, secret: str, *, encode: bool = True) -> str:
    parts = [quote_plus(each) if encode else each for each in (client_id, secret)]
    return f"Basic {base64.b64encode(':'.join(parts).encode()).decode()}"


def demand(
    simulator: Simulator,
    authorization: str | None = None,
    body: str = GRANT,
    content_type: str | None = FORM,
) -> Answer:
    headers = [("Host", "sim.test")]
    if authorization is not None:
        headers.append(("Authorization", authorization))
    if content_type is not None:
        headers.append(("Content-Type", content_type))
    return ask(simulator, "POST", TOKEN_PATH, headers, body.encode())


# --- granted -----------------------------------------------------------------------------------


def test_5_1_a_token_is_granted(simulator: Simulator) -> None:
    answer = demand(simulator, basic(ID, HUSH))
    assert answer.status == 200
    assert answer.json.keys() == {"access_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 3600)
    assert re.fullmatch(r"[A-Za-z0-9+/]{64}", answer.json["access_token"])
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Pragma") == "no-cache"
    assert (answer.header("Content-Type") or "").startswith("application/json")
    assert shared_of(simulator).access_tokens.holder(answer.json["access_token"]) == ID


@pytest.mark.parametrize(
    ("client_id", "secret", "valid_for"),
    [(ID, HUSH, 3600), ("slow", HUSH, 300), ("co", "other-hush", 3600)],
)
def test_every_client_of_the_world_is_known(
    simulator: Simulator, client_id: str, secret: str, valid_for: int
) -> None:
    answer = demand(simulator, basic(client_id, secret))
    assert (answer.status, answer.json["expires_in"]) == (200, valid_for)


def test_2_3_1_the_secret_need_not_be_encoded(simulator: Simulator) -> None:
    of = world([provider(**wanting("plain", "a+b%41c"))])
    with Simulator(of, clock=FrozenClock(START)) as other:
        assert demand(other, basic("plain", "a+b%41c", encode=False)).status == 200
        assert demand(other, basic("plain", "a+b%41c")).status == 200


def test_2_3_1_the_client_may_be_named_in_the_body(simulator: Simulator) -> None:
    form = urlencode({"grant_type": "client_credentials", "client_id": ID, "client_secret": HUSH})
    assert demand(simulator, None, form).status == 200
    assert HUSH not in str([entry.to_dict() for entry in simulator.journal.entries()])
    assert quote_plus(HUSH) not in str([entry.to_dict() for entry in simulator.journal.entries()])


@pytest.mark.parametrize(
    "content_type", [FORM, f"{FORM};charset=UTF-8", "Application/X-WWW-Form-Urlencoded"]
)
def test_the_content_type(simulator: Simulator, content_type: str) -> None:
    assert demand(simulator, basic(ID, HUSH), content_type=content_type).status == 200


def test_3_2_what_is_unknown_is_ignored(simulator: Simulator) -> None:
    body = f"{GRANT}&scope=oscp&resource=&other=1&client_id={quote_plus(ID)}"
    assert demand(simulator, basic(ID, HUSH), body).status == 200
    assert demand(simulator, basic(ID, HUSH).replace("Basic", "bAsIc")).status == 200


def test_every_token_is_another_one_and_the_same_for_the_same_seed() -> None:
    def tokens(seed: int) -> list[str]:
        with Simulator(WORLD, clock=FrozenClock(START), seed=seed) as simulator:
            return [demand(simulator, basic(ID, HUSH)).json["access_token"] for _ in range(3)]

    assert len({*tokens(1), *tokens(2)}) == 6
    assert tokens(1) == tokens(1)


# --- refused -----------------------------------------------------------------------------------

GOOD = basic(ID, HUSH)
REFUSED: dict[str, tuple[str | None, str, str | None, int, str]] = {
    "no client": (None, GRANT, FORM, 401, "invalid_client"),
    "a client without a secret": (None, f"{GRANT}&client_id=a", FORM, 401, "invalid_client"),
    "an unknown client": (basic("you", HUSH), GRANT, FORM, 401, "invalid_client"),
    "a wrong secret": (basic(ID, "shout"), GRANT, FORM, 401, "invalid_client"),
    "another's secret": (basic("co", HUSH), GRANT, FORM, 401, "invalid_client"),
    "no secret": (basic(ID, ""), GRANT, FORM, 401, "invalid_client"),
    "a client that has none": (basic("none", ""), GRANT, FORM, 401, "invalid_client"),
    "no Basic": ("Bearer abc", GRANT, FORM, 401, "invalid_client"),
    "no Base64": ("Basic ???", GRANT, FORM, 401, "invalid_client"),
    "no UTF-8": ("Basic /////w==", GRANT, FORM, 401, "invalid_client"),
    "no colon": ("Basic bWU=", GRANT, FORM, 401, "invalid_client"),
    "two ways": (GOOD, f"{GRANT}&client_id=a&client_secret=b", FORM, 400, "invalid_request"),
    "no grant": (GOOD, "scope=a", FORM, 400, "invalid_request"),
    "no body": (GOOD, "", FORM, 400, "invalid_request"),
    "an empty grant": (GOOD, "grant_type=", FORM, 400, "invalid_request"),
    "a grant twice": (GOOD, f"{GRANT}&{GRANT}", FORM, 400, "invalid_request"),
    "another grant": (GOOD, "grant_type=password", FORM, 400, "unsupported_grant_type"),
    "another case": (GOOD, "grant_type=CLIENT_CREDENTIALS", FORM, 400, "unsupported_grant_type"),
    "no form": (GOOD, '{"grant_type":"client_credentials"}', FORM, 400, "invalid_request"),
    "JSON": (GOOD, GRANT, "application/json", 400, "invalid_request"),
    "no type": (GOOD, GRANT, None, 400, "invalid_request"),
    "too long": (GOOD, f"{GRANT}&a={'x' * 70_000}", FORM, 400, "invalid_request"),
    "too many": (GOOD, GRANT + "&a=1" * 200, FORM, 400, "invalid_request"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_5_2_refused(simulator: Simulator, case: str) -> None:
    authorization, body, content_type, status, error = REFUSED[case]
    answer = demand(simulator, authorization, body, content_type)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert answer.json.keys() == {"error", "error_description"}
    assert answer.header("Cache-Control") == "no-store"
    challenge = answer.header("WWW-Authenticate")
    assert (challenge is not None) == (status == 401 and authorization is not None)
    (entry,) = simulator.journal.entries()
    assert entry.detail["why"] == answer.json["error_description"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post(simulator: Simulator, method: str) -> None:
    headers = [("Host", "sim.test"), ("Authorization", GOOD), ("Content-Type", FORM)]
    assert ask(simulator, method, TOKEN_PATH, headers).status == 405


# --- how long ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("client_id", "seconds"), [(ID, 3600), ("slow", 300)])
def test_a_token_expires(
    simulator: Simulator, clock: FrozenClock, client_id: str, seconds: int
) -> None:
    tokens = shared_of(simulator).access_tokens
    token = demand(simulator, basic(client_id, HUSH)).json["access_token"]
    clock.advance(seconds - 0.001)
    assert tokens.holder(token) == client_id
    clock.advance(0.001)
    assert tokens.holder(token) is None


def test_a_new_token_does_not_end_the_old_one(simulator: Simulator) -> None:
    tokens = shared_of(simulator).access_tokens
    first, second = (demand(simulator, GOOD).json["access_token"] for _ in range(2))
    assert (tokens.holder(first), tokens.holder(second)) == (ID, ID)
    assert tokens.holder("x" * 64) is None
    assert tokens.holder("") is None
    tokens.clear()
    assert tokens.holder(second) is None


def test_a_client_that_is_gone_holds_nothing() -> None:
    there: World = load_world(WORLD)
    tokens = AccessTokens(FrozenClock(START), 1, lambda: there)
    token = tokens.issue(ID, HUSH)
    assert token is not None
    assert tokens.holder(token.text) == ID
    there = there.with_user(replace(there.users[0], capacity_providers=()))
    assert tokens.holder(token.text) is None


def test_what_has_expired_is_forgotten() -> None:
    there, clock = load_world(WORLD), FrozenClock(START)
    tokens = AccessTokens(clock, 1, lambda: there)
    for _ in range(100):
        assert tokens.issue(ID, HUSH)
        clock.advance(timedelta(minutes=10))
    assert len(tokens) <= 6


# --- secrets -----------------------------------------------------------------------------------


def test_neither_token_nor_secret_shows(simulator: Simulator) -> None:
    token = demand(simulator, GOOD).json["access_token"]
    demand(simulator, basic(ID, "shout-" + HUSH))
    # Whoever it is shown to may quote it, where no name tells what it is.
    simulator.journal.append(
        "capacity_provider",
        "exchange",
        request=Request("POST", "/x", (), f"what is {token}?".encode()),
    )
    shown = str([entry.to_dict() for entry in simulator.journal.entries()])
    for secret in (token, HUSH, quote_plus(HUSH), GOOD.partition(" ")[2]):
        assert secret not in shown
    granted = shared_of(simulator).access_tokens.issue(ID, HUSH)
    assert granted is not None
    assert granted.text not in repr(granted)


def test_the_journal_tells_who_asked(simulator: Simulator) -> None:
    demand(simulator, GOOD)
    demand(simulator, basic("co", "other-hush"))
    entries = simulator.journal.entries(kind="exchange")
    assert [(each.party, each.peer, each.sent) for each in entries] == [
        ("capacity_provider", "flexibility_provider", False),
        ("capacity_optimizer", "flexibility_provider", False),
    ]


def test_over_a_socket(simulator: Simulator) -> None:
    headers = [("Host", "sim.test"), ("Authorization", GOOD), ("Content-Type", FORM)]
    answer = ask_over_network(simulator.url, "POST", TOKEN_PATH, headers, GRANT.encode())
    assert answer.status == 200
    assert shared_of(simulator).access_tokens.holder(answer.json["access_token"]) == ID


@pytest.mark.parametrize("name", ["client%5Fsecret", "%63lient_secret", "client_secre%74"])
@pytest.mark.parametrize("secret", [HUSH, f"wrong {HUSH}"])
def test_no_spelling_of_its_name_shows_a_secret(
    simulator: Simulator, name: str, secret: str
) -> None:
    form = f"{GRANT}&client_id={quote_plus(ID)}&{name}={quote_plus(secret)}"
    assert demand(simulator, None, form).status == (200 if secret == HUSH else 401)
    (entry,) = simulator.journal.entries(kind="exchange")
    assert entry.request is not None
    told = f"{GRANT}&client_id={quote_plus(ID)}&client_secret=[redacted]"
    assert entry.request.text == told


# --- those with which systems call the Flexibility Provider: oscp20.md §5.2 --------------------

SECRETS = {"grid": "secret-of-grid", "depot": "secret-of-depot", "wrong": "secret-of-wrong"}


def client(name: str, **more: object) -> dict[str, Any]:
    return {"flexibility_provider_client": {"id": name, "secret": SECRETS[name], **more}}


CLIENTS = world(
    [
        provider(3, **client("grid", valid_for="5m")),
        provider(4, **client("wrong", scope="openid oscp-fp-co/co")),
    ],
    [optimizer(1, **client("depot"))],
)


@pytest.fixture
def issuer(clock: FrozenClock) -> Iterator[Simulator]:
    with Simulator(CLIENTS, clock=clock) as simulator:
        yield simulator


def granted(issuer: Simulator, name: str = "grid") -> str:
    return str(demand(issuer, basic(name, SECRETS[name])).json["access_token"])


def called(issuer: Simulator, token: str, action: str = HEARTBEAT) -> Answer:
    return say(issuer, action, authorization=f"Bearer {token}")


def test_a_web_token_is_granted(issuer: Simulator) -> None:
    answer = demand(issuer, basic("grid", SECRETS["grid"]), f"{GRANT}&scope=oscp-fp-cp%2Fcp").json
    assert answer["access_token"].count(".") == 2
    del answer["access_token"]
    assert answer == {"token_type": "Bearer", "expires_in": 300, "scope": "oscp-fp-cp/cp"}


def test_the_same_seed_and_clock_grant_the_same(issuer: Simulator, clock: FrozenClock) -> None:
    with Simulator(CLIENTS, clock=clock) as same, Simulator(CLIENTS, clock=clock, seed=2) as other:
        token = granted(issuer)
        assert granted(same) == token
        assert called(other, token).status == 403


@pytest.mark.parametrize(
    ("name", "secret", "form", "error"),
    [
        ("grid", "secret-of-depot", GRANT, "invalid_client"),
        ("nobody", "secret-of-grid", GRANT, "invalid_client"),
        ("grid", "secret-of-grid", f"{GRANT}&scope=oscp-fp-co/co", "invalid_scope"),
    ],
)
def test_no_web_token_is_granted(
    issuer: Simulator, name: str, secret: str, form: str, error: str
) -> None:
    answer = demand(issuer, basic(name, secret), form)
    assert answer.status == (400 if error == "invalid_scope" else 401)
    assert answer.json["error"] == error


@pytest.mark.parametrize(
    ("name", "action", "status"),
    [
        ("grid", HEARTBEAT, 204),
        ("grid", REGISTER, 204),
        ("grid", UPDATE, 204),
        ("depot", HANDSHAKE, 204),
        ("depot", ADJUST, 204),
        ("grid", ADJUST, 403),
        ("depot", UPDATE, 403),
        ("wrong", UPDATE, 403),
    ],
)
def test_it_is_good_for_the_messages_of_its_scope(
    issuer: Simulator, name: str, action: str, status: int
) -> None:
    answer = called(issuer, granted(issuer, name), action)
    challenge = answer.header("www-authenticate")
    assert answer.status == status, answer.body
    if status == 403:
        assert answer.body == b""
        assert (challenge or "").startswith('Bearer error="insufficient_scope", ')
        assert "the access token needs the scope oscp-fp-" in why(issuer)
    else:
        assert challenge is None


def test_a_scope_of_the_other_role_is_not_enough(issuer: Simulator) -> None:
    answer = called(issuer, granted(issuer, "wrong"), ADJUST)
    assert (answer.status, answer.json["message"]) == (403, "ACCESS_DENIED")


def another(**claims: object) -> str:
    return jwt.encode({"sub": "grid", "scope": "oscp-fp-cp/cp", **claims}, "k" * 32, "HS256")


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", another(), another(iss="http://other.test")])
def test_another_token_is_refused(issuer: Simulator, token: str) -> None:
    answer = called(issuer, token)
    assert (answer.status, answer.header("www-authenticate")) == (403, None)
    assert answer.json["error"] == "Forbidden"
    assert "it is not a token of the issuer at /oauth/token" in why(issuer)


def test_it_expires(issuer: Simulator, clock: FrozenClock) -> None:
    token = granted(issuer)
    clock.advance(299)
    assert called(issuer, token).status == 204
    clock.advance(1)
    answer = called(issuer, token)
    assert (answer.status, answer.json["error"]) == (403, "Forbidden")
    assert "it expired at 2026-03-01 12:05:05Z" in why(issuer)


def test_it_needs_its_client(issuer: Simulator) -> None:
    token = granted(issuer)
    shared = shared_of(issuer)
    user = shared.world.users[0]
    shared.change_system(42, user.capacity_providers[0], flexibility_provider_client=None)
    assert called(issuer, token).status == 403


def test_the_service_greets_the_client(issuer: Simulator) -> None:
    headers = [("Host", "fp.test"), ("Authorization", f"bearer {granted(issuer)}")]
    assert ask(issuer, "GET", "/oscp/hello", headers).json["data"] == "Hi there, grid"


def test_no_journal_shows_a_web_token(issuer: Simulator) -> None:
    token = granted(issuer)
    called(issuer, token)
    say(issuer, HEARTBEAT, f"what is {token}?", authorization=f"Token {token}")
    entries = issuer.journal.entries(kind="exchange")
    shown = str([entry.to_dict() for entry in entries])
    assert token.rpartition(".")[2] not in shown
    assert SECRETS["grid"] not in shown
    assert (entries[0].party, entries[0].peer) == ("flexibility_provider", "capacity_provider")


def test_two_systems_have_two_clients() -> None:
    of = world([provider(3, **client("grid")), provider(4, **client("grid"))])
    with pytest.raises(ValueError, match="duplicate client grid"):
        load_world(of)


def test_a_token_may_be_valid_beyond_the_calendar(clock: FrozenClock) -> None:
    kinds = client("grid", valid_for="100000000h"), wanting("me", "hush-hush")
    for kind, name, hush in zip(kinds, ("grid", "me"), (SECRETS["grid"], "hush-hush"), strict=True):
        system = provider(3, **kind, behaviour={"token_valid_for": "100000000h"})
        with Simulator(world([system]), clock=clock) as simulator:
            answer = demand(simulator, basic(name, hush)).json
            assert answer["expires_in"] == 360_000_000_000

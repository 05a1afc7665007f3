"""Who may ask the Flexibility Provider what, and how it refuses: oscp20.md §2.5, §5.1, §9.3.

Cases X1 to X7, X13 to X18 and X20, each by its name.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from oscp_send.fidelity import Behaviour
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.fp_callers import (
    ACKNOWLEDGE,
    ADJUST,
    FP,
    GOOD,
    HANDSHAKE,
    HEARTBEAT,
    PATHS,
    REGISTER,
    UPDATE,
    Role,
    forecast,
    heard,
    say,
    system,
    token_of,
    why,
)
from tests.oscp_sim.peers import Peers, group, optimizer, peers, provider, world
from tests.oscp_sim.rig import NOW, Answer, ask, ask_over_network, shared_of

# What the framework adds to every answer, the session's number aside.
AROUND = [
    ("Vary", "Origin"),
    ("Vary", "Access-Control-Request-Method"),
    ("Vary", "Access-Control-Request-Headers"),
    ("Set-Cookie", "JSESSIONID=...; Path=/; HttpOnly"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "0"),
    ("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("Pragma", "no-cache"),
    ("Expires", "0"),
    ("X-Frame-Options", "DENY"),
]


@pytest.fixture
def there() -> Iterator[Peers]:
    with peers(world()) as found:
        yield found


@pytest.fixture
def fp(there: Peers) -> Simulator:
    return there.simulator


def around(answer: Answer) -> list[tuple[str, str]]:
    return [(name, re.sub("=[0-9A-F]{32};", "=...;", value)) for name, value in answer.headers]


def container(answer: Answer) -> tuple[int, str, str]:
    """Status, phrase and path of an error of the container."""
    content = answer.json
    assert content.keys() == {"timestamp", "status", "error", "path", "success"}
    assert content["success"] is False
    assert content["status"] == answer.status
    assert content["timestamp"] == "2026-03-01 12:00:05Z"
    return answer.status, content["error"], content["path"]


@pytest.mark.parametrize("action", PATHS)
def test_a_good_message_has_204_and_nothing_else(fp: Simulator, action: str) -> None:
    answer = say(fp, action)
    assert (answer.status, around(answer), answer.body) == (204, AROUND, b"")
    entry = heard(fp)
    peer = "capacity_optimizer" if action == ADJUST else "capacity_provider"
    assert (entry.action, entry.peer, entry.sent) == (action, peer, False)
    assert "why" not in entry.detail


@pytest.mark.parametrize("action", PATHS)
@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        pytest.param("", "no Authorization", id="X1: no Authorization"),
        pytest.param("token {}", "exactly this case", id="X2: lower-case scheme"),
        pytest.param("TOKEN {}", "exactly this case", id="X2: upper-case scheme"),
        pytest.param("Token  {}", "begins with a blank", id="X3: two blanks"),
        pytest.param("Bearer {}", 'goes behind "Token"', id="X4: opaque Bearer"),
        pytest.param("Token {}x", "no system has this token", id="unknown token"),
        pytest.param("Token", "no system has this token", id="no token"),
        pytest.param("Token\t{}", "exactly this case", id="a tab"),
        pytest.param("{}", "exactly this case", id="no scheme"),
        pytest.param("Token cp-token-3", "no system has this", id="the other direction's"),
    ],
)
def test_no_entry(fp: Simulator, action: str, authorization: str, told: str) -> None:
    answer = say(fp, action, authorization=authorization.format(token_of(fp)))
    assert container(answer) == (403, "Forbidden", FP + PATHS[action])
    assert answer.header("set-cookie") is None
    assert told in why(fp)
    assert heard(fp).peer is None


@pytest.mark.parametrize(
    ("action", "role"),
    [
        pytest.param(UPDATE, "optimizer", id="X5: a Capacity Optimizer's forecast, as OPTIMUM"),
        pytest.param(ADJUST, "provider", id="X5: a Capacity Provider's adjustment"),
    ],
)
def test_the_wrong_role(fp: Simulator, action: str, role: Role) -> None:
    answer = say(fp, action, forecast(kind="OPTIMUM"), role=role)
    assert (answer.status, answer.body, answer.header("www-authenticate")) == (403, b"", "Bearer")
    assert "only a capacity" in why(fp)


@pytest.mark.parametrize("action", [REGISTER, HANDSHAKE, ACKNOWLEDGE, HEARTBEAT])
@pytest.mark.parametrize("role", ["provider", "optimizer"])
def test_four_messages_are_for_both(fp: Simulator, action: str, role: Role) -> None:
    assert say(fp, action, role=role).status == 204


def test_x6_a_token_just_rotated_away(fp: Simulator) -> None:
    old = token_of(fp)
    assert say(fp, REGISTER).status == 204
    assert say(fp, HEARTBEAT, token=old).status == 403
    assert "was replaced when its system registered" in why(fp)
    assert say(fp, HEARTBEAT, token=token_of(fp)).status == 204


def test_who_is_not_enabled_may_call_all_the_same() -> None:
    of = world([provider(enabled=False)], groups=[group(enabled=False)])
    with peers(of) as there:
        assert say(there.simulator, UPDATE).status == 204


def test_a_token_leads_to_its_own_user(there: Peers) -> None:
    other = provider(flexibility_provider_token="other-token")
    of = world()
    of["users"].append({"id": 43, "capacity_providers": [other]})
    with peers(of) as both:
        answer = say(both.simulator, UPDATE, token="other-token")
        assert answer.json == {"success": False, "message": "ACCESS_DENIED"}
        assert say(both.simulator, HEARTBEAT, token="other-token").status == 204
        first, second = both.simulator.world.users
        assert first.capacity_providers[0].offline_date is None
        assert second.capacity_providers[0].offline_date is not None


@pytest.mark.parametrize("action", [HANDSHAKE, ACKNOWLEDGE, UPDATE, ADJUST])
def test_x7_no_request_id(fp: Simulator, action: str) -> None:
    answer = say(fp, action, request_id=None)
    assert container(answer) == (400, "Bad Request", FP + PATHS[action])
    assert "X-Request-ID" in why(fp)


@pytest.mark.parametrize("action", [REGISTER, HEARTBEAT])
def test_two_messages_need_no_request_id(fp: Simulator, action: str) -> None:
    assert say(fp, action, request_id=None).status == 204


@pytest.mark.parametrize("action", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_x13_another_method(fp: Simulator, action: str, method: str) -> None:
    answer = say(fp, action, b"", method=method)
    assert (answer.status, answer.header("allow")) == (405, "POST")
    if method != "HEAD":
        assert container(answer) == (405, "Method Not Allowed", FP + PATHS[action])


def test_a_method_that_nobody_knows(fp: Simulator) -> None:
    answer = say(fp, HEARTBEAT, method="TRACE")
    assert (container(answer)[0], answer.header("pragma")) == (405, None)
    answer = say(fp, HEARTBEAT, method="BREW")
    assert (answer.status, {name for name, _ in answer.headers} & {"Vary", "Pragma"}) == (
        400,
        set(),
    )
    assert "was not included within the list" in answer.json["message"]


def test_errors_of_the_container_are_compressed_where_the_client_takes_it(fp: Simulator) -> None:
    answer = say(fp, HEARTBEAT, authorization="", more=[("Accept-Encoding", "gzip")])
    assert (answer.status, answer.header("content-encoding")) == (403, "gzip")
    assert json.loads(gzip.decompress(answer.body))["error"] == "Forbidden"
    assert say(fp, HEARTBEAT, b"{}", more=[("Accept-Encoding", "gzip")]).json["code"]


@pytest.mark.parametrize("action", PATHS)
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/plain", id="X14: text/plain"),
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("application/xml", id="XML"),
        pytest.param("application/jsonx", id="no JSON"),
        pytest.param("application/x-www-form-urlencoded", id="form"),
        pytest.param("application/vnd.oscp+json", id="JSON of a kind"),
        pytest.param("application/json;charset=nope", id="unknown charset"),
        pytest.param("application/json, application/json", id="two"),
    ],
)
def test_x14_another_content_type(fp: Simulator, action: str, content_type: str | None) -> None:
    answer = say(fp, action, content_type=content_type)
    assert container(answer) == (415, "Unsupported Media Type", FP + PATHS[action])
    assert answer.header("accept") == "application/json"


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/json; charset=utf-8", id="X15: charset"),
        "application/json;charset=UTF-8",
        "APPLICATION/JSON",
        "application/json;charset=ISO-8859-1",
        "application/json;charset=utf-16",
    ],
)
def test_x15_content_types_that_are_taken(fp: Simulator, content_type: str) -> None:
    assert say(fp, HEARTBEAT, content_type=content_type).status == 204


def test_x16_a_chunked_body() -> None:
    with Simulator(clock=FrozenClock(NOW)) as fp:
        headers = [
            ("Host", "fp.test"),
            ("Authorization", f"Token {token_of(fp)}"),
            ("Content-Type", "application/json"),
        ]
        body = json.dumps(GOOD[HEARTBEAT]).encode()
        answer = ask_over_network(
            fp.url, "POST", f"{FP}/heartbeat", headers, chunks=[body[:7], body[7:]]
        )
        assert answer.status == 204
        assert system(fp).offline_date is not None


def test_x17_a_gzip_body_is_not_decoded(fp: Simulator) -> None:
    body = gzip.compress(json.dumps(GOOD[HEARTBEAT]).encode())
    answer = say(fp, HEARTBEAT, body, more=[("Content-Encoding", "gzip")])
    assert (answer.status, answer.json["code"]) == (422, "VAL.00005")


def test_x18_a_body_of_several_megabytes(fp: Simulator) -> None:
    body = json.dumps({**forecast(), "remarks": "x" * 4_000_000})
    assert say(fp, UPDATE, body).status == 204


def test_a_body_over_the_simulators_own_limit(fp: Simulator) -> None:
    answer = say(fp, HEARTBEAT, b" " * 20_971_521)
    assert container(answer)[0] == 413


@pytest.mark.parametrize(
    ("target", "named"),
    [
        pytest.param(f"{FP}//heartbeat", "//", id="X20: double slash"),
        (f"{FP}/heartbeat;a=b", ";"),
        (f"{FP}/%2eheartbeat", "%2e"),
        (f"{FP}/%252e/heartbeat", "%25"),
    ],
)
@pytest.mark.parametrize("authorization", ["", None])
def test_x20_an_address_that_looks_like_an_attack(
    fp: Simulator, target: str, named: str, authorization: str | None
) -> None:
    answer = say(fp, HEARTBEAT, target=target, authorization=authorization)
    text = "The request was rejected because the URL contained a potentially malicious String"
    assert answer.json == {"success": False, "message": f'{text} "{named}"'}
    assert answer.status == 400


@pytest.mark.parametrize("escaped", ["%2F", "%2f", "%00", "%5C", "\\", "%FF"])
def test_a_path_that_the_server_does_not_read(fp: Simulator, escaped: str) -> None:
    answer = say(fp, HEARTBEAT, target=f"{FP}{escaped}heartbeat")
    assert (answer.status, answer.header("content-type")) == (400, "text/html;charset=utf-8")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/index.html", 200),
        ("GET", "/error", 500),
        ("GET", "/ops", 401),
        ("GET", "/ops/health", 200),
        ("GET", "/nothing", 403),
        ("GET", "/favicon.ico", 403),
        ("POST", "/OSCP/FP/2.0/HEARTBEAT", 403),
        ("POST", "/oscp/other", 404),
        ("POST", "/_sim/nothing", 404),
    ],
)
def test_d47_other_paths_of_the_host(method: str, path: str, status: int) -> None:
    """Our own pages stay ours, and where nobody is the journal has the hint."""
    simulator = Simulator(clock=FrozenClock(NOW), fidelity="observed")
    answer = say(simulator, HEARTBEAT, b"", method=method, target=path)
    assert answer.status == status
    refused = simulator.journal.entries() if status in {403, 404} else ()
    assert [each.detail["why"].startswith(f"nobody is at {path}: ") for each in refused] == (
        [True] * (not path.startswith("/_sim")) * bool(status in {403, 404})
    )


@pytest.mark.parametrize("target", [f"{FP}/./heartbeat", f"{FP}/../2.0/heartbeat"])
def test_an_address_that_is_not_normalized(fp: Simulator, target: str) -> None:
    answer = say(fp, HEARTBEAT, target=target)
    assert answer.json["message"].endswith("the URL was not normalized.")


@pytest.mark.parametrize(
    "name",
    [
        "group_capacity_compliance_error",
        "update_group_measurements",
        "update_asset_measurements",
        "handshake_acknowledgment",
        "heartbeat/",
        "Heartbeat",
        "",
    ],
)
def test_there_is_no_other_endpoint(fp: Simulator, name: str) -> None:
    target = f"{FP}/{name}"
    assert container(say(fp, HEARTBEAT, target=target)) == (404, "Not Found", target)
    assert container(say(fp, HEARTBEAT, target=target, authorization=""))[0] == 403


def test_a_misspelt_path_is_told_in_the_journal(fp: Simulator) -> None:
    say(fp, HEARTBEAT, target=f"{FP}/handshake_acknowledgment")
    assert why(fp) == 'there is no "handshake_acknowledgment": is it "handshake_acknowledge"?'


def test_a_path_may_be_escaped(fp: Simulator) -> None:
    assert say(fp, HEARTBEAT, target=f"{FP}/%68eartbeat").status == 204


def test_a_query_does_no_harm(fp: Simulator) -> None:
    assert say(fp, HEARTBEAT, target=f"{FP}/heartbeat?a=//b").status == 204


@pytest.mark.parametrize("action", PATHS)
def test_which_methods_there_are(fp: Simulator, action: str) -> None:
    answer = say(fp, action, b"", method="OPTIONS")
    assert (answer.status, answer.header("allow"), answer.body) == (200, "POST,OPTIONS", b"")
    assert answer.header("accept-patch") == ""
    assert container(say(fp, action, b"", method="OPTIONS", authorization=""))[0] == 403


@pytest.mark.parametrize("role", ["provider", "optimizer"])
def test_hello(fp: Simulator, role: Role) -> None:
    answer = say(fp, HEARTBEAT, b"", method="GET", target="/oscp/hello", role=role)
    assert (answer.status, answer.json.keys()) == (200, {"success", "data"})
    assert answer.json["success"] is True
    assert answer.json["data"] == f"Hi there, {token_of(fp, role)}"


def test_hello_asks_who_it_is(fp: Simulator) -> None:
    answer = say(fp, HEARTBEAT, b"", method="GET", target="/oscp/hello", authorization="")
    assert container(answer)[0] == 403


@pytest.mark.parametrize(("target", "shown"), [("/oscp/hello", None), ("/ping", "")])
def test_hello_and_ping_are_read(fp: Simulator, target: str, shown: str | None) -> None:
    def there(method: str) -> Answer:
        return say(fp, HEARTBEAT, b"", method=method, target=target, authorization=shown)

    assert there("HEAD").status == 200
    assert there("OPTIONS").header("allow") == "GET,HEAD,OPTIONS"
    assert container(there("POST")) == (405, "Method Not Allowed", target)


def test_ping_asks_nobody(fp: Simulator) -> None:
    answer = ask(fp, "GET", "/ping", [("Host", "fp.test")])
    assert (answer.status, answer.json["success"]) == (200, True)


@pytest.mark.parametrize(
    ("action", "body", "code", "begins"),
    [
        pytest.param(HEARTBEAT, "{}", "VAL.00004", "The offline_mode_at property", id="VAL.00004"),
        pytest.param(HEARTBEAT, "{", "VAL.00005", "Malformed JSON: ", id="VAL.00005: no JSON"),
        pytest.param(HEARTBEAT, "[]", "VAL.00005", "Malformed JSON: ", id="VAL.00005: type"),
        pytest.param(
            HEARTBEAT,
            {"offline_mode_at": "now"},
            "VAL.00006",
            "Malformed date string: ",
            id="VAL.00006",
        ),
        pytest.param(
            UPDATE, forecast(kind="x"), "VAL.00007", "Malformed request: ", id="VAL.00007"
        ),
        pytest.param(HANDSHAKE, "{}", None, "Illegal argument: ", id="no behaviour"),
        pytest.param(
            UPDATE,
            json.dumps(forecast(capacity="@")).replace('"@"', "1e400"),
            None,
            "Illegal argument: ",
            id="1e400",
        ),
    ],
)
def test_422(fp: Simulator, action: str, body: object, code: str | None, begins: str) -> None:
    answer = say(fp, action, body)
    content: dict[str, Any] = answer.json
    errors = {"errors"} if code == "VAL.00004" else set()
    assert content.keys() == {"success", "message"} | ({"code"} if code else set()) | errors
    assert (answer.status, content["success"], content.get("code")) == (422, False, code)
    assert content["message"].startswith(begins)


def test_half_a_character_that_is_quoted_is_a_question_mark(fp: Simulator) -> None:
    answer = say(fp, HEARTBEAT, '{"offline_mode_at":"\\ud800"}')
    assert answer.json["message"].startswith("Malformed date string: Text '?'")


@pytest.mark.parametrize("body", [b"", b"null"])
@pytest.mark.parametrize("action", PATHS)
def test_422_without_a_body(fp: Simulator, action: str, body: bytes) -> None:
    content = say(fp, action, body).json
    assert content["code"] == "VAL.00007"
    assert content["message"].startswith("Malformed request: Required request body is missing: ")


def test_500_for_a_mistake_of_our_own(fp: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = shared_of(fp)
    monkeypatch.setattr(type(shared), "change_system", lambda *_args, **_changes: 1 // 0)
    answer = say(fp, HEARTBEAT)
    assert (answer.status, answer.json) == (500, {"success": False, "message": "Internal error"})
    assert "ZeroDivisionError" in why(fp)


def test_what_is_wrong_first_is_told_first(fp: Simulator) -> None:
    def status(**wrong: Any) -> int:  # noqa: ANN401 - of several types
        return say(fp, UPDATE, b"{", **wrong).status

    wrong: dict[str, Any] = {"request_id": None}
    assert status() == 422
    assert status(**wrong) == 422
    assert say(fp, UPDATE, **wrong).status == 400
    wrong["content_type"] = "text/plain"
    assert status(**wrong) == 415
    wrong["method"] = "PUT"
    assert status(**wrong) == 405
    wrong["role"] = "optimizer"
    assert status(**wrong) == 403


def test_no_answer_and_no_journal_shows_a_token(fp: Simulator) -> None:
    tokens = [token_of(fp), "cp-token-new", "cp_token_new"]
    answers = [say(fp, REGISTER)]
    for unquoted in (b'{"token":cp-token-new}', b'{"token":cp-token-new,"a":"\xff"}'):
        answers += [say(fp, REGISTER, unquoted), say(fp, REGISTER, unquoted.replace(b"-", b"_"))]
    tokens.append(token_of(fp))
    answers.append(say(fp, REGISTER, {"token": ["cp-token-new"], "version_url": 1}))
    shown = repr(fp.journal.entries()) + repr(answers)
    assert not [token for token in tokens if token in shown]


def test_one_that_is_played_elsewhere_has_no_endpoints() -> None:
    with Simulator(clock=FrozenClock(NOW), plays=["solaruser", "capacity_provider"]) as fp:
        assert say(fp, HEARTBEAT).status == 404


def test_an_optimizer_with_the_same_id_is_another_system() -> None:
    with peers(world([provider(1)], [optimizer(1)], [group(capacity_provider=1)])) as there:
        assert say(there.simulator, HEARTBEAT, role="optimizer").status == 204
        assert system(there.simulator).offline_date is None
        changed = system(there.simulator, "optimizer")
        assert replace(changed, offline_date=None) != changed


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("application/json", 422, "application/json"),
        ("text/plain, */*;q=0.1", 422, "application/json"),
        ("application/cbor", 422, "application/cbor"),
        ("text/html", 400, "text/html;charset=UTF-8"),
        ("application/xml", 400, None),
        ("nonsense", 422, None),
    ],
)
def test_a_refusal_follows_accept(
    fp: Simulator, accept: str, status: int, content_type: str | None
) -> None:
    fp.shared.behaviour = Behaviour("documented", {"masked_errors": "observed"})
    answer = say(fp, HEARTBEAT, {}, more=[("Accept", accept)])
    assert (answer.status, answer.header("content-type")) == (status, content_type)
    if content_type == "application/cbor":
        assert cbor2.loads(answer.body)["errors"][0]["rejectedValue"] is None
    detail = fp.journal.entries(kind="exchange")[-1].detail
    assert ("masks 422 " in str(detail.get("why"))) == (status == 400)


@pytest.mark.parametrize("accept", ["text/html", "application/xml"])
def test_a_refusal_is_not_masked_as_documented(fp: Simulator, accept: str) -> None:
    answer = say(fp, HEARTBEAT, {}, more=[("Accept", accept)])
    assert (answer.status, answer.json["code"]) == (422, "VAL.00004")
    detail = fp.journal.entries(kind="exchange")[-1].detail
    assert "the running service masks 422 " in str(detail.get("why"))


@pytest.mark.parametrize(
    ("accept", "body"), [("text/html", b"Whoa there!"), ("application/xml", b"")]
)
def test_an_error_of_the_container_follows_accept(fp: Simulator, accept: str, body: bytes) -> None:
    answer = say(fp, HEARTBEAT, token="nobody", more=[("Accept", accept)])
    assert answer.status == 403
    assert body in answer.body
    assert bool(body) == bool(answer.body)


ORIGIN = ("Origin", "http://x.example")


@pytest.mark.parametrize(
    ("method", "names", "allowed"),
    [
        ("POST", "authorization,x-request-id", "authorization, x-request-id"),
        ("POST", "", None),
        ("PATCH", "authorization", "refused"),
        ("POST", "x-foo", "refused"),
    ],
)
def test_a_browser_asks_first(fp: Simulator, method: str, names: str, allowed: str | None) -> None:
    asked = [
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", names),
    ]
    answer = say(fp, HEARTBEAT, b"", method="OPTIONS", authorization="", more=[ORIGIN, *asked])
    if allowed == "refused":
        assert (answer.status, answer.body) == (403, b"Invalid CORS request")
    else:
        assert (answer.status, answer.header("access-control-max-age")) == (200, "86400")
        assert answer.header("access-control-allow-headers") == allowed


@pytest.mark.parametrize("token", [None, "nobody"])
def test_a_browser_of_any_origin_is_let_in(fp: Simulator, token: str | None) -> None:
    answer = say(fp, HEARTBEAT, token=token, more=[ORIGIN])
    assert answer.header("access-control-allow-origin") == "http://x.example"
    own = say(fp, HEARTBEAT, token=token, more=[("Origin", "http://fp.test")])
    assert own.header("access-control-allow-origin") is None


def test_a_token_may_have_blanks_behind_it(fp: Simulator) -> None:
    assert say(fp, HEARTBEAT, authorization=f"Token {token_of(fp)} ").status == 204


def test_a_group_that_no_database_finds(fp: Simulator) -> None:
    answer = say(fp, UPDATE, forecast("a\0b"))
    assert (answer.status, answer.json) == (500, {"success": False, "message": "Internal error"})

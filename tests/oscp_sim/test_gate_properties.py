"""What no request, however it is made, does to SolarUser: break it, get past it, see across."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from oscp_sim import Simulator
from oscp_sim.http import Request
from oscp_sim.solaruser.authentication import Authenticator
from oscp_sim.solaruser.call import ApiRefused, AuthenticationRefused, NoRoute, request_parameters
from tests.effort import examples
from tests.oscp_sim.gate import API, INSTR, SECRET_OF_ALL, call, gate
from tests.oscp_sim.rig import (
    ADD,
    FORM,
    HOST,
    JSON,
    NOW,
    TOKEN,
    VIEW,
    Answer,
    Headers,
    ask,
    canonical,
    http_date,
    instruction,
    shared_of,
    signature,
)
from tests.oscp_sim.test_authentication import Signed, changed, refusal
from tests.oscp_sim.worlds import group, user, world

few = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# What a header may hold on the wire.
latin = st.text(st.characters(max_codepoint=255), max_size=40)
tokens = st.text("!#$%&'*+-.^_`|~abcxyzABC019", min_size=1, max_size=12)


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return gate("observed")


@pytest.fixture(scope="module")
def documented() -> Simulator:
    return gate()


# --- nothing breaks it -------------------------------------------------------------------------

names = st.one_of(
    st.sampled_from(
        [
            *("Authorization", "X-SN-Date", "Date", "Digest", "Content-MD5", "Content-Type"),
            *("Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-SN-Foo", "Origin", "Accept"),
            *("Access-Control-Request-Method", "Access-Control-Request-Headers"),
            *("Accept-Encoding", "Content-Length", "Transfer-Encoding", "X-Forwarded-For"),
        ]
    ),
    tokens,
)
values = st.one_of(
    st.sampled_from(
        [
            *(
                "SNWS2",
                "SNWS2 ",
                "SNWS2 Credential=mine",
                http_date(NOW),
                "sha-256=",
                "md5=x,sha=y",
            ),
            *(
                FORM,
                JSON,
                "text/csv;charset=x",
                "*",
                "gzip;q=x",
                "0",
                "-1",
                "99999999999",
                "chunked",
            ),
            "SNWS2 Credential=mine,SignedHeaders=host;date,Signature=" + "0" * 64,
            "SNWS2 Credential=mine,SignedHeaders=host;x-sn-date;digest,Signature=" + "0" * 64,
        ]
    ),
    latin,
)
methods = st.one_of(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"]), tokens
)
targets = st.one_of(
    st.sampled_from([ADD, f"{VIEW}?id=1", INSTR, f"{API}/pub/x", f"{API}/sec/user/oscp/settings"]),
    st.builds(
        lambda path, query: f"/solaruser/{path}?{query}",
        st.text("/.;%2fa?\xe9\\", max_size=20),
        st.text("a=&%2f+;\xe9", max_size=20),
    ),
)
bodies = st.one_of(
    st.binary(max_size=60), st.sampled_from([b"nodeId=70", b'{"nodeId":70}', b"%zz=%"])
)


# What the service's host shows to everybody; the paths below it hold no letters here.
PAGES = ("/solaruser/",)


@few
@given(methods, targets, st.lists(st.tuples(names, values), max_size=8), bodies)
def test_no_request_is_a_500_or_gets_past(
    simulator: Simulator, method: str, target: str, headers: Headers, body: bytes
) -> None:
    before = shared_of(simulator).instructions.find(lambda _: True)
    answer = ask(simulator, method, target, headers, body)
    claims = {value.strip() for name, value in headers if name.lower() == "authorization"}
    # The container's own, measured (docs/protocol/solaruser.md §5.1).
    is_measured = answer.status == 500 and claims & {"SNWS2", "SolarNetworkWS"}
    assert 200 <= answer.status < 500 or is_measured
    if answer.status == 200:
        # Nobody signed it: it was a browser's question, one about what there is, or for a page.
        assert method == "OPTIONS" or target.partition("?")[0] in PAGES
    assert shared_of(simulator).instructions.find(lambda _: True) == before
    assert SECRET_OF_ALL.encode() not in answer.body


@given(st.text(max_size=60), st.text(max_size=40))
def test_no_header_breaks_it(header: str, date: str) -> None:
    request = Request(
        "POST",
        ADD,
        (("host", "h"), ("x-sn-date", date), ("authorization", f"SNWS2 ,{header}")),
    )
    assert refusal(request).status in {401, 403}
    named = f"Credential={TOKEN},SignedHeaders=host;x-sn-date;{header},Signature={'0' * 64}"
    complete = changed(Signed().sent(), authorization=f"SNWS2 {named}")
    assert refusal(complete).status in {401, 403}


# --- half-valid signatures ---------------------------------------------------------------------

SIGNED = ("content-type", "host", "x-sn-date")
BODY = json.dumps(instruction(70)).encode()


def good() -> Headers:
    return [("Host", HOST), ("X-SN-Date", http_date(NOW)), ("Content-Type", JSON)]


def parts() -> dict[str, str]:
    made = signature(SECRET_OF_ALL, NOW, canonical("POST", ADD, good(), SIGNED, BODY))
    return {"Credential": "mine", "SignedHeaders": ";".join(SIGNED), "Signature": made}


def header_of(parts: dict[str, str]) -> tuple[str, str]:
    return "Authorization", "SNWS2 " + ",".join(f"{k}={v}" for k, v in parts.items())


def test_the_whole_of_it_is_valid(simulator: Simulator) -> None:
    assert ask(simulator, "POST", ADD, [*good(), header_of(parts())], BODY).status == 200


@few
@given(st.data())
def test_one_other_character_of_the_signature_is_not(simulator: Simulator, data: Any) -> None:  # noqa: ANN401
    claim = parts()
    at = data.draw(st.integers(0, 63))
    other = data.draw(st.characters(max_codepoint=255, exclude_categories=["Cc"]))
    assume(other not in {claim["Signature"][at], ","})
    claim["Signature"] = claim["Signature"][:at] + other + claim["Signature"][at + 1 :]
    answer = ask(simulator, "POST", ADD, [*good(), header_of(claim)], BODY)
    assert answer.refusal == (403, "Bad credentials")


@few
@given(st.sampled_from(["Credential", "SignedHeaders", "Signature"]), latin)
def test_no_other_component_is(simulator: Simulator, name: str, value: str) -> None:
    claim = parts()
    # Trailing semicolons and what follows a comma count for nothing.
    assume(value.partition(",")[0].rstrip(";") != claim[name])
    assume(sorted(value.split(";")) != sorted(SIGNED))
    answer = ask(simulator, "POST", ADD, [*good(), header_of(claim | {name: value})], BODY)
    assert answer.status in {400, 403}


@few
@given(
    st.sampled_from(["method", "target", "body", "host", "date", "content-type", "query"]),
    st.text("abcXYZ019", min_size=1, max_size=8),
)
def test_nothing_that_is_signed_may_be_changed(simulator: Simulator, what: str, text: str) -> None:
    method, target, body, headers = "POST", ADD, BODY, good()
    if what == "method":
        method = "PUT"
    elif what == "target":
        target = f"{INSTR}/add/{text}"
    elif what == "query":
        target = f"{ADD}?{text}"
    elif what == "body":
        body = BODY + text.encode()
    else:
        at = {"host": 0, "date": 1, "content-type": 2}[what]
        changed = {"host": text, "date": http_date(NOW.replace(second=6)), "content-type": "a/b"}
        headers[at] = (headers[at][0], changed[what])
    answer = ask(simulator, method, target, [*headers, header_of(parts())], body)
    assert answer.refusal == (403, "Bad credentials")


@few
@given(tokens, st.text(max_size=20), st.sampled_from(SIGNED))
def test_no_header_that_is_added_or_repeated_makes_a_request_anybody_else_s(
    simulator: Simulator, name: str, value: str, repeated: str
) -> None:
    """What is not signed changes nothing; of what is, the first value counts."""
    text = value.encode("latin-1", "ignore").decode("latin-1")
    assume(not any(ord(each) < 32 or ord(each) == 127 for each in text))
    assume(not name.lower().startswith("x-sn"))
    headers = [*good(), header_of(parts()), (f"X-{name}", text), (repeated, text)]
    answer = ask(simulator, "POST", ADD, headers, BODY)
    # Two Hosts are none.
    assert answer.status == (400 if repeated.lower() == "host" else 200)


@few
@given(latin, latin, st.lists(st.tuples(names, values), max_size=5), st.none() | bodies)
def test_the_authenticator_lets_nobody_in(
    simulator: Simulator, claim: str, date: str, more: Headers, body: bytes | None
) -> None:
    headers = [("x-sn-date", date), ("authorization", f"SNWS2 {claim}"), *more]
    wire = Request("POST", ADD, tuple((name.lower(), value) for name, value in headers), body)
    with pytest.raises((AuthenticationRefused, ApiRefused, NoRoute)):
        Authenticator(shared_of(simulator)).authenticate(wire, request_parameters(wire))


# --- one user's data ---------------------------------------------------------------------------


def requests_of_another_user(id_: int, node: int, config: int) -> list[tuple[str, str, Any, str]]:
    """Every request of user 8 that names something of user 7's: method, target, body, type."""
    oscp = f"{API}/sec/user/oscp"
    field = f"nodeId={node}&parameters%5B0%5D.name=a&parameters%5B0%5D.value=b".encode()
    fields = f"nodeIds={node},80&parameters%5B0%5D.name=a&parameters%5B0%5D.value=b".encode()
    group = {
        "name": "G",
        "enabled": True,
        "identifier": "stolen",
        "capacityProviderId": config,
        "capacityOptimizerId": config,
        "capacityProviderMeasurementPeriod": "Hour",
        "capacityOptimizerMeasurementPeriod": "Hour",
    }
    reads = [
        *(f"{INSTR}?nodeId={node}", f"{INSTR}?nodeIds={node},80", f"{INSTR}?instructionIds={id_}"),
        *(f"{VIEW}?id={id_}", f"{VIEW}?ids={id_}", f"{INSTR}/viewActive?nodeId={node}"),
        *(f"{INSTR}/viewActive?nodeIds={node},80", f"{INSTR}/viewPending?nodeId={node}"),
        *(f"{oscp}/capacity-providers/{config}", f"{oscp}/capacity-optimizers/{config}"),
        *(f"{oscp}/capacity-groups/{config}", f"{oscp}/capacity-groups/{config}/assets"),
        *(f"{oscp}/capacity-groups/{config}/settings", f"{oscp}/assets/{config}"),
        *(f"{oscp}/settings", f"{oscp}/capacity-providers", f"{oscp}/capacity-groups/settings"),
        *(f"{oscp}/capacity-optimizers", f"{oscp}/capacity-groups"),
        f"{API}/sec/user/events?startDate=2020-01-01&endDate=2030-01-01",
        f"{API}/sec/user/events?startDate=2020-01-01&endDate=2030-01-01&userId=7",
    ]
    entities = ("capacity-providers", "capacity-optimizers", "capacity-groups", "assets")
    writes: list[tuple[str, str, Any, str]] = [
        ("POST", ADD, instruction(node), JSON),
        ("POST", f"{INSTR}/exec/Other?resultMaxWait=0", {"nodeId": node, "params": {}}, JSON),
        ("POST", f"{INSTR}/add/Other", field, FORM),
        ("POST", f"{INSTR}/add/Other", fields, FORM),
        ("POST", f"{INSTR}/updateState", f"id={id_}&state=Declined".encode(), FORM),
        ("POST", f"{INSTR}/updateState", f"ids={id_}&state=Declined".encode(), FORM),
        ("POST", f"{INSTR}/updateState", b"state=Declined", FORM),
        ("POST", f"{INSTR}/updateState", f"nodeIds={node}&state=Declined".encode(), FORM),
        ("POST", f"{INSTR}/updateState", f"instructionIds={id_}&state=Declined".encode(), FORM),
        ("POST", f"{oscp}/capacity-groups", group, JSON),
        *(("PUT", f"{oscp}/{each}/{config}", group, JSON) for each in entities),
        *(("DELETE", f"{oscp}/{each}/{config}", b"", JSON) for each in entities),
        ("DELETE", f"{oscp}/settings", b"", JSON),
        ("DELETE", f"{oscp}/capacity-groups/{config}/settings", b"", JSON),
        ("PUT", f"{oscp}/settings", {"nodeId": node}, JSON),
        ("PUT", f"{oscp}/capacity-groups/{config}/settings", {"nodeId": node}, JSON),
    ]
    return [*(("GET", target, b"", JSON) for target in reads), *writes]


SECRET_MARK = "for-nobody-else"


def two_users() -> dict[str, Any]:
    def owning(number: int, node: int, mark: str, config: int) -> dict[str, Any]:
        return user(
            number,
            nodes=[node],
            tokens=[{"id": f"of-{number}", "secret": SECRET_OF_ALL}],
            capacity_providers=[{"id": config, "name": f"P {mark}", "token": f"t-{mark}"}],
            capacity_optimizers=[{"id": config, "name": f"O {mark}"}],
            capacity_groups=[group(config, f"g-{mark}", config, config)],
        )

    return world(owning(7, 70, SECRET_MARK, 5), owning(8, 80, "own", 6))


def seen_by_7(simulator: Simulator) -> list[Any]:
    oscp = f"{API}/sec/user/oscp"
    targets = [
        *(f"{VIEW}?id=1", f"{oscp}/capacity-providers", f"{oscp}/capacity-optimizers"),
        *(f"{oscp}/capacity-groups", f"{oscp}/settings", f"{oscp}/capacity-groups/settings"),
        f"{API}/sec/user/events?startDate=2020-01-01&endDate=2030-01-01",
    ]
    accept: Headers = [("Accept", JSON)]
    return [call(simulator, "GET", each, token="of-7", unsigned=accept).json for each in targets]


def asked_by_8(simulator: Simulator, request: tuple[str, str, Any, str]) -> Answer:
    method, target, body, kind = request
    return call(
        simulator,
        method,
        target,
        body,
        token="of-8",
        content_type=kind,
        unsigned=[("Accept", JSON)],
    )


@pytest.mark.parametrize(
    "request_", requests_of_another_user(1, 70, 5), ids=lambda each: f"{each[0]} {each[1]}"
)
def test_no_request_reads_or_changes_what_is_another_user_s(
    request_: tuple[str, str, Any, str],
) -> None:
    simulator = gate(world=two_users())
    msg = json.dumps({"secret": SECRET_MARK})
    queued = call(
        simulator,
        "POST",
        f"{INSTR}/add/Other",
        {"nodeId": 70, "params": {"msg": msg}},
        token="of-7",
    )
    assert queued.data["id"] == 1
    world, before = simulator.world.user(7), seen_by_7(simulator)
    assert SECRET_MARK in json.dumps(before)
    answer = asked_by_8(simulator, request_)
    assert answer.status < 500
    assert SECRET_MARK.encode() not in answer.body
    assert seen_by_7(simulator) == before
    assert simulator.world.user(7) == world


def test_nor_does_any_order_of_many_of_them() -> None:
    simulator = gate(world=two_users())
    call(
        simulator, "POST", f"{INSTR}/add/Other", {"nodeId": 70, "params": {"a": "b"}}, token="of-7"
    )
    world, before = simulator.world.user(7), seen_by_7(simulator)
    order = random.Random(1)
    requests = requests_of_another_user(1, 70, 5) * 3
    order.shuffle(requests)
    for request in requests:
        assert SECRET_MARK.encode() not in asked_by_8(simulator, request).body
    assert seen_by_7(simulator) == before
    assert simulator.world.user(7) == world

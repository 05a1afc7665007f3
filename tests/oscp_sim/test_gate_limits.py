"""Sizes, rate limits, browsers and compression before SolarUser's routes: §7.4."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request, compressed, respond
from oscp_sim.solaruser.gate import RateLimiter
from oscp_sim.world import RateLimit
from tests.oscp_sim.gate import API, INSTR, WORLD, call, gate
from tests.oscp_sim.rig import (
    ADD,
    FORM,
    HOST,
    JSON,
    NOW,
    VIEW,
    Answer,
    Headers,
    ask,
    ask_over_network,
    instruction,
    signed_headers,
)

TARGET = f"{VIEW}?id=1"
ORIGIN = "https://app.example"
EPOCH_MS = 1767323045123

# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_the_container_s_limit_of_a_form(fidelity: Any) -> None:  # noqa: ANN401
    headers: Headers = [("Host", HOST), ("Content-Type", FORM)]
    assert ask(gate(fidelity), "POST", ADD, headers, b"a=" + b"x" * 2_097_151).status == 413


def test_1000_parameters_are_not_too_many() -> None:
    body = b"&".join([b"id=1"] * 999)
    answer = call(gate(), "POST", f"{INSTR}/updateState?state=Completed", body, content_type=FORM)
    assert answer.json == {"success": True}


# --- the rate limit ----------------------------------------------------------------------------


def limited(**limit: Any) -> tuple[Simulator, FrozenClock]:  # noqa: ANN401
    clock = FrozenClock(NOW)
    return gate(world={**WORLD, "rate_limit": limit}, clock=clock), clock


def asked(simulator: Simulator, **more: Any) -> tuple[int, str | None, str | None]:  # noqa: ANN401
    return shown(call(simulator, "GET", TARGET, **more))


def shown(answer: Answer) -> tuple[int, str | None, str | None]:
    return (
        answer.status,
        answer.header("X-SN-Rate-Limit-Remaining"),
        answer.header("X-SN-Rate-Limit-Retry-After"),
    )


class TestRateLimitOf74:
    def test_off_by_default(self) -> None:
        simulator = gate()
        assert {asked(simulator) for _ in range(9)} == {(200, None, None)}

    def test_two_requests_and_one_more_each_second(self) -> None:
        simulator, clock = limited()
        assert asked(simulator) == (200, "1", None)
        assert asked(simulator) == (200, "0", None)
        assert asked(simulator) == (429, None, str(EPOCH_MS + 1000 + 1))
        clock.advance(timedelta(milliseconds=999))
        assert asked(simulator)[0] == 429
        clock.advance(timedelta(milliseconds=1))
        assert asked(simulator) == (200, "0", None)
        assert asked(simulator)[0] == 429
        clock.advance(timedelta(hours=1))
        assert asked(simulator, when=NOW + timedelta(hours=1)) == (200, "1", None)

    def test_the_refusal_in_full(self) -> None:
        simulator, _ = limited(capacity=1)
        asked(simulator)
        answer = call(simulator, "POST", ADD, instruction(70))
        assert answer.status == 429
        assert answer.json == {"success": False, "code": "WEB.10000"}
        assert not answer.header("Retry-After")
        assert not answer.header("WWW-Authenticate")
        assert not simulator.journal.entries(kind="state")

    def test_each_token_has_its_own(self) -> None:
        simulator, _ = limited(capacity=1)
        assert asked(simulator, token="mine")[0] == 200
        assert asked(simulator, token="mine")[0] == 429
        assert asked(simulator, token="expires-later")[0] == 200
        assert asked(simulator, token="theirs")[0] == 200

    @pytest.mark.parametrize(
        ("more", "status"),
        [
            ({"secret": "another"}, 403),
            ({"token": "reader"}, 403),
            ({"token": "adds-only"}, 403),
            ({"token": "expired"}, 401),
        ],
    )
    def test_what_is_refused_before_is_not_limited(self, more: Any, status: int) -> None:  # noqa: ANN401
        simulator, _ = limited(capacity=1)
        assert {asked(simulator, **more) for _ in range(5)} == {(status, None, None)}
        assert asked(simulator)[0] == 200

    def test_what_reaches_no_route_is_limited(self) -> None:
        simulator, _ = limited()
        assert shown(call(simulator, "GET", f"{INSTR}/nope")) == (404, "1", None)
        assert shown(call(simulator, "GET", f"{INSTR}/nope")) == (404, "0", None)
        assert shown(call(simulator, "GET", f"{INSTR}/nope"))[0] == 429

    def test_nobody_is_known_by_the_address_that_a_proxy_names(self) -> None:
        simulator, _ = limited(capacity=1)

        def public(address: str) -> int:
            headers = [("Host", HOST), ("X-Forwarded-For", address)]
            return ask(simulator, "GET", f"{API}/pub/x", headers).status

        assert [public(each) for each in ("10.0.0.1", "10.0.0.1", "10.0.0.2")] == [404, 429, 404]

    def test_outside_the_api_nothing_is_limited(self) -> None:
        simulator, _ = limited(capacity=1)
        got = [shown(ask(simulator, "GET", "/solaruser/", [("Host", HOST)])) for _ in range(3)]
        assert got == [(200, None, None)] * 3

    def test_browsers_ask_first_without_being_limited(self) -> None:
        simulator, _ = limited(capacity=1)
        assert {preflight(simulator=simulator).status for _ in range(3)} == {200}


@given(
    st.integers(1, 5),
    st.sampled_from([0.5, 1.0, 3.0, 7.0]),
    st.lists(st.integers(0, 1500), min_size=1, max_size=40),
)
def test_no_more_pass_than_the_bucket_held_and_regained(
    capacity: int, refill: float, pauses: list[int]
) -> None:
    clock = FrozenClock(NOW)
    limiter, limit = RateLimiter(clock), RateLimit(capacity, refill)
    passed = 0
    elapsed = 0
    for pause in pauses:
        clock.advance(timedelta(milliseconds=pause))
        elapsed += pause
        allowance = limiter.take(limit, "k")
        if allowance.remaining is None:
            assert allowance.retry_after is not None
            wait = allowance.retry_after - EPOCH_MS - elapsed
            assert 0 < wait < 1000 / refill + 2
        else:
            passed += 1
            assert 0 <= allowance.remaining < capacity
    assert passed <= capacity + elapsed / 1000 * refill + 1e-6
    assert passed >= min(len(pauses), capacity)


@given(st.integers(1, 5), st.sampled_from([0.3, 1.0, 7.0]), st.integers(0, 999))
def test_a_client_that_waits_as_long_as_it_must_may_pass(
    capacity: int, refill: float, at: int
) -> None:
    clock = FrozenClock(NOW + timedelta(microseconds=at))
    limiter, limit = RateLimiter(clock), RateLimit(capacity, refill)
    allowances = [limiter.take(limit, "k") for _ in range(capacity + 1)]
    assert [each.remaining for each in allowances] == [*reversed(range(capacity)), None]
    retry_after = allowances[-1].retry_after
    assert retry_after is not None
    when = datetime.fromtimestamp(retry_after / 1000, UTC)
    clock.advance(when - timedelta(milliseconds=2) - clock.now())
    assert limiter.take(limit, "k").remaining is None
    clock.advance(when - clock.now())
    assert limiter.take(limit, "k").remaining == 0


def test_of_many_buckets_only_full_ones_are_forgotten() -> None:
    clock = FrozenClock(NOW)
    limiter, limit = RateLimiter(clock, most=10), RateLimit(1, 1.0)
    for key in range(9):
        limiter.take(limit, f"old {key}")
    clock.advance(10)
    limiter.take(limit, "empty")
    for key in range(9):
        limiter.take(limit, f"new {key}")
    assert limiter.take(limit, "empty").remaining is None
    # "empty" and the new ones; none of the old.
    assert len(limiter) == 10


# --- CORS --------------------------------------------------------------------------------------


def preflight(
    method: str = "POST",
    headers: str | None = "authorization, content-type, x-sn-date",
    target: str = ADD,
    origin: str = ORIGIN,
    simulator: Simulator | None = None,
) -> Answer:
    sent = [("Host", HOST), ("Origin", origin), ("Access-Control-Request-Method", method)]
    if headers is not None:
        sent.append(("Access-Control-Request-Headers", headers))
    return ask(simulator or gate("observed"), "OPTIONS", target, sent)


def varied(answer: Answer) -> set[str]:
    return {value for name, value in answer.headers if name == "Vary"}


class TestCorsOf74:
    def test_a_preflight_needs_no_signature(self) -> None:
        answer = preflight()
        assert (answer.status, answer.body) == (200, b"")
        assert answer.header("Access-Control-Allow-Origin") == ORIGIN
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert answer.header("Access-Control-Max-Age") == "86400"
        allowed = (answer.header("Access-Control-Allow-Methods") or "").split(",")
        assert {"GET", "POST", "PUT", "DELETE"} <= set(allowed)
        assert varied(answer) >= {"Origin"}

    @pytest.mark.parametrize(
        ("wanted", "allowed"),
        [
            ("Authorization, Content-MD5, Content-Type, Digest, X-SN-Date",) * 2,
            ("authorization,x-sn-date", "authorization, x-sn-date"),
            ("digest, x-other", "digest"),
            (None, None),
            ("", None),
        ],
    )
    def test_headers_that_a_browser_may_send(self, wanted: str | None, allowed: str | None) -> None:
        answer = preflight(headers=wanted)
        assert (answer.status, answer.header("Access-Control-Allow-Headers")) == (200, allowed)

    @pytest.mark.parametrize(
        "more", [{"headers": "x-other"}, {"method": "TRACE"}, {"method": "post"}, {"origin": " "}]
    )
    def test_what_is_not_allowed_is_refused(self, more: dict[str, Any]) -> None:
        answer = preflight(**more)
        assert (answer.status, answer.body) == (403, b"Invalid CORS request")
        assert not answer.header("Access-Control-Allow-Origin")

    @pytest.mark.parametrize("origin", [ORIGIN, "null", "http://localhost:3000"])
    def test_any_origin_may_read_replies(self, origin: str) -> None:
        answer = call(gate(), "GET", TARGET, unsigned=[("Origin", origin)])
        assert answer.status == 200
        assert answer.header("Access-Control-Allow-Origin") == origin
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert {"Accept", "Origin"} <= varied(answer)

    @pytest.mark.parametrize(
        ("target", "more", "status"),
        [
            (TARGET, {"secret": "another"}, 403),
            (TARGET, {"token": "expired"}, 401),
            (TARGET, {"token": "reader"}, 403),
            (VIEW, {}, 400),
            (f"{INSTR}/nope", {}, 404),
        ],
    )
    def test_and_refusals(self, target: str, more: dict[str, Any], status: int) -> None:
        answer = call(gate(), "GET", target, unsigned=[("Origin", ORIGIN)], **more)
        assert answer.status == status
        assert [v for n, v in answer.headers if n == "Access-Control-Allow-Origin"] == [ORIGIN]
        assert answer.header("Access-Control-Allow-Credentials") == "true"

    def test_and_errors_of_the_container(self) -> None:
        answer = call(gate("observed"), "PUT", ADD, unsigned=[("Origin", ORIGIN)])
        assert answer.status == 405
        assert answer.header("Access-Control-Allow-Origin") == ORIGIN

    @pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
    def test_an_origin_of_nothing_is_refused(self, method: str) -> None:
        answer = call(gate(), method, TARGET, unsigned=[("Origin", "")])
        assert (answer.status, answer.body) == (403, b"Invalid CORS request")
        assert not answer.header("Access-Control-Allow-Origin")

    @pytest.mark.parametrize(
        ("origin", "more"),
        [
            (f"http://{HOST}", []),
            (f"https://{HOST}", [("X-Forwarded-Proto", "HTTPS")]),
        ],
    )
    def test_the_service_s_own_origin_is_none(self, origin: str, more: Headers) -> None:
        asked = [("Host", HOST), ("Origin", origin), *more]
        answer = ask(gate(), "GET", VIEW, asked)
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (401, "*")
        asked.append(("Access-Control-Request-Method", "POST"))
        answer = ask(gate(), "OPTIONS", ADD, asked)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.header("Access-Control-Allow-Origin") is None

    def test_the_headers_may_be_asked_for_one_by_one(self) -> None:
        asked = [("Host", HOST), ("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")]
        asked += [("Access-Control-Request-Headers", each) for each in ("digest", "x-sn-date")]
        answer = ask(gate(), "OPTIONS", ADD, asked)
        assert answer.header("Access-Control-Allow-Headers") == "digest, x-sn-date"

    def test_without_an_origin_nobody_is_let_in(self) -> None:
        answer = call(gate(), "GET", TARGET)
        assert not answer.header("Access-Control-Allow-Origin")
        assert {"Accept", "Origin"} <= varied(answer)

    def test_a_preflight_stands_in_the_journal(self) -> None:
        simulator = gate()
        preflight(simulator=simulator)
        entry = simulator.journal.entries()[-1]
        assert entry.request is not None
        assert entry.request.method == "OPTIONS"


# --- gzip --------------------------------------------------------------------------------------

LONG = f"{INSTR}?nodeId=70"


def filled(count: int) -> Simulator:
    simulator = gate()
    for _ in range(count):
        call(simulator, "POST", f"{INSTR}/add/Other", {"nodeId": 70, "params": {"a": "b" * 200}})
    return simulator


def listed(simulator: Simulator, **headers: str) -> Answer:
    sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return call(simulator, "GET", LONG, unsigned=sent)


class TestGzip:
    @pytest.mark.parametrize(
        ("accepted", "compressed"),
        [
            ("gzip", True),
            ("gzip, deflate, br", True),
            ("deflate;q=1, GZIP;q=0.5", True),
            ("gzip;q=0", False),
            ("gzip; q=0.0", False),
            ("identity", False),
            ("", False),
        ],
    )
    def test_long_replies_where_the_client_takes_it(self, accepted: str, compressed: bool) -> None:
        simulator = filled(10)
        plain = listed(simulator, Accept=JSON)
        assert len(plain.body) >= 2048
        answer = listed(simulator, Accept=JSON, Accept_Encoding=accepted)
        assert answer.header("Content-Encoding") == ("gzip" if compressed else None)
        assert (gzip.decompress(answer.body) if compressed else answer.body) == plain.body
        assert answer.header("Vary") == (
            "origin,access-control-request-method,access-control-request-headers,accept,"
            "accept-encoding"
        )

    @pytest.mark.parametrize("accept", [JSON, "application/cbor"])
    def test_short_lists_are_streamed_so_they_are_compressed(self, accept: str) -> None:
        answer = listed(filled(1), Accept=accept, Accept_Encoding="gzip")
        assert answer.header("Content-Encoding") == "gzip"
        assert answer.header("Content-Length") is None

    def test_csv_stays_as_it_is(self) -> None:
        answer = listed(filled(10), Accept="text/csv", Accept_Encoding="gzip")
        assert answer.header("Content-Encoding") is None

    def test_the_journal_has_it_readable(self) -> None:
        simulator = filled(10)
        listed(simulator, Accept=JSON, Accept_Encoding="gzip")
        response = simulator.journal.entries()[-1].response
        assert response is not None
        assert response.text.startswith('{"success":true,"data":[')

    def test_the_same_reply_is_the_same_bytes(self) -> None:
        """There is no time in it."""
        simulator = filled(10)
        first, second = (listed(simulator, Accept=JSON, Accept_Encoding="gzip") for _ in range(2))
        assert first.body == second.body
        assert first.body[4:8] == b"\0\0\0\0"

    def test_over_the_network(self) -> None:
        with filled(10) as simulator:
            headers = signed_headers("GET", LONG, token="mine", secret="gate-secret")
            more = [("Accept", JSON), ("Accept-Encoding", "gzip")]
            answer = ask_over_network(simulator.url, "GET", LONG, [*headers, *more])
        assert len(gzip.decompress(answer.body)) >= 2048


@pytest.mark.parametrize(("size", "is_compressed"), [(2047, False), (2048, True)])
def test_the_limit_of_compression_is_2048_bytes(size: int, is_compressed: bool) -> None:
    """Of what is not streamed."""
    request = Request("GET", "/", (("accept-encoding", "gzip"),))
    response = compressed(request, respond(200, b"x" * size, JSON))
    assert (response.header("Content-Encoding") == "gzip") is is_compressed


@pytest.mark.parametrize("length", ["9" * 5000, "0" * 5000 + "9" * 9])
def test_a_declared_length_of_thousands_of_digits_is_refused(length: str) -> None:
    headers = [("Host", HOST), ("Content-Length", length)]
    assert 400 <= ask(gate(), "POST", ADD, headers, b"{}").status < 500

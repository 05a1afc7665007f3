"""Requests of random shape give no 500, leak no secret, and leave everything consistent.

`make soak` runs 50,000 of them (`OSCP_RANDOM_REQUESTS`), and as many over sockets. Whatever JSON
and headers hold, no door answers with 500, and every page of `/_sim/` can be read afterwards.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st

from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request
from oscp_sim.simulator import Simulator
from oscp_sim.system.profile import PATHS
from tests.cases.payloads import block, forecast_value
from tests.oscp_sim.random_requests import (
    OTHER_SECRET,
    PROVIDER_TOKEN,
    SECRET,
    TOKEN,
    WORLD,
    RandomRequest,
    random_request,
)
from tests.oscp_sim.rig import ADD, NOW, ask, get, instruction, post

if TYPE_CHECKING:
    import pytest

    from tests.oscp_sim.rig import Answer

_HOST = [("Host", "localhost")]
_COUNT = int(os.environ.get("OSCP_RANDOM_REQUESTS", "2000"))
_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_requests_of_random_shape(caplog: pytest.LogCaptureFixture) -> None:
    random = Random(20261123)
    clock = FrozenClock(_NOW)
    simulator = Simulator(WORLD, clock=clock, seed=1)
    other = simulator.world.user(43)
    statuses: Counter[int] = Counter()
    with caplog.at_level(logging.DEBUG), simulator:
        for _ in range(_COUNT):
            request = random_request(random, clock.now(), TOKEN, SECRET)
            status, answer = _exchange(simulator, request)
            assert status != 500, request
            _assert_no_secret(answer, request)
            statuses[status] += 1
            if random.random() < 0.01:
                clock.advance(random.choice((1, 31, 61)))
        assert simulator.wait_until_settled(10)
        entries = simulator.journal.entries()
    for entry in entries:
        # What a request itself quotes of a secret is not ours; no request here does.
        _assert_no_secret(repr(entry), entry.number)
    _assert_no_secret(caplog.text, "log")
    assert simulator.world.user(43) == other, "nobody may change what another user has"
    assert {200, 401, 403, 404, 422} <= statuses.keys(), statuses
    assert statuses[200] > _COUNT / 20, f"too few of them are accepted to be a test: {statuses}"


def _exchange(simulator: Simulator, request: RandomRequest) -> tuple[int, str]:
    headers = [(name.lower(), value) for name, value in request.headers]
    if not any(name == "content-length" for name, _ in headers):
        headers.append(("content-length", str(len(request.body))))
    answer = simulator.handle(Request(request.method, request.target, tuple(headers), request.body))
    return answer.status, answer.text + str(answer.headers)


def _assert_no_secret(text: str, where: object) -> None:
    for secret in (SECRET, OTHER_SECRET, PROVIDER_TOKEN):
        assert secret not in text, where


# Every character, halves of surrogate pairs among them, which JSON can hold.
_TEXT = st.text(st.characters(), max_size=8)
_NUMBER = st.one_of(st.integers(), st.integers(-(2**70), 2**70), st.floats())
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBER, _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=8,
)
_MESSAGES = st.one_of(
    _JSON,
    st.fixed_dictionaries({}, optional={"required_behaviour": _JSON, "offline_mode_at": _JSON}),
    st.builds(lambda name, value: forecast_value(**{name: value}), _TEXT, _JSON),
    st.builds(lambda value: forecast_value(forecasted_blocks=[block(capacity=value)]), _NUMBER),
    st.builds(lambda name, value: forecast_value(forecasted_blocks=[{name: value}]), _TEXT, _JSON),
)
_PAGES = ("health", "journal", "world", "clock", "openapi.json", "providers/3", "optimizers/1")
_WRITTEN = st.builds(json.dumps, _MESSAGES, ensure_ascii=st.booleans())
_DEEP, _LARGE, _HALF = "[" * 1000 + "]" * 1000, '{"capacity": 1e999, "a": [NaN]}', "\ud83d"


@given(_WRITTEN, st.sampled_from(sorted(PATHS)), st.lists(_TEXT, min_size=5, max_size=5))
@example(json.dumps({_HALF: 2**64, "a": {_HALF: 1}}), "Heartbeat", [_HALF] * 5)
@example('{"offline_mode_at":"2031-03-01T00:00:00Z","x":[1e999,9e70]}', "Heartbeat", ["1"] * 5)
@example(
    '{"offline_mode_at":"2031-03-01T00:00:00Z","x":1e99999999999999999999}', "Heartbeat", ["1"] * 5
)
@example(f'{{"offline_mode_at":"2031-03-01T00:00:00Z","x":{2**70}}}', "Heartbeat", ["1"] * 5)
@example(json.dumps(forecast_value(type=_HALF)), "UpdateGroupCapacityForecast", ["1"] * 5)
@example(_DEEP, "Heartbeat", ["1"] * 5)
@example(_LARGE, "Heartbeat", ["1"] * 5)
def test_whatever_json_and_headers_hold_every_page_can_be_read(
    text: str, action: str, texts: list[str]
) -> None:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        own = simulator.world.users[0].systems[0].flexibility_provider_token or ""
        _send(simulator, "/oscp/cp/2.0" + PATHS[action], "cp-token", text, texts)
        _send(simulator, "/oscp/fp/2.0" + PATHS[action], own, text, texts)
        parameters = {"action": action, "msg": text, texts[0]: texts[1], "correlationId": texts[2]}
        _check(post(simulator, instruction(**parameters)))
        _check(post(simulator, _bytes(f'{{"nodeId": {text}, "params": {text}}}')))
        given_id = json.dumps(texts[3])
        told = f'"message": {text}, "request_id": {given_id}'
        _tell(simulator, "providers/3/post", f'{{"action": "{action}", {told}}}')
        _tell(simulator, "providers/3/forecast", f"{{{told}}}")
        _tell(simulator, "providers/3/heartbeat", f'{{"offline_mode_at": {text}}}')
        _tell(simulator, "optimizers/1/adjust", f'{{"csv": {given_id}}}')
        for target in ("clock", "world", "providers/3/handshake"):
            _tell(simulator, target, text)
        _tell(simulator, "clock", f'{{"advance": {text}}}')
        simulator.wait_until_settled(10)
        _read_all(simulator, texts)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _tell(simulator: Simulator, page: str, fields: str) -> None:
    _check(ask(simulator, "POST", f"/_sim/{page}", _HOST, _bytes(fields)))


def _send(simulator: Simulator, path: str, token: str, text: str, texts: list[str]) -> None:
    names = ("X-Request-ID", "X-Correlation-ID", "X-Other")
    headers = [*_HOST, ("Authorization", f"Token {token}"), ("Content-Type", "application/json")]
    headers += zip(names, texts, strict=False)
    _check(ask(simulator, "POST", path, headers, _bytes(text)))
    of_two = [("X-Segment-Index", texts[3]), ("X-Segment-Count", "2")]
    _check(ask(simulator, "POST", path, [*headers, *of_two], _bytes(text)))


def _read_all(simulator: Simulator, texts: list[str]) -> None:
    given = quote(texts[0], errors="surrogatepass")
    pages = [f"/_sim/{page}" for page in _PAGES]
    pages += [f"/_sim/journal?{name}={given}" for name in ("since", "wait", "action", "party", "x")]
    pages += [f"/_sim/providers/3?user={given}", f"/_sim/providers/{given}", f"/_sim/{given}"]
    for since in ("1e308", "9" * 400, "1e-400", "0.5"):
        pages.append(f"/_sim/journal?since={since}")
    for page in pages:
        answer = ask(simulator, "GET", page, _HOST)
        _check(answer)
        json.loads(answer.body.decode())
    for page in ("?nodeIds=1", "/viewPending?nodeId=1"):
        _check(get(simulator, f"{ADD.partition('/add')[0]}{page}"))


def _check(answer: Answer) -> None:
    assert answer.status != 500, answer

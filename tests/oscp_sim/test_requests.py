"""What SolarUser makes of a request: solaruser.md §1.1 to §1.4, §5.7, §7.1, §7.3 and §7.4."""

from __future__ import annotations

import hashlib
import io
import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oscp_send.testing import json_values
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import LONGEST_BODY
from tests.effort import examples
from tests.oscp_sim.rig import (
    ADD,
    BASE,
    JSON,
    NOW,
    VIEW,
    Answer,
    ask,
    ask_over_network,
    encoded,
    get,
    instruction,
    post,
    signed_headers,
)

NODE_MISSING = "Illegal argument: The nodeId parameter is required."
TOPIC_MISSING = "Illegal argument: The topic parameter is required."
TRAILING = "Malformed JSON: Trailing token (`JsonToken."
NO_BODY = "Malformed request: Required request body is missing: public net.solarnetwork.domain."


def posted(simulator: Simulator, body: bytes, target: str = ADD) -> Answer:
    """Posts as JSON, even an empty body."""
    more = [] if body else [("Content-Type", JSON)]
    return ask(simulator, "POST", target, signed_headers("POST", target, body, more=more), body)


def stored(answer: Answer) -> list[tuple[str, str]]:
    return [(each["name"], each["value"]) for each in answer.data.get("parameters", [])]


# --- §7.1, and §1.2 ----------------------------------------------------------------------------

REFUSED: dict[str, tuple[str | bytes, str]] = {
    "malformed": ("{", "Malformed JSON: Unexpected end-of-input"),
    "single-quotes": ("{'nodeId':1}", "Malformed JSON: Unexpected character (''' (code 39))"),
    "bare-word": ("nodeId=1", "Malformed JSON: Unrecognized token 'nodeId'"),
    "array": ("[]", "Malformed JSON: Unable to parse NodeInstruction (not an object)"),
    "string": ('"x"', "Malformed JSON: Unable to parse NodeInstruction (not an object)"),
    "number": ("1", "Malformed JSON: Unable to parse NodeInstruction (not an object)"),
    "null": ("null", NO_BODY),
    "empty": ("", NO_BODY),
    "blank": (" \n", "Malformed JSON: No content to map due to end-of-input"),
    "half-a-pair": ('{"nodeId":"\\ud83d"}', 'Malformed JSON: For input string: "\ud83d"'),
    "not-utf-8": (b'{"nodeId":1,"params":{"a":"\xff"}}', "Malformed JSON: Invalid UTF-8 "),
    "two-values": ("{} {}", "Malformed JSON: "),
    "node-missing": ("{}", NODE_MISSING),
    "node-null": ('{"nodeId":null}', NODE_MISSING),
    "node-true": ('{"nodeId":true}', NODE_MISSING),
    "node-word": ('{"nodeId":"abc"}', 'Malformed JSON: For input string: "abc"'),
    "node-empty": ('{"nodeId":""}', 'Malformed JSON: For input string: ""'),
    "node-blank": ('{"nodeId":" 1"}', 'Malformed JSON: For input string: " 1"'),
    "node-too-big": ('{"nodeId":9223372036854775808}', "Malformed JSON: "),
    "node-too-big-text": ('{"nodeId":"9223372036854775808"}', "Malformed JSON: For input string: "),
    "node-far-too-big": (f'{{"nodeId":{"1" * 2000}}}', "Malformed JSON: "),
    "node-huge-exponent": ('{"nodeId":1e999999999}', "Malformed JSON: "),
    "node-array": ('{"nodeId":[1]}', ""),
    "node-object": ('{"nodeId":{"a":1}}', ""),
    "date-word": (
        '{"nodeId":1,"expirationDate":"soon"}',
        "Malformed date string: Text 'soon' could not be parsed at index 0",
    ),
    "date-null": ('{"nodeId":1,"expirationDate":null}', "Malformed JSON: Unexpected token"),
    "date-T-no-zone": ('{"nodeId":1,"expirationDate":"2026-01-02T03:04:05"}', "Malformed date"),
    "date-day-only": ('{"nodeId":1,"instructionDate":"2026-01-02"}', "Malformed date string: "),
    "date-created": ('{"nodeId":1,"created":"soon"}', "Malformed date string: Text 'soon'"),
    "date-32-february": (
        '{"nodeId":1,"expirationDate":"2026-02-32 00:00Z"}',
        "Malformed request: JSON parse error: Cannot deserialize value of type `java.time.Instant`",
    ),
    "msg-nested": ('{"nodeId":1,"params":{"msg":{"a":"b"}}}', TRAILING),
    "msg-array": ('{"nodeId":1,"params":{"msg":["a"]}}', TRAILING),
    "unknown-object-last": ('{"nodeId":1,"params":{"a":"b"},"x":{}}', TRAILING),
    "unknown-before-params": ('{"x":1,"nodeId":1,"params":{"a":"b"}}', TRAILING),
    "unknown-before-node": ('{"x":1,"nodeId":1}', NODE_MISSING),
    "deep": ('{"nodeId":1,"x":' + "[" * 600 + "]" * 600 + "}", "Malformed JSON: "),
    "very-deep": ("[" * 100_000, "Malformed JSON: "),
}


@pytest.mark.parametrize(("body", "begins"), REFUSED.values(), ids=REFUSED)
def test_a_body_is_refused_with_422(simulator: Simulator, body: str | bytes, begins: str) -> None:
    status, message = posted(simulator, encoded(body)).refusal
    assert status == 422
    assert message.startswith(begins)
    assert simulator.journal.entries(kind="state") == ()


def test_a_missing_node_is_refused_before_its_topic_and_its_owner(simulator: Simulator) -> None:
    base = f"{BASE}/add"
    assert posted(simulator, b"{}", base).refusal == (422, NODE_MISSING)
    assert posted(simulator, b'{"nodeId":99}', base).refusal == (422, TOPIC_MISSING)
    assert posted(simulator, b'{"nodeId":99,"topic":""}', base).refusal == (422, TOPIC_MISSING)
    assert posted(simulator, b'{"nodeId":99,"topic":"x"}', base).refusal == (403, "UNKNOWN_OBJECT")


@pytest.mark.parametrize(
    ("node", "expected"),
    [("1", 1), ('"1"', 1), ('"+1"', 1), ('"001"', 1), ("1.9", 1), ("1.0e0", 1)],
)
def test_a_node_id_is_a_number_or_its_text(simulator: Simulator, node: str, expected: int) -> None:
    assert post(simulator, f'{{"nodeId":{node}}}').data["nodeId"] == expected


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ('"2026-01-02 03:04:05Z"', "2026-01-02 03:04:05Z"),
        ('"2026-01-02 03:04:05.123456Z"', "2026-01-02 03:04:05.123456Z"),
        ('"2026-01-02 03:04:05+13:00"', "2026-01-01 14:04:05Z"),
        ('"2026-01-02 03:04:05"', "2026-01-02 03:04:05Z"),
        ('"2026-01-02 03:04"', "2026-01-02 03:04:00Z"),
        ('"2026-01-02T03:04:05Z"', "2026-01-02 03:04:05Z"),
        ('"2026-01-02T03:04:05.5Z"', "2026-01-02 03:04:05.5Z"),
        ('"2026-01-02T03:04:05+13:00"', "2026-01-01 14:04:05Z"),
        ("1767322800000", "2026-01-02 03:00:00Z"),
        ("1767322800.5", "2026-01-02 03:00:00.5Z"),
        ('""', None),
        ('" "', None),
    ],
)
def test_dates(simulator: Simulator, given_: str, shown: str | None) -> None:
    data = post(simulator, f'{{"nodeId":1,"expirationDate":{given_}}}').data
    assert data.get("expirationDate") == shown
    data = post(simulator, f'{{"nodeId":1,"instructionDate":{given_}}}').data
    assert data["instructionDate"] == (shown or "2026-01-02 03:04:05.123456Z")


def test_the_path_s_topic_replaces_the_body_s(simulator: Simulator) -> None:
    body = {"nodeId": 1, "topic": "Other"}
    assert post(simulator, body).data["topic"] == "OSCP_v20"
    assert post(simulator, body, f"{BASE}/add").data["topic"] == "Other"


def test_add_without_a_topic_in_the_path(simulator: Simulator) -> None:
    body = instruction() | {"topic": "OSCP_v20"}
    assert post(simulator, body, f"{BASE}/add").data["state"] == "Queuing"


def test_what_the_service_sets_itself_is_ignored(simulator: Simulator) -> None:
    body = {
        "id": 99,
        "created": "2020-01-01 00:00:00Z",
        "state": "Completed",
        "statusDate": "2020-01-01 00:00:00Z",
        "resultParameters": {"a": [1, {"b": "c"}]},
        **instruction(),
    }
    data = post(simulator, body).data
    assert (data["id"], data["state"], data["statusDate"]) == (
        1,
        "Queuing",
        "2026-01-02 03:04:05.123456Z",
    )
    assert "resultParameters" not in data


# --- §1.3 and §1.4 -----------------------------------------------------------------------------

KEPT: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "texts-only": (
        '{"nodeId":1,"params":{"a":"1","b":2,"c":1.5,"d":true,"e":null,"f":false,"g":"3"}}',
        [("a", "1"), ("g", "3")],
    ),
    "empty-dropped": ('{"nodeId":1,"params":{"a":"","":"x","b":"y"}}', [("b", "y")]),
    "repeated": (
        '{"nodeId":1,"params":{"a":"1","b":"2","a":"3"}}',
        [("a", "1"), ("b", "2"), ("a", "3")],
    ),
    "parameters-object": ('{"nodeId":1,"parameters":{"a":"1"}}', [("a", "1")]),
    "params-list": ('{"nodeId":1,"params":[{"name":"a","value":"1"}]}', [("a", "1")]),
    "the-last-wins": (
        '{"nodeId":1,"params":{"a":"1"},"parameters":[{"name":"b","value":"2"}]}',
        [("b", "2")],
    ),
    "null-wipes": ('{"nodeId":1,"params":{"a":"1"},"params":null}', []),
    "scalar-wipes": ('{"nodeId":1,"params":{"a":"1"},"parameters":7}', []),
    "list-not-reset": (
        '{"nodeId":1,"params":[{"name":"a","value":"1"},{"value":"x"},{"name":"c"}]}',
        [("a", "1"), ("a", "x"), ("c", "x")],
    ),
    "list-skips": (
        '{"nodeId":1,"params":[1,"x",null,{"name":"a","note":1,"value":"1"},'
        '{"name":"b","value":2},{"name":"c","value":"3"}]}',
        [("a", "1"), ("c", "3")],
    ),
    "unknown-scalar-last": ('{"nodeId":1,"params":{"a":"1"},"x":1}', [("a", "1")]),
    "any-order": ('{"params":{"a":"1"},"topic":"x","nodeId":1}', [("a", "1")]),
    "byte-order-mark": ('\ufeff{"nodeId":1,"params":{"a":"1"}}', [("a", "1")]),
}


@pytest.mark.parametrize(("body", "kept"), KEPT.values(), ids=KEPT)
def test_which_parameters_are_kept(
    simulator: Simulator, body: str, kept: list[tuple[str, str]]
) -> None:
    assert stored(post(simulator, body)) == kept


def test_a_parameter_given_twice_is_concatenated(simulator: Simulator) -> None:
    body = (
        '{"nodeId":1,"params":[{"name":"msg","value":"{"},{"name":"action","value":"Hand"},'
        '{"name":"coId","value":"1"},{"name":"msg","value":"}"},{"name":"action","value":"shake"},'
        '{"name":"cgIdentifier","value":"foo-group"}]}'
    )
    assert post(simulator, body).data["state"] == "Queuing"


# --- §2.2: what the database does not take -----------------------------------------------------


@pytest.mark.parametrize(
    ("target", "params"),
    [
        (f"{BASE}/add/{'t' * 129}", {}),
        # In the path, the firewall would be first.
        (f"{BASE}/add", {}),
        (ADD, {"n" * 257: "x"}),
        (ADD, {"a\0": "x"}),
        (ADD, {"a": "x" * 600 + "\0"}),
    ],
    ids=["topic-too-long", "topic-with-NUL", "name-too-long", "name-with-NUL", "value-with-NUL"],
)
def test_what_cannot_be_stored(simulator: Simulator, target: str, params: dict[str, str]) -> None:
    answer = post(simulator, {"nodeId": 1, "topic": "a\0b", "params": params}, target)
    assert answer.status == 422
    assert answer.body.decode() == (
        '{"success":false,"code":"DAO.00103","message":'
        '"An invalid query parameter was used, or a required parameter was missing."}'
    )
    assert simulator.journal.entries(kind="state") == ()


def test_the_longest_that_can_be_stored(simulator: Simulator) -> None:
    answer = post(simulator, {"nodeId": 1, "params": {"n" * 256: "x"}}, f"{BASE}/add/{'t' * 128}")
    assert answer.data["topic"] == "t" * 128


# --- §7.3: what the container refuses ----------------------------------------------------------

CONTAINER: dict[str, tuple[str, str, str | None, int, str | None]] = {
    "unknown-path": ("POST", f"{BASE}/nothing", JSON, 404, None),
    "trailing-slash": ("POST", f"{ADD}/", JSON, 404, None),
    "add-and-slash": ("POST", f"{BASE}/add/", JSON, 404, None),
    "other-case": ("POST", ADD.replace("instr", "Instr"), JSON, 404, None),
    "put": ("PUT", ADD, JSON, 405, "POST"),
    "delete": ("DELETE", ADD, JSON, 405, "POST"),
    "patch": ("PATCH", ADD, JSON, 405, "POST"),
    "post-to-view": ("POST", f"{VIEW}?id=1", JSON, 405, "GET"),
    "text": ("POST", ADD, "text/plain", 415, None),
    "json-like": ("POST", ADD, "application/vnd.api+json", 415, None),
    "cbor": ("POST", ADD, "application/cbor", 415, None),
    "no-type": ("POST", ADD, None, 415, None),
}


@pytest.mark.parametrize("row", CONTAINER.values(), ids=CONTAINER)
def test_documented_the_status_inside_is_shown(
    simulator: Simulator, row: tuple[str, str, str | None, int, str | None]
) -> None:
    method, target, content_type, status, allow = row
    body = encoded(instruction())
    headers = signed_headers(method, target, body, content_type=content_type)
    answer = ask(simulator, method, target, headers, body)
    assert (answer.status, answer.header("Allow")) == (status, allow)
    assert list(answer.json) == ["timestamp", "status", "error", "path", "success"]
    assert (answer.json["status"], answer.json["success"]) == (status, False)
    assert answer.json["path"] == target.partition("?")[0]
    assert answer.json["timestamp"].startswith("2026-01-02 03:04:05")
    assert simulator.journal.entries(kind="state") == ()


@pytest.mark.parametrize("row", CONTAINER.values(), ids=CONTAINER)
def test_observed_it_is_shown_too(
    observed: Simulator, row: tuple[str, str, str | None, int, str | None]
) -> None:
    method, target, content_type, status, allow = row
    body = encoded(instruction())
    headers = signed_headers(method, target, body, content_type=content_type)
    answer = ask(observed, method, target, headers, body)
    assert (answer.status, answer.header("Allow")) == (status, allow)
    assert answer.header("WWW-Authenticate") is None
    (entry,) = observed.journal.entries()
    assert entry.detail["why"].startswith(str(status))


@pytest.mark.parametrize("fidelity", ["simulator", "observed"])
def test_a_get_sees_the_status_either_way(fidelity: str, request: pytest.FixtureRequest) -> None:
    simulator: Simulator = request.getfixturevalue(fidelity)
    for target, status in ((f"{BASE}/nothing", 404), (ADD, 405), (VIEW, 400)):
        answer = get(simulator, target)
        assert (answer.status, answer.json["status"]) == (status, status)


def test_a_content_type_with_parameters_is_json(simulator: Simulator) -> None:
    for content_type in ("application/json;charset=UTF-8", "Application/JSON ; charset=utf-8"):
        answer = post(simulator, instruction(), content_type=content_type)
        assert answer.data["state"] == "Queuing"


@pytest.mark.parametrize("content_type", ["x", "json", "application/", "/json"])
def test_a_content_type_that_is_none(simulator: Simulator, content_type: str) -> None:
    """Even of somebody unknown (§5.7)."""
    headers = [("Host", "localhost"), ("Content-Type", content_type)]
    answer = ask(simulator, "POST", ADD, headers, b"{}")
    status, message = answer.refusal
    assert status == 403
    assert message.startswith(f'Invalid mime type "{content_type}": ')
    assert answer.header("WWW-Authenticate") is None


@pytest.mark.parametrize(
    "target", [f"{BASE}//view", "/solaruser//api", f"{BASE}/add/a;b", f"{BASE}/add/a%25b"]
)
def test_an_address_that_looks_like_an_attack(simulator: Simulator, target: str) -> None:
    status, message = ask(simulator, "POST", target, [("Host", "localhost")]).refusal
    assert status == 400
    assert message.startswith("The request was rejected because ")


@pytest.mark.parametrize("target", ["/", "/nothing", "/_sim", "/_sim/nothing"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "TRACE"])
def test_what_is_nobody_s_path(simulator: Simulator, method: str, target: str) -> None:
    answer = ask(simulator, method, target, [("Host", "localhost")])
    assert answer.status == 404
    assert "/solaruser/api/v1/sec/instr" in answer.json["hint"]


# --- §5.7 and §7.4: sizes ----------------------------------------------------------------------


class Unread(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError(f"{size} bytes of a body over the limit are read")


def too_large(more: list[tuple[str, str]]) -> list[tuple[str, str]]:
    more = [("Content-Type", JSON), *more]
    declared = ("Content-Length", str(LONGEST_BODY + 1))
    return [*signed_headers("POST", ADD, more=more), declared]


@pytest.mark.parametrize(
    ("more", "message", "challenge"),
    [
        ([], f"Maximum upload size of {LONGEST_BODY} bytes exceeded", None),
        ([("Digest", "sha-256=x")], "Content too large", "SNWS2"),
    ],
    ids=["no-digest", "digest"],
)
def test_a_body_over_the_limit_is_not_even_read(
    simulator: Simulator,
    more: list[tuple[str, str]],
    message: str,
    challenge: str | None,
) -> None:
    length = str(LONGEST_BODY + 1)
    answer = simulator.application.test_client().open(
        ADD,
        method="POST",
        headers=too_large(more),
        input_stream=Unread(),
        environ_overrides={"CONTENT_LENGTH": length},
    )
    refusal = {"success": False, "message": message}
    assert (answer.status_code, answer.json) == (403, refusal)
    assert answer.headers.get("WWW-Authenticate") == challenge
    (entry,) = simulator.journal.entries()
    assert entry.request is not None
    assert "not read" in entry.request.text


def test_over_the_network_it_need_not_even_be_sent(simulator: Simulator) -> None:
    answer = ask_over_network(
        simulator.url, "POST", ADD, too_large([])[:-1], declared=LONGEST_BODY + 1
    )
    assert answer.refusal == (403, f"Maximum upload size of {LONGEST_BODY} bytes exceeded")


def test_a_body_that_ends_early_is_no_error_of_ours(simulator: Simulator) -> None:
    body = encoded(instruction())
    headers = [*signed_headers("POST", ADD, body), ("Content-Length", str(len(body) + 10))]
    assert ask(simulator, "POST", ADD, headers, body).status in {200, 400, 403}


# --- nothing is ever a 500 ---------------------------------------------------------------------


@settings(max_examples=examples(40), deadline=None)
@given(st.binary(max_size=200) | json_values().map(lambda value: json.dumps(value).encode()))
@example(b'{"nodeId":1,"params":{"action":"\\ud800","coId":"\\ud800","msg":"\\udc00"}}')
@example(b'{"nodeId":"\\ud800"}')
@example(b'{"nodeId":1,"expirationDate":"\\ud800"}')
@example(b'{"nodeId":1,"expirationDate":1e400}')
@example(b'{"nodeId":1,"expirationDate":-99999999999999999999}')
@example(b'{"nodeId":NaN}')
@example('{"nodeId":"\u0661"}'.encode())
def test_no_body_breaks_it(body: bytes) -> None:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        answer = posted(simulator, body)
        assert answer.status in {200, 403, 422}
        assert answer.json["success"] is (answer.status == 200)
        assert_consistent(simulator)


FRAGMENTS = st.sampled_from(
    [
        *("nodeId", "params", "parameters", "topic", "expirationDate", "name", "value", "x"),
        *("action", "coId", "cgIdentifier", "msg"),
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([1, "1", "Handshake", "{}", "foo-group", None, True, 1.5, "2026-01-01 00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FRAGMENTS, inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=examples(40), deadline=None)
@given(st.dictionaries(FRAGMENTS, VALUES, max_size=6), st.booleans())
def test_no_body_that_is_nearly_right_breaks_it(body: dict[str, Any], named: bool) -> None:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        answer = posted(simulator, json.dumps(body).encode(), ADD if named else f"{BASE}/add")
        assert answer.status in {200, 403, 422}
        assert_consistent(simulator)


def assert_consistent(simulator: Simulator) -> None:
    """What is stored can be seen, the next gets the next id, and everything comes to an end."""
    states = simulator.journal.entries(party="solaruser", kind="state")
    queued = [entry.instruction_id for entry in states]
    seen = get(simulator, f"{VIEW}?ids=1,2")
    assert seen.status == 200
    assert [each["id"] for each in seen.json.get("data", [])] == queued
    assert post(simulator, instruction()).data["id"] == len(queued) + 1
    assert simulator.wait_until_settled(10)
    assert get(simulator, f"{VIEW}?id={len(queued) + 1}").data["state"] == "Completed"


@settings(max_examples=examples(30), deadline=None)
@given(
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20),
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"]),
)
def test_no_path_breaks_it(path: str, method: str) -> None:
    path = path.replace("#", "").replace("?", "")
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        for base in ("/", "/solaruser/", f"{BASE}/add/", "/oscp/cp/2.0/", "/_sim/"):
            assert ask(simulator, method, base + path, [("Host", "localhost")]).status < 500


def test_a_digest_of_the_body_is_taken(simulator: Simulator) -> None:
    body = encoded(instruction())
    digest = b64encode(hashlib.sha256(body).digest()).decode()
    answer = post(simulator, body, more=[("Digest", f"sha-256={digest}")])
    assert answer.data["state"] == "Queuing"

"""What SolarUser answers to requests that reach no route, or that a route cannot use: §7.

Each test of a row names it.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_schemas.date_time import Fidelity
from oscp_sim import Simulator
from oscp_sim.solaruser.gate import content_type_problem
from tests.oscp_sim.gate import API, INSTR, SECRET_OF_ALL, call, gate
from tests.oscp_sim.rig import ADD, FORM, HOST, JSON, VIEW, Answer, ask, instruction, shared_of

PATH = "/solaruser/api/v1/sec/instr/add"


def row_of_7_1(
    body: object,
    target: str = ADD,
    fidelity: Fidelity = "documented",
    **signing: Any,  # noqa: ANN401
) -> Answer:
    return call(gate(fidelity), "POST", target, body, **signing)


# --- §7.1: requests of the instruction API -----------------------------------------------------

NODE_IS_REQUIRED = "Illegal argument: The nodeId parameter is required."
UNUSABLE: dict[str, tuple[object, str, str]] = {
    "malformed-json": (b'{"nodeId":', ADD, "Malformed JSON: "),
    "not-an-object": (
        b"[1]",
        ADD,
        "Malformed JSON: Unable to parse NodeInstruction (not an object)",
    ),
    "null": (b"null", ADD, "Malformed request: Required request body is missing: "),
    "empty": (b"", ADD, "Malformed request: Required request body is missing: "),
    "invalid-utf-8": (b'{"topic":"\xff"}', ADD, "Malformed JSON: Invalid UTF-8"),
    "bad-date": (
        {"nodeId": 70, "expirationDate": "x"},
        ADD,
        "Malformed date string: Text 'x' could not be parsed at index 0",
    ),
    "node-id-missing": ({"topic": "x"}, ADD, NODE_IS_REQUIRED),
    "topic-missing": (
        {"nodeId": 70},
        PATH,
        "Illegal argument: The topic parameter is required.",
    ),
    "topic-empty": (
        {"nodeId": 70, "topic": ""},
        PATH,
        "Illegal argument: The topic parameter is required.",
    ),
}


@pytest.mark.parametrize(("body", "target", "prefix"), UNUSABLE.values(), ids=UNUSABLE)
def test_row_of_7_1_422(body: object, target: str, prefix: str) -> None:
    more = [] if body else [("Content-Type", JSON)]
    answer = row_of_7_1(body, target, more=more)
    assert answer.status == 422
    assert answer.refusal[1].startswith(prefix)


# Row: method, target, body, content type, status inside, header that survives.
INSIDE: dict[str, tuple[str, str, bytes, str | None, int, tuple[str, str] | None]] = {
    "node-id-missing-in-a-form": ("POST", ADD, b"a=b", FORM, 400, None),
    "wrong-content-type": ("POST", ADD, b"{}", "text/plain", 415, ("Accept", JSON)),
    "no-content-type": ("POST", ADD, b"{}", None, 415, ("Accept", JSON)),
    "json-with-a-suffix": ("POST", ADD, b"{}", "application/vnd.x+json", 415, ("Accept", JSON)),
    "unknown-path": ("POST", f"{INSTR}/nope", b"{}", JSON, 404, None),
    "slash-at-the-end": ("POST", f"{ADD}/", b"{}", JSON, 404, None),
    "wrong-method": ("PUT", ADD, b"{}", JSON, 405, ("Allow", "POST")),
    "wrong-method-delete": ("DELETE", VIEW, b"", None, 405, ("Allow", "GET")),
}


@pytest.mark.parametrize("row", INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_row_of_7_1_inside_and_outside(row: tuple[Any, ...], fidelity: Fidelity) -> None:
    method, target, body, content_type, status, header = row
    answer = call(gate(fidelity), method, target, body, content_type=content_type)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert not answer.header("WWW-Authenticate")
    if header:
        assert header[1] in (answer.header(header[0]) or "")


def test_row_of_7_1_unsupported_accept_but_queued() -> None:
    simulator = gate("observed")
    answer = call(simulator, "POST", ADD, instruction(70), unsigned=[("Accept", "image/png")])
    assert answer.status == 406
    assert call(simulator, "GET", f"{VIEW}?id=1").data["topic"] == "OSCP_v20"


def test_row_of_7_1_permission_problems() -> None:
    assert row_of_7_1(instruction(99)).refusal == (403, "UNKNOWN_OBJECT")
    assert row_of_7_1(instruction(80)).refusal == (403, "ACCESS_DENIED")


@pytest.mark.parametrize("name", ["x" * 257, "a\0b"], ids=["too-long", "nul"])
def test_row_of_7_1_what_no_column_takes(name: str) -> None:
    answer = row_of_7_1(instruction(70, **{name: "v"}))
    assert answer.status == 422
    assert answer.json == {
        "success": False,
        "code": "DAO.00103",
        "message": "An invalid query parameter was used, or a required parameter was missing.",
    }


MALICIOUS = 'The request was rejected because the URL contained a potentially malicious String "{}"'
REJECTED: dict[str, tuple[str, str]] = {
    "double-slash": ("/solaruser//api/v1/sec/instr/add", MALICIOUS.format("//")),
    "double-slash-at-the-start": ("//solaruser/api/v1/sec/instr", MALICIOUS.format("//")),
    "semicolon": (f"{PATH};a=b", MALICIOUS.format(";")),
    "encoded-semicolon": (f"{PATH}%3Ba", MALICIOUS.format("%3B")),
    "encoded-slash": (f"{PATH}%2FOSCP_v20", MALICIOUS.format("%2F")),
    "encoded-slash-in-lower-case": (f"{PATH}%2fOSCP_v20", MALICIOUS.format("%2f")),
    "backslash": (f"{PATH}\\x", MALICIOUS.format("\\")),
    "encoded-backslash": (f"{PATH}%5Cx", MALICIOUS.format("%5C")),
    "encoded-nul": (f"{PATH}/%00", MALICIOUS.format("%00")),
    "encoded-newline": (f"{PATH}/%0A", MALICIOUS.format("%0A")),
    "encoded-percent": (f"{PATH}/%25", MALICIOUS.format("%25")),
    "encoded-period": (f"{PATH}/%2e%2e", MALICIOUS.format("%2e")),
    "encoded-line-separator": (f"{PATH}/%E2%80%A8", MALICIOUS.format("\u2028")),
    "dots": (
        f"{PATH}/../view",
        "The request was rejected because the URL was not normalized.",
    ),
    "a-dot": (f"{PATH}/./x", "The request was rejected because the URL was not normalized."),
    "dots-at-the-end": (
        f"{PATH}/..",
        "The request was rejected because the URL was not normalized.",
    ),
    "no-ascii": (
        f"{PATH}/\xe9",
        "The requestURI was rejected because it can only contain printable ASCII characters.",
    ),
}


@pytest.mark.parametrize(("target", "message"), REJECTED.values(), ids=REJECTED)
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_row_of_7_1_rejected_url(target: str, message: str, fidelity: Fidelity) -> None:
    """Whoever asks, signed or not; and never masked."""
    answer = ask(gate(fidelity), "POST", target, [("Host", HOST)])
    assert answer.refusal == (400, message)
    assert not answer.header("WWW-Authenticate")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "post", "Get", "FOO"])
def test_methods_that_nobody_has_heard_of_are_rejected(method: str) -> None:
    answer = ask(gate(), method, ADD, [("Host", HOST)])
    assert answer.refusal == (
        400,
        f'The request was rejected because the HTTP method "{method}" was not included within the '
        "list of allowed HTTP methods [HEAD, DELETE, POST, GET, OPTIONS, PATCH, PUT]",
    )


@pytest.mark.parametrize(
    "header", [("X-Note", "a\x01b"), ("Authorization", "SNWS2 \x7f"), ("X-\x02", "value-of-it")]
)
def test_control_characters_in_a_header_are_rejected_and_not_shown(
    header: tuple[str, str],
) -> None:
    answer = ask(gate(), "GET", VIEW, [("Host", HOST), header])
    status, message = answer.refusal
    assert status == 400
    assert message.startswith("The request was rejected because the header: ")
    assert header[1] not in message


def test_control_characters_in_a_parameter_name_are_rejected() -> None:
    answer = call(gate(), "GET", f"{VIEW}?id=1&a%01=b")
    assert answer.refusal == (
        400,
        'The request was rejected because the parameter name "a\x01" is not allowed.',
    )
    assert call(gate(), "GET", f"{VIEW}?id=1&a=%01").status == 200


def test_row_of_7_1_any_other_exception(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    simulator = gate()
    monkeypatch.setattr(shared_of(simulator).instructions, "get", None)
    answer = call(simulator, "GET", f"{VIEW}?id=1")
    assert answer.refusal == (500, "Internal error")
    assert answer.header("Content-Type") == JSON
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert SECRET_OF_ALL not in caplog.text
    # The next request finds everything in its place.
    monkeypatch.undo()
    assert call(simulator, "GET", f"{VIEW}?id=1").json == {"success": True}


# --- §7.3: errors of the container -------------------------------------------------------------


def container_error(method: str, simulator: Simulator, *headers: tuple[str, str]) -> Answer:
    return call(simulator, method, f"{INSTR}/nope?a=b", unsigned=list(headers))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_7_3_every_method_sees_the_real_status(method: str, fidelity: Fidelity) -> None:
    answer = container_error(method, gate(fidelity))
    assert answer.status == 404
    assert list(answer.json.items()) == [
        ("timestamp", "2026-01-02 03:04:05.123Z"),
        ("status", 404),
        ("error", "Not Found"),
        ("path", f"{INSTR}/nope"),
        ("success", False),
    ]


def test_7_3_html_where_it_is_preferred() -> None:
    answer = container_error("GET", gate(), ("Accept", "text/html,application/json;q=0.9"))
    assert answer.status == 404
    assert (answer.header("Content-Type") or "").startswith("text/html")
    answer = container_error("GET", gate(), ("Accept", "application/json,text/html"))
    assert answer.header("Content-Type") == JSON


def test_7_3_is_explained_in_the_journal() -> None:
    simulator = gate("observed")
    container_error("POST", simulator)
    assert simulator.journal.entries()[-1].detail["why"] == "404 Not Found"


def test_paths_outside_the_api_are_unknown_to_everybody() -> None:
    for path in ("/solaruser/", "/solaruser/login"):
        assert ask(gate(), "GET", path, [("Host", HOST)]).status == 404


# --- OPTIONS -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_options_tells_what_there_is(fidelity: Fidelity) -> None:
    answer = ask(gate(fidelity), "OPTIONS", VIEW, [("Host", HOST)])
    assert (answer.status, answer.body) == (200, b"")
    assert set((answer.header("Allow") or "").split(",")) == {"GET", "HEAD", "OPTIONS"}
    assert ask(gate(fidelity), "OPTIONS", f"{API}/sec/nope", [("Host", HOST)]).status == 404


# --- the media type ----------------------------------------------------------------------------

MEDIA_TYPES: dict[str, str | None] = {
    "application/json": None,
    "application/json;charset=UTF-8": None,
    'application/json; charset="utf-8"': None,
    "application/json;": None,
    "application/json; v": None,
    'multipart/form-data; boundary="a;b"': None,
    "*/*": None,
    "*": None,
    "x": "does not contain '/'",
    ";charset=UTF-8": "'mimeType' must not be empty",
    "application/": "does not contain subtype after '/'",
    "/json": "'type' must not be empty",
    "*/json": "wildcard type is legal only in '*/*' (all mime types)",
    "application/js on": "Invalid token character ' ' in token \"js on\"",
    "application/json/x": "Invalid token character '/' in token \"json/x\"",
    "application/json; a b=c": "Invalid token character ' ' in token \"a b\"",
    "application/json; a=b c": "Invalid token character ' ' in token \"b c\"",
    "application/json; =c": "'attribute' must not be empty",
    "application/json; a=": "'value' must not be empty",
    "application/json; charset=klingon": "unsupported charset 'klingon'",
    "application/json; charset=<>": "<>",
}


@pytest.mark.parametrize(("text", "problem"), MEDIA_TYPES.items())
def test_content_types(text: str, problem: str | None) -> None:
    expected = problem and f'Invalid mime type "{text}": {problem}'
    assert content_type_problem(text) == expected


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_no_content_type_breaks_it(text: str) -> None:
    problem = content_type_problem(text)
    assert problem is None or problem.startswith("Invalid mime type ")


@given(st.text('";=\\ac/', max_size=2000))
def test_quotes_in_a_content_type_take_no_time(text: str) -> None:
    content_type_problem("application/json;" + text * 20)

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
    "encoded-newlines": (f"{PATH}/%0d%0a", MALICIOUS.format("%0a")),
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
}


@pytest.mark.parametrize(("target", "message"), REJECTED.values(), ids=REJECTED)
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_row_of_7_1_rejected_url(target: str, message: str, fidelity: Fidelity) -> None:
    """Whoever asks, signed or not; and never masked."""
    answer = ask(gate(fidelity), "POST", target, [("Host", HOST)])
    assert answer.refusal == (400, message)
    assert not answer.header("WWW-Authenticate")


UNREADABLE: dict[str, tuple[str, tuple[tuple[str, str], ...], int]] = {
    **{
        f"path-{text}": (f"{PATH}/{text}", (), 400)
        for text in (
            "a%2Fb",
            "a%2fb",
            "%5C",
            "%5c",
            "%00",
            "%FF",
            "%zz",
            "%",
            "\\",
            "[",
            "{",
            "\xe9",
        )
    },
    **{f"query-{text}": (f"{PATH}?a={text}", (), 400) for text in '[]{}|^`"<>\\#\xe9 '},
    "query-of-9000": (f"{PATH}?a={'x' * 9000}", (), 400),
    "header-of-9000": (PATH, (("X-Foo", "x" * 9000),), 400),
    "headers-of-9000": (PATH, tuple((f"X-{at}", "x" * 900) for at in range(10)), 400),
    "101-headers": (PATH, (("X-Foo", "y"),) * 100, 400),
    "name-with-a-blank": (PATH, (("X Foo", "a"),), 400),
    "name-of-nothing": (PATH, (("", "a"),), 400),
    "name-with-a-control": (PATH, (("X-\x02", "value-of-it"),), 400),
    "value-with-a-control": (PATH, (("Authorization", "SNWS2 \x7f"),), 400),
    "two-hosts": (PATH, (("Host", HOST),), 400),
    "expects-what-nobody-does": (PATH, (("Expect", "foo"),), 417),
}


@pytest.mark.parametrize(("target", "headers", "status"), UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_7_3_what_the_container_does_not_read(
    target: str, headers: tuple[tuple[str, str], ...], status: int, fidelity: Fidelity
) -> None:
    """Signed or not; its page says nothing, so the journal says why, and shows no credential."""
    simulator = gate(fidelity)
    answer = ask(simulator, "POST", target, [("Host", HOST), *headers])
    assert (answer.status, answer.header("Content-Type")) == (status, "text/html;charset=utf-8")
    assert answer.body.count(f"HTTP Status {status} ".encode()) == 2
    (entry,) = simulator.journal.entries()
    assert entry.detail["why"]
    assert not any(value in entry.detail["why"] for _, value in headers if len(value) > 3)


@pytest.mark.parametrize("host", ["foo_bar", "foo bar", "a/b", "[::1", "h:x"])
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_7_3_a_host_that_is_none(host: str, fidelity: Fidelity) -> None:
    """A container may have an underscore in its name: see host_names."""
    is_taken = "_" in host and fidelity == "documented"
    answer = ask(gate(fidelity), "GET", VIEW, [("Host", host)])
    assert answer.status == (401 if is_taken else 400)


@pytest.mark.parametrize("host", ["", "[::1]:8920", "a-b.c:80", "10.0.0.1", "h:"])
def test_7_3_a_host_that_is_one(host: str) -> None:
    assert ask(gate(), "GET", VIEW, [("Host", host)]).status == 401


def test_7_3_a_hundred_headers_in_8_kb_are_read() -> None:
    headers = [("Host", HOST), *[("X-Foo", "y" * 60)] * 99]
    assert ask(gate(), "GET", VIEW, headers).status == 401


def test_7_3_trace() -> None:
    answer = ask(gate(), "TRACE", VIEW, [("Host", HOST)])
    assert (answer.status, answer.json["error"]) == (405, "Method Not Allowed")
    assert answer.header("Allow") == "HEAD, DELETE, POST, GET, OPTIONS, PUT"
    assert answer.header("X-Frame-Options") is None


@pytest.mark.parametrize("method", ["CONNECT", "PROPFIND", "post", "Get", "FOO"])
def test_methods_that_nobody_has_heard_of_are_rejected(method: str) -> None:
    answer = ask(gate(), method, ADD, [("Host", HOST)])
    assert answer.refusal == (
        400,
        f'The request was rejected because the HTTP method "{method}" was not included within the '
        "list of allowed HTTP methods [HEAD, DELETE, POST, GET, OPTIONS, PATCH, PUT]",
    )


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


BESIDE = {
    ("GET", "/solaruser"): (302, None),
    ("POST", "/solaruser"): (302, None),
    ("GET", "/solaruser/"): (200, None),
    ("POST", "/solaruser/"): (403, "Forbidden"),
    ("GET", "/solaruser/login"): (200, None),
    ("GET", "/solaruser/ping"): (200, None),
    ("POST", "/solaruser/ping"): (403, "Forbidden"),
    ("GET", "/solaruser/error"): (500, "None"),
    ("POST", "/solaruser/error"): (403, "Forbidden"),
    ("GET", "/solaruser/favicon.ico"): (403, "Forbidden"),
    ("GET", "/solaruser/API/v1/sec/instr/view?id=1"): (403, "Forbidden"),
    ("POST", "/solaruser/API/v1/sec/instr/view?id=1"): (403, "Forbidden"),
}


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("asked", "expected"), BESIDE.items())
def test_paths_beside_the_api(
    asked: tuple[str, str], expected: tuple[int, str | None], signed: bool
) -> None:
    simulator = gate()
    answer = call(simulator, *asked) if signed else ask(simulator, *asked, [("Host", HOST)])
    status, error = expected
    assert answer.status == status
    assert error is None or answer.json["error"] == error
    if status == 302:
        assert answer.header("Location") == f"http://{HOST}/solaruser/"
    assert "accept" not in (answer.header("Vary") or "").lower().split(",")
    if status == 403:
        assert "/solaruser/api/v1/" in simulator.journal.entries()[-1].detail["why"]


def test_a_browser_may_ask_about_a_page_beside_the_api() -> None:
    asked = [("Host", HOST), ("Origin", "https://a.example")]
    asked.append(("Access-Control-Request-Method", "GET"))
    answer = ask(gate(), "OPTIONS", "/solaruser/login", asked)
    assert (answer.status, answer.header("Access-Control-Max-Age")) == (200, "86400")
    assert answer.header("Allow") == "GET, HEAD, POST, PUT, DELETE, TRACE, OPTIONS, PATCH"
    assert ask(gate(), "OPTIONS", "/solaruser/nope", asked).status == 403


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("", 403), ("multipart/form-data", 400), ("multipart/form-data; boundary=x", 401)],
)
def test_content_types_that_are_looked_at_first(content_type: str, status: int) -> None:
    headers = [("Host", HOST), ("Content-Type", content_type)]
    assert ask(gate(), "POST", ADD, headers, b"{}").status == status


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

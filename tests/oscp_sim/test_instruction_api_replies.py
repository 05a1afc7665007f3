"""Replies and their forms: the solaruser.md §1.6 and §1.7."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from xml.etree import ElementTree as ET

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_schemas.date_time import Fidelity
from oscp_sim import FrozenClock, Simulator
from oscp_sim.http import Request
from oscp_sim.solaruser.call import Call
from oscp_sim.solaruser.media import accepted, written
from oscp_sim.solaruser.replies import single
from tests.oscp_sim.instruction_api import (
    HANDSHAKE,
    accepting,
    fields,
    form,
    handshake_form,
    ids,
    of_any_type,
    of_cbor,
)
from tests.oscp_sim.rig import BASE, NOW, Answer, get, instruction, post, settled, shared_of

CBOR = "application/cbor"
JSON = "application/json"
CSV = "text/csv"
CSV_OF_ONE = "text/csv;charset=UTF-8"
YAML = "application/yaml"
XML = "text/xml"


def shown(simulator: Simulator, accept: str | None, target: str = f"{BASE}/view?id=1") -> Answer:
    return get(simulator, target, more=[] if accept is None else accepting(accept))


@pytest.fixture
def stored(simulator: Simulator) -> Simulator:
    """With a completed Handshake as 1, a declined one as 2, and no other."""
    post(simulator, instruction())
    post(simulator, instruction(coId="77"))
    settled(simulator)
    return simulator


# --- §1.6: one object --------------------------------------------------------------------------

ONE: dict[str, tuple[str | None, str]] = {
    "absent": (None, JSON),
    "any": ("*/*", JSON),
    "star": ("*", JSON),
    "json": ("application/json", JSON),
    "json-with-charset": ("application/json;charset=UTF-8", f"{JSON};charset=UTF-8"),
    "json-of-a-vendor": ("application/vnd.x+json;q=0.9", "application/vnd.x+json"),
    "yaml": (YAML, YAML),
    "any-application": ("application/*", JSON),
    "any-json": ("application/*+json", JSON),
    "cbor": ("application/cbor", CBOR),
    "csv": ("text/csv", CSV_OF_ONE),
    "any-text": ("text/*", CSV_OF_ONE),
    "xml": ("text/xml", XML),
    "xml-of-the-other-kind": ("application/xml", "application/xml"),
    "xml-with-charset": ("text/xml;charset=UTF-8", "text/xml;charset=UTF-8"),
    "upper-case": ("TEXT/XML", XML),
    "html-or-json": ("text/html, application/json", JSON),
    "any-is-last": ("*/*, text/csv", CSV_OF_ONE),
    "any-is-last-as-observed-in-browsers": (
        "text/html,application/xml;q=0.9,*/*;q=0.8",
        "application/xml",
    ),
    "by-quality": ("text/csv;q=0.5, text/xml;q=0.9", XML),
    "quality-before-particularity": ("text/csv;q=0.5, */*", JSON),
    "empty": ("", JSON),
    "comma-in-quotes": ('text/csv;a="x,y"', 'text/csv;a="x,y"'),
}


@pytest.mark.parametrize("row", ONE.values(), ids=ONE)
def test_1_6_content_type(stored: Simulator, row: tuple[str | None, str]) -> None:
    accept, expected = row
    answer = shown(stored, accept)
    assert (answer.status, answer.header("Content-Type")) == (200, expected)
    assert ("Vary", "Accept") in answer.headers


NOT_ACCEPTABLE = {
    "html": "text/html",
    "image": "image/*",
    "no-type": "json",
    "no-subtype": "application/",
    "half-a-wildcard": "*/json",
    "bad-quality": "application/json;q=2",
    "bad-character": "application/js<on",
}


@pytest.mark.parametrize("accept", NOT_ACCEPTABLE.values(), ids=NOT_ACCEPTABLE)
def test_1_6_not_acceptable(stored: Simulator, accept: str) -> None:
    answer = shown(stored, accept)
    assert answer.status == 406


ROUTES: dict[str, tuple[str, Any]] = {
    "8": (f"{BASE}/add", instruction() | {"topic": "x"}),
    "9": (f"{BASE}/add/x", instruction()),
    "10": (f"{BASE}/add", "nodeId=1&topic=x"),
    "11": (f"{BASE}/add/x", "nodeId=1"),
    "12": (f"{BASE}/add", "nodeIds=1&topic=x"),
    "13": (f"{BASE}/add/x", "nodeIds=1"),
    "14": (f"{BASE}/exec?resultMaxWait=0", instruction() | {"topic": "x"}),
    "15": (f"{BASE}/exec/x?resultMaxWait=0", instruction()),
    "16": (f"{BASE}/exec?resultMaxWait=0", "nodeId=1&topic=x"),
    "17": (f"{BASE}/exec/x?resultMaxWait=0", "nodeId=1"),
    "18": (f"{BASE}/exec?resultMaxWait=0", "nodeIds=1&topic=x"),
    "19": (f"{BASE}/exec/x?resultMaxWait=0", "nodeIds=1"),
    "20": (f"{BASE}/updateState", "id=1&state=Received"),
    "21": (f"{BASE}/updateState", "ids=1&state=Received"),
    "22": (f"{BASE}/updateState", "state=Received"),
}


def asked(simulator: Simulator, route: str, accept: str | None) -> Answer:
    target, body = ROUTES[route]
    more = [] if accept is None else accepting(accept)
    if isinstance(body, str):
        return form(simulator, target, body, more=more)
    return post(simulator, body, target, more=more)


@pytest.mark.parametrize("accept", [None, "*/*", JSON, CBOR, CSV, XML])
@pytest.mark.parametrize("route", ROUTES)
def test_1_6_every_single_reply_is_negotiated(
    stored: Simulator, route: str, accept: str | None
) -> None:
    answer = asked(stored, route, accept)
    expected = {None: JSON, "*/*": JSON, CSV: CSV_OF_ONE}.get(accept, accept)
    assert (answer.status, answer.header("Content-Type")) == (200, expected)


@pytest.mark.parametrize("route", ["8", "9", "10", "11", "12", "13", "14", "15", "18"])
def test_7_1_what_is_not_acceptable_has_been_queued(simulator: Simulator, route: str) -> None:
    assert asked(simulator, route, "text/html").status == 406
    assert ids(get(simulator, f"{BASE}?nodeId=1")) == [1]


def test_7_1_what_is_not_acceptable_is_delivered(observed: Simulator) -> None:
    answer = post(observed, instruction(), more=accepting("text/html"))
    assert answer.status == 406
    settled(observed)
    assert get(observed, f"{BASE}/view?id=1").data["state"] == "Completed"


# --- the same in every form --------------------------------------------------------------------


def test_cbor_says_the_same_as_json(stored: Simulator) -> None:
    for target in ("view?id=1", "view?id=2", "view?id=3", "view?ids=1,2", "view?ids=3"):
        by_json = shown(stored, JSON, f"{BASE}/{target}").json
        assert of_cbor(shown(stored, CBOR, f"{BASE}/{target}")) == by_json
        assert next(iter(by_json)) == "success"


def test_csv_has_the_properties_of_java_s_object(stored: Simulator) -> None:
    text = shown(stored, CSV, f"{BASE}/view?ids=1,2").body.decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(rows[0]) == ["created", "id", "instruction", "nodeId"]
    assert [row["id"] for row in rows] == ["1", "2"]
    assert rows[1]["created"] == "2026-01-02T03:04:05.123456Z"
    assert rows[1]["instruction"].startswith(
        "Instruction{id=null, topic=OSCP_v20, state=Declined, "
        "parameters=[InstructionParameter{action=Handshake}, "
    )
    assert text.count("\r\n") == 3


def test_csv_of_no_instruction(stored: Simulator) -> None:
    assert shown(stored, CSV, f"{BASE}/view?id=3").body == b"success\r\ntrue\r\n"
    assert shown(stored, CSV, f"{BASE}?nodeId=1&endDate=2000-01-01").body == b""
    assert asked(stored, "22", CSV).body == b""


def test_xml_has_attributes(stored: Simulator) -> None:
    root = ET.fromstring(shown(stored, XML, f"{BASE}/view?id=2").body)  # noqa: S314 - our own
    assert (root.tag, root.get("success")) == ("Result", "true")
    inside = root.find("NodeInstruction/Instruction")
    assert inside is not None
    assert inside.get("state") == "Declined"
    assert inside.get("resultParametersJson") == '{"error":"Unknown capacity optimizer"}'
    pairs = [(each.get("name"), each.get("value")) for each in inside.iter("InstructionParameter")]
    assert pairs == list((HANDSHAKE | {"coId": "77"}).items())
    assert shown(stored, XML, f"{BASE}/view?id=3").body == (
        b'<?xml version="1.0" encoding="UTF-8"?><Result success="true"></Result>'
    )


def test_yaml_has_all_names(stored: Simulator) -> None:
    assert shown(stored, YAML, f"{BASE}/view?id=3").body == (
        b"---\nsuccess: true\ncode: null\nmessage: null\nerrors: null\ndata: null\n"
    )


REFUSED = {
    CBOR: b"\xbfgsuccess\xf4gmessagenUNKNOWN_OBJECT\xff",
    CSV_OF_ONE: b"message,success\r\nUNKNOWN_OBJECT,false\r\n",
    XML: b'<?xml version="1.0" encoding="UTF-8"?><Result message="UNKNOWN_OBJECT" success="false">'
    b"</Result>",
    YAML: b'---\nsuccess: false\ncode: null\nmessage: "UNKNOWN_OBJECT"\nerrors: null\ndata: null\n',
    "application/vnd.x+json": b'{"success":false,"message":"UNKNOWN_OBJECT"}',
}


@pytest.mark.parametrize("accept", REFUSED)
def test_refusals_follow_accept(simulator: Simulator, accept: str) -> None:
    answer = shown(simulator, accept, f"{BASE}/viewActive?nodeId=999")
    assert (answer.status, answer.header("Content-Type")) == (403, accept)
    assert answer.body == REFUSED[accept]


@pytest.mark.parametrize(
    ("accept", "status"), [("image/png", 500), ("text/html", 500), ("foo", 403), ("*/*;q=2", 403)]
)
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_refusals_that_no_accepted_type_can_hold(
    fidelity: Fidelity, accept: str, status: int
) -> None:
    simulator = Simulator(clock=FrozenClock(NOW), fidelity=fidelity)
    answer = shown(simulator, accept, f"{BASE}/viewActive?nodeId=999")
    if fidelity == "documented":
        assert (answer.status, answer.json["message"]) == (403, "UNKNOWN_OBJECT")
    else:
        assert answer.status == status
        assert (b"<title>" in answer.body) == ("html" in accept)
    (entry,) = simulator.journal.entries(kind="exchange")
    assert "masks 403 UNKNOWN_OBJECT" in str(entry.detail.get("why"))


@pytest.mark.parametrize("accept", [CBOR, CSV, XML, YAML, "image/png"])
def test_7_3_errors_of_the_container_follow_accept(simulator: Simulator, accept: str) -> None:
    answer = shown(simulator, accept, f"{BASE}/nope")
    assert answer.status == 404
    assert (answer.header("Content-Type") or "image/png").startswith(accept)
    assert (b"Not Found" in answer.body) == (accept != "image/png")


def test_a_406_says_what_could_be_written(stored: Simulator) -> None:
    answer = shown(stored, "image/png")
    assert (answer.status, answer.body) == (406, b"")
    assert answer.header("Accept") == (
        "application/json, application/*+json, text/csv;charset=UTF-8, application/xml, text/xml, "
        "application/cbor, application/yaml"
    )
    assert shown(stored, "foo").header("Accept") is None


@pytest.mark.parametrize("accept", [CBOR, "*/*", "application/*"])
def test_1_7_lists_in_cbor_are_broken_off(observed: Simulator, accept: str) -> None:
    assert of_cbor(shown(observed, accept, f"{BASE}?nodeId=1")) == {"success": True}
    post(observed, instruction())
    answer = shown(observed, accept, f"{BASE}?nodeId=1")
    assert answer.body.hex() == "a16773756363657373f56464617461"
    assert "broken off" in observed.journal.entries(party="solaruser")[-1].detail["why"]


def test_every_answer_has_the_security_headers(simulator: Simulator) -> None:
    secure = [("X-Forwarded-Proto", "HTTPS")]
    for answer in (get(simulator, f"{BASE}/view?id=1"), get(simulator, f"{BASE}/nope")):
        assert answer.header("X-Frame-Options") == "DENY"
        assert answer.header("Strict-Transport-Security") is None
    answer = get(simulator, f"{BASE}/view?id=1", more=secure)
    assert answer.header("Strict-Transport-Security") == "max-age=31536000 ; includeSubDomains"


@pytest.mark.parametrize("accept", [JSON, CBOR, CSV, XML])
def test_no_text_breaks_a_form(simulator: Simulator, accept: str) -> None:
    body = r'{"nodeId":1,"params":{"a":"\u0001\ud83d\u00e9\ufffe\uffff\ud83d\udd0b,\"\n<&"}}'
    answer = post(simulator, body, f"{BASE}/add/x", more=accepting(accept))
    assert answer.status == 200
    # A reason that quotes half a character, too.
    quoting = json.dumps(instruction(action="\ud83d"))
    answer = post(simulator, quoting, more=accepting(accept))
    assert b"Unsupported OSCP 2.0 action [?]" in answer.body or accept == CSV


def test_the_journal_says_what_it_cannot_show(stored: Simulator) -> None:
    since = stored.journal.last
    answer = shown(stored, CBOR)
    (entry,) = stored.journal.entries(since=since)
    assert entry.response is not None
    assert entry.response.text == f"(application/cbor, {len(answer.body)} bytes)"


# --- §1.7: lists -------------------------------------------------------------------------------

LISTS: dict[str, tuple[str | None, str]] = {
    "absent": (None, JSON),
    "any": ("*/*", CBOR),
    "json": ("application/json", JSON),
    "json-then-any": ("application/json, */*", JSON),
    "any-then-json": ("*/*, application/json", CBOR),
    "any-then-json-by-quality": ("*/*;q=0.1, application/json", CBOR),
    "any-application": ("application/*", CBOR),
    "cbor": ("application/cbor", CBOR),
    "csv": ("text/csv", CSV),
    "any-text": ("text/*", CSV),
    "html-then-json": ("text/html, application/json", JSON),
    "as-npm-clients": ("application/json, text/plain, */*", JSON),
    "xml-then-any": ("text/xml, */*", CBOR),
}
STREAMS = {
    "1": f"{BASE}?nodeId=1",
    "3": f"{BASE}/view?ids=1,2",
    "4": f"{BASE}/viewActive?nodeId=1",
    "5": f"{BASE}/viewActive?nodeIds=1",
    "6": f"{BASE}/viewPending?nodeId=1",
    "7": f"{BASE}/viewPending?nodeIds=1",
}


@pytest.mark.parametrize("row", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("target", STREAMS.values(), ids=STREAMS)
def test_1_7_content_type(stored: Simulator, target: str, row: tuple[str | None, str]) -> None:
    accept, expected = row
    answer = shown(stored, accept, target)
    assert (answer.status, answer.header("Content-Type")) == (200, expected)


UNSUPPORTED = {
    "html": ("text/html", "[text/html]"),
    "xml": ("text/xml", "[text/xml]"),
    "several": (
        "text/html, application/xml;q=0.9, image/*",
        "[text/html, application/xml;q=0.9, image/*]",
    ),
}


@pytest.mark.parametrize("row", UNSUPPORTED.values(), ids=UNSUPPORTED)
@pytest.mark.parametrize("target", STREAMS.values(), ids=STREAMS)
def test_1_7_unsupported(stored: Simulator, target: str, row: tuple[str, str]) -> None:
    accept, named = row
    message = f"Illegal argument: No supported media type within {named}"
    answer = shown(stored, accept, target)
    # The refusal follows Accept, too.
    assert answer.status == 422
    assert message.encode() in answer.body


def test_1_7_what_cannot_be_read(stored: Simulator) -> None:
    assert shown(stored, "json", STREAMS["1"]).status == 422


@pytest.mark.parametrize("target", STREAMS.values(), ids=STREAMS)
def test_1_7_no_match_has_no_data(simulator: Simulator, target: str) -> None:
    assert shown(simulator, JSON, target).body == b'{"success":true}'
    assert of_cbor(shown(simulator, "*/*", target)) == {"success": True}


def test_1_7_the_list_is_data_and_has_no_counts(stored: Simulator) -> None:
    for accept in (JSON, "*/*"):
        assert list(of_any_type(shown(stored, accept, STREAMS["3"]))) == ["success", "data"]


def test_1_7_there_is_no_row_limit_and_ids_ascend(simulator: Simulator) -> None:
    instructions = shared_of(simulator).instructions
    for _ in range(2100):
        instructions.add(node_id=1, topic="x", pieces=(), state="Queued", result={})
    assert ids(get(simulator, f"{BASE}?nodeId=1", more=accepting("application/json"))) == list(
        range(1, 2101)
    )


def test_1_7_parameters_keep_their_order(simulator: Simulator) -> None:
    pairs = [(f"p{index % 7}", f"v{index}") for index in range(30)]
    form(simulator, f"{BASE}/add/x", [("nodeId", "1"), *fields(pairs)])
    (shown_,) = get(simulator, f"{BASE}?nodeId=1").data
    assert [(each["name"], each["value"]) for each in shown_["parameters"]] == pairs


def test_a_list_of_instructions_is_a_single_reply(simulator: Simulator) -> None:
    target = f"{BASE}/add/OSCP_v20"
    answer = form(simulator, target, handshake_form(("nodeIds", "1")), more=accepting("*/*"))
    assert [each["id"] for each in answer.data] == [1]


# --- the writers, alone ------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.sampled_from([CSV, XML, YAML, CBOR]))
def test_any_data_can_be_written(value: object, accept: str) -> None:
    data = {"topic": "x", "state": "Queued", "resultParameters": {"a": value}}
    body = written({"success": True, "data": data}, accept)
    if accept == XML:
        assert ET.fromstring(body).tag == "Result"  # noqa: S314 - our own


@given(st.text(st.sampled_from('a/*,;q=01."+ \u00e9\t'), max_size=30))
def test_any_accept_header_is_read_or_refused(header: str) -> None:
    try:
        ranges = accepted(header)
    except ValueError as error:
        assert str(error).startswith("Invalid mime type ")  # noqa: PT017 - of any of them
    else:
        assert all(0 <= each.quality <= 1 for each in ranges)


def test_a_long_accept_header_is_read_at_once() -> None:
    with pytest.raises(ValueError, match="Invalid mime type"):
        accepted('a,"' * 100_000)


def test_cbor_is_plain(stored: Simulator) -> None:
    """No tags, so that any reader of CBOR will do."""
    read = cbor2.loads(shown(stored, CBOR).body)
    assert {type(value) for value in read["data"].values()} == {int, str, list}


@pytest.mark.parametrize("accept", [JSON, CBOR, CSV, XML])
def test_half_a_character_breaks_no_form(accept: str) -> None:
    wire = Request("GET", "/", (("accept", accept),))
    body = single(Call(wire), {"configId": 1, "userId": 2, "a": "<\ud83d>"}).body
    shown = b"<\\uD83D>" if accept == JSON else b"<?>"
    assert shown in body.replace(b"&lt;", b"<").replace(b"&gt;", b">")


def test_half_a_character_of_a_topic_comes_back_as_a_question_mark(simulator: Simulator) -> None:
    body = r'{"nodeId":1,"topic":"a\ud83db"}'
    assert post(simulator, body, f"{BASE}/add").data["topic"] == "a?b"
    answer = post(simulator, body, f"{BASE}/add", more=accepting(CBOR))
    assert of_cbor(answer)["data"]["topic"] == "a?b"

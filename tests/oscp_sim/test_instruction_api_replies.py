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

from oscp_sim import Simulator
from oscp_sim.http import Request
from oscp_sim.solaruser.call import Call
from oscp_sim.solaruser.replies import accepted, csv_text, single, xml_text
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
from tests.oscp_sim.rig import BASE, Answer, get, instruction, post, settled, shared_of

CBOR = "application/cbor"
JSON = "application/json"
CSV = "text/csv"
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
    "json-with-charset": ("application/json;charset=UTF-8", JSON),
    "any-application": ("application/*", JSON),
    "any-json": ("application/*+json", JSON),
    "cbor": ("application/cbor", CBOR),
    "csv": ("text/csv", CSV),
    "xml": ("text/xml", XML),
    "upper-case": ("TEXT/XML", XML),
    "html-or-json": ("text/html, application/json", JSON),
    "any-is-last": ("*/*, text/csv", CSV),
    "any-is-last-as-observed-in-browsers": ("text/html,application/xml;q=0.9,*/*;q=0.8", JSON),
    "by-quality": ("text/csv;q=0.5, text/xml;q=0.9", XML),
    "quality-before-particularity": ("text/csv;q=0.5, */*", JSON),
    "empty": ("", JSON),
    "comma-in-quotes": ('text/csv;a="x,y"', CSV),
}


@pytest.mark.parametrize("row", ONE.values(), ids=ONE)
def test_1_6_content_type(stored: Simulator, row: tuple[str | None, str]) -> None:
    accept, expected = row
    answer = shown(stored, accept)
    assert (answer.status, answer.header("Content-Type")) == (200, expected)
    assert "Accept" in (answer.header("Vary") or "")


NOT_ACCEPTABLE = {
    "html": "text/html",
    "xml-of-the-other-kind": "application/xml",
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
    expected = JSON if accept in {None, "*/*"} else accept
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


def test_csv_has_a_line_for_each_instruction(stored: Simulator) -> None:
    one = list(csv.DictReader(io.StringIO(shown(stored, CSV).body.decode())))
    both = shown(stored, CSV, f"{BASE}/view?ids=1,2").body.decode()
    rows = list(csv.DictReader(io.StringIO(both, newline="")))
    assert rows[0] == one[0] | {"resultParameters": ""}
    assert [row["id"] for row in rows] == ["1", "2"]
    assert rows[0]["state"] == "Completed"
    assert rows[1]["resultParameters"] == '{"error":"Unknown capacity optimizer"}'
    assert rows[1]["parameters"].startswith('[{"name":"action","value":"Handshake"},')
    assert both.count("\r\n") == 3


def test_csv_of_no_instruction(stored: Simulator) -> None:
    assert shown(stored, CSV, f"{BASE}/view?id=3").body == b"success\r\ntrue\r\n"
    assert asked(stored, "22", CSV).body == b"data\r\n1\r\n2\r\n"


def test_xml_has_an_element_for_each_key(stored: Simulator) -> None:
    root = ET.fromstring(shown(stored, XML, f"{BASE}/view?id=2").body)  # noqa: S314 - our own
    assert root.findtext("success") == "true"
    assert root.findtext("data/state") == "Declined"
    pairs = [(each.findtext("name"), each.findtext("value")) for each in root.iter("item")]
    assert pairs == list((HANDSHAKE | {"coId": "77"}).items())
    assert root.findtext("data/resultParameters/error") == "Unknown capacity optimizer"
    nothing = shown(stored, XML, f"{BASE}/view?id=3").body
    assert nothing.endswith(b"<result><success>true</success></result>")


@pytest.mark.parametrize("accept", [JSON, CBOR, CSV, XML])
def test_no_text_breaks_a_form(simulator: Simulator, accept: str) -> None:
    body = r'{"nodeId":1,"params":{"a":"\u0001\ud83d\u00e9\ufffe\uffff\ud83d\udd0b,\"\n<&"}}'
    answer = post(simulator, body, f"{BASE}/add/x", more=accepting(accept))
    assert answer.status == 200
    # A reason that quotes half a character, too.
    quoting = json.dumps(instruction(action="\ud83d"))
    answer = post(simulator, quoting, more=accepting(accept))
    assert b"Unsupported OSCP 2.0 action [?]" in answer.body


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
    assert shown(stored, accept, target).refusal == (422, message)


def test_1_7_what_cannot_be_read(stored: Simulator) -> None:
    status, message = shown(stored, "json", STREAMS["1"]).refusal
    assert status == 422
    assert message.startswith('Illegal argument: Invalid mime type "json": ')


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

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
ROWS = st.lists(st.dictionaries(st.text(min_size=1, max_size=3), SCALARS, max_size=3), max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(ROWS)
def test_csv_is_read_back(rows: list[dict[str, object]]) -> None:
    text = csv_text(rows).decode()
    names = list(dict.fromkeys(name for row in rows for name in row))
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert len(read) == (len(rows) + 1 if names else 0)
    assert read[:1] == ([names] if names else [])
    for row, cells in zip(rows, read[1:], strict=False):
        texts = [value for value in row.values() if isinstance(value, str)]
        assert set(texts) <= set(cells)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_any_object_is_well_formed_xml(content: dict[str, object]) -> None:
    root = ET.fromstring(xml_text(content))  # noqa: S314 - our own
    assert root.tag == "result"
    assert len(root) == len(content)


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
def test_half_a_character_is_a_question_mark_in_every_form(accept: str) -> None:
    wire = Request("GET", "/", (("accept", accept),))
    call = Call(wire)
    assert b"<?>" in single(call, {"a": "<\ud83d>"}).body.replace(b"&lt;", b"<").replace(
        b"&gt;", b">"
    )


def test_half_a_character_of_a_topic_comes_back_as_a_question_mark(simulator: Simulator) -> None:
    body = r'{"nodeId":1,"topic":"a\ud83db"}'
    assert post(simulator, body, f"{BASE}/add").data["topic"] == "a?b"
    answer = post(simulator, body, f"{BASE}/add", more=accepting(CBOR))
    assert of_cbor(answer)["data"]["topic"] == "a?b"

"""How SolarUser reads a request body: docs/protocol/solaruser.md §1.2 to §1.4, row by row."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_schemas import Document, read
from oscp_send.solarnetwork import request_body
from oscp_send.solarnetwork.request_body import BodyRefused, InstructionBody, read_body

TRAILING = "Malformed JSON: Trailing token (`JsonToken.END_OBJECT`) found after value"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PARAMS = '"params":{"a":"1"}'


def body(text: str) -> InstructionBody:
    return read_body(text.encode())


def refusal(text: str | bytes) -> str:
    with pytest.raises(BodyRefused) as caught:
        read_body(text if isinstance(text, bytes) else text.encode())
    assert str(caught.value) == caught.value.message
    return caught.value.message


# §1.2, the keys. Whatever is honoured changes what is read.
HONOURED = {
    "nodeId": ('{"nodeId":1}', {"node_id": 1}),
    "topic": ('{"topic":"OSCP_v20"}', {"topic": "OSCP_v20"}),
    "params-object": ('{"params":{"a":"1","b":"2"}}', {"parameters": [("a", "1"), ("b", "2")]}),
    "params-list": ('{"params":[{"name":"a","value":"1"}]}', {"parameters": [("a", "1")]}),
    "parameters-list": ('{"parameters":[{"name":"a","value":"1"}]}', {"parameters": [("a", "1")]}),
    "parameters-object": ('{"parameters":{"a":"1"}}', {"parameters": [("a", "1")]}),
    "instructionDate": ('{"instructionDate":"2026-01-02 03:04:05Z"}', {"instruction_date": AT}),
    "expirationDate": ('{"expirationDate":"2026-01-02 03:04:05Z"}', {"expiration_date": AT}),
    "id": ('{"id":5}', {}),
    "created": ('{"created":"2026-01-02 03:04:05Z"}', {}),
    "state": ('{"state":"Completed"}', {}),
    "statusDate": ('{"statusDate":"2026-01-02 03:04:05Z"}', {}),
    "resultParameters": ('{"resultParameters":{"a":{"b":[1,{}]}}}', {}),
    "nothing": ("{}", {}),
    "both-names-the-last-one-wins": (
        '{"params":{"a":"1","b":"2"},"parameters":[{"name":"c","value":"3"}]}',
        {"parameters": [("c", "3")]},
    ),
    "a-later-null-wipes-an-earlier-one": ('{"params":{"a":"1"},"parameters":null}', {}),
    "a-later-scalar-wipes-an-earlier-one": ('{"params":{"a":"1"},"parameters":5}', {}),
    "all-in-any-order": (
        '{"resultParameters":{"x":1},"params":{"a":"1"},"state":"Unknown","nodeId":7,"id":9,'
        '"topic":"t"}',
        {"node_id": 7, "topic": "t", "parameters": [("a", "1")]},
    ),
}


@pytest.mark.parametrize(("text", "expected"), HONOURED.values(), ids=HONOURED)
def test_key(text: str, expected: dict[str, Any]) -> None:
    assert body(text) == InstructionBody(**expected)


@pytest.mark.parametrize("key", ["id", "created", "statusDate"])
def test_an_ignored_key_may_fail_to_parse_nevertheless(key: str) -> None:
    assert refusal(f'{{"{key}":"abc","nodeId":1}}').startswith("Malformed ")


# §1.2, numbers for nodeId.
NODES = {
    "number": ("123", 123),
    "text": ('"123"', 123),
    "negative-text": ('"-5"', -5),
    "text-with-plus": ('"+5"', 5),
    "leading-zeros": ('"007"', 7),
    "fraction": ("1.9", 1),
    "negative-fraction": ("-1.9", -1),
    "largest": ("9223372036854775807", 2**63 - 1),
    "smallest": ("-9223372036854775808", -(2**63)),
    "largest-text": ('"9223372036854775807"', 2**63 - 1),
    "null": ("null", None),
    "true": ("true", None),
    "false": ("false", None),
}


@pytest.mark.parametrize(("written", "read"), NODES.values(), ids=NODES)
def test_node_id(written: str, read: int | None) -> None:
    for more in ("", ',"state":"x"'):  # The latter is read by the walk.
        assert body(f'{{"nodeId":{written},{PARAMS}{more}}}').node_id == read


BAD_NODES = {
    "beyond-64-bits": (
        "9223372036854775808",
        "Malformed JSON: Numeric value (9223372036854775808) out of range of `long` "
        "(-9223372036854775808 - 9223372036854775807)",
    ),
    "beyond-on-the-other-side": ("-9223372036854775809", "Malformed JSON: Numeric value (-922"),
    "far-beyond-64-bits": ("1e400", "Malformed JSON: Numeric value (1e400) out of range"),
    "more-than-1000-digits": ("1" * 1001, "Malformed JSON: "),
    "text-beyond-64-bits": (
        '"9223372036854775808"',
        'Malformed JSON: For input string: "9223372036854775808"',
    ),
    "word": ('"abc"', 'Malformed JSON: For input string: "abc"'),
    "empty": ('""', 'Malformed JSON: For input string: ""'),
    "blank-before": ('" 1"', 'Malformed JSON: For input string: " 1"'),
    "text-with-fraction": ('"1.0"', 'Malformed JSON: For input string: "1.0"'),
    "object": ("{}", "Malformed JSON: Trailing token"),
    "array-before-an-object": ("[1]", TRAILING),
}


@pytest.mark.parametrize(("written", "beginning"), BAD_NODES.values(), ids=BAD_NODES)
def test_node_id_refused(written: str, beginning: str) -> None:
    assert refusal(f'{{"nodeId":{written},{PARAMS}}}').startswith(beginning)


# §1.2, dates.
DATES = {
    "blank": ('"2026-01-02 03:04:05Z"', AT),
    "blank-with-fraction": ('"2026-01-02 03:04:05.123456Z"', AT.replace(microsecond=123456)),
    "blank-with-offset": ('"2026-01-02 03:04:05+13:00"', AT.replace(day=1, hour=14)),
    "blank-without-offset": ('"2026-01-02 03:04:05"', AT),
    "blank-without-seconds": ('"2026-01-02 03:04"', AT.replace(second=0)),
    "T": ('"2026-01-02T03:04:05Z"', AT),
    "T-with-fraction": ('"2026-01-02T03:04:05.5Z"', AT.replace(microsecond=500000)),
    "T-with-offset": ('"2026-01-02T03:04:05+13:00"', AT.replace(day=1, hour=14)),
    "lower-case": ('"2026-01-02t03:04:05z"', AT),
    "blanks-around": ('" 2026-01-02 03:04:05Z "', AT),
    "T-with-hours-as-offset": ('"2026-01-02T03:04:05+13"', AT.replace(day=1, hour=14)),
    "rounded": ('"2026-01-02 03:04:05.123456789Z"', AT.replace(microsecond=123457)),
    "end-of-a-day": ('"2026-01-01T24:00:00Z"', AT.replace(hour=0, minute=0, second=0)),
    "no-such-day": ('"2026-02-30 03:04:05Z"', AT.replace(month=2, day=28)),
    "empty": ('""', None),
    "nothing-but-blanks": ('"  "', None),
    "integer-in-milliseconds": ("1767323045000", AT),
    "decimal-in-seconds": ("1767323045.5", AT.replace(microsecond=500000)),
}


@pytest.mark.parametrize("key", ["expirationDate", "instructionDate"])
@pytest.mark.parametrize(("written", "read"), DATES.values(), ids=DATES)
def test_date(key: str, written: str, read: datetime | None) -> None:
    understood = body(f'{{"{key}":{written}}}')
    dates = {
        "expirationDate": understood.expiration_date,
        "instructionDate": understood.instruction_date,
    }
    assert dates[key] == read


BAD_DATES = {
    "T-without-zone": (
        '"2026-01-02T03:04:05"',
        "Malformed date string: Text '2026-01-02T03:04:05'",
    ),
    "day-only": ('"2026-01-02"', "Malformed date string: Text '2026-01-02' could not be parsed"),
    "null": (
        "null",
        "Malformed JSON: Unexpected token (VALUE_NULL), expected one of [VALUE_STRING, "
        "VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT] for `java.time.Instant` value",
    ),
    "true": ("true", "Malformed JSON: Unexpected token (VALUE_TRUE)"),
    "object": ("{}", "Malformed JSON: Unexpected token (START_OBJECT)"),
    "array": (
        "[]",
        "Malformed JSON: Cannot deserialize value of type `java.time.Instant` from Array value "
        "(token `JsonToken.START_ARRAY`)",
    ),
    "word": ('"x"', "Malformed date string: Text 'x' could not be parsed at index 0"),
    "digits-as-offset": (
        '"2026-01-02 03:04:05+1300"',
        "Malformed date string: Text '2026-01-02 03:04:05+1300' could not be parsed, unparsed text "
        "found at index 19",
    ),
    "one-digit": (
        '" 2026-01-02 3:04:05Z"',
        "Malformed date string: Text '2026-01-02 3:04:05Z' could not be parsed at index 11",
    ),
    "no-such-day": (
        '"2026-02-32 00:00:00Z"',
        "Malformed request: JSON parse error: Cannot deserialize value of type `java.time.Instant` "
        'from String "2026-02-32 00:00:00Z": Failed to deserialize `java.time.Instant` (with ',
    ),
    "number-beyond-long": (
        "99999999999999999999",
        "Malformed JSON: Numeric value (99999999999999999999) out of range of `long` (",
    ),
}


@pytest.mark.parametrize("key", ["expirationDate", "instructionDate", "created", "statusDate"])
@pytest.mark.parametrize(("written", "beginning"), BAD_DATES.values(), ids=BAD_DATES)
def test_date_refused(key: str, written: str, beginning: str) -> None:
    assert refusal(f'{{"nodeId":1,"{key}":{written}}}').startswith(beginning)


@pytest.mark.parametrize("written", ["99999999999999999", "1e17", '"+300000-01-01 00:00:00Z"'])
def test_a_date_beyond_the_database(written: str) -> None:
    with pytest.raises(BodyRefused) as caught:
        read_body(f'{{"nodeId":1,"expirationDate":{written}}}'.encode())
    assert caught.value.code == "DAO.00103"
    assert str(caught.value) == (
        "An invalid query parameter was used, or a required parameter was missing."
    )
    assert body(f'{{"nodeId":1,"created":{written}}}').node_id == 1


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("5", "Integer value (token `JsonToken.VALUE_NUMBER_INT`)"),
        ("5.5", "Floating-point value (token `JsonToken.VALUE_NUMBER_FLOAT`)"),
        ('"x"', "String value (token `JsonToken.VALUE_STRING`)"),
        ("true", "Boolean value (token `JsonToken.VALUE_TRUE`)"),
        ("[1]", "Array value (token `JsonToken.START_ARRAY`)"),
        ("false", "Boolean value (token `JsonToken.VALUE_FALSE`)"),
    ],
)
def test_result_parameters_are_an_object_or_null(written: str, found: str) -> None:
    assert refusal(f'{{"nodeId":1,"resultParameters":{written}}}') == (
        "Malformed JSON: Cannot deserialize value of type "
        f"`java.util.LinkedHashMap<java.lang.String,java.lang.Object>` from {found}"
    )
    for allowed in ('{"a":{"b":[1]}}', "null"):
        assert body(f'{{"resultParameters":{allowed},"nodeId":1}}').node_id == 1


@pytest.mark.parametrize("written", ['""', '" "'])
def test_result_parameters_may_not_be_a_blank_text(written: str) -> None:
    assert refusal(f'{{"nodeId":1,"resultParameters":{written}}}') == (
        'Malformed JSON: Cannot coerce empty String ("") to element of `java.util.LinkedHashMap` '
        "(but could if coercion was enabled using `CoercionConfig`)"
    )


# §1.3, parameter values.
VALUES = {
    "text": ('"text"', [("p", "text"), ("q", "2")]),
    "empty": ('""', [("p", ""), ("q", "2")]),
    "number": ("123", [("q", "2")]),
    "fraction": ("1.5", [("q", "2")]),
    "true": ("true", [("q", "2")]),
    "false": ("false", [("q", "2")]),
    "null": ("null", [("q", "2")]),
    "same-key-twice": ('"1","p":"2"', [("p", "1"), ("p", "2"), ("q", "2")]),
}


@pytest.mark.parametrize(("written", "read"), VALUES.values(), ids=VALUES)
def test_parameter(written: str, read: list[tuple[str, str]]) -> None:
    understood = body(f'{{"params":{{"p":{written},"q":"2"}},"nodeId":1}}')
    assert understood.parameters == read
    assert understood.node_id == 1


@pytest.mark.parametrize(
    "written", ["[]", "[1]", '["x"]', "{}", '{"x":1}', '{"x":"y"}', '{"x":{"y":1}}']
)
def test_a_nested_parameter_is_refused(written: str) -> None:
    for rest in (',"q":"2"}', "}"):
        for behind in (',"nodeId":1}', "}"):
            message = refusal(f'{{"params":{{"p":{written}{rest}{behind}')
            assert message.startswith("Malformed JSON: Trailing token (`JsonToken.")
            assert "END_OBJECT" in message or "PROPERTY_NAME" in message
            assert message.endswith(
                "not allowed as per `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`"
            )


LISTS = {
    "inherited-name-and-value": (
        '[{"name":"a","value":"1"},{"value":"x"},{"name":"c"}]',
        [("a", "1"), ("a", "x"), ("c", "x")],
    ),
    "elements-that-are-no-objects": ('[1,"x",null,true,{"name":"a","value":"1"},2]', [("a", "1")]),
    "unknown-scalar-member": ('[{"name":"a","x":1,"value":"1"}]', [("a", "1")]),
    "value-a-number": ('[{"name":"a","value":1},{"name":"b","value":"2"}]', [("b", "2")]),
    "value-null": ('[{"name":"a","value":null},{"name":"b","value":"2"}]', [("b", "2")]),
    "value-null-is-inherited": (
        '[{"name":"a","value":"1"},{"value":null},{"name":"b"}]',
        [("a", "1")],
    ),
    "same-name-twice": (
        '[{"name":"msg","value":"x"},{"name":"msg","value":"y"}]',
        [("msg", "x"), ("msg", "y")],
    ),
    "no-name": ('[{"value":"1"}]', []),
    "no-value": ('[{"name":"a"}]', []),
    "empty": ("[]", []),
}


@pytest.mark.parametrize("key", ["params", "parameters"])
@pytest.mark.parametrize(("written", "read"), LISTS.values(), ids=LISTS)
def test_list_form(key: str, written: str, read: list[tuple[str, str]]) -> None:
    understood = body(f'{{"{key}":{written},"nodeId":1}}')
    assert understood.parameters == read
    assert understood.node_id == 1


# §1.4, unknown properties, order, trailing content.
@pytest.mark.parametrize(
    "text",
    [
        f'{{"nodeId":1,"topic":"t",{PARAMS}}}',
        f'{{"topic":"t",{PARAMS},"nodeId":1}}',
        f'{{{PARAMS},"nodeId":1,"topic":"t"}}',
    ],
)
def test_known_keys_in_any_order(text: str) -> None:
    assert body(text) == InstructionBody(node_id=1, topic="t", parameters=[("a", "1")])


@pytest.mark.parametrize("value", ["1", '"x"', "null", "true", "[]", "[1]", '[["x"]]'])
def test_an_unknown_key_that_comes_last_is_ignored(value: str) -> None:
    text = f'{{"nodeId":1,{PARAMS},"foo":{value}}}'
    assert body(text) == InstructionBody(node_id=1, parameters=[("a", "1")])


def test_an_unknown_scalar_hides_what_comes_after_it() -> None:
    assert body('{"foo":1,"nodeId":1}') == InstructionBody()
    assert body('{"nodeId":1,"foo":1,"topic":"t"}') == InstructionBody(node_id=1)


def test_an_unknown_scalar_before_params_is_refused() -> None:
    assert refusal(f'{{"nodeId":1,"foo":1,{PARAMS}}}').startswith(TRAILING)


@pytest.mark.parametrize("value", ["{}", '{"a":1}', "[{}]"])
@pytest.mark.parametrize("last", [True, False])
def test_an_unknown_object_is_refused(value: str, last: bool) -> None:
    members = ['"nodeId":1', PARAMS]
    members.insert(len(members) if last else 0, f'"foo":{value}')
    assert refusal(f"{{{','.join(members)}}}").startswith("Malformed JSON: Trailing token")


@pytest.mark.parametrize("rest", ["{}", "1", "x", "}"])
def test_content_behind_the_body_is_refused(rest: str) -> None:
    assert refusal(f'{{"nodeId":1}} {rest}').startswith("Malformed JSON: ")


def test_the_trailing_token_is_named() -> None:
    message = refusal(f'{{"foo":{{}},"nodeId":1,{PARAMS}}}')
    assert "(`JsonToken.PROPERTY_NAME`)" in message
    assert "`net.solarnetwork.central.instructor.domain.NodeInstruction`" in message


@pytest.mark.parametrize(
    ("data", "beginning"),
    [
        (b'{"nodeId":"abc","x":tru}', 'For input string: "abc"'),
        (b'{"x":tru,"nodeId":"abc"}', "Unrecognized token 'tru'"),
        (b'{"foo":[{}]} x', "Trailing token (`JsonToken.END_ARRAY`)"),
        (b"[1,", "Unable to parse NodeInstruction (not an object)"),
        (b"null x", "Unrecognized token 'x'"),
        (b"null {}", "Trailing token (`JsonToken.START_OBJECT`)"),
    ],
)
def test_the_first_mistake_counts(data: bytes, beginning: str) -> None:
    assert refusal(data).startswith(f"Malformed JSON: {beginning}")


# §7.1, before anything is read.
UNREADABLE = {
    "no-body": (b"", "Malformed request: Required request body is missing: "),
    "blanks": (b" \r\n", "Malformed JSON: No content to map due to end-of-input"),
    "null": (b"null", "Malformed request: Required request body is missing: "),
    "array": (b"[]", "Malformed JSON: Unable to parse NodeInstruction (not an object)"),
    "text": (b'"x"', "Malformed JSON: Unable to parse NodeInstruction (not an object)"),
    "number": (b"1", "Malformed JSON: Unable to parse NodeInstruction (not an object)"),
    "not-json": (b"{'nodeId':1}", "Malformed JSON: Unexpected character (''' (code 39))"),
    "cut-off": (b'{"nodeId":1', "Malformed JSON: Unexpected end-of-input"),
    "not-utf8": (b'{"nodeId":"\xff"}', "Malformed JSON: Invalid UTF-8 "),
    "too-deep": (
        b'{"x":' + b"[" * 501 + b"]" * 501 + b"}",
        "Malformed JSON: Document nesting depth",
    ),
}


@pytest.mark.parametrize(
    ("way", "method"),
    [
        ({}, "queueInstructionBody(java.lang.String,"),
        ({"executes": True}, "execInstructionBody(java.lang.String,java.lang.Long,"),
        ({"has_topic": False}, "queueInstructionBody("),
    ],
)
def test_no_body_names_the_method(way: dict[str, Any], method: str) -> None:
    with pytest.raises(BodyRefused) as caught:
        read_body(b"", **way)
    instruction = "net.solarnetwork.central.instructor.domain.NodeInstruction"
    result = f"net.solarnetwork.domain.Result<{instruction}>"
    if "executes" in way:
        result = f"org.springframework.web.context.request.async.DeferredResult<{result}>"
    assert caught.value.message == (
        f"Malformed request: Required request body is missing: public {result} "
        "net.solarnetwork.central.reg.web.api.v1.NodeInstructionController."
        f"{method}{instruction})"
    )


@pytest.mark.parametrize(("data", "beginning"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(data: bytes, beginning: str) -> None:
    assert refusal(data).startswith(beginning)


def test_the_parsers_mistake_is_kept_for_a_person() -> None:
    with pytest.raises(BodyRefused) as caught:
        read_body(b'{\n"nodeId" 1}')
    assert caught.value.error is not None
    assert (caught.value.error.line, caught.value.error.column) == (2, 10)
    with pytest.raises(BodyRefused) as caught:
        read_body(UNREADABLE["too-deep"][0])
    assert caught.value.error is None


def test_the_charset_of_a_body_counts() -> None:
    assert read_body('{"topic":"\u00e9"}'.encode("latin-1"), "ISO-8859-1").topic == "\u00e9"


@pytest.mark.parametrize("text", ["null", "[]", '{"topic":"x"}', f'{{"nodeId":1,{PARAMS}}}'])
def test_a_document_is_read_like_its_text(text: str) -> None:
    assert outcome(read(text)) == outcome(text)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_body(b'\xef\xbb\xbf{"nodeId":1}').node_id == 1


def test_the_guides_first_example() -> None:
    text = (
        '{ "nodeId" : "1", "params" : { "coId" : "1", "cgIdentifier" : "foo-group", '
        '"action" : "GroupCapacityComplianceError", "msg" : "{\\"message\\":\\"Whoops!\\"}", '
        '"correlationId" : "sdldkj0-1lk3j389-flk4230fhfg" } }'
    )
    assert body(text) == InstructionBody(
        node_id=1,
        parameters=[
            ("coId", "1"),
            ("cgIdentifier", "foo-group"),
            ("action", "GroupCapacityComplianceError"),
            ("msg", '{"message":"Whoops!"}'),
            ("correlationId", "sdldkj0-1lk3j389-flk4230fhfg"),
        ],
    )


@given(st.dictionaries(st.text(), st.text()), st.integers(-(2**63), 2**63 - 1))
def test_any_texts_survive(parameters: dict[str, str], node_id: int) -> None:
    for listed in (parameters, [{"name": n, "value": v} for n, v in parameters.items()]):
        understood = body(json.dumps({"params": listed, "nodeId": node_id}))
        assert understood.parameters == list(parameters.items())
        assert understood.node_id == node_id


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(BodyRefused):
        assert isinstance(read_body(data), InstructionBody)


USUAL = st.fixed_dictionaries(
    {
        "nodeId": st.integers(-(2**64), 2**64),
        "params": st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=5),
    }
)


@given(value=USUAL, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_the_usual_shape_is_read_as_by_the_walk(
    value: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    # One more property, which is ignored, makes it unusual.
    unusual = json.dumps({**value, "state": "x"}, ensure_ascii=ascii_only, indent=indent)
    assert outcome(text) == outcome(unusual)


def outcome(text: str | Document) -> InstructionBody | str:
    try:
        return read_body(
            text if isinstance(text, Document) else text.encode("utf-8", "surrogatepass")
        )
    except BodyRefused as refused:
        return refused.message


@pytest.mark.parametrize("node_id", [0, 2**63 - 1, -(2**63)])
def test_the_usual_shape_takes_no_walk(node_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(request_body, "tokens")
    for parameters in ({}, {"msg": '{"a":"\u00e9"}', "n" * 999: ""}):
        text = json.dumps({"params": parameters, "nodeId": node_id})
        expected = InstructionBody(node_id, parameters=[*parameters.items()])
        assert body(text) == read_body(read(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"nodeId":1,"nodeId":2,"params":{"a":"1"}}',
        '{"nodeId":1,"params":{"a":"1","a":"2"}}',
        '{"nodeId":1,"params":{"a":"1"},"params":{"b":"2"}}',
        '{"params":{"a":"1","\\u0061":"2"},"nodeId":1}',
        '{"nodeId":true,"params":{}}',
        '{"nodeId":1,"params":{"a":null}}',
        '{"nodeId":1,"params":{"a":"\\ud83d"}}',
        '{"nodeId":1,"params":{"%s":"1"}}' % ("n" * 50_001),
    ],
    ids=["node-twice", "name-twice", "params-twice", "escaped", "boolean", "null", "half", "long"],
)
def test_what_is_nearly_usual_is_left_to_the_walk(text: str) -> None:
    assert outcome(text) == outcome(text[:-1] + ',"state":"x"}')

"""JSON bodies of `add` and `exec`: the tables of the solaruser.md §1.2 to §1.4, row by row."""

from __future__ import annotations

import pytest

from oscp_sim import Simulator
from tests.oscp_sim.rig import BASE, JSON, ask, post, signed_headers

# Both read bodies in the same way; `exec` is not to wait here.
TARGETS = {"add": f"{BASE}/add/other", "exec": f"{BASE}/exec/other?resultMaxWait=0"}
PAST = "Malformed JSON: Trailing token (`JsonToken."
NODE_MISSING = "Illegal argument: The nodeId parameter is required."

every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def pairs(data: dict[str, list[dict[str, str]]]) -> list[tuple[str, str]]:
    return [(each["name"], each["value"]) for each in data.get("parameters", [])]


# --- §1.2: keys --------------------------------------------------------------------------------

KEYS: dict[str, tuple[str, str, object]] = {
    "nodeId": ('"nodeId":1', "nodeId", 1),
    "topic": ('"nodeId":1,"topic":"replaced"', "topic", "other"),
    "params": ('"nodeId":1,"params":{"a":"1"}', "parameters", [{"name": "a", "value": "1"}]),
    "parameters": (
        '"nodeId":1,"parameters":[{"name":"a","value":"1"}]',
        "parameters",
        [{"name": "a", "value": "1"}],
    ),
    "instructionDate": (
        '"nodeId":1,"instructionDate":"2030-01-02 03:04Z"',
        "instructionDate",
        "2030-01-02 03:04:00Z",
    ),
    "instructionDate-default": ('"nodeId":1', "instructionDate", "2026-01-02 03:04:05.123456Z"),
    "expirationDate": (
        '"nodeId":1,"expirationDate":"2030-01-02 03:04Z"',
        "expirationDate",
        "2030-01-02 03:04:00Z",
    ),
    "id": ('"id":77,"nodeId":1', "id", 1),
    "created": (
        '"created":"2020-01-01 00:00Z","nodeId":1',
        "created",
        "2026-01-02 03:04:05.123456Z",
    ),
    "state": ('"state":"Completed","nodeId":1', "state", "Queuing"),
    "state-of-no-kind": ('"state":"Sleeping","nodeId":1', "state", "Queuing"),
    "statusDate": (
        '"statusDate":"2020-01-01 00:00Z","nodeId":1',
        "statusDate",
        "2026-01-02 03:04:05.123456Z",
    ),
    "resultParameters": (
        '"resultParameters":{"a":{"b":[{}]}},"nodeId":1',
        "resultParameters",
        None,
    ),
}


@every_target
@pytest.mark.parametrize("row", KEYS.values(), ids=KEYS)
def test_1_2_key(simulator: Simulator, target: str, row: tuple[str, str, object]) -> None:
    body, key, expected = row
    assert post(simulator, f"{{{body}}}", target).data.get(key) == expected


IGNORED_BUT_PARSED = {
    "id": ('"id":"x"', 'Malformed JSON: For input string: "x"'),
    "created": ('"created":"x"', "Malformed date string: Text 'x' could not be parsed at index 0"),
    "statusDate": ('"statusDate":null', "Malformed JSON: Unexpected token"),
    "resultParameters": ('"resultParameters":{', "Malformed JSON: Unexpected end-of-input"),
}


@pytest.mark.parametrize("row", IGNORED_BUT_PARSED.values(), ids=IGNORED_BUT_PARSED)
def test_1_2_what_is_ignored_may_fail_to_parse(simulator: Simulator, row: tuple[str, str]) -> None:
    body, message = row
    end = "" if body.endswith("{") else ',"nodeId":1}'
    status, said = post(simulator, f"{{{body}{end}").refusal
    assert (status, said[: len(message)]) == (422, message)


# --- §1.2: numbers -----------------------------------------------------------------------------

NUMBERS: dict[str, tuple[str, int | str]] = {
    "123": ("1", 1),
    "text-123": ('"1"', 1),
    "text-plus": ('"+1"', 1),
    "text-zeros": ('"007"', 7),
    "text-minus": ('"-5"', "UNKNOWN_OBJECT"),
    "1.9": ("1.9", 1),
    "-0.9": ("-0.9", "UNKNOWN_OBJECT"),
    "beyond-64-bits": ("9223372036854775808", "Malformed JSON: "),
    "far-beyond": ("1e99", "Malformed JSON: "),
    "abc": ('"abc"', 'Malformed JSON: For input string: "abc"'),
    "empty": ('""', 'Malformed JSON: For input string: ""'),
    "blank-before": ('" 1"', 'Malformed JSON: For input string: " 1"'),
    "null": ("null", NODE_MISSING),
    "true": ("true", NODE_MISSING),
    "false": ("false", NODE_MISSING),
    "array": ("[1]", ""),
    "object": ('{"a":1}', ""),
}


@every_target
@pytest.mark.parametrize("row", NUMBERS.values(), ids=NUMBERS)
def test_1_2_number(simulator: Simulator, target: str, row: tuple[str, int | str]) -> None:
    given, expected = row
    answer = post(simulator, f'{{"nodeId":{given},"params":{{}}}}', target)
    if expected == 1:
        assert answer.data["nodeId"] == 1
        return
    status, said = answer.refusal
    if isinstance(expected, int) or expected == "UNKNOWN_OBJECT":
        # It is a number, if of nobody's node.
        assert (status, said) == (403, "UNKNOWN_OBJECT")
    else:
        assert (status, said[: len(expected)]) == (422, expected)


# --- §1.2: dates -------------------------------------------------------------------------------

DATES: dict[str, tuple[str, str | None]] = {
    "blank-Z": ('"2030-01-02 03:04:05Z"', "2030-01-02 03:04:05Z"),
    "blank-fraction-Z": ('"2030-01-02 03:04:05.123456Z"', "2030-01-02 03:04:05.123456Z"),
    "blank-offset": ('"2030-01-02 03:04:05+13:00"', "2030-01-01 14:04:05Z"),
    "blank-no-zone": ('"2030-01-02 03:04:05"', "2030-01-02 03:04:05Z"),
    "blank-no-seconds": ('"2030-01-02 03:04"', "2030-01-02 03:04:00Z"),
    "T-Z": ('"2030-01-02T03:04:05Z"', "2030-01-02 03:04:05Z"),
    "T-fraction-Z": ('"2030-01-02T03:04:05.25Z"', "2030-01-02 03:04:05.25Z"),
    "T-offset": ('"2030-01-02T03:04:05+13:00"', "2030-01-01 14:04:05Z"),
    "T-no-zone": ('"2030-01-02T03:04:05"', "Malformed date string: Text '2030-01-02T03:04:05'"),
    "day-only": ('"2030-01-02"', "Malformed date string: Text '2030-01-02' could not be parsed"),
    "empty": ('""', None),
    "blank": ('"  "', None),
    "milliseconds": ("1893553445123", "2030-01-02 03:04:05.123Z"),
    "milliseconds-before-1970": ("-1", "1969-12-31 23:59:59.999Z"),
    "seconds-with-fraction": ("1893553445.5", "2030-01-02 03:04:05.5Z"),
    "null": ("null", "Malformed JSON: Unexpected token"),
    "true": ("true", "Malformed JSON: Unexpected token"),
    "unparsable": ('"soon"', "Malformed date string: Text 'soon' could not be parsed at index 0"),
    # As far as a database, and our own calendar, can count.
    "year-1": ("-62135596800000", "0001-01-01 00:00:00Z"),
    "beyond-long": ("99999999999999999999", "Malformed JSON: Numeric value (9999"),
    "hardly-anything": ("1e-999999999999", "1970-01-01 00:00:00Z"),
}


@pytest.mark.parametrize("key", ["instructionDate", "expirationDate"])
@pytest.mark.parametrize("row", DATES.values(), ids=DATES)
def test_1_2_date(simulator: Simulator, row: tuple[str, str | None], key: str) -> None:
    given, expected = row
    answer = post(simulator, f'{{"{key}":{given},"nodeId":1}}', TARGETS["add"])
    if expected is not None and expected.startswith("Malformed"):
        status, said = answer.refusal
        assert (status, said[: len(expected)]) == (422, expected)
        return
    default = None if key == "expirationDate" else "2026-01-02 03:04:05.123456Z"
    assert answer.data.get(key) == (expected or default)


# --- §1.3 --------------------------------------------------------------------------------------

VALUES: dict[str, tuple[str, list[tuple[str, str]] | str]] = {
    "text": ('"a":"text"', [("a", "text"), ("z", "1")]),
    "empty": ('"a":""', [("z", "1")]),
    "whole": ('"a":123', [("z", "1")]),
    "decimal": ('"a":1.5', [("z", "1")]),
    "true": ('"a":true', [("z", "1")]),
    "false": ('"a":false', [("z", "1")]),
    "null": ('"a":null', [("z", "1")]),
    "empty-array": ('"a":[]', PAST),
    "array": ('"a":["b"]', PAST),
    "object": ('"a":{"b":"c"}', PAST),
    "empty-object": ('"a":{}', PAST),
    "twice": ('"a":"1","a":"2"', [("a", "1"), ("a", "2"), ("z", "1")]),
}


@every_target
@pytest.mark.parametrize("key", ["params", "parameters"])
@pytest.mark.parametrize("row", VALUES.values(), ids=VALUES)
def test_1_3_value(
    simulator: Simulator, target: str, key: str, row: tuple[str, list[tuple[str, str]] | str]
) -> None:
    given, expected = row
    answer = post(simulator, f'{{"nodeId":1,"{key}":{{{given},"z":"1"}}}}', target)
    if isinstance(expected, str):
        status, said = answer.refusal
        assert (status, said[: len(expected)]) == (422, expected)
    else:
        assert pairs(answer.data) == expected


LISTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "no-objects": ('1,"x",null,true', []),
    "inherits": (
        '{"name":"a","value":"1"},{"value":"x"},{"name":"c"}',
        [("a", "1"), ("a", "x"), ("c", "x")],
    ),
    "unknown-scalar": ('{"name":"a","note":7,"value":"1"}', [("a", "1")]),
    "value-of-no-text": (
        '{"name":"a","value":"1"},{"name":"b","value":2},{"name":"c"},{"name":"d","value":"4"}',
        [("a", "1"), ("d", "4")],
    ),
    "value-null": ('{"name":"a","value":null},{"value":"2"}', [("a", "2")]),
    "nothing-yet": ('{"value":"1"},{"name":"a"}', [("a", "1")]),
    "name-twice": ('{"name":"a","value":"1"},{"name":"a","value":"2"}', [("a", "1"), ("a", "2")]),
}


@every_target
@pytest.mark.parametrize("key", ["params", "parameters"])
@pytest.mark.parametrize("row", LISTS.values(), ids=LISTS)
def test_1_3_list(
    simulator: Simulator, target: str, key: str, row: tuple[str, list[tuple[str, str]]]
) -> None:
    given, expected = row
    answer = post(simulator, f'{{"nodeId":1,"{key}":[{given}]}}', target)
    assert pairs(answer.data) == expected


LAST_WINS = {
    "list-last": ('"params":{"a":"1"},"parameters":[{"name":"b","value":"2"}]', [("b", "2")]),
    "object-last": ('"parameters":[{"name":"b","value":"2"}],"params":{"a":"1"}', [("a", "1")]),
    "same-key": ('"params":{"a":"1"},"params":{"b":"2"}', [("b", "2")]),
    "null-wipes": ('"params":{"a":"1"},"parameters":null', []),
    "scalar-wipes": ('"parameters":{"a":"1"},"params":"x"', []),
}


@pytest.mark.parametrize("row", LAST_WINS.values(), ids=LAST_WINS)
def test_1_2_params_and_parameters_are_one_key(
    simulator: Simulator, row: tuple[str, list[tuple[str, str]]]
) -> None:
    given, expected = row
    assert pairs(post(simulator, f'{{"nodeId":1,{given}}}').data) == expected


# --- §1.4 --------------------------------------------------------------------------------------

SHAPES: dict[str, tuple[str, str | None]] = {
    "any-order": ('{"params":{"a":"1"},"expirationDate":"","topic":"t","nodeId":1}', None),
    "unknown-scalar-last": ('{"nodeId":1,"params":{"a":"1"},"foo":"bar"}', None),
    "unknown-null-last": ('{"nodeId":1,"params":{"a":"1"},"foo":null}', None),
    "unknown-scalar-before-an-object": ('{"foo":1,"nodeId":1,"params":{"a":"1"}}', PAST),
    "unknown-scalar-before-scalars": ('{"foo":1,"nodeId":1}', NODE_MISSING),
    "unknown-object-last": ('{"nodeId":1,"params":{"a":"1"},"foo":{}}', PAST),
    "unknown-object-with-members": ('{"nodeId":1,"params":{"a":"1"},"foo":{"a":1}}', PAST),
    "unknown-array-last": ('{"nodeId":1,"params":{"a":"1"},"foo":[1,[2]]}', None),
    "unknown-array-with-object": ('{"nodeId":1,"params":{"a":"1"},"foo":[{}]}', PAST),
    "node-ids": ('{"nodeIds":[1],"params":{"a":"1"}}', PAST),
    "node-ids-last": ('{"nodeId":1,"params":{"a":"1"},"nodeIds":[1,11]}', None),
    "second-object": ('{"nodeId":1,"params":{"a":"1"}}{}', "Malformed JSON: "),
    "second-brace": ('{"nodeId":1,"params":{"a":"1"}}}', "Malformed JSON: "),
    "trailing-word": ('{"nodeId":1,"params":{"a":"1"}}x', "Malformed JSON: "),
    "trailing-blank": ('{"nodeId":1,"params":{"a":"1"}} \n', None),
}


@every_target
@pytest.mark.parametrize("row", SHAPES.values(), ids=SHAPES)
def test_1_4_shape(simulator: Simulator, target: str, row: tuple[str, str | None]) -> None:
    body, expected = row
    answer = post(simulator, body, target)
    if expected is None:
        assert pairs(answer.data) == [("a", "1")]
    else:
        status, said = answer.refusal
        assert (status, said[: len(expected)]) == (422, expected)


# --- §7.1, of bodies ---------------------------------------------------------------------------

BODIES = {
    "malformed": (b'{"nodeId":1', "Malformed JSON: "),
    "not-an-object": (b"[]", "Malformed JSON: Unable to parse NodeInstruction (not an object)"),
    "null": (b"null", "Malformed request: Required request body is missing: public "),
    "empty": (b"", "Malformed request: Required request body is missing: public "),
    "invalid-utf-8": (b'{"nodeId":1,"topic":"\xff"}', "Malformed JSON: Invalid UTF-8 "),
    "bad-date": (b'{"expirationDate":"x"}', "Malformed date string: Text 'x' could not be parsed"),
    "no-node": (b"{}", NODE_MISSING),
}


@every_target
@pytest.mark.parametrize("row", BODIES.values(), ids=BODIES)
def test_7_1_body(simulator: Simulator, target: str, row: tuple[bytes, str]) -> None:
    body, expected = row
    more = [] if body else [("Content-Type", JSON)]
    headers = signed_headers("POST", target, body, more=more)
    status, said = ask(simulator, "POST", target, headers, body).refusal
    assert (status, said[: len(expected)]) == (422, expected)


@pytest.mark.parametrize("topic", ['"topic":""', '"topic":null', '"topic":7', '"params":{}'])
@pytest.mark.parametrize("path", ["add", "exec"])
def test_7_1_topic_is_missing(simulator: Simulator, path: str, topic: str) -> None:
    answer = post(simulator, f'{{"nodeId":1,{topic}}}', f"{BASE}/{path}")
    assert answer.refusal == (422, "Illegal argument: The topic parameter is required.")

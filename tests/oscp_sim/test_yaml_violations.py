from typing import Any

import pytest
from jsonschema import Draft7Validator

from oscp_sim.yaml_source import YamlDocument, read_yaml
from oscp_sim.yaml_violations import FileSchema

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "description": "What it is called. Then more.", "maxLength": 5},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"enum": ["KW", "KWH"]},
        "word": {"const": "nothing"},
        "code": {"type": "string", "pattern": "^[a-z]+$", "description": "Small letters."},
        "secret": {"type": "string", "minLength": 6, "pattern": "^s", "writeOnly": True},
        "hidden": {"multipleOf": 7, "writeOnly": True},
        "list": {"type": "array", "minItems": 1},
        "either": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        "apart": {"not": {"required": ["a", "b"]}},
        "never": {"not": {}},
        "odd": {"multipleOf": 2},
        "some": {"type": "object", "minProperties": 1},
        "pause": {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?(s|m)$"},
    },
}


CASES = {
    "unknown key": ("name: a\nnmae: b", 'f:2:1: unknown key "nmae"; known here: count'),
    "misspelled key": ("name: a\nCuont: b", 'f:2:1: unknown key "Cuont"; did you mean "count"?'),
    "missing key": ("count: 1", 'f:1:1: "name" is missing: What it is called'),
    "number for text": (
        "name: 5",
        "f:1:7: expected a string, got a whole number; put it in quotes",
    ),
    "nothing for text": ("name:", "f:1:6: expected a string, got nothing"),
    "too long": ("name: toolong", "f:1:7: expected at most 5 characters"),
    "fraction": ("{name: a, count: 1.5}", "f:1:18: expected a whole number, got a number"),
    "too small": ("{name: a, count: 0}", "f:1:18: 0 is below 1, the minimum"),
    "too great": ("{name: a, count: 10}", "f:1:18: 10 is above 9, the maximum"),
    "misspelled word": (
        "{name: a, unit: kw}",
        'f:1:17: "kw" is not known here; did you mean "KW"?',
    ),
    "number for a word": ("{name: a, unit: 3}", "f:1:17: 3 is not known here; known here: KW, KWH"),
    "the one word": ("{name: a, word: x}", 'f:1:17: "x" is not known here; known here: nothing'),
    "form": ("{name: a, code: X1}", 'f:1:17: "X1" does not have the right form: Small letters'),
    "empty list": ("{name: a, list: []}", "f:1:17: expected at least 1 item(s)"),
    "seconds without unit": (
        "{name: a, pause: 3}",
        "f:1:18: expected a string, got a whole number; write it as 3s",
    ),
    "a fraction of seconds": (
        "{name: a, pause: 1.5}",
        "f:1:18: expected a string, got a number; write it as 1.5s",
    ),
    "no seconds": (
        "{name: a, pause: 0}",
        "f:1:18: expected a string, got a whole number; write it as 2s",
    ),
    "seconds below zero": (
        "{name: a, pause: -3}",
        "f:1:18: expected a string, got a whole number; write it as 2s",
    ),
    "no number of seconds": (
        "{name: a, pause: true}",
        "f:1:18: expected a string, got true or false; write it as 2s",
    ),
    "a list of seconds": ("{name: a, pause: []}", "f:1:18: expected a string, got a list"),
    "a form that is not a duration": (
        "{name: a, code: 3}",
        "f:1:17: expected a string, got a whole number; put it in quotes",
    ),
    "empty mapping": ("{name: a, some: {}}", "f:1:17: expected at least 1 key(s)"),
    "none of several": ("{name: a, either: {}}", "f:1:19: one of a, b is required here"),
    "two of several": (
        "{name: a, either: {a: 1, b: 1}}",
        "f:1:26: only one of a, b is allowed here",
    ),
    "together": ("{name: a, apart: {a: 1, b: 1}}", "f:1:25: a and b exclude each other"),
    "never": ("{name: a, never: 1}", "f:1:11: does not belong here"),
    "a rule without words of ours": ("{name: a, odd: 3}", "f:1:16: 3 is not a multiple of 2"),
    "not a mapping": ("[]", "f:1:1: expected a mapping, got a list"),
    "empty file": ("", "f:1:1: expected a mapping, got nothing"),
}


@pytest.mark.parametrize(("text", "problem"), CASES.values(), ids=CASES)
def test_a_breach_says_where_and_what_to_do(text: str, problem: str) -> None:
    problems = FileSchema(SCHEMA).problems(read_yaml(text, "f"))
    assert len(problems) == 1
    assert str(problems[0]).startswith(problem)


def test_all_breaches_come_in_file_order() -> None:
    text = "unit: x\nname: 1\nextra: 2\nlist: []\ncount: 0\n"
    problems = FileSchema(SCHEMA).problems(read_yaml(text, "f"))
    assert [problem.line for problem in problems] == [1, 2, 3, 4, 5]
    assert [problem.pointer for problem in problems] == [
        "/unit",
        "/name",
        "/extra",
        "/list",
        "/count",
    ]


def test_of_very_many_breaches_a_hundred_are_told() -> None:
    text = "".join(f"extra{number}: 1\n" for number in range(200))
    problems = FileSchema(SCHEMA).problems(read_yaml(text, "f"))
    assert len(problems) == 101
    assert str(problems[-1]) == "f: there is more that is wrong: mend this first"


def test_each_missing_key_is_reported_once() -> None:
    problems = FileSchema({"required": ["a", "b"]}).problems(read_yaml("{}", "f"))
    assert [problem.message for problem in problems] == ['"a" is missing', '"b" is missing']


@pytest.mark.parametrize("secret", ["hush", "a-secret-of-mine", "[hush]", "{hush: 1}", "7"])
@pytest.mark.parametrize("key", ["secret", "hidden"])
def test_a_secret_is_never_shown(secret: str, key: str) -> None:
    schema = (
        SCHEMA if key == "secret" else {"properties": {"hidden": {"enum": [1], "writeOnly": True}}}
    )
    problems = FileSchema(schema).problems(read_yaml(f"name: a\n{key}: {secret}", "f"))
    assert problems
    assert all(secret.strip("[]{}: 1") not in problem.message for problem in problems)


def test_a_good_document_has_no_problem_and_a_part_has_places_in_the_whole() -> None:
    document = read_yaml("in:\n  name: a\n  count: 0\n", "f")
    assert FileSchema(SCHEMA).problems(read_yaml("name: a", "f")) == []
    (problem,) = FileSchema(SCHEMA).problems(document.at("/in"))
    assert (str(problem), problem.pointer) == (
        "f:3:10: 0 is below 1, the minimum",
        "/in/count",
    )


def test_values_are_judged_too() -> None:
    (problem,) = FileSchema(SCHEMA).problems(YamlDocument.of({"name": "a", "count": 0}, "here"))
    assert str(problem) == "here: /count: 0 is below 1, the minimum"


def test_the_schema_of_these_tests_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)

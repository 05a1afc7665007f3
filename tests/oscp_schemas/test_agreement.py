"""Judgements, held against those of `jsonschema`: the verdict, and each violation in its order."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import OrderedDict
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

import oscp_schemas
from oscp_schemas import Fidelity
from oscp_send.testing import Sample, actions, damaged, json_values, messages
from tests.oscp_schemas import oracles

if TYPE_CHECKING:
    from collections.abc import Iterator

    Message: TypeAlias = dict[str, Any]

EXAMPLES = [
    pytest.param(action, example, id=f"{action}-{index}")
    for action in oscp_schemas.ACTIONS
    for index, example in enumerate(oscp_schemas.schema(action)["examples"])
]
FIDELITIES: tuple[Fidelity, ...] = get_args(Fidelity)


def assert_agreement(action: str, value: object) -> bool:
    """Return the observed verdict, on which all must agree; a text and a value alike."""
    text = json.dumps(value)
    for fidelity in FIDELITIES:
        expected = oracles.violations(oracles.validator(action, fidelity), value)
        assert_same(oscp_schemas.judge(action, value, fidelity=fidelity), expected)
        assert_same(oscp_schemas.judge(action, text, fidelity=fidelity), expected)
    if not oracles.accepts_without_formats(action, value):
        assert oscp_schemas.judge(action, text) != []
    return expected == []


def assert_same(
    found: list[oscp_schemas.Violation], expected: list[oscp_schemas.Violation]
) -> None:
    assert list(map(_fields, found)) == list(map(_fields, expected))


def _fields(each: oscp_schemas.Violation) -> tuple[object, ...]:
    # 1 is equal to 1.0 and to true; in a tuple, NaN is equal to itself on every Python.
    return each.pointer, each.rule, each.message, each.expected, each.got, type(each.got)


@pytest.mark.parametrize(("action", "example"), EXAMPLES)
def test_on_every_example(action: str, example: Message) -> None:
    assert assert_agreement(action, example)


@pytest.mark.parametrize(("action", "example"), EXAMPLES)
@pytest.mark.parametrize("other", oscp_schemas.ACTIONS)
def test_on_every_example_under_another_action(action: str, example: Message, other: str) -> None:
    assert_agreement(other, example)


@given(messages(sound=False))
def test_on_any_valid_message(sample: Sample) -> None:
    assert assert_agreement(*sample)


@given(damaged(messages(sound=False), most_places=3))
def test_on_any_damaged_message(sample: Sample) -> None:
    assert_agreement(*sample)


@given(actions(), json_values())
def test_on_any_json(action: str, value: object) -> None:
    if not isinstance(value, str):  # which would be taken as JSON text
        assert_agreement(action, value)


@given(
    st.sampled_from(oscp_schemas.ACTIONS),
    st.dictionaries(st.sampled_from("ab"), st.text(), min_size=1),
)
def test_properties_that_the_schema_does_not_know_change_nothing(
    action: str, extras: dict[str, str]
) -> None:
    example = oscp_schemas.schema(action)["examples"][0]
    assert oscp_schemas.judge(action, {**example, **extras}) == []


class Word(StrEnum):
    KW = "KW"
    NONE = "none"


class Count(IntEnum):
    FEWER = -3
    MORE = 3


class Kilowatt(float):
    pass


class Name(str):
    __slots__ = ()


def nested(depth: int, value: object = 1) -> object:
    for _ in range(depth):
        value = [value]
    return value


ODD: tuple[object, ...] = (
    *(math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("-Infinity"), [math.nan, None]),
    *(0, -0.0, 1, 1.0, True, False, None, -5e-324, 5e-324, 1e308, -1e308, 2**53 + 1, -(2**64)),
    *(10**30, -(10**30), 10**400, -(10**400), Decimal("1e400"), Decimal("-1e400")),
    *(Decimal("1e-400"), Decimal("-1e-400"), Decimal("-1E-999999"), Decimal("1.5"), Decimal(-2)),
    *(Decimal("1" * 400 + ".5"), Decimal("-" + "1" * 400 + ".5"), Decimal("-0")),
    *(Kilowatt(3), Kilowatt(-3), Count.MORE, Count.FEWER, Word.KW, Word.NONE, Name("ALL")),
    *([], {}, (), [1, 1.0], [1, True], [True, True], [0, False], [0, -0.0], [[1], [2]], [[], {}]),
    *([[1], [1.0]], [{"a": 1}, {"a": 1.0}], [{"a": 1}, {"a": 2}], ("A", "A"), [10**400, 10**401]),
    *([Decimal(1), 1], ["A", Name("A")], ["x", "CONTINUOUS", "x"], [Word.KW, "KW"]),
    *("\ud83d", "half \udd0c", ["\ud83d", "\ud83e"], ["\ud83d", "\ud83d"], ["\ud83d", "?"]),
    *("2031-03-01T00:00:00Z\ud83d", Name("2031-03-01T00:00:00Z"), {"\ud83d": 1, 2: 3, None: 4}),
    *(nested(100), nested(300), [nested(100), nested(100)], [nested(100), nested(101)]),
    *(b"KW", bytearray(b"KW"), {1}, [{1}, {2}], OrderedDict(unit="KW"), 1j),
)


def with_each_place_replaced(message: Any, value: object) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield copies of a message in each of which the value takes the place of another one."""
    yield value
    if isinstance(message, dict):
        for name, child in message.items():
            for each in with_each_place_replaced(child, value):
                yield {**message, name: each}
    elif isinstance(message, list):
        for index, child in enumerate(message):
            for each in with_each_place_replaced(child, value):
                yield [*message[:index], each, *message[index + 1 :]]


@pytest.mark.parametrize("value", ODD, ids=lambda value: ascii(value)[:40])
def test_on_odd_values_at_every_place(value: object) -> None:
    for action in oscp_schemas.ACTIONS:
        validator = oracles.validator_of_python_values(action)
        example = max(oscp_schemas.schema(action)["examples"], key=lambda each: len(str(each)))
        for message in with_each_place_replaced(example, value):
            if not isinstance(message, str | bytes | bytearray):  # which are taken as JSON text
                assert_same(
                    oscp_schemas.judge(action, message), oracles.violations(validator, message)
                )


class Ampere(Enum):
    """A plain enumeration, which jsonschema-rs takes for its values."""

    A = "A"
    WRONG = "amp"


def test_the_verdict_of_one_value_does_not_hang_on_another() -> None:
    message = oscp_schemas.schema("AdjustGroupCapacityForecast")["examples"][0]
    (block,) = message["forecasted_blocks"]
    block["unit"] = Ampere.A
    assert oscp_schemas.judge("AdjustGroupCapacityForecast", message) == []
    block["phase"] = "all"
    (violation,) = oscp_schemas.judge("AdjustGroupCapacityForecast", message)
    assert violation.pointer == "/forecasted_blocks/0/phase"
    block["phase"], block["unit"] = "ALL", Ampere.WRONG
    (violation,) = oscp_schemas.judge("AdjustGroupCapacityForecast", message)
    assert (violation.pointer, violation.rule) == ("/forecasted_blocks/0/unit", "enum")


def test_many_threads_may_judge_at_once_from_the_start() -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
import oscp_schemas
texts = ['{"offline_mode_at":"never"}', '{"offline_mode_at":"2031-03-01T00:00:00Z"}'] * 40
with ThreadPoolExecutor(8) as pool:
    found = pool.map(lambda text: len(oscp_schemas.judge("Heartbeat", text)), texts)
assert list(found) == [1, 0] * 40
"""
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own program


class TestValidator:
    """What `validator` gives to a program of its own."""

    @pytest.mark.parametrize(("action", "example"), EXAMPLES)
    def test_is_a_validator_of_jsonschema(self, action: str, example: Message) -> None:
        validator = oscp_schemas.validator(action)
        assert type(validator) is Draft7Validator
        validator.check_schema(validator.schema)
        validator.validate(example)
        assert validator.schema == oscp_schemas.schema(action)

    @pytest.mark.parametrize(("fidelity", "count"), [("documented", 1), ("observed", 0)])
    def test_reads_a_time_by_the_fidelity(self, fidelity: Fidelity, count: int) -> None:
        validator = oscp_schemas.validator("Heartbeat", fidelity=fidelity)
        errors = list(validator.iter_errors({"offline_mode_at": "2031-03-01 00:00:00Z"}))
        assert [error.validator for error in errors] == ["format"] * count

    def test_is_a_fresh_one_each_time(self) -> None:
        first = oscp_schemas.validator("Heartbeat")
        assert isinstance(first.schema, dict)
        first.schema["properties"].clear()
        checker = first.format_checker
        assert checker is not None
        checker.checks("date-time")(lambda _: True)
        assert not oscp_schemas.validator("Heartbeat").is_valid({"offline_mode_at": "never"})

    def test_refuses_what_judge_refuses(self) -> None:
        with pytest.raises(oscp_schemas.UnknownAction, match="did you mean Heartbeat"):
            oscp_schemas.validator("heartbeat")
        with pytest.raises(ValueError, match="'documented' or 'observed', not 'exact'"):
            oscp_schemas.validator("Heartbeat", fidelity=cast("Fidelity", "exact"))

"""The instruction: its body, and the cutting of parameters to the UTF-16 code unit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.instruction import (
    TOPIC,
    Instruction,
    join,
    join_parameters,
    split,
    split_parameters,
    utf16_length,
)
from oscp_send.messages import AdjustGroupCapacityForecast, GroupCapacityComplianceError, Handshake
from oscp_send.messages import RequiredBehaviour as Behaviour
from oscp_send.testing import texts_near_part_boundaries
from oscp_send.values import InvalidValue

SMILE = "\U0001f600"
START = datetime(2026, 3, 1, tzinfo=UTC)

any_text = (
    st.text(st.characters(), max_size=1200)
    | st.text(st.sampled_from(["a", "\u00e9", "\u4e2d", SMILE]), min_size=200, max_size=1200)
    | texts_near_part_boundaries(5)
)


def units(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


@given(any_text)
def test_what_is_split_is_joined_again(text: str) -> None:
    parts = split(text)
    assert join(parts) == text
    assert utf16_length(text) == len(units(text)) // 2
    assert len(parts) == -(-utf16_length(text) // 256)
    assert all(0 < utf16_length(part) <= 256 for part in parts)
    assert all(utf16_length(part) == 256 for part in parts[:-1])


@given(st.text(st.characters() | st.sampled_from(["\ud83d", "\ude00"]), max_size=600))
def test_halves_of_surrogate_pairs_are_carried_unit_by_unit(text: str) -> None:
    assert b"".join(units(part) for part in split(text)) == units(text)
    assert units(join(split(text))) == units(text)


@pytest.mark.parametrize(
    ("length", "lengths"),
    [
        (0, []),
        (1, [1]),
        (255, [255]),
        (256, [256]),
        (257, [256, 1]),
        (511, [256, 255]),
        (512, [256, 256]),
        (513, [256, 256, 1]),
    ],
)
@pytest.mark.parametrize("character", ["x", "\u4e2d"], ids=["ascii", "bmp"])
def test_parts_are_256_long_and_none_is_empty(
    character: str, length: int, lengths: list[int]
) -> None:
    assert [utf16_length(part) for part in split(character * length)] == lengths


def test_a_surrogate_pair_is_cut_at_the_boundary_and_restored() -> None:
    text = "x" * 255 + SMILE + "y"
    first, second = split(text)
    assert first == "x" * 255 + "\ud83d"
    assert second == "\ude00y"
    assert join([first, second]) == text


def test_a_length_is_a_whole_number() -> None:
    assert f"{utf16_length(SMILE)} units" == "2 units"


def test_every_parameter_is_cut_and_empty_ones_vanish() -> None:
    cut = split_parameters([("a", "x" * 300), ("b", ""), ("", "lost"), ("c", "z")])
    assert cut == [("a", "x" * 256), ("a", "x" * 44), ("c", "z")]


def test_parts_are_joined_by_name_adjacent_or_not() -> None:
    parts = [("msg", "1\ud83d"), ("coId", "7"), ("msg", "\ude002"), ("action", "A")]
    assert join_parameters(parts) == {"msg": f"1{SMILE}2", "coId": "7", "action": "A"}
    assert list(join_parameters(parts)) == ["msg", "coId", "action"]


@given(st.lists(st.tuples(st.sampled_from("abc"), any_text), max_size=4))
def test_parameters_survive_the_cut(parameters: list[tuple[str, str]]) -> None:
    whole = {name: value for name, value in join_parameters(parameters).items() if value}
    assert join_parameters(split_parameters(parameters)) == whole


def test_the_body_is_the_guides() -> None:
    instruction = Instruction.of_message(
        "Handshake",
        "{}",
        node_id=1,
        co_id=1,
        cg_identifier="foo-group",
        correlation_id="sdldkj0-1lk3j389-flk4230fhfg",
    )
    assert instruction.topic == TOPIC == "OSCP_v20"
    assert instruction.body() == {
        "nodeId": 1,
        "params": {
            "coId": "1",
            "cgIdentifier": "foo-group",
            "action": "Handshake",
            "msg": "{}",
            "correlationId": "sdldkj0-1lk3j389-flk4230fhfg",
        },
    }


def test_the_body_is_compact_ascii_without_what_is_not_given() -> None:
    instruction = Instruction.of_message(
        "Handshake", "{}", node_id=1, co_id="7", cg_identifier="d\u00e9p\u00f4t"
    )
    assert instruction.to_json() == (
        '{"nodeId":1,"params":{"coId":"7","cgIdentifier":"d\\u00e9p\\u00f4t",'
        '"action":"Handshake","msg":"{}"}}'
    )


def test_repeated_names_are_joined_in_the_body() -> None:
    instruction = Instruction(TOPIC, 1, (("msg", "{"), ("msg", "}")))
    assert instruction.body()["params"] == {"msg": "{}"}


@pytest.mark.parametrize(
    ("expires", "text"),
    [
        (START, "2026-03-01T00:00:00Z"),
        (START + timedelta(microseconds=1999), "2026-03-01T00:00:00.001Z"),
    ],
    ids=["seconds", "milliseconds"],
)
def test_an_expiration_date_is_written_in_utc(expires: datetime, text: str) -> None:
    assert Instruction(TOPIC, 1, (), expires).body()["expirationDate"] == text


def test_a_naive_expiration_date_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"^expiration_date: 2026-03-01T\S+ has no"):
        Instruction(TOPIC, 1, (), datetime(2026, 3, 1)).body()  # noqa: DTZ001 - what is refused


def capacities(count: int, characters: int) -> list[float]:
    """Return capacities of three decimals, or fewer, that take so many characters together."""
    short = 6 * count - characters - 2
    return [50.0, *[12.34] * short, *[12.345] * (count - 1 - short)]


def forecast(count: int, minutes: int, values: list[float]) -> AdjustGroupCapacityForecast:
    return AdjustGroupCapacityForecast.from_capacities(
        "cg-1", "CONSUMPTION", START, timedelta(minutes=minutes), values
    )


def compliance(count: int, characters: int) -> GroupCapacityComplianceError:
    blocks = forecast(count, 15, capacities(count, characters)).forecasted_blocks if count else None
    return GroupCapacityComplianceError("x" * 31, blocks)


# The table gives no capacities; these have as many characters as its own.
SIZES = {
    "1 block": (forecast(1, 15, capacities(1, 4)), (176, 1), (190, 1), (242, 1)),
    "4 x 15 min": (forecast(4, 15, capacities(4, 22)), (524, 3), (568, 3), (740, 3)),
    "24 x 1 h": (forecast(24, 60, capacities(24, 138)), (2840, 12), (3084, 13), (4056, 16)),
    "24 x 1 h, int capacity": (forecast(24, 60, [100] * 24), (2774, 11), (3018, 12), (3990, 16)),
    "48 x 30 min": (forecast(48, 30, capacities(48, 278)), (5620, 22), (6104, 24), (8036, 32)),
    "96 x 15 min": (forecast(96, 15, capacities(96, 558)), (11180, 44), (12144, 48), (15996, 63)),
    "96 x 15 min int cap": (forecast(96, 15, [100] * 96), (10910, 43), (11874, 47), (15726, 62)),
    "288 x 5 min": (
        forecast(288, 5, capacities(288, 1674)),
        (33416, 131),
        (36300, 142),
        (47832, 187),
    ),
    "672 x 15 min (7 d)": (
        forecast(672, 15, capacities(672, 3908)),
        (77890, 305),
        (84614, 331),
        (111506, 436),
    ),
    "compliance, message only": (compliance(0, 0), (45, 1), (46, 1), (50, 1)),
    "compliance + 1 block": (compliance(1, 4), (181, 1), (193, 1), (243, 1)),
    "compliance + 96": (compliance(96, 558), (11185, 44), (12147, 48), (15997, 63)),
    "Handshake": (Handshake(Behaviour(["CONTINUOUS"], 60)), (91, 1), (95, 1), (123, 1)),
}


@pytest.mark.parametrize(("message", "compact", "default", "indented"), SIZES.values(), ids=SIZES)
def test_payloads_have_the_sizes_and_parts_of_the_table(
    message: AdjustGroupCapacityForecast,
    compact: tuple[int, int],
    default: tuple[int, int],
    indented: tuple[int, int],
) -> None:
    value = message.to_dict()
    for text, size in (
        (message.to_json(), compact),
        (json.dumps(value), default),
        (json.dumps(value, indent=2), indented),
    ):
        assert (len(text), len(split(text))) == size

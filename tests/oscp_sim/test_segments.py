"""Messages in segments (oscp20.md §2.3, X21), by both readings of what they correlate to."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.system.segments import Segments, Taken
from tests.cases.payloads import asset, block, energy, forecast_value

UPDATE = "UpdateGroupCapacityForecast"


def part(*capacities: int, **changes: object) -> dict[str, Any]:
    """Return a forecast of blocks that are told apart by their capacities."""
    return forecast_value(
        forecasted_blocks=[block(capacity=each) for each in capacities], **changes
    )


class Sender:
    """Sends segments as the one that a test is about would."""

    def __init__(self, action: str = UPDATE) -> None:
        self.segments = Segments()
        self.action = action

    def send(
        self,
        message: dict[str, Any],
        request_id: str,
        correlation_id: str | None = None,
        index: object = None,
        count: object = None,
    ) -> Taken:
        return self.segments.take(
            self.action,
            message,
            request_id=request_id,
            correlation_id=correlation_id,
            index=None if index is None else str(index),
            count=None if count is None else str(count),
        )


@pytest.fixture
def sender() -> Sender:
    return Sender()


def capacities(taken: Taken) -> list[int]:
    assert taken.state == "complete", taken.problem
    assert taken.message is not None
    return [each["capacity"] for each in taken.message["forecasted_blocks"]]


def problem(taken: Taken) -> str:
    assert (taken.state, taken.message) == ("problem", None)
    return taken.problem


def test_a_message_that_was_not_cut_is_whole(sender: Sender) -> None:
    message = part(1, 2)
    taken = sender.send(message, "r1", "r0")
    assert taken == Taken("complete", message, "r1", "r0")
    assert taken.message is not message


def test_one_of_one_is_whole(sender: Sender) -> None:
    taken = sender.send(part(1), "r1", "r0", 1, 1)
    assert taken == Taken("complete", part(1), "r1", "r0")


def test_two_segments_read_the_same_either_way(sender: Sender) -> None:
    assert sender.send(part(1), "r1", "r0", 1, 2) == Taken(
        "waiting", None, "r1", "r0", correlates_to="either", missing=(2,)
    )
    taken = sender.send(part(2), "r2", "r1", 2, 2)
    assert capacities(taken) == [1, 2]
    # The whole message is the first request, which answers the original one.
    assert (taken.request_id, taken.correlation_id) == ("r1", "r0")
    assert taken.correlates_to == "either"


@pytest.mark.parametrize(
    ("third", "fourth", "reading"),
    [
        ("r1", "r1", "the first"),
        ("r2", "r3", "the one before"),
        ("r2", "r1", "both in turn"),
    ],
)
def test_the_contradiction_is_taken_both_ways(
    sender: Sender, third: str, fourth: str, reading: str
) -> None:
    sender.send(part(1), "r1", None, 1, 4)
    sender.send(part(2), "r2", "r1", 2, 4)
    sender.send(part(3), "r3", third, 3, 4)
    taken = sender.send(part(4), "r4", fourth, 4, 4)
    assert capacities(taken) == [1, 2, 3, 4]
    assert taken.correlates_to == reading
    assert (taken.request_id, taken.correlation_id) == ("r1", None)


def test_segments_that_name_the_first_may_come_in_any_order_after_it(sender: Sender) -> None:
    sender.send(part(1), "r1", None, 1, 3)
    waiting = sender.send(part(3), "r3", "r1", 3, 3)
    assert (waiting.state, waiting.missing) == ("waiting", (2,))
    assert capacities(sender.send(part(2), "r2", "r1", 2, 3)) == [1, 2, 3]


def test_messages_are_told_apart_by_what_they_correlate_to(sender: Sender) -> None:
    sender.send(part(1), "a1", None, 1, 2)
    sender.send(part(5), "b1", None, 1, 2)
    assert capacities(sender.send(part(2), "a2", "a1", 2, 2)) == [1, 2]
    assert capacities(sender.send(part(6), "b2", "b1", 2, 2)) == [5, 6]


def test_measurements_and_errors_are_merged_too() -> None:
    measurements = Sender("UpdateGroupMeasurements")
    measurements.send({"group_id": "g", "measurements": [energy(value=1)]}, "r1", None, 1, 2)
    taken = measurements.send(
        {"group_id": "g", "measurements": [energy(value=2)]}, "r2", "r1", 2, 2
    )
    assert taken.message == {"group_id": "g", "measurements": [energy(value=1), energy(value=2)]}
    assets = Sender("UpdateAssetMeasurement")
    assets.send({"group_id": "g", "measurements": [asset()]}, "r1", None, 1, 2)
    taken = assets.send({"group_id": "g", "measurements": [asset()]}, "r2", "r1", 2, 2)
    assert taken.message == {"group_id": "g", "measurements": [asset(), asset()]}
    errors = Sender("GroupCapacityComplianceError")
    errors.send({"message": "too little"}, "r1", "f1", 1, 2)
    taken = errors.send({"message": "", "forecasted_blocks": [block()]}, "r2", "r1", 2, 2)
    assert taken.message == {"message": "too little", "forecasted_blocks": [block()]}
    errors.send({"message": "a"}, "r3", "f1", 1, 2)
    assert errors.send({"message": "b"}, "r4", "r3", 2, 2).message == {"message": "a"}


# --- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "count", "expected"),
    [
        (1, None, "X-Segment-Count is missing"),
        (None, 2, "X-Segment-Index is missing"),
        (0, 2, "X-Segment-Index is not a number from 1 to 9999"),
        ("", 2, "X-Segment-Index is not a number"),
        ("one", 2, "X-Segment-Index is not a number"),
        ("1.0", 2, "X-Segment-Index is not a number"),
        ("-1", 2, "X-Segment-Index is not a number"),
        ("\u0661", 2, "X-Segment-Index is not a number"),
        (1, 0, "X-Segment-Count is not a number"),
        (1, "9" * 5000, "X-Segment-Count is not a number"),
        (3, 2, "segment 3 of 2: there is no such segment"),
    ],
)
def test_headers_that_cannot_be(
    sender: Sender, index: object, count: object, expected: str
) -> None:
    assert problem(sender.send(part(1), "r1", None, index, count)).startswith(expected)


@pytest.mark.parametrize(
    "action", ["Register", "Handshake", "HandshakeAcknowledge", "Heartbeat", "Another"]
)
def test_only_messages_with_a_list_are_cut(action: str) -> None:
    sender = Sender(action)
    assert "holds no list" in problem(sender.send({}, "r1", None, 1, 2))
    assert sender.send({}, "r1").state == "complete"


@pytest.mark.parametrize(
    ("correlation_id", "expected"),
    [
        (None, "segment 2 of 3 has no X-Correlation-ID: send the X-Request-ID of the first"),
        ("r0", 'segment 2 of 3 correlates to "r0", which no segment before it bore'),
        ("", 'segment 2 of 3 correlates to ""'),
    ],
)
def test_a_later_segment_names_one_before_it(
    sender: Sender, correlation_id: str | None, expected: str
) -> None:
    sender.send(part(1), "r1", "r0", 1, 3)
    assert problem(sender.send(part(2), "r2", correlation_id, 2, 3)).startswith(expected)
    # It is as if it had not come.
    assert sender.send(part(2), "r2", "r1", 2, 3).missing == (3,)


def test_the_first_segment_comes_first(sender: Sender) -> None:
    assert "no segment before it bore" in problem(sender.send(part(2), "r2", "r1", 2, 2))


def test_another_action_is_another_message(sender: Sender) -> None:
    sender.send(part(1), "r1", None, 1, 2)
    sender.action = "AdjustGroupCapacityForecast"
    assert "no segment before it bore" in problem(sender.send(part(2), "r2", "r1", 2, 2))


def test_the_count_stays_the_same(sender: Sender) -> None:
    sender.send(part(1), "r1", None, 1, 3)
    taken = sender.send(part(2), "r2", "r1", 2, 2)
    assert problem(taken) == "segment 2 of 2 continues a message of 3 segments"
    assert taken.request_id == "r1"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"group_id": "bar"}, 'segment 2 of 2 is of the group_id "bar", the first "foo-group"'),
        ({"type": "OPTIMUM"}, 'segment 2 of 2 is of the type "OPTIMUM", the first "CONSUMPTION"'),
    ],
)
def test_all_are_of_one_group_and_type(
    sender: Sender, change: dict[str, str], expected: str
) -> None:
    sender.send(part(1), "r1", None, 1, 2)
    assert problem(sender.send(part(2, **change), "r2", "r1", 2, 2)) == expected


def test_a_number_comes_once(sender: Sender) -> None:
    sender.send(part(1), "r1", None, 1, 3)
    sender.send(part(2), "r2", "r1", 2, 3)
    taken = sender.send(part(9), "r9", "r1", 2, 3)
    assert problem(taken) == "segment 2 of 3 came before, with another X-Request-ID"
    assert capacities(sender.send(part(3), "r3", "r2", 3, 3)) == [1, 2, 3]


# --- repetition and oblivion --------------------------------------------------------------------


def test_a_segment_that_is_sent_again_is_not_taken_again(sender: Sender) -> None:
    sender.send(part(1), "r1", None, 1, 2)
    again = sender.send(part(1), "r1", None, 1, 2)
    assert (again.state, again.repeated, again.missing) == ("waiting", True, (2,))
    assert not sender.send(part(2), "r2", "r1", 2, 2).repeated
    for request_id, correlation_id, index in (("r1", None, 1), ("r2", "r1", 2)):
        late = sender.send(part(index), request_id, correlation_id, index, 2)
        assert (late.state, late.message, late.repeated) == ("waiting", None, True)


def test_a_later_segment_that_is_sent_again(sender: Sender) -> None:
    sender.send(part(1), "r1", None, 1, 3)
    sender.send(part(2), "r2", "r1", 2, 3)
    again = sender.send(part(2), "r2", "r1", 2, 3)
    assert (again.state, again.repeated, again.missing) == ("waiting", True, (3,))


def test_what_is_begun_and_never_finished_is_forgotten(sender: Sender) -> None:
    for number in range(65):
        sender.send(part(number), f"r{number}", None, 1, 2)
    assert problem(sender.send(part(99), "x", "r0", 2, 2))
    assert capacities(sender.send(part(99), "x", "r1", 2, 2)) == [1, 99]
    assert capacities(sender.send(part(99), "y", "r64", 2, 2)) == [64, 99]


def test_what_is_kept_does_not_change_with_what_was_given(sender: Sender) -> None:
    first = part(1)
    sender.send(first, "r1", None, 1, 2)
    first["forecasted_blocks"].append(block(capacity=7))
    assert capacities(sender.send(part(2), "r2", "r1", 2, 2)) == [1, 2]


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[list[int]], list[int], bool]:
    """Capacities, cut into segments; the order in which they come; and the reading."""
    listed = list(range(draw(st.integers(2, 40))))
    places = draw(st.sets(st.integers(1, len(listed) - 1)))
    edges = [0, *sorted(places), len(listed)]
    parts = [listed[start:end] for start, end in pairwise(edges)]
    names_first = draw(st.booleans())
    later = list(range(2, len(parts) + 1))
    order = draw(st.permutations(later)) if names_first else later
    return parts, [1, *order], names_first


@given(cuts())
def test_a_message_that_is_cut_anywhere_is_whole_again(
    cut: tuple[list[list[int]], list[int], bool],
) -> None:
    parts, order, names_first = cut
    sender = Sender()
    taken = None
    for number in order:
        named = "r1" if names_first else f"r{number - 1}"
        message, named_id = part(*parts[number - 1]), named if number > 1 else "r0"
        assert taken is None or taken.state == "waiting"
        taken = sender.send(message, f"r{number}", named_id, number, len(parts))
    assert taken is not None
    assert capacities(taken) == [each for listed in parts for each in listed]
    assert (taken.request_id, taken.correlation_id) == ("r1", "r0")
    if len(parts) > 2:
        reading = "the first" if names_first else "the one before"
        assert taken.correlates_to == reading


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.none() | st.sampled_from("abc"),
            st.none() | st.sampled_from(["", "0", "1", "2", "3", "x"]),
            st.none() | st.sampled_from(["", "0", "1", "2", "3", "x"]),
        ),
        max_size=20,
    )
)
def test_nothing_breaks_it(requests: list[tuple[str, str | None, str | None, str | None]]) -> None:
    sender = Sender()
    for request_id, correlation_id, index, count in requests:
        taken = sender.send(part(1), request_id, correlation_id, index, count)
        assert (taken.message is not None) == (taken.state == "complete")
        assert bool(taken.problem) == (taken.state == "problem")


def test_of_long_segments_the_oldest_message_is_forgotten(sender: Sender) -> None:
    large = part(*range(40_000))
    for number in range(8):
        sender.send(large, f"first {number}", None, 1, 3)
    assert sender.send(large, "x", "first 0", 2, 3).state == "problem"
    assert sender.send(large, "y", "first 7", 2, 3).state == "waiting"

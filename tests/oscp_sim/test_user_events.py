"""The room in which user events are kept: their ids, their order, and who finds which."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.clock import FrozenClock, RealClock
from oscp_sim.user_events import UserEvents
from tests.oscp_sim.rig import NOW

if TYPE_CHECKING:
    from uuid import UUID

LATER = NOW + timedelta(days=1)


class SettableClock(RealClock):
    """A clock that may jump back, as that of a machine does when somebody sets it."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return 0.0


def events(seed: int = 1) -> UserEvents:
    return UserEvents(FrozenClock(NOW), seed)


def ids(room: UserEvents, count: int = 3) -> list[UUID]:
    return [room.add(42, ["oscp"], "Something").id for _ in range(count)]


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    found = ids(events())[0]
    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    milliseconds = round(NOW.timestamp() * 1000 - 0.456)
    assert found.int >> 80 == milliseconds
    # 456 microseconds of the millisecond, as 4096ths of it (RFC 9562 §6.2, method 3).
    assert (found.int >> 64) & 0xFFF == 456 * 4096 // 1000


def test_ids_ascend_while_the_clock_stands_still() -> None:
    found = ids(events(), 1000)
    assert found == sorted(found)
    assert len(set(found)) == 1000


@given(st.lists(st.integers(-(10**12), 10**15), min_size=2, max_size=30), st.integers())
def test_ids_ascend_whatever_the_clock_does(microseconds: list[int], seed: int) -> None:
    clock = SettableClock(NOW)
    room = UserEvents(clock, seed)
    found = []
    for each in microseconds:
        clock.instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=each)
        found.append(room.add(42, [], "Something").id)
    assert all(before < after for before, after in pairwise(found))
    assert all(each.version == 7 for each in found)


def test_their_text_ascends_as_they_do() -> None:
    clock = FrozenClock(NOW)
    room = UserEvents(clock, 1)
    found = []
    for step in (0, 1e-6, 1e-3, 1, 86_400, 0, 0):
        clock.advance(step)
        found.append(str(room.add(42, [], "Something").id))
    assert found == sorted(found)


def test_the_same_seed_and_clock_give_the_same_ids() -> None:
    assert ids(events(7)) == ids(events(7))


def test_another_seed_gives_other_ids() -> None:
    assert not set(ids(events(7))) & set(ids(events(8)))


def test_threads_never_share_an_id_and_their_order_is_that_of_the_ids() -> None:
    room = events()
    threads = [threading.Thread(target=ids, args=(room, 200)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [event.id for event in room.find(42, NOW, LATER)]
    assert len(set(found)) == 800
    assert found == sorted(found)


def test_an_event_holds_what_it_was_given() -> None:
    event = events().add(42, ["oscp", "instruction"], "Queued instruction", {"coId": 7})
    assert (event.user_id, event.created, event.message) == (42, NOW, "Queued instruction")
    assert event.tags == ("oscp", "instruction")
    assert event.data == {"coId": 7}


@pytest.mark.parametrize("data", [None, {}, {"correlationId": None}])
def test_an_event_without_data_has_none(data: dict[str, object] | None) -> None:
    assert events().add(42, [], "Missing OSCP action", data).data is None


def test_a_member_without_a_value_is_left_out() -> None:
    event = events().add(42, [], "Something", {"action": "Handshake", "correlationId": None})
    assert event.data == {"action": "Handshake"}


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2022, 10, 8, 18, tzinfo=UTC), "2022-10-08T18:00:00.000Z"),
        (datetime(2022, 10, 8, 18, 0, 0, 120_000, tzinfo=UTC), "2022-10-08T18:00:00.120Z"),
        (
            datetime(2022, 10, 9, 7, tzinfo=timezone(timedelta(hours=13))),
            "2022-10-08T18:00:00.000Z",
        ),
    ],
)
def test_times_become_texts_in_the_style_of_solarnetwork(instant: datetime, text: str) -> None:
    event = events().add(42, [], "Something", {"content": {"blocks": [{"start_time": instant}]}})
    assert event.data == {"content": {"blocks": [{"start_time": text}]}}


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    event = events().add(42, ["\ud83d"], "a\udc00b", {"action": "x\ud83d", "\udc00": ["\ud83d"]})
    assert (event.tags, event.message) == (("?",), "a?b")
    assert event.data == {"action": "x?", "?": ["?"]}


def test_what_is_changed_afterwards_changes_no_event() -> None:
    data = {"group_id": "foo-group"}
    event = events().add(42, [], "Something", data)
    data["group_id"] = "another"
    assert event.data == {"group_id": "foo-group"}


def test_nobody_finds_an_event_of_somebody_else() -> None:
    room = events()
    room.add(42, ["oscp"], "Something")
    assert room.find(43, NOW, LATER) == []
    assert len(room.find(42, NOW, LATER)) == 1


def test_the_start_counts_and_the_end_does_not() -> None:
    clock = FrozenClock(NOW)
    room = UserEvents(clock, 1)
    first = room.add(42, [], "first")
    clock.advance(1)
    second = room.add(42, [], "second")
    assert room.find(42, first.created, second.created) == [first]
    assert room.find(42, second.created, second.created + timedelta(microseconds=1)) == [second]
    assert room.find(42, second.created, first.created) == []


@given(
    st.lists(st.frozensets(st.sampled_from("abc")), max_size=8),
    st.frozensets(st.sampled_from("abcd")),
)
def test_an_event_is_found_if_it_carries_all_tags(
    given_tags: list[frozenset[str]], wanted: frozenset[str]
) -> None:
    room = events()
    for tags in given_tags:
        room.add(42, sorted(tags), "Something")
    found = [frozenset(event.tags) for event in room.find(42, NOW, LATER, tags=wanted)]
    assert found == [tags for tags in given_tags if wanted <= tags]


@given(st.integers(0, 12), st.integers(0, 7), st.integers(1, 7))
def test_pages_put_together_are_all_there_is(count: int, offset: int, size: int) -> None:
    room = events()
    for number in range(count):
        room.add(42, [], str(number))
    everything = room.find(42, NOW, LATER)
    pages = [
        each
        for first in range(0, count, size)
        for each in room.find(42, NOW, LATER, offset=first, max=size)
    ]
    assert pages == everything
    assert room.find(42, NOW, LATER, offset=offset) == everything[offset:]
    assert room.find(42, NOW, LATER, max=0) == []


def test_paging_counts_only_what_fits() -> None:
    room = events()
    for number in range(6):
        room.add(42, ["even"] if number % 2 == 0 else [], str(number))
    found = room.find(42, NOW, LATER, tags=["even"], offset=1, max=1)
    assert [event.message for event in found] == ["2"]


def test_a_search_filter_sees_the_data_even_where_there_is_none() -> None:
    room = events()
    room.add(42, [], "with", {"coId": 7})
    room.add(42, [], "without")
    found = room.find(42, NOW, LATER, search_filter=lambda data: data == {})
    assert [event.message for event in found] == ["without"]


def test_clearing_forgets_events_and_goes_on_with_ids() -> None:
    room = events()
    before = ids(room)
    room.clear()
    assert room.find(42, NOW, LATER) == []
    assert ids(room)[0] > before[-1]

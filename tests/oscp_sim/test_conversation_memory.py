"""What a conversation keeps, what it forgets, and what it never shows."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.conversation import Conversation, ExchangedMessage, journaled
from oscp_sim.conversation.memory import Coverage, put_recent
from tests.oscp_sim.conversing import (
    GROUP,
    NOON,
    OPENED,
    REGISTERED,
    Line,
    block,
    converse,
    energy,
    forecast,
    heartbeat,
    measured,
    ours,
    spoken,
    theirs,
)

if TYPE_CHECKING:
    from oscp_sim.entry import PartyName

UPDATE, ERROR = "UpdateGroupCapacityForecast", "GroupCapacityComplianceError"


def opened() -> Conversation:
    return Conversation("capacity_provider", registered=True, handshaken=True)


def line(kind: str, index: int) -> Line:
    """Return the next message of a kind; no two have anything in common."""
    if kind == "heartbeats":
        return theirs("Heartbeat", heartbeat(index + 2))
    if kind == "handshakes":
        return ours("Handshake")
    if kind == "forecasts with gaps":
        return ours(UPDATE, forecast(block(30 * index, 30 * index + 15)))
    if kind == "forecasts of other groups":
        return ours(UPDATE, forecast(block(0, 15), group=f"g{index}"))
    readings = energy(index, index), energy(1, 1, energy_type=f"{index}")
    return theirs("UpdateGroupMeasurements", measured(*readings))


@pytest.mark.parametrize("kind", ["heartbeats", "handshakes", "measurements"])
@pytest.mark.parametrize("named", [True, False])
def test_memory_does_not_grow_for_ever(kind: str, named: bool) -> None:
    assert _grows(kind, 10_500, 1_500, named=named) < 1.01


@pytest.mark.parametrize("kind", ["forecasts with gaps", "forecasts of other groups"])
def test_memory_of_forecasts_does_not_grow_for_ever(kind: str) -> None:
    assert _grows(kind, 10_500, 1_500, named=True) < 1.01


def _grows(kind: str, first: int, more: int, *, named: bool) -> float:
    """Return how much larger a full memory is after some more messages."""
    conversation, sizes = opened(), []
    for index in range(first + more):
        each = line(kind, index)
        request_id = f"{index:09}" if named else None
        at = NOON + timedelta(minutes=index)
        conversation.remember(
            ExchangedMessage(
                each.action, each.body, request_id, None, each.sent, at, number=10**6 + index
            )
        )
        if index + 1 in {first, first + more}:
            sizes.append(len(pickle.dumps(conversation)))
    return sizes[1] / sizes[0]


def test_after_a_thousand_findings_the_others_are_counted() -> None:
    wanted = ours(
        "Handshake", {"required_behaviour": {"measurement_configuration": ["INTERMITTENT"]}}
    )
    many = measured(*[energy(1, 1, energy_type=f"{index}") for index in range(1500)])
    *_, found = converse([*OPENED, wanted, theirs("UpdateGroupMeasurements", many)])
    rules = [each.rule for each in found]
    assert (rules.count("S13"), rules[-1]) == (1000, "more")
    assert found[-1].message.startswith("500 more findings are not listed")


def test_heartbeats_push_no_forecast_out() -> None:
    conversation = opened()
    heartbeats = [theirs("Heartbeat", heartbeat(m + 1), id=f"b{m}") for m in range(6000)]
    lines = [
        ours(UPDATE, forecast(block(0, 60)), id="r1"),
        *heartbeats,
        *(ours("Heartbeat", heartbeat(m + 99_999), id=f"o{m}") for m in range(6000)),
        theirs(ERROR, {"message": "m", "forecasted_blocks": [block(0, 60)]}, names="r1"),
    ]
    assert not any(converse(lines, conversation))


def test_the_blocks_of_the_latest_forecasts_are_known_the_names_of_more() -> None:
    conversation = opened()
    lines = [
        ours(UPDATE, forecast(*(block(m, m + 1, n + 8) for m in range(99))), id=f"r{n}")
        for n in range(200)
    ]
    assert not any(converse(lines, conversation))
    about = {"message": "m", "forecasted_blocks": [block(0, 1, 7)]}
    for named, rules in (("r199", ["S18"]), ("r101", ["S18"]), ("r0", []), ("r200", ["S15"])):
        [said] = spoken([theirs(ERROR, about, names=named)])
        assert [finding.rule for finding in conversation.judge(said)] == rules


def test_of_a_forecast_sent_twice_the_later_one_is_meant() -> None:
    lines = [
        *OPENED,
        ours(UPDATE, forecast(block(0, 60, 10)), id="r1"),
        ours(UPDATE, forecast(block(0, 60, 20)), id="r1"),
        theirs(ERROR, {"message": "m", "forecasted_blocks": [block(0, 60, 20)]}, names="r1"),
    ]
    assert [[finding.rule for finding in found] for found in converse(lines)[-2:]] == [["S19"], []]


def test_a_forecast_sent_twice_is_known_until_the_later_one_is_forgotten() -> None:
    conversation = opened()
    many = [block(m, m + 1) for m in range(99)]
    others = [ours(UPDATE, forecast(*many), id=f"r{n}") for n in range(50)]
    again = [ours(UPDATE, forecast(*many), id="r")]
    converse([*again, *others, *again, *others, *others[:20]], conversation)
    about = {"message": "m", "forecasted_blocks": [block(0, 1, 7)]}
    [said] = spoken([theirs(ERROR, about, names="r")])
    assert [finding.rule for finding in conversation.judge(said)] == ["S18"]


def test_a_conversation_may_begin_registered_and_handshaken() -> None:
    lines = [ours("Heartbeat", heartbeat(9)), theirs("Heartbeat", heartbeat(9))]
    assert not any(converse(lines, opened()))
    assert opened().registered
    assert opened().handshaken


def test_registration_and_handshake_are_noticed() -> None:
    conversation = Conversation("flexibility_provider")
    steps = []
    for said in spoken(OPENED):
        conversation.remember(said)
        steps.append((conversation.registered, conversation.handshaken))
    assert steps == [(False, False), (True, False), (True, True), (True, True)]


def test_who_unregisters_begins_again() -> None:
    conversation = opened()
    converse(OPENED, conversation)
    conversation.unregister()
    assert (conversation.registered, conversation.handshaken) == (False, False)
    [said] = spoken([theirs("Heartbeat", heartbeat(0.5), minute=0)])
    assert [finding.rule for finding in conversation.judge(said)] == ["S17"]


def test_what_was_asked_for_ends_with_the_registration() -> None:
    conversation = opened()
    converse(OPENED, conversation)
    conversation.unregister()
    lines = [*REGISTERED, ours("Handshake"), theirs("Heartbeat", heartbeat(2.1), minute=2)]
    assert not any(converse(lines, conversation)[2:])


@pytest.mark.parametrize(
    ("role", "peer", "named"),
    [
        ("flexibility_provider", None, "the other side"),
        ("flexibility_provider", "capacity_optimizer", "the Capacity Optimizer"),
        ("capacity_optimizer", None, "the Flexibility Provider"),
    ],
)
def test_a_finding_names_the_party(role: PartyName, peer: PartyName | None, named: str) -> None:
    conversation = Conversation(role, peer=peer)
    [register, said] = spoken([theirs("Register"), ours("Heartbeat", heartbeat(9))])
    conversation.remember(register)
    [finding] = conversation.judge(said)
    assert f"{named} has sent Register" in finding.message


def test_times_that_were_read_already_are_times() -> None:
    def read(minute: float) -> datetime:
        return (NOON + timedelta(minutes=minute)).astimezone(timezone(timedelta(hours=8)))

    forecasted = {**block(0, 0), "start_time": read(0), "end_time": read(60)}
    lines = [
        *OPENED,
        ours(UPDATE, forecast(forecasted), id="r1"),
        theirs("Heartbeat", {"offline_mode_at": read(0.5)}, minute=0),
        theirs("UpdateGroupMeasurements", measured(energy(2, 0, measure_time=read(1)))),
        theirs("UpdateGroupMeasurements", measured(energy(1, 0, measure_time=read(2)))),
        theirs("AdjustGroupCapacityForecast", forecast(block(30, 61))),
    ]
    found = [finding.rule for findings in converse(lines) for finding in findings]
    assert found == ["S12", "S14", "S8"]


@pytest.mark.parametrize(
    "value",
    [datetime(2031, 3, 1), datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), 7, None],  # noqa: DTZ001 - it is skipped
    ids=str,
)
def test_a_time_that_cannot_be_read_is_skipped(value: object) -> None:
    assert not any(converse([*OPENED, theirs("Heartbeat", {"offline_mode_at": value})]))


def test_a_token_is_not_shown() -> None:
    [said] = spoken([theirs("Register", {"token": "very-secret"}, id="a1")])
    assert "very-secret" not in repr(said)


def test_the_journal_holds_the_case_of_a_finding() -> None:
    lines = [theirs("Heartbeat", heartbeat(9), id="u9", minute=m) for m in (0, 1)]
    [twice] = converse(lines, opened())[-1]
    assert journaled(twice) == {**twice.to_dict(), "case": "X8"}
    [early] = converse(lines[:1])[-1]
    assert journaled(early) == early.to_dict()
    assert "case" not in early.to_dict()


# What was forecast, and what S9 says of being offline from noon on.
OFFLINE: dict[str, tuple[tuple[Line, ...], list[tuple[str, int | None, str]]]] = {
    "nothing known": ((), [("warning", None, "no fallback forecast is known")]),
    "only past forecasts": (
        (ours(UPDATE, forecast(block(-60, 0))),),
        [("warning", None, "no fallback forecast is known")],
    ),
    "no fallback": (
        (ours(UPDATE, forecast(block(-60, 60))),),
        [("warning", 1, f"the Capacity Provider sent no FALLBACK_CONSUMPTION of {GROUP}")],
    ),
    "the fallback of another type": (
        (
            ours(UPDATE, forecast(block(-60, 60), kind="GENERATION")),
            ours(UPDATE, forecast(block(-60, 60), kind="FALLBACK_CONSUMPTION")),
        ),
        [
            ("info", 2, "FALLBACK_CONSUMPTION of depot-7 covers 2031-03-01 12:00 UTC"),
            ("warning", 1, "sent no FALLBACK_GENERATION"),
        ],
    ),
    "the fallback of the past": (
        (ours(UPDATE, forecast(block(-60, 0), kind="FALLBACK_GENERATION")),),
        [("warning", 1, "FALLBACK_GENERATION of depot-7 does not cover 2031-03-01 12:00 UTC")],
    ),
    "the fallback of later on": (
        (ours(UPDATE, forecast(block(1, 60), kind="FALLBACK_GENERATION")),),
        [("warning", 1, "what holds while offline is undefined")],
    ),
    "a fallback that ends too soon": (
        (
            ours(UPDATE, forecast(block(-60, 60))),
            ours(UPDATE, forecast(block(0, 30), kind="FALLBACK_CONSUMPTION")),
        ),
        [("warning", 2, "ends 2031-03-01 12:30 UTC, the CONSUMPTION forecast 2031-03-01 13:00")],
    ),
    "covered": (
        (
            ours(UPDATE, forecast(block(-60, 60))),
            ours(UPDATE, forecast(block(0, 30), kind="FALLBACK_CONSUMPTION")),
            ours(UPDATE, forecast(block(30, 60), kind="FALLBACK_CONSUMPTION")),
        ),
        [("info", 3, "covers 2031-03-01 12:00 UTC to 2031-03-01 13:00 UTC")],
    ),
    "a group each": (
        (
            ours(UPDATE, forecast(block(0, 60), group="b")),
            theirs(UPDATE, forecast(block(0, 60), kind="FALLBACK_CONSUMPTION", group="c")),
            ours(UPDATE, forecast(block(0, 60), kind="FALLBACK_CONSUMPTION", group="a")),
        ),
        [("info", 3, "of a covers"), ("warning", 1, "of b"), ("info", 2, "of c covers")],
    ),
}


@pytest.mark.parametrize(("lines", "expected"), OFFLINE.values(), ids=OFFLINE)
def test_s9_while_offline(
    lines: tuple[Line, ...], expected: list[tuple[str, int | None, str]]
) -> None:
    conversation = opened()
    converse(lines, conversation)
    found = conversation.judge_offline(NOON.astimezone(timezone(timedelta(hours=-3))))
    assert [(each.rule, each.severity, each.exchange) for each in found] == [
        ("S9", severity, exchange) for severity, exchange, _ in expected
    ]
    for finding, (_, _, text) in zip(found, expected, strict=True):
        assert text in finding.message


_spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 10)).map(lambda each: (each[0], sum(each))),
    max_size=8,
)


def _minute(minute: int) -> datetime:
    return datetime(2031, 3, 1, tzinfo=UTC) + timedelta(minutes=minute)


@given(_spans, st.integers(0, 50), st.integers(1, 10))
def test_coverage_is_a_set_of_instants(
    spans: list[tuple[int, int]], start: int, length: int
) -> None:
    coverage, minutes = Coverage(), set()
    for first, end in spans:
        coverage.add(_minute(first), _minute(end))
        minutes |= set(range(first, end))
    asked = range(start, start + length)
    gaps = coverage.missing(_minute(start), _minute(start + length))
    missing = {m for m in asked if any(a <= _minute(m) < b for a, b in gaps)}
    assert missing == set(asked) - minutes
    assert sum((b - a for a, b in gaps), timedelta()) == timedelta(minutes=len(missing))
    assert (coverage.end_after(_minute(start)) is not None) == (start in minutes)
    for before, after in zip(coverage.spans, coverage.spans[1:], strict=False):
        assert before[1] < after[0]


def test_coverage_forgets_the_earliest() -> None:
    coverage = Coverage(limit=2)
    for start in (0, 10, 20):
        coverage.add(_minute(start), _minute(start + 5))
    assert coverage.spans == ((_minute(10), _minute(15)), (_minute(20), _minute(25)))
    assert coverage.end == _minute(25)


def test_what_is_recent_forgets_what_was_put_first() -> None:
    recent: OrderedDict[str, int] = OrderedDict()
    for key in ("a", "b", "a", "c"):
        put_recent(recent, key, len(recent), limit=2)
    assert recent == {"a": 2, "c": 2}

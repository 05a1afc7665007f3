"""A valid conversation is left alone, and each mistake in one is found as that mistake alone."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oscp_send.meaning import judge_meaning
from oscp_send.testing import Sample, damaged, messages
from oscp_sim.conversation import Conversation
from tests.effort import examples
from tests.oscp_sim.conversing import (
    NOON,
    REGISTERED,
    Line,
    at,
    behaviour,
    block,
    by_the_other,
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
    from collections.abc import Callable

UPDATE, ADJUST = "UpdateGroupCapacityForecast", "AdjustGroupCapacityForecast"
ERROR, ACKNOWLEDGE = "GroupCapacityComplianceError", "HandshakeAcknowledge"
MEASURED = "UpdateGroupMeasurements"

_LIMIT = 50.0
_KINDS = ("adjust", "complain", "forecast", "heartbeat", "measure", "optimum", "their heartbeat")
_FALLBACK_ENDS = 60 * 24 * 365.0


@st.composite
def conversations(draw: st.DrawFn) -> list[Line]:
    """What a Capacity Provider and a Flexibility Provider say who make no mistake.

    Every kind of message comes up at least once, and none says the same twice.
    """
    style = draw(st.sampled_from(("CONTINUOUS", "INTERMITTENT")))
    interval = draw(st.integers(10, 600))
    asked = behaviour(style, interval=interval)
    fallback = forecast(block(-9, _FALLBACK_ENDS), kind="FALLBACK_CONSUMPTION")
    lines = [
        *REGISTERED,
        ours("Handshake", asked, id="h1"),
        theirs(ACKNOWLEDGE, asked, id="u2", names="h1"),
        ours(UPDATE, fallback, id="f1"),
        ours(UPDATE, _quarters(0), id="r0"),
    ]
    extra = draw(st.lists(st.sampled_from(_KINDS), max_size=10))
    for minute, kind in enumerate(draw(st.permutations((*_KINDS, *_KINDS, *extra)))):
        lines.append(_line(draw, kind, minute, interval, lines))
    return lines


def _quarters(first: int, more: float = 0) -> dict[str, Any]:
    """Return a forecast of four quarter hours, each with another capacity."""
    starts = [first + 15 * index for index in range(4)]
    return forecast(*(block(start, start + 15, _LIMIT + start + more) for start in starts))


def _line(draw: st.DrawFn, kind: str, minute: int, interval: int, before: list[Line]) -> Line:
    """Return a line of a kind, of which alone anything is drawn."""
    if kind in {"adjust", "complain", "optimum"}:
        forecasts = [line for line in before if line.action == UPDATE and line.sent]
        known = draw(st.sampled_from(forecasts[1:]))  # the first is the fallback
        line = _about(draw, kind, minute, known)
    elif kind == "forecast":
        line = ours(UPDATE, _quarters(60 * draw(st.integers(0, 48)), minute / 100))
    elif kind == "heartbeat":
        line = ours("Heartbeat", heartbeat(minute + interval / 60))
    elif kind == "measure":
        reading = energy(minute + 1, minute, initial_measure_time=at(-60))
        line = theirs(MEASURED, measured(reading))
    else:
        line = theirs("Heartbeat", heartbeat(minute + interval / 30))
    return replace(line, id=f"m{minute}", minute=minute)


def _about(draw: st.DrawFn, kind: str, minute: int, known: Line) -> Line:
    """Return what the other party says about a part of a forecast."""
    part = draw(st.sampled_from(known.body["forecasted_blocks"]))
    if kind == "adjust":
        wanted = forecast({**part, "capacity": 1 + minute / 100})
        return theirs(ADJUST, wanted, names=draw(st.sampled_from((None, known.id))))
    if kind == "complain":
        complaint = {"message": f"m{minute}", "forecasted_blocks": [part]}
        return theirs(ERROR, complaint, names=known.id)
    return theirs(UPDATE, forecast({**part, "capacity": 5 + minute / 100}, kind="OPTIMUM"))


def _last(lines: list[Line], action: str, *, sent: bool = False) -> int:
    places = [i for i, line in enumerate(lines) if (line.action, line.sent) == (action, sent)]
    return places[-1]


def _changed(lines: list[Line], place: int, **changes: object) -> list[Line]:
    changed: Any = replace(lines[place], **changes)  # type: ignore[arg-type]
    return [*lines[:place], changed, *lines[place + 1 :]]


def _naming(action: str, named: str | None) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: _changed(lines, _last(lines, action), names=named)


def _with_part(action: str, change: Callable[[dict[str, Any]], None]) -> Callable[..., list[Line]]:
    """Return a function that changes the last message of an action from the other party."""

    def mutate(lines: list[Line]) -> list[Line]:
        place = _last(lines, action)
        body = deepcopy(lines[place].body)
        change(body)
        return _changed(lines, place, body=body)

    return mutate


def _twice(lines: list[Line]) -> list[Line]:
    place = _last(lines, ADJUST)
    return [*lines[: place + 1], *lines[place:]]


def _same_id(lines: list[Line]) -> list[Line]:
    return _changed(lines, _last(lines, "Heartbeat", sent=True), id="h1")


def _too_soon(lines: list[Line]) -> list[Line]:
    place = _last(lines, "Heartbeat")
    minute = lines[place].minute or 0
    return _changed(lines, place, body=heartbeat(minute + 0.1))


def _short_fallback(lines: list[Line]) -> list[Line]:
    return _changed(lines, 4, body=forecast(block(-9, 0), kind="FALLBACK_CONSUMPTION"))


def _later(body: dict[str, Any]) -> None:
    body["forecasted_blocks"] = [block(60 * 24 * 30, 60 * 24 * 30 + 15)]


def _more(body: dict[str, Any]) -> None:
    body["forecasted_blocks"][0]["capacity"] = 10_000


def _lower(body: dict[str, Any]) -> None:
    body["measurements"][0]["value"] = 0


def _unsaid_start(body: dict[str, Any]) -> None:
    del body["measurements"][0]["initial_measure_time"]


# What is done to a valid conversation, and the only rule that may then be broken.
MUTATIONS: dict[str, tuple[str, Callable[[list[Line]], list[Line]]]] = {
    "S8: adjusts another group": (
        "S8",
        _with_part(ADJUST, lambda body: body.update(group_id="depot-8")),
    ),
    "S8: adjusts another type": (
        "S8",
        _with_part(ADJUST, lambda body: body.update(type="GENERATION")),
    ),
    "S8: adjusts another time": ("S8", _with_part(ADJUST, _later)),
    "S8: adjusts an unknown forecast": ("S8", _naming(ADJUST, "r?")),
    "S9: the fallback is too short": ("S9", _short_fallback),
    "S10: the optimum is beyond the limit": ("S10", _with_part(UPDATE, _more)),
    "S12: offline too soon": ("S12", _too_soon),
    "S14: the counter falls": ("S14", _with_part(MEASURED, _lower)),
    "S15: names nothing": ("S15", _naming(ERROR, None)),
    "S15: names no forecast": ("S15", _naming(ERROR, "r?")),
    "S16: names nothing": ("S16", _naming(ACKNOWLEDGE, None)),
    "S16: names no handshake": ("S16", _naming(ACKNOWLEDGE, "h?")),
    "S17: without registration": ("S17", lambda lines: lines[2:]),
    "S17: with half a registration": ("S17", lambda lines: lines[1:]),
    "S17: without a handshake": ("S17", lambda lines: [*lines[:2], *lines[3:]]),
    "S17: without a handshake and its answer": ("S17", lambda lines: [*lines[:2], *lines[4:]]),
    "S18: complains of another capacity": ("S18", _with_part(ERROR, _more)),
    "S18: complains of another time": ("S18", _with_part(ERROR, _later)),
    "S19: a message twice": ("S19", _twice),
    "S19: an id twice": ("S19", _same_id),
}


@given(conversations())
def test_nothing_is_found_in_a_valid_conversation(lines: list[Line]) -> None:
    found = {finding.rule for findings in converse(lines) for finding in findings}
    # A forecast may be drawn twice.
    assert found <= {"same-message"}


@pytest.mark.parametrize(("rule", "mutate"), MUTATIONS.values(), ids=MUTATIONS)
@settings(max_examples=examples(20))
@given(lines=conversations())
def test_a_single_mistake_is_found_as_what_it_is(
    rule: str, mutate: Callable[[list[Line]], list[Line]], lines: list[Line]
) -> None:
    found = [finding for findings in converse(mutate(lines)) for finding in findings]
    assert rule in {finding.rule for finding in found} <= {rule, "same-message"}


@given(conversations())
def test_who_asked_for_intermittent_misses_the_start(lines: list[Line]) -> None:
    asked = lines[2].body["required_behaviour"]["measurement_configuration"]
    mutated = _with_part(MEASURED, _unsaid_start)(lines)
    rules = {finding.rule for findings in converse(mutated) for finding in findings}
    # Who asked for CONTINUOUS is told nothing, for the counter goes on.
    assert rules - {"same-message"} == ({"S13"} if asked == ["INTERMITTENT"] else set())


@settings(max_examples=examples(30))
@given(conversations(), st.sampled_from(sorted(MUTATIONS)))
def test_both_sides_find_the_same(lines: list[Line], name: str) -> None:
    mutated = MUTATIONS[name][1](lines)
    other = Conversation("flexibility_provider", peer="capacity_provider")
    assert converse(by_the_other(mutated), other) == converse(mutated)


@settings(max_examples=examples(30))
@given(conversations(), st.sampled_from(sorted(MUTATIONS)))
def test_judging_changes_nothing(lines: list[Line], name: str) -> None:
    mutated = MUTATIONS[name][1](lines)
    conversation, found = Conversation("capacity_provider"), []
    all_said = spoken(mutated)
    for said in all_said:
        for other in all_said:
            conversation.judge(other)
        found.append(list(conversation.judge(said)))
        conversation.remember(said)
    assert found == converse(mutated)


@settings(max_examples=examples(30))
@given(
    st.lists(messages(sound=False) | damaged(messages(sound=False)), max_size=6),
    st.data(),
)
def test_any_messages_damaged_or_not_are_judged(samples: list[Sample], data: st.DataObject) -> None:
    ids = st.sampled_from((None, "", "r1", "r2"))
    lines = [
        Line(
            action,
            body,
            data.draw(ids),
            data.draw(ids),
            sent=data.draw(st.booleans()),
        )
        for action, body in samples
    ]
    conversation = Conversation("capacity_optimizer", registered=True, handshaken=True)
    for findings in converse(lines, conversation):
        assert all(finding.layer == "meaning" and finding.hint for finding in findings)
    assert conversation.judge_offline(NOON)


def test_what_needs_no_history_is_told_once() -> None:
    conversation = Conversation("capacity_provider", registered=True, handshaken=True)
    [said] = spoken([theirs("Heartbeat", heartbeat(-1), minute=0)])
    assert [finding.rule for finding in judge_meaning(said.body, said.at)] == ["S12"]
    assert conversation.judge(said) == ()

"""Holding what came of a step against what its file expects."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from oscp_send.errors import InvalidMessage
from simulator.addresses import CAPACITY_PROVIDER_PATH, ELMO_PATH
from simulator.matching import match, match_headers, match_json, match_text, shortened
from simulator.scenario.events import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.external_system.records import Sent
    from simulator.journal import Entry
    from simulator.scenario.expectation import Expect, Received
    from simulator.scenario.model import Step
    from simulator.scenario.sending import Outcome

__all__ = ["problems_of", "problems_of_answer", "problems_of_received"]

_COMPLETED = "Completed"
_UNANSWERED = "unanswered"


def problems_of(step: Step, outcome: Outcome, duration: float) -> Iterator[Problem]:
    """Answers with what a step that sends an instruction expects of it, and what does not hold.

    A step that expects no state, no reason and no error is expected to be Completed.

    Args:
        step: With what its file expects.
        outcome: What came of sending.
        duration: Seconds that the step took.
    """
    expect = step.expect
    yield from _of_ending(step, outcome)
    yield from _of_reason(expect, outcome.reason)
    yield from _of_parts(expect, outcome)
    yield from _of_time(expect, duration)


def problems_of_answer(step: Step, sent: Sent, duration: float) -> Iterator[Problem]:
    """Answers with what a step of a simulated party expects of the answer, and what does not hold.

    A step that expects no status and no reason is expected to be answered with success.

    Args:
        step: With what its file expects.
        sent: What the party sent, and what came of it.
        duration: Seconds that the step took.
    """
    expect = step.expect
    got = _UNANSWERED if sent.status is None else sent.status
    shown = _answer(sent)
    if expect.status is not None and expect.status != got:
        yield Problem(expect.source.place("/status"), "status", str(expect.status), shown)
    if expect.status is None and expect.reason is None and not _is_success(sent):
        yield Problem(step.source.place(), "status", "2xx", shown)
    yield from _of_reason(expect, sent.body if sent.status is not None else sent.reason)
    yield from _of_time(expect, duration)


def problems_of_received(
    expect: Expect, outcome: Outcome | None, received: Sequence[Entry]
) -> Iterator[Problem]:
    """Answers with what a step expects the Capacity Provider to receive, and what does not hold.

    Args:
        expect: What a file expects.
        outcome: What came of sending an instruction, where one was sent.
        received: What the Capacity Provider was asked meanwhile, in order.
    """
    if expect.received is not None:
        yield from _of_received(expect, expect.received, outcome, received)


def _of_ending(step: Step, outcome: Outcome) -> Iterator[Problem]:
    expect, name = step.expect, _error_name(outcome)
    if expect.sender is not None:
        if expect.sender != name:
            where = expect.source.place("/sender")
            yield Problem(where, "the sender", expect.sender, _ending(outcome), _hint(outcome))
        return
    wanted = expect.state or ("Declined" if expect.reason else _COMPLETED)
    if outcome.state != wanted:
        where = expect.source.place("/state") if expect.state else step.source.place()
        yield Problem(where, "state", wanted, _ending(outcome), _hint(outcome))


def _of_reason(expect: Expect, reason: str | None) -> Iterator[Problem]:
    if expect.reason is None:
        return
    for difference in match_text(expect.reason, reason)[1]:
        yield Problem.of(difference, expect.source.place("/reason"), "reason")


def _of_parts(expect: Expect, outcome: Outcome) -> Iterator[Problem]:
    if expect.parts is not None and expect.parts != outcome.parts:
        got = "nothing was sent" if outcome.parts is None else str(outcome.parts)
        yield Problem(expect.source.place("/parts"), "parts of msg", str(expect.parts), got)


def _of_time(expect: Expect, duration: float) -> Iterator[Problem]:
    if expect.within is not None and duration > expect.within.total_seconds():
        yield Problem(
            expect.source.place("/within"),
            "time",
            f"at most {expect.within.total_seconds():g} s",
            f"{duration:.3f} s",
        )


def _of_received(
    expect: Expect, wanted: Received, outcome: Outcome | None, received: Sequence[Entry]
) -> Iterator[Problem]:
    place = expect.source.place
    if wanted.nothing:
        for entry in received:
            got = entry.request.target if entry.request else "a request"
            yield Problem(place("/received"), "the Capacity Provider", "no request", got)
        return
    if not received or received[-1].request is None:
        hint = None if outcome is None else _hint(outcome)
        yield Problem(place("/received"), "the Capacity Provider", "a request", "none", hint)
        return
    request = received[-1].request
    path = request.target.removeprefix(CAPACITY_PROVIDER_PATH).removeprefix(ELMO_PATH)
    if wanted.path is not None and wanted.path != path:
        yield Problem(place("/received/path"), "path", wanted.path, path)
    for difference in match_headers(wanted.headers, request.headers)[1]:
        yield Problem.of(difference, place(f"/received/headers{difference.pointer}"), "header")
    if wanted.message is not None:
        for difference in match_json(wanted.message.value, request.body)[1]:
            yield Problem.of(difference, place(f"/received/message{difference.pointer}"), "message")
    if wanted.same_as_sent and outcome is not None:
        yield from _of_meaning(place("/received/same_as_sent"), outcome, request.body)


def _of_meaning(where: str, outcome: Outcome, body: str) -> Iterator[Problem]:
    """Compares both ways: nothing may be missing, and nothing may have come to it."""
    sent, got = json.loads(outcome.message or "null"), json.loads(body)
    for difference in match(sent, got)[1] or match(got, sent)[1]:
        yield Problem.of(difference, where, "message")


def _is_success(sent: Sent) -> bool:
    return sent.status is not None and sent.status < HTTPStatus.MULTIPLE_CHOICES


def _answer(sent: Sent) -> str:
    if sent.status is None:
        return f"{_UNANSWERED}: {sent.reason}"
    return f"{sent.status} {sent.reason}" + (f": {shortened(sent.body)}" if sent.body else "")


def _error_name(outcome: Outcome) -> str | None:
    return None if outcome.error is None else type(outcome.error).__name__


def _ending(outcome: Outcome) -> str:
    if outcome.state is None:
        # The first line says what; what to do is the hint.
        return f"{_error_name(outcome)}: {(outcome.reason or '').partition(chr(10))[0]}"
    return f"{outcome.state}: {outcome.reason}" if outcome.reason else outcome.state


def _hint(outcome: Outcome) -> str | None:
    if isinstance(outcome.error, InvalidMessage) and outcome.error.judgement is not None:
        for finding in outcome.error.judgement.of_severity("error"):
            mend = f"; {finding.hint}" if finding.hint else ""
            return f"{finding.pointer or 'the message'}: {finding.message}{mend}"
    hint: str = getattr(outcome.error, "hint", "")
    return hint or None

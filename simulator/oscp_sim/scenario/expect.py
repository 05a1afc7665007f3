"""Holding what the parties sent one another in a step against what its file expects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from oscp_send.errors import InvalidMessage
from oscp_sim.addresses import CAPACITY_PROVIDER_PATH, ELMO_PATH
from oscp_sim.entry import Entry
from oscp_sim.matching import match, match_headers, match_json, match_text, shortened
from oscp_sim.scenario.act import Outcome
from oscp_sim.scenario.events import Problem
from oscp_sim.scenario.model import Exchanges, Expect, ExpectedExchange, Received, Step
from oscp_sim.scenario.timeline import Exchange, TimelineEntry
from oscp_sim.system.sending import Sent

# § Holding what came of a step against what its file expects.

_COMPLETED = "Completed"
_UNANSWERED = "unanswered"


def problems_of(step: Step, outcome: Outcome, duration: float) -> Iterator[Problem]:
    """Return what a step that sends an instruction expects of it, and what does not hold.

    A step that expects no state, no reason and no error is expected to be Completed.
    """
    expect = step.expect
    yield from _of_ending(step, outcome)
    yield from _of_reason(expect, outcome.reason)
    yield from _of_parts(expect, outcome)
    yield from _of_time(expect, duration)


def problems_of_answer(step: Step, sent: Sent, duration: float) -> Iterator[Problem]:
    """Return what a step of a simulated party expects of the answer, and what does not hold.

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
    """Return what a step expects the Capacity Provider to receive, and what does not hold.

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
        for difference in match_json(wanted.message.value, request.text)[1]:
            yield Problem.of(difference, place(f"/received/message{difference.pointer}"), "message")
    if wanted.same_as_sent and outcome is not None:
        yield from _of_meaning(place("/received/same_as_sent"), outcome, request.text)


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


_MOST_SHOWN = 12


def problems_of_exchanges(expect: Expect, got: Sequence[Exchange]) -> Iterator[Problem]:
    """Return what a step expects the parties to send one another, and what does not hold."""
    if expect.exchanges is None:
        return
    if expect.exchanges.complete:
        yield from _of_all(expect, expect.exchanges, got)
    else:
        yield from _of_some(expect, expect.exchanges, got)


def problems_of_findings(expect: Expect, timeline: Sequence[TimelineEntry]) -> Iterator[Problem]:
    """Return the findings that a step expects and that are not there, or the other way."""
    if expect.findings is None:
        return
    told = [finding for each in timeline for finding in each.findings]
    names = {name for finding in told for name in _names(finding)}
    listed = ", ".join(sorted(names)) or "none"
    if not expect.findings:
        # What is merely told for information is none that anybody has to mind.
        for finding in (each for each in told if each.get("severity") != "info"):
            got = f"{finding['rule']}: {finding['message']}"
            yield Problem(expect.source.place("/findings"), "findings", "none", got)
    for index, wanted in enumerate(expect.findings):
        if wanted not in names:
            place = expect.source.place(f"/findings/{index}")
            yield Problem(place, "findings", wanted, listed)


def _names(finding: Mapping[str, Any]) -> Iterator[str]:
    """Yield the rule of a finding, and its case of headers and sequence, if any."""
    yield str(finding["rule"])
    if "case" in finding:
        yield finding["case"]


def problems_of_pending(expect: Expect, pending: int) -> Iterator[Problem]:
    """Return what is still on its way though nothing should be."""
    if expect.nothing_pending and pending:
        place = expect.source.place("/pending")
        hint = "wait until it is done, with a step as - wait: 30s"
        yield Problem(place, "on its way", "nothing", f"{pending}", hint)


def _of_all(expect: Expect, exchanges: Exchanges, got: Sequence[Exchange]) -> Iterator[Problem]:
    wanted, key = exchanges.wanted, "/exchanges"
    for index, (each, there) in enumerate(zip(wanted, got, strict=False)):
        problems = list(_differences(expect, f"{key}/{index}", index, each, there))
        yield from problems
        if problems and _is_another(each, there):
            # What follows is shifted against the file, and would differ for that alone.
            return
    if len(got) < len(wanted):
        for index in range(len(got), len(wanted)):
            place = expect.source.place(f"{key}/{index}")
            yield Problem(place, f"exchange {index + 1}", _shown(wanted[index]), "none")
    for there in got[len(wanted) :]:
        what = "exchanges" if wanted else "the parties"
        yield Problem(
            expect.source.place(key), what, "nothing more" if wanted else "nothing", _told(there)
        )


def _of_some(expect: Expect, exchanges: Exchanges, got: Sequence[Exchange]) -> Iterator[Problem]:
    at = 0
    for index, each in enumerate(exchanges.wanted):
        pointer = f"/exchanges_among_others/{index}"
        found = next(
            (
                n
                for n in range(at, len(got))
                if not any(_differences(expect, pointer, 0, each, got[n]))
            ),
            None,
        )
        if found is not None:
            at = found + 1
            continue
        near = [there for there in got[at:] if not _is_another(each, there)]
        if near:
            yield from _differences(expect, pointer, index, each, near[0])
        else:
            came = "; ".join(map(_told, got[at:][:_MOST_SHOWN])) or "none"
            place = expect.source.place(pointer)
            yield Problem(place, f"exchange {index + 1}", _shown(each), came)
        return


def _differences(
    expect: Expect, pointer: str, index: int, wanted: ExpectedExchange, got: Exchange
) -> Iterator[Problem]:
    what, place = f"exchange {index + 1}", expect.source.place
    if _is_another(wanted, got):
        yield Problem(place(pointer), what, _shown(wanted), _told(got))
        return
    status = _UNANSWERED if got.status is None else got.status
    if wanted.status is not None and wanted.status != status:
        shown = f"{status}: {shortened(got.answer)}" if got.answer else str(status)
        yield Problem(place(f"{pointer}/status"), f"{what} status", str(wanted.status), shown)
    for difference in match_headers(wanted.headers, got.headers)[1]:
        where = place(f"{pointer}/headers{difference.pointer}")
        yield Problem.of(difference, where, f"{what} header", _why_absent(difference.got, got))
    if wanted.message is not None:
        for difference in match_json(wanted.message.value, got.body)[1]:
            where = place(f"{pointer}/message{difference.pointer}")
            yield Problem.of(difference, where, f"{what} message")


def _why_absent(shown: str, got: Exchange) -> str | None:
    return "; ".join(got.notes) or None if shown == "nothing" else None


def _is_another(wanted: ExpectedExchange, got: Exchange) -> bool:
    return not (
        wanted.sender in {None, got.sender}
        and wanted.receiver in {None, got.receiver}
        and wanted.action in {None, got.action}
        and wanted.method in {None, got.method}
        and (wanted.path is None or _ends_with(got.path, wanted.path))
    )


def _ends_with(path: str, end: str) -> bool:
    """Return whether a path is the one that is expected, or ends with it from a slash on."""
    return path == end or path.endswith(end if end.startswith("/") else f"/{end}")


def _shown(wanted: ExpectedExchange) -> str:
    parts = [
        f"from {wanted.sender}" if wanted.sender else "",
        f"to {wanted.receiver}" if wanted.receiver else "",
        wanted.action or "",
        f"{wanted.method or ''} {wanted.path or ''}".strip(),
    ]
    return " ".join(filter(None, parts)) or json.dumps(dict(wanted.headers))


def _told(got: Exchange) -> str:
    answered = "" if got.is_handed_over else f" {got.status or _UNANSWERED}"
    return f"from {got.sender} to {got.receiver} {got.method} {got.path}{answered}"

"""Compare what a step led to with what its file expects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

from oscp_send.errors import InvalidMessage
from oscp_send.rules import UnknownRule, find_rules
from oscp_sim.addresses import CAPACITY_PROVIDER_PATH, ELMO_PATH
from oscp_sim.entry import Entry
from oscp_sim.matching import (
    TextPattern,
    is_end_of,
    match,
    match_headers,
    match_json,
    match_text,
    shortened,
)
from oscp_sim.program import Ended
from oscp_sim.scenario.act import Outcome
from oscp_sim.scenario.events import Problem
from oscp_sim.scenario.model import Await, Expect, ExpectedExchange, Received, Step, Times
from oscp_sim.scenario.requests import Reply
from oscp_sim.scenario.timeline import Exchange, TimelineEntry
from oscp_sim.system.sending import Sent
from oscp_sim.verify import NotVerified, Verification
from oscp_sim.yaml_source import YamlDocument

#: Looks at what happened, and raises `NotVerified`.
Look = Callable[[Verification], object]

_UNANSWERED: Final = "unanswered"
_MOST_SHOWN: Final = 12
_ONCE: Final = Times(1, 1)


def problems_of_instruction(step: Step, outcome: Outcome, duration: float) -> Iterator[Problem]:
    """Yield what does not hold of a step that sent an instruction, and took so many seconds.

    A step that expects no state, no reason and no error is expected to be Completed.
    """
    expect, name = step.expect, _error_name(outcome)
    wanted = expect.state or ("Declined" if expect.reason else "Completed")
    if expect.sender is not None:
        if expect.sender != name:
            where = expect.source.place("/sender")
            yield Problem(where, "the sender", expect.sender, _ending(outcome), _hint(outcome))
    elif outcome.state != wanted:
        where = expect.source.place("/state") if expect.state else step.source.place()
        yield Problem(where, "state", wanted, _ending(outcome), _hint(outcome))
    if expect.settled is not None and expect.settled != outcome.settled:
        got = outcome.settled or f"it is not in doubt: {_ending(outcome)}"
        yield Problem(expect.source.place("/settled"), "settled", expect.settled, got)
    yield from _of_reason(expect, outcome.reason)
    if expect.parts is not None and expect.parts != outcome.parts:
        got = "nothing was sent" if outcome.parts is None else str(outcome.parts)
        yield Problem(expect.source.place("/parts"), "parts of msg", str(expect.parts), got)
    yield from _of_time(expect, duration)


def problems_of_answer(step: Step, sent: Sent, duration: float) -> Iterator[Problem]:
    """Yield what does not hold of the answer to a simulated party, after so many seconds.

    A step that expects no status and no reason is expected to be answered with success.
    """
    expect = step.expect
    if expect.status is not None or expect.reason is None:
        yield from _of_status(step, sent.status, sent.reason, sent.body)
    yield from _of_reason(expect, sent.body if sent.status is not None else sent.reason)
    yield from _of_time(expect, duration)


def problems_of_reply(
    step: Step, reply: Reply, duration: float, why: str | None
) -> Iterator[Problem]:
    """Yield what does not hold of the answer to a request, after so many seconds.

    A step that expects no status is expected to be answered with success. `why` is what the party's
    journal says about the answer.
    """
    expect, place, response = step.expect, step.expect.source.place, reply.response
    if response is None:
        yield from _of_status(step, None, reply.trouble, "", why)
    else:
        yield from _of_status(step, response.status, response.phrase, reply.text, why)
    headers = () if response is None else response.headers
    for difference in match_headers(expect.headers, headers)[1]:
        yield Problem.of(difference, place(f"/headers{difference.pointer}"), "header")
    if expect.body is not None:
        wanted, text = expect.body.value, reply.text
        is_pattern = isinstance(wanted, TextPattern)
        found = match_text(wanted, text) if is_pattern else match_json(wanted, text)
        for difference in found[1]:
            yield Problem.of(difference, place(f"/body{difference.pointer}"), "body")
    yield from _of_time(expect, duration)


def _of_status(
    step: Step, status: int | None, phrase: str, body: str, why: str | None = None
) -> Iterator[Problem]:
    """Yield what does not hold of a status, or why there is none."""
    got = _UNANSWERED if status is None else status
    said = shortened(body)
    shown = f"{got}: {phrase}" if status is None else f"{got} {phrase}{f': {said}' if said else ''}"
    wanted = step.expect.status
    if wanted is not None and wanted != got:
        place = step.expect.source.place("/status")
        yield Problem(place, "status", str(wanted), shown, why)
    is_success = status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    if wanted is None and not is_success:
        yield Problem(step.source.place(), "status", "2xx", shown, why)


def problems_of_ending(
    expect: Expect, where: str, ended: Ended, limit: float | None, *, longer: str
) -> Iterator[Problem]:
    """Yield what does not hold of how a program ended, and of what it wrote.

    One that expects no exit code is expected to end with 0.

    Args:
        expect: What a file expects.
        where: The place of what it says nothing of.
        ended: What came of the program.
        limit: How many seconds it had.
        longer: What gives it longer.
    """
    place = expect.source.place
    within = None if expect.within is None else expect.within.total_seconds()
    if ended.exit_code is None:
        hint = f"it was ended; give it longer with {longer}, or see what it waits for"
        there = place("/within") if limit == within else where
        yield Problem(
            there, "the program", f"to end within {limit:g} s", "it was still running", hint
        )
    elif ended.exit_code != (expect.exit_code or 0):
        there = where if expect.exit_code is None else place("/exit_code")
        wanted = f"exit {expect.exit_code or 0}"
        yield Problem(there, "the program", wanted, ended.name, _last_line(ended.output))
    if expect.output is not None:
        for difference in match_text(expect.output, ended.output.strip())[1]:
            yield Problem.of(difference, place("/output"), "output")
    if ended.exit_code is not None or limit != within:
        yield from _of_time(expect, ended.seconds)


def _last_line(output: str) -> str | None:
    lines = [line for line in output.splitlines() if line.strip()]
    return f"its last line: {shortened(lines[-1])}" if lines else None


def problems_of_step(
    step: Step, sent: Sequence[Outcome], asked: Sequence[Exchange]
) -> Iterator[Problem]:
    """Yield what does not hold of what a step's program sent.

    One that expects neither a state nor a reason is expected to send only what is Completed; one
    that expects no status, to end with a request to SolarUser that is not refused, if it sends any.
    """
    expect = step.expect
    if expect.state is None and expect.reason is None and expect.declined is None:
        for outcome in sent:
            if outcome.state != "Completed":
                got = f"instruction {outcome.instruction_id} is {_ending(outcome)}"
                hint = "if that is meant, expect a state or a reason"
                yield Problem(step.source.place(), "state", "Completed", got, hint)
    yield from problems_of_sent(expect, sent)
    yield from _of_what_is_asked(step, asked)


def problems_of_sent(
    expect: Expect, sent: Sequence[Outcome], who: str = "the program"
) -> Iterator[Problem]:
    """Yield what does not hold of the last instruction that a program, or a request, sent."""
    place, last = expect.source.place, sent[-1] if sent else None
    if expect.state is not None or expect.reason is not None:
        wanted = expect.state or "Declined"
        if last is None or last.state != wanted:
            got = f"{who} sent no instruction" if last is None else _ending(last)
            yield Problem(place("/state" if expect.state else "/reason"), "state", wanted, got)
        yield from _of_reason(expect, last.reason if last else None)
    if expect.parts is not None and (last is None or last.parts != expect.parts):
        got = f"{who} sent no instruction" if last is None else str(last.parts)
        yield Problem(place("/parts"), "parts of msg", str(expect.parts), got)


def _of_what_is_asked(step: Step, asked: Sequence[Exchange]) -> Iterator[Problem]:
    expect = step.expect
    status = asked[-1].status if asked else None
    shown = "the program asked nothing"
    if asked:
        shown = f"{status or _UNANSWERED}: {shortened(asked[-1].answer)}"
    if expect.status is not None:
        if expect.status != (status or _UNANSWERED) or not asked:
            place = expect.source.place("/status")
            yield Problem(place, "status of its last request", str(expect.status), shown)
    elif asked and expect.refused is None and (status is None or status >= HTTPStatus.BAD_REQUEST):
        yield Problem(step.source.place(), "status of its last request", "2xx", shown)


def _of_reason(expect: Expect, reason: str | None) -> Iterator[Problem]:
    if expect.reason is not None:
        for difference in match_text(expect.reason, reason)[1]:
            yield Problem.of(difference, expect.source.place("/reason"), "reason")


def _of_time(expect: Expect, duration: float) -> Iterator[Problem]:
    if expect.within is not None and duration > expect.within.total_seconds():
        most = f"at most {expect.within.total_seconds():g} s"
        yield Problem(expect.source.place("/within"), "time", most, f"{duration:.3f} s")


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


def problems_of_received(
    expect: Expect, outcome: Outcome | None, entries: Iterable[Entry]
) -> Iterator[Problem]:
    """Yield what does not hold of what the Capacity Provider received."""
    wanted, where = expect.received, expect.source.place("/received")
    if wanted is None:
        return
    received = [
        each
        for each in entries
        if each.party == "capacity_provider" and each.kind == "exchange" and not each.sent
    ]
    if wanted.nothing:
        for entry in received:
            got = entry.request.target if entry.request else "a request"
            yield Problem(where, "the Capacity Provider", "no request", got)
    elif not received or received[-1].request is None:
        hint = None if outcome is None else _hint(outcome)
        yield Problem(where, "the Capacity Provider", "a request", "none", hint)
    else:
        request = received[-1].request
        path = request.target.removeprefix(CAPACITY_PROVIDER_PATH).removeprefix(ELMO_PATH)
        if wanted.path is not None and wanted.path != path:
            yield Problem(expect.source.place("/received/path"), "path", wanted.path, path)
        yield from _of_content(expect.source, "/received", wanted, request.headers, request.text)
        if wanted.same_as_sent and outcome is not None:
            where = expect.source.place("/received/same_as_sent")
            yield from _of_meaning(where, outcome, request.text)


def _of_content(
    source: YamlDocument,
    pointer: str,
    wanted: Received | ExpectedExchange,
    headers: Sequence[tuple[str, str]],
    body: str,
    *,
    what: str = "",
    absent: str | None = None,
) -> Iterator[Problem]:
    """Yield what does not hold of the headers and the message of a request.

    Args:
        source: What the file expects, or a part of it.
        pointer: To `wanted` in it.
        wanted: What it says of this request.
        headers: As they were sent.
        body: As it was sent.
        what: Which request it is, for the report.
        absent: A hint for a header that is missing.
    """
    for difference in match_headers(wanted.headers, headers)[1]:
        where = source.place(f"{pointer}/headers{difference.pointer}")
        hint = absent if difference.got == "nothing" else None
        yield Problem.of(difference, where, f"{what}header", hint)
    if wanted.message is not None:
        for difference in match_json(wanted.message.value, body)[1]:
            where = source.place(f"{pointer}/message{difference.pointer}")
            yield Problem.of(difference, where, f"{what}message")


def _of_meaning(where: str, outcome: Outcome, body: str) -> Iterator[Problem]:
    """Compare both ways: nothing may be missing, and nothing may have been added."""
    sent: Any = json.loads(outcome.message or "null")
    got: Any = json.loads(body)
    for difference in match(sent, got)[1] or match(got, sent)[1]:
        yield Problem.of(difference, where, "message")


def problems_of_findings(expect: Expect, timeline: Sequence[TimelineEntry]) -> Iterator[Problem]:
    """Yield the findings that a step expects and that are missing, or the other way round."""
    if expect.findings is None:
        return
    findings = [finding for each in timeline for finding in each.findings]
    # By its rule, or by its case of headers and sequence, if it has one.
    names = {str(each[key]) for each in findings for key in ("rule", "case") if key in each}
    if not expect.findings:
        for finding in findings:
            if finding.get("severity") != "info":
                got = f"{finding['rule']}: {finding['message']}"
                place, hint = expect.source.place("/findings"), _about_rule(finding["rule"])
                yield Problem(place, "findings", "none", got, hint)
    for index, wanted in enumerate(expect.findings):
        if wanted not in names:
            place = expect.source.place(f"/findings/{index}")
            got = ", ".join(sorted(names)) or "none"
            yield Problem(place, "findings", wanted, got, _about_rule(wanted))


def _about_rule(name: str) -> str:
    """Return where a rule is explained, or that there is none of this name."""
    try:
        return f"oscp-send explain {find_rules(name)[0].name} says when it is found"
    except UnknownRule as error:
        return str(error).replace("--list", "oscp-send explain --list")


def problems_of_pending(expect: Expect, pending: int) -> Iterator[Problem]:
    """Yield what is still on its way though nothing should be."""
    if expect.pending is not None and pending:
        place = expect.source.place("/pending")
        hint = "wait until it is done, with a step as - wait: 30s"
        yield Problem(place, "on its way", "nothing", f"{pending}", hint)


def problems_of_verifications(
    source: YamlDocument, pointer: str, verifications: Iterable[Verification], look: Look
) -> Iterator[Problem]:
    """Yield what does not hold of what happened, as soon as that is certain."""
    for index, each in enumerate(verifications):
        place = source.place(f"{pointer}/{index}")
        try:
            look(each)
        except NotVerified as error:
            expected = _on_a_line(error.expected, error.about, ", ")
            yield Problem(place, "verify", expected, _on_a_line(error.got, error.came, "; "))
        except ValueError as error:
            yield Problem(place, "verify", "an OSCP message, or one that was sent", str(error))


def _on_a_line(first: str, more: Iterable[str], between: str) -> str:
    text = f"{first}:"
    for line in more:
        begins = text.endswith((":", " is"))
        text += ("" if begins else between[0]) + " " + line.strip()
    return text.removesuffix(":")


def match_exchanges(
    expect: Expect, got: Sequence[Exchange]
) -> tuple[list[Problem], dict[str, Exchange]]:
    """Return what does not hold of the exchanges between the parties, and what is captured of them.

    Captured is, by its name, the first that fits a description.
    """
    captured: dict[str, Exchange] = {}
    problems = [*_of_all(expect, got, captured), *_of_some(expect, got, captured)]
    return problems, captured


def _of_all(
    expect: Expect, got: Sequence[Exchange], captured: dict[str, Exchange]
) -> Iterator[Problem]:
    if expect.exchanges is None:
        return
    at, source = 0, expect.source
    for index, each in enumerate(expect.exchanges):
        what, pointer, times = f"exchange {index + 1}", f"/exchanges/{index}", each.times or _ONCE
        count = 0
        while at < len(got) and count != times.at_most:
            problems = list(_differences(source, pointer, what, each, got[at]))
            if problems and count >= times.at_least:
                break
            yield from problems
            if problems and _is_another(each, got[at]):
                # What follows is shifted against the file, and would differ for that alone.
                return
            if each.captured_as is not None:
                captured.setdefault(each.captured_as, got[at])
            at, count = at + 1, count + 1
        if count < times.at_least:
            came = f"{count} of them" if count else "none"
            yield Problem(source.place(pointer), what, _with_times(each), came)
    for there in got[at:]:
        most = ("exchanges", "nothing more") if expect.exchanges else ("the parties", "nothing")
        yield Problem(source.place("/exchanges"), *most, _shown_exchange(there))


def _of_some(
    expect: Expect, got: Sequence[Exchange], captured: dict[str, Exchange]
) -> Iterator[Problem]:
    left, source = list(got), expect.source
    for index, each in enumerate(expect.exchanges_among_others or ()):
        what, pointer = f"exchange {index + 1}", f"/exchanges_among_others/{index}"
        times = each.times or Times(1)
        fits = [at for at, there in enumerate(left) if fits_description(each, there)]
        if times.allows(len(fits)):
            if fits and each.captured_as is not None:
                captured[each.captured_as] = left[fits[0]]
            left = left[fits[times.at_least - 1] + 1 :] if times.at_least else left
            continue
        if fits:
            place, came = source.place(f"{pointer}/times"), f"{len(fits)} of them"
            yield Problem(place, what, f"{described(each)}, {times}", came)
            return
        near = next((there for there in left if not _is_another(each, there)), None)
        if near is not None:
            yield from _differences(source, pointer, what, each, near)
        else:
            yield Problem(source.place(pointer), what, described(each), _all_shown(left))
        return


def problems_of_none(
    source: YamlDocument, wanted: Sequence[ExpectedExchange], got: Sequence[Exchange]
) -> Iterator[Problem]:
    """Yield what somebody sent in a step though nobody should, as that or its scenario says."""
    for index, each in enumerate(wanted):
        for there in got:
            if fits_description(each, there):
                place, none = source.place(f"/expect_none/{index}"), f"nothing {described(each)}"
                yield Problem(place, "expect_none", none, _shown_exchange(there))


def problems_of_awaited(
    awaited: Await, seconds: float, count: int, got: Sequence[Exchange]
) -> Iterator[Problem]:
    """Yield what was awaited in vain for so many seconds, and how the nearest to it differs."""
    source, wanted = awaited.source, awaited.exchange
    came = f"{count} of them" if count else "none"
    differing = [
        (each, list(_differences(source, "", "the nearest", wanted, each)))
        for each in got
        if not _is_another(wanted, each)
    ]
    near, differences = min(differing, key=lambda pair: len(pair[1]), default=(None, []))
    if near is None:
        came += f"; what came: {_all_shown(got)}"
    else:
        came += f"; the nearest is {_shown_exchange(near)}"
    text = f"{_with_times(wanted)} within {seconds:g} s"
    yield Problem(source.place(), "await", text, came)
    yield from differences


_NOWHERE: Final = YamlDocument.of(None, "")


def fits_description(wanted: ExpectedExchange, got: Exchange) -> bool:
    """Return whether an exchange is as it is described."""
    return not any(_differences(_NOWHERE, "", "", wanted, got))


def _differences(
    source: YamlDocument, pointer: str, what: str, wanted: ExpectedExchange, got: Exchange
) -> Iterator[Problem]:
    place = source.place
    if _is_another(wanted, got):
        yield Problem(place(pointer), what, described(wanted), _shown_exchange(got))
        return
    status = _UNANSWERED if got.status is None else got.status
    if wanted.status is not None and wanted.status != status:
        shown = f"{status}: {shortened(got.answer)}" if got.answer else str(status)
        yield Problem(place(f"{pointer}/status"), f"{what} status", str(wanted.status), shown)
    why = "; ".join(got.notes) or None
    yield from _of_content(
        source, pointer, wanted, got.headers, got.body, what=f"{what} ", absent=why
    )


def _is_another(wanted: ExpectedExchange, got: Exchange) -> bool:
    return not (
        wanted.sender in {None, got.sender}
        and wanted.receiver in {None, got.receiver}
        and wanted.action in {None, got.action}
        and wanted.method in {None, got.method}
        and (wanted.path is None or is_end_of(wanted.path, got.path))
    )


def described(wanted: ExpectedExchange) -> str:
    """Return what a file says of an exchange, on one line."""
    parts = [
        f"from {wanted.sender}" if wanted.sender else "",
        f"to {wanted.receiver}" if wanted.receiver else "",
        wanted.action or "",
        f"{wanted.method or ''} {wanted.path or ''}".strip(),
    ]
    return " ".join(filter(None, parts)) or json.dumps(dict(wanted.headers))


def _with_times(wanted: ExpectedExchange) -> str:
    return described(wanted) + ("" if wanted.times is None else f", {wanted.times}")


def _all_shown(got: Sequence[Exchange]) -> str:
    return "; ".join(map(_shown_exchange, got[:_MOST_SHOWN])) or "none"


def _shown_exchange(got: Exchange) -> str:
    answered = "" if got.is_handed_over else f" {got.status or _UNANSWERED}"
    return f"from {got.sender} to {got.receiver} {got.method} {got.path}{answered}"

"""What parties declined, refused or found wrong, and whether a file expected that."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from oscp_sim.entry import Entry
from oscp_sim.journal import Mistake
from oscp_sim.matching import match_text, shortened
from oscp_sim.scenario.events import Problem
from oscp_sim.scenario.expect import described, fits_description
from oscp_sim.scenario.model import Declined, DeclinedInstruction, Expect
from oscp_sim.scenario.sequence import said_of, time_of_day
from oscp_sim.scenario.timeline import Exchange, TimelineEntry, exchange_of, timeline

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Declined:
    """An instruction that was declined, and the error findings about it."""

    entry: Entry
    findings: tuple[Mapping[str, Any], ...]

    def __str__(self) -> str:
        of = f" ({self.entry.action})" if self.entry.action else ""
        return f"instruction {self.entry.instruction_id}{of}, at {time_of_day(self.entry.at)}"


def problems_of_objections(expect: Expect, entries: Sequence[Entry]) -> Iterator[Problem]:
    """Yield what was declined, refused or found wrong and not expected, each cause once.

    Also yield what was expected to be declined or refused, and was not. Where the file says nothing
    of them, none is expected.
    """
    items = timeline(entries)
    declined = list(_declined(entries, items))
    numbers = {each.entry.instruction_id for each in declined}
    refused = [each for each in _refused(entries, items) if each.instruction_id not in numbers]
    yield from _of_declined(expect, declined)
    yield from _of_refused(expect, refused)
    told = {each.number for each in refused}
    others = [
        each for each in items if each.number not in told and each.instruction_id not in numbers
    ]
    yield from _of_findings(expect, others)


def problems_of_mistakes(place: str, mistakes: Iterable[Mistake]) -> Iterator[Problem]:
    """Yield what went wrong in the simulator itself, whatever is expected."""
    hint = "the program is not to blame: please report it, with the traceback in the log"
    for each in mistakes:
        got = f"{each.what} ({each.error})"
        yield Problem(place, "the simulator", "no mistake of its own", got, hint)


def explained(finding: Mapping[str, Any]) -> str:
    """Return what a finding says, and by which rule."""
    schema = "schema rule" if finding.get("layer") == "schema" else "rule"
    name = finding["rule"]
    return f"{said_of(finding)} ({schema} {name}: oscp-send explain {name})"


def _explained_once(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what findings say; of those that differ in their place alone, the first."""
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for each in findings:
        key = each["rule"], each["message"], each.get("hint")
        alike.setdefault(key, []).append(each)
    for first, *others in alike.values():
        more = f", and at {len(others)} more place{'s' * (len(others) > 1)}" if others else ""
        yield explained(first) + more


def _of_declined(expect: Expect, got: Sequence[_Declined]) -> Iterator[Problem]:
    allowed, place = _declined_of(expect), expect.source.place
    if allowed is not None and allowed.any:
        return
    wanted = allowed.listed if allowed is not None else ()
    pointer = "" if expect.declined is None else "/declined"
    came = [each for each in got if not any(_is_meant(one, each) for one in wanted)]
    for each, times in _counted(came, lambda one: (one.entry.action, one.entry.reason)):
        reason = f"Declined: {each.entry.reason}" if each.entry.reason else "Declined"
        hint = "; ".join(_explained_once(each.findings)) or None
        yield Problem(place(pointer), str(each), "not to be declined", reason + times, hint)
    for index, one in enumerate(wanted if expect.declined is not None else ()):
        if not any(_is_meant(one, each) for each in got):
            there = "; ".join(f"{each}: {each.entry.reason}" for each in came) or "none"
            yield Problem(place(f"/declined/{index}"), "declined", _told(one), shortened(there))


def _declined_of(expect: Expect) -> Declined | None:
    """Return which instructions may be declined; a state and a reason are those of some."""
    if expect.declined is None and (expect.state == "Declined" or expect.reason is not None):
        return Declined(listed=(DeclinedInstruction(reason=expect.reason),))
    return expect.declined


def problems_of_listed(expect: Expect, entries: Sequence[Entry]) -> Iterator[Problem]:
    """Yield what was declined or refused against what a file says, where it says something."""
    if expect.declined is not None:
        yield from _of_declined(expect, list(_declined(entries, timeline(entries))))
    if expect.refused is not None:
        yield from _of_refused(expect, list(_refused(entries, timeline(entries))))


def _is_meant(wanted: DeclinedInstruction, got: _Declined) -> bool:
    if wanted.action not in {None, got.entry.action}:
        return False
    return wanted.reason is None or match_text(wanted.reason, got.entry.reason)[0]


def _told(wanted: DeclinedInstruction) -> str:
    words = [wanted.action or "an instruction", "is declined"]
    return " ".join(words if wanted.reason is None else [*words, f"with {wanted.reason}"])


def _of_refused(expect: Expect, got: Sequence[Exchange]) -> Iterator[Problem]:
    allowed, place = expect.refused, expect.source.place
    if allowed is not None and allowed.any:
        return
    wanted = allowed.listed if allowed is not None else ()
    pointer = "" if allowed is None else "/refused"
    came = [each for each in got if not any(fits_description(one, each) for one in wanted)]
    for each, times in _counted(came, lambda one: (one.method, one.path, one.status, one.answer)):
        answer = f"{each.status}: {shortened(each.answer)}" if each.answer else str(each.status)
        why = [*each.notes, *_explained_once(filter(_is_error, each.findings))]
        parties = f"from {each.sender or 'a program'} to {each.receiver}"
        what = f"{each.method} {each.path} {parties}, at {time_of_day(each.at)}"
        hint = "; ".join(why) or None
        yield Problem(place(pointer), what, "not to be refused", answer + times, hint)
    for index, one in enumerate(wanted):
        if not any(fits_description(one, each) for each in got):
            there = "; ".join(f"{each.method} {each.path} {each.status}" for each in came)
            where = place(f"/refused/{index}")
            yield Problem(where, "refused", described(one), shortened(there) or "none")


def _of_findings(expect: Expect, items: Iterable[TimelineEntry]) -> Iterator[Problem]:
    expected = set(expect.findings or ())
    errors = [
        finding
        for item in items
        for finding in item.findings
        if _is_error(finding) and not expected & {finding["rule"], finding.get("case")}
    ]
    for each, times in _counted(errors, explained):
        where, what = expect.source.place(), f"finding {each['rule']}"
        yield Problem(
            where, what, "no finding that is an error", each["message"] + times, _do(each)
        )


def _do(finding: Mapping[str, Any]) -> str:
    parts = (finding.get("pointer"), finding.get("hint"))
    place = ": ".join(str(each) for each in parts if each)
    more = f"oscp-send explain {finding['rule']} says more"
    return f"{place}; {more}" if place else more


def _is_error(finding: Mapping[str, Any]) -> bool:
    return finding.get("severity") == "error"


def _declined(entries: Iterable[Entry], items: Sequence[TimelineEntry]) -> Iterator[_Declined]:
    for entry in entries:
        if entry.kind == "state" and entry.state == "Declined":
            found = {
                explained(finding): finding
                for item in items
                if item.instruction_id == entry.instruction_id
                for finding in item.findings
                if _is_error(finding)
            }
            yield _Declined(entry, tuple(found.values()))


def _refused(entries: Iterable[Entry], items: Sequence[TimelineEntry]) -> Iterator[Exchange]:
    """Yield what was refused: of a timeline, and the looks at an instruction that it leaves out."""
    drawn = {each.number for each in items}
    looks = [
        exchange_of(each)
        for each in entries
        if each.kind == "exchange" and each.party == "solaruser" and each.number not in drawn
    ]
    exchanges = [each for each in items if isinstance(each, Exchange)]
    for each in sorted([*looks, *exchanges], key=lambda one: one.number):
        if each.status is not None and each.status >= HTTPStatus.BAD_REQUEST:
            yield each


def _counted(items: Iterable[_T], key: Callable[[_T], Hashable]) -> Iterator[tuple[_T, str]]:
    """Yield the first of those that are alike, and a text that says how many there are."""
    alike: dict[Hashable, list[_T]] = {}
    for each in items:
        alike.setdefault(key(each), []).append(each)
    for those in alike.values():
        yield those[0], f" ({len(those)} times)" if len(those) > 1 else ""

"""Holding what the parties sent one another in a step against what its file expects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from oscp_send.findings import Finding
from simulator.conversation import case_of
from simulator.matching import match_headers, match_json, shortened
from simulator.scenario.events import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from simulator.scenario.expectation import Exchanges, Expect, ExpectedExchange
    from simulator.scenario.happened import Exchange, Happened

__all__ = ["problems_of_exchanges", "problems_of_findings", "problems_of_pending"]

_UNANSWERED = "unanswered"
_MOST_SHOWN = 12


def problems_of_exchanges(expect: Expect, got: Sequence[Exchange]) -> Iterator[Problem]:
    """Answers with what a step expects the parties to send one another, and what does not hold."""
    if expect.exchanges is None:
        return
    if expect.exchanges.complete:
        yield from _of_all(expect, expect.exchanges, got)
    else:
        yield from _of_some(expect, expect.exchanges, got)


def problems_of_findings(expect: Expect, happened: Sequence[Happened]) -> Iterator[Problem]:
    """Answers with the findings that a step expects and that are not there, or the other way."""
    if expect.findings is None:
        return
    told = [finding for each in happened for finding in each.findings]
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
    """Answers with the rule of a finding, and with its case of headers and sequence, if any."""
    yield str(finding["rule"])
    case = case_of(Finding("meaning", finding["rule"], "info", "", "", finding.get("hint", "")))
    if case is not None:
        yield case


def problems_of_pending(expect: Expect, pending: int) -> Iterator[Problem]:
    """Answers with what is still on its way though nothing should be."""
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
    """Tells whether a path is the one that is expected, or ends with it from a slash on."""
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

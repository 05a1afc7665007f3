"""Drawing what the parties of a rehearsal sent one another, one exchange below the other."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from simulator.matching import printable
from simulator.scenario.happened import Exchange, Note
from simulator.scenario.summaries import answer_summary, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from simulator.entry import Party
    from simulator.scenario.events import StepFinished
    from simulator.scenario.happened import Happened

__all__ = ["LEGEND", "draw"]

_WIDTH: Final = 100
_PARTIES: Final = 18
_LONGEST_TEXT: Final = 300
# The protocol's own short names of its roles (OSCP dossier §1.1).
_SHORT: Final[Mapping[str | None, str]] = {
    "solaruser": "SolarUser",
    "flexibility_provider": "FP",
    "capacity_provider": "CP",
    "capacity_optimizer": "CO",
    None: "?",
}
_HEADERS: Final = ("X-Request-ID", "X-Correlation-ID", "X-SN-Source-ID")
_SHOWN_SEVERITIES: Final = ("error", "warning")

#: What stands above a drawing.
LEGEND: Final = "CP Capacity Provider, FP Flexibility Provider, CO Capacity Optimizer; times in UTC"


def draw(steps: Iterable[StepFinished]) -> Iterator[str]:
    """Answers with the lines of a drawing of some steps, at most 100 columns wide.

    An arrow leads from who sent a request to who got it, with the path and the status of the
    answer; below are the ids, what the message says, and what there is to know about it. A line of
    its own tells each new day.
    """
    day = ""
    for step in steps:
        yield _heading(step)
        for together in _together(step.happened):
            first = together[0]
            if day != (day := f"{first.at:%Y-%m-%d}"):
                yield f"    {day}"
            if isinstance(first, Exchange):
                yield from _exchange(first)
            else:
                yield from _note(first, len(together))


def _together(happened: Iterable[Happened]) -> Iterator[list[Happened]]:
    """Answers with what happened one by one, but for what is published in one go."""
    for stream, group in groupby(happened, _stream):
        if stream is None:
            yield from ([each] for each in group)
        else:
            yield list(group)


def _stream(each: Happened) -> tuple[str, ...] | None:
    """Answers with where a note tells that something is published, and under which identifier."""
    datum = each.datum if isinstance(each, Note) else None
    if datum is None:
        return None
    identifier = (datum.get("s") or {}).get("forecastIdentifier")
    return str(datum.get("sourceId")), str(identifier)


def _heading(step: StepFinished) -> str:
    name = printable(f"{step.number} {step.name}")
    outcome = printable(step.outcome)
    room = _WIDTH - 4 - len(outcome)
    return f"  {_cut(name, room):<{room}}  {outcome}".rstrip()


def _exchange(exchange: Exchange) -> Iterator[str]:
    sender, receiver = (_party(each, exchange) for each in (exchange.sender, exchange.receiver))
    status = _status(exchange)
    beginning = (
        f"    {_time(exchange)}  {f'{sender} -> {receiver}':<{_PARTIES}}  {exchange.method:<4} "
    )
    room = _WIDTH - len(beginning) - len(status) - 2
    yield f"{beginning}{_cut(printable(exchange.path), room):<{room}}  {status}".rstrip()
    for name in _HEADERS:
        value = exchange.header(name)
        if value is not None:
            yield from _told(f"{name} {value}")
    if _lacks_correlation(exchange):
        yield from _told("no X-Correlation-ID")
    yield from _told(summary(exchange))
    yield from _told(answer_summary(exchange), "answer: ")
    for note in exchange.notes:
        yield from _told(note, "note: ")
    yield from _findings(exchange)


def _note(note: Note, count: int) -> Iterator[str]:
    party = _SHORT[note.party] + (f" {note.system}" if note.system is not None else "")
    beginning = f"    {_time(note)}  {party:<{_PARTIES}}  "
    text = note.text if note.datum is None else _published(note.datum, count)
    yield from _wrapped(beginning, printable(_short(text)), " " * (len(beginning) + 2))
    yield from _findings(note)


def _published(datum: Mapping[str, Any], count: int) -> str:
    told = [f"publishes {count} data" if count > 1 else "publishes a datum"]
    told += [f"of {datum.get('sourceId')}, the first of {datum.get('created')}:"]
    samples = {**(datum.get("i") or {}), **(datum.get("a") or {}), **(datum.get("s") or {})}
    told += [", ".join(f"{name} {value}" for name, value in samples.items())]
    return " ".join(told) if count > 1 else " ".join(told).replace(", the first of", " of")


def _lacks_correlation(exchange: Exchange) -> bool:
    """Tells whether what an instruction made the Flexibility Provider send names nothing."""
    return (
        exchange.sender == "flexibility_provider"
        and exchange.instruction_id is not None
        and exchange.correlation_id is None
    )


def _party(party: Party | None, exchange: Exchange) -> str:
    of_many = party in {"capacity_provider", "capacity_optimizer"}
    number = f" {exchange.system}" if of_many and exchange.system is not None else ""
    return _SHORT[party] + number


def _findings(each: Happened) -> Iterator[str]:
    for finding in each.findings:
        if finding.get("severity") in _SHOWN_SEVERITIES:
            place = f"{finding['pointer']}: " if finding.get("pointer") else ""
            rule = "schema" if finding.get("layer") == "schema" else finding["rule"]
            yield from _told(f"{place}{finding['message']}", f"{rule} ")


def _told(text: str, beginning: str = "") -> Iterator[str]:
    if text:
        indent = " " * 20
        yield from _wrapped(indent + beginning, printable(_short(text)), indent + "  ")


def _wrapped(beginning: str, text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=beginning, subsequent_indent=indent, break_on_hyphens=False
    )


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 3]}..."


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def _status(exchange: Exchange) -> str:
    if exchange.is_handed_over:
        return ""
    return "no answer" if exchange.status is None else str(exchange.status)


def _time(each: Happened) -> str:
    return each.at.strftime("%H:%M:%S.") + f"{each.at.microsecond // 1000:03d}"

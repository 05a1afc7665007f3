"""A scenario's exchanges as a sequence chart: a lane for each party, an arrow for each request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from markupsafe import Markup

from oscp_send.instruction import split
from oscp_sim.report.svg import cut, element, text
from oscp_sim.report.text import NAMES, rule_of, shown_findings
from oscp_sim.scenario.events import StepFinished
from oscp_sim.scenario.sequence import note_text, together
from oscp_sim.scenario.timeline import Exchange, Note, TimelineEntry

#: Of which party, and which of them: a Capacity Provider's or Optimizer's id.
Lane = tuple[str | None, int | None]

_ORDER: Final = (None, "capacity_optimizer", "solaruser", "flexibility_provider")
_LANE: Final = 258.0
_MARGIN: Final = 136.0
_HEAD: Final = 46.0
_ROW: Final = 50.0
_LINE: Final = 15.0
_STEP: Final = 34.0
_NOTE: Final = 32.0
_OF_MANY: Final = frozenset({"capacity_provider", "capacity_optimizer"})
# What sets one id apart from the others of a chart.
_LONGEST_ID: Final = 10
# Success, redirection.
_GOOD: Final = range(200, 400)


@dataclass(frozen=True, slots=True)
class Row:
    """What is drawn in one row of a chart, and told below it under the same number.

    Attributes:
        number: From 1; 0 for a step.
        what: A step, an exchange or a note.
        count: How many notes are told as one.
    """

    number: int
    what: StepFinished | TimelineEntry
    count: int = 1


def rows(steps: Iterable[StepFinished], most: int) -> tuple[list[Row], int]:
    """Return the rows of some steps, at most so many, and how many are left out in the middle."""
    found: list[Row] = []
    number = 0
    for step in steps:
        found.append(Row(0, step))
        for each in together(step.timeline):
            number += 1
            found.append(Row(number, each[0], len(each)))
    left_out = max(0, len(found) - most)
    if left_out:
        half = most // 2
        del found[half : half + left_out]
    return found, left_out


def chart(drawn: Sequence[Row]) -> Markup:
    """Return the chart as an SVG element."""
    places = _places(drawn)
    width = 2 * _MARGIN + max((x - _MARGIN for x in places.values()), default=0.0)
    y = _HEAD + 12
    shapes: list[str] = []
    for row in drawn:
        if isinstance(row.what, StepFinished):
            shapes.append(_step(row.what, y, width))
            y += _STEP
        elif isinstance(row.what, Exchange):
            shapes.append(_arrow(row, row.what, y, places))
            y += _ROW + (_LINE if _ids(row.what) else 0)
        else:
            shapes.append(_note(row, row.what, y, places, width))
            y += _NOTE
    # One that shares a lane comes last, and has no name of its own.
    heads = {x: lane for lane, x in reversed(places.items())}
    drawn_from_left = sorted(heads.items(), key=itemgetter(0))
    lines = (element("line", x1=x, x2=x, y1=_HEAD, y2=y, class_="life") for x in heads)
    return element(
        "svg",
        element("title", "Who sent what to whom, from top to bottom"),
        *lines,
        *(_head(lane, x) for x, lane in drawn_from_left),
        *shapes,
        viewBox=f"0 0 {width:g} {y + 8:g}",
        width=width,
        height=y + 8,
        role="img",
        class_="chart",
    )


def lane_name(lane: Lane) -> str:
    """Return the name of a lane, for people."""
    party, system = lane
    return NAMES[party] + (f" {system}" if system is not None else "")


def ends(exchange: Exchange) -> tuple[Lane, Lane]:
    """Return the lanes of the sender and of the receiver."""
    return lane_of(exchange.sender, exchange.system), lane_of(exchange.receiver, exchange.system)


def parts_of(exchange: Exchange) -> int:
    """Return in how many parts SolarUser keeps the message of an instruction; 0 of others."""
    if exchange.receiver != "solaruser":
        return 0
    return sum(len(split(value)) for name, value in exchange.parameters if name == "msg")


def lane_of(party: str | None, system: int | None) -> Lane:
    """Return the lane of a party; the id of a system counts where there are many of a kind."""
    return party, system if party in _OF_MANY else None


def _places(drawn: Iterable[Row]) -> dict[Lane, float]:
    """Return where each lane is; a party whose id is not told shares the lane of the only one."""
    found: dict[Lane, None] = {}
    for row in drawn:
        if isinstance(row.what, Exchange):
            found.update(dict.fromkeys(ends(row.what)))
        elif isinstance(row.what, Note):
            found[lane_of(row.what.party, row.what.system)] = None
    alone: dict[Lane, Lane] = {}
    for party in _OF_MANY:
        ids = [lane for lane in found if lane[0] == party and lane[1] is not None]
        if len(ids) == 1 and (party, None) in found:
            alone[party, None] = ids[0]
    lanes = sorted((lane for lane in found if lane not in alone), key=_rank)
    places = {lane: _MARGIN + _LANE * at for at, lane in enumerate(lanes)}
    return {**places, **{lane: places[other] for lane, other in alone.items()}}


def _rank(lane: Lane) -> tuple[int, int]:
    party, system = lane
    return _ORDER.index(party) if party in _ORDER else len(_ORDER), system or 0


def _head(lane: Lane, x: float) -> Markup:
    room = _LANE - 16
    box = element("rect", x=x - room / 2, y=6, width=room, height=30, rx=6, class_="party")
    return box + text(x, 26, cut(lane_name(lane), room - 8, 14), "name")


def _step(step: StepFinished, y: float, width: float) -> Markup:
    name = f"{step.number} {step.name}"
    kind = "step bad" if step.problems else "step"
    band = element("rect", x=0, y=y, width=width, height=24, class_=kind)
    outcome = cut(step.outcome, width / 3, 13)
    told = text(8, y + 17, cut(name, width * 0.6, 13), "step-name", "start")
    return band + told + text(width - 8, y + 17, outcome, "step-name", "end")


def _arrow(row: Row, exchange: Exchange, y: float, places: dict[Lane, float]) -> Markup:
    start, end = (places[each] for each in ends(exchange))
    if start == end:
        # To itself: a short way out and back would say no more.
        end = start + _LANE / 3
    line = y + 20
    kind = "arrow"
    if not exchange.is_handed_over and exchange.status not in _GOOD:
        kind = "arrow bad"
    sign = 1 if end > start else -1
    tip = f"{end - sign * 9:g},{line - 4:g} {end:g},{line:g} {end - sign * 9:g},{line + 4:g}"
    left, right = min(start, end), max(start, end)
    middle = (left + right) / 2
    room = right - left - 44
    return (
        element("line", x1=start, x2=end, y1=line, y2=line, class_=kind)
        + element("polygon", points=tip, class_=kind)
        + _number(row.number, start, line)
        + text(middle, line - 6, cut(_label(exchange), room, 13), "label")
        + text(middle, line + 15, cut(_below(exchange), room, 11.5), "below")
        + text(middle, line + 15 + _LINE, cut(_ids(exchange), room, 11.5), "below")
    )


def _number(number: int, x: float, y: float) -> Markup:
    width = 10 + 7 * len(str(number))
    box = element("rect", x=x - width / 2, y=y - 9, width=width, height=18, rx=9, class_="number")
    return box + text(x, y + 4, str(number), "number-text")


def _label(exchange: Exchange) -> str:
    is_look = exchange.receiver == "solaruser" and exchange.method != "POST"
    if exchange.action and not is_look:
        return exchange.action
    return f"{exchange.method} {exchange.path.rpartition('/')[2] or exchange.path}"


def _below(exchange: Exchange) -> str:
    """Return what is told below an arrow: how it ended, in how many parts, which rules it broke."""
    status = "no answer" if exchange.status is None else str(exchange.status)
    told = ["queued" if exchange.is_handed_over else status]
    if (parts := parts_of(exchange)) > 1:
        told.append(f"{parts} parts")
    told += dict.fromkeys(map(rule_of, shown_findings(exchange.findings)))
    return ", ".join(told)


def _ids(exchange: Exchange) -> str:
    """Return by which id a message is known, and for which one it is; nothing if by none."""
    known, named = exchange.request_id, exchange.correlation_id
    told = [] if known is None else [f"id {_beginning(known)}"]
    return ", ".join(told if named is None else [*told, f"for {_beginning(named)}"])


def _beginning(name: str) -> str:
    return name if len(name) <= _LONGEST_ID else f"{name[:_LONGEST_ID]}…"


def _note(row: Row, note: Note, y: float, places: dict[Lane, float], width: float) -> Markup:
    x = places[lane_of(note.party, note.system)]
    said = note_text(note, row.count)
    room = min(_LANE - 16, 2 * min(x, width - x) - 8)
    kind = "note bad" if shown_findings(note.findings) else "note"
    box = element("rect", x=x - room / 2, y=y + 2, width=room, height=24, rx=4, class_=kind)
    return (
        box
        + _number(row.number, x - room / 2 + 14, y + 14)
        + text(x + 10, y + 18, cut(said, room - 44, 11.5), "note-text")
    )

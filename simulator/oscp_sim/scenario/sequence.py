"""Draw what the parties of a rehearsal sent one another, one exchange below the other."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Protocol

from oscp_send.cli.main import Colour
from oscp_send.instruction import join_parameters
from oscp_sim.entry import PartyName
from oscp_sim.matching import printable
from oscp_sim.scenario.events import StepFinished
from oscp_sim.scenario.timeline import Exchange, Note, TimelineEntry

#: What is above a drawing.
LEGEND: Final = "CP Capacity Provider, FP Flexibility Provider, CO Capacity Optimizer; times in UTC"

_WIDTH: Final = 100
_PARTIES: Final = 18
_INDENT: Final = " " * 20
_LONGEST_TEXT: Final = 300
_MOST_VALUES: Final = 6
# The protocol's own short names of its roles (oscp20.md §1.1).
_SHORT: Final[Mapping[str | None, str]] = {
    "solaruser": "SolarUser",
    "flexibility_provider": "FP",
    "capacity_provider": "CP",
    "capacity_optimizer": "CO",
    None: "?",
}
_HEADERS: Final = ("X-Request-ID", "X-Correlation-ID", "X-SN-Source-ID")
#: What is shown of what was found, and how.
_SEVERITIES: Final[Mapping[str, Colour]] = {"error": "red", "warning": "yellow"}
_STATES: Final[Mapping[str, Colour]] = {" is Declined": "red", " is Completed": "green"}


class Paint(Protocol):
    """Colours a text, or leaves it as it is."""

    def __call__(self, text: str, colour: Colour | None = None) -> str:
        """Return the text."""


def _plain(text: str, colour: Colour | None = None) -> str:  # noqa: ARG001 - as a Paint
    return text


def draw(steps: Iterable[StepFinished]) -> Iterator[str]:
    """Yield the lines of a drawing of some steps, at most 100 columns wide.

    An arrow leads from the sender of a request to its receiver, with the path and the status of the
    answer; below are the ids, what the message says, and remarks. Each new day has its own line.
    """
    day = ""
    for step in steps:
        name, outcome = printable(f"{step.number} {step.name}"), printable(step.outcome)
        room = _WIDTH - 4 - len(outcome)
        yield f"  {_cut(name, room):<{room}}  {outcome}".rstrip()
        for group in together(step.timeline):
            first = group[0]
            if day != (day := f"{first.at:%Y-%m-%d}"):
                yield f"    {day}"
            yield from lines_of(first, len(group))


def lines_of(
    each: TimelineEntry, count: int = 1, *, paint: Paint = _plain, is_brief: bool = False
) -> Iterator[str]:
    """Yield the lines of one thing that happened.

    Args:
        each: What happened.
        count: How many data were published in one go.
        paint: Colours a text, as `Palette.paint` does.
        is_brief: Whether the first line is enough, and all of a note.
    """
    if isinstance(each, Note):
        yield from _note(each, count, paint)
        return
    yield _first_line(each, paint)
    if not is_brief:
        yield from _below(each, paint)


def together(timeline: Iterable[TimelineEntry]) -> Iterator[list[TimelineEntry]]:
    """Yield what happened one by one, except that data published in one go stay together."""
    for stream, group in groupby(timeline, _stream):
        if stream is None:
            yield from ([each] for each in group)
        else:
            yield list(group)


def _stream(each: TimelineEntry) -> tuple[str, str] | None:
    """Return where a note says that something was published, and under which identifier."""
    datum = each.datum if isinstance(each, Note) else None
    if datum is None:
        return None
    identifier = (datum.get("s") or {}).get("forecastIdentifier")
    return str(datum.get("sourceId")), str(identifier)


def _first_line(exchange: Exchange, paint: Paint) -> str:
    arrow = f"{_party(exchange.sender, exchange)} -> {_party(exchange.receiver, exchange)}"
    status = "no answer" if exchange.status is None else str(exchange.status)
    status = "" if exchange.is_handed_over else status
    beginning = f"    {time_of_day(exchange.at)}  {arrow:<{_PARTIES}}  {exchange.method:<4} "
    room = _WIDTH - len(beginning) - len(status) - 2
    shown = f"{beginning}{_cut(printable(exchange.path), room):<{room}}"
    is_well = exchange.status is not None and exchange.status < 400  # noqa: PLR2004 - of HTTP
    return f"{shown}  {paint(status, 'green' if is_well else 'red')}" if status else shown.rstrip()


def _below(exchange: Exchange, paint: Paint) -> Iterator[str]:
    for name in _HEADERS:
        value = exchange.header(name)
        yield from _detail("" if value is None else f"{name} {value}")
    if (
        exchange.sender == "flexibility_provider"
        and exchange.instruction_id is not None
        and exchange.correlation_id is None
    ):
        yield from _detail("no X-Correlation-ID")
    yield from _detail(summary(exchange))
    yield from _detail(answer_summary(exchange), "answer: ")
    yield from remarks(exchange.notes, exchange.findings, paint)


def remarks(
    notes: Iterable[str], findings: Iterable[Mapping[str, Any]], paint: Paint = _plain
) -> Iterator[str]:
    """Yield the lines of what a party noted and found."""
    for note in notes:
        yield from _detail(note, "note: ")
    yield from _findings(findings, paint)


def _note(note: Note, count: int, paint: Paint) -> Iterator[str]:
    party = _SHORT[note.party] + (f" {note.system}" if note.system is not None else "")
    beginning = f"    {time_of_day(note.at)}  {party:<{_PARTIES}}  "
    lines = _wrapped(beginning, note_text(note, count), " " * (len(beginning) + 2))
    # What a sender looks for.
    colour: Colour | None = next((_STATES[each] for each in _STATES if each in note.text), None)
    yield from (_painted(line, paint, colour if note.is_state else None) for line in lines)
    yield from _findings(note.findings, paint)


def note_text(note: Note, count: int) -> str:
    """Return what a note says, of so many that belong together."""
    return note.text if note.datum is None else _published(note.datum, count)


def _published(datum: Mapping[str, Any], count: int) -> str:
    samples = {**(datum.get("i") or {}), **(datum.get("a") or {}), **(datum.get("s") or {})}
    values = ", ".join(f"{name} {value}" for name, value in samples.items())
    what, first = (f"{count} data", ", the first") if count > 1 else ("a datum", "")
    return f"publishes {what} of {datum.get('sourceId')}{first} of {datum.get('created')}: {values}"


def _party(party: PartyName | None, exchange: Exchange) -> str:
    of_many = party in {"capacity_provider", "capacity_optimizer"}
    return _SHORT[party] + (
        f" {exchange.system}" if of_many and exchange.system is not None else ""
    )


def _findings(findings: Iterable[Mapping[str, Any]], paint: Paint) -> Iterator[str]:
    for finding in findings:
        colour = _SEVERITIES.get(finding.get("severity", ""))
        if colour is not None:
            place = f"{finding['pointer']}: " if finding.get("pointer") else ""
            rule = finding["rule"]
            if finding.get("layer") == "schema":
                rule = f"schema {rule}"
            for line in _detail(f"{place}{finding['message']}", f"{rule} "):
                yield _painted(line, paint, colour)


def _painted(line: str, paint: Paint, colour: Colour | None) -> str:
    """Return a line whose text is coloured, and not what is before it."""
    text = line.lstrip()
    return line[: len(line) - len(text)] + (paint(text, colour) if colour else text)


def _detail(text: str, beginning: str = "") -> Iterator[str]:
    if text:
        yield from _wrapped(_INDENT + beginning, text, _INDENT + "  ")


def _wrapped(beginning: str, text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(
        printable(_cut(text, _LONGEST_TEXT)),
        _WIDTH,
        initial_indent=beginning,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 3]}..."


def said_of(finding: Mapping[str, Any]) -> str:
    """Return what a finding says: the place, what is wrong, and what to do."""
    place = f"{finding['pointer']}: " if finding.get("pointer") else ""
    hint = f"; {finding['hint']}" if finding.get("hint") else ""
    return f"{place}{finding.get('message')}{hint}"


def time_of_day(at: datetime) -> str:
    """Return a time to the millisecond, as it stands in a drawing."""
    return at.strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03d}"


def duration_text(seconds: float) -> str:
    """Return how long something took, for people."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


# One line on what a message says.


def summary(exchange: Exchange) -> str:
    """Return what the message of an exchange says, or nothing if there is nothing to say."""
    message = _json(exchange.content)
    if not isinstance(message, Mapping):
        return ""
    if exchange.is_handed_over:
        return _named(message)
    if exchange.receiver == "solaruser":
        named = dict(join_parameters(exchange.parameters))
        msg = named.pop("msg", None)
        return _named(named) + ("" if msg is None else f", msg of {len(msg)} characters")
    say = _SUMMARIES.get(exchange.action or "")
    try:
        return say(message) if say else ""
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # What is wrong with a message is in its findings and its answer.
        return ""


def answer_summary(exchange: Exchange) -> str:
    """Return what the body of an answer says, or nothing if there is nothing to say."""
    answer = _json(exchange.answer)
    if not isinstance(answer, Mapping):
        return exchange.answer.strip()
    data = answer.get("data")
    if isinstance(data, Mapping) and "state" in data:
        error = (data.get("resultParameters") or {}).get("error")
        return f"instruction {data.get('id')} {data['state']}" + (f": {error}" if error else "")
    return str(answer.get("message") or answer.get("error") or "")


def _json(text: str) -> Any:  # noqa: ANN401 - JSON of any kind
    try:
        return json.loads(text)
    except ValueError:
        return None


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _register(message: Mapping[str, Any]) -> str:
    urls = (f"{each['version']} at {each['base_url']}" for each in message["version_url"])
    return f"a token, and {', '.join(urls)}"


def _behaviour(message: Mapping[str, Any]) -> str:
    wanted = message.get("required_behaviour")
    if not wanted:
        return "asks for nothing"
    interval = wanted.get("heartbeat_interval")
    styles = wanted.get("measurement_configuration")
    parts = [] if interval is None else [f"a heartbeat every {interval:g} s"]
    if styles is not None:
        parts.append(f"measurements {', '.join(styles) or 'of any kind'}")
    return "asks for " + (", ".join(parts) or "nothing")


def _forecast(message: Mapping[str, Any]) -> str:
    return f"{message['type']} of {message['group_id']}: {_blocks(message['forecasted_blocks'])}"


def _compliance_error(message: Mapping[str, Any]) -> str:
    blocks = message.get("forecasted_blocks")
    return str(message["message"]) + (f": {_blocks(blocks)}" if blocks else "")


def _blocks(blocks: Sequence[Mapping[str, Any]]) -> str:
    if not blocks:
        return "no blocks"
    values = [f"{float(block['capacity']):g}" for block in blocks]
    if len(values) > _MOST_VALUES:
        values = [*values[: _MOST_VALUES - 2], "...", values[-1]]
    units = " or ".join(dict.fromkeys(str(block["unit"]) for block in blocks))
    start, end = _instant(blocks[0]["start_time"]), _instant(blocks[-1]["end_time"])
    count = f"{len(blocks)} blocks, " if len(blocks) > 1 else ""
    # A day is written once if it is the same.
    end = end[11:] if start[:11] == end[:11] else end
    return f"{count}{', '.join(values)} {units}, {start} to {end}"


def _measurements(message: Mapping[str, Any]) -> str:
    measured = message["measurements"]
    values = [_measured(each) for each in measured[:_MOST_VALUES]] or ["none"]
    more = ", ..." if len(measured) > _MOST_VALUES else ""
    return f"of {message['group_id']}: {', '.join(values)}{more}"


def _measured(each: Mapping[str, Any]) -> str:
    value = each.get("energy_measurement") or each.get("instantaneous_measurement") or each
    asset = f"{each['asset_id']} " if "asset_id" in each else ""
    if "value" not in value:
        return asset.strip()
    return f"{asset}{value['value']:g} {value['unit']}"


def _instant(text: str) -> str:
    read = datetime.fromisoformat(text)
    return read.strftime("%Y-%m-%d %H:%M" + (":%S" if read.second else "")) + (
        "Z" if not read.utcoffset() else read.strftime("%z")
    )


_SUMMARIES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "Register": _register,
    "Handshake": _behaviour,
    "HandshakeAcknowledge": _behaviour,
    "Heartbeat": lambda message: f"offline at {_instant(message['offline_mode_at'])}",
    "UpdateGroupCapacityForecast": _forecast,
    "AdjustGroupCapacityForecast": _forecast,
    "GroupCapacityComplianceError": _compliance_error,
    "UpdateGroupMeasurements": _measurements,
    "UpdateAssetMeasurement": _measurements,
}

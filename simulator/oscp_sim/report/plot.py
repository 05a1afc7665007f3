"""What was forecast, asked, granted and measured over time: a step plot for each phase and unit.

A Capacity Provider's forecast is the limit until a new one replaces it (oscp20.md §3.13, S10):
the newest values of all its forecasts together are what limits the group.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from oscp_send.meaning import energy_readings
from oscp_send.times import read_instant
from oscp_sim.matching import printable
from oscp_sim.report.svg import cut, element, text
from oscp_sim.scenario.timeline import Exchange


class Piece(NamedTuple):
    """A value that holds for some time; of what is measured at an instant, for none."""

    start: datetime
    end: datetime
    value: float


class Key(NamedTuple):
    """What one plot is about."""

    group: str
    type: str
    phase: str
    unit: str


@dataclass(slots=True)
class Plot:
    """Series by their names, in the order in which they came up.

    Attributes:
        limit: What limits the group in the end: a Capacity Provider's newest values.
    """

    key: Key
    series: dict[str, list[Piece]] = field(default_factory=dict)
    limit: list[Piece] = field(default_factory=list)

    def add(self, name: str, pieces: Iterable[Piece]) -> None:
        """Add pieces to a series."""
        self.series.setdefault(name, []).extend(pieces)

    @property
    def title(self) -> str:
        """What it is about, for people."""
        phase = "all phases" if self.key.phase == "ALL" else f"phase {self.key.phase}"
        return f"{self.key.group}: {self.key.type}, {phase}, in {self.key.unit}"


_SERVICES: Final = frozenset({"solaruser", "flexibility_provider"})
_FORECAST: Final = "UpdateGroupCapacityForecast"
_ADJUST: Final = "AdjustGroupCapacityForecast"
_MEASURED: Final = frozenset({"UpdateGroupMeasurements", "UpdateAssetMeasurement"})
_DIRECTIONS: Final = {"EXPORT": "GENERATION"}
_POWER_OF: Final = {"WH": "W", "KWH": "KW"}
_LARGEST: Final = 1e15
_TOO_LATE: Final = datetime(9000, 1, 1, tzinfo=UTC)


def plots(exchanges: Iterable[Exchange]) -> list[Plot]:
    """Return the plots of what parties sent, each message once."""
    found: dict[Key, Plot] = {}
    asked: set[tuple[str, str]] = set()
    for each in exchanges:
        message = None if each.sender in _SERVICES else _message(each)
        if message is None:
            continue
        group = str(message.get("group_id", ""))
        if each.action in _MEASURED:
            _add_measured(found, group, message)
        elif each.action in {_FORECAST, _ADJUST}:
            about = group, str(message.get("type", ""))
            if each.action == _ADJUST:
                asked.add(about)
            name = _name(each, about[1], is_answer=about in asked)
            _add_blocks(found, about, name, message, each)
    return [each for each in found.values() if any(each.series.values())]


def _name(exchange: Exchange, kind: str, *, is_answer: bool) -> str:
    if exchange.action == _ADJUST:
        return "asked"
    if exchange.sender != "capacity_provider":
        return "optimum" if kind == "OPTIMUM" else "sent by the optimizer"
    return "granted" if is_answer else "forecast"


def _message(exchange: Exchange) -> Mapping[str, Any] | None:
    """Return the OSCP message that an exchange carries, if it was not refused."""
    # What became an instruction was taken, whether its sender saw that or not.
    is_unseen = exchange.receiver == "solaruser" and exchange.instruction_id is not None
    status = 200 if is_unseen else exchange.status
    if status is None or status >= 400:  # noqa: PLR2004 - an HTTP status
        return None
    content = exchange.body
    if exchange.receiver == "solaruser":
        content = "".join(value for name, value in exchange.parameters if name == "msg")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, Mapping) else None


def _add_blocks(
    found: dict[Key, Plot],
    about: tuple[str, str],
    name: str,
    message: Mapping[str, Any],
    exchange: Exchange,
) -> None:
    group, kind = about
    blocks = message.get("forecasted_blocks")
    for block in blocks if isinstance(blocks, list) else ():
        if not isinstance(block, Mapping):
            continue
        piece = _piece(block.get("start_time"), block.get("end_time"), block.get("capacity"))
        if piece is None or piece.end <= piece.start:
            continue
        # A recommended use is compared with the limit of what is used.
        shown = "CONSUMPTION" if kind == "OPTIMUM" else kind
        key = Key(group, shown, str(block.get("phase", "")), str(block.get("unit", "")))
        plot = found.setdefault(key, Plot(key))
        plot.add(name, [piece])
        if exchange.sender == "capacity_provider":
            plot.limit = [*_without(plot.limit, piece), piece]


def _without(pieces: Iterable[Piece], by: Piece) -> Iterator[Piece]:
    """Yield what is left of pieces where another one takes the place of some."""
    for each in pieces:
        if each.end <= by.start or by.end <= each.start:
            yield each
            continue
        if each.start < by.start:
            yield each._replace(end=by.start)
        if by.end < each.end:
            yield each._replace(start=by.end)


def _piece(start: object, end: object, value: object) -> Piece | None:
    begins = read_instant(start) if isinstance(start, str) else None
    ends = read_instant(end) if isinstance(end, str) else None
    if begins is None or ends is None or ends > _TOO_LATE:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) >= _LARGEST:
        return None
    return Piece(begins, ends, float(value))


# What was measured.


def _add_measured(found: dict[Key, Plot], group: str, message: Mapping[str, Any]) -> None:
    measurements = message.get("measurements")
    if not isinstance(measurements, list):
        return
    for key, piece in (*_instantaneous(group, measurements), *_energies(group, measurements)):
        found.setdefault(key, Plot(key)).add("measured", [piece])


def _instantaneous(group: str, measurements: list[Any]) -> Iterator[tuple[Key, Piece]]:
    for each in measurements:
        value = each.get("instantaneous_measurement") if isinstance(each, Mapping) else None
        if isinstance(value, Mapping):
            at = value.get("measure_time")
            piece = _piece(at, at, value.get("value"))
            if piece is not None:
                unit = str(value.get("unit", ""))
                yield Key(group, "CONSUMPTION", str(value.get("phase", "")), unit), piece


def _energies(group: str, measurements: list[Any]) -> Iterator[tuple[Key, Piece]]:
    """Yield the mean power of each counter from its beginning to its reading."""
    for reading in energy_readings(measurements):
        _, phase, unit, direction, *_ = reading.counter
        power = _POWER_OF.get(str(unit))
        if reading.began is None or reading.value is None or power is None:
            continue
        hours = (reading.at - reading.began) / timedelta(hours=1)
        if hours > 0 and abs(reading.value) < _LARGEST:
            kind = _DIRECTIONS.get(str(direction), "CONSUMPTION")
            piece = Piece(reading.began, reading.at, reading.value / hours)
            yield Key(group, kind, str(phase), power), piece


# The drawing.

_WIDTH: Final = 760.0
_HEIGHT: Final = 250.0
_LEFT: Final = 70.0
_RIGHT: Final = 34.0
_TOP: Final = 12.0
_BOTTOM: Final = 44.0
_SPANS: Final = tuple(
    timedelta(minutes=each)
    for each in (1, 5, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 43200, 525600)
)
_MOST_TICKS: Final = 8
# Moments at which values change; of more, nobody could point at one.
_MOST_TOLD: Final = 700
#: The name of a series, and the class by which it is coloured, from below.
CLASSES: Final[Mapping[str, str]] = {
    "granted": "granted",
    "forecast": "forecast",
    "asked": "asked",
    "optimum": "optimum",
    "sent by the optimizer": "optimum",
    "measured": "measured",
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where instants and values are in the drawing."""

    start: datetime
    end: datetime
    low: float
    high: float

    def x(self, instant: datetime) -> float:
        """Return the place of an instant."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * ((instant - self.start) / self.span)

    def y(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    @property
    def span(self) -> timedelta:
        """How long the time is that is shown."""
        return self.end - self.start


def draw(plot: Plot) -> Markup:
    """Return a plot as an SVG element."""
    everything = [each for pieces in plot.series.values() for each in pieces]
    scale = _scale(everything)
    shapes = [_limit(plot.limit, scale)] if plot.limit else []
    # The widest line is below the others.
    shapes += [_series(name, plot.series[name], scale) for name in CLASSES if name in plot.series]
    return element(
        "svg",
        element("title", plot.title),
        *_grid(scale),
        *shapes,
        text(14, _TOP + 10, cut(plot.key.unit, 50, 12), "axis", "start"),
        *_told(plot, scale),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        class_="plot",
    )


def _scale(pieces: Sequence[Piece]) -> _Scale:
    start, end = min(each.start for each in pieces), max(each.end for each in pieces)
    if start == end:
        start, end = start - timedelta(minutes=5), end + timedelta(minutes=5)
    low = min(0.0, *(each.value for each in pieces))
    high = max(0.0, *(each.value for each in pieces))
    if low == high:
        high = low + 1
    margin = (high - low) * 0.06
    return _Scale(start, end, low - (margin if low < 0 else 0), high + margin)


def _grid(scale: _Scale) -> Iterator[Markup]:
    for value in _ticks(scale.low, scale.high):
        y = scale.y(value)
        yield element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
        yield text(_LEFT - 8, y + 4, f"{value:g}", "axis", "end")
    day = None
    for instant in _instants(scale):
        x = scale.x(instant)
        yield element("line", x1=x, x2=x, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="grid")
        yield text(x, _HEIGHT - _BOTTOM + 17, f"{instant:%H:%M}", "axis")
        if day is None:
            written = max(x, 64.0), f"{instant:%Y-%m-%d} UTC"
        elif day != instant.date():
            written = x, f"{instant:%m-%d}"
        else:
            continue
        day = instant.date()
        yield text(written[0], _HEIGHT - _BOTTOM + 33, written[1], "axis")


def _ticks(low: float, high: float) -> Iterator[float]:
    rough = (high - low) / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough)
    at = math.ceil(low / step)
    while at * step <= high:
        yield round(at * step, 12)
        at += 1


def _instants(scale: _Scale) -> Iterator[datetime]:
    """Yield instants for the axis, on round times of UTC, not too many."""
    step = next((each for each in _SPANS if scale.span / each <= _MOST_TICKS), scale.span)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    at = epoch + step * math.ceil((scale.start - epoch) / step)
    while at <= scale.end:
        yield at
        at += step


def _limit(pieces: Sequence[Piece], scale: _Scale) -> Markup:
    zero = scale.y(0)
    shapes = [
        element(
            "rect",
            x=scale.x(each.start),
            y=min(zero, scale.y(each.value)),
            width=scale.x(each.end) - scale.x(each.start),
            height=abs(zero - scale.y(each.value)),
        )
        for each in pieces
    ]
    return element("g", *shapes, class_="limit")


def _series(name: str, pieces: Sequence[Piece], scale: _Scale) -> Markup:
    steps = [each for each in pieces if each.start < each.end]
    dots = [
        element("circle", cx=scale.x(each.start), cy=scale.y(each.value), r=3.5)
        for each in pieces
        if each.start == each.end
    ]
    path = element("path", d=_path(steps, scale)) if steps else Markup("")
    return element("g", path, *dots, class_=f"series {CLASSES[name]}")


def _told(plot: Plot, scale: _Scale) -> Iterator[Markup]:
    """Yield what a reader who points at a time is told of it: the values that hold then."""
    known = {**plot.series, "limit": plot.limit}
    everything = [each for pieces in known.values() for each in pieces]
    ends = sorted({moment for each in everything for moment in (each.start, each.end)})
    if len(ends) > _MOST_TOLD:
        return
    for start, end in pairwise(ends):
        held = {name: _held(pieces, start, end) for name, pieces in known.items()}
        values = [f"{name} {text} {plot.key.unit}" for name, text in held.items() if text]
        if values:
            when = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
            x, width = scale.x(start), scale.x(end) - scale.x(start)
            title = element("title", Markup("\n").join(map(printable, [when, *values])))
            place = {"x": x, "y": _TOP, "width": width, "height": _HEIGHT - _TOP - _BOTTOM}
            yield element("rect", title, class_="told", **place)


def _held(pieces: Iterable[Piece], start: datetime, end: datetime) -> str:
    """Return the values that hold all the time, each once."""
    values = (each.value for each in pieces if each.start <= start and end <= each.end)
    return ", ".join(dict.fromkeys(f"{value:g}" for value in values))


def _path(pieces: Iterable[Piece], scale: _Scale) -> str:
    """Return the way of a line that steps from value to value, and stops at a gap."""
    way: list[str] = []
    last: Piece | None = None
    for each in pieces:
        x, y = scale.x(each.start), scale.y(each.value)
        if last is None or last.end != each.start:
            way.append(f"M{x:.1f} {y:.1f}")
        else:
            way.append(f"V{y:.1f}")
        way.append(f"H{scale.x(each.end):.1f}")
        last = each
    return "".join(way)

"""A rehearsal's report as one page that needs nothing else: no network, no scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from oscp_send.cli.page import render
from oscp_sim.report import chart as sequence
from oscp_sim.report import plot as steps
from oscp_sim.report.result import RehearsalResult, ScenarioResult
from oscp_sim.report.text import EXPLAIN, LONGEST_BODY, rule_of, shown_findings
from oscp_sim.report.verdicts import Verdict, verdicts
from oscp_sim.scenario.sequence import duration_text, note_text, summary
from oscp_sim.scenario.timeline import Exchange, Note, TimelineEntry

_MOST_ROWS: Final = 300
_MOST_PLOTS: Final = 8
_MOST_OPEN: Final = 8
#: The headers that say which message belongs to which.
_HEADERS: Final = ("X-Request-ID", "X-Correlation-ID", "X-SN-Source-ID")
#: What a reader is told of each series.
_LEGEND: Final[Mapping[str, str]] = {
    "forecast": "forecast by the Capacity Provider",
    "asked": "asked by the Capacity Optimizer",
    "granted": "granted: the forecast that followed",
    "measured": "measured; of a counter, the mean power",
    "optimum": "the optimizer's recommended use",
    "sent by the optimizer": "forecast by the Capacity Optimizer",
}


def report(result: RehearsalResult) -> str:
    """Return the report."""
    scenarios = [Shown(number, each) for number, each in enumerate(result.scenarios, 1)]
    return render(
        Path(__file__).with_name("page.html"),
        result=result,
        scenarios=scenarios,
        is_long=len(scenarios) > _MOST_OPEN,
        explain=EXPLAIN,
        rule_of=rule_of,
        version=version("oscp-rehearsal"),
    )


@dataclass(frozen=True)
class Shown:
    """A scenario as the page shows it."""

    number: int
    result: ScenarioResult

    @cached_property
    def verdicts(self) -> tuple[Verdict, Verdict]:
        """By the documentation, and by the observed service."""
        return verdicts(self.result)

    @property
    def duration(self) -> str:
        """How long it took."""
        return duration_text(self.result.finished.duration)

    @property
    def has_exchanges(self) -> bool:
        """Whether there is anything to draw."""
        return any(row.number for row in self._rows[0])

    @property
    def left_out(self) -> int:
        """How many rows are not shown."""
        return self._rows[1]

    @property
    def chart(self) -> Markup:
        """The sequence chart."""
        return sequence.chart(self._rows[0])

    @property
    def entries(self) -> Iterator[Told]:
        """What the parties did, one by one."""
        return (told for row in self._rows[0] for told in _told(row))

    @cached_property
    def plots(self) -> Sequence[Drawn]:
        """The step plots."""
        return [Drawn(each) for each in self._plots[:_MOST_PLOTS]]

    @property
    def plots_left_out(self) -> int:
        """How many step plots are not shown."""
        return max(0, len(self._plots) - _MOST_PLOTS)

    @cached_property
    def _plots(self) -> list[steps.Plot]:
        return steps.plots(self.result.exchanges)

    @cached_property
    def _rows(self) -> tuple[list[sequence.Row], int]:
        return sequence.rows(self.result.steps, _MOST_ROWS)


@dataclass(frozen=True)
class Drawn:
    """A step plot as the page shows it."""

    plot: steps.Plot

    @property
    def svg(self) -> Markup:
        """The drawing."""
        return steps.draw(self.plot)

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The class and the meaning of each series."""
        told = [(steps.CLASSES[name], _LEGEND[name]) for name in self.plot.series]
        limit = [("limit", "the limit: the newest forecast for each time")]
        return told + (limit if self.plot.limit else [])


def drawn_plots(exchanges: Iterable[Exchange]) -> list[dict[str, Any]]:
    """Return the step plots of exchanges, as JSON values: the drawings of the report."""
    return [
        {"title": drawn.plot.title, "svg": str(drawn.svg), "legend": drawn.legend}
        for drawn in map(Drawn, steps.plots(exchanges))
    ]


@dataclass(frozen=True)
class Told:
    """An exchange or a note as the page tells it.

    Attributes:
        what: The request line, or what was noted.
        status: Of the answer; empty where there is none to expect.
        headers: Those of the request that matter.
        answered: Those of the answer that matter.
        says: What its message says, in a line.
        texts: What was sent and what was answered, each with its title.
    """

    number: int
    at: str
    who: str
    what: str
    status: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    answered: tuple[tuple[str, str], ...] = ()
    says: str = ""
    notes: tuple[str, ...] = ()
    findings: Sequence[Mapping[str, Any]] = ()
    texts: tuple[tuple[str, str], ...] = ()


def _told(row: sequence.Row) -> Iterator[Told]:
    if isinstance(row.what, Exchange):
        yield _told_exchange(row.number, row.what)
    elif isinstance(row.what, Note):
        note = row.what
        who = sequence.lane_name((note.party, note.system))
        said = note_text(note, row.count)
        findings = shown_findings(note.findings)
        yield Told(row.number, _time(note), who, said, findings=findings)


def _told_exchange(number: int, exchange: Exchange) -> Told:
    sender, receiver = (sequence.lane_name(each) for each in sequence.ends(exchange))
    status = "no answer" if exchange.status is None else str(exchange.status)
    parts = sequence.parts_of(exchange)
    texts = [("sent", exchange.body), ("answered", exchange.answer)]
    return Told(
        number,
        _time(exchange),
        f"{sender} to {receiver}",
        f"{exchange.method} {exchange.target}",
        "queued" if exchange.is_handed_over else status,
        tuple((name, value) for name in _HEADERS if (value := exchange.header(name)) is not None),
        exchange.telling_headers,
        summary(exchange) + (f", in {parts} parts" if parts > 1 else ""),
        exchange.notes,
        shown_findings(exchange.findings),
        tuple((title, _cut(body)) for title, body in texts if body),
    )


def _time(each: TimelineEntry) -> str:
    return f"{each.at:%Y-%m-%d %H:%M:%S}.{each.at.microsecond // 1000:03d}"


def _cut(body: str) -> str:
    left = len(body) - LONGEST_BODY
    return body if left <= 0 else f"{body[:LONGEST_BODY]} ... and {left:,} characters more"

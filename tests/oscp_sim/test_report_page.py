"""The page that a grid operator reads: what is drawn in it, and what cannot break it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from oscp_sim.entry import PartyName
from oscp_sim.report import listeners
from oscp_sim.scenario.events import (
    Event,
    Problem,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.timeline import Exchange, Note, TimelineEntry

pytestmark = pytest.mark.usefixtures("folder")
BEGIN = datetime(2026, 12, 1, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\"'&\u202e\x1b[2J\x00"
# They have no end tag.
VOID = {"meta", "br", "input", "img", "link"}


class Page(HTMLParser):
    """A page whose elements are all closed in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def all(self, tag: str, kind: str | None = None) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a name, and of a class."""
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and (kind is None or kind in (attributes.get("class") or "").split())
        ]


def exchange(
    sender: PartyName | None,
    receiver: PartyName | None,
    action: str | None,
    message: object,
    *,
    system: int | None = None,
    status: int | None = 204,
    headers: Mapping[str, str] | None = None,
    findings: Sequence[Mapping[str, Any]] = (),
    answered: Mapping[str, str] | None = None,
) -> Exchange:
    return Exchange(
        1,
        BEGIN,
        sender,
        receiver,
        "POST",
        f"/oscp/{action}",
        tuple((headers or {}).items()),
        message if isinstance(message, str) else json.dumps(message),
        action,
        None,
        system,
        status,
        findings=tuple(findings),
        answer_headers=tuple((answered or {}).items()),
    )


def forecast(*capacities: float, phase: str = "ALL", unit: str = "KW") -> dict[str, Any]:
    quarter = timedelta(minutes=15)
    return {
        "group_id": "depot-7",
        "type": "CONSUMPTION",
        "forecasted_blocks": [
            {
                "capacity": capacity,
                "phase": phase,
                "unit": unit,
                "start_time": (BEGIN + quarter * at).isoformat(),
                "end_time": (BEGIN + quarter * (at + 1)).isoformat(),
            }
            for at, capacity in enumerate(capacities)
        ],
    }


def instruction(message: object, parts: int = 1) -> dict[str, Any]:
    text = json.dumps(message)
    size = -(-len(text) // parts)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return {
        "nodeId": 1,
        "params": [
            {"name": "action", "value": "AdjustGroupCapacityForecast"},
            *({"name": "msg", "value": piece} for piece in pieces),
        ],
    }


def update(*capacities: float, **more: str) -> Exchange:
    message = forecast(*capacities, **more)
    return exchange(
        "capacity_provider",
        "flexibility_provider",
        "UpdateGroupCapacityForecast",
        message,
        system=3,
    )


def adjust(*capacities: float, parts: int = 1, status: int = 200) -> Exchange:
    body = instruction(forecast(*capacities), parts)
    return exchange(
        "capacity_optimizer", "solaruser", "AdjustGroupCapacityForecast", body, status=status
    )


def events(name: str, *timeline: TimelineEntry, failed: bool = False) -> list[Event]:
    scenario = ScenarioId("loop", name)
    problem = Problem("a.yaml:3", EVIL, EVIL, EVIL, EVIL)
    problems = (problem,) if failed else ()
    return [
        ScenarioStarted(scenario, "a.yaml:1", 1, "documented", f"about {name}"),
        StepFinished(scenario, 1, name, "a.yaml:2", "Completed", 0.1, 1, problems, tuple(timeline)),
        ScenarioFinished(
            scenario, not failed, 0.1, warnings=(f"a rule never struck {EVIL}",) if failed else ()
        ),
    ]


def page(*scenarios: list[Event]) -> Page:
    ids = tuple(each[0].scenario for each in scenarios if isinstance(each[0], ScenarioStarted))
    (told,) = listeners(["html=out"])
    told(RehearsalStarted(1, "documented", ids))
    for event in (event for each in scenarios for event in each):
        told(event)
    told(RehearsalFinished(1, 0, 0.1))
    return Page(Path("out/index.html").read_text(encoding="utf-8"))


def test_it_needs_nothing_else() -> None:
    shown = page(events("one", update(1, 2), adjust(2, 1)))
    assert {tag for tag, _ in shown.elements}.isdisjoint({"script", "link", "img", "iframe"})
    assert [each["href"] for each in shown.all("a")] == ["#s1"]
    policy = {"http-equiv": "Content-Security-Policy"}.items()
    (content,) = (each["content"] for each in shown.all("meta") if policy <= each.items())
    assert content == "default-src 'none'; style-src 'unsafe-inline'"
    assert not re.search(r"url\(|@import|https?:", Path("out/index.html").read_text("utf-8"))


def test_an_html_file_may_be_named_itself() -> None:
    (told,) = listeners(["html=reports/mine.html"])
    told(RehearsalFinished(0, 0, 0))
    assert Path("reports/mine.html").is_file()


def test_the_table_has_both_verdicts_of_each_scenario() -> None:
    shown = page(events("good", update(1)), events("bad", update(1), failed=True))
    at = shown.texts.index("loop")
    assert shown.texts[at : at + 6] == [
        "loop",
        "good",
        "passed",
        "conforms",
        "compatible",
        "100 ms",
    ]
    assert shown.texts[at + 6 : at + 11] == ["bad", "failed", "1 warning", "failed", "compatible"]


def test_a_chart_has_a_lane_a_party_and_an_arrow_an_exchange() -> None:
    finding = {
        "layer": "meaning",
        "rule": "S8",
        "severity": "warning",
        "pointer": "/type",
        "message": "was not forecast",
        "hint": "ask first",
        "source": "documented",
    }
    delivered = exchange(
        "flexibility_provider",
        "capacity_provider",
        "AdjustGroupCapacityForecast",
        forecast(1),
        system=3,
        headers={"x-request-id": "r7", "x-correlation-id": "a-long-one-1", "accept": "text/none"},
        findings=[finding],
        answered={"retry-after": "7", "vary": "nothing"},
    )
    note = Note(2, BEGIN, "flexibility_provider", "instruction 1 is Completed")
    unanswered = exchange(
        "flexibility_provider", "capacity_optimizer", "Heartbeat", {}, system=12, status=None
    )
    shown = page(events("one", adjust(1, parts=3), delivered, note, unanswered))
    lanes = ["Capacity Optimizer 12", "SolarUser", "Flexibility Provider", "Capacity Provider 3"]
    at = shown.texts.index("Who sent what to whom, from top to bottom")
    assert shown.texts[at + 1 : at + 5] == lanes
    assert len(shown.all("polygon", "arrow")) == 3
    assert len(shown.all("polygon", "bad")) == 1
    assert {"200, 3 parts", "204, S8", "no answer"} <= set(shown.texts)
    assert "id r7, for a-long-one…" in shown.texts
    assert "X-Request-ID: r7" in shown.texts
    assert "Retry-After: 7" in shown.texts
    assert not any("vary" in each for each in shown.texts)
    assert "oscp-send explain S8" in shown.texts
    assert "was not forecast; ask first" in shown.texts
    assert not any("text/none" in each for each in shown.texts)


class TestPlots:
    def test_one_for_each_phase_and_unit(self) -> None:
        shown = page(events("one", update(1), update(2, phase="ONE", unit="A"), update(3)))
        titles = [each for each in shown.texts if each.startswith("depot-7: ")]
        assert sorted(set(titles)) == [
            "depot-7: CONSUMPTION, all phases, in KW",
            "depot-7: CONSUMPTION, phase ONE, in A",
        ]
        assert len(shown.all("svg", "plot")) == 2

    def test_what_was_forecast_asked_granted_and_measured(self) -> None:
        measured = {
            "group_id": "depot-7",
            "measurements": [
                {
                    "value": 4.0,
                    "phase": "ALL",
                    "unit": "KWH",
                    "direction": "NET",
                    "energy_type": "TOTAL",
                    "initial_measure_time": "2026-12-01T00:00:00Z",
                    "measure_time": "2026-12-01T00:30:00Z",
                },
            ],
        }
        told = exchange(
            "capacity_optimizer",
            "flexibility_provider",
            "UpdateGroupMeasurements",
            measured,
            system=12,
        )
        forwarded = exchange(
            "flexibility_provider",
            "capacity_optimizer",
            "UpdateGroupCapacityForecast",
            forecast(99),
            system=12,
        )
        shown = page(events("one", update(10, 10), forwarded, adjust(8, 8), update(9, 9), told))
        ways = {
            kind: [
                path["d"]
                for at, (tag, path) in enumerate(shown.elements)
                if tag == "path" and shown.elements[at - 1][1].get("class") == f"series {kind}"
            ]
            for kind in ("forecast", "asked", "granted", "measured")
        }
        # From the left to the right: one step each, none of them at 99.
        assert {kind: len(each) for kind, each in ways.items()} == dict.fromkeys(ways, 1)
        heights = {
            kind: float(way[0].split("H")[0].split()[-1]) for kind, way in ways.items() if way[0]
        }
        assert heights["forecast"] < heights["granted"] < heights["asked"]
        assert heights["measured"] == pytest.approx(heights["asked"])
        assert shown.all("g", "optimum") == []
        # The newest forecast for each time is the limit.
        (limit,) = (
            at
            for at, (_, each) in enumerate(shown.elements)
            if each.get("class") == "limit" and shown.elements[at + 1][1].get("x")
        )
        assert float(shown.elements[limit + 1][1]["y"] or 0) == pytest.approx(heights["granted"])

    def test_the_limit_is_the_newest_forecast_for_each_time(self) -> None:
        message = forecast(9)
        within = {"start_time": "2026-12-01T00:20:00Z", "end_time": "2026-12-01T00:25:00Z"}
        message["forecasted_blocks"][0].update(within)
        later = exchange(
            "capacity_provider",
            "flexibility_provider",
            "UpdateGroupCapacityForecast",
            message,
            system=3,
        )
        shown = page(events("one", update(12, 12), update(6, 7), later, update(8)))
        limits = sorted(
            (float(each["x"] or 0), float(each["width"] or 0), float(each["height"] or 0))
            for each in shown.all("rect")
            if "height" in each and not each.get("class") and each.get("x")
        )
        assert len(limits) == 4
        unit = limits[0][2] / 8
        assert [height / unit for *_, height in limits] == pytest.approx([8, 7, 9, 7], rel=0.01)
        # Each begins where the one before ends.
        for (x, width, _), (following, *_) in pairwise(limits):
            assert x + width == pytest.approx(following, abs=0.2)

    def test_what_was_refused_or_cannot_be_read_is_not_drawn(self) -> None:
        broken = exchange(
            "capacity_provider",
            "flexibility_provider",
            "UpdateGroupCapacityForecast",
            "{",
            system=3,
        )
        odd = {
            "group_id": "g",
            "type": [],
            "forecasted_blocks": [
                3,
                {},
                {"start_time": "now", "end_time": 1, "capacity": "x"},
                {**forecast(1)["forecasted_blocks"][0], "capacity": 1e300},
                {**forecast(1)["forecasted_blocks"][0], "end_time": "9999-12-31T23:59:59Z"},
            ],
        }
        strange = exchange(
            "capacity_provider",
            "flexibility_provider",
            "UpdateGroupCapacityForecast",
            odd,
            system=3,
        )
        shown = page(events("one", adjust(1, status=422), broken, strange))
        assert shown.all("svg", "plot") == []


def test_what_came_is_shown_and_never_done() -> None:
    group = {**forecast(1), "group_id": EVIL}
    drawn = exchange(
        "capacity_provider", "flexibility_provider", "UpdateGroupCapacityForecast", group, system=3
    )
    told = exchange(
        "capacity_provider",
        "flexibility_provider",
        EVIL,
        EVIL,
        status=400,
        headers={"X-Request-ID": EVIL},
    )
    shown = page(events(EVIL, told, drawn, Note(1, BEGIN, "solaruser", EVIL), failed=True))
    assert shown.all("script") == []
    text = Path("out/index.html").read_text(encoding="utf-8")
    assert text.replace("\n", "").isprintable()
    assert r"\u202e\x1b[2J\x00" in " ".join(shown.texts)


def test_a_long_session_is_cut_in_the_middle() -> None:
    notes = [Note(at, BEGIN, "solaruser", f"note {at}") for at in range(1_000)]
    shown = page(events("one", *notes))
    assert "701 rows in the middle are left out." in shown.texts
    assert {"note 0", "note 999"} <= set(shown.texts)
    assert "note 500" not in shown.texts

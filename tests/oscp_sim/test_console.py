import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.matching import match
from oscp_sim.scenario.console import ConsoleReport, Progress
from oscp_sim.scenario.events import (
    Event,
    Listener,
    Problem,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)

ADJUST = "AdjustGroupCapacityForecast"
FORECAST = ScenarioId("guide", "adjust-forecast")
HANDSHAKE = ScenarioId("guide", "handshake")
BLOCKS = ScenarioId("splitting", "day-ahead-96-blocks")
LOOP = ScenarioId("splitting", "loop")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report(events: Iterable[Event], stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    listener: Listener = ConsoleReport(stream)
    for event in events:
        listener(event)
    return stream.getvalue()


def passed(scenario: ScenarioId, seconds: float, parts: int) -> list[Event]:
    return [
        ScenarioStarted(scenario, "a.yaml:1", 1),
        StepFinished(scenario, 1, ADJUST, "a.yaml:3", "Completed", seconds, parts),
        ScenarioFinished(scenario, passed=True, duration=seconds),
    ]


FAILED: list[Event] = [
    ScenarioStarted(LOOP, "loop.yaml:1", 3),
    StepFinished(LOOP, 1, "Handshake", "loop.yaml:3", "Completed", 0.004, 1),
    StepFinished(
        LOOP,
        2,
        ADJUST,
        "loop.yaml:9",
        "Declined",
        1.25,
        44,
        (
            Problem("loop.yaml:14", "state", "Completed", "Declined", "name a group of the world"),
            Problem("loop.yaml:20", "message /group_id", '"foo"', "nothing"),
        ),
    ),
    ScenarioFinished(LOOP, passed=False, duration=1.254, steps_left=1),
]


def test_all_is_well() -> None:
    events = [
        RehearsalStarted(1, "documented", (FORECAST, HANDSHAKE, BLOCKS)),
        *passed(FORECAST, 0.014, 1),
        *passed(HANDSHAKE, 0.0094, 1),
        *passed(BLOCKS, 0.021, 44),
        RehearsalFinished(3, 0, 1.44),
    ]
    assert report(events).splitlines() == [
        "seed 1, fidelity documented",
        "",
        "guide",
        "  ok    adjust-forecast                    1 part   Completed          14 ms",
        "  ok    handshake                          1 part   Completed           9 ms",
        "splitting",
        "  ok    day-ahead-96-blocks               44 parts  Completed          21 ms",
        "",
        "3 scenarios, 3 passed in 1.4 s",
    ]


def test_what_failed_is_told_in_detail_at_the_end() -> None:
    events = [
        RehearsalStarted(7, "observed", (LOOP, FORECAST)),
        *FAILED,
        *passed(FORECAST, 0.014, 1),
    ]
    assert report([*events, RehearsalFinished(1, 1, 0.3)]).splitlines() == [
        "seed 7, fidelity observed",
        "",
        "splitting",
        "  FAIL  loop                             2 of 3 steps                  1.3 s",
        "          1 Handshake                      1 part   Completed           4 ms",
        "          2 AdjustGroupCapacityForecast   44 parts  Declined           1.2 s",
        "guide",
        "  ok    adjust-forecast                    1 part   Completed          14 ms",
        "",
        "splitting / loop",
        "  step 2 AdjustGroupCapacityForecast  (loop.yaml:9)",
        "    loop.yaml:14  state",
        "      expected  Completed",
        "      got       Declined",
        "      name a group of the world",
        "    loop.yaml:20  message /group_id",
        '      expected  "foo"',
        "      got       nothing",
        "  1 step after that did not run",
        "",
        "2 scenarios, 1 passed, 1 failed in 300 ms",
    ]


def test_scenarios_that_run_at_the_same_time_are_not_mixed_up() -> None:
    one, other = FAILED, passed(FORECAST, 0.01, 1)
    mixed = [one[0], other[0], one[1], other[1], one[2], other[2], one[3]]
    start, end = RehearsalStarted(1, "documented", (LOOP, FORECAST)), RehearsalFinished(1, 1, 1)
    assert report([start, *mixed, end]) == report([start, *other, *one, end])


NAMES = st.text("abc-", min_size=1, max_size=53) | st.just("long" * 20)


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_columns_stay_aligned_whatever_the_names(names: list[str]) -> None:
    scenarios = [ScenarioId("one", name) for name in names]
    events: list[Event] = [RehearsalStarted(1, "documented", tuple(scenarios))]
    for at, scenario in enumerate(scenarios):
        events += passed(scenario, at / 100, at)
    lines = [line for line in report(events).splitlines() if "Completed" in line]
    assert all(f"  ok    {name} " in line for name, line in zip(names, lines, strict=True))
    # A longer name is shown whole, and stands out of line alone.
    aligned = [line for name, line in zip(names, lines, strict=True) if len(name) <= 53]
    assert len({line.index("Completed") for line in aligned}) <= 1
    assert len(set(map(len, aligned))) <= 1


def test_what_went_wrong_outside_the_steps_is_told_too() -> None:
    problem = Problem("a.yaml:1", "world", "a free port", "none")
    events = [ScenarioFinished(LOOP, passed=False, duration=0, steps_left=2, problems=(problem,))]
    assert report([*events, RehearsalFinished(0, 1, 0)]).splitlines()[1:8] == [
        "  FAIL  loop                             0 of 2 steps                   0 ms",
        "",
        "splitting / loop",
        "    a.yaml:1  world",
        "      expected  a free port",
        "      got       none",
        "  2 steps after that did not run",
    ]


class TestColour:
    events = (RehearsalStarted(1, "documented", (LOOP,)), *FAILED, RehearsalFinished(0, 1, 1))

    def test_only_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
            monkeypatch.delenv(name, raising=False)
        assert "\x1b[31mFAIL\x1b[0m" in report(self.events, Terminal())
        assert "\x1b" not in report(self.events)

    def test_not_where_somebody_does_not_want_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b" not in report(self.events, Terminal())


class TestProgress:
    def shown(self, written: str) -> list[str]:
        """What a terminal shows, line by line, at the end."""
        return [line.rpartition("\r\x1b[K")[2] for line in written.split("\n")]

    def test_nothing_of_it_is_left_at_the_end(self) -> None:
        events = [RehearsalStarted(1, "documented", (FORECAST, LOOP)), *passed(FORECAST, 0.01, 1)]
        events += [*FAILED, RehearsalFinished(1, 1, 1)]
        stream = Terminal()
        progress = Progress(stream, 2, ConsoleReport(stream, colours="never"))
        for event in events:
            if isinstance(event, ScenarioStarted | ScenarioFinished):
                progress.watch(event)
            progress.report(event)
        assert "\n".join(self.shown(stream.getvalue())) == report(events)

    def test_it_counts_and_names_what_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stream = Terminal()
        progress = Progress(stream, 9, ConsoleReport(stream))
        for event in (*passed(FORECAST, 0, 1)[::2], FAILED[0], ScenarioStarted(BLOCKS, "", 1)):
            progress.watch(event)
        assert self.shown(stream.getvalue()) == ["1 of 9  loop, day-ahead-96-blocks"]
        monkeypatch.setenv("COLUMNS", "20")
        progress.watch(FAILED[-1])
        assert self.shown(stream.getvalue()) == ["2 of 9, 1 failed  d"]

    @pytest.mark.parametrize(
        ("variables", "is_wanted"), [({}, True), ({"CI": "true"}, False), ({"TERM": "dumb"}, False)]
    )
    def test_only_on_a_terminal_that_somebody_looks_at(
        self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_wanted: bool
    ) -> None:
        for name in ("CI", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert Progress.is_wanted(Terminal()) == is_wanted
        assert not Progress.is_wanted(io.StringIO())


def test_what_came_cannot_write_on_the_terminal() -> None:
    evil = "\x1b[2J\r\u202e"
    problem = Problem("a:1", evil, evil, evil, evil)
    events: list[Event] = [
        StepFinished(LOOP, 1, evil, "a:1", evil, 0, None, (problem,)),
        ScenarioFinished(LOOP, passed=False, duration=0),
        RehearsalFinished(0, 1, 0),
    ]
    written = report(events)
    assert written.replace("\n", "").isprintable()
    assert written.count(r"\x1b[2J\r\u202e") == 6


def test_what_the_stream_cannot_encode_is_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    listener = ConsoleReport(stream)
    problem = Problem("a:1", "reason", "é", "\N{ELECTRIC PLUG}")
    listener(StepFinished(LOOP, 1, "x", "a:1", "Declined", 0, None, (problem,)))
    listener(ScenarioFinished(LOOP, passed=False, duration=0))
    listener(RehearsalFinished(0, 1, 0))
    assert rb"expected  \xe9" in raw.getvalue()
    assert rb"got       \U0001f50c" in raw.getvalue()


def test_a_difference_becomes_a_problem() -> None:
    _, (difference,) = match({"unit": "KW"}, {"unit": "W"})
    problem = Problem.of(difference, "a.yaml:3", "message", "units matter")
    assert problem == Problem("a.yaml:3", "message /unit", '"KW"', '"W"', "units matter")
    _, (whole,) = match(1, 2)
    assert Problem.of(whole, "a.yaml:3", "parts").what == "parts"

"""How fast things are on this machine: `python -m tests.bench.judging`.

Each bench shows the way that the project goes beside the way that it does not. Nothing is asserted:
what a time means, a person should say.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import oscp_schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ACTION = "AdjustGroupCapacityForecast"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a thing: its name, and a call that does it once."""

    name: str
    run: Callable[[], object]
    rounds: int = 500


@dataclass(frozen=True, slots=True)
class Bench:
    """A thing to do, and the ways to do it; the first is the one that the others are held to."""

    title: str
    ways: tuple[Way, ...]


def day_ahead() -> str:
    """Answers with the text of a day-ahead adjustment of 96 quarter-hours."""
    marks = [f"2031-03-01T{quarter // 4:02}:{quarter % 4 * 15:02}:00Z" for quarter in range(96)]
    ends = [*marks[1:], "2031-03-02T00:00:00Z"]
    blocks = [
        {
            "capacity": 10 + at / 8,
            "phase": "ALL",
            "unit": "KW",
            "start_time": start,
            "end_time": end,
        }
        for at, (start, end) in enumerate(zip(marks, ends, strict=True))
    ]
    message = {"group_id": "foo-group", "type": "CONSUMPTION", "forecasted_blocks": blocks}
    return json.dumps(message, separators=(",", ":"))


def judging() -> Bench:
    """The judgement of a valid message, from its text."""
    text = day_ahead()
    plain = oscp_schemas.validator(ACTION)
    return Bench(
        "96 blocks judged, from text",
        (
            Way("oscp_schemas.judge", lambda: oscp_schemas.judge(ACTION, text)),
            Way(
                "oscp_schemas.judge, observed",
                lambda: oscp_schemas.judge(ACTION, text, fidelity="observed"),
            ),
            Way("plain jsonschema", lambda: list(plain.iter_errors(json.loads(text))), rounds=20),
        ),
    )


def explaining() -> Bench:
    """The judgement of a message with one mistake, and finding the mistake's place."""
    text = day_ahead().replace('"KW"', '"kW"', 1)
    document = oscp_schemas.read(text)
    return Bench(
        "96 blocks with one mistake",
        (
            Way("oscp_schemas.judge", lambda: oscp_schemas.judge(ACTION, text), rounds=20),
            Way("oscp_schemas.read", lambda: oscp_schemas.read(text)),
            Way(
                "oscp_schemas.read and locate",
                lambda: oscp_schemas.read(document.text).locate(""),
                50,
            ),
        ),
    )


BENCHES: tuple[Callable[[], Bench], ...] = (judging, explaining)


def milliseconds(way: Way) -> float:
    """Answers with the median time of one run; a first run, which compiles, is not counted."""
    way.run()
    times = []
    for _ in range(way.rounds):
        start = perf_counter()
        way.run()
        times.append(perf_counter() - start)
    return median(times) * 1000


def report(bench: Bench) -> str:
    """Answers with one table: each way, its median, and how many times the first one's it is."""
    times = [milliseconds(way) for way in bench.ways]
    rows = [
        f"  {way.name:<28}{time:>10.3f} ms{time / times[0]:>10.2f} x"
        for way, time in zip(bench.ways, times, strict=True)
    ]
    return "\n".join((bench.title, *rows))


def main(benches: Sequence[Callable[[], Bench]] = BENCHES) -> None:
    """Prints the table of each bench."""
    sys.stdout.write("\n\n".join(report(bench()) for bench in benches) + "\n")


if __name__ == "__main__":
    main()

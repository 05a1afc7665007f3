"""How long a week of the whole loop takes by a fast clock: `python -m tests.bench.week`.

Forecasts and adjustments of 20 Capacity Groups each day, of one Capacity Provider or of 20, and
heartbeats both ways each minute: a week of one provider, a day of 20; then an hour of heartbeats
of 500 providers. The reference is the same number of requests to a party that does nothing.
"""

from __future__ import annotations

import sys
from time import perf_counter

from oscp_sim import Simulator
from oscp_sim.clock import FastClock
from oscp_sim.http import Request, Response
from oscp_sim.outgoing import IN_PROCESS_URL, Outgoing
from tests.week import START, Tally, register, run_days, tally, world

DAYS, GROUPS = 7, 20
HOUR, MANY = 3600, 500
TIMEOUT = (1.0, 1.0)


def nothing(_: Request) -> Response:
    """Answer 204 to everything."""
    return Response(204)


def reference(requests: int) -> float:
    """Return the seconds that so many requests take where nothing is done about them."""
    outgoing = Outgoing(nothing)
    began = perf_counter()
    for _ in range(requests):
        outgoing.send(Request("POST", f"{IN_PROCESS_URL}/", (), b"{}"), timeout=TIMEOUT)
    return perf_counter() - began


def week(days: int, providers: int) -> None:
    """Print how long so many days take."""
    began = perf_counter()
    happened = run_days(days, GROUPS, providers)
    _line(
        f"days: {days}, groups: {GROUPS}, providers: {providers}", happened, perf_counter() - began
    )


def hour() -> None:
    """Print how long an hour of many providers' heartbeats takes."""
    with Simulator(world(MANY, MANY), clock=FastClock(START)) as simulator:
        register(simulator, MANY)
        began = perf_counter()
        simulator.clock.advance(HOUR)
        seconds = perf_counter() - began
        _line(f"an hour of heartbeats, providers: {MANY}", tally(simulator), seconds)
    sys.stdout.write(f"  so a fast clock keeps up with it to a speed of {HOUR / seconds:.0f}\n")


def _line(what: str, happened: Tally, seconds: float) -> None:
    messages = sum(happened.received.values())
    empty = reference(messages)
    sys.stdout.write(
        f"{what}: {messages} messages, {happened.states.get('Completed', 0)} instructions "
        f"Completed, {happened.refused} refused, {happened.pending} pending\n"
        f"  the whole loop {seconds:.2f} s, the same requests, empty, {empty:.2f} s\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Print all three."""
    week(DAYS, 1)
    # A week of these is 400,000 messages, of which the journal keeps all.
    week(1, GROUPS)
    hour()


if __name__ == "__main__":
    main()

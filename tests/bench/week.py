"""How long a week of the whole loop takes by a fast clock: `python -m tests.bench.week`.

20 Capacity Groups with a forecast and an adjustment each day, and heartbeats both ways each minute.
The reference is the same number of requests to a party that does nothing.
"""

from __future__ import annotations

import sys
from time import perf_counter

from oscp_sim.http import Request, Response
from oscp_sim.outgoing import IN_PROCESS_URL, Outgoing
from tests.week import run_days

DAYS, GROUPS = 7, 20
TIMEOUT = (1.0, 1.0)


def nothing(_: Request) -> Response:
    """Answers 204 to everything."""
    return Response(204)


def reference(requests: int) -> float:
    """Answers with the seconds that so many requests take where nothing is done about them."""
    outgoing = Outgoing(nothing)
    began = perf_counter()
    for _ in range(requests):
        outgoing.send(Request("POST", f"{IN_PROCESS_URL}/", (), b"{}"), timeout=TIMEOUT)
    return perf_counter() - began


def main() -> None:
    """Prints what happened, how long it took, and how long the reference did."""
    began = perf_counter()
    tally = run_days(DAYS, GROUPS)
    seconds = perf_counter() - began
    messages = sum(tally.received.values())
    empty = reference(messages)
    sys.stdout.write(
        f"{DAYS} days of {GROUPS} groups: {messages} messages, "
        f"{tally.states['Completed']} instructions Completed, {tally.refused} refused, "
        f"{tally.pending} pending\n"
        f"  the whole loop             {seconds:8.2f} s\n"
        f"  the same requests, empty   {empty:8.2f} s {seconds / empty:8.1f} x\n"
    )


if __name__ == "__main__":
    main()

"""How far one message walks through the house: `python -m tests.bench.walk [--switches]`.

From `client.send` to the Capacity Provider's entry in the journal, in one process and on one
thread: how many files of ours it crosses, how many functions are entered, and how often the next
function stands in another file. With `--switches` also between which files that is most often.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import oscp_schemas
import oscp_send
import oscp_sim
from oscp_send import AdjustGroupCapacityForecast, SolarUserClient, forecasted_blocks, wire_text
from oscp_sim import FrozenClock, Simulator
from oscp_sim.outgoing import IN_PROCESS_URL

_OURS = tuple(str(Path(p.__file__ or "").parent) for p in (oscp_schemas, oscp_send, oscp_sim))
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_MOST = 20


class Walk:
    """What `sys.setprofile` sees of our own files."""

    def __init__(self) -> None:
        self.functions: set[tuple[str, str]] = set()
        self.calls: Counter[str] = Counter()
        self.switches: Counter[tuple[str, str]] = Counter()
        self._last = ""

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Count one call."""
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(_OURS):
            return
        self.calls[file] += 1
        self.functions.add((file, frame.f_code.co_qualname))
        if self._last and file != self._last:
            self.switches[self._last, file] += 1
        self._last = file


def walk() -> Walk:
    """Send one message, the second of its kind, and return what was seen of its way."""
    clock, seen = FrozenClock(_NOW), Walk()
    blocks = forecasted_blocks(
        start=datetime(2031, 3, 1, 16, tzinfo=UTC),
        step=timedelta(minutes=15),
        capacities=[42, 42, 35.5, 30],
    )
    message = wire_text(AdjustGroupCapacityForecast("foo-group", "CONSUMPTION", blocks))
    with Simulator(clock=clock) as simulator, simulator.session() as session:
        client = SolarUserClient(
            IN_PROCESS_URL,
            "rehearsal-token-0001",
            "rehearsal-secret",
            session=session,
            clock=clock.now,
        )

        def send() -> None:
            action = "AdjustGroupCapacityForecast"
            client.send(action, message, node_id=1, co_id=1, cg_identifier="foo-group")

        send()
        sys.setprofile(seen)
        try:
            send()
        finally:
            sys.setprofile(None)
        delivered = simulator.journal.entries(party="capacity_provider", kind="exchange")
    if [each.response and each.response.status for each in delivered] != [204, 204]:
        raise SystemExit("the message did not reach the Capacity Provider")
    return seen


def main() -> None:
    """Print the figures."""
    seen = walk()
    sys.stdout.write(
        f"files {len(seen.calls)}, functions {len(seen.functions)}, calls {seen.calls.total()}, "
        f"switches {seen.switches.total()}\n"
    )
    if "--switches" in sys.argv[1:]:
        root = Path(_OURS[1]).parent
        for (one, other), count in seen.switches.most_common(_MOST):
            names = (str(Path(each).relative_to(root)) for each in (one, other))
            sys.stdout.write(f"{count:5d}  {' > '.join(names)}\n")
        for file, count in seen.calls.most_common():
            sys.stdout.write(f"{count:5d}  {Path(file).relative_to(root)}\n")


if __name__ == "__main__":
    main()

"""How many examples of a property are tried in a second: `python -m tests.bench.properties`.

CPU time, in process, the whole way: a message is drawn, built, judged, signed,
posted, split, delivered, followed to its end and compared, and all is forgotten; the best of five
rounds. It fails below 150 a second for small messages, and below 40 for the 96 blocks of a day.
"""

from __future__ import annotations

import sys
from time import process_time
from typing import TYPE_CHECKING

from hypothesis import Phase, settings
from hypothesis import strategies as st

from oscp_send.testing import forecasts, messages, sender_properties
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.examples.try_our_sender import send as ours
from tests.oscp_send.sender_world import NOW

if TYPE_CHECKING:
    from oscp_send.testing import Sample

_GROUP = st.just("foo-group")
_ROUNDS = 5
#: What is drawn, how many examples a round has, and how many a second are to be had.
_MEASURED: dict[str, tuple[st.SearchStrategy[Sample], int, int]] = {
    "small messages": (messages("GroupCapacityComplianceError"), 200, 150),
    "96 blocks": (forecasts("day-ahead", group_ids=_GROUP), 60, 40),
}


def a_second(samples: st.SearchStrategy[Sample], count: int, property_name: str) -> float:
    """Return how many examples of a property are tried in a second of CPU."""
    trying = settings(max_examples=count, derandomize=True, database=None, phases=(Phase.generate,))
    test = sender_properties(
        ours, through="session", only=property_name, samples=samples, settings=trying
    )
    rates = []
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        test(simulator)
        for _ in range(_ROUNDS):
            began = process_time()
            test(simulator)
            rates.append(count / (process_time() - began))
    # Whoever else is at work on the machine only makes it slower.
    return max(rates)


def main() -> None:
    """Print one line for each thing measured; exit with 1 where one is too slow."""
    slow = False
    for what, (samples, count, wanted) in _MEASURED.items():
        rate = a_second(samples, count, "arrives")
        slow = slow or rate < wanted
        sys.stdout.write(f"{what:<40}{rate:10.0f} examples a second, wanted {wanted}\n")
        sys.stdout.flush()
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()

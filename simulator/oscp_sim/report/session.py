"""A live session told as a rehearsal of one scenario, which expects nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from oscp_sim.entry import Entry
from oscp_sim.scenario.events import (
    Listener,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.timeline import timeline
from oscp_sim.shared import Shared

#: The one scenario that it is told as.
SESSION: Final = ScenarioId("serve", "session")


def tell_session(
    shared: Shared,
    duration: float,
    told: Iterable[Listener],
    entries: Iterable[Entry] | None = None,
) -> None:
    """Tell listeners what happened in a simulator, so that they report it.

    Args:
        shared: What its parties share.
        duration: For how many seconds.
        told: The listeners.
        entries: What they are told of; all that there is where not given.
    """
    journal, seed, fidelity = shared.journal, shared.seed, str(shared.behaviour)
    kept = journal.entries()
    happened = timeline(kept if entries is None else entries)
    first = kept[0].number if kept else journal.last + 1
    forgotten = (f"the journal no longer has the first {first - 1:,} entries",) if first > 1 else ()
    events = (
        RehearsalStarted(seed, fidelity, (SESSION,)),
        ScenarioStarted(SESSION, "", 1, fidelity, "What happened while the simulator ran."),
        StepFinished(
            SESSION,
            1,
            "everything",
            "",
            "",
            duration,
            timeline=happened,
        ),
        ScenarioFinished(
            SESSION,
            passed=True,
            duration=duration,
            warnings=(*forgotten, *shared.faults.warnings),
        ),
        RehearsalFinished(1, 0, duration),
    )
    for listener in told:
        for event in events:
            listener(event)

"""A live session told as a rehearsal of one scenario, which expects nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from oscp_sim.journal import Journal
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

#: The one scenario that it is told as.
SESSION: Final = ScenarioId("serve", "session")


def tell_session(
    journal: Journal,
    *,
    seed: int,
    fidelity: str,
    duration: float,
    told: Iterable[Listener],
    warnings: Iterable[str] = (),
) -> None:
    """Tell listeners what a journal holds, so that they report it.

    Args:
        journal: Of the simulator that ran.
        seed: Of the simulator.
        fidelity: Of the simulator, as a text.
        duration: For how many seconds it ran.
        told: The listeners.
        warnings: What is doubtful about it, as a fault that never struck.
    """
    entries = journal.entries()
    first = entries[0].number if entries else journal.last + 1
    forgotten = (f"the journal no longer has the first {first - 1:,} entries",) if first > 1 else ()
    events = (
        RehearsalStarted(seed, fidelity, (SESSION,)),
        ScenarioStarted(SESSION, "", 1, fidelity, "What happened while the simulator ran."),
        StepFinished(SESSION, 1, "everything", "", "", duration, timeline=timeline(entries)),
        ScenarioFinished(SESSION, passed=True, duration=duration, warnings=(*forgotten, *warnings)),
        RehearsalFinished(1, 0, duration),
    )
    for listener in told:
        for event in events:
            listener(event)

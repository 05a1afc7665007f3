"""A live session told as a rehearsal of one scenario, which expects nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from oscp_sim.entry import Entry
from oscp_sim.scenario.events import (
    Listener,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
    tell_of_one,
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
    """Tell listeners what happened in a simulator in so many seconds, so that they report it.

    They are told of the entries that are given, or of all.
    """
    kept, fidelity = shared.journal.entries(), str(shared.behaviour)
    happened = timeline(kept if entries is None else entries)
    first = kept[0].number if kept else shared.journal.last + 1
    forgotten = (f"the journal no longer has the first {first - 1:,} entries",) if first > 1 else ()
    about = "What happened while the simulator ran."
    tell_of_one(
        told,
        shared.seed,
        ScenarioStarted(SESSION, "", 1, fidelity, about),
        StepFinished(SESSION, 1, "everything", "", "", duration, timeline=happened),
        duration=duration,
        warnings=(*forgotten, *shared.faults.warnings),
    )

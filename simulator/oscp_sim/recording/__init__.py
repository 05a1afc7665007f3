"""Turn what happened, from any client, into a scenario file that passes when it is replayed."""

from __future__ import annotations

from oscp_sim.recording.record import Recording, Unrecordable, record, setting_of, step_of

__all__ = ["Recording", "Unrecordable", "record", "setting_of", "step_of"]

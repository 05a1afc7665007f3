"""Turn what happened, from any client, into a scenario file that passes when it is replayed."""

from __future__ import annotations

from oscp_sim.recording.record import NothingToRecord, Recording, record, setting_of, step_of

__all__ = ["NothingToRecord", "Recording", "record", "setting_of", "step_of"]

"""What a schema refuses, and SolarNetwork sends all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oscp_send.findings import Finding

if TYPE_CHECKING:
    from schemas import Violation
    from simulator.external_system.manners import Manners

__all__ = ["tolerated"]

_MEASUREMENTS = frozenset({"UpdateGroupMeasurements", "UpdateAssetMeasurement"})


def tolerated(action: str, violation: Violation, manners: Manners) -> Finding | None:
    """Answers with a remark on what a system accepts against the schema; None: it does not.

    That is an acknowledge that asks for nothing, as SolarNetwork's Flexibility Provider writes it,
    and a list of no measurements, which its job sends (OSCP dossier §11.8 and §11.26).
    """
    if violation.rule == "required" and violation.pointer == "/required_behaviour":
        if action in manners.configuration_needed:
            return None
        hint = "leave required_behaviour out, or say in measurement_configuration what you want"
    elif violation.rule == "minItems" and violation.pointer == "/measurements":
        if action not in _MEASUREMENTS or not manners.no_measurements:
            return None
        hint = "send nothing where nothing was measured"
    else:
        return None
    return Finding(
        "schema", violation.rule, "warning", violation.pointer, violation.message, hint, "observed"
    )

"""What a message and the parameters beside it say of one another: the group, the forecast meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oscp_send.findings import Finding
from schemas import JsonError, read
from schemas.preview import preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oscp_send.fidelity import Behaviour
    from oscp_send.request_parameters import GivenParameters

__all__ = ["is_for_another_group", "judge_relations"]

_ADJUST = "AdjustGroupCapacityForecast"
_COMPLIANCE_ERROR = "GroupCapacityComplianceError"


def is_for_another_group(parameters: Mapping[str, str]) -> bool:
    """Tells whether SolarUser declines an instruction for its group (check 13 of dossier §3.1).

    Only an adjustment's `group_id` is held against `cgIdentifier`.
    """
    return parameters.get("action") == _ADJUST and _other_group(parameters) is not None


def judge_relations(
    given: GivenParameters, left: Mapping[str, str], behaviour: Behaviour
) -> Iterator[Finding]:
    """Yields where the group differs, and what becomes of the correlation id (S15).

    Args:
        given: The parameters as they stand in the body.
        left: What is left of them, joined by name.
        behaviour: Decides in `correlation_id` how much it matters that the service loses it.
    """
    group = _other_group(left)
    if group is not None:
        yield _another_group(given, left, group)
    if "correlationId" in left:
        yield Finding(
            "transport",
            "correlation_id",
            "warning" if behaviour.follows_service("correlation_id") else "info",
            given.place("correlationId"),
            "SolarNetwork stores the correlationId and never delivers it",
            "a Capacity Provider that asks for X-Correlation-ID will refuse the message",
            "observed",
        )
    elif left.get("action") == _COMPLIANCE_ERROR:
        yield Finding(
            "meaning",
            "S15",
            "error",
            given.pointer,
            "correlationId is missing: nothing else tells which forecast cannot be complied with",
            "give the X-Request-ID of the UpdateGroupCapacityForecast that is meant",
        )


def _another_group(given: GivenParameters, left: Mapping[str, str], group: str) -> Finding:
    is_refused = is_for_another_group(left)
    return Finding(
        "transport" if is_refused else "meaning",
        "group",
        "error" if is_refused else "warning",
        given.place("cgIdentifier"),
        f"cgIdentifier is {preview(left['cgIdentifier'])}, the message's group_id {preview(group)}",
        "give the same group in both" if is_refused else "SolarUser does not compare the two here",
        "observed",
    )


def _other_group(parameters: Mapping[str, str]) -> str | None:
    """Answers with the message's `group_id` where it is not the instruction's group."""
    if "cgIdentifier" not in parameters:
        return None
    try:
        message = read(parameters.get("msg", "")).value
    except JsonError:
        return None
    group = message.get("group_id") if isinstance(message, dict) else None
    return group if isinstance(group, str) and group != parameters["cgIdentifier"] else None

"""Which case of headers and sequence (OSCP dossier §9.3) a finding is."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from simulator.conversation import remedies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oscp_send.findings import Finding

__all__ = ["CASES", "case_of"]

# Of each case, the rules and the remedies of its findings.
CASES: Final[Mapping[str, frozenset[tuple[str, str]]]] = MappingProxyType(
    {
        "X8": frozenset({("S19", remedies.DUPLICATE)}),
        "X9": frozenset({("S15", remedies.NO_FORECAST_NAMED)}),
        "X10": frozenset(
            {
                ("S8", remedies.ADJUSTS_UNKNOWN_FORECAST),
                ("S15", remedies.UNKNOWN_FORECAST_NAMED),
            }
        ),
        "X11": frozenset(
            {
                ("S16", remedies.ACKNOWLEDGE_WITHOUT_HANDSHAKE),
                ("S17", remedies.ACKNOWLEDGE_WITHOUT_HANDSHAKE),
            }
        ),
        "X12": frozenset({("S17", remedies.FORECAST_BEFORE_HANDSHAKE)}),
    }
)


def case_of(finding: Finding) -> str | None:
    """Answers with the name of a finding's case, such as `X10`, or None where it is of no case."""
    kind = (finding.rule, finding.hint)
    return next((case for case, kinds in CASES.items() if kind in kinds), None)

"""One judged payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

Stage = Literal["D json", "D document", "D schema", "D schema-lookup", "D decode", "D size", "Q"]
Spec = Literal["valid", "invalid", "unclear"]

ACTIONS = {
    "A": "AdjustGroupCapacityForecast",
    "AM": "UpdateAssetMeasurement",
    "G": "GroupCapacityComplianceError",
    "HA": "HandshakeAcknowledge",
    "HB": "Heartbeat",
    "HS": "Handshake",
    "M": "UpdateGroupMeasurements",
    "R": "Register",
    "U": "UpdateGroupCapacityForecast",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table of judged payloads (oscp20.md §9.2), with a payload to show it.

    Attributes:
        id: The row's name, such as `C17`.
        action: The OSCP message name.
        title: What is wrong or special.
        text: The payload; not always JSON.
        sn: Does SolarNetwork's schema validator take it (a text that is no JSON: no)?
        nf: Does plain Python jsonschema without a format checker take it?
        su: What SolarUser does with the instruction: `Q` queued, `D ...` declined at a stage, or
            refused because of its `size`; None for an action that SolarUser does not know.
        fp: The HTTP status of SolarNetwork's Flexibility Provider; None where it has no endpoint.
        spec: The judgement by the OSCP 2.0 specification.
        python: Does Python jsonschema with rfc3339-validator take it, as the row says? Where the
            row is silent it agrees with `sn`.
    """

    id: str
    action: str
    title: str
    text: str
    sn: bool
    nf: bool
    su: Stage | None
    fp: int | None
    spec: Spec
    python: bool


def case(name: str, verdicts: str, title: str, text: str, *, python: bool | None = None) -> Case:
    """Answers with the case of one row.

    Args:
        name: The row's id and its message code, such as `C17 A`.
        verdicts: The last five columns, with blanks between and a hyphen in `D-json`.
        title: What is wrong or special.
        text: The payload.
        python: The row's mark "Python with format", where it has one.
    """
    identifier, code = name.split()
    sn, nf, su, fp, spec = verdicts.split()
    return Case(
        id=identifier,
        action=ACTIONS[code],
        title=title,
        text=text,
        sn=sn == "y",
        nf=nf == "y",
        su=None if su == "-" else cast("Stage", su.replace("D-", "D ")),
        fp=None if fp == "-" else int(fp),
        spec=cast("Spec", spec),
        python=sn == "y" if python is None else python,
    )

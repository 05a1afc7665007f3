"""Judging what reaches the Capacity Provider: token, headers, schema, group and meaning.

The statuses are those suggested for a mock Capacity Provider (OSCP dossier §2.4 and §9.3); a
message that is well-formed but makes little sense is accepted, with findings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oscp_send.findings import Finding
from oscp_send.meaning import judge_meaning
from schemas import JsonError, judge, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from simulator.wire import WireRequest

__all__ = ["Outcome", "receive"]

_SCHEME = "Token"
_UNSUPPORTED_MEDIA_TYPE = 415
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a message is answered.

    Attributes:
        status: 204, or the refusal's.
        message: Of a refusal, for its body.
        findings: What there is to say of the message.
    """

    status: int
    message: str = ""
    findings: tuple[Finding, ...] = ()


def receive(
    action: str,
    request: WireRequest,
    body: bytes | None,
    groups_of_token: Mapping[str | None, frozenset[str]],
    now: datetime,
) -> Outcome:
    """Answers with what the Capacity Provider makes of a request.

    Args:
        action: The OSCP message that the path stands for.
        request: As it was sent.
        body: Its body; None where it is too large.
        groups_of_token: The Capacity Groups of the providers that each token is for; under None,
            of those that have none.
        now: The provider's time.
    """
    refusal = _refused_by_headers(request, groups_of_token)
    if refusal is not None:
        return refusal
    if body is None:
        return Outcome(_TOO_LARGE, "the body is too large")
    try:
        document = read(body)
    except JsonError as error:
        return Outcome(400, f"not JSON: {error}")
    violations = judge(action, document)
    if violations:
        listed = "; ".join(f"{each.pointer or '/'}: {each.message}" for each in violations)
        findings = tuple(
            Finding("schema", each.rule, "error", each.pointer, each.message) for each in violations
        )
        return Outcome(400, listed, findings)
    message: dict[str, Any] = document.value
    group = message.get("group_id")
    if group is not None and group not in groups_of_token[_token(request)]:
        return Outcome(404, f'there is no Capacity Group "{group}"')
    return Outcome(204, findings=(*judge_meaning(message, now), *_uncorrelated(action, request)))


def _refused_by_headers(
    request: WireRequest, groups_of_token: Mapping[str | None, frozenset[str]]
) -> Outcome | None:
    authorization = request.header("authorization")
    if authorization is None and None not in groups_of_token:
        return Outcome(401, "the Authorization header is missing")
    if _token(request) not in groups_of_token:
        return Outcome(403, "the token is unknown")
    media_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        return Outcome(_UNSUPPORTED_MEDIA_TYPE, "the Content-Type must be application/json")
    if not request.header("x-request-id"):
        return Outcome(400, "the X-Request-ID header is missing")
    return None


def _token(request: WireRequest) -> str | None:
    """Answers with the token that is shown: None for none, an empty one for another scheme."""
    authorization = request.header("authorization")
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token if scheme == _SCHEME else ""


def _uncorrelated(action: str, request: WireRequest) -> tuple[Finding, ...]:
    if action != "GroupCapacityComplianceError" or request.header("x-correlation-id"):
        return ()
    return (
        Finding(
            "meaning",
            "S15",
            "error",
            "",
            "names no forecast: there is no X-Correlation-ID",
            "send correlationId, the X-Request-ID of the forecast that cannot be complied with",
        ),
    )

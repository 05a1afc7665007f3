"""The headers of what the Flexibility Provider sends.

As observed in SolarNetwork (SolarUser dossier §4.2, OSCP dossier §2.2 and §5.9).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.world import CapacityOptimizer, CapacityProvider

__all__ = ["configured_headers", "delivery_headers"]


def delivery_headers(
    system: CapacityProvider | CapacityOptimizer,
    request_id: str,
    correlation_id: str | None = None,
    *,
    authorization: str | None = None,
    more: tuple[tuple[str, str], ...] = (),
) -> tuple[tuple[str, str], ...]:
    """Answers with the headers of one request.

    A system that has not registered has told no token, and is shown none. What its service
    property `http-headers` holds is added: added, not put in place of one that is there already.

    Args:
        system: Whom it is for.
        request_id: The X-Request-ID.
        correlation_id: The X-Correlation-ID, where there is one.
        authorization: What to show in place of the system's token.
        more: More headers, before those that are configured.
    """
    if authorization is None and system.token is not None:
        authorization = f"Token {system.token}"
    headers = [] if authorization is None else [("Authorization", authorization)]
    headers += [("Content-Type", "application/json"), ("X-Request-ID", request_id)]
    if correlation_id is not None:
        headers.append(("X-Correlation-ID", correlation_id))
    return (*headers, *more, *configured_headers(system))


def configured_headers(
    system: CapacityProvider | CapacityOptimizer,
) -> tuple[tuple[str, str], ...]:
    """Answers with what the service property `http-headers` of a system holds."""
    configured = (system.service_props or {}).get("http-headers")
    if not isinstance(configured, Mapping):
        return ()
    # Only a text can stand in a header; what else JSON may hold there is left out (inferred).
    return tuple((name, value) for name, value in configured.items() if isinstance(value, str))

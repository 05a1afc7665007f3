"""The headers of what is delivered to a Capacity Provider.

As observed in SolarNetwork (SolarUser dossier §4.2, OSCP dossier §2.2 and §5.9).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.world import CapacityProvider

__all__ = ["delivery_headers"]


def delivery_headers(
    provider: CapacityProvider, request_id: str, correlation_id: str | None
) -> dict[str, str]:
    """Answers with the headers of one delivery.

    A provider that has not registered has told no token, and is shown none. What its service
    property `http-headers` holds is added: where a header is there already, its values are joined,
    which says the same as two lines (RFC 9110 §5.3).

    Args:
        provider: Whom it is for.
        request_id: The X-Request-ID.
        correlation_id: The X-Correlation-ID, where there is one.
    """
    headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
    if provider.token is not None:
        headers = {"Authorization": f"Token {provider.token}"} | headers
    if correlation_id is not None:
        headers["X-Correlation-ID"] = correlation_id
    for name, value in _configured(provider):
        there = next((each for each in headers if each.lower() == name.lower()), None)
        headers[there or name] = f"{headers[there]}, {value}" if there else value
    return headers


def _configured(provider: CapacityProvider) -> list[tuple[str, str]]:
    configured = (provider.service_props or {}).get("http-headers")
    if not isinstance(configured, Mapping):
        return []
    # Only a text can stand in a header; what else JSON may hold there is left out (inferred).
    return [(name, value) for name, value in configured.items() if isinstance(value, str)]

"""Posting a message to a Capacity Provider, and what its answer means.

As observed in SolarNetwork (SolarUser dossier §4.2, OSCP dossier §5.10 and §7.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests

from simulator.journal import Request, Response

if TYPE_CHECKING:
    from simulator.journal import Journal

__all__ = ["Delivery", "DeliveryFailed", "UnknownRecipient", "post"]

# Connecting takes the keep-alive value by mistake, reading its own: both in seconds (§5.10).
_TIMEOUT = (60.0, 20.0)


class DeliveryFailed(Exception):
    """Raised for a message that no Capacity Provider took; its text becomes the reason.

    Attributes:
        problem: What was wrong with the HTTP exchange; None where there was none.
    """

    def __init__(self, reason: str, problem: str | None = None) -> None:
        super().__init__(reason)
        self.problem = problem


class UnknownRecipient(DeliveryFailed):
    """Raised where what an instruction names does not exist for its owner any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to a Capacity Provider, ready to go.

    Attributes:
        action: The OSCP message name.
        instruction_id: The instruction that it delivers.
        provider_id: The configId of the Capacity Provider.
        registration_status: Of the Capacity Provider: `p`, `r` or `f`.
        oscp_version: Of the Capacity Provider.
        request_id: The X-Request-ID.
        url: Where to.
        headers: All of them.
        body: JSON.
    """

    action: str
    instruction_id: int
    provider_id: int
    registration_status: str
    oscp_version: str
    request_id: str
    url: str
    headers: dict[str, str]
    body: bytes


def post(session: requests.Session, delivery: Delivery, journal: Journal) -> None:
    """Posts a message, once; any status below 400 is success.

    Raises:
        DeliveryFailed: The provider refused it or could not be reached.
    """
    response: requests.Response | None = None
    try:
        response = session.post(
            delivery.url, data=delivery.body, headers=delivery.headers, timeout=_TIMEOUT
        )
    except requests.RequestException as error:
        reason = f'I/O error on POST request for "{delivery.url}": {_cause(error)}'
        raise DeliveryFailed(reason, f"Communication error: {reason}") from error
    finally:
        _record(journal, delivery, response)
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        body = f'"{response.text}"' if response.content else "[no body]"
        raise DeliveryFailed(
            f"{response.status_code} {response.reason}: {body}",
            # Whether the phrase follows the number there is not known (inferred).
            f"Invalid HTTP status returned: {response.status_code}",
        )


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.ReadTimeout):
        return "Read timed out"
    if isinstance(error, requests.ConnectTimeout):
        return "Connect timed out"
    return "Connection refused" if "refused" in str(error) else type(error).__name__


def _record(journal: Journal, delivery: Delivery, response: requests.Response | None) -> None:
    journal.append(
        "flexibility_provider",
        "exchange",
        action=delivery.action,
        instruction_id=delivery.instruction_id,
        request=Request(
            "POST", delivery.url, tuple(delivery.headers.items()), delivery.body.decode()
        ),
        response=None
        if response is None
        else Response(response.status_code, tuple(response.headers.items()), response.text),
    )

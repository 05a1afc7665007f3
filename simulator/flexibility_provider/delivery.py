"""Posting a message to a Capacity Provider, and what its answer means.

As observed in SolarNetwork (SolarUser dossier §4.2, OSCP dossier §5.10 and §7.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from simulator.journal import Request, Response
from simulator.outgoing import Reply, Unanswered
from simulator.redaction import SHORTEST_SECRET, redact_quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.journal import Journal, Party
    from simulator.outgoing import Outgoing

__all__ = ["TIMEOUT", "Delivery", "DeliveryFailed", "UnknownRecipient", "post"]

#: Connecting takes the keep-alive value by mistake, reading its own: both in seconds (§5.10).
TIMEOUT: Final = (60.0, 20.0)

# What every request has, or may have, by itself; none of it is a secret.
_OWN_HEADERS: Final = ("Content-Type", "X-Request-ID", "X-Correlation-ID", "X-SN-Source-ID")


class DeliveryFailed(Exception):
    """Raised for a message that no Capacity Provider took; its text becomes the reason.

    Attributes:
        problem: What was wrong with the HTTP exchange; None where there was none.
        after: Seconds by the simulator's clock until that is known.
    """

    def __init__(self, reason: str, problem: str | None = None, after: float = 0.0) -> None:
        super().__init__(reason)
        self.problem = problem
        self.after = after


class UnknownRecipient(DeliveryFailed):
    """Raised where what an instruction names does not exist for its owner any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to a Capacity Provider or Optimizer, ready to go.

    Attributes:
        to: Whom it is for.
        action: The OSCP message name.
        url: Where to.
        headers: All of them.
        body: JSON.
        instruction_id: The instruction that it delivers, where it is one.
    """

    to: Party
    action: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    instruction_id: int | None = None

    @property
    def request_id(self) -> str:
        """The X-Request-ID."""
        return next(value for name, value in self.headers if name == "X-Request-ID")


def post(
    outgoing: Outgoing,
    delivery: Delivery,
    journal: Journal,
    *,
    timeout: tuple[float, float] = TIMEOUT,
) -> Reply:
    """Posts a message, once, and answers with the reply; any status below 400 is success.

    Args:
        outgoing: Carries it.
        delivery: The message.
        journal: Told of it.
        timeout: Seconds to connect, and seconds without a byte of the answer.

    Raises:
        DeliveryFailed: It was refused, or could not be brought.
    """
    reply: Reply | None = None
    try:
        reply = outgoing.post(delivery.url, delivery.headers, delivery.body, timeout=timeout)
    except Unanswered as error:
        reason = f'I/O error on POST request for "{delivery.url}": {error}'
        raise DeliveryFailed(reason, f"Communication error: {reason}", error.after) from error
    finally:
        _record(journal, delivery, reply)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        body = f'"{reply.text}"' if reply.body else "[no body]"
        raise DeliveryFailed(
            _told(delivery, f"{reply.status} {reply.reason}: {body}"),
            # Whether the phrase follows the number there is not known (inferred).
            f"Invalid HTTP status returned: {reply.status}",
            reply.after,
        )
    return reply


def _told(delivery: Delivery, text: str) -> str:
    """Answers with a text of a reply, without the credentials of the request that it may quote."""
    return redact_quoted(text, _secrets(delivery.headers))


def _secrets(headers: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """Yields what is secret in the headers of a request: all that is configured may be."""
    own = set(_OWN_HEADERS)
    for name, value in headers:
        if name.lower() == "authorization":
            scheme, _, credentials = value.partition(" ")
            yield credentials.strip() or scheme
        elif name in own:
            # What is configured is added: the first of a name is the provider's own.
            own.remove(name)
        elif len(value) >= SHORTEST_SECRET:
            yield value


def _record(journal: Journal, delivery: Delivery, reply: Reply | None) -> None:
    journal.append(
        "flexibility_provider",
        "exchange",
        peer=delivery.to,
        sent=True,
        action=delivery.action,
        instruction_id=delivery.instruction_id,
        request=Request("POST", delivery.url, delivery.headers, delivery.body.decode()),
        response=None
        if reply is None
        else Response(reply.status, reply.headers, _told(delivery, reply.text)),
        detail={"answered_after": reply.after} if reply and reply.after else None,
    )

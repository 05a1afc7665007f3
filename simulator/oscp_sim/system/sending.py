"""Sending again what was not taken."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Final

import orjson

from oscp_sim.addresses import NobodyThere
from oscp_sim.conversation import Conversation, ExchangedMessage
from oscp_sim.http import Request, Response
from oscp_sim.outgoing import Unanswered
from oscp_sim.system.call import Sent
from oscp_sim.system.profile import PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oscp_sim.entry import PartyName
    from oscp_sim.shared import Shared
    from oscp_sim.system.call import Received
    from oscp_sim.system.registration import Registration
    from oscp_sim.system.system import Seat

__all__ = ["Correspondence", "insist"]


# § The messages that an external system sends and gets, one after the other, with their ids.

# Seconds to connect, and without a byte of the answer.
_TIMEOUT: Final = (10.0, 30.0)
# How many messages of each direction are at hand; the journal has them all.
_AT_HAND: Final = 10_000


class Correspondence:
    """What one system says and hears.

    Args:
        shared: The shared shared.
        party: Who the system is.
        name: Makes its ids, together with the seed.
        registration: Where it sends to, and which token it shows.
        begin: Makes the memory of what was said, when the first is said.
        who: What tells it from others of its kind in the journal.

    Attributes:
        received: The newest messages that it got, oldest first.
        sent: The newest that it sent.
        lock: Held while one message is dealt with; never while an answer is waited for.
    """

    def __init__(  # noqa: PLR0917 - what a system is made of, in the order above
        self,
        shared: Shared,
        party: PartyName,
        name: str,
        registration: Registration,
        begin: Callable[[], Conversation],
        who: Mapping[str, object],
    ) -> None:
        self._shared = shared
        self._party = party
        self._name = name
        self._registration = registration
        self._begin = begin
        self._who = who
        self._under_way: list[ExchangedMessage] = []
        self.received: deque[Received] = deque(maxlen=_AT_HAND)
        self.sent: deque[Sent] = deque(maxlen=_AT_HAND)
        self.lock = threading.RLock()

    @cached_property
    def random(self) -> Random:
        """Makes what is invented; the same seed, the same."""
        return Random(f"{self._name} {self._shared.seed}")  # noqa: S311 - of a rehearsal

    @cached_property
    def conversation(self) -> Conversation:
        """What was said, as far as it matters for what is said next."""
        return self._begin()

    def new_request_id(self) -> str:
        """Answers with an X-Request-ID: a random UUID, the same ones for the same seed."""
        with self.lock:
            return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def post(
        self,
        action: str,
        message: object,
        *,
        request_id: str,
        correlation_id: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        method: str = "POST",
    ) -> Sent:
        """Sends a message to the Flexibility Provider, once, and answers with what came of it.

        Args:
            action: The OSCP message name.
            message: JSON values; a text or bytes go as they are.
            request_id: Its X-Request-ID.
            correlation_id: Its X-Correlation-ID; None leaves it out.
            headers: More of them, in order.
            method: Of HTTP.

        Raises:
            ValueError: There is no such message.
            NobodyThere: There is no Flexibility Provider.
        """
        if action not in PATHS:
            raise ValueError(f'there is no message "{action}"; there are: {", ".join(PATHS)}')
        self.check_receiver()
        body = _written(message)
        url = self._registration.url + PATHS[action]
        said = ExchangedMessage(
            action,
            message if isinstance(message, Mapping) else {},
            request_id,
            correlation_id,
            sent=True,
            at=self._shared.clock.now(),
        )
        with self.lock:
            self._under_way.append(said)
        all_headers = (*self._headers(request_id, correlation_id), *headers)
        exchange_id = self._shared.journal.new_exchange_id()
        request = Request(method, url, all_headers, body, exchange_id=exchange_id)
        result: Response | Unanswered
        try:
            result = self._shared.outgoing.send(request, timeout=_TIMEOUT)
        except Unanswered as error:
            result = error
        return self._came_of(said, request, result)

    def check_receiver(self) -> None:
        """Does nothing where there is a Flexibility Provider to send to.

        Raises:
            NobodyThere: There is none.
        """
        self._shared.addresses.check_flexibility_provider(self._registration.url)

    def mark_arrived(self) -> None:
        """Remembers what is still under way: whoever writes meanwhile may write because of it."""
        for said in self._under_way:
            self.conversation.remember(said)
        self._under_way.clear()

    def _headers(self, request_id: str, correlation_id: str | None) -> tuple[tuple[str, str], ...]:
        token = self._registration.shown
        shown = (("Authorization", f"Token {token}"),) if token is not None else ()
        named = (*shown, ("Content-Type", "application/json"), ("X-Request-ID", request_id))
        return named if correlation_id is None else (*named, ("X-Correlation-ID", correlation_id))

    def _came_of(
        self, said: ExchangedMessage, request: Request, result: Response | Unanswered
    ) -> Sent:
        reply = result if isinstance(result, Response) else None
        with self.lock:
            entry = self._shared.journal.append(
                self._party,
                "exchange",
                peer="flexibility_provider",
                sent=True,
                action=said.action,
                request=request,
                response=reply,
                detail={**_detail(result), **self._who},
            )
            sent = Sent(
                said.action,
                said.request_id or "",
                reply.status if reply else None,
                reply.phrase if reply else str(result),
                # Redacted there: an answer may quote its request.
                entry.response.text if entry.response else "",
                entry.number,
            )
            self.sent.append(sent)
            self._settle(said, sent)
        return sent

    def _settle(self, said: ExchangedMessage, sent: Sent) -> None:
        """Remembers what was said, unless the other side has refused it or has shown it before."""
        if not any(each is said for each in self._under_way):
            return
        self._under_way = [each for each in self._under_way if each is not said]
        # Without an answer it may have arrived all the same.
        if sent.is_taken or sent.status is None:
            number = sent.entry
            self.conversation.remember(
                ExchangedMessage(
                    said.action,
                    said.body,
                    said.request_id,
                    said.correlation_id,
                    sent=True,
                    at=said.at,
                    number=number,
                )
            )


def _written(message: object) -> bytes:
    if isinstance(message, bytes):
        return message
    return message.encode() if isinstance(message, str) else orjson.dumps(message, default=float)


def _detail(result: Response | Unanswered) -> dict[str, object]:
    detail: dict[str, object] = {} if isinstance(result, Response) else {"why": str(result)}
    return {**detail, "answered_after": result.after} if result.after else detail


# Seconds before the second and the third try: SolarNetwork's (oscp20.md §5.3).
_PAUSES: Final = (5.0, 10.0)


def insist(seat: Seat, send: Callable[[], Sent], then: Callable[[], object] = lambda: None) -> None:
    """Sends a message, up to three times until it is taken; a journal note tells when it is not.

    Args:
        seat: Who sends it.
        send: Does it, once.
        then: What to do once it is taken.
    """
    _attempt(seat, send, then, _PAUSES)


def _attempt(
    seat: Seat, send: Callable[[], Sent], then: Callable[[], object], pauses: tuple[float, ...]
) -> None:
    try:
        sent = send()
    except NobodyThere as nobody:
        seat.note(f"nothing is sent: {nobody}")
        return
    if seat.is_success(sent):
        then()
    elif pauses:
        seat.shared.schedule.after(
            pauses[0], lambda: _attempt(seat, send, then, pauses[1:]), queue=seat.queue
        )
    else:
        answer = sent.reason if sent.status is None else f"{sent.status} {sent.reason}"
        seat.note(
            f"the {sent.action} was not taken in {len(_PAUSES) + 1} tries, and is given up: "
            f"{answer}",
            request_id=sent.request_id,
        )

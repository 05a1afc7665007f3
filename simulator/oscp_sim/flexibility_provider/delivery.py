"""What the Flexibility Provider does after it has answered: a moment later, and again if it fails.

As observed in SolarNetwork (oscp20.md §5.3, §5.4, §5.6 and §5.10).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from random import Random
from typing import Final

from oscp_sim.entry import PartyName
from oscp_sim.http import Request, Response
from oscp_sim.journal import Journal
from oscp_sim.outgoing import Outgoing, Unanswered
from oscp_sim.redaction import SHORTEST_SECRET, redact_quoted
from oscp_sim.shared import Shared

__all__ = [
    "TIMEOUT",
    "ConfigurationProblem",
    "Delivery",
    "DeliveryFailed",
    "Tasks",
    "UnknownRecipient",
    "post",
]


# § Posting a message to a Capacity Provider, and what its answer means.
#
# As observed in SolarNetwork (solaruser.md §4.2, oscp20.md §5.10 and §7.3).

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

    to: PartyName
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
) -> Response:
    """Posts a message, once, and answers with the reply; any status below 400 is success.

    Args:
        outgoing: Carries it.
        delivery: The message.
        journal: Told of it.
        timeout: Seconds to connect, and seconds without a byte of the answer.

    Raises:
        DeliveryFailed: It was refused, or could not be brought.
    """
    exchange_id = journal.new_exchange_id()
    request = Request(
        "POST", delivery.url, delivery.headers, delivery.body, exchange_id=exchange_id
    )
    reply: Response | None = None
    try:
        reply = outgoing.send(request, timeout=timeout)
    except Unanswered as error:
        reason = f'I/O error on POST request for "{delivery.url}": {error}'
        raise DeliveryFailed(reason, f"Communication error: {reason}", error.after) from error
    finally:
        _record(journal, delivery, request, reply)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        body = f'"{reply.text}"' if reply.body else "[no body]"
        raise DeliveryFailed(
            _told(delivery, f"{reply.status} {reply.phrase}: {body}"),
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


def _record(journal: Journal, delivery: Delivery, request: Request, reply: Response | None) -> None:
    journal.append(
        "flexibility_provider",
        "exchange",
        peer=delivery.to,
        sent=True,
        action=delivery.action,
        instruction_id=delivery.instruction_id,
        request=request,
        response=reply and replace(reply, body=_told(delivery, reply.text).encode()),
        detail={"answered_after": reply.after} if reply and reply.after else None,
    )


_LOG = logging.getLogger(__name__)

# Milliseconds, both included: one second, less 500 or more up to 499.
_SHORTEST_DELAY, _LONGEST_DELAY = 500, 1499
# Seconds before the second and the third try; any further one waits as long as the third.
_PAUSES: Final = (5.0, 10.0)


class ConfigurationProblem(Exception):
    """Raised for a system with which a task cannot be done as it is configured now.

    It is never tried again, for trying changes nothing.
    """


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    attempt: Callable[[], Response | None]
    tries: int
    queue: Hashable
    on_success: Callable[[], object] | None
    on_failure: Callable[[str], object] | None


class Tasks:
    """Does in the background what an answer leaves to be done.

    Args:
        shared: The shared shared.
        random: Makes the delays.
    """

    def __init__(self, shared: Shared, random: Random) -> None:
        self._shared = shared
        self._random = random

    def run(
        self,
        name: str,
        attempt: Callable[[], Response | None],
        *,
        tries: int = 3,
        queue: Hashable = None,
        on_success: Callable[[], object] | None = None,
        on_failure: Callable[[str], object] | None = None,
    ) -> None:
        """Makes an attempt half a second to one and a half from now, and further ones if it fails.

        Each end without success is a note in the journal.

        Args:
            name: The OSCP message that it is about.
            attempt: Does it, and answers with the reply where there is one. `DeliveryFailed` means
                that it may be tried again; `ConfigurationProblem`, and everything else, that it
                may not.
            tries: How many attempts there are at most.
            queue: Whom it waits for: another system need not wait for it.
            on_success: Called when the answer has come, by the simulator's clock.
            on_failure: Called when no try is left, with the reason.
        """
        self._start(_Task(name, attempt, tries, queue, on_success, on_failure), number=1)

    def _start(self, task: _Task, number: int, pause: float = 0.0) -> None:
        delay = self._random.randint(_SHORTEST_DELAY, _LONGEST_DELAY) / 1000
        attempt = partial(self._attempt, task, number)
        self._shared.schedule.after(pause + delay, attempt, queue=task.queue)

    def _attempt(self, task: _Task, number: int) -> None:
        try:
            reply = task.attempt()
        except DeliveryFailed as failure:
            self._try_again(task, number, failure)
        except ConfigurationProblem as problem:
            self._give_up(task, str(problem))
        except Exception as error:  # noqa: BLE001 - a message that passed may still be unfit to send
            _LOG.debug("%s failed", task.name, exc_info=True)
            self._give_up(task, f"{task.name} cannot be done: {type(error).__name__}: {error}")
        else:
            if task.on_success is not None:
                self._later(reply.after if reply else 0.0, task.on_success)

    def _try_again(self, task: _Task, number: int, failure: DeliveryFailed) -> None:
        if number >= task.tries:
            why = f"{task.name} failed, try {number} of {task.tries}: {failure}"
            self._later(failure.after, partial(self._give_up, task, why))
            return
        pause = _PAUSES[min(number, len(_PAUSES)) - 1]
        self._start(task, number + 1, failure.after + pause)

    def _give_up(self, task: _Task, why: str) -> None:
        self._shared.journal.append(
            "flexibility_provider", "note", action=task.name, detail={"why": why}
        )
        if task.on_failure is not None:
            task.on_failure(why)

    def _later(self, seconds: float, call: Callable[[], object]) -> None:
        if seconds:
            self._shared.schedule.after(seconds, call)
        else:
            call()

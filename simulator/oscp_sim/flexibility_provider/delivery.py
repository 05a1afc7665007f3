"""Deliver a message to a system: one HTTP exchange, and further tries where it fails.

As observed in SolarNetwork (solaruser.md §4.2; oscp20.md §5.3, §5.4, §5.6, §5.10 and §7.3).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from random import Random
from typing import Any, Final, TypeAlias

from oscp_sim.entry import PartyName
from oscp_sim.flexibility_provider.http_client import Connections, Sending, exchange, go_on
from oscp_sim.http import Headers, Request, Response
from oscp_sim.outgoing import Unanswered
from oscp_sim.redaction import SHORTEST_SECRET, redact_quoted
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityOptimizer, CapacityProvider

System: TypeAlias = CapacityProvider | CapacityOptimizer

#: Seconds to connect, and seconds without a byte of the answer. Connecting takes the keep-alive
#: value by mistake, reading its own (§5.10).
TIMEOUT: Final = (60.0, 20.0)

# The headers that a request has, or may have, anyway; none of them is a secret.
_OWN_HEADERS: Final = (
    "Accept",
    "Content-Type",
    "X-Request-ID",
    "X-Correlation-ID",
    "X-SN-Source-ID",
)


def party_of(system: System) -> PartyName:
    """Return the party that a system is."""
    return "capacity_provider" if isinstance(system, CapacityProvider) else "capacity_optimizer"


def queue_of(user_id: int, system: System) -> Hashable:
    """Return the queue, on the schedule, of what waits for a system."""
    return "flexibility_provider", user_id, party_of(system), system.id


def configured_headers(system: System) -> Headers:
    """Return the headers in the service property `http-headers` of a system."""
    configured = (system.service_props or {}).get("http-headers")
    if not isinstance(configured, Mapping):
        return ()
    # Only a text can be the value of a header; other JSON values are left out (inferred).
    return tuple((name, value) for name, value in configured.items() if isinstance(value, str))


class DeliveryFailed(Exception):
    """Raised for a message that no system accepted; its text is the reason.

    Attributes:
        problem: What was wrong with the HTTP exchange; None where there was none.
    """

    def __init__(self, reason: str, problem: str | None = None) -> None:
        super().__init__(reason)
        self.problem = problem


class UnknownRecipient(DeliveryFailed):
    """Raised where something that an instruction names no longer exists for its owner."""


class ConfigurationProblem(Exception):
    """Raised where a system's present configuration does not allow a delivery.

    It is never tried again: another try changes nothing.
    """


class InvalidURL(ConfigurationProblem):
    """Raised for a URL that is none: nothing is sent."""

    problem: Final = "Invalid URL"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to a Capacity Provider or Optimizer, ready to go.

    The content is the message as texts, floats and aware datetimes; the body is the same as JSON.
    """

    to: PartyName
    action: str
    content: Mapping[str, Any] = field(repr=False)
    url: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    instruction_id: int | None = None

    @property
    def request_id(self) -> str:
        """The X-Request-ID."""
        return next(value for name, value in self.headers if name == "X-Request-ID")

    def without_secrets(self, text: str) -> str:
        """Return a text of the answer without the credentials of the request it may quote."""
        return redact_quoted(text, self._secrets())

    def _secrets(self) -> Iterator[str]:
        """Yield what is secret in the headers: any configured value may be."""
        own = set(_OWN_HEADERS)
        for name, value in self.headers:
            if name.lower() == "authorization":
                scheme, _, credentials = value.partition(" ")
                yield credentials.strip() or scheme
            elif name in own:
                # Configured headers come last: the first of a name is the provider's own.
                own.remove(name)
            elif len(value) >= SHORTEST_SECRET:
                yield value


def post(
    connections: Connections, delivery: Delivery, timeout: tuple[float, float]
) -> Generator[float, None, Response]:
    """Post a message and return the answer when it has come; any status below 400 is success.

    Raises:
        DeliveryFailed: It was refused, or did not arrive.
    """
    request = Request("POST", delivery.url, delivery.headers, delivery.body)
    try:
        record = partial(_record, connections.shared, delivery)
        answer = yield from exchange(connections, request, timeout, record)
    except Unanswered as error:
        reason = f"I/O error {_on(delivery)}: {error}"
        raise DeliveryFailed(reason, f"Communication error: {reason}") from error
    if answer.status >= HTTPStatus.BAD_REQUEST:
        body = f'"{_on_one_line(answer.text)}"' if answer.body else "[no body]"
        raise DeliveryFailed(
            delivery.without_secrets(f"{answer.status} {answer.phrase} {_on(delivery)}: {body}"),
            f"Invalid HTTP status returned: {_status(answer.status)}",
        )
    return answer


def _on(delivery: Delivery) -> str:
    # Without the query, as the service's framework writes it (inferred).
    return f'on POST request for "{delivery.url.partition("?")[0]}"'


def _on_one_line(text: str) -> str:
    """Return a text as the service's log does: no line breaks, no control characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", re.sub(r"[\r\n]", "<EOL>", text))


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).name}"
    except ValueError:
        return str(status)


def _record(
    shared: Shared, delivery: Delivery, request: Request, answer: Response | None, why: str | None
) -> None:
    shown = answer and replace(answer, body=delivery.without_secrets(answer.text).encode())
    detail: dict[str, Any] = {"answered_after": answer.after} if answer and answer.after else {}
    if why is not None:
        detail["why"] = why
    shared.journal.append(
        "flexibility_provider",
        "exchange",
        peer=delivery.to,
        sent=True,
        action=delivery.action,
        instruction_id=delivery.instruction_id,
        request=request,
        response=shown,
        detail=detail or None,
    )


_LOG = logging.getLogger(__name__)

# Milliseconds, both included: one second, less 500 or plus up to 499.
_SHORTEST_DELAY, _LONGEST_DELAY = 500, 1499
# Seconds before the second and the third try; any further one waits as long as the third.
_PAUSES: Final = (5.0, 10.0)


@dataclass(frozen=True, slots=True)
class _Attempts:
    name: str
    attempt: Callable[[], Sending]
    tries: int
    queue: Hashable
    on_success: Callable[[], object] | None
    on_failure: Callable[[str], object] | None


class Retries:
    """Do in the background what is left after an answer, and try again where it fails."""

    def __init__(self, shared: Shared, random: Random) -> None:
        self._shared = shared
        self._random = random

    def run(
        self,
        name: str,
        attempt: Callable[[], Sending],
        *,
        tries: int = 3,
        queue: Hashable = None,
        on_success: Callable[[], object] | None = None,
        on_failure: Callable[[str], object] | None = None,
    ) -> None:
        """Make an attempt 0.5 to 1.5 seconds from now, and further ones if it fails.

        Each end without success is a note in the journal.

        Args:
            name: The OSCP message that it is about.
            attempt: Sends it. `DeliveryFailed` means that it may be tried again;
                `ConfigurationProblem`, and every other exception, that it may not.
            tries: The most attempts.
            queue: One attempt of a queue waits for another: no system waits for another system.
            on_success: Called when the answer has come, by the simulator's clock.
            on_failure: Called when no try is left, with the reason.
        """
        self._start(_Attempts(name, attempt, tries, queue, on_success, on_failure), number=1)

    def _start(self, attempts: _Attempts, number: int, pause: float = 0.0) -> None:
        delay = self._random.randint(_SHORTEST_DELAY, _LONGEST_DELAY) / 1000
        schedule = self._shared.schedule
        do = partial(go_on, schedule, self._attempt(attempts, number))
        schedule.after(pause + delay, do, queue=attempts.queue)

    def _attempt(self, attempts: _Attempts, number: int) -> Iterator[float]:
        try:
            yield from attempts.attempt()
        except DeliveryFailed as failure:
            self._try_again(attempts, number, failure)
        except ConfigurationProblem as problem:
            self._give_up(attempts, str(problem))
        except Exception as error:  # noqa: BLE001 - an accepted message may still be unfit to send
            _LOG.debug("%s failed", attempts.name, exc_info=True)
            why = f"{attempts.name} cannot be done: {type(error).__name__}: {error}"
            self._give_up(attempts, why)
        else:
            if attempts.on_success is not None:
                attempts.on_success()

    def _try_again(self, attempts: _Attempts, number: int, failure: DeliveryFailed) -> None:
        if number >= attempts.tries:
            why = f"{attempts.name} failed, try {number} of {attempts.tries}: {failure}"
            self._give_up(attempts, why)
            return
        self._start(attempts, number + 1, _PAUSES[min(number, len(_PAUSES)) - 1])

    def _give_up(self, attempts: _Attempts, why: str) -> None:
        self._shared.journal.append(
            "flexibility_provider", "note", action=attempts.name, detail={"why": why}
        )
        if attempts.on_failure is not None:
            attempts.on_failure(why)

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
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from oscp_sim.clock import Line
from oscp_sim.entry import PartyName
from oscp_sim.flexibility_provider.http_client import Connections, Sending, exchange, go_on
from oscp_sim.http import Errand, Headers, Request, Response
from oscp_sim.outgoing import Unanswered
from oscp_sim.redaction import SHORTEST_SECRET, redact_quoted, redact_text
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityOptimizer, CapacityProvider, Simulated

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


def row_of(user_id: int, system: System) -> Hashable:
    """Return what tells a system from all others."""
    return "flexibility_provider", user_id, party_of(system), system.id


def queue_of(shared: Shared, user_id: int, system: System) -> Line:
    """Return the queue, on the schedule, of what waits for a system."""
    return Line(row_of(user_id, system), partial(_answers_at_once, shared, user_id, system))


def _answers_at_once(shared: Shared, user_id: int, system: System) -> bool:
    """Return whether a system is played here by now, and neither a property nor a fault leads away.

    It may have registered from elsewhere since something for it was put on the schedule.
    """
    user = shared.world.user(user_id)
    present = user.current(system) if user else None
    if present is None:
        # Nothing is sent to it.
        return True
    is_here = isinstance(present.base_url, Simulated) and not present.service_props
    return is_here and not shared.faults.rules


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

    Attributes:
        problem: What the owner is told of it; None where nothing is told.
    """

    def __init__(self, reason: str, problem: str | None = None) -> None:
        super().__init__(reason)
        self.problem = problem


class InvalidURL(ConfigurationProblem):
    """Raised for a URL that is none: nothing is sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "Invalid URL")


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
    correlation_id: str | None = None

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
    if connections.shared.faults.rules:
        request = Errand.of(request, delivery.to, delivery.instruction_id)
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
    return f'on POST request for "{redact_text(delivery.url.partition("?")[0])}"'


def _on_one_line(text: str) -> str:
    """Return a text as the service's log does: no line breaks, no control characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", re.sub(r"[\r\n]", "<EOL>", text))


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).name}"
    except ValueError:
        return str(status)


# What is said, by whether the service is followed.
_REGISTER: Final = (
    "SolarNetwork's user event of it would show the new token in clear; here it does not",
    "its user event shows the new token in clear, as in SolarNetwork: whoever may read the owner's "
    "user events may call the Flexibility Provider with it",
)


def _record(
    shared: Shared, delivery: Delivery, request: Request, answer: Response | None, why: str | None
) -> None:
    shown = answer
    if answer is not None and answer.body:
        shown = replace(answer, body=delivery.without_secrets(answer.text).encode())
    detail: dict[str, Any] = {"answered_after": answer.after} if answer and answer.after else {}
    if why is None and delivery.action == "Register":
        why = _REGISTER[shared.behaviour.follows_service("register_events")]
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


# By action, the tags behind `oscp`; a CO's registration is tagged `cp` as well (measured). Those of
# heartbeats and measurements, with the kind of the system, are read.
_TAGS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "Register": ("cp", "reg"),
        "HandshakeAcknowledge": ("cp", "handshake"),
        "UpdateGroupCapacityForecast": ("cp", "update-group-capacity-forecast"),
        "AdjustGroupCapacityForecast": ("co", "adjust-group-capacity-forecast"),
        "Heartbeat": ("", "heartbeat"),
        "UpdateGroupMeasurements": ("", "measurement"),
        "UpdateAssetMeasurement": ("", "measurement"),
    }
)
_PASSED_ON: Final = frozenset({"AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast"})
_REDACTED: Final = "[redacted]"
_KINDS: Final = ("CapacityProvider", "CapacityOptimizer")


def task_of(user_id: int, system: System, action: str, *, is_instruction: bool = False) -> str:
    """Return what the service calls a message to a system.

    Of what is passed on, the kind is the sender's (measured of instructions, else read).
    """
    is_optimizer = isinstance(system, CapacityOptimizer)
    kind = _KINDS[is_optimizer != (is_instruction or action in _PASSED_ON)]
    return f"[{action}] task with {kind} ({user_id},{system.id})"


@dataclass(frozen=True, slots=True)
class Events:
    """Tell the owner of a system about a message to it (oscp20.md §5.6, solaruser.md §9.1).

    The tags are measured, the texts and data partly read.

    Attributes:
        system: Who the message is for, as it was when the message was made.
        is_instruction: Whether the message comes from SolarUser.
    """

    shared: Shared
    user_id: int
    system: System
    action: str
    is_instruction: bool = False

    @property
    def task(self) -> str:
        """What the service calls it."""
        return task_of(self.user_id, self.system, self.action, is_instruction=self.is_instruction)

    def registered(self, base_url: str) -> None:
        """Tell that a system has registered."""
        self._add((), "", {**self._configured(), "url": base_url})

    def exchanged(self, delivery: Delivery, problem: str | None = None) -> None:
        """Tell how an HTTP exchange went."""
        data = {
            **self._configured(),
            "url": delivery.url,
            "method": "POST",
            "requestId": delivery.request_id,
            "correlationId": delivery.correlation_id,
            "content": self._content(delivery),
        }
        tags = ("http",) if problem is None else ("error", "http")
        self._add(tags, "Success" if problem is None else problem, data)

    def failed(self, reason: str, tries: int, left: int) -> None:
        """Tell that one try more has failed, and how many are left."""
        then = f"will re-try up to {left} more times" if left else f"tried {tries} times"
        data = self._configured() if left else {"configId": self.system.id}
        self._add(("error",), f"{self.task} failed; {then}: {reason}", data)

    def not_sent(self, problem: str | None) -> None:
        """Tell that the configuration does not allow it, where that is told."""
        if problem is not None:
            self._add(("error",), problem, self._configured())

    def unresolvable(self, problem: Exception) -> None:
        """Tell that a job does not know where to send something (read)."""
        if isinstance(problem, ConfigurationProblem):
            self.not_sent(f"System URI unresolvable: {problem}")

    def _configured(self) -> dict[str, Any]:
        system = self._present()
        return {
            "configId": system.id,
            "regStatus": system.registration_status[0].lower(),
            "v": system.oscp_version,
            "url": self.shared.addresses.of_system(system),
        }

    def _present(self) -> System:
        return self.shared.world.current(self.user_id, self.system) or self.system

    def _content(self, delivery: Delivery) -> Mapping[str, Any]:
        """Return what the message says; as observed, a Register with its new token (measured)."""
        shows_all = self.shared.behaviour.follows_service("register_events")
        hides = self.action == "Register" and not shows_all
        return {**delivery.content, "token": _REDACTED} if hides else delivery.content

    def _add(self, tags: tuple[str, ...], message: str, data: Mapping[str, Any]) -> None:
        role, name = _TAGS.get(self.action, ("", ""))
        role = role or ("co" if isinstance(self.system, CapacityOptimizer) else "cp")
        about = ("instruction",) if self.is_instruction else (role, name)
        url = data.get("url")
        safe = {**data, "url": url and redact_text(url)}
        # An answer may quote what it was sent.
        own = self._present().flexibility_provider_token
        text = redact_quoted(redact_text(message), [own] if own else [])
        self.shared.events.add(self.user_id, ("oscp", *about, *tags), text, safe)


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
    events: Events | None
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
        events: Events | None = None,
        on_success: Callable[[], object] | None = None,
        on_failure: Callable[[str], object] | None = None,
    ) -> None:
        """Make an attempt 0.5 to 1.5 seconds from now, and further ones if it fails.

        Each end without success is a note in the journal.

        Args:
            name: The OSCP message that it is about.
            attempt: Sends it. A `ConfigurationProblem` means that it may not be tried again.
            tries: The most attempts.
            queue: One attempt of a queue waits for another: no system waits for another system.
            events: Tell the owner of each failure.
            on_success: Called when the answer has come, by the simulator's clock.
            on_failure: Called when no try is left, with the reason.
        """
        self._start(
            _Attempts(name, attempt, tries, queue, events, on_success, on_failure), number=1
        )

    def _start(self, attempts: _Attempts, number: int, pause: float = 0.0) -> None:
        delay = self._random.randint(_SHORTEST_DELAY, _LONGEST_DELAY) / 1000
        schedule = self._shared.schedule
        do = partial(go_on, schedule, self._attempt(attempts, number))
        schedule.after(pause + delay, do, queue=attempts.queue)

    def _attempt(self, attempts: _Attempts, number: int) -> Iterator[float]:
        try:
            yield from attempts.attempt()
        except ConfigurationProblem as problem:
            if attempts.events is not None:
                attempts.events.not_sent(problem.problem)
            self._give_up(attempts, str(problem))
        except Exception as failure:  # noqa: BLE001 - an accepted message may be unfit to send
            _LOG.debug("%s failed", attempts.name, exc_info=True)
            self._try_again(attempts, number, failure)
        else:
            if attempts.on_success is not None:
                attempts.on_success()

    def _try_again(self, attempts: _Attempts, number: int, failure: Exception) -> None:
        if attempts.events is not None:
            attempts.events.failed(str(failure), number, max(attempts.tries - number, 0))
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

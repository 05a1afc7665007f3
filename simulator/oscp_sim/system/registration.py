"""What a system and its Flexibility Provider know of each other: URLs, tokens, agreed behaviour.

A system remembers only what it was told or has said itself. Until then it goes by the world, which
stands for what its operator was told out of band (oscp20.md §4, who opens registration).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from oscp_sim.addresses import FLEXIBILITY_PROVIDER_PATH
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.shared import Shared
from oscp_sim.world import AnySystem

#: The version of OSCP that is spoken here.
VERSION: Final = "2.0"

# How many tokens that a registration has ended are remembered, the newest.
_MOST_ENDED: Final = 16


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that a system has given out, to be shown to it; without `until`, it never expires."""

    value: str = field(repr=False)
    until: datetime | None = None


class Registration:
    """What one system knows of its registration; the system's lock guards it.

    Attributes:
        ended: The newest of the tokens that were good until a registration ended them.
        is_awaiting_answer: Whether this side has sent an opening Register, and the other has not
            answered yet.
    """

    def __init__(
        self,
        shared: Shared,
        configured: Callable[[], AnySystem],
        tokens_changed: Callable[[], None],
    ) -> None:
        self._shared = shared
        self._configured = configured
        self._tokens_changed = tokens_changed
        self._issued: tuple[IssuedToken, ...] = ()
        self.ended: tuple[str, ...] = ()
        # The token that was given out last, unless it was out before.
        self._fresh: str | None = None
        self._url: str | None = None
        self._shown: str | None = None
        self._registered: bool | None = None
        # Until when the next Register is the answer to our own; None: it is not.
        self._answer_until: datetime | None = None
        self.is_awaiting_answer = False

    @property
    def url(self) -> str:
        """The base URL of the Flexibility Provider."""
        elsewhere = self._shared.world.flexibility_provider
        return self._url or elsewhere or IN_PROCESS_URL + FLEXIBILITY_PROVIDER_PATH

    @property
    def shown(self) -> str | None:
        """The token that is shown to the Flexibility Provider."""
        return self._shown or self._configured().flexibility_provider_token

    @property
    def is_registered(self) -> bool:
        """Whether both sides know each other, as far as this one knows."""
        if self._registered is None:
            return self._configured().registration_status == "Registered"
        return self._registered

    @property
    def issued(self) -> tuple[IssuedToken, ...]:
        """The tokens that the Flexibility Provider may show; if none, it need not show any."""
        token = None if self._issued else self._configured().token
        return self._issued if token is None else (IssuedToken(token),)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every token that is remembered."""
        known = (*(each.value for each in self._issued), *self.ended, self.shown)
        return tuple(token for token in known if token is not None)

    def is_good(self, token: str, now: datetime) -> bool:
        """Return whether a token was given out, and has not expired or been replaced."""
        return any(
            each.value == token and (each.until is None or now < each.until) for each in self.issued
        )

    def issue(self, value: str, now: datetime, valid_for: timedelta | None) -> None:
        """Give out a token beside those that are out; one that is out is extended."""
        self._fresh = None if any(each.value == value for each in self.issued) else value
        kept = tuple(each for each in self.issued if each.value != value)
        until = None if valid_for is None else now + valid_for
        self._issued = (*kept, IssuedToken(value, until))
        self.ended = tuple(each for each in self.ended if each != value)
        self._tokens_changed()

    def end_old_tokens(self) -> None:
        """End the tokens that the newest one replaces."""
        old = tuple(each.value for each in self.issued[:-1])
        self.ended = (*self.ended, *old)[-_MOST_ENDED:]
        self._issued = self.issued[-1:]
        self._tokens_changed()

    def show(self, token: str) -> None:
        """Show a token from now on that the operator was told out of band."""
        self._shown = token

    def opened(self) -> None:
        """Record that this side has sent an opening Register: the next one answers it."""
        # What the Flexibility Provider changes from now on, it has to tell this side.
        self._shown, self.is_awaiting_answer = self.shown, True

    def refused(self) -> None:
        """Record that a Register was refused: only what was good before is good."""
        self.is_awaiting_answer = False
        left = tuple(each for each in self._issued if each.value != self._fresh)
        if left:
            self._issued = left
            self._tokens_changed()

    def answered(self, until: datetime) -> None:
        """Record that this side has sent an answering Register.

        One that comes before `until` is not a new opening: with a Flexibility Provider that answers
        every Register with its own, it would go on for ever.
        """
        self._answer_until, self._registered = until, True
        self.end_old_tokens()

    def take(
        self, message: Mapping[str, Any], now: datetime, *, token_alone: bool = False
    ) -> Literal["answer", "opening", "repeated"]:
        """Accept the URL and token of a Register, and return which kind of Register it is.

        Where the token alone is taken, every Register counts as an answer.

        The Flexibility Provider of SolarNetwork names no Register in its answer, so that state
        alone tells an answer from an opening (oscp20.md §11.11).
        """
        url, token = self._url if token_alone else base_url(message), message["token"]
        is_repeated = self.is_registered and (url, token) == (self.url, self._shown)
        self._url, self._shown = url, token
        may_answer = self._answer_until is not None and now < self._answer_until
        if self.is_awaiting_answer or may_answer or token_alone:
            self.is_awaiting_answer, self._answer_until, self._registered = False, None, True
            self.end_old_tokens()
            return "answer"
        if is_repeated:
            return "repeated"
        self._registered = False
        return "opening"

    def change(self, message: Mapping[str, Any]) -> None:
        """Replace URL and token (PUT)."""
        self._url, self._shown, self._registered = base_url(message), message["token"], True

    def end(self) -> None:
        """Record that the other side has unregistered (DELETE).

        That the tokens stay good, so that it can register again, is (inferred).
        """
        self._registered = self.is_awaiting_answer = False

    def remembered(self) -> dict[str, Any]:
        """Return what must survive a restart, as JSON values; with secrets."""
        return {
            "flexibility_provider": self._url,
            "flexibility_provider_token": self._shown,
            "tokens": [
                {"token": each.value, "until": each.until and each.until.isoformat()}
                for each in self._issued
            ],
            "ended_tokens": list(self.ended),
            "registered": self._registered,
        }

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Take up what was remembered before a restart."""
        issued = tuple(
            IssuedToken(each["token"], each["until"] and datetime.fromisoformat(each["until"]))
            for each in remembered["tokens"]
        )
        self._url = remembered["flexibility_provider"]
        self._shown = remembered["flexibility_provider_token"]
        self._registered = remembered["registered"]
        self._issued = issued
        # A file of an earlier version has none.
        self.ended = tuple(remembered.get("ended_tokens", ()))[-_MOST_ENDED:]
        self._tokens_changed()


_BEHAVIOUR: Final = ("heartbeat_interval", "measurement_configuration")
_CENTURY: Final = 36_525.0 * 86_400


class Agreement:
    """What a system and its Flexibility Provider ask of each other in their handshakes.

    Before one, it goes by the world, which has what was agreed earlier.

    Attributes:
        asked: What the other side asks of this one; None: nothing yet.
    """

    def __init__(self, configured: Callable[[], AnySystem], registration: Registration) -> None:
        self._configured = configured
        self._registration = registration
        self._required: Mapping[str, Any] | None = None
        self.asked: Mapping[str, Any] | None = None
        self._handshaken: bool | None = None

    @property
    def required(self) -> Mapping[str, Any] | None:
        """What this side asks of the other; None: nothing yet."""
        if self._required is None:
            settings = self._configured().settings
            if settings is None:
                return None
            styles = tuple(style.upper() for style in settings.measurement_styles)
            return behaviour_of(settings.heartbeat_seconds, styles)
        return self._required

    @property
    def is_handshaken(self) -> bool:
        """Whether there was a handshake, as far as this side knows; a new Register ends none."""
        return self._registration.is_registered if self._handshaken is None else self._handshaken

    @property
    def heartbeat_seconds(self) -> float | None:
        """How often the other side wants to be sent a heartbeat; None: not at all."""
        return _seconds(self.asked)

    @property
    def required_seconds(self) -> float | None:
        """How often this side wants to be sent a heartbeat; None: not at all."""
        return _seconds(self.required)

    def require(self, behaviour: Mapping[str, Any]) -> None:
        """Record what this side has asked of the other."""
        self._required = behaviour

    def ask(self, behaviour: Mapping[str, Any] | None) -> None:
        """Record the handshake, and what the other side has asked in it, if anything."""
        self._handshaken = True
        if behaviour:
            self.asked = behaviour

    def end(self) -> None:
        """Forget the handshake: the other side has unregistered."""
        self._handshaken, self.asked = False, None

    def remembered(self) -> dict[str, Any]:
        """Return what must survive a restart, as JSON values."""
        return {
            "handshaken": self._handshaken,
            "required": None if self._required is None else dict(self._required),
            "asked": None if self.asked is None else dict(self.asked),
        }

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Take up what was remembered before a restart."""
        self._handshaken = remembered["handshaken"]
        self._required, self.asked = remembered["required"], remembered["asked"]


def behaviour_of(
    heartbeat_interval: float | None, measurement_configuration: Iterable[str] | None
) -> dict[str, Any]:
    """Return a RequiredBehaviour; None leaves a field out."""
    behaviour: dict[str, Any] = {}
    if heartbeat_interval is not None:
        behaviour["heartbeat_interval"] = heartbeat_interval
    if measurement_configuration is not None:
        behaviour["measurement_configuration"] = list(measurement_configuration)
    return behaviour


def _seconds(behaviour: Mapping[str, Any] | None) -> float | None:
    """Return the interval of heartbeats that a side asks for.

    Nothing checks what it asks for, but no calendar goes on for ever: a century is the most.
    """
    interval = (behaviour or {}).get("heartbeat_interval")
    if not isinstance(interval, int | float) or not interval >= 1:
        return None
    return min(interval, _CENTURY)


def required_behaviour(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a handshake or its acknowledge asks for, or None.

    The OpenAPI document and ELMO's example have the fields at the top (oscp20.md §3.5).
    """
    nested = message.get("required_behaviour")
    if isinstance(nested, Mapping):
        return nested
    return {name: message[name] for name in _BEHAVIOUR if name in message} or None


def base_url(message: Mapping[str, Any]) -> str | None:
    """Return the base URL that a Register gives for version 2.0, or None."""
    offered = filter(None, message["version_url"])
    return next((each.get("base_url") for each in offered if each.get("version") == VERSION), None)

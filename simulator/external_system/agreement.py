"""What an external system and its Flexibility Provider ask of each other in their handshakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulator.world import SystemSettings

__all__ = ["Agreement", "behaviour_of", "required_behaviour"]

_FIELDS = ("heartbeat_interval", "measurement_configuration")
# In seconds.
_CENTURY = 36_525.0 * 86_400


class Agreement:
    """What one system asks of the other side, and what the other side asks of it.

    Args:
        settings: Answers with what the world says was agreed before the simulator began.
        registered: Answers with whether the world says that there was such a time.
    """

    def __init__(
        self, settings: Callable[[], SystemSettings | None], registered: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._before = registered
        self._required: Mapping[str, Any] | None = None
        self._asked: Mapping[str, Any] | None = None
        self._handshaken: bool | None = None

    @property
    def required(self) -> Mapping[str, Any] | None:
        """What this side asks of the other; None: nothing yet."""
        if self._required is None:
            settings = self._settings()
            return None if settings is None else _written(settings)
        return self._required

    @property
    def asked(self) -> Mapping[str, Any] | None:
        """What the other side asks of this one; None: nothing yet."""
        return self._asked

    @property
    def is_handshaken(self) -> bool:
        """Whether there was a handshake, as far as this side knows; a new Register ends none."""
        return self._before() if self._handshaken is None else self._handshaken

    @property
    def heartbeat_seconds(self) -> float | None:
        """How often the other side wants to be sent a heartbeat; None: not at all.

        Nobody checks what it asks for, but no calendar goes on for ever: a century is the most.
        """
        interval = (self._asked or {}).get("heartbeat_interval")
        if not isinstance(interval, int | float) or not interval >= 1:
            return None
        return min(interval, _CENTURY)

    def require(self, behaviour: Mapping[str, Any]) -> None:
        """Remembers what this side has asked of the other."""
        self._required = behaviour

    def ask(self, behaviour: Mapping[str, Any] | None) -> None:
        """Remembers what the other side has asked of this one, where it has, and the handshake."""
        self._handshaken = True
        if behaviour:
            self._asked = behaviour

    def end(self) -> None:
        """Forgets the handshake: the other side has unregistered."""
        self._handshaken, self._asked = False, None

    def remembered(self) -> dict[str, Any]:
        """Answers with what must not be forgotten over a restart, as JSON values."""
        return {
            "handshaken": self._handshaken,
            "required": None if self._required is None else dict(self._required),
            "asked": None if self._asked is None else dict(self._asked),
        }

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Takes up what was remembered before a restart."""
        self._handshaken = remembered["handshaken"]
        self._required, self._asked = remembered["required"], remembered["asked"]


def behaviour_of(
    heartbeat_interval: float | None, measurement_configuration: Iterable[str] | None
) -> dict[str, Any]:
    """Answers with a RequiredBehaviour; None leaves a field out."""
    behaviour: dict[str, Any] = {}
    if heartbeat_interval is not None:
        behaviour["heartbeat_interval"] = heartbeat_interval
    if measurement_configuration is not None:
        behaviour["measurement_configuration"] = list(measurement_configuration)
    return behaviour


def required_behaviour(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Answers with what a handshake or its acknowledge asks for; None: nothing.

    The OpenAPI document and ELMO's example have the fields at the top (OSCP dossier §3.5).
    """
    nested = message.get("required_behaviour")
    if isinstance(nested, Mapping):
        return nested
    return {name: message[name] for name in _FIELDS if name in message} or None


def _written(settings: SystemSettings) -> dict[str, Any]:
    styles = tuple(style.upper() for style in settings.measurement_styles)
    return behaviour_of(settings.heartbeat_seconds, styles)

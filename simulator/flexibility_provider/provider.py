"""The Flexibility Provider: what it is handed, and when it does it."""

from __future__ import annotations

import logging
import uuid
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from simulator.flexibility_provider.events import InstructionEvents
from simulator.flexibility_provider.handler import handle

if TYPE_CHECKING:
    from simulator.hand_off import QueuedMessage
    from simulator.rooms import Rooms

__all__ = ["FlexibilityProvider"]

_LOG = logging.getLogger(__name__)


class FlexibilityProvider:
    """Delivers what SolarUser queued, in order.

    Calling it hands a message over: it is the simulator's `HandOff`.

    Args:
        rooms: The shared rooms.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._random = Random(f"flexibility_provider {rooms.seed}")  # noqa: S311 - ids, not secrets

    def __call__(self, message: QueuedMessage) -> None:
        """Puts a message into the queue."""
        self._rooms.agenda.soon(partial(self._handle, message))

    def _handle(self, message: QueuedMessage) -> None:
        try:
            handle(message, self._rooms, self.new_request_id)
        except Exception as error:  # noqa: BLE001 - an instruction has an end, whatever its message does
            _LOG.exception("instruction %d could not be handled", message.id)
            InstructionEvents(self._rooms.events, message).failed(error)
            self._rooms.instructions.change(
                "flexibility_provider",
                message.id,
                "Executing",
                "Declined",
                {"error": f"{type(error).__name__}: {error}"},
            )

    def new_request_id(self) -> str:
        """Answers with an X-Request-ID: a random UUID, the same ones for the same seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

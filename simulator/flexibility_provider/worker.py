"""The Flexibility Provider's own thread: it takes messages off the queue, one after the other."""

from __future__ import annotations

import logging
import threading
import uuid
from queue import SimpleQueue
from random import Random
from typing import TYPE_CHECKING

from simulator.flexibility_provider.events import InstructionEvents
from simulator.flexibility_provider.handler import handle

if TYPE_CHECKING:
    import requests

    from simulator.hand_off import QueuedMessage
    from simulator.rooms import Rooms

__all__ = ["FlexibilityProvider"]

_LOG = logging.getLogger(__name__)


class FlexibilityProvider:
    """Delivers what SolarUser queued, in order; a context manager that owns its thread.

    Calling it hands a message over: it is the simulator's `HandOff`.

    Args:
        rooms: The shared rooms.
        session: Carries the requests to the Capacity Providers.
        seed: Makes the X-Request-IDs, the same ones for the same seed.
        simulated_provider: The base URL of the Capacity Provider that the simulator plays.
    """

    def __init__(
        self, rooms: Rooms, session: requests.Session, *, seed: int, simulated_provider: str
    ) -> None:
        self._rooms = rooms
        self._session = session
        self._random = Random(f"flexibility_provider {seed}")  # noqa: S311 - ids, not secrets
        self._simulated_provider = simulated_provider
        self._queue: SimpleQueue[QueuedMessage | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="flexibility-provider", daemon=True)

    def __call__(self, message: QueuedMessage) -> None:
        """Puts a message into the queue."""
        self._queue.put(message)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self, timeout: float | None = None) -> None:
        """Finishes what is in the queue and ends the thread; may be called again.

        Args:
            timeout: Seconds to wait for that; as long as it takes where not given. What is not
                delivered by then is abandoned.
        """
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout)
        self._session.close()

    def _work(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._handle(message)
            except Exception as error:  # noqa: BLE001 - the thread outlives what a message does to it
                _LOG.exception("instruction %d could not be handled", message.id)
                InstructionEvents(self._rooms.events, message).failed(error)
                self._rooms.instructions.change(
                    "flexibility_provider",
                    message.id,
                    "Executing",
                    "Declined",
                    {"error": f"{type(error).__name__}: {error}"},
                )

    def _handle(self, message: QueuedMessage) -> None:
        handle(
            message,
            self._rooms,
            self._session,
            simulated_provider=self._simulated_provider,
            new_request_id=self._request_id,
        )

    def _request_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

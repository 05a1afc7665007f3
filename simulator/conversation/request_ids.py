"""S19: which X-Request-ID a party used for which message."""

from __future__ import annotations

from typing import NamedTuple

from simulator.conversation.recent import Recent

__all__ = ["Mention", "RequestIds"]

_MOST_OF_ONE_MESSAGE = 4096


class Mention(NamedTuple):
    """A message that had an X-Request-ID, and under which number the journal has it."""

    action: str
    number: int | None


class RequestIds:
    """The X-Request-IDs of one sender, of each message the latest 4096."""

    def __init__(self) -> None:
        # Kept apart by message, so that heartbeats push no forecast out.
        self._of_action: dict[str, Recent[str, int | None]] = {}

    def put(self, request_id: str, action: str, number: int | None) -> None:
        """Holds an X-Request-ID; of one that is used again, the first use."""
        if self.find(request_id) is not None:
            return
        if action not in self._of_action:
            self._of_action[action] = Recent(_MOST_OF_ONE_MESSAGE)
        self._of_action[action].put(request_id, number)

    def knows(self, action: str) -> bool:
        """Tells whether a message of this name had an X-Request-ID."""
        return action in self._of_action

    def find(self, request_id: str) -> Mention | None:
        """Answers with the message that had an X-Request-ID, or None where none is known."""
        for action, ids in self._of_action.items():
            if request_id in ids:
                return Mention(action, ids.get(request_id))
        return None

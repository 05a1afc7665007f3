"""What the Flexibility Provider does after it has answered: a moment later, and again if it fails.

As observed in SolarNetwork (OSCP dossier §5.3, §5.4, §5.6 and §5.10).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from simulator.flexibility_provider.delivery import DeliveryFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from random import Random

    from simulator.outgoing import Reply
    from simulator.rooms import Rooms

__all__ = ["ConfigurationProblem", "Tasks"]

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
    attempt: Callable[[], Reply | None]
    tries: int
    lane: Hashable
    on_success: Callable[[], object] | None
    on_failure: Callable[[str], object] | None


class Tasks:
    """Does in the background what an answer leaves to be done.

    Args:
        rooms: The shared rooms.
        random: Makes the delays.
    """

    def __init__(self, rooms: Rooms, random: Random) -> None:
        self._rooms = rooms
        self._random = random

    def run(
        self,
        name: str,
        attempt: Callable[[], Reply | None],
        *,
        tries: int = 3,
        lane: Hashable = None,
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
            lane: Whom it waits for: another system need not wait for it.
            on_success: Called when the answer has come, by the simulator's clock.
            on_failure: Called when no try is left, with the reason.
        """
        self._start(_Task(name, attempt, tries, lane, on_success, on_failure), number=1)

    def _start(self, task: _Task, number: int, pause: float = 0.0) -> None:
        delay = self._random.randint(_SHORTEST_DELAY, _LONGEST_DELAY) / 1000
        attempt = partial(self._attempt, task, number)
        self._rooms.agenda.after(pause + delay, attempt, lane=task.lane)

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
        self._rooms.journal.append(
            "flexibility_provider", "note", action=task.name, detail={"why": why}
        )
        if task.on_failure is not None:
            task.on_failure(why)

    def _later(self, seconds: float, call: Callable[[], object]) -> None:
        if seconds:
            self._rooms.agenda.after(seconds, call)
        else:
            call()

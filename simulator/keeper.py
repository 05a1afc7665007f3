"""Keeping what the simulated systems must not forget, in a file, while they are served."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from simulator.persistence import PersistenceError, load, save

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from simulator.persistence import SeatKey

    Remembered = Mapping[SeatKey, Mapping[str, Any]]

__all__ = ["Keeper", "PersistenceError"]

_LOG = logging.getLogger(__name__)

# What is remembered changes a few times in a day: with each registration.
_LOOK_EVERY_SECONDS: Final = 0.5


class Keeper:
    """Writes what systems remember whenever it has changed, and once more at the end.

    A context manager.

    Args:
        path: The file; it need not be there yet.
        remembered: Answers with what they remember now.
        recall: Makes them remember it.

    Raises:
        PersistenceError: The file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        remembered: Callable[[], Remembered],
        recall: Callable[[Remembered], None],
    ) -> None:
        self._path = path
        self._remembered = remembered
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._saved: Remembered = load(path)
        try:
            recall(self._saved)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # Its values are secrets, which the error's own text might show.
            raise PersistenceError(
                f"{path}: what is kept in it cannot be used ({type(error).__name__}); "
                "remove the file and register again"
            ) from None

    def keep(self) -> None:
        """Writes what is remembered, if it has changed.

        Raises:
            PersistenceError: The file cannot be written.
        """
        remembered = self._remembered()
        if remembered != self._saved:
            save(self._path, remembered)
            self._saved = remembered

    def __enter__(self) -> Self:
        # Whoever cannot write wants to know at the beginning.
        save(self._path, self._saved)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.keep()

    def _keep(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            try:
                self.keep()
            except PersistenceError as error:
                _LOG.warning("%s", error)

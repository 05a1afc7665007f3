"""Where requests wait that may take long, out of the way of all others."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Abandoned", "WaitingThreads"]

P = ParamSpec("P")
R = TypeVar("R")


class Abandoned(Exception):
    """Raised for a result that was waited for until the program ended."""


class WaitingThreads(Executor):
    """Runs each call at once, on a thread of its own that does not keep the process alive.

    The pools of the standard library do: a request that waits for a minute would hold up the end of
    the program as long, and as many of them as there are threads would hold up all that follow.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[Future[Any]] = set()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Starts a call, and answers with what it will come to."""
        future: Future[R] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            # Abandoned meanwhile: nobody asks for the result any more.
            with suppress(InvalidStateError):
                try:
                    future.set_result(fn(*args, **kwargs))
                except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
                    future.set_exception(error)
            with self._lock:
                self._waiting.discard(future)

        with self._lock:
            self._waiting.add(future)
        threading.Thread(target=run, name="waiting", daemon=True).start()
        return future

    def abandon(self) -> None:
        """Ends the waiting of everybody who asked for a result that is not there yet."""
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            with suppress(InvalidStateError):
                future.set_exception(Abandoned("the server is stopping"))

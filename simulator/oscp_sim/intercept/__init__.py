"""The hosts of production, answered in this process, for a program that has them in its source.

`http.client`, `requests`, urllib3, httpx and aiohttp are seen to (`for_...`) through the last class
of theirs that a request passes on its way to a connection; `board` says who answers which host.
"""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast, get_args

from oscp_sim.addresses import Others
from oscp_sim.intercept.board import Answerer as Answerer
from oscp_sim.intercept.board import Board
from oscp_sim.intercept.for_requests import (
    over_mocks,
    reach_http_client,
    reach_responses,
    reach_urllib3,
)

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Classes belong to the whole process: one at a time changes them.
_LOCK: Final = threading.RLock()


def _reach_httpcore(board: Board) -> None:
    from oscp_sim.intercept.for_httpx import reach_httpcore

    reach_httpcore(board)


def _reach_aiohttp(board: Board) -> None:
    from oscp_sim.intercept.for_aiohttp import reach_aiohttp

    reach_aiohttp(board)


_LIBRARIES: Final[Mapping[str, Callable[[Board], None]]] = {
    "http.client": reach_http_client,
    "urllib3": reach_urllib3,
    "responses": reach_responses,
    "httpcore": _reach_httpcore,
    "aiohttp": _reach_aiohttp,
}


def check_others(others: Others) -> Others:
    """Return what is done with other hosts.

    Raises:
        ValueError: It is nothing that can be done.
    """
    if others not in get_args(Others):
        raise ValueError(f'others is "pass" or "refuse", not {others!r}')
    return others


class Intercept:
    """Lets a simulator answer the hosts of production: in a `with` statement, or as a decorator."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._entered: list[ExitStack] = []
        self._is_used = False

    def __del__(self) -> None:
        """Warn where nothing was ever done inside of it: what should be, went to production."""
        if not self._is_used:
            message = (
                "intercept() alone does nothing, and requests go to production: write "
                "`with simulator.intercept():`, or make it a decorator"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def __enter__(self) -> Self:
        self._is_used = True
        with _LOCK, ExitStack() as undoing:
            board = Board.present() or Board(_LIBRARIES)
            # Each time another one: it may be entered within itself.
            answerer = replace(self._answerer)
            undoing.callback(board.leave, answerer)
            board.enter(answerer)
            layer = over_mocks(board)
            if layer is not None:
                undoing.callback(layer.lift)
            self._entered.append(undoing.pop_all())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _LOCK:
            self._entered.pop().close()

    def __call__(self, function: _Function) -> _Function:
        """Return a function that does its work inside of it; it may be a coroutine."""
        self._is_used = True

        @functools.wraps(function)
        def within(*args: Any, **kw: Any) -> Any:
            with Intercept(self._answerer):
                return function(*args, **kw)

        @functools.wraps(function)
        async def awaited_within(*args: Any, **kw: Any) -> Any:
            with Intercept(self._answerer):
                return await function(*args, **kw)

        made: Any = awaited_within if inspect.iscoroutinefunction(function) else within
        return cast("_Function", made)

"""Serving a simulator on a port, until a signal ends it."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from oscp_sim.keep import replace_file
from oscp_sim.server import Server, allow_connections
from oscp_sim.simulator import Simulator

_ABANDON_AFTER_SECONDS: Final = 0.05
_FOR_ALL: Final = 0o666
# Windows has no SIGHUP.
_ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def serve(
    simulator: Simulator,
    host: str,
    port: int,
    *,
    when_ready: Callable[[str], None],
    public_url: str | None = None,
    url_file: Path | None = None,
) -> None:
    """Serve a simulator until SIGINT, SIGTERM or SIGHUP comes; a second one ends the process.

    Args:
        simulator: Not yet started.
        host: Where to listen.
        port: Where to listen; 0 takes a free one.
        when_ready: Called with the base URL once it answers.
        public_url: The base URL at which others reach it; where it listens, where not given.
        url_file: Written then, in one go, with `url` and `pid` as JSON; removed at the end.

    Raises:
        PortUnavailable: The port is taken, or the host is not this machine's.
        OSError: The URL file cannot be written.
    """
    with _collecting_seldom(), _signals() as stop:
        allow_connections()
        server = Server(simulator.handle, host, port, faults=simulator.faults)
        url = public_url or server.url
        try:
            simulator.serve_at(url)
            simulator.start()
            with _written(url_file, {"url": url, "pid": os.getpid()}):
                when_ready(url)
                stop.wait()
        finally:
            server.close()
            simulator.close(timeout=_ABANDON_AFTER_SECONDS)


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Look for circles of objects among the young alone, for the most part.

    What is kept is in none; to look through all of it would hold up every client for long.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 10, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Let the first signal set an event, as long as the context lasts."""
    stop = threading.Event()
    before = {
        number: handler
        for number in _ENDING
        # As nohup has it.
        if (handler := signal.getsignal(number)) != signal.SIG_IGN or number == signal.SIGINT
    }

    def end(_number: int, _frame: FrameType | None) -> None:
        # The next one ends the process, whatever that is busy with.
        for number in before:
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in before:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _written(path: Path | None, values: dict[str, object]) -> Iterator[None]:
    """Keep values in a file as long as the context lasts, unless another one replaces it."""
    if path is None:
        yield
        return
    content = json.dumps(values).encode() + b"\n"
    replace_file(path, content, _FOR_ALL)
    try:
        yield
    finally:
        with suppress(OSError):
            if path.read_bytes() == content:
                path.unlink()

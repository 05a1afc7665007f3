"""Serving a simulator on a port, until a signal ends it."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oscp_sim.server import Server
from oscp_sim.simulator import Simulator

_ABANDON_AFTER_SECONDS = 0.05


def serve(
    simulator: Simulator,
    host: str,
    port: int,
    *,
    when_ready: Callable[[str], None],
    url_file: Path | None = None,
) -> None:
    """Serve a simulator until SIGINT or SIGTERM comes.

    Args:
        simulator: Not yet started.
        host: Where to listen.
        port: Where to listen; 0 takes a free one.
        when_ready: Called with the base URL once it answers.
        url_file: Written then, in one go, with `url` and `pid` as JSON.

    Raises:
        PortUnavailable: The port is taken, or the host is not this machine's.
        OSError: The URL file cannot be written.
    """
    with _signals() as stop:
        server = Server(simulator.handle, host, port)
        try:
            simulator.serve_at(server.url)
            simulator.start()
            if url_file is not None:
                _write(url_file, {"url": server.url, "pid": os.getpid()})
            when_ready(server.url)
            stop.wait()
        finally:
            server.close()
            simulator.close(timeout=_ABANDON_AFTER_SECONDS)
            if url_file is not None:
                url_file.unlink(missing_ok=True)


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Let SIGINT and SIGTERM set an event, as long as the context lasts."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(path: Path, content: dict[str, object]) -> None:
    """Write a file so that its reader sees all of it or none."""
    handle, name = tempfile.mkstemp(dir=path.parent or Path(), prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.write("\n")
    Path(name).replace(path)

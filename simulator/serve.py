"""Serving a simulator on a port, until a signal ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from granian.constants import Interfaces
from granian.server.embed import Server

from simulator.asgi import AsgiBridge
from simulator.control import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.simulator import Simulator

__all__ = ["PortUnavailable", "serve"]

_LONGEST_BODY = 20_971_520
_MOST_WAITING = 32
_ASK_EVERY_SECONDS = 0.005
_ABANDON_AFTER_SECONDS = 0.05


class PortUnavailable(Exception):
    """Raised when nothing can listen where it should; its text says why and what to do."""


def serve(
    simulator: Simulator,
    host: str,
    port: int,
    *,
    when_ready: Callable[[str], None],
    url_file: Path | None = None,
) -> None:
    """Serves a simulator until SIGINT or SIGTERM comes.

    Args:
        simulator: Not yet started.
        host: Where to listen.
        port: Where to listen; 0 takes a free one.
        when_ready: Called with the base URL once it answers.
        url_file: Written then, in one go, with `url` and `pid` as JSON.

    Raises:
        PortUnavailable: The port is taken, or the host is not this machine's.
    """
    port = _free_port(host, port)
    executor = ThreadPoolExecutor(_MOST_WAITING, thread_name_prefix="waiting")
    bridge = AsgiBridge(simulator.application, executor, _may_wait, _LONGEST_BODY)
    url = f"http://{_in_url(host)}:{port}"

    def ready() -> None:
        if url_file is not None:
            _write(url_file, {"url": url, "pid": os.getpid()})
        when_ready(url)

    simulator.start()
    try:
        asyncio.run(_serve(bridge, host, port, ready))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        simulator.close(timeout=_ABANDON_AFTER_SECONDS)
        if url_file is not None:
            url_file.unlink(missing_ok=True)


async def _serve(bridge: AsgiBridge, host: str, port: int, ready: Callable[[], None]) -> None:
    server = Server(bridge, address=host, port=port, interface=Interfaces.ASGI, log_enabled=False)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    announcing = loop.create_task(_announce(host, port, ready))
    try:
        await server.serve()
    finally:
        announcing.cancel()


async def _announce(host: str, port: int, ready: Callable[[], None]) -> None:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(target, port)
            writer.close()
            ready()
            return
        await asyncio.sleep(_ASK_EVERY_SECONDS)


def _free_port(host: str, port: int) -> int:
    """Answers with the port to listen on, having tried it: the server itself fails in silence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise PortUnavailable(
                f"cannot listen on {host}:{port}: {reason}; "
                "choose another with --port, or any free one with --port 0"
            ) from error
        free: int = probe.getsockname()[1]
        return free


def _may_wait(path: str, query: str) -> bool:
    return path == f"{PREFIX}/journal" and "wait=" in query


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _write(path: Path, content: dict[str, object]) -> None:
    """Writes a file so that whoever reads it sees all of it or none."""
    handle, name = tempfile.mkstemp(dir=path.parent or Path(), prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.write("\n")
    Path(name).replace(path)

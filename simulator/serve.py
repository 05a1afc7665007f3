"""Serving a simulator on a port, until a signal ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from granian.constants import Interfaces
from granian.server.embed import Server

from simulator.addresses import CAPACITY_PROVIDER_PATH, ELMO_PATH
from simulator.asgi import AsgiBridge
from simulator.control import PREFIX
from simulator.solaruser import EXEC_PATH
from simulator.waiting_threads import WaitingThreads

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.simulator import Simulator
    from simulator.world import CapacityProvider

__all__ = ["PortUnavailable", "serve"]

_LONGEST_BODY = 20_971_520
# Where another party is asked, or all that is due until then is done.
_COMMANDS = tuple(f"{PREFIX}/{name}" for name in ("clock", "optimizers/", "providers/"))
_PARTIES = (f"{CAPACITY_PROVIDER_PATH}/", f"{ELMO_PATH}/")
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
        OSError: The URL file cannot be written.
    """
    address, port = _free_address(host, port)
    waiting = WaitingThreads()
    bridge = AsgiBridge(
        simulator.application, waiting, partial(_may_wait, simulator), _LONGEST_BODY
    )
    url = f"http://{_in_url(host)}:{port}"

    def ready() -> None:
        if url_file is not None:
            _write(url_file, {"url": url, "pid": os.getpid()})
        when_ready(url)

    simulator.serve_at(url)
    simulator.start()
    try:
        asyncio.run(_serve(bridge, address, port, ready, waiting.abandon))
    finally:
        simulator.close(timeout=_ABANDON_AFTER_SECONDS)
        if url_file is not None:
            url_file.unlink(missing_ok=True)


async def _serve(
    bridge: AsgiBridge,
    address: str,
    port: int,
    ready: Callable[[], None],
    abandon: Callable[[], None],
) -> None:
    server = Server(
        bridge, address=address, port=port, interface=Interfaces.ASGI, log_enabled=False
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The server finishes what it has begun, and that may wait for a minute.
        abandon()
        loop.call_soon(server.stop)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)

    def stop_unannounced(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            stop()

    announcing = loop.create_task(_announce(address, port, ready))
    # Nobody would know of a server that cannot be announced.
    announcing.add_done_callback(stop_unannounced)
    try:
        await server.serve()
    finally:
        announcing.cancel()
    if announcing.done():
        announcing.result()


async def _announce(address: str, port: int, ready: Callable[[], None]) -> None:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared
    while not await _answers(target, port):
        await asyncio.sleep(_ASK_EVERY_SECONDS)
    ready()


async def _answers(address: str, port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection(address, port)
        writer.close()
        return True
    return False


def _free_address(host: str, port: int) -> tuple[str, int]:
    """Answers with the address and port to listen on, having tried them.

    The server itself takes no names, and fails in silence.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # Of a name with both, as localhost, the address that every client tries.
        family, _, _, _, where = min(found, key=lambda each: each[0] != socket.AF_INET)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            address, free = probe.getsockname()[:2]
            return address, free
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PortUnavailable(
            f"cannot listen on {host}:{port}: {reason}; "
            "choose another with --port, or any free one with --port 0"
        ) from error


def _may_wait(simulator: Simulator, path: str, query: str) -> bool:
    """Tells a request whose answer may take its time: nobody else is to wait for it."""
    if path.startswith(_PARTIES):
        return any(_is_late(p) for user in simulator.world.users for p in user.capacity_providers)
    if path == EXEC_PATH or path.startswith((f"{EXEC_PATH}/", *_COMMANDS)):
        return True
    return path == f"{PREFIX}/journal" and "wait=" in query


def _is_late(provider: CapacityProvider) -> bool:
    return bool(provider.behaviour.delay) or provider.behaviour.adjustments == "silent"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _write(path: Path, content: dict[str, object]) -> None:
    """Writes a file so that whoever reads it sees all of it or none."""
    handle, name = tempfile.mkstemp(dir=path.parent or Path(), prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.write("\n")
    Path(name).replace(path)

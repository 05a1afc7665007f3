"""Serving a simulator on a port, until a signal ends it."""

from __future__ import annotations

import gc
import json
import os
import shlex
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from oscp_sim.keep import replace_file
from oscp_sim.server import allow_connections
from oscp_sim.simulator import Simulator

if TYPE_CHECKING:
    from oscp_sim.addresses import Others
    from oscp_sim.authority import Authority
    from oscp_sim.production import Surroundings

_ABANDON_AFTER_SECONDS: Final = 0.05
_FOR_ALL: Final = 0o666
# Windows has no SIGHUP.
_ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a simulator is served to programs that know it by https URLs.

    Attributes:
        authority: Of the certificate.
        when_ready: Called once programs can be told where all is.
        listens: Whether the simulator's own port speaks TLS.
        ca_file: Where the certificate of the authority is written; where not given, beside the URL
            file, or into a folder for the session.
        proxy: The port of a proxy that plays production's hosts; there is none where not given.
        others: What becomes of requests to the proxy for other hosts.
        environment_file: Where the variables are written that a program needs.
    """

    authority: Authority
    when_ready: Callable[[Surroundings], None]
    listens: bool
    ca_file: Path | None = None
    proxy: int | None = None
    others: Others = "pass"
    environment_file: Path | None = None


def serve(
    simulator: Simulator,
    host: str,
    port: int,
    *,
    when_ready: Callable[[str], None],
    public_url: str | None = None,
    url_file: Path | None = None,
    tls: Tls | None = None,
) -> None:
    """Serve a simulator until SIGINT, SIGTERM or SIGHUP comes; a second one ends the process.

    Args:
        simulator: Not yet started.
        host: Where to listen.
        port: Where to listen; 0 takes a free one.
        when_ready: Called with the base URL once it answers.
        public_url: The base URL at which others reach it; where it listens, where not given.
        url_file: Written then, in one go, with `url` and `pid` as JSON, and `ca_file` and `proxy`
            where there are such; removed at the end.
        tls: For programs that know it by https URLs.

    Raises:
        PortUnavailable: The port is taken, or the host is not this machine's.
        OSError: A file cannot be written; it has its name.
    """
    with _collecting_seldom(), _signals() as wait_for_signal:
        allow_connections()
        context = tls.authority.context if tls is not None and tls.listens else None
        server = simulator.listen(host, port, tls=context)
        url = public_url or server.url
        try:
            simulator.serve_at(url)
            if tls is not None:
                simulator.shared.outgoing.trust(tls.authority.certificate)
            simulator.start()
            with ExitStack() as stack:
                around = (
                    None if tls is None else stack.enter_context(_around(simulator, tls, url_file))
                )
                values = {"url": url, "pid": os.getpid(), **_told(around)}
                stack.enter_context(_written(url_file, json.dumps(values) + "\n"))
                when_ready(url)
                if tls is not None and around is not None:
                    tls.when_ready(around)
                wait_for_signal()
        finally:
            server.close()
            simulator.close(timeout=_ABANDON_AFTER_SECONDS)


@contextmanager
def _around(simulator: Simulator, tls: Tls, url_file: Path | None) -> Iterator[Surroundings]:
    """Surround a simulator as it is asked for, and write what others need for it."""
    # Nobody else waits for it.
    from oscp_sim.production import surroundings  # noqa: PLC0415

    others = None if tls.proxy is None else tls.others
    ca_file = tls.ca_file or (url_file and url_file.with_suffix(".pem"))
    with (
        surroundings(simulator, tls.authority, os.environ, others, tls.proxy or 0) as around,
        _written(ca_file, tls.authority.certificate),
        _written(tls.environment_file, _exported(around.variables)),
    ):
        yield replace(around, ca_file=ca_file) if ca_file else around


def _exported(variables: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _told(around: Surroundings | None) -> dict[str, str]:
    if around is None:
        return {}
    return {
        "ca_file": str(around.ca_file.absolute()),
        **({} if around.proxy is None else {"proxy": around.proxy}),
    }


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
def _signals() -> Iterator[Callable[[], None]]:
    """Yield what waits for the first signal, as long as the context lasts.

    Where the system lets another thread receive it, a lock that this one waits for would not end:
    what is written to a socket by whichever thread does.
    """
    ended: list[int] = []
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    before = {
        number: handler
        for number in _ENDING
        # As nohup has it.
        if (handler := signal.getsignal(number)) != signal.SIG_IGN or number == signal.SIGINT
    }

    def end(number: int, _frame: FrameType | None) -> None:
        # The next one ends the process, whatever that is busy with.
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        ended.append(number)

    def wait() -> None:
        while not ended:
            woken.recv(1)

    for number in before:
        signal.signal(number, end)
    woke_before = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    try:
        yield wait
    finally:
        signal.set_wakeup_fd(woke_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        woken.close()
        wakes.close()


@contextmanager
def _written(path: Path | None, text: str) -> Iterator[None]:
    """Keep a text in a file as long as the context lasts, unless another one replaces it."""
    if path is None:
        yield
        return
    content = text.encode()
    try:
        replace_file(path, content, _FOR_ALL)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        yield
    finally:
        with suppress(OSError):
            if path.read_bytes() == content:
                path.unlink()

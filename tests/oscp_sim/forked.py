"""`oscp-sim` in a process of its own, forked from one that has imported it already.

It does all that one started anew does, and costs a tenth: nothing is imported again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_IMPORTED: Final = ("oscp_sim.cli.serve", "oscp_sim.inspector", "oscp_sim.recording")


class Forked:
    """A running `oscp-sim`, with what tests need of `subprocess.Popen`.

    Args:
        *arguments: Of the command.
    """

    def __init__(self, *arguments: str) -> None:
        _CONTEXT.set_forkserver_preload([__name__, *_IMPORTED])
        (said, says), (told, tells) = (_CONTEXT.Pipe(duplex=False) for _ in range(2))
        self._process = _CONTEXT.Process(
            target=_run, args=(arguments, dict(os.environ), says, tells), daemon=True
        )
        self._process.start()
        says.close()
        tells.close()
        self.stdout = os.fdopen(os.dup(said.fileno()), encoding="utf-8")
        self.stderr = os.fdopen(os.dup(told.fileno()), encoding="utf-8")
        said.close()
        told.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.join(10)
        self.stdout.close()
        self.stderr.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("oscp-sim", timeout)
        return self._process.exitcode


def _run(
    arguments: tuple[str, ...], environment: dict[str, str], says: Connection, tells: Connection
) -> None:
    from oscp_sim.cli import main  # noqa: PLC0415 - where it has been imported already

    # Of the one that it is forked from: of the test that was the first to want one.
    os.environ.clear()
    os.environ |= environment
    for stream, name, number in ((says, "stdout", 1), (tells, "stderr", 2)):
        os.dup2(stream.fileno(), number)
        stream.close()
        setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
    for each in (signal.SIGHUP, signal.SIGINT):
        # What the shell of the tests has set to be ignored would be ignored here, too.
        signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
    sys.argv = ["oscp-sim", *arguments]
    main()

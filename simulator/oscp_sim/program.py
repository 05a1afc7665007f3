"""Run a program of the reader's own against a simulator, in any language, to its end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, Final, NoReturn

from oscp_sim.redaction import SHORTEST_SECRET
from oscp_sim.simulator import Simulator
from oscp_sim.world import World

#: Where the program finds the simulator's own pages, below `/_sim/`.
SIMULATOR_VARIABLE: Final = "OSCP_SIM_URL"
# The programs of this package, which need not be in PATH, and their modules.
_OWN: Final[Mapping[str, str]] = {"oscp-send": "oscp_send", "oscp-sim": "oscp_sim"}
# Characters of its output that are kept, the last ones.
_LONGEST_OUTPUT: Final = 1_000_000
# What asks this process to end, and what Python does then.
_ENDING: Final[Mapping[int, signal.Handlers | Callable[[int, FrameType | None], object]]] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}
# Seconds that it has to end by itself once it is told to.
_GRACE: Final = 2.0


class NotStarted(Exception):
    """Raised for a command that cannot be started; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a program.

    Attributes:
        exit_code: Its exit code; below 0, the number of the signal that ended it; None where it was
            ended because its time was over.
        output: What it wrote to its standard output and standard error, as it came, but for the
            secrets of the simulator.
    """

    exit_code: int | None
    output: str
    seconds: float

    @property
    def name(self) -> str:
        """How it ended, in two words."""
        if self.exit_code is None:
            return "timed out"
        if self.exit_code >= 0:
            return f"exit {self.exit_code}"
        names = [each.name for each in signal.Signals if each == -self.exit_code]
        return f"signal {', '.join(names) or -self.exit_code}"


def credentials(world: World, node: int | None = None) -> tuple[str, str]:
    """Return the id and secret of a token of who owns a node, or of the first user."""
    owner = None if node is None else world.owner_of_node(node)
    owner = owner or world.users[0]
    usable = [token for token in owner.tokens if token.enabled and token.type == "User"]
    # Without a usable token the request is sent with another, and refused as it would be.
    token = next(iter(usable or owner.tokens), None)
    return (token.id, token.secret) if token else ("no-token", "no-secret")


def environment(simulator: Simulator) -> dict[str, str]:
    """Return the variables by which a program finds a simulator, and signs what it sends."""
    token, secret = credentials(simulator.world)
    return {
        "OSCP_SEND_URL": simulator.world.solaruser or simulator.url,
        "OSCP_SEND_TOKEN": token,
        "OSCP_SEND_SECRET": secret,
        SIMULATOR_VARIABLE: simulator.url,
    }


@contextmanager
def _ending_in_order() -> Iterator[Callable[[], None]]:
    """Let a request to end this process end the program, too, which is in a group of its own.

    Yields what is to be called once the program can be ended: a request before that waits for it.
    """
    is_ours = threading.current_thread() is threading.main_thread()
    ours = [each for each in _ENDING if is_ours and signal.getsignal(each) is _ENDING[each]]
    asked: list[int] = []
    can_end = False

    def end(number: int, _frame: FrameType | None) -> None:
        # The next one ends this process, whatever it is busy with.
        signal.signal(number, _ENDING[number])
        asked.append(number)
        if can_end:
            _leave(number)

    def begin() -> None:
        nonlocal can_end
        can_end = True
        if asked:
            _leave(asked[0])

    for each in ours:
        signal.signal(each, end)
    try:
        yield begin
    finally:
        for each in ours:
            signal.signal(each, _ENDING[each])


def _leave(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def run_program(
    command: Sequence[str],
    simulator: Simulator,
    *,
    folder: Path | None = None,
    timeout: float | None = None,
    tell: Callable[[str], object] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command that finds a simulator in its environment, and wait for its end.

    Args:
        command: The program and its arguments; no shell reads them. `oscp-send` and `oscp-sim` are
            those of this package.
        simulator: Where it sends to; what it shows of its secrets is replaced by `[redacted]`.
        folder: Where it runs; here where not given.
        timeout: Seconds after which it is ended, with all that it started; as long as it takes
            where not given.
        tell: Called with each line of its output, as soon as there is one.
        variables: More variables of its environment.

    Raises:
        NotStarted: There is no such program, or it cannot be run.
    """
    began = time.monotonic()
    given = {**os.environ, **environment(simulator), **(variables or {})}
    lines: list[str] = []
    shown = partial(without_secrets, simulator)
    code: int | None = None
    with _ending_in_order() as can_end:
        process = _started(command, given, folder)
        arguments = process.stdout, lines, shown, tell
        reader = threading.Thread(target=_read, args=arguments, daemon=True)
        try:
            reader.start()
            can_end()
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(timeout)
        finally:
            seconds = time.monotonic() - began
            _end(process)
            if reader.is_alive():
                reader.join(_GRACE)
    return Ended(code, "".join(lines)[-_LONGEST_OUTPUT:], seconds)


def _started(
    command: Sequence[str], variables: Mapping[str, str], folder: Path | None
) -> subprocess.Popen[str]:
    try:
        # A group of its own: what it has started ends with it.
        return subprocess.Popen(  # noqa: S603 - the reader's own command
            _with_own(command),
            env=variables,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        mend = (
            f"give the program's path, relative to {folder or 'the folder of the command'}, or the "
            "name of one that is in PATH"
        )
        if isinstance(error, PermissionError) and (Path(folder or ".") / command[0]).is_dir():
            why, mend = "it is a folder", "give the path of a program in it"
        elif isinstance(error, PermissionError):
            mend = f"make it executable (chmod +x {command[0]}), or give the program that runs it"
        message = f"cannot start {shlex.join(command)}: {why}; {mend}"
        raise NotStarted(message) from error


def _with_own(command: Sequence[str]) -> list[str]:
    """Return a command, with this package's own programs found wherever it is installed."""
    name, *arguments = command
    if name not in _OWN:
        return list(command)
    return [sys.executable, "-P", "-m", _OWN[name], *arguments]


def without_secrets(simulator: Simulator, text: str) -> str:
    """Return a text without the secrets that a program is given, or has from a party."""
    for secret in (token.secret for user in simulator.world.users for token in user.tokens):
        # Within a word, too; a shorter one may be a part of any.
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "[redacted]")
    return simulator.journal.redact(text)


def _read(
    stream: IO[str] | None,
    lines: list[str],
    shown: Callable[[str], str],
    tell: Callable[[str], object] | None,
) -> None:
    size = 0
    with stream or nullcontext(()) as written:
        for line in map(shown, written):
            lines.append(line)
            size += len(line)
            while size - len(lines[0]) > _LONGEST_OUTPUT:
                size -= len(lines.pop(0))
            if tell is not None:
                try:
                    tell(line)
                except BrokenPipeError:
                    # Nobody hears it any more; the program is read on, so that it can end.
                    tell = None


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and all that it started, kindly first."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)

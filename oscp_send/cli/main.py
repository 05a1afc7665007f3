"""`oscp-send`: its commands, each imported when it is called, how they end, and how they speak."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

# What only an error or a command needs is imported then, so that `--help` is quick.
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oscp_send.values import OscpSendError

#: The exit code for a refusal or a finding.
FAILED = 1
#: The exit code for wrong usage, or a file that cannot be read.
USAGE = 2
#: The exit code where SolarUser could not be reached or its answer was not understood.
NOT_REACHED = 3
#: The exit code where it is not known whether an instruction was queued.
UNKNOWN = 4
#: The exit code of any program that SIGINT ends, as a shell tells it.
INTERRUPTED = 130

Colour = Literal["green", "red", "yellow", "cyan"]
#: Whether to colour: where it makes sense, or as somebody wants it.
Colours = Literal["auto", "always", "never"]


def printable(text: str) -> str:
    """Return a text with an escape for each character that is invisible or could move a cursor.

    So no file and no service can repaint the terminal.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def printable_lines(text: str) -> str:
    """Return a printable text that keeps its lines."""
    return "\n".join(printable(line) for line in text.split("\n"))


def escape_what_a_terminal_lacks() -> None:
    """Write a character that the encoding of a terminal lacks as an escape, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def built_to_stay() -> Iterator[None]:
    """Look for no garbage in what is imported and read now: that would be a tenth of a command."""
    gc.disable()
    try:
        yield
    finally:
        # Counted as old, it is left alone afterwards, too; so is what somebody has frozen.
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()


class Palette:
    """Colours for a stream, or none.

    Args:
        stream: Where the texts go.
        colours: `auto`: none where `NO_COLOR` has a value, else on where `FORCE_COLOR` has one that
            is not 0, else on a terminal that is not dumb.
    """

    def __init__(self, stream: TextIO, colours: Colours = "auto") -> None:
        self._is_on = _wants_colour(stream) if colours == "auto" else colours == "always"

    def paint(self, text: str, colour: Colour | None = None, *, dim: bool = False) -> str:
        """Return the text, coloured if colours are on."""
        return click.style(text, fg=colour, dim=dim or None) if self._is_on else text


def _wants_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


color_option = click.option(
    "--color",
    "colours",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="auto: on a terminal, unless NO_COLOR is set; elsewhere where FORCE_COLOR is.",
)


def count(number: int, thing: str) -> str:
    """Return a number and its thing, in the plural unless it is one."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def unreadable(error: OSError) -> str:
    """Return why a file cannot be read."""
    reason = error.strerror or type(error).__name__
    return f"it cannot be read: {reason[:1].lower()}{reason[1:]}"


class LazyGroup(click.Group):
    """A group of commands that imports a command only when it is called.

    Args:
        lazy_commands: Name to a pair: `package.module:function`, and the line of help for the list
            of commands, which is shown without importing anything.
        **settings: Those of `click.Group`.
    """

    def __init__(
        self,
        *,
        lazy_commands: Mapping[str, tuple[str, str]],
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**settings)
        self._lazy_commands = lazy_commands

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Run a command; interrupted, end without a word, and at once if it happens again."""
        # Whose memory is about to be given back need not be looked through for garbage.
        atexit.register(gc.freeze)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            sys.exit(INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order in which they were given."""
        return list(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command and return it, or None."""
        if cmd_name not in self._lazy_commands:
            return None
        module, _, name = self._lazy_commands[cmd_name][0].partition(":")
        with built_to_stay():
            command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called; of an unknown one, say which was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            # click knows the commands of a group only where they are there already.
            meant = _meant(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{error.message}{meant}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._lazy_commands.items()])


def _meant(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), known, n=1)
    return f" (Did you mean '{near[0]}'?)" if near else ""


class _SendGroup(LazyGroup):
    """The commands of `oscp-send`; none of them ends in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Run a command; print an error of the sender, and exit with its code."""
        from oscp_send.values import OscpSendError

        try:
            return super().invoke(ctx)
        except OscpSendError as error:
            click.echo(printable_lines(str(error)), err=True)
            sys.exit(_exit_code(error))


def _exit_code(error: OscpSendError) -> int:
    from oscp_send import errors

    if isinstance(error, errors.SettingsError | errors.InvalidValue):
        return USAGE
    if isinstance(
        error,
        errors.InvalidMessage
        | errors.InstructionDeclined
        | errors.Refused
        | errors.NotAuthorised
        | errors.RateLimited
        | errors.DeadlinePassed,
    ):
        return FAILED
    return UNKNOWN if isinstance(error, errors.PossiblySent) else NOT_REACHED


@click.group(
    cls=_SendGroup,
    lazy_commands={
        "check": (
            "oscp_send.cli.check:check",
            "Say what SolarUser would do with messages, and how to correct them.",
        ),
        "explain": (
            "oscp_send.cli.explain:explain",
            "Explain what a finding names, and how to mend it.",
        ),
        "send": ("oscp_send.cli.send:send", "Send a message and follow it to its end."),
        "view": ("oscp_send.cli.show:view", "Show an instruction as it is now."),
        "list": ("oscp_send.cli.show:list_instructions", "List the instructions of nodes."),
        "chunks": (
            "oscp_send.cli.show:chunks",
            "Show the parts that SolarUser will cut a message into.",
        ),
        "curl": ("oscp_send.cli.send:curl", "Print the signed request as a curl command line."),
        "schema": ("oscp_send.cli.show:schema", "Print the JSON Schema of an OSCP message."),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="oscp-rehearsal", prog_name="oscp-send")
def main() -> None:
    """Check, sign and send OSCP 2.0 messages through SolarNetwork's SolarUser.

    Exits with 0 when all is good, 1 on a refusal or a finding, 2 on wrong usage or a file that
    cannot be read, 3 when SolarUser could not be reached or its answer was not understood, 4 when
    it is not known whether an instruction was queued, 130 when it is interrupted otherwise.
    """
    escape_what_a_terminal_lacks()

"""`oscp-send`; each command is imported when it is called."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oscp_send.values import OscpSendError

__all__ = ["FAILED", "NOT_REACHED", "USAGE", "LazyGroup", "SendGroup", "main"]


# § A click group that imports a command only when it is called, so that `--help` is quick.


class LazyGroup(click.Group):
    """A group of commands that are named by where they are.

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

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Answers with the names in the order in which they were given."""
        return list(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports a command and answers with it, or with None where there is none."""
        if cmd_name not in self._lazy_commands:
            return None
        module, _, name = self._lazy_commands[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._lazy_commands.items()])


# § How a command ends: each error in its own words, with an exit code that a script can act on.

#: A refusal, or a finding.
FAILED = 1
#: Wrong usage, or a file that cannot be read.
USAGE = 2
#: SolarUser could not be reached, or its answer was not understood.
NOT_REACHED = 3


class SendGroup(LazyGroup):
    """The commands of `oscp-send`; none of them ends in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Runs a command; what it raises on purpose is told and becomes the exit code."""
        from oscp_send.cli.files import SourceProblem
        from oscp_send.values import OscpSendError

        try:
            return super().invoke(ctx)
        except SourceProblem as problem:
            from oscp_send.cli.reports import printable

            click.echo(printable(str(problem)), err=True)
            sys.exit(USAGE)
        except OscpSendError as error:
            from oscp_send.cli.reports import printable_lines

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
    return NOT_REACHED


@click.group(
    cls=SendGroup,
    lazy_commands={
        "check": (
            "oscp_send.cli.check:check",
            "Say what SolarUser would do with messages, and how to mend them.",
        ),
        "send": (
            "oscp_send.cli.send:send",
            "Send a message and follow it to its end.",
        ),
        "view": (
            "oscp_send.cli.show:view",
            "Show an instruction as it stands now.",
        ),
        "list": (
            "oscp_send.cli.show:list_instructions",
            "List the instructions of nodes.",
        ),
        "chunks": (
            "oscp_send.cli.show:chunks",
            "Show into which parts SolarUser will cut a message.",
        ),
        "curl": (
            "oscp_send.cli.send:curl",
            "Print the signed request as a curl command line.",
        ),
        "schema": (
            "oscp_send.cli.show:schema",
            "Print the JSON Schema of an OSCP message.",
        ),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="oscp-rehearsal", prog_name="oscp-send")
def main() -> None:
    """Check, sign and send OSCP 2.0 messages through SolarNetwork's SolarUser.

    Exits with 0 when all is good, 1 on a refusal or a finding, 2 on wrong usage or a file that
    cannot be read, 3 when SolarUser could not be reached or its answer was not understood.
    """
    for stream in (sys.stdout, sys.stderr):
        # What a message holds may not fit the encoding of a terminal; that is no reason to stop.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

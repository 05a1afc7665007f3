"""How a command ends: each error in its own words, with an exit code that a script can act on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from oscp_send.cli.lazy import LazyGroup

if TYPE_CHECKING:
    from oscp_send.errors import OscpSendError

__all__ = ["FAILED", "NOT_REACHED", "USAGE", "SendGroup"]

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
        from oscp_send.cli.sources import SourceProblem
        from oscp_send.errors import OscpSendError

        try:
            return super().invoke(ctx)
        except SourceProblem as problem:
            from oscp_send.cli.console import printable

            click.echo(printable(str(problem)), err=True)
            sys.exit(USAGE)
        except OscpSendError as error:
            from oscp_send.cli.console import printable_lines

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

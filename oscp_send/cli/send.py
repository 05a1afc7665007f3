"""`oscp-send send`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from oscp_send.cli.options import (
    action_option,
    address_options,
    connection_options,
    format_option,
)

if TYPE_CHECKING:
    from oscp_send.cli.address import Address
    from oscp_send.cli.connection import Connection
    from oscp_send.client import SolarUserClient
    from oscp_send.instruction_status import InstructionStatus

__all__ = ["send"]

_TIMEOUT = 60.0


def _known(_: click.Context, __: click.Parameter, seconds: float) -> float:
    if math.isnan(seconds):
        raise click.BadParameter("it is no number of seconds")
    return seconds


@click.command()
@click.argument("message", metavar="FILE")
@action_option
@address_options
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Follow the instruction until it is Completed or Declined.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=_TIMEOUT,
    callback=_known,
    show_default=True,
    metavar="SECONDS",
    help="How long to follow it.",
)
@format_option
@connection_options
def send(
    message: str,
    action: str | None,
    address: Address,
    wait: bool,
    timeout: float,
    style: str,
    connection: Connection,
) -> None:
    """Send a message and follow it to its end.

    FILE is a bare OSCP message, of which --action says which one it is, or a whole request body
    with its nodeId and params; "-" is the standard input. The message is judged first, as by
    "oscp-send check", and not sent when SolarUser would decline it. It is posted once: where it is
    not known whether it arrived, that is said, and it is not posted again.

    Exits with 0 when the instruction is Completed (with --no-wait: queued), 1 when it is declined
    or refused or does not end in time, 2 on wrong usage, 3 when SolarUser could not be reached or
    its answer was not understood; it may then have been queued.
    """
    from oscp_send.cli.outgoing import build_instruction

    settings = connection.settings()
    with connection.client(settings) as client:
        instruction = build_instruction(message, action, address, settings, client)
        try:
            status = client.submit(instruction)
            if wait:
                status = _followed(client, status, timeout)
            else:
                click.echo(f"follow it: oscp-send view {status.id}", err=True)
        except Exception as error:
            _show_what_is_known(error, style)
            raise
    _show(status, style)


def _followed(
    client: SolarUserClient, status: InstructionStatus, timeout: float
) -> InstructionStatus:
    click.echo(f"instruction {status.id} is {status.state}, waiting for its end", err=True)
    return client.wait(status, timeout=timeout)


def _show(status: InstructionStatus, style: str) -> None:
    from oscp_send.cli.shown import as_json, on_one_line, values

    click.echo(as_json(values(status)) if style == "json" else on_one_line(status))


def _show_what_is_known(error: Exception, style: str) -> None:
    """Gives a program the instruction that failed; a person is told by the error."""
    from oscp_send.errors import DeadlinePassed, InstructionDeclined

    if style == "json" and isinstance(error, InstructionDeclined | DeadlinePassed):
        status = error.instruction
        if status is not None:
            _show(status, style)

"""`oscp-send view`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from oscp_send.cli.group import FAILED
from oscp_send.cli.options import connection_options, format_option

if TYPE_CHECKING:
    from oscp_send.cli.connection import Connection

__all__ = ["view"]


@click.command()
@click.argument("instruction_id", type=int, metavar="ID")
@format_option
@connection_options
def view(instruction_id: int, style: str, connection: Connection) -> None:
    """Show an instruction as it stands now.

    ID is the instruction's number, as "send" prints it.

    Exits with 0 when it is there, in whatever state, 1 when SolarUser does not know it or does not
    show it, 3 when SolarUser could not be reached or its answer was not understood.
    """
    from oscp_send.cli.shown import as_json, in_full, values

    with connection.client(connection.settings()) as client:
        instruction = client.view(instruction_id)
    if instruction is None:
        click.echo(
            f"SolarUser knows no instruction {instruction_id}; finished ones are removed after "
            "some weeks",
            err=True,
        )
        sys.exit(FAILED)
    click.echo(as_json(values(instruction)) if style == "json" else in_full(instruction))

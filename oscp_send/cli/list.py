"""`oscp-send list`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from oscp_send.cli.options import connection_options, format_option
from oscp_send.instruction_status import InstructionState

if TYPE_CHECKING:
    from oscp_send.cli.connection import Connection

__all__ = ["list_instructions"]


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no date and time such as 2026-03-01T00:15:00Z"
        ) from None
    if moment.tzinfo is None:
        raise click.BadParameter(f"{text!r} lacks its offset from UTC: end it in Z or in +02:00")
    return moment


@click.command("list")
@click.option(
    "--node-id",
    "node_ids",
    type=int,
    multiple=True,
    metavar="N",
    help="A node; may be given several times. Else node_id in the configuration file.",
)
@click.option(
    "--id",
    "ids",
    type=int,
    multiple=True,
    metavar="N",
    help="An instruction's number; may be given several times.",
)
@click.option(
    "--state",
    "states",
    type=click.Choice([str(state) for state in InstructionState]),
    multiple=True,
    help="A state to look for; may be given several times. Any state unless given.",
)
@click.option(
    "--start", callback=_moment, metavar="TIME", help="The earliest date: 2026-03-01T00:15:00Z."
)
@click.option("--end", callback=_moment, metavar="TIME", help="The date to stop before.")
@format_option
@connection_options
def list_instructions(
    node_ids: tuple[int, ...],
    ids: tuple[int, ...],
    states: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    style: str,
    connection: Connection,
) -> None:
    """List the instructions of nodes, oldest first.

    Exits with 0, also when there is none, 1 when SolarUser refuses, 2 on wrong usage, 3 when
    SolarUser could not be reached or its answer was not understood.
    """
    from oscp_send.cli.shown import as_json, on_one_line, values

    settings = connection.settings()
    if not node_ids and not ids:
        if settings.node_id is None:
            raise click.UsageError(
                "SolarUser lists nothing without nodes: give --node-id, or --id, or node_id in "
                "the configuration file"
            )
        node_ids = (settings.node_id,)
    with connection.client(settings) as client:
        found = client.list(
            ids=ids or None, node_ids=node_ids or None, states=states or None, start=start, end=end
        )
    if style == "json":
        click.echo(as_json([values(each) for each in found]))
    elif found:
        for each in found:
            click.echo(on_one_line(each))
    else:
        click.echo("no instruction matches", err=True)

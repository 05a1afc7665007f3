"""The options that several commands of `oscp-send` take."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from oscp_send.cli.address import Address
from oscp_send.cli.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ACTIONS",
    "action_option",
    "address_options",
    "connection_options",
    "format_option",
]

#: The actions of an instruction; written out here, for `--help` is not to import their home.
ACTIONS: Final = (
    "AdjustGroupCapacityForecast",
    "GroupCapacityComplianceError",
    "Handshake",
    "UpdateAssetMeasurement",
    "UpdateGroupCapacityForecast",
    "UpdateGroupMeasurements",
)

action_option = click.option(
    "--action",
    metavar="NAME",
    help="The OSCP message name of a bare message, such as AdjustGroupCapacityForecast; a whole "
    "request body names its own.",
)
format_option = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For a person, or for a program.",
)
_CONNECTION: Final = (
    click.option(
        "--url",
        metavar="URL",
        help="Where SolarUser is, such as https://data.solarnetwork.net; else OSCP_SEND_URL, else "
        "url in the configuration file.",
    ),
    click.option(
        "--token",
        metavar="ID",
        help="The id of a security token of type User; else OSCP_SEND_TOKEN, else token in the "
        "configuration file.",
    ),
    click.option(
        "--secret-file",
        metavar="FILE",
        help="A file that holds the token's secret and nothing else; else OSCP_SEND_SECRET, else "
        "secret in the configuration file. The secret itself is never an argument: everybody on "
        "this machine can see arguments in the list of processes.",
    ),
    click.option(
        "--config",
        metavar="FILE",
        help="A TOML file with url, token, secret, node_id, co_id and cg_identifier, or some of "
        "them; else oscp-send.toml in this folder, if there is one.",
    ),
)
_ADDRESS: Final = (
    click.option(
        "--node-id",
        type=int,
        metavar="N",
        help="A node whose owner the Capacity Optimizer and Group belong to; else node_id in the "
        "configuration file.",
    ),
    click.option(
        "--co-id",
        metavar="N",
        help="The configId of the Capacity Optimizer; else co_id in the configuration file.",
    ),
    click.option(
        "--cg-identifier",
        metavar="TEXT",
        help="The identifier of the Capacity Group; else cg_identifier in the configuration file.",
    ),
    click.option(
        "--correlation-id",
        metavar="TEXT",
        help="The X-Request-ID of the UpdateGroupCapacityForecast that is answered.",
    ),
)

Command = Any  # what click's decorators take and give


def connection_options(command: Command) -> Command:
    """Gives a command the options that say where SolarUser is and who asks, as `connection`."""

    @wraps(command)
    def gathered(
        *args: Any,  # noqa: ANN401 - those of the command
        url: str | None,
        token: str | None,
        secret_file: str | None,
        config: str | None,
        **options: Any,  # noqa: ANN401 - those of the command
    ) -> object:
        connection = Connection(url, token, secret_file, config)
        return command(*args, connection=connection, **options)

    return _with(_CONNECTION, gathered)


def address_options(command: Command) -> Command:
    """Gives a command the options that say to whom a bare message goes, as `address`."""

    @wraps(command)
    def gathered(
        *args: Any,  # noqa: ANN401 - those of the command
        node_id: int | None,
        co_id: str | None,
        cg_identifier: str | None,
        correlation_id: str | None,
        **options: Any,  # noqa: ANN401 - those of the command
    ) -> object:
        address = Address(node_id, co_id, cg_identifier, correlation_id)
        return command(*args, address=address, **options)

    return _with(_ADDRESS, gathered)


def _with(options: tuple[Callable[[Command], Command], ...], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command

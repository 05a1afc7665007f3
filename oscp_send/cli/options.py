"""The options that several commands of `oscp-send` take."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

from oscp_send.cli.main import built_to_stay, unreadable

# The client brings requests with it, which only a command that connects needs.
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed import DataclassInstance

    from oscp_send.client import SolarUserClient
    from oscp_send.settings import Settings

Command = Any  # what click's decorators take and return


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bare message goes, by the command line; None for what it does not say."""

    node_id: int | None = None
    co_id: str | None = None
    cg_identifier: str | None = None
    correlation_id: str | None = None

    def is_given(self) -> bool:
        """Return whether the command line says anything."""
        return any(value is not None for value in astuple(self))

    def completed(self, settings: Settings) -> tuple[int, str, str]:
        """Return node, Capacity Optimizer and Capacity Group.

        Raises:
            UsageError: Some are neither on the command line nor in the settings; it names all.
        """
        node_id = self.node_id if self.node_id is not None else settings.node_id
        co_id = self.co_id if self.co_id is not None else settings.co_id
        group = self.cg_identifier if self.cg_identifier is not None else settings.cg_identifier
        if node_id is None or co_id is None or group is None:
            raise _missing({"node_id": node_id, "co_id": co_id, "cg_identifier": group})
        return node_id, co_id, group


def _missing(known: Mapping[str, object]) -> click.UsageError:
    keys = [key for key, value in known.items() if value is None]
    options = [f"--{key.replace('_', '-')}" for key in keys]
    return click.UsageError(
        f"a bare message does not say where it goes: give {_together(options)}, or "
        f"{_together(keys)} in the configuration file"
    )


def _together(words: list[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


@dataclass(frozen=True, slots=True)
class Connection:
    """Where SolarUser is and with which token, by the command line; None for what it lacks."""

    url: str | None = None
    token: str | None = None
    secret_file: str | None = None
    config: str | None = None

    def settings(self) -> Settings:
        """Return the settings: these, then the environment, then the TOML file.

        Raises:
            SettingsError: One is missing or unusable.
        """
        from oscp_send.errors import SettingsError
        from oscp_send.settings import load_settings

        secret = None if self.secret_file is None else _read_secret(self.secret_file)
        try:
            return load_settings(url=self.url, token=self.token, secret=secret, file=self.config)
        except SettingsError as error:
            if error.missing is None:
                raise
            option = f"with {_OPTIONS[error.missing]}"
            raise SettingsError(str(error).replace("as an argument", option)) from None

    def client(self, settings: Settings) -> SolarUserClient:
        """Return a client with these settings."""
        with built_to_stay():
            from oscp_send.client import SolarUserClient

        return SolarUserClient.from_settings(settings)


def _read_secret(named: str) -> str:
    from oscp_send.errors import SettingsError

    try:
        text = Path(named).read_bytes().decode()
    except OSError as error:
        problem = unreadable(error)
    except ValueError:
        problem = "it is not text in UTF-8"
    else:
        # Editors and echo add a line end, which is not part of a secret.
        return text.removesuffix("\n").removesuffix("\r")
    raise SettingsError(f"--secret-file {named}: {problem}")


_OPTIONS: Final = MappingProxyType({"url": "--url", "token": "--token", "secret": "--secret-file"})
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


def connection_options(command: Command) -> Command:
    """Give a command the options of a `Connection`, as its argument `connection`."""
    return gathered(command, _CONNECTION, "connection", Connection)


def address_options(command: Command) -> Command:
    """Give a command the options of an `Address`, as its argument `address`."""
    return gathered(command, _ADDRESS, "address", Address)


def gathered(
    command: Command,
    options: tuple[Callable[[Command], Command], ...],
    name: str,
    kind: type[DataclassInstance],
) -> Command:
    """Give a command some options, and their values as one argument of a kind of dataclass."""

    @wraps(command)
    def run(*args: Any, **given: Any) -> object:  # noqa: ANN401 - those of the command
        values = {each.name: given.pop(each.name) for each in fields(kind)}
        return command(*args, **given, **{name: kind(**values)})

    for option in reversed(options):
        run = option(run)
    return run

"""`oscp-send curl`."""

from __future__ import annotations

import shlex
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import click

from oscp_send.cli.options import action_option, address_options, connection_options

if TYPE_CHECKING:
    from requests import PreparedRequest

    from oscp_send.cli.address import Address
    from oscp_send.cli.connection import Connection

__all__ = ["command_line", "curl"]

#: What is signed, and what makes SolarUser answer with JSON; curl adds the rest itself.
_HEADERS = ("Accept", "Content-Type", "Host", "X-SN-Date", "Digest", "Authorization")
#: Linux lets one argument have 128 KiB at most.
_LONGEST_ARGUMENT = 120_000
_VALID = timedelta(minutes=15)


@click.command()
@click.argument("message", metavar="FILE")
@action_option
@address_options
@connection_options
def curl(message: str, action: str | None, address: Address, connection: Connection) -> None:
    """Print the signed request as a curl command line. Nothing is sent.

    FILE is a bare OSCP message, of which --action says which one it is, or a whole request body
    with its nodeId and params; "-" is the standard input. The message is judged first, as by
    "oscp-send check".

    The command goes to the standard output and can be piped into sh. It holds the signature, not
    the secret; SolarUser takes it for 15 minutes, more than once.
    """
    from oscp_send.cli.outgoing import build_instruction

    settings = connection.settings()
    with connection.client(settings) as client:
        instruction = build_instruction(message, action, address, settings, client)
        request = client.prepare_instruction(instruction)
    click.echo(command_line(request))
    signed = parsedate_to_datetime(str(request.headers["X-SN-Date"]))
    click.echo(
        f"valid until {signed + _VALID:%Y-%m-%d %H:%M:%SZ}, 15 minutes from now; each run of it "
        "queues one instruction",
        err=True,
    )


def command_line(request: PreparedRequest) -> str:
    """Answers with the command for a POSIX shell that sends a signed request, byte for byte."""
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
    headers = [
        f"--header {shlex.quote(f'{name}: {_text(request.headers[name])}')}"
        for name in _HEADERS
        if name in request.headers
    ]
    url = shlex.quote(request.url or "")
    if len(body) <= _LONGEST_ARGUMENT:
        data = f"--data-binary {shlex.quote(body)}"
        return " \\\n  ".join([f"curl --silent --show-error {url}", *headers, data])
    # printf is part of the shell, where the limit for arguments does not hold.
    piped = f"printf %s {shlex.quote(body)} | curl --silent --show-error {url}"
    return " \\\n  ".join([piped, *headers, "--data-binary @-"])


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value

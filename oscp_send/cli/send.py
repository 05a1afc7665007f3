"""`oscp-send curl`."""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import click

from oscp_send.cli.files import Examined, Source, examine, message_text, read_source
from oscp_send.cli.main import FAILED
from oscp_send.cli.options import (
    Address,
    Connection,
    action_option,
    address_options,
    connection_options,
    format_option,
)
from oscp_send.cli.reports import TextReport, printable
from oscp_send.instruction import Instruction, InstructionStatus, join_parameters, split_parameters
from oscp_send.request_judgement import check_request
from oscp_send.solarnetwork.request_body import read_body

if TYPE_CHECKING:
    from requests import PreparedRequest

    from oscp_send.client import SolarUserClient
    from oscp_send.settings import Settings

__all__ = ["build_instruction", "command_line", "curl", "send"]


# § What `send` and `curl` have in common: from a file to the instruction that carries it.

_SENT = frozenset({"action", "coId", "cgIdentifier", "msg", "correlationId"})


@dataclass(frozen=True, slots=True)
class _Order:
    """The arguments of the client's `build`."""

    action: str
    message: str
    node_id: int
    co_id: str
    cg_identifier: str
    correlation_id: str | None = None
    expires: datetime | None = None


def build_instruction(
    named: str, action: str | None, address: Address, settings: Settings, client: SolarUserClient
) -> Instruction:
    """Judges a file and makes the instruction that carries its message.

    A refusal is reported, and ends the program; warnings are reported. Both go to where errors go.

    Args:
        named: The file; `-` is the standard input.
        action: The OSCP message name of a bare message.
        address: To whom a bare message goes; a whole request body says that itself.
        settings: Fill in where the address is silent.
        client: Makes the instruction.

    Raises:
        SourceProblem: The file cannot be read, or it is not known what it is.
        OscpSendError: The client does not take it.
    """
    source = read_source(named)
    examined = examine(source, action, "documented")
    _tell(examined)
    if examined.is_request:
        order = _of_request(source, address)
    else:
        order = _of_message(source, action or "", address, settings)
    arguments: dict[str, Any] = {
        name: getattr(order, name) for name in order.__slots__ if name not in {"action", "message"}
    }
    instruction = client.build(order.action, order.message, **arguments)
    if not examined.is_request:
        _tell_of_request(instruction)
    return instruction


def _tell(examined: Examined) -> None:
    if examined.stage is None and not examined.count("warning"):
        return
    report = TextReport(sys.stderr)
    report.tell(examined)
    report.finish()
    if examined.stage is not None:
        click.echo("Nothing was sent.", err=True)
        sys.exit(FAILED)


def _of_message(source: Source, action: str, address: Address, settings: Settings) -> _Order:
    node_id, co_id, group = address.completed(settings)
    text = message_text(source.data)
    return _Order(action, text, node_id, co_id, group, address.correlation_id)


def _of_request(source: Source, address: Address) -> _Order:
    if address.is_given():
        raise click.UsageError(
            f"{source.name} is a whole request body and says itself where it goes: leave out "
            "--node-id, --co-id, --cg-identifier and --correlation-id"
        )
    body = read_body(source.data)
    given = join_parameters(split_parameters(body.parameters))
    left_out = sorted(given.keys() - _SENT)
    if body.instruction_date is not None:
        left_out.append("instructionDate")
    if left_out:
        names = ", ".join(printable(name) for name in left_out)
        click.echo(f"{printable(source.name)}: not sent along: {names}", err=True)
    return _Order(
        given["action"],
        given["msg"],
        body.node_id or 0,
        given["coId"],
        given["cgIdentifier"],
        given.get("correlationId"),
        body.expiration_date,
    )


def _tell_of_request(instruction: Instruction) -> None:
    """Warns of what only shows once a bare message has its parameters, such as S15."""
    judgement = check_request(instruction.to_json().encode())
    for finding in judgement.findings:
        if finding.severity != "info":
            click.echo(f"warning: {printable(finding.message)} ({finding.rule})", err=True)
            click.echo(f"         {printable(finding.hint)}", err=True)


# § `oscp-send send`.

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
    from oscp_send.cli.show import as_json, on_one_line, values

    click.echo(as_json(values(status)) if style == "json" else on_one_line(status))


def _show_what_is_known(error: Exception, style: str) -> None:
    """Gives a program the instruction that failed; a person is told by the error."""
    from oscp_send.errors import DeadlinePassed, InstructionDeclined

    if style == "json" and isinstance(error, InstructionDeclined | DeadlinePassed):
        status = error.instruction
        if status is not None:
            _show(status, style)


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

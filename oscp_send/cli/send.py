"""`oscp-send send` and `oscp-send curl`: from a file to the signed request."""

from __future__ import annotations

import math
import shlex
import sys
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import click

from oscp_schemas import Document
from oscp_send.answers import raise_if_declined
from oscp_send.cli.files import Examined, examine, message_text, read_source
from oscp_send.cli.main import FAILED, printable
from oscp_send.cli.options import (
    Address,
    Connection,
    action_option,
    address_options,
    connection_options,
    format_option,
)
from oscp_send.cli.reports import TextReport
from oscp_send.cli.show import as_json, on_one_line, values
from oscp_send.errors import (
    LOOK,
    DeadlinePassed,
    InstructionDeclined,
    NotAuthorised,
    NotUnderstood,
    PossiblySent,
    Refused,
    Unreachable,
)
from oscp_send.fidelity import Behaviour
from oscp_send.instruction import Instruction, InstructionStatus, join_parameters, split_parameters
from oscp_send.request_findings import PARAMETERS, GivenParameters, judge_relations, other_group
from oscp_send.solarnetwork.request_body import read_body
from oscp_send.times import utc_now

# requests, and the client that brings it, are slow to import: `--help` does without.
if TYPE_CHECKING:
    from requests import PreparedRequest

    from oscp_send.client import SolarUserClient
    from oscp_send.settings import Settings

_TIMEOUT: Final = 60.0
_ANOTHER_TIME: Final = "Another time, oscp-send send --settle looks for it itself. "


def _seconds(_: click.Context, __: click.Parameter, seconds: float) -> float:
    if math.isnan(seconds):
        raise click.BadParameter("it is not a number of seconds")
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
    callback=_seconds,
    show_default=True,
    metavar="SECONDS",
    help="How long to follow it.",
)
@click.option(
    "--settle",
    "is_settled",
    is_flag=True,
    help="Where it is not known whether it was queued, look for it until --timeout.",
)
@format_option
@connection_options
def send(
    message: str,
    action: str | None,
    address: Address,
    wait: bool,
    timeout: float,
    is_settled: bool,
    style: str,
    connection: Connection,
) -> None:
    """Send a message and follow it to its end.

    FILE is a bare OSCP message, named by --action, or a whole request body with its nodeId and
    params; "-" is the standard input. The message is judged first, as by
    "oscp-send check", and not sent when SolarUser would decline it. It is posted once: if it
    is not known whether it arrived, the command says so and does not post it again.

    Exits with 0 when the instruction is Completed (with --no-wait: queued), 1 when it is declined
    or refused or does not end in time, 2 on wrong usage, 3 when SolarUser could not be reached, so
    that nothing was queued, 4 when it is not known whether it was queued, 130 when it is
    interrupted before it is sent, or while an instruction is followed, which goes on.
    """
    settings = connection.settings()
    with connection.client(settings) as client:
        instruction = _build(message, action, address, settings, client)
        try:
            status = _submitted(client, instruction, timeout if is_settled else None)
            if wait:
                status = _followed(client, status, timeout)
            else:
                click.echo(f"follow it: oscp-send view {status.id}", err=True)
        except (InstructionDeclined, DeadlinePassed) as error:
            # The error is enough for a person; a program gets the instruction.
            if style == "json" and error.instruction is not None:
                _show(error.instruction, style)
            raise
        except PossiblySent as error:
            if not error.alike:
                error.advice = LOOK if is_settled else f"{_ANOTHER_TIME}{LOOK}"
            raise
    _show(status, style)


def _submitted(
    client: SolarUserClient, instruction: Instruction, settle_within: float | None
) -> InstructionStatus:
    """Send an instruction, and look for it where it is not known whether it was queued.

    Raises:
        PossiblySent: It is not to be looked for, or was not found in time.
        Unreachable: It certainly was not queued.
    """
    began = utc_now()
    try:
        return client.submit(instruction)
    except PossiblySent as error:
        if settle_within is None:
            raise
        click.echo(f"looking for it: {printable(error.reason)}", err=True)
        found = _settled(client, error, settle_within)
    except KeyboardInterrupt as interrupt:
        from oscp_send.client import was_never_sent
        from oscp_send.core import MARGIN

        if was_never_sent(interrupt):
            raise
        raise PossiblySent(instruction, began - MARGIN, "it was interrupted") from interrupt
    if found is None:
        raise Unreachable("it was certainly not queued", hint="It may be sent again.")
    return raise_if_declined(found)


def _settled(
    client: SolarUserClient, error: PossiblySent, timeout: float
) -> InstructionStatus | None:
    try:
        return client.settle(error, timeout=timeout)
    except KeyboardInterrupt:
        raise error from None
    except (NotAuthorised, NotUnderstood, Refused) as failed:
        raise error.again(f"it cannot be looked for: {failed}") from failed


def _followed(
    client: SolarUserClient, queued: InstructionStatus, timeout: float
) -> InstructionStatus:
    if queued.state.is_final:
        return queued
    try:
        click.echo(f"instruction {queued.id} is {queued.state}, waiting for its end", err=True)
        return client.wait(queued, timeout=timeout)
    except KeyboardInterrupt:
        click.echo(f"interrupted, but it goes on; follow it: oscp-send view {queued.id}", err=True)
        raise


def _show(status: InstructionStatus, style: str) -> None:
    click.echo(as_json(values(status)) if style == "json" else on_one_line(status))


#: The signed headers, and the one that makes SolarUser answer with JSON; curl adds the rest itself.
_HEADERS: Final = ("Accept", "Content-Type", "Host", "X-SN-Date", "Digest", "Authorization")
#: Linux limits one argument to 128 KiB.
_LONGEST_ARGUMENT: Final = 120_000
_VALID: Final = timedelta(minutes=15)


@click.command()
@click.argument("message", metavar="FILE")
@action_option
@address_options
@connection_options
def curl(message: str, action: str | None, address: Address, connection: Connection) -> None:
    """Print the signed request as a curl command line. Nothing is sent.

    FILE is a bare OSCP message, named by --action, or a whole request body with its nodeId and
    params; "-" is the standard input. The message is judged first, as by
    "oscp-send check".

    The command goes to the standard output and can be piped into sh. It holds the signature, not
    the secret; SolarUser takes it for 15 minutes, more than once.
    """
    settings = connection.settings()
    with connection.client(settings) as client:
        instruction = _build(message, action, address, settings, client)
        request = client.prepare_instruction(instruction)
    click.echo(command_line(request))
    signed = parsedate_to_datetime(str(request.headers["X-SN-Date"]))
    click.echo(
        f"valid until {signed + _VALID:%Y-%m-%d %H:%M:%SZ}, 15 minutes from now; each run of it "
        "queues one instruction",
        err=True,
    )


def command_line(request: PreparedRequest) -> str:
    """Return the command for a POSIX shell that sends a signed request, byte for byte."""
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


def _build(
    named: str, action: str | None, address: Address, settings: Settings, client: SolarUserClient
) -> Instruction:
    """Judge a file and return the instruction that carries its message.

    Refusals and warnings go to the standard error; a refusal ends the program.

    Raises:
        SourceProblem: The file cannot be read, or it is not known which message it is.
        OscpSendError: The client refuses it.
    """
    source = read_source(named)
    examined = examine(source, action, "documented", now=utc_now())
    _report(examined)
    if examined.is_request:
        return _of_request(examined, address, client)
    node_id, co_id, group = address.completed(settings)
    instruction = client.build(
        action or "",
        message_text(source.data),
        node_id=node_id,
        co_id=co_id,
        cg_identifier=group,
        correlation_id=address.correlation_id,
    )
    _warn(instruction, examined.document)
    return instruction


def _report(examined: Examined) -> None:
    if examined.judgement.accepted and not examined.count("warning"):
        return
    report = TextReport(sys.stderr)
    report.add(examined)
    report.finish()
    if not examined.judgement.accepted:
        click.echo("Nothing was sent.", err=True)
        sys.exit(FAILED)


def _of_request(examined: Examined, address: Address, client: SolarUserClient) -> Instruction:
    source = examined.source
    if address.is_given():
        raise click.UsageError(
            f"{source.name} is a whole request body and says itself where it goes: leave out "
            "--node-id, --co-id, --cg-identifier and --correlation-id"
        )
    body = read_body(examined.document or source.data)
    given = join_parameters(split_parameters(body.parameters))
    left_out = sorted(given.keys() - set(PARAMETERS))
    if body.instruction_date is not None:
        left_out.append("instructionDate")
    if left_out:
        names = ", ".join(printable(name) for name in left_out)
        click.echo(f"{printable(source.name)}: not sent along: {names}", err=True)
    return client.build(
        given["action"],
        given["msg"],
        node_id=body.node_id or 0,
        co_id=given["coId"],
        cg_identifier=given["cgIdentifier"],
        correlation_id=given.get("correlationId"),
        expires=body.expiration_date,
    )


def _warn(instruction: Instruction, message: Document | None) -> None:
    """Warn of what a bare message shows only with its parameters, such as S15."""
    parameters = join_parameters(instruction.parameters)
    given = GivenParameters("/params", parameters)
    group = other_group(parameters, message)
    for finding in judge_relations(given, parameters, group, Behaviour()):
        if finding.severity != "info":
            click.echo(f"warning: {printable(finding.message)} [{finding.rule}]", err=True)
            click.echo(f"         {printable(finding.hint)}", err=True)

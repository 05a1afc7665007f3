"""What `send` and `curl` have in common: from a file to the instruction that carries it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from oscp_send.check_request import check_request
from oscp_send.cli.console import printable
from oscp_send.cli.examination import Examined, examine, message_text
from oscp_send.cli.group import FAILED
from oscp_send.cli.report_text import TextReport
from oscp_send.cli.sources import Source, read_source
from oscp_send.instruction import join_parameters, split_parameters
from oscp_send.solarnetwork.request_body import read_body

if TYPE_CHECKING:
    from datetime import datetime

    from oscp_send.cli.address import Address
    from oscp_send.client import SolarUserClient
    from oscp_send.instruction import Instruction
    from oscp_send.settings import Settings

__all__ = ["build_instruction"]

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

"""The commands that only show: `view`, `list`, `chunks` and `schema`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import click

from oscp_schemas import JsonError, UnknownAction
from oscp_schemas import schema as schema_of
from oscp_schemas.catalogue import document
from oscp_send.cli.files import Source, is_request, message_text, read_file, read_source
from oscp_send.cli.main import FAILED, count, printable
from oscp_send.cli.options import Connection, connection_options, format_option
from oscp_send.instruction import (
    InstructionState,
    InstructionStatus,
    join,
    split,
    split_parameters,
    utf16_length,
)
from oscp_send.solarnetwork.dates import timestamp
from oscp_send.solarnetwork.request_body import BodyRefused, read_body


@click.command()
@click.argument("instruction_id", type=int, metavar="ID")
@format_option
@connection_options
def view(instruction_id: int, style: str, connection: Connection) -> None:
    """Show an instruction as it is now.

    ID is the instruction's number, as "send" prints it.

    Exits with 0 when SolarUser shows it, in any state, 1 when SolarUser does not know it or does
    not show it, 3 when SolarUser could not be reached or its answer was not understood.
    """
    with connection.client(connection.settings()) as client:
        instruction = client.view(instruction_id)
    if instruction is None:
        click.echo(
            f"SolarUser does not know instruction {instruction_id}; finished ones are removed "
            "after some weeks",
            err=True,
        )
        sys.exit(FAILED)
    click.echo(as_json(values(instruction)) if style == "json" else _in_full(instruction))


def _moment_option(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a date and time such as 2026-03-01T00:15:00Z"
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
    "--start",
    callback=_moment_option,
    metavar="TIME",
    help="The earliest date: 2026-03-01T00:15:00Z.",
)
@click.option("--end", callback=_moment_option, metavar="TIME", help="The date to stop before.")
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

    Exits with 0, even when there is none, 1 when SolarUser refuses, 2 on wrong usage, 3 when
    SolarUser could not be reached or its answer was not understood.
    """
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


def values(instruction: InstructionStatus) -> dict[str, Any]:
    """Return an instruction as JSON values, its parameters joined."""
    return {
        "id": instruction.id,
        "nodeId": instruction.node_id,
        "topic": instruction.topic,
        "state": str(instruction.state),
        "created": _moment(instruction.created),
        "instructionDate": _moment(instruction.instruction_date),
        "statusDate": _moment(instruction.status_date),
        "expirationDate": _moment(instruction.expiration_date),
        "parameters": instruction.joined_parameters(),
        "resultParameters": dict(instruction.result_parameters),
        "error": instruction.error,
    }


def as_json(value: object) -> str:
    """Return JSON text that is easy to read."""
    return json.dumps(value, indent=2)


def on_one_line(instruction: InstructionStatus) -> str:
    """Return an instruction for a person in one line, with why it failed."""
    given = instruction.joined_parameters()
    action = given.get("action", instruction.topic)
    group = f" to {given['cgIdentifier']}" if "cgIdentifier" in given else ""
    reason = f": {instruction.error}" if instruction.error is not None else ""
    created = _moment(instruction.created) or ""
    return printable(
        f"{instruction.id}  {instruction.state:<9}  {created:<27}  {action}{group}{reason}"
    )


def _in_full(instruction: InstructionStatus) -> str:
    """Return all that is known of an instruction, in lines."""
    rows = [
        ("state", str(instruction.state)),
        ("error", instruction.error),
        ("node", str(instruction.node_id)),
        ("topic", instruction.topic),
        ("created", _moment(instruction.created)),
        ("state since", _moment(instruction.status_date)),
        ("expires", _moment(instruction.expiration_date)),
        *((name, _sized(name, text)) for name, text in instruction.joined_parameters().items()),
    ]
    known = [(printable(name), printable(text)) for name, text in rows if text is not None]
    width = max(len(name) for name, _ in known)
    lines = [f"  {name:<{width}}  {text}" for name, text in known]
    return "\n".join([f"instruction {instruction.id}", *lines])


def _sized(name: str, text: str) -> str:
    if name != "msg":
        return text
    size = f"{utf16_length(text)} UTF-16 units, {count(len(split(text)), 'part')}"
    return f"{text}  ({size})"


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


_STRING_OR_BLANKS: Final = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\n\r]+')


@click.command()
@click.argument("message", metavar="FILE")
@format_option
def chunks(message: str, style: str) -> None:
    """Show the parts that SolarUser will cut a message into. Nothing is sent or judged.

    FILE is a bare OSCP message, or a whole request body with its nodeId and params, whose
    parameters are all cut; "-" is the standard input. A part has at most 256 UTF-16 code units: a
    character outside the Basic Multilingual Plane, such as an emoji, is two of them. Each part is
    shown between two bars.

    Exits with 0, 1 when the request body cannot be understood, 2 when the file cannot be read.
    """
    source = read_source(message)
    try:
        parameters = _parts(source)
    except (BodyRefused, JsonError) as error:
        click.echo(f"{printable(source.name)}: {printable(str(error))}", err=True)
        sys.exit(FAILED)
    if style == "json":
        click.echo(as_json([_part_values(name, parts) for name, parts in parameters.items()]))
        return
    for name, parts in parameters.items():
        for line in _part_lines(name, parts):
            click.echo(line)


def _parts(source: Source) -> Mapping[str, Sequence[str]]:
    """Return the parts of each parameter by name; a bare message is `msg`."""
    body = read_file(source.data)
    if isinstance(body, JsonError) or not is_request(body):
        return {"msg": split(message_text(source.data))}
    parts: dict[str, list[str]] = {}
    for name, part in split_parameters(read_body(body).parameters):
        parts.setdefault(name, []).append(part)
    return parts


def _part_values(name: str, parts: Sequence[str]) -> dict[str, Any]:
    units = [utf16_length(part) for part in parts]
    return {
        "name": name,
        "units": sum(units),
        "parts": [
            {"part": number, "units": size, "text": part}
            for number, (size, part) in enumerate(zip(units, parts, strict=True), 1)
        ],
        "cut": [
            {"after_part": number, "character": character} for number, character in _cuts(parts)
        ],
    }


def _part_lines(name: str, parts: Sequence[str]) -> Iterator[str]:
    units = [utf16_length(part) for part in parts]
    wide = len(str(len(parts)))
    total = f"{count(sum(units), 'UTF-16 unit')} in {count(len(parts), 'part')}"
    yield f"{printable(name)}: {total}"
    for number, (size, part) in enumerate(zip(units, parts, strict=True), 1):
        yield f"  {number:>{wide}}  {size:>3}  |{printable(part)}|"
    for number, character in _cuts(parts):
        yield (
            f"  {printable(character)} (U+{ord(character):04X}) is cut between parts {number} and "
            f"{number + 1}: it is delivered whole, but SolarUser's own replies show ?? for it"
        )
    if name == "msg":
        compact = _STRING_OR_BLANKS.sub(lambda match: match[1] or "", join(parts))
        fewer = len(split(compact))
        if fewer < len(parts):
            yield f"  without blanks between its values it would be {count(fewer, 'part')}"


def _cuts(parts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield each character that is cut, with the number of the part before the cut."""
    for number, (before, after) in enumerate(pairwise(parts), 1):
        if "\ud800" <= before[-1] <= "\udbff" and "\udc00" <= after[0] <= "\udfff":
            yield number, join([before[-1], after[0]])


@click.command()
@click.argument("action")
@click.option(
    "--bundle",
    is_flag=True,
    help="Include every document that it refers to, so that it is complete.",
)
def schema(action: str, bundle: bool) -> None:
    """Print the JSON Schema (draft-07) of an OSCP message.

    ACTION is one of AdjustGroupCapacityForecast, GroupCapacityComplianceError, Handshake,
    HandshakeAcknowledge, Heartbeat, Register, UpdateAssetMeasurement, UpdateGroupCapacityForecast
    and UpdateGroupMeasurements.
    """
    try:
        found = schema_of(action)
    except UnknownAction as error:
        raise click.BadParameter(str(error), param_hint="ACTION") from None
    click.echo(as_json(bundled(found) if bundle else found))


def bundled(whole: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that holds, below `definitions`, every document that it refers to."""
    definitions: dict[str, Any] = {}

    def resolved(value: object) -> object:
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: define(item) if key == "$ref" else resolved(item) for key, item in value.items()
        }

    def define(name: str) -> str:
        key = name.removesuffix(".json")
        if key not in definitions:
            definitions[key] = {}  # a document may refer to itself
            content = document(name)
            # With its own address, its references would be relative to itself.
            for keyword in ("$schema", "$id"):
                content.pop(keyword, None)
            definitions[key] = resolved(content)
        return f"#/definitions/{key}"

    bundle = {key: value if key == "examples" else resolved(value) for key, value in whole.items()}
    return {**bundle, "definitions": dict(sorted(definitions.items()))} if definitions else bundle

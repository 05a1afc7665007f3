"""`oscp-send chunks`."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from oscp_send.cli.group import FAILED
from oscp_send.cli.options import format_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from oscp_send.cli.sources import Source

__all__ = ["chunks"]

_STRING_OR_BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\n\r]+')


@click.command()
@click.argument("message", metavar="FILE")
@format_option
def chunks(message: str, style: str) -> None:
    """Show into which parts SolarUser will cut a message. Nothing is sent, or judged.

    FILE is a bare OSCP message, or a whole request body with its nodeId and params, of which every
    parameter is cut; "-" is the standard input. A part has at most 256 UTF-16 code units: a
    character outside the Basic Multilingual Plane, such as an emoji, is two of them. Each part is
    shown between two bars.

    Exits with 0, 1 when the request body cannot be understood, 2 when the file cannot be read.
    """
    from oscp_send.cli.console import printable
    from oscp_send.cli.shown import as_json
    from oscp_send.cli.sources import read_source
    from oscp_send.solarnetwork.request_body import BodyRefused
    from schemas import JsonError

    source = read_source(message)
    try:
        parameters = _parameters(source)
    except (BodyRefused, JsonError) as error:
        click.echo(f"{printable(source.name)}: {printable(str(error))}", err=True)
        sys.exit(FAILED)
    if style == "json":
        click.echo(as_json([_values(name, parts) for name, parts in parameters.items()]))
        return
    for name, parts in parameters.items():
        for line in _lines(name, parts):
            click.echo(line)


def _parameters(source: Source) -> Mapping[str, Sequence[str]]:
    """Answers with the parts of each parameter by name; a bare message is `msg`."""
    from oscp_send.cli.examination import is_request, message_text, read_file
    from oscp_send.instruction import split, split_parameters
    from oscp_send.solarnetwork.request_body import read_body

    if not is_request(read_file(source.data)):
        return {"msg": split(message_text(source.data))}
    parts: dict[str, list[str]] = {}
    for name, part in split_parameters(read_body(source.data).parameters):
        parts.setdefault(name, []).append(part)
    return parts


def _values(name: str, parts: Sequence[str]) -> dict[str, Any]:
    from oscp_send.instruction import join, utf16_length

    units = [utf16_length(part) for part in parts]
    return {
        "name": name,
        "units": sum(units),
        "parts": [
            {"part": number, "units": size, "text": part}
            for number, (size, part) in enumerate(zip(units, parts, strict=True), 1)
        ],
        "cut": [
            {"after_part": number, "character": join([before[-1], after[0]])}
            for number, before, after in _cuts(parts)
        ],
    }


def _lines(name: str, parts: Sequence[str]) -> Iterator[str]:
    from oscp_send.cli.console import count, printable
    from oscp_send.instruction import join, utf16_length

    units = [utf16_length(part) for part in parts]
    wide = len(str(len(parts)))
    total = f"{count(sum(units), 'UTF-16 unit')} in {count(len(parts), 'part')}"
    yield f"{printable(name)}: {total}"
    for number, (size, part) in enumerate(zip(units, parts, strict=True), 1):
        yield f"  {number:>{wide}}  {size:>3}  |{printable(part)}|"
    for number, before, after in _cuts(parts):
        character = join([before[-1], after[0]])
        yield (
            f"  {printable(character)} (U+{ord(character):04X}) is cut between parts {number} and "
            f"{number + 1}: it is delivered whole, but SolarUser's own replies show ?? for it"
        )
    fewer = _compact_parts(join(parts)) if name == "msg" else len(parts)
    if fewer < len(parts):
        yield f"  without blanks between its values it would be {count(fewer, 'part')}"


def _cuts(parts: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Yields, with the number of the part before, where a surrogate pair is cut."""
    for number, (before, after) in enumerate(pairwise(parts), 1):
        if "\ud800" <= before[-1] <= "\udbff" and "\udc00" <= after[0] <= "\udfff":
            yield number, before, after


def _compact_parts(text: str) -> int:
    from oscp_send.instruction import split

    return len(split(_STRING_OR_BLANKS.sub(lambda match: match[1] or "", text)))

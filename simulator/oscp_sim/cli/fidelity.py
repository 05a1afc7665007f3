"""`oscp-sim fidelity`."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator

import click

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import DIFFERENCES, Behaviour, Difference
from oscp_sim.cli.options import behaviour, fidelity_option, set_option

_NARROWEST, _WIDEST = 60, 100
_MARGIN = 15


@click.command()
@fidelity_option
@set_option
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
def fidelity(fidelity: Fidelity, settings: tuple[str, ...], style: str) -> None:
    """List where the public guide and the running service differ.

    The side that --fidelity and --set choose is marked with a star. Give the same options to
    `serve` and `rehearse` to have it so.
    """
    chosen = behaviour(fidelity, settings)
    if style == "json":
        click.echo(json.dumps(_document(chosen), indent=2, ensure_ascii=False))
        return
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    click.echo("\n".join(_table(chosen, width)))


def _document(chosen: Behaviour) -> dict[str, object]:
    return {
        "fidelity": chosen.fidelity,
        "differences": [
            {
                "name": each.name,
                "documented": each.documented,
                "observed": each.observed,
                "default": each.default,
                "side": chosen.side(each.name),
            }
            for each in DIFFERENCES
        ],
    }


def _table(chosen: Behaviour, width: int) -> Iterator[str]:
    yield f"fidelity {chosen}; * is followed"
    for each in DIFFERENCES:
        yield ""
        yield each.name + _default(each)
        for side, text in (("documented", each.documented), ("observed", each.observed)):
            mark = "*" if chosen.side(each.name) == side else " "
            head = f"  {mark} {side}"
            yield textwrap.fill(
                text, width, initial_indent=head.ljust(_MARGIN), subsequent_indent=" " * _MARGIN
            )


def _default(difference: Difference) -> str:
    if difference.default is None:
        return ""
    return f" ({difference.default} in both fidelities, unless it is set)"

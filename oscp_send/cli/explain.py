"""`oscp-send explain`."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

import click

from oscp_send.cli.options import format_option
from oscp_send.rules import KINDS, Example, Rule, UnknownRule, find_rules, rules

_NARROWEST, _WIDEST = 60, 100
_LABEL: Final = 15


@click.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--list", "is_list", is_flag=True, help="List all names, a line each.")
@format_option
def explain(names: tuple[str, ...], is_list: bool, style: str) -> None:
    """Explain what a finding names: what, why, who objects, an example, how to mend it.

    A NAME is what stands in brackets behind a finding, such as S8, X9, enum or not-text, or a
    setting of fidelity, such as correlation_id; or the whole text of a finding, in quotes.

    Exits with 0, or with 2 when a name is not known.
    """
    if is_list == bool(names):
        raise click.UsageError("name a rule, such as S8, or give --list, and not both")
    found = _found(names) if names else list(rules().values())
    if style == "json":
        values = [each.to_dict() for each in found]
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    if is_list:
        click.echo("\n".join(_listed(found)))
    else:
        click.echo("\n\n\n".join("\n".join(_explained(each, width)) for each in found))


def _found(names: Iterable[str]) -> list[Rule]:
    found: dict[str, Rule] = {}
    for name in names:
        try:
            found |= {rule.name: rule for rule in find_rules(name)}
        except UnknownRule as error:
            raise click.BadParameter(str(error), param_hint="NAME") from None
    return list(found.values())


def _listed(listed: Iterable[Rule]) -> Iterator[str]:
    """Yield a line for each rule, however wide, below one for its kind."""
    widest = max(map(len, rules()))
    for kind, each in groupby(listed, key=lambda rule: rule.kind):
        yield f"{kind}: {KINDS[kind]}"
        yield from (f"  {rule.name:<{widest}}  {rule.what}" for rule in each)


def _labelled(label: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=f"  {label}".ljust(_LABEL),
        subsequent_indent=" " * _LABEL,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _explained(rule: Rule, width: int) -> Iterator[str]:
    yield f"{rule.name}: {rule.what}"
    yield ""
    yield from _labelled("why", rule.why, width)
    yield from _labelled("who objects", rule.who, width)
    yield from _labelled("mend", rule.mend, width)
    if rule.difference is not None:
        yield from _labelled("documented", rule.difference.documented, width)
        yield from _labelled("observed", rule.difference.observed, width)
        other = "documented" if rule.difference.default == "observed" else "observed"
        yield from _labelled("choose", f"oscp-sim serve --set {rule.name}={other}", width)
    if isinstance(rule.example, str):
        yield from _labelled("example", rule.example, width)
    else:
        yield from _shown(rule.example)


def _shown(example: Example) -> Iterator[str]:
    for label, text, action in (
        ("wrong", example.wrong, example.action),
        ("right", example.right, example.right_action),
    ):
        if text:
            at = f", at {example.now}" if example.now else ""
            what = f"{action}{at}" if action else f"{example.judged_as}{at}"
            yield from ("", f"  {label} ({what})")
            yield textwrap.indent(text, "    ")

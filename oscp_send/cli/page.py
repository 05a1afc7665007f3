"""Pages that need nothing else: no network, no scripts, nothing in them that could do anything."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from oscp_send.cli.main import printable

_STYLE = Path(__file__).with_name("page.css")


def render(template: Path, **values: object) -> str:
    """Return a page made of a template, in which each text is shown and never done.

    Args:
        template: A file of Jinja; it finds the style of all pages as `style`.
        **values: What it shows.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    style = Markup(_STYLE.read_text(encoding="utf-8"))  # noqa: S704 - it is our own
    return environment.get_template(template.name).render(style=style, **values)


def _shown(value: object) -> object:
    """Return a text in which nothing is invisible, or turns the direction of what follows."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value

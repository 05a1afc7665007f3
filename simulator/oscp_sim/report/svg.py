"""SVG elements as text, each value escaped and printable."""

from __future__ import annotations

from markupsafe import Markup, escape

from oscp_sim.matching import printable


def element(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; texts among the children are escaped, elements are not.

    Args:
        name: Its name.
        *children: What it holds.
        **attributes: `class_` stands for `class`, and an underscore for a hyphen.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_shown(value))}"'
        for key, value in attributes.items()
    )
    inner = "".join(
        each if isinstance(each, Markup) else escape(printable(each)) for each in children
    )
    return Markup(f"<{name}{given}>{inner}</{name}>")  # noqa: S704 - all of it is escaped


def text(x: float, y: float, content: str, kind: str, anchor: str = "middle") -> Markup:
    """Return a text of a class at a place."""
    return element("text", content, x=x, y=y, class_=kind, text_anchor=anchor)


def cut(content: str, room: float, size: float) -> str:
    """Return a text that fits in so many pixels, at a font size; what is cut ends with dots."""
    most = max(1, int(room / (size * _WIDTH)))
    shown = printable(content)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


# Of a character, as a part of the font size: most are narrower.
_WIDTH = 0.58


def _shown(value: object) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)

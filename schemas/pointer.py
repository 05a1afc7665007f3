"""JSON Pointers (RFC 6901)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["escape_pointer", "make_pointer", "pointer_tokens"]


def escape_pointer(token: str) -> str:
    """Answers with a property name as it stands in a JSON Pointer: `~` as `~0`, `/` as `~1`."""
    return token.replace("~", "~0").replace("/", "~1")


def make_pointer(path: Iterable[str | int]) -> str:
    """Answers with the JSON Pointer of a path of property names and array indexes."""
    return "".join(f"/{escape_pointer(str(step))}" for step in path)


def pointer_tokens(pointer: str) -> list[str]:
    """Answers with the property names and indexes, as text, of which a JSON Pointer is made.

    Raises:
        LookupError: The text is no JSON Pointer: it is not empty and starts with no slash.
    """
    if pointer and not pointer.startswith("/"):
        raise LookupError(f"{pointer!r} is no JSON Pointer: it should start with a slash")
    # The order matters: "~01" is the name "~1", not "/".
    return [each.replace("~1", "/").replace("~0", "~") for each in pointer.split("/")[1:]]

"""An object as XML.

That the service writes XML is known, its elements are not: here each key is an element, each item
of a list an `item`, and a key that is no name of XML an `entry` that bears it (inferred).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

__all__ = ["xml_text"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
# What XML 1.0 has no way to write.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(content: Mapping[str, object]) -> bytes:
    """Answers with a document whose root is `result`; what XML cannot write becomes `?`."""
    root = ET.Element("result")
    _fill(root, content)
    written: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _fill(element: ET.Element, value: object) -> None:
    if isinstance(value, Mapping):
        for name, member in value.items():
            _fill(_child(element, str(name)), member)
    elif isinstance(value, list | tuple):
        for item in value:
            _fill(ET.SubElement(element, "item"), item)
    elif isinstance(value, bool):
        element.text = str(value).lower()
    elif value is not None:
        element.text = _UNWRITABLE.sub("?", str(value))


def _child(parent: ET.Element, name: str) -> ET.Element:
    if _NAME.fullmatch(name):
        return ET.SubElement(parent, name)
    return ET.SubElement(parent, "entry", {"name": _UNWRITABLE.sub("?", name)})

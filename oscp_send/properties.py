"""What a schema lets through and SolarNetwork drops, mends or mangles without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from oscp_send.findings import Finding
from oscp_send.schema_hints import near
from schemas import ACTIONS, Document, escape_pointer
from schemas.catalogue import document, document_name

__all__ = ["judge_properties"]


def judge_properties(action: str, message: Document) -> Iterator[Finding]:
    """Yields what would silently become another message on its way.

    Properties that OSCP 2.0 does not know, names given twice, halves of surrogate pairs, and a
    handshake that says nothing (OSCP dossier §3.1, §3.5 and §9.1).
    """
    for pointer in message.duplicate_keys:
        name = pointer.rpartition("/")[2]
        yield _warning("duplicate-key", pointer, f'"{name}" is given twice; the last one counts')
    for pointer in message.lone_surrogates:
        yield _warning(
            "surrogate",
            pointer,
            "holds half a surrogate pair, which is no character and cannot be delivered whole",
            "write the character itself, or both halves of its \\u escapes",
        )
    if action in ACTIONS:
        yield from _unknown(message.value, document_name(action), "")
    if action == "Handshake" and message.value == {}:
        yield _warning(
            "empty-handshake",
            "",
            "asks for nothing: a Flexibility Provider's own endpoint answers it with 422",
            "give required_behaviour with its measurement_configuration",
        )


def _warning(rule: str, pointer: str, message: str, hint: str = "") -> Finding:
    return Finding("schema", rule, "warning", pointer, message, hint, "observed")


def _unknown(value: object, name: str, pointer: str) -> Iterator[Finding]:
    known = _properties(name)
    if not isinstance(value, Mapping) or not known:
        return
    for key, member in value.items():
        place = f"{pointer}/{escape_pointer(key)}"
        if key not in known:
            yield _warning(
                "unknown-property",
                place,
                f'"{key}" is no OSCP 2.0 property; SolarNetwork drops it',
                _meant(key, name),
            )
            continue
        target = known[key]
        if isinstance(member, list):
            for index, item in enumerate(member):
                yield from _unknown(item, target, f"{place}/{index}")
        else:
            yield from _unknown(member, target, place)


def _meant(key: str, name: str) -> str:
    known = _properties(name)
    meant = near(key, known)
    if meant:
        return f'did you mean "{meant}"?'
    for parent, target in known.items():
        inner = near(key, _properties(target))
        if inner:
            return f'"{inner}" belongs inside "{parent}"'
    return ""


@cache
def _properties(name: str) -> Mapping[str, str]:
    """Answers with the properties of a schema document, each with its own document's name."""
    properties: Mapping[str, Any] = document(name).get("properties", {}) if name else {}
    return {
        key: each.get("$ref") or each.get("items", {}).get("$ref", "")
        for key, each in properties.items()
    }

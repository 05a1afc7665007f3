"""Read a world from a YAML file, or say by line and column why it cannot be one."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from simulator.world.model import (
    SIMULATED,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    Simulated,
    Token,
    User,
    World,
)
from simulator.world.references import broken_references
from simulator.yaml_source import SourceError, YamlDocument, read_yaml, validate

__all__ = ["load_world", "world_schema"]

_HERE = files("simulator.world")


def load_world(
    source: Path | str | Mapping[str, Any] | YamlDocument | None = None, name: str | None = None
) -> World:
    """Make a world from a file, from YAML text, or from values in the same shape.

    Args:
        source: A path, the text itself, values, a document (or the part of one) that was read
            already, or None for the world in which the guide's examples run.
        name: What messages call it; the path where there is one.

    Raises:
        SourceError: Each problem with file, line and column (with a JSON Pointer for values).
    """
    document = _document(source, name)
    problems = validate(document, world_schema()) or broken_references(document)
    if problems:
        raise SourceError(problems)
    return World(tuple(map(_user, document.value["users"])))


def world_schema() -> dict[str, Any]:
    """Return the JSON Schema of a world file, a fresh copy."""
    schema: dict[str, Any] = json.loads(_HERE.joinpath("world.schema.json").read_bytes())
    return schema


def _document(
    source: Path | str | Mapping[str, Any] | YamlDocument | None, name: str | None
) -> YamlDocument:
    if isinstance(source, YamlDocument):
        return source
    if isinstance(source, Mapping):
        return YamlDocument.of(source, name or "world")
    if source is None:
        return read_yaml(_HERE.joinpath("default.yaml").read_bytes(), "the default world")
    return read_yaml(source, name if isinstance(source, Path) else name or "world")


def _user(value: Mapping[str, Any]) -> User:
    return User(
        id=int(value["id"]),
        tokens=tuple(Token(**token) for token in value.get("tokens", ())),
        nodes=tuple(map(int, value.get("nodes", ()))),
        capacity_providers=tuple(map(_provider, value.get("capacity_providers", ()))),
        capacity_optimizers=tuple(
            CapacityOptimizer(**_whole(each, "id")) for each in value.get("capacity_optimizers", ())
        ),
        capacity_groups=tuple(
            CapacityGroup(**_whole(each, "id", "capacity_provider", "capacity_optimizer"))
            for each in value.get("capacity_groups", ())
        ),
    )


def _provider(value: Mapping[str, Any]) -> CapacityProvider:
    return CapacityProvider(**{**_whole(value, "id"), "base_url": _base_url(value)})


def _base_url(value: Mapping[str, Any]) -> str | Simulated | None:
    if "base_url" not in value:
        return SIMULATED
    url = value["base_url"]
    return url if url and url.strip() else None


def _whole(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Copy a mapping, with the named numbers whole: JSON Schema takes 3.0 for an integer."""
    return {**value, **{name: int(value[name]) for name in names}}

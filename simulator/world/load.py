"""Read a world from a YAML file, or say by line and column why it cannot be one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from simulator.world.load_entities import (
    to_asset,
    to_datum_stream,
    to_group,
    to_optimizer,
    to_provider,
    to_publication,
)
from simulator.world.model import DEFAULT_ROLES, Token, User, World
from simulator.world.rate_limit import RateLimit
from simulator.world.references import broken_references
from simulator.world.security_policy import SecurityPolicy
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
    limit = document.value.get("rate_limit")
    return World(
        tuple(map(_user, document.value["users"])),
        rate_limit=None if limit is None else RateLimit(**_whole(limit, "capacity")),
        solaruser=_elsewhere(document.value, "solaruser"),
        flexibility_provider=_elsewhere(document.value, "flexibility_provider"),
    )


def world_schema() -> dict[str, Any]:
    """Return the JSON Schema of a world file, a fresh copy."""
    schema: dict[str, Any] = json.loads(_HERE.joinpath("world.schema.json").read_bytes())
    return schema


def _elsewhere(value: Mapping[str, Any], party: str) -> str | None:
    """Return the base URL of a party that is played elsewhere, without a slash at its end."""
    return str(value[party]["base_url"]).rstrip("/") if party in value else None


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
        roles=frozenset(value.get("roles", DEFAULT_ROLES)),
        tokens=tuple(map(_token, value.get("tokens", ()))),
        nodes=tuple(map(int, value.get("nodes", ()))),
        capacity_providers=tuple(map(to_provider, value.get("capacity_providers", ()))),
        capacity_optimizers=tuple(map(to_optimizer, value.get("capacity_optimizers", ()))),
        capacity_groups=tuple(map(to_group, value.get("capacity_groups", ()))),
        assets=tuple(map(to_asset, value.get("assets", ()))),
        settings=to_publication(value["settings"]) if "settings" in value else None,
        datum_streams=tuple(map(to_datum_stream, value.get("datum_streams", ()))),
    )


def _token(value: Mapping[str, Any]) -> Token:
    policy = value.get("policy")
    return Token(**{**value, "policy": None if policy is None else _policy(policy)})


def _policy(value: Mapping[str, Any]) -> SecurityPolicy:
    not_after = value.get("not_after")
    return SecurityPolicy(
        node_ids=frozenset(map(int, value.get("node_ids", ()))),
        api_paths=tuple(value.get("api_paths", ())),
        not_after=None if not_after is None else datetime.fromisoformat(not_after).astimezone(UTC),
    )


def _whole(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Copy a mapping, with the named numbers whole: JSON Schema takes 3.0 for an integer."""
    return {**value, **{name: int(value[name]) for name in names if name in value}}

"""A world as JSON values, in the shape of its file, with nothing in it that is secret."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from simulator.world.model import Token, User

__all__ = ["summary_of_user"]

# Shown even where they are what a file that leaves them out stands for.
_ALWAYS = frozenset({"enabled", "oscp_version"})


def summary_of_user(user: "User") -> dict[str, Any]:
    """Return a user and all that the user owns; what is not part of a repr is left out."""
    shown: dict[str, Any] = {
        "id": user.id,
        "roles": sorted(user.roles),
        "tokens": [_token(token) for token in user.tokens],
        "nodes": list(user.nodes),
        "capacity_providers": [_entity(each) for each in user.capacity_providers],
        "capacity_optimizers": [_entity(each) for each in user.capacity_optimizers],
        "capacity_groups": [_entity(each) for each in user.capacity_groups],
    }
    if user.assets:
        shown["assets"] = [_entity(each) for each in user.assets]
    if user.datum_streams:
        shown["datum_streams"] = [_entity(each) for each in user.datum_streams]
    if user.settings is not None:
        shown["settings"] = _entity(user.settings)
    return shown


def _token(token: "Token") -> dict[str, Any]:
    policy = {} if token.policy is None else {"policy": token.policy.summary()}
    return {"id": token.id, "type": token.type, "enabled": token.enabled} | policy


def _entity(item: "DataclassInstance") -> dict[str, Any]:
    # What all external systems have in common is keyword-only, and comes last.
    ordered = sorted(fields(item), key=lambda each: each.kw_only is True)
    values = {each.name: getattr(item, each.name) for each in ordered if _is_told(item, each)}
    if values.get("oscp_version", "") is None:
        values["oscp_version"] = ""
    if values.get("strict", "") is None:
        values["strict"] = True
    return {name: _plain(value) for name, value in values.items()}


def _is_told(item: "DataclassInstance", each: Field[Any]) -> bool:
    default = each.default if each.default_factory is MISSING else each.default_factory()
    return each.repr and (each.name in _ALWAYS or getattr(item, each.name) != default)


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return list(value)
    if value is None or isinstance(value, bool | int | float | str | Mapping):
        return value
    return _entity(value)  # type: ignore[arg-type] # what is left is one of the world's own

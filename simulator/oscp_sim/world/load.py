"""Read a world from a YAML file, or say by line and column why it cannot be one."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from oscp_sim.clock import parse_duration
from oscp_sim.world.model import (
    DEFAULT_ROLES,
    OAUTH_CLIENT_SECRET,
    SIMULATED,
    Asset,
    AssetEnergy,
    AssetMeasurement,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    DatumStream,
    ProviderBehaviour,
    Publication,
    RateLimit,
    SecurityPolicy,
    SystemSettings,
    Token,
    User,
    World,
)
from oscp_sim.yaml_schema import validate
from oscp_sim.yaml_source import SourceError, SourceProblem, YamlDocument, read_yaml

__all__ = [
    "broken_references",
    "idle_keys",
    "is_date_key",
    "is_duration_key",
    "load_world",
    "to_asset",
    "to_datum_stream",
    "to_group",
    "to_optimizer",
    "to_provider",
    "to_publication",
    "world_schema",
]


# § Find what a world file says of a simulated Capacity Provider to no effect.

# Each key, and what it is nothing without: a key beside it and its value. The first of a key that
# does not hold is told.
_NEEDS: Final = (
    ("answer", "adjustments", "answer"),
    ("limit", "adjustments", "answer"),
    ("limit", "answer", "trim"),
    ("answer_after", "adjustments", "answer"),
    ("refusal", "adjustments", "refuse"),
)


def idle_keys(document: YamlDocument) -> Iterator[SourceProblem]:
    """Yield a problem for each key of a behaviour that nothing would ever look at."""
    for at, user in enumerate(document.value["users"]):
        for index, provider in enumerate(user.get("capacity_providers", ())):
            above = f"/users/{at}/capacity_providers/{index}/behaviour"
            for key, needed in _idle(provider).items():
                message = f'"{key}" has no effect without {needed}: add that, or leave this out'
                yield document.problem(f"{above}/{key}", message, key=True)


def _idle(provider: Mapping[str, Any]) -> dict[str, str]:
    """Return each key without effect, and what it needs."""
    behaviour = provider.get("behaviour")
    idle: dict[str, str] = {}
    if not isinstance(behaviour, Mapping):
        return idle
    for key, beside, value in _NEEDS:
        if key in behaviour and behaviour.get(beside) != value:
            idle.setdefault(key, f'"{beside}: {value}" beside it')
    if "timetable" in behaviour and provider.get("profile") != "elmo":
        idle["timetable"] = '"profile: elmo" of the Capacity Provider'
    return idle


# § Turn what a world file says of Capacity Providers, Optimizers, Groups and assets into values.

_T = TypeVar("_T")

_WHOLE = frozenset(
    {
        "id",
        "capacity_group",
        "capacity_optimizer",
        "capacity_provider",
        "flexibility_provider_id",
        "heartbeat_seconds",
        "longest_body",
        "node_id",
        "refusal",
    }
)


_DURATIONS = frozenset(
    {"answer_after", "delay", "heartbeat_every", "step", "token_valid_for"},
)


def is_date_key(key: str) -> bool:
    """Tell whether a key of a world file leads to a date-time."""
    return key in {"created", "modified", "not_after"} or key.endswith("_date")


def is_duration_key(key: str) -> bool:
    """Tell whether a key of a world file leads to a duration."""
    return key in _DURATIONS


def to_provider(value: Mapping[str, Any]) -> CapacityProvider:
    """Return the Capacity Provider that a mapping of a file describes."""
    return _made(CapacityProvider, _system(value), _SYSTEM)


def to_optimizer(value: Mapping[str, Any]) -> CapacityOptimizer:
    """Return the Capacity Optimizer that a mapping of a file describes."""
    return _made(CapacityOptimizer, _system(value), _SYSTEM)


def to_group(value: Mapping[str, Any]) -> CapacityGroup:
    """Return the Capacity Group that a mapping of a file describes."""
    return _made(CapacityGroup, value, _GROUP)


def to_asset(value: Mapping[str, Any]) -> Asset:
    """Return the asset that a mapping of a file describes."""
    return _made(Asset, value, _ASSET)


def to_datum_stream(value: Mapping[str, Any]) -> DatumStream:
    """Return the datum stream that a mapping of a file describes."""
    values = {name: tuple(map(float, each)) for name, each in value["values"].items()}
    start = datetime.fromisoformat(value["start"]).astimezone(UTC)
    return _made(DatumStream, {**value, "start": start}, {"values": lambda _: values})


def to_publication(value: Mapping[str, Any]) -> Publication:
    """Return the settings that a mapping of a file describes."""
    return _made(Publication, value, {})


def _made(
    make: Callable[..., _T],
    value: Mapping[str, Any],
    parts: Mapping[str, Callable[[Any], object]],
) -> _T:
    return make(**{key: _read(key, each, parts) for key, each in value.items()})


def _read(key: str, value: Any, parts: Mapping[str, Callable[[Any], object]]) -> object:  # noqa: ANN401 - any JSON value
    if key in parts:
        return parts[key](value)
    if key == "oscp_version":
        return value or None
    if key in _WHOLE:
        # JSON Schema takes 3.0 for an integer.
        return int(value)
    if key in _DURATIONS:
        return parse_duration(value)
    if is_date_key(key):
        return datetime.fromisoformat(value).astimezone(UTC)
    return tuple(value) if isinstance(value, list) else value


def _system(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a system with its secret apart from its service properties."""
    url = value.get("base_url", SIMULATED)
    blank = isinstance(url, str) and not url.strip()
    secret = (value.get("service_props") or {}).get(OAUTH_CLIENT_SECRET)
    return {**value, "base_url": None if blank else url, "oauth_client_secret": secret}


def _behaviour(value: str | Mapping[str, Any]) -> ProviderBehaviour:
    if isinstance(value, str):
        return _made(ProviderBehaviour, {"adjustments": value}, {})
    return _made(ProviderBehaviour, value, {"strict": _strict, "statuses": dict})


def _strict(value: bool | list[str]) -> frozenset[str] | None:
    return frozenset(value) if isinstance(value, list) else None if value else frozenset()


def _settings(value: Mapping[str, Any]) -> SystemSettings:
    return _made(SystemSettings, value, {})


def _service_props(value: Mapping[str, Any]) -> Mapping[str, Any]:
    # Kept apart: whatever is shown is made of these.
    return {name: each for name, each in value.items() if name != OAUTH_CLIENT_SECRET}


def _measurement(value: Mapping[str, Any]) -> AssetMeasurement:
    return _made(AssetMeasurement, value, {})


def _energy(value: Mapping[str, Any]) -> AssetEnergy:
    return _made(AssetEnergy, value, {})


_SYSTEM: Mapping[str, Callable[[Any], object]] = {
    "behaviour": _behaviour,
    "service_props": _service_props,
    "settings": _settings,
}
_GROUP: Mapping[str, Callable[[Any], object]] = {
    "service_props": _service_props,
    "settings": to_publication,
}
_ASSET: Mapping[str, Callable[[Any], object]] = {
    "energy": _energy,
    "instantaneous": _measurement,
    "service_props": _service_props,
}


# § Find in a world file what no schema says: names without a bearer, and names with two.

_PROVIDERS = "capacity_providers"
_OPTIMIZERS = "capacity_optimizers"
_GROUPS = "capacity_groups"
_ASSETS = "assets"
_KINDS: tuple[tuple[str, str], ...] = (
    (_PROVIDERS, "Capacity Provider"),
    (_OPTIMIZERS, "Capacity Optimizer"),
    (_GROUPS, "Capacity Group"),
    (_ASSETS, "asset"),
)
# What refers to what: a kind, the key of the reference, and the kind that it leads to.
_REFERENCES: tuple[tuple[str, str, str], ...] = (
    (_GROUPS, "capacity_provider", _PROVIDERS),
    (_GROUPS, "capacity_optimizer", _OPTIMIZERS),
    (_ASSETS, "capacity_group", _GROUPS),
)
# A name to be borne once: where it stands, what it is, and what it is called in a message.
_Name = tuple[str, Hashable, str]


def broken_references(document: YamlDocument) -> list[SourceProblem]:
    """Return each problem of a world whose shape is right, in file order."""
    users = document.value["users"]
    problems = [
        *_repeated(document, _names_in_world(users)),
        *_wrong_urls(document, users),
        *_wrong_dates(document, "/users", users),
        *_wrong_parties(document),
        *idle_keys(document),
    ]
    for at, user in enumerate(users):
        problems += _repeated(document, _names_of_user(f"/users/{at}", user))
        problems += _unknown(document, f"/users/{at}", user)
        problems += _foreign_nodes(document, f"/users/{at}", user)
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))


def _names_in_world(users: Sequence[Mapping[str, Any]]) -> Iterator[_Name]:
    for at, user in enumerate(users):
        yield f"/users/{at}/id", ("user", user["id"]), f"user {user['id']}"
        for index, token in enumerate(user.get("tokens", ())):
            yield f"/users/{at}/tokens/{index}/id", ("token", token["id"]), f"token {token['id']}"
        for kind in (_PROVIDERS, _OPTIMIZERS):
            for index, system in enumerate(user.get(kind, ())):
                if "flexibility_provider_token" in system:
                    pointer = f"/users/{at}/{kind}/{index}/flexibility_provider_token"
                    token = system["flexibility_provider_token"]
                    yield pointer, ("caller", token), "this flexibility_provider_token"
        for index, node in enumerate(user.get("nodes", ())):
            yield f"/users/{at}/nodes/{index}", ("node", node), f"node {node}"


def _names_of_user(above: str, user: Mapping[str, Any]) -> Iterator[_Name]:
    for kind, words in _KINDS:
        for index, item in enumerate(user.get(kind, ())):
            yield f"{above}/{kind}/{index}/id", (kind, item["id"]), f"{words} {item['id']}"
    for index, group in enumerate(user.get(_GROUPS, ())):
        identifier = group["identifier"]
        yield f"{above}/{_GROUPS}/{index}/identifier", identifier, f'the identifier "{identifier}"'
    for index, asset in enumerate(user.get(_ASSETS, ())):
        name = (asset["capacity_group"], asset["identifier"])
        words = f'the identifier "{name[1]}" in Capacity Group {name[0]}'
        yield f"{above}/{_ASSETS}/{index}/identifier", name, words
    for kind in (_PROVIDERS, _OPTIMIZERS):
        for index, system in enumerate(user.get(kind, ())):
            if (system.get("base_url") or "").strip():
                url = system["base_url"]
                # SolarUser keeps a base URL once per user and kind.
                yield f"{above}/{kind}/{index}/base_url", (kind, "url", url), "this base_url"


def _repeated(document: YamlDocument, names: Iterator[_Name]) -> Iterator[SourceProblem]:
    first: dict[Hashable, str] = {}
    for pointer, name, words in names:
        if name in first:
            message = f"{words} stands here again, after {document.place(first[name])}"
            yield document.problem(pointer, message)
        else:
            first[name] = pointer


def _unknown(
    document: YamlDocument, above: str, user: Mapping[str, Any]
) -> Iterator[SourceProblem]:
    for kind, key, other in _REFERENCES:
        known = [item["id"] for item in user.get(other, ())]
        for index, item in enumerate(user.get(kind, ())):
            if item[key] not in known:
                there = ", ".join(map(str, known)) or "none"
                words = f"{dict(_KINDS)[other]} {item[key]}"
                message = f"user {user['id']} has no {words}; there is {there}"
                yield document.problem(f"{above}/{kind}/{index}/{key}", message)


def _foreign_nodes(
    document: YamlDocument, above: str, user: Mapping[str, Any]
) -> Iterator[SourceProblem]:
    nodes = user.get("nodes", ())
    named = [("/settings", user.get("settings"))]
    for index, group in enumerate(user.get(_GROUPS, ())):
        named.append((f"/{_GROUPS}/{index}/settings", group.get("settings")))
    for kind in (_ASSETS, "datum_streams"):
        named += ((f"/{kind}/{index}", each) for index, each in enumerate(user.get(kind, ())))
    for pointer, item in named:
        if item and item["node_id"] not in nodes:
            message = f"node {item['node_id']} is none of user {user['id']}: add it to nodes"
            yield document.problem(f"{above}{pointer}/node_id", message)


def _wrong_urls(
    document: YamlDocument, users: Sequence[Mapping[str, Any]]
) -> Iterator[SourceProblem]:
    for at, user in enumerate(users):
        for kind in (_PROVIDERS, _OPTIMIZERS):
            for index, system in enumerate(user.get(kind, ())):
                message = _wrong_url(system.get("base_url"))
                if message:
                    yield document.problem(f"/users/{at}/{kind}/{index}/base_url", message)


def _wrong_dates(document: YamlDocument, pointer: str, value: object) -> Iterator[SourceProblem]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if is_date_key(key) or (key == "start" and "datum_streams" in pointer):
                yield from _wrong_date(document, f"{pointer}/{key}", each)
            elif is_duration_key(key):
                yield from _wrong_duration(document, f"{pointer}/{key}", each)
            elif key not in {"service_props", "values"}:
                yield from _wrong_dates(document, f"{pointer}/{key}", each)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _wrong_dates(document, f"{pointer}/{index}", each)


def _wrong_date(document: YamlDocument, pointer: str, text: str) -> Iterator[SourceProblem]:
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        yield document.problem(pointer, f"there is no such date-time: {error}")


def _wrong_duration(document: YamlDocument, pointer: str, text: str) -> Iterator[SourceProblem]:
    try:
        parse_duration(text)
    except ValueError as error:
        yield document.problem(pointer, str(error))


def _wrong_parties(document: YamlDocument) -> Iterator[SourceProblem]:
    for party in ("solaruser", "flexibility_provider"):
        if party in document.value:
            message = _wrong_url(document.value[party]["base_url"] or " x")
            if message:
                yield document.problem(f"/{party}/base_url", message)


def _wrong_url(url: str | None) -> str | None:
    if url is None or not url.strip():
        return None
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        port_is_good = False
    if not port_is_good or parts.scheme not in {"http", "https"} or not parts.hostname:
        return "a base_url must be as http://host:port/path; leave it out for the simulated one"
    # Shown in logs and reports, unlike the token.
    if parts.username is not None or parts.password is not None:
        return "a base_url must not hold a user name or password; use the token"
    return None


_HERE = files("oscp_sim.world")


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

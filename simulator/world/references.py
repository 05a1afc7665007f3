"""Find in a world file what no schema says: names without a bearer, and names with two."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from simulator.durations import parse_duration
from simulator.world.idle_keys import idle_keys
from simulator.world.load_entities import is_date_key, is_duration_key
from simulator.yaml_source import SourceProblem, YamlDocument

__all__ = ["broken_references"]

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

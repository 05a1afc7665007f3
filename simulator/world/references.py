"""Find in a world file what no schema says: names without a bearer, and names with two."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from simulator.yaml_source import SourceProblem, YamlDocument

__all__ = ["broken_references"]

_PROVIDERS = "capacity_providers"
_OPTIMIZERS = "capacity_optimizers"
_GROUPS = "capacity_groups"
# A name to be borne once: where it stands, what it is, and what it is called in a message.
_Name = tuple[str, Hashable, str]


def broken_references(document: YamlDocument) -> list[SourceProblem]:
    """Return each problem of a world whose shape is right, in file order."""
    users = document.value["users"]
    problems = [
        *_repeated(document, _names_in_world(users)),
        *_wrong_urls(document, users),
    ]
    for at, user in enumerate(users):
        problems += _repeated(document, _names_of_user(f"/users/{at}", user))
        problems += _unknown(document, f"/users/{at}", user)
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))


def _names_in_world(users: Sequence[Mapping[str, Any]]) -> Iterator[_Name]:
    for at, user in enumerate(users):
        yield f"/users/{at}/id", ("user", user["id"]), f"user {user['id']}"
        for index, token in enumerate(user.get("tokens", ())):
            yield f"/users/{at}/tokens/{index}/id", ("token", token["id"]), f"token {token['id']}"
        for index, node in enumerate(user.get("nodes", ())):
            yield f"/users/{at}/nodes/{index}", ("node", node), f"node {node}"


def _names_of_user(above: str, user: Mapping[str, Any]) -> Iterator[_Name]:
    for kind, words in (
        (_PROVIDERS, "Capacity Provider"),
        (_OPTIMIZERS, "Capacity Optimizer"),
        (_GROUPS, "Capacity Group"),
    ):
        for index, item in enumerate(user.get(kind, ())):
            yield f"{above}/{kind}/{index}/id", (kind, item["id"]), f"{words} {item['id']}"
    for index, group in enumerate(user.get(_GROUPS, ())):
        identifier = group["identifier"]
        yield f"{above}/{_GROUPS}/{index}/identifier", identifier, f'the identifier "{identifier}"'
    for index, provider in enumerate(user.get(_PROVIDERS, ())):
        if (provider.get("base_url") or "").strip():
            url = provider["base_url"]
            # SolarUser keeps a base URL once per user.
            yield f"{above}/{_PROVIDERS}/{index}/base_url", ("url", url), "this base_url"


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
    for index, group in enumerate(user.get(_GROUPS, ())):
        for key, kind, words in (
            ("capacity_provider", _PROVIDERS, "Capacity Provider"),
            ("capacity_optimizer", _OPTIMIZERS, "Capacity Optimizer"),
        ):
            known = [item["id"] for item in user.get(kind, ())]
            if group[key] not in known:
                there = ", ".join(map(str, known)) or "none"
                message = f"user {user['id']} has no {words} {group[key]}; there is {there}"
                yield document.problem(f"{above}/{_GROUPS}/{index}/{key}", message)


def _wrong_urls(
    document: YamlDocument, users: Sequence[Mapping[str, Any]]
) -> Iterator[SourceProblem]:
    for at, user in enumerate(users):
        for index, provider in enumerate(user.get(_PROVIDERS, ())):
            message = _wrong_url(provider.get("base_url"))
            if message:
                pointer = f"/users/{at}/{_PROVIDERS}/{index}/base_url"
                yield document.problem(pointer, message)


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

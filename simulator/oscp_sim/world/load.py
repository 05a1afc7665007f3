"""Read a world from a YAML file, or say by line and column why it cannot be one."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from oscp_sim.dataclass_values import DataclassReader
from oscp_sim.faults import Rule, rules_of
from oscp_sim.world.model import (
    OAUTH_CLIENT_SECRET,
    SIMULATED,
    AnySystem,
    Asset,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    ClientCertificate,
    ProviderBehaviour,
    User,
    World,
)
from oscp_sim.yaml_source import SourceError, SourceProblem, YamlDocument, read_yaml
from oscp_sim.yaml_violations import FileSchema

_HERE: Final = files("oscp_sim.world")
_PARTIES: Final = ("solaruser", "flexibility_provider")


def load_world(
    source: Path | str | Mapping[str, Any] | YamlDocument | None = None,
    name: str | None = None,
    folder: Path | None = None,
) -> World:
    """Make a world from a file, from YAML text, or from values in the same shape.

    Args:
        source: A path, the text itself, values, a document (or the part of one) that was read
            already, or None for the world in which the guide's examples run.
        name: What messages call it; the path where there is one.
        folder: Where the files are that it names by relative paths; that of the path, or this one,
            where not given.

    Raises:
        SourceError: Each problem with file, line and column (with a JSON Pointer for values).
    """
    if source is None:
        return _default_world()
    document = _document(source, name)
    if problems := _schema().problems(document):
        raise SourceError(problems)
    rules = rules_of(document)
    beside = folder or (source.parent if isinstance(source, Path) else Path())
    readers: Mapping[type, Callable[[Any, str], object]] = {
        tuple[Rule, ...]: lambda _value, _at: rules,
        Path: lambda value, _at: beside / value,
    }
    reader = DataclassReader(document, _SHORTHANDS, readers)
    world = reader.read(World)
    problems = [
        *reader.problems,
        *_duplicates(document, _names_in_world(world)),
        *_wrong_urls(document, world),
        *_wrong_certificates(document, world),
        *_idle_keys(document),
    ]
    for at, user in enumerate(world.users):
        problems += _duplicates(document, _names_of_user(f"/users/{at}", user))
        problems += (
            document.problem(f"/users/{at}{pointer}", message)
            for pointer, message in (*_unknown_references(user), *_foreign_nodes(user))
        )
    if problems:
        raise SourceError(sorted(problems, key=lambda each: (each.line or 0, each.column or 0)))
    return world


@cache
def _default_world() -> World:
    return load_world(read_yaml(_HERE.joinpath("default.yaml").read_bytes(), "the default world"))


def world_schema() -> dict[str, Any]:
    """Return the JSON Schema of a world file, a fresh copy."""
    schema: dict[str, Any] = json.loads(_HERE.joinpath("world.schema.json").read_bytes())
    return schema


@cache
def _schema() -> FileSchema:
    return FileSchema(world_schema())


def _document(
    source: Path | str | Mapping[str, Any] | YamlDocument, name: str | None
) -> YamlDocument:
    if isinstance(source, YamlDocument):
        return source
    if isinstance(source, Mapping):
        return YamlDocument.of(source, name or "world")
    return read_yaml(source, name if isinstance(source, Path) else name or "world")


# Where a world file is shorter than the dataclasses.


def _world(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a world with the base URL of each party that is played elsewhere in its place."""
    urls = {each: value[each]["base_url"].rstrip("/") for each in _PARTIES if each in value}
    return {**value, **urls}


def _system(value: Mapping[str, Any]) -> Mapping[str, Any]:
    url = value.get("base_url", SIMULATED)
    blank = isinstance(url, str) and not url.strip()
    secret = value.get("service_props", {}).get(OAUTH_CLIENT_SECRET)
    apart = {"base_url": None if blank else url, "oauth_client_secret": secret}
    return {**_without_secret(value), **apart}


def _optimizer(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a Capacity Optimizer whose token is empty where it is to have none."""
    return {**_system(value), **({"token": ""} if value.get("token", "") is None else {})}


def _without_secret(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what owns service properties without the client secret among them."""
    if "service_props" not in value:
        return value
    # Kept apart, because configurations are shown with their service properties.
    shown = {
        key: each for key, each in value["service_props"].items() if key != OAUTH_CLIENT_SECRET
    }
    return {**value, "service_props": shown}


def _behaviour(value: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(value, str):
        return {"adjustments": value}
    return {**value, "strict": ()} if value.get("strict") is False else value


_SHORTHANDS: Final[Mapping[type, Callable[[Any], Mapping[str, Any]]]] = {
    World: _world,
    CapacityProvider: _system,
    CapacityOptimizer: _optimizer,
    CapacityGroup: _without_secret,
    Asset: _without_secret,
    ProviderBehaviour: _behaviour,
}


# What no schema says: a name that nothing has, and one that two things have.

# What a user has several of, each in the list of that name with an s, and what it is called.
_WORDS: Final = {
    "capacity_provider": "Capacity Provider",
    "capacity_optimizer": "Capacity Optimizer",
    "capacity_group": "Capacity Group",
    "asset": "asset",
}
# The items of a list, and the keys by which they refer to others.
_REFERENCES: Final = {
    "capacity_groups": ("capacity_provider", "capacity_optimizer"),
    "assets": ("capacity_group",),
}
# A name that only one thing may have: the pointer to it, the name, and the words for it.
_Name = tuple[str, Hashable, str]


def _duplicates(document: YamlDocument, names: Iterable[_Name]) -> Iterator[SourceProblem]:
    first: dict[Hashable, str] = {}
    for pointer, name, words in names:
        if name in first:
            message = f"duplicate {words} (first at {document.place(first[name])})"
            yield document.problem(pointer, message)
        else:
            first[name] = pointer


def _names_in_world(world: World) -> Iterator[_Name]:
    for at, user in enumerate(world.users):
        yield f"/users/{at}/id", ("user", user.id), f"user {user.id}"
        for index, token in enumerate(user.tokens):
            yield f"/users/{at}/tokens/{index}/id", ("token", token.id), f"token {token.id}"
        for pointer, system in _systems(user):
            if system.flexibility_provider_token is not None:
                below = f"/users/{at}{pointer}/flexibility_provider_token"
                caller = "caller", system.flexibility_provider_token
                yield below, caller, "flexibility_provider_token"
            if (client := system.flexibility_provider_client) is not None:
                below = f"/users/{at}{pointer}/flexibility_provider_client/id"
                yield below, ("client", client.id), f"client {client.id}"
        for index, node in enumerate(user.nodes):
            yield f"/users/{at}/nodes/{index}", ("node", node), f"node {node}"


def _names_of_user(above: str, user: User) -> Iterator[_Name]:
    for name, words in _WORDS.items():
        for index, item in enumerate(getattr(user, f"{name}s")):
            yield f"{above}/{name}s/{index}/id", (name, item.id), f"{words} {item.id}"
    for index, group in enumerate(user.capacity_groups):
        words = f'identifier "{group.identifier}"'
        yield f"{above}/capacity_groups/{index}/identifier", group.identifier, words
    for index, asset in enumerate(user.assets):
        key = (asset.capacity_group, asset.identifier)
        words = f'identifier "{asset.identifier}" in Capacity Group {asset.capacity_group}'
        yield f"{above}/assets/{index}/identifier", key, words
    for pointer, system in _systems(user):
        if isinstance(system.base_url, str):
            # SolarUser keeps a base URL once per user and kind.
            yield f"{above}{pointer}/base_url", (type(system), system.base_url), "base_url"


def _unknown_references(user: User) -> Iterator[tuple[str, str]]:
    """Yield the pointer to each reference to nothing, and what is wrong with it."""
    known = {name: [each.id for each in getattr(user, f"{name}s")] for name in _WORDS}
    for listed, names in _REFERENCES.items():
        for index, item in enumerate(getattr(user, listed)):
            for name in names:
                referred, there = getattr(item, name), known[name]
                if referred not in there:
                    shown = ", ".join(map(str, there)) or "none"
                    message = f"user {user.id} has no {_WORDS[name]} {referred}; it has {shown}"
                    yield f"/{listed}/{index}/{name}", message


def _foreign_nodes(user: User) -> Iterator[tuple[str, str]]:
    for pointer, node in _node_ids(user):
        if node not in user.nodes:
            message = f"node {node} does not belong to user {user.id}: add it to nodes"
            yield f"{pointer}/node_id", message


def _node_ids(user: User) -> Iterator[tuple[str, int]]:
    if user.settings:
        yield "/settings", user.settings.node_id
    for index, group in enumerate(user.capacity_groups):
        if group.settings:
            yield f"/capacity_groups/{index}/settings", group.settings.node_id
    for index, asset in enumerate(user.assets):
        yield f"/assets/{index}", asset.node_id
    for index, stream in enumerate(user.datum_streams):
        yield f"/datum_streams/{index}", stream.node_id


def _systems(user: User) -> Iterator[tuple[str, AnySystem]]:
    """Yield each system of a user with the pointer to it."""
    for index, provider in enumerate(user.capacity_providers):
        yield f"/capacity_providers/{index}", provider
    for index, optimizer in enumerate(user.capacity_optimizers):
        yield f"/capacity_optimizers/{index}", optimizer


# What no schema says of URLs.


def _wrong_urls(document: YamlDocument, world: World) -> Iterator[SourceProblem]:
    for each in _PARTIES:
        if each in document.value and not _is_url(document.value[each]["base_url"]):
            message = (
                "a base_url must look like http://host:port/path, without a user name or password; "
                "leave it out for the simulated one"
            )
            yield document.problem(f"/{each}/base_url", message)
    for at, user in enumerate(world.users):
        for pointer, system in _systems(user):
            # What is no URL is taken, as the service takes it.
            url = system.base_url
            if isinstance(url, str) and "@" in url.partition("//")[2].partition("/")[0]:
                # Shown in logs and reports, unlike the token.
                message = "a base_url must not hold a user name or password; use the token"
                yield document.problem(f"/users/{at}{pointer}/base_url", message)


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = parts.username is None and parts.password is None
    return port_is_good and parts.scheme in {"http", "https"} and bool(parts.hostname) and is_plain


# What no schema says of the files that TLS needs.

_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
_KEY: Final = "PRIVATE KEY-----"
_LOCKED: Final = "ENCRYPTED"


def _wrong_certificates(document: YamlDocument, world: World) -> Iterator[SourceProblem]:
    for at, user in enumerate(world.users):
        for pointer, system in _systems(user):
            shown, authority = system.client_certificate, system.certificate_authority
            above = f"/users/{at}{pointer}"
            found = []
            if shown is not None:
                found += [(f"/client_certificate{at}", why) for at, why in _of_shown(shown)]
            if authority is not None:
                found += [("/certificate_authority", why) for why in _of_authority(authority)]
            for below, why in found:
                yield document.problem(above + below, why)
            yield from _without_effect(document, above, system)


def _without_effect(
    document: YamlDocument, above: str, system: AnySystem
) -> Iterator[SourceProblem]:
    """Yield a problem for TLS of a system at whose URL there is none."""
    url = system.base_url
    # Where the simulator plays it, --seat may still say that it is elsewhere.
    if url is SIMULATED or (isinstance(url, str) and url.lower().startswith("https://")):
        return
    for key in ("client_certificate", "certificate_authority"):
        if getattr(system, key) is not None:
            why = f'"{key}" has no effect without a base_url that begins with https://'
            yield document.problem(f"{above}/{key}", why, key=True)


def _of_shown(shown: ClientCertificate) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a client certificate and its key, and where below them."""
    pem = (
        ("/certificate", _text(shown.certificate), _CERTIFICATE, "certificate"),
        ("/key", _text(shown.key), _KEY, "private key"),
    )
    wrong = [(at, _not_pem(text, mark, what)) for at, text, mark, what in pem]
    yield from ((at, why) for at, why in wrong if why)
    if any(why for _, why in wrong):
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(shown.certificate, shown.key)
    except ssl.SSLError as error:
        why = f"it cannot be used with {shown.certificate}: {error.reason or error}"
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"it is not the key of {shown.certificate}: give the two that were made together"
        yield "/key", why


def _of_authority(path: Path) -> Iterator[str]:
    why = _not_pem(_text(path), _CERTIFICATE, "certificate")
    if why:
        yield why
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        yield f"{path} cannot be used: {error.reason or error}"


def _text(path: Path) -> str | OSError:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return error


def _not_pem(text: str | OSError, mark: str, what: str) -> str | None:
    """Return why a file holds nothing that can be used, or None."""
    if isinstance(text, OSError):
        reason = (text.strerror or str(text)).lower()
        return f"{text.filename}: {reason}; give a PEM file, relative to the file of the world"
    if mark not in text:
        return f"there is no {what} in it: give a PEM file, with a line {mark.strip('-')!r}"
    if what == "private key" and _LOCKED in text:
        return "the key needs a password: write it without one, as openssl pkey -in OLD -out NEW"
    return None


# What nothing would ever look at.

# A key of a behaviour, and what it needs: a key beside it and its value. Of a key, the first that
# is not met is reported.
_NEEDS: Final = (
    ("answer", "adjustments", "answer"),
    ("limit", "adjustments", "answer"),
    ("limit", "answer", "trim"),
    ("answer_after", "adjustments", "answer"),
    ("refusal", "adjustments", "refuse"),
)


def _idle_keys(document: YamlDocument) -> Iterator[SourceProblem]:
    """Yield a problem for each key of a behaviour that has no effect.

    A key has none even with its default: so this looks at what is written, not at what it means.
    """
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

"""Dataclasses are read from a file by their type hints, and shown as the file would write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import pytest

from oscp_sim.dataclass_values import (
    ALWAYS_SHOWN,
    DataclassReader,
    changed,
    none_as,
    show,
    written_as,
)
from oscp_sim.http import Errand, Request
from oscp_sim.world import (
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
    world_schema,
)
from oscp_sim.world.model import Client
from oscp_sim.yaml_source import YamlDocument, read_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Inner:
    count: int = 7


@dataclass(frozen=True, slots=True)
class Outer(Base):
    name: str
    secret: str | None = field(default=None, repr=False)
    every: timedelta = timedelta(seconds=1)
    word: Literal["a", "b"] = field(default="a", metadata=ALWAYS_SHOWN)
    version: str | None = field(default="2.0", metadata=none_as(""))
    number: int | float | None = None
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    names: frozenset[str] = frozenset()
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    anything: Mapping[str, Any] = field(default_factory=dict)


EVERYTHING = """\
name: x
secret: hush
every: 1m30s
word: b
version: ""
number: 3.0
inner: {count: 2.0}
inners: [{count: 1}, {}]
names: [b, a]
series: {w: [1, 2.5]}
anything: {every: 1m, deep: [null]}
since: 2026-03-01T01:00:00+01:00
"""


def test_each_field_is_read_by_its_hint() -> None:
    reader = DataclassReader(read_yaml(EVERYTHING))
    read = reader.read(Outer)
    assert reader.problems == []
    assert read == Outer(
        "x",
        "hush",
        timedelta(seconds=90),
        "b",
        None,
        3.0,
        Inner(2),
        (Inner(1), Inner()),
        frozenset({"a", "b"}),
        {"w": (1.0, 2.5)},
        {"every": "1m", "deep": [None]},
        since=datetime(2026, 3, 1, tzinfo=UTC),
    )
    assert read.inner is not None
    assert isinstance(read.inner.count, int)
    assert isinstance(read.series["w"][0], float)
    assert read.anything["every"] == "1m"


def test_what_is_shown_is_what_a_file_would_hold_without_secrets_and_defaults() -> None:
    shown = show(DataclassReader(read_yaml(EVERYTHING)).read(Outer))
    assert shown == {
        "name": "x",
        "every": "90s",
        "word": "b",
        "version": "",
        "number": 3.0,
        "inner": {"count": 2},
        "inners": [{"count": 1}, {}],
        "names": ["a", "b"],
        "series": {"w": (1.0, 2.5)},
        "anything": {"every": "1m", "deep": [None]},
        "since": "2026-03-01T00:00:00Z",
    }
    assert list(shown)[-1] == "since"
    assert show(Outer("y")) == {"name": "y", "word": "a"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("every: 0s", 'f:2:8: "0s" is no'),
        ("since: 2026-02-30T00:00:00Z", "f:2:8: there is no such date-time: day is out of range"),
        ("since: 0001-01-01T00:00:00+01:00", "f:2:8: there is no such date-time"),
        ("series: {a: [1], 'b/c': [1" + "0" * 400 + "]}", "f:2:26: int too large"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(text: str, problem: str) -> None:
    reader = DataclassReader(read_yaml(f"name: x\n{text}", "f"))
    reader.read(Outer)
    (found,) = map(str, reader.problems)
    assert found.startswith(problem)


def test_a_shorthand_stands_for_a_mapping() -> None:
    document = YamlDocument.of({"name": "x", "inners": [1, {"count": 2}]}, "f")
    reader = DataclassReader(
        document, {Inner: lambda value: {"count": value} if isinstance(value, int) else value}
    )
    assert reader.read(Outer).inners == (Inner(1), Inner(2))


def _upper(text: str) -> str:
    if not text.islower():
        message = "not in lower case"
        raise ValueError(message)
    return text.upper()


@dataclass(frozen=True, slots=True)
class Other:
    value: Any


@dataclass(frozen=True, slots=True)
class Written:
    source: YamlDocument
    sender: Annotated[str, _upper] | None = field(default=None, metadata=written_as("from"))
    content: Inner | Other | None = field(
        default=None, metadata=written_as({"inner": Inner, "other": Other})
    )
    numbers: Mapping[int, Annotated[str, _upper]] = field(default_factory=dict)
    status: int | Literal["none"] | None = None


def _written(text: str) -> tuple[Written, list[str]]:
    reader = DataclassReader(
        read_yaml(text, "f"), {}, {Other: lambda value, at: Other((value, at))}
    )
    return reader.read(Written), list(map(str, reader.problems))


def test_a_field_may_be_written_in_another_way() -> None:
    read, problems = _written("from: a\nother: null\nnumbers: {'4': b}\nstatus: 204.0")
    assert not problems
    assert (read.sender, read.content, read.numbers) == ("A", Other((None, "/other")), {4: "B"})
    assert repr(read.status) == "204"
    assert read.source.place("/numbers/4") == "f:3"
    assert _written("inner: {count: 2}\nstatus: none")[0].content == Inner(2)


def test_what_a_function_cannot_read_is_named_with_its_place() -> None:
    _, problems = _written("from: A\nnumbers: {'4': b, '5': B}")
    assert problems == ["f:1:7: not in lower case", "f:2:24: not in lower case"]


#: The dataclass of each object of a world file, and its fields that a file does not write there.
OBJECTS: dict[str, tuple[type, set[str]]] = {
    "": (World, set()),
    "/properties/rate_limit": (RateLimit, set()),
    "/definitions/user": (User, set()),
    "/definitions/token": (Token, set()),
    "/definitions/token/properties/policy": (SecurityPolicy, set()),
    "/definitions/capacity_provider": (CapacityProvider, {"oauth_client_secret"}),
    "/definitions/capacity_optimizer": (CapacityOptimizer, {"oauth_client_secret"}),
    "/definitions/client": (Client, set()),
    "/definitions/capacity_group": (CapacityGroup, set()),
    "/definitions/asset": (Asset, set()),
    "/definitions/asset/properties/instantaneous": (AssetMeasurement, set()),
    "/definitions/asset/properties/energy": (AssetEnergy, set()),
    "/definitions/publication": (Publication, set()),
    "/definitions/behaviour": (ProviderBehaviour, set()),
    "/definitions/datum_stream": (DatumStream, set()),
    "/definitions/system_settings": (SystemSettings, set()),
}


@pytest.mark.parametrize("pointer", OBJECTS)
def test_the_schema_of_a_world_file_has_the_fields_of_the_dataclasses(pointer: str) -> None:
    kind, elsewhere = OBJECTS[pointer]
    schema = YamlDocument.of(world_schema(), "schema").at(pointer).value
    assert set(schema["properties"]) == {each.name for each in fields(kind)} - elsewhere


@dataclass(frozen=True)
class Named:
    value: int = 1


ERRAND = Errand.of(Request("POST", "/a?b", (("x", "y"),), b"{}", "here", 7), "solaruser", 3)
CHANGES: list[tuple[Outer | Errand | Named | World, dict[str, Any]]] = [
    (Outer("n", secret="s", names=frozenset({"a"})), {"name": "m", "since": None}),
    (Outer("n"), {}),
    (ERRAND, {"target": "/c?d", "exchange_id": 8}),
    (Named(), {"value": 3}),
    (World(()), {"broker": "down"}),
]


@pytest.mark.parametrize(("value", "changes"), CHANGES)
def test_a_dataclass_is_changed_as_replace_does_it(
    value: Outer | Errand | Named | World, changes: dict[str, Any]
) -> None:
    expected, found = replace(value, **changes), changed(value, **changes)
    assert (found, type(found)) == (expected, type(expected))
    for each in fields(value):
        assert getattr(found, each.name) == getattr(expected, each.name)


def test_a_field_that_there_is_not_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="colour"):
        changed(Inner(), colour="red")

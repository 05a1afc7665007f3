"""Read dataclasses from the values of a file by their own type hints, and show them again.

A field is declared once, in its dataclass: how it is written in a file follows from its type. A
date-time is read as UTC, a duration as `15m`; a whole number may be written as `3.0`; of a field
with several types, a value stays as it is written. `Annotated[T, read]` is read by the function
`read`, and a `YamlDocument` is the part of the file that its dataclass was read from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import repeat
from types import MappingProxyType, NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from oscp_schemas.show import escape_pointer
from oscp_send.times import utc_text
from oscp_sim.clock import parse_duration
from oscp_sim.yaml_source import SourceProblem, YamlDocument

if TYPE_CHECKING:
    from _typeshed import DataclassInstance  # which exists for type checkers only


_T = TypeVar("_T")
_Instance = TypeVar("_Instance", bound="DataclassInstance")

_ALWAYS: Final = "always_shown"
_NONE: Final = "none_as"
_KEYS: Final = "written_as"

#: Metadata of a field that is shown even where it has its default.
ALWAYS_SHOWN: Final = MappingProxyType({_ALWAYS: True})


def changed(value: _Instance, /, **changes: object) -> _Instance:
    """Return a dataclass with other values in some of its fields, sooner than `replace` does."""
    names = _names_of(type(value))
    own = zip(names, map(getattr, repeat(value), names), strict=True)
    return type(value)(**dict(own, **changes))


@cache
def _names_of(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind) if each.init)


def none_as(written: object) -> dict[str, Any]:
    """Return the metadata of a field whose None is written in a file as another value."""
    return {_NONE: written}


def written_as(keys: str | Mapping[str, type]) -> dict[str, Any]:
    """Return the metadata of a field that has another key in a file, or one for each of its types.

    A field with `written_as({"wait": Wait, ...})` is a `Wait` where the file has the key `wait`.
    """
    return {_KEYS: {keys: None} if isinstance(keys, str) else keys}


@dataclass(frozen=True, slots=True)
class DataclassReader:
    """Makes dataclasses of a document, and collects what cannot be read.

    Attributes:
        document: Its shape is right: a JSON Schema has judged it.
        shorthands: For a dataclass, what turns its value in a file into a mapping with its fields'
            names as keys, where the file writes it in another way.
        readers: For a type, what makes it of its value in the file and the pointer to that, where
            neither its hints nor a shorthand say how; None is given to it, too.
        problems: What cannot be read, with its place. With any, what was read is of no use.
    """

    document: YamlDocument
    shorthands: Mapping[type, Callable[[Any], Mapping[str, Any]]] = field(default_factory=dict)
    readers: Mapping[type, Callable[[Any, str], object]] = field(default_factory=dict)
    problems: list[SourceProblem] = field(default_factory=list)

    def read(self, kind: type[_T]) -> _T:
        """Return the dataclass that the document describes."""
        made: _T = self._read(kind, self.document.value, "")
        return made

    def fields_of(self, kind: type, value: Mapping[str, Any], at: str = "") -> dict[str, Any]:
        """Return by name the fields of a dataclass that a mapping in the document has."""
        keys, nones, own = _plan(kind)
        read: dict[str, Any] = {name: self.document.at(at) for name in own}
        for key, each in value.items():
            name, hint = keys[key]
            is_none = name in nones and each == nones[name]
            read[name] = None if is_none else self._read(hint, each, f"{at}/{escape_pointer(key)}")
        return read

    def attempt(self, read: Callable[[str], _T], value: str, at: str) -> _T | None:
        """Return what a function reads in a text, or note what its ValueError says."""
        try:
            return read(value)
        except (ValueError, OverflowError) as error:
            self.problems.append(self.document.problem(at, str(error)))
            return None

    def _read(self, hint: Any, value: Any, at: str) -> Any:  # noqa: ANN401 - any type's value
        if hint in self.readers:
            return self.readers[hint](value, at)
        origin, args = get_origin(hint), get_args(hint)
        if origin is Union or origin is UnionType:
            return self._read_union([each for each in args if each is not NoneType], value, at)
        if value is None:
            return None
        if hint in _SCALARS or origin is Annotated:
            return self.attempt(_SCALARS[hint] if hint in _SCALARS else args[1], value, at)
        if is_dataclass(hint):
            shorthand = self.shorthands.get(hint)  # type: ignore[arg-type] # it is a type
            mapping = shorthand(value) if shorthand else value
            return hint(**self.fields_of(hint, mapping, at))  # type: ignore[operator, arg-type]
        return self._read_several(origin, args, value, at)

    def _read_several(self, origin: Any, args: tuple[Any, ...], value: Any, at: str) -> Any:  # noqa: ANN401
        if origin is tuple or origin is frozenset:
            return origin(self._read(args[0], each, f"{at}/{i}") for i, each in enumerate(value))
        if origin is Mapping:
            return {
                self._read(args[0], key, at): self._read(
                    args[1], each, f"{at}/{escape_pointer(key)}"
                )
                for key, each in value.items()
            }
        return value

    def _read_union(self, kinds: list[Any], value: Any, at: str) -> Any:  # noqa: ANN401
        if len(kinds) == 1:
            return self._read(kinds[0], value, at)
        is_whole = int in kinds and float not in kinds and isinstance(value, float)
        return int(value) if is_whole else value


def show(item: DataclassInstance) -> dict[str, Any]:
    """Return a dataclass as JSON values by the names of its fields, as a file would write it.

    A field that is not part of the repr is left out; one that has its default, too, unless it is
    `ALWAYS_SHOWN`. Keyword-only fields, which a base class has, come last.
    """
    ordered = sorted(fields(item), key=lambda each: each.kw_only is True)
    values = {each.name: (each, getattr(item, each.name)) for each in ordered}
    return {
        name: _shown(each.metadata.get(_NONE) if value is None else value)
        for name, (each, value) in values.items()
        if each.repr and (_ALWAYS in each.metadata or value != _default(each))
    }


def _shown(value: object) -> object:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_shown(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return show(value)
    return value


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"there is no such date-time: {error}"
        raise ValueError(message) from None


_SCALARS: Final[Mapping[Any, Callable[[Any], object]]] = {
    int: int,
    float: float,
    datetime: _instant,
    timedelta: parse_duration,
}


@cache
def _plan(kind: Any) -> tuple[dict[str, tuple[str, Any]], dict[str, object], list[str]]:  # noqa: ANN401
    """Return how a dataclass is read.

    Which field each key is for and of which type, how a None is written, and which fields are the
    part of the document itself.
    """
    hints = get_type_hints(kind, include_extras=True)
    keys = {
        key: (each.name, named or hints[each.name])
        for each in fields(kind)
        for key, named in each.metadata.get(_KEYS, {each.name: None}).items()
    }
    nones = {each.name: each.metadata[_NONE] for each in fields(kind) if _NONE in each.metadata}
    return keys, nones, [name for name, hint in hints.items() if hint is YamlDocument]


def _default(of: Field[Any]) -> object:
    return of.default if of.default_factory is MISSING else of.default_factory()

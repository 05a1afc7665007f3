"""Read dataclasses from the values of a file by their own type hints, and show them again.

A field is declared once, in its dataclass: how it is written in a file follows from its type. A
date-time is read as UTC, a duration as `15m`; a whole number may be written as `3.0`; of a field
with several types, a value stays as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from oscp_schemas.show import escape_pointer
from oscp_sim.clock import parse_duration
from oscp_sim.yaml_source import SourceProblem, YamlDocument

if TYPE_CHECKING:
    from _typeshed import DataclassInstance  # which exists for type checkers only

_T = TypeVar("_T")

_ALWAYS: Final = "always_shown"
_NONE: Final = "none_as"

#: Metadata of a field that is shown even where it has its default.
ALWAYS_SHOWN: Final = MappingProxyType({_ALWAYS: True})


def none_as(written: object) -> dict[str, Any]:
    """Return the metadata of a field whose None is written in a file as another value."""
    return {_NONE: written}


@dataclass(frozen=True, slots=True)
class DataclassReader:
    """Makes dataclasses of a document, and collects what cannot be read.

    Attributes:
        document: Its shape is right: a JSON Schema has judged it.
        shorthands: For a dataclass, what turns its value in a file into a mapping with its fields'
            names as keys, where the file writes it in another way; parts may be ready made.
        problems: What cannot be read, with its place. With any, what was read is of no use.
    """

    document: YamlDocument
    shorthands: Mapping[type, Callable[[Any], Mapping[str, Any]]] = field(default_factory=dict)
    problems: list[SourceProblem] = field(default_factory=list)

    def read(self, kind: type[_T], at: str = "") -> _T:
        """Return the dataclass that the document, or the part at a JSON Pointer, describes."""
        made: _T = self._read(kind, self.document.at(at).value if at else self.document.value, at)
        return made

    def _read(self, hint: Any, value: Any, at: str) -> Any:  # noqa: ANN401 - any type's value
        if value is None:
            return None
        if hint in _SCALARS:
            try:
                return _SCALARS[hint](value)
            except (ValueError, OverflowError) as error:
                self.problems.append(self.document.problem(at, str(error)))
                return None
        if is_dataclass(hint):
            return value if isinstance(value, hint) else self._made(hint, value, at)  # type: ignore[arg-type] # a class
        return self._read_generic(get_origin(hint), get_args(hint), value, at)

    def _read_generic(self, origin: Any, args: tuple[Any, ...], value: Any, at: str) -> Any:  # noqa: ANN401
        if origin is Union or origin is UnionType:
            kinds = [each for each in args if each is not NoneType]
            return self._read(kinds[0], value, at) if len(kinds) == 1 else value
        if origin is tuple or origin is frozenset:
            return origin(self._read(args[0], each, f"{at}/{i}") for i, each in enumerate(value))
        if origin is Mapping:
            return {
                key: self._read(args[1], each, f"{at}/{escape_pointer(key)}")
                for key, each in value.items()
            }
        return value

    def _made(self, kind: Any, value: Any, at: str) -> object:  # noqa: ANN401 - any dataclass
        if kind in self.shorthands:
            value = self.shorthands[kind](value)
        hints = _hints(kind)
        nones = {each.name: each.metadata[_NONE] for each in fields(kind) if _NONE in each.metadata}
        return kind(
            **{
                name: None
                if name in nones and each == nones[name]
                else self._read(hints[name], each, f"{at}/{name}")
                for name, each in value.items()
            }
        )


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
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
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
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _default(of: Field[Any]) -> object:
    return of.default if of.default_factory is MISSING else of.default_factory()

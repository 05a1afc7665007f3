"""What every OSCP message and data type has in common: immutable, and JSON in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from oscp_send.errors import InvalidValue
from oscp_send.fields import write_instant

__all__ = ["Structure", "nested"]

Reader = Callable[[str, object], object]
S = TypeVar("S", bound="Structure")


@dataclass(frozen=True, slots=True)
class Structure:
    """The base of messages and of the types below them."""

    #: How to turn a JSON value into the Python value of a field, where it is not the same.
    _readers: ClassVar[Mapping[str, Reader]] = {}

    def to_dict(self) -> dict[str, Any]:
        """Answers with the JSON values as they are on the wire; absent ones are left out."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: _written(value) for name, value in values if value is not None}

    @classmethod
    def from_dict(cls, value: Mapping[str, object]) -> Self:
        """Makes one from JSON values.

        Properties that OSCP 2.0 does not know are passed over, as SolarNetwork does.

        Raises:
            InvalidValue: A property is missing, null, or unusable; the pointer names it.
        """
        if not isinstance(value, Mapping):
            raise InvalidValue("", f"an object is expected, not {type(value).__name__}")
        read: dict[str, Any] = {name: cls._read(name, value[name]) for name in cls._named(value)}
        return cls(**read)

    @classmethod
    def _named(cls, value: Mapping[str, object]) -> list[str]:
        known = fields(cls)
        for field in known:
            optional = field.default is not MISSING or field.default_factory is not MISSING
            if field.name not in value and not optional:
                raise InvalidValue(f"/{field.name}", "is missing")
        return [field.name for field in known if field.name in value]

    @classmethod
    def _read(cls, name: str, value: object) -> object:
        if value is None:
            raise InvalidValue(f"/{name}", "null is refused", "leave an absent property out")
        reader = cls._readers.get(name)
        return value if reader is None else reader(name, value)

    def _keep(self, **values: object) -> None:
        """Sets the fields, once, of an object that refuses to be changed afterwards."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def nested(kind: type[S]) -> Callable[[str, object], S]:
    """Answers with a reader that takes an object of a kind, or a mapping with its JSON values."""

    def read(name: str, value: object) -> S:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            found = "None" if value is None else type(value).__name__
            raise InvalidValue(f"/{name}", f"{kind.__name__} is expected, not {found}")
        try:
            return kind.from_dict(value)
        except InvalidValue as error:
            raise error.inside(f"/{name}") from None

    return read


def _written(value: object) -> object:
    if isinstance(value, Structure):
        return value.to_dict()
    if isinstance(value, datetime):
        return write_instant(value)
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return str(value) if isinstance(value, str) else value

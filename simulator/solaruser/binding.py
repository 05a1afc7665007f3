"""How SolarUser's framework puts the fields of a query or a form into an object.

The codes are the service's, the texts behind them inferred (SolarUser dossier §1.5 and §7.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from oscp_send.solarnetwork.dates import read_form_date
from simulator.solaruser.conversion import LONG, STATE, all_longs, long_of, state_of
from simulator.solaruser.refusal import ApiRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from werkzeug.datastructures import MultiDict

    from simulator.instructions import State

__all__ = ["Binding", "refuse_property"]

_INSTANT: Final = "java.time.Instant"

Value = TypeVar("Value")


class Binding:
    """Takes values from fields, and refuses all that cannot be converted at once.

    Args:
        parameters: Of query and form.
    """

    def __init__(self, parameters: MultiDict[str, str]) -> None:
        self._parameters = parameters
        self._errors: list[dict[str, Any]] = []

    def text(self, name: str) -> str | None:
        """Answers with a text; the values of a field that is repeated are joined by commas."""
        return ",".join(self._parameters.getlist(name)) if name in self._parameters else None

    def long(self, name: str) -> int | None:
        """Answers with a whole number, the first one given."""
        return self._first(name, LONG, long_of)

    def longs(self, name: str) -> tuple[int, ...]:
        """Answers with whole numbers, of a list with commas or of a field that is repeated."""
        return self._converted(name, f"{LONG}[]", all_longs) or ()

    def state(self, name: str) -> State | None:
        """Answers with a state, the first one given."""
        return self._first(name, STATE, state_of)

    def states(self, name: str) -> tuple[State, ...]:
        """Answers with states, of a list with commas or of a field that is repeated."""
        return self._converted(name, f"{STATE}[]", _all_states) or ()

    def date(self, name: str) -> datetime | None:
        """Answers with an instant, the first one given; a blank one is none."""
        return self._first(
            name, _INSTANT, lambda text: read_form_date(text) if text.strip() else None
        )

    def refuse(self, name: str, kind: str, reason: str) -> None:
        """Notes that a field cannot be converted."""
        given = self._parameters.getlist(name)
        self._errors.append(
            {
                "location": name,
                "code": "typeMismatch",
                "rejectedValue": given[0] if len(given) == 1 else given,
                "message": f"Failed to convert property value of type 'java.lang.String' to "
                f"required type '{kind}' for property '{name}'; {reason}",
            }
        )

    def check(self) -> None:
        """Refuses the request if a field could not be converted.

        Raises:
            ApiRefused: With every such field.
        """
        if self._errors:
            raise ApiRefused(422, "Validation error.", code="VAL.00004", errors=self._errors)

    def _first(self, name: str, kind: str, convert: Callable[[str], Value | None]) -> Value | None:
        return self._converted(name, kind, lambda texts: convert(texts[0]))

    def _converted(
        self, name: str, kind: str, convert: Callable[[Sequence[str]], Value | None]
    ) -> Value | None:
        if name not in self._parameters:
            return None
        try:
            return convert(self._parameters.getlist(name))
        except ValueError as error:
            self.refuse(name, kind, str(error))
            return None


def refuse_property(path: str, reason: str) -> NoReturn:
    """Refuses a field whose name leads nowhere.

    Raises:
        ApiRefused: Always.
    """
    raise ApiRefused(
        422,
        f"Invalid property '{path}' of bean class [net.solarnetwork.central.instructor.domain."
        f"Instruction]: {reason}",
        code="VAL.00005",
    )


def _all_states(texts: Sequence[str]) -> tuple[State, ...]:
    parts = texts[0].split(",") if len(texts) == 1 else texts
    states = (state_of(part) for part in parts)
    return tuple(dict.fromkeys(state for state in states if state is not None))

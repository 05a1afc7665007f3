"""A text that is never shown by accident."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

__all__ = ["Secret"]

_SHOWN: Final = "********"


class Secret:
    """Keeps a secret out of every repr, log line, error and format.

    Only `reveal` gives it away. Two secrets are equal when their texts are.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str | Secret) -> None:
        self._text: Final[str] = text.reveal() if isinstance(text, Secret) else text

    def reveal(self) -> str:
        """Answers with the secret itself, for signing."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_SHOWN!r})"

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        return format(_SHOWN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"),
            other._text.encode("utf-8", "surrogatepass"),
        )

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        """Refuses to be pickled or copied into a place where it could be read."""
        raise TypeError("a Secret is not pickled: hand over where it is kept, not what it is")

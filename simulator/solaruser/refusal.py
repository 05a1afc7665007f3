"""A refusal before a request reaches the API: status, text, headers, and why, for ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MAXIMUM_BODY", "ApiRefused", "AuthenticationRefused", "too_large"]

# The service's own limit, of every kind of body (SolarUser dossier §5.7 and §7.4).
MAXIMUM_BODY = 20_971_520


class AuthenticationRefused(Exception):
    """Raised for a request that is refused before anything looks at what it asks for.

    Attributes:
        status: HTTP status.
        message: The service's text.
        with_headers: Whether the authentication headers go with it.
        explanation: What the simulator knows beyond that, for its journal; holds no secret.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        with_headers: bool = True,
        explanation: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.with_headers = with_headers
        self.explanation = explanation or {}

    def headers(self) -> list[tuple[str, str]]:
        """Answers with the headers that the service sets besides."""
        if not self.with_headers:
            return []
        return [("WWW-Authenticate", "SNWS2"), ("X-SN-ErrorMessage", self.message)]


class ApiRefused(Exception):
    """Raised for a request that the API itself refuses.

    Attributes:
        status: HTTP status.
        message: The service's text; None where it gives a code alone.
        code: The service's code; most refusals have none.
        errors: Each field that is wrong, as `location`, `code`, `rejectedValue` and `message`.
        explanation: What the simulator knows beyond that, for its journal; holds no secret.
    """

    def __init__(
        self,
        status: int,
        message: str | None,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        explanation: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.errors = errors
        self.explanation = explanation or {}


def too_large() -> AuthenticationRefused:
    """Answers with the refusal of a body that is over the limit and declares no digest."""
    message = f"Maximum upload size of {MAXIMUM_BODY} bytes exceeded"
    return AuthenticationRefused(403, message, with_headers=False)

"""What differs between the external systems that the simulator plays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from oscp_send.findings import Finding

__all__ = ["Answer", "Manners", "PlainManners"]


class Answer(Protocol):
    """An answer with its headers, ready to be sent."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Those that belong to it."""
        ...

    @property
    def body(self) -> bytes:
        """Empty where there is none."""
        ...


class Manners(Protocol):
    """The ways of one system: what it serves, what it minds, and how it says so.

    A case is one of the dossier's (`X1` to `X21`), a rule (`S15`), or `json`, `schema`, `path`,
    `versions` or `adjustment`.
    """

    @property
    def endpoints(self) -> Mapping[str, str]:
        """The paths that it serves, each with its action."""
        ...

    @property
    def register_methods(self) -> tuple[str, ...]:
        """The methods of `/register`; every other message is a POST."""
        ...

    @property
    def request_id_needed(self) -> AbstractSet[str]:
        """The actions that need an X-Request-ID."""
        ...

    @property
    def correlation_needed(self) -> AbstractSet[str]:
        """The actions that need an X-Correlation-ID, whatever it names."""
        ...

    @property
    def configuration_needed(self) -> AbstractSet[str]:
        """The actions in which `measurement_configuration` is required."""
        ...

    @property
    def behaviour_needed(self) -> bool:
        """Whether a Handshake without `required_behaviour` is refused."""
        ...

    @property
    def no_measurements(self) -> bool:
        """Whether a list of no measurements is accepted."""
        ...

    @property
    def reassembles(self) -> bool:
        """Whether segments are put together."""
        ...

    @property
    def correlates_register(self) -> bool:
        """Whether an answering Register names the Register that it answers."""
        ...

    @property
    def registers_back_after(self) -> timedelta:
        """How long after an opening Register it sends its own."""
        ...

    @property
    def handshake_after(self) -> timedelta | None:
        """How long after its answering Register it sends a Handshake; None: when told to."""
        ...

    @property
    def old_token_ends_at_once(self) -> bool:
        """Whether a new token ends the old one before the registration has succeeded."""
        ...

    @property
    def accepts(self) -> range:
        """The statuses that it takes for success when it sends something."""
        ...

    @property
    def token_valid_for(self) -> timedelta | None:
        """How long a token that it gives is good; None: for ever."""
        ...

    @property
    def longest_body(self) -> int:
        """The bytes of the longest message that it takes."""
        ...

    @property
    def delay(self) -> timedelta:
        """How long every answer takes."""
        ...

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant as it stands in its messages."""
        ...

    def status(self, case: str) -> int:
        """Answers with the HTTP status of a case; below 400, the message is accepted."""
        ...

    def minds(self, finding: Finding, case: str) -> bool:
        """Tells whether a finding, which is of that case or rule, is to be a refusal."""
        ...

    def refusal(self, case: str, message: str, keyword: str = "") -> Answer:
        """Answers with how it refuses.

        Args:
            case: What is wrong, for a program.
            message: The same, for a person.
            keyword: Of a body that the schema refuses: the first violation's keyword.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


# As suggested for a mock (OSCP dossier §2.4 and §9.3).
_STATUSES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "X1": 401,
        "X2": 403,
        "X3": 403,
        "X4": 403,
        "X5": 403,
        "X6": 403,
        "X7": 400,
        "X13": 405,
        "X14": 415,
        "X17": 415,
        "X18": 413,
        "X19": 404,
        "json": 400,
        "schema": 400,
        "path": 404,
        "versions": 501,
    }
)


@dataclass(frozen=True, slots=True)
class PlainManners:
    """Those of the specification, for a system that has no others.

    Attributes:
        endpoints: The paths that it serves, each with its action.
        request_id_needed: The actions that need an X-Request-ID.
    """

    endpoints: Mapping[str, str]
    request_id_needed: frozenset[str]
    register_methods: tuple[str, ...] = ("POST", "PUT", "DELETE")
    correlation_needed: frozenset[str] = frozenset()
    configuration_needed: frozenset[str] = frozenset()
    behaviour_needed: bool = False
    no_measurements: bool = True
    reassembles: bool = True
    correlates_register: bool = True
    registers_back_after: timedelta = timedelta(seconds=1)
    handshake_after: timedelta | None = None
    old_token_ends_at_once: bool = False
    longest_body: int = 20_971_520
    delay: timedelta = timedelta()
    accepts: range = range(200, 300)
    token_valid_for: timedelta | None = None

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant in UTC, with three digits after the second or none."""
        spec = "milliseconds" if instant.microsecond else "seconds"
        return instant.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")

    def status(self, case: str) -> int:
        """Answers with the HTTP status of a case; one that is not named is accepted."""
        return _STATUSES.get(case, 204)

    def minds(self, finding: Finding, case: str) -> bool:  # noqa: ARG002 - theirs
        """Tells that none is."""
        return False

    def refusal(self, case: str, message: str, keyword: str = "") -> Answer:  # noqa: ARG002 - theirs
        """Answers with `{"message"}`."""
        headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
        if case == "X13":
            headers = (("Allow", "POST"), *headers)
        return _Refusal(self.status(case), headers, json.dumps({"message": message}).encode())

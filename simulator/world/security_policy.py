"""What a security token is restricted to, apart from its type."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["SecurityPolicy"]


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """The security policy of a token; what is empty or None restricts nothing.

    As observed in SolarNetwork (SolarUser dossier §6.2); that an empty `node_ids` restricts nothing
    is inferred.

    Attributes:
        node_ids: The nodes that the token may be used for.
        api_paths: Ant patterns of the paths that it may be used on, each after `/api/v1/sec`; one
            that begins with `!` allows what it does not match. Any of them suffices.
        not_after: When the token expires, an aware datetime.
    """

    node_ids: frozenset[int] = frozenset()
    api_paths: tuple[str, ...] = ()
    not_after: datetime | None = None

    def summary(self) -> dict[str, Any]:
        """Return the policy as JSON values in the shape of a world file."""
        summary: dict[str, Any] = {
            "node_ids": sorted(self.node_ids),
            "api_paths": list(self.api_paths),
        }
        if self.not_after is not None:
            at = self.not_after.astimezone(UTC)
            summary["not_after"] = at.isoformat().replace("+00:00", "Z")
        return summary

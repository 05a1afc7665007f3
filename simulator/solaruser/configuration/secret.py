"""The service property that is kept apart from the others, and never shown (§8.1)."""

from __future__ import annotations

from typing import Any

from simulator.world.external_system import OAUTH_CLIENT_SECRET

__all__ = ["set_apart"]


def set_apart(values: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    """Answers with the values of a request, the client secret apart from the service properties.

    A request that gives none leaves the secret as it is: it is kept in a store of its own, and who
    changes what was shown cannot give it (inferred). What is no text is none.

    Args:
        values: By the world's names.
        keep: Whether it is that of an external system: nothing else uses it.
    """
    given = values.get("service_props") or {}
    if OAUTH_CLIENT_SECRET not in given:
        return values
    secret = given[OAUTH_CLIENT_SECRET]
    shown = {name: each for name, each in given.items() if name != OAUTH_CLIENT_SECRET}
    kept = {"oauth_client_secret": secret} if keep and isinstance(secret, str) and secret else {}
    return values | {"service_props": shown} | kept

"""The access tokens of OAuth with which the systems that the simulator plays are called.

It stands for the authorization server that the service property `oauth-token-url` of a Capacity
Provider or Optimizer names (OSCP dossier §5.9).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from simulator.caller_tokens import new_token
from simulator.world import CapacityOptimizer, CapacityProvider

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simulator.clock import Clock
    from simulator.world import World

__all__ = ["CLIENT_ID", "AccessToken", "AccessTokens"]

#: The service property that names a client.
CLIENT_ID: Final = "oauth-client-id"
# As usual as any; no source says how long a token is good for.
_VALID_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a client is granted.

    Attributes:
        text: What is shown as `Bearer`; 64 characters of Base64, never part of the repr.
        valid_for: How long it is good for.
    """

    text: str = field(repr=False)
    valid_for: timedelta


class AccessTokens:
    """Grants access tokens to the clients that a world names, and tells whose one is.

    Any thread may ask.

    Args:
        clock: Decides when a token expires.
        seed: Makes the tokens; the same seed, the same ones.
        world: Answers with the world as it is now: its clients are the systems with the service
            property `oauth-client-id` and a client secret.
    """

    def __init__(self, clock: Clock, seed: int, world: Callable[[], World]) -> None:
        self._clock = clock
        self._world = world
        self._random = Random(f"access_tokens {seed}")  # noqa: S311 - of a rehearsal
        self._holders: dict[str, tuple[str, datetime]] = {}

    def issue(self, client_id: str, secret: str) -> AccessToken | None:
        """Answers with a new token for a client; None where the secret is not the client's.

        It is good for an hour, or as long as the behaviour `token_valid_for` of a simulated
        Capacity Provider says.
        """
        known = [
            system
            for system in self.systems(client_id)
            if system.oauth_client_secret is not None
            and hmac.compare_digest(system.oauth_client_secret.encode(), secret.encode())
        ]
        if not known:
            return None
        now, valid_for = self._clock.now(), _valid_for(known[0])
        expired = [text for text, (_, until) in tuple(self._holders.items()) if until <= now]
        for text in expired:
            self._holders.pop(text, None)
        token = AccessToken(new_token(self._random), valid_for)
        self._holders[token.text] = client_id, now + valid_for
        return token

    def holder(self, token: str) -> str | None:
        """Answers with the id of the client whose token that is.

        None where it is unknown or has expired, or the world does not know the client any more.
        """
        client_id, until = self._holders.get(token, ("", self._clock.now()))
        if until <= self._clock.now() or not self.systems(client_id):
            return None
        return client_id

    def systems(self, client_id: str) -> tuple[CapacityProvider | CapacityOptimizer, ...]:
        """Answers with the systems that are called by a client of that id."""
        return tuple(
            system
            for user in self._world().users
            for system in user.systems
            if (system.service_props or {}).get(CLIENT_ID) == client_id
        )

    def clear(self) -> None:
        """Forgets all tokens: nobody holds one any more."""
        self._holders.clear()


def _valid_for(system: CapacityProvider | CapacityOptimizer) -> timedelta:
    chosen = system.behaviour.token_valid_for if isinstance(system, CapacityProvider) else None
    return chosen or _VALID_FOR

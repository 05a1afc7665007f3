"""The tokens that the simulator makes: as SolarNetwork makes them, and as an OAuth server does.

Systems call the Flexibility Provider with tokens of the first kind. The second kind stands for the
authorization server that the service property `oauth-token-url` of a Capacity Provider or Optimizer
names (docs/protocol/oscp20.md §5.9). JSON Web Tokens are a third kind: those of SolarNetwork's own
issuer, with which systems may call the Flexibility Provider, too (§5.2).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import Final

from oscp_sim.clock import Clock
from oscp_sim.entry import PartyName
from oscp_sim.world import AnySystem, CapacityOptimizer, CapacityProvider, User, World

#: The service property that names a client.
CLIENT_ID: Final = "oauth-client-id"
# A common choice; no source says how long a token is valid.
_VALID_FOR: Final = timedelta(hours=1)
# A token is their Base64, 64 characters (docs/protocol/oscp20.md §5.3).
_TOKEN_BYTES: Final = 48

#: Who issues the JSON Web Tokens.
ISSUER: Final = "https://issuer.simulator.invalid"
#: The scope that each role needs.
SCOPES: Final[Mapping[PartyName, str]] = MappingProxyType(
    {"capacity_provider": "oscp-fp-cp/cp", "capacity_optimizer": "oscp-fp-co/co"}
)
_ALGORITHM: Final = "HS256"


def new_token(random: Random) -> str:
    """Return a token as SolarNetwork makes them: Base64 of 48 random bytes."""
    return base64.b64encode(random.randbytes(_TOKEN_BYTES)).decode()


def with_caller_tokens(world: World, seed: int) -> World:
    """Return a world in which every system has a token to call the Flexibility Provider with.

    A Capacity Optimizer also gets the token that the Flexibility Provider shows to it, as if its
    Register had brought one. The same seed makes the same ones.
    """
    return replace(world, users=tuple(_user(user, seed) for user in world.users))


def _user(user: User, seed: int) -> User:
    return replace(
        user,
        capacity_providers=tuple(
            _provider(each, f"{seed} {user.id}") for each in user.capacity_providers
        ),
        capacity_optimizers=tuple(
            _optimizer(each, f"{seed} {user.id}") for each in user.capacity_optimizers
        ),
    )


def _provider(provider: CapacityProvider, seed: str) -> CapacityProvider:
    made = provider.flexibility_provider_token or _made(f"{seed} capacity_provider {provider.id}")
    return replace(provider, flexibility_provider_token=made)


def _optimizer(optimizer: CapacityOptimizer, seed: str) -> CapacityOptimizer:
    name = f"{seed} capacity_optimizer {optimizer.id}"
    return replace(
        optimizer,
        flexibility_provider_token=optimizer.flexibility_provider_token or _made(name),
        # Empty where the world says that it has none.
        token=_made(f"{name} shown") if optimizer.token is None else optimizer.token or None,
    )


@lru_cache(maxsize=256)  # each simulator of a process makes the same ones
def _made(name: str) -> str:
    return new_token(Random(f"caller_token {name}"))  # noqa: S311 - of a rehearsal


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a client is granted.

    Attributes:
        text: What is shown as `Bearer`: 64 characters of Base64, or a JSON Web Token; never part of
            the repr.
        valid_for: How long it is valid.
        scope: Of a JSON Web Token.
    """

    text: str = field(repr=False)
    valid_for: timedelta
    scope: str | None = None


class TokenRefused(ValueError):
    """Raised for a JSON Web Token that is not good; the text says why, without the token."""


class AccessTokens:
    """Grants access tokens to the clients that a world names, and knows their holders.

    Any thread may ask.

    Args:
        clock: Decides when a token expires.
        seed: Makes the tokens; the same seed, the same ones.
        world: Returns the world as it is now: its clients are the systems with the service
            property `oauth-client-id` and a client secret, and for JSON Web Tokens those with a
            `flexibility_provider_client`.
    """

    def __init__(self, clock: Clock, seed: int, world: Callable[[], World]) -> None:
        self._clock = clock
        self._world = world
        self._random = Random(f"access_tokens {seed}")  # noqa: S311 - of a rehearsal
        self._holders: dict[str, tuple[str, datetime]] = {}
        self._key = Random(f"issuer {seed}").randbytes(32)  # noqa: S311 - of a rehearsal

    def issue(self, client_id: str, secret: str) -> AccessToken | None:
        """Return a new token for a client, or None if the secret is not the client's.

        It is valid for an hour, or as long as the behaviour `token_valid_for` of a simulated
        Capacity Provider says; a JSON Web Token as long as its client says.
        """
        known = [
            system
            for system in self.systems(client_id)
            if system.oauth_client_secret is not None
            and hmac.compare_digest(system.oauth_client_secret.encode(), secret.encode())
        ]
        if not known:
            return self._web_token(client_id, secret)
        now, valid_for = self._clock.now(), _valid_for(known[0])
        expired = [text for text, (_, until) in tuple(self._holders.items()) if until <= now]
        for text in expired:
            self._holders.pop(text, None)
        token = AccessToken(new_token(self._random), valid_for)
        self._holders[token.text] = client_id, _end(now, valid_for)
        return token

    def _web_token(self, client_id: str, secret: str) -> AccessToken | None:
        """Return a JSON Web Token, as the issuer of SolarNetwork's gives them (inferred)."""
        # Its cryptography takes as long to import as half of the simulator.
        import jwt

        _, system = self._world().client(client_id) or (None, None)
        client = system and system.flexibility_provider_client
        if not system or not client:
            return None
        if not hmac.compare_digest(client.secret.encode(), secret.encode()):
            return None
        scope = SCOPES[system.party] if client.scope is None else client.scope
        now = self._clock.now()
        claims = {
            "iss": ISSUER,
            "sub": client_id,
            "scope": scope,
            "iat": now,
            "exp": _end(now, client.valid_for),
            "jti": new_token(self._random),
        }
        return AccessToken(jwt.encode(claims, self._key, _ALGORITHM), client.valid_for, scope)

    def claims(self, token: str) -> tuple[str, frozenset[str]]:
        """Return who a JSON Web Token was issued to, and for which scopes.

        Raises:
            TokenRefused: It is not one, or not of the issuer, or no longer valid.
        """
        import jwt

        try:
            claims = jwt.decode(
                token,
                self._key,
                [_ALGORITHM],
                # The time is looked at below, by the simulator's clock.
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
                issuer=ISSUER,
            )
        except jwt.InvalidTokenError as error:
            raise TokenRefused(
                f"it is not a token of the issuer at /oauth/token: {error}"
            ) from None
        until = datetime.fromtimestamp(claims["exp"], UTC)
        if until <= self._clock.now():
            raise TokenRefused(f"it expired at {until:%Y-%m-%d %H:%M:%SZ}: ask for another one")
        return claims["sub"], frozenset(claims["scope"].split())

    def holder(self, token: str) -> str | None:
        """Return the id of the client that holds a token.

        None if the token is unknown or has expired, or the world no longer has the client.
        """
        client_id, until = self._holders.get(token, ("", self._clock.now()))
        if until <= self._clock.now() or not self.systems(client_id):
            return None
        return client_id

    def systems(self, client_id: str) -> tuple[AnySystem, ...]:
        """Return the systems that are called by a client of that id."""
        return tuple(
            system
            for _, system in self._world().systems
            if (system.service_props or {}).get(CLIENT_ID) == client_id
        )

    def __len__(self) -> int:
        """Return how many tokens are stored; expired ones go when the next one is issued."""
        return len(self._holders)

    def clear(self) -> None:
        """Forget all tokens."""
        self._holders.clear()


def _valid_for(system: AnySystem) -> timedelta:
    chosen = system.behaviour.token_valid_for if isinstance(system, CapacityProvider) else None
    return chosen or _VALID_FOR


def _end(now: datetime, valid_for: timedelta) -> datetime:
    latest = datetime.max.replace(tzinfo=UTC)
    return now + min(valid_for, latest - now)

"""The tokens with which external systems call the Flexibility Provider."""

from __future__ import annotations

import base64
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulator.world import CapacityOptimizer, CapacityProvider, User, World

__all__ = ["new_token", "with_caller_tokens"]

# A token is their Base64, 64 characters (OSCP dossier §5.3).
_TOKEN_BYTES: Final = 48


def new_token(random: Random) -> str:
    """Answers with a token as SolarNetwork makes them: Base64 of 48 random bytes."""
    return base64.b64encode(random.randbytes(_TOKEN_BYTES)).decode()


def with_caller_tokens(world: World, seed: int) -> World:
    """Answers with a world in which every Capacity Provider and Optimizer has such a token.

    A Capacity Optimizer that the simulator plays gets one to be shown to, too: its Register would
    have told it.

    Args:
        world: As its file says.
        seed: Makes the tokens that are not there; the same seed, the same ones.
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
        token=optimizer.token or _made(f"{name} shown"),
    )


def _made(name: str) -> str:
    return new_token(Random(f"caller_token {name}"))  # noqa: S311 - of a rehearsal

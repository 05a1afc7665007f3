"""Which parties a served simulator plays, and whether that can come to anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.entry import ALL_PARTIES
from simulator.world import Simulated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.entry import Party
    from simulator.world import World

__all__ = ["played_parties"]

_SYSTEMS: Final[tuple[Party, ...]] = ("capacity_provider", "capacity_optimizer")


def played_parties(world: World, asked: Sequence[Party]) -> tuple[Party, ...]:
    """Answers with the parties to play: those that are asked for, or all that are not elsewhere.

    Args:
        world: With the real parties where they are.
        asked: What `--play` says; nothing where not given.

    Raises:
        ValueError: One that is asked for is real and nothing of it is left to play, or would have
            nobody to send to.
    """
    real = _real(world)
    for party in asked:
        if party in real:
            raise ValueError(
                f"the {party} is named as real, by --seat or in the world, and nothing of it is "
                f"left to play: leave --play {party} or that out"
            )
    played = tuple(each for each in ALL_PARTIES if each in (asked or ALL_PARTIES))
    if not asked:
        return tuple(each for each in played if each in _SYSTEMS or each not in real)
    sender = next((each for each in played if each in _SYSTEMS), None)
    if sender and "flexibility_provider" not in {*played, *real}:
        raise ValueError(
            f"the {sender} would have no Flexibility Provider to send to: name yours with "
            "--seat flexibility_provider=URL, or add --play flexibility_provider"
        )
    return played


def _real(world: World) -> frozenset[Party]:
    """Answers with the parties of which the world has real ones only."""
    real: set[Party] = set()
    if world.solaruser is not None:
        real.add("solaruser")
    if world.flexibility_provider is not None:
        real.add("flexibility_provider")
    for party in _SYSTEMS:
        urls = [each.base_url for user in world.users for each in getattr(user, f"{party}s")]
        if any(isinstance(url, str) for url in urls) and not any(
            isinstance(url, Simulated) for url in urls
        ):
            real.add(party)
    return frozenset(real)

"""What registrations and handshakes have changed in the world, kept apart from its file.

The real Flexibility Provider has a database for that; the simulated one begins with its world file
each time, and would not know the tokens any more that it has given out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from simulator.world import SIMULATED, CapacityProvider, Simulated, SystemSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.world import CapacityOptimizer, User, World

__all__ = ["learned", "taught"]

Remembered = dict[tuple[int, str, int], dict[str, Any]]
System = "CapacityProvider | CapacityOptimizer"

# Beside what the systems remember of the Flexibility Provider: what it remembers of them.
_KINDS: Final = {True: "capacity_provider_known", False: "capacity_optimizer_known"}
_PLAIN: Final = ("token", "oscp_version", "registration_status", "flexibility_provider_token")
_DATES: Final = ("heartbeat_date", "offline_date")


def learned(first: World, world: World) -> Remembered:
    """Answers with what the Flexibility Provider has learned since the world began; with secrets.

    Args:
        first: The world as it began.
        world: As it is now.
    """
    before = dict(_systems(first))
    return {
        key: _written(system)
        for key, system in _systems(world)
        if key in before and _written(before[key]) != _written(system)
    }


def taught(world: World, remembered: Mapping[tuple[int, str, int], Mapping[str, Any]]) -> World:
    """Answers with a world in which the Flexibility Provider knows again what it had learned.

    What the world does not have any more is left out.

    Raises:
        ValueError: What is remembered is not what `learned` had answered with.
    """
    for key, system in _systems(world):
        known = remembered.get(key)
        user = world.user(key[0])
        if known is not None and user is not None:
            world = world.with_user(user.with_system(_known_again(key, system, known)))
    return world


def _systems(
    world: World,
) -> Iterator[tuple[tuple[int, str, int], CapacityProvider | CapacityOptimizer]]:
    for user in world.users:
        for system in user.systems:
            yield _key(user, system), system


def _key(user: User, system: CapacityProvider | CapacityOptimizer) -> tuple[int, str, int]:
    return user.id, _KINDS[isinstance(system, CapacityProvider)], system.id


def _written(system: CapacityProvider | CapacityOptimizer) -> dict[str, Any]:
    written: dict[str, Any] = {name: getattr(system, name) for name in _PLAIN}
    for name in _DATES:
        date: datetime | None = getattr(system, name)
        written[name] = None if date is None else date.isoformat()
    is_simulated = isinstance(system.base_url, Simulated)
    written["base_url"] = None if is_simulated else system.base_url
    written["simulated"] = is_simulated
    settings = system.settings
    written["settings"] = settings and {
        "heartbeat_seconds": settings.heartbeat_seconds,
        "measurement_styles": list(settings.measurement_styles),
    }
    return written


def _known_again(
    key: tuple[int, str, int],
    system: CapacityProvider | CapacityOptimizer,
    known: Mapping[str, Any],
) -> CapacityProvider | CapacityOptimizer:
    try:
        settings, dates = known["settings"], {name: known[name] for name in _DATES}
        changes: Any = {
            **{name: known[name] for name in _PLAIN},
            **{name: each and datetime.fromisoformat(each) for name, each in dates.items()},
            "base_url": SIMULATED if known["simulated"] else known["base_url"],
            "settings": settings
            and SystemSettings(
                settings["heartbeat_seconds"], tuple(settings["measurement_styles"])
            ),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Its values are secrets.
        message = (
            f"what is kept of {key[1]} {key[2]} of user {key[0]} cannot be used "
            f"({type(error).__name__}): remove the file and register again"
        )
        raise ValueError(message) from None
    return replace(system, **changes)

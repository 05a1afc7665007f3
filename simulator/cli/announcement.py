"""What a served simulator says of itself once it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.addresses import (
    CAPACITY_OPTIMIZER_PATH,
    CAPACITY_PROVIDER_PATH,
    ELMO_PATH,
    FLEXIBILITY_PROVIDER_PATH,
    path_of,
)
from simulator.clock import FastClock, FrozenClock
from simulator.control import PREFIX
from simulator.outgoing import IN_PROCESS_URL
from simulator.world import CapacityProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.clock import Clock
    from simulator.simulator import Simulator
    from simulator.world import CapacityOptimizer, User, World

__all__ = ["announcement"]

_SOLARUSER: Final = "/solaruser/api/v1/sec/instr/add/OSCP_v20"
_COLUMN: Final = 22


def announcement(
    simulator: Simulator, url: str, given: World, *, is_built_in: bool
) -> Iterator[str]:
    """Answers with lines that say where each party is, and how to begin.

    Args:
        simulator: What is served.
        url: Its base URL.
        given: Its world as it was before tokens were made for it.
        is_built_in: Whether its world is the built-in one, whose secret is no secret.
    """
    yield from _played(simulator, url)
    yield from _real(simulator, url)
    yield _line("what happened", f"{url}{PREFIX}/journal")
    if is_built_in and "solaruser" in simulator.plays:
        yield _line("sign with", "token rehearsal-token-0001, secret rehearsal-secret")
    yield from _without_token(simulator, url, given)
    clock = _clock(simulator.clock)
    if clock:
        yield _line("clock", clock)
        yield _line("  moved with", f"POST {url}{PREFIX}/clock")


def _played(simulator: Simulator, url: str) -> Iterator[str]:
    """Yields a line for each party that is played, and of which there is somebody to play."""
    plays = simulator.plays
    paths = {path_of(system) for _, system in _systems(simulator.world) if _is_here(system, url)}
    if "solaruser" in plays:
        yield _line("SolarUser", url + _SOLARUSER)
    if "flexibility_provider" in plays:
        yield _line("Flexibility Provider", url + FLEXIBILITY_PROVIDER_PATH)
    if "capacity_provider" in plays and CAPACITY_PROVIDER_PATH in paths:
        yield _line("Capacity Provider", url + CAPACITY_PROVIDER_PATH)
    if "capacity_provider" in plays and ELMO_PATH in paths:
        is_beside = CAPACITY_PROVIDER_PATH in paths
        yield _line("  as ELMO" if is_beside else "Capacity Provider", url + ELMO_PATH)
    if "capacity_optimizer" in plays and CAPACITY_OPTIMIZER_PATH in paths:
        yield _line("Capacity Optimizer", url + CAPACITY_OPTIMIZER_PATH)


def _real(simulator: Simulator, url: str) -> Iterator[str]:
    """Yields a line for each party that is real."""
    world = simulator.world
    if world.solaruser is not None:
        yield _line("SolarUser", f"{world.solaruser} (real)")
    if world.flexibility_provider is not None:
        yield _line("Flexibility Provider", f"{world.flexibility_provider} (real)")
    for user, system in _systems(world):
        if _is_real(system, url):
            yield _line(_name(world, user, system), f"{system.base_url} (real)")


def _without_token(simulator: Simulator, url: str, given: World) -> Iterator[str]:
    """Yields a line for each real system that cannot know with which token to register here."""
    if "flexibility_provider" not in simulator.plays:
        return
    known = {(user.id, type(each), each.id): each for user, each in _systems(given)}
    for user, system in _systems(simulator.world):
        before = known.get((user.id, type(system), system.id))
        has_token = before is not None and before.flexibility_provider_token is not None
        if system.registration_status == "Pending" and _is_real(system, url) and not has_token:
            yield (
                f"{_name(simulator.world, user, system)} is Pending: to register, it needs a "
                "flexibility_provider_token; give it one in the world file"
            )


def _systems(world: World) -> Iterator[tuple[User, CapacityProvider | CapacityOptimizer]]:
    for user in world.users:
        for system in user.systems:
            yield user, system


def _is_here(system: CapacityProvider | CapacityOptimizer, url: str) -> bool:
    here = {base + path_of(system) for base in (url, IN_PROCESS_URL)}
    return not isinstance(system.base_url, str | None) or system.base_url in here


def _is_real(system: CapacityProvider | CapacityOptimizer, url: str) -> bool:
    return isinstance(system.base_url, str) and not _is_here(system, url)


def _name(world: World, user: User, system: CapacityProvider | CapacityOptimizer) -> str:
    kind = "Capacity Provider" if isinstance(system, CapacityProvider) else "Capacity Optimizer"
    of_whom = f" of user {user.id}" if len(world.users) > 1 else ""
    return f"{kind} {system.id}{of_whom}"


def _clock(clock: Clock) -> str:
    now = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(clock, FastClock) and clock.speed is not None:
        return f"begins at {now}, {clock.speed:g} times as fast as the machine's"
    return f"stands at {now}" if isinstance(clock, FrozenClock) else ""


def _line(name: str, value: str) -> str:
    return f"{name:<{_COLUMN - 2}}  {value}"

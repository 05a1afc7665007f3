"""What a served simulator says of itself once it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.addresses import (
    CAPACITY_OPTIMIZER_PATH,
    CAPACITY_PROVIDER_PATH,
    ELMO_PATH,
    FLEXIBILITY_PROVIDER_PATH,
)
from simulator.clock import FastClock, FrozenClock
from simulator.control import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.clock import Clock
    from simulator.entry import Party
    from simulator.simulator import Simulator

__all__ = ["announcement"]

_PARTIES: Final[tuple[tuple[Party, str, str], ...]] = (
    ("solaruser", "SolarUser", "/solaruser/api/v1/sec/instr/add/OSCP_v20"),
    ("flexibility_provider", "Flexibility Provider", FLEXIBILITY_PROVIDER_PATH),
    ("capacity_provider", "Capacity Provider", CAPACITY_PROVIDER_PATH),
    ("capacity_optimizer", "Capacity Optimizer", CAPACITY_OPTIMIZER_PATH),
)
_COLUMN: Final = 22


def announcement(simulator: Simulator, url: str, *, is_built_in: bool) -> Iterator[str]:
    """Answers with lines that say where each party is, and how to begin.

    Args:
        simulator: What is served.
        url: Its base URL.
        is_built_in: Whether its world is the built-in one, whose secret is no secret.
    """
    for party, name, path in _PARTIES:
        if party in simulator.plays:
            yield _line(name, url + path)
        if party == "capacity_provider" and party in simulator.plays and _has_elmo(simulator):
            yield _line("  as ELMO", url + ELMO_PATH)
    yield _line("what happened", f"{url}{PREFIX}/journal")
    if is_built_in and "solaruser" in simulator.plays:
        yield _line("sign with", "token rehearsal-token-0001, secret rehearsal-secret")
    clock = _clock(simulator.clock)
    if clock:
        yield _line("clock", clock)
        yield _line("  moved with", f"POST {url}{PREFIX}/clock")


def _has_elmo(simulator: Simulator) -> bool:
    return any(
        provider.profile == "elmo"
        for user in simulator.world.users
        for provider in user.capacity_providers
    )


def _clock(clock: Clock) -> str:
    now = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(clock, FastClock) and clock.speed is not None:
        return f"begins at {now}, {clock.speed:g} times as fast as the machine's"
    return f"stands at {now}" if isinstance(clock, FrozenClock) else ""


def _line(name: str, value: str) -> str:
    return f"{name:<{_COLUMN}}{value}"

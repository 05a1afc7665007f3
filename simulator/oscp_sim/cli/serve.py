"""`oscp-sim serve`."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import click

from oscp_schemas.date_time import Fidelity
from oscp_sim.addresses import (
    CAPACITY_OPTIMIZER_PATH,
    CAPACITY_PROVIDER_PATH,
    ELMO_PATH,
    FLEXIBILITY_PROVIDER_PATH,
    path_of,
)
from oscp_sim.cli.options import (
    behaviour,
    fidelity_option,
    seat_option,
    seats,
    seed_option,
    set_option,
    world_option,
)
from oscp_sim.clock import Clock, FastClock, FrozenClock
from oscp_sim.control import PREFIX
from oscp_sim.entry import ALL_PARTIES, PartyName
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.scenario.model import ClockSetting, Runs
from oscp_sim.world import CapacityOptimizer, CapacityProvider, Simulated, User, World

if TYPE_CHECKING:
    from oscp_sim.simulator import Simulator

# § Which parties a served simulator plays, and whether that can come to anything.

_SYSTEMS: Final[tuple[PartyName, ...]] = ("capacity_provider", "capacity_optimizer")


def played_parties(world: World, asked: Sequence[PartyName]) -> tuple[PartyName, ...]:
    """Return the parties to play: those that are asked for, or all that are not elsewhere.

    Args:
        world: With the real parties where they are.
        asked: What `--play` says; nothing where not given.

    Raises:
        ValueError: One that is asked for is real and nothing of it is left to play, or would have
            nobody to send to.
    """
    real = _real_seats(world)
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


def _real_seats(world: World) -> frozenset[PartyName]:
    """Return the parties of which the world has real ones only."""
    real: set[PartyName] = set()
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


# § What a served simulator says of itself once it answers.

_SOLARUSER: Final = "/solaruser/api/v1/sec/instr/add/OSCP_v20"
_COLUMN: Final = 22


def announcement(
    simulator: Simulator, url: str, given: World, *, is_built_in: bool
) -> Iterator[str]:
    """Return lines that say where each party is, and how to begin.

    Args:
        simulator: What is served.
        url: Its base URL.
        given: Its world as it was before tokens were made for it.
        is_built_in: Whether its world is the built-in one, whose secret is no secret.
    """
    yield from _played(simulator, url)
    yield from _real_lines(simulator, url)
    yield _line("what happened", f"{url}{PREFIX}/journal")
    if is_built_in and "solaruser" in simulator.plays:
        yield _line("sign with", "token rehearsal-token-0001, secret rehearsal-secret")
    yield from _without_token(simulator, url, given)
    clock = _clock_line(simulator.clock)
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


def _real_lines(simulator: Simulator, url: str) -> Iterator[str]:
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


def _clock_line(clock: Clock) -> str:
    now = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(clock, FastClock) and clock.speed is not None:
        return f"begins at {now}, {clock.speed:g} times as fast as the machine's"
    return f"stands at {now}" if isinstance(clock, FrozenClock) else ""


def _line(name: str, value: str) -> str:
    return f"{name:<{_COLUMN - 2}}  {value}"


_PORT = 8920
# Eleven days in a second: beyond that, what is due keeps no clock from falling behind.
_FASTEST = 1_000_000
# Some 100 MB of heartbeats; a server that runs for weeks must not grow for ever.
_JOURNAL = 50_000


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="Where to listen; 0 takes a free port.",
)
@world_option
@seed_option
@fidelity_option
@set_option
@click.option(
    "--play",
    "plays",
    type=click.Choice(get_args(PartyName)),
    multiple=True,
    help="Play this party; may be given several times. All of them where not given.",
)
@seat_option
@click.option(
    "--clock",
    "runs",
    type=click.Choice(["real", "frozen", "fast"]),
    default="real",
    show_default=True,
    help="The machine's; or one that moves only when POST /_sim/clock says so; or one that also "
    "runs by itself, at --speed.",
)
@click.option(
    "--start",
    metavar="INSTANT",
    help="When a clock that is not the machine's begins, as 2026-03-01T00:00:00Z; now where not "
    "given.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, _FASTEST, min_open=True),
    help="How many seconds of a fast clock pass in one of the machine's.",
)
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="OSCP_SIM_CONTROL_TOKEN",
    help="Ask whoever looks below /_sim/ for this token, as Authorization: Bearer TOKEN. Better "
    "given in the environment, as OSCP_SIM_CONTROL_TOKEN.",
)
@click.option(
    "--keep",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep in this file, over a restart, what registrations and handshakes have agreed.",
)
@click.option(
    "--journal",
    "journal_limit",
    type=click.IntRange(1),
    default=_JOURNAL,
    show_default=True,
    help="How many entries the journal keeps, the newest.",
)
@click.option(
    "--url-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write {url, pid} as JSON to this file once the server answers; removed at the end.",
)
def serve(
    host: str,
    port: int,
    world: Path | None,
    seed: int,
    fidelity: Fidelity,
    settings: tuple[str, ...],
    plays: tuple[PartyName, ...],
    seat: tuple[str, ...],
    runs: Runs,
    start: str | None,
    speed: float | None,
    control_token: str | None,
    keep: Path | None,
    journal_limit: int,
    url_file: Path | None,
) -> None:
    """Serve the parties of a rehearsal on one port until interrupted.

    Point your client at the URLs that are printed, instead of at SolarNetwork. What happened is at
    /_sim/journal. A party that you have yourself is named with --seat, and is not played.
    """
    from oscp_sim.keep import StateFileError
    from oscp_sim.serve import serve as run
    from oscp_sim.server import PortUnavailable
    from oscp_sim.simulator import Simulator
    from oscp_sim.world import load_world
    from oscp_sim.yaml_source import SourceError

    chosen, real = behaviour(fidelity, settings), seats(seat)
    clock = _clock_serve(runs, start, speed)
    _check_control_token(control_token)
    try:
        placed = real.placed(load_world(world))
    except SourceError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--seat") from None
    try:
        played = played_parties(placed, plays)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--play") from None
    simulator = Simulator(
        placed,
        seed=seed,
        clock=clock.make(),
        fidelity=chosen,
        plays=played,
        control_token=control_token,
        journal_limit=journal_limit,
    )

    def announce(url: str) -> None:
        for line in announcement(simulator, url, placed, is_built_in=world is None):
            click.echo(line)
        click.echo(f"seed {seed}, fidelity {chosen}; Ctrl-C stops", nl=True)
        sys.stdout.flush()

    try:
        with _keeping(keep, simulator):
            run(simulator, host, port, when_ready=announce, url_file=url_file)
    except PortUnavailable as error:
        click.echo(f"oscp-sim serve: {error}", err=True)
        sys.exit(3)
    except StateFileError as error:
        click.echo(f"oscp-sim serve: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if url_file is None:
            raise
        click.echo(f"oscp-sim serve: {url_file} cannot be written: {error.strerror}", err=True)
        sys.exit(2)
    sys.stdout.flush()
    # All is closed. What is left is to free a long journal, piece by piece, and whoever pressed
    # Ctrl-C would wait for that longer than for everything else.
    os._exit(0)


def _check_control_token(token: str | None) -> None:
    if token is None:
        return
    if not token.strip():
        raise click.BadParameter("it is empty", param_hint="--control-token")
    if not token.isascii() or not token.isprintable():
        raise click.BadParameter(
            "it has characters that a header cannot be relied on to carry: use letters, digits "
            "and signs of ASCII",
            param_hint="--control-token",
        )


def _clock_serve(runs: Runs, start: str | None, speed: float | None) -> ClockSetting:
    from oscp_sim.scenario.model import ClockSetting, parse_instant

    if runs == "real" and start is not None:
        raise click.BadParameter(
            "the machine's clock begins nowhere; add --clock frozen or fast", param_hint="--start"
        )
    if runs != "fast" and speed is not None:
        raise click.BadParameter(f"a {runs} clock has none; add --clock fast", param_hint="--speed")
    if speed is not None and math.isnan(speed):
        raise click.BadParameter("nan is no number", param_hint="--speed")
    try:
        return ClockSetting(runs, None if start is None else parse_instant(start), speed)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--start") from None


def _keeping(path: Path | None, simulator: Simulator) -> AbstractContextManager[object]:
    from oscp_sim.keep import StateFile

    if path is None:
        return nullcontext()
    return StateFile(path).kept(simulator.remembered, simulator.recall)

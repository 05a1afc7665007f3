"""`oscp-sim serve`."""

from __future__ import annotations

import math
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from simulator.cli.options import (
    behaviour,
    fidelity_option,
    seat_option,
    seats,
    seed_option,
    set_option,
    world_option,
)
from simulator.entry import Party

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from oscp_send.fidelity import Fidelity
    from simulator.scenario.clock_setting import ClockSetting, Runs
    from simulator.simulator import Simulator

__all__ = ["serve"]

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
    type=click.Choice(get_args(Party)),
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
    plays: tuple[Party, ...],
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
    from simulator.cli.announcement import announcement
    from simulator.cli.parties import played_parties
    from simulator.keeper import PersistenceError
    from simulator.serve import PortUnavailable
    from simulator.serve import serve as run
    from simulator.simulator import Simulator
    from simulator.world import load_world
    from simulator.yaml_source import SourceError

    chosen, real = behaviour(fidelity, settings), seats(seat)
    clock = _clock(runs, start, speed)
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
    except PersistenceError as error:
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


def _clock(runs: Runs, start: str | None, speed: float | None) -> ClockSetting:
    from simulator.scenario.clock_setting import ClockSetting
    from simulator.scenario.values import parse_instant

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
    from simulator.keeper import Keeper

    if path is None:
        return nullcontext()
    return Keeper(path, simulator.remembered, simulator.recall)

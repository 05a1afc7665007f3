"""`oscp-sim serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator.cli.options import (
    behaviour,
    fidelity_option,
    seed_option,
    set_option,
    world_option,
)

if TYPE_CHECKING:
    from oscp_send.fidelity import Fidelity

__all__ = ["serve"]

_PORT = 8920


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
    url_file: Path | None,
) -> None:
    """Serve all parties on one port until interrupted.

    Point your client at the URL that is printed, instead of at SolarNetwork. What happened is at
    /_sim/journal.
    """
    from simulator.serve import PortUnavailable
    from simulator.serve import serve as run
    from simulator.simulator import Simulator
    from simulator.yaml_source import SourceError

    chosen = behaviour(fidelity, settings)
    try:
        simulator = Simulator(world, seed=seed, fidelity=chosen)
    except SourceError as error:
        click.echo(str(error), err=True)
        sys.exit(2)

    def announce(url: str) -> None:
        click.echo(f"SolarUser          {url}/solaruser/api/v1/sec/instr/add/OSCP_v20")
        click.echo(f"Capacity Provider  {url}/oscp/cp/2.0")
        click.echo(f"what happened      {url}/_sim/journal")
        if world is None:
            click.echo("sign with          token rehearsal-token-0001, secret rehearsal-secret")
        click.echo(f"seed {seed}, fidelity {chosen}; Ctrl-C stops", nl=True)
        sys.stdout.flush()

    try:
        run(simulator, host, port, when_ready=announce, url_file=url_file)
    except PortUnavailable as error:
        click.echo(f"oscp-sim serve: {error}", err=True)
        sys.exit(3)
    except OSError as error:
        if url_file is None:
            raise
        click.echo(f"oscp-sim serve: {url_file} cannot be written: {error.strerror}", err=True)
        sys.exit(2)
    sys.stdout.flush()
    # All is closed. What is left is to free a long journal, piece by piece, and whoever pressed
    # Ctrl-C would wait for that longer than for everything else.
    os._exit(0)

"""The options that several commands of `oscp-sim` take."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["fidelity_option", "seed_option", "world_option"]

fidelity_option = click.option(
    "--fidelity",
    type=click.Choice(["documented", "observed"]),
    default="documented",
    show_default=True,
    help="Follow the public guide, or what SolarNetwork's code does, where the two differ.",
)
seed_option = click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Makes every identifier that is invented.",
)
world_option = click.option(
    "--world",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of who exists; the built-in world where not given.",
)

"""The options that several commands of `oscp-sim` take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import Behaviour
from oscp_sim.scenario.real_parties import RealParties, parse_seat

fidelity_option = click.option(
    "--fidelity",
    type=click.Choice(["documented", "observed"]),
    default="documented",
    show_default=True,
    help="Follow the public guide, or what the running services do, where the two differ.",
)
set_option = click.option(
    "--set",
    "settings",
    metavar="NAME=SIDE",
    multiple=True,
    help="Follow SIDE, documented or observed, in one difference; `oscp-sim fidelity` lists them.",
)
seed_option = click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Makes every identifier that is invented.",
)
seat_option = click.option(
    "--seat",
    metavar="NAME[:ID]=URL",
    multiple=True,
    help="A party that is real, and its base URL: solaruser, flexibility_provider, "
    "capacity_provider:ID or capacity_optimizer:ID. The simulator plays the others.",
)
world_option = click.option(
    "--world",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of who exists; the built-in world where not given.",
)


@contextmanager
def bad_parameters(option: str) -> Iterator[None]:
    """Turn a ValueError into one line about an option; the command ends with 2."""
    try:
        yield
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def behaviour(fidelity: Fidelity, settings: tuple[str, ...]) -> Behaviour:
    """Return what `--fidelity` and each `--set` ask for together.

    Raises:
        click.BadParameter: A setting makes no sense.
    """
    chosen: dict[str, str] = {}
    with bad_parameters("--set"):
        for setting in settings:
            name, equals, side = setting.partition("=")
            if not equals:
                raise ValueError(
                    f"{setting!r} has no side; write it as {name}=documented or {name}=observed"
                )
            if chosen.setdefault(name, side) != side:
                raise ValueError(f"{name!r} is set twice")
        return Behaviour(fidelity, chosen)


def seats(given: tuple[str, ...]) -> RealParties:
    """Return what each `--seat` asks for, together.

    Raises:
        click.BadParameter: One makes no sense.
    """
    together = RealParties()
    with bad_parameters("--seat"):
        for seat in given:
            together = together.under(parse_seat(seat))
    return together

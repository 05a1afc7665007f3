"""The options that several commands of `oscp-sim` take."""

from __future__ import annotations

from pathlib import Path

import click

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import Behaviour
from oscp_sim.scenario.real_parties import RealParties

fidelity_option = click.option(
    "--fidelity",
    type=click.Choice(["documented", "observed"]),
    default="documented",
    show_default=True,
    help="Follow the public guide, or what SolarNetwork's code does, where the two differ.",
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


def behaviour(fidelity: Fidelity, settings: tuple[str, ...]) -> Behaviour:
    """Return what `--fidelity` and each `--set` ask for together.

    Raises:
        click.BadParameter: A setting makes no sense; the command ends with 2.
    """
    from oscp_send.fidelity import Behaviour

    chosen: dict[str, str] = {}
    for setting in settings:
        name, equals, side = setting.partition("=")
        if not equals:
            raise click.BadParameter(
                f"{setting!r} has no side; write it as {name}=documented or {name}=observed",
                param_hint="--set",
            )
        if chosen.setdefault(name, side) != side:
            raise click.BadParameter(f"{name!r} is set twice", param_hint="--set")
    try:
        return Behaviour(fidelity, chosen)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--set") from None


def seats(given: tuple[str, ...]) -> RealParties:
    """Return what each `--seat` asks for, together.

    Raises:
        click.BadParameter: One makes no sense; the command ends with 2.
    """
    from oscp_sim.scenario.real_parties import RealParties, parse_seat

    together = RealParties()
    try:
        for seat in given:
            together = together.under(parse_seat(seat))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--seat") from None
    return together

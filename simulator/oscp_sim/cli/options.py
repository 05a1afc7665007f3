"""The options that several commands of `oscp-sim` take."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import Behaviour
from oscp_sim.scenario.real_parties import RealParties, parse_seat

# Only a command that reads scenarios needs what they bring along.
if TYPE_CHECKING:
    import requests

    from oscp_sim.scenario.model import Scenario
    from oscp_sim.scenario.selection import Selection

Command = Any  # what click's decorators take and return

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
others_option = click.option(
    "--others",
    type=click.Choice(["pass", "refuse"]),
    help="What becomes of requests that the proxy is given for other hosts: they go where they are "
    "for, or they are refused with 403. Passed on where not given.",
)
control_token_option = click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="OSCP_SIM_CONTROL_TOKEN",
    help="What the simulator asks for; better given as OSCP_SIM_CONTROL_TOKEN.",
)
report_option = click.option(
    "--report",
    "reports",
    metavar="KIND=PATH",
    multiple=True,
    help="Also write a report: junit=FILE, json=FILE, html=FOLDER, or github for annotations and "
    "the summary of a GitHub step. May be given several times.",
)

# Where the file is named by which one that speaks TLS is trusted, as `serve --env-file` has it.
_TRUSTED_BY: Final = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def connection(control_token: str | None) -> requests.Session:
    """Return a session to a running simulator."""
    import requests

    session = requests.Session()
    # A simulator on this machine is not behind a proxy.
    session.trust_env = False
    named = (os.environ.get(each, "") for each in _TRUSTED_BY)
    session.verify = next((each for each in named if each and Path(each).exists()), True)
    if control_token is not None:
        session.headers["Authorization"] = f"Bearer {control_token}"
    return session


def told_by_simulator(answer: requests.Response, key: str) -> dict[str, Any] | None:
    """Return what a simulator says; None where what answers is not one.

    Args:
        answer: It says why it refused, in `error`.
        key: Otherwise there is this in it.
    """
    try:
        content = answer.json()
    except ValueError:
        return None
    is_told = isinstance(content, dict) and not content.keys().isdisjoint({key, "error"})
    return content if is_told else None


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


# Which scenarios.

_SCENARIOS: Final = Path("scenarios")
paths_argument = click.argument("paths", nargs=-1, metavar="[PATHS]...")
include_option = click.option(
    "--include",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="A folder with more worlds and payloads for scenario files to name. Without it they may "
    "name those in the folder that PATHS has, or in their own where PATHS has the file itself. "
    "May be given several times.",
)
_CHOICES: Final = (
    paths_argument,
    include_option,
    click.option(
        "-k",
        "expression",
        metavar="EXPRESSION",
        help="Only scenarios whose name, heading or tag has these words in it, as "
        '"loop and not (slow or retry)".',
    ),
    click.option(
        "--tag",
        "tags",
        metavar="TAG",
        multiple=True,
        help="Only scenarios with this tag; given several times, with one of them.",
    ),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which scenarios a command line asks for."""

    paths: tuple[str, ...]
    include: tuple[Path, ...]
    expression: str | None
    tags: tuple[str, ...]

    def selection(self) -> Selection:
        """Return it as a selection."""
        from oscp_sim.scenario.selection import NamedPath, Selection

        return Selection(tuple(map(NamedPath.of, self.paths)), self.expression, self.tags)

    def reader(self) -> Callable[[], tuple[Scenario, ...]]:
        """Return a function that reads all scenarios of its paths, asked for or not."""
        from oscp_sim.scenario.read import load_scenarios

        paths = tuple(dict.fromkeys(each.path for each in self.selection().paths))
        return partial(load_scenarios, paths, self.include)

    def load(self) -> tuple[Scenario, ...]:
        """Return all scenarios of its paths, those included that it does not ask for.

        Exits with 2, after each problem on a line, if they cannot be read.
        """
        with readable():
            return self.reader()()

    def chosen(self, scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
        """Return those of the scenarios that it asks for.

        Exits with 2 if there is none.

        Raises:
            click.BadParameter: The expression is not one.
        """
        from oscp_sim.matching import printable
        from oscp_sim.scenario.selection import BadExpression, NothingSelected

        try:
            return self.selection().of(scenarios)
        except BadExpression as error:
            raise click.BadParameter(str(error), param_hint="-k") from None
        except NothingSelected as error:
            click.echo(printable(str(error)), err=True)
            sys.exit(2)


def choice_options(command: Command) -> Command:
    """Give a command PATHS and the options of a `Choice`, as its argument `choice`."""

    @wraps(command)
    def run(*args: Any, **given: Any) -> object:  # noqa: ANN401 - those of the command
        given["paths"] = given["paths"] or (default_folder(),)
        choice = Choice(**{each.name: given.pop(each.name) for each in fields(Choice)})
        return command(*args, choice=choice, **given)

    for option in reversed(_CHOICES):
        run = option(run)
    return run


@contextmanager
def readable() -> Iterator[None]:
    """Turn a file that cannot be used into a line for each of its problems, and exit code 2."""
    from oscp_sim.matching import printable
    from oscp_sim.yaml_source import SourceError

    try:
        yield
    except SourceError as error:
        for problem in error.problems:
            click.echo(printable(str(problem)), err=True)
        sys.exit(2)


def default_folder() -> str:
    """Return the folder `scenarios` here, if it has scenario files, or what the package ships."""
    if any(_SCENARIOS.rglob("*.yaml")):
        return str(_SCENARIOS)
    # Nobody is to take these for their own.
    click.echo("no scenarios/ here: these are the scenarios that come with oscp-sim", err=True)
    package = Path(__file__).parent.parent
    shipped = package / "pack"
    return str(shipped if shipped.is_dir() else package.parent.parent / "scenarios")

"""`oscp-sim rehearse`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from oscp_send.cli.main import Colours, built_to_stay, color_option
from oscp_sim.cli.options import (
    Choice,
    Setup,
    choice_options,
    listeners,
    readable,
    seats,
    setup_options,
)

if TYPE_CHECKING:
    from oscp_sim.scenario.events import Listener
    from oscp_sim.scenario.jobs import Processes
    from oscp_sim.scenario.model import Scenario
    from oscp_sim.scenario.selection import LastFailed


def _jobs(_: click.Context, __: click.Parameter, given: str) -> int:
    """Return a number of processes, at least 1."""
    if given == "auto":
        from oscp_sim.scenario.jobs import processors

        return processors()
    if not given.isdecimal() or int(given) < 1:
        raise click.BadParameter(f"{given!r} is not a number of processes: give 2, or auto")
    return int(given)


@click.command()
@choice_options
@setup_options
@click.option(
    "--jobs",
    "-j",
    metavar="N",
    callback=_jobs,
    default="1",
    show_default=True,
    help="Run scenarios in so many processes side by side; auto: one for each processor. The "
    "report is the same. Scenarios with a real party run one after the other.",
)
@click.option(
    "--fail-fast", "-x", is_flag=True, help="Stop after the first scenario, in order, that fails."
)
@click.option(
    "--last-failed",
    is_flag=True,
    help="Only what failed last time here, as .oscp-sim/last-failed.json says; everything if "
    "nothing did.",
)
@click.option(
    "--sequence",
    is_flag=True,
    help="Show what the parties sent one another in each scenario, not only in those that fail or "
    "say so themselves.",
)
@color_option
def rehearse(
    choice: Choice,
    setup: Setup,
    jobs: int,
    fail_fast: bool,
    last_failed: bool,
    sequence: bool,
    colours: Colours,
) -> None:
    """Run scenario files, each in a simulator of its own, and report the results.

    PATHS are files or folders, or scenarios in them as file.yaml::name or folder::day-*; without
    any, the folder scenarios/, or the scenarios that come with this program where there is no such
    folder.

    Exits with 0 when all pass, 1 when one fails, 2 when a file cannot be read or no scenario is
    chosen.
    """
    with built_to_stay():
        from oscp_sim.scenario.console import ConsoleReport
        from oscp_sim.scenario.run import Rehearsal, run
        from oscp_sim.scenario.selection import LastFailed
        from oscp_sim.world import load_world

        chosen, real, written = setup.behaviour(), seats(setup.seat), listeners(setup.reports)
        with readable():
            common = Rehearsal(setup.seed, chosen, load_world(setup.world), real)
        everything = choice.load()
        memory = LastFailed(everything)
        scenarios: Sequence[Scenario] = choice.chosen(everything)
    # Forked, it is shared for as long as nobody looks for garbage in it.
    gc.freeze()
    click.get_current_context().call_on_close(gc.unfreeze)
    if last_failed:
        scenarios = _failed(scenarios, memory)
    report = ConsoleReport(sys.stdout, sequence=sequence, colours=colours)
    told, watch = _on_screen(report, len(scenarios))
    passed = run(
        scenarios,
        common,
        [told, memory, *written],
        processes=_processes(jobs, choice),
        fail_fast=fail_fast,
        watch=watch,
    )
    sys.exit(0 if passed else 1)


def _processes(jobs: int, choice: Choice) -> Processes | None:
    if jobs == 1:
        return None
    from oscp_sim.scenario.jobs import Processes

    return Processes(jobs, choice.reader())


def _failed(scenarios: Sequence[Scenario], memory: LastFailed) -> Sequence[Scenario]:
    """Return those scenarios that failed last time, or all of them if none did."""
    from oscp_sim.scenario.selection import identifier

    failed = memory.read()
    found = [each for each in scenarios if identifier(each) in failed]
    if not found:
        click.echo("none of these failed last time: all of them are run", err=True)
    return found or scenarios


def _on_screen(report: Listener, total: int) -> tuple[Listener, Listener | None]:
    """Return who is to be told of a report, and who watches, with a counter on a terminal."""
    from oscp_sim.scenario.console import Progress

    if not Progress.is_wanted(sys.stdout):
        return report, None
    progress = Progress(sys.stdout, total, report)
    return progress.report, progress.watch

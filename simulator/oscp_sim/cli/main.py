"""`oscp-sim` and what its commands have in common; each command is imported when it is called."""

from __future__ import annotations

import warnings

import click

from oscp_send.cli.main import LazyGroup, escape_what_a_terminal_lacks


@click.group(
    cls=LazyGroup,
    lazy_commands={
        "export": ("oscp_sim.cli.record:export", "Write a saved journal as HTTP Archive."),
        "fidelity": (
            "oscp_sim.cli.fidelity:fidelity",
            "List where the guide and the service differ.",
        ),
        "forecast": (
            "oscp_sim.cli.running:forecast",
            "Have a Capacity Provider send a spreadsheet.",
        ),
        "init": ("oscp_sim.cli.scenarios:init", "Write a folder of scenarios to begin with."),
        "lint": (
            "oscp_sim.cli.scenarios:lint",
            "Say what is wrong with scenario files, without a run.",
        ),
        "list": ("oscp_sim.cli.scenarios:list_scenarios", "List scenarios, without a run."),
        "record": ("oscp_sim.cli.record:record", "Turn a saved journal into a scenario file."),
        "rehearse": (
            "oscp_sim.cli.rehearse:rehearse",
            "Run scenario files and report the results.",
        ),
        "replay": ("oscp_sim.cli.record:replay", "Play a recording or a saved journal again."),
        "run": ("oscp_sim.cli.run:run", "Run a program of your own, and judge what it sent."),
        "schema": ("oscp_sim.cli.scenarios:schema", "Print the JSON Schema of a kind of file."),
        "serve": ("oscp_sim.cli.serve:serve", "Serve the parties on one port until interrupted."),
        "watch": ("oscp_sim.cli.running:watch", "Show what happens in a running simulator."),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="oscp-rehearsal", prog_name="oscp-sim")
def main() -> None:
    """Rehearse OSCP 2.0 through SolarNetwork, without SolarNetwork.

    A fake SolarUser, a Flexibility Provider, a Capacity Provider and a Capacity Optimizer,
    answering as the real ones do; any of them can be real. Nothing to configure: the built-in world
    has one user, one node, one Capacity Group.
    """
    escape_what_a_terminal_lacks()
    # Of a pattern that somebody wrote: what it means one day is not this program's to tell.
    warnings.filterwarnings("ignore", r"Possible (nested )?set\b", FutureWarning)

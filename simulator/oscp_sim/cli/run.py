"""`oscp-sim run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oscp_sim.cli.options import (
    EXISTING_FILE,
    PORT,
    Setup,
    end,
    listeners,
    others_option,
    readable,
    seats,
    seconds,
    setup_options,
)
from oscp_sim.cli.record import Kept, kept_options

if TYPE_CHECKING:
    from oscp_sim.addresses import Others
    from oscp_sim.scenario.events import Listener
    from oscp_sim.simulator import Simulator

_SETTLE = 10.0


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, metavar="[--] COMMAND...")
@click.option(
    "--expect",
    type=EXISTING_FILE,
    help="YAML file of what is expected, with the keys that a scenario's step has below expect; "
    "and declined, refused, exit_code and output.",
)
@setup_options
@click.option(
    "--port",
    type=PORT,
    default=0,
    show_default=True,
    help="Where the simulator listens; 0 takes a free port.",
)
@click.option(
    "--intercept",
    is_flag=True,
    help="Also answer https://data.solarnetwork.net and https://oscp.solarnetwork.net, for a "
    "program that has them in its source: it finds a proxy in HTTPS_PROXY, and certificates to "
    "trust in SSL_CERT_FILE and the like. See docs/production-urls.md.",
)
@others_option
@click.option(
    "--tls",
    is_flag=True,
    help="Listen with TLS: OSCP_SEND_URL is https://..., and the program finds the certificates to "
    "trust in its environment.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0, min_open=True),
    callback=seconds,
    help="End the command after so long, and fail; as long as it takes where not given.",
)
@click.option(
    "--settle",
    metavar="SECONDS",
    type=click.FloatRange(0),
    callback=seconds,
    default=_SETTLE,
    show_default=True,
    help="How long what it sent may take to come to its end, once the command has.",
)
@kept_options
def run(
    command: tuple[str, ...],
    expect: Path | None,
    setup: Setup,
    port: int,
    intercept: bool,
    others: Others | None,
    tls: bool,
    timeout: float | None,
    settle: float,
    kept: Kept,
) -> None:
    """Run a program of your own against a simulator, and judge what it sent.

    Options of run come before the command: oscp-sim run -- ./my-sender --day-ahead. It finds the
    simulator, and what to sign with, in OSCP_SEND_URL, OSCP_SEND_TOKEN and OSCP_SEND_SECRET;
    OSCP_SIM_URL is the simulator's own address, for /_sim/. When it has ended, and nothing is on
    its way any more, you see what the parties sent one another, and what is wrong.

    Exits with 0 when the command did, nothing was declined or refused, no finding is an error, and
    all is as the file of --expect says; 1 when not; 2 when the command or a file makes no sense;
    3 when it cannot listen.
    """
    from oscp_send.cli.ci import NotWritten
    from oscp_sim.authority import TlsUnavailable
    from oscp_sim.program import NotStarted
    from oscp_sim.scenario.console import ProgramReport
    from oscp_sim.scenario.program_run import ProgramRun, judge_program, nothing_expected
    from oscp_sim.scenario.read import load_expectation
    from oscp_sim.server import PortUnavailable
    from oscp_sim.simulator import Simulator

    if others and not intercept:
        raise click.BadParameter("there is no proxy; add --intercept", param_hint="--others")
    kept.check()
    chosen, written = setup.behaviour(), listeners(setup.reports)
    with readable():
        expected = load_expectation(expect) if expect else nothing_expected()
    placed = setup.placed_world()
    simulator = Simulator(placed, seed=setup.seed, fidelity=chosen, plays=seats(setup.seat).plays)
    program = ProgramRun(command, expected, timeout=timeout, settle=settle)
    asked: Others | None = (others or "pass") if intercept else None
    told: list[Listener] = [ProgramReport(sys.stdout), *written]
    try:
        with _served(simulator, port, tls=tls, others=asked) as variables:
            program = replace(program, variables=variables)
            passed = judge_program(program, simulator, told, _pass_on)
    except PortUnavailable as error:
        end(error, 3)
    except (NotStarted, TlsUnavailable) as error:
        end(error)
    except (NotWritten, BrokenPipeError, KeyboardInterrupt, SystemExit):
        kept.write(simulator.shared)
        raise
    is_kept = kept.write(simulator.shared)
    sys.exit(0 if passed and is_kept else 1 if is_kept else 2)


@contextmanager
def _served(
    simulator: Simulator, port: int, *, tls: bool, others: Others | None
) -> Iterator[Mapping[str, str]]:
    """Serve a simulator, and yield what a program finds in its environment to reach it."""
    with ExitStack() as stack:
        authority = None
        if tls or others:
            from oscp_sim.production import authority_for

            authority = authority_for(simulator.world)
        context = authority.context if tls and authority else None
        server = simulator.listen(port=port, tls=context)
        simulator.serve_at(stack.enter_context(closing(server)).url)
        stack.enter_context(simulator)
        if authority is None:
            yield {}
            return
        from oscp_sim.production import surroundings

        simulator.shared.outgoing.trust(authority.certificate)
        around = surroundings(simulator, authority, os.environ, others)
        yield stack.enter_context(around).variables


def _pass_on(line: str) -> None:
    click.echo(line, nl=False)

"""`oscp-send check`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from oscp_schemas import Fidelity
from oscp_send.cli.files import SourceProblem, examine, read_source
from oscp_send.cli.main import FAILED, USAGE, Colours, color_option
from oscp_send.cli.options import action_option
from oscp_send.cli.reports import REPORTS, asked_for, fails
from oscp_send.queue_size import MQTT_LIMIT
from oscp_send.times import read_instant


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@action_option
@click.option(
    "--fidelity",
    type=click.Choice(["documented", "observed"]),
    default="documented",
    show_default=True,
    help="Follow the public guide, or what the running services do, where the two differ.",
)
@click.option(
    "--mqtt-limit",
    type=click.IntRange(min=1),
    default=MQTT_LIMIT,
    show_default=True,
    metavar="BYTES",
    help="What a message may have in SolarNetwork's queue; production may allow more.",
)
@click.option(
    "--now",
    metavar="TIME",
    help="Judge as at this time, such as 2031-03-01T12:00:00Z, or now: blocks that have ended by "
    "then are found, too.",
)
@click.option("--strict", is_flag=True, help="Let warnings fail as well.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="For a person, for a program, or as annotations of a GitHub workflow.",
)
@color_option
@click.option(
    "--report",
    "reports",
    metavar="KIND=PATH",
    multiple=True,
    help="Also write a report: junit=FILE, json=FILE, html=FOLDER, or github for annotations and "
    "the summary of a GitHub step. May be given several times.",
)
def check(
    files: tuple[str, ...],
    action: str | None,
    fidelity: Fidelity,
    mqtt_limit: int,
    now: str | None,
    strict: bool,
    style: str,
    colours: Colours,
    reports: tuple[str, ...],
) -> None:
    """Say what SolarUser would do with messages, and how to correct them. Nothing is sent.

    A FILE is a bare OSCP message, named by --action, or a whole request body with its nodeId and
    params; the command sees which of the two it is. "-" is the standard input.

    A refusal is what SolarUser would not queue. A warning is what it would queue and a grid
    operator, or SolarNetwork later, would object to. Whether your node, Capacity Optimizer and
    Capacity Group exist is not known here.

    What is in brackets behind a finding is its name: oscp-send explain NAME says more.

    Exits with 0 when SolarUser would queue all files, 1 when it would refuse one or when --strict
    finds a warning, 2 when a file cannot be read.
    """
    at = None if now is None else _moment(now)
    try:
        told = [REPORTS[style](sys.stdout, fidelity, is_strict=strict, colours=colours)]
        told += asked_for(reports, fidelity, is_strict=strict)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--report") from None
    code = 0
    for file in files:
        try:
            source = read_source(file, among_others=True)
            examined = examine(source, action, fidelity, mqtt_limit, at)
        except SourceProblem as problem:
            for report in told:
                report.add_problem(problem)
            code = USAGE
            continue
        for report in told:
            report.add(examined)
        if any(fails(each.kind, is_strict=strict) for each in examined.findings):
            code = max(code, FAILED)
    for report in told:
        report.finish()
    sys.exit(code)


def _moment(named: str) -> datetime:
    moment = datetime.now(UTC) if named == "now" else read_instant(named)
    if moment is None:
        what = f'"{named}" is not a time: write it as 2031-03-01T12:00:00Z, or now'
        raise click.BadParameter(what, param_hint="--now")
    return moment

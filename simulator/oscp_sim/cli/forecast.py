"""`oscp-sim forecast`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from oscp_sim.cli.options import connection, control_token_option, told_by_simulator

if TYPE_CHECKING:
    import requests

_PATIENCE: Final = (10.0, 120.0)


@click.command()
@click.argument("provider", type=click.IntRange(0), metavar="PROVIDER")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--url",
    envvar="OSCP_SIM_URL",
    default="http://127.0.0.1:8920",
    show_default=True,
    help="Where the simulator is; else OSCP_SIM_URL.",
)
@click.option("--user", type=click.IntRange(0), metavar="N", help="Whose Capacity Provider it is.")
@click.option("--group", metavar="IDENTIFIER", help="The Capacity Group; else the only one it has.")
@click.option("--type", metavar="TYPE", help="Of the forecast; CONSUMPTION unless given.")
@click.option("--unit", metavar="UNIT", help="Of rows that name none; KW unless given.")
@click.option("--phase", metavar="PHASE", help="Of rows that name none; ALL unless given.")
@click.option(
    "--step", metavar="DURATION", help="How long each block is, as 15m, without end_time."
)
@click.option(
    "--time-zone", metavar="ZONE", help="Of times without an offset, as Europe/Amsterdam."
)
@click.option("--date-format", metavar="FORMAT", help="Of all times, as %d.%m.%Y %H:%M.")
@click.option("--decimal-comma", is_flag=True, help="Numbers are written as 35,5.")
@click.option(
    "--column",
    "columns",
    metavar="COLUMN=NAME",
    multiple=True,
    help='What a column is called: --column "capacity=Vermogen (kW)"; may be repeated. Then others '
    "are not looked at.",
)
@control_token_option
def forecast(
    provider: int,
    file: IO[bytes],
    url: str,
    control_token: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Have a Capacity Provider of a running simulator send a forecast from a spreadsheet.

    FILE is a table as CSV, with commas, semicolons or tabs, or as XLSX: its first row names the
    columns, start_time, end_time and capacity, or start and capacity with --step; phase and unit
    are optional. "-" is the standard input.

    Exits with 0 when the message was accepted, 1 when it was refused, 2 when the table or an option
    makes no sense, 3 when there is no simulator.
    """
    import requests

    options["columns"] = [_pair(each) for each in options["columns"]]
    options["decimal_comma"] = "true" if options["decimal_comma"] else None
    given = {name: value for name, value in options.items() if value not in (None, [], ())}
    address = f"{url.rstrip('/')}/_sim/providers/{provider}/forecast"
    # Of the standard input, a test has none.
    sent = {"file": (Path(getattr(file, "name", "-")).name, file.read())}
    try:
        with connection(control_token) as session:
            user = {"user": given.pop("user")} if "user" in given else None
            answer = session.post(address, params=user, data=given, files=sent, timeout=_PATIENCE)
    except requests.RequestException as error:
        hint = "start one with oscp-sim serve, or say where it is with --url"
        _say(f"there is no simulator at {url} ({type(error).__name__}): {hint}")
        sys.exit(3)
    sys.exit(_told(answer, provider))


def _pair(text: str) -> str:
    if not all(text.partition("=")):
        raise click.BadParameter(f'"{text}" is not COLUMN=NAME', param_hint="--column")
    return text


def _told(answer: requests.Response, provider: int) -> int:
    """Show an answer, and return the exit code that it means."""
    content = told_by_simulator(answer, "action")
    if content is None:
        _say(f"HTTP {answer.status_code}, which is not the answer of a simulator: see --url")
        return 3
    if "error" in content:
        _say(str(content["error"]))
        return 2
    status = "no answer" if content["status"] is None else content["status"]
    click.echo(
        f"Capacity Provider {provider} sent {content['action']}: {status} {content['reason']}"
        f" (entry {content['entry']} of the journal)"
    )
    is_taken = content["status"] is not None and content["status"] < 400  # noqa: PLR2004 - of HTTP
    if not is_taken and content["body"]:
        click.echo(content["body"])
    return 0 if is_taken else 1


def _say(text: str) -> None:
    from oscp_sim.matching import printable

    for line in text.splitlines():
        click.echo(printable(f"oscp-sim forecast: {line}"), err=True)

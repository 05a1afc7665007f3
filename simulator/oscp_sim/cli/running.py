"""`oscp-sim watch` and `oscp-sim forecast`, which ask a simulator that is running already."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

import click

from oscp_send.cli.main import Colours, color_option
from oscp_sim.cli.options import end

if TYPE_CHECKING:
    import requests

    from oscp_sim.entry import Entry

# Seconds that a simulator waits for something to happen, and how much longer its answer may take.
_WAIT: Final = 25
_PATIENCE: Final = (10.0, _WAIT + 30.0)
_OF_A_TABLE: Final = (10.0, 120.0)
_USUAL_URL: Final = "http://127.0.0.1:8920"
#: The exit code where there is no simulator.
NO_SIMULATOR: Final = 3

control_token_option = click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="OSCP_SIM_CONTROL_TOKEN",
    help="What the simulator asks for; better given as OSCP_SIM_CONTROL_TOKEN.",
)

# Where the file is named by which one that speaks TLS is trusted, as `serve --env-file` has it.
_TRUSTED_BY: Final = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def _connection(control_token: str | None) -> requests.Session:
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


def _said(answer: requests.Response, key: str) -> dict[str, Any] | None:
    """Return what a simulator says, which has this key; None where what answers is not one.

    Exits with 2 where it refused, and with why.
    """
    try:
        content = answer.json()
    except ValueError:
        return None
    if isinstance(content, dict) and "error" in content:
        end(content["error"])
    return content if isinstance(content, dict) and key in content else None


@click.command()
@click.argument("url", envvar="OSCP_SIM_URL", default=_USUAL_URL)
@click.option(
    "--from-start", is_flag=True, help="Begin with what happened before, as far as it is kept."
)
@click.option("--brief", is_flag=True, help="One line for each exchange, and nothing below it.")
@control_token_option
@color_option
def watch(
    url: str, from_start: bool, brief: bool, control_token: str | None, colours: Colours
) -> None:
    """Show what the parties of a running simulator send one another, as it happens.

    URL is where the simulator is; http://127.0.0.1:8920, or OSCP_SIM_URL, where not given. Each
    exchange has a line: its number in the journal, who asked whom, and the answer. Below are its
    ids, what the message says, and what is wrong with it.

    Ends with the simulator, or with Ctrl-C, and exits with 0; with 2 where the URL makes no sense
    or the simulator wants a control token, with 3 when there is no simulator.
    """
    import requests

    from oscp_sim.scenario.live import Live

    told = Live(sys.stdout, colours=colours, is_brief=brief, here=lambda: url.rstrip("/"))
    with _connection(control_token) as session:
        address = f"{url.rstrip('/')}/_sim/journal"
        try:
            for entries in _entries(session, address, is_whole=from_start):
                told.tell(entries)
        except KeyboardInterrupt:
            sys.exit(0)
        except requests.RequestException as error:
            _end_unreached(url, error)


def _entries(
    session: requests.Session, address: str, *, is_whole: bool
) -> Iterator[Sequence[Entry]]:
    """Yield the entries of a journal as they come, until the simulator ends."""
    import requests

    from oscp_sim.entry import Entry

    last = _page(session, address, limit=1, since=2**62)["last"]
    since = 0 if is_whole else last
    while True:
        try:
            page = _page(session, address, since=since, wait=_WAIT)
        except requests.ConnectionError:
            click.echo("the simulator has ended", err=True)
            return
        since = page["last"]
        yield [Entry.from_dict(each) for each in page["entries"]]


def _page(session: requests.Session, address: str, **query: int) -> Any:  # noqa: ANN401 - JSON
    answer = session.get(address, params=query, timeout=_PATIENCE)
    if answer.status_code == 404:  # noqa: PLR2004 - of HTTP
        _end_without(f"there is no journal at {address}")
    page = _said(answer, "last")
    if page is None:
        _end_without(f"what answers at {address} is not a simulator")
    return page


def _end_unreached(url: str, error: requests.RequestException, by: str = "") -> NoReturn:
    if isinstance(error, ValueError):
        # Nothing was sent there.
        end(f"{url} is not the address of a simulator: write it as http://127.0.0.1:8920")
    _end_without(f"there is no simulator at {url} ({type(error).__name__})", by)


def _end_without(why: str, by: str = "") -> NoReturn:
    end(f"{why}; start one with oscp-sim serve, or say where it is{by}", NO_SIMULATOR)


@click.command()
@click.argument("provider", type=click.IntRange(0), metavar="PROVIDER")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--url",
    envvar="OSCP_SIM_URL",
    default=_USUAL_URL,
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
        with _connection(control_token) as session:
            user = {"user": given.pop("user")} if "user" in given else None
            answer = session.post(address, params=user, data=given, files=sent, timeout=_OF_A_TABLE)
    except requests.RequestException as error:
        _end_unreached(url, error, " with --url")
    sys.exit(_told(answer, provider))


def _pair(text: str) -> str:
    if not all(text.partition("=")):
        raise click.BadParameter(f'"{text}" is not COLUMN=NAME', param_hint="--column")
    return text


def _told(answer: requests.Response, provider: int) -> int:
    """Show an answer, and return the exit code that it means."""
    content = _said(answer, "action")
    if content is None:
        why = f"HTTP {answer.status_code}, which is not the answer of a simulator: see --url"
        end(why, NO_SIMULATOR)
    status = "no answer" if content["status"] is None else content["status"]
    click.echo(
        f"Capacity Provider {provider} sent {content['action']}: {status} {content['reason']}"
        f" (entry {content['entry']} of the journal)"
    )
    is_taken = content["status"] is not None and content["status"] < 400  # noqa: PLR2004 - of HTTP
    if not is_taken and content["body"]:
        click.echo(content["body"])
    return 0 if is_taken else 1

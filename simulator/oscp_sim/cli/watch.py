"""`oscp-sim watch`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from oscp_send.cli.main import Colours, color_option
from oscp_sim.cli.options import connection, control_token_option, told_by_simulator

if TYPE_CHECKING:
    import requests

    from oscp_sim.entry import Entry

# Seconds that a simulator waits for something to happen, and how much longer its answer may take.
_WAIT: Final = 25
_PATIENCE: Final = (10.0, _WAIT + 30.0)


@click.command()
@click.argument("url", envvar="OSCP_SIM_URL", default="http://127.0.0.1:8920")
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

    Ends with the simulator, or with Ctrl-C, and exits with 0; with 2 where the simulator wants a
    control token, with 3 when there is no simulator.
    """
    import requests

    from oscp_sim.scenario.live import Live

    told = Live(sys.stdout, colours=colours, is_brief=brief)
    with connection(control_token) as session:
        address = f"{url.rstrip('/')}/_sim/journal"
        try:
            for entries in _entries(session, address, is_whole=from_start):
                told.tell(entries)
        except KeyboardInterrupt:
            sys.exit(0)
        except requests.RequestException as error:
            _end(f"there is no simulator at {url} ({type(error).__name__})", 3)


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
    page = told_by_simulator(answer, "last")
    if page is None:
        _end(f"what answers at {address} is not a simulator", 3)
    if "error" in page:
        _end(str(page["error"]), 2)
    return page


def _end(why: str, code: int) -> NoReturn:
    from oscp_sim.matching import printable

    hint = "; start one with oscp-sim serve, or say where it is" if code == 3 else ""  # noqa: PLR2004 - the exit code
    click.echo(printable(f"oscp-sim watch: {why}{hint}"), err=True)
    sys.exit(code)

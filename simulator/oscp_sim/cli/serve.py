"""`oscp-sim serve`."""

from __future__ import annotations

import logging
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args
from urllib.parse import urlsplit

import click

from oscp_send.cli.main import printable
from oscp_send.times import utc_text
from oscp_sim.addresses import (
    CAPACITY_OPTIMIZER_PATH,
    CAPACITY_PROVIDER_PATH,
    ELMO_PATH,
    FLEXIBILITY_PROVIDER_PATH,
    path_of,
    server_url,
)
from oscp_sim.cli.options import (
    FILE_TO_WRITE,
    PORT,
    Setup,
    bad_parameters,
    end,
    listeners,
    others_option,
    readable,
    setup_options,
)
from oscp_sim.cli.record import Kept, kept_options
from oscp_sim.clock import Clock, FastClock, FrozenClock, RealClock
from oscp_sim.entry import ALL_PARTIES, PartyName
from oscp_sim.faults import Rule, impossible_at_a_port, load_faults
from oscp_sim.http import OURS, Request
from oscp_sim.keep import StateFile, StateFileError
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.scenario.real_parties import KINDS, NAMES
from oscp_sim.serve import Tls
from oscp_sim.serve import serve as run
from oscp_sim.server import PortUnavailable
from oscp_sim.shared import BOUNDED, Limits
from oscp_sim.simulator import Simulator
from oscp_sim.world import CapacityOptimizer, CapacityProvider, Simulated, User, World
from oscp_sim.yaml_source import SourceError, SourceProblem

if TYPE_CHECKING:
    from flask import Blueprint

    from oscp_sim.addresses import Others
    from oscp_sim.authority import Authority
    from oscp_sim.production import Surroundings
    from oscp_sim.scenario.model import Runs

# Eleven days in a second: a faster clock would fall behind what is due.
_FASTEST: Final = 1_000_000


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=PORT,
    default=8920,
    show_default=True,
    help="Where to listen; 0 takes a free port.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="Where others reach it, as http://sim.example:8920, if not where it listens.",
)
@click.option(
    "--tls",
    is_flag=True,
    help="Speak TLS, with a certificate of an authority that is made for this session.",
)
@click.option(
    "--ca-file",
    type=FILE_TO_WRITE,
    metavar="FILE",
    help="Write the authority's certificate to this PEM file; beside the URL file where not given. "
    "Removed at the end.",
)
@click.option(
    "--proxy",
    type=PORT,
    is_flag=False,
    flag_value=8921,
    metavar="[PORT]",
    help="Also be an HTTP proxy on this port of 127.0.0.1, 8921 where none is given, 0 for a free "
    "one: it answers https://data.solarnetwork.net and https://oscp.solarnetwork.net itself, for "
    "programs that have them in their source. See docs/production-urls.md.",
)
@others_option
@click.option(
    "--env-file",
    type=FILE_TO_WRITE,
    metavar="FILE",
    help="Write the variables that a program needs to trust the certificate and find the proxy to "
    "this file, for a shell: `. FILE`. Removed at the end.",
)
@setup_options
@click.option(
    "--play",
    "plays",
    type=click.Choice(get_args(PartyName)),
    multiple=True,
    help="Play this party; may be given several times. All of them where not given.",
)
@click.option(
    "--clock",
    "runs",
    type=click.Choice(["real", "frozen", "fast"]),
    default="real",
    show_default=True,
    help="The machine's; or one that moves only when POST /_sim/clock says so; or one that also "
    "runs by itself, at --speed.",
)
@click.option(
    "--start",
    metavar="INSTANT",
    help="When a clock that is not the machine's begins, as 2026-03-01T00:00:00Z; now where not "
    "given.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, _FASTEST, min_open=True),
    help="How many seconds of a fast clock pass in one of the machine's.",
)
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="OSCP_SIM_CONTROL_TOKEN",
    help="Ask for this token below /_sim/, as Authorization: Bearer TOKEN. Better given in the "
    "environment, as OSCP_SIM_CONTROL_TOKEN.",
)
@click.option(
    "--keep",
    type=FILE_TO_WRITE,
    help="Keep in this file, over a restart, what registrations and handshakes have agreed.",
)
@click.option(
    "--journal",
    type=click.IntRange(1),
    default=BOUNDED.journal,
    show_default=True,
    help="How many entries the journal keeps, the newest. Of this and the next three: fewer where "
    "they take more than 4 KB on average.",
)
@click.option(
    "--keep-instructions",
    type=click.IntRange(1),
    default=BOUNDED.instructions,
    show_default=True,
    help="How many instructions are kept. The oldest that is at its end goes first, and none that "
    "is under way.",
)
@click.option(
    "--keep-events",
    type=click.IntRange(1),
    default=BOUNDED.events,
    show_default=True,
    help="How many user events are kept, the newest.",
)
@click.option(
    "--keep-messages",
    type=click.IntRange(1),
    default=BOUNDED.messages,
    show_default=True,
    help="How many messages each played system remembers that it got, and as many that it sent.",
)
@click.option(
    "--faults",
    "faults",
    type=FILE_TO_WRITE,
    metavar="FILE",
    help="Rules in a YAML file of what is to go wrong; see docs/faults.md, and POST /_sim/faults.",
)
@click.option(
    "--url-file",
    type=FILE_TO_WRITE,
    help="Write {url, pid} as JSON to this file once the server answers, and ca_file and proxy "
    "where there are such; removed at the end.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Show what happens, as oscp-sim watch does: with ids, messages and findings.",
)
@click.option(
    "--quiet", is_flag=True, help="Show no line for each exchange, as is usual on a terminal."
)
@kept_options
def serve(
    host: str,
    port: int,
    public_url: str | None,
    tls: bool,
    ca_file: Path | None,
    proxy: int | None,
    others: Others | None,
    env_file: Path | None,
    setup: Setup,
    plays: tuple[PartyName, ...],
    runs: Runs,
    start: str | None,
    speed: float | None,
    control_token: str | None,
    keep: Path | None,
    journal: int,
    keep_instructions: int,
    keep_events: int,
    keep_messages: int,
    faults: Path | None,
    url_file: Path | None,
    follow: bool,
    quiet: bool,
    kept: Kept,
) -> None:
    """Serve the parties of a rehearsal on one port until interrupted.

    Point your client at the URLs that are printed, instead of at SolarNetwork. What happened is at
    /_sim/journal, and on a terminal each exchange has a line. Name a party of your own with --seat:
    it is then not played. A --report is written when it ends.
    """
    _log_printable()
    kept.check()
    if public_url is not None:
        with bad_parameters("--public-url"):
            public_url = server_url(public_url)
    _check_tls(public_url, tls=tls, proxy=proxy, others=others, files=(ca_file, env_file))
    chosen = setup.behaviour()
    placed = setup.placed_world()
    with bad_parameters("--play"):
        played = played_parties(placed, plays)
    told = listeners(setup.reports)
    began = time.monotonic()
    simulator = Simulator(
        placed,
        seed=setup.seed,
        clock=_clock(runs, start, speed),
        fidelity=chosen,
        plays=played,
        control_token=_checked_token(control_token),
        limits=Limits(journal, keep_instructions, keep_events, keep_messages),
        faults=_rules(faults),
    )

    simulator.add_pages(partial(_inspector, simulator))

    def announce(url: str) -> None:
        for line in announcement(simulator, url, placed, is_built_in=setup.world is None):
            click.echo(line)
        if secured is None:
            tell_how_to_stop()

    def announce_surroundings(around: Surroundings) -> None:
        for line in _surrounding(simulator.world, around, env_file):
            click.echo(line)
        tell_how_to_stop()

    def tell_how_to_stop() -> None:
        click.echo(f"seed {setup.seed}, fidelity {chosen}; Ctrl-C stops")
        sys.stdout.flush()

    secured = None
    if tls or proxy is not None:
        authority = _authority(placed, host, public_url)
        secured = Tls(
            authority, announce_surroundings, tls, ca_file, proxy, others or "pass", env_file
        )
    with _shown(simulator, follow=follow, quiet=quiet):
        _run(simulator, host, port, announce, keep, public_url, url_file, secured)
    for each in simulator.faults.warnings:
        click.echo(printable(f"warning: {each}"), err=True)
    # A report that cannot be written ends the command.
    is_kept = kept.write(simulator.shared)
    if told:
        from oscp_sim.report.session import tell_session

        tell_session(simulator.shared, time.monotonic() - began, told)
    sys.stdout.flush()
    sys.stderr.flush()
    # Python would let go of all that was kept piece by piece, for a second and more.
    os._exit(0 if is_kept else 2)


def _inspector(simulator: Simulator) -> Blueprint:
    # With Flask, which who only sends does not wait for.
    from oscp_sim.inspector import inspector

    return inspector(simulator)


@contextmanager
def _shown(simulator: Simulator, *, follow: bool, quiet: bool) -> Iterator[None]:
    """Show what happens: on a terminal a line for each exchange, or more where it is asked for."""
    if quiet or not (follow or sys.stdout.isatty()):
        yield
        return
    from oscp_sim.scenario.live import Live, live

    told = Live(sys.stdout, is_brief=not follow, here=lambda: simulator.public_url)
    with live(simulator.journal, told.tell), simulator.telling(partial(_missed, simulator)):
        yield


def _missed(simulator: Simulator, request: Request) -> None:
    """Say of a request that is for nobody, so that it is not in the journal, what it may mean."""
    path, party_at = request.path, simulator.faults.party_at
    if request.flaw or path == "/" or path.startswith(OURS) or party_at(path):
        return
    path = simulator.journal.redact(path)[:200]
    played = [each for each in _PLACES if party_at(f"{each}/")]
    near = get_close_matches(path, played, n=1)
    meant = f"; nearest is {near[0]}/..." if near else ""
    with suppress(OSError):
        click.echo(printable(f"     -  {request.method}: nobody is at {path} (404){meant}"))


def _run(
    simulator: Simulator,
    host: str,
    port: int,
    announce: Callable[[str], None],
    keep: Path | None,
    public_url: str | None,
    url_file: Path | None,
    tls: Tls | None,
) -> None:
    """Serve until a signal comes, and keep the state meanwhile; a problem ends the command."""
    state: AbstractContextManager[Callable[[], None] | None] = nullcontext()
    if keep is not None:
        state = StateFile(keep).kept(simulator.remembered, simulator.recall)
    try:
        with state as keep_now:
            if keep_now is not None:
                simulator.keep_by(keep_now)
            run(
                simulator,
                host,
                port,
                when_ready=announce,
                public_url=public_url,
                url_file=url_file,
                tls=tls,
            )
    except PortUnavailable as error:
        end(error, 3)
    except StateFileError as error:
        end(error)
    except OSError as error:
        if error.filename is None:
            raise
        end(f"{error.filename} cannot be written: {error.strerror}")


def _check_tls(
    public_url: str | None,
    *,
    tls: bool,
    proxy: int | None,
    others: Others | None,
    files: tuple[Path | None, Path | None],
) -> None:
    """Refuse what makes no sense together."""
    if tls and public_url is not None and not public_url.startswith("https://"):
        why = "with --tls it is reached by an https URL: write https://, or leave --tls out"
        raise click.BadParameter(why, param_hint="--public-url")
    if others and proxy is None:
        raise click.BadParameter("there is no proxy; add --proxy", param_hint="--others")
    for name, file in zip(("--ca-file", "--env-file"), files, strict=True):
        if file is not None and not tls and proxy is None:
            why = "there is nothing to trust; add --tls or --proxy"
            raise click.BadParameter(why, param_hint=name)


def _authority(world: World, host: str, public_url: str | None) -> Authority:
    """Return an authority whose certificate is for all names by which the simulator is called."""
    from oscp_sim.authority import TlsUnavailable
    from oscp_sim.production import authority_for

    names = {host, "" if public_url is None else urlsplit(public_url).hostname or ""}
    try:
        return authority_for(world, names - {"", "0.0.0.0", "::"})  # noqa: S104 - no name
    except TlsUnavailable as error:
        end(error)


def _rules(path: Path | None) -> tuple[Rule, ...]:
    if path is None:
        return ()
    with readable():
        rules = load_faults(path)
        if why := impossible_at_a_port(rules):
            raise SourceError([SourceProblem(str(path), why)])
    return rules


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return lines in which nothing from a message could move a terminal's cursor."""
        return "\n".join(map(printable, super().format(record).split("\n")))


def _log_printable() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable())
    logging.basicConfig(handlers=[handler])


def _checked_token(token: str | None) -> str | None:
    if token is not None and not token.strip():
        raise click.BadParameter("it is empty", param_hint="--control-token")
    if token is not None and not (token.isascii() and token.isprintable()):
        raise click.BadParameter(
            "it has characters that a header cannot be relied on to carry: use letters, digits "
            "and signs of ASCII",
            param_hint="--control-token",
        )
    return token


def _clock(runs: Runs, start: str | None, speed: float | None) -> Clock:
    if runs == "real" and start is not None:
        raise click.BadParameter(
            "the machine's clock begins nowhere; add --clock frozen or fast", param_hint="--start"
        )
    if runs != "fast" and speed is not None:
        raise click.BadParameter(f"a {runs} clock has none; add --clock fast", param_hint="--speed")
    if speed is not None and math.isnan(speed):
        raise click.BadParameter("nan is not a number", param_hint="--speed")
    if runs == "real":
        return RealClock()
    from oscp_sim.scenario.model import ClockSetting, parse_instant

    with bad_parameters("--start"):
        return ClockSetting(runs, None if start is None else parse_instant(start), speed).make()


# Which parties are played.

_SYSTEMS: Final[tuple[PartyName, ...]] = tuple(KINDS)


def played_parties(world: World, asked: Sequence[PartyName]) -> tuple[PartyName, ...]:
    """Return the parties to play: those that are asked for, or all that are not elsewhere.

    Args:
        world: With the real parties where they are.
        asked: The parties of `--play`, if any.

    Raises:
        ValueError: One that is asked for is real and nothing of it is left to play, or would have
            no Flexibility Provider to send to.
    """
    real = {party for party in ALL_PARTIES if _is_real_only(world, party)}
    for party in asked:
        if party in real:
            raise ValueError(
                f"the {party} is named as real, by --seat or in the world, and nothing of it is "
                f"left to play: leave --play {party} or that out"
            )
    if not asked:
        return tuple(each for each in ALL_PARTIES if each in _SYSTEMS or each not in real)
    played = tuple(each for each in ALL_PARTIES if each in asked)
    sender = next((each for each in played if each in _SYSTEMS), None)
    if sender and "flexibility_provider" not in {*played, *real}:
        raise ValueError(
            f"the {sender} would have no Flexibility Provider to send to: name yours with "
            "--seat flexibility_provider=URL, or add --play flexibility_provider"
        )
    return played


def _is_real_only(world: World, party: PartyName) -> bool:
    if party == "solaruser":
        return world.solaruser is not None
    if party == "flexibility_provider":
        return world.flexibility_provider is not None
    urls = [each.base_url for _, each in world.systems if isinstance(each, KINDS[party])]
    return any(isinstance(url, str) for url in urls) and not any(
        isinstance(url, Simulated) for url in urls
    )


# What is printed once the simulator answers.

_SOLARUSER: Final = "/solaruser/api/v1/sec/instr/add/OSCP_v20"
# What a path that nobody is at may have meant something below.
_PLACES: Final = (
    "/solaruser/api/v1/sec/instr",
    CAPACITY_PROVIDER_PATH,
    FLEXIBILITY_PROVIDER_PATH,
    CAPACITY_OPTIMIZER_PATH,
    ELMO_PATH,
)


def announcement(
    simulator: Simulator, url: str, given: World, *, is_built_in: bool
) -> Iterator[str]:
    """Yield lines that say where each party is, and how to begin.

    Args:
        simulator: What is served.
        url: Its base URL.
        given: Its world as it was before tokens were made for it.
        is_built_in: Whether its world is the built-in one, whose secret may be printed.
    """
    yield from _played(simulator, url)
    yield from _real(simulator.world, url)
    yield _line("what happened", f"{url}/ in a browser, or GET {OURS}/journal")
    if is_built_in and "solaruser" in simulator.plays:
        yield _line("sign with", "token rehearsal-token-0001, secret rehearsal-secret")
        yield _line("send for", "nodeId 1, coId 1, cgIdentifier foo-group")
    if "flexibility_provider" in simulator.plays:
        yield from _without_token(simulator.world, url, given)
    if simulator.faults.rules:
        count = len(simulator.faults.rules)
        yield _line("what goes wrong", f"{count} rule{'s' * (count > 1)}, {url}{OURS}/faults")
    clock = simulator.clock
    if isinstance(clock, FrozenClock):
        now = utc_text(clock.now(), "seconds")
        pace = f"stands at {now}"
        if isinstance(clock, FastClock) and clock.speed is not None:
            pace = f"begins at {now}, {clock.speed:g} times as fast as the machine's"
        yield _line("clock", pace)
        yield _line("  moved with", f"POST {url}{OURS}/clock")


def _surrounding(world: World, around: Surroundings, env_file: Path | None) -> Iterator[str]:
    """Yield lines that say how programs reach the simulator by https URLs."""
    if around.proxy is not None:
        from oscp_sim.addresses import answered_hosts

        yield _line("proxy", f"{around.proxy}, for {' and '.join(sorted(answered_hosts(world)))}")
    yield _line("certificate to trust", str(around.ca_file))
    if env_file is not None:
        yield _line("variables", f". {shlex.quote(str(env_file))}")


def _played(simulator: Simulator, url: str) -> Iterator[str]:
    """Yield a line for each party that is played, if the world has one."""
    plays = simulator.plays
    paths = {path_of(system) for _, system in simulator.world.systems if _is_here(system, url)}
    if "solaruser" in plays:
        yield _line("SolarUser", url + _SOLARUSER)
    if "flexibility_provider" in plays:
        yield _line("Flexibility Provider", url + FLEXIBILITY_PROVIDER_PATH)
    if "capacity_provider" in plays and CAPACITY_PROVIDER_PATH in paths:
        yield _line("Capacity Provider", url + CAPACITY_PROVIDER_PATH)
    if "capacity_provider" in plays and ELMO_PATH in paths:
        is_beside = CAPACITY_PROVIDER_PATH in paths
        yield _line("  as ELMO" if is_beside else "Capacity Provider", url + ELMO_PATH)
    if "capacity_optimizer" in plays and CAPACITY_OPTIMIZER_PATH in paths:
        yield _line("Capacity Optimizer", url + CAPACITY_OPTIMIZER_PATH)


def _real(world: World, url: str) -> Iterator[str]:
    """Yield a line for each party that is real."""
    if world.solaruser is not None:
        yield _line("SolarUser", f"{world.solaruser} (real)")
    if world.flexibility_provider is not None:
        yield _line("Flexibility Provider", f"{world.flexibility_provider} (real)")
    for user, system in world.systems:
        if _is_real(system, url):
            is_url = str(system.base_url).startswith(("http://", "https://"))
            what = "real" if is_url else "no http URL: nothing arrives there"
            yield _line(_name(world, user, system), f"{system.base_url} ({what})")


def _without_token(world: World, url: str, given: World) -> Iterator[str]:
    """Yield a line for each real system that cannot know with which token to register here."""
    known = {
        (user.id, type(each), each.id): each.flexibility_provider_token
        for user, each in given.systems
    }
    for user, system in world.systems:
        has_token = known.get((user.id, type(system), system.id)) is not None
        if system.registration_status == "Pending" and _is_real(system, url) and not has_token:
            yield (
                f"{_name(world, user, system)} is Pending: to register, it needs a "
                "flexibility_provider_token; give it one in the world file"
            )


def _is_here(system: CapacityProvider | CapacityOptimizer, url: str) -> bool:
    here = {base + path_of(system) for base in (url, IN_PROCESS_URL)}
    return isinstance(system.base_url, Simulated) or system.base_url in here


def _is_real(system: CapacityProvider | CapacityOptimizer, url: str) -> bool:
    return isinstance(system.base_url, str) and not _is_here(system, url)


def _name(world: World, user: User, system: CapacityProvider | CapacityOptimizer) -> str:
    kind = next(name for role, name in NAMES.items() if isinstance(system, KINDS[role]))
    of_whom = f" of user {user.id}" if len(world.users) > 1 else ""
    return f"{kind} {system.id}{of_whom}"


def _line(name: str, value: str) -> str:
    return f"{name:<20}  {printable(value)}"

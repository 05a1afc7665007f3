"""The simulator: all parties put together."""

from __future__ import annotations

import atexit
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote_plus, unquote

import requests

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import Behaviour
from oscp_sim.access_tokens import CLIENT_ID, AccessTokens, with_caller_tokens
from oscp_sim.addresses import Addresses, answered_hosts, server_url
from oscp_sim.clock import Clock, FrozenClock, RealClock, Schedule
from oscp_sim.entry import ALL_PARTIES, Entry, PartyName
from oscp_sim.faults import Faults, Rule
from oscp_sim.faults.answers import answered
from oscp_sim.flexibility_provider import registration
from oscp_sim.flexibility_provider.endpoint import (
    FlexibilityProviderEndpoints,
    HostOfFlexibilityProvider,
)
from oscp_sim.flexibility_provider.provider import FlexibilityProvider
from oscp_sim.http import NOBODY, OURS, Flaw, Parties, Party, Request, Response, bare_page
from oscp_sim.instructions import Instructions, QueuedMessage
from oscp_sim.journal import Journal
from oscp_sim.keep import learned, taught
from oscp_sim.outgoing import IN_PROCESS_URL, Outgoing, SimulatorAdapter, explaining
from oscp_sim.redaction import writable
from oscp_sim.server import Server
from oscp_sim.settling import Settling
from oscp_sim.shared import BOUNDED, Limits, Shared
from oscp_sim.solaruser import CONTEXT_PATH, SolarUser
from oscp_sim.system import SimulatedOptimizer, SimulatedProvider, Systems
from oscp_sim.token_endpoint import TokenEndpoint
from oscp_sim.user_events import UserEvents
from oscp_sim.verify import NotVerified, Verification, verify
from oscp_sim.world import Broker, World, load_world

if TYPE_CHECKING:
    from ssl import SSLContext

    from flask import Blueprint, Flask

    from oscp_sim.addresses import Others
    from oscp_sim.intercept import Intercept
    from oscp_sim.server import Entrance
    from oscp_sim.world.model import ExternalSystem


class Simulator:
    """A fake SolarUser, a Flexibility Provider, a Capacity Provider and a Capacity Optimizer.

    A context manager; any number live side by side in one process and share nothing.

        with Simulator() as simulator:
            client = SolarUserClient(simulator.url, "rehearsal-token-0001", "rehearsal-secret")

    Args:
        world: Who exists: a `World`, a path of a YAML file, or its content as a mapping; the
            built-in world where not given.
        seed: Makes every identifier that the simulator invents; the same seed, the same ones.
        clock: What time it is for all parties; the machine's where not given.
        fidelity: `documented` follows the public guide, `observed` the running service; a
            `Behaviour` sets single differences.
        plays: Which parties are played here, all of them unless given: where one is not, its paths
            are unknown, and the world says where it is. Without a Flexibility Provider here or
            there, a command of another party raises `LookupError`.
        control_token: What must be shown below `/_sim/`, as `Authorization: Bearer TOKEN`; nothing
            unless given.
        limits: How much is remembered; everything unless given, as a test wants it.
        faults: What shall go wrong from the beginning, beside the faults of the world.
        strict_dates: Whether signed requests must be dated by `clock`; where that is not the
            machine's, a date by the machine's is good, too, unless this is set.

    Attributes:
        clock: What time it is; `advance` moves one that is frozen or fast.
        journal: Everything that happened, in order, with `wait_for`.
        faults: What shall go wrong, with `add` and `clear`.
        public_url: The base URL at which others reach it, where somebody else serves it.
        shared: What its parties share, their database above all, for a look behind HTTP.
        flexibility_provider: The party itself, for a look behind HTTP.

    Raises:
        SourceError: The world is not well-formed; it says where and what to do.
        ValueError: The fidelity is unknown.
    """

    def __init__(
        self,
        world: World | Path | str | Mapping[str, Any] | None = None,
        *,
        seed: int = 1,
        clock: Clock | None = None,
        fidelity: Fidelity | Behaviour = "documented",
        plays: Iterable[PartyName] = ALL_PARTIES,
        control_token: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        faults: Iterable[Rule] = (),
        strict_dates: bool = False,
    ) -> None:
        self.seed = seed
        self.plays = frozenset(plays)
        self.public_url: str | None = None
        self.clock: Clock = clock or RealClock()
        self._limits = limits
        self.journal = Journal(self.clock, limit=limits.journal)
        behaviour = Behaviour.of(fidelity)
        self._server: Server | None = None
        self._keep: Callable[[], object] | None = None
        self._told: tuple[Callable[[Request], object], ...] = ()
        self._running = False
        self._server_lock = threading.Lock()
        given = world if isinstance(world, World) else load_world(world)
        self.faults = Faults(self.journal, self.clock, seed, (*given.faults, *faults))
        self.shared = self._furnished(given, behaviour)
        self.flexibility_provider = FlexibilityProvider(self.shared)
        self._systems = Systems(self.shared, self.plays)
        plays_provider = "flexibility_provider" in self.plays
        self._solaruser = SolarUser(
            self.shared, self.flexibility_provider if plays_provider else self._hand_to_nobody
        )
        self._closing = threading.Event()
        self._more_pages: list[Callable[[], Blueprint]] = []
        self._parties = Parties(
            self._played(),
            self.shared.schedule.asked,
            self.faults,
            partial(answered, self.faults),
        )
        self.faults.party_at = self._parties.name_at
        self._control_token = control_token
        if not strict_dates and not isinstance(self.clock, RealClock):
            # Most programs have no other clock.
            self.shared.clients_clock = RealClock()
        self.shared.outgoing.handle = self.handle
        self._first_world = self.shared.first_world = self.shared.world
        self._conceal_secrets()

    @cached_property
    def application(self) -> Flask:
        """All parties and `/_sim/` as one WSGI application, made when it is first asked for."""
        # Flask is imported where somebody looks at a page: most rehearsals do without.
        from oscp_sim.control import OPERATIONS, control, protect
        from oscp_sim.openapi import openapi
        from oscp_sim.web import make_application

        pages = control(
            self.shared,
            self._systems,
            self.reset,
            lambda: openapi(self._solaruser.routes, OPERATIONS),
        )
        all_pages = [pages, *(make() for make in self._more_pages)]
        for each in all_pages:
            protect(each, self.shared, self._control_token)
        return make_application(self._parties, all_pages, self._closing)

    def add_pages(self, make: Callable[[], Blueprint]) -> None:
        """Serve more pages of our own, beside `/_sim/`, and as safe from other web pages.

        Args:
            make: Returns them, once the first of our pages is asked for: with routes for `/`, or
                below `/_sim/`.
        """
        self._more_pages.append(make)

    @cached_property
    def _pages(self) -> Callable[[Request], Response]:
        from oscp_sim.web import through_wsgi

        return through_wsgi(self.application)

    @property
    def world(self) -> World:
        """Who exists."""
        return self.shared.world

    @property
    def behaviour(self) -> Behaviour:
        """Which side of each difference in fidelity is followed."""
        return self.shared.behaviour

    @property
    def url(self) -> str:
        """The base URL on the loopback interface; its server starts when it is first asked for.

        Raises:
            RuntimeError: The simulator is not running, so nobody would close the server.
        """
        if self.public_url is not None:
            return self.public_url
        with self._server_lock:
            if not self._running:
                raise RuntimeError("the simulator is not running: use it in a with statement")
            if self._server is None:
                self._server = self.listen()
            return self._server.url

    def listen(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: SSLContext | None = None,
        entrance: Entrance | None = None,
    ) -> Server:
        """Return a server whose requests are answered here, as long as the simulator runs.

        Raises:
            PortUnavailable: The port is taken, or the host is not this machine's.
        """
        return Server(
            self.handle,
            host,
            port,
            faults=self.faults,
            tls=tls,
            entrance=entrance,
            attended=self.shared.schedule.attended,
        )

    def serve_at(self, url: str) -> None:
        """Note that another server serves it, to clients outside of this process.

        Args:
            url: The base URL at which they reach it.
        """
        self.public_url = url

    def session(self, *, explains: bool = True) -> requests.Session:
        """Return a `requests` session that reaches the simulator without a socket.

        Its base URL is `IN_PROCESS_URL`; every other address is reached over the network.

        Args:
            explains: Whether a 401 or 403 says beside its status why, and which entry of the
                journal says more, which the service does not.
        """
        session = requests.Session()
        session.trust_env = False
        handle = explaining(self.handle, self.journal) if explains else self.handle
        session.mount(IN_PROCESS_URL, SimulatorAdapter(handle, self._let_pass))
        return session

    def intercept(self, others: Others = "pass") -> Intercept:
        """Return a context manager in which this simulator answers the hosts of production.

            with simulator.intercept():
                my_program.send()  # to https://data.solarnetwork.net, as it stands in its source

        It answers `PRODUCTION_HOSTS` and the `hosts` of its world, but none at which the world says
        that a party is real; by http and https, for `requests`, urllib3, httpx, aiohttp,
        `http.client` and `urllib.request`. Of several, the innermost answers. It may be a
        decorator, too, of a function or a coroutine.

        Args:
            others: What is done with every other host: "pass" leaves it alone, "refuse" lets
                nothing be sent there, as if nobody listened.

        Raises:
            ValueError: `others` is neither.
        """
        from oscp_sim.intercept import Answerer, Intercept, check_others

        return Intercept(
            Answerer(
                explaining(self.handle, self.journal),
                hosts=lambda: answered_hosts(self.world),
                own_url=self._known_url,
                let_pass=self._let_pass,
                is_real_time=not self.clock.is_simulated,
                refuses=check_others(others) == "refuse",
            )
        )

    def _let_pass(self, seconds: float) -> None:
        """Let the time pass for which a client in this process waits."""
        if isinstance(self.clock, FrozenClock) and getattr(self.clock, "speed", None) is None:
            self.clock.advance(seconds)
        else:
            self.clock.sleep(seconds)

    def handle(self, request: Request) -> Response:
        """Answer a request in this process, as the server does for one that comes to `url`.

        An answer that a fault breaks on its way is a `Spoilt`, which says how.
        """
        for tell in self._told:
            tell(request)
        response = self._answered(request)
        if self._keep is not None:
            self._keep()
        return response

    @contextmanager
    def telling(self, tell: Callable[[Request], object]) -> Iterator[None]:
        """Call something with each request before it is answered, on the thread that answers it.

        It is as it came, whatever party it is for; with its credentials, which the journal hides.
        """
        self._told = (*self._told, tell)
        try:
            yield
        finally:
            self._told = tuple(each for each in self._told if each is not tell)

    def _answered(self, request: Request) -> Response:
        if request.flaw is not None:
            return self._refused(request, request.flaw)
        answer = self._parties.at(request.path) or self._otherwise
        try:
            return answer(request)
        except Exception as error:
            self.journal.mistake(error, f"{request.method} {request.path} could not be answered")
            raise

    def _otherwise(self, request: Request) -> Response:
        """Answer what is for no party: by a page of our own, if it can be for one."""
        is_ours = unquote(request.path).lstrip("/").startswith(OURS.lstrip("/"))
        if is_ours or (request.path == "/" and self._more_pages):
            return self._pages(request)
        return replace(NOBODY, body=b"") if request.method == "HEAD" else NOBODY

    def _refused(self, request: Request, flaw: Flaw) -> Response:
        """Refuse what cannot be read, whoever it is for; the journal says why."""
        response = bare_page(flaw)
        party: PartyName = "flexibility_provider"
        if request.path.startswith(CONTEXT_PATH):
            party = "solaruser"
        if party not in self.plays:
            party = next(each for each in ALL_PARTIES if each in self.plays)
        detail = {"why": flaw.why}
        self.journal.append(party, "exchange", request=request, response=response, detail=detail)
        return replace(response, body=b"") if request.method == "HEAD" else response

    def wait_until_settled(self, timeout: float) -> bool:
        """Wait until no instruction is on its way any more; return whether that came to be."""
        return self.shared.instructions.wait_until_settled(timeout)

    def settle(self, timeout: float) -> bool:
        """Wait until nothing is on its way any more; return whether that came to be.

        That is: no instruction, no message, answer or try, and no request that is being answered.
        What comes again and again, as heartbeats do, does not count. By a frozen clock, what is
        due later is not awaited: it returns False at once.

        Args:
            timeout: Seconds of real time; where the clock runs only while somebody waits, also of
                that clock, which goes from one thing that is due to the next.
        """
        return Settling(self.shared).wait_until_settled(timeout)

    def verify(
        self,
        condition: Mapping[str, Any] | Callable[[Entry], bool] | None = None,
        *,
        exactly: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        none: bool = False,
        order: Iterable[Mapping[str, Any] | Callable[[Entry], bool]] | None = None,
        all_of: Iterable[Mapping[str, Any] | Callable[[Entry], bool]] | None = None,
        nothing_else: bool = False,
        within: timedelta | float | str | None = None,
        since: int = 0,
        **fields: Any,  # noqa: ANN401 (any field of an entry, each with its own type)
    ) -> tuple[Entry, ...]:
        """Return the entries of the journal that fit, once it is certain that all holds.

            simulator.verify(party="capacity_provider", action="Handshake", exactly=1, within=2)

        It returns as soon as that is decided. A count that can still grow is judged when nothing is
        on its way any more. Exchanges count, unless a kind, state, reason or detail is asked for.

        Args:
            condition: Expected fields, or a function of an entry, as those of `Journal.wait_for`.
            exactly: How many there are to be; at least one where no number is given.
            at_least: The lowest number.
            at_most: The highest number.
            none: That there is none.
            order: Conditions that are to be met one after the other, each for the first time after
                the one before it; the other fields hold for each.
            all_of: Several verifications in one, each with its own fields and numbers.
            nothing_else: That there is no other entry of that party (and peer, direction and kind).
            within: Seconds, or a duration as `15m`, by the simulator's clock: what is missing may
                come until then. Where not given, only what is on its way already is awaited.
            since: Only entries with a higher number count: a mark that was taken from
                `journal.last`.
            **fields: More expected fields, as `party="capacity_provider"` or `status=204`.

        Raises:
            NotVerified: It does not hold, which is an `AssertionError`; its text says what was
                expected, what there was, which entry is nearest, and where it differs.
            ValueError: It makes no sense: an unknown field, party, kind or action, or numbers that
                contradict one another.
        """
        __tracebackhide__ = True  # pytest shows the line that asked
        verification = Verification.of(
            condition,
            fields,
            exactly=exactly,
            at_least=at_least,
            at_most=at_most,
            none=none,
            order=order,
            all_of=all_of,
            nothing_else=nothing_else,
            within=within,
        )
        return verify(self.shared, verification, since=since)

    def assert_nothing_sent(self, *, since: int = 0) -> None:
        """Raise unless no program has asked any party for anything, however it was answered.

        What the simulated parties send one another does not count.

        Args:
            since: As that of `verify`.

        Raises:
            NotVerified: A program has; it says what for.
        """
        __tracebackhide__ = True  # pytest shows the line that asked
        # The side that received a request is told first.
        self.settle(timeout=10)
        inside = {each.exchange_id for each in self.journal.entries(sent=True)}

        def came_from_a_program(entry: Entry) -> bool:
            return entry.exchange_id not in inside

        try:
            self.verify(came_from_a_program, kind="exchange", sent=False, none=True, since=since)
        except NotVerified as found:
            if not found.entries:
                raise
            # Without the conditions, which are not those of the caller.
            raise NotVerified(
                "nothing sent by a program",
                str(len(found.entries)),
                came=found.came[1:],
                entries=found.entries,
            ) from None

    def start(self) -> Self:
        """Start to deliver; a `with` statement does it."""
        with self._server_lock:
            self._running = True
        if "flexibility_provider" in self.plays:
            self.flexibility_provider.start()
        self._systems.plan()
        self.shared.schedule.start()
        return self

    def close(self, timeout: float | None = None) -> None:
        """Stop the server and end what is under way; a `with` statement does it.

        Args:
            timeout: Seconds to wait for deliveries under way; as long as they take where not given.
        """
        self._closing.set()
        with self._server_lock:
            self._running = False
            if self._server is not None:
                self._server.close()
                self._server = None
        self.shared.schedule.close(timeout)
        self.shared.outgoing.close()

    def reset(self) -> None:
        """Forget everything that happened, and start afresh with the first world.

        Numbers go on, and time does not go back.
        """
        self.shared.schedule.clear()
        self.shared.access_tokens.clear()
        with self.shared.world_lock:
            self.shared.replace_world(self._first_world)
        self.shared.instructions.clear()
        self.shared.events.clear()
        self.flexibility_provider.plan()
        self._systems.reset()
        self.journal.clear()
        self.faults.restart()

    def provider(self, id: int, user: int | None = None) -> SimulatedProvider:  # noqa: A002 - the world's
        """Return a Capacity Provider that is played here: what it knows, and its commands.

        Args:
            id: Of the Capacity Provider.
            user: Whose it is; need not be given where one user alone has one of that id.

        Raises:
            ValueError: Several users have one of that id.
            LookupError: There is none, or it is not played here.
        """
        return self._systems.provider(id, user)

    def optimizer(self, id: int, user: int | None = None) -> SimulatedOptimizer:  # noqa: A002 - the world's
        """Return a Capacity Optimizer that is played here: what it knows, and its commands.

        Args:
            id: Of the Capacity Optimizer.
            user: Whose it is; need not be given where one user alone has one of that id.

        Raises:
            ValueError: Several users have one of that id.
            LookupError: There is none, or it is not played here.
        """
        return self._systems.optimizer(id, user)

    def remembered(self) -> dict[tuple[int, str, int], dict[str, Any]]:
        """Return what the parties must not forget over a restart; with secrets."""
        with self.shared.world_lock:
            learnt = learned(self._first_world, self.world)
            owed = self.flexibility_provider.remembered()
        return {**self._systems.remembered(), **learnt, **owed}

    def recall(self, remembered: Mapping[tuple[int, str, int], Mapping[str, Any]]) -> None:
        """Take up what the parties remembered before a restart.

        Raises:
            ValueError: That is not what `remembered` had answered with.
        """
        with self.shared.world_lock:
            self.shared.replace_world(taught(self.world, remembered))
        self._conceal_secrets()
        self._systems.recall(remembered)
        if "flexibility_provider" in self.plays:
            registration.recall(self.flexibility_provider, remembered)

    def keep_by(self, keep: Callable[[], object]) -> None:
        """Have what is `remembered` kept before anything leaves that may confirm it."""
        self._keep = self.shared.outgoing.keep = keep

    @property
    def pending(self) -> int:
        """How much is still on its way: messages, answers and tries, but no jobs."""
        return self.shared.schedule.pending

    def set_broker(self, state: Broker) -> None:
        """Stop the MQTT broker between the services ("down"), or start it ("up").

        Raises:
            LookupError: SolarUser is not played here.
        """
        self.shared.set_broker(state)

    def _hand_to_nobody(self, message: QueuedMessage) -> None:
        """Leave a message in the queue: a Flexibility Provider elsewhere has no part in it."""
        self.journal.append(
            "solaruser",
            "note",
            action=message.action,
            instruction_id=message.id,
            detail={
                "why": "it stays in the queue: the Flexibility Provider is not played here, and a "
                "real one takes messages of its own SolarUser alone"
            },
        )

    def _furnished(self, world: World, behaviour: Behaviour) -> Shared:
        """Return what the parties share, and nothing has happened in yet."""
        return Shared(
            world=with_caller_tokens(world, self.seed),
            journal=self.journal,
            clock=self.clock,
            behaviour=behaviour,
            instructions=Instructions(
                self.clock,
                self.journal,
                gives_up=behaviour.follows_service("stale_queuing"),
                limit=self._limits.instructions,
            ),
            events=UserEvents(self.clock, self.seed, limit=self._limits.events),
            world_lock=threading.Lock(),
            schedule=Schedule(self.clock, self.journal.mistake),
            outgoing=Outgoing(
                faults=self.faults,
                is_here=self._is_own,
                secured=self._secured,
            ),
            addresses=Addresses(here=lambda: self.url, known=self._known_url, plays=self.plays),
            access_tokens=AccessTokens(self.clock, self.seed, lambda: self.shared.world),
            faults=self.faults,
            limits=self._limits,
            seed=self.seed,
        )

    def _played(self) -> Iterator[Party]:
        """Yield the parties that are played here."""
        endpoints = FlexibilityProviderEndpoints(self.flexibility_provider)
        if "solaruser" in self.plays:
            yield self._solaruser
        if "flexibility_provider" in self.plays:
            yield endpoints
        yield from self._systems.parties()
        yield TokenEndpoint(self.shared)
        if "flexibility_provider" in self.plays:
            yield HostOfFlexibilityProvider(endpoints, self.behaviour)

    def _known_url(self) -> str | None:
        return self.public_url or (self._server.url if self._server else None)

    def _secured(self, url: str) -> ExternalSystem | None:
        return self.world.secured(url)

    def _is_own(self, url: str) -> bool:
        known = self._known_url()
        return known is not None and url.startswith(f"{known}/")

    def _conceal_secrets(self) -> None:
        for secret in (self._control_token, *_secrets_of(self.world)):
            if secret is not None:
                self.journal.conceal(secret)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _secrets_of(world: World) -> Iterator[str | None]:
    for user in world.users:
        # Nobody ought to send one; a program that does has a mistake.
        yield from (token.secret for token in user.tokens)
        for system in user.systems:
            yield from (system.token, system.flexibility_provider_token)
            yield from _secrets_of_client(
                str((system.service_props or {}).get(CLIENT_ID, "")), system.oauth_client_secret
            )
            if (client := system.flexibility_provider_client) is not None:
                yield from _secrets_of_client(client.id, client.secret)


def _secrets_of_client(name: str, secret: str | None) -> Iterator[str]:
    """Yield a client's secret, alone and as it is shown by HTTP Basic."""
    if secret:
        yield secret
        plain = writable(name), writable(secret)
        for pair in (plain, map(quote_plus, plain)):
            yield b64encode(":".join(pair).encode()).decode()


def create_app(
    world: World | Path | str | Mapping[str, Any] | None = None, *, public_url: str | None = None
) -> Flask:
    """Return a running simulator as a Flask application, for `flask run` or any WSGI server.

    It runs until the process ends, with a bounded memory. WSGI passes on decoded paths and joined
    headers: a signature over an escaped path can be verified only behind `oscp-sim serve`, whose
    server keeps them.

    Args:
        world: As that of a `Simulator`.
        public_url: Where others reach the WSGI server, as http://sim.example:8920, if that is not
            this machine's localhost: `/_sim/` and the parties' own addresses are there, then.

    Raises:
        SourceError: As a `Simulator`.
        ValueError: The public URL is not the address of a server.
    """
    simulator = Simulator(world, limits=BOUNDED)
    if public_url is not None:
        simulator.serve_at(server_url(public_url))
    atexit.register(simulator.start().close)
    return simulator.application

"""The simulator: all parties put together, for as long as somebody holds it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import requests

from oscp_send.fidelity import Behaviour, Fidelity
from simulator.addresses import Addresses
from simulator.agenda import Agenda
from simulator.application import make_application
from simulator.caller_tokens import with_caller_tokens
from simulator.capacity_provider import capacity_provider
from simulator.clock import Clock, RealClock
from simulator.control import OPERATIONS, control
from simulator.entry import ALL_PARTIES, Party
from simulator.flexibility_provider import FlexibilityProvider
from simulator.instructions import Instructions
from simulator.journal import Journal
from simulator.local_server import LocalServer
from simulator.openapi import openapi
from simulator.outgoing import IN_PROCESS_URL, Outgoing
from simulator.rooms import Rooms
from simulator.solaruser import PREFIX as SOLARUSER
from simulator.solaruser import solaruser, solaruser_routes
from simulator.transport import WsgiAdapter
from simulator.user_events import UserEvents
from simulator.world import World, load_world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Any

__all__ = ["IN_PROCESS_URL", "Simulator"]


class Simulator:
    """A fake SolarUser, a Flexibility Provider behind it, and a mock Capacity Provider.

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
            are unknown, and the world says where it is.

    Attributes:
        clock: What time it is; `advance` moves one that is frozen or fast.
        journal: Everything that happened, in order, with `wait_for`.
        application: All parties and `/_sim/` as one WSGI application.
        public_url: The base URL at which others reach it, where somebody else serves it.

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
        plays: Iterable[Party] = ALL_PARTIES,
    ) -> None:
        self.seed = seed
        self.plays = frozenset(plays)
        self.public_url: str | None = None
        self.clock: Clock = clock or RealClock()
        self.journal = Journal(self.clock)
        behaviour = Behaviour.of(fidelity)
        self._server: LocalServer | None = None
        self._running = False
        self._server_lock = threading.Lock()
        self._rooms = Rooms(
            world=with_caller_tokens(
                world if isinstance(world, World) else load_world(world), seed
            ),
            journal=self.journal,
            clock=self.clock,
            behaviour=behaviour,
            instructions=Instructions(
                self.clock, self.journal, gives_up=behaviour.follows_service("stale_queuing")
            ),
            events=UserEvents(self.clock, seed),
            world_lock=threading.Lock(),
            agenda=Agenda(self.clock),
            outgoing=Outgoing(),
            addresses=Addresses(here=lambda: self.url, known=self._known_url),
            seed=seed,
        )
        self._flexibility_provider = FlexibilityProvider(self._rooms)
        routes = solaruser_routes(self._rooms, self._flexibility_provider)
        self.application = make_application(
            [
                solaruser(self._rooms, routes),
                capacity_provider(self._rooms),
                control(self._rooms, lambda: openapi(SOLARUSER, routes, OPERATIONS)),
            ]
        )
        self._rooms.outgoing.application = self.application
        self._conceal_tokens()

    @property
    def world(self) -> World:
        """Who exists."""
        return self._rooms.world

    @property
    def behaviour(self) -> Behaviour:
        """Which side of each difference in fidelity is followed."""
        return self._rooms.behaviour

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
                self._server = LocalServer(self.application)
            return self._server.url

    def session(self) -> requests.Session:
        """Answers with a `requests` session that reaches the simulator without a socket.

        Its base URL is `IN_PROCESS_URL`; every other address is reached over the network.
        """
        session = requests.Session()
        session.trust_env = False
        session.mount(IN_PROCESS_URL, WsgiAdapter(self.application))
        return session

    def wait_until_settled(self, timeout: float) -> bool:
        """Waits until no instruction is on its way any more; tells whether that came to be.

        Args:
            timeout: Seconds of real time.
        """
        return self._rooms.instructions.wait_until_settled(timeout)

    def start(self) -> Self:
        """Starts to deliver; a `with` statement does it."""
        with self._server_lock:
            self._running = True
        self._rooms.agenda.start()
        return self

    def close(self, timeout: float | None = None) -> None:
        """Stops the server and ends what is under way; a `with` statement does it.

        Args:
            timeout: Seconds to wait for deliveries under way; as long as they take where not given.
        """
        with self._server_lock:
            self._running = False
            if self._server is not None:
                self._server.close()
                self._server = None
        self._rooms.agenda.close(timeout)
        self._rooms.outgoing.close()

    @property
    def pending(self) -> int:
        """How much is still on its way: messages, answers and tries, but no jobs."""
        return self._rooms.agenda.pending

    def _known_url(self) -> str | None:
        return self.public_url or (self._server.url if self._server else None)

    def _conceal_tokens(self) -> None:
        for user in self.world.users:
            for system in user.systems:
                for token in (system.token, system.flexibility_provider_token):
                    if token is not None:
                        self.journal.conceal(token)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

"""Who answers which host meanwhile, and what is put in the place of a client library's methods."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final, TypeAlias

from oscp_sim.faults.wire import Spoilt, error_of, seconds_of, whole_but_late
from oscp_sim.http import Request, Response
from oscp_sim.server import read_request, written

_PORTS: Final = {"http": 80, "https": 443}


class Refused(ConnectionRefusedError):
    """Raised for a host that nobody answers, where every other one shall be refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Answerer:
    """One simulator, while it answers the hosts of production.

    A client library writes HTTP into what it takes for a connection. That is read as the server
    reads it off a socket, and what comes back are the bytes that the server sends; so it is the
    library itself that makes its responses of them, and its errors of what goes wrong.

    Attributes:
        handle: Answers a request.
        hosts: Returns the hosts that it answers, in lower case.
        own_url: Returns the base URL at which the simulator listens, if it does.
        let_pass: Lets so many seconds pass by the simulator's clock.
        is_real_time: Whether that takes so many of the machine's seconds, too.
        refuses: Whether every other host is refused.
    """

    handle: Callable[[Request], Response]
    hosts: Callable[[], frozenset[str]]
    own_url: Callable[[], str | None]
    let_pass: Callable[[float], object]
    is_real_time: bool
    refuses: bool

    def asked(self, data: bytes) -> Response:
        """Return the answer to a request as a client has written it.

        Raises:
            NotWhole: Something of it is missing.
        """
        return self.handle(read_request(data))

    def exchanged(self, data: bytes, patience: float | None) -> bytes:
        """Return what comes back for the bytes of a request, once its time has passed.

        The client waits so many seconds for a byte; None: as long as it takes.

        Raises:
            OSError: What a socket would raise.
        """
        came = Came.of(self.asked(data), patience)
        if came.seconds:
            self.let_pass(came.seconds)
        return came.bytes()

    def is_at(self, host: str, port: int) -> bool:
        """Return whether the simulator itself listens there."""
        return self.own_url() in {f"http://{host}:{port}", f"https://{host}:{port}"}


@dataclass(frozen=True, slots=True)
class Came:
    """What comes back for a request.

    Attributes:
        seconds: By the simulator's clock, until that is known.
        data: The bytes.
        error: What the socket raises in their place.
        ends: Whether the connection ends behind them.
    """

    seconds: float
    data: bytes
    error: type[OSError] | None = None
    ends: bool = False

    @classmethod
    def of(cls, response: Response, patience: float | None) -> Came:
        """Return what comes of an answer, which may be late or go wrong, by a client's patience."""
        is_spoilt = isinstance(response, Spoilt)
        if not is_spoilt and not response.after:
            return cls(0.0, written(response))
        spoilt = response if isinstance(response, Spoilt) else whole_but_late(response)
        whole = b"" if spoilt.how == "silent" else written(response, stays=not is_spoilt)
        error = error_of(spoilt, patience)
        seconds = seconds_of(spoilt, patience)
        return cls(seconds, spoilt.written(whole) if whole else b"", error, ends=is_spoilt)

    def bytes(self) -> bytes:
        """Return the bytes.

        Raises:
            OSError: None come.
        """
        if self.error is not None:
            raise as_raised(self.error)
        return self.data


def as_raised(kind: type[OSError]) -> OSError:
    """Return an error of a socket with its number and words."""
    number = _NUMBERS.get(kind)
    return kind("timed out") if number is None else kind(number, os.strerror(number))


_NUMBERS: Final[Mapping[type[OSError], int]] = {
    ConnectionRefusedError: errno.ECONNREFUSED,
    ConnectionResetError: errno.ECONNRESET,
}

#: Makes what stands in the place of a method, of the method.
Make: TypeAlias = Callable[[Any], Callable[..., Any]]


class Layer:
    """What is put over a method of a class, until it is lifted.

    It goes once it lies on top: where others are put over it and not lifted in order, with the last
    of them.

    Attributes:
        before: What stood there before.
        is_lifted: Whether it is to be there no more.
    """

    def __init__(self, owner: type, name: str, make: Make) -> None:
        self._owner, self._name = owner, name
        self.before = owner.__dict__[name]
        self.is_lifted = False
        over = make(self.before)
        over.__dict__["layer"] = self
        setattr(owner, name, over)

    def lift(self) -> None:
        """Put back what stood there before."""
        self.is_lifted = True
        while (top := self._top()) is not None and top.is_lifted:
            setattr(self._owner, self._name, top.before)

    def _top(self) -> Layer | None:
        return getattr(self._owner.__dict__[self._name], "layer", None)


# Whom a context (a thread, a task) has entered itself: it answers there before those of others.
_ENTERED: Final[ContextVar[tuple[Answerer, ...]]] = ContextVar("entered", default=())


class Board(MetaPathFinder):
    """Says who answers which host; stands on `sys.meta_path` while anybody does.

    So it is there once for the whole process, as the classes of the client libraries are, and sees
    to a library that is imported only meanwhile; of each, it has what puts layers over its classes.
    """

    def __init__(self, libraries: Mapping[str, Callable[[Board], None]]) -> None:
        self._libraries = libraries
        self._active: tuple[Answerer, ...] = ()
        self._undoing = ExitStack()

    @classmethod
    def present(cls) -> Board | None:
        """Return the board that stands there, if any."""
        return next((each for each in sys.meta_path if isinstance(each, Board)), None)

    def enter(self, answerer: Answerer) -> None:
        """Let somebody answer; the first puts layers over what is imported already."""
        is_first = not self._active
        self._active = (*self._active, answerer)
        _ENTERED.set((*_ENTERED.get(), answerer))
        if is_first:
            sys.meta_path.insert(0, self)
            for name, reach in self._libraries.items():
                if name in sys.modules:
                    reach(self)

    def leave(self, answerer: Answerer) -> None:
        """Let somebody answer no more; the last lifts all layers."""
        self._active = tuple(each for each in self._active if each is not answerer)
        _ENTERED.set(tuple(each for each in _ENTERED.get() if each is not answerer))
        if not self._active:
            sys.meta_path.remove(self)
            self._undoing.close()

    def cover(self, owner: type, name: str, make: Make) -> None:
        """Put a layer over a method until nobody answers any more."""
        self._undoing.callback(Layer(owner, name, make).lift)

    def at_the_end(self, do: Callable[[], object]) -> None:
        """Do something once nobody answers any more."""
        self._undoing.callback(do)

    @property
    def hosts(self) -> frozenset[str]:
        """All that somebody answers."""
        return frozenset().union(*(each.hosts() for each in self._active))

    def answerer(self, scheme: str | None, host: str | None, port: int | None) -> Answerer | None:
        """Return who answers a host; None: its request goes its way.

        The innermost one that answers it: of those that the same thread or task has entered, and
        else of all.

        Raises:
            Refused: Nobody does, and the innermost one refuses others.
        """
        name = (host or "").lower().rstrip(".")
        mine = tuple(each for each in _ENTERED.get() if each in self._active)
        inward = (*(each for each in self._active if each not in mine), *mine)
        for each in reversed(inward):
            if name in each.hosts():
                return each
        place = port or _PORTS.get(scheme or "", 0)
        if inward and inward[-1].refuses and not any(each.is_at(name, place) for each in inward):
            raise Refused(errno.ECONNREFUSED, self._why_not(name))
        return None

    def _why_not(self, host: str) -> str:
        known = ", ".join(sorted(self.hosts))
        return (
            f'{host} is refused inside of simulator.intercept(others="refuse"), which answers '
            f'{known}: mock it, let others pass with others="pass", or name it under hosts: in '
            "the world, if the simulator shall answer it"
        )

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import a client library so that its classes are seen to at once."""
        reach = self._libraries.get(name)
        if reach is None:
            return None
        for each in sys.meta_path:
            if each is not self and (spec := each.find_spec(name, path, target)) is not None:
                if spec.loader is not None:
                    spec.loader = _Arriving(spec.loader, partial(self._reach, reach))
                return spec
        return None

    def _reach(self, reach: Callable[[Board], None]) -> None:
        if self._active:
            reach(self)


class _Arriving(Loader):
    """Imports a module as its own loader does, and then sees to it."""

    def __init__(self, loader: Loader, see_to: Callable[[], None]) -> None:
        self._loader = loader
        self._see_to = see_to

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Its resources are asked for at its own loader.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._see_to()

"""Which system a request is for, by the token that it shows (OSCP dossier §2.2 and §9.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from simulator.external_system.call import Refused
from simulator.external_system.seat import Seat

if TYPE_CHECKING:
    from simulator.external_system.call import Call
    from simulator.external_system.seats import Seats
    from simulator.rooms import Rooms

__all__ = ["Authentication"]

S = TypeVar("S", bound=Seat)

_SCHEME = "Token"
_BEARER = "Bearer"


class Authentication(Generic[S]):
    """Tells the systems that are played below one path apart.

    Args:
        rooms: The shared rooms.
        seats: All that there are.
        path: Below which they are played.
    """

    def __init__(self, rooms: Rooms, seats: Seats[S], path: str) -> None:
        self._rooms = rooms
        self._seats = seats
        self._path = path

    @property
    def host(self) -> S | None:
        """Whose ways are followed towards somebody who shows no known token.

        The first one's, where several are played here (inferred).
        """
        return self._seats.first(self._path)

    def callers(self, call: Call) -> tuple[S, ...]:
        """Answers with the systems that a request may be for, at least one.

        Raises:
            Refused: It shows no token, or one that is good for nothing here.
        """
        shown = call.wire.header("authorization")
        name = call.wire.header("host") or ""
        if shown is None:
            called = self._seats.calling(self._path, None, name)
            return called or _refused(call, self.host, "X1", "the Authorization header is missing")
        scheme, _, token = shown.partition(" ")
        found: tuple[S, ...] = ()
        case = "X5"
        if scheme == _SCHEME:
            found = self._seats.calling(self._path, token, name)
            case = "X3" if token.startswith(" ") else case
        elif scheme == _BEARER:
            found, case = self._bearing(token), "X4"
        elif scheme.lower() == _SCHEME.lower():
            found, case = self._misspelt(token, name), "X2"
        if not found:
            return _refused(call, self.host, case, "the token is unknown")
        if case == "X2":
            call.mind(case, 'the scheme must be spelt "Token"', found[0].manners)
        good = tuple(seat for seat in found if _is_good(seat, token, call) or scheme == _BEARER)
        return good or _outdated(call, found, token)

    def _misspelt(self, token: str, name: str) -> tuple[S, ...]:
        found = self._seats.calling(self._path, token, name)
        return tuple(seat for seat in found if seat.manners.status("X2") < 400)  # noqa: PLR2004 - HTTP

    def _bearing(self, token: str) -> tuple[S, ...]:
        """Answers with the systems for which an access token was granted (OSCP dossier §5.9)."""
        client = self._rooms.access_tokens.holder(token)
        if client is None:
            return ()
        return tuple(
            seat
            for seat in self._seats.played(self._path)
            if (seat.system.service_props or {}).get("oauth-client-id") == client
        )


def _is_good(seat: Seat, token: str, call: Call) -> bool:
    return any(
        issued.value == token and issued.is_good(call.now) for issued in seat.registration.issued
    )


def _outdated(call: Call, found: tuple[S, ...], token: str) -> tuple[S, ...]:
    """Refuses a token that was good once, and says why it is not any more."""
    for seat in found:
        if any(issued.value == token for issued in seat.registration.issued):
            return _refused(call, seat, "X6", "the token has expired")
    return _refused(call, found[0], "X6", "a newer token has replaced this one")


def _refused(call: Call, host: S | None, case: str, text: str) -> tuple[S, ...]:
    """Refuses, unless these manners let such a request pass."""
    if host is None:
        raise Refused(case, text)
    call.mind(case, text, host.manners)
    return (host,)

"""Sending again what was not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.addresses import NobodyThere

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.external_system.records import Sent
    from simulator.external_system.seat import Seat

__all__ = ["insist"]

# Seconds before the second and the third try: SolarNetwork's (OSCP dossier §5.3).
_PAUSES: Final = (5.0, 10.0)


def insist(seat: Seat, send: Callable[[], Sent], then: Callable[[], object] = lambda: None) -> None:
    """Sends a message, up to three times until it is taken; a journal note tells when it is not.

    Args:
        seat: Who sends it.
        send: Does it, once.
        then: What to do once it is taken.
    """
    _attempt(seat, send, then, _PAUSES)


def _attempt(
    seat: Seat, send: Callable[[], Sent], then: Callable[[], object], pauses: tuple[float, ...]
) -> None:
    try:
        sent = send()
    except NobodyThere as nobody:
        seat.note(f"nothing is sent: {nobody}")
        return
    if seat.is_success(sent):
        then()
    elif pauses:
        seat.rooms.agenda.after(
            pauses[0], lambda: _attempt(seat, send, then, pauses[1:]), lane=seat.lane
        )
    else:
        answer = sent.reason if sent.status is None else f"{sent.status} {sent.reason}"
        seat.note(
            f"the {sent.action} was not taken in {len(_PAUSES) + 1} tries, and is given up: "
            f"{answer}",
            request_id=sent.request_id,
        )

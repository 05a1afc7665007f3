"""Messages that come in segments (OSCP dossier §2.3 and X21), as one system deals with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from oscp_send.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.external_system.call import Call
    from simulator.external_system.seat import Seat

__all__ = ["Assembled", "Segmenting", "assemble"]


class Assembled(Protocol):
    """What became of a segment."""

    @property
    def state(self) -> str:
        """`complete`, `waiting` or `problem`."""
        ...

    @property
    def message(self) -> dict[str, Any] | None:
        """The whole message, where it is complete."""
        ...

    @property
    def request_id(self) -> str | None:
        """Of the whole message."""
        ...

    @property
    def correlation_id(self) -> str | None:
        """Of the whole message."""
        ...

    @property
    def problem(self) -> str:
        """What is wrong with it."""
        ...

    @property
    def correlates_to(self) -> str | None:
        """Which request the later segments named."""
        ...

    @property
    def repeated(self) -> bool:
        """Whether it had come before."""
        ...

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the segments that are still to come."""
        ...


class Segmenting(Protocol):
    """What puts segments together."""

    def take(
        self,
        action: str,
        message: Mapping[str, Any],
        *,
        request_id: str,
        correlation_id: str | None,
        index: str | None,
        count: str | None,
    ) -> Assembled:
        """Answers with what became of a segment."""
        ...


def assemble(call: Call, seat: Seat) -> bool:
    """Puts the message of a segment together, and tells whether there is a message to take.

    Raises:
        Refused: Something is wrong with the segment, and these manners refuse that.
    """
    index, count = (call.wire.header(f"x-segment-{name}") for name in ("index", "count"))
    if index is None and count is None:
        return True
    segments = seat.segments if seat.manners.reassembles else None
    if segments is None:
        call.mind("X21", "segments are not supported: this is taken for a whole", seat.manners)
        return True
    taken = segments.take(
        call.action or "",
        call.content,
        request_id=call.request_id or "",
        correlation_id=call.correlation_id,
        index=index,
        count=count,
    )
    if taken.state == "problem":
        call.mind("X21", taken.problem, seat.manners)
        return False
    what = f"segment {index} of {count}"
    if taken.message is None:
        missing = ", ".join(map(str, taken.missing)) or "none"
        again = "came before; " if taken.repeated else ""
        _remark(call, f"{what}: {again}still to come: {missing}")
        return False
    call.message = taken.message
    call.request_id, call.correlation_id = taken.request_id, taken.correlation_id
    to = "" if taken.correlates_to is None else f"; later segments name {taken.correlates_to}"
    _remark(call, f"{what}: the message is whole{to}")
    return True


def _remark(call: Call, message: str) -> None:
    call.findings.append(Finding("transport", "X21", "info", "", message))

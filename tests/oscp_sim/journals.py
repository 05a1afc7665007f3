"""Journals as parties write them, for tests of what is made of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request, Response
from oscp_sim.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from oscp_sim.entry import PartyName

START = datetime(2026, 5, 4, 15, 58, tzinfo=UTC)
CP, FP = "http://cp.test/oscp/cp/2.0", "http://fp.test/oscp/fp/2.0"


class Telling:
    """A journal, and the parties that write into it."""

    def __init__(self) -> None:
        self.clock = FrozenClock(START)
        self.journal = Journal(self.clock)
        self._exchange_id: int | None = None

    def received(
        self,
        party: PartyName,
        target: str,
        *,
        peer: PartyName | None = None,
        request_id: str | None = "r1",
        status: int = 204,
        message: object = None,
        action: str | None = "Heartbeat",
        findings: Iterable[Mapping[str, Any]] = (),
        **detail: object,
    ) -> None:
        """A party tells what it was asked."""
        self._exchange_id = self.journal.new_exchange_id()
        headers, body = _headers(request_id), _body(message).encode()
        self.journal.append(
            party,
            "exchange",
            peer=peer,
            action=action,
            request=Request("POST", target, headers, body, exchange_id=self._exchange_id),
            response=Response(status),
            findings=findings,
            detail=detail,
        )

    def sent(
        self,
        party: PartyName,
        url: str,
        peer: PartyName,
        *,
        request_id: str | None = "r1",
        status: int | None = 204,
        answer: str = "",
        message: object = None,
        action: str | None = "Heartbeat",
        instruction_id: int | None = None,
        alone: bool = False,
        **detail: object,
    ) -> None:
        """A party tells what it has sent; the last one that was received, unless that is alone."""
        exchange_id = None if alone else self._exchange_id
        headers, body = _headers(request_id), _body(message).encode()
        self.journal.append(
            party,
            "exchange",
            peer=peer,
            sent=True,
            action=action,
            instruction_id=instruction_id,
            request=Request("POST", url, headers, body, exchange_id=exchange_id),
            response=None if status is None else Response(status, (), answer.encode()),
            detail=detail,
        )


def _headers(request_id: str | None) -> tuple[tuple[str, str], ...]:
    return () if request_id is None else (("x-request-id", request_id),)


def _body(message: object) -> str:
    return "" if message is None else json.dumps(message)

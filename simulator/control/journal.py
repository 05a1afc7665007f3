"""Reading the journal from outside, and waiting for what is to come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast, get_args

from flask import request

from simulator.control.operations import FILTERS, LONGEST_WAIT
from simulator.journal import NotSeen, Party

if TYPE_CHECKING:
    from simulator.journal import Entry, Journal

__all__ = ["BadQuery", "entries_asked_for"]


class BadQuery(ValueError):
    """Raised for a query that makes no sense; its text says what would."""


def entries_asked_for(journal: Journal) -> tuple[Entry, ...]:
    """Answers with the entries that the request's query asks for, waiting for them if it says so.

    Raises:
        BadQuery: The query makes no sense.
    """
    unknown = sorted(request.args.keys() - FILTERS)
    if unknown:
        raise BadQuery(f"unknown filter {unknown[0]!r}; known: {', '.join(sorted(FILTERS))}")
    party, action, since = request.args.get("party"), request.args.get("action"), _number("since")
    if party is not None and party not in get_args(Party):
        raise BadQuery(f"unknown party {party!r}; known: {', '.join(get_args(Party))}")
    wanted: dict[str, Any] = {"party": party, "action": action}
    deadline = time.monotonic() + min(_number("wait"), LONGEST_WAIT)
    known = cast("Party | None", party)
    while True:
        found = journal.entries(party=known, action=action, since=int(since))
        left = deadline - time.monotonic()
        if found or left <= 0:
            return found
        fields = {name: value for name, value in wanted.items() if value is not None}
        try:
            journal.wait_for(lambda _: True, timeout=left, since=int(since), **fields)
        except NotSeen:
            return ()


def _number(name: str) -> float:
    text = request.args.get(name, "0")
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise BadQuery(f"{name} is a number, 0 or more, not {text!r}")
    return number

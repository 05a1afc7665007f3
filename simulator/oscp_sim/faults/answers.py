"""What a fault does to a request, to its answer, and to the parts of a message."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Final, cast

from oscp_sim.entry import PartyName
from oscp_sim.faults.model import KINDS, UNREAD, Fault, Place, Rule
from oscp_sim.faults.strikes import Armed, Faults, Occasion
from oscp_sim.faults.wire import Spoilt
from oscp_sim.http import Errand, Request, Response, respond

_Handler = Callable[[Request], Response]

_OF_REQUEST: Final[frozenset[Fault]] = frozenset({"token_revoked"})
_OF_CLOCK: Final[frozenset[Fault]] = frozenset({"clock"})
_DELAY: Final[frozenset[Fault]] = frozenset({"delay"})
_OF_PARTS: Final = frozenset(fault for fault, kind in KINDS.items() if "part" in kind.takes)
_NOT_CARRIED_OUT: Final[frozenset[Fault]] = UNREAD | {"status", "redirect"}
_REDIRECT: Final = 307
_GARBAGE: Final = "\x00\x01\x02 this is no HTTP\r\n\r\n"


def answered(
    faults: Faults,
    where: str | None,
    request: Request,
    handle: _Handler,
    *,
    is_real: bool = False,
) -> Response:
    """Return how a party's answer to a request comes out, with all that strikes.

    Args:
        faults: What shall go wrong.
        where: The party; None for one that no rule is for.
        request: As it was sent.
        handle: The party's own answer, with what it does and records.
        is_real: Whether the party is a real one, to which the request is sent.
    """
    if where is None:
        return handle(request)
    instruction = request.instruction_id if isinstance(request, Errand) else None
    occasion = Occasion(cast("Place", where), request, instruction=instruction, is_real=is_real)
    if any(name.lower() == "authorization" for name, _ in request.headers):
        struck = faults.strike(_OF_REQUEST, occasion)
        if struck is not None:
            request = _without_token(request)
            faults.note(struck, occasion)
    late = 0.0
    for armed in faults.strikes(_DELAY, occasion):
        seconds = _delay(armed)
        late += seconds
        faults.note(armed, occasion, more=f": {seconds:g} s")
    # At a socket, whether to read it was asked before: each rule counts it once.
    breaks = faults.strike(_SPOIL.keys() - UNREAD if request.is_let_in else _SPOIL, occasion)
    if breaks is None:
        return _later(_asked(faults, occasion, request, handle), late)
    return _later(_spoilt(faults, breaks, occasion, request, handle), late)


def is_reset(faults: Faults, head: Request) -> bool:
    """Return whether a connection is reset before the body of a request is read, by its head."""
    where = faults.party_at(head.path)
    occasion = Occasion(cast("Place", where), head)
    armed = None if where is None else faults.strike(UNREAD, occasion)
    if armed is None:
        return False
    more = ""
    if armed.rule.fault == "connection_refused":
        more = ": on a socket, where its head says who it is for, it is reset instead"
    faults.note(armed, occasion, request=head, more=more)
    return True


def _later(response: Response, seconds: float) -> Response:
    return replace(response, after=response.after + seconds) if seconds else response


def wrong_by(faults: Faults, party: PartyName, action: str) -> timedelta:
    """Return by how much a party's clock is wrong as it writes a message, and record it."""
    occasion = Occasion(party, action=action)
    armed = faults.strike(_OF_CLOCK, occasion)
    if armed is None:
        return timedelta()
    by = _moved(armed.rule)
    faults.note(armed, occasion, more=f", by {by.total_seconds():+g} s")
    return by


def _moved(rule: Rule) -> timedelta:
    return rule.ahead or -(rule.behind or timedelta())


def _asked(faults: Faults, occasion: Occasion, request: Request, handle: _Handler) -> Response:
    """Return a party's own answer, by a clock that may be wrong."""
    armed = None if occasion.is_real else faults.strike(_OF_CLOCK, occasion)
    if armed is None:
        return handle(request)
    by = _moved(armed.rule)
    faults.note(armed, occasion, more=f", by {by.total_seconds():+g} s")
    with faults.moving(occasion.where, by):
        return handle(request)


def _spoilt(
    faults: Faults, armed: Armed, occasion: Occasion, request: Request, handle: _Handler
) -> Response:
    rule = armed.rule
    is_carried_out = rule.carried_out
    if is_carried_out is None:
        is_carried_out = rule.fault not in _NOT_CARRIED_OUT
    own = _asked(faults, occasion, request, handle) if is_carried_out else Response(204)
    response = _SPOIL[rule.fault](faults, rule, own)
    if is_carried_out:
        faults.note(armed, occasion, more=_told(response), seen=_seen(response))
    elif occasion.is_real:
        # Its sender, who is played here, records the exchange.
        faults.note(armed, occasion, more=": the real one is not asked")
    else:
        comes = not isinstance(response, Spoilt)
        faults.note(armed, occasion, request=request, response=response if comes else None)
    return response


def _told(response: Response) -> str:
    return "" if isinstance(response, Spoilt) else f": the asker sees {response.status}"


_UNSEEN: Final = frozenset({"garbage", "refused", "reset", "silent"})


def _seen(response: Response) -> int | str | None:
    """Return the status that the asker sees, or that it sees none; None where that depends."""
    if isinstance(response, Spoilt):
        return "unanswered" if response.how in _UNSEEN else None
    return response.status


# A day, in seconds: the tail of a log-normal delay has no end.
_LONGEST_DELAY: Final = 86_400.0


def _delay(armed: Armed) -> float:
    """Return the seconds by which a rule makes something late this time."""
    rule = armed.rule
    if rule.by is not None:
        return rule.by.total_seconds()
    if rule.between:
        least, most = (each.total_seconds() for each in rule.between)
        return round(armed.chance.uniform(least, most), 3)
    median = rule.median.total_seconds() if rule.median else 0.0
    late = armed.chance.lognormvariate(math.log(median), rule.sigma)
    return round(min(late, _LONGEST_DELAY), 3)


_CREDENTIAL: Final = re.compile(r"^(SNWS2 .*?Credential=[^,\s]+|SolarNetworkWS [^:]+|\S+ \S+)")


_SHOWN: Final = "authorization"


def _without_token(request: Request) -> Request:
    """Return a request as it comes in once its token is no longer known."""
    headers = tuple(
        (name, _CREDENTIAL.sub(r"\1-revoked", value) if name.lower() == _SHOWN else value)
        for name, value in request.headers
    )
    return replace(request, headers=headers)


# The answer of each fault: what the party would have answered is given.


def _status(faults: Faults, rule: Rule, _own: Response) -> Response:
    headers = list(rule.headers.items())
    if rule.retry_after is not None:
        seconds = rule.retry_after.total_seconds()
        value = str(math.ceil(seconds))
        if rule.retry_after_form == "date":
            value = format_datetime(faults.now() + rule.retry_after, usegmt=True)
        headers.append(("Retry-After", value))
    body = b"" if rule.body is None else rule.body.encode()
    content_type = rule.content_type or (None if rule.body is None else "text/plain")
    return respond(rule.status or 500, body, content_type, headers)


def _redirect(_faults: Faults, rule: Rule, _own: Response) -> Response:
    headers = [("Location", rule.location or "/")]
    return respond(rule.status or _REDIRECT, b"", headers=headers)


def _garbage(_faults: Faults, rule: Rule, own: Response) -> Response:
    body = (_GARBAGE if rule.body is None else rule.body).encode("utf-8", "replace")
    return Spoilt(own.status, (), body, after=own.after, how="garbage")


def _content_length(_faults: Faults, rule: Rule, own: Response) -> Response:
    length = max(0, len(own.body) + rule.off_by)
    return Spoilt.of(own.setting({"Content-Length": str(length)}), "closed")


_SPOIL: Final[dict[Fault, Callable[[Faults, Rule, Response], Response]]] = {
    "status": _status,
    "redirect": _redirect,
    "garbage": _garbage,
    "content_type": lambda _, rule, own: own.setting({"Content-Type": rule.content_type or ""}),
    "content_length": _content_length,
    "slow_answer": lambda _, rule, own: Spoilt.of(own, "slow", rule.bytes_per_second),
    "half_answer": lambda _, __, own: Spoilt.of(own, "half"),
    "no_answer": lambda _, __, own: Spoilt.of(own, "silent"),
    "reset_before": lambda _, __, own: Spoilt.of(own, "reset"),
    "reset_after": lambda _, __, own: Spoilt.of(own, "reset"),
    "connection_refused": lambda _, __, own: Spoilt.of(own, "refused"),
}


# The parts of a split message.


def damaged(
    faults: Faults, pieces: Sequence[tuple[str, str]], request: Request
) -> list[tuple[str, str]]:
    """Return the parts of all parameters with what has happened to those of the message."""
    message = [at for at, (name, _) in enumerate(pieces) if name == "msg"]
    occasion = Occasion("solaruser", request)
    for armed in faults.rules:
        part = armed.rule.part
        needs = part + (armed.rule.fault == "parts_swapped")
        is_whole = armed.rule.fault not in _OF_PARTS or len(message) < needs
        if is_whole or not faults.meets(armed, occasion):
            continue
        at = message[part - 1]
        faults.note(armed, occasion, more=f": part {part} of {len(message)}")
        return _damage(armed.rule.fault, pieces, at, message[part % len(message)])
    return list(pieces)


def _damage(
    fault: Fault, pieces: Sequence[tuple[str, str]], at: int, following: int
) -> list[tuple[str, str]]:
    made = list(pieces)
    name, value = made[at]
    if fault == "part_dropped":
        del made[at]
    elif fault == "part_doubled":
        made.insert(at, made[at])
    elif fault == "parts_swapped":
        made[at], made[following] = made[following], made[at]
    else:
        made[at] = name, value[: len(value) // 2]
    return made

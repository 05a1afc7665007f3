"""What to do about a refusal: SolarUser's, by its words, or a schema's, by what was given instead.

SolarUser's words change with its versions, so an unknown text has no hint and is shown as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from oscp_schemas import Violation
from oscp_schemas.show import nearest
from oscp_send.instruction import InstructionState
from oscp_send.solarnetwork import texts
from oscp_send.times import has_no_offset

_CLOCK: Final = (
    "Set the clock right by which it is dated, this machine's unless the client has been given "
    "another: SolarUser allows 15 minutes of difference."
)
_PATH: Final = (
    "The token's policy does not allow this path. Its apiPaths need /instr/add/OSCP_v20 to send, "
    "and /instr/view (or /instr) to look."
)
_SIGNING: Final = (
    "The signature does not cover what the service demands; something on the way may have changed "
    "the request, or it was not signed by SNWS2Auth."
)

#: Messages of authentication, by a pattern of how they begin (solaruser.md §5.7).
#: `Access denied` and `Access Denied` are two.
_AUTHORISATION: Final = (
    (
        "Full authentication is required",
        "The Authorization header was missing or not understood: something on the way may have "
        "removed it.",
    ),
    ("Expired token", "The token's policy ended (notAfter): make a new token in SolarUser."),
    (
        "Bad credentials",
        "Check the token and its secret, that the token is enabled, and that the host reaches the "
        "service as it was signed (for https with :443). A wrong clock can cause this, too.",
    ),
    ("Date skew too large", _CLOCK),
    ("Access denied", _PATH),
    ("Access Denied", "The token must be of the type User; ReadNodeData cannot send instructions."),
    ("Unable to verify credentials", "SolarUser could not read its users: try again later."),
    ("Missing or invalid HTTP Date", _SIGNING),
    ("Invalid HTTP X-SN-Date", _SIGNING),
    ("Invalid HTTP Date", _SIGNING),
    ("Invalid Credential", "The token id was not understood: it must have no commas or blanks."),
    ("Invalid Signature", _SIGNING),
    ("Invalid SignedHeaders", _SIGNING),
    (".* must be included in SignedHeaders", _SIGNING),
    (
        "Content .* digest value mismatch",
        "The body is not the one that was signed: something on the way changed it.",
    ),
    ("Content too large", "A request body may have 20 MB: send fewer blocks at once."),
    ("Invalid Digest", _SIGNING),
)

_OPTIMIZER: Final = (
    "co_id is the configId of a Capacity Optimizer: it must belong to the node's owner and be "
    "enabled, which it is not unless asked for."
)
_GROUP: Final = (
    "cg_identifier is the identifier of a Capacity Group, to the letter: it must belong to that "
    "Capacity Optimizer and be enabled."
)
_PROVIDER: Final = "The Capacity Group's Capacity Provider is missing or not enabled in SolarUser."
_ACTIONS: Final = (
    "The actions that are delivered: AdjustGroupCapacityForecast, GroupCapacityComplianceError, "
    "Handshake, UpdateGroupMeasurements."
)

#: Reasons for which an instruction ends as Declined, by a pattern of how they begin
#: (solaruser.md §3.1 and §4).
_DECLINED: Final = (
    (texts.MISSING_PARAMETERS, "Parameters must be texts: others are dropped on the way."),
    (texts.MISSING_ACTION, "Give the OSCP message name as action."),
    (texts.MISSING_OPTIMIZER, _OPTIMIZER),
    (texts.INVALID_OPTIMIZER, _OPTIMIZER),
    (texts.MISSING_GROUP, _GROUP),
    (texts.UNKNOWN_OPTIMIZER, _OPTIMIZER),
    (texts.UNKNOWN_GROUP, _GROUP),
    (texts.UNKNOWN_PROVIDER, _PROVIDER),
    (r"Unsupported OSCP 2\.0 action", _ACTIONS),
    (r"Missing \[msg\] parameter", "Give the message as JSON text that is not empty."),
    (texts.GROUP_MISMATCH, "Make group_id in the message the same as cg_identifier."),
    ("JSON schema validation error", "oscp_send.check names every place and the remedy."),
    ("Invalid JSON for", "The message must be one JSON object."),
    (r"java\.io\.FileNotFoundException", "SolarNetwork cannot send this message. " + _ACTIONS),
    ("Expired", "It was not finished before its expiration date; it may never have been claimed."),
    (
        "I/O error on POST request.* (Connection refused|Connect timed out|service not known)$",
        "The Capacity Provider could not be reached: it certainly did not get the message.",
    ),
    (
        "I/O error on POST request",
        "The Capacity Provider gave no whole answer, so it may have acted all the same: ask it "
        "before you send the message again.",
    ),
    ("[45][0-9][0-9] ", "The Capacity Provider refused the message: see its own words, or ask it."),
)

_REFUSED: Final = (
    ("UNKNOWN_OBJECT", "SolarUser does not know this node, or nobody owns it: check node_id."),
    (
        "ACCESS_DENIED",
        "The node, or the instruction's node, is another user's or not in the token's policy "
        "(nodeIds).",
    ),
    (
        "The request was rejected",
        "The address is refused by a firewall: check the base URL for double slashes.",
    ),
    ("Illegal argument", "SolarUser misses a parameter or cannot read it."),
    ("Malformed", "The request was not read; check whether something on the way changed it."),
    ("Maximum upload size", "A request body may have 20 MB: send fewer blocks at once."),
    ("MQTT ", "SolarUser cannot hand over instructions now. Nothing was queued: try again later."),
)
_CODES: Final = {
    "DAO.00103": "A name or a topic is too long, or a NUL character is in it.",
    "RS.00001": "SolarUser cannot hand over instructions now. Nothing was queued: try again later.",
}
_NO_ROUTE: Final = frozenset({404, 405, 406, 415})
_OFF_ROUTE: Final = (
    "SolarUser has no route for the request: a wrong path, method, content type or accepted type. "
    "Check the base URL; a proxy may have changed the request."
)

_STATES: Final = {
    InstructionState.QUEUING: (
        "The Flexibility Provider has not claimed it. After about 30 s unclaimed it becomes Queued "
        "and will not be delivered any more; look again with view before sending it again."
    ),
    InstructionState.QUEUED: (
        "It was not claimed within about 30 s and will not be delivered any more: the Flexibility "
        "Provider is not listening. It may be sent again."
    ),
    InstructionState.EXECUTING: (
        "The Flexibility Provider is delivering it, so the Capacity Provider may have acted: do "
        "not send it again, look with view."
    ),
    InstructionState.RECEIVED: (
        "A SolarNode received the instruction and changed its state; look with view, and ask the "
        "operator of the node."
    ),
}


def authorisation_hint(message: str) -> str | None:
    """Return what to do about a message of authentication, or None if it is not one."""
    return _first(_AUTHORISATION, message)


#: What to do about a message that is too large for the queue (solaruser.md §3.4).
FEWER_BLOCKS: Final = (
    "send fewer blocks in a message, such as half a day or one phase; oscp_send.split_to_fit makes "
    "messages that fit"
)
_TOO_LARGE: Final = (
    "The message is too large for SolarNetwork's queue and stays so. Nothing was queued: "
    f"{FEWER_BLOCKS}."
)


def refusal_hint(status: int, code: str, message: str) -> str:
    """Return what to do about a refusal; an empty text if nothing is known."""
    if status in _NO_ROUTE and not code:
        return _OFF_ROUTE
    if "Maximum message size" in message:
        return _TOO_LARGE
    return _CODES.get(code) or _first(_REFUSED, message) or ""


def decline_hint(reason: str) -> str:
    """Return what to do about a declined instruction; an empty text if nothing is known."""
    if "failed because the OSCP version" in reason:
        return "The Capacity Provider's oscpVersion in SolarUser must be 2.0."
    return _first(_DECLINED, reason) or ""


def state_hint(state: InstructionState) -> str:
    """Return what it means that an instruction stays in a state."""
    return _STATES.get(state, "Look again with view.")


def _first(hints: tuple[tuple[str, str], ...], message: str) -> str | None:
    return next((hint for beginning, hint in hints if re.match(beginning, message)), None)


def hint(violation: Violation, parent: object, known: Collection[str] = ()) -> str:
    """Return the remedy for a schema violation; an empty text if nothing is known.

    For `required`, `parent` is the object that lacks the property, and `known` are those that it
    may have: none of them is a misspelt other one.
    """
    if violation.rule == "required":
        return _required(violation, parent, known)
    remedy = _HINTS.get(violation.rule)
    return remedy(violation) if remedy else ""


def near(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that was probably meant, or None.

    Case, underscores, hyphens and white space are ignored, and small mistakes forgiven.
    """
    plain = {_plain(each): each for each in names}
    close = nearest(_plain(name), plain)
    return None if close is None else plain[close]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _enumeration(violation: Violation) -> str:
    values = list(violation.expected) if isinstance(violation.expected, Iterable) else []
    meant = near(violation.got, values) if isinstance(violation.got, str) else None
    if meant is None:
        return ""
    if violation.pointer.endswith("/unit"):
        return f'units are upper case on the wire: "{meant}"'
    return f'write "{meant}"; these words are upper case on the wire'


def _type(violation: Violation) -> str:
    got, expected = violation.got, violation.expected
    if got is None:
        return "leave the property out, or give it a value: null is neither"
    if expected == "number" and isinstance(got, str):
        try:
            return f"write a number without quotes: {json.dumps(float(got), allow_nan=False)}"
        except ValueError:
            return "write a number without quotes"
    if expected == "string" and isinstance(got, int | float) and not isinstance(got, bool):
        if violation.pointer.endswith(("_time", "_at")):
            return 'a time is a text such as "2026-03-01T00:15:00Z", not seconds since 1970'
        return f'write a text in quotes: "{got}"'
    return ""


def _required(violation: Violation, parent: object, known: Collection[str]) -> str:
    wanted = str(violation.expected)
    given = [name for name in parent if name not in known] if isinstance(parent, Mapping) else []
    meant = near(wanted, given)
    return f'"{meant}" is not read: write "{wanted}"' if meant else f'add "{wanted}"'


def _date_time(violation: Violation) -> str:
    text = str(violation.got)
    if has_no_offset(text):
        return "give the whole time and end it in Z, or in an offset such as +02:00"
    if re.search(r"[+-]\d{4}$", text):
        return f"the offset takes a colon: {text[:-2]}:{text[-2:]}"
    if re.match(r"\s*\d{4}-\d\d-\d\d \d", text):
        return "put a T between date and time"
    return 'write it as "2026-03-01T00:15:00Z"'


def _minimum(violation: Violation) -> str:
    if violation.pointer.endswith("/capacity"):
        return "the direction is given by type (CONSUMPTION, GENERATION), never by the sign"
    return ""


_HINTS: Mapping[str, Callable[[Violation], str]] = {
    "enum": _enumeration,
    "format": _date_time,
    "minItems": lambda _: "leave the property out, or give at least one",
    "minimum": _minimum,
    "type": _type,
    "uniqueItems": lambda _: "name each value once",
}

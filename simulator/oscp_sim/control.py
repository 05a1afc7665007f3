"""The simulator's own endpoints, below `/_sim/`: what happened, who exists, what to do next."""

from __future__ import annotations

import difflib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Protocol, cast, get_args

import jsonschema_rs
import orjson
from flask import Blueprint, Response, request

from oscp_sim.addresses import NobodyThere
from oscp_sim.clock import Clock, FastClock, FrozenClock, parse_duration
from oscp_sim.entry import Entry, PartyName
from oscp_sim.http import RouteDocs, RouteParameter
from oscp_sim.journal import Journal
from oscp_sim.matching import NotSeen
from oscp_sim.openapi import Operation, version
from oscp_sim.shared import Shared
from oscp_sim.system.sending import Sent

__all__ = [
    "COMMANDS",
    "FILTERS",
    "LONGEST_ADVANCE",
    "LONGEST_WAIT",
    "OPERATIONS",
    "PREFIX",
    "SEATS",
    "BadFields",
    "BadQuery",
    "BadRequestBody",
    "Parties",
    "SeatRoutes",
    "carry_out",
    "check_fields",
    "control",
    "entries_asked_for",
    "json_answer",
    "json_body",
    "move_clock",
    "refusal",
    "show_clock",
]


# § What the parties that the simulator plays can be told to send, and with which fields.

Schema = Mapping[str, Any]

_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_IDS: Final[Mapping[str, Schema]] = {"request_id": _TEXT, "correlation_id": _TEXT}
_REGISTER: Final[Mapping[str, Schema]] = {
    "token": {"type": "string"},
    "new_token": {"type": "boolean"},
    "show": {"type": "string"},
    "base_url": {"type": "string"},
    "version": {"type": "string"},
    **_IDS,
}
_BEHAVIOUR: Final[Mapping[str, Schema]] = {
    "heartbeat_interval": {"type": ["number", "null"]},
    "measurement_configuration": {"type": ["array", "null"], "items": {"type": "string"}},
    **_IDS,
}
_HEARTBEAT: Final[Mapping[str, Schema]] = {"offline_mode_at": _TEXT, **_IDS}
_FORECAST: Final[Mapping[str, Schema]] = {
    "message": {},
    "csv": _TEXT,
    "group": {"type": "string"},
    "type": {"type": "string"},
    "start": _TEXT,
    "step": _TEXT,
    "capacities": {"type": "array", "items": {"type": "number"}},
    "unit": {"type": "string"},
    "phase": {"type": "string"},
    "purpose": {"type": "string"},
    "capacity": {"type": "number"},
    **_IDS,
}
_POST: Final[Mapping[str, Schema]] = {
    "action": _TEXT,
    "message": {},
    "headers": {"type": "object", "additionalProperties": {"type": "string"}},
    **_IDS,
}


def _object(properties: Mapping[str, Schema], *required: str) -> Schema:
    return MappingProxyType(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": dict(properties),
            "required": list(required),
        }
    )


#: The commands of each party, each with the JSON Schema of its fields.
COMMANDS: Final[Mapping[str, Mapping[str, Schema]]] = {
    "capacity_provider": {
        "register": _object(_REGISTER),
        "handshake": _object(_BEHAVIOUR),
        "handshake_acknowledge": _object(_BEHAVIOUR),
        "heartbeat": _object(_HEARTBEAT),
        "forecast": _object(_FORECAST),
        "post": _object(_POST, "action", "message"),
    },
    "capacity_optimizer": {
        "register": _object(_REGISTER),
        "handshake": _object(_BEHAVIOUR),
        "handshake_acknowledge": _object(_BEHAVIOUR),
        "heartbeat": _object(_HEARTBEAT),
        "adjust": _object(_FORECAST),
        "post": _object(_POST, "action", "message"),
    },
}


class BadFields(ValueError):
    """Raised for fields that a command does not take; its text says which and why."""


class Parties(Protocol):
    """Whoever knows the parties that are played, and can start afresh."""

    def provider(self, id: int, user: int | None = None) -> Any:  # noqa: A002, ANN401
        """Answers with a Capacity Provider."""
        ...

    def optimizer(self, id: int, user: int | None = None) -> Any:  # noqa: A002, ANN401
        """Answers with a Capacity Optimizer."""
        ...

    def reset(self) -> None:
        """Forgets everything, and starts afresh."""
        ...


def check_fields(schema: Schema, fields: object) -> Mapping[str, Any]:
    """Answers with the fields of a command, which are as its schema says.

    Raises:
        BadFields: They are not.
    """
    if not isinstance(fields, Mapping):
        raise BadFields("the body is a JSON object with the fields of the command, or empty")
    known = schema["properties"]
    for name in fields:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there is {', '.join(known)}"
            raise BadFields(f'unknown field "{name}"; {hint}')
    error = next(iter(jsonschema_rs.Draft7Validator(dict(schema)).iter_errors(dict(fields))), None)
    if error is not None:
        place = "/".join(map(str, error.instance_path))
        raise BadFields(f"{place}: {error.message}" if place else error.message)
    return fields


def carry_out(seat: Any, command: str, fields: Mapping[str, Any]) -> Sent:  # noqa: ANN401
    """Has a party send a message, and answers with what came of it.

    Raises:
        ValueError: The fields make no message; the text says why.
    """
    given = dict(fields)
    if "headers" in given:
        given["headers"] = tuple(given["headers"].items())
    sent: Sent = getattr(seat, command)(**given)
    return sent


# § How the simulator's own endpoints read bodies and write answers.

_LONGEST_BODY = 20_971_520


class BadRequestBody(ValueError):
    """Raised for a body that is not JSON; its text says so."""


def json_body() -> Any:  # noqa: ANN401 - JSON of any kind
    """Answers with the body of the request; an empty one is an empty object.

    Raises:
        BadRequestBody: It is not JSON, or too long.
    """
    if (request.content_length or 0) > _LONGEST_BODY:
        raise BadRequestBody(f"the body is longer than {_LONGEST_BODY} bytes")
    data = request.get_data()
    try:
        return orjson.loads(data) if data.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BadRequestBody(f"the body is not JSON: {error}") from None


def json_answer(content: object, status: int = 200) -> Response:
    """Answers with JSON."""
    return Response(
        orjson.dumps(content, default=_plain, option=orjson.OPT_APPEND_NEWLINE),
        status,
        mimetype="application/json",
    )


def refusal(status: int, why: str) -> Response:
    """Answers with what was wrong, and what to do."""
    return json_answer({"error": why}, status)


def _plain(value: Any) -> object:  # noqa: ANN401 - what JSON has no word for
    return list(value) if isinstance(value, set | frozenset) else dict(value)


# § The table of the simulator's own endpoints, of which routes and description are made.

PREFIX: Final = "/_sim"
LONGEST_WAIT: Final = 60.0
#: Seconds of a year: over more, a mistyped number would keep the simulator busy for long.
LONGEST_ADVANCE: Final = 366 * 86_400.0

#: The parties that can be looked into and told what to send, by the first part of their paths.
SEATS: Final[Mapping[str, str]] = {
    "providers": "capacity_provider",
    "optimizers": "capacity_optimizer",
}
_NAMES: Final = {
    "capacity_provider": "Capacity Provider",
    "capacity_optimizer": "Capacity Optimizer",
}
_SENDS: Final[Mapping[str, str]] = {
    "register": "Register",
    "handshake": "Handshake",
    "handshake_acknowledge": "HandshakeAcknowledge",
    "heartbeat": "Heartbeat",
    "forecast": "UpdateGroupCapacityForecast",
    "adjust": "AdjustGroupCapacityForecast",
    "post": "any message, as it stands",
}


def _query(name: str, schema: Mapping[str, Any], description: str) -> RouteParameter:
    return RouteParameter(name, "query", False, schema, description)


_OBJECT: Final = {"type": "object"}
_JOURNAL: Final = RouteDocs(
    parameters=(
        _query("action", {"type": "string"}, "Only entries about this OSCP message."),
        _query("party", {"enum": list(get_args(PartyName))}, "Only entries that this party tells."),
        _query("since", {"type": "integer", "minimum": 0}, "Only entries with a higher number."),
        _query(
            "wait",
            {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT},
            "Seconds to wait until there is such an entry.",
        ),
    ),
    response_schema={
        "type": "object",
        "properties": {"last": {"type": "integer"}, "entries": {"type": "array", "items": _OBJECT}},
        "required": ["last", "entries"],
    },
    statuses={400: "A filter makes no sense; the body says which and why."},
)
FILTERS: Final = frozenset(parameter.name for parameter in _JOURNAL.parameters)
_PLAIN: Final = RouteDocs(response_schema=_OBJECT)
_ADVANCE: Final = RouteDocs(
    request_schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["advance"],
        "properties": {
            "advance": {
                "anyOf": [
                    {"type": "number", "minimum": 0, "maximum": LONGEST_ADVANCE},
                    {"type": "string", "examples": ["15m"]},
                ]
            }
        },
    },
    response_schema=_OBJECT,
    statuses={
        400: "The body says by how much in no way that is understood.",
        409: "This clock cannot be moved; the body says which can.",
    },
)
_ID: Final = RouteParameter("id", "path", True, {"type": "integer", "minimum": 1}, "Its configId.")
_USER: Final = _query(
    "user", {"type": "integer", "minimum": 1}, "Whose it is, where several have one of that id."
)
_UNKNOWN: Final = {
    400: "Several users have one of that id, or a field makes no sense; the body says which.",
    404: "There is none of that id.",
}


_NOT_SENT: Final = {
    409: "There is no Flexibility Provider to send to; the body says how to name one."
}


def _of_seats() -> Iterator[Operation]:
    for name, party in SEATS.items():
        path = f"{PREFIX}/{name}/<id>"
        looked = RouteDocs((_ID, _USER), response_schema=_OBJECT, statuses=_UNKNOWN)
        yield Operation("GET", path, f"What a {_NAMES[party]} knows, got and sent.", looked)
        for command, schema in COMMANDS[party].items():
            told = RouteDocs((_ID, _USER), schema, _OBJECT, {**_UNKNOWN, **_NOT_SENT})
            summary = f"Have a {_NAMES[party]} send {_SENDS[command]}."
            yield Operation("POST", f"{path}/{command}", summary, told)


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("GET", f"{PREFIX}/health", "Is it there, and how is it set up?", _PLAIN),
    Operation("GET", f"{PREFIX}/journal", "Everything that happened, in order.", _JOURNAL),
    Operation("GET", f"{PREFIX}/openapi.json", "This description.", _PLAIN),
    Operation("POST", f"{PREFIX}/reset", "Forget everything, and start afresh.", _PLAIN),
    Operation("GET", f"{PREFIX}/world", "Who exists, without secrets.", _PLAIN),
    Operation("GET", f"{PREFIX}/clock", "What time it is, and what is due next.", _PLAIN),
    Operation("POST", f"{PREFIX}/clock", "Let time pass, with all that is due in it.", _ADVANCE),
    *_of_seats(),
)


# § The simulator's clock, looked at and moved from outside.


def show_clock(shared: Shared) -> Response:
    """Answers with what time it is, how the clock runs, and what is due."""
    return json_answer(_clock(shared))


def move_clock(shared: Shared) -> Response:
    """Lets time pass by as much as the request's body says, and answers as `show_clock`."""
    try:
        seconds = _seconds(json_body())
    except BadRequestBody as error:
        return refusal(400, str(error))
    try:
        shared.clock.advance(seconds)
    except RuntimeError as error:
        return refusal(409, str(error))
    except (OverflowError, ValueError):
        return refusal(400, "no clock goes beyond the year 9999")
    return json_answer(_clock(shared))


def _clock(shared: Shared) -> dict[str, Any]:
    due = shared.schedule.next_due
    shown: dict[str, Any] = {
        "now": _instant(shared.clock.now()),
        "runs": _runs(shared.clock),
        "next_due": None if due is None else _instant(due),
        "pending": shared.schedule.pending,
    }
    if isinstance(shared.clock, FastClock):
        shown["speed"] = shared.clock.speed
    return shown


def _runs(clock: Clock) -> str:
    if isinstance(clock, FastClock):
        return "fast"
    return "frozen" if isinstance(clock, FrozenClock) else "real"


def _seconds(body: object) -> float:
    if not isinstance(body, Mapping) or body.keys() != {"advance"}:
        raise BadRequestBody('say by how much, as {"advance": 90} in seconds or {"advance": "15m"}')
    by = body["advance"]
    if isinstance(by, str):
        try:
            by = parse_duration(by).total_seconds()
        except ValueError as error:
            raise BadRequestBody(f"advance: {error}") from None
    if isinstance(by, bool) or not isinstance(by, int | float) or by < 0:
        raise BadRequestBody("advance is a number of seconds, 0 or more, or a duration as 15m")
    if by > LONGEST_ADVANCE:
        raise BadRequestBody("advance by at most 366d at once; ask several times for more")
    return float(by)


def _instant(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


# § Reading the journal from outside, and waiting for what is to come.


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
    if party is not None and party not in get_args(PartyName):
        raise BadQuery(f"unknown party {party!r}; known: {', '.join(get_args(PartyName))}")
    wanted: dict[str, Any] = {"party": party, "action": action}
    deadline = time.monotonic() + min(_number("wait"), LONGEST_WAIT)
    known = cast("PartyName | None", party)
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


# § Looking into the parties that the simulator plays, and telling them what to send.


class SeatRoutes:
    """The endpoints of all Capacity Providers, or of all Capacity Optimizers.

    Args:
        parties: Who knows them.
        party: Which of the two.
    """

    def __init__(self, parties: Parties, party: str) -> None:
        self._parties = parties
        self._is_provider = party == "capacity_provider"
        self._commands = COMMANDS[party]

    def show(self, id: str) -> Response:  # noqa: A002 - as the path calls it
        """Answers with what one of them knows."""
        try:
            return json_answer(self._seat(id).to_dict())
        except LookupError as error:
            return refusal(404, _text(error))
        except ValueError as error:
            return refusal(400, str(error))

    def carry_out(self, command: str, id: str) -> Response:  # noqa: A002 - as the path calls it
        """Has one of them send a message, and answers with what came of it."""
        try:
            seat = self._seat(id)
            fields = check_fields(self._commands[command], json_body())
            _refuse_paths(fields)
            return json_answer(carry_out(seat, command, fields).to_dict())
        except NobodyThere as error:
            return refusal(409, _text(error))
        except LookupError as error:
            return refusal(404, _text(error))
        except ValueError as error:
            return refusal(400, str(error))

    def _seat(self, number: str) -> Any:  # noqa: ANN401 - a seat of either kind
        unknown = sorted(request.args.keys() - {"user"})
        if unknown:
            raise BadRequestBody(f'unknown parameter "{unknown[0]}"; there is user')
        user = request.args.get("user")
        if user is not None and not _is_number(user):
            raise BadRequestBody(f'user is the id of a user, not "{user}"')
        if not _is_number(number):
            message = f'an id is a whole number, not "{number}"'
            raise LookupError(message)
        find = self._parties.provider if self._is_provider else self._parties.optimizer
        return find(int(number), None if user is None else int(user))


def _refuse_paths(fields: Mapping[str, Any]) -> None:
    """Keeps whoever may only control the simulator from reading the files of its machine."""
    table = fields.get("csv")
    if isinstance(table, str) and "\n" not in table and "\r" not in table:
        raise BadRequestBody("csv: give the rows of the table; here, no file is read")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 19  # noqa: PLR2004 - of 64 bits


def _text(error: LookupError) -> str:
    # A LookupError of Python's own would show its text in quotes.
    return str(error.args[0]) if error.args else str(error)


# § The simulator's own endpoints as routes, one for each line of their table.

# Whoever starts the simulator asks for it before anybody has told the token.
_OPEN = f"{PREFIX}/health"


def control(
    shared: Shared,
    parties: Parties,
    openapi: Callable[[], Mapping[str, Any]],
    token: str | None = None,
) -> Blueprint:
    """Answers with the simulator's own endpoints as a blueprint.

    Args:
        shared: What there is to look into.
        parties: Who is played, and who starts all afresh.
        openapi: Makes the description of the API, when it is asked for.
        token: What must be shown, as `Authorization: Bearer TOKEN`; nothing where not given.
    """
    blueprint = Blueprint("control", __name__)
    handlers = _Handlers(shared, parties, openapi)
    for operation in OPERATIONS:
        blueprint.route(operation.path, methods=[operation.method], endpoint=_endpoint(operation))(
            handlers.of(operation)
        )
    if token is not None:
        blueprint.before_request(partial(_refused, f"Bearer {token}".encode()))
    return blueprint


def _refused(wanted: bytes) -> Response | None:
    shown = (request.headers.get("Authorization") or "").encode("utf-8", "replace")
    if request.path == _OPEN or hmac.compare_digest(shown, wanted):
        return None
    response = refusal(401, "show the control token, as Authorization: Bearer TOKEN")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _endpoint(operation: Operation) -> str:
    parts = operation.path.removeprefix(f"{PREFIX}/").replace(".", "_").replace("/", "-")
    return f"{operation.method.lower()}-{parts}"


class _Handlers:
    def __init__(
        self, shared: Shared, parties: Parties, openapi: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._shared = shared
        self._parties = parties
        self._openapi = openapi
        self._seats = {name: SeatRoutes(parties, party) for name, party in SEATS.items()}

    def of(self, operation: Operation) -> Callable[..., Response]:
        """Answers with what answers an operation."""
        name, *rest = operation.path.removeprefix(f"{PREFIX}/").split("/")
        if name in self._seats:
            seats = self._seats[name]
            return partial(seats.carry_out, rest[1]) if len(rest) > 1 else seats.show
        if name == "clock":
            return partial(move_clock if operation.method == "POST" else show_clock, self._shared)
        handler: Callable[[], Response] = getattr(self, name.partition(".")[0])
        return handler

    def health(self) -> Response:
        shared = self._shared
        return json_answer(
            {
                "status": "ok",
                "version": version(),
                "seed": shared.seed,
                "fidelity": shared.behaviour.fidelity,
                "settings": dict(shared.behaviour.sides),
                "now": shared.clock.now().isoformat().replace("+00:00", "Z"),
            }
        )

    def journal(self) -> Response:
        journal = self._shared.journal
        try:
            entries = entries_asked_for(journal)
        except BadQuery as error:
            return refusal(400, str(error))
        return json_answer(
            {"last": journal.last, "entries": [entry.to_dict() for entry in entries]}
        )

    def openapi(self) -> Response:
        return json_answer(self._openapi())

    def reset(self) -> Response:
        self._parties.reset()
        return json_answer({"reset": True, "last": self._shared.journal.last})

    def world(self) -> Response:
        return json_answer(self._shared.world.summary())

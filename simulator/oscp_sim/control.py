"""The simulator's own endpoints, below `/_sim/`: what happened, who exists, what to do next."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from functools import partial
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Final, get_args
from urllib.parse import urlsplit

import jsonschema_rs
import orjson
from flask import Blueprint, Response, request
from werkzeug.datastructures import CombinedMultiDict

from oscp_schemas.show import nearest
from oscp_send.times import utc_text
from oscp_sim.addresses import NobodyThere
from oscp_sim.clock import Clock, FastClock, FrozenClock, parse_duration
from oscp_sim.entry import VALUES, Entry, check_value
from oscp_sim.faults import faults_schema, impossible_at_a_port, load_faults
from oscp_sim.http import LONGEST_BODY, OURS, RouteDocs, RouteParameter, json_bytes
from oscp_sim.journal import Journal
from oscp_sim.matching import NotSeen
from oscp_sim.openapi import Operation, version
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.saved_journal import SavedJournal
from oscp_sim.settling import Settling
from oscp_sim.shared import Shared
from oscp_sim.system import System, Systems
from oscp_sim.system.kinds import COMMANDS, carry_out
from oscp_sim.system.table import TableFile
from oscp_sim.verify import NotVerified, Verification, verify
from oscp_sim.world import Broker

_LONGEST_WAIT: Final = 60.0
# Of real time, for all to settle.
_LONGEST_VERIFICATION: Final = 600.0
# Of the journal in one answer: to write more would hold up all others.
_MOST_ENTRIES: Final = 1000
_LONGEST_PAGE: Final = 5_000_000
# Seconds of a year: over more, a mistyped number would keep the simulator busy for long.
_LONGEST_ADVANCE: Final = 366 * 86_400.0
# In which an error is told, and the journal; JSON where the client has no wish.
_TYPES: Final = ("application/json", "text/plain")
_TABLES: Final = frozenset(
    {"text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
)
_WORDS: Final[Mapping[str, bool]] = {"true": True, "false": False}
# Open without the control token: who starts a simulator asks for it before the token is known.
# What says nothing of what happened; the page asks for the token itself.
_OPEN: Final = frozenset(
    {"/", *(f"{OURS}/{name}" for name in ("health", "inspector.js", "inspector.css"))}
)

Schema = Mapping[str, Any]
_STRING: Final[Schema] = {"type": "string"}


_NOTHING_MORE: Final[Mapping[str, object]] = MappingProxyType({})


class Refused(ValueError):
    """Raised for a request that makes no sense; its text says what would."""

    def __init__(self, why: str, status: int = 400, **more: object) -> None:
        super().__init__(why)
        self.status, self.more = status, more


def _checked(schema: Schema, fields: object) -> Mapping[str, Any]:
    if not isinstance(fields, Mapping):
        raise Refused("the body is a JSON object with the fields of the command, or empty")
    known = schema["properties"]
    for name in fields:
        if name not in known:
            near = nearest(name, known)
            hint = f'did you mean "{near}"?' if near else f"there is {', '.join(known)}"
            raise Refused(f'unknown field "{name}"; {hint}')
    error = next(iter(jsonschema_rs.Draft7Validator(dict(schema)).iter_errors(dict(fields))), None)
    if error is not None:
        place = "/".join(map(str, error.instance_path))
        raise Refused(f"{place}: {error.message}" if place else error.message)
    table = fields.get("csv")
    if isinstance(table, str) and "\n" not in table and "\r" not in table:
        # Who may only control the simulator must not read the files of its machine.
        raise Refused("csv: give the rows of the table; here, no file is read")
    return fields


# The table of the endpoints.


def _query(name: str, schema: Schema, description: str) -> RouteParameter:
    return RouteParameter(name, "query", False, schema, description)


_OBJECT: Final = {"type": "object"}
_PLAIN: Final = RouteDocs(response_schema=_OBJECT)
_NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}


def _one_of(name: str) -> Schema:
    return {"enum": list(VALUES[name])}


_JOURNAL: Final = RouteDocs(
    parameters=(
        _query("action", _STRING, "Only entries about this OSCP message."),
        _query("party", _one_of("party"), "Only entries that this party tells."),
        _query("peer", _one_of("peer"), "Only exchanges with this other party."),
        _query("kind", _one_of("kind"), "Only entries of this kind."),
        _query("sent", {"type": "boolean"}, "Only requests that the party sent, or that it got."),
        _query("instruction_id", _NUMBER, "Only entries about this instruction."),
        _query("state", _one_of("state"), "Only changes to this state."),
        _query("status", _NUMBER, "Only exchanges that were answered so."),
        _query("since", _NUMBER, "Only entries with a higher number."),
        _query("limit", {**_NUMBER, "minimum": 1}, "At most so many entries in the answer."),
        _query(
            "wait",
            {"type": "number", "minimum": 0, "maximum": _LONGEST_WAIT},
            "Seconds to wait until there is such an entry.",
        ),
    ),
    response_schema={
        "type": "object",
        "properties": {
            "last": {"type": "integer"},
            "more": {"type": "boolean"},
            "entries": {"type": "array", "items": _OBJECT},
        },
        "required": ["last", "more", "entries"],
    },
    statuses={400: "A filter makes no sense; the body says which and why."},
)
_JOURNAL_FILE: Final = RouteDocs(statuses={400: "The file is the whole journal: no filters."})
_ENTRIES: Final = {"type": "array", "items": _OBJECT}
_SETTLE: Final = RouteDocs(
    parameters=(
        _query(
            "timeout",
            {"type": "number", "minimum": 0, "maximum": _LONGEST_VERIFICATION, "default": 10},
            "Seconds to wait for that.",
        ),
    ),
    response_schema={"type": "object", "properties": {"settled": {"const": True}}},
    statuses={
        400: "The time-out makes no sense; the body says why.",
        409: "Something is still on its way; the body says what is due next.",
    },
)
_CONDITIONS: Final = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "description": "Fields of an entry."},
}
_VERIFY: Final = RouteDocs(
    request_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "exactly": {**_NUMBER, "description": "How many there are to be."},
            "at_least": {**_NUMBER, "description": "The lowest number; 1 where none is given."},
            "at_most": {**_NUMBER, "description": "The highest number."},
            "none": {"type": "boolean", "description": "That there is none."},
            "order": {**_CONDITIONS, "description": "What comes first, and what after it."},
            "all_of": {**_CONDITIONS, "description": "Verifications that are all to hold."},
            "nothing_else": {
                "type": "boolean",
                "description": "That the same party tells of nothing else of the same kind.",
            },
            "within": {
                "type": ["number", "string"],
                "description": "Seconds, or a duration as 15m, in which what is missing may come.",
            },
            "since": {**_NUMBER, "description": "Only entries with a higher number."},
            **dict.fromkeys(("party", "peer", "kind", "action", "method", "path"), _STRING),
            **dict.fromkeys(("number", "exchange_id", "instruction_id"), _NUMBER),
            "at": _STRING,
            "sent": {"type": "boolean"},
            "state": _STRING,
            "status": {"type": ["integer", "string"]},
            "reason": {"type": ["string", "object"]},
            "headers": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
            "message": {},
            "request": {"type": ["object", "null"]},
            "response": {"type": ["object", "null"]},
            "findings": {"type": "array"},
            "detail": _OBJECT,
        },
    },
    response_schema={
        "type": "object",
        "properties": {"verified": {"const": True}, "entries": _ENTRIES},
    },
    statuses={
        400: "The verification makes no sense; the body says why.",
        409: "It does not hold; the body says what was expected, and what there was.",
    },
)
_WORLD: Final = RouteDocs(
    request_schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["broker"],
        "properties": {"broker": {"enum": list(get_args(Broker))}},
    },
    response_schema=_OBJECT,
    statuses={400: "The body says it in no way that is understood.", 404: "SolarUser is real."},
)
_ADVANCE: Final = RouteDocs(
    request_schema={
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            "speed": {
                "type": ["number", "null"],
                "exclusiveMinimum": 0,
                "description": "Its seconds in a second; null: it runs only for who waits.",
            },
            "advance": {
                "anyOf": [
                    {"type": "number", "minimum": 0, "maximum": _LONGEST_ADVANCE},
                    {"type": "string", "examples": ["15m"]},
                ]
            },
        },
    },
    response_schema=_OBJECT,
    statuses={
        400: "The body says how in no way that is understood.",
        409: "This clock cannot be moved, or has no speed; the body says which can.",
    },
)
_RULE: Final = faults_schema()["definitions"]["rule"]
_NEW_FAULTS: Final = RouteDocs(
    request_schema={
        "anyOf": [
            _RULE,
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["faults"],
                "properties": {"faults": {"type": "array", "items": _RULE}},
            },
        ]
    },
    response_schema=_OBJECT,
    statuses={400: "A rule makes no sense; the body says which and why."},
)
_LESS_FAULTS: Final = RouteDocs(
    parameters=(
        _query("number", {"type": "integer", "minimum": 1}, "Only the rule of this number."),
    ),
    response_schema=_OBJECT,
    statuses={
        400: "The query makes no sense; the body says why.",
        404: "There is no rule of that number.",
    },
)
_OF_SYSTEM: Final = (
    RouteParameter("id", "path", True, {"type": "integer", "minimum": 1}, "Its configId."),
    _query(
        "user", {"type": "integer", "minimum": 1}, "Whose it is, where several have one of that id."
    ),
)
_UNKNOWN: Final = {
    400: "Several users have one of that id, or a field makes no sense; the body says which.",
    404: "There is none of that id.",
}
_NOT_SENT: Final = {
    409: "There is no Flexibility Provider to send to; the body says how to name one."
}
_KINDS: Final = {
    "providers": ("capacity_provider", "Capacity Provider"),
    "optimizers": ("capacity_optimizer", "Capacity Optimizer"),
}


class _Endpoints:
    """The handlers; each returns JSON values, or raises `Refused`."""

    def __init__(
        self,
        shared: Shared,
        systems: Systems,
        reset: Callable[[], object],
        openapi: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._shared = shared
        self._systems = systems
        self._reset = reset
        self._openapi = openapi

    def health(self) -> object:
        shared = self._shared
        return {
            "status": "ok",
            "version": version(),
            "seed": shared.seed,
            "fidelity": shared.behaviour.fidelity,
            "settings": dict(shared.behaviour.sides),
            "now": utc_text(shared.clock.now()),
        }

    def journal(self) -> object:
        entries, last = entries_asked_for(self._shared.journal)
        limit = int(_number("limit", _MOST_ENTRIES))
        if limit < 1:
            raise Refused("limit is a number, 1 or more")
        shown = _page(entries[:limit])
        more = len(shown) < len(entries)
        if _wants_text():
            return _lines(entries, len(shown))
        return {
            "last": entries[len(shown) - 1].number if more else last,
            "more": more,
            "entries": shown,
        }

    def journal_lines(self) -> Response:
        if request.args:
            raise Refused("the file is the whole journal: leave filters out, or ask for /journal")
        saved = SavedJournal.of(self._shared)
        return Response(saved.lines(), mimetype="application/jsonl")

    def settle(self) -> object:
        _check_parameters(["timeout"], "parameter")
        timeout = _number("timeout", 10)
        if timeout > _LONGEST_VERIFICATION:
            raise Refused(f"timeout is at most {_LONGEST_VERIFICATION:g} seconds")
        settling = Settling(self._shared)
        if settling.wait_until_settled(timeout):
            return {"settled": True, "now": utc_text(self._shared.clock.now())}
        left = settling.left_over()
        raise Refused(f"not settled: {left}", 409, settled=False, clock=self.clock())

    def verify(self) -> object:
        body = _body()
        since, written = _since(body)
        verification = Verification(written)
        _checked(_VERIFY.request_schema or {}, body)
        self._check_time(verification)
        try:
            entries = verify(self._shared, verification, since=since)
        except NotVerified as error:
            raise Refused(str(error), 409, **_failure(error)) from None
        return {"verified": True, "entries": _page(entries)}

    def _check_time(self, verification: Verification) -> None:
        clock = self._shared.clock
        speed = clock.speed if isinstance(clock, FastClock) else None if clock.is_simulated else 1.0
        seconds = (verification.within or timedelta()).total_seconds()
        if speed is not None and seconds / speed > _LONGEST_VERIFICATION:
            raise Refused(f"within is at most {_LONGEST_VERIFICATION:g} seconds of real time")

    def openapi(self) -> object:
        return self._openapi()

    def reset(self) -> object:
        self._reset()
        return {"reset": True, "last": self._shared.journal.last}

    def world(self) -> object:
        return self._shared.world.summary()

    def change(self) -> object:
        broker = _checked(_WORLD.request_schema or {}, _body())["broker"]
        self._shared.set_broker(broker)
        return self.world()

    def faults(self) -> object:
        return {"faults": [each.to_dict() for each in self._shared.faults.rules]}

    def add_faults(self) -> object:
        body = _body()
        # One rule may stand alone.
        is_rule = isinstance(body, Mapping) and "faults" not in body and "where" in body
        rules = load_faults({"faults": [body]} if is_rule else body)
        if why := impossible_at_a_port(rules):
            raise Refused(why)
        return {"faults": [self._shared.faults.add(rule).to_dict() for rule in rules]}

    def clear_faults(self) -> object:
        unknown = sorted(request.args.keys() - {"number"})
        if unknown:
            raise Refused(f'unknown parameter "{unknown[0]}"; there is number')
        number = request.args.get("number")
        if number is None:
            self._shared.faults.clear()
        elif not _is_number(number):
            raise Refused(f'number is that of a rule, not "{number}"')
        elif not self._shared.faults.remove(int(number)):
            raise Refused(f"there is no fault {number}; GET {OURS}/faults lists them", 404)
        return self.faults()

    def clock(self) -> object:
        due = self._shared.schedule.next_due
        shown: dict[str, Any] = {
            "now": utc_text(self._shared.clock.now()),
            "runs": _runs(self._shared.clock),
            "next_due": None if due is None else utc_text(due),
            "pending": self._shared.schedule.pending,
        }
        if isinstance(self._shared.clock, FastClock):
            shown["speed"] = self._shared.clock.speed
        return shown

    def move_clock(self) -> object:
        body = _body()
        if isinstance(body, Mapping) and body.keys() == {"speed"}:
            return self._run_clock(body["speed"])
        seconds = _seconds(body)
        try:
            self._shared.clock.advance(seconds)
        except RuntimeError as error:
            raise Refused(str(error), 409) from None
        except (OverflowError, ValueError):
            raise Refused("no clock goes beyond the year 9999") from None
        return self.clock()

    def _run_clock(self, speed: object) -> object:
        clock = self._shared.clock
        if not isinstance(clock, FastClock):
            raise Refused("this clock has no speed: start with --clock fast", 409)
        if isinstance(speed, bool) or not isinstance(speed, int | float | None):
            raise Refused("speed is a number above 0, or null: it runs only for who waits")
        clock.speed = speed
        return self.clock()

    def show_system(self, kind: str, id: str) -> object:  # noqa: A002 - as the path calls it
        return self._system(kind, id).to_dict()

    def command(self, kind: str, name: str, id: str) -> object:  # noqa: A002 - as above
        schema = COMMANDS[_KINDS[kind][0]][name].fields
        table = _table_sent()
        if table is None:
            system = self._system(kind, id)
            return carry_out(system, name, _checked(schema, _body())).to_dict()
        if "csv" not in schema["properties"]:
            raise Refused(f"{name} is not read from a table: send JSON", 415)
        fields = _checked(schema, _fields_beside(schema["properties"]))
        system = self._system(kind, id, beside=schema["properties"])
        return carry_out(system, name, {**fields, "csv": table}).to_dict()

    def _system(self, kind: str, number: str, beside: Iterable[str] = ()) -> System:
        unknown = sorted(request.args.keys() - {"user", *beside})
        if unknown:
            raise Refused(f'unknown parameter "{unknown[0]}"; there is user')
        user = request.args.get("user")
        if user is not None and not _is_number(user):
            raise Refused(f'user is the id of a user, not "{user}"')
        if not _is_number(number):
            raise Refused(f'an id is a whole number, not "{number}"', 404)
        of_user = None if user is None else int(user)
        if kind == "providers":
            return self._systems.provider(int(number), of_user)
        return self._systems.optimizer(int(number), of_user)


_Handler = Callable[..., object]


def _of_systems() -> Iterator[Operation]:
    looked = RouteDocs(_OF_SYSTEM, response_schema=_OBJECT, statuses=_UNKNOWN)
    for kind, (party, name) in _KINDS.items():
        path, show = f"/{kind}/<id>", partial(_Endpoints.show_system, kind=kind)
        yield _row("GET", path, f"What a {name} knows, got and sent.", looked, show)
        for word, command in COMMANDS[party].items():
            docs = RouteDocs(_OF_SYSTEM, command.fields, _OBJECT, {**_UNKNOWN, **_NOT_SENT})
            tell = partial(_Endpoints.command, kind=kind, name=word)
            summary = f"Have a {name} send {command.sends}."
            yield _row("POST", f"{path}/{word}", summary, docs, tell)


def _row(method: str, path: str, summary: str, docs: RouteDocs, handler: _Handler) -> Operation:
    return Operation(method, OURS + path, summary, docs, handler)


_E = _Endpoints
#: All of them, as the description of the API says, too.
OPERATIONS: Final = (
    _row("GET", "/health", "Is it there, and how is it set up?", _PLAIN, _E.health),
    _row("GET", "/journal", "Everything that happened, in order.", _JOURNAL, _E.journal),
    _row(
        "GET",
        "/journal.jsonl",
        "All of it as a file that can be opened again.",
        _JOURNAL_FILE,
        _E.journal_lines,
    ),
    _row("POST", "/settle", "Wait until nothing is on its way any more.", _SETTLE, _E.settle),
    _row("POST", "/verify", "Verify counts, order, time and nothing else.", _VERIFY, _E.verify),
    _row("GET", "/openapi.json", "This description.", _PLAIN, _E.openapi),
    _row("POST", "/reset", "Forget everything, and start afresh.", _PLAIN, _E.reset),
    _row("GET", "/world", "Who exists, without secrets.", _PLAIN, _E.world),
    _row("POST", "/world", "Have the broker between the services down, or up.", _WORLD, _E.change),
    _row("GET", "/faults", "What shall go wrong, and how often it did.", _PLAIN, _E.faults),
    _row("POST", "/faults", "Let something more go wrong.", _NEW_FAULTS, _E.add_faults),
    _row(
        "DELETE", "/faults", "Let nothing of it go wrong any more.", _LESS_FAULTS, _E.clear_faults
    ),
    _row("GET", "/clock", "What time it is, and what is due next.", _PLAIN, _E.clock),
    _row("POST", "/clock", "Let time pass, or say how fast it does.", _ADVANCE, _E.move_clock),
    *_of_systems(),
)


def control(
    shared: Shared,
    systems: Systems,
    reset: Callable[[], object],
    openapi: Callable[[], Mapping[str, Any]],
) -> Blueprint:
    """Return the simulator's own endpoints as a blueprint; the systems can be told to send."""
    blueprint = Blueprint("control", __name__)
    endpoints = _Endpoints(shared, systems, reset, openapi)
    for number, operation in enumerate(OPERATIONS):
        blueprint.add_url_rule(
            operation.path,
            endpoint=str(number),
            methods=[operation.method],
            view_func=answering(partial(operation.handler, endpoints)),
        )
    return blueprint


def protect(blueprint: Blueprint, shared: Shared, token: str | None) -> None:
    """Refuse what web pages of others send, and who shows no control token; take secrets out.

    It is shown as `Authorization: Bearer TOKEN`. Nobody has asked for the blueprint's pages yet.
    """
    blueprint.before_request(lambda: _from_a_web_page(shared.addresses.known()))
    blueprint.after_request(partial(_without_secrets, shared.journal))
    if token is not None:
        wanted = f"Bearer {token}".encode()
        blueprint.before_request(lambda: _unauthorized(wanted))


def _without_secrets(journal: Journal, response: Response) -> Response:
    """Take the secrets out of what is told: of a system, of a fault, or by an error that quotes."""
    if not response.is_streamed and response.mimetype in _TYPES:
        text = response.get_data(as_text=True)
        safe = journal.redact(text)
        if safe != text:
            response.set_data(safe)
    return response


def answering(handler: _Handler) -> Callable[..., Response]:
    """Return a view that answers with what a handler returns, or says why it refused."""

    def view(**variables: str) -> Response:
        try:
            answer = handler(**variables)
            return answer if isinstance(answer, Response) else _json(answer)
        except Refused as refused:
            return _refusal(refused.status, str(refused), refused.more)
        except NobodyThere as error:
            return _refusal(409, _text(error))
        except LookupError as error:
            return _refusal(404, _text(error))
        except ValueError as error:
            return _refusal(400, str(error))

    return view


def _from_a_web_page(url: str | None) -> Response | None:
    """Refuse what a page may have sent: to a name that leads here as well, or from elsewhere."""
    host, origin = request.headers.get("Host"), request.headers.get("Origin")
    if host is not None and not _is_ours(host, url):
        return _refusal(
            403,
            f"{OURS}/ is not at {host!r}: ask for localhost, or start with "
            "--public-url http://NAME:PORT, or create_app(public_url=...), if others are to reach "
            "it by that name",
        )
    if origin is not None and origin.partition("://")[2].lower() != (host or "").lower():
        return _refusal(403, f"{OURS}/ is not for web pages of {origin!r}: leave Origin out")
    return None


def _is_ours(host: str, url: str | None) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    known = {"localhost", *(urlsplit(each).hostname for each in (IN_PROCESS_URL, url) if each)}
    if name in known:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _unauthorized(wanted: bytes) -> Response | None:
    shown = (request.headers.get("Authorization") or "").encode("utf-8", "replace")
    if request.path in _OPEN or hmac.compare_digest(shown, wanted):
        return None
    response = _refusal(401, "show the control token, as Authorization: Bearer TOKEN")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


# Reading requests, and writing answers.


def _check_length() -> None:
    if (request.content_length or 0) > LONGEST_BODY:
        raise Refused(f"the body is longer than {LONGEST_BODY} bytes")


def _body() -> Any:  # noqa: ANN401 - JSON of any kind
    """Return the JSON of the request's body; an empty one is an empty object."""
    _check_length()
    data = request.get_data()
    try:
        return orjson.loads(data) if data.strip() else {}
    except orjson.JSONDecodeError as error:
        raise Refused(f"the body is not JSON: {error}") from None


def _table_sent() -> TableFile | None:
    """Return the table that the request is or has with it, as a form sends a file."""
    _check_length()
    if request.mimetype in _TABLES:
        return TableFile("csv", request.get_data())
    if request.mimetype != "multipart/form-data":
        return None
    files = [each for _, each in request.files.items(multi=True)]
    if len(files) != 1:
        raise Refused(f"one file is expected in the form, not {len(files)}")
    return TableFile(files[0].filename or "file", files[0].read())


def _fields_beside(known: Schema) -> Mapping[str, Any]:
    """Return what the query and the form say beside a table, each as its schema has it."""
    given = CombinedMultiDict([request.args, request.form])
    fields: dict[str, Any] = {name: given[name] for name in given if name != "user"}
    if "columns" in fields and "columns" in known:
        pairs = [each.partition("=") for each in given.getlist("columns")]
        fields["columns"] = {column: name for column, _, name in pairs}
    if fields.get("decimal_comma") in _WORDS:
        fields["decimal_comma"] = _WORDS[fields["decimal_comma"]]
    if "csv" in fields:
        raise Refused("csv: the table is sent already: leave it out")
    return fields


def _json(content: object, status: int = 200) -> Response:
    return Response(_written(content) + b"\n", status, mimetype="application/json")


def _written(content: object) -> bytes:
    written = json_bytes(content, _plain)
    return _HALF.sub(_escaped, written) if rb"\ud" in written else written


def _escaped(found: re.Match[bytes]) -> bytes:
    return found[1] + b"\\" + found[2] if found[2] else found[1]


# Half a surrogate pair in JSON of ASCII, or its end, behind all that is none: no reader of UTF-8
# could write it again.
_WHOLE: Final = rb"[^\\]++|\\[^u]|\\u(?!d[89a-f])|\\ud[89ab]..\\ud[c-f].."
_HALF: Final = re.compile(rb"((?:%s)*+)(\\ud[89a-f]..|\Z)" % _WHOLE, re.DOTALL)


def _refusal(status: int, why: str, more: Mapping[str, object] = _NOTHING_MORE) -> Response:
    if _wants_text():
        return Response(f"{why}\n", status, mimetype="text/plain")
    return _json({"error": why, **more}, status)


def _wants_text() -> bool:
    return request.accept_mimetypes.best_match(_TYPES) == "text/plain"


def _lines(entries: Sequence[Entry], count: int) -> Response:
    """Return the first of some entries, a line each, and how to have the rest."""
    lines = [str(entry) for entry in entries[:count]]
    if count < len(entries):
        lines.append(
            f"and {len(entries) - count} more: ask again with since={entries[count - 1].number}"
        )
    return Response("".join(f"{line}\n" for line in lines), mimetype="text/plain")


def _plain(value: Any) -> object:  # noqa: ANN401 - what JSON has no word for
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, set | frozenset) else dict(value)


def _text(error: LookupError) -> str:
    # A LookupError of Python's own would show its text in quotes.
    return str(error.args[0]) if error.args else str(error)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 19  # noqa: PLR2004 - of 64 bits


def entries_asked_for(journal: Journal) -> tuple[Sequence[Entry], int]:
    """Return the entries that the query asks for, and the newest number that was looked at.

    It waits for them if the query says so.

    Raises:
        Refused: A filter makes no sense.
    """
    _check_parameters([parameter.name for parameter in _JOURNAL.parameters], "filter")
    filters = dict(_filters())
    since = int(_number("since"))
    deadline = time.monotonic() + min(_number("wait"), _LONGEST_WAIT)
    while True:
        last = journal.last
        left = deadline - time.monotonic()
        found = _found(journal, since, filters, is_last=left <= 0)
        found = [entry for entry in found if entry.number <= last]
        if found or left <= 0:
            return found, last
        try:
            journal.wait_for(lambda _: True, timeout=left, since=since, **filters)
        except NotSeen:
            # An action that nobody has made up until now is refused.
            return _found(journal, last, filters, is_last=True)[:0], last


def _found(
    journal: Journal, since: int, filters: Mapping[str, Any], *, is_last: bool
) -> Sequence[Entry]:
    try:
        return journal.entries(since=since, **filters)
    except ValueError:
        if is_last:
            raise
        return ()


def _check_parameters(known: Iterable[str], what: str) -> None:
    for name in sorted(request.args.keys() - set(known)):
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(known))}"
        raise Refused(f"unknown {what} {name!r}; {hint}")


def _filters() -> Iterator[tuple[str, str | bool | int]]:
    for name in (*VALUES, "sent", "instruction_id", "status"):
        text = request.args.get(name)
        if text is not None:
            yield name, _filter(name, text)


def _filter(name: str, text: str) -> str | bool | int:
    if name == "sent":
        if text not in _WORDS:
            raise Refused(f"sent is true or false, not {text!r}")
        return _WORDS[text]
    if name in {"instruction_id", "status"}:
        if not _is_number(text):
            raise Refused(f"{name} is a whole number, not {text!r}")
        return int(text)
    if name != "action":
        check_value(name, text)
    return text


def _number(name: str, otherwise: float = 0) -> float:
    text = request.args.get(name, str(otherwise))
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise Refused(f"{name} is a number, 0 or more, not {text!r}")
    return number


def _page(entries: Sequence[Entry]) -> list[orjson.Fragment]:
    """Return the first of some entries, as they are written: as many as one answer may hold."""
    shown, size = [], 0
    for entry in entries[:_MOST_ENTRIES]:
        shown.append(_written(entry.to_dict()))
        size += len(shown[-1])
        if size > _LONGEST_PAGE:
            break
    return [orjson.Fragment(each) for each in shown]


def _since(body: object) -> tuple[int, Mapping[str, Any]]:
    """Return the mark of a verification, and the rest of it."""
    if not isinstance(body, Mapping):
        raise Refused('the body is a JSON object, as {"action": "Handshake", "exactly": 1}')
    since = body.get("since", 0)
    if isinstance(since, bool) or not isinstance(since, int) or since < 0:
        raise Refused(f"since is the number of an entry, 0 or more, not {since!r}")
    return since, {name: each for name, each in body.items() if name != "since"}


def _failure(error: NotVerified) -> dict[str, object]:
    return {
        "verified": False,
        "expected": error.expected,
        "got": error.got,
        "entries": [each.number for each in error.entries],
        "nearest": None if error.nearest is None else error.nearest.to_dict(),
        "differences": [asdict(each) for each in error.differences],
    }


def _runs(clock: Clock) -> str:
    if isinstance(clock, FastClock):
        return "fast"
    return "frozen" if isinstance(clock, FrozenClock) else "real"


def _seconds(body: object) -> float:
    if not isinstance(body, Mapping) or body.keys() != {"advance"}:
        raise Refused(
            'say by how much, as {"advance": 90} in seconds or {"advance": "15m"}; or, of a fast '
            'clock, how fast: {"speed": 60}'
        )
    by = body["advance"]
    if isinstance(by, str):
        try:
            by = parse_duration(by).total_seconds()
        except ValueError as error:
            raise Refused(f"advance: {error}") from None
    if isinstance(by, bool) or not isinstance(by, int | float) or by < 0:
        raise Refused("advance is a number of seconds, 0 or more, or a duration as 15m")
    if by > _LONGEST_ADVANCE:
        raise Refused("advance by at most 366d at once; ask several times for more")
    return float(by)

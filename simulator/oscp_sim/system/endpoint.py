"""Where messages to systems come in: authentication, headers, schema, meaning, reaction, answer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import unquote

import orjson

from oscp_schemas.show import nearest
from oscp_send.findings import Finding
from oscp_send.meaning import judge_meaning
from oscp_sim.conversation import journaled
from oscp_sim.dataclass_values import changed
from oscp_sim.entry import Entry
from oscp_sim.http import Request, Response, respond
from oscp_sim.journal import size_of
from oscp_sim.shared import Shared
from oscp_sim.system import oscp_sim_cp
from oscp_sim.system.call import Call, Reaction, Refused, check_headers, read_message
from oscp_sim.system.profile import ACTIONS, Profile
from oscp_sim.system.reactions import react
from oscp_sim.system.registry import Registry
from oscp_sim.system.segments import assemble
from oscp_sim.system.sending import Received
from oscp_sim.system.system import System

_DOUBLE_SLASH: Final = (
    "the path has two slashes: the base URL in Register ends with one, and the path begins with one"
)


class Endpoint:
    """The party behind one path: all systems of one kind that are played below it.

    It plays every one of the world that has no base URL of its own, or whose base URL leads here,
    and tells them apart by the token with which they are called. One that the configuration API has
    made has not registered, so there is no token that it could demand: it is called without. Where
    no system is played, requests are answered by the usual profile.
    """

    def __init__(
        self, shared: Shared, registry: Registry[System], path: str, usual: Profile
    ) -> None:
        self.name = registry.party
        self._shared = shared
        self._registry = registry
        self._path = path
        self._usual = usual

    def is_for(self, path: str) -> bool:
        """Return whether a path lies below its own, however many slashes are between."""
        if path.startswith(f"{self._path}/"):
            return True
        first = self._registry.first(self._path)
        return first is not None and path in first.profile.elsewhere

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        rest = unquote(request.path, errors="replace")
        rest = f"/{rest.lstrip('/')}".removeprefix(self._path)
        path = f"/{rest.lstrip('/')}"
        call = Call.of(request, self._shared.now(self._registry.party))
        call.action = ACTIONS.get(path)
        system: System | None = None
        try:
            callers = self._callers(call)
            system = callers[0]
            if path != rest:
                call.check("X20", _DOUBLE_SLASH, system.profile)
            self._route(call, path, callers)
            check_headers(call, system.profile)
            if system.profile.refusal_shape == "oscp-sim-cp":
                oscp_sim_cp.read_message(call)
            else:
                read_message(call, system.profile)
            system = _meant(callers, call)
            response = self._take(call, system)
        except Refused as refused:
            call.findings.extend(refused.findings)
            response = self._refuse(call, refused, system)
        except Exception as error:  # noqa: BLE001 - a party answers, whatever went wrong
            what = f"{request.method} {request.path} could not be answered"
            why = self._shared.journal.mistake(error, what)
            body = json.dumps({"message": why}).encode()
            response = respond(500, body, headers=[("Content-Type", "application/json")])
            self._record(call, response, system)
        if system is None or response.after == math.inf:
            return response
        return changed(response, after=system.profile.behaviour.delay.total_seconds())

    def _callers(self, call: Call) -> tuple[System, ...]:
        """Return the systems that a request may be for by its token, at least one (oscp20.md §2.2).

        Raises:
            Refused: It shows no token, or one that is not good here.
        """
        shown = call.request.fields.get("authorization")
        host = call.request.fields.get("host", "")
        if shown is None:
            called = self._registry.called(self._path, None, host)
            return called or self._anybody(call, "X1", "the Authorization header is missing")
        scheme, _, token = shown.partition(" ")
        found: tuple[System, ...] = ()
        case = "X5"
        if scheme == "Token":
            found = self._registry.called(self._path, token, host)
            case = "X3" if token.startswith(" ") else case
        elif scheme == "Bearer":
            found, case = self._bearing(token), "X4"
        elif scheme.lower() == "token":
            found, case = self._registry.called(self._path, token, host), "X2"
            found = tuple(each for each in found if not each.profile.refuses(case))
        if not found:
            return self._anybody(call, case, "the token is unknown")
        if case == "X2":
            call.check(case, 'the scheme must be spelt "Token"', found[0].profile)
        if scheme == "Bearer":
            return found
        good = tuple(each for each in found if each.registration.is_good(token, call.now))
        return good or _outdated(found, token, call)

    def _anybody(self, call: Call, case: str, text: str) -> tuple[System, ...]:
        """Return the first system, if its profile lets such a request pass (inferred: the first).

        Raises:
            Refused: It does not.
        """
        host = self._registry.first(self._path)
        if host is None:
            raise Refused(case, text)
        call.check(case, text, host.profile)
        return (host,)

    def _bearing(self, token: str) -> tuple[System, ...]:
        """Return the systems for which an access token was granted (oscp20.md §5.9)."""
        client = self._shared.access_tokens.holder(token)
        if client is None:
            return ()
        return tuple(
            each
            for each in self._registry.played(self._path)
            if (each.system.service_props or {}).get("oauth-client-id") == client
        )

    def _route(self, call: Call, path: str, callers: Sequence[System]) -> None:
        """Set the action of a message by its path.

        Raises:
            Refused: There is no such path, or its method is another.
        """
        profile = callers[0].profile
        elsewhere = profile.elsewhere.get(unquote(call.request.path, errors="replace"))
        call.action = profile.endpoints.get(path) or elsewhere or _alternative(path, callers)
        if call.action is None:
            kind = self._registry.words
            meant = nearest(path[1:], [known[1:] for known in profile.endpoints])
            hint = f': is it "{meant}"?' if meant else ""
            raise Refused("path", f'there is no message "{path[1:]}" at a {kind}{hint}')
        allowed = _methods(call, profile)
        if call.request.method not in allowed:
            raise Refused("X13", f"{call.request.method} is not allowed, only {', '.join(allowed)}")

    def _take(self, call: Call, system: System) -> Response:
        with system.lock:
            reaction = _judged(call, system)
            response = reaction.response
            if system.profile.refusal_shape == "oscp-sim-cp":
                response = response.having((*oscp_sim_cp.VARY, *response.headers))
            entry = self._record(call, response, system)
            # A DELETE is not a message: it has ended the registration, and what was agreed since.
            is_said = reaction.is_said and call.request.method != "DELETE"
            said = call.said(entry.number) if is_said else None
            system.record_received(_received(call, response, entry), said)
        delay = system.profile.behaviour.delay.total_seconds()
        for seconds, task in reaction.later:
            self._shared.schedule.after(delay + seconds, task, queue=system.queue)
        return response

    def _refuse(self, call: Call, refused: Refused, system: System | None) -> Response:
        host = system or self._registry.first(self._path)
        profile = host.profile if host else self._usual
        allowed = _methods(call, profile)
        if profile.refusal_shape == "oscp-sim-cp":
            response = oscp_sim_cp.refusal(call, refused, profile.status(refused.case))
        else:
            response = profile.refusal(
                refused.case, str(refused), keyword=refused.keyword, allowed=allowed
            )
        shown = profile.refusal_shape == "message"
        entry = self._record(call, response, system, None if shown else str(refused))
        if system is not None:
            system.record_received(_received(call, response, entry), None)
        return response

    def _record(
        self, call: Call, response: Response, system: System | None, why: str | None = None
    ) -> Entry:
        """Record a message and its answer in the journal, and return the entry."""
        detail: dict[str, object] = {} if system is None else {**system.who}
        if why is not None:
            detail["why"] = why
        is_silent = response.after == math.inf
        if is_silent:
            detail["why"] = "silent, as its behaviour says: there is no answer to this"
        return self._shared.journal.append(
            self._registry.party,
            "exchange",
            peer="flexibility_provider",
            action=call.action,
            request=call.request,
            response=None if is_silent else response,
            findings=[journaled(finding) for finding in call.findings],
            judge=call.judge,
            detail=detail,
        )


def _outdated(found: tuple[System, ...], token: str, call: Call) -> tuple[System, ...]:
    """Refuse a token that was good once, and say why it is not any more.

    Raises:
        Refused: Unless the profile lets it pass.
    """
    for system in found:
        if any(issued.value == token for issued in system.registration.issued):
            call.check("X6", "the token has expired", system.profile)
            return (system,)
    call.check("X6", "a newer token has replaced this one", found[0].profile)
    return (found[0],)


def _alternative(path: str, callers: Iterable[System]) -> str | None:
    """Return the action of a path that the service property `url-paths` names, or None.

    Its key for asset measurements is the plural of the action (oscp20.md §5.9).
    """
    for system in callers:
        configured = (system.system.service_props or {}).get("url-paths")
        if isinstance(configured, Mapping):
            named = [action for action, each in configured.items() if each == path]
            if named:
                plural = "UpdateAssetMeasurements"
                return plural[:-1] if named[-1] == plural else str(named[-1])
    return None


def _methods(call: Call, profile: Profile) -> tuple[str, ...]:
    return profile.register_methods if call.action == "Register" else ("POST",)


def _meant(callers: tuple[System, ...], call: Call) -> System:
    """Return the system that a message is for, of several that give out the same token."""
    if len(callers) == 1:
        return callers[0]
    fitting = [
        system
        for system in callers
        if call.group in system.groups
        or (call.action == "Register" and system.registration.is_awaiting_answer)
        or any(sent.request_id == call.correlation_id for sent in system.sent)
    ]
    return (fitting or callers)[0]


def _judged(call: Call, system: System) -> Reaction:
    """Judge a message by its meaning and by what was said before, and return the reaction to it.

    The system's lock must be held.

    Raises:
        Refused: A finding is one that the system refuses, or the message cannot be accepted.
    """
    profile = system.profile
    if call.group is not None and call.group not in system.groups:
        call.check("X19", f'there is no Capacity Group "{call.group}"', profile)
    if not assemble(call, system.segments, profile):
        return Reaction(is_said=False)
    system.remember_under_way()
    found = tuple(call.findings)
    meant: tuple[Finding, ...] = ()
    if call.text is None or profile.may_refuse_a_meaning:
        meant = tuple(judge_meaning(call.message, call.now))
        call.judge = partial(tuple, meant) if meant else tuple
    else:
        # What nobody reads is not judged: of a message of a day, that is a quarter of the work.
        call.judge = partial(_meaning, call.text, call.now)
    said = system.conversation.judge(call.said())
    call.findings.extend(said)
    for finding in (*found, *meant, *said):
        _refuse_if_strict(finding, profile)
    return react(call, system)


def _meaning(text: bytes, now: datetime) -> tuple[Finding, ...]:
    """Return what is wrong with the meaning of a message."""
    try:
        return tuple(judge_meaning(orjson.loads(text), now))
    except RecursionError:
        # It is nested almost too deeply, and its reader is deep in calls, too.
        return ()


def _refuse_if_strict(finding: Finding, profile: Profile) -> None:
    """Raise Refused where a finding is one that a profile refuses.

    Where it refuses all of them, it accepts mere information, which tells what is right, too.
    """
    if finding.severity == "info" and profile.strict is None:
        return
    for case in (finding.case, finding.rule):
        if case is not None and profile.refuses(case):
            raise Refused(case, f"{finding.pointer or '/'}: {finding.message}")


_OF_A_FINDING: Final = 500


def _received(call: Call, response: Response, entry: Entry) -> Received:
    """Return what a system remembers of a message."""
    status = None if response.after == math.inf else response.status
    is_cut = call.request.fields.get("x-segment-count") is not None
    size = len(call.request.body or b"") + len(response.body) + _OF_A_FINDING * len(call.findings)
    return Received(
        call.action or "",
        call.request_id,
        call.correlation_id,
        call.now,
        status,
        tuple(call.findings),
        call.judge,
        call.content if is_cut else None,
        entry,
        size + (size_of(call.content) if is_cut else 0),
    )

"""SolarUser, as far as OSCP needs it: the order of its checks, from a request to the journal.

The order is the service's own (solaruser.md §5.7). `routes` lists what follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from werkzeug.datastructures import MultiDict

from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding
from oscp_send.judgement import check
from oscp_sim.http import (
    TRACED,
    Request,
    Response,
    bare_page,
    base_url,
    compressed,
    cross_origin,
    flaw_of,
    masked,
    respond,
    security_headers,
    with_its_host,
)
from oscp_sim.instructions import HandOff, Instruction
from oscp_sim.shared import Shared
from oscp_sim.solaruser.authentication import Authenticator
from oscp_sim.solaruser.call import (
    CONTEXT_PATH,
    ApiRefused,
    AuthenticationRefused,
    Call,
    NoRoute,
    request_parameters,
)
from oscp_sim.solaruser.gate import (
    HEADERS,
    METHODS,
    RateLimiter,
    check_content,
    check_parameter_names,
    check_request,
    permissive_headers,
    with_cors_headers,
)
from oscp_sim.solaruser.policy import check_access
from oscp_sim.solaruser.replies import (
    beside_the_api,
    container_error,
    cut_short,
    failure,
    json_response,
)
from oscp_sim.solaruser.routes import EXEC_PATH, Route, Router, all_routes

__all__ = ["CONTEXT_PATH", "EXEC_PATH", "Route", "SolarUser"]

_API = f"{CONTEXT_PATH}/api/"
_BROKEN_CBOR = (
    "a list in CBOR, which Accept: */* asks for, too, is broken off by the running service: ask "
    "for application/json (--set cbor_lists=documented or observed shows either)"
)


class SolarUser:
    """SolarUser as a party: every request below its context path; `routes` in the order tried."""

    name: Final = "solaruser"

    def __init__(self, shared: Shared, hand_off: HandOff) -> None:
        self.routes = all_routes(shared, hand_off)
        self._shared = shared
        self._hand_off = hand_off
        self._router = Router(self.routes)
        self._authenticator = Authenticator(shared)
        self._rate_limiter = RateLimiter(shared.clock)

    def is_for(self, path: str) -> bool:
        """Return whether a decoded path is one of SolarUser's."""
        return path == CONTEXT_PATH or path.startswith(f"{CONTEXT_PATH}/")

    def handle(self, request: Request) -> Response:
        """Answer a request, and record the exchange in the journal."""
        call = Call(request)
        response = self._respond(call)
        self._record(call, response)
        for message in call.queued:
            self._hand_off(message)
        # Not before it is recorded: people read the journal.
        return compressed(request, response)

    def _respond(self, call: Call) -> Response:
        request = call.request
        is_strict = self._shared.behaviour.follows_service("host_names")
        flaw = flaw_of(request, takes_underscores=not is_strict)
        if flaw is not None:
            call.explanation = {"why": flaw.why}
            return bare_page(flaw)
        if request.method == "TRACE":
            response = self._container_error(call, HTTPStatus.METHOD_NOT_ALLOWED, TRACED)
            return with_cors_headers(request, response)
        try:
            check_request(request)
        except ApiRefused as refusal:
            return self._refused(call, refusal)
        if request.path == CONTEXT_PATH:
            return respond(302, headers=[("Location", f"{base_url(request)}{CONTEXT_PATH}/")])
        response = self._let_in(call)
        return with_cors_headers(request, response).adding(security_headers(request))

    def _let_in(self, call: Call) -> Response:
        path, at = unquote(call.request.path), self._shared.clock.now()
        response = cross_origin(call.request, METHODS, HEADERS)
        if not f"{path}/".startswith(_API):
            return beside_the_api(call, path.removeprefix(CONTEXT_PATH), response, at)
        return response or self._answered(call).adding(call.response_headers)

    def _answered(self, call: Call) -> Response:
        try:
            return self._served(call)
        except AuthenticationRefused as refusal:
            return self._authentication_refused(call, refusal)
        except ApiRefused as refusal:
            return self._refused(call, refusal)
        except NoRoute as refusal:
            return self._container_refused(call, refusal)
        except Exception as error:  # noqa: BLE001 - the service answers, whatever went wrong
            what = f"{call.request.method} {call.request.path} could not be answered"
            call.explanation = {"why": self._shared.journal.mistake(error, what)}
            return self._failure(call, 500, "Internal error")

    def _served(self, call: Call) -> Response:
        """Answer a call that nothing refuses; the order is the service's."""
        request, path = call.request, unquote(call.request.path)
        check_content(request)
        parameters = request_parameters(request)
        call.parameters = MultiDict(parameters)
        check_parameter_names(call.parameters)
        call.verified = self._authenticator.actor(request, parameters)
        check_access(request, path, call.verified)
        self._check_rate(call)
        if request.method == "OPTIONS":
            return self._router.options(path)
        handler = self._router.find(path, call).handler
        call.is_routed = True
        return self._as_observed(call, handler(call))

    def _as_observed(self, call: Call, response: Response) -> Response:
        cut = cut_short(response)
        if cut is response:
            return response
        call.explanation = {"why": _BROKEN_CBOR}
        return cut if self._shared.behaviour.follows_service("cbor_lists") else response

    def _check_rate(self, call: Call) -> None:
        limit = self._shared.world.rate_limit
        if limit is None or not call.request.path.startswith(_API):
            return
        if call.verified is not None:
            key = f"u|{call.verified.token.id}"
        else:
            key = call.request.fields.get("x-forwarded-for") or call.request.client
        allowance = self._rate_limiter.take(limit, key)
        call.response_headers.append(allowance.header())
        if allowance.retry_after is not None:
            why = f"there is no request left for {key} until {allowance.retry_after}"
            raise ApiRefused(429, None, code="WEB.10000", explanation={"why": why})

    def _authentication_refused(self, call: Call, refusal: AuthenticationRefused) -> Response:
        call.explanation = refusal.explanation
        if not refusal.with_headers:
            return self._failure(call, refusal.status, refusal.message)
        status, code = refusal.status, None
        if not self._shared.behaviour.follows_service("authentication_errors"):
            status, code = 401, "401"
        response = failure(call, status, refusal.message, code=code)
        if response is None or not response.body:
            # The filter's last resort does not ask what is accepted.
            content = {"success": False, "code": str(status), "message": refusal.message}
            response = json_response(content, status)
        return response.adding([*permissive_headers(), *refusal.headers(call.request)])

    def _refused(self, call: Call, refusal: ApiRefused) -> Response:
        call.explanation = refusal.explanation
        return self._failure(
            call, refusal.status, refusal.message, code=refusal.code, errors=refusal.errors
        )

    def _failure(
        self,
        call: Call,
        status: int,
        message: str | None,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> Response:
        """Return a refusal; where its Accept leaves no type for it, the container's 500."""
        tell = partial(failure, call, status, message, code=code, errors=errors)
        response = tell()
        if response is not None and response.body:
            return response
        why = masked(HTTPStatus.INTERNAL_SERVER_ERROR, status, message, call.explanation.get("why"))
        call.explanation = {**call.explanation, "why": why}
        if not self._shared.behaviour.follows_service("masked_errors"):
            return tell(is_masked=False) or respond(status)
        return response or self._container_error(call, HTTPStatus.INTERNAL_SERVER_ERROR, {})

    def _container_refused(self, call: Call, refusal: NoRoute) -> Response:
        call.explanation = {"why": f"{refusal.status.value} {refusal.status.phrase}"}
        return self._container_error(call, refusal.status, refusal.headers)

    def _container_error(
        self, call: Call, status: HTTPStatus, headers: Mapping[str, str]
    ) -> Response:
        return container_error(call, status, headers, at=self._shared.clock.now())

    def _record(self, call: Call, response: Response) -> None:
        row = call.instruction
        judge = call.judge
        if row is not None and row.state == "Declined" and call.request.method == "POST":
            # What our own check says about a message that was declined here.
            judge = partial(_findings, row, self._shared.behaviour, self._shared.clock.now())
        why = with_its_host(call.explanation.get("why"), call.request)
        self._shared.journal.append(
            "solaruser",
            "exchange",
            request=call.request,
            response=response,
            action=row.action if row else None,
            instruction_id=row.id if row else None,
            findings=[finding.to_dict() for finding in call.findings],
            judge=judge,
            detail={**call.explanation, "why": why} if why else call.explanation,
        )


def _findings(row: Instruction, behaviour: Behaviour, now: datetime) -> Iterable[Finding]:
    """Return what our own check says about a message that was declined."""
    return check(row.action or "", row.parameters.get("msg", ""), behaviour, now=now).findings

"""SolarUser as one party: every request below its prefix, from the first check to the journal."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import unquote

from werkzeug.datastructures import MultiDict

from oscp_send.judgement import check
from oscp_sim.http import Party, Request, Response
from oscp_sim.instructions import HandOff
from oscp_sim.shared import Shared
from oscp_sim.solaruser.authentication import Authenticator
from oscp_sim.solaruser.call import (
    ApiRefused,
    AuthenticationRefused,
    Call,
    NoRoute,
    media_type_of,
)
from oscp_sim.solaruser.configuration.routes import configuration_routes
from oscp_sim.solaruser.gate import (
    RateLimiter,
    check_content,
    check_parameter_names,
    check_request,
    permissive_headers,
    preflight,
    with_cors_headers,
)
from oscp_sim.solaruser.instructions import instruction_routes
from oscp_sim.solaruser.parameters import request_parameters
from oscp_sim.solaruser.policy import CONTEXT_PATH, check_access
from oscp_sim.solaruser.replies import compressed, failure
from oscp_sim.solaruser.router import Route, Router, container_error
from oscp_sim.solaruser.user_events import user_event_routes

__all__ = ["PREFIX", "solaruser", "solaruser_routes"]


PREFIX = CONTEXT_PATH
_LOG = logging.getLogger(__name__)


def solaruser_routes(shared: Shared, hand_off: HandOff) -> tuple[Route, ...]:
    """Answers with all routes that are faked.

    Args:
        shared: The shared shared.
        hand_off: Takes each admitted message to the Flexibility Provider.
    """
    return (
        *instruction_routes(shared, hand_off),
        *configuration_routes(shared),
        *user_event_routes(shared),
    )


def solaruser(shared: Shared, routes: Sequence[Route]) -> Party:
    """Answers with SolarUser.

    Args:
        shared: The shared shared.
        routes: Those of `solaruser_routes`.
    """
    return _SolarUser(shared, Router(PREFIX, routes))


class _SolarUser:
    def __init__(self, shared: Shared, router: Router) -> None:
        self._shared = shared
        self._router = router
        self._authenticator = Authenticator(shared)
        self._rate_limiter = RateLimiter(shared.clock)

    def is_for(self, path: str) -> bool:
        """Tells whether a path is one of its own."""
        return path.startswith(f"{PREFIX}/")

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        call = Call(request, media_type_of(request), MultiDict())
        response = self._respond(call)
        self._record(call, response)
        if call.afterwards is not None:
            call.afterwards()
        # What stands in the journal is for people.
        return compressed(request, response)

    def _respond(self, call: Call) -> Response:
        try:
            check_request(call.request)
        except ApiRefused as refusal:
            return self._refused(call, refusal)
        response = preflight(call.request)
        if response is None:
            response = self._answered(call)
            response = with_cors_headers(call.request, response.adding(call.headers))
        return response

    def _answered(self, call: Call) -> Response:
        try:
            return self._served(call)
        except AuthenticationRefused as refusal:
            return self._authentication_refused(call, refusal)
        except ApiRefused as refusal:
            return self._refused(call, refusal)
        except NoRoute as error:
            return self._container_error(call, error)
        except Exception as error:  # noqa: BLE001 - the service answers, whatever went wrong
            _LOG.exception("%s %s could not be answered", call.request.method, call.request.path)
            call.explanation = {"why": f"a mistake of the simulator's own: {type(error).__name__}"}
            return failure(500, "Internal error")

    def _served(self, call: Call) -> Response:
        """Answers a call that nobody refuses; the order is the service's (solaruser.md §5.7)."""
        request, path = call.request, unquote(call.request.path)
        check_content(request)
        call.parameters = MultiDict(request_parameters(request))
        check_parameter_names(call.parameters)
        call.verified = self._authenticator.actor(request)
        check_access(request, path, call.verified)
        self._check_rate(call)
        if request.method == "OPTIONS":
            return self._router.options(path)
        return self._router.find(path, call).handler(call)

    def _check_rate(self, call: Call) -> None:
        limit = self._shared.world.rate_limit
        if limit is None or not call.request.path.startswith(f"{PREFIX}/api/"):
            return
        if call.verified is not None:
            key = f"u|{call.verified.token.id}"
        else:
            key = call.request.header("x-forwarded-for") or call.request.client
        allowance = self._rate_limiter.take(limit, key)
        call.headers += allowance.headers()
        if allowance.retry_after is not None:
            why = f"there is no request left for {key} until {allowance.retry_after}"
            raise ApiRefused(429, None, code="WEB.10000", explanation={"why": why})

    def _authentication_refused(self, call: Call, refusal: AuthenticationRefused) -> Response:
        call.explanation = refusal.explanation
        if not refusal.with_headers:
            return failure(refusal.status, refusal.message)
        status, code = refusal.status, None
        if not self._shared.behaviour.follows_service("authentication_errors"):
            status, code = 401, "401"
        headers = [*permissive_headers(), *refusal.headers()]
        return failure(status, refusal.message, code=code, headers=headers)

    def _refused(self, call: Call, refusal: ApiRefused) -> Response:
        call.explanation = refusal.explanation
        return failure(refusal.status, refusal.message, code=refusal.code, errors=refusal.errors)

    def _container_error(self, call: Call, error: NoRoute) -> Response:
        call.explanation = {"why": f"{error.status.value} {error.status.phrase}"}
        return container_error(
            call.request,
            error.status,
            error.headers,
            at=self._shared.clock.now(),
            masked=self._shared.behaviour.follows_service("container_errors"),
        )

    def _record(self, call: Call, response: Response) -> None:
        row = call.instruction
        self._shared.journal.append(
            "solaruser",
            "exchange",
            request=call.request,
            response=response,
            action=row.parameters.get("action") if row else None,
            instruction_id=row.id if row else None,
            findings=self._findings(call),
            detail=call.explanation,
        )

    def _findings(self, call: Call) -> list[dict[str, str]]:
        """Answers with what our own check says of a message that was declined here."""
        row = call.instruction
        if row is None or row.state != "Declined" or call.request.method != "POST":
            return []
        parameters = row.parameters
        judgement = check(
            parameters.get("action", ""),
            parameters.get("msg", ""),
            self._shared.behaviour,
            now=self._shared.clock.now(),
        )
        return [finding.to_dict() for finding in judgement.findings]

"""Where an access token is had: the client-credentials grant of OAuth 2.0 (RFC 6749 §4.4, §5)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from oscp_sim.access_tokens import CLIENT_ID, AccessToken
from oscp_sim.entry import PartyName
from oscp_sim.http import Request, Response, respond
from oscp_sim.redaction import redact_form
from oscp_sim.shared import Shared

#: Of the endpoint; a world that wants OAuth names it in `oauth-token-url`.
TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path

_FORM: Final = "application/x-www-form-urlencoded"
_GRANT: Final = "client_credentials"
_LONGEST_BODY: Final = 65_536
_MOST_FIELDS: Final = 100
# Nobody may keep what is answered (RFC 6749 §5.1).
_UNCACHED: Final = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
_CHALLENGE: Final = (("WWW-Authenticate", 'Basic realm="oscp"'),)


class _Credentials(NamedTuple):
    id: str
    # As it stands, and decoded: RFC 6749 §2.3.1 has it encoded, many clients do not.
    secrets: tuple[str, ...]


class _Refused(Exception):
    """Raised for a request that is granted nothing.

    Attributes:
        error: The code (RFC 6749 §5.2).
        why: For people.
    """

    def __init__(self, error: str, why: str) -> None:
        super().__init__(error)
        self.error = error
        self.why = why


class TokenEndpoint:
    """The authorization server of the systems that are played here, and SolarNetwork's issuer.

    Its tokens are those of `shared.access_tokens`. The journal has each request under the party
    whose authorization server it plays: the client's own, or the Flexibility Provider.
    """

    name: Final = None

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def is_for(self, path: str) -> bool:
        """Return whether a path is the endpoint's."""
        return path == TOKEN_PATH

    def handle(self, request: Request) -> Response:
        """Grant an access token, or refuse."""
        if request.method != "POST":
            return respond(405, headers=[("Allow", "POST")])
        client, why = "", ""
        try:
            fields = _fields(request)
            credentials = _credentials(request, fields)
            client = credentials.id
            response = _granted(self._issue(credentials), fields.get("scope", ""))
        except _Refused as refused:
            by_header = request.fields.get("authorization")
            response, why = _refusal(refused, by_header=by_header), refused.why
        self._record(request, response, client, why)
        return response

    def _issue(self, credentials: _Credentials) -> AccessToken:
        for secret in credentials.secrets:
            token = self._shared.access_tokens.issue(credentials.id, secret)
            if token is not None:
                # A JSON Web Token shows what it is.
                for each in (secret,) if token.scope is not None else (token.text, secret):
                    self._shared.journal.conceal(each)
                return token
        known = self._shared.access_tokens.systems(credentials.id)
        if known or self._shared.world.client(credentials.id):
            raise _Refused("invalid_client", f"the secret is not that of {credentials.id}")
        raise _Refused(
            "invalid_client",
            f"no Capacity Provider or Optimizer of the world has {CLIENT_ID} {credentials.id}, or "
            "a flexibility_provider_client of that id",
        )

    def _record(self, request: Request, response: Response, client: str, why: str) -> None:
        systems = self._shared.access_tokens.systems(client)
        caller = self._shared.world.client(client)
        system = systems[0] if systems else caller and caller[1]
        of: PartyName = system.party if system else "capacity_provider"
        is_issuer = not systems and caller is not None
        body = None if request.body is None else redact_form(request.text).encode()
        self._shared.journal.append(
            "flexibility_provider" if is_issuer else of,
            "exchange",
            request=replace(request, body=body),
            response=response,
            peer=of if is_issuer else "flexibility_provider",
            detail={"why": why or f"an access token is granted to {client}"},
        )


def _fields(request: Request) -> Mapping[str, str]:
    """Return the fields of the form; one without a value is as good as none (§3.1)."""
    body = request.body
    if body is None or len(body) > _LONGEST_BODY:
        raise _Refused("invalid_request", f"the body is longer than {_LONGEST_BODY} bytes")
    media_type = request.fields.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise _Refused("invalid_request", f"the Content-Type must be {_FORM}")
    try:
        pairs = parse_qsl(body.decode(), strict_parsing=bool(body), max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _Refused("invalid_request", "the body is not a form") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _Refused("invalid_request", "a parameter is repeated")
    if "grant_type" not in fields:
        raise _Refused("invalid_request", "grant_type is missing")
    if fields["grant_type"] != _GRANT:
        raise _Refused("unsupported_grant_type", f"grant_type must be {_GRANT}")
    return fields


def _credentials(request: Request, fields: Mapping[str, str]) -> _Credentials:
    authorization = request.fields.get("authorization")
    in_form = fields.get("client_id"), fields.get("client_secret")
    if authorization is not None:
        if in_form[1] is not None:
            raise _Refused("invalid_request", "the client names itself in two ways")
        return _basic(authorization)
    client_id, secret = in_form
    if client_id is None or secret is None:
        raise _Refused("invalid_client", "no client is named: there is no Authorization header")
    return _Credentials(client_id, (secret,))


def _basic(authorization: str) -> _Credentials:
    scheme, _, encoded = authorization.partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        pair = ""
    client_id, colon, secret = pair.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise _Refused("invalid_client", "the Authorization header is not that of HTTP Basic")
    return _Credentials(unquote_plus(client_id), (unquote_plus(secret), secret))


def _granted(token: AccessToken, asked: str) -> Response:
    answer: dict[str, object] = {
        "access_token": token.text,
        "token_type": "Bearer",
        "expires_in": int(token.valid_for.total_seconds()),
    }
    if token.scope is not None:
        if not set(asked.split()) <= set(token.scope.split()):
            raise _Refused("invalid_scope", f"the client has the scope {token.scope!r}")
        answer["scope"] = token.scope
    return _response(answer, HTTPStatus.OK)


def _refusal(refused: _Refused, *, by_header: str | None) -> Response:
    is_unknown = refused.error == "invalid_client"
    status = HTTPStatus.UNAUTHORIZED if is_unknown else HTTPStatus.BAD_REQUEST
    answer = {"error": refused.error, "error_description": refused.why}
    challenged = is_unknown and by_header is not None
    return _response(answer, status).adding(_CHALLENGE if challenged else ())


def _response(answer: Mapping[str, object], status: HTTPStatus) -> Response:
    return respond(status, json.dumps(answer).encode(), "application/json", _UNCACHED)

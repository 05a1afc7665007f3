"""Send a request as it stands in a scenario file, to a party or a path, and return the answer."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from oscp_schemas.show import nearest
from oscp_send.messages import wire_text
from oscp_send.snws2 import (
    SCHEME,
    canonical_query,
    canonical_request,
    format_date,
    signature,
    signing_key,
    string_to_sign,
)
from oscp_sim.addresses import FLEXIBILITY_PROVIDER_PATH
from oscp_sim.clock import RealClock
from oscp_sim.faults.wire import Spoilt
from oscp_sim.http import Request, Response
from oscp_sim.journal import Journal
from oscp_sim.outgoing import IN_PROCESS_URL, Unanswered, in_process
from oscp_sim.scenario.act import ImpossibleStep, is_moved
from oscp_sim.scenario.captures import Captured, json_value, of_exchange
from oscp_sim.scenario.model import Addressee, JsonText, Message, RawRequest, Signer
from oscp_sim.scenario.real_parties import KINDS, NAMES, SystemRole
from oscp_sim.scenario.timeline import Exchange
from oscp_sim.server import read_request
from oscp_sim.simulator import Simulator
from oscp_sim.world import CapacityOptimizer, CapacityProvider, World

_FORM: Final = "application/x-www-form-urlencoded"
_WITH_FORMS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SIGNED: Final = frozenset({"host", "content-type", "content-md5", "digest", "date"})

_Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request.

    Attributes:
        request: As it was sent.
        response: The answer, not compressed any more; None where none came.
        trouble: Why none came.
        to: The party that it was for, if the file names one.
    """

    request: Request
    response: Response | None
    trouble: str
    at: datetime
    to: Addressee | None = None

    @property
    def text(self) -> str:
        """The body of the answer as text."""
        return "" if self.response is None else self.response.text

    def exchange(self, journal: Journal) -> Exchange:
        """Return request and answer without secrets, where no party's journal has them."""
        request, answer = journal.without_secrets(self.request, self.response)
        return Exchange(
            0,
            self.at,
            None,
            self.to.party if self.to else None,
            request.method,
            request.target,
            request.headers,
            request.text,
            system=self.to.id if self.to else None,
            status=None if answer is None else answer.status,
            answer="" if answer is None else answer.text,
            answer_headers=() if answer is None else answer.headers,
        )

    def captured(self, exchange: Exchange) -> Captured:
        """Return what is captured of it, beside its exchange: the answer as it came."""
        headers = self.response.headers if self.response else ()
        return {
            **of_exchange(exchange),
            "answer": json_value(self.text),
            "answer_headers": {name.lower(): value for name, value in reversed(headers)},
        }


def ask(step: RawRequest, simulator: Simulator, patience: float) -> Reply:
    """Send a request as it stands in a file, wait so many seconds for the answer, and return both.

    Raises:
        ImpossibleStep: It cannot be made: the world does not have whom or whose token it names.
    """
    base = _base(step, simulator)
    url = urlsplit(base)
    target = url.path.rstrip("/") + step.path
    body = _body(step)
    given = {name: value for name, value in step.headers.items() if value is not None}
    named = {name.lower() for name in step.headers}
    headers = [] if "host" in named else [("Host", url.netloc)]
    for name, value in given.items():
        headers += [(name, str(each)) for each in (value if isinstance(value, list) else [value])]
    if _is_json(step) and "content-type" not in named:
        headers.append(("Content-Type", "application/json"))
    if step.token_of is not None:
        headers.append(("Authorization", f"Token {_token(step, step.token_of, simulator)}"))
    if step.sign is not None:
        # A real SolarUser goes by the machine's clock, whatever time it is in the rehearsal.
        clock = simulator.clock if base.startswith(IN_PROCESS_URL) else RealClock()
        headers += _signed(step, step.sign, simulator, target, headers, body, clock.now())
    if body and not named & {"content-length", "transfer-encoding"}:
        headers.append(("Content-Length", str(len(body))))
    request = Request(step.verb, target, tuple(headers), body)
    at = simulator.clock.now()
    try:
        if base.startswith(IN_PROCESS_URL):
            line = f"{step.verb} {target} {step.version}"
            response = _asked_here(request, line, simulator, patience)
        elif not target.startswith("/"):
            raise ImpossibleStep(f'{step.to} is real: its path begins with "/", not as "{target}"')
        else:
            sent = replace(request, target=f"{url.scheme}://{url.netloc}{target}")
            response = simulator.shared.outgoing.send(
                sent, timeout=(patience, patience), follow=False
            )
    except Unanswered as unanswered:
        _let_pass(simulator, unanswered.after)
        return Reply(request, None, str(unanswered), at, step.to)
    return Reply(request, response, "", at, step.to)


def _is_json(step: RawRequest) -> bool:
    content = step.content
    is_file = isinstance(content, JsonText) and (content.file or "").endswith(".json")
    return is_file or isinstance(content, Message)


def _body(step: RawRequest) -> bytes:
    content = step.content
    if content is None:
        return b""
    text = content.text if isinstance(content, JsonText) else wire_text(content.value)
    return text.encode("utf-8", "surrogatepass")


def _asked_here(request: Request, line: str, simulator: Simulator, patience: float) -> Response:
    """Return the answer of this process to a request, which it reads as the server does.

    Its body is what was compressed, as HTTP libraries give it.

    Raises:
        Unanswered: None came.
    """
    headers = [f"{name}: {value}" for name, value in request.headers]
    head = b"\r\n".join([*map(_latin, [line, *headers]), b"", b""])
    try:
        received = read_request(head + (request.body or b""))
    except ConnectionError as error:
        why = f"{error}: Content-Length, or the last chunk, says that more is to come"
        raise Unanswered("other", why) from error
    answer = simulator.handle(received)
    if isinstance(answer, Spoilt):
        answer = in_process(answer, request, patience)
    elif answer.after > patience:
        raise Unanswered("read_timeout", "Read timed out", patience)
    elif answer.header("content-encoding") == "gzip":
        answer = replace(answer, body=gzip.decompress(answer.body))
    _let_pass(simulator, answer.after)
    return answer


def _latin(line: str) -> bytes:
    """Return a line as it is received: what Latin-1 does not have, in UTF-8."""
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode("utf-8", "surrogatepass")


def _let_pass(simulator: Simulator, seconds: float) -> None:
    """Let the time pass for which an answer was waited for."""
    if not seconds:
        return
    if is_moved(simulator.clock):
        simulator.clock.advance(seconds)
    else:
        simulator.clock.sleep(seconds)


# Whom it is for, and by whose token.


def _base(step: RawRequest, simulator: Simulator) -> str:
    """Return the base URL below which the path of a request is."""
    world, to = simulator.world, step.to
    if to is None:
        return IN_PROCESS_URL
    if to.party == "solaruser":
        return world.solaruser or IN_PROCESS_URL
    if to.party == "flexibility_provider":
        return world.flexibility_provider or IN_PROCESS_URL + FLEXIBILITY_PROVIDER_PATH
    url = simulator.shared.addresses.of_system(_system(to, step.user, world))
    if url is None:
        raise ImpossibleStep(f"{to} has no base_url in the world: give it one, or leave it out")
    return url


def _token(step: RawRequest, of: Addressee, simulator: Simulator) -> str:
    """Return the token between a system and the Flexibility Provider that goes a request's way."""
    system = _system(of, step.user, simulator.world)
    calls = step.to is not None and step.to.party == "flexibility_provider"
    token = system.flexibility_provider_token if calls else system.token
    if token is None:
        raise ImpossibleStep(f"{of} has no token to show: give it one in the world")
    return token


def _system(
    named: Addressee, user: int | None, world: World
) -> CapacityProvider | CapacityOptimizer:
    party: SystemRole = "capacity_provider"
    if named.party == "capacity_optimizer":
        party = "capacity_optimizer"
    kind, called = KINDS[party], NAMES[party]
    there = [
        (owner.id, each)
        for owner in world.users
        for each in owner.systems
        if isinstance(each, kind) and named.id in {None, each.id} and user in {None, owner.id}
    ]
    if len(there) == 1:
        return there[0][1]
    which = called if named.id is None else f"{called} {named.id}"
    if not there:
        owned = "" if user is None else f" of user {user}"
        raise ImpossibleStep(f"there is no {which}{owned} in the world")
    found = ", ".join(f"{party}:{each.id} of user {owner}" for owner, each in there)
    raise ImpossibleStep(f"there is more than one {which}: {found}; name one, and its user")


def check_names(step: RawRequest, world: World) -> None:
    """Look whether the world has whom, and whose token, a request names.

    Raises:
        ImpossibleStep: It does not; the message says what it has.
    """
    for named in (step.to, step.token_of):
        if named is not None and named.party in KINDS:
            _system(named, step.user, world)
    if step.sign is not None and step.sign.secret is None:
        _secret(step.sign.token, world)


def _signed(  # noqa: PLR0917 - all that a signature covers
    step: RawRequest,
    signer: Signer,
    simulator: Simulator,
    target: str,
    headers: _Headers,
    body: bytes,
    now: datetime,
) -> Iterator[tuple[str, str]]:
    """Yield the headers that sign a request (solaruser.md §5)."""
    secret = signer.secret if signer.secret is not None else _secret(signer.token, simulator.world)
    more: _Headers = []
    named = {name.lower(): value for name, value in reversed(headers)}
    when = _date(named.get("x-sn-date") or named.get("date")) or now
    if not named.keys() & {"x-sn-date", "date"}:
        more.append(("X-SN-Date", format_date(when)))
    path, _, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    kind = named.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM and step.verb in _WITH_FORMS:
        pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        body = b""
    elif body and "digest" not in named:
        digest = b64encode(hashlib.sha256(body).digest()).decode()
        more.append(("Digest", f"sha-256={digest}"))
    yield from more
    lower = [(name.lower(), value) for name, value in [*headers, *more]]
    signed = sorted({name for name, _ in lower if name in _SIGNED or name.startswith("x-sn-")})
    hashed = hashlib.sha256(body).hexdigest()
    canonical = canonical_request(step.verb, path, canonical_query(pairs), lower, signed, hashed)
    made = signature(signing_key(secret, when.date()), string_to_sign(when, canonical))
    named_ = ";".join(signed)
    yield (
        "Authorization",
        f"{SCHEME} Credential={signer.token},SignedHeaders={named_},Signature={made}",
    )


def _date(text: str | None) -> datetime | None:
    """Return a date that a request has, or None where it has none that can be read."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (OverflowError, ValueError):
        return None


def _secret(token: str, world: World) -> str:
    found = world.token(token)
    if found is not None:
        return found.secret
    known = [each.id for user in world.users for each in user.tokens]
    near = nearest(token, known)
    hint = f'did you mean "{near}"?' if near else f"there is {', '.join(known) or 'none'}"
    raise ImpossibleStep(
        f'there is no token "{token}" in the world; {hint}; to sign by one that it does not have, '
        f"write sign: {{token: {token}, secret: ...}}"
    )

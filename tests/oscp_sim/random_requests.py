"""Requests of random shape: methods, paths, headers, bodies, and signatures that are half valid."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from oscp_send.snws2 import (
    canonical_query,
    canonical_request,
    format_date,
    signature,
    signing_key,
    string_to_sign,
)
from tests.oscp_sim.worlds import user

if TYPE_CHECKING:
    from random import Random

TOKEN, SECRET = "first-users-token-01", "first-users-secret"
OTHER, OTHER_SECRET = "second-users-token-1", "second-users-secret"
PROVIDER_TOKEN = "provider-token-of-the-first"
WORLD: dict[str, Any] = {
    "users": [
        user(
            tokens=[{"id": TOKEN, "secret": SECRET, "type": "User"}],
            capacity_providers=[{"id": 3, "name": "Grid", "token": PROVIDER_TOKEN}],
        ),
        {
            "id": 43,
            "tokens": [
                {"id": OTHER, "secret": OTHER_SECRET, "type": "User"},
            ],
            "nodes": [7],
            "capacity_optimizers": [{"id": 1, "name": "Other"}],
        },
    ]
}

API = "/solaruser/api/v1/sec"
_METHODS = ("GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE")
_PATHS = (
    *(f"{API}/instr{tail}" for tail in ("", "/view", "/viewActive", "/viewPending", "/nope")),
    *(f"{API}/instr/add{tail}" for tail in ("", "", "/OSCP_v20", "/OSCP_v20", "/Other", "/")),
    *(f"{API}/instr/updateState" for _ in range(2)),
    f"{API}/instr/exec/OSCP_v20",
    *(
        f"{API}/user/oscp/{name}{tail}"
        for name in ("capacity-providers", "capacity-optimizers", "capacity-groups", "assets")
        for tail in ("", "/1", "/3", "/19", "/x", "/99999999999999999999")
    ),
    *(f"{API}/user/oscp/{name}" for name in ("settings", "capacity-groups/19/settings")),
    f"{API}/user/events",
    "/solaruser/",
    "/solaruser/api/v1/pub/x",
    "/oscp/cp/2.0/handshake",
    "/oscp/cp/2.0/nope",
    "/_sim/journal",
    "/_sim/nope",
    "/",
)
_TYPES = (
    "application/json",
    "application/json",
    "application/json; charset=UTF-8",
    "application/x-www-form-urlencoded",
    "text/plain",
    "x",
    "",
)
_ACCEPTS = ("application/json", "*/*", "text/csv", "text/xml", "application/cbor", "image/png", "x")
_ACTIONS = ("Handshake", "AdjustGroupCapacityForecast", "UpdateGroupMeasurements", "Nope", "")
_SCALARS: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 1.5, 2**63, 10**30, "", "1", " 1", "foo-group", "\x00", "\ud83d", "😀"),
    *("2026-01-02 03:04:05Z", "x" * 300, [], {}, [{}], {"a": [{}]}, "Completed", "Declined"),
)


@dataclass(frozen=True, slots=True)
class RandomRequest:
    """One request as it goes on the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def random_request(random: Random, now: datetime, token: str, secret: str) -> RandomRequest:
    """Answers with a request; about half of them carry a signature that verifies."""
    method, path, media_type = _what_is_asked(random)
    pairs = _pairs(random) if random.random() < 0.5 else []
    body = b"" if method in {"GET", "HEAD"} else _body(random, media_type)
    headers = [("Host", "simulator.invalid")]
    if media_type:
        headers.append(("Content-Type", media_type))
    for name, value in (
        ("Accept", random.choice(_ACCEPTS)),
        ("Accept-Encoding", "gzip"),
        ("Origin", "http://browser.example"),
        ("Access-Control-Request-Method", "POST"),
        ("X-Forwarded-Port", random.choice(("80", "443", "x"))),
        (
            "Authorization",
            random.choice(("SNWS2,", "SNWS2 Credential", "Token cp-token", "Basic eDp5")),
        ),
        ("X-Request-ID", "r1"),
    ):
        if random.random() < 0.06:
            headers.append((name, value))
    query = urlencode(pairs, errors="replace")
    if random.random() < 0.88:
        _sign(random, method, path, pairs, media_type, headers, body, now, token, secret)
    return RandomRequest(method, f"{path}?{query}" if query else path, tuple(headers), body)


def _what_is_asked(random: Random) -> tuple[str, str, str]:
    """Half of them ask for what is there, so that what lies behind the gate is reached, too."""
    if random.random() < 0.5:
        method = random.choice(_METHODS)
        return method, _broken_path(random, random.choice(_PATHS)), random.choice(_TYPES)
    media_type = random.choice(_TYPES[:4])
    method, path = random.choice(
        (
            *(("POST", f"{API}/instr/add/OSCP_v20") for _ in range(6)),
            ("POST", f"{API}/instr/exec/OSCP_v20"),
            ("POST", f"{API}/instr/updateState"),
            *(("GET", path) for path in _PATHS if path.startswith(API)),
            *(("POST", f"{API}/user/oscp/capacity-{each}s") for each in ("provider", "group")),
            ("PUT", f"{API}/user/oscp/capacity-groups/19"),
            ("DELETE", f"{API}/user/oscp/capacity-optimizers/2"),
        )
    )
    return method, path, media_type


def _broken_path(random: Random, path: str) -> str:
    if random.random() < 0.85:
        return path
    at = random.randrange(len(path) + 1)
    inserted = random.choice(
        ("/", "//", "%2F", ";x=1", "%", "%00", "%C3", "..", "%2e%2e", "é", " ")
    )
    return quote(path[:at] + inserted + path[at:], safe="/%;.")


def _pairs(random: Random) -> list[tuple[str, str]]:
    names = (
        *("id", "ids", "nodeId", "nodeIds", "state", "states", "instructionIds", "startDate"),
        *("endDate", "topic", "resultMaxWait", "tags", "max", "offset", "searchFilter", "x"),
        *(f"parameters[{n}].{part}" for n in (0, 1, 300) for part in ("name", "value")),
    )
    values = (
        *("1", "1,2", "x", "", "Declined", "Completed", "2026-01-02", "2026-11-24 00:00:00Z"),
        *("0", "-1", "99999999999999999999", "OSCP_v20", "(/action=Handshake)", "((", "%", "ü"),
    )
    pairs = [(random.choice(names), random.choice(values)) for _ in range(random.randrange(6))]
    # Nobody wants to wait for an instruction here.
    return [("resultMaxWait", "0"), *(pair for pair in pairs if pair[0] != "resultMaxWait")]


def _body(random: Random, media_type: str) -> bytes:
    if random.random() < 0.15:
        return random.randbytes(random.randrange(60))
    if "form" in media_type:
        return urlencode(_pairs(random), errors="replace").encode()
    content = _instruction(random) if random.random() < 0.6 else _entity(random)
    text = json.dumps(content)
    if random.random() < 0.1:
        at = random.randrange(len(text))
        text = text[:at] + random.choice(("", "}", ",", '"', "\x00")) + text[at + 1 :]
    return text.encode("utf-8", "surrogatepass")


def _instruction(random: Random) -> dict[str, Any]:
    message: dict[str, Any] = {"group_id": "foo-group", "required_behaviour": {}}
    message = random.choice(
        (
            message,
            {},
            {"required_behaviour": {"measurement_configuration": ["CONTINUOUS"]}},
            {"message": "x"},
        )
    )
    params: Any = {
        "coId": random.choice(("1", "1", "1", "1", "2", "x", 1)),
        "cgIdentifier": random.choice(("foo-group", "foo-group", "foo-group", "bar", "")),
        "action": random.choice(_ACTIONS),
        "msg": random.choice((*[json.dumps(message)] * 4, "{", "null", message, "x" * 600)),
    }
    if random.random() < 0.2:
        params = [{"name": name, "value": value} for name, value in params.items()]
    content = {
        "nodeId": random.choice((1, "1", 1, 1, 1, 1, 7, 99)),
        "topic": "OSCP_v20",
        "params": params,
    }
    return _mutated(random, content)


def _entity(random: Random) -> dict[str, Any]:
    content = {
        "name": "x",
        "enabled": True,
        "identifier": random.choice(("foo-group", "a", "b")),
        "capacityProviderId": random.choice((3, 4)),
        "capacityOptimizerId": random.choice((1, 2)),
        "capacityProviderMeasurementPeriod": "Hour",
        "capacityOptimizerMeasurementPeriod": "Hour",
        "registrationStatus": "Pending",
        "nodeId": 1,
    }
    return _mutated(random, content)


def _mutated(random: Random, content: dict[str, Any]) -> dict[str, Any]:
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        name = random.choice((*content, "expirationDate", "instructionDate", "state", "foo"))
        content[name] = random.choice(_SCALARS)
    names = list(content)
    random.shuffle(names)
    return {name: content[name] for name in names}


def _sign(  # noqa: PLR0917 - everything that is signed
    random: Random,
    method: str,
    path: str,
    pairs: list[tuple[str, str]],
    media_type: str,
    headers: list[tuple[str, str]],
    body: bytes,
    now: datetime,
    token: str,
    secret: str,
) -> None:
    moment = now + timedelta(seconds=random.choice((*[0] * 30, -899, 901)))
    headers.append((random.choice(("X-SN-Date", "Date")), format_date(moment)))
    if body and "form" not in media_type and random.random() < 0.5:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers.append(("Digest", f"sha-256={digest}"))
    sent = [(name.lower(), value) for name, value in headers]
    unsigned = {"accept", "accept-encoding", "authorization", "x-forwarded-port", "x-request-id"}
    signed = sorted({name for name, _ in sent} - unsigned)
    if random.random() < 0.08:
        signed.pop(random.randrange(len(signed)))
    fields = list(pairs)
    hashed = body
    if "form" in media_type and method == "POST":
        fields += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        hashed = b""
    canonical = canonical_request(
        method, path, canonical_query(fields), sent, signed, hashlib.sha256(hashed).hexdigest()
    )
    made = signature(signing_key(secret, moment.date()), string_to_sign(moment, canonical))
    if random.random() < 0.08:
        made = random.choice(("0" * 64, made.upper(), made[:-1], ""))
    value = f"SNWS2 Credential={token},SignedHeaders={';'.join(signed)},Signature={made}"
    headers.append(("Authorization", value))

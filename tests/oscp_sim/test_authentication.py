"""SNWS2 on the server's side: vectors from outside the project, and the rows of §5.1 to §5.7."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from oscp_schemas.date_time import Fidelity
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request
from oscp_sim.solaruser.authentication import Authenticator
from oscp_sim.solaruser.call import AuthenticationRefused, request_parameters
from oscp_sim.world import Token, User, World
from tests.oscp_sim.rig import (
    ADD,
    FORM,
    NOW,
    SECRET,
    TOKEN,
    authorization,
    canonical,
    http_date,
    shared_of,
    signature,
    signed_headers,
)

SECRETS = {
    "test-token-id": "test-token-secret",
    "12345678901234567890": "lsdjfpse9jfoeijfe09j",
    "123456789abcdefghijk": "password",
    "public.token12345678": "secret.token12345678",
    TOKEN: SECRET,
}
APRIL = datetime(2017, 4, 25, 14, 30, tzinfo=UTC)
AUGUST = datetime(2017, 8, 10, 4, 41, 22, tzinfo=UTC)
MARCH = datetime(2017, 3, 25, 14, 30, tzinfo=UTC)
BODY = b'{"nodeId":1}'


@cache
def authenticator(now: datetime = NOW, fidelity: Fidelity = "documented") -> Authenticator:
    tokens = [Token(token, secret) for token, secret in SECRETS.items()]
    tokens.append(Token("not-enabled", SECRET, enabled=False))
    world = World((User(7, tokens=tuple(tokens), nodes=(1,)),))
    return Authenticator(
        shared_of(Simulator(world, clock=FrozenClock(now), fidelity=fidelity, strict_dates=True))
    )


@dataclass(frozen=True)
class Signed:
    """A request and what is signed of it; `sent` makes it, whatever was changed before."""

    method: str = "POST"
    target: str = ADD
    headers: tuple[tuple[str, str], ...] = (
        ("host", "localhost"),
        ("x-sn-date", http_date(NOW)),
        ("content-type", "application/json"),
    )
    names: tuple[str, ...] = ("content-type", "host", "x-sn-date")
    body: bytes = BODY
    fields: str = ""
    when: datetime = NOW
    token: str = TOKEN
    secret: str = SECRET
    day: datetime | None = None

    def with_headers(self, *more: tuple[str, str]) -> Signed:
        """Headers besides, each of them signed."""
        names = (*self.names, *(name for name, _ in more))
        return replace(self, headers=self.headers + more, names=tuple(dict.fromkeys(names)))

    def dated(self, when: datetime) -> Signed:
        headers = tuple(
            (name, http_date(when) if name == "x-sn-date" else value)
            for name, value in self.headers
        )
        return replace(self, headers=headers, when=when)

    def sent(self, *unsigned: tuple[str, str], signature_is: str | None = None) -> Request:
        text = canonical(self.method, self.target, self.headers, self.names, self.body, self.fields)
        made = signature_is or signature(self.secret, self.when, text, self.day)
        header = authorization(self.token, self.names, made)
        headers = (*self.headers, *unsigned, ("authorization", header))
        return Request(self.method, self.target, headers)


def refusal(
    request: Request,
    body: bytes | None = BODY,
    *,
    now: datetime = NOW,
    fidelity: Fidelity = "documented",
) -> AuthenticationRefused:
    request = replace(request, body=body)
    with pytest.raises(AuthenticationRefused) as caught:
        authenticator(now, fidelity).authenticate(request, request_parameters(request))
    return caught.value


def refused(
    request: Request,
    body: bytes | None = BODY,
    *,
    now: datetime = NOW,
    fidelity: Fidelity = "documented",
) -> tuple[int, str]:
    error = refusal(request, body, now=now, fidelity=fidelity)
    headers = [("WWW-Authenticate", "SNWS2"), ("X-SN-ErrorMessage", error.message)]
    assert error.headers(request) == headers
    return error.status, error.message


def accepted(request: Request, body: bytes = BODY, now: datetime = NOW) -> str:
    request = replace(request, body=body)
    return authenticator(now).authenticate(request, request_parameters(request)).token.id


def test_a_request_without_a_host_is_verified_as_any_other() -> None:
    nameless = replace(Signed(), headers=Signed().headers[1:])
    assert refused(nameless.sent(signature_is="0" * 64)) == (403, "Bad credentials")


# --- §5.8: the vectors -------------------------------------------------------------------------

# Only its hash is documented.
U4_BODY = b'{"foo":"bar"}\n'
U5_BODY = b'{"hello":"world"}'
IN_APRIL = ("date", "Tue, 25 Apr 2017 14:30:00 GMT")
SN_IN_APRIL = ("x-sn-date", "Tue, 25 Apr 2017 14:30:00 GMT")
SN_IN_AUGUST = ("x-sn-date", "Thu, 10 Aug 2017 04:41:22 GMT")
IN_MARCH = ("date", "Sat, 25 Mar 2017 14:30:00 GMT")
LOCAL = ("host", "localhost")
A, B = "test-token-id", "12345678901234567890"


def proxied(proto: str, port: int) -> tuple[tuple[str, str], ...]:
    return (("x-forwarded-proto", proto), ("x-forwarded-port", str(port)))


# id: token, now, method, target, headers, signed, body, signature
VECTORS: dict[str, tuple[Any, ...]] = {
    "U1": (
        *(A, APRIL, "GET", "/api/test", (LOCAL, IN_APRIL), "date;host", b""),
        "4739139d3d370f147b6585795c309b1c6d7d7f59943081f7dd943f689cfa59a3",
    ),
    "U2": (
        *(A, APRIL, "GET", "/api/test", (LOCAL, SN_IN_APRIL), "host;x-sn-date", b""),
        "c14fe9f67560fb9a37d2aa7c40b40c260a5936f999877e2469b8ddb1da7c0eb9",
    ),
    "U2-with-date": (
        *(A, APRIL, "GET", "/api/test", (LOCAL, SN_IN_APRIL, ("date", "whenever"))),
        *("date;host;x-sn-date", b""),
        "c14fe9f67560fb9a37d2aa7c40b40c260a5936f999877e2469b8ddb1da7c0eb9",
    ),
    "U3": (
        *(A, APRIL, "GET", "/api/query?foo=bar&bim=bam", (LOCAL, IN_APRIL), "date;host", b""),
        "c597ed8061d9d12e12ead3d8d6fc03b28a877e8639548f31556b4760be09a4b8",
    ),
    "U4": (
        *(A, APRIL, "POST", "/api/post"),
        (
            *(LOCAL, IN_APRIL, ("content-type", "application/json;charset=UTF-8")),
            ("digest", "sha-256=Im5J4T0W5eiqDWLljNYzYb8JfT4rJESqMEQzRiii6N4="),
        ),
        *("content-type;date;digest;host", U4_BODY),
        "ad609dd757c1f7f08a519919ab5e109ec61477cf612c6a0d29cac66d54c3987e",
    ),
    "U5": (
        *(A, APRIL, "POST", "/api/post"),
        (
            *(LOCAL, SN_IN_APRIL, ("content-type", "application/json; charset=UTF-8")),
            ("digest", "sha-256=k6I5cakU5erL8KjSUVTNownDwccvu5kU1Hxg88toFYg="),
        ),
        *("content-type;digest;host;x-sn-date", U5_BODY),
        "17b50462a9db77e569bd74676c550c447be07f605f191a39ca481efaa15e9879",
    ),
    "U7": (
        *(B, AUGUST, "GET", "/mock/path/here", (("host", "localhost:8080"), SN_IN_AUGUST)),
        *("host;x-sn-date", b""),
        "0574baabdb8c97c0961d04f1a3e9a328dde3219b3898982af18b0c9675463fb1",
    ),
    "U7-behind-a-proxy": (
        *(B, AUGUST, "GET", "/mock/path/here", (LOCAL, SN_IN_AUGUST, *proxied("http", 8080))),
        *("host;x-sn-date", b""),
        "0574baabdb8c97c0961d04f1a3e9a328dde3219b3898982af18b0c9675463fb1",
    ),
    "U8": (
        *(B, AUGUST, "GET", "/mock/path/here", (LOCAL, SN_IN_AUGUST, *proxied("https", 443))),
        *("host;x-sn-date", b""),
        "85028cb8b15bc3a7557aa9607c419697e0a942a95511728318e290c1d27ffd41",
    ),
    "U8-without-a-port": (
        *(B, AUGUST, "GET", "/mock/path/here"),
        (LOCAL, SN_IN_AUGUST, ("x-forwarded-proto", "https")),
        *("host;x-sn-date", b""),
        "85028cb8b15bc3a7557aa9607c419697e0a942a95511728318e290c1d27ffd41",
    ),
    "U9": (
        *(B, AUGUST, "GET", "/mock/path/here", (LOCAL, SN_IN_AUGUST, *proxied("https", 8443))),
        *("host;x-sn-date", b""),
        "409bc3bd69fd95d6b67fe7cde94ae412221d61a92ee52dc3bfc82ae535f9f8a9",
    ),
    "U10": (
        *(B, AUGUST, "GET", "/mock/path/here", (LOCAL, SN_IN_AUGUST, *proxied("http", 80))),
        *("host;x-sn-date", b""),
        "9584e63cd1c3e8e6fd007b982f99ffb63a6feb8a9db06bd3f4879bf7867a290f",
    ),
    "U11": (
        *("123456789abcdefghijk", APRIL, "GET", "/foobar", (LOCAL, SN_IN_APRIL)),
        *("host;x-sn-date", b""),
        "f366ddc9e6299794928cc956e9fa409333078df6e6b9d94d4c1e64dbecf499db",
    ),
    "U12": (
        *("public.token12345678", MARCH, "GET", "/api/test", (LOCAL, IN_MARCH)),
        *("date;host", b""),
        "535124f5f333c0aebe42996a429a2a6e4b347dcc2ac2d8cbb8ac6b641fafbab7",
    ),
}


def vector_request(vector: tuple[Any, ...], made: str) -> Request:
    token, _, method, target, headers, names, _, _ = vector
    header = ("authorization", authorization(token, names.split(";"), made))
    return Request(method, target, (*headers, header))


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_a_vector_is_verified(vector: tuple[Any, ...]) -> None:
    token, now, *_, body, made = vector
    assert accepted(vector_request(vector, made), body, now) == token


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_a_vector_with_another_signature_is_not(vector: tuple[Any, ...]) -> None:
    _, now, *_, body, made = vector
    wrong = ("0" if made[0] != "0" else "1") + made[1:]
    assert refused(vector_request(vector, wrong), body, now=now) == (403, "Bad credentials")


# --- §5.1: the header --------------------------------------------------------------------------


def test_what_the_sender_signs_is_verified() -> None:
    headers = signed_headers("POST", ADD, BODY)
    pairs = tuple((name.lower(), value) for name, value in headers)
    assert accepted(Request("POST", ADD, pairs)) == TOKEN


def test_signed_headers_stand_in_any_order() -> None:
    backwards = replace(Signed(), names=("x-sn-date", "host", "content-type"))
    assert accepted(backwards.sent()) == TOKEN


@pytest.mark.parametrize("name", ["x-absent", "X"])
def test_a_signed_header_that_is_absent_counts_as_empty(name: str) -> None:
    assert accepted(replace(Signed(), names=(*Signed().names, name)).sent()) == TOKEN


def test_of_a_repeated_header_the_first_value_counts() -> None:
    assert accepted(Signed().sent(("host", "elsewhere"))) == TOKEN


def test_blanks_in_a_value_are_folded() -> None:
    assert accepted(Signed().with_headers(("x-sn-note", "  a   b ")).sent()) == TOKEN


def test_an_upper_case_name_is_present_and_contributes_an_empty_line() -> None:
    names = ("Host", "content-type", "x-sn-date")
    headers = tuple(pair for pair in Signed().headers if pair[0] != "host")
    # Signed as the service reads it, with nothing for Host ...
    made = canonical("POST", ADD, headers, names, BODY)
    assert "\nHost:\n" in made
    as_read = replace(Signed(), names=names).sent(signature_is=signature(SECRET, NOW, made))
    assert accepted(as_read) == TOKEN
    # ... and not as the client meant it.
    with_value = made.replace("\nHost:\n", "\nHost:localhost\n")
    as_meant = replace(Signed(), names=names).sent(signature_is=signature(SECRET, NOW, with_value))
    assert refused(as_meant) == (403, "Bad credentials")


def test_components_stand_in_any_order_and_unknown_ones_are_passed_over() -> None:
    request = Signed().sent()
    header = dict(request.headers)["authorization"].removeprefix("SNWS2 ")
    shuffled = f"SNWS2 Colour=red,{','.join(reversed(header.split(',')))}"
    pairs = (*request.headers[:-1], ("authorization", shuffled))
    assert accepted(replace(request, headers=pairs)) == TOKEN


@pytest.mark.parametrize("host", ["localhost", "localhost:9081", "[::1]:8920"])
def test_a_host_is_signed_as_it_is_sent(host: str) -> None:
    headers = (("host", host), *Signed().headers[1:])
    assert accepted(replace(Signed(), headers=headers).sent()) == TOKEN


# --- §5.2: the date ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 02 Jan 2026 03:04:05 GMT",
        "Friday, 02-Jan-26 03:04:05 GMT",
        "Fri Jan  2 03:04:05 2026",
    ],
    ids=["RFC-1123", "RFC-850", "asctime"],
)
@pytest.mark.parametrize("name", ["date", "x-sn-date"])
def test_dates_in_three_forms(name: str, text: str) -> None:
    headers = (("host", "localhost"), (name, text), ("content-type", "application/json"))
    request = replace(Signed(), headers=headers, names=("content-type", name, "host"))
    assert accepted(request.sent()) == TOKEN


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Monday, 02-Jan-45 03:04:05 GMT", datetime(2045, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("Saturday, 02-Jan-99 03:04:05 GMT", datetime(1999, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_dates_of_another_century(text: str, when: datetime) -> None:
    headers = tuple((name, text if name == "x-sn-date" else each) for name, each in Signed.headers)
    error = refusal(replace(Signed(), headers=headers, when=when).sent())
    assert error.explanation["why"].startswith(f"signed at {when.isoformat()}, received at ")


def test_x_sn_date_counts_and_not_date() -> None:
    stale = http_date(NOW - timedelta(days=1))
    assert accepted(Signed().with_headers(("date", stale)).sent()) == TOKEN
    swapped = tuple(
        (name, stale if name == "x-sn-date" else value) for name, value in Signed().headers
    )
    old = replace(Signed(), headers=swapped, when=NOW - timedelta(days=1))
    assert refused(old.with_headers(("date", http_date(NOW))).sent())[1] == "Date skew too large"


@pytest.mark.parametrize("seconds", [0, 899, -899])
def test_a_skew_below_15_minutes_is_allowed(seconds: int) -> None:
    whole = NOW.replace(microsecond=0)
    request = Signed().dated(whole - timedelta(seconds=seconds)).sent()
    assert accepted(request, now=whole) == TOKEN


@pytest.mark.parametrize("seconds", [900, -900, 86400])
def test_15_minutes_are_too_much(seconds: int) -> None:
    whole = NOW.replace(microsecond=0)
    request = Signed().dated(whole - timedelta(seconds=seconds)).sent()
    assert refused(request, now=whole) == (401, "Date skew too large")
    assert refused(request, now=whole, fidelity="observed") == (403, "Date skew too large")


def test_the_skew_is_strict_to_the_millisecond() -> None:
    whole = NOW.replace(microsecond=0)
    request = Signed().dated(whole - timedelta(seconds=900)).sent()
    assert accepted(request, now=whole - timedelta(milliseconds=1)) == TOKEN


# --- §5.3 and §5.4: what is signed -------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/solaruser/api/v1/sec/instr/add/OSCP%5Fv20",
        "/solaruser/api/v1/sec/instr/add/OSCP%5fv20",
        "/a%20b/c%C3%A9",
    ],
)
def test_the_path_is_verified_as_it_was_sent(target: str) -> None:
    assert accepted(replace(Signed(), target=target).sent()) == TOKEN
    other = replace(Signed(), target=ADD).sent()
    assert refused(replace(other, target=target))[1] == "Bad credentials"


def test_parameters_are_sorted_and_decoded_before_they_are_encoded() -> None:
    sent = "/api?b=2&a=1&b=1&Z=%7E%2a&_=x+y&empty"
    query = "Z=~%2A&_=x%20y&a=1&b=2&b=1&empty="
    made = canonical("POST", "/api", Signed().headers, Signed().names, BODY)
    made = made.replace("/api\n\n", f"/api\n{query}\n")
    request = replace(Signed(), target=sent).sent(signature_is=signature(SECRET, NOW, made))
    assert accepted(request) == TOKEN


def test_a_character_beyond_the_bmp_is_signed_as_two_question_marks() -> None:
    made = canonical("POST", "/api", Signed().headers, Signed().names, BODY)
    made = made.replace("/api\n\n", "/api\na=%3F%3F\n")
    sent = replace(Signed(), target="/api?a=%F0%9F%98%80")
    assert accepted(sent.sent(signature_is=signature(SECRET, NOW, made))) == TOKEN


def test_the_body_is_verified_as_it_was_received() -> None:
    assert refused(Signed().sent(), BODY + b" ") == (403, "Bad credentials")


def test_the_fields_of_a_form_are_signed_as_parameters_and_its_body_as_empty() -> None:
    fields = "nodeId=1&parameters%5B0%5D.name=action&note=a+b%2Bc"
    headers = (*Signed().headers[:2], ("content-type", f"{FORM}; charset=UTF-8"))
    form = replace(
        Signed(), target=f"{ADD}?z=1", headers=headers, body=fields.encode(), fields=fields
    )
    assert accepted(form.sent(), fields.encode()) == TOKEN
    hashed = replace(form, fields="").sent()
    assert refused(hashed, fields.encode()) == (403, "Bad credentials")


# --- §5.5: the digest --------------------------------------------------------------------------

SHA256 = hashlib.sha256(BODY)
ALGORITHMS = {
    "md5": hashlib.md5(BODY, usedforsecurity=False),
    "sha": hashlib.sha1(BODY, usedforsecurity=False),
    "sha-256": SHA256,
    "sha-512": hashlib.sha512(BODY),
}
GOOD = "sha-256=" + b64encode(SHA256.digest()).decode()


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("written", ["base64", "hex", "upper-case"])
def test_digests_are_verified(name: str, written: str) -> None:
    made = ALGORITHMS[name]
    value = made.hexdigest() if written == "hex" else b64encode(made.digest()).decode()
    shown = name.upper() if written == "upper-case" else name
    assert accepted(Signed().with_headers(("digest", f"{shown}={value}")).sent()) == TOKEN
    other = {"md5": b"0" * 16, "sha": b"0" * 20, "sha-256": b"0" * 32, "sha-512": b"0" * 64}[name]
    wrong = other.hex() if written == "hex" else b64encode(other).decode()
    request = Signed().with_headers(("digest", f"{shown}={wrong}")).sent()
    assert refused(request) == (403, f"Content {name} digest value mismatch")


@pytest.mark.parametrize(
    ("digest", "outcome"),
    [
        pytest.param(f"crc32=0,{GOOD},md5=wrong", None, id="the-first-known-decides"),
        pytest.param(f"md5=wrong,{GOOD}", "Content md5 digest value mismatch", id="first-is-wrong"),
        pytest.param("crc32=0,unixsum=1", None, id="none-is-known"),
        pytest.param(f" {GOOD}", None, id="no-blank-is-allowed-so-unknown"),
        pytest.param("sha-256", None, id="without-a-value"),
        pytest.param(GOOD.rstrip("="), None, id="without-padding"),
        pytest.param(GOOD[:20] + "!" + GOOD[20:], None, id="what-is-not-base64-is-passed-over"),
        pytest.param("sha-256=", "Content sha-256 digest value mismatch", id="empty"),
        pytest.param("sha-256=!!!", "Content sha-256 digest value mismatch", id="no-base64"),
        pytest.param("sha-256=" + "z" * 64, "Invalid Digest sha-256 encoding", id="no-hex"),
        pytest.param("md5=" + "g" * 32, "Invalid Digest md5 encoding", id="no-hex-md5"),
    ],
)
def test_quirks_of_the_digest(digest: str, outcome: str | None) -> None:
    request = Signed().with_headers(("digest", digest)).sent()
    if outcome is None:
        assert accepted(request) == TOKEN
    else:
        assert refused(request) == (403, outcome)


@pytest.mark.parametrize("written", ["base64", "hex"])
def test_content_md5_is_verified_where_there_is_no_digest(written: str) -> None:
    made = ALGORITHMS["md5"]
    value = made.hexdigest() if written == "hex" else b64encode(made.digest()).decode()
    assert accepted(Signed().with_headers(("content-md5", value)).sent()) == TOKEN
    wrong = Signed().with_headers(("content-md5", "0" * 32))
    assert refused(wrong.sent()) == (403, "Content md5 digest value mismatch")
    assert accepted(wrong.with_headers(("digest", GOOD)).sent()) == TOKEN


# --- §5.6: the key -----------------------------------------------------------------------------


@pytest.mark.parametrize("days", range(7))
def test_a_key_is_good_for_seven_days(days: int) -> None:
    request = replace(Signed(), day=NOW - timedelta(days=days)).sent()
    assert accepted(request) == TOKEN


@pytest.mark.parametrize("days", [-1, 7, 8])
def test_and_for_no_other(days: int) -> None:
    request = replace(Signed(), day=NOW - timedelta(days=days)).sent()
    assert refused(request) == (403, "Bad credentials")


def test_the_window_is_that_of_the_request_and_not_of_the_server() -> None:
    just_before_midnight = datetime(2026, 1, 1, 23, 55, tzinfo=UTC)
    request = Signed().dated(just_before_midnight)
    old = replace(request, day=just_before_midnight - timedelta(days=6)).sent()
    assert accepted(old, now=just_before_midnight + timedelta(minutes=10)) == TOKEN


# --- §5.7: rejections --------------------------------------------------------------------------


def changed(request: Request, **headers: str | None) -> Request:
    """The request with headers replaced, or taken out where None."""
    new = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = [(name, new.get(name, value)) for name, value in request.headers]
    return replace(request, headers=tuple((n, v) for n, v in kept if v is not None))


def header_of(**components: str | None) -> str:
    usual: dict[str, str | None] = {
        "Credential": TOKEN,
        "SignedHeaders": "content-type;host;x-sn-date",
        "Signature": "0" * 64,
    }
    given = {name: value for name, value in (usual | components).items() if value is not None}
    return "SNWS2 " + ",".join(f"{name}={value}" for name, value in given.items())


ANONYMOUS = (401, "Full authentication is required to access this resource")
NO_HOST = "The 'Host' HTTP header must be included in SignedHeaders"
NO_DATE = "One of the 'Date' or 'X-SN-Date' HTTP headers must be included in SignedHeaders"
REJECTED: dict[str, tuple[Request, tuple[int, str]]] = {
    "no-authorization": (changed(Signed().sent(), authorization=None), ANONYMOUS),
    "other-scheme": (changed(Signed().sent(), authorization="Token x"), ANONYMOUS),
    "lower-case-scheme": (changed(Signed().sent(), authorization="snws2 Credential=x"), ANONYMOUS),
    "no-date": (
        changed(Signed().sent(), x_sn_date=None),
        (403, "Missing or invalid HTTP Date header value"),
    ),
    "unparsable-x-sn-date": (
        changed(Signed().sent(), x_sn_date="2026-01-02T03:04:05Z"),
        (403, "Invalid HTTP X-SN-Date header value"),
    ),
    "unparsable-date": (
        Request("POST", ADD, (("date", "yesterday"), *Signed().sent().headers[2:])),
        (403, "Invalid HTTP Date header value"),
    ),
    "no-credential": (
        changed(Signed().sent(), authorization=header_of(Credential=None)),
        (403, "Invalid Credential value"),
    ),
    "empty-credential": (
        changed(Signed().sent(), authorization=header_of(Credential="")),
        (403, "Bad credentials"),
    ),
    "blank-after-comma": (
        changed(Signed().sent(), authorization=header_of().replace(",", ", ")),
        (403, "Invalid Signature value"),
    ),
    "no-signature": (
        changed(Signed().sent(), authorization=header_of(Signature=None)),
        (403, "Invalid Signature value"),
    ),
    "short-signature": (
        changed(Signed().sent(), authorization=header_of(Signature="0" * 63)),
        (403, "Invalid Signature value"),
    ),
    "no-signed-headers": (
        changed(Signed().sent(), authorization=header_of(SignedHeaders=None)),
        (403, "Invalid SignedHeaders value"),
    ),
    "one-signed-header": (
        changed(Signed().sent(), authorization=header_of(SignedHeaders="host")),
        (403, "Invalid SignedHeaders value"),
    ),
    "host-not-signed": (
        replace(Signed(), names=("content-type", "x-sn-date")).sent(),
        (403, NO_HOST),
    ),
    "date-not-signed": (replace(Signed(), names=("content-type", "host")).sent(), (403, NO_DATE)),
    "wrong-signature": (Signed().sent(signature_is="0" * 64), (403, "Bad credentials")),
    "upper-case-signature": (
        Signed().sent(
            signature_is=signature(
                SECRET, NOW, canonical("POST", ADD, Signed().headers, Signed().names, BODY)
            ).upper()
        ),
        (403, "Bad credentials"),
    ),
    "no-text-of-any-encoding": (
        Signed().sent(signature_is="\ud83d" * 64),
        (403, "Bad credentials"),
    ),
    "wrong-secret": (replace(Signed(), secret="another").sent(), (403, "Bad credentials")),
    "unknown-token": (replace(Signed(), token="nobody").sent(), (403, "Bad credentials")),
    "disabled-token": (replace(Signed(), token="not-enabled").sent(), (403, "Bad credentials")),
}


@pytest.mark.parametrize(("request_", "outcome"), REJECTED.values(), ids=REJECTED)
def test_rejections(request_: Request, outcome: tuple[int, str]) -> None:
    assert refused(request_) == outcome


@pytest.mark.parametrize("name", ["content-type", "content-md5", "digest", "x-sn-extra"])
def test_headers_that_must_be_signed_where_they_are_sent(name: str) -> None:
    names = tuple(each for each in Signed().names if each != name)
    extra = () if name == "content-type" else ((name, "x"),)
    request = replace(Signed(), names=names).sent(*extra)
    text = f"The '{name}' HTTP header must be included in SignedHeaders"
    assert refused(request) == (403, text)


def test_checks_come_in_the_service_s_order() -> None:
    """Each request has every mistake from its own on; the first is told."""
    wrong = replace(Signed(), token="nobody").dated(NOW - timedelta(days=1))
    digest = wrong.with_headers(("digest", "sha-256=" + "0" * 64))
    unsigned = replace(digest, names=("host", "x-sn-date"))
    hostless = replace(digest, names=("x-sn-date", "content-type"))
    few = changed(hostless.sent(), authorization=header_of(SignedHeaders="x", Credential="nobody"))
    short = changed(few, authorization=header_of(SignedHeaders="x", Signature="0"))
    bare = changed(few, authorization="SNWS2 Credential")
    dateless = changed(bare, x_sn_date=None)
    assert [
        refused(request)[1]
        for request in (dateless, bare, short, few, hostless.sent(), unsigned.sent())
    ] == [
        "Missing or invalid HTTP Date header value",
        "Invalid Credential value",
        "Invalid Signature value",
        "Invalid SignedHeaders value",
        NO_HOST,
        "The 'content-type' HTTP header must be included in SignedHeaders",
    ]
    assert refused(digest.sent())[1] == "Content sha-256 digest value mismatch"
    assert refused(wrong.sent())[1] == "Bad credentials"
    stale = replace(wrong, token=TOKEN)
    assert refused(replace(stale, secret="another").sent())[1] == "Bad credentials"
    assert refused(stale.sent())[1] == "Date skew too large"


def test_a_body_over_the_limit_with_a_digest() -> None:
    request = Signed().with_headers(("digest", GOOD)).sent()
    assert refused(request, None) == (403, "Content too large")


def test_a_body_over_the_limit_without_a_digest() -> None:
    request = Signed().sent()
    error = refusal(request, None)
    assert (error.status, error.message) == (
        403,
        "Maximum upload size of 20971520 bytes exceeded",
    )
    assert error.headers(request) == []


def test_a_refusal_explains_itself_without_a_secret() -> None:
    error = refusal(replace(Signed(), secret="another").sent())
    assert "\nhost:localhost\n" in error.explanation["canonical_request"]
    assert error.explanation["string_to_sign"].startswith("SNWS2-HMAC-SHA256\n20260102T030405Z\n")
    expected = signature(
        SECRET, NOW, canonical("POST", ADD, Signed().headers, Signed().names, BODY)
    )
    shown = json.dumps(dict(error.explanation))
    assert SECRET not in shown
    assert expected not in shown


OTHERS = replace(Signed(), secret="another").sent()
UNKNOWN = replace(Signed(), token="nobody").sent()
HOSTLESS = changed(Signed().sent(), host="")
STALE = Signed().dated(NOW - timedelta(days=1)).sent()
EXPLAINED = {
    "another secret": (
        OTHERS,
        "another signature is expected: the secret differs, or one of these does",
    ),
    "an unknown token": (UNKNOWN, "there is no enabled token 'nobody'"),
    "an empty Host": (HOSTLESS, "an empty Host is not verified as it was sent"),
    "another clock": (
        STALE,
        "signed at 2026-01-01T03:04:05+00:00, received at 2026-01-02T03:04:05.123456+00:00 by "
        "the simulator's clock, the only one here, as strict_dates says: sign by it, as "
        "simulator.clock.now() tells the time; the guide says 401 here, and the running service "
        "403",
    ),
}


@pytest.mark.parametrize(("request_", "why"), EXPLAINED.values(), ids=EXPLAINED)
def test_why_a_request_is_refused(request_: Request, why: str) -> None:
    assert refusal(request_).explanation["why"] == why


@pytest.mark.parametrize("made", ["AAAA", "A:A", "\ud83d"])
def test_why_the_older_scheme_refuses(made: str) -> None:
    error = refusal(changed(Signed().sent(), authorization=f"SolarNetworkWS {TOKEN}:{made}"))
    assert (error.status, error.message) == (403, "Bad credentials")
    assert error.explanation == {
        "why": "another signature is expected: the secret differs, or the string_to_sign does",
        "string_to_sign": f"POST\n\napplication/json\n{http_date(NOW)}\n{ADD}",
    }

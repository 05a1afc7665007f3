"""SNWS2 before the whole of SolarUser: a test for each row of §5.7, and what §5.1 to §5.6 leave."""

from __future__ import annotations

import hashlib
import hmac
import locale
import socket
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from oscp_send.fidelity import Behaviour
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.faults import Rule
from oscp_sim.solaruser import authentication
from oscp_sim.world import World
from tests.oscp_sim.gate import API, INSTR, SECRET_OF_ALL, WORLD, call, gate, token
from tests.oscp_sim.rig import (
    ADD,
    FORM,
    HOST,
    JSON,
    NOW,
    VIEW,
    Answer,
    Headers,
    ask,
    ask_over_network,
    authorization,
    canonical,
    http_date,
    instruction,
    shared_of,
    signature,
    signed_headers,
)

Asked = Callable[[Simulator], Answer]

TARGET = f"{VIEW}?id=1"
TOO_LONG = 20_971_521
BAD = "Bad credentials"
CLAIM = "SNWS2 Credential=mine,SignedHeaders=host;x-sn-date,Signature=" + "0" * 64


def headers_of(method: str = "GET", target: str = TARGET, **signing: Any) -> Headers:  # noqa: ANN401
    return signed_headers(method, target, **({"token": "mine", "secret": SECRET_OF_ALL} | signing))


def put(headers: Headers, name: str, value: str | None) -> Headers:
    """The headers with one replaced, or taken out where None."""
    kept = [(key, value if key == name else old) for key, old in headers]
    return [(key, each) for key, each in kept if each is not None]


def viewed(simulator: Simulator, headers: Headers, target: str = TARGET) -> Answer:
    return ask(simulator, "GET", target, headers)


def claimed(simulator: Simulator, value: str) -> Answer:
    return viewed(simulator, put(headers_of(), "Authorization", value))


class BrokenWorld(World):
    """A world whose store of users fails."""

    trouble: Exception

    def token(self, _: str) -> None:
        raise self.trouble


def broken(simulator: Simulator, trouble: Exception) -> Answer:
    world = BrokenWorld(simulator.world.users)
    object.__setattr__(world, "trouble", trouble)
    shared_of(simulator).world = world
    return viewed(simulator, headers_of())


def over_the_limit(simulator: Simulator, *more: tuple[str, str]) -> Answer:
    """What is answered to a declared length over the limit, of which not a byte is sent."""
    headers = headers_of("POST", ADD, more=[("Content-Type", JSON), *more])
    environ_headers = [*headers, ("Content-Length", str(TOO_LONG))]
    return ask(simulator, "POST", ADD, environ_headers)


def signed_by(simulator: Simulator, names: str) -> Answer:
    """A request with a right signature over fewer headers than it needs."""
    headers: Headers = [
        ("Host", HOST),
        ("X-SN-Date", http_date(NOW)),
        ("Date", http_date(NOW)),
        ("Content-Type", JSON),
    ]
    signed = names.split(";")
    made = signature(SECRET_OF_ALL, NOW, canonical("GET", TARGET, headers, signed, b""))
    return viewed(simulator, [*headers, ("Authorization", authorization("mine", signed, made))])


def digest(simulator: Simulator, value: str) -> Answer:
    body = b'{"nodeId":70}'
    return call(simulator, "POST", ADD, body, more=[("Digest", value)])


FULL = "Full authentication is required to access this resource"
NO_DATE = "Missing or invalid HTTP Date header value"
# Row of §5.7: the request, the status, the message, and whether H goes with it.
ROWS: dict[str, tuple[Asked, int, str, bool]] = {
    "no-authorization": (lambda on: viewed(on, [("Host", HOST)]), 401, FULL, True),
    "unknown-scheme": (lambda on: claimed(on, "Bearer abc"), 401, FULL, True),
    "token-expired": (
        lambda on: viewed(on, headers_of(token="expired")),
        401,
        "Expired token",
        True,
    ),
    "user-store-fails": (
        lambda on: broken(on, RuntimeError("no such table")),
        401,
        "Unable to verify credentials",
        True,
    ),
    "unknown-token": (lambda on: viewed(on, headers_of(token="nobody")), 403, BAD, True),
    "disabled-token": (lambda on: viewed(on, headers_of(token="disabled")), 403, BAD, True),
    "wrong-signature": (lambda on: viewed(on, headers_of(secret="another")), 403, BAD, True),
    "path-not-allowed": (
        lambda on: viewed(on, headers_of(token="adds-only")),
        403,
        "Access denied",
        True,
    ),
    "no-date": (lambda on: viewed(on, put(headers_of(), "X-SN-Date", None)), 403, NO_DATE, True),
    "unparsable-x-sn-date": (
        lambda on: viewed(on, put(headers_of(), "X-SN-Date", "today")),
        403,
        "Invalid HTTP X-SN-Date header value",
        True,
    ),
    "unparsable-date": (
        lambda on: viewed(on, [("Host", HOST), ("Date", "today"), ("Authorization", CLAIM)]),
        403,
        "Invalid HTTP Date header value",
        True,
    ),
    "bad-credential": (
        lambda on: claimed(on, "SNWS2 Credential"),
        403,
        "Invalid Credential value",
        True,
    ),
    "bad-signature": (
        lambda on: claimed(on, "SNWS2 Credential=mine,Signature=0"),
        403,
        "Invalid Signature value",
        True,
    ),
    "bad-signed-headers": (
        lambda on: claimed(on, CLAIM.replace("host;", "")),
        403,
        "Invalid SignedHeaders value",
        True,
    ),
    "host-not-signed": (
        lambda on: signed_by(on, "content-type;x-sn-date"),
        403,
        "The 'Host' HTTP header must be included in SignedHeaders",
        True,
    ),
    "no-date-signed": (
        lambda on: signed_by(on, "content-type;host"),
        403,
        "One of the 'Date' or 'X-SN-Date' HTTP headers must be included in SignedHeaders",
        True,
    ),
    "mandatory-header-not-signed": (
        lambda on: signed_by(on, "host;x-sn-date"),
        403,
        "The 'content-type' HTTP header must be included in SignedHeaders",
        True,
    ),
    "x-sn-date-not-signed": (
        lambda on: signed_by(on, "content-type;date;host"),
        403,
        "The 'x-sn-date' HTTP header must be included in SignedHeaders",
        True,
    ),
    "digest-mismatch": (
        lambda on: digest(on, "sha-256=" + "0" * 64),
        403,
        "Content sha-256 digest value mismatch",
        True,
    ),
    "digest-mismatch-md5": (
        lambda on: digest(on, "md5=" + "0" * 32),
        403,
        "Content md5 digest value mismatch",
        True,
    ),
    "digest-mismatch-sha": (
        lambda on: digest(on, "SHA=" + "0" * 40),
        403,
        "Content sha digest value mismatch",
        True,
    ),
    "digest-mismatch-sha-512": (
        lambda on: digest(on, "sha-512=" + "0" * 128),
        403,
        "Content sha-512 digest value mismatch",
        True,
    ),
    "digest-undecodable-hex": (
        lambda on: digest(on, "sha-256=" + "0 " * 32),
        403,
        "Invalid Digest sha-256 encoding",
        True,
    ),
    "over-the-limit-with-a-digest": (
        lambda on: over_the_limit(on, ("Digest", "sha-256=AA==")),
        403,
        "Content too large",
        True,
    ),
    "over-the-limit-without-a-digest": (
        over_the_limit,
        403,
        "Maximum upload size of 20971520 bytes exceeded",
        False,
    ),
    "bad-content-type": (
        lambda on: viewed(on, [("Host", HOST), ("Content-Type", "x")]),
        403,
        "Invalid mime type \"x\": does not contain '/'",
        False,
    ),
    "role-missing": (
        lambda on: viewed(on, headers_of(token="reader")),
        403,
        "Access Denied",
        False,
    ),
}


def is_marked(answer: Answer) -> bool:
    """Whether H of §5.7 goes with an answer."""
    marks = {"WWW-Authenticate": "SNWS2", "X-SN-ErrorMessage": answer.json["message"]}
    got = {name: answer.header(name) for name in marks}
    assert got in (marks, dict.fromkeys(marks)), got
    allowed = answer.header("Access-Control-Allow-Origin")
    assert allowed == ("*" if got == marks else None)
    return got == marks


@pytest.mark.parametrize(("asked", "status", "message", "marked"), ROWS.values(), ids=ROWS)
def test_row_of_5_7(asked: Asked, status: int, message: str, marked: bool) -> None:
    answer = asked(gate())
    assert answer.refusal == (status, message)
    assert is_marked(answer) == marked
    assert answer.header("Content-Type") == JSON


@pytest.mark.parametrize(("fidelity", "status"), [("documented", 401), ("observed", 403)])
def test_row_of_5_7_date_skew(fidelity: Any, status: int) -> None:  # noqa: ANN401
    stale = headers_of(when=NOW - timedelta(minutes=15))
    answer = viewed(gate(fidelity), stale)
    assert answer.refusal == (status, "Date skew too large")
    assert is_marked(answer)


@pytest.mark.parametrize("trouble", [ConnectionResetError(), TimeoutError()])
def test_row_of_5_7_database_trouble(trouble: Exception) -> None:
    on = gate()
    answer = broken(on, trouble)
    assert (answer.status, answer.json) == (429, {"success": False, "code": "DAO.00200"})
    assert not answer.header("WWW-Authenticate")
    why = f"the user store cannot be reached: {type(trouble).__name__}"
    assert on.journal.entries()[-1].detail["why"] == why


def test_why_the_user_store_fails() -> None:
    on = gate()
    broken(on, RuntimeError("no such table"))
    assert on.journal.entries()[-1].detail["why"] == "the user store failed: RuntimeError"


def test_a_good_request_passes_all_of_them() -> None:
    assert viewed(gate(), headers_of()).json == {"success": True}


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[3]])
def test_authentication_errors_may_all_be_401_with_a_code(name: str) -> None:
    """§12, third row: what the service's own unit tests see."""
    asked = ROWS[name][0]
    answer = asked(gate(Behaviour("observed", {"authentication_errors": "documented"})))
    assert answer.status == 401
    assert answer.json == {"success": False, "code": "401", "message": ROWS[name][2]}


# --- the order of checks -----------------------------------------------------------------------


def test_the_policy_is_checked_before_the_signature() -> None:
    """(i) and (j) before (k): somebody without the secret learns that a token has expired."""
    wrong: dict[str, Any] = {"secret": "another", "when": NOW - timedelta(days=1)}
    assert viewed(gate(), headers_of(token="expired", **wrong)).refusal == (401, "Expired token")
    assert viewed(gate(), headers_of(token="adds-only", **wrong)).refusal == (403, "Access denied")
    assert viewed(gate(), headers_of(token="mine", **wrong)).refusal == (403, BAD)


def test_the_end_of_a_token_is_checked_before_its_paths() -> None:
    answer = viewed(gate(), headers_of(token="expired-and-limited"))
    assert answer.refusal == (401, "Expired token")


def test_a_token_ends_by_the_clock_of_the_service() -> None:
    simulator = gate()
    simulator.faults.add(Rule(where="solaruser", fault="clock", ahead=timedelta(days=2)))
    later = headers_of(token="expires-later", when=NOW + timedelta(days=2))
    assert viewed(simulator, later).refusal == (401, "Expired token")


def test_an_unknown_token_is_refused_before_its_body_is_too_large() -> None:
    headers = headers_of("POST", ADD, more=[("Content-Type", JSON)], token="nobody")
    answer = ask(gate(), "POST", ADD, [*headers, ("Content-Length", str(TOO_LONG))])
    assert answer.refusal == (403, BAD)


def test_several_parts_are_too_large_before_anything_else() -> None:
    headers = [("Host", HOST), ("Content-Type", "multipart/form-data; boundary=x")]
    answer = ask(gate(), "POST", ADD, [*headers, ("Content-Length", str(TOO_LONG))])
    assert answer.refusal == (403, "Maximum upload size of 20971520 bytes exceeded")


# --- §5.1: the header --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "outcome"),
    [
        pytest.param("SNWS2,", (403, "Invalid Credential value"), id="comma"),
        pytest.param(CLAIM.replace("SNWS2 ", "SNWS2/"), (403, BAD), id="starts-with-is-enough"),
        pytest.param(f" {CLAIM}", (401, FULL), id="not-trimmed"),
        pytest.param("snws2" + CLAIM[5:], (401, FULL), id="lower-case"),
        pytest.param(CLAIM.replace(",", ", "), (403, "Invalid Signature value"), id="blank"),
        pytest.param(
            CLAIM.replace("=mine", " =mine"), (403, "Invalid Credential value"), id="=blank"
        ),
        pytest.param(CLAIM.replace("=mine", "="), (403, BAD), id="no-token"),
        pytest.param("SolarNetworkWS mine:AAAA", (403, BAD), id="legacy"),
        pytest.param(
            "SolarNetworkWS mine", (403, "Invalid Authorization header value"), id="legacy-bare"
        ),
    ],
)
def test_the_header_of_5_1(header: str, outcome: tuple[int, str]) -> None:
    assert claimed(gate(), header).refusal == outcome


@pytest.mark.parametrize("scheme", ["SNWS2", "SNWS2 ", "SolarNetworkWS"])
def test_a_scheme_with_nothing_behind_it_is_a_500_of_the_container(scheme: str) -> None:
    answer = claimed(gate(), scheme)
    assert (answer.status, answer.json["error"]) == (500, "Internal Server Error")


def legacy_text(method: str, target: str, content_type: str = "", md5: str = "") -> str:
    return "\n".join([method, md5, content_type, http_date(NOW), target])


def by_legacy(text: str) -> tuple[str, str]:
    made = b64encode(hmac.digest(SECRET_OF_ALL.encode(), text.encode(), "sha1")).decode()
    return ("Authorization", f"SolarNetworkWS mine:{made}")


def test_the_legacy_scheme_makes_the_recorded_signature() -> None:
    at = datetime(2026, 11, 28, 23, 27, 18, tzinfo=UTC)
    world = {"users": [{"id": 44, "tokens": [{"id": "emptyuser", "secret": "empty-secret"}]}]}
    made = ("Authorization", "SolarNetworkWS emptyuser:tLeFeerzgGgh7ZPKo+VrXbzc99s=")
    target = f"{VIEW}?id=999999"
    on = gate(world=world, clock=FrozenClock(at))
    for name in ("Date", "X-SN-Date"):
        answer = viewed(on, [("Host", HOST), (name, http_date(at)), made], target)
        assert answer.json == {"success": True}


def test_the_legacy_scheme_signs_sorted_parameters_type_and_md5() -> None:
    dated: Headers = [("Host", HOST), ("X-SN-Date", http_date(NOW))]
    text = legacy_text("GET", f"{VIEW}?a=x y&id=1")
    answer = viewed(gate(), [*dated, by_legacy(text)], f"{VIEW}?id=1&a=x%20y&a=z")
    assert answer.json == {"success": True}
    md5 = hashlib.md5(b'{"nodeId":70}', usedforsecurity=False).hexdigest()
    headers = [*dated, ("Content-Type", JSON), ("Content-MD5", md5)]
    made = by_legacy(legacy_text("POST", ADD, JSON, md5))
    assert ask(gate(), "POST", ADD, [*headers, made], b'{"nodeId":70}').status == 200
    refused = ask(gate(), "POST", ADD, [*headers, made], b'{"nodeId":71}')
    assert refused.json["message"] == "Content md5 digest value mismatch"


def test_a_refusal_by_the_legacy_scheme_names_it_and_tells_no_secret() -> None:
    on = gate()
    answer = claimed(on, "SolarNetworkWS mine:AAAA")
    assert answer.header("WWW-Authenticate") == "SolarNetworkWS"
    detail = on.journal.entries()[-1].detail
    assert detail["string_to_sign"] == legacy_text("GET", TARGET)
    assert SECRET_OF_ALL not in str(detail)


@pytest.mark.parametrize("token", ["mine ", "mine   "])
def test_a_blank_behind_a_token_id_does_not_matter(token: str) -> None:
    assert viewed(gate(), headers_of(token=token)).json == {"success": True}


@pytest.mark.parametrize("token", [" mine", "mine\t", "mineX"])
def test_any_other_character_does(token: str) -> None:
    assert viewed(gate(), headers_of(token=token)).refusal == (403, BAD)


def test_a_signed_header_that_is_named_twice_counts_once() -> None:
    header = dict(headers_of())["Authorization"]
    assert claimed(gate(), header.replace("host;", "host;host;")).json == {"success": True}


def test_an_empty_host_is_not_verified() -> None:
    assert viewed(gate(), headers_of(host="")).refusal == (403, BAD)


@pytest.mark.parametrize("name", ["a=b;c=d", "=;=", "x" * 20, "SNWS2 token"])
def test_a_component_is_split_at_its_first_equals_sign(name: str) -> None:
    world = {"users": [WORLD["users"][0] | {"tokens": [token(name.replace(" ", "_"))]}]}
    answer = viewed(gate(world=world), headers_of(token=name.replace(" ", "_")))
    assert answer.json == {"success": True}


def test_names_that_are_empty_at_the_end_of_signed_headers_count_for_nothing() -> None:
    header = dict(headers_of())["Authorization"]
    assert claimed(gate(), header.replace("x-sn-date,", "x-sn-date;;,")).json == {"success": True}
    assert claimed(gate(), header.replace("host;x-sn-date,", "host;;;,")).json["message"] == (
        "Invalid SignedHeaders value"
    )


# --- §5.2: the date ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("Fri, 02 Jan 2026 03:04:05 GMT", True),
        ("Fri, 2 Jan 2026 03:04:05 GMT", True),
        ("Fri, 02 Jan 2026 03:04:05 +0000", True),
        ("Fri, 02 Jan 2026 16:34:05 +1330", True),
        ("Fri, 02 Jan 2026 01:34:05 -0130", True),
        ("Thu, 01 Jan 2026 22:04:05 EST", True),
        ("Thu, 01 Jan 2026 23:04:05 EDT", True),
        ("thu, 01 jan 2026 19:04:05 pst", True),
        ("Friday, 02-Jan-26 03:04:05 GMT", True),
        ("Fri Jan  2 03:04:05 2026", True),
        ("Fri Jan 2 03:04:05 2026", True),
        ("", False),
        ("Fri, 02 Jan 2026 03:04:05", False),
        ("Fri, 02 Jan 2026 03:04:05 UTC", True),
        ("Fri, 02 Jan 2026 03:03:65 GMT", True),
        ("Fri, 01 Jan 2026 27:04:05 GMT", True),
        ("Wed, 33 Dec 2025 03:04:05 GMT", True),
        ("Fri, 02 Foo 2026 03:04:05 GMT", False),
        ("1767323045", False),
    ],
)
def test_dates_of_5_2(text: str, good: bool) -> None:
    headers: Headers = [("Host", HOST), ("X-SN-Date", text)]
    signed = ("host", "x-sn-date")
    made = signature(SECRET_OF_ALL, NOW, canonical("GET", TARGET, headers, signed, b""))
    answer = viewed(gate(), [*headers, ("Authorization", authorization("mine", signed, made))])
    if good:
        assert answer.json == {"success": True}
    else:
        assert answer.refusal == (403, "Invalid HTTP X-SN-Date header value")


@pytest.mark.parametrize(
    "day", ["Fri, 02 Jan 26", "Fri, 02 Jan 0000", "Fri, 02 Jan 1969", "Tuesday, 02-Jan-46"]
)
def test_a_date_before_1970_is_as_if_it_were_missing(day: str) -> None:
    headers = put(headers_of(), "X-SN-Date", f"{day} 03:04:05 GMT")
    assert viewed(gate(), headers).refusal == (403, NO_DATE)


def test_dates_are_read_in_english_whatever_the_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"):
        try:
            locale.setlocale(locale.LC_TIME, name)
        except locale.Error:
            continue
        try:
            assert viewed(gate(), headers_of()).json == {"success": True}
        finally:
            locale.setlocale(locale.LC_TIME, before)


@pytest.mark.parametrize(("day", "message"), [("31", BAD), ("99", NO_DATE)])
def test_the_last_day_of_the_calendar_is_no_500(day: str, message: str) -> None:
    headers = put(headers_of(), "X-SN-Date", f"Mon, {day} Dec 9999 00:00:00 GMT")
    assert viewed(gate(), headers).refusal == (403, message)


# --- §5.3: the host, and the path --------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "proxy", "signed"),
    [
        ("h", [], "h"),
        ("h:8080", [("X-Forwarded-Port", "443")], "h:8080"),
        ("h", [("X-Forwarded-Port", "8080")], "h:8080"),
        ("h", [("X-Forwarded-Port", "80"), ("X-Forwarded-Proto", "https")], "h"),
        ("h", [("X-Forwarded-Port", "8443"), ("X-Forwarded-Proto", "https")], "h:8443"),
        ("h", [("X-Forwarded-Proto", "https")], "h:443"),
        ("h", [("X-Forwarded-Proto", "http")], "h"),
    ],
)
def test_the_host_rule_of_5_3(sent: str, proxy: Headers, signed: str) -> None:
    headers = put(headers_of(host=signed), "Host", sent)
    assert viewed(gate(), [*headers, *proxy]).json == {"success": True}
    other = put(headers_of(host=f"{signed}:1"), "Host", sent)
    assert viewed(gate(), [*other, *proxy]).refusal == (403, BAD)


@pytest.mark.parametrize(
    ("sent", "proxy", "is_verified"),
    [
        ("data.solarnetwork.net", [], True),
        ("Data.SolarNetwork.net", [], True),
        ("data.solarnetwork.net", [("X-Forwarded-For", "h")], True),
        ("data.solarnetwork.net", [("X-Forwarded-Proto", "http")], False),
        ("data.solarnetwork.net", [("X-Forwarded-Port", "80")], False),
        ("h", [], False),
    ],
)
def test_the_host_of_production_may_be_signed_with_the_port_of_its_proxy(
    sent: str, proxy: Headers, *, is_verified: bool
) -> None:
    headers = put(headers_of(host=f"{sent}:443"), "Host", sent)
    answer = viewed(gate(), [*headers, *proxy])
    if is_verified:
        assert answer.json == {"success": True}
    else:
        assert answer.refusal == (403, BAD)


def test_the_host_may_be_verified_as_it_was_sent() -> None:
    simulator = gate(Behaviour(settings={"host_port": "documented"}))
    proxied = [*headers_of(), ("X-Forwarded-Proto", "https")]
    assert viewed(simulator, proxied).json == {"success": True}
    assert viewed(gate(), proxied).refusal == (403, BAD)


# --- §5.4 and §5.5: forms ----------------------------------------------------------------------


def test_a_form_is_signed_by_its_fields_and_hashed_as_empty() -> None:
    body = b"ids=1&note=a+b%2Fc&empty&Z=1"
    answer = call(gate(), "POST", f"{INSTR}/updateState?state=Completed", body, content_type=FORM)
    assert answer.json == {"success": True}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_form_of_another_method_than_post_is_read_before_it_is_hashed(method: str) -> None:
    headers: Headers = [("Host", HOST), ("X-SN-Date", http_date(NOW)), ("Content-Type", FORM)]
    signed = ("content-type", "host", "x-sn-date")
    for fields, status in (("", 403), ("a=1", 405)):
        text = canonical(method, ADD, headers, signed, b"a=1", fields)
        made = authorization("mine", signed, signature(SECRET_OF_ALL, NOW, text))
        assert (
            ask(gate(), method, ADD, [*headers, ("Authorization", made)], b"a=1").status == status
        )


@pytest.mark.parametrize(("boundary", "status"), [("; boundary=x", 403), ("", 400)])
def test_a_multipart_body_is_read_before_it_is_hashed(boundary: str, status: int) -> None:
    kind = f"multipart/form-data{boundary}"
    assert call(gate(), "POST", ADD, b"--x--", content_type=kind).status == status


def test_the_digest_of_a_form_is_that_of_nothing() -> None:
    body = b"nodeId=70"
    known = "sha-256=" + hashlib.sha256(body).hexdigest()
    answer = call(gate(), "POST", ADD, body, content_type=FORM, more=[("Digest", known)])
    assert answer.refusal == (403, "Content sha-256 digest value mismatch")


@pytest.mark.parametrize("value", ["%zz", "%", "%f", "%ff", "%c3", "%c3%28"])
def test_a_parameter_that_cannot_be_decoded_is_passed_over(value: str) -> None:
    assert viewed(gate(), headers_of(), f"{TARGET}&a={value}").json == {"success": True}
    body = f"nodeId=70&a={value}".encode()
    assert call(gate(), "POST", ADD, body, content_type=FORM).refusal == (403, BAD)


def test_parameters_beyond_1000_are_passed_over() -> None:
    target = f"{TARGET}{'&x=1' * 999}"
    assert viewed(gate(), headers_of(target=target), f"{target}&x=1").json == {"success": True}
    more = f"{target}&x=1"
    assert viewed(gate(), headers_of(target=more), more).refusal == (403, BAD)


def test_an_empty_content_type_is_refused() -> None:
    answer = viewed(gate(), [*headers_of(), ("Content-Type", "")])
    assert answer.refusal == (403, "Invalid mime type \"\": 'mimeType' must not be empty")


def test_a_value_without_a_name_is_no_parameter() -> None:
    plain = headers_of(target=TARGET)
    assert viewed(gate(), plain, target=f"{TARGET}&=x&&").json == {"success": True}


# --- §5.6: the key, and vector U6 --------------------------------------------------------------


def test_vector_u6_is_verified() -> None:
    """Signed with the pinned key itself, not with one that was derived here."""
    day = datetime(2017, 1, 1, 12, tzinfo=UTC)
    world = {"users": [{"id": 1, "tokens": [{"id": "u6", "secret": "ABC123"}]}]}
    headers: Headers = [("Host", HOST), ("X-SN-Date", http_date(day))]
    signed = ("host", "x-sn-date")
    hashed = hashlib.sha256(canonical("GET", TARGET, headers, signed, b"").encode()).hexdigest()
    key = bytes.fromhex("1f96b28b651285e49d06989aebaee169fa67a5f6a07fb72a8325fce83b425ad6")
    text = f"SNWS2-HMAC-SHA256\n20170101T120000Z\n{hashed}"
    made = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    answer = viewed(
        gate(world=world, clock=FrozenClock(day)),
        [*headers, ("Authorization", authorization("u6", signed, made))],
    )
    assert answer.json == {"success": True}


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comparison is of two texts of one length, by the function made for it."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(authentication, "hmac", Watched)
    assert viewed(gate(), headers_of(secret="another")).refusal == (403, BAD)
    assert compared == [(64, 64)] * 7


# --- §5.7: a body over the limit is refused before it is read ----------------------------------


def test_a_declared_length_over_the_limit_is_answered_before_the_body_comes() -> None:
    """Not a byte of the body is ever sent; a server that waited for one would wait for ever."""
    with gate() as simulator:
        headers = headers_of("POST", ADD, more=[("Content-Type", JSON)])
        url = urlsplit(simulator.url)
        lines = [f"POST {ADD} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        head = "\r\n".join([*lines, f"Content-Length: {TOO_LONG}", "", ""])
        with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
            connection.sendall(head.encode())
            assert connection.recv(64).startswith(b"HTTP/1.1 403 ")


def test_a_chunked_body_is_verified_too() -> None:
    body = b'{"nodeId":70}'
    headers = headers_of("POST", ADD, body=body)
    with gate() as simulator:
        parts = [body[:5], body[5:]]
        answer = ask_over_network(simulator.url, "POST", ADD, headers, chunks=parts)
    assert answer.data["state"] == "Declined"


def test_a_body_that_is_not_sent_as_http_says_is_a_400() -> None:
    with gate() as simulator:
        url = urlsplit(simulator.url)
        raw = f"POST {ADD} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nfoo\r\n"
        with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
            connection.sendall(raw.encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(64).startswith(b"HTTP/1.1 400 ")


# --- public paths and OPTIONS ------------------------------------------------------------------


def test_a_token_that_is_claimed_on_a_public_path_is_verified() -> None:
    target = f"{API}/pub/nothing"
    assert viewed(gate(), headers_of(target=target, secret="another"), target=target).refusal == (
        403,
        BAD,
    )
    assert viewed(gate(), headers_of(target=target), target=target).status == 404
    assert viewed(gate(), [("Host", HOST)], target=target).status == 404


def test_what_is_refused_is_explained_in_the_journal_without_a_secret() -> None:
    simulator = gate()
    answer = ask(simulator, "POST", ADD, headers_of("POST", ADD, secret="another-secret"))
    assert answer.refusal == (403, BAD)
    entry = simulator.journal.entries()[-1].to_dict()
    assert "canonical_request" in entry["detail"]
    text = str(entry)
    assert SECRET_OF_ALL not in text
    assert "another-secret" not in text
    expected = dict(headers_of("POST", ADD))["Authorization"].rpartition("=")[2]
    assert expected not in text


def test_a_good_signature_queues_an_instruction() -> None:
    answer = call(gate(), "POST", ADD, instruction(70))
    assert answer.data["state"] == "Queuing"

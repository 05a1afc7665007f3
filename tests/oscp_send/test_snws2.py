"""SNWS2: the vectors from outside the project, and an independent restatement of the scheme."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from oscp_send import snws2
from oscp_send.async_client import SNWS2HttpxAuth
from oscp_send.settings import Secret
from oscp_send.snws2 import (
    SNWS2Auth,
    canonical_query,
    canonical_request,
    format_date,
    signature,
    signing_key,
    string_to_sign,
)
from oscp_sim import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

EMPTY = hashlib.sha256(b"").hexdigest()
APRIL = datetime(2017, 4, 25, 14, 30, tzinfo=UTC)
AUGUST = datetime(2017, 8, 10, 4, 41, 22, tzinfo=UTC)
MARCH = datetime(2017, 3, 25, 14, 30, tzinfo=UTC)
DIGEST_U4 = "sha-256=Im5J4T0W5eiqDWLljNYzYb8JfT4rJESqMEQzRiii6N4="
HASH_U4 = "226e49e13d16e5e8aa0d62e58cd63361bf097d3e2b2444aa3044334628a2e8de"
DIGEST_U5 = "sha-256=k6I5cakU5erL8KjSUVTNownDwccvu5kU1Hxg88toFYg="
HASH_U5 = "93a23971a914e5eacbf0a8d25154cda309c3c1c72fbb9914d47c60f3cb681588"

KEYS = {
    "A": (
        "test-token-secret",
        APRIL,
        "bf7885e8bd107a79f5c6e13001a4fa15fbd43221ad39ca47fde96191d302dbf4",
    ),
    "U6": (
        "ABC123",
        datetime(2017, 1, 1, tzinfo=UTC),
        "1f96b28b651285e49d06989aebaee169fa67a5f6a07fb72a8325fce83b425ad6",
    ),
    "B": (
        "lsdjfpse9jfoeijfe09j",
        AUGUST,
        "c50f775114a66f46ff85b9ec27797ebd292b2e539ff49211da268c7a2a6a5a8d",
    ),
    "U11": ("password", APRIL, "e3ab411d84ee9365995813e4aca5f5effcb135897929b4b51de642456519e791"),
    "U12": (
        "secret.token12345678",
        MARCH,
        "4ffe547294445f9f4e89f80c4c0801b95d4329a9936389582ae5a6a5758c70fe",
    ),
}

# id: (key, method, path, query, headers besides the date, signed, body hash, canonical, signature)
VECTORS: dict[str, tuple[Any, ...]] = {
    "U1": (
        *("A", "GET", "/api/test", [], {"host": "localhost"}, "date;host", EMPTY),
        "1b5cf4c03e8e85f1c08a01ea1d4bd89cc550fc964134b59bb0accf9e5dbb26bf",
        "4739139d3d370f147b6585795c309b1c6d7d7f59943081f7dd943f689cfa59a3",
    ),
    "U2": (
        *("A", "GET", "/api/test", [], {"host": "localhost"}, "host;x-sn-date", EMPTY),
        "ef8a67ba170fb8031b70995d0dc5f2757a23d36400e9aac0730fa9f36d420d1b",
        "c14fe9f67560fb9a37d2aa7c40b40c260a5936f999877e2469b8ddb1da7c0eb9",
    ),
    "U2-date-besides": (
        *("A", "GET", "/api/test", [], {"host": "localhost"}, "date;host;x-sn-date", EMPTY),
        "ef8a67ba170fb8031b70995d0dc5f2757a23d36400e9aac0730fa9f36d420d1b",
        "c14fe9f67560fb9a37d2aa7c40b40c260a5936f999877e2469b8ddb1da7c0eb9",
    ),
    "U3": (
        *("A", "GET", "/api/query", [("foo", "bar"), ("bim", "bam")], {"host": "localhost"}),
        *("date;host", EMPTY),
        "2a70654da315f28384c508a176a3d4ad753f6a75f9d0fe115153da0ca329353e",
        "c597ed8061d9d12e12ead3d8d6fc03b28a877e8639548f31556b4760be09a4b8",
    ),
    "U4": (
        *("A", "POST", "/api/post", []),
        {
            "host": "localhost",
            "content-type": "application/json;charset=UTF-8",
            "digest": DIGEST_U4,
        },
        *("content-type;date;digest;host", HASH_U4),
        "fa8667b9a5ceb9788ab2f4b0ba5a173139c9318b842487d3477eab463db1c7dd",
        "ad609dd757c1f7f08a519919ab5e109ec61477cf612c6a0d29cac66d54c3987e",
    ),
    "U5": (
        *("A", "POST", "/api/post", []),
        {
            "host": "localhost",
            "content-type": "application/json; charset=UTF-8",
            "digest": DIGEST_U5,
        },
        *("content-type;digest;host;x-sn-date", HASH_U5),
        "8ceaaea2162e7460b5345c582ae156589334981fbc65a322de65ba59a1a44515",
        "17b50462a9db77e569bd74676c550c447be07f605f191a39ca481efaa15e9879",
    ),
    "U7": (
        *("B", "GET", "/mock/path/here", [], {"host": "localhost:8080"}, "host;x-sn-date", EMPTY),
        "2c1274a5e3490c0a99255a934142f7d7450737630eaed8f4900b148692f1bfe3",
        "0574baabdb8c97c0961d04f1a3e9a328dde3219b3898982af18b0c9675463fb1",
    ),
    "U8": (
        *("B", "GET", "/mock/path/here", [], {"host": "localhost:443"}, "host;x-sn-date", EMPTY),
        "0dc4a2db91e759084e759c2591e7fcdddea946d88d6f02dcc7a9d938aa7e5ae4",
        "85028cb8b15bc3a7557aa9607c419697e0a942a95511728318e290c1d27ffd41",
    ),
    "U9": (
        *("B", "GET", "/mock/path/here", [], {"host": "localhost:8443"}, "host;x-sn-date", EMPTY),
        "7232ef6cf92485690cc4c92eb4cfc45052a30db657478f2c544a1ec356e35a5c",
        "409bc3bd69fd95d6b67fe7cde94ae412221d61a92ee52dc3bfc82ae535f9f8a9",
    ),
    "U10": (
        *("B", "GET", "/mock/path/here", [], {"host": "localhost"}, "host;x-sn-date", EMPTY),
        "6e2c01b69a9848296c1729938325822f9c8c02e0a9c57481e1acc777228ba5d9",
        "9584e63cd1c3e8e6fd007b982f99ffb63a6feb8a9db06bd3f4879bf7867a290f",
    ),
    "U11": (
        *("U11", "GET", "/foobar", [], {"host": "localhost"}, "host;x-sn-date", EMPTY),
        "d8b71b91deecfa7b81f584634c11ed82ab4c7d347a090d82375ce964b3f725d2",
        "f366ddc9e6299794928cc956e9fa409333078df6e6b9d94d4c1e64dbecf499db",
    ),
    "U12": (
        *("U12", "GET", "/api/test", [], {"host": "localhost"}, "date;host", EMPTY),
        "f6b809283d5301a660ce1dd1695be5677a942e68863a903207bd77ad1778839e",
        "535124f5f333c0aebe42996a429a2a6e4b347dcc2ac2d8cbb8ac6b641fafbab7",
    ),
}


@pytest.mark.parametrize(("secret", "when", "key"), KEYS.values(), ids=KEYS)
def test_signing_keys_are_those_of_the_vectors(secret: str, when: datetime, key: str) -> None:
    assert signing_key(secret, when.date()).hex() == key


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_requests_are_signed_as_in_the_vectors(vector: tuple[Any, ...]) -> None:
    key_id, method, path, pairs, headers, signed, body_hash, canonical_hash, expected = vector
    secret, when, _ = KEYS[key_id]
    dated = {**headers, "date": format_date(when), "x-sn-date": format_date(when)}
    canonical = canonical_request(
        method, path, canonical_query(pairs), dated.items(), signed.split(";"), body_hash
    )
    assert hashlib.sha256(canonical.encode()).hexdigest() == canonical_hash
    text = string_to_sign(when, canonical)
    assert text.splitlines()[1] == when.strftime("%Y%m%dT%H%M%SZ")
    assert signature(signing_key(secret, when.date()), text) == expected


def test_the_canonical_request_of_u5_is_the_worked_one() -> None:
    assert canonical_request(
        "post",
        "/api/post",
        "",
        [
            ("host", "localhost"),
            ("x-sn-date", "Tue, 25 Apr 2017 14:30:00 GMT"),
            ("content-type", "application/json; charset=UTF-8"),
            ("digest", DIGEST_U5),
        ],
        ["x-sn-date", "host", "digest", "content-type"],
        HASH_U5,
    ) == (
        "POST\n/api/post\n\n"
        "content-type:application/json; charset=UTF-8\n"
        f"digest:{DIGEST_U5}\nhost:localhost\n"
        "x-sn-date:Tue, 25 Apr 2017 14:30:00 GMT\n"
        f"content-type;digest;host;x-sn-date\n{HASH_U5}"
    )


def prepared(
    method: str,
    url: str,
    *,
    secret: str = "s",  # noqa: S107 - not one
    when: datetime = APRIL,
    auth: SNWS2Auth | None = None,
    **more: Any,  # noqa: ANN401 - passed on to requests
) -> requests.PreparedRequest:
    auth = auth or SNWS2Auth("t", secret, clock=lambda: when)
    return requests.Session().prepare_request(requests.Request(method, url, auth=auth, **more))


HTTPX = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(204)))


def sent(
    method: str,
    url: str,
    *,
    secret: str = "s",  # noqa: S107 - not one
    when: datetime = APRIL,
    **more: Any,  # noqa: ANN401 - passed on to httpx
) -> httpx.Request:
    auth = SNWS2HttpxAuth("t", secret, clock=lambda: when)
    if isinstance(more.get("data"), bytes):
        more["content"] = more.pop("data")
    return HTTPX.request(method, url, auth=auth, **more).request


Request = requests.PreparedRequest | httpx.Request
Sign = Callable[..., Request]
#: What signs a request, and may send it, by each of the two libraries.
with_both = pytest.mark.parametrize("sign", [prepared, sent], ids=["requests", "httpx"])


def made_signature(request: Request) -> str:
    signature: str = request.headers["Authorization"].rpartition("Signature=")[2]
    return signature


def test_the_auth_class_makes_the_signature_of_u2() -> None:
    auth = SNWS2Auth("test-token-id", "test-token-secret", clock=lambda: APRIL)
    request = prepared("GET", "http://localhost/api/test", auth=auth)
    assert request.headers["Authorization"] == (
        "SNWS2 Credential=test-token-id,SignedHeaders=host;x-sn-date,Signature="
        "c14fe9f67560fb9a37d2aa7c40b40c260a5936f999877e2469b8ddb1da7c0eb9"
    )
    assert request.headers["X-SN-Date"] == "Tue, 25 Apr 2017 14:30:00 GMT"
    assert request.headers["Host"] == "localhost"
    assert "Digest" not in request.headers


def test_the_auth_class_makes_the_signature_of_u5() -> None:
    request = prepared(
        "POST",
        "http://localhost/api/post",
        secret="test-token-secret",
        data='{"hello":"world"}',
        headers={"Content-Type": "application/json; charset=UTF-8"},
    )
    assert request.headers["Digest"] == DIGEST_U5
    assert made_signature(request) == (
        "17b50462a9db77e569bd74676c550c447be07f605f191a39ca481efaa15e9879"
    )
    assert request.body == b'{"hello":"world"}'


@with_both
@pytest.mark.parametrize(
    ("url", "host", "vector"),
    [
        ("http://localhost:8080", "localhost:8080", "U7"),
        ("https://localhost", "localhost:443", "U8"),
        ("https://localhost:443", "localhost:443", "U8"),
        ("https://localhost:8443", "localhost:8443", "U9"),
        ("http://localhost", "localhost", "U10"),
        ("http://localhost:80", "localhost", "U10"),
    ],
)
def test_the_host_is_sent_and_signed_as_the_service_verifies_it(
    sign: Sign, url: str, host: str, vector: str
) -> None:
    request = sign("GET", f"{url}/mock/path/here", secret="lsdjfpse9jfoeijfe09j", when=AUGUST)
    assert request.headers["Host"] == host
    assert made_signature(request) == VECTORS[vector][-1]


@with_both
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://[::1]/x", "[::1]"),
        ("https://[::1]/x", "[::1]:443"),
        ("http://[::1]:8080/x", "[::1]:8080"),
        ("https://Data.SolarNetwork.net/x", "data.solarnetwork.net:443"),
        ("https://h:80/x", "h:80"),
        ("http://h:443/x", "h:443"),
    ],
)
def test_hosts_of_every_kind(sign: Sign, url: str, host: str) -> None:
    assert sign("GET", url).headers["Host"] == host


@with_both
def test_a_host_that_was_given_is_kept_and_signed(sign: Sign) -> None:
    headers = {"Host": "localhost"}
    url = "http://127.0.0.1:9/api/test"
    request = sign("GET", url, secret="test-token-secret", headers=headers)
    assert made_signature(request) == VECTORS["U2"][-1]


# What follows restates docs/protocol/solaruser.md §5.3 to §5.6; nothing of the module is used.


def restated_encoding(text: str) -> str:
    encoded = ""
    raw = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(raw), 2):
        unit = int.from_bytes(raw[at : at + 2])
        if 0xD800 <= unit <= 0xDFFF:
            encoded += "%3F"
        elif unit < 128 and (chr(unit).isalnum() or chr(unit) in "-_.~"):
            encoded += chr(unit)
        else:
            encoded += "".join(f"%{byte:02X}" for byte in chr(unit).encode())
    return encoded


def restated_query(pairs: list[tuple[str, str]]) -> str:
    grouped: dict[str, list[str]] = {}
    for key, value in pairs:
        grouped.setdefault(key, []).append(value)
    keys = sorted(grouped, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return "&".join(
        f"{restated_encoding(key)}={restated_encoding(value)}"
        for key in keys
        for value in grouped[key]
    )


def restated_signature(
    secret: str, request: tuple[str, str, str], headers: dict[str, str], body: bytes, when: datetime
) -> str:
    method, path, query = request
    text = f"{method}\n{path}\n{query}\n"
    for name in sorted(headers):
        value = headers[name].strip(" ")
        while "  " in value:
            value = value.replace("  ", " ")
        text += f"{name}:{value}\n"
    text += ";".join(sorted(headers)) + "\n" + hashlib.sha256(body).hexdigest()
    day, moment = when.strftime("%Y%m%d"), when.strftime("%Y%m%dT%H%M%SZ")
    key1 = hmac.new(("SNWS2" + secret).encode(), day.encode(), hashlib.sha256).digest()
    key = hmac.new(key1, b"snws2_request", hashlib.sha256).digest()
    hashed = hashlib.sha256(text.encode()).hexdigest()
    to_sign = "SNWS2-HMAC-SHA256\n" + moment + "\n" + hashed
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


texts = st.text(st.characters(codec="utf-8"), max_size=12)
pairs_of_texts = st.lists(
    st.tuples(texts.filter(bool) | st.sampled_from(["a", "A", "_", "\uffff", "\U00010000"]), texts),
    max_size=6,
)
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(UTC),
)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def restated_date(when: datetime) -> str:
    return (
        f"{DAYS[when.weekday()]}, {when.day:02d} {MONTHS[when.month - 1]} {when.year} "
        f"{when.hour:02d}:{when.minute:02d}:{when.second:02d} GMT"
    )


@given(pairs_of_texts)
def test_queries_are_written_as_the_service_does(pairs: list[tuple[str, str]]) -> None:
    assert canonical_query(pairs) == restated_query(pairs)


@with_both
@given(
    secret=st.text(min_size=1, max_size=20),
    pairs=pairs_of_texts,
    body=st.binary(max_size=60),
    when=moments,
)
def test_a_json_request_has_the_restated_signature(
    sign: Sign, secret: str, pairs: list[tuple[str, str]], body: bytes, when: datetime
) -> None:
    request = sign(
        "POST",
        "https://example.com/solaruser/api/v1/sec/instr/add/OSCP_v20",
        secret=secret,
        when=when,
        params=pairs,
        data=body or None,
        headers={"Content-Type": "application/json"},
    )
    headers = {
        "host": "example.com:443",
        "x-sn-date": restated_date(when),
        "content-type": "application/json",
    }
    if body:
        headers["digest"] = request.headers["Digest"]
    path = "/solaruser/api/v1/sec/instr/add/OSCP_v20"
    assert made_signature(request) == restated_signature(
        secret, ("POST", path, restated_query(pairs)), headers, body, when
    )


@given(pairs_of_texts, pairs_of_texts.filter(bool), moments)
def test_a_form_has_its_fields_signed_after_the_query_and_an_empty_body(
    query: list[tuple[str, str]], fields: list[tuple[str, str]], when: datetime
) -> None:
    request = prepared("POST", "http://example.com/add", when=when, params=query, data=fields)
    assert "Digest" not in request.headers
    headers = {
        "host": "example.com",
        "x-sn-date": restated_date(when),
        "content-type": "application/x-www-form-urlencoded",
    }
    assert made_signature(request) == restated_signature(
        "s", ("POST", "/add", restated_query(query + fields)), headers, b"", when
    )


@pytest.mark.parametrize(
    ("pairs", "query"),
    [
        ([("a", "\U0001f600")], "a=%3F%3F"),
        ([("b", "1"), ("a", "2"), ("b", "0")], "a=2&b=1&b=0"),
        ([("a", ""), ("_", ""), ("Z", "")], "Z=&_=&a="),
        ([("\uffff", ""), ("\U00010000", "")], "%3F%3F=&%EF%BF%BF="),
        ([("a", "x y+z*~")], "a=x%20y%2Bz%2A~"),
        ([("/foo/bar", "bam!"), ("bar.bim[1][blah]", "foo yes!")], None),
        ([("\ud83d", ""), ("a", "\ud83d")], "a=%3F&%3F="),
    ],
    ids=["non-bmp", "stable", "case", "utf-16-order", "reserved", "upstream", "lone"],
)
def test_quirks_of_the_query(pairs: list[tuple[str, str]], query: str | None) -> None:
    expected = "%2Ffoo%2Fbar=bam%21&bar.bim%5B1%5D%5Bblah%5D=foo%20yes%21"
    assert canonical_query(pairs) == (query or expected)


def test_a_key_without_an_equals_sign_has_an_empty_value() -> None:
    bare = prepared("GET", "http://h/p?flag&a=1")
    equal = prepared("GET", "http://h/p?flag=&a=1")
    assert made_signature(bare) == made_signature(equal)


def test_quirks_of_the_headers() -> None:
    headers = [("host", " a   b \t"), ("host", "second"), ("x-sn-date", "d")]
    # What Java does not take for blank stays.
    headers.append(("date", "\x85 d"))
    text = canonical_request("GET", "/", "", headers, ["date"], EMPTY)
    assert text.split("\n")[3] == "date:\x85 d"
    text = canonical_request("GET", "/", "", headers, ["x-sn-date", "Host", "host", "date"], EMPTY)
    assert text.splitlines()[3:-1] == ["Host:", "host:a b", "x-sn-date:d", "Host;host;x-sn-date"]


@with_both
def test_the_path_is_signed_as_it_is_sent(sign: Sign) -> None:
    request = sign("GET", "http://h/a%2fb/\u00e9 c")
    path = str(request.url).removeprefix("http://h")
    assert "%" in path
    headers = {"host": "h", "x-sn-date": restated_date(APRIL)}
    assert made_signature(request) == restated_signature(
        "s", ("GET", path, ""), headers, b"", APRIL
    )


def test_an_address_without_a_path_has_a_slash() -> None:
    auth = SNWS2Auth("t", "s", clock=lambda: APRIL)
    request = auth(requests.Request("GET", "http://h/").prepare())
    bare = requests.Request("GET", "http://h/").prepare()
    bare.url = "http://h"
    assert made_signature(auth(bare)) == made_signature(request)


def test_a_header_of_bytes_is_signed_as_text() -> None:
    texts, octets = (
        prepared("GET", "http://h/", headers={"X-SN-Extra": value}) for value in ("\xe9", b"\xe9")
    )
    assert made_signature(texts) == made_signature(octets)


def test_the_type_of_a_form_may_have_parameters() -> None:
    plain = "application/x-www-form-urlencoded"
    requests_made = [
        prepared("POST", "http://h/", data="a=b", headers=headers)
        for headers in ({"Content-Type": f"{plain} ; charset=utf-8"}, {"Content-Type": plain})
    ]
    assert ["Digest" in each.headers for each in requests_made] == [False, False]


def test_every_header_that_must_be_signed_is() -> None:
    more = {"X-SN-Extra": "1", "Content-MD5": "m", "Content-Type": "text/plain", "X-Other": "o"}
    request = prepared("POST", "http://h/", data="text", headers=more)
    signed = request.headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    assert signed == "content-md5;content-type;digest;host;x-sn-date;x-sn-extra"
    assert {"Authorization", "Digest", "Host", "X-SN-Date"} <= set(request.headers)


@pytest.mark.parametrize("name", ["Digest", "Content-MD5"])
def test_a_form_with_a_digest_is_refused(name: str) -> None:
    refused = f"must not have the header {name}: .* of the body, and refuses$"
    with pytest.raises(ValueError, match=refused):
        prepared("POST", "http://h/", data={"a": "b"}, headers={name: "x"})


def test_a_stream_is_refused() -> None:
    def stream() -> Iterator[bytes]:
        yield b"x"

    with pytest.raises(TypeError, match=r"^SNWS2 signs .*, not a stream$"):
        prepared("POST", "http://h/", data=stream())


@pytest.mark.parametrize("secret", ["hunter2-hunter2", Secret("hunter2-hunter2")])
def test_the_secret_is_never_shown(secret: str | Secret) -> None:
    auth = SNWS2Auth("the-token", secret)
    assert repr(auth).startswith("SNWS2Auth(token='the-token', secret=")
    assert "hunter2" not in repr(auth) + str(auth) + f"{auth}"
    assert "hunter2" not in str(prepared("GET", "http://h/", auth=auth).headers)


def test_the_key_is_derived_once_for_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[date] = []

    def counted(secret: str, day: date) -> bytes:
        derived.append(day)
        return signing_key(secret, day)

    monkeypatch.setattr(snws2, "signing_key", counted)
    late = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
    moments = itertools.chain([late, late], itertools.repeat(late + timedelta(seconds=1)))
    auth = SNWS2Auth("t", "s", clock=lambda: next(moments))
    made = [made_signature(prepared("GET", "http://h/", auth=auth)) for _ in range(4)]
    assert derived == [date(2026, 3, 1), date(2026, 3, 2)]
    assert made[0] == made[1] != made[2] == made[3]


def test_threads_derive_one_key_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = SNWS2Auth("t", "s", clock=lambda: APRIL)
    derived: list[date] = []
    another = threading.Event()

    def counted(secret: str, day: date) -> bytes:
        derived.append(day)
        if len(derived) > 1:
            another.set()
        # Time enough for another thread to come here as well, if it could.
        another.wait(0.1)
        return signing_key(secret, day)

    monkeypatch.setattr(snws2, "signing_key", counted)
    gate = threading.Barrier(8)
    made: list[str] = []

    def sign() -> None:
        gate.wait(10)
        made.append(made_signature(prepared("GET", "http://h/", auth=auth)))

    threads = [threading.Thread(target=sign) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert derived == [APRIL.date()]
    assert len(set(made)) == 1
    assert len(made) == 8


# Over httpx alone.


def test_a_form_of_httpx_has_its_fields_signed() -> None:
    request = sent("POST", "http://example.com/add?b=1", data={"b": "2", "a": " "})
    assert "Digest" not in request.headers
    headers = {
        "host": "example.com",
        "x-sn-date": restated_date(APRIL),
        "content-type": "application/x-www-form-urlencoded",
    }
    query = restated_query([("b", "1"), ("b", "2"), ("a", " ")])
    assert made_signature(request) == restated_signature(
        "s", ("POST", "/add", query), headers, b"", APRIL
    )


def test_of_a_repeated_header_the_first_value_is_signed() -> None:
    request = sent("GET", "http://h/", headers=[("X-SN-Extra", "1"), ("X-SN-Extra", "2")])
    headers = {"host": "h", "x-sn-date": restated_date(APRIL), "x-sn-extra": "1"}
    assert made_signature(request) == restated_signature("s", ("GET", "/", ""), headers, b"", APRIL)


def test_a_stream_is_read_whole_and_signed() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"te"
        yield b"xt"

    async def later() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    async def sent_later() -> httpx.Request:
        auth = SNWS2HttpxAuth("t", "s", clock=lambda: APRIL)
        transport = httpx.MockTransport(lambda _: httpx.Response(204))
        async with httpx.AsyncClient(transport=transport, auth=auth) as client:
            return (await client.post("http://h/", content=later())).request

    whole = sent("POST", "http://h/", content=b"text")
    for request in (sent("POST", "http://h/", content=pieces()), asyncio.run(sent_later())):
        assert request.content == b"text"
        assert request.headers["Digest"] == whole.headers["Digest"]
        assert made_signature(request) == made_signature(whole)


def test_the_service_takes_what_is_signed_and_nobody_sees_the_secret() -> None:
    auth = SNWS2HttpxAuth("rehearsal-token-0001", "rehearsal-secret")
    assert repr(auth).startswith("SNWS2HttpxAuth(token='rehearsal-token-0001', secret=")
    assert "rehearsal-secret" not in repr(auth)
    path = "/solaruser/api/v1/sec/instr"
    wanted = {"nodeIds": "1", "states": "Queuing,Executing", "startDate": "2026-01-02T03:04:05Z"}
    with Simulator() as simulator:
        found = httpx.get(simulator.url + path, params=wanted, auth=auth)
        refused = httpx.get(simulator.url + path, params=wanted)
    assert (found.status_code, refused.status_code) == (200, 401)

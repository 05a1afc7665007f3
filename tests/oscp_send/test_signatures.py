"""The independent verifier: SolarNetwork's own vectors pass (solaruser.md §5.8), others do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from requests import Request

from oscp_send.snws2 import SNWS2Auth, format_date
from oscp_send.testing.signatures import NotVerified, verify_signature
from tests.oscp_send.sender_world import NOW, SECRET
from tests.oscp_send.test_snws2 import DIGEST_U5, KEYS, VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping

# By a token whose id does not matter: of U4 the body is not known.
NAMES = [name for name in VECTORS if name != "U4"]
BEHIND_A_PROXY = {
    "U7": {"x-forwarded-port": "8080"},
    "U8": {"x-forwarded-proto": "https"},
    "U9": {"x-forwarded-port": "8443", "x-forwarded-proto": "https"},
    "U10": {"x-forwarded-port": "80", "x-forwarded-proto": "http"},
}


def vector(name: str) -> dict[str, Any]:
    key, method, path, pairs, headers, names, _, _, signature = VECTORS[name]
    secret, when, _ = KEYS[key]
    dates = {each: format_date(when) for each in ("date", "x-sn-date") if each in names.split(";")}
    credential = f"SNWS2 Credential=t,SignedHeaders={names},Signature={signature}"
    return {
        "method": method,
        "target": f"{path}?{urlencode(pairs)}" if pairs else path,
        "headers": {**headers, **dates, "authorization": credential},
        "body": b'{"hello":"world"}' if name == "U5" else b"",
        "secret": secret,
    }


def verified(headers: Mapping[str, str], **rest: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    return verify_signature(headers=headers.items(), **rest).names


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_verifies(name: str) -> None:
    counting = "host;x-sn-date" if name == "U2-date-besides" else VECTORS[name][5]
    assert ";".join(verified(**vector(name))) == counting


@pytest.mark.parametrize("name", BEHIND_A_PROXY)
def test_a_proxy_may_name_the_port(name: str) -> None:
    request = vector(name)
    headers = {**request.pop("headers"), **BEHIND_A_PROXY[name], "host": "localhost"}
    assert verified(headers, **request)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"authorization": None}, "no Authorization of the scheme SNWS2"),
        ({"authorization": "Basic x"}, "no Authorization of the scheme SNWS2"),
        ({"authorization": "SNWS2 Credential=x"}, "no SignedHeaders"),
        ({"authorization": "SNWS2 Credential=x,SignedHeaders=host,Signature=AB"}, "64 hexadecimal"),
        ({"x-sn-date": "Tue, 25 Apr 2017 14:30:01 GMT"}, "not that of the request as it was sent"),
        ({"x-sn-date": "yesterday"}, "cannot be read"),
        ({"x-sn-other": "1"}, "the header x-sn-other, which is not signed"),
        ({"content-md5": "abc"}, "the header content-md5, which is not signed"),
        ({"digest": f"{DIGEST_U5[:-2]}A="}, "not the sha-256 digest of its body"),
        ({"digest": f"sha-256={'0' * 64}"}, "not the sha-256 digest of its body"),
        ({"digest": "sha-256=\u00e9"}, "not the sha-256 digest of its body"),
        ({"digest": "md5=x"}, "not the md5 digest of its body"),
        ({"host": "other"}, "not that of the request as it was sent"),
    ],
)
def test_it_says_why_not(change: dict[str, str | None], why: str) -> None:
    request = vector("U5")
    headers = {**request.pop("headers"), **change}
    present = {name: value for name, value in headers.items() if value is not None}
    with pytest.raises(NotVerified, match=why):
        verified(present, **request)


@pytest.mark.parametrize(
    ("names", "why"),
    [("content-type;digest;x-sn-date", "host is not"), ("content-type;digest;host", "neither")],
)
def test_what_must_be_signed_is(names: str, why: str) -> None:
    request = vector("U5")
    signed = request["headers"]["authorization"].replace(VECTORS["U5"][5], names)
    with pytest.raises(NotVerified, match=why):
        verified({**request.pop("headers"), "authorization": signed}, **request)


@pytest.mark.parametrize("part", ["method", "target", "secret"])
def test_no_other_request_verifies(part: str) -> None:
    request = vector("U1")
    request[part] += "x"
    with pytest.raises(NotVerified, match="canonical form is\n"):
        verified(**request)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/a%20b/c?q=%2F%26+x&q=1&a=&b", None),
        ("GET", "/a?\u00e9=\u20ac&z=1&A=2", None),
        ("GET", "/a?pair=\U0001f50b", None),
        ("POST", "/a/OSCP%5Fv20", b'{"a":"\xc3\xa9"}'),
        ("POST", "/a?b=2", {"b": "1 2", "a": "\u00e9~*"}),
    ],
)
def test_what_this_project_signs_verifies(method: str, target: str, body: Any) -> None:  # noqa: ANN401 - as requests takes it
    auth = SNWS2Auth("the-token", SECRET, clock=lambda: NOW)
    content_type = {} if isinstance(body, dict) or body is None else {"Content-Type": "text/plain"}
    signed = Request(
        method, f"http://solar.example{target}", data=body, auth=auth, headers=content_type
    ).prepare()
    headers = {"host": "solar.example", **signed.headers}
    text = signed.body or b""
    raw = text.encode() if isinstance(text, str) else bytes(text)
    found = verify_signature(method, signed.path_url, headers.items(), raw, SECRET)
    assert found.token == "the-token"

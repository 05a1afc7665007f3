import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.http import Request
from oscp_sim.redaction import (
    Concealed,
    Parts,
    Recorded,
    is_credential,
    redact_form,
    redact_headers,
    writable,
)

SNWS2 = "SNWS2 Credential=a=b;c,SignedHeaders=date;host,Signature="


@pytest.mark.parametrize("name", ["Authorization", "authorization", "Proxy-Authorization"])
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("Token hush", "Token [redacted]"),
        ("token hush", "token [redacted]"),
        ("Bearer hush.hush.hush", "Bearer [redacted]"),
        ("Basic aHVzaA==", "Basic [redacted]"),
        ("SolarNetworkWS id:hush=", "SolarNetworkWS [redacted]"),
        (f"{SNWS2}hush", f"{SNWS2}[redacted]"),
        (f"{SNWS2}hush=hush", f"{SNWS2}[redacted]"),
        ("SNWS2 Signature=hush,Credential=a", "SNWS2 Signature=[redacted],Credential=a"),
        ("SNWS2 Credential=a, Signature=hush", "SNWS2 Credential=a, Signature=[redacted]"),
        ("SNWS2 credential=hush,hush", "SNWS2 credential=[redacted],[redacted]"),
        ("hush", "[redacted]"),
        ("", "[redacted]"),
    ],
)
def test_credentials_are_taken_out(name: str, value: str, kept: str) -> None:
    assert redact_headers([(name, value)]) == ((name, kept),)


@given(st.text(), st.sampled_from(["", "Token ", "Bearer ", SNWS2, "SNWS2 ", "Basic  "]))
def test_no_secret_comes_through_whatever_surrounds_it(around: str, scheme: str) -> None:
    ((_, kept),) = redact_headers([("authorization", f"{scheme}{around}hush-hush")])
    # A text of its own may claim that it is one of the open components.
    assert "hush-hush" not in kept or "Credential=" in around or "SignedHeaders=" in around


def test_other_headers_stay_as_they_are_in_order() -> None:
    headers = (("X-Request-ID", "u4"), ("Accept", "Token x"), ("accept", "b"))
    assert redact_headers(headers) == headers


@given(st.text(st.characters(), max_size=20))
def test_what_is_remembered_can_be_written_as_utf_8(text: str) -> None:
    kept = writable(text)
    assert kept.encode() == text.encode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    "name",
    [
        *("X-Api-Key", "apikey", "X_API_KEY", "X-Auth", "X-Access-Token", "client-SECRET"),
        *("X-Password", "X-Amz-Credential", "Cookie", "Set-Cookie", "X-Authorization"),
    ],
)
@pytest.mark.parametrize(
    "value", ["hush", "Token hush", "a=hush; b=1", "SNWS2 Credential=hush", ""]
)
def test_a_name_that_says_what_it_holds_has_nothing_left(name: str, value: str) -> None:
    for _ in range(2):
        assert redact_headers([(name, value), ("X", "y")]) == ((name, "[redacted]"), ("X", "y"))


@pytest.mark.parametrize(
    "name", ["WWW-Authenticate", "Proxy-Authenticate", "X-Key", "X-Request-ID"]
)
def test_a_name_that_says_nothing_of_it_keeps_its_value(name: str) -> None:
    assert redact_headers([(name, "Basic realm")]) == ((name, "Basic realm"),)


def test_names_are_not_remembered_without_end() -> None:
    redact_headers((f"X-{number}", "") for number in range(3000))
    assert is_credential.cache_info().currsize <= 1024


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("a=1&client_secret=hush&b=", "a=1&client_secret=[redacted]&b="),
        ("client%5Fsecret=hush", "client_secret=[redacted]"),
        ("%63lient_secre%74=hush%26&a=%2f", "client_secret=[redacted]&a=%2f"),
        (
            "CLIENT_SECRET=hush&client_secret=hush",
            "CLIENT_SECRET=[redacted]&client_secret=[redacted]",
        ),
        ("client_id=a+b&grant_type=token", "client_id=a+b&grant_type=token"),
        ('{"token":"a=b"}', '{"token":"a=b"}'),
        ("%ff=a&token", "%ff=a&token"),
        ("", ""),
    ],
)
def test_a_form_is_shown_without_its_secrets(form: str, told: str) -> None:
    assert redact_form(form) == told


def test_a_target_is_safe_though_another_thread_makes_the_parts_safe_meanwhile() -> None:
    class Raced(Parts):
        @property
        def request(self) -> Request | None:
            if not recorded.is_read:
                recorded.is_read = True
                assert recorded.parts.is_safe
            return self[0]

    class Record(Recorded):
        is_read = False

    request = Request("GET", "/a?b=hush-hush-hush")
    recorded = Record(Raced(request, None, None, (), {}), Concealed().adding("hush-hush-hush"))
    assert recorded.target == "/a?b=[redacted]"

"""Secrets in bodies and addresses, which the journal is not to remember."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.clock import RealClock
from simulator.journal import Journal, Request, Response
from simulator.redaction import Concealed, redact_text

NAMES = (
    *("token", "oauth-client-secret", "Authorization", "authorization", "Cookie"),
    *("Proxy-Authorization", "Set-Cookie", "OAUTH-CLIENT-SECRET"),
)
HUSH = "hush-hush"
TAKEN_OUT = {
    '{"token":"hush-hush"}': '{"token":"[redacted]"}',
    '{"a":1,"token" :\n "hush-hush","b":2}': '{"a":1,"token" :\n "[redacted]","b":2}',
    r'{"token":"a\"hush-hush"}': '{"token":"[redacted]"}',
    r'{"token":"hush-hush\\"}': '{"token":"[redacted]"}',
    '{"token":"hush-hush': '{"token":"[redacted]"',
    '{"token":"hush-hush\\': '{"token":"[redacted]"',
    '{"token":hush-hush}': '{"token":"[redacted]"}',
    '{"token":["hush-hush"],"b":2}': '{"token":"[redacted]"',
    r'{"t\u006Fke\u006e":"hush-hush"}': r'{"t\u006Fke\u006e":"[redacted]"}',
    '{"a":{"oauth-client-secret":"hush-hush"}}': '{"a":{"oauth-client-secret":"[redacted]"}}',
    "a=1&oauth-client-secret=hush-hush&b=2": "a=1&oauth-client-secret=[redacted]&b=2",
    "http://me:hush-hush@host/": "http://[redacted]@host/",
    r'"http:\/\/me:hush-hush@host"': r'"http:\/\/[redacted]@host"',
    '"{""token"":""hush-hush"",""b"":2}"': '"{""token"":""[redacted]"",""b"":2}"',
    "<token>hush-hush</token><b>2</b>": "<token>[redacted]</token><b>2</b>",
    "<a><Cookie><item>hush-hush</item></Cookie></a>": "<a><Cookie>[redacted]</Cookie></a>",
    "<token>hush-hush": "<token>[redacted]",
}


@pytest.mark.parametrize("text", TAKEN_OUT)
def test_what_is_taken_out(text: str) -> None:
    assert redact_text(text) == TAKEN_OUT[text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"tokens":"a"}',
        '{"a":"token"}',
        '["token","b"]',
        '{"a token":"b"}',
        '{"msg":"{\\"group_id\\":\\"depot-a\\"}"}',
        "token=a",
        "http://host/a:b@c",
        "me@host",
        "<tokens>a</tokens>",
    ],
)
def test_what_stays(text: str) -> None:
    assert redact_text(text) == text


SECRETS = st.sampled_from([HUSH, None, 7, f'"{HUSH}', f"{HUSH}\\", f"a, {HUSH}", f"{{{HUSH}"])


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(("a", *NAMES)),
        st.one_of(
            SECRETS,
            st.lists(SECRETS, max_size=2),
            st.dictionaries(st.sampled_from(NAMES), SECRETS, max_size=2),
        ),
    ),
    st.integers(0, 60),
    st.booleans(),
)
@example({"token": HUSH}, 15, False)
def test_no_json_however_cut_shows_a_secret(value: dict[str, Any], cut: int, escape: bool) -> None:
    """Only what stands under no secret name may still be there."""
    text = json.dumps(_with_secrets(value), ensure_ascii=escape)
    assert HUSH not in redact_text(text[: len(text) - cut])


def _with_secrets(value: dict[str, Any]) -> dict[str, Any]:
    named = {name: each if name in NAMES else 0 for name, each in value.items()}
    return named | {"oauth-client-secret": HUSH}


@settings(deadline=None)
@given(st.text(), st.text())
def test_it_is_the_same_twice(before: str, after: str) -> None:
    once = redact_text(f'{before}{{"token":"hush-hush"}}{after}')
    assert redact_text(once) == once


@pytest.mark.parametrize(
    "unit",
    [
        '"',
        '"token"',
        '"token":"',
        '"token":"\\',
        '""token"":""',
        "<token>",
        "://a:",
        "a:",
        "\\u0074",
    ],
)
def test_a_long_text_takes_no_longer_than_it_is(unit: str) -> None:
    """A quarter of a million characters end in good time, or this test never does."""
    text = f'"":</@://{unit * (250_000 // len(unit))}'
    assert redact_text(text)


class TestConcealed:
    TOKEN = "aB3+/" * 12 + "aB3+"

    def test_it_is_replaced_wherever_it_stands(self) -> None:
        concealed = Concealed()
        concealed.add(self.TOKEN)
        assert (
            concealed.redact(f"x@{self.TOKEN}gtoken,{self.TOKEN}")
            == "x@[redacted]gtoken,[redacted]"
        )

    def test_another_of_its_kind_stays(self) -> None:
        concealed = Concealed()
        text = "f" * 64
        assert concealed.redact(text) == text
        concealed.add(self.TOKEN)
        assert concealed.redact(text) == text

    def test_the_journal_conceals(self) -> None:
        journal = Journal(RealClock())
        journal.conceal(self.TOKEN)
        entry = journal.append(
            "solaruser",
            "exchange",
            request=Request("POST", f"/a?b={self.TOKEN}", (), self.TOKEN),
            response=Response(200, (), f"<a>{self.TOKEN}</a>"),
            reason=self.TOKEN,
        )
        assert self.TOKEN not in repr(entry)
        assert repr(entry).count("[redacted]") == 4

    def test_the_journal_redacts_addresses(self) -> None:
        journal = Journal(RealClock())
        entry = journal.append(
            "flexibility_provider",
            "exchange",
            request=Request("POST", "http://me:hush-hush@host/"),
            reason='I/O error on POST request for "http://me:hush-hush@host/"',
        )
        assert HUSH not in repr(entry)

"""Secrets in bodies and addresses, which the journal is not to remember."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oscp_sim import Simulator
from oscp_sim.clock import RealClock
from oscp_sim.http import Request, Response
from oscp_sim.journal import Journal
from oscp_sim.redaction import Concealed, redact_text
from tests.oscp_sim.peers import provider, world

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
    '"{""token"":""hush-hush': '"{""token"":""[redacted]""',
    r'"{""token"":""a\""hush-hush\""",b': r'"{""token"":""[redacted]"",b',
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
    """Only what has no secret name may still be there."""
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


KNOWN_BY_FORM = ["eyJhbGci." + "eyJzdWIi" * 400 + ".c2lnbmF0", "somebody:hush-hush-hush"]
CONCEALED = ["aB3+/" * 12 + "aB3+", "my client secret", 'a"b\\cd/e\u00e9+f']
CONCEALED += ["0123456789abcdef" * 3000]


class TestLongTexts:
    @staticmethod
    def shown(body: str, *secrets: str) -> str:
        journal = Journal(RealClock())
        for each in ("cp-token", *secrets):
            journal.conceal(each)
        request = Request("POST", "/", (), body.encode())
        entry = journal.append("solaruser", "exchange", request=request)
        assert entry.request is not None
        return entry.request.text

    def test_they_are_shown_to_a_million_characters(self) -> None:
        assert self.shown("x " * 500_000) == "x " * 500_000
        told = self.shown("x " * 1_000_000)
        assert told.startswith("x x ")
        assert told.endswith(" x  [and 1,000,000 more characters]")
        assert self.shown("x" * 1_000_001) == "x" * 1_000_000 + " [and 1 more characters]"

    @pytest.mark.parametrize("secret", ['{"token":"%s"}', "<token>%s</token>", "x %s x"])
    def test_they_end_with_no_half_of_a_secret(self, secret: str) -> None:
        text = secret % "cp-token"
        for before in range(999_985, 1_000_001, 5):
            assert "cp" not in self.shown("x" * before + text + "x " * 3000)

    @settings(max_examples=20, deadline=None)
    # Without the secret, most of what is behind it is shown.
    @example(which=3, unit="x", behind=30_014, is_across=True)
    @given(
        # By its number: no report is to show one of 48,000 characters.
        which=st.sampled_from(range(len(CONCEALED + KNOWN_BY_FORM))),
        unit=st.sampled_from(("a=1&", "x ", "<a/>", "x", '{"a":"b"},', "1,\n")),
        behind=st.integers(0, 40_000),
        is_across=st.booleans(),
    )
    def test_wherever_a_secret_lies_no_part_of_it_is_shown(
        self, which: int, unit: str, behind: int, is_across: bool
    ) -> None:
        """Also where it lies across the last character that is shown, or looked through."""
        secret = (CONCEALED + KNOWN_BY_FORM)[which]
        before = 1_000_000 - behind % len(secret) if is_across else 980_000 + behind
        around = unit * (before // len(unit))
        text = f"{around.ljust(before - 3, '=')}://{secret}@{unit * 80_000}"
        shown = self.shown(text, *{secret}.difference(KNOWN_BY_FORM))[900_000:]
        parts = {secret[at : at + 8] for at in range(len(secret) - 7)}
        assert not any(each in shown for each in parts)
        assert " more characters]" in shown


class TestConcealed:
    TOKEN = "aB3+/" * 12 + "aB3+"

    def test_it_is_replaced_everywhere(self) -> None:
        concealed = Concealed().adding(self.TOKEN)
        assert (
            concealed.redact(f"x@{self.TOKEN}gtoken,{self.TOKEN}")
            == "x@[redacted]gtoken,[redacted]"
        )
        path = f"/a/{self.TOKEN}/{'b' * 64}{self.TOKEN}b"
        assert concealed.redact(path) == f"/a/[redacted]/{'b' * 64}[redacted]b"

    def test_another_of_its_kind_stays(self) -> None:
        concealed = Concealed()
        text = "f" * 64
        assert concealed.redact(text) == text
        assert concealed.adding(self.TOKEN).redact(text) == text

    def test_the_journal_conceals(self) -> None:
        journal = Journal(RealClock())
        journal.conceal(self.TOKEN)
        entry = journal.append(
            "solaruser",
            "exchange",
            request=Request("POST", f"/a?b={self.TOKEN}", (), self.TOKEN.encode()),
            response=Response(200, (), f"<a>{self.TOKEN}</a>".encode()),
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


def spelled(secret: str) -> str:
    """Return a secret as JSON in JSON has it."""
    return json.dumps(json.dumps(secret)[1:-1])[1:-1]


class TestTokensOfAnotherForm:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("cp-token", "[redacted]"),
            ('no "Token cp-token" here', 'no "Token [redacted]" here'),
            ("cp-token,cp-token.", "[redacted],[redacted]."),
            (r'{"why":"no:\ncp-token"}', r'{"why":"no:\n[redacted]"}'),
            (r"\u0022cp-token\u0022", r"\u0022[redacted]\u0022"),
            ("a=%20cp-token%20", "a=%20[redacted]%20"),
            ("cp-token-3", "cp-token-3"),
            ("cp-tokens and my-cp-token and scp-token", "cp-tokens and my-cp-token and scp-token"),
            ("CP-TOKEN", "CP-TOKEN"),
        ],
    )
    def test_one_is_replaced_where_it_is_not_part_of_a_word(self, text: str, told: str) -> None:
        concealed = Concealed().adding("cp-token")
        assert concealed.redact(text) == told

    def test_the_longest_is_replaced_first(self) -> None:
        concealed = Concealed()
        for token in ("hush+hush", "hush+hush+hush"):
            concealed = concealed.adding(token)
        assert concealed.redact("hush+hush+hush hush+hush") == "[redacted] [redacted]"

    @pytest.mark.parametrize(
        "spelled", [r"a\"b\\cd/e\u00e9+f", r"a\"b\\cd\/eé+f", "a%22b%5Ccd%2Fe%C3%A9%2Bf"]
    )
    def test_it_is_known_in_any_spelling(self, spelled: str) -> None:
        concealed = Concealed().adding('a"b\\cd/eé+f')
        assert concealed.redact(f"({spelled})") == "([redacted])"

    @pytest.mark.parametrize(
        "unit", ["\\", '"', "\\/", '\\"', "\\\n", "\\é", "/", "&", "%", " ", "+"]
    )
    def test_what_nearly_is_one_takes_no_longer(self, unit: str) -> None:
        secret, nearly = unit * 40, unit * 39
        concealed, began = Concealed().adding(secret), time.process_time()
        assert concealed.redact(nearly) == nearly
        assert time.process_time() - began < 1
        in_json = json.dumps(json.dumps(secret))
        assert spelled(secret) in in_json
        assert spelled(secret) not in concealed.redact(in_json)

    def test_a_long_one_is_replaced_within_words_too(self) -> None:
        concealed = Concealed().adding("0123456789abcdef" * 2)
        assert concealed.redact("x" + "0123456789abcdef" * 2 + "y") == "x[redacted]y"

    def test_a_shorter_one_stays(self) -> None:
        concealed = Concealed().adding("Token-7")
        assert concealed.redact("Token-7") == "Token-7"

    def test_many_at_once_are_all_concealed(self) -> None:
        journal = Journal(RealClock())
        tokens = [f"token-of-{number}" for number in range(200)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(journal.conceal, tokens))
        entry = journal.append("solaruser", "note", detail={"why": " ".join(tokens)})
        assert entry.detail["why"] == " ".join(["[redacted]"] * 200)

    def test_an_entry_shows_what_was_no_secret_when_it_was_written(self) -> None:
        journal = Journal(RealClock())
        before = journal.append("solaruser", "note", detail={"why": "cp-token"})
        journal.conceal("cp-token")
        after = journal.append("solaruser", "note", detail={"why": "cp-token"})
        assert [each.detail["why"] for each in (before, after)] == ["cp-token", "[redacted]"]

    @pytest.mark.parametrize("kind", ["body", "reason", "detail"])
    def test_a_simulator_conceals_those_of_its_world(self, kind: str) -> None:
        of = {
            "token": "cp-token",
            "flexibility_provider_token": "fp-token-of-3",
            "service_props": {"oauth-client-secret": "hush-secret", "oauth-client-id": "a"},
        }
        with Simulator(world([provider(3, **of)])) as simulator:
            quoted = "cp-token fp-token-of-3 hush-secret"
            entry = simulator.journal.append(
                "capacity_provider",
                "exchange",
                request=Request("POST", "/", (), quoted.encode() if kind == "body" else b""),
                reason=quoted if kind == "reason" else None,
                detail={"why": quoted if kind == "detail" else ""},
            )
        assert repr(entry).count("[redacted]") == 3

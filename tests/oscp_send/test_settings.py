"""Settings: which source wins, and what is said when one is missing or misspelt."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest

from oscp_send.errors import SettingsError
from oscp_send.settings import Secret, Settings, base_url, checked_secret, load_settings

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "hunter2-hunter2"
FILE = f'url = "https://file.example"\ntoken = "file-token"\nsecret = "{HIDDEN}"\n'
ENVIRON = {
    "OSCP_SEND_URL": "https://env.example",
    "OSCP_SEND_TOKEN": "env-token",
    "OSCP_SEND_SECRET": "env-secret",
}


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ENVIRON:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_arguments_alone_are_enough() -> None:
    settings = load_settings(url="https://a.example", token="t", secret="s", co_id=7, environ={})
    assert settings == Settings("https://a.example", "t", Secret("s"), co_id="7")


def test_an_argument_wins_over_the_environment_and_that_over_the_file(
    working_directory: Path,
) -> None:
    (working_directory / "oscp-send.toml").write_text(FILE, encoding="utf-8")
    environ = ENVIRON | {"OSCP_SEND_SECRET": ""}
    settings = load_settings(url="https://a.example", environ=environ)
    assert settings.url == "https://a.example"
    assert settings.token == "env-token"
    assert settings.secret.reveal() == HIDDEN


def test_the_processs_environment_is_used_unless_another_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert load_settings().url == "https://env.example"


def test_a_file_may_hold_where_messages_go(working_directory: Path) -> None:
    path = working_directory / "mine.toml"
    more = 'node_id = 101\nco_id = 7\ncg_identifier = "depot-a"\n'
    path.write_text(FILE + more, encoding="utf-8")
    settings = load_settings(file=path, environ={})
    assert (settings.node_id, settings.co_id, settings.cg_identifier) == (101, "7", "depot-a")


def test_the_secret_is_in_no_repr() -> None:
    settings = load_settings(url="https://a.example", token="t", secret=HIDDEN, environ={})
    assert "hunter2" not in repr(settings) + str(settings)


@pytest.mark.parametrize("missing", ["url", "token", "secret"])
def test_a_missing_setting_is_named_with_the_ways_to_give_it(missing: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if not name.endswith(missing.upper())}
    with pytest.raises(SettingsError) as caught:
        load_settings(environ=environ)
    said = str(caught.value)
    assert said.startswith(f"no {missing}:")
    assert f"OSCP_SEND_{missing.upper()}" in said
    assert "oscp-send.toml" in said


FILES = {
    "syntax": (FILE + "node_id = \n", r"mine\.toml:4:11: it is not TOML"),
    "syntax-of-secret": ('secret = "hunter2\n', r"mine\.toml:1:18"),
    "unquoted-secret": ("secret = hunter2\n", r"mine\.toml:1:10"),
    "long-number": (FILE + f"node_id = {'9' * 5000}\n", r"mine\.toml: a number in it is too long"),
    "deep": (FILE + "node_id = " + "[" * 5000, r"mine\.toml: its lists or tables are nested too"),
    "misspelt": (FILE + 'tokn = "x"\n', "unknown key 'tokn'; did you mean token"),
    "dashed": (FILE + "node-id = 1\n", "did you mean node_id"),
    "unknown": (FILE + "colour = 1\n", "known ones are url, token"),
    "text-node": (FILE + 'node_id = "1"\n', "node_id must be a whole number"),
    "boolean-node": (FILE + "node_id = true\n", "node_id must be a whole number"),
    "number-token": ('token = 1\nurl = "x"\n', "token must be a text"),
    "table": ("[secret]\nx = 1\n", "secret must be a text"),
    "boolean-optimizer": (FILE + "co_id = true\n", "co_id must be a text"),
}


@pytest.mark.parametrize(("text", "words"), FILES.values(), ids=FILES)
def test_a_faulty_file_is_named_with_the_place(
    working_directory: Path, text: str, words: str
) -> None:
    path = working_directory / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=words) as caught:
        load_settings(file=path, environ={})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert str(path) in str(caught.value)


def test_a_file_that_was_named_must_be_there_and_readable(working_directory: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load_settings(file=working_directory / "none.toml", environ=ENVIRON)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(file=working_directory, environ=ENVIRON)
    (working_directory / "latin.toml").write_bytes(b'token = "\xff"')
    with pytest.raises(SettingsError, match="not UTF-8 from byte 9"):
        load_settings(file=working_directory / "latin.toml", environ=ENVIRON)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://data.solarnetwork.net", "https://data.solarnetwork.net"),
        ("https://data.solarnetwork.net/", "https://data.solarnetwork.net"),
        ("https://data.solarnetwork.net/solaruser", "https://data.solarnetwork.net"),
        ("https://data.solarnetwork.net/solaruser/", "https://data.solarnetwork.net"),
        ("HTTP://127.0.0.1:8920", "http://127.0.0.1:8920"),
        ("http://[::1]:8920/", "http://[::1]:8920"),
        (" https://h\n", "https://h"),
    ],
)
def test_base_urls(given: str, url: str) -> None:
    assert base_url(given) == url


@pytest.mark.parametrize(
    "given",
    [
        "",
        "data.solarnetwork.net",
        "ftp://h",
        "https://",
        "https://h/solaruser/api/v1/sec/instr",
        "https://h?x=1",
        "https://h#x",
        "https://h:99999",
        "https://h:x",
        "https://h:0",
        "https://[::1",
    ],
)
def test_what_is_not_a_base_url_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match=r"^url: "):
        base_url(given)


def test_credentials_in_a_url_are_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        base_url("https://me:hunter2@h")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "a,b", "a b", "a\n", "\u00fc"])
def test_a_token_that_no_header_can_carry_is_refused_unseen(token: str) -> None:
    with pytest.raises(SettingsError, match=r"^token: |^no token"):
        load_settings(url="https://h", token=token, secret="s", environ={})


@pytest.mark.parametrize("secret", ["", " s", "s\n", "\ts"])
def test_a_secret_with_white_space_around_it_is_refused(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"^secret: "):
        load_settings(url="https://h", token="t", secret=secret, environ={})


def test_a_secret_of_undecodable_bytes_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError, match="not text in UTF-8") as caught:
        checked_secret("hidden\udcff")
    assert "hidden" not in str(caught.value)


def test_a_host_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(SettingsError, match="not ASCII"):
        base_url("http://\xff")


# Secrets: kept, compared, and never shown.

SECRET = "hunter2-\u00fc"


def test_a_secret_is_revealed_only_on_request() -> None:
    secret = Secret(SECRET)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", "%s" % secret]  # noqa: UP031 - one more way to show it
    assert not any("hunter2" in text for text in shown)
    assert secret.reveal() == SECRET
    assert Secret(secret).reveal() == SECRET


def test_secrets_are_compared_by_their_text() -> None:
    assert Secret(SECRET) == Secret(SECRET)
    assert Secret(SECRET) != Secret("other")
    assert Secret(SECRET) != SECRET
    assert len({Secret(SECRET), Secret(SECRET)}) == 1


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(SECRET))
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(Secret(SECRET))

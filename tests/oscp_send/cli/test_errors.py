"""Every error is printed in its own words, and ends with a code that a script can act on."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from oscp_send import errors
from oscp_send.cli.main import count, main, printable, printable_lines
from oscp_send.instruction import Instruction, InstructionState, InstructionStatus
from tests.cases.payloads import forecast
from tests.oscp_send.cli.given import ACTION
from tests.oscp_send.sender_world import BASE

if TYPE_CHECKING:
    from tests.oscp_send.cli.given import Cli, Write

WHAT = Instruction("OSCP_v20", 1, (("msg", "{}"),))
SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATUS = InstructionStatus(5, 1, "OSCP_v20", InstructionState.DECLINED)


class _Unforeseen(errors.OscpSendError):
    pass


CODES: dict[str, tuple[errors.OscpSendError, int]] = {
    "SettingsError": (errors.SettingsError("x"), 2),
    "InvalidValue": (errors.InvalidValue("/a", "x"), 2),
    "InvalidMessage": (errors.InvalidMessage("Handshake", "x"), 1),
    "InstructionDeclined": (errors.InstructionDeclined(STATUS, "x"), 1),
    "Refused": (errors.Refused(422, "x"), 1),
    "NotAuthorised": (errors.NotAuthorised(401, "x"), 1),
    "RateLimited": (errors.RateLimited(429, "x"), 1),
    "DeadlinePassed": (errors.DeadlinePassed(5, 60), 1),
    "Unreachable": (errors.Unreachable("x"), 3),
    "NotUnderstood": (errors.NotUnderstood(200, "x"), 3),
    "PossiblySent": (errors.PossiblySent(WHAT, SINCE, "x"), 4),
    "unforeseen": (_Unforeseen("x"), 3),
}


@pytest.mark.parametrize(("error", "code"), CODES.values(), ids=CODES)
def test_each_error_has_its_code_and_its_text(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: errors.OscpSendError, code: int
) -> None:
    def fail(*_: Any) -> None:  # noqa: ANN401 - of any call
        raise error

    monkeypatch.setattr("oscp_send.cli.options.Connection.settings", fail)
    result = cli("view", 5)
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == f"{error}\n"


def test_every_error_of_the_sender_has_a_row() -> None:
    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert classes - {"OscpSendError"} == set(CODES) - {"unforeseen"}


def test_the_command_that_a_lost_request_names_can_be_given(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = str(errors.PossiblySent(WHAT, SINCE, "x"))
    command = text.rpartition("oscp-send ")[2].split()
    monkeypatch.setenv("OSCP_SEND_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OSCP_SEND_TOKEN", "t")
    monkeypatch.setenv("OSCP_SEND_SECRET", "s")
    assert cli(*command).exit_code == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("chekc", "No such command 'chekc'. (Did you mean 'check'?)"),
        ("Send", "No such command 'Send'. (Did you mean 'send'?)"),
        ("deliver", "No such command 'deliver'."),
    ],
)
def test_an_unknown_command_is_wrong_usage(cli: Cli, given: str, said: str) -> None:
    result = cli(given)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"\n\nError: {said}\n")


def test_no_command_shows_what_there_is(cli: Cli) -> None:
    for name in ("check", "send", "view", "list", "chunks", "curl", "schema"):
        assert f"\n  {name} " in cli("--help").stdout
    assert "Exits with 0" in cli("--help").stdout


def test_the_version_is_shown(cli: Cli) -> None:
    assert cli("--version").stdout.startswith("oscp-send, version ")


@pytest.mark.parametrize("command", ["check", "send", "view", "list", "chunks", "curl", "schema"])
def test_every_command_explains_itself(cli: Cli, command: str) -> None:
    result = cli(command, "-h")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {command} ")


def test_what_an_encoding_lacks_is_escaped(write: Write) -> None:
    file = write("f.json", forecast(**{"caf\u00e9\U0001f600": 1}))
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "oscp_send", "check", file, "--action", ACTION],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0
    assert b'"caf\\xe9\\U0001f600" is not an OSCP 2.0 property' in done.stdout
    assert done.stderr == b""


def test_a_reader_that_goes_away_is_no_traceback(write: Write) -> None:
    file = write("f.json", forecast(**{f"x{number}": 1 for number in range(5000)}))
    command = f"{sys.executable} -m oscp_send check {file} --action {ACTION} | head -n 1"
    done = subprocess.run(  # noqa: S602 - our own command, made for a shell
        command, shell=True, capture_output=True, text=True, check=False
    )
    assert re.fullmatch(r"f\.json: SolarUser would queue it \(\d+ parts\)\n", done.stdout)
    assert done.stderr == ""


def test_an_interruption_is_no_traceback(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:  # noqa: ANN401 - of any call
        raise KeyboardInterrupt

    monkeypatch.setattr("oscp_send.cli.options.Connection.settings", interrupt)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    result = CliRunner().invoke(main, ["view", "5", "--url", BASE])
    assert (result.exit_code, result.output) == (130, "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\u00e9 \U0001f600", "caf\u00e9 \U0001f600"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\u202e\ud83d\x00", r"\u202e\ud83d\x00"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable_lines(f"{text}\n".replace("a\nb", "ab")).endswith("\n")


def test_count() -> None:
    assert [count(number, "part") for number in (0, 1, 2)] == ["0 parts", "1 part", "2 parts"]


def test_a_stream_that_cannot_be_changed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        main(["schema", "Handshake"])
    assert ended.value.code == 0
    assert isinstance(sys.stdout, io.StringIO)
    assert '"title": "Handshake"' in sys.stdout.getvalue()

"""What happens, line by line as it does: `serve --follow` and `oscp-sim watch`."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from contextlib import closing, suppress
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from oscp_send import InstructionDeclined, SolarUserClient
from oscp_sim import Simulator
from oscp_sim.authority import Authority
from oscp_sim.cli.main import main
from oscp_sim.clock import FrozenClock
from oscp_sim.http import respond
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.scenario.live import Live, live
from oscp_sim.server import Server
from tests.oscp_sim.rig import NOW, SECRET, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from oscp_sim.entry import Entry


def send(simulator: Simulator, optimizer: int = 1, secret: str = SECRET) -> None:
    client = SolarUserClient(
        IN_PROCESS_URL, TOKEN, secret, session=simulator.session(), clock=simulator.clock.now
    )
    sent = client.send(
        "Handshake",
        '{"required_behaviour":{"measurement_configuration":[]}}',
        node_id=1,
        co_id=optimizer,
        cg_identifier="foo-group",
    )
    simulator.clock.advance(5)
    client.wait(sent, timeout=5)


def told(entries: Iterable[Entry], *, is_brief: bool = False, one_by_one: bool = True) -> str:
    out = StringIO()
    shown = Live(out, colours="never", is_brief=is_brief)
    if one_by_one:
        for entry in entries:
            shown.tell([entry])
    else:
        shown.tell(entries)
    return out.getvalue()


def arrows(text: str) -> list[str]:
    return re.findall(r"^ *\d+  [\d:.]+  (\S.*? -> .*?)  ", text, re.MULTILINE)


def test_each_exchange_is_told_once_with_its_number(simulator: Simulator) -> None:
    send(simulator)
    text = told(simulator.journal.entries())
    assert text == told(simulator.journal.entries(), one_by_one=False)
    assert arrows(text) == ["SolarUser -> FP", "CO -> SolarUser", "FP -> CP 3", "CP 3 -> FP"]
    numbers = {int(each) for each in re.findall(r"^ *(\d+)  ", text, re.MULTILINE)}
    assert numbers <= {each.number for each in simulator.journal.entries()}
    assert "instruction 1 is Completed" in text
    assert "X-Request-ID" in text
    # How it was looked at is of no interest.
    assert "/view" not in text


def test_brief_is_a_line_an_exchange(simulator: Simulator) -> None:
    send(simulator)
    with pytest.raises(InstructionDeclined):
        send(simulator, optimizer=7)
    day, *lines = told(simulator.journal.entries(), is_brief=True).splitlines()
    assert day == f"{NOW:%Y-%m-%d}"
    assert len(lines) == len(arrows("\n".join(lines))) + 1
    [declined] = [line for line in lines if " -> " not in line]
    assert declined.endswith("instruction 2 is Declined: Unknown capacity optimizer")


def test_a_look_that_is_refused_is_told(simulator: Simulator) -> None:
    client = SolarUserClient(
        IN_PROCESS_URL,
        TOKEN,
        "wrong-secret",
        session=simulator.session(),
        clock=simulator.clock.now,
    )
    with pytest.raises(Exception, match="authorise"):
        client.view(1)
    assert "GET  /solaruser/api/v1/sec/instr/view" in told(simulator.journal.entries())


def test_what_the_other_side_adds_is_below_the_number(simulator: Simulator) -> None:
    simulator.faults.add(
        where="capacity_provider", fault="reset_after", action="Handshake", times=1
    )
    with pytest.raises(InstructionDeclined):
        send(simulator)
    text = told(simulator.journal.entries())
    [first] = simulator.journal.entries(party="capacity_provider", kind="exchange", sent=False)
    added = "note: answered with 204, which its sender did not see"
    assert re.search(rf"^ +{first.number}:  {added}$", text, re.MULTILINE)


def test_colours_are_those_of_the_outcome(simulator: Simulator) -> None:
    with pytest.raises(InstructionDeclined):
        send(simulator, optimizer=7)
    out = StringIO()
    Live(out, colours="always").tell(simulator.journal.entries())
    assert "\x1b[32m200\x1b[0m" in out.getvalue()
    assert "\x1b[31mSolarUser           instruction" not in out.getvalue()
    assert re.search(r"\x1b\[31m[^\x1b]*instruction 1 is Declined", out.getvalue())


def test_what_was_forgotten_meanwhile_is_said(simulator: Simulator) -> None:
    send(simulator)
    entries = simulator.journal.entries()
    text = told([*entries[:1], *entries[4:]])
    assert "      3 entries were forgotten meanwhile\n" in text


def test_a_message_cannot_move_the_cursor(simulator: Simulator) -> None:
    simulator.provider(3).post("GroupCapacityComplianceError", {"message": "\x1b]0;x\x07\x1b[2J"})
    assert "\x1b" not in told(simulator.journal.entries())


def test_a_thread_tells_all_until_the_end(simulator: Simulator) -> None:
    seen: list[Entry] = []
    with live(simulator.journal, seen.extend):
        send(simulator)
    assert seen == list(simulator.journal.entries())


def test_a_stream_that_is_closed_ends_the_telling(simulator: Simulator) -> None:
    tried = threading.Event()

    def gone(_: object) -> None:
        tried.set()
        raise BrokenPipeError

    with live(simulator.journal, gone):
        send(simulator)
        assert tried.wait(10)
        tried.clear()
        send(simulator)
    assert not tried.is_set()


# The commands.


def test_watch_shows_what_happens_until_the_simulator_ends() -> None:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        command = [sys.executable, "-m", "oscp_sim", "watch", simulator.url, "--from-start"]
        send(simulator)
        with subprocess.Popen(  # noqa: S603 - ours
            command, stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE
        ) as watch:
            assert watch.stdout
            assert watch.stdout.readline() == f"{NOW:%Y-%m-%d}\n"
            send(simulator)
            simulator.provider(3).register()
            lines: list[str] = []
            while " a token, and " not in (lines[-1:] or [""])[0]:
                lines.append(watch.stdout.readline())
            # Within the simulator it is elsewhere.
            assert lines[-1].endswith(f" 2.0 at {simulator.url}/oscp/cp/2.0\n")
            simulator.close()
            said = None
            while said is None:
                # So that an answer that is awaited ends, too, whenever that began.
                simulator.journal.append("solaruser", "note")
                with suppress(subprocess.TimeoutExpired):
                    _, said = watch.communicate(timeout=0.2)
        assert (watch.returncode, said) == (0, "the simulator has ended\n")
        assert arrows("".join(lines))[:3] == ["SolarUser -> FP", "CO -> SolarUser", "FP -> CP 3"]


def test_watch_without_a_simulator() -> None:
    done = CliRunner().invoke(main, ["watch", "http://127.0.0.1:1"])
    assert done.exit_code == 3
    assert done.stderr.startswith("oscp-sim watch: there is no simulator at http://127.0.0.1:1")


@pytest.mark.parametrize(
    "url", ["x", "ftp://127.0.0.1:1", "http://[::1", "http://127.0.0.1:99999", "127.0.0.1:8920"]
)
def test_what_is_no_address_is_an_error_of_its_own(url: str) -> None:
    for command in (["watch", url], ["forecast", "3", "-", "--url", url]):
        done = CliRunner().invoke(main, command, input=b"a")
        said = f"oscp-sim {command[0]}: {url} is not the address of a simulator: write it as "
        assert (done.exit_code, done.stderr) == (2, f"{said}http://127.0.0.1:8920\n")


def test_watch_below_the_address_of_a_simulator() -> None:
    with Simulator() as simulator:
        done = CliRunner().invoke(main, ["watch", f"{simulator.url}/else"])
    said = "oscp-sim watch: there is no journal at http://127.0.0.1:"
    assert done.exit_code == 3
    assert done.stderr.startswith(said)
    assert done.stderr.endswith("; start one with oscp-sim serve, or say where it is\n")


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b"not JSON"])
def test_what_is_not_a_simulator_is_said_to_be_none(body: bytes) -> None:
    with closing(Server(lambda _: respond(200, body, "application/json"))) as server:
        for command in (["watch", server.url], ["forecast", "3", "-", "--url", server.url]):
            done = CliRunner().invoke(main, command, input=b"a")
            assert (done.exit_code, done.stderr.count("\n")) == (3, 1)
            assert "a simulator" in done.stderr


def test_a_simulator_that_speaks_tls_is_trusted_as_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(())
    (tmp_path / "ca.pem").write_text(authority.certificate)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    table = b"start,end,capacity\n2026-05-04T16:00:00Z,2026-05-04T16:30:00Z,50\n"
    with (
        Simulator() as simulator,
        closing(Server(simulator.handle, tls=authority.context)) as server,
    ):
        command = ["forecast", "3", "-", "--url", server.url]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
        assert CliRunner().invoke(main, command, input=table).exit_code == 3
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert CliRunner().invoke(main, command, input=table).exit_code == 0


def test_watch_needs_the_control_token() -> None:
    with Simulator(control_token="let-me") as simulator:
        done = CliRunner().invoke(main, ["watch", simulator.url])
        assert (done.exit_code, "show the control token" in done.stderr) == (2, True)

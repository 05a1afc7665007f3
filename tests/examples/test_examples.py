"""Every snippet of the documentation is tried: Python is a file here, YAML loads, commands run."""

from __future__ import annotations

import asyncio
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import indent

import pytest
import trustme
from click.testing import CliRunner

import oscp_send.testing
from oscp_send import AdjustGroupCapacityForecast, InvalidMessage
from oscp_sim import Simulator, load_world
from oscp_sim.cli.main import main
from oscp_sim.faults import load_faults
from oscp_sim.scenario.read import load_expectation, load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from tests import docs
from tests.examples import broken_messages, forecasts_of_a_day, own_messages, whole_texts
from tests.examples.break_on_purpose import rehearse_a_reset
from tests.examples.intercept_and_mocks import rehearse_with_mocks
from tests.examples.intercept_production import rehearse_the_program
from tests.examples.intercept_refused import read_why_it_is_refused
from tests.examples.send_adjustment import ask_for_more
from tests.examples.send_to_all import send_to_all
from tests.examples.signed_by_httpx import instructions_of
from tests.examples.whole_loop import rehearse_the_loop

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_PAGES = sorted([_ROOT / "README.md", *(_ROOT / "docs").glob("*.md")])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXAMPLES = {path.read_text(encoding="utf-8") for path in _HERE.glob("*.py")}

FORECAST = """{
  "group_id": "foo-group",
  "type": "CONSUMPTION",
  "forecasted_blocks": [
    {"capacity": 42, "phase": "ALL", "unit": "kW", "start_time": "2031-03-01T16:00:00Z", "end_time": "2031-03-01T16:15:00Z"},
    {"capacity": 42, "phase": "ALL", "unit": "KW", "start_time": "2031-03-01T18:00:00Z", "end_time": "2031-03-01T17:45:00Z"}
  ]
}
"""  # noqa: E501 - one block a line


def blocks(kind: str) -> list[tuple[str, str]]:
    """The page and the text of every code block of a kind."""
    return [
        (path.name, found[2])
        for path in _PAGES
        for found in _BLOCK.finditer(path.read_text(encoding="utf-8"))
        if found[1] == kind
    ]


PROPERTIES = [
    value
    for module in (broken_messages, forecasts_of_a_day, own_messages, whole_texts)
    for name, value in vars(module).items()
    if name.startswith("test_")
]
PYTHON, YAML, CONSOLE = blocks("python"), blocks("yaml"), blocks("")


def test_the_first_rehearsal_works(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(_HERE / "rehearse.py"))
    assert "status=204" in capsys.readouterr().out


def test_the_inspector_has_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(_HERE / "look_inside.py"))
    assert capsys.readouterr().out.startswith("open http://127.0.0.1:")


def test_the_verification_works(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(_HERE / "verify.py"))
    assert "capacity_provider got POST /oscp/cp/2.0/handshake from" in capsys.readouterr().out


def test_the_sender_works() -> None:
    with Simulator() as simulator:
        sent = ask_for_more(simulator.url, "rehearsal-token-0001", "rehearsal-secret")
    assert sent == "Completed"


def test_the_sender_of_many_works() -> None:
    message = AdjustGroupCapacityForecast.from_capacities(
        "foo-group", "CONSUMPTION", datetime(2031, 3, 1, 16, tzinfo=UTC), timedelta(hours=1), [42]
    )
    with Simulator() as simulator:
        given = (simulator.url, "rehearsal-token-0001", "rehearsal-secret")
        ends = asyncio.run(send_to_all(*given, {"foo-group": message, "another": message}))
        assert ends[0] == "Completed"
        assert isinstance(ends[1], InvalidMessage)
        assert '"state":"Completed"' in instructions_of(*given, node_id=1)


def test_the_loop_works() -> None:
    rehearse_the_loop()


def test_a_reset_is_settled() -> None:
    assert rehearse_a_reset() == "instruction 1"


def test_the_program_finds_the_simulator_in_productions_place() -> None:
    rehearse_the_program()
    assert rehearse_with_mocks() == [200, 401, 503]


def test_why_it_is_refused_is_what_the_page_says() -> None:
    assert f"{read_why_it_is_refused()}\n" in [text for _, text in CONSOLE]


@pytest.mark.parametrize("holds", PROPERTIES, ids=[each.__name__ for each in PROPERTIES])
def test_what_the_strategies_are_for_holds(holds: Callable[[], None]) -> None:
    holds()


@pytest.mark.parametrize("name", [each for each in oscp_send.testing.__all__ if each.islower()])
def test_every_strategy_has_an_example_that_runs(name: str) -> None:
    assert any(re.search(rf"\b{name}\b", text) for _, text in PYTHON)


@pytest.mark.parametrize(("page", "text"), PYTHON, ids=[page for page, _ in PYTHON])
def test_a_snippet_of_python_is_a_file_that_is_run_here(page: str, text: str) -> None:
    assert text in _EXAMPLES, page


def write_certificates(folder: Path) -> None:
    authority = trustme.CA()
    client = authority.issue_cert("flexibility-provider.example")
    folder.mkdir()
    (folder / "client.pem").write_bytes(client.cert_chain_pems[0].bytes())
    (folder / "client.key").write_bytes(client.private_key_pem.bytes())
    (folder / "grid-ca.pem").write_bytes(authority.cert_pem.bytes())


@pytest.mark.parametrize(("page", "text"), YAML, ids=[page for page, _ in YAML])
def test_a_snippet_of_yaml_is_what_it_says(page: str, text: str, tmp_path: Path) -> None:
    if text.startswith("users:"):
        load_world(text, page)
    elif text.startswith("capacity_providers:"):
        if "client_certificate" in text:
            write_certificates(tmp_path / "tls")
        load_world("users:\n  - id: 42\n" + indent(text, "    "), page, tmp_path)
    elif text.startswith("faults:"):
        (tmp_path / "faults.yaml").write_text(text, encoding="utf-8")
        assert load_faults(tmp_path / "faults.yaml")
    elif text.startswith("exit_code:"):
        (tmp_path / "expected.yaml").write_text(text, encoding="utf-8")
        assert load_expectation(tmp_path / "expected.yaml")
    elif text.startswith("scenario:"):
        (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
        if "./my-sender" in text:
            if not all(map(shutil.which, ("bash", "curl", "openssl"))):
                pytest.skip("the program of the example needs bash, curl and openssl")
            shutil.copy(_ROOT / "tests" / "programs" / "day-ahead.sh", tmp_path / "my-sender")
        assert run(load_scenarios([tmp_path]), Rehearsal())
    else:
        commands = [line.partition("#")[0].split()[2] for line in text.splitlines()]
        assert set(commands) == {"pip", "oscp-send", "oscp-sim"}


def test_what_check_says_is_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "forecast.json").write_text(FORECAST, encoding="utf-8")
    (shown,) = (text for _, text in CONSOLE if text.startswith("$ oscp-send check forecast"))
    command, _, expected = shown.removeprefix("$ ").partition("\n")
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "oscp_send", *shlex.split(command)[1:]],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (1, expected.strip())


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        text.removeprefix("$ ").split("\n", 1)
        for page, text in CONSOLE
        if page == "production-urls.md" and text.startswith("$ oscp-sim run")
    ],
)
def test_a_run_says_what_the_page_says(command: str, expected: str) -> None:
    if not shutil.which("curl"):
        pytest.skip("the example needs curl")
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert result.stdout.startswith(expected)


def test_every_command_that_is_shown_is_one() -> None:
    known = {
        "cd",
        "curl",
        "echo",
        "export",
        "make",
        "oscp-send",
        "oscp-sim",
        "pip",
        "pytest",
        "sleep",
        "#",
    }
    shown = [
        line[2:].split() for _, text in CONSOLE for line in text.splitlines() if line[:1] == "$"
    ]
    assert {words[0] for words in shown} <= known
    makefile = (_ROOT / "Makefile").read_text(encoding="utf-8")
    for words in shown:
        if words[0] == "make":
            assert f"\n{words[1]}:" in makefile


@pytest.mark.parametrize("page", docs.TABLES)
def test_the_tables_are_those_of_the_code(page: str) -> None:
    text = (docs.DOCS / page).read_text(encoding="utf-8")
    assert docs.with_tables(page, text) == text, "run: python -m tests.docs"


@pytest.mark.parametrize("path", [*_PAGES, _ROOT / "ARCHITECTURE.md", _ROOT / "CONTRIBUTING.md"])
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_papers_are_short() -> None:
    assert len((_ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    assert len((_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 60

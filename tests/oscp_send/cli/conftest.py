"""A command line in an empty folder, with an environment that says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import responses
from click.testing import CliRunner

from oscp_send.cli.main import main
from oscp_sim import Simulator
from tests.oscp_send.sender_world import BASE, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.oscp_send.cli.given import Cli, Write
    from tests.oscp_send.sender_world import Service


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "OSCP_SEND_URL",
        "OSCP_SEND_TOKEN",
        "OSCP_SEND_SECRET",
        "NO_COLOR",
        "FORCE_COLOR",
        "TERM",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def cli() -> Cli:
    """Run `oscp-send` with arguments; what it raises by mistake is raised here."""

    def run(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(
            main, [str(each) for each in arguments], input=stdin, catch_exceptions=False
        )

    return run


@pytest.fixture
def write(folder: Path) -> Write:
    """Write a file into the working directory and return its name."""

    def written(name: str, content: str | bytes) -> str:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
        return name

    return written


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulated SolarUser on loopback, which the environment names."""
    with Simulator() as simulated:
        monkeypatch.setenv("OSCP_SEND_URL", simulated.url)
        monkeypatch.setenv("OSCP_SEND_TOKEN", "rehearsal-token-0001")
        monkeypatch.setenv("OSCP_SEND_SECRET", "rehearsal-secret")
        yield simulated


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """SolarUser, with the answers that a test adds; the environment names it."""
    monkeypatch.setenv("OSCP_SEND_URL", BASE)
    monkeypatch.setenv("OSCP_SEND_TOKEN", "the-token")
    monkeypatch.setenv("OSCP_SEND_SECRET", SECRET)
    with responses.RequestsMock() as mock:
        yield mock

"""The pytest plugin `oscp`: a simulator for each test, scenario files as tests, why a test failed.

Each test suite where the package is installed loads it. One that uses nothing of it pays for these
few hooks alone: all else is in `pytest_session`, which is imported when it is first needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from oscp_sim.pytest_session import ScenarioFile, Session
    from oscp_sim.simulator import Simulator

_FIXTURES: Final = frozenset({"oscp", "oscp_server"})
_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_NEVER: Final = ["never"]
# One scenario in a file, or a list of them: others have a key `scenario` or `scenarios`, too, but
# none has these steps or names beside it.
_LOOKS: Final = re.compile(
    rb"(?ms)(?=.*^scenario:)(?=.*^steps:)|(?=.*^scenarios:)(?=.*^[ \t]*-[ \t]+scenario:)"
)
# Bytes of a file that are looked at: others' YAML may be data.
_LONGEST: Final = 1_000_000
_MARKER: Final = (
    "oscp(world=..., clock=..., seed=..., fidelity=..., faults=[...]): how the simulator of the "
    "fixture oscp or oscp_server is made, by the words of Simulator; clock may be 'frozen', "
    "'fast', 'real', an aware datetime, or a mapping as in a scenario file"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the options of a test run, and where the scenario files are."""
    group = parser.getgroup("oscp", "OSCP rehearsal")
    group.addoption(
        "--oscp-seed",
        type=int,
        metavar="N",
        help="makes every identifier that a simulator invents, where a test's marker has no seed "
        "(default: 1)",
    )
    group.addoption(
        "--oscp-report",
        action="append",
        default=[],
        metavar="KIND=PATH",
        help="also write what the parties sent one another in each test: html=FOLDER, junit=FILE, "
        "json=FILE, or github; may be given several times",
    )
    parser.addini(
        "oscp_scenarios",
        "scenario files to collect, as patterns from the root directory (scenarios/*.yaml, all "
        "the way down), or never; where not given, each YAML file that looks like one",
        type="args",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and see to it that the reports that are asked for can be written."""
    config.addinivalue_line("markers", _MARKER)
    if config.getoption("oscp_report"):
        session_of(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say by which seed a run can be repeated, where it is not the usual one."""
    seed = config.getoption("oscp_seed")
    return None if seed is None else f"oscp: seed {seed}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect the scenarios of a file, if it is a scenario file."""
    if file_path.suffix not in _SUFFIXES or not _is_wanted(file_path, parent):
        return None
    from oscp_sim.pytest_session import ScenarioFile

    made: ScenarioFile = ScenarioFile.from_parent(
        parent, path=file_path, oscp=session_of(parent.config)
    )
    return made


def _is_wanted(path: Path, parent: pytest.Collector) -> bool:
    root, patterns = parent.config.rootpath, parent.config.getini("oscp_scenarios")
    if patterns and patterns != _NEVER:
        from oscp_sim.scenario.selection import is_left_out

        named = path.relative_to(root) if path.is_relative_to(root) else path
        fits = any(fnmatchcase(named.as_posix(), pattern) for pattern in patterns)
        return fits and not is_left_out(named.parent)
    return patterns != _NEVER and _LOOKS.match(_beginning(path)) is not None


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except OSError:
        return b""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look after the tests, if any has a simulator."""
    if any(not _FIXTURES.isdisjoint(getattr(each, "fixturenames", ())) for each in session.items):
        session_of(session.config)


_SESSION: Final = pytest.StashKey["Session"]()


def session_of(config: pytest.Config) -> Session:
    """Return what a test run holds, which is made when it is first needed."""
    if _SESSION not in config.stash:
        from oscp_sim.pytest_session import Session

        config.stash[_SESSION] = Session(config, _FIXTURES)
        config.pluginmanager.register(config.stash[_SESSION], "oscp-session")
    return config.stash[_SESSION]


@pytest.fixture
def oscp(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Yield a running simulator of the test's own; it listens once `oscp.url` is read.

    The marker `oscp` says how it is made. A test fails at its end if a party met a mistake of its
    own; where a test fails, a section of its report shows what the parties sent one another.
    """
    with session_of(request.config).simulator(request.node) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def oscp_server(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Yield a simulator at one address for the whole test run, a free port; as `oscp` otherwise.

    Each test that asks for it finds it made afresh, as its own marker says.
    """
    with session_of(request.config).server() as simulator:
        yield simulator

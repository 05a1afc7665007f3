"""The wheel, installed where the user has packages of the names that are common."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from itertools import chain
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
#: What a code base may well have at its top, and what this repository has there itself.
_NEIGHBOURS = ("schemas", "simulator", "tests", "scenarios")
_PROGRAM = """
import oscp_send, oscp_schemas, oscp_sim
import schemas, simulator, tests, scenarios
for each in (schemas, simulator, tests, scenarios):
    assert each.whose == "the user's", each
from oscp_schemas import judge
from oscp_send import SolarUserClient, check
from oscp_sim import Simulator
assert judge("Handshake", "{}") == []
with Simulator() as simulated:
    client = SolarUserClient(simulated.url, "rehearsal-token-0001", "rehearsal-secret")
    sent = client.send("Handshake", "{}", node_id=1, co_id=1, cg_identifier="foo-group")
    print(client.wait(sent, timeout=10).state)
print(oscp_sim)
"""
#: A program, tests and a scenario of the user's.
_SENDER = """
import requests
from oscp_send import SNWS2Auth

URL = "https://data.solarnetwork.net"

def send(group):
    auth = SNWS2Auth("rehearsal-token-0001", "rehearsal-secret")
    params = {"coId": "1", "cgIdentifier": group, "action": "Handshake", "msg": "{}"}
    answer = requests.post(
        URL + "/solaruser/api/v1/sec/instr/add/OSCP_v20",
        json={"nodeId": 1, "params": params},
        auth=auth,
        timeout=20,
    )
    answer.raise_for_status()
    return answer.json()["data"]["state"]

if __name__ == "__main__":
    print(send("foo-group"))
"""
_TESTS = """
import pytest
import requests
import schemas, simulator
from sender import send

@pytest.fixture(scope="session")
def url(oscp_server):
    return oscp_server.url

@pytest.mark.parametrize("time", range(4))
def test_no_two_workers_meet(oscp, oscp_server, url, time):
    for _ in range(3):
        assert requests.get(url + "/solaruser/x").status_code == 403
    assert len(oscp_server.journal.entries()) == 3
    oscp.assert_nothing_sent()

@pytest.mark.parametrize("group, state", [("foo-group", "Queuing"), ("bar", "Declined")])
def test_the_url_in_its_source_is_answered(oscp, group, state):
    with oscp.intercept(others="refuse"):
        assert send(group) == state
    sent = state == "Queuing"
    oscp.verify(party="capacity_provider", action="Handshake", exactly=int(sent))
"""
_SCENARIO = """
scenario: handshake
steps:
  - send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, message: {}}
"""


def _run(folder: Path, *command: str | Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(  # noqa: S603 - our own programs
        [str(each) for each in command],
        cwd=folder,
        env={**environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with the wheel, our dependencies, and the user's own packages."""
    pip = (sys.executable, "-m", "pip")
    wheels, home = tmp_path / "wheels", tmp_path / "environment"
    _run(
        tmp_path,
        *(*pip, "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"),
        *("--wheel-dir", wheels, _ROOT),
    )
    venv.create(home, symlinks=True)
    (wheel,) = wheels.iterdir()
    python = home / "bin" / "python"
    _run(tmp_path, *pip, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = (home / "lib").glob("python*/site-packages")
    # The dependencies; of an editable installation there, nothing is found this way.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    for name in _NEIGHBOURS:
        (tmp_path / "project" / name).mkdir(parents=True)
        init = tmp_path / "project" / name / "__init__.py"
        init.write_text('whose = "the user\'s"\n', encoding="utf-8")
    return home / "bin"


def test_it_works_beside_packages_of_common_names(environment: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    state, installed = _run(project, environment / "python", "-c", _PROGRAM).splitlines()
    assert state == "Completed"
    assert str(environment.parent) in installed
    rehearsed = _run(project, environment / "oscp-sim", "rehearse")
    assert re.search(r"\n(\d+) scenarios, \1 passed in ", rehearsed)
    for command in ("oscp-send", "oscp-sim"):
        told = _run(project, environment / command, "--help")
        assert told.startswith(f"Usage: {command}")
        module = command.replace("-", "_")
        assert _run(project, environment / "python", "-m", module, "--help") == told
    _its_tests_and_its_program_run(environment, project)


def _its_tests_and_its_program_run(environment: Path, project: Path) -> None:
    (project / "sender.py").write_text(_SENDER, encoding="utf-8")
    (project / "test_it.py").write_text(_TESTS, encoding="utf-8")
    (project / "scenarios" / "a.yaml").write_text(_SCENARIO, encoding="utf-8")
    (project / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    # Of all plugins that there are, found by their entry points, it takes two.
    without = [("-p", f"no:{each}") for each in ("anyio", "hypothesispytest", "schemathesis")]
    options = ("-n", "2", "--oscp-report", "json=all.json", *chain.from_iterable(without))
    _run(project, environment / "python", "-m", "pytest", *options)
    told = json.loads((project / "all.json").read_bytes())
    assert {(each["group"], each["name"]) for each in told["scenarios"]} == {
        ("a", "handshake"),
        *(("test_it.py", f"test_no_two_workers_meet[{time}]") for time in range(4)),
        ("test_it.py", "test_the_url_in_its_source_is_answered[foo-group-Queuing]"),
        ("test_it.py", "test_the_url_in_its_source_is_answered[bar-Declined]"),
    }
    # From outside, by TLS and a proxy.
    command = (environment / "oscp-sim", "run", "--intercept", "--others", "refuse", "--")
    told_outside = _run(project, *command, environment / "python", "sender.py")
    assert told_outside.startswith("Queuing\n")

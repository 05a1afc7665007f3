"""Programs with production's URLs in their source, in several languages, rehearsed as they are."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import ssl
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from oscp_sim import Simulator
from oscp_sim.authority import Authority
from oscp_sim.cli.main import main
from oscp_sim.production import surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

PROGRAMS = Path(__file__).parents[1] / "programs"
VIEW = "/solaruser/api/v1/sec/instr/view?id=1"
LIBRARIES = ("requests", "httpx", "aiohttp", "urllib3", "urllib")


def run(tmp_path: Path, *arguments: str) -> Result:
    expected = tmp_path / "expect.yaml"
    expected.write_text("refused: [{status: 401, path: instr/view}]")
    return CliRunner().invoke(
        main, ["run", "--expect", str(expected), *arguments], catch_exceptions=False
    )


def needing(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not here")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        pytest.param(
            [sys.executable, str(PROGRAMS / "production.py")],
            [f"by_{each} 401" for each in LIBRARIES],
            id="python",
        ),
        pytest.param(
            ["node", str(PROGRAMS / "production.mjs")],
            ["fetch 401", "https 401"],
            marks=needing("node"),
            id="node",
        ),
        pytest.param(
            [
                "curl",
                "-sSo",
                "/dev/null",
                "-w",
                "%{http_code}\n",
                f"https://data.solarnetwork.net{VIEW}",
            ],
            ["401"],
            marks=needing("curl"),
            id="curl",
        ),
        pytest.param(
            [
                "java",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                str(PROGRAMS / "Production.java"),
            ],
            ["java 401"],
            marks=needing("javac"),
            id="java",
        ),
    ],
)
def test_a_program_finds_the_simulator_at_productions_url(
    tmp_path: Path, command: list[str], shown: list[str]
) -> None:
    result = run(tmp_path, "--intercept", "--", *command)
    assert result.exit_code == 0, result.output
    lines = [each for each in result.stdout.splitlines() if not each.startswith("Picked up ")]
    assert lines[: len(shown)] == shown


def test_a_program_that_takes_no_proxy_is_red_and_says_so() -> None:
    result = CliRunner().invoke(main, ["run", "--intercept", "--", "true"])
    assert result.exit_code == 1
    assert "take the proxy in HTTPS_PROXY, and trust SSL_CERT_FILE?" in " ".join(
        result.stdout.split()
    )


@needing("curl")
def test_a_step_of_a_scenario_runs_such_a_program(tmp_path: Path) -> None:
    asked = ["curl", "-sS", "-w", " %{http_code}", f"https://data.solarnetwork.net{VIEW}"]
    elsewhere = ["curl", "-sS", "http://elsewhere.invalid/"]
    file = tmp_path / "a.yaml"
    of_step = {"refused": "allowed", "output": {"matches": "401$"}}
    runs = {"command": asked, "intercept": True}
    refuses = {"command": elsewhere, "intercept": True, "others": "refuse"}
    steps = [
        {"run": runs, "expect": of_step},
        {"run": refuses, "expect": {"output": {"matches": "is not a host of this rehearsal"}}},
    ]
    file.write_text(json.dumps({"scenario": "a", "steps": steps}))
    result = CliRunner().invoke(main, ["rehearse", str(file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("run", "complaint"),
    [
        ("{command: [x], others: pass}", '"others" has no effect without "intercept: true"'),
        ("{command: [./nothing], intercept: true}", "a.yaml:2:26: "),
        ("{intercept: true}", "command"),
        ("{command: [x], intercept: yes}", "expected true or false, got a string"),
        ("{command: [x], intercepts: true}", 'did you mean "intercept"?'),
        ("[]", "a.yaml:2:15"),
        ("x", "a.yaml:2:15"),
    ],
)
def test_a_step_that_makes_no_sense_is_told_with_its_place(
    tmp_path: Path, run: str, complaint: str
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"scenario: a\nsteps: [{{run: {run}}}]")
    result = CliRunner().invoke(main, ["rehearse", str(file)], catch_exceptions=False)
    assert result.exit_code == 2
    assert "a.yaml:2:" in result.stderr
    assert complaint in result.stderr


SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def found_by_a_program(tmp_path: Path, *options: str) -> dict[str, str]:
    silent = tmp_path / "silent.yaml"
    silent.write_text("exchanges: nothing")
    arguments = ["run", "--expect", str(silent), *options, "--", sys.executable, "-c", SHOW]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, str] = json.loads(result.stdout.splitlines()[0])
    return found


def test_what_the_environment_says_already_still_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.pem"
    own.write_text(Authority(()).certificate)
    of_the_machine = tmp_path / "certs" / "of-a-company.pem"
    of_the_machine.parent.mkdir()
    of_the_machine.write_text(Authority(()).certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    monkeypatch.setenv("SSL_CERT_DIR", str(of_the_machine.parent))
    monkeypatch.setenv("NODE_OPTIONS", "--no-warnings")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dx=y")
    monkeypatch.setenv("NO_PROXY", "*")
    with Simulator() as simulator:
        authority = Authority(())
        with surroundings(simulator, authority, os.environ, "pass") as around:
            bundle = Path(around.variables["SSL_CERT_FILE"]).read_text()
    assert bundle.startswith(authority.certificate)
    assert own.read_text() in bundle
    assert of_the_machine.read_text() in bundle
    # The usual roots are trusted, too.
    assert bundle.count("BEGIN") > 50
    found = found_by_a_program(tmp_path, "--intercept")
    assert found["NODE_OPTIONS"].startswith("--no-warnings --require ")
    assert found["JAVA_TOOL_OPTIONS"].startswith("-Dx=y -Djavax.net.ssl.trustStore=")
    assert found["NO_PROXY"] == found["no_proxy"] == "localhost,127.0.0.1,::1"
    assert found["HTTPS_PROXY"] == found["http_proxy"]
    assert not Path(found["SSL_CERT_FILE"]).exists()


def test_a_run_without_interception_leaves_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.delenv("JAVA_TOOL_OPTIONS", raising=False)
    found = found_by_a_program(tmp_path)
    assert found["HTTPS_PROXY"] == "http://proxy.example"
    assert "JAVA_TOOL_OPTIONS" not in found


ASK = f"""
import os, urllib.request, urllib.error
try:
    urllib.request.urlopen(os.environ["OSCP_SEND_URL"] + "{VIEW}")
except urllib.error.HTTPError as error:
    print(os.environ["OSCP_SEND_URL"][:8], error.code, "HTTPS_PROXY" in os.environ)
"""


def test_a_run_by_tls_has_an_https_url_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    result = run(tmp_path, "--tls", "--", sys.executable, "-c", ASK)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "https:// 401 False")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--others", "pass", "--", "true"], "--others: there is no proxy; add --intercept"),
        (["serve", "--others", "pass"], "--others: there is no proxy; add --proxy"),
        (["serve", "--ca-file", "x"], "--ca-file: there is nothing to trust; add --tls or --proxy"),
        (["serve", "--env-file", "x"], "--env-file: there is nothing to trust; add --tls or"),
        (["serve", "--tls", "--public-url", "http://h"], "--public-url: with --tls it is reached"),
        (["serve", "--tls", "--public-url", "https://a_b"], "no certificate for such a host"),
        (["serve", "--port=0", "--tls", "--ca-file=/x/y"], "/x/y cannot be written: No such file"),
    ],
)
def test_what_makes_no_sense_is_2(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())


def test_a_port_of_the_proxy_that_is_taken_is_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", "0", "--proxy", str(port)])
    assert result.exit_code == 3
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr


class Watched(io.StringIO):
    """A standard output that is looked at, and then interrupts, once all is said."""

    def __init__(self, look: Callable[[str], None]) -> None:
        super().__init__()
        self._look = look

    def write(self, text: str) -> int:
        super().write(text)
        if "Ctrl-C stops" in text:
            self._look(self.getvalue())
            signal.raise_signal(signal.SIGTERM)
        return len(text)


def test_a_server_says_where_all_is_and_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url_file, env_file, ca_file = (tmp_path / f"a.{each}" for each in ("json", "env", "pem"))

    def look(said: str) -> None:
        told = json.loads(url_file.read_text())
        assert told["ca_file"] == str(ca_file)
        for line in (
            f"SolarUser             {told['url']}/solaruser/api/v1/sec/instr/add/OSCP_v20\n",
            f"proxy                 {told['proxy']}, for data.solarnetwork.net and oscp.solar",
            f"certificate to trust  {ca_file}\n",
            f"variables             . {env_file}\n",
        ):
            assert f"\n{line}" in f"\n{said}"
        assert f"export HTTPS_PROXY={told['proxy']}\n" in env_file.read_text()
        trusting = ssl.create_default_context(cadata=ca_file.read_text())
        with urllib.request.urlopen(f"{told['url']}/_sim/health", context=trusting) as answer:  # noqa: S310
            looked.append(answer.status)
        # As of a container that has production's names.
        place = ("127.0.0.1", int(told["url"].rpartition(":")[2]))
        with trusting.wrap_socket(
            socket.create_connection(place), server_hostname="data.solarnetwork.net"
        ) as connection:
            looked.append(connection.version())

    looked: list[object] = []
    monkeypatch.setattr("os._exit", sys.exit)
    monkeypatch.setattr("sys.stdout", Watched(look))
    options = ["--port=0", "--tls", "--proxy=0", f"--url-file={url_file}", f"--env-file={env_file}"]
    with pytest.raises(SystemExit) as ended:
        main(["serve", *options], standalone_mode=False)
    assert (ended.value.code, looked) == (0, [200, "TLSv1.3"])
    assert list(tmp_path.iterdir()) == []

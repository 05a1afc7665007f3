"""SolarNetwork's own JavaScript client against the simulator.

Asked for by OSCP_NPM_CLIENT=1, for it needs node, and npm with a registry: the package is
installed in a temporary folder and never part of this project. What `driver.mjs` does with it is
what programs around it do: signing as the package's documentation says, in a browser or out of it,
and with the mistakes that SolarNetwork answers with a reason.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbor2
import pytest

from oscp_sim import Simulator

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "solarnetwork-api-core@3.0.0"
DRIVER = Path(__file__).with_name("driver.mjs")
TOKEN, SECRET = "rehearsal-token-0001", "rehearsal-secret"
WORLD = f"""
users:
  - id: 42
    tokens: [{{id: {TOKEN}, secret: {SECRET}}}]
    nodes: [1, 2]
    capacity_providers: [{{id: 3, name: Grid, token: cp-token}}]
    capacity_optimizers: [{{id: 1, name: Depot}}]
    capacity_groups:
      - {{id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}}
"""

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("OSCP_NPM_CLIENT") != "1",
        reason=f"installs {PACKAGE} with npm; set OSCP_NPM_CLIENT=1 to run it",
    ),
    # One server and one run of the driver for all of a module's tests.
    pytest.mark.xdist_group("npm"),
]


@dataclass(frozen=True)
class Answer:
    """What the driver was answered with."""

    status: int
    headers: Mapping[str, str]
    body: Any
    base64: str | None

    @property
    def bytes(self) -> bytes:
        return base64.b64decode(self.base64 or "")

    @property
    def data(self) -> Any:  # noqa: ANN401
        assert self.status == 200, self
        assert self.body["success"] is True
        return self.body["data"]


@dataclass(frozen=True)
class Drive:
    """All answers of one run, and on which side of the differences the simulator was."""

    fidelity: str
    answers: Mapping[str, Answer]

    def __getitem__(self, case: str) -> Answer:
        return self.answers[case]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package is installed, with the driver beside it."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    npm = shutil.which("npm")
    assert npm is not None, "npm is not on the PATH: install node, or unset OSCP_NPM_CLIENT"
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    _run(npm, "install", *quiet, PACKAGE, folder=folder)
    shutil.copy(DRIVER, folder)
    return folder


@pytest.fixture(
    scope="module",
    params=[("serve", "documented"), ("serve", "observed"), ("in this process", "documented")],
    ids=["served as documented", "served as observed", "in this process"],
)
def drive(request: pytest.FixtureRequest, client: Path, tmp_path_factory: Any) -> Drive:  # noqa: ANN401
    how, fidelity = request.param
    if how == "serve":
        folder = tmp_path_factory.mktemp("server")
        answers = _served(fidelity, client, folder)
    else:
        with Simulator(WORLD, fidelity=fidelity) as simulator:
            answers = _driven(client, simulator.url)
    return Drive(fidelity, answers)


def _served(fidelity: str, client: Path, folder: Path) -> dict[str, Answer]:
    world, url_file = folder / "world.yaml", folder / "url.json"
    world.write_text(WORLD)
    command = [sys.executable, "-m", "oscp_sim", "serve", "--port", "0"]
    command += ["--world", str(world), "--fidelity", fidelity, "--url-file", str(url_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            assert server.stdout is not None
            # The last line of the announcement comes after the file is there.
            while "Ctrl-C stops" not in (line := server.stdout.readline()):
                assert line, "oscp-sim serve ended before it was ready"
            return _driven(client, json.loads(url_file.read_text())["url"])
        finally:
            server.terminate()


def _driven(client: Path, url: str) -> dict[str, Answer]:
    node = shutil.which("node")
    assert node is not None, "node is not on the PATH"
    printed = _run(node, DRIVER.name, url, TOKEN, SECRET, folder=client)
    return {name: Answer(**answer) for name, answer in json.loads(printed).items()}


def _run(*command: str, folder: Path) -> str:
    done = subprocess.run(  # noqa: S603 - node, npm and their arguments are ours
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


QUEUED = [
    "json",
    "json on a topic",
    "json without charset",
    "params as a list",
    "a parameter in parts, as the library lists it",
    "a long message with an emoji on the boundary",
    "form",
    "form without charset",
    "form in the query",
    "from a browser",
    "body hashed without a digest header",
]


@pytest.mark.parametrize("case", QUEUED)
def test_an_instruction_is_queued(drive: Drive, case: str) -> None:
    data = drive[case].data
    assert (data["nodeId"], data["topic"], data["state"]) == (1, "OSCP_v20", "Queuing")
    names = [each["name"] for each in data["parameters"]]
    assert list(dict.fromkeys(names)) == ["action", "coId", "cgIdentifier", "msg"]


def test_a_form_for_several_nodes_is_answered_with_a_list(drive: Drive) -> None:
    data = drive["form for several nodes"].data
    assert [(each["nodeId"], each["state"]) for each in data] == [(1, "Queuing"), (2, "Queuing")]


def test_parts_with_one_name_stay_parts(drive: Drive) -> None:
    parts = drive["a parameter in parts, as the library lists it"].data["parameters"]
    assert [each["value"] for each in parts if each["name"] == "msg"] == ["{", "}"]


def test_a_pair_on_the_boundary_is_echoed_as_question_marks(drive: Drive) -> None:
    parts = drive["a long message with an emoji on the boundary"].data["parameters"]
    first, *rest = [each["value"] for each in parts if each["name"] == "msg"]
    assert len(first) == 256
    assert first.endswith("x?")
    assert rest[0].startswith("?y")


def test_an_instruction_that_is_declined_is_a_success(drive: Drive) -> None:
    data = drive["declined"].data
    assert (data["state"], data["resultParameters"]) == (
        "Declined",
        {"error": "Unknown group identifier"},
    )


def test_exec_by_form(drive: Drive) -> None:
    assert drive["exec"].data["resultParameters"] == {"error": "Unknown capacity optimizer"}


@pytest.mark.parametrize("case", ["view", "date instead of x-sn-date", "every header signed"])
def test_an_instruction_is_viewed(drive: Drive, case: str) -> None:
    assert drive[case].data["id"] == drive["json"].data["id"]


@pytest.mark.parametrize("case", ["list", "a key of six days ago"])
def test_instructions_are_listed_by_id(drive: Drive, case: str) -> None:
    ids = [each["id"] for each in drive[case].data]
    assert ids == sorted(ids)
    assert drive["json"].data["id"] in ids


def test_a_list_for_any_type_is_cbor(drive: Drive) -> None:
    answer = drive["list as any type"]
    assert answer.headers["content-type"] == "application/cbor"
    content = cbor2.loads(answer.bytes)
    assert content["success"] is True
    assert [each["id"] for each in content["data"]] == [each["id"] for each in drive["list"].data]


def test_a_query_that_needs_escaping_is_signed_alike(drive: Drive) -> None:
    states = {each["state"] for each in drive["escaped query"].data}
    assert states == {"Declined"}


@pytest.mark.parametrize("case", ["list of nothing", "pending", "active", "update"])
def test_a_success_without_data(drive: Drive, case: str) -> None:
    assert (drive[case].status, drive[case].body) == (200, {"success": True})


def test_user_events_tell_why(drive: Drive) -> None:
    (event,) = drive["events"].data
    assert event["message"] == "Unknown group identifier"
    assert event["data"] == {"action": "Handshake", "coId": 1, "cgIdentifier": "nope"}


def test_the_optimizer_is_looked_up(drive: Drive) -> None:
    assert [each["configId"] for each in drive["optimizers"].data] == [1]


def test_a_preflight_is_answered_without_a_signature(drive: Drive) -> None:
    answer = drive["preflight"]
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert {"authorization", "content-type", "digest", "x-sn-date"} <= set(allowed)


@pytest.mark.parametrize("case", ["from a browser", "from a browser, refused"])
def test_a_browser_may_read_the_answer_even_of_a_refusal(drive: Drive, case: str) -> None:
    headers = drive[case].headers
    assert headers["access-control-allow-origin"] == "https://app.example"
    assert headers["access-control-allow-credentials"] == "true"


REFUSED = {
    "unsigned": (401, "Full authentication is required to access this resource"),
    "from a browser, refused": (403, "Bad credentials"),
    "another secret": (403, "Bad credentials"),
    "a key of eight days ago": (403, "Bad credentials"),
    "another body than signed": (403, "Content sha-256 digest value mismatch"),
    "content type not signed": (
        403,
        "The 'content-type' HTTP header must be included in SignedHeaders",
    ),
    "digest not signed": (403, "The 'digest' HTTP header must be included in SignedHeaders"),
    "two blanks in a signed header": (403, "Bad credentials"),
    "host without its port": (403, "Bad credentials"),
    "query not signed": (403, "Bad credentials"),
    "a node of nobody": (403, "UNKNOWN_OBJECT"),
    "no node": (422, "Illegal argument: The nodeId parameter is required."),
    "events without dates": (422, "A date range is required."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_for_the_reason_that_solarnetwork_has(drive: Drive, case: str) -> None:
    status, message = REFUSED[case]
    answer = drive[case]
    assert (answer.status, answer.body) == (status, {"success": False, "message": message})


def test_a_stale_date(drive: Drive) -> None:
    answer = drive["stale"]
    assert answer.status == (401 if drive.fidelity == "documented" else 403)
    assert answer.body == {"success": False, "message": "Date skew too large"}
    assert answer.headers["www-authenticate"] == "SNWS2"


@pytest.mark.parametrize(
    ("case", "beginning"),
    [
        ("an unknown key first", "Malformed JSON: Trailing token "),
        ("null for a date", "Malformed JSON: Unexpected token "),
        ("not json", "Malformed JSON: Unexpected character "),
    ],
)
def test_a_body_that_cannot_be_read(drive: Drive, case: str, beginning: str) -> None:
    answer = drive[case]
    assert answer.status == 422
    assert answer.body["message"].startswith(beginning)


@pytest.mark.parametrize(("case", "status"), [("form with a digest", 400), ("text/plain", 415)])
def test_what_the_container_refuses(drive: Drive, case: str, status: int) -> None:
    answer = drive[case]
    if drive.fidelity == "documented":
        assert answer.status == answer.body["status"] == status
    else:
        assert (answer.status, answer.bytes) == (403, b"")


def test_nothing_was_answered_with_a_500_and_every_case_is_judged(drive: Drive) -> None:
    assert {name for name, answer in drive.answers.items() if answer.status >= 500} == set()
    judged = set(QUEUED) | set(REFUSED) | JUDGED_BY_NAME
    assert set(drive.answers) == judged


JUDGED_BY_NAME = {
    "a key of six days ago",
    "active",
    "an unknown key first",
    "date instead of x-sn-date",
    "declined",
    "escaped query",
    "events",
    "every header signed",
    "exec",
    "form for several nodes",
    "form with a digest",
    "list",
    "list as any type",
    "list of nothing",
    "not json",
    "null for a date",
    "optimizers",
    "pending",
    "preflight",
    "stale",
    "text/plain",
    "update",
    "view",
}

"""The Flask application in front of the parties."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from oscp_sim import create_app
from oscp_sim.http import Request
from tests.oscp_sim.rig import ADD, HOST, encoded, instruction, signed_headers

if TYPE_CHECKING:
    from oscp_sim import Simulator


def post_through(application: Flask, host: str = HOST, **how: Any) -> Any:  # noqa: ANN401 - of Flask
    body = encoded(instruction())
    headers = signed_headers("POST", ADD, body, host=host, **how)
    return application.test_client().post(ADD, data=body, headers=headers)


def test_parties_answer_behind_flask(simulator: Simulator) -> None:
    answer = post_through(simulator.application)
    assert (answer.status_code, answer.json["data"]["state"]) == (200, "Queuing")
    assert answer.headers["Content-Length"] == str(len(answer.data))


def test_and_so_do_our_own_pages(simulator: Simulator) -> None:
    client: Any = simulator.application.test_client()
    assert client.get("/_sim/health").json["status"] == "ok"
    assert client.get("/nothing").json["error"] == "404 Not Found"


@pytest.mark.parametrize(
    "path", ["/nothing", "/", "/_sim", "/_sim/", "/_simulated", "/a/_sim/health", "/%5Fsim/nothing"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_where_nobody_is_each_way_in_says_the_same(
    simulator: Simulator, method: str, path: str
) -> None:
    behind = simulator.application.test_client().open(path, method=method)
    before = simulator.handle(Request(method, path, (("host", HOST),)))
    assert (behind.status_code, before.status) == (404, 404)
    assert behind.data == before.body
    assert sorted(behind.headers.items()) == sorted(before.headers)


def test_our_own_pages_are_found_however_they_are_written(simulator: Simulator) -> None:
    for path in ("/_sim/health", "/%5Fsim/health", "/_sim/%68ealth"):
        assert simulator.handle(Request("GET", path, (("host", "localhost"),))).status == 200


def test_what_the_container_does_not_read_is_refused_behind_flask_too(simulator: Simulator) -> None:
    client: Any = simulator.application.test_client()
    raw = {"QUERY_STRING": "parameters[0].name=a"}
    answer = client.post(ADD, environ_overrides=raw)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert answer.headers["Content-Length"] == "435"


def test_a_body_that_cannot_be_read_is_a_bad_request(simulator: Simulator) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(f"no {size} bytes to be had")

    client: Any = simulator.application.test_client()
    length = {"CONTENT_LENGTH": "3"}
    answer = client.post(ADD, input_stream=Broken(), environ_overrides=length)
    assert answer.status_code == 400
    assert answer.json["hint"] == "the body is not sent as HTTP says"


def test_an_application_of_its_own_runs_until_the_process_ends() -> None:
    client: Any = create_app().test_client()
    assert client.get("/_sim/health").json["seed"] == 1


def test_an_application_of_its_own_is_reached_by_its_public_name() -> None:
    client: Any = create_app(public_url="https://sim.example/").test_client()
    for url, status in (("https://sim.example", 200), ("http://other.example", 403)):
        assert client.get("/_sim/health", base_url=url).status_code == status
    refused = client.get("/_sim/health", base_url="http://other.example").json["error"]
    assert "create_app(public_url=...)" in refused
    with pytest.raises(ValueError, match="write the address of a server alone"):
        create_app(public_url="sim.example")


def test_flask_finds_the_application() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "oscp_sim", "routes"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "/_sim/journal" in done.stdout

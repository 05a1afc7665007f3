"""The sender alone: it runs where nothing is installed but itself and its own dependencies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import venv
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

import oscp_schemas
import oscp_send
from tests.oscp_send.sender_world import HANDSHAKE, SECRET, reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

#: What the sender imports: click for its command, jsonschema-rs and orjson to judge messages,
#: requests and urllib3 to send them.
DEPENDENCIES = ("click", "jsonschema-rs", "orjson", "requests", "urllib3")
#: What requests needs.
THEIRS = ("certifi", "charset-normalizer", "idna")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of a new environment that holds the sender alone."""
    home = tmp_path / "alone"
    venv.create(home, symlinks=True, with_pip=False)
    (packages,) = home.glob("lib/python*/site-packages")
    for name in (*DEPENDENCIES, *THEIRS):
        link_distribution(name, packages)
    for package in (oscp_send, oscp_schemas):
        source = Path(package.__file__ or "").parent
        shutil.copytree(source, packages / source.name)
    return home / "bin" / "python"


def link_distribution(name: str, packages: Path) -> None:
    """Make an installed distribution a part of another environment, without its commands."""
    installed = distribution(name)
    tops = {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}
    for top in tops:
        (packages / top).symlink_to(Path(str(installed.locate_file(top))).resolve())


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def stand_in() -> Iterator[tuple[str, list[tuple[str, str, str, bytes]]]]:
    """A SolarUser that queues every instruction and has completed it when it is looked at.

    Yields its URL and what it received: method, target, Authorization and body.
    """
    received: list[tuple[str, str, str, bytes]] = []

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        method, target = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        received.append((method, target + query, environ["HTTP_AUTHORIZATION"], body))
        content = json.dumps(reply("Queuing" if method == "POST" else "Completed")).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        start_response("200 OK", headers)
        return [content]

    with make_server("127.0.0.1", 0, answer, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join(10)


def run(
    python: Path, *arguments: str, stdin: str = "", url: str = "http://127.0.0.1:9"
) -> tuple[int, str, str]:
    """Run the interpreter with arguments: its exit code, its output, and its errors."""
    environment = {"OSCP_SEND_URL": url, "OSCP_SEND_TOKEN": "the-token", "OSCP_SEND_SECRET": SECRET}
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own code
        [python, "-I", *arguments],
        input=stdin,
        env=environment,
        cwd=python.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


ADDRESS = ("--action=Handshake", "--node-id=101", "--co-id=7", "--cg-identifier=depot-a")


@pytest.mark.skipif(sys.platform == "win32", reason="environments are laid out differently")
def test_the_sender_alone_sends_a_handshake_to_its_end(python: Path) -> None:
    search = (
        "from importlib.util import find_spec\n"
        "others = 'oscp_sim', 'flask', 'granian', 'cbor2', 'yaml', 'jsonschema', 'pytest'\n"
        "print([name for name in others if find_spec(name)])"
    )
    assert run(python, "-c", search) == (0, "[]\n", "")

    with stand_in() as (url, received):
        code, out, err = run(
            python, "-m", "oscp_send", "send", "-", *ADDRESS, stdin=HANDSHAKE, url=url
        )
    assert (code, out.split()[:2]) == (0, ["5012345", "Completed"]), err
    (post, look) = received
    assert post[:2] == ("POST", "/solaruser/api/v1/sec/instr/add/OSCP_v20")
    assert post[2].startswith("SNWS2 Credential=the-token,")
    assert json.loads(post[3])["params"]["msg"] == HANDSHAKE
    assert look[:2] == ("GET", "/solaruser/api/v1/sec/instr/view?id=5012345")

    # A refusal is explained without jsonschema, and nothing is sent.
    code, _, err = run(
        python, "-m", "oscp_send", "send", "-", *ADDRESS, stdin='{"required_behaviour":{}}'
    )
    assert code == 1
    assert 'add "measurement_configuration"' in err

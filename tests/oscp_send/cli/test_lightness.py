"""Nothing heavy is imported before a command needs it, so that `--help` is quick."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cases.payloads import forecast, one_block
from tests.oscp_send.cli.given import ACTION, request_body

if TYPE_CHECKING:
    from tests.oscp_send.cli.given import Write

NETWORK = {"requests", "urllib3", "http.client"}
SCHEMAS = {"jsonschema", "jsonschema_rs", "orjson", "referencing"}
SIMULATOR = {"oscp_sim", "flask", "granian", "werkzeug", "yaml"}

COMMANDS = ("check", "explain", "send", "view", "list", "chunks", "curl", "schema")


def imported(*arguments: str, code: int = 0) -> set[str]:
    """Return the modules that a command has imported when it ends."""
    program = (
        "import json, sys\nfrom oscp_send.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own code
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_imports_nothing_but_click() -> None:
    modules = imported("--help")
    assert not modules & (NETWORK | SCHEMAS | SIMULATOR)
    assert not [name for name in modules if name.startswith("oscp_send.") and ".cli" not in name]
    commands = {name for name in modules if name.startswith("oscp_send.cli.")}
    assert commands == {"oscp_send.cli.main"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command: str) -> None:
    assert not imported(command, "--help") & (NETWORK | SCHEMAS | SIMULATOR)


def test_a_good_message_is_checked_without_network_and_without_explanations(write: Write) -> None:
    modules = imported("check", write("f.json", forecast()), "--action", ACTION)
    assert "jsonschema_rs" in modules
    assert not modules & (NETWORK | SIMULATOR | {"jsonschema", "referencing"})
    assert not imported("check", write("r.json", request_body())) & (NETWORK | {"jsonschema"})


def test_a_refusal_is_explained_without_network(write: Write) -> None:
    file = write("f.json", one_block(unit="kW"))
    modules = imported("check", file, "--action", ACTION, code=1)
    assert "jsonschema_rs" in modules
    assert not modules & (NETWORK | SIMULATOR | {"jsonschema", "referencing"})


def test_chunks_and_schema_need_no_validator(write: Write) -> None:
    validators = {"jsonschema", "jsonschema_rs", "referencing"}
    assert not imported("chunks", write("f.json", forecast())) & (NETWORK | validators)
    assert not imported("schema", ACTION, "--bundle") & (NETWORK | validators)

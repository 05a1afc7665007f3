"""The package itself: light to import, and the same names whatever was imported first."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import oscp_send

#: The names that need the extra `async`, which `import *` and `dir` do without.
WITH_HTTPX = ("AsyncSolarUserClient", "SNWS2HttpxAuth")


def run(code: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = (
        "{'requests', 'urllib3', 'jsonschema', 'jsonschema_rs', 'oscp_schemas', 'click', 'flask'}"
    )
    assert run(f"import sys, oscp_send; print({heavy} & set(sys.modules))") == "set()"


def test_messages_are_made_without_network_or_schemas() -> None:
    heavy = "{'requests', 'urllib3', 'jsonschema', 'jsonschema_rs'}"
    code = f"from oscp_send import Handshake; Handshake(); print({heavy} & set(sys.modules))"
    assert run(f"import sys; {code}") == "set()"


def test_names_are_sorted_and_listed() -> None:
    assert oscp_send.__all__ == sorted(oscp_send.__all__)
    assert set(oscp_send.__all__) <= set(dir(oscp_send))


@pytest.mark.parametrize("name", oscp_send.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(oscp_send, name).__name__ == name


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse(Path(oscp_send.__file__).read_text(encoding="utf-8"))
    (only_for_types,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in only_for_types.body if isinstance(node, ast.ImportFrom)]
    named = {alias.name: node.module or "" for node in imports for alias in node.names}
    assert sorted(named) == sorted([*oscp_send.__all__, *WITH_HTTPX])
    for name, module in named.items():
        assert getattr(import_module(module), name) is getattr(oscp_send, name)
        assert getattr(oscp_send, name).__module__ == module


def test_without_httpx_one_line_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['httpx'] = None\nfrom oscp_send import *; import oscp_send\n"
        "dir(oscp_send); SolarUserClient\n"
        f"for name in {WITH_HTTPX}:\n    try: getattr(oscp_send, name)\n"
        "    except ImportError as error: print(error)"
    )
    line = "this needs httpx, which is an extra: pip install 'oscp-rehearsal[async]'"
    assert run(code) == f"{line}\n{line}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'nonsense'"):
        oscp_send.nonsense  # noqa: B018 - asked for to fail


@pytest.mark.parametrize(
    "first",
    [
        "import oscp_send.judgement",
        "from oscp_send.judgement import check",
        "from oscp_send import check",
        "import oscp_send; oscp_send.check",
        "from oscp_send import SolarUserClient; import oscp_send.judgement",
    ],
)
def test_check_is_the_function_whatever_was_imported_first(first: str) -> None:
    code = (
        f"{first}\nimport oscp_send\nfrom oscp_send.judgement import check as original\n"
        "from oscp_send import check\n"
        "print(check is original is oscp_send.check, callable(check))"
    )
    assert run(code) == "True True"

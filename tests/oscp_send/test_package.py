"""The package itself: light to import, and the same names whatever was imported first."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import oscp_send
import oscp_send.testing

#: The packages that import their names when they are first used.
PACKAGES = (oscp_send, oscp_send.testing)
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]
#: A choice of words, which knows neither its name nor its module.
CHOICES = ("Outcome",)

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


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_sorted_and_listed(package: ModuleType) -> None:
    assert package.__all__ == sorted(package.__all__)
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_every_name_is_there(package: ModuleType, name: str) -> None:
    assert name in {getattr(package, name).__name__, *CHOICES}


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_same_names_from_the_same_modules(package: ModuleType) -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    only_for_types = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in only_for_types.body if isinstance(node, ast.ImportFrom)]
    named = {alias.name: node.module or "" for node in imports for alias in node.names}
    more = WITH_HTTPX if package is oscp_send else ()
    assert sorted(named) == sorted([*package.__all__, *more])
    for name, module in named.items():
        assert getattr(import_module(module), name) is getattr(package, name)
        assert name in CHOICES or getattr(package, name).__module__ == module


def test_without_httpx_one_line_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['httpx'] = None\nfrom oscp_send import *; import oscp_send\n"
        "dir(oscp_send); SolarUserClient\n"
        f"for name in {WITH_HTTPX}:\n    try: getattr(oscp_send, name)\n"
        "    except ImportError as error: print(error)"
    )
    line = "this needs httpx, which is an extra: pip install 'oscp-rehearsal[async]'"
    assert run(code) == f"{line}\n{line}"


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="'nonsense'"):
        package.nonsense  # noqa: B018 - asked for to fail


def test_importing_the_strategies_imports_neither_them_nor_hypothesis() -> None:
    heavy = "{'hypothesis', 'oscp_schemas', 'oscp_send.testing.strategies'}"
    code = f"import sys, oscp_send.testing; print({heavy} & set(sys.modules))"
    assert run(code) == "set()"


@pytest.mark.parametrize(
    "how", ["import oscp_send.testing", "from oscp_send.testing import Sample"]
)
def test_without_hypothesis_the_strategies_say_what_to_install(how: str) -> None:
    code = f"import sys; sys.modules['hypothesis'] = None; import oscp_send; {how}"
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: oscp_send.testing needs hypothesis: "
        "pip install 'oscp-rehearsal[hypothesis]'"
    )


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

"""Nothing points back up, and the parties know each other by HTTP alone (ARCHITECTURE.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PARTIES = ("flexibility_provider", "solaruser", "system")


def _imported(package: str) -> dict[str, set[str]]:
    """Answers with the modules that each file of a package imports."""
    found = {}
    for path in sorted((_ROOT / package).rglob("*.py")):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
        found[path.relative_to(_ROOT).as_posix()] = names
    assert found, package
    return found


def _importing(package: str, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{file} imports {name}"
        for file, names in _imported(package).items()
        for name in sorted(names)
        if any(name == each or name.startswith(f"{each}.") for each in forbidden)
    ]


def test_schemas_stand_on_nothing_of_ours() -> None:
    assert _importing("schemas", ("oscp_send", "oscp_sim")) == []


def test_the_sender_knows_nothing_of_the_simulator() -> None:
    assert _importing("oscp_send", ("oscp_sim",)) == []


@pytest.mark.parametrize("party", _PARTIES)
def test_a_party_never_imports_another(party: str) -> None:
    others = tuple(f"oscp_sim.{each}" for each in _PARTIES if each != party)
    assert _importing(f"simulator/oscp_sim/{party}", (*others, "oscp_sim.simulator")) == []


def test_systems_leave_the_shared_database_alone() -> None:
    database = ("oscp_sim.instructions", "oscp_sim.user_events")
    assert _importing("simulator/oscp_sim/system", database) == []

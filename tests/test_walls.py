"""Nothing points back up, and the parties know each other by HTTP alone (ARCHITECTURE.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PARTIES = ("capacity_optimizer", "capacity_provider", "flexibility_provider", "solaruser")
# The systems outside of SolarNetwork, and what they have in common.
_OUTSIDE = ("capacity_optimizer", "capacity_provider", "external_system")


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
    assert _importing("schemas", ("oscp_send", "simulator")) == []


def test_the_sender_knows_nothing_of_the_simulator() -> None:
    assert _importing("oscp_send", ("simulator",)) == []


@pytest.mark.parametrize("party", _PARTIES)
def test_a_party_never_imports_another(party: str) -> None:
    others = tuple(f"simulator.{each}" for each in _PARTIES if each != party)
    assert _importing(f"simulator/{party}", (*others, "simulator.simulator")) == []


def test_what_external_systems_share_knows_no_party() -> None:
    parties = tuple(f"simulator.{each}" for each in _PARTIES)
    assert _importing("simulator/external_system", (*parties, "simulator.simulator")) == []


@pytest.mark.parametrize("room", _OUTSIDE)
def test_only_who_shares_the_database_touches_it(room: str) -> None:
    assert (
        _importing(f"simulator/{room}", ("simulator.instructions", "simulator.user_events")) == []
    )

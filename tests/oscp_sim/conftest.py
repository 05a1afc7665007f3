from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.other_side import OtherSide, facing
from tests.oscp_sim.rig import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, in which the test is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def simulator(clock: FrozenClock) -> Iterator[Simulator]:
    """The built-in world, as documented, with time standing still."""
    with Simulator(clock=clock, strict_dates=True) as simulator:
        yield simulator


@pytest.fixture
def observed(clock: FrozenClock) -> Iterator[Simulator]:
    """The same, as observed."""
    with Simulator(clock=clock, fidelity="observed", strict_dates=True) as simulator:
        yield simulator


@pytest.fixture
def other() -> Iterator[OtherSide]:
    """The other side of the systems of a small world, in whose place a test speaks."""
    with facing() as other:
        yield other

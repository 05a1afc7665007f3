"""Which clock a scenario is run by."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulator.clock import Clock, FastClock, FrozenClock, RealClock

__all__ = ["ClockSetting", "Runs"]

Runs = Literal["frozen", "fast", "real"]


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """Where time begins, and how it passes.

    Attributes:
        runs: `frozen`: only where a step waits, or follows an instruction to its end; `fast`: at a
            speed; `real`: as on the wall.
        start: The first instant; aware. The machine's own where not given.
        speed: Of a fast clock: its seconds in a second of the wall's; none for one that runs only
            while somebody waits.
    """

    runs: Runs = "real"
    start: datetime | None = None
    speed: float | None = None

    def make(self) -> Clock:
        """Make such a clock."""
        if self.runs == "real":
            return RealClock()
        start = self.start or RealClock().now()
        return FrozenClock(start) if self.runs == "frozen" else FastClock(start, self.speed)

    @property
    def is_moved(self) -> bool:
        """Whether nothing but who waits moves it, so that the same happens every time."""
        return self.runs != "real" and self.speed is None

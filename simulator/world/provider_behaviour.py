"""What a simulated Capacity Provider does of its own accord, as a world file chooses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

__all__ = ["Adjustments", "Answer", "Profile", "ProviderBehaviour"]

Profile = Literal["specification", "solarnetwork", "elmo"]
Adjustments = Literal["accept", "refuse", "answer", "silent"]
Answer = Literal["grant", "trim", "deny"]


@dataclass(frozen=True, slots=True)
class ProviderBehaviour:
    """How a simulated Capacity Provider treats what it is sent.

    Attributes:
        adjustments: What it makes of an AdjustGroupCapacityForecast: `accept` it with 204, `refuse`
            it, `answer` it with a new UpdateGroupCapacityForecast, or be `silent`.
        answer: What the new forecast says.
        limit: The most that `trim` grants a block, in its unit; what was forecast where not given.
        answer_after: How long after the adjustment the new forecast is sent.
        refusal: The HTTP status of a refusal.
        delay: How long every answer takes.
        heartbeat_every: How often it sends heartbeats; never where not given.
        timetable: ELMO's: the KW that it assigns by 10:00 for each hour of the next day; None: it
            sends nothing by itself.
        strict: The rules (`S15`) and cases (`X9`) whose findings are refusals; None: all of them.
        statuses: Another HTTP status for single cases, by their names.
        longest_body: The bytes of the longest message that it takes.
        token_valid_for: How long a token that it gave is good for; for ever where not given.
    """

    adjustments: Adjustments = "accept"
    answer: Answer = "grant"
    limit: float | None = None
    answer_after: timedelta = timedelta(seconds=1)
    refusal: int = 409
    delay: timedelta = timedelta()
    heartbeat_every: timedelta | None = None
    timetable: float | None = None
    strict: frozenset[str] | None = frozenset()
    statuses: Mapping[str, int] = field(default_factory=dict, hash=False)
    longest_body: int = 20_971_520
    token_valid_for: timedelta | None = None

    def refuses(self, rule: str) -> bool:
        """Tell whether a finding of a rule or case is to be a refusal."""
        return self.strict is None or rule in self.strict

"""The ways of one Capacity Provider: its profile, and what its world says of it besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.capacity_provider.refusal_bodies import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from oscp_send.findings import Finding
    from simulator.capacity_provider.profiles import Profile
    from simulator.external_system import Answer
    from simulator.world import ProviderBehaviour

__all__ = ["ProviderManners"]


class ProviderManners:
    """Those of a Capacity Provider.

    Args:
        profile: Whose ways it has.
        behaviour: What it does otherwise.
    """

    def __init__(self, profile: Profile, behaviour: ProviderBehaviour) -> None:
        self.profile = profile
        self.behaviour = behaviour
        self.longest_body: int = behaviour.longest_body
        self.delay: timedelta = behaviour.delay
        self.token_valid_for: timedelta | None = behaviour.token_valid_for
        self.endpoints: Mapping[str, str] = profile.endpoints
        self.register_methods: tuple[str, ...] = profile.register_methods
        self.request_id_needed: frozenset[str] = profile.request_id_needed
        self.correlation_needed: frozenset[str] = profile.correlation_needed
        self.configuration_needed: frozenset[str] = profile.configuration_needed
        self.behaviour_needed: bool = profile.behaviour_needed
        self.no_measurements: bool = profile.no_measurements
        self.reassembles: bool = profile.reassembles
        self.correlates_register: bool = profile.correlates_register
        self.registers_back_after: timedelta = profile.registers_back_after
        self.handshake_after: timedelta | None = profile.handshake_after
        self.old_token_ends_at_once: bool = profile.old_token_ends_at_once
        self.accepts: range = profile.accepts

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant as it stands in its messages."""
        return self.profile.write_time(instant)

    def status(self, case: str) -> int:
        """Answers with the HTTP status of a case; below 400, the message is accepted."""
        return self.profile.status(case, self.behaviour)

    def minds(self, finding: Finding, case: str) -> bool:
        """Tells whether a finding is to be a refusal.

        Where all are to be, a mere piece of information is not: it says what is right, too.
        """
        if finding.severity == "info" and self.behaviour.strict is None:
            return False
        return self.status(case) >= 400  # noqa: PLR2004 - of HTTP

    def refusal(self, case: str, message: str, keyword: str = "") -> Answer:
        """Answers with how it refuses."""
        return refusal(self.profile, case, message, self.behaviour, keyword=keyword)

"""What a profile of a Capacity Provider says, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from oscp_send.messages import UpdateGroupCapacityForecast
    from simulator.world.provider_behaviour import Profile as ProfileName
    from simulator.world.provider_behaviour import ProviderBehaviour

__all__ = ["NO_CONTENT", "Profile", "written"]

RefusalShape = Literal["message", "envelope"]
TimeShape = Literal["shortest", "milliseconds"]

NO_CONTENT: Final = 204

_BAD_REQUEST: Final = 400
_FAILURE: Final = 400
_MILLISECOND: Final = 1000

# Accepted with a remark unless they are refused on purpose; the other cases are refused anyway, or
# are nothing to refuse (OSCP dossier §9.3).
_REMARKS: Final = frozenset({"X8", "X9", "X10", "X11", "X12", "X20", "X21"})


@dataclass(frozen=True, slots=True)
class Profile:
    """The ways of a Capacity Provider.

    Attributes:
        name: What a world file calls it.
        base_path: Below which it is played; announced in Register, and by convention this one.
        endpoints: The paths that it serves, each with its action.
        register_methods: The methods of `/register`; every other message is a POST.
        statuses: The HTTP status of each case: the dossier's X cases, and `json`, `schema`, `path`
            and `versions` (no version in common).
        refusal_shape: What the body of a refusal looks like: `{"message"}` or SolarNetwork's own.
        strict: The cases and rules that it refuses of its own accord.
        request_id_needed: The actions that need an X-Request-ID.
        correlation_needed: The actions that need an X-Correlation-ID, whatever it names.
        behaviour_needed: Whether a Handshake without `required_behaviour` is refused.
        configuration_needed: The actions in which `measurement_configuration` is required.
        no_measurements: Whether a list of no measurements is accepted.
        accepts: The statuses that it takes for success when it sends something.
        correlates_register: Whether an answering Register carries X-Correlation-ID.
        registers_back_after: How long after an opening Register it sends its own.
        handshake_after: How long after its answering Register it sends a Handshake; None: it does
            when told to.
        old_token_ends_at_once: Whether re-registering ends the old token before it succeeded.
        reassembles: Whether segments are put together; else each is taken for a whole message.
        units: The units of its forecasts.
        zone: Where its midnights are, and in which it writes times.
        times: How it writes the seconds of a time.
        has_timetable: Whether it assigns capacities by the clock.
    """

    name: ProfileName
    base_path: str
    endpoints: Mapping[str, str]
    register_methods: tuple[str, ...]
    statuses: Mapping[str, int]
    refusal_shape: RefusalShape
    strict: frozenset[str]
    request_id_needed: frozenset[str]
    correlation_needed: frozenset[str]
    behaviour_needed: bool
    configuration_needed: frozenset[str]
    no_measurements: bool
    accepts: range
    correlates_register: bool
    registers_back_after: timedelta
    handshake_after: timedelta | None
    old_token_ends_at_once: bool
    reassembles: bool
    units: frozenset[str]
    zone: tzinfo
    times: TimeShape
    has_timetable: bool

    def status(self, case: str, behaviour: ProviderBehaviour) -> int:
        """Answers with the HTTP status of a case: `X1` to `X21`, `S1` to `S19`, or a named one.

        What the world says of the single case comes first, then strictness, then the profile. A
        status below 400 means that the message is accepted.
        """
        if case in behaviour.statuses:
            return behaviour.statuses[case]
        usual = self.statuses.get(case, NO_CONTENT)
        if usual < _FAILURE and self.refuses(case, behaviour):
            return _BAD_REQUEST
        return usual

    def refuses(self, rule: str, behaviour: ProviderBehaviour) -> bool:
        """Tells whether a finding of a rule (`S15`) or case (`X9`) is to be a refusal."""
        if rule.startswith("X") and rule not in _REMARKS:
            return False
        return rule in self.strict or behaviour.refuses(rule)

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant as it stands in this provider's messages."""
        short = self.times == "shortest" and instant.microsecond < _MILLISECOND
        try:
            local = instant.astimezone(self.zone)
        except OverflowError:
            # The last hours of the year 9999, elsewhere in the year 10000.
            local = instant.astimezone(UTC)
        return local.isoformat(timespec="seconds" if short else "milliseconds").replace(
            "+00:00", "Z"
        )

    def next_midnight(self, now: datetime) -> datetime:
        """Answers with the first midnight after an instant, where this provider is."""
        local = now.astimezone(self.zone)
        return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def written(message: UpdateGroupCapacityForecast, profile: Profile) -> dict[str, Any]:
    """Answers with the JSON values of a forecast, its times written as the profile does."""
    body = message.to_dict()
    for block, values in zip(message.forecasted_blocks, body["forecasted_blocks"], strict=True):
        values["start_time"] = profile.write_time(block.start_time)
        values["end_time"] = profile.write_time(block.end_time)
    return body

"""Find what a world file says of a simulated Capacity Provider to no effect."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from simulator.yaml_source import SourceProblem, YamlDocument

__all__ = ["idle_keys"]

# Each key, and what it is nothing without: a key beside it and its value. The first of a key that
# does not hold is told.
_NEEDS: Final = (
    ("answer", "adjustments", "answer"),
    ("limit", "adjustments", "answer"),
    ("limit", "answer", "trim"),
    ("answer_after", "adjustments", "answer"),
    ("refusal", "adjustments", "refuse"),
)


def idle_keys(document: YamlDocument) -> Iterator[SourceProblem]:
    """Yield a problem for each key of a behaviour that nothing would ever look at."""
    for at, user in enumerate(document.value["users"]):
        for index, provider in enumerate(user.get("capacity_providers", ())):
            above = f"/users/{at}/capacity_providers/{index}/behaviour"
            for key, needed in _idle(provider).items():
                message = f'"{key}" has no effect without {needed}: add that, or leave this out'
                yield document.problem(f"{above}/{key}", message, key=True)


def _idle(provider: Mapping[str, Any]) -> dict[str, str]:
    """Return each key without effect, and what it needs."""
    behaviour = provider.get("behaviour")
    idle: dict[str, str] = {}
    if not isinstance(behaviour, Mapping):
        return idle
    for key, beside, value in _NEEDS:
        if key in behaviour and behaviour.get(beside) != value:
            idle.setdefault(key, f'"{beside}: {value}" beside it')
    if "timetable" in behaviour and provider.get("profile") != "elmo":
        idle["timetable"] = '"profile: elmo" of the Capacity Provider'
    return idle

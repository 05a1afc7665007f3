"""How all properties are tried: without a deadline, and in CI with the same examples every time."""

from __future__ import annotations

import os
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.strategies import SearchStrategy

#: The name under which that is registered.
PROFILE: Final = "oscp-rehearsal"

# The first example of a run compiles the schemas, and the machine may be busy: neither says
# anything about the rest. What a developer's runs find becomes a test; a CI run must not flake.
settings.register_profile(
    PROFILE,
    deadline=None,
    # A run of all tests is to be waited for; `make soak` looks further.
    max_examples=int(os.environ.get("OSCP_EXAMPLES", "20")),
    derandomize=bool(os.environ.get("CI")),
    # `make mutate` runs the tests of one process twice.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)


def examples(usual: int) -> int:
    """How many examples to try of a property that needs more or fewer than others.

    So many where the others have 30, and in proportion where they have more or fewer.
    """
    return max(1, usual * settings().max_examples // 30)


_T = TypeVar("_T")


def simplest(strategy: SearchStrategy[_T]) -> _T:
    """What a strategy draws first, and shrinks to where everything fails."""
    once = settings(phases=[Phase.generate], database=None)
    return find(strategy, lambda _: True, settings=once)

"""How all properties are tried: without a deadline, and in CI with the same examples every time."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The first example of a run compiles the schemas, and the machine may be busy: neither says
# anything about the rest. What a developer's runs find becomes a test; a CI run must not flake.
settings.register_profile(
    "oscp-rehearsal",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("oscp-rehearsal")

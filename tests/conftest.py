"""How all properties are tried: without a deadline, and in CI with the same examples every time."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The first example of a run compiles the schemas, and the machine may be busy: neither says
# anything about the rest. What a developer's runs find becomes a test; a CI run must not flake.
settings.register_profile(
    "oscp-rehearsal",
    deadline=None,
    # A run of all tests is to be waited for; `make soak` looks further.
    max_examples=int(os.environ.get("OSCP_EXAMPLES", "20")),
    derandomize=bool(os.environ.get("CI")),
    # `make mutate` runs the tests of one process twice.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
settings.load_profile("oscp-rehearsal")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(
    report: pytest.CollectReport | pytest.TestReport,
) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Leave out what a process tells another of a test that passed, and nobody reads."""
    told = yield
    if told is not None and report.passed:
        told["keywords"] = {}
    return told


def pytest_collection_finish() -> None:
    """Spare the garbage collector the thousands of tests that stay until the end anyway."""
    gc.collect()
    gc.freeze()
    _forget_what_is_changed()


def _forget_what_is_changed() -> None:
    """Empty the caches of a module in which `make mutate` changes something."""
    module = sys.modules.get(os.environ.get("MUTANT_UNDER_TEST", "").rpartition(".")[0])
    for each in vars(module).values() if module else ():
        if hasattr(each, "cache_clear"):
            each.cache_clear()

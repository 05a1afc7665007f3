"""What holds for every run of the tests: how properties are tried, and what pytest keeps."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

from tests.effort import PROFILE

settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Tell another process of each test once, not five times; of what failed, all there is."""
    if not hasattr(item.config, "workerinput"):
        return None
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(
    report: pytest.CollectReport | pytest.TestReport,
) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Leave out what a process tells another of a test that passed, and nobody reads."""
    told = yield
    if told is not None and report.passed:
        told["keywords"] = {}
    return told


# What takes longest: begun last, it would leave the other process without work.
_LONG = frozenset({"test_recorded.py", "test_state_machine.py", "test_wheel.py"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests."""
    items.sort(key=lambda item: item.path.name not in _LONG)


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

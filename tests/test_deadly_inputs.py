"""Whatever bytes come, a reader ends well or with its own error: soon, and in little memory."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.deadly import TARGETS, Take, inputs, limited, nasty_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def reader() -> Iterator[Callable[[str], Take]]:
    """Returns the function of a target, which is closed when all tests are done."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(TARGETS[name].opened()))


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_are_good(reader: Callable[[str], Take], name: str) -> None:
    for each in TARGETS[name].valid:
        reader(name)(each)


@pytest.mark.parametrize(
    ("name", "nasty"),
    [(name, each) for name, target in TARGETS.items() for each in nasty_to(target)],
)
def test_what_is_known_to_be_nasty(reader: Callable[[str], Take], name: str, nasty: str) -> None:
    with limited():
        reader(name)(nasty_to(TARGETS[name])[nasty])


@pytest.mark.parametrize("name", TARGETS)
# Half as many as of others: there are many readers.
@settings(max_examples=settings().max_examples // 2 or 1)
@given(st.data())
def test_any_bytes(reader: Callable[[str], Take], name: str, data: st.DataObject) -> None:
    given = data.draw(inputs(TARGETS[name]))
    with limited():
        reader(name)(given)

"""Search filters of user events: what each form means to the service, and otherwise."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.solaruser.user_events import Comparison, Group, read_search_filter

DATA: dict[str, Any] = {
    "action": "Handshake",
    "coId": 7,
    "cgIdentifier": "depot-a",
    "ok": True,
    "number": "10",
    "none": None,
    "content": {
        "group_id": "depot-a",
        "forecasted_blocks": [
            {"capacity": 10.5, "phase": "ALL", "start_time": "2022-10-08T18:00:00.000Z"},
            {"capacity": 20.0, "phase": "ONE", "start_time": "2022-10-08T19:00:00.000Z"},
        ],
        "nothing": [],
    },
}
# By form: what the service finds (None: it cannot be asked), and what is found otherwise.
FILTERS: dict[str, tuple[bool | None, bool]] = {
    "(action=Handshake)": (True, True),
    '(action="Handshake")': (True, True),
    "(action=handshake)": (False, False),
    " (& (action=Handshake) (coId>5) ) ": (True, True),
    "(number=10)": (False, True),
    "( action = Handshake )": (False, False),
    "(action=Hand*)": (True, True),
    "(action=Shake*)": (False, False),
    "(coId=7*)": (None, False),
    "(action=*and*)": (True, True),
    "(action=*shake)": (False, True),
    "(action=*)": (None, True),
    "(missing=*)": (None, False),
    "(action~=^Hand.*e$)": (True, True),
    "(action~=^shake)": (False, False),
    "(action~=[)": (None, False),
    "(coId~=7)": (False, False),
    "(coId=7)": (True, True),
    "(coId=7.0)": (True, True),
    "(coId=seven)": (False, False),
    "(coId<>8)": (True, True),
    "(coId<>7)": (False, False),
    "(coId!=7)": (None, False),
    "(coId<8)": (True, True),
    "(coId<=7)": (True, True),
    "(coId>6.9)": (True, True),
    "(coId>=-1e3)": (True, True),
    "(coId>7)": (False, False),
    "(action>Adjust)": (True, True),
    "(action>=7)": (False, False),
    "(number>9)": (False, False),
    "(ok=true)": (False, False),
    "(none<>1)": (True, True),
    "(missing=1)": (False, False),
    "(content.group_id=depot-a)": (True, True),
    "(/content/group_id=depot-a)": (None, True),
    "(/action=Handshake)": (None, True),
    "(content.forecasted_blocks.phase=ONE)": (True, True),
    "(content.forecasted_blocks.capacity>20)": (False, False),
    "(content.nothing=1)": (False, False),
    "(content.*.phase=ALL)": (True, True),
    "(**.phase=ALL)": (True, True),
    "(odd name=1)": (None, False),
    "(!(action=Register))": (True, True),
    "(!(action=Handshake))": (False, False),
    "(!(missing=x))": (True, True),
    "(!(coId=x))": (False, True),
    "(!(!(action=Handshake)))": (False, True),
    "(!(&(action=Handshake)(coId=8)))": (False, True),
    "(!(a=1)(b=2))": (None, True),
    "(|(action=Register)(coId=7))": (True, True),
    "(&(coId=7)(|(action=Register)(action=Handshake)))": (True, True),
    "(&(|(action=Register)(action=Handshake))(coId=7))": (None, True),
    "(&(|(coId=7)))": (None, True),
    "(&)": (None, True),
    "(&a=1)": (None, True),
    "(|)": (None, False),
    # Read as far as it goes.
    "(action=Handshake)(coId=8)": (True, True),
    "x(action=Handshake)": (True, True),
    "(&(action=Handshake)(coId=7)": (True, True),
}
UNREADABLE = (
    *(
        "( & (a=1))",
        "",
        "action=Handshake",
        "(coId=7",
        "()",
        "(=1)",
        "(a=)",
        "(action)",
        ")(a=1)",
        "((a=1))",
    ),
    *("(&(action)(coId=7))", "(!" * 60 + "(a=1)" + ")" * 60),
)


@pytest.mark.parametrize("text", FILTERS)
def test_what_a_filter_finds(text: str) -> None:
    wanted = read_search_filter(text)
    assert wanted is not None
    by_service, otherwise = FILTERS[text]
    assert wanted.is_expressible is (by_service is not None)
    if by_service is not None:
        assert (wanted.fits(DATA, as_service=True) is True) is by_service
    assert (wanted.fits(DATA, as_service=False) is True) is otherwise


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_text_that_is_no_filter(text: str) -> None:
    assert read_search_filter(text) is None


NAMES = st.sampled_from(["a", "b", "a.b", "*", "**", "a b", "/a"])
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | VALUES
DATAS = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        LEAVES,
        lambda values: (
            st.lists(values, max_size=3) | st.dictionaries(st.sampled_from("ab"), values)
        ),
        max_leaves=8,
    ),
)
COMPARISONS = st.builds(
    Comparison, NAMES, st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "~", "^", "=*"]), VALUES
)
GROUPS = st.recursive(
    COMPARISONS,
    lambda filters: st.builds(
        Group, st.sampled_from("&|!"), st.lists(filters, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=6,
)


@given(GROUPS, DATAS)
def test_otherwise_a_negation_says_the_opposite(wanted: Any, data: dict[str, Any]) -> None:  # noqa: ANN401
    fits = wanted.fits(data, as_service=False)
    assert fits in {True, False}
    assert Group("!", (wanted,)).fits(data, as_service=False) is not fits
    assert wanted.fits(data, as_service=True) in {True, False, None}


@given(st.text('()&|!=<>~*\\/.?ab0" ', max_size=30))
def test_no_text_does_anything_but_be_read_or_passed_over(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wanted = read_search_filter(text)
        if wanted is not None and wanted.is_expressible:
            wanted.fits(DATA, as_service=True)
        if wanted is not None:
            wanted.fits(DATA, as_service=False)


@given(st.integers() | st.floats(-1e9, 1e9), st.integers() | st.floats(-1e9, 1e9))
def test_numbers_compare_as_python_has_it(left: float, right: float) -> None:
    holds = {
        "<": left < right,
        "<=": left <= right,
        "=": left == right,
        "<>": left != right,
        ">=": left >= right,
        ">": left > right,
    }
    found = {
        sign: Comparison("a", sign, repr(right)).fits({"a": left}, as_service=True)
        for sign in holds
    }
    assert found == holds


def test_many_double_stars_take_no_time() -> None:
    data: dict[str, Any] = {}
    inner = data
    for _ in range(60):
        inner["a"], inner["b"] = {}, 1
        inner = inner["a"]
    assert Comparison(".".join(["**"] * 20 + ["b"]), "=", "1").fits(data, as_service=True)

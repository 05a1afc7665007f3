"""Search filters: what each form means, that text and filter agree, that nothing breaks them."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.solaruser.user_events import (
    Comparison,
    Every,
    FilterError,
    Not,
    Operator,
    SearchFilter,
    Some,
    read_search_filter,
)

DATA: dict[str, Any] = {
    "action": "Handshake",
    "coId": 7,
    "cgIdentifier": "depot-a",
    "ok": True,
    "odd name": "a*b\\c",
    "number": "10",
    "content": {
        "group_id": "depot-a",
        "forecasted_blocks": [
            {"capacity": 10.5, "phase": "ALL", "start_time": "2022-10-08T18:00:00.000Z"},
            {"capacity": 20.0, "phase": "ONE", "start_time": "2022-10-08T19:00:00.000Z"},
        ],
        "nothing": [],
    },
}

FITTING = [
    "(action=Handshake)",
    "(/action=Handshake)",
    "( action =Handshake)",
    " ( & (action=Handshake) (coId>5) ) ",
    "(&(action=Handshake)(coId=7))",
    "(|(action=Register)(coId=7))",
    "(!(action=Register))",
    "(!(&(action=Handshake)(coId=8)))",
    "(coId=7)",
    "(coId=7.0)",
    "(coId=+7)",
    "(coId<>8)",
    "(coId<>seven)",
    "(coId<8)",
    "(coId<=7)",
    "(coId>6.9)",
    "(coId>=7)",
    "(coId>=-1e3)",
    # As texts, "10" would come before "9".
    "(number>9)",
    "(action>Adjust)",
    "(action<=Handshake)",
    "(action=Hand*)",
    "(action=*shake)",
    "(action=*nd*ha*)",
    "(action=*)",
    "(action<>R*)",
    "(coId=*)",
    "(ok=true)",
    "(content=*)",
    "(action~=^Hand(shake|over)$)",
    "(action~=d.h)",
    r"(cgIdentifier~=^\w+-\w$)",
    r"(odd name=a\2ab\5cc)",
    r"(*=a\2ab\5cc)",
    "(odd name=a**b*)",
    "(/content/group_id=depot-a)",
    "(/content/forecasted_blocks/phase=ONE)",
    "(/content/forecasted_blocks/capacity>10.5)",
    "(/content/*/phase=ALL)",
    "(/**/phase=ALL)",
    "(/**/group_id=depot-a)",
    "(/content/**/start_time~=^2022-10-08)",
    "(**=Handshake)",
    # One block is in phase ONE, and another is not.
    "(&(/content/forecasted_blocks/phase=ONE)(/content/forecasted_blocks/phase<>ONE))",
]
UNFITTING = [
    "(action=handshake)",
    "(action=Hand)",
    "(action=Shake*)",
    "(action=*hand)",
    "(action=*ha*nd*)",
    "(action=Handshake*Handshake)",
    # There is one nd, and it cannot stand for both.
    "(action=*nd*nd*)",
    "(coId=8)",
    "(coId=seven)",
    "(coId<>7)",
    "(coId>7)",
    "(coId<7)",
    "(missing=*)",
    "(missing=)",
    "(missing<>1)",
    "(missing~=.*)",
    "(/content/nothing=*)",
    "(/action/name=Handshake)",
    "(/forecasted_blocks/phase=ONE)",
    "(ok=True)",
    "(ok=1)",
    "(action~=^shake)",
    "(&(action=Handshake)(coId=8))",
    "(|(action=Register)(coId=8))",
    "(!(action=*))",
    "(/content/forecasted_blocks/capacity>20)",
]

MALFORMED = {
    "no parenthesis": "action=Handshake",
    "not closed": "(action=Handshake",
    "closed twice": "(action=Handshake))",
    "two filters": "(a=1)(b=2)",
    "nothing": "()",
    "no path": "(=1)",
    "an empty name": "(a//b=1)",
    "a slash at the end": "(a/=1)",
    "no operator": "(action)",
    "another operator": "(a!=1)",
    "nothing to join": "(&)",
    "nothing to negate": "(!)",
    "two to negate": "(!(a=1)(b=2))",
    "no filter to join": "(&a=1)",
    "a parenthesis in a value": "(a=b(c)",
    "half an escape": "(a=\\2)",
    "an escape that is none": "(a=\\zz)",
    "an escape that is not UTF-8": "(a=\\ff)",
    "a pattern that is none": "(a~=[)",
    "a pattern that is not closed": "(a~=(b)",
    "too deep": "(!" * 60 + "(a=1)" + ")" * 60,
}


@pytest.mark.parametrize("text", FITTING)
def test_fits(text: str) -> None:
    assert read_search_filter(text).fits(DATA)


@pytest.mark.parametrize("text", UNFITTING)
def test_does_not_fit(text: str) -> None:
    assert not read_search_filter(text).fits(DATA)


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_refuses(text: str) -> None:
    with pytest.raises(FilterError, match=r"^at character \d+: expected .+, found "):
        read_search_filter(text)


def test_says_where_and_what_was_expected() -> None:
    with pytest.raises(FilterError) as caught:
        read_search_filter("(&(action=Handshake)(coId!7))")
    assert str(caught.value) == ('at character 26: expected one of = <> < <= > >= ~=, found "!"')


# A path cannot hold the filter's own signs, and blanks around it do not count.
NAMES = st.text(
    st.characters(exclude_characters="()=<>~\\!&|/*", exclude_categories=["Cs"]), min_size=1
).filter(lambda text: text == text.strip())
PATHS = st.lists(NAMES | st.sampled_from(["*", "**"]), min_size=1, max_size=3).map(tuple)
VALUES = st.text(st.characters(exclude_categories=["Cs"]))
COMPARISONS = st.one_of(
    st.builds(
        Comparison,
        PATHS,
        st.sampled_from(["=", "<>"]),
        st.lists(VALUES, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        Comparison,
        PATHS,
        st.sampled_from(["<", "<=", ">", ">="]),
        # Such a sign right after < or > is part of the operator.
        st.tuples(VALUES.filter(lambda text: not text.startswith(("=", ">")))),
    ),
    st.builds(
        Comparison,
        PATHS,
        st.just("~="),
        st.tuples(st.sampled_from(["", "a|b", r"\(x", "(a)(b)?", "[a*]"])),
    ),
)
FILTERS: st.SearchStrategy[SearchFilter] = st.recursive(
    COMPARISONS,
    lambda filters: (
        st.builds(Not, filters)
        | st.builds(Every, st.lists(filters, min_size=1, max_size=3).map(tuple))
        | st.builds(Some, st.lists(filters, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
JSON_VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALUES,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(NAMES, values, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, JSON_VALUES, max_size=4)


@given(FILTERS)
def test_the_text_of_a_filter_describes_it_again(wanted: SearchFilter) -> None:
    assert read_search_filter(str(wanted)) == wanted


@given(FILTERS, OBJECTS)
def test_any_filter_can_be_asked_of_any_data_and_its_negation_says_the_opposite(
    wanted: SearchFilter, data: dict[str, Any]
) -> None:
    fits = wanted.fits(data)
    assert Not(wanted).fits(data) is not fits
    assert Every((wanted, Not(wanted))).fits(data) is False
    assert Some((wanted, Not(wanted))).fits(data) is True


LEAVES = st.booleans() | st.integers(-(2**63), 2**63) | VALUES
FLAT = st.dictionaries(NAMES, LEAVES, min_size=1, max_size=4)


@given(FLAT, st.sampled_from(["=", "<=", ">="]))
def test_anything_fits_a_filter_made_of_itself(data: dict[str, Any], sign: Operator) -> None:
    texts = {
        name: str(value).lower() if value is True or value is False else str(value)
        for name, value in data.items()
    }
    parts = tuple(Comparison((name,), sign, (text,)) for name, text in texts.items())
    assert Every(parts).fits(data)
    assert not Some(tuple(map(Not, parts))).fits(data)
    if sign == "=":
        assert read_search_filter(str(Every(parts))).fits(data)


@given(st.integers() | st.floats(-1e9, 1e9), st.integers() | st.floats(-1e9, 1e9))
def test_numbers_compare_as_python_has_it(left: float, right: float) -> None:
    text = f"{right!r}"
    holds = {
        "<": left < right,
        "<=": left <= right,
        "=": left == right,
        "<>": left != right,
        ">=": left >= right,
        ">": left > right,
    }
    found = {sign: read_search_filter(f"(a{sign}{text})").fits({"a": left}) for sign in holds}
    assert found == holds


@given(VALUES, st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4))
def test_a_star_stands_for_any_text(first: str, rest: list[tuple[str, str]]) -> None:
    text = first + "".join(any_text + piece for any_text, piece in rest)
    pieces = (first, *(piece for _, piece in rest))
    assert Comparison(("a",), "=", pieces).fits({"a": text})
    assert not Comparison(("a",), "<>", pieces).fits({"a": text})


@given(st.text("()&|!=<>~*\\/ab0 ", max_size=30))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            wanted = read_search_filter(text)
        except FilterError:
            return
    assert read_search_filter(str(wanted)) == wanted
    wanted.fits(DATA)


def test_many_stars_take_no_time() -> None:
    assert not Comparison(("a",), "=", ("a",) * 40 + ("b",)).fits({"a": "a" * 5000})


def test_many_double_stars_take_no_time() -> None:
    data: dict[str, Any] = {}
    inner = data
    for _ in range(60):
        inner["a"], inner["b"] = {}, 1
        inner = inner["a"]
    assert Comparison(("**",) * 20 + ("b",), "=", ("1",)).fits(data)

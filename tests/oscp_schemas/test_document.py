"""What a document knows of its text: places, repeated keys, extreme numbers, depth, surrogates."""

from __future__ import annotations

import json
from functools import reduce
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oscp_schemas
from oscp_schemas.show import make_pointer, pointer_tokens
from oscp_send.testing import json_values

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = """{
  "group_id": "foo-group",
  "forecasted_blocks": [
    {"capacity": 1, "unit": "KW"},
    {"capacity": 2,
     "unit": "kW"}
  ], "a/b": {"m~n": [[], [null, true]], "": 0}
}"""


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict):
        for name, child in value.items():
            yield from places(child, (*path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from places(child, (*path, index))


def at(value: object, path: tuple[str | int, ...]) -> object:
    def into(container: Any, step: str | int) -> object:  # noqa: ANN401 - a dict or a list
        return container[step]

    return reduce(into, path, value)


class TestLocate:
    @pytest.mark.parametrize(
        ("pointer", "place"),
        [
            ("", (1, 1)),
            ("/group_id", (2, 15)),
            ("/forecasted_blocks", (3, 24)),
            ("/forecasted_blocks/0", (4, 5)),
            ("/forecasted_blocks/0/unit", (4, 29)),
            ("/forecasted_blocks/1/unit", (6, 14)),
            ("/a~1b", (7, 13)),
            ("/a~1b/m~0n/1/1", (7, 33)),
            ("/a~1b/", (7, 45)),
        ],
    )
    def test_finds_a_value(self, pointer: str, place: tuple[int, int]) -> None:
        assert oscp_schemas.read(TEXT).locate(pointer) == place

    @pytest.mark.parametrize(
        "pointer",
        [
            *("/nothing", "/forecasted_blocks/2", "/forecasted_blocks/-1", "/group_id/0"),
            *("/forecasted_blocks/01", "/forecasted_blocks/-", "/a/b", "group_id"),
            *("/forecasted_blocks/\u0661", "/forecasted_blocks/" + "9" * 5000),
        ],
    )
    def test_does_not_find_what_is_not_there(self, pointer: str) -> None:
        with pytest.raises(LookupError) as raised:
            oscp_schemas.read(TEXT).locate(pointer)
        assert repr(pointer) in str(raised.value)

    def test_of_a_repeated_key_finds_the_last_which_counts(self) -> None:
        document = oscp_schemas.read('{"a":{"b":1},\n"a":2}')
        assert document.locate("/a") == (2, 5)
        with pytest.raises(LookupError):
            document.locate("/a/b")

    def test_does_not_mind_leading_blanks_and_windows_line_ends(self) -> None:
        assert oscp_schemas.read('\r\n\r\n {"a":\r\n1}').locate("/a") == (4, 1)

    @given(json_values(), st.sampled_from([None, 1]))
    def test_agrees_with_the_value_that_is_found(self, value: object, indent: int | None) -> None:
        document = oscp_schemas.read(json.dumps(value, indent=indent))
        lines = document.text.split("\n")
        for path in places(value):
            line, column = document.locate(make_pointer(path))
            rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
            assert json.JSONDecoder().raw_decode(rest)[0] == at(value, path)


class TestPointer:
    @pytest.mark.parametrize(
        ("name", "escaped"),
        [("a/b", "a~1b"), ("m~n", "m~0n"), ("~1", "~01"), ("", ""), ("~/~", "~0~1~0"), ("é", "é")],
    )
    def test_names_are_escaped(self, name: str, escaped: str) -> None:
        assert oscp_schemas.escape_pointer(name) == escaped
        assert pointer_tokens(f"/{escaped}") == [name]

    @given(st.lists(st.text()))
    def test_comes_back_as_the_path_it_was_made_of(self, path: list[str]) -> None:
        assert pointer_tokens(make_pointer(path)) == path


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ('{"a":1,"b":2}', ()),
        ('{"a":1,"a":2}', ("/a",)),
        ('{"a":1,"a":2,"b":3,"a":4}', ("/a",)),
        (r'{"a":1,"\u0061":2}', ("/a",)),
        ('[{"a/b":{"c":1,"c":2},"d":0,"d":[]}]', ("/0/a~1b/c", "/0/d")),
        ('{"a":{"x":1,"x":2},"a":3}', ("/a",)),
        (f'{{"a":{"9" * 5000},"a":1.5}}', ("/a",)),
    ],
)
def test_duplicate_keys(text: str, pointers: tuple[str, ...]) -> None:
    assert oscp_schemas.read(text).duplicate_keys == pointers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("[1, 1e308, 5e-324, 0e-400, -0.0, true, null, {}]", ()),
        ('{"a":1e400,"b":[-1e-400]}', (("/a", "1e400"), ("/b/0", "-1e-400"))),
        ("1" * 400, (("", "1" * 400),)),
        ('["1e400"]', ()),
        ("[1e-99999999999999999999]", (("/0", "1e-99999999999999999999"),)),
    ],
)
def test_numbers_beyond_double(text: str, numbers: tuple[tuple[str, str], ...]) -> None:
    assert oscp_schemas.read(text).numbers_beyond_double == numbers


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        (r'["\ud83d\udd0c", "\\ud83d"]', ()),
        (r'{"a":"x\ud83d","b":["\udd0c\ud83d"]}', ("/a", "/b/0")),
        (r'{"\ud83d":1,"n":{"\ud83dx":{"y":1}}}', ("/\ud83d", "/n/\ud83dx")),
        ('["\ud83d"]', ("/0",)),
    ],
)
def test_lone_surrogates(text: str, pointers: tuple[str, ...]) -> None:
    assert oscp_schemas.read(text).lone_surrogates == pointers


@pytest.mark.parametrize(
    ("text", "depth"),
    [("1", 0), ('"["', 0), ("[]", 1), ('{"a":[[],{}]}', 3), ("[[],[[]],[]]", 3)],
)
def test_depth(text: str, depth: int) -> None:
    assert oscp_schemas.read(text).depth == depth


@pytest.mark.parametrize(
    ("text", "length"),
    [('{"a":"12345"}', 0), ("[1,-1.5e+10,22]", 8), ('{"a":123456,"a":1}', 6), ("9" * 1001, 1001)],
)
def test_longest_number(text: str, length: int) -> None:
    assert oscp_schemas.read(text).longest_number == length


def test_a_document_does_not_show_its_text() -> None:
    document = oscp_schemas.read('{"token":"cp-token"}')
    assert repr(document) == "<Document of 20 characters>"

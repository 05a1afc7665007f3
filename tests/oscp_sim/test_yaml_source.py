import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim import yaml_source
from oscp_sim.yaml_source import SourceError, YamlDocument, read_yaml

# What YAML may hold as itself in quotes, without what it takes for a line break.
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\u2028\u2029")
    .filter(lambda letter: ord(letter) not in {0xFEFF, 0xFFFE, 0xFFFF})
    .filter(lambda letter: ord(letter) & 0xFFFE != 0xFFFE)
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def written(text: object) -> str:
    return json.dumps(text, ensure_ascii=False)


class Emitter:
    """Writes block YAML and notes where each value begins."""

    def __init__(self, value: object) -> None:
        self.text = ""
        self.places: dict[str, tuple[int, int]] = {}
        self.emit(value, "", 0)

    def emit(self, value: object, pointer: str, indent: int) -> None:
        if not isinstance(value, (dict, list)) or not value:
            self.note(pointer)
            self.text += written(value)
            return
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for at, (key, member) in enumerate(members):
            if at or pointer:
                self.text += "\n" + " " * indent
            if not at:
                self.note(pointer)
            self.text += f"{written(key)}: " if isinstance(value, dict) else "- "
            token = str(key).replace("~", "~0").replace("/", "~1")
            self.emit(member, f"{pointer}/{token}", indent + 2)

    def note(self, pointer: str) -> None:
        line = self.text.count("\n") + 1
        self.places[pointer] = line, len(self.text) - self.text.rfind("\n")


def pointers(value: object, above: str = "") -> Iterator[tuple[str, object]]:
    yield above, value
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    if isinstance(value, list):
        members = enumerate(value)
    for key, member in members:
        token = str(key).replace("~", "~0").replace("/", "~1")
        yield from pointers(member, f"{above}/{token}")


@given(values)
def test_where_is_where_the_value_was_written(value: object) -> None:
    emitter = Emitter(value)
    document = read_yaml(emitter.text)
    assert document.value == value
    assert {at: document.where(at) for at in emitter.places} == emitter.places


@given(values, st.sampled_from([None, 0, 3]))
def test_json_is_read_as_json_reads_it_with_its_places(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    document = read_yaml(text)
    lines = text.split("\n")
    for pointer, expected in pointers(value):
        line, column = document.where(pointer)
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        assert json.JSONDecoder().raw_decode(rest)[0] == expected
        assert document.at(pointer).value == expected
        assert document.at(pointer).where() == (line, column)


@given(values)
def test_libyaml_and_pure_python_agree(value: object) -> None:
    text = Emitter(value).text
    fast = read_yaml(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_source, "CParser", None)
        slow = read_yaml(text)
    assert fast.value == slow.value == value
    places = [(slow.where(at), slow.where(at, key=True)) for at, _ in pointers(value)]
    assert places == [(fast.where(at), fast.where(at, key=True)) for at, _ in pointers(value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("017", 17),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("123.456", 123.456),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("1:30:00", "1:30:00"),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("=", "="),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ('!!int "1"', 1),
        ("|\n two\n lines\n", "two\nlines\n"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    read = read_yaml(f"key: {text}").value["key"]
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        pytest.param(
            "a: 1\nb:\n  c: 2\n  c: 3\n",
            "4:3",
            'duplicate key "c" (first at line 3)',
            id="key twice",
        ),
        pytest.param(
            'a: 1\n"a": 2\n', "2:1", 'duplicate key "a" (first at line 1)', id="key twice, quoted"
        ),
        pytest.param("a: 1\n---\nb: 2\n", "2:1", "keep one document", id="two documents"),
        pytest.param("a:\n\t- b\n", "2:1", "spaces, never with tabs", id="tab"),
        pytest.param("a: |\n\tb\n", "2:1", "spaces, never with tabs", id="tab in a text"),
        pytest.param("a: *x", "1:4", "undefined alias", id="alias of nothing"),
        pytest.param("a: &x [*x]", "1:4", "write it out", id="alias of itself"),
        pytest.param("a: &x 1\nb: &x 2", "2:4", "own name", id="anchor twice"),
        pytest.param("a: [1,\n  2\n", "3:1", "sequence that begins at 1:4", id="bracket left open"),
        pytest.param("a: 'x\n", "2:1", "close the quote", id="quote left open"),
        pytest.param("a: b: c", "1:5", 'put a string with ": " in quotes', id="colon in a text"),
        pytest.param("a:\n  - @x", "2:5", 'starts with "@" in quotes', id="reserved character"),
        pytest.param(r'a: "\ud83d\ude00"', "1:7", "never as a pair", id="surrogate escapes"),
        pytest.param("a: x\ny: \x07", "2:4", "U+0007 is not allowed", id="control character"),
        pytest.param("a: \ud800", "1:4", "U+D800 is not allowed", id="lone surrogate"),
        pytest.param("1: a", "1:1", "a key must be a string", id="key is a number"),
        pytest.param("[a]: b", "1:1", "a key must be a string", id="key is a list"),
        pytest.param("<<: {a: 1}", "1:1", "merge key", id="merge key"),
        pytest.param("a: !mine x", "1:4", "tag !mine is not understood", id="unknown tag"),
        pytest.param("a: !!binary aGk=", "1:4", "is not understood", id="binary"),
        pytest.param("a: !!int x", "1:4", "does not fit", id="tag that does not fit"),
        pytest.param("a: .nan", "1:4", "is not a JSON number; quote it", id="not a number"),
        pytest.param("a: -.inf", "1:4", "is not a JSON number; quote it", id="infinity"),
        pytest.param("a: 1e400", "1:4", "is not a JSON number; quote it", id="beyond a double"),
        pytest.param("a: " + "9" * 5000, "1:4", "5000 digits is too long", id="too many digits"),
        pytest.param("[" * 100_000, "1:100", "more than 100 deep", id="flow too deep"),
        pytest.param("- " * 100_000 + "x", "1:199", "more than 100 deep", id="block too deep"),
    ],
)
def test_what_is_wrong_in_a_text_is_reported_with_its_place(
    text: str, place: str, words: str
) -> None:
    with pytest.raises(SourceError) as caught:
        read_yaml(text, "demo.yaml")
    assert str(caught.value).startswith(f"demo.yaml:{place}: ")
    assert words in str(caught.value)


def test_aliases_that_multiply_are_refused_before_they_are_written_out() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    with pytest.raises(SourceError, match="aliases expand to more than 250,000 values") as caught:
        read_yaml("\n".join(lines))
    assert len(caught.value.problems) == 1


def test_what_is_written_out_may_be_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oscp_sim.yaml_source._MOST_VALUES", 20)
    assert read_yaml(f"[{', '.join('1' * 100)}]").value == [1] * 100
    with pytest.raises(SourceError, match="aliases expand"):
        read_yaml(f"a: &a [{', '.join('1' * 10)}]\nb: [*a, *a, *a]")


def test_aliases_are_otherwise_good() -> None:
    document = read_yaml("a: &x {b: 1}\nc: *x\n")
    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.where("/c/b") == document.where("/a/b") == (1, 11)


def test_every_problem_of_a_text_is_reported() -> None:
    with pytest.raises(SourceError) as caught:
        read_yaml("a: 1\na: 2\n3: !x y\n", "f")
    assert [str(problem).partition(": ")[0] for problem in caught.value.problems] == [
        "f:2:1",
        "f:3:1",
        "f:3:4",
    ]
    assert str(caught.value).count("\n") == 2


def test_bytes_that_are_not_utf_8_have_a_place() -> None:
    with pytest.raises(SourceError, match=r"^f:2:4: byte 0xff is not UTF-8"):
        read_yaml("é: 1\nb: ".encode() + b"\xff", "f")


def test_a_byte_order_mark_is_left_out() -> None:
    document = read_yaml(b"\xef\xbb\xbfa: 1")
    assert (document.value, document.where("/a")) == ({"a": 1}, (1, 4))


def test_a_file_is_read_and_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [1", encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        read_yaml(path)
    assert caught.value.problems[0].file == str(path)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^gone: cannot be read: no such file or directory$"):
        read_yaml(tmp_path / "gone.yaml", "gone")


class TestPlaces:
    document = read_yaml("a:\n  - b: 1\n    c/d: 2\n", "f")

    def test_a_key_has_a_place_of_its_own(self) -> None:
        assert self.document.where("/a/0/c~1d") == (3, 10)
        assert self.document.where("/a/0/c~1d", key=True) == (3, 5)
        assert self.document.where("/a/0", key=True) == (2, 5)

    def test_what_is_missing_has_the_place_of_what_is_above_it(self) -> None:
        assert self.document.where("/a/0/x/y") == self.document.where("/a/0") == (2, 5)
        assert self.document.where("/a/7") == self.document.where("/a") == (2, 3)

    def test_a_part_knows_its_place_in_the_whole(self) -> None:
        part = self.document.at("/a/0")
        assert part.value == {"b": 1, "c/d": 2}
        assert part.place("/b") == "f:2"
        problem = part.problem("/c~1d", "no", key=True)
        assert (str(problem), problem.pointer) == ("f:3:5: no", "/a/0/c~1d")

    def test_a_pointer_is_unescaped_in_the_right_order(self) -> None:
        document = read_yaml('{"/": 1, "~1": 2, "~01": 3}')
        assert [document.at(f"/{token}").value for token in ("~1", "~01", "~001")] == [1, 2, 3]
        assert [document.where(f"/{token}")[1] for token in ("~1", "~01", "~001")] == [7, 16, 26]

    def test_a_part_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(LookupError):
            self.document.at("/a/3")


class TestValuesWithoutText:
    def test_problems_name_a_pointer(self) -> None:
        document = YamlDocument.of({"a": [1, {"b": 2}]}, "world").at("/a")
        assert str(document.problem("/1/b", "no")) == "world: /a/1/b: no"
        assert document.place("/1") == "world /a/1"
        with pytest.raises(LookupError, match="has no lines"):
            document.where()

    def test_tuples_become_lists(self) -> None:
        assert YamlDocument.of({"a": (1, 2)}, "world").value == {"a": [1, 2]}

    @pytest.mark.parametrize("value", [b"x", {1: 2}, float("nan"), {"deep": [object()]}])
    def test_what_json_has_no_word_for_is_refused(self, value: object) -> None:
        with pytest.raises(SourceError, match="is not allowed here"):
            YamlDocument.of(value, "world")

"""Judge a document by a JSON Schema, and say for each violation where it is and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

from jsonschema_rs import Draft7Validator, ValidationError, ValidationErrorKind

from oscp_schemas.show import make_pointer, nearest
from oscp_sim.yaml_source import SourceProblem, YamlDocument

# To place and explain each of very many takes long, and nobody reads them.
_MOST_PROBLEMS: Final = 100
_MORE: Final = "there is more that is wrong: mend this first"


class FileSchema:
    """A draft-07 schema of what people write.

    A value whose schema says `writeOnly` is a secret: it is never shown.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._validator = Draft7Validator(dict(schema))

    def problems(
        self, document: YamlDocument, is_open: Callable[[str], bool] = lambda _: False
    ) -> list[SourceProblem]:
        """Return each violation as a problem with its place, in file order.

        Of more than a hundred, some; the last problem then says that there are more.

        Args:
            document: The document.
            is_open: Tells of a pointer whether the text there will be another value, and maybe one
                of another type, though no mapping or list.
        """
        placed = self._placed(document, is_open)
        found = list(islice(placed, _MOST_PROBLEMS))
        found.sort(key=lambda each: (each[1].line or 0, each[1].column or 0, each[0]))
        problems = [problem for _, problem in found]
        if next(placed, None) is not None:
            problems.append(SourceProblem(document.name, _MORE))
        return problems

    def _placed(
        self, document: YamlDocument, is_open: Callable[[str], bool]
    ) -> Iterator[tuple[tuple[int, ...], SourceProblem]]:
        """Yield each problem, and where in the schema the keyword is that it violates."""
        for error in self._validator.iter_errors(document.value):
            violation = _violation(document, self.schema, error)
            if is_open(make_pointer(error.instance_path)) and _may_change(violation):
                continue
            explain = _EXPLAINERS.get(violation.keyword, _in_the_validators_words)
            for below, message, at_key in explain(violation):
                pointer = make_pointer(error.instance_path) + below
                yield violation.rank, document.problem(pointer, message, key=at_key)


@dataclass(frozen=True, slots=True)
class _Violation:
    """A keyword of a schema and the value that violates it.

    Attributes:
        keyword: As `maximum`.
        limit: What the schema has under the keyword.
        rank: Where in the whole schema the keyword is.
    """

    keyword: str
    limit: Any
    got: Any
    schema: Mapping[str, Any]
    error: ValidationError
    rank: tuple[int, ...]


class _Complaint(NamedTuple):
    """What is wrong: where below the value, in which words, and whether the key is at fault."""

    below: str
    message: str
    at_key: bool = False


def _violation(
    document: YamlDocument, schema: Mapping[str, Any], error: ValidationError
) -> _Violation:
    if isinstance(error.kind, ValidationErrorKind.PropertyNames):
        # What is wrong with a key is an error within the mapping's.
        error = error.kind.error
        got: Any = error.instance
    else:
        # As in the file, where the error has the keys of a mapping sorted.
        got = document.at(make_pointer(error.instance_path)).value
    own: Any = schema
    rank = []
    *above, keyword = error.schema_path
    for step in above:
        rank.append(step if isinstance(step, int) else list(own).index(step))
        own = own[step]
    rank.append(list(own).index(keyword))
    return _Violation(str(keyword), own[keyword], got, own, error, tuple(rank))


def _in_the_validators_words(violation: _Violation) -> Iterator[_Complaint]:
    yield _Complaint("", "does not fit" if _is_secret(violation) else violation.error.message)


def _unknown_keys(violation: _Violation) -> Iterator[_Complaint]:
    known = [*violation.schema.get("properties", violation.schema.get("patternProperties", ()))]
    # What is there already cannot have been meant.
    left = [name for name in known if name not in violation.got]
    if isinstance(violation.error.kind, ValidationErrorKind.AdditionalProperties):
        for key in violation.error.kind.unexpected:
            message = f'unknown key "{key}"; {_meant(key, left or known)}'
            yield _Complaint(make_pointer([key]), message, at_key=True)


def _missing_key(violation: _Violation) -> Iterator[_Complaint]:
    if isinstance(violation.error.kind, ValidationErrorKind.Required):
        key = violation.error.kind.property
        about = violation.schema.get("properties", {}).get(key, {}).get("description", "")
        yield _Complaint("", f'"{key}" is missing{_about(about)}')


_KINDS = {
    "null": "nothing",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a string",
    "array": "a list",
    "object": "a mapping",
}
# More than these are for the documentation.
_MOST_KEYS = 4
_PYTHON = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _wrong_kind(violation: _Violation) -> Iterator[_Complaint]:
    kinds = violation.limit
    wanted = [kinds] if isinstance(kinds, str) else list(kinds)
    got = _PYTHON.get(type(violation.got), "null")
    keys = violation.schema.get("properties", ()) if wanted == ["object"] and got != "null" else ()
    with_keys = f" with {_either(keys)}" if 0 < len(keys) <= _MOST_KEYS else ""
    message = f"expected {_either(_KINDS[kind] for kind in wanted)}{with_keys}, got {_KINDS[got]}"
    if "string" in wanted and got in {"boolean", "integer", "number"}:
        message += f"; {_as_duration(violation) or 'put it in quotes'}"
    if "array" in wanted and got == "string" and not _is_secret(violation):
        message += f"; write it as [{', '.join(violation.got.split())}]"
    yield _Complaint("", message)


def _as_duration(violation: _Violation) -> str:
    """Return how to write a number where a duration is expected; elsewhere an empty string."""
    form = str(violation.schema.get("pattern", ""))
    # What takes a number with a unit, and none without, is a duration.
    if not re.search(form, "2s") or re.search(form, "2"):
        return ""
    text = f"{_word(violation.got)}s"
    got = violation.got
    is_one = not isinstance(got, bool) and got > 0 and re.search(form, text)
    return f"write it as {text if is_one else '2s'}"


def _not_listed(violation: _Violation) -> Iterator[_Complaint]:
    listed = violation.limit if isinstance(violation.limit, list) else [violation.limit]
    meant = _meant(_word(violation.got), list(map(_word, listed)))
    yield _Complaint("", f"{_shown(violation)} is not known here; {meant}")


def _wrong_form(violation: _Violation) -> Iterator[_Complaint]:
    about = _about(violation.schema.get("description", f"a string like {violation.limit}"))
    yield _Complaint("", f"{_shown(violation)} does not have the right form{about}")


def _not_one_of(violation: _Violation) -> Iterator[_Complaint]:
    keys = [key for branch in violation.limit for key in branch.get("required", ())]
    if not isinstance(violation.got, dict):
        return  # what kind it should be is a violation of its own
    found = [key for key in keys if key in violation.got]
    if found:
        message = f"only one of {', '.join(keys)} is allowed here, not {' and '.join(found)}"
        yield _Complaint(make_pointer(found[-1:]), message, at_key=True)
    else:
        yield _Complaint("", f"one of {', '.join(keys)} is required here")


def _excluded(violation: _Violation) -> Iterator[_Complaint]:
    keys = violation.limit.get("required", ())
    if not keys:  # not anything
        yield _Complaint("", "does not belong here", at_key=True)
        return
    if not isinstance(violation.got, dict):
        return  # what kind it should be is a violation of its own
    yield _Complaint(make_pointer(keys[-1:]), f"{' and '.join(keys)} exclude each other", True)


def _bound(words: str) -> Callable[[_Violation], Iterator[_Complaint]]:
    def explain(violation: _Violation) -> Iterator[_Complaint]:
        yield _Complaint("", words.format(limit=violation.limit, got=_shown(violation)))

    return explain


_EXPLAINERS: Mapping[str, Callable[[_Violation], Iterator[_Complaint]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_key,
    "type": _wrong_kind,
    "enum": _not_listed,
    "const": _not_listed,
    "pattern": _wrong_form,
    "oneOf": _not_one_of,
    "not": _excluded,
    "minimum": _bound("{got} is below {limit}, the minimum"),
    "maximum": _bound("{got} is above {limit}, the maximum"),
    "minItems": _bound("expected at least {limit} item(s)"),
    "minLength": _bound("expected at least {limit} character(s)"),
    "maxLength": _bound("expected at most {limit} characters"),
    "minProperties": _bound("expected at least {limit} key(s)"),
}


def _may_change(violation: _Violation) -> bool:
    """Return whether another scalar might be right where a text is."""
    if violation.keyword == "type":
        kinds = [violation.limit] if isinstance(violation.limit, str) else violation.limit
        return not set(kinds) <= {"object", "array"}
    return violation.keyword in {"enum", "pattern", "minimum", "maximum", "maxLength"}


def _is_secret(violation: _Violation) -> bool:
    return bool(violation.schema.get("writeOnly"))


def _shown(violation: _Violation) -> str:
    if _is_secret(violation):
        return "this"
    return f'"{violation.got}"' if isinstance(violation.got, str) else _word(violation.got)


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _meant(word: str, known: list[str]) -> str:
    """Suggest the nearest known word, whatever its case, or list them all."""
    folded = {name.casefold(): name for name in known}
    near = nearest(word.casefold(), folded)
    return f'did you mean "{folded[near]}"?' if near else f"known here: {', '.join(known)}"


def _about(description: str) -> str:
    """Append the first sentence of a description."""
    return f": {description.partition('. ')[0].rstrip('.')}" if description else ""


def _either(words: Iterable[str]) -> str:
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last

"""Say, for each rule of a JSON Schema that a file breaks, what to do about it and where."""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft7Validator

from simulator.yaml_source import SourceProblem, YamlDocument

__all__ = ["explain"]

# A complaint: where below the value that broke the rule, what, and whether its key is at fault.
_Complaint = tuple[str, str, bool]
_KINDS = {
    "null": "nothing",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "a mapping",
}
_PYTHON = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True, slots=True)
class _Breach:
    """A keyword of a schema and the value that breaks it."""

    got: Any
    limit: Any
    schema: Mapping[str, Any]
    message: str


def explain(document: YamlDocument, schema: Mapping[str, Any]) -> list[SourceProblem]:
    """Return each breach of a draft-07 schema as a problem with its place, in file order.

    A value whose schema says `writeOnly` is a secret: it is never shown.
    """
    problems = []
    for error in Draft7Validator(schema).iter_errors(document.value):
        own = error.schema if isinstance(error.schema, Mapping) else {}
        breach = _Breach(error.instance, error.validator_value, own, error.message)
        tell = _TELLERS.get(str(error.validator), _unexplained)
        for below, message, key in tell(breach):
            pointer = _pointer(error.absolute_path) + below
            problems.append(document.problem(pointer, message, key=key))
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))


def _unexplained(breach: _Breach) -> Iterator[_Complaint]:
    yield "", "does not fit" if breach.schema.get("writeOnly") else breach.message, False


def _unknown_keys(breach: _Breach) -> Iterator[_Complaint]:
    known = list(breach.schema.get("properties", ()))
    for key in breach.got:
        if key not in known:
            # What is there already cannot have been meant.
            left = [name for name in known if name not in breach.got]
            yield _pointer([key]), f'unknown key "{key}"; {_meant(key, left or known)}', True


def _missing_keys(breach: _Breach) -> Iterator[_Complaint]:
    # One breach is reported for each missing key; its name is only in the message.
    key = next(key for key in breach.limit if breach.message.startswith(f"{key!r} "))
    about = breach.schema.get("properties", {}).get(key, {}).get("description", "")
    yield "", f'"{key}" is missing{_about(about)}', False


def _wrong_kind(breach: _Breach) -> Iterator[_Complaint]:
    kinds = breach.limit
    wanted = [kinds] if isinstance(kinds, str) else list(kinds)
    got = _PYTHON.get(type(breach.got), "null")
    message = f"expected {_either(_KINDS[kind] for kind in wanted)}, got {_KINDS[got]}"
    if "string" in wanted and got in {"boolean", "integer", "number"}:
        message += f"; {_as_duration(breach) or 'put it in quotes'}"
    yield "", message, False


def _as_duration(breach: _Breach) -> str:
    """Answers with how to write a number where a duration is expected; else with nothing."""
    form = str(breach.schema.get("pattern", ""))
    # What takes a number with a unit, and none without, is a duration.
    if not re.search(form, "2s") or re.search(form, "2"):
        return ""
    text = f"{_word(breach.got)}s"
    is_one = not isinstance(breach.got, bool) and breach.got > 0 and re.search(form, text)
    return f"write it as {text if is_one else '2s'}"


def _not_listed(breach: _Breach) -> Iterator[_Complaint]:
    listed = breach.limit if isinstance(breach.limit, list) else [breach.limit]
    words = list(map(_word, listed))
    yield "", f"{_shown(breach)} is not known here; {_meant(_word(breach.got), words)}", False


def _wrong_form(breach: _Breach) -> Iterator[_Complaint]:
    about = _about(breach.schema.get("description", f"a text like {breach.limit}"))
    yield "", f"{_shown(breach)} has not the right form{about}", False


def _not_one_of(breach: _Breach) -> Iterator[_Complaint]:
    keys = [key for branch in breach.limit for key in branch.get("required", ())]
    if not isinstance(breach.got, dict):
        return  # what kind it should be is a breach of its own
    found = [key for key in keys if key in breach.got]
    if found:
        rest = " and ".join(found)
        yield (
            _pointer(found[-1:]),
            f"only one of {', '.join(keys)} can stand here, not {rest}",
            True,
        )
    else:
        yield "", f"one of {', '.join(keys)} must stand here", False


def _together(breach: _Breach) -> Iterator[_Complaint]:
    keys = breach.limit.get("required", ())
    if not keys:  # not anything
        yield "", "does not belong here", True
        return
    yield _pointer(keys[-1:]), f"{' and '.join(keys)} exclude each other", True


def _bound(words: str) -> Callable[[_Breach], Iterator[_Complaint]]:
    def tell(breach: _Breach) -> Iterator[_Complaint]:
        yield "", words.format(limit=breach.limit, got=_shown(breach)), False

    return tell


_TELLERS: Mapping[str, Callable[[_Breach], Iterator[_Complaint]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_kind,
    "enum": _not_listed,
    "const": _not_listed,
    "pattern": _wrong_form,
    "oneOf": _not_one_of,
    "not": _together,
    "minimum": _bound("{got} is below {limit}, the least there can be"),
    "maximum": _bound("{got} is above {limit}, the most there can be"),
    "minItems": _bound("at least {limit} must stand here"),
    "minLength": _bound("a text of at least {limit} character(s) must stand here"),
    "maxLength": _bound("at most {limit} characters can stand here"),
    "minProperties": _bound("at least {limit} key(s) must stand here"),
}


def _shown(breach: _Breach) -> str:
    if breach.schema.get("writeOnly"):
        return "this"
    return f'"{breach.got}"' if isinstance(breach.got, str) else _word(breach.got)


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _meant(word: str, known: list[str]) -> str:
    """Suggest the nearest known word, whatever its case, or list them all."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f'did you mean "{folded[near[0]]}"?' if near else f"known here: {', '.join(known)}"


def _about(description: str) -> str:
    """Append the first sentence of a description."""
    return f": {description.partition('. ')[0].rstrip('.')}" if description else ""


def _either(words: Iterable[str]) -> str:
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)

"""Reading the JSON body of a request to the OSCP configuration API.

As the framework binds it (inferred): unknown properties are ignored, of equal ones the last counts,
and nothing may follow. No refusal quotes the body, for there may be a secret in it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from oscp_send.solarnetwork import jackson
from schemas import JsonError, read
from simulator.solaruser.configuration import fields as table
from simulator.solaruser.configuration.kinds import Unreadable
from simulator.solaruser.refusal import ApiRefused

if TYPE_CHECKING:
    from simulator.solaruser.configuration.fields import Fields

__all__ = ["MOST_LEVELS", "check_columns", "read_body", "read_values"]

# The service's parser goes to 500 levels, but what can be taken must be shown in every form.
MOST_LEVELS: Final = 100
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NO_BODY: Final = "Malformed request: Required request body is missing"
_NUL: Final = "\0"
_LARGEST: Final = 10**jackson.MAXIMUM_NUMBER_LENGTH


def read_values(fields: Fields, body: bytes | None) -> dict[str, Any]:
    """Answers with the values of a body's object by the world's names, with nothing wrong in them.

    Raises:
        ApiRefused: It is no JSON, no object, or something is missing or too long.
    """
    try:
        values = table.read(fields, read_body(body or b""))
    except Unreadable as error:
        raise ApiRefused(422, f"Malformed JSON: {error}") from None
    problems = list(table.problems_of(fields, values))
    if problems:
        told = " ".join(f"{each['location']} {each['message']}." for each in problems)
        raise ApiRefused(422, told, code="VAL.00004", errors=problems)
    return values


def check_columns(fields: Fields, values: dict[str, Any]) -> None:
    """Refuses what the database's columns do not take (SolarUser dossier §2.2 and §7.2).

    Raises:
        ApiRefused: A text is too long for them, or holds a NUL character.
    """
    is_too_long = table.too_long(fields, values)
    if is_too_long or _holds_nul(values):
        why = "a text is too long for its column" if is_too_long else "NUL cannot be stored"
        raise ApiRefused(
            422,
            "An invalid query parameter was used, or a required parameter was missing.",
            code="DAO.00103",
            explanation={"why": why},
        )


def read_body(data: bytes) -> dict[str, Any]:
    """Answers with the object of a body, half surrogate pairs in it replaced as when stored.

    Raises:
        ApiRefused: There is none.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if not data.strip():
        raise ApiRefused(422, _NO_BODY)
    try:
        document = read(data)
    except JsonError as error:
        raise ApiRefused(
            422,
            f"Malformed JSON: {_told(error)}",
            explanation={"why": f"no JSON at line {error.line}, column {error.column}"},
        ) from None
    if document.value is None:
        raise ApiRefused(422, _NO_BODY)
    if not isinstance(document.value, dict):
        raise ApiRefused(422, "Malformed JSON: Cannot deserialize value: not an object")
    return {name: _stored(value, 1) for name, value in document.value.items()}


def _told(error: JsonError) -> str:
    # A token at fault may be a secret that lacks its quotes.
    if error.kind in {"unrecognized-token", "bad-number"}:
        return "Unrecognized token"
    return jackson.parser_message(error)


def _stored(value: Any, level: int) -> Any:  # noqa: ANN401 - any JSON value
    if level > MOST_LEVELS:
        raise ApiRefused(422, f"Malformed JSON: {jackson.too_deep(jackson.MAXIMUM_DEPTH + 1)}")
    if isinstance(value, dict):
        return {_text(name): _stored(each, level + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_stored(each, level + 1) for each in value]
    if isinstance(value, Decimal):
        # The service would keep what nothing can show (inferred).
        raise ApiRefused(422, "Malformed JSON: Numeric value out of range of double")
    if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
        longest = jackson.MAXIMUM_NUMBER_LENGTH
        raise ApiRefused(422, f"Malformed JSON: {jackson.too_long_a_number(longest + 1)}")
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    """Answers with a text as the database's driver writes it (inferred; §2.3)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return _NUL in value
    if isinstance(value, dict):
        return any(_NUL in name or _holds_nul(each) for name, each in value.items())
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))

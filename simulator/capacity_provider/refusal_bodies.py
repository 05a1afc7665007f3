"""What the body of a refusal says: OSCP's one `message`, or SolarNetwork's envelope."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.capacity_provider.profiles import Profile
    from simulator.world.provider_behaviour import ProviderBehaviour

__all__ = ["Refusal", "refusal"]

_JSON: Final = ("Content-Type", "application/json")
_ERROR_HEADER: Final = "X-Error-Message"

# SolarNetwork answers these from its security filters, without a body that can be relied on.
_BODILESS: Final = frozenset({"X1", "X2", "X3", "X4", "X5", "X6"})
# By its container rather than its own code (inferred for the body).
_OF_THE_CONTAINER: Final = frozenset({"X7", "X13", "X14", "X20", "path"})
# The code and the beginning of the text for a JSON Schema keyword (OSCP dossier §2.5).
_CODES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "required": ("VAL.00004", ""),
        "minItems": ("VAL.00004", ""),
        "type": ("VAL.00005", "Malformed JSON: "),
        "json": ("VAL.00005", "Malformed JSON: "),
        "format": ("VAL.00006", "Malformed date string: "),
    }
)
_OTHER_CODE: Final = ("VAL.00007", "Malformed request: ")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal, ready to be sent.

    Attributes:
        status: The HTTP status.
        headers: Those that belong to it.
        body: Empty where there is none.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refusal(
    profile: Profile,
    case: str,
    message: str,
    behaviour: ProviderBehaviour,
    *,
    keyword: str = "",
    allowed: Sequence[str] = ("POST",),
    status: int | None = None,
) -> Refusal:
    """Answers with how a profile refuses.

    Args:
        profile: Whose ways are followed.
        case: An X case of the dossier, a rule, or a named case; see `Profile.statuses`.
        message: What is wrong, for a person.
        behaviour: May give the case another status.
        keyword: Of a body that the schema refuses: the first violation's keyword.
        allowed: Where the method is wrong (X13): the right ones.
        status: Where it is none of the profile's: that of a refused adjustment.
    """
    status = profile.status(case, behaviour) if status is None else status
    headers = (("Allow", ", ".join(allowed)),) if case == "X13" else ()
    if profile.refusal_shape == "message":
        return _with_body(status, headers, {"message": message})
    if case == "versions":
        return Refusal(status, (*headers, (_ERROR_HEADER, message)), b"")
    if case in _BODILESS:
        return Refusal(status, headers, b"")
    if case in _OF_THE_CONTAINER:
        return _with_body(status, headers, _container_error(status))
    return _with_body(status, headers, _envelope(case, message, keyword))


def _envelope(case: str, message: str, keyword: str) -> dict[str, object]:
    if case == "X19":
        return {"success": False, "message": "ACCESS_DENIED"}
    if case == "schema":
        code, begins = _CODES.get(keyword, _OTHER_CODE)
        return {"success": False, "code": code, "message": f"{begins}{message}"}
    if case in {"json", "X17"}:
        code, begins = _CODES["json"]
        return {"success": False, "code": code, "message": f"{begins}{message}"}
    return {"success": False, "message": message}


def _container_error(status: int) -> dict[str, object]:
    known = {each.value: each.phrase for each in HTTPStatus}
    return {"success": False, "status": status, "error": known.get(status, str(status))}


def _with_body(
    status: int, headers: tuple[tuple[str, str], ...], value: Mapping[str, object]
) -> Refusal:
    return Refusal(status, (*headers, _JSON), json.dumps(value).encode())

"""What the framework refuses before anybody asks who it is.

As observed in SolarNetwork (SolarUser dossier §5.7 and §7.1).
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from simulator.request_firewall import rejection
from simulator.solaruser.media_type import content_type_problem, media_type_of
from simulator.solaruser.refusal import ApiRefused, too_large

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.wire import WireRequest

__all__ = ["check_content", "check_parameter_names", "check_request"]


def check_request(request: WireRequest) -> None:
    """Refuses a method, an address or a header that looks like an attack.

    Raises:
        ApiRefused: The service would refuse the request, signed or not, with 400.
    """
    why = rejection(request)
    if why is not None:
        raise ApiRefused(400, why)


def check_content(request: WireRequest, body: bytes | None) -> None:
    """Refuses a content type that is none, and several parts that are too much together.

    Args:
        request: The request as it was sent.
        body: Its body; None where it is larger than the service takes.

    Raises:
        ApiRefused: The content type is none.
        AuthenticationRefused: The body is too large; other kinds of body are looked at later.
    """
    content_type = request.header("content-type")
    problem = content_type_problem(content_type) if content_type else None
    if problem:
        raise ApiRefused(403, problem)
    if body is None and media_type_of(request).startswith("multipart/"):
        raise too_large()


def check_parameter_names(names: Iterable[str]) -> None:
    """Refuses a parameter whose name holds what nobody writes by hand.

    Raises:
        ApiRefused: A name holds a control character or one that Unicode does not know.
    """
    for name in names:
        if any(unicodedata.category(character) in {"Cc", "Cn"} for character in name):
            raise ApiRefused(
                400,
                f'The request was rejected because the parameter name "{name}" is not allowed.',
            )

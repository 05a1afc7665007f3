"""What the framework refuses before anybody asks who it is.

As observed in SolarNetwork (SolarUser dossier §5.7 and §7.1); how the texts go on is inferred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.solaruser.refusal import ApiRefused

if TYPE_CHECKING:
    from simulator.wire import WireRequest

__all__ = ["check_request"]

_REJECTED = ("//", ";", "%2f", "%2F")


def check_request(request: WireRequest) -> None:
    """Refuses an address that looks like an attack, and a content type that is none.

    Raises:
        ApiRefused: The service would refuse the request, signed or not.
    """
    for text in _REJECTED:
        if text in request.path:
            raise ApiRefused(
                400,
                "The request was rejected because the URL contained a potentially malicious "
                f'String "{text}"',
            )
    content_type = request.header("content-type")
    if content_type and not _is_media_type(content_type):
        raise ApiRefused(403, f"Invalid mime type \"{content_type}\": does not contain '/'")


def _is_media_type(text: str) -> bool:
    kind, slash, subtype = text.partition(";")[0].strip().partition("/")
    return bool(kind and slash and subtype)

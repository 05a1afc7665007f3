"""The `Accept` header, read as SolarUser's framework reads it (inferred from the framework)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["MediaRange", "accepted"]

_ENTRY: Final = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUALITY: Final = re.compile(r"0?\.\d{1,20}|[01]\.?|1\.0{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One of the media types that a client accepts.

    Attributes:
        type: As `application`, or `*`.
        subtype: As `json`, or `*`.
        quality: From 0 to 1.
        text: As the framework writes it, with its parameters.
    """

    type: str
    subtype: str
    quality: float
    text: str

    def takes(self, media_type: str) -> bool:
        """Tells whether a media type without parameters is one of these."""
        kind, _, subtype = media_type.partition("/")
        # `application/*+json` takes `application/json`, too.
        same = self.subtype in {"*", subtype, f"*+{subtype}"}
        return self.type == "*" or (self.type == kind and same)

    @property
    def rank(self) -> tuple[float, bool, bool]:
        """For sorting: the best quality first, then the most particular."""
        return -self.quality, self.type == "*", "*" in self.subtype


def accepted(header: str | None) -> list[MediaRange]:
    """Answers with what a client accepts, in its own order; nothing where it does not say.

    Raises:
        ValueError: The header cannot be read; the message is the framework's.
    """
    entries = _ENTRY.findall(header or "")
    return [_range(entry.strip()) for entry in entries if entry.strip()]


def _range(text: str) -> MediaRange:
    name, *parameters = (part.strip() for part in text.split(";"))
    if name == "*":
        name = "*/*"
    kind, slash, subtype = name.lower().partition("/")
    if not slash or not subtype:
        raise ValueError(f"Invalid mime type \"{text}\": does not contain '/'")
    if kind == "*" != subtype:
        raise ValueError(f"Invalid mime type \"{text}\": wildcard type is legal only in '*/*'")
    if not _TOKEN.fullmatch(kind) or not _TOKEN.fullmatch(subtype):
        raise ValueError(f'Invalid mime type "{text}": Invalid token character')
    pairs = [part.partition("=")[::2] for part in parameters if part]
    quality = next((value.strip('"') for key, value in pairs if key.lower() == "q"), "1")
    if not _QUALITY.fullmatch(quality):
        raise ValueError(f'Invalid mime type "{text}": Invalid quality value "{quality}"')
    written = ";".join([f"{kind}/{subtype}", *(f"{key}={value}" for key, value in pairs)])
    return MediaRange(kind, subtype, float(quality), written)

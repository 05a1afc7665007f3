"""Which version of this program runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

__all__ = ["version"]


def version() -> str:
    """Answers with the installed version, or `unknown` where it runs without being installed."""
    try:
        return version_of("oscp-rehearsal")
    except PackageNotFoundError:
        return "unknown"

"""What to do about a finding of a conversation; each text belongs to one kind of finding alone."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACKNOWLEDGE_WITHOUT_HANDSHAKE",
    "ADJUSTS_UNKNOWN_FORECAST",
    "BEFORE_HANDSHAKE",
    "BEFORE_REGISTRATION",
    "DUPLICATE",
    "FORECAST_BEFORE_HANDSHAKE",
    "NO_FORECAST_NAMED",
    "NO_HANDSHAKE_NAMED",
    "UNKNOWN_FORECAST_NAMED",
]

DUPLICATE: Final = (
    "give every message an X-Request-ID of its own; one that is sent again under the same is "
    "processed twice where nobody looks for duplicates"
)
NO_FORECAST_NAMED: Final = (
    "send correlationId, the X-Request-ID of the forecast that cannot be complied with"
)
UNKNOWN_FORECAST_NAMED: Final = (
    "correlate with the X-Request-ID of the forecast that cannot be complied with, unchanged"
)
ADJUSTS_UNKNOWN_FORECAST: Final = (
    "correlate with the X-Request-ID of the forecast to be adjusted, or leave X-Correlation-ID out"
)
NO_HANDSHAKE_NAMED: Final = "correlate with the X-Request-ID of the Handshake that is acknowledged"
ACKNOWLEDGE_WITHOUT_HANDSHAKE: Final = (
    "send HandshakeAcknowledge in answer to a Handshake alone; to ask for settings, send Handshake"
)
BEFORE_REGISTRATION: Final = (
    "register first: each side sends Register, and is then called with the token that it gave"
)
BEFORE_HANDSHAKE: Final = "send Handshake first, and wait for its HandshakeAcknowledge"
FORECAST_BEFORE_HANDSHAKE: Final = (
    "send Handshake first, wait for its HandshakeAcknowledge, and only then speak of forecasts"
)

"""Hypothesis strategies for OSCP messages, and for messages that are broken in one known way.

It needs hypothesis, which the extra `hypothesis` installs. Names are imported when they are first
used; the imports for type checkers and the mapping below say the same; a test holds them equal.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oscp_send.testing.breaking import Broken as Broken
    from oscp_send.testing.breaking import broken as broken
    from oscp_send.testing.breaking import damaged as damaged
    from oscp_send.testing.properties import SenderMistake as SenderMistake
    from oscp_send.testing.properties import sender_properties as sender_properties
    from oscp_send.testing.shapes import forecasts as forecasts
    from oscp_send.testing.strategies import Sample as Sample
    from oscp_send.testing.strategies import actions as actions
    from oscp_send.testing.strategies import asset_measurements as asset_measurements
    from oscp_send.testing.strategies import blocks as blocks
    from oscp_send.testing.strategies import correlation_ids as correlation_ids
    from oscp_send.testing.strategies import date_times as date_times
    from oscp_send.testing.strategies import energy_measurements as energy_measurements
    from oscp_send.testing.strategies import group_ids as group_ids
    from oscp_send.testing.strategies import json_values as json_values
    from oscp_send.testing.strategies import messages as messages
    from oscp_send.testing.strategies import numbers as numbers
    from oscp_send.testing.strategies import required_behaviours as required_behaviours
    from oscp_send.testing.strategies import texts as texts
    from oscp_send.testing.strategies import (
        texts_near_part_boundaries as texts_near_part_boundaries,
    )
    from oscp_send.testing.trial import Outcome as Outcome
    from oscp_send.testing.trial import Rehearsal as Rehearsal
    from oscp_send.testing.trial import Sending as Sending
    from oscp_send.testing.typed import typed_messages as typed_messages

if find_spec("hypothesis") is None:
    raise ModuleNotFoundError(
        "oscp_send.testing needs hypothesis: pip install 'oscp-rehearsal[hypothesis]'",
        name="hypothesis",
    )

#: The public names of each module.
_NAMES: Final = MappingProxyType(
    {
        "breaking": "Broken broken damaged",
        "properties": "SenderMistake sender_properties",
        "shapes": "forecasts",
        "strategies": (
            "Sample actions asset_measurements blocks correlation_ids date_times "
            "energy_measurements group_ids json_values messages numbers required_behaviours texts "
            "texts_near_part_boundaries"
        ),
        "trial": "Outcome Rehearsal Sending",
        "typed": "typed_messages",
    }
)
_HOMES: Final = MappingProxyType(
    dict(sorted((name, home) for home, names in _NAMES.items() for name in names.split()))
)

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

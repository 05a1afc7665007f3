"""Messages as Python makes them: of the sender's own classes, from any value that these take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from oscp_send.messages import (
    MESSAGES,
    AdjustGroupCapacityForecast,
    AssetCategory,
    AssetMeasurement,
    CapacityForecastType,
    EnergyMeasurement,
    EnergyMeasurementDirection,
    EnergyMeasurementUnit,
    EnergyType,
    ForecastedBlock,
    ForecastedBlockUnit,
    GroupCapacityComplianceError,
    Handshake,
    InstantaneousMeasurement,
    InstantaneousMeasurementUnit,
    MeasurementConfiguration,
    Message,
    PhaseIndicator,
    RequiredBehaviour,
    UpdateAssetMeasurement,
    UpdateGroupCapacityForecast,
    UpdateGroupMeasurements,
)

_ANY_YEAR: Final = (datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - the bounds of aware times
# What a double can hold and no other number is equal to.
_WHOLE: Final = 2**53


def typed_messages(action: str | None = None) -> st.SearchStrategy[Message]:
    """Return messages of the classes of `oscp_send`, such as `AdjustGroupCapacityForecast`.

    They hold whatever can be made: times of any zone, to the microsecond, in any order; any text.

    Args:
        action: The OSCP message name; any of those that an instruction carries when left out.

    Raises:
        ValueError: An instruction cannot carry that message.
    """
    if action is not None and action not in MESSAGES:
        raise ValueError(f"{action!r} has no class; there are {', '.join(MESSAGES)}")
    kinds = MESSAGES.values() if action is None else [MESSAGES[action]]
    return st.one_of([_made()[kind] for kind in kinds])


@cache
def _made() -> Mapping[type[Message], st.SearchStrategy[Message]]:
    texts = st.text()
    types, blocks = st.sampled_from(CapacityForecastType), _some(_blocks())
    behaviours: st.SearchStrategy[RequiredBehaviour] = st.builds(
        RequiredBehaviour,
        st.lists(st.sampled_from(MeasurementConfiguration), unique=True),
        st.none() | _numbers(),
    )
    return {
        AdjustGroupCapacityForecast: st.builds(AdjustGroupCapacityForecast, texts, types, blocks),
        UpdateGroupCapacityForecast: st.builds(UpdateGroupCapacityForecast, texts, types, blocks),
        GroupCapacityComplianceError: st.builds(
            GroupCapacityComplianceError, texts, st.none() | blocks
        ),
        Handshake: st.builds(Handshake, st.none() | behaviours),
        UpdateGroupMeasurements: st.builds(UpdateGroupMeasurements, texts, _some(_energies())),
        UpdateAssetMeasurement: st.builds(UpdateAssetMeasurement, texts, _some(_assets())),
    }


def _some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, min_size=1, max_size=4)


def _moments() -> st.SearchStrategy[datetime]:
    west = timezone(timedelta(hours=-11))
    zones = (UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), west)
    return st.datetimes(*_ANY_YEAR, timezones=st.sampled_from(zones))


def _numbers() -> st.SearchStrategy[float]:
    return st.integers(-_WHOLE, _WHOLE) | st.floats(allow_nan=False, allow_infinity=False)


def _phases() -> st.SearchStrategy[PhaseIndicator]:
    return st.sampled_from(PhaseIndicator)


def _blocks() -> st.SearchStrategy[ForecastedBlock]:
    capacities = st.integers(0, _WHOLE) | st.floats(0, allow_nan=False, allow_infinity=False)
    units = st.sampled_from(ForecastedBlockUnit)
    return st.builds(ForecastedBlock, capacities, units, _phases(), _moments(), _moments())


def _energies() -> st.SearchStrategy[EnergyMeasurement]:
    return st.builds(
        EnergyMeasurement,
        _numbers(),
        st.sampled_from(EnergyMeasurementUnit),
        _phases(),
        st.sampled_from(EnergyMeasurementDirection),
        _moments(),
        energy_type=st.none() | st.sampled_from(EnergyType),
        initial_measure_time=st.none() | _moments(),
    )


def _assets() -> st.SearchStrategy[AssetMeasurement]:
    units = st.sampled_from(InstantaneousMeasurementUnit)
    momentary: st.SearchStrategy[InstantaneousMeasurement] = st.builds(
        InstantaneousMeasurement, _numbers(), units, _phases(), _moments()
    )
    categories = st.sampled_from(AssetCategory)
    return st.builds(
        AssetMeasurement, st.text(), categories, st.none() | _energies(), st.none() | momentary
    )

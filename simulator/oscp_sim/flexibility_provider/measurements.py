"""The measurements that the Flexibility Provider sends (oscp20.md §5.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import fmean
from types import MappingProxyType
from typing import Any, Final

from oscp_sim.flexibility_provider.delivery import ConfigurationProblem, DeliveryFailed
from oscp_sim.flexibility_provider.outbox import Outbox, check_version
from oscp_sim.flexibility_provider.schedule import Job, Timetable
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityGroup, CapacityOptimizer, CapacityProvider, DatumStream, User
from oscp_sim.world.model import Asset, AssetMeasurement, Audience, StatisticType

__all__ = [
    "GROUP_ACTION",
    "Unmeasurable",
    "Window",
    "measured",
    "measurement_jobs",
    "measurement_message",
]


# § What the datum streams of a world's file measure in a span of time.
#
# How SolarNetwork works this out in detail is not known (inferred throughout): the average,
# count, minimum and maximum are those of the values in the span; the start and the end are what a
# meter shows at its two ends, that is the last value before or at each; the difference is that of
# the two.


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time.

    Attributes:
        start: Within it.
        end: The first instant after it.
    """

    start: datetime
    end: datetime


def measured(
    streams: Iterable[DatumStream], asset: Asset, measurement: AssetMeasurement, window: Window
) -> float:
    """Answers with what an asset's datum stream measures in a span of time.

    That several properties are added up is (inferred). Where nothing was measured, it is zero
    (oscp20.md §5.7).

    Args:
        streams: Those of the asset's user.
        asset: Names the node and the source.
        measurement: Names the properties, and says what to make of them.
        window: The span.
    """
    own = [each for each in streams if (each.node_id, each.source_id) == _stream_of(asset)]
    total = 0.0
    for name in measurement.property_names:
        stream = next((each for each in own if name in each.values), None)
        if stream is not None:
            total += _statistic(_Readings(stream, name), measurement.statistic_type, window) or 0.0
    return total * (1 if measurement.multiplier is None else measurement.multiplier)


def _stream_of(asset: Asset) -> tuple[int, str]:
    return asset.node_id, asset.source_id


class _Readings:
    """The values of one property, also those after the last that is listed."""

    def __init__(self, stream: DatumStream, name: str) -> None:
        self._stream = stream
        self._values = stream.values[name]

    def within(self, window: Window) -> list[float]:
        """Answers with the values from a window's start to before its end."""
        first, end = self._index(window.start, up=True), self._index(window.end, up=True)
        if self._stream.repeat == "nothing":
            end = min(end, len(self._values))
        return [self._value(index) for index in range(max(first, 0), end)]

    def at(self, instant: datetime) -> float | None:
        """Answers with the last value before or at an instant; None before the first."""
        index = self._index(instant, up=False)
        if self._stream.repeat == "nothing":
            index = min(index, len(self._values) - 1)
        return self._value(index) if index >= 0 else None

    def first_up_to(self, instant: datetime) -> float | None:
        """Answers with the first value, if there is one before or at an instant."""
        return self._value(0) if self._index(instant, up=False) >= 0 else None

    def _index(self, instant: datetime, *, up: bool) -> int:
        stream = self._stream
        if up:
            return -((stream.start - instant) // stream.step)
        return (instant - stream.start) // stream.step

    def _value(self, index: int) -> float:
        values, last = self._values, len(self._values) - 1
        if index <= last:
            return values[index]
        if self._stream.repeat == "values" or last == 0:
            return values[index % len(values)]
        # As many rounds as there are increments in the list, and then some of them.
        rounds, rest = divmod(index, last)
        return values[rest] + rounds * (values[last] - values[0])


def _statistic(readings: _Readings, kind: StatisticType, window: Window) -> float | None:
    """Answers with one value; None where there is nothing to make it of."""
    if kind in {"Start", "End", "Difference"}:
        start, end = readings.at(window.start), readings.at(window.end)
        if start is None:
            start = readings.first_up_to(window.end)
        if kind == "Difference":
            return None if start is None or end is None else end - start
        return start if kind == "Start" else end
    values = readings.within(window)
    if kind == "Count":
        return float(len(values))
    if not values:
        return None
    if kind == "Average":
        return fmean(values)
    return min(values) if kind == "Minimum" else max(values)


# § The measurements of a Capacity Group as an OSCP message (oscp20.md §3.10, §3.11 and §5.7).
#
# As observed in SolarNetwork; what an asset leaves open is decided here, and said where.

#: The message where the service property `group-asset-measurement` does not say otherwise.
GROUP_ACTION: Final = "UpdateGroupMeasurements"
_ASSET_ACTION: Final = "UpdateAssetMeasurement"

_PHASES: Final[Mapping[str, str]] = MappingProxyType(
    {"Unknown": "UNKNOWN", "A": "ONE", "B": "TWO", "C": "THREE", "All": "ALL"}
)
_ENERGY_UNITS: Final = frozenset({"WH", "KWH"})
# The minutes for which the service can aggregate what is measured in passing.
_AGGREGATED: Final = frozenset({5, 10, 15, 30, 60})
_THOUSANDS: Final[Mapping[str, tuple[str, float]]] = MappingProxyType(
    {"W": ("W", 1.0), "KW": ("W", 1000.0), "WH": ("WH", 1.0), "KWH": ("WH", 1000.0)}
)
_YES: Final = frozenset({"true", "t", "yes", "y", "on", "1"})


class Unmeasurable(ValueError):
    """Raised for assets whose configuration no measurement can be made of."""


def measurement_message(
    user: User,
    group: CapacityGroup,
    system: CapacityProvider | CapacityOptimizer,
    assets: Sequence[Asset],
    window: Window,
) -> tuple[str, dict[str, Any]]:
    """Answers with the action and the content of the message for one span of time.

    Its list may be empty, though the schema wants at least one measurement.

    Args:
        user: Whose datum streams measure it.
        group: What it is about.
        system: Whom it is for; it says by `group-asset-measurement` which message it wants.
        assets: The group's, of the system's audience.
        window: The span.

    Raises:
        Unmeasurable: What is configured cannot be measured.
    """
    combined = _combined_id(group, system)
    if _is_set((system.service_props or {}).get("group-asset-measurement")):
        entries = [_asset_entry(user, system, asset, window) for asset in assets]
        if combined is not None and entries:
            entries = [_combined_entry(combined, entries)]
        return _ASSET_ACTION, {"group_id": group.identifier, "measurements": entries}
    energies = [
        energy for asset in assets if (energy := _energy(user, system, asset, window)) is not None
    ]
    if combined is not None and energies:
        energies = [_sum(energies)]
    return GROUP_ACTION, {"group_id": group.identifier, "measurements": energies}


def _combined_id(group: CapacityGroup, system: CapacityProvider | CapacityOptimizer) -> str | None:
    """Answers with the asset as which all are told, the group's before the system's (inferred)."""
    for props in (group.service_props, system.service_props):
        name = (props or {}).get("group-combined-asset-id")
        if isinstance(name, str) and name:
            return name
    return None


def _is_set(value: object) -> bool:
    """Tells whether a value that is like a boolean stands for true (inferred)."""
    if isinstance(value, str):
        return value.strip().lower() in _YES
    return isinstance(value, bool | int | float) and bool(value)


def _asset_entry(
    user: User, system: CapacityProvider | CapacityOptimizer, asset: Asset, window: Window
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "asset_id": asset.identifier,
        "asset_category": asset.category.upper(),
    }
    energy = _energy(user, system, asset, window)
    instantaneous = _instantaneous(user, asset, window)
    if energy is not None:
        entry["energy_measurement"] = energy
    if instantaneous is not None:
        entry["instantaneous_measurement"] = instantaneous
    return entry


def _combined_entry(name: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Answers with several entries as one; where they differ, the first counts (inferred)."""
    combined: dict[str, Any] = {"asset_id": name, "asset_category": entries[0]["asset_category"]}
    for part in ("energy_measurement", "instantaneous_measurement"):
        parts = [entry[part] for entry in entries if part in entry]
        if parts:
            combined[part] = _sum(parts)
    return combined


def _sum(measurements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Answers with several measurements as one, in the first one's unit."""
    first = measurements[0]
    total = sum(_converted(each["value"], each["unit"], first["unit"]) for each in measurements)
    return {**first, "value": total}


def _converted(value: float, unit: str, to: str) -> float:
    if unit == to:
        return value
    (kind, factor), (wanted, divisor) = (_THOUSANDS.get(each, (each, 1.0)) for each in (unit, to))
    if kind != wanted:
        raise Unmeasurable(f"assets in {unit} and in {to} cannot be combined into one")
    return value * factor / divisor


def _energy(
    user: User, system: CapacityProvider | CapacityOptimizer, asset: Asset, window: Window
) -> dict[str, Any] | None:
    """Answers with an EnergyMeasurement, or None for an asset whose energy is not measured.

    The direction has to be there, and is NET where the asset has none (inferred); without a type,
    the field is left out, which means TOTAL.
    """
    energy = asset.energy
    if energy is None:
        return None
    unit = energy.unit.upper()
    if unit not in _ENERGY_UNITS:
        raise Unmeasurable(f"asset {asset.identifier}: {energy.unit} is no unit of energy")
    value: dict[str, Any] = {
        "value": measured(user.datum_streams, asset, energy, window),
        "phase": _PHASES[asset.phase],
        "unit": unit,
        "direction": (energy.direction or "Net").upper(),
    }
    if energy.type is not None:
        value["energy_type"] = energy.type.upper()
    value["measure_time"] = window.end
    if energy.statistic_type == "Difference" or _is_intermittent(system):
        value["initial_measure_time"] = window.start
    return value


def _is_intermittent(system: CapacityProvider | CapacityOptimizer) -> bool:
    """Tells whether a system asked for measurements that say since when they count (§3.5)."""
    return system.settings is not None and "Intermittent" in system.settings.measurement_styles


def _instantaneous(user: User, asset: Asset, window: Window) -> dict[str, Any] | None:
    instantaneous = asset.instantaneous
    if instantaneous is None:
        return None
    minutes = (window.end - window.start).total_seconds() / 60
    if minutes not in _AGGREGATED:
        raise Unmeasurable(
            f"asset {asset.identifier}: its instantaneous properties cannot be measured every "
            f"{minutes:g} minutes, only every 5, 10, 15, 30 or 60"
        )
    return {
        "value": measured(user.datum_streams, asset, instantaneous, window),
        "phase": _PHASES[asset.phase],
        "unit": instantaneous.unit.upper(),
        "measure_time": _measure_time(window),
    }


def _measure_time(window: Window) -> datetime:
    """Answers with the moment that a measurement of a span is told to be of: its end (inferred)."""
    return window.end


_SECONDS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "Minute": 60,
        "FiveMinute": 300,
        "TenMinute": 600,
        "FifteenMinute": 900,
        "TwentyMinute": 1200,
        "ThirtyMinute": 1800,
        "Hour": 3600,
    }
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def measurement_jobs(
    shared: Shared, outbox: Outbox, new_request_id: Callable[[], str]
) -> tuple[Job, Job]:
    """Answers with the two jobs: Capacity Providers at second 50, Optimizers at second 20.

    Both of every odd minute.

    Args:
        shared: The shared shared.
        outbox: Sends the measurements.
        new_request_id: Makes an X-Request-ID.
    """
    make = partial(_Measurements, shared, outbox, new_request_id)
    return (
        Job(shared, Timetable(second=50, odd_minutes=True), make("CapacityProvider")),
        Job(shared, Timetable(second=20, odd_minutes=True), make("CapacityOptimizer")),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """A Capacity Group with assets of one audience, and that audience, as they are now."""

    user: User
    group: CapacityGroup
    system: CapacityProvider | CapacityOptimizer
    assets: tuple[Asset, ...]
    window: Window


class _Measurements:
    def __init__(
        self,
        shared: Shared,
        outbox: Outbox,
        new_request_id: Callable[[], str],
        audience: Audience,
    ) -> None:
        self._shared = shared
        self._outbox = outbox
        self._new_request_id = new_request_id
        self._audience = audience

    def due(self) -> datetime | None:
        now = self._shared.clock.now()
        return min((each.window.end for each in self._groups(now)), default=None)

    def steps(self, begun: datetime) -> Iterator[float]:
        """Tells of each group that is due, window after window up to now.

        One that fails stays where it is, and is tried again at the next run; the other groups go on
        (inferred).
        """
        chosen = [(each.user.id, each.group.id) for each in self._groups(begun)]
        for user_id, group_id in chosen:
            while (due := self._due(user_id, group_id, begun)) is not None:
                after, failure = 0.0, None
                try:
                    after = self._send(due)
                except (DeliveryFailed, ConfigurationProblem, Unmeasurable) as problem:
                    failure, after = problem, getattr(problem, "after", 0.0)
                # However many windows there are to catch up with, others have their turn between.
                yield after
                if failure is not None:
                    self._note(f"{due.system.name} has not been told measurements: {failure}")
                    break
                self._shared.change_group(user_id, group_id, **{self._date: due.window.end})

    @property
    def _date(self) -> str:
        if self._audience == "CapacityProvider":
            return "capacity_provider_measurement_date"
        return "capacity_optimizer_measurement_date"

    def _send(self, due: _Group) -> float:
        """Answers with the seconds by the simulator's clock until the answer comes."""
        action, content = measurement_message(
            due.user, due.group, due.system, due.assets, due.window
        )
        check_version(due.user.id, due.system, action)
        delivery = self._outbox.delivery(due.system, action, content, self._new_request_id())
        if delivery is None:
            # As with instructions, what need not be sent counts as sent (inferred).
            self._note(f"{due.system.name} has no base URL: no measurements are sent")
            return 0.0
        return self._outbox.send(due.user.id, due.system, delivery).after

    def _due(self, user_id: int, group_id: int, begun: datetime) -> _Group | None:
        """Answers with a group, if its next window is over."""
        for each in self._groups(begun):
            if (each.user.id, each.group.id) == (user_id, group_id):
                return each if each.window.end <= begun else None
        return None

    def _groups(self, now: datetime) -> Iterator[_Group]:
        """Answers with each group whose audience is told its measurements, due or not."""
        for user in self._shared.world.users:
            if not user.assets:
                continue
            for group in user.capacity_groups:
                system, window = self._system(user, group), self._window(group, now)
                assets = tuple(
                    asset
                    for asset in user.assets
                    if asset.capacity_group == group.id
                    and asset.audience == self._audience
                    and asset.enabled
                )
                if group.enabled and assets and system is not None and window is not None:
                    yield _Group(user, group, system, assets, window)

    def _system(
        self, user: User, group: CapacityGroup
    ) -> CapacityProvider | CapacityOptimizer | None:
        system = (
            user.provider(group.capacity_provider)
            if self._audience == "CapacityProvider"
            else user.optimizer(group.capacity_optimizer)
        )
        if system is None or not system.enabled or system.registration_status != "Registered":
            return None
        return system

    def _window(self, group: CapacityGroup, now: datetime) -> Window | None:
        """Answers with the next window: of a group that never had one, the last whole one.

        So that its windows begin at the full hour (inferred). None: after all times that there are.
        """
        of_provider = self._audience == "CapacityProvider"
        period = timedelta(
            seconds=_SECONDS[
                group.capacity_provider_measurement_period
                if of_provider
                else group.capacity_optimizer_measurement_period
            ]
        )
        last = (
            group.capacity_provider_measurement_date
            if of_provider
            else group.capacity_optimizer_measurement_date
        )
        if last is None:
            last = now - (now - _EPOCH) % period - period
        try:
            return Window(last, last + period)
        except OverflowError:
            return None

    def _note(self, why: str) -> None:
        self._shared.journal.append(
            "flexibility_provider", "note", action=GROUP_ACTION, detail={"why": why}
        )

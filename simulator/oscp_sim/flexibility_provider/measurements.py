"""Measure the assets of Capacity Groups, and send the measurements to their audience.

As observed in SolarNetwork (oscp20.md §3.10, §3.11 and §5.7). How SolarNetwork works out a value is
not known in detail (inferred throughout): the average, count, minimum and maximum are those of the
values in a span of time; the start and the end are what a meter shows at its two ends, that is the
last value before or at each; the difference is that of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from types import MappingProxyType
from typing import Any, Final

from oscp_send.fidelity import Behaviour
from oscp_sim.flexibility_provider.delivery import (
    ConfigurationProblem,
    DeliveryFailed,
    Events,
    System,
)
from oscp_sim.flexibility_provider.http_client import Sending
from oscp_sim.flexibility_provider.jobs import Job, Timetable
from oscp_sim.flexibility_provider.outbox import Outbox, check_version
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityGroup, DatumStream, User
from oscp_sim.world.model import (
    Asset,
    AssetEnergy,
    AssetMeasurement,
    Audience,
    StatisticType,
)

# The message unless the service property `group-asset-measurement` asks for the other one.
_GROUP_ACTION: Final = "UpdateGroupMeasurements"
_ASSET_ACTION: Final = "UpdateAssetMeasurement"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time; its end is the first instant after it."""

    start: datetime
    end: datetime


class _Unmeasurable(ValueError):
    """Raised for assets of whose configuration no measurement can be made."""


def measurement_jobs(shared: Shared, outbox: Outbox) -> tuple[Job, Job]:
    """Return the jobs, in odd minutes: Capacity Providers at second 50, Optimizers at 20."""
    providers = _Measurements(shared, outbox, "CapacityProvider")
    optimizers = _Measurements(shared, outbox, "CapacityOptimizer")
    return (
        Job(shared, Timetable(second=50, odd_minutes=True), providers),
        Job(shared, Timetable(second=20, odd_minutes=True), optimizers),
    )


class _Measurements:
    def __init__(self, shared: Shared, outbox: Outbox, audience: Audience) -> None:
        self._shared = shared
        self._outbox = outbox
        self._audience = audience
        self._is_for_providers = audience == "CapacityProvider"

    def due(self) -> datetime | None:
        now = self._shared.clock.now()
        return min((each.window.end for each in self._reports(now)), default=None)

    def steps(self, begun: datetime) -> Iterator[float]:
        """Report each group that is due, window after window up to the present.

        A group that fails stays where it is, and is tried again at the next run. As observed, it
        ends this one (measured where it cannot be measured, read where it cannot be sent).
        """
        date = "capacity_provider" if self._is_for_providers else "capacity_optimizer"
        chosen = [(each.user.id, each.group.id) for each in self._reports(begun)]
        ends_the_run = self._shared.behaviour.follows_service("measurement_runs")
        for place, (user_id, group_id) in enumerate(chosen, start=1):
            while (report := self._due(user_id, group_id, begun)) is not None:
                try:
                    yield from self._send(report)
                except (DeliveryFailed, ConfigurationProblem, _Unmeasurable) as problem:
                    more = _ENDS[ends_the_run] if place < len(chosen) else ""
                    why = f"{report.system.name} did not get its measurements: {problem}{more}"
                    self._note(why)
                    events = Events(self._shared, user_id, report.system, _GROUP_ACTION)
                    events.unresolvable(problem)
                    if ends_the_run:
                        return
                    break
                # However many windows there are to catch up with, others have their turn between.
                yield 0.0
                self._shared.change_group(
                    user_id, group_id, **{f"{date}_measurement_date": report.window.end}
                )

    def _send(self, report: _Report) -> Sending:
        for remark in report.remarks():
            self._note(remark)
        if not report.measured:
            return None
        action, content = report.message()
        check_version(report.user.id, report.system, action)
        delivery = self._outbox.delivery(report.system, action, content)
        if delivery is None:
            # As with instructions, a message that goes nowhere counts as sent (inferred).
            self._note(f"{report.system.name} has no base URL: no measurements are sent")
            return None
        return (yield from self._outbox.send(report.user.id, report.system, delivery))

    def _due(self, user_id: int, group_id: int, begun: datetime) -> _Report | None:
        """Return the report of a group whose next window is over, or None."""
        for each in self._reports(begun):
            if (each.user.id, each.group.id) == (user_id, group_id):
                return each if each.window.end <= begun else None
        return None

    def _reports(self, now: datetime) -> Iterator[_Report]:
        """Yield the next report of each group that has an audience, due or not."""
        for user in self._shared.world.users:
            if not user.assets:
                continue
            for group in user.capacity_groups:
                system, window = self._system(user, group), self._window(group, now)
                assets = tuple(
                    asset
                    for asset in user.assets
                    if asset.capacity_group == group.id and asset.audience == self._audience
                )
                if assets and system is not None and window is not None:
                    behaviour = self._shared.behaviour
                    yield _Report(user, group, system, assets, window, behaviour)

    def _system(self, user: User, group: CapacityGroup) -> System | None:
        system: System | None = (
            user.provider(group.capacity_provider)
            if self._is_for_providers
            else user.optimizer(group.capacity_optimizer)
        )
        if system is None or not system.enabled or system.registration_status != "Registered":
            return None
        return system

    def _window(self, group: CapacityGroup, now: datetime) -> Window | None:
        """Return the next window, or None after the end of the calendar.

        For a group that never had one, it is the last whole one: windows begin at the full hour
        (inferred).
        """
        if self._is_for_providers:
            period = timedelta(seconds=_SECONDS[group.capacity_provider_measurement_period])
            last = group.capacity_provider_measurement_date
        else:
            period = timedelta(seconds=_SECONDS[group.capacity_optimizer_measurement_period])
            last = group.capacity_optimizer_measurement_date
        if last is None:
            last = now - (now - _EPOCH) % period - period
        try:
            return Window(last, last + period)
        except OverflowError:
            return None

    def _note(self, why: str) -> None:
        self._shared.journal.append(
            "flexibility_provider", "note", action=_GROUP_ACTION, detail={"why": why}
        )


# What is said, by whether the service is followed, where the guide's plain sense parts from it.
_ENDS: Final = (
    "; in SolarNetwork this would end the run, and each further one: no group behind it is served",
    "; as in SolarNetwork this ends the run, and each further one: no group behind it is served",
)
_DISABLED: Final = (
    "it, or its group, is disabled, and left out; SolarNetwork measures it all the same",
    "it, or its group, is disabled, and measured all the same, as in SolarNetwork",
)
_INCOMPLETE: Final = (
    "its energy has no type or no direction; SolarNetwork would silently drop it: give both",
    "its energy has no type or no direction, so it is dropped, as in SolarNetwork: give both",
)

_PHASES: Final[Mapping[str, str]] = MappingProxyType(
    {"Unknown": "UNKNOWN", "A": "ONE", "B": "TWO", "C": "THREE", "All": "ALL"}
)
_ENERGY_UNITS: Final = frozenset({"WH", "KWH"})
# The minutes for which the service can aggregate instantaneous values.
_AGGREGATED: Final = frozenset({5, 10, 15, 30, 60})
_THOUSANDS: Final[Mapping[str, tuple[str, float]]] = MappingProxyType(
    {"W": ("W", 1.0), "KW": ("W", 1000.0), "WH": ("WH", 1.0), "KWH": ("WH", 1000.0)}
)
_YES: Final = frozenset({"true", "t", "yes", "y", "on", "1"})


@dataclass(frozen=True, slots=True)
class _Report:
    """The measurements of a Capacity Group for one system and one span of time.

    The user owns the datum streams that measure it, and the assets are those for this audience,
    enabled or not.
    """

    user: User
    group: CapacityGroup
    system: System
    assets: Sequence[Asset]
    window: Window
    behaviour: Behaviour

    @property
    def measured(self) -> Sequence[Asset]:
        """The assets that are measured: as observed all of them (measured)."""
        if self.behaviour.follows_service("disabled_assets"):
            return self.assets
        return [each for each in self.assets if self._is_enabled(each)]

    def _is_enabled(self, asset: Asset) -> bool:
        return asset.enabled and self.group.enabled

    def remarks(self) -> Iterator[str]:
        """Yield in what the guide's plain sense and the service part here."""
        follows = self.behaviour.follows_service
        for asset in self.assets:
            if not self._is_enabled(asset):
                yield f"asset {asset.identifier}: {_DISABLED[follows('disabled_assets')]}"
        for asset in self.measured:
            if not _is_complete(asset.energy):
                yield f"asset {asset.identifier}: {_INCOMPLETE[follows('energy_fields')]}"
            problem = None if self._is_by_asset else self._problem_of_period(asset)
            if problem is not None and not follows("measurement_runs"):
                yield f"{problem}: SolarNetwork fails at it in a message of the group, too"

    @property
    def _is_by_asset(self) -> bool:
        return _is_set((self.system.service_props or {}).get("group-asset-measurement"))

    def message(self) -> tuple[str, dict[str, Any]]:
        """Return the action and the content of the message that the system wants.

        Its list may be empty, though the schema wants at least one measurement. Raise
        `_Unmeasurable` for what cannot be measured as it is configured.
        """
        combined = self._combined_id()
        if self._is_by_asset or self.behaviour.follows_service("measurement_runs"):
            for problem in filter(None, map(self._problem_of_period, self.measured)):
                raise _Unmeasurable(problem)
        if self._is_by_asset:
            action = _ASSET_ACTION
            entries = [self._asset_entry(asset) for asset in self.measured]
            if combined is not None and entries:
                entries = [_combined_entry(combined, entries)]
        else:
            action = _GROUP_ACTION
            energies = (self._energy(asset) for asset in self.measured)
            entries = [energy for energy in energies if energy is not None]
            if combined is not None and entries:
                entries = [_sum(entries)]
        return action, {"group_id": self.group.identifier, "measurements": entries}

    def _combined_id(self) -> str | None:
        """Return the asset that stands for all; the group's name comes first (inferred)."""
        for props in (self.group.service_props, self.system.service_props):
            name = (props or {}).get("group-combined-asset-id")
            if isinstance(name, str) and name:
                return name
        return None

    def _asset_entry(self, asset: Asset) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "asset_id": asset.identifier,
            "asset_category": asset.category.upper(),
        }
        energy, instantaneous = self._energy(asset), self._instantaneous(asset)
        if energy is not None:
            entry["energy_measurement"] = energy
        if instantaneous is not None:
            entry["instantaneous_measurement"] = instantaneous
        return entry

    def _energy(self, asset: Asset) -> dict[str, Any] | None:
        """Return an EnergyMeasurement, or None for an asset whose energy is not measured.

        The direction is required, and is NET where the asset has none (inferred); without a type,
        the field is left out, which means TOTAL. As observed, it must have both (measured). Its
        time is the end of the span (inferred).
        """
        energy = asset.energy
        is_dropped = not _is_complete(energy) and self.behaviour.follows_service("energy_fields")
        if energy is None or is_dropped:
            return None
        unit = energy.unit.upper()
        if unit not in _ENERGY_UNITS:
            raise _Unmeasurable(f"asset {asset.identifier}: {energy.unit} is not a unit of energy")
        value: dict[str, Any] = {
            "value": measured(self.user.datum_streams, asset, energy, self.window),
            "phase": _PHASES[asset.phase],
            "unit": unit,
            "direction": (energy.direction or "Net").upper(),
        }
        if energy.type is not None:
            value["energy_type"] = energy.type.upper()
        value["measure_time"] = self.window.end
        if energy.statistic_type == "Difference" or self._is_intermittent():
            value["initial_measure_time"] = self.window.start
        return value

    def _is_intermittent(self) -> bool:
        """Return whether the system asked for measurements with both their times (§3.5)."""
        settings = self.system.settings
        return settings is not None and "Intermittent" in settings.measurement_styles

    def _instantaneous(self, asset: Asset) -> dict[str, Any] | None:
        """Return an InstantaneousMeasurement as of the end of the span (inferred), or None."""
        instantaneous = asset.instantaneous
        if instantaneous is None:
            return None
        return {
            "value": measured(self.user.datum_streams, asset, instantaneous, self.window),
            "phase": _PHASES[asset.phase],
            "unit": instantaneous.unit.upper(),
            "measure_time": self.window.end,
        }

    def _problem_of_period(self, asset: Asset) -> str | None:
        minutes = (self.window.end - self.window.start).total_seconds() / 60
        if asset.instantaneous is None or minutes in _AGGREGATED:
            return None
        return (
            f"asset {asset.identifier}: its instantaneous properties cannot be measured every "
            f"{minutes:g} minutes, only every 5, 10, 15, 30 or 60"
        )


def _is_complete(energy: AssetEnergy | None) -> bool:
    """Return whether nothing is missing that the service wants of an energy, if there is one."""
    return energy is None or (energy.type is not None and energy.direction is not None)


def _is_set(value: object) -> bool:
    """Return whether a value that is like a boolean means true (inferred)."""
    if isinstance(value, str):
        return value.strip().lower() in _YES
    return isinstance(value, bool | int | float) and bool(value)


def _combined_entry(name: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return several entries as one; where they differ, the first counts (inferred)."""
    combined: dict[str, Any] = {"asset_id": name, "asset_category": entries[0]["asset_category"]}
    for part in ("energy_measurement", "instantaneous_measurement"):
        parts = [entry[part] for entry in entries if part in entry]
        if parts:
            combined[part] = _sum(parts)
    return combined


def _sum(measurements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return several measurements as one, in the unit of the first."""
    first = measurements[0]
    total = sum(_converted(each["value"], each["unit"], first["unit"]) for each in measurements)
    return {**first, "value": total}


def _converted(value: float, unit: str, to: str) -> float:
    if unit == to:
        return value
    (kind, factor), (wanted, divisor) = (_THOUSANDS.get(each, (each, 1.0)) for each in (unit, to))
    if kind != wanted:
        raise _Unmeasurable(f"assets in {unit} and in {to} cannot be combined into one")
    return value * factor / divisor


def measured(
    streams: Iterable[DatumStream], asset: Asset, measurement: AssetMeasurement, window: Window
) -> float:
    """Return what an asset's datum stream measures in a span of time.

    The values of several properties are added up (inferred). Where nothing was measured, the
    result is zero (oscp20.md §5.7). The streams are those of the asset's user.
    """
    source = (asset.node_id, asset.source_id)
    own = [each for each in streams if (each.node_id, each.source_id) == source]
    total = 0.0
    for name in measurement.property_names:
        stream = next((each for each in own if name in each.values), None)
        if stream is not None:
            total += _statistic(_Series(stream, name), measurement.statistic_type, window) or 0.0
    return total * (1 if measurement.multiplier is None else measurement.multiplier)


def _statistic(series: _Series, kind: StatisticType, window: Window) -> float | None:
    """Return one value, or None without values to make it of."""
    if kind in {"Start", "End", "Difference"}:
        start, end = series.at(window.start), series.at(window.end)
        if start is None:
            start = series.first_up_to(window.end)
        if kind == "Difference":
            return None if start is None or end is None else end - start
        return start if kind == "Start" else end
    values = series.within(window)
    if kind == "Count":
        return float(len(values))
    if not values:
        return None
    if kind == "Average":
        return fmean(values)
    return min(values) if kind == "Minimum" else max(values)


class _Series:
    """The values of one property, including those after the last that is listed."""

    def __init__(self, stream: DatumStream, name: str) -> None:
        self._stream = stream
        self._values = stream.values[name]

    def within(self, window: Window) -> list[float]:
        """Return the values from a window's start to before its end."""
        first, end = self._index(window.start, up=True), self._index(window.end, up=True)
        if self._stream.repeat == "nothing":
            end = min(end, len(self._values))
        return [self._value(index) for index in range(max(first, 0), end)]

    def at(self, instant: datetime) -> float | None:
        """Return the last value before or at an instant, or None before the first."""
        index = self._index(instant, up=False)
        if self._stream.repeat == "nothing":
            index = min(index, len(self._values) - 1)
        return self._value(index) if index >= 0 else None

    def first_up_to(self, instant: datetime) -> float | None:
        """Return the first value if it is before or at an instant, or None."""
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

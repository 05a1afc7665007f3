"""The fields of all that the OSCP configuration API knows (SolarUser dossier §8.1 to §8.4)."""

from __future__ import annotations

from typing import Any, Final, get_args

from simulator.solaruser.configuration.fields import Field, Fields
from simulator.solaruser.configuration.kinds import (
    DECIMAL,
    FLAG,
    SERVICE_PROPS,
    TEXTS,
    WHOLE,
    Kind,
    block,
    choice,
    text,
)
from simulator.world.capacity_group import (
    AssetCategory,
    AssetEnergy,
    AssetMeasurement,
    Audience,
    EnergyDirection,
    EnergyType,
    MeasurementPeriod,
    Phase,
    StatisticType,
    Unit,
)
from simulator.world.external_system import RegistrationStatus

__all__ = ["ASSET", "GROUP", "PUBLICATION", "SOURCE_ID_TEMPLATE", "SYSTEM"]

#: How the service names datum streams where the settings do not say.
SOURCE_ID_TEMPLATE: Final = "/oscp/{role}/{action}/{cp}/{co}/{cgIdentifier}"

_NAME: Final = Field("name", "name", text(64, shortest=1), required=True, about="For people")
_ENABLED: Final = Field(
    "enabled", "enabled", FLAG, default=False, about="Otherwise it is unknown to the services"
)
_SERVICE_PROPS: Final = Field(
    "serviceProps", "service_props", SERVICE_PROPS, about="More settings, by name"
)


def _choice(names: Any, type_name: str) -> Kind:  # noqa: ANN401 - a Literal
    return choice(type_name, get_args(names))


_STATUS: Final = choice(
    "RegistrationStatus",
    get_args(RegistrationStatus),
    {"p": "Pending", "r": "Registered", "f": "Failed"},
)
_PERIOD: Final = _choice(MeasurementPeriod, "MeasurementPeriod")

#: A Capacity Provider, and as well a Capacity Optimizer. That its registration status must be given
#: is not for validation: it is missed later, and in another way.
SYSTEM: Final[Fields] = (
    _ENABLED,
    _NAME,
    Field("baseUrl", "base_url", text(256), about="Where it listens; its registration tells it"),
    Field("oscpVersion", "oscp_version", text(8), about="2.0, for delivery to work"),
    Field("registrationStatus", "registration_status", _STATUS, about="How far it has come"),
    _SERVICE_PROPS,
)

GROUP: Final[Fields] = (
    _NAME,
    _ENABLED,
    Field(
        "identifier",
        "identifier",
        text(128, shortest=1),
        required=True,
        about="The cgIdentifier of instructions and the group_id of OSCP",
    ),
    Field(
        "capacityProviderId",
        "capacity_provider",
        WHOLE,
        required=True,
        about="The configId of a Capacity Provider",
    ),
    Field(
        "capacityOptimizerId",
        "capacity_optimizer",
        WHOLE,
        required=True,
        about="The configId of a Capacity Optimizer",
    ),
    Field(
        "capacityProviderMeasurementPeriod",
        "capacity_provider_measurement_period",
        _PERIOD,
        required=True,
        about="How often the Capacity Provider is told measurements",
    ),
    Field(
        "capacityOptimizerMeasurementPeriod",
        "capacity_optimizer_measurement_period",
        _PERIOD,
        required=True,
        about="How often the Capacity Optimizer is told measurements",
    ),
    _SERVICE_PROPS,
)

_MEASUREMENT: Final[Fields] = (
    Field("propertyNames", "property_names", TEXTS, required=True, about="Of a datum stream"),
    Field("unit", "unit", _choice(Unit, "MeasurementUnit"), required=True),
    Field("multiplier", "multiplier", DECIMAL, about="Turns the properties' unit into this one"),
    Field(
        "statisticType", "statistic_type", _choice(StatisticType, "StatisticType"), required=True
    ),
)
_ENERGY: Final[Fields] = (
    *_MEASUREMENT,
    Field("type", "type", _choice(EnergyType, "EnergyType")),
    Field("direction", "direction", _choice(EnergyDirection, "EnergyDirection")),
)

ASSET: Final[Fields] = (
    _NAME,
    _ENABLED,
    Field(
        "capacityGroupId",
        "capacity_group",
        WHOLE,
        required=True,
        about="The configId of a Capacity Group",
    ),
    Field(
        "identifier",
        "identifier",
        text(column=64, shortest=1),
        required=True,
        about="Unique in its group",
    ),
    Field("audience", "audience", _choice(Audience, "OscpRole"), required=True),
    Field("nodeId", "node_id", WHOLE, required=True, about="A node of the user"),
    Field("sourceId", "source_id", text(64, shortest=1), required=True, about="A datum stream"),
    Field("category", "category", _choice(AssetCategory, "AssetCategory"), required=True),
    Field("phase", "phase", _choice(Phase, "Phase"), required=True),
    Field(
        "instantaneous",
        "instantaneous",
        block("AssetInstantaneousDatumConfiguration", _MEASUREMENT, AssetMeasurement),
    ),
    Field("energy", "energy", block("AssetEnergyDatumConfiguration", _ENERGY, AssetEnergy)),
    _SERVICE_PROPS,
)

PUBLICATION: Final[Fields] = (
    Field("publishToSolarIn", "publish_to_solar_in", FLAG, default=True, about="Keep the values"),
    Field(
        "publishToSolarFlux",
        "publish_to_solar_flux",
        FLAG,
        default=True,
        about="Send the values to subscribers",
    ),
    Field("nodeId", "node_id", WHOLE, required=True, about="A node of the user"),
    Field(
        "sourceIdTemplate",
        "source_id_template",
        text(),
        about=f"{SOURCE_ID_TEMPLATE} where it is not given",
    ),
)

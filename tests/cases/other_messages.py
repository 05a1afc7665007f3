"""Cases C105 to C195: the other eight messages."""

from __future__ import annotations

from tests.cases.case import Case, case
from tests.cases.payloads import (
    DROP,
    END,
    START,
    asset,
    asset_measurements,
    block,
    compliance,
    energy,
    forecast,
    group_measurements,
    handshake,
    heartbeat,
    instantaneous,
    one_asset,
    one_block,
    one_energy,
    register,
    text,
    version_url,
)

TOP_LEVEL = text({"heartbeat_interval": 60, "measurement_configuration": ["CONTINUOUS"]})

FORECASTS: tuple[Case, ...] = (
    case(
        "C105 U",
        "n n D-schema 204 invalid",
        "negative capacity (the FP endpoint takes it)",
        one_block(capacity=-10.5),
    ),
    case(
        "C106 U",
        "n n D-schema 204 invalid",
        "capacity as string (the oscp-go OpenAPI type)",
        one_block(capacity="10.5"),
    ),
    case(
        "C107 U",
        "n y D-schema 204 invalid",
        "30 February (the FP endpoint reads 28 February)",
        one_block(start_time="2031-02-30T00:00:00Z"),
    ),
    case(
        "C108 U",
        "n n D-schema 204 invalid",
        "epoch number (the FP endpoint reads milliseconds)",
        one_block(start_time=1930089600),
    ),
    case(
        "C109 U",
        "y y D-decode 422 valid",
        "microseconds",
        one_block(start_time="2031-03-01T00:00:00.123456Z"),
    ),
    case("C110 U", "n n D-schema 204 invalid", "null block", forecast(forecasted_blocks=[None])),
    case(
        "C111 U",
        "y y Q 204 invalid",
        "end before start",
        one_block(start_time=END, end_time=START),
    ),
)

COMPLIANCE: tuple[Case, ...] = (
    case("C112 G", "y y Q - unclear", "empty message", compliance(message="")),
    case("C113 G", "n n D-schema - invalid", "message missing", "{}"),
    case("C114 G", "n n D-schema - invalid", "message null", compliance(message=None)),
    case("C115 G", "n n D-schema - invalid", "message number", compliance(message=7)),
    case("C116 G", "n n D-schema - invalid", "blocks empty", compliance(forecasted_blocks=[])),
    case("C117 G", "n n D-schema - invalid", "blocks null", compliance(forecasted_blocks=None)),
    case(
        "C118 G",
        "n n D-schema - invalid",
        "bad unit in block",
        compliance(forecasted_blocks=[block(unit="kW")]),
    ),
    case(
        "C119 G",
        "n n D-schema - invalid",
        "negative capacity in block",
        compliance(forecasted_blocks=[block(capacity=-10.5)]),
    ),
    case("C120 G", "n n D-schema - invalid", "blocks without message", compliance(message=DROP)),
    case(
        "C121 G",
        "y y Q - unclear",
        "duplicate message key",
        compliance().replace("{", '{"message":"first",', 1),
    ),
    case(
        "C122 G",
        "y y D-decode - unclear",
        "space separator in block time",
        compliance(forecasted_blocks=[block(start_time="2031-03-01 00:00:00Z")]),
        python=False,
    ),
)

HANDSHAKES: tuple[Case, ...] = (
    case("C123 HS", "y y Q 422 valid", "empty object", "{}"),
    case(
        "C124 HS",
        "n n D-schema 422 unclear",
        "empty required_behaviour (what the SolarNetwork FP sends in its acknowledge)",
        text({"required_behaviour": {}}),
    ),
    case(
        "C125 HS",
        "n n D-schema 422 invalid",
        "required_behaviour null",
        text({"required_behaviour": None}),
    ),
    case(
        "C126 HS",
        "y y Q 422 invalid",
        "behaviour fields at top level (ELMO example, oscp-go)",
        TOP_LEVEL,
    ),
    case(
        "C127 HS",
        "n n D-schema 422 unclear",
        "heartbeat only (pyoscp acknowledge)",
        handshake(measurement_configuration=DROP),
    ),
    case(
        "C128 HA",
        "n n - 422 unclear",
        "empty required_behaviour (what the SolarNetwork FP sends in its acknowledge)",
        text({"required_behaviour": {}}),
    ),
    case(
        "C129 HA",
        "n n - 204 invalid",
        "required_behaviour null",
        text({"required_behaviour": None}),
    ),
    case(
        "C130 HA",
        "y y - 204 invalid",
        "behaviour fields at top level (ELMO example, oscp-go)",
        TOP_LEVEL,
    ),
    case(
        "C131 HA",
        "n n - 422 unclear",
        "heartbeat only (pyoscp acknowledge)",
        handshake(measurement_configuration=DROP),
    ),
    case("C132 HS", "y y Q 204 invalid", "heartbeat_interval 0", handshake(heartbeat_interval=0)),
    case("C133 HS", "y y Q 204 invalid", "heartbeat_interval -5", handshake(heartbeat_interval=-5)),
    case(
        "C134 HS", "y y Q 204 invalid", "heartbeat_interval 0.5", handshake(heartbeat_interval=0.5)
    ),
    case(
        "C135 HS", "y y Q 204 unclear", "heartbeat_interval 1.5", handshake(heartbeat_interval=1.5)
    ),
    case(
        "C136 HS",
        "n n D-schema 204 invalid",
        "heartbeat_interval string",
        handshake(heartbeat_interval="60"),
    ),
    case(
        "C137 HS",
        "n n D-schema 204 invalid",
        "measurement_configuration repeated value",
        handshake(measurement_configuration=["CONTINUOUS", "CONTINUOUS"]),
    ),
    case(
        "C138 HS",
        "n n D-schema 422 invalid",
        "measurement_configuration lower case",
        handshake(measurement_configuration=["continuous"]),
    ),
    case(
        "C139 HS",
        "n n D-schema 422 invalid",
        "measurement_configuration null item",
        handshake(measurement_configuration=[None]),
    ),
    case(
        "C140 HS",
        "n n D-schema 422 invalid",
        "measurement_configuration string, not array",
        handshake(measurement_configuration="CONTINUOUS"),
    ),
    case(
        "C141 HS",
        "y y Q 422 invalid",
        "American spelling key",
        handshake().replace("behaviour", "behavior"),
    ),
)

HEARTBEATS: tuple[Case, ...] = (
    case(
        "C142 HB",
        "y y - 422 valid",
        "offline_mode_at one fraction digit",
        heartbeat("2031-03-01T00:00:00.5Z"),
    ),
    case(
        "C143 HB",
        "n y - 422 invalid",
        "offline_mode_at pyoscp wire format",
        heartbeat("2031-03-01 00:00:00"),
    ),
    case(
        "C144 HB",
        "y y - 204 invalid",
        "offline_mode_at in the past",
        heartbeat("2021-03-01T00:00:00Z"),
    ),
    case("C145 HB", "n n - 422 invalid", "offline_mode_at null", heartbeat(None)),
    case("C146 HB", "n n - 204 invalid", "offline_mode_at epoch number", heartbeat(1930089600000)),
    case(
        "C147 HB",
        "y y - 422 unclear",
        "offline_mode_at lower-case z",
        heartbeat("2031-03-01T00:00:00z"),
    ),
    case(
        "C148 HB",
        "n y - 204 invalid",
        "offline_mode_at 31 February",
        heartbeat("2031-02-31T00:00:00Z"),
    ),
    case("C149 HB", "n n - 422 invalid", "empty object", "{}"),
    case("C150 HB", "n n - 422 invalid", "camelCase", text({"offlineModeAt": START})),
)

REGISTRATIONS: tuple[Case, ...] = (
    case(
        "C151 R",
        "y y - 501 valid",
        "only version 1.0 (FP answers 501)",
        register(version_url=[version_url(version="1.0")]),
    ),
    case("C152 R", "y y - 204 unclear", "empty token", register(token="")),
    case("C153 R", "n n - 422 invalid", "token missing", register(token=DROP)),
    case("C154 R", "n n - 204 invalid", "token number", register(token=7)),
    case("C155 R", "n n - 422 invalid", "version_url missing", register(version_url=DROP)),
    case("C156 R", "n n - 422 invalid", "version_url empty", register(version_url=[])),
    case(
        "C157 R", "n n - 422 invalid", "version_url an object", register(version_url=version_url())
    ),
    case(
        "C158 R",
        "n n - 422 invalid",
        "base_url missing",
        register(version_url=[version_url(base_url=DROP)]),
    ),
    case(
        "C159 R",
        "n n - 204 invalid",
        "version a number",
        register(version_url=[version_url(version=2.0)]),
    ),
    case(
        "C160 R",
        "y y - 204 invalid",
        "base_url not a URL (no format in the schema)",
        register(version_url=[version_url(base_url="down the road")]),
    ),
    case(
        "C161 R",
        "y y - 204 invalid",
        "base_url empty",
        register(version_url=[version_url(base_url="")]),
    ),
)

GROUP_MEASUREMENTS: tuple[Case, ...] = (
    case(
        "C162 M",
        "n n D-schema - valid",
        "empty list (the spec allows none used)",
        group_measurements(measurements=[]),
    ),
    case("C163 M", "n n D-schema - invalid", "lacks value", one_energy(value=DROP)),
    case("C164 M", "n n D-schema - invalid", "lacks unit", one_energy(unit=DROP)),
    case("C165 M", "n n D-schema - invalid", "lacks measure_time", one_energy(measure_time=DROP)),
    case("C166 M", "n n D-schema - invalid", "unit power unit KW", one_energy(unit="KW")),
    case("C167 M", "n n D-schema - invalid", "unit current unit A", one_energy(unit="A")),
    case("C168 M", "n n D-schema - invalid", "unit mixed case", one_energy(unit="kWh")),
    case("C169 M", "n n D-schema - invalid", "direction lower case", one_energy(direction="net")),
    case("C170 M", "n n D-schema - invalid", "direction unknown", one_energy(direction="BOTH")),
    case(
        "C171 M",
        "n n D-schema - invalid",
        "energy_type underscore form",
        one_energy(energy_type="NON_FLEXIBLE"),
    ),
    case("C172 M", "n n D-schema - invalid", "energy_type null", one_energy(energy_type=None)),
    case(
        "C173 M",
        "n n D-schema - invalid",
        "energy_type lower case",
        one_energy(energy_type="total"),
    ),
    case(
        "C174 M",
        "n n D-schema - invalid",
        "initial_measure_time null",
        one_energy(initial_measure_time=None),
    ),
    case(
        "C175 M",
        "n y D-schema - invalid",
        "initial_measure_time date only",
        one_energy(initial_measure_time="2031-03-01"),
    ),
    case("C176 M", "n n D-schema - invalid", "value string", one_energy(value="60.25")),
    case("C177 M", "n n D-schema - invalid", "value boolean", one_energy(value=True)),
    case(
        "C178 M",
        "n y D-schema - invalid",
        "measure_time no offset",
        one_energy(measure_time="2031-03-01T00:15:00"),
    ),
    case(
        "C179 M",
        "y y Q - invalid",
        "initial after measure_time",
        one_energy(initial_measure_time=END, measure_time=START),
    ),
    case(
        "C180 M",
        "n n D-schema - invalid",
        "object in place of array",
        group_measurements(measurements=energy()),
    ),
    case("C181 M", "n n D-schema - invalid", "group_id missing", group_measurements(group_id=DROP)),
)

ASSET_MEASUREMENTS: tuple[Case, ...] = (
    case(
        "C182 AM",
        "y y D-schema-lookup - unclear",
        "neither kind",
        one_asset(energy_measurement=DROP, instantaneous_measurement=DROP),
    ),
    case("C183 AM", "n n D-schema-lookup - invalid", "asset_id missing", one_asset(asset_id=DROP)),
    case("C184 AM", "n n D-schema-lookup - invalid", "asset_id null", one_asset(asset_id=None)),
    case(
        "C185 AM",
        "n n D-schema-lookup - invalid",
        "asset_category missing",
        one_asset(asset_category=DROP),
    ),
    case(
        "C186 AM",
        "n n D-schema-lookup - invalid",
        "asset_category lower case",
        one_asset(asset_category="charging"),
    ),
    case(
        "C187 AM",
        "n n D-schema-lookup - invalid",
        "asset_category unknown",
        one_asset(asset_category="HEATING"),
    ),
    case(
        "C188 AM",
        "n n D-schema-lookup - invalid",
        "energy_measurement null",
        one_asset(energy_measurement=None),
    ),
    case(
        "C189 AM",
        "n n D-schema-lookup - invalid",
        "energy_measurement empty",
        one_asset(energy_measurement={}),
    ),
    case(
        "C190 AM",
        "n n D-schema-lookup - invalid",
        "instantaneous_measurement null",
        one_asset(instantaneous_measurement=None),
    ),
    case(
        "C191 AM",
        "n n D-schema-lookup - invalid",
        "instantaneous_measurement unit V",
        one_asset(instantaneous_measurement=instantaneous(unit="V")),
    ),
    case(
        "C192 AM",
        "n n D-schema-lookup - invalid",
        "instantaneous_measurement string value",
        one_asset(instantaneous_measurement=instantaneous(value="42")),
    ),
    case(
        "C193 AM",
        "n n D-schema-lookup - invalid",
        "instantaneous_measurement lacks measure_time",
        one_asset(instantaneous_measurement=instantaneous(measure_time=DROP)),
    ),
    case(
        "C194 AM",
        "n n D-schema-lookup - invalid",
        "empty list",
        asset_measurements(measurements=[]),
    ),
    case(
        "C195 AM",
        "n n D-schema-lookup - invalid",
        "group_id missing",
        asset_measurements(group_id=DROP, measurements=[asset()]),
    ),
)

OTHERS: tuple[Case, ...] = (
    *FORECASTS,
    *COMPLIANCE,
    *HANDSHAKES,
    *HEARTBEATS,
    *REGISTRATIONS,
    *GROUP_MEASUREMENTS,
    *ASSET_MEASUREMENTS,
)

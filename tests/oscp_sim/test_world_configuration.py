"""What a world file may say of the OSCP configuration, and worlds that take another's place."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oscp_sim.world import (
    SIMULATED,
    Asset,
    AssetEnergy,
    AssetMeasurement,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    Publication,
    SystemSettings,
    Token,
    User,
    World,
    load_world,
)
from oscp_sim.world.model import Client
from oscp_sim.yaml_source import SourceError
from tests.oscp_sim.worlds import user, world

EVERYTHING = """\
users:
  - id: 42
    nodes: [1, 2]
    capacity_providers:
      - id: 3
        name: Grid
        token: hush-3
        base_url: http://grid.example/oscp
        oscp_version: ""
        enabled: false
        registration_status: Failed
        flexibility_provider_id: 11
        settings: {heartbeat_seconds: 60, measurement_styles: [Continuous, Intermittent]}
        heartbeat_date: 2026-03-01T00:00:00Z
        offline_date: 2026-03-01T13:02:00.5+13:00
        service_props:
          oauth-token-url: https://auth.example
          oauth-client-id: me
          oauth-client-secret: hush-hush
          group-asset-measurement: true
          group-combined-asset-id: all
          http-headers: {X-Extra: "1"}
          url-paths: {Heartbeat: /hb}
          anything: [1, {else: null}]
        created: 2026-01-01T00:00:00Z
        modified: 2026-01-02T00:00:00Z
    capacity_optimizers:
      - {id: 1, name: Depot, base_url: http://depot.example, oscp_version: "1.0", registration_status: Pending}
      - {id: 2, name: Harbour, base_url: " "}
    capacity_groups:
      - id: 19
        identifier: foo
        capacity_provider: 3
        capacity_optimizer: 1
        capacity_provider_measurement_period: Minute
        capacity_optimizer_measurement_period: Hour
        capacity_provider_measurement_date: 2026-03-01T00:00:00Z
        capacity_optimizer_measurement_date: 2026-03-01T00:00:00Z
        settings: {node_id: 2, publish_to_solar_in: false, source_id_template: /a}
        created: 2026-01-01T00:00:00Z
    assets:
      - id: 60
        name: Charger
        enabled: false
        capacity_group: 19
        identifier: charger
        audience: CapacityProvider
        node_id: 2
        source_id: ev
        category: Charging
        phase: All
        instantaneous: {property_names: [watts], unit: kW, multiplier: 0.001, statistic_type: Maximum}
        energy: {property_names: [wh], unit: kWh, statistic_type: Difference, type: Total, direction: Net}
        service_props: {a: 1}
    settings: {node_id: 1, publish_to_solar_flux: false, created: 2026-01-01T00:00:00Z}
"""  # noqa: E501 (a file as people write it)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def test_everything_is_read() -> None:
    (user,) = load_world(EVERYTHING).users
    (provider,) = user.capacity_providers
    assert provider == CapacityProvider(
        3,
        "Grid",
        "hush-3",
        "http://grid.example/oscp",
        None,
        False,
        registration_status="Failed",
        flexibility_provider_id=11,
        settings=SystemSettings(60, ("Continuous", "Intermittent")),
        heartbeat_date=MARCH,
        offline_date=datetime(2026, 3, 1, 0, 2, 0, 500_000, tzinfo=UTC),
        service_props={
            "oauth-token-url": "https://auth.example",
            "oauth-client-id": "me",
            "group-asset-measurement": True,
            "group-combined-asset-id": "all",
            "http-headers": {"X-Extra": "1"},
            "url-paths": {"Heartbeat": "/hb"},
            "anything": [1, {"else": None}],
        },
        oauth_client_secret="hush-hush",
        created=JANUARY,
        modified=datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert user.capacity_optimizers == (
        CapacityOptimizer(
            1,
            "Depot",
            base_url="http://depot.example",
            oscp_version="1.0",
            registration_status="Pending",
        ),
        CapacityOptimizer(2, "Harbour", base_url=None),
    )
    assert user.capacity_groups == (
        CapacityGroup(
            19,
            "foo",
            3,
            1,
            capacity_provider_measurement_period="Minute",
            capacity_optimizer_measurement_period="Hour",
            capacity_provider_measurement_date=MARCH,
            capacity_optimizer_measurement_date=MARCH,
            settings=Publication(2, publish_to_solar_in=False, source_id_template="/a"),
            created=JANUARY,
        ),
    )
    assert user.assets == (
        Asset(
            60,
            "Charger",
            19,
            "charger",
            "CapacityProvider",
            2,
            "ev",
            "Charging",
            "All",
            False,
            AssetMeasurement(("watts",), "kW", "Maximum", 0.001),
            AssetEnergy(("wh",), "kWh", "Difference", type="Total", direction="Net"),
            {"a": 1},
        ),
    )
    assert user.settings == Publication(1, publish_to_solar_flux=False, created=JANUARY)


def test_the_summary_is_the_file_without_secrets_and_service_properties() -> None:
    world = load_world(EVERYTHING)
    summary = world.summary()
    assert "hush" not in json.dumps(summary)
    assert "hush" not in repr(world)
    assert "service_props" not in json.dumps(summary)
    for provider in summary["users"][0]["capacity_providers"]:
        provider["token"] = "t"
    again = load_world(summary)
    assert again.summary() == world.summary()
    assert again.users[0].settings == world.users[0].settings
    assert again.users[0].capacity_groups == world.users[0].capacity_groups
    (asset,) = again.users[0].assets
    assert asset.energy == world.users[0].assets[0].energy


def test_a_whole_number_may_have_a_point() -> None:
    (user,) = load_world(
        EVERYTHING.replace("heartbeat_seconds: 60", "heartbeat_seconds: 60.0")
    ).users
    settings = user.capacity_providers[0].settings
    assert settings is not None
    assert isinstance(settings.heartbeat_seconds, int)


def test_what_is_left_out() -> None:
    (user,) = load_world(
        {
            "users": [
                {
                    "id": 1,
                    "capacity_providers": [{"id": 3, "name": "a", "token": "t"}],
                    "capacity_optimizers": [{"id": 1, "name": "b"}],
                }
            ]
        }
    ).users
    (provider,), (optimizer,) = user.capacity_providers, user.capacity_optimizers
    assert (provider.base_url, provider.oscp_version) == (SIMULATED, "2.0")
    assert (optimizer.base_url, optimizer.oscp_version) == (SIMULATED, "2.0")
    for system in (provider, optimizer):
        assert system.registration_status == "Registered"
        assert system.enabled
        assert system.created is None
    assert (user.assets, user.settings) == ((), None)


WRONG = {
    "an unknown status": ("Failed", "failed", '"failed" is not known here; did you mean "Failed"?'),
    "an unknown period": ("period: Minute", "period: Second", '"Second" is not known here'),
    "an unknown key": ("flexibility_provider_id", "fp_id", 'unknown key "fp_id"'),
    "no such day": ("created: 2026-01-01", "created: 2026-02-30", "there is no such date-time"),
    "a date without an offset": (
        "modified: 2026-01-02T00:00:00Z",
        "modified: 2026-01-02T00:00:00",
        '"2026-01-02T00:00:00" does not have the right form: A date-time',
    ),
    "an instant before all time": (
        "modified: 2026-01-02T00:00:00Z",
        "modified: 0001-01-01T00:00:00+01:00",
        "there is no such date-time",
    ),
    "a secret that is not a string": (
        "oauth-client-secret: hush-hush",
        "oauth-client-secret: 7",
        "expected a string, got a whole number",
    ),
    "an asset of no group": (
        "capacity_group: 19",
        "capacity_group: 20",
        "user 42 has no Capacity Group 20; it has 19",
    ),
    "a node of nobody": (
        "settings: {node_id: 1,",
        "settings: {node_id: 7,",
        "node 7 does not belong to user 42: add it to nodes",
    ),
    "an asset's node": (
        "        node_id: 2",
        "        node_id: 8",
        "node 8 does not belong to user 42",
    ),
    "a group's node": (
        "settings: {node_id: 2,",
        "settings: {node_id: 9,",
        "node 9 does not belong to",
    ),
    "an optimizer's password": (
        "base_url: http://depot.example",
        "base_url: http://a:hush@depot",
        "a base_url must not hold a user name or password",
    ),
    "two optimizers at one place": (
        'base_url: " "',
        "base_url: http://depot.example",
        "duplicate base_url (first at world:28)",
    ),
    "no properties": ("property_names: [wh]", "property_names: []", "expected at least 1 item(s)"),
    "a negative heartbeat": (
        "heartbeat_seconds: 60",
        "heartbeat_seconds: -1",
        "-1 is below 0",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_world_says_what_to_do(name: str) -> None:
    before, after, problem = WRONG[name]
    assert before in EVERYTHING
    with pytest.raises(SourceError) as caught:
        load_world(EVERYTHING.replace(before, after, 1))
    assert len(caught.value.problems) == 1
    assert problem in str(caught.value)
    assert str(caught.value).startswith("world:")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("key", ["id", "identifier"])
def test_an_asset_twice(key: str) -> None:
    asset: dict[str, Any] = {
        "id": 1,
        "name": "a",
        "capacity_group": 19,
        "identifier": "x",
        "audience": "CapacityProvider",
        "node_id": 1,
        "source_id": "s",
        "category": "Charging",
        "phase": "A",
    }
    other = {**asset, "id": 2, "identifier": "y"} | {key: asset[key]}
    with pytest.raises(SourceError, match="duplicate") as caught:
        load_world(world(user(assets=[asset, other])))
    assert len(caught.value.problems) == 1


class TestWithUser:
    world = World((User(1, nodes=(5,)), User(2, nodes=(6,))), rate_limit=None)

    def test_it_takes_the_place_of_the_one_before(self) -> None:
        provider = CapacityProvider(3, "a", "t", flexibility_provider_token="u")
        changed = self.world.with_user(User(1, nodes=(7,), capacity_providers=(provider,)))
        assert [user.id for user in changed.users] == [1, 2]
        assert changed.owner_of_node(7) is changed.user(1)
        assert changed.owner_of_node(5) is None
        assert changed.caller("u") == (changed.user(1), provider)
        assert changed.users[1] is self.world.users[1]

    def test_the_world_before_stays(self) -> None:
        self.world.with_user(User(1))
        assert self.world.owner_of_node(5) is self.world.users[0]

    def test_a_stranger_has_no_place(self) -> None:
        with pytest.raises(LookupError, match="there is no user 3 in the world"):
            self.world.with_user(User(3))

    def test_the_rest_stays(self) -> None:
        world = load_world({"users": [{"id": 1}], "rate_limit": {"capacity": 5}})
        assert world.with_user(User(1)).rate_limit == world.rate_limit


# By the table that a change of each makes out of date, if any does.
CHANGES: dict[str, Any] = {
    "heartbeat_date": MARCH,
    "registration_status": "Failed",
    "base_url": "https://b.test",
    "token": "u",
    "flexibility_provider_token": "another",
    "flexibility_provider_client": Client("another", "s"),
    "certificate_authority": Path("other.pem"),
    "profile": "elmo",
}


def systems(kind: type[CapacityProvider | CapacityOptimizer]) -> tuple[Any, ...]:
    """Return two of a kind; the later one has all that a system can be found by."""
    client, pem = Client(kind.party, "s"), Path("ca.pem")
    return (
        kind(3, "a", token="t", flexibility_provider_token=f"{kind.party}-1"),
        kind(
            4,
            "b",
            base_url=f"https://{kind.party}.test",
            token="t",
            flexibility_provider_token=f"{kind.party}-2",
            flexibility_provider_client=client,
            certificate_authority=pem,
        ),
    )


def found_in(world: World) -> list[object]:
    """Return what each lookup of a world finds."""
    fp_tokens = [
        f"{kind}-{at}" for kind in ("capacity_provider", "capacity_optimizer") for at in (1, 2)
    ]
    clients = ["capacity_provider", "capacity_optimizer", "another"]
    urls = ["https://capacity_provider.test", "https://capacity_optimizer.test/x", "https://b.test"]
    users = [world.user(number) for number in (1, 2, 3)]
    return [
        *users,
        *(world.caller(token) for token in (*fp_tokens, "another")),
        *(world.client(each) for each in clients),
        *(world.secured(url) for url in urls),
        *(world.owner_of_node(node) for node in (5, 6, 7)),
        *((world.token(each), world.owner_of_token(each)) for each in ("x", "y", "z")),
        *((user.provider(at), user.optimizer(at)) for user in users if user for at in (3, 4, 5)),
        *(user.group(3, "g") for user in users if user),
        *(user.groups_of(system) for user in users if user for system in user.systems),
    ]


@pytest.mark.parametrize(
    ("name", "index"),
    # A Capacity Optimizer, as the last two are, has no profile.
    [(name, at) for name in CHANGES for at in range(2 if name == "profile" else 4)],
)
def test_lookups_in_a_changed_world_are_those_of_a_new_one(name: str, index: int) -> None:
    owner = User(
        2,
        tokens=(Token("x", "s"),),
        nodes=(6,),
        capacity_providers=systems(CapacityProvider),
        capacity_optimizers=systems(CapacityOptimizer),
        capacity_groups=(CapacityGroup(1, "g", 4, 3), CapacityGroup(2, "h", 4, 4)),
    )
    there = World((User(1, tokens=(Token("y", "s"),), nodes=(5,)), owner))
    before, mark = found_in(there), there.mark
    system = replace(owner.systems[index], **{name: CHANGES[name]})
    changed = there.with_system(2, system)
    assert found_in(changed) == found_in(World(changed.users))
    assert (changed.mark is mark) == (name in {"heartbeat_date", "registration_status"})
    assert changed.user(2) == there.with_user(owner.with_system(system)).user(2) != owner
    assert found_in(there) == before


def test_a_provider_without_a_token_is_nobody_s_caller() -> None:
    world = World((User(1, capacity_providers=(CapacityProvider(3, "a", None),)),))
    assert world.caller("None") is None

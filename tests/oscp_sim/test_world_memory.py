"""What the Flexibility Provider has learned, kept apart from the world file and taught again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.keep import learned, taught
from oscp_sim.world import SIMULATED, SystemSettings, load_world

if TYPE_CHECKING:
    from oscp_sim.world import World

WORLD = load_world()
instants = st.none() | st.integers(946_684_800, 4_102_444_800).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
settings = st.none() | st.builds(
    SystemSettings,
    st.none() | st.integers(0, 32767),
    st.lists(st.sampled_from(["Continuous", "Intermittent"]), unique=True).map(tuple),
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "token": st.none() | st.text(min_size=1),
        "base_url": st.sampled_from([None, SIMULATED, "http://a.test/oscp"]),
        "oscp_version": st.none() | st.sampled_from(["2.0", "1.0"]),
        "registration_status": st.sampled_from(["Pending", "Registered", "Failed"]),
        "flexibility_provider_token": st.none() | st.text(min_size=1),
        "settings": settings,
        "heartbeat_date": instants,
        "offline_date": instants,
    },
)


def changed(world: World, index: int, **values: Any) -> World:  # noqa: ANN401 - any value
    user = world.users[0]
    return world.with_user(user.with_system(replace(user.systems[index], **values)))


@given(provider=changes, optimizer=changes)
def test_what_was_learned_is_known_again(
    provider: dict[str, Any], optimizer: dict[str, Any]
) -> None:
    now = changed(changed(WORLD, 0, **provider), 1, **optimizer)
    kept = learned(WORLD, now)
    # Over a file, too.
    written = [(key, json.loads(json.dumps(value))) for key, value in kept.items()]
    assert taught(WORLD, dict(written)) == now


def test_what_is_as_the_file_says_is_not_kept() -> None:
    assert learned(WORLD, WORLD) == {}
    assert list(learned(WORLD, changed(WORLD, 0, token="new"))) == [
        (42, "capacity_provider_known", 3)
    ]


def test_what_is_not_in_the_world_any_more_is_left_out() -> None:
    kept = learned(WORLD, changed(WORLD, 0, token="new"))
    elsewhere = load_world({"users": [{"id": 42}]})
    assert taught(elsewhere, kept) == elsewhere
    assert taught(WORLD, {(42, "capacity_provider", 3): {"another": "kind"}}) == WORLD


@pytest.mark.parametrize("value", [{}, {"token": "secret!"}, {"settings": 3}])
def test_what_cannot_be_used_is_reported_without_its_secrets(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="capacity_provider_known 3 of user 42") as caught:
        taught(WORLD, {(42, "capacity_provider_known", 3): value})
    assert "secret!" not in str(caught.value)

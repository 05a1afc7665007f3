"""Keys of a behaviour without effect are reported with their place."""

from __future__ import annotations

from typing import Any

import pytest

from oscp_sim.world import load_world
from oscp_sim.yaml_source import SourceError, read_yaml


def world(provider: str) -> str:
    return (
        "users:\n  - id: 1\n    capacity_providers:\n"
        f"      - {{id: 3, name: Grid, token: t, {provider}}}\n"
    )


ANSWER = '"adjustments: answer" beside it'


@pytest.mark.parametrize(
    ("behaviour", "key", "needed"),
    [
        ("{answer: trim}", "answer", ANSWER),
        ("{adjustments: refuse, answer: deny}", "answer", ANSWER),
        ("{limit: 55}", "limit", ANSWER),
        ("{adjustments: answer, limit: 55}", "limit", '"answer: trim" beside it'),
        ("{adjustments: answer, answer: grant, limit: 55}", "limit", '"answer: trim" beside it'),
        ("{answer_after: 2s}", "answer_after", ANSWER),
        ("{adjustments: silent, answer_after: 2s}", "answer_after", ANSWER),
        ("{refusal: 422}", "refusal", '"adjustments: refuse" beside it'),
        ("{adjustments: answer, refusal: 422}", "refusal", '"adjustments: refuse" beside it'),
        ("{timetable: 100}", "timetable", '"profile: elmo" of the Capacity Provider'),
    ],
)
def test_a_key_without_effect(behaviour: str, key: str, needed: str) -> None:
    text = world(f"behaviour: {behaviour}")
    column = text.splitlines()[3].index(f"{key}:", 50) + 1
    with pytest.raises(SourceError) as caught:
        load_world(read_yaml(text, "w.yaml"))
    assert str(caught.value) == (
        f'w.yaml:4:{column}: "{key}" has no effect without {needed}: add that, or leave this out'
    )


def test_of_another_profile() -> None:
    with pytest.raises(SourceError, match='"timetable" has no effect'):
        load_world(world("profile: solarnetwork, behaviour: {timetable: 1}"))


def test_each_is_reported() -> None:
    with pytest.raises(SourceError) as caught:
        load_world(world("behaviour: {limit: 5, answer: trim, refusal: 422, timetable: 1}"))
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    "provider",
    [
        {"behaviour": "answer"},
        {"behaviour": {}},
        {"behaviour": {"adjustments": "answer", "answer": "deny", "answer_after": "2s"}},
        {"behaviour": {"adjustments": "answer", "answer": "trim", "limit": 5}},
        {"behaviour": {"adjustments": "refuse", "refusal": 422}},
        {"profile": "elmo", "behaviour": {"timetable": 100}},
    ],
)
def test_what_has_an_effect(provider: dict[str, Any]) -> None:
    system = {"id": 3, "name": "Grid", "token": "t", **provider}
    load_world({"users": [{"id": 1, "capacity_providers": [system]}]})

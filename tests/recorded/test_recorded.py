"""The recorded exchanges are answered again as they were, but for the known differences."""

from __future__ import annotations

import pytest

from tests.recorded.replay import SERVICES, Compared, known_differences


@pytest.mark.parametrize("service", SERVICES)
def test_the_answers_are_the_recorded_ones(service: str) -> None:
    known = known_differences(service)
    compared = {each.id: each for each in SERVICES[service]()}
    worse = [each for each in compared.values() if not each.same and each.id not in known]
    assert not worse, "\n\n".join(map(_told, worse[:5]))
    better = sorted(known.keys() - {each.id for each in compared.values() if not each.same})
    assert not better, f"no longer different, so to be taken from the list: {better}"


def _told(each: Compared) -> str:
    return f"{each.id}\n  recorded {each.recorded}\n  ours     {each.ours}"

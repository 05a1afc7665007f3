"""All judged payloads at the Flexibility Provider: the column FP of oscp20.md §9.2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oscp_schemas import judge
from oscp_sim.flexibility_provider.call import RequestRefused
from oscp_sim.flexibility_provider.reading import read_json, read_message
from tests.cases.case import Case
from tests.cases.table import CASES
from tests.oscp_sim.fp_callers import PATHS, heard, say
from tests.oscp_sim.peers import group, peers, world
from tests.oscp_sim.rig import shared_of

HAVE_ENDPOINT = [case for case in CASES if case.fp is not None]
HAVE_NONE = [case for case in CASES if case.fp is None]


def groups(case: Case) -> list[dict[str, Any]]:
    """The group that a case names: its column leaves the database aside."""
    try:
        name = json.loads(case.text.removeprefix("\ufeff"))["group_id"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return [group()]
    taken = str(name).lower() if isinstance(name, bool) else str(name)
    return [group(identifier=taken)]


@pytest.mark.parametrize("case", HAVE_ENDPOINT, ids=[f"{c.id}: {c.title}" for c in HAVE_ENDPOINT])
def test_status(case: Case) -> None:
    body = case.text.encode("utf-8", "surrogatepass")
    with peers(world()) as there:
        shared = shared_of(there.simulator)
        (user,) = shared.world.users
        of = groups(case)[0]
        # A world file does not hold each of these names.
        shared.change_group(user.id, user.capacity_groups[0].id, identifier=of["identifier"])
        answer = say(there.simulator, case.action, body)
        assert (answer.status, heard(there.simulator).action) == (case.fp, case.action)


@pytest.mark.parametrize("case", HAVE_NONE, ids=[f"{c.id}: {c.title}" for c in HAVE_NONE])
def test_no_endpoint(case: Case) -> None:
    assert case.action not in PATHS


@pytest.mark.parametrize("case", HAVE_ENDPOINT, ids=[f"{c.id}: {c.title}" for c in HAVE_ENDPOINT])
def test_what_the_schema_refuses_is_a_finding_whatever_the_answer(case: Case) -> None:
    body = case.text.encode("utf-8", "surrogatepass")
    with peers(world()) as there:
        say(there.simulator, case.action, body)
        entry = heard(there.simulator)
    found = [finding["rule"] for finding in entry.findings if finding["layer"] == "schema"]
    assert found == [violation.rule for violation in judge(case.action, body)]


def test_every_case_has_been_looked_at() -> None:
    assert len(CASES) == 195
    assert len(HAVE_ENDPOINT) == 150


@pytest.mark.parametrize("case", HAVE_ENDPOINT, ids=[case.id for case in HAVE_ENDPOINT])
def test_reading_answers_or_refuses(case: Case) -> None:
    try:
        body = read_json(case.text.encode("utf-8", "surrogatepass"), case.action)
        message = read_message(case.action, body)
    except RequestRefused:
        assert case.fp == 422
    else:
        assert isinstance(message, dict)

"""What the API's description allows is never answered with 500, nor as it does not say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import core, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine
from hypothesis.strategies._internal import collections
from schemathesis import APIOperation
from schemathesis.checks import not_a_server_error
from schemathesis.generation.hypothesis import setup
from schemathesis.specs.openapi.checks import status_code_conformance

from oscp_send.snws2 import SNWS2Auth
from oscp_sim.clock import FrozenClock
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.simulator import Simulator
from tests.effort import examples

_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_SIMULATOR = Simulator(clock=FrozenClock(_NOW))
_DOCUMENT: dict[str, Any] = _SIMULATOR.session().get(f"{IN_PROCESS_URL}/_sim/openapi.json").json()
_SCHEMA = schemathesis.openapi.from_dict(_DOCUMENT)
_OPERATIONS = [
    _SCHEMA[path][method] for path, ways in _DOCUMENT["paths"].items() for method in ways
]


# Once a process: a module may be left and entered again, where its tests are shared out.
@pytest.fixture(scope="session", autouse=True)
def _delivering() -> Iterator[None]:
    with _SIMULATOR:
        yield


@pytest.fixture(scope="module", autouse=True)
def _alone() -> Iterator[None]:
    """Keep what schemathesis changes in hypothesis from the tests that come later.

    It prints no values any more, which these tests can do without, and tries larger ones.
    """
    changed = [(core, "RepresentationPrinter")]
    changed += [(each, "BUFFER_SIZE") for each in (core, engine, collections)]
    with pytest.MonkeyPatch.context() as patch:
        for module, name in changed:
            patch.setattr(module, name, getattr(module, name))
        setup()
        yield


@pytest.mark.parametrize("operation", _OPERATIONS, ids=lambda each: each.label)
@given(st.data())
@settings(max_examples=examples(6), derandomize=True)
def test_no_server_error_and_no_undocumented_status(
    operation: APIOperation[Any, Any, Any, Any], data: st.DataObject
) -> None:
    case = data.draw(operation.as_strategy())
    if case.path == "/_sim/journal" or "/exec" in case.path:
        # Nobody wants to wait here.
        case.query = {
            **{name: value for name, value in (case.query or {}).items() if name != "wait"},
            "resultMaxWait": "0",
        }
    if case.path == "/_sim/verify" and isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if name != "within"}
    response = case.call(
        base_url=IN_PROCESS_URL,
        session=_SIMULATOR.session(),
        auth=SNWS2Auth("rehearsal-token-0001", "rehearsal-secret", clock=_SIMULATOR.clock.now),
    )
    case.validate_response(response, checks=[not_a_server_error, status_code_conformance])


def test_each_faked_route_is_described() -> None:
    operations = {
        f"{method.upper()} {path}" for path, group in _DOCUMENT["paths"].items() for method in group
    }
    base = "/solaruser/api/v1/sec"
    assert {
        f"GET {base}/instr",
        f"GET {base}/instr/view",
        f"GET {base}/instr/viewActive",
        f"GET {base}/instr/viewPending",
        f"POST {base}/instr/add",
        f"POST {base}/instr/add/{{topic}}",
        f"POST {base}/instr/exec",
        f"POST {base}/instr/exec/{{topic}}",
        f"POST {base}/instr/updateState",
        f"GET {base}/user/events",
        f"POST {base}/user/oscp/capacity-groups",
        "GET /_sim/health",
        "GET /_sim/journal",
        "GET /_sim/openapi.json",
        "POST /_sim/reset",
        "POST /_sim/settle",
        "POST /_sim/verify",
        "GET /_sim/world",
        "GET /_sim/clock",
        "POST /_sim/clock",
        "GET /_sim/providers/{id}",
        "POST /_sim/providers/{id}/register",
        "POST /_sim/providers/{id}/forecast",
        "GET /_sim/optimizers/{id}",
        "POST /_sim/optimizers/{id}/adjust",
    } <= operations


def test_the_document_is_openapi_31() -> None:
    assert _DOCUMENT["openapi"] == "3.1.0"


@pytest.mark.parametrize("path", sorted(_DOCUMENT["paths"]))
def test_each_operation_has_a_summary_and_an_id_of_its_own(path: str) -> None:
    for operation in _DOCUMENT["paths"][path].values():
        assert operation["summary"]
        assert operation["operationId"]


def test_operation_ids_are_unique() -> None:
    ids = [each["operationId"] for group in _DOCUMENT["paths"].values() for each in group.values()]
    assert len(ids) == len(set(ids))

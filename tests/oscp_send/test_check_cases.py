"""The verdict of `check` on the payloads of docs/protocol/oscp20.md §9.2, and on any message."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_schemas import Fidelity, JsonError, judge, read
from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding
from oscp_send.judgement import INSTRUCTION_ACTIONS, accepts, check
from oscp_send.messages import read_message
from oscp_send.request_judgement import check_request
from oscp_send.solarnetwork.decoding import DecodeError, decode
from oscp_send.testing import damaged, messages
from tests.cases.table import CASES

if TYPE_CHECKING:
    from oscp_send.findings import Judgement
    from tests.cases.case import Case

FIDELITIES: tuple[Fidelity, ...] = get_args(Fidelity)

# Rows that turn on how a time is read: RFC 3339 takes the first, and not the second.
READ_BY_THE_GUIDE = {"C62", "C63", "C64", "C70", "C72", "C73", "C109"}
NOT_READ_BY_THE_GUIDE = {"C65", "C76", "C77", "C122"}

DIFFERENT = {"date_times", "asset_measurements", "format", "schema-lookup"}

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
sent_actions = st.sampled_from(INSTRUCTION_ACTIONS)


def observed_stage(case: Case) -> str | None:
    if case.su is None:
        return "action"
    return None if case.su == "Q" else case.su.removeprefix("D ")


def documented_stage(case: Case) -> str | None:
    if case.id in READ_BY_THE_GUIDE:
        return None
    if case.id in NOT_READ_BY_THE_GUIDE:
        return "schema"
    if case.su == "D schema-lookup":
        return None if case.sn else "schema"
    if case.su == "D size":
        return None
    return observed_stage(case)


def refusals(judgement: Judgement) -> list[Finding]:
    return [each for each in judgement.of_severity("error") if each.layer != "meaning"]


@by_case
def test_observed_verdict(case: Case) -> None:
    assert check(case.action, case.text, "observed").stage == observed_stage(case)


@by_case
def test_documented_verdict(case: Case) -> None:
    assert check(case.action, case.text).stage == documented_stage(case)
    assert accepts(case.action, case.text) == (documented_stage(case) is None)


@by_case
@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_a_refusal_has_a_text_and_a_finding_and_nothing_else_has(
    case: Case, fidelity: Fidelity
) -> None:
    judgement = check(case.action, case.text, fidelity)
    assert judgement.accepted == (judgement.stage is None)
    assert judgement.accepted == (judgement.error is None)
    assert judgement.accepted == (refusals(judgement) == [])


@by_case
@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_a_finding_tells_where_the_other_side_decides_otherwise(
    case: Case, fidelity: Fidelity
) -> None:
    judgement = check(case.action, case.text, fidelity)
    other = next(each for each in FIDELITIES if each != fidelity)
    tells = [
        each
        for each in judgement.findings
        if (
            each.severity != "error"
            and each.source == other
            and each.layer == "schema"
            and each.rule in DIFFERENT
        )
        or each.rule == "mqtt_limit"
    ]
    differs = (observed_stage(case) is None) != (documented_stage(case) is None)
    assert bool(tells) == differs


def test_what_the_guide_refuses_is_not_said_to_be_let_through() -> None:
    (finding,) = check(
        *next((c.action, c.text) for c in CASES if c.id == "C76"), "observed"
    ).findings
    assert finding.severity == "warning"
    assert finding.source == "documented"
    assert finding.pointer == "/forecasted_blocks/0/start_time"
    assert "the guide does not allow this" in finding.message


def decodes(action: str, message: object) -> bool:
    try:
        decode(action, message, Behaviour("documented"))
    except DecodeError:
        return False
    return True


def block(**changes: object) -> dict[str, object]:
    """Return a block whose properties stand in another order than in the specification."""
    base = {"x": 1, "end_time": END, "start_time": START, "unit": "KW", "capacity": 7}
    return {**base, **changes}


def adjustment(*blocks: object) -> dict[str, object]:
    return {"forecasted_blocks": [*blocks], "x": {"y": 1}, "group_id": "a"}


OBSERVED = Behaviour.of("observed")
START, END = "2031-03-01T01:00:00+01:00", "2031-03-01T00:15:00.123Z"
MIDNIGHT = datetime(2031, 3, 1, tzinfo=UTC)
QUARTER = datetime(2031, 3, 1, 0, 15, 0, 123_000, tzinfo=UTC)
KEPT_BLOCK = {"capacity": 7.0, "unit": "KW", "start_time": MIDNIGHT, "end_time": QUARTER}
KEPT: dict[str, tuple[str, object, object]] = {
    "blocks": (
        "AdjustGroupCapacityForecast",
        adjustment(block(), block(capacity=Decimal("1e-400"))),
        {"group_id": "a", "forecasted_blocks": [KEPT_BLOCK, KEPT_BLOCK | {"capacity": 0.0}]},
    ),
    "an object of an object": (
        "Handshake",
        {"required_behaviour": {"measurement_configuration": ["X"], "heartbeat_interval": 60}},
        {"required_behaviour": {"heartbeat_interval": 60.0, "measurement_configuration": ["X"]}},
    ),
    "nothing": ("Handshake", {"x": 1}, {}),
}


def test_the_service_reads_a_day_that_its_month_has_not() -> None:
    message = adjustment(block(start_time="2031-02-30T00:00:00Z"))
    (kept,) = decode("AdjustGroupCapacityForecast", message, OBSERVED)["forecasted_blocks"]
    assert kept["start_time"] == datetime(2031, 2, 28, tzinfo=UTC)


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize(("action", "message", "kept"), KEPT.values(), ids=KEPT)
def test_what_is_kept_of_a_message_and_in_which_order(
    action: str, message: object, kept: object, fidelity: Fidelity
) -> None:
    assert repr(decode(action, message, Behaviour.of(fidelity))) == repr(kept)


def test_what_is_finer_than_milliseconds_is_cut() -> None:
    message = {"offline_mode_at": "2031-03-01T00:15:00.123987Z"}
    assert decode("Heartbeat", message, Behaviour()) == {"offline_mode_at": QUARTER}


BLOCKS, VALUE = "/forecasted_blocks/1", "/measurements/0/energy_measurement/value"
IN_BLOCKS = (
    'oscp.v20.AdjustGroupCapacityForecast["forecasted_blocks"]->java.util.ArrayList[1]->'
    "oscp.v20.ForecastedBlock"
)
IN_ASSETS = (
    'oscp.v20.UpdateAssetMeasurement["measurements"]->java.util.ArrayList[0]->'
    'oscp.v20.AssetMeasurement["energy_measurement"]->oscp.v20.EnergyMeasurement["value"]'
)
TOO_LARGE = (
    "Cannot deserialize value of type `java.lang.Double`: number out of range of a 64-bit "
    "floating-point value"
)
UNREADABLE: dict[str, tuple[Fidelity, object, str, str]] = {
    **{
        f"a capacity of {number!r:.6}": ("documented", {"capacity": number}, "capacity", TOO_LARGE)
        for number in (Decimal("1e400"), Decimal("-1e400"), 10**400)
    },
    "before the calendar": (
        "documented",
        {"start_time": "0000-01-01T00:00:00Z"},
        "start_time",
        "Text '0000-01-01T00:00:00Z' could not be parsed",
    ),
    "a blank time": ("observed", {"end_time": " "}, "end_time", "Text ' ' could not be parsed"),
}


def assert_unreadable(
    action: str, message: object, fidelity: Fidelity, pointer: str, text: str
) -> None:
    with pytest.raises(DecodeError) as raised:
        decode(action, message, Behaviour.of(fidelity))
    assert (raised.value.pointer, raised.value.text, str(raised.value)) == (pointer, text, text)


@pytest.mark.parametrize(
    ("fidelity", "changes", "name", "text"), UNREADABLE.values(), ids=UNREADABLE
)
def test_what_cannot_be_read_is_told_with_its_place(
    fidelity: Fidelity, changes: dict[str, object], name: str, text: str
) -> None:
    where = f'\n at [No location information] (through reference chain: {IN_BLOCKS}["{name}"])'
    message = adjustment(block(), block(**changes))
    action = "AdjustGroupCapacityForecast"
    assert_unreadable(action, message, fidelity, f"{BLOCKS}/{name}", text + where)


def test_the_place_of_what_lies_deeper() -> None:
    message = {"measurements": [{"energy_measurement": {"value": 10**400}}]}
    where = f"\n at [No location information] (through reference chain: {IN_ASSETS})"
    assert_unreadable("UpdateAssetMeasurement", message, "observed", VALUE, TOO_LARGE + where)


def assert_documented_agreement(action: str, message: Any) -> None:  # noqa: ANN401 - any JSON
    expected = judge(action, message) == [] and decodes(action, message)
    assert check(action, json.dumps(message)).accepted == expected


@given(st.data())
def test_documented_accepts_what_schema_and_decoder_take(data: st.DataObject) -> None:
    sample = data.draw(messages(data.draw(sent_actions), sound=False))
    assert_documented_agreement(*sample)
    assert_documented_agreement(*data.draw(damaged(st.just(sample))))


@given(st.data())
def test_a_typed_message_is_accepted_on_both_sides(data: st.DataObject) -> None:
    action, message = data.draw(messages(data.draw(sent_actions), sound=False))
    text = read_message(action, message).to_json()
    assert check(action, text).accepted
    expected = "schema-lookup" if action == "UpdateAssetMeasurement" else None
    assert check(action, text, "observed").stage == expected


@given(st.text(max_size=200), st.sampled_from((*INSTRUCTION_ACTIONS, "Heartbeat", "", "x")))
def test_any_text_is_judged(text: str, action: str) -> None:
    for fidelity in FIDELITIES:
        judgement = check(action, text, fidelity)
        assert judgement.accepted == (refusals(judgement) == [])
        assert json.dumps(judgement.to_dict())
    assert accepts(action, text) == check(action, text).accepted


@by_case
@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_a_document_is_judged_like_its_text(case: Case, fidelity: Fidelity) -> None:
    with suppress(JsonError):
        document = read(case.text)
        assert check(case.action, document, fidelity) == check(case.action, case.text, fidelity)


def test_a_text_is_read_once_and_each_side_gives_one_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = count_calls(monkeypatch, "oscp_send.solarnetwork.json_reading.read")
    verdicts = count_calls(monkeypatch, "oscp_send.judgement.verdict")
    for each in CASES:
        reads.clear()
        verdicts.clear()
        check(each.action, each.text)
        assert len(reads) == 1
        assert len(verdicts) <= len(FIDELITIES)


def test_a_request_and_its_message_are_each_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count_calls(monkeypatch, "oscp_send.solarnetwork.json_reading.read")
    params = {"coId": "1", "cgIdentifier": "foo-group", "action": "Handshake", "msg": "{}"}
    check_request(json.dumps({"nodeId": 1, "params": params}).encode())
    assert len(reads) == 2


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Return a list that grows with each call of a function."""
    module, _, function = name.rpartition(".")
    original = getattr(import_module(module), function)
    calls: list[object] = []

    def counted(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - those of the function
        calls.append(args)
        return original(*args, **options)

    monkeypatch.setattr(name, counted)
    return calls


def test_a_case_is_no_part_of_what_is_written() -> None:
    finding = Finding("meaning", "S17", "error", "/a", "m", "h", "documented", 4)
    assert finding.case is None
    assert replace(finding, case="X8").to_dict() == finding.to_dict()
    assert finding.to_dict()["exchange"] == 4


def test_of_many_unknown_properties_a_thousand_are_listed() -> None:
    message = json.dumps({"message": "x", **{f"x{number}": 0 for number in range(3000)}})
    listed = check("GroupCapacityComplianceError", message).findings
    rules = Counter(each.rule for each in listed)
    assert (rules["unknown-property"], rules["more"]) == (1000, 1)
    assert "2,000 more findings are not listed: correct these first" in [
        each.message for each in listed
    ]


def test_an_unknown_fidelity_is_refused() -> None:
    with pytest.raises(ValueError, match="'documented' or 'observed', not 'strict'"):
        check("Handshake", "{}", "strict")  # type: ignore[arg-type]

"""How large a message is in SolarNetwork's queue, and messages that fit (solaruser.md §3.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from oscp_send import (
    AdjustGroupCapacityForecast,
    GroupCapacityComplianceError,
    InvalidValue,
    check,
    forecasted_blocks,
    split_to_fit,
    wire_text,
)
from oscp_send.cli.main import main
from oscp_send.fidelity import Behaviour
from oscp_send.hints import refusal_hint
from oscp_send.queue_size import MQTT_LIMIT, Size, judge_size, queue_size
from oscp_send.request_judgement import check_request
from oscp_send.solarnetwork.decoding import decode
from tests.effort import examples
from tests.oscp_sim.rig import encoded, instruction

if TYPE_CHECKING:
    from pathlib import Path

    from oscp_schemas import Fidelity

START, QUARTER = datetime(2031, 3, 1, 16, tzinfo=UTC), timedelta(minutes=15)


def forecast(count: int, group: str = "foo-group") -> AdjustGroupCapacityForecast:
    blocks = forecasted_blocks(START, QUARTER, [42] * count)
    return AdjustGroupCapacityForecast(group, "CONSUMPTION", blocks)


def size(message: Any, **ids: int) -> int:  # noqa: ANN401 - a message of either kind
    known = {"coId": 1, "id": 105, "nodeId": 2, "userId": 42} | ids
    decoded = decode(message.action, message.to_dict(), Behaviour())
    found = queue_size(message.action, decoded, (), cg_identifier="foo-group", **known)
    assert found.least == found.most
    return found.most


@pytest.mark.parametrize(("count", "measured"), [(75, 8401), (80, 8951)])
def test_a_forecast_is_as_large_as_measured(count: int, measured: int) -> None:
    assert size(forecast(count)) == measured


@pytest.mark.parametrize(("length", "measured"), [(8085, 8199), (8090, 8204), (8100, 8214)])
def test_a_long_text_is_as_large_as_measured(length: int, measured: int) -> None:
    assert size(GroupCapacityComplianceError("x" * length)) == measured


@pytest.mark.parametrize(
    ("number", "more"),
    [(1, -1), (23, -1), (24, 0), (256, 1), (65536, 3), (2**32 - 1, 3), (2**32, 7)],
)
def test_a_number_has_as_many_bytes_as_it_needs(number: int, more: int) -> None:
    assert size(forecast(1), id=number) - size(forecast(1)) == more


@pytest.mark.parametrize("before", [3995, 2 * 3996 - 1])
@pytest.mark.parametrize("character", ["🔋", "\U00050000"])
def test_a_character_is_in_one_chunk(character: str, before: int) -> None:
    plain, longer = (
        GroupCapacityComplianceError("x" * before + each) for each in ("xx", character)
    )
    assert size(longer) - size(plain) == 2


@pytest.mark.parametrize("end", ["x", "\ud83d"])
def test_a_chunk_may_be_full(end: str) -> None:
    less, full, more = (
        queue_size("Handshake", {"a": "x" * count + end}).most for count in (3994, 3995, 3996)
    )
    # A second chunk, the beginning and the end of both.
    assert (full - less, more - full) == (1, 1 + 1 + 2)


@pytest.mark.parametrize(
    ("value", "more"),
    [
        *((None, 0), (True, 0), (0, 0), (23, 0), (24, 1), (-1, 0), (-24, 0), (-25, 1)),
        *(("", 0), ("x" * 23, 23), ("x" * 24, 25), (1.5, 8), ([], 0), ({}, 1)),
    ],
)
def test_a_value_has_its_bytes(value: object, more: int) -> None:
    one, other = (queue_size("Handshake", {"a": each}) for each in (value, 1))
    assert (one.most - other.most, one.least - other.least) == (more, more)


def test_a_group_that_is_not_given_is_that_of_the_message_or_of_any_length() -> None:
    named = queue_size("Handshake", {"group_id": "foo"})
    assert named == queue_size("Handshake", {"group_id": "foo"}, cg_identifier="foo")
    # The four ids have one byte to five each.
    assert named.most - named.least == 16
    unnamed = queue_size("Handshake", {})
    assert unnamed.most - unnamed.least == 16 + 33


def test_the_nodes_copy_has_the_names_and_the_values() -> None:
    pieces = [("action", "x" * 10), ("msg", "é")]
    assert queue_size("Handshake", {}, pieces).node_copy == 2 * 43 + 16 + 5


def test_a_size_is_too_large_from_the_next_byte_on() -> None:
    text = wire_text(GroupCapacityComplianceError("x" * 100))
    size = queue_size("GroupCapacityComplianceError", {"message": "x" * 100})

    def told(limit: int) -> list[tuple[str, ...]]:
        findings = check("GroupCapacityComplianceError", text, "observed", mqtt_limit=limit)
        return [
            (each.layer, each.severity, each.pointer, each.hint, each.source)
            for each in findings.findings
            if each.rule == "mqtt_limit"
        ]

    def finding(severity: str) -> list[tuple[str, ...]]:
        return [("transport", severity, "", "shorten the message", "observed")]

    assert size.node_copy == 0
    assert told(size.least - 1) == finding("error")
    assert told(size.least) == finding("warning")
    assert told(max(size.most, 1000)) == []
    assert list(judge_size(Size(9, 10, node_copy=10), 10, Behaviour(), {})) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (
            96,
            "is 10,709 to 10,725 bytes (by the ids) in the queue, over 8,192: the running "
            "SolarUser answers HTTP 422",
        ),
        (
            73,
            "is 8,179 to 8,195 bytes (by the ids) in the queue: the running SolarUser answers HTTP "
            "422 over 8,192",
        ),
        (
            65,
            "the node's own copy has about 8,681 bytes, over 8,192: the message sometimes becomes "
            "Queued by itself, and is not delivered then",
        ),
    ],
)
def test_what_is_too_large_is_said_in_full(count: int, text: str) -> None:
    judgement = check("AdjustGroupCapacityForecast", wire_text(forecast(count)), "observed")
    assert [each.message for each in judgement.findings if each.rule == "mqtt_limit"] == [text]


@pytest.mark.parametrize(
    ("count", "fidelity", "severity"),
    [
        (96, "documented", "warning"),
        (96, "observed", "error"),
        (73, "observed", "warning"),
        (65, "observed", "warning"),
        (65, "documented", "info"),
        (48, "observed", None),
    ],
)
def test_check_says_it_beforehand(count: int, fidelity: Fidelity, severity: str | None) -> None:
    judgement = check("AdjustGroupCapacityForecast", wire_text(forecast(count)), fidelity)
    found = [each for each in judgement.findings if each.rule == "mqtt_limit"]
    assert [each.severity for each in found] == ([severity] if severity else [])
    assert all("split_to_fit" in each.hint for each in found)
    assert judgement.stage == ("size" if severity == "error" else None)
    if severity == "error":
        assert judgement.error == (
            "java.lang.IllegalArgumentException: Maximum message size 8192 exceeded: 10709"
        )


def test_a_whole_request_that_is_too_large_is_a_422() -> None:
    text = wire_text(forecast(96))
    body = encoded(instruction(action="AdjustGroupCapacityForecast", msg=text))
    judgement = check_request(body, "observed")
    assert (judgement.accepted, judgement.status, judgement.stage) == (False, 422, "size")
    assert check_request(body, "observed", mqtt_limit=32768).accepted


@pytest.mark.parametrize(("limit", "code"), [([], 1), (["--mqtt-limit", "32768"], 0)])
def test_the_command_takes_another_limit(tmp_path: Path, limit: list[str], code: int) -> None:
    path = tmp_path / "day.json"
    path.write_text(wire_text(forecast(96)))
    options = ["--action", "AdjustGroupCapacityForecast", "--fidelity", "observed"]
    result = CliRunner().invoke(main, ["check", str(path), *options, *limit])
    assert result.exit_code == code
    if code:
        assert "HTTP 422 (size)" in result.stdout
        assert "bytes (by the ids) in the queue, over 8,192" in result.stdout


def test_no_one_is_told_to_try_again_later() -> None:
    text = "MQTT error queuing ...: Maximum message size 8192 exceeded: 10715"
    assert "again" not in refusal_hint(422, "RS.00001", text)


def test_what_fits_stays_as_it_is() -> None:
    message = forecast(48)
    assert split_to_fit(message) == (message,)


@pytest.mark.parametrize(("group", "limit"), [("foo-group", 1490), ("g" * 2000, 5030)])
def test_a_message_is_split_from_the_next_byte_on(group: str, limit: int) -> None:
    message = forecast(8, group)
    assert split_to_fit(message, mqtt_limit=limit) == (message,)
    assert len(split_to_fit(message, mqtt_limit=limit - 1)) == 2


def test_a_day_becomes_two_halves() -> None:
    first, second = split_to_fit(forecast(96))
    assert len(first.forecasted_blocks) == len(second.forecasted_blocks) == 48


@settings(max_examples=examples(30))
@given(count=st.integers(1, 300), limit=st.integers(900, 12000), group=st.text("gé🔋", min_size=1))
def test_messages_that_fit_are_together_the_whole_in_order(
    count: int, limit: int, group: str
) -> None:
    whole = forecast(count, group)
    parts = split_to_fit(whole, mqtt_limit=limit + 30 * len(group))
    blocks = [block for part in parts for block in part.forecasted_blocks]
    assert blocks == list(whole.forecasted_blocks)
    for part in parts:
        assert (part.group_id, part.type) == (whole.group_id, whole.type)
        judgement = check(part.action, wire_text(part), mqtt_limit=limit + 30 * len(group))
        assert "mqtt_limit" not in {each.rule for each in judgement.findings}


def test_one_block_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidValue) as refused:
        split_to_fit(forecast(2), mqtt_limit=100)
    what = "not even one block fits into 100 bytes: give a higher mqtt_limit"
    assert str(refused.value) == f"forecasted_blocks: {what}"


def test_the_limit_is_the_services_own() -> None:
    assert MQTT_LIMIT == 8192

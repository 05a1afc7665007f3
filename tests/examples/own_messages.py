"""Put messages together from what OSCP has in them, and from anything else."""

import json
from typing import Any

from hypothesis import given

from oscp_send import Message, check
from oscp_send.testing import (
    actions,
    asset_measurements,
    blocks,
    date_times,
    energy_measurements,
    group_ids,
    json_values,
    numbers,
    required_behaviours,
    texts,
    typed_messages,
)


@given(group_ids(), blocks(), texts(), required_behaviours())
def test_what_is_put_together_is_accepted(
    group: str, listed: list[dict[str, Any]], reason: str, behaviour: dict[str, Any]
) -> None:
    forecast = {"group_id": group, "type": "CONSUMPTION", "forecasted_blocks": listed}
    assert check("AdjustGroupCapacityForecast", json.dumps(forecast)).accepted
    complaint = {"message": reason, "forecasted_blocks": listed}
    assert check("GroupCapacityComplianceError", json.dumps(complaint)).accepted
    assert check("Handshake", json.dumps({"required_behaviour": behaviour})).accepted


@given(energy_measurements(), asset_measurements(), numbers(), date_times())
def test_so_are_measurements(
    reading: dict[str, Any], asset: dict[str, Any], value: float, time: str
) -> None:
    later = {**reading, "value": value, "measure_time": time}
    group = {"group_id": "depot-7", "measurements": [reading, later]}
    assert check("UpdateGroupMeasurements", json.dumps(group)).accepted
    assets = {"group_id": "depot-7", "measurements": [asset]}
    assert check("UpdateAssetMeasurement", json.dumps(assets)).accepted


@given(typed_messages("Handshake"))
def test_a_message_of_the_senders_own_classes_is_written_and_read(message: Message) -> None:
    assert type(message).from_json(message.to_json()) == message


@given(actions(), json_values())
def test_whatever_is_sent_there_is_an_answer(action: str, value: object) -> None:
    judged = check(action, json.dumps(value))
    assert judged.accepted == (judged.error is None)

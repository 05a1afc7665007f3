"""The drawing of what the parties sent one another, as a person reads it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.scenario.console import ConsoleReport
from oscp_sim.scenario.events import (
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.sequence import answer_summary, draw, summary
from oscp_sim.scenario.timeline import Exchange, Note
from tests.oscp_sim.journals import START

LOOP = ScenarioId("pack", "loop")
BLOCK = {
    "capacity": 42.0,
    "phase": "ALL",
    "unit": "KW",
    "start_time": "2026-05-04T16:30:00.000Z",
    "end_time": "2026-05-04T17:00:00.000Z",
}
ADJUST = {"group_id": "depot-7", "type": "CONSUMPTION", "forecasted_blocks": [BLOCK]}
DELIVERED = Exchange(
    1,
    START,
    "flexibility_provider",
    "capacity_provider",
    "POST",
    "/oscp/cp/2.0/adjust_group_capacity_forecast",
    (("X-Request-ID", "0b0d1b1e-5c5b-4c5b-8c5b-0b0d1b1e5c5b"), ("x-correlation-id", "r1")),
    json.dumps(ADJUST),
    "AdjustGroupCapacityForecast",
    1,
    3,
    204,
)
HANDED_OVER = Exchange(
    2,
    START,
    "solaruser",
    "flexibility_provider",
    "MQTT",
    "instr/OSCP_v20",
    (),
    json.dumps({"action": "Handshake", "coId": 12}),
    "Handshake",
    notes=("correlationId r1 stays behind: the running SolarUser never puts it into the queue",),
)


def step(*happened: Exchange | Note, name: str = "adjust", outcome: str = "204") -> StepFinished:
    return StepFinished(LOOP, 1, name, "a.yaml:3", outcome, 0.1, None, (), happened)


def drawn(*happened: Exchange | Note) -> list[str]:
    return list(draw([step(*happened)]))[2:]


def test_a_drawing() -> None:
    note = Note(3, START, "capacity_provider", "the other side is offline", system=3)
    assert list(draw([step(DELIVERED, HANDED_OVER), step(note, name="wait 2m", outcome="")])) == [
        "  1 adjust" + " " * 87 + "204",
        "    2026-05-04",
        "    15:58:00.000  FP -> CP 3          POST /oscp/cp/2.0/adjust_group_capacity_forecast"
        "           204",
        "                    X-Request-ID 0b0d1b1e-5c5b-4c5b-8c5b-0b0d1b1e5c5b",
        "                    X-Correlation-ID r1",
        "                    CONSUMPTION of depot-7: 42 KW, 2026-05-04 16:30Z to 17:00Z",
        "    15:58:00.000  SolarUser -> FP     MQTT instr/OSCP_v20",
        "                    action Handshake, coId 12",
        "                    note: correlationId r1 stays behind: the running SolarUser never puts "
        "it into",
        "                      the queue",
        "  1 wait 2m",
        "    15:58:00.000  CP 3                the other side is offline",
    ]


def test_a_request_without_an_answer() -> None:
    assert drawn(replace(DELIVERED, status=None))[0].endswith("  no answer")


def test_findings_but_for_mere_information() -> None:
    findings: tuple[dict[str, Any], ...] = (
        {"rule": "S15", "severity": "error", "pointer": "", "message": "names no forecast"},
        {"rule": "S1", "severity": "warning", "pointer": "/a", "message": "ends early"},
        {"rule": "S3", "severity": "info", "pointer": "", "message": "has gaps"},
    )
    assert [line.strip() for line in drawn(replace(DELIVERED, findings=findings))[-2:]] == [
        "S15 names no forecast",
        "S1 /a: ends early",
    ]


def test_what_an_instruction_has_sent_without_naming_a_forecast() -> None:
    lost = replace(DELIVERED, headers=(("X-Request-ID", "u4"),))
    assert "no X-Correlation-ID" in [line.strip() for line in drawn(lost)]
    assert "no X-Correlation-ID" not in [line.strip() for line in drawn(DELIVERED)]
    forwarded = replace(lost, instruction_id=None)
    assert "no X-Correlation-ID" not in [line.strip() for line in drawn(forwarded)]


def test_what_is_published_in_one_go_is_one_line() -> None:
    def published(source: str, amount: float, identifier: str = "r1") -> Note:
        datum = {
            "sourceId": source,
            "created": "2026-05-04 16:00:00Z",
            "i": {"amount": amount},
            "s": {"forecastIdentifier": identifier},
        }
        return Note(3, START, "flexibility_provider", "published", datum=datum)

    lines = drawn(
        published("/a", 60.0), published("/a", 50.0), published("/a", 1, "r2"), published("/b", 2)
    )
    assert [line[38:] for line in lines] == [
        "publishes 2 data of /a, the first of 2026-05-04 16:00:00Z:",
        "  amount 60.0, forecastIdentifier r1",
        "publishes a datum of /a of 2026-05-04 16:00:00Z: amount 1,",
        "  forecastIdentifier r2",
        "publishes a datum of /b of 2026-05-04 16:00:00Z: amount 2,",
        "  forecastIdentifier r1",
    ]


def test_a_new_day_has_a_line_of_its_own() -> None:
    later = replace(DELIVERED, at=START.replace(day=5))
    lines = list(draw([step(DELIVERED, DELIVERED), step(later)]))
    assert [line.strip() for line in lines if line.strip().startswith("2026")] == [
        "2026-05-04",
        "2026-05-05",
    ]


texts = st.text(st.characters(codec="utf-8"), max_size=200)


@given(path=texts, body=texts, note=texts, name=texts, header=texts, answer=texts)
def test_no_line_is_longer_than_a_terminal_or_writes_on_it(  # noqa: PLR0917 - all texts there are
    path: str, body: str, note: str, name: str, header: str, answer: str
) -> None:
    exchange = replace(
        DELIVERED,
        target="/" + path,
        body=json.dumps({"message": body}),
        action="GroupCapacityComplianceError",
        headers=(("X-Request-ID", header),),
        answer=answer,
        notes=(note,),
        findings=({"rule": "S1", "severity": "error", "pointer": path, "message": note},),
    )
    lines = list(draw([step(exchange, Note(1, START, "solaruser", note), name=name)]))
    assert max(map(len, lines)) <= 100
    assert all(line.isprintable() for line in lines)


class TestSummaries:
    @pytest.mark.parametrize(
        ("action", "message", "said"),
        [
            (
                "Register",
                {
                    "token": "[redacted]",
                    "version_url": [{"version": "2.0", "base_url": "http://a"}],
                },
                "a token, and 2.0 at http://a",
            ),
            (
                "Handshake",
                {
                    "required_behaviour": {
                        "heartbeat_interval": 60,
                        "measurement_configuration": ["CONTINUOUS"],
                    }
                },
                "asks for a heartbeat every 60 s, measurements CONTINUOUS",
            ),
            ("HandshakeAcknowledge", {"required_behaviour": {}}, "asks for nothing"),
            ("Handshake", {}, "asks for nothing"),
            (
                "Heartbeat",
                {"offline_mode_at": "2026-05-04T16:00:30.000Z"},
                "offline at 2026-05-04 16:00:30Z",
            ),
            (
                "UpdateGroupCapacityForecast",
                ADJUST | {"forecasted_blocks": [BLOCK] * 8},
                "CONSUMPTION of depot-7: 8 blocks, 42, 42, 42, 42, ..., 42 KW, "
                "2026-05-04 16:30Z to 17:00Z",
            ),
            (
                "UpdateGroupCapacityForecast",
                ADJUST
                | {
                    "forecasted_blocks": [
                        BLOCK
                        | {
                            "start_time": "2026-05-04T23:00:00.000+08:00",
                            "end_time": "2026-05-05T00:00:00.000+08:00",
                        }
                    ]
                },
                "CONSUMPTION of depot-7: 42 KW, 2026-05-04 23:00+0800 to 2026-05-05 00:00+0800",
            ),
            (
                "UpdateGroupCapacityForecast",
                ADJUST | {"forecasted_blocks": []},
                "CONSUMPTION of depot-7: no blocks",
            ),
            ("GroupCapacityComplianceError", {"message": "no"}, "no"),
            (
                "UpdateGroupMeasurements",
                {"group_id": "g", "measurements": [{"value": 12.5, "unit": "KWH"}]},
                "of g: 12.5 KWH",
            ),
            ("UpdateGroupMeasurements", {"group_id": "g", "measurements": []}, "of g: none"),
            (
                "UpdateAssetMeasurement",
                {
                    "group_id": "g",
                    "measurements": [
                        {"asset_id": "a", "instantaneous_measurement": {"value": 3, "unit": "KW"}},
                        {"asset_id": "b"},
                    ],
                },
                "of g: a 3 KW, b",
            ),
            ("Nonsense", {"a": 1}, ""),
        ],
    )
    def test_what_each_message_says(self, action: str, message: object, said: str) -> None:
        assert summary(replace(DELIVERED, action=action, body=json.dumps(message))) == said

    @pytest.mark.parametrize("body", ["", "[", "[1]", "null", '{"forecasted_blocks": 3}', "{}"])
    @pytest.mark.parametrize(
        "action",
        ["Register", "Handshake", "Heartbeat", "AdjustGroupCapacityForecast", "Nonsense"],
    )
    def test_what_cannot_be_read_is_not_told(self, action: str, body: str) -> None:
        assert summary(replace(DELIVERED, action=action, body=body)) in {"", "asks for nothing"}

    @pytest.mark.parametrize(
        "body",
        [
            {"params": {"coId": "1", "msg": "abc"}},
            {"parameters": [{"name": "coId", "value": "1"}, {"name": "msg", "value": "abc"}]},
            {
                "parameters": [
                    {"name": "coId", "value": "1"},
                    {"name": "msg", "value": "ab"},
                    {"name": "msg", "value": "c"},
                ]
            },
        ],
    )
    def test_an_instruction(self, body: object) -> None:
        asked = replace(DELIVERED, receiver="solaruser", body=json.dumps(body))
        assert summary(asked) == "coId 1, msg of 3 characters"

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ("", ""),
            ('{"success":true,"data":{"id":1,"state":"Queuing"}}', "instruction 1 Queuing"),
            (
                '{"data":{"id":1,"state":"Declined","resultParameters":{"error":"no"}}}',
                "instruction 1 Declined: no",
            ),
            ('{"message":"the token is unknown"}', "the token is unknown"),
            ('{"error":"no"}', "no"),
            ("plain\n", "plain"),
            ("{}", ""),
        ],
    )
    def test_what_an_answer_says(self, answer: str, said: str) -> None:
        assert answer_summary(replace(DELIVERED, answer=answer)) == said


class TestWhenItIsShown:
    def told(self, *, passed: bool, asked: bool = False, always: bool = False) -> str:
        stream = io.StringIO()
        report = ConsoleReport(stream, sequence=always)
        report(RehearsalStarted(1, "documented", (LOOP,)))
        report(ScenarioStarted(LOOP, "a.yaml:1", 1, "documented", None, asked))
        report(step(DELIVERED))
        report(ScenarioFinished(LOOP, passed, 0.1))
        report(RehearsalFinished(int(passed), int(not passed), 0.1))
        return stream.getvalue()

    def test_not_where_all_is_well(self) -> None:
        assert "FP -> CP" not in self.told(passed=True)

    @pytest.mark.parametrize(
        "how", [{"passed": True, "asked": True}, {"passed": True, "always": True}]
    )
    def test_where_the_scenario_or_somebody_asks_for_it(self, how: dict[str, bool]) -> None:
        assert self.told(**how).count("FP -> CP") == 1

    @pytest.mark.parametrize(
        "how", [{}, {"asked": True}, {"always": True}, {"asked": True, "always": True}]
    )
    def test_once_where_it_failed(self, how: dict[str, bool]) -> None:
        told = self.told(passed=False, **how)
        assert told.count("FP -> CP") == 1
        assert "CP Capacity Provider, FP Flexibility Provider, CO Capacity Optimizer;" in told

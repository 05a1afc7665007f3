import json
import os
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oscp_sim.matching import TextPattern
from oscp_sim.scenario.model import (
    ClockSetting,
    Expect,
    ExpectedExchange,
    Forecast,
    JsonText,
    Message,
    Parameters,
    Received,
    Scenario,
    Send,
    Step,
)
from oscp_sim.scenario.read import load_scenarios, scenario_schema
from oscp_sim.scenario.real_parties import RealParties
from oscp_sim.world import load_world
from oscp_sim.yaml_source import SourceError, YamlDocument

Write = Callable[[str, str], Path]

EVERYTHING = """\
scenario: everything
about: Each key of the format once.
world: worlds/small.yaml
fidelity: observed
steps:
  - name: a message as YAML
    send:
      node: 1
      optimizer: 1
      group: foo-group
      action: Handshake
      message: {required_behaviour: {measurement_configuration: [CONTINUOUS]}}
      correlation_id: r1
      checked: false
    expect:
      state: Completed
      parts: 1
      within: 2s
      received:
        path: /handshake
        headers: {X-Correlation-ID: r1, X-Segment-Index: null}
        message:
          required_behaviour:
            measurement_configuration: [CONTINUOUS]
  - send: {node: 1, optimizer: " 7", group: g, action: Handshake, text: '{"é": 1 }'}
    expect: {state: Declined, reason: Invalid capacity optimizer ID, received: nothing}
  - send: {node: 1, optimizer: "1", group: g, action: Handshake, file: payloads/a.json}
    expect: {reason: {starts_with: Unknown}, received: {same_as_sent: true}}
  - send:
      node: 1
      optimizer: "1"
      group: foo-group
      action: AdjustGroupCapacityForecast
      forecast:
        type: CONSUMPTION
        start: 2026-03-28T23:00:00Z
        step: PT15M
        capacities: [1, 2.5]
        unit: KW
        phase: ALL
    expect: {sender: InvalidMessage, reason: {matches: "^/forecasted"}}
  - send: {node: 1, parameters: {coId: "1", action: X}}
  - send: {node: 1, parameters: {}}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return write


def scenario(name: str = "one", send: str = "message: {}", expect: str = "") -> str:
    expectation = f"    expect: {{{expect}}}\n" if expect else ""
    return (
        f"scenario: {name}\nsteps:\n"
        f"  - send: {{node: 1, optimizer: '1', group: g, action: Handshake, {send}}}\n{expectation}"
    )


def content_of(scenario: Scenario) -> Message | JsonText | Forecast | Parameters:
    """What the first step sends."""
    does = scenario.steps[0].does
    assert isinstance(does, Send)
    return does.content


def problems(path: Path) -> list[str]:
    """Say what is wrong below a folder, with the folder left out."""
    with pytest.raises(SourceError) as caught:
        load_scenarios([path])
    folder = path if path.is_dir() else path.parent
    return [str(each).replace(f"{folder}{os.sep}", "") for each in caught.value.problems]


class TestWhatAFileSays:
    @pytest.fixture
    def loaded(self, write: Write) -> Scenario:
        write("worlds/small.yaml", "users: [{id: 1, nodes: [1]}]")
        write("payloads/a.json", '{"a":\r\n 1}')
        (scenario,) = load_scenarios([write("all.yaml", EVERYTHING)])
        return scenario

    def test_every_key_arrives(self, loaded: Scenario, tmp_path: Path) -> None:
        behaviour = {"required_behaviour": {"measurement_configuration": ["CONTINUOUS"]}}
        steps = (
            Step(
                "a message as YAML",
                Send(1, Message(behaviour), "1", "foo-group", "Handshake", "r1", checked=False),
                Expect(
                    state="Completed",
                    parts=1,
                    within=timedelta(seconds=2),
                    received=Received(
                        path="/handshake",
                        headers={"X-Correlation-ID": "r1", "X-Segment-Index": None},
                        message=Message(behaviour),
                    ),
                ),
            ),
            Step(
                "Handshake",
                Send(1, JsonText('{"é": 1 }'), " 7", "g", "Handshake"),
                Expect(
                    state="Declined",
                    reason=TextPattern("is", "Invalid capacity optimizer ID"),
                    received=Received(nothing=True),
                ),
            ),
            Step(
                "Handshake",
                Send(
                    1,
                    JsonText('{"a":\r\n 1}', str(tmp_path / "payloads/a.json")),
                    "1",
                    "g",
                    "Handshake",
                ),
                Expect(
                    reason=TextPattern("starts_with", "Unknown"),
                    received=Received(same_as_sent=True),
                ),
            ),
            Step(
                "AdjustGroupCapacityForecast",
                Send(
                    1,
                    Forecast(
                        group_id="foo-group",
                        type="CONSUMPTION",
                        start=datetime(2026, 3, 28, 23, tzinfo=UTC),
                        step=timedelta(minutes=15),
                        capacities=(1, 2.5),
                        unit="KW",
                        phase="ALL",
                    ),
                    "1",
                    "foo-group",
                    "AdjustGroupCapacityForecast",
                ),
                Expect(reason=TextPattern("matches", "^/forecasted"), sender="InvalidMessage"),
            ),
            Step("X", Send(1, Parameters((("coId", "1"), ("action", "X")))), Expect()),
            Step("instruction", Send(1, Parameters(())), Expect()),
        )
        assert loaded == Scenario(
            name="everything",
            group=tmp_path.name,
            steps=steps,
            about="Each key of the format once.",
            world=load_world("users: [{id: 1, nodes: [1]}]"),
            fidelity="observed",
        )

    def test_each_thing_knows_its_line(self, loaded: Scenario, tmp_path: Path) -> None:
        def line(place: str) -> int:
            file, _, number = place.rpartition(":")
            assert file == str(tmp_path / "all.yaml")
            return int(number)

        first, second = loaded.steps[:2]
        assert line(loaded.source.place()) == 1
        assert line(first.source.place()) == 6
        assert isinstance(first.does, Send)
        assert line(first.does.source.place("/group")) == 10
        assert line(first.expect.source.place("/state")) == 16
        below = "/received/message/required_behaviour/measurement_configuration/0"
        assert line(first.expect.source.place(below)) == 24
        assert line(second.expect.source.place("/reason")) == 26
        # A step that expects nothing points to itself.
        assert line(loaded.steps[4].expect.source.place("/state")) == 42

    def test_null_is_a_message_too(self, write: Write) -> None:
        (loaded,) = load_scenarios([write("a.yaml", scenario(send="message: null"))])
        assert content_of(loaded) == Message(None)

    def test_a_forecast_may_name_another_group(self, write: Write) -> None:
        forecast = (
            "{group_id: other, type: OPTIMUM, start: '2026-03-01T00:00:00+01:00', step: 1h,"
            " capacities: [0], unit: A, phase: ONE}"
        )
        text = scenario(send=f"forecast: {forecast}").replace(
            "Handshake", "UpdateGroupCapacityForecast"
        )
        (loaded,) = load_scenarios([write("a.yaml", text)])
        content = content_of(loaded)
        assert isinstance(content, Forecast)
        assert content.group_id == "other"
        assert content.start.utcoffset() == timedelta(hours=1)

    def test_a_scenario_made_in_python_has_no_line(self) -> None:
        assert Expect(state="Completed").source.place("/state") == "scenario /state"


class TestSeveralInAFile:
    TEXT = (
        "world: {users: [{id: 1}]}\nfidelity: observed\nscenarios:\n"
        "- {scenario: a, steps: [{send: {node: 1, parameters: {}}}]}\n"
        "- {scenario: b, fidelity: documented, world: {users: [{id: 2}]},\n"
        "   steps: [{send: {node: 1, parameters: {}}}]}\n"
    )

    def test_world_and_fidelity_hold_where_a_scenario_names_none(self, write: Write) -> None:
        first, second = load_scenarios([write("many.yaml", self.TEXT)])
        assert (first.name, first.fidelity, second.name, second.fidelity) == (
            "a",
            "observed",
            "b",
            "documented",
        )
        assert first.world is not None
        assert second.world is not None
        assert (first.world.users[0].id, second.world.users[0].id) == (1, 2)
        assert second.source.place().endswith("many.yaml:5")

    def test_a_problem_of_the_common_world_is_told_once(self, write: Write) -> None:
        text = self.TEXT.replace("{id: 1}", "{id: x}", 1).replace("world: {users: [{id: 2}]},", "")
        assert problems(write("many.yaml", text)) == [
            "many.yaml:1:22: expected a whole number, got a string"
        ]


class TestFinding:
    def test_folders_are_searched_down_and_sorted(self, write: Write, tmp_path: Path) -> None:
        write("b/two.yml", scenario("two"))
        write("b/one.yaml", scenario("one"))
        write("b/deep/three.yaml", scenario("three"))
        write("a.yaml", scenario("zero"))
        write("many.yaml", TestSeveralInAFile.TEXT)
        write("b/many.yaml", TestSeveralInAFile.TEXT)
        for left_out in ("worlds/w.yaml", "b/payloads/p.yaml", ".hidden/h.yaml", "notes.txt"):
            write(left_out, "not: a scenario")
        found = [(each.group, each.name) for each in load_scenarios([tmp_path])]
        assert found == [
            ("a", "zero"),
            ("b/deep", "three"),
            ("b/many", "a"),
            ("b/many", "b"),
            ("b", "one"),
            ("b", "two"),
            ("many", "a"),
            ("many", "b"),
        ]

    def test_a_file_is_read_once_however_often_it_is_named(
        self, write: Write, tmp_path: Path
    ) -> None:
        path = write("a/one.yaml", scenario())
        loaded = load_scenarios([path, tmp_path, str(tmp_path / "a" / ".." / "a")])
        assert [(each.group, each.name) for each in loaded] == [("a", "one")]

    def test_a_named_file_is_read_whatever_its_folder(self, write: Write) -> None:
        (loaded,) = load_scenarios([write("payloads/a.txt", scenario())])
        assert loaded.name == "one"

    def test_what_is_not_there_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(SourceError) as caught:
            load_scenarios([tmp_path / "gone", tmp_path / "empty"])
        assert [each.message for each in caught.value.problems] == [
            "no such file or folder",
            "no scenario file (*.yaml) in here",
        ]

    def test_messages_name_files_from_where_somebody_stands(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("a/one.yaml", "scenario: [")
        monkeypatch.chdir(tmp_path)
        for path in (Path("a"), tmp_path / "a"):
            with pytest.raises(SourceError) as caught:
                load_scenarios([path])
            assert caught.value.problems[0].file == str(Path("a/one.yaml"))


OUTSIDE = {
    "world": f"world: NAMED\n{scenario()}",
    "file": scenario(send="file: NAMED"),
    "file to post": "scenario: a\nsteps: [{post: {provider: 3, action: Heartbeat, file: NAMED}}]",
    "csv": "scenario: a\nsteps: [{forecast: {provider: 3, csv: NAMED}}]",
}


class TestWhatIsIncluded:
    @pytest.fixture
    def secret(self, write: Write) -> Path:
        return write("worlds/secret.yaml", '{"users": [{"id": 1}]}')

    @pytest.mark.parametrize("kind", OUTSIDE)
    @pytest.mark.parametrize("where", ["../worlds/secret.yaml", "absolute", "link.yaml", "../gone"])
    def test_nothing_outside_of_the_folder(
        self, kind: str, where: str, secret: Path, write: Write
    ) -> None:
        named = str(secret) if where == "absolute" else where
        path = write("mine/a.yaml", OUTSIDE[kind].replace("NAMED", named))
        path.with_name("link.yaml").symlink_to(secret)
        (problem,) = problems(path)
        assert f'"{named}" is outside of the folder ' in problem
        assert "--include" in problem

    @pytest.mark.parametrize("kind", OUTSIDE)
    def test_unless_it_is_told(self, kind: str, secret: Path, write: Write) -> None:
        text = OUTSIDE[kind].replace("NAMED", "../worlds/secret.yaml")
        path = write("mine/a.yaml", text)
        assert load_scenarios([path], include=[secret.parent])
        # The folder that is named holds it.
        assert load_scenarios([secret.parent.parent], include=["/nowhere"])


FORECAST = (
    "{type: CONSUMPTION, start: '2026-03-01T00:00:00Z', step: 15m, capacities: [1],"
    " unit: KW, phase: ALL}"
)
ADJUST = scenario(send=f"forecast: {FORECAST}").replace("Handshake", "AdjustGroupCapacityForecast")
RAW = "scenario: a\nsteps:\n- send: {node: 1, parameters: {}}\n"
STEPS = "steps: [{send: {node: 1, parameters: {}}}]"

# A paragraph sign stands before the place that the message must name.
WRONG = {
    "not YAML": ("scenario: [\n§", "not YAML: while parsing a flow node"),
    "empty": ("§", "expected a mapping, got nothing"),
    "a list": ("§- scenario: a", "expected a mapping, got a list"),
    "clock as a text": (
        f"clock: §2026-03-01T12:00:00Z\n{RAW}",
        "expected a mapping with start, ",
    ),
    "no steps": ("§scenario: a", '"steps" is missing'),
    "steps empty": ("scenario: a\nsteps: §[]", "expected at least 1 item(s)"),
    "steps beside scenarios": (
        f"scenarios: [{{scenario: b, {STEPS}}}]\n§{STEPS}\n",
        "does not belong here",
    ),
    "unknown key": (f"§wrld: a.yaml\n{RAW}", 'unknown key "wrld"; did you mean "world"?'),
    "unknown expectation": (
        scenario(expect="§stat: x"),
        'unknown key "stat"; did you mean "state"?',
    ),
    "name with a blank": (
        scenario("§'a b'"),
        '"a b" does not have the right form: The name in the report',
    ),
    "fidelity": (
        f"fidelity: §observd\n{RAW}",
        '"observd" is not known here; did you mean "observed"?',
    ),
    "state": (
        scenario(expect="state: §completed"),
        '"completed" is not known here; did you mean "Completed"?',
    ),
    "sender's error": (
        scenario(expect="sender: §InvalidMesage"),
        '"InvalidMesage" is not known here; did you mean "InvalidMessage"?',
    ),
    "sender and state": (
        scenario(expect="sender: InvalidMessage, §state: Declined"),
        "sender and state exclude each other",
    ),
    "no content": (
        scenario(send="checked: true").replace("{node", "§{node"),
        "one of message, text, file, forecast, parameters is required here",
    ),
    "two contents": (
        scenario(send="message: {}, §text: ''"),
        "only one of message, text, file, forecast, parameters is allowed here, not message",
    ),
    "parameters and more": (
        RAW.replace("parameters", "§action: Handshake, parameters"),
        '"parameters" says all: leave "action" out',
    ),
    "group missing": (
        scenario().replace("group: g, ", "").replace("{node", "§{node"),
        '"group" is missing; or give "parameters" instead',
    ),
    "parameter as a number": (
        RAW.replace("{}", "{coId: §1}"),
        "expected a string, got a whole number; put it in quotes",
    ),
    "node as a text": (
        RAW.replace("node: 1", "node: §'1'"),
        "expected a whole number, got a string",
    ),
    "correlation id as a number": (
        scenario(send="message: {}, correlation_id: §12"),
        "expected a string, got a whole number; put it in quotes",
    ),
    "payload missing": (
        scenario(send="file: §gone.json"),
        'there is no file "gone.json"; the path is relative to this file',
    ),
    "payload misspelt": (
        scenario(send="file: §payload.jsn"),
        'there is no file "payload.jsn"; did you mean "payload.json"?',
    ),
    "payload in a folder misspelt": (
        scenario(send="file: §payloads/y.json"),
        'there is no file "payloads/y.json"; did you mean "x.json"?',
    ),
    "payload a folder": (
        scenario(send="file: §payloads"),
        'there is no file "payloads"; ',
    ),
    "payload not UTF-8": (
        scenario(send="file: §latin.json"),
        "latin.json cannot be read as UTF-8 text",
    ),
    "world missing": (f"world: §gone.yaml\n{RAW}", 'there is no file "gone.yaml"'),
    "world inline": (f"world:\n  users: [{{id: §0}}]\n{RAW}", "0 is below 1"),
    "within without unit": (
        scenario(expect="within: §'2'"),
        '"2" does not have the right form: A duration as 15m',
    ),
    "within zero": (scenario(expect="within: §0s"), '"0s" is not a duration above zero'),
    "within a number": (scenario(expect="within: §2"), "expected a string, got a whole number"),
    "received a wrong word": (
        scenario(expect="received: §none"),
        '"none" is not known here; known here: nothing',
    ),
    "received twice": (
        scenario(expect="received: {message: {}, §same_as_sent: true}"),
        "message and same_as_sent exclude each other",
    ),
    "reason of two kinds": (
        scenario(expect="reason: {starts_with: a, §matches: b}"),
        "only one of starts_with, matches is allowed here",
    ),
    "reason empty": (
        scenario(expect="reason: §{}"),
        "one of starts_with, matches is required here",
    ),
    "reason no expression": (
        scenario(expect="reason: {matches: §'['}"),
        "not a regular expression: unterminated character set",
    ),
    "parts below zero": (scenario(expect="parts: §-1"), "-1 is below 0"),
    "expect nothing": (
        f"{scenario()}    expect: §{{}}\n",
        "expected at least 1 key(s)",
    ),
    "forecast start without offset": (
        ADJUST.replace("'2026-03-01T00:00:00Z'", "§'2026-03-01T00:00:00'"),
        '"2026-03-01T00:00:00" has no offset: add Z for UTC, or one as +01:00',
    ),
    "forecast step": (ADJUST.replace("15m", "§15min"), '"15min" does not have the right form'),
    "forecast step zero": (ADJUST.replace("15m", "§PT0M"), '"PT0M" is not a duration above zero'),
    "forecast unit": (
        ADJUST.replace("KW", "§kW"),
        '"kW" is not known here; did you mean "KW"?',
    ),
    "forecast of another action": (
        ADJUST.replace("AdjustGroupCapacityForecast", "§Handshake"),
        '"forecast" makes AdjustGroupCapacityForecast or UpdateGroupCapacityForecast; give',
    ),
    "forecast capacity as a text": (
        ADJUST.replace("[1]", "[§'1']"),
        "expected a number, got a string",
    ),
}


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_says_where_and_what_to_do(
    write: Write, tmp_path: Path, text: str, problem: str
) -> None:
    write("payload.json", "{}")
    write("payloads/x.json", "{}")
    (tmp_path / "latin.json").write_bytes(b"\xff")
    before = text.partition("§")[0]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    (told,) = problems(write("demo.yaml", text.replace("§", "")))
    assert told.startswith(f"demo.yaml:{line}:{column}: {problem}")


def test_a_wrong_world_file_is_named_itself(write: Write) -> None:
    write("worlds/w.yaml", "users:\n- id: x\n")
    path = write("demo.yaml", "world: worlds/w.yaml\n" + scenario())
    assert problems(path) == [f"{Path('worlds/w.yaml')}:2:7: expected a whole number, got a string"]


def test_the_problems_of_all_files_are_told_together(write: Write, tmp_path: Path) -> None:
    write("a.yaml", "scenario: a")
    write("b.yaml", "scenario: [")
    write("c.yaml", scenario("c", expect="within: 0s, reason: {matches: '['}"))
    write("d.yaml", scenario("d"))
    assert [each.partition(": ")[0] for each in problems(tmp_path)] == [
        "a.yaml:1:1",
        "b.yaml:2:1",
        "c.yaml:4:22",
        "c.yaml:4:44",
    ]


def test_a_name_stands_once_in_a_folder(write: Write, tmp_path: Path) -> None:
    write("a.yaml", scenario("same"))
    write("b.yaml", "# a comment\n" + scenario("same"))
    write("deep/a.yaml", scenario("same"))
    assert problems(tmp_path) == [
        'b.yaml:2:11: the name "same" is used in this folder already, at a.yaml:1'
    ]


def test_a_message_of_the_size_of_a_day_is_read_as_json_would(write: Write) -> None:
    blocks = [
        {"capacity": at / 8, "start_time": f"2026-03-01T{at // 4:02}:00:00Z"} for at in range(96)
    ]
    message = {"group_id": "foo-group", "forecasted_blocks": blocks}
    (loaded,) = load_scenarios([write("a.yaml", scenario(send=f"message: {json.dumps(message)}"))])
    assert content_of(loaded) == Message(message)


#: The dataclass of each object of a scenario file, and its fields that have other keys there.
OBJECTS: dict[str, tuple[type, set[str]]] = {
    "/definitions/scenario": (Scenario, {"group"}),
    "/definitions/scenario/properties/clock": (ClockSetting, set()),
    "/definitions/scenario/properties/seats": (RealParties, set()),
    "/definitions/step": (Step, {"fill"}),
    "/definitions/send": (Send, set()),
    "/definitions/forecast": (Forecast, set()),
    "/definitions/expect": (Expect, set()),
    "/definitions/exchange": (ExpectedExchange, set()),
    "/definitions/received": (Received, {"nothing"}),
}


@pytest.mark.parametrize("pointer", OBJECTS)
def test_the_schema_of_a_scenario_file_has_the_fields_of_the_dataclasses(pointer: str) -> None:
    kind, elsewhere = OBJECTS[pointer]
    schema = YamlDocument.of(scenario_schema(), "schema").at(pointer).value
    keys = {
        key
        for each in fields(kind)
        if each.name not in {"source", *elsewhere}
        for key in each.metadata.get("written_as", (each.name,))
    }
    assert set(schema["properties"]) == keys

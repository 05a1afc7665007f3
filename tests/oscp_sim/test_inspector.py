"""The inspector: its page, what the page asks for, and who may see it."""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import requests

from oscp_send import InstructionDeclined, NotAuthorised, SolarUserClient
from oscp_send.instruction import split
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.inspector import inspector
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from tests.oscp_sim.rig import ADJUSTMENT, SECRET, TOKEN, Headers, ask_over_network, block

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oscp_send.findings import Finding
    from oscp_sim.scenario.events import Event


@pytest.fixture
def inspected(clock: FrozenClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        simulator.add_pages(partial(inspector, simulator))
        yield simulator


def get(simulator: Simulator, path: str) -> Any:  # noqa: ANN401 - JSON
    answer = requests.get(f"{simulator.url}{path}", timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def send(simulator: Simulator, text: str, *, optimizer: int = 1, secret: str = SECRET) -> None:
    client = SolarUserClient(
        IN_PROCESS_URL, TOKEN, secret, session=simulator.session(), clock=simulator.clock.now
    )
    client.send(
        "AdjustGroupCapacityForecast",
        text,
        node_id=1,
        co_id=optimizer,
        cg_identifier="foo-group",
    )
    simulator.clock.advance(5)


def adjustment(blocks: int = 1) -> str:
    starts = [f"2031-03-01T{hour:02}:00:00Z" for hour in range(blocks + 1)]
    made = [block(*times, 40 + hour) for hour, times in enumerate(pairwise(starts))]
    return json.dumps({**ADJUSTMENT, "forecasted_blocks": made})


def find(simulator: Simulator, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of a row
    rows = get(simulator, "/_sim/rows")["rows"]
    numbers = ",".join(str(row["number"]) for row in rows)
    told = get(simulator, f"/_sim/told?numbers={numbers}")["told"]
    both = [row | said for row, said in zip(rows, told, strict=True)]
    [found] = [row for row in both if all(row.get(k) == v for k, v in fields.items())]
    return dict(found)


def entry(simulator: Simulator, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of its row
    return dict(get(simulator, f"/_sim/entries/{find(simulator, **fields)['number']}"))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG 2 defines it."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestPage:
    def test_it_needs_nothing_from_elsewhere(self, inspected: Simulator) -> None:
        page = requests.get(inspected.url, timeout=20)
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "http" not in page.text.replace("http://127", "")
        for name, kind in (("inspector.js", "text/javascript"), ("inspector.css", "text/css")):
            file = requests.get(f"{inspected.url}/_sim/{name}", timeout=20)
            assert file.headers["Content-Type"].startswith(kind)
            assert f"/_sim/{name}" in page.text

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_texts_stand_out_from_what_is_behind_them(
        self, inspected: Simulator, scheme: str
    ) -> None:
        page = requests.get(inspected.url, timeout=20).text
        light, dark = (
            dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", each))
            for each in re.findall(r":root \{(.*?)\}", page, re.DOTALL)[:2]
        )
        colours = light if scheme == "light" else light | dark
        boxes = {"good": "good-box", "bad": "bad-box", "warn": "warn-box", "page": "link"}
        pairs = [(text, behind) for text in ("ink", "soft", "link") for behind in ("page", "box")]
        pairs += [*boxes.items(), ("bad", "page"), ("page", "ink")]
        pairs += [
            (text, box) for text in ("ink", "soft", "link") for box in ("bad-box", "warn-box")
        ]
        low = [pair for pair in pairs if contrast(*(colours[each] for each in pair)) < 4.5]
        assert low == []

    def test_who_has_no_inspector_has_no_page(self, simulator: Simulator) -> None:
        assert requests.get(simulator.url, timeout=20).status_code == 404


class TestRows:
    def test_each_entry_that_tells_something_is_a_row(self, inspected: Simulator) -> None:
        send(inspected, adjustment())
        asked = find(inspected, to="SolarUser", method="POST")
        assert {
            name: asked[name] for name in ("from", "action", "instruction", "status", "group")
        } == {
            "from": "Capacity Optimizer",
            "action": "AdjustGroupCapacityForecast",
            "instruction": 1,
            "status": 200,
            "group": "foo-group",
        }
        assert find(inspected, to="Flexibility Provider", is_queue=True)["instruction"] == 1
        assert (
            find(inspected, kind="state", state="Completed")["says"] == "instruction 1 is Completed"
        )

    def test_they_are_filtered_and_awaited_as_the_journal_is(self, inspected: Simulator) -> None:
        send(inspected, adjustment())
        page = get(inspected, "/_sim/rows?kind=state&state=Completed")
        assert [row["state"] for row in page["rows"]] == ["Completed"]
        assert get(inspected, f"/_sim/rows?since={page['last']}")["rows"] == []
        refused = requests.get(f"{inspected.url}/_sim/rows?party=nobody", timeout=20)
        assert refused.status_code == 400

    def test_why_one_was_refused_is_in_its_row(self, inspected: Simulator) -> None:
        with pytest.raises(NotAuthorised):
            send(inspected, adjustment(), secret="another-secret")
        row = find(inspected, to="SolarUser", status=403)
        assert row["why"].startswith("another signature is expected")

    def test_whether_what_was_seen_is_gone(self, inspected: Simulator) -> None:
        inspected.provider(3).heartbeat()
        seen = get(inspected, "/_sim/rows")["last"]
        assert not get(inspected, f"/_sim/rows?since={seen}")["forgotten"]
        inspected.reset()
        assert get(inspected, f"/_sim/rows?since={seen}")["forgotten"]
        assert not get(inspected, "/_sim/rows")["forgotten"]

    def test_of_few_it_is_said_at_once_what_they_say(self, inspected: Simulator) -> None:
        inspected.provider(3).heartbeat()
        page = get(inspected, "/_sim/rows")
        assert [each["number"] for each in page["told"]] == [r["number"] for r in page["rows"]]
        for _ in range(60):
            inspected.journal.append("capacity_provider", "note")
        page = get(inspected, "/_sim/rows")
        assert (len(page["rows"]) > 60, page["told"]) == (True, [])

    def test_nothing_is_judged_for_a_list_of_many(self, inspected: Simulator) -> None:
        def judge() -> tuple[Finding, ...]:
            raise AssertionError("judged")

        for _ in range(60):
            inspected.journal.append("capacity_provider", "note", judge=judge)
        assert len(get(inspected, "/_sim/rows")["rows"]) == 60

    @pytest.mark.parametrize("numbers", ["", "x", "1,", "1,-2"])
    def test_what_an_entry_without_a_number_says(self, inspected: Simulator, numbers: str) -> None:
        answer = requests.get(f"{inspected.url}/_sim/told?numbers={numbers}", timeout=20)
        assert answer.status_code == 404

    def test_what_was_forgotten_says_nothing(self, inspected: Simulator) -> None:
        inspected.provider(3).heartbeat()
        told = get(inspected, "/_sim/told?numbers=1,99999")["told"]
        assert [each["number"] for each in told] == [1]


class TestOneEntry:
    def test_a_finding_has_its_place_and_its_rule_is_explained(self, inspected: Simulator) -> None:
        wrong = {
            "group_id": "foo-group",
            "type": "CONSUMPTION",
            "forecasted_blocks": [{"unit": "kW"}],
        }
        inspected.provider(3).post("UpdateGroupCapacityForecast", wrong)
        row = find(inspected, status=422, is_sent=False)
        shown = get(inspected, f"/_sim/entries/{row['number']}")
        [unit] = [each for each in shown["findings"] if each["pointer"].endswith("/unit")]
        assert (unit["rule"], unit["severity"]) == ("enum", "error")
        assert unit["explained"]
        assert json.loads(shown["message"]) == wrong

    def test_parts_are_those_that_solaruser_keeps(self, inspected: Simulator) -> None:
        text = adjustment(12)
        send(inspected, text)
        shown = get(
            inspected, f"/_sim/entries/{find(inspected, to='SolarUser', method='POST')['number']}"
        )
        assert shown["message"] == text
        assert shown["parts"] == list(split(text))
        assert len(shown["parts"]) > 3

    def test_a_refused_signature_is_explained(self, inspected: Simulator) -> None:
        with pytest.raises(NotAuthorised):
            send(inspected, adjustment(), secret="another-secret")
        shown = get(
            inspected, f"/_sim/entries/{find(inspected, to='SolarUser', status=403)['number']}"
        )
        assert shown["signature"]["canonical_request"].startswith(
            "POST\n/solaruser/api/v1/sec/instr/add"
        )
        assert not any("canonical" in note for note in shown["notes"])
        assert SECRET not in json.dumps(shown)

    def test_both_sides_are_one(self, inspected: Simulator) -> None:
        inspected.faults.add(
            where="capacity_provider",
            fault="reset_after",
            action="AdjustGroupCapacityForecast",
            times=1,
        )
        send(inspected, adjustment())
        row = find(inspected, to="Capacity Provider 3", is_sent=False)
        shown = get(inspected, f"/_sim/entries/{row['number']}")
        assert shown["status"] is None
        assert shown["other"] != row["number"]
        assert "answered with 204, which its sender did not see" in shown["notes"]

    def test_the_command_asks_the_same_again(self, inspected: Simulator) -> None:
        inspected.provider(3).heartbeat()
        for is_sent in (True, False):
            shown = entry(inspected, action="Heartbeat", is_sent=is_sent)
            words = shlex.split(shown["curl"])
            assert words[:3] == ["curl", "-X", "POST"]
            assert words[3] == f"{inspected.url}/oscp/fp/2.0/heartbeat"
            assert "offline_mode_at" in words[-1]
            assert "simulator.invalid" not in shown["target"]

    def test_the_command_sends_no_file_that_a_body_seems_to_name(
        self, inspected: Simulator
    ) -> None:
        url = f"{inspected.url}/oscp/fp/2.0/heartbeat"
        requests.post(url, data="@/etc/passwd", timeout=20)
        row = find(inspected, path="/oscp/fp/2.0/heartbeat")
        words = shlex.split(get(inspected, f"/_sim/entries/{row['number']}")["curl"])
        assert words[-2:] == ["--data-raw", "@/etc/passwd"]

    def test_what_was_done_is_a_step_of_a_scenario(self, inspected: Simulator) -> None:
        send(inspected, adjustment())
        inspected.provider(3).heartbeat()
        for row, word in (
            (find(inspected, to="SolarUser", method="POST"), "- send:"),
            (find(inspected, action="Heartbeat", is_sent=False), "- heartbeat:"),
        ):
            step = get(inspected, f"/_sim/entries/{row['number']}/step")["step"]
            assert step.startswith(f"steps:\n{word}")
        forwarded = f"{inspected.url}/_sim/entries/{inspected.journal.last}/step"
        refused = requests.get(forwarded, timeout=20)
        assert (refused.status_code, "from outside" in refused.json()["error"]) == (409, True)

    @pytest.mark.parametrize("number", ["0", "99", "x", "-1", "1.5"])
    def test_one_that_is_not_there(self, inspected: Simulator, number: str) -> None:
        answer = requests.get(f"{inspected.url}/_sim/entries/{number}", timeout=20)
        assert answer.status_code == 404
        assert answer.json()["error"]


def test_faults_are_offered_with_the_words_that_they_take(inspected: Simulator) -> None:
    offered = get(inspected, "/_sim/fault-kinds")
    assert offered["kinds"]["lost"]["where"] == ["hand_off"]
    assert offered["kinds"]["delay"]["needs"] == ["by", "between", "median"]
    assert set(offered["kinds"]) == set(offered["words"]["fault"]["enum"])
    for kind in offered["kinds"].values():
        assert set(kind["takes"]) <= set(offered["words"])


def test_the_plots_are_those_of_the_report(inspected: Simulator) -> None:
    inspected.provider(3).forecast(start="2031-03-01T00:00:00Z", step="1h", capacities=[50, 35.5])
    send(inspected, adjustment())
    [plot] = get(inspected, "/_sim/plots")["plots"]
    assert plot["title"] == "foo-group: CONSUMPTION, all phases, in KW"
    assert (
        "2031-03-01 00:00 to 2031-03-01 01:00 UTC\nforecast 50 KW\nasked 40 KW\nlimit 50 KW"
        in plot["svg"]
    )
    page = requests.get(f"{inspected.url}/_sim/session.html", timeout=20)
    assert plot["svg"] in page.text


def test_what_happened_is_exported_and_plays_again(inspected: Simulator, tmp_path: Path) -> None:
    send(inspected, adjustment())
    with pytest.raises(InstructionDeclined):
        send(inspected, adjustment(), optimizer=7)
    answer = requests.get(f"{inspected.url}/_sim/scenario.yaml", timeout=20)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="recorded.yaml"'
    path = tmp_path / "recorded.yaml"
    path.write_bytes(answer.content)
    events: list[Event] = []
    assert run(load_scenarios([path]), Rehearsal(), [events.append])
    archive = get(inspected, "/_sim/session.har")
    assert archive["log"]["entries"]
    assert SECRET not in answer.text + json.dumps(archive)


def keep(simulator: Simulator, name: str, *numbers: int) -> requests.Response:
    chosen = {"entries": numbers}
    answer = requests.post(f"{simulator.url}/_sim/{name}", json=chosen, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer


def test_what_is_chosen_is_exported_alone(inspected: Simulator, tmp_path: Path) -> None:
    inspected.provider(3).heartbeat()
    send(inspected, adjustment())
    asked = find(inspected, to="SolarUser", method="POST")["number"]
    archive = keep(inspected, "session.har", asked).json()
    [url] = [each["request"]["url"] for each in archive["log"]["entries"]]
    assert url.endswith("/instr/add/OSCP_v20")
    lines = keep(inspected, "journal.jsonl", asked).text.splitlines()
    assert [json.loads(line).get("number") for line in lines] == [None, asked]
    assert "Heartbeat" not in keep(inspected, "session.html", asked).text
    path = tmp_path / "recorded.yaml"
    path.write_bytes(keep(inspected, "scenario.yaml", asked).content)
    assert "heartbeat" not in path.read_text()
    assert run(load_scenarios([path]), Rehearsal(), [])


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"entries": 1}', b'{"entries": ["1"]}', b'{"entries": [true]}']
)
def test_none_is_chosen(inspected: Simulator, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    url = f"{inspected.url}/_sim/session.har"
    answer = requests.post(url, data=body, headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        'which entries? for example {"entries": [17, 18]}; GET has all of them',
    )


def test_nothing_to_export(inspected: Simulator) -> None:
    answer = requests.get(f"{inspected.url}/_sim/scenario.yaml", timeout=20)
    assert answer.status_code == 409


PATHS = (
    "/",
    "/_sim/inspector.js",
    "/_sim/rows",
    "/_sim/entries/1",
    "/_sim/fault-kinds",
    "/_sim/plots",
)
ELSEWHERE: dict[str, Headers] = {
    "another origin": [("Host", "127.0.0.1"), ("Origin", "http://evil.example")],
    "a name that is rebound": [("Host", "evil.example")],
    "a rebound name and its own origin": [
        ("Host", "evil.example"),
        ("Origin", "http://evil.example"),
    ],
}


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_others_sees_nothing(inspected: Simulator, path: str, headers: Headers) -> None:
    answer = ask_over_network(inspected.url, "GET", path, headers, b"")
    assert answer.status == 403
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


def test_the_page_asks_for_the_control_token_itself(clock: FrozenClock) -> None:
    with Simulator(clock=clock, control_token="let-me") as simulator:
        simulator.add_pages(partial(inspector, simulator))
        statuses = {
            path: requests.get(f"{simulator.url}{path}", timeout=20).status_code for path in PATHS
        }
        assert statuses == {
            "/": 200,
            "/_sim/inspector.js": 200,
            "/_sim/rows": 401,
            "/_sim/entries/1": 401,
            "/_sim/fault-kinds": 401,
            "/_sim/plots": 401,
        }
        shown = {"Authorization": "Bearer let-me"}
        assert requests.get(f"{simulator.url}/_sim/rows", headers=shown, timeout=20).ok

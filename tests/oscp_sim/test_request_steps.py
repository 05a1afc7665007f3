"""The step `request`: sent as it stands, to whichever party, and what is expected of the answer."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from oscp_sim.report import listeners
from oscp_sim.report.plot import plots
from oscp_sim.scenario.console import ConsoleReport
from oscp_sim.scenario.events import Event, Problem, StepFinished
from oscp_sim.scenario.lint import lint
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.yaml_source import SourceError
from tests.oscp_sim.rehearsing import steps_of, told
from tests.oscp_sim.rig import PROVIDER_TOKEN, Provider

TOKEN = "rehearsal-token-0001"
API = "/solaruser/api/v1/sec"
ADD = f"{API}/instr/add/OSCP_v20"
VIEW = f"{API}/instr/view"
HELLO = '{nodeId: 1, params: {coId: "1", cgIdentifier: foo-group, action: Handshake, msg: "{}"}}'
FORM = (
    "nodeId=1&parameters%5B0%5D.name=coId&parameters%5B0%5D.value=1"
    "&parameters%5B1%5D.name=cgIdentifier&parameters%5B1%5D.value=foo-group"
    "&parameters%5B2%5D.name=action&parameters%5B2%5D.value=Handshake"
    "&parameters%5B3%5D.name=msg&parameters%5B3%5D.value=%7B%7D"
)
START = "2026-05-04T16:00:00Z"


def written(folder: Path, steps: str, head: str = "") -> Path:
    path = folder / "a.yaml"
    path.write_text(f"scenario: a\nclock: {{start: {START}}}\n{head}steps:\n{steps}")
    return path


def rehearsed(folder: Path, steps: str, head: str = "") -> list[StepFinished]:
    return steps_of(folder, written(folder, steps, head).read_text())


def problems(folder: Path, steps: str, head: str = "") -> list[Problem]:
    return [each for step in rehearsed(folder, steps, head) for each in step.problems]


def request(fields: str, expect: str = "") -> str:
    return f"  - request: {{{fields}}}\n" + (f"    expect: {{{expect}}}\n" if expect else "")


GOOD = {
    "a whole path": (f"path: {VIEW}?id=1", "status: 401"),
    "a look, signed": (f"to: solaruser, path: {API}/instr/viewPending?nodeId=1, sign: {TOKEN}", ""),
    "text of a form": (
        f"to: solaruser, path: {ADD}, sign: {TOKEN}, text: '{FORM}', "
        "headers: {Content-Type: application/x-www-form-urlencoded}",
        "state: Completed, parts: 1, received: {path: /handshake}",
    ),
    "an instruction that is declined": (
        f"to: solaruser, path: {ADD}, sign: {TOKEN}, message: {HELLO.replace('foo', 'no')}",
        "state: Declined, reason: Unknown group identifier, received: nothing",
    ),
    "a method": (f"path: {VIEW}, method: PUT, sign: {TOKEN}", "status: 405, headers: {Allow: GET}"),
    "a header that must be absent": (f"path: {VIEW}", "status: 401, headers: {Allow: null}"),
    "a pattern": (f"path: {VIEW}", "status: 401, body: {matches: 'Full.*required'}"),
    "a beginning": (f"path: {VIEW}", "status: 401, body: {starts_with: '{\"success\":false'}"),
    "nobody": ("path: /nowhere", "status: 404, body: {error: 404 Not Found}"),
    "a made-up method": (f"path: {VIEW}, method: MQTT, text: '{{\"a\" x'", "status: 400"),
    "no Host": ("path: /a, headers: {Host: null}", "status: 400"),
    "two of a header": ("path: /a, headers: {Host: [a, b]}", "status: 400"),
    "no HTTP": ("path: a b", "status: 400"),
    "a length that is too long": (
        "path: /a, text: a, headers: {Content-Length: 2}",
        "status: unanswered",
    ),
    "chunks": (
        'path: /a, text: "no length\\r\\n", headers: {Transfer-Encoding: chunked}',
        "status: 400",
    ),
    "its own date": (
        f"path: {API}/instr/viewPending?nodeId=1, sign: {TOKEN}, "
        'headers: {Date: "Mon, 04 May 2026 15:50:00 GMT"}',
        "status: 200",
    ),
    "a date that is too old": (
        f'path: {VIEW}, sign: {TOKEN}, headers: {{X-SN-Date: "Mon, 04 May 2026 15:00:00 GMT"}}',
        "status: 401, body: {message: Date skew too large}",
    ),
    "the Flexibility Provider, as its Capacity Optimizer": (
        "to: flexibility_provider, path: /heartbeat, token_of: capacity_optimizer, "
        'headers: {X-Request-ID: a}, message: {offline_mode_at: "2027-01-01T00:00:00Z"}',
        "status: 204, exchanges: [{from: capacity_optimizer, action: Heartbeat}]",
    ),
    "a page of the simulator": ("path: /_sim/faults", "body: {faults: []}"),
}


@pytest.mark.parametrize(("fields", "expect"), GOOD.values(), ids=GOOD)
def test_what_is_sent_is_answered(fields: str, expect: str, tmp_path: Path) -> None:
    assert told(problems(tmp_path, request(fields, expect))) == []


def test_a_file_is_sent_to_the_letter(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{ "nodeId" : 1 }')
    (step,) = rehearsed(
        tmp_path, request(f"path: {ADD}, file: a.json, sign: {TOKEN}", "status: 200")
    )
    assert [each.got for each in step.problems] == []
    assert step.exchanges[0].body == '{ "nodeId" : 1 }'
    assert step.exchanges[0].header("content-type") == "application/json"


def test_a_compressed_answer_is_read(tmp_path: Path) -> None:
    long = f"{{message: {' '.join(map(str, range(1000)))}}}"
    to = "node: 1, optimizer: 1, group: foo-group, action: GroupCapacityComplianceError"
    steps = f"  - send: {{{to}, message: {long}}}\n" + request(
        f"path: {VIEW}?id=1, sign: {TOKEN}, headers: {{Accept-Encoding: gzip}}",
        "headers: {Content-Encoding: gzip}, body: {data: {id: 1, state: Completed}}",
    )
    assert told(problems(tmp_path, steps)) == []


@pytest.mark.parametrize(
    "fault", ["slow_answer, bytes_per_second: 100000", "content_length, off_by: -1"]
)
def test_a_compressed_answer_is_read_that_goes_wrong_on_its_way(fault: str, tmp_path: Path) -> None:
    steps = request(
        f"path: {API}/instr?nodeIds=1, sign: {TOKEN}, "
        "headers: {Accept: application/json, Accept-Encoding: gzip}",
        "headers: {Content-Encoding: gzip}, body: {success: true}",
    )
    faults = f"faults: [{{where: solaruser, fault: {fault}}}]\n"
    assert told(problems(tmp_path, steps, faults)) == []


# What does not hold: what, expected, got, and the line of it.
WRONG = {
    "the status": (
        f"path: {VIEW}?id=1, sign: {{token: {TOKEN}, secret: wrong}}",
        "status: 200",
        [("status", "200", "403 Forbidden: {...}")],
        "another signature is expected",
    ),
    "success": (f"path: {VIEW}", "", [("status", "2xx", "401 Unauthorized: {...}")], "no Auth"),
    "a header": (
        "path: /nowhere",
        "status: 404, headers: {Content-Type: text/html}",
        [("header /Content-Type", '"text/html"', '"application/json"')],
        None,
    ),
    "JSON": (
        f"path: {VIEW}",
        "status: 401, body: {success: true, code: 1}",
        [("body /success", "true", "false"), ("body /code", "1", "nothing")],
        None,
    ),
    "text": (
        f"path: {VIEW}, method: HEAD",
        "status: 401, body: no",
        [("body", '"no"', '""')],
        None,
    ),
    "an instruction": (
        "path: /nowhere",
        "status: 404, state: Completed",
        [("state", "Completed", "the request sent no instruction")],
        None,
    ),
}


@pytest.mark.parametrize(("fields", "expect", "said", "hint"), WRONG.values(), ids=WRONG)
def test_what_is_answered_otherwise_is_told(
    fields: str, expect: str, said: list[tuple[str, str, str]], hint: str | None, tmp_path: Path
) -> None:
    found = problems(tmp_path, request(fields, expect))
    shown = [
        (
            each.what,
            each.expected,
            each.got.partition("{")[0] + "{...}" if "{" in each.got else each.got,
        )
        for each in found
    ]
    assert shown == said
    assert found[0].where.endswith("a.yaml:5" if expect else "a.yaml:4")
    assert hint is None or hint in (found[0].hint or "")


def test_what_is_answered_is_for_later_steps(tmp_path: Path) -> None:
    steps = (
        request(f"to: solaruser, path: {ADD}, sign: {TOKEN}, message: {HELLO}")
        + "    as: added\n"
        + request(f"path: '{VIEW}?id=${{added.instruction_id}}', sign: {TOKEN}")
        + "    as: seen\n"
        + "    name: ${added.answer.data.state} ${added.answer_headers.CONTENT-type}\n"
        + "  - wait: 1s\n    name: ${seen.answer.data.state} ${seen.status} ${seen.path}\n"
    )
    last = rehearsed(tmp_path, steps)[1:]
    assert [each.problems for each in last] == [(), ()]
    assert [each.name for each in last] == [
        "Queuing application/json",
        f"Completed 200 {VIEW}",
    ]


def test_a_token_that_is_made_up_can_be_used_and_is_not_shown(tmp_path: Path) -> None:
    system = "{name: New, registrationStatus: Pending}"
    steps = (
        request(
            f"to: solaruser, path: {API}/user/oscp/capacity-providers, sign: {TOKEN}, "
            f"message: {system}",
            "status: 201",
        )
        + "    as: made\n"
        + request(
            "to: flexibility_provider, path: /heartbeat, headers: {X-Request-ID: a, "
            'Authorization: "Token ${made.answer.data.token}"}, '
            'message: {offline_mode_at: "2027-01-01T00:00:00Z"}',
            "status: 204",
        )
        + request(
            f"path: {API}/user/oscp/capacity-providers, sign: {TOKEN}",
            "body: {matches: nothing-like-this}",
        )
    )
    first, second, _ = rehearsed(tmp_path, steps)
    assert (first.problems, second.problems) == ((), ())
    assert "[redacted]" in first.exchanges[0].answer


def test_a_secret_is_compared_and_not_shown(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path,
        request(
            f"path: {API}/user/oscp/capacity-providers, sign: {TOKEN}, "
            "message: {name: New, registrationStatus: Pending}",
            "status: 201, body: {data: {token: mine}}",
        ),
    )
    assert (problem.what, problem.got) == ("body /data/token", '"[redacted]"')


SLOW = """\
world:
  users:
  - id: 42
    tokens: [{id: rehearsal-token-0001, secret: rehearsal-secret}]
    nodes: [1]
    capacity_providers: [{id: 3, name: Grid, token: t-of-grid, behaviour: {delay: 7s}}]
    capacity_optimizers: [{id: 1, name: Depot}]
    capacity_groups:
    - {id: 7, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}
"""


def test_an_instruction_is_followed_to_its_end(tmp_path: Path) -> None:
    steps = request(f"path: {ADD}, sign: {TOKEN}, message: {HELLO}", "state: Completed")
    assert told(problems(tmp_path, steps, SLOW)) == []


@pytest.mark.parametrize(
    ("within", "status", "after"), [("10s", "204", "16:00:07"), ("2s", "unanswered", "16:00:02")]
)
def test_a_late_answer_takes_its_time(within: str, status: str, after: str, tmp_path: Path) -> None:
    asked = "to: capacity_provider, token_of: capacity_provider, path: /handshake, message: {}"
    steps = request(f"{asked}, headers: {{X-Request-ID: a}}", f"status: {status}, within: {within}")
    steps += request("path: /nowhere", "status: 404")
    first, second = rehearsed(tmp_path, steps, SLOW)
    assert (first.problems, first.outcome) == ((), status)
    assert f"{second.exchanges[0].at:%H:%M:%S}" == after


def test_console_and_reports_show_request_and_answer(tmp_path: Path) -> None:
    steps = request(f"to: solaruser, path: {VIEW}?id=1, sign: {TOKEN}", "status: 201")
    console, junit = io.StringIO(), tmp_path / "junit.xml"
    page = tmp_path / "page"
    scenarios = load_scenarios([written(tmp_path, steps)])
    reports = listeners((f"junit={junit}", f"html={page}"))
    assert not run(scenarios, Rehearsal(), [ConsoleReport(console, colours="never"), *reports])
    shown = console.getvalue()
    assert f"step 1 GET {VIEW}?id=1" in shown
    assert "expected  201" in shown
    assert f"-> SolarUser     GET  {VIEW}" in shown
    for report in (junit.read_text(), (page / "index.html").read_text()):
        assert "id=1" in report
        assert "rehearsal-secret" not in report


def test_a_look_at_a_message_is_not_judged_as_one_and_what_was_taken_unseen_is_plotted(
    tmp_path: Path,
) -> None:
    block = '{capacity: 7, phase: ALL, unit: KW, start_time: "2026-05-05T00:00:00Z"'
    block += ', end_time: "2026-05-05T00:15:00Z"}'
    adjust = f"{{group_id: foo-group, type: CONSUMPTION, forecasted_blocks: [{block}]}}"
    to = "node: 1, optimizer: 1, group: foo-group, action: AdjustGroupCapacityForecast"
    steps = (
        f"  - send: {{{to}, message: {adjust}}}\n"
        "    expect: {sender: PossiblySent}\n"
        + request(f"path: {VIEW}?id=1, sign: {TOKEN}", "status: 200")
    )
    faults = "faults: [{where: solaruser, fault: reset_after, times: 1}]\n"
    report, page = tmp_path / "report.json", tmp_path / "page"
    scenarios = load_scenarios([written(tmp_path, steps, faults)])
    assert run(scenarios, Rehearsal(), listeners((f"json={report}", f"html={page}")))
    (scenario,) = json.loads(report.read_text())["scenarios"]
    assert {each["grade"] for each in scenario["verdicts"].values()} <= {"kept", "warned"}
    sent, look = (step["timeline"][0] for step in scenario["steps"])
    assert (sent["status"], look["status"]) == (None, 200)
    assert "answered with 200, which its sender did not see" in sent["notes"]
    assert "GET view" in (page / "index.html").read_text()
    shown = plots(each for step in rehearsed(tmp_path, steps, faults) for each in step.exchanges)
    assert [name for plot in shown for name, pieces in plot.series.items() if pieces] == ["asked"]


def test_a_real_party_is_asked_where_it_is(tmp_path: Path) -> None:
    with Provider() as provider:
        seats = f"seats: {{capacity_provider: {{'3': '{provider.url}'}}}}\n"
        asked = "to: capacity_provider:3, path: /heartbeat?a=b, method: PUT, message: {a: 1}"
        (step,) = rehearsed(
            tmp_path, request(f"{asked}, token_of: capacity_provider:3", "status: 501"), seats
        )
    assert [each.got.partition(" ")[0] for each in step.problems if each.what != "status"] == []
    (exchange,) = step.exchanges
    assert (exchange.receiver, exchange.target) == (
        "capacity_provider",
        "/cp/heartbeat?a=b",
    )
    assert PROVIDER_TOKEN not in str(exchange)


@pytest.mark.parametrize("path", ["[x/a", "//[x", "@[b/c#d", ":99999999/a", "/a?b#c", "x:y/[z"])
def test_a_path_is_told_as_it_was_sent(path: str, tmp_path: Path) -> None:
    (step,) = rehearsed(tmp_path, request(f"to: solaruser, method: GET, path: '{path}'"))
    (exchange,) = step.exchanges
    assert exchange.target == path


@pytest.mark.parametrize("path", ["@elsewhere.example/a", "[x", ":1/a"])
def test_a_path_leads_to_no_other_host_than_that_of_a_real_party(path: str, tmp_path: Path) -> None:
    with Provider() as provider:
        url = provider.url.removesuffix("/cp")
        seats = f"seats: {{capacity_provider: {{'3': '{url}'}}}}\n"
        asked = f"to: capacity_provider, path: '{path}', token_of: capacity_provider:3"
        found = problems(tmp_path, request(asked, "status: 501"), seats)
        assert provider.asked == []
    assert [each.got for each in found] == [
        f'capacity_provider is real: its path begins with "/", not as "{path}"'
    ]


def test_a_fault_meets_it_as_any_other(tmp_path: Path) -> None:
    faults = "faults: [{where: solaruser, fault: reset_after, times: 1}]\n"
    steps = request(f"path: {VIEW}", "status: unanswered") + request(f"path: {VIEW}", "status: 401")
    assert told(problems(tmp_path, steps, faults)) == []


IMPOSSIBLE = {
    "a token": ("path: /a, sign: rehearsal-token-001", f'did you mean "{TOKEN}"?; to sign by one'),
    "a party": (
        "to: capacity_provider:4, path: /a",
        "there is no Capacity Provider 4 in the world",
    ),
    "a user": (
        "to: capacity_provider:3, user: 1, path: /a",
        "there is no Capacity Provider 3 of user 1 in the world",
    ),
}


@pytest.mark.parametrize(("fields", "why"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_the_world_does_not_have_is_said(fields: str, why: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, request(fields))
    assert why in problem.got
    # And before anything runs.
    (warning,) = lint([written(tmp_path, request(fields, "status: 200"))]).warnings
    assert warning.line == 4
    assert why.partition(" of user")[0] in warning.message


BROKEN = {
    "another party": (
        "to: solar_user, path: /a",
        'no party "solar_user"; did you mean "solaruser"?',
    ),
    "no id": ("to: capacity_provider:x, path: /a", '"x" is not an id: write the party as'),
    "an id too many": ("to: solaruser:3, path: /a", "there is one solaruser only: leave :3 out"),
    "no path": ("to: solaruser", '"path" is missing: Path and query'),
    "a key": ("path: /a, mesage: 1", 'unknown key "mesage"; did you mean "message"?'),
    "two bodies": ("path: /a, text: a, message: 1", "message and text exclude each other"),
    "a line's end": ('path: "/a\\r\\nb: c"', "does not have the right form: Path and query"),
    "a signature for another": (
        f"to: flexibility_provider, path: /a, sign: {TOKEN}",
        "SolarUser alone reads such a signature; flexibility_provider wants token_of",
    ),
    "signed twice": (
        f"path: /a, sign: {TOKEN}, headers: {{authorization: a}}",
        'headers has Authorization already: leave "sign" out, or that',
    ),
    "a token for SolarUser": (
        "to: solaruser, path: /a, token_of: capacity_provider",
        "say with to whom it is shown",
    ),
    "a token of SolarUser": (
        "to: flexibility_provider, path: /a, token_of: solaruser",
        "SolarUser wants a signature, with sign",
    ),
    "a token of another": (
        "to: capacity_provider, path: /a, token_of: capacity_optimizer",
        "capacity_provider is called with a token of its own",
    ),
    "a user of nobody": ("path: /a, user: 3", "it says whose Capacity Provider or Optimizer"),
    "no file": ("path: /a, file: b.json", 'there is no file "b.json"'),
}


@pytest.mark.parametrize(("fields", "why"), BROKEN.values(), ids=BROKEN)
def test_a_mistake_is_refused_with_its_place(fields: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        load_scenarios([written(tmp_path, request(fields))])
    assert any(f"a.yaml:4:{each.column}: " in str(each) for each in caught.value.problems)
    assert any(why in str(each) for each in caught.value.problems)


@pytest.mark.parametrize(
    ("step", "key", "why"),
    [
        ("request: {path: /a}", "sender: Refused", "no sender is asked"),
        ("request: {path: /a}", "exit_code: 1", "it is for programs"),
        ("heartbeat: {provider: 3}", "body: a", "it is for requests"),
        ("wait: 1s", "headers: {a: b}", "a wait step sends nothing"),
        ("run: [ls]", "body: a", "it may send many requests: expect its output"),
    ],
)
def test_what_cannot_be_expected(step: str, key: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=why):
        load_scenarios([written(tmp_path, f"  - {step}\n    expect: {{{key}}}\n")])


def test_the_seed_of_a_file_is_before_that_of_the_rehearsal(tmp_path: Path) -> None:
    ids = []
    for head, seed in (("", 1), ("", 2), ("seed: 2\n", 1)):
        events: list[Event] = []
        path = written(tmp_path, "  - heartbeat: {provider: 3}\n", head)
        run(load_scenarios([path]), Rehearsal(seed=seed), [events.append])
        ids += [each.exchanges[0].request_id for each in events if isinstance(each, StepFinished)]
    first, second, third = ids
    assert first != second == third

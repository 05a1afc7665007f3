"""The one table of differences: each is honoured in code, alone and by a fidelity (§12, §13)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest
from click.testing import CliRunner

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import DIFFERENCES, Behaviour, Difference
from oscp_sim import Simulator
from oscp_sim.cli.main import main
from oscp_sim.clock import FrozenClock
from oscp_sim.world.model import Asset, AssetEnergy, AssetMeasurement
from tests.oscp_sim.gate import INSTR, WORLD, call, gate
from tests.oscp_sim.rig import (
    ADD,
    ASSET,
    HOST,
    MEASUREMENT,
    NOW,
    VIEW,
    ask,
    block,
    delivered,
    instruction,
    settled,
    shared_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = [each.name for each in DIFFERENCES]
CONFIGURATION = "/solaruser/api/v1/sec/user/oscp"
BLOCK = block("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", 1)
FORECAST = {"group_id": "foo-group", "type": "CONSUMPTION", "forecasted_blocks": [BLOCK]}
MEASUREMENTS = {
    "group_id": "foo-group",
    "measurements": [
        {**ASSET, "energy_measurement": {**MEASUREMENT, "measure_time": "2026-01-01T00:00:00Z"}}
    ],
}


def outcome(simulator: Simulator, action: str, message: object, **more: str) -> Any:  # noqa: ANN401
    """The state and the reason in the end."""
    text = message if isinstance(message, str) else json.dumps(message)
    with simulator:
        sent = call(simulator, "POST", ADD, instruction(70, action=action, msg=text, **more))
        settled(simulator)
        data = call(simulator, "GET", f"{VIEW}?id={sent.data['id']}").data
    return data["state"], data.get("resultParameters", {}).get("error", "")


def asset_measurements(simulator: Simulator) -> object:
    return outcome(simulator, "UpdateAssetMeasurement", MEASUREMENTS)[0]


def authentication_errors(simulator: Simulator) -> object:
    answer = call(simulator, "GET", VIEW, secret="another")
    return answer.status, answer.json.get("code")


def cbor_lists(simulator: Simulator) -> object:
    call(simulator, "POST", ADD, instruction(70))
    return len(call(simulator, "GET", f"{INSTR}?nodeId=70", unsigned=[("Accept", "*/*")]).body) > 15


def correlation_id(simulator: Simulator) -> object:
    outcome(simulator, "Handshake", {}, correlationId="c-1")
    (exchange,) = delivered(simulator)
    assert exchange.request is not None
    return dict(exchange.request.headers).get("x-correlation-id")


def date_times(simulator: Simulator) -> object:
    forecast = FORECAST | {"forecasted_blocks": [BLOCK | {"start_time": "2026-01-01T00:00:00.5Z"}]}
    return outcome(simulator, "AdjustGroupCapacityForecast", forecast)[0]


def _measured(simulator: Simulator, **more: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """What is sent of an asset at the end of a minute."""
    shared = shared_of(simulator)
    user = shared.world.users[0]
    group = replace(user.capacity_groups[0], capacity_provider_measurement_period="Minute")
    energy = AssetEnergy(("watts",), "Wh", "Average", type="Total", direction="Net")
    asset = Asset(
        1, "A", group.id, "a", "CapacityProvider", 70, "/meter", "Charging", "All",
        **{"energy": energy, **more},
    )  # fmt: skip
    changed = replace(user, capacity_groups=(group,), assets=(asset,))
    with simulator:
        with shared.world_lock:
            shared.replace_world(shared.world.with_user(changed))
        assert isinstance(shared.clock, FrozenClock)
        shared.clock.advance(180)
    sent = simulator.journal.entries(action="UpdateGroupMeasurements", sent=True)
    return [json.loads(each.request.text) for each in sent if each.request is not None]


def disabled_assets(simulator: Simulator) -> object:
    return bool(_measured(simulator, enabled=False))


def energy_fields(simulator: Simulator) -> object:
    energy = AssetEnergy(("watts",), "Wh", "Average")
    return len(_measured(simulator, energy=energy)[0]["measurements"])


def measurement_runs(simulator: Simulator) -> object:
    power = AssetMeasurement(("watts",), "W", "Average")
    return bool(_measured(simulator, instantaneous=power))


def exec_waiting(simulator: Simulator) -> object:
    """Is the reply on a time-out wrapped, where it is the container that answers?"""
    target = f"{INSTR}/exec/other?resultMaxWait=100"
    return "success" in call(simulator, "POST", target, instruction(70)).json


def group_forecasts(simulator: Simulator) -> object:
    return outcome(simulator, "UpdateGroupCapacityForecast", FORECAST)[0]


def _created(simulator: Simulator) -> Any:  # noqa: ANN401
    body = {"name": "New", "registrationStatus": "Pending", "oscpVersion": "2.0"}
    return call(simulator, "POST", f"{CONFIGURATION}/capacity-providers", body)


def created_location(simulator: Simulator) -> object:
    return _created(simulator).header("Location").startswith(CONFIGURATION)


def created_version(simulator: Simulator) -> object:
    return _created(simulator).json["data"].get("oscpVersion")


def foreign_nodes(simulator: Simulator) -> object:
    return call(simulator, "PUT", f"{CONFIGURATION}/settings", {"nodeId": 999999}).status


def host_names(simulator: Simulator) -> object:
    return ask(simulator, "GET", VIEW, [("Host", "oscp_sim:8080")]).status


def host_port(simulator: Simulator) -> object:
    proxied = [("X-Forwarded-Proto", "https")]
    return call(simulator, "GET", f"{VIEW}?id=1", unsigned=proxied).status


def malformed_message(simulator: Simulator) -> object:
    return outcome(simulator, "Handshake", "{")[1].startswith("Invalid JSON for [Handshake]")


def masked_errors(simulator: Simulator) -> object:
    answer = call(simulator, "GET", f"{VIEW}?id=x", unsigned=[("Accept", "image/png")])
    return answer.status, bool(answer.body)


def mqtt_limit(simulator: Simulator) -> object:
    forecast = FORECAST | {"forecasted_blocks": [BLOCK] * 96}
    body = instruction(70, action="AdjustGroupCapacityForecast", msg=json.dumps(forecast))
    return call(simulator, "POST", ADD, body).status


def other_paths(simulator: Simulator) -> object:
    return ask(simulator, "GET", "/nothing", [("Host", HOST)]).status


def parameter_splitting(simulator: Simulator) -> object:
    body = {"nodeId": 70, "params": {"note": "n" * 300, "msg": "m" * 300}}
    pieces = call(simulator, "POST", f"{INSTR}/add/Other", body).data["parameters"]
    return [(each["name"], len(each["value"])) for each in pieces]


def piece_order(simulator: Simulator) -> object:
    pieces = call(simulator, "POST", ADD, instruction(70)).data["parameters"]
    return [each["name"] for each in pieces]


def register_events(simulator: Simulator) -> object:
    """Is the new token that a Register brings in its user event?"""
    token = shared_of(simulator).world.users[0].capacity_providers[0].flexibility_provider_token
    headers = [("Authorization", f"Token {token}"), ("Content-Type", "application/json")]
    version = {"version": "2.0", "base_url": "http://127.0.0.1:9"}
    body = json.dumps({"token": "mine", "version_url": [version]}).encode()
    with simulator:
        ask(simulator, "POST", "/oscp/fp/2.0/register", [("Host", HOST), *headers], body)
        assert isinstance(simulator.clock, FrozenClock)
        simulator.clock.advance(2)
    (event,) = shared_of(simulator).events.find(7, NOW, simulator.clock.now(), tags=["http"])
    return (event.data or {})["content"]["token"] != "[redacted]"


def stale_date(simulator: Simulator) -> object:
    return call(simulator, "GET", VIEW, when=NOW - timedelta(hours=1)).status


def stale_queuing(simulator: Simulator) -> object:
    """Nothing is started: nobody claims it."""
    sent = call(simulator, "POST", ADD, instruction(70))
    clock = simulator.clock
    assert isinstance(clock, FrozenClock)
    clock.advance(31)
    target = f"{VIEW}?id={sent.data['id']}"
    return call(simulator, "GET", target, when=NOW + timedelta(seconds=31)).data["state"]


def search_filters(simulator: Simulator) -> object:
    query = "startDate=2026-01-01&endDate=2026-02-01&searchFilter=coId"
    target = f"/solaruser/api/v1/sec/user/events?{query}"
    return call(simulator, "GET", target, more=[("Accept", "application/json")]).status


def update_by_filter(simulator: Simulator) -> object:
    call(simulator, "POST", ADD, instruction(70))
    target = f"{INSTR}/updateState?state=Declined&instructionIds=1"
    return len(call(simulator, "POST", target).data)


def url_paths(simulator: Simulator) -> object:
    outcome(simulator, "GroupCapacityComplianceError", {"message": "Too much"})
    seen = [
        each for each in simulator.journal.entries(party="flexibility_provider") if each.request
    ]
    assert seen[0].request is not None
    return seen[0].request.target.rpartition("/")[2]


# With this seed the container answers exec for the first instruction, and its last piece is first.
SEEDS = {"exec_waiting": 713, "piece_order": 713}

# Name: what to look at, and what it is on the documented and on the observed side.
HONOURED: dict[str, tuple[Callable[[Simulator], object], object, object]] = {
    "asset_measurements": (asset_measurements, "Completed", "Declined"),
    "authentication_errors": (authentication_errors, (401, "401"), (403, None)),
    "cbor_lists": (cbor_lists, True, False),
    "correlation_id": (correlation_id, "c-1", None),
    "created_location": (created_location, True, False),
    "created_version": (created_version, "2.0", None),
    "date_times": (date_times, "Completed", "Declined"),
    "disabled_assets": (disabled_assets, False, True),
    "energy_fields": (energy_fields, 1, 0),
    "exec_waiting": (exec_waiting, True, False),
    "foreign_nodes": (foreign_nodes, 403, 200),
    "group_forecasts": (group_forecasts, "Completed", "Declined"),
    "host_names": (host_names, 401, 400),
    "host_port": (host_port, 200, 403),
    "malformed_message": (malformed_message, True, False),
    "masked_errors": (masked_errors, (422, True), (500, False)),
    "measurement_runs": (measurement_runs, True, False),
    "mqtt_limit": (mqtt_limit, 200, 422),
    "other_paths": (other_paths, 404, 403),
    "parameter_splitting": (
        parameter_splitting,
        [("note", 300), ("msg", 256), ("msg", 44)],
        [("note", 256), ("note", 44), ("msg", 256), ("msg", 44)],
    ),
    "piece_order": (
        piece_order,
        ["action", "coId", "cgIdentifier", "msg"],
        ["msg", "action", "coId", "cgIdentifier"],
    ),
    "register_events": (register_events, False, True),
    "search_filters": (search_filters, 422, 200),
    "stale_date": (stale_date, 401, 403),
    "stale_queuing": (stale_queuing, "Queuing", "Queued"),
    "update_by_filter": (update_by_filter, 1, 0),
    "url_paths": (url_paths, "mine", "group_capacity_compliance_error"),
}


def world() -> dict[str, Any]:
    """As in the gate's tests, with a provider whose paths are set."""
    first, second = WORLD["users"]
    provider = first["capacity_providers"][0] | {
        "service_props": {"url-paths": {"GroupCapacityComplianceError": "/mine"}}
    }
    return {"users": [first | {"capacity_providers": [provider]}, second]}


def test_every_difference_is_looked_at() -> None:
    assert list(HONOURED) == sorted(NAMES) == NAMES


@pytest.mark.parametrize("fidelity", get_args(Fidelity))
@pytest.mark.parametrize("side", get_args(Fidelity))
@pytest.mark.parametrize("name", HONOURED)
def test_a_difference_is_honoured_alone(name: str, side: Fidelity, fidelity: Fidelity) -> None:
    look, documented, observed = HONOURED[name]
    got = look(gate(Behaviour(fidelity, {name: side}), world(), seed=SEEDS.get(name, 1)))
    assert got == (documented if side == "documented" else observed)


@pytest.mark.parametrize("fidelity", get_args(Fidelity))
@pytest.mark.parametrize("difference", DIFFERENCES, ids=NAMES)
def test_a_difference_follows_the_fidelity_or_its_own_default(
    difference: Difference, fidelity: Fidelity
) -> None:
    look, documented, observed = HONOURED[difference.name]
    side = difference.default or fidelity
    assert look(gate(fidelity, world(), seed=SEEDS.get(difference.name, 1))) == (
        documented if side == "documented" else observed
    )


# Of these the answer itself or the set-up of the rehearsal tells, or nothing but a text or a pace
# differs; the others with a default do not part by the fidelity.
# Both sides refuse, so that nothing is green.
UNTOLD = {"malformed_message", "other_paths"}


@pytest.mark.parametrize("name", [each.name for each in DIFFERENCES if not each.default])
def test_documented_is_green_only_with_a_word_on_what_the_service_does(name: str) -> None:
    simulator = gate("documented", world(), seed=SEEDS.get(name, 1))
    HONOURED[name][0](simulator)
    entries = simulator.journal.entries()
    told = [each["message"] for entry in entries for each in entry.findings]
    told += [str(entry.detail.get("why")) for entry in entries]
    words = ("SolarNetwork", "SolarUser", "the service", "the running service")
    assert name in UNTOLD or any(word in text for word in words for text in told)


def test_no_more_than_two_paths_may_be_changed() -> None:
    """§12: those are the ones that the documentation lists."""
    changed = world()
    paths = changed["users"][0]["capacity_providers"][0]["service_props"]["url-paths"]
    paths["Handshake"] = "/other"
    simulator = gate("documented", changed)
    outcome(simulator, "Handshake", {})
    (exchange,) = delivered(simulator)
    assert exchange.request is not None
    assert exchange.request.target.endswith("/handshake")


def test_where_the_guide_is_silent_both_fidelities_follow_the_service() -> None:
    silent = {each.name for each in DIFFERENCES if each.default}
    assert silent == {
        "authentication_errors",
        "host_port",
        "parameter_splitting",
        "stale_queuing",
    }
    assert {each.default for each in DIFFERENCES} == {None, "observed"}


# --- the table and the behaviour ---------------------------------------------------------------


def test_both_sides_of_every_difference_are_told() -> None:
    for each in DIFFERENCES:
        assert each.documented
        assert each.observed
        assert each.documented != each.observed


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"corelation_id": "observed"}, "did you mean 'correlation_id'?"),
        ({"xyz": "observed"}, "known: asset_measurements, "),
        ({"stale_date": "obseved"}, "did you mean 'observed'?"),
        ({"correlation_id": "hidden"}, "'documented' or 'observed' or 'forwarded' or 'dropped'"),
        ({"stale_date": "dropped"}, "stale_date is 'documented' or 'observed', not 'dropped'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Behaviour("documented", settings)
    assert complaint in str(caught.value)


def test_an_unknown_fidelity_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'observed'"):
        Simulator(fidelity="observe")  # type: ignore[arg-type]


def test_a_behaviour_tells_each_side() -> None:
    behaviour = Behaviour("observed", {"correlation_id": "forwarded", "host_port": "documented"})
    assert behaviour.settings == {"correlation_id": "documented", "host_port": "documented"}
    sides = dict.fromkeys(NAMES, "observed") | dict(behaviour.settings)
    assert dict(behaviour.sides) == sides
    assert str(behaviour) == "observed (correlation_id=documented, host_port=documented)"
    assert str(Behaviour()) == "documented"
    assert behaviour.under(None) is behaviour
    assert behaviour.under("documented").side("stale_date") == "documented"
    assert behaviour.under("documented").side("host_port") == "documented"


def test_asking_for_a_difference_that_is_not_in_the_table_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Behaviour().follows_service("no_such")


def test_health_shows_fidelity_and_settings() -> None:
    behaviour = Behaviour("observed", {"correlation_id": "documented"})
    health = ask(gate(behaviour), "GET", "/_sim/health", [("Host", "localhost")]).json
    assert health["fidelity"] == "observed"
    assert health["settings"] == dict(behaviour.sides)
    assert health["settings"]["correlation_id"] == "documented"


# --- the command line --------------------------------------------------------------------------


def oscp_sim(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments), prog_name="oscp-sim")
    return result.exit_code, result.output


def test_the_table_for_people() -> None:
    code, text = oscp_sim("fidelity", "--fidelity", "observed", "--set", "correlation_id=forwarded")
    assert code == 0
    assert text.startswith("fidelity observed (correlation_id=documented)")
    blocks = {each.split()[0]: each for each in text.split("\n\n")[1:]}
    assert list(blocks) == NAMES
    for name, said in blocks.items():
        side = "documented" if name == "correlation_id" else "observed"
        assert f"* {side}" in said
        assert said.count("*") == 1
    assert max(map(len, text.splitlines())) <= 100


def test_the_table_for_programs() -> None:
    code, text = oscp_sim("fidelity", "--format", "json", "--set", "stale_date=observed")
    assert code == 0
    table = json.loads(text)
    assert table["fidelity"] == "documented"
    assert [each["name"] for each in table["differences"]] == NAMES
    assert list(table["differences"][0]) == ["name", "documented", "observed", "default", "side"]
    sides = {each["name"]: each["side"] for each in table["differences"]}
    assert sides == dict(Behaviour("documented", {"stale_date": "observed"}).sides)


@pytest.mark.parametrize("command", ["serve", "rehearse", "fidelity"])
@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("corelation_id=observed", "did you mean 'correlation_id'?"),
        ("correlation_id=maybe", "correlation_id is 'documented' or 'observed'"),
        ("correlation_id", "write it as correlation_id=documented"),
    ],
)
def test_a_wrong_setting_ends_the_command_with_2(
    command: str, setting: str, complaint: str
) -> None:
    code, text = oscp_sim(command, "--set", setting)
    assert code == 2
    assert complaint in " ".join(text.split())


def test_a_setting_that_contradicts_itself_ends_the_command_with_2() -> None:
    code, text = oscp_sim(
        "fidelity", "--set", "stale_date=observed", "--set", "stale_date=documented"
    )
    assert code == 2
    assert "is set twice" in text


SCENARIO = """
scenarios:
  - scenario: correlated
    {fidelity}
    steps:
      - send:
          node: 1
          optimizer: 1
          group: foo-group
          action: Handshake
          correlation_id: c-1
          message: {{}}
        expect:
          received:
            headers:
              x-correlation-id: c-1
"""


@pytest.mark.parametrize(
    ("of_scenario", "arguments", "code"),
    [
        ("about: nothing", [], 0),
        ("about: nothing", ["--fidelity", "observed"], 1),
        ("about: nothing", ["--fidelity", "observed", "--set", "correlation_id=documented"], 0),
        ("fidelity: observed", [], 1),
        ("fidelity: observed", ["--set", "correlation_id=documented"], 0),
        ("fidelity: documented", ["--fidelity", "observed"], 0),
        ("fidelity: documented", ["--set", "correlation_id=observed"], 1),
    ],
)
def test_a_rehearsal_takes_settings_and_a_scenario_s_fidelity_leaves_them(
    tmp_path: Path, of_scenario: str, arguments: list[str], code: int
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(SCENARIO.format(fidelity=of_scenario))
    got, text = oscp_sim("rehearse", str(file), *arguments)
    assert got == code, text

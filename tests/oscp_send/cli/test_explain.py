"""`oscp-send explain`: what a finding names, and how to mend it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from oscp_send.rules import rules
from tests.cases.payloads import one_block
from tests.oscp_send.cli.given import ACTION

if TYPE_CHECKING:
    from tests.oscp_send.cli.given import Cli, Write


def test_the_feel_of_it(cli: Cli) -> None:
    result = cli("explain", "s11")
    assert result.exit_code == 0
    assert result.stdout == (
        "S11: The heartbeat interval is not a number of seconds that can be kept\n"
        "\n"
        "  why          It is a whole number of seconds, 1 or more. SolarNetwork cuts\n"
        "               fractions, so that 0.5 means none, and stores no more than 32767.\n"
        "  who objects  OpenAPI and pyoscp want 1 or more; SolarNetwork changes it\n"
        "               silently.\n"
        "  mend         Give whole seconds from 1 to 32767, or leave heartbeat_interval\n"
        "               out for no heartbeats.\n"
        "\n"
        "  wrong (Handshake)\n"
        '    {"required_behaviour": {"heartbeat_interval": 0, "measurement_configuration": '
        '["CONTINUOUS"]}}\n'
        "\n"
        "  right (Handshake)\n"
        '    {"required_behaviour": {"heartbeat_interval": 60, "measurement_configuration": '
        '["CONTINUOUS"]}}\n'
    )


def test_a_setting_is_explained_with_both_sides(cli: Cli) -> None:
    shown = cli("explain", "stale_date").stdout
    assert "\n  documented   a request date 15 minutes off or more is answered with 401\n" in shown
    assert "\n  observed     it is answered with 403\n" in shown
    assert "\n  choose       oscp-sim serve --set stale_date=observed\n" in shown
    assert shown.endswith("\n  example      A request that was signed at 12:00 arrives at 12:16.\n")
    assert "--set stale_queuing=documented" in cli("explain", "stale_queuing").stdout


def test_several_are_explained_each_once(cli: Cli) -> None:
    shown = cli("explain", "X8", "S19", "x8", "sent it before [S19, X8]").stdout
    heads = [line for line in shown.splitlines() if line.startswith(("X8: ", "S19: "))]
    assert [line.partition(":")[0] for line in heads] == ["X8", "S19"]


def test_they_are_listed_a_line_each(cli: Cli) -> None:
    result = cli("explain", "--list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(rules())
    assert (
        "  S8                     An adjustment is about something that was not forecast" in lines
    )
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == [
        "transport",
        "schema",
        "meaning",
        "case",
        "fidelity",
    ]


def test_for_a_program(cli: Cli) -> None:
    (of_one,) = json.loads(cli("explain", "enum", "--format", "json").stdout)
    assert list(of_one) == ["name", "kind", "what", "why", "who", "mend", "example"]
    assert of_one["example"].keys() == {"judged_as", "action", "wrong", "right"}
    listed = json.loads(cli("explain", "--list", "--format", "json").stdout)
    assert [each["name"] for each in listed] == list(rules())
    (setting,) = (each for each in listed if each["name"] == "cbor_lists")
    assert setting["observed"].startswith("it is broken off")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("S81",), '"S81" is not the name of a rule; did you mean "S8"?'),
        (("S8", "nonsense"), '"nonsense" is not the name of a rule; --list shows all of them'),
        ((), "name a rule, such as S8, or give --list, and not both"),
        (("--list", "S8"), "name a rule, such as S8, or give --list, and not both"),
    ],
)
def test_wrong_usage(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    result = cli("explain", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_what_check_proposes_works(cli: Cli, write: Write, strict: tuple[str, ...]) -> None:
    file = write("f.json", one_block(unit="kW", capacity=-1, note="x"))
    last = cli("check", file, "--action", ACTION, *strict).stdout.splitlines()[-1]
    words = last.removeprefix("oscp-send ").removesuffix(" says more").split()
    assert words == ["explain", "minimum", "enum", "unknown-property"]
    assert cli(*words).exit_code == 0

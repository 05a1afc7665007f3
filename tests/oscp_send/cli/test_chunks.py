"""`oscp-send chunks`: where SolarUser cuts, and what it cuts through."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cases.payloads import forecast
from tests.oscp_send.cli.given import params, request_body

if TYPE_CHECKING:
    from tests.oscp_send.cli.given import Cli, Write

SMILE = "\U0001f600"


def test_a_bare_message_is_cut_and_its_boundaries_are_marked(cli: Cli, write: Write) -> None:
    text = "a" * 256 + "b" * 256 + "c"
    result = cli("chunks", write("m.json", text))
    assert result.exit_code == 0
    assert result.stdout == (
        "msg: 513 UTF-16 units in 3 parts\n"
        f"  1  256  |{'a' * 256}|\n"
        f"  2  256  |{'b' * 256}|\n"
        "  3    1  |c|\n"
    )


@pytest.mark.parametrize(
    ("length", "sizes"),
    [
        (255, [255]),
        (256, [256]),
        (257, [256, 1]),
        (511, [256, 255]),
        (512, [256, 256]),
        (513, [256, 256, 1]),
    ],
)
def test_boundary_lengths(cli: Cli, write: Write, length: int, sizes: list[int]) -> None:
    result = cli("chunks", write("m.json", "x" * length + "\n"), "--format", "json")
    (parameter,) = json.loads(result.stdout)
    assert parameter["units"] == length
    assert [part["units"] for part in parameter["parts"]] == sizes
    assert "".join(part["text"] for part in parameter["parts"]) == "x" * length


def test_a_cut_character_is_pointed_out(cli: Cli, write: Write) -> None:
    file = write("m.json", "a" * 255 + SMILE + "b")
    result = cli("chunks", file)
    assert result.stdout == (
        "msg: 258 UTF-16 units in 2 parts\n"
        f"  1  256  |{'a' * 255}\\ud83d|\n"
        "  2    2  |\\ude00b|\n"
        f"  {SMILE} (U+1F600) is cut between parts 1 and 2: it is delivered whole, but "
        "SolarUser's own replies show ?? for it\n"
    )
    (parameter,) = json.loads(cli("chunks", file, "--format", "json").stdout)
    assert parameter["cut"] == [{"after_part": 1, "character": SMILE}]
    assert [part["units"] for part in parameter["parts"]] == [256, 2]


def test_a_character_beside_a_boundary_is_not_cut(cli: Cli, write: Write) -> None:
    for text in ("a" * 254 + SMILE + "b", "a" * 256 + SMILE):
        result = cli("chunks", write("m.json", text), "--format", "json")
        assert json.loads(result.stdout)[0]["cut"] == []


def test_line_ends_are_shown_as_escapes(cli: Cli, write: Write) -> None:
    result = cli("chunks", write("m.json", '{\n\t"a":1}'))
    assert '|{\\n\\t"a":1}|' in result.stdout


def test_it_is_reported_when_blanks_cost_parts(cli: Cli, write: Write) -> None:
    value = json.loads(forecast(comment="a b  c"))
    value["forecasted_blocks"] *= 3
    compact = cli("chunks", write("c.json", json.dumps(value, separators=(",", ":"))))
    pretty = cli("chunks", write("p.json", json.dumps(value, indent=4)))
    assert "without blanks" not in compact.stdout
    count = compact.stdout.splitlines()[0].rpartition(" in ")[2]
    last = pretty.stdout.splitlines()[-1]
    assert last == f"  without blanks between its values it would be {count}"


def test_every_parameter_of_a_request_body_is_cut(cli: Cli, write: Write) -> None:
    body = request_body(cgIdentifier="g" * 300, correlationId="", coId=1)
    result = cli("chunks", write("r.json", body), "--format", "json")
    found = {
        each["name"]: [part["units"] for part in each["parts"]]
        for each in json.loads(result.stdout)
    }
    assert found == {"cgIdentifier": [256, 44], "action": [27], "msg": [len(forecast())]}


def test_a_message_that_is_cut_beforehand_is_shown_as_it_is_stored(cli: Cli, write: Write) -> None:
    listed = [{"name": "msg", "value": "a" * 300}, {"name": "msg", "value": "b"}]
    result = cli("chunks", write("r.json", json.dumps({"nodeId": 1, "params": listed})))
    sizes = [line.split()[1] for line in result.stdout.splitlines()[1:4]]
    assert sizes == ["256", "44", "1"]


def test_what_is_no_json_is_cut_all_the_same(cli: Cli, write: Write) -> None:
    assert cli("chunks", write("m.json", "{oops")).exit_code == 0


def test_what_solaruser_does_not_understand_is_1(cli: Cli, write: Write) -> None:
    result = cli("chunks", write("r.json", json.dumps({"nodeId": 1, "params": params(msg={})})))
    assert result.exit_code == 1
    assert result.stderr.startswith("r.json: Malformed JSON: Trailing token")


def test_what_is_no_utf8_is_1_with_its_place(cli: Cli, write: Write) -> None:
    result = cli("chunks", write("m.json", b'{\n"a\xff'))
    assert result.exit_code == 1
    assert result.stderr == "m.json: line 2, column 3: expected UTF-8, found the byte 0xFF\n"


def test_a_missing_file_is_2(cli: Cli) -> None:
    result = cli("chunks", "m.json")
    assert (result.exit_code, result.stderr) == (2, "m.json: there is no such file\n")


def test_standard_input(cli: Cli) -> None:
    assert (
        cli("chunks", "-", stdin="{}").stdout == "msg: 2 UTF-16 units in 1 part\n  1    2  |{}|\n"
    )

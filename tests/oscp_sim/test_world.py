import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.world import (
    SIMULATED,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    Token,
    User,
    World,
    load_world,
)
from oscp_sim.yaml_source import SourceError, read_yaml

TWO_USERS = """\
users:
  - id: 42
    tokens:
      - {id: token-a, secret: hush-a}
      - {id: token-b, secret: hush-b, type: ReadNodeData, enabled: false}
    nodes: [1, 2]
    capacity_providers:
      - {id: 3, name: Grid, token: hush-3}
      - {id: 4, name: Other, token: hush-4, base_url: "https://grid.example/oscp/cp/2.0", enabled: false}
      - {id: 5, name: Silent, token: hush-3, base_url: null, oscp_version: "1.0"}
    capacity_optimizers:
      - {id: 1, name: Depot}
      - {id: 2, name: Harbour, enabled: false}
    capacity_groups:
      - {id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}
      - {id: 20, identifier: bar, name: Bar, capacity_provider: 4, capacity_optimizer: 1, enabled: false}
  - id: 43
    nodes: [3]
    capacity_providers: [{id: 3, name: Grid, token: hush-43, base_url: " "}]
    capacity_optimizers: [{id: 1, name: Depot}]
    capacity_groups: [{id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}]
"""  # noqa: E501 (a file as people write it)


def user_yaml(rest: str) -> str:
    return "users:\n  - id: 42\n" + "".join(f"    {line}\n" for line in rest.splitlines())


class TestDefaultWorld:
    world = load_world()

    def test_it_is_the_one_in_which_the_guide_s_examples_run(self) -> None:
        assert self.world == World(
            (
                User(
                    id=42,
                    tokens=(Token("rehearsal-token-0001", "rehearsal-secret", "User"),),
                    nodes=(1,),
                    capacity_providers=(CapacityProvider(3, "Grid", "cp-token"),),
                    capacity_optimizers=(CapacityOptimizer(1, "Depot"),),
                    capacity_groups=(CapacityGroup(19, "foo-group", 3, 1),),
                ),
            )
        )

    def test_its_token_id_is_as_long_as_real_ones(self) -> None:
        assert [len(token.id) for token in self.world.users[0].tokens] == [20]

    def test_its_provider_is_simulated(self) -> None:
        (provider,) = self.world.users[0].capacity_providers
        assert provider.base_url is SIMULATED


class TestLookups:
    world = load_world(TWO_USERS)

    def test_tokens_and_their_owners(self) -> None:
        token = self.world.token("token-b")
        assert token == Token("token-b", "hush-b", "ReadNodeData", enabled=False)
        assert self.world.owner_of_token("token-b") is self.world.user(42)
        assert self.world.token("token-B") is None
        assert self.world.owner_of_token("") is None

    def test_nodes(self) -> None:
        assert self.world.owner_of_node(2) is self.world.user(42)
        assert self.world.owner_of_node(3) is self.world.user(43)
        assert self.world.owner_of_node(4) is None

    def test_what_one_user_owns_is_not_another_s(self) -> None:
        first, second = self.world.users
        assert (first.optimizer(2), second.optimizer(2)) == (
            CapacityOptimizer(2, "Harbour", enabled=False),
            None,
        )
        found = second.provider(3)
        assert found is not None
        assert found.token == "hush-43"
        assert second.provider(4) is None

    def test_a_group_is_found_by_optimizer_and_exact_identifier(self) -> None:
        user = self.world.users[0]
        assert user.group(1, "foo-group") == CapacityGroup(19, "foo-group", 3, 1)
        assert user.group(1, "bar") == CapacityGroup(20, "bar", 4, 1, "Bar", enabled=False)
        assert user.group(2, "foo-group") is None
        assert user.group(1, "Foo-group") is None

    def test_systems_by_the_token_that_they_call_with(self) -> None:
        provider = CapacityProvider(3, "a", "t", flexibility_provider_token="p")
        optimizer = CapacityOptimizer(1, "b", flexibility_provider_token="o")
        user = User(1, capacity_providers=(provider,), capacity_optimizers=(optimizer,))
        world = World((user,))
        assert world.caller("p") == (user, provider)
        assert world.caller("o") == (user, optimizer)
        assert world.caller("t") is None

    def test_a_blank_base_url_is_none(self) -> None:
        assert self.world.users[1].capacity_providers[0].base_url is None


class TestSecrets:
    world = load_world(TWO_USERS)

    def test_repr_has_none(self) -> None:
        assert "token-a" in repr(self.world)
        assert "hush" not in repr(self.world)

    def test_summary_has_none_and_is_otherwise_the_file(self) -> None:
        summary = self.world.summary()
        assert "hush" not in json.dumps(summary)
        first = summary["users"][0]
        assert first["tokens"][1] == {"id": "token-b", "type": "ReadNodeData", "enabled": False}
        assert [
            provider.get("base_url", "left out") for provider in first["capacity_providers"]
        ] == [
            "left out",
            "https://grid.example/oscp/cp/2.0",
            None,
        ]
        for token in (token for user in summary["users"] for token in user["tokens"]):
            token["secret"] = "s"
        for provider in (each for user in summary["users"] for each in user["capacity_providers"]):
            provider["token"] = "t"
        assert load_world(summary).summary() == self.world.summary()

    @pytest.mark.parametrize(
        "user",
        [
            {"id": 42, "tokens": [{"id": "a", "secret": ["hush"]}]},
            {"id": 42, "tokens": [{"id": "a", "secret": {"hush": "hush"}}]},
            {"id": 42, "capacity_providers": [{"id": 1, "name": "x", "token": "hush" * 20}]},
        ],
    )
    def test_a_problem_does_not_show_one(self, user: dict[str, Any]) -> None:
        with pytest.raises(SourceError) as caught:
            load_world({"users": [user]})
        assert "hush" not in str(caught.value)


PROVIDER = "capacity_providers: [{id: 3, name: Grid, token: t}]\n"
OPTIMIZER = "capacity_optimizers: [{id: 1, name: Depot}]\n"
GROUP = "{id: 19, identifier: foo, capacity_provider: 3, capacity_optimizer: 1}"


def groups(*items: str) -> str:
    return f"{PROVIDER}{OPTIMIZER}capacity_groups:\n" + "".join(f"- {item}\n" for item in items)


WRONG = {
    "empty": ("", "1:1: expected a mapping, got nothing"),
    "no users": ("users: []", "1:8: expected at least 1 item(s)"),
    "unknown key": (user_yaml("nods: [1]"), '3:5: unknown key "nods"; did you mean "nodes"?'),
    "id missing": ("users: [{nodes: [1]}]", '1:9: "id" is missing: The user id'),
    "id zero": ("users: [{id: 0}]", "1:14: 0 is below 1"),
    "id beyond a long": (f"users: [{{id: {2**63}}}]", f"1:14: {2**63} is above {2**63 - 1}"),
    "secret missing": (user_yaml("tokens: [{id: a}]"), '3:14: "secret" is missing'),
    "comma in a token id": (
        user_yaml("tokens: [{id: 'a,b', secret: s}]"),
        '3:19: "a,b" does not have the right form: A token id without commas',
    ),
    "type of token": (
        user_yaml("tokens: [{id: a, secret: s, type: user}]"),
        '3:39: "user" is not known here; did you mean "User"?',
    ),
    "version as a number": (
        user_yaml("capacity_providers: [{id: 3, name: G, token: t, oscp_version: 2.0}]"),
        "3:67: expected a string, got a number; put it in quotes",
    ),
    "user twice": ("users:\n- id: 1\n- id: 1\n", "3:7: duplicate user 1 (first at world:2)"),
    "token of two users": (
        "users:\n- {id: 1, tokens: [{id: a, secret: s}]}\n- {id: 2, tokens: [{id: a, secret: s}]}",
        "3:25: duplicate token a (first at world:2)",
    ),
    "node of two users": (
        "users:\n- {id: 1, nodes: [7]}\n- {id: 2, nodes: [8, 7]}",
        "3:22: duplicate node 7 (first at world:2)",
    ),
    "node twice": (user_yaml("nodes: [7, 7]"), "3:16: duplicate node 7 (first at world:3)"),
    "provider twice": (
        user_yaml(
            "capacity_providers:\n- {id: 3, name: a, token: t}\n- {id: 3, name: b, token: u}"
        ),
        "5:12: duplicate Capacity Provider 3 (first at world:4)",
    ),
    "optimizer twice": (
        user_yaml("capacity_optimizers:\n- {id: 1, name: a}\n- {id: 1, name: b}"),
        "5:12: duplicate Capacity Optimizer 1 (first at world:4)",
    ),
    "group twice": (
        user_yaml(groups(GROUP, GROUP.replace("foo", "bar"))),
        "7:12: duplicate Capacity Group 19 (first at world:6)",
    ),
    "identifier twice": (
        user_yaml(groups(GROUP, GROUP.replace("19", "20"))),
        '7:28: duplicate identifier "foo" (first at world:6)',
    ),
    "provider of no one": (
        user_yaml(f"{OPTIMIZER}capacity_groups:\n- {GROUP}"),
        "5:52: user 42 has no Capacity Provider 3; it has none",
    ),
    "optimizer of no one": (
        user_yaml(groups(GROUP.replace("optimizer: 1", "optimizer: 2"))),
        "6:75: user 42 has no Capacity Optimizer 2; it has 1",
    ),
    "base_url twice": (
        user_yaml(
            "capacity_providers:\n- {id: 3, name: a, token: t, base_url: http://a}\n"
            "- {id: 4, name: b, token: t, base_url: http://a}"
        ),
        "5:44: duplicate base_url (first at world:4)",
    ),
    "base_url without scheme": (
        "solaruser: {base_url: localhost}\nusers: [{id: 1}]",
        "1:23: a base_url must look like http://host:port/path",
    ),
    "base_url with a wrong port": (
        "solaruser: {base_url: 'http://a:x'}\nusers: [{id: 1}]",
        "1:23: a base_url must look like http://host:port/path",
    ),
    "base_url of a party with a password": (
        "solaruser: {base_url: 'http://a:hush@b'}\nusers: [{id: 1}]",
        "1:23: a base_url must look like http://host:port/path, without a user name or password",
    ),
    "base_url with a password": (
        user_yaml("capacity_providers: [{id: 3, name: a, token: t, base_url: 'http://a:hush@b'}]"),
        "3:63: a base_url must not hold a user name or password",
    ),
}


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_world_says_where_and_what_to_do(text: str, problem: str) -> None:
    with pytest.raises(SourceError) as caught:
        load_world(text)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(f"world:{problem}")
    assert "hush" not in str(caught.value)


def test_another_user_s_provider_is_not_a_group_s() -> None:
    text = user_yaml(f"{OPTIMIZER}capacity_groups: [{GROUP}]") + "  - id: 43\n    " + PROVIDER
    with pytest.raises(SourceError, match="user 42 has no Capacity Provider 3"):
        load_world(text)


def test_every_problem_is_reported_in_file_order() -> None:
    text = user_yaml(f"nodes: [7, 7]\n{OPTIMIZER}capacity_groups:\n- {GROUP}\n- {GROUP}")
    with pytest.raises(SourceError) as caught:
        load_world(text)
    lines = [problem.line for problem in caught.value.problems]
    assert lines == sorted(line for line in lines if line)
    assert len(lines) == 5


class TestSources:
    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "w.yaml"
        path.write_text(TWO_USERS, encoding="utf-8")
        assert load_world(path) == load_world(TWO_USERS)
        path.write_text("user: 1", encoding="utf-8")
        with pytest.raises(SourceError, match=r"w\.yaml:1:1: unknown key"):
            load_world(path)

    def test_values(self) -> None:
        assert load_world(read_yaml(TWO_USERS).value) == load_world(TWO_USERS)
        with pytest.raises(SourceError, match=r"^mine: /users/0/id: expected a whole number"):
            load_world({"users": [{"id": "1"}]}, "mine")

    def test_a_part_of_another_file(self) -> None:
        document = read_yaml("world:\n  users: [{id: 0}]\n", "scenario.yaml")
        with pytest.raises(SourceError, match=r"^scenario\.yaml:2:16: 0 is below 1"):
            load_world(document.at("/world"))


@given(st.lists(st.integers(1, 2**63 - 1), unique=True, min_size=1, max_size=30), st.data())
def test_every_node_has_exactly_its_owner(nodes: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(nodes)))
    world = load_world(
        {"users": [{"id": 1, "nodes": nodes[:cut]}, {"id": 2, "nodes": nodes[cut:]}]}
    )
    owners = [world.owner_of_node(node) for node in nodes]
    assert [owner.id for owner in owners if owner] == [1] * cut + [2] * (len(nodes) - cut)

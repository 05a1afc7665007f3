"""Roles, policies and ownership before SolarUser's routes: a test for each row of §6."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.clock import FrozenClock
from oscp_sim.solaruser.policy import matches, may_use_node
from oscp_sim.world import SecurityPolicy, Token
from oscp_sim.yaml_source import SourceError
from tests.oscp_sim.gate import API, INSTR, SECRET_OF_ALL, WORLD, call, gate, limited, token
from tests.oscp_sim.rig import ADD, FORM, HOST, NOW, VIEW, Answer, ask, instruction

OSCP = f"{API}/sec/user/oscp"
OPTIMIZERS = f"{OSCP}/capacity-optimizers"
EVENTS = f"{API}/sec/user/events?startDate=2026-01-01&endDate=2026-02-01"
ANONYMOUS = (401, "Full authentication is required to access this resource")
DENIED = (403, "Access Denied")


def anonymous(method: str, target: str) -> Answer:
    return ask(gate(), method, target, [("Host", HOST)])


# --- §6.1: roles -------------------------------------------------------------------------------


class TestRolesOf61:
    @pytest.mark.parametrize("target", [OPTIMIZERS, f"{OSCP}/settings", OSCP, f"{OSCP}/no/such"])
    def test_the_oscp_configuration_needs_role_oscp(self, target: str) -> None:
        """User 8 has a User token, but no role."""
        assert call(gate(), "GET", target, token="theirs").refusal == DENIED
        assert call(gate(), "GET", target, token="mine").status in {200, 404}

    @pytest.mark.parametrize("target", [f"{VIEW}?id=1", f"{INSTR}/no/such", f"{API}/sec/x"])
    def test_everything_secure_needs_a_user_token(self, target: str) -> None:
        assert call(gate(), "GET", target, token="reader").refusal == DENIED
        assert anonymous("GET", target).refusal == ANONYMOUS
        assert call(gate(), "GET", target, token="theirs").status in {200, 404}

    def test_user_events_need_a_user_token_and_no_role(self) -> None:
        json = [("Accept", "application/json")]
        assert call(gate(), "GET", EVENTS, token="reader").refusal == DENIED
        assert call(gate(), "GET", EVENTS, token="theirs", unsigned=json).status == 200

    def test_a_reader_may_not_read_the_configuration(self) -> None:
        """The roles of a user are those of the user's User tokens alone."""
        assert call(gate(), "GET", OPTIMIZERS, token="reader").refusal == DENIED

    @pytest.mark.parametrize("target", [f"{API}/pub/x", f"{API}/pub"])
    def test_public_paths_need_nobody(self, target: str) -> None:
        assert anonymous("GET", target).status == 404

    @pytest.mark.parametrize("target", [ADD, f"{API}/pub/x", f"{API}/sec/none", "/solaruser/api"])
    def test_options_needs_nobody(self, target: str) -> None:
        assert anonymous("OPTIONS", target).status in {200, 404}

    @pytest.mark.parametrize(
        "target",
        ["/solaruser/api", "/solaruser/api/", "/solaruser/api/v2/sec/instr", f"{API}/publ"],
    )
    def test_anything_else_below_api_is_denied(self, target: str) -> None:
        assert anonymous("GET", target).refusal == ANONYMOUS
        assert call(gate(), "GET", target).refusal == DENIED

    def test_sending_oscp_instructions_needs_no_role_oscp(self) -> None:
        assert call(gate(), "POST", ADD, instruction(80), token="theirs").data["state"] == "Queuing"

    def test_a_prefix_of_a_folder_is_another_folder(self) -> None:
        assert call(gate(), "GET", f"{API}/sec/user/oscpx", token="theirs").status == 404


# --- §6.2: the policy of a token ---------------------------------------------------------------

PATTERNS = [
    # pattern, path after /api/v1/sec, fits
    ("/instr/add/OSCP_v20", "/instr/add/OSCP_v20", True),
    ("/instr/add/OSCP_v20", "/instr/add/oscp_v20", False),
    ("/instr/add/OSCP_v20", "/instr/add", False),
    ("/instr/add/OSCP_v20", "/instr/add/OSCP_v20/x", False),
    ("/instr/*", "/instr/view", True),
    ("/instr/*", "/instr/add/OSCP_v20", False),
    ("/instr/*", "/instr", False),
    ("/instr/**", "/instr/add/OSCP_v20", True),
    ("/instr/**", "/instr", True),
    ("/instr/**", "/instruct", False),
    ("/**", "/anything/at/all", True),
    ("/**/OSCP_v20", "/instr/add/OSCP_v20", True),
    ("/**/add/**", "/instr/add/OSCP_v20", True),
    ("/**/add/**", "/instr/view", False),
    ("/instr/add/OSCP_v??", "/instr/add/OSCP_v20", True),
    ("/instr/add/OSCP_v?", "/instr/add/OSCP_v20", False),
    ("/instr/add/OSCP*", "/instr/add/OSCP_v20", True),
    ("/instr/add/*v20", "/instr/add/OSCP_v20", True),
    ("/instr/add/{topic}", "/instr/add/OSCP_v20", True),
    ("/instr/add/.*", "/instr/add/OSCP_v20", False),
    ("/instr/add/*(", "/instr/add/x(", True),
    ("instr/view", "/instr/view", False),
    ("/instr/view/", "/instr/view", False),
    ("", "/instr/view", False),
]


@pytest.mark.parametrize(("pattern", "path", "fits"), PATTERNS)
def test_ant_patterns(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, path) is fits


segments = st.lists(st.text("ab?*{}.", min_size=1, max_size=4), max_size=4)


@given(segments, segments)
def test_a_pattern_never_breaks_and_fits_itself_without_wildcards(
    one: list[str], other: list[str]
) -> None:
    pattern, path = "/" + "/".join(one), "/" + "/".join(other)
    assert matches(pattern, path) in {True, False}
    assert matches("/**", path)
    if not set("?*{}") & set(path):
        assert matches(path, path)


class TestPolicyOf62:
    def test_api_paths_allow_what_they_name_and_nothing_else(self) -> None:
        simulator = gate()
        assert call(simulator, "POST", ADD, instruction(70), token="adds-only").status == 200
        for method, target in (
            ("POST", f"{INSTR}/add"),
            ("POST", f"{INSTR}/add/Other"),
            ("GET", f"{VIEW}?id=1"),
            ("GET", OPTIMIZERS),
        ):
            answer = call(simulator, method, target, token="adds-only")
            assert answer.refusal == (403, "Access denied")
            assert answer.header("X-SN-ErrorMessage") == "Access denied"

    def test_the_query_is_no_part_of_the_path(self) -> None:
        assert call(gate(), "GET", f"{VIEW}?id=1&a=/b", token="views-only").status == 200

    def test_the_path_is_matched_as_it_was_sent(self) -> None:
        target = f"{INSTR}/add/OSCP%5Fv20"
        assert call(gate(), "POST", target, instruction(70)).data["topic"] == "OSCP_v20"
        answer = call(gate(), "POST", target, instruction(70), token="adds-only")
        assert answer.refusal == (403, "Access denied")

    @pytest.mark.parametrize(
        ("paths", "target", "allowed"),
        [
            (["!/instr/**"], f"{VIEW}?id=1", False),
            (["!/instr/**"], EVENTS, True),
            (["!/instr/**", "/instr/view"], f"{VIEW}?id=1", True),
            (["!/a/**", "/b"], f"{VIEW}?id=1", True),
            (["!/instr/**", "!/user/**"], f"{VIEW}?id=1", True),
            ([], f"{VIEW}?id=1", True),
            (["/api/v1/sec/instr/view"], f"{VIEW}?id=1", False),
        ],
    )
    def test_any_entry_suffices_and_an_exclamation_mark_inverts_one(
        self, paths: list[str], target: str, allowed: bool
    ) -> None:
        world = {"users": [WORLD["users"][0] | {"tokens": [token("t", **limited(*paths))]}]}
        json = [("Accept", "application/json")]
        answer = call(gate(world=world), "GET", target, token="t", unsigned=json)
        if allowed:
            assert answer.status == 200
        else:
            assert answer.refusal == (403, "Access denied")

    def test_node_ids_leave_a_token_those_nodes_alone(self) -> None:
        simulator = gate()
        assert call(simulator, "POST", ADD, instruction(70), token="node-70").status == 200
        assert call(simulator, "POST", ADD, instruction(71), token="mine").status == 200
        denied = (403, "ACCESS_DENIED")
        assert call(simulator, "POST", ADD, instruction(71), token="node-70").refusal == denied
        assert call(simulator, "GET", f"{VIEW}?id=1", token="node-70").status == 200
        assert call(simulator, "GET", f"{VIEW}?id=2", token="node-70").refusal == denied
        assert call(simulator, "GET", f"{VIEW}?id=2", token="mine").status == 200

    def test_of_several_nodes_the_first_that_fails_fails_the_request(self) -> None:
        simulator = gate()
        fields = b"nodeIds=70,71&parameters%5B0%5D.name=a&parameters%5B0%5D.value=b"
        answer = call(simulator, "POST", ADD, fields, token="node-70", content_type=FORM)
        assert answer.refusal == (403, "ACCESS_DENIED")
        assert call(simulator, "GET", f"{VIEW}?id=1").json == {"success": True}

    @pytest.mark.parametrize(
        ("policy", "allowed"),
        [
            (None, True),
            (SecurityPolicy(), True),
            (SecurityPolicy(node_ids=frozenset({1})), True),
            (SecurityPolicy(node_ids=frozenset({2})), False),
        ],
    )
    def test_may_use_node(self, policy: SecurityPolicy | None, allowed: bool) -> None:
        assert may_use_node(Token("t", "s", policy=policy), 1) is allowed

    def test_not_after_is_the_last_moment(self) -> None:
        clock = FrozenClock(NOW)
        end = NOW + timedelta(days=1)
        simulator = gate(clock=clock)
        clock.advance(timedelta(days=1))
        asked: dict[str, Any] = {"token": "expires-later", "when": end}
        assert call(simulator, "GET", f"{VIEW}?id=1", **asked).status == 200
        clock.advance(timedelta(milliseconds=1))
        assert call(simulator, "GET", f"{VIEW}?id=1", **asked).refusal == (401, "Expired token")


# --- §6.3 and §6.4: ownership ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "message"),
    [(99, "UNKNOWN_OBJECT"), (80, "ACCESS_DENIED"), (71, "ACCESS_DENIED")],
    ids=["unknown", "of-another-user", "not-in-node-ids"],
)
def test_row_of_6_3(node: int, message: str) -> None:
    answer = call(gate(), "POST", ADD, instruction(node), token="node-70")
    assert answer.refusal == (403, message)
    assert not answer.header("WWW-Authenticate")


# --- the world file ----------------------------------------------------------------------------


def world_with(policy: dict[str, object]) -> dict[str, object]:
    return {"users": [{"id": 1, "tokens": [token("t", policy=policy)]}]}


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ({"not_after": "2026-01-32T00:00:00Z"}, "day"),
        ({"not_after": "tomorrow"}, "not_after"),
        ({"not_after": "0001-01-01T00:00:00+14:00"}, "no such date-time"),
        ({"node_ids": ["1"]}, "node_ids"),
        ({"nodeIds": [1]}, "node_ids"),
        ({"api_paths": [""]}, "api_paths"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_where_it_stands(
    policy: dict[str, object], complaint: str
) -> None:
    with pytest.raises(SourceError) as caught:
        gate(world=world_with(policy))
    assert complaint in str(caught.value)
    assert SECRET_OF_ALL not in str(caught.value)


def test_the_summary_of_a_world_shows_policies_and_roles() -> None:
    summary = gate().world.summary()
    tokens = {each["id"]: each for each in summary["users"][0]["tokens"]}
    assert "policy" not in tokens["mine"]
    assert tokens["node-70"]["policy"] == {"node_ids": [70], "api_paths": []}
    assert tokens["expires-later"]["policy"]["not_after"] == "2026-01-03T03:04:05.123456Z"
    assert summary["users"][0]["roles"] == ["ROLE_EVENT", "ROLE_OSCP"]
    assert summary["users"][1]["roles"] == []
    assert "rate_limit" not in summary

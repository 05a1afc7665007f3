"""How a Capacity Provider behaves: the rows of oscp20.md §4 that one can show."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.addresses import path_of
from oscp_sim.http import Response
from oscp_sim.system.profile import ACTIONS, PROFILES, Profile
from oscp_sim.world import CapacityProvider
from oscp_sim.world.model import Profile as ProfileName
from oscp_sim.world.model import ProviderBehaviour

SPECIFICATION, SOLARNETWORK, ELMO = (
    PROFILES[name] for name in ("specification", "solarnetwork", "elmo")
)
PLAIN = ProviderBehaviour()
STRICT = ProviderBehaviour(strict=None)
MOMENT = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)
NAMED = ("json", "schema", "path", "versions")
CASES = [f"X{number}" for number in range(1, 22)]


def statuses(case: str, behaviour: ProviderBehaviour = PLAIN) -> tuple[int, int, int]:
    """The status of a case by specification, by SolarNetwork and by ELMO."""
    spec, solarnetwork, elmo = (
        each.with_behaviour(behaviour).status(case) for each in (SPECIFICATION, SOLARNETWORK, ELMO)
    )
    return spec, solarnetwork, elmo


def told(each: Response) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(each.body) if each.body else None


def test_there_is_a_profile_for_every_name_that_a_world_can_say() -> None:
    assert set(PROFILES) == set(get_args(ProfileName))
    assert all(name == each.name for name, each in PROFILES.items())


# --- §4, row by row ----------------------------------------------------------------------------

# Row: the attribute, and its value by specification, SolarNetwork and ELMO.
ROWS: dict[str, tuple[str, object, object, object]] = {
    "register methods": (
        "register_methods",
        ("POST", "PUT", "DELETE"),
        ("POST",),
        ("POST", "PUT", "DELETE"),
    ),
    "correlation on the answering register": ("correlates_register", True, False, True),
    "register back": (
        "registers_back_after",
        timedelta(seconds=1),
        timedelta(seconds=1),
        timedelta(),
    ),
    "handshake after registration": ("handshake_after", None, None, timedelta(seconds=5)),
    "handshake without behaviour": ("behaviour_needed", False, True, False),
    "measurement_configuration required": (
        "configuration_needed",
        frozenset(),
        frozenset({"Handshake"}),
        frozenset(),
    ),
    "forecast units": (
        "units",
        frozenset({"A", "W", "KW", "WH", "KWH"}),
        frozenset({"A", "W", "KW", "WH", "KWH"}),
        frozenset({"KW"}),
    ),
    "empty measurement list": ("no_measurements", True, False, True),
    "segments": ("reassembles", True, False, False),
    "token rotation": ("old_token_ends_at_once", False, True, False),
    "timetable": ("has_timetable", False, False, True),
    "body of a refusal": ("refusal_shape", "message", "envelope", "message"),
}


@pytest.mark.parametrize(("name", "spec", "solarnetwork", "elmo"), ROWS.values(), ids=ROWS)
def test_row(name: str, spec: object, solarnetwork: object, elmo: object) -> None:
    found = tuple(getattr(each, name) for each in (SPECIFICATION, SOLARNETWORK, ELMO))
    assert found == (spec, solarnetwork, elmo)


STATUSES: dict[str, tuple[str, tuple[int, int, int]]] = {
    "no common version": ("versions", (501, 501, 501)),
    "bad payload": ("schema", (400, 422, 400)),
    "no JSON": ("json", (400, 422, 400)),
    "missing token": ("X1", (401, 403, 401)),
    "unknown token": ("X5", (403, 403, 403)),
    "rotated token": ("X6", (403, 403, 403)),
    "missing X-Request-ID": ("X7", (400, 400, 400)),
    "no correlation on a compliance error": ("X9", (204, 204, 400)),
    "unknown group": ("X19", (404, 403, 400)),
    "method": ("X13", (405, 405, 405)),
    "media type": ("X14", (415, 415, 415)),
    "compressed": ("X17", (415, 422, 415)),
    "too large": ("X18", (413, 413, 413)),
    "double slash": ("X20", (204, 400, 204)),
    "no such path": ("path", (404, 404, 404)),
    **{
        f"{case} is accepted": (case, (204, 204, 204))
        for case in ("X8", "X10", "X11", "X12", "X15", "X16", "X21")
    },
}


@pytest.mark.parametrize(("case", "expected"), STATUSES.values(), ids=STATUSES)
def test_status_of(case: str, expected: tuple[int, int, int]) -> None:
    assert statuses(case) == expected


BASE_PATHS = {
    "specification": "/oscp/cp/2.0",
    "solarnetwork": "/oscp/cp/2.0",
    "oscp-sim-cp": "/oscp/cp/2.0",
    "elmo": "/oscp/2.0",
}


@pytest.mark.parametrize("name", get_args(ProfileName))
def test_it_is_played_where_the_addresses_say(name: ProfileName) -> None:
    provider = CapacityProvider(id=3, name="p", token=None, profile=name)
    assert path_of(provider) == BASE_PATHS[name]


def test_who_needs_a_request_id_on_what() -> None:
    assert SPECIFICATION.request_id_needed == ELMO.request_id_needed
    assert SPECIFICATION.request_id_needed == set(ACTIONS.values())
    # "on four of six endpoints", of which register and heartbeat are the others.
    assert SOLARNETWORK.request_id_needed == {
        "Handshake",
        "HandshakeAcknowledge",
        "UpdateGroupCapacityForecast",
        "AdjustGroupCapacityForecast",
    }


def test_elmo_needs_a_correlation_id_where_its_implementation_answers_400_without() -> None:
    assert ELMO.correlation_needed == {"HandshakeAcknowledge", "GroupCapacityComplianceError"}
    assert not SPECIFICATION.correlation_needed
    assert not SOLARNETWORK.correlation_needed


def test_solarnetworks_own_acknowledge_passes_everywhere() -> None:
    assert all(
        "HandshakeAcknowledge" not in each.configuration_needed for each in PROFILES.values()
    )


@pytest.mark.parametrize(
    ("profile", "taken", "failed"),
    [
        ("specification", [200, 202, 204], [199, 302, 400, 500]),
        ("solarnetwork", [200, 204, 302, 399], [400, 404, 500]),
        ("elmo", [204], [200, 202, 203, 205, 400]),
    ],
)
def test_what_is_taken_for_success(profile: str, taken: list[int], failed: list[int]) -> None:
    accepts = PROFILES[profile].accepts
    assert [status for status in taken + failed if status in accepts] == taken


def test_endpoints() -> None:
    assert SPECIFICATION.endpoints == SOLARNETWORK.endpoints == ACTIONS
    # A Capacity Provider of the specification has no handshake, and ELMO has no use for heartbeats.
    assert set(ELMO.endpoints) == {
        "/register",
        "/handshake_acknowledge",
        "/adjust_group_capacity_forecast",
        "/group_capacity_compliance_error",
        "/update_group_measurements",
    }
    for each in PROFILES.values():
        assert all(ACTIONS[path] == action for path, action in each.endpoints.items())


@pytest.mark.parametrize(
    ("profile", "moment", "text"),
    [
        ("specification", MOMENT, "2026-05-04T18:30:00Z"),
        ("specification", MOMENT.replace(microsecond=7_999), "2026-05-04T18:30:00.007Z"),
        ("specification", MOMENT.replace(microsecond=999), "2026-05-04T18:30:00Z"),
        ("solarnetwork", MOMENT, "2026-05-04T18:30:00.000Z"),
        ("elmo", MOMENT, "2026-05-05T02:30:00.000+08:00"),
        ("elmo", datetime(9999, 12, 31, 23, tzinfo=UTC), "9999-12-31T23:00:00.000Z"),
    ],
)
def test_times_are_written(profile: str, moment: datetime, text: str) -> None:
    assert PROFILES[profile].write_time(moment) == text
    assert datetime.fromisoformat(text) == moment.replace(
        microsecond=moment.microsecond // 1000 * 1000
    )


@pytest.mark.parametrize(
    ("profile", "now", "midnight"),
    [
        ("specification", "2026-05-04T23:59:59Z", "2026-05-05T00:00:00Z"),
        ("specification", "2026-05-05T00:00:00Z", "2026-05-06T00:00:00Z"),
        ("solarnetwork", "2026-05-05T01:59:00+02:00", "2026-05-05T00:00:00Z"),
        ("elmo", "2026-05-04T15:59:59Z", "2026-05-05T00:00:00+08:00"),
        ("elmo", "2026-05-04T16:00:00Z", "2026-05-06T00:00:00+08:00"),
    ],
)
def test_the_next_midnight(profile: str, now: str, midnight: str) -> None:
    found = PROFILES[profile].next_midnight(datetime.fromisoformat(now))
    assert found == datetime.fromisoformat(midnight)


# --- what the world chooses ---------------------------------------------------------------------


@pytest.mark.parametrize("case", ["X8", "X9", "X10", "X11", "X12", "X20", "X21", "S1", "S15"])
def test_strictness_turns_a_remark_into_400(case: str) -> None:
    assert statuses(case, STRICT) == (400, 400, 400)
    one = ProviderBehaviour(strict=frozenset({case}))
    assert statuses(case, one) == (400, 400, 400)
    assert all(each.with_behaviour(one).refuses(case) for each in PROFILES.values())
    assert not SPECIFICATION.refuses(case)


@pytest.mark.parametrize("case", ["X15", "X16"])
def test_strictness_does_not_refuse_what_is_right(case: str) -> None:
    assert statuses(case, STRICT) == (204, 204, 204)


@pytest.mark.parametrize("case", CASES)
def test_a_single_case_can_have_another_status(case: str) -> None:
    for status in (204, 418):
        behaviour = ProviderBehaviour(statuses={case: status}, strict=None)
        assert statuses(case, behaviour) == (status, status, status)


@given(
    st.sampled_from(list(PROFILES.values())),
    st.sampled_from([*CASES, *NAMED]),
    st.sampled_from([PLAIN, STRICT]),
)
def test_strictness_never_accepts_what_was_refused(
    profile: Profile, case: str, behaviour: ProviderBehaviour
) -> None:
    usual = profile.status(case)
    assert usual == 204 or usual >= 400
    assert usual < 400 or profile.with_behaviour(behaviour).status(case) == usual


# --- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [SPECIFICATION, ELMO])
@pytest.mark.parametrize("case", ["X1", "X7", "X19", "json", "schema", "versions"])
def test_a_refusal_is_one_message(profile: Profile, case: str) -> None:
    made = profile.refusal(case, "no", keyword="required")
    assert made.status == profile.status(case)
    assert told(made) == {"message": "no"}
    assert made.headers == (
        ("Content-Length", str(len(made.body))),
        ("Content-Type", "application/json"),
    )


CONTAINER = {"success": False, "status": 400, "error": "Bad Request"}
ENVELOPES: dict[str, tuple[str, str, int, object]] = {
    "required": ("schema", "required", 422, ("VAL.00004", "no")),
    "empty list": ("schema", "minItems", 422, ("VAL.00004", "no")),
    "type": ("schema", "type", 422, ("VAL.00005", "Malformed JSON: no")),
    "date": ("schema", "format", 422, ("VAL.00006", "Malformed date string: no")),
    "enum": ("schema", "enum", 422, ("VAL.00007", "Malformed request: no")),
    "other": ("schema", "", 422, ("VAL.00007", "Malformed request: no")),
    "not JSON": ("json", "", 422, ("VAL.00005", "Malformed JSON: no")),
    "compressed": ("X17", "", 422, ("VAL.00005", "Malformed JSON: no")),
    "group": ("X19", "", 403, (None, "ACCESS_DENIED")),
    "anything else": ("X18", "", 413, (None, "no")),
}


@pytest.mark.parametrize(
    ("case", "keyword", "status", "expected"), ENVELOPES.values(), ids=ENVELOPES
)
def test_solarnetworks_envelope(
    case: str, keyword: str, status: int, expected: tuple[str | None, str]
) -> None:
    made = SOLARNETWORK.refusal(case, "no", keyword=keyword)
    code, message = expected
    named = {} if code is None else {"code": code}
    assert made.status == status
    assert told(made) == {"success": False, **named, "message": message}


@pytest.mark.parametrize("case", ["X1", "X2", "X3", "X4", "X5", "X6"])
def test_solarnetwork_says_nothing_about_tokens(case: str) -> None:
    assert SOLARNETWORK.refusal(case, "no") == Response(403, (), b"")


def test_solarnetwork_names_the_version_in_a_header() -> None:
    text = "URL version '2.0' required but not provided."
    made = SOLARNETWORK.refusal("versions", text)
    assert made == Response(501, (("X-Error-Message", text),), b"")


@pytest.mark.parametrize(
    ("case", "status", "error"),
    [
        ("X7", 400, "Bad Request"),
        ("X13", 405, "Method Not Allowed"),
        ("X14", 415, "Unsupported Media Type"),
        ("X20", 400, "Bad Request"),
    ],
)
def test_solarnetworks_container(case: str, status: int, error: str) -> None:
    made = SOLARNETWORK.refusal(case, "no")
    assert made.status == status
    assert told(made) == {**CONTAINER, "status": status, "error": error}


def test_a_status_without_a_name_is_shown_as_a_number() -> None:
    odd = SOLARNETWORK.with_behaviour(ProviderBehaviour(statuses={"X7": 499}))
    assert told(odd.refusal("X7", "no"))["error"] == "499"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_another_method_is_told_which_are_allowed(profile: Profile) -> None:
    assert ("Allow", "POST") in profile.refusal("X13", "no").headers
    more = profile.refusal("X13", "no", allowed=("POST", "PUT"))
    assert ("Allow", "POST, PUT") in more.headers


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_refused_adjustment_has_the_status_that_is_given(profile: Profile) -> None:
    for status in (409, 422):
        own = profile.with_behaviour(ProviderBehaviour(refusal=status))
        made = own.refusal("adjustment", "not today")
        assert (made.status, told(made)["message"]) == (status, "not today")

import json
import threading
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.clock import FrozenClock
from oscp_sim.entry import Entry, Kind, PartyName
from oscp_sim.http import Request, Response
from oscp_sim.journal import Journal
from oscp_sim.matching import NotSeen, TextPattern

START = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
ADJUST = "AdjustGroupCapacityForecast"
# Long enough for any machine where a test passes; a failing one reports after it.
PATIENCE = 20


@pytest.fixture
def journal() -> Journal:
    return Journal(FrozenClock(START))


@pytest.fixture
def delivery() -> Request:
    return Request(
        "POST",
        "/adjust_group_capacity_forecast",
        (("Authorization", "Token hush"), ("X-Correlation-ID", "r1")),
        b'{"group_id":"foo-group","type":"CONSUMPTION","forecasted_blocks":[{"capacity":42.0}]}',
    )


def deliver(journal: Journal, request: Request, **fields: Any) -> Entry:  # noqa: ANN401
    fields = {"action": ADJUST, "instruction_id": 7, "response": Response(204), **fields}
    return journal.append("capacity_provider", "exchange", request=request, **fields)


class TestEntries:
    def test_they_are_numbered_and_dated(self) -> None:
        clock = FrozenClock(START)
        journal = Journal(clock)
        first = journal.append("solaruser", "note")
        clock.advance(1)
        second = journal.append("solaruser", "note")
        assert (first.number, first.at) == (1, START)
        assert (second.number, second.at) == (2, clock.now())
        assert journal.entries() == (first, second)
        assert journal.last == 2

    def test_an_exchange_in_json_has_its_keys_in_order(
        self, journal: Journal, delivery: Request
    ) -> None:
        entry = deliver(journal, delivery, findings=[{"rule": "S1"}], detail={"tries": 1})
        assert json.dumps(entry.to_dict(), separators=(",", ":")) == (
            '{"number":1,"at":"2026-01-02T03:04:05.123456Z","party":"capacity_provider",'
            '"kind":"exchange","peer":null,"sent":false,"exchange_id":1,'
            '"action":"AdjustGroupCapacityForecast","instruction_id":7,'
            '"request":{"method":"POST","target":"/adjust_group_capacity_forecast","headers":'
            '[["Authorization","Token [redacted]"],["X-Correlation-ID","r1"]],"body":'
            + json.dumps(delivery.text)
            + '},"response":{"status":204,"headers":[],"body":""},"state":null,"reason":null,'
            '"findings":[{"rule":"S1"}],"detail":{"tries":1}}'
        )

    def test_a_state_change_has_the_same_keys(self, journal: Journal, delivery: Request) -> None:
        entry = journal.append("solaruser", "state", state="Declined", reason="Unknown group")
        assert list(entry.to_dict()) == list(deliver(journal, delivery).to_dict())
        assert entry.to_dict()["reason"] == "Unknown group"

    def test_no_credential_is_kept(self, journal: Journal, delivery: Request) -> None:
        answer = Response(200, (("Set-Cookie", "session=hush"),))
        entry = deliver(journal, delivery, response=answer)
        assert "hush" not in repr(entry)
        assert "hush" not in json.dumps([each.to_dict() for each in journal.entries()])

    def test_what_utf_8_cannot_hold_is_escaped(self, journal: Journal) -> None:
        entry = deliver(journal, Request("POST", "/\ud83d!"), reason="\udc00")
        assert entry.request is not None
        assert (entry.request.target, entry.reason) == ("/\\ud83d!", "\\udc00")

    @pytest.mark.parametrize(("kind", "needs"), [("exchange", "request"), ("state", "state")])
    def test_what_makes_the_kind_must_be_there(
        self, journal: Journal, kind: Kind, needs: str
    ) -> None:
        with pytest.raises(ValueError, match=f'kind "{kind}" needs a {needs}'):
            journal.append("solaruser", kind)
        assert journal.last == 0

    def test_a_caller_cannot_change_what_is_remembered(self, journal: Journal) -> None:
        detail = {"tries": 1}
        entry = journal.append("solaruser", "note", detail=detail)
        detail["tries"] = 2
        assert entry.detail["tries"] == 1

    def test_with_a_limit_the_newest_stay(self) -> None:
        journal = Journal(FrozenClock(START), limit=2)
        for _ in range(5):
            journal.append("solaruser", "note")
        assert [entry.number for entry in journal.entries()] == [4, 5]
        assert [entry.number for entry in journal.entries(since=4)] == [5]
        assert journal.entries(since=5) == ()

    def test_clear_forgets_and_numbers_go_on(self, journal: Journal) -> None:
        journal.append("solaruser", "note")
        journal.clear()
        assert journal.entries() == ()
        assert journal.append("solaruser", "note").number == 2
        assert [entry.number for entry in journal.entries(since=1)] == [2]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(get_args(PartyName)),
            st.sampled_from([None, ADJUST, "Handshake"]),
            st.sampled_from([None, 1, 2]),
        )
    ),
    st.sampled_from([None, *get_args(PartyName)]),
    st.sampled_from([None, ADJUST]),
    st.sampled_from([None, 1]),
    st.integers(0, 12),
)
def test_filters_give_exactly_what_fits(
    written: list[tuple[PartyName, str | None, int | None]],
    party: PartyName | None,
    action: str | None,
    instruction_id: int | None,
    since: int,
) -> None:
    journal = Journal(FrozenClock(START))
    for each in written:
        journal.append(each[0], "note", action=each[1], instruction_id=each[2])
    expected = [
        number
        for number, each in enumerate(written, 1)
        if number > since
        and party in {None, each[0]}
        and action in {None, each[1]}
        and instruction_id in {None, each[2]}
    ]
    found = journal.entries(
        party=party, action=action, instruction_id=instruction_id, since=since, kind="note"
    )
    assert [entry.number for entry in found] == expected
    assert journal.entries(kind="state") == ()


def test_threads_write_without_losing_or_repeating_a_number(journal: Journal) -> None:
    def write() -> None:
        for _ in range(200):
            journal.append("solaruser", "note")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.number for entry in journal.entries()] == list(range(1, 801))


class TestWaiting:
    def test_what_is_there_already_is_found_at_once(
        self, journal: Journal, delivery: Request
    ) -> None:
        entry = deliver(journal, delivery)
        assert journal.wait_for(party="capacity_provider", timeout=0) is entry

    def test_the_first_that_fits_is_given(self, journal: Journal) -> None:
        journal.append("solaruser", "note")
        first = journal.append("capacity_provider", "note")
        second = journal.append("capacity_provider", "note")
        assert journal.wait_for({"party": "capacity_provider"}, timeout=0) is first
        assert journal.wait_for(party="capacity_provider", since=first.number, timeout=0) is second

    def test_another_thread_ends_the_wait(self, journal: Journal, delivery: Request) -> None:
        waiting = threading.Event()
        found: list[Entry] = []

        def asks(entry: Entry) -> bool:
            waiting.set()
            return entry.instruction_id == 8

        def wait() -> None:
            found.append(journal.wait_for(asks, timeout=PATIENCE))

        journal.append("solaruser", "note")
        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(PATIENCE)
        deliver(journal, delivery)
        awaited = deliver(journal, delivery, instruction_id=8)
        thread.join(PATIENCE)
        assert found == [awaited]

    def test_a_condition_may_read_the_journal(self, journal: Journal) -> None:
        journal.append("solaruser", "note")
        assert journal.wait_for(lambda entry: entry in journal.entries(), timeout=0)

    def test_a_cleared_journal_is_waited_on_without_spinning(self, journal: Journal) -> None:
        for _ in range(3):
            journal.append("solaruser", "note")
        journal.clear()
        with pytest.raises(NotSeen, match="no entry came at all"):
            journal.wait_for(party="solaruser", timeout=0.01)

    def test_a_steady_stream_of_others_does_not_hold_it_beyond_its_time(
        self, journal: Journal
    ) -> None:
        def asks(_: Entry) -> bool:
            journal.append("solaruser", "note")
            return False

        journal.append("solaruser", "note")
        with pytest.raises(NotSeen):
            journal.wait_for(asks, timeout=0.01)

    @pytest.mark.parametrize(
        "expected",
        [
            {"request": {"body": {"group_id": "foo-group"}}},
            {"request": {"body": {"forecasted_blocks": [{"capacity": 42}]}}},
            {"request": {"headers": {"x-correlation-id": "r1", "X-Error-Message": None}}},
            {"request": {"method": "POST"}, "response": {"status": 204, "body": ""}},
            {"action": TextPattern("starts_with", "Adjust")},
            {"at": START, "number": 1, "kind": "exchange"},
            {"reason": None, "findings": []},
        ],
    )
    def test_fields_may_be_nested(
        self, journal: Journal, delivery: Request, expected: dict[str, Any]
    ) -> None:
        assert deliver(journal, delivery) is journal.wait_for(expected, timeout=0)

    def test_fields_and_a_function_hold_together(self, journal: Journal, delivery: Request) -> None:
        deliver(journal, delivery, instruction_id=1)
        second = deliver(journal, delivery, instruction_id=2)

        def is_late(entry: Entry) -> bool:
            return entry.number > 1

        assert journal.wait_for(is_late, action=ADJUST, timeout=0) is second
        with pytest.raises(NotSeen, match="is_late accepts"):
            journal.wait_for(is_late, action="Handshake", timeout=0)

    @pytest.mark.parametrize(
        ("expected", "words"),
        [({"partie": "solaruser"}, 'has no "partie"; did you mean "party"'), ({}, "name")],
    )
    def test_a_condition_that_can_never_hold_is_refused_at_once(
        self, journal: Journal, expected: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            journal.wait_for(expected, timeout=PATIENCE)


class TestAnEntryOnALine:
    """What `print(entry)` shows."""

    AT = "2026-01-02 03:04:05.123Z"

    @pytest.mark.parametrize(
        ("fields", "line"),
        [
            ({"kind": "note"}, "solaruser notes"),
            (
                {"kind": "note", "action": ADJUST, "detail": {"why": "a\nb", "id": 3, "tries": 2}},
                f"solaruser notes about {ADJUST}; a\\nb; tries: 2",
            ),
            (
                {"kind": "state", "instruction_id": 7, "action": ADJUST, "state": "Queuing"},
                f"solaruser: instruction 7 ({ADJUST}) is Queuing",
            ),
            (
                {"kind": "state", "instruction_id": 7, "state": "Declined", "reason": "x" * 999},
                f"solaruser: instruction 7 is Declined: {'x' * 100} ... {'x' * 40}",
            ),
            (
                {"kind": "note", "detail": {"handed_over": {"coId": 1}}},
                'solaruser notes; handed over: {"coId": 1}',
            ),
        ],
    )
    def test_of_what_a_party_tells(
        self, journal: Journal, fields: dict[str, Any], line: str
    ) -> None:
        assert str(journal.append("solaruser", **fields)) == f"1  {self.AT}  {line}"

    def test_of_an_exchange(self, journal: Journal, delivery: Request) -> None:
        assert str(deliver(journal, delivery, peer="flexibility_provider")) == (
            f"1  {self.AT}  capacity_provider got POST /adjust_group_capacity_forecast from "
            f"flexibility_provider, {ADJUST}, instruction 7, answered 204"
        )

    def test_of_an_exchange_that_was_not_answered(self, journal: Journal) -> None:
        request = Request("POST", "http://cp.test/oscp/heartbeat?a=b", (), b"")
        entry = journal.append("flexibility_provider", "exchange", request=request, sent=True)
        assert str(entry) == (
            f"1  {self.AT}  flexibility_provider sent POST /oscp/heartbeat, unanswered"
        )
        assert journal.wait_for(status="unanswered", timeout=0) is entry
        assert journal.entries(status=204) == ()

    @pytest.mark.parametrize(
        ("target", "path"), [("//[", "//["), ("http://[/x?y", "/x"), ("/a b?#", "/a b"), ("", "")]
    )
    def test_of_a_target_that_is_no_url(self, journal: Journal, target: str, path: str) -> None:
        entry = journal.append("solaruser", "exchange", request=Request("GET", target))
        assert f"solaruser got GET {path}, unanswered" in str(entry)
        assert journal.wait_for(path=path, timeout=0) is entry


class TestNamesThatDoNotExist:
    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"party": "capacity_provder"}, "unknown party 'capacity_provder'; did you mean"),
            ({"peer": "grid"}, "unknown peer 'grid'; known: solaruser, "),
            ({"kind": "notes"}, "unknown kind 'notes'; did you mean 'note'?"),
            ({"state": "complete"}, "unknown state 'complete'; did you mean 'Completed'?"),
            ({"action": "handshake"}, "unknown action 'handshake'; did you mean 'Handshake'?"),
            ({"action": "Nonsens"}, "unknown action 'Nonsens'; did you mean 'Nonsense'?"),
        ],
    )
    def test_are_refused_with_the_near_one(
        self, journal: Journal, fields: dict[str, Any], told: str
    ) -> None:
        journal.append("solaruser", "note", action="Nonsense")
        with pytest.raises(ValueError, match="unknown") as caught:
            journal.entries(**fields)
        assert str(caught.value).startswith(told)
        with pytest.raises(ValueError if "action" not in fields else NotSeen) as waited:
            journal.wait_for(timeout=0, **fields)
        assert told in str(waited.value)

    def test_an_action_that_somebody_has_made_up_exists(self, journal: Journal) -> None:
        entry = journal.append("solaruser", "note", action="Nonsense")
        assert journal.entries(action="Nonsense") == (entry,)


class TestNotSeen:
    @pytest.fixture
    def filled(self, journal: Journal, delivery: Request) -> Journal:
        journal.append("solaruser", "state", state="Queuing", instruction_id=7, action=ADJUST)
        deliver(journal, delivery)
        journal.append("capacity_provider", "note")
        return journal

    def test_it_says_what_was_awaited_and_what_came_nearest(self, filled: Journal) -> None:
        body = {"type": "GENERATION", "forecasted_blocks": [{"capacity": 42, "unit": "KW"}]}
        with pytest.raises(NotSeen) as caught:
            filled.wait_for(
                {"request": {"body": body, "headers": {"X-Correlation-ID": "r2"}}},
                party="capacity_provider",
                timeout=0,
            )
        assert str(caught.value).splitlines() == [
            "not seen within 0 s:",
            '  request: {"body": {"type": "GENERATION", "forecasted_blocks": [{"capacity": 42, '
            '"unit": "KW"}]}, "headers": {"X-Correlation-ID": "r2"}}',
            '  party: "capacity_provider"',
            "of 3 entries the nearest is 2 (capacity_provider, exchange, "
            "AdjustGroupCapacityForecast):",
            '  /request/body/type: expected "GENERATION", got "CONSUMPTION"',
            '  /request/body/forecasted_blocks/0/unit: expected "KW", got nothing',
            '  /request/headers/X-Correlation-ID: expected "r2", got "r1"',
        ]
        assert caught.value.nearest is filled.entries()[1]
        assert [each.pointer for each in caught.value.differences] == [
            "/request/body/type",
            "/request/body/forecasted_blocks/0/unit",
            "/request/headers/X-Correlation-ID",
        ]

    def test_an_entry_about_something_else_is_not_near(self, filled: Journal) -> None:
        with pytest.raises(NotSeen) as caught:
            filled.wait_for(
                instruction_id=7, party="solaruser", state="Unknown", reason="Y", timeout=0
            )
        assert caught.value.nearest is filled.entries()[0]

    def test_of_equally_near_entries_the_newest_counts(self, filled: Journal) -> None:
        with pytest.raises(NotSeen) as caught:
            filled.wait_for(party="capacity_optimizer", timeout=0)
        assert caught.value.nearest is filled.entries()[-1]

    def test_only_entries_after_the_mark_count(self, filled: Journal) -> None:
        with pytest.raises(NotSeen, match="no entry came at all") as caught:
            filled.wait_for(party="solaruser", since=filled.last, timeout=0)
        assert (caught.value.nearest, caught.value.differences) == (None, ())

    def test_a_test_that_sees_it_fails_rather_than_errs(self) -> None:
        assert issubclass(NotSeen, AssertionError)

"""Whatever is sent, cancelled, switched off, broken and restarted: nothing is lost without a trace.

A frozen clock, no socket, and two users with their parties. `make test` tries 100 programs,
`make soak` 5,000 longer ones; one that fails is printed as Python.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from oscp_send.fidelity import Behaviour
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.faults.wire import Spoilt
from oscp_sim.http import Request
from oscp_sim.instructions import STATES
from oscp_sim.keep import StateFile
from oscp_sim.saved_journal import SavedJournal, open_journal
from oscp_sim.world import World, load_world
from tests.oscp_sim.configuration_api import BASE as CONFIGURATION
from tests.oscp_sim.rig import ADD, BASE, NOW, signed_headers
from tests.oscp_sim.worlds import group

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypothesis.stateful import MultipleResults

    from oscp_schemas.date_time import Fidelity
    from oscp_sim.entry import Entry
    from oscp_sim.http import Response
    from oscp_sim.instructions import Instruction
    from oscp_sim.system import SimulatedProvider


@dataclass(frozen=True)
class Group:
    """A Capacity Group, and who sends to it."""

    id: int
    identifier: str
    provider: int
    optimizer: int


#: By sender: the user, the node, and the groups.
SENDERS: Final[Mapping[str, tuple[int, int, Mapping[str, Group]]]] = {
    "ada": (
        42,
        1,
        {
            "depot": Group(19, "depot", 3, 7),
            "yard": Group(20, "yard", 4, 7),
            "roof": Group(21, "roof", 3, 8),
        },
    ),
    "bob": (43, 2, {"depot": Group(30, "depot", 5, 9)}),
}
PLACES = [(sender, group) for sender, (_, _, groups) in SENDERS.items() for group in groups]
#: By what can be switched off, a path of the configuration API, a group that needs it.
NEEDING = {
    (sender, f"/capacity-{kind}/{id_}"): name
    for sender, (_, _, groups) in SENDERS.items()
    for name, group in groups.items()
    for kind, id_ in (
        ("groups", group.id),
        ("providers", group.provider),
        ("optimizers", group.optimizer),
    )
}
#: Groups that need all Capacity Providers.
REACHING_ALL = (("ada", "depot"), ("ada", "yard"), ("bob", "depot"))
PROVIDERS = sorted({(sender, SENDERS[sender][2][group].provider) for sender, group in PLACES})


@cache
def world(secrets: int) -> World:
    """Who exists; `secrets` counts how often the senders' ones have been replaced."""
    users = []
    for sender, (user, node, groups) in SENDERS.items():
        providers = sorted({each.provider for each in groups.values()})
        optimizers = sorted({each.optimizer for each in groups.values()})
        users.append(
            {
                "id": user,
                "tokens": [{"id": f"{sender}-token", "secret": f"{sender}-secret-{secrets}"}],
                "nodes": [node],
                "capacity_providers": [
                    {"id": each, "name": f"P{each}", "token": f"cp-token-{each}"}
                    for each in providers
                ],
                "capacity_optimizers": [{"id": each, "name": f"O{each}"} for each in optimizers],
                "capacity_groups": [
                    group(each.id, each.identifier, each.provider, each.optimizer)
                    for each in groups.values()
                ],
            }
        )
    return load_world({"users": users})


# So that no heartbeat is due: they are another test's.
_RARELY: Final = 1_000_000
_TIMES: Final = {"start_time": "2026-01-03T00:00:00Z", "end_time": "2026-01-03T01:00:00Z"}


def message(action: str, group: str, marker: int) -> dict[str, Any]:
    """A valid message that can be told from every other one by a number."""
    if action == "Handshake":
        behaviour = {
            "measurement_configuration": ["CONTINUOUS"],
            "heartbeat_interval": _RARELY * marker,
        }
        return {"required_behaviour": behaviour}
    if action == "GroupCapacityComplianceError":
        return {"message": f"{marker}"}
    if action == "UpdateGroupMeasurements":
        value: dict[str, Any] = {"value": marker, "phase": "ALL", "unit": "KWH"}
        value |= {"direction": "NET", "measure_time": "2026-01-02T00:00:00Z"}
        return {"group_id": group, "measurements": [value]}
    block = {"capacity": marker, "phase": "ALL", "unit": "KW", **_TIMES}
    return {"group_id": group, "type": "CONSUMPTION", "forecasted_blocks": [block]}


def marker_of(action: str | None, body: bytes) -> int | None:
    """The number of a message that came with an instruction; None of any other message."""
    content = json.loads(body)
    if action == "Handshake":
        return int(content["required_behaviour"]["heartbeat_interval"]) // _RARELY
    if action == "GroupCapacityComplianceError":
        return int(content["message"])
    if action == "UpdateGroupMeasurements":
        return int(content["measurements"][0]["value"])
    if action == "AdjustGroupCapacityForecast":
        return int(content["forecasted_blocks"][0]["capacity"])
    return None


ACTIONS = (
    "Handshake",
    "GroupCapacityComplianceError",
    "UpdateGroupMeasurements",
    "AdjustGroupCapacityForecast",
)
#: Mistakes (solaruser.md §3.1): the parameters that replace the good ones, and the beginning of
#: the refusal. Of the first ones, nothing is looked up.
EARLY: Final[Mapping[str, tuple[dict[str, Any], str]]] = {
    "no action": ({"action": ""}, "Missing OSCP action"),
    "a number as optimizer": ({"coId": 7}, "Missing capacity optimizer ID"),
    "an unreadable optimizer": ({"coId": "7.0"}, "Invalid capacity optimizer ID"),
    "no group": ({"cgIdentifier": " "}, "Missing group identifier"),
    "an unknown optimizer": ({"coId": "999"}, "Unknown capacity optimizer"),
}
LATE: Final[Mapping[str, tuple[dict[str, Any], str]]] = {
    "an unknown action": ({"action": "Nope"}, "Unsupported OSCP 2.0 action [Nope]"),
    "no message": ({"msg": ""}, "Missing [msg] parameter for OSCP 2.0 action [Handshake]"),
    "half a message": ({"msg": '{"required'}, ""),
    "a list": ({"msg": "[]"}, "Invalid JSON for [Handshake] OSCP action"),
    "a message of another kind": (
        {"action": "UpdateGroupMeasurements", "msg": "{}"},
        "JSON schema validation error on [UpdateGroupMeasurements]",
    ),
    "another group inside": (
        {
            "action": "AdjustGroupCapacityForecast",
            "msg": json.dumps(message("AdjustGroupCapacityForecast", "elsewhere", 1)),
        },
        "The AdjustGroupCapacityForecast message group_identifier must match",
    ),
}

_AT_PROVIDER: Final = {"where": "capacity_provider"}
_AT_SOLARUSER: Final = {"where": "solaruser"}
_BETWEEN: Final = {"where": "hand_off"}
WAY: Final = ("hand_off", "capacity_provider")
#: What goes wrong, in a rule of faults.
FAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "hand-off lost": {**_BETWEEN, "fault": "lost"},
    "hand-off late": {**_BETWEEN, "fault": "late", "by": "10s"},
    "hand-off very late": {**_BETWEEN, "fault": "late", "by": "2m"},
    "hand-off doubled": {**_BETWEEN, "fault": "doubled"},
    "hand-off overtaken": {**_BETWEEN, "fault": "reordered", "by": "60s"},
    "message cut": {**_AT_SOLARUSER, "fault": "part_cut"},
    "SolarUser resets": {**_AT_SOLARUSER, "fault": "reset_after"},
    "SolarUser silent": {**_AT_SOLARUSER, "fault": "no_answer"},
    "SolarUser busy": {**_AT_SOLARUSER, "fault": "status", "status": 503},
    "SolarUser's clock behind": {**_AT_SOLARUSER, "fault": "clock", "behind": "1h"},
    "sender's token revoked": {**_AT_SOLARUSER, "fault": "token_revoked"},
    "registration refused": {"where": "flexibility_provider", "fault": "status", "status": 500},
    "registration unanswered": {"where": "flexibility_provider", "fault": "no_answer"},
    "delivery doubled": {**_AT_PROVIDER, "fault": "sent_twice"},
    "provider busy": {**_AT_PROVIDER, "fault": "status", "status": 503},
    "provider forbids": {**_AT_PROVIDER, "fault": "status", "status": 403},
    "provider slow": {**_AT_PROVIDER, "fault": "delay", "by": "10s"},
    "provider too slow": {**_AT_PROVIDER, "fault": "delay", "by": "25s"},
    "provider silent": {**_AT_PROVIDER, "fault": "no_answer"},
    "provider away": {**_AT_PROVIDER, "fault": "connection_refused"},
    "provider resets": {**_AT_PROVIDER, "fault": "reset_after"},
    "provider talks nonsense": {**_AT_PROVIDER, "fault": "garbage"},
    "provider breaks off": {**_AT_PROVIDER, "fault": "half_answer"},
    "provider's token revoked": {**_AT_PROVIDER, "fault": "token_revoked"},
}
ON_THE_WAY = sorted(name for name, each in FAULTS.items() if each["where"] in WAY)
#: Those for which a delivery may come more than once: the last because its client asks again.
DOUBLING: Final = {"sent_twice": 1, "status": 1}

# Who moves an instruction from where to where, and for what cause (solaruser.md §2.4, §2.6); what
# the owner asks for by `updateState` may lead from any state to any (§1.10).
SOLARUSER, FLEXIBILITY_PROVIDER = "solaruser", "flexibility_provider"
WAYS: Final = frozenset(
    {
        (SOLARUSER, None, "Queuing", "sent"),
        (SOLARUSER, None, "Declined", "sent"),
        (FLEXIBILITY_PROVIDER, "Queuing", "Executing", "delivery"),
        (FLEXIBILITY_PROVIDER, "Executing", "Completed", "delivery"),
        (FLEXIBILITY_PROVIDER, "Executing", "Declined", "delivery"),
        (SOLARUSER, "Queuing", "Queued", "stale"),
        *((SOLARUSER, each, "Declined", "expired") for each in STATES[:5]),
    }
)
FINAL: Final = frozenset({"Completed", "Declined"})


@dataclass
class Story:
    """What the journal tells of one instruction that was accepted.

    Attributes:
        marker: The number of its message.
        group: To which it is sent.
        date: Its instructionDate.
        expires: Its expirationDate.
        asked: The states that its owner has asked for, and the journal has not told of yet.
        moves: Who moved it from where to where, for what cause.
        claims: The numbers of the entries that tell of a claim.
        deliveries: What its Capacity Provider was asked.
        faults: What has struck it.
    """

    marker: int
    group: Group
    date: datetime
    expires: datetime | None
    asked: list[str] = field(default_factory=list)
    moves: list[tuple[str, str | None, str, str]] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)
    deliveries: list[Entry] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    reason: str | None = None

    @property
    def state(self) -> str | None:
        return self.moves[-1][2] if self.moves else None

    def move(self, entry: Entry) -> None:
        assert entry.state is not None
        if entry.state in self.asked and "why" not in entry.detail:
            cause = "asked"
            self.asked.remove(entry.state)
        elif "why" in entry.detail:
            cause = "stale" if entry.state == "Queued" else "expired"
            due = self.date + timedelta(seconds=30) if cause == "stale" else self.expires
            assert due is not None, f"{entry}: it has no expirationDate"
            assert due < entry.at, f"{entry}: it was not due before {due}"
        else:
            cause = "delivery" if self.moves else "sent"
        self.moves.append((entry.party, self.state, entry.state, cause))
        self.reason = entry.reason
        if entry.state == "Executing" and cause == "delivery":
            self.claims.append(entry.number)


class Rehearsing(RuleBasedStateMachine):
    """Does to a simulator what users, parties, networks and operators might."""

    instructions = Bundle("instructions")

    @initialize(fidelity=st.sampled_from(["documented", "observed"]), goes_stale=st.booleans())
    def begin(self, fidelity: Fidelity, goes_stale: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.kept: Mapping[tuple[int, str, int], Mapping[str, Any]] = {}
        self.goes_stale = goes_stale
        stale: Fidelity = "observed" if goes_stale else "documented"
        self.behaviour = Behaviour(fidelity, {"stale_queuing": stale})
        self.secrets, self.markers, self.moment = 0, 1000, NOW
        self.live()

    def live(self) -> None:
        """Start a simulator, from the world file and what was kept."""
        self.clock = FrozenClock(self.moment)
        self.simulator = Simulator(world(self.secrets), clock=self.clock, fidelity=self.behaviour)
        self.simulator.recall(self.kept)
        self.simulator.keep_by(self.keep)
        self.simulator.start()
        self.stories: dict[int, Story] = {}
        self.by_marker: dict[int, Story] = {}
        self.sending: Story | None = None
        self.rows: list[Instruction] = []
        self.read = 0

    def keep(self) -> None:
        """Take down what must not be forgotten, before an answer may confirm it."""
        self.kept = self.simulator.remembered()

    # What senders do.

    @rule(target=instructions, to=st.sampled_from(PLACES), action=st.sampled_from(ACTIONS))
    def send(self, to: tuple[str, str], action: str) -> int | MultipleResults[int]:
        """Send a valid message."""
        return self.send_dated(to, action, "now")

    @rule(
        target=instructions,
        to=st.sampled_from(PLACES),
        action=st.sampled_from(ACTIONS),
        dated=st.sampled_from(["now", "an hour ago", "expiring"]),
    )
    def send_dated(
        self, to: tuple[str, str], action: str, dated: str
    ) -> int | MultipleResults[int]:
        """Send a valid message with an instructionDate or expirationDate."""
        msg = json.dumps(message(action, to[1], self.markers + 1))
        return self.post(to, {"action": action, "msg": msg}, dated)

    @rule(to=st.sampled_from(PLACES), mistake=st.sampled_from([*EARLY, *LATE]))
    def send_with_mistake(self, to: tuple[str, str], mistake: str) -> None:
        """Send a message that SolarUser has to decline."""
        self.post(to, {}, mistake=mistake)

    @rule(
        target=instructions,
        fault=st.sampled_from(ON_THE_WAY),
        to=st.sampled_from(PLACES),
        action=st.sampled_from(ACTIONS),
    )
    def send_while(
        self, fault: str, to: tuple[str, str], action: str
    ) -> int | MultipleResults[int]:
        """Send a valid message while something goes wrong once, on its way or another's."""
        self.let_go_wrong(fault, 1)
        return self.send_dated(to, action, "now")

    def post(
        self,
        to: tuple[str, str],
        parameters: dict[str, Any],
        dated: str = "now",
        mistake: str | None = None,
    ) -> int | MultipleResults[int]:
        """Send a message, and return the id of what came of it, if anything did."""
        self.markers += 1
        self.read_on()
        is_calm = self.is_calm()
        now, body = self.clock.now(), self.body(to, parameters, mistake)
        story = Story(self.markers, SENDERS[to[0]][2][to[1]], now, None)
        if dated == "an hour ago":
            story.date = now - timedelta(hours=1)
            body["instructionDate"] = int(story.date.timestamp() * 1000)
        elif dated == "expiring":
            story.expires = now + timedelta(seconds=45)
            body["expirationDate"] = story.expires.isoformat()
        self.sending = story
        answer = self.ask(to[0], "POST", ADD, body)
        self.read_on()
        ids = [each for each, found in self.stories.items() if found is story]
        self.sending = None
        if is_calm:
            self.compare(answer, to, story, dated, mistake)
        return ids[0] if ids else multiple()

    def compare(
        self,
        answer: Response,
        to: tuple[str, str],
        story: Story,
        dated: str,
        mistake: str | None,
    ) -> None:
        """What came of it is what the world says, where nothing goes wrong."""
        refusal = self.refusal(to, mistake)
        if refusal is not None:
            assert (answer.status, story.state) == (200, "Declined")
            assert str(story.reason).startswith(refusal), story.reason
            assert json.loads(answer.body)["data"]["state"] == "Declined"
        elif self.simulator.world.broker == "down":
            assert (answer.status, story.state) == (422, None)
        else:
            is_stale = dated == "an hour ago" and self.goes_stale
            assert (answer.status, story.state) == (200, "Queued" if is_stale else "Completed")
            assert len(story.deliveries) == (not is_stale)

    def refusal(self, to: tuple[str, str], mistake: str | None) -> str | None:
        """The beginning of what SolarUser declines it with, in the order of its checks."""
        user_id, _, groups = SENDERS[to[0]]
        user, group = self.simulator.world.user(user_id), groups[to[1]]
        assert user is not None
        if mistake is not None and mistake in EARLY:
            return EARLY[mistake][1]
        for kind, found in (
            ("capacity optimizer", user.optimizer(group.optimizer)),
            ("group identifier", user.group(group.optimizer, group.identifier)),
            ("capacity provider", user.provider(group.provider)),
        ):
            if found is None or not found.enabled:
                return f"Unknown {kind}"
        return LATE[mistake][1] if mistake else None

    @rule(instruction=instructions, state=st.sampled_from(STATES), by=st.sampled_from([*SENDERS]))
    def update_state(self, instruction: int, state: str, by: str) -> None:
        """Cancel an instruction, or set any other state; one of somebody else is left alone."""
        self.read_on()
        story = self.stories.get(instruction)
        is_own = story is not None and story.group in SENDERS[by][2].values()
        is_calm = not self.simulator.faults.rules
        if story is not None and is_own and story.state != state:
            story.asked.append(state)
        answer = self.ask(by, "POST", f"{BASE}/updateState?id={instruction}&state={state}")
        self.read_on()
        if is_calm:
            assert answer.status == (200 if is_own or story is None else 403)
            assert story is None or not story.asked
        elif story is not None:
            story.asked.clear()

    # What operators and systems do.

    @rule(entity=st.sampled_from(sorted(NEEDING)), enabled=st.booleans())
    def switch(self, entity: tuple[str, str], enabled: bool) -> None:
        """Disable what is configured, or enable it again, and send something that needs it."""
        sender, path = entity
        shown = self.ask(sender, "GET", CONFIGURATION + path)
        if shown.status == 200 and not isinstance(shown, Spoilt):
            found = {**json.loads(shown.body)["data"], "enabled": enabled}
            answer = self.ask(sender, "PUT", CONFIGURATION + path, found)
            assert answer.status == 200 or self.simulator.faults.rules, answer.body
        self.send((sender, NEEDING[entity]), "Handshake")

    @rule(provider=st.sampled_from(PROVIDERS), seconds=st.sampled_from([0, 2, 2]))
    def rotate_tokens(self, provider: tuple[str, int], seconds: int) -> None:
        """A Capacity Provider registers with a new token, and is given one a second later."""
        self.played(provider).register(new_token=True)
        self.clock.advance(seconds)

    def played(self, provider: tuple[str, int]) -> SimulatedProvider:
        return self.simulator.provider(provider[1], SENDERS[provider[0]][0])

    def is_let_in(self, provider: tuple[str, int]) -> bool:
        """Whether the Flexibility Provider knows a Capacity Provider by its token."""
        return self.played(provider).heartbeat().status == 204

    @rule(fault=st.sampled_from(sorted(FAULTS)), times=st.sampled_from([1, 3]))
    def let_go_wrong(self, fault: str, times: int) -> None:
        self.simulator.faults.add({**FAULTS[fault], "times": times})

    @rule()
    def let_nothing_go_wrong(self) -> None:
        self.simulator.faults.clear()

    @rule(broker=st.sampled_from(["up", "down"]))
    def set_broker(self, broker: Any) -> None:  # noqa: ANN401 - a word
        self.simulator.set_broker(broker)

    @rule(seconds=st.sampled_from([1, 5, 31, 61, 600]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(
        new_secrets=st.booleans(),
        killed=st.booleans(),
        rotated=st.booleans(),
        provider=st.sampled_from(PROVIDERS),
    )
    def restart(
        self, new_secrets: bool, killed: bool, rotated: bool, provider: tuple[str, int]
    ) -> None:
        """End the simulator and begin with what was kept: all else is forgotten, but no token."""
        if rotated:
            self.rotate_tokens(provider, 2)
        is_known = self.is_calm() and self.is_let_in(provider)
        if not killed:
            self.keep()
        self.end()
        file = StateFile(Path(self.folder.name, "kept.json"))
        file.write(self.kept)
        self.kept = file.read()
        self.secrets += new_secrets
        self.live()
        assert self.is_let_in(provider) or not is_known
        for to in REACHING_ALL:
            self.send(to, "Handshake")
        answer = self.ask("ada", "GET", f"{BASE}?nodeId=1", secret="replaced-long-ago")
        assert answer.status == 403

    def is_calm(self) -> bool:
        """Whether nothing goes wrong, and nothing is still on its way."""
        return not (self.simulator.faults.rules or self.simulator.pending)

    def end(self) -> None:
        """Close the simulator; its journal is all that is left of it."""
        self.simulator.close()
        self.moment = self.clock.now()
        self.read_on()
        self.assert_that_the_saved_journal_replays()

    # What holds at any time.

    def read_on(self) -> None:
        """Read what the journal tells since the last time."""
        self.rows = self.simulator.shared.instructions.find(lambda _: True)
        for entry in self.simulator.journal.entries(since=self.read):
            self.read = entry.number
            if entry.kind == "state":
                self.read_state(entry)
            elif "fault" in entry.detail and entry.instruction_id in self.stories:
                self.stories[entry.instruction_id].faults[entry.detail["fault"]] += 1
            if entry.party == "capacity_provider" and entry.request and not entry.sent:
                self.read_delivery(entry)

    def read_state(self, entry: Entry) -> None:
        id_ = entry.instruction_id
        assert id_ is not None
        if id_ not in self.stories:
            assert self.sending is not None, f"nobody sent this, or sent it once: {entry}"
            self.stories[id_] = self.by_marker[self.sending.marker] = self.sending
            self.sending = None
        self.stories[id_].move(entry)

    def read_delivery(self, entry: Entry) -> None:
        assert entry.request is not None
        marker = marker_of(entry.action, entry.request.body or b"")
        if marker is not None:
            assert marker in self.by_marker, f"nothing accepted was to be delivered here: {entry}"
            self.by_marker[marker].deliveries.append(entry)

    @invariant()
    def all_holds(self) -> None:
        """All of these, as one: a program that fails is printed with a line for each."""
        self.states_move_only_along_the_allowed_ways()
        self.what_is_stored_is_what_the_journal_tells()
        self.each_delivery_belongs_to_one_accepted_instruction()
        self.no_accepted_instruction_is_without_an_end_or_a_reason()

    def states_move_only_along_the_allowed_ways(self) -> None:
        self.read_on()
        for id_, story in self.stories.items():
            for way in story.moves:
                assert way[3] == "asked" or way in WAYS, f"instruction {id_}: {way}"
                assert way[3] != "stale" or self.goes_stale

    def what_is_stored_is_what_the_journal_tells(self) -> None:
        assert told(self.simulator.journal.entries()) == stored(self.rows)
        assert {each: story.state for each, story in self.stories.items()} == {
            row.id: row.state for row in self.rows
        }

    def each_delivery_belongs_to_one_accepted_instruction(self) -> None:
        for id_, story in self.stories.items():
            several = sum(DOUBLING.get(each, 0) * n for each, n in story.faults.items())
            assert len(story.deliveries) <= len(story.claims) + several, f"{id_}: {story}"
            for entry in story.deliveries:
                assert story.claims[0] < entry.number, f"delivered before it was claimed: {entry}"
                assert entry.detail.get("id", story.group.provider) == story.group.provider
            ends = [way for way in story.moves if way[2:] == ("Completed", "delivery")]
            arrived = [each for each in story.deliveries if str(each.status).startswith("2")]
            assert len(ends) <= len(arrived), f"{id_} is Completed, but did not arrive: {story}"

    def no_accepted_instruction_is_without_an_end_or_a_reason(self) -> None:
        for id_, story in self.stories.items():
            if story.state == "Declined":
                is_explained = story.reason or story.moves[-1][3] == "asked"
                assert is_explained, f"nobody says why {id_} is Declined"
            assert story.state in FINAL or self.has_reason(story), f"{id_} is left over: {story}"

    def has_reason(self, story: Story) -> bool:
        """Whether something is still to come, or is known to have gone wrong."""
        is_asked = any(way[3] == "asked" for way in story.moves)
        is_given_up = story.state == "Queued"
        return bool(self.simulator.pending or is_asked or is_given_up or story.faults["lost"])

    def assert_that_the_saved_journal_replays(self) -> None:
        path, saved = Path(self.folder.name, "j.jsonl"), SavedJournal.of(self.simulator.shared)
        saved.save(path)
        opened = open_journal(path)
        assert opened.setting == saved.setting
        assert told(opened.entries) == stored(self.rows)
        assert "".join(opened.lines()) == path.read_text(encoding="utf-8")

    def teardown(self) -> None:
        """Once all has had its time, everything has come to an end, or there is a reason."""
        if not hasattr(self, "folder"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.assert_that_all_comes_to_an_end()
        finally:
            self.simulator.close()
            self.folder.cleanup()

    def assert_that_all_comes_to_an_end(self) -> None:
        self.simulator.faults.clear()
        self.clock.advance(timedelta(minutes=10))
        assert self.simulator.pending == 0
        self.all_holds()
        self.end()

    # How they ask.

    def body(
        self, to: tuple[str, str], parameters: dict[str, Any], mistake: str | None = None
    ) -> dict[str, Any]:
        _, node, groups = SENDERS[to[0]]
        group = groups[to[1]]
        usual = {"action": "Handshake", "coId": str(group.optimizer), "msg": "{}"}
        usual["cgIdentifier"] = group.identifier
        wrong = {**EARLY, **LATE}[mistake][0] if mistake else {}
        return {"nodeId": node, "params": {**usual, **parameters, **wrong}}

    def ask(
        self,
        sender: str,
        method: str,
        target: str,
        body: object = None,
        secret: str | None = None,
    ) -> Response:
        data = b"" if body is None else json.dumps(body).encode()
        headers = signed_headers(
            method,
            target,
            data,
            token=f"{sender}-token",
            secret=secret or f"{sender}-secret-{self.secrets}",
            when=self.clock.now(),
        )
        sent = [(name.lower(), value) for name, value in headers]
        length = ("content-length", str(len(data)))
        return self.simulator.handle(Request(method, target, (*sent, length), data))


def told(entries: Iterable[Entry]) -> dict[int, tuple[str | None, str | None]]:
    """By instruction, its last state and why it is in that, as a journal tells it."""
    states = (each for each in entries if each.kind == "state" and each.instruction_id)
    return {each.instruction_id or 0: (each.state, each.reason) for each in states}


def stored(rows: Iterable[Instruction]) -> dict[int, tuple[str | None, str | None]]:
    """The same, as the database has it."""
    return {row.id: (row.state, row.result.get("error", row.result.get("message"))) for row in rows}


TestRehearsing = Rehearsing.TestCase
TestRehearsing.settings = settings(
    # 100 where the others have 20, and 5,000 of 20 steps in `make soak`.
    max_examples=5 * settings().max_examples,
    stateful_step_count=max(8, settings().max_examples // 50),
)

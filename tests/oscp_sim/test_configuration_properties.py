"""Whatever is created, changed and deleted, in whatever order: the world stays consistent.

What GET shows equals what was put, and nobody sees what somebody else has.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.world import load_world
from tests.effort import examples
from tests.oscp_sim.configuration_api import (
    ANOTHER,
    BASE,
    ENERGY,
    INSTANTANEOUS,
    WORLD,
    call,
    shown,
)
from tests.oscp_sim.rig import NOW, Signing

Body = dict[str, Any]
#: Whose it is, of which kind, and its id.
Entity = tuple[int, str, int]
#: What a rule puts into a bundle: an entity, or nothing.
Made = Any
USERS: dict[int, Signing] = {42: {}, 43: ANOTHER}
PROVIDERS, OPTIMIZERS = "/capacity-providers", "/capacity-optimizers"
GROUPS, ASSETS = "/capacity-groups", "/assets"
KINDS = (PROVIDERS, OPTIMIZERS, GROUPS, ASSETS)
NODES = {42: 12, 43: 2}
# Which field leads to what.
REFERENCES = (
    (GROUPS, "capacityProviderId", PROVIDERS),
    (GROUPS, "capacityOptimizerId", OPTIMIZERS),
    (ASSETS, "capacityGroupId", GROUPS),
)

users = st.sampled_from(sorted(USERS))
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
).filter(lambda text: text.strip() != "")
# Few, so that they meet.
identifiers = st.sampled_from(["a", "A", "b", "depot-a", "\N{GRINNING FACE}"])
urls = st.sampled_from(["http://a", "http://A", "http://b/oscp", "nowhere"])
props = st.dictionaries(
    texts, st.one_of(st.none(), st.booleans(), st.integers(), texts), max_size=3
)
periods = st.sampled_from(["Minute", "TwentyMinute", "Hour"])


def optionally(
    required: dict[str, st.SearchStrategy[Any]], **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[Body]:
    return st.fixed_dictionaries(
        required, optional={"enabled": st.booleans(), "serviceProps": props} | fields
    )


STATUSES = ("Pending", "Registered", "Failed")
systems = optionally(
    {"name": texts, "registrationStatus": st.sampled_from(STATUSES)},
    baseUrl=urls,
    oscpVersion=st.sampled_from(["2.0", "1.0"]),
)
groups = optionally(
    {
        "name": texts,
        "identifier": identifiers,
        "capacityProviderMeasurementPeriod": periods,
        "capacityOptimizerMeasurementPeriod": periods,
    }
)
assets = optionally(
    {
        "name": texts,
        "identifier": identifiers,
        "audience": st.sampled_from(["CapacityProvider", "CapacityOptimizer"]),
        "sourceId": texts,
        "category": st.just("Storage"),
        "phase": st.sampled_from(["A", "All"]),
    },
    energy=st.just(ENERGY),
    instantaneous=st.just(INSTANTANEOUS),
)
BODIES = {PROVIDERS: systems, OPTIMIZERS: systems, GROUPS: groups, ASSETS: assets}
publications = st.fixed_dictionaries(
    {},
    optional={
        "publishToSolarIn": st.booleans(),
        "publishToSolarFlux": st.booleans(),
        "sourceIdTemplate": texts,
    },
)


class ConfigurationMachine(RuleBasedStateMachine):
    """Does to the API what two users might, and keeps books of it."""

    entities = Bundle("entities")

    @initialize()
    def start(self) -> None:
        self.clock = FrozenClock(NOW)
        self.simulator = Simulator(WORLD, clock=self.clock)
        # By user and kind: what there is, by id, as it was put.
        self.books: dict[tuple[int, str], dict[int, Body]] = {}
        for user, signing in USERS.items():
            for kind in (PROVIDERS, OPTIMIZERS, GROUPS):
                found = shown(self.simulator, kind, **signing)
                self.books[user, kind] = {each["configId"]: each for each in found}
            self.books[user, ASSETS] = {}
            for group in self.books[user, GROUPS]:
                found = shown(self.simulator, f"{GROUPS}/{group}/assets", **signing)
                self.books[user, ASSETS] |= {each["configId"]: each for each in found}
        self.settings: dict[tuple[int, int | None], dict[str, Any]] = {}
        for user, signing in USERS.items():
            for path, key in [("/settings", None), *self.paths_of_settings(user)]:
                put = shown(self.simulator, path, **signing)
                if put is not None:
                    self.settings[user, key] = put
        self.given: set[tuple[str, int]] = {
            (kind, each) for (_, kind), found in self.books.items() for each in found
        }

    def paths_of_settings(self, user: int) -> list[tuple[str, int]]:
        return [(f"{GROUPS}/{group}/settings", group) for group in self.books[user, GROUPS]]

    # What users do.

    @rule(target=entities, user=users, kind=st.sampled_from([PROVIDERS, OPTIMIZERS]), body=systems)
    def create_system(self, user: int, kind: str, body: Body) -> Made:
        return self.create(user, kind, body)

    @rule(target=entities, user=users, body=groups, data=st.data())
    def create_group(self, user: int, body: Body, data: st.DataObject) -> Made:
        return self.create(user, GROUPS, body | self.references(user, GROUPS, data))

    @rule(target=entities, user=users, body=assets, data=st.data())
    def create_asset(self, user: int, body: Body, data: st.DataObject) -> Made:
        body = body | self.references(user, ASSETS, data) | {"nodeId": NODES[user]}
        return self.create(user, ASSETS, body)

    @rule(entity=entities, data=st.data())
    def update(self, entity: Entity, data: st.DataObject) -> None:
        user, kind, entity_id = entity
        body = data.draw(BODIES[kind]) | self.references(user, kind, data)
        if kind == ASSETS:
            body["nodeId"] = NODES[user]
        self.clock.advance(1)
        answer = call(self.simulator, "PUT", f"{kind}/{entity_id}", body, **USERS[user])
        if entity_id not in self.books[user, kind]:
            assert answer.json == {"success": False, "message": "UNKNOWN_OBJECT"}
        elif self.is_refused(user, kind, body, entity_id):
            assert answer.status == 422
        else:
            self.compare(answer.data, body)
            self.books[user, kind][entity_id] = answer.data

    @rule(entity=consumes(entities))
    def delete(self, entity: Entity) -> None:
        user, kind, entity_id = entity
        answer = call(self.simulator, "DELETE", f"{kind}/{entity_id}", **USERS[user])
        assert answer.json == {"success": True}
        self.forget(user, kind, entity_id)

    def forget(self, user: int, kind: str, entity_id: int) -> None:
        self.books[user, kind].pop(entity_id, None)
        if kind == GROUPS:
            self.settings.pop((user, entity_id), None)
        for other, field, referred in REFERENCES:
            for each in list(self.books[user, other].values()):
                if referred == kind and each[field] == entity_id:
                    self.forget(user, other, each["configId"])

    @rule(user=users, group=st.integers(0, 40), body=publications, delete=st.booleans())
    def change_settings(self, user: int, group: int, body: Body, delete: bool) -> None:
        key = group or None
        path = f"{GROUPS}/{group}/settings" if group else "/settings"
        body = {"nodeId": NODES[user], **body}
        answer = call(
            self.simulator,
            "DELETE" if delete else "PUT",
            path,
            None if delete else body,
            **USERS[user],
        )
        if delete:
            assert answer.json == {"success": True}
            self.settings.pop((user, key), None)
        elif key is None or key in self.books[user, GROUPS]:
            self.compare(answer.data, body)
            self.settings[user, key] = answer.data
        else:
            assert answer.json["code"] == "DAO.00105"

    @rule(user=users, entity=entities, method=st.sampled_from(["GET", "PUT", "DELETE"]))
    def meddle(self, user: int, entity: Entity, method: str) -> None:
        """Somebody tries what is somebody else's."""
        owner, kind, entity_id = entity
        if user == owner or entity_id in self.books[user, kind]:
            return
        before = self.simulator.world.user(owner)
        body = self.books[owner, kind].get(entity_id) if method == "PUT" else None
        answer = call(self.simulator, method, f"{kind}/{entity_id}", body, **USERS[user])
        assert answer.status in ({200} if method == "DELETE" else {403, 415})
        assert self.simulator.world.user(owner) == before

    # How they do it.

    def create(self, user: int, kind: str, body: Body) -> Made:
        answer = call(self.simulator, "POST", kind, body, **USERS[user])
        if self.is_refused(user, kind, body):
            assert answer.status == 422, answer.body
            return multiple()
        assert answer.status == 201, answer.body
        data = answer.json["data"]
        assert ("token" in data) == (kind in {PROVIDERS, OPTIMIZERS})
        data.pop("token", None)
        self.compare(data, body)
        assert answer.header("Location") == f"{BASE}{kind}/{data['configId']}"
        assert (kind, data["configId"]) not in self.given
        self.given.add((kind, data["configId"]))
        self.books[user, kind][data["configId"]] = data
        return user, kind, data["configId"]

    def references(self, user: int, kind: str, data: st.DataObject) -> Body:
        return {
            field: data.draw(self.ids(user, other))
            for own, field, other in REFERENCES
            if own == kind
        }

    def ids(self, user: int, kind: str) -> st.SearchStrategy[int]:
        """Mostly those that there are, also another user's and nobody's."""
        own, other = self.books[user, kind], self.books[85 - user, kind]
        return st.sampled_from([*own, *own, *other, 999])

    def is_refused(self, user: int, kind: str, body: Body, entity_id: int | None = None) -> bool:
        unique = {GROUPS: ["identifier"], ASSETS: ["capacityGroupId", "identifier"]}
        fields = unique.get(kind, ["baseUrl"])
        key = [body.get(field) for field in fields]
        taken = any(
            [each.get(field) for field in fields] == key and each["configId"] != entity_id
            for each in self.books[user, kind].values()
        )
        leads_nowhere = any(
            body[field] not in self.books[user, other]
            for own, field, other in REFERENCES
            if own == kind
        )
        return leads_nowhere or (taken and None not in key)

    def compare(self, data: Body, body: Body) -> None:
        """What is shown is what was put, and the defaults of what was not."""
        defaults = {"enabled": False, "publishToSolarIn": True, "publishToSolarFlux": True}
        own = {
            "userId",
            "configId",
            "groupId",
            "created",
            "modified",
            "flexibilityProviderId",
            "settings",
        }
        left = {name: value for name, value in data.items() if name not in own}
        props = body.get("serviceProps")
        if props is not None:
            kept = {name: value for name, value in props.items() if value is not None}
            body = body | {"serviceProps": kept}
        assert left == {name: defaults[name] for name in defaults if name in left} | body

    # What holds at any time.

    @invariant()
    def get_shows_what_was_put(self) -> None:
        for user, signing in USERS.items():
            for kind in KINDS:
                wanted = self.books[user, kind]
                if kind == ASSETS:
                    found = [
                        each
                        for group in self.books[user, GROUPS]
                        for each in shown(self.simulator, f"{GROUPS}/{group}/assets", **signing)
                    ]
                else:
                    found = shown(self.simulator, kind, **signing)
                assert sorted(found, key=_id) == [wanted[each] for each in sorted(wanted)]
            assert shown(self.simulator, "/settings", **signing) == self.settings.get((user, None))
            of_groups = shown(self.simulator, f"{GROUPS}/settings", **signing)
            assert {(user, each["groupId"]): each for each in of_groups} == {
                key: each for key, each in self.settings.items() if key[0] == user and key[1]
            }

    @invariant()
    def one_is_shown_as_in_the_list(self) -> None:
        for (user, kind), found in self.books.items():
            for entity_id, wanted in list(found.items())[-1:]:
                path = f"{kind}/{entity_id}"
                assert shown(self.simulator, path, **USERS[user]) == wanted

    @invariant()
    def the_world_could_be_a_file(self) -> None:
        """Every reference leads somewhere, and nothing is there twice: the file's own rules say."""
        summary = self.simulator.world.summary()
        for user in summary["users"]:
            for token in user["tokens"]:
                token["secret"] = "s"
            for provider in user["capacity_providers"]:
                provider["token"] = "t"
                # The API accepts what is not a URL, a file does not.
                provider.pop("base_url", None)
            for optimizer in user["capacity_optimizers"]:
                optimizer.pop("base_url", None)
        assert len(load_world(summary).users) == len(summary["users"])


def _id(entity: Body) -> int:
    found: int = entity["configId"]
    return found


TestConfiguration = ConfigurationMachine.TestCase
TestConfiguration.settings = settings(
    max_examples=examples(8), stateful_step_count=20, deadline=None
)

"""What the tests of the instruction API have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Unpack
from urllib.parse import urlencode

import cbor2

from oscp_send.snws2 import SNWS2Auth
from oscp_sim import Simulator
from oscp_sim.entry import Entry
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.solaruser import Route, SolarUser
from tests.oscp_sim.rig import (
    FORM,
    JSON,
    NOW,
    SECRET,
    TOKEN,
    Answer,
    Signing,
    ask,
    encoded,
    shared_of,
    signed_headers,
)
from tests.oscp_sim.worlds import TOKENS, user

ANOTHER: Signing = {"token": "another-token", "secret": "another-secret"}
RESTRICTED: Signing = {"token": "restricted-token", "secret": "restricted-secret"}
#: The first user's nodes are 1, 11 and 12, the second's is 2; nobody has 99.
TWO_USERS: dict[str, Any] = {
    "users": [
        user(
            tokens=[
                *TOKENS,
                {
                    "id": "restricted-token",
                    "secret": "restricted-secret",
                    "policy": {"node_ids": [11]},
                },
            ],
            nodes=[1, 11, 12],
        ),
        {
            "id": 43,
            "tokens": [{"id": "another-token", "secret": "another-secret"}],
            "nodes": [2],
        },
    ]
}
HANDSHAKE = {"action": "Handshake", "coId": "1", "cgIdentifier": "foo-group", "msg": "{}"}


def fields(parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields of a form that give these parameters."""
    return [
        (f"parameters[{index}].{key}", text)
        for index, pair in enumerate(parameters)
        for key, text in zip(("name", "value"), pair, strict=True)
    ]


def handshake_form(*more: tuple[str, str]) -> list[tuple[str, str]]:
    return [*more, *fields(HANDSHAKE.items())]


def form(
    simulator: Simulator,
    target: str,
    pairs: Sequence[tuple[str, str]] | str,
    **signing: Unpack[Signing],
) -> Answer:
    """Posts a form; of ASCII fields only, if it is to be signed well."""
    body = encoded(pairs if isinstance(pairs, str) else urlencode(pairs))
    # A type even without a body.
    signing["more"] = [*signing.get("more", []), *([] if body else [("Content-Type", FORM)])]
    signing.setdefault("content_type", FORM)
    return ask(simulator, "POST", target, signed_headers("POST", target, body, **signing), body)


def post_any_form(
    simulator: Simulator, target: str, pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Posts a form of any characters by way of `requests`, and answers with the reply."""
    auth = SNWS2Auth(TOKEN, SECRET, clock=lambda: NOW)
    with simulator.session() as session:
        reply = session.post(IN_PROCESS_URL + target, data=list(pairs), auth=auth)
    assert reply.status_code == 200, reply.text
    data: dict[str, Any] = reply.json()["data"]
    return data


def accepting(value: str) -> list[tuple[str, str]]:
    return [("Accept", value)]


def of_cbor(answer: Answer) -> Any:  # noqa: ANN401 - CBOR of any kind
    assert answer.header("Content-Type") == "application/cbor"
    return cbor2.loads(answer.body)


def of_any_type(answer: Answer) -> Any:  # noqa: ANN401 - JSON or CBOR of any kind
    return answer.json if answer.header("Content-Type") == JSON else of_cbor(answer)


def ids(answer: Answer) -> list[int]:
    """The ids of a list reply."""
    assert answer.status == 200, answer.body
    return [each["id"] for each in answer.json.get("data", [])]


def routes(simulator: Simulator, prefix: str) -> dict[str, Route]:
    """The routes whose names begin like that, by the rest of their names."""
    found = SolarUser(shared_of(simulator), lambda _: None).routes
    return {each.name.removeprefix(prefix): each for each in found if each.name.startswith(prefix)}


def states(simulator: Simulator) -> list[tuple[str, int | None, str | None]]:
    """Which party told of which state of which instruction."""
    entries: tuple[Entry, ...] = simulator.journal.entries(kind="state")
    return [(entry.party, entry.instruction_id, entry.state) for entry in entries]

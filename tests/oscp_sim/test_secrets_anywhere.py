"""What the simulator knows to be secret, sent anywhere: no page, report or file of it shows it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from oscp_send import SNWS2Auth
from oscp_sim import Simulator
from oscp_sim.clock import FastClock
from oscp_sim.control import OPERATIONS
from oscp_sim.inspector import inspector
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.recording.har import har
from oscp_sim.report import listeners
from oscp_sim.report.session import tell_session
from oscp_sim.saved_journal import SavedJournal
from tests.effort import examples
from tests.oscp_sim.peers import START

OF_TOKEN: Final = "a+secret/of 'mine' & \"more\""
OF_CLIENT: Final = "the~client\\secret<é>"
OF_ISSUER: Final = "issuer-secret-0001"
CONTROL: Final = "control-token-0001"
OF_PROVIDER: Final = "provider:token=0001"
OF_OPTIMIZER: Final = "0123456789abcdef0123456789abcdef"
WORLD: Final = {
    "users": [
        {
            "id": 42,
            "tokens": [{"id": "rehearsal-token-0001", "secret": OF_TOKEN}],
            "nodes": [1],
            "capacity_providers": [
                {
                    "id": 3,
                    "name": "Grid",
                    "token": OF_PROVIDER,
                    "service_props": {
                        "oauth-token-url": f"{IN_PROCESS_URL}/oauth/token",
                        "oauth-client-id": "me",
                        "oauth-client-secret": OF_CLIENT,
                    },
                    "flexibility_provider_client": {"id": "grid", "secret": OF_ISSUER},
                }
            ],
            "capacity_optimizers": [
                {"id": 1, "name": "Depot", "flexibility_provider_token": OF_OPTIMIZER}
            ],
            "capacity_groups": [
                {
                    "id": 19,
                    "identifier": "foo-group",
                    "capacity_provider": 3,
                    "capacity_optimizer": 1,
                }
            ],
        }
    ]
}
ADD: Final = "/solaruser/api/v1/sec/instr/add/OSCP_v20"
PLACES: Final = (
    ADD,
    "/solaruser/api/v1/sec/instr/view",
    "/solaruser/api/v1/sec/user/oscp/capacity-providers",
    "/oscp/fp/2.0/heartbeat",
    "/oscp/cp/2.0/heartbeat",
    "/oscp/co/2.0/heartbeat",
    "/oauth/token",
    "/nobody/is/here",
)


class Told:
    """A simulator with secrets, and what it tells of them."""

    def __init__(self, folder: Path) -> None:
        self.simulator = Simulator(WORLD, clock=FastClock(START), control_token=CONTROL)
        self.simulator.add_pages(partial(inspector, self.simulator))
        self._folder = folder

    def granted(self) -> str:
        """Return an access token that a client is granted."""
        form = {
            "grant_type": "client_credentials",
            "client_id": "me",
            "client_secret": OF_CLIENT,
        }
        answer = self.ask("POST", "/oauth/token", data=form)
        token: str = answer.json()["access_token"]
        return token

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:  # noqa: ANN401
        return self.simulator.session().request(method, IN_PROCESS_URL + path, **more)

    def send(self, action: str, msg: str, headers: Mapping[str, str]) -> None:
        values = {"coId": "1", "cgIdentifier": "foo-group", "action": action, "msg": msg}
        params = [{"name": name, "value": value} for name, value in values.items()]
        auth = SNWS2Auth("rehearsal-token-0001", OF_TOKEN, clock=self.simulator.clock.now)
        body = {"nodeId": 1, "params": params}
        self.ask("POST", ADD, json=body, headers=headers, auth=auth)

    def everything(self) -> Iterator[tuple[str, str]]:
        """Yield all that can be read of it, and where."""
        last = self.simulator.journal.last
        paths = [each.path for each in OPERATIONS if each.method == "GET"]
        paths += [f"/_sim/{each}" for each in ("rows", "plots", "scenario.yaml", "session.har")]
        paths += ["/_sim/session.html", *(f"/_sim/entries/{each + 1}" for each in range(last))]
        paths += [f"/_sim/entries/{last}/step"]
        own = {"Authorization": f"Bearer {CONTROL}"}
        for path in paths:
            of = "3" if "providers" in path else "1"
            shown = self.ask("GET", path.replace("<id>", of), headers=own).text
            yield path, shown
        lines = self.ask("GET", "/_sim/journal", headers={**own, "Accept": "text/plain"})
        yield "journal as text", lines.text
        yield from self._files()

    def _files(self) -> Iterator[tuple[str, str]]:
        entries = self.simulator.journal.entries()
        yield "repr", repr(entries)
        yield "str", "\n".join(map(str, entries))
        saved = SavedJournal.of(self.simulator.shared)
        yield (
            "saved",
            "".join(each if isinstance(each, str) else each.decode() for each in saved.lines()),
        )
        yield "HAR", har(entries, "1")
        kinds = {"json": "r.json", "junit": "r.xml", "html": "page"}
        asked = [f"{kind}={self._folder / name}" for kind, name in kinds.items()]
        tell_session(self.simulator.shared, 1.0, listeners(asked))
        for name in ("r.json", "r.xml", "page/index.html"):
            yield name, (self._folder / name).read_text(encoding="utf-8")


def _spelled(secret: str) -> set[str]:
    """Return how a secret may be written where it is read."""
    in_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    twice = {json.dumps(each)[1:-1] for each in in_json}
    in_url = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, *in_json, *twice, *in_url, *map(_lower, in_url)}


def _lower(url: str) -> str:
    return re.sub("%..", lambda found: found[0].lower(), url)


def _basic(name: str, secret: str) -> str:
    return base64.b64encode(f"{name}:{secret}".encode()).decode()


WRITTEN: Final[Mapping[str, Callable[[str], str]]] = {
    "as it is": str,
    "in JSON": lambda secret: json.dumps({"a": secret}),
    "in JSON in JSON": lambda secret: json.dumps({"a": json.dumps([secret])}),
    "in JSON with all escaped": lambda secret: json.dumps(secret).replace("/", "\\/"),
    "as a name in JSON": lambda secret: json.dumps({secret: 1}, ensure_ascii=False),
    "in a form": lambda secret: urlencode({"a": secret}),
    "in a path": lambda secret: quote(secret, safe=""),
    "in a path, in small letters": lambda secret: _lower(quote(secret, safe="")),
    "among words": lambda secret: f"this is {secret}, they say",
}
KNOWN: Final = (
    OF_TOKEN,
    OF_CLIENT,
    OF_ISSUER,
    CONTROL,
    OF_PROVIDER,
    OF_OPTIMIZER,
    _basic("me", OF_CLIENT),
    _basic("grid", OF_ISSUER),
    "granted",
)


SENT: Final = st.tuples(
    st.sampled_from(KNOWN),
    st.sampled_from(tuple(WRITTEN)),
    st.sampled_from(PLACES),
    st.sampled_from(["X-Api-Key", "X-Made-Up", "User-Agent", "X-Request-ID", "Accept"]),
)


@settings(max_examples=examples(3))
@given(st.lists(SENT, min_size=3, max_size=8, unique=True))
def test_nothing_shows_a_secret(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[str, str, str, str]]
) -> None:
    told = Told(tmp_path_factory.mktemp("told"))
    with told.simulator:
        token = told.granted()
        for secret, written, place, name in sent:
            text = WRITTEN[written](token if secret == "granted" else secret)
            headers = {name: text} if text.isascii() else {}
            told.ask("POST", place, data=text.encode(), headers=headers)
            told.ask("GET", f"{place}?a={quote(text)}&b={text if text.isalnum() else 1}")
            told.ask("POST", place, data={"msg": text, text: "1"}, headers=headers)
            told.send("Handshake", json.dumps({"a": text}), headers)
            told.send(text, "{}", headers)
        told.simulator.settle(10)
        hidden = {each for secret, *_ in sent for each in _spelled(secret)} - {"granted"}
        for where, shown in told.everything():
            assert not [each for each in (*hidden, *_spelled(token)) if each in shown], where


@pytest.mark.parametrize("written", WRITTEN)
def test_nor_in_any_spelling(written: str) -> None:
    """What a secret cannot be read from is told apart from what it can."""
    with Simulator(WORLD, control_token=CONTROL) as simulator:
        for secret in KNOWN[:-1]:
            text = WRITTEN[written](secret)
            for each in (text, json.dumps(text), quote(text), quote(json.dumps([text]))):
                shown = simulator.journal.redact(each)
                assert shown != each
                assert not [one for one in _spelled(secret) if one in shown]


def test_nor_does_a_page_that_tells_of_faults_or_refuses(tmp_path: Path) -> None:
    told = Told(tmp_path)
    own = {"Authorization": f"Bearer {CONTROL}"}
    with told.simulator:
        rule = {"where": "solaruser", "fault": "status", "status": 503, "body": OF_ISSUER}
        pages = [
            told.ask("POST", "/_sim/faults", json=rule, headers=own),
            told.ask("GET", "/_sim/faults", headers=own),
            told.ask("POST", "/_sim/faults", json={OF_ISSUER: 1}, headers=own),
            told.ask("GET", f"/_sim/journal?{OF_ISSUER}=1", headers=own),
            told.ask("POST", "/_sim/verify", json={"path": f"/{OF_ISSUER}"}, headers=own),
        ]
        for page in pages:
            assert OF_ISSUER not in page.text
            assert "[redacted]" in page.text


def test_a_secret_that_is_given_by_configuration_is_known_from_then_on(tmp_path: Path) -> None:
    told, given_later = Told(tmp_path), "given-by-configuration"
    path = "/solaruser/api/v1/sec/user/oscp/capacity-providers/3"
    with told.simulator:
        auth = SNWS2Auth("rehearsal-token-0001", OF_TOKEN, clock=told.simulator.clock.now)
        new = {
            "name": "Grid",
            "enabled": True,
            "registrationStatus": "r",
            "serviceProps": {"oauth-client-id": "me", "oauth-client-secret": given_later},
        }
        assert told.ask("PUT", path, json=new, auth=auth).status_code == 200
        told.ask("GET", "/nobody", headers={"X-Made-Up": given_later})
        assert not [where for where, shown in told.everything() if given_later in shown]


@pytest.mark.parametrize("unit", ["\\", "%2", "&", "\\u002", "a", '"', "\\/", "%2B"])
def test_a_long_text_takes_no_longer_than_it_is(tmp_path: Path, unit: str) -> None:
    """A quarter of a million characters end in good time, or this test never does."""
    told = Told(tmp_path)
    text = unit * (250_000 // len(unit))
    with told.simulator:
        token = told.granted()
        shown = told.simulator.journal.redact(f"{text} {OF_CLIENT} {token}")
    assert shown == f"{text} [redacted] [redacted]"

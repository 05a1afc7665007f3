"""Put recorded requests to a simulator again, and hold its answers against the recorded ones.

`python -m tests.recorded.replay` says how many are the same, and shows by cause what is not;
`--write` keeps what is not as the known differences, which the tests hold us to; a reason that is
written there stays.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import re
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from oscp_send.fidelity import Behaviour
from oscp_send.solarnetwork.decoding import decode
from oscp_sim import FrozenClock, Simulator
from oscp_sim.http import Request, Response
from oscp_sim.instructions import QueuedMessage
from oscp_sim.outgoing import IN_PROCESS_URL
from tests.oscp_sim.peers import provider_of
from tests.oscp_sim.rig import Provider, canonical, post, shared_of, signature

_HERE: Final = Path(__file__).parent
KNOWN: Final = _HERE / "known-differences.tsv"
_FP_NOW: Final = datetime.fromisoformat("2026-11-28T22:35:16Z")
_HOST: Final = "127.0.0.1:8920"
_PORT_OF_PROVIDERS: Final = "http://127.0.0.1:59902"
# The services ran without the job that looks for instructions which nobody claims.
_AS_RUN: Final = Behaviour("observed", {"stale_queuing": "documented"})
# The segment in which there was an instruction already.
_USED_BEFORE: Final = 3
# Seconds until an answer must be there.
_PATIENCE: Final = 20.0
# Seconds by which the clock goes on, and that we wait for an answer before it does again; by so few
# once the next request was sent.
_STEP: Final = 0.5
_GLANCE: Final = 0.002
_CREEP: Final = 0.01
_HEADERS: Final = (
    "accept",
    "accept-patch",
    "allow",
    "content-encoding",
    "content-type",
    "location",
    "vary",
    "www-authenticate",
    "x-error-message",
    "x-sn-errormessage",
)


def _as_ids(found: re.Match[str]) -> str:
    return ",".join(["<id>"] * (found[0].count(",") + 1))


# What is another one each time: instants of that day, ids, tokens, hashes of Java objects.
_FLEETING: Final = (
    # In CBOR, a byte before it says how long it is.
    (
        re.compile(r"(?:x[\x10-\x1f])?2026-11-2[89]([ T])\d\d:\d\d:\d\d(\.\d+)?(Z| GMT)?"),
        r"<time\1\3>",
    ),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    # In the properties of a date of Java's, in XML.
    (re.compile(r'(minutes|seconds|time)="\d+"'), r'\1="<time>"'),
    (re.compile(r"@[0-9a-f]{6,8}\b"), "@<hash>"),
    (re.compile(r'("(?:id|configId|\w*(?:Provider|Optimizer|[gG]roup)Id)"\s*:\s*)\d+'), r"\1<id>"),
    # An instruction's, as an attribute in XML and in a row of CSV.
    (re.compile(r'( id=")\d+(" nodeId=)|(Z>,)\d+(,"Instruction\{)'), r"\1\3<id>\2\4"),
    (re.compile(r'("token"\s*:\s*)"[^"]*"'), r'\1"<token>"'),
    (re.compile(r"instruction \d+"), "instruction <id>"),
    (re.compile(r'(?<="data":\[)\d+(,\d+)*(?=\])'), _as_ids),
    (re.compile(r"(/capacity-\w+|/assets)/\d+"), r"\1/<id>"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers that say what the body is, and the body in plain text."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A recorded answer beside ours; `cause` says why they differed when it was recorded."""

    id: str
    cause: str
    recorded: Answer
    ours: Answer

    @property
    def same(self) -> bool:
        """Whether nothing differs but what is another one each time."""
        return self.recorded == self.ours


def solaruser() -> Iterator[Compared]:
    """Replay what SolarUser was asked, in each segment with a service of its own."""
    lines = _lines("solaruser.jsonl.gz")
    for segment in sorted({line["segment"] for line in lines}):
        clock = FrozenClock(datetime.fromisoformat(lines[0]["at"]))
        world = _HERE / "solaruser-world.yaml"
        with Simulator(
            world, clock=clock, fidelity=_AS_RUN, plays=["solaruser"], strict_dates=True
        ) as simulator:
            if segment == _USED_BEFORE:
                _use_first_number(simulator, clock.now())
            replay = _Replay(simulator.url, clock)
            of_segment = [line for line in lines if line["segment"] == segment]
            for line, following in zip_longest(of_segment, of_segment[1:]):
                clock.advance(max(0, _seconds_until(line["at"], clock)))
                yield from replay.compared(line, line, following["at"] if following else None)


def flexibility_provider() -> Iterator[Compared]:
    """Replay what the Flexibility Provider was asked by systems."""
    with Provider() as sink:
        url = sink.url.removesuffix("/cp")
        world = (_HERE / "fp-world.yaml").read_text().replace(_PORT_OF_PROVIDERS, url)
        clock = FrozenClock(_FP_NOW)
        with Simulator(
            world, clock=clock, fidelity="observed", plays=["solaruser", "flexibility_provider"]
        ) as simulator:
            replay = _Replay(simulator.url, clock)
            for line in _lines("flexibility_provider.jsonl.gz"):
                request = dict(line["request"])
                request["body"] = (request["body"] or "").replace("@SINK@", url)
                request["body"] = request["body"].replace("@PORT@", url.rsplit(":")[-1])
                yield from replay.compared(line, request)


def _use_first_number(simulator: Simulator, now: datetime) -> None:
    declined = {"nodeId": 20, "params": {"p": "x" * 273}}
    post(simulator, declined, token="emptyuser-token-0001", secret="empty-secret", when=now)


def oscp_sim_cp() -> Iterator[Compared]:
    """Replay what SolarNetwork's own Capacity Provider simulator was asked."""
    provider = {"id": 1, "name": "oscp-sim-cp", "token": "cp-in", "profile": "oscp-sim-cp"}
    group = {"id": 1, "identifier": "foo-group", "capacity_provider": 1, "capacity_optimizer": 1}
    optimizer = {"id": 1, "name": "Depot"}
    user = {"id": 42, "capacity_providers": [provider], "capacity_optimizers": [optimizer]}
    world = {"users": [{**user, "capacity_groups": [group]}]}
    clock = FrozenClock(_FP_NOW)
    with Simulator(world, clock=clock, plays=["capacity_provider"]) as simulator:
        replay = _Replay(simulator.url, clock)
        for line in _lines("oscp-sim-cp.jsonl.gz"):
            request = {**line["request"], "body": line["request"]["body"] or ""}
            yield from replay.compared(line, request)


def instructions() -> Iterator[Compared]:
    """Replay the messages of the queue, each to a provider that answers as its URL says."""
    with Provider() as plain, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        places = {
            "http://127.0.0.1:5990[12]": IN_PROCESS_URL,
            "127.0.0.1:5990[12]": plain.url.removeprefix("http://").removesuffix("/cp"),
            "127.0.0.1:59999": f"127.0.0.1:{closed.getsockname()[1]}",
            # Another had this one when it was about other requests.
            '("name": "cp37".*"base_url": )null': r'\1"not a url"',
        }
        clock = FrozenClock(_FP_NOW)
        world = _at((_HERE / "fp-world.yaml").read_text(), places)
        with Simulator(
            world, clock=clock, fidelity="observed", plays=["solaruser", "flexibility_provider"]
        ) as simulator:
            shared = shared_of(simulator)
            shared.outgoing.handle = _as_its_url_says
            for line in _lines("fp-instructions.jsonl.gz"):
                row = shared.instructions.add(
                    node_id=420, topic="OSCP_v20", pieces=(), state="Queuing", result={}
                )
                action, group = line["action"], line["cgIdentifier"]
                content = decode(action, line["msg"], shared.behaviour)
                provider_of(simulator)(QueuedMessage(row.id, 420, 42, action, 1, group, content))
                clock.advance(30)
                ended = shared.instructions.get(row.id)
                assert ended is not None
                real, result = line["real"], json.dumps(ended.result, separators=(",", ":"))
                yield Compared(
                    line["id"],
                    "",
                    Answer(0, (("state", real["state"]),), _at(real["result"] or "{}", places)),
                    Answer(0, (("state", ended.state),), result),
                )


def _at(text: str, places: dict[str, str]) -> str:
    for recorded, here in places.items():
        text = re.sub(recorded, here, text)
    return text


def _as_its_url_says(request: Request) -> Response:
    what = request.path.split("/")[1]
    if what in {"s302", "s307"}:
        return Response(int(what[1:]), (("Location", "/moved"),))
    if what == "f403":
        return Response(403, body=b'{"message":"no"}')
    if what == "f403b":
        return Response(403, body=b"no" * 200)
    statuses = {"s200": 200, "s202": 202, "fail": 500}
    seconds = {"slow19": 19.0, "slow21": 21.0}
    return Response(statuses.get(what, 204), after=seconds.get(what, 0.0))


class _Replay:
    """Sends recorded requests as they were, but for ids that ours differ in."""

    def __init__(self, url: str, clock: FrozenClock) -> None:
        self._port = int(url.rsplit(":", 1)[1])
        self._clock = clock
        # By what they are called and were: a name may be used again.
        self._ids: dict[tuple[str, str], str] = {}

    def compared(
        self, line: dict[str, Any], request: dict[str, Any], until: str | None = None
    ) -> Iterator[Compared]:
        """Send a request, and yield how its answer compares, where one was recorded.

        By `until`, the instant of the next request, its answer was there.
        """
        waits = line.get("frozen_clock") is False and "/instr/exec" in line["target"]
        adapted = self._adapted(request)
        ours = self._waited_for(adapted, until) if waits else self._sent(adapted)
        for name, recorded in line.get("captures", {}).items():
            found = re.search(r'"(?:id|configId)":(\d+)', ours.body) if ours.status < 300 else None
            self._ids[name, str(recorded)] = found[1] if found else str(recorded)
        if line.get("answer") is not None:
            recorded = _recorded(line["answer"])
            if "\ufffd" in recorded.body:
                # Its bytes that are no text were lost when it was recorded.
                lossy = ours.body.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                ours = replace(ours, body=lossy)
            yield Compared(line["id"], line.get("cause", ""), _plain(recorded), _plain(ours))

    def _adapted(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with our ids in the place of the recorded ones, signed again."""
        theirs = {name: str(value) for name, value in request.get("uses", {}).items()}
        if all(self._ids.get(each, each[1]) == each[1] for each in theirs.items()):
            return request
        adapted = dict(request)
        for key in ("target", "body"):
            text = request.get(f"{key}_template", request[key])
            for name, value in theirs.items():
                text = text.replace(f"{{{{{name}}}}}", self._ids.get((name, value), value))
            adapted[key] = text
        if "signed_by" in request and "signed_specially" not in request:
            adapted["headers"] = _signed(adapted)
        return adapted

    def _waited_for(self, request: dict[str, Any], until: str | None) -> Answer:
        """Send a request whose answer takes time, and let time go on until it is there."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self._sent, request)
            while not wait([answer], _GLANCE).done:
                left = _STEP if until is None else _seconds_until(until, self._clock)
                # On a busy machine it may be the answer that is late, not the time.
                self._clock.advance(max(_CREEP, min(_STEP, left)))
        return answer.result()

    def _sent(self, request: dict[str, Any]) -> Answer:
        with socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE) as connection:
            # A server may answer, and hang up, before it has read it all.
            with contextlib.suppress(OSError):
                connection.sendall(_raw(request))
            response = http.client.HTTPResponse(connection, method=request["method"])
            try:
                response.begin()
                body = response.read()
            except (http.client.HTTPException, OSError) as error:
                return Answer(0, (), type(error).__name__)
        headers = response.getheaders()
        if response.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return Answer(response.status, tuple(headers), body.decode("utf-8", "surrogateescape"))


def _raw(request: dict[str, Any]) -> bytes:
    body = _bytes(request["body"])
    headers = [tuple(each) for each in request["headers"]]
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        headers.insert(0, ("Host", _HOST))
    if request.get("chunked"):
        headers.append(("Transfer-Encoding", "chunked"))
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    elif {"transfer-encoding", "chunked"} <= {*names, *(v for _, v in headers)}:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    elif body and "content-length" not in names and request.get("content_length") is not False:
        headers.append(("Content-Length", str(len(body))))
    if "connection" not in names:
        headers.append(("Connection", "close"))
    version = request.get("version", "HTTP/1.1")
    head = [f"{request['method']} {request['target']} {version}"]
    head += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*head, "", ""]).encode("latin-1", "replace") + body


def _signed(request: dict[str, Any]) -> list[list[str]]:
    """Return a request's headers with the signature that its changed target or body needs."""
    token, secret = request["signed_by"]
    headers = [tuple(each) for each in request["headers"] if each[0] != "Authorization"]
    given = dict(headers)
    when = datetime.strptime(given["X-SN-Date"], "%a, %d %b %Y %H:%M:%S %Z").astimezone()
    when = when.replace(tzinfo=datetime.fromisoformat(request["at"]).tzinfo)
    names = sorted({"host", *(name.lower() for name, _ in headers)} & _TO_SIGN)
    body = _bytes(request["body"])
    form = "form" in given.get("Content-Type", "")
    text = canonical(
        request["method"],
        request["target"],
        [("Host", _HOST), *headers],
        names,
        body,
        body.decode() if form else "",
    )
    made = signature(secret, when, text)
    value = f"SNWS2 Credential={token},SignedHeaders={';'.join(names)},Signature={made}"
    return [*map(list, headers), ["Authorization", value]]


_TO_SIGN: Final = frozenset({"host", "x-sn-date", "content-type", "digest", "content-md5"})


def _recorded(answer: dict[str, Any]) -> Answer:
    headers = tuple((name, value) for name, value in answer["headers"])
    body = _bytes(answer["body"])
    if dict(headers).get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
        body = gzip.GzipFile(fileobj=BytesIO(body)).read()
    return Answer(answer["status"], headers, body.decode("utf-8", "surrogateescape"))


def _plain(answer: Answer) -> Answer:
    headers = sorted(
        (name.lower(), _without_fleeting(value))
        for name, value in answer.headers
        if name.lower() in _HEADERS
    )
    return Answer(answer.status, tuple(headers), _in_one_order(_without_fleeting(answer.body)))


def _in_one_order(text: str) -> str:
    """Sort what validation found: two like requests were answered in both orders."""
    if '"errors":[' not in text:
        return text
    content = json.loads(text)
    found = sorted(content["errors"], key=json.dumps)
    if content["message"] == " ".join(each["message"] for each in content["errors"]):
        content["message"] = " ".join(each["message"] for each in found)
    return json.dumps(content | {"errors": found})


def _without_fleeting(text: str) -> str:
    for pattern, stand_in in _FLEETING:
        text = pattern.sub(stand_in, text)
    return text


def _bytes(text: str) -> bytes:
    if text.startswith("base64:"):
        return base64.b64decode(text.removeprefix("base64:"))
    return text.encode()


def _seconds_until(at: str, clock: FrozenClock) -> float:
    return (datetime.fromisoformat(at) - clock.now()).total_seconds()


def _lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(_HERE / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def known_differences(service: str) -> dict[str, str]:
    """Return the recorded exchanges that we answer otherwise, by id, with the cause of each."""
    rows = (line.split("\t") for line in KNOWN.read_text(encoding="utf-8").splitlines())
    return {id_: cause for of, id_, cause in rows if of == service}


SERVICES: Final = {
    "solaruser": solaruser,
    "flexibility_provider": flexibility_provider,
    "instructions": instructions,
    "oscp_sim_cp": oscp_sim_cp,
}


def main() -> None:
    """Print how many answers are the same, and examples of those that are not, by cause."""
    rows = []
    for service, replay in SERVICES.items():
        compared = list(replay())
        differing = [each for each in compared if not each.same]
        statuses = sum(each.recorded.status != each.ours.status for each in differing)
        same = len(compared) - len(differing)
        sys.stdout.write(
            f"{service}: {same} of {len(compared)} the same, the status differs in {statuses}\n"
        )
        for cause, count in Counter(each.cause for each in differing).most_common():
            sys.stdout.write(f"  {count:4} {cause or 'no cause noted'}\n")
        known = known_differences(service)
        rows += [
            f"{service}\t{each.id}\t{known.get(each.id) or each.cause or 'not looked into yet'}"
            for each in differing
        ]
        if "--show" in sys.argv:
            for each in differing:
                sys.stdout.write(f"\n{each.id}\n  {each.recorded}\n  {each.ours}\n"[:1600])
    if "--write" in sys.argv:
        KNOWN.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()

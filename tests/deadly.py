"""What reads bytes of somebody else's, each as one function that takes any bytes.

It ends well, or with an error that is documented; anything else is a mistake of ours, and so is a
second of work or 200 MB of memory for one input. The tests give them bytes of hypothesis,
`python -m tests.fuzz` gives them those of atheris.
"""

from __future__ import annotations

import json
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from click.testing import CliRunner
from hypothesis import strategies as st

from oscp_send.answers import Answer, Reply
from oscp_send.cli import main
from oscp_send.errors import OscpSendError, SettingsError
from oscp_send.settings import load_settings
from oscp_send.values import InvalidValue
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.faults import load_faults
from oscp_sim.http import Request
from oscp_sim.keep import StateFile, StateFileError
from oscp_sim.recording import Unrecordable, record
from oscp_sim.recording.har import har
from oscp_sim.saved_journal import open_journal
from oscp_sim.scenario.lint import lint
from oscp_sim.scenario.read import load_expectation, load_scenarios
from oscp_sim.shared import Limits
from oscp_sim.world import load_world
from oscp_sim.yaml_source import SourceError
from tests.nasty import (
    BODY,
    EXPECT_TEXT,
    FAULTS_TEXT,
    GOOD,
    JOURNAL_TEXT,
    KEPT_TEXT,
    MESSAGE,
    NASTY,
    RAW,
    REPLY,
    SCENARIO_TEXT,
    SNWS2,
    WORLD_TEXT,
    spoilt,
)
from tests.oscp_sim.configuration_api import BASE as CONFIGURATION
from tests.oscp_sim.rig import ADD, FORM, JSON, NOW, VIEW, signed_headers

if TYPE_CHECKING:
    from types import FrameType

try:
    import resource
except ImportError:
    # Windows has none: there, memory is not measured.
    resource = None  # type: ignore[assignment]

Take = Callable[[bytes], object]

MOST_SECONDS: Final = 1.0
MOST_BYTES: Final = 200_000_000
_EVENTS: Final = "/solaruser/api/v1/sec/user/events?startDate=2020-01-01&endDate=2030-01-01"


class TooMuch(BaseException):
    """Raised where one input takes too long, or too much memory; no product code catches it."""


@contextmanager
def limited() -> Iterator[None]:
    """Let what is done take a second of the processor's time and 200 MB, and no more."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooMuch(f"it takes more than {MOST_SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    _forget_peak()
    held = _peak()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    if _peak() - held > MOST_BYTES:
        raise TooMuch(f"it takes {(_peak() - held) / 1e6:.0f} MB")


def _peak() -> int:
    """Return the bytes that this process has had at most, since `_forget_peak` where that works."""
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if resource else 0


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@dataclass(frozen=True)
class Target:
    """Something that reads bytes.

    Attributes:
        opened: Makes the function, and closes what it needs.
        valid: Inputs that are good, to be spoilt.
        kinds: What is nasty to it, besides what is nasty to anything.
    """

    opened: Callable[[], AbstractContextManager[Take]]
    valid: Sequence[bytes]
    kinds: tuple[str, ...] = ("JSON",)


def _says(error: Exception, path: Path | None = None) -> None:
    """Check that an error has a text for people, which names its file."""
    text = str(error)
    assert text, repr(error)
    assert path is None or str(path) in text, text


# What reads files.


def _of_file(
    name: str, read: Callable[[Path], object], *errors: type[Exception]
) -> Callable[[], AbstractContextManager[Take]]:
    """Return a target that writes bytes to a file and has it read."""

    @contextmanager
    def opened() -> Iterator[Take]:
        with TemporaryDirectory() as folder:
            path = Path(folder, name)

            def take(data: bytes) -> None:
                path.write_bytes(data)
                try:
                    read(path)
                except errors as error:
                    _says(error, path)

            yield take

    return opened


def _check(*options: str) -> Callable[[], AbstractContextManager[Take]]:
    """Return `oscp-send check`, which reads a message or a whole request body."""

    @contextmanager
    def opened() -> Iterator[Take]:
        def take(data: bytes) -> None:
            arguments = ["check", "-", "--format", "json", *options]
            result = CliRunner().invoke(main, arguments, input=data, catch_exceptions=False)
            assert result.exit_code in {0, 1, 2}, result.output
            assert result.exit_code == 2 or json.loads(result.stdout)

        yield take

    return opened


@contextmanager
def _answer() -> Iterator[Take]:
    """What the client makes of an answer, which may come from no SolarUser at all."""

    def take(data: bytes) -> None:
        for status in (200, 422, 503):
            reply = Reply(status, "", {}, data)
            reply.service_time()
            for read in (Answer.instruction, Answer.instruction_or_none, Answer.instructions):
                try:
                    read(Answer(reply))
                except OscpSendError as error:
                    _says(error)

    yield take


def _load_settings(path: Path) -> None:
    try:
        load_settings(file=path, environ={})
    except SettingsError as error:
        # One that names a setting alone is about it, wherever it was given.
        _says(error)


def _read_scenario(path: Path) -> None:
    lint([path])
    load_scenarios([path])


def _read_faults(path: Path) -> None:
    for rule in load_faults(path):
        str(rule)


def _read_journal(path: Path) -> None:
    saved = open_journal(path)
    har(saved.entries, "1")
    for entry in saved.entries:
        str(entry)
    try:
        record(saved, "deadly")
    except Unrecordable as error:
        _says(error)


def _recall(path: Path) -> None:
    simulator = Simulator()
    with StateFile(path).kept(simulator.remembered, simulator.recall):
        pass


@contextmanager
def _csv() -> Iterator[Take]:
    """A table of a forecast, as the text itself or as a file."""
    with _simulator() as simulator, TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")

        def take(data: bytes) -> None:
            path.write_bytes(data)
            for given in (data.decode("utf-8", "surrogateescape"), path):
                try:
                    simulator.provider(3).forecast(csv=given)
                except (SourceError, InvalidValue) as error:
                    _says(error)

        yield take


# What answers requests.

_Made = tuple[str, str, list[tuple[str, str]], bytes]


@contextmanager
def _simulator() -> Iterator[Simulator]:
    """A simulator that forgets what is long past."""
    limits = Limits(journal=20, instructions=20, events=20, messages=5)
    with Simulator(clock=FrozenClock(NOW), limits=limits) as simulator:
        yield simulator


class _Failures(logging.Handler):
    """Keeps what a party did not expect: it logs that before it answers with 500."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


@contextmanager
def _failures() -> Iterator[list[str]]:
    handler, logger = _Failures(), logging.getLogger("oscp_sim")
    logger.addHandler(handler)
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)


def _asked(*made: Callable[[bytes], _Made]) -> Callable[[], AbstractContextManager[Take]]:
    """Return a target that puts bytes into requests, and then reads all that is known of them."""

    @contextmanager
    def opened() -> Iterator[Take]:
        with _simulator() as simulator, _failures() as failures:

            def take(data: bytes) -> None:
                before = simulator.journal.last
                for make in made:
                    _ask(simulator, *make(data))
                for entry in simulator.journal.entries(since=before):
                    json.dumps([str(entry), entry.to_dict()])
                json.dumps(simulator.provider(3).to_dict())
                simulator.faults.clear()
                assert not failures, failures.pop()

            yield take

    return opened


def _ask(
    simulator: Simulator, method: str, target: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    sent = [(name.lower(), value) for name, value in headers]
    sent.append(("content-length", str(len(body))))
    simulator.handle(Request(method, target, tuple(sent), body))


def _with_header(name: str) -> Callable[[bytes], _Made]:
    def made(data: bytes) -> _Made:
        headers = [pair for pair in signed_headers("GET", f"{VIEW}?id=1") if pair[0] != name]
        # As a server makes a header of bytes: one line, without blanks around it.
        text = data.decode("latin-1").replace("\r", "").replace("\n", "").strip(" \t")
        return "GET", f"{VIEW}?id=1", [*headers, (name, text)], b""

    return made


def _signed(target: str, content_type: str = JSON) -> Callable[[bytes], _Made]:
    def made(data: bytes) -> _Made:
        # What signs here knows forms of ASCII only.
        body = quote(data, safe="&=%+;.[]*~").encode() if content_type == FORM else data
        return "POST", target, signed_headers("POST", target, body, content_type=content_type), body

    return made


def _with_filter(data: bytes) -> _Made:
    target = f"{_EVENTS}&searchFilter={quote(data, safe='')}"
    return "GET", target, signed_headers("GET", target, more=[("Accept", "*/*")]), b""


def _to_system(path: str) -> Callable[[bytes], _Made]:
    headers = [("Host", "h"), ("Authorization", "Token cp-token"), ("X-Request-ID", "r")]
    headers.append(("Content-Type", JSON))
    return lambda data: ("POST", f"/oscp/cp/2.0{path}", headers, data)


def _to_control(page: str) -> Callable[[bytes], _Made]:
    return lambda data: ("POST", f"/_sim/{page}", [("Host", "localhost")], data)


@contextmanager
def _socket() -> Iterator[Take]:
    """Bytes at the port; whatever they are, the server answers the next one who asks."""
    with _simulator() as simulator, _failures() as failures:
        port = int(simulator.url.rpartition(":")[2])

        def take(data: bytes) -> None:
            found = _said_at(port, data)
            assert not found or found.startswith(b"HTTP/1.1 "), found[:99]
            assert not failures, failures.pop()
            assert _said_at(port, GOOD).startswith(b"HTTP/1.1 200 OK\r\n")

        yield take


def _said_at(port: int, data: bytes) -> bytes:
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while more := connection.recv(65_536):
                received += more
    return received


# All of them.

TARGETS: Final[Mapping[str, Target]] = {
    "message file": Target(_check("--action", "AdjustGroupCapacityForecast"), (MESSAGE,)),
    "request file": Target(_check(), (BODY,)),
    "settings": Target(
        _of_file("oscp-send.toml", _load_settings),
        (b'url = "https://data.example"\ntoken = "t"\nsecret = "s"\nnode_id = 1\nco_id = 2\n',),
        ("TOML",),
    ),
    "answer": Target(_answer, (REPLY, b'{"success": false, "code": "DAO.00101"}')),
    "world": Target(_of_file("w.yaml", load_world, SourceError), (WORLD_TEXT,), ("YAML",)),
    "faults": Target(_of_file("f.yaml", _read_faults, SourceError), (FAULTS_TEXT,), ("YAML",)),
    "scenario": Target(
        _of_file("s.yaml", _read_scenario, SourceError), (SCENARIO_TEXT,), ("YAML",)
    ),
    "expectation": Target(
        _of_file("e.yaml", load_expectation, SourceError), (EXPECT_TEXT,), ("YAML",)
    ),
    "saved journal": Target(
        _of_file("j.jsonl", _read_journal, SourceError), (JOURNAL_TEXT,), ("JSON", "journal")
    ),
    "kept state": Target(_of_file("kept.json", _recall, StateFileError), (KEPT_TEXT,)),
    "table": Target(
        _csv,
        (
            b"start_time,end_time,capacity,unit\n"
            b'2026-01-02T00:00:00Z,2026-01-02T01:00:00Z,"1.5",KW\n',
        ),
        ("table",),
    ),
    "signature": Target(
        _asked(*map(_with_header, ("Authorization", "X-SN-Date", "Digest", "Accept"))),
        (SNWS2, b"Fri, 02 Jan 2026 03:04:05 GMT", b"sha-256=" + b"A" * 43 + b"="),
        ("header",),
    ),
    "instruction": Target(_asked(_signed(ADD)), (BODY,)),
    "form": Target(
        _asked(_signed(ADD, FORM)),
        (b"nodeId=1&parameters%5B0%5D.name=action&parameters%5B0%5D.value=Handshake",),
        ("form",),
    ),
    "configuration": Target(
        _asked(_signed(f"{CONFIGURATION}/capacity-groups"), _signed(f"{CONFIGURATION}/assets")),
        (
            b'{"name": "n", "identifier": "i", "enabled": true, "capacityProviderId": 3,'
            b' "capacityOptimizerId": 1, "capacityProviderMeasurementPeriod": "Hour",'
            b' "capacityOptimizerMeasurementPeriod": "Hour", "serviceProps": {"a": [1]}}',
        ),
    ),
    "event filter": Target(
        _asked(_with_filter), (b"(&(/coId=1)(|(/action=H*)(!(x~=.*))))",), ("filter",)
    ),
    "message": Target(
        _asked(*map(_to_system, ("/adjust_group_capacity_forecast", "/handshake", "/heartbeat"))),
        (MESSAGE, b'{"required_behaviour": {"heartbeat_interval": 60}, "offline_mode_at": "x"}'),
    ),
    "control": Target(
        _asked(*map(_to_control, ("verify", "faults", "world", "providers/3/forecast"))),
        (
            b'{"party": "capacity_provider", "action": "Handshake", "none": true, "since": 0}',
            b'{"where": "solaruser", "fault": "no_answer", "probability": 0.5}',
            b'{"capacities": [1, 2.5], "step": "15m", "start": "2026-01-03T00:00:00Z"}',
        ),
    ),
    "port": Target(_socket, RAW, ("HTTP",)),
}


def nasty_to(target: Target) -> dict[str, bytes]:
    """Return what is known to be nasty to a target."""
    kinds = ("anything", *target.kinds)
    return {f"{kind}: {name}": each for kind in kinds for name, each in NASTY[kind].items()}


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Bytes for a target: any at all, and good ones that are spoilt."""
    return st.one_of(st.binary(max_size=60), *[spoilt(target.valid)] * 4)

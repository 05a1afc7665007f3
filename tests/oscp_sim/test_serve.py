"""`oscp-sim serve`, as a process of its own: the server made for load, started and stopped."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from click.testing import CliRunner

from oscp_send import SolarUserClient
from oscp_sim.cli.main import main
from oscp_sim.world import load_world
from tests.bench.soak import Figures, soak
from tests.oscp_sim.forked import Forked
from tests.oscp_sim.rig import (
    ADD,
    BASE,
    JSON,
    PROVIDER_TOKEN,
    SECRET,
    TOKEN,
    Answer,
    Headers,
    Provider,
    ask_over_network,
    authorization,
    canonical,
    encoded,
    http_date,
    instruction,
    signature,
    signed_headers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.testing import Result

ROOT = Path(__file__).parents[2]
HOST = [("Host", "localhost")]
# What a shell, or nohup, has set to be ignored would be ignored by the program, too.
HEARS = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
PROGRAM = [sys.executable, "-c", f"{HEARS}; from oscp_sim.cli import main; main()", "serve"]


@dataclass
class Served:
    process: subprocess.Popen[str] | Forked
    url: str
    said: list[str]

    def ask(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes = b"",
        chunks: list[bytes] | None = None,
    ) -> Answer:
        return ask_over_network(self.url, method, target, headers, body, chunks=chunks)

    def get(self, target: str) -> Answer:
        return self.ask("GET", target, HOST)

    def post(self, body: bytes, target: str = ADD) -> Answer:
        headers = signed_headers("POST", target, body, when=datetime.now(UTC))
        return self.ask("POST", target, headers, body)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(5)


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _forked(*options: str) -> Forked:
    return Forked("serve", "--port", "0", *options)


@contextmanager
def serving(*options: str, program: Sequence[str] = ()) -> Iterator[Served]:
    process = _started([*program, "--port", "0", *options]) if program else _forked(*options)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        said: list[str] = []
        while not said or "Ctrl-C stops" not in said[-1]:
            said.append(process.stdout.readline())
            assert said[-1], process.stderr.read()
        yield Served(process, "/".join(said[0].split()[-1].split("/")[:3]), said)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as served:
        yield served


# --- start and end -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_from_the_url_file_to_the_signal(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "url.json"
    file.write_text("of another time")
    with serving("--url-file", str(file), "--seed", "7") as served:
        content = json.loads(file.read_text())
        assert content == {"url": served.url, "pid": served.process.pid}
        assert [each.name for each in tmp_path.iterdir()] == ["url.json"]
        umask = os.umask(0o022)
        os.umask(umask)
        assert file.stat().st_mode & 0o777 == 0o666 & ~umask
        assert served.get("/_sim/health").json["seed"] == 7
        assert served.end(number) == 0
        assert not file.exists()
        with pytest.raises(OSError, match="refused"):
            served.get("/_sim/health")
        assert served.process.stderr is not None
        assert served.process.stderr.read() == ""


def test_it_ends_whichever_of_its_threads_the_signal_reaches() -> None:
    tgkill = getattr(ctypes.CDLL(None), "tgkill", None)
    tasks = Path("/proc/self/task")
    if tgkill is None or not tasks.exists():
        pytest.skip("one thread alone can be signalled on Linux only")
    with serving() as served:
        assert served.get("/_sim/health").status == 200
        pid = served.process.pid
        others = {int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()} - {pid}
        assert tgkill(pid, min(others), signal.SIGTERM) == 0
        assert served.process.wait(5) == 0


def test_faults_of_a_file_strike_and_those_that_did_not_are_told_at_the_end(
    tmp_path: Path,
) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(
        "faults:\n"
        "  - {where: solaruser, fault: reset_after, times: 1}\n"
        "  - {where: hand_off, fault: lost, action: Heartbeat}\n"
    )
    report = tmp_path / "report.json"
    with serving("--faults", str(file), "--report", f"json={report}") as served:
        assert any("2 rules" in line for line in served.said)
        with pytest.raises(ConnectionResetError):
            served.get("/solaruser/api/v1/sec/instr/view?id=1")
        assert served.get("/solaruser/api/v1/sec/instr/view?id=1").status == 401
        assert served.end(signal.SIGTERM) == 0
        assert served.process.stderr is not None
        told = served.process.stderr.read()
    assert told.startswith("warning: fault 2 never struck: {where: hand_off, fault: lost")
    (warned,) = json.loads(report.read_text(encoding="utf-8"))["scenarios"][0]["warnings"]
    assert told == f"warning: {warned}\n"
    assert "fault 1" not in told


def test_a_report_of_the_session_is_written_at_its_end(tmp_path: Path) -> None:
    reports = ("--report", f"html={tmp_path}", "--report", f"json={tmp_path / 'report.json'}")
    with serving(*reports, "--seed", "7") as served:
        served.post(encoded(instruction()))
        served.post(encoded(instruction(msg="{")))
        assert list(tmp_path.iterdir()) == []
        assert served.end(signal.SIGTERM) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["seed"], report["passed"]) == (7, 1)
    (step,) = report["scenarios"][0]["steps"]
    assert "SolarUser" in (tmp_path / "index.html").read_text(encoding="utf-8")
    # Nothing was expected of it.
    assert report["scenarios"][0]["verdicts"]["documented"]["text"] == "does not conform"
    assert step["timeline"][0]["path"] == "/solaruser/api/v1/sec/instr/add/OSCP_v20"


def test_the_url_file_of_another_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "url.json"
    with serving("--url-file", str(file)) as first:
        with serving("--url-file", str(file)) as second:
            assert first.end(signal.SIGTERM) == 0
            assert json.loads(file.read_text())["url"] == second.url
            assert second.end(signal.SIGTERM) == 0
        assert not file.exists()


def exec_that_waits() -> bytes:
    """Return a request for the result of an instruction that nobody takes up."""
    body = encoded(instruction())
    target = f"{BASE}/exec/other"
    headers = signed_headers("POST", target, body, when=datetime.now(UTC))
    lines = [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join([f"POST {target} HTTP/1.1", *lines, f"Content-Length: {len(body)}"])
    return f"{head}\r\n\r\n".encode() + body


def test_it_ends_whatever_its_clients_do() -> None:
    said = [
        b"",
        b"GET /_sim/journal?wa",
        b"POST /_sim/reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab",
        b"GET /_sim/journal?since=99&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        exec_that_waits(),
    ]
    with serving("--clock", "frozen") as served, ExitStack() as stack:
        address = ("127.0.0.1", int(served.url.rpartition(":")[2]))
        for each in said:
            stack.enter_context(socket.create_connection(address)).sendall(each)
        assert served.get("/_sim/health").status == 200
        assert served.end(signal.SIGTERM) == 0


STUCK = """
import sys, threading
from oscp_sim import Simulator
from oscp_sim.serve import serve

class Stuck(Simulator):
    def close(self, timeout=None):
        print("closing", flush=True)
        threading.Event().wait()

serve(Stuck(), "127.0.0.1", 0, when_ready=lambda url: print(url, "Ctrl-C stops", flush=True))
"""


def test_a_second_signal_ends_it_at_once() -> None:
    with serving(program=[sys.executable, "-c", STUCK]) as served:
        served.process.send_signal(signal.SIGTERM)
        assert served.process.stdout is not None
        assert served.process.stdout.readline() == "closing\n"
        assert served.end(signal.SIGINT) == -signal.SIGINT


INTERRUPTED = """
import atexit, importlib, signal, sys

# A shell ignores it for what runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, *_):
        if name == sys.argv[2]:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder())
atexit.register(print, "the end of who imports it")
importlib.import_module(sys.argv[1]).main(sys.argv[3:])
"""


SERVE = ("serve", "--port", "0")


@pytest.mark.parametrize(
    "given",
    [
        ("oscp_sim.cli", "click", *SERVE),
        ("oscp_sim.cli", "oscp_sim.cli.serve", *SERVE),
        ("oscp_sim.cli", "oscp_sim.server", *SERVE),
        ("oscp_send.cli", "click", "schema"),
    ],
)
def test_while_it_is_being_imported_it_ends_without_a_word(given: tuple[str, ...]) -> None:
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", INTERRUPTED, *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (130, "")
    assert ended.stdout == "the end of who imports it\n"


def test_where_hanging_up_is_ignored_it_goes_on() -> None:
    program = [each.replace("SIG_DFL", "SIG_IGN") for each in PROGRAM]
    with serving(program=program) as served:
        served.process.send_signal(signal.SIGHUP)
        assert served.get("/_sim/health").status == 200
        assert served.end(signal.SIGTERM) == 0


def test_it_ends_while_a_provider_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        world = tmp_path / "world.yaml"
        world.write_text(
            f"""
users:
  - id: 42
    tokens: [{{id: {TOKEN}, secret: {SECRET}}}]
    nodes: [1]
    capacity_providers:
      - {{id: 3, name: Grid, token: t, base_url: "http://127.0.0.1:{silent.getsockname()[1]}"}}
    capacity_optimizers: [{{id: 1, name: Depot}}]
    capacity_groups:
      - {{id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}}
"""
        )
        with serving("--world", str(world)) as served:
            assert served.post(encoded(instruction())).data["state"] == "Queuing"
            connection, _ = silent.accept()
            with connection:
                assert served.end(signal.SIGINT) == 0


def test_of_50_providers_one_that_never_answers_holds_up_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, Provider() as provider:
        silent.settimeout(10)
        urls = [f"{provider.url}/{number}" for number in range(1, 50)]
        urls.insert(0, f"http://127.0.0.1:{silent.getsockname()[1]}")
        numbered = list(enumerate(urls, 1))
        groups = [
            {"id": n, "identifier": f"g{n}", "capacity_provider": n, "capacity_optimizer": 1}
            for n, _ in numbered
        ]
        user = {
            "id": 42,
            "tokens": [{"id": TOKEN, "secret": SECRET}],
            "nodes": [1],
            "capacity_providers": [
                {"id": n, "name": f"Grid {n}", "token": "t", "base_url": url} for n, url in numbered
            ],
            "capacity_optimizers": [{"id": 1, "name": "Depot"}],
            "capacity_groups": groups,
        }
        world = tmp_path / "world.yaml"
        world.write_text(json.dumps({"users": [user]}))
        with (
            serving("--world", str(world)) as served,
            SolarUserClient(served.url, TOKEN, SECRET) as client,
        ):
            queued = [
                client.send("Handshake", "{}", node_id=1, co_id=1, cg_identifier=f"g{n}")
                for n, _ in numbered
            ]
            connection, _ = silent.accept()
            with connection:
                for each in queued[1:]:
                    assert client.wait(each, timeout=10, poll=0.01).state == "Completed"
                held_up = client.view(queued[0].id)
                assert held_up
                assert not held_up.state.is_final
                assert served.end(signal.SIGTERM) == 0
        assert len(provider.asked) == 49


def run(*options: str) -> Result:
    """In this process: it ends before anything is served."""
    return CliRunner().invoke(main, ["serve", *options])


def test_a_busy_port_is_one_line_and_exit_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("--port", str(port))
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert ended.stderr == (
        f"oscp-sim serve: cannot listen on 127.0.0.1:{port}: address already in use; "
        "choose another with --port, or any free one with --port 0\n"
    )


def test_a_busy_port_of_the_proxy_is_told_by_its_own_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("--port", "0", "--proxy", str(port))
    assert ended.exit_code == 3
    assert ended.stderr.endswith(
        f"cannot listen on 127.0.0.1:{port}: address already in use; "
        "choose another with --proxy, or any free one with --proxy 0\n"
    )


def test_another_one_that_serves_has_the_port(served: Served) -> None:
    ended = run("--port", served.url.rpartition(":")[2])
    assert (ended.exit_code, ended.stderr.count("\n")) == (3, 1)


def test_all_addresses_are_announced_as_one_that_can_be_reached() -> None:
    with serving("--host", "0.0.0.0") as served:  # noqa: S104
        assert served.url.startswith("http://127.0.0.1:")
        assert served.get("/_sim/health").status == 200


def test_a_public_url_is_announced(tmp_path: Path) -> None:
    file = tmp_path / "url.json"
    with serving("--public-url", "https://sim.example:89/", "--url-file", str(file)) as served:
        assert served.url == "https://sim.example:89"
        assert json.loads(file.read_text())["url"] == served.url


@pytest.mark.parametrize(
    "url", ["sim.example", "ftp://h", "http://", "http://h/a", "http://h?a", "http://h:x", "//h:1"]
)
def test_a_public_url_is_that_of_a_server(url: str) -> None:
    ended = run("--public-url", url)
    assert ended.exit_code == 2
    assert "--public-url" in ended.stderr


def test_an_address_of_another_machine() -> None:
    ended = run("--host", "192.0.2.1", "--port", "0")
    assert ended.exit_code == 3
    assert ended.stderr.startswith("oscp-sim serve: cannot listen on 192.0.2.1:0: ")
    assert "with --host" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_world_that_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_text("users:\n  - id: 1\n    node: [1]\n")
    ended = run("--port", "0", "--world", str(path))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert f"{path}:3:5: " in ended.stderr
    assert '"nodes"' in ended.stderr


@pytest.mark.parametrize("option", ["--port=65536", "--port=x", "--fidelity=both", "--sed=1"])
def test_wrong_usage(option: str) -> None:
    ended = run(option)
    assert ended.exit_code == 2
    assert "Usage: " in ended.stderr


def test_a_url_file_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "url.json"
    with _forked("--url-file", str(path)) as ended:
        assert (ended.wait(30), ended.stdout.read()) == (2, "")
        assert ended.stderr.read().startswith(f"oscp-sim serve: {path} cannot be written: ")


def test_it_may_have_more_files_open_than_is_usual() -> None:
    program = ["sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh", *PROGRAM]
    with serving(program=program) as served, ExitStack() as stack:
        address = ("127.0.0.1", int(served.url.rpartition(":")[2]))
        idle = [stack.enter_context(socket.create_connection(address)) for _ in range(200)]
        assert served.get("/_sim/health").status == 200
        idle[0].sendall(b"GET /_sim/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle[0].recv(100).startswith(b"HTTP/1.1 200 ")


LOGGING = r"""
import logging
from oscp_sim.cli import main

try:
    main(["serve", "--public-url", "none"])
except SystemExit:
    logging.getLogger("oscp_sim").warning("a\x1b[2J\nb\u202e")
"""


def test_nothing_that_is_logged_could_move_a_cursor() -> None:
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", LOGGING], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stderr.endswith("a\\x1b[2J\nb\\u202e\n")


def test_requests_of_random_shape_are_all_answered() -> None:
    figures = soak(300, clients=1)
    assert figures.statuses.total() == 300
    assert figures.statuses[200]
    assert [each for each in figures.failures if "another client" not in each] == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (Figures(1, waits=[0.1], memory=[50, 200, 300, 500, 450]), []),
        (Figures(1, waits=[0.1], memory=[50, 200, 300, 300, 451]), ["grows from 200 to 451 MB"]),
        (Figures(1, waits=[0.3], memory=[50]), ["waits for more than 0.25 s"]),
        (Figures(1, Counter({500: 1, 0: 2}), [0.1], [50]), ["1 times 500", "2 times 0"]),
    ],
)
def test_what_a_long_run_fails_at(figures: Figures, words: list[str]) -> None:
    assert len(figures.failures) == len(words)
    assert all(map(str.endswith, figures.failures, words))


def test_localhost_is_an_address() -> None:
    with serving("--host", "localhost", "--fidelity", "observed") as served:
        assert served.url.startswith("http://localhost:")
        assert served.get("/_sim/health").json["fidelity"] == "observed"


def test_what_it_says(served: Served) -> None:
    assert [line.split("  ")[0] for line in served.said[:7]] == [
        "SolarUser",
        "Flexibility Provider",
        "Capacity Provider",
        "Capacity Optimizer",
        "what happened",
        "sign with",
        "send for",
    ]
    assert f" {served.url}/ in a browser" in served.said[4]
    assert f"token {TOKEN}, secret {SECRET}" in served.said[5]
    [user] = load_world(None).users
    [node], [group] = user.nodes, user.capacity_groups
    named = f"nodeId {node}, coId {group.capacity_optimizer}, cgIdentifier {group.identifier}"
    assert named in served.said[6]
    assert "seed 1, fidelity documented" in served.said[7]
    assert max(map(len, served.said)) <= 100


# --- the request as it was sent ----------------------------------------------------------------


def test_a_path_that_nobody_is_at_is_told_with_what_it_may_have_meant() -> None:
    with serving("--follow") as served:
        for path in ("/_sim/health", "/", "/solaruserr/api/v1/sec/instr", "/oscp/cp/2.0", "/x"):
            served.get(f"{path}?secret")
        assert served.process.stdout is not None
        lines = [served.process.stdout.readline().strip() for _ in range(3)]
    assert lines == [
        f"-  GET: nobody is at /solaruserr/api/v1/sec/instr (404); nearest is {BASE}/...",
        "-  GET: nobody is at /oscp/cp/2.0 (404); nearest is /oscp/cp/2.0/...",
        "-  GET: nobody is at /x (404)",
    ]


def test_an_integrator_s_program_is_served(served: Served) -> None:
    with SolarUserClient(served.url, TOKEN, SECRET) as client:
        queued = client.send("Handshake", "{}", node_id=1, co_id=1, cg_identifier="foo-group")
        assert client.wait(queued, timeout=10, poll=0.01).state == "Completed"
    found = served.get("/_sim/journal?party=capacity_provider").json["entries"]
    assert found[-1]["request"]["target"] == "/oscp/cp/2.0/handshake"


@pytest.mark.parametrize(
    ("target", "topic"),
    [
        (f"{BASE}/add/OSCP%5Fv20", "OSCP_v20"),
        (f"{BASE}/add/OSCP%5fv20", "OSCP_v20"),
        (f"{BASE}/add/caf%C3%A9", "caf\u00e9"),
        (f"{BASE}/add/a%20b?x=%7e&y=1+2&y=%2B", "a b"),
    ],
)
def test_the_raw_target_is_verified(served: Served, target: str, topic: str) -> None:
    assert served.post(encoded(instruction()), target).data["topic"] == topic


def test_of_repeated_headers_the_first_is_signed(served: Served) -> None:
    body = encoded(instruction())
    now = datetime.now(UTC)
    headers = [
        ("Host", "localhost"),
        ("X-SN-Date", http_date(now)),
        ("Content-Type", JSON),
        ("X-Note", "first"),
        ("X-Note", "second"),
    ]
    names = ["content-type", "host", "x-note", "x-sn-date"]
    made = signature(SECRET, now, canonical("POST", ADD, headers, names, body))
    signed = [*headers, ("Authorization", authorization(TOKEN, names, made))]
    assert served.ask("POST", ADD, signed, body).data["state"] == "Queuing"
    other = [*headers[:3], headers[4], headers[3], signed[-1]]
    assert served.ask("POST", ADD, other, body).refusal == (403, "Bad credentials")


def test_a_chunked_body(served: Served) -> None:
    body = encoded(instruction())
    headers = signed_headers("POST", ADD, body, when=datetime.now(UTC))
    answer = served.ask("POST", ADD, headers, chunks=[body[:5], body[5:50], body[50:]])
    assert answer.data["state"] == "Queuing"
    message = b'{"message":"x"}'
    headers = [
        *HOST,
        ("Authorization", f"Token {PROVIDER_TOKEN}"),
        ("Content-Type", JSON),
        ("X-Request-ID", "1"),
    ]
    target = "/oscp/cp/2.0/group_capacity_compliance_error"
    answer = served.ask("POST", target, headers, chunks=[message[:4], message[4:]])
    assert (answer.status, answer.body) == (204, b"")


def test_a_large_message(served: Served) -> None:
    """Of half a megabyte, in 2,000 parts."""
    message = '{"message":"' + "abcdefg " * 64_000 + '"}'
    body = encoded(instruction(action="GroupCapacityComplianceError", msg=message))
    data = served.post(body).data
    assert data["state"] == "Queuing"
    assert len(body) > 500_000


def test_what_declares_to_be_over_the_limit_need_not_be_sent(served: Served) -> None:
    more = [("Content-Type", JSON)]
    headers = signed_headers("POST", ADD, more=more, when=datetime.now(UTC))
    answer = ask_over_network(served.url, "POST", ADD, headers, declared=20_971_521)
    assert answer.refusal == (403, "Maximum upload size of 20971520 bytes exceeded")


def test_a_chunked_body_over_the_limit_is_refused(served: Served) -> None:
    headers = signed_headers("POST", ADD, more=[("Content-Type", JSON)], when=datetime.now(UTC))
    answer = served.ask("POST", ADD, headers, chunks=[b" " * 1_048_576] * 20 + [b" "])
    assert answer.refusal == (403, "Maximum upload size of 20971520 bytes exceeded")


def test_who_waits_holds_up_nobody(served: Served) -> None:
    while served.get("/_sim/clock").json["pending"]:
        pass  # what the tests before have left
    last, more = 0, True
    while more:
        page = served.get(f"/_sim/journal?since={last}").json
        last, more = page["last"], page["more"]
    answers: list[Answer] = []
    target = f"/_sim/journal?party=capacity_provider&since={last}&wait=30"
    threads = [
        threading.Thread(target=lambda: answers.append(served.get(target))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert served.get("/_sim/health").status == 200
    assert served.post(encoded(instruction())).data["state"] == "Queuing"
    for thread in threads:
        thread.join(30)
    assert [len(answer.json["entries"]) for answer in answers] == [1] * 4


def test_a_connection_serves_many_requests(served: Served) -> None:
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(20):
            assert session.get(f"{served.url}/_sim/health", timeout=10).ok


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0\0\0\r\n\r\n"])
def test_what_is_no_request_harms_nobody(served: Served, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        assert b" 500 " not in connection.recv(100)
    assert served.get("/_sim/health").status == 200


def test_a_body_that_ends_early_harms_nobody(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as connection:
        connection.sendall(
            b"POST /_sim/reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab"
        )
    assert served.get("/_sim/health").status == 200

"""Random requests to `oscp-sim serve`, and a client beside them: `python -m tests.bench.soak`.

Some clients keep their connections and ask at random, as many times as `OSCP_RANDOM_REQUESTS` says;
another one asks for little and looks at its watch. It fails at a status 500, at a request without
an answer, where the 99th percentile of the other one is over 250 ms, and where the server's memory
grows far beyond what it was after the first quarter.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

from tests.oscp_sim.random_requests import (
    OTHER,
    OTHER_SECRET,
    SECRET,
    TOKEN,
    WORLD,
    RandomRequest,
    random_request,
)
from tests.oscp_sim.rig import BASE, signed_headers

_LONGEST = 0.250
_PAUSE = 0.005
# In MB: how much more than 1.5 times its memory after a quarter the server may have at the end: its
# journal fills. Of 50,000 requests it has 310, and 155 after a quarter.
_GROWTH = 150
_MEGABYTE = 1_000_000
_NO_ANSWER = 0
_OTHERS = f"{BASE}/viewPending?nodeId=7"


@dataclass
class Figures:
    """What came of it: how often each status, 0 for none, in ascending order the seconds that the
    other client waited, and the memory of the server in MB as it went.
    """

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        return self.waits[min(int(len(self.waits) * share), len(self.waits) - 1)]

    def memory_at(self, share: float) -> float:
        return self.memory[int((len(self.memory) - 1) * share)]

    @property
    def failures(self) -> list[str]:
        found = [f"{self.statuses[each]} times {each}" for each in (500, _NO_ANSWER)]
        wrong = [each for each in found if not each.startswith("0 ")]
        if self.percentile(0.99) > _LONGEST:
            wrong.append(f"another client waits for more than {_LONGEST} s")
        early, late = self.memory_at(0.25), self.memory_at(1)
        if late > 1.5 * early + _GROWTH:
            wrong.append(f"the memory of the server grows from {early:.0f} to {late:.0f} MB")
        return wrong


class _Client:
    """A client that keeps its connection as long as the server does."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._connection: socket.socket | None = None

    def ask(self, request: RandomRequest) -> int:
        """Return the status of the answer, 0 where none came."""
        head = [f"{request.method} {request.target} HTTP/1.1"]
        head += [f"{name}: {value}" for name, value in request.headers]
        head += [f"Content-Length: {len(request.body)}", "", ""]
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=60)
        connection = self._connection
        connection.sendall("\r\n".join(head).encode("utf-8", "replace") + request.body)
        try:
            with HTTPResponse(connection, method=request.method) as response:
                response.begin()
                response.read()
        except (OSError, HTTPException):
            self.close()
            return _NO_ANSWER
        if response.will_close:
            self.close()
        return response.status

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _ask_at_random(port: int, seed: int, count: int) -> Counter[int]:
    random, statuses = Random(seed), Counter[int]()
    with closing(_Client(port)) as client:
        for _ in range(count):
            request = random_request(random, datetime.now(UTC), TOKEN, SECRET)
            if request.target.startswith("/_sim/"):
                request = replace(request, headers=(("Host", "localhost"),))
            status = client.ask(request)
            statuses[status] += 1
            if status in {_NO_ANSWER, 500}:
                sys.stderr.write(f"{status}: {request}\n")
    return statuses


def soak(count: int, clients: int = 3) -> Figures:
    """Starts a server, has it asked at random so many times, and returns the figures."""
    with tempfile.TemporaryDirectory() as folder:
        world, url_file = Path(folder, "world.yaml"), Path(folder, "url.json")
        world.write_text(json.dumps(WORLD), encoding="utf-8")
        options = ["--port", "0", "--world", str(world), "--url-file", str(url_file)]
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "oscp_sim", "serve", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            while not url_file.exists():
                time.sleep(0.01)
            url: str = json.loads(url_file.read_text(encoding="utf-8"))["url"]
            return _measured(process.pid, int(url.rpartition(":")[2]), count, clients)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def _measured(pid: int, port: int, count: int, clients: int) -> Figures:
    began, figures = time.monotonic(), Figures(0)
    pool = ProcessPoolExecutor(clients, mp_context=get_context("spawn"))
    with pool, closing(_Client(port)) as other:
        asking = {
            pool.submit(_ask_at_random, port, seed, -(-count // clients)) for seed in range(clients)
        }
        while wait(asking, timeout=_PAUSE).not_done:
            figures.waits.append(_waited(other))
            figures.memory.append(_memory(pid))
    for each in asking:
        figures.statuses += each.result()
    figures.waits.sort()
    figures.seconds = time.monotonic() - began
    return figures


def _waited(other: _Client) -> float:
    """Lets another user ask for what is still to be done, and returns the seconds of it."""
    now = datetime.now(UTC)
    signing: Any = {"token": OTHER, "secret": OTHER_SECRET, "when": now, "host": "localhost"}
    headers = signed_headers("GET", _OTHERS, **signing)
    request = RandomRequest("GET", _OTHERS, tuple(headers), b"")
    began = time.perf_counter()
    status = other.ask(request)
    if status != 200:
        raise ValueError(f"another client is answered with {status}")
    return time.perf_counter() - began


def _memory(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / _MEGABYTE


def main() -> None:
    """Prints one line for each thing measured."""
    figures = soak(int(os.environ.get("OSCP_RANDOM_REQUESTS", "50000")))
    count, waits = figures.statuses.total(), (0.5, 0.99, 1.0)
    statuses = ", ".join(f"{each}: {number:,}" for each, number in figures.statuses.most_common())
    half, worst, longest = (f"{1000 * figures.percentile(share):.1f} ms" for share in waits)
    memory = ", ".join(f"{figures.memory_at(share / 4):.0f}" for share in range(5))
    for line in (
        f"requests               {count:,}, {count / figures.seconds:.0f} a second",
        f"statuses               {statuses}",
        f"status 500, no answer  {figures.statuses[500]}, {figures.statuses[_NO_ANSWER]}",
        f"another client         median {half}, p99 {worst}, longest {longest}",
        f"memory of the server   {memory} MB at the start, each quarter, the end",
        *(f"WRONG: {each}" for each in figures.failures),
    ):
        sys.stdout.write(f"{line}\n")
    sys.exit(1 if figures.failures else 0)


if __name__ == "__main__":
    main()

"""How long a sender, a test and a command line wait: `python -m tests.bench.sending`.

CPU seconds of this process and of those that it starts, medians of some rounds; of a message that
is sent, also the time that passes, since the simulator is another process. `--url URL` times only
what a sender waits for, with a simulator that somebody else serves.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from oscp_send.async_client import AsyncSolarUserClient
from oscp_send.client import SolarUserClient
from oscp_sim import Simulator
from tests.bench.judging import ACTION, day_ahead
from tests.bench.serving import ours

_ROOT = Path(__file__).parent.parent.parent
_BIN = Path(sys.executable).parent


def sender(url: str) -> None:
    """Print how long it takes to prepare a message, and until it is Completed."""
    client = SolarUserClient(url, "rehearsal-token-0001", "rehearsal-secret")
    day = day_ahead()
    _line("a day's message built and signed", _milliseconds(lambda: _prepare(client, day)))
    _sending("sent, until Completed", lambda: _send(client, day))
    with asyncio.Runner() as runner:
        another = AsyncSolarUserClient(url, "rehearsal-token-0001", "rehearsal-secret")
        _sending("the same over httpx", lambda: runner.run(_send_async(another, day)))
        runner.run(another.close())


def _prepare(client: SolarUserClient, text: str) -> None:
    client.prepare(ACTION, text, node_id=1, co_id=1, cg_identifier="foo-group")


def _send(client: SolarUserClient, text: str) -> None:
    sent = client.send(ACTION, text, node_id=1, co_id=1, cg_identifier="foo-group")
    client.wait(sent, timeout=30)


async def _send_async(client: AsyncSolarUserClient, text: str) -> None:
    sent = await client.send(ACTION, text, node_id=1, co_id=1, cg_identifier="foo-group")
    await client.wait(sent, timeout=30)


def _sending(what: str, send: Callable[[], None]) -> None:
    _line(f"{what}: CPU of the sender", _milliseconds(send))
    _line(f"{what}: time", _milliseconds(send, perf_counter))


def _in_process() -> None:
    with Simulator():
        pass


def _with_socket() -> None:
    with Simulator() as simulator:
        assert simulator.url


def _milliseconds(run: Callable[[], object], clock: Callable[[], float] = process_time) -> float:
    run()
    times = []
    for _ in range(50):
        began = clock()
        run()
        times.append((clock() - began) * 1000)
    return median(times)


def _command(*words: str) -> float:
    """Return the milliseconds of CPU that a command takes."""
    times = []
    for _ in range(5):
        before = os.times()
        command = [str(_BIN / words[0]), *words[1:]]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=_ROOT)  # noqa: S603
        after = os.times()
        spent = after.children_user - before.children_user
        times.append((spent + after.children_system - before.children_system) * 1000)
    return median(times)


def _line(what: str, milliseconds: float) -> None:
    sys.stdout.write(f"{what:<40}{milliseconds:10.2f} ms\n")
    sys.stdout.flush()


def main() -> None:
    """Print one line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sending")
    parser.add_argument("--url", help="of a simulator that is served already")
    url = parser.parse_args().url
    if url:
        return sender(url)
    with ours("serve") as peer:
        (host, port), _ = peer.requests["small"]
        sender(f"http://{host}:{port}")
    _line("with Simulator(), in process", _milliseconds(_in_process))
    _line("with Simulator(), with its socket", _milliseconds(_with_socket))
    _line("oscp-send --help", _command("oscp-send", "--help"))
    _line("oscp-sim rehearse scenarios", _command("oscp-sim", "rehearse", "scenarios"))
    return None


if __name__ == "__main__":
    main()

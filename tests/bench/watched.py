"""What it costs to look at a simulator while it works: `python -m tests.bench.watched`.

Adjustments are sent at a rate, each of which is four exchanges, and then as fast as they are
answered, with and without a page that is open on the inspector. Where there is no Chromium, its
polling alone is done, as the page does it. The browser takes its part of the same processors.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from statistics import median
from typing import Final
from urllib.request import urlopen

from tests.bench.serving import Peer, cpu, ours
from tests.oscp_sim.test_inspector_in_browser import chromium

# Seconds between two looks of the page, after news.
_GLANCE: Final = 0.25
_SIZE: Final = "small"


def paced(peer: Peer, rate: float, seconds: float) -> tuple[float, float]:
    """Send at a rate for so long; return how many were answered a second, and CPU in ms each."""
    (host, port), raw = peer.requests[_SIZE]
    _, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    connection, before, began = HTTPConnection(host, port), cpu(peer.pid), time.perf_counter()
    for sent in range(1, int(rate * seconds) + 1):
        connection.request("POST", first.split()[1], body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise ValueError(f"the simulator answered with {answer.status}")
        time.sleep(max(0.0, began + sent / rate - time.perf_counter()))
    took = time.perf_counter() - began
    connection.close()
    return sent / took, (cpu(peer.pid) - before) * 1000 / sent


@contextmanager
def nobody(_url: str) -> Iterator[Callable[[], str]]:
    """Look at nothing."""
    yield lambda: "nobody looked"


@contextmanager
def polling(url: str) -> Iterator[Callable[[], str]]:
    """Ask for rows as the page does."""
    over, seen = threading.Event(), [0, 0]

    def poll() -> None:
        while not over.is_set():
            wait = "&wait=20" if seen[0] else ""
            with urlopen(f"{url}/_sim/rows?since={seen[0]}{wait}", timeout=60) as answer:  # noqa: S310 - our own
                page = json.load(answer)
            seen[:] = page["last"], seen[1] + len(page["rows"])
            if not page["more"]:
                over.wait(_GLANCE)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    yield lambda: f"{seen[1]} rows were asked for"
    over.set()


@contextmanager
def page(url: str) -> Iterator[Callable[[], str]]:
    """Open the page in a browser; tell how long a frame takes, and how many rows it has."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where there is one

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1400, "height": 900})
        shown.goto(url)
        shown.get_by_text("live", exact=True).wait_for()

        def told() -> str:
            took = shown.evaluate(_FRAMES)
            rows = shown.locator("#count").inner_text()
            return f"{rows}; the longest of 60 frames while scrolling took {took:.0f} ms"

        yield told
        browser.close()


# Scroll through all, a frame at a time.
_FRAMES: Final = """async () => {
  const list = document.getElementById("list");
  let last = performance.now(), longest = 0;
  for (let at = 0; at < 60; at++) {
    list.scrollTop = list.scrollHeight * at / 60;
    await new Promise(requestAnimationFrame);
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }
  return longest;
}"""


def compare(rounds: int, seconds: float, rate: float) -> None:
    """Print the figures of both, round by round in turn, and what the page says of itself."""
    looks = {"unwatched": nobody, "watched": page if _has_browser() else polling}
    figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in looks}
    for at in range(rounds):
        for name, look in looks.items():
            with ours(name) as peer:
                (host, port), _ = peer.requests[_SIZE]
                with look(f"http://{host}:{port}") as told:
                    given, each = paced(peer, rate, seconds)
                    peer.load(_SIZE, min(seconds, 5.0))
                    spent, most, *_ = peer.rounds[_SIZE][-1]
                    figures[name].append((given, each, most, spent))
                    sys.stdout.write(f"round {at + 1}, {name}: {told()}\n")
    sys.stdout.write(
        f"{'':12}{f'of {rate:g}/s':>12}{'ms of CPU':>12}{'at most/s':>12}{'ms of CPU':>12}\n"
    )
    for name, rows in figures.items():
        given, each, most, spent = (median(column) for column in zip(*rows, strict=True))
        sys.stdout.write(f"{name:12}{given:12.0f}{each:12.2f}{most:12.0f}{spent:12.2f}\n")


def _has_browser() -> bool:
    try:
        import playwright  # noqa: F401, PLC0415 - whether there is one
    except ImportError:
        return False
    return chromium() is not None


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.watched")
    parser.add_argument("--rounds", type=int, default=1, help="of each (default: 1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each round (default: 60)")
    parser.add_argument("--rate", type=float, default=50.0, help="a second (default: 50)")
    given = parser.parse_args()
    compare(given.rounds, given.seconds, given.rate)


if __name__ == "__main__":
    main()

"""What a million messages leave behind: `python -m tests.bench.lasting [SMALL [DAY]]`.

So many small messages, and then so many of a day, go the whole way through one `oscp-sim serve`;
a line for each tenth says what a request of it cost, and how much memory the server has.
"""

from __future__ import annotations

import sys
import time

from tests.bench.serving import ask, cpu, memory, ours, signed

SMALL, DAY = 1_000_000, 100_000
_PARTS = 10
# Seconds after which the requests are signed anew.
_FRESH = 300.0


def main(small: int = SMALL, day: int = DAY) -> None:
    """Print the table."""
    with ours("serve") as peer:
        (host, port), _ = peer.requests["small"]
        url = f"http://{host}:{port}"
        sys.stdout.write(f"{'':5}{'sent':>10}{'ms of CPU':>11}{'requests/s':>12}{'MB':>6}\n")
        for size, count in (("small", small), ("day", day)):
            sent = 0
            for part in range(1, _PARTS + 1):
                before, began, spent = sent, time.monotonic(), cpu(peer.pid)
                while (left := count * part // _PARTS - sent) > 0:
                    address, raw = signed(url)[size]
                    sent += ask(address, raw, _FRESH, left)[0]
                cost = (cpu(peer.pid) - spent) * 1000 / (sent - before)
                rate = (sent - before) / (time.monotonic() - began)
                sys.stdout.write(
                    f"{size:5}{sent:10,}{cost:11.2f}{rate:12.0f}{memory(peer.pid):6.0f}\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

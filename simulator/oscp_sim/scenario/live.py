"""What the parties send one another, told line by line while it happens."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from oscp_send.cli.main import Colours, Palette
from oscp_sim.entry import Entry
from oscp_sim.journal import Journal
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.scenario.sequence import lines_of, remarks
from oscp_sim.scenario.timeline import Exchange, Note, joined, timeline

# Exchanges whose other side may still be reported.
_MOST_BEGUN: Final = 1000
# Seconds after which it looks whether to go on, though nothing happened.
_GLANCE: Final = 60.0


class Live:
    """Prints what journal entries report, each as soon as it is given.

    An exchange has a line as soon as one of its sides has reported it; when the other side does,
    what that adds is below the number of the line. Left out are looks at an instruction that went
    well, and states that the answers show anyway.

    Args:
        stream: Where to print.
        colours: Whether to colour, as `Palette` takes it.
        is_brief: Whether to leave out what is below the line of an exchange, and every note but
            that an instruction was declined.
        here: Returns where the reader reaches the simulator, which parties that are played in it
            call otherwise.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        colours: Colours = "auto",
        is_brief: bool = False,
        here: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._stream = stream
        self._paint = Palette(stream, colours).paint
        self._is_brief, self._here = is_brief, here
        self._day = ""
        self._next = 0
        self._begun: OrderedDict[int, Exchange] = OrderedDict()

    def tell(self, entries: Iterable[Entry]) -> None:
        """Print some entries, which follow those before."""
        for entry in entries:
            if self._next and entry.number > self._next:
                self._print(f"      {entry.number - self._next:,} entries were forgotten meanwhile")
            self._next = entry.number + 1
            for line in self._lines(entry):
                self._print(line)
        self._stream.flush()

    def _print(self, line: str) -> None:
        shown = line.replace(IN_PROCESS_URL, self._here() or IN_PROCESS_URL)
        self._stream.write(f"{shown}\n")

    def _lines(self, entry: Entry) -> Iterator[str]:
        if entry.exchange_id is not None and entry.exchange_id in self._begun:
            yield from self._other_side(entry, self._begun.pop(entry.exchange_id))
            return
        went_well = entry.status is not None and entry.status < 400  # noqa: PLR2004 - of HTTP
        for each in timeline([entry], () if went_well else [entry.exchange_id]):
            if isinstance(each, Exchange) and entry.exchange_id is not None:
                self._begun[entry.exchange_id] = each
                if len(self._begun) > _MOST_BEGUN:
                    self._begun.popitem(last=False)
            if self._is_brief and isinstance(each, Note) and entry.state != "Declined":
                continue
            if self._day != (day := f"{each.at:%Y-%m-%d}"):
                self._day = day
                yield day
            first, *rest = lines_of(each, paint=self._paint, is_brief=self._is_brief)
            yield f"{entry.number:>6}  {first.lstrip()}"
            yield from rest

    def _other_side(self, entry: Entry, first: Exchange) -> Iterator[str]:
        whole = joined(first, entry)
        if self._is_brief and whole.status == first.status:
            return
        notes = [each for each in whole.notes if each not in first.notes]
        findings = [each for each in whole.findings if each not in first.findings]
        for line in remarks(notes, findings, self._paint):
            yield f"{f'{first.number}:':>18}  {line.lstrip()}"


@contextmanager
def live(journal: Journal, tell: Callable[[Iterable[Entry]], object]) -> Iterator[None]:
    """Have somebody told of each entry of a journal, by a thread, as long as the context lasts."""
    over = threading.Event()

    def follow() -> None:
        seen, goes_on = journal.last, True
        while goes_on:
            # What came before the end is told, too.
            goes_on, pulse = not over.is_set(), journal.pulse
            if entries := journal.entries(since=seen):
                seen = entries[-1].number
                try:
                    tell(entries)
                except OSError:
                    # Nobody looks any more.
                    return
            elif goes_on:
                journal.wait_beyond(pulse, _GLANCE)

    thread = threading.Thread(target=follow, name="live", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        journal.wake()
        thread.join(1.0)

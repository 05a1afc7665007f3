"""Let others act: run a program of the reader's own, and wait until somebody has sent something."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from oscp_sim.entry import Entry
from oscp_sim.journal import Journal
from oscp_sim.program import Ended, NotStarted, run_program
from oscp_sim.scenario.act import Outcome, is_moved
from oscp_sim.scenario.model import Run
from oscp_sim.scenario.timeline import Exchange, timeline
from oscp_sim.settling import Settling
from oscp_sim.simulator import Simulator

# How often a clock that stands is looked at while a program runs, in seconds of real time, and by
# how much it is moved at most.
_TICK: Final = 0.01
_STEP: Final = 1.0
_ON_ITS_WAY: Final = frozenset({"Queuing", "Executing"})


def run_to_its_end(run: Run, simulator: Simulator, timeout: float, settling: float) -> Ended:
    """Run a program, let all that it has sent come to its end, and return what came of it.

    A clock that stands is moved on while anything is on its way: the program could wait for it. It
    is ended once its time is over; what it has sent then has the seconds of `settling`.

    Raises:
        NotStarted: There is no such program, or it cannot be run.
    """
    simulator.serve_at(simulator.url)
    with _intercepted(run, simulator) as variables, _time_passing(simulator):
        ended = run_program(
            run.command, simulator, folder=run.folder, timeout=timeout, variables=variables
        )
    Settling(simulator.shared, moves=True).wait_until_settled(settling)
    return ended


def follow_instructions(simulator: Simulator, mark: int, seconds: float) -> None:
    """Let what became an instruction since a mark of the journal come to its end.

    A clock that stands is moved on for it, by so many seconds at most.
    """
    settling = Settling(simulator.shared, moves=True)
    until = settling.end_after(seconds)

    def is_decided() -> bool:
        sent = instructions_of(simulator.journal.entries(since=mark, kind="state"), simulator)
        is_over = not any(each.state in _ON_ITS_WAY for each in sent)
        return is_over or not settling.may_change(until)

    settling.wait(is_decided, until, seconds)


@contextmanager
def _intercepted(run: Run, simulator: Simulator) -> Iterator[Mapping[str, str]]:
    """Yield what a program finds in its environment to reach the simulator as production."""
    if run.others is None:
        yield {}
        return
    # Few programs want it, and it takes long to load.
    from oscp_sim.authority import TlsUnavailable  # noqa: PLC0415
    from oscp_sim.production import authority_for, surroundings  # noqa: PLC0415

    try:
        authority = authority_for(simulator.world)
    except TlsUnavailable as error:
        raise NotStarted(str(error)) from error
    with surroundings(simulator, authority, os.environ, run.others) as around:
        yield around.variables


@contextmanager
def _time_passing(simulator: Simulator) -> Iterator[None]:
    if not is_moved(simulator.clock):
        yield
        return
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(_TICK):
            _move_on(simulator, _STEP)

    mover = threading.Thread(target=work, name="time for a program", daemon=True)
    mover.start()
    try:
        yield
    finally:
        is_over.set()
        mover.join()


def _move_on(simulator: Simulator, most: float) -> None:
    """Move a clock that stands to what is due next, while anything is on its way."""
    clock = simulator.clock
    clock.advance(0)
    if simulator.wait_until_settled(0) and not simulator.pending:
        return
    due = simulator.shared.schedule.next_due
    left = most if due is None else (due - clock.now()).total_seconds()
    clock.advance(max(0.0, min(most, left)))


def instructions_of(entries: Sequence[Entry], simulator: Simulator) -> list[Outcome]:
    """Return what came of each instruction that entries of the journal are about, in order."""
    ids = dict.fromkeys(each.instruction_id for each in entries if each.kind == "state")
    rows = [simulator.shared.instructions.get(each) for each in ids if each is not None]
    return [
        Outcome(
            row.state,
            None
            if (why := row.result.get("error", row.result.get("message"))) is None
            else str(why),
            None,
            row.parameters.get("msg"),
            sum(name == "msg" for name, _ in row.pieces),
            instruction_id=row.id,
            parameters=row.parameters,
        )
        for row in rows
        if row is not None
    ]


def wait_for(
    fits: Callable[[Sequence[Exchange]], bool],
    simulator: Simulator,
    since: int,
    seconds: float,
    *,
    real: bool,
) -> tuple[Exchange, ...]:
    """Wait until what was sent fits, or time is over, and return what was sent, in order.

    Args:
        fits: Whether what was sent is enough.
        simulator: Where.
        since: Only what is after this number of the journal counts.
        seconds: How long to wait: by a clock that stands, which is moved on, else in reality.
        real: Whether somebody outside may send something, for whom real time must pass, too.
    """
    settling = Settling(simulator.shared, moves=True)
    until = settling.end_after(seconds)

    def is_decided() -> bool:
        if fits(_sent(simulator.journal, since)):
            return True
        return until is not None and not (real or settling.may_change(until))

    settling.wait(is_decided, until, seconds)
    return _sent(simulator.journal, since)


def _sent(journal: Journal, since: int) -> tuple[Exchange, ...]:
    items = timeline(journal.entries(since=since))
    return tuple(each for each in items if isinstance(each, Exchange))

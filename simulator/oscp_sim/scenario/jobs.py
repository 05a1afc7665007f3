"""Run scenarios in processes side by side, and tell what happens in the order of the files."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from oscp_sim.scenario.events import (
    Event,
    Listener,
    Problem,
    ScenarioFinished,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.model import Scenario
from oscp_sim.scenario.selection import identifier

#: Runs a scenario, tells its events, and returns whether it passed.
RunOne = Callable[[Scenario, Listener], bool]
#: Reads scenarios, those that are run and perhaps others.
Read = Callable[[], Iterable[Scenario]]

# Seconds that a process has to tidy up once it is told to end.
_GRACE: Final = 5.0


def processors() -> int:
    """Return how many processes can run at the same time here."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Processes:
    """In how many processes to run scenarios.

    Attributes:
        read_again: How a process that cannot be forked comes by the scenarios; it can be pickled.
    """

    most: int
    read_again: Read


def side_by_side(
    scenarios: Sequence[Scenario],
    run_one: RunOne,
    processes: Processes,
    tell: Listener,
    watch: Listener,
) -> Generator[bool, None, None]:
    """Run scenarios in several processes, and yield of each, in order, whether it passed.

    Whoever takes no more of them ends those that still run.

    Args:
        scenarios: What to run.
        run_one: Can be pickled, too.
        processes: In how many.
        tell: Told the events of one scenario after the other.
        watch: Told at once, whatever the order, when a scenario begins and when it ends.
    """
    pool = _Pool(scenarios, processes.read_again, run_one, watch)
    try:
        pool.begin(min(processes.most, len(scenarios)))
        for at in range(len(scenarios)):
            passed = False
            for event in pool.events_of(at):
                tell(event)
                passed = isinstance(event, ScenarioFinished) and event.passed
            yield passed
    finally:
        pool.end()


@dataclass(slots=True)
class _Worker:
    """A process, the way to it, and the number of the scenario that it runs."""

    process: BaseProcess
    pipe: Connection
    at: int | None = None


class _Pool:
    def __init__(
        self, scenarios: Sequence[Scenario], read_again: Read, run_one: RunOne, watch: Listener
    ) -> None:
        self._scenarios = scenarios
        self._names = list(map(identifier, scenarios))
        self._read_again = read_again
        self._run_one = run_one
        self._watch = watch
        self._context = _context()
        self._workers: list[_Worker] = []
        self._left = iter(range(len(scenarios)))
        self._events: list[list[Event]] = [[] for _ in scenarios]

    def begin(self, jobs: int) -> None:
        for _ in range(jobs):
            self._start_worker()

    def events_of(self, at: int) -> list[Event]:
        """Wait until a scenario has ended, and return what it told; what others tell is kept."""
        events = self._events[at]
        while not events or not isinstance(events[-1], ScenarioFinished):
            ready = wait([each.pipe for each in self._workers])
            for worker in [each for each in self._workers if each.pipe in ready]:
                self._receive(worker)
        self._events[at] = []
        return events

    def end(self) -> None:
        for worker in self._workers:
            worker.pipe.close()
            if worker.at is not None and worker.process.pid and worker.process.is_alive():
                os.kill(worker.process.pid, signal.SIGINT)
        for worker in self._workers:
            worker.process.join(_GRACE)
            worker.process.kill()
            worker.process.join()

    def _start_worker(self) -> None:
        here, there = self._context.Pipe()
        if self._context.get_start_method() == "fork":
            # It has a copy of each pipe, too, which would keep the pipe open.
            inherited = [here, *(each.pipe for each in self._workers)]
            read: Read = partial(tuple, self._scenarios)
        else:
            inherited, read = [], self._read_again
        arguments = there, inherited, read, self._run_one
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        self._give_next(worker)

    def _give_next(self, worker: _Worker) -> None:
        worker.at = next(self._left, None)
        with suppress(OSError):
            # One that has just died is replaced once its pipe says so.
            worker.pipe.send(None if worker.at is None else self._names[worker.at])

    def _receive(self, worker: _Worker) -> None:
        try:
            event: Event = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        self._take(worker, event)
        if isinstance(event, ScenarioFinished):
            self._give_next(worker)

    def _take(self, worker: _Worker, event: Event) -> None:
        if worker.at is not None:
            self._events[worker.at].append(event)
        if isinstance(event, ScenarioStarted | ScenarioFinished):
            self._watch(event)

    def _replace(self, worker: _Worker) -> None:
        """Begin another process in place of one that has ended in the midst of a scenario."""
        self._workers.remove(worker)
        worker.process.join()
        if worker.at is not None:
            done = sum(isinstance(each, StepFinished) for each in self._events[worker.at])
            lost = _lost(self._scenarios[worker.at], done, worker.process.exitcode)
            self._take(worker, lost)
            self._start_worker()


def _lost(scenario: Scenario, done: int, code: int | None) -> ScenarioFinished:
    ended = f"it ended with {code}" if code is None or code >= 0 else f"signal {-code} ended it"
    problem = Problem(
        scenario.source.place(),
        "the process that ran it",
        "its result",
        ended,
        "run it alone, without --jobs, to see why",
    )
    left = len(scenario.steps) - done
    return ScenarioFinished(scenario.id, False, 0.0, left, (problem,))


def _context() -> ForkContext | ForkServerContext | SpawnContext:
    if _has_one_thread():
        # What has been read and imported is there already.
        return get_context("fork")
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["oscp_sim.scenario.run"])
    return context


def _has_one_thread() -> bool:
    """Return whether this is a process on Linux with one thread: others are better not forked."""
    try:
        # Of threads that libraries have started, Python does not know.
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


# What happens in each process.


def _work(pipe: Connection, inherited: Sequence[Connection], read: Read, run_one: RunOne) -> None:
    signal.signal(signal.SIGINT, _interrupted)
    for each in inherited:
        each.close()
    try:
        scenarios = {identifier(each): each for each in read()}
        while (name := pipe.recv()) is not None:
            run_one(scenarios[name], pipe.send)
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        # Whoever began it wants no more.
        return


def _interrupted(_: int, __: FrameType | None) -> NoReturn:
    # A second one would only disturb the tidying up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt

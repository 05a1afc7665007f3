"""Run scenarios, each in a simulator of its own, and tell listeners what happens."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import Behaviour
from oscp_sim.clock import EndOfTime
from oscp_sim.entry import Entry
from oscp_sim.program import NotStarted, without_secrets
from oscp_sim.scenario.act import (
    ImpossibleStep,
    Outcome,
    act,
    finish_what_is_due,
    follow_instructions,
    instructions_of,
    is_moved,
    look_back,
    pass_time,
    run_to_its_end,
    send,
    wait_for,
)
from oscp_sim.scenario.captures import Captured, of_exchange, of_instruction
from oscp_sim.scenario.events import (
    Event,
    Listener,
    Problem,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioStarted,
    StepFinished,
    tell_all,
)
from oscp_sim.scenario.expect import (
    fits_description,
    match_exchanges,
    problems_of_answer,
    problems_of_awaited,
    problems_of_ending,
    problems_of_findings,
    problems_of_instruction,
    problems_of_none,
    problems_of_pending,
    problems_of_received,
    problems_of_reply,
    problems_of_sent,
    problems_of_step,
    problems_of_verifications,
)
from oscp_sim.scenario.model import (
    Await,
    Command,
    Outage,
    Pause,
    RawRequest,
    Run,
    Scenario,
    Send,
    Step,
    Verify,
    Wait,
)
from oscp_sim.scenario.objections import problems_of_listed, problems_of_mistakes
from oscp_sim.scenario.real_parties import RealParties
from oscp_sim.scenario.requests import ask
from oscp_sim.scenario.timeline import Exchange, exchange_of, timeline
from oscp_sim.simulator import Simulator
from oscp_sim.world import World, load_world
from oscp_sim.yaml_source import SourceError

# What it brings along, only a rehearsal in several processes needs.
if TYPE_CHECKING:
    from oscp_sim.scenario.jobs import Processes

# How long an instruction may take to end, in seconds, if the step does not allow longer.
_PATIENCE = 10.0
# How long a program may run, the same.
_PROGRAMS_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What all scenarios have in common, unless a scenario says otherwise.

    Attributes:
        fidelity: Whom to follow where the guide and the service differ.
        world: Who exists; the built-in world where not given.
        real_parties: Which parties are real, whatever a scenario says.
    """

    seed: int = 1
    fidelity: Fidelity | Behaviour = "documented"
    world: World | None = None
    real_parties: RealParties = field(default_factory=RealParties)


def run(
    scenarios: Sequence[Scenario],
    rehearsal: Rehearsal,
    listeners: Iterable[Listener] = (),
    *,
    processes: Processes | None = None,
    fail_fast: bool = False,
    watch: Listener | None = None,
) -> bool:
    """Run scenarios, and return whether all passed.

    Args:
        scenarios: What to run.
        rehearsal: What they have in common.
        listeners: Told what happens, one scenario after the other.
        processes: In how many, where not in this one. With a real party, which can be in one
            scenario at a time, it is always this one.
        fail_fast: Whether to stop after the first, in order, that fails.
        watch: Told at once, whatever the order, when a scenario begins and when it ends.
    """
    tell = partial(tell_all, tuple(listeners))
    # Read once, not for each scenario.
    rehearsal = replace(rehearsal, world=rehearsal.world or load_world())
    began = time.monotonic()
    behaviour = Behaviour.of(rehearsal.fidelity)
    tell(RehearsalStarted(rehearsal.seed, str(behaviour), tuple(each.id for each in scenarios)))
    passed: list[bool] = []
    with closing(
        _results(scenarios, rehearsal, processes, tell, watch or (lambda _: None))
    ) as results:
        for each in results:
            passed.append(each)
            if fail_fast and not each:
                break
    good, left = sum(passed), len(scenarios) - len(passed)
    tell(RehearsalFinished(good, len(passed) - good, time.monotonic() - began, left))
    return all(passed)


def _results(
    scenarios: Sequence[Scenario],
    rehearsal: Rehearsal,
    processes: Processes | None,
    tell: Listener,
    watch: Listener,
) -> Generator[bool, None, None]:
    """Run scenarios, each when its result is asked for or before, and yield whether each passed."""
    run_one = partial(_run_scenario, rehearsal)
    nobody_is_real = RealParties() == rehearsal.real_parties and all(
        each.real_parties == RealParties() for each in scenarios
    )
    if processes is not None and len(scenarios) > 1 and nobody_is_real:
        from oscp_sim.scenario.jobs import side_by_side  # noqa: PLC0415

        yield from side_by_side(scenarios, run_one, processes, tell, watch)
        return

    def tell_both(event: Event) -> None:
        if isinstance(event, ScenarioStarted | ScenarioFinished):
            watch(event)
        tell(event)

    for scenario in scenarios:
        yield run_one(scenario, tell_both)


def _run_scenario(rehearsal: Rehearsal, scenario: Scenario, tell: Listener) -> bool:
    began = time.monotonic()
    # What is set by name holds whatever fidelity a scenario asks for.
    behaviour = Behaviour.of(rehearsal.fidelity).under(scenario.fidelity)
    tell(
        ScenarioStarted(
            scenario.id,
            scenario.source.place(),
            len(scenario.steps),
            str(behaviour),
            scenario.about,
            scenario.sequence,
        )
    )
    real = scenario.real_parties.under(rehearsal.real_parties)
    left, passed = len(scenario.steps), False
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    try:
        world = real.placed(scenario.world or rehearsal.world or load_world())
    except ValueError as error:
        where = scenario.source.place("/seats")
        problems = (Problem(where, "seats", "the parties of the world", str(error)),)
    else:
        with Simulator(
            world,
            seed=rehearsal.seed if scenario.seed is None else scenario.seed,
            clock=scenario.clock.make(),
            fidelity=behaviour,
            plays=real.plays,
            faults=scenario.faults,
            # A program goes by the machine's clock; without any, what comes is always the same.
            strict_dates=not any(isinstance(step.does, Run) for step in scenario.steps),
        ) as simulator:
            running = _Running(scenario, simulator, real)
            for number, step in enumerate(scenario.steps, 1):
                finished = running.run(number, step)
                tell(finished)
                left, passed = left - 1, not finished.problems
                if not passed:
                    break
            warnings = simulator.faults.warnings
        place, mistakes = scenario.source.place(), simulator.journal.mistakes
        problems = tuple(problems_of_mistakes(place, mistakes))
        passed = passed and not problems
    tell(ScenarioFinished(scenario.id, passed, time.monotonic() - began, left, problems, warnings))
    return passed


@dataclass(slots=True)
class _Running:
    """A scenario under way.

    Attributes:
        captured: What steps have captured so far, by name.
        since: The number of the journal from which on things can be awaited: where the last step
            began that did something itself.
        awaited: The numbers of what has been awaited since then.
    """

    scenario: Scenario
    simulator: Simulator
    real: RealParties
    captured: dict[str, Captured] = field(default_factory=dict)
    since: int = 0
    awaited: set[int] = field(default_factory=set)

    def run(self, number: int, step: Step) -> StepFinished:
        """Do what a step says, compare it with what is expected, and return both."""
        try:
            step = step.fill(self.captured) if step.fill else step
        except SourceError as error:
            return _told(self._not_filled(number, step, error), self.simulator)
        mark = self.simulator.journal.last
        began, instant = time.monotonic(), self.simulator.clock.now()
        if not isinstance(step.does, Await | Pause | Wait):
            self.since, self.awaited = mark, set()
        try:
            done = _do(step, self)
        except EndOfTime as error:
            earlier = "an earlier start of the scenario's clock, or a shorter wait"
            done = _Done("", (Problem(step.source.place(), "time", earlier, str(error)),))
        finish_what_is_due(self.simulator.clock)
        look = partial(look_back(self.simulator), since=mark, began=instant)
        expect = step.expect
        verified = problems_of_verifications(expect.source, "/verify", expect.verify, look)
        done = replace(done, problems=(*done.problems, *verified))
        finished = self._judged(number, step, done, mark, time.monotonic() - began)
        return _told(finished, self.simulator)

    def _not_filled(self, number: int, step: Step, error: SourceError) -> StepFinished:
        place = step.source.place()
        problems = tuple(
            Problem(
                f"{each.file}:{each.line}" if each.line else place,
                "what is captured",
                "a value that fits",
                each.message,
            )
            for each in error.problems
        )
        return StepFinished(
            self.scenario.id, number, step.name, place, "not done", 0.0, None, problems
        )

    def _judged(
        self, number: int, step: Step, done: _Done, mark: int, duration: float
    ) -> StepFinished:
        """Compare what has happened since a mark with what is expected."""
        entries = self.simulator.journal.entries(since=mark)
        items = (*done.unseen, *timeline(entries, done.asked))
        exchanges = [each for each in items if isinstance(each, Exchange)]
        problems_of_exchanges, named = match_exchanges(step.expect, exchanges)
        problems = (
            *done.problems,
            *problems_of_received(step.expect, done.sent, entries),
            *problems_of_exchanges,
            *problems_of_none(step.source, step.expect_none, exchanges),
            *problems_of_none(self.scenario.source, self.scenario.expect_none, exchanges),
            *problems_of_findings(step.expect, items),
            *problems_of_pending(step.expect, self.simulator.pending),
            *problems_of_listed(step.expect, entries),
        )
        if not problems:
            self.captured.update((name, of_exchange(each)) for name, each in named.items())
            self.captured.update(_captures(step, done, exchanges))
        return StepFinished(
            self.scenario.id,
            number,
            step.name,
            step.source.place(),
            done.outcome,
            duration,
            None if done.sent is None else done.sent.parts,
            problems,
            items,
            output=done.output,
            told="" if done.sent is None or done.sent.error is None else str(done.sent.error),
            settled=None if done.sent is None else done.sent.settled,
        )


def _told(finished: StepFinished, simulator: Simulator) -> StepFinished:
    """Return what is told of a step: its problems quote what was sent and came."""
    safe = partial(without_secrets, simulator)
    problems = tuple(
        replace(
            each,
            what=safe(each.what),
            expected=safe(each.expected),
            got=safe(each.got),
            hint=each.hint and safe(each.hint),
        )
        for each in finished.problems
    )
    return replace(finished, problems=problems, told=finished.told and safe(finished.told))


def _captures(
    step: Step, done: _Done, exchanges: Sequence[Exchange]
) -> Iterator[tuple[str, Captured]]:
    """Yield what a step has captured by a name of its own."""
    if step.captured_as is None:
        return
    found = done.found
    if isinstance(step.does, Command):
        role = step.does.party.role
        found = next((each for each in exchanges if each.sender == role), None)
    yield (
        step.captured_as,
        {
            **(of_exchange(found) if found else {}),
            **(of_instruction(done.sent, exchanges) if done.sent else {}),
            **done.ended,
        },
    )


@dataclass(frozen=True, slots=True)
class _Done:
    """What a step did.

    Attributes:
        problems: What did not hold, of what can be expected of such steps only.
        sent: The result of sending an instruction, if it sent one; of several, the last.
        ended: What is captured of a program, or of a request.
        found: What was awaited.
        asked: The journal's number of the exchange of a request.
        unseen: A request that no journal tells of.
    """

    outcome: str
    problems: tuple[Problem, ...] = ()
    sent: Outcome | None = None
    output: str = ""
    ended: Captured = field(default_factory=dict)
    found: Exchange | None = None
    asked: tuple[int | None, ...] = ()
    unseen: tuple[Exchange, ...] = ()


def _do(step: Step, running: _Running) -> _Done:
    done = _Done("")
    match step.does:
        case Wait():
            pass_time(step.does, running.simulator.clock)
        case Pause():
            time.sleep(step.does.duration.total_seconds())
        case Outage():
            done = _break(step, step.does, running.simulator)
        case Command():
            done = _act(step, step.does, running.simulator, running.real)
        case Verify():
            done = _verify(step.does, running.simulator)
        case RawRequest():
            done = _request(step, step.does, running.simulator)
        case Run():
            done = _run(step, step.does, running.simulator)
        case Await():
            done = _await(step.does, running)
        case Send():
            done = _send(step, step.does, running.simulator)
    return done


def _run(step: Step, program: Run, simulator: Simulator) -> _Done:
    mark = simulator.journal.last
    limit = step.expect.within.total_seconds() if step.expect.within else _PROGRAMS_PATIENCE
    try:
        ended = run_to_its_end(program, simulator, limit, _PATIENCE)
    except NotStarted as error:
        problem = Problem(step.source.place("/run"), "run", "a program", str(error))
        return _Done("not started", (problem,))
    entries = simulator.journal.entries(since=mark)
    sent = instructions_of(entries, simulator)
    asked = [
        each
        for each in timeline(entries)
        if isinstance(each, Exchange) and each.receiver == "solaruser"
    ]
    problems = (
        *problems_of_ending(step.expect, step.source.place(), ended, limit, longer="within"),
        *problems_of_step(step, sent, asked),
    )
    return _Done(
        ended.name,
        problems,
        sent[-1] if sent else None,
        ended.output,
        {"exit_code": ended.exit_code, "output": ended.output.strip()},
    )


def _await(awaited: Await, running: _Running) -> _Done:
    wanted = awaited.exchange
    count = wanted.times.at_least if wanted.times else 1
    seconds = awaited.within.total_seconds() if awaited.within else _PATIENCE

    def new(sent: Sequence[Exchange]) -> list[Exchange]:
        return [each for each in sent if each.number not in running.awaited]

    def fitting(sent: Sequence[Exchange]) -> list[Exchange]:
        return [each for each in new(sent) if fits_description(wanted, each)]

    sent = wait_for(
        lambda sent: len(fitting(sent)) >= count,
        running.simulator,
        running.since,
        seconds,
        real=running.real != RealParties(),
    )
    found = fitting(sent)[:count]
    if len(found) < count:
        others = [each for each in new(sent) if each not in found]
        problems = problems_of_awaited(awaited, seconds, len(found), others)
        return _Done("not seen", tuple(problems))
    running.awaited.update(each.number for each in found)
    return _Done("seen", found=found[0])


def _verify(said: Verify, simulator: Simulator) -> _Done:
    problems = problems_of_verifications(said.source, "", said.verifications, look_back(simulator))
    return _Done("", tuple(problems))


def _send(step: Step, instruction: Send, simulator: Simulator) -> _Done:
    if "solaruser" in simulator.plays and "flexibility_provider" not in simulator.plays:
        problem = Problem(
            step.source.place(),
            "the Flexibility Provider",
            "one behind the same SolarUser",
            "a real one, and a simulated SolarUser",
            "the queue between the two is theirs alone: give solaruser a seat, too",
        )
        return _Done("not sent", (problem,))
    patience = step.expect.within.total_seconds() if step.expect.within else 0.0
    began = _seconds(simulator)
    settles = step.expect.settled is not None
    outcome = send(instruction, simulator, max(patience, _PATIENCE), settles=settles)
    problems = problems_of_instruction(step, outcome, _seconds(simulator) - began)
    name = outcome.state or type(outcome.error).__name__
    return _Done(name, tuple(problems), outcome)


def _break(step: Step, outage: Outage, simulator: Simulator) -> _Done:
    try:
        simulator.set_broker(outage.broker)
    except LookupError as error:
        place = step.source.place("/broker")
        problem = Problem(place, "broker", "a simulated SolarUser", str(error.args[0]))
        return _Done("not done", (problem,))
    return _Done("")


def _act(step: Step, command: Command, simulator: Simulator, real: RealParties) -> _Done:
    began = _seconds(simulator)
    try:
        sent = act(command, simulator, real)
    except ImpossibleStep as error:
        problem = Problem(command.source.place(), command.name, "a message", str(error))
        return _Done("not sent", (problem,))
    problems = problems_of_answer(step, sent, _seconds(simulator) - began)
    return _Done("unanswered" if sent.status is None else str(sent.status), tuple(problems))


def _request(step: Step, request: RawRequest, simulator: Simulator) -> _Done:
    mark, began = simulator.journal.last, _seconds(simulator)
    patience = step.expect.within.total_seconds() if step.expect.within else _PATIENCE
    try:
        reply = ask(request, simulator, patience)
    except ImpossibleStep as error:
        problem = Problem(request.source.place(), "request", "one that can be sent", str(error))
        return _Done("not sent", (problem,))
    duration = _seconds(simulator) - began
    entry = next(iter(_from_outside(simulator.journal.entries(since=mark))), None)
    follow_instructions(simulator, mark, max(patience, _PATIENCE))
    sent = instructions_of(simulator.journal.entries(since=mark), simulator)
    why = None if entry is None else entry.detail.get("why")
    problems = (
        *problems_of_reply(step, reply, duration, why),
        *problems_of_sent(step.expect, sent, "the request"),
    )
    exchange = reply.exchange(simulator.journal) if entry is None else exchange_of(entry)
    return _Done(
        "unanswered" if reply.response is None else str(reply.response.status),
        problems,
        sent[-1] if sent else None,
        ended=reply.captured(exchange),
        asked=() if entry is None else (entry.exchange_id,),
        unseen=() if entry else (exchange,),
    )


def _from_outside(entries: Sequence[Entry]) -> list[Entry]:
    """Return what came from no party that is played."""
    exchanges = [each for each in entries if each.kind == "exchange"]
    ours = {each.exchange_id for each in exchanges if each.sent}
    return [each for each in exchanges if each.exchange_id not in ours]


def _seconds(simulator: Simulator) -> float:
    """Return seconds by the clock that the step is run by."""
    clock = simulator.clock
    return clock.monotonic() if is_moved(clock) else time.monotonic()

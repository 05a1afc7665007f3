"""Look through scenario files without running them, for what can be read but is hardly meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oscp_sim.scenario.model import (
    Command,
    Expect,
    Outage,
    Parameters,
    Pause,
    RawRequest,
    Scenario,
    Send,
    Step,
    Wait,
)
from oscp_sim.scenario.read import SHARED, load_scenarios
from oscp_sim.scenario.real_parties import KINDS, NAMES
from oscp_sim.world import User, World, load_world
from oscp_sim.yaml_source import SourceError, SourceProblem, YamlDocument, read_yaml

_SILENT: Final = frozenset({Outage, Pause, Wait})
_EXPECTING_NOTHING: Final = _SILENT | {Send, Command, RawRequest}
# Folders of what scenario files name, and what is looked for in them.
_NAMED: Final = (("worlds", "*.y*ml"), ("payloads", "*"))


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found: what must be mended before anything runs, and what is hardly meant.

    Attributes:
        scenarios: Empty where there are errors.
    """

    scenarios: tuple[Scenario, ...] = ()
    errors: tuple[SourceProblem, ...] = ()
    warnings: tuple[SourceProblem, ...] = ()


def lint(paths: Iterable[Path], include: Iterable[Path] = (), world: World | None = None) -> Linted:
    """Read scenario files as a rehearsal would, and the worlds below, and look through them."""
    paths = list(paths)
    try:
        scenarios = load_scenarios(paths, include)
    except SourceError as error:
        return Linted(errors=error.problems)
    documents = [
        read_yaml(Path(name), name)
        for name in dict.fromkeys(each.source.name for each in scenarios)
    ]
    unnamed = list(_unnamed(paths, documents))
    errors = tuple(problem for path in unnamed for problem in _errors_of_world(path))
    warnings = [
        *(problem for each in documents for problem in _idle_keys(each)),
        *(problem for each in scenarios for problem in _of_scenario(each, world or load_world())),
        *(
            SourceProblem(str(each), "no scenario names it: name it, or delete it")
            for each in unnamed
        ),
    ]
    warnings.sort(key=lambda each: (each.file, each.line or 0, each.column or 0))
    return Linted(scenarios, errors, tuple(dict.fromkeys(warnings)))


def _errors_of_world(path: Path) -> tuple[SourceProblem, ...]:
    if path.parent.name != _NAMED[0][0]:
        return ()
    try:
        load_world(path)
    except SourceError as error:
        return error.problems
    return ()


def _idle_keys(document: YamlDocument) -> Iterator[SourceProblem]:
    """Yield a problem for each key beside the scenarios that each of them has itself."""
    scenarios = document.value.get("scenarios", ())
    for key in SHARED:
        if key in document.value and scenarios and all(key in each for each in scenarios):
            message = f'"{key}" is never used: each scenario has its own; leave this out'
            yield document.problem(f"/{key}", message, key=True)


# Files that nobody names.


def _unnamed(paths: Iterable[Path], documents: Iterable[YamlDocument]) -> Iterator[Path]:
    """Yield each world and payload below the paths that no document names."""
    named = {path for each in documents for path in _files_of(each)}
    for top in paths:
        for folder, pattern in _NAMED:
            for path in sorted(top.rglob(f"{folder}/{pattern}")):
                if path.is_file() and path.resolve() not in named:
                    yield path


def _files_of(document: YamlDocument) -> Iterator[Path]:
    """Yield each file that a text in a document names, relative to it, whatever its key."""
    folder = Path(document.name).parent
    for text in _texts(document.value):
        # Most texts are no paths, and some cannot be.
        with suppress(OSError, ValueError):
            if (folder / text).is_file():
                yield (folder / text).resolve()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    items: Any = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list):
        for each in items:
            yield from _texts(each)


# What a scenario says.


def _of_scenario(scenario: Scenario, otherwise: World) -> Iterator[SourceProblem]:
    kinds = {type(step.does) for step in scenario.steps}
    # Another kind of step is an expectation by itself.
    none = scenario.expect_none or any(each.expect_none for each in scenario.steps)
    idle = not none and all(each.expect == Expect() for each in scenario.steps)
    if idle and kinds <= _EXPECTING_NOTHING:
        sends = "each instruction is Completed and each other message is answered with success"
        passes = "whatever happens" if kinds <= _SILENT else f"as long as {sends}"
        message = f"nothing is expected, so it passes {passes}: say with expect what is to come"
        yield scenario.source.problem("/scenario", message)
    world = scenario.world or otherwise
    for step in scenario.steps:
        if "${" in repr(step.does):
            # What it names is known only once earlier steps have run.
            continue
        if isinstance(step.does, Command):
            yield from _unknown_party(step.does, world)
        if isinstance(step.does, RawRequest):
            yield from _unknown_names_of(step.does, world)
        if isinstance(step.does, Send) and scenario.real_parties.solaruser is None:
            yield from _unknown_place(step, step.does, world)


def _unknown_party(command: Command, world: World) -> Iterator[SourceProblem]:
    party, kind = command.party, KINDS[command.party.role]
    there = [each.id for user in world.users for each in user.systems if isinstance(each, kind)]
    if party.id not in there:
        message = f"there is no {NAMES[party.role]} {party.id} in the world; {_there(there)}"
        key = "provider" if party.role == "capacity_provider" else "optimizer"
        yield command.source.problem(f"/{key}", message)


def _unknown_names_of(request: RawRequest, world: World) -> Iterator[SourceProblem]:
    from oscp_sim.scenario.act import ImpossibleStep  # noqa: PLC0415 - it is slow to import
    from oscp_sim.scenario.requests import check_names  # noqa: PLC0415 - as above

    try:
        check_names(request, world)
    except ImpossibleStep as error:
        yield request.source.problem("", str(error))


def _unknown_place(step: Step, send: Send, world: World) -> Iterator[SourceProblem]:
    """Yield what a step names that is not in the world though it expects to succeed."""
    expect = step.expect
    if expect.state not in {None, "Completed"} or expect.reason or expect.sender:
        return
    owner = world.owner_of_node(send.node)
    if owner is None:
        nodes = [node for user in world.users for node in user.nodes]
        message = f"there is no node {send.node} in the world; {_there(nodes)}"
        yield send.source.problem("/node", message)
    elif not isinstance(send.content, Parameters):
        yield from _unknown_names(send, owner)


def _unknown_names(send: Send, owner: User) -> Iterator[SourceProblem]:
    optimizers = [each.id for each in owner.capacity_optimizers]
    groups = [each.identifier for each in owner.capacity_groups]
    meant = "expect Declined if that is meant"
    if _number(send.optimizer) not in optimizers:
        what = f"user {owner.id} has no Capacity Optimizer {send.optimizer}; {_there(optimizers)}"
        yield send.source.problem("/optimizer", f"{what}: {meant}")
    if send.group not in groups:
        what = f"user {owner.id} has no Capacity Group {send.group}; {_there(groups)}"
        yield send.source.problem("/group", f"{what}: {meant}")


def _number(text: str | None) -> int | None:
    """Return a number as the services read it, with a sign and zeros in front, or None."""
    try:
        return int(text or "")
    except ValueError:
        return None


def _there(known: Iterable[object]) -> str:
    return f"there is {', '.join(map(str, dict.fromkeys(known))) or 'none'}"

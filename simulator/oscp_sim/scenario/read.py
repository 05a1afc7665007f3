"""Read scenario files, or say by file, line and column why they cannot be rehearsed."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache, cached_property, partial, reduce
from importlib.resources import files
from itertools import repeat
from operator import getitem
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from oscp_schemas.show import escape_pointer, nearest
from oscp_sim.clock import parse_duration
from oscp_sim.dataclass_values import DataclassReader
from oscp_sim.entry import check_value
from oscp_sim.faults import Rule, load_faults, rules_of
from oscp_sim.matching import TextPattern
from oscp_sim.scenario.captures import CaptureCheck, Captured, fill
from oscp_sim.scenario.model import (
    Await,
    Body,
    ClockSetting,
    Command,
    Declined,
    Does,
    Expect,
    ExpectedExchange,
    JsonText,
    Message,
    Outage,
    Parameters,
    Pause,
    PlayedParty,
    RawRequest,
    Received,
    Refused,
    Run,
    Scenario,
    Send,
    Signer,
    Step,
    Times,
    Verify,
    Wait,
    parse_expression,
    parse_instant,
)
from oscp_sim.scenario.real_parties import SystemRole
from oscp_sim.scenario.references import (
    MATRIX,
    Case,
    Matrix,
    is_of_matrix,
    is_open,
    malformed,
    open_schema,
    plain,
    references,
    texts,
    unused,
)
from oscp_sim.scenario.selection import scenario_files, shown_path
from oscp_sim.verify import Verification
from oscp_sim.world import World, load_world
from oscp_sim.yaml_source import SourceError, SourceProblem, YamlDocument, read_yaml
from oscp_sim.yaml_violations import FileSchema


def load_scenarios(
    paths: Iterable[Path | str], include: Iterable[Path | str] = ()
) -> tuple[Scenario, ...]:
    """Read all scenarios of files and folders, in the order of paths, files and lines.

    Folders are searched all the way down for `*.yaml` and `*.yml`, but for those called `worlds` or
    `payloads` and hidden ones. A file that is named itself is always read.

    Args:
        paths: Files and folders.
        include: Folders with worlds and payloads that the files may name beside those in the folder
            that was named, or in their own where they were named themselves.

    Raises:
        SourceError: Every problem of every path and file: it is not there, cannot be read, is not
            YAML, breaks the schema, names a payload or world that is missing, wrong or elsewhere,
            or has the name of another scenario of its folder.
    """
    problems: list[SourceProblem] = []
    scenarios: list[tuple[Path, Scenario]] = []
    included = [Path(each).resolve() for each in include]
    for path, folder, top in scenario_files(map(Path, paths)):
        try:
            document = read_yaml(path, shown_path(path))
        except SourceError as error:
            problems += error.problems
            continue
        if broken := _broken(document):
            problems += broken
            continue
        reader = _FileReader(path, document, [top.resolve(), *included])
        scenarios += zip(repeat(path.resolve().parent), reader.scenarios(folder), strict=False)
        problems += reader.problems
    problems += _repeated_names(scenarios)
    if problems:
        raise SourceError(dict.fromkeys(problems))
    return tuple(scenario for _, scenario in scenarios)


def load_expectation(path: Path) -> Expect:
    """Read what is expected of a program: a file with the keys that a step has below `expect`.

    Raises:
        SourceError: It cannot be read, breaks the schema, or has what no program leads to.
    """
    place = path, read_yaml(path, shown_path(path)), [path.parent.resolve()]
    return _FileReader.read_part(*place, _schema("definitions", "expect"), _FileReader.expectation)


def read_clock(value: Mapping[str, Any]) -> ClockSetting:
    """Read by which clock something runs, as a mapping that a scenario file has below `clock`.

    Raises:
        SourceError: It is not one; it says where.
    """
    schema = _schema("definitions", "scenario", "properties", "clock")
    place = Path(), YamlDocument.of(value, "clock"), ()
    return _FileReader.read_part(*place, schema, _FileReader.clock)


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, a fresh copy."""
    text = files("oscp_sim.scenario").joinpath("scenario.schema.json").read_bytes()
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _schema(*keys: str) -> FileSchema:
    """Return the schema of a scenario file, or that of a part of one at some keys in it."""
    whole = scenario_schema()
    return FileSchema({**reduce(getitem, keys, whole), "definitions": whole["definitions"]})


def editor_schema() -> dict[str, Any]:
    """Return the JSON Schema for an editor, in which a reference may stand for any value.

    Of a file whose references have their values, `scenario_schema` says more clearly what is wrong.
    """
    return open_schema(scenario_schema())


def _broken(document: YamlDocument) -> list[SourceProblem]:
    """Return what is wrong with a file before any reference in it has its value."""
    if wrong := list(malformed(document)):
        return wrong
    later = is_of_matrix(document)
    problems = _schema().problems(document, is_open(document))
    return [each for each in problems if each.pointer is None or not later(each.pointer)]


def _mapping(value: object) -> Mapping[str, Any]:
    """Return a value where it is a mapping already, rather than a reference to one."""
    return value if isinstance(value, Mapping) else {}


def _repeated_names(scenarios: Iterable[tuple[Path, Scenario]]) -> Iterator[SourceProblem]:
    first: dict[tuple[Path, str], Scenario] = {}
    for folder, scenario in scenarios:
        known = first.setdefault((folder, scenario.name), scenario)
        if known is not scenario:
            place = known.source.place("/scenario")
            message = f'the name "{scenario.name}" is used in this folder already, at {place}'
            yield scenario.source.problem("/scenario", message)


_T = TypeVar("_T")

# From one file to its scenarios.

#: What may be beside the list of scenarios, for each that has no such key itself.
SHARED: Final = ("world", "fidelity", "seed", "clock", "seats", "sequence", "faults")
# The key of a command that says who sends it, and the role of that party.
_SENDERS: Final[tuple[tuple[str, SystemRole], ...]] = (
    ("provider", "capacity_provider"),
    ("optimizer", "capacity_optimizer"),
)
_FORECASTS: Final = ("AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast")
_MADE_BY_SENDER: Final = ("optimizer", "group", "action", "correlation_id")
_PATTERNS: Final = frozenset({"starts_with", "matches"})
# Steps that send nothing, as messages call them.
_SILENT: Final[Mapping[type, str]] = {
    Outage: "a broker step",
    Pause: "a pause step",
    Verify: "a verify step",
    Wait: "a wait step",
}
_OF_PROGRAMS: Final = ("declined", "exit_code", "output", "refused")
_OF_REQUESTS: Final = ("headers", "body")
_OF_SENDERS: Final = ("sender", "settled")
_OF_SENT: Final = ("reason", "parts", "state", "status", "within")
# What is expected of what one step sends; all else can be expected of any step.
_OF_ONE: Final = (*_OF_SENT, *_OF_PROGRAMS, *_OF_REQUESTS, *_OF_SENDERS)
_IN_EXCHANGES: Final = (
    "it is for requests; what a party answers is in exchanges, as status and message"
)
_MANY_REQUESTS: Final = "it may send many requests: expect its output, or exchanges"
# Why a key of an expectation makes no sense for what a step does.
_NOT_EXPECTED: Final[Mapping[type, Mapping[str, str]]] = {
    Await: dict.fromkeys(_OF_ONE, "say in await itself what is awaited, and within what time"),
    **{kind: dict.fromkeys(_OF_ONE, f"{name} sends nothing") for kind, name in _SILENT.items()},
    RawRequest: {
        **dict.fromkeys(
            _OF_PROGRAMS, "it is for programs, with run; the answer to this request has a status"
        ),
        **dict.fromkeys(_OF_SENDERS, "no sender is asked: the answer to this request has a status"),
    },
    Run: {
        **dict.fromkeys(_OF_REQUESTS, _MANY_REQUESTS),
        **dict.fromkeys(_OF_SENDERS, "a program says itself what is wrong: expect its output"),
    },
    Command: {
        **dict.fromkeys(_OF_REQUESTS, _IN_EXCHANGES),
        **dict.fromkeys(_OF_PROGRAMS, "it is for programs, with run"),
        **dict.fromkeys(
            ("parts", "state", *_OF_SENDERS),
            "it is for instructions; the answer to this message has a status",
        ),
    },
    Send: {
        **dict.fromkeys(_OF_REQUESTS, _IN_EXCHANGES),
        **dict.fromkeys(_OF_PROGRAMS, "it is for programs, with run"),
        "status": "an instruction ends in a state; expect that",
    },
}
# The same of a file about a program that is run on its own.
_NOT_OF_PROGRAM: Final[Mapping[str, str]] = {
    **dict.fromkeys(_OF_REQUESTS, _MANY_REQUESTS),
    **dict.fromkeys(_OF_SENDERS, "its errors are its own; expect its exit_code or output"),
    "parts": "it may send many instructions",
    "status": "expect those requests that are refused, under refused, or exchanges",
}


class _FileReader:
    """Makes the scenarios of one file, in which the schema found nothing wrong."""

    def __init__(
        self,
        path: Path,
        document: YamlDocument,
        folders: Sequence[Path],
        *,
        is_literal: bool = False,
    ) -> None:
        self._path = path
        self._folders = folders
        self._original = document
        # Whether anything in it is a reference, or a text that only looks like one.
        self._refers = not is_literal and any(texts(document.value))
        self._is_open = is_open(document) if self._refers else lambda _: False
        self._document = document.with_texts(plain) if self._refers else document
        self._more: list[SourceProblem] = []
        self._reader = DataclassReader(
            self._document,
            _SHORTHANDS,
            {
                Await: self._await,
                Body: self._body,
                ClockSetting: self._clock,
                Command: self._command,
                JsonText: self._json_text,
                Message: lambda value, _: Message(value),
                RawRequest: self._request,
                Run: self._run,
                Send: self._send,
                Step: self._step,
                TextPattern: self._text_pattern,
                Verification: self._verification,
                Verify: self._verify,
                World: self._world,
                tuple[Rule, ...]: self._faults,
            },
        )

    @classmethod
    def read_part(
        cls,
        path: Path,
        document: YamlDocument,
        folders: Sequence[Path],
        schema: FileSchema,
        read: Callable[[Self], _T],
    ) -> _T:
        """Return what a part of a scenario file says, in which nothing is a reference.

        Raises:
            SourceError: Something in it is wrong.
        """
        if problems := schema.problems(document):
            raise SourceError(problems)
        reader = cls(path, document, folders, is_literal=True)
        found = read(reader)
        if reader.problems:
            raise SourceError(reader.problems)
        return found

    @property
    def problems(self) -> list[SourceProblem]:
        """What is wrong, in the order of the file; with any, the scenarios are of no use."""
        # What a later value will be cannot be wrong yet.
        own = [
            each
            for each in self._reader.problems
            if each.file != self._document.name or not self._is_open(each.pointer or "")
        ]
        return sorted(
            dict.fromkeys([*own, *self._more]),
            key=lambda each: (each.file, each.line or 0, each.column or 0),
        )

    def scenarios(self, folder: str) -> list[Scenario]:
        """Return the scenarios in order; their group is the folder, or this file in it."""
        value, stem = self._original.value, self._path.stem
        if "scenarios" not in value:
            return list(self._over_matrix("", folder or stem))
        group = f"{folder}/{stem}" if folder else stem
        pointers = [f"/scenarios/{at}" for at in range(len(value["scenarios"]))]
        found = [each for pointer in pointers for each in self._over_matrix(pointer, group)]
        used = {name for each in found for name in each.matrix}
        for name in value.get(MATRIX, {}):
            if name not in used and not self._more:
                pointer = f"/{MATRIX}/{escape_pointer(name)}"
                self._more.append(self._original.problem(pointer, unused(name), key=True))
        return found

    @cached_property
    def _shared(self) -> Mapping[str, Any]:
        """What is beside the list of scenarios, for each of them."""
        value = self._document.value
        keys = (*SHARED, "tags")
        return self._reader.fields_of(Scenario, {key: value[key] for key in keys if key in value})

    def _over_matrix(self, at: str, group: str) -> Iterator[Scenario]:
        """Yield a scenario, once for each combination of the values that it is written for."""
        matrix = Matrix(self._original, at, SHARED)
        cases = matrix.cases()
        self._more += matrix.problems
        for case in cases:
            reader = self
            if case.label:
                more = _schema().problems(case.document, is_open(case.document))
                self._more += more
                if more:
                    return
                reader = _FileReader(self._path, case.document, self._folders)
            mistakes = list(CaptureCheck(case.document, at, SHARED).problems())
            self._more += mistakes
            if not mistakes:
                yield reader.scenario(at, group, case)
            if reader is not self:
                self._more += reader.problems

    def scenario(self, at: str, group: str, case: Case) -> Scenario:
        """Return one scenario, with the values of a matrix that the document has in place."""
        shared = self._shared if at else {}
        value = self._document.at(at).value
        own = self._reader.fields_of(Scenario, value, at)
        self._check_none(value, at)
        made = {**shared, **own, "name": f"{own['name']}{case.label}", "matrix": case.values}
        made["tags"] = tuple(dict.fromkeys([*shared.get("tags", ()), *own.get("tags", ())]))
        return Scenario(group=group, **made)

    def _check_none(self, scenario: Mapping[str, Any], at: str) -> None:
        """Complain of what nobody should send and nobody can: it would always hold."""
        steps = [_mapping(each) for each in scenario["steps"]]
        sends = [_mapping(each.get("send")) for each in steps]
        sends += [_mapping(each.get("parameters")) for each in sends]
        sent = {each.get("action", "") for each in sends}
        places = [(at, scenario), *((f"{at}/steps/{n}", step) for n, step in enumerate(steps))]
        for pointer, holder in places:
            none = holder.get("expect_none", ())
            for index, each in enumerate(none if isinstance(none, list) else ()):
                action = _mapping(each).get("action", "")
                try:
                    if action and "${" not in action:
                        check_value("action", action, sent)
                except ValueError as error:
                    self._complain(f"{pointer}/expect_none/{index}/action", str(error))

    def expectation(self) -> Expect:
        """Return what the whole file says that is expected of a program."""
        for key in self._document.value:
            if why := _NOT_OF_PROGRAM.get(key):
                message = f'"{key}" cannot be expected of a program: {why}'
                self._complain(f"/{key}", message, key=True)
        if self._document.value.get("state", "Completed") not in {"Completed", "Declined"}:
            why = "a program is judged when its instructions have ended: Completed, or Declined"
            self._complain("/state", why)
        if "same_as_sent" in self._document.value.get("received", ()):
            why = 'a program may send many messages: expect "message"'
            self._complain("/received/same_as_sent", why)
        return self._reader.read(Expect)

    def clock(self) -> ClockSetting:
        """Return what the whole file says of a clock."""
        return self._clock(self._document.value, "")

    def _complain(self, at: str, message: str, *, key: bool = False) -> None:
        self._reader.problems.append(self._document.problem(at, message, key=key))

    def _world(self, value: str | Mapping[str, Any], at: str) -> World | None:
        path = self._beside(value, at) if isinstance(value, str) else None
        try:
            if not isinstance(value, str):
                return load_world(self._document.at(at), folder=self._path.parent)
            return load_world(path, shown_path(path)) if path else None
        except SourceError as error:
            self._reader.problems.extend(error.problems)
            return None

    def _faults(self, value: str | Sequence[Any], at: str) -> tuple[Rule, ...]:
        try:
            if not isinstance(value, str):
                return rules_of(self._document.at(at.removesuffix("/faults")))
            path = self._beside(value, at)
            return load_faults(path) if path else ()
        except SourceError as error:
            self._reader.problems.extend(error.problems)
            return ()

    def _clock(self, value: Mapping[str, Any], at: str) -> ClockSetting:
        runs = value.get("runs", "frozen")
        if runs == "real" and "start" in value:
            why = "the machine's clock starts nowhere: leave start out"
            self._complain(f"{at}/start", why, key=True)
        if runs != "fast" and "speed" in value:
            self._complain(f"{at}/speed", f"a {runs} clock has no speed: make it fast", key=True)
        return ClockSetting(**self._reader.fields_of(ClockSetting, {"runs": runs, **value}, at))

    def _step(self, value: Mapping[str, Any], at: str) -> Step:
        read = self._reader.fields_of(Step, value, at)
        does = read["does"]
        read.setdefault("name", _name(does))
        # The place of an expectation that the file does not have is the step.
        read.setdefault("expect", Expect(source=read["source"]))
        expected = value.get("expect", {})
        if "as" in value and type(does) in _SILENT:
            self._complain(f"{at}/as", f"{_SILENT[type(does)]} sends nothing", key=True)
        for key in expected:
            if why := _NOT_EXPECTED[type(does)].get(key):
                message = f'"{key}" cannot be expected here: {why}'
                self._complain(f"{at}/expect/{key}", message, key=True)
        if "same_as_sent" in expected.get("received", ()) and not isinstance(does, Send | Run):
            why = 'no instruction is sent here: expect "message"'
            self._complain(f"{at}/expect/received/same_as_sent", why)
        original = self._original.at(at)
        if self._refers and any(references(text) for _, text in texts(original.value)):
            read["fill"] = partial(self._filled, original)
        return Step(**read)

    def _filled(self, original: YamlDocument, captured: Mapping[str, Captured]) -> Step:
        """Return a step once its references have values.

        Raises:
            SourceError: A value does not fit.
        """
        place = self._path, fill(original, captured), self._folders
        return _FileReader.read_part(*place, _schema("definitions", "step"), _FileReader.step)

    def step(self) -> Step:
        """Return the step that the document is."""
        return self._step(self._document.value, "")

    def _run(self, value: Sequence[str] | Mapping[str, Any], at: str) -> Run:
        others = None
        command: Sequence[str] = value["command"] if isinstance(value, Mapping) else value
        if isinstance(value, Mapping):
            others = value.get("others", "pass") if value.get("intercept") else None
            if "others" in value and others is None:
                why = '"others" has no effect without "intercept: true" beside it'
                self._complain(f"{at}/others", why, key=True)
        if command[0].startswith(("./", "../")):
            above = at if command is value else f"{at}/command"
            self._program(command[0], f"{above}/0")
        return Run(tuple(command), self._path.parent, others, source=self._document.at(at))

    def _program(self, named: str, at: str) -> None:
        path = self._path.parent / named
        if " " in named and not path.is_file():
            items = ", ".join(named.split())
            self._complain(at, f'there is no program "{named}"; write it as [{items}]')
        elif not path.is_file():
            self._complain(at, _no_file(named, path))
        elif not os.access(path, os.X_OK):
            why = f'"{named}" is not a program: make it one with chmod +x, or name what runs it'
            self._complain(at, why)

    def _request(self, value: Mapping[str, Any], at: str) -> RawRequest:
        request = RawRequest(**self._reader.fields_of(RawRequest, value, at))
        for key, message in _wrong_with(request):
            self._complain(f"{at}/{key}", message, key=True)
        return request

    def _body(self, value: object, at: str) -> Body:
        is_pattern = isinstance(value, Mapping) and len(value) == 1 and value.keys() <= _PATTERNS
        if is_pattern and all(isinstance(each, str) for each in _mapping(value).values()):
            return Body(self._text_pattern(_mapping(value), at))
        return Body(value)

    def _await(self, value: Mapping[str, Any], at: str) -> Await:
        read = self._reader.fields_of(
            ExpectedExchange, {key: each for key, each in value.items() if key != "within"}, at
        )
        within = value.get("within")
        if within is not None:
            within = self._reader.attempt(parse_duration, within, f"{at}/within")
        return Await(ExpectedExchange(**read), within, source=self._document.at(at))

    def _send(self, value: Mapping[str, Any], at: str) -> Send:
        for key in _MADE_BY_SENDER:
            if "parameters" in value and key in value:
                why = f'"parameters" says all: leave "{key}" out'
                self._complain(f"{at}/{key}", why, key=True)
            if "parameters" not in value and key not in value and key != "correlation_id":
                self._complain(at, f'"{key}" is missing; or give "parameters" instead')
        given = dict(value)
        if "forecast" in value:
            given["forecast"] = {"group_id": value.get("group", ""), **value["forecast"]}
            if value.get("action", _FORECASTS[0]) not in _FORECASTS:
                wanted = " or ".join(_FORECASTS)
                why = f'"forecast" makes {wanted}; give "message" instead'
                self._complain(f"{at}/action", why)
        if isinstance(value.get("optimizer"), int | float):
            given["optimizer"] = str(int(value["optimizer"]))
        return Send(**self._reader.fields_of(Send, given, at))

    def _command(self, value: Mapping[str, Any], at: str) -> Command:
        key, role = next(each for each in _SENDERS if each[0] in value)
        fields = {name: each for name, each in value.items() if name not in {key, "user"}}
        for name in {"start", "offline_mode_at"} & fields.keys():
            fields[name] = self._reader.attempt(parse_instant, fields[name], f"{at}/{name}")
        if "csv" in fields and "\n" not in fields["csv"]:
            fields["csv"] = self._beside(fields["csv"], f"{at}/csv")
        if "file" in fields:
            fields["message"] = self._json(fields.pop("file"), f"{at}/file")
        return Command(
            at.rpartition("/")[2],
            PlayedParty(role, self._id(value, key, at) or 0, self._id(value, "user", at)),
            fields,
            source=self._document.at(at),
        )

    def _id(self, value: Mapping[str, Any], key: str, at: str) -> int | None:
        return self._reader.attempt(int, value[key], f"{at}/{key}") if key in value else None

    def _verify(self, value: Sequence[Any], at: str) -> Verify:
        read = (self._verification(each, f"{at}/{index}") for index, each in enumerate(value))
        return Verify(tuple(filter(None, read)), source=self._document.at(at))

    def _verification(self, value: Mapping[str, Any], at: str) -> Verification | None:
        if self._refers and any(texts(self._original.at(at).value)):
            # What a reference stands for cannot be wrong yet.
            return None
        try:
            return Verification(value)
        except ValueError as error:
            self._complain(at, str(error))
            return None

    def _text_pattern(self, value: str | Mapping[str, str], at: str) -> TextPattern:
        if isinstance(value, str):
            return TextPattern("is", value)
        if "starts_with" in value:
            return TextPattern("starts_with", value["starts_with"])
        self._reader.attempt(parse_expression, value["matches"], f"{at}/matches")
        return TextPattern("matches", value["matches"])

    def _json_text(self, value: str, at: str) -> JsonText:
        return JsonText(*self._text_of(value, at)) if at.endswith("/file") else JsonText(value)

    def _json(self, named: str, at: str) -> object:
        text, name = self._text_of(named, at)
        if name is None:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            self._complain(at, f"{name} is not JSON: {error}")
            return None

    def _text_of(self, named: str, at: str) -> tuple[str, str | None]:
        """Return the text of a file that is named, and the name that messages give it."""
        path = self._beside(named, at)
        if path is None:
            return "", None
        try:
            return path.read_bytes().decode("utf-8"), shown_path(path)
        except (OSError, UnicodeDecodeError) as error:
            self._complain(at, f"{shown_path(path)} cannot be read as UTF-8 text: {error}")
            return "", None

    def _beside(self, named: str, at: str) -> Path | None:
        """Return the file of a path that is relative to the scenario file."""
        path = self._path.parent / named
        if not _is_within(path, self._folders):
            where = f'"{named}" is outside of the folder {shown_path(self._folders[0])}'
            self._complain(at, f"{where}: move it there, or give its folder with --include")
            return None
        if path.is_file():
            return path
        self._complain(at, _no_file(named, path))
        return None


def _no_file(named: str, path: Path) -> str:
    there = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, [each for each in there if each != path.name], cutoff=0.8)
    hint = f'; did you mean "{near}"?' if near else "; the path is relative to this file"
    return f'there is no file "{named}"{hint}'


def _is_within(path: Path, folders: Iterable[Path]) -> bool:
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError):
        # It leads nowhere, which is said elsewhere.
        return True
    return any(real.is_relative_to(folder) for folder in folders)


def _with_lists(expect: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an expectation with an empty list where the file has the word nothing for it."""
    lists = {"exchanges", "findings"}
    return {key: [] if key in lists and each == "nothing" else each for key, each in expect.items()}


def _allowed(value: str | Sequence[Any]) -> Mapping[str, Any]:
    """Return what may be declined or refused, where the file may have a word for it."""
    if value == "allowed":
        return {"any": True}
    return {"listed": [] if value == "nothing" else value}


# What turns a value as it is written into the fields of its dataclass.
_SHORTHANDS: Final[Mapping[type, Callable[[Any], Mapping[str, Any]]]] = {
    Declined: _allowed,
    Expect: _with_lists,
    Parameters: lambda value: {"pairs": list(value.items())},
    Received: lambda value: {"nothing": True} if value == "nothing" else value,
    Refused: _allowed,
    Outage: lambda value: {"broker": value},
    Pause: lambda value: {"duration": value},
    Signer: lambda value: {"token": value} if isinstance(value, str) else value,
    Times: lambda value: (
        value if isinstance(value, Mapping) else {"at_least": value, "at_most": value}
    ),
    Wait: lambda value: {"duration": value},
}


def _wrong_with(request: RawRequest) -> Iterator[tuple[str, str]]:
    """Yield a key of a request that makes no sense beside the others, and why."""
    to = request.to.party if request.to else None
    shown = any(name.lower() == "authorization" for name in request.headers)
    for key, given in (("sign", request.sign), ("token_of", request.token_of)):
        if given is not None and shown:
            yield key, f'headers has Authorization already: leave "{key}" out, or that'
    if request.sign and to not in {None, "solaruser"}:
        yield "sign", f"SolarUser alone reads such a signature; {to} wants token_of"
    if request.sign and request.token_of:
        yield "token_of", 'the request is signed already: leave "sign" out, or this'
    elif request.token_of and to in {None, "solaruser"}:
        yield "token_of", "say with to whom it is shown: flexibility_provider, or the party itself"
    elif request.token_of and request.token_of.party not in {"capacity_provider", _OPTIMIZER}:
        yield "token_of", f"a {_OPTIMIZER} or capacity_provider has a token; {_SIGNS}"
    elif request.token_of and to not in {"flexibility_provider", request.token_of.party}:
        yield "token_of", f"{to} is called with a token of its own: token_of: {request.to}"
    if request.user is not None and not (
        request.token_of or to in {"capacity_provider", _OPTIMIZER}
    ):
        yield "user", "it says whose Capacity Provider or Optimizer is meant, and none is named"


_OPTIMIZER: Final = "capacity_optimizer"
_SIGNS: Final = "SolarUser wants a signature, with sign"


def _name(does: Does) -> str:
    """Return what the report calls a step without a name."""
    match does:
        case Wait() | Pause():
            word = "wait" if isinstance(does, Wait) else "pause"
            name = f"{word} {_duration(does.duration)}" if does.duration else word
        case Outage():
            name = f"broker {does.broker}"
        case Verify():
            name = "verify"
        case Run():
            name = f"run {shlex.join(does.command)}"
        case Await():
            name = f"await {does.exchange.action or does.exchange.path or 'a message'}"
        case RawRequest():
            name = f"{does.verb} {does.path}"
        case Command():
            action = does.fields.get("action") if does.name == "post" else None
            name = action or does.name.replace("_", " ")
        case Send():
            pairs = dict(does.content.pairs) if isinstance(does.content, Parameters) else {}
            name = does.action or pairs.get("action") or "instruction"
    return name


def _duration(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"

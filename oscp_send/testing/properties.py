"""Properties of any sender: a ready test for a function that sends messages through SolarUser."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias, get_args

from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as Settings  # noqa: N812 - an argument has its name
from hypothesis import strategies as st

from oscp_schemas.show import make_pointer, nearest, preview
from oscp_send.judgement import INSTRUCTION_ACTIONS
from oscp_send.solarnetwork.texts import GROUP_MISMATCH
from oscp_send.testing.cases import FAULTS, Case, Cases, Fault, Takes, compact
from oscp_send.testing.signatures import NotVerified, verify_signature
from oscp_send.testing.strategies import Sample, check_strategy, texts_near_part_boundaries
from oscp_send.testing.trial import (
    PRODUCTION,
    Outcome,
    Posted,
    Rehearsal,
    Sending,
    Trial,
    Trials,
    Way,
    declined,
)
from oscp_send.times import cut_to_milliseconds, read_instant

Kinds: TypeAlias = type[Exception] | tuple[type[Exception], ...]
_PATIENCE: Final = 0.5
#: A position in a request, which is then taken modulo its length.
_POSITIONS: Final = st.integers(0, 9999)


class SenderMistake(AssertionError):
    """A sender does not have a property; its text says which, what was sent and what arrived."""


def sender_properties(
    send: Callable[[Sending], Outcome],
    *,
    through: Way = "socket",
    takes: Takes = "text",
    actions: str | Iterable[str] = INSTRUCTION_ACTIONS,
    samples: st.SearchStrategy[Sample] | None = None,
    not_delivered: Kinds = (),
    unknown: Kinds = (),
    patience: float = _PATIENCE,
    only: str | Iterable[str] = (),
    settings: Settings | None = None,
) -> Callable[..., None]:
    """Return a test of a sender: of each property, with messages that hypothesis draws.

        test_my_sender = sender_properties(my_send)

    pytest gives it the fixture `oscp` of the simulator's plugin, and reports each property as a
    test of its own, as `test_my_sender[signature]`. Called with a running `Simulator`, it tries all
    properties. Each example starts with `reset()` and without faults.

    Args:
        send: Sends what it is given, follows it to its end, and returns "delivered",
            "not delivered" or "unknown".
        through: How it reaches SolarUser: `socket`, at `Sending.url`; `session`, in the same
            process, by `Sending.session` alone, which is quicker; or `intercept`, at production's
            URL, which it has in its source.
        takes: Whether it sends `Sending.text` as it is, or writes `Sending.message` itself, in
            which no name can be there twice.
        actions: The OSCP messages that it can send.
        samples: Valid messages of these actions, for the group of the world; any unless given.
        not_delivered: Exceptions by which it says that nothing was delivered.
        unknown: Exceptions by which it says that it does not know.
        patience: The `Sending.timeout` of messages at which something goes wrong.
        only: The properties to try, by their names; all of them unless given.
        settings: Of hypothesis; those of the profile unless given.

    Raises:
        ValueError: A property, an action or a way is unknown.
        TypeError: `send` cannot be called, or the samples are not a strategy.
    """
    check_strategy("samples", samples)
    if not callable(send):
        raise TypeError(f"send is a function that is given a Sending, not {send!r}")
    wanted = _known("property", only, _PROPERTIES)
    sent = _known("action", actions, INSTRUCTION_ACTIONS)
    _known("through", through, get_args(Way))
    _known("takes", takes, get_args(Takes))

    def test(oscp: Rehearsal, property_name: str | None = None) -> None:
        __tracebackhide__ = True
        trials = Trials(
            oscp,
            send,
            way=through,
            not_delivered=_all_of(not_delivered),
            unknown=_all_of(unknown),
            patience=patience,
        )
        cases = Cases(trials.cg_identifier, sent, takes, samples)
        sender = getattr(send, "__qualname__", type(send).__name__).rpartition(".")[2]
        scope = _Scope(sender, trials, cases, settings or Settings())
        for name in [property_name] if property_name else wanted:
            try:
                _PROPERTIES[name].tries(scope)
            except SenderMistake as mistake:
                _raise_alone(mistake)
        # What was broken on purpose is nothing that the rehearsal should complain of.
        trials.forget()

    return _for_pytest(test, wanted)


def _raise_alone(mistake: SenderMistake) -> NoReturn:
    """Raise what was found, without the way on which it was, which says nothing of the sender."""
    raise mistake.with_traceback(None)


def _all_of(kinds: Kinds) -> tuple[type[Exception], ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _known(what: str, names: str | Iterable[str], known: Collection[str]) -> Sequence[str]:
    given_names = (names,) if isinstance(names, str) else tuple(names) or tuple(known)
    for name in given_names:
        if name not in known:
            meant = nearest(name, known)
            hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(known)}"
            raise ValueError(f"unknown {what} {name!r}; {hint}")
    return given_names


def _for_pytest(test: Callable[..., None], names: Sequence[str]) -> Callable[..., None]:
    """Return a test with its properties as parameters, where there is pytest."""
    with suppress(ImportError):
        import pytest  # noqa: PLC0415 - without it, the test is called

        test = pytest.mark.parametrize("property_name", names)(test)
    # To pytest, an argument with a default is neither a fixture nor a parameter.
    both = inspect.signature(test).parameters.values()
    bare = [each.replace(default=inspect.Parameter.empty) for each in both]
    test.__signature__ = inspect.Signature(bare)  # type: ignore[attr-defined]
    return test


class _Scope:
    """A sender under test, with which messages, and how many of them."""

    def __init__(self, name: str, trials: Trials, cases: Cases, settings: Settings) -> None:
        self.trials = trials
        self.cases = cases
        self._name = name
        self._settings = settings

    def holds(
        self,
        judge: Callable[..., None],
        examples: Iterable[Mapping[str, Any]],
        **strategies: st.SearchStrategy[Any],
    ) -> None:
        """Have hypothesis look for what does not satisfy a judge."""
        __tracebackhide__ = True

        def sender(**drawn: Any) -> None:  # noqa: ANN401 - as the strategies draw
            __tracebackhide__ = True
            judge(self.trials, **drawn)

        # By its name hypothesis shows what it has found, and finds it again.
        name = self._name if self._name.isidentifier() else "sender"
        sender.__name__ = sender.__qualname__ = f"{name}{judge.__name__}"
        found = given(**strategies)(sender)
        for each in reversed(tuple(examples)):
            found = example(**each)(found)
        quiet = {*self._settings.suppress_health_check, HealthCheck.too_slow}
        phases = [each for each in self._settings.phases if each is not Phase.explain]
        Settings(
            self._settings,
            deadline=None,
            phases=phases,
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=tuple(quiet),
        )(found)()


# What arrives means what was sent.


def _arrives(trials: Trials, case: Case) -> None:
    __tracebackhide__ = True
    _check_delivery("arrives", trials.run(case))


def _check_delivery(name: str, trial: Trial) -> None:
    """Refuse what did not arrive, arrived as something else, or was reported as something else."""
    __tracebackhide__ = True
    sending = trial.sending
    if trial.said is None:
        _check_said(name, trial)
    if not trial.posts:
        raise _mistake(name, _unsent(trial), trial)
    reason = declined(trial)
    if reason and not trial.states and (why := _unverified(trial.posts[-1].request, sending)):
        reason += f"; its signature does not verify: {why}"
    after = f"; SolarUser took no instruction: {reason}" if reason else ""
    if changed := _changed_parameter(trial.posts[-1], sending):
        raise _mistake(name, f"{changed}{after}", trial)
    if reason and trial.judgement(sending.text).accepted:
        raise _mistake(name, f"SolarUser took no instruction: {reason}", trial)
    for each in trial.deliveries:
        if changed := _changed_delivery(each.request, trial):
            raise _mistake(name, f"to the Capacity Provider came something else: {changed}", trial)
    _check_said(name, trial)


def _unsent(trial: Trial) -> str:
    url = trial.sending.url
    hint = '; a sender with its URL in its source says through="intercept"'
    what = f"a message that SolarUser takes was not sent to Sending.url, {url}"
    return what if url == PRODUCTION else f"{what}{hint}"


def _changed_parameter(post: Posted, sending: Sending) -> str | None:
    """Return in what a request differs from what was to be sent, or None."""
    got = {"nodeId": post.node_id, **post.parameters}
    wanted = {
        "nodeId": str(sending.node_id),
        "action": sending.action,
        "coId": str(sending.co_id),
        "cgIdentifier": sending.cg_identifier,
        "correlationId": sending.correlation_id,
    }
    for key, value in wanted.items():
        if got.get(key) != value:
            was, came_as = _quoted(value), _came(got.get(key))
            return f"the parameter {key} was to be {was} and {came_as}"
    if got.get("msg") == sending.text:
        return None
    text = post.parameters.get("msg", "")
    try:
        came = _read(text)
    except ValueError:
        ends = f": it ends after {len(text)} of {len(sending.text)} characters"
        is_cut = sending.text.startswith(text)
        return f"what came as msg is not JSON{ends if is_cut else ''}"
    changed = _Comparison().difference(_read(sending.text), came)
    return changed and f"to SolarUser came something else: {changed}"


def _changed_delivery(request: Any, trial: Trial) -> str | None:  # noqa: ANN401 - of the journal
    """Return in what a delivery differs from what was sent, but for what SolarNetwork rewrites."""
    sending = trial.sending
    given_id = request.fields.get("x-correlation-id")
    if given_id not in {None, sending.correlation_id}:
        return f"the correlation id {_quoted(sending.correlation_id)} {_came(given_id)}"
    comparison = _Comparison(trial.unknown_properties)
    return comparison.difference(_read(sending.text), _read(request.text))


def _quoted(value: str | None) -> str:
    return "absent" if value is None else preview(value)


def _came(value: str | None) -> str:
    return "did not come" if value is None else f"came as {preview(value)}"


def _read(text: str) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return a JSON text: each object as its names, each with all of its values, in order."""
    return json.loads(text, object_pairs_hook=_by_name, parse_int=float)


def _by_name(pairs: Iterable[tuple[str, Any]]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for name, value in pairs:
        found[name] = (*found.get(name, ()), value)
    return found


_ONCE: Final = '; a sender that is given Sending.message says takes="message"'
#: Characters of a text before the first one that differs.
_BEFORE: Final = 10


_PLAIN: Final = (str, float)


def _place(at: Iterable[str | int]) -> str:
    return make_pointer(at) or "the message"


def _changed_value(sent: Any, came: Any, which: str) -> str:  # noqa: ANN401 - JSON of any kind
    if isinstance(sent, str) and isinstance(came, str):
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(sent, came, strict=False))
        place = sum(1 for _ in alike)
        if place > 2 * _BEFORE:
            which = f"from its character {place} on, {which}"
            sent, came = (each[place - _BEFORE :] for each in (sent, came))
    return f"{which} was {preview(sent)} and came as {preview(came)}"


class _Comparison:
    """Holds what came against what was sent.

    Args:
        unknown: Returns the pointers of what SolarNetwork drops, where it has rewritten what came:
            of a repeated name only the last value is left, and times are in UTC, to milliseconds.
    """

    def __init__(self, unknown: Callable[[], Collection[str]] | None = None) -> None:
        self._unknown = unknown

    def difference(self, sent: Any, came: Any, *at: str | int) -> str | None:  # noqa: ANN401 - JSON
        """Return the first difference in words, or None."""
        if isinstance(sent, dict) and isinstance(came, dict):
            return self._of_objects(sent, came, at)
        if isinstance(sent, list) and isinstance(came, list):
            if len(sent) != len(came):
                return f"{_place(at)} had {len(sent)} elements and came with {len(came)}"
            for number, (was, there) in enumerate(zip(sent, came, strict=True)):
                if different := self.difference(was, there, *at, number):
                    return different
            return None
        if (type(sent), sent) == (type(came), came) or self._is_same_time(sent, came):
            return None
        return _changed_value(sent, came, _place(at))

    def _of_objects(
        self, sent: Mapping[str, Any], came: Mapping[str, Any], at: tuple[str | int, ...]
    ) -> str | None:
        for name, values in sent.items():
            there = came.get(name)
            were = values[-1:] if self._unknown else values
            if there is None:
                if self._unknown and (
                    were == (None,) or make_pointer((*at, name)) in self._unknown()
                ):
                    continue
                return f"{_place((*at, name))} did not come"
            if len(were) != len(there):
                times = f"was there {len(were)} times and came {len(there)} times"
                return f"{_place((*at, name))} {times}{_ONCE if len(there) == 1 else ''}"
            for was, now in zip(were, there, strict=True):
                # Of the thousands of values of a day most are the same text or number.
                if type(was) is type(now) and type(was) in _PLAIN and was == now:
                    continue
                if different := self.difference(was, now, *at, name):
                    return different
        added = next((name for name in came if name not in sent), None)
        return None if added is None else f"{_place((*at, added))} came in addition"

    def _is_same_time(self, sent: Any, came: Any) -> bool:  # noqa: ANN401 - JSON of any kind
        if self._unknown is None or not (isinstance(sent, str) and isinstance(came, str)):
            return False
        times = read_instant(sent), read_instant(came)
        return (
            None not in times and len({each and cut_to_milliseconds(each) for each in times}) == 1
        )


# Parts join to the original.


def _parts(trials: Trials, case: Case) -> None:
    __tracebackhide__ = True
    _check_delivery("parts", trials.run(case))


# The signature verifies, and fails after any change.

#: The headers that the signature covers, where they are there, and the one that has it.
_COVERED: Final = frozenset(
    {"authorization", "host", "date", "x-sn-date", "content-type", "content-md5", "digest"}
)


def _signature(trials: Trials, case: Case, at: int) -> None:
    __tracebackhide__ = True
    trial = trials.run(case)
    if not trial.posts:
        raise _mistake("signature", _unsent(trial), trial)
    for each in trial.heard:
        if why := _unverified(each, trial.sending):
            what = f"the signature of {each.method} {each.target} does not verify: {why}"
            raise _mistake("signature", what, trial)
    request = trial.posts[-1].request
    changed, what = _changed(request, at)
    status, entries = trials.ask(changed)
    passes = _unverified(changed, trial.sending) is None
    if passes or status < HTTPStatus.BAD_REQUEST:
        by = "verifies" if passes else f"is answered with {status} by SolarUser"
        again = replace(trial, entries=(*trial.entries, *entries))
        raise _mistake("signature", f"the request {by} although {what} was changed", again)


def _unverified(request: Any, sending: Sending) -> str | None:  # noqa: ANN401 - as it came
    """Return why the signature of a request does not verify, or None."""
    why = _unverified_as(request.headers, request, sending)
    if why and sending.url.startswith("https:"):
        # Behind TLS the service may verify it with the port (solaruser.md §5.3).
        told = [(name, f"{text}:443" if name == "host" else text) for name, text in request.headers]
        return why if _unverified_as(told, request, sending) else None
    return why


def _unverified_as(
    headers: Iterable[tuple[str, str]],
    request: Any,  # noqa: ANN401 - as it came
    sending: Sending,
) -> str | None:
    try:
        signed = verify_signature(
            request.method, request.target, headers, request.body or b"", sending.secret
        )
    except NotVerified as why:
        return str(why)
    return None if signed.token == sending.token else "it names another token"


def _changed(request: Any, at: int) -> tuple[Any, str]:  # noqa: ANN401 - a request as it came
    """Return a request of which one byte that the signature covers is another one, and which."""
    body = (request.body or b"").decode("latin-1")
    parts = [("method", request.method), ("path", request.target), ("body", body)]
    parts += [each for each in request.headers if each[0] in _COVERED]
    place = at % sum(len(text) for _, text in parts)
    for name, text in parts:
        if place < len(text):
            # SolarUser skips what is behind the scheme, whatever it is (solaruser.md §5.1).
            place += name == "authorization" and text[place] == " "
            return _with(request, name, text, _other(text, place)), f"byte {place} of its {name}"
        place -= len(text)
    raise AssertionError("a request has a method")


def _with(request: Any, name: str, before: str, after: str) -> Any:  # noqa: ANN401 - a request
    if name == "method":
        return replace(request, method=after)
    if name == "path":
        return replace(request, target=after)
    if name == "body":
        return replace(request, body=after.encode("latin-1"))
    pairs = [(name, after) if pair == (name, before) else pair for pair in request.headers]
    return replace(request, headers=tuple(pairs))


def _other(text: str, place: int) -> str:
    """Return a text of which one character is another one, and not only in upper case."""
    letter = "y" if text[place] in "xX" else "x"
    return f"{text[:place]}{letter}{text[place + 1 :]}"


# `check` and the service's verdict agree.


def _verdict(trials: Trials, case: Case) -> None:
    __tracebackhide__ = True
    trial = trials.run(case)
    _check_said("verdict", trial)
    asked = trial if trial.posts else trials.directly(case)
    text = asked.posts[-1].parameters.get("msg", "")
    judged, reason = trial.judgement(text), declined(asked)
    if reason == GROUP_MISMATCH:
        # Of the instruction's group a check of the message knows nothing.
        return
    # An error of HTTP, as for a message too long for the queue, has words around those of `check`.
    is_same = judged.error == reason if asked.states else not judged.accepted
    if not is_same:
        ours = "SolarUser takes it" if judged.accepted else f"SolarUser declines it: {judged.error}"
        theirs = "took it" if reason is None else f"did not: {reason}"
        raise _mistake("verdict", f"check says that {ours}; SolarUser {theirs}", asked)


# Any single fault.


def _fault(trials: Trials, case: Case, fault: Fault) -> None:
    __tracebackhide__ = True
    _check_said("fault", trials.run(case, fault))


def _check_said(name: str, trial: Trial) -> None:
    """Refuse what a sender said of a sending, unless the journal says so, too."""
    __tracebackhide__ = True
    said, state, count = trial.said, trial.state, len(trial.queued)
    if count > 1:
        those = ", ".join(map(str, trial.queued))
        what = f"the message was sent again: instructions {those} were queued, one delivery each"
        raise _mistake(name, what, trial)
    if said is None:
        words = '"delivered", "not delivered" or "unknown"'
        raise _mistake(name, f"the sender has to say {words}, not {trial.why}", trial)
    so = "no instruction was queued" if state is None else f"the instruction is {state}"
    if said == "delivered" and state != "Completed":
        raise _mistake(name, f"the sender said that it was delivered, but {so}", trial)
    if said == "not delivered" and state in _MAY_ARRIVE:
        raise _mistake(name, f"the sender said that it was not delivered, but {so}", trial)
    # With little patience, a machine that is busy is something that goes wrong, too.
    had_reason = trial.struck or (trial.fault is not None and trial.is_late)
    if said == "unknown" and not had_reason:
        what = f"the sender said that it does not know, but nothing had gone wrong, and {so}"
        raise _mistake(name, what, trial)


_MAY_ARRIVE: Final = frozenset({"Queuing", "Executing", "Completed"})


def _mistake(name: str, what: str, trial: Trial) -> SenderMistake:
    return SenderMistake(f"{name} ({_PROPERTIES[name].says}): {what}\n{trial.story()}")


# What hypothesis tries.


def _try_arrives(scope: _Scope) -> None:
    __tracebackhide__ = True
    telling = [{"case": each} for each in (*scope.cases.smallest(), *scope.cases.telling())]
    scope.holds(_arrives, telling, case=scope.cases.valid())


def _try_parts(scope: _Scope) -> None:
    __tracebackhide__ = True
    long = st.builds(scope.cases.long, texts_near_part_boundaries(), scope.cases.ways)
    scope.holds(_parts, (), case=long)


def _try_signature(scope: _Scope) -> None:
    __tracebackhide__ = True
    first = [{"case": scope.cases.smallest()[0], "at": 0}]
    scope.holds(_signature, first, case=scope.cases.valid(), at=_POSITIONS)


def _try_verdict(scope: _Scope) -> None:
    __tracebackhide__ = True
    first = [{"case": scope.cases.refused()}]
    scope.holds(_verdict, first, case=scope.cases.broken() | scope.cases.valid())


def _try_fault(scope: _Scope) -> None:
    __tracebackhide__ = True
    short = scope.cases.smallest()[0]
    long = scope.cases.long("0" * 300, compact)
    first = [
        {"case": long if "part" in each.words["fault"] else short, "fault": each} for each in FAULTS
    ]
    scope.holds(_fault, first, case=scope.cases.valid(), fault=st.sampled_from(FAULTS))


class _Property(NamedTuple):
    """What holds of a sender, in words, and what looks for messages of which it does not."""

    says: str
    tries: Callable[[_Scope], None]


_PROPERTIES: Final[Mapping[str, _Property]] = MappingProxyType(
    {
        "arrives": _Property("what arrives means what was sent", _try_arrives),
        "parts": _Property("parts join to the original", _try_parts),
        "signature": _Property(
            "the signature verifies, and fails after any change of one byte", _try_signature
        ),
        "verdict": _Property("check and SolarUser agree, and the sender with them", _try_verdict),
        "fault": _Property(
            "with any single fault it is delivered once, reported as not delivered, or reported as "
            "unknown",
            _try_fault,
        ),
    }
)

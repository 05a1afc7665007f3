"""Messages that are broken in one known way, and messages that are damaged anyhow.

Each way to break a message says by itself what must come of it: the rule, the place, and what
SolarUser answers. None of it is asked of `oscp_send.check`, so the two can be held to each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hypothesis import reject
from hypothesis import strategies as st

from oscp_schemas import Fidelity
from oscp_schemas.show import make_pointer, nearest
from oscp_send.fidelity import Behaviour
from oscp_send.queue_size import MQTT_LIMIT, queue_size
from oscp_send.solarnetwork.decoding import decode
from oscp_send.testing.strategies import Sample, check_strategy, texts
from oscp_send.testing.ways_of_form import TOO_LARGE, WAYS_OF_FORM, Damage, Way, json_text
from oscp_send.testing.ways_of_meaning import WAYS_OF_MEANING

WAYS: Final = (*WAYS_OF_FORM, *WAYS_OF_MEANING)
#: The rules that a single message can break.
BREAKABLE: Final = tuple(dict.fromkeys(way.rule for way in WAYS))
_NOT_SENT: Final = frozenset({"Heartbeat", "HandshakeAcknowledge", "Register"})
_OK, _UNPROCESSABLE = 200, 422
#: How many messages are tried until one can be broken: some rules are about few of them.
_TRIES: Final = 30
#: So many characters have no more bytes in the queue than it takes.
_SMALL: Final = 4000
_UNFOUND: Final = (
    "java.io.FileNotFoundException: http://www.openchargealliance.org/schemas/oscp/2.0/"
    "update-asset-measurement.json"
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A message with one mistake in it.

    Attributes:
        action: The action to send it as.
        text: What to send as the message.
        rule: The name of the rule that is broken, as `oscp-send explain` knows it.
        what: What was done to the sample, in a few words.
        pointer: JSON Pointer of where it shows, as `oscp_send.check` would say; empty for the
            whole message.
        accepted: Whether SolarUser queues it all the same.
        error: SolarUser's text; of one that holds a library's own words the beginning. None if it
            is accepted.
        status: The HTTP status of SolarUser's answer; it declines with 200.
        also: The rules that are broken with it, unavoidably.
        now: When it is sent, where that is the mistake.
        sample: The message before it was broken.
    """

    action: str
    text: str
    rule: str
    what: str
    pointer: str
    accepted: bool
    error: str | None
    status: int
    also: tuple[str, ...]
    now: datetime | None
    sample: Sample

    def is_answered_by(self, *, accepted: bool, error: str | None) -> bool:
        """Return whether an answer is the one to be expected."""
        if self.error is None or error is None:
            return (accepted, error) == (self.accepted, self.error)
        return accepted == self.accepted and error.startswith(self.error)


def broken(
    samples: st.SearchStrategy[Sample],
    *,
    rules: str | Iterable[str] | None = None,
    fidelity: Fidelity = "documented",
) -> st.SearchStrategy[Broken]:
    """Return messages that are broken in exactly one way, and what is to be expected of each.

    Args:
        samples: Valid messages, such as `messages()` or `forecasts()`. If they are sound, nothing
            else is wrong with what is drawn.
        rules: The rule that is broken, or those that may be; all that one message can break when
            left out.
        fidelity: Whose answer is expected: that of the guide, or of the running service.

    Raises:
        ValueError: A rule is not one that a single message can break, none is given, or the
            fidelity is unknown.
        TypeError: The samples are not a strategy.
    """
    check_strategy("samples", samples)
    Behaviour.of(fidelity)
    names = BREAKABLE if rules is None else (rules,) if isinstance(rules, str) else tuple(rules)
    if not names:
        raise ValueError(f"no rule is left to break; there are {', '.join(BREAKABLE)}")
    for name in names:
        if name not in BREAKABLE:
            meant = nearest(name, BREAKABLE)
            hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(BREAKABLE)}"
            raise ValueError(f"one message alone cannot break {name!r}; {hint}")
    return _broken(samples, tuple(way for way in WAYS if way.rule in names), fidelity)


def damaged(
    samples: st.SearchStrategy[Sample], *, most_places: int = 1
) -> st.SearchStrategy[Sample]:
    """Return messages in which some place, at any depth, is dropped, replaced, renamed or repeated.

    Most are refused by the schema; some, such as one without an optional property, are still valid.
    Nothing is told about them: that is what `broken` is for.

    Args:
        samples: The messages to damage.
        most_places: In how many places, one after the other, at the most.

    Raises:
        TypeError: The samples are not a strategy.
    """
    check_strategy("samples", samples)
    return _damaged(samples, most_places)


@st.composite
def _damaged(draw: st.DrawFn, samples: st.SearchStrategy[Sample], most_places: int) -> Sample:
    action, message = draw(samples)
    for _ in range(draw(st.integers(1, most_places)) if most_places > 1 else 1):
        message = _damage(draw, message)
    return Sample(action, message)


def _damage(draw: st.DrawFn, message: dict[str, Any]) -> dict[str, Any]:
    copy = deepcopy(message)
    places = list(_containers(copy))
    if not places:
        return {draw(texts()): draw(st.sampled_from(_MISTAKES))}
    container, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(("drop", "replace", "rename", "repeat"))):
        case "drop":
            del container[key]
        case "rename" if isinstance(container, dict):
            container[str(key).upper() + "_"] = container.pop(key)
        case "repeat" if isinstance(container[key], list):
            container[key] = container[key] * 2
        case _:
            container[key] = deepcopy(draw(st.sampled_from(_MISTAKES)))
    return copy


_MISTAKES: Final[tuple[object, ...]] = (
    *(None, True, False, 0, -1, -0.5, 1e-7, 7, "", "7", "kW", "consumption", "2031-03-01"),
    *("2031-03-01 00:00:00Z", "2031-03-01T00:00:00.1234567890Z", "2016-12-31T23:59:60Z"),
    *([], [None], ["A", "A"], {}, {"a": 1}, [[[[]]]], 10**30, -(10**30)),
)


def _containers(value: object) -> Iterator[tuple[Any, Any]]:
    """Yield each container and key that lead to a value inside."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict):
            yield from [(container, key) for key in container]
            waiting += container.values()
        elif isinstance(container, list):
            yield from [(container, index) for index in range(len(container))]
            waiting += container


@st.composite
def _broken(
    draw: st.DrawFn, samples: st.SearchStrategy[Sample], ways: Sequence[Way], fidelity: Fidelity
) -> Broken:
    first = draw(st.integers(0, len(ways) - 1))
    turned = (*ways[first:], *ways[:first])
    for _ in range(_TRIES):
        sample = draw(samples)
        # Which ways fit is asked only until one does: that takes long for a forecast of a day.
        for way in turned:
            if _shows(way.rule, sample.action, fidelity) and (places := way.places(sample)):
                damage = way.does(sample, draw(st.sampled_from(places)))
                return _told(sample, way, damage, fidelity)
    return reject()


def _shows(rule: str, action: str, fidelity: Fidelity) -> bool:
    """Return whether SolarUser gets so far with a message of this action."""
    if action in _NOT_SENT:
        return rule not in {"json", "document", "number", "date_times"}
    if action == "UpdateAssetMeasurement":
        # The running service does not get to the times, so nothing is said of how it reads them.
        return rule != "date_times" and (rule != "number" or fidelity == "documented")
    return True


def _told(sample: Sample, way: Way, damage: Damage, fidelity: Fidelity) -> Broken:
    action = damage.action or sample.action
    text = damage.message if isinstance(damage.message, str) else json_text(damage.message)
    error = _answer(action, damage, fidelity)
    if error is None and fidelity == "observed" and _is_too_large(action, text):
        damage = damage._replace(stage="size", error=TOO_LARGE)
        error = TOO_LARGE
    return Broken(
        action=action,
        text=text,
        rule=way.rule,
        what=way.what,
        pointer=make_pointer(damage.steps),
        accepted=error is None,
        error=error,
        status=_UNPROCESSABLE if error is not None and damage.stage == "size" else _OK,
        also=damage.also,
        now=damage.now,
        sample=sample,
    )


def _is_too_large(action: str, text: str) -> bool:
    """Return whether a message that is valid otherwise is too large, as a day of its own is."""
    if len(text) < _SMALL:
        return False
    kept = decode(action, json.loads(text), Behaviour.of("observed"))
    return queue_size(action, kept).least > MQTT_LIMIT


def _answer(action: str, damage: Damage, fidelity: Fidelity) -> str | None:
    """Return the text by which SolarUser refuses a message, in the order of its checks."""
    is_observed = fidelity == "observed"
    if damage.stage == "action" or action in _NOT_SENT:
        return f"Unsupported OSCP 2.0 action [{action}]"
    if damage.stage == "document":
        return damage.error
    if damage.stage == "json":
        return (
            damage.error
            if is_observed
            else f"Invalid JSON for [{action}] OSCP action: {damage.error}"
        )
    if is_observed and action == "UpdateAssetMeasurement":
        return _UNFOUND
    if damage.stage == "schema":
        where = make_pointer(damage.steps)
        return f"JSON schema validation error on [{action}] OSCP action: {where}: {damage.error}."
    # The guide knows of no limit of size, and of no time that RFC 3339 allows and is refused.
    is_theirs = damage.stage == "size" or "java.time" in damage.error
    return damage.error if damage.stage and (is_observed or not is_theirs) else None

"""What a sender is given to send: messages on which senders stumble, and what may go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import Any, Final, Literal

from hypothesis import strategies as st

from oscp_send.testing import forecasts
from oscp_send.testing.breaking import broken
from oscp_send.testing.strategies import Sample, correlation_ids, messages

Takes = Literal["text", "message"]
Write = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Case:
    """A message to be sent.

    Attributes:
        action: The OSCP message name.
        text: The message as JSON text.
        correlation_id: The request id of the forecast that is answered; None for none.
    """

    action: str
    text: str
    correlation_id: str | None = None


class Cases:
    """The messages that a sender can send, to one Capacity Group.

    Args:
        group: The identifier of the group.
        actions: The OSCP message names.
        takes: Whether the sender keeps a text as it is.
        samples: Valid messages; any of the actions where None.
    """

    def __init__(
        self,
        group: str,
        actions: Sequence[str],
        takes: Takes,
        samples: st.SearchStrategy[Sample] | None = None,
    ) -> None:
        self._group = group
        self._actions = actions
        self._takes = takes
        self._given = samples

    @property
    def ways(self) -> st.SearchStrategy[Write]:
        """Ways to write a message."""
        return st.sampled_from((compact, readable) if self._takes == "text" else (compact,))

    def valid(self) -> st.SearchStrategy[Case]:
        """Return valid messages, written in several ways, some with a correlation id."""
        ways = (compact, readable, repeated) if self._takes == "text" else (compact,)
        return _drawn(self._samples(), ways, correlation_ids())

    def broken(self) -> st.SearchStrategy[Case]:
        """Return messages with one mistake."""
        found = broken(self._samples()).map(lambda each: Case(each.action, each.text))
        # What cannot be read is no value, either.
        return found if self._takes == "text" else found.filter(_has_a_value)

    def smallest(self) -> Sequence[Case]:
        """Return the smallest message of each action."""
        return [case_of(Sample(each, _smallest(each, self._group))) for each in self._actions]

    def telling(self) -> Sequence[Case]:
        """Return small messages on which senders are known to stumble."""
        found = [case_of(Sample(*each)) for each in _telling(self._group)]
        first = self.smallest()[0]
        found.append(Case(first.action, first.text, "aB-1"))
        if self._takes == "text":
            found.append(Case(first.action, repeated(json.loads(first.text))))
        return [each for each in found if each.action in self._actions]

    def refused(self) -> Case:
        """Return a small message that SolarUser declines."""
        first = self.smallest()[0]
        return Case(first.action, _refused(json.loads(first.text)))

    def long(self, text: str, write: Write) -> Case:
        """Return a message that is about as long as a text, and has it in it where it can."""
        action = next((each for each in _LONG if each in self._actions), self._actions[0])
        message = _smallest(action, self._group)
        if action == "GroupCapacityComplianceError":
            message["message"] = _behind(write({"message": ""}), text)
        elif action == "UpdateAssetMeasurement":
            message["measurements"][0]["asset_id"] = text
        elif "forecasted_blocks" in message:
            message["forecasted_blocks"] *= len(text) // 100 + 1
        elif "measurements" in message:
            message["measurements"] *= len(text) // 100 + 1
        return case_of(Sample(action, message), write)

    def _samples(self) -> st.SearchStrategy[Sample]:
        if self._given is not None:
            return self._given
        groups = st.just(self._group)
        drawn = [messages(action, groups) for action in self._actions]
        drawn += [
            forecasts(action=action, group_ids=groups)
            for action in self._actions
            if action.endswith("GroupCapacityForecast")
        ]
        return st.one_of(drawn)


def compact(message: Mapping[str, Any]) -> str:
    """Return a message as compact ASCII JSON."""
    return json.dumps(message, separators=(",", ":"))


def readable(message: Mapping[str, Any]) -> str:
    """Return a message as people write it, over several lines and not in ASCII alone."""
    return json.dumps(message, indent=1, ensure_ascii=False)


def repeated(message: Mapping[str, Any]) -> str:
    """Return a message as text, the first of its names given twice; the last one counts."""
    text = compact(message)
    name = next(iter(message), "x")
    return f"{{{json.dumps(name)}:0{',' if message else ''}{text[1:]}"


def case_of(sample: Sample, write: Write = compact, correlation_id: str | None = None) -> Case:
    """Return a message as it is written."""
    return Case(sample.action, write(sample.message), correlation_id)


_TIMES: Final = ("2031-03-01T00:00:00Z", "2031-03-01T00:15:00Z", "2031-03-01T00:30:00Z")


#: What can hold a text, the best first.
_LONG: Final = (
    "GroupCapacityComplianceError",
    "UpdateAssetMeasurement",
    "AdjustGroupCapacityForecast",
    "UpdateGroupCapacityForecast",
    "UpdateGroupMeasurements",
)


def _behind(before: str, text: str) -> str:
    """Return a text without as many UTF-16 units as come before it, so that boundaries stay."""
    units = text.encode("utf-16-le")
    return units[2 * before.index('""') + 2 :].decode("utf-16-le", "replace")


def _block(capacity: float, at: int = 0) -> dict[str, Any]:
    times = {"start_time": _TIMES[at], "end_time": _TIMES[at + 1]}
    return {"capacity": capacity, "phase": "ALL", "unit": "KW", **times}


def _smallest(action: str, group: str) -> dict[str, Any]:
    forecast = {"group_id": group, "type": "CONSUMPTION", "forecasted_blocks": [_block(1)]}
    energy = {"value": 1, "phase": "ALL", "unit": "KWH", "direction": "IMPORT"}
    energy["measure_time"] = _TIMES[0]
    asset = {"asset_id": "a", "asset_category": "CHARGING"}
    of_asset = {**asset, "energy_measurement": energy}
    smallest: dict[str, dict[str, Any]] = {
        "AdjustGroupCapacityForecast": forecast,
        "GroupCapacityComplianceError": {"message": "m"},
        "Handshake": {"required_behaviour": {"measurement_configuration": ["CONTINUOUS"]}},
        "UpdateAssetMeasurement": {"group_id": group, "measurements": [of_asset]},
        "UpdateGroupCapacityForecast": forecast,
        "UpdateGroupMeasurements": {"group_id": group, "measurements": [energy]},
    }
    return smallest[action]


def _telling(group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield numbers with many digits, characters of several widths, and lists out of order."""
    forecast = {"group_id": group, "type": "CONSUMPTION"}
    for action in ("AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast"):
        yield action, {**forecast, "forecasted_blocks": [_block(0.1234567890123)]}
        yield action, {**forecast, "forecasted_blocks": [_block(2, 1), _block(1)]}
    yield "GroupCapacityComplianceError", {"message": 'é€\U0001f50b "\\\ne\u0301'}


@st.composite
def _drawn(
    draw: st.DrawFn,
    samples: st.SearchStrategy[Sample],
    ways: Sequence[Write],
    ids: st.SearchStrategy[str],
) -> Case:
    # Not built, so that hypothesis shows it as it is; one choice less is a tenth of the time.
    choice = draw(st.integers(0, 2 * len(ways) - 1))
    has_id, way = divmod(choice, len(ways))
    return case_of(draw(samples), ways[way], draw(ids) if has_id else None)


def _has_a_value(case: Case) -> bool:
    """Return whether a text is a JSON value, and no more than that."""
    repeats = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeats
        repeats = repeats or len(dict(pairs)) < len(pairs)
        return dict(pairs)

    try:
        json.loads(case.text, object_pairs_hook=once)
    except ValueError:
        return False
    return not repeats


def _refused(message: dict[str, Any]) -> str:
    """Return a message without the first of its required properties, where it has some."""
    message.pop("required_behaviour", None)
    return compact({**dict(list(message.items())[1:]), "required_behaviour": 0})


# What may go wrong. Each rule is in the words of the simulator's docs/faults.md, and strikes once.

_OWN_REFUSAL: Final = '{"success":false,"code":"VAL.00001","message":"No."}'
_PAGE: Final = "<html><title>No</title></html>"
_JSON: Final = "application/json"


class Fault:
    """One thing that goes wrong.

    Attributes:
        words: The rule, in the words of the simulator.
    """

    def __init__(self, **words: Any) -> None:  # noqa: ANN401 - each word has a type of its own
        self.words: Mapping[str, Any] = MappingProxyType(words)

    def __repr__(self) -> str:
        words = ", ".join(f"{name}: {value}" for name, value in self.words.items())
        return f"{{{words}}}"


def _at(where: str, fault: str, **words: Any) -> Fault:  # noqa: ANN401 - each word has its own
    return Fault(**{"where": where, "fault": fault, "times": 1, **words})


def _of_connections(where: str, **to: str) -> Iterator[Fault]:
    """Yield what may become of an answer, or of the connection that it is to come over."""
    for fault in ("reset_after", "half_answer", "connection_refused", "reset_before", "garbage"):
        yield _at(where, fault, **to)
    yield _at(where, "slow_answer", bytes_per_second=20_000, **to)
    yield _at(where, "content_type", content_type="text/html", **to)
    yield _at(where, "content_length", off_by=10, **to)
    yield _at(where, "content_length", off_by=-10, **to)
    yield _at(where, "delay", by="20ms", **to)
    yield _at(where, "redirect", location="/elsewhere", **to)
    yield _at(where, "token_revoked", **to)
    yield _at(where, "clock", ahead="20m", **to)


def _of_posts() -> Iterator[Fault]:
    """Yield what may become of the request that asks for an instruction."""
    post = partial(_at, "solaruser", method="POST")
    for is_done in (True, False):
        yield post("no_answer", carried_out=is_done)
    # SolarUser's own, or of something before it, which may have passed the request on.
    for status, is_done in product((500, 502, 503, 504, 408, 200, 202), (True, False)):
        yield post("status", status=status, body=_PAGE, carried_out=is_done)
    for status in (401, 403, 422, 429):
        yield post("status", status=status, body=_OWN_REFUSAL, content_type=_JSON)
    yield post("status", status=429, retry_after="1s")
    yield post("clock", behind="20m")
    yield from _of_connections("solaruser", method="POST")
    for fault in ("part_dropped", "part_doubled", "parts_swapped", "part_cut"):
        yield _at("solaruser", fault)


def _of_looks() -> Iterator[Fault]:
    """Yield what may become of a request that asks for the state of an instruction."""
    look = partial(_at, "solaruser", method="GET")
    yield look("no_answer")
    yield look("status", status=503)
    # At all of them, not only once.
    yield look("status", status=503, times=1000)
    for status in (403, 429):
        yield look("status", status=status, body=_OWN_REFUSAL, content_type=_JSON)
    for fault in ("reset_after", "half_answer", "connection_refused", "garbage", "token_revoked"):
        yield look(fault)
    yield look("content_type", content_type="text/html")


def _of_deliveries() -> Iterator[Fault]:
    """Yield what may happen behind SolarUser, where the sender sees nothing of it."""
    for fault in ("lost", "doubled"):
        yield _at("hand_off", fault)
    for fault in ("late", "reordered"):
        yield _at("hand_off", fault, by="50ms")
    for status in (400, 401, 409, 503):
        yield _at("capacity_provider", "status", status=status)
    yield _at("capacity_provider", "no_answer")
    yield _at("capacity_provider", "delay", by="300ms")
    yield _at("capacity_provider", "sent_twice")
    yield from _of_connections("capacity_provider")


#: Everything that may go wrong with one message, one thing at a time.
FAULTS: Final = (*_of_posts(), *_of_deliveries(), *_of_looks())

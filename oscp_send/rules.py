"""What each rule, case and setting of fidelity means, for `oscp-send explain` and docs/rules.md.

The table is rules.toml, beside this file. It also has the names that only a simulator's findings
carry: who reads one of those asks the same command.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal

from oscp_schemas import Fidelity
from oscp_send.fidelity import DIFFERENCES, Difference
from oscp_send.hints import near

Kind = Literal["transport", "schema", "meaning", "case", "fidelity"]

#: What the names of each kind are about, in the order in which they are listed.
KINDS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "transport": "the request to SolarUser",
        "schema": "the form of a message",
        "meaning": "the meaning of a message, alone and after those before it",
        "case": "headers and sequence, at a party of OSCP",
        "fidelity": "where the guide and the running service differ",
    }
)


class UnknownRule(LookupError):
    """Raised for a name that no finding carries; its text proposes the one that was meant."""


@dataclass(frozen=True, slots=True)
class Example:
    """A message that has the finding, and the same one mended.

    Attributes:
        judged_as: A `message` of an action, a `request` to SolarUser, a `conversation`, whose last
            message it is about, or a `delivery`, a request to a Capacity Provider.
        wrong: Empty where there is nothing wrong with the case.
        action: Of a `message`: which one it is.
        right_action: Of the mended message, which may be another one.
        now: The time at which it is judged, in ISO 8601; None where that does not matter.
    """

    judged_as: Literal["message", "request", "conversation", "delivery"]
    wrong: str
    right: str
    action: str
    right_action: str
    fidelity: Fidelity
    now: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """What a name stands for.

    Attributes:
        what: What is found, or what differs, in one line.
        why: Why it matters, or is so.
        who: Who objects in production.
        mend: What to do.
        example: Two messages, or a sentence.
        difference: What a setting of fidelity chooses between; None for any other name.
    """

    name: str
    kind: Kind
    what: str
    why: str
    who: str
    mend: str
    example: Example | str
    difference: Difference | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as JSON values, in a fixed order of keys."""
        values: dict[str, Any] = {
            name: getattr(self, name) for name in ("name", "kind", "what", "why", "who", "mend")
        }
        if self.difference is not None:
            values |= {side: getattr(self.difference, side) for side in ("documented", "observed")}
        values["example"] = self.example
        if isinstance(self.example, Example):
            names = ("judged_as", "action", "now", "wrong", "right")
            given = {name: getattr(self.example, name) for name in names}
            values["example"] = {name: value for name, value in given.items() if value}
        return values


@cache
def rules() -> Mapping[str, Rule]:
    """Return every rule by its name, in the order of the kinds and of the table."""
    path = files("oscp_send").joinpath("rules.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    differences = {each.name: each for each in DIFFERENCES}
    return MappingProxyType(
        {
            name: _rule(name, kind, entry, differences.get(name))
            for kind in KINDS
            for name, entry in table[kind].items()
        }
    )


def _rule(name: str, kind: Kind, entry: Mapping[str, str], difference: Difference | None) -> Rule:
    what, why, who, mend = (entry[key] for key in ("what", "why", "who", "mend"))
    return Rule(name, kind, what, why, who, mend, _example(entry), difference)


def _example(entry: Mapping[str, Any]) -> Example | str:
    if "example" in entry:
        return str(entry["example"])
    action, wrong = entry.get("action", ""), entry.get("wrong", "").strip()
    right = entry.get("right", wrong).strip()
    for old, new in entry.get("mended", ()):
        right = right.replace(old, new, 1)
    return Example(
        judged_as=entry["as"],
        wrong=wrong,
        right=right,
        action=action,
        right_action=entry.get("right_action", action),
        fidelity=entry.get("fidelity", "documented"),
        now=entry.get("now"),
    )


def find_rules(text: str) -> tuple[Rule, ...]:
    """Return the rule of a name, in any case of its letters, or those that a finding's text names.

    Raises:
        UnknownRule: It is not a name, and names none.
    """
    known = rules()
    by_plain_name = {name.casefold(): rule for name, rule in known.items()}
    if rule := by_plain_name.get(text.strip().casefold()):
        return (rule,)
    if found := tuple(known[name] for name in _named_in(text) if name in known):
        return found
    meant = near(text, known)
    remedy = f'did you mean "{meant}"?' if meant else "--list shows all of them"
    raise UnknownRule(f'"{text}" is not the name of a rule; {remedy}')


# As a report writes them: "[S19, X8]"; as a title "OSCP meaning, S19"; before the
# place, "S8 /group_id"; behind the text, "(S8)" or "(schema rule enum: oscp-send explain enum)".
_IN_A_TEXT: Final = re.compile(
    r"\[([\w, -]+)\]|^OSCP \w+, ([\w-]+)|^(?:schema )?([\w-]+) /"
    r"|\((?:schema )?(?:rule )?([\w-]+)(?:: oscp-send explain [\w-]+)?\)"
)


def _named_in(text: str) -> Iterator[str]:
    for match in _IN_A_TEXT.finditer(text):
        yield from (match[match.lastindex or 0]).split(", ")

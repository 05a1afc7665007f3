"""Turn the composed nodes of a YAML text into values, and collect what is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from yaml.error import Mark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from simulator.yaml_core import ScalarError, scalar

__all__ = ["build"]

# No file that somebody writes comes near; a few lines of aliases can.
_MOST_VALUES = 1_000_000


def build(root: Node | None, *, deepest: int) -> tuple[object, list[tuple[Mark, str]]]:
    """Return the value of a node with all that is below it, and each complaint with its place.

    Args:
        root: As `yaml_core.compose` gives it; None is an empty document.
        deepest: How many levels there may be once aliases are written out.
    """
    if root is None:
        return None, []
    builder = _Builder(deepest)
    return builder.build(root).value, builder.complaints


@dataclass(frozen=True, slots=True)
class _Built:
    """A value, and what it comes to when aliases are written out."""

    value: object
    size: int = 1
    depth: int = 1


class _Builder:
    def __init__(self, deepest: int) -> None:
        self.complaints: list[tuple[Mark, str]] = []
        self._deepest = deepest
        self._begun: set[Node] = set()
        # Aliases share nodes: each is built once, and counts as often as it is used.
        self._built: dict[Node, _Built] = {}
        self._too_big = False

    def build(self, node: Node) -> _Built:
        if node in self._built:
            return self._built[node]
        if node in self._begun:
            self._complain(node, "an alias in here stands for the whole: write it out")
            return _Built(None)
        self._begun.add(node)
        value, inside = self._open_node(node)
        size = 1 + sum(each.size for each in inside)
        depth = 1 + max((each.depth for each in inside), default=0)
        if not self._too_big and (size > _MOST_VALUES or depth > self._deepest + 1):
            self._too_big = True
            self._complain(node, "its aliases, written out, are too much to read: use fewer")
        self._built[node] = _Built(value, size, depth)
        return self._built[node]

    def _open_node(self, node: Node) -> tuple[object, Sequence[_Built]]:
        if isinstance(node, SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            items = [self.build(item) for item in node.value]
            return [item.value for item in items], items
        if isinstance(node, MappingNode) and node.tag == "tag:yaml.org,2002:map":
            self._find_repeated(node)
            members = {self._key(key): self.build(value) for key, value in node.value}
            return {key: member.value for key, member in members.items()}, list(members.values())
        try:
            return scalar(node), ()
        except ScalarError as error:
            self._complain(node, str(error))
            return None, ()

    def _key(self, node: Node) -> str:
        if isinstance(node, ScalarNode):
            if node.value == "<<" and not node.style:
                self._complain(node, "a merge key is not part of YAML 1.2: write its keys out")
            if isinstance(key := self.build(node).value, str):
                return key
        self._complain(node, "a key must be a text: put it in quotes")
        return ""

    def _find_repeated(self, node: MappingNode) -> None:
        first: dict[str, Node] = {}
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and first.setdefault(key.value, key) is not key:
                line = first[key.value].start_mark.line + 1
                self._complain(key, f'"{key.value}" stands here again, after line {line}')

    def _complain(self, node: Node, message: str) -> None:
        self.complaints.append((node.start_mark, message))

"""Compose YAML text into nodes by the core schema of YAML 1.2, and read a scalar node's value."""

import math
import re
from collections.abc import Callable, Mapping

from yaml import MarkedYAMLError
from yaml.composer import Composer
from yaml.nodes import Node, ScalarNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML was built without libyaml: slower, the same nodes
    CParser = None  # type: ignore[assignment,misc]

__all__ = ["DepthError", "ScalarError", "compose", "scalar"]

# YAML 1.2.2 §10.3.2, in the order in which it tries them.
_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


class DepthError(MarkedYAMLError):
    """Lists and mappings are nested deeper than anybody writes."""


class ScalarError(ValueError):
    """A scalar that is no text, JSON number, boolean or null; the message says what to do."""


class _CoreResolver(BaseResolver):
    """Names the type of a plain scalar, and counts how deep the composer is."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (as PyYAML declares it; nobody writes to it)
        None: [
            (_TAG + "null", _NULL),
            (_TAG + "bool", _BOOL),
            (_TAG + "int", _INT),
            (_TAG + "float", _FLOAT),
        ]
    }

    def __init__(self, deepest: int) -> None:
        super().__init__()
        self._deepest = deepest
        self._depth = 0

    def descend_resolver(self, current_node: Node | None, current_index: object) -> None:  # noqa: ARG002
        """Count one level; without that, libyaml's composer exhausts the stack and dies."""
        self._depth += 1
        if self._depth > self._deepest and current_node is not None:
            problem = f"lists and mappings are nested more than {self._deepest} deep"
            raise DepthError(problem=problem, problem_mark=current_node.start_mark)

    def ascend_resolver(self) -> None:
        """Leave one level."""
        self._depth -= 1


class _PythonLoader(Reader, Scanner, Parser, Composer, _CoreResolver):
    def __init__(self, text: str, deepest: int) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _CoreResolver.__init__(self, deepest)


if CParser is not None:

    class _FastLoader(CParser, _CoreResolver):
        def __init__(self, text: str, deepest: int) -> None:
            CParser.__init__(self, text)
            _CoreResolver.__init__(self, deepest)


def compose(text: str, *, deepest: int, fast: bool = CParser is not None) -> Node | None:
    """Compose the one document of a text, or answer None where there is none.

    Args:
        text: YAML, printable characters only.
        deepest: How many levels of lists and mappings there may be.
        fast: Use libyaml, which gives the same nodes several times faster.

    Raises:
        YAMLError: The text is not YAML, or too deep, or holds several documents.
    """
    loader = _FastLoader(text, deepest) if fast else _PythonLoader(text, deepest)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def scalar(node: Node) -> str | int | float | bool | None:
    """Return the value of a scalar node.

    Raises:
        ScalarError: The tag is unknown or does not fit the text, or the number is none of JSON's.
    """
    if node.tag == _TAG + "str" and isinstance(node, ScalarNode):
        return str(node.value)
    form, read = _READERS.get(node.tag, (None, None))
    if form is None or read is None:
        message = f"the tag {node.tag} is not understood: leave it out"
        raise ScalarError(message)
    if not isinstance(node, ScalarNode) or not form.match(node.value):
        message = f"the tag {node.tag} does not fit what follows: leave it out"
        raise ScalarError(message)
    return read(node.value)


def _integer(text: str) -> int:
    try:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    except ValueError:
        message = f"a number of {len(text)} digits is too long: put it in quotes"
        raise ScalarError(message) from None


def _number(text: str) -> float:
    # Python has no dot before its inf and nan.
    number = float(re.sub(r"\.([a-z])", r"\1", text.lower()))
    if not math.isfinite(number):
        message = f"{text} is no number that JSON can hold: put it in quotes to make it a text"
        raise ScalarError(message)
    return number


_READERS: Mapping[str, tuple[re.Pattern[str], Callable[[str], int | float | bool | None]]] = {
    _TAG + "null": (_NULL, lambda _: None),
    _TAG + "bool": (_BOOL, lambda text: text.lower() == "true"),
    _TAG + "int": (_INT, _integer),
    _TAG + "float": (_FLOAT, _number),
}

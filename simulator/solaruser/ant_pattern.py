"""Matching a path against an Ant pattern, as Spring does."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["matches"]

_WILDCARD = re.compile(r"\?|\*|\{[^/{}]*\}")


def matches(pattern: str, path: str) -> bool:
    """Tells whether a path fits a pattern, in case, too.

    `?` stands for one character, `*` for any number of them and `{name}` for the same within a
    segment, `**` as a segment for any number of segments. That the braces may hold a regular
    expression in Spring is left out: they stand for any text.

    Args:
        pattern: As `/instr/add/*`.
        path: Decoded, without the query.
    """
    if pattern.startswith("/") != path.startswith("/"):
        return False
    segments = [segment for segment in path.split("/") if segment]
    wanted = [segment for segment in pattern.split("/") if segment]
    # A slash at the end is a part of the path that only a double star takes.
    if path.endswith("/") != pattern.endswith("/") and not pattern.endswith("**"):
        return False
    # How many of the segments the pattern so far can stand for: no backtracking.
    reached = {0}
    for each in wanted:
        if each == "**":
            reached = set(range(min(reached), len(segments) + 1))
        else:
            expression = _compiled(each)
            reached = {
                at + 1
                for at in reached
                if at < len(segments) and expression.fullmatch(segments[at])
            }
        if not reached:
            return False
    return len(segments) in reached


@lru_cache(maxsize=256)
def _compiled(segment: str) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for match in _WILDCARD.finditer(segment):
        parts.append(re.escape(segment[end : match.start()]))
        parts.append("." if match[0] == "?" else ".*")
        end = match.end()
    parts.append(re.escape(segment[end:]))
    # Stars side by side are one: no text makes the expression slow then.
    return re.compile(re.sub(r"(?:\.\*)+", ".*", "".join(parts)), re.DOTALL)

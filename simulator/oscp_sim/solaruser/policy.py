"""Who may do what: the roles that a path needs, and what a token's own policy leaves of it.

As observed in SolarNetwork (solaruser.md §6).
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from oscp_sim.http import Request
from oscp_sim.solaruser.call import Actor, ApiRefused, AuthenticationRefused, anonymous_refused
from oscp_sim.world import Token

__all__ = ["CONTEXT_PATH", "authorities", "check_access", "check_policy", "matches", "may_use_node"]


# § Matching a path against an Ant pattern, as Spring does.

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


CONTEXT_PATH = "/solaruser"
_SECURE = "/api/v1/sec"
_PUBLIC = "/api/v1/pub"
_OSCP = f"{_SECURE}/user/oscp"


def may_use_node(token: Token, node_id: int) -> bool:
    """Tells whether a token's policy leaves it a node; whose node it is, is another question.

    Args:
        token: Who asks.
        node_id: Which node.
    """
    policy = token.policy
    return policy is None or not policy.node_ids or node_id in policy.node_ids


def check_policy(token: Token, path: str, now: datetime) -> None:
    """Refuses a token that has expired, or that may not be used on a path.

    The service asks this before it looks at the signature.

    Args:
        token: Whose policy counts.
        path: Decoded, from the context path on, without the query.
        now: What time it is.

    Raises:
        AuthenticationRefused: The policy does not allow it.
    """
    policy = token.policy
    if policy is None:
        return
    if policy.not_after is not None and now > policy.not_after:
        why = f"the token's policy ends at {policy.not_after.isoformat()}"
        raise AuthenticationRefused(401, "Expired token", explanation={"why": why})
    if policy.api_paths and not any(
        _is_allowed(pattern, _policy_path(path)) for pattern in policy.api_paths
    ):
        why = f"none of the token's apiPaths allows {_policy_path(path)}"
        raise AuthenticationRefused(403, "Access denied", explanation={"why": why})


def check_access(request: Request, path: str, actor: Actor | None) -> None:
    """Refuses whom a path is not for.

    Args:
        request: The request as it was sent.
        path: Its path, decoded.
        actor: Who asks; None where nobody says so.

    Raises:
        AuthenticationRefused: Somebody must say who asks.
        ApiRefused: Whoever asks lacks the role, or nobody may.
    """
    inside = path.removeprefix(CONTEXT_PATH)
    if request.method == "OPTIONS" or not _is_within(inside, "/api") or _is_within(inside, _PUBLIC):
        return
    if actor is None:
        raise anonymous_refused(request)
    role = _role_for(inside)
    if role is None or role not in authorities(actor):
        why = f"{inside} needs {role}" if role else f"{inside} is for nobody"
        raise ApiRefused(403, "Access Denied", explanation={"why": why})


def authorities(actor: Actor) -> frozenset[str]:
    """Answers with the authorities of a token: its type, and the user's roles for a User token."""
    own = frozenset({f"ROLE_{actor.token.type.upper()}"})
    return own | actor.user.roles if actor.token.type == "User" else own


def _role_for(path: str) -> str | None:
    if _is_within(path, _OSCP):
        return "ROLE_OSCP"
    return "ROLE_USER" if _is_within(path, _SECURE) else None


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _policy_path(path: str) -> str:
    inside = path.removeprefix(CONTEXT_PATH)
    return inside.removeprefix(_SECURE) if _is_within(inside, _SECURE) else inside


def _is_allowed(pattern: str, path: str) -> bool:
    if pattern.startswith("!"):
        return not matches(pattern[1:], path)
    return matches(pattern, path)

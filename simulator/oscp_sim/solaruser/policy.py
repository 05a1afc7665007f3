"""Who may do what: the roles that a path needs, the policy of a token, and the owner of a node.

As observed in SolarNetwork (solaruser.md §6).
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

from oscp_sim.http import Request
from oscp_sim.solaruser.call import (
    CONTEXT_PATH,
    Actor,
    ApiRefused,
    AuthenticationRefused,
    anonymous_refused,
)
from oscp_sim.world import Token, User, World

_SECURE: Final = "/api/v1/sec"
_PUBLIC: Final = "/api/v1/pub"
_OSCP: Final = f"{_SECURE}/user/oscp"


def check_policy(token: Token, path: str, now: datetime) -> None:
    """Refuse a token that has expired, or that may not be used on a path as it was sent.

    The service asks this before it looks at the signature, and does not decode the path (measured).
    """
    policy = token.policy
    if policy is None:
        return
    if policy.not_after is not None and now > policy.not_after:
        why = f"the token's policy ends at {policy.not_after.isoformat()}"
        raise AuthenticationRefused(401, "Expired token", explanation={"why": why})
    inside = _policy_path(path)
    if policy.api_paths and not any(_is_allowed(each, inside) for each in policy.api_paths):
        why = f"none of the token's apiPaths allows {inside}"
        raise AuthenticationRefused(403, "Access denied", explanation={"why": why})


def check_access(request: Request, path: str, actor: Actor | None) -> None:
    """Refuse a sender who may not use a decoded path.

    Raises:
        AuthenticationRefused: The path needs a token.
        ApiRefused: The sender lacks the role, or the path is closed to everybody.
    """
    inside = path.removeprefix(CONTEXT_PATH)
    if request.method == "OPTIONS" or not _is_within(inside, "/api") or _is_within(inside, _PUBLIC):
        return
    if actor is None:
        raise anonymous_refused()
    role = _role_for(inside)
    if role is None or role not in _authorities(actor):
        why = f"{inside} needs {role}" if role else f"{inside} is closed to everybody"
        raise ApiRefused(403, "Access Denied", explanation={"why": why})


def may_use_node(token: Token, node_id: int) -> bool:
    """Return whether a token's policy allows a node; who owns the node is another question."""
    policy = token.policy
    return policy is None or not policy.node_ids or node_id in policy.node_ids


def owner_of_node(world: World, actor: Actor, node_id: int) -> User:
    """Return the owner of a node; refuse one that the sender may not use (solaruser.md §6.3)."""
    owner = world.owner_of_node(node_id)
    if owner is None:
        why = f"no user of the world has node {node_id}"
        raise ApiRefused(403, "UNKNOWN_OBJECT", explanation={"why": why})
    if owner.id != actor.user.id:
        why = f"node {node_id} is of user {owner.id}, the token of user {actor.user.id}"
        raise ApiRefused(403, "ACCESS_DENIED", explanation={"why": why})
    if not may_use_node(actor.token, node_id):
        why = f"the token's policy does not name node {node_id}"
        raise ApiRefused(403, "ACCESS_DENIED", explanation={"why": why})
    return owner


def _authorities(actor: Actor) -> frozenset[str]:
    """Return the token's type as a role, with the user's roles for a User token."""
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


_WILDCARD: Final = re.compile(r"\?|\*|\{[^/{}]*\}")


def matches(pattern: str, path: str) -> bool:
    """Return whether a path fits an Ant pattern, as Spring matches it; case counts.

    `?` is one character, `*` any number of them and `{name}` the same within a segment, `**` as a
    segment any number of segments. In Spring the braces may hold a regular expression; here they
    fit any text.
    """
    if pattern.startswith("/") != path.startswith("/"):
        return False
    segments = [segment for segment in path.split("/") if segment]
    wanted = [segment for segment in pattern.split("/") if segment]
    # A slash at the end is a part of the path that only a double star matches.
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
    # Adjacent stars are one: no text makes the expression slow then.
    return re.compile(re.sub(r"(?:\.\*)+", ".*", "".join(parts)), re.DOTALL)

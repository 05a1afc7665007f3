"""One request on its way through the Flexibility Provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from oscp_send.findings import Finding
from oscp_sim.entry import PartyName
from oscp_sim.flexibility_provider.envelope import Refused
from oscp_sim.flexibility_provider.outbox import party_of
from oscp_sim.flexibility_provider.reading import Message
from oscp_sim.http import Request
from oscp_sim.world import CapacityOptimizer, CapacityProvider, User, World

__all__ = ["Call", "Caller", "caller_of", "check_role"]


# § Who calls the Flexibility Provider, and where that caller may go.
#
# As observed in SolarNetwork (oscp20.md §2.4, §5.1, §5.2 and §9.3).

_SCHEME = "Token"


@dataclass(frozen=True, slots=True)
class Caller:
    """An external system that has shown its token.

    Attributes:
        user: Whose system it is.
        system: With the values that it has when it calls.
    """

    user: User
    system: CapacityProvider | CapacityOptimizer

    @property
    def role(self) -> PartyName:
        """What it may do depends on this alone; whether it is enabled is not asked (§5.2)."""
        return party_of(self.system)

    def current(self, world: World) -> CapacityProvider | CapacityOptimizer | None:
        """Answers with the system as it is now; None where it does not exist any more."""
        user = world.user(self.user.id)
        systems = () if user is None else user.systems
        return next((each for each in systems if self.is_it(each)), None)

    def is_it(self, system: CapacityProvider | CapacityOptimizer) -> bool:
        """Tells whether one of the user's systems is this one, whatever has changed in it."""
        return isinstance(system, type(self.system)) and system.id == self.system.id


def caller_of(request: Request, world: World, replaced: Callable[[str], bool]) -> Caller:
    """Answers with who shows a token.

    The header is split at its first blank, the scheme compared with its case. A Bearer token would
    have to be a JWT of an issuer that is configured, and a simulator has none.

    Args:
        request: As it was sent.
        world: Who has which token.
        replaced: Tells whether a token was good until a registration replaced it.

    Raises:
        Refused: With 403 and no body, whatever is wrong.
    """
    authorization = request.header("authorization")
    if authorization is None:
        raise _forbidden("there is no Authorization header")
    scheme, _, token = authorization.partition(" ")
    if scheme != _SCHEME:
        raise _forbidden(f'the scheme of Authorization is not "{_SCHEME}", in exactly this case')
    found = world.caller(token)
    if found is not None:
        return Caller(*found)
    if replaced(token):
        raise _forbidden(
            "the token was replaced when its system registered: the new one is in the Register "
            "that the Flexibility Provider sends about a second later; where that cannot be "
            "brought, only SolarUser makes another one"
        )
    blank = " (it begins with a blank)" if token.startswith(" ") else ""
    raise _forbidden(f"no system has this token{blank}")


def check_role(caller: Caller, roles: frozenset[PartyName]) -> None:
    """Refuses a caller whose role may not go where it wants to.

    Raises:
        Refused: With 403 and no body.
    """
    if caller.role not in roles:
        who = " or ".join(sorted(each.replace("_", " ") for each in roles))
        raise _forbidden(f"only a {who} may, and this is a {caller.role.replace('_', ' ')}")


def _forbidden(why: str) -> Refused:
    return Refused(403, why=why)


@dataclass(slots=True)
class Call:
    """What is known of a request so far, and what the journal is to know of it.

    Attributes:
        request: As it was sent.
        action: The OSCP message that its path stands for.
        caller: Who asks; None until that is known.
        is_read: Whether the body was looked at.
        message: The message; None until it is known.
        findings: What there is to say of it.
        why: What the simulator knows of a refusal beyond its answer.
        afterwards: What is to be done once the exchange stands in the journal.
    """

    request: Request
    action: str | None = None
    caller: Caller | None = None
    is_read: bool = False
    message: Message | None = None
    findings: list[Finding] = field(default_factory=list)
    why: str | None = None
    afterwards: Callable[[], object] | None = None

    @property
    def known_caller(self) -> Caller:
        """Who asks; there is always somebody behind the check of tokens."""
        if self.caller is None:
            raise AssertionError("an endpoint was reached without a token")
        return self.caller

    @property
    def request_id(self) -> str | None:
        """The X-Request-ID."""
        return self.request.header("x-request-id")
